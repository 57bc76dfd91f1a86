"""Both pairs' world: Redis, the paper exchange, the hosts' configurations and ways to both."""

import asyncio
import contextlib
import json
import random
import sys
from pathlib import Path
from typing import Any, Self

from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.processes import Child
from tests.chaos.kinds import HOSTS, LAUNCHER, PAIRS, WIDE
from tests.chaos.links import Link
from tests.world.lying import LyingProxy
from tests.world.pair import FAST, Daemon, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B, PaperProcess
from tests.world.proxy import TcpProxy
from tests.world.sentinels import MASTER, SentinelWorld

SHORTENED = {
    **FAST,
    "tick_s": 0.1,
    "ready_ttl_s": 2.0,
    "answer_timeout_s": 1.0,
    "settle_timeout_s": 1.5,
    "request_timeout_s": 2.0,
    "place_deadline_s": 2.5,
    "ws_ping_s": 2.0,
    "ws_silence_s": 6.0,
    "prove_deadline_s": 60.0,
    "quiet_after_429_s": 2.0,
}
"""Every timer but `prove_deadline_s`, the one that halts, is shorter than in real life."""

BY_SENTINEL = {"redis_timeout_s": 2.0}
"""A Sentinel has a share of it to answer in, and the world runs on few cores."""

QUANTITY = "0.05"
MAX_DRIFT_USD = 1
"""So small that every debt which the daemons cannot explain halts, and is counted."""
STEPS_PER_S = 6
"""Steps of each market of a fast exchange; "busy" faults add spells that are faster by far.

More would be of no use: a restart of the exchange replays every step.
"""
FOLLOW_S = 0.3
NEAR_S, FAR_S = 0.002, 0.04
"""How far a host is from the exchange, each way, where all faults may happen: drawn by the seed."""
ACCOUNTS = {"one": (ACCOUNT_A, ACCOUNT_B), "two": (700_002, 700_003)}


