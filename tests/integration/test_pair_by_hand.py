"""B alone with the exchange: fills published by hand, and everything that is no fill."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.pair_audit import lots
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]

CHANNEL = NAMES.account_a_filled
_count = 0


def fill(amount: str, side: str, **changes: Any) -> dict[str, Any]:
    """Return a hand-made message; every call makes a different one."""
    global _count  # noqa: PLW0603  only a serial number
    _count += 1
    return {
        "account_index": ACCOUNT_A,
        "market_index": 0,
        "order_index": _count,
        "filled_base_amount": amount,
        "filled_quote_amount": "30.00",
        "avg_price": "3000.00",
        "timestamp": int(time.time()),
        "side": side,
        **changes,
    }


GARBAGE = {
    "not JSON": "hello",
    "half of a JSON object": '{"account_index": 280459, "side": "buy", "filled_base',
    "a list": "[1, 2, 3]",
    "nothing": "",
    "no side": json.dumps({k: v for k, v in fill("0.5", "buy").items() if k != "side"}),
    "an unknown side": json.dumps(fill("0.5", "long")),
    "not a number": json.dumps(fill("lots", "buy")),
    "infinite": json.dumps(fill("Infinity", "buy")),
    "not finite": json.dumps(fill("0.5", "buy")).replace('"0.5"', "NaN"),
    "negative": json.dumps(fill("-0.5", "buy")),
    "zero": json.dumps(fill("0", "buy")),
    "no whole number of lots": json.dumps(fill("0.00005", "buy")),
    "too large": json.dumps(fill("3.0", "buy")),
    "an unknown version": json.dumps(fill("0.5", "buy", v=99)),
    "another chain": json.dumps(fill("0.5", "buy", chain_id=1)),
    "another account": json.dumps(fill("0.5", "buy", account_index=7)),
    "another market": json.dumps(fill("0.5", "buy", market_index=1)),
    "a boolean amount": json.dumps(fill("0.5", "buy")).replace('"0.5"', "true"),
    "a deep nest": "[" * 100_000,
    "a long text": json.dumps(fill("0.5", "buy", note="x" * 200_000)),
    "an instance without a position": json.dumps(fill("0.5", "buy", instance="abc123", seq=1)),
    "an instance that no lease names": json.dumps(
        fill(
            "0.5",
            "buy",
            v=1,
            instance="abc123",
            seq=1,
            position_base_amount="0.5000",
            chain_id=304,
            trade_id=1,
            client_order_index=1,
        )
    ),
    "binary": "\x00\x01\ufffd",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """B and the exchange; no A."""
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, settings={"safety.max_fill_base_amount": "2.0"}) as made:
        made.start_b()
        await made.until_ready_b()
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def alone(pair: Pair) -> None:
    """Every test finds B alone and ready."""
    assert pair.b is not None
    if pair.b.code is not None:
        pair.start_b()
    await pair.until_ready_b()


async def hedged(pair: Pair, text: str | dict[str, Any], change: str) -> None:
    """Publish, and wait until B has moved by exactly `change`."""
    before = (await pair.positions())[1]
    assert await pair.publish(CHANNEL, text) >= 2
    await pair.until_position_b(f"{(before + lots(change)) / 10_000:.4f}")


async def stays(pair: Pair, seconds: int = 2) -> None:
    """Wait until B has written its ledger through `seconds` seconds, and look at its position."""
    before = (await pair.positions())[1]
    since = int(time.time())

    async def written() -> bool:
        ledger = await pair.ledger()
        return ledger is not None and int(ledger["timestamp"]) > since + seconds

    await pair.until(written, "B's ledger going on")
    assert (await pair.positions())[1] == before


async def test_a_fill_by_hand_moves_b_to_the_other_side_and_it_stays(pair: Pair) -> None:
    """B trades exactly the amount, in the opposite direction, once."""
    since = await pair.last_seq()
    text = json.dumps(fill("0.0100", "buy"))
    await hedged(pair, text, "-0.0100")
    await stays(pair)
    await pair.publish(CHANNEL, text)
    await hedged(pair, fill("0.0200", "sell"), "0.0200")
    assert (await pair.positions())[1] == 100
    await hedged(pair, fill("0.0100", "buy"), "-0.0100")
    trades = await pair.paper.trades(since, account=ACCOUNT_B)
    assert [row["size"] for row in trades] == ["0.0100", "0.0200", "0.0100"]


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_moves_nothing_and_b_goes_on(pair: Pair, kind: str) -> None:
    """Whatever is refused leaves B where it is; the next good message is hedged exactly."""
    await pair.publish(CHANNEL, GARBAGE[kind])
    await hedged(pair, fill("0.0100", "buy"), "-0.0100")
    await pair.publish(CHANNEL, GARBAGE[kind])
    await hedged(pair, fill("0.0100", "sell"), "0.0100")
    assert (await pair.positions())[1] == 0
    await pair.until_ready_b()


async def test_a_number_is_taken_like_a_text(pair: Pair) -> None:
    """Amounts typed without quotes are exact decimals too."""
    text = json.dumps(fill("0.0003", "buy")).replace('"0.0003"', "0.0003")
    await hedged(pair, text, "-0.0003")
    await hedged(pair, fill("0.0003", "sell"), "0.0003")


async def test_many_messages_at_once_add_up(pair: Pair) -> None:
    """A hundred different messages move B by their sum."""
    await asyncio.gather(*(pair.publish(CHANNEL, fill("0.0007", "buy")) for _ in range(100)))
    await pair.until_position_b("-0.0700", 30)
    await stays(pair, 1)
    await hedged(pair, fill("0.0700", "sell"), "0.0700")


async def test_open_hand_fills_die_with_b(pair: Pair) -> None:
    """B killed with a hand-made position follows it no more: what is left is drift, said aloud."""
    await hedged(pair, fill("0.0400", "buy"), "-0.0400")
    pair.kill_b()
    pair.start_b()
    await pair.until_position_b("0")
    await pair.until_ready_b()
    log = pair.logs(2000)
    assert "hand_forgotten" in log
    assert "drift_hedged" in log


async def test_hand_fills_that_are_open_at_bs_end_are_named(pair: Pair) -> None:
    """In its log, as an event, and by exit code 5; the next B takes none of it from a file."""
    await hedged(pair, fill("0.0400", "buy"), "-0.0400")
    assert await pair.stop_b() == 5
    assert "moved B by -0.0400" in pair.logs(2000)
    told = await pair.all_told_on(NAMES.events)
    assert [one["reason"] for one in told if one["event"] == "hand_left"]
    pair.start_b()
    await pair.until_position_b("0")
    await pair.until_ready_b()


async def test_an_a_beside_open_hand_fills_does_not_end_neutral(pair: Pair) -> None:
    """Both of its positions are as they should be, and B's is not: exit code 5, and why."""
    await hedged(pair, fill("0.0400", "buy"), "-0.0400")
    pair.start_a()
    await pair.until_state_a("ready", "awaiting_hedge")
    assert await pair.stop_a() == 5
    assert "moved B by -0.0400" in pair.logs(2000)
    await hedged(pair, fill("0.0400", "sell"), "0.0400")
    await pair.until_ready_b()


async def test_a_message_by_hand_is_refused_while_a_runs(pair: Pair) -> None:
    """With a real A its state is the only thing that counts."""
    since = await pair.last_seq()
    pair.start_a()
    await pair.until_resting()
    await pair.publish(CHANNEL, fill("0.5000", "buy"))
    await pair.fill_a()
    await pair.until_position_b("-0.0100")
    await pair.fill_a()
    await pair.until_position_b("0")
    await pair.check(since)
    assert await pair.stop_a() == 0
    await hedged(pair, fill("0.0100", "buy"), "-0.0100")
    await hedged(pair, fill("0.0100", "sell"), "0.0100")
    assert await pair.stop_b() == 0
