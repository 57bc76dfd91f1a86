"""Who may write to Redis and does not know the secret: named attacks, and a small fuzz."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from hedge.core.freshness import Stale
from hedge.daemon.refusals import BY_HAND
from hedge.wire.codec import RefusalCause
from hedge.wire.control import FLATTEN, Lease, parse_halts
from tests.simulation.attacker import CHANNELS, LEASE_A, LEASE_B, STATE, earlier_life
from tests.simulation.bus import NAMES
from tests.simulation.exchange import A, B
from tests.simulation.fuzz import (
    AIMED,
    CHECKS,
    Count,
    Fuzz,
    beside_a_pair,
    fuzz,
    signed_for_another,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

VALUES, AIMED_VALUES = 700, 250


@pytest.mark.parametrize("seed", [1, 2])
def test_no_order_comes_of_what_is_thrown(seed: int) -> None:
    """Nor is anything left open, and the market's fills are hedged as fast as without it."""
    found = fuzz(VALUES, seed, epochs=2)
    assert (found.orders, found.stuck) == ([], [])
    assert found.values >= VALUES
    assert found.in_time > 0
    causes = (RefusalCause.BAD_SIGNATURE, RefusalCause.OTHER_PAIR, RefusalCause.WRONG_TYPE, *Stale)
    assert {BY_HAND, *(why.value for why in causes)} <= set(found.refused)


@pytest.mark.parametrize("check", CHECKS)
def test_without_one_check_orders_come_of_it(check: str) -> None:
    """Each of the five is needed: a few seeds by the tactic that is aimed at it, and none with it.

    The same values cause nothing where the check stands.
    """
    for seed in range(1, 15):
        if fuzz(AIMED_VALUES, seed, check, epochs=2, aimed=AIMED[check]).orders:
            assert not fuzz(AIMED_VALUES, seed, epochs=2, aimed=AIMED[check]).orders
            return
    pytest.fail(f"nothing comes of leaving out {check}")


# --- named attacks --------------------------------------------------------------------------------


@contextmanager
def refusing(one: Fuzz, *causes: str) -> Iterator[None]:
    """Expect these causes to be counted by a living daemon, and no order for it."""
    before, orders = counted(one), len(one.world.exchange.log.trades)
    yield
    after = counted(one)
    assert {cause for cause in causes if after.get(cause, 0) <= before.get(cause, 0)} == set()
    assert len(one.world.exchange.log.trades) == orders


def counted(one: Fuzz) -> dict[str, int]:
    found: dict[str, int] = {}
    for manager in one.managers:
        for word, count in manager.refusals.counts:
            found[word] = found.get(word, 0) + count
    return found


def yesterday(one: Fuzz, name: str) -> tuple[str, ...]:
    return earlier_life(one.scope.secret).texts[name]


EPOCH, COUNTER, AGE = (why.value for why in Stale)
SIGNATURE = RefusalCause.BAD_SIGNATURE.value


async def yesterdays_commands(one: Fuzz) -> None:
    """Flatten and resumptions, signed with the same secret, of the same pair."""
    texts = yesterday(one, NAMES.command)
    assert any(json.loads(text)["command"] == FLATTEN for text in texts)
    with refusing(one, EPOCH):
        for text in texts:
            one.throw("replayed", NAMES.command, text)
            await asyncio.sleep(2)


async def an_old_halt_and_its_resumption(one: Fuzz) -> None:
    """What a person halts today stays halted, and what was resumed then halts nothing."""
    texts = [text for text in yesterday(one, NAMES.halt) if FLATTEN not in text]
    for text in texts:
        one.throw("replayed", NAMES.halt, text)
        await asyncio.sleep(1.5)
    assert one.stage.halt() is None
    one.stage.desk.person.halt()
    await asyncio.sleep(2)
    halt = one.stage.halt()
    assert halt is not None
    with refusing(one):
        for text in texts:
            assert halt.id not in parse_halts(text).released
            one.throw("replayed", NAMES.halt, text)
            await asyncio.sleep(1.5)
    assert halt.id in {known.id for known in one.stage.a.manager.halts.in_force}
    assert halt.id in {known.id for known in one.stage.b.manager.halts.in_force}


