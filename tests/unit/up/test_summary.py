"""The SUMMARY line is computed from the exchange's own rows."""

from decimal import Decimal
from typing import Any

import pytest

from hedge.launcher.summary import (
    cycles_of,
    legs_of,
    percentile,
    receipts_of,
    summarise,
)

A, B, STRANGER = 280459, 280458, 99
MS = 1_000_000


class Log:
    """Builds trade and order rows as the paper exchange writes them."""

    def __init__(self) -> None:
        self.trades: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []
        self._positions: dict[int, Decimal] = {}

    def trade(
        self,
        account: int,
        size: str,
        price: str,
        *,
        order: int,
        frame_ms: int = 0,
        maker: bool = True,
        market: int = 0,
    ) -> None:
        """`account` buys (or sells, with a negative size) from a stranger."""
        signed = Decimal(size)
        before = self._positions.get(account, Decimal(0))
        self._positions[account] = before + signed
        sells = signed < 0
        role = "maker" if maker else "taker"
        other = "taker" if maker else "maker"
        self.trades.append(
            {
                "seq": 10 * (len(self.trades) + 1),
                "market_id": market,
                "size": str(abs(signed)),
                "usd_amount": str(abs(signed) * Decimal(price)),
                "ask_account_id": account if sells else STRANGER,
                "bid_account_id": STRANGER if sells else account,
                "ask_id": order if sells else 1,
                "bid_id": 1 if sells else order,
                "is_maker_ask": sells == maker,
                f"{role}_position_size_before": str(before),
                f"{other}_position_size_before": "777",
                "frames_sent": {str(account): frame_ms * MS},
            }
        )

    def received(self, order: int, at_ms: int) -> None:
        """An order's transaction came in."""
        self.orders.append({"order_index": order, "received_mono_ns": at_ms * MS})

    def summary(self) -> Any:
        return summarise(
            legs_of(self.trades, A, 0),
            legs_of(self.trades, B, 0),
            receipts_of(self.orders),
            size_decimals=4,
        )


def one_cycle() -> Log:
    """A buys at 3000, B sells at 2999; A sells at 3001, B buys at 3002."""
    log = Log()
    log.trade(A, "0.01", "3000", order=10, frame_ms=100)
    log.received(20, 103)
    log.trade(B, "-0.01", "2999", order=20, maker=False)
    log.trade(A, "-0.01", "3001", order=11, frame_ms=200)
    log.received(21, 205)
    log.trade(B, "0.01", "3002", order=21, maker=False)
    return log


def test_a_round_trip_is_one_cycle_with_its_cost() -> None:
    """One cycle of two fills: both hedged, net zero, cost from the cash of both accounts."""
    summary = one_cycle().summary()
    assert (summary.cycles, summary.fills, summary.hedges, summary.net_lots) == (1, 2, 2, 0)
    assert summary.volume_usd == Decimal("60.01")
    # A earned 0.01, B lost 0.03: 0.02 of 60.01.
    assert summary.cost_bps == pytest.approx(Decimal("0.02") / Decimal("60.01") * 10_000)
    assert (summary.p50_ms, summary.p99_ms) == (3.0, 5.0)
    assert summary.line == (
        "SUMMARY cycles=1 fills=2 volume_usd=60.01 hedges=2 p50_ms=3.00 p99_ms=5.00"
        " net_lots=0 cost_bps=3.33 b_volume_usd=60.01 fees_usd=0.0000 self_trades=0"
    )


def test_a_hedge_in_several_parts_is_one_hedge() -> None:
    """Trades of one order of B count as one hedge; an order without trades as none."""
    log = Log()
    log.trade(A, "0.03", "3000", order=10, frame_ms=100)
    log.received(19, 101)  # a fence marker: never fills
    log.received(20, 104)
    log.trade(B, "-0.01", "2999", order=20, maker=False)
    log.trade(B, "-0.02", "2998", order=20, maker=False)
    summary = log.summary()
    assert summary.hedges == 1
    assert summary.p50_ms == 4.0


