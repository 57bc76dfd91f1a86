"""REST calls, with one meaning for every way they can fail.

A body without `code`, or with 200, is an answer; any other code is the venue's refusal, also with
HTTP 400; 429, 405, 5xx, HTML, resets and time-outs are no answer (apidocs.lighter.xyz,
data-structures-constants-and-errors and rate-limits), nor are redirected sends and bodies beyond
all reason. Answers stay JSON here; `parse` makes typed values of them.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from hedge.core.refusal import Refusal
from hedge.exchange.budget import RequestBudget, Taken
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.lighter.link_words import named, why
from hedge.exchange.lighter.session import Session
from hedge.exchange.lighter.signer import Signer
from hedge.exchange.lighter.streams.pending import quota_left
from hedge.exchange.port import (
    ACCEPTED,
    Answer,
    NotSentError,
    Priority,
    SignedTx,
    VenueRefusedError,
    VenueUnavailableError,
)

_OK = 200
_BAD_REQUEST = 400
_REDIRECTS = range(300, 400)
_RATE_STATUSES = (405, 429)
_SERVER_ERROR = 500

_HALF_MS = 500
"""A date is written in whole seconds."""

MAX_BODY_MB = 32
_CHUNK_BYTES = 2**16

_log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Reply:
    """Status and JSON object of one response; `code` is 200 where the body has none."""

    status: int
    body: Json
    code: int

    @property
    def message(self) -> str:
        """The venue's words, without the blanks it leaves at the end."""
        return str(self.body.get("message") or "").strip()


