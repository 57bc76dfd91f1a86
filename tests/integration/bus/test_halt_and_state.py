"""Halts, resumptions, commands, and reading state that is not ours, on a real Redis."""

import asyncio
import json
from dataclasses import replace

import pytest
import redis

from hedge.bus.port import StateSnapshot
from hedge.core.freshness import BeatId
from hedge.wire.control import UNREADABLE_HALT, Command, Halt, Halts, parse_halts
from hedge.wire.messages import EventMessage
from hedge.wire.names import Names
from redis_messenger import RedisMessenger
from tests.bus_helpers import (
    SCOPE,
    SPEC,
    Make,
    b_failed,
    ledger,
    listening,
    neutral,
    position,
    ready,
)
from tests.waiting import eventually

pytestmark = pytest.mark.integration

NAMES = Names()
FIRST = Halt(id="h1", side="b", reason="drift", detail="why", timestamp=1)
SECOND = Halt(id="h2", side="a", reason="limit", detail="why", timestamp=2)


async def test_halts_add_up(make: Make) -> None:
    """A second halt stands beside the first; each write answers with what stands there then."""
    messenger = make()
    assert await messenger.write_halts(Halts(halts=(FIRST,))) == Halts(halts=(FIRST,))
    union = Halts(halts=(SECOND, FIRST))
    assert await messenger.write_halts(Halts(halts=(SECOND,))) == union
    assert (await messenger.read_state()).halts == union


async def test_a_released_halt_never_returns(make: Make) -> None:
    """A host that writes its own copy again learns that it was released."""
    messenger = make()
    await messenger.write_halts(Halts(halts=(FIRST,)))
    await messenger.write_halts(Halts(released=("h1",)))
    found = await messenger.write_halts(Halts(halts=(FIRST, SECOND)))
    assert found.in_force == (SECOND,)
    assert (await messenger.read_state()).halts.released == ("h1",)


async def test_writers_of_the_same_moment_lose_nothing(make: Make) -> None:
    """Each reads and joins again what another wrote between its reading and its writing."""
    makers = [make(f"{number:012x}", f"{number:x}") for number in range(8)]
    halts = [replace(FIRST, id=f"h{number}") for number in range(8)]
    await asyncio.gather(
        *(
            maker.write_halts(Halts(halts=(halt,)))
            for maker, halt in zip(makers, halts, strict=True)
        )
    )
    found = (await makers[0].read_state()).halts
    assert {halt.id for halt in found.in_force} == {f"h{number}" for number in range(8)}


async def test_what_is_known_there_is_not_written_again(make: Make, look: redis.Redis) -> None:
    """No write where nothing is added: the text stays as another host wrote it."""
    await make().write_halts(Halts(halts=(FIRST,), released=("h0",)))
    before = look.get(NAMES.halt)
    assert (await make("b" * 12, "b").write_halts(Halts(halts=(FIRST,)))).released == ("h0",)
    assert look.get(NAMES.halt) == before


async def test_a_halt_of_version_1_is_read_as_one_halt(make: Make, look: redis.Redis) -> None:
    """Also the record of its resumption, as the program before this one left it."""
    messenger = make()
    old = {"v": 1, "id": "h1", "side": "b", "reason": "drift", "detail": "why", "timestamp": 1}
    look.set(NAMES.halt, json.dumps(old))
    assert (await messenger.read_state()).halts.in_force == (FIRST,)
    assert (await messenger.write_halts(Halts(halts=(SECOND,)))).in_force == (SECOND, FIRST)
    look.set(NAMES.halt, json.dumps({**old, "resumed": 9, "forced": False, "note": ""}))
    assert (await messenger.write_halts(Halts(halts=(FIRST,)))).in_force == ()


@pytest.mark.parametrize("garbage", ["", "garbage", "[]", "{}", '{"v": 7, "id": "x"}'])
async def test_a_halt_that_cannot_be_read_is_a_halt(
    make: Make, look: redis.Redis, garbage: str
) -> None:
    """Not knowing why the pair is halted is being halted; a person releases that very text."""
    look.set(NAMES.halt, garbage)
    messenger = make()
    state = await messenger.read_state()
    (halt,) = state.halts.in_force
    assert (halt.reason, len(state.problems)) == (UNREADABLE_HALT, 1)
    await messenger.write_halts(Halts(halts=(halt,), released=(halt.id,)))
    assert (await messenger.read_state()).halts.in_force == ()
    look.set(NAMES.halt, garbage + "!")
    assert (await messenger.read_state()).halts.in_force != ()


