"""The maker alone against a model exchange, beside a B that is ideal, late, failing or wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.maker import step as maker
from hedge.core.maker.state import LedgerView, Peer, PeerSeen
from tests.unit.core.model_venue import Dice
from tests.unit.core.pair import A, Pair

SCHEDULES = st.binary(min_size=300, max_size=1500)


class OtherB(Pair):
    """A B without a core: answers out of its own past, or out of thin air, in any order."""

    def __init__(self, dice: Dice) -> None:
        super().__init__(dice)
        self.answers_given: list[LedgerView] = []

    @property
    def _actions(self) -> tuple[Callable[[], None], ...]:
        return (*super()._actions, self.b_answers, self.b_answers, self.b_answers)

    def b_answers(self) -> None:
        """Let A see B: covering at once, answering something old or invented, or not at all."""
        if self.a is None or not self.redis.up:
            return
        fate = self.dice.below(8)
        honest = LedgerView(
            self.a.instance, self.a.said_seq, self.a.state.net_lots or 0, 0, 0, inflight=False
        )
        ledger: LedgerView | None = honest
        if fate == 5 and self.answers_given:
            ledger = self.dice.pick(self.answers_given)
        elif fate == 6:
            seq = honest.a_seq - 1 + self.dice.below(3)
            ledger = replace(
                honest,
                a_seq=seq,
                owed_lots=self.dice.pick((0, 30, -100)),
                inflight=self.dice.below(2) == 1,
            )
        elif fate == 7:
            ledger = None
        if ledger is honest and self.a.state.consistent and not self.a.state.unsaid:
            self.venue.b.position = self.offset - self.venue.a.position
        if ledger is not None:
            self.answers_given = [*self.answers_given[-5:], ledger]
        ready = self.dice.below(6) != 5
        self.a.post(PeerSeen(Peer(ready=ready, alive=ready, ledger=ledger)))

    def check_place(self, a: A, *, closing: bool) -> None:
        """The promises of one side: one order, and only on an exact answer of a ready B."""
        account, state = self.venue.a, a.state
        assert not account.resting
        assert not account.live_copies
        if closing:
            return
        ledger = state.peer.ledger
        assert ledger is not None
        assert (ledger.a_instance, ledger.a_seq) == (a.instance, a.said_seq)
        assert ledger.a_position_lots == account.position
        assert ledger.owed_lots == 0
        assert not ledger.inflight
        assert state.peer.ready
        assert not state.halt_reason

    def check(self) -> None:
        assert len(self.venue.a.resting) <= 1

    def looks(self) -> None:
        """Only `b_answers` tells A of B."""

    def quiet_second(self) -> None:
        """Time passes only by `pass_time` here: B has no core to drive."""
        self.pass_time()


def run(pair: OtherB, steps: int) -> None:
    for _ in range(steps):
        pair.act()
    pair.dice.loaded = False
    pair.redis.up, pair.room = True, False
    if pair.a is None:
        pair.a_dies()
    assert pair.a is not None
    if not pair.a.streams_up:
        pair.a.streams(up=True)
    pair.resume()
    for _ in range(50):  # without room an old order rests a while longer than else
        pair.now_ms += 1000
        for _ in range(3):
            pair._settle(pair.a)
        pair.b_answers()
    assert pair.a.state.phase is maker.Phase.READY
    assert pair.a.book is not None
    assert pair.a.book.net_lots == pair.venue.a.position
    assert pair.published == {one.trade_id for one in pair.venue.a.trades}


@given(SCHEDULES)
def test_any_b_is_held_for(schedule: bytes) -> None:
    """No order without an exact answer, never two, each trade published once, position true."""
    run(OtherB(Dice(schedule)), len(schedule) // 3)


@pytest.mark.parametrize("seed", range(30))
def test_long_schedules_are_held_for(seed: int) -> None:
    """Hundreds of answers, fills and mishaps in a row."""
    run(OtherB(Dice(seed)), 500)
