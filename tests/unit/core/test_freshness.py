"""Which values count as fresh: echoes, epochs, numbers, and a host that slept."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.core.freshness import _KEPT_EPOCHS, FRESH_MS, MISHEARD_MS, BeatId, Freshness, Stale

MINE, THEIRS, NEXT, OLD = "1" * 16, "2" * 16, "3" * 16, "4" * 16
KEY, BEATS = "hedge:ledger", "hedge:ready:b"


@dataclass(frozen=True)
class Said:
    """A value of the other side, as its envelope shows it."""

    epoch: str
    n: int = 1
    heard: BeatId | None = None

    def echo(self, side: str) -> BeatId | None:
        return self.heard if side == "a" else None


def mine(number: int, epoch: str = MINE) -> BeatId:
    return BeatId(epoch, number)


def began(now_ms: int = 1000) -> Freshness:
    """Return an A that sent its first beat, and counts the epoch that answered it."""
    state = Freshness("a", MINE, BEATS)
    state.beats(now_ms)
    assert state.hear("b", BeatId(THEIRS, 1), Said(THEIRS, 1, mine(1)), now_ms + 500)
    return state


def test_a_value_is_fresh_for_eight_seconds_after_the_beat_that_it_echoes() -> None:
    """Counted from our own sending: no clock of another host is asked."""
    state = began(1000)
    said = Said(THEIRS, 1, mine(1))
    assert state.fresh_until(KEY, said, 1500) == 1000 + FRESH_MS
    assert state.fresh_until(KEY, said, 1000 + FRESH_MS) == 1000 + FRESH_MS
    assert state.fresh_until(KEY, said, 1001 + FRESH_MS) is None


@pytest.mark.parametrize(
    "said",
    [
        Said(THEIRS),  # read nothing of ours
        Said(THEIRS, 1, mine(1, OLD)),  # a beat of an epoch of ours that is past
        Said(THEIRS, 1, mine(9)),  # a beat that we have not sent
        Said(OLD, 1, mine(1)),  # another epoch than the one that counts
    ],
)
def test_what_echoes_no_beat_of_ours_is_never_fresh(said: Said) -> None:
    """Yesterday's values and those of a replaced process move nothing."""
    assert began().fresh_until(KEY, said, 1600) is None


def test_a_value_without_an_origin_is_not_fresh() -> None:
    """What a person wrote into a key has no envelope."""
    assert began().fresh_until(KEY, None, 1600) is None


def test_a_number_never_goes_back_and_an_equal_one_renews() -> None:
    """A Redis that fails over to an older copy brings nothing back."""
    state = began()
    state.beats(2000)
    assert state.fresh_until(KEY, Said(THEIRS, 5, mine(1)), 2100) == 1000 + FRESH_MS
    assert state.fresh_until(KEY, Said(THEIRS, 4, mine(2)), 2100) is None
    assert state.fresh_until(KEY, Said(THEIRS, 5, mine(2)), 2100) == 2000 + FRESH_MS
    assert state.fresh_until("hedge:neutral", Said(THEIRS, 1, mine(2)), 2100) is not None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(OLD, 5, mine(2)), Stale.EPOCH),
        (Said(THEIRS, 4, mine(2)), Stale.COUNTER),
        (Said(THEIRS, 5, mine(1)), Stale.AGE),
        (Said(THEIRS, 5, mine(2)), None),
    ],
)
def test_each_value_that_is_not_fresh_has_its_cause(said: Said, why: Stale | None) -> None:
    """By which it is counted; asking changes nothing."""
    state = began(1000)
    state.beats(1000 + FRESH_MS)
    assert state.fresh_until(KEY, Said(THEIRS, 5, mine(2)), 1000 + FRESH_MS) is not None
    for _ in range(2):
        assert state.stale(KEY, said, 1001 + FRESH_MS) is why
    assert all(cause.text for cause in Stale)


def test_what_another_epoch_forbids_no_older_beat_releases() -> None:
    """A restarted B is not ready, and does not count yet: that the former one was releases nothing.

    It may have been written before; only what answers a beat sent since then shows that it lives.
    """
    state = began(1000)
    state.beats(2000)
    before = Said(THEIRS, 8, mine(2))  # never read until now
    assert state.fresh_until(BEATS, before, 2100) is not None
    assert not state.hear("b", BeatId(NEXT, 1), Said(NEXT, 1), 2200)
    assert state.stale(BEATS, before, 2300) is Stale.EPOCH
    assert state.fresh_until(BEATS, before, 2300) is None
    assert state.fresh_until(KEY, before, 2300) is not None  # what it stated of trades stands
    state.beats(3000)
    assert state.fresh_until(BEATS, Said(THEIRS, 9, mine(3)), 3100) is not None


def test_old_beats_hold_no_new_epoch_up() -> None:
    """Put back again and again they are not taken again: the successor counts at once."""
    state = began(1000)
    sent = state.beats(2000)
    for now_ms in (2100, 2600, 2900):
        assert not state.hear("b", BeatId(THEIRS, 1), Said(THEIRS, 1, mine(1)), now_ms)
    assert state.hear("b", BeatId(NEXT, 1), Said(NEXT, 1, mine(sent)), 3000)


def test_an_epoch_counts_only_by_a_beat_that_answers_ours() -> None:
    """A heartbeat of the dead that somebody keeps alive counts for nothing."""
    state = Freshness("a", MINE)
    state.beats(1000)
    assert not state.hear("b", BeatId(THEIRS, 7), Said(THEIRS, 7, mine(3, OLD)), 1500)
    assert state.heard is None
    assert state.echo("b") == BeatId(THEIRS, 7)  # read, and echoed all the same


