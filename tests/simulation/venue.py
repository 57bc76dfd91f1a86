"""The exchange as one process meets it: implements `hedge.exchange.port.Venue` with every fault.

What is sent travels on its own: it arrives, or not, whatever becomes of its sender meanwhile.
"""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any

from hedge.core import ids
from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth, OrderRow, Trade
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import (
    ORDER_LIFE_S,
    AccountView,
    Answer,
    DepthChanged,
    MarginSeen,
    NotSentError,
    OrderKind,
    OrderRequest,
    OrdersSeen,
    Path,
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
from tests.simulation.exchange import ETH, KEY, SPEC, Frame, SimExchange, TxRejected
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import Process
from tests.simulation.socket import Socket, read_at

PAGE = 100
PLENTY_MICROS = 10**12
CREATE, CANCEL, CANCEL_ALL = 14, 15, 16
EXPIRES_MS = 599_000
DUST_LOTS = 34
"""Below both of the market's minimums."""
_FATES = {1: TxStatus.PENDING, 2: TxStatus.EXECUTED, 3: TxStatus.PENDING, 0: TxStatus.FAILED}


class SimVenue(Socket):
    """One account of the exchange, seen from one process of one host."""

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
    ) -> None:
        super().__init__(exchange, host, process, account, dice, retry_s)
        self.clock, self.budget, self.account_index = clock, budget, account
        self.key = key
        self._handler: VenueHandler | None = None
        self._depth = Depth()
        self.signed_nonce = -1
        self.on_order: Callable[[OrderRequest], None] = lambda order: None
        """Hears every order before it is signed."""

    @property
    def spec(self) -> MarketSpec:
        return SPEC

    @property
    def history(self) -> Any:
        return self.exchange.history[self.account_index]

    # --- streams ------------------------------------------------------------------------------

    async def run_streams(self, handler: VenueHandler) -> None:
        self._handler = handler
        await self.run_socket()

    def on_open(self) -> None:
        assert self._handler is not None
        rows = tuple(row for row in self.history.rows_at(self.now_ms()) if not row.is_terminal)
        self._depth = self.exchange.depth
        if rows:
            self._handler(OrdersSeen(rows))
        self._handler(MarginSeen(PLENTY_MICROS))
        self._handler(StreamUp())

    def on_lost(self, reason: str) -> None:
        assert self._handler is not None
        self._depth = Depth()
        self._handler(StreamDown(reason))

    def parts_of(self, frame: Frame) -> list[Any]:
        return [part for part in (frame.trades, frame.rows) if part]

    def tell(self, content: Any) -> None:
        assert self._handler is not None
        if isinstance(content, Depth):
            self._depth = content
            self._handler(DepthChanged())
        elif isinstance(content[0], Trade):
            self._handler(TradesSeen(content, self.clock.mono_ns()))
        else:
            self._handler(OrdersSeen(content))

    def depth(self) -> Depth:
        return self._depth

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
                "MarketIndex": ETH.market_id,
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
        return self._signed(CANCEL, nonce, {"MarketIndex": ETH.market_id, "Index": order_index})

    async def sign_cancel_all(self, nonce: int) -> SignedTx:
        await asyncio.sleep(0)
        return self._signed(
            CANCEL_ALL, nonce, {"TimeInForce": 0, "Time": 0, "L2TxAttributes": {"5": 0}}
        )

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        self.process.check()
        await self.budget.take(Priority.URGENT)
        if path is Path.STREAM and not self.is_up:
            raise NotSentError("the stream is down")
        loop = self._loop
        started = loop.time()
        future: asyncio.Future[Answer] = loop.create_future()
        self._travel(tx, future)
        lost = self.lost if path is Path.STREAM else None
        wait = {future} if lost is None else {future, lost}
        await asyncio.wait(wait, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        self.process.check()
        if not future.done():
            if lost is not None and lost.done():
                raise VenueUnavailableError("the socket was lost")
            raise VenueUnavailableError(f"no answer within {timeout_s:g} s")
        if loop.time() - started > timeout_s + 0.001:
            raise VenueUnavailableError("the answer came too late")
        answer = future.result()
        if answer.code == 0:
            self.budget.refused()
            raise VenueUnavailableError(answer.message)
        return answer

    def _travel(self, tx: SignedTx, future: "asyncio.Future[Answer]") -> None:
        """Decide how this copy fares, and let it go."""
        weather, dice, loop = self.host.venue, self.dice, self._loop
        now, there = loop.time(), weather.latency_s
        roll = dice.random()
        if weather.cut or (roll := roll - weather.lose_request) < 0:
            return
        if (roll := roll - weather.hold_copy) < 0:
            loop.world_at(now + dice.uniform(0, weather.hold_s), self._arrive, tx, None)
            return
        if (roll := roll - weather.refuse_load) < 0:
            answer = Answer(0, "429", None, None)
            loop.world_at(now + there, self._answer, future, answer)
            return
        if (roll := roll - weather.lose_answer) < 0:
            loop.world_at(now + there, self._arrive, tx, None)
            return
        loop.world_at(now + there, self._arrive, tx, future)

    def _fate(self, tx: SignedTx) -> str:
        """Decide what the sequencer makes of an accepted transaction."""
        weather, dice = self.host.venue, self.dice
        if tx.tx_type == CANCEL_ALL and not weather.fail_cancel_all:
            return ""
        roll = dice.random() - weather.cancel_accepted
        if roll < 0:
            return "cancelled"
        if (roll := roll - weather.drop_accepted) < 0:
            return "dropped"
        if roll < weather.hand_back:
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
                raise TxRejected(21706, "invalid order base or quote amount")
        elif weather.refuse_margin and self.dice.random() < weather.refuse_margin:
            raise TxRejected(21739, "not enough margin to create the order")
        elif weather.refuse_small and info["BaseAmount"] < DUST_LOTS:
            raise TxRejected(21706, "invalid order base or quote amount")

    def _arrive(self, tx: SignedTx, future: "asyncio.Future[Answer] | None") -> None:
        try:
            self._refuse(tx)
            due_ms = self.exchange.submit(tx.tx_type, tx.tx_info, tx.tx_hash, self._fate(tx))
            answer = Answer(200, "", tx.tx_hash, due_ms)
        except TxRejected as error:
            answer = Answer(error.code, error.message, None, None)
        if future is not None:
            back = self._loop.time() + self.host.venue.latency_s
            self._loop.world_at(back, self._answer, future, answer)

    def _answer(self, future: "asyncio.Future[Answer]", answer: Answer) -> None:
        if not future.done() and not self.host.venue.cut:
            future.set_result(answer)

    # --- look-ups -----------------------------------------------------------------------------

    async def _read(self) -> int:
        return await read_at(self, self.budget)

    async def next_nonce(self) -> int:
        nonce: int = self.history.nonce_at(self.key, await self._read())
        return nonce

    async def inactive_orders(self, limit: int = PAGE) -> tuple[OrderRow, ...]:
        at_ms = await self._read()
        rows = [row for row in self.history.rows_at(at_ms) if row.is_terminal]
        return tuple(rows[:limit])

    async def active_orders(self) -> tuple[OrderRow, ...]:
        at_ms = await self._read()
        return tuple(row for row in self.history.rows_at(at_ms) if not row.is_terminal)

    async def trades(self, newer_than: int | None, pages: int = 5) -> TradePages:
        at_ms = await self._read()
        found = self.history.trades_at(at_ms)
        if newer_than is None:
            return TradePages(tuple(found[-PAGE:]), complete=True)
        newest = found[-PAGE * pages :]
        complete = len(newest) < PAGE * pages or newest[0].trade_id <= newer_than
        return TradePages(tuple(t for t in newest if t.trade_id > newer_than), complete)

    async def tx_status(self, tx_hash: str) -> TxStatus:
        await self._read()
        tx = self.exchange.engine.tx_by_hash(tx_hash)
        return TxStatus.UNKNOWN if tx is None else _FATES[int(tx.status)]

    async def account(self) -> AccountView:
        at_ms = await self._read()
        lots = self.exchange.first_lots[self.account_index]
        lots += sum(trade.signed_lots for trade in self.history.trades_at(at_ms))
        return AccountView(PLENTY_MICROS, PLENTY_MICROS, lots)

    async def check_key(self) -> None:
        """The key is right."""
