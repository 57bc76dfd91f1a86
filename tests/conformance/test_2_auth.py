"""Section 2, one test per rule of auth tokens and API keys."""

import json
import time

import lighter
import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import API, BID, KEY, POST_ONLY, Client, raw, refusal
from tests.world.paper import PaperError, new_key

pytestmark = pytest.mark.integration

HOUR_S = 3600
DAY_S = 24 * HOUR_S


async def read(client: Client, token: str, account: int | None = None) -> int:
    """Return the code of a private read with this token."""
    number = client.account if account is None else account
    params = {"account_index": str(number), "auth": token}
    _, _, text = await raw("GET", f"{client.paper.base_url}{API}/accountLimits", params=params)
    code: int = json.loads(text)["code"]
    return code


def token(client: Client, **arguments: int) -> str:
    made, error = client.client.create_auth_token_with_expiry(api_key_index=KEY, **arguments)
    assert error is None
    return str(made)


async def test_shape(client: Client) -> None:
    """A token is deadline:account:key:signature of 160 hex digits, made without the network."""
    deadline, account, key, signature = token(client).split(":")
    assert abs(int(deadline) - time.time() - 600) < 5
    assert (account, key, len(signature)) == (str(client.account), str(KEY), 160)
    assert await read(client, token(client)) == 200
    for broken in ("x", "1:2:3", token(client) + ":1", token(client)[:-1]):
        assert await read(client, broken) != 200, broken


async def test_deadline(client: Client) -> None:
    """A token is good until its deadline, which is at most 8 h ahead."""
    assert await read(client, token(client, deadline=8 * HOUR_S - 60)) == 200
    assert await read(client, token(client, deadline=60, timestamp=int(time.time()) - 61)) != 200
    later = token(client, deadline=HOUR_S, timestamp=int(time.time()) + 8 * HOUR_S)
    assert await read(client, later) != 200, "not valid before it is inside the window"


async def test_of_another_account(new_client: ClientFactory) -> None:
    """A token opens its own account only."""
    one, two = await new_client(), await new_client()
    assert await read(one, token(one)) == 200
    assert await read(two, token(one), two.account) != 200


async def test_of_a_deleted_key(client: Client) -> None:
    """A token of a key that is gone is not valid."""
    made = token(client)
    assert await read(client, made) == 200
    await client.paper.delete_key(client.account, KEY)
    assert await read(client, made) != 200
    await client.paper.register_key(client.account, KEY, new_key()[1])


async def create(client: Client, name: str, expiry: int, **fields: object) -> str:
    answer = await client.accounts.tokens_create(
        name=name,
        account_index=client.account,
        expiry=expiry,
        sub_account_access=bool(fields.get("all", False)),
        authorization=token(client),
    )
    return str(answer.api_token)


async def test_read_only_token(new_client: ClientFactory) -> None:
    """ro:{account}:{single|all}:{expiry}:{hex}; `all` also opens the sub-accounts."""
    one = await new_client()
    two = await new_client(master=one.master)
    expiry = int(time.time()) + 2 * DAY_S
    single = await create(one, "single", expiry)
    every = await create(one, "every", expiry, all=True)
    assert single.split(":")[:4] == ["ro", str(one.account), "single", str(expiry)]
    assert every.split(":")[:4] == ["ro", str(one.account), "all", str(expiry)]
    int(single.split(":")[4], 16)
    assert [await read(one, made) for made in (single, every)] == [200, 200]
    assert await read(two, single) != 200
    assert await read(two, every) == 200
    assert await read(one, single[:-1] + ("0" if single[-1] != "0" else "1")) != 200


async def test_read_only_token_on_a_socket(client: Client) -> None:
    """A read-only token also opens the private channels."""
    made = await create(client, "socket", int(time.time()) + 2 * DAY_S)
    async with client.socket() as socket:
        frame = await socket.subscribe(f"account_all_orders/{client.account}", made)
    assert frame["type"] == "subscribed/account_all_orders"


async def test_read_only_token_validity(client: Client) -> None:
    """Between one day and ten years; refusals are 61001 to 61009."""
    for ahead in (DAY_S - 60, 10 * 366 * DAY_S + DAY_S):
        refused = await refusal(create(client, "x", int(time.time()) + ahead))
        assert refused.status == 400
        assert 61001 <= refused.code <= 61009 or refused.code == 20001, refused
    assert await create(client, "y", int(time.time()) + 9 * 365 * DAY_S)


async def test_ten_read_only_tokens(client: Client) -> None:
    """An account has at most ten read-only tokens."""
    expiry = int(time.time()) + 2 * DAY_S
    for number in range(10):
        await create(client, f"t{number}", expiry)
    refused = await refusal(create(client, "one more", expiry))
    assert 61001 <= refused.code <= 61009


async def test_creating_needs_a_token(client: Client) -> None:
    """A read-only token is made with a token of the account."""
    with pytest.raises(PaperError):
        await client.paper.call("POST", f"{API}/tokens/create", {"name": "x"})


async def set_maker_only(client: Client, indexes: str) -> list[int]:
    """Let exactly these keys of the account only post; return what the exchange then names."""
    api = lighter.AccountApi(client.client.api_client)
    answer = await api.set_maker_only_api_keys(client.token, client.account, indexes)
    assert answer.code == 200
    told = await api.get_maker_only_api_keys(client.token, client.account)
    return list(told.api_key_indexes)


async def test_a_maker_only_key(client: Client) -> None:
    """A property of the key: it may post, change what is posted, and cancel; all else is 62007."""
    await client.place(price=BID - 100)
    before = client.client_index
    assert await set_maker_only(client, f"[{KEY}]") == [KEY]
    nonce = await client.nonce()
    for call in (
        client.market(is_ask=True, base_amount=50, price=1),
        client.place(price=BID - 100),
        client.buy(),
        client.modify(before, 100, BID - 200),
        client.leverage(1000),
    ):
        refused = await refusal(call)
        assert (refused.code, "maker-only" in refused.message) == (62007, True)
    assert await client.nonce() == nonce, "a refusal spends no nonce"
    await client.place(price=BID - 100, time_in_force=POST_ONLY)
    await client.modify(client.client_index, 100, BID - 200)
    await client.cancel(before)
    await client.cancel_all()
    assert await set_maker_only(client, "[]") == []
    await client.place(price=BID - 100)
    await client.cancel_all()


async def test_maker_only_keys_need_a_token_of_the_account(client: Client) -> None:
    """Neither reading nor setting goes without one; a key that is not there is refused by name."""
    body = {"account_index": str(client.account), "api_key_indexes": f"[{KEY}]"}
    for method, call in (("GET", "getMakerOnlyApiKeys"), ("POST", "setMakerOnlyApiKeys")):
        with pytest.raises(PaperError):
            await client.paper.call(method, f"{API}/{call}", body)
    api = lighter.AccountApi(client.client.api_client)
    for wrong, code in (("[200]", 21109), ("4,x", 20001)):
        refused = await refusal(api.set_maker_only_api_keys(client.token, client.account, wrong))
        assert refused.code == code
    told = await api.get_maker_only_api_keys(client.token, client.account)
    assert told.api_key_indexes == []
