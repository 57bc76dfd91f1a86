"""Anything at all, on every call and every frame: no 5xx, no traceback, nothing changes."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st

from paper.channels import FAMILIES
from tests.examples import examples
from tests.integration.paper.support import Socket, Trader
from tests.integration.paper.test_admin import steady
from tests.world.paper import PaperProcess

pytestmark = pytest.mark.integration

API = "/api/v1"
HUGE = "1" + "0" * 400
TEXTS = st.one_of(
    st.text(max_size=12),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "-1",
            "255",
            HUGE,
            str(2**63),
            "1e5",
            "NaN",
            "true",
            "null",
            "\0",
            "💥",
            "\uff10",
        ]
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.just(10**400),
        st.floats(),
        st.text(max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)

GETS = {
    "/": (),
    "/info": (),
    "orderBooks": ("market_id", "filter"),
    "orderBookDetails": ("market_id", "filter"),
    "orderBookOrders": ("market_id", "limit"),
    "recentTrades": ("market_id", "limit"),
    "account": ("by", "value", "active_only", "cursor"),
    "accountsByL1Address": ("l1_address", "cursor"),
    "nextNonce": ("account_index", "api_key_index"),
    "apikeys": ("account_index", "api_key_index"),
    "tx": ("by", "value"),
    "trades": (
        *("sort_by", "sort_dir", "limit", "cursor", "market_id", "account_index", "order_index"),
        *("order_index_str", "from", "ask_filter", "role", "type", "aggregate", "market_type"),
    ),
    "accountActiveOrders": ("account_index", "market_id", "market_type"),
    "accountInactiveOrders": (
        *("account_index", "market_id", "limit", "cursor", "ask_filter", "between_timestamps"),
    ),
    "accountOrders": ("account_index", "client_order_indexes"),
    "accountTxs": ("by", "value", "limit", "index", "types"),
    "accountLimits": ("account_index",),
    "tokens": ("account_index",),
    "liquidations": ("account_index", "market_id", "cursor", "limit"),
    "positionFunding": (
        *("account_index", "cursor", "limit", "side", "start_timestamp", "end_timestamp"),
        "market_ids",
    ),
    "pnl": (
        *("by", "value", "resolution", "start_timestamp", "end_timestamp", "count_back"),
        "ignore_transfers",
    ),
    "candles": ("market_id", "resolution", "start_timestamp", "end_timestamp", "count_back"),
    "exchangeStats": (),
    "funding-rates": (),
    "currentHeight": (),
}
GOOD = {
    "market_id": "0",
    "limit": "5",
    "sort_by": "trade_id",
    "l1_address": "0x1",
    "client_order_indexes": "1",
    "resolution": "1h",
    "by": "index",
}
FORMS = {
    "sendTx": ("tx_type", "tx_info", "price_protection"),
    "sendTxBatch": ("tx_types", "tx_infos"),
    "changeAccountTier": ("account_index", "new_tier"),
    "notification/ack": ("notif_id", "account_index"),
    "tokens/create": ("name", "account_index", "expiry", "sub_account_access", "scopes"),
    "tokens/revoke": ("token_id", "account_index"),
}
ADMIN = (
    *("keys", "accounts", "accounts/280459/collateral", "accounts/280459/tier", "take", "clock"),
)
KINDS = ("subscribe", "unsubscribe", "jsonapi/sendtx", "jsonapi/sendtxbatch", "ping", "pong", "x")


def drawn(strategy: st.SearchStrategy[Any], count: int = 12) -> list[Any]:
    """Return `count` different values of a strategy, so that they can be sent on a loop."""
    found: list[Any] = []

    @settings(examples(count), database=None)
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


def parameters(names: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Return lists of parameters: known and strange names, good and bad values, repeated ones."""
    if not names:
        return st.lists(st.tuples(TEXTS, TEXTS), max_size=2)
    name = st.sampled_from(names)
    good = name.map(lambda each: (each, GOOD.get(each, "1")))
    return st.lists(st.one_of(good, good, st.tuples(name, TEXTS)), max_size=len(names) + 2)


