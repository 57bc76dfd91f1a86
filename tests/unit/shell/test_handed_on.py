"""What the managers hand on: fates of orders, what is settled, what A says of its own book."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import main_A
import main_B
from hedge.bus.port import StateSnapshot
from hedge.config.schema import StrategyConfig
from hedge.core import ids
from hedge.core.amounts import Side
from hedge.core.hedger.departure import MakerBeat
from hedge.core.maker.state import Answered, Order, Pending, Phase
from hedge.core.transitions import Outcome, Verdict
from hedge.exchange.port import OrderKind, OrderRequest, TimeInForce, TxSeen, TxStatus
from hedge.hedger import statements as answers
from hedge.maker import statements
from hedge.wire.state import Ready
from tests.unit.shell.fakes import Bench, always_fresh
from tests.unit.venue.fakes import LOST

NONCE = 5
BUILDERS = {"a": main_A.build, "b": main_B.build}


def built(bench: Bench) -> Any:
    """Return the manager of a side."""
    bench.strategy = StrategyConfig(quantity=Decimal("0.01"))
    bench.bus.subscribe = lambda *_: None  # type: ignore[attr-defined]
    lighter = replace(bench.parts.config.lighter, requests_per_minute=20)
    parts = replace(bench.parts, config=replace(bench.parts.config, lighter=lighter))
    return BUILDERS[bench.side](parts)


@pytest.mark.parametrize("side", BUILDERS)
async def test_a_daemon_asks_for_no_transaction_that_its_stream_told(
    side: str, tmp_path: Path
) -> None:
    """Both copies went unanswered and no row shows the order: the stream's word decides at once."""
    bench = Bench(tmp_path, side)
    manager, sender = built(bench), bench.parts.sender
    bench.venue.sends.extend((LOST, LOST))
    index = ids.order_id(bench.parts.instance, NONCE)
    now = TimeInForce.IMMEDIATE_OR_CANCEL
    request = OrderRequest(index, Side.BUY, 10, 200_000, OrderKind.MARKET, now)
    await sender.order(request, NONCE)
    looks: list[str] = []

    def look(tx_hash: str) -> TxStatus:
        looks.append(tx_hash)
        return TxStatus.EXECUTED if tx_hash.startswith("cancel_all") else TxStatus.UNKNOWN

    bench.venue.look = look
    order_hash = bench.venue.sent[0][0].tx_hash
    manager.on_venue(TxSeen(order_hash, TxStatus.FAILED, "not enough margin"))
    bench.venue.nonces[0] = NONCE + 1
    await sender.fence()
    assert order_hash not in looks
    bench.close()


@pytest.mark.parametrize("refused", [True, False])
async def test_a_tells_its_next_start_that_nothing_is_open(
    tmp_path: Path, *, refused: bool
) -> None:
    """Once the answer to what it signed last is clear; else the next fence waits."""
    bench = Bench(tmp_path, "a")
    manager = built(bench)
    bench.parts.sender.nonces.fenced(7, 0)
    order = Order(7, 7, Side.BUY, 100, 300_000, reduce_only=False, sent_ms=0)
    manager.state = replace(manager.state, order=order, pending=Pending.PLACE, nonce=7)
    manager.state = replace(manager.state, phase=Phase.PLACING)
    verdict = Verdict.REJECTED if refused else Verdict.UNKNOWN
    manager.step(Answered(Pending.PLACE, 7, Outcome(verdict, code=21700)))
    assert (bench.host.read("settled") == {"next_nonce": 7}) is refused
    bench.close()


def test_a_side_whose_book_is_no_evidence_says_for_how_long_it_saw_nothing(tmp_path: Path) -> None:
    """Of its orders; a pong is none of them. Nothing is said before they were ever shown."""
    for side in "ab":
        bench = Bench(tmp_path / side, side)
        manager = built(bench)
        manager.state = replace(manager.state, own_shown=False)

        def beat(manager: Any = manager) -> Ready:
            if manager.side == "a":
                return statements.beat_of(manager.parts, manager.state, is_proven=True)
            return answers.beat_of(manager.parts, manager.state, (), None)

        assert (beat().shown, beat().unheard_s) == (False, None)
        bench.venue.shown_ms = bench.clock.now_ms() - 12_999
        assert (beat().shown, beat().unheard_s) == (False, 12)
        bench.close()


async def test_b_reads_what_a_says_of_its_own_book(tmp_path: Path) -> None:
    """That it is open, and up to when it is confirmed: not before B knows the exchange's clock."""
    bench, bench_a = Bench(tmp_path / "b", "b"), Bench(tmp_path / "a", "a")
    b, a = built(bench), built(bench_a)
    now_ms, epoch_ms = bench.clock.now_ms(), 1_700_000_000_000
    bench_a.parts.exchange_clock.bound(epoch_ms, now_ms, now_ms)
    state = replace(a.state, net_lots=0, consistent=False)
    beat = statements.beat_of(bench_a.parts, state, confirmed_ms=now_ms - 9000)
    beat = a.origin.stamped_beat(beat)
    b.origin.fresh_until = always_fresh
    seen = list[MakerBeat]()
    for _ in range(2):
        b.on_snapshot(StateSnapshot(ready_a=beat))
        assert b.state.maker.beat is not None
        seen.append(b.state.maker.beat)
        bench.parts.exchange_clock.bound(epoch_ms, now_ms, now_ms)
    assert [one.is_open for one in seen] == [True, True]
    assert [one.confirmed_ms for one in seen] == [None, now_ms - 9000]
    bench.close()
    bench_a.close()
