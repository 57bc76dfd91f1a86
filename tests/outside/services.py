"""The paper exchange and Redis as a user starts them, and what their own commands answer."""

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.outside.kit import Trial
    from tests.outside.processes import Process

PYTHON = ".venv/bin/python"
ACCOUNT_A, ACCOUNT_B = 280459, 280458  # those that the paper exchange has at its start


def free_port() -> int:
    """A port of this host that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Admin:
    """The admin calls of a paper exchange that runs at an address.

    Args:
        trial: Where disturbances are noted.
        url: Its address.
    """

    def __init__(self, trial: "Trial", url: str) -> None:
        self.trial, self.url = trial, url

    def admin(self, path: str, body: Mapping[str, Any] | None = None, method: str = "") -> Any:
        """One admin call below /paper/, e.g. ("take", {...}); without a body a GET."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/paper/{path}", data, method=method or None)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def take(self, side: str, amount: str, *, until: int | None = None, market: int = 0) -> Any:
        """A stranger sells or buys through the book, until so much of account `until` is filled."""
        self.trial.note_event(f"take {side} {amount}" + (f" of account {until}" if until else ""))
        body: dict[str, Any] = {"market_index": market, "side": side, "base_amount": amount}
        return self.admin("take", body | ({} if until is None else {"until_account": until}))

    def fault(self, name: str, **parameters: Any) -> int:
        """Set a switch of paper/README.md; its number, for `heal`."""
        self.trial.note_event(f"fault {name} {parameters}")
        return int(self.admin("faults", {"name": name, **parameters})["fault"]["id"])

    def heal(self, number: int | None = None) -> None:
        """Delete one switch, or all."""
        self.admin("faults" if number is None else f"faults/{number}", method="DELETE")

    def trades(self, *accounts: int) -> list[dict[str, Any]]:
        """Every trade of these accounts, each once, oldest first."""
        rows: dict[int, dict[str, Any]] = {}
        for account in accounts:
            after = 0
            while page := self.admin(f"trades?after_seq={after}&account_index={account}")["trades"]:
                rows |= {row["seq"]: row for row in page}
                after = page[-1]["seq"]
        return [rows[seq] for seq in sorted(rows)]

    def orders(self, account: int) -> list[dict[str, Any]]:
        """Every order event of an account, oldest first."""
        return list(self.admin(f"orders?after_seq=0&account_index={account}")["orders"])

    def account(self, index: int) -> dict[str, Any]:
        """An account of /paper/state."""
        rows = self.admin("state")["accounts"]
        return next(row for row in rows if row["account_index"] == index)

    def position(self, account: int, market: int = 0) -> Decimal:
        """An account's position by /paper/state, base asset."""
        row = self.account(account)["positions"].get(str(market), {"position": "0"})
        return Decimal(row["position"])

    def resting(self, account: int) -> int:
        """How many orders of an account rest now."""
        return int(self.account(account)["active_orders"])


class Exchange(Admin):
    """A paper exchange of the trial's own.

    Args:
        trial: Whose process it is.
        checkout: The program's folder.
        tier: instant or standard (300 ms for cancels and market orders, limits), plus, premium.
        live: A market that moves by itself; else a fixed book that only `take` and `admin` move.
        seed: Of the market that moves.
        state: Folder of its journal; without it one of its own.
        extra: More words for its command line.
    """

    def __init__(
        self, trial: "Trial", checkout: Path, *, tier: str = "instant", live: bool = False,
        seed: int = 1, state: str = "", extra: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.checkout, self.port = checkout, free_port()
        super().__init__(trial, f"http://127.0.0.1:{self.port}")
        words = ["--tier", tier, "--seed", str(seed), "--port", str(self.port)]
        words += [
            "--state",
            state or f"exchange-{self.port}",
            *([] if live else ["--no-market"]),
            *extra,
        ]
        self._argv = [PYTHON, "-m", "paper", *words]
        self.process = self.start()

    def start(self) -> "Process":
        """Start it, or start it again where it was, and wait until it listens."""
        self.process = self.trial.run(self._argv, self.checkout)
        self.trial.until(lambda: self.process.said("paper exchange ready"), "the paper exchange")
        return self.process


class Redis:
    """A redis-server that saves nothing.

    Args:
        trial: Whose process it is.
        checkout: The program's folder.
        extra: More words for its command line.
    """

    def __init__(self, trial: "Trial", checkout: Path, extra: tuple[str, ...] = ()) -> None:
        self.trial, self.checkout, self.port = trial, checkout, free_port()
        self._extra = extra
        self._server = shutil.which("redis-server") or ".venv/bin/redis-server"
        self._cli = shutil.which("redis-cli") or ".venv/bin/redis-cli"
        self.process = self.start()

    def start(self) -> "Process":
        """Start it, empty, on the same port, and wait until it answers."""
        argv = [self._server, "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        self.process = self.trial.run([*argv, *self._extra], self.checkout)
        self.trial.until(self._listens, "Redis")
        return self.process

    def cli(self, *words: str) -> str:
        """What redis-cli answers to one command."""
        argv = [self._cli, "-p", str(self.port), *words]
        return self.trial.finish(self.trial.run(argv, self.checkout), 20).text

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            return False
        return True
