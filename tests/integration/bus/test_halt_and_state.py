"""Halts, resumptions, commands, and reading state that is not ours, on a real Redis."""

import json
from dataclasses import replace

import pytest
import redis

from hedge.bus.port import HaltAnswer, StateSnapshot
from hedge.wire.control import Command, Halt
from hedge.wire.messages import EventMessage
from hedge.wire.names import Names
from redis_messenger import UNREADABLE_HALT, RedisMessenger
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


async def test_the_first_halt_stays(make: Make) -> None:
    """A second halt does not replace one that is in force."""
    messenger = make()
    assert await messenger.set_halt(FIRST) == HaltAnswer(stored=True, halt=FIRST)
    assert await messenger.set_halt(SECOND) == HaltAnswer(stored=False, halt=FIRST)
    assert (await messenger.read_state()).halt == FIRST


async def test_a_resumed_halt_stays_resumed(make: Make) -> None:
    """A host that publishes its file again after the resumption learns that it was resumed."""
    messenger = make()
    await messenger.set_halt(FIRST)
    record = replace(FIRST, resumed=9, forced=True, note="checked")
    assert await messenger.mark_resumed("other", 9) is None
    assert await messenger.mark_resumed("h1", 9, forced=True, note="checked") == record
    assert await messenger.set_halt(FIRST) == HaltAnswer(stored=False, halt=record)
    assert await messenger.mark_resumed("h1", 12) == record
    assert await messenger.set_halt(SECOND) == HaltAnswer(stored=True, halt=SECOND)


async def test_nothing_to_resume(make: Make) -> None:
    """Without a halt there is nothing to resume."""
    assert await make().mark_resumed("h1", 1) is None


@pytest.mark.parametrize("garbage", ["", "garbage", "[]", "{}", '{"v": 7, "id": "x"}'])
async def test_a_halt_that_cannot_be_read_is_a_halt(
    make: Make, look: redis.Redis, garbage: str
) -> None:
    """Not knowing why the pair is halted is being halted; it can be resumed by a human."""
    look.set(NAMES.halt, garbage)
    messenger = make()
    state = await messenger.read_state()
    assert state.halt is not None
    assert state.halt.is_active
    assert state.halt.id == UNREADABLE_HALT
    assert len(state.problems) == 1
    record = await messenger.mark_resumed(UNREADABLE_HALT, 5)
    assert record is not None
    assert not record.is_active
    assert (await messenger.read_state()).halt == record


async def test_a_failure_halts_in_the_same_step(make: Make, look: redis.Redis) -> None:
    """A failure with a halt is heard only when the halt is in force."""
    messenger = make()
    halts: list[object] = []
    hearer = make("bbbbbbbbbbb2", "bb")
    hearer.subscribe(
        RedisMessenger.CHANNEL_B_HEDGE_FAILED, lambda _: halts.append(look.get(NAMES.halt))
    )
    async with listening(hearer) as ear:
        await eventually(lambda: ear.is_up)
        answer = await messenger.publish_failure(b_failed(), FIRST)
        await eventually(lambda: halts)
        again = await messenger.publish_failure(b_failed(), SECOND)
    assert answer == HaltAnswer(stored=True, halt=FIRST)
    assert again == HaltAnswer(stored=False, halt=FIRST)
    assert halts[0] == FIRST.to_json()
    assert sorted(look.keys("*")) == [NAMES.halt, NAMES.results]


async def test_commands_and_events(make: Make, look: redis.Redis) -> None:
    """A command waits a minute for the daemons, an event is heard by those who listen."""
    messenger = make()
    command = Command(id="c1", command="flatten", side=None, timestamp=1)
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
