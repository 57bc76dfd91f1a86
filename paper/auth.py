"""Check auth tokens as the exchange does, except for the signature.

A token is `deadline:account:key:signature` (apidocs.lighter.xyz, "API keys"): the deadline in
unix seconds, the account index, the API key index and 160 hex digits. The signature is not
verified; every other rule is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paper.apierror import ApiError, invalid_auth, invalid_param

MAX_VALIDITY_S: Final = 8 * 3600

_TOKEN = re.compile(r"([0-9]{1,12}):([0-9]{1,15}):([0-9]{1,3}):([0-9a-fA-F]{160})\Z")

MISSING_ON_REST: Final = "auth query param and Authorization header are empty"


@dataclass(frozen=True, slots=True)
class Token:
    """The readable parts of an auth token; `deadline_s` is unix seconds."""

    deadline_s: int
    account_index: int
    api_key_index: int


def parse_token(text: str) -> Token:
    """Return the parts of `text`, or raise ApiError 20013 when it has another shape."""
    match = _TOKEN.match(text)
    if match is None:
        msg = "token must be deadline:account:key:signature"
        raise invalid_auth(msg)
    return Token(int(match[1]), int(match[2]), int(match[3]))


def check_token(
    text: str | None,
    account_index: int,
    now_s: float,
    key_registered: Callable[[int, int], bool],
    *,
    missing: str = MISSING_ON_REST,
) -> Token:
    """Return the token's parts if it lets its bearer read `account_index` now.

    Raises ApiError 20001 when there is no token, 20013 when it is malformed, expired, valid
    for more than eight hours from `now_s`, for another account, or of an unregistered key.
    `key_registered(account_index, api_key_index)` tells whether a key exists.
    """
    if not text:
        raise invalid_param(missing)
    token = parse_token(text)
    problem = _problem(token, account_index, now_s, key_registered)
    if problem is not None:
        raise problem
    return token


def _problem(
    token: Token,
    account_index: int,
    now_s: float,
    key_registered: Callable[[int, int], bool],
) -> ApiError | None:
    if token.deadline_s <= now_s:
        return invalid_auth("expired token")
    if token.deadline_s > now_s + MAX_VALIDITY_S:
        return invalid_auth("invalid deadline")
    if token.account_index != account_index:
        return invalid_auth("account index does not match")
    if not key_registered(token.account_index, token.api_key_index):
        return invalid_auth("api key not found")
    return None
