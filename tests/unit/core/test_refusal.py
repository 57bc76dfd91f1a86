"""What a class of refusals means for a decision."""

import pytest

from hedge.core.refusal import Refusal, reason_of


@pytest.mark.parametrize("refusal", Refusal)
def test_what_says_nothing_is_never_final(refusal: Refusal) -> None:
    """Only the exchange's own load and trouble are no word on the transaction."""
    assert refusal.says_nothing == (refusal in {Refusal.BUSY, Refusal.TROUBLE})
    assert not (refusal.says_nothing and refusal.is_final)


def test_a_refusal_is_named_for_people() -> None:
    """A final class by its own word, any other by the exchange's words, or by its code."""
    assert reason_of(Refusal.MARGIN, 21739, "not enough margin ") == "not_enough_margin"
    assert reason_of(Refusal.OTHER, 21999, "some odd thing ") == "some_odd_thing"
    assert reason_of(Refusal.OTHER, 21999, " ") == "code_21999"
