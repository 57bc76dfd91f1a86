"""What the exchange answers to B's hedges goes wrong: one hedge all the same, never two."""

from typing import Any

import pytest

from tests.fault_helpers import (
    HEDGE,
    MARKS,
    OF_B,
    fill_under,
    flat,
    goes_on,
    healing_fixture,
    hedged_once,
    named,
    pair_fixture,
    until_fired,
)
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "timing.quiet_after_429_s": 1.0,
    "timing.answer_timeout_s": 0.4,
    "timing.request_timeout_s": 0.6,
}
LATE = {"delay_ms": 1200}


pair = pair_fixture(SETTINGS)
healed = healing_fixture()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("answer_lost_before", {}),
        ("answer_lost_before", {"count": 2}),
        ("answer_lost_before", {"how": "cut"}),
        ("answer_lost_after", {}),
        ("answer_lost_after", {"count": 2}),
        ("answer_lost_after", {"how": "cut"}),
        ("answer_delayed", LATE),
        ("answer_delayed", {**LATE, "count": 2}),
        ("answer_delayed", {**LATE, "accepted": True}),
        ("answer_405", {}),
        ("answer_405", {"accepted": True}),
        ("answer_429", {}),
        ("answer_429", {"accepted": True}),
        ("answer_429", {"count": 2}),
        ("answer_500", {"accepted": True, "count": 2}),
        ("answer_html", {}),
        ("answer_html", {"accepted": True, "count": 2}),
    ],
    ids=named,
)
async def test_the_answer_to_a_hedge_is_not_the_true_one(
    pair: Pair, name: str, options: dict[str, Any]
) -> None:
    """Lost, late, refused or replaced, taken or not, one copy or both: hedged exactly once.

    After a case that left the socket without an answer there is one copy only, by HTTP.
    """
    since, fault = await fill_under(pair, name, "0.0300", **HEDGE, **options)
    await until_fired(pair, fault)
    await hedged_once(pair, since, 300)


@pytest.mark.parametrize("path", ["nextNonce", "accountInactiveOrders", "trades"])
@pytest.mark.parametrize("name", ["answer_500", "answer_html", "answer_lost_before"])
async def test_b_looks_up_a_lost_hedge_and_reads_fail(pair: Pair, name: str, path: str) -> None:
    """B's fence meets reads without an answer: unknown is not absent, so nothing is sent twice."""
    await flat(pair)
    failing = await pair.paper.fault(name, **OF_B, path=path)
    since, _ = await fill_under(pair, "answer_lost_after", "0.0200", **HEDGE, count=2)
    if path != "trades":
        await until_fired(pair, failing)
    await hedged_once(pair, since, 200)


async def test_b_is_restarted_and_cannot_ask_for_its_key(pair: Pair) -> None:
    """A fill is open and the exchange answers nothing: B waits for it, aloud, and hedges then."""
    await flat(pair)
    await pair.paper.fault("answer_500", **OF_B, path="any", via="http", count=0)
    pair.kill_b()
    await pair.fill_a("0.0200")
    daemon = pair.start_b()
    await pair.until(lambda: "Trying again" in daemon.output(), "B waiting for its exchange")
    assert await pair.positions() == (200, 0)
    await pair.paper.clear()
    await goes_on(pair)
    assert daemon.code is None


async def test_b_is_restarted_and_cannot_read_its_trades(pair: Pair) -> None:
    """B without a proven book is not ready, and a fill of A meanwhile waits for it."""
    await flat(pair)
    fault = await pair.paper.fault("answer_500", **OF_B, path="trades", count=0)
    pair.kill_b()
    pair.start_b()
    await pair.fill_a("0.0500")
    await until_fired(pair, fault, 2)
    beat = await pair.until_ready_b(ready=False)
    assert beat["reasons"]
    assert await pair.positions() == (500, 0)
    await pair.paper.clear(fault)
    await goes_on(pair)


async def test_the_exchange_says_too_many_requests_for_a_while(pair: Pair) -> None:
    """429 to everything of B but its streams: the fill waits, and is hedged once it may be."""
    since, fault = await fill_under(pair, "answer_429", "0.0200", **OF_B, path="any", count=6)
    await until_fired(pair, fault, 2)
    await hedged_once(pair, since, 200)
