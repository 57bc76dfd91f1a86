"""A venue that keeps a history and may lag, a bus in memory, and the parts that hold them.

`Exchange` answers reads from one account's true history; a test lets single answers lag behind it,
fail or be cut short. `Bus` follows the rules of the real messenger for leases and halts. Time is
a `ManualClock`'s: it moves only where everybody who could go on sleeps.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from hedge.bus.port import LeaseAnswer, LinkHandler, Messenger, PairScope, StateSnapshot
from hedge.config.schema import (
    AccountConfig,
    AccountsConfig,
    Config,
    StrategyConfig,
    TimingConfig,
)
from hedge.core.amounts import Side
from hedge.core.records import OrderRow, OrderStatus, Trade
from hedge.daemon.context import Parts
from hedge.daemon.host_store import HostState
from hedge.daemon.logs import Log
from hedge.errors import RedisUnreachableError
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import AccountView, TradePages, Venue, VenueError
from hedge.exchange.sender import Sender
from hedge.wire.control import Halt, Halts, Instances, Lease
from hedge.wire.envelope import Envelope
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.names import LeaseKey, Names, PairLeaseKey
from hedge.wire.record import Record
from hedge.wire.state import Ledger, Neutral, PositionState, Standby
from tests.unit.venue.fakes import ETH, FakeClock, ScriptVenue

CHAIN, ACCOUNT_A, ACCOUNT_B, API_KEY = 304, 101, 102, 5
KEPT_TRADES = 3000
PAGE = 100
A_INSTANCE = "a" * 12
EPOCH_A = "a" * 16
FOREVER_MS = 10**12
NAMES = Names()
PRICE = 300_000


def trade(
    trade_id: int,
    signed_lots: int,
    before: int | None,
    order: int = 1,
    cid: int = 0,
    time_ms: int | None = None,
) -> Trade:
    size = abs(signed_lots)
    return Trade(
        trade_id=trade_id,
        side=Side.of(signed_lots),
        size_lots=size,
        price_ticks=PRICE,
        quote_micros=ETH.quote_micros(size, PRICE),
        order_index=order,
        client_order_index=cid,
        is_maker=False,
        position_before_lots=before,
        time_ms=10_000 * trade_id if time_ms is None else time_ms,
    )


def row(order: int, filled: int, updated_ms: int, cid: int = 0) -> OrderRow:
    return OrderRow(
        order_index=order,
        client_order_index=cid,
        side=Side.BUY,
        initial_lots=max(filled, 1),
        filled_lots=filled,
        price_ticks=PRICE,
        status=OrderStatus.FILLED if filled else OrderStatus.CANCELED_LIQUIDITY,
        reduce_only=False,
        updated_ms=updated_ms,
    )


class ManualClock(FakeClock):
    """Several may sleep at once; the earliest to wake moves time, the others wait for theirs."""

    def __init__(self) -> None:
        super().__init__()
        self._wakes: list[int] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        wake_ms = self.now_ms() + round(seconds * 1000)
        self._wakes.append(wake_ms)
        try:
            await self._turns()
            while self.now_ms() < wake_ms:
                if wake_ms == min(self._wakes):
                    self.advance_ms(wake_ms - self.now_ms())
                else:
                    await self._turns()
        finally:
            self._wakes.remove(wake_ms)

    async def _turns(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


class Exchange(ScriptVenue):
    """One account's truth, told by copies that may lag; `lags` has one entry per trades answer.

    Fence markers are listed among the finished orders unless `lists_markers` is turned off.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.lists_markers = True
        self.marker_ms = 10**15
        self.history: list[Trade] = []
        self.lags: deque[int] = deque()
        self.errors: deque[VenueError] = deque()
        self.reads: list[tuple[int | None, int]] = []
        self.position = 0
        self.account_reads = 0

    def fill(
        self, signed_lots: int, order: int, *, cid: int = 0, trade_id: int = 0, stated: bool = True
    ) -> Trade:
        """Execute one trade; ids grow in order of execution."""
        last = self.history[-1].trade_id if self.history else 0
        before = self.position if stated else None
        done = trade(trade_id or last + 1, signed_lots, before, order, cid)
        self.history.append(done)
        self.position += signed_lots
        return done

    def rows(self, *orders: int) -> tuple[OrderRow, ...]:
        """Return the rows of one answer that lists our fence: these orders as they truly are."""
        found = []
        for order in orders or sorted({done.order_index for done in self.history}):
            done = [one for one in self.history if one.order_index == order]
            filled = sum(one.size_lots for one in done)
            found.append(row(order, filled, done[-1].time_ms if done else 0, 0))
        return (row(999_999, 0, 10**15), *found)

    async def inactive_orders(self, limit: int = 100) -> tuple[OrderRow, ...]:
        self.inactive_reads += 1
        markers = [
            row(900_000 + number, 0, self.marker_ms, order.client_order_index)
            for number, order in enumerate(self.orders)
        ]
        _, *rows = self.rows()
        return (*reversed(markers if self.lists_markers else []), *reversed(rows))[:limit]

    def forget_before(self, trade_id: int) -> None:
        """Keep only the newest trades, as the venue does."""
        self.history = [done for done in self.history if done.trade_id >= trade_id]

    async def trades(self, newer_than: int | None, pages: int = 5) -> TradePages:
        self.reads.append((newer_than, pages))
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.popleft()
        lag = self.lags.popleft() if self.lags else 0
        known = self.history[: len(self.history) - lag]
        if newer_than is None:
            return TradePages(tuple(known[-PAGE:]), complete=True)
        newest = known[-PAGE * pages :]
        complete = len(newest) < PAGE * pages or newest[0].trade_id <= newer_than
        if newest and newest[0].trade_id > newer_than:
            complete = complete and len(newest) < KEPT_TRADES
        above = tuple(done for done in newest if done.trade_id > newer_than)
        return TradePages(above, complete=complete)

    async def account(self) -> AccountView:
        self.account_reads += 1
        return AccountView(10**9, 10**9, self.position)


