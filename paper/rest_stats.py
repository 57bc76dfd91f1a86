"""The public REST calls that common clients make beside trading: statistics, candles, rates."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from paper import wire, wire_market
from paper.answers import answer
from paper.exchange import Exchange
from paper.lookups import as_ms, known_market
from paper.params import Params
from paper.records import MarketConfig, Trade
from paper.store import KEPT_MARKET_TRADES

MAX_CANDLES: Final = 500
MAX_TIME: Final = 5_000_000_000_000
RESOLUTIONS: Final = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "1w": 604_800_000,
}
"""Lengths of a candle in milliseconds."""

Json = dict[str, Any]


class StatsApi:
    """Handlers of public statistics; they are made of the trades that the engine still keeps."""

    def __init__(self, exchange: Exchange) -> None:
        """Read `exchange`."""
        self._exchange = exchange
        self._engine = exchange.engine

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get(f"{api}/exchangeStats", self.exchange_stats),
            web.get(f"{api}/funding-rates", self.funding_rates),
            web.get(f"{api}/candles", self.candles),
            web.get(f"{api}/currentHeight", self.current_height),
        ]

    async def exchange_stats(self, _: web.Request) -> web.Response:
        """Answer volume and price of every market over a day."""
        now_ms = self._exchange.now_ms()
        markets = self._engine.markets.values()
        rows = [wire_market.order_book_stats(self._engine, market, now_ms) for market in markets]
        return answer(
            {
                "code": 200,
                "total": len(rows),
                "order_book_stats": rows,
                "daily_usd_volume": sum(row["daily_quote_token_volume"] for row in rows),
                "daily_trades_count": sum(row["daily_trades_count"] for row in rows),
            }
        )

    async def funding_rates(self, _: web.Request) -> web.Response:
        """Answer the funding rate of every market as a fraction per hour."""
        rows = [
            {
                "market_id": market_id,
                "exchange": "lighter",
                "symbol": market.symbol,
                "rate": wire.number(wire.decimal_text(self._engine.funding_rate(market_id), 6)),
            }
            for market_id, market in self._engine.markets.items()
        ]
        return answer({"code": 200, "funding_rates": rows})

    async def candles(self, request: web.Request) -> web.Response:
        """Answer the candles of a market, oldest first."""
        params = Params(request.query)
        market = known_market(self._exchange, params.integer("market_id"))
        resolution = params.choice("resolution", tuple(RESOLUTIONS))
        start = as_ms(params.integer("start_timestamp", high=MAX_TIME))
        end = as_ms(params.integer("end_timestamp", high=MAX_TIME))
        most = params.integer("count_back", high=MAX_TIME)
        params.flag("set_timestamp_to_end")
        params.flag("merge_mark_price")
        step = RESOLUTIONS[resolution]
        trades = self._engine.market_trades(market.market_id, KEPT_MARKET_TRADES)
        spans: dict[int, list[Trade]] = {}
        for trade in reversed(trades):
            if start <= trade.timestamp_ms <= end:
                spans.setdefault(trade.timestamp_ms // step * step, []).append(trade)
        rows = [_candle(market, begin, span) for begin, span in spans.items()]
        count = min(most or MAX_CANDLES, MAX_CANDLES)
        return answer({"code": 200, "r": resolution, "c": rows[-count:]})

    async def current_height(self, _: web.Request) -> web.Response:
        """Answer the number of the last block."""
        return answer({"code": 200, "height": self._engine.block_height})


def _candle(market: MarketConfig, begin_ms: int, trades: list[Trade]) -> Json:
    """Return one Candle object of trades, which are oldest first."""
    prices = [trade.price for trade in trades]
    ends = {"o": prices[0], "h": max(prices), "l": min(prices), "c": prices[-1]}
    return {
        "t": begin_ms,
        **{name: wire.number(wire.price_text(market, price)) for name, price in ends.items()},
        "v": wire.number(wire.size_text(market, sum(trade.lots for trade in trades))),
        "V": wire.number(wire.money(sum(trade.quote for trade in trades))),
        "i": trades[-1].trade_id,
    }
