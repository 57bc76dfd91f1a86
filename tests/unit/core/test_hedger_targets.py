"""What B follows: A's newest state, known to be current; hands, limits and drift around it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.amounts import Side
from hedge.core.hedger.departure import MakerSeen
from hedge.core.hedger.state import (
    ATarget,
    BaselineRead,
    CloseRequested,
    Fence,
    HaltPair,
    HandCleared,
    HandPublished,
    LeaseChanged,
    PeerConfigured,
    ReadBaseline,
    Resumed,
    SendHedge,
    StopRequested,
    StreamsChanged,
    TargetSeen,
    Tick,
)
from hedge.core.hedger.step import Phase, answerable, is_covered, owed_lots, target_known
from tests.unit.core.kit import A_EPOCH, A_INSTANCE, Hedger, kinds, only

POSITIONS = st.lists(st.integers(-500, 500), min_size=1, max_size=12)


def statements(positions: list[int], stamp_s: int = 200) -> list[ATarget]:
    """Return what one process of A states, version by version."""
    return [
        ATarget(A_INSTANCE, seq, lots, seq, stamp_s) for seq, lots in enumerate(positions, start=2)
    ]


def restarted(net: int, key: ATarget | None, *, named: bool = True) -> Hedger:
    """B after a start: its book says `net`, Redis held `key` right after."""
    driver = Hedger().reconciling().proven(net)
    driver(BaselineRead(key, named))
    return driver


def key(seq: int, lots: int, stamp_s: int = 100, instance: str = A_INSTANCE) -> ATarget:
    return ATarget(instance, seq, lots, seq, stamp_s)


# --- state, not deltas -----------------------------------------------------------------------


@given(POSITIONS, st.integers(), st.integers(-200, 200))
def test_any_order_loss_and_repetition_gives_the_same_target(
    positions: list[int], seed: int, offset: int
) -> None:
    """Adding up fills would shift the sum for ever; B follows the newest state it heard."""
    chance = random.Random(seed)
    said = statements(positions)
    heard = [one for one in said if chance.random() < 0.6] + [said[-1]]
    heard += chance.choices(said, k=5)
    chance.shuffle(heard)
    driver = Hedger(offset_lots=offset).idle()
    driver.facts(mark_ticks=None)  # nothing is sent, so that only the target moves
    for one in heard:
        driver(TargetSeen(one, named=True))
    assert owed_lots(driver.state) == offset - positions[-1] - driver.net


@given(POSITIONS)
def test_a_burst_is_hedged_by_what_is_owed_then(positions: list[int]) -> None:
    """While an order is in flight fills merge; the next order is for the difference, once."""
    driver = Hedger().sending(100)
    for one in statements(positions):
        driver(TargetSeen(ATarget(A_INSTANCE, one.seq + 5, one.position_lots, 0, 200), named=True))
    driver(driver.answer())
    done = driver.execute()
    owed = -positions[-1] - driver.net
    sent = [effect.order for effect in done if isinstance(effect, SendHedge)]
    assert [(order.side.sign * order.lots) for order in sent] == ([owed] if owed else [])


def test_the_newest_state_is_the_highest_seq_not_the_highest_trade() -> None:
    """By trade id the corrected {11, 10} would lose to {11, 5}, and one huge id deafens B."""
    driver = Hedger().sending(5)
    driver(driver.says(5, last_trade_id=10**15))
    driver(driver.says(10, last_trade_id=11))
    assert owed_lots(driver.state) == -10


def test_the_same_seq_with_another_position_is_refused_aloud() -> None:
    """A version states one position; a second one under the same number is nobody's truth."""
    driver = Hedger().sending()
    before = driver.state
    driver(driver.says(555, seq=driver.a_seq))
    assert driver.state == before
    assert driver.notes(loud=True) == ["contradiction"]


def test_another_instance_counts_once_the_lease_names_it() -> None:
    """A new process of A starts its own count; an old one's words change nothing."""
    driver = Hedger().idle()
    driver(driver.says(40, seq=1, instance="c" * 12, named=False))
    assert owed_lots(driver.state) == 0
    driver(driver.says(40, seq=1, instance="c" * 12))
    assert owed_lots(driver.state) == -40
    driver(driver.says(70, seq=900, named=False))
    assert owed_lots(driver.state) == -40


# --- a view of A that is not older than our own trades ---------------------------------------


