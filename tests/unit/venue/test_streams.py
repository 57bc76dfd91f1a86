"""What the two conversations make of frames; no socket is involved."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from hedge.core.ids import marker_id
from hedge.core.records import Depth, OrderStatus
from hedge.exchange.lighter.streams.channels import PrivateTalk, PublicTalk
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes
from hedge.exchange.port import (
    DepthChanged,
    MarginSeen,
    OrdersSeen,
    TradesSeen,
    TxSeen,
    TxStatus,
    VenueEvent,
)
from tests.unit.venue.fakes import BTC, ETH, FakeClock
from tests.unit.venue.payloads import nested, payload

SELLER, OWNER = 708516, 280459
UNSUBSCRIBE = '{"type":"unsubscribe","channel":"order_book/0"}'
SUBSCRIBE = '{"type":"subscribe","channel":"order_book/0"}'


class Private:
    """A private conversation with everything it says written down."""

    def __init__(self, account: int = OWNER, spec: Any = BTC, token_life_s: int = 7000) -> None:
        self.clock = FakeClock()
        self.events: list[VenueEvent] = []
        self.changes: list[str] = []
        self.talk = PrivateTalk(
            account,
            self.clock,
            LinkTimes(),
            self.events.append,
            self.changes.append,
            spec=spec,
            token=self._token,
            token_life_s=token_life_s,
        )

    async def _token(self) -> str:
        return "1:2:3:ff"

    def hear(self, frame: dict[str, Any]) -> Sequence[str]:
        return self.talk.heard(frame, self.clock.mono_ns())


class Public:
    """A public conversation with everything it says written down."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[VenueEvent] = []
        self.changes: list[str] = []
        self.talk = PublicTalk(
            ETH, self.clock, LinkTimes(), self.events.append, self.changes.append
        )

    def hear(self, frame: dict[str, Any]) -> Sequence[str]:
        return self.talk.heard(frame, self.clock.mono_ns())


async def test_private_subscriptions_carry_the_token() -> None:
    """Every private channel is asked for with the same fresh token."""
    frames = await Private().talk.opening()
    assert [frame.split('"')[7] for frame in frames] == [
        "account_all_trades/280459",
        "account_all_orders/280459",
        "account_tx/280459",
        "user_stats/280459",
    ]
    assert all('"auth":"1:2:3:ff"' in frame for frame in frames)


async def test_ready_after_the_first_frame_of_every_stream() -> None:
    """The conversation is ready when all four streams have spoken."""
    private = Private()
    await private.talk.opening()
    private.hear(payload("ws_connected"))
    for family in ("account_all_trades", "account_all_orders", "account_tx"):
        field = {"account_all_trades": "trades", "account_all_orders": "orders"}.get(family, "txs")
        private.hear({"type": f"subscribed/{family}", "channel": f"{family}:280459", field: {}})
        assert private.talk.ready_since_ms is None
    private.hear(payload("ws_user_stats"))
    assert private.talk.ready_since_ms == private.clock.now_ms()
    assert private.changes == [""]
    assert private.events == [MarginSeen(99_876_543_210)]


async def test_optional_streams_are_waited_for_briefly() -> None:
    """Without account_tx and user_stats the conversation is ready after a grace of 5 s."""
    private = Private()
    await private.talk.opening()
    private.hear(payload("ws_trades_snapshot") | {"channel": "account_all_trades:280459"})
    private.hear(payload("ws_orders_snapshot"))
    private.talk.tick(private.clock.now_ms() + 4_999)
    assert private.talk.ready_since_ms is None
    private.talk.tick(private.clock.now_ms() + 5_000)
    assert private.talk.ready_since_ms is not None


