"""What REST lists late, out of order or in other words: absent there is not "did not execute"."""

import time

from tests.fault_helpers import (
    MARKS,
    flat,
    healing_fixture,
    hedged_once,
    pair_fixture,
)
from tests.world.pair import Pair

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.answer_timeout_s": 0.2,
    "timing.settle_timeout_s": 0.4,
}
pair = pair_fixture(SETTINGS)
healed = healing_fixture()


async def test_rows_are_told_in_other_words(pair: Pair) -> None:
    """Early trades, whole seconds, null lists, strangers without positions, late rows: as ever."""
    await flat(pair)
    await pair.paper.fault("trade_time_early", most_ms=20_000)
    await pair.paper.fault("order_times_in_seconds")
    await pair.paper.fault("position_before_lost", how="absent")
    await pair.paper.fault("list_missing", how="null")
    await pair.paper.fault("listed_late", what="rows", most_ms=1000)
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await hedged_once(pair, since, 300)
