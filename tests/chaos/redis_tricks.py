"""What Redis itself does wrong: it forgets, goes back in time, drops subscribers, holds rubbish."""

import asyncio
import json
from collections.abc import Mapping

import redis.asyncio

from tests.chaos.schedule import Fault
from tests.world.pair import NAMES, Pair

GARBAGE = (
    "garbage",
    "{}",
    "[]",
    "0",
    '{"v":99}',
    '{"v":1,"position_base_amount":"0.0000"}',
    '{"v":1,"filled_base_amount":"NaN","side":"buy"}',
    "\x00\xff" * 20,
    "[" * 50_000,
)
STATE_KEYS = (NAMES.position_a, NAMES.position_b, NAMES.ledger, NAMES.ready_b, NAMES.neutral)
REPLAYED = 12


class RedisTricks:
    """Each performs one fault through a client of its own, beside every proxy."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    async def wipe(self, _fault: Fault) -> bool:
        """Delete everything."""
        await self._pair.client.flushall()
        return True

    async def roll_back(self, fault: Fault) -> bool:
        """Go back to what was stored a moment ago, as a fail-over to an older copy does."""
        kept = await self.copy()
        await asyncio.sleep(fault.lasts_s)
        await restore(self._pair.client, kept)
        return True

    async def copy(self) -> dict[str, tuple[str | None, int]]:
        """Return every key that is a string, with its text and its time to live in ms."""
        client, kept = self._pair.client, {}
        for key in await client.keys("hedge:*"):
            if await client.type(key) == "string":
                kept[key] = (await client.get(key), await client.pttl(key))
        return kept

    async def drop_subscribers(self, _fault: Fault) -> bool:
        """Close every subscription, also our own listener's."""
        await self._pair.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        return True

    async def garbage(self, fault: Fault) -> bool:
        """Publish rubbish on the channels, and write it over one key of the state."""
        for text in GARBAGE:
            await self._pair.publish(NAMES.account_a_filled, text)
            await self._pair.publish(NAMES.account_b_filled, text)
        key = STATE_KEYS[int(fault.amount * len(STATE_KEYS)) % len(STATE_KEYS)]
        await self._pair.client.set(key, GARBAGE[fault.number % len(GARBAGE)])
        return True

    async def replay(self, fault: Fault) -> bool:
        """Publish fills again that were published before, the newest and some old one."""
        told = [body for body in self._pair.told_on(NAMES.account_a_filled) if "seq" in body]
        if not told:
            return False
        start = int(fault.amount * len(told))
        for body in (*told[start : start + REPLAYED], *told[-REPLAYED:][::-1]):
            await self._pair.publish(NAMES.account_a_filled, json.dumps(body))
        return True


async def restore(client: redis.asyncio.Redis, kept: Mapping[str, tuple[str | None, int]]) -> None:
    """Let a Redis hold this copy and nothing else."""
    await client.flushall()
    for key, (text, ttl_ms) in kept.items():
        if text is not None:
            await client.set(key, text, px=ttl_ms if ttl_ms > 0 else None)