class World:
    """Everything that runs beside the daemons, and how to start them. Use `async with`.

    With all faults Redis is a master and a replica under a Sentinel, each host asks the exchange
    through a proxy that may lie, and the market is fast.
    """

    def __init__(self, folder: Path, seed: int, faults: str) -> None:
        self.folder = folder
        self.faults = faults
        settings = {
            "timing": SHORTENED | (BY_SENTINEL if faults == WIDE else {}),
            "strategy.quantity": QUANTITY,
            "safety.max_drift_usd": MAX_DRIFT_USD,
            "logging.max_mb": 1000,
        }
        self.pair = Pair(folder, settings=settings)
        self.pair.paper = PaperProcess(
            market=True,
            seed=seed,
            state_dir=folder / "exchange",
            extra=("--steps-per-s", str(STEPS_PER_S)) if self.is_wide else (),
        )
        self.two = Pair(
            folder / "two", settings=settings, name="two", indexes=ACCOUNTS["two"], beside=self.pair
        )
        self.links: dict[str, Link] = {}
        self.liars: dict[str, LyingProxy] = {}
        self.sentinels: SentinelWorld | None = None
        self._sentinel_ports: dict[str, int] = {}
        self._stack = contextlib.AsyncExitStack()
        self._configs: dict[str, Path] = {}
        self._launches = 0
        self._rng = random.Random(f"world:{seed}")

    @property
    def is_wide(self) -> bool:
        """Whether every fault may happen here."""
        return self.faults == WIDE

    @property
    def pairs(self) -> dict[str, Pair]:
        """Both pairs by name."""
        return dict(zip(PAIRS, (self.pair, self.two), strict=True))

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self.pair)
            await self._stack.enter_async_context(self.two)
            if self.is_wide:
                self.sentinels = SentinelWorld(self.folder, self.pair.redis)
                await asyncio.to_thread(self.sentinels.__enter__)
                self._stack.push_async_callback(asyncio.to_thread, self.sentinels.stop)
            for host in HOSTS:
                await self._connect(host)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _connect(self, host: str) -> None:
        """Lay a host's ways to Redis and the exchange."""
        port = self.pair.paper.port
        if self.is_wide:
            self.liars[host] = await self._stack.enter_async_context(LyingProxy(port))
            port = self.liars[host].port
        self.links[f"{host}-exchange"] = Link(await self._proxy(port))
        if self.is_wide:
            self.links[f"{host}-exchange"].lag(self._rng.uniform(NEAR_S, FAR_S))
        proxies = [await self._proxy(self.pair.redis.port)]
        if self.sentinels is not None:
            proxies.append(await self._proxy(self.sentinels.replica.port))
            sentinel = await self._proxy(self.sentinels.sentinel.port)
            ports = (self.pair.redis.port, self.sentinels.replica.port)
            sentinel.down.replaced = {
                _bulk(true): _bulk(proxy.port) for true, proxy in zip(ports, proxies, strict=True)
            }
            self._sentinel_ports[host] = sentinel.port
            proxies.append(sentinel)
        self.links[f"{host}-redis"] = Link(*proxies)

    async def _proxy(self, port: int) -> TcpProxy:
        return await self._stack.enter_async_context(TcpProxy(LOOPBACK, port))

    async def follow_master(self) -> None:
        """Look into that Redis which the Sentinel calls the master, until cancelled."""
        if (sentinels := self.sentinels) is None:
            return
        port = self.pair.redis.port
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                now = await asyncio.to_thread(sentinels.sentinel.master_port)
            except Exception:  # noqa: BLE001  a Sentinel that is away says nothing
                continue
            if now != port:
                port = now
                for pair in self.pairs.values():
                    await pair.use_redis(port)

    # --- processes

    def start_daemon(self, name: str) -> Daemon:
        """Start the daemon `name`: "a", "b1" or "b2"."""
        return Daemon(name[0], self.config_of(name), self.folder / f"{name}.out")

    def start_launcher(self) -> Child:
        """Start the launcher of the second pair."""
        self._launches += 1
        command = [sys.executable, "-m", "hedge.launcher", "--config", str(self.config_of("two"))]
        return Child("launcher", command, output=self.launch_file(self._launches))

    def launch_file(self, number: int) -> Path:
        """Return what the launcher's life of this number printed."""
        return self.folder / "two" / f"launcher-{number}.out"

    def config_of(self, name: str) -> Path:
        """Return the configuration of a host, behind its own proxies."""
        if name not in self._configs:
            exchange = f"{LOOPBACK}:{self.links[f'{name}-exchange'].port}"
            pair = self.two if name == LAUNCHER else self.pair
            self._configs[name] = pair.config_of(
                "ab" if name == LAUNCHER else name[0],
                **self._redis_of(name),
                lighter__base_url=f"http://{exchange}",
                lighter__ws_url=f"ws://{exchange}/stream",
                state__dir=str(self.state_dir(name)),
                logging__dir=str(self.log_dir(name)),
            )
        return self._configs[name]

    def operator_config(self, name: str) -> Path:
        """Return the configuration of a person who looks at a pair beside every proxy."""
        if (key := f"operator-{name}") not in self._configs:
            redis: dict[str, Any] = {}
            if self.sentinels is not None:
                redis = _by_sentinel(self.sentinels.sentinel.port)
            self._configs[key] = self.pairs[name].config_of("a", **redis)
        return self._configs[key]

    def _redis_of(self, host: str) -> dict[str, Any]:
        if host not in self._sentinel_ports:
            return {"redis__port": self.links[f"{host}-redis"].port}
        return _by_sentinel(self._sentinel_ports[host])

    def instance_of(self, name: str) -> str:
        """Return the newest process instance of a daemon, "" before its first start."""
        for file in self.state_dir(name).glob("*/host.json"):
            return str(json.loads(file.read_text(encoding="utf-8")).get("instance", ""))
        return ""

    def state_dir(self, host: str) -> Path:
        """Return the directory of a host's state."""
        return self.folder / f"state-{host}"

    def log_dir(self, host: str) -> Path:
        """Return the directory of a host's logs."""
        return self.folder / f"logs-{host}"

    def log_of(self, name: str) -> Path:
        """Return the log of a daemon: "a", "b1", "two-a" and so on."""
        host, _, side = name.partition("-")
        return self.log_dir(host) / f"main_{(side or host)[0].upper()}.log"


def _by_sentinel(port: int) -> dict[str, Any]:
    return {
        "redis__sentinels": [f"{LOOPBACK}:{port}"],
        "redis__master_name": MASTER,
        "redis__host": None,
        "redis__port": None,
    }


def _bulk(port: int) -> bytes:
    """Return a port as a Sentinel writes it in an answer."""
    return f"${len(str(port))}\r\n{port}\r\n".encode()
