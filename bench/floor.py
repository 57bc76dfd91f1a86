"""(a) The floor: one hop through Redis, one signature, one order over the open socket.

Nothing can be faster than the sum of the three with these libraries on this machine. The hop goes
from this process to another one through the real message and the real script; signature and order
go through the real venue adapter. The pauses between samples are those of the latency run.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.stats import Json, Spread
from bench.world import BenchError, World
from hedge.bus.port import PairScope
from hedge.core import ids
from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.daemon.clock import SystemClock
from hedge.daemon.host_os import loop_factory
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.venue import LighterSettings, LighterVenue
from hedge.exchange.port import OrderKind, OrderRequest, Path, StreamUp, TimeInForce, VenueEvent
from hedge.launcher.processes import Child
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B, API_KEY_INDEX, MARKET, open_account
from hedge.wire.messages import AFilled
from hedge.wire.names import LeaseKey
from hedge.wire.state import PositionState
from redis_messenger import RedisMessenger

INSTANCE = "0123456789ab"
EAR_S = 20.0
ANSWER_S = 2.0
WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Floor:
    """The three costs in ms."""

    hop: Spread
    sign: Spread
    send: Spread

    @property
    def total_ms(self) -> float:
        """The sum of the three medians."""
        return sum(part.at(50) or 0.0 for part in (self.hop, self.sign, self.send))

    @property
    def json(self) -> Json:
        """The figures for the file."""
        return {
            "total_ms": round(self.total_ms, 3),
            "hop": self.hop.json,
            "sign": self.sign.json,
            "send": self.send.json,
        }


async def measure(world: World, count: int, seed: int = 1) -> Floor:
    """Measure each cost `count` times."""
    rng = random.Random(seed)
    async with _open_venue(world) as venue:
        hop = await _hops(world, venue, count, rng)
        sign, send = await _orders(venue, count, rng)
    return Floor(
        Spread.of("Redis hop", hop),
        Spread.of("signature", sign),
        Spread.of("order over WebSocket", send),
    )


async def _pause(rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0.003, 0.008))


# --- the hop -------------------------------------------------------------------------------


async def _hops(world: World, venue: LighterVenue, count: int, rng: random.Random) -> list[float]:
    """Publish fills and return how long each took to the handler of another process."""
    output = world.directory / "ear.out"
    count += WARM_UP
    ear = Child(
        "the listener",
        [sys.executable, "-m", "bench.floor", str(world.redis_port), str(count)],
        output=output,
    )
    messenger = _messenger(world.redis_port)
    messenger.bind(_scope(venue), _lease(venue, ACCOUNT_A), _lease(venue, ACCOUNT_B))
    try:
        await world.until(lambda: "listening" in output.read_text(), "the listener")
        for seq in range(count):
            await _pause(rng)
            await messenger.publish_fill(_position(venue, seq), _fill(venue, seq))
        await world.until(lambda: ear.poll() is not None, "all messages", timeout_s=EAR_S)
    finally:
        ear.kill()
        await messenger.aclose()
    samples: list[float] = json.loads(output.read_text().splitlines()[-1])
    return samples[WARM_UP:]


def _messenger(port: int) -> RedisMessenger:
    return RedisMessenger("127.0.0.1", port, pair="floor", instance=INSTANCE, host_id=INSTANCE)


def _scope(venue: LighterVenue) -> PairScope:
    return PairScope(
        chain_id=venue.chain_id, account_a=ACCOUNT_A, account_b=ACCOUNT_B, spec=venue.spec
    )


def _lease(venue: LighterVenue, account: int) -> LeaseKey:
    return LeaseKey(venue.chain_id, account, API_KEY_INDEX)


def _position(venue: LighterVenue, seq: int) -> PositionState:
    return PositionState(
        chain_id=venue.chain_id,
        account_index=ACCOUNT_A,
        market_index=venue.spec.market_index,
        instance=INSTANCE,
        seq=seq + 1,
        position_lots=100,
        floor_trade_id=1,
        last_trade_id=1000 + seq,
        timestamp=int(time.time()),
    )


def _fill(venue: LighterVenue, seq: int) -> AFilled:
    now_ns = time.monotonic_ns()
    return AFilled(
        account_index=ACCOUNT_A,
        market_index=venue.spec.market_index,
        order_index=562947300641615,
        filled_lots=100,
        quote_micros=30 * MICROS,
        avg_price_micros=3000 * MICROS,
        timestamp=int(time.time()),
        side=Side.BUY,
        instance=INSTANCE,
        seq=seq + 1,
        position_lots=100,
        chain_id=venue.chain_id,
        trade_id=1000 + seq,
        last_trade_id=1000 + seq,
        client_order_index=ids.order_id(INSTANCE, seq + 1),
        frame_ns=now_ns,
        published_ns=now_ns,
    )


async def _hear(port: int, count: int) -> None:
    """Be the other process: listen, and print how long each message was on its way."""
    samples: list[float] = []
    done = asyncio.Event()

    def heard(text: str) -> None:
        now_ns = time.monotonic_ns()
        samples.append((now_ns - json.loads(text)["published_ns"]) / 1e6)
        if len(samples) == count:
            done.set()

    messenger = _messenger(port)
    messenger.subscribe(messenger.names.account_a_filled, heard)
    messenger.on_link(lambda up: print("listening", flush=True) if up else None)
    async with asyncio.timeout(EAR_S + count * 0.05):
        listening = asyncio.create_task(messenger.start_listening())
        await done.wait()
        listening.cancel()
    await messenger.aclose()
    print(json.dumps(samples), flush=True)


# --- signature and order -------------------------------------------------------------------


@asynccontextmanager
async def _open_venue(world: World) -> AsyncIterator[LighterVenue]:
    """Give the venue of account B with its streams up."""
    account = await asyncio.to_thread(open_account, world.admin, ACCOUNT_B)
    clock = SystemClock()
    budget = RequestBudget(clock, 240_000)
    settings = LighterSettings(world.admin.base_url, world.ws_url, MARKET)
    is_up = asyncio.Event()

    def hear(event: VenueEvent) -> None:
        if isinstance(event, StreamUp):
            is_up.set()

    credentials = Credentials(account.index, account.key_index, account.private_key)
    async with LighterVenue.open(settings, credentials, clock=clock, budget=budget) as venue:
        streams = asyncio.create_task(venue.run_streams(hear))
        try:
            async with asyncio.timeout(EAR_S):
                await is_up.wait()
            yield venue
        finally:
            streams.cancel()
            await asyncio.wait([streams])


async def _orders(
    venue: LighterVenue, count: int, rng: random.Random
) -> tuple[list[float], list[float]]:
    """Sign and send orders that cannot fill; return the ms of signing and of the answer."""
    sign, send = [], []
    nonce = await venue.next_nonce()
    for number in range(count + WARM_UP):
        await _pause(rng)
        begun_ns = time.monotonic_ns()
        tx = await venue.sign_order(_order(venue.spec, nonce), nonce)
        signed_ns = time.monotonic_ns()
        answer = await venue.send(tx, Path.STREAM, ANSWER_S)
        answered_ns = time.monotonic_ns()
        if not answer.accepted:
            raise BenchError(f"the exchange refused an order: {answer}")
        nonce += 1
        if number >= WARM_UP:
            sign.append((signed_ns - begun_ns) / 1e6)
            send.append((answered_ns - signed_ns) / 1e6)
    return sign, send


def _order(spec: MarketSpec, nonce: int) -> OrderRequest:
    return OrderRequest(
        client_order_index=ids.order_id(INSTANCE, nonce),
        side=Side.BUY,
        lots=100,
        price_ticks=spec.ticks("1500"),
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_hear(int(sys.argv[1]), int(sys.argv[2])))
