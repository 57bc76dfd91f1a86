"""What the conformance tests share: a client of the official SDK, raw frames, raw HTTP."""

import json
from collections.abc import Awaitable
from typing import Any

import aiohttp
import lighter
from lighter.exceptions import ApiException

from tests.integration.paper.support import ETH, GTT, IOC, KEY, POST_ONLY, Refused, Trader, refusal
from tests.waiting import eventually
from tests.world.paper import Json

__all__ = ["ETH", "GTT", "IOC", "KEY", "POST_ONLY", "Client", "Refused", "refusal"]

API = "/api/v1"
LIMIT = lighter.SignerClient.ORDER_TYPE_LIMIT
MARKET = lighter.SignerClient.ORDER_TYPE_MARKET
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
MAX_48 = (1 << 48) - 1
MAX_32 = (1 << 32) - 1
ASK, BID = 300_015, 299_985
"""The best prices of the fixed ETH book in ticks; one ETH rests at each."""

PENDING = 1
"""Status of a transaction that is accepted and not yet executed."""

TX_CREATE, TX_CANCEL, TX_CANCEL_ALL, TX_MODIFY, TX_LEVERAGE, TX_GROUP = 14, 15, 16, 17, 20, 28


class Client(Trader):
    """An account with the official client: the calls of a trader, and further transactions."""

    @property
    def token(self) -> str:
        """An auth token for 7 hours, so that a test may move the clock."""
        made, error = self.client.create_auth_token_with_expiry(7 * 3600, api_key_index=KEY)
        assert error is None, error
        return str(made)

    @property
    def root(self) -> lighter.RootApi:
        return lighter.RootApi(self.client.api_client)

    @property
    def master(self) -> str:
        """The L1 address under which the account was made."""
        return f"0x{self.account:040x}"

    async def position(self, market: int = ETH) -> str:
        """Return the signed position; of an account that never traded as of a flat one."""
        found = await super().position(market)
        return "0.0000" if found == "0" else found

    async def buy(self, lots: int = 100) -> Any:
        """Take the best ask with a limit-IOC."""
        return await self.place(time_in_force=IOC, price=300_500, base_amount=lots)

    async def signed_modify(
        self, index: int, base_amount: int, price: int, *, order_version: int = 0, **tampered: Any
    ) -> Json:
        """Return a signed change of an order; `base_amount` is the new total."""
        nonce = tampered.pop("nonce", None)
        _, info, self.hash, error = self.client.sign_modify_order(
            tampered.pop("market_index", ETH),
            index,
            base_amount,
            price,
            order_version=order_version,
            nonce=await self.nonce() if nonce is None else nonce,
            api_key_index=KEY,
        )
        assert error is None, error
        return {**json.loads(info), **tampered}

    async def modify(self, index: int, base_amount: int, price: int, **fields: Any) -> Any:
        """Send a change of an order."""
        return await self.send(
            TX_MODIFY, await self.signed_modify(index, base_amount, price, **fields)
        )

    async def leverage(self, fraction: int, mode: int = 0, market: int = ETH) -> Any:
        """Send the initial margin fraction (1e-4) of a market."""
        _, info, self.hash, error = self.client.sign_update_leverage(
            market, fraction, mode, nonce=await self.nonce(), api_key_index=KEY
        )
        assert error is None, error
        return await self.send(TX_LEVERAGE, json.loads(info))

    async def batch(self, *members: tuple[int, Json]) -> Any:
        """Send transactions as one batch."""
        return await self.client.send_tx_batch(
            [tx_type for tx_type, _ in members], [json.dumps(info) for _, info in members]
        )

    async def tx(self, tx_hash: str) -> Any:
        """Return a transaction by its hash."""
        return await self.txs.tx(by="hash", value=tx_hash)

    async def outcome(self, tx_hash: str) -> Any:
        """Return a transaction once it is no longer pending."""

        async def settled() -> Any:
            tx = await self.tx(tx_hash)
            return None if tx.status == PENDING else tx

        return await eventually(settled, what=f"the outcome of {tx_hash}")

    async def signed_cancel(self, index: int, nonce: int) -> Json:
        """Return a signed cancel with this nonce."""
        _, info, self.hash, error = self.client.sign_cancel_order(
            ETH, index, nonce=nonce, api_key_index=KEY
        )
        assert error is None, error
        decoded: Json = json.loads(info)
        return decoded

    async def get(self, path: str, **params: object) -> Json:
        """Return the raw body of a call under /api/v1, with this account's token as `auth`."""
        return await self.paper.call("GET", f"{API}/{path}", auth=self.token, **params)

    async def active(self, market: int | None = ETH) -> list[Any]:
        """Return the account's resting orders."""
        answer = await self.orders.account_active_orders(
            authorization=self.token, account_index=self.account, market_id=market
        )
        rows: list[Any] = answer.orders
        return rows

    async def clear(self) -> None:
        """Cancel whatever of this account rests in the book."""
        if await self.active(None):
            await self.cancel_all()


async def raw(method: str, url: str, **arguments: Any) -> tuple[int, str, str]:
    """Return status, content type and text of one plain HTTP request."""
    async with aiohttp.ClientSession() as session, session.request(method, url, **arguments) as got:
        return got.status, got.content_type, await got.text()


async def code_of(call: Awaitable[Any]) -> int:
    """Return 200 when the exchange took a transaction, or else the code of its refusal."""
    try:
        answer = await call
    except ApiException as error:
        if error.status != 400:
            raise
        code: int = json.loads(error.body)["code"]
        return code
    taken: int = answer.code
    return taken


def event(tx: Any) -> Json:
    """Return the decoded event info of a transaction."""
    info: Json = json.loads(tx.event_info)
    return info
