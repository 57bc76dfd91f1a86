"""The paper exchange's admin calls that the start script needs, over plain HTTP on loopback."""

import http
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, Self

from hedge.errors import ExchangeUnreachableError

Json = dict[str, Any]
_TIMEOUT_S = 10.0
_PAGE = 10_000
# A proxy of the environment has no business on loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class PaperMarket:
    """A market: the least that an order may rest with, in the base asset and in USDC."""

    index: int
    symbol: str
    size_decimals: int
    min_base: Decimal
    min_usd: Decimal
    price_usd: Decimal

    @classmethod
    def of(cls, row: Json) -> Self:
        """Return the market of one row of `orderBookDetails`."""
        return cls(
            row["market_id"],
            row["symbol"],
            row["size_decimals"],
            Decimal(row["min_base_amount"]),
            Decimal(row["min_quote_amount"]),
            Decimal(str(row["last_trade_price"])),
        )

    @property
    def step(self) -> Decimal:
        """The step of size, in the base asset."""
        return Decimal(1).scaleb(-self.size_decimals)

    @property
    def smallest(self) -> Decimal:
        """The least that an order may rest with at the last price, in whole steps."""
        at_price = (self.min_usd / self.price_usd).quantize(self.step, ROUND_UP)
        return max(self.min_base, at_price)

    def default_quantity(self, wanted: Decimal) -> Decimal:
        """Return `wanted`, or twice the smallest order where that is more: prices move."""
        return wanted if wanted >= self.smallest else 2 * self.smallest

    def refusal(self, quantity: Decimal) -> str:
        """Return why A could rest no order of this size, "" where it can."""
        if quantity % self.step:
            step = f"{self.symbol} is traded in steps of {self.step}"
            return f"{step}; write a multiple of that."
        if quantity < self.smallest:
            least = f"{self.min_base} {self.symbol} and {self.min_usd.normalize():f} USDC"
            return (
                f"the smallest order that may rest is {self.smallest} {self.symbol} now ({least});"
                " write more."
            )
        return ""


class PaperAdmin:
    """Admin calls to one paper exchange."""

    def __init__(self, base_url: str) -> None:
        """Keep the address; nothing is sent yet."""
        self.base_url = base_url

    def _call(self, path: str, body: Json | None = None, method: str | None = None) -> Json:
        request = urllib.request.Request(  # noqa: S310  always http on loopback
            self.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
                decoded: Json = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")[:200]
            reason = http.HTTPStatus(error.code).phrase
            msg = f"the paper exchange refused {path}: {reason}: {text}"
            raise ExchangeUnreachableError(msg) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            msg = f"the paper exchange gave no usable answer to {path}: {error}"
            raise ExchangeUnreachableError(msg) from error
        return decoded

    def add_account(self, account: int, master: str, collateral: str = "100000") -> None:
        """Add an account under the L1 address `master` with USDC `collateral`."""
        body = {"account_index": account, "master": master, "collateral": collateral}
        self._call("/paper/accounts", body)

    def add_collateral(self, account: int, amount: Decimal) -> None:
        """Add USDC to an account."""
        self._call(f"/paper/accounts/{account}/collateral", {"amount": str(amount)})

    def register_key(self, account: int, key_index: int, public_key: str) -> None:
        """Register the public key of an API key."""
        body = {"account_index": account, "api_key_index": key_index, "public_key": public_key}
        self._call("/paper/keys", body)

    def delete_key(self, account: int, key_index: int) -> None:
        """Delete an API key."""
        self._call(f"/paper/keys/{account}/{key_index}", method="DELETE")

    def last_seq(self) -> int:
        """Return the newest sequence number, so that only later rows are asked for."""
        newest: int = self._call("/paper/state")["last_seq"]
        return newest

    def position(self, account: int, market: int) -> Decimal:
        """Return what an account holds in a market, in the base asset."""
        rows: list[Json] = self._call("/paper/state")["accounts"]
        held = {row["account_index"]: row["positions"] for row in rows}
        return Decimal(held.get(account, {}).get(str(market), {}).get("position", "0"))

    def trades(self, account: int, after_seq: int) -> list[Json]:
        """Return every trade of the account with seq > `after_seq`, oldest first."""
        return self._all("trades", account, after_seq)

    def orders(self, account: int, after_seq: int) -> list[Json]:
        """Return every order event of the account with seq > `after_seq`, oldest first."""
        return self._all("orders", account, after_seq)

    def _all(self, what: str, account: int, after_seq: int) -> list[Json]:
        rows: list[Json] = []
        while True:
            query = f"after_seq={after_seq}&account_index={account}&limit={_PAGE}"
            page: list[Json] = self._call(f"/paper/{what}?{query}")[what]
            if not page:
                return rows
            rows += page
            after_seq = page[-1]["seq"]

    def market(self, symbol: str) -> "PaperMarket":
        """Return a market by its symbol. Raises KeyError, with the symbols that there are."""
        rows: list[Json] = self._call("/api/v1/orderBookDetails")["order_book_details"]
        for row in rows:
            if row["symbol"].upper() == symbol.upper():
                return PaperMarket.of(row)
        known = ", ".join(row["symbol"] for row in rows)
        msg = f"the paper exchange has no market {symbol}; it has {known}"
        raise KeyError(msg)
