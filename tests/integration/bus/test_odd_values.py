"""Values that somebody else put under our keys: named once, ignored, written over."""

import pytest
import redis

from hedge.wire.control import UNREADABLE_HALT, Halt, Halts, parse_halts
from hedge.wire.names import Names
from tests.bus_helpers import (
    INSTANCE_B,
    LEASE_A,
    LEASE_B,
    Make,
    a_filled,
    b_failed,
    ledger,
    neutral,
    position,
    ready,
)

pytestmark = pytest.mark.integration

NAMES = Names()
STATE = (
    NAMES.position_a,
    NAMES.position_b,
    NAMES.ledger,
    NAMES.neutral,
    NAMES.ready_a,
    NAMES.ready_b,
    NAMES.command,
)


def make_odd(look: redis.Redis, key: str, kind: str) -> None:
    """Put something that is no text under a key."""
    look.delete(key)
    match kind:
        case "list":
            look.rpush(key, "x")
        case "hash":
            look.hset(key, "a", "x")
        case "set":
            look.sadd(key, "x")
        case "zset":
            look.zadd(key, {"x": 1})
        case "stream":
            look.xadd(key, {"a": "x"})


@pytest.mark.parametrize("kind", ["list", "hash", "set", "zset", "stream"])
async def test_a_key_of_another_type_is_named_once_and_healed(
    make: Make, look: redis.Redis, kind: str
) -> None:
    """No state is wedged by it: each one counts as absent, and the next write replaces it."""
    messenger = make(INSTANCE_B, "bb")
    for key in STATE:
        make_odd(look, key, kind)
    state = await messenger.read_state()
    assert (state.position_a, state.ledger, state.ready_b, state.command) == (None,) * 4
    assert sorted(state.problems) == sorted(
        f"{key} counts as absent: it is a {kind}, not a text" for key in STATE
    )
    assert (await messenger.read_state()).problems == ()
    await messenger.acquire_lease(LEASE_B)
    own = position(1, -100, INSTANCE_B, account_index=280458)
    await messenger.write_ledger(ledger(), neutral=neutral(), position_b=own)
    await messenger.beat(ready("b"))
    state = await messenger.read_state()
    assert (state.ledger, state.ready_b, state.position_b) == (ledger(), ready("b"), own)


@pytest.mark.parametrize("kind", ["list", "hash"])
async def test_a_lease_of_another_type_counts_as_free(
    make: Make, look: redis.Redis, kind: str
) -> None:
    """Nobody is locked out for ever; a holder learns that its lease was gone."""
    holder = make()
    await holder.acquire_lease(LEASE_A)
    make_odd(look, LEASE_A.name, kind)
    answer = await holder.renew_lease(LEASE_A)
    assert (answer.held, answer.was_free) == (False, True)
    assert (await holder.acquire_lease(LEASE_A)).held
    make_odd(look, LEASE_A.name, kind)
    assert (await holder.publish_fill(position(1), a_filled(1))).was_free
    make_odd(look, LEASE_A.name, kind)
    await holder.release_lease(LEASE_A)


@pytest.mark.parametrize("raw", ["list", b"\xff\x00garbage", b'{"v": 99, "id": "h"}', b"[1]"])
async def test_a_halt_that_cannot_be_read_is_a_halt_and_can_be_resumed(
    make: Make, look: redis.Redis, raw: str | bytes
) -> None:
    """Not knowing is halted, also where the key is no text; a person ends it by its id."""
    if isinstance(raw, str):
        make_odd(look, NAMES.halt, raw)
    else:
        look.set(NAMES.halt, raw)
    messenger = make()
    (halt,) = (await messenger.read_state()).halts.in_force
    assert halt.reason == UNREADABLE_HALT
    assert (await messenger.write_halts(Halts(released=("another",)))).released == ("another",)
    await messenger.write_halts(Halts(released=(halt.id,)))
    assert (await messenger.read_state()).halts.in_force == ()


@pytest.mark.parametrize("raw", ["list", b"\xff\x00garbage"])
async def test_a_new_halt_stands_beside_one_that_cannot_be_read(
    make: Make, look: redis.Redis, raw: str | bytes
) -> None:
    """What a text there said is not known still; the failure goes out as well."""
    if isinstance(raw, str):
        make_odd(look, NAMES.halt, raw)
    else:
        look.set(NAMES.halt, raw)
    messenger = make(INSTANCE_B, "bb")
    halt = Halt(id="h1", side="b", reason="not_enough_margin", detail="", timestamp=1)
    await messenger.publish_failure(b_failed(), Halts(halts=(halt,)))
    found = parse_halts(str(look.get(NAMES.halt))).in_force
    assert halt in found
    assert [one.reason for one in found if one != halt] == [UNREADABLE_HALT] * (raw != "list")


async def test_a_refusing_history_is_named_once(make: Make, look: redis.Redis) -> None:
    """A stream of another type is told with the first fill that it refuses, not with each."""
    look.set(NAMES.fills, "no stream")
    sender = make()
    for seq in range(1, 4):
        await sender.publish_fill(position(seq), a_filled(seq))
    (problem,) = (await sender.read_state()).problems
    assert NAMES.fills in problem
    await sender.publish_fill(position(4), a_filled(4))
    assert (await sender.read_state()).problems == ()
