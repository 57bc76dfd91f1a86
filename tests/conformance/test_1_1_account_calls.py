"""Section 1.1, continued: the REST calls about accounts, and the tokens that they need."""

import json
import time

import pytest
from lighter.models.pn_l_entry import PnLEntry

from tests.conformance import envelopes as env
from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import (
    API,
    DAY_MS,
    ETH,
    Client,
    raw,
)
from tests.conformance.shapes import (
    Shape,
    exactly,
    integer,
    list_of,
    number,
    text,
)
from tests.world.paper import PaperError

pytestmark = pytest.mark.integration

PRIVATE: dict[str, dict[str, object]] = {
    "accountActiveOrders": {"market_id": ETH},
    "accountInactiveOrders": {"limit": 1},
    "accountOrders": {"client_order_indexes": "1"},
    "accountTxs": {"by": "account_index", "limit": 1},
    "accountLimits": {},
    "liquidations": {"limit": 1},
    "positionFunding": {"limit": 1},
    "pnl": {
        "by": "index",
        "resolution": "1h",
        "start_timestamp": 0,
        "end_timestamp": 5_000_000_000_000,
        "count_back": 1,
    },
}


async def test_account(client: Client) -> None:
    """GET account finds by index and by L1 address."""
    await client.buy()
    body = await client.paper.call("GET", f"{API}/account", by="index", value=client.account)
    env.page(total=exactly(1), accounts=list_of(env.ACCOUNT, least=1), next_cursor=text)(body)
    list_of(env.position(), least=1)(body["accounts"][0]["positions"], "positions")
    by_address = await client.accounts.account(by="l1_address", value=client.master)
    assert [row.account_index for row in by_address.accounts] == [client.account]
    with pytest.raises(PaperError) as error:
        await client.paper.call("GET", f"{API}/account", by="name", value=client.account)
    assert error.value.body["code"] == 20001


async def test_account_active_only(client: Client) -> None:
    """With active_only an account lists only markets with a position or open orders."""
    await client.buy()
    await client.market(is_ask=True, base_amount=100, price=290_000, reduce_only=True)
    answer = await client.accounts.account(by="index", value=str(client.account), active_only=True)
    assert answer.accounts[0].positions == []
    await client.buy()
    answer = await client.accounts.account(by="index", value=str(client.account), active_only=True)
    assert [row.position for row in answer.accounts[0].positions] == ["0.0100"]


async def test_account_active_orders(client: Client) -> None:
    """GET accountActiveOrders lists what rests, of one market or of all."""
    await client.place()
    await client.place(market_index=1, base_amount=100, price=999_000)
    body = await client.get("accountActiveOrders", account_index=client.account, market_id=ETH)
    env.page(orders=list_of(env.order(), least=1))(body)
    assert [row["status"] for row in body["orders"]] == ["open"]
    assert {row.market_index for row in await client.active(None)} == {0, 1}
    await client.clear()
    assert await client.active(None) == []


async def test_account_inactive_orders(client: Client) -> None:
    """GET accountInactiveOrders lists finished orders, newest first, in pages."""
    for _ in range(3):
        await client.buy()
    body = await client.get("accountInactiveOrders", account_index=client.account, limit=2)
    env.page(orders=list_of(env.order(), least=2))(body)
    rest = await client.orders.account_inactive_orders(
        authorization=client.token,
        account_index=client.account,
        limit=2,
        cursor=body["next_cursor"],
    )
    indexes = [row["client_order_index"] for row in body["orders"]]
    assert [*indexes, *[row.client_order_index for row in rest.orders]] == [3, 2, 1]
    asks = await client.get(
        "accountInactiveOrders", account_index=client.account, limit=100, ask_filter=1
    )
    other = await client.get(
        "accountInactiveOrders", account_index=client.account, limit=100, market_id=1
    )
    assert (asks["orders"], other["orders"]) == ([], [])
    with pytest.raises(PaperError) as error:
        await client.get("accountInactiveOrders", account_index=client.account, limit=101)
    assert error.value.body["code"] == 20001


