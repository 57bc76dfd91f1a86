"""Tests of the lists of a batch of transactions."""

import pytest

from paper.apierror import ApiError
from paper.batch import read_batch


def test_both_lists_are_json_texts() -> None:
    """Types are numbers and transactions are texts, both inside JSON text."""
    assert read_batch("[14, 15]", '["{\\"a\\":1}", "{}"]') == ([14, 15], ['{"a":1}', "{}"])
    assert read_batch("[]", "[]") == ([], [])


@pytest.mark.parametrize(
    ("types", "infos", "code"),
    [
        (None, "[]", 20001),
        ([14], "[]", 20001),
        ("[14]", ["{}"], 20001),
        ("14", "[]", 20001),
        ("[14", "[]", 20001),
        ("[" * 100_000, "[]", 20001),
        ("{}", "[]", 20001),
        ("[14]", '[{"a":1}]', 21501),
        ("[true]", '["{}"]', 21501),
        ('["14"]', '["{}"]', 21501),
        ("[-1]", '["{}"]', 21501),
        ("[1e400]", '["{}"]', 21501),
        ("[" + "9" * 4000 + "]", '["{}"]', 21501),
    ],
)
def test_other_lists_are_refused(types: object, infos: object, code: int) -> None:
    """Anything else is a parameter error or a transaction that is none."""
    with pytest.raises(ApiError) as caught:
        read_batch(types, infos)
    assert caught.value.code == code
