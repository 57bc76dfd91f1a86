"""Who may read what: auth tokens and read-only tokens, on REST and on the WebSocket."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from paper.apierror import ApiError, invalid_auth, invalid_param
from paper.auth import MISSING_ON_REST, check_token, parse_token
from paper.exchange import Exchange
from paper.lookups import known_account
from paper.params import Params
from paper.tokens import ReadTokens

READ_ONLY = "ro:"


class Access:
    """Checks tokens against the exchange's accounts and keys."""

    def __init__(self, exchange: Exchange, tokens: ReadTokens) -> None:
        """Know the accounts of `exchange` and the read-only `tokens`."""
        self.tokens = tokens
        self._exchange = exchange

    def check(
        self,
        text: str | None,
        account_index: int,
        *,
        missing: str = MISSING_ON_REST,
        read_only: bool = True,
    ) -> None:
        """Raise ApiError 20001 or 20013 unless `text` lets its bearer read the account now.

        With `read_only` False a read-only token does not do.
        """
        if not text:
            raise invalid_param(missing)
        now_s = self._exchange.now_ms() / 1000
        if not text.startswith(READ_ONLY):
            check_token(text, account_index, now_s, self._exchange.has_key)
            return
        token = self.tokens.find(text, now_s)
        if not read_only:
            detail = "a read-only token cannot do this"
            raise invalid_auth(detail)
        if token.account_index == account_index:
            return
        if not token.sub_account_access or not self._related(token.account_index, account_index):
            detail = "account index does not match"
            raise invalid_auth(detail)

    def authorize(
        self,
        request: web.Request,
        account_index: int,
        form: Mapping[str, str] | None = None,
        *,
        read_only: bool = True,
    ) -> None:
        """Raise ApiError unless the request carries a token for the account."""
        text = token_of(request) or (form or {}).get("auth")
        self.check(text, account_index, read_only=read_only)

    def account(self, request: web.Request, params: Params, name: str = "account_index") -> int:
        """Return the account that `params` name and that the request may read."""
        account_index = params.integer(name)
        self.authorize(request, account_index)
        return known_account(self._exchange, account_index).index

    def bearer(self, request: web.Request) -> int | None:
        """Return the account that the request proves to speak for, None when it proves none."""
        text = token_of(request)
        account_index = None if text is None else account_of(text)
        if account_index is None:
            return None
        try:
            self.check(text, account_index)
        except ApiError:
            return None
        return account_index

    def _related(self, one: int, other: int) -> bool:
        """Return whether both accounts belong to one L1 address."""
        found = [self._exchange.engine.account(index) for index in (one, other)]
        masters = {None if account is None else account.master.lower() for account in found}
        return len(masters) == 1 and None not in masters


def token_of(request: web.Request) -> str | None:
    """Return the token of a request: the header `Authorization`, or `?auth=` of older clients."""
    return request.headers.get("Authorization") or request.query.get("auth")


def account_of(text: str) -> int | None:
    """Return the account that a token names, whether or not the token is good."""
    if text.startswith(READ_ONLY):
        part = text.split(":", 2)[1]
        return int(part) if part.isascii() and part.isdecimal() and len(part) < 16 else None  # noqa: PLR2004
    try:
        return parse_token(text).account_index
    except ApiError:
        return None
