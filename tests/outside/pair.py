"""One hedging pair on a paper exchange, in a fresh copy of the program."""

import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.outside.processes import Process, alive
from tests.outside.services import ACCOUNT_A, ACCOUNT_B, PYTHON, Admin, Exchange, Redis

if TYPE_CHECKING:
    from tests.outside.kit import Trial

KEY_INDEX = 4
MAKE_KEYS = """
import sys
from lighter.signer_client import create_api_key
for _ in range(int(sys.argv[1])):
    print(*create_api_key()[:2])
"""
# What ./start_hedge.sh --paper writes for a tier that the real exchange does not have.
UNLIMITED = {"lighter.tier": "premium", "lighter.requests_per_minute": 24000}


class Scene:
    """A folder with a pair that may run in it, its exchange, and what a person does and sees there.

    Args:
        trial: Whose it is.
        folder: A copy of the program.
        exchange: Its exchange.
        accounts: A and B.
        config: Configuration file, from the folder.
    """

    def __init__(
        self, trial: "Trial", folder: Path, exchange: Admin, accounts: tuple[int, int], config: str
    ) -> None:
        self.trial, self.folder, self.exchange = trial, folder, exchange
        self.accounts, self.config = accounts, config
        self.offset = Decimal(0)
        self.log_folder = folder / "logs"
        self.environment: dict[str, str] = {}
        trial.pairs.append(self)

    def run(self, argv: Sequence[str], *, terminal: bool = False) -> Process:
        """Start any command in its folder, with its own additions to the environment."""
        return self.trial.run(argv, self.folder, terminal=terminal, more=self.environment)

    def stop(self, *words: str, config: str = "", timeout_s: float = 480) -> Process:
        """Run ./stop_hedge.sh to its end."""
        self.trial.note_event("stop_hedge.sh")
        argv = ["./stop_hedge.sh", "--config", config or self.config, *words]
        return self.trial.finish(self.run(argv), timeout_s)

    @property
    def is_early(self) -> bool:
        """Whether this is the version of November 2026, without ./hedgectl, `halt` and `--yes`."""
        return not (self.folder / "hedgectl").exists()

    def ctl(self, *words: str, config: str = "", timeout_s: float = 120) -> Process:
        """Run ./hedgectl to its end."""
        return self.trial.finish(self.begin_ctl(*words, config=config), timeout_s)

    def begin_ctl(self, *words: str, config: str = "") -> Process:
        """Start ./hedgectl (hedgectl.py where a version has no such script)."""
        script = [PYTHON, "hedgectl.py"] if self.is_early else ["./hedgectl"]
        return self.run([*script, *words, "--config", config or self.config])

    def halt(self) -> Process:
        """Halt the pair; where a version cannot, flatten it, which halts it as well."""
        return self.flatten() if self.is_early else self.ctl("halt")

    def flatten(self) -> Process:
        """Run `hedgectl flatten --yes` to its end."""
        return self.trial.finish(self.begin_flatten(), 120)

    def begin_flatten(self) -> Process:
        """Start `hedgectl flatten --yes`."""
        return self.begin_ctl("flatten", *([] if self.is_early else ["--yes"]))

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

    def _runs_here(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").resolve() == self.folder.resolve()
        except OSError:
            return False


class Pair(Scene):
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
        folder = trial.checkout(name)
        self.exchange: Exchange = exchange or Exchange(
            trial, trial.exchange_folder(folder), tier=tier, live=live
        )
        super().__init__(trial, folder, self.exchange, accounts, "config.yaml")
        self.redis = redis or Redis(trial, folder)
        if exchange is not None and accounts != (ACCOUNT_A, ACCOUNT_B):
            for account in accounts:
                self.add_account(account)
        self.keys = self.make_keys(*accounts)
        self._settings = (UNLIMITED if tier == "instant" else {}) | dict(settings or {})
        self.configure(self.config)

    # --- configuration ---------------------------------------------------------------------

    def add_account(self, account: int, collateral: str = "100000") -> None:
        """One more account of an owner of its own on the exchange."""
        body = {"account_index": account, "master": f"0x{account:x}", "collateral": collateral}
        self.exchange.admin("accounts", body)

    def make_keys(self, *accounts: int, index: int = KEY_INDEX) -> list[str]:
        """Make and register an API key of each account; the private halves."""
        argv = [PYTHON, "-c", MAKE_KEYS, str(len(accounts))]
        made = self.trial.finish(self.trial.run(argv, self.folder, quiet=True))
        halves = [key.removeprefix("0x") for key in made.text.split()[-2 * len(accounts) :]]
        for account, public in zip(accounts, halves[1::2], strict=True):
            body = {"account_index": account, "api_key_index": index, "public_key": public}
            self.exchange.admin("keys", body)
        return halves[::2]

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
        return self.run(argv, terminal=terminal)

    def b(self, *words: str, config: str = "", terminal: bool = False) -> Process:
        """Start main_B.py."""
        argv = [PYTHON, "main_B.py", "--config", config or self.config, *words]
        return self.run(argv, terminal=terminal)

    def launcher(self, *words: str, config: str = "", terminal: bool = False) -> Process:
        """Start ./start_hedge.sh."""
        argv = ["./start_hedge.sh", "--config", config or self.config, *words]
        return self.run(argv, terminal=terminal)

    def publish_fill(self, side: str, amount: str, order_index: int, market: int = 0) -> None:
        """Publish a fill of A by hand, as README does."""
        fill = {
            "account_index": self.accounts[0], "market_index": market, "order_index": order_index,
            "filled_base_amount": amount, "filled_quote_amount": "30", "avg_price": "3000",
            "timestamp": 1795000000, "side": side,
        }  # fmt: skip
        self.trial.note_event(f"published by hand: {side} {amount}")
        self.redis.cli("PUBLISH", "hedge:account_a_filled", json.dumps(fill))


class PaperRun(Scene):
    """`./start_hedge.sh --paper` in a fresh copy; it makes its own exchange, Redis and keys.

    Args:
        trial: Whose it is.
        words: More of its command line.
        name: Of its folder.
        folder: An earlier run's copy, to go on there.
    """

    def __init__(
        self, trial: "Trial", *words: str, name: str = "run", folder: Path | None = None
    ) -> None:
        accounts, config = (ACCOUNT_A, ACCOUNT_B), "run/paper/config.yaml"
        folder = folder or trial.checkout(name)
        super().__init__(trial, folder, Admin(trial, ""), accounts, config)
        self.log_folder = self.folder / "run/paper/logs"
        argv = ["./start_hedge.sh", "--paper", *words]
        self.launcher = trial.run(argv, self.folder, terminal=True)

    def wait_until_it_runs(self) -> None:
        """Until it says so; from then on its exchange is known."""
        self.trial.until(lambda: self.launcher.said("Both run|B runs"), "both to run", 120)
        written = yaml.safe_load((self.folder / self.config).read_text(encoding="utf-8"))
        self.exchange.url = written["lighter"]["base_url"]

    def reopen(self, *words: str) -> None:
        """Start its exchange again after its end, as README does, to look at it."""
        state = str(Path(self.config).parent / "exchange")
        self.exchange = Exchange(self.trial, self.folder, state=state, live=True, extra=words)
