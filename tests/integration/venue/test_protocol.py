"""What the venue may say and seldom does: pings, shutdowns, poison, bare errors, HTML."""

import asyncio
import itertools
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from hedge.core.amounts import Side
from hedge.core.records import Depth
from hedge.daemon.clock import SystemClock
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.port import (
    MarginSeen,
    MarketUp,
    Path,
    StreamDown,
    StreamUp,
    VenueEvent,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.exchange.sender import Accepted, Rejected, Unknown
from tests.integration.venue.rig import Rig, market_order, running
from tests.integration.venue.scripted import ScriptedExchange, scripted
from tests.unit.venue.payloads import payload
from tests.waiting import Turns, eventually
from tests.world.paper import new_key
from tests.world.trust import trusting_threads

pytestmark = pytest.mark.integration

ACCOUNT = 708516
JSON = "application/json"


def _credentials() -> Credentials:
    return Credentials(ACCOUNT, 5, new_key()[0])


async def _order(rig: Rig) -> object:
    return await rig.sender.order(market_order(7, Side.BUY, 10, 200_000), 7)


async def test_a_server_ping_is_answered() -> None:
    """The server's own ping gets a pong on the same socket."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await exchange.say({"type": "ping"})
        await eventually(lambda: len(exchange.heard_of("pong")) == 2)
        assert len(rig.of(StreamDown)) == 0


async def test_a_flood_of_frames_leaves_other_tasks_their_turn() -> None:
    """Frames that are queued are not read all at once: the heartbeat comes between."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        turns, events, known = Turns(), rig.events, len(rig.of(MarginSeen))

        class Counted(list[VenueEvent]):
            def append(self, event: VenueEvent) -> None:
                turns.note()
                super().append(event)

        rig.events = Counted(events)
        frame = {"type": "update/user_stats", "channel": f"user_stats:{ACCOUNT}"}
        async with turns:
            for number in range(200):
                await exchange.say(frame | {"stats": {"available_balance": f"{number + 6}.000000"}})
            await eventually(lambda: len(rig.of(MarginSeen)) >= known + 200)
        assert turns.longest <= 2


async def test_we_ping_too() -> None:
    """The client pings by itself, so that the venue does not close it as idle."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await eventually(lambda: len(exchange.heard_of("ping")) >= 2)


async def test_a_peer_that_stops_answering_pings_is_left_early() -> None:
    """Who has answered a ping and then says nothing is gone, long before the silence bound."""
    async with scripted() as exchange:
        times = replace(exchange.settings.times, silence_s=60.0, pong_s=0.3)
        async with running(replace(exchange.settings, times=times), _credentials()) as rig:
            await rig.up()
            await eventually(lambda: len(exchange.heard_of("ping")) >= 2)
            exchange.is_mute = True
            await rig.down()
            assert "pong" in rig.of(StreamDown)[0].reason
            exchange.is_mute = False
            await rig.up(2)


@pytest.mark.parametrize("status", [429, 405])
async def test_a_venue_that_has_enough_of_us_is_left_alone(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A connect refused for our load silences reads too, and quotes longer than hedges.

    The market's stream is not asked for again before the quiet; our account's, which hedges and
    cancels need, after pauses that grow, or when the exchange says.
    """
    async with scripted() as exchange:
        exchange.refusal = status
        times = replace(exchange.settings.times, quiet_s=0.6)
        async with running(replace(exchange.settings, times=times), _credentials()) as rig:
            await eventually(lambda: exchange.refused >= 4)
            await eventually(lambda: rig.budget.is_silenced)
            await eventually(lambda: f"HTTP {status}" in rig.venue.refused_because)
            exchange.refusal_headers = {"Retry-After": "1"}
            before = exchange.refused
            await eventually(lambda: exchange.refused > before + 1)
            exchange.refusal = 0
            await rig.up()
            assert rig.venue.refused_because == ""
    pauses = pauses_of("public", caplog.messages, f"HTTP {status}")
    assert set(pauses) <= {"0.60", "1.00"}
    assert pauses[0] == "0.60"
    pauses = pauses_of("private", caplog.messages, f"HTTP {status}")
    assert pauses[:2] == ["0.05", "0.10"]
    assert pauses[-1] == "1.00"


async def test_while_a_price_is_needed_the_market_s_stream_and_its_book_come_back_soon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A hedge needs more than our own stream: with a debt open what brings a price is urgent."""
    async with scripted() as exchange:
        exchange.refusal = 429
        exchange.replies["orderBookOrders"] = (200, '{"code":200,"bids":[],"asks":[]}', JSON)
        is_owing = False
        times = replace(exchange.settings.times, quiet_s=600.0)
        async with running(replace(exchange.settings, times=times), _credentials()) as rig:
            rig.venue.price_needed_by(lambda: is_owing)
            await eventually(lambda: pauses_of("public", caplog.messages, "HTTP 429"))
            with pytest.raises(VenueUnavailableError):
                await rig.venue._read_book()
            is_owing = True
            assert await rig.venue._read_book() == Depth()
            assert await rig.venue._read_mark() == 191_425
            exchange.refusal = 0
            await eventually(lambda: rig.of(MarketUp))
    assert pauses_of("public", caplog.messages, "HTTP 429")[0] == "600.00"


def pauses_of(link: str, lines: list[str], why: str) -> list[str]:
    """Return the pauses that a link made, as they were logged."""
    told = [line for line in lines if f"link={link} " in line and why in line]
    return [line.rpartition("again_in_s=")[2] for line in told]


@pytest.mark.parametrize("status", [400, 401, 403, 451])
async def test_an_upgrade_that_is_refused_is_said_in_words(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A restricted region is no load: it is named, tried again with pauses, and over by itself."""
    async with scripted() as exchange:
        exchange.refusal = status
        async with running(exchange.settings, _credentials()) as rig:
            await eventually(lambda: exchange.refused >= 6)
            why = rig.venue.refused_because
            assert f"refuses the WebSocket with HTTP {status}" in why
            assert why in rig.venue.missing_streams()["private"]
            assert not rig.budget.is_silenced
            exchange.refusal = 0
            await rig.up()
    assert pauses_of("private", caplog.messages, f"HTTP {status}")[:2] == ["0.05", "0.10"]


async def test_an_address_that_cannot_be_used_is_a_reason_and_no_bug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A proxy without its library, or a port out of range, costs the link, not the process."""
    async with scripted() as exchange:
        settings = replace(exchange.settings, ws_url="ws://127.0.0.1:99999/stream")
        async with running(settings, _credentials()):
            await eventually(lambda: any("link lost" in line for line in caplog.messages))


async def test_what_is_trusted_is_read_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that hangs holds up the connection that needs the certificates, and no hedge."""
    threads = trusting_threads(monkeypatch)
    async with scripted() as exchange:
        settings = replace(exchange.settings, ws_url=f"wss://127.0.0.1:{exchange.port}/stream")
        async with running(settings, _credentials()):
            await eventually(lambda: any("link lost" in line for line in caplog.messages))
    assert threads
    assert threading.get_ident() not in threads


async def test_a_bug_in_who_hears_is_no_lost_link() -> None:
    """What the manager raises ends the process loudly; no reconnect hides it."""

    def wrong(event: object) -> None:
        if isinstance(event, MarginSeen):  # told while a frame is read
            raise ValueError("a bug")

    async with scripted() as exchange:
        budget = RequestBudget(SystemClock(), 1000)
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=SystemClock(), budget=budget
        ) as venue:
            with pytest.raises(ExceptionGroup) as failure:
                async with asyncio.timeout(10):
                    await venue.run_streams(wrong)
    assert failure.group_contains(ValueError, match="a bug")


