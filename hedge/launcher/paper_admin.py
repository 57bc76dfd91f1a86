"""The paper exchange's admin calls that the start script needs, over plain HTTP on loopback."""

import http
import http.client
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any

from hedge.errors import ExchangeUnreachableError

Json = dict[str, Any]
_TIMEOUT_S = 10.0
_PAGE = 10_000
# A proxy of the environment has no business on loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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

    def market(self, symbol: str) -> tuple[int, int]:
        """Return (market index, size decimals) of a market by its symbol."""
        rows: list[Json] = self._call("/api/v1/orderBookDetails")["order_book_details"]
        for row in rows:
            if row["symbol"].upper() == symbol.upper():
                return row["market_id"], row["size_decimals"]
        known = ", ".join(row["symbol"] for row in rows)
        msg = f"the paper exchange has no market {symbol}; it has {known}"
        raise KeyError(msg)