@dataclass
class Bus:
    """Redis as the managers see it: leases, halts and what was written, all in memory."""

    instance: str
    host: str
    reachable: bool = True
    holder: Lease | None = None
    halts: Halts = field(default_factory=Halts)
    snapshot: StateSnapshot = field(default_factory=StateSnapshot)
    events: list[EventMessage] = field(default_factory=list)
    failures: list[BHedgeFailed] = field(default_factory=list)
    standbys: list[Standby] = field(default_factory=list)
    links: list[LinkHandler] = field(default_factory=list)
    complaints: list[Callable[[str], None]] = field(default_factory=list)
    refuses: bool = False
    """Whether it reads, and takes no writes."""
    refusals: int = 0
    instances: tuple[str, ...] = ()
    pair_holder: Lease | None = None
    """Who else has the two accounts in this market."""
    reads: int = 0
    released: int = 0

    @property
    def me(self) -> Lease:
        return Lease(instance=self.instance, host=self.host)

    def _answer_or_fail(self) -> None:
        if not self.reachable:
            raise RedisUnreachableError("Redis does not answer", "fake:0/0")

    def _write_or_fail(self) -> None:
        self._answer_or_fail()
        if self.refuses:
            self.refusals += 1
            raise RedisUnreachableError("Redis refuses: OOM", "fake:0/0")

    def on_link(self, handler: LinkHandler) -> None:
        self.links.append(handler)

    def on_complaint(self, handler: Callable[[str], None]) -> None:
        self.complaints.append(handler)

    async def acquire_lease(self, key: LeaseKey | PairLeaseKey) -> LeaseAnswer:
        await asyncio.sleep(0)
        self._answer_or_fail()
        if isinstance(key, PairLeaseKey):
            return LeaseAnswer(held=self.pair_holder is None, holder=self.pair_holder)
        before = self.holder
        if before is not None and before != self.me and before.host != self.host:
            return LeaseAnswer(held=False, holder=before)
        self._write_or_fail()
        self.holder = self.me
        took_over = before is not None and before != self.me
        return LeaseAnswer(held=True, holder=None, was_free=before is None, took_over=took_over)

    async def renew_lease(self, key: LeaseKey) -> LeaseAnswer:
        await asyncio.sleep(0)
        self._answer_or_fail()
        if self.holder == self.me:
            self._write_or_fail()
            return LeaseAnswer(held=True)
        return LeaseAnswer(held=False, holder=self.holder, was_free=self.holder is None)

    async def release_lease(self, key: LeaseKey | PairLeaseKey) -> None:
        self._answer_or_fail()
        if isinstance(key, PairLeaseKey):
            return
        self.released += 1
        if self.holder == self.me:
            self.holder = None

    async def read_instances(self, key: LeaseKey) -> tuple[str, ...]:
        self._answer_or_fail()
        return self.instances

    async def write_instances(self, key: LeaseKey, instances: Instances) -> None:
        self._write_or_fail()
        self.instances = instances.instances

    async def stand_by(self, standby: Standby) -> None:
        self._answer_or_fail()
        self.standbys.append(standby)

    async def clear_beat(self, side: str) -> None:
        self._answer_or_fail()

    async def clear_standby(self, side: str) -> None:
        self._answer_or_fail()
        self.standbys.clear()

    async def write_ledger(
        self,
        ledger: Ledger,
        results: Sequence[BFilled] = (),
        *,
        neutral: Neutral | None = None,
        position_b: PositionState | None = None,
        take_free: bool = True,
    ) -> LeaseAnswer:
        return await self.renew_lease(LeaseKey(CHAIN, ACCOUNT_B, API_KEY))

    async def publish_event(self, event: EventMessage) -> None:
        await asyncio.sleep(0)
        self._answer_or_fail()
        self.events.append(event)

    async def publish_failure(self, failure: BHedgeFailed, halts: Halts | None) -> None:
        self._answer_or_fail()
        self.failures.append(failure)
        if halts is not None:
            await self.write_halts(halts)

    async def read_state(self) -> StateSnapshot:
        await asyncio.sleep(0)
        self._answer_or_fail()
        self.reads += 1
        return replace(self.snapshot, halts=self.halts)

    async def write_halts(self, halts: Halts) -> Halts:
        await asyncio.sleep(0)
        self._answer_or_fail()
        self.halts = halts.union(self.halts)
        return self.halts

    @property
    def halt(self) -> Halt | None:
        """The first halt in force."""
        return self.halts.in_force[0] if self.halts.in_force else None

    def resume(self) -> None:
        """Another host has released what is in force."""
        ids = tuple(halt.id for halt in self.halts.in_force)
        self.halts = self.halts.union(Halts(released=ids))