def test_a_missing_hedge_shows_in_the_net() -> None:
    """What B did not hedge stands in net_lots, with its sign."""
    log = one_cycle()
    log.trade(A, "0.0150", "3000", order=12, frame_ms=300)
    log.trade(B, "-0.0100", "3000", order=22, maker=False)
    summary = log.summary()
    assert summary.net_lots == 50
    assert summary.cycles == 1
    assert summary.cost_bps is None  # what is open has no price yet: no gain, no loss


def test_one_lot_left_over_makes_no_gain() -> None:
    """The cash of an open position looks like a profit; it is none."""
    log = one_cycle()
    log.trade(B, "-0.0001", "3000", order=23, maker=False)
    assert log.summary().net_lots == -1
    assert "cost_bps=none" in log.summary().line


def test_a_position_of_before_the_run_is_part_of_the_net() -> None:
    """The exchange says what both hold, also where this run has no trade of one of them."""
    log = Log()
    log.trade(A, "-0.0100", "3000.00", order=1)
    a, b = legs_of(log.trades, A, 0), legs_of(log.trades, B, 0)
    held = Decimal("0.0100"), Decimal("-0.0100")  # A came with 0.0200, B with the same
    found = summarise(a, b, {}, 4, held=held)
    assert (found.net_lots, found.cost_bps) == (0, None)
    held = Decimal("-0.0100"), Decimal("0.0100")  # A came flat, B with 0.0100
    assert summarise(a, b, {}, 4, held=held).cost_bps is None


def test_closing_what_both_came_with_has_its_cost() -> None:
    """It was hedged before: the cash of both legs is what closing it has cost."""
    log = Log()
    log.trade(A, "-0.0100", "3000.00", order=1)
    log.trade(B, "0.0100", "3001.50", order=2, maker=False)
    a, b = legs_of(log.trades, A, 0), legs_of(log.trades, B, 0)
    found = summarise(a, b, {}, 4, held=(Decimal(0), Decimal(0)))
    assert (found.net_lots, found.cost_bps) == (0, Decimal(5))


def test_fees_are_part_of_the_cost() -> None:
    """280 millionths for the taker of two trades of 30 USD each."""
    log = one_cycle()
    for row in log.trades[1], log.trades[3]:
        row["taker_fee"] = 280
    summary = log.summary()
    fees = (Decimal("29.99") + Decimal("30.02")) * 280 / 1_000_000
    assert summary.fees_usd == fees
    assert summary.cost_bps == (Decimal("0.02") + fees) / Decimal("60.01") * 10_000


def test_trades_of_the_two_accounts_with_each_other_count_apart() -> None:
    """A fill of A against B's own hedge moves nothing to or from the market: no volume."""
    log = one_cycle()
    log.trade(A, "0.01", "3000", order=30)
    log.trades[-1] |= {"ask_account_id": B, "ask_id": 31, "taker_position_size_before": "0"}
    summary = log.summary()
    assert (summary.self_trades, summary.volume_usd) == (1, Decimal("60.01"))
    assert (summary.b_volume_usd, summary.net_lots) == (Decimal("60.01"), 0)


def test_a_run_without_trades_has_no_latency_and_no_cost() -> None:
    """An empty log gives zeros and "none", not a division by zero."""
    line = Log().summary().line
    assert line == (
        "SUMMARY cycles=0 fills=0 volume_usd=0.00 hedges=0 p50_ms=none p99_ms=none"
        " net_lots=0 cost_bps=none b_volume_usd=0.00 fees_usd=0.0000 self_trades=0"
    )


def test_other_markets_do_not_count() -> None:
    """A trade of another market is not part of the pair."""
    log = one_cycle()
    log.trade(A, "1", "60000", order=99, market=1)
    assert log.summary().fills == 2


def test_partial_exits_are_no_cycles() -> None:
    """Only the trade that makes A flat ends a cycle."""
    log = Log()
    for size in ("0.01", "0.01", "-0.01", "-0.01", "0.02"):
        log.trade(A, size, "3000", order=1)
    assert cycles_of(legs_of(log.trades, A, 0)) == 1


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 99, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
    ],
)
def test_percentiles_are_values_that_occurred(
    values: list[float], percent: int, expected: float | None
) -> None:
    """A percentile is one of the measured values, never an average of two."""
    assert percentile(values, percent) == expected