async def test_required_streams_are_not_done_without() -> None:
    """A required stream that stays silent costs the link, and the last error is told."""
    private = Private()
    await private.talk.opening()
    private.hear({"error": {"code": 20013, "message": "invalid auth"}})
    private.hear(payload("ws_user_stats"))
    with pytest.raises(LinkLostError, match=r"account_all_orders, account_all_trades.*20013"):
        private.talk.tick(private.clock.now_ms() + 15_000)


@pytest.mark.parametrize("name", ["ws_trades_snapshot", "ws_trades_snapshot_list"])
async def test_the_trades_snapshot_is_history(name: str) -> None:
    """What comes with the subscription is no fill."""
    private = Private(SELLER, ETH)
    await private.talk.opening()
    private.hear(payload(name))
    assert private.events == []


@pytest.mark.parametrize(
    "channel", ["account_all_trades:708516", "account_all_trades/708516", None]
)
async def test_a_trade_update_is_a_fill(channel: str | None) -> None:
    """An update is told with the time at the socket, whichever separator its channel has."""
    private = Private(SELLER, ETH)
    await private.talk.opening()
    frame = payload("ws_trades_update")
    frame["channel"] = channel
    if channel is None:
        del frame["channel"]
    private.hear(frame)
    (event,) = private.events
    assert isinstance(event, TradesSeen)
    assert event.trades[0].trade_id == 26280867773
    assert event.received_ns == private.clock.mono_ns()


async def test_frames_of_other_accounts_and_families_are_ignored() -> None:
    """A frame of another account, of an unknown family, or without type says nothing."""
    private = Private(OWNER, ETH)
    await private.talk.opening()
    private.hear(payload("ws_trades_update"))
    private.hear({"type": "update/height", "height": 1})
    private.hear({"type": 7})
    private.hear({})
    assert private.events == []


async def test_order_rows_of_snapshot_and_update_are_told() -> None:
    """Open orders at the subscription and changes after it are both order rows."""
    private = Private()
    await private.talk.opening()
    private.hear(payload("ws_orders_snapshot"))
    private.hear(payload("ws_orders_update"))
    private.hear({"type": "update/account_all_orders", "orders": None})
    first, second = private.events
    assert isinstance(first, OrdersSeen)
    assert isinstance(second, OrdersSeen)
    assert [row.is_terminal for row in (*first.rows, *second.rows)] == [False, True]


async def test_fates_of_transactions_are_told() -> None:
    """Both transactions of an account_tx frame are told by hash."""
    private = Private()
    await private.talk.opening()
    private.hear(payload("ws_account_tx"))
    assert [event.status for event in private.events if isinstance(event, TxSeen)] == [
        TxStatus.EXECUTED,
        TxStatus.FAILED,
    ]


async def test_an_acknowledgement_without_transactions_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Other clients show the first frame of account_tx without any; an update must have them."""
    private = Private()
    await private.talk.opening()
    private.hear({"type": "subscribed/account_tx", "channel": "account_tx:280459"})
    assert caplog.records == []
    private.hear({"type": "update/account_tx", "channel": "account_tx:280459"})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("field", ["trades", "orders"])
async def test_a_market_without_news_may_be_null(field: str) -> None:
    """A list that is null inside the map is empty; the map itself is there."""
    private = Private()
    await private.talk.opening()
    private.hear({"type": f"update/account_all_{field}", field: {"0": None}})
    assert private.events == []


@pytest.mark.parametrize("field", ["trades", "orders"])
async def test_unreadable_trades_or_orders_cost_the_link(field: str) -> None:
    """A fill that cannot be read is never skipped: the link is lost and catch-up follows."""
    private = Private()
    await private.talk.opening()
    with pytest.raises(LinkLostError, match="unreadable"):
        private.hear({"type": f"update/account_all_{field}", field: {"1": [{"market_id": "1"}]}})
    with pytest.raises(LinkLostError):
        private.hear({"type": f"update/account_all_{field}"})


async def test_an_unreadable_margin_is_not_worth_a_link() -> None:
    """Streams that money does not depend on are skipped where they cannot be read."""
    private = Private()
    await private.talk.opening()
    for stats in ({"available_balance": 1.5}, {"available_balance": None}, {}, None):
        private.hear({"type": "update/user_stats", "stats": stats})
    assert private.events == [MarginSeen(None)] * 4, "unknown, and said to be"


async def test_the_socket_is_left_before_its_token_ends() -> None:
    """After six sevenths of its token's life it wants a successor; near the end it is left."""
    private = Private(token_life_s=7000)
    await private.talk.opening()
    start = private.clock.now_ms()
    private.talk.tick(start + 1)
    private.clock.advance_ms(5_999_999)
    assert not private.talk.is_ageing
    private.clock.advance_ms(1)
    assert private.talk.is_ageing
    for family in ("trades", "orders"):
        private.hear({"type": f"subscribed/account_all_{family}", family: {}})
    private.talk.tick(start + 6_749_999)
    with pytest.raises(LinkLostError, match="token"):
        private.talk.tick(start + 6_750_000)


