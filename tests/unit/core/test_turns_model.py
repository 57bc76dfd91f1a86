"""Both cores at each second around A's turn: only one of them acts on a debt, and one of them does.

A fill of A cannot be hedged. Then margin returns at a second, an order of B hangs, Redis is cut,
or A dies and is gone. Whatever comes first, nobody trades what the other one has answered.
"""

from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.hedger import turn
from hedge.core.maker import unwinding
from hedge.core.maker.moves import answer_of_b
from hedge.core.maker.state import LedgerView, MakerState, StopRequested
from hedge.core.transitions import Facts, Outcome
from tests.unit.core.kit import refused
from tests.unit.core.model_venue import NO_MARGIN, Account, Dice, Tx
from tests.unit.core.pair import QUANTITY, A, B, Pair

F_S = 60
NEVER_S = 10**6


class PoorAccount(Account):
    """Has margin from a second on; what it takes in executes from another second on."""

    code = 21702
    rich_ms = 0
    slow_until_ms = 0

    def send(self, tx: Tx, dice: Dice) -> Outcome:
        if tx.kind == "market" and self.venue.now_ms < self.rich_ms:
            return refused(self.code, "not now")
        return super().send(tx, dice)

    def execute(self, dice: Dice) -> None:
        if self.venue.now_ms >= self.slow_until_ms:
            super().execute(dice)


class Turns(Pair):
    """A pair in which A has just been filled, at second 0; B tries every second."""

    late_s = 3
    began_ms = 10**9

    def __init__(self) -> None:
        super().__init__(Dice(b""))
        for _ in range(6):
            self.quiet_second()
        assert self.venue.a.resting
        self.venue.b.__class__ = PoorAccount
        self.room = False
        config = replace(self.b.state.config, backoff_min_ms=1000, backoff_max_ms=1000)
        self.b.state = replace(self.b.state, config=config)
        self.ledgers: list[LedgerView | None] = []
        self.began_ms = self.now_ms
        self.cut_s = range(0)
        self.b_account.rich_ms = self.at_ms(NEVER_S)
        self.venue.a.fill(QUANTITY)

    @property
    def b_account(self) -> PoorAccount:
        assert isinstance(self.venue.b, PoorAccount)
        return self.venue.b

    @property
    def second(self) -> int:
        return (self.now_ms - self.began_ms) // 1000

    @property
    def owed(self) -> int:
        return self.offset - self.venue.a.position - self.venue.b.position

    def at_ms(self, second: int) -> int:
        return self.began_ms + second * 1000

    def ledger_read(self) -> LedgerView | None:
        """Let A read a ledger that was written some seconds ago: for eight it is fresh."""
        if self.second < 0:
            return self.redis.ledger
        if self.second > len(self.ledgers):
            self.ledgers.append(self.redis.ledger)
        return self.ledgers[-min(self.late_s + 1, len(self.ledgers))] if self.ledgers else None

    def _settle(self, side: A | B) -> None:
        account = side.account
        if isinstance(account, PoorAccount) and self.now_ms < account.slow_until_ms:
            side.take_answer()
            return
        super()._settle(side)

    def until(self, second: int) -> None:
        """Play on; what is naked may only become less."""
        naked, owed = abs(self.owed), self.owed
        while self.second < second:
            self.redis.up = self.second + 1 not in self.cut_s
            self.quiet_second()
            self.check()
            assert abs(self.owed) <= naked, f"made naked at {self.second} s: {self.owed}"
            assert self.owed * owed >= 0, f"both acted at {self.second} s"
            naked = abs(self.owed)


@pytest.mark.parametrize("second", [0, 20, 40, *range(F_S - 11, F_S + 4)])
def test_margin_that_returns_at_any_second(second: int) -> None:
    """Whoever of both does it, it is done by then, and by one (78)."""
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(second)
    pair.until(F_S + 5)
    assert pair.owed == 0
    assert (pair.venue.b.position != 0) is (second < F_S - 10)


@pytest.mark.parametrize("lasts_s", [3, 30, 80])
@pytest.mark.parametrize("second", [20, 48, 49, 50])
def test_a_hedge_in_flight_is_waited_for(second: int, lasts_s: int) -> None:
    """It was signed in B's time and executes in A's: A waits until B knows (79)."""
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(second)
    pair.until(second)
    pair.b_account.slow_until_ms = pair.at_ms(second + lasts_s)
    pair.until(F_S + 90)
    assert pair.owed == 0


@pytest.mark.parametrize(("lasts_s", "rich_s"), [(5, 2), (30, 29), (70, 69), (70, NEVER_S)])
@pytest.mark.parametrize("second", range(F_S - 11, F_S + 63, 9))
def test_redis_that_is_cut_at_any_second(second: int, lasts_s: int, rich_s: int) -> None:
    """Either side has only the exchange then: A in its time, B after it."""
    pair = Turns()
    pair.cut_s = range(second, second + lasts_s)
    pair.b_account.rich_ms = pair.at_ms(second + rich_s)
    pair.until(second + lasts_s + F_S + 15)
    assert pair.owed == 0


