"""The tools with a configuration of other accounts, beside a pair that trades under their names."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hedge.core.freshness import BeatId
from hedge.wire.control import FLATTEN, Command
from tests.world.pair import NAMES, Pair, run_command

pytestmark = pytest.mark.integration

OTHER = {"accounts__account_a__account_index": 300, "accounts__account_b__account_index": 301}


async def beat_of(pair: Pair, side: str) -> dict[str, Any]:
    beat = await pair.key(NAMES.ready(side))
    assert beat is not None
    return beat


async def test_nothing_reaches_a_pair_that_the_configuration_does_not_name(tmp_path: Path) -> None:
    """Neither the tool nor the start acts on it, and its daemons refuse a command for others."""
    async with Pair(tmp_path) as pair:
        await pair.start()
        await pair.fill_a()
        await pair.until_position_b("-0.0100")
        await pair.until_neutral()
        file = pair.config_of("a", **OTHER)
        half = pair.config_of("a", accounts__account_b__account_index=301)
        for config in (file, half):
            code, text = await pair.command("flatten", "--yes", config=config)
            assert code == 5, text
            assert "UNKNOWN: the heartbeat of A and B in Redis is of accounts" in text
            assert str(pair.account_a) in text
            assert "301" in text
        code, text = await pair.command("halt", config=file)
        assert code == 5, text
        code, text = await pair.command("status", config=file)
        assert code == 5, text
        assert "Neutral" not in text
        code, text = await run_command("-m", "hedge.launcher", "--config", str(file))
        assert code == 6, text
        assert "Not started: the heartbeat of A and B in Redis is of accounts" in text

        beats = {side: await beat_of(pair, side) for side in "ab"}
        command = Command(
            id="stray",
            command=FLATTEN,
            timestamp=int(time.time()),
            chain_id=304,
            a_account_index=300,
            b_account_index=301,
            to=tuple((side, BeatId(beat["epoch"], beat["beat"])) for side, beat in beats.items()),
        )
        await pair.client.set(NAMES.command, command.to_json())

        async def refused() -> bool:
            found = [(await beat_of(pair, side)).get("refused", {}) for side in "ab"]
            return all(one.get("other_account") == 1 for one in found)

        await pair.until(refused, "a command for other accounts that both have refused")
        assert "stray" not in json.dumps([await beat_of(pair, side) for side in "ab"])
        assert await pair.positions() == (100, -100)
        assert await pair.halts() == []
        assert pair.a is not None
        assert pair.b is not None
        assert (pair.a.code, pair.b.code) == (None, None)
