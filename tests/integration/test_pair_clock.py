"""An exchange whose clock is behind this host's: it is named, and nothing loops."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.world.pair import NAMES, Json, Pair

pytestmark = [pytest.mark.integration]

TOO_FAR = "invalid tx info: expired at is too far in the future"
"""What an exchange may say that bounds ExpiredAt from above; whether Lighter does is not known."""


def behind(folder: Path, seconds: int) -> Pair:
    return Pair(folder, exchange=("--clock-ahead-s", str(-seconds)))


async def status(pair: Pair) -> dict[str, Any]:
    _, text = await pair.command("status", "--json")
    found: dict[str, Any] = json.loads(text)
    return found


async def test_an_exchange_eight_minutes_behind_is_traded_on(tmp_path: Path) -> None:
    """What is owed is hedged, by its clock; A opens nothing, and names the clock."""
    async with behind(tmp_path, 480) as pair:
        pair.start_b()
        await pair.until_ready_b()
        fill = {
            "account_index": pair.account_a,
            "market_index": 0,
            "order_index": 1,
            "filled_base_amount": "0.0100",
            "filled_quote_amount": "30.00",
            "avg_price": "3000.00",
            "timestamp": 1,
            "side": "buy",
        }
        await pair.publish(NAMES.account_a_filled, fill)
        await pair.until_position_b("-0.0100")
        fill |= {"side": "sell", "timestamp": 2}
        await pair.publish(NAMES.account_a_filled, fill)
        await pair.until_position_b("0")
        pair.start_a()

        async def named() -> bool:
            return "ahead of Lighter's" in str((await status(pair))["a"])

        await pair.until(named, "the clock in A's status", 10.0)
        assert await pair.resting() == []
        assert (await status(pair))["b"]["ready"]
        assert (await pair.paper.state())["counters"].get("rejected", 0) == 0


async def test_an_exchange_far_behind_that_takes_nothing_is_named(tmp_path: Path) -> None:
    """Refused once, both sides say the clock within 10 s, send nothing, and go on by themselves."""
    async with behind(tmp_path, 900) as pair:
        far = await pair.paper.fault("tx_refused", code=21501, message=TOO_FAR, count=0)
        pair.start_b()
        pair.start_a()

        async def named() -> bool:
            told = await status(pair)
            words = [str(told[side]) for side in "ab"]
            return all("s ahead of Lighter's" in one and "ends further" in one for one in words)

        await pair.until(named, "the clock in the status of both", 10.0)
        assert not (await status(pair))["b"]["ready"]
        refused, beat = await pair.paper.fired(far), (await beat_of(pair))["beat"]

        async def beats_on() -> bool:
            return bool((await beat_of(pair))["beat"] > beat + 6)

        await pair.until(beats_on, "some seconds of heartbeats", 20.0)
        assert await pair.paper.fired(far) == refused <= 4, "one round of each side"


async def beat_of(pair: Pair) -> Json:
    return await pair.key(pair.names.ready_a) or {}
