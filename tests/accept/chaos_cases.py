"""Single hard cases, each on a world of its own: what chaos meets too seldom to be sure of.

Each case of `CASES` gets an empty folder, returns one line that says what was seen, and raises
AssertionError where a promise is broken. `KNOWN` names the counterexample that makes a case fail by
today's rules. `python -m tests.accept NAME` runs one alone.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import redis.asyncio

from hedge.launcher.embedded_redis import LOOPBACK
from tests.accept.cases import Figure, Run, case
from tests.fault_helpers import HEDGE, flat, goes_on, hedged_once, sent
from tests.pair_audit import lots
from tests.waiting import eventually
from tests.world.lying import Lie, LyingProxy
from tests.world.pair import KEY_INDEX, Pair
from tests.world.paper import ACCOUNT_B
from tests.world.proxy import TcpProxy
from tests.world.sentinels import MASTER, RawRedis, Sentinel, in_sync, role_of

Hard = Callable[[Path], Awaitable[str]]

FOREIGN_KEYS = 1_000_000
BATCH = 50_000
FAR_S = 0.08
SENTINELS = 3
PARTS = {"strategy.quantity": "1.0", "strategy.depth": 2}
"""An order large enough to be filled many times, behind a level that takes B's hedges."""
QUICK = {**PARTS, "timing.request_timeout_s": 1.0, "timing.ws_ping_s": 0.5}
LONG_S = 90.0
_FILL_REDIS = "for i=ARGV[1],ARGV[2] do redis.call('SET', 'other:'..i, i) end"


@contextlib.asynccontextmanager
async def lied_to(
    folder: Path, settings: Mapping[str, Any] = QUICK
) -> AsyncIterator[tuple[Pair, dict[str, LyingProxy]]]:
    """Give a running pair of which each side asks the exchange through a proxy that may lie."""
    async with contextlib.AsyncExitStack() as stack:
        pair = await stack.enter_async_context(Pair(folder, settings=settings))
        liars = {
            side: await stack.enter_async_context(LyingProxy(pair.paper.port)) for side in "ab"
        }
        pair.start_b(**through(liars["b"]))
        pair.start_a(**through(liars["a"]))
        await pair.until_ready_b()
        await pair.until_state_a("working")
        yield pair, liars


def through(liar: LyingProxy) -> dict[str, str]:
    """Return the configuration of a side behind its proxy."""
    address = f"{LOOPBACK}:{liar.port}"
    return {"lighter__base_url": f"http://{address}", "lighter__ws_url": f"ws://{address}/stream"}


async def lied(pair: Pair, lie: Lie, times: int = 1) -> None:
    """Wait until a lie has been told."""
    await pair.until(lambda: lie.told >= times, f"the lie about {lie.where}", 40.0)


# --- Redis


async def million_foreign_keys(folder: Path) -> str:
    """A Redis that others fill with a million keys: fills are hedged, and status answers."""
    async with Pair(folder, settings=PARTS) as pair:
        for first in range(0, FOREIGN_KEYS, BATCH):
            await pair.client.eval(_FILL_REDIS, 0, first, first + BATCH - 1)
        await pair.start()
        await pair.client.config_resetstat()
        for _ in range(5):
            await pair.fill_a("0.0100")
            await pair.until_neutral()
        scans = await scans_of(pair.client)
        assert scans == 0, f"the daemons looked through all keys {scans} times"
        began = time.monotonic()
        code, text = await pair.command("status")
        took_s = time.monotonic() - began
        assert code == 0, text
        await goes_on(pair)
    return f"{FOREIGN_KEYS} foreign keys: status in {took_s:.1f} s, no daemon scans"


async def scans_of(client: redis.asyncio.Redis) -> int:
    """Return how often anyone looked through all keys since the counters were reset."""
    stats = await client.info("commandstats")
    names = ("cmdstat_scan", "cmdstat_keys")
    return sum(int(stats[name]["calls"]) for name in names if name in stats)


