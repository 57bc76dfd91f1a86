"""The markets of the paper exchange."""

from __future__ import annotations

from paper.records import MarketConfig

ETH, BTC, SOL = 0, 1, 2

DEFAULT_MARKETS: tuple[MarketConfig, ...] = (
    MarketConfig(
        ETH,
        "ETH",
        size_decimals=4,
        price_decimals=2,
        min_base_lots=50,
        min_quote_micros=10_000_000,
        start_price_ticks=300_000,
    ),
    MarketConfig(
        BTC,
        "BTC",
        size_decimals=5,
        price_decimals=1,
        min_base_lots=20,
        min_quote_micros=10_000_000,
        start_price_ticks=1_000_000,
    ),
    MarketConfig(
        SOL,
        "SOL",
        size_decimals=3,
        price_decimals=3,
        min_base_lots=50,
        min_quote_micros=10_000_000,
        start_price_ticks=150_000,
    ),
)
