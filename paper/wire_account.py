"""Accounts as the JSON objects of the exchange, with the values that follow from the markets."""

from __future__ import annotations

from typing import Any, Final

from paper import wire
from paper.engine import Engine
from paper.records import RATIO, Account, MarketConfig, Position, PositionSummary
from paper.store import KEPT_ACCOUNT_TRADES

DAY_MS: Final = 86_400_000
SPANS: Final = (("daily", 1), ("weekly", 7), ("monthly", 30), ("total", None))
"""Spans that trades are counted over, in days; all that are kept in the last."""

Json = dict[str, Any]


def detailed_account(engine: Engine, account: Account, *, active_only: bool = False) -> Json:
    """Return the DetailedAccount object; `active_only` leaves flat markets out."""
    summary = engine.summary(account.index)
    active = engine.active_orders(account.index)
    markets = sorted({*account.positions, *(order.market_id for order in active)})
    positions = [position(engine, account.index, market) for market in markets]
    if active_only:
        positions = [row for row in positions if row["position_value"] != wire.money(0)]
    return wire.detailed_account(account, summary, positions, len(active))


def plain_account(engine: Engine, account: Account) -> Json:
    """Return the Account object: a DetailedAccount without what hangs on it."""
    names = (
        *("code", "account_type", "account_trading_mode", "index", "l1_address"),
        *("cancel_all_time", "total_order_count", "total_isolated_order_count"),
        *("pending_order_count", "available_balance", "status", "collateral", "transaction_time"),
    )
    row = detailed_account(engine, account)
    return {name: row[name] for name in names}


def volumes(engine: Engine, account: int, now_ms: int) -> Json:
    """Return how many of the kept trades an account made in each span, and their USDC value."""
    trades = engine.account_trades(account, limit=KEPT_ACCOUNT_TRADES)
    counted: Json = {}
    for name, days in SPANS:
        since = -1 if days is None else now_ms - days * DAY_MS
        recent = [trade.quote for trade in trades if trade.timestamp_ms > since]
        counted[f"{name}_trades_count"] = len(recent)
        counted[f"{name}_volume"] = wire.number(wire.money(sum(recent)))
    return counted


def position(engine: Engine, account: int, market_id: int, exact: Position | None = None) -> Json:
    """Return the AccountPosition object; of `exact`, the position at an earlier moment."""
    market = engine.markets[market_id]
    found = engine.position(account, market_id)
    if exact is not None and exact != found.position:
        mark = engine.mark_price(market_id)
        found = wire.summary_of(market, exact, mark, found.open_order_count)
    price = None
    if found.position.lots:
        price = liquidation_price(market, found, *engine.standing(account))
    return wire.position(market, found, price)


def liquidation_price(
    market: MarketConfig, held: PositionSummary, value: int, maintenance: int
) -> int | None:
    """Return the mark price (ticks) at which an account meets its maintenance margin, or None.

    `value` and `maintenance` (micros) are the account's now. Everything else stays as it is: value
    + lots x price - entry = margin of the others + |lots| x price x the market's maintenance
    fraction. Rounded down; None where no positive price does it.
    """
    record = held.position
    others = maintenance - (-(-held.value * market.mmf // RATIO))
    rest = value - held.unrealized_pnl
    needed = (others + record.signed_entry_quote - rest) * RATIO
    slope = market.quote(1, 1) * (record.lots * RATIO - abs(record.lots) * market.mmf)
    ticks = needed // slope
    return ticks if ticks > 0 else None