async def test_a_lost_socket_is_not_ready() -> None:
    """Losing the socket is told with its reason."""
    private = Private()
    await private.talk.opening()
    private.talk.lost("cut")
    assert private.changes == ["cut"]
    assert private.talk.ready_since_ms is None


async def _ready_public() -> Public:
    public = Public()
    await public.talk.opening()
    public.hear(payload("ws_book_snapshot"))
    public.hear(payload("ws_market_stats"))
    return public


async def test_the_book_is_there_once_ready() -> None:
    """Depth is empty before the streams are ready, and the mirror after."""
    public = Public()
    assert await public.talk.opening() == [
        SUBSCRIBE,
        SUBSCRIBE.replace("order_book", "market_stats"),
    ]
    public.hear(payload("ws_book_snapshot"))
    assert public.talk.depth() == Depth()
    public.hear(payload("ws_market_stats"))
    assert public.talk.depth().mark_ticks == 191_425
    assert len(public.talk.depth().bids) == 2
    assert public.events == [DepthChanged(), DepthChanged()]
    public.talk.lost("cut")
    assert public.talk.depth() == Depth(mark_ticks=191_425)
    public.clock.advance_ms(10_001)
    assert public.talk.depth() == Depth()


async def test_a_mute_link_has_no_book() -> None:
    """After 30 s without any frame the book is stale, with the next frame it is back."""
    public = await _ready_public()
    public.clock.advance_ms(30_001)
    assert not public.talk.depth().is_live
    assert public.talk.depth() == Depth()
    public.hear({"type": "pong"})
    assert public.talk.depth().bids


async def test_a_gap_asks_for_a_new_snapshot_at_once() -> None:
    """The first gap is repaired immediately, and the mark price serves meanwhile."""
    public = await _ready_public()
    update = payload("ws_book_update")
    update["order_book"]["begin_nonce"] = 1
    assert list(public.hear(update)) == [UNSUBSCRIBE, SUBSCRIBE]
    assert public.talk.depth() == Depth(mark_ticks=191_425)
    public.hear({"type": "unsubscribed", "channel": "order_book:0"})
    assert list(public.hear(payload("ws_book_update"))) == []
    public.hear(payload("ws_book_snapshot"))
    assert len(public.talk.depth().bids) == 2
    assert public.talk.ready_since_ms is not None


async def test_a_second_gap_waits_for_its_minute() -> None:
    """Repairs are at most one a minute; the waiting one is made by the clock."""
    public = await _ready_public()
    update = payload("ws_book_update")
    update["order_book"]["begin_nonce"] = 1
    start = public.clock.now_ms()
    public.hear(update)
    public.hear(payload("ws_book_snapshot"))
    assert list(public.hear(update)) == []
    assert list(public.talk.tick(start + 59_999)) == []
    assert list(public.talk.tick(start + 60_000)) == [UNSUBSCRIBE, SUBSCRIBE]
    assert list(public.talk.tick(start + 60_001)) == []


