"""What every way to the exchange has in common: a socket that carries frames, loses or bends them.

What a frame carries is told by its type: trades and order rows (tuples), a position (int), a
`Margin`, a `Depth`, a `Mark`.
"""

import asyncio
import math
from random import Random
from typing import Any, Protocol

from hedge.core.records import Depth, Trade
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.streams.connection import LinkLostError
from hedge.exchange.port import Priority, VenueUnavailableError
from paper.limits import Verdict
from tests.simulation import lies
from tests.simulation.exchange import ETH, START_MS, Frame, Margin, Mark, SimExchange
from tests.simulation.host import Host
from tests.simulation.loop import Process, VirtualLoop

ONLY_PINGS = "only pings"
FIRST_FRAMES_S = 15.0
"""So long a new socket is waited for that shows nothing."""
_KIND_OF = {"reset": "socket lost", "cut off": "cut from exchange"}
"""What a blow says when it cuts a socket to the kind of that blow."""


class Socket:
    """One socket of one process, about one account; a lost one comes back by itself."""

    is_public = False
    """Whether it shows another account."""

    def __init__(
        self,
        exchange: SimExchange,
        host: Host,
        process: Process,
        account: int,
        dice: Random,
        retry_s: float = 0.25,
        *,
        budget: RequestBudget,
        market_id: int = ETH.market_id,
    ) -> None:
        self.exchange, self.host, self.process, self.dice = exchange, host, process, dice
        self.budget = budget
        self._loop = exchange.loop
        self._account = account
        self.market = exchange.markets[market_id]
        self._retry_s = retry_s
        self._session = 0
        self._silent_until = -math.inf
        self._stopped: dict[str, float] = {}
        """Channel to the moment until which it carries nothing on a live socket."""
        self._book_is_bent = False
        self.lies: list[lies.Lie] = []
        """What bends the next frames that it can bend."""
        self.answer_lies: list[lies.Lie] = []
        """What bends the next answers of newest trades, one each; the answers after it are true."""
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

    def is_kept_back(self, content: Any) -> bool:
        """Whether a live socket does not carry this part, for a reason of its kind."""
        return False

    @property
    def drop(self) -> tuple[float, str]:
        """Chance that a frame is lost on a live socket, and the kind of that fault."""
        return self.host.venue.drop_frame, "frame dropped"

    # --- running --------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return START_MS + self._loop.now_ms

    @property
    def is_only_pings(self) -> bool:
        """Whether sockets carry nothing but pings now."""
        return self._loop.time() < self.exchange.only_pings_until_s

    def reach(self, kind: str) -> None:
        """Count that a living process met a fault."""
        if not self.process.dead:
            self.exchange.tally.reach(kind)

    async def run_socket(self) -> None:
        self.exchange.sockets.append(self)
        try:
            while True:
                await self._run_session()
                await asyncio.sleep(self._retry_s * self.dice.uniform(0.5, 1.5))
        finally:
            self.exchange.sockets.remove(self)

    async def _run_session(self) -> None:
        self.process.check()
        await asyncio.sleep(3 * self.host.venue.latency_s)
        if self.host.venue.cut:
            self.reach("cut from exchange")
            await asyncio.sleep(1)
            return
        if self._loop.time() < self.exchange.front.sockets_closed_until_s:
            self.reach("handshake refused")
            self.budget.refused()
            await asyncio.sleep(self.budget._silence_s)
            return
        if self.is_only_pings:
            self.reach(ONLY_PINGS)  # no first frame comes, so it is opened anew
            await asyncio.sleep(FIRST_FRAMES_S)
            return
        self._session += 1
        self._silent_until = -math.inf
        self._stopped.clear()
        self.lies = [lie for lie in self.lies if not lie.until_reconnect]
        self.lost = self._loop.create_future()
        self.is_up = True  # frames from here on are for this session
        self.on_open()
        reason = await self.lost
        self.process.check()
        self.is_up = False
        self.on_lost(reason)

    def lose_stream(self, reason: str, kind: str = "") -> None:
        """Cut the socket, as the network or the server does."""
        if self.is_up and self.lost is not None and not self.lost.done():
            self.is_up = False
            self.lost.set_result(reason)
            if kind := kind or _KIND_OF.get(reason, ""):
                self.reach(kind)

    def fall_silent(self, seconds: float) -> None:
        """Carry nothing on a socket that seems to live, until its reader gives it up."""
        self._silent_until = self._loop.time() + seconds
        session = self._session

        def give_up() -> None:
            if session == self._session:
                self.lose_stream("no word for too long")

        self._loop.world_at(self._silent_until, give_up)

    def carry_book(self) -> None:
        """Send the book as it is, as a socket does that was subscribed anew."""
        if self.is_up and not self.process.dead and not self.is_public:
            self._carry(self.host.venue.latency_s, self.market.depth)

    def heal(self) -> None:
        """Say the truth from here on; what was said stays said."""
        self.answer_lies.clear()
        if self.lies or self._stopped or self._book_is_bent:
            self.lies.clear()
            self._stopped.clear()
            self.carry_book()

    def stop_channel(self, channel: str, seconds: float) -> None:
        """Carry one channel no more while the others go on; then it is subscribed to anew."""
        if self._loop.time() < self._stopped.get(channel, 0.0):
            return  # its reader asks for a snapshot, and gives it up where none comes
        self._stopped[channel] = self._loop.time() + seconds
        session = self._session

        def resubscribe() -> None:
            if session != self._session or not self.is_up or self.process.dead:
                return
            if channel not in self._stopped:
                return
            if channel == "book":
                self.carry_book()
            else:
                self.lose_stream(f"nothing on {channel} for too long")

        self._loop.world_at(self._stopped[channel], resubscribe)

    def on_exchange(self, market_id: int, frames: dict[int, Frame], depth: Depth | None) -> None:
        """Carry what happened to this process, or lose it."""
        if not self.is_up or self.process.dead or market_id != self.market.index:
            return
        weather, dice = self.host.venue, self.dice
        parts = self.parts_of(frames[self._account])
        if weather.delay_frame and len(parts) > 1 and dice.random() < 0.5:
            parts.reverse()
        if weather.lose_stream and parts and dice.random() < weather.lose_stream:
            self.lose_stream("the socket was reset", "stream lost")
            return
        drop, kind = self.drop
        for part in parts:
            if drop and dice.random() < drop:
                self.reach(kind)
                continue
            repeats = 2 if weather.repeat_frame and dice.random() < weather.repeat_frame else 1
            for number in range(repeats):
                late = number or (weather.delay_frame and dice.random() < weather.delay_frame)
                delay = dice.uniform(0, weather.delay_s) if late else weather.latency_s
                if number or late:
                    self.reach("frame repeated" if number else "frame late")
                self._carry(delay, part)
        if depth is not None:
            self._carry(weather.latency_s, depth)

    def on_mark(self, market_id: int, mark: Mark) -> None:
        """Carry the mark price, also while the book is not carried."""
        if self.is_up and market_id == self.market.index and not self.is_public:
            self._carry(self.host.venue.latency_s, mark)

    def _carry(self, delay_s: float, content: Any) -> None:
        when = self._loop.time() + delay_s
        context = self.process.context
        self._loop.call_at(when, self._deliver, self._session, content, context=context)

    def _deliver(self, session: int, content: Any) -> None:
        if self.process.dead or session != self._session or not self.is_up:
            return
        if self._loop.time() < self._silent_until:
            if not isinstance(content, Depth | Mark):
                self.reach("socket silent")
            return
        if self.is_only_pings:
            self.reach(ONLY_PINGS)
            return
        if self.is_kept_back(content):
            return
        if self._stopped and self._loop.time() < self._stopped.get(channel_of(content), 0.0):
            self.reach("channel stops")
            return
        if self.lies or self.host.venue.lies:
            content = self._bent(content)
            if content is None:  # nothing that can be read
                return
        try:
            self.tell(content)
        except Exception as error:  # noqa: BLE001  it ends the task that reads the socket
            if self.lost is not None and not self.lost.done():
                self.lost.set_exception(error)

    def _bent(self, content: Any) -> Any:
        """Return what a frame says after all that bends it."""
        weather, told = self.host.venue, content
        kind, chance = weather.lie_about(channel_of(content), is_public=self.is_public)
        if chance and self.dice.random() < chance:
            self.exchange.tally.inject(kind)
            told = self._note_lie(kind, told, lies.bend(told, self.dice))
        for lie in tuple(self.lies):
            if channel_of(content) not in lie.channels:
                continue
            try:
                bent = lie.bent(told)
            except LinkLostError as error:
                self.lies.remove(lie)
                self.lose_stream(str(error))
                return None
            if bent != told and not lie.until_reconnect:
                self.lies.remove(lie)
            told = self._note_lie(lie.kind, told, bent)
            if told is None:
                return None
        return told

    def answered(self, trades: tuple[Trade, ...]) -> tuple[Trade, ...]:
        """Return what one answer lists of our newest trades, oldest first: the newest one is bent.

        Nothing excuses what a process trades on that: the next answer is true.
        """
        if not (self.answer_lies and trades):
            return trades
        lie = self.answer_lies[0]
        bent: tuple[Trade, ...] = lie.bent(trades[-1:])
        if bent == trades[-1:]:
            return trades
        self.answer_lies.remove(lie)
        self.reach(lie.kind)
        if self.exchange.say is not None:
            self.exchange.say("XX", f"{self.process.name} is answered {bent}, not {trades[-1:]}")
        found = {(one.trade_id, one.side): one for one in (*trades[:-1], *bent)}
        return tuple(found[key] for key in sorted(found, key=lambda key: (key[0], key[1].sign)))

    def _note_lie(self, kind: str, told: Any, bent: Any) -> Any:
        if bent != told:
            self._book_is_bent = isinstance(bent, Depth)
            if self.exchange.on_lie is not None and bent is not None:
                self.exchange.on_lie(lies.false_lots(told, bent))
            self.reach(kind)
            if self.exchange.say is not None:
                self.exchange.say("XX", f"{self.process.name} is told {bent}, not {told}")
        return bent