async def check(response: aiohttp.ClientResponse, what: object) -> None:
    """Assert that an answer is one of the exchange's."""
    text = await response.text()
    assert response.status < 500, (what, response.status, text)
    if response.content_type == "application/json":
        body = json.loads(text)
        assert response.status == 200 or set(body) == {"code", "message"}, (what, body)


@pytest.mark.parametrize("path", GETS)
async def test_queries(trader: Trader, path: str) -> None:
    """Whatever is asked of a call, with or without a token, is answered and changes nothing."""
    before = await steady(trader.paper)
    url = trader.paper.base_url + (path if path.startswith("/") else f"{API}/{path}")
    token = trader.token
    async with aiohttp.ClientSession() as session:
        for query in drawn(parameters(GETS[path])):
            mine = "account_index" if "account_index" in GETS[path] else "value"
            own = [(n, str(trader.account)) if n == mine else (n, v) for n, v in query]
            for params in (query, [*own, ("auth", token)]):
                text = urlencode(params, errors="surrogatepass")
                async with session.get(f"{url}?{text}") as response:
                    await check(response, params)
    assert await steady(trader.paper) == before
    assert "Traceback" not in trader.paper.errors()


@pytest.mark.parametrize("path", FORMS)
async def test_forms(trader: Trader, path: str) -> None:
    """Whatever is posted is answered and changes nothing."""
    before = await steady(trader.paper)
    headers = {"Authorization": trader.token}
    async with aiohttp.ClientSession(headers=headers) as session:
        forms = drawn(parameters(FORMS[path]))
        texts = [(name, json.dumps(value)) for name in FORMS[path] for value in drawn(VALUES, 10)]
        bodies = [urlencode(form, errors="surrogatepass").encode() for form in forms]
        bodies += [
            urlencode([pair, ("tx_type", "14"), ("tx_types", "[14]")]).encode() for pair in texts
        ]
        bodies += drawn(st.binary(max_size=40), 10)
        for body in bodies:
            for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/x"):
                url, own = f"{trader.paper.base_url}{API}/{path}", {"Content-Type": kind}
                async with session.post(url, data=body, headers=own) as response:
                    await check(response, body)
    assert await steady(trader.paper) == before
    assert "Traceback" not in trader.paper.errors()


@pytest.mark.parametrize("tx_type", [14, 15, 16, 17, 20, 28])
async def test_transactions(trader: Trader, tx_type: int) -> None:
    """Fields of a transaction that are anything at all are refused, alone and in a batch."""
    before = await steady(trader.paper)
    names = sorted({*await trader.signed(), "Index", "Time", "InitialMarginFraction", "Orders"})
    info = st.dictionaries(st.sampled_from([*names, "x"]), VALUES, max_size=12)
    url = f"{trader.paper.base_url}{API}"
    async with aiohttp.ClientSession() as session, trader.socket() as socket:
        for fields in drawn(info, 20):
            text = json.dumps({"AccountIndex": trader.account, "ApiKeyIndex": 4, **fields})
            one = {"tx_type": tx_type, "tx_info": text}
            many = {"tx_types": f"[{tx_type}]", "tx_infos": json.dumps([text])}
            for call, form in (("sendTx", one), ("sendTxBatch", many)):
                async with session.post(f"{url}/{call}", data=form) as response:
                    assert response.status == 400, (form, await response.text())
            frame = f'{{"type":"jsonapi/sendtx","data":{{"tx_type":{tx_type},"tx_info":{text}}}}}'
            assert "error" in await socket.ask(frame)
            batch = await socket.ask({"type": "jsonapi/sendtxbatch", "data": many})
            assert "error" in batch
    assert await steady(trader.paper) == before
    assert "Traceback" not in trader.paper.errors()


