"""What may keep a pair naked for long: the one table, each row with the rule that says so.

Beside each stands what the judge itself sees of it: a fact of the world (`Hindered`, a life, a leg,
a false row), never the word of the pair alone. A halt excuses B only where something came before it
that called for it; which, its reason says.
"""

from collections.abc import Callable, Mapping

from tests.judge.facts import Hindrance, Record

HINDRANCES: Mapping[Hindrance, str] = {
    Hindrance.LINK: "section 8: a side that does not reach the exchange cannot act, and one that "
    "does not hear it does not know what became of its orders (13.19)",
    Hindrance.REDIS: "section 8: without Redis A cancels and waits; B goes on by its watch, and "
    "cannot where it may not watch (13.2)",
    Hindrance.VENUE: "13.9 to 13.11: the exchange refuses what would close it: margin, quota, "
    "market state, rate",
    Hindrance.DRY: "13.13: nobody trades inside the bounds of a price",
    Hindrance.APART: "13.5: what A holds in a market that it has left the exchange alone "
    "tells, which a B without `peer_watch` does not ask",
    Hindrance.LEAVES: "13.3: a person has asked this side to leave; it ends with 5 where it must",
}
"""Kinds of hindrance, which the world states for as long as they last."""

FOREVER_S = float("inf")

Evidence = Callable[[Record, float, float], bool]
"""Whether the world shows a cause after one moment (s), and up to another one."""


def _stranger_on_b(record: Record, after_s: float, at_s: float) -> bool:
    return any(leg.foreign_b and after_s < leg.at_s <= at_s for leg in record.legs)


def _stranger(record: Record, after_s: float, at_s: float) -> bool:
    return any(
        (leg.foreign_a or leg.foreign_b) and after_s < leg.at_s <= at_s for leg in record.legs
    )


def _false_row(record: Record, after_s: float, at_s: float) -> bool:
    return any(after_s < row.at_s <= at_s for row in record.false_rows)


def _first(record: Record, after_s: float, _at_s: float) -> bool:
    return after_s < 0 and bool(record.first_a_lots or record.first_b_lots)


def _forgot(record: Record, after_s: float, at_s: float) -> bool:
    """Whether a memory was lost: a host's disk, or what Redis held."""
    return any(after_s < lost_s <= at_s for lost_s in record.forgot_s)


def _hindered(record: Record, _after_s: float, at_s: float) -> bool:
    """Whether a link or the exchange was bad not long before."""
    return any(
        one.start_s <= at_s and (one.end_s is None or at_s <= one.end_s + record.bounds.acts_s)
        for one in record.hindered
    )


def _ordered(record: Record, after_s: float, at_s: float) -> bool:
    return any(after_s < hand.at_s <= at_s for hand in record.by_hand)


STOPS_B: Mapping[str, tuple[Evidence, ...]] = {
    "foreign_trade_on_b": (_stranger_on_b,),
    "liquidation_on_b": (_stranger_on_b,),
    "unexplained_position": (_stranger, _first, _forgot, _false_row, _ordered),
    "drift": (_stranger, _false_row, _hindered),
    "implausible_fill": (_stranger, _false_row),
    "position_limit": (_stranger, _false_row, _first),
    "views_differ": (_false_row, _hindered, _stranger),
    "book_not_proven": (_hindered, _false_row),
    "trades_missing": (_hindered, _false_row),
    "flatten_alone": (_ordered,),
    "unreadable_halt": (_forgot,),
}
"""Halts after which B trades nothing until a person resumes (sections 3.6 and 6, 13.7), and what of
the world may call for each. After any other halt B follows its target, so none of them excuses."""

LASTS = frozenset({"position_limit", "unreadable_halt"})
"""Halts whose cause a person may leave as it is: it calls for another one, and another."""


def excuses(record: Record, reason: str, since_s: float) -> bool:
    """Whether a halt that stood since a moment may keep B from trading.

    What called for an earlier halt of this reason, which a person has released, calls for no other
    one, unless a B was started since, or a memory lost: that one may find it anew.
    """
    after_s = -FOREVER_S if reason in LASTS else _known_s(record, reason, since_s)
    return any(seen(record, after_s, since_s) for seen in STOPS_B.get(reason, ()))


def _known_s(record: Record, reason: str, since_s: float) -> float:
    """Return up to when B knows each cause of a halt: since the newest released one of its kind."""
    before = [
        halted.start_s
        for halted in record.halted
        if halted.reason == reason and halted.end_s is not None and halted.end_s <= since_s
    ]
    known_s = max(before, default=-FOREVER_S)
    anew = [life.start_s for life in record.lives if life.side == "b"] + list(record.forgot_s)
    return -FOREVER_S if any(known_s < at_s <= since_s for at_s in anew) else known_s
