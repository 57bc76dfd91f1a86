"""Signing on one worker thread, with explicit nonce and key index, and auth tokens.

A signature costs about 0.5 ms on a worker thread and five times as much on the main one, where it
would also hold up the loop. Signatures are randomised and carry their own time, so signing again
makes another transaction: keep the bytes for a second copy.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from hedge.errors import AccountKeyError, ConfigError
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.lighter import sdk
from hedge.exchange.port import (
    ORDER_LIFE_S,
    Clock,
    KeyRefusedError,
    OrderRequest,
    PriceChange,
    SignedTx,
    VenueRefusedError,
    VenueUnavailableError,
)

LOCAL_REFUSAL = 0
"""Code of a VenueRefusedError that our own signer raised; nothing was sent."""

TOKEN_LIFE_S = 7 * 3600
TOKEN_MARGIN_S = 3600
MAX_TOKEN_LIFE_S = 8 * 3600
"""The venue takes no token that is valid for longer (apidocs.lighter.xyz, api-keys)."""

_SAME_MASTER = 1  # our two accounts may share a master and must not trade with each other
_EXPIRY_IOC = 0
_CANCEL_IMMEDIATE = 0
_MISMATCH = re.compile(r"does not match|no api key returned")
_CODE = re.compile(r'"code": ?(\d+)')

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose key signs; the private key never shows in a repr or a log."""

    account_index: int
    api_key_index: int
    private_key: str = field(repr=False)


NEAR_MS = 2000
"""Clocks that are apart by no more than this count as one."""


