"""What the two pairs of a recording live through, and the exit codes that come of it.

The first one is the start script's: it trades, an operator flattens and resumes it, Ctrl-C ends
it. The other one has a name, a shared secret and daemons of its own: its B loses its key, fails,
and both daemons are stopped while not all is covered.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.judge.facts import OrderLife
from tests.pair_audit import lives_of
from tests.public import seen
from tests.public.programs import Programs, ended, name_of
from tests.public.shapes import Entries, fields_of, joined, type_of
from tests.public.world import Place, Script, Watch, own_files, until, write_config
from tests.world.warm import Command

REASON = "looked at both"
LOTS = 10_000
"""So many lots are one ETH."""
NAME, SECRET = "other", "a-shared-secret"
ACCOUNTS = {"account_a": 7001, "account_b": 7002}
SHORT = {"stop_timeout_s": 5.0}
"""Timers of the pair that is stopped while it cannot be covered."""


class StartedPair:
    """The pair that the start script runs, without a name."""

    def __init__(self, place: Place, programs: Programs, script: Script, watch: Watch) -> None:
        self._place = place
        self._programs = programs
        self._script = script
        self._watch = watch

    def live(self) -> Entries:
        """Trade, flatten and resume, flatten and resume by force; return the exit codes."""
        watch = self._watch
        until(lambda: watch.message(seen.HEDGES, seen.anything), "a hedge")
        found = self._hedgectl("flatten", "of a running pair", "--yes")
        watch.look_again()
        found |= self._hedgectl("resume", "of a covered pair")
        watch.look_again()
        self._hedgectl("flatten", "once more", "--yes")
        found |= self._hedgectl("resume", "by force", "--force", "--yes", "--reason", REASON)
        watch.look_again()
        return found

    def end(self) -> Entries:
        """Press Ctrl-C; return the exit code, SUMMARY's keys, and what the logs are called."""
        code = self._script.interrupt()
        summary = self._script.lines[-1].split()
        found: Entries = {joined("SUMMARY", "begins with"): summary[0]}
        for key, _, text in (word.partition("=") for word in summary[1:]):
            whole = re.fullmatch(r"-?\d+", text)
            found[joined("SUMMARY", key)] = "integer" if whole else type_of(text)
        found[name_of("start_hedge.sh --paper", "Ctrl-C, neutral")] = code
        return found | self._logs()

    def _logs(self) -> Entries:
        logs = self._place.folder / "logs"
        found: Entries = {joined("log", file.name): "file" for file in logs.iterdir()}
        line = (logs / "main_B.log").read_text(encoding="utf-8").splitlines()[0]
        begin = re.sub(r"\d", "9", " ".join(line.split()[:3]))
        begin = re.sub(r"[+-](?=9{4} )", "+", begin)  # the offset of this host's time
        return found | {joined("log", "a line begins with"): begin}

    def _hedgectl(self, command: str, case: str, *options: str) -> Entries:
        program = f"hedgectl.py {command}"
        result = self._programs.result(program, *options, "--config", self._place.config)
        return {name_of(program, case): result.code}


class OtherPair:
    """Two more accounts and a pair with a name, from its first daemon to its last."""

    def __init__(self, place: Place, programs: Programs, watch: Watch, folder: Path) -> None:
        folder.mkdir()
        self._place = place
        self._programs = programs
        self._watch = watch
        self._folder = folder

    def live(self, keys: list[list[str]], publish: Callable[..., Entries]) -> Entries:
        """Run to the end; `keys` are theirs, private and public half, `publish` the facade's."""
        config = self._config(self._accounts(keys))
        b = self._programs.start("main_B.py", "--config", config)
        self._until(seen.OTHER_READY_B, seen.ready)
        found = publish(str(self._place.redis_port), f"{NAME}-by-hand")
        standby = self._stand_by(config)
        a = self._programs.start("main_A.py", "--config", config)
        self._until(seen.OTHER_READY_A, seen.working)
        found |= self._fail(config)
        for command, program, why in (
            (standby, "main_B.py", "a standby asked to stop"),
            (b, "main_B.py", "asked to stop while it owes"),
            (a, "main_A.py", "asked to stop, not covered"),
        ):
            command.stop()
            found[name_of(program, why)] = ended(command, program).code
        return found

    def _accounts(self, keys: list[list[str]]) -> dict[str, Any]:
        accounts, place = {}, self._place
        for (name, index), (private, public) in zip(ACCOUNTS.items(), keys, strict=True):
            body = {"account_index": index, "master": f"0x{index}", "collateral": "1000"}
            place.exchange.call("/paper/accounts", body)
            place.exchange.register(index, place.key_index, public)
            account = {"account_index": index, "api_key_index": place.key_index}
            accounts[name] = {**account, "api_key_private_key": private}
        return accounts

    def _config(self, accounts: dict[str, Any]) -> Path:
        folder, values = self._folder, self._place.values
        redis = {**values["redis"], "shared_secret": SECRET}
        own = {"pair": NAME, "accounts": accounts, "redis": redis, "timing": SHORT}
        return write_config(folder / "config.yaml", {**values, **own, **own_files(folder)})

    def _stand_by(self, config: Path) -> Command:
        """Start a second B with a state directory of its own, as another host would have."""
        folder = self._folder / "second"
        folder.mkdir()
        text = config.read_text(encoding="utf-8").replace(str(self._folder), str(folder))
        second = folder / "config.yaml"
        second.touch(mode=0o600)
        second.write_text(text, encoding="utf-8")
        command = self._programs.start("main_B.py", "--config", second)
        self._until(seen.STANDBY, seen.anything)
        return command

    def _fail(self, config: Path) -> Entries:
        """Delete both keys, let a stranger fill A at once, and look at the halted pair.

        Without its key A cannot take back what B cannot hedge, so B goes on owing; and it states
        nothing more after the first transaction that is refused, so the fill comes before that.
        """
        exchange = self._place.exchange
        until(self._resting, "an order of A")
        for account in reversed(ACCOUNTS.values()):
            exchange.call(f"/paper/keys/{account}/{self._place.key_index}", method="DELETE")
        taken = {"until_account": ACCOUNTS["account_a"], "market_index": 0}
        for order in self._resting():
            amount = f"{order.size_lots / LOTS:.4f}"
            side = "buy" if order.is_ask else "sell"
            exchange.call("/paper/take", {**taken, "side": side, "base_amount": amount})
        self._until(seen.OTHER_LEDGER, seen.failed)
        newest = self._watch.newest
        until(lambda: newest(seen.OTHER_READY_A)["state"] == "halted", "a halted A")
        until(lambda: not newest(seen.OTHER_READY_B)["ready"], "a B that is not ready")
        status = self._programs.result("hedgectl.py status", "--json", "--config", config)
        refused = self._programs.result("hedgectl.py resume", "--config", config)
        return {
            **fields_of("status --json", json.loads(status.out), {"reason", "side"}),
            name_of("hedgectl.py status", "of a halted pair"): status.code,
            name_of("hedgectl.py resume", "while B owes"): refused.code,
        }

    def _resting(self) -> list[OrderLife]:
        query = f"after_seq=0&account_index={ACCOUNTS['account_a']}"
        rows = self._place.exchange.call(f"/paper/orders?{query}")["orders"]
        return [life for life in lives_of(rows) if life.status == "open"]

    def _until(self, key: str, wanted: Callable[[Any], bool]) -> None:
        until(lambda: self._watch.value(key, wanted), key)
