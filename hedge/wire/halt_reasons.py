"""What a halt means for the two sides, by its reason."""

from hedge.wire.control import FLATTEN, UNREADABLE_HALT, Halt

_STOPS_BOTH = frozenset({UNREADABLE_HALT, "implausible_fill"})

STOPS_B = frozenset(
    {
        "foreign_trade_on_b",
        "liquidation_on_b",
        "drift",
        "unexplained_position",
        "position_limit",
        "book_not_proven",
        "trades_missing",
        "views_differ",
        "flatten_alone",
    }
)
"""Halts of B's own after which it trades nothing; after any other it follows its target."""


def stops_b(halt: Halt) -> bool:
    """Whether B trades nothing while this halt is in force."""
    own = halt.side == "b" and halt.reason in STOPS_B
    return halt.reason in _STOPS_BOTH or own


def is_flatten(halt: Halt) -> bool:
    """Whether A halted by a person's `flatten`: until it is released nobody opens a position."""
    return halt.side == "a" and halt.reason == FLATTEN


FORCED = frozenset({"trades_missing"})
"""Halts that would come back unless a person adopts what the exchange itself states."""

CLOSED_FIRST = frozenset({"unexpected_short"})
"""Halts that would come back as long as A holds what it does: it is closed before a resumption."""

_OF_A = frozenset({"foreign_trade_on_a", "liquidation_on_a", "unexpected_short"})


def asks_for_force(halt: Halt) -> bool:
    """Whether a person must look at both positions where no daemon shows them."""
    return stops_b(halt) or halt.reason in _OF_A or halt.reason in STOPS_B
