"""The hedger alone against a model exchange, beside an A that trades whenever it likes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.hedger import step as hedger
from hedge.core.hedger.state import ATarget
from tests.unit.core.model_venue import Dice
from tests.unit.core.pair import Pair

SCHEDULES = st.binary(min_size=300, max_size=1500)
INSTANCE = "f" * 12


class WildA(Pair):
    """An A that never waits for B; its statements are lost, late, repeated and out of order."""

    def __init__(self, dice: Dice, offset: int) -> None:
        super().__init__(dice, offset=offset)
        self.a = None
        self.redis.lease_a = INSTANCE
        self.seq = 0
        self.beats()

    @property
    def _actions(self) -> tuple[Callable[[], None], ...]:
        mine = (self.a_trades, self.a_trades, self.a_trades)
        return (*super()._actions, *mine)

    def a_trades(self) -> None:
        signed = self.dice.pick((100, -100, 30, -60, 1, -1, 250))
        self.venue.a.position += signed
        self.venue.log.append(("a", signed))
        self.seq += 1
        if self.redis.up:
            self.redis.position = self.stated
            self.redis.channel.append(replace(self.stated, stamp_s=0))

    @property
    def stated(self) -> ATarget:
        now_s = self.now_ms // 1000
        return ATarget(INSTANCE, self.seq, self.venue.a.position, self.seq, now_s)

    def beats(self) -> None:
        if self.redis.up:
            if self.redis.position is not None:
                self.redis.older = [*self.redis.older[-5:], self.redis.position]
            self.redis.position = self.stated
        super().beats()

    def a_dies(self) -> None:
        """This A never dies."""

    def _neutral(self) -> bool:
        ledger, b = self.b.ledger(), self.venue.b
        return (
            ledger is not None
            and self.b.book is not None
            and (ledger.owed_lots, ledger.inflight, ledger.a_seq) == (0, False, self.seq)
            and self.b.book.net_lots == b.position
            and not b.live_copies
        )

    def recover(self) -> None:
        if not self.redis.up:
            self.redis.up = True
        elif not self.b.streams_up:
            self.b.streams(up=True)
        elif self.redis.halt:
            self.resume()

    def heal(self, seconds: int = 70) -> None:
        self.dice.loaded = False
        self.redis.up = True
        if not self.b.streams_up:
            self.b.streams(up=True)
        self.resume()
        for _ in range(seconds):
            self.beats()
            self.quiet_second()
            self.check()


def run(pair: WildA, steps: int) -> None:
    for _ in range(steps):
        pair.act()
    pair.heal()
    assert pair.offset - pair.venue.a.position - pair.venue.b.position in (
        0,
        pair.b.state.dust_lots,
    )
    assert pair.b.state.phase is hedger.Phase.IDLE


@given(SCHEDULES, st.sampled_from((0, 70, -250)))
def test_any_schedule_is_hedged_once(schedule: bytes, offset: int) -> None:
    """B never sells more than A bought, and ends as the other side of A."""
    run(WildA(Dice(schedule), offset), len(schedule) // 3)


@pytest.mark.parametrize("seed", range(30))
def test_long_schedules_are_hedged_once(seed: int) -> None:
    """Hundreds of fills, answers and mishaps in a row."""
    run(WildA(Dice(seed), (0, 30)[seed % 2]), 500)
