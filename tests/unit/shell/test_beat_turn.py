"""How a turn of writing goes on near and far, and what a lease that only lapsed is worth."""

import asyncio

import pytest

from hedge.bus.port import LeaseAnswer
from hedge.daemon.beat_turn import FAR_MS, BeatTurn
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.errors import RedisUnreachableError
from tests.unit.shell.fakes import Bench, Calls, running
from tests.waiting import eventually

LAPSED = LeaseAnswer(held=False, was_free=True)
OTHER = LeaseAnswer(held=False)


class Kept:
    """A lease of a bench, and what its handlers heard."""

    def __init__(self, bench: Bench) -> None:
        self.taken, self.lost, self.refused = Calls(), Calls(), Calls()
        handlers = LeaseHandlers(self.taken, self.lost, self.refused)
        self.keeper = LeaseKeeper(bench.parts, "b", handlers)


@pytest.fixture
def kept(bench: Bench) -> Kept:
    return Kept(bench)


class Trips:
    """What was begun and ended, in order; each write takes `trip_ms`."""

    def __init__(self, bench: Bench, trip_ms: int) -> None:
        self.bench, self.trip_ms, self.log = bench, trip_ms, list[str]()

    async def _trip(self, name: str) -> None:
        self.log.append(name)
        await self.bench.clock.sleep(self.trip_ms / 1000)
        self.log.append(f"{name} done")

    async def guarded(self) -> bool:
        await self._trip("state")
        return True

    async def beat(self) -> None:
        await self._trip("beat")


IN_TURN = ["state", "state done", "beat", "beat done"]


@pytest.mark.parametrize(("trip_ms", "together"), [(2, False), (FAR_MS, True), (1000, True)])
async def test_far_away_both_go_out_at_once(
    bench: Bench, kept: Kept, trip_ms: int, together: bool
) -> None:
    """From the second turn on, while the lease was confirmed a moment ago."""
    trips, turn = Trips(bench, trip_ms), BeatTurn(bench.clock, kept.keeper)
    kept.keeper.held = True
    kept.keeper.judge(LeaseAnswer(held=True))
    assert await turn.write(trips.guarded, trips.beat)
    assert trips.log == IN_TURN
    trips.log.clear()
    assert await turn.write(trips.guarded, trips.beat)
    assert (trips.log[:2] == ["state", "beat"]) is together
    trips.log.clear()
    bench.clock.advance_ms(round(bench.timing.lease_ttl_s * 500))
    await turn.write(trips.guarded, trips.beat)
    assert trips.log == IN_TURN, "a process that slept may have lost its lease"


async def test_what_the_lease_refuses_has_no_beat(bench: Bench, kept: Kept) -> None:
    """A process that wakes without its lease does not seem to live."""
    trips, turn = Trips(bench, 2), BeatTurn(bench.clock, kept.keeper)

    async def guarded() -> bool:
        return False

    assert not await turn.write(guarded, trips.beat)
    assert trips.log == []


# --- a lease that lapses because Redis takes no writes ------------------------------------------


async def test_a_holder_goes_on_where_redis_takes_no_writes(bench: Bench, kept: Kept) -> None:
    """Its lease lapses, and none can take it: what it owes is hedged, what it writes waits."""
    bus, keeper = bench.bus, kept.keeper
    async with running(keeper.run()):
        await eventually(lambda: keeper.held)
        bus.refuses = True
        await eventually(lambda: bus.refusals > 1)
        bus.holder = None  # ten seconds later
        await eventually(lambda: bus.refusals > 4)
        assert keeper.held
        assert await keeper.check()
        with pytest.raises(RedisUnreachableError, match="OOM"):
            keeper.require(LAPSED)
        assert kept.lost == []
        bus.refuses = False
        await eventually(lambda: len(kept.taken) == 2, what="the lease taken anew")
    assert len(kept.lost) == 1, "lease, fence and book again"
    keeper.require(LeaseAnswer(held=True))


async def test_another_holder_ends_it_all_the_same(bench: Bench, kept: Kept) -> None:
    """A lease that names another process is lost, whatever was refused before."""
    keeper = kept.keeper
    async with running(keeper.run()):
        await eventually(lambda: keeper.held)
        bench.bus.refuses = True
        await eventually(lambda: bench.bus.refusals > 1)
        keeper.judge(OTHER)
        assert not keeper.held
    assert len(kept.lost) == 1


async def test_who_is_in_doubt_does_not_go_on(bench: Bench, kept: Kept) -> None:
    """Another process signs with our key: then only Redis can say that we lead."""
    keeper = kept.keeper
    async with running(keeper.run()):
        await eventually(lambda: keeper.held)
        bench.bus.refuses = True
        await eventually(lambda: bench.bus.refusals > 1)
        keeper.doubt()
        keeper.judge(LAPSED)
        assert not keeper.held


async def test_a_lease_that_lapsed_unrefused_is_lost(bench: Bench, kept: Kept) -> None:
    """A process that slept has refused nothing: it steps down at once."""
    keeper = kept.keeper
    async with running(keeper.run()):
        await eventually(lambda: keeper.held)
        keeper.judge(LAPSED)
        assert not keeper.held
        await asyncio.sleep(0)
    assert len(kept.lost) == 1
