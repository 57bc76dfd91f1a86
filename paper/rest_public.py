"""The public REST calls about accounts: balances and positions, nonces, API keys."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from paper import wire_account
from paper.answers import answer
from paper.apierror import API_KEY_NOT_FOUND, NONCE_NOT_FOUND, ApiError, not_found
from paper.exchange import Exchange
from paper.lookups import ALL_KEYS
from paper.params import Params
from paper.records import Account, ApiKey

PAGE: Final = 100
"""Accounts of an L1 address per answer."""

Json = dict[str, Any]


class PublicAccountApi:
    """Handlers of the calls about accounts that need no token."""

    def __init__(self, exchange: Exchange) -> None:
        """Read `exchange`."""
        self._engine = exchange.engine

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get(f"{api}/account", self.account),
            web.get(f"{api}/accountsByL1Address", self.accounts_by_l1_address),
            web.get(f"{api}/nextNonce", self.next_nonce),
            web.get(f"{api}/apikeys", self.api_keys),
        ]

    async def account(self, request: web.Request) -> web.Response:
        """Answer one account by index, or the accounts of an L1 address, a page at a time."""
        params = Params(request.query)
        by = params.choice("by", ("index", "l1_address"))
        active_only = params.flag("active_only")
        if by == "index":
            found = self._engine.account(params.integer("value"))
            accounts = [] if found is None else [found]
        else:
            accounts = self._owned(params.text("value"))
        page, cursor = self._page(params, accounts)
        rows = [
            wire_account.detailed_account(self._engine, account, active_only=active_only)
            for account in page
        ]
        body = {"code": 200, "total": len(accounts), "accounts": rows, "next_cursor": cursor}
        return answer(body)

    async def accounts_by_l1_address(self, request: web.Request) -> web.Response:
        """Answer the accounts of an L1 address without positions."""
        params = Params(request.query)
        address = params.text("l1_address")
        page, cursor = self._page(params, self._owned(address))
        rows = [wire_account.plain_account(self._engine, account) for account in page]
        body: Json = {"code": 200, "l1_address": page[0].master, "sub_accounts": rows}
        if cursor:
            body["next_cursor"] = cursor
        return answer(body)

    def _owned(self, l1_address: str) -> list[Account]:
        """Return the accounts of an L1 address, by index."""
        master = l1_address.lower()
        return [a for a in self._engine.accounts() if a.master.lower() == master]

    def _page(self, params: Params, accounts: list[Account]) -> tuple[list[Account], str]:
        """Return the accounts from `cursor` on and the next cursor; 29404 when there are none."""
        if not accounts:
            detail = "account not found"
            raise not_found(detail)
        first = params.integer("cursor", 0)
        rest = [account for account in accounts if account.index >= first]
        cursor = str(rest[PAGE].index) if len(rest) > PAGE else ""
        return (rest or accounts)[:PAGE], cursor

    async def next_nonce(self, request: web.Request) -> web.Response:
        """Answer the nonce that the next transaction of a key must carry."""
        params = Params(request.query)
        account_index = params.integer("account_index")
        key_index = params.integer("api_key_index", high=ALL_KEYS - 1)
        nonce = self._engine.next_nonce(account_index, key_index)
        if nonce is None:
            raise ApiError(NONCE_NOT_FOUND, "nonce not found")
        return answer({"code": 200, "nonce": nonce})

    async def api_keys(self, request: web.Request) -> web.Response:
        """Answer one key of an account, or all of them (api_key_index 255 or absent)."""
        params = Params(request.query)
        account = self._engine.account(params.integer("account_index"))
        key_index = params.integer("api_key_index", ALL_KEYS, high=ALL_KEYS)
        keys = {} if account is None else account.api_keys
        rows = [
            _key_row(account.index, index, key)
            for index, key in sorted(keys.items())
            if account is not None and key_index in (ALL_KEYS, index)
        ]
        if not rows:
            raise ApiError(API_KEY_NOT_FOUND, "api key not found")
        return answer({"code": 200, "api_keys": rows})


def _key_row(account_index: int, key_index: int, key: ApiKey) -> Json:
    return {
        "account_index": account_index,
        "api_key_index": key_index,
        "nonce": key.next_nonce,
        "public_key": key.public_key,
        "transaction_time": key.updated_ms * 1000,
    }
