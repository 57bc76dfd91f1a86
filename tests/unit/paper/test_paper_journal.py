"""The journal: what was accepted is there again after the process is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paper.journal import FILE_NAME, Journal, JournalError, header_of
from paper.market import SyntheticMarket, seed_book
from paper.records import Tier, TxStatus
from tests.unit.paper.bench import (
    ALICE,
    BOB,
    KEY,
    START_MS,
    TWIN,
    Bench,
    journaled,
    new_engine,
)
from tests.unit.paper.checks import state_of


def busy(bench: Bench) -> None:
    """Some of everything, with one transaction left in the queue."""
    seed_book(bench.engine)
    bench.engine.change_tier(TWIN, "plus")
    bench.create(ALICE, ClientOrderIndex=7, Price=299_985)
    bench.market(BOB, 30, is_ask=True)
    bench.take(50, is_ask=True, until=ALICE)
    bench.cancel_all(ALICE, 1, bench.now + 300_000)
    bench.run(200)
    bench.engine.add_collateral(ALICE, -5)
    bench.engine.set_mark_price(0, 300_500)
    bench.engine.set_force_reduce_only(1, on=True)
    bench.engine.add_key(ALICE, 6, "ff")
    bench.engine.add_key(ALICE, 7, "fe")
    bench.engine.set_maker_only(ALICE, [6, 7])
    bench.engine.delete_key(ALICE, 6)
    bench.engine.set_tier(BOB, Tier.PREMIUM, 1_000)
    bench.engine.set_funding(0, 12)
    bench.run(3_600_000)
    batch = [json.dumps(bench.create_info(BOB, Nonce=bench.nonce(BOB) + n)) for n in range(2)]
    bench.engine.submit_batch([14, 14], batch)
    modify = {"MarketIndex": 0, "Index": 8, "BaseAmount": 90, "Price": 299_900, "TriggerPrice": 0}
    bench.create(BOB, ClientOrderIndex=8)
    bench.submit(17, bench.plain_info(BOB, **modify))
    bench.run(200)
    bench.engine.add_collateral(BOB, 1 - bench.engine.summary(BOB).collateral)
    bench.engine.add_collateral(BOB, 1_000_000_000)
    bench.engine.set_tier(BOB, Tier.STANDARD)
    bench.submit(14, bench.create_info(BOB, ClientOrderIndex=8))


def test_restored_state_is_the_same(tmp_path: Path) -> None:
    """A new process has the same orders, trades, nonces, ids, events and queue, and goes on."""
    bench, journal = journaled(tmp_path)
    busy(bench)
    journal.close()
    engine = new_engine()
    events: list[Any] = []
    journal = Journal(tmp_path, header_of(engine))
    assert journal.restore(engine, events.extend)
    assert state_of(engine) == state_of(bench.engine)
    assert engine.funding_payments(ALICE)
    assert engine.liquidations(BOB)
    assert events == bench.events + bench.engine.drain_events()
    bench.engine.recorder = None
    for each in (engine, bench.engine):
        each.advance(bench.now + 200)
    assert engine.next_nonce(BOB, KEY) == bench.nonce(BOB)
    assert [order.client_order_index for order in engine.active_orders(BOB)] == [8]
    assert engine.drain_events()[0].seq == bench.engine.drain_events()[0].seq
    journal.close()


def test_fresh_directory(tmp_path: Path) -> None:
    """A new journal has nothing to replay and records from then on."""
    engine = new_engine()
    journal = Journal(tmp_path / "deep" / "state", header_of(engine))
    assert not journal.restore(engine)
    engine.add_account(ALICE, "x", 1)
    journal.close()
    lines = journal.path.read_text().splitlines()
    assert json.loads(lines[0])["tier"] == "standard"
    assert json.loads(lines[1]) == ["add_account", START_MS, 1, ALICE, "x", 1]
    assert len(lines) == 2


@pytest.mark.parametrize("torn", ['["take",17', "[", '["advance",1,1]'])
def test_torn_last_line(tmp_path: Path, torn: str) -> None:
    """What follows the last newline is cut off, as nobody was told about it."""
    bench, journal = journaled(tmp_path)
    busy(bench)
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + torn.encode())
    engine = new_engine()
    journal = Journal(tmp_path, header_of(engine))
    assert journal.restore(engine)
    assert journal.path.read_bytes() == whole
    assert state_of(engine) == state_of(bench.engine)
    journal.close()


def test_torn_header(tmp_path: Path) -> None:
    """A journal that was cut within its header counts as new."""
    (tmp_path / FILE_NAME).write_text('{"journal":1,"ti')
    engine = new_engine()
    journal = Journal(tmp_path, header_of(engine))
    assert not journal.restore(engine)
    journal.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", "not a journal of this program"),
        ("[]\n", "not a journal of this version"),
        ('{"journal":0}\n', "not a journal of this version"),
    ],
)
def test_foreign_files(tmp_path: Path, text: str, words: str) -> None:
    """Another file in its place is refused in one sentence and left alone."""
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(JournalError, match=words):
        Journal(tmp_path, header_of(new_engine()))
    assert (tmp_path / FILE_NAME).read_text() == text


def test_other_tier(tmp_path: Path) -> None:
    """A journal of another tier is refused, naming the difference."""
    Journal(tmp_path, header_of(new_engine(Tier.INSTANT))).close()
    with pytest.raises(JournalError, match="another tier"):
        Journal(tmp_path, header_of(new_engine(Tier.STANDARD)))


def test_corrupt_line(tmp_path: Path) -> None:
    """A whole line that cannot be replayed is an error with its number, never skipped."""
    bench, journal = journaled(tmp_path)
    journal.close()
    for line in ('["what",1,1]', "nonsense", '["add_key",1,1,4711,1,"ab"]', "7", "{}"):
        text = journal.path.read_text().splitlines()[:3]
        journal.path.write_text("\n".join([*text, line]) + "\n")
        engine = new_engine()
        broken = Journal(tmp_path, header_of(engine))
        with pytest.raises(JournalError, match="line 4 cannot be replayed"):
            broken.restore(engine)
        broken.close()
    assert bench.entries


def test_unusable_directory(tmp_path: Path) -> None:
    """A state directory that is a file is refused in one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot use the state directory"):
        Journal(tmp_path / "file", {})


