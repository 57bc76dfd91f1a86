"""Leases and the scripts that write under them, on a real Redis."""

import asyncio
import json
from dataclasses import replace

import pytest
import redis

from hedge.bus.port import LeaseAnswer
from hedge.errors import InternalBugError, RedisUnreachableError
from hedge.wire.control import Lease
from hedge.wire.names import Names
from redis_messenger import RedisMessenger
from tests.bus_helpers import (
    INSTANCE_A,
    INSTANCE_B,
    LEASE_A,
    LEASE_B,
    SCOPE,
    SPEC,
    Make,
    a_filled,
    b_failed,
    b_filled,
    ledger,
    listening,
    neutral,
    position,
    ready,
)
from tests.waiting import eventually
from tests.world.redis import FAST

pytestmark = pytest.mark.integration

NAMES = Names()
HOLDER = Lease(instance=INSTANCE_A, host="aa", pair="", market_index=0)
SHORT = replace(FAST, lease_ttl_s=0.15, ready_ttl_s=0.1)


async def test_a_free_lease_is_taken_and_kept_from_others(make: Make, look: redis.Redis) -> None:
    """The first process gets the lease for ten seconds, the second one is told who has it."""
    first, second = make(), make(INSTANCE_B, "bb")
    assert await first.acquire_lease(LEASE_A) == LeaseAnswer(held=True, was_free=True)
    assert await first.acquire_lease(LEASE_A) == LeaseAnswer(held=True)
    assert await second.acquire_lease(LEASE_A) == LeaseAnswer(held=False, holder=HOLDER)
    assert json.loads(str(look.get("hedge:lease:304:280459:4"))) == {
        "instance": INSTANCE_A,
        "host": "aa",
        "pair": "",
        "market_index": 0,
    }
    assert 9_000 < int(str(look.pttl(LEASE_A.name))) <= 10_000


async def test_a_lease_of_the_same_host_is_taken_over_at_once(make: Make) -> None:
    """A new process of the host takes the lease over; the old one, if it wakes, has lost it."""
    old, new = make(), make(INSTANCE_B, "aa")
    await old.acquire_lease(LEASE_A)
    answer = await new.acquire_lease(LEASE_A)
    assert answer == LeaseAnswer(held=True, holder=HOLDER, took_over=True)
    assert not (await old.renew_lease(LEASE_A)).held
    assert not (await old.publish_fill(position(1), a_filled(1))).held


async def test_writing_is_no_way_to_take_over(make: Make, look: redis.Redis) -> None:
    """Only acquiring takes a lease over from the same host; a write under it is refused."""
    old, new = make(), make(INSTANCE_B, "aa")
    await old.acquire_lease(LEASE_A)
    assert not (await new.write_position(position(1))).held
    assert not (await new.renew_lease(LEASE_A)).held
    assert look.get(NAMES.position_a) is None


async def test_a_lapsed_lease_is_not_renewed(make: Make, look: redis.Redis) -> None:
    """A holder whose lease has lapsed learns it instead of getting it back in passing."""
    holder = make(timing=SHORT)
    await holder.acquire_lease(LEASE_A)
    assert (await holder.renew_lease(LEASE_A)).held
    await eventually(lambda: not look.exists(LEASE_A.name))
    assert await holder.renew_lease(LEASE_A) == LeaseAnswer(held=False, was_free=True)
    assert not look.exists(LEASE_A.name)


async def test_only_the_holder_gives_a_lease_back(make: Make, look: redis.Redis) -> None:
    """A lease is deleted by its holder and by nobody else."""
    first, second = make(), make(INSTANCE_B, "bb")
    await first.acquire_lease(LEASE_A)
    await second.release_lease(LEASE_A)
    assert look.exists(LEASE_A.name)
    await first.release_lease(LEASE_A)
    assert not look.exists(LEASE_A.name)


@pytest.mark.parametrize("garbage", ["", "garbage", "[]", '{"instance": 1}', "null", "{}"])
async def test_a_lease_of_garbage_counts_as_free(
    make: Make, look: redis.Redis, garbage: str
) -> None:
    """A lease that cannot be read does not lock the pair out for ever."""
    look.set(LEASE_A.name, garbage)
    assert await make().acquire_lease(LEASE_A) == LeaseAnswer(held=True, was_free=True)


