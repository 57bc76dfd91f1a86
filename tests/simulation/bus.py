"""Redis on the virtual clock: keys that expire, scripts in one step, channels that lose messages.

`SimRedis` is the server; `SimMessenger` implements `hedge.bus.port.Messenger` for one process. The
server can be down, wiped, or failed over to an older copy; a host can be cut off from it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hedge.bus.port import (
    HaltAnswer,
    LeaseAnswer,
    LinkHandler,
    PairScope,
    StateSnapshot,
    TextHandler,
)
from hedge.bus.scripts import LeaseMode
from hedge.errors import RedisUnreachableError
from hedge.wire.control import Command, Halt, Lease
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.names import LeaseKey, Names
from hedge.wire.state import Ledger, Neutral, PositionState, Ready, Standby
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.weather import RedisWeather

NAMES = Names()


class SimRedis:
    """One server: values with an optional end, and the undo log of what was written."""

    def __init__(self, loop: VirtualLoop, dice: Random) -> None:
        self.loop = loop
        self.dice = dice
        self.down = False
        self.values: dict[str, tuple[Any, float | None]] = {}
        self._undo: list[tuple[float, str, tuple[Any, float | None] | None]] = []
        self.clients: list[SimMessenger] = []
        self.lost_messages = 0

    def get(self, key: str) -> Any:
        found = self.values.get(key)
        if found is None or (found[1] is not None and found[1] <= self.loop.time()):
            return None
        return found[0]

    def set(self, key: str, value: Any, ttl_s: float | None = None) -> None:
        now = self.loop.time()
        self._undo.append((now, key, self.values.get(key)))
        self.values[key] = (value, None if ttl_s is None else now + ttl_s)

    def delete(self, key: str) -> None:
        self._undo.append((self.loop.time(), key, self.values.pop(key, None)))

    def wipe(self) -> None:
        """Lose everything at once."""
        for key in list(self.values):
            self.delete(key)

    def roll_back(self, seconds: float) -> None:
        """Fail over to a copy that is this much behind."""
        since = self.loop.time() - seconds
        undone = []
        while self._undo and self._undo[-1][0] > since:
            undone.append(self._undo.pop())
        for _, key, before in undone:
            if before is None:
                self.values.pop(key, None)
            else:
                self.values[key] = before

    def publish(self, channel: str, text: str) -> None:
        for client in self.clients:
            client.offer(channel, text)

    # --- the scripts --------------------------------------------------------------------------

    def lease(self, key: str, me: Lease, ttl_s: float, mode: LeaseMode) -> LeaseAnswer:
        """Check and take a lease as the scripts do; `held` False: nothing was written."""
        holder: Lease | None = self.get(key)
        if holder is None:
            if mode is LeaseMode.HELD:
                return LeaseAnswer(held=False, was_free=True)
            self.set(key, me, ttl_s)
            return LeaseAnswer(held=True, was_free=True)
        if holder.instance == me.instance:
            return LeaseAnswer(held=True)
        if mode is LeaseMode.HOST and holder.host == me.host:
            self.set(key, me, ttl_s)
            return LeaseAnswer(held=True, holder=holder, took_over=True)
        return LeaseAnswer(held=False, holder=holder)

    def halt(self, halt: Halt | None) -> HaltAnswer:
        known: Halt | None = self.get(NAMES.halt)
        if halt is not None and not (
            known is not None and (known.is_active or known.id == halt.id)
        ):
            self.set(NAMES.halt, halt)
            return HaltAnswer(stored=True, halt=halt)
        assert known is not None
        return HaltAnswer(stored=False, halt=known)


class SimMessenger:
    """The bus of one process."""

    def __init__(
        self,
        redis: SimRedis,
        process: Process,
        weather: RedisWeather,
        *,
        me: Lease,
        timeout_s: float,
        ready_ttl_s: float,
        lease_ttl_s: float,
    ) -> None:
        self._redis = redis
        self._loop = redis.loop
        self._process = process
        self.weather = weather
        self._me = me
        self._timeout_s = timeout_s
        self._ready_ttl_s, self._lease_ttl_s = ready_ttl_s, lease_ttl_s
        self._handlers: dict[str, list[TextHandler]] = {}
        self._listening = False
        self._hearing: asyncio.Future[None] | None = None
        self.deaf_until = 0.0
        self._last_exec = 0.0
        self._open: list[asyncio.Future[Any]] = []
        self.seen: tuple[float, StateSnapshot] | None = None
        """When this process was last told the state, and what it was told."""
        self._scope: PairScope | None = None
        self._lease_a = self._lease_b = ""

    # --- the way there ------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        return not (self._redis.down or self.weather.cut)

    async def _call(self, operate: Callable[[], Any]) -> Any:
        """Have the server run one command, or raise; calls of one process keep their order."""
        self._process.check()
        loop, weather, dice = self._loop, self.weather, self._redis.dice
        started = loop.time()
        future: asyncio.Future[Any] = loop.create_future()
        self._open.append(future)
        at = max(self._last_exec, started + weather.latency_s)
        self._last_exec = at
        fate = dice.random() if weather.lose_request + weather.lose_answer else 1.0
        if fate < weather.lose_request:
            loop.world_at(started + self._timeout_s, self._fail, future)
        elif fate < weather.lose_request + weather.lose_answer:
            late = dice.random() < weather.late_write
            when = at + dice.uniform(0, 3 * self._timeout_s) if late else at
            loop.world_at(when, self._operate, operate, None)
            loop.world_at(started + self._timeout_s, self._fail, future)
        else:
            loop.world_at(at, self._operate, operate, future)
        try:
            result = await future
        finally:
            if future in self._open:
                self._open.remove(future)
        self._process.check()
        if loop.time() - started > self._timeout_s + 0.001:
            raise RedisUnreachableError("Redis did not answer in time", "sim")
        return result

    def _operate(self, operate: Callable[[], Any], future: asyncio.Future[Any] | None) -> None:
        if not self.reachable:
            if future is not None and not future.done():
                refused = self._redis.dice.random() < 0.5
                wait_s = 0.001 if refused else self._timeout_s
                self._loop.world_at(self._loop.time() + wait_s, self._fail, future)
            return
        result = operate()
        if future is not None and not future.done():
            future.set_result(result)

    def _fail(self, future: asyncio.Future[Any]) -> None:
        """A call without an answer drops the connection, and the calls in flight with it."""
        if future.done():
            return
        waiting, self._open = self._open, []
        for one in waiting:
            if not one.done():
                one.set_exception(RedisUnreachableError("Redis is not reachable", "sim"))

    # --- channels -----------------------------------------------------------------------------

    def offer(self, channel: str, text: str) -> None:
        """Carry one message to this process, or lose it."""
        if not self._listening or channel not in self._handlers:
            return
        weather, dice, now = self.weather, self._redis.dice, self._loop.time()
        if not self.reachable or now < self.deaf_until or dice.random() < weather.lose_message:
            self._redis.lost_messages += 1
            return
        times = 2 if dice.random() < weather.repeat_message else 1
        for _ in range(times):
            late = dice.random() < weather.delay_message
            delay = dice.uniform(0, 4) if late else weather.latency_s
            self._loop.call_at(
                now + delay, self._deliver, channel, text, context=self._process.context
            )

    def _deliver(self, channel: str, text: str) -> None:
        if self._process.dead:
            return
        try:
            for handler in self._handlers[channel]:
                handler(text)
        except Exception as error:  # noqa: BLE001  it ends the task that listens
            if self._hearing is not None and not self._hearing.done():
                self._hearing.set_exception(error)

    def bind(self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None) -> None:
        self._scope = scope
        self._lease_a = lease_a.name if lease_a else ""
        self._lease_b = lease_b.name if lease_b else ""

    def subscribe(self, channel: str, handler: TextHandler) -> None:
        self._handlers.setdefault(channel, []).append(handler)

    def on_link(self, handler: LinkHandler) -> None:
        """The managers decide nothing by it."""

    def on_complaint(self, handler: Callable[[str], None]) -> None:
        """Nor by this."""

    async def start_listening(self) -> None:
        await asyncio.sleep(self.weather.latency_s * 2)
        self._process.check()
        self._listening = True
        self._hearing = self._loop.create_future()
        try:
            await self._hearing
        finally:
            self._listening = False

    # --- leases -------------------------------------------------------------------------------

    async def _lease(self, key: str, mode: LeaseMode) -> LeaseAnswer:
        def operate() -> LeaseAnswer:
            answer = self._redis.lease(key, self._me, self._lease_ttl_s, mode)
            if answer.held:
                self._redis.set(key, self._me, self._lease_ttl_s)
            return answer

        answer: LeaseAnswer = await self._call(operate)
        return answer

    async def acquire_lease(self, key: LeaseKey) -> LeaseAnswer:
        return await self._lease(key.name, LeaseMode.HOST)

    async def renew_lease(self, key: LeaseKey) -> LeaseAnswer:
        return await self._lease(key.name, LeaseMode.HELD)

    async def release_lease(self, key: LeaseKey) -> None:
        def operate() -> None:
            holder = self._redis.get(key.name)
            if holder is not None and holder.instance == self._me.instance:
                self._redis.delete(key.name)

        await self._call(operate)

    # --- writing ------------------------------------------------------------------------------

    async def _write(
        self,
        lease: str,
        values: dict[str, Any],
        told: Sequence[tuple[str, str]] = (),
        *,
        take_free: bool = True,
    ) -> LeaseAnswer:
        def operate() -> LeaseAnswer:
            mode = LeaseMode.FREE if take_free else LeaseMode.HELD
            answer = self._redis.lease(lease, self._me, self._lease_ttl_s, mode)
            if answer.held:
                for key, value in values.items():
                    self._redis.set(key, value)
                for channel, text in told:
                    self._redis.publish(channel, text)
            return answer

        answer: LeaseAnswer = await self._call(operate)
        return answer

    async def publish_fill(self, position: PositionState, fill: AFilled) -> LeaseAnswer:
        assert self._scope is not None
        text = fill.to_json(self._scope.spec, self._scope.secret)
        values = {NAMES.position_a: position}
        return await self._write(self._lease_a, values, [(NAMES.account_a_filled, text)])

    async def write_position(self, position: PositionState) -> LeaseAnswer:
        return await self._write(self._lease_a, {NAMES.position_a: position})

    async def write_ledger(
        self,
        ledger: Ledger,
        results: Sequence[BFilled] = (),
        *,
        neutral: Neutral | None = None,
        position_b: PositionState | None = None,
        take_free: bool = True,
    ) -> LeaseAnswer:
        values: dict[str, Any] = {NAMES.ledger: ledger}
        if neutral is not None:
            values[NAMES.neutral] = neutral
        if position_b is not None:
            values[NAMES.position_b] = position_b
        told = [(NAMES.account_b_filled, "a result") for _ in results]
        return await self._write(self._lease_b, values, told, take_free=take_free)

    async def publish_failure(self, failure: BHedgeFailed, halt: Halt | None) -> HaltAnswer | None:
        def operate() -> HaltAnswer | None:
            answer = self._redis.halt(halt) if halt is not None else None
            self._redis.publish(NAMES.account_b_hedge_failed, "a failure")
            return answer

        answer: HaltAnswer | None = await self._call(operate)
        return answer

    async def publish_event(self, event: EventMessage) -> None:
        await self._call(lambda: None)

    async def beat(self, ready: Ready) -> None:
        key = NAMES.ready(ready.side)
        await self._call(lambda: self._redis.set(key, ready, self._ready_ttl_s))

    async def clear_beat(self, side: str) -> None:
        await self._call(lambda: self._redis.delete(NAMES.ready(side)))

    async def stand_by(self, standby: Standby) -> None:
        key = NAMES.standby(standby.side, standby.instance)
        await self._call(lambda: self._redis.set(key, standby, self._ready_ttl_s))

    async def clear_standby(self, side: str) -> None:
        key = NAMES.standby(side, self._me.instance)
        await self._call(lambda: self._redis.delete(key))

    # --- reading ------------------------------------------------------------------------------

    async def read_state(self) -> StateSnapshot:
        snapshot: StateSnapshot = await self._call(self._snapshot)
        self.seen = (self._loop.time(), snapshot)
        return snapshot

    def _snapshot(self) -> StateSnapshot:
        get = self._redis.get
        return StateSnapshot(
            position_a=get(NAMES.position_a),
            position_b=get(NAMES.position_b),
            ledger=get(NAMES.ledger),
            neutral=get(NAMES.neutral),
            ready_a=get(NAMES.ready_a),
            ready_b=get(NAMES.ready_b),
            halt=get(NAMES.halt),
            command=get(NAMES.command),
            lease_a=get(self._lease_a),
            lease_b=get(self._lease_b),
        )

    # --- people -------------------------------------------------------------------------------

    async def set_halt(self, halt: Halt) -> HaltAnswer:
        answer: HaltAnswer = await self._call(lambda: self._redis.halt(halt))
        return answer

    async def mark_resumed(
        self, halt_id: str, resumed: int, *, forced: bool = False, note: str = ""
    ) -> Halt | None:
        def operate() -> Halt | None:
            halt: Halt | None = self._redis.get(NAMES.halt)
            if halt is None or halt.id != halt_id:
                return None
            if not halt.is_active:
                return halt
            record = replace(halt, resumed=resumed, forced=forced, note=note)
            self._redis.set(NAMES.halt, record)
            return record

        record: Halt | None = await self._call(operate)
        return record

    async def send_command(self, command: Command) -> None:
        await self._call(lambda: self._redis.set(NAMES.command, command, 60))

    async def aclose(self) -> None:
        self._listening = False
