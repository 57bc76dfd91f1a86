"""What holds after any sequence of inputs: conservation, a sane book, an exact replay."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paper.engine import AdminError, TxRejected
from paper.records import Tier
from tests.unit.paper.bench import ALICE, BOB, TWIN, USD, Bench
from tests.unit.paper.checks import (
    check_books,
    check_conservation,
    check_nonce_order,
    check_orders,
    check_trades,
    replayed,
    state_of,
)

USERS = st.sampled_from([ALICE, BOB, TWIN])
PRICES = st.sampled_from([299_900, 299_950, 300_000, 300_050, 300_100])
LOTS = st.sampled_from([50, 60, 100, 333, 20_000])
CLIENTS = st.integers(0, 6)
SELF_TRADE = st.sampled_from([None, None, {"6": 1}, {"6": 2}, {"6": 3}, {"7": 1}])


def create(order_type: int, tif: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Inputs that create orders of one kind."""
    common = {
        "MarketIndex": st.sampled_from([0, 0, 0, 1]),
        "BaseAmount": LOTS,
        "Price": PRICES,
        "IsAsk": st.integers(0, 1),
        "ReduceOnly": st.just(0),
        "ClientOrderIndex": CLIENTS,
        "L2TxAttributes": SELF_TRADE,
        "Type": st.just(order_type),
        "TimeInForce": st.just(tif),
    }
    return st.tuples(st.just("create"), USERS, st.fixed_dictionaries(common | fields))


REDUCE = {"ReduceOnly": st.just(1), "BaseAmount": st.sampled_from([0, 60, 100, 333])}
RESTING = create(0, 1)
TAKERS = st.one_of(
    create(1, 0, BaseAmount=st.sampled_from([1, 70, 150, 2_000, 3_000_000])),
    create(0, 0, BaseAmount=st.sampled_from([1, 70, 150])),
)
REDUCERS = st.one_of(create(0, 1, **REDUCE), create(1, 0, **REDUCE))
INPUTS = st.one_of(
    RESTING,
    RESTING,
    create(0, 2),
    TAKERS,
    TAKERS,
    REDUCERS,
    REDUCERS,
    st.tuples(st.just("cancel"), USERS, CLIENTS),
    st.tuples(st.just("cancel_all"), USERS, st.sampled_from([None, {"5": 0}])),
    st.tuples(st.just("dead_man"), USERS, st.integers(300_000, 400_000)),
    st.tuples(st.just("take"), st.booleans(), LOTS, st.sampled_from([None, ALICE, BOB])),
    st.tuples(st.just("wait"), st.sampled_from([1, 100, 250, 250, 250, 250, 250, 150_000])),
    st.tuples(st.just("collateral"), USERS, st.sampled_from([-90_000 * USD, 10_000 * USD])),
    st.tuples(st.just("mark"), st.integers(290_000, 310_000)),
)


def do(bench: Bench, kind: str, *args: Any) -> None:
    """Apply one generated input; refusals are fine."""
    try:
        if kind == "create":
            account, fields = args
            info = bench.create_info(account, TimeInForce=fields["TimeInForce"]) | fields
            if fields["TimeInForce"]:
                info["OrderExpiry"] = bench.now + 300_000
            if fields["MarketIndex"] == 1:
                info["Price"] = 1_000_000 + fields["Price"] - 300_000
            bench.engine.submit(14, json.dumps(info))
        elif kind == "cancel":
            account, client = args
            bench.submit(15, bench.plain_info(account, MarketIndex=0, Index=client))
        elif kind == "cancel_all":
            account, attributes = args
            fields = {"TimeInForce": 0, "Time": 0, "L2TxAttributes": attributes}
            bench.submit(16, bench.plain_info(account, **fields))
        elif kind == "dead_man":
            account, ahead = args
            bench.submit(16, bench.plain_info(account, TimeInForce=1, Time=bench.now + ahead))
        elif kind == "take":
            bench.take(args[1], is_ask=args[0], until=args[2])
        elif kind == "wait":
            bench.now += args[0]
        elif kind == "collateral":
            bench.engine.add_collateral(*args)
        else:
            bench.engine.set_mark_price(0, *args)
    except (TxRejected, AdminError):
        pass
    bench.run()


@given(
    st.sampled_from(list(Tier)),
    st.booleans(),
    st.lists(INPUTS, min_size=30, max_size=80),
)
@settings(max_examples=100, deadline=None)
def test_any_sequence_of_inputs(tier: Tier, ladder: bool, inputs: list[tuple[Any, ...]]) -> None:
    """After any inputs money and positions are conserved, books sane, and a replay is exact."""
    bench = Bench(tier)
    bench.events += bench.engine.drain_events()
    if ladder:
        bench.ladder((False, 299_900, 500), (True, 300_100, 500), (True, 300_150, 9_000))
    for kind, *args in inputs:
        do(bench, kind, *args)
        check_books(bench.engine)
        check_orders(bench.engine)
    bench.run(1_000)
    check_conservation(bench.engine)
    check_trades(bench)
    check_nonce_order(bench)
    seqs = [event.seq for event in bench.events]
    assert seqs == list(range(1, len(seqs) + 1))
    engine, events = replayed(bench)
    assert state_of(engine) == state_of(bench.engine)
    assert events == bench.events
