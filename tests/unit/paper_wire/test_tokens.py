"""Tests of the read-only tokens of the paper exchange."""

from typing import Any

import pytest

from paper.apierror import ApiError
from paper.tokens import DAY_S, MAX_LIFE_S, ReadToken, ReadTokens

NOW_S = 1_800_000_000


def make(tokens: ReadTokens, **given: Any) -> ReadToken:
    fields: dict[str, Any] = {"name": "dashboard", "expiry_s": NOW_S + DAY_S, **given}
    wide = fields.pop("sub_account_access", False)
    return tokens.create(42, now_s=NOW_S, sub_account_access=wide, **fields)


def test_a_token_names_its_account_scope_and_end() -> None:
    """A token is ro:account:scope:expiry:hex, and is found by its text alone."""
    tokens = ReadTokens()
    token = make(tokens, sub_account_access=True)
    assert token.text.startswith(f"ro:42:all:{NOW_S + DAY_S}:")
    assert token.scopes == "read.*"
    assert tokens.find(token.text, NOW_S) == token
    assert set(token.as_json()) == {
        *("token_id", "api_token", "name", "account_index", "expiry", "sub_account_access"),
        *("revoked", "scopes"),
    }


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": ""}, 61001),
        ({"name": "x" * 65}, 61001),
        ({"name": "a\nb"}, 61001),
        ({"expiry_s": NOW_S}, 61002),
        ({"expiry_s": NOW_S + DAY_S - 1}, 61003),
        ({"expiry_s": NOW_S + MAX_LIFE_S + 1}, 61004),
        ({"scopes": "write.*"}, 61008),
        ({"scopes": "read.*,"}, 61008),
    ],
)
def test_a_bad_token_is_not_made(given: dict[str, Any], code: int) -> None:
    """A name, an expiry or scopes that do not do are refused with a code of their own."""
    tokens = ReadTokens()
    with pytest.raises(ApiError) as caught:
        make(tokens, **given)
    assert caught.value.code == code
    assert tokens.of(42) == []


def test_ten_tokens_live_at_once() -> None:
    """The eleventh token is refused until one is revoked."""
    tokens = ReadTokens()
    made = [make(tokens) for _ in range(10)]
    with pytest.raises(ApiError) as caught:
        make(tokens)
    assert caught.value.code == 61005
    tokens.revoke(42, made[3].token_id)
    make(tokens)


@pytest.mark.parametrize(("account", "token_id", "code"), [(42, 9, 61006), (43, 1, 61006)])
def test_only_an_own_token_can_be_revoked(account: int, token_id: int, code: int) -> None:
    """A token of another account, or none, cannot be revoked, and none twice."""
    tokens = ReadTokens()
    make(tokens)
    with pytest.raises(ApiError) as caught:
        tokens.revoke(account, token_id)
    assert caught.value.code == code
    tokens.revoke(42, 1)
    with pytest.raises(ApiError) as caught:
        tokens.revoke(42, 1)
    assert caught.value.code == 61007


@pytest.mark.parametrize("text", ["ro:", "ro:42:single:1900000000:ab", "ro:x", "ro:42:all:1:"])
def test_made_up_tokens_are_refused(text: str) -> None:
    """A text that is no token of ours is 20013."""
    with pytest.raises(ApiError) as caught:
        ReadTokens().find(text, NOW_S)
    assert caught.value.code == 20013


def test_a_token_ends() -> None:
    """After its expiry, and once revoked, a token reads nothing."""
    tokens = ReadTokens()
    token = make(tokens)
    with pytest.raises(ApiError):
        tokens.find(token.text, NOW_S + DAY_S)
    tokens.revoke(42, token.token_id)
    with pytest.raises(ApiError):
        tokens.find(token.text, NOW_S)
