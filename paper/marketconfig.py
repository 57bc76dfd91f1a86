"""Configuration of one market: scaling, minimums, margin fractions, fees."""

from __future__ import annotations

from dataclasses import dataclass

QUOTE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class MarketConfig:
    """One perpetual market: scaling, minimums, margin fractions (1e-4) and fee rates (1e-6)."""

    market_id: int
    symbol: str
    size_decimals: int
    price_decimals: int
    min_base_lots: int
    min_quote_micros: int
    start_price_ticks: int
    order_quote_limit_micros: int = 281_474_976_710_655
    default_imf: int = 500
    min_imf: int = 200
    mmf: int = 120
    closeout_mf: int = 80
    maker_fee: int = 0
    taker_fee: int = 0
    base_asset_id: int = 0
    quote_asset_id: int = 0
    force_reduce_only: bool = False
    status: str = "active"
    """A market with any other status takes no orders (21605); cancels pass."""

    def __post_init__(self) -> None:
        """Refuse scales whose tick times lot is below one micro."""
        if self.size_decimals + self.price_decimals > QUOTE_DECIMALS:
            raise ValueError(
                f"market {self.symbol}: size_decimals + price_decimals is above {QUOTE_DECIMALS}"
            )

    @property
    def quote_multiplier(self) -> int:
        """Micros per (lot x tick)."""
        multiplier: int = 10 ** (QUOTE_DECIMALS - self.size_decimals - self.price_decimals)
        return multiplier

    def quote(self, lots: int, price_ticks: int) -> int:
        """Return the value of a size at a price, in micros."""
        return lots * price_ticks * self.quote_multiplier