def test_a_redis_that_went_back_does_not_bring_back_an_earlier_a() -> None:
    """A fail-over restores the old instance's lease with its state; B has gone on from it."""
    driver = Hedger().idle()
    driver(driver.says(0, seq=5))
    newer = ATarget("b" * 12, 1, 100, 9, 300)
    driver(TargetSeen(newer, named=True))
    driver(TargetSeen(key(5, 0), named=True))
    assert driver.state.a == newer
    came_back = key(6, 100, stamp_s=400)
    driver(TargetSeen(came_back, named=True))
    assert driver.state.a == came_back


def test_an_earlier_a_is_no_baseline_either() -> None:
    """What is read right after a fence may come from a Redis that went back too."""
    driver = Hedger().idle()
    driver(driver.says(0, seq=5))
    newer = ATarget("b" * 12, 1, 100, 9, 300)
    driver(TargetSeen(newer, named=True))
    driver(BaselineRead(key(5, 0), named=True, fresh=True))
    assert driver.state.a == newer


def test_a_baseline_that_gives_a_known_state_another_position_is_none() -> None:
    """A wrote its position again after a frame had lied to it; the state is still the same one."""
    driver = Hedger().idle()
    driver(driver.says(0, seq=5))
    known = driver.state.a
    driver(BaselineRead(key(5, 2000), named=True, fresh=True))
    assert driver.state.a == known


def test_a_missing_key_is_unknown_not_flat() -> None:
    """Reading a wiped Redis as flat un-hedges everything."""
    driver = restarted(-100, None)
    driver.later(60_000)
    assert driver(Tick()) == []
    assert owed_lots(driver.state) is None
    assert not target_known(driver.state)
    assert not is_covered(driver.state)


def test_an_old_key_is_not_traded_on_after_a_restart() -> None:
    """Redis rolled back and A cut off: trusting the key buys B's own hedge back."""
    driver = restarted(-100, key(3, 30))
    assert driver(TargetSeen(key(3, 30), named=True), Tick()) == []
    assert driver(TargetSeen(key(2, 0), named=True)) == []
    assert owed_lots(driver.state) is None
    assert only(driver(TargetSeen(key(9, 120, 101), named=True)), SendHedge).order.lots == 20


@pytest.mark.parametrize(
    "news",
    [key(3, 30, 101), key(4, 30, 100), key(1, 30, 100, "c" * 12)],
    ids=["written again", "next version", "new process"],
)
def test_what_a_wrote_since_is_current(news: ATarget) -> None:
    """A writes every second: the next write after our proof is a view that includes it."""
    driver = restarted(-30, key(3, 30))
    driver(TargetSeen(news, named=True))
    assert target_known(driver.state)
    assert owed_lots(driver.state) == 0


def test_words_before_the_baseline_are_not_current() -> None:
    """Between the proof and the reading of the key nothing shows that a word is newer."""
    driver = Hedger().reconciling().proven(-100)
    driver(TargetSeen(key(3, 30, 999), named=True))
    assert not target_known(driver.state)
    driver(BaselineRead(key(5, 100, 1000), named=True))
    assert driver.state.a == key(5, 100, 1000)
    assert not target_known(driver.state)
    driver(TargetSeen(key(5, 100, 1001), named=True))
    assert owed_lots(driver.state) == 0


def test_an_unnamed_key_is_no_state_of_a() -> None:
    """A key whose writer holds no lease is remembered as past only."""
    driver = restarted(-100, key(3, 30), named=False)
    assert driver.state.a is None
    assert driver.state.baseline == key(3, 30)


def test_a_twin_s_trade_makes_the_view_of_a_old() -> None:
    """A deposed B that got no refusal fences at the new nonce and trades beside the new leader."""
    driver = Hedger().idle()
    done = driver(driver.trade(-100, cid=999, twin=True))
    assert kinds(done) == [Fence]
    assert driver.state.phase is Phase.RECONCILING
    assert kinds(driver.fence()) == [ReadBaseline]
    driver(BaselineRead(driver.target(), named=True))
    assert driver(driver.says(0, seq=driver.a_seq), Tick()) == []
    assert owed_lots(driver.state) is None
    done = driver(driver.says(100, stamp_s=driver.a_stamp + 1))
    assert done == []
    assert owed_lots(driver.state) == 0


def test_a_twin_found_by_the_fence_in_doubt_needs_no_second_fence() -> None:
    """The proof on its way serves; a second fence would burn nonces under the first."""
    driver = Hedger().unknown()
    assert driver(driver.trade(-100, cid=999, twin=True)) == []
    assert driver.state.phase is Phase.RECONCILING
    assert kinds(driver.fence()) == [ReadBaseline]
    assert driver.state.inflight is None


