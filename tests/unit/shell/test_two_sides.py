"""What A makes of B's word, and B of A's, where they disagree or a fate is open."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedge.bus.port import StateSnapshot
from hedge.core.hedger.departure import MakerSeen
from hedge.core.hedger.state import BaselineRead, FenceRefused, PeerConfigured, SendHedge
from hedge.core.maker.state import HaltSeen, PeerSeen, Place, Tick
from hedge.core.records import OrderStatus
from hedge.hedger import statements as answers
from hedge.maker import statements
from tests.unit.core.kit import A_EPOCH, Hedger, Maker, kinds
from tests.unit.shell.fakes import NAMES, Bench, always_fresh

SECOND = 1000
OTHER_OFFSET = "offset in lots: side b has -100, side a has 0"


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """The hosts of A and of B."""
    made = Bench(tmp_path / "a", "a"), Bench(tmp_path / "b", "b")
    yield made
    for bench in made:
        bench.close()


def seen_of(bench: Bench, b: Hedger) -> StateSnapshot:
    """What Redis shows of B."""
    why = answers.why_unready(b.state, b.now.mark_ticks)
    return StateSnapshot(
        ready_b=answers.beat_of(bench.parts, b.state, why, None),
        ledger=answers.ledger_of(bench.parts, b.state, why),
    )


def placed_within(bench: Bench, a: Maker, seen: StateSnapshot, seconds: int = 70) -> bool:
    """Whether A places anything while it sees that."""
    effects = []
    for _ in range(seconds):
        own = statements.beat_of(bench.parts, a.state)
        effects += a(PeerSeen(statements.peer_of(seen, own, NAMES, always_fresh)), Tick())
        a.later(SECOND)
    return Place in kinds(effects)


def misconfigured(mismatch: str, a_seq: int) -> Hedger:
    """A B that holds -100 and was restarted with an offset of -100."""
    b = Hedger(offset_lots=-100).reconciling()
    b.proven(-100, explained=False)
    b(PeerConfigured(mismatch))
    b.a_lots, b.a_seq = 100, a_seq
    b(BaselineRead(b.target(), named=True))
    b.a_stamp += 1
    assert b(b.says(100, seq=a_seq)) == []
    return b


def test_a_closes_nothing_by_the_ledger_of_a_b_with_another_offset(
    sides: tuple[Bench, Bench],
) -> None:
    """Such a ledger owes by another sum; A's position is hedged."""
    bench_a, bench_b = sides
    a = Maker().started().proven(100)
    a.facts(room=False)
    a.cover()
    b = misconfigured(OTHER_OFFSET, a.state.seq)
    seen = seen_of(bench_b, b)
    assert (seen.ledger.owed_lots if seen.ledger else 1) is None
    assert not placed_within(bench_a, a, seen)
    assert not a.state.peer.ready


def test_an_older_ledger_of_a_misconfigured_b_says_nothing_either(
    sides: tuple[Bench, Bench],
) -> None:
    """A judges by the heartbeat, whatever the ledger claims."""
    bench_a, bench_b = sides
    b = Hedger().idle(net=-100)
    b(MakerSeen(b.beat(), A_EPOCH))
    seen = seen_of(bench_b, b)
    assert seen.ready_b is not None
    own = statements.beat_of(bench_a.parts, Maker().ready().state)
    assert statements.peer_of(seen, own, NAMES, always_fresh).ledger is not None
    other = replace(seen, ready_b=replace(seen.ready_b, offset_lots=-100))
    assert statements.peer_of(other, own, NAMES, always_fresh).ledger is None


def test_the_b_of_another_account_is_named_and_counts_for_nothing(
    sides: tuple[Bench, Bench],
) -> None:
    """Neither its margin, nor its word of leaving, nor a ledger beside it."""
    bench_a, bench_b = sides
    b = Hedger().idle(net=-100)
    b(MakerSeen(b.beat(), A_EPOCH))
    seen = seen_of(bench_b, b)
    assert seen.ready_b is not None
    other = replace(seen.ready_b, b_account_index=301, leaving=True)
    own = statements.beat_of(bench_a.parts, Maker().ready().state)
    peer = statements.peer_of(replace(seen, ready_b=None, other_b=other), own, NAMES, always_fresh)
    assert (peer.ready, peer.can_hedge_lots, peer.leaving, peer.ledger) == (
        False,
        None,
        False,
        None,
    )
    assert peer.reasons == own.disagreements(other)
    assert "account_b" in peer.reasons[0]


def test_a_b_of_another_version_is_no_silent_one(sides: tuple[Bench, Bench]) -> None:
    """It counts for nothing, and the reason says why."""
    own = statements.beat_of(sides[0].parts, Maker().ready().state)
    peer = statements.peer_of(StateSnapshot(version_b=1), own, NAMES, always_fresh)
    assert (peer.ready, peer.alive, peer.ledger) == (False, False, None)
    assert peer.reasons == ("B writes messages of version 1, not 2",)


def test_a_mismatch_stands_while_a_says_nothing(sides: tuple[Bench, Bench]) -> None:
    """A missing heartbeat is no agreement."""
    bench_a, bench_b = sides
    ready_a = statements.beat_of(bench_a.parts, Maker().ready().state)
    fresh = Hedger(offset_lots=-100).reconciling()
    found = answers.mismatch_of(bench_b.parts, fresh.state, replace(ready_a, offset_lots=0))
    assert "offset" in found
    b = misconfigured(found, 5)
    gone = answers.mismatch_of(bench_b.parts, b.state, None)
    assert SendHedge not in kinds(b(PeerConfigured(gone)))


def test_a_does_not_close_while_the_fate_of_bs_order_is_open(sides: tuple[Bench, Bench]) -> None:
    """The order may have executed: what the ledger owes then is not what is unhedged."""
    bench_a, bench_b = sides
    a = Maker().awaiting(100)
    a(a.row(OrderStatus.FILLED, 100))
    b = Hedger().unknown(100)
    b(b.says(100, seq=a.state.seq), MakerSeen(b.beat(), A_EPOCH))
    b.later(60 * SECOND)
    b(FenceRefused(0, "no fence for 60 s"))
    seen = seen_of(bench_b, b)
    assert seen.ledger is not None
    assert (seen.ledger.inflight, seen.ledger.a_seq) == (True, a.state.seq)
    a(HaltSeen("outcome_unknown"))
    assert not placed_within(bench_a, a, seen)
