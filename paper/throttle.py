"""Request limits applied to HTTP requests and to transactions sent over a socket."""

from __future__ import annotations

import json
import time
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from paper.access import Access
from paper.apierror import ApiError, Blocked
from paper.exchange import Exchange
from paper.limits import Owner, RequestLimits, Verdict
from paper.socket_limits import ConnectionLimits, SocketLimits

TOO_MANY_REQUESTS: Final = 23000

_API: Final = "/api/v1/"
_SENDS: Final = ("sendTx", "sendTxBatch")


class Throttle:
    """Counts requests by L1 address, or by network address where nobody has said who asks."""

    def __init__(self, exchange: Exchange, access: Access, *, on: bool) -> None:
        """Limit nothing unless `on`."""
        self.is_on = on
        self._exchange = exchange
        exchange.quota.is_on = on  # without limits it binds only where the administrator sets it
        self._access = access
        self._limits = RequestLimits()
        self._sockets = SocketLimits()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a request that is over the limit; the admin calls have none."""
        if self.is_on and not request.path.startswith("/paper/"):
            self._admit(request)
        return await handler(request)

    def _admit(self, request: web.Request) -> None:
        now, address = time.monotonic(), request.remote or ""
        if self._limits.is_banned(now, address):
            raise Blocked
        call = request.path.removeprefix(_API)
        if call in _SENDS or request.path == "/stream":
            return  # counted when it is known whose transaction it is; sockets count apart
        account = self._access.bearer(request)
        _act_on(self._limits.read(now, address, self._owner(account, address), call))

    def transactions(self, address: str, types: list[int], info: object) -> None:
        """Count one call with transactions of these `types`; raise ApiError 23000 or Blocked.

        `info` is a transaction of the call, text or object: it tells whose it is.
        """
        index = _account_of(info)
        if self.is_on:
            owner = self._owner(index, address)
            now = time.monotonic()
            _act_on(self._limits.send(now, address, owner, types))
        account = None if index is None else self._exchange.engine.account(index)
        if account is not None:
            tier = self._exchange.engine.account_tier(account.index).tier.value
            self._exchange.quota.spend(account.master, tier, types, self._exchange.now_ms())

    def quota_left(self, info: object) -> int | None:
        """Return what is left of the volume quota of whose transaction it is; None without one."""
        index = _account_of(info)
        return None if index is None else self._exchange.quota_left(index)

    def connection(self, address: str) -> ConnectionLimits | None:
        """Count a new socket, or raise ApiError 23003; None when there are no limits."""
        return self._sockets.open(time.monotonic(), address) if self.is_on else None

    def _owner(self, account_index: int | None, address: str) -> Owner:
        engine = self._exchange.engine
        account = None if account_index is None else engine.account(account_index)
        if account is None:
            return Owner(f"address {address}", engine.tier.value)
        tier = engine.account_tier(account.index).tier
        return Owner(f"l1 {account.master.lower()}", tier.value)


def _act_on(verdict: Verdict) -> None:
    if verdict is Verdict.TOO_MANY:
        raise ApiError(TOO_MANY_REQUESTS, "Too Many Requests!", http_status=429)
    if verdict is Verdict.FIREWALL:
        raise Blocked


def _account_of(info: object) -> int | None:
    """Return the account that a transaction names, None when it cannot be read."""
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except (ValueError, RecursionError):
            return None
    found = info.get("AccountIndex") if isinstance(info, dict) else None
    return found if type(found) is int else None
