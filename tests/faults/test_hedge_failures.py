"""B cannot hedge: it says why, A stops trading, a person cures and resumes, net zero."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from tests.world.pair import ETH, KEY_INDEX, NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

FAILURE_FIELDS = {
    "v",
    "account_index",
    "market_index",
    "reason",
    "detail",
    "attempts",
    "owed_base_amount",
    "rest_base_amount",
    "a_seq",
    "timestamp",
    "chain_id",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair whose orders fill in parts and are large against B's collateral."""
    settings = {"strategy.quantity": "2.0", "strategy.depth": 3}
    async with Pair(tmp_path_factory.mktemp("pair"), settings=settings) as made:
        await made.start()
        yield made


def halted_events(pair: Pair) -> list[tuple[str, str]]:
    """Return side and reason of each halt that was published as an event."""
    told = pair.told_on(NAMES.events)
    return [(body["side"], body["reason"]) for body in told if body["event"] == "halted"]


async def failed(pair: Pair, reason: str, owed: str) -> Decimal:
    """Wait for the failure of B, check what everybody says of it; return what stays naked."""
    halt = await pair.until_halted(reason)

    def heard() -> bool:
        told = pair.told_on(NAMES.account_b_hedge_failed)
        return bool(told) and told[-1]["reason"] == reason

    await pair.until(heard, f"the failure message for {reason}")
    message = pair.told_on(NAMES.account_b_hedge_failed)[-1]
    assert set(message) == FAILURE_FIELDS | {"pair", "epoch", "n", "echo"}
    assert message["owed_base_amount"] == owed
    rest = message["rest_base_amount"]
    assert f"{rest.removeprefix('-')} ETH stay naked" in message["detail"]
    assert " resume --config" in message["detail"]
    assert halt["side"] == "b"
    await pair.until_state_a("halted")
    await pair.until(lambda: ("b", reason) in halted_events(pair), "the event of the halt")
    assert halted_events(pair).count(("b", reason)) == 1
    await pair.until(lambda: _nothing_rests(pair), "A's remainder off the book")
    code, text = await pair.command("status", "--json")
    told = json.loads(text)
    assert code == 5
    assert told["halted"] is True
    assert told["halt"]["reason"] == reason
    assert "HALTED" in told["headline"]
    return Decimal(rest)


async def _nothing_rests(pair: Pair) -> bool:
    return await pair.resting() == []


async def resumed(pair: Pair) -> None:
    """Resume once B has hedged what it owed, and see the pair trade again."""
    await pair.until_ready_b()
    await pair.until_neutral()
    await pair.until_shown()
    code, text = await pair.command("resume")
    assert code == 0, text
    await pair.fill_a()
    await pair.until_neutral()
    await pair.check()


async def test_a_deleted_key_of_b_halts_until_it_is_cured(pair: Pair) -> None:
    """B without its key fails at once with the reason, and A takes its fill back at once."""
    await pair.until_resting()
    await pair.paper.delete_key(ACCOUNT_B, KEY_INDEX)
    await pair.fill_a("0.5000")
    assert await failed(pair, "api_key_refused", "-0.5000") == Decimal("-0.5")
    await pair.until(lambda: _is_net_zero(pair), "A's own reduction", 20.0)
    assert await pair.positions() == (0, 0)
    await pair.until(lambda: _is_unready(pair), "B not ready without its key")
    await pair.paper.register_key(ACCOUNT_B, KEY_INDEX, pair.public_key("b"))
    assert await pair.resting() == [], "a halt stays until a person resumes"
    await resumed(pair)


async def _is_unready(pair: Pair) -> bool:
    _, text = await pair.command("status", "--json")
    return not json.loads(text)["b"]["ready"]


async def _is_net_zero(pair: Pair) -> bool:
    return sum(await pair.positions()) == 0


async def test_missing_collateral_of_b_halts_until_it_is_cured(pair: Pair) -> None:
    """A drained B hedges what its margin allows and names the rest; A reduces itself by that."""
    await pair.until_neutral()
    a_lots, b_lots = await pair.positions()
    if a_lots:
        await pair.fill_a()
        await pair.until_neutral()
        a_lots, b_lots = await pair.positions()
    assert (a_lots, b_lots) == (0, 0)
    await pair.until_resting()
    await pair.paper.collateral(ACCOUNT_B, "-99990")
    await pair.fill_a("1.0000")
    await pair.until(lambda: _is_net_zero(pair), "B's part and A's rest", 20.0)
    a_lots, b_lots = await pair.positions()
    assert 0 < a_lots == -b_lots < 1000, "10 USDC carry 0.06 ETH at 5 %"
    assert -1 < await failed(pair, "not_enough_margin", "-1.0000") < Decimal("-0.9")
    await pair.paper.collateral(ACCOUNT_B, "99990")
    await resumed(pair)


