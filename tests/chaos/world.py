"""The pair's world for chaos: Redis, the paper exchange, three daemons' settings, six proxies."""

import contextlib
import json
from pathlib import Path
from typing import Self

from hedge.launcher.embedded_redis import LOOPBACK
from tests.chaos.kinds import LINKS
from tests.world.pair import FAST, Daemon, Pair
from tests.world.paper import PaperProcess
from tests.world.proxy import TcpProxy

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

QUANTITY = "0.05"
MAX_DRIFT_USD = 1
"""So small that every debt which the daemons cannot explain halts, and is counted."""


class World:
    """Everything that runs beside the daemons, and how to start a daemon. Use `async with`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        settings = {
            "timing": SHORTENED,
            "strategy.quantity": QUANTITY,
            "safety.max_drift_usd": MAX_DRIFT_USD,
            "logging.max_mb": 1000,
        }
        self.pair = Pair(folder, market=True, proxied=LINKS, settings=settings, keep_exchange=True)
        self.pair.paper = PaperProcess(market=True, seed=seed, state_dir=folder / "exchange")
        self._stack = contextlib.AsyncExitStack()
        self._configs: dict[str, Path] = {}

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.pair)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def proxies(self) -> dict[str, TcpProxy]:
        """The proxies by link."""
        return self.pair.proxies

    def start_daemon(self, name: str) -> Daemon:
        """Start the daemon `name`: "a", "b1" or "b2"."""
        return Daemon(name[0], self.config_of(name), self.folder / f"{name}.out")

    def config_of(self, name: str) -> Path:
        """Return the configuration of a daemon, behind its own proxies."""
        if name not in self._configs:
            exchange = f"{LOOPBACK}:{self.proxies[f'{name}-exchange'].port}"
            self._configs[name] = self.pair.config_of(
                name[0],
                redis__port=self.proxies[f"{name}-redis"].port,
                lighter__base_url=f"http://{exchange}",
                lighter__ws_url=f"ws://{exchange}/stream",
                state__dir=str(self.folder / f"state-{name}"),
                logging__dir=str(self.log_dir(name)),
            )
        return self._configs[name]

    def instance_of(self, name: str) -> str:
        """Return the newest process instance of a daemon, "" before its first start."""
        for file in (self.folder / f"state-{name}").glob("*/host.json"):
            return str(json.loads(file.read_text(encoding="utf-8")).get("instance", ""))
        return ""

    def log_dir(self, name: str) -> Path:
        """Return the directory of a daemon's logs."""
        return self.folder / f"logs-{name}"

    def log_of(self, name: str) -> Path:
        """Return the log of a daemon."""
        return self.log_dir(name) / f"main_{name[0].upper()}.log"
