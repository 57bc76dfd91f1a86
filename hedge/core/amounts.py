"""Sizes in lots, prices in ticks, and the only way in and out of decimal text.

A lot is one step of size (10^-size_decimals of the base asset), a tick one step of price
(10^-price_decimals of the quote asset), a micro one millionth of the quote asset. Inside the
program all three are plain integers; `Decimal` from strings is used at the edge only, and an
inexact conversion raises instead of rounding.
"""

import enum
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

MICROS = 1_000_000

MAX_LOTS = 2**48 - 1
"""The largest size of an order that the exchange can write down."""


class InexactAmountError(ValueError):
    """Text or number that is not a whole, finite number of steps."""


class Side(enum.Enum):
    """Direction of an order or a trade; the value is the word on the wire."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def is_ask(self) -> bool:
        """Whether an order of this side stands on the ask side of the book."""
        return self is Side.SELL

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @staticmethod
    def of(signed: int) -> "Side":
        """Return the side of a signed, non-zero amount (positive buys)."""
        if signed == 0:
            msg = "an amount of zero has no side"
            raise ValueError(msg)
        return Side.BUY if signed > 0 else Side.SELL


def to_steps(text: object, decimals: int) -> int:
    """Convert decimal text to whole steps of 10^-decimals; accepts `str`, `int`, `Decimal`.

    Raises:
        InexactAmountError: not a number, not finite, a float, or not a whole number of steps.

    """
    if isinstance(text, bool | float) or not isinstance(text, str | int | Decimal):
        msg = f"expected a decimal string, got {text!r}"
        raise InexactAmountError(msg)
    try:
        value = Decimal(text)
    except InvalidOperation:
        msg = f"expected a decimal string, got {text!r}"
        raise InexactAmountError(msg) from None
    if not value.is_finite() or abs(value.adjusted()) > _MAX_EXPONENT:
        msg = f"expected a finite decimal of sane size, got {text!r}"
        raise InexactAmountError(msg)
    steps = int(value.scaleb(decimals))
    if Decimal(steps).scaleb(-decimals) != value:  # compared as given: scaling itself may round
        msg = f"{text} is not a whole number of steps of {Decimal(1).scaleb(-decimals)}"
        raise InexactAmountError(msg)
    return steps


_MAX_EXPONENT = 24


def from_steps(steps: int, decimals: int) -> str:
    """Write whole steps as decimal text with exactly `decimals` places, never in exponent form."""
    sign = "-" if steps < 0 else ""
    if decimals == 0:
        return f"{sign}{abs(steps)}"
    whole, rest = divmod(abs(steps), 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}"


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """What the venue says of one market, read at run time.

    `min_base_lots` and `min_quote_micros` bind resting orders only (both apply); fractions are
    in 1e-4 of the position's value.
    """

    market_index: int
    symbol: str
    size_decimals: int
    price_decimals: int
    min_base_lots: int
    min_quote_micros: int
    initial_margin_fraction: int = 500
    order_quote_limit_micros: int = 281_474_976_710_655

    def lots(self, text: object) -> int:
        """Convert decimal text of the base asset to lots. Raises InexactAmountError."""
        return to_steps(text, self.size_decimals)

    def ticks(self, text: object) -> int:
        """Convert decimal text of a price to ticks. Raises InexactAmountError."""
        return to_steps(text, self.price_decimals)

    def base(self, lots: int) -> str:
        """Write lots as decimal text of the base asset."""
        return from_steps(lots, self.size_decimals)

    def price(self, ticks: int) -> str:
        """Write ticks as decimal text of the price."""
        return from_steps(ticks, self.price_decimals)

    def quote_micros(self, lots: int, ticks: int) -> int:
        """Return the quote value of `lots` at `ticks` in micros, rounded down."""
        scale: int = 10 ** (self.size_decimals + self.price_decimals)
        return lots * ticks * MICROS // scale

    def can_rest(self, lots: int, ticks: int) -> bool:
        """Whether an order of this size and price meets both minimums of a resting order."""
        return (
            lots >= self.min_base_lots and self.quote_micros(lots, ticks) >= self.min_quote_micros
        )


def lots_within(spec: MarketSpec, ticks: int) -> int:
    """Return the largest order that the exchange takes at a price: its quote limit, and 2^48 - 1.

    An order beyond `order_quote_limit` is refused (21706; apidocs.lighter.xyz, "Order books").
    """
    scale: int = 10 ** (spec.size_decimals + spec.price_decimals)
    return min(MAX_LOTS, spec.order_quote_limit_micros * scale // (max(1, ticks) * MICROS))


def quote_text(micros: int) -> str:
    """Write micros of the quote asset as decimal text with six places."""
    return from_steps(micros, 6)
