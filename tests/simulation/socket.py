"""What every way to the exchange has in common: a socket that carries frames, or loses them."""

import asyncio
import math
from random import Random
from typing import Any, Protocol

from hedge.core.records import Depth
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import Priority, VenueUnavailableError
from tests.simulation.exchange import START_MS, Frame, SimExchange
from tests.simulation.host import Host
from tests.simulation.loop import Process, VirtualLoop


class Socket:
    """One socket of one process, about one account; a lost one comes back by itself."""

    def __init__(
        self,
        exchange: SimExchange,
        host: Host,
        process: Process,
        account: int,
        dice: Random,
        retry_s: float = 0.25,
    ) -> None:
        self.exchange, self.host, self.process, self.dice = exchange, host, process, dice
        self._loop = exchange.loop
        self._account = account
        self._retry_s = retry_s
        self._session = 0
        self._silent_until = -math.inf
        self.lost: asyncio.Future[str] | None = None
        self.is_up = False

    # --- what a kind of socket adds ---------------------------------------------------------

    def on_open(self) -> None:
        """Take the first frames."""

    def on_lost(self, reason: str) -> None:
        """The socket is gone."""

    def parts_of(self, frame: Frame) -> list[Any]:
        """Return what this socket carries of a moment, one part per channel."""
        raise NotImplementedError

    def tell(self, content: Any) -> None:
        """Hand one part to the process."""
        raise NotImplementedError

    @property
    def drop(self) -> float:
        """Chance that a frame is lost on a live socket."""
        return self.host.venue.drop_frame

    # --- running --------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return round(self._loop.time() * 1000) + START_MS

    async def run_socket(self) -> None:
        self.exchange.listeners.append(self._on_exchange)
        try:
            while True:
                await self._run_session()
                await asyncio.sleep(self._retry_s * self.dice.uniform(0.5, 1.5))
        finally:
            self.exchange.listeners.remove(self._on_exchange)

    async def _run_session(self) -> None:
        self.process.check()
        await asyncio.sleep(3 * self.host.venue.latency_s)
        if self.host.venue.cut:
            await asyncio.sleep(1)
            return
        self._session += 1
        self._silent_until = -math.inf
        self.lost = self._loop.create_future()
        self.is_up = True  # frames from here on are for this session
        self.on_open()
        reason = await self.lost
        self.process.check()
        self.is_up = False
        self.on_lost(reason)

    def lose_stream(self, reason: str) -> None:
        """Cut the socket, as the network or the server does."""
        if self.is_up and self.lost is not None and not self.lost.done():
            self.is_up = False
            self.lost.set_result(reason)

    def fall_silent(self, seconds: float) -> None:
        """Carry nothing on a socket that seems to live, until its reader gives it up."""
        self._silent_until = self._loop.time() + seconds
        session = self._session

        def give_up() -> None:
            if session == self._session:
                self.lose_stream("no word for too long")

        self._loop.world_at(self._silent_until, give_up)

    def _on_exchange(self, frames: dict[int, Frame], depth: Depth | None) -> None:
        """Carry what happened to this process, or lose it."""
        if not self.is_up or self.process.dead:
            return
        weather, dice = self.host.venue, self.dice
        parts = self.parts_of(frames[self._account])
        if weather.delay_frame and len(parts) == 2 and dice.random() < 0.5:
            parts.reverse()
        if weather.lose_stream and parts and dice.random() < weather.lose_stream:
            self.lose_stream("the socket was reset")
            return
        for part in parts:
            if self.drop and dice.random() < self.drop:
                continue
            repeats = 2 if weather.repeat_frame and dice.random() < weather.repeat_frame else 1
            for number in range(repeats):
                late = number or (weather.delay_frame and dice.random() < weather.delay_frame)
                delay = dice.uniform(0, weather.delay_s) if late else weather.latency_s
                self._carry(delay, part)
        if depth is not None:
            self._carry(weather.latency_s, depth)

    def _carry(self, delay_s: float, content: Any) -> None:
        when = self._loop.time() + delay_s
        context = self.process.context
        self._loop.call_at(when, self._deliver, self._session, content, context=context)

    def _deliver(self, session: int, content: Any) -> None:
        if self.process.dead or session != self._session or not self.is_up:
            return
        if self._loop.time() < self._silent_until:
            return
        try:
            self.tell(content)
        except Exception as error:  # noqa: BLE001  it ends the task that reads the socket
            if self.lost is not None and not self.lost.done():
                self.lost.set_exception(error)


class Reader(Protocol):
    """Who reads: a process on a host."""

    process: Process
    host: Host
    dice: Random
    _loop: VirtualLoop

    def now_ms(self) -> int:
        """Return the venue's time."""


async def read_at(reader: Reader, budget: RequestBudget) -> int:
    """Go there and back; return the moment (epoch ms) as of which the answer is."""
    reader.process.check()
    await budget.take(Priority.NORMAL)
    weather, dice = reader.host.venue, reader.dice
    await asyncio.sleep(2 * weather.latency_s)
    reader.process.check()
    if weather.cut:
        await asyncio.sleep(1)
        raise VenueUnavailableError("not reachable")
    if weather.fail_read and dice.random() < weather.fail_read:
        raise VenueUnavailableError("500")
    if weather.stale_read and dice.random() < weather.stale_read:
        return reader.now_ms() - round(dice.uniform(0, weather.stale_s) * 1000)
    return reader.now_ms()
