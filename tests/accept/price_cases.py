"""Prices that a pair must not take for the market: each case on real daemons, with strangers.

Each scene gets a running pair whose exchange has a fixed book, says in one line what was seen, and
raises AssertionError where a promise is broken. `python -m tests.accept NAME` runs one alone; the
cheap ones run in `tests/integration/test_pair_prices.py` too, all on one pair.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tests.accept.cases import Figure, Run, case
from tests.accept.chaos_cases import lied_to
from tests.fault_helpers import flat, sent
from tests.pair_audit import OrderLife
from tests.world.lying import Lie, LyingProxy
from tests.world.pair import ETH, NAMES, Pair
from tests.world.paper import ACCOUNT_B, PaperProcess, new_account_number

Scene = Callable[[Pair], Awaitable[str]]
Levels = list[tuple[str, str]]

SETTINGS: dict[str, Any] = {"strategy.quantity": "0.01", "lighter.maker_order_time_out": 2.0}
ONE_LOT = "0.0050"
"""The least that may rest."""
DEEP = "5.0"
TICKS, LOTS = 100, 10_000
"""Of one USD, and of one ETH."""
STALE_S = 9.0
"""Five seconds without a frame, and what an order, its fence and another order take."""


def deep(*prices: float) -> Levels:
    """Return levels that hold far more than the pair trades."""
    return [(f"{price:.2f}", DEEP) for price in prices]


async def market(pair: Pair, bids: Levels, asks: Levels, mark: float | None = None) -> None:
    """Let the fixed book be these levels, and mark be there."""
    text = None if mark is None else f"{mark:.2f}"
    await pair.paper.set_market(ETH, bids=bids, asks=asks, mark_price=text)


async def calm(pair: Pair) -> None:
    """Bring market and pair back to where every scene begins: around 3000, A flat and quoting."""
    await pair.paper.clear()
    bids, asks = deep(2999.85, 2999.70, 2999.00), deep(3000.15, 3000.30, 3001.00)
    await market(pair, bids, asks, 3000)
    await flat(pair)
    await pair.until(lambda: at_price(pair, 2999.85), "A's bid at the best of the others")


async def at_price(pair: Pair, price: float) -> OrderLife | None:
    """Return A's order that rests at a price, None without one."""
    resting = await pair.resting()
    return next((one for one in resting if round(one.price * TICKS) == round(price * TICKS)), None)


async def follows(pair: Pair, price: float, what: str) -> None:
    """Wait until A's only order rests at a price."""
    await pair.until(lambda: at_price(pair, price), f"A at {price}: {what}", 12.0)


async def until_reason(pair: Pair, side: str, *reasons: str) -> None:
    """Wait until a side's heartbeat, which `status` shows, says why it places nothing."""
    name = NAMES.ready_a if side == "a" else NAMES.ready_b

    async def said() -> bool:
        notices = ((await pair.key(name)) or {}).get("notices", {})
        return any(reason in notices for reason in reasons)

    await pair.until(said, f"{side} says {' or '.join(reasons)}")


async def took_s(pair: Pair, since: float, timeout_s: float) -> float:
    """Wait until A + B is 0 on the exchange; return how long that was after `since`."""

    async def even() -> bool:
        a, b = await pair.positions()
        return a + b == 0

    await pair.until(even, "the fill to be hedged", timeout_s)
    return time.monotonic() - since


async def dry(pair: Pair, since_ns: int) -> int:
    """Return how many hedges of B have found no liquidity since."""
    hedges = await sent(pair, ACCOUNT_B, since_ns)
    return sum(not one.filled_lots and one.status.startswith("canceled") for one in hedges)


@contextlib.asynccontextmanager
async def book_frames(pair: Pair) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Give what waits until a bid at a price has been told: every subscriber hears it then."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(pair.paper.ws_url) as socket,
    ):
        await socket.send_json({"type": "subscribe", "channel": f"order_book/{ETH}"})

        async def told(price: float) -> None:
            while True:
                frame = await socket.receive_json(timeout=10.0)
                levels = frame.get("order_book", {}).get("bids") or []
                if any(float(level["price"]) == price for level in levels):
                    return

        yield told


