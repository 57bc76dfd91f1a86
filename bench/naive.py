"""(g) The plain way, for comparison: what most scripts of this kind do.

Both sides are what the SDK's examples lead to: its `WsClient` in a listener thread hears A's fill,
the main thread publishes it; on the other side a listener thread hears the message, the main
thread calls `create_market_order` over HTTP and asks until the position has changed, then it
confirms. Nothing here is fit for money: no fence, no book, no lease.
"""

import asyncio
import importlib
import json
import queue
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from bench.driver import fill_often, open_driver
from bench.latency import WARM_FILLS, Lags, lags_of
from bench.world import MARKET_ID, PairRun, World
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.processes import Child
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B, API_KEY_INDEX

LOTS = 100
PRICES = {"bid": 299_985, "ask": 300_015}
"""Best prices of the exchange's fixed book, in ticks."""

WORST = {"sell": 290_000, "buy": 310_000}
POLL_S = 0.01
CHANNEL_A, CHANNEL_B = "hedge:account_a_filled", "hedge:account_b_filled"


async def measure(world: World, fills: int, rng_seed: int = 1) -> Lags:
    """Run the plain pair through `fills` fills."""
    pair = await world.add_pair()
    async with open_driver(world, [pair.account_a]) as driver:
        for side in ("b", "a"):
            output = _spawn(world, pair, side)
            await world.until(lambda file=output: "ready" in file.read_text(), side, [pair])  # type: ignore[misc]
        rng = random.Random(rng_seed)
        await fill_often(driver, pair.account_a, WARM_FILLS, rng)
        after_seq = await world.last_seq()
        await fill_often(driver, pair.account_a, fills, rng)
        await driver.until_resting(pair.account_a)
    return await lags_of(world, pair, after_seq, with_stages=False)


def _spawn(world: World, pair: PairRun, side: str) -> Path:
    """Start one side; return the file with what it prints."""
    command = [sys.executable, "-m", "bench.naive", side, world.admin.base_url, world.ws_url]
    command += [str(world.redis_port), pair.accounts[side].private_key]
    output = pair.configs[side].parent / f"naive-{side}.out"
    pair.daemons[side] = Child(f"the plain {side.upper()}", command, output=output)
    return output


# --- the two scripts -----------------------------------------------------------------------


def _listen(target: Callable[[], Any]) -> None:
    threading.Thread(target=target, daemon=True).start()


async def _run_a(client: Any, ws_url: str, store: redis.Redis) -> None:
    """Place an order, publish its fill, wait for the confirmation, place the opposite one."""
    trades: queue.Queue[dict[str, Any]] = queue.Queue()
    seen: set[int] = set()
    subscribed = threading.Event()

    def on_account(_account: int, state: dict[str, Any]) -> None:
        for trade in state.get("trades", {}).get(str(MARKET_ID), []):
            if trade["trade_id"] not in seen:
                seen.add(trade["trade_id"])
                trades.put(trade)
        subscribed.set()

    listener = _sdk().WsClient(ws_url=ws_url, account_ids=[ACCOUNT_A], on_account_update=on_account)
    _listen(listener.run)
    confirmed = store.pubsub()  # type: ignore[no-untyped-call]
    confirmed.subscribe(CHANNEL_B)
    await asyncio.to_thread(subscribed.wait)
    print("ready", flush=True)
    is_ask, serial = False, 1
    while True:
        await client.create_order(
            MARKET_ID,
            serial,
            LOTS,
            PRICES["ask" if is_ask else "bid"],
            is_ask,
            client.ORDER_TYPE_LIMIT,
            client.ORDER_TIME_IN_FORCE_POST_ONLY,
        )
        trade = await _from(trades)
        store.publish(CHANNEL_A, json.dumps({"side": "sell" if is_ask else "buy", **trade}))
        while True:
            message = confirmed.get_message(ignore_subscribe_messages=True)
            if message is not None:
                break
            await asyncio.sleep(POLL_S)
        is_ask, serial = not is_ask, serial + 1


async def _run_b(client: Any, store: redis.Redis) -> None:
    """Hedge every message and confirm once the position has changed."""
    messages: queue.Queue[dict[str, Any]] = queue.Queue()
    heard = store.pubsub()  # type: ignore[no-untyped-call]
    heard.subscribe(CHANNEL_A)

    def listen() -> None:
        for message in heard.listen():
            if message["type"] == "message":
                messages.put(json.loads(message["data"]))

    _listen(listen)
    serial = 1
    account = _sdk().AccountApi(client.api_client)
    position = await _position(account)
    print("ready", flush=True)
    while True:
        fill = await _from(messages)
        side = "sell" if fill["side"] == "buy" else "buy"
        await client.create_market_order(MARKET_ID, serial, LOTS, WORST[side], side == "sell")
        position, serial = await _after(account, position), serial + 1
        store.publish(CHANNEL_B, json.dumps({"side": side, "time": time.time()}))


async def _after(account: Any, position: str) -> str:
    """Ask until the position is another one."""
    while True:
        now = await _position(account)
        if now != position:
            return now
        await asyncio.sleep(POLL_S)


async def _position(account: Any) -> str:
    answer = await account.account(by="index", value=str(ACCOUNT_B))
    rows = [row for row in answer.accounts[0].positions if row.market_id == MARKET_ID]
    return str(rows[0].position) if rows else "0"


async def _from(items: "queue.Queue[dict[str, Any]]") -> dict[str, Any]:
    """Return the next item of the listener thread, by looking again and again."""
    while True:
        try:
            return items.get_nowait()
        except queue.Empty:
            await asyncio.sleep(POLL_S)


def _sdk() -> Any:
    """Return the whole SDK, which is slow to import and wanted only here."""
    return importlib.import_module("lighter")


async def _main(side: str, base_url: str, ws_url: str, port: int, key: str) -> None:
    account = ACCOUNT_A if side == "a" else ACCOUNT_B
    client = _sdk().SignerClient(base_url, account, {API_KEY_INDEX: key})
    store = redis.Redis(host=LOOPBACK, port=port, decode_responses=True)
    try:
        await (_run_a(client, ws_url, store) if side == "a" else _run_b(client, store))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
