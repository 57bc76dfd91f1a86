"""The exchange as one process meets it: implements `hedge.exchange.port.Venue` with every fault.

What is sent travels on its own: it arrives, or not, whatever becomes of its sender meanwhile.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from hedge.core import ids
from hedge.core.amounts import MarketSpec, Side
from hedge.core.records import Depth, OrderRow, OrderStatus, Trade
from hedge.core.refusal import Refusal
from hedge.exchange.budget import RequestBudget
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.lighter.recent_book import RecentBook
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes
from hedge.exchange.lighter.streams.order_book import (
    MAX_MARK_GAP_BPS,
    REFUTED_AFTER_MS,
    StillBook,
)
from hedge.exchange.lighter.streams.own_orders import WAY_MS, OwnOrders
from hedge.exchange.port import (
    ORDER_LIFE_S,
    AccountView,
    Answer,
    DepthChanged,
    MarginSeen,
    Market,
    MarketDown,
    MarketUp,
    NotSentError,
    OrderKind,
    OrderRequest,
    OrdersSeen,
    Path,
    PriceChange,
    Priority,
    SignedTx,
    StreamDown,
    StreamUp,
    TimeInForce,
    TradePages,
    TradesSeen,
    TxStatus,
    VenueHandler,
    VenueUnavailableError,
)
from paper.limits import Verdict
from paper.records import Order as PaperOrder
from tests.simulation import change_kinds
from tests.simulation.exchange import (
    ETH,
    KEY,
    A,
    Frame,
    Margin,
    Mark,
    SimExchange,
    TxRejected,
    spec_of,
)
from tests.simulation.front import TOO_MANY_REQUESTS
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import Process
from tests.simulation.socket import ONLY_PINGS, Socket, owner_of, read_at

PAGE = 100
KEPT_TRADES = 3000
"""The venue keeps so many trades of an account."""
CREATE, CANCEL, CANCEL_ALL, CHANGE = 14, 15, 16, 17
EXPIRES_MS = 599_000
MARKET_EVERY_MS = 20_000
QUOTA_TOLD_MS = 60_000
"""So long a word on the volume quota counts (the product: 600 s)."""
TIMES = LinkTimes()
DISTRUST_S = 6.0
"""So long nothing goes over the socket after it left a transaction unanswered (the product: 60)."""
LOST_COPIES = 0.8
"""So often a copy of a change that shall be lost is."""
SHORTLY_S = 3.0
"""A copy that is late by less executes before a fence has passed."""
DUST_LOTS = 34
"""Below both of the market's minimums."""
_FATES = {1: TxStatus.PENDING, 2: TxStatus.EXECUTED, 3: TxStatus.PENDING, 0: TxStatus.FAILED}