async def test_tokens_do_not_get_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Even with every logger at DEBUG no token, key or signature is written."""
    caplog.set_level(logging.DEBUG)
    credentials = _credentials()
    async with scripted() as exchange, running(exchange.settings, credentials) as rig:
        await rig.up()
        await _answering(exchange, payload("ws_sendtx_ok"))
        assert isinstance(await _order(rig), Accepted)
        token = exchange.heard_of("subscribe")[0].get("auth") or await rig.venue._signer.token()
        signature = exchange.heard_of("jsonapi/sendtx")[0]["data"]["tx_info"]["Sig"]
        for secret in (token, credentials.private_key, signature):
            assert secret not in caplog.text
        assert credentials.private_key not in repr(credentials)


async def test_an_announced_shutdown_is_left_at_once() -> None:
    """A shutdown frame makes both sockets reconnect."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await exchange.say({"type": "shutdown", "close_in_ms": 60_000})
        await rig.up(2)
        assert "shutdown" in rig.of(StreamDown)[0].reason
        assert len(exchange.sockets) == 4


async def test_a_socket_closed_by_the_server_comes_back() -> None:
    """Closing with 1008 is a lost link like any other."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        for socket in list(exchange.sockets):
            await socket.close(code=1008, message=b"no pong")
        await rig.up(2)


@pytest.mark.parametrize(
    "poison",
    [
        {"type": "update/account_all_trades", "trades": {"0": [{"market_id": 0}]}},
        {
            "type": "update/account_all_orders",
            "orders": {"0": [{"market_index": 0, "status": "odd"}]},
        },
    ],
)
async def test_trades_or_orders_that_cannot_be_read_reconnect(poison: dict[str, Any]) -> None:
    """An unreadable fill is followed by down and up, so that catch-up finds it."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await exchange.say(poison)
        await rig.up(2)
        assert "unreadable" in rig.of(StreamDown)[0].reason


