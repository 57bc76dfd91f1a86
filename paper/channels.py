"""Names of WebSocket channels: what a client may ask for and what it is called in answers.

Requests spell a channel with slashes (`order_book/0`), answers with colons (`order_book:0`),
except `account_market`, which keeps its slashes; see apidocs.lighter.xyz, "WebSocket reference".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from paper.apierror import INVALID_PARAM, ApiError
from paper.params import parse_integer

INVALID_JSON: Final = 30000
INVALID_TYPE: Final = 30001
NOT_SUBSCRIBED: Final = 30002
ALREADY_SUBSCRIBED: Final = 30003
INVALID_CHANNEL: Final = 30005
UNSUPPORTED: Final = 30006
INVALID_DATA: Final = 30007

ALL_MARKETS: Final = -1


@dataclass(frozen=True, slots=True)
class Family:
    """What a channel family takes: argument kinds in order, and whether it needs a token."""

    arguments: tuple[str, ...]
    private: bool = False
    separator: str = ":"
    """What stands between the parts of a channel's name in answers."""


FAMILIES: Final = {
    "order_book": Family(("market",)),
    "ticker": Family(("market",)),
    "market_stats": Family(("market_or_all",)),
    "trade": Family(("market",)),
    "height": Family(()),
    "account_all": Family(("account",)),
    "user_stats": Family(("account",)),
    "account_market": Family(("market", "account"), private=True, separator="/"),
    "account_orders": Family(("market", "account"), private=True),
    "account_all_orders": Family(("account",), private=True),
    "account_all_trades": Family(("account",), private=True),
    "account_all_positions": Family(("account",), private=True),
    "account_all_assets": Family(("account",), private=True),
    "account_tx": Family(("account",), private=True),
    "notification": Family(("account",), private=True),
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that exists; `market` is ALL_MARKETS for `market_stats/all`."""

    family: str
    market: int | None = None
    account: int | None = None

    @property
    def name(self) -> str:
        """The name in answers, such as `order_book:0`."""
        parts = [self.family]
        if self.market is not None:
            parts.append("all" if self.market == ALL_MARKETS else str(self.market))
        if self.account is not None:
            parts.append(str(self.account))
        return FAMILIES[self.family].separator.join(parts)

    @property
    def private(self) -> bool:
        """True when subscribing needs a token of the account."""
        return FAMILIES[self.family].private


def invalid_channel(detail: str = "") -> ApiError:
    """Return the answer to a channel that does not exist."""
    return ApiError(INVALID_CHANNEL, f"Invalid Channel: {detail}" if detail else "Invalid Channel")


def auth_required(name: str) -> str:
    """Return the text of the answer (code 20001) to a private channel asked for without a token."""
    return f"auth field is required: {name}"


def parse_channel(
    text: object, markets: Collection[int], account_exists: Callable[[int], bool]
) -> Channel:
    """Return the channel that `text` names; raise ApiError 30005 if there is none.

    `markets` are the known market ids.
    """
    if not isinstance(text, str):
        raise ApiError(INVALID_PARAM, "invalid param : channel")
    name, *arguments = text.split("/")
    family = FAMILIES.get(name)
    if family is None or len(arguments) != len(family.arguments):
        raise invalid_channel()
    market: int | None = None
    account: int | None = None
    for kind, argument in zip(family.arguments, arguments, strict=True):
        number = parse_integer(argument)
        if kind == "account":
            if number is None or not account_exists(number):
                raise invalid_channel(" (accountIndex)")
            account = number
        elif kind == "market_or_all" and argument == "all":
            market = ALL_MARKETS
        elif number is None or number not in markets:
            raise invalid_channel(" (marketId)")
        else:
            market = number
    return Channel(name, market, account)
