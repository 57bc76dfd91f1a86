"""The other side's account as everybody sees it: implements `hedge.exchange.peer.PeerVenue`."""

from bisect import bisect_right
from random import Random
from typing import Any

from hedge.core.hedger.watch import Recent
from hedge.core.records import Depth
from hedge.exchange.budget import RequestBudget
from hedge.exchange.peer import PeerDown, PeerHandler, PeerShown, PeerUp
from tests.simulation.exchange import Frame, SimExchange
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import Process
from tests.simulation.socket import Socket, read_at

PAGE = 100


class SimPeer(Socket):
    """Public streams and answers about the other account, seen from one process."""

    def __init__(
        self,
        exchange: SimExchange,
        host: Host,
        process: Process,
        clock: SimClock,
        budget: RequestBudget,
        account: int,
        dice: Random,
    ) -> None:
        super().__init__(exchange, host, process, account, dice)
        self._clock, self._budget = clock, budget
        self._handler: PeerHandler | None = None

    async def run(self, handler: PeerHandler) -> None:
        self._handler = handler
        await self.run_socket()

    def on_open(self) -> None:
        assert self._handler is not None
        self._handler(PeerUp())
        self._handler(PeerShown((), self._position(self.now_ms()), self._clock.mono_ns()))

    def on_lost(self, reason: str) -> None:
        assert self._handler is not None
        self._handler(PeerDown(reason))

    @property
    def drop(self) -> float:
        return max(self.host.venue.drop_frame, self.host.venue.mute_peer)

    def parts_of(self, frame: Frame) -> list[Any]:
        """Trades and position come in frames of their own, the position first."""
        if not frame.trades:
            return []
        return [self._position(self.now_ms()), frame.trades]

    def tell(self, content: Any) -> None:
        assert self._handler is not None
        if isinstance(content, Depth):
            return
        now_ns = self._clock.mono_ns()
        if isinstance(content, int):
            self._handler(PeerShown((), content, now_ns))
        else:
            self._handler(PeerShown(content, None, now_ns))

    def _position(self, at_ms: int) -> int:
        history, first = self.exchange.history[self._account], self.exchange.first_lots
        return first[self._account] + history.position_at(at_ms)

    async def recent(self) -> Recent:
        at_ms = await read_at(self, self._budget)
        times, ids = self.exchange.market
        shown = ids[: bisect_right(times, at_ms)][-PAGE:]
        lowest, highest = (shown[0], shown[-1]) if shown else (0, 0)
        legs = self.exchange.history[self._account].trades_at(at_ms)
        inside = tuple(leg for leg in legs if lowest <= leg.trade_id <= highest)
        return Recent(inside, lowest, highest)

    async def position_lots(self) -> int:
        return self._position(await read_at(self, self._budget))
