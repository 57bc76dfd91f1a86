"""What the fault tests share: which orders a switch is for, and what must hold afterwards."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.pair_audit import Audit, OrderLife, lives_of, lots
from tests.world.pair import Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

Json = dict[str, Any]

OF_B = {"account_index": ACCOUNT_B}
OF_A = {"account_index": ACCOUNT_A}
HEDGE = {**OF_B, "order_type": 1}
"""B's hedges are market orders, its fence markers are not."""
MAKER = {**OF_A, "order_type": 0, "time_in_force": 2}
"""A's orders are post-only."""
CANCEL = 15
PATIENCE_S = 40.0
MARKS = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]
"""Of a module whose tests share one pair."""
ORDERS_IN_PARTS = {"strategy.quantity": "1.0", "strategy.depth": 2}
"""Orders large enough to be filled many times, behind a level that takes B's hedges."""


def pair_fixture(settings: Mapping[str, Any], **options: Any) -> Any:
    """Return a fixture: a running pair for all tests of a module."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
        folder = tmp_path_factory.mktemp("pair")
        async with Pair(folder, settings={**ORDERS_IN_PARTS, **settings}, **options) as made:
            await made.start()
            yield made

    return pair


def healing_fixture() -> Any:
    """Return a fixture that deletes every switch and heals every link after each test."""

    @pytest_asyncio.fixture(autouse=True, loop_scope="module")
    async def healed(pair: Pair) -> AsyncIterator[None]:
        yield
        await pair.paper.clear()
        for proxy in pair.proxies.values():
            proxy.heal()

    return healed


def named(value: object) -> str:
    """Name a case by its switch and what is special about it."""
    return value if isinstance(value, str) else "-".join(map(str, value)) or "once"


async def sent(pair: Pair, account: int, since_ns: int) -> list[OrderLife]:
    """Return the orders other than fence markers that an account has sent since."""
    lives = lives_of(await pair.paper.orders(account=account))
    return [life for life in lives if not life.is_marker and life.received_ns > since_ns]


async def flat(pair: Pair) -> OrderLife:
    """Bring the pair to flat, and return A's opening order, which rests and is alone."""
    await pair.until_neutral(PATIENCE_S)
    while (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral(PATIENCE_S)
    order = await pair.until_resting()
    assert not order.is_ask
    return order


async def goes_on(pair: Pair) -> Audit:
    """The pair is neutral by itself, trades again, and kept every promise."""
    await pair.until_neutral(PATIENCE_S)
    await pair.until_resting()
    await pair.fill_a("0.0100")
    result = await pair.check()
    assert await pair.halt() is None
    return result


async def hedged_once(pair: Pair, since_ns: int, wanted: int) -> None:
    """What B executed since comes to exactly `wanted` lots, and the pair goes on."""
    await pair.until_neutral(PATIENCE_S)
    executed = [life.filled_lots for life in await sent(pair, ACCOUNT_B, since_ns)]
    assert sum(executed) == wanted, executed
    await goes_on(pair)


async def fill_under(pair: Pair, name: str, amount: str, **parameters: Any) -> tuple[int, Json]:
    """Set a switch, fill A from flat; return the moment before and the switch."""
    await flat(pair)
    fault = await pair.paper.fault(name, **parameters)
    since = time.monotonic_ns()
    await pair.fill_a(amount)
    return since, fault


async def fill_unseen(pair: Pair, amount: str, name: str, **owner: Any) -> int:
    """Fill A's order while the sockets are muted, then break them; return the moment before.

    So no frame shows the fill, however fast A would take its order off after the break.
    """
    await flat(pair)
    since = time.monotonic_ns()
    silent = await pair.paper.fault("socket_silent", **owner)
    assert silent["fired"]
    trades = await pair.take("sell", amount)
    sides = [(row["ask_account_id"], row["bid_account_id"], lots(row["size"])) for row in trades]
    assert sum(size for *who, size in sides if ACCOUNT_A in who) == lots(amount)
    await pair.paper.fault(name, **owner)
    await pair.paper.clear(silent)
    return since


async def until_fired(pair: Pair, fault: Json, count: int = 1) -> None:
    """Wait until a switch has fired so often."""

    async def seen() -> bool:
        return await pair.paper.fired(fault) >= count

    await pair.until(seen, f"{fault['name']} to fire {count} times")


async def resumed(pair: Pair, *extra: str) -> None:
    """End a halt as a person would, and see the pair trade again."""
    await pair.until_ready_b()
    await pair.until_neutral(PATIENCE_S)
    await pair.until_shown(PATIENCE_S)
    code, text = await pair.command("resume", *extra)
    assert code == 0, text
    await pair.until_resting()
    await pair.fill_a("0.0100")
    await pair.check()
