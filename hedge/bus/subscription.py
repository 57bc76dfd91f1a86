"""One connection for subscriptions, which proves again and again that it really hears."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cached_property
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from hedge.bus.commands import DOUBTED_EVERY_S, CommandLink
from hedge.bus.connection import async_pool, close_sentinels, new_connection
from hedge.bus.diagnosis import REDIS_PROBLEMS, unreachable, where
from hedge.bus.masters import MasterWatch
from hedge.bus.port import LinkHandler, TextHandler
from hedge.bus.replies import fitting, is_notice
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.errors import RedisUnreachableError


class LinkLostError(Exception):
    """The subscription link is not to be trusted any more; the reason is its text."""


def backoff(shortest_s: float, longest_s: float, chance: random.Random) -> Iterator[float]:
    """Yield growing pauses with jitter, from `shortest_s` up to `longest_s`, for ever."""
    pause = shortest_s
    while True:
        yield chance.uniform(pause / 2, pause)
        pause = min(pause * 1.8, longest_s)


class Listener:
    """Listens to channels until cancelled, whatever happens to the connection.

    Alive means more than connected: every `link_check_s` it subscribes to a private channel, which
    makes the server tell how many subscriptions this very connection has, publishes a word there
    through the command link, and must hear it. Otherwise it connects and subscribes anew.
    """

    def __init__(
        self,
        settings: RedisConfig,
        timing: TimingConfig,
        commands: CommandLink,
        probe_channel: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self._settings = settings
        self._timing = timing
        self._commands = commands
        self._probe_channel = probe_channel
        self._sleep = sleep
        self._chance = chance or random.Random()  # noqa: S311 (jitter, no secret)
        self._handlers: dict[str, list[TextHandler]] = {}
        self._watchers: list[LinkHandler] = []
        self._complaint: Callable[[str], None] | None = None
        self._is_up: bool | None = None
        self._healthy_checks = 0
        self._subscribed: asyncio.Future[int] | None = None
        self._heard: asyncio.Future[str] | None = None
        self._round = 0
        self._doubted = asyncio.Event()

    @cached_property
    def _pool(self) -> redis.asyncio.ConnectionPool:
        timing = self._timing
        return async_pool(self._settings, timing.redis_timeout_s, timing.redis_connect_s)

    @cached_property
    def _masters(self) -> MasterWatch:
        return MasterWatch(self._pool, self._timing.redis_connect_s)

    @property
    def is_up(self) -> bool:
        """Whether the subscriptions are proven alive."""
        return self._is_up is True

    def add(self, channel: str, handler: TextHandler) -> None:
        """Hear a channel. Raises RuntimeError while listening: the link would not know it."""
        if self._is_up is not None:
            raise RuntimeError("subscribe before start_listening")
        self._handlers.setdefault(channel, []).append(handler)

    def watch(self, handler: LinkHandler) -> None:
        """Call `handler` at every change of the link."""
        self._watchers.append(handler)

    def complain_to(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with one sentence whenever the link is lost."""
        self._complaint = handler

    async def run(self) -> None:
        """Listen until cancelled. A handler's own exception ends it."""
        try:
            await self._run()
        finally:
            await close_sentinels(self._pool)

    async def _run(self) -> None:
        pauses = self._pauses()
        self._is_up = False
        while True:
            reason = await self._session()
            if self._healthy_checks > 1:  # connected is not healthy yet
                pauses = self._pauses()
            self._tell(up=False)
            if self._complaint is not None:
                self._complaint(reason)
            await self._sleep(next(pauses))

    def _pauses(self) -> Iterator[float]:
        timing = self._timing
        return backoff(timing.redis_retry_min_s, timing.redis_retry_max_s, self._chance)

    def _tell(self, *, up: bool) -> None:
        if self._is_up is not up:
            self._is_up = up
            for watcher in self._watchers:
                watcher(up)

    async def _session(self) -> str:
        """Connect, subscribe and listen; return why that ended."""
        connection = new_connection(self._pool)
        self._healthy_checks = 0
        reasons: list[str] = []
        try:
            await self._open(connection)
            # Neither task fails for a lost link: before Python 3.12 a TaskGroup raises a child's
            # error in place of a cancellation that comes at the same time.
            async with asyncio.TaskGroup() as group:
                read, check = (
                    group.create_task(_until_lost(work, connection, reasons), name=name)
                    for name, work in (("redis-listen", self._read), ("redis-check", self._check))
                )
                read.add_done_callback(lambda _: check.cancel())
                check.add_done_callback(lambda _: read.cancel())
        except LinkLostError as error:
            reasons.append(str(error))
        finally:
            await connection.disconnect(nowait=True)
        return "; ".join(reasons)

    async def _open(self, connection: AbstractConnection) -> None:
        try:
            async with asyncio.timeout(self._timing.redis_connect_s):
                await connection.connect()  # type: ignore[no-untyped-call]
                if self._handlers:
                    await connection.send_command("SUBSCRIBE", *self._handlers, check_health=False)
        except REDIS_PROBLEMS as error:
            raise LinkLostError(str(unreachable(self._settings, error))) from error
        self._masters.opened(connection)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                answer = fitting(await connection.read_response(), is_notice)
            except (redis.ConnectionError, OSError) as error:  # Redis may serve all the others
                place = where(self._settings)
                text = f"its connection to Redis at {place} was closed ({error})"
                raise LinkLostError(text) from error
            except REDIS_PROBLEMS as error:
                raise LinkLostError(str(unreachable(self._settings, error))) from error
            kind, channel, content = answer
            if kind == "message":
                self._deliver(channel, content)
            elif channel == self._probe_channel:
                if kind == "subscribe":
                    _resolve(self._subscribed, content)
            elif kind == "unsubscribe":
                raise LinkLostError(f"the server ended the subscription to {channel}")
            # Messages that wait in the buffer are read without a pause: a flood of them would keep
            # every other task from its turn, the heartbeat first of all.
            await asyncio.sleep(0)

    def _deliver(self, channel: str, text: str) -> None:
        if channel == self._probe_channel:
            _resolve(self._heard, text)
            return
        for handler in self._handlers.get(channel, ()):
            handler(text)

    async def _check(self, connection: AbstractConnection) -> None:
        while True:
            await self._prove(connection)
            self._healthy_checks += 1
            self._tell(up=True)
            await self._until_doubted()
            if why := await self._masters.deposed(connection):
                raise LinkLostError(f"leaving Redis: {why}")

    def doubt_master(self) -> None:
        """Check soon whether the link leads to the master still."""
        self._doubted.set()

    async def _until_doubted(self) -> None:
        """Return when the next check is due: sooner where the master is in doubt."""
        timing = self._timing
        if not self._masters.is_needed:
            await self._sleep(timing.link_check_s)
            return
        self._doubted.clear()
        await self._sleep(min(DOUBTED_EVERY_S, timing.link_check_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.link_check_s - DOUBTED_EVERY_S):
                await self._doubted.wait()

    async def _prove(self, connection: AbstractConnection) -> None:
        """Raise LinkLostError unless every subscription is there and a word comes through."""
        loop = asyncio.get_running_loop()
        self._subscribed, self._heard = loop.create_future(), loop.create_future()
        self._round += 1
        try:
            async with self._step("subscribing"):
                await connection.send_command("SUBSCRIBE", self._probe_channel, check_health=False)
                count = await self._subscribed
            if count != len(self._handlers) + 1:
                raise LinkLostError(
                    f"the server knows {count - 1} of {len(self._handlers)} subscriptions"
                )
            await self._commands.publish(self._probe_channel, f"{self._round}")
            async with self._step("hearing its own probe"):
                await self._heard
            async with self._step("unsubscribing"):
                await connection.send_command(
                    "UNSUBSCRIBE", self._probe_channel, check_health=False
                )
        except RedisUnreachableError as error:
            raise LinkLostError(str(error)) from error
        except REDIS_PROBLEMS as error:
            raise LinkLostError(str(unreachable(self._settings, error))) from error

    @contextlib.asynccontextmanager
    async def _step(self, step: str) -> AsyncIterator[None]:
        """Bound one round trip. Raises LinkLostError where it takes too long."""
        try:
            async with asyncio.timeout(self._timing.redis_timeout_s):
                yield
        except TimeoutError as error:
            raise LinkLostError(f"the subscription link is dead: {step} took too long") from error


async def _until_lost(
    work: Callable[[AbstractConnection], Awaitable[None]],
    connection: AbstractConnection,
    reasons: list[str],
) -> None:
    """Work until the link is lost, and note why it was."""
    try:
        await work(connection)
    except LinkLostError as error:
        reasons.append(str(error))


def _resolve(waiting: "asyncio.Future[Any] | None", value: object) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(value)
