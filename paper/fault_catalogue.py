"""The list of fault switches: their names, what they concern, and their parameters.

`kind` says who acts: "answer" (an answer to a request), "upgrade" (a connect of a socket),
"execution" (a transaction between acceptance and execution), "view" (what reads of accounts see),
"row" (how orders, trades and transactions are told), "frame" (frames of the streams),
"socket" (a whole connection, until deleted), "action" (something that happens once, at once).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from paper.plans import CANCEL_STATUSES

MAX_MS: Final = 86_400_000
MAX_TRADES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter of a switch."""

    default: Any = None
    integer: bool = False
    amount: bool = False
    """A decimal string; sizes are rounded down to lots of the market."""
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """One kind of fault; `scope` maps the questions that narrow it to their defaults."""

    kind: str
    scope: dict[str, Any]
    options: dict[str, Option] = field(default_factory=dict)
    count: int = 1
    """How often it fires unless told otherwise; 0 for no limit."""


COMMON: Final = ("name", "count", "probability", "seed", "skip")

SCOPES: Final = {
    "account_index": Option(integer=True),
    "tx_type": Option(integer=True, high=255),
    "order_type": Option(integer=True, high=255),
    "time_in_force": Option(integer=True, high=255),
    "market_index": Option(integer=True, high=1 << 15),
    "via": Option(choices=("http", "ws", "any")),
    "path": Option(),
    "family": Option(),
}

_ANSWERED: Final = {
    "account_index": None,
    "tx_type": None,
    "order_type": None,
    "time_in_force": None,
    "market_index": None,
    "via": None,
    "path": "sendTx",
}
_EXECUTED: Final = {
    "account_index": None,
    "tx_type": None,
    "order_type": None,
    "time_in_force": None,
    "market_index": None,
}
_OWNED: Final = {"account_index": None}
_TRADED: Final = {"account_index": None, "family": None}

_TOLD: Final = {"account_index": None, "path": None, "family": None}

_HOW: Final = Option("silent", choices=("silent", "cut"))
_ACCEPTED: Final = Option(default=False)


def _ms(default: int | None = None) -> Option:
    return Option(default, integer=True, high=MAX_MS, required=default is None)


_REPLACED: Final = Switch("answer", _ANSWERED, {"accepted": _ACCEPTED})

SWITCHES: Final[dict[str, Switch]] = {
    "answer_lost_before": Switch("answer", _ANSWERED, {"how": _HOW}),
    "answer_lost_after": Switch("answer", _ANSWERED, {"how": _HOW}),
    "answer_delayed": Switch("answer", _ANSWERED, {"delay_ms": _ms(), "accepted": _ACCEPTED}),
    "answer_405": _REPLACED,
    "answer_429": _REPLACED,
    "answer_500": _REPLACED,
    "answer_html": _REPLACED,
    "tx_refused": Switch(
        "answer",
        _ANSWERED,
        {
            "code": Option(21136, integer=True, low=20_000, high=70_000),
            "message": Option("please update the sdk"),
        },
    ),
    "upgrade_refused": Switch(
        "upgrade",
        {},
        {"status": Option(403, integer=True, low=400, high=599)},
        count=0,
    ),
    "order_cancelled": Switch(
        "execution", _EXECUTED, {"status": Option("canceled", choices=CANCEL_STATUSES)}
    ),
    "order_dropped": Switch("execution", _EXECUTED),
    "nonce_given_back": Switch("execution", _EXECUTED),
    "partial_fill": Switch(
        "execution", _EXECUTED, {"base_amount": Option(amount=True, required=True)}
    ),
    "no_liquidity": Switch("execution", _EXECUTED),
    "held": Switch("execution", _EXECUTED, {"delay_ms": _ms(0), "before_expiry_ms": _ms(200)}),
    "rest_lag": Switch("view", {**_OWNED, "path": None}, {"lag_ms": _ms()}, count=0),
    "stale_replica": Switch("view", {**_OWNED, "path": "account"}, count=0),
    "listed_late": Switch(
        "row",
        {**_OWNED, "path": None},
        {
            "what": Option(choices=("rows", "trades", "transactions"), required=True),
            "least_ms": _ms(0),
            "most_ms": _ms(10_000),
            "facts": Option(0, integer=True, high=MAX_TRADES),
        },
        count=0,
    ),
    "list_missing": Switch(
        "row",
        {**_OWNED, "path": None},
        {"how": Option("null", choices=("null", "absent")), "full": Option(default=False)},
        count=0,
    ),
    "balance_missing": Switch(
        "row", _OWNED, {"how": Option("null", choices=("null", "absent"))}, count=0
    ),
    "trade_time_early": Switch("row", _TOLD, {"most_ms": _ms(20_000)}, count=0),
    "order_times_in_seconds": Switch("row", _TOLD, count=0),
    "position_before_lost": Switch(
        "row", _TOLD, {"how": Option("zero", choices=("zero", "absent"))}, count=0
    ),
    "frames_duplicated": Switch("frame", _TRADED),
    "frames_dropped": Switch("frame", _TRADED),
    "frames_delayed": Switch("frame", _TRADED, {"delay_ms": _ms()}),
    "trades_reversed": Switch("frame", _TRADED, {"within_ms": _ms(500)}),
    "position_after_trade": Switch("frame", _OWNED, {"delay_ms": _ms(50)}),
    "position_before_trade": Switch("frame", _OWNED, {"delay_ms": _ms(50)}),
    "order_before_trades": Switch("frame", _TRADED, {"delay_ms": _ms(50)}),
    "book_gap": Switch("frame", {"market_index": None}),
    "snapshot_replays_trades": Switch(
        "snapshot", _TRADED, {"trades": Option(50, integer=True, low=1, high=MAX_TRADES)}
    ),
    "socket_silent": Switch("socket", _TRADED, count=0),
    "channels_silent": Switch("socket", _TRADED, count=0),
    "only_pings": Switch("socket", {}, count=0),
    "shutdown": Switch("action", {}, {"close_in_ms": _ms(0)}),
    "no_pong": Switch("action", _OWNED),
    "socket_cut": Switch("action", _TRADED),
    "foreign_key_use": Switch(
        "action",
        {},
        {
            "account_index": Option(integer=True, required=True),
            "api_key_index": Option(integer=True, high=254, required=True),
        },
    ),
    "liquidation": Switch("action", {}, {"account_index": Option(integer=True, required=True)}),
    "foreign_trade": Switch(
        "action",
        {},
        {
            "account_index": Option(integer=True, required=True),
            "market_index": Option(0, integer=True, high=1 << 15),
            "side": Option(choices=("buy", "sell"), required=True),
            "base_amount": Option(amount=True, required=True),
        },
    ),
}
