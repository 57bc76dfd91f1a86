"""Each pair before the judge: its rows, its processes' lives and logs, and what was said of it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.chaos import known, logscan
from tests.chaos.diary import Entry
from tests.chaos.kinds import DAEMONS, LAUNCHER, MEMBERS
from tests.chaos.options import Options
from tests.chaos.schedule import KINDS_OF, Needed, needed
from tests.chaos.verdict import Finding, Records, Verdict, judge
from tests.chaos.watch import Watch
from tests.chaos.world import ACCOUNTS, World

RENAMED = {"two-a": "a", "two-b": "b", LAUNCHER: "launcher"}
"""What the judge calls the second pair's processes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One pair's verdict; `new` are the findings that no known counterexample explains."""

    name: str
    verdict: Verdict
    told: logscan.Told
    needed: Needed
    expected: Counter[int]
    new: tuple[Finding, ...]


def cases_of(
    world: World,
    watch: Watch,
    entries: Sequence[Entry],
    contradictions: Sequence[str],
    options: Options,
) -> list[Case]:
    """Judge both pairs; what concerns neither alone is the first one's."""
    daemons = {"one": {name: name for name in DAEMONS}, "two": {RENAMED[n]: n for n in MEMBERS}}
    cases = []
    for name, accounts in ACCOUNTS.items():
        lines = logscan.read({who: world.log_of(log) for who, log in daemons[name].items()})
        told = logscan.tell(lines)
        first = name == "one"
        wanted = Needed(faults=0, kills=0)
        if first:
            wanted = needed(options.minutes, KINDS_OF[options.faults])
        own = entries_of(name, entries)
        verdict = judge(
            Records(
                trades=watch.trades_of(*accounts),
                orders=watch.orders_of(*accounts),
                entries=own,
                told=told,
                needed=wanted,
                account_a=accounts[0],
                account_b=accounts[1],
                exchange_contradictions=contradictions if first else (),
                lines=lines,
                wall_s=time.time() - time.monotonic(),
            )
        )
        expected, new = known.sort(verdict.findings, own)
        cases.append(Case(name, verdict, told, wanted, expected, new))
    return cases


def entries_of(name: str, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that concern a pair; faults concern both."""
    found = []
    for entry in entries:
        process = str(entry.fields.get("process", ""))
        owner = entry.fields.get("pair", "two" if process.startswith(LAUNCHER) else "one")
        if entry.what in ("fault", "missed", "begins", "lied") or owner == name:
            renamed = RENAMED.get(process, process)
            fields = {**entry.fields, "process": renamed} if process else entry.fields
            found.append(replace(entry, fields=fields))
    return found
