"""What the tests of the paper exchange share: a trader with the official client, a raw socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import lighter
import websockets
from lighter.exceptions import ApiException

from tests.waiting import SCALE
from tests.world.paper import Json, PaperProcess

KEY = 4
ETH = 0
IOC = lighter.SignerClient.ORDER_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
GTT = lighter.SignerClient.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME
POST_ONLY = lighter.SignerClient.ORDER_TIME_IN_FORCE_POST_ONLY
DEADLINE_S = 5.0 * SCALE


@dataclass
class Refused(Exception):  # noqa: N818  named after the outcome
    """The exchange refused a call; `code` and `status` are its answer."""

    status: int
    code: int
    message: str


async def refusal(call: Awaitable[object]) -> Refused:
    """Return the refusal that `call` ends in."""
    try:
        result = await call
    except ApiException as error:
        body = json.loads(error.body)
        return Refused(error.status, body["code"], body["message"])
    except Refused as error:
        return error
    message = f"not refused: {result!r}"
    raise AssertionError(message)


class Trader:
    """An account of its own on the shared exchange, with the official client for it."""

    def __init__(self, paper: PaperProcess, account: int, client: lighter.SignerClient) -> None:
        self.paper = paper
        self.account = account
        self.client = client
        self.orders = lighter.OrderApi(client.api_client)
        self.accounts = lighter.AccountApi(client.api_client)
        self.txs = lighter.TransactionApi(client.api_client)
        self.client_index = 0

    @property
    def token(self) -> str:
        token, error = self.client.create_auth_token_with_expiry(api_key_index=KEY)
        assert error is None
        return token

    async def nonce(self) -> int:
        answer = await self.txs.next_nonce(account_index=self.account, api_key_index=KEY)
        return answer.nonce

    async def signed(self, **fields: Any) -> Json:
        """Return the signed fields of an order; defaults make a small resting ETH bid.

        Fields in the transaction's own spelling (`BaseAmount`) replace the signed ones afterwards.
        """
        tampered = {name: fields.pop(name) for name in list(fields) if name[0].isupper()}
        self.client_index += 1
        arguments = {
            "market_index": ETH,
            "client_order_index": self.client_index,
            "base_amount": 100,
            "price": 299_900,
            "is_ask": False,
            "order_type": lighter.SignerClient.ORDER_TYPE_LIMIT,
            "time_in_force": GTT,
            "api_key_index": KEY,
            "nonce": await self.nonce(),
            **fields,
        }
        if (
            arguments["time_in_force"]
            == lighter.SignerClient.ORDER_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
        ):
            arguments.setdefault("order_expiry", 0)
        _, text, self.hash, error = self.client.sign_create_order(**arguments)
        assert error is None, error
        return {**json.loads(text), **tampered}

    async def send(self, tx_type: int, info: Json) -> Any:
        return await self.txs.send_tx(tx_type=tx_type, tx_info=json.dumps(info))

    async def place(self, **fields: Any) -> Any:
        """Send an order and return the answer; `signed` names the fields."""
        return await self.send(14, await self.signed(**fields))

    async def market(self, *, is_ask: bool, base_amount: int, price: int, **fields: Any) -> Any:
        """Send a market order."""
        return await self.place(
            is_ask=is_ask,
            base_amount=base_amount,
            price=price,
            order_type=lighter.SignerClient.ORDER_TYPE_MARKET,
            time_in_force=IOC,
            **fields,
        )

    async def cancel_info(self, index: int, **tampered: Any) -> Json:
        _, text, _, error = self.client.sign_cancel_order(
            ETH, index, nonce=await self.nonce(), api_key_index=KEY
        )
        assert error is None, error
        return {**json.loads(text), **tampered}

    async def cancel(self, index: int, **tampered: Any) -> Any:
        """Send a cancel of an order index or client order index."""
        return await self.send(15, await self.cancel_info(index, **tampered))

    async def cancel_all(self, mode: int = 0, time_ms: int = 0, **tampered: Any) -> Any:
        """Send a cancel-all."""
        _, text, _, error = self.client.sign_cancel_all_orders(
            mode, time_ms, nonce=await self.nonce(), api_key_index=KEY
        )
        assert error is None, error
        return await self.send(16, {**json.loads(text), **tampered})

    async def row(self, client_index: int | None = None) -> Any:
        """Return the newest order with this client order index (default: the last placed)."""
        index = self.client_index if client_index is None else client_index
        answer = await self.orders.account_orders(
            authorization=self.token, account_index=self.account, client_order_indexes=str(index)
        )
        assert len(answer.orders) == 1
        return answer.orders[0]

    async def position(self, market: int = ETH) -> str:
        return await self.paper.position(self.account, market)

    def socket(self) -> "Socket":
        return Socket(self.paper.ws_url)


class Socket:
    """A raw WebSocket client that speaks JSON and never waits longer than the deadline."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self.ws = await websockets.connect(self.url, max_size=None, ping_interval=None)
        assert (await self.receive())["type"] == "connected"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ws.close()

    async def send(self, value: object) -> None:
        await self.ws.send(value if isinstance(value, str | bytes) else json.dumps(value))

    async def receive(self) -> Json:
        async with asyncio.timeout(DEADLINE_S):
            answer: Json = json.loads(await self.ws.recv())
            return answer

    async def ask(self, value: object) -> Json:
        await self.send(value)
        return await self.receive()

    async def subscribe(self, channel: str, auth: str | None = None) -> Json:
        message = {"type": "subscribe", "channel": channel}
        return await self.ask(message if auth is None else {**message, "auth": auth})

    async def until(self, kind: str) -> Json:
        """Return the next frame of this type, skipping others."""
        while True:
            frame = await self.receive()
            if frame.get("type") == kind:
                return frame

    async def frames(self, *kinds: str) -> list[Json]:
        """Return the frames up to and with the one that completes `kinds` (each at least once)."""
        missing, found = set(kinds), []
        while missing:
            frame = await self.receive()
            found.append(frame)
            missing.discard(frame.get("type", ""))
        return found


TraderFactory = Callable[..., Awaitable[Trader]]
