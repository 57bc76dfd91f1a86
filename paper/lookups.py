"""What requests name: markets, accounts and times, found or refused with the exchange's codes."""

from __future__ import annotations

from typing import Final

from paper.apierror import INVALID_MARKET, ApiError, invalid_param
from paper.exchange import Exchange
from paper.params import MAX_INT64, Params
from paper.records import Account, MarketConfig

ALL_KEYS: Final = 255
NO_MARKET: Final = 255
NOTHING: Final = -1
MARKET_TYPES: Final = ("all", "perp", "perps", "spot", "binary_options", "bo")
SECONDS_BELOW: Final = 100_000_000_000
"""A time below this is taken for seconds, above it for milliseconds."""


def known_market(exchange: Exchange, market_id: int) -> MarketConfig:
    """Return the market, or raise ApiError 21602."""
    market = exchange.engine.markets.get(market_id)
    if market is None:
        raise ApiError(INVALID_MARKET, "invalid market index")
    return market


def market_of(exchange: Exchange, params: Params) -> int | None:
    """Return the market that `market_id` and `market_type` select, None for all of them.

    Every market here is a perpetual, so for the other types the answer is a market that has
    nothing in it.
    """
    kind = params.choice("market_type", MARKET_TYPES, "all")
    market_id = params.optional("market_id")
    if kind not in ("all", "perp", "perps"):
        return NOTHING
    if market_id is None or market_id == NO_MARKET:
        return None
    return known_market(exchange, market_id).market_id


def known_account(exchange: Exchange, account_index: int) -> Account:
    """Return the account, or raise ApiError 20001."""
    account = exchange.engine.account(account_index)
    if account is None or not 0 <= account_index <= MAX_INT64:
        detail = "account_index"
        raise invalid_param(detail)
    return account


def as_ms(time: int) -> int:
    """Return a time that came in seconds or milliseconds in milliseconds."""
    return time * 1000 if time < SECONDS_BELOW else time
