"""How simpler rules lose money: each schedule that breaks one is played with the real pair.

The numbers are those of the list of tempting rules that the design was tried against.
"""

import json
import shutil
import signal
import time

from tests.fault_helpers import (
    CANCEL,
    HEDGE,
    MARKS,
    OF_A,
    OF_B,
    fill_under,
    flat,
    goes_on,
    healing_fixture,
    hedged_once,
    pair_fixture,
    sent,
    until_fired,
)
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = MARKS

SETTINGS = {
    "timing.request_timeout_s": 1.0,
    "timing.answer_timeout_s": 0.4,
}


pair = pair_fixture(SETTINGS, proxied=("a-redis",))
healed = healing_fixture()


async def market_orders(pair: Pair, since_ns: int) -> int:
    """Return how many hedges the exchange has taken from B since."""
    return len(await sent(pair, ACCOUNT_B, since_ns))


async def test_01_an_invalid_nonce_is_not_signed_again(pair: Pair) -> None:
    """The second copy meets "invalid nonce" because the first one was taken: no other follows."""
    since, fault = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, via="ws")
    await until_fired(pair, fault)
    await pair.until_neutral(30.0)
    assert await market_orders(pair, since) == 1
    await hedged_once(pair, since, 300)


async def test_02_a_fence_that_is_accepted_is_not_yet_listed(pair: Pair) -> None:
    """The order in doubt is still queued when the fence is taken: B waits until it is listed."""
    await flat(pair)
    await pair.paper.fault("answer_lost_after", **HEDGE, count=2)
    since, held = await fill_under(pair, "held", "0.0300", **HEDGE, delay_ms=1500)
    await until_fired(pair, held)
    await pair.until_neutral(30.0)
    assert await market_orders(pair, since) == 1
    await hedged_once(pair, since, 300)


async def test_03_absent_from_a_lagging_list_is_not_absent(pair: Pair) -> None:
    """The list of finished orders is a second old: it counts only where it has B's fence."""
    await flat(pair)
    lag = await pair.paper.fault("rest_lag", **OF_B, path="accountInactiveOrders", lag_ms=1000)
    since, _ = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, lag)
    await pair.until_neutral(30.0)
    assert await market_orders(pair, since) == 1


async def test_04_an_old_nonce_does_not_make_an_old_fence_ours(pair: Pair) -> None:
    """An old nonce is answered, so the fence meets one that is used: only B's own marker counts."""
    await flat(pair)
    stale = await pair.paper.fault("stale_replica", **OF_B, path="nextNonce", count=3)
    since, _ = await fill_under(pair, "answer_lost_after", "0.0300", **HEDGE, count=2)
    await until_fired(pair, stale, 3)
    await pair.until_neutral(30.0)
    assert await market_orders(pair, since) == 1


async def test_05_a_failed_copy_may_still_run_as_the_other_copy(pair: Pair) -> None:
    """The second copy hands its nonce back while the first one is still on its way.

    B is a new process: one that was left without an answer sends by HTTP alone for a while.
    """
    pair.kill_b()
    pair.start_b()
    await pair.until_ready_b()
    await flat(pair)
    await pair.paper.fault("nonce_given_back", **HEDGE)
    since, late = await fill_under(
        pair, "answer_delayed", "0.0300", **HEDGE, via="ws", delay_ms=1500
    )
    await until_fired(pair, late)
    await hedged_once(pair, since, 300)


async def test_06_07_a_stale_position_does_not_explain_itself(pair: Pair) -> None:
    """A starts while position and trades stand still on a replica: it publishes the truth."""
    await flat(pair)
    stale = [
        await pair.paper.fault("stale_replica", **OF_A, path=path, count=4)
        for path in ("account", "trades")
    ]
    since = time.monotonic_ns()
    await pair.fill_a("0.0300")
    await pair.until_neutral()
    pair.kill_a()
    pair.start_a()
    await until_fired(pair, stale[1])
    await hedged_once(pair, since, 300)


async def test_08_09_fills_are_neither_added_up_nor_ordered_by_trade_id(pair: Pair) -> None:
    """Every message again, backwards, and one with a huge trade id: the target does not move."""
    await flat(pair)
    await pair.fill_a("0.0200")
    await pair.until_neutral()
    trades = len(await pair.paper.trades(account=ACCOUNT_B))
    for message in reversed((await pair.all_told_on(NAMES.account_a_filled))[-40:]):
        await pair.publish(NAMES.account_a_filled, message)
        await pair.publish(NAMES.account_a_filled, {**message, "trade_id": 10**15})
    await goes_on(pair)
    after = await pair.paper.trades(account=ACCOUNT_B)
    assert len(after) == trades + 1


async def test_10_a_late_trade_below_a_newer_one_is_counted(pair: Pair) -> None:
    """A's stream loses a trade, shows the next one, and the lost one later."""
    since, fault = await fill_under(
        pair, "frames_delayed", "0.0200", **OF_A, family="account_all_trades", delay_ms=700
    )
    await pair.take("sell", "0.0300")
    await until_fired(pair, fault)
    await pair.until_neutral(30.0)
    held, _ = await pair.positions()
    await hedged_once(pair, since, held)