async def test_a_failure_halts_in_the_same_step(make: Make, look: redis.Redis) -> None:
    """A failure with a halt is heard only when the halt is in force, and goes out once."""
    messenger = make()
    halts: list[object] = []
    hearer = make("bbbbbbbbbbb2", "bb")
    hearer.subscribe(
        RedisMessenger.CHANNEL_B_HEDGE_FAILED, lambda _: halts.append(look.get(NAMES.halt))
    )
    async with listening(hearer) as ear:
        await eventually(lambda: ear.is_up)
        await messenger.publish_failure(b_failed(), Halts(halts=(FIRST,)))
        await eventually(lambda: halts)
        await messenger.publish_failure(b_failed(), Halts(halts=(SECOND,)))
        await eventually(lambda: len(halts) == 2)
    found = [parse_halts(str(text)).in_force for text in halts]
    assert found == [(FIRST,), (SECOND, FIRST)]
    assert look.xlen(NAMES.results) == 2
    assert sorted(look.keys("*")) == [NAMES.halt, NAMES.results]


async def test_commands_and_events(make: Make, look: redis.Redis) -> None:
    """A command waits a minute for the daemons, an event is heard by those who listen."""
    messenger = make()
    command = Command(id="c1", command="flatten", timestamp=1, to=(("a", BeatId("0" * 16, 3)),))
    event = EventMessage(side="a", event="state", state="READY", reason="", detail="", timestamp=1)
    async with listening(make("bbbbbbbbbbb2", "bb"), NAMES.events) as ear:
        await eventually(lambda: ear.is_up)
        await messenger.send_command(command)
        await messenger.publish_event(event)
        await eventually(lambda: ear.heard)
    assert ear.heard == [event.to_json()]
    assert (await messenger.read_state()).command == command
    assert 50 < int(str(look.ttl(NAMES.command))) <= 60


async def test_an_empty_redis_is_unknown(make: Make) -> None:
    """Missing keys read as None, never as zero or flat."""
    state = await make().read_state()
    assert state == StateSnapshot()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"chain_id": 300}, "wrong_chain"),
        ({"account_index": 5}, "other_account"),
        ({"market_index": 1}, "other_market"),
        ({"v": 1}, "unknown_version"),
        ({"position_base_amount": "0.00001"}, "not_whole_lots"),
        ({"seq": None}, "missing_field"),
    ],
)
async def test_foreign_values_count_as_absent_and_are_named_once(
    make: Make, look: redis.Redis, change: dict[str, object], cause: str
) -> None:
    """A value of another chain, account or market, or a broken one, is unknown and named once."""
    messenger = make()
    look.set(NAMES.position_a, json.dumps({**json.loads(position(1).to_json(SPEC)), **change}))
    first, second = await messenger.read_state(), await messenger.read_state()
    assert first.position_a is None
    assert len(first.problems) == 1
    assert first.problems[0].startswith(NAMES.position_a)
    assert cause in first.problems[0]
    assert second.problems == ()
    assert {key: found.value for key, found in second.refused.items()} == {NAMES.position_a: cause}
    look.set(NAMES.position_a, position(1).to_json(SPEC))
    assert (await messenger.read_state()).position_a == position(1)
    look.set(NAMES.position_a, "garbage")
    assert len((await messenger.read_state()).problems) == 1


@pytest.mark.parametrize("side", ["a", "b"])
async def test_what_is_stated_of_another_market_is_said_in_words(
    make: Make, look: redis.Redis, side: str
) -> None:
    """Its owner is at work there; flat there is nothing, and so is what cannot be read."""
    messenger = make()
    key = NAMES.position_a if side == "a" else NAMES.position_b
    other = json.loads(position(1, 100).to_json(SPEC)) | {"market_index": 1}
    other["account_index"] = SCOPE.account_a if side == "a" else SCOPE.account_b
    look.set(key, json.dumps(other))
    found = await messenger.read_state()
    words = {"a": found.a_elsewhere, "b": found.b_elsewhere}
    assert words.pop(side) == f"Redis shows a position of {side.upper()}: 0.0100, in market 1"
    assert list(words.values()) == [""]
    look.set(key, json.dumps(other | {"position_base_amount": "0.0000"}))
    found = await messenger.read_state()
    assert (found.a_elsewhere, found.b_elsewhere) == ("", "")


async def test_a_position_beyond_the_limit_is_refused(make: Make, look: redis.Redis) -> None:
    """A position of A beyond the configured limit counts as absent and says why."""
    look.set(NAMES.position_a, position(1, 101).to_json(SPEC))
    state = await make(scope=replace(SCOPE, max_position_lots=100)).read_state()
    assert state.position_a is None
    assert "position_limit" in state.problems[0]


async def test_one_bad_value_spoils_no_other(make: Make, look: redis.Redis) -> None:
    """Garbage in one key, or a key of another type, leaves the others readable."""
    look.set(NAMES.ledger, ledger().to_json(SPEC))
    look.set(NAMES.neutral, neutral().to_json(SPEC))
    look.set(NAMES.ready_a, ready("a").to_json(SPEC))
    look.set(NAMES.position_a, "\xff garbage")
    look.lpush(NAMES.position_b, "a list")
    state = await make().read_state()
    assert (state.ledger, state.neutral, state.ready_a) == (ledger(), neutral(), ready("a"))
    assert (state.position_a, state.position_b) == (None, None)
