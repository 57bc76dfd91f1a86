"""Which B leads: twins are known by rows and trades newer than our own fence."""

from dataclasses import replace

import pytest

from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core import ids
from hedge.core.hedger.state import HedgerConfig, HedgerState
from hedge.core.records import OrderRow
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from hedge.errors import AlreadyRunningError
from hedge.exchange.fence import Fenced
from hedge.hedger import statements as answers
from hedge.hedger.leadership import Standing, TwinWatch
from hedge.wire.control import Lease
from tests.unit.shell.fakes import Bench, Calls, row, trade
from tests.unit.venue.fakes import ETH

TWIN = "c" * 11 + "1"
OWN = "d" * 11 + "2"


def marker(instance: str, at_ms: int) -> OrderRow:
    return row(1, 0, at_ms, ids.marker_id(instance, at_ms))


def hedge(instance: str, at_ms: int) -> OrderRow:
    return row(2, 5, at_ms, ids.order_id(instance, 7))


def fenced(*rows: OrderRow, at_ms: int = 100) -> Fenced:
    mine = marker(OWN, at_ms)
    return Fenced(8, (mine, *rows), mine)


def tagged(client_order_index: int, _at_ms: int) -> bool:
    """Take every id of the pair's kind as one of it."""
    return ids.is_ours(client_order_index)


def test_before_the_first_fence_nothing_is_a_twin() -> None:
    """What an earlier process left behind is settled by the fence itself."""
    watch = TwinWatch(OWN, tagged)
    assert not watch.sees([hedge(TWIN, 1), marker(TWIN, 2)])
    assert not watch.fenced(fenced(hedge(TWIN, 50)))


@pytest.mark.parametrize("make", [marker, hedge])
def test_a_newer_row_of_another_instance_is_a_twin(make: type) -> None:
    """An order or a marker alike: somebody signs at nonces that we count as ours."""
    watch = TwinWatch(OWN, tagged)
    watch.fenced(fenced(at_ms=100))
    assert watch.sees([make(TWIN, 101)])
    assert not watch.sees([make(TWIN, 100), make(OWN, 200)])


def test_an_order_without_the_tag_is_no_twin() -> None:
    """A person's order is foreign, which is another matter."""
    watch = TwinWatch(OWN, tagged)
    watch.fenced(fenced())
    assert not watch.sees([row(3, 5, 500, 12345)])


def test_a_twin_between_two_fences_is_found_by_the_second() -> None:
    """And only once: the fence after it starts from its own marker."""
    watch = TwinWatch(OWN, tagged)
    watch.fenced(fenced(at_ms=100))
    assert watch.fenced(fenced(hedge(TWIN, 150), at_ms=200))
    assert not watch.fenced(fenced(hedge(TWIN, 150), at_ms=300))


def test_who_lost_the_lease_starts_anew() -> None:
    """Others were free to sign meanwhile."""
    watch = TwinWatch(OWN, tagged)
    watch.fenced(fenced(at_ms=100))
    watch.forget()
    assert not watch.fenced(fenced(hedge(TWIN, 150), at_ms=200))


def test_a_fence_without_a_marker_counts_from_its_newest_row() -> None:
    """Where the venue takes no markers the rows themselves say how late it is."""
    watch = TwinWatch(OWN, tagged)
    watch.fenced(Fenced(8, (hedge(OWN, 90), hedge(OWN, 120)), None))
    assert watch.sees([hedge(TWIN, 121)])
    assert not watch.sees([hedge(TWIN, 120)])


class Stand:
    """A Standing with its lease held, on a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.lost = Calls()
        handlers = LeaseHandlers(Calls(), self.lost, Calls())
        self.lease = LeaseKeeper(bench.parts, "b", handlers)
        self.outbox = Outbox(bench.parts)
        self.standing = Standing(
            bench.parts, self.lease, self.outbox, OriginKeeper(bench.parts, "b")
        )
        self.lease.held = True
        bench.bus.reachable = False


async def test_a_twins_trade_puts_the_lease_in_doubt(bench: Bench) -> None:
    """Without Redis the next question about the lease then ends in standing by."""
    stand = Stand(bench)
    own = ids.order_id(bench.parts.instance, 3)
    assert not stand.standing.is_twin([trade(1, 5, 0, cid=own), trade(2, 5, 5, cid=99)])
    assert await stand.lease.check()
    other = f"{int(bench.parts.instance, 16) ^ 1:012x}"
    assert stand.standing.is_twin([trade(3, 5, 10, cid=ids.order_id(other, 4))])
    assert not await stand.lease.check()
    assert len(stand.lost) == 1


async def test_another_pairs_holder_ends_the_process(bench: Bench) -> None:
    """Nothing is to be taken over from a pair that is not ours."""
    stand = Stand(bench)
    holder = Lease(instance=TWIN, host="x", pair="night", market_index=0)
    with pytest.raises(AlreadyRunningError):
        stand.standing.refused(LeaseAnswer(held=False, holder=holder))
    stand.standing.refused(LeaseAnswer(held=False, holder=replace(holder, pair="")))


@pytest.mark.parametrize(
    ("ready", "beats", "leads", "holds", "led"),
    [
        (True, TWIN, TWIN, False, True),
        (False, TWIN, TWIN, False, False),
        (True, TWIN, "c" * 12, False, False),
        (True, TWIN, None, False, False),
        (True, None, TWIN, False, False),
        (True, TWIN, TWIN, True, False),
    ],
)
async def test_who_leads_is_known_by_lease_and_heartbeat(
    bench: Bench,
    ready: bool,
    beats: str | None,
    leads: str | None,
    holds: bool,
    led: bool,
) -> None:
    """Only a leader that is ready has passed a fence, and so decided what was open of ours."""
    stand = Stand(bench)
    stand.lease.held = holds
    state = HedgerState(HedgerConfig(ETH, TWIN))
    beat = answers.beat_of(bench.parts, state, () if ready else ("why",), None)
    snapshot = StateSnapshot(
        ready_b=replace(beat, instance=beats) if beats else None,
        lease_b=Lease(instance=leads, host="x") if leads else None,
    )
    assert stand.standing.is_led(snapshot) is led


async def test_a_standby_says_so_and_stops_saying_it(bench: Bench) -> None:
    """Its heartbeat names instance and host; leading takes it away."""
    stand = Stand(bench)
    bench.bus.reachable = True
    await stand.standing.announce(warm=True)
    (said,) = bench.bus.standbys
    assert (said.instance, said.host, said.warm) == (
        bench.parts.instance,
        bench.host.host_id,
        True,
    )
    stand.standing.taken()
    assert stand.outbox.is_empty  # only a word, which may be lost: it would die by itself