@pytest.mark.parametrize("text", ['{"type":["x"]}', '{"type":{},"id":[],"channel":1}', "{}"])
async def test_a_frame_of_an_odd_kind_is_nothing(text: str) -> None:
    """What is no frame of ours costs neither the process nor the link."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        for socket in exchange.sockets:
            await socket.send_str(text)
        await exchange.say(payload("ws_trades_update"))
        await eventually(lambda: rig.trades)
        assert rig.of(StreamDown) == []


@pytest.mark.parametrize("text", ["<html>", "[1]", '"text"', "NaN", "[" * 100_000])
async def test_a_frame_that_is_no_json_object_is_counted_and_ignored(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs no link; as it may have been a fill, the private streams show anew what they hold.

    A flood of them is one line.
    """
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        for socket in exchange.sockets:
            for _ in range(5):
                await socket.send_str(text)
        await eventually(lambda: len(exchange.heard_of("unsubscribe")) >= 2)
        await exchange.say(payload("ws_trades_update"))
        await eventually(lambda: rig.trades)
        assert rig.of(StreamDown) == []
        said = [one for one in caplog.messages if one.startswith("frame ignored link=")]
        assert len(said) == len(exchange.sockets)


async def test_a_fill_is_told_with_both_separators() -> None:
    """A live trade is told once per frame, whatever separator its channel has."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await exchange.say(payload("ws_trades_snapshot_list"))
        await exchange.say(payload("ws_trades_update"))
        await exchange.say(payload("ws_trades_update") | {"channel": "account_all_trades/708516"})
        await eventually(lambda: len(rig.trades) >= 2)
        assert len(rig.trades) == 2
        assert {trade.trade_id for trade in rig.trades} == {26280867773}


async def test_a_required_stream_without_first_frame_is_tried_again() -> None:
    """Without the trades stream the daemon is not ready, and connects anew."""
    async with scripted() as exchange:
        exchange.mute_families = {"account_all_trades"}
        settings = replace(exchange.settings, times=replace(exchange.settings.times, ready_s=0.2))
        async with running(settings, _credentials()) as rig:
            await eventually(lambda: len(exchange.sockets) >= 3)
            assert rig.of(StreamUp) == []
            exchange.mute_families = set()
            await rig.up()


async def test_an_optional_stream_may_stay_silent() -> None:
    """Without account_tx and user_stats the daemon is ready after the grace."""
    async with scripted() as exchange:
        exchange.mute_families = {"account_tx", "user_stats", "market_stats"}
        async with running(exchange.settings, _credentials()) as rig:
            await rig.up()


async def test_backoff_grows_until_a_healthy_spell() -> None:
    """A server that takes sockets and drops them is not hammered."""
    made = itertools.count()
    drawn: list[float] = []

    def delays() -> Iterator[float]:
        next(made)
        for step in range(1, 1000):
            drawn.append(step / 1000)
            yield step / 1000

    async def drop(socket: web.WebSocketResponse) -> None:
        await socket.close()

    async with scripted() as exchange:
        exchange.greeting = drop
        clock = SystemClock()
        async with (
            LighterVenue.open(
                exchange.settings,
                _credentials(),
                clock=clock,
                budget=RequestBudget(clock, 100),
                delays=delays,
            ) as venue,
            asyncio.TaskGroup() as group,
        ):
            events: list[object] = []
            streams = group.create_task(venue.run_streams(events.append))
            await eventually(lambda: len(drawn) >= 10)
            assert next(made) == 2  # one generator for each of the two links, never a new one
            exchange.greeting = None
            await eventually(lambda: StreamUp() in events)
            assert venue.depth() != Depth()
            streams.cancel()


async def test_backoff_starts_over_after_a_healthy_spell() -> None:
    """A link that was up for a while draws its next delay from the beginning."""
    made = itertools.count()

    def delays() -> Iterator[float]:
        next(made)
        return itertools.repeat(0.01)

    async with scripted() as exchange:
        clock = SystemClock()
        times = replace(exchange.settings.times, healthy_s=0.0)
        async with (
            LighterVenue.open(
                replace(exchange.settings, times=times),
                _credentials(),
                clock=clock,
                budget=RequestBudget(clock, 100),
                delays=delays,
            ) as venue,
            asyncio.TaskGroup() as group,
        ):
            events: list[object] = []
            streams = group.create_task(venue.run_streams(events.append))
            await eventually(lambda: StreamUp() in events)
            await exchange.say({"type": "shutdown", "close_in_ms": 1})
            await eventually(lambda: events.count(StreamUp()) == 2)
            assert next(made) == 4
            streams.cancel()


def _page(newest: int, rows: int, cursor: str | None) -> dict[str, Any]:
    trade = payload("rest_trades")["trades"][0]
    trades = [trade | {"trade_id": newest - number} for number in range(rows)]
    return {"code": 200, "trades": trades, "next_cursor": cursor}


@pytest.mark.parametrize(
    ("pages", "floor", "limit", "found", "complete"),
    [
        ({"": _page(400, 100, "b"), "b": _page(300, 100, "c")}, 250, 5, 150, True),
        ({"": _page(400, 100, "b"), "b": _page(300, 100, "c")}, 100, 2, 200, False),
        ({"": _page(400, 100, "b"), "b": _page(300, 40, None)}, 100, 5, 140, True),
        ({"": _page(400, 100, "b"), "b": _page(300, 100, None)}, 100, 5, 200, True),
        ({"": _page(400, 100, "b")}, None, 5, 100, True),
        ({"": _page(400, 0, None)}, 400, 5, 0, True),
        ({"": _page(400, 100, "")}, 400, 5, 0, True),
        ({"": _page(400, 40, "b"), "b": _page(360, 60, None)}, 100, 5, 100, True),
        ({"": _page(400, 40, "b"), "b": _page(360, 0, "c")}, 100, 5, 40, True),
    ],
)
async def test_catch_up_over_pages(
    pages: dict[str, Any], floor: int | None, limit: int, found: int, complete: bool
) -> None:
    """Pages are read until the floor, the end of the history or the limit, and say which."""
    async with scripted() as exchange:
        exchange.trade_pages = pages
        clock = SystemClock()
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=RequestBudget(clock, 100)
        ) as venue:
            answer = await venue.trades(floor, limit)
        assert answer.complete is complete
        ids = [trade.trade_id for trade in answer.trades]
        assert ids == sorted(ids)
        assert len(ids) == found
        assert exchange.queries[-1]["sort_dir"] == "desc"
        assert exchange.queries[-1]["account_index"] == str(ACCOUNT)


@pytest.mark.parametrize("cursor", [7, ["b"], {"b": 1}])
async def test_a_cursor_that_is_no_text_is_no_answer(cursor: object) -> None:
    """A next page that cannot be asked for is a gap, not a reason to end."""
    async with scripted() as exchange:
        exchange.trade_pages = {"": _page(400, 100, None) | {"next_cursor": cursor}}
        clock = SystemClock()
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=RequestBudget(clock, 100)
        ) as venue:
            with pytest.raises(VenueUnavailableError, match="unreadable answer: next_cursor"):
                await venue.trades(100)


async def _answering(exchange: ScriptedExchange, *answers: dict[str, Any]) -> None:
    """Let the exchange answer each transaction frame with the next of `answers`."""
    script = iter(answers)

    def answer(frame: dict[str, Any]) -> dict[str, Any] | None:
        reply = next(script, None)
        if reply is not None and reply.get("id") == "k1":
            return reply | {"id": frame["data"]["id"]}
        return reply

    exchange.on_frame = answer


async def test_answers_over_the_stream() -> None:
    """Accepted and refused over the stream; the signed text goes out as an object."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await _answering(exchange, payload("ws_sendtx_ok"), payload("ws_sendtx_refused"))
        assert isinstance(await _order(rig), Accepted)
        refused = await _order(rig)
        assert isinstance(refused, Unknown)
        assert refused.code == 21104
        first = exchange.heard_of("jsonapi/sendtx")[0]["data"]
        assert first["tx_info"]["Nonce"] == 7
        assert first["tx_info"]["L2TxAttributes"] == {"7": 1}
        assert "sendTx" not in exchange.calls


