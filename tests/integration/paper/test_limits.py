"""Request limits over real connections: 429, the firewall's 405, and who is counted for what."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.paper.support import DEADLINE_S, ETH, IOC, Socket, Trader, TraderFactory
from tests.world.paper import Json, PaperProcess, new_account_number

pytestmark = pytest.mark.integration

API = "/api/v1"


@pytest.fixture
async def limited() -> AsyncIterator[PaperProcess]:
    """Give an exchange of its own that counts requests as on the Standard tier."""
    async with PaperProcess(tier="standard") as own:
        yield own


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Give an HTTP client that opens as many connections as it is asked for."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def ask(
    client: aiohttp.ClientSession, paper: PaperProcess, path: str, **params: object
) -> tuple[int, str]:
    """Return status and body of a GET."""
    query = {name: str(value) for name, value in params.items()}
    async with client.get(f"{paper.base_url}{path}", params=query) as response:
        return response.status, await response.text()


async def test_sixty_then_429_then_405(
    limited: PaperProcess, client: aiohttp.ClientSession
) -> None:
    """A stranger has sixty requests a minute, then 429; who hammers on meets the firewall."""
    seen: list[tuple[int, str]] = []
    while len(seen) < 200 and (not seen or seen[-1][0] != 405):
        seen.append(await ask(client, limited, f"{API}/nextNonce", account_index=1))
    statuses = [status for status, _ in seen]
    assert statuses == [400] * 60 + [429] * 60 + [405]
    assert seen[60][1] == '{"code":23000,"message":"Too Many Requests!"}'
    assert seen[-1][1].startswith("<!DOCTYPE html>")
    assert (await ask(client, limited, "/"))[0] == 405
    async with client.get(limited.base_url + "/stream") as response:
        assert response.status == 405
    assert (await limited.state())["code"] == 200


async def test_a_token_frees_from_the_limit_of_the_address(
    limited: PaperProcess, new_trader: TraderFactory, client: aiohttp.ClientSession
) -> None:
    """Who asks with a token is counted for its L1 address, which its sub-accounts share."""
    trader = await new_trader(exchange=limited)
    sub = new_account_number()
    await limited.add_account(sub, f"0x{trader.account:040X}")
    other = await new_trader(exchange=limited)
    while (await ask(client, limited, f"{API}/nextNonce", account_index=1))[0] != 429:
        pass

    async def active(account: int, token: str) -> int:
        path = f"{API}/accountActiveOrders"
        return (await ask(client, limited, path, account_index=account, auth=token))[0]

    token = trader.token
    assert [await active(trader.account, token) for _ in range(61)] == [200] * 60 + [429]
    assert await active(other.account, other.token) == 200
    await limited.register_key(sub, 4, "ab" * 40)
    assert await active(sub, token.replace(f":{trader.account}:", f":{sub}:")) == 429


async def test_transactions_are_counted_on_both_roads(
    limited: PaperProcess, new_trader: TraderFactory
) -> None:
    """Forty creates a minute pass, over HTTP and the socket together; the rest is a bare 23000."""
    trader = await new_trader(exchange=limited)
    info = await trader.signed(time_in_force=IOC, price=290_000)
    nonce = info["Nonce"]
    async with Socket(limited.ws_url) as socket:

        async def send(number: int) -> Json:
            fields = {**info, "Nonce": nonce + number, "ClientOrderIndex": 1000 + number}
            data = {"id": number, "tx_type": 14, "tx_info": fields}
            return await socket.ask({"type": "jsonapi/sendtx", "data": data})

        for number in range(20):
            assert (await send(number))["code"] == 200
        for number in range(20, 40):
            fields = {**info, "Nonce": nonce + number, "ClientOrderIndex": 1000 + number}
            assert (await trader.send(14, fields)).code == 200
        answer = await send(40)
    assert answer == {"error": {"code": 23000, "message": "Too Many Requests!"}}


async def test_messages_of_a_socket_are_counted(limited: PaperProcess) -> None:
    """The fifty-first message at once is answered with a bare 30010; the socket stays open."""
    ping = b'{"type":"ping"}'
    masked = bytes([0x81, 0x80 | len(ping), 0, 0, 0, 0]) + ping
    async with Socket(limited.ws_url) as socket:
        socket.ws.transport.write(masked * 60)  # one write, so that they arrive at once
        frames = [await socket.receive() for _ in range(60)]
        assert {"error": {"code": 30010, "message": "Too Many Inflight Messages"}} in frames
        async with asyncio.timeout(DEADLINE_S):
            while await socket.ask({"type": "ping"}) != {"type": "pong"}:
                pass


async def test_the_255th_socket_is_the_last(
    limited: PaperProcess, client: aiohttp.ClientSession
) -> None:
    """An address has 255 sockets; the next upgrade is HTTP 429 with 23003."""
    sockets = [await client.ws_connect(limited.ws_url) for _ in range(255)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect(limited.ws_url)
    assert caught.value.status == 429
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_instant_has_no_limits(trader: Trader, client: aiohttp.ClientSession) -> None:
    """The instant tier counts nothing unless told to."""
    statuses = {
        (await ask(client, trader.paper, f"{API}/orderBooks", market_id=ETH))[0] for _ in range(150)
    }
    assert statuses == {200}
