"""The paper exchange's engine on the virtual clock, with sequencer faults and lagging replicas.

The engine is the product's own; this module adds what a venue of many servers does beside it: a
sequencer that drops, cancels or hands back what was accepted, and answers of copies that lag
behind. Every answer is the truth as of one moment, never a mixture.
"""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any, Protocol

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth, Level, OrderRow, Trade
from paper.engine import DEFAULT_MARKETS, TxRejected
from paper.records import (
    BookLevelChanged,
    EngineEvent,
    MarketConfig,
    Order,
    OrderChanged,
    Quote,
    Tier,
    TradeHappened,
    TxStatus,
)
from paper.records import Trade as PaperTrade
from tests.simulation.changes import ChangeFates
from tests.simulation.front import CREATE, Front
from tests.simulation.history import History, Nonces, Tape, leg_of, row_of
from tests.simulation.loop import VirtualLoop
from tests.simulation.sequencer import SimEngine
from tests.simulation.tally import Tally

START_MS = 1_700_000_000_000
ETH, BTC = DEFAULT_MARKETS[:2]


def spec_of(config: MarketConfig) -> MarketSpec:
    """Return a market as a daemon reads it at its start."""
    return MarketSpec(
        config.market_id,
        config.symbol,
        config.size_decimals,
        config.price_decimals,
        config.min_base_lots,
        config.min_quote_micros,
        config.default_imf,
        config.order_quote_limit_micros,
    )


SPECS = {config.symbol: spec_of(config) for config in (ETH, BTC)}
SPEC = SPECS[ETH.symbol]
HALF_SPREAD = 100
PLENTY = 100_000
COLLATERAL_USD = 10_000_000
TIGHT_USD = 100_000
"""With less available the numbers matter, and an account is told each that changes."""
CHAIN = 304
USD = 1_000_000
A, B = 101, 102
KEY, OTHER_KEY, SPARE_KEY = 5, 6, 7
KEYS = (KEY, OTHER_KEY, SPARE_KEY)
SETTLED_S = 2.0
"""By then everything that was queued has executed."""
BY_HAND = 1
"""Client order index of an order that another client sends."""


@dataclass(frozen=True)
class Margin:
    """What an account has available, in micros."""

    available_micros: int


@dataclass(frozen=True)
class Mark:
    """What the statistics of the market say of its mark price, in ticks."""

    ticks: int


@dataclass(frozen=True)
class Moment:
    """The public book from `at_s` on as others see it: without the orders of A."""

    at_s: float
    depth: Depth


@dataclass
class Frame:
    """What one moment of the exchange says on its streams to one account about one market."""

    trades: tuple[Trade, ...] = ()
    rows: tuple[OrderRow, ...] = ()
    margin: Margin | None = None


class Subscriber(Protocol):
    """A socket of a process."""

    def on_exchange(self, market_id: int, frames: dict[int, Frame], depth: Depth | None) -> None:
        """Hear the frames of both accounts about a market, and its book if that changed."""

    def on_mark(self, market_id: int, mark: Mark) -> None:
        """Hear the mark price of a market."""

    def heal(self) -> None:
        """Say the truth from here on."""


@dataclass
class Lag:
    """How late answers list facts of one kind: a chance, the shortest and the longest time."""

    chance: float = 0.0
    most_s: float = 0.0
    least_s: float = 0.0
    kind: str = ""
    """What made it so, where there is more than one kind."""

    def draw_ms(self, dice: Random) -> int:
        """Return the lag of one fact."""
        if not self.chance or dice.random() >= self.chance:
            return 0
        return round(dice.uniform(self.least_s, self.most_s) * 1000)