async def test_a_repair_without_answer_costs_the_link() -> None:
    """No snapshot within 15 s of asking: connect anew."""
    public = await _ready_public()
    update = payload("ws_book_update")
    update["order_book"]["begin_nonce"] = 1
    public.hear(update)
    with pytest.raises(LinkLostError, match="snapshot"):
        public.talk.tick(public.clock.now_ms() + 15_000)


async def test_an_unreadable_book_asks_for_a_new_snapshot() -> None:
    """A depth frame that cannot be read is a gap."""
    public = await _ready_public()
    assert list(public.hear({"type": "update/order_book", "order_book": {"nonce": 1}})) == [
        UNSUBSCRIBE,
        SUBSCRIBE,
    ]


async def test_a_still_book_is_asked_for_before_its_silence_is_a_fault() -> None:
    """Pongs and the mark price prove nothing about the book; a new snapshot does."""
    public = await _ready_public()
    start = public.talk.last_data_ms
    public.clock.advance_ms(14_999)
    public.hear({"type": "pong"})
    public.hear(payload("ws_market_stats"))
    assert public.talk.last_data_ms == start
    assert list(public.talk.tick(start + 14_999)) == []
    assert list(public.talk.tick(start + 15_000)) == [UNSUBSCRIBE, SUBSCRIBE]
    assert list(public.talk.tick(start + 15_500)) == []
    assert len(public.talk.depth().bids) == 2
    public.hear(payload("ws_book_snapshot"))
    assert public.talk.last_data_ms == start + 14_999


async def test_a_book_that_does_not_answer_for_itself_is_left() -> None:
    """Asked for a snapshot, a mute socket brings pongs and nothing of the book."""
    public = await _ready_public()
    start = public.talk.last_data_ms
    public.clock.advance_ms(15_000)
    assert list(public.talk.tick(start + 15_000)) == [UNSUBSCRIBE, SUBSCRIBE]
    public.hear({"type": "pong"})
    assert list(public.talk.tick(start + 19_999)) == []
    with pytest.raises(LinkLostError, match="order book is mute"):
        public.talk.tick(start + 20_000)


def book_frame(public: Public, number: int) -> None:
    """Continue the book by one frame without levels."""
    nonce = payload("ws_book_snapshot")["order_book"]["nonce"]
    book = {"begin_nonce": nonce + number, "nonce": nonce + number + 1, "bids": [], "asks": []}
    public.hear({"type": "update/order_book", "channel": "order_book:0", "order_book": book})