class Bench:
    """One side's parts over the fakes; `restart` is a new process on the same host."""

    def __init__(self, root: Path, side: str = "b") -> None:
        self.root = root
        self.side = side
        self.clock = ManualClock()
        self.venue = Exchange(self.clock)
        self.bus = Bus("", "")
        self.strategy = StrategyConfig()
        self.timing = TimingConfig()
        self.secret: bytes | None = None
        self.max_fill_lots: int | None = None
        self.max_position_lots: int | None = None
        self._host: HostState | None = None
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """The parts, made at the first look; settings changed later need `restart`."""
        if self._parts is None:
            self._parts = self._made()
        return self._parts

    @property
    def host(self) -> HostState:
        return self.parts.host

    def on_disk(self) -> HostState:
        """Return what another process would read from the disk now."""
        self.host.flush()
        return HostState(self.root, *self.host.key)

    def restart(self) -> Parts:
        """Come back as a new process of this host."""
        self.close()
        return self.parts

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
        self._host = self._parts = None

    def _made(self) -> Parts:
        is_a = self.side == "a"
        own = ACCOUNT_A if is_a else ACCOUNT_B
        self._host = host = HostState(self.root, CHAIN, own, API_KEY)
        host.open()
        self.bus.instance, self.bus.host = host.instance, host.host_id
        venue, messenger = cast("Venue", self.venue), cast("Messenger", self.bus)
        return Parts(
            config=self._config(),
            scope=PairScope(
                CHAIN,
                ACCOUNT_A,
                ACCOUNT_B,
                ETH,
                self.max_fill_lots,
                self.max_position_lots,
                self.secret,
            ),
            names=Names(),
            lease=LeaseKey(CHAIN, own, API_KEY),
            venue=venue,
            budget=RequestBudget(self.clock, 40),
            sender=Sender(venue, self.clock, instance=host.instance, cancel_all_first=is_a),
            messenger=messenger,
            clock=self.clock,
            host=host,
            log=Log(),
            instance=host.instance,
            version="test",
        )

    def _config(self) -> Config:
        return Config(
            side=self.side,
            accounts=AccountsConfig(
                account_a=AccountConfig(account_index=ACCOUNT_A, api_key_index=API_KEY),
                account_b=AccountConfig(account_index=ACCOUNT_B, api_key_index=API_KEY),
            ),
            strategy=self.strategy,
            timing=self.timing,
        )


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """Run `work` beside a test; its own failure is the test's."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        done = task.done()
        task.cancel()
        if done:
            task.result()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def always_fresh(_name: str, record: Record | None) -> int | None:
    """Take every value as one that answers our newest heartbeat."""
    return None if record is None else FOREVER_MS


def fill_message(lots: int, seq: int, position: int, **changes: Any) -> AFilled:
    """Return one fill as A publishes it."""
    values: dict[str, Any] = {
        "account_index": ACCOUNT_A,
        "market_index": ETH.market_index,
        "order_index": 7,
        "filled_lots": abs(lots),
        "quote_micros": ETH.quote_micros(abs(lots), PRICE),
        "avg_price_micros": PRICE * 10_000,
        "timestamp": 1_700_000_000,
        "side": Side.of(lots),
        "instance": A_INSTANCE,
        "seq": seq,
        "position_lots": position,
        "chain_id": CHAIN,
        "trade_id": seq,
        "client_order_index": 3,
        "envelope": Envelope("", EPOCH_A, seq),
    }
    return AFilled(**{**values, **changes})


def hand_message(lots: int, timestamp: int = 1) -> AFilled:
    """Return a fill as a person publishes it: nothing below `side`."""
    return AFilled(
        account_index=ACCOUNT_A,
        market_index=ETH.market_index,
        order_index=1,
        filled_lots=abs(lots),
        quote_micros=1,
        avg_price_micros=1,
        timestamp=timestamp,
        side=Side.of(lots),
    )


Recorder = Callable[..., None]


class Calls(list[Any]):
    """Remembers what a handler was called with: one argument as it is, more as a tuple."""

    def __call__(self, *args: Any) -> None:
        self.append(args[0] if len(args) == 1 else args)