async def test_admin_bodies(paper: PaperProcess) -> None:
    """An admin call with a body that is anything at all is one sentence and changes nothing."""
    before = await steady(paper)
    async with aiohttp.ClientSession() as session:
        for value in drawn(VALUES):
            for path in ADMIN:
                url = f"{paper.base_url}/paper/{path}"
                async with session.post(url, data=json.dumps(value)) as response:
                    assert response.status == 400, (path, value, await response.text())
    assert await steady(paper) == before
    assert "Traceback" not in paper.errors()


def frames() -> st.SearchStrategy[str | bytes]:
    """Return messages: JSON of anything, known types with anything in them, and no JSON at all."""
    part = st.one_of(TEXTS, st.integers(-1, 3).map(str), st.just("280459"))
    channel = st.lists(part, max_size=3).flatmap(
        lambda parts: st.sampled_from(sorted(FAMILIES)).map(lambda name: "/".join([name, *parts]))
    )
    known = st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS) | VALUES},
        optional={
            "channel": channel | VALUES,
            "auth": TEXTS | VALUES,
            "data": VALUES
            | st.fixed_dictionaries(
                {"tx_type": VALUES, "tx_info": VALUES},
                optional={"id": VALUES, "tx_types": VALUES, "tx_infos": VALUES},
            ),
        },
    )
    as_text: Callable[[Any], str] = json.dumps
    return st.one_of(VALUES.map(as_text), known.map(as_text), known.map(as_text), st.binary())


async def test_frames(paper: PaperProcess) -> None:
    """A frame of anything at all is answered once, the socket stays open, nothing changes."""
    before = await steady(paper)
    async with Socket(paper.ws_url) as socket:
        for frame in drawn(frames(), 80):
            await socket.send(frame)
            await socket.send({"type": "ping", "last": True})
            answers = [await socket.receive()]
            while answers[-1] != {"type": "pong"}:
                answers.append(await socket.receive())
            assert len(answers) <= 3, (frame, answers)
    assert await steady(paper) == before
    assert "Traceback" not in paper.errors()


@pytest.mark.parametrize(
    ("frame", "close"),
    [
        (b"x" * (1024 * 1024 + 1), 1009),
        ("[" * 100_000, None),
        ('{"type":"ping","x":' + "[" * 100_000 + "]" * 100_000 + "}", None),
        ('{"type":"ping","x":' + HUGE * 100 + "}", None),
    ],
)
async def test_frames_too_large(paper: PaperProcess, frame: str | bytes, close: int | None) -> None:
    """A frame beyond a megabyte closes its socket with 1009; deep or long JSON is 30000."""
    before = await steady(paper)
    async with Socket(paper.ws_url) as socket:
        await socket.send(frame)
        if close is None:
            assert (await socket.receive())["error"]["code"] == 30000
        else:
            with pytest.raises(websockets.ConnectionClosed):
                await socket.receive()
            assert socket.ws.close_code == close
    assert await steady(paper) == before
    assert "Traceback" not in paper.errors()


async def test_text_that_is_no_utf8(paper: PaperProcess) -> None:
    """A text frame that is not UTF-8 closes its socket with 1007, and the exchange goes on."""
    async with Socket(paper.ws_url) as socket:
        await socket.ws.send(b"\xff\xfe{", text=True)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.receive()
        assert socket.ws.close_code == 1007
    assert (await paper.state())["code"] == 200
    assert "Traceback" not in paper.errors()


async def test_a_deflated_bomb(paper: PaperProcess) -> None:
    """A small frame that inflates beyond a megabyte closes its socket with 1009."""
    async with websockets.connect(paper.ws_url, compression="deflate") as ws:
        await ws.recv()
        await ws.send("x" * 50_000_000)
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1009
    assert (await paper.state())["code"] == 200
    assert "Traceback" not in paper.errors()
