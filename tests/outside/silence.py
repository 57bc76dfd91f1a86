"""Never silent, never blocked: what stands still says so, and the hedging goes on meanwhile.

Each case breaks one thing beside a pair that trades, then asks three questions: was every fill
covered in time by the exchange's own trades, which line of log, event or status told the reason,
and does the pair go on once the thing is well again.
"""

import json
import re
import shutil
import signal
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.outside import exposure, words
from tests.outside.disks import Disk
from tests.outside.kit import CannotRunError, Trial, case
from tests.outside.pair import Pair
from tests.outside.processes import Process
from tests.outside.services import Exchange, Redis, free_port

KILL, TERM = signal.SIGKILL, signal.SIGTERM
CTRL_S = b"\x13"
HALTS = r"(?i)\] halt(ed)? "
COVERED_S = 10.0  # a fill covered later than this is a fault of the case, load or not


@dataclass
class Scene:
    """A pair that runs, and how a case looks at it.

    Args:
        trial: The trial.
        pair: The pair.
        maker: main_A.py.
        hedger: main_B.py.
    """

    trial: Trial
    pair: Pair
    maker: Process
    hedger: Process

    def fill(self, *, rests_within_s: float = 30, covered_within_s: float = COVERED_S) -> bool:
        """Fill A's order once it rests, and expect that B covers it."""
        trial, pair = self.trial, self.pair
        if not trial.becomes(lambda: take_of_a(pair), rests_within_s):
            trial.expect(False, f"an order of A to fill within {rests_within_s:g} s")
            return False
        covered = trial.becomes(pair.flat_sum, covered_within_s)
        trial.expect(covered, f"a fill is covered within {covered_within_s:g} s")
        return covered

    def fills(self, times: int) -> None:
        """Fill A's order several times, as long as each is covered."""
        for _ in range(times):
            if not self.fill():
                return

    def goes_on(self, within_s: float = 75) -> None:
        """A's order rests again, and its fill is covered."""
        self.trial.remark("after the disturbance:")
        self.fill(rests_within_s=within_s)

    def told(self, pattern: str, what: str, *, since_ns: int, within_s: float = 0) -> str:
        """Expect a line in a log that tells the reason, and report it; the line, or ''."""

        def lines() -> list[str]:
            return lines_since(self.pair.logs(pattern), since_ns)

        if self.trial.becomes(lambda: bool(lines()), within_s):
            line = lines()[0]
            self.trial.remark(f"log: {line[:300]}")
            return line
        self.trial.expect(False, f"a log line says {what}")
        return ""

    def status(self, pattern: str, what: str) -> str:
        """Expect that status says it, and report its first sentence and that line; its text."""
        text = self.pair.ctl("status").text
        lines = [line for line in text.splitlines() if line.strip()]
        hits = [line.strip() for line in lines if re.search(pattern, line)]
        self.trial.remark(f"status: {lines[0][:300] if lines else 'nothing'}")
        self.trial.expect(bool(hits), f"status says {what}")
        for line in hits[:2]:
            if line != lines[0].strip():
                self.trial.remark(f"status: {line[:300]}")
        return text

    def naked_s(self, since_ns: int) -> float:
        """The longest naked interval since then, s."""
        rows = self.pair.exchange.trades(*self.pair.accounts)
        found = exposure.naked(rows, self.pair.accounts, time.monotonic_ns(), self.pair.offset)
        return max((it.length_s for it in found if it.ended_ns >= since_ns), default=0.0)


def take_of_a(pair: Pair) -> bool:
    """Fill A's resting order, if there is one; whether anything was filled."""
    held, _ = pair.positions()
    if not pair.resting():
        return False
    try:
        pair.exchange.take("buy" if held > 0 else "sell", "0.01", until=pair.accounts[0])
    except urllib.error.HTTPError:  # it was cancelled at this moment
        return False
    return True


def lines_since(lines: list[str], since_ns: int) -> list[str]:
    """Those that were written since then, by their own stamps."""
    return [line for line in lines if (words.written_ns(line) or 0) >= since_ns - 100_000_000]


def start(trial: Trial, pair: Pair, *, a: str = "", b: str = "", terminal: bool = False) -> Scene:
    """Start B, then A, each as README does by hand, and wait until A's order rests."""
    hedger = pair.b(config=b, terminal=terminal)
    trial.until(lambda: hedger.said(r"\] ready "), "B to be ready")
    maker = pair.a(config=a, terminal=terminal)
    trial.until(lambda: pair.resting() > 0, "A's order to rest")
    return Scene(trial, pair, maker, hedger)


def launch(trial: Trial, pair: Pair, *, terminal: bool = False) -> Process:
    """Start ./start_hedge.sh, and wait until A's order rests."""
    launcher = pair.launcher(terminal=terminal)
    trial.until(lambda: pair.resting() > 0, "A's order to rest", 120)
    return launcher


def listen(trial: Trial, pair: Pair) -> Process:
    """What `redis-cli PSUBSCRIBE hedge:events` shows from now on."""
    cli = shutil.which("redis-cli") or ".venv/bin/redis-cli"
    argv = [cli, "-p", str(pair.redis.port), "PSUBSCRIBE", "hedge:events"]
    ear = trial.run(argv, pair.folder, quiet=True)
    trial.until(lambda: ear.said("psubscribe"), "redis-cli to listen")
    return ear


def expect_event(trial: Trial, ear: Process, pattern: str, what: str) -> None:
    """Expect a message on hedge:events, and report it."""
    found = [line for _, line in ear.lines if re.search(pattern, line)]
    trial.expect(bool(found), f"an event says {what}")
    for line in found[:1]:
        trial.remark(f"event: {line[:300]}")


