"""The other side's account as everybody sees it: implements `hedge.exchange.peer.PeerVenue`."""

from random import Random
from typing import Any

from hedge.core.hedger.watch import Recent
from hedge.core.records import Depth
from hedge.exchange.budget import RequestBudget
from hedge.exchange.peer import PeerDown, PeerHandler, PeerShown, PeerStated, PeerUp
from tests.simulation.exchange import ETH, Frame, SimExchange
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import Process
from tests.simulation.socket import Socket, read_at

PAGE = 100


class SimPeer(Socket):
    """Public streams and answers about the other account, seen from one process."""

    is_public = True

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
        market_id: int = ETH.market_id,
    ) -> None:
        super().__init__(exchange, host, process, account, dice, budget=budget, market_id=market_id)
        self._clock = clock
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
    def drop(self) -> tuple[float, str]:
        weather = self.host.venue
        if weather.mute_peer > weather.drop_frame:
            return weather.mute_peer, "public frame dropped"
        return super().drop

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
        first_lots = self.exchange.first_lots[self._account] if self.market.index == 0 else 0
        return first_lots + self.market.history[self._account].position_at(at_ms)

    async def recent(self) -> Recent:
        at_ms = await read_at(self, "recentTrades")
        page = self.exchange.recent(self._account, self.market.index, at_ms, PAGE)
        self._note_unlisted(at_ms)
        return Recent(self.answered(page.legs), page.lowest_id, page.highest_id)

    def _note_unlisted(self, at_ms: int) -> None:
        if self.market.history[self._account].trades.unlisted(at_ms):
            self.reach("trades listed late")

    async def stated(self) -> PeerStated:
        position_lots = await self.position_lots()
        resting = self.exchange.engine.active_orders(self._account)
        open_orders = sum(order.market_id == self.market.index for order in resting)
        return PeerStated(position_lots, open_orders)

    async def position_lots(self) -> int:
        at_ms = await read_at(self, "account")
        if self.market.history[self._account].positions.unlisted(at_ms):
            self.reach(self.exchange.lags["position"].kind or "position listed late")
        return self._position(at_ms)
