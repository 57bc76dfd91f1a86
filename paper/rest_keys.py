"""The REST calls that change an account: its tier, its maker-only keys, its read-only tokens."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from paper.access import Access
from paper.answers import answer, read_form
from paper.apierror import ApiError
from paper.exchange import Exchange
from paper.lookups import ALL_KEYS, known_account
from paper.params import Params, parse_integers
from paper.tokens import NOT_MASTER, READ_SCOPE

Json = dict[str, Any]


class KeysApi:
    """Handlers of the calls that need an auth token made with an API key."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        """Change accounts of `exchange` for those that `access` lets."""
        self._exchange = exchange
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.post(f"{api}/changeAccountTier", self.change_tier),
            web.get(f"{api}/getMakerOnlyApiKeys", self.maker_only),
            web.post(f"{api}/setMakerOnlyApiKeys", self.set_maker_only),
            web.get(f"{api}/tokens", self.tokens),
            web.post(f"{api}/tokens/create", self.create_token),
            web.post(f"{api}/tokens/revoke", self.revoke_token),
        ]

    async def _form(self, request: web.Request) -> tuple[Params, int]:
        """Return the form and the account that it may change."""
        form = await read_form(request)
        params = Params(form)
        account = params.integer("account_index")
        self._access.authorize(request, account, form, read_only=False)
        return params, known_account(self._exchange, account).index

    async def change_tier(self, request: web.Request) -> web.Response:
        """Change the tier of an account's L1 address; 62002-62006 say why not."""
        params, account = await self._form(request)
        self._exchange.change_tier(account, params.text("new_tier").lower())
        return answer({"code": 200})

    async def maker_only(self, request: web.Request) -> web.Response:
        """Answer the indexes of the keys that may only post."""
        account = self._access.account(request, Params(request.query))
        indexes = self._exchange.engine.maker_only_keys(account)
        return answer({"code": 200, "api_key_indexes": indexes})

    async def set_maker_only(self, request: web.Request) -> web.Response:
        """Let the keys of a JSON list only post, and no other one; [] frees all."""
        params, account = await self._form(request)
        indexes = _key_indexes(params.text("api_key_indexes"))
        for index in indexes:
            if not self._exchange.has_key(account, index):
                raise ApiError(21109, f"api key not found: {index}")
        self._exchange.engine.set_maker_only(account, indexes)
        self._exchange.pump()
        return answer({"code": 200})

    async def tokens(self, request: web.Request) -> web.Response:
        """Answer the read-only tokens of an account."""
        account = Params(request.query).integer("account_index")
        self._access.authorize(request, account, read_only=False)
        rows = [token.as_json() for token in self._access.tokens.of(account)]
        return answer({"code": 200, "api_tokens": rows})

    async def create_token(self, request: web.Request) -> web.Response:
        """Make a read-only token for an account, or for its whole L1 address."""
        params, account = await self._form(request)
        wide = params.flag("sub_account_access")
        if wide and self._master(account) != account:
            raise ApiError(NOT_MASTER, "only the master account can give access to sub accounts")
        token = self._access.tokens.create(
            account,
            params.text("name", ""),
            params.integer("expiry", low=0),
            self._exchange.now_ms() / 1000,
            sub_account_access=wide,
            scopes=params.text("scopes", READ_SCOPE),
        )
        return answer({"code": 200, **token.as_json()})

    async def revoke_token(self, request: web.Request) -> web.Response:
        """End a read-only token."""
        params, account = await self._form(request)
        token = self._access.tokens.revoke(account, params.integer("token_id"))
        return answer({"code": 200, "token_id": token.token_id, "revoked": token.revoked})

    def _master(self, account: int) -> int:
        """Return the first account of the L1 address: sub-accounts come after their master."""
        owner = known_account(self._exchange, account).master.lower()
        owned = [a for a in self._exchange.engine.accounts() if a.master.lower() == owner]
        return min(owned, key=lambda a: (a.created_ms, a.index)).index


def _key_indexes(text: str) -> list[int]:
    """Return the indexes of a JSON list, such as "[4,5]" or "[]"."""
    inside = text.strip().removeprefix("[").removesuffix("]").strip()
    return sorted(set(parse_integers(inside, ALL_KEYS))) if inside else []