class Stranger:
    """A third account with a key of its own, which rests orders like anybody."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._newest = 0

    async def rests(self, price: float, size: str = ONE_LOT, *, is_ask: bool) -> int:
        """Rest an order; return its id."""
        self._newest += 1
        client = self._client
        _, _, error = await client.create_order(
            ETH,
            self._newest,
            round(float(size) * LOTS),
            round(price * TICKS),
            is_ask,
            client.ORDER_TYPE_LIMIT,
            client.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME,
        )
        assert error is None, error
        return self._newest

    async def takes_off(self, order_id: int) -> None:
        """Cancel an order; that it has been filled is no error."""
        await self._client.cancel_order(ETH, order_id)


@contextlib.asynccontextmanager
async def stranger(paper: PaperProcess) -> AsyncIterator[Stranger]:
    """Give a stranger with money."""
    account = new_account_number()
    await paper.add_account(account, f"0x{account:040x}")
    async with paper.signer(account) as client:
        yield Stranger(client)


# --- A's own order is not the market


async def alone_on_top(pair: Pair) -> str:
    """The others' bids fall away under A's: A goes back to them, and B hedges where they are."""
    await calm(pair)
    asks = deep(3000.15, 3000.30)
    for step in range(1, 11):
        best = 2999.85 - 2.5 * step
        await market(pair, deep(best, best - 0.15), asks, 3000 - 2.5 * step)
    await follows(pair, 2974.85, "the others' best bid")
    since, began = time.monotonic_ns(), time.monotonic()
    await pair.take("sell", "0.0100")
    hedged_s = await took_s(pair, began, 5.0)
    assert await dry(pair, since) == 0, "B made its cap of A's own filled order"
    await calm(pair)
    return f"A is back among the others, and hedged in {hedged_s * 1000:.0f} ms"


async def alone_when_closing(pair: Pair) -> str:
    """The others' asks rise away over A's: A closes where they are."""
    await calm(pair)
    await pair.fill_a("0.0100")
    await pair.until_neutral()
    await follows(pair, 3000.15, "the others' best ask")
    bids = deep(2999.85, 2999.70)
    for step in range(1, 11):
        best = 3000.15 + 2.5 * step
        await market(pair, bids, deep(best, best + 0.15), 3000 + 2.5 * step)
    await follows(pair, 3025.15, "the others' best ask")
    since, began = time.monotonic_ns(), time.monotonic()
    await pair.take("buy", "0.0100")
    hedged_s = await took_s(pair, began, 5.0)
    assert await dry(pair, since) == 0, "B made its cap of A's own filled order"
    await calm(pair)
    return f"A is back among the others, and hedged in {hedged_s * 1000:.0f} ms"


async def filled_alone(pair: Pair) -> str:
    """A is filled the moment in which the others have left it alone: the first hedge finds them.

    On a loaded machine the fill may overtake the book's frame on its way into B; not five times.
    """
    for _ in range(5):
        await calm(pair)
        async with book_frames(pair) as told:
            await market(pair, deep(2960.0, 2959.85), deep(3000.15, 3000.30), 2980)
            await told(2960.0)
        since, began = time.monotonic_ns(), time.monotonic()
        await pair.take("sell", "0.0100")
        hedged_s = await took_s(pair, began, 5.0)
        missed = await dry(pair, since)
        if not missed:
            break
    assert not missed, "B made its cap of A's own filled order"
    await calm(pair)
    return f"hedged in {hedged_s * 1000:.0f} ms"


# --- no quote where the hedge would cost too much


async def bait(pair: Pair) -> str:
    """Spread 20 %, and a stranger's single lot inside: A follows it neither to buy nor to sell."""
    await calm(pair)
    asks, bids = deep(3300, 3301), deep(2700, 2699)
    await market(pair, bids, asks, 3000)
    async with stranger(pair.paper) as other:
        bid = await other.rests(3140, is_ask=False)
        await until_reason(pair, "a", "hedge_too_dear", "off_mark")
        await pair.until_nothing_rests()
        code, text = await pair.command("status")
        assert "could hedge a buy of 0.0100 ETH at 3140.00 at" in text, (code, text)
        await other.takes_off(bid)
        await calm(pair)
        await pair.fill_a("0.0100")
        await pair.until_neutral()
        await market(pair, bids, asks, 3000)
        ask = await other.rests(2860, is_ask=True)
        await until_reason(pair, "a", "hedge_too_dear", "off_mark")
        await pair.until_nothing_rests()
        await other.takes_off(ask)
    await calm(pair)
    return "A rested nothing, and said why"


