"""The audit of the pair finds each kind of broken promise; a check that cannot fail is none."""

from typing import Any

import pytest

from hedge.core import ids
from tests.pair_audit import Audit, audit, lots

A, B, STRANGER = 1, 2, 9
Json = dict[str, Any]


class Tape:
    """Writes the logs of an imagined exchange; every entry is 1 ns later."""

    def __init__(self) -> None:
        self.trades: list[Json] = []
        self.orders: list[Json] = []
        self._now = 0

    def _next(self) -> Json:
        self._now += 1
        return {"seq": self._now, "mono_ns": self._now}

    def trade(self, buyer: int, seller: int, size: str) -> None:
        self.trades.append(
            {**self._next(), "size": size, "bid_account_id": buyer, "ask_account_id": seller}
        )

    def order(self, account: int, cid: int, status: str, **changes: Any) -> None:
        stamp = self._next()
        self.orders.append(
            {
                **stamp,
                "order_index": 1000 + cid % 1000,
                "received_mono_ns": stamp["mono_ns"],
                "owner_account_index": account,
                "client_order_index": cid,
                "is_ask": False,
                "initial_base_amount": "1.0",
                "filled_base_amount": "0.0",
                "price": "3000.00",
                "type": "limit",
                "time_in_force": "post-only",
                "reduce_only": False,
                "status": status,
                **changes,
            }
        )

    def audit(self) -> Audit:
        return audit(self.trades, self.orders, A, B)


def test_a_good_life_passes() -> None:
    """Fill, hedge, next order: neutral, with every prefix looked at."""
    tape = Tape()
    tape.order(A, 1, "open")
    tape.trade(A, STRANGER, "0.4")
    tape.trade(STRANGER, B, "0.1")
    tape.order(A, 1, "canceled")
    tape.trade(STRANGER, B, "0.3")
    tape.order(A, 2, "open")
    result = tape.audit().check()
    assert (result.prefixes, result.neutral_moments, result.a_orders) == (3, 1, 2)
    assert (result.a_lots, result.b_lots) == (4000, -4000)


def test_a_doubled_hedge_is_found() -> None:
    """B sells twice what A bought, even if it buys the rest back later."""
    tape = Tape()
    tape.trade(A, STRANGER, "0.4")
    tape.trade(STRANGER, B, "0.4")
    tape.trade(STRANGER, B, "0.4")
    tape.trade(B, STRANGER, "0.4")
    result = tape.audit()
    assert result.net_lots == 0
    assert len(result.never_twice) == 3 - 1
    with pytest.raises(AssertionError, match="bought"):
        result.check()


def test_an_earlier_cycle_gives_no_room_for_a_double() -> None:
    """What A bought and sold before the last neutral moment does not excuse anything."""
    tape = Tape()
    tape.order(A, 1, "open")
    tape.trade(A, STRANGER, "0.4")
    tape.trade(STRANGER, A, "0.4")
    tape.order(A, 1, "filled")
    tape.order(A, 2, "open")
    tape.trade(A, STRANGER, "0.1")
    tape.trade(STRANGER, B, "0.3")
    assert tape.audit().never_twice


def test_an_order_before_coverage_is_found() -> None:
    """A's next order arrives while B still owes."""
    tape = Tape()
    tape.order(A, 1, "open")
    tape.trade(A, STRANGER, "0.4")
    tape.order(A, 1, "canceled")
    tape.trade(STRANGER, B, "0.3")
    tape.order(A, 2, "open")
    tape.trade(STRANGER, B, "0.1")
    result = tape.audit()
    assert len(result.hold) == 1
    assert result.net_lots == 0


def test_two_orders_of_a_beside_each_other_are_found() -> None:
    """A's second order arrives while the first one rests."""
    tape = Tape()
    tape.order(A, 1, "open")
    tape.order(A, 2, "open")
    assert len(tape.audit().beside) == 1


def test_markers_and_closing_orders_do_not_count() -> None:
    """Fence markers and closing orders may arrive at any time."""
    tape = Tape()
    tape.trade(A, STRANGER, "0.4")
    tape.order(A, ids.marker_id("abc", 7), "canceled", time_in_force="immediate-or-cancel")
    tape.order(A, 5, "filled", time_in_force="immediate-or-cancel")
    tape.trade(STRANGER, A, "0.4")
    assert tape.audit().check().a_orders == 0


def test_a_trade_between_a_and_b_is_one_trade_of_two_legs() -> None:
    """B's hedge may meet A's own remainder: both legs count."""
    tape = Tape()
    tape.trade(A, STRANGER, "0.4")
    tape.trade(A, B, "0.2")
    tape.trade(STRANGER, B, "0.4")
    tape.audit().check()


def test_an_open_position_is_found() -> None:
    """Not neutral at the end."""
    tape = Tape()
    tape.trade(A, STRANGER, "0.4")
    with pytest.raises(AssertionError):
        tape.audit().check()


def test_amounts_are_exact() -> None:
    """A size that is no whole number of lots is refused."""
    assert lots("0.0003") == 3
    with pytest.raises(AssertionError):
        lots("0.00005")