async def _busy_public(gap_ms: int = 500) -> Public:
    """Return a conversation whose book has said something every `gap_ms` for six seconds."""
    public = await _ready_public()
    for number in range(6000 // gap_ms):
        public.clock.advance_ms(gap_ms)
        book_frame(public, number)
    return public


async def test_a_busy_book_that_falls_silent_is_asked_and_left() -> None:
    """Five silent seconds call for a ping; neither a pong nor the mark price is its data."""
    public = await _busy_public()
    silent = public.clock.now_ms()
    public.clock.advance_ms(4_999)
    assert list(public.talk.tick(silent + 4_999)) == []
    assert public.talk.depth().is_live
    public.clock.advance_ms(1)
    assert list(public.talk.tick(silent + 5_000)) == ['{"type":"ping"}']
    assert public.talk.depth() == Depth(mark_ticks=191_425)
    assert not public.talk.depth().is_live
    public.clock.advance_ms(10)
    public.hear({"type": "pong"})
    public.hear(payload("ws_market_stats"))
    assert list(public.talk.tick(silent + 6_999)) == []
    public.clock.advance_ms(1_990)
    with pytest.raises(LinkLostError, match=r"silent for 7\.0 s: pongs come, its data do not"):
        public.talk.tick(silent + 7_000)


async def test_a_busy_book_on_a_dead_link_is_left_for_want_of_a_pong() -> None:
    """Where nothing at all answers the reason says so."""
    public = await _busy_public()
    silent = public.clock.now_ms()
    public.clock.advance_ms(5_000)
    public.talk.tick(silent + 5_000)
    with pytest.raises(LinkLostError, match="no pong"):
        public.talk.tick(silent + 7_000)


async def test_a_book_that_speaks_again_is_trusted_again() -> None:
    """The next frame of the book ends the doubt, and the quotes go on."""
    public = await _busy_public()
    public.clock.advance_ms(5_000)
    public.talk.tick(public.clock.now_ms())
    book_frame(public, 12)
    assert public.talk.depth().bids
    assert list(public.talk.tick(public.clock.now_ms() + 4_999)) == []


# --- a still book


def stats(public: Public, mark: str, bid: str = "", ask: str = "") -> None:
    """Hear statistics of the market."""
    told = {"mark_price": mark, "best_bid_price": bid, "best_ask_price": ask}
    frame = payload("ws_market_stats")
    public.hear(frame | {"market_stats": frame["market_stats"] | told})


@pytest.mark.parametrize(
    ("mark", "bid", "ask", "doubt"),
    [
        ("1914.25", "", "", ""),
        ("1860.00", "", "", ""),  # less than 3 % away
        ("1850.00", "", "", "too far from the mark price"),
        ("1980.00", "", "", "too far from the mark price"),
        ("1914.25", "1900.00", "1900.10", "other best prices"),
        ("1914.25", "", "1914.29", "other best prices"),
        ("1914.25", "bent", "bent", ""),
    ],
)
async def test_a_still_book_is_refuted_by_what_else_is_told(
    mark: str, bid: str, ask: str, doubt: str
) -> None:
    """After five seconds; then only mark is shown with the reason, and a snapshot is asked for."""
    public = await _ready_public()
    public.clock.advance_ms(4_990)
    stats(public, mark, bid, ask)
    assert public.talk.depth().bids
    public.clock.advance_ms(10)
    depth = public.talk.depth()
    assert bool(depth.bids) is not bool(doubt)
    assert doubt in depth.doubt
    assert public.talk.depth().is_live is not bool(doubt)
    asked = list(public.talk.tick(public.clock.now_ms()))
    assert asked == ([UNSUBSCRIBE, SUBSCRIBE] if doubt else [])
    assert list(public.talk.tick(public.clock.now_ms())) == []
    public.hear(payload("ws_book_snapshot"))
    assert public.talk.depth().bids
    assert public.talk.depth().doubt == ""


async def test_statistics_that_cross_a_frame_of_the_book_refute_nothing() -> None:
    """Frames of two channels come in no promised order: for a second after each it is not told."""
    public = await _ready_public()
    public.clock.advance_ms(1_000)
    stats(public, "1914.25", "1900.00", "1900.10")
    public.clock.advance_ms(4_000)
    assert public.talk.depth().bids


async def test_a_one_sided_book_is_far_from_nothing() -> None:
    """It has no middle; its best prices may still be told otherwise."""
    public = await _ready_public()
    update = payload("ws_book_update")["order_book"]
    gone = [level | {"size": "0"} for level in payload("ws_book_snapshot")["order_book"]["asks"]]
    frame = payload("ws_book_update")
    public.hear(frame | {"order_book": update | {"asks": gone, "bids": []}})
    stats(public, "100.00")
    public.clock.advance_ms(5_000)
    assert public.talk.depth().bids
    assert public.talk.depth().doubt == ""


@pytest.mark.parametrize("gap_ms", [1_500, 3_000])
async def test_a_book_that_speaks_seldom_may_be_silent(gap_ms: int) -> None:
    """In a quiet market five seconds are nothing."""
    public = await _busy_public(gap_ms)
    silent = public.clock.now_ms()
    public.clock.advance_ms(29_000)
    assert list(public.talk.tick(silent + 14_000)) == []
    assert public.talk.depth().bids


async def _with_order() -> Private:
    """Return a ready conversation in which an order rests."""
    private = Private()
    await private.talk.opening()
    for family in ("account_all_trades", "account_tx"):
        field = "trades" if family == "account_all_trades" else "txs"
        private.hear({"type": f"subscribed/{family}", "channel": f"{family}:280459", field: {}})
    private.hear(payload("ws_user_stats"))
    private.hear(payload("ws_orders_snapshot"))
    return private


def _asked(frames: Iterable[str]) -> list[list[str]]:
    return [frame.split('"')[3::4][:2] for frame in frames]


ASKED = [
    ["unsubscribe", "account_all_orders/280459"],
    ["subscribe", "account_all_orders/280459"],
]
ASKED_FOR_ALL = [
    ["unsubscribe", "account_all_trades/280459"],
    ["subscribe", "account_all_trades/280459"],
    *ASKED,
]


async def test_while_an_order_rests_a_still_stream_is_asked_for_a_snapshot() -> None:
    """After 5 s its channel is subscribed anew, two frames; an answer ends the doubt."""
    private = await _with_order()
    start = private.clock.now_ms()
    assert list(private.talk.tick(start + 4_999)) == []
    asked = list(private.talk.tick(start + 5_000))
    assert _asked(asked) == ASKED
    assert '"auth":"1:2:3:ff"' in asked[1]
    private.clock.advance_ms(5_100)
    private.hear(payload("ws_orders_snapshot"))
    assert list(private.talk.tick(start + 10_099)) == []
    assert _asked(private.talk.tick(start + 10_100)) == ASKED


async def test_after_a_lost_frame_the_trades_are_asked_for_too() -> None:
    """Once, and first: what could not be read may have been a fill."""
    private = await _with_order()
    start = private.clock.now_ms()
    private.talk.missed()
    assert _asked(private.talk.tick(start + 1)) == ASKED_FOR_ALL
    private.hear(payload("ws_orders_snapshot"))
    assert _asked(private.talk.tick(start + 5_000)) == ASKED


async def test_no_question_crosses_a_transaction_of_ours() -> None:
    """For a second the end of a cancelled order may come; then it is asked."""
    private = await _with_order()
    private.clock.advance_ms(4_500)
    private.talk.sent()
    start = private.clock.now_ms()
    assert list(private.talk.tick(start + 999)) == []
    assert _asked(private.talk.tick(start + 1_000)) == ASKED


async def test_what_a_stream_owes_makes_the_book_uncertain_before_it_is_left() -> None:
    """A second after a snapshot was asked for, or an order accepted, it is missing."""
    private = await _with_order()
    private.clock.advance_ms(5_000)
    private.talk.tick(private.clock.now_ms())
    private.clock.advance_ms(999)
    assert not private.talk.is_owing
    private.clock.advance_ms(1)
    assert private.talk.is_owing
    private.hear(payload("ws_orders_snapshot"))
    assert not private.talk.is_owing
    private.talk.accepted(77, "hash")
    private.clock.advance_ms(1_000)
    assert private.talk.is_owing


async def test_beside_a_resting_order_a_book_is_certain_for_seven_seconds_at_most() -> None:
    """Also where nothing could be asked: what counts is when the orders were shown last."""
    private = await _with_order()
    start = private.clock.now_ms()
    private.clock.advance_ms(6_999)
    private.hear({"type": "pong"})
    private.hear(payload("ws_user_stats"))
    assert not private.talk.is_owing
    private.clock.advance_ms(1)
    assert private.talk.is_owing
    assert private.talk.proved_ms == start


async def test_a_mute_private_stream_is_found_within_eight_seconds() -> None:
    """Pongs come, the snapshot does not: the socket is left."""
    private = await _with_order()
    start = private.clock.now_ms()
    private.talk.tick(start + 5_000)
    private.hear({"type": "pong"})
    private.talk.tick(start + 7_999)
    with pytest.raises(LinkLostError, match="mute"):
        private.talk.tick(start + 8_000)


async def test_an_order_whose_end_was_not_shown_costs_the_socket() -> None:
    """A snapshot without it, and no row or trade that ended it: what else was not shown?"""
    private = await _with_order()
    private.talk.tick(private.clock.now_ms() + 5_000)
    assert not private.talk.is_owing
    private.hear(payload("ws_orders_snapshot") | {"orders": {}})
    now_ms = private.clock.now_ms()
    assert private.talk.is_owing
    private.talk.tick(now_ms + 999)
    with pytest.raises(LinkLostError, match="has not shown the end"):
        private.talk.tick(now_ms + 1_000)


def _fill(size: str, trade_id: int = 7) -> dict[str, Any]:
    row = payload("ws_trades_update")["trades"]["0"][0]
    row |= {"market_id": 1, "bid_account_id": 280459, "bid_id": 844424539493200, "size": size}
    row |= {"trade_id": trade_id, "ask_account_id": 5, "price": "111271.8"}
    row["usd_amount"] = "22.254360" if size == "0.00020" else "11.127180"
    return {"type": "update/account_all_trades", "trades": {"1": [row]}}


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_an_order_that_its_trades_fill_while_it_is_asked_for_has_ended(
    *, is_told_first: bool
) -> None:
    """Its row was on its way between the two frames; the stream of the trades went on."""
    private = await _with_order()
    private.talk.tick(private.clock.now_ms() + 5_000)
    frames = [_fill("0.00010", 7), _fill("0.00010", 8), _fill("0.00010", 8)]
    absent = payload("ws_orders_snapshot") | {"orders": {}}
    for frame in [*frames, absent] if is_told_first else [absent, *frames]:
        private.hear(frame)
    [row] = [row for seen in private.events if isinstance(seen, OrdersSeen) for row in seen.rows][
        1:
    ]
    assert (row.order_index, row.status, row.filled_lots) == (
        844424539493200,
        OrderStatus.FILLED,
        20,
    )
    assert not private.talk.is_owing
    assert list(private.talk.tick(private.clock.now_ms() + 60_000)) == []


async def test_a_row_that_comes_after_the_snapshot_ends_the_order() -> None:
    """Two channels of one socket may cross; half of its size tells of no end."""
    private = await _with_order()
    private.talk.tick(private.clock.now_ms() + 5_000)
    private.hear(_fill("0.00010"))
    private.hear(payload("ws_orders_snapshot") | {"orders": {}})
    assert private.talk.is_owing
    private.hear(payload("ws_orders_update"))
    assert not private.talk.is_owing
    assert list(private.talk.tick(private.clock.now_ms() + 60_000)) == []


async def test_an_ended_order_is_asked_for_no_more() -> None:
    """With nothing in the book, silence proves nothing."""
    private = await _with_order()
    private.hear(payload("ws_orders_update"))
    assert list(private.talk.tick(private.clock.now_ms() + 600_000)) == []


@pytest.mark.parametrize(
    ("client_id", "then", "is_lost"),
    [
        (77, [], True),
        (77, [{"type": "pong"}], True),
        (0, [], False),
        (marker_id("abc123", 5), [], False),
        (77, [{"type": "update/account_tx", "txs": []}], True),
    ],
)
async def test_the_row_of_an_accepted_order_comes_within_five_seconds(
    client_id: int, then: list[dict[str, Any]], *, is_lost: bool
) -> None:
    """Else the socket is left; a marker, and an order that has no id, are looked for elsewhere."""
    private = await _with_order()
    private.hear(payload("ws_orders_update"))
    private.talk.accepted(client_id, "hash")
    for frame in then:
        private.hear(frame)
    now_ms = private.clock.now_ms()
    assert list(private.talk.tick(now_ms + 4_999)) == []
    if is_lost:
        with pytest.raises(LinkLostError, match="its row did not come"):
            private.talk.tick(now_ms + 5_000)
    else:
        private.talk.tick(now_ms + 5_000)


async def test_a_row_or_a_failure_ends_the_waiting_for_an_accepted_order() -> None:
    """Its row, open or ended, or the word of the exchange that its transaction failed."""
    private = await _with_order()
    failed = payload("ws_account_tx")["txs"][1]
    row = next(iter(payload("ws_orders_update")["orders"].values()))[0]
    private.talk.accepted(88, failed["hash"])
    private.talk.accepted(77, "hash")
    private.hear(payload("ws_account_tx"))
    private.hear(
        {
            "type": "update/account_all_orders",
            "orders": {"1": [row | {"client_order_index": 77, "client_order_id": "77"}]},
        }
    )
    assert list(private.talk.tick(private.clock.now_ms() + 5_000)) == []


async def test_a_row_that_overtakes_the_answer_is_not_waited_for() -> None:
    """An exchange that executes at once shows the order before its answer is read."""
    private = await _with_order()
    row = next(iter(payload("ws_orders_update")["orders"].values()))[0]
    rows = {"1": [row | {"client_order_index": 77, "client_order_id": "77"}]}
    private.hear({"type": "update/account_all_orders", "orders": rows})
    private.talk.accepted(77, "hash")
    assert list(private.talk.tick(private.clock.now_ms() + 5_000)) == []


async def test_before_its_first_frames_a_socket_owes_no_row() -> None:
    """What was accepted before it was open is shown by its first frames, or by the lists."""
    private = Private()
    await private.talk.opening()
    private.talk.accepted(77, "hash")
    private.talk.tick(private.clock.now_ms() + 5_000)


@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"code": nested()}},
        {"type": "jsonapi/sendtx", "id": nested()},
        {"type": "update/account_all_trades", "channel": nested()},
        {"type": "update/account_all_trades", "trades": [{"market_id": nested()}]},
        {"type": "update/account_all_orders", "orders": [{"market_index": nested()}]},
    ],
)
async def test_a_private_frame_that_no_parser_foresaw_ends_the_socket(
    frame: dict[str, Any],
) -> None:
    """Whatever reading a frame raises is a lost link, not the end of the process."""
    private = Private()
    await private.talk.opening()
    with pytest.raises(LinkLostError, match="RecursionError"):
        private.hear(frame)
    assert private.events == []


