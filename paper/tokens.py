"""Read-only tokens: `ro:{account}:{single|all}:{expiry}:{random hex}`.

apidocs.lighter.xyz, "API keys": they read what an auth token reads and sign nothing, live from one
day to ten years, at most ten per account. The codes 61001 to 61009 are the exchange's; which of
them stands for which refusal is not documented and is this program's reading.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import Any, Final

from paper.apierror import ApiError, invalid_auth

MAX_TOKENS: Final = 10
MAX_NAME: Final = 64
DAY_S: Final = 86_400
MAX_LIFE_S: Final = 10 * 365 * DAY_S
READ_SCOPE: Final = "read.*"

BAD_NAME: Final = 61001
BAD_EXPIRY: Final = 61002
TOO_SHORT: Final = 61003
TOO_LONG: Final = 61004
TOO_MANY: Final = 61005
UNKNOWN: Final = 61006
REVOKED: Final = 61007
BAD_SCOPES: Final = 61008
NOT_MASTER: Final = 61009

_TOKEN = re.compile(r"ro:([0-9]{1,15}):(single|all):([0-9]{1,12}):([0-9a-f]{64})\Z")
_SCOPES = re.compile(r"read\.(\*|[a-z_]{1,32})(,read\.(\*|[a-z_]{1,32}))*\Z")


@dataclass(frozen=True, slots=True)
class ReadToken:
    """One token; `expiry_s` is unix seconds."""

    token_id: int
    text: str
    name: str
    account_index: int
    expiry_s: int
    sub_account_access: bool
    revoked: bool
    scopes: str

    def as_json(self) -> dict[str, Any]:
        """Return the ApiToken object."""
        return {
            "token_id": self.token_id,
            "api_token": self.text,
            "name": self.name,
            "account_index": self.account_index,
            "expiry": self.expiry_s,
            "sub_account_access": self.sub_account_access,
            "revoked": self.revoked,
            "scopes": self.scopes,
        }


class ReadTokens:
    """All read-only tokens of this process; they end with it."""

    def __init__(self) -> None:
        """Start without tokens."""
        self._tokens: dict[int, ReadToken] = {}

    def create(
        self,
        account_index: int,
        name: str,
        expiry_s: int,
        now_s: float,
        *,
        sub_account_access: bool,
        scopes: str = READ_SCOPE,
    ) -> ReadToken:
        """Make a token that ends at `expiry_s` (unix seconds), or raise ApiError 61001-61008."""
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise ApiError(BAD_NAME, "invalid token name")
        if not _SCOPES.match(scopes):
            raise ApiError(BAD_SCOPES, "invalid token scopes")
        if expiry_s <= now_s:
            raise ApiError(BAD_EXPIRY, "invalid token expiry")
        if expiry_s < now_s + DAY_S:
            raise ApiError(TOO_SHORT, "token expiry is too short")
        if expiry_s > now_s + MAX_LIFE_S:
            raise ApiError(TOO_LONG, "token expiry is too long")
        alive = [t for t in self.of(account_index) if not t.revoked and t.expiry_s > now_s]
        if len(alive) >= MAX_TOKENS:
            raise ApiError(TOO_MANY, "too many api tokens")
        kind = "all" if sub_account_access else "single"
        text = f"ro:{account_index}:{kind}:{expiry_s}:{secrets.token_hex(32)}"
        token = ReadToken(
            token_id=len(self._tokens) + 1,
            text=text,
            name=name,
            account_index=account_index,
            expiry_s=expiry_s,
            sub_account_access=sub_account_access,
            revoked=False,
            scopes=scopes,
        )
        self._tokens[token.token_id] = token
        return token

    def of(self, account_index: int) -> list[ReadToken]:
        """Return the tokens of an account, oldest first."""
        return [t for t in self._tokens.values() if t.account_index == account_index]

    def revoke(self, account_index: int, token_id: int) -> ReadToken:
        """Revoke a token of the account; ApiError 61006 unless it exists, 61007 the second time."""
        token = self._tokens.get(token_id)
        if token is None or token.account_index != account_index:
            raise ApiError(UNKNOWN, "api token not found")
        if token.revoked:
            raise ApiError(REVOKED, "api token is revoked")
        token = self._tokens[token_id] = replace(token, revoked=True)
        return token

    def find(self, text: str, now_s: float) -> ReadToken:
        """Return the token that `text` is; ApiError 20013 unless it is alive."""
        match = _TOKEN.match(text)
        owned = self.of(int(match[1])) if match else []
        token = next((t for t in owned if secrets.compare_digest(t.text, text)), None)
        if token is None or token.revoked:
            detail = "invalid read-only token"
            raise invalid_auth(detail)
        if token.expiry_s <= now_s:
            detail = "expired token"
            raise invalid_auth(detail)
        return token