class Signer:
    """Signs for one account and key; use `open_signer`."""

    def __init__(
        self, client: sdk.SdkClient, credentials: Credentials, clock: Clock, token_life_s: int
    ) -> None:
        """Take a constructed SDK client; one thread is started at the first signature."""
        self.client = client
        self._key_index = credentials.api_key_index
        self.clock = clock
        self.ahead_ms: int | None = None
        """The exchange's clock before this host's, None while it is not known."""
        self._token_life_s = min(token_life_s, MAX_TOKEN_LIFE_S)
        self._token: tuple[str, int] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="signer")

    async def order(self, market_index: int, order: OrderRequest, nonce: int) -> SignedTx:
        """Sign an order. Raises VenueRefusedError for fields that the signer refuses.

        So does this one for an amount below one lot: Lighter reads 0 as the whole position.
        """
        if order.lots < 1:
            what = f"an order over {order.lots} lots is never signed"
            raise VenueRefusedError(LOCAL_REFUSAL, what)
        life_ms = (order.life_s or ORDER_LIFE_S) * 1000
        expiry_ms = _EXPIRY_IOC if order.ends_at_once else self._exchange_ms() + life_ms

        def sign() -> sdk.SIGNATURE:
            return self.client.sign_create_order(
                market_index,
                order.client_order_index,
                order.lots,
                order.price_ticks,
                order.side.is_ask,
                int(order.kind),
                int(order.time_in_force),
                reduce_only=order.reduce_only,
                order_expiry=expiry_ms,
                self_trade_equality_mode=_SAME_MASTER,
                nonce=nonce,
                api_key_index=self._key_index,
            )

        return _signed(await self._on_thread(sign), nonce)

    async def cancel(self, market_index: int, order_index: int, nonce: int) -> SignedTx:
        """Sign the cancel of one order."""

        def sign() -> sdk.SIGNATURE:
            return self.client.sign_cancel_order(
                market_index, order_index, nonce=nonce, api_key_index=self._key_index
            )

        return _signed(await self._on_thread(sign), nonce)

    async def change(self, market_index: int, change: PriceChange, nonce: int) -> SignedTx:
        """Sign another price for one order.

        What the order does on meeting our own is not kept by a change: it is said again.
        """
        if change.lots < 1:
            what = f"a change to {change.lots} lots is never signed"
            raise VenueRefusedError(LOCAL_REFUSAL, what)

        def sign() -> sdk.SIGNATURE:
            return self.client.sign_modify_order(
                market_index,
                change.order_index,
                change.lots,
                change.price_ticks,
                self_trade_equality_mode=_SAME_MASTER,
                nonce=nonce,
                api_key_index=self._key_index,
            )

        return _signed(await self._on_thread(sign), nonce)

    async def cancel_all(self, market_index: int, nonce: int) -> SignedTx:
        """Sign an immediate cancel of all our orders of one market."""

        def sign() -> sdk.SIGNATURE:
            return self.client.sign_cancel_all_orders(
                _CANCEL_IMMEDIATE,
                0,
                cancel_all_market_index=market_index,
                nonce=nonce,
                api_key_index=self._key_index,
            )

        return _signed(await self._on_thread(sign), nonce)

    def _exchange_ms(self) -> int:
        """Return the exchange's epoch ms; a difference of less than 2 s is left alone."""
        ahead_ms = self.ahead_ms or 0
        return self.clock.epoch_ms() + (ahead_ms if abs(ahead_ms) > NEAR_MS else 0)

    async def token(self) -> str:
        """Return an auth token with at least an hour (or half its life) left.

        Raises VenueRefusedError where the signer makes none.
        """
        now_s = self._exchange_ms() // 1000
        margin_s = min(TOKEN_MARGIN_S, self._token_life_s // 2)
        if self._token is None or now_s >= self._token[1] - margin_s:
            self._token = (await self.fresh_token(), now_s + self._token_life_s)
        return self._token[0]

    async def fresh_token(self) -> str:
        """Return a new token, valid for the whole token life."""
        now_s = self._exchange_ms() // 1000

        def make() -> tuple[str | None, str | None]:
            return self.client.create_auth_token_with_expiry(
                self._token_life_s, timestamp=now_s, api_key_index=self._key_index
            )

        token, error = await self._on_thread(make)
        if token is None:
            raise VenueRefusedError(LOCAL_REFUSAL, error or "the signer made no token")
        return token

    def forget_token(self) -> None:
        """Drop the cached token, after the venue refused it."""
        self._token = None

    async def check_key(self) -> None:
        """Compare our key with the venue's, by a request of up to 30 s on the worker thread.

        Raises KeyRefusedError for another key, VenueUnavailableError without an answer.
        """
        error = await self._on_thread(self.client.check_client)
        if error is None:
            return
        told = _CODE.search(error)
        code = int(told.group(1)) if told else LOCAL_REFUSAL
        if refusal_of(code).is_of_key or _MISMATCH.search(error):
            raise KeyRefusedError(code, error.partition(" ownPubKey")[0])
        raise VenueUnavailableError(error)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def warm_up(self, market_index: int = 0) -> None:
        """Make one signature that is thrown away: the first one is the slow one."""

        def sign() -> object:
            return self.client.sign_cancel_order(
                market_index, 1, nonce=1, api_key_index=self._key_index
            )

        await self._on_thread(sign)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def open_signer(
    url: str,
    credentials: Credentials,
    clock: Clock,
    *,
    chain_id: int | None = None,
    token_life_s: int = TOKEN_LIFE_S,
) -> AsyncIterator[Signer]:
    """Give a warm signer; `chain_id` None lets the SDK tell it by the address.

    Raises AccountKeyError for a private key that the SDK cannot read, ConfigError where the library
    that signs cannot be loaded on this host.
    """
    keys = {credentials.api_key_index: credentials.private_key}
    try:
        client = sdk.signer_client(url, credentials.account_index, keys, chain_id)
    except ConfigError:
        raise
    except Exception as error:  # the SDK raises nothing narrower
        raise AccountKeyError(
            f"account {credentials.account_index}, API key {credentials.api_key_index}: {error}"
        ) from error
    signer = Signer(client, credentials, clock, token_life_s)
    try:
        await signer.warm_up()
        yield signer
    finally:
        signer.close()


def _signed(signature: sdk.SIGNATURE, nonce: int) -> SignedTx:
    tx_type, tx_info, tx_hash, error = signature
    if error is not None or tx_type is None or tx_info is None or tx_hash is None:
        raise VenueRefusedError(LOCAL_REFUSAL, error or "the signer returned nothing")
    return SignedTx(tx_type, tx_info, tx_hash, nonce)
