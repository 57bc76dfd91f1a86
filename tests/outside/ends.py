"""Evidence before words, ends and starts in every order, commands that cannot hurt.

Promises are those of README.md and docs/states.md; the letters are those of the list of faults that
these rules came from.
"""

import random
import re
import signal
import time
from itertools import pairwise

from tests.outside.kit import Trial, case
from tests.outside.pair import Pair, PaperRun, Scene
from tests.outside.processes import Process, alive
from tests.outside.services import PYTHON
from tests.outside.words import written_ns

KILL, TERM, INT, STOP = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP
SIZE = "0.0100"  # of A's order, ETH
END_S = 480  # the longest that an end may wait: the life of an order and what follows


# --- what several cases do -----------------------------------------------------------------------


def start_b(trial: Trial, pair: Pair, *words: str, config: str = "") -> Process:
    """Start B and wait until it is ready."""
    hedger = pair.b(*words, config=config)
    trial.until(lambda: hedger.said(r"\] ready "), "B to be ready")
    return hedger


def by_hand(trial: Trial, pair: Pair, *words: str, a: str = "", b: str = "") -> list[Process]:
    """Start B, then A, each by hand, and wait until A's order rests; A, then B.

    Args:
        trial: The trial.
        pair: The pair.
        words: For both command lines.
        a: A's configuration, where it has one of its own.
        b: B's.
    """
    hedger = start_b(trial, pair, *words, config=b)
    maker = pair.a(*words, config=a)
    wait_resting(trial, pair)
    return [maker, hedger]


def detached(trial: Trial, pair: Pair) -> None:
    """Start the pair in the background and wait until A's order rests."""
    trial.finish(pair.launcher("--detach"), 120)
    wait_resting(trial, pair)


def wait_resting(trial: Trial, pair: Scene, timeout_s: float = 90) -> None:
    """Wait until an order of A rests."""
    trial.until(lambda: pair.resting() > 0, "A's order to rest", timeout_s)


def fill(pair: Scene, side: str = "sell", amount: str = SIZE) -> None:
    """A stranger fills A's order: with "sell" its bid, with "buy" its ask."""
    pair.exchange.take(side, amount, until=pair.accounts[0])


def hedged_position(trial: Trial, pair: Pair) -> None:
    """A is long, B short, and A's order that closes rests."""
    fill(pair)
    trial.until(lambda: pair.positions()[1] < 0 and pair.flat_sum(), "the hedge")
    wait_resting(trial, pair)


def ends(trial: Trial, *processes: Process, timeout_s: float = END_S) -> None:
    """Wait until all of them have ended."""
    trial.until(lambda: all(process.code is not None for process in processes), "ends", timeout_s)


def status(pair: Scene, config: str = "") -> tuple[int | None, str]:
    """Exit code and text of one `hedgectl status`."""
    asked = pair.ctl("status", config=config)
    return asked.code, asked.text


def watch_status(trial: Trial, pair: Scene, until_s: float, gap_s: float = 5) -> None:
    """Ask again and again; what it claims is judged at the end."""
    deadline = time.monotonic() + until_s
    while time.monotonic() < deadline:
        status(pair)
        trial.pause(gap_s)


def trades_again(trial: Trial, pair: Pair) -> None:
    """The way out led out: status is neutral and A's order rests."""
    rests = trial.becomes(lambda: pair.resting() > 0, 90)
    trial.expect(rests, "the pair trades again")
    trial.expect(status(pair)[0] == 0, "status ends with 0 then")


# --- 1. evidence before words --------------------------------------------------------------------


@case("1a", "A's order rests, kill -9 A and B, A filled, 150 market trades, start B: B hedges it")
def fill_of_two_dead(trial: Trial) -> None:
    pair = Pair(trial)
    maker, hedger = by_hand(trial, pair)
    trial.signal(KILL, maker, hedger)
    ends(trial, maker, hedger)
    fill(pair)
    for turn in range(150):
        pair.exchange.take("sell" if turn % 2 else "buy", "0.0100")
    pair.b()
    watch_status(trial, pair, 60)
    trial.settle()


@case("1b", "B alone, a hand-published buy of 0.5: not Neutral, exit code 5, while it stands")
def hand_published(trial: Trial) -> None:
    pair = Pair(trial, settings={"strategy.quantity": "0.5"})
    start_b(trial, pair)
    pair.publish_fill("buy", "0.5000", 1)
    trial.until(lambda: pair.positions()[1] != 0, "B to sell", 20)
    code, text = status(pair)
    trial.expect(code == 5, f"status ends with 5, not {code}")
    trial.expect("NOT COVERED" in text, "status says NOT COVERED")
    pair.publish_fill("sell", "0.5000", 2)
    trial.until(pair.flat_sum, "B to buy it back", 20)
    trial.settle()