class SimMarket:
    """One market as the venue's servers tell of it."""

    def __init__(self, config: MarketConfig) -> None:
        mark = config.start_price_ticks
        self.index = config.market_id
        self.bid, self.ask = mark - HALF_SPREAD, mark + HALF_SPREAD
        self.baits: tuple[Quote, ...] = ()
        """What strangers rest inside of the others' prices."""
        self.depth = Depth()
        self.moments: list[Moment] = []
        self.tape = Tape()
        self.history = {A: History(), B: History()}


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
        self.dice, self.tally = Random(0), Tally()
        """Both the schedule's own, once there is one."""
        self._mono = count(1)
        self._hashes = count(1)
        self.engine = SimEngine([ETH, BTC], tier, self.epoch_ms, lambda: next(self._mono), CHAIN)
        self.engine.handed_back = self._on_handed_back
        self.markets = {config.market_id: SimMarket(config) for config in (ETH, BTC)}
        self.nonces = {A: Nonces(), B: Nonces()}
        self.front = Front()
        self.changes = ChangeFates()
        self.log = Logged()
        self.sockets: list[Subscriber] = []
        self.say: Callable[[str, str], None] | None = None
        self.on_lie: Callable[[int], None] | None = None
        """What hears of a frame that was false by so many lots."""
        self.on_enlarged: Callable[[int, float, int], None] | None = None
        """Hears account, begin of the process, and by how much an order is read as larger."""
        self.on_small: Callable[[int, int], None] | None = None
        """Hears account and lots of an order below the minimums that is refused for its size."""
        self.on_free_marker: Callable[[object], None] | None = None
        """What hears that the one free transaction in 15 s of a process was a fence's marker."""
        self.states_position = True
        self.first_lots = {A: 0, B: 0}
        """Positions older than every trade that is told."""
        self.lags = {kind: Lag() for kind in ("row", "trade", "tx", "position")}
        self.tx_listed_ms: dict[str, int] = {}
        """Hash of a transaction that is listed late to when it is."""
        self.foreign: dict[int, str] = {}
        """Client order index of an order that another client sent to the kind that did."""
        self.only_pings_until_s = -math.inf
        """Until then sockets, new ones too, carry nothing but pings; what they take is executed."""
        self.by_hand: set[int] = set()
        """Accounts that other clients traded with."""
        self.strangers_per_s = 0
        self.book_kinds: tuple[str, ...] = ()
        """Kinds whose effect every frame of the book shows now."""
        self.rules_kind = ""
        """The kind that changed the minimums or limits of the market."""
        self.margin_kind: dict[int, str] = {}
        """Account that lacks margin to the kind that took it."""
        self.isolated: set[int] = set()
        """Accounts with isolated margin: what they have available is no measure."""
        self.tells_margin = False
        """Whether each change of what is available is told, also where there is plenty."""
        self._margins: dict[int, Margin] = {}
        self._due: tuple[int, Any] | None = None
        for account in (A, B):
            master = "0xaa" if same_master else f"0x{account}"
            self.engine.add_account(account, master, COLLATERAL_USD * USD)
            for key in KEYS:
                self.engine.add_key(account, key, "ab")
                self.nonces[account].note(key, 0, 0)
        self.ladder()

    @property
    def history(self) -> dict[int, History]:
        """What may be told of both accounts in the pair's usual market."""
        return self.markets[ETH.market_id].history

    @property
    def depth(self) -> Depth:
        """The book of the pair's usual market."""
        return self.markets[ETH.market_id].depth

    def config(self, market_id: int) -> MarketConfig:
        """Return the rules of a market as they are now."""
        return self.engine.markets[market_id]

    def epoch_ms(self) -> int:
        """Return the venue's wall clock."""
        return START_MS + self.loop.now_ms

    def ladder(self, bids: int = PLENTY, asks: int = PLENTY, market_id: int = 0) -> None:
        """Rest house liquidity: lots on each side, 0 for none."""
        market = self.markets[market_id]
        quotes = [Quote(False, market.bid - i * 10, bids) for i in range(2) if bids]
        quotes += [Quote(True, market.ask + i * 10, asks) for i in range(2) if asks]
        quotes += market.baits
        self.engine.set_ladder(market_id, quotes)
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
        self.nonces[tx.account_index].note(tx.api_key_index, now_ms, nonce or 0)
        if lag_ms := self.lags["tx"].draw_ms(self.dice):
            self.tx_listed_ms[tx_hash] = tx.due_ms + lag_ms
        if fate:
            self.engine.fates[tx_hash] = fate
            if self.say is not None:
                self.say("XX", f"nonce {tx.nonce} of {tx.account_index} will be {fate}")
        self.loop.world_soon(self.pump)
        return tx.due_ms

    def tx_at(self, tx_hash: str, now_ms: int) -> TxStatus | None:
        """Return what a look-up by hash finds at a moment; None for nothing."""
        tx = self.engine.tx_by_hash(tx_hash)
        if tx is None or tx.queued_ms > now_ms:
            return None
        if now_ms < self.tx_listed_ms.get(tx_hash, 0):
            self.tally.reach("transactions listed late")
            return None
        return tx.status if tx.executed_ms <= now_ms else TxStatus.PENDING

    def _on_handed_back(self, account: int, nonce: int) -> None:
        for key in KEYS:
            nonce = self.engine.next_nonce(account, key) or 0
            self.nonces[account].note(key, self.epoch_ms(), nonce)

    async def give(self, account: int, lots: int) -> None:
        """Let an account hold a position from before everything that is told."""
        self.meddle(account, lots)
        await asyncio.sleep(1)
        assert self.lots(account) == lots
        self.first_lots[account] = lots
        self.by_hand.clear()
        self.history[account] = History()
        self.nonces[account] = Nonces()
        for key in KEYS:
            self.nonces[account].note(key, 0, self.engine.next_nonce(account, key) or 0)
        self.log, self.markets[ETH.market_id].tape = Logged(), Tape()
        self.ladder()

    def meddle(
        self, account: int, lots: int, *, key: int = SPARE_KEY, client_id: int = BY_HAND
    ) -> None:
        """Let another client buy (negative: sell) with this account, if the venue takes it."""
        price = 2 * self.markets[ETH.market_id].ask if lots > 0 else 1
        self.by_hand.add(account)
        self._send_foreign(account, key, client_id, lots, price, is_market=True)

    def spend_nonce(self, account: int, *, client_id: int) -> None:
        """Let another program spend the next nonce of the pair's key on what cannot fill."""
        self._send_foreign(account, KEY, client_id, 1, 1, is_market=False)

    def _send_foreign(
        self, account: int, key: int, client_id: int, lots: int, price: int, *, is_market: bool
    ) -> None:
        info = {
            "AccountIndex": account,
            "ApiKeyIndex": key,
            "MarketIndex": ETH.market_id,
            "ClientOrderIndex": client_id,
            "BaseAmount": abs(lots),
            "Price": price,
            "IsAsk": int(lots < 0),
            "Type": int(is_market),
            "TimeInForce": 0,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": 0,
            "ExpiredAt": self.epoch_ms() + 60_000,
            "Nonce": self.engine.next_nonce(account, key) or 0,
            "Sig": "",
            "L2TxAttributes": None,
        }
        try:
            self.front.admit(self.loop.time(), account, CREATE)
            self.submit(CREATE, json.dumps(info), self.new_hash())
        except TxRejected as error:
            if self.say is not None:
                self.say("XX", f"a foreign order is refused: {error}")

    def take(self, lots: int, account: int) -> int:
        """Let the market take up to `lots` of what an account rests; return what it took."""
        resting = self.engine.active_orders(account)
        if not resting:
            return 0
        order = resting[0]
        self._let_strangers_trade(order.market_id)
        trades = self.engine.take(
            order.market_id, is_ask=not order.is_ask, lots=lots, until_account=account
        )
        self.pump()
        return sum(t.lots for t in trades if account in (t.ask_account_index, t.bid_account_index))

    def lots(self, account: int, market_id: int = ETH.market_id) -> int:
        return self.engine.position(account, market_id).position.lots

    def is_held(self, account: int, market_id: int) -> bool:
        """Whether an account has a position or an order in a market."""
        has_order = bool(self.engine.active_orders(account, market_id))
        return has_order or self.lots(account, market_id) != 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued."""
        return not self.engine._queue

    # --- what the market does -------------------------------------------------------------------

    def move(self, price_ticks: int, market_id: int = ETH.market_id) -> None:
        """Let the market go to a price, through every resting order on the way."""
        market, engine = self.markets[market_id], self.engine
        market.bid, market.ask = price_ticks - HALF_SPREAD, price_ticks + HALF_SPREAD
        for account in (A, B):
            for order in engine.active_orders(account, market_id):
                through = order.price <= market.bid if order.is_ask else order.price >= market.ask
                if through:
                    self._let_strangers_trade(market_id)
                    lots, is_ask = order.remaining_lots, not order.is_ask
                    engine.take(market_id, is_ask=is_ask, lots=lots, until_account=account)
        engine.set_mark_price(market_id, price_ticks)
        self.ladder(market_id=market_id)
        self._tell_mark(market_id)

    def _tell_mark(self, market_id: int) -> None:
        mark = Mark(self.engine.mark_price(market_id))
        for socket in tuple(self.sockets):
            socket.on_mark(market_id, mark)

    def part(self, bid: int, ask: int, market_id: int = ETH.market_id) -> None:
        """Let the others' best prices be these, and mark stay; A's orders are left alone."""
        market = self.markets[market_id]
        market.bid, market.ask = bid, ask
        self.ladder(market_id=market_id)

    def bait(self, quotes: tuple[Quote, ...], market_id: int = ETH.market_id) -> None:
        """Let strangers rest these beside the others' orders, and nothing else."""
        self.markets[market_id].baits = quotes
        self.ladder(market_id=market_id)

    def change_rules(self, market_id: int = ETH.market_id, **changes: Any) -> None:
        """Change fields of a market's configuration."""
        market = self.engine._store.markets[market_id]
        market.config = replace(market.config, **changes)

    def lever(self, account: int, imf: int) -> None:
        """Set the initial margin fraction (1e-4) that an account asks of its position."""
        store = self.engine._store
        state = store.accounts[account]
        position = state.position(store.markets[ETH.market_id].config)
        if position.imf != imf:
            store.set_position(state, replace(position, imf=imf, margin_set=True))

    def room_lots(self, account: int) -> int:
        """Return how much more an account can hold, by its own leverage and the market's."""
        config, index = self.config(ETH.market_id), ETH.market_id
        position = self.engine._store.accounts[account].position(config)
        fraction = max(position.imf, config.default_imf)
        cost = config.quote(1, self.engine.mark_price(index)) * fraction
        return max(0, self.available_micros(account)) * 10_000 // cost

    def available_micros(self, account: int) -> int:
        return self.engine.summary(account).available_balance

    def leave_available(self, account: int, micros: int) -> None:
        """Move collateral out of an account, or in, until so much is available."""
        more = micros - self.available_micros(account)
        self.engine.add_collateral(account, max(more, -self.engine.summary(account).collateral))
        self.pump(also_margin=True)

    def liquidate(self, account: int) -> bool:
        """Leave less than the maintenance margin; return whether that was possible."""
        summary = self.engine.summary(account)
        spare = summary.total_value - summary.maintenance_margin
        if not summary.maintenance_margin or not 0 <= spare < summary.collateral:
            return False
        self._let_strangers_trade()
        self.engine.add_collateral(account, -(spare + 1))
        self.pump(also_margin=True)
        return True

    def heal(self) -> None:
        """End what is out of the ordinary; a busy market and a limit of orders are not."""
        self.front.heal()
        self.changes.disarm()
        self.only_pings_until_s = -math.inf
        self.book_kinds, self.margin_kind = (), {}
        self.isolated.clear()
        for account in (A, B):
            self.lever(account, ETH.default_imf)
        self.lags = {kind: Lag() for kind in self.lags}
        for config in (ETH, BTC):
            market = self.engine._store.markets[config.market_id]
            limit = market.config.order_quote_limit_micros
            market.config = replace(config, order_quote_limit_micros=limit)
            market.force_reduce_only = False
        for account in (A, B):
            if (lost := COLLATERAL_USD * USD - self.engine.account(account).collateral) > 0:
                self.engine.add_collateral(account, lost)
        for socket in tuple(self.sockets):
            socket.heal()
        self.markets[ETH.market_id].baits = ()
        self.move(ETH.start_price_ticks)
        self.loop.world_at(self.loop.time() + SETTLED_S, self._buy_back)
        self._margins.clear()
        self.pump(also_margin=True)
        self.tells_margin = False

    def _buy_back(self) -> None:
        """Let the person who traded A by hand end its short position: the pair never would."""
        if A in self.by_hand and self.lots(A) < 0:
            self.meddle(A, -self.lots(A))

    def _let_strangers_trade(self, market_id: int = ETH.market_id) -> None:
        """Let others trade more than a page between any two events of ours, in a busy market."""
        if not self.strangers_per_s:
            return
        store = self.engine._store
        first_id = store.last_trade_id + 1
        store.last_trade_id += 101 + self.dice.randrange(self.strangers_per_s)
        self.markets[market_id].tape.add(first_id, store.last_trade_id, self.epoch_ms())

    def recent(self, account: int, market_id: int, at_ms: int, limit: int) -> "Page":
        """Return one public answer of a market's newest trades, as of a moment."""
        self._let_strangers_trade(market_id)
        market = self.markets[market_id]
        lowest, highest = market.tape.page(at_ms, limit)
        trades = market.history[account].trades_at(at_ms)
        inside = tuple(leg for leg in trades if lowest <= leg.trade_id <= highest)
        if self.strangers_per_s and trades and trades[-1].trade_id < lowest:
            self.tally.reach("busy market")
        return Page(inside, lowest, highest)

    # --- telling ------------------------------------------------------------------------------

    def pump(self, *, also_margin: bool = False) -> None:
        """Do what is due, tell it, and come back when something is due next."""
        now_ms = self.epoch_ms()
        due = self.engine.next_due_ms()
        if self.strangers_per_s and due is not None and due <= now_ms:
            self._let_strangers_trade()
        self.engine.advance(now_ms)
        events = self.engine.drain_events()
        if events or also_margin:
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
        told: dict[int, _Told] = {ETH.market_id: _Told()}
        for event in events:
            if isinstance(event, TradeHappened):
                market_id = event.trade.market_id
                self._note_trade(event, now_ms, told.setdefault(market_id, _Told()))
            elif isinstance(event, OrderChanged):
                market_id = event.order.market_id
                self._note_order(event, now_ms, told.setdefault(market_id, _Told()))
            elif isinstance(event, BookLevelChanged):
                told.setdefault(event.market_id, _Told()).depth_changed = True
        margins = {account: self._new_margin(account) for account in (A, B)}
        for market_id, one in told.items():
            depth = self._new_depth(market_id) if one.depth_changed else None
            frames = {
                account: Frame(
                    tuple(one.trades[account]), tuple(one.rows[account]), margins[account]
                )
                for account in (A, B)
            }
            for socket in tuple(self.sockets):
                socket.on_exchange(market_id, frames, depth)

    def _note_order(self, event: OrderChanged, now_ms: int, told: "_Told") -> None:
        order = event.order
        row = row_of(order)
        history = self.markets[order.market_id].history[order.account_index]
        history.rows.add(row, now_ms, self.lags["row"].draw_ms(self.dice))
        history.row_nonces[order.order_index] = order.tx_nonce
        told.rows[order.account_index].append(row)
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

    def _note_trade(self, event: TradeHappened, now_ms: int, told: "_Told") -> None:
        trade = event.trade
        self.log.trades.append((event.seq, event.mono_ns, trade))
        market, lag_ms = self.markets[trade.market_id], self.lags["trade"].draw_ms(self.dice)
        market.tape.add(trade.trade_id, trade.trade_id, now_ms, lag_ms)
        for account in {trade.ask_account_index, trade.bid_account_index} & {A, B}:
            leg = leg_of(trade, account, states_position=self.states_position)
            history = market.history[account]
            history.trades.add(leg, now_ms, lag_ms)
            self._note_position(history, leg.signed_lots, now_ms)
            told.trades[account].append(leg)
            self.front.earn(account, trade.quote)
        if self.say is not None:
            sold, bought = trade.ask_account_index, trade.bid_account_index
            names = {A: "A", B: "B"}
            text = (
                f"{names.get(sold, 'market')} sells {trade.lots} to {names.get(bought, 'market')}"
            )
            self.say("XX", f"trade {trade.trade_id} (event {event.seq}): {text}")

    def _note_position(self, history: History, signed_lots: int, now_ms: int) -> None:
        """Note a position; what states it may lag, and never shows a mixture of two moments."""
        positions = history.positions
        before = positions.facts[-1] if positions.facts else 0
        lag_ms = self.lags["position"].draw_ms(self.dice)
        lag_ms = max(lag_ms, positions.last_listed_ms - now_ms)
        positions.add(before + signed_lots, now_ms, lag_ms)

    def _new_margin(self, account: int) -> Margin | None:
        """Return what an account has available, if that has changed and matters."""
        collateral = self.engine.account(account).collateral
        has_plenty = collateral > TIGHT_USD * USD and account not in self._margins
        if has_plenty and not self.tells_margin:
            return None
        margin = Margin(self.available_micros(account))
        if margin == self._margins.get(account):
            return None
        self._margins[account] = margin
        return margin

    def _new_depth(self, market_id: int) -> Depth | None:
        """Return the book of a market if its prices have changed."""
        market = self.markets[market_id]

        def side(is_ask: bool) -> tuple[Level, ...]:
            found = self.engine.levels(market_id, is_ask=is_ask, limit=2)
            return tuple(Level(price, lots) for price, lots in found)

        mark = self.engine.mark_price(market_id)
        depth = Depth(side(False), side(True), mark, is_live=True)
        if depth == market.depth:
            return None
        market.depth = depth
        market.moments.append(Moment(self.loop.time(), self._without_a(depth, market_id)))
        return depth

    def _without_a(self, depth: Depth, market_id: int) -> Depth:
        """Return the book without the orders of A, by the engine's own list."""
        own: dict[tuple[bool, int], int] = {}
        for order in self.engine.active_orders(A, market_id):
            key = (order.is_ask, order.price)
            own[key] = own.get(key, 0) + order.remaining_lots

        def side(is_ask: bool) -> tuple[Level, ...]:
            found = self.engine.levels(market_id, is_ask=is_ask, limit=5)
            left = [(price, lots - own.get((is_ask, price), 0)) for price, lots in found]
            return tuple(Level(price, lots) for price, lots in left if lots > 0)

        return Depth(side(False), side(True), depth.mark_ticks)


@dataclass(frozen=True)
class Page:
    """One public answer: an account's legs in it, and the span of everything that it lists."""

    legs: tuple[Trade, ...]
    lowest_id: int
    highest_id: int


class _Told:
    """What one moment has for one market."""

    def __init__(self) -> None:
        self.trades: dict[int, list[Trade]] = {A: [], B: []}
        self.rows: dict[int, list[OrderRow]] = {A: [], B: []}
        self.depth_changed = False


__all__ = ["SimExchange", "TxRejected"]
