"""Redis dies, forgets everything, or drops its subscribers while A fills."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import redis.asyncio

from tests.world.pair import NAMES, Pair

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair; A can be cut off from Redis alone."""
    settings = {"strategy.quantity": "1.0", "strategy.depth": 2}
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, proxied=("a-redis", "b-redis"), settings=settings) as made:
        await made.start()
        yield made


async def nothing_rests(pair: Pair) -> bool:
    return await pair.resting() == []


async def goes_on(pair: Pair) -> None:
    """The pair is neutral by itself, trades again, and kept every promise."""
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()
    assert await pair.halt() is None


async def test_redis_is_killed_and_comes_back_empty(pair: Pair) -> None:
    """Without Redis A takes its order off and waits; afterwards the pair goes on by itself."""
    await pair.until_resting()
    await asyncio.to_thread(pair.redis.kill)
    await pair.until(lambda: nothing_rests(pair), "A's order off the book")
    await asyncio.to_thread(pair.redis.restart)
    await goes_on(pair)


async def test_a_fills_while_redis_is_dead(pair: Pair) -> None:
    """A fill that cannot be published is hedged all the same: B sees it at the exchange."""
    await pair.until_resting()
    await asyncio.to_thread(pair.redis.kill)
    await pair.fill_a("0.0300")
    held, _ = await pair.positions()
    await pair.until_position_b(f"{-held / 10_000:.4f}")
    await pair.until(lambda: nothing_rests(pair), "A's remainder off the book")
    await asyncio.to_thread(pair.redis.restart)
    await goes_on(pair)


async def test_redis_is_killed_right_after_a_fill(pair: Pair) -> None:
    """The moment between publication and answer: hedged exactly once."""
    for _ in range(3):
        await pair.fill_a("0.0200")
        await asyncio.to_thread(pair.redis.kill)
        await asyncio.to_thread(pair.redis.restart)
        await pair.until_neutral(30.0)
    await goes_on(pair)


async def test_everything_in_redis_is_deleted_while_the_pair_runs(pair: Pair) -> None:
    """FLUSHALL costs history: the keys are written again and trading goes on."""
    await pair.until_resting()
    await pair.client.flushall()
    await pair.fill_a("0.0400")
    await pair.client.flushall()
    await goes_on(pair)

    async def written() -> bool:
        keys = set(await pair.client.keys("*"))
        return {NAMES.position_a, NAMES.position_b, NAMES.ledger, NAMES.neutral} <= keys

    await pair.until(written, "the keys written again")
    assert len(await pair.client.keys("hedge:lease:[0-9]*")) == 2


async def test_old_state_turns_up_in_redis(pair: Pair) -> None:
    """A fail-over to an older copy: B does not follow A's old state, nor does A believe B's."""
    await pair.until_neutral()
    kept = {name: await pair.client.get(name) for name in (NAMES.position_a, NAMES.ledger)}
    await pair.fill_a("0.0500")
    await pair.until_neutral()
    before = await pair.positions()
    for _ in range(20):
        for name, text in kept.items():
            await pair.client.set(name, text)
        await pair.publish(NAMES.account_a_filled, json.loads(kept[NAMES.position_a]))
    await goes_on(pair)
    assert before[0] != 0 or (await pair.positions())[0] != 0


async def test_garbage_in_the_state_keys_is_unknown_not_flat(pair: Pair) -> None:
    """State that cannot be read is written anew and never traded on."""
    await pair.until_neutral()
    trades = len(await pair.paper.trades())
    for text in ("garbage", "{}", "[]", "0", '{"v":1,"position_base_amount":"0.0000"}'):
        for name in (NAMES.position_a, NAMES.position_b, NAMES.ledger, NAMES.ready_b):
            await pair.client.set(name, text)
    await pair.until_neutral()
    assert len(await pair.paper.trades()) == trades
    await goes_on(pair)


