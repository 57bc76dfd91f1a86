"""What a measurement stands on: a private Redis, a paper exchange, pairs of daemons with keys."""

import asyncio
import importlib
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio
import yaml

from hedge.errors import (
    AlreadyRunningError,
    ExchangeUnreachableError,
    HedgeError,
    RedisUnreachableError,
)
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, Source, find_server, is_free
from hedge.launcher.paper_admin import PaperAdmin
from hedge.launcher.processes import Child
from hedge.wire.names import Names

Json = dict[str, Any]

ACCOUNT_A, ACCOUNT_B = 280459, 280458
MARKET, MARKET_ID, SIZE_DECIMALS = "ETH", 0, 4
QUANTITY = "0.01"
KEY_INDEX = 4
LIVELY_STEPS = 20
"""Steps of the synthetic market per second: often enough that the fills do not empty its book."""

READY_S = 90.0
STOP_S = 20.0
POLL_S = 0.005
_CROWD_ACCOUNT = 700_000
_READY = re.compile(r"ready on (http://\S+) (ws://\S+)")


class BenchError(HedgeError):
    """A measurement that could not be made; its text says why."""


@dataclass
class PairRun:
    """One pair: its name in Redis, accounts, keys, configuration and processes."""

    name: str
    account_a: int
    account_b: int
    keys: dict[str, str]
    config: Path
    daemons: dict[str, Child] = field(default_factory=dict)
    started_ns: dict[str, int] = field(default_factory=dict)

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
        return self.config.parent / "logs" / f"main_{side.upper()}.log"


class World:
    """One Redis and one exchange; `add_pair` and `start` put pairs on them."""

    def __init__(
        self,
        directory: Path,
        server: EmbeddedRedis,
        paper: Child,
        admin: PaperAdmin,
        ws_url: str,
        level: str,
    ) -> None:
        """Take what `open_world` started."""
        self.directory = directory
        self.redis_port = port = server.port
        self._redis_pid = server.pid or 0
        self.admin = admin
        self.ws_url = ws_url
        self.paper = paper
        self.pairs: list[PairRun] = []
        self.client = redis.asyncio.Redis(host=LOOPBACK, port=port, decode_responses=True)
        self._level = level

    # --- pairs

    async def add_pair(self, name: str = "", strategy: Json | None = None) -> PairRun:
        """Make a pair with keys and configuration; the nameless one has the usual accounts."""
        number = len(self.pairs)
        accounts = (ACCOUNT_A, ACCOUNT_B)
        if name:
            accounts = (_CROWD_ACCOUNT + 2 * number, _CROWD_ACCOUNT + 2 * number + 1)
            for account in accounts:
                await asyncio.to_thread(self.admin.add_account, account, f"0xbench{account}")
        keys = {}
        for side, account in zip("ab", accounts, strict=True):
            private, public = new_key()
            await asyncio.to_thread(self.admin.register_key, account, KEY_INDEX, public)
            keys[side] = private
        directory = self.directory / (name or "pair")
        directory.mkdir(parents=True)
        pair = PairRun(name, *accounts, keys, directory / "config.yaml")
        pair.config.touch(mode=0o600)
        values = self._config(pair, strategy or {})
        pair.config.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        self.pairs.append(pair)
        return pair

    def _config(self, pair: PairRun, strategy: Json) -> Json:
        folder = pair.config.parent
        return {
            **({"pair": pair.name} if pair.name else {}),
            "market": MARKET,
            "accounts": {
                f"account_{side}": {
                    "account_index": account,
                    "api_key_index": KEY_INDEX,
                    "api_key_private_key": pair.keys[side],
                }
                for side, account in (("a", pair.account_a), ("b", pair.account_b))
            },
            "redis": {"host": LOOPBACK, "port": self.redis_port},
            "lighter": {
                "base_url": self.admin.base_url,
                "ws_url": self.ws_url,
                "tier": "premium",
                "requests_per_minute": 240_000,
            },
            "strategy": {"quantity": QUANTITY, **strategy},
            "state": {"dir": str(folder / "state")},
            "logging": {"dir": str(folder / "logs"), "console": False, "level": self._level},
        }

    def spawn(self, pair: PairRun, side: str) -> None:
        """Start one daemon of a pair."""
        command = [sys.executable, f"main_{side.upper()}.py", "--config", str(pair.config)]
        output = pair.config.parent / f"{side}.out"
        pair.started_ns[side] = time.monotonic_ns()
        pair.daemons[side] = Child(f"main_{side.upper()}", command, output=output)

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


def new_key() -> tuple[str, str]:
    """Return a new API key as (private, public) hex without 0x."""
    importlib.import_module(
        "hedge.exchange.lighter.sdk"
    )  # imports the SDK without its side effects
    from lighter.signer_client import create_api_key  # noqa: PLC0415  slow to import

    private, public, error = create_api_key()  # type: ignore[no-untyped-call]
    if error is not None:
        raise BenchError(f"the SDK could not make an API key: {error}")
    return str(private.removeprefix("0x")), str(public.removeprefix("0x"))


@asynccontextmanager
async def open_world(
    directory: Path,
    *,
    redis_port: int = 0,
    paper_port: int = 0,
    market: bool = False,
    level: str = "INFO",
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
        paper, admin, ws_url = await _start_exchange(directory, paper_port, extra, market=market)
        world = World(directory, server, paper, admin, ws_url, level)
        try:
            yield world
        finally:
            world.kill_all()
            await world.client.aclose()
            paper.kill()


async def _start_exchange(
    directory: Path, port: int, extra: tuple[str, ...], *, market: bool
) -> tuple[Child, PaperAdmin, str]:
    command = [sys.executable, "-m", "paper", "--port", str(port), "--tier", "instant", *extra]
    if not market:
        command.append("--no-market")
    else:
        command += ["--steps-per-s", str(LIVELY_STEPS)]
    output = directory / "paper.out"
    child = Child("the paper exchange", command, output=output)
    deadline = time.monotonic() + READY_S
    while True:
        match = _READY.search(output.read_text(encoding="utf-8", errors="replace"))
        if match is not None:
            return child, PaperAdmin(match[1]), match[2]
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise ExchangeUnreachableError(f"the exchange did not start: {child.last_words()}")
        await asyncio.sleep(POLL_S)