@pytest.mark.parametrize(("second", "rich_s"), [(49, 40), (55, 100), (61, 100), (90, 200)])
def test_an_a_that_dies_at_any_second(second: int, rich_s: int) -> None:
    """Nobody reduces any more: B goes on once nothing of A can come, and hedges it all."""
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(rich_s)
    pair.until(second)
    pair.a = None
    pair.until(max(rich_s, 2 * F_S) + 35)
    assert pair.owed == 0


@pytest.mark.parametrize("second", [0, 49, 55, 61])
def test_an_a_that_has_nothing_to_reduce_gives_it_back(second: int) -> None:
    """A was sold flat while B is short: B buys back as soon as it can, at any second."""
    pair = Turns()
    pair.b_account.rich_ms = 0
    pair.until(8)
    assert pair.owed == 0
    a = pair.venue.a
    a._trade(Tx("market", a.nonce, 0, Side.SELL, QUANTITY), QUANTITY)
    pair.began_ms = pair.now_ms
    pair.b_account.rich_ms = pair.at_ms(second)
    pair.until(F_S + 35)
    assert pair.owed == 0
    assert pair.venue.a.position == 0


@pytest.mark.parametrize(("gone_s", "rich_s"), [(0, 52), (20, 70), (58, 64), (58, 100)])
@pytest.mark.parametrize("second", [0, 20, 49])
def test_an_a_that_is_told_to_stop(second: int, gone_s: int, rich_s: int) -> None:
    """It reduces nothing, and says so: B goes on, also once A is gone, and waits for nobody."""
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(rich_s)
    pair.until(second)
    assert pair.a is not None
    pair.a.post(StopRequested())
    pair.until(second + gone_s + 2)
    pair.a = None
    pair.until(rich_s + 5)
    assert pair.owed == 0


@pytest.mark.parametrize("gone_s", [1, 4, 10])
@pytest.mark.parametrize("second", [F_S - 1, F_S, F_S + 1, F_S + 2, F_S + 3])
def test_an_a_that_is_told_to_stop_as_it_acts(second: int, gone_s: int) -> None:
    """Margin returns in that moment: what A has out is waited for, and never answered twice."""
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(second)
    pair.until(second)
    assert pair.a is not None
    pair.a.post(StopRequested())
    pair.until(second + gone_s)
    pair.a = None
    pair.until(3 * F_S + 35)
    assert pair.owed == 0


# --- refused for good -----------------------------------------------------------------------------


def refused_for_good(rich_s: int, late_s: int) -> Turns:
    """Return a pair whose B has no margin until a second; A reads ledgers some seconds late."""
    pair = Turns()
    pair.late_s = late_s
    pair.b_account.code = NO_MARGIN
    pair.b_account.rich_ms = pair.at_ms(rich_s)
    return pair


@pytest.mark.parametrize("late_s", [0, 3, 7])
@pytest.mark.parametrize("rich_s", [*range(2, 10), NEVER_S])
def test_what_is_refused_for_good_is_reduced_at_once(rich_s: int, late_s: int) -> None:
    """A does it, whenever margin returns, and long before its time."""
    pair = refused_for_good(rich_s, late_s)
    pair.until(late_s + 10)
    assert pair.owed == 0
    assert pair.venue.b.position == 0
    assert pair.venue.a.position == 0


@pytest.mark.parametrize("lasts_s", [5, 30, 70])
@pytest.mark.parametrize("second", range(9))
def test_redis_is_cut_while_b_gives(second: int, lasts_s: int) -> None:
    """A may have acted on the last word that it read; B goes on only once that is shown."""
    pair = refused_for_good(second + 2, 3)
    pair.cut_s = range(second, second + lasts_s)
    pair.until(second + lasts_s + F_S + 45)
    assert pair.owed == 0


@pytest.mark.parametrize("second", range(1, 12))
def test_an_a_that_dies_while_b_gives(second: int) -> None:
    """B goes on by itself once A can have done nothing any more."""
    pair = refused_for_good(second + 3, 3)
    pair.until(second)
    pair.a = None
    pair.until(2 * F_S + 35)
    assert pair.owed == 0


# --- without the rule -----------------------------------------------------------------------------


def without_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """B goes on trying, and A acts at its time on any fresh ledger that names nothing in flight."""

    def is_offered(state: MakerState, facts: Facts) -> bool:
        ledger = answer_of_b(state)
        is_due = facts.now_ms >= unwinding._turn_ms(state)
        return ledger is not None and state.peer.alive and not ledger.inflight and is_due

    monkeypatch.setattr(turn, "_yields", lambda *_: False)
    monkeypatch.setattr(unwinding, "_is_offered", is_offered)


@pytest.mark.parametrize("second", [57, 58, 59])
def test_a_fresh_ledger_alone_makes_the_pair_naked(
    monkeypatch: pytest.MonkeyPatch, second: int
) -> None:
    """It was written before B's hedge, and A reduces what is hedged (79)."""
    without_turns(monkeypatch)
    with pytest.raises(AssertionError, match="what B has hedged is not reduced"):
        test_margin_that_returns_at_any_second(second)


def test_a_fresh_ledger_would_do_if_it_were_no_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in the moment of its writing it is true: the model loses by its age."""
    without_turns(monkeypatch)
    monkeypatch.setattr(Turns, "late_s", 0)
    pair = Turns()
    pair.b_account.rich_ms = pair.at_ms(59)
    pair.until(F_S + 5)
    assert pair.owed == 0
