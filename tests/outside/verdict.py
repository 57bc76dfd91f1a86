"""What every case must keep, by the exchange's own trades, and the report of one trial."""

import time
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from tests.outside import exposure, words
from tests.outside.kit import Trial, name_of
from tests.outside.processes import Process

if TYPE_CHECKING:
    from tests.outside.pair import Scene

BRIEF_S = 0.2  # intervals shorter than this are counted, not listed
GRACE_NS = 2 * exposure.SECOND_NS  # a claim may rest on evidence that old
MANY = 10  # disturbances of a kind in a row
EXITS_THAT_CLAIM = ("main_A.py", "main_B.py", "start_hedge.sh", "stop_hedge.sh")


def judge(trial: Trial) -> list[str]:
    """Look at every pair; the lines of the report, faults are added to the trial."""
    lines = []
    for pair in trial.pairs:
        try:
            trades = pair.exchange.trades(*pair.accounts)
        except OSError as error:
            trial.faults.append(f"the exchange does not answer at the end: {error}")
            continue
        now_ns = time.monotonic_ns()
        intervals = exposure.naked(trades, pair.accounts, now_ns, pair.offset)
        lines += _told(trial, pair, intervals, now_ns)
        _judge_end(trial, pair, trades)
        _judge_words(trial, pair, intervals)
    return lines


def _told(
    trial: Trial, pair: "Scene", intervals: list[exposure.Interval], now_ns: int
) -> list[str]:
    zero_ns = trial.first_ns
    window = f"{(now_ns - zero_ns) / 1e9:.1f} s, {(now_ns - trial.last_ns) / 1e9:.0f} s after"
    lines = [
        f"  naked by /paper/trades ({pair.folder.name}; 0 = first signal, until {window} the last)"
    ]
    brief = [interval for interval in intervals if interval.length_s < BRIEF_S]
    for it in intervals:
        if it not in brief:
            start_s = (it.began_ns - zero_ns) / 1e9
            end = "" if it.closed else "  OPEN AT THE END"
            text = f"start {start_s:+9.2f} s  length {it.length_s:8.2f} s  size {it.size:+f}"
            lines.append(f"    market {it.market}  {text}{end}")
    longest_ms = max((interval.length_s for interval in brief), default=0.0) * 1000
    lines.append(f"    and {len(brief)} shorter than {BRIEF_S} s, longest {longest_ms:.0f} ms")
    for side, account in zip("AB", pair.accounts, strict=True):
        row = pair.exchange.account(account)
        held = {market: place["position"] for market, place in row["positions"].items()}
        lines.append(f"    {side} at the end: {held or 'flat'}, {row['active_orders']} orders rest")
    return lines


def _judge_end(trial: Trial, pair: "Scene", trades: list[dict[str, object]]) -> None:
    net = {market: size for market, size in pair.net().items() if size}
    if net and not trial.open_is_told:
        trial.faults.append(f"A + B is not the offset at the end: {_text(net)}")
    for account in pair.accounts:
        for market, held in exposure.positions(trades, account).items():
            if held != pair.exchange.position(account, market):
                trial.remark(f"trades of {account} in market {market} add up to {held:f} only")


def _judge_words(trial: Trial, pair: "Scene", intervals: list[exposure.Interval]) -> None:
    for process in trial.processes:
        if process.argv[0].endswith("redis-server") or not _of(process, pair):
            continue
        for at_ns, line in process.lines:
            # A daemon's line is told by its own log; here stands what a person reads.
            if words.claims_neutral(line):
                _contradict(trial, intervals, words.written_ns(line) or at_ns, line)
        _judge_exit(trial, process, intervals)
    for line in pair.logs():
        at_ns = words.written_ns(line)
        if at_ns is not None and words.claims_neutral(line):
            _contradict(trial, intervals, at_ns, line)


def _judge_exit(trial: Trial, process: Process, intervals: list[exposure.Interval]) -> None:
    name = name_of(process)
    said_status = name.startswith("hedgectl") and "status" in process.argv
    if process.code == 0 and process.ended_ns and (name in EXITS_THAT_CLAIM or said_status):
        if {"--detach", "--check", "--help"} & set(process.argv):
            return
        _contradict(trial, intervals, process.ended_ns, f"exit code 0 of {name}")


def _contradict(trial: Trial, intervals: list[exposure.Interval], at_ns: int, claim: str) -> None:
    naked = exposure.naked_throughout(intervals, at_ns - GRACE_NS, at_ns)
    if naked is not None:
        moment_s = (at_ns - trial.first_ns) / 1e9
        text = f"{claim.strip()!r} at {moment_s:+.1f} s, naked {naked.size:+f} in market"
        fault = f"{text} {naked.market} for {(at_ns - naked.began_ns) / 1e9:.1f} s then"
        if fault not in trial.faults:
            trial.faults.append(fault)


def _of(process: Process, pair: "Scene") -> bool:
    return process.folder == pair.folder


def _text(net: dict[int, Decimal]) -> str:
    return ", ".join(f"{size:+f} in market {market}" for market, size in net.items())


def told_processes(trial: Trial) -> list[str]:
    """Each program with its exit code and its last sentences (of a status its first)."""
    lines = []
    for process in trial.processes:
        name = name_of(process)
        if name.endswith("-server") or "redis-cli" in process.argv[0] or "paper" in process.argv:
            continue
        code = "still ran" if process.code is None else f"exit {process.code}"
        lines.append(f"  {code}: {' '.join(process.argv)}")
        said = [line for _, line in process.lines if line.strip() and "[INFO]" not in line]
        shown = said[:1] if "status" in process.argv else said[-4:]
        lines += [f"    | {line[:240]}" for line in shown]
    return lines


def told_events(trial: Trial) -> list[str]:
    """What was run and done, with its moment, 0 = first signal; a long series in one line."""
    lines = []
    events = [event for event in trial.events if "redis-cli" not in event[1]]
    for what, group in groupby(events, key=lambda event: event[1].split()[0]):
        of_a_kind = list(group)
        shown = of_a_kind if what == "$" or len(of_a_kind) < MANY else of_a_kind[:1]
        for at_ns, text in shown:
            more = f" ... and {len(of_a_kind) - 1} more" if shown != of_a_kind else ""
            lines.append(f"  {(at_ns - trial.first_ns) / 1e9:+9.2f} s  {text}{more}")
    return lines
