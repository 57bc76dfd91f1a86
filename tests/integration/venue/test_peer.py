"""Another account seen from outside, on the paper exchange: stream, newest trades, position."""

import asyncio
from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.hedger.watch import Recent
from hedge.daemon.clock import SystemClock
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.peer import PeerDown, PeerEvent, PeerShown, PeerUp
from hedge.exchange.port import VenueUnavailableError
from tests.integration.venue.rig import market_order, new_account, running, settings_of
from tests.waiting import eventually
from tests.world.paper import PaperProcess
from tests.world.proxy import TcpProxy

pytestmark = pytest.mark.integration


async def test_a_stranger_s_trades_and_position_are_seen_without_its_key(
    paper: PaperProcess,
) -> None:
    """Trades come live with the position before them, and both queries agree with the stream."""
    watched, watcher = await new_account(paper), await new_account(paper)
    settings = replace(settings_of(paper), peer_index=watched.account_index)
    events: list[PeerEvent] = []
    async with (
        running(settings_of(paper), watched) as trader,
        LighterVenue.open(
            settings, watcher, clock=SystemClock(), budget=RequestBudget(SystemClock(), 1000)
        ) as venue,
        asyncio.TaskGroup() as group,
    ):
        assert venue.peer is not None
        task = group.create_task(venue.peer.run(events.append))
        await eventually(lambda: PeerUp() in events)
        assert await venue.peer.position_lots() == 0
        await trader.up()
        nonce = await trader.venue.next_nonce()
        await trader.sender.order(market_order(nonce, Side.BUY, 120, 400_000), nonce)

        def shown() -> list[PeerShown]:
            return [event for event in events if isinstance(event, PeerShown)]

        await eventually(lambda: sum(t.size_lots for e in shown() for t in e.trades) == 120)
        legs = tuple(leg for event in shown() for leg in event.trades)
        assert (legs[0].side, legs[0].position_before_lots) == (Side.BUY, 0)
        assert 120 in [event.position_lots for event in shown()]
        answer = await venue.peer.recent()
        assert answer.legs == legs
        assert answer.lowest_id <= legs[0].trade_id <= legs[-1].trade_id <= answer.highest_id
        assert await venue.peer.position_lots() == 120
        task.cancel()


async def test_a_lost_watch_comes_back(paper: PaperProcess) -> None:
    """A cut socket is told as down, then up again; who listens asks for what was missed."""
    watched, watcher = await new_account(paper), await new_account(paper)
    events: list[PeerEvent] = []
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        settings = replace(settings_of(paper, ws_port=proxy.port), peer_index=watched.account_index)
        async with (
            LighterVenue.open(
                settings, watcher, clock=SystemClock(), budget=RequestBudget(SystemClock(), 1000)
            ) as venue,
            asyncio.TaskGroup() as group,
        ):
            assert venue.peer is not None
            task = group.create_task(venue.peer.run(events.append))
            await eventually(lambda: PeerUp() in events)
            proxy.cut()
            await eventually(lambda: any(isinstance(event, PeerDown) for event in events))
            await eventually(lambda: events.count(PeerUp()) == 2)
            task.cancel()


async def test_a_missing_list_of_a_market_that_nobody_trades_is_empty() -> None:
    """Only beside statistics without a trade of the day, and a peer without a position."""
    with PaperProcess() as fresh:
        watched, watcher = await new_account(fresh), await new_account(fresh)
        settings = replace(settings_of(fresh), peer_index=watched.account_index)
        await fresh.fault("list_missing", path="recentTrades", full=True)
        async with (
            running(settings_of(fresh), watched) as trader,
            running(settings, watcher) as rig,
        ):
            assert rig.venue.peer is not None
            assert await rig.venue.peer.recent() == Recent((), 0, 0)
            await trader.up()
            for count, (side, cap) in enumerate([(Side.BUY, 400_000), (Side.SELL, 200_000)], 1):
                nonce = await trader.venue.next_nonce()
                await trader.sender.order(market_order(nonce, side, 120, cap), nonce)
                await eventually(lambda count=count: len(trader.trades) == count)
            assert await rig.venue.peer.position_lots() == 0
            with pytest.raises(VenueUnavailableError, match="unexpected trades: None"):
                await rig.venue.peer.recent()
