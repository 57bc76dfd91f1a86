"""One account on the paper exchange, seen through the real venue, with its events written down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from hedge.core.amounts import Side
from hedge.core.ids import order_id
from hedge.core.records import OrderRow, Trade
from hedge.daemon.clock import SystemClock
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.streams.connection import LinkTimes
from hedge.exchange.lighter.venue import LighterSettings, LighterVenue
from hedge.exchange.port import (
    OrderKind,
    OrderRequest,
    OrdersSeen,
    StreamDown,
    StreamUp,
    TimeInForce,
    TradesSeen,
    VenueEvent,
)
from hedge.exchange.sender import Sender
from tests.waiting import eventually
from tests.world.paper import PaperProcess, new_account_number, new_key

INSTANCE = "abc123"
KEY_INDEX = 5
FAST = LinkTimes(
    open_s=2.0,
    ready_s=2.0,
    grace_s=0.5,
    ping_s=0.2,
    silence_s=1.0,
    healthy_s=0.2,
    load_s=0.05,
    close_s=0.1,
    tick_s=0.02,
)

E = TypeVar("E")


@dataclass
class Rig:
    """A venue with running streams, its sender, and all events but depth in order."""

    venue: LighterVenue
    sender: Sender
    budget: RequestBudget
    account: int
    events: list[VenueEvent] = field(default_factory=list)

    def handle(self, event: VenueEvent) -> None:
        if isinstance(event, OrdersSeen):
            self.sender.on_orders(event.rows)
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def trades(self) -> list[Trade]:
        return [trade for event in self.of(TradesSeen) for trade in event.trades]

    @property
    def rows(self) -> list[OrderRow]:
        return [row for event in self.of(OrdersSeen) for row in event.rows]

    async def up(self, times: int = 1) -> None:
        await eventually(lambda: len(self.of(StreamUp)) >= times, what=f"StreamUp x{times}")

    async def down(self, times: int = 1) -> None:
        await eventually(lambda: len(self.of(StreamDown)) >= times, what=f"StreamDown x{times}")


def market_order(nonce: int, side: Side, lots: int, price_ticks: int) -> OrderRequest:
    return OrderRequest(
        order_id(INSTANCE, nonce),
        side,
        lots,
        price_ticks,
        OrderKind.MARKET,
        TimeInForce.IMMEDIATE_OR_CANCEL,
    )


def post_only(nonce: int, side: Side, lots: int, price_ticks: int) -> OrderRequest:
    return OrderRequest(
        order_id(INSTANCE, nonce), side, lots, price_ticks, OrderKind.LIMIT, TimeInForce.POST_ONLY
    )


async def new_account(paper: PaperProcess) -> Credentials:
    """Return a new funded account under its own master, with a registered key."""
    account = new_account_number()
    private, public = new_key()
    await paper.add_account(account, f"0x{account:040x}")
    await paper.register_key(account, KEY_INDEX, public)
    return Credentials(account, KEY_INDEX, private)


def settings_of(
    paper: PaperProcess,
    *,
    market: str = "ETH",
    ws_port: int | None = None,
    http_port: int | None = None,
    times: LinkTimes = FAST,
    token_life_s: int = 7 * 3600,
) -> LighterSettings:
    """Return settings for the paper exchange, through proxies where ports are given."""
    return LighterSettings(
        base_url=paper.base_url if http_port is None else f"http://127.0.0.1:{http_port}",
        ws_url=paper.ws_url if ws_port is None else f"ws://127.0.0.1:{ws_port}/stream",
        market=market,
        times=times,
        token_life_s=token_life_s,
    )


@asynccontextmanager
async def running(
    settings: LighterSettings, credentials: Credentials, *, cancel_all_first: bool = False
) -> AsyncIterator[Rig]:
    """Give a rig whose streams run (not necessarily up yet)."""
    clock = SystemClock()
    budget = RequestBudget(clock, 100_000)
    async with LighterVenue.open(settings, credentials, clock=clock, budget=budget) as venue:
        sender = Sender(
            venue,
            clock,
            instance=INSTANCE,
            cancel_all_first=cancel_all_first,
            answer_timeout_s=0.5,
            listed_poll_s=0.1,
        )
        rig = Rig(venue, sender, budget, credentials.account_index)
        async with asyncio.TaskGroup() as group:
            streams = group.create_task(venue.run_streams(rig.handle))
            yield rig
            streams.cancel()
