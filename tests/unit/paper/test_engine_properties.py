"""What holds after any sequence of inputs: conservation, a sane book, an exact replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paper.engine import AdminError, TxRejected
from paper.records import Tier
from tests.examples import examples
from tests.unit.paper.bench import ALICE, BOB, TWIN, USD, Bench
from tests.unit.paper.checks import (
    check_books,
    check_conservation,
    check_health,
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
SELF_TRADE = st.sampled_from([None, None, {"6": 1}, {"6": 2}, {"6": 3}, {"7": 1}, {"8": 2}])
WAITS = st.sampled_from([1, 100, 250, 250, 250, 250, 250, 150_000, 3_600_000, 3_600_000])
TIERS = st.sampled_from(list(Tier))


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
    st.tuples(st.just("wait"), WAITS),
    st.tuples(
        st.just("collateral"), USERS, st.sampled_from([-90_000 * USD, -900 * USD, 10_000 * USD])
    ),
    st.tuples(st.just("mark"), st.integers(290_000, 310_000)),
    st.tuples(st.just("mark"), st.sampled_from([200_000, 252_500, 300_000, 346_500, 400_000])),
    *[st.tuples(st.just("modify"), USERS, CLIENTS, LOTS, PRICES, SELF_TRADE)] * 3,
    st.tuples(st.just("leverage"), USERS, st.sampled_from([100, 200, 500, 1_000, 10_000])),
    st.tuples(st.just("tier"), USERS, TIERS, st.sampled_from([0, 1_000, 500_000])),
    st.tuples(st.just("change_tier"), USERS, TIERS),
    st.tuples(st.just("funding"), st.sampled_from([0, 1]), st.sampled_from([0, 12, -777, 9_999])),
    st.tuples(st.just("batch"), USERS, st.lists(CLIENTS, min_size=1, max_size=4), st.booleans()),
)


def do_create(bench: Bench, account: int, fields: dict[str, Any]) -> None:
    info = bench.create_info(account, TimeInForce=fields["TimeInForce"]) | fields
    if fields["TimeInForce"]:
        info["OrderExpiry"] = bench.now + 300_000
    if fields["MarketIndex"] == 1:
        info["Price"] = 1_000_000 + fields["Price"] - 300_000
    bench.engine.submit(14, json.dumps(info))


def do_batch(bench: Bench, account: int, clients: list[int], skip: bool) -> None:
    """Creates with these client order indexes, then a cancel of the first."""
    nonce, gap = bench.nonce(account), 3 if skip else 1
    attributes = {"L2TxAttributes": {"4": 1}} if skip else {}
    infos: list[dict[str, Any]] = [
        bench.create_info(account, ClientOrderIndex=client, Nonce=nonce + gap * n, **attributes)
        for n, client in enumerate(clients)
    ]
    last = {"Nonce": nonce + gap * len(clients), **attributes}
    infos.append(bench.plain_info(account, MarketIndex=0, Index=clients[0], **last))
    types = [14] * len(clients) + [15]
    bench.engine.submit_batch(types, [json.dumps(info) for info in infos])


def do_cancel_all(bench: Bench, account: int, attributes: dict[str, int] | None) -> None:
    fields = {"TimeInForce": 0, "Time": 0, "L2TxAttributes": attributes}
    bench.submit(16, bench.plain_info(account, **fields))


def do_modify(bench: Bench, account: int, client: int, lots: int, price: int, more: Any) -> None:
    fields = {"Index": client, "BaseAmount": lots, "Price": price, "L2TxAttributes": more}
    bench.submit(17, bench.plain_info(account, MarketIndex=0, TriggerPrice=0, **fields))


def do_leverage(bench: Bench, account: int, imf: int) -> None:
    fields = {"MarketIndex": 0, "InitialMarginFraction": imf, "MarginMode": 0}
    bench.submit(20, bench.plain_info(account, **fields))


def do_dead_man(bench: Bench, account: int, ahead: int) -> None:
    bench.submit(16, bench.plain_info(account, TimeInForce=1, Time=bench.now + ahead))


DO: dict[str, Callable[..., object]] = {
    "create": do_create,
    "batch": do_batch,
    "cancel": lambda b, user, n: b.submit(15, b.plain_info(user, MarketIndex=0, Index=n)),
    "cancel_all": do_cancel_all,
    "dead_man": do_dead_man,
    "modify": do_modify,
    "leverage": do_leverage,
    "take": lambda b, is_ask, lots, until: b.take(lots, is_ask=is_ask, until=until),
    "wait": lambda b, ms: setattr(b, "now", b.now + ms),
    "collateral": lambda b, *args: b.engine.add_collateral(*args),
    "mark": lambda b, price: b.engine.set_mark_price(0, price),
    "tier": lambda b, *args: b.engine.set_tier(*args),
    "change_tier": lambda b, *args: b.engine.change_tier(*args),
    "funding": lambda b, *args: b.engine.set_funding(*args),
}


def do(bench: Bench, kind: str, *args: Any) -> None:
    """Apply one generated input; a refusal must change nothing."""
    before = state_of(bench.engine)
    try:
        DO[kind](bench, *args)
    except (TxRejected, AdminError):
        assert state_of(bench.engine) == before
    bench.run()


def open_positions(bench: Bench) -> None:
    """BOB sells to TWIN 2 ETH, worth six times the smaller collateral, at the mark price.

    Some of the marks above leave one of them between maintenance and close-out margin then.
    """
    bench.engine.set_funding(0, 12)
    bench.create(BOB, IsAsk=1, Price=300_000, BaseAmount=20_000)
    bench.market(TWIN, 20_000, is_ask=False)


@given(
    TIERS,
    st.booleans(),
    st.booleans(),
    st.sampled_from([100_000 * USD, 1_000 * USD]),
    st.lists(INPUTS, min_size=30, max_size=80),
)
@examples(40)
def test_any_sequence_of_inputs(
    tier: Tier, ladder: bool, held: bool, collateral: int, inputs: list[tuple[Any, ...]]
) -> None:
    """After any inputs money and positions are conserved, books sane, and a replay is exact."""
    bench = Bench(tier, collateral)
    bench.events += bench.engine.drain_events()
    if held:
        open_positions(bench)
    if ladder:
        bench.ladder((False, 299_900, 500), (True, 300_100, 500), (True, 300_150, 9_000))
    for kind, *args in inputs:
        do(bench, kind, *args)
        check_books(bench.engine)
        check_orders(bench.engine)
        check_health(bench.engine)
    bench.run(1_000)
    check_conservation(bench.engine)
    check_trades(bench)
    check_nonce_order(bench)
    seqs = [event.seq for event in bench.events]
    assert seqs == list(range(1, len(seqs) + 1))
    engine, events = replayed(bench)
    assert state_of(engine) == state_of(bench.engine)
    assert events == bench.events