def test_two_processes(tmp_path: Path) -> None:
    """A journal is open in one place at a time."""
    pytest.importorskip("fcntl")
    header = header_of(new_engine())
    journal = Journal(tmp_path, header)
    with pytest.raises(JournalError, match="another process"):
        Journal(tmp_path, header)
    journal.close()
    journal.close()
    Journal(tmp_path, header).close()


def test_a_failed_write_changes_nothing(bench: Bench) -> None:
    """When an input cannot be recorded, it does not happen."""

    def full(_: object) -> None:
        raise OSError("disk full")

    bench.engine.recorder = full
    before = state_of(bench.engine)
    with pytest.raises(OSError, match="disk full"):
        bench.submit(14, bench.create_info(ALICE))
    with pytest.raises(OSError, match="disk full"):
        bench.take(10, is_ask=True)
    assert state_of(bench.engine) == before


def test_a_session_with_the_synthetic_market(tmp_path: Path) -> None:
    """Steps of the market are replayed from the journal, without the market."""
    bench, journal = journaled(tmp_path)
    market = SyntheticMarket(1)
    for _ in range(300):
        market.step(bench.engine, bench.now)
        bench.run(25)
    journal.close()
    engine = new_engine()
    journal = Journal(tmp_path, header_of(engine))
    journal.restore(engine)
    assert state_of(engine) == state_of(bench.engine)
    assert engine.market_trades(0)
    journal.close()


CRASHING = """
import os, signal, sys
from pathlib import Path
from paper.engine import DEFAULT_MARKETS, Engine
from paper.journal import Journal, header_of
from paper.records import Tier, TxStatus
engine = Engine(DEFAULT_MARKETS, Tier.STANDARD, lambda: 1_700_000_000_000, lambda: 1)
journal = Journal(Path(sys.argv[1]), header_of(engine))
journal.restore(engine)
engine.add_account(42, "0xaa", 10**11)
engine.add_key(42, 5, "ab")
accepted = engine.submit_batch([14] * len(sys.argv[2:]), sys.argv[2:])
os.write(1, " ".join(each.tx_hash for each in accepted).encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def crashed(directory: Path, texts: list[str]) -> list[str]:
    """Hashes of a batch that a process answered before it was killed."""
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, str(directory), *texts], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()


def test_an_answered_batch_survives_kill_9(tmp_path: Path, bench: Bench) -> None:
    """What was accepted before the process was killed is queued in the next one, and executes."""
    infos = [bench.create_info(ALICE, ClientOrderIndex=7 + n, Nonce=n) for n in range(2)]
    hashes = crashed(tmp_path, [json.dumps(info) for info in infos])
    engine = new_engine()
    journal = Journal(tmp_path, header_of(engine))
    assert journal.restore(engine)
    txs = [engine.tx_by_hash(tx_hash) for tx_hash in hashes]
    assert [tx.status for tx in txs if tx is not None] == [TxStatus.PENDING] * 2
    engine.advance(START_MS + 200)
    assert [order.client_order_index for order in engine.active_orders(ALICE)] == [7, 8]
    assert engine.next_nonce(ALICE, KEY) == 2
    journal.close()


def test_a_torn_batch_is_not_there_at_all(tmp_path: Path, bench: Bench) -> None:
    """A batch whose line was cut by the crash was not answered: no member of it is queued."""
    infos = [bench.create_info(ALICE, ClientOrderIndex=7 + n, Nonce=n) for n in range(2)]
    crashed(tmp_path, [json.dumps(info) for info in infos])
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:-9])
    engine = new_engine()
    journal = Journal(tmp_path, header_of(engine))
    assert journal.restore(engine)
    assert engine.next_nonce(ALICE, KEY) == 0
    assert engine.account_txs(ALICE) == []
    journal.close()