async def test_a_fill_goes_out_in_one_step(make: Make, look: redis.Redis) -> None:
    """A fill sets A's position, stands in the history, is heard, and takes a free lease."""
    sender, hearer = make(), make(INSTANCE_B, "bb")
    async with listening(hearer, RedisMessenger.CHANNEL_A_FILLED) as ear:
        await eventually(lambda: ear.is_up)
        answer = await sender.publish_fill(position(1), a_filled(1))
        await eventually(lambda: ear.heard)
    text = a_filled(1).to_json(SPEC)
    assert answer == LeaseAnswer(held=True, was_free=True)
    assert ear.heard == [text]
    assert look.get(NAMES.position_a) == position(1).to_json(SPEC)
    assert [entry for _, entry in look.xrange(NAMES.fills)] == [{"kind": "filled", "message": text}]
    assert sorted(look.keys("*")) == sorted([LEASE_A.name, NAMES.position_a, NAMES.fills])


async def test_without_the_lease_nothing_goes_out(make: Make, look: redis.Redis) -> None:
    """While another process holds A's lease, a fill is neither written nor heard."""
    holder, other = make(), make(INSTANCE_B, "bb")
    await holder.acquire_lease(LEASE_A)
    async with listening(holder, RedisMessenger.CHANNEL_A_FILLED) as ear:
        await eventually(lambda: ear.is_up)
        refused = await other.publish_fill(position(9, instance=INSTANCE_B), a_filled(9))
        await holder.publish_fill(position(1), a_filled(1))
        await eventually(lambda: ear.heard)
    assert refused == LeaseAnswer(held=False, holder=HOLDER)
    assert [json.loads(text)["seq"] for text in ear.heard] == [1]
    assert look.xlen(NAMES.fills) == 1


async def test_writes_of_one_process_keep_their_order(make: Make) -> None:
    """Of many writes under way at once the last one stays."""
    sender = make()
    await asyncio.gather(*(sender.write_position(position(seq)) for seq in range(1, 300)))
    state = await sender.read_state()
    assert state.position_a is not None
    assert state.position_a.seq == 299


async def test_a_ledger_goes_out_with_its_results(make: Make, look: redis.Redis) -> None:
    """A ledger, its results, the neutral moment and B's position are written in one step."""
    sender, hearer = make(INSTANCE_B, "bb"), make()
    await sender.acquire_lease(LEASE_B)
    position_b = position(3, -100, INSTANCE_B, account_index=280458)
    async with listening(hearer, RedisMessenger.CHANNEL_B_FILLED) as ear:
        await eventually(lambda: ear.is_up)
        await sender.write_ledger(
            ledger(2), [b_filled(1), b_filled(2)], neutral=neutral(), position_b=position_b
        )
        await eventually(lambda: len(ear.heard) == 2)
    assert [json.loads(text)["a_seq"] for text in ear.heard] == [1, 2]
    state = await hearer.read_state()
    assert (state.ledger, state.neutral, state.position_b) == (ledger(2), neutral(), position_b)
    assert state.lease_b == replace(HOLDER, instance=INSTANCE_B, host="bb")
    assert state.problems == ()
    assert sorted(look.keys("*")) == sorted(
        [LEASE_B.name, NAMES.ledger, NAMES.neutral, NAMES.position_b, NAMES.results]
    )


async def test_a_ledger_may_insist_on_its_lease(make: Make, look: redis.Redis) -> None:
    """With take_free False a lapsed lease is left alone and nothing is written."""
    sender = make(INSTANCE_B, "bb")
    answer = await sender.write_ledger(ledger(), [b_filled(1)], take_free=False)
    assert answer == LeaseAnswer(held=False, was_free=True)
    assert look.keys("*") == []
    assert (await sender.write_ledger(ledger())).was_free
    assert (await sender.write_ledger(ledger(), take_free=False)).held


