"""Markets as the JSON objects of the exchange: order books, details, statistics."""

from __future__ import annotations

from typing import Any, Final

from paper.engine import Engine
from paper.records import FEE_RATIO, MarketConfig
from paper.wire import QUOTE_DECIMALS, decimal_text, money, number, price_text, size_text

Json = dict[str, Any]

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000


def order_book(market: MarketConfig) -> Json:
    """Return the OrderBook object: the market's scales, minimums and fees (percent)."""
    return {
        "symbol": market.symbol,
        "market_id": market.market_id,
        "market_type": "perp",
        "base_asset_id": market.base_asset_id,
        "quote_asset_id": market.quote_asset_id,
        "status": market.status,
        "taker_fee": decimal_text(market.taker_fee * 10_000 // (FEE_RATIO // 100), 4),
        "is_taker_fee_enabled": True,
        "maker_fee": decimal_text(market.maker_fee * 10_000 // (FEE_RATIO // 100), 4),
        "is_maker_fee_enabled": True,
        "liquidation_fee": "1.0000",
        "min_base_amount": size_text(market, market.min_base_lots),
        "min_quote_amount": money(market.min_quote_micros),
        "order_quote_limit": money(market.order_quote_limit_micros),
        "supported_size_decimals": market.size_decimals,
        "supported_price_decimals": market.price_decimals,
        "supported_quote_decimals": QUOTE_DECIMALS,
        "created_at": "1737098461100",
        "multiplier": "1.000000000000000000",
    }


class DayStats:
    """Volume and price range of one market over the trades that the engine still keeps."""

    def __init__(self, engine: Engine, market: MarketConfig, now_ms: int) -> None:
        """Count the kept trades of the last 24 hours before `now_ms`."""
        trades = [
            trade
            for trade in engine.market_trades(market.market_id, 1000)
            if trade.timestamp_ms > now_ms - _DAY_MS
        ]
        prices = [trade.price for trade in trades]
        self.count = len(trades)
        self.base = sum(trade.lots for trade in trades)
        self.quote = sum(trade.quote for trade in trades)
        self.low = min(prices, default=0)
        self.high = max(prices, default=0)
        self.first = prices[-1] if prices else 0
        self.last = prices[0] if prices else 0

    def numbers(self, market: MarketConfig) -> Json:
        """Return the `daily_*` fields, which are JSON numbers on this exchange."""
        change = (self.last - self.first) * 100 / self.first if self.first else 0.0
        return {
            "daily_base_token_volume": number(size_text(market, self.base)),
            "daily_quote_token_volume": number(money(self.quote)),
            "daily_price_low": number(price_text(market, self.low)),
            "daily_price_high": number(price_text(market, self.high)),
            "daily_price_change": change,
        }


def last_price(engine: Engine, market: MarketConfig) -> int:
    """Return the last trade's price in ticks, the mark price before the first trade."""
    last = engine.last_trade_price(market.market_id)
    return engine.mark_price(market.market_id) if last is None else last


def order_book_detail(engine: Engine, market: MarketConfig, now_ms: int) -> Json:
    """Return the OrderBookDetail object: OrderBook plus margins and statistics."""
    day = DayStats(engine, market, now_ms)
    market_id = market.market_id
    return {
        **order_book(market),
        "size_decimals": market.size_decimals,
        "price_decimals": market.price_decimals,
        "quote_multiplier": market.quote_multiplier,
        "default_initial_margin_fraction": market.default_imf,
        "min_initial_margin_fraction": market.min_imf,
        "maintenance_margin_fraction": market.mmf,
        "closeout_margin_fraction": market.closeout_mf,
        "last_trade_price": number(price_text(market, last_price(engine, market))),
        "daily_trades_count": day.count,
        **day.numbers(market),
        "open_interest": number(size_text(market, engine.open_interest(market_id))),
        "daily_chart": {},
        "mark_price": price_text(market, engine.mark_price(market_id)),
        "index_price": price_text(market, engine.index_price(market_id)),
        "market_config": {
            "market_margin_mode": 0,
            "insurance_fund_account_index": 0,
            "liquidation_mode": 0,
            "force_reduce_only": engine.is_reduce_only(market_id),
            "trading_hours": "",
        },
    }


def order_book_stats(engine: Engine, market: MarketConfig, now_ms: int) -> Json:
    """Return the OrderBookStats object: one market over a day."""
    day = DayStats(engine, market, now_ms)
    numbers = day.numbers(market)
    return {
        "symbol": market.symbol,
        "last_trade_price": number(price_text(market, last_price(engine, market))),
        "daily_trades_count": day.count,
        "daily_base_token_volume": numbers["daily_base_token_volume"],
        "daily_quote_token_volume": numbers["daily_quote_token_volume"],
        "daily_price_change": numbers["daily_price_change"],
    }


def market_stats(engine: Engine, market: MarketConfig, now_ms: int) -> Json:
    """Return the statistics object of the market_stats channel; an empty side has no price."""
    market_id = market.market_id
    best_ask = engine.best_price(market_id, is_ask=True)
    best_bid = engine.best_price(market_id, is_ask=False)
    funding = decimal_text(engine.funding_rate(market_id), 4)  # percent per hour
    mid = ""
    if best_ask is not None and best_bid is not None:
        mid = decimal_text((best_ask + best_bid) * 5, market.price_decimals + 1)
    return {
        "symbol": market.symbol,
        "market_id": market_id,
        "index_price": price_text(market, engine.index_price(market_id)),
        "mark_price": price_text(market, engine.mark_price(market_id)),
        "mid_price": mid,
        "best_ask_price": "" if best_ask is None else price_text(market, best_ask),
        "best_bid_price": "" if best_bid is None else price_text(market, best_bid),
        "last_trade_price": price_text(market, last_price(engine, market)),
        "open_interest": size_text(market, engine.open_interest(market_id)),
        "open_interest_limit": "72057594037927936.000000",
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "current_funding_rate": funding,
        "funding_rate": funding,
        "funding_timestamp": now_ms // _HOUR_MS * _HOUR_MS,
        **DayStats(engine, market, now_ms).numbers(market),
    }


def levels(market: MarketConfig, rows: list[tuple[int, int]]) -> list[dict[str, str]]:
    """Return (ticks, lots) rows as price levels; zero lots mean that the level is gone."""
    return [
        {"price": price_text(market, price), "size": size_text(market, lots)}
        for price, lots in rows
    ]


def best_level(engine: Engine, market: MarketConfig, *, is_ask: bool) -> dict[str, str]:
    """Return the best level of a side; empty strings when the side is empty."""
    rows = engine.levels(market.market_id, is_ask=is_ask, limit=1)
    return levels(market, rows)[0] if rows else {"price": "", "size": ""}