class SimVenue(Socket):
    """One account of the exchange, seen from one process of one host.

    It stands for the private socket and for the public one beside it: they are opened together, and
    the public one can be lost alone.
    """

    last_account: AccountView | None = None
    clock_ahead_ms = None
    signs_too_early = False
    refused_because = ""
    """What is refused here is refused for the load, and is over with it."""

    def __init__(
        self,
        exchange: SimExchange,
        host: Host,
        process: Process,
        clock: SimClock,
        budget: RequestBudget,
        account: int,
        dice: Random,
        *,
        key: int = KEY,
        retry_s: float = 0.25,
        market_id: int = ETH.market_id,
    ) -> None:
        """Look at the market as a daemon does at its start."""
        super().__init__(
            exchange, host, process, account, dice, retry_s, budget=budget, market_id=market_id
        )
        self._spec = spec_of(exchange.config(market_id))
        self._market_at_ms: float | None = None
        for other in exchange.markets.values():
            if other is not self.market and exchange.is_held(account, other.index):
                self.reach("market changed")
        self.clock, self.account_index = clock, account
        self._needs_price: Callable[[], bool] = lambda: False
        self._began_s = self._loop.time()
        self.key = key
        self._handler: VenueHandler | None = None
        self._depth = Depth()
        self._is_market_up = False
        self._market_away_until = -math.inf
        self._distrusted_until = -math.inf
        self.distrusts = True
        """Whether a socket that left a transaction unanswered is left."""
        self._own = OwnOrders(TIMES)
        self._mute = (-math.inf, -1, "", False)
        """Until when a session carries nothing of the account, by which kind, snapshots or not."""
        self._book_ms = 0
        self._recent = RecentBook(
            clock,
            self.depth,
            self._read_book,
            lambda: bool(self._refuted()),
            self._read_mark,
        )
        self._heard_ms: int | None = None
        self.signed_nonce = -1
        self._quota: tuple[int, int] | None = None
        self.copies: Counter[int] = Counter()
        """Client order index to how many copies of it went out."""
        self.out_of_quota: Counter[int] = Counter()
        """And to how many of them this process was told that the quota is used up."""
        self.on_order: Callable[[OrderRequest], None] = lambda order: None
        """Hears every order before it is signed."""
        self.on_price: Callable[[OrderRequest], None] = lambda order: None
        """Hears what a change makes of a resting order, before it is signed."""

    @property
    def spec(self) -> MarketSpec:
        return self._spec

    @property
    def market_now(self) -> Market:
        """The market as last read: each 20 s, and after a refusal that speaks of it."""
        now_ms = self._loop.time() * 1000
        if self._market_at_ms is None or now_ms >= self._market_at_ms + MARKET_EVERY_MS:
            self._market_at_ms = now_ms
            is_inactive = self.exchange.front.is_inactive
            spec = spec_of(self.exchange.config(self._spec.market_index))
            self._market = Market(spec, "inactive" if is_inactive else "active")
            if is_inactive:
                self.reach("market inactive")
        return self._market

    @property
    def history(self) -> Any:
        return self.market.history[self.account_index]

    # --- streams ------------------------------------------------------------------------------

    async def run_streams(self, handler: VenueHandler) -> None:
        self._handler = handler
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run_socket())
            group.create_task(self._recent.keep())

    def on_open(self) -> None:
        assert self._handler is not None
        rows = self._resting_rows()
        self._own.opened(self.clock.now_ms())
        self._own.changed(rows, self.clock.now_ms())
        self._mind_own()
        if rows:
            self._handler(OrdersSeen(rows))
        self._handler(MarginSeen(self.exchange.available_micros(self.account_index)))
        self._open_market()
        self._handler(StreamUp())

    def on_lost(self, reason: str) -> None:
        assert self._handler is not None
        self._is_market_up, self._depth = False, Depth()
        self._handler(StreamDown(reason))

    def _resting_rows(self) -> tuple[OrderRow, ...]:
        return tuple(row for row in self.history.rows_at(self.now_ms()) if not row.is_terminal)

    # --- the public socket ---------------------------------------------------------------------

    def cut_market(self, seconds: float, kind: str) -> None:
        """Lose the public socket alone; it comes back by itself."""
        loop = self._loop
        self._market_away_until = max(self._market_away_until, loop.time() + seconds)
        if self.is_up and self._is_market_up and not self.process.dead:
            self.reach(kind)
            context = self.process.context
            loop.call_at(loop.time(), self._lose_market, self._session, context=context)

    def _lose_market(self, session: int) -> None:
        if self.process.dead or session != self._session or not self._is_market_up:
            return
        assert self._handler is not None
        self._is_market_up, self._depth = False, Depth()
        self._handler(MarketDown("the public socket was cut"))
        self._handler(DepthChanged())
        self._await_market(session)

    def _await_market(self, session: int) -> None:
        context = self.process.context
        self._loop.call_at(self._market_away_until, self._reopen, session, context=context)

    def _reopen(self, session: int) -> None:
        if not self.process.dead and session == self._session and self.is_up:
            self._open_market()

    def _open_market(self) -> None:
        """Open the public socket, or wait until it can be opened."""
        assert self._handler is not None
        if self._is_market_up:
            return
        if self._loop.time() < self._market_away_until:
            self._await_market(self._session)
            return
        self._is_market_up, self._depth = True, self.market.depth
        self._book_ms = self._loop.now_ms
        self._handler(MarketUp())

    def heal(self) -> None:
        """Carry everything again, and open the public socket."""
        super().heal()
        self._mute = (-math.inf, -1, "", False)
        self._market_away_until = -math.inf
        if self.is_up and not self.process.dead:
            context = self.process.context
            self._loop.call_at(self._loop.time(), self._reopen, self._session, context=context)

    def mute_account(self, seconds: float, kind: str, *, answers: bool) -> None:
        """Carry nothing of the account on a live socket; `answers`: but snapshots when asked."""
        until = self._loop.time() + seconds
        self._mute = (until, self._session, kind, answers)

    @property
    def is_mute(self) -> bool:
        """Whether its live socket carries nothing of the account now."""
        until, session, _, _ = self._mute
        return session == self._session and self._loop.time() < until

    def is_kept_back(self, content: Any) -> bool:
        """Of the account nothing comes on a mute socket, though its pongs and the book do."""
        if isinstance(content, Depth | Mark) or not self.is_mute:
            return False
        self.reach(self._mute[2])
        return True

    # --- what the private socket had to show ----------------------------------------------------

    def _mind_own(self) -> None:
        """Look again when the next thing is due: a row, or a snapshot."""
        for after_s in (WAY_MS / 1000, TIMES.row_s, TIMES.ask_s):
            when = self._loop.time() + after_s + 0.001
            context = self.process.context
            self._loop.call_at(when, self._judge_own, self._session, context=context)

    def _judge_own(self, session: int) -> None:
        """Ask for a snapshot, or leave the socket, as `PrivateTalk` does."""
        if self.process.dead or session != self._session or not self.is_up:
            return
        try:
            asks = self._own.asks(self.clock.now_ms())
        except LinkLostError as error:
            self.lose_stream(str(error))
            return
        if asks:
            loop, context = self._loop, self.process.context
            there_and_back = loop.time() + 2 * self.host.venue.latency_s
            loop.call_at(there_and_back, self._take_snapshot, session, context=context)
            over = loop.time() + TIMES.snapshot_s + 0.001
            loop.call_at(over, self._judge_own, session, context=context)

    def _take_snapshot(self, session: int) -> None:
        if self.process.dead or session != self._session or not self.is_up:
            return
        is_silent = self._loop.time() < self._silent_until or self.host.venue.cut
        is_silent = is_silent or self.is_only_pings
        if is_silent or (self.is_mute and not self._mute[3]):
            return
        assert self._handler is not None
        rows = self._resting_rows()
        if rows:
            self._handler(OrdersSeen(rows))
        self._own.snapshot(rows, self.clock.now_ms())
        self._tell_filled()
        self._mind_own()

    def _tell_filled(self) -> None:
        assert self._handler is not None
        if filled := self._own.filled():
            self._handler(OrdersSeen(filled))

    async def _read_book(self) -> Depth:
        priority = Priority.NEEDED if self._needs_price() else Priority.NORMAL
        await read_at(self, "orderBookOrders", priority)
        depth = self.market.depth
        return Depth(depth.bids, depth.asks)

    async def _read_mark(self) -> int | None:
        priority = Priority.NEEDED if self._needs_price() else Priority.NORMAL
        await read_at(self, "orderBookDetails", priority)
        return self.exchange.engine.mark_price(self._spec.market_index)

    def parts_of(self, frame: Frame) -> list[Any]:
        return [part for part in (frame.trades, frame.rows, frame.margin) if part]

    def tell(self, content: Any) -> None:
        assert self._handler is not None
        if isinstance(content, Depth):
            if not self._is_market_up:
                return
            self._see_depth(content)
            self._handler(DepthChanged())
        elif isinstance(content, Mark):
            if self._is_market_up:
                self._depth = replace(self._depth, mark_ticks=content.ticks)
                self._handler(DepthChanged())
        elif isinstance(content, Margin):
            self._handler(MarginSeen(content.available_micros))
        elif isinstance(content[0], Trade):
            self._note_strange(content)
            self._handler(TradesSeen(content, self.clock.mono_ns()))
            self._own.traded(content)
            self._tell_filled()
        else:
            self._note_ends(content)
            self._own.changed(content, self.clock.now_ms())
            self._mind_own()
            self._handler(OrdersSeen(content))

    def _see_depth(self, depth: Depth) -> None:
        """Mirror the book; count what of it is out of the ordinary."""
        self._depth, self._book_ms = depth, self._loop.now_ms
        for kind in self.exchange.book_kinds:
            self.reach(kind)

    def _note_strange(self, trades: tuple[Trade, ...]) -> None:
        """Count trades of another client, and those that the venue itself made."""
        for trade in trades:
            if trade.is_forced:
                self.reach("A liquidated" if self.account_index == A else "B liquidated")
            elif kind := self.exchange.foreign.get(trade.client_order_index):
                self.reach(kind)

    def _note_ends(self, rows: tuple[OrderRow, ...]) -> None:
        """Count orders that end by a rule of the market or for want of margin."""
        for row in rows:
            if row.status is OrderStatus.CANCELED_MARGIN:
                self.reach(self._margin_kind)
            elif self.exchange.foreign.get(row.client_order_index) == "foreign nonce":
                self.reach("foreign nonce")
            elif row.status is OrderStatus.CANCELED_POSITION:
                self.reach("reduce-only")
            elif row.status is OrderStatus.CANCELED_LIQUIDITY and not ids.is_marker(
                row.client_order_index
            ):
                self.reach("thin book")

    @property
    def heard_ms(self) -> int | None:
        """A socket that lives answers pings; one that is cut or silent was last heard before."""
        if self.is_up and not self.host.venue.cut and self._loop.time() >= self._silent_until:
            self._heard_ms = self.clock.now_ms()
        return self._heard_ms

    @property
    def proved_ms(self) -> int | None:
        return self._own.proved_ms

    @property
    def is_owing(self) -> bool:
        return self.is_up and self._own.owes(self.clock.now_ms())

    def depth(self) -> Depth:
        if not (doubt := self._refuted()):
            return self._depth
        self.reach("book frames stop")
        return Depth(mark_ticks=self._depth.mark_ticks, doubt=doubt)

    def _refuted(self) -> str:
        """Return what speaks against a book that gets no frames, by the product's own rule."""
        silent_ms = self._loop.now_ms - self._book_ms
        if silent_ms < REFUTED_AFTER_MS or not self._is_market_up:
            return ""  # as nearly always
        depth = self._depth
        if not (depth.bids and depth.asks):
            return ""
        bid, ask = depth.bids[0].price_ticks, depth.asks[0].price_ticks
        return StillBook(silent_ms, bid, ask, depth.mark_ticks).refuted(MAX_MARK_GAP_BPS)

    def recent_depth(self) -> Depth:
        return self._recent.depth()

    def price_needed_by(self, is_needed: Callable[[], bool]) -> None:
        self._needs_price = is_needed

    def doubt_depth(self) -> None:
        self._recent.doubt()

    # --- signing and sending ------------------------------------------------------------------

    def _signed(self, tx_type: int, nonce: int, fields: dict[str, Any]) -> SignedTx:
        self.process.check()
        self.signed_nonce = nonce
        info = {
            "AccountIndex": self.account_index,
            "ApiKeyIndex": self.key,
            "ExpiredAt": self.clock.epoch_ms() + EXPIRES_MS,
            "Nonce": nonce,
            "Sig": "",
            **fields,
        }
        return SignedTx(tx_type, json.dumps(info), self.exchange.new_hash(), nonce)

    async def sign_order(self, order: OrderRequest, nonce: int) -> SignedTx:
        ioc = (
            order.kind is OrderKind.MARKET or order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
        )
        self.process.check()
        self.on_order(order)
        await asyncio.sleep(0)
        return self._signed(
            CREATE,
            nonce,
            {
                "MarketIndex": self.market.index,
                "ClientOrderIndex": order.client_order_index,
                "BaseAmount": order.lots,
                "Price": order.price_ticks,
                "IsAsk": int(order.side.is_ask),
                "Type": int(order.kind),
                "TimeInForce": int(order.time_in_force),
                "ReduceOnly": int(order.reduce_only),
                "TriggerPrice": 0,
                "OrderExpiry": 0
                if ioc
                else self.clock.epoch_ms() + (order.life_s or ORDER_LIFE_S) * 1000,
                "L2TxAttributes": {"7": 1},
            },
        )

    async def sign_cancel(self, order_index: int, nonce: int) -> SignedTx:
        await asyncio.sleep(0)
        return self._signed(CANCEL, nonce, {"MarketIndex": self.market.index, "Index": order_index})

    async def sign_change(self, change: PriceChange, nonce: int) -> SignedTx:
        self.process.check()
        if (order := self._resting(change.order_index)) is not None:
            self.on_price(
                OrderRequest(
                    order.client_order_index,
                    Side.SELL if order.is_ask else Side.BUY,
                    change.lots,
                    change.price_ticks,
                    OrderKind.LIMIT,
                    TimeInForce.POST_ONLY,
                    reduce_only=order.reduce_only,
                )
            )
        await asyncio.sleep(0)
        fields = {
            "MarketIndex": self.market.index,
            "Index": change.order_index,
            "BaseAmount": change.lots,
            "Price": change.price_ticks,
            "TriggerPrice": 0,
            "L2TxAttributes": {"7": 1},
        }
        return self._signed(CHANGE, nonce, fields)

    def _resting(self, order_index: int) -> PaperOrder | None:
        orders = self.exchange.engine.active_orders(self.account_index, self.market.index)
        return next((one for one in orders if one.order_index == order_index), None)

    async def sign_cancel_all(self, nonce: int) -> SignedTx:
        await asyncio.sleep(0)
        return self._signed(
            CANCEL_ALL,
            nonce,
            {"TimeInForce": 0, "Time": 0, "L2TxAttributes": {"5": self.market.index}},
        )

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        self.process.check()
        await self.budget.take(Priority.URGENT, tx_type=tx.tx_type)
        loop = self._loop
        if path is Path.STREAM and not self.is_up:
            raise NotSentError("the stream is down")
        if path is Path.STREAM and loop.time() < self._distrusted_until:
            raise NotSentError("a transaction was left without an answer on this way")
        started, client_id = loop.time(), json.loads(tx.tx_info).get("ClientOrderIndex", 0)
        self.copies[client_id] += 1
        future: asyncio.Future[Answer] = loop.create_future()
        if path is Path.STREAM and self.is_only_pings:
            self.reach(ONLY_PINGS)
            self._travel(tx, loop.create_future())
        else:
            self._travel(tx, future)
        lost = self.lost if path is Path.STREAM else None
        wait = {future} if lost is None else {future, lost}
        await asyncio.wait(wait, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        self.process.check()
        if not future.done():
            if lost is not None and lost.done():
                raise VenueUnavailableError("the socket was lost")
            if path is Path.STREAM and self.distrusts:
                self._distrusted_until = loop.time() + DISTRUST_S
                self.lose_stream("a transaction was left without an answer")
            raise VenueUnavailableError(f"no answer within {timeout_s:g} s")
        if loop.time() - started > timeout_s + 0.001:
            raise VenueUnavailableError("the answer came too late")
        answer = future.result()
        refusal = refusal_of(answer.code, answer.message)
        self._note_answer(answer, refusal)
        self.out_of_quota[client_id] += refusal is Refusal.QUOTA
        if refusal in (Refusal.MARKET, Refusal.TOO_SMALL):
            self._market_at_ms = None
        if refusal.says_nothing:  # as `LighterVenue.send` takes it
            if refusal is Refusal.BUSY:
                self.budget.refused()
            raise VenueUnavailableError(f"{answer.code} {answer.message}")
        if answer.accepted:
            self._accepted(tx)
        return answer

    def _accepted(self, tx: SignedTx) -> None:
        """Expect what it does to its order, as `Feed.accepted` does."""
        self._own.sent(self.clock.now_ms())
        if tx.tx_type == CREATE:
            index = json.loads(tx.tx_info)["ClientOrderIndex"]
            self._own.accepted(index, tx.tx_hash, self.clock.now_ms())
        self._mind_own()

    def _note_answer(self, answer: Answer, refusal: Refusal) -> None:
        """Note what an answer says of quota and key."""
        left = 0 if refusal is Refusal.QUOTA else answer.quota_left
        if left is not None:
            self._quota = (left, self.clock.now_ms())
        if refusal.is_of_key:
            self.exchange.front.key_told_s.setdefault(self.account_index, self._loop.time())

    @property
    def quota_left(self) -> int | None:
        """What was last told; as `LighterVenue.quota_left` it counts for a while."""
        if self._quota is None or self.clock.now_ms() > self._quota[1] + QUOTA_TOLD_MS:
            return None
        return self._quota[0]

    def _travel(self, tx: SignedTx, future: "asyncio.Future[Answer]") -> None:
        """Decide how this copy fares, and let it go."""
        weather, dice, loop = self.host.venue, self.dice, self._loop
        now, there = loop.time(), weather.latency_s
        if tx.tx_type == CHANGE and self._change_travels(tx, future):
            return
        roll = dice.random()
        if weather.cut:
            self.reach("cut from exchange")
            return
        if (roll := roll - weather.lose_request) < 0:
            self.reach("request lost")
            return
        if (roll := roll - weather.hold_copy) < 0:
            self.reach("copy held")
            loop.world_at(now + dice.uniform(0, weather.hold_s), self._arrive, tx, None)
            return
        if (roll := roll - weather.refuse_load) < 0:
            self.reach("rate limited")
            answer = Answer(TOO_MANY_REQUESTS, "Too Many Requests!", None, None)
            loop.world_at(now + there, self._answer, future, answer)
            return
        if (roll := roll - weather.lose_answer) < 0:
            self.reach("answer lost")
            loop.world_at(now + there, self._arrive, tx, None)
            return
        loop.world_at(now + there, self._arrive, tx, future)

    def _change_travels(self, tx: SignedTx, future: "asyncio.Future[Answer]") -> bool:
        """Let this copy of a change fare as its kind says; return whether that is all of it."""
        found = self.exchange.changes.of(tx.tx_hash)
        if found is None or self.host.venue.cut:
            return False
        kind, dice = found
        loop, there = self._loop, self.host.venue.latency_s
        now = loop.time()
        if kind not in (change_kinds.OVERTAKEN, change_kinds.KILLED):
            self.reach(kind)
        if kind == change_kinds.LOST:
            return dice.random() < LOST_COPIES
        if kind == change_kinds.UNANSWERED:
            loop.world_at(now + there, self._arrive, tx, None)
        elif kind == change_kinds.LATE:
            held_s = dice.choice((SHORTLY_S, self.host.venue.hold_s))
            loop.world_at(now + dice.uniform(0, held_s), self._arrive, tx, None)
        elif kind == change_kinds.REFUSED:
            answer = Answer(*dice.choice(change_kinds.REFUSALS), None, None)
            loop.world_at(now + there, self._answer, future, answer)
        else:
            on_its_way = now + dice.uniform(0, change_kinds.ON_ITS_WAY_S)
            loop.world_at(on_its_way, self._meanwhile, tx, kind, dice)
            return False
        return True

    def _meanwhile(self, tx: SignedTx, kind: str, dice: Random) -> None:
        """Do what happens while a change is on its way."""
        exchange, info = self.exchange, json.loads(tx.tx_info)
        if kind == change_kinds.KILLED:
            exchange.changes.kill()
        elif kind == change_kinds.OVERTAKEN:
            lots = dice.choice((info["BaseAmount"], dice.randrange(1, info["BaseAmount"] + 1)))
            if exchange.take(lots, self.account_index):
                self.reach(kind)
        elif kind == change_kinds.CROSSES and (order := self._resting(info["Index"])) is not None:
            change_kinds.come_back(exchange, info["Price"], is_ask=order.is_ask)

    def _fate(self, tx: SignedTx) -> str:
        """Decide what the sequencer makes of an accepted transaction."""
        weather, dice = self.host.venue, self.dice
        if tx.tx_type == CHANGE:
            found = self.exchange.changes.of(tx.tx_hash)
            if found is not None and found[0] == change_kinds.DROPPED:
                return "dropped"
        if tx.tx_type == CANCEL_ALL and not weather.fail_cancel_all:
            return ""
        roll = dice.random() - weather.cancel_accepted
        if roll < 0:
            self.reach("accepted, cancelled")
            return "cancelled"
        if (roll := roll - weather.drop_accepted) < 0:
            self.reach("accepted, dropped")
            return "dropped"
        if roll < weather.hand_back:
            self.reach("nonce handed back")
            listed = dice.random() < 0.5 and not self._is_marker(tx)
            return "handed back, listed" if listed else "handed back"
        return ""

    def _is_marker(self, tx: SignedTx) -> bool:
        """Whether it is a fence's marker: one that is listed has used its nonce up.

        The only orders that the venue is said to fail without that are such as should have rested.
        """
        return ids.is_marker(json.loads(tx.tx_info).get("ClientOrderIndex", 0))

    def _refuse(self, tx: SignedTx) -> None:
        """Raise TxRejected where this venue minds what it need not mind."""
        if tx.tx_type != CREATE:
            return
        info, weather = json.loads(tx.tx_info), self.host.venue
        if ids.is_marker(info["ClientOrderIndex"]):
            if weather.refuse_markers:
                self.reach("markers refused")
                raise TxRejected(21706, "invalid order base or quote amount")
        elif weather.refuse_margin and self.dice.random() < weather.refuse_margin:
            self.reach("margin refused")
            raise TxRejected(21739, "not enough margin to create the order")
        elif weather.refuse_small and info["BaseAmount"] < DUST_LOTS:
            self.reach("small refused")
            raise TxRejected(21706, "invalid order base or quote amount")

    def _arrive(self, tx: SignedTx, future: "asyncio.Future[Answer] | None") -> None:
        try:
            answer = self._taken(tx)
        except TxRejected as error:
            self._note_refusal(error)
            self._note_small(tx, error)
            answer = Answer(error.code, error.message, None, None)
        if future is not None:
            back = self._loop.time() + self.host.venue.latency_s
            self._loop.world_at(back, self._answer, future, answer)

    def _taken(self, tx: SignedTx) -> Answer:
        """Let one copy in. Raises TxRejected."""
        front, now_s = self.exchange.front, self._loop.time()
        verdict = front.send(now_s, self.host.name, owner_of(self), tx.tx_type)
        if verdict is not Verdict.PASS:
            self.reach("standard limits")
            raise TxRejected(TOO_MANY_REQUESTS, "Too Many Requests!")
        info = json.loads(tx.tx_info)
        posts = info.get("TimeInForce") == int(TimeInForce.POST_ONLY)
        front.admit_key(self.account_index, self.key, tx.tx_type, posts=posts)
        is_free = front.admit(now_s, self.account_index, tx.tx_type)
        if is_free and self.exchange.on_free_marker is not None and self._is_marker(tx):
            self.exchange.on_free_marker(self)
        self._refuse(tx)
        due_ms = self.exchange.submit(
            tx.tx_type, self._as_understood(tx), tx.tx_hash, self._fate(tx)
        )
        left = front.quota.get(self.account_index)
        return Answer(200, "", tx.tx_hash, due_ms, quota_left=left)

    def _as_understood(self, tx: SignedTx) -> str:
        """Return what the venue reads: after a change of its decimals another size."""
        front = self.exchange.front
        factor = front.size_factor if self._began_s <= front.size_changed_s else 1
        if factor == 1 or tx.tx_type not in (CREATE, CHANGE):
            return tx.tx_info
        info = json.loads(tx.tx_info)
        if not ids.is_marker(info.get("ClientOrderIndex", 0)):
            self.reach("decimals changed")
            if self.exchange.on_enlarged is not None:
                larger = info["BaseAmount"] * (factor - 1)
                self.exchange.on_enlarged(self.account_index, self._began_s, larger)
        return json.dumps(info | {"BaseAmount": info["BaseAmount"] * factor})

    def _note_refusal(self, error: TxRejected) -> None:
        """Count a refusal that the state of market, account or quota brought about."""
        side = "A" if self.account_index == A else "B"
        rule = self.exchange.front.key_rules.get((self.account_index, self.key))
        kinds = {
            62007: rule.kind if rule is not None else "",
            21136: rule.kind if rule is not None else "",
            TOO_MANY_REQUESTS: "quota spent" if "quota" in error.message else "",
            21605: "market inactive",
            21739: self._margin_kind,
            21111: self._margin_kind,
            21112: f"{side} liquidated",
            21706: self.exchange.rules_kind,
        }
        if kind := kinds.get(error.code):
            self.reach(kind)

    def _note_small(self, tx: SignedTx, error: TxRejected) -> None:
        """Tell of an order that is refused for its size, and is below what a market takes.

        Its sender cannot know that the exchange minds something else in it.
        """
        if error.code != 21706 or tx.tx_type != CREATE or self.exchange.on_small is None:
            return
        info = json.loads(tx.tx_info)
        rules, lots = self.exchange.config(info["MarketIndex"]), info["BaseAmount"]
        mark = self.exchange.engine.mark_price(info["MarketIndex"])
        is_small = lots < rules.min_base_lots or rules.quote(lots, mark) < rules.min_quote_micros
        if is_small and not ids.is_marker(info["ClientOrderIndex"]):
            self.exchange.on_small(self.account_index, lots)

    @property
    def _margin_kind(self) -> str:
        side = "A" if self.account_index == A else "B"
        return self.exchange.margin_kind.get(self.account_index, f"{side} out of margin")

    def _answer(self, future: "asyncio.Future[Answer]", answer: Answer) -> None:
        if not future.done() and not self.host.venue.cut:
            future.set_result(answer)

    # --- look-ups -----------------------------------------------------------------------------

    async def _read(self, call: str) -> int:
        return await read_at(self, call)

    async def next_nonce(self) -> int:
        at_ms = await self._read("nextNonce")
        nonce: int = self.exchange.nonces[self.account_index].at(self.key, at_ms)
        return nonce

    async def inactive_orders(self, limit: int = PAGE) -> tuple[OrderRow, ...]:
        rows = self._rows(await self._read("accountInactiveOrders"))
        return tuple([row for row in rows if row.is_terminal][:limit])

    async def active_orders(self) -> tuple[OrderRow, ...]:
        rows = self._rows(await self._read("accountActiveOrders"))
        return tuple(row for row in rows if not row.is_terminal)

    def _rows(self, at_ms: int) -> list[OrderRow]:
        if self.history.rows.unlisted(at_ms):
            self.reach("rows listed late")
        rows: list[OrderRow] = self.history.rows_at(at_ms)
        return rows

    async def trades(self, newer_than: int | None, pages: int = 5) -> TradePages:
        """Read page by page, each of its own moment, as `LighterVenue.trades` does."""
        found: dict[int, Trade] = {}
        read, below = 0, 0
        for _ in range(1 if newer_than is None else pages):
            at_ms = await self._read("trades")
            if self.history.trades.unlisted(at_ms):
                self.reach("trades listed late")
            rows = [
                trade
                for trade in self.history.trades_at(at_ms)[-KEPT_TRADES:]
                if not below or trade.trade_id < below
            ]
            page = rows[-PAGE:]
            read += len(page)
            found.update((trade.trade_id, trade) for trade in page)
            if newer_than is None or any(trade.trade_id <= newer_than for trade in page):
                return self._pages(found, newer_than, complete=True)
            if len(rows) <= PAGE:
                return self._pages(found, newer_than, complete=read < KEPT_TRADES)
            below = page[0].trade_id
        return self._pages(found, newer_than, complete=False)

    def _pages(
        self, found: dict[int, Trade], newer_than: int | None, *, complete: bool
    ) -> TradePages:
        floor = -1 if newer_than is None else newer_than
        newer = tuple(found[trade_id] for trade_id in sorted(found) if trade_id > floor)
        return TradePages(self.answered(newer), complete)

    async def tx_status(self, tx_hash: str) -> TxStatus:
        at_ms = await self._read("tx")
        found = self.exchange.tx_at(tx_hash, at_ms)
        return TxStatus.UNKNOWN if found is None else _FATES[int(found)]

    async def account(self) -> AccountView:
        at_ms = await self._read("account")
        if self.history.positions.unlisted(at_ms):
            self.reach(self.exchange.lags["position"].kind or "position listed late")
        exchange, account = self.exchange, self.account_index
        first_lots = exchange.first_lots[account] if self.market.index == ETH.market_id else 0
        record, index = exchange.engine.account(account), self.market.index
        position, fraction = record.positions.get(index), 0
        if position is not None:
            fraction = position.imf
        elif any(order.market_id == index for order in exchange.engine.active_orders(account)):
            fraction = exchange.config(index).default_imf  # a row with an order and no position
        self.last_account = AccountView(
            exchange.available_micros(account),
            record.collateral,
            first_lots + self.history.position_at(at_ms),
            fraction,
            account in exchange.isolated,
        )
        if account in exchange.isolated:
            self.reach("isolated margin")
        elif fraction > exchange.config(index).default_imf:
            self.reach("leverage")
        return self.last_account

    async def check_key(self) -> None:
        """The key is right."""
