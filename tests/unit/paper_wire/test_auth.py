"""Tests of the auth token rules of the paper exchange."""

import pytest

from paper.apierror import ApiError
from paper.auth import MAX_VALIDITY_S, Token, check_token, parse_token

NOW_S = 1_800_000_000
SIGNATURE = "ab" * 80


def make(
    deadline: object = NOW_S + 60, account: object = 42, key: object = 4, sig: str = SIGNATURE
) -> str:
    return f"{deadline}:{account}:{key}:{sig}"


def registered(account: int, key: int) -> bool:
    return (account, key) == (42, 4)


def check(token: str | None, account: int = 42) -> Token:
    return check_token(token, account, NOW_S, registered)


def test_a_good_token_is_read() -> None:
    """A token of the account with a registered key passes and its parts are returned."""
    assert check(make()) == Token(NOW_S + 60, 42, 4)


@pytest.mark.parametrize("deadline", [NOW_S + 1, NOW_S + MAX_VALIDITY_S])
def test_the_whole_validity_window_passes(deadline: int) -> None:
    """A deadline from the next second to eight hours ahead is valid."""
    assert check(make(deadline)).deadline_s == deadline


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_a_parameter_error(token: str | None) -> None:
    """A request without a token is refused with 20001 and HTTP 400."""
    with pytest.raises(ApiError) as caught:
        check(token)
    assert (caught.value.code, caught.value.http_status) == (20001, 400)


@pytest.mark.parametrize(
    "token",
    [
        make(NOW_S),
        make(NOW_S - 1),
        make(NOW_S + MAX_VALIDITY_S + 1),
        make(account=43),
        make(key=5),
        make(sig="ab" * 79),
        make(sig="zz" * 80),
        make(deadline="x"),
        make(deadline=-5),
        make() + ":1",
        make() + "\n",
        "ro:42:single:1900000000:abcdef",
        "x" * 100_000,
    ],
)
def test_a_bad_token_is_refused(token: str) -> None:
    """A token that is expired, too far ahead, foreign or malformed gives 20013 and HTTP 401."""
    with pytest.raises(ApiError) as caught:
        check(token)
    assert (caught.value.code, caught.value.http_status) == (20013, 401)


def test_parts_come_from_the_text() -> None:
    """Parsing does not judge the deadline."""
    assert parse_token(make(1)) == Token(1, 42, 4)
