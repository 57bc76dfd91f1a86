"""One hedging pair on a paper exchange, in a fresh copy of the program."""

import json
import os
import re
import signal
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.outside.processes import Process, alive
from tests.outside.services import ACCOUNT_A, ACCOUNT_B, PYTHON, Exchange, Redis

if TYPE_CHECKING:
    from tests.outside.kit import Trial

KEY_INDEX = 4
MAKE_KEY = "from lighter.signer_client import create_api_key; print(*create_api_key()[:2])"
# What ./start_hedge.sh --paper writes for a tier that the real exchange does not have.
UNLIMITED = {"lighter.tier": "premium", "lighter.requests_per_minute": 24000}


class Pair:
    """Configuration, commands and processes of one pair; nothing runs before it is asked for.

    Args:
        trial: Whose pair it is.
        name: Of its folder; two pairs of a trial need two.
        tier: Of its own exchange: instant, standard, plus, premium.
        live: Whether the market of its own exchange moves by itself.
        exchange: Another pair's exchange, to share it.
        redis: Another pair's Redis, to share it; both then need `pair` in their settings.
        accounts: A and B. Others than the first pair's are made on the exchange.
        settings: Keys of config.yaml, dotted, with their values.
    """

    def __init__(
        self, trial: "Trial", name: str = "pair", *, tier: str = "instant", live: bool = False,
        exchange: Exchange | None = None, redis: Redis | None = None,
        accounts: tuple[int, int] = (ACCOUNT_A, ACCOUNT_B),
        settings: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.trial, self.accounts = trial, accounts
        self.folder = trial.checkout(name)
        self.exchange = exchange or Exchange(trial, self.folder, tier=tier, live=live)
        self.redis = redis or Redis(trial, self.folder)
        if exchange is not None and accounts != (ACCOUNT_A, ACCOUNT_B):
            for account in accounts:
                self.add_account(account)
        self.keys = [self.make_key(account) for account in accounts]
        self.offset = Decimal(0)
        self._settings = (UNLIMITED if tier == "instant" else {}) | dict(settings or {})
        self.config = self.configure("config.yaml")
        trial.pairs.append(self)

    # --- configuration ---------------------------------------------------------------------

    def add_account(self, account: int, collateral: str = "100000") -> None:
        """One more account of an owner of its own on the exchange."""
        body = {"account_index": account, "master": f"0x{account:x}", "collateral": collateral}
        self.exchange.admin("accounts", body)

    def make_key(self, account: int, index: int = KEY_INDEX) -> str:
        """Make and register an API key of an account; its private half."""
        made = self.trial.finish(self.trial.run([PYTHON, "-c", MAKE_KEY], self.folder, quiet=True))
        private, public = (key.removeprefix("0x") for key in made.text.split()[-2:])
        body = {"account_index": account, "api_key_index": index, "public_key": public}
        self.exchange.admin("keys", body)
        return private

    def configure(self, file: str, **settings: Any) -> str:
        """Write a configuration beside the others; dots of a key are written `__` here.

        `pair.configure("b.yaml", redis__port=proxy.port)` is B's own link to Redis.
        """
        wanted = self._defaults() | self._settings
        wanted |= {key.replace("__", "."): value for key, value in settings.items()}
        tree: dict[str, Any] = {}
        for key, value in wanted.items():
            *path, last = key.split(".")
            node = tree
            for part in path:
                node = node.setdefault(part, {})
            node[last] = value
        path = self.folder / file
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        path.chmod(0o600)  # it has keys in it
        return file

    def _defaults(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"market": "ETH"}
        for side, account, key in zip("ab", self.accounts, self.keys, strict=True):
            settings |= {
                f"accounts.account_{side}.account_index": account,
                f"accounts.account_{side}.api_key_index": KEY_INDEX,
                f"accounts.account_{side}.api_key_private_key": key,
            }
        return settings | {
            "redis.host": "127.0.0.1",
            "redis.port": self.redis.port,
            "lighter.base_url": self.exchange.url,
            "strategy.quantity": "0.01",
        }

    # --- commands --------------------------------------------------------------------------

    def a(self, *words: str, config: str = "", terminal: bool = False) -> Process:
        """Start main_A.py."""
        argv = [PYTHON, "main_A.py", "--config", config or self.config, *words]
        return self.trial.run(argv, self.folder, terminal=terminal)

    def b(self, *words: str, config: str = "", terminal: bool = False) -> Process:
        """Start main_B.py."""
        argv = [PYTHON, "main_B.py", "--config", config or self.config, *words]
        return self.trial.run(argv, self.folder, terminal=terminal)

    def launcher(self, *words: str, config: str = "", terminal: bool = False) -> Process:
        """Start ./start_hedge.sh."""
        argv = ["./start_hedge.sh", "--config", config or self.config, *words]
        return self.trial.run(argv, self.folder, terminal=terminal)

    def stop(self, *words: str, config: str = "", timeout_s: float = 480) -> Process:
        """Run ./stop_hedge.sh to its end."""
        self.trial.note_event("stop_hedge.sh")
        argv = ["./stop_hedge.sh", "--config", config or self.config, *words]
        return self.trial.finish(self.trial.run(argv, self.folder), timeout_s)

    def ctl(self, *words: str, config: str = "", timeout_s: float = 120) -> Process:
        """Run ./hedgectl to its end (hedgectl.py where a version has no such script)."""
        script = ["./hedgectl"] if (self.folder / "hedgectl").exists() else [PYTHON, "hedgectl.py"]
        argv = [*script, *words, "--config", config or self.config]
        return self.trial.finish(self.trial.run(argv, self.folder), timeout_s)

    # --- what one sees of it ---------------------------------------------------------------

    def publish_fill(self, side: str, amount: str, order_index: int, market: int = 0) -> None:
        """Publish a fill of A by hand, as README does."""
        fill = {
            "account_index": self.accounts[0], "market_index": market, "order_index": order_index,
            "filled_base_amount": amount, "filled_quote_amount": "30", "avg_price": "3000",
            "timestamp": 1795000000, "side": side,
        }  # fmt: skip
        self.trial.note_event(f"published by hand: {side} {amount}")
        self.redis.cli("PUBLISH", "hedge:account_a_filled", json.dumps(fill))

    def resting(self) -> int:
        """How many orders of A rest."""
        return self.exchange.resting(self.accounts[0])

    def positions(self, market: int = 0) -> tuple[Decimal, Decimal]:
        """Positions of A and B by /paper/state."""
        a, b = (self.exchange.position(account, market) for account in self.accounts)
        return a, b

    def flat_sum(self) -> bool:
        """Whether A + B is the offset in every market by /paper/state."""
        return not any(self.net().values())

    def net(self) -> dict[int, Decimal]:
        """A + B - offset in each market that either ever traded, by /paper/state."""
        found: dict[int, Decimal] = {}
        for account in self.accounts:
            for market, row in self.exchange.account(account)["positions"].items():
                before = found.get(int(market), -self.offset)
                found[int(market)] = before + Decimal(row["position"])
        return found

    def pids(self, what: str) -> list[int]:
        """Processes of this pair whose command has this in it, e.g. main_A.py."""
        found = alive(self.trial.mark)
        here = [pid for pid, command in found.items() if what in command]
        return [pid for pid in here if self._runs_here(pid)]

    def kill(self, what: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal every process of this pair whose command has this in it; how many."""
        found = self.pids(what)
        self.trial.note_event(f"{number.name} to {what} ({len(found)})")
        for pid in found:
            os.kill(pid, number)
        return len(found)

    def logs(self, pattern: str = "") -> list[str]:
        """Lines of its logs that match a regular expression."""
        lines = []
        for path in sorted(self.log_folder.glob("*.log")):
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if re.search(pattern, line)]

    @cached_property
    def log_folder(self) -> Path:
        """Where the daemons' logs are."""
        return self.folder / str(self._settings.get("logging.dir", "logs"))

    def _runs_here(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").resolve() == self.folder.resolve()
        except OSError:
            return False
