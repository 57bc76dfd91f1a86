"""The proxy whose answers lie changes what it was told to, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.world.lying import Lie, LyingProxy
from tests.world.paper import ACCOUNT_A, PaperProcess

pytestmark = pytest.mark.integration

LONG_S = 10.0
Json = dict[str, Any]


@pytest.fixture
async def paper() -> AsyncIterator[PaperProcess]:
    """An exchange with a fixed book."""
    async with PaperProcess() as process:
        yield process


@pytest.fixture
async def proxy(paper: PaperProcess) -> AsyncIterator[LyingProxy]:
    """A truthful proxy before it."""
    async with LyingProxy(paper.port) as made:
        yield made


async def account(proxy: LyingProxy) -> Json:
    """Ask for A's account through the proxy."""
    url = f"http://127.0.0.1:{proxy.port}/api/v1/account?by=index&value={ACCOUNT_A}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        found: Json = (await answer.json())["accounts"][0]
        return found


async def test_an_answer_lies_once(proxy: LyingProxy) -> None:
    """One field of one answer is false; the next answer is true again."""
    truth = (await account(proxy))["available_balance"]
    proxy.lies.append(Lie("/api/v1/account", name="available_balance", seed=3))
    assert (await account(proxy))["available_balance"] != truth
    assert (await account(proxy))["available_balance"] == truth
    assert proxy.lies[0].told == 1


async def test_an_answer_is_lost(proxy: LyingProxy) -> None:
    """A dropped answer ends the connection, and the exchange was asked all the same."""
    proxy.lies.append(Lie("/api/v1/account", how="drop", lasting=True))
    with pytest.raises(aiohttp.ClientError):
        await account(proxy)
    proxy.lies.clear()
    assert (await account(proxy))["index"] == ACCOUNT_A


async def test_frames_lie_until_the_connection_ends(proxy: LyingProxy, paper: PaperProcess) -> None:
    """Each frame of a channel lies, other channels do not, and a new connection hears the truth."""
    proxy.lies.append(Lie("trade", name="trade_id", lasting=True))

    async def trades_of(socket: aiohttp.ClientWebSocketResponse) -> list[int]:
        while True:
            frame = json.loads((await socket.receive(LONG_S)).data)
            if frame.get("type") == "update/trade":
                return [row["trade_id"] for row in frame["trades"]]

    async def subscribed(session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        socket = await session.ws_connect(f"http://127.0.0.1:{proxy.port}/stream")
        await socket.send_str('{"type":"subscribe","channel":"trade/0"}')
        while "subscribed" not in (await socket.receive(LONG_S)).data:
            pass
        return socket

    async def told(socket: aiohttp.ClientWebSocketResponse) -> bool:
        true = [row["trade_id"] for row in await paper.take(0, "buy", "0.001")]
        return await trades_of(socket) == true

    async with aiohttp.ClientSession() as session:
        async with await subscribed(session) as socket:
            assert [await told(socket), await told(socket)] == [False, False]
        async with await subscribed(session) as socket:
            assert await told(socket)


async def test_the_exchange_that_dies_takes_its_sockets_along(
    proxy: LyingProxy, paper: PaperProcess
) -> None:
    """A socket ends when the exchange does, as it would without a proxy."""
    url = f"http://127.0.0.1:{proxy.port}/stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert json.loads((await socket.receive(LONG_S)).data)["type"] == "connected"
        await asyncio.to_thread(paper.kill)
        message = await socket.receive(LONG_S)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
