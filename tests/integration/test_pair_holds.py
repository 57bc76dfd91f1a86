"""What the market brings ends no daemon: it starts, says why it holds, and goes on by itself."""

from pathlib import Path

import pytest

from tests.world.pair import ETH, Json, Pair, running_pair

pytestmark = [pytest.mark.integration]


async def test_a_position_and_a_quantity_below_the_minimum_are_held_and_closed(
    tmp_path: Path,
) -> None:
    """A restarts with a position too small to rest and a quantity that is too: it closes and holds.

    The close is reduce-only and ends at once, which the minimums allow; B follows it. Then the
    reason stands in A's heartbeat and in `status`, and it is no advice about the configuration.
    """
    level = {"strategy.depth": 2}  # where B's market orders hit no rest of A's own
    async with running_pair(tmp_path, settings=level) as pair:
        await pair.fill_a("0.0040")
        await pair.until_neutral()
        pair.kill_a()
        pair.start_a(strategy__quantity="0.004")

        async def held() -> str:
            beat = await pair.key(pair.names.ready_a) or {}
            words = [text for text in beat.get("reasons", []) if "lets none rest" in text]
            return words[0] if words else ""

        reason = await pair.until(held, "A's hold")
        await pair.until_neutral()
        assert await pair.positions() == (0, 0)
        assert await pair.resting() == []
        assert "raise" not in reason
        _, text = await pair.command("status")
        assert "lets none rest below 0.0050 ETH and 10 USDC" in " ".join(text.split())
        await pair.until(lambda: pair.has_told("holding"), "the hold as an event")
        await pair.check()
        assert await pair.stop_a() == 0


async def test_a_market_that_takes_no_opening_order_is_said_and_waited_for(
    tmp_path: Path,
) -> None:
    """`force_reduce_only`: tried at growing distances, with its word; A goes on by itself."""
    async with Pair(tmp_path) as pair:
        await pair.paper.set_market(ETH, force_reduce_only=True)
        pair.start_b()
        pair.start_a()

        async def held() -> str:
            beat = await pair.key(pair.names.ready_a) or {}
            return str(beat.get("notices", {}).get("refused_again", ""))

        reason = await pair.until(held, "A's hold")
        assert "canceled-position-not-allowed, " in reason
        await pair.until(lambda: pair.has_told("refused_again"), "the refusals as an event")
        events = [body["event"] for body in pair.told_on(pair.names.events)]
        assert events.count("refused_again") == 1
        _, text = await pair.command("status")
        assert "canceled-position-not-allowed" in " ".join(text.split())
        await pair.paper.set_market(ETH, force_reduce_only=False)
        await pair.until(pair.resting, "A's order in the book")
        await refused_messages_are_counted(pair)
        await pair.check()
        assert await pair.stop_a() == 0


async def refused_messages_are_counted(pair: Pair) -> None:
    """Garbage on every channel, of both sides: counted by cause, and a line per cause."""
    names = pair.names
    heard_by = {
        names.ready_a: (names.account_b_filled, names.account_b_hedge_failed),
        names.ready_b: (names.account_a_filled,),
    }
    for channels in heard_by.values():
        for channel in channels:
            for _ in range(20):
                await pair.publish(channel, "{")
            await pair.publish(channel, {"v": 9, "epoch": "0" * 16})
            await pair.publish(channel, {"v": 2, "account_index": 5, "epoch": "0" * 16})

    for beat, channels in heard_by.items():
        wanted = {"not_json": 20 * len(channels), "other_account": len(channels)}

        async def counted(beat: str = beat, wanted: dict[str, int] = wanted) -> bool:
            refused = (await pair.key(beat) or {}).get("refused", {})
            return all(refused.get(word) == count for word, count in wanted.items())

        await pair.until(counted, f"{wanted} in {beat}")

    def refusals() -> list[Json]:
        return [one for one in pair.told_on(names.events) if one["event"] == "message_refused"]

    def said() -> bool:
        return {one["side"] for one in refusals() if one["reason"] == "not_json"} == {"a", "b"}

    await pair.until(said, "both sides' word of it")
    events = refusals()
    assert sorted(body["side"] for body in events if body["reason"] == "not_json") == ["a", "b"]
    assert "other_account" not in {body["reason"] for body in events}
    _, text = await pair.command("status")
    assert "A has refused: " in text
    assert "B has refused: " in text
