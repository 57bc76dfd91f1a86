"""What a measurement stands on: a private Redis, a paper exchange, pairs of daemons with keys."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio

from hedge.errors import AlreadyRunningError, HedgeError, RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, Source, find_server, is_free
from hedge.launcher.paper_admin import PaperAdmin
from hedge.launcher.processes import Child
from hedge.launcher.world import (
    ACCOUNT_A,
    ACCOUNT_B,
    PaperExchange,
    open_account,
    pair_values,
    spawn_daemon,
    write_config,
)
from hedge.launcher.world import Account as PaperAccount
from hedge.wire.names import Names

Json = dict[str, Any]

MARKET_ID, SIZE_DECIMALS = 0, 4
QUANTITY = "0.01"
LIVELY_STEPS = 20
"""Steps of the synthetic market per second: often enough that the fills do not empty its book."""

READY_S = 90.0
STOP_S = 20.0
POLL_S = 0.005
_CROWD_ACCOUNT = 700_000


class BenchError(HedgeError):
    """A measurement that could not be made; its text says why."""


@dataclass
class PairRun:
    """One pair: its name in Redis, accounts, keys, configuration and processes."""

    name: str
    accounts: dict[str, PaperAccount]
    configs: dict[str, Path]
    daemons: dict[str, Child] = field(default_factory=dict)
    started_ns: dict[str, int] = field(default_factory=dict)

    @property
    def account_a(self) -> int:
        """The index of A's account."""
        return self.accounts["a"].index

    @property
    def account_b(self) -> int:
        """The index of B's account."""
        return self.accounts["b"].index

    @property
    def names(self) -> Names:
        """Its names in Redis."""
        return Names(self.name)

    @property
    def running(self) -> list[Child]:
        """Its daemons that have not ended."""
        return [child for child in self.daemons.values() if child.poll() is None]

    def log(self, side: str) -> Path:
        """Return the log file of a side."""
        return self.configs[side].parent / "logs" / f"main_{side.upper()}.log"