def test_a_lapsed_lease_is_not_just_renewed() -> None:
    """Renewed, its old holder publishes owed 0 from old books: lease, fence and book come first."""
    driver = Hedger().idle()
    driver(LeaseChanged(held=False))
    assert driver.state.phase is Phase.STANDBY
    assert not target_known(driver.state)
    assert driver(driver.says(100)) == []
    assert kinds(driver(LeaseChanged(held=True))) == [Fence]
    assert driver(LeaseChanged(held=True)) == []
    assert kinds(driver.fence()) == [ReadBaseline]
    driver(BaselineRead(driver.target(), named=True))
    assert driver(Tick()) == []
    assert kinds(driver(driver.says(100, stamp_s=999))) == [SendHedge]


def test_a_standby_watches_and_never_trades() -> None:
    """Without the lease B hears A, and acts on nothing."""
    driver = Hedger()
    driver(StreamsChanged(up=True), driver.says(100), driver.trade(-5), LeaseChanged(held=False))
    driver.later(60_000)
    assert driver(Tick()) == []
    assert driver.state.phase is Phase.STANDBY


# --- limits and drift ------------------------------------------------------------------------


@pytest.mark.parametrize("lots", [1001, -1001])
def test_an_impossible_position_halts(lots: int) -> None:
    """A position beyond the limit is not hedged; while halted or stopping it changes nothing."""
    driver = Hedger(max_position_lots=1000).idle()
    assert kinds(driver(driver.says(1000))) == [SendHedge]
    driver(driver.answer())
    assert only(driver(driver.says(lots)), HaltPair).reason == "position_limit"
    assert driver(driver.says(lots)) == []
    driver(StopRequested())
    driver.later(60_000)
    driver(Tick())
    assert driver.state.phase is Phase.STOPPING
    assert driver(driver.says(lots)) == []


def unexplained(lots: int) -> Hedger:
    """B proven with nothing on record; A says that it holds `lots`."""
    driver = Hedger().reconciling().proven(0, explained=False)
    driver(BaselineRead(None))
    driver(driver.says(lots))
    return driver


def test_a_small_debt_that_nothing_explains_is_hedged_aloud() -> None:
    """A first run with a stray position: said, hedged, and explained from then on."""
    driver = unexplained(100)
    assert driver.state.phase is Phase.SENDING
    assert driver.notes(loud=True) == ["drift_hedged"]


def test_a_large_debt_that_nothing_explains_halts() -> None:
    """Beyond the limit B trades on nothing; forced resumption adopts it, a plain one does not."""
    driver = unexplained(4000)
    assert driver.state.phase is Phase.HALTED
    assert driver.state.halt_reason == "unexplained_position"
    for force in (False, True):
        driver(Resumed(force=force), LeaseChanged(held=True))
        driver.fence(explained=False)
        driver(BaselineRead(driver.target(), named=True))
        driver(driver.says(4000, stamp_s=driver.a_stamp + 1))
        assert driver.state.phase is (Phase.SENDING if force else Phase.HALTED)


def test_a_debt_without_a_price_is_not_judged_yet() -> None:
    """Without a mark price nobody can say whether a debt is small: B waits for one."""
    driver = Hedger().reconciling().proven(0, explained=False)
    driver.facts(mark_ticks=None)
    driver(BaselineRead(None))
    assert driver(driver.says(4000)) == []
    assert driver.state.phase is Phase.IDLE
    driver.facts(mark_ticks=300_000)
    assert kinds(driver(Tick())) == [HaltPair]


def test_any_debt_is_hedged_once_the_pair_was_neutral() -> None:
    """A debt that trades explain is hedged whatever its size."""
    driver = unexplained(0)
    assert driver.state.explained
    assert only(driver(driver.says(10**6)), SendHedge).order.lots == 10**6


def test_a_foreign_trade_on_b_halts_and_is_not_countered() -> None:
    """A person or a liquidation traded: B stops instead of fighting it."""
    driver = Hedger().idle()
    done = driver(driver.trade(30, foreign=(77,)))
    assert only(done, HaltPair).reason == "foreign_trade_on_b"
    driver.later(60_000)
    assert driver(Tick(), driver.says(100)) == []
    assert kinds(driver(driver.trade(30, foreign=(78,)))) == [HaltPair]
    assert driver.notes(loud=True) == []


def test_a_foreign_trade_at_the_very_end_holds_the_next_start() -> None:
    """The process trades nothing more, and the halt is on record."""
    driver = Hedger().idle().a_left()
    driver(StopRequested())
    assert driver.state.phase is Phase.STOPPING
    assert only(driver(driver.trade(30, foreign=(77,))), HaltPair).reason == "foreign_trade_on_b"
    assert driver.state.phase is Phase.STOPPING


# --- published by hand -----------------------------------------------------------------------