async def test_a_market_that_takes_no_orders_is_a_state_that_is_read_again() -> None:
    """It ends no start, and is seen to open; a refusal for the market's state calls for a look."""
    async with scripted() as exchange:
        exchange.market_changes["status"] = "inactive"
        settings = replace(exchange.settings, closed_market_every_s=0.05)
        async with running(settings, _credentials()) as rig:
            assert rig.venue.market_now.status == "inactive"
            await rig.up()
            exchange.market_changes |= {"status": "active", "min_base_amount": "0.0070"}
            await eventually(lambda: rig.venue.market_now.status == "active", what="open")
            assert rig.venue.market_now.spec.min_base_lots == 70
            assert rig.venue.spec.min_base_lots == 50
            exchange.market_changes["status"] = "in-settlement"
            await _answering(exchange, {"error": {"code": 21605, "message": "market"}, "id": "k1"})
            outcome = await _order(rig)
            assert isinstance(outcome, Rejected)
            await eventually(lambda: rig.venue.market_now.status == "in-settlement", what="closed")


@pytest.mark.parametrize(("indexes", "is_maker_only"), [([4, 5], True), ([4], False), ([], False)])
async def test_whether_a_key_may_only_post(indexes: list[int], is_maker_only: bool) -> None:
    """The exchange lists such keys by their index; ours is 5."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        body = json.dumps({"code": 200, "api_key_indexes": indexes})
        exchange.replies["getMakerOnlyApiKeys"] = (200, body, JSON)
        assert await rig.venue.is_maker_only() is is_maker_only


@pytest.mark.parametrize("body", ['{"code":200}', '{"code":200,"api_key_indexes":["5"]}'])
async def test_keys_that_cannot_be_read_are_no_answer(body: str) -> None:
    """Not listed and not readable are two things."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        exchange.replies["getMakerOnlyApiKeys"] = (200, body, JSON)
        with pytest.raises(VenueUnavailableError):
            await rig.venue.is_maker_only()


