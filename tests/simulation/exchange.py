"""The paper exchange's engine on the virtual clock, with sequencer faults and lagging replicas.

The engine is the product's own; this module adds what a venue of many servers does beside it: a
sequencer that drops, cancels or hands back what was accepted, and answers of copies that lag
behind. Every answer is the truth as of one moment, never a mixture.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth, Level, OrderRow, Trade
from paper import executor, matching
from paper.engine import DEFAULT_MARKETS, Engine, TxRejected
from paper.records import (
    BookLevelChanged,
    EngineEvent,
    Order,
    OrderChanged,
    Quote,
    Tier,
    TradeHappened,
    TxStatus,
)
from paper.records import OrderStatus as PaperStatus
from paper.records import Trade as PaperTrade
from paper.txinfo import CreateOrder
from tests.simulation.history import History, leg_of, row_of
from tests.simulation.loop import VirtualLoop

START_MS = 1_700_000_000_000
ETH = DEFAULT_MARKETS[0]
SPEC = MarketSpec(
    ETH.market_id,
    ETH.symbol,
    ETH.size_decimals,
    ETH.price_decimals,
    ETH.min_base_lots,
    ETH.min_quote_micros,
)
BID, ASK = 299_900, 300_100
PLENTY = 100_000
CHAIN = 304
USD = 1_000_000
A, B = 101, 102
KEY, OTHER_KEY, SPARE_KEY = 5, 6, 7


class SimEngine(Engine):
    """An engine whose sequencer may fail; `fates` says how, by transaction hash."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fates: dict[str, str] = {}
        self.handed_back: Callable[[int, int], None] = lambda account, nonce: None

    def _execute(self, queued: executor.Queued) -> None:
        fate = self.fates.pop(queued.tx.hash, "")
        if not fate:
            super()._execute(queued)
            return
        store = self._store
        store.block_height += 1
        executor._leave_queue(queued.state, queued.tx, queued.command)
        status = TxStatus.FAILED
        if fate in ("cancelled", "handed back, listed") and isinstance(queued.command, CreateOrder):
            self._list_unfilled(queued)
            status = TxStatus.EXECUTED
        if fate.startswith("handed back"):
            self._hand_back(queued)
            status = TxStatus.FAILED
        store.set_tx(_with_status(queued.tx, status, store.now_ms))

    def _list_unfilled(self, queued: executor.Queued) -> None:
        """List the order as cancelled without a fill."""
        command, tx = queued.command, queued.tx
        assert isinstance(command, CreateOrder)
        order = matching.Incoming(
            market=self._store.markets[command.market_id],
            state=queued.state,
            is_ask=command.is_ask,
            type=command.type,
            time_in_force=command.time_in_force,
            price=command.price,
            lots=command.lots,
            reduce_only=command.reduce_only,
            client_order_index=command.client_order_index,
            order_expiry=command.order_expiry,
            tx_hash=tx.hash,
            tx_nonce=tx.nonce,
            api_key_index=tx.api_key_index,
        )
        order.nonce = order.market.take_nonce(is_ask=order.is_ask)
        row = matching.row_of(self._store, order, PaperStatus.CANCELED_TOO_MUCH_SLIPPAGE)
        self._store.keep_finished(row)

    def _hand_back(self, queued: executor.Queued) -> None:
        """Give the nonce back; what is queued behind it fails with it."""
        tx, rest = queued.tx, []
        for entry in self._queue:
            other = entry[2]
            if (other.tx.account_index, other.tx.api_key_index) == (
                tx.account_index,
                tx.api_key_index,
            ):
                executor._leave_queue(other.state, other.tx, other.command)
                self._store.set_tx(_with_status(other.tx, TxStatus.FAILED, self._store.now_ms))
            else:
                rest.append(entry)
        self._queue = sorted(rest, key=lambda entry: entry[:2])
        queued.state.account.api_keys[tx.api_key_index].next_nonce = tx.nonce
        self.handed_back(tx.account_index, tx.nonce)


def _with_status(tx: Any, status: TxStatus, now_ms: int) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    return replace(tx, status=status, executed_ms=now_ms)


@dataclass
class Frame:
    """What one moment of the exchange says on its streams to one account."""

    trades: tuple[Trade, ...] = ()
    rows: tuple[OrderRow, ...] = ()
    depth: Depth | None = None


