"""Tests of channel names of the paper exchange."""

import pytest

from paper.apierror import ApiError
from paper.channels import FAMILIES, Channel, parse_channel


def parse(text: object) -> Channel:
    return parse_channel(text, {0, 1}, lambda account: account == 42)


@pytest.mark.parametrize(
    ("asked", "name", "private"),
    [
        ("order_book/0", "order_book:0", False),
        ("market_stats/all", "market_stats:all", False),
        ("market_stats/1", "market_stats:1", False),
        ("height", "height", False),
        ("account_all/42", "account_all:42", False),
        ("account_orders/1/42", "account_orders:1:42", True),
        ("account_all_orders/42", "account_all_orders:42", True),
        ("account_tx/42", "account_tx:42", True),
        ("account_market/1/42", "account_market/1/42", True),
        ("notification/42", "notification:42", True),
    ],
)
def test_slashes_become_colons(asked: str, name: str, private: bool) -> None:
    """A channel is asked for with slashes and named with colons, account_market with slashes."""
    channel = parse(asked)
    assert (channel.name, channel.private) == (name, private)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing/0",
        "order_book",
        "order_book/",
        "order_book/0/1",
        "order_book:0",
        "order_book/7",
        "order_book/all",
        "order_book/-1",
        "order_book/" + "9" * 5000,
        "account_all/43",
        "account_all/x",
        "height/1",
    ],
)
def test_an_unknown_channel_is_refused(text: str) -> None:
    """A channel, market or account that does not exist is 30005."""
    with pytest.raises(ApiError) as caught:
        parse(text)
    assert caught.value.code == 30005


@pytest.mark.parametrize("value", [None, 5, [], {}])
def test_a_channel_is_text(value: object) -> None:
    """A channel that is not text is a parameter error."""
    with pytest.raises(ApiError) as caught:
        parse(value)
    assert caught.value.code == 20001


def test_every_account_family_but_two_is_private() -> None:
    """Only account_all and user_stats can be read without a token."""
    public = {n for n, f in FAMILIES.items() if "account" in f.arguments and not f.private}
    assert public == {"account_all", "user_stats"}
