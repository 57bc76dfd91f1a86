"""A second process on one account, and halts that outlive everything but a person."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import lighter
import pytest
import pytest_asyncio

from hedge.core import ids
from tests.fault_helpers import resumed
from tests.pair_audit import lives_of
from tests.world.pair import ETH, Json, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair."""
    async with Pair(tmp_path_factory.mktemp("pair")) as made:
        await made.start()
        yield made


def one_sentence(text: str) -> str:
    """Check what a refused daemon printed: one line, no traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize("side", ["a", "b"])
async def test_a_second_process_on_the_same_host_ends(pair: Pair, side: str) -> None:
    """The state directory is locked: exit code 6 at once, and the first goes on."""
    second = pair.spawn(side, pair.config_of(side))
    assert await second.ended() == 6
    assert "already runs" in one_sentence(second.output())
    await pair.fill_a()
    await pair.check()


async def test_a_second_a_of_another_host_ends(pair: Pair, tmp_path: Path) -> None:
    """Another state directory is another host: A's lease keeps it out, without a trade."""
    second = pair.spawn("a", pair.config_of("a", state__dir=str(tmp_path)))
    assert await second.ended() == 6
    assert "lease" in one_sentence(second.output())
    await pair.fill_a()
    await pair.check()


async def test_a_second_b_of_another_host_stands_by(pair: Pair, tmp_path: Path) -> None:
    """A second B waits and trades nothing while the first one lives."""
    sockets = await pair.sockets()
    second = pair.spawn("b", pair.config_of("b", state__dir=str(tmp_path)))

    async def listening() -> bool:
        return await pair.sockets() >= sockets + 2

    await pair.until(listening, "the second B with its streams up")
    since = time.monotonic_ns()
    for _ in range(4):
        await pair.fill_a()
        await pair.until_neutral()
    lives = lives_of(await pair.paper.orders(account=ACCOUNT_B))
    beat = await pair.until_ready_b()
    signers = {
        ids.instance_of(life.client_order_index) for life in lives if life.received_ns > since
    }
    assert signers == {ids.instance_bits(beat["instance"])}
    assert second.code is None
    second.send(signal.SIGTERM)
    assert await second.ended() == 0
    await pair.check()


async def by_hand(pair: Pair, account: int, is_ask: bool) -> None:
    """Trade 0.05 ETH at market like a person would, with another API key of the account."""
    async with pair.paper.signer(account, 7) as client:
        _, answer, error = await client.create_market_order(
            market_index=ETH,
            client_order_index=1,
            base_amount=500,
            avg_execution_price=250_000 if is_ask else 350_000,
            is_ask=is_ask,
        )
        assert error is None, error
        assert isinstance(answer, lighter.RespSendTx)


async def halted(pair: Pair) -> Json:
    """Halt a pair that trades, by a trade by hand on A, and return the halt."""
    await pair.until_neutral()
    await by_hand(pair, ACCOUNT_A, is_ask=False)
    return await pair.until_halted("foreign_trade_on_a")


async def test_a_trade_by_hand_on_a_is_hedged_and_halts(pair: Pair) -> None:
    """Somebody else trades A: B hedges it like any fill, and then the pair halts."""
    await pair.until_neutral()
    before = await pair.positions()
    await halted(pair)
    await pair.until_neutral()
    assert await pair.positions() == (before[0] + 500, before[1] - 500)
    await pair.until_state_a("halted")
    await pair.until_nothing_rests()
    await resumed(pair)


async def test_a_halt_outlives_daemons_and_redis(pair: Pair) -> None:
    """Killed and started with an empty Redis, the pair is still halted, and says so."""
    halt = await halted(pair)

    def kept() -> bool:
        files = (pair.folder / "state-a").glob("*/halt.json")
        return any(halt["id"] in file.read_text(encoding="utf-8") for file in files)

    await pair.until(kept, "the halt on A's disk")
    pair.kill_a()
    pair.kill_b()
    await pair.client.flushall()
    pair.start_b()
    pair.start_a()
    again = await pair.until_halted("foreign_trade_on_a")
    assert again["id"] == halt["id"]
    await pair.until_state_a("halted")
    await pair.until_neutral()
    await pair.until_nothing_rests()
    await resumed(pair)


async def test_a_halted_pair_stops_cleanly_and_stays_halted(pair: Pair) -> None:
    """A graceful stop while halted ends with 0 where all is covered; the halt stays."""
    halt = await halted(pair)
    await pair.until_neutral()
    assert await pair.stop_a() == 0
    assert await pair.stop_b() == 0
    pair.start_b()
    pair.start_a()
    await pair.until_state_a("halted")
    await pair.until_nothing_rests()
    assert (await pair.until_halted())["id"] == halt["id"]
    await resumed(pair)


async def test_only_a_person_ends_a_halt(pair: Pair) -> None:
    """After `resume` the pair goes on, and the halt does not come back with a restart."""
    await halted(pair)
    await resumed(pair)
    pair.kill_a()
    pair.start_a()
    await pair.until_resting()
    assert await pair.halt() is None
    await pair.until_neutral()


async def test_a_trade_by_hand_on_b_halts_and_is_not_countered(pair: Pair) -> None:
    """Somebody else trades B: B trades nothing more until a person has looked and forced it."""
    await pair.until_neutral()
    before = await pair.positions()
    await by_hand(pair, ACCOUNT_B, is_ask=True)
    await pair.until_halted("foreign_trade_on_b")
    await pair.until_state_a("halted")
    await pair.until_nothing_rests()
    await pair.until_ready_b(ready=False)
    assert await pair.positions() == (before[0], before[1] - 500)
    code, text = await pair.command("resume")
    assert code == 5, text
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "I sold by hand")
    assert code == 0, text
    await pair.forgive()
    assert sum(await pair.positions()) == 0
    await pair.until_resting()
