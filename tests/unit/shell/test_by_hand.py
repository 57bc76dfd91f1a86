"""What was published by hand, over restarts and changes of host."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedge.core.hedger.state import HedgerConfig, HedgerState
from hedge.hedger import statements as answers
from hedge.hedger.manual_fills import ByHand
from hedge.wire.state import Ledger
from tests.unit.shell.fakes import Bench
from tests.unit.venue.fakes import ETH


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two hosts that may lead B."""
    made = Bench(tmp_path / "one"), Bench(tmp_path / "two")
    yield made
    for bench in made:
        bench.close()


def counted(bench: Bench, manual_lots: int, base_lots: int | None = 0) -> HedgerState:
    """A B that has counted fills published by hand."""
    state = HedgerState(HedgerConfig(ETH, bench.parts.instance))
    state = replace(state, manual_lots=manual_lots, hand_base_lots=base_lots)
    ByHand(bench.parts).keep(state)
    return state


def ledger_of(bench: Bench, state: HedgerState, later_s: int) -> Ledger:
    ledger = answers.ledger_of(bench.parts, state, ())
    return replace(ledger, timestamp=bench.parts.epoch_s + later_s)


def restored(bench: Bench) -> tuple[ByHand, HedgerState]:
    hand = ByHand(bench.parts)
    return hand, hand.restored(HedgerState(HedgerConfig(ETH, bench.parts.instance)))


def test_a_restart_on_the_same_host_forgets_nothing(hosts: tuple[Bench, Bench]) -> None:
    """Amount and base are there, marked as not looked at yet; an equal ledger changes nothing."""
    one = hosts[0]
    state = counted(one, -100)
    hand, found = restored(one)
    assert (found.manual_lots, found.hand_base_lots, found.hand_restored) == (-100, 0, True)
    assert hand.taken_over(found, ledger_of(one, state, 60)) is found
    assert hand.taken_over(found, None) is found


def test_another_host_takes_over_what_was_counted(hosts: tuple[Bench, Bench]) -> None:
    """It would otherwise trade a real A's fills and undo those published by hand."""
    one, two = hosts
    before = ledger_of(one, counted(one, -100), 60)
    hand, found = restored(two)
    taken = hand.taken_over(found, before)
    assert (taken.manual_lots, taken.hand_base_lots) == (-100, None)
    assert restored(two)[1].manual_lots == -100


def test_what_was_cleared_elsewhere_is_cleared_here(hosts: tuple[Bench, Bench]) -> None:
    """An old file of this host must not trade by itself."""
    one, two = hosts
    counted(one, -20_000)
    hand, found = restored(one)
    cleared = ledger_of(two, HedgerState(HedgerConfig(ETH, two.parts.instance)), 60)
    assert hand.taken_over(found, cleared).manual_lots == 0


def test_a_file_that_is_newer_than_the_ledger_wins(hosts: tuple[Bench, Bench]) -> None:
    """The process died between its file and its ledger."""
    one = hosts[0]
    old = ledger_of(one, HedgerState(HedgerConfig(ETH, one.parts.instance)), 0)
    counted(one, -100)
    hand, found = restored(one)
    assert hand.taken_over(found, old).manual_lots == -100