def test_a_beat_that_answers_none_of_ours_renews_nothing() -> None:
    """Its epoch goes on counting; a successor that answered before it is not held up by it."""
    state = began(1000)
    state.beats(2000)
    assert not state.hear("b", BeatId(THEIRS, 2), Said(THEIRS, 2, mine(9)), 2600)
    assert state.heard == THEIRS
    assert state.hear("b", BeatId(NEXT, 1), Said(NEXT, 1, mine(2)), 2700)


def test_an_epoch_that_was_replaced_never_counts_again() -> None:
    """The successor counts once it answers a beat sent after its predecessor's last one."""
    state = began(1000)
    early = Said(NEXT, 1, mine(1))
    assert not state.hear("b", BeatId(NEXT, 1), early, 1600)
    state.beats(2000)
    assert state.hear("b", BeatId(NEXT, 2), Said(NEXT, 2, mine(2)), 2100)
    state.beats(3000)
    back = Said(THEIRS, 9, mine(3))
    assert not state.hear("b", BeatId(THEIRS, 9), back, 3100)
    assert (state.heard, state.fresh_until(KEY, back, 3100)) == (NEXT, None)


def test_only_so_many_replaced_epochs_are_remembered() -> None:
    """Nothing grows for days; the newest of them stay out."""
    state, now_ms = Freshness("a", MINE), 1000
    for number in range(400):
        now_ms += 1000
        sent = state.beats(now_ms)
        epoch = f"{number:016x}"
        assert state.hear("b", BeatId(epoch, 1), Said(epoch, 1, mine(sent)), now_ms)
    assert len(state._replaced) == _KEPT_EPOCHS
    sent = state.beats(now_ms + 1000)
    back = f"{398:016x}"
    assert not state.hear("b", BeatId(back, 2), Said(back, 2, mine(sent)), now_ms + 1000)


def test_what_was_read_of_us_is_told_by_the_echo() -> None:
    """A value answers a beat of ours that its writer had read, or a later one."""
    state = began()
    state.beats(2000)
    said = Said(THEIRS, 2, mine(2))
    assert state.answers(said, 2)
    assert state.answers(said, 1)
    assert not state.answers(said, 3)
    assert not state.answers(Said(THEIRS, 2, mine(2, OLD)), 1)
    assert not state.answers(None, 1)


def test_a_new_epoch_of_ours_makes_everything_stale() -> None:
    """Whatever was said to the former leadership was not said to this one."""
    state = began()
    state.renew(NEXT)
    assert state.fresh_until(KEY, Said(THEIRS, 2, mine(1)), 1600) is None
    number = state.beats(1700)
    assert number == 1
    assert state.fresh_until(KEY, Said(THEIRS, 2, mine(1, NEXT)), 1800) is not None


def test_a_host_that_slept_lets_nothing_be_fresh() -> None:
    """Its clock stood still while the other side went on."""
    state = began()
    state.forget_sent()
    assert state.fresh_until(KEY, Said(THEIRS, 1, mine(1)), 1600) is None


def test_beats_that_count_another_epoch_of_ours_call_for_a_new_one() -> None:
    """Else a process that was replaced by mistake would never be heard again."""
    state = began(1000)
    for now_ms in range(2000, 2000 + MISHEARD_MS, 1000):
        number = state.beats(now_ms)
        assert not state.is_misheard(OLD, Said(THEIRS, number, mine(number)), now_ms)
    number = state.beats(2000 + MISHEARD_MS)
    said = Said(THEIRS, number, mine(number))
    assert state.is_misheard(OLD, said, 2000 + MISHEARD_MS)
    assert not state.is_misheard(MINE, said, 2000 + MISHEARD_MS)
    assert not state.is_misheard(OLD, said, 2001 + MISHEARD_MS)  # the time begins anew


def test_our_own_beats_are_echoed_and_judge_nothing() -> None:
    """A standby reads its leader's heartbeat under its own side's key."""
    state = began()
    assert not state.hear("a", BeatId(OLD, 3), Said(OLD, 3), 1600)
    assert (state.echo("a"), state.heard) == (BeatId(OLD, 3), THEIRS)


def test_values_are_numbered_per_name_and_epoch() -> None:
    """Each name has its own count, which begins again with an epoch."""
    state = Freshness("b", MINE)
    assert [state.next_n(name) for name in ("x", "x", "y")] == [1, 2, 1]
    state.renew(NEXT)
    assert state.next_n("x") == 1


@given(
    st.lists(
        st.tuples(st.sampled_from((THEIRS, NEXT, OLD)), st.integers(0, 4), st.integers(0, 4000)),
        max_size=40,
    )
)
def test_whatever_is_heard_an_epoch_counts_once(heard: list[tuple[str, int, int]]) -> None:
    """Epochs come one after the other; one that was left is never the newest again."""
    state, now_ms, counted = Freshness("a", MINE), 1000, list[str]()
    for number, (epoch, back, pause_ms) in enumerate(heard):
        now_ms += pause_ms
        sent = state.beats(now_ms)
        state.hear("b", BeatId(epoch, number), Said(epoch, number, mine(sent - back)), now_ms)
        if state.heard is not None and counted[-1:] != [state.heard]:
            counted.append(state.heard)
    assert len(counted) == len(set(counted))


def test_a_beat_of_ours_is_known_for_as_long_as_is_asked() -> None:
    """A command answers one of this epoch; what the host may have slept through is not known."""
    state = began(1000)
    assert state.was_sent_within(mine(1), 5000, 6000)
    assert not state.was_sent_within(mine(1), 5000, 6001)
    assert not state.was_sent_within(mine(2), 5000, 1000)
    assert not state.was_sent_within(mine(1, OLD), 5000, 1000)
    state.forget_sent()
    assert not state.was_sent_within(mine(1), 5000, 1000)