async def yesterdays_positions_under_a_forged_lease(one: Fuzz) -> None:
    """B was restarted since and does not watch A's account: it knows A by Redis alone."""
    assert not one.world.settings.peer_watch
    texts = yesterday(one, NAMES.position_a)
    one.stage.b.kill()
    one.stage.b.start()
    assert await one.stage._until(lambda: one.stage.b.leads, 10)
    with refusing(one, EPOCH):
        for number, text in enumerate(texts[:: max(1, len(texts) // 24)]):
            forged = Lease(instance=json.loads(text)["instance"], host=f"{number:012x}", pair="")
            one.throw("forged", LEASE_A, forged.to_json())
            one.throw("replayed", NAMES.position_a, text)
            await asyncio.sleep(0.6)


async def the_last_words_of_a_dead_b(one: Fuzz) -> None:
    """Kept alive: A cancels, and places nothing more once they answer nothing of the last 8 s."""
    last = {name: one.pool[name][-1] for name in (NAMES.ready_b, NAMES.ledger, LEASE_B)}
    one.stage.b.kill()
    with refusing(one, AGE):
        for _ in range(60):
            for name, text in last.items():
                one.throw("kept alive", name, text)
            await asyncio.sleep(0.5)
        assert not one.stage._is_working()
    one.stage.b.start()


async def an_earlier_word_of_this_epoch(one: Fuzz) -> None:
    """B has lost the exchange and said so; that it was ready a moment ago releases nothing."""
    texts = one.pool[NAMES.ready_b][-3:]
    assert all(json.loads(text)["ready"] for text in texts)
    one.stage.cut_venue(one.stage.host_b, 60)
    await asyncio.sleep(2)
    with refusing(one, COUNTER):
        for number in range(40):
            one.throw("replayed", NAMES.ready_b, texts[number % 3])
            await asyncio.sleep(0.1)
    one.stage.host_b.venue.cut = False


async def the_words_of_a_former_b(one: Fuzz) -> None:
    """B was restarted and is not ready; what it said before is between what it says now."""
    texts = {name: one.pool[name][-2:] for name in (NAMES.ready_b, NAMES.ledger)}
    one.stage.cut_venue(one.stage.host_b, 60)
    one.stage.b.kill()
    one.stage.b.start()
    with refusing(one, EPOCH):
        for number in range(45):
            for name in texts:
                one.throw("replayed", name, texts[name][number % 2])
            await asyncio.sleep(0.27)
    one.stage.host_b.venue.cut = False


async def another_names(one: Fuzz) -> None:
    """A true value of this very second under each other name."""
    names = (*STATE, *CHANNELS)
    with refusing(one, SIGNATURE):
        for name in names:
            for other in names:
                # What cannot be read under the halts' key halts the pair, as it must.
                if other not in (name, NAMES.halt) and one.pool.get(name):
                    one.throw("under another name", other, one.pool[name][-1])
                    await asyncio.sleep(0.05)


async def another_pairs(one: Fuzz) -> None:
    """Of another account, market, chain or name, by the same secret; one of them lives."""
    causes = (SIGNATURE, "other_account", "other_market", "wrong_chain")
    with refusing(one, *causes):
        for name in (*STATE[:6], NAMES.command, *CHANNELS):
            for text in one.pool.get(name, ())[-12:]:
                signed = signed_for_another(text, name, one.scope, one.dice)
                assert signed is not None
                one.throw("of another pair", name, signed)
                await asyncio.sleep(0.1)
    with refusing(one, SIGNATURE):
        await one.beside()


async def everything_at_every_state(one: Fuzz) -> None:
    """Each recorded value under its own name, while the pair is in each of these states."""
    stage = one.stage

    def nothing() -> None:
        """Go on."""

    def freeze() -> None:
        stage.b.freeze()
        one.take()
        one.loop.world_at(one.loop.time() + 1.5, stage.b.thaw)

    def restart_a() -> None:
        stage.a.kill()
        stage.a.start()

    def restart_b() -> None:
        stage.b.kill()
        stage.b.start()

    def cut_off() -> None:
        stage.cut_venue(stage.host_b, 60)

    for number, begin in enumerate(
        (nothing, freeze, restart_a, restart_b, cut_off, stage.desk.person.halt, stage.b.stop)
    ):
        assert await one.settle()
        begin()
        texts = [(name, text) for name in (*STATE, *CHANNELS) for text in one.pool.get(name, ())]
        for name, text in one.dice.sample(texts, len(texts))[number % 2 :: 2]:
            if name != NAMES.halt:
                one.throw("replayed", name, text)
                await asyncio.sleep(0.01)
        stage.host_b.venue.cut = False


ATTACKS: tuple[Callable[[Fuzz], Awaitable[None]], ...] = (
    yesterdays_commands,
    an_old_halt_and_its_resumption,
    yesterdays_positions_under_a_forged_lease,
    the_last_words_of_a_dead_b,
    an_earlier_word_of_this_epoch,
    the_words_of_a_former_b,
    another_names,
    another_pairs,
    everything_at_every_state,
)


def test_named_attacks_cause_no_order_and_are_counted_by_cause() -> None:
    """One after the other on one pair, which trades on after each."""
    done: list[str] = []

    async def work(one: Fuzz) -> None:
        await one.record()
        one.is_throwing = True
        for attack in ATTACKS:
            await attack(one)
            assert await one.settle(), attack.__name__
            one.take()
            await asyncio.sleep(3)
            assert one.world.exchange.lots(A) == -one.world.exchange.lots(B), attack.__name__
            done.append(attack.__name__)

    found: Count = beside_a_pair(2, work, 0, 4)
    assert done == [attack.__name__ for attack in ATTACKS]
    assert found.orders == []