async def test_a_market_that_cannot_be_read_stays_as_it_was() -> None:
    """No answer is no state."""
    async with scripted() as exchange:
        exchange.market_changes["status"] = "inactive"
        settings = replace(exchange.settings, closed_market_every_s=0.05)
        async with running(settings, _credentials()) as rig:
            exchange.market_changes["status"] = None
            looks = exchange.calls.count("orderBookDetails")
            await eventually(
                lambda: exchange.calls.count("orderBookDetails") >= looks + 2, what="two looks"
            )
            exchange.market_changes = {"supported_size_decimals": 3}
            looks = exchange.calls.count("orderBookDetails")
            await eventually(
                lambda: exchange.calls.count("orderBookDetails") >= looks + 2, what="two looks"
            )
            assert rig.venue.market_now.status == "inactive"


@pytest.mark.parametrize("code", [21501, 23000, 30009])
async def test_an_error_without_id_is_no_answer(code: int) -> None:
    """An error that names nobody leads to the second copy at once, not after the deadline."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await _answering(exchange, {"error": {"code": code, "message": "x"}})
        exchange.replies["sendTx"] = (200, '{"code":200,"tx_hash":"aa"}', JSON)
        outcome = await _order(rig)
        assert isinstance(outcome, Accepted)
        assert outcome.copies == 2


@pytest.mark.parametrize("code", [23000, 29500, 29501])
async def test_a_word_on_the_servers_own_trouble_is_no_refusal(code: int) -> None:
    """Too many requests, internal error and time-out say nothing about the transaction."""
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        await rig.up()
        await _answering(exchange, {"error": {"code": code, "message": "x"}, "id": "k1"})
        exchange.replies["sendTx"] = (400, f'{{"code":{code},"message":"x"}}', JSON)
        outcome = await _order(rig)
        assert isinstance(outcome, Unknown)
        assert outcome.copies == 2
        assert rig.budget.is_silenced is (code == 23000)


@pytest.mark.parametrize(
    ("status", "body", "content_type", "silenced"),
    [
        (429, '{"code":23000,"message":"Too Many Requests!"}', JSON, True),
        (405, "<html>405</html>", "text/html", True),
        (500, '{"code":29500,"message":"internal"}', JSON, False),
        (502, "<html>bad gateway</html>", "text/html", False),
        (403, "<html>blocked</html>", "text/html", False),
        (200, "<html>maintenance</html>", "text/html", False),
        (200, "[]", JSON, False),
        (200, '{"code":"200"}', JSON, False),
        (400, '{"message":"no code"}', JSON, False),
    ],
)
async def test_what_is_no_answer(status: int, body: str, content_type: str, silenced: bool) -> None:
    """Rate limits, server errors, HTML and shapeless bodies prove nothing, in reads and sends."""
    async with scripted() as exchange:
        clock = SystemClock()
        budget = RequestBudget(clock, 1000)
        for name in ("account", "nextNonce", "sendTx"):
            exchange.replies[name] = (status, body, content_type)
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=budget
        ) as venue:
            with pytest.raises(VenueUnavailableError):
                await venue.account()
            assert budget.is_silenced is silenced
            with pytest.raises(VenueUnavailableError):
                await venue.next_nonce()
            tx = await venue.sign_cancel_all(7)
            with pytest.raises(VenueUnavailableError):
                await venue.send(tx, Path.HTTP, 1.0)


async def test_a_send_without_a_code_is_no_answer() -> None:
    """A read may come without a code, an acceptance may not."""
    async with scripted() as exchange:
        clock = SystemClock()
        exchange.replies["sendTx"] = (200, '{"tx_hash":"aa"}', JSON)
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=RequestBudget(clock, 100)
        ) as venue:
            tx = await venue.sign_cancel_all(7)
            with pytest.raises(VenueUnavailableError, match="code"):
                await venue.send(tx, Path.HTTP, 1.0)


@pytest.mark.parametrize("status", [200, 400])
async def test_what_is_a_refusal(status: int) -> None:
    """A code other than 200 is the venue's own word, with HTTP 400 and with HTTP 200."""
    refusal = (status, '{"code":21739,"message":"not enough margin "}', JSON)
    async with scripted() as exchange, running(exchange.settings, _credentials()) as rig:
        exchange.replies["account"] = exchange.replies["sendTx"] = refusal
        await rig.up()
        with pytest.raises(VenueRefusedError) as caught:
            await rig.venue.account()
        assert (caught.value.code, caught.value.message) == (21739, "not enough margin")
        for socket in exchange.sockets:
            await socket.close()
        await rig.down()
        exchange.mute_families = {"order_book"}
        tx = await rig.venue.sign_cancel_all(7)
        answer = await rig.venue.send(tx, Path.HTTP, 1.0)
        assert (answer.code, answer.message) == (21739, "not enough margin")


