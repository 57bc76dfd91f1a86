"""Sections 6 and 7: request limits, weights, and the delays and fees of the tiers."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from tests.conformance.conftest import ClientFactory
from tests.conformance.kit import API, ETH, IOC, KEY, LIMIT, TX_LEVERAGE, Client, raw, refusal
from tests.integration.paper.support import Socket
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def premium() -> Iterator[PaperProcess]:
    """Give an exchange of the premium tier, without limits."""
    with PaperProcess(tier="premium", extra=("--limits", "off")) as process:
        yield process


async def status_of(paper: PaperProcess, path: str, **params: object) -> tuple[int, str]:
    query = {name: str(value) for name, value in params.items()}
    status, _, text = await raw("GET", f"{paper.base_url}{API}/{path}", params=query)
    return status, text


async def test_sixty_a_minute(new_client: ClientFactory) -> None:
    """Standard: after 60 requests in a minute HTTP 429 with 23000 "Too Many Requests!"."""
    with PaperProcess(tier="standard") as own:
        answers = [await status_of(own, "orderBooks") for _ in range(62)]
        good = [status for status, _ in answers].count(200)
        assert 55 <= good <= 60
        status, text = answers[-1]
        assert status in (429, 405)
        if status == 429:
            assert json.loads(text) == {"code": 23000, "message": "Too Many Requests!"}


async def test_transactions_share_the_sixty(new_client: ClientFactory) -> None:
    """Standard: sendTx counts in the same 60; over WebSocket the answer is 23000."""
    with PaperProcess(tier="standard") as own:
        client = await new_client(exchange=own)
        async with client.socket() as socket:
            codes = []
            nonce = await client.nonce()
            for number in range(62):
                _, text, _, _ = client.client.sign_create_order(
                    *(ETH, number, 100, 299_000, False, LIMIT, IOC),
                    order_expiry=0,
                    nonce=nonce + number,
                    api_key_index=KEY,
                )
                info = json.loads(text)
                data = {"id": str(number), "tx_type": 14, "tx_info": info}
                await socket.send({"type": "jsonapi/sendtx", "data": data})
                answer = await socket.receive()
                codes.append(answer.get("code") or answer["error"]["code"])
        assert codes[0] == 200
        assert codes[-1] == 23000


async def test_weights(new_client: ClientFactory) -> None:
    """Premium: 24,000 of weight a minute; tokens/create weighs 23,000, account 300, nextNonce 6."""
    with PaperProcess(tier="premium") as own:
        client = await new_client(exchange=own)
        await client.accounts.tokens_create(
            name="heavy",
            account_index=client.account,
            expiry=int(time.time()) + 2 * 86_400,
            sub_account_access=False,
            authorization=client.token,
        )
        statuses = []
        for _ in range(6):
            status, _ = await status_of(
                own, "accountLimits", account_index=client.account, auth=client.token
            )
            statuses.append(status)
        assert statuses[:3] == [200, 200, 200]
        assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("fields", "delay"),
    [({}, 0), ({"time_in_force": IOC, "price": 300_500}, 140)],
    ids=["maker", "taker"],
)
async def test_premium_delays(
    fields: dict[str, int], delay: int, new_client: ClientFactory, premium: PaperProcess
) -> None:
    """Premium: a taker waits 140 ms, a maker not at all."""
    client = await new_client(exchange=premium)
    answer = await client.place(**fields)
    tx = await client.outcome(answer.tx_hash)
    assert delay - 1 <= answer.predicted_execution_time_ms - tx.queued_at <= delay + 5
    await client.clear()


async def fee_of(client: Client) -> tuple[int, int]:
    limits = await client.accounts.account_limits(
        account_index=client.account, authorization=client.token
    )
    return limits.current_maker_fee_tick, limits.current_taker_fee_tick


async def test_premium_fees(new_client: ClientFactory, premium: PaperProcess) -> None:
    """Premium: 0.40 bps maker and 2.80 bps taker, in 1e-6 of the notional on the trade."""
    maker, taker = await new_client(exchange=premium), await new_client(exchange=premium)
    async with taker.socket() as socket:
        await socket.subscribe(f"account_all_trades/{taker.account}", taker.token)
        await maker.place(is_ask=True, price=300_000, base_amount=100)
        before = (await premium.state())["accounts"]
        await taker.place(price=300_000, time_in_force=IOC, base_amount=100)
        frame = await socket.until("update/account_all_trades")
    (row,) = frame["trades"]["0"]
    assert (row["maker_fee"], row["taker_fee"]) == (40, 280)
    maker_tick, taker_tick = await fee_of(taker)
    assert 0 < maker_tick < taker_tick, "the unit of the ticks is not documented"
    after = (await premium.state())["accounts"]
    paid = {
        new["account_index"]: float(old["collateral"]) - float(new["collateral"])
        for old, new in zip(before, after, strict=True)
    }
    assert paid[maker.account] == pytest.approx(30 * 0.00004, abs=1e-6)
    assert paid[taker.account] == pytest.approx(30 * 0.00028, abs=1e-6)


async def test_standard_fees(new_client: ClientFactory, slow_paper: PaperProcess) -> None:
    """Standard: no fees; the fields are left out of the trade."""
    client = await new_client(exchange=slow_paper)
    assert await fee_of(client) == (0, 0)
    async with client.socket() as socket:
        await socket.subscribe(f"account_all_trades/{client.account}", client.token)
        await client.place(time_in_force=IOC, price=300_500)
        frame = await socket.until("update/account_all_trades")
    assert {"taker_fee", "maker_fee"}.isdisjoint(frame["trades"]["0"][0])


async def test_messages_of_a_socket() -> None:
    """200 client messages a minute, then 30009; more than 50 at once: 30010, and it goes on."""
    with PaperProcess(extra=("--limits", "on")) as own:
        async with Socket(own.ws_url) as socket:
            for _ in range(60):
                await socket.send({"type": "ping"})
            first = [await socket.receive() for _ in range(60)]
            pongs, code = first.count({"type": "pong"}), 0
            assert {frame["error"]["code"] for frame in first if "error" in frame} == {30010}
            while code != 30009:
                answer = await socket.ask({"type": "ping"})
                code = answer.get("error", {}).get("code", 0)
                pongs += code == 0
                assert pongs <= 200
                if code == 30010:
                    await asyncio.sleep(0.05)  # how long a message is in flight is not told
    assert pongs >= 130


async def test_forty_of_a_type(new_client: ClientFactory) -> None:
    """A type outside the volume quota, here leverage: 40 a minute on every tier, then 23000."""
    with PaperProcess(tier="premium", extra=("--limits", "on")) as own:
        client = await new_client(exchange=own)
        nonce = await client.nonce()
        codes = []
        async with client.socket() as socket:
            for number in range(42):
                _, text, _, _ = client.client.sign_update_leverage(
                    ETH, 500, 0, nonce=nonce + number, api_key_index=KEY
                )
                data = {"id": str(number), "tx_type": TX_LEVERAGE, "tx_info": json.loads(text)}
                await socket.send({"type": "jsonapi/sendtx", "data": data})
                answer = await socket.receive()
                codes.append(answer.get("code") or answer["error"]["code"])
    assert codes == [*[200] * 40, 23000, 23000]


async def test_the_volume_quota(new_client: ClientFactory) -> None:
    """Premium: 1,000 at the start, one each, a free slot every 15 s, +1 per 7 USD traded (13.6)."""
    with PaperProcess(tier="premium") as own:
        client, other = await new_client(exchange=own), await new_client(exchange=own)
        free, paid = await client.place(), await client.place()
        assert free.volume_quota_remaining == 1000
        assert paid.volume_quota_remaining == 999
        await own.quota(client.account, 1)
        assert (await client.place()).volume_quota_remaining == 0
        nonce = await client.nonce()
        answer = await refusal(client.place())
        assert (answer.status, answer.code) == (429, 23000)
        assert "volume quota" in answer.message
        assert await client.nonce() == nonce, "the nonce is not spent"
        row = (await client.active())[0]
        assert (await client.cancel(row.order_index)).code == 200, "single cancels are free"
        await own.move_clock(15_000)
        assert (await client.place(price=300_000, is_ask=True, base_amount=100)).code == 200
        taken = await other.place(price=300_000, time_in_force=IOC, base_amount=100)
        await other.outcome(taken.tx_hash)
        left = (await client.place()).volume_quota_remaining
        assert left == 4 - 1, "30 USD traded"


async def test_a_used_up_quota_answers_a_frame_with_its_id(new_client: ClientFactory) -> None:
    """Over the WebSocket the refusal names our id: it is a definite one."""
    with PaperProcess() as own:
        client = await new_client(exchange=own)
        await own.quota(client.account, 0)
        await client.place()
        async with client.socket() as socket:
            _, text, _, _ = client.client.sign_create_order(
                *(ETH, 7, 100, 299_000, False, LIMIT, IOC),
                order_expiry=0,
                nonce=await client.nonce(),
                api_key_index=KEY,
            )
            data = {"id": "7", "tx_type": 14, "tx_info": json.loads(text)}
            await socket.send({"type": "jsonapi/sendtx", "data": data})
            answer = await socket.receive()
    assert answer["id"] == "7"
    assert answer["error"]["code"] == 23000
    assert "volume quota" in answer["error"]["message"]
