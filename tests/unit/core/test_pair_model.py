"""Both cores against a model exchange under random schedules: complete, never twice, held."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.core.model_venue import Dice
from tests.unit.core.pair import Pair

SCHEDULES = st.binary(min_size=300, max_size=1500)
SEEDS = range(40)
LATE_TICK = {
    17: 1,
    20: 59,
    40: 194,
    41: 1,
    42: 39,
    44: 219,
    45: 1,
    68: 1,
    70: 232,
    73: 175,
    76: 21,
    78: 63,
    82: 62,
}
"""Of 300 bytes the ones that are not 0: A's book is at odds, and its next tick comes 12 s later."""
STEPS = 600


def run(pair: Pair, steps: int) -> None:
    for _ in range(steps):
        pair.act()
    pair.heal()
    pair.check_healed()


@example(bytes(LATE_TICK.get(at, 0) for at in range(300)), 0, True)
@given(SCHEDULES, st.sampled_from((0, 70, -250)), st.booleans())
def test_any_schedule_keeps_the_promises(schedule: bytes, offset: int, keep: bool) -> None:
    """Whatever is lost, late, doubled or killed: never twice on the way, complete at the end."""
    pair = Pair(Dice(schedule), offset=offset, keep_remainder=keep)
    run(pair, len(schedule) // 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_long_schedules_keep_the_promises(seed: int) -> None:
    """Hundreds of actions in a row, with every kind of mishap among them."""
    run(Pair(Dice(seed), offset=(0, 30)[seed % 2], keep_remainder=seed % 3 == 0), STEPS)