@pytest.mark.parametrize(
    "frame",
    [
        {"error": nested()},
        payload("ws_book_snapshot") | {"channel": nested()},
        payload("ws_book_snapshot") | {"order_book": nested()},
    ],
)
async def test_a_public_frame_that_no_parser_foresaw_ends_the_socket(frame: dict[str, Any]) -> None:
    """The same on the public socket."""
    public = Public()
    await public.talk.opening()
    with pytest.raises(LinkLostError, match="RecursionError"):
        public.hear(frame)


async def test_an_odd_margin_is_unknown_and_costs_nothing() -> None:
    """A balance of a million digits ends neither the process nor the socket."""
    private = Private()
    await private.talk.opening()
    for balance in ("9e999999", "1e5000"):
        stats = {"available_balance": balance}
        private.hear({"type": "update/user_stats", "channel": "user_stats:280459", "stats": stats})
    assert private.events == [MarginSeen(None)] * 2


async def test_transactions_before_an_unreadable_one_are_told() -> None:
    """One odd row of the optional stream hides nothing that was read before it."""
    private = Private()
    await private.talk.opening()
    row = payload("ws_account_tx")["txs"][0]
    private.hear({"type": "update/account_tx", "txs": [row, row | {"status": 9}, row]})
    assert [type(event) for event in private.events] == [TxSeen]
