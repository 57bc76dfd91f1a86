"""What may be called neutral, in a table."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.evidence import Evidence, Owed, SideShown, Source, Word, judge

NOTHING = Owed(owed_lots=0)


def side(name: str, lots: int | None, **changes: Any) -> SideShown:
    shown = None if lots is None else Evidence(lots, Source.HEARTBEAT, 0.4)
    return replace(SideShown(name, shown), **changes)


@pytest.mark.parametrize(
    ("a", "b", "offset", "owed", "word"),
    [
        (0, 0, 0, NOTHING, Word.NEUTRAL),  # flat, whether or not B has answered anything
        (0, 0, 0, Owed(None), Word.NEUTRAL),
        (100, -100, 0, NOTHING, Word.NEUTRAL),
        (100, -350, -250, NOTHING, Word.NEUTRAL),
        (0, 0, -250, NOTHING, Word.NEUTRAL),  # flat by a person's order: B owes no offset
        (0, 0, -250, Owed(-250), Word.OPEN),
        (0, 0, -250, Owed(None), Word.OPEN),
        (100, -97, 0, Owed(-3, dust_lots=-3), Word.NEUTRAL),  # dust that B named
        (100, -96, 0, Owed(-3, dust_lots=-3), Word.OPEN),
        (0, -5000, 0, NOTHING, Word.OPEN),  # owed 0 is not neutral: a fill published by hand
        (100, 0, 0, NOTHING, Word.OPEN),
        (100, -100, 0, Owed(0, manual_lots=5), Word.OPEN),
        (100, -100, 0, Owed(0, is_inflight=True), Word.OPEN),
        (None, 0, 0, Owed(0, manual_lots=5), Word.OPEN),  # whatever A holds
        (None, 0, 0, NOTHING, Word.UNKNOWN),
        (0, None, 0, NOTHING, Word.UNKNOWN),
        (None, None, 0, NOTHING, Word.UNKNOWN),
    ],
)
def test_neutral_is_a_statement_about_evidence(
    a: int | None, b: int | None, offset: int, owed: Owed, word: Word
) -> None:
    """Both positions are shown and cancel out, and nothing is open; else the word is another."""
    found = judge(side("A", a), side("B", b), owed, offset_lots=offset)
    assert found.word is word
    assert bool(found.reasons) is (word is not Word.NEUTRAL)
    assert found.is_neutral == {Word.NEUTRAL: True, Word.OPEN: False}.get(word)


def test_what_was_known_once_does_not_count() -> None:
    """Values of a daemon that does not answer are shown with their age, and prove nothing."""
    last = Evidence(0, Source.HEARTBEAT, 3.0)
    gone = side("A", None, last_known=last, missing="did not answer within 4.5 s")
    found = judge(gone, side("B", 0), NOTHING, offset_lots=0)
    assert (found.word, found.reasons) == (Word.UNKNOWN, ("A: did not answer within 4.5 s",))


def test_a_side_that_has_just_started_is_starting() -> None:
    """Only where that is all that is missing it is no alarm."""
    new = side("A", None, is_starting=True)
    assert judge(new, side("B", 0), NOTHING, offset_lots=0).word is Word.STARTING
    assert judge(side("A", 0), side("B", None), NOTHING, offset_lots=0).word is Word.UNKNOWN


def test_at_an_end_a_resting_order_is_open() -> None:
    """It could fill into nobody; while both run it is what the pair is for."""
    a, b = side("A", 0, orders=1), side("B", 0)
    assert judge(a, b, NOTHING, offset_lots=0).word is Word.NEUTRAL
    assert judge(a, b, NOTHING, offset_lots=0, has_ended=True).word is Word.OPEN
