"""Tempting rules of prices: that the book is the market, and that a limit wants a better price."""

from dataclasses import replace
from typing import Any

from hedge.core.hedger.state import InFlight
from hedge.daemon.order_requests import hedge_request
from hedge.exchange.port import Market, OrderRequest

BOUNDLESS = 2**60
ANY_BPS = 10**6


def own_is_the_market(manager: Any) -> None:
    """The best price is the market, whosever it is."""
    manager.others_book = lambda book: book


def a_level_is_a_price(manager: Any) -> None:
    """A level is a price worth quoting, whatever the hedge would cost."""
    config = replace(manager.state.config, max_slippage_bps=ANY_BPS, max_mark_gap_bps=ANY_BPS)
    manager.state = replace(manager.state, config=config)


def the_book_is_no_bait(manager: Any) -> None:
    """A cap made from the best price is near enough to every other."""
    manager.state = replace(
        manager.state, config=replace(manager.state.config, max_mark_gap_bps=ANY_BPS)
    )
    safety = replace(manager.parts.config.safety, max_mark_gap_bps=ANY_BPS)
    parts = replace(manager.parts, config=replace(manager.parts.config, safety=safety))
    manager._request = lambda order: hedge_request(parts, order, manager._book_now())


class _Unlimited:
    """A venue whose market has no quote limit."""

    def __init__(self, venue: Any) -> None:
        self._venue = venue

    @property
    def market_now(self) -> Market:
        market: Market = self._venue.market_now
        spec = replace(market.spec, order_quote_limit_micros=BOUNDLESS)
        return replace(market, spec=spec)


def refused_gets_a_wider_cap(manager: Any) -> None:
    """A refused hedge is sent whole again, with a wider cap."""
    real = manager.facts
    parts = replace(manager.parts, venue=_Unlimited(manager.parts.venue))

    def facts() -> Any:
        found = real()
        spec = replace(found.spec, order_quote_limit_micros=BOUNDLESS)
        return replace(found, spec=spec)

    def request(order: InFlight) -> OrderRequest | None:
        wider = replace(order, width=order.attempt)
        return hedge_request(parts, wider, manager._book_now())

    manager.facts, manager._request = facts, request