def hand_ready(net: int = -70) -> Hedger:
    """B alone: book proven, no A anywhere."""
    return restarted(net, None)


def test_a_fill_by_hand_moves_b_by_its_amount() -> None:
    """With no A known, B's own position is the base, whatever it is."""
    driver = hand_ready()
    order = only(driver(HandPublished(100)), SendHedge).order
    assert (order.side, order.lots) == (Side.SELL, 100)
    driver(driver.answer())
    assert [type(one).__name__ for one in driver.execute()] == ["Report"]
    assert driver.net == -170
    assert owed_lots(driver.state) == 0


def test_the_opposite_by_hand_clears() -> None:
    """Back at the base nothing is left of it: a later fill by hand starts from B's own position."""
    driver = hand_ready()
    for signed in (100, -100):
        driver(HandPublished(signed))
        driver(driver.answer())
        driver.execute()
    assert driver.net == -70
    assert (driver.state.manual_lots, driver.state.hand_base_lots) == (0, None)


def test_flatten_forgets_what_was_published_by_hand() -> None:
    """B goes back to where it was before."""
    driver = hand_ready()
    driver(HandPublished(100))
    driver(driver.answer())
    driver.execute()
    order = only(driver(HandCleared()), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 100)


def test_what_was_published_by_hand_goes_with_the_lease() -> None:
    """Another B may lead meanwhile and does not know it: what it left is judged as drift."""
    driver = hand_ready()
    driver(HandPublished(100))
    driver(driver.answer())
    driver.execute()
    driver(LeaseChanged(held=False))
    state = driver.state
    assert (state.manual_lots, state.hand_base_lots, state.explained) == (0, None, False)


def offset_idle() -> Hedger:
    """Covered with an offset of 30: A +100, B -70."""
    return Hedger(offset_lots=30).idle(-70)


