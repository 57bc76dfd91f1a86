"""What both sides must agree on before A rests anything: the offset, and the shared secret."""

import json
import time
from pathlib import Path

import pytest

from tests.world.pair import NAMES, Pair

pytestmark = pytest.mark.integration


async def two_seconds_of_both(pair: Pair) -> None:
    """Wait until both sides have said that they live for two seconds more."""
    since = int(time.time()) + 2

    async def said() -> bool:
        beats = [await pair.key(NAMES.ready_a), await pair.key(NAMES.ready_b)]
        return all(beat is not None and int(beat["timestamp"]) >= since for beat in beats)

    await pair.until(said, "heartbeats of both sides")


async def test_a_rests_nothing_while_the_offsets_differ(tmp_path: Path) -> None:
    """A hedger that aims at another sum of positions is not ready for this A."""
    async with Pair(tmp_path) as pair:
        pair.start_b(strategy__offset_base_amount="0.01")
        pair.start_a()

        async def waits() -> bool:
            beat = await pair.key(NAMES.ready_b)
            return beat is not None and "offset" in "; ".join(beat["reasons"])

        await pair.until(waits, "B that waits for one configuration", 25.0)
        await two_seconds_of_both(pair)
        assert (await pair.audit()).a_orders == 0
        pair.kill_b()
        pair.start_b()
        await pair.until_position_b("0")
        await pair.until_resting()


async def test_signed_messages_are_the_only_ones_with_a_secret(tmp_path: Path) -> None:
    """With a shared secret the pair trades as ever, and nothing unsigned or forged moves B."""
    settings = {"redis.shared_secret": "a secret of both hosts"}
    async with Pair(tmp_path, settings=settings) as pair:
        await pair.start()
        await pair.fill_a()
        await pair.until_position_b("-0.0100")
        said = (await pair.all_told_on(NAMES.account_a_filled))[-1]
        forged = {**said, "seq": said["seq"] + 1, "position_base_amount": "5.0000"}
        unsigned = {key: value for key, value in forged.items() if key != "sig"}
        for text in (json.dumps(forged), json.dumps(unsigned)):
            await pair.publish(NAMES.account_a_filled, text)
            await pair.client.set(NAMES.position_a, text)
        await pair.fill_a()
        await pair.until_position_b("0")
        result = await pair.check()
        assert result.hedges == 2


async def test_a_forged_state_of_a_living_a_does_not_last(tmp_path: Path) -> None:
    """Without a secret a false state in A's name is answered by A's next true one."""
    async with Pair(tmp_path) as pair:
        await pair.start()
        await pair.fill_a()
        await pair.until_position_b("-0.0100")
        other = {**(await pair.all_told_on(NAMES.account_a_filled))[-1], "instance": "abcdef123456"}
        forged = {**other, "seq": 10_000, "position_base_amount": "5.0000"}
        await pair.publish(NAMES.account_a_filled, forged)
        await pair.fill_a()
        await pair.until_position_b("0")
        assert (await pair.check()).hedges == 2