@case("1b-small", "the same with the configured quantity 0.01: refused or hedged, never Neutral")
def hand_published_small(trial: Trial) -> None:
    pair = Pair(trial)
    start_b(trial, pair)
    pair.publish_fill("buy", "0.5000", 1)
    moved = trial.becomes(lambda: pair.positions()[1] != 0, 15)
    trial.remark(f"B {'sold' if moved else 'sold nothing'}; status: {status(pair)}")
    pair.publish_fill("sell", "0.5000", 2)
    trial.settle()


@case("1c", "--market BTC over a configuration that says ETH: status names BTC")
def other_market_in_words(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair, "--market", "BTC")
    pair.exchange.take("sell", "0.01000", until=pair.accounts[0], market=1)
    trial.until(lambda: pair.positions(1)[1] != 0, "the hedge")
    trial.pause(3)
    _, text = status(pair)
    trial.expect("BTC" in text and not re.search(r"\d ETH", text), "amounts are in BTC")
    trial.settle()


@case("1d-start", "right after a start and after a resume, flat and proven: never NOT COVERED")
def right_after_a_start(trial: Trial) -> None:
    pair = Pair(trial)
    start_b(trial, pair)
    pair.a()
    texts = [status(pair)[1] for _ in range(6)]
    wait_resting(trial, pair)
    pair.halt()
    trial.expect(pair.ctl("resume").code == 0, "resume ends with 0")
    texts += [status(pair)[1] for _ in range(4)]
    trial.note_event("last status")
    wrong = [text for text in texts if "NOT COVERED" in text]
    trial.expect(not wrong, f"never NOT COVERED while flat: {wrong[:1]}")
    trial.settle()


@case("1d-alone", "B alone, flat, asked to stop: ends with 0")
def b_alone(trial: Trial) -> None:
    pair = Pair(trial)
    hedger = start_b(trial, pair)
    trial.signal(TERM, hedger)
    ends(trial, hedger)
    trial.remark(f"it took {(hedger.ended_ns or 0) / 1e9 - trial.last_ns / 1e9:.0f} s")
    trial.expect(hedger.code == 0, f"B ends with 0, not {hedger.code}")
    trial.expect(not hedger.said(r"\[ERROR\]"), "no [ERROR]")
    trial.settle()