async def bait_of_the_whole_order(pair: Pair) -> str:
    """A stranger bids for all of A's quantity far above mark: the hedge is there, for a moment."""
    await calm(pair)
    await market(pair, deep(2999.85), deep(3300), 3000)
    async with stranger(pair.paper) as other:
        bid = await other.rests(3140, DEEP, is_ask=False)
        await until_reason(pair, "a", "off_mark")
        await pair.until_nothing_rests()
        await other.takes_off(bid)
    await calm(pair)
    return "A rested nothing, and said why"


# --- a book whose frames stop


def stop_frames(liars: Mapping[str, LyingProxy]) -> None:
    """Let no frame of the order book come through any more, on sockets that live."""
    for liar in liars.values():
        liar.lies.append(Lie("order_book", "drop", lasting=True))


async def frames_stop(pair: Pair, liars: Mapping[str, LyingProxy]) -> str:
    """The book's frames stop while mark falls by 10 %: no quote of it, and B hedges by mark."""
    await calm(pair)
    stop_frames(liars)
    accepted = await pair.accepted()
    since, began = time.monotonic_ns(), time.monotonic()
    await market(pair, deep(2700, 2699.85), deep(2999.90, 3000.15), 2702)
    await pair.take("sell", "0.0100")
    hedged_s = await took_s(pair, began, STALE_S)
    await until_reason(pair, "a", "book_stale")
    tries = len(await sent(pair, ACCOUNT_B, since))
    await pair.until_nothing_rests()
    asked = await pair.accepted() - accepted
    assert await pair.halt() is None
    liars["a"].lies.clear()
    liars["b"].lies.clear()
    await calm(pair)
    return f"hedged in {hedged_s:.1f} s by order {tries}, {asked} transactions in all"


async def frames_stop_and_a_is_alone(pair: Pair, liars: Mapping[str, LyingProxy]) -> str:
    """The same with B dead: A reduces itself by mark once its time has come."""
    await calm(pair)
    stop_frames(liars)
    pair.kill_b()
    await market(pair, deep(2700, 2699.85), deep(2999.90, 3000.15), 2702)
    await pair.take("sell", "0.0100")

    async def reduced() -> bool:
        return (await pair.positions())[0] == 0

    began = time.monotonic()
    await pair.until(reduced, "A to reduce itself", 40.0)
    return f"A was flat after {time.monotonic() - began:.1f} s"


# --- B and a thin book


async def thin_for_two_seconds(pair: Pair) -> str:
    """The book is empty for two seconds with a fill open: hedged as soon as it is back, no halt."""
    await calm(pair)
    since, began = time.monotonic_ns(), time.monotonic()
    await market(pair, [], deep(3000.15), 3000)
    await pair.take("sell", "0.0100")
    await until_reason(pair, "b", "no_price", "retry_pause")

    async def is_over() -> bool:
        return time.monotonic() - began > 2.0

    await pair.until(is_over, "two seconds")
    assert await pair.positions() == (100, 0)
    back = time.monotonic()
    await market(pair, deep(2999.85), deep(3000.15), 3000)
    hedged_s = await took_s(pair, back, 5.0)
    assert await pair.halt() is None
    tries = len(await sent(pair, ACCOUNT_B, since))
    await calm(pair)
    return f"hedged {hedged_s * 1000:.0f} ms after the book was back, by order {tries}"