class World:
    """One Redis and one exchange; `add_pair` and `start` put pairs on them."""

    def __init__(
        self,
        directory: Path,
        server: EmbeddedRedis,
        exchange: PaperExchange,
        level: str,
    ) -> None:
        """Take what `open_world` started."""
        self.directory = directory
        self.redis_port = port = server.port
        self._redis_pid = server.pid or 0
        self._exchange = exchange
        self.paper = exchange.process
        self.pairs: list[PairRun] = []
        self.client = redis.asyncio.Redis(host=LOOPBACK, port=port, decode_responses=True)
        self._level = level

    @property
    def admin(self) -> PaperAdmin:
        """The exchange's admin calls."""
        return self._exchange.admin

    @property
    def base_url(self) -> str:
        """The address of the exchange's calls."""
        return self._exchange.base_url

    @property
    def ws_url(self) -> str:
        """The address of the exchange's streams."""
        return self._exchange.ws_url

    # --- pairs

    async def add_pair(
        self,
        name: str = "",
        strategy: Json | None = None,
        *,
        lighter: Json | None = None,
        doors: Mapping[str, str] | None = None,
    ) -> PairRun:
        """Make a pair with keys and configuration; the nameless one has the usual accounts.

        `lighter` is added to the section of that name, a key with None is left out; by itself the
        pair asks as often as it likes. A side of `doors` goes to the exchange by that address.
        """
        number = len(self.pairs)
        indexes = (ACCOUNT_A, ACCOUNT_B)
        if name:
            indexes = (_CROWD_ACCOUNT + 2 * number, _CROWD_ACCOUNT + 2 * number + 1)
        accounts = {
            side: await asyncio.to_thread(open_account, self.admin, index, is_new=bool(name))
            for side, index in zip("ab", indexes, strict=True)
        }
        directory = self.directory / (name or "pair")
        directory.mkdir(parents=True)
        pair = PairRun(name, accounts, dict.fromkeys("ab", directory / "config.yaml"))
        values = self._config(pair, strategy or {})
        values["lighter"] |= lighter or {}
        values["lighter"] = {k: v for k, v in values["lighter"].items() if v is not None}
        for side, door in (doors or {}).items():
            pair.configs[side] = directory / f"config-{side}.yaml"
            values["lighter"] |= {"base_url": f"http://{door}", "ws_url": f"ws://{door}/stream"}
            write_config(pair.configs[side], values)
        if not doors:
            write_config(pair.configs["a"], values)
        self.pairs.append(pair)
        return pair

    def _config(self, pair: PairRun, strategy: Json) -> Json:
        values = pair_values(
            pair.accounts["a"],
            pair.accounts["b"],
            redis={"host": LOOPBACK, "port": self.redis_port},
            base_url=self._exchange.base_url,
            ws_url=self._exchange.ws_url,
            folder=pair.configs["a"].parent,
        )
        if pair.name:
            values["pair"] = pair.name
        values["lighter"] |= {"tier": "premium", "requests_per_minute": 240_000}
        values["strategy"] = {"quantity": QUANTITY, **strategy}
        values["logging"]["level"] = self._level
        return values

    def spawn(self, pair: PairRun, side: str) -> None:
        """Start one daemon of a pair."""
        pair.started_ns[side] = time.monotonic_ns()
        config = pair.configs[side]
        pair.daemons[side] = spawn_daemon(side, config, config.parent / f"{side}.out")

    async def start(self, pair: PairRun) -> None:
        """Start B, then A, and return once an order of A rests."""
        self.spawn(pair, "b")
        await self.until_ready(pair, "b")
        self.spawn(pair, "a")
        await self.until_ready(pair, "a")
        await self.until(lambda: _rests(pair.log("a")), "an order of A", [pair])

    async def until_ready(self, pair: PairRun, side: str) -> int:
        """Return the monotonic ns at which a side's heartbeat says that it is ready."""
        key: str = pair.names.ready(side)
        deadline = time.monotonic() + READY_S
        while True:
            text = str(await self.client.get(key))
            if '"ready":true' in text:
                return time.monotonic_ns()
            _check(pair.daemons.values())
            if time.monotonic() > deadline:
                raise BenchError(f"{side.upper()} was not ready in {READY_S:g} s: {text}")
            await asyncio.sleep(POLL_S)

    async def until(
        self,
        condition: Callable[[], bool],
        what: str,
        pairs: Iterable[PairRun] = (),
        timeout_s: float = 60.0,
    ) -> None:
        """Return once `condition()` holds; raises BenchError where it does not come to that."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            _check([self.paper, *(child for pair in pairs for child in pair.daemons.values())])
            if time.monotonic() > deadline:
                raise BenchError(f"waited {timeout_s:g} s in vain for {what}")
            await asyncio.sleep(POLL_S)

    def check(self, pair: PairRun) -> None:
        """Raise BenchError if the exchange or a daemon of the pair has ended by itself."""
        _check([self.paper, *pair.daemons.values()])

    async def stop(self, pair: PairRun) -> None:
        """Stop A, then B, cleanly; raises BenchError unless both say that the pair is neutral."""
        for side in ("a", "b"):
            child = pair.daemons.get(side)
            if child is None or child.poll() is not None:
                continue
            child.ask_to_stop()
            await self.until(lambda child=child: child.poll() is not None, f"the end of {side}")  # type: ignore[misc]
            if child.poll() != 0:
                raise BenchError(f"{child.name} ended with {child.poll()}: {child.last_words()}")

    def kill_all(self) -> None:
        """End every daemon that still runs."""
        for pair in self.pairs:
            for child in pair.daemons.values():
                child.kill()

    @property
    def server_pids(self) -> tuple[int, ...]:
        """The process ids of the exchange and of Redis."""
        return (self.paper.pid, self._redis_pid)

    # --- the exchange's log

    async def rows(self, what: str, account: int, after_seq: int) -> list[Json]:
        """Return "trades" or "orders" of an account with seq > `after_seq`, oldest first."""
        call = self.admin.trades if what == "trades" else self.admin.orders
        return await asyncio.to_thread(call, account, after_seq)

    async def last_seq(self) -> int:
        """Return the number of the exchange's newest event."""
        return await asyncio.to_thread(self.admin.last_seq)


def _rests(log: Path) -> bool:
    """Whether the log tells of an order in the book."""
    return log.exists() and "now=working" in log.read_text(encoding="utf-8", errors="replace")


def _check(children: Iterable[Child]) -> None:
    for child in children:
        if child.poll() is not None:
            raise BenchError(f"{child.name} ended with {child.poll()}: {child.last_words()}")


@asynccontextmanager
async def open_world(
    directory: Path,
    *,
    redis_port: int = 0,
    paper_port: int = 0,
    market: bool = False,
    level: str = "INFO",
    tier: str = "instant",
    extra: tuple[str, ...] = (),
) -> AsyncIterator[World]:
    """Start Redis and the exchange in an empty `directory`; end everything at the end.

    Raises RedisUnreachableError without a real Redis, AlreadyRunningError for a busy port.
    """
    found = find_server()
    if found.source is Source.FAKE:
        raise RedisUnreachableError(
            "no redis-server was found, and an imitation measures nothing: install Redis 6.2 or "
            "newer."
        )
    for name, port in (("--redis-port", redis_port), ("--paper-port", paper_port)):
        if port and not is_free(port):
            raise AlreadyRunningError(f"{name} {port} is in use: choose another, or 0 for any.")
    shutil.rmtree(directory, ignore_errors=True)
    with EmbeddedRedis(directory / "redis", redis_port, found=found) as server:
        exchange = PaperExchange(
            directory / "paper.out",
            port=paper_port,
            tier=tier,
            market=market,
            extra=(*(("--steps-per-s", str(LIVELY_STEPS)) if market else ()), *extra),
        )
        await asyncio.to_thread(exchange.start)
        world = World(directory, server, exchange, level)
        try:
            yield world
        finally:
            world.kill_all()
            await world.client.aclose()
            exchange.kill()