def halt_by_stranger(scene: Scene) -> None:
    """Somebody trades A while it is flat: hedged, then a halt, in every version."""
    trial, pair = scene.trial, scene.pair
    bought = {"side": "buy", "base_amount": "0.0100"}
    pair.exchange.fault("foreign_trade", account_index=pair.accounts[0], **bought)
    trial.until(lambda: "foreign_trade_on_a" in pair.redis.cli("GET", "hedge:halt"), "the halt", 20)
    trial.until(pair.flat_sum, "B's hedge of it", 20)


def garbage(scene: Scene) -> None:
    """One message on A's channel that B refuses, so that B has a line to write."""
    scene.trial.note_event("garbage published")
    scene.pair.redis.cli("PUBLISH", "hedge:account_a_filled", f"garbage {time.monotonic_ns()}")


def now() -> int:
    """The monotonic clock, ns."""
    return time.monotonic_ns()


# --- 1. never silent -------------------------------------------------------------------------


@case("1a", "B's subscription is killed as A fills: covered, a line and status tell it")
def killed_subscription(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    began_ns = now()
    for _ in range(3):
        trial.note_event("CLIENT KILL TYPE pubsub")
        scene.pair.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        scene.fill()
    scene.told("subscri|listen", "that a subscription was lost", since_ns=began_ns, within_s=5)
    trial.settle()


@case("1b", "an hour's outage in 60 s: Redis is stopped; one connection each, newest state only")
def outage(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    redis = scene.pair.redis
    ear = listen(trial, scene.pair)

    def count(name: str) -> int:
        found = re.search(rf"{name}:(\d+)", redis.cli("INFO"))
        return int(found[1]) if found else -1

    made = count("total_connections_received")
    began_ns = now()
    trial.signal(signal.SIGSTOP, redis.process)
    scene.fill()
    trial.pause(60)
    trial.signal(signal.SIGCONT, redis.process)
    trial.pause(5)
    more = count("total_connections_received") - made - 2
    trial.remark(
        f"connections made in 60 s of outage: {more}; clients: {count('connected_clients')}"
    )
    trial.expect(more <= 60, "a back-off: at most one attempt a second and both daemons")
    messages = [line for _, line in ear.lines if '"event"' in line]
    trial.remark(f"events published: {len(messages)}")
    scene.told("redis_down|Redis", "that Redis is away", since_ns=began_ns)
    scene.goes_on()
    trial.settle()


@case("1c", "the disk with the logs is full: hedged on, event and status say so, lines come after")
def full_log_disk(trial: Trial) -> None:
    with Disk(trial.folder) as disk:
        pair = Pair(trial, settings={"logging.dir": str(disk.place)})
        scene = start(trial, pair)
        ear = listen(trial, pair)
        trial.note_event("the log's disk is full")
        disk.fill()
        for _ in range(40):  # the last block of each file has room for some lines
            scene.fill()
        trial.pause(3)
        expect_event(trial, ear, "log_not_written", "log_not_written")
        scene.status("log_not_written|log cannot be written", "that a log is not written")
        healed_ns = now()
        trial.note_event("the log's disk has room again")
        disk.heal()
        scene.fills(2)
        scene.told("hedged|fill ", "the fills after it", since_ns=healed_ns, within_s=10)
        trial.settle()


@case("1d", "B's log is moved away, then `rm -rf` of the folder: begun anew within seconds")
def moved_log(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    log = pair.log_folder / "main_B.log"
    trial.note_event("mv main_B.log away")
    log.rename(pair.log_folder / "moved.txt")
    scene.fill()
    trial.expect(trial.becomes(log.exists, 5), "a new main_B.log within 5 s of mv")
    scene.fill()
    trial.expect(
        trial.becomes(lambda: log.exists() and "hedged" in log.read_text(), 5),
        "the next hedge stands in the new log",
    )
    trial.note_event("rm -rf logs")
    shutil.rmtree(pair.log_folder)
    scene.fill()
    trial.expect(trial.becomes(log.exists, 5), "a new main_B.log within 5 s of rm -rf")
    scene.fill()
    trial.expect(
        trial.becomes(lambda: log.exists() and "hedged" in log.read_text(), 5),
        "the next hedge stands in the new log after rm -rf",
    )
    trial.settle()


@case("1e", "B is dead for 100 s while a position is open: a WARNING or ERROR, an event, status")
def dead_b(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    ear = listen(trial, pair)
    scene.fill()
    trial.until(lambda: pair.resting() > 0, "A's next order to rest")
    began_ns = now()
    trial.signal(KILL, scene.hedger)
    trial.pause(100)
    trial.expect(not pair.resting(), "A rests nothing while B is dead")
    loud = r"\[(WARNING|ERROR)\].*(\bB\b|b_not_ready|heartbeat|peer)"
    scene.told(loud, "aloud that B is away", since_ns=began_ns)
    expect_event(trial, ear, r"heartbeat|b_not_ready|B is|peer|holding", "that B is away")
    scene.status(r"B: no heartbeat|no heartbeat of B|B .*(dead|gone|not running)", "that B is away")
    scene.hedger = pair.b()
    scene.goes_on()
    trial.settle()


@case("1f", "the book is empty for 80 s, A cannot quote: WARNING, event, status; it goes on after")
def empty_book(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    ear = listen(trial, pair)
    began_ns = now()
    trial.note_event("the book is emptied")
    pair.exchange.admin("markets/0", {"bids": [], "asks": []})
    trial.pause(80)
    scene.told(
        r"\[(WARNING|ERROR)\].*(holding|book|quote)", "why A cannot quote", since_ns=began_ns
    )
    expect_event(trial, ear, "holding|book|quote", "why A cannot quote")
    scene.status("book|no_market_data|market data|price", "why A cannot quote")
    trial.note_event("the book is back")
    levels = [[f"{3000 + step}.00", "50"] for step in range(1, 6)]
    bids = [[f"{3000 - step}.00", "50"] for step in range(1, 6)]
    pair.exchange.admin("markets/0", {"bids": bids, "asks": levels})
    scene.goes_on()
    trial.settle()


@case("1g", "every halt is an event: a stranger's trade, and B's failure that halts the pair")
def halts_are_events(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    ear = listen(trial, pair)
    halt_by_stranger(scene)
    trial.pause(2)
    expect_event(trial, ear, r"halt.*foreign|foreign.*halt", "the halt after a stranger's trade")
    pair.ctl("resume")
    trial.until(lambda: pair.resting() > 0, "A's order to rest after resume")
    fault = pair.exchange.fault("no_liquidity", account_index=pair.accounts[1], count=0)
    take_of_a(pair)
    halted = trial.becomes(lambda: ear.said("max_retries_exceeded"), 40)
    trial.expect(halted, "the failure is an event within 40 s")
    expect_event(trial, ear, r"halt.*max_retries|max_retries.*halt", "the halt after B's failure")
    scene.status("HALTED|NOT COVERED", "that it is halted and why")
    trial.note_event("liquidity is back")
    pair.exchange.heal(fault)
    trial.expect(trial.becomes(pair.flat_sum, 40), "B hedges once there is liquidity")
    pair.ctl("resume")
    scene.goes_on()
    trial.settle()


@case("1h", "refused messages of four causes, 100 each: counted by cause, few lines, in status")
def refused(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    began_ns = now()
    fill = {
        "account_index": pair.accounts[0], "market_index": 0, "order_index": 5,
        "filled_base_amount": "0.0100", "filled_quote_amount": "30", "avg_price": "3000",
        "timestamp": 1795000000, "side": "buy",
    }  # fmt: skip
    sorts = {
        "not JSON": "{garbage",
        "account": json.dumps(fill | {"account_index": 7}),
        "market": json.dumps(fill | {"market_index": 1}),
        "amount": json.dumps(fill | {"filled_base_amount": "-1"}),
    }
    trial.note_event("4 times 100 wrong messages")
    for text in sorts.values():
        pair.redis.cli("-r", "100", "PUBLISH", "hedge:account_a_filled", text)
    trial.pause(70)
    lines = lines_since(pair.logs("refused"), began_ns)
    for line in lines[:12]:
        trial.remark(f"log: {line[:250]}")
    trial.remark(f"{len(lines)} lines of 400 refused messages in 70 s")
    trial.expect(len(lines) >= 4, "a line for each cause")
    trial.expect(len(lines) <= 20, "about one line a minute and cause")
    text = scene.status("has refused", "what was refused")
    for word in ("account", "market"):
        said = re.search(rf"refused.*{word}|{word}\w* 100", text)
        trial.expect(bool(said), f"status counts those of another {word}")
    trial.expect("100" in text, "status counts 100")
    scene.goes_on()
    trial.settle()


def _two_losses(trial: Trial, first: str, second: str, older: str) -> None:
    """A's link to Redis is lost in two ways; the second loss must not name the first one's."""
    pair = Pair(trial)
    link = trial.proxy(pair.redis.port)
    lose = {"cut": link.cut, "black hole": link.hold}
    scene = start(trial, pair, a=pair.configure("a.yaml", redis__port=link.port))
    trial.note_event(f"A's link to Redis: {first}")
    lose[first]()
    trial.pause(12)
    trial.note_event("healed")
    link.heal()
    scene.fill(rests_within_s=60)
    trial.until(lambda: pair.resting() > 0, "A's order to rest again")
    began_ns = now()
    trial.note_event(f"A's link to Redis: {second}")
    lose[second]()
    trial.pause(15)
    scene.told(r"\[(WARNING|ERROR)\].*[Rr]edis", "the second loss", since_ns=began_ns)
    lines = lines_since(pair.logs(r"\[(WARNING|ERROR)\].*(redis_down|lost)"), began_ns)
    old = [text for text in lines if re.search(older, text)]
    trial.expect(not old, f"no older reason: {old[:1]}")
    trial.note_event("healed")
    link.heal()
    scene.goes_on()
    trial.settle()


@case("1i", "A's Redis refuses, comes back, then is mute: the second loss says its own reason")
def mute_after_cut(trial: Trial) -> None:
    _two_losses(trial, "cut", "black hole", "refused|reset|closed")


@case("1o", "A's Redis is mute, comes back, then refuses: the second loss says its own reason")
def cut_after_mute(trial: Trial) -> None:
    _two_losses(trial, "black hole", "cut", "does not answer in time|not connected yet|too long")


@case("1j", "./start_hedge.sh runs for 20 s: nothing scans Redis on a timer")
def no_scan(trial: Trial) -> None:
    pair = Pair(trial)
    launch(trial, pair)
    pair.redis.cli("CONFIG", "RESETSTAT")
    trial.note_event("counted from here")
    trial.pause(20)
    calls = re.findall(r"cmdstat_(\w+):calls=(\d+)", pair.redis.cli("INFO", "commandstats"))
    trial.remark("commands in 20 s: " + ", ".join(f"{name} {n}" for name, n in calls))
    scans = [name for name, _ in calls if name in ("scan", "keys")]
    trial.expect(not scans, "no SCAN and no KEYS in 20 s")
    pair.stop()
    trial.settle()


def todays_exchange(trial: Trial) -> Exchange:
    """The paper exchange of this yardstick's own repository: an older one has not every switch."""
    folder = trial.folder / "today"
    repo = Path(__file__).resolve().parents[2]
    shutil.copytree(repo / "paper", folder / "paper", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to((trial.repo / ".venv").resolve())
    return Exchange(trial, folder)


def _events_of_a(pair: Pair, since_ns: int) -> list[dict[str, Any]]:
    return [row for row in pair.exchange.orders(pair.accounts[0]) if row["mono_ns"] >= since_ns]


@case("1k", "the market's socket of A is cut while its order rests: no fence, no cancel, no proof")
def public_cut(trial: Trial) -> None:
    settings = {"lighter.maker_order_time_out": 600}
    pair = Pair(trial, exchange=todays_exchange(trial), settings=settings)
    scene = start(trial, pair)
    trial.pause(5)
    began_ns = now()
    pair.exchange.fault("socket_cut", family="order_book")
    trial.pause(20)
    events = _events_of_a(pair, began_ns)
    for row in events[:4]:
        trial.remark(f"order of A: {row['status']} {row['type']} {row['initial_base_amount']}")
    trial.expect(not events, "A's order is left where it is")
    for line in lines_since(pair.logs(r"fence|cancel|book_proven"), began_ns)[:3]:
        trial.expect(False, f"no fence, no cancel-all, no proof: {line[:200]}")
    told = r"market_data|market data|stream|link"
    scene.told(told, "that the market's stream was lost", since_ns=began_ns)
    scene.goes_on()
    trial.settle()


@case("1l", "A's private socket is cut while its order rests: fence, cancel-all, proof; goes on")
def private_cut(trial: Trial) -> None:
    settings = {"lighter.maker_order_time_out": 600}
    pair = Pair(trial, exchange=todays_exchange(trial), settings=settings)
    scene = start(trial, pair)
    trial.pause(5)
    began_ns = now()
    a = pair.accounts[0]
    pair.exchange.fault("socket_cut", family="account_all_orders", account_index=a)
    trial.pause(15)
    gone = [row for row in _events_of_a(pair, began_ns) if row["status"].startswith("cancel")]
    trial.expect(bool(gone), "the order that rested was cancelled")
    scene.told(r"streams_down|link lost|stream", "that the stream was lost", since_ns=began_ns)
    scene.told("book_proven|proven", "that the book is proven again", since_ns=began_ns)
    scene.goes_on()
    trial.settle()


@case("1m", "A's private channels are mute, pongs come: found within 30 s while an order rests")
def mute_private(trial: Trial) -> None:
    settings = {"lighter.maker_order_time_out": 600}
    pair = Pair(trial, exchange=todays_exchange(trial), settings=settings)
    scene = start(trial, pair)
    trial.pause(5)
    began_ns = now()
    a = pair.accounts[0]
    fault = pair.exchange.fault("channels_silent", family="account_all_orders", account_index=a)
    found = trial.becomes(
        lambda: bool(lines_since(pair.logs(r"streams_down|link lost|mute|silent"), began_ns)), 35
    )
    trial.remark(f"found after {(now() - began_ns) / 1e9:.1f} s")
    trial.expect(found, "found within 30 s (35 on a busy machine)")
    scene.told(r"streams_down|link lost|mute|silent", "that it is mute", since_ns=began_ns)
    trial.pause(5)
    pair.exchange.heal(fault)
    trial.note_event("healed")
    scene.goes_on()
    trial.settle()


@case("1n", "--detach: one log; the .out file holds nothing that is in it")
def one_log(trial: Trial) -> None:
    pair = Pair(trial)
    pair.launcher("--detach")
    trial.until(lambda: pair.resting() > 0, "A's order to rest", 120)
    trial.note_event("two fills")
    for _ in range(2):
        trial.until(lambda: take_of_a(pair), "an order of A to fill")
        trial.until(pair.flat_sum, "B's hedge")
    trial.until(lambda: bool(pair.logs("hedged")), "the log's line of the hedge")
    outs = [path for path in pair.folder.rglob("*.out") if ".venv" not in path.parts]
    for path in outs:
        twice = [line for line in path.read_text().splitlines() if "[INFO]" in line]
        trial.remark(f"{path.relative_to(pair.folder)}: {len(twice)} log lines")
        trial.expect(len(twice) < 5, f"{path.name} is no second copy of the log")
    trial.expect(pair.stop().code == 0, "stop_hedge.sh ends with 0")
    trial.settle()


# --- 2. nothing blocks the loop that hedges ---------------------------------------------------


def _hang_and_fill(scene: Scene) -> None:
    """Two lines to write, then fills."""
    for _ in range(2):
        garbage(scene)
    scene.trial.pause(1)
    scene.fills(3)


@case("2a", "Ctrl-S in B's terminal, one more log line, fills: covered; SIGTERM ends it")
def held_terminal(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair, terminal=True)
    trial.note_event("Ctrl-S in B's terminal")
    scene.hedger.type(CTRL_S)
    scene.hedger.hold_terminal()
    began_ns = now()
    _hang_and_fill(scene)
    scene.told("hedged", "the hedge", since_ns=began_ns)
    trial.signal(TERM, scene.maker)
    trial.expect(trial.becomes(lambda: scene.maker.code is not None, 30), "SIGTERM ends A in 30 s")
    trial.signal(TERM, scene.hedger)
    trial.expect(
        trial.becomes(lambda: scene.hedger.code is not None, 30), "SIGTERM ends B without Ctrl-Q"
    )
    trial.settle()


@case("2b", "nobody reads B's terminal, no key was pressed: 90 fills are covered")
def unread_terminal(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair, terminal=True)
    trial.note_event("B's terminal is read no more")
    scene.hedger.hold_terminal()
    scene.fills(90)
    trial.settle()


@case("2c", "Ctrl-S in the terminal of ./start_hedge.sh: fills are covered, stop_hedge.sh works")
def held_launcher(trial: Trial) -> None:
    pair = Pair(trial)
    launcher = launch(trial, pair, terminal=True)
    scene = Scene(trial, pair, launcher, launcher)
    trial.note_event("Ctrl-S in the launcher's terminal")
    launcher.type(CTRL_S)
    launcher.hold_terminal()
    began_ns = now()
    _hang_and_fill(scene)
    for _ in range(30):
        garbage(scene)
    scene.fills(20)
    scene.told("hedged", "the hedge", since_ns=began_ns)
    trial.expect(pair.stop().code == 0, "stop_hedge.sh ends with 0")
    trial.expect(trial.becomes(lambda: launcher.code is not None, 20), "the launcher ends, too")
    trial.settle()


@case("2d", "the disk with both logs hangs: fills are covered, status says that logs wait")
def hanging_disk(trial: Trial) -> None:
    with Disk(trial.folder) as disk:
        pair = Pair(trial, settings={"logging.dir": str(disk.place)})
        scene = start(trial, pair)
        ear = listen(trial, pair)
        trial.note_event("the log's disk hangs")
        disk.hang()
        _hang_and_fill(scene)
        trial.pause(10)
        scene.status("log_not_written|log cannot be written", "that logs cannot be written")
        expect_event(trial, ear, "log_not_written", "log_not_written")
        healed_ns = now()
        trial.note_event("the disk answers again")
        disk.heal()
        scene.told("hedged", "the hedges of meanwhile or after", since_ns=0, within_s=10)
        scene.goes_on()
        scene.told("hedged", "the next hedge", since_ns=healed_ns, within_s=5)
        trial.settle()


@case("2e", "the state's disk is full at a halt: written once it has room; in force after kill -9")
def full_disk_at_halt(trial: Trial) -> None:
    with Disk(trial.folder) as disk:
        pair = Pair(trial, settings={"state.dir": str(disk.place)})
        scene = start(trial, pair)
        trial.note_event("the state's disk is full")
        disk.fill()
        trial.pause(2)
        halt_by_stranger(scene)
        trial.pause(5)
        scene.status("state_not_written|state directory cannot|not stored", "it is not stored")
        trial.note_event("the disk has room again")
        disk.heal()
        # A stranger's trade is found again by the next proof: only the file shows the record.
        stored = trial.becomes(lambda: len(list(disk.place.glob("*/halt.json"))) == 2, 15)
        trial.expect(stored, "both hosts' halt.json is written within 15 s of it")
        trial.signal(KILL, scene.maker, scene.hedger)
        trial.pause(1)
        trial.note_event("FLUSHALL")
        pair.redis.cli("FLUSHALL")
        scene.hedger, scene.maker = pair.b(), pair.a()
        trial.pause(15)
        trial.expect(not pair.resting(), "A rests nothing: the halt is still in force")
        scene.status("HALTED", "that it is halted")
        pair.ctl("resume")
        scene.goes_on()
        trial.settle()


@case(
    "2f", "the state's folders take no file at a halt: `halt` claims no record, status names them"
)
def no_record_of_a_halt(trial: Trial) -> None:
    with Disk(trial.folder) as disk:
        pair = Pair(trial, settings={"state.dir": str(disk.place)})
        scene = start(trial, pair)
        trial.note_event("the folders of the state take no new file")
        disk.lock()
        halted = pair.ctl("halt")
        if halted.code == 2:
            raise CannotRunError("this version has no command `halt`")
        trial.remark(f"halt: exit {halted.code}: {halted.text.strip()}")
        stored = list(disk.place.glob("*/halt.json"))
        claims = halted.code == 0 and "on record" in halted.text
        trial.expect(not claims or len(stored) == 2, "`halt` claims no record that does not exist")
        trial.pause(3)
        scene.status("state_not_written|state directory cannot|not stored", "it is not stored")
        trial.signal(KILL, scene.maker, scene.hedger)
        trial.pause(1)
        trial.note_event("FLUSHALL, and the folders take files again")
        pair.redis.cli("FLUSHALL")
        disk.heal()
        scene.hedger, scene.maker = pair.b(), pair.a()
        if trial.becomes(lambda: pair.resting() > 0, 30):
            trial.remark("after kill -9 of both and an empty Redis A quotes again")
        trial.settle()


# --- 3. Redis that half works -----------------------------------------------------------------


def _half_redis(scene: Scene, what: str, break_it: Callable[[], Any], mend: Callable[[], Any],
                *, fill: bool) -> None:  # fmt: skip
    """75 s of a Redis that does not take writes, with a fill at its begin or without one."""
    trial, pair = scene.trial, scene.pair
    began_ns = now()
    trial.note_event(what)
    break_it()
    if fill:
        trial.expect(take_of_a(pair), "A's order still rests then")
        trial.expect(trial.becomes(pair.flat_sum, COVERED_S), "B's watch hedges it in 10 s")
    trial.pause(75)
    trial.expect(not pair.resting(), "A has cancelled what rested")
    scene.told(r"redis_down|OOM|READONLY|maxmemory|refuses|read-only|writes",
               "that Redis takes no writes", since_ns=began_ns)  # fmt: skip
    scene.status("OOM|READONLY|full|read-only|writes", "that Redis takes no writes")
    trial.note_event("mended")
    mend()
    scene.goes_on()
    halts = lines_since(pair.logs(HALTS), began_ns)
    trial.expect(not halts, f"nobody halts: {halts[:1]}")


@case("3a", "maxmemory is reached for 75 s, both flat: no halt, the reason is told, it goes on")
def full_redis(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    cli = scene.pair.redis.cli
    cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    _half_redis(
        scene, "maxmemory reached", lambda: cli("CONFIG", "SET", "maxmemory", "1"),
        lambda: cli("CONFIG", "SET", "maxmemory", "0"), fill=False,
    )  # fmt: skip
    trial.settle()


@case("3j", "maxmemory is reached for 75 s, A is filled at its begin: B's watch hedges, no halt")
def full_redis_and_a_fill(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    cli = scene.pair.redis.cli
    cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    _half_redis(
        scene, "maxmemory reached", lambda: cli("CONFIG", "SET", "maxmemory", "1"),
        lambda: cli("CONFIG", "SET", "maxmemory", "0"), fill=True,
    )  # fmt: skip
    trial.settle()


@case("3b", "Redis is a read-only replica for 75 s, A is filled at its begin: B's watch hedges")
def replica_redis(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    cli = scene.pair.redis.cli
    nowhere = str(free_port())
    _half_redis(
        scene, "REPLICAOF a dead host", lambda: cli("REPLICAOF", "127.0.0.1", nowhere),
        lambda: cli("REPLICAOF", "NO", "ONE"), fill=True,
    )  # fmt: skip
    trial.settle()


@dataclass
class Sentinels:
    """Three Sentinels that watch one master; `ports` are where the daemons reach them."""

    servers: list[Process]
    ports: list[int]
    own: list[int]

    @property
    def settings(self) -> dict[str, Any]:
        """What config.yaml says of them."""
        found = [f"127.0.0.1:{port}" for port in self.ports]
        return {"redis.sentinels": found, "redis.master_name": "mymaster"}


def sentinels(trial: Trial, folder: Path, redis: Redis, *, away_s: float = 0) -> Sentinels:
    """Start three Sentinels, each `away_s` from the daemons, each way."""
    found = Sentinels([], [], [])
    for number in range(3):
        port = free_port()
        file = folder / f"sentinel-{number}.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {redis.port} 2\n"
            "sentinel down-after-milliseconds mymaster 2000\n"
            "sentinel failover-timeout mymaster 10000\n"
        )
        server = shutil.which("redis-server") or ".venv/bin/redis-server"
        found.servers.append(trial.run([server, str(file), "--sentinel"], redis.checkout))
        found.own.append(port)
        reached = port
        if away_s:
            link = trial.proxy(port)
            link.delay(away_s)
            reached = link.port
        found.ports.append(reached)
    trial.pause(4)  # until they know of each other
    return found


@case("3c", "three Sentinels 80 ms away, each way: both daemons connect, and trade")
def far_sentinels(trial: Trial) -> None:
    pair = Pair(trial)
    watch = sentinels(trial, pair.folder, pair.redis, away_s=0.08)
    file = pair.configure("config.yaml", **_dunder(watch.settings))
    hedger = pair.b(config=file)
    ready = trial.becomes(lambda: hedger.said(r"\] ready "), 60)
    trial.expect(ready, "B is ready within 60 s")
    maker = pair.a(config=file)
    scene = Scene(trial, pair, maker, hedger)
    trial.note_event("started")
    for line in [text for _, text in hedger.lines if "entinel" in text][-2:]:
        trial.remark(f"B: {line[:300]}")
    scene.goes_on(60)
    trial.settle()


def _dunder(settings: dict[str, Any]) -> dict[str, Any]:
    return {key.replace(".", "__"): value for key, value in settings.items()}


@case("3d", "the Sentinels promote another; A's links to the old master live on: A follows in 60 s")
def deposed_master(trial: Trial) -> None:
    pair = Pair(trial)
    old = pair.redis
    new = Redis(trial, pair.folder, ("--replicaof", "127.0.0.1", str(old.port)))
    watch = sentinels(trial, pair.folder, old)
    pair.config = pair.configure("config.yaml", **_dunder(watch.settings))
    trial.pause(12)  # a Sentinel asks a master for its replicas every 10 s
    scene = start(trial, pair)
    scene.fill()
    trial.note_event("the Sentinels cannot log in at the master any more, and promote the replica")
    old.cli("CONFIG", "SET", "requirepass", "x")
    auth = ("-a", "x", "--no-auth-warning")
    for line in old.cli(*auth, "CLIENT", "LIST").splitlines():
        if "name=sentinel" in line and (found := re.search(r"\bid=(\d+)", line)):
            old.cli(*auth, "CLIENT", "KILL", "ID", found[1])
    trial.until(lambda: "role:master" in new.cli("INFO", "replication"), "the promotion", 60)
    began_ns = now()
    trial.note_event("promoted; B is killed, and started again as its launcher does")
    trial.signal(KILL, scene.hedger)
    scene.hedger = pair.b()
    trial.until(lambda: scene.hedger.said(r"\] ready "), "the new B to be ready")
    scene.fill(rests_within_s=75)
    trial.remark(f"A traded again {(now() - began_ns) / 1e9:.0f} s after the promotion")
    scene.told("entinel|master|promot", "that the master has changed", since_ns=began_ns)
    trial.settle()


@case("3e", "SUBSCRIBE is forbidden while the pair runs: a line and status within 45 s, covered")
def forbidden(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    ear = listen(trial, pair)
    began_ns = now()
    trial.note_event("ACL: no SUBSCRIBE; the subscriptions are killed")
    pair.redis.cli("ACL", "SETUSER", "default", "-subscribe", "-psubscribe")
    ids = re.findall(r"\bid=(\d+) .*\bsub=[1-9]", pair.redis.cli("CLIENT", "LIST"))
    for number in ids:
        pair.redis.cli("CLIENT", "KILL", "ID", number)
    trial.remark(f"{len(ids)} subscriptions killed")
    scene.fill()
    trial.pause(45)
    scene.fill()
    scene.told(r"\[(WARNING|ERROR)\].*(subscri|NOPERM|listen)", "that it may not subscribe",
               since_ns=began_ns)  # fmt: skip
    scene.status("subscri|NOPERM|listen", "that it may not subscribe")
    expect_event(trial, ear, '"event".*subscri', "that it may not subscribe")
    pair.redis.cli("ACL", "SETUSER", "default", "+@all")
    trial.note_event("allowed again")
    scene.goes_on()
    trial.settle()


def _dump_of_a_halt(scene: Scene) -> bytes:
    """A halt, a dump of Redis, a resume; the dump."""
    trial, pair = scene.trial, scene.pair
    halt_by_stranger(scene)
    trial.pause(1)
    pair.redis.cli("SAVE")
    old = (pair.folder / "dump.rdb").read_bytes()
    resumed = pair.ctl("resume")
    trial.remark(f"resume: exit {resumed.code}: {resumed.text.strip().splitlines()[-1][:200]}")
    return old


def _restore(scene: Scene, dump: bytes) -> None:
    """Kill Redis, and start it with this dump."""
    trial, pair = scene.trial, scene.pair
    trial.note_event("Redis is killed and comes back with the dump of the halt")
    trial.signal(KILL, pair.redis.process)
    trial.until(lambda: pair.redis.process.code is not None, "its end")
    (pair.folder / "dump.rdb").write_bytes(dump)
    pair.redis.start()
    shown = pair.redis.cli("GET", "hedge:halt")
    trial.remark(f"hedge:halt of the dump: {shown.strip()[:200]}")


@case("3f", "an old dump of Redis holds a halt that a person resumed: nobody halts again")
def old_dump(trial: Trial) -> None:
    scene = start(trial, Pair(trial))
    dump = _dump_of_a_halt(scene)
    scene.fill()
    began_ns = now()
    _restore(scene, dump)
    scene.goes_on()
    halts = lines_since(scene.pair.logs(HALTS), began_ns)
    trial.expect(not halts, f"nobody halts: {halts[:1]}")
    trial.settle()


@case("3i", "the same while both daemons are down: neither comes up halted")
def old_dump_at_start(trial: Trial) -> None:
    pair = Pair(trial)
    scene = start(trial, pair)
    dump = _dump_of_a_halt(scene)
    scene.fill()
    for daemon in (scene.maker, scene.hedger):
        trial.signal(TERM, daemon)
        trial.finish(daemon)
    began_ns = now()
    _restore(scene, dump)
    scene.hedger, scene.maker = pair.b(), pair.a()
    scene.goes_on()
    halts = lines_since(pair.logs(HALTS), began_ns)
    trial.expect(not halts, f"nobody halts: {halts[:1]}")
    trial.settle()


@case("3g", "Redis is 500 ms away, each way, and every connection is cut: made anew, it trades")
def far_redis(trial: Trial) -> None:
    pair = Pair(trial)
    link = trial.proxy(pair.redis.port)
    pair.config = pair.configure("config.yaml", redis__port=link.port)
    scene = start(trial, pair)
    began_ns = now()
    trial.note_event("Redis is 500 ms away")
    link.delay(0.5)
    scene.fill()
    trial.note_event("every connection is killed")
    for kind in ("normal", "pubsub"):
        pair.redis.cli("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    scene.goes_on()
    scene.told("[Rr]edis", "that Redis was lost", since_ns=began_ns)
    trial.settle()


@case("3h", "Redis is 500 ms away, each way, at the start: both come up and trade")
def far_redis_at_start(trial: Trial) -> None:
    pair = Pair(trial)
    link = trial.proxy(pair.redis.port)
    link.delay(0.5)
    pair.config = pair.configure("config.yaml", redis__port=link.port)
    trial.note_event("started")
    hedger = pair.b()
    trial.expect(trial.becomes(lambda: hedger.said(r"\] ready "), 60), "B is ready within 60 s")
    scene = Scene(trial, pair, pair.a(), hedger)
    scene.goes_on(60)
    trial.settle()


# --- 4. holds that nobody sees ----------------------------------------------------------------


def _above(trial: Trial, limit: str, *words: str, **settings: str) -> None:
    """A quantity above a limit: either a start refused by that name, or a hold of that name."""
    pair = Pair(trial)
    config = pair.configure("limit.yaml", **settings)
    hedger = pair.b(config=config)
    trial.becomes(lambda: hedger.code is not None or hedger.said(r"\] ready "), 60)
    began_ns = now()
    maker = pair.a(*words, config=config)
    trial.note_event("A is started")
    trial.pause(70)
    trial.expect(not pair.resting(), "A rests nothing")
    if maker.code is None:
        scene = Scene(trial, pair, maker, hedger)
        scene.told(limit, "which limit", since_ns=began_ns)
        scene.status(limit, "which limit")
    else:
        said = maker.text.splitlines()[-1:]
        trial.remark(f"A ended with {maker.code}: {said}")
        trial.expect(maker.code == 2, "A ends with 2")
        trial.expect(bool(re.search(limit, maker.text)), "its last sentence names the limit")
    trial.settle()


@case("4a", "quantity above safety.max_position_base_amount: log and status name the limit")
def above_position_limit(trial: Trial) -> None:
    limit = "position_limit|max_position_base_amount"
    _above(trial, limit, safety__max_position_base_amount="0.005")


@case("4e", "--quantity above safety.max_position_base_amount, B's configuration is right: told")
def above_limit_by_option(trial: Trial) -> None:
    limit = "position_limit|max_position_base_amount"
    _above(trial, limit, "--quantity", "0.03", safety__max_position_base_amount="0.02")


@case("4f", "quantity above safety.max_fill_base_amount: log and status name the limit")
def above_fill_limit(trial: Trial) -> None:
    limit = "fill_limit|max_fill_base_amount"
    _above(trial, limit, safety__max_fill_base_amount="0.005")


@case("4b", "force_reduce_only, a large budget: few opening orders a minute, told; goes on after")
def reduce_only(trial: Trial) -> None:
    pair = Pair(trial)
    hedger = pair.b()
    trial.until(lambda: hedger.said(r"\] ready "), "B to be ready")
    trial.note_event("force_reduce_only")
    pair.exchange.admin("markets/0", {"force_reduce_only": True})
    began_ns = now()
    scene = Scene(trial, pair, pair.a(), hedger)
    trial.pause(90)
    sent = {row["client_order_index"] for row in _events_of_a(pair, began_ns)}
    trial.remark(f"{len(sent)} orders of A in 90 s")
    trial.expect(len(sent) <= 20, "a growing pause: at most 20 orders in 90 s")
    reason = r"reduce.only|position-not-allowed|force_reduce"
    scene.told(rf"\[(WARNING|ERROR)\].*({reason})", "why", since_ns=began_ns)
    scene.status(reason, "why")
    trial.note_event("the market takes opening orders again")
    pair.exchange.admin("markets/0", {"force_reduce_only": False})
    scene.goes_on(100)
    trial.settle()


@case("4c", "B's exchange link is a black hole for 40 s, the market moves: A starts nothing new")
def black_hole(trial: Trial) -> None:
    pair = Pair(trial)
    link = trial.proxy(pair.exchange.port)
    file = pair.configure("b.yaml", lighter__base_url=f"http://127.0.0.1:{link.port}")
    scene = start(trial, pair, b=file)
    began_ns = now()
    trial.note_event("B's link to the exchange is a black hole")
    link.hold()
    price, filled_s = Decimal(3000), 0.0
    while (past_s := (now() - began_ns) / 1e9) < 40:
        price += 3
        pair.exchange.admin("markets/0", {"price": f"{price:.2f}"})
        trial.pause(2)
        if past_s > 16 and not filled_s and pair.resting():
            filled_s = past_s if take_of_a(pair) else 0.0
    born: dict[int, int] = {}
    for row in pair.exchange.orders(pair.accounts[0]):
        born.setdefault(row["order_index"], row["mono_ns"])
    late = [(at_ns - began_ns) / 1e9 for at_ns in born.values() if at_ns - began_ns > 12e9]
    trial.remark("A's orders began at " + ", ".join(
        f"{(at_ns - began_ns) / 1e9:+.1f}" for at_ns in born.values()) + " s")  # fmt: skip
    trial.expect(not late, f"no order of A later than 12 s into it: {late[:3]} s")
    trial.expect(not filled_s, f"nothing of A to fill later than 16 s (filled at {filled_s:.0f} s)")
    why = r"b_not_ready|silent|not heard|own streams|exchange.*(answer|reach)|no answer|link lost"
    scene.told(why, "that B does not hear the exchange", since_ns=began_ns)
    scene.status(why + "|not ready|UNKNOWN", "that B does not hear the exchange")
    trial.note_event("healed")
    link.heal()
    trial.expect(trial.becomes(pair.flat_sum, 60), "all is covered within 60 s of it")
    scene.goes_on()
    trial.settle()


@case("4d", "A's link to Redis is a black hole, B's watch is deaf, a busy market, A is filled")
def deaf_watch(trial: Trial) -> None:
    pair = Pair(trial)
    link = trial.proxy(pair.redis.port)
    scene = start(trial, pair, a=pair.configure("a.yaml", redis__port=link.port))
    pair.exchange.fault("frames_dropped", family="account_all", count=0)
    trial.pause(8)
    trial.until(lambda: pair.resting() > 0, "A's order to rest")
    began_ns = now()
    trial.note_event("A's link to Redis is a black hole")
    link.hold()
    trial.expect(take_of_a(pair), "A's order is filled")
    for round_number in range(60):  # other people's trades, more than one page of them at once
        for _ in range(20):
            body = {"market_index": 0, "side": "buy", "base_amount": "0.001"}
            pair.exchange.admin("take", body)
        if round_number % 5 == 0 and pair.flat_sum():
            break
        trial.pause(0.25)
    covered = trial.becomes(pair.flat_sum, 60)
    trial.remark(f"covered after {scene.naked_s(began_ns):.1f} s")
    trial.expect(covered and scene.naked_s(began_ns) <= 45, "covered within 45 s")
    scene.told(r"redis_down|Redis", "that A is cut off", since_ns=began_ns)
    why = r"main_B|watch|a_unknown|reach|deaf"
    scene.told(rf"\[(WARNING|ERROR)\].*({why})|watched|hedged|a_unknown",
               "what B knows of A", since_ns=began_ns)  # fmt: skip
    trial.note_event("healed")
    link.heal()
    pair.exchange.heal()
    scene.goes_on()
    trial.settle()
