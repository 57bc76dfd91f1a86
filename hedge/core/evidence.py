"""What may be called neutral: a statement about evidence, judged in one place.

Both positions must be shown, cancel out up to the offset and to dust, nothing published by hand may
be open and no order in flight. What is not shown is unknown, never zero.
"""

import enum
from dataclasses import dataclass

STARTING_S = 60.0
"""So long after its start a side that has not proven its book yet is called starting."""

SUM_IS_WRONG = "A + B is not what it should be"
"""The reason of positions that do not cancel out."""

BY_HAND = "an amount published by hand is open"
"""The reason of what B traded for fills that are not A's."""


class Word(enum.Enum):
    """What may be said of the pair."""

    NEUTRAL = "neutral"
    OPEN = "not neutral"
    UNKNOWN = "unknown"
    STARTING = "starting"


class Source(enum.Enum):
    """Who showed a position."""

    HEARTBEAT = "its own heartbeat"
    LEFT = "its last word"
    EXCHANGE = "the exchange"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One position, who showed it, and how many seconds ago."""

    position_lots: int
    source: Source
    age_s: float


@dataclass(frozen=True, slots=True)
class SideShown:
    """One side as it is known: `shown` counts, `last_known` does not.

    `missing` says what is missing where nothing is shown. `orders` rest or may rest; `is_starting`:
    the side has not proven its book yet, and was started a moment ago.
    """

    name: str
    shown: Evidence | None = None
    last_known: Evidence | None = None
    missing: str = ""
    orders: int = 0
    is_starting: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The word on the pair, and each reason against "neutral"."""

    word: Word
    reasons: tuple[str, ...] = ()
    dust_lots: int = 0

    @property
    def is_neutral(self) -> bool | None:
        """Whether the pair is neutral; None where that is not known."""
        if self.word is Word.NEUTRAL:
            return True
        return False if self.word is Word.OPEN else None


@dataclass(frozen=True, slots=True)
class Owed:
    """What B's answer to A's newest state says, in signed lots; None where it has not answered."""

    owed_lots: int | None
    dust_lots: int = 0
    manual_lots: int = 0
    is_inflight: bool = False


def judge(
    a: SideShown, b: SideShown, owed: Owed, *, offset_lots: int, has_ended: bool = False
) -> Judgement:
    """Judge whether the pair may be called neutral.

    `has_ended`: it is said of an end, where a resting order counts as one in flight.
    """
    by_hand = (BY_HAND,) if owed.manual_lots and b.shown is not None else ()
    if a.shown is None or b.shown is None:
        unshown = [side for side in (a, b) if side.shown is None]
        missing = tuple(f"{side.name}: {side.missing or 'not shown'}" for side in unshown)
        if by_hand:  # whatever the other position is
            return Judgement(Word.OPEN, (*by_hand, *missing))
        is_starting = all(side.is_starting for side in unshown)
        return Judgement(Word.STARTING if is_starting else Word.UNKNOWN, missing)
    reasons = list[str]()
    differs = a.shown.position_lots + b.shown.position_lots - offset_lots
    dust = owed.dust_lots if differs == -owed.dust_lots else 0
    # Flat as a person ordered: B owes nothing then, whatever the offset.
    is_flat = owed.owed_lots == 0 and a.shown.position_lots == b.shown.position_lots == 0
    if differs and not dust and not is_flat:
        reasons.append(SUM_IS_WRONG)
    reasons.extend(by_hand)
    if owed.is_inflight:
        reasons.append("a hedge is in flight")
    if has_ended and a.orders + b.orders:
        reasons.append("an order is in the book, or its fate is open")
    return Judgement(Word.OPEN if reasons else Word.NEUTRAL, tuple(reasons), dust)
