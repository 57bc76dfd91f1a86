"""The request budget, on a clock that the test moves."""

import itertools
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedge.config.schema import Tier
from hedge.exchange.allowance import (
    CANCEL,
    CHANGE,
    CREATE,
    TYPE_LIMIT,
    Allowance,
    allowance_of,
    tier_named,
)
from hedge.exchange.budget import RequestBudget
from hedge.exchange.port import Priority, VenueUnavailableError
from paper.limits import BUDGETS, CEILING, Owner, RequestLimits, Verdict
from tests.unit.venue.fakes import FakeClock

TIERS = (Tier.STANDARD, Tier.PLUS, Tier.PREMIUM)


async def test_normal_requests_leave_the_reserve() -> None:
    """Five of ten requests go to reads, the other five only to what is urgent."""
    budget = RequestBudget(FakeClock(), 10)
    for _ in range(5):
        await budget.take(Priority.NORMAL)
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NORMAL)
    for _ in range(5):
        await budget.take(Priority.URGENT)
    assert budget.used_fraction == 1.0


async def test_an_urgent_request_waits_for_a_slot() -> None:
    """With nothing left an urgent request waits until the oldest one is a minute old."""
    clock = FakeClock()
    budget = RequestBudget(clock, 6)
    await budget.take(Priority.URGENT)
    clock.advance_ms(20_000)
    for _ in range(5):
        await budget.take(Priority.URGENT)
    await budget.take(Priority.URGENT)
    assert clock.slept_s == [40.0]


async def test_the_minute_rolls() -> None:
    """A request counts for sixty seconds and no longer."""
    clock = FakeClock()
    budget = RequestBudget(clock, 6)
    await budget.take()
    clock.advance_ms(59_999)
    with pytest.raises(VenueUnavailableError):
        await budget.take()
    clock.advance_ms(1)
    await budget.take()
    assert budget.used_fraction == pytest.approx(1 / 6)


async def test_a_rate_limit_answer_silences_reads_only() -> None:
    """After a 429 reads wait for sixty seconds, hedges do not; it is counted."""
    clock = FakeClock()
    budget = RequestBudget(clock, 60)
    budget.refused()
    assert budget.is_silenced
    assert (budget.has_room, budget.orders_left(clock.now_ms())) == (False, 0)
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NORMAL)
    await budget.take(Priority.URGENT)
    clock.advance_ms(60_000)
    await budget.take(Priority.NORMAL)
    assert not budget.is_silenced
    assert clock.slept_s == []
    assert (budget.refusals, "1 refused (429)" in budget.text) == (1, True)


@pytest.mark.parametrize("tier", TIERS)
async def test_what_never_left_is_given_back(tier: Tier) -> None:
    """A host that refuses connections costs nothing: the minute is there once it is back."""
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(tier, "a"))
    for _, priority, tx_type in itertools.product(range(20), Priority, (None, CREATE, CANCEL)):
        taken = await budget.take(priority, "trades", tx_type=tx_type)
        clock.advance_ms(500)
        budget.give_back(taken)
    assert budget.used_fraction == 0
    assert budget.has_room
    assert budget.orders_left(clock.now_ms()) == min(
        budget.allowed.requests - 5, budget.allowed.shares.get(CREATE, 1000)
    )
    budget.give_back(taken)  # twice is once
    assert budget.used_fraction == 0


def test_a_budget_of_reserve_only_is_refused() -> None:
    """A budget in which no read could ever run is an error."""
    with pytest.raises(ValueError, match="more than 5"):
        RequestBudget(FakeClock(), 5)