@case("1e", "status ends with 5 when halted and when nothing runs")
def status_of_no_pair(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    trial.expect(pair.halt().code == 0, "halt ends with 0")
    code, text = status(pair)
    trial.expect(code == 5 and "HALTED" in text, f"halted: 5, not {code}")
    trial.signal(TERM, *daemons)
    ends(trial, *daemons)
    trial.pause(6)
    code, text = status(pair)
    trial.expect(code == 5, f"nothing runs: 5, not {code}")
    trial.remark(text.strip().splitlines()[0])
    trial.settle()


@case("1f", "A cut from Redis, B from the exchange, A filled, TERM to both: B does not end with 0")
def both_half_blind(trial: Trial) -> None:
    pair = Pair(trial)
    to_redis, to_exchange = trial.proxy(pair.redis.port), trial.proxy(pair.exchange.port)
    a = pair.configure("a.yaml", redis__port=to_redis.port)
    b = pair.configure("b.yaml", lighter__base_url=f"http://127.0.0.1:{to_exchange.port}")
    maker, hedger = by_hand(trial, pair, a=a, b=b)
    trial.note_event("black holes: A - Redis, B - exchange")
    to_redis.hold()
    to_exchange.hold()
    fill(pair)
    trial.signal(TERM, maker, hedger)
    ends(trial, maker, hedger)
    if not pair.flat_sum():
        trial.expect(hedger.code == 5, f"B ends with 5, not {hedger.code}, beside a naked fill")
        trial.expect(maker.code == 5, f"A ends with 5, not {maker.code}, beside a naked fill")
    to_redis.heal()
    to_exchange.heal()
    trial.note_event("healed, started again")
    pair.b(config=b)
    pair.a(config=a)
    trial.settle()


@case("1g", "SUMMARY with a net left over: cost none, fees in, exit code 5")
def summary(trial: Trial) -> None:
    run = PaperRun(trial, "--tier", "standard")
    run.wait_until_it_runs()
    for account in run.accounts:  # so that there are fees
        run.exchange.admin(f"accounts/{account}/tier", {"tier": "premium"})
    b = run.accounts[1]
    trial.until(lambda: len(run.exchange.trades(b)) > 3, "hedges", 240)
    run.exchange.fault("foreign_trade", account_index=b, side="sell", base_amount="0.0001")
    trial.pause(4)
    trial.note_event("Ctrl-C")
    run.launcher.type(b"\x03")
    ends(trial, run.launcher)
    found = re.findall(r"SUMMARY .*", run.launcher.text)
    trial.remark(found[-1] if found else "no SUMMARY")
    run.reopen("--tier", "standard")
    left = sum(run.net().values())
    trial.remark(f"A + B by the exchange: {left}")
    if left and found:
        trial.expect("cost_bps=none" in found[-1], "cost_bps is none while the net is not 0")
    if found:
        trial.expect("fees_usd=0.0000" not in found[-1], "fees are in")
    trial.expect(run.launcher.code == 5, f"the start ends with 5, not {run.launcher.code}")
    trial.told_open("a foreign trade of B, which is never countered")


# --- 2. ends and starts in every order -----------------------------------------------------------


@case("2a", "tier standard, A's order rests, one TERM to A and B, a fill while A cancels: neutral")
def one_term_to_both(trial: Trial) -> None:
    pair = Pair(trial, tier="standard")
    maker, hedger = by_hand(trial, pair)
    trial.signal(TERM, maker, hedger)
    trial.pause(0.1)
    fill(pair)
    ends(trial, maker, hedger)
    trial.settle()
    trial.expect(maker.code == 0, f"A ends with 0, not {maker.code}")
    trial.expect(hedger.code == 0, f"B ends with 0, not {hedger.code}")


@case("2b", "the same with the start script's pid in the list: no second signal for A, neutral")
def one_term_to_all(trial: Trial) -> None:
    pair = Pair(trial, tier="standard")
    started = pair.launcher()
    wait_resting(trial, pair)
    numbers = [started.pid, *pair.pids("main_A.py"), *pair.pids("main_B.py")]
    pair.run(["kill", "-TERM", *map(str, numbers)])
    trial.note_event(f"SIGTERM to launcher, A, B {numbers}")
    trial.pause(0.15)
    fill(pair)
    ends(trial, started)
    trial.settle()
    trial.expect(started.code == 0, f"the start ends with 0, not {started.code}")
    trial.expect(not pair.pids("main_"), "nothing runs on")


@case(
    "2c-foreground", "start in the foreground, kill -9 A with its order in the book, filled: hedged"
)
def a_dies_in_the_foreground(trial: Trial) -> None:
    pair = Pair(trial)
    started = pair.launcher()
    wait_resting(trial, pair)
    pair.kill("main_A.py")
    fill(pair)
    trial.settle()
    trial.expect(started.code is None, "the start goes on")
    trial.expect(pair.stop().code == 0, "the stop ends with 0")


@case("2c-detached", "detached, kill -9 A, at once stop_hedge.sh: no Neutral beside an order of A")
def a_dead_at_the_stop(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    pair.kill("main_A.py")
    stopped = pair.stop()
    rests = pair.resting()
    trial.remark(f"after the stop (exit {stopped.code}) {rests} orders of A rest")
    trial.expect(not (stopped.code == 0 and rests), "no exit 0 while A's order rests")
    if rests:
        fill(pair)
    trial.settle()


@case("2d", "detached, kill -9 B, A filled, 75 s; start, stop, start, resume lead out")
def b_dead_and_a_filled(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    pair.kill("main_B.py")
    fill(pair)
    trial.pause(75)
    find_the_way(trial, pair)
    trial.settle()


@case("2d-launcher", "the same with the launcher killed, too: start, stop, start, resume lead out")
def b_and_launcher_dead(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    kill_launcher(trial, pair)
    pair.kill("main_B.py")
    fill(pair)
    trial.pause(80)
    watch_status(trial, pair, 1)
    find_the_way(trial, pair)
    trial.settle()


@case("2d-flatten", "detached, a position; flatten, stop, start, resume: the pair trades again")
def way_out_of_flatten(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    hedged_position(trial, pair)
    trial.note_event("flatten")
    trial.expect(pair.flatten().code == 0, "flatten ends with 0")
    trial.expect(not any(pair.positions()), "both are flat then")
    find_the_way(trial, pair)
    trial.settle()


def find_the_way(trial: Trial, pair: Pair) -> None:
    """Start, stop, start, resume, as the sentences say; then the pair trades."""
    for what in ("start", "stop", "start"):
        done = pair.stop() if what == "stop" else trial.finish(pair.launcher("--detach"), 180)
        last = done.text.strip().splitlines()[-1:]
        trial.remark(f"{what}: exit {done.code} {last}")
    if "HALTED" in status(pair)[1]:
        resumed = pair.ctl("resume")
        trial.expect(resumed.code == 0, f"resume ends with 0: {resumed.text.strip()[-300:]}")
    trades_again(trial, pair)


def kill_launcher(trial: Trial, pair: Pair) -> None:
    """Kill -9 the supervisor that --detach left in the background."""
    own = ("main_A", "main_B", "redis-server", "-m paper")
    found = {
        pid: command
        for pid, command in alive(trial.mark).items()
        if not any(word in command for word in own) and pid in pair.pids(command)
    }
    trial.note_event(f"SIGKILL to {list(found.values()) or 'no launcher (none runs)'}")
    for pid in found:
        pair.run(["kill", "-9", str(pid)])
    trial.pause(1)


@case("2e", "A killed with an ETH order, A restarted with --market BTC: the order is not forgotten")
def another_market(trial: Trial) -> None:
    pair = Pair(trial)
    maker, _ = by_hand(trial, pair)
    trial.signal(KILL, maker)
    ends(trial, maker)
    again = pair.a("--market", "BTC")
    trial.pause(8)
    trial.remark(f"8 s later {pair.resting()} orders of A rest")
    fill(pair)
    trial.settle()
    trial.remark(f"A with --market BTC: exit {again.code}")


@case("2e-both", "both killed with an ETH order, both started with --market BTC, filled: hedged")
def another_market_for_both(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    trial.signal(KILL, *daemons)
    ends(trial, *daemons)
    fill(pair, amount="0.0040")  # one part while nothing runs, the rest where it still rests
    again = [pair.b("--market", "BTC"), pair.a("--market", "BTC")]
    trial.pause(3)
    trial.remark(f"3 s later {pair.resting()} orders of A rest")
    fill(pair)
    trial.settle()
    trial.remark(f"B and A with --market BTC: exit {[process.code for process in again]}")


@case("2e-key", "the same with another API key index: refused (2), the order and its end named")
def another_key(trial: Trial) -> None:
    refused_beside_an_order(trial, "key")


@case("2e-account", "the same with another account index of A: refused (2), the order named")
def another_account(trial: Trial) -> None:
    refused_beside_an_order(trial, "account")


def refused_beside_an_order(trial: Trial, what: str) -> None:
    """A killed with its order in the book, then started as another account or key."""
    pair = Pair(trial)
    maker, _ = by_hand(trial, pair)
    trial.signal(KILL, maker)
    ends(trial, maker)
    if what == "key":
        (private,) = pair.make_keys(pair.accounts[0], index=5)
        changed = {"api_key_index": 5, "api_key_private_key": private}
    else:
        pair.add_account(7)
        (private,) = pair.make_keys(7)
        changed = {"account_index": 7, "api_key_private_key": private}
    words = {f"accounts__account_a__{key}": value for key, value in changed.items()}
    again = pair.a(config=pair.configure("other.yaml", **words))
    ended = trial.becomes(lambda: again.code is not None, 30)
    trial.expect(ended and again.code == 2, f"A ends with 2, not {again.code}")
    named = re.search(r"order \d+ .*until \d{4}-", again.text)
    trial.expect(named is not None, "the sentence names the order and its end")
    trial.remark(
        again.text.strip().splitlines()[-1][:400] if again.text.strip() else "said nothing"
    )
    fill(pair)
    trial.settle()


@case("2f", "the market changed while a position is open: the old legs are named, both end with 2")
def market_changed(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.signal(TERM, *daemons)
    ends(trial, *daemons)
    hedger, maker = pair.b("--market", "BTC"), pair.a("--market", "BTC")
    ended = trial.becomes(lambda: None not in (hedger.code, maker.code), 120)
    trial.expect(ended, "both end")
    for process, size in ((maker, "0.0100"), (hedger, "0.0100")):
        trial.expect(process.code == 2, f"{process.argv[1]} ends with 2, not {process.code}")
        trial.expect("ETH" in process.text and size in process.text, "the old leg is named")
    trial.note_event("both ended")
    trial.settle()


@case("2f-launcher", "the same by ./start_hedge.sh --market BTC: 2, the legs and the way out")
def market_changed_by_script(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    hedged_position(trial, pair)
    pair.stop()
    again = trial.finish(pair.launcher("--detach", "--market", "BTC"), 180)
    trial.remark(f"start --market BTC: exit {again.code}: {again.text.strip()[-400:]}")
    trial.expect(again.code == 2, f"the start ends with 2, not {again.code}")
    trial.expect("0.0100 ETH" in again.text, "it names what is held")
    trial.note_event("refused")
    trial.settle()


@case("2g", "Ctrl-C right after 'Both run.': one line, within seconds, nothing left")
def ctrl_c_when_both_run(trial: Trial) -> None:
    run = PaperRun(trial)
    run.wait_until_it_runs()
    judge_ctrl_c(trial, run)


@case("2g-random", "Ctrl-C at 20 random moments of a start: no traceback, nothing left")
def ctrl_c_at_any_moment(trial: Trial) -> None:
    moments = random.Random(1)
    run = PaperRun(trial)
    began_s = time.monotonic()
    run.wait_until_it_runs()
    longest_s = max(5.0, time.monotonic() - began_s + 2)  # this machine's five seconds
    for turn in range(20):
        if turn:
            run = PaperRun(trial, folder=run.folder)
            trial.pause(moments.uniform(0.02, longest_s))
        trial.pairs.clear()  # its exchange ends with it
        judge_ctrl_c(trial, run)


def judge_ctrl_c(trial: Trial, run: PaperRun) -> None:
    """Type Ctrl-C, wait for the end, and look at what was printed since."""
    launcher = run.launcher
    before = len(launcher.lines)
    trial.note_event("Ctrl-C typed")
    launcher.type(b"\x03")
    ended = trial.becomes(lambda: launcher.code is not None, 90)
    took_s = ((launcher.ended_ns or time.monotonic_ns()) - trial.last_ns) / 1e9
    printed = [line.replace("^C", "") for _, line in launcher.lines[before:]]
    said = [line for line in printed if line.strip() and not re.match(r"[AB]\| ", line)]
    moments = [(at_ns - trial.last_ns) / 1e9 for at_ns, _ in launcher.lines[before:]]
    pause_s = max((b - a for a, b in pairwise([0.0, *moments, took_s])), default=0.0)
    trial.remark(f"{took_s:.1f} s, silent {pause_s:.1f} s, exit {launcher.code}: {said}")
    trial.expect(ended and took_s < 60, f"it ends within 60 s, not {took_s:.0f}")
    trial.expect("Traceback" not in launcher.text, "no traceback")
    last = [line for line in said if not line.startswith(("Waiting: ", "SUMMARY "))]
    trial.expect(len(last) <= 1, f"one line, beside SUMMARY and what it waits for: {said}")
    trial.expect(not any("UNKNOWN" in line or "NOT COVERED" in line for line in last), f"{last}")
    # A Ctrl-C before the script could ask for it ends it as any program.
    killed = launcher.code == -INT and not launcher.text.replace("^C", "").strip()
    trial.expect(launcher.code == 0 or killed, f"exit code 0, not {launcher.code}")
    trial.pause(1)
    left = alive(trial.mark, run.folder)
    trial.expect(not left, f"no process is left: {left}")
    if run in trial.pairs:
        trial.pairs.remove(run)


@case("2g-end", "an A that ends with 4 before it placed anything: said once, within 2 s")
def a_ends_at_once(trial: Trial) -> None:
    pair = Pair(trial)
    pair.exchange.admin(f"keys/{pair.accounts[0]}/4", method="DELETE")
    started = pair.launcher()
    trial.note_event("started with A's key deleted")
    ends(trial, started)
    trial.expect(started.code == 4, f"the start ends with 4, not {started.code}")
    (ended_ns,) = [written_ns(line) for line in pair.logs(r"\] exit code=4")][-1:] or [0]
    own = [entry for entry in started.lines if not re.match(r"[AB]\| ", entry[1])]
    said = [at_ns for at_ns, line in own if "main_A" in line and "key" in line]
    trial.expect(len(said) == 1, f"A's sentence once, not {len(said)} times")
    if said and ended_ns:
        late_s = (said[0] - ended_ns) / 1e9
        trial.expect(late_s < 2, f"within 2 s of A's end, not {late_s:.1f}")
        total_s = ((started.ended_ns or 0) - ended_ns) / 1e9
        trial.remark(f"said {late_s:.1f} s after A's end, the start ended after {total_s:.0f} s")
    trial.settle()


@case("2h", "a stale pid file under HEDGE_PLAIN=1: the stop kills no other process")
def stale_pid_file(trial: Trial) -> None:
    pair = Pair(trial)
    pair.environment = {"HEDGE_PLAIN": "1"}
    detached(trial, pair)
    files = [path for path in pair.folder.rglob("*.pid") if ".venv" not in path.parts]
    kill_launcher(trial, pair)
    pair.kill("main_A.py")
    pair.kill("main_B.py")
    stranger = pair.run(["sleep", "3600"])
    for path in files:
        path.write_text(re.sub(r"\d+", str(stranger.pid), path.read_text(), count=1))
    trial.remark(f"pid files: {[path.name for path in files] or 'none is written'}")
    stopped = pair.stop()
    trial.remark(f"stop: exit {stopped.code}")
    trial.expect(stranger.code is None, "an unrelated process lives on")
    trial.settle()


@case("2h-by-hand", "daemons started by hand, then stop_hedge.sh: it stops them, 0, neutral")
def stop_of_what_was_started_by_hand(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    hedged_position(trial, pair)
    stopped = pair.stop()
    trial.expect(stopped.code == 0, f"the stop ends with 0, not {stopped.code}")
    trial.expect(trial.becomes(lambda: None not in [d.code for d in daemons], 5), "both ended")
    trial.settle()


@case("2h-refused", "a second start: 6 and its own sentence only, not the other pair's log")
def refused_start(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    for words in ((), ("--detach",)):
        again = trial.finish(pair.launcher(*words), 60)
        trial.note_event(f"refused: exit {again.code}")
        trial.expect(again.code == 6, f"ends with 6, not {again.code}")
        trial.expect("[INFO]" not in again.text, "no line of the other pair's log")
        trial.expect(len(again.text.strip().splitlines()) <= 2, "one sentence")
    trial.settle()


@case("2i", "halted, stopped, Redis wiped, started from another directory: the halt stands")
def halt_in_another_directory(trial: Trial) -> None:
    pair = Pair(trial, settings={"state.dir": "run", "logging.dir": "logs"})
    daemons = by_hand(trial, pair)
    trial.expect(pair.halt().code == 0, "halt ends with 0")
    trial.signal(TERM, *daemons)
    ends(trial, *daemons)
    pair.redis.cli("FLUSHALL")
    trial.note_event("Redis wiped, both started from another directory")
    elsewhere = trial.folder / "elsewhere"
    elsewhere.mkdir()
    python, config = str(pair.folder / PYTHON), str(pair.folder / pair.config)
    for script in ("main_B.py", "main_A.py"):
        trial.run([python, str(pair.folder / script), "--config", config], elsewhere)
    rests = trial.becomes(lambda: pair.resting() > 0, 25)
    trial.expect(not rests, "A rests nothing: the pair is halted")
    trial.expect("HALTED" in status(pair)[1], "status says HALTED")
    trial.settle()


def lease_of_a(trial: Trial, pair: Pair) -> tuple[str, str]:
    """Name and value of the lease of A's API key in Redis."""
    names = pair.redis.cli("KEYS", f"hedge:lease:[0-9]*:{pair.accounts[0]}:4").split()
    trial.until(lambda: len(names) == 1, f"one lease of A, not {names}", 1)
    return names[0], pair.redis.cli("GET", names[0]).strip()


@case(
    "2k", "the lease of a stopped A brought back by a fail-over: the new A leaves no order behind"
)
def lease_brought_back(trial: Trial) -> None:
    pair = Pair(trial)
    former, _ = by_hand(trial, pair)
    name, lease = lease_of_a(trial, pair)
    trial.signal(TERM, former)
    ends(trial, former)
    again = pair.a()
    wait_resting(trial, pair)
    trial.note_event("the former A's lease is back")
    pair.redis.cli("SET", name, lease, "PX", "10000")
    gone = trial.becomes(lambda: pair.resting() == 0, 15)
    trial.expect(gone, "the new A cancels its order within 15 s")
    if not gone:
        fill(pair)
    trial.expect(again.code is None, f"the new A does not end ({again.code})")
    trial.settle()
    trial.expect(pair.resting() > 0, "A trades again")


@case("2k-loses", "A's lease taken by another name while its order rests: A cancels it")
def lease_lost(trial: Trial) -> None:
    pair = Pair(trial)
    maker, _ = by_hand(trial, pair)
    name, lease = lease_of_a(trial, pair)
    mine = re.sub(r'"instance": ?"[0-9a-f]+"', '"instance":"feedfeedfeed"', lease)
    trial.note_event("another instance's name in A's lease for 30 s")
    pair.redis.cli("SET", name, mine, "PX", "30000")
    gone = trial.becomes(lambda: pair.resting() == 0, 15)
    trial.expect(gone, "A's order is cancelled within 15 s")
    trial.remark(f"A: {maker.code}")
    if not gone:
        fill(pair)
    trial.settle()


@case("2l", "a stop asked for by the file `stop` of each state directory: both end 0")
def stop_by_file(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.note_event("stop files written")
    for account in pair.accounts:
        (folder,) = (pair.folder / "run").glob(f"*-{account}-4")
        (folder / "stop").touch()
    ends(trial, *daemons)
    trial.expect([d.code for d in daemons] == [0, 0], f"0 and 0: {[d.code for d in daemons]}")
    trial.settle()


@case("2l-debt", "B cannot hedge, stop_hedge.sh: kills no daemon with a debt, names it, exit 5")
def stop_beside_a_debt(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    pair.exchange.fault("no_liquidity", account_index=pair.accounts[1], count=0)
    fill(pair)
    stopped = pair.stop(timeout_s=780)
    took_s = ((stopped.ended_ns or 0) - stopped.began_ns) / 1e9
    trial.remark(f"stop: exit {stopped.code} after {took_s:.0f} s")
    named = [at_ns for at_ns, line in stopped.lines if SIZE in line]
    first_s = (named[0] - stopped.began_ns) / 1e9 if named else None
    trial.remark(f"the open amount is named on its terminal after {first_s} s")
    trial.expect(bool(named and first_s < 60), "the open amount is named within a minute")
    trial.expect(stopped.code == 5, f"the stop ends with 5, not {stopped.code}")
    trial.expect(bool(pair.pids("main_B.py")), "B runs on")
    pair.exchange.heal()
    trial.note_event("liquidity is back")
    trial.expect(trial.becomes(pair.flat_sum, 60), "B hedges within 60 s")
    trial.settle()


@case("2l-windows", "the same on Windows", elsewhere="needs Windows: .bat files and its consoles")
def stop_on_windows(trial: Trial) -> None:
    """Not here."""


@case("2m", "the price halves while 0.005 is held: A says so, a restarted A does not end with 2")
def price_halves(trial: Trial) -> None:
    pair = Pair(trial, settings={"strategy.quantity": "0.005"})
    maker, _ = by_hand(trial, pair)
    fill(pair, amount="0.0050")
    trial.until(lambda: pair.positions()[1] < 0 and pair.flat_sum(), "the hedge")
    trial.note_event("price 1500")
    pair.exchange.admin("markets/0", {"price": "1500.00"})
    trial.pause(15)
    _, text = status(pair)
    trial.remark(f"{pair.resting()} orders of A rest; status: {text.strip()[:300]}")
    trial.signal(TERM, maker)
    ends(trial, maker)
    again = pair.a()
    trial.settle()
    trial.expect(again.code is None, f"the restarted A runs ({again.code})")


@case("2m-inactive", "the market turns inactive with a position open: a restarted B does not end")
def market_inactive(trial: Trial) -> None:
    pair = Pair(trial)
    _, hedger = by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.note_event("market inactive")
    pair.exchange.admin("markets/0", {"status": "inactive"})
    trial.pause(3)
    trial.signal(KILL, hedger)
    ends(trial, hedger)
    again = pair.b()
    trial.pause(30)
    trial.expect(again.code is None, f"B runs on ({again.code})")
    trial.note_event("market active")
    pair.exchange.admin("markets/0", {"status": "active"})
    trial.settle()
    trial.expect(again.code is None, f"B runs at the end ({again.code})")


@case("2m-away", "B started while its exchange does not answer, a fill open: it waits, then hedges")
def exchange_away(trial: Trial) -> None:
    pair = Pair(trial)
    to_exchange = trial.proxy(pair.exchange.port)
    b = pair.configure("b.yaml", lighter__base_url=f"http://127.0.0.1:{to_exchange.port}")
    _, hedger = by_hand(trial, pair, b=b)
    trial.signal(KILL, hedger)
    ends(trial, hedger)
    fill(pair)
    trial.note_event("black hole: B - exchange")
    to_exchange.hold()
    again = pair.b(config=b)
    trial.pause(40)
    trial.expect(again.code is None, f"B waits ({again.code})")
    trial.note_event("healed")
    to_exchange.heal()
    trial.settle()


# --- 3. commands that cannot hurt ----------------------------------------------------------------


@case("3-flatten-dead", "flatten with B dead: refused, 5, nothing traded; with B back it ends flat")
def flatten_without_b(trial: Trial) -> None:
    pair = Pair(trial)
    _, hedger = by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.signal(KILL, hedger)
    ends(trial, hedger)
    before = pair.positions()
    trial.note_event("flatten --yes")
    trial.expect(pair.flatten().code == 5, "flatten ends with 5")
    trial.expect(pair.positions() == before, "nothing was traded")
    start_b(trial, pair)
    trial.pause(5)
    trial.expect(pair.flatten().code == 0, "with B back it ends with 0")
    trial.expect(not any(pair.positions()), "both are flat")
    trial.settle()


@case("3-flatten-halted", "flatten with B halted by a foreign trade: what it says ends flat")
def flatten_beside_a_halt(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    hedged_position(trial, pair)
    b = pair.accounts[1]
    pair.exchange.fault("foreign_trade", account_index=b, side="sell", base_amount="0.0040")
    trial.until(lambda: "HALTED" in status(pair)[1], "the halt", 40)
    trial.note_event("flatten --yes")
    flattened = pair.flatten()
    trial.remark(f"exit {flattened.code}: {flattened.text.strip()[-400:]}")
    trial.expect(flattened.code == 5, f"flatten is refused with 5, not {flattened.code}")
    trial.expect("resume --force" in flattened.text, "the refusal names the way out")
    trial.note_event("resume --force, then flatten, as it says")
    resume = pair.begin_ctl("resume", "--force", "--reason", "looked", "--yes")
    ends(trial, resume, timeout_s=120)
    flattened = pair.flatten()
    trial.remark(f"exit {resume.code}, then {flattened.code}: {flattened.text.strip()[-300:]}")
    trial.expect((resume.code, flattened.code) == (0, 0), "both commands end with 0")
    trial.expect(not any(pair.positions()), f"both are flat: {pair.positions()}")
    trial.settle()
    false = pair.logs("has not covered a fill")
    trial.expect(not false, f"nobody calls a hedged fill not covered: {false[:1]}")


@case("3-flatten-twice", "flatten twice at once, and once more: flat, no order too many")
def flatten_twice(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.note_event("two flattens")
    both = [pair.begin_flatten() for _ in range(2)]
    ends(trial, *both, timeout_s=120)
    trial.remark(f"exit codes {[process.code for process in both]}")
    trial.expect(not any(pair.positions()), f"both are flat: {pair.positions()}")
    trial.note_event("flatten once more")
    trial.remark(f"once more: exit {pair.flatten().code}")
    trial.settle()
    trial.expect(not any(pair.positions()), f"both stay flat: {pair.positions()}")


@case("3-flatten-hedge", "tier standard: flatten while a hedge is in flight ends flat")
def flatten_during_a_hedge(trial: Trial) -> None:
    pair = Pair(trial, tier="standard")
    by_hand(trial, pair)
    trial.note_event("flatten --yes, and a fill beside it")
    hedged_position(trial, pair)
    flattening = pair.begin_flatten()
    trial.pause(0.8)
    if pair.resting():
        fill(pair, "buy", "0.0040")
    ends(trial, flattening, timeout_s=120)
    trial.remark(f"exit {flattening.code}: {flattening.text.strip()[-300:]}")
    trial.settle()
    if flattening.code == 0:
        trial.expect(not any(pair.positions()), f"both are flat: {pair.positions()}")


@case(
    "3-hand-end",
    "B alone ends with a hand-published amount: named, 5; the next B takes it as drift",
)
def hand_published_at_an_end(trial: Trial) -> None:
    pair = Pair(trial)
    hedger = start_b(trial, pair)
    pair.publish_fill("buy", SIZE, 1)
    trial.until(lambda: pair.positions()[1] != 0, "B to sell", 20)
    trial.signal(TERM, hedger)
    ends(trial, hedger)
    trial.expect(hedger.code == 5, f"B ends with 5, not {hedger.code}")
    trial.expect("hand" in hedger.text and SIZE in hedger.text, "the amount is named")
    pair.b()
    trial.note_event("B started again")
    trial.settle()


@case("3-hand-old", "kill -9 B with a hand-published amount open: nothing is restored from files")
def hand_published_and_killed(trial: Trial) -> None:
    pair = Pair(trial)
    hedger = start_b(trial, pair)
    pair.publish_fill("buy", SIZE, 1)
    trial.until(lambda: pair.positions()[1] != 0, "B to sell", 20)
    trial.signal(KILL, hedger)
    ends(trial, hedger)
    pair.exchange.take("buy", SIZE)
    pair.b()
    trial.note_event("B started again")
    watch_status(trial, pair, 40, 10)
    trial.settle()


@case("3-resume-down", "halted, both down and flat: resume ends 0, and the next start trades")
def resume_while_down(trial: Trial) -> None:
    pair = Pair(trial)
    detached(trial, pair)
    trial.expect(pair.halt().code == 0, "halt ends with 0")
    trial.expect(pair.stop().code in (0, 5), "the stop ends with 0, or 5: halted")
    trial.note_event("resume")
    resumed = pair.ctl("resume")
    if resumed.code == 5:
        trial.remark(resumed.text.strip()[-300:])
        resumed = pair.ctl("resume", "--force", "--yes", "--reason", "both are flat")
    trial.expect(resumed.code == 0, f"resume ends with 0: {resumed.text.strip()[-300:]}")
    trial.finish(pair.launcher("--detach"), 120)
    trades_again(trial, pair)
    trial.settle()


@case("3-halt-ack", "halt and resume beside a dead B: 5, and B is named")
def halt_without_b(trial: Trial) -> None:
    pair = Pair(trial)
    _, hedger = by_hand(trial, pair)
    trial.signal(KILL, hedger)
    ends(trial, hedger)
    trial.pause(5)
    for command in ("halt", "resume"):
        trial.note_event(command)
        done = pair.halt() if command == "halt" else pair.ctl(command)
        trial.expect(done.code == 5, f"{command} ends with 5, not {done.code}")
        trial.expect(bool(re.search(r"\bB\b", done.text)), f"{command} names B")
        trial.remark(f"{command}: {done.text.strip()[-200:]}")
    trial.settle()


@case("3-check", "--check beside a running pair: works, places nothing, leaves its log alone")
def check_beside_a_pair(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    orders, log = len(pair.exchange.orders(pair.accounts[0])), pair.logs(r"\] start ")
    for started in (pair.b, pair.a):
        checked = trial.finish(started("--check"), 60)
        trial.note_event(f"{checked.argv[1]} --check")
        trial.expect(checked.code == 0, f"{checked.argv[1]} --check ends with 0")
        trial.remark(f"{checked.argv[1]}: {len(checked.text.splitlines())} lines")
    trial.expect(pair.logs(r"\] start ") == log, "the pair's log is left alone")
    odd = trial.finish(pair.a("--check", "--quantity", "0.00015"), 60)
    trial.expect(odd.code == 2 and "step" in odd.text, "a quantity beside the step is refused")
    small = trial.finish(pair.a("--check", "--quantity", "0.0010"), 60)
    trial.expect(small.code != 0 and "FAILED" in small.text, "one below the minimum is FAILED")
    placed = len(pair.exchange.orders(pair.accounts[0])) - orders
    trial.remark(f"order events of A meanwhile: {placed}")
    trial.settle()