async def far_sentinels(folder: Path) -> str:
    """Three healthy Sentinels, each 80 ms away: the pair starts, and outlives a fail-over."""
    async with contextlib.AsyncExitStack() as stack:
        pair = await stack.enter_async_context(Pair(folder, settings=PARTS))
        replica = RawRedis(
            folder / "replica", "--replicaof", LOOPBACK, str(pair.redis.port), "--repl-timeout", "5"
        )
        sentinels = [
            Sentinel(folder / f"sentinel-{n}", pair.redis.port, quorum=2) for n in range(SENTINELS)
        ]
        for server in (replica, *sentinels):
            stack.push_async_callback(asyncio.to_thread, server.kill)
            await asyncio.to_thread(server.start)
        await eventually(lambda: asyncio.to_thread(in_sync, replica.port), 20.0, "a replica")
        addresses = []
        for sentinel in sentinels:
            proxy = await stack.enter_async_context(TcpProxy(LOOPBACK, sentinel.port))
            proxy.up.delay_s = proxy.down.delay_s = FAR_S
            addresses.append(f"{LOOPBACK}:{proxy.port}")
        await pair.start(
            redis__sentinels=addresses,
            redis__master_name=MASTER,
            redis__host=None,
            redis__port=None,
            timing__redis_timeout_s=2.0,
        )
        await pair.fill_a("0.0100")
        await pair.until_neutral()
        await asyncio.to_thread(pair.redis.kill)

        def promoted() -> bool:
            return role_of(replica.port) == "master"

        await eventually(lambda: asyncio.to_thread(promoted), 30.0, "the replica as master")
        await pair.use_redis(replica.port)
        await pair.until_neutral(40.0)
        await goes_on(pair)
    return f"{SENTINELS} Sentinels {FAR_S * 1000:.0f} ms away each way, one fail-over"


# --- frames and answers


async def pongs_and_no_data(folder: Path) -> str:
    """A's socket answers pings and carries no data: B's watch hedges, and A finds its fill."""
    async with lied_to(folder) as (pair, liars):
        await flat(pair)
        since = time.monotonic_ns()
        lies = [
            Lie(channel, "drop", lasting=True)
            for channel in ("account_all_trades", "account_all_orders", "account_tx")
        ]
        liars["a"].lies.extend(lies)
        await pair.take("sell", "0.0400")
        await lied(pair, lies[0])
        await hedged_once(pair, since, 400)
        liars["a"].lies.clear()
        await goes_on(pair)
    return "hedged once, and A quotes again"


async def position_zero_once(folder: Path) -> str:
    """One account answer says 0 while 0.03 is held: it is not believed, by A nor by B."""
    async with lied_to(folder, {**QUICK, "timing.compare_s": 1.0}) as (pair, liars):
        for side in "ab":
            await flat(pair)
            await pair.fill_a("0.0300")
            await pair.until_neutral()
            since, held = time.monotonic_ns(), (await pair.positions())[1]
            lie = Lie("/api/v1/account", name="position", value="0.0000")
            liars[side].lies.append(lie)
            await lied(pair, lie)
            await pair.until_neutral(40.0)
            assert (await pair.positions())[1] == held
            assert await sent(pair, ACCOUNT_B, since) == []
            liars[side].lies.clear()
            await goes_on(pair)
    return "nothing was traded on it"


async def orders_in_one_frame(folder: Path) -> str:
    """Rows of several orders, or several states of one, come in one frame."""
    async with lied_to(folder) as (pair, liars):
        for side in "ab":
            lie = Lie("account_all_orders", "merge", lasting=True)
            liars[side].lies.append(lie)
            for _ in range(3):
                since = time.monotonic_ns()
                await flat(pair)
                await pair.fill_a("0.0200")
                await pair.until_neutral(40.0)
                assert sum(row.filled_lots for row in await sent(pair, ACCOUNT_B, since)) > 0
            liars[side].lies.clear()
            assert lie.told > 0
            await goes_on(pair)
    return "each fill is hedged once"


async def cancelled_with_a_partial_fill(folder: Path) -> str:
    """B's hedge ends cancelled with a part filled, A's rest is cancelled after a part."""
    async with Pair(folder, settings=PARTS) as pair:
        await pair.start()
        for part in ("0.0001", "0.0010", "0.0399"):
            await flat(pair)
            since = time.monotonic_ns()
            fault = await pair.paper.fault("partial_fill", **HEDGE, base_amount=part)
            await pair.fill_a("0.0400")
            await hedged_once(pair, since, 400)
            assert await pair.paper.fired(fault) == 1
            executed = [life.filled_lots for life in await sent(pair, ACCOUNT_B, since)]
            assert lots(part) in executed, executed
    return "only the rest was sent again"


