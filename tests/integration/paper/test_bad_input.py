"""Garbage over HTTP: no 500, no traceback, nothing changes."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.integration.paper.support import Trader
from tests.integration.paper.test_admin import steady
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

SEND = "/api/v1/sendTx"
FORM = "application/x-www-form-urlencoded"
DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b""),
        (FORM, b"tx_type=14"),
        (FORM, b"tx_type=14&tx_info="),
        (FORM, b"tx_type=&tx_info={}"),
        (FORM, b"tx_type=x&tx_info={}"),
        (FORM, b"tx_type=14.0&tx_info={}"),
        (FORM, b"tx_type=" + b"9" * 5000 + b"&tx_info={}"),
        (FORM, b"tx_type=-1&tx_info={}"),
        (FORM, b"tx_type=x&tx_type=14&tx_info={}"),
        (FORM, b"tx_type=14&tx_info=x&tx_info={}"),
        (FORM, b"tx_type=14&tx_info=%7B%22a%22"),
        (FORM, b"tx_type=14&tx_info=null"),
        (FORM, b"tx_type=14&tx_info=5"),
        (FORM, b"tx_type=14&tx_info={%22Nonce%22:" + b"9" * 5000 + b"}"),
        (FORM, b"tx_type=14&tx_info={%22Nonce%22:1e999}"),
        (FORM, b"tx_type=14&tx_info={%22Nonce%22:NaN}"),
        (FORM, b"tx_type=14&tx_info=" + DEEP.encode()),
        (FORM, b"tx_type=14&tx_info={}&price_protection=maybe"),
        (FORM, b"\xff\xfe%zz%00&&&===" * 10),
        (FORM, b"a=1&" * 100_000),
        (FORM, b"tx_info=" + b"x" * 2_000_000),
        (FORM + "; charset=klingon", b"tx_type=14&tx_info={}"),
        ("application/json", b'{"tx_type":14,"tx_info":{}}'),
        ("text/plain", b"tx_type=14&tx_info={}"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n'),
        ("", b"tx_type=14&tx_info={}"),
    ],
)
async def test_bad_bodies(paper: PaperProcess, content_type: str, body: bytes) -> None:
    """A body that is no good transaction is HTTP 400 with a code, and nothing changes."""
    before = await steady(paper)
    headers = {"Content-Type": content_type}
    async with (
        aiohttp.ClientSession() as session,
        session.post(paper.base_url + SEND, data=io.BytesIO(body), headers=headers) as response,
    ):
        assert response.status == 400, await response.text()
        answer = await response.json()
    assert answer["code"] in (20001, 21501)
    assert set(answer) == {"code", "message"}
    assert await steady(paper) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", DEEP.encode(), b"\xff", b"9" * 5000])
@pytest.mark.parametrize("path", ["keys", "accounts", "take", "clock", "markets/0"])
async def test_bad_admin_bodies(paper: PaperProcess, path: str, body: bytes) -> None:
    """An admin body that is no JSON object is HTTP 400."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{paper.base_url}/paper/{path}", data=body) as response,
    ):
        assert response.status == 400, await response.text()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods(paper: PaperProcess, method: str) -> None:
    """A method that a path does not have is HTTP 405."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, paper.base_url + SEND) as response,
    ):
        assert response.status == 405


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


async def send(paper: PaperProcess, tx_type: int, info: Any) -> tuple[int, int]:
    form = {"tx_type": str(tx_type), "tx_info": json.dumps(info)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(paper.base_url + SEND, data=form) as response,
    ):
        return response.status, (await response.json())["code"]


async def test_random_fields(trader: Trader) -> None:
    """A transaction with one field replaced by anything is a refusal or an order, never a 500."""
    info = await trader.signed(time_in_force=0, price=290_000)
    drawn: list[tuple[str, Any]] = []

    @settings(examples(75), database=None)
    @given(st.sampled_from(sorted(info)), VALUES)
    def draw(name: str, value: Any) -> None:
        drawn.append((name, value))

    draw()
    for name, value in drawn:
        fields = {**info, "Nonce": await trader.nonce(), name: value}
        status, code = await send(trader.paper, 14, fields)
        assert status in (200, 400), (name, value, status, code)
    assert "Traceback" not in trader.paper.errors()


async def test_plain_sockets_and_strange_requests(paper: PaperProcess) -> None:
    """Requests that aiohttp itself cannot make leave the exchange running."""
    for text in (
        b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/orderBooks?market_id=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/sendTx HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"\x16\x03\x01 tls hello\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", paper.port)
        writer.write(text)
        try:
            async with asyncio.timeout(5):
                answer = await reader.read(300)
        finally:
            writer.close()
        assert b" 400 " in answer
    assert (await paper.state())["code"] == 200
    assert "Traceback" not in paper.errors()