@pytest.mark.parametrize("kind", [CREATE, CANCEL, CHANGE])
async def test_a_type_has_a_share_that_what_is_urgent_may_pass(kind: int) -> None:
    """New orders and changes end at their share; a hedge or a cancel takes all of the forty."""
    clock = FakeClock()
    budget = RequestBudget(clock, Allowance(100, shares={kind: 10}))
    for left in range(10, 0, -1):
        assert budget.orders_left(clock.now_ms()) == (left if kind == CREATE else 85 + left)
        await budget.take(tx_type=kind)
    with pytest.raises(VenueUnavailableError):
        await budget.take(tx_type=kind)
    await budget.take()
    for _ in range(TYPE_LIMIT - 10):
        await budget.take(Priority.URGENT, tx_type=kind)
    assert clock.slept_s == []
    await budget.take(Priority.URGENT, tx_type=kind)
    assert clock.slept_s == [60.0]


async def test_a_share_of_it_is_a_share_of_what_may_be_sent() -> None:
    """B merges its hedges past three quarters of it; its share of orders is no bound for that."""
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(Tier.STANDARD, "b"))
    for number in range(1, 21):
        await budget.take(Priority.URGENT, tx_type=CREATE)
        assert budget.used_fraction == number / budget.allowed.requests
    few = RequestBudget(clock, Allowance(1000, shares={CREATE: 24}))
    for _ in range(20):
        await few.take(Priority.URGENT, tx_type=CREATE)
    assert few.used_at(clock.now_ms()) == 20 / TYPE_LIMIT


async def test_reads_that_are_not_urgent_leave_a_hedge_over_for_each_order_of_a() -> None:
    """B, whose sockets are cut, reads a lot: every order that A may still place can be hedged."""
    clock = FakeClock()
    a, b = (RequestBudget(clock, allowance_of(Tier.STANDARD, side)) for side in "ab")
    while b.has_room:
        await b.take(call="account")
    orders = a.orders_left(clock.now_ms())
    assert orders > 10
    for _ in range(orders):
        await b.take(Priority.URGENT, tx_type=CREATE)
    assert clock.slept_s == []


async def test_a_read_that_is_urgent_passes_the_share_of_reads() -> None:
    """A fence and a proof read what they need."""
    clock = FakeClock()
    budget = RequestBudget(clock, Allowance(20, reads=3))
    for _ in range(3):
        await budget.take(call="account")
    with pytest.raises(VenueUnavailableError):
        await budget.take(call="account")
    for _ in range(17):
        await budget.take(Priority.URGENT, "nextNonce")
    assert clock.slept_s == []
    assert budget.used_fraction == 1


async def test_a_read_that_a_hedge_needs_passes_the_quiet_and_leaves_the_reserve() -> None:
    """After a 429 the book is still read for what is owed; a hedge finds its request free."""
    clock = FakeClock()
    budget = RequestBudget(clock, Allowance(10))
    budget.refused()
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NORMAL)
    for _ in range(5):
        await budget.take(Priority.NEEDED, "orderBookOrders")
    with pytest.raises(VenueUnavailableError):
        await budget.take(Priority.NEEDED, "orderBookOrders")
    await budget.take(Priority.URGENT)
    assert clock.slept_s == []


@pytest.mark.parametrize("tier", TIERS)
async def test_another_allowance_knows_what_the_minute_took(tier: Tier) -> None:
    """The exchange names the tier after the first requests: it has counted them already."""
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(Tier.STANDARD, "a"))
    await budget.take(Priority.URGENT, "trades")
    clock.advance_ms(30_000)
    first = await budget.take(call="account")
    for kind in (CREATE, CREATE, CANCEL):
        await budget.take(Priority.URGENT, tx_type=kind)
    budget.allow(allowance_of(tier, "a"))
    reads = tier is Tier.STANDARD  # elsewhere they are counted apart, by their weight
    requests = budget.allowed.requests
    assert round(budget.used_fraction * requests) == 3 + 2 * reads
    budget.give_back(first)
    assert round(budget.used_fraction * requests) == 3 + reads
    clock.advance_ms(60_000)
    assert budget.used_fraction == 0


