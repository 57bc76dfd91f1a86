"""What both state machines share: the table look-up and the facts of the moment."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=enum.Enum)
T = TypeVar("T", bound=enum.Enum)


class IllegalTransitionError(Exception):
    """An event that the state table has no row for; the state is left as it was."""


def look_up(table: Mapping[S, Mapping[T, S]], state: S, trigger: T) -> S:
    """Return the next state. Raises IllegalTransitionError naming state and trigger."""
    try:
        return table[state][trigger]
    except KeyError:
        msg = f"no transition from {state.name} on {trigger.name}"
        raise IllegalTransitionError(msg) from None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true outside at the moment of a step.

    `now_ms` is monotonic. Prices are ticks, None while unknown: `bid_ticks` and `ask_ticks` are
    the configured level of each side, `mark_ticks` the price by which exposure is valued.
    `room` says that the request budget allows an order that is not urgent, `crowded` that it is
    more than half used.
    """

    now_ms: int
    bid_ticks: int | None = None
    ask_ticks: int | None = None
    mark_ticks: int | None = None
    room: bool = True
    crowded: bool = False


class Verdict(enum.Enum):
    """How a sent transaction fared; only proof makes REJECTED."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The sender's verdict on one transaction. `predicted_ms` is how long execution may take."""

    verdict: Verdict
    copies: int = 1
    code: int = 200
    reason: str = ""
    predicted_ms: int = 0


MARGIN_CODES = frozenset({21301, 21507, 21508, 21739, 21111, 21112, 21133})
KEY_CODES = frozenset({21102, 21108, 21109, 21110, 21120})
TOO_SMALL_CODE = 21706
GONE_CODES = frozenset({21600, 21709, 21715})
"""Answers to the cancel of an order that has ended: the fill was faster, which is normal."""


def reason_of(code: int, message: str) -> str:
    """Name a refusal the way failure messages and the status do."""
    if code in MARGIN_CODES:
        return "not_enough_margin"
    if code in KEY_CODES:
        return "api_key_refused"
    return message.strip().replace(" ", "_") or f"code_{code}"