async def test_a_sole_http_copy_may_be_rejected() -> None:
    """Without streams the order goes over HTTP only, and its refusal is proof."""
    async with scripted() as exchange:
        exchange.replies["sendTx"] = (400, '{"code":21739,"message":"margin"}', JSON)
        settings = replace(exchange.settings, ws_url="ws://127.0.0.1:1/stream")
        async with running(settings, _credentials()) as rig:
            assert await _order(rig) == Rejected(21739, "margin")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("accountInactiveOrders", {"code": 200, "orders": None}),
        ("accountInactiveOrders", {"code": 200}),
        ("trades", {"code": 200, "trades": "x"}),
        ("account", {"code": 200, "accounts": []}),
        ("nextNonce", {"code": 200, "nonce": None}),
        ("tx", {"code": 200}),
    ],
)
async def test_an_answer_with_holes_is_no_answer(name: str, body: dict[str, Any]) -> None:
    """A missing list, row or number is unavailable, never empty, flat or zero."""
    async with scripted() as exchange:
        clock = SystemClock()
        exchange.replies[name] = (200, json.dumps(body), JSON)
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=RequestBudget(clock, 100)
        ) as venue:
            call = {
                "accountInactiveOrders": venue.inactive_orders,
                "trades": lambda: venue.trades(None),
                "account": venue.account,
                "nextNonce": venue.next_nonce,
                "tx": lambda: venue.tx_status("aa"),
            }[name]
            with pytest.raises(VenueUnavailableError, match="unreadable"):
                await call()  # type: ignore[operator]


async def test_a_refused_token_is_not_used_again() -> None:
    """After the venue refuses a token the next call brings a new one."""
    async with scripted() as exchange:
        clock = SystemClock()
        exchange.replies["accountActiveOrders"] = (
            401,
            '{"code":20013,"message":"invalid auth: invalid deadline"}',
            JSON,
        )
        async with LighterVenue.open(
            exchange.settings, _credentials(), clock=clock, budget=RequestBudget(clock, 100)
        ) as venue:
            token = await venue._signer.token()
            assert await venue._signer.token() == token
            with pytest.raises(VenueRefusedError):
                await venue.active_orders()
            assert await venue._signer.token() != token


async def test_a_market_that_is_not_active() -> None:
    """A market that the exchange has closed ends no start: a position may be open there."""
    async with scripted() as exchange:
        clock = SystemClock()
        async with LighterVenue.open(
            replace(exchange.settings, market="old"),
            _credentials(),
            clock=clock,
            budget=RequestBudget(clock, 100),
        ) as venue:
            assert venue.market_now.status == "inactive"
