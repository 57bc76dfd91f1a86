"""Another account of the Lighter exchange, seen from outside: one socket and two queries."""

from hedge.core.amounts import MarketSpec
from hedge.core.hedger.watch import Recent
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.rest import RestClient
from hedge.exchange.lighter.streams.connection import Delays, Link, LinkTimes
from hedge.exchange.lighter.streams.peer_channel import PeerTalk
from hedge.exchange.peer import PeerEvent, PeerHandler, PeerStated
from hedge.exchange.port import Clock

PAGE = 100
"""The most that `recentTrades` gives (apidocs.lighter.xyz, recentTrades)."""


class LighterPeer:
    """Implements `hedge.exchange.peer.PeerVenue`."""

    def __init__(
        self,
        ws_url: str,
        spec: MarketSpec,
        account_index: int,
        rest: RestClient,
        clock: Clock,
        *,
        times: LinkTimes,
        delays: Delays,
    ) -> None:
        """Connect nothing yet; `rest` is shared with our own account's queries and budget."""
        self._spec = spec
        self._account_index = account_index
        self._rest = rest
        self._handler: PeerHandler | None = None
        talk = PeerTalk(account_index, spec, clock, times, self._emit)
        self._link = Link("peer", ws_url, talk, clock, times, delays)
        self._link.limited = rest.budget.refused

    def _emit(self, event: PeerEvent) -> None:
        if self._handler is not None:
            self._handler(event)

    async def run(self, handler: PeerHandler) -> None:
        """Watch until cancelled; call `handler` for every event, in order."""
        self._handler = handler
        try:
            await self._link.run()
        finally:
            self._handler = None

    async def recent(self) -> Recent:
        """Return one public answer of the market's newest trades, with the peer's legs.

        A list that is null or not there counts as empty only where the market's statistics count no
        trade of the day and the peer has no position. Raises VenueUnavailableError,
        VenueRefusedError.
        """
        body = await self._rest.recent_trades(self._spec.market_index, PAGE)
        if body.get("trades") is None and await self._is_unused():
            return Recent((), 0, 0)
        with parse.readable():
            rows = parse.rows_of(body, "trades")
            legs = parse.trades_of(rows, self._spec, self._account_index)
            ids = [parse.integer_of(row, "trade_id") for row in rows]
        ordered = tuple(sorted(legs, key=lambda leg: (leg.trade_id, leg.side.sign)))
        return Recent(ordered, min(ids, default=0), max(ids, default=0))

    async def _is_unused(self) -> bool:
        """Whether the market's day has no trade and the peer no position. Raises VenueError."""
        body = await self._rest.markets(self._spec.market_index)
        with parse.readable():
            rows = parse.rows_of(body, "order_book_details")
            counts = [
                row.get("daily_trades_count")
                for row in rows
                if parse.integer_of(row, "market_id") == self._spec.market_index
            ]
        return counts == [0] and await self.position_lots() == 0

    async def stated(self) -> PeerStated:
        """Return what one public answer of the account query states of the peer.

        Raises VenueUnavailableError, VenueRefusedError.
        """
        body = await self._rest.account(self._account_index)
        with parse.readable():
            view = parse.account_view(body, self._spec, self._account_index)
            open_orders = parse.open_orders_of(body, self._spec, self._account_index)
        return PeerStated(view.position_lots, open_orders)

    async def position_lots(self) -> int:
        """Return the peer's position as one public answer of the account query states it.

        Raises VenueUnavailableError, VenueRefusedError.
        """
        body = await self._rest.account(self._account_index)
        with parse.readable():
            return parse.account_view(body, self._spec, self._account_index).position_lots