async def test_11_keys_that_vanish_are_written_without_any_change(pair: Pair) -> None:
    """FLUSHALL while nothing happens: both sides write their state again within a second."""
    await flat(pair)
    await pair.client.flushall()

    async def written() -> bool:
        return None not in [await pair.key(NAMES.position_a), await pair.ledger()]

    await pair.until(written, "both keys", 5.0)
    await goes_on(pair)


async def test_12_an_older_ledger_does_not_release_a(pair: Pair) -> None:
    """A ledger with nothing owed that answers an earlier state of A: A goes on waiting."""
    await flat(pair)
    old = await pair.client.get(NAMES.ledger)
    assert pair.b is not None
    pair.b.send(signal.SIGSTOP)
    await pair.fill_a("0.0300")
    since = time.monotonic_ns()
    await pair.until_state_a("awaiting_hedge")
    foreign = {**json.loads(old), "a_instance": "0123456789ab", "a_seq": 10**6}
    for text in (old, json.dumps(foreign)):
        for _ in range(20):
            await pair.client.set(NAMES.ledger, text)
            await pair.publish(NAMES.events, {"v": 1})
    beat = await pair.key(NAMES.ready_a)
    assert beat is not None
    assert beat["state"] == "awaiting_hedge"
    assert await sent(pair, ACCOUNT_A, since) == []
    pair.b.send(signal.SIGCONT)
    await goes_on(pair)


async def test_13_14_b_starts_on_an_old_or_a_missing_key(pair: Pair) -> None:
    """A is cut off and Redis rolled back, then wiped: B buys none of its own hedge back."""
    await flat(pair)
    old = await pair.client.get(NAMES.position_a)
    await pair.fill_a("0.0300")
    await pair.until_neutral()
    link = pair.proxies["a-redis"]
    link.refuse(True)
    link.cut()
    before = await pair.positions()
    for text in (old, None):
        await (
            pair.client.delete(NAMES.position_a)
            if text is None
            else pair.client.set(NAMES.position_a, text)
        )
        pair.kill_b()
        pair.start_b()
        await pair.until_ready_b()
        assert await pair.positions() == before
    link.heal()
    await goes_on(pair)


async def test_17_a_fence_of_a_leaves_no_order_resting(pair: Pair) -> None:
    """A's list of resting orders is old: its fence cancels what it cannot see."""
    await flat(pair)
    for path in ("accountActiveOrders", "accountInactiveOrders"):
        await pair.paper.fault("rest_lag", **OF_A, path=path, lag_ms=800)
    pair.kill_a()
    pair.start_a()
    await pair.until_neutral()
    await pair.until_resting()
    await goes_on(pair)


async def test_19_a_terminal_row_is_not_yet_its_trades(pair: Pair) -> None:
    """The order's end comes before its fills: A publishes the fills before it places anything."""
    since, fault = await fill_under(
        pair, "order_before_trades", "0.0300", **OF_A, delay_ms=600, count=2
    )
    await until_fired(pair, fault)
    await hedged_once(pair, since, 300)


async def test_20_b_hits_the_remainder_of_a(pair: Pair) -> None:
    """One trade with a leg on either account: both legs count, and the pair still comes to zero."""
    await flat(pair)
    pair.kill_a()
    pair.start_a(strategy__depth=1, strategy__quantity="0.2")

    async def small() -> bool:
        return [life.size_lots for life in await pair.resting()] == [2000]

    await pair.until(small, "A's order on the best level", 25.0)
    await pair.until_state_a("working")
    # Be the cancel of the remainder on its way or not: B's order comes before it executes.
    await pair.paper.fault("held", **OF_A, tx_type=CANCEL, delay_ms=700)
    await pair.fill_a("0.1000")
    await pair.until_neutral(30.0)
    legs = [
        {row["ask_account_id"], row["bid_account_id"]}
        for row in await pair.paper.trades(account=ACCOUNT_A)
    ]
    assert {ACCOUNT_A, ACCOUNT_B} in legs
    await pair.check()
    pair.kill_a()
    pair.start_a()
    await pair.until_state_a("working")
    await goes_on(pair)


async def test_22_a_host_without_memory_replays_no_old_trades(pair: Pair) -> None:
    """Nothing stored, hundreds of old trades at the venue: not one of them is hedged."""
    await flat(pair)
    trades = len(await pair.paper.trades(account=ACCOUNT_B))
    pair.kill_a()
    pair.kill_b()
    await pair.client.flushall()
    for side in ("a", "b"):
        shutil.rmtree(pair.folder / f"state-{side}")
    pair.start_b()
    pair.start_a()
    await pair.until_neutral(30.0)
    await pair.until_resting()
    assert len(await pair.paper.trades(account=ACCOUNT_B)) == trades
    await goes_on(pair)