async def test_changes_are_counted_with_cancels() -> None:
    """A requote is the one or the other: neither may use up what must come off the book."""
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(Tier.PREMIUM, "a"))
    for kind, left in ((CANCEL, 29), (CHANGE, 29), (CHANGE, 28)):
        await budget.take(tx_type=kind)
        assert budget.changes_left(clock.now_ms()) == left
    assert budget.orders_left(clock.now_ms()) == 1000


async def test_reads_are_weighed_where_the_tier_weighs_them() -> None:
    """On Plus and Premium a page of trades costs as much as a hundred nonces, a send nothing."""
    clock = FakeClock()
    budget = RequestBudget(clock, allowance_of(Tier.PLUS, "a"))
    for _ in range(11):
        await budget.take(call="trades")
    with pytest.raises(VenueUnavailableError):
        await budget.take(call="trades")
    await budget.take(call="nextNonce")
    await budget.take(tx_type=CREATE)
    for _ in range(5):
        await budget.take(Priority.URGENT, "trades")
    assert clock.slept_s == []
    await budget.take(Priority.URGENT, "trades")
    assert clock.slept_s == [60.0]


def test_a_written_number_counts_everything_alike() -> None:
    """`requests_per_minute` is instead of all numbers of the tier."""
    for tier in TIERS:
        found = allowance_of(tier, "a", 30)
        assert (found.requests, found.weight, found.tier) == (30, None, tier)
        assert found.shares == {}
    assert allowance_of(Tier.AUTO, "a") == allowance_of(Tier.STANDARD, "a")


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        ("standard", Tier.STANDARD),
        (" Premium ", Tier.PREMIUM),
        ("PLUS", Tier.PLUS),
        ("instant", None),
        ("auto", None),
        ("", None),
    ],
)
def test_a_tier_is_known_by_its_name(word: str, tier: Tier | None) -> None:
    """The exchange's word counts in any case; what is not known is not guessed."""
    assert tier_named(word) is tier


def test_both_sides_together_are_what_the_exchange_takes() -> None:
    """Shares add up to no more than one L1 address has, of each kind."""
    for tier in TIERS:
        a, b = (allowance_of(tier, side) for side in "ab")
        limits = BUDGETS[tier.value]
        assert a.requests + b.requests <= limits.txs
        if a.weight is not None and b.weight is not None:
            assert a.weight + b.weight <= CEILING
        else:
            assert not limits.weighed
        for kind in (CREATE, CANCEL, CHANGE):
            assert a.shares.get(kind, 0) + b.shares.get(kind, 0) <= TYPE_LIMIT


READS = st.sampled_from(["trades", "account", "nextNonce", "accountInactiveOrders"])
ASKED = st.lists(
    st.tuples(
        st.integers(0, 4_000),
        st.sampled_from("ab"),
        st.sampled_from([None, None, CREATE, CREATE, CANCEL, CHANGE]),
        READS,
    ),
    max_size=250,
)


@given(st.sampled_from(TIERS), ASKED)
async def test_what_is_let_through_is_never_refused(
    tier: Tier, asked: list[tuple[int, str, int | None, str]]
) -> None:
    """Both sides on one L1 address: what NORMAL lets pass the paper exchange takes, always."""
    clock, limits, owner = FakeClock(), RequestLimits(), Owner("l1", tier.value)
    budgets = {side: RequestBudget(clock, allowance_of(tier, side)) for side in "ab"}
    passed: deque[Verdict] = deque()
    for pause_ms, side, tx_type, call in asked:
        clock.advance_ms(pause_ms)
        if side == "b" and tx_type in (CANCEL, CHANGE):
            continue  # B rests nothing
        try:
            await budgets[side].take(Priority.NORMAL, call, tx_type=tx_type)
        except VenueUnavailableError:
            continue
        now_s = clock.now_ms() / 1000
        verdict = (
            limits.read(now_s, "here", owner, call)
            if tx_type is None
            else limits.send(now_s, "here", owner, [tx_type])
        )
        passed.append(verdict)
    assert set(passed) <= {Verdict.PASS}
