"""What was published by hand lives in memory: its rest is named, judged as drift, never traded."""

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


def ledger_of(bench: Bench, manual_lots: int) -> Ledger:
    state = replace(HedgerState(HedgerConfig(ETH, bench.parts.instance)), manual_lots=manual_lots)
    return answers.ledger_of(bench.parts, state, ())


def test_a_restart_knows_that_something_was_open_until_it_is_settled(
    hosts: tuple[Bench, Bench],
) -> None:
    """Nothing is followed any more; the file only lets the next process judge what was left."""
    one = hosts[0]
    ByHand(one.parts).keep(-100)
    one.restart()
    hand = ByHand(one.parts)
    assert hand.was_open
    hand.keep(50)
    hand.keep(0)
    assert one.host.exists("manual-0")
    hand.settled()
    assert not ByHand(one.parts).was_open
    assert not one.host.exists("manual-0")


def test_what_was_cleared_leaves_nothing(hosts: tuple[Bench, Bench]) -> None:
    """The opposite was published: the next process has nothing to judge."""
    hand = ByHand(hosts[0].parts)
    hand.keep(-100)
    hand.keep(0)
    assert not hosts[0].host.exists("manual-0")
    assert not ByHand(hosts[0].parts).was_open


@pytest.mark.parametrize(
    ("kept", "is_open"),
    [
        ('{"manual_lots": -100, "hand_base_lots": 0, "seen": ["x"], "stamp": 5}', True),
        ('{"manual_lots": 0, "hand_base_lots": null, "seen": ["x"], "stamp": 5}', False),
        ("{", True),
    ],
)
def test_a_file_of_the_version_before_is_read_or_counts_as_open(
    hosts: tuple[Bench, Bench], kept: str, *, is_open: bool
) -> None:
    """What cannot be read may have been any amount."""
    (hosts[0].host.path / "manual-0.json").write_text(kept)
    hosts[0].restart()
    assert ByHand(hosts[0].parts).was_open is is_open


def test_what_another_b_had_counted_is_forgotten(hosts: tuple[Bench, Bench]) -> None:
    """Its ledger in Redis, however old, moves nothing."""
    one, two = hosts
    hand = ByHand(two.parts)
    hand.taken_over(None)
    hand.taken_over(ledger_of(one, 0))
    hand.taken_over(ledger_of(two, -100))
    assert not hand.was_open
    hand.taken_over(ledger_of(one, -100))
    assert hand.was_open


def test_what_is_open_goes_with_the_lease(hosts: tuple[Bench, Bench]) -> None:
    """Another B may lead from then on."""
    hand = ByHand(hosts[0].parts)
    hand.lost(0)
    assert not hand.was_open
    hand.lost(-100)
    assert hand.was_open


def test_the_same_text_counts_once(hosts: tuple[Bench, Bench]) -> None:
    """Within one process."""
    hand = ByHand(hosts[0].parts)
    hand.remember(' {"x": 1} ')
    assert hand.is_known('{"x": 1}')
    assert not ByHand(hosts[0].parts).is_known('{"x": 1}')