async def test_a_places_nothing_that_b_could_not_hedge(pair: Pair) -> None:
    """With too little margin on B for an order of A, A takes its order off and waits."""
    await pair.until_neutral()
    if (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral()
    assert await pair.positions() == (0, 0)
    await pair.until_resting()
    before = await pair.last_seq()
    await pair.paper.collateral(ACCOUNT_B, "-99980")
    await pair.until(lambda: _nothing_rests(pair), "A's order off the book")
    await pair.paper.collateral(ACCOUNT_B, "99980")
    await pair.until_resting()
    assert await pair.halt() is None
    assert await pair.paper.trades(before, ACCOUNT_A) == []
    await pair.check()


async def test_a_key_that_may_only_post_is_named(pair: Pair) -> None:
    """What 62007 refuses is refused for good: A takes its fill back, and B says what it needs."""
    await pair.until_neutral()
    while (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral()
    await pair.until_resting()
    await pair.paper.maker_only(ACCOUNT_B, KEY_INDEX)
    await pair.fill_a("0.5000")
    assert await failed(pair, "key_not_allowed", "-0.5000") == Decimal("-0.5")
    await pair.until(lambda: _is_net_zero(pair), "A's own reduction", 20.0)
    assert await pair.positions() == (0, 0)
    await pair.until(lambda: _is_unready(pair), "B not ready with a key that may only post")
    await pair.paper.maker_only(ACCOUNT_B, KEY_INDEX, on=False)
    await resumed(pair)


async def test_an_outdated_sdk_is_named(pair: Pair) -> None:
    """21136 to all that B signs: A takes its fill back, and B is not ready until it is over."""
    await pair.until_neutral()
    while (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral()
    await pair.until_resting()
    every = {"account_index": ACCOUNT_B, "count": 0}
    refused = await pair.paper.fault("tx_refused", code=21136, message="update the SDK", **every)
    await pair.fill_a("0.5000")
    assert await failed(pair, "sdk_outdated", "-0.5000") == Decimal("-0.5")
    await pair.until(lambda: _is_net_zero(pair), "A's own reduction", 20.0)
    assert await pair.positions() == (0, 0)
    await pair.until(lambda: _is_unready(pair), "B not ready with an outdated SDK")
    await pair.paper.clear(refused)
    await resumed(pair)


async def test_a_market_that_takes_no_opening_order_of_b_is_named(pair: Pair) -> None:
    """`force_reduce_only` beside A's resting order: one try of B, and A takes its fill back."""
    await pair.until_neutral()
    while (await pair.positions())[0]:
        await pair.fill_a()
        await pair.until_neutral()
    await pair.until_resting()
    await pair.paper.set_market(ETH, force_reduce_only=True)
    await pair.fill_a("0.5000")
    assert await failed(pair, "market_reduce_only", "-0.5000") == Decimal("-0.5")
    assert pair.told_on(NAMES.account_b_hedge_failed)[-1]["attempts"] == 1
    await pair.until(lambda: _is_net_zero(pair), "A's own reduction", 20.0)
    assert await pair.positions() == (0, 0)
    await pair.paper.set_market(ETH, force_reduce_only=False)
    await resumed(pair)


async def test_a_refused_socket_of_b_is_named(pair: Pair) -> None:
    """A restricted region: B says so, and goes on once the exchange takes its socket."""
    await pair.until_neutral()
    await pair.until_resting()
    barred = await pair.paper.fault("upgrade_refused", status=451)
    await pair.paper.fault("socket_cut", account_index=ACCOUNT_B)
    beat = await pair.until_ready_b(ready=False)

    async def said() -> bool:
        _, text = await pair.command("status", "--json")
        return "refuses the WebSocket with HTTP 451" in text

    await pair.until(said, "the reason in status")
    assert not beat["ready"]
    await pair.paper.clear(barred)
    await pair.until_ready_b()
    await pair.until_resting()
    assert await pair.halt() is None
