"""Every request of ours is byte for byte the one that the whole SDK makes for the same call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import lighter
import pytest

from hedge.daemon.clock import SystemClock
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.rest import RestClient
from hedge.exchange.lighter.session import open_session
from hedge.exchange.lighter.signer import Credentials, Signer
from hedge.exchange.port import SignedTx
from tests.integration.venue.raw_server import serving

pytestmark = pytest.mark.integration

ACCOUNT = 281474976710654
KEY_INDEX = 5
TOKEN = "1790000000:281474976710654:5:" + "ab" * 40
TX = SignedTx(14, '{"Nonce":7,"Sig":"a+b/c=","Text":"ü & 100 %"}', "aa", 7)
CURSOR = "a+b/c=="


class FixedToken(Signer):
    """A signer of which only the token is asked for."""

    async def token(self) -> str:
        return TOKEN


@dataclass
class WholeSdk:
    """The APIs of the whole SDK on one of its own sessions."""

    orders: lighter.OrderApi
    transactions: lighter.TransactionApi
    accounts: lighter.AccountApi


Ours = Callable[[RestClient], Awaitable[object]]
Theirs = Callable[[WholeSdk], Awaitable[object]]

CALLS: dict[str, tuple[Ours, Theirs]] = {
    "markets": (
        lambda ours: ours.markets(),
        lambda sdk: sdk.orders.order_book_details_without_preload_content(),
    ),
    "market": (
        lambda ours: ours.markets(0),
        lambda sdk: sdk.orders.order_book_details_without_preload_content(market_id=0),
    ),
    "next nonce": (
        lambda ours: ours.next_nonce(),
        lambda sdk: sdk.transactions.next_nonce_without_preload_content(
            account_index=ACCOUNT, api_key_index=KEY_INDEX
        ),
    ),
    "account": (
        lambda ours: ours.account(7),
        lambda sdk: sdk.accounts.account_without_preload_content(by="index", value="7"),
    ),
    "maker-only keys": (
        lambda ours: ours.maker_only_keys(),
        lambda sdk: sdk.accounts.get_maker_only_api_keys_without_preload_content(
            account_index=ACCOUNT, authorization=TOKEN
        ),
    ),
    "recent trades": (
        lambda ours: ours.recent_trades(2, 100),
        lambda sdk: sdk.orders.recent_trades_without_preload_content(market_id=2, limit=100),
    ),
    "order book": (
        lambda ours: ours.order_book(2, 100),
        lambda sdk: sdk.orders.order_book_orders_without_preload_content(market_id=2, limit=100),
    ),
    "transaction": (
        lambda ours: ours.transaction("00ff"),
        lambda sdk: sdk.transactions.tx_without_preload_content(by="hash", value="00ff"),
    ),
    "active orders": (
        lambda ours: ours.active_orders(2),
        lambda sdk: sdk.orders.account_active_orders_without_preload_content(
            account_index=ACCOUNT, market_id=2, authorization=TOKEN
        ),
    ),
    "inactive orders": (
        lambda ours: ours.inactive_orders(2, 50),
        lambda sdk: sdk.orders.account_inactive_orders_without_preload_content(
            account_index=ACCOUNT, market_id=2, limit=50, authorization=TOKEN
        ),
    ),
    "trades": (
        lambda ours: ours.trades(2, 100, None),
        lambda sdk: sdk.orders.trades_without_preload_content(
            sort_by="trade_id",
            sort_dir="desc",
            limit=100,
            account_index=ACCOUNT,
            market_id=2,
            authorization=TOKEN,
        ),
    ),
    "next page of trades": (
        lambda ours: ours.trades(2, 100, CURSOR),
        lambda sdk: sdk.orders.trades_without_preload_content(
            sort_by="trade_id",
            sort_dir="desc",
            limit=100,
            account_index=ACCOUNT,
            market_id=2,
            cursor=CURSOR,
            authorization=TOKEN,
        ),
    ),
    "limits": (
        lambda ours: ours.limits(),
        lambda sdk: sdk.accounts.account_limits_without_preload_content(
            account_index=ACCOUNT, authorization=TOKEN
        ),
    ),
    "send": (
        lambda ours: ours.send(TX, 9.0),
        lambda sdk: sdk.transactions.send_tx_without_preload_content(
            tx_type=TX.tx_type, tx_info=TX.tx_info
        ),
    ),
}


async def ours(url: str, call: Ours) -> None:
    clock = SystemClock()
    unused: Any = None
    signer = FixedToken(unused, Credentials(ACCOUNT, KEY_INDEX, ""), clock, 600)
    budget = RequestBudget(clock, 1000)
    async with open_session(url) as session:
        rest = RestClient(
            session, signer, budget, account_index=ACCOUNT, api_key_index=KEY_INDEX, timeout_s=9.0
        )
        await call(rest)


async def theirs(url: str, call: Theirs) -> None:
    client = lighter.ApiClient(lighter.Configuration(host=url))
    try:
        apis = lighter.OrderApi(client), lighter.TransactionApi(client), lighter.AccountApi(client)
        response: Any = await call(WholeSdk(*apis))
        await response.read()
    finally:
        await client.close()


@pytest.mark.parametrize("name", CALLS)
async def test_a_request_is_the_sdk_s(name: str) -> None:
    """Same method, address, query, headers and body, in the same order."""
    call_ours, call_theirs = CALLS[name]
    async with serving() as server:
        await theirs(server.url, call_theirs)
        expected, server.requests = b"".join(server.requests), []
        await ours(server.url, call_ours)
        assert b"".join(server.requests) == expected
        assert expected.startswith((b"GET /api/v1/", b"POST /api/v1/sendTx HTTP/1.1\r\n"))


def test_every_call_of_ours_is_compared() -> None:
    """A call that is added to the REST client needs its line here."""
    calls = {name for name, value in vars(RestClient).items() if callable(value)}
    public = {name for name in calls if not name.startswith("_")}
    compared = {name for pair in CALLS.values() for name in pair[0].__code__.co_names}
    assert public == compared & calls
