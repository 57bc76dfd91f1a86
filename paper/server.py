"""Put the paper exchange together: engine, market, journal, REST, WebSocket, admin calls."""

from __future__ import annotations

import contextlib
import logging
import time
from email.utils import formatdate
from functools import partial
from typing import Final, Self

from aiohttp import web

from paper.access import Access
from paper.admin import AdminApi
from paper.answers import MAX_BODY_BYTES, errors_as_json
from paper.engine import DEFAULT_MARKETS, Engine
from paper.exchange import Clock, Exchange
from paper.fault_admin import FaultSwitches
from paper.fault_frames import FaultySnapshots
from paper.faults import Faults
from paper.journal import Journal, JournalError, header_of
from paper.market import Liveliness, SyntheticMarket, seed_book
from paper.publisher import Publisher
from paper.records import Tier
from paper.rest import PublicApi
from paper.rest_account import AccountApi
from paper.rest_history import HistoryApi
from paper.rest_keys import KeysApi
from paper.rest_public import PublicAccountApi
from paper.rest_stats import StatsApi
from paper.rest_trades import TradesApi
from paper.settings import Settings, StateError
from paper.snapshots import SnapshotBuilder
from paper.stream import Hub
from paper.throttle import Throttle
from paper.tokens import ReadTokens

SHUTDOWN_TIMEOUT_S: Final = 2.0
START_COLLATERAL: Final = 100_000 * 10**6
START_ACCOUNTS: Final = {
    280459: "0xA000000000000000000000000000000000280459",
    280458: "0xB000000000000000000000000000000000280458",
}
"""The two accounts that exist at start, with their L1 addresses."""


class PaperServer:
    """One exchange process; entering it means that it answers, leaving that it is closed."""

    def __init__(self, settings: Settings) -> None:
        """Remember `settings`; nothing runs before it is entered."""
        self.settings = settings
        self.port = settings.port
        self._stack = contextlib.AsyncExitStack()

    @property
    def ready_line(self) -> str:
        """The line printed when the exchange answers."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        market = "on" if self.settings.market else "off"
        return (
            f"paper exchange ready on http://{host}:{self.port} ws://{host}:{self.port}/stream "
            f"tier={self.settings.tier} seed={self.settings.seed} market={market}"
        )

    async def __aenter__(self) -> Self:
        """Restore the state, listen, and start the market."""
        async with contextlib.AsyncExitStack() as stack:
            exchange = self._exchange(stack)
            await self._listen(exchange, stack)
            exchange.pump()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the market, close every connection and the journal."""
        await self._stack.aclose()

    def _exchange(self, stack: contextlib.AsyncExitStack) -> Exchange:
        """Return the exchange as it was left, or with its first accounts and book."""
        settings = self.settings
        clock = Clock(round(settings.clock_ahead_s * 1000))
        engine = Engine(DEFAULT_MARKETS, Tier(settings.tier), clock.now_ms, time.monotonic_ns)
        how = Liveliness(steps_per_s=settings.steps_per_s)
        market = SyntheticMarket(settings.seed, how) if settings.market else None
        exchange = Exchange(engine, clock, market)
        restored = False
        if settings.state_dir is not None:
            try:
                journal = Journal(settings.state_dir, header_of(engine))
                stack.callback(journal.close)
                restored = journal.restore(engine, exchange.remember)
            except JournalError as error:
                raise StateError(str(error)) from error
        if not restored:
            for index, master in START_ACCOUNTS.items():
                engine.add_account(index, master, START_COLLATERAL)
            if market is None:
                seed_book(engine)
        return exchange

    async def _listen(self, exchange: Exchange, stack: contextlib.AsyncExitStack) -> None:
        """Open the port; on the way out clients hear of the shutdown before it closes."""
        snapshots = SnapshotBuilder(exchange)
        access = Access(exchange, ReadTokens())
        throttle = Throttle(exchange, access, on=self.settings.limits)
        faults = Faults()
        first_frames = FaultySnapshots(snapshots, faults, exchange.engine)
        hub = Hub(exchange, first_frames, self.settings, access, throttle)
        snapshots.use(hub)
        publisher = Publisher(exchange, hub, snapshots)
        routes = partial(rest_routes, access=access, throttle=throttle)
        switches = FaultSwitches(faults, exchange, hub, routes)
        app = web.Application(
            middlewares=[errors_as_json, throttle.middleware, switches.middleware],
            client_max_size=MAX_BODY_BYTES,
        )
        app.on_response_prepare.append(partial(_dated, exchange))
        app.add_routes(routes(exchange))
        app.add_routes(AdminApi(exchange, hub, self.settings).routes())
        app.add_routes(switches.routes())
        app.add_routes([web.get("/stream", hub.handle)])
        # Malformed HTTP is the client's affair; failures of ours are logged where they happen.
        quiet = logging.getLogger("paper.http")
        quiet.setLevel(logging.CRITICAL)
        runner = web.AppRunner(
            app, access_log=None, logger=quiet, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.settings.host, self.settings.port)
        await site.start()
        stack.push_async_callback(hub.close)
        self.port = int(runner.addresses[0][1])
        publisher.start()
        stack.callback(publisher.stop)
        stack.callback(exchange.stop)


async def _dated(exchange: Exchange, _: web.Request, response: web.StreamResponse) -> None:
    """Date every answer by the exchange's clock, as its own hosts do."""
    response.headers["Date"] = formatdate(exchange.now_ms() / 1000, usegmt=True)


def rest_routes(exchange: Exchange, access: Access, throttle: Throttle) -> list[web.RouteDef]:
    """Return the REST calls of an exchange."""
    apis = (
        PublicApi(exchange, throttle),
        PublicAccountApi(exchange),
        AccountApi(exchange, access),
        TradesApi(exchange, access),
        HistoryApi(exchange, access),
        KeysApi(exchange, access),
        StatsApi(exchange),
    )
    return [route for api in apis for route in api.routes()]
