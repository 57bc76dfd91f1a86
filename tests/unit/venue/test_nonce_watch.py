"""Nonces of our key that another program has used, as fences find them."""

import pytest

from hedge.exchange.nonce_watch import NonceWatch


def fenced(watch: NonceWatch, next_nonce: int, at_ms: int, *own: int) -> None:
    for nonce in own:
        watch.sent(nonce)
    watch.fenced(next_nonce, at_ms)


def test_three_fences_within_a_minute_show_another_program() -> None:
    """Each finds a nonce that we did not use; it is forgotten a minute later."""
    watch = NonceWatch()
    fenced(watch, 10, 0, 9)
    fenced(watch, 13, 1000, 12)  # 10 and 11 are not ours
    fenced(watch, 15, 2000, 14)
    assert not watch.is_shared(2000)
    assert watch.pause_s(2000) == 0
    fenced(watch, 17, 3000, 16)
    assert watch.is_shared(3000)
    assert watch.is_shared(61_000)
    assert not watch.is_shared(61_001)


@pytest.mark.parametrize(("more", "pause_s"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (9, 8.0)])
def test_pauses_grow_to_eight_seconds(more: int, pause_s: float) -> None:
    """One fence and one order in turn."""
    watch = NonceWatch()
    watch.fenced(1, 0)
    for number in range(3 + more):
        watch.fenced(2 + number, 100)
    assert watch.pause_s(100) == pause_s


def test_our_own_transactions_are_no_other_program() -> None:
    """Nor is what was used before our first fence, or a nonce that was handed back."""
    watch = NonceWatch()
    fenced(watch, 500, 0)
    for number in range(10):
        next_nonce = 500 + 3 * number
        fenced(watch, next_nonce + 3, number, next_nonce, next_nonce + 1, next_nonce + 2)
    watch.fenced(520, 20)
    assert not watch.is_shared(20)
    assert watch.newest == 530


def test_a_nonce_that_was_gone_when_ours_came_is_not_ours() -> None:
    """Both signed with it, and the exchange took the other one."""
    watch = NonceWatch()
    fenced(watch, 10, 0, 9)
    for number in range(3):
        watch.sent(10 + 2 * number)
        watch.refused(10 + 2 * number)
        fenced(watch, 12 + 2 * number, 1, 11 + 2 * number)
    assert watch.is_shared(1)


def test_without_the_lease_others_of_the_pair_may_sign() -> None:
    """A standby that led meanwhile is no stranger; the first fence after it begins anew."""
    watch = NonceWatch()
    for number in range(4):
        watch.fenced(10 * number, number)
    assert watch.is_shared(3)
    watch.forget()
    assert not watch.is_shared(3)
    watch.fenced(900, 4)
    watch.fenced(900, 5)
    assert not watch.is_shared(5)


def test_what_is_remembered_is_bounded() -> None:
    """A key signs for days between two fences; a long gap is none of another program's."""
    watch = NonceWatch()
    watch.fenced(0, 0)
    for nonce in range(10_000):
        watch.sent(nonce)
    assert len(watch._sent) <= 4096
    for at_ms in (1, 2, 3):
        watch.fenced(10_000, at_ms)
    assert not watch.is_shared(3)


def test_all_that_is_below_a_nonce_is_ours_or_not() -> None:
    """Since the last fence, or since the key signed first; what was refused is not."""
    watch = NonceWatch()
    assert watch.are_ours(0)
    assert not watch.are_ours(1)
    assert watch.next_nonce is None
    watch.sent(0)
    assert watch.are_ours(1)
    fenced(watch, 10, 0, 9)
    assert watch.are_ours(10)
    assert watch.are_ours(9)  # an answer that lags
    watch.sent(10)
    watch.sent(11)
    assert (watch.are_ours(12), watch.next_nonce) == (True, 12)
    watch.refused(10)
    assert (watch.are_ours(12), watch.next_nonce) == (False, 10)
    watch.forget()
    assert not watch.are_ours(12)
    watch.learn(12)
    assert (watch.are_ours(12), watch.are_ours(13), watch.newest) == (True, False, 12)