def channel_of(content: Any) -> str:
    """Return the channel of what a frame carries."""
    if isinstance(content, Depth):
        return "book"
    if isinstance(content, Margin):
        return "margin"
    if isinstance(content, Mark):
        return "mark"
    if isinstance(content, int):
        return "position"
    return "trades" if isinstance(content[0], Trade) else "rows"


class Reader(Protocol):
    """Who reads: a process on a host."""

    is_public: bool
    exchange: SimExchange
    process: Process
    host: Host
    budget: RequestBudget
    dice: Random
    _loop: VirtualLoop
    _account: int

    def now_ms(self) -> int:
        """Return the venue's time."""

    def reach(self, kind: str) -> None:
        """Count that a living process met a fault."""


_URGENT = frozenset({"nextNonce", "trades", "accountInactiveOrders", "tx"})
"""Reads that may use the reserve of the budget, as the product's own client has them."""


async def read_at(reader: Reader, call: str, priority: Priority = Priority.NORMAL) -> int:
    """Go there and back; return the moment (epoch ms) as of which the answer is.

    `priority` is that of a call that is not always urgent.

    Raises VenueUnavailableError.
    """
    reader.process.check()
    try:
        await reader.budget.take(Priority.URGENT if call in _URGENT else priority)
    except VenueUnavailableError:
        if reader.exchange.front.limits is not None:
            reader.reach("standard limits")
        raise
    weather, dice = reader.host.venue, reader.dice
    await asyncio.sleep(2 * weather.latency_s)
    reader.process.check()
    if weather.cut:
        reader.reach("cut from exchange")
        await asyncio.sleep(1)
        raise VenueUnavailableError("not reachable")
    verdict = reader.exchange.front.read(
        reader._loop.time(), reader.host.name, owner_of(reader), call
    )
    if verdict is not Verdict.PASS:
        refused(reader, verdict)
    if weather.fail_read and dice.random() < weather.fail_read:
        reader.reach("read failed")
        raise VenueUnavailableError("500")
    at_ms = weather.stuck_ms(reader.now_ms(), dice)
    if at_ms is not None:
        reader.reach("replica stuck")
        return at_ms
    if weather.stale_read and dice.random() < weather.stale_read:
        reader.reach("read stale")
        return reader.now_ms() - round(dice.uniform(0, weather.stale_s) * 1000)
    return reader.now_ms()


def owner_of(reader: Reader) -> str:
    """Return whose requests the venue counts together: without a token, the host's."""
    if reader.is_public:
        return f"address {reader.host.name}"
    if reader.exchange.front.is_shared:
        return "both"
    return reader.exchange.engine.account(reader._account).master


def refused(reader: Reader, verdict: Verdict) -> None:
    """Meet HTTP 429 or 405 as the product's client does: raise VenueUnavailableError."""
    reader.reach("standard limits")
    reader.budget.refused()
    status = 405 if verdict is Verdict.FIREWALL else 429
    raise VenueUnavailableError(f"HTTP {status}: too many requests")
