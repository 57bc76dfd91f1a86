"""Batches: one key, consecutive nonces, all admitted or none, then each for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paper.engine import TxRejected
from paper.records import OrderStatus, TxStatus
from tests.unit.paper.bench import ALICE, BOB, KEY, Bench
from tests.unit.paper.checks import replayed, state_of

Member = tuple[int, dict[str, Any]]


def members(bench: Bench, count: int, **changes: Any) -> list[Member]:
    """Creates of one key with consecutive nonces."""
    start = bench.nonce(ALICE)
    return [(14, bench.create_info(ALICE, Nonce=start + i, **changes)) for i in range(count)]


def send(bench: Bench, batch: list[Member]) -> list[str]:
    """Submit a batch; return its hashes."""
    types, infos = [kind for kind, _ in batch], [json.dumps(info) for _, info in batch]
    return [accepted.tx_hash for accepted in bench.engine.submit_batch(types, infos)]


def refused(bench: Bench, batch: list[Member]) -> int:
    """Return the code of a refused batch, after checking that nothing changed."""
    before = (state_of(bench.engine), len(bench.entries))
    with pytest.raises(TxRejected) as caught:
        send(bench, batch)
    assert before == (state_of(bench.engine), len(bench.entries))
    return caught.value.code


def test_a_batch_is_admitted_whole(bench: Bench) -> None:
    """Fifteen transactions of one key are admitted at once, each with its own hash and nonce."""
    hashes = send(bench, members(bench, 15))
    assert len(set(hashes)) == 15
    assert bench.nonce(ALICE) == 15
    bench.run()
    assert len(bench.engine.active_orders(ALICE)) == 15
    assert {bench.engine.tx_by_hash(h).status for h in hashes} == {TxStatus.EXECUTED}  # type: ignore[union-attr]


def test_batches_that_are_refused(bench: Bench) -> None:
    """Size, length, owner, key and nonces of a batch are checked before anything is queued."""
    good = members(bench, 2)
    bench.engine.add_key(ALICE, KEY + 1, "ab")
    assert refused(bench, members(bench, 16)) == 21514
    assert refused(bench, []) == 21501
    other = bench.create_info(BOB, Nonce=1)
    assert refused(bench, [good[0], (14, other)]) == 21121
    assert refused(bench, [good[0], (14, good[1][1] | {"ApiKeyIndex": KEY + 1})]) == 21121
    assert refused(bench, [good[1], good[0]]) == 21104
    assert refused(bench, [good[0], good[0]]) == 21105
    assert refused(bench, [good[0], (14, good[1][1] | {"Nonce": 2})]) == 21105
    with pytest.raises(TxRejected, match="21513"):
        bench.engine.submit_batch([14], [])


def test_one_refused_member_refuses_the_batch(bench: Bench) -> None:
    """What the API would refuse by itself refuses the batch with its code; no nonce is spent."""
    good = members(bench, 2)
    assert refused(bench, [good[0], (14, good[1][1] | {"Price": 0})]) == 21702
    assert refused(bench, [good[0], (14, good[1][1] | {"BaseAmount": 1})]) == 21706
    assert refused(bench, [good[0], (99, good[1][1])]) == 21505
    assert bench.nonce(ALICE) == 0


def test_members_fail_one_by_one(bench: Bench) -> None:
    """After admission a member may fail while the others execute."""
    batch = members(bench, 3, ClientOrderIndex=7)
    hashes = send(bench, batch)
    bench.run()
    statuses = [bench.engine.tx_by_hash(h).status for h in hashes]  # type: ignore[union-attr]
    assert statuses == [TxStatus.EXECUTED, TxStatus.FAILED, TxStatus.FAILED]
    assert bench.nonce(ALICE) == 3


def test_a_create_and_its_cancel_in_one_batch(slow: Bench) -> None:
    """A cancel may name the client order index of a create ahead of it in the batch."""
    create = slow.create_info(ALICE, ClientOrderIndex=7)
    cancel = slow.plain_info(ALICE, MarketIndex=0, Index=7, Nonce=1)
    hashes = send(slow, [(14, create), (15, cancel)])
    slow.run(300)
    assert slow.order_of(hashes[0]).status is OrderStatus.CANCELED


def test_skipping_nonces_in_a_batch(bench: Bench) -> None:
    """With the skip attribute nonces of a batch may leave gaps but must grow."""
    skip = {"L2TxAttributes": {"4": 1}}
    rows = [(14, bench.create_info(ALICE, Nonce=n, **skip)) for n in (10, 20, 20)]
    assert refused(bench, rows) == 21105
    send(bench, rows[:2])
    assert bench.nonce(ALICE) == 21


def test_too_many_pending_in_a_batch(slow: Bench) -> None:
    """The members of a batch count against the bound of queued transactions."""
    for _ in range(990):
        slow.submit(16, slow.plain_info(ALICE, TimeInForce=0, Time=0))
    assert refused(slow, members(slow, 11)) == 21506
    send(slow, members(slow, 10))


def test_a_batch_is_replayed(slow: Bench) -> None:
    """A batch is one line of the journal and is replayed whole."""
    send(slow, members(slow, 3))
    slow.run(200)
    assert [entry[0] for entry in slow.entries].count("submit_batch") == 1
    engine, _ = replayed(slow)
    assert state_of(engine) == state_of(slow.engine)
