"""What the tests of the bus share: a pair, its messages, and a proxy that tampers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from hedge.bus.port import PairScope
from hedge.config.schema import RedisConfig
from hedge.core.amounts import MICROS, MarketSpec, Side
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.wire.envelope import Envelope
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed
from hedge.wire.names import LeaseKey
from hedge.wire.state import Ledger, Neutral, PositionState, Ready
from redis_messenger import RedisMessenger

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10 * MICROS)
CHAIN, ACCOUNT_A, ACCOUNT_B = 304, 280459, 280458
SCOPE = PairScope(CHAIN, ACCOUNT_A, ACCOUNT_B, SPEC)
LEASE_A, LEASE_B = LeaseKey(CHAIN, ACCOUNT_A, 4), LeaseKey(CHAIN, ACCOUNT_B, 5)
INSTANCE_A, INSTANCE_B = "aaaaaaaaaaa1", "bbbbbbbbbbb2"
EPOCH_A = "a" * 16

Make = Callable[..., RedisMessenger]
"""Makes a bound messenger; see the fixture `make`."""


class Ear:
    """A listening messenger and all that it heard."""

    def __init__(self, messenger: RedisMessenger, *channels: str) -> None:
        self.messenger = messenger
        self.heard: list[str] = []
        self.links: list[bool] = []
        self.complaints: list[str] = []
        for channel in channels:
            messenger.subscribe(channel, self.heard.append)
        messenger.on_link(self.links.append)
        messenger.on_complaint(self.complaints.append)

    @property
    def is_up(self) -> bool:
        return bool(self.links) and self.links[-1]


@contextlib.asynccontextmanager
async def listening(messenger: RedisMessenger, *channels: str) -> AsyncIterator[Ear]:
    """Listen to channels for as long as the block runs."""
    ear = Ear(messenger, *channels)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(messenger.start_listening(), name="listen")
        try:
            yield ear
        finally:
            task.cancel()


class Tamper:
    """A proxy before Redis that can swallow what the server says, or slip commands in."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self.upstreams: list[asyncio.StreamWriter] = []
        self.swallow = False
        self.swallow_marked: bytes | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    @property
    def settings(self) -> RedisConfig:
        return RedisConfig(host=LOOPBACK, port=self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._port)
        self._writers += [writer, up_writer]
        self.upstreams.append(up_writer)
        with contextlib.suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, up_writer, down=False))
                group.create_task(self._pass(up_reader, writer, down=True))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if down and self.swallow:
                    continue
                if down and self.swallow_marked and self.swallow_marked in data:
                    continue
                writer.write(data)
        writer.close()


def position(seq: int, lots: int = 100, instance: str = INSTANCE_A, **other: Any) -> PositionState:
    values: dict[str, Any] = {
        "chain_id": CHAIN,
        "account_index": ACCOUNT_A,
        "market_index": 0,
        "instance": instance,
        "seq": seq,
        "position_lots": lots,
        "floor_trade_id": 0,
        "last_trade_id": seq,
        "timestamp": 1,
    }
    return PositionState(**{**values, **other})


def a_filled(seq: int, lots: int = 100) -> AFilled:
    return AFilled(
        account_index=ACCOUNT_A,
        market_index=0,
        order_index=7,
        filled_lots=lots,
        quote_micros=30_000_000,
        avg_price_micros=3_000_000_000,
        timestamp=1,
        side=Side.BUY,
        instance=INSTANCE_A,
        seq=seq,
        position_lots=lots,
        chain_id=CHAIN,
        trade_id=seq,
        client_order_index=3,
        envelope=Envelope("", EPOCH_A, seq),
    )


def b_filled(a_seq: int) -> BFilled:
    return BFilled(
        account_index=ACCOUNT_B,
        market_index=0,
        order_index=8,
        filled_lots=100,
        quote_micros=30_000_000,
        avg_price_micros=3_000_000_000,
        timestamp=1,
        side=Side.SELL,
        client_order_index=4,
        trade_ids=(11,),
        a_seq=a_seq,
        owed_lots=0,
        attempt=1,
        latency_ms=3,
        chain_id=CHAIN,
    )


def b_failed() -> BHedgeFailed:
    return BHedgeFailed(
        account_index=ACCOUNT_B,
        market_index=0,
        reason="not_enough_margin",
        detail="available 0",
        attempts=1,
        owed_lots=-100,
        a_seq=1,
        timestamp=1,
        chain_id=CHAIN,
    )


def ledger(a_seq: int = 1, owed: int = 0, **other: Any) -> Ledger:
    values: dict[str, Any] = {
        "chain_id": CHAIN,
        "account_index": ACCOUNT_B,
        "market_index": 0,
        "instance": INSTANCE_B,
        "a_instance": INSTANCE_A,
        "a_seq": a_seq,
        "a_position_lots": 100,
        "owed_lots": owed,
        "dust_lots": 0,
        "manual_lots": 0,
        "inflight": False,
        "failed": None,
        "reasons": (),
        "timestamp": 1,
    }
    return Ledger(**{**values, **other})


def neutral() -> Neutral:
    return Neutral(
        chain_id=CHAIN,
        a_account_index=ACCOUNT_A,
        b_account_index=ACCOUNT_B,
        market_index=0,
        a_position_lots=100,
        b_position_lots=-100,
        a_trade_id=1,
        b_trade_id=11,
        timestamp=1,
    )


def ready(side: str = "b") -> Ready:
    return Ready(
        side=side,
        ready=True,
        reasons=(),
        state="IDLE",
        instance=INSTANCE_B,
        can_hedge_lots=5000,
        version="0.1.0",
        chain_id=CHAIN,
        a_account_index=ACCOUNT_A,
        b_account_index=ACCOUNT_B,
        market_index=0,
        offset_lots=0,
        timestamp=1,
    )