async def test_the_subscription_is_killed_while_a_fills(pair: Pair) -> None:
    """Without any message B reads A's key and hedges; the subscription comes back."""
    done = False

    async def killing() -> None:
        while not done:
            await pair.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.002)

    killer = asyncio.create_task(killing())
    try:
        for _ in range(3):
            await pair.fill_a("0.0100")
            await pair.until_neutral()
    finally:
        done = True
        await killer

    async def subscribed() -> bool:
        counts = dict(await pair.client.pubsub_numsub(NAMES.account_a_filled))
        return int(counts[NAMES.account_a_filled]) >= 2

    await pair.until(subscribed, "B subscribed again")
    await goes_on(pair)


async def test_subscribing_is_forbidden_while_the_pair_runs(pair: Pair) -> None:
    """An ACL that was changed: both say so, and the pair goes on by the state of every beat."""
    await pair.until_resting()
    await pair.client.execute_command("ACL", "SETUSER", "default", "-subscribe")

    async def notices() -> list[str]:
        beats = [await pair.key(name) for name in (NAMES.ready_a, NAMES.ready_b)]
        return [str((beat or {}).get("notices", {}).get("subscription_lost")) for beat in beats]

    async def are_noticed() -> bool:
        return all("NOPERM" in text for text in await notices())

    async def are_gone() -> bool:
        return await notices() == ["None", "None"]

    try:
        await pair.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await pair.until(are_noticed, "the reason in both heartbeats")
        for _ in range(3):
            await pair.fill_a("0.0100")
            await pair.until_neutral()
    finally:
        await pair.client.execute_command("ACL", "SETUSER", "default", "+subscribe")
    await pair.until(are_gone, "subscribed again")
    for log in pair.folder.glob("logs/*.log"):
        lines = [line for line in log.read_text().splitlines() if "[WARNING]" in line]
        (line,) = (line for line in lines if "NOPERM" in line)
        assert "subscription_lost" in line, "said once, not at every try"
    await goes_on(pair)


async def test_a_is_cut_off_from_redis(pair: Pair) -> None:
    """A alone without Redis: it takes its order off; what fills meanwhile is hedged afterwards."""
    await pair.until_resting()
    link = pair.proxies["a-redis"]
    link.refuse(True)
    link.cut()
    await pair.fill_a("0.0200")
    await pair.until(lambda: nothing_rests(pair), "A's order off the book")
    link.refuse(False)
    await goes_on(pair)


async def test_redis_goes_silent_for_b(pair: Pair) -> None:
    """B's connection to Redis hangs without an error: A waits, nothing is lost."""
    await pair.until_resting()
    link = pair.proxies["b-redis"]
    link.drop_replies(True)
    await pair.fill_a("0.0200")

    async def silent() -> bool:
        return await pair.key(NAMES.ready_b) is None

    await pair.until(silent, "B's heartbeat gone")
    await pair.until(lambda: nothing_rests(pair), "A's order off the book")
    link.cut()
    link.drop_replies(False)
    await goes_on(pair)


async def test_redis_is_full_or_refuses_writes(pair: Pair) -> None:
    """A Redis that answers but takes no writes is like none; afterwards the pair goes on."""
    await pair.until_resting()
    await pair.client.config_set("min-replicas-to-write", 1)
    try:
        await pair.fill_a("0.0200")
        await pair.until(lambda: nothing_rests(pair), "A's order off the book")
    finally:
        await pair.client.config_set("min-replicas-to-write", 0)
    await goes_on(pair)


async def test_the_history_streams_are_of_another_type(pair: Pair) -> None:
    """A history that cannot be written does not hold back a fill."""
    await pair.until_resting()
    await pair.client.delete(NAMES.fills, NAMES.results)
    await pair.client.set(NAMES.fills, "no stream")
    await pair.client.set(NAMES.results, "no stream")
    await pair.fill_a("0.0300")
    await pair.until_neutral()
    with pytest.raises(redis.asyncio.ResponseError):
        await pair.client.xlen(NAMES.fills)
    await pair.client.delete(NAMES.fills, NAMES.results)
    await goes_on(pair)
