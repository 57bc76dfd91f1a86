"""Read-only tokens: made with an auth token, they read on REST and sockets and change nothing."""

import time

import aiohttp
import pytest

from tests.integration.paper.support import ETH, Trader, TraderFactory, refusal
from tests.world.paper import Json, PaperProcess, new_account_number

pytestmark = pytest.mark.integration

DAY_S = 86_400


async def make(trader: Trader, **given: object) -> Json:
    """Create a token with the official client and return its object."""
    fields = {
        "name": "dashboard",
        "account_index": trader.account,
        "expiry": int(time.time()) + 2 * DAY_S,
        "sub_account_access": False,
        **given,
    }
    answer = await trader.accounts.tokens_create(authorization=trader.token, **fields)
    found: Json = answer.to_dict()
    return found


async def read(paper: PaperProcess, account: int, token: str) -> int:
    """Return the status of a private call with `token`."""
    url = f"{paper.base_url}/api/v1/accountActiveOrders"
    params = {"account_index": str(account), "auth": token}
    async with aiohttp.ClientSession() as session, session.get(url, params=params) as response:
        return response.status


async def test_a_read_only_token_reads(trader: Trader) -> None:
    """The token opens private REST calls and channels of its account, and no other's."""
    token = (await make(trader))["api_token"]
    assert token.startswith(f"ro:{trader.account}:single:")
    assert await read(trader.paper, trader.account, token) == 200
    assert await read(trader.paper, 280459, token) == 401
    async with trader.socket() as socket:
        frame = await socket.subscribe(f"account_all_orders/{trader.account}", token)
        assert frame["type"] == "subscribed/account_all_orders"
    orders = await trader.orders.account_active_orders(
        authorization=token, account_index=trader.account, market_id=ETH
    )
    assert orders.orders == []


async def test_a_read_only_token_changes_nothing(trader: Trader) -> None:
    """A token cannot make or revoke tokens."""
    token = (await make(trader))["api_token"]
    call = trader.accounts.tokens_create(
        authorization=token,
        name="x",
        account_index=trader.account,
        expiry=int(time.time()) + 2 * DAY_S,
        sub_account_access=False,
    )
    assert (await refusal(call)).code == 20013


async def test_a_token_for_the_whole_address(new_trader: TraderFactory) -> None:
    """A token of kind "all" also reads sub-accounts, and only the master can make one."""
    master = await new_trader()
    sub = new_account_number()
    await master.paper.add_account(sub, f"0x{master.account:040x}")
    token = (await make(master, sub_account_access=True))["api_token"]
    assert await read(master.paper, sub, token) == 200
    assert await read(master.paper, 280459, token) == 401
    single = (await make(master))["api_token"]
    assert await read(master.paper, sub, single) == 401
    below = await new_trader(account=sub)
    assert (await refusal(make(below, sub_account_access=True))).code == 61009


async def test_tokens_are_listed_and_revoked(trader: Trader) -> None:
    """A revoked token stays in the list and reads nothing."""
    made = await make(trader)
    await trader.accounts.tokens_revoke(
        authorization=trader.token, token_id=made["token_id"], account_index=trader.account
    )
    assert await read(trader.paper, trader.account, made["api_token"]) == 401
    listed = await trader.accounts.tokens(authorization=trader.token, account_index=trader.account)
    assert [(row.token_id, row.revoked) for row in listed.api_tokens] == [(made["token_id"], True)]


async def test_bad_tokens_are_not_made(trader: Trader) -> None:
    """What a token must be is said by a code of its own."""
    assert (await refusal(make(trader, name=" " * 80))).code == 61001
    assert (await refusal(make(trader, expiry=int(time.time()) + 60))).code == 61003
    assert (await refusal(make(trader, scopes="write.*"))).code == 61008
    for _ in range(10):
        await make(trader)
    assert (await refusal(make(trader))).code == 61005