async def test_account_orders(client: Client) -> None:
    """GET accountOrders looks up at most 20 client order indexes, resting or finished."""
    await client.buy()
    await client.place()
    body = await client.get(
        "accountOrders", account_index=client.account, client_order_indexes="1,2,77"
    )
    env.page(orders=list_of(env.order(), least=2))(body)
    found = {row["client_order_index"]: row["status"] for row in body["orders"]}
    assert found == {1: "filled", 2: "open"}
    bare = await client.get("accountOrders", client_order_indexes="2")
    assert bare["orders"] == [row for row in body["orders"] if row["client_order_index"] == 2]
    with pytest.raises(PaperError) as error:
        await client.get(
            "accountOrders",
            account_index=client.account,
            client_order_indexes=",".join(map(str, range(1, 22))),
        )
    assert error.value.body["code"] == 20001


# Accounts, continued


async def test_account_limits(client: Client) -> None:
    """GET accountLimits answers tier and fees."""
    env.ACCOUNT_LIMITS(await client.get("accountLimits", account_index=client.account))
    answer = await client.accounts.account_limits(
        account_index=client.account, authorization=client.token
    )
    assert answer.code == 200


async def test_liquidations(client: Client) -> None:
    """GET liquidations answers a list, empty for an account that never was liquidated."""
    answer = await client.accounts.liquidations(
        authorization=client.token, account_index=client.account, limit=10
    )
    assert (answer.code, answer.liquidations) == (200, [])


async def test_position_funding(client: Client) -> None:
    """GET positionFunding answers a list, empty for an account that paid none."""
    answer = await client.accounts.position_funding(
        account_index=client.account, limit=10, authorization=client.token
    )
    assert (answer.code, answer.position_fundings) == (200, [])


async def test_pnl(client: Client) -> None:
    """GET pnl answers a resolution and a list of entries in JSON numbers."""
    await client.buy()
    now = int(time.time() * 1000)
    body = await client.get(
        "pnl",
        by="index",
        value=client.account,
        resolution="1h",
        start_timestamp=now - DAY_MS,
        end_timestamp=now + DAY_MS,
        count_back=0,
    )
    entry = Shape(
        "PnLEntry",
        {"timestamp": integer, "trade_pnl": number, "inflow": number, "outflow": number},
        model=PnLEntry,
    )
    env.page(resolution=exactly("1h"), pnl=list_of(entry, least=1))(body)


async def test_change_account_tier(client: Client) -> None:
    """POST changeAccountTier takes an account without positions and orders to another tier."""
    answer = await client.accounts.change_account_tier(
        account_index=client.account, new_tier="premium", authorization=client.token
    )
    assert answer.code == 200


async def test_tokens_create(client: Client) -> None:
    """POST tokens/create answers a read-only token which then opens private reads."""
    expiry = int(time.time()) + 2 * 86_400
    answer = await client.accounts.tokens_create(
        name="kit",
        account_index=client.account,
        expiry=expiry,
        sub_account_access=False,
        authorization=client.token,
    )
    parts = answer.api_token.split(":")
    assert parts[:4] == ["ro", str(client.account), "single", str(expiry)]
    body = await client.paper.call(
        "GET", f"{API}/accountLimits", account_index=client.account, auth=answer.api_token
    )
    assert body["code"] == 200


@pytest.mark.parametrize("path", PRIVATE)
async def test_private_calls_need_a_token(path: str, client: Client) -> None:
    """Without a token 20001 in the documented words; `auth` or Authorization opens; not others'."""
    url = f"{client.paper.base_url}{API}/{path}"
    who = "value" if "by" in PRIVATE[path] else "account_index"
    params = {key: str(value) for key, value in {**PRIVATE[path], who: client.account}.items()}
    status, _, answer = await raw("GET", url, params=params)
    body = json.loads(answer)
    assert (status, body["code"]) == (400, 20001), body
    assert "auth query param and Authorization header are empty" in body["message"]
    for arguments in (
        {"params": {**params, "auth": client.token}},
        {"params": params, "headers": {"Authorization": client.token}},
    ):
        status, _, answer = await raw("GET", url, **arguments)
        assert status == 200, answer
    _, _, answer = await raw("GET", url, params={**params, who: "280459", "auth": client.token})
    assert json.loads(answer)["code"] != 200


async def test_sub_accounts_by_address(new_client: ClientFactory) -> None:
    """All accounts of one L1 address are found by it."""
    one = await new_client()
    two = await new_client(master=one.master)
    answer = await one.accounts.account(by="l1_address", value=one.master)
    assert {row.account_index for row in answer.accounts} == {one.account, two.account}
    assert answer.total == 2
