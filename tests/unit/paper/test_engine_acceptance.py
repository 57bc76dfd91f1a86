"""What the API refuses: every code, with nothing changed and the nonce free."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paper.engine import AdminError, TxRejected
from paper.records import OrderStatus, Tier, TxStatus
from tests.unit.paper.bench import ALICE, BOB, DAY_MS, START_MS, USD, Bench

MINUTE_MS = 60_000

CREATE_CASES: list[tuple[str, dict[str, Any], int]] = [
    ("unknown account", {"AccountIndex": 4711}, 21102),
    ("account index zero", {"AccountIndex": 0}, 21102),
    ("house account", {"AccountIndex": 1 << 47}, 21102),
    ("unknown key", {"ApiKeyIndex": 9, "Nonce": 0}, 21109),
    ("key index out of range", {"ApiKeyIndex": 255}, 21110),
    ("nonce ahead", {"Nonce": 1}, 21104),
    ("nonce negative", {"Nonce": -1}, 21104),
    ("expired", {"ExpiredAt": START_MS}, 21501),
    ("field missing", {"Price": None}, 21501),
    ("field of wrong type", {"Price": "299900"}, 21501),
    ("boolean for a number", {"IsAsk": True}, 21501),
    ("float for a number", {"BaseAmount": 100.0}, 21501),
    ("reduce only not 0 or 1", {"ReduceOnly": 2}, 21501),
    ("attributes not an object", {"L2TxAttributes": [1]}, 21501),
    ("unknown attribute", {"L2TxAttributes": {"9": 1}}, 21501),
    ("too many attributes", {"L2TxAttributes": {str(k): 1 for k in range(1, 6)}}, 21501),
    ("self-trade behavior unknown", {"L2TxAttributes": {"6": 4}}, 21501),
    ("market unknown", {"MarketIndex": 77}, 21602),
    ("base amount zero", {"BaseAmount": 0}, 21701),
    ("base amount too large", {"BaseAmount": 1 << 48}, 21701),
    ("price zero", {"Price": 0}, 21702),
    ("price too large", {"Price": 1 << 32}, 21702),
    ("is_ask out of range", {"IsAsk": 2}, 21703),
    ("stop loss not built", {"Type": 2}, 21704),
    ("time in force unknown", {"TimeInForce": 3}, 21705),
    ("market order that rests", {"Type": 1}, 21705),
    ("trigger price", {"TriggerPrice": 1}, 21729),
    ("base below minimum", {"BaseAmount": 49}, 21706),
    ("quote above the limit", {"BaseAmount": (1 << 48) - 1}, 21706),
    ("client id too large", {"ClientOrderIndex": 1 << 48}, 21727),
    ("expiry too near", {"OrderExpiry": START_MS + 5 * MINUTE_MS - 1}, 21711),
    ("expiry too far", {"OrderExpiry": START_MS + 30 * DAY_MS + 1}, 21711),
    ("expiry missing", {"OrderExpiry": 0}, 21711),
    ("expiry on an IOC", {"TimeInForce": 0, "OrderExpiry": START_MS + DAY_MS}, 21711),
    ("reduce only when flat", {"ReduceOnly": 1}, 21732),
    ("bid far above the mark", {"Price": 315_001}, 21734),
    ("ask far below the mark", {"IsAsk": 1, "Price": 284_999}, 21734),
    ("margin missing", {"BaseAmount": 7_000_000}, 21739),
]


@pytest.mark.parametrize(
    ("changes", "code"), [case[1:] for case in CREATE_CASES], ids=[case[0] for case in CREATE_CASES]
)
def test_refused_creates(bench: Bench, changes: dict[str, Any], code: int) -> None:
    """A create that the API refuses gets its code and leaves everything as it was."""
    assert bench.refused(14, bench.create_info(ALICE) | changes) == code


@pytest.mark.parametrize(
    ("tx_type", "text", "code"),
    [
        (14, "", 21501),
        (14, "{", 21501),
        (14, "[]", 21501),
        (14, "null", 21501),
        (14, "{}", 21501),
        (14, "[" * 100_000, 21501),
        (0, "{}", 21505),
        (13, "{}", 21505),
        (99, "{}", 21505),
    ],
)
def test_refused_texts(bench: Bench, tx_type: int, text: str, code: int) -> None:
    """What is no transaction, or of a type that the engine does not execute, is refused."""
    assert bench.refused(tx_type, text) == code


def test_objects_that_are_no_json(bench: Bench) -> None:
    """A transaction given as an object is held to the same rules."""
    assert bench.engine.submit(14, bench.create_info(ALICE)).tx_hash
    for info in ({"AccountIndex": {1, 2}}, {"AccountIndex": float("nan")}):
        with pytest.raises(TxRejected):
            bench.engine.submit(14, info)


def test_boundaries_are_accepted(bench: Bench) -> None:
    """The outermost allowed expiries, prices and sizes are accepted."""
    for changes in (
        {"OrderExpiry": START_MS + 5 * MINUTE_MS},
        {"OrderExpiry": START_MS + 30 * DAY_MS},
        {"Price": 315_000, "TimeInForce": 0, "OrderExpiry": 0},
        {"IsAsk": 1, "Price": 285_000, "TimeInForce": 0, "OrderExpiry": 0},
        {"BaseAmount": 50},
        {"ClientOrderIndex": (1 << 48) - 1},
    ):
        bench.create(ALICE, **changes)
    assert bench.nonce(ALICE) == 6


def test_minimum_quote_binds_when_it_is_larger(bench: Bench) -> None:
    """Both minimums apply to resting orders: 0.0050 ETH at 1,900 is below 10 USD."""
    bench.engine.set_mark_price(0, 190_000)
    info = bench.create_info(ALICE, BaseAmount=52, Price=190_000)
    assert bench.refused(14, info) == 21706
    bench.create(ALICE, BaseAmount=53, Price=190_000)


def test_minimums_do_not_bind_takers(bench: Bench) -> None:
    """A market order and a limit IOC of one lot execute."""
    bench.ladder((True, 300_100, 1_000))
    assert bench.market(ALICE, 1, is_ask=False).status is OrderStatus.FILLED
    ioc = bench.create(ALICE, BaseAmount=1, Price=300_100, TimeInForce=0)
    assert ioc.status is OrderStatus.FILLED
    assert bench.lots(ALICE) == 2


def test_accidental_price(bench: Bench) -> None:
    """A bid far above the best ask is refused although the mark is near."""
    bench.ladder((True, 280_000, 1_000), (False, 279_000, 1_000))
    assert bench.refused(14, bench.create_info(ALICE, Price=299_000)) == 21733
    assert bench.refused(14, bench.create_info(ALICE, Price=299_000, TimeInForce=0)) == 21733
    assert bench.market(ALICE, 10, is_ask=False, Price=400_000).status is OrderStatus.FILLED


def test_client_id_is_unique_among_active_orders_only(bench: Bench) -> None:
    """A client id is refused while its order rests, over all markets, and free afterwards."""
    order = bench.create(ALICE, ClientOrderIndex=7)
    assert bench.refused(14, bench.create_info(ALICE, ClientOrderIndex=7)) == 21728
    other = {"MarketIndex": 1, "BaseAmount": 100, "Price": 999_000}
    assert bench.refused(14, bench.create_info(ALICE, ClientOrderIndex=7, **other)) == 21728
    bench.create(BOB, ClientOrderIndex=7)
    bench.cancel(ALICE, order.order_index)
    assert bench.create(ALICE, ClientOrderIndex=7).status is OrderStatus.OPEN


def test_client_id_taken_between_acceptance_and_execution(slow: Bench) -> None:
    """Of two queued creates with one client id the second fails in execution, nonce spent."""
    first = slow.submit(14, slow.create_info(ALICE, ClientOrderIndex=7))
    second = slow.submit(14, slow.create_info(ALICE, ClientOrderIndex=7))
    slow.run(300)
    assert slow.tx(first).status is TxStatus.EXECUTED
    assert slow.tx(second).status is TxStatus.FAILED
    assert json.loads(slow.tx(second).event_info)["ae"] == "client order index already exists"
    assert slow.nonce(ALICE) == 2


def test_reduce_only_in_the_wrong_direction(bench: Bench) -> None:
    """A long account may not buy reduce-only."""
    bench.ladder((True, 300_100, 1_000))
    bench.market(ALICE, 100, is_ask=False)
    assert bench.refused(14, bench.create_info(ALICE, ReduceOnly=1)) == 21732


def test_same_bytes_twice(bench: Bench) -> None:
    """Identical bytes are accepted once; the second time the nonce is refused."""
    info = bench.create_info(ALICE, ClientOrderIndex=7)
    bench.submit(14, info)
    assert bench.refused(14, info) == 21104
    bench.run()
    assert bench.refused(14, info) == 21104


def test_skip_nonce(bench: Bench) -> None:
    """With the skip attribute any higher nonce is accepted, and there is no way back."""
    skipping = bench.create_info(ALICE, Nonce=1_000, L2TxAttributes={"4": 1})
    bench.submit(14, skipping)
    assert bench.nonce(ALICE) == 1_001
    assert bench.refused(14, skipping) == 21104


def test_cancel_codes(bench: Bench) -> None:
    """Cancels of gone, foreign and unknown orders are refused before acceptance."""
    mine, other = bench.create(ALICE, ClientOrderIndex=7), bench.create(BOB)

    def refused(index: int, market: int = 0) -> int:
        return bench.refused(15, bench.plain_info(ALICE, MarketIndex=market, Index=index))

    assert refused(0) == 21700
    assert refused(1 << 60) == 21700
    assert refused(7, market=77) == 21602
    assert refused(8) == 21600
    assert refused((1 << 48) + 12_345) == 21600
    assert refused(other.order_index) == 21707
    assert refused(mine.order_index, market=1) == 21700
    assert refused(7, market=1) == 21600
    bench.cancel(ALICE, 7)
    assert refused(7) == 21709
    assert refused(mine.order_index) == 21709


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"TimeInForce": 3, "Time": 0}, 21713),
        ({"TimeInForce": 0, "Time": 1}, 21714),
        ({"TimeInForce": 2, "Time": 1}, 21714),
        ({"TimeInForce": 1, "Time": 0}, 21714),
        ({"TimeInForce": 1, "Time": START_MS + 5 * MINUTE_MS - 1}, 21714),
        ({"TimeInForce": 1, "Time": START_MS + 15 * DAY_MS + 1}, 21714),
        ({"TimeInForce": 0, "Time": 0, "L2TxAttributes": {"5": 77}}, 21602),
        (
            {"TimeInForce": 1, "Time": START_MS + DAY_MS, "L2TxAttributes": {"5": 0}},
            21501,
        ),
    ],
)
def test_cancel_all_codes(bench: Bench, fields: dict[str, Any], code: int) -> None:
    """Cancel-all modes, times and markets out of range are refused."""
    assert bench.refused(16, bench.plain_info(ALICE, **fields)) == code


def test_order_limit_per_market(slow: Bench) -> None:
    """The standard tier allows 30 active orders per account and market."""
    assert slow.engine.tier is Tier.STANDARD
    for _ in range(30):
        slow.create(ALICE)
    assert slow.refused(14, slow.create_info(ALICE)) == 21718


def test_too_many_pending(slow: Bench) -> None:
    """An account has at most 1,000 queued transactions."""
    for _ in range(1_000):
        slow.submit(16, slow.plain_info(ALICE, TimeInForce=0, Time=0))
    assert slow.refused(14, slow.create_info(ALICE)) == 21506


def test_resting_orders_reserve_margin(bench: Bench) -> None:
    """Resting orders count against the margin; the other side of the book does not add."""
    quarter = {"BaseAmount": 3_000_000, "Price": 299_900}
    bench.create(ALICE, **quarter)
    bench.create(ALICE, **quarter)
    summary = bench.engine.summary(ALICE)
    assert summary.order_margin == 90_000 * USD
    assert summary.available_balance == 10_000 * USD
    assert bench.refused(14, bench.create_info(ALICE, **quarter)) == 21739
    bench.create(ALICE, BaseAmount=3_000_000, IsAsk=1, Price=300_100)
    assert bench.engine.summary(ALICE).order_margin == 90_000 * USD


def test_ended_orders_give_their_margin_back(bench: Bench) -> None:
    """What was cancelled or filled no longer counts as a resting order."""
    cancelled = bench.create(ALICE, BaseAmount=30_000)
    bench.cancel(ALICE, cancelled.order_index)
    assert bench.engine.summary(ALICE).order_margin == 0
    bench.create(ALICE, BaseAmount=30_000)
    bench.market(BOB, 10_000, is_ask=True)
    summary = bench.engine.summary(ALICE)
    assert (summary.initial_margin, summary.order_margin) == (150 * USD, 300 * USD)


def test_admin_calls_that_make_no_sense(bench: Bench) -> None:
    """Admin calls are refused with AdminError and leave no trace."""
    engine, before = bench.engine, (bench.engine.last_seq, len(bench.entries))
    for call in (
        lambda: engine.add_account(ALICE, "x", 0),
        lambda: engine.add_account(0, "x", 0),
        lambda: engine.add_account(1 << 47, "x", 0),
        lambda: engine.add_account(50, "x", -1),
        lambda: engine.add_collateral(4711, 1),
        lambda: engine.add_collateral(ALICE, -100_001 * USD),
        lambda: engine.add_key(4711, 1, "ab"),
        lambda: engine.add_key(ALICE, 255, "ab"),
        lambda: engine.delete_key(ALICE, 9),
        lambda: engine.take(77, is_ask=True, lots=1),
        lambda: engine.take(0, is_ask=True, lots=0),
        lambda: engine.set_mark_price(0, 0),
    ):
        with pytest.raises(AdminError):
            call()
    assert before == (engine.last_seq, len(bench.entries))
