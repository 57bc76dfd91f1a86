"""What the exchange refuses, limits or changes, played on a pair of real processes."""

import asyncio
import time

from tests.accept.cases import Figure, Run, case
from tests.accept.chaos_cases import PARTS
from tests.fault_helpers import flat, goes_on
from tests.world.pair import KEY_INDEX, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

LOAD_S = 10.0
"""So long the exchange has enough of us."""
BACK_S = 16.0
"""The longest silence of what a hedge needs, and a moment for the rest."""


@case("handshake-429", "B's socket is lost and HTTP 429 answers its connects for 10 s")
async def too_many_handshakes(run: Run) -> list[Figure]:
    """B is back within 15 s of the end of it, hedges what A was filled with, and nothing halts."""
    async with Pair(run.folder, settings=PARTS) as pair:
        await pair.start()
        await flat(pair)
        load = await pair.paper.fault("upgrade_refused", status=429)
        await pair.paper.fault("socket_cut", account_index=ACCOUNT_B)
        await pair.fill_a("0.0500")
        await asyncio.sleep(LOAD_S)
        await pair.paper.clear(load)
        began = time.monotonic()
        await pair.until_neutral(60.0)
        naked_s = time.monotonic() - began
        assert await pair.halt() is None
        await goes_on(pair)
    return [Figure("naked after it", naked_s, "s", BACK_S)]


@case("upgrade-451", "the WebSocket is refused with a region's HTTP status while REST answers")
async def barred(run: Run) -> list[Figure]:
    """It is said in words in `status`, tried again with pauses, and over by itself."""
    async with Pair(run.folder, settings=PARTS) as pair:
        await pair.start()
        await flat(pair)
        barred = await pair.paper.fault("upgrade_refused", status=451)
        await pair.paper.fault("socket_cut", account_index=ACCOUNT_B)
        began = time.monotonic()

        async def said() -> bool:
            _, text = await pair.command("status", "--json")
            return "refuses the WebSocket with HTTP 451" in text

        await pair.until(said, "the reason in status", 30.0)
        said_s = time.monotonic() - began
        assert await pair.paper.fired(barred) < said_s * 4, "connects without pauses"
        await pair.paper.clear(barred)
        await pair.until_ready_b()
        await goes_on(pair)
    return [Figure("said after", said_s, "s", 10.0)]


@case("quota-used-up", "A starts again with its volume quota used up: one transaction in 15 s")
async def without_quota(run: Run) -> list[Figure]:
    """Its fence passes, it opens nothing and says why, and trades on once the quota is back."""
    async with Pair(run.folder, settings=PARTS) as pair:
        await pair.start()
        await flat(pair)
        await pair.stop_a()
        await pair.paper.quota(ACCOUNT_A, 0)
        began = time.monotonic()
        pair.start_a()

        async def held() -> bool:
            _, text = await pair.command("status", "--json")
            return "the volume quota has 0 transactions left" in text

        await pair.until(held, "a proven A that says why it opens nothing", 60.0)
        held_s = time.monotonic() - began
        await pair.check()
    return [Figure("fence passed and said after", held_s, "s", 45.0)]


@case("leverage-1x", "account B at 1x with 60 USDC")
async def at_1x(run: Run) -> list[Figure]:
    """B says that it can hedge 0.02, not 0.4, and A opens no more than that."""
    async with Pair(run.folder, settings={"strategy.quantity": "0.1"}) as pair:
        async with pair.paper.signer(ACCOUNT_B, 9) as client:
            _, _, error = await client.update_leverage(0, client.CROSS_MARGIN_MODE, 1)
            assert error is None, error
        await pair.paper.collateral(ACCOUNT_B, "-99940")
        pair.start_b()
        pair.start_a()
        beat = await pair.until_ready_b()
        room = float(beat["can_hedge_base_amount"])

        async def held() -> bool:
            _, text = await pair.command("status", "--json")
            return "B has margin for" in text

        await pair.until(held, "an A that says that B has no margin", 20.0)
        assert await pair.resting() == []
    return [Figure("can hedge", room, "ETH", 0.0201)]


@case("quote-limit", "the exchange takes no order above 30.02 USDC, A is filled for 90")
async def in_parts(run: Run) -> list[Figure]:
    """B hedges in parts at once, nothing halts, and A then holds with both numbers."""
    async with Pair(run.folder, settings=PARTS) as pair:
        await pair.start()
        await flat(pair)
        await pair.paper.set_market(0, order_quote_limit="30.02")
        began = time.monotonic()
        await pair.fill_a("0.0300")
        await pair.until_neutral(30.0)
        hedged_s = time.monotonic() - began
        assert await pair.halt() is None
        await pair.check()
    return [Figure("hedged after", hedged_s, "s", 10.0)]


@case("maker-only-key", "B's key may only post (62007): what it sends is refused for good")
async def maker_only(run: Run) -> list[Figure]:
    """A takes its fill back within seconds, B names the reason, and hammers on nothing."""
    pauses = {"timing.retry_min_s": 1.0, "timing.retry_max_s": 30.0}
    async with Pair(run.folder, settings={**PARTS, **pauses}) as pair:
        await pair.start()
        await flat(pair)
        await pair.paper.maker_only(ACCOUNT_B, KEY_INDEX)
        began = time.monotonic()
        await pair.fill_a("0.0500")
        await pair.until_halted("key_not_allowed")

        async def flat_again() -> bool:
            return await pair.positions() == (0, 0)

        await pair.until(flat_again, "A's own reduction", 30.0)
        naked_s = time.monotonic() - began
        before = (await pair.paper.state())["counters"]["rejected"]
        await asyncio.sleep(LOAD_S)
        tries = (await pair.paper.state())["counters"]["rejected"] - before
    return [Figure("naked", naked_s, "s", 10.0), Figure("tries in 10 s", tries, limit=6)]


@case("clock-jump", "the host's clock falls 15 min behind while the pair runs")
async def clock_jump(run: Run) -> list[Figure]:
    """A's order has run out meanwhile: its next one is refused, the clock named, nothing loops."""
    async with Pair(run.folder, settings=PARTS) as pair:
        await pair.start()
        await flat(pair)
        await pair.paper.move_clock(900_000)
        rejected = (await pair.paper.state())["counters"]["rejected"]
        began = time.monotonic()

        async def named() -> bool:
            _, text = await pair.command("status", "--json")
            return "s behind Lighter's" in text

        await pair.until(named, "the clock in status", 60.0)
        named_s = time.monotonic() - began
        await asyncio.sleep(LOAD_S)
        tries = (await pair.paper.state())["counters"]["rejected"] - rejected
    return [Figure("named after", named_s, "s", 10.0), Figure("refused", tries, limit=10)]
