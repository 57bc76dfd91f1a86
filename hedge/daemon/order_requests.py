"""The orders of both sides as the venue takes them."""

from hedge.config.schema import Config
from hedge.core import pricing
from hedge.core.hedger.state import InFlight
from hedge.core.maker.state import Order
from hedge.core.records import Depth
from hedge.daemon.context import Parts
from hedge.exchange.port import OrderKind, OrderRequest, TimeInForce

_SHORTEST_LIFE_S = 330
"""The exchange takes no shorter one than 5 minutes; beyond it a little for the clocks."""
_SPARE_S = 60
"""An order outlives the time at which A itself replaces it by this."""


def order_life_s(config: Config) -> int:
    """Return how long an order of A rests before the exchange ends it."""
    return max(_SHORTEST_LIFE_S, round(config.lighter.maker_order_time_out) + _SPARE_S)


def hedge_request(parts: Parts, order: InFlight, book: Depth) -> OrderRequest | None:
    """Return B's market order, None without any price: a cap is never made up.

    The cap is of this moment, by the newest `book` without A's own orders, and by mark; it widens
    with each order that found no liquidity.
    """
    strategy = parts.config.strategy
    cap = pricing.cap_ticks(
        book,
        order.side,
        order.width,
        strategy.retry_times,
        strategy.max_slippage_bps,
        parts.config.safety.max_mark_gap_bps,
    )
    if cap is None:
        return None
    cap = pricing.within_quote_limit(parts.venue.market_now.spec, order.side, order.lots, cap)
    return OrderRequest(
        client_order_index=order.client_order_index,
        side=order.side,
        lots=order.lots,
        price_ticks=cap,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )


def maker_request(parts: Parts, order: Order, book: Depth) -> OrderRequest:
    """Return A's resting order, or the market order by which it closes on its own.

    `book` is the newest one without A's own orders.
    """
    price, kind, tif = order.price_ticks, OrderKind.LIMIT, TimeInForce.POST_ONLY
    if order.closing:
        price = _closing_cap(parts, order, book) or price
        kind, tif = OrderKind.MARKET, TimeInForce.IMMEDIATE_OR_CANCEL
    return OrderRequest(
        client_order_index=order.client_order_index,
        side=order.side,
        lots=order.lots,
        price_ticks=price,
        kind=kind,
        time_in_force=tif,
        reduce_only=order.reduce_only,
        life_s=order_life_s(parts.config),
    )


def _closing_cap(parts: Parts, order: Order, book: Depth) -> int | None:
    """Return the worst price of A's closing order, None without any price.

    Where A reduces what B could not hedge in time it goes as far from mark as the exchange lets it.
    """
    gap_bps, slippage_bps = (
        parts.config.safety.max_mark_gap_bps,
        parts.config.strategy.max_slippage_bps,
    )
    if order.unwinds:
        gap_bps = max(gap_bps, pricing.ALONE_GAP_BPS)
        if not pricing.met_by(book, order.side):
            slippage_bps = gap_bps  # no book tells anything better
    cap = pricing.cap_ticks(book, order.side, 1, 1, slippage_bps, gap_bps)
    if cap is None:
        return None
    return pricing.within_quote_limit(parts.venue.market_now.spec, order.side, order.lots, cap)
