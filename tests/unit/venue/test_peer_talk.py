"""What the watch makes of another account's public frames; no socket is involved."""

from collections.abc import Sequence
from typing import Any

import pytest

from hedge.core.amounts import Side
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes
from hedge.exchange.lighter.streams.peer_channel import PeerTalk
from hedge.exchange.peer import PeerDown, PeerEvent, PeerShown, PeerUp
from tests.unit.venue.fakes import ETH, FakeClock
from tests.unit.venue.payloads import nested, payload

SELLER, STRANGER = 708516, 999
TRADES = '{"type":"subscribe","channel":"trade/0"}'


class Watch:
    """A conversation with everything it says written down."""

    def __init__(self, account: int = SELLER) -> None:
        self.clock = FakeClock()
        self.events: list[PeerEvent] = []
        self.talk = PeerTalk(account, ETH, self.clock, LinkTimes(), self.events.append)

    def hear(self, frame: dict[str, Any]) -> Sequence[str]:
        return self.talk.heard(frame, self.clock.mono_ns())

    def later(self, seconds: float) -> Sequence[str]:
        self.clock.advance_ms(round(seconds * 1000))
        return self.talk.tick(self.clock.now_ms())


def snapshot(**content: Any) -> dict[str, Any]:
    return {
        "type": "subscribed/account_all",
        "channel": f"account_all:{SELLER}",
        "positions": {},
        "trades": {},
        **content,
    }


def eth_trade() -> dict[str, Any]:
    """Return one recorded trade in which SELLER sold as the maker."""
    rows: list[dict[str, Any]] = payload("rest_trades")["trades"]
    return rows[0]


async def test_it_asks_for_the_account_without_a_token() -> None:
    """The public stream of the other account needs no key of it."""
    frames = await Watch().talk.opening()
    assert list(frames) == [f'{{"type":"subscribe","channel":"account_all/{SELLER}"}}']


async def test_up_with_the_first_frame_and_down_when_lost() -> None:
    """Up is told once, down only where it was up."""
    watch = Watch()
    await watch.talk.opening()
    watch.talk.lost("early")
    watch.hear(snapshot())
    watch.hear(snapshot())
    watch.talk.lost("gone")
    assert watch.events == [PeerUp(), PeerDown("gone")]


async def test_trades_and_positions_of_our_market_are_shown() -> None:
    """A frame's trades become the account's legs, its position row the signed size."""
    watch = Watch()
    await watch.talk.opening()
    position = {"market_id": 0, "position": "0.8835", "sign": -1}
    other = {"market_id": 1, "position": "5.00000", "sign": 1}
    watch.hear(snapshot(positions={"0": position, "1": other}))
    row = eth_trade()
    watch.hear({"type": "update/account_all", "trades": {"0": [row]}, "positions": {}})
    _, first, second = watch.events
    assert isinstance(first, PeerShown)
    assert isinstance(second, PeerShown)
    assert (first.trades, first.position_lots) == ((), -8835)
    assert second.position_lots is None
    assert [(leg.trade_id, leg.side) for leg in second.trades] == [
        (row["trade_id"], Side.SELL if row["ask_account_id"] == SELLER else Side.BUY)
    ]


async def test_a_refused_account_stream_falls_back_on_the_market_s_trades() -> None:
    """A venue that wants a token for the account still shows every trade; asked for once."""
    watch = Watch()
    await watch.talk.opening()
    error = {"error": {"code": 20001, "message": "auth field is required"}}
    assert list(watch.hear(error)) == [TRADES]
    assert list(watch.hear(error)) == []
    row = eth_trade()
    watch.hear({"type": "subscribed/trade", "channel": "trade:0", "trades": [row]})
    watch.hear({"type": "update/trade", "trades": None, "liquidation_trades": [row]})
    assert isinstance(watch.events[0], PeerUp)
    assert [len(event.trades) for event in watch.events[1:] if isinstance(event, PeerShown)] == [
        1,
        1,
    ]


async def test_a_mute_account_stream_falls_back_and_a_mute_socket_is_dropped() -> None:
    """No first frame within the grace asks for the other channel; none at all ends the socket."""
    watch = Watch()
    await watch.talk.opening()
    assert list(watch.later(1)) == []
    assert list(watch.later(5)) == [TRADES]
    with pytest.raises(LinkLostError, match="no first frame"):
        watch.later(20)
    watch.hear(snapshot())
    assert list(watch.later(100)) == []


async def test_trades_of_strangers_are_not_shown() -> None:
    """On the market's channel most trades concern neither account of the pair."""
    watch = Watch(STRANGER)
    await watch.talk.opening()
    watch.hear({"type": "update/trade", "trades": [eth_trade()]})
    assert watch.events == [PeerUp()]


async def test_unreadable_trades_end_the_socket_and_other_frames_do_not() -> None:
    """A trade that cannot be read is a gap; pongs and errors after the start are nothing."""
    watch = Watch()
    await watch.talk.opening()
    watch.hear(snapshot())
    assert list(watch.hear({"type": "pong"})) == []
    assert list(watch.hear({"error": {"code": 30003, "message": "Already"}})) == []
    with pytest.raises(LinkLostError, match="unreadable"):
        watch.hear(snapshot(trades={"0": [{"market_id": 0}]}))


@pytest.mark.parametrize("kind", [["x"], {"a": 1}, None, 1, True])
async def test_a_type_that_is_no_word_is_ignored(kind: object) -> None:
    """An odd frame is not one of ours, whatever stands where its type should."""
    watch = Watch()
    await watch.talk.opening()
    assert list(watch.hear({"type": kind})) == []
    assert watch.events == []


@pytest.mark.parametrize("frame", [{"error": nested()}, snapshot(trades=[{"market_id": nested()}])])
async def test_a_frame_that_no_parser_foresaw_ends_the_socket(frame: dict[str, Any]) -> None:
    """Whatever reading a frame raises is a lost link, not the end of the process."""
    watch = Watch()
    await watch.talk.opening()
    with pytest.raises(LinkLostError, match="RecursionError"):
        watch.hear(frame)
    assert watch.events == []


async def test_what_a_hearer_raises_is_not_the_frame_s_fault() -> None:
    """A bug in who hears stays what it is."""

    def wrong(event: PeerEvent) -> None:
        raise TypeError("a bug")

    watch = Watch()
    await watch.talk.opening()
    watch.talk._emit = wrong
    with pytest.raises(TypeError, match="a bug"):
        watch.hear(snapshot())
