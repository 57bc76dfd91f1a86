"""The orders of both sides as the venue takes them."""

from hedge.config.schema import Config
from hedge.core import pricing
from hedge.core.hedger.state import InFlight
from hedge.core.maker.state import Order
from hedge.daemon.context import Parts
from hedge.exchange.port import OrderKind, OrderRequest, TimeInForce

_SHORTEST_LIFE_S = 330
"""The exchange takes no shorter one than 5 minutes; beyond it a little for the clocks."""
_SPARE_S = 60
"""An order outlives the time at which A itself replaces it by this."""


def order_life_s(config: Config) -> int:
    """Return how long an order of A rests before the exchange ends it."""
    return max(_SHORTEST_LIFE_S, round(config.lighter.maker_order_time_out) + _SPARE_S)


def hedge_request(parts: Parts, order: InFlight) -> OrderRequest | None:
    """Return B's market order, None without any price: a cap is never made up.

    The cap widens with each attempt.
    """
    strategy = parts.config.strategy
    cap = pricing.cap_ticks(
        parts.venue.recent_depth(),
        order.side,
        order.attempt,
        strategy.retry_times,
        strategy.max_slippage_bps,
    )
    if cap is None:
        return None
    return OrderRequest(
        client_order_index=order.client_order_index,
        side=order.side,
        lots=order.lots,
        price_ticks=cap,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )


def maker_request(parts: Parts, order: Order) -> OrderRequest:
    """Return A's resting order, or the market order by which it closes on its own."""
    price, kind, tif = order.price_ticks, OrderKind.LIMIT, TimeInForce.POST_ONLY
    if order.closing:
        slippage = parts.config.strategy.max_slippage_bps
        price = pricing.cap_ticks(parts.venue.recent_depth(), order.side, 1, 1, slippage) or price
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