async def bait_bid(pair: Pair) -> str:
    """The only bid is 40 % under mark: B sells nothing there, says so, and hedges once it can."""
    await calm(pair)
    since, began = time.monotonic_ns(), time.monotonic()
    await market(pair, deep(1800), deep(3000.15), 3000)
    await pair.take("sell", "0.0100")
    halt = await pair.until_halted("max_retries_exceeded")
    said_s = time.monotonic() - began
    assert "1800.00" in halt["detail"], halt
    assert "3000.00" in halt["detail"], halt
    assert await pair.positions() == (100, 0)
    await market(pair, deep(2999.85), deep(3000.15), 3000)
    await took_s(pair, time.monotonic(), 8.0)
    for order in await sent(pair, ACCOUNT_B, since):
        assert order.price >= 2910, order
    code, text = await pair.command("resume", "--yes", "--reason", "the market is back")
    assert code == 0, text
    await calm(pair)
    return f"nothing was sold there; said after {said_s:.1f} s"


# --- levels


async def deep_level(pair: Pair) -> str:
    """`strategy.depth` 40 is the fortieth level, not the twentieth."""
    bids = deep(*(2999.85 - 0.15 * level for level in range(60)))
    asks = deep(*(3000.15 + 0.15 * level for level in range(60)))
    await market(pair, bids, asks, 3000)
    await follows(pair, 2999.85 - 0.15 * 39, "level 40")
    return "A rests on level 40"


SCENES: dict[str, Scene] = {
    "alone-on-top": alone_on_top,
    "alone-when-closing": alone_when_closing,
    "filled-alone": filled_alone,
    "bait": bait,
    "bait-of-the-whole-order": bait_of_the_whole_order,
    "thin-for-two-seconds": thin_for_two_seconds,
    "bait-bid": bait_bid,
}
"""They leave the pair as they found it."""
LIED_TO: dict[str, tuple[Callable[..., Awaitable[str]], dict[str, Any]]] = {
    "frames-stop": (frames_stop, {}),
    "frames-stop-a-alone": (
        frames_stop_and_a_is_alone,
        {"strategy.force_close_timeout": 6.0, "strategy.hedge_confirm_timeout_s": 2.0},
    ),
}
"""They need proxies before both sides."""
DEEP_LEVEL = {"strategy.depth": 40}


def _registered(name: str, about: str, run_scene: Callable[[Path], Awaitable[str]]) -> None:
    @case(f"price-{name}", about.splitlines()[0].rstrip("."))
    async def play(run: Run) -> list[Figure]:
        began = time.monotonic()
        print(f"{name}: {await run_scene(run.folder)}", flush=True)
        return [Figure("took", time.monotonic() - began, "s")]


def _on_a_pair(scene: Scene, **settings: Any) -> Callable[[Path], Awaitable[str]]:
    async def run(folder: Path) -> str:
        async with Pair(folder, settings={**SETTINGS, **settings}) as pair:
            await pair.start()
            return await scene(pair)

    return run


def _behind_proxies(
    scene: Callable[..., Awaitable[str]], settings: dict[str, Any]
) -> Callable[[Path], Awaitable[str]]:
    async def run(folder: Path) -> str:
        async with lied_to(folder, {**SETTINGS, **settings}) as (pair, liars):
            return await scene(pair, liars)

    return run


for _name, _scene in SCENES.items():
    _registered(_name, _scene.__doc__ or "", _on_a_pair(_scene))
for _name, (_lied, _settings) in LIED_TO.items():
    _registered(_name, _lied.__doc__ or "", _behind_proxies(_lied, _settings))
_registered("level-40", deep_level.__doc__ or "", _on_a_pair(deep_level, **DEEP_LEVEL))