class RestClient:
    """Every REST call of one account and key. Raises VenueUnavailableError, VenueRefusedError."""

    def __init__(
        self,
        session: Session,
        signer: Signer,
        budget: RequestBudget,
        *,
        account_index: int,
        api_key_index: int,
        timeout_s: float = 5.0,
    ) -> None:
        """Call over `session` with tokens of `signer`; `timeout_s` bounds each whole call."""
        self._session = session
        self._signer = signer
        self.budget = budget
        self._account_index = account_index
        self._api_key_index = api_key_index
        self._timeout_s = timeout_s

    # --- reads -------------------------------------------------------------------------------

    async def markets(
        self, market_index: int | None = None, priority: Priority = Priority.NORMAL
    ) -> Json:
        """Return `orderBookDetails`, of one market or of all."""
        return await self._read(priority, "orderBookDetails", {"market_id": market_index})

    async def next_nonce(self) -> Json:
        """Return `nextNonce` of our key."""
        query = {"account_index": self._account_index, "api_key_index": self._api_key_index}
        return await self._read(Priority.URGENT, "nextNonce", query)

    async def account(self, account_index: int) -> Json:
        """Return `account` of any account; it is public."""
        query = {"by": "index", "value": account_index}
        return await self._read(Priority.NORMAL, "account", query)

    async def limits(self) -> Json:
        """Return `accountLimits` of our account: its tier, and what it pays."""
        query = {"account_index": self._account_index}
        return await self._read_own(Priority.NORMAL, "accountLimits", query)

    async def maker_only_keys(self) -> Json:
        """Return `getMakerOnlyApiKeys` of our account: indexes of keys that may only post."""
        query = {"account_index": self._account_index}
        return await self._read_own(Priority.NORMAL, "getMakerOnlyApiKeys", query)

    async def recent_trades(self, market_index: int, limit: int) -> Json:
        """Return `recentTrades` of one market, newest first; `limit` is at most 100."""
        query = {"market_id": market_index, "limit": limit}
        return await self._read(Priority.NORMAL, "recentTrades", query)

    async def order_book(
        self, market_index: int, limit: int, priority: Priority = Priority.NORMAL
    ) -> Json:
        """Return `orderBookOrders` of one market, best first; `limit` a side is at most 250."""
        query = {"market_id": market_index, "limit": limit}
        return await self._read(priority, "orderBookOrders", query)

    async def transaction(self, tx_hash: str) -> Json:
        """Return `tx` by hash."""
        return await self._read(Priority.URGENT, "tx", {"by": "hash", "value": tx_hash})

    async def active_orders(self, market_index: int | None) -> Json:
        """Return `accountActiveOrders` of one market, None for all."""
        query = {"account_index": self._account_index, "market_id": market_index}
        return await self._read_own(Priority.NORMAL, "accountActiveOrders", query)

    async def inactive_orders(self, market_index: int, limit: int) -> Json:
        """Return `accountInactiveOrders` of one market; `limit` is at most 100."""
        query = {"account_index": self._account_index, "market_id": market_index, "limit": limit}
        return await self._read_own(Priority.URGENT, "accountInactiveOrders", query)

    async def trades(self, market_index: int, limit: int, cursor: str | None) -> Json:
        """Return one page of `trades` of our account and one market, newest first."""
        query = {
            "market_id": market_index,
            "account_index": self._account_index,
            "sort_by": "trade_id",
            "sort_dir": "desc",
            "cursor": cursor,
            "limit": limit,
        }
        return await self._read_own(Priority.URGENT, "trades", query)

    async def _read_own(self, priority: Priority, call: str, query: Mapping[str, object]) -> Json:
        """Read what needs an auth token; a token that the venue refuses is not used again."""
        token = await self._signer.token()
        try:
            return await self._read(priority, call, query, token)
        except VenueRefusedError as error:
            if refusal_of(error.code) is Refusal.TOKEN:
                self._signer.forget_token()
            raise

    async def _read(
        self,
        priority: Priority,
        call: str,
        query: Mapping[str, object],
        token: str | None = None,
    ) -> Json:
        taken = await self.budget.take(priority, call)
        timeout_s = self._timeout_s
        request = self._session.get(call, query, token, timeout_s)
        reply = await self._answer(request, timeout_s, taken)
        if reply.code != ACCEPTED:
            raise VenueRefusedError(reply.code, reply.message)
        return reply.body

    # --- sending -----------------------------------------------------------------------------

    async def send(self, tx: SignedTx, timeout_s: float) -> Answer:
        """Send one copy by `sendTx`; only HTTP 200 and 400 with the venue's code are answers.

        Raises NotSentError where no connection was made, VenueUnavailableError without an answer.
        """
        taken = await self.budget.take(Priority.URGENT, tx_type=tx.tx_type)
        form = {"tx_type": tx.tx_type, "tx_info": tx.tx_info}
        request = self._session.post("sendTx", form, timeout_s)
        reply = await self._answer(request, timeout_s, taken)
        is_quota = refusal_of(reply.code, reply.message) is Refusal.QUOTA
        if reply.status not in (_OK, _BAD_REQUEST) and not is_quota:
            raise VenueUnavailableError(f"HTTP {reply.status}: {reply.code} {reply.message}")
        if "code" not in reply.body:
            raise VenueUnavailableError(f"HTTP {reply.status} without a code")
        tx_hash = reply.body.get("tx_hash")
        predicted = reply.body.get("predicted_execution_time_ms")
        return Answer(
            code=reply.code,
            message=reply.message,
            tx_hash=tx_hash if isinstance(tx_hash, str) else None,
            predicted_ms=predicted if type(predicted) is int else None,
            quota_left=quota_left(reply.body),
        )

    async def _answer(
        self, request: Awaitable[aiohttp.ClientResponse], timeout_s: float, taken: Taken
    ) -> _Reply:
        try:
            async with asyncio.timeout(timeout_s):
                response = await request
                raw = await _body(response)
        except aiohttp.ClientConnectorError as error:
            self.budget.give_back(taken)
            raise NotSentError(f"no connection: {why(error)}") from error
        except TimeoutError as error:
            raise VenueUnavailableError(f"no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: an address, a proxy or the target of a redirect that cannot be used.
            raise VenueUnavailableError(named(error)) from error
        self._note_date(response.headers)
        return self._judge(response.status, raw)

    def _note_date(self, headers: Mapping[str, str]) -> None:
        """Follow the exchange's clock by the date of an answer; a stored copy's is of the past."""
        try:
            dated = parsedate_to_datetime(headers.get("Date", ""))
        except ValueError:
            return
        if "Age" not in headers:
            now_ms = self._signer.clock.epoch_ms()
            self._signer.ahead_ms = round(dated.timestamp() * 1000) + _HALF_MS - now_ms

    def _judge(self, status: int, raw: bytes) -> _Reply:
        if status in _RATE_STATUSES and not _names_quota(raw):
            self.budget.refused()
            raise VenueUnavailableError(f"HTTP {status}: too many requests")
        if status in _REDIRECTS:
            raise VenueUnavailableError(f"HTTP {status}: a redirect")
        if status >= _SERVER_ERROR:
            raise VenueUnavailableError(f"HTTP {status}")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            raise VenueUnavailableError(f"HTTP {status} with a body that is not JSON") from None
        if not isinstance(body, dict):
            raise VenueUnavailableError(f"HTTP {status} with a body that is not an object")
        code = body.get("code", ACCEPTED if status == _OK else None)
        if type(code) is not int or (status != _OK and code == ACCEPTED):
            raise VenueUnavailableError(f"HTTP {status} without a usable code")
        refusal = refusal_of(code, str(body.get("message")))
        if refusal.says_nothing:
            if refusal is Refusal.BUSY:
                self.budget.refused()
            raise VenueUnavailableError(f"HTTP {status}: {code} {body.get('message')}")
        return _Reply(status, body, code)


def _names_quota(raw: bytes) -> bool:
    """Whether a short body is a word about the volume quota, and none about our load."""
    try:
        body = json.loads(raw[:_CHUNK_BYTES])
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict) or type(body.get("code")) is not int:
        return False
    return refusal_of(body["code"], str(body.get("message"))) is Refusal.QUOTA


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return a whole answer, unpacked. Raises VenueUnavailableError for an enormous one."""
    raw = bytearray()
    try:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            raw += chunk
            if len(raw) > MAX_BODY_MB * 2**20:
                raise VenueUnavailableError(
                    f"HTTP {response.status}: the answer is larger than {MAX_BODY_MB} MB"
                )
    finally:
        response.close()  # a connection whose answer was read to its end is free already
    return bytes(raw)