async def test_a_spoilt_history_does_not_hold_back_a_fill(make: Make, look: redis.Redis) -> None:
    """When the stream refuses a message, the fill still goes out and the complaint is told."""
    look.set(NAMES.fills, "somebody's text")
    sender, hearer = make(), make(INSTANCE_B, "bb")
    async with listening(hearer, RedisMessenger.CHANNEL_A_FILLED) as ear:
        await eventually(lambda: ear.is_up)
        assert (await sender.publish_fill(position(1), a_filled(1))).held
        await eventually(lambda: ear.heard)
    problems = (await sender.read_state()).problems
    assert len(problems) == 1
    assert "history" in problems[0]
    assert (await sender.read_state()).problems == ()


async def test_scripts_survive_being_forgotten(make: Make, look: redis.Redis) -> None:
    """A server that forgot the scripts gets them again within the same call."""
    sender = make()
    await sender.acquire_lease(LEASE_A)
    look.script_flush()
    assert (await sender.write_position(position(1))).held


async def test_a_heartbeat_dies_by_itself(make: Make, look: redis.Redis) -> None:
    """A heartbeat is there until its time is over or it is cleared."""
    sender = make(timing=SHORT)
    await sender.beat(ready("b"))
    assert (await sender.read_state()).ready_b == ready("b")
    await eventually(lambda: not look.exists(NAMES.ready_b))
    assert (await sender.read_state()).ready_b is None
    slow = make()
    await slow.beat(ready("a"))
    assert 3_000 < int(str(look.pttl(NAMES.ready_a))) <= 4_000
    await slow.clear_beat("a")
    assert look.keys("*") == []


async def test_two_pairs_share_a_redis(make: Make, look: redis.Redis) -> None:
    """A named pair writes under its own names, but the lease of a key is everybody's."""
    one, other = make(), make(INSTANCE_B, "bb", pair="night")
    await one.write_position(position(1))
    assert not (await other.write_position(position(2))).held
    await one.release_lease(LEASE_A)
    await other.publish_fill(position(2), a_filled(2))
    assert sorted(look.keys("*")) == [
        LEASE_A.name,
        "hedge:night:fills",
        "hedge:night:position:a",
        "hedge:position:a",
    ]


async def test_a_failure_of_the_server_is_an_error_and_no_write(
    make: Make, look: redis.Redis
) -> None:
    """A Redis that is out of memory refuses the whole step, and the caller hears it."""
    sender = make()
    await sender.acquire_lease(LEASE_A)
    look.config_set("maxmemory", "1")
    try:
        with pytest.raises(RedisUnreachableError, match="OOM"):
            await sender.publish_fill(position(1), a_filled(1))
    finally:
        look.config_set("maxmemory", "0")
    assert look.keys("*") == [LEASE_A.name]
    assert (await sender.publish_fill(position(1), a_filled(1))).held


async def test_a_messenger_must_be_bound(make: Make) -> None:
    """Using state before saying whose it is, is a bug of ours and says so."""
    unbound = make(scope=None)
    assert (await unbound.acquire_lease(LEASE_A)).held
    with pytest.raises(InternalBugError):
        await unbound.read_state()
    halfway = make()
    halfway.bind(SCOPE, None, LEASE_B)
    with pytest.raises(InternalBugError):
        await halfway.write_position(position(1))


async def test_messages_are_signed_with_the_shared_secret(make: Make) -> None:
    """With a secret every value carries a signature, and a reader without it believes nothing."""
    signing = make(scope=replace(SCOPE, secret=b"shared"))
    await signing.publish_fill(position(1), a_filled(1))
    assert (await signing.read_state()).position_a == position(1)
    other = make(INSTANCE_B, "bb", scope=replace(SCOPE, secret=b"other"))
    state = await other.read_state()
    assert state.position_a is None
    assert "bad_signature" in state.problems[0]


async def test_a_failure_without_a_halt_is_only_told(make: Make, look: redis.Redis) -> None:
    """A failure alone goes to the channel and the history, and halts nothing."""
    sender = make(INSTANCE_B, "bb")
    async with listening(make(), RedisMessenger.CHANNEL_B_HEDGE_FAILED) as ear:
        await eventually(lambda: ear.is_up)
        assert await sender.publish_failure(b_failed(), None) is None
        await eventually(lambda: ear.heard)
    assert ear.heard == [b_failed().to_json(SPEC)]
    assert [entry["kind"] for _, entry in look.xrange(NAMES.results)] == ["failed"]
    assert look.keys("*") == [NAMES.results]
