"""Whose an order is: by the list of who may have signed, and by the nonce that its id bears."""

import pytest

from hedge.core import ids
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.daemon.signers import Signers, is_listed, kept_instances
from hedge.wire.codec import MessageRefusedError, RefusalCause
from hedge.wire.control import KEPT_INSTANCES
from tests.unit.core.kit import trade
from tests.unit.shell.fakes import Bench, Calls, running

EARLIER, OTHER = "c" * 11 + "1", "d" * 11 + "2"
A_PERSONS = 0xA123456789AB
"""An id that looks like ours, by chance."""
NONCE = 1000


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Return one whose instance is none of those named here: one in 4,096 has their bits."""
    taken = {ids.instance_bits(one) for one in (EARLIER, OTHER)} | {ids.instance_of(A_PERSONS)}
    while ids.instance_bits(bench.parts.instance) in taken:
        bench.restart()
    return bench


@pytest.fixture
def signers(bench: Bench) -> Signers:
    """Return what a process knows whose host has listed an earlier one."""
    bench.host.write("instances", {"instances": [EARLIER]})
    bench.parts.sender.nonces.sent(NONCE)
    return Signers(bench.parts)


def told(
    signers: Signers, index: int, *, leads: bool = True, is_sure: bool = True, at_ms: int = 10**15
) -> bool:
    return signers.is_ours(index, at_ms, leads=leads, is_sure=is_sure)


def test_an_order_of_a_listed_process_is_ours(bench: Bench, signers: Signers) -> None:
    """Its own, and one of the process before; a marker too."""
    for instance in (bench.parts.instance, EARLIER):
        assert told(signers, ids.order_id(instance, NONCE))
        assert told(signers, ids.marker_id(instance, 7))


@pytest.mark.parametrize("index", [A_PERSONS, ids.order_id(OTHER, 5), ids.marker_id(OTHER, 5), 7])
def test_a_tag_alone_proves_nothing(signers: Signers, index: int) -> None:
    """One in eight random ids has it."""
    assert not told(signers, index)


def test_a_nonce_that_was_never_given_out_is_no_process_of_ours(signers: Signers) -> None:
    """One in 4,096 ids bears the bits of a listed instance; its serial is far above any nonce."""
    assert not told(signers, ids.order_id(EARLIER, 0x456789AB))
    assert told(signers, ids.order_id(EARLIER, NONCE + 20))


@pytest.mark.parametrize("index", [ids.order_id(OTHER, 1001), A_PERSONS])
def test_where_another_may_lead_the_nonce_tells(signers: Signers, index: int) -> None:
    """A process that took over meanwhile need not be listed where we look; a person signs none."""
    assert told(signers, index, is_sure=False) is (index != A_PERSONS)
    assert told(signers, index, leads=False)  # a standby trades on nothing that it hears


def test_what_was_heard_while_another_may_have_led_is_judged_again(signers: Signers) -> None:
    """A person's trade under our tag while the lease was lost: foreign, once we lead again."""
    own = trade(11, 100, cid=ids.order_id(EARLIER, NONCE))
    another = trade(12, 100, cid=ids.order_id(OTHER, 5))
    persons = trade(13, 100, cid=A_PERSONS)
    plain = trade(14, 100, cid=7)
    assert signers.foreign_of((own, another, persons), leads=False, is_sure=False) == ()
    assert signers.foreign_of((plain,), leads=True, is_sure=False) == (14,)
    signers.learn((OTHER,))  # it did lead
    assert signers.foreign_of((), leads=True, is_sure=True) == (13,)
    assert signers.foreign_of((persons,), leads=True, is_sure=True) == (13,)
    assert signers.foreign_of((), leads=True, is_sure=True) == ()


def test_with_neither_list_at_hand_the_tag_counts_for_what_is_older(bench: Bench) -> None:
    """The first start of this version, or a host without its disk and a Redis that was wiped."""
    bench.parts.sender.nonces.sent(NONCE)
    signers = Signers(bench.parts)
    now_ms, order = bench.clock.epoch_ms(), ids.order_id(OTHER, 5)
    assert told(signers, order, at_ms=now_ms - 1)
    assert not told(signers, order, at_ms=now_ms)
    assert not told(signers, A_PERSONS, at_ms=now_ms - 1)
    assert signers.learn((EARLIER, bench.parts.instance)) is None
    assert not told(signers, order, at_ms=now_ms - 1)  # now there is a list


def test_the_process_of_version_1_stays_listed_when_the_first_start_dies(bench: Bench) -> None:
    """It kept no list; what it traded is the pair's at every start after it."""
    former = bench.parts.instance
    for _ in range(2):
        bench.restart()
        bench.parts.sender.nonces.sent(NONCE)
        signers = Signers(bench.parts)
        assert former in kept_instances(bench.host)
        assert signers.is_ours(ids.order_id(former, 5), 0, leads=True, is_sure=True)
        assert not told(signers, ids.order_id(OTHER, 5))


def test_both_lists_are_joined_and_kept(bench: Bench, signers: Signers) -> None:
    """What only one of them knows is lost by neither: a wiped Redis, a host without its disk."""
    own = bench.parts.instance
    wanted = signers.learn((OTHER,))
    assert wanted is not None
    assert wanted.instances == (EARLIER, OTHER, own)
    assert kept_instances(bench.on_disk()) == wanted.instances
    assert signers.learn(wanted.instances) is None
    assert told(signers, ids.order_id(OTHER, 5))


def test_only_the_newest_are_listed(bench: Bench, signers: Signers) -> None:
    """A full list is left alone once we are in it: what it lacks is older."""
    there = tuple(f"{number:012x}" for number in range(KEPT_INSTANCES))
    wanted = signers.learn(there)
    assert wanted is not None
    assert wanted.instances == (*there[1:], bench.parts.instance)
    assert signers.learn(wanted.instances) is None
    assert not is_listed(ids.order_id(there[0], 1), signers.known)


async def test_every_process_adds_itself_with_the_lease(bench: Bench) -> None:
    """Also one that only waits for it; a list that is not ours is counted and written over."""
    keeper = LeaseKeeper(bench.parts, "b", LeaseHandlers(Calls(), Calls(), Calls()))
    bench.bus.instances = (OTHER,)
    async with running(keeper.run()):
        while bench.parts.instance not in bench.bus.instances:
            await bench.clock.sleep(0.1)
    assert bench.bus.instances == (OTHER, bench.parts.instance)
    assert keeper.has_signed(ids.order_id(OTHER, 5), 10**15)


async def test_a_list_that_is_refused_is_counted_and_written_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes to Redis without the secret makes no order ours."""
    keeper = LeaseKeeper(bench.parts, "b", LeaseHandlers(Calls(), Calls(), Calls()))
    refused = Calls()
    keeper.refused = refused

    async def forged(_key: object) -> tuple[str, ...]:
        raise MessageRefusedError(RefusalCause.BAD_SIGNATURE, "x")

    monkeypatch.setattr(bench.bus, "read_instances", forged)
    async with running(keeper.run()):
        while not bench.bus.instances:
            await bench.clock.sleep(0.1)
    assert refused[0][1] == bench.parts.lease.instances
    assert bench.bus.instances == (bench.parts.instance,)