@dataclass
class Logged:
    """The exchange's own log, for the judge."""

    trades: list[tuple[int, int, PaperTrade]] = field(default_factory=list)
    """(seq, mono, trade)."""
    orders: dict[int, list[tuple[int, Order]]] = field(default_factory=dict)
    """Order index to its rows, each with mono."""
    received: dict[str, int] = field(default_factory=dict)
    """Transaction hash to mono of its newest acceptance."""
    arrived: dict[int, int] = field(default_factory=dict)
    """Order index to mono of the acceptance that made it."""


class SimExchange:
    """Runs the engine; tells everybody what happens."""

    def __init__(self, loop: VirtualLoop, tier: Tier, *, same_master: bool = False) -> None:
        self.loop = loop
        self._mono = count(1)
        self._hashes = count(1)
        self.engine = SimEngine([ETH], tier, self.epoch_ms, lambda: next(self._mono), CHAIN)
        self.engine.handed_back = self._on_handed_back
        self.history = {A: History(), B: History()}
        self.log = Logged()
        self.listeners: list[Callable[[dict[int, Frame], Depth | None], None]] = []
        self.say: Callable[[str, str], None] | None = None
        self.states_position = True
        self.market: tuple[list[int], list[int]] = ([], [])
        """Moments and ids of all trades of the market."""
        self.depth = Depth()
        self.first_lots = {A: 0, B: 0}
        """Positions older than every trade that is told."""
        self._due: tuple[int, Any] | None = None
        for account in (A, B):
            master = "0xaa" if same_master else f"0x{account}"
            self.engine.add_account(account, master, 10_000_000 * USD)
            for key in (KEY, OTHER_KEY, SPARE_KEY):
                self.engine.add_key(account, key, "ab")
                self.history[account].note_nonce(key, 0, 0)
        self.ladder()

    def epoch_ms(self) -> int:
        """Return the venue's wall clock."""
        return START_MS + round(self.loop.time() * 1000)

    def ladder(self, bids: int = PLENTY, asks: int = PLENTY) -> None:
        """Rest house liquidity: lots on each side, 0 for none."""
        quotes = [Quote(False, BID - i * 10, bids) for i in range(2) if bids]
        quotes += [Quote(True, ASK + i * 10, asks) for i in range(2) if asks]
        self.engine.set_ladder(ETH.market_id, quotes)
        self.pump()

    def new_hash(self) -> str:
        return f"{next(self._hashes):080x}"

    def submit(self, tx_type: int, tx_info: str, tx_hash: str, fate: str = "") -> int:
        """Take one copy in; return the predicted moment (epoch ms). Raises TxRejected."""
        now_ms = self.epoch_ms()
        # `apply` takes the hash as it is: computing the venue's own would be most of the work.
        self.engine.apply(["submit", now_ms, next(self._mono), tx_type, tx_info, tx_hash])
        tx = self.engine.tx_by_hash(tx_hash)
        assert tx is not None
        self.log.received[tx_hash] = next(self._mono)
        nonce = self.engine.next_nonce(tx.account_index, tx.api_key_index)
        self.history[tx.account_index].note_nonce(tx.api_key_index, now_ms, nonce or 0)
        if fate:
            self.engine.fates[tx_hash] = fate
            if self.say is not None:
                self.say("XX", f"nonce {tx.nonce} of {tx.account_index} will be {fate}")
        self.loop.world_soon(self.pump)
        return tx.due_ms

    def _on_handed_back(self, account: int, nonce: int) -> None:
        for key in (KEY, OTHER_KEY, SPARE_KEY):
            nonce = self.engine.next_nonce(account, key) or 0
            self.history[account].note_nonce(key, self.epoch_ms(), nonce)

    async def give(self, account: int, lots: int) -> None:
        """Let an account hold a position from before everything that is told."""
        self.meddle(account, lots)
        await asyncio.sleep(1)
        assert self.lots(account) == lots
        self.first_lots[account] = lots
        self.history[account] = History()
        for key in (KEY, OTHER_KEY, SPARE_KEY):
            self.history[account].note_nonce(key, 0, self.engine.next_nonce(account, key) or 0)
        self.log, self.market = Logged(), ([], [])
        self.ladder()

    def meddle(self, account: int, lots: int) -> None:
        """Let somebody else buy (negative: sell) with this account and another key."""
        nonce = self.engine.next_nonce(account, SPARE_KEY) or 0
        info = {
            "AccountIndex": account,
            "ApiKeyIndex": SPARE_KEY,
            "MarketIndex": ETH.market_id,
            "ClientOrderIndex": 1,
            "BaseAmount": abs(lots),
            "Price": 2 * ASK if lots > 0 else 1,
            "IsAsk": int(lots < 0),
            "Type": 1,
            "TimeInForce": 0,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": 0,
            "ExpiredAt": self.epoch_ms() + 60_000,
            "Nonce": nonce,
            "Sig": "",
            "L2TxAttributes": None,
        }
        self.submit(14, json.dumps(info), self.new_hash())

    def take(self, lots: int, account: int) -> int:
        """Let the market take up to `lots` of what an account rests; return what it took."""
        resting = self.engine.active_orders(account)
        if not resting:
            return 0
        order = resting[0]
        trades = self.engine.take(
            ETH.market_id, is_ask=not order.is_ask, lots=lots, until_account=account
        )
        self.pump()
        return sum(t.lots for t in trades if account in (t.ask_account_index, t.bid_account_index))

    def lots(self, account: int) -> int:
        return self.engine.position(account, ETH.market_id).position.lots

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued."""
        return not self.engine._queue

    # --- telling ------------------------------------------------------------------------------

    def pump(self) -> None:
        """Do what is due, tell it, and come back when something is due next."""
        now_ms = self.epoch_ms()
        self.engine.advance(now_ms)
        events = self.engine.drain_events()
        if events:
            self._tell(events, now_ms)
        due = self.engine.next_due_ms()
        if due is None or (self._due is not None and self._due[0] <= due):
            return
        if self._due is not None:
            self._due[1].cancel()
        when = max(self.loop.time(), (due - START_MS) / 1000)
        self._due = (due, self.loop.world_at(when, self._on_due))

    def _on_due(self) -> None:
        self._due = None
        self.pump()

    def _tell(self, events: list[EngineEvent], now_ms: int) -> None:
        trades: dict[int, list[Trade]] = {A: [], B: []}
        rows: dict[int, list[OrderRow]] = {A: [], B: []}
        depth_changed = False
        for event in events:
            if isinstance(event, TradeHappened):
                self._note_trade(event, now_ms, trades)
            elif isinstance(event, OrderChanged):
                order = event.order
                row = row_of(order)
                history = self.history[order.account_index]
                history.rows.append(row)
                history.row_ms.append(now_ms)
                history.row_nonces[order.order_index] = order.tx_nonce
                rows[order.account_index].append(row)
                lives = self.log.orders.setdefault(order.order_index, [])
                if not lives:
                    received = self.log.received.get(order.tx_hash, event.mono_ns)
                    self.log.arrived[order.order_index] = received
                lives.append((event.mono_ns, order))
                if self.say is not None:
                    side = "sell" if order.is_ask else "buy"
                    self.say(
                        "XX",
                        f"order {order.client_order_index} nonce {order.tx_nonce} of "
                        f"{order.account_index} {side} {order.initial_lots} {order.status}"
                        f", filled {order.filled_lots}",
                    )
            elif isinstance(event, BookLevelChanged):
                depth_changed = True
        if depth_changed:
            depth_changed = self._look_at_book()
        frames = {a: Frame(tuple(trades[a]), tuple(rows[a])) for a in (A, B)}
        for listener in self.listeners:
            listener(frames, self.depth if depth_changed else None)

    def _note_trade(
        self, event: TradeHappened, now_ms: int, trades: dict[int, list[Trade]]
    ) -> None:
        trade = event.trade
        self.log.trades.append((event.seq, event.mono_ns, trade))
        self.market[0].append(now_ms)
        self.market[1].append(trade.trade_id)
        for account in {trade.ask_account_index, trade.bid_account_index} & {A, B}:
            leg = leg_of(trade, account, states_position=self.states_position)
            self.history[account].trades.append(leg)
            self.history[account].trade_ms.append(now_ms)
            trades[account].append(leg)
        if self.say is not None:
            sold, bought = trade.ask_account_index, trade.bid_account_index
            names = {A: "A", B: "B"}
            text = (
                f"{names.get(sold, 'market')} sells {trade.lots} to {names.get(bought, 'market')}"
            )
            self.say("XX", f"trade {trade.trade_id} (event {event.seq}): {text}")

    def _look_at_book(self) -> bool:
        def side(is_ask: bool) -> tuple[Level, ...]:
            found = self.engine.levels(ETH.market_id, is_ask=is_ask, limit=2)
            return tuple(Level(price, lots) for price, lots in found)

        depth = Depth(side(False), side(True), self.engine.mark_price(ETH.market_id))
        changed = [l.price_ticks for l in (*depth.bids, *depth.asks)] != [
            l.price_ticks for l in (*self.depth.bids, *self.depth.asks)
        ]
        self.depth = depth
        return changed


__all__ = ["SimExchange", "TxRejected"]
