"""From the version before to this one and back, on the same Redis, exchange and state directories.

Where the history of this repository lacks that version each case says so and fails.
"""

import time
from typing import Any

from tests.accept.cases import Figure, Run, case
from tests.fault_helpers import sent
from tests.world.former import TwoVersions

PATIENCE_S = 60.0
ALREADY_RUNNING = 6
TINY_DRIFT = {"safety.max_drift_usd": "1"}
"""A debt that only a record of the neutral moment explains."""


async def long_and_covered(pair: TwoVersions) -> None:
    """Let the earlier version run, and get a position with a closing order that rests."""
    pair.start_former("b", "a")
    await pair.until_ready_b()
    await pair.until_resting()
    await pair.fill_a()
    await pair.until_neutral()
    order = await pair.until_resting()
    assert order.is_ask


def is_neutral_kept(pair: TwoVersions) -> bool:
    """Whether the neutral moment with A's position is on B's disk."""
    files = (pair.folder / "state-b").glob("*/neutral-0.json")
    return any('\\"a_position_base_amount\\":\\"0.0100\\"' in file.read_text() for file in files)


async def beat_of_today(pair: TwoVersions, side: str) -> dict[str, Any]:
    """Wait until a daemon of this version beats for a side."""

    async def seen() -> dict[str, Any] | None:
        beat = await pair.key(pair.names.ready(side))
        return beat if beat is not None and beat.get("v") == 2 else None

    found = await pair.until(seen, f"a heartbeat of today's {side}", PATIENCE_S)
    assert found is not None
    return found


async def silence(pair: TwoVersions) -> None:
    """Wait until no heartbeat and no lease of a killed process is left."""

    async def gone() -> bool:
        leases = [key async for key in pair.client.scan_iter("hedge:lease:*")]
        beats = await pair.client.exists(pair.names.ready_a, pair.names.ready_b)
        return not leases and not beats

    await pair.until(gone, "the end of heartbeats and leases", PATIENCE_S)


async def stops(pair: TwoVersions, side: str) -> Figure:
    """Stop a side cleanly."""
    code = await (pair.stop_a() if side == "a" else pair.stop_b())
    return Figure(f"exit code of {side.upper()}", code, limit=0)


@case("upgrade", "54aaf31 with a position is stopped, today's pair goes on; hosts die at each step")
async def upgrade(run: Run) -> list[Figure]:
    """As documented: stop A, upgrade B, upgrade A; whatever dies, the next person goes on."""
    async with TwoVersions(run.folder, settings=TINY_DRIFT) as pair:
        await long_and_covered(pair)
        for side in "ba":  # before the stop, by mistake
            second = pair.spawn(side, pair.config_of(side))
            assert await second.ended() == ALREADY_RUNNING
            assert "stop it first" in second.output()
        figures = [await stops(pair, "a"), await stops(pair, "b")]
        assert await pair.resting() == []
        since = time.monotonic_ns()
        for sides in ("b", "b", "ba", "ba"):  # the host dies as soon as they beat
            for side in sides:
                (pair.start_b if side == "b" else pair.start_a)()
                await beat_of_today(pair, side)
            pair.kill_b()
            if "a" in sides:
                pair.kill_a()
            assert await pair.positions() == (100, -100)
        assert await sent(pair, pair.account_b, since) == []
        await pair.start()
        assert await pair.halt() is None
        await pair.fill_a()
        await pair.check()
        return [*figures, await stops(pair, "a"), await stops(pair, "b")]


@case("upgrade-killed", "54aaf31 dies, its order fills, and today's pair hedges that once")
async def upgrade_killed(run: Run) -> list[Figure]:
    """The fill is explained by the neutral moment on B's disk, and hedged once."""
    async with TwoVersions(run.folder, settings=TINY_DRIFT) as pair:
        await long_and_covered(pair)
        await pair.until(lambda: is_neutral_kept(pair), "the neutral moment on B's disk")
        pair.kill_a()
        pair.kill_b()
        await pair.take("buy", "0.0060")
        begun = time.monotonic()
        pair.start_b()
        await pair.until_position_b("-0.0040", PATIENCE_S)
        naked_s = time.monotonic() - begun
        pair.start_a()
        await pair.until_neutral(PATIENCE_S)
        assert await pair.halt() is None
        await pair.until_resting()
        await pair.fill_a()
        await pair.check()
        return [Figure("B's start to its hedge", naked_s, "s", 30.0)]