def test_b_closes_its_own_rest_once_a_is_flat() -> None:
    """By a person's order nothing is left; the offset comes back with the resumption."""
    driver = offset_idle()
    driver(MakerSeen(driver.beat(), A_EPOCH))
    assert driver(CloseRequested()) == []
    order = only(driver(driver.says(0)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 70)
    assert answerable(driver.state) is None
    driver(driver.answer())
    driver.execute()
    assert (driver.net, owed_lots(driver.state)) == (0, 0)
    assert answerable(driver.state) == driver.target()  # so that A may leave
    order = only(driver(Resumed(force=False)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 30)


@pytest.mark.parametrize("is_done", [True, False], ids=["closed", "on its way"])
def test_a_b_that_lost_its_lease_for_a_moment_stays_flat_by_order(*, is_done: bool) -> None:
    """Only a person's resumption brings the offset back, not a Redis that was wiped."""
    driver = offset_idle()
    driver(MakerSeen(driver.beat(), A_EPOCH), CloseRequested(), driver.says(0))
    driver(driver.answer())
    if is_done:
        driver.execute()
    driver(LeaseChanged(held=False), LeaseChanged(held=True))
    if not is_done:
        driver(driver.trade(70))
    driver.fence()
    driver(BaselineRead(driver.target(), named=True, fresh=True))
    driver(MakerSeen(driver.beat(), A_EPOCH))
    assert driver(driver.says(0, last_trade_id=90), Tick()) == []
    assert (driver.net, driver.state.phase) == (0, Phase.IDLE)
    assert answerable(driver.state) is not None
    order = only(driver(Resumed(force=False)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 30)


def test_the_release_of_another_halt_brings_no_offset_back() -> None:
    """The flatten stays in force, whatever else was released; its own release ends it."""
    driver = offset_idle()
    driver(MakerSeen(driver.beat(), A_EPOCH), CloseRequested(), driver.says(0))
    driver(driver.answer())
    driver.execute()
    assert driver(Resumed(force=False, flattened=True), Tick()) == []
    order = only(driver(Resumed(force=False)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 30)


def test_during_a_flatten_b_follows_an_a_that_is_not_flat_yet_as_ever() -> None:
    """It yields in A's turn, and no position of it is too large only because a person closes."""
    driver = Hedger(offset_lots=30, force_close_ms=60_000).idle(-70)
    driver(MakerSeen(driver.beat(), A_EPOCH), CloseRequested())
    order = only(driver(driver.says(50)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 50)
    assert driver.state.debt is not None
    driver = Hedger(offset_lots=30, max_position_lots=60).idle(-20)
    driver(CloseRequested())
    assert only(driver(driver.trade(-100)), HaltPair).reason == "implausible_fill"
    assert Hedger().idle(-70)(CloseRequested(), Resumed(force=False, flattened=True)) == []


def test_an_order_to_close_b_alone_ends_with_its_lease() -> None:
    """No halt stands for it yet: another B may lead, and be the other side of A, for hours."""
    driver = offset_idle()
    driver(CloseRequested(alone=True), LeaseChanged(held=False))
    assert driver.state.closing is None


@pytest.mark.parametrize(("a_lots", "leaves"), [(0, True), (30, False)])
def test_a_b_that_is_flat_by_order_leaves_after_a_flat_a(a_lots: int, leaves: bool) -> None:
    """It holds no offset, and waits for none."""
    driver = offset_idle()
    driver(CloseRequested(), driver.says(0))
    driver(driver.answer())
    driver.execute()
    driver.a_left(a_lots)
    driver(StopRequested())
    assert (driver.state.phase is Phase.STOPPING) is leaves


def test_b_alone_closes_all_and_trades_nothing_more() -> None:
    """A's position is nothing to it then, and its ledger answers nothing."""
    driver = offset_idle()
    order = only(driver(CloseRequested(alone=True)), SendHedge).order
    assert (order.side, order.lots) == (Side.BUY, 70)
    assert answerable(driver.state) is None
    driver(driver.answer())
    effects = driver.execute()
    assert [one.reason for one in effects if isinstance(one, HaltPair)] == ["flatten_alone"]
    assert driver(driver.says(500), Tick()) == []
    assert driver.state.phase is Phase.HALTED


def test_by_hand_before_the_book_is_proven_is_refused() -> None:
    """Without a proven book there is no base to move from."""
    driver = Hedger().reconciling()
    assert driver(HandPublished(100)) == []
    assert driver.state.manual_lots == 0
    assert driver.notes(loud=True) == ["hand_refused"]


def test_by_hand_beside_a_known_a_moves_its_target() -> None:
    """Where A's last state is known it is the base."""
    driver = Hedger().idle()
    driver(HandPublished(30))
    assert driver.state.hand_base_lots is None
    assert owed_lots(driver.state) == -30


def test_the_base_of_a_hand_fill_is_past_once_a_speaks() -> None:
    """Kept, it would make a restarted B drive back to it and un-hedge A."""
    driver = hand_ready(0)
    driver(HandPublished(1))
    driver(driver.answer())
    driver.execute()
    driver(driver.says(500))
    assert driver.state.hand_base_lots is None
    assert driver.state.manual_lots == -1
    assert only([*driver.effects[-1:]], SendHedge).order.lots == 500


def test_a_key_that_went_back_is_not_news() -> None:
    """Redis rolled back behind what was read as past: another time on it does not make it newer."""
    driver = restarted(-100, key(8, 100, 120), named=False)
    assert driver(TargetSeen(key(3, 30, 110), named=True)) == []
    assert not target_known(driver.state)
    driver(TargetSeen(key(8, 100, 121), named=True))
    assert owed_lots(driver.state) == 0


def test_a_state_written_after_b_s_own_trades_counts_at_once() -> None:
    """A is dead, and its last words are newer than all that B did: B finishes hedging them."""
    driver = Hedger().reconciling().proven(-100)
    assert (
        only(driver(BaselineRead(key(8, 130), named=True, fresh=True)), SendHedge).order.lots == 30
    )


def test_an_older_key_than_what_was_heard_is_past() -> None:
    """The channel was ahead of the key that B read."""
    driver = Hedger().reconciling().proven(-100)
    driver(
        TargetSeen(key(9, 150, 0), named=True), BaselineRead(key(8, 130), named=True, fresh=True)
    )
    assert driver.state.a == key(9, 150, 0)
    assert not target_known(driver.state)


def test_what_goes_on_below_the_newest_state_is_late() -> None:
    """A backlog of messages in its old order, whatever its times, is no sign that A went back."""
    driver = Hedger().settling()
    driver(driver.says(100, seq=50, stamp_s=0))
    driver.execute()
    for seq in (30, 31, 40):
        driver(TargetSeen(key(seq, 5, 100 + seq), named=True))
    assert owed_lots(driver.state) == 0


def test_contradicting_configurations_stop_b() -> None:
    """B trades nothing while A runs with another chain, account, market or offset."""
    driver = Hedger().idle()
    assert driver(PeerConfigured("offset 5 here, 0 there")) == []
    assert driver.state.mismatch == "offset 5 here, 0 there"
    assert answerable(driver.state) is None
    assert driver(TargetSeen(key(2, 100), named=True)) == []
    assert kinds(driver(PeerConfigured(""))) == [SendHedge]
    assert driver.state.mismatch == ""
