"""B's own eye on A: hedging goes on where A or Redis is dead."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fault_helpers import flat
from tests.world.pair import Pair, lots, running_pair

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair; each test brings it to flat first and back to life at its end."""
    async with running_pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


async def test_fill_of_a_dead_a_is_hedged(pair: Pair) -> None:
    """A is killed with an order in the book; its fill is hedged by B while A stays dead."""
    await flat(pair)
    pair.kill_a()
    change = await pair.fill_a()
    await pair.until_position_b(pair_amount(-change))
    await pair.revive()
    await pair.check()


async def test_fill_with_redis_dead_is_hedged(pair: Pair) -> None:
    """Redis is killed and A with it; its fill is hedged by B's watch alone."""
    await flat(pair)
    pair.kill_a()
    await asyncio.to_thread(pair.redis.kill)
    change = await pair.fill_a()
    await pair.until_position_b(pair_amount(-change))
    await asyncio.to_thread(pair.redis.restart)
    await pair.revive()
    await pair.check()


async def test_both_daemons_dead_and_only_b_comes_back(pair: Pair) -> None:
    """Both are killed, A's order fills meanwhile; B alone comes back and hedges it."""
    await flat(pair)
    pair.kill_a()
    pair.kill_b()
    change = await pair.fill_a()
    pair.start_b()
    await pair.until_position_b(pair_amount(-change), 30.0)
    await pair.revive()
    await pair.check()


async def test_both_dead_redis_wiped_and_only_b_comes_back(pair: Pair) -> None:
    """Nothing is left but B's own files and the venue: still A's fill is found and hedged."""
    await flat(pair)
    await pair.until(lambda: not is_kept(pair.folder, "-0.0100"), "the flat moment in B's file")
    await pair.fill_a()
    await pair.until_neutral()
    await pair.until_resting()
    await pair.until(lambda: is_kept(pair.folder, "-0.0100"), "the neutral moment in B's file")
    pair.kill_a()
    pair.kill_b()
    a_before, _ = await pair.positions()
    change = await pair.fill_a()
    await pair.client.flushall()
    pair.start_b()
    await pair.until_position_b(pair_amount(-a_before - change), 30.0)
    await pair.revive()
    await pair.check()


async def test_without_the_watch_a_dead_a_is_not_followed(tmp_path: Path) -> None:
    """Switched off, B looks at its own account only, and hedges when A is back."""
    async with running_pair(tmp_path, settings={"lighter.peer_watch": False}) as pair:
        pair.kill_a()
        await pair.fill_a()
        assert (await pair.positions())[1] == 0
        await pair.revive()
        await pair.check()


async def test_with_both_dead_the_order_ends_by_itself(tmp_path: Path) -> None:
    """A host that dies leaves an order in the book for five and a half minutes, no longer."""
    async with running_pair(tmp_path) as pair:
        pair.kill_a()
        pair.kill_b()
        order = await pair.until_resting()
        await pair.paper.move_clock(320_000)
        assert await pair.resting() != []
        await pair.paper.move_clock(20_000)
        assert await pair.resting() == []
        rows = await pair.paper.orders()
        own = order.client_order_index
        ended = [row for row in rows if row["client_order_index"] == own]
        assert ended[-1]["status"] == "canceled-expired"


def is_kept(folder: Path, position_b: str) -> bool:
    """Whether B's own files know of a neutral moment with this position of B."""
    files = (folder / "state-b").rglob("neutral-*.json")
    return any(position_b in file.read_text(encoding="utf-8") for file in files)


def pair_amount(signed_lots: int) -> str:
    """Write lots of the harness's market as an amount."""
    return f"{signed_lots / 10_000:.4f}"


async def test_amounts_are_written_as_the_harness_reads_them() -> None:
    """The helper above and the harness agree on the sign and the steps."""
    assert lots(pair_amount(-123)) == -123
