"""The paper exchange's fault switches as kinds of chaos: `x-…`, by account, for a while."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos.kinds import Kind
from tests.world.pair import KEY_INDEX
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

Json = dict[str, Any]
ACCOUNTS = {"a": ACCOUNT_A, "b": ACCOUNT_B}
MARKET_ORDER = 1
LONGEST_MS = 4000


def _times(most: int) -> Callable[[float], Json]:
    return lambda amount: {"count": 1 + int(amount * most)}


def _ms(name: str) -> Callable[[float], Json]:
    return lambda amount: {name: 100 + int(amount * LONGEST_MS)}


def _replaced(amount: float) -> Json:
    return {"count": 1 + int(amount * 2), "accepted": int(amount * 10) % 2 == 1}


def _nothing(_amount: float) -> Json:
    return {}


PARAMETERS: Mapping[str, Callable[[float], Json]] = {
    "answer_lost_before": lambda amount: {"how": "cut" if amount < 0.5 else "silent"},
    "answer_lost_after": lambda amount: {"how": "cut" if amount < 0.5 else "silent"},
    "answer_delayed": lambda amount: {**_ms("delay_ms")(amount), "accepted": amount > 0.5},
    "answer_405": _replaced,
    "answer_429": _replaced,
    "answer_500": _replaced,
    "answer_html": _replaced,
    "order_cancelled": _times(2),
    "order_dropped": _nothing,
    "nonce_given_back": _nothing,
    "partial_fill": lambda amount: {"base_amount": f"{0.001 + amount * 0.04:.4f}"},
    "no_liquidity": lambda amount: {"count": 1 + int(amount * 4), "order_type": MARKET_ORDER},
    "held": _ms("delay_ms"),
    "rest_lag": _ms("lag_ms"),
    "stale_replica": _nothing,
    "listed_late": lambda amount: {
        "what": ("rows", "trades", "transactions")[min(2, int(amount * 3))],
        "most_ms": 1000 + int(amount * LONGEST_MS),
    },
    "list_missing": lambda amount: {"how": "null" if amount < 0.5 else "absent"},
    "balance_missing": lambda amount: {"how": "null" if amount < 0.5 else "absent"},
    "trade_time_early": lambda amount: {"most_ms": int(amount * 20_000)},
    "order_times_in_seconds": _nothing,
    "position_before_lost": lambda amount: {"how": "zero" if amount < 0.5 else "absent"},
    "frames_duplicated": _times(5),
    "frames_dropped": _times(3),
    "frames_delayed": lambda amount: {"count": 1 + int(amount * 3), "delay_ms": int(amount * 1500)},
    "trades_reversed": _nothing,
    "position_before_trade": _times(3),
    "position_after_trade": _times(3),
    "order_before_trades": _times(3),
    "snapshot_replays_trades": _nothing,
    "socket_silent": _nothing,
    "channels_silent": _nothing,
    "only_pings": _nothing,
    "no_pong": _nothing,
    "socket_cut": _nothing,
    "foreign_key_use": lambda _amount: {"api_key_index": KEY_INDEX},
    "foreign_trade": lambda amount: {"side": "buy", "base_amount": f"{0.005 + amount / 20:.4f}"},
    "book_gap": lambda _amount: {"market_index": 0},
    "shutdown": _ms("close_in_ms"),
}
"""Switch → its parameters for an amount between 0 and 1."""

AT_ONCE = frozenset({"no_pong", "socket_cut", "foreign_key_use", "foreign_trade", "shutdown"})
OF_NOBODY = frozenset({"book_gap", "only_pings", "shutdown"})
RARE = frozenset({"foreign_trade", "no_liquidity"})
"""These end in a halt, and an operator's time is not what shall be measured."""


def _kind(name: str) -> Kind:
    targets = ("a",) if name == "foreign_trade" else ("a", "b")
    if name in OF_NOBODY:
        targets = ("all",)
    lasts = (0.0, 0.0) if name in AT_ONCE else (2.0, 6.0)
    return Kind(f"x-{name}", targets, *lasts, weight=1 if name in RARE else 2)


SWITCH_KINDS: tuple[Kind, ...] = tuple(_kind(name) for name in PARAMETERS)


def request_of(kind: str, target: str, amount: float) -> tuple[str, Json]:
    """Return the switch's name and the parameters to set it with."""
    name = kind.removeprefix("x-")
    owner = {} if name in OF_NOBODY else {"account_index": ACCOUNTS[target]}
    return name, {**owner, **PARAMETERS[name](amount)}
