"""The exchange's error codes have one home, and each has one meaning."""

import ast
from pathlib import Path

import pytest

from hedge.core.refusal import Refusal, reason_of
from hedge.daemon.advice import advice_for
from hedge.exchange import error_codes

ROOT = Path(__file__).resolve().parents[3]


def test_each_code_has_one_meaning() -> None:
    """No code stands in two classes."""
    classes = error_codes._MEANINGS.values()
    assert sum(map(len, classes)) == len(error_codes._BY_CODE)


@pytest.mark.parametrize("code", [None, 0, 200, 62008, 99999])
def test_a_code_that_is_not_listed_is_any_refusal(code: int | None) -> None:
    """What the table does not know is neither final nor no answer."""
    refusal = error_codes.refusal_of(code)
    assert refusal is Refusal.OTHER
    assert not refusal.is_final
    assert not refusal.says_nothing


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (500, Refusal.TROUBLE),
        (400, Refusal.TROUBLE),
        (504, Refusal.TROUBLE),
        (429, Refusal.BUSY),
        (405, Refusal.BUSY),
    ],
)
def test_the_status_of_a_server_is_no_word_on_a_transaction(code: int, refusal: Refusal) -> None:
    """Over the socket too: taken for a refusal, B signed again under the same nonce."""
    assert error_codes.refusal_of(code, "whatever") is refusal
    assert refusal.says_nothing


def test_no_other_module_knows_a_code_by_its_number() -> None:
    """A listed code is written as a number nowhere else in the program."""
    home = Path(error_codes.__file__)
    modules = [*ROOT.glob("*.py"), *(ROOT / "hedge").rglob("*.py")]
    assert home in modules
    elsewhere = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in modules
        if path != home
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in error_codes._BY_CODE
    ]
    assert not elsewhere


def test_a_quota_that_is_used_up_is_no_load() -> None:
    """One code has two meanings: only its text tells a definite refusal from none."""
    assert error_codes.refusal_of(23000, "Too Many Requests!") is Refusal.BUSY
    quota = error_codes.refusal_of(23000, "Volume Quota exceeded")
    assert quota is Refusal.QUOTA
    assert not quota.says_nothing
    assert error_codes.refusal_of(200, "didn't use volume quota") is Refusal.OTHER


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (21109, "api_key_refused"),
        (21136, "sdk_outdated"),
        (21149, "key_not_allowed"),
        (21511, "key_not_allowed"),
        (62001, "key_not_allowed"),
        (62007, "key_not_allowed"),
    ],
)
def test_what_no_retry_cures_is_final_and_has_a_word(code: int, word: str) -> None:
    """None of these gets better by trying again, and each asks a person for something else."""
    refusal = error_codes.refusal_of(code)
    assert refusal.is_final
    assert refusal.is_of_key
    assert reason_of(refusal, code, "no") == word
    assert advice_for(word) != advice_for("")