async def offset_jumps(folder: Path) -> str:
    """Offsets of the order book jump on a live socket: A goes on quoting at true prices."""
    async with lied_to(folder) as (pair, liars):
        for lasting in (False, True):
            lie = Lie("order_book", name="offset", value=7, lasting=lasting)
            liars["a"].lies.append(lie)
            await pair.paper.take(0, "buy", "0.0010")
            await lied(pair, lie)
            await flat(pair)
            await pair.fill_a("0.0200")
            await pair.until_neutral()
            liars["a"].lies.clear()
            await goes_on(pair)
    return "A quotes on"


async def reported_failed_but_filled(folder: Path) -> str:
    """An order that executes is answered with an error: it is looked up, not sent again."""
    async with lied_to(folder) as (pair, liars):
        for code in (21000, 21602, 21734):
            await flat(pair)
            since = time.monotonic_ns()
            lie = Lie("jsonapi/sendtx", name="code", value=code)
            liars["b"].lies.append(lie)
            await pair.fill_a("0.0300")
            await lied(pair, lie)
            liars["b"].lies.clear()
            await hedged_once(pair, since, 300)
    return "hedged once behind three sorts of false refusals"


async def expired_token(folder: Path) -> str:
    """The exchange calls a token expired, in answers and to subscriptions: a fresh one is made."""
    text = '{"code":20013,"message":"invalid auth: token is expired"}'
    async with lied_to(folder) as (pair, liars):
        for side in "ab":
            since = time.monotonic_ns()
            await flat(pair)
            frames = Lie("account_all_orders", "say", text=f'{{"error":{text}}}')
            answers = Lie("/api/v1/trades", "say", text=text, status=400)
            liars[side].lies.extend((frames, answers))
            owner = pair.account_a if side == "a" else pair.account_b
            await pair.paper.fault("socket_cut", account_index=owner)
            await lied(pair, frames)
            await pair.until_neutral(40.0)
            await pair.until_resting()
            liars[side].lies.clear()
            await pair.fill_a("0.0200")
            await pair.until_neutral(40.0)
            assert sum(life.filled_lots for life in await sent(pair, ACCOUNT_B, since)) > 0
            await goes_on(pair)
    return "both sides come back with a fresh token"


async def parallel_transactions(folder: Path) -> str:
    """Another program spends nonces of B's key while B hedges: never twice, and it ends neutral."""
    async with Pair(folder, settings=PARTS) as pair:
        await pair.start()
        for _ in range(4):
            await flat(pair)
            since = time.monotonic_ns()
            use = {"account_index": ACCOUNT_B, "api_key_index": KEY_INDEX}
            spending = [pair.paper.fault("foreign_key_use", **use) for _ in range(3)]
            await asyncio.gather(pair.fill_a("0.0300"), *spending)
            await hedged_once(pair, since, 300)
    return "12 foreign nonces beside 4 hedges"


CASES: dict[str, Hard] = {
    "million-foreign-keys": million_foreign_keys,
    "far-sentinels": far_sentinels,
    "pongs-and-no-data": pongs_and_no_data,
    "position-zero-once": position_zero_once,
    "orders-in-one-frame": orders_in_one_frame,
    "cancelled-with-a-partial-fill": cancelled_with_a_partial_fill,
    "offset-jumps": offset_jumps,
    "reported-failed-but-filled": reported_failed_but_filled,
    "expired-token": expired_token,
    "parallel-transactions": parallel_transactions,
}
KNOWN: dict[str, int] = {"far-sentinels": 55}
"""Cases that today's rules fail, by the counterexample that they show."""


def _registered(name: str, hard: Hard) -> None:
    """Make it a case of `make accept`: it took so long, and holds, or fails as it is known to."""

    @case(name, (hard.__doc__ or "").splitlines()[0].rstrip("."))
    async def play(run: Run) -> list[Figure]:
        began = time.monotonic()
        try:
            words = await hard(run.folder)
        except AssertionError as error:
            if name not in KNOWN:
                raise
            words = f"fails as known (counterexample {KNOWN[name]}): {str(error).splitlines()[0]}"
        else:
            held = f"{name} holds now: take it out of KNOWN ({words})"
            assert name not in KNOWN, held
        print(f"{name}: {words}", flush=True)
        return [Figure("took", time.monotonic() - began, "s")]


for _name, _hard in CASES.items():
    _registered(_name, _hard)