@case("upgrade-halted", "54aaf31 is halted with an order resting; today's pair keeps the halt")
async def upgrade_halted(run: Run) -> list[Figure]:
    """Nothing trades before a person resumes, whatever dies meanwhile."""
    async with TwoVersions(run.folder) as pair:
        await long_and_covered(pair)
        pair.kill_a()
        async with pair.paper.signer(pair.account_b, 7) as stranger:
            await stranger.create_market_order(
                market_index=0,
                client_order_index=5,
                base_amount=10,
                avg_execution_price=400_000,
                is_ask=False,
            )

        async def halted() -> dict[str, Any] | None:
            return await pair.key(pair.names.halt)

        halt = await pair.until(halted, "the halt of the earlier version")
        assert halt is not None
        pair.kill_b()
        await pair.client.flushall()  # the hosts alone remember it
        since = time.monotonic_ns()
        for sides in ("b", "ba"):
            for side in sides:
                (pair.start_b if side == "b" else pair.start_a)()
                await beat_of_today(pair, side)
            pair.kill_b()
            if "a" in sides:
                pair.kill_a()
        pair.start_b()
        pair.start_a()
        await pair.until_state_a("halted")
        await pair.until_nothing_rests()
        beat = await beat_of_today(pair, "b")
        assert [one["id"] for one in beat["halts"]] == [halt["id"]]
        code, text = await pair.command("status")
        assert (code, halt["reason"] in text) == (5, True), text
        assert await sent(pair, pair.account_a, since) == []
        assert await sent(pair, pair.account_b, since) == []
        assert await pair.positions() == (100, -90)
        code, text = await pair.command("resume", "--force", "--yes", "--reason", "checked")
        await pair.until_neutral(PATIENCE_S)
        await pair.until_resting()
        return [Figure("exit code of resume", code, limit=0)]


@case("upgrade-mixed", "one side of 54aaf31, one of today: each refuses the other in a sentence")
async def upgrade_mixed(run: Run) -> list[Figure]:
    """The order reversed by mistake: no order beside a side of the other version."""
    async with TwoVersions(run.folder) as pair:
        await long_and_covered(pair)
        for new, old in (("b", "A"), ("a", "B")):
            figure = await stops(pair, new)
            assert figure.is_kept
            since = time.monotonic_ns()
            (pair.start_b if new == "b" else pair.start_a)()
            await beat_of_today(pair, new)

            async def told(name: str = old) -> bool:
                found = pair.told_on(pair.names.events)
                return any(
                    body.get("event") == "other_version" and body["detail"].startswith(f"{name} ")
                    for body in found
                )

            await pair.until(told, "the sentence about the other version", PATIENCE_S)
            await pair.until_nothing_rests()
            code, text = await pair.command("status")
            sentence = f"{old} runs another version of this program, which writes messages of"
            assert code == 5
            assert sentence in " ".join(text.split()), text
            assert "kill -9" not in text
            code, text = await pair.command("flatten", "--yes")
            assert code == 5
            assert "Nothing was sent" in text
            for account in (pair.account_a, pair.account_b):
                assert await sent(pair, account, since) == []
            await stops(pair, new)
            pair.start_former(new)
            await pair.until_resting()
        await pair.check()
        return [await stops(pair, "a"), await stops(pair, "b")]


@case("upgrade-standby", "today's B stands by 54aaf31's B on another host, and takes over")
async def upgrade_standby(run: Run) -> list[Figure]:
    """It trades nothing beside that A, which rests nothing beside it; then A is upgraded."""
    async with TwoVersions(run.folder) as pair:
        await long_and_covered(pair)
        since = time.monotonic_ns()
        former, other_host = pair.b, str(pair.folder / "state-other-host")
        assert former is not None
        pair.start_b(state__dir=other_host)

        async def stands_by() -> bool:
            return bool([key async for key in pair.client.scan_iter("hedge:standby:b:*")])

        await pair.until(stands_by, "today's B to stand by", PATIENCE_S)
        former.kill()
        await beat_of_today(pair, "b")
        await pair.until_nothing_rests()
        for account in (pair.account_a, pair.account_b):
            assert await sent(pair, account, since) == []
        await stops(pair, "a")
        pair.start_a()
        await pair.until_resting()
        await pair.fill_a()
        await pair.check()
        return [await stops(pair, "a"), await stops(pair, "b")]


@case("upgrade-back", "back to 54aaf31: without a halt nothing is lost, after one it is refused")
async def upgrade_back(run: Run) -> list[Figure]:
    """It cannot read today's halts, and comes up halted until a person has looked."""
    async with TwoVersions(run.folder) as pair:
        await pair.start()
        await pair.fill_a()
        await pair.until_neutral()
        await pair.until_resting()
        figures = [await stops(pair, "a"), await stops(pair, "b")]
        pair.start_former("b", "a")
        await pair.until_resting()
        await pair.fill_a()
        await pair.check()
        figures += [await stops(pair, "a"), await stops(pair, "b")]

        await pair.start()
        code, text = await pair.command("halt")
        assert code == 0, text
        await pair.until_nothing_rests()
        await stops(pair, "a")
        await stops(pair, "b")
        await pair.client.flushall()
        since = time.monotonic_ns()
        pair.start_former("b", "a")
        await pair.until_state_a("halted")
        code, text = await pair.former_command("status")
        assert "unknown_version: v is 2, known is 1" in " ".join(text.split()), text
        assert await sent(pair, pair.account_a, since) == []
        pair.kill_a()
        pair.kill_b()
        await silence(pair)

        pair.start_b()
        pair.start_a()
        await pair.until_state_a("halted")
        await pair.until_nothing_rests()
        reasons = {halt["reason"] for halt in (await beat_of_today(pair, "a"))["halts"]}
        assert reasons, "the halt was lost on the way back and forth"
        return figures
