"""A's orders and cancels get lost, late or stranded: never two at once, no fill missed."""

import time
from typing import Any

import pytest

from tests.fault_helpers import (
    CANCEL,
    MAKER,
    MARKS,
    OF_A,
    flat,
    goes_on,
    healing_fixture,
    named,
    pair_fixture,
    sent,
    until_fired,
)
from tests.world.pair import Pair
from tests.world.paper import ACCOUNT_A

pytestmark = MARKS

SETTINGS = {
    "timing.quiet_after_429_s": 1.0,
    "timing.answer_timeout_s": 0.4,
    "timing.request_timeout_s": 1.0,
    "timing.place_deadline_s": 1.0,
}


pair = pair_fixture(SETTINGS)
healed = healing_fixture()


FATES: list[tuple[str, dict[str, Any]]] = [
    ("answer_lost_before", {}),
    ("answer_lost_before", {"count": 2}),
    ("answer_lost_after", {}),
    ("answer_lost_after", {"count": 2}),
    ("answer_delayed", {"delay_ms": 1500}),
    ("answer_delayed", {"delay_ms": 1500, "count": 2}),
    ("answer_429", {}),
    ("answer_500", {"accepted": True, "count": 2}),
    ("answer_html", {"accepted": True}),
    ("order_dropped", {}),
    ("nonce_given_back", {}),
    ("held", {"delay_ms": 1500}),
]


ENDED: list[tuple[str, dict[str, Any]]] = [
    ("order_cancelled", {}),
    ("order_cancelled", {"status": "canceled-post-only", "count": 2}),
]


@pytest.mark.parametrize(("name", "options"), [*FATES, *ENDED], ids=named)
async def test_an_order_of_a_meets(pair: Pair, name: str, options: dict[str, Any]) -> None:
    """A's order is lost, late, cancelled or dropped: A finds out, and one order rests."""
    await flat(pair)
    fault = await pair.paper.fault(name, **MAKER, **options)
    since = time.monotonic_ns()
    await pair.fill_a("0.0200")
    await until_fired(pair, fault, options.get("count", 1))
    await goes_on(pair)
    assert await sent(pair, ACCOUNT_A, since)
    assert len(await pair.resting()) <= 1


@pytest.mark.parametrize(("name", "options"), FATES, ids=named)
async def test_a_cancel_of_a_meets(pair: Pair, name: str, options: dict[str, Any]) -> None:
    """The cancel of a remainder is lost or late: what fills meanwhile is hedged like any fill."""
    await flat(pair)
    fault = await pair.paper.fault(name, **OF_A, tx_type=CANCEL, **options)
    await pair.fill_a("0.0200")
    if await pair.resting():
        await pair.take("sell", "0.0100")
    await until_fired(pair, fault)
    await goes_on(pair)


async def test_a_cancel_loses_the_race_against_a_fill(pair: Pair) -> None:
    """The order fills while its cancel waits at the exchange: a fill like any other."""
    await flat(pair)
    held = await pair.paper.fault("held", **OF_A, tx_type=CANCEL)
    await pair.fill_a("0.0200")
    await until_fired(pair, held)
    assert await pair.take("sell", "0.0300") != []
    await pair.paper.clear(held)
    await goes_on(pair)


async def test_the_cancel_all_of_a_fence_is_dropped(pair: Pair) -> None:
    """A's fence goes on until it has proof, and no order of A stays beside the next one."""
    await flat(pair)
    dropped = await pair.paper.fault("order_dropped", **OF_A, tx_type=16)
    await pair.paper.fault("answer_lost_after", **MAKER, count=2)
    await pair.fill_a("0.0200")
    await until_fired(pair, dropped)
    await goes_on(pair)
