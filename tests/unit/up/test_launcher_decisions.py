"""What the start and stop scripts decide, event by event, without a process."""

import math
from dataclasses import replace
from typing import Any

import pytest

from hedge.daemon.commands import Commands
from hedge.launcher import decisions
from hedge.launcher.decisions import (
    LEAVE,
    A,
    Answer,
    Ask,
    B,
    Complain,
    Goal,
    Halt,
    KillAll,
    Phase,
    Plan,
    Release,
    Say,
    Start,
)
from hedge.operator.status import Report, SideView
from hedge.wire.control import Halts, Lease
from hedge.wire.state import Ready
from tests.report_kit import HALT, LEDGER, NEUTRAL, POSITION, READY_A, told

PLAN = Plan(patience_s=15.0, patience_b_s=400.0, order_life_s=353.0)
PLAY = replace(PLAN, is_play=True, patience_b_s=15.0)
OWES = told(
    ready_b=replace(NEUTRAL.ready_b or READY_A, position_lots=0),
    ledger=replace(LEDGER, owed_lots=-100),
)
B_LEFT = told(ready_b=replace(NEUTRAL.ready_b or READY_A, left=True))
SCRIPT_SAYS = (Say, Complain)


class Script:
    """A start or stop that is fed with events; remembers every effect."""

    def __init__(self, plan: Plan = PLAN, living: dict[str, int | None] | None = None) -> None:
        self.now_s = 1000.0
        self.effects: list[decisions.Effect] = []
        begun = (
            decisions.begin_start(plan, self.now_s)
            if living is None
            else decisions.begin_stop(plan, living, self.now_s)
        )
        self._keep(begun)

    def _keep(self, step: decisions.Step) -> None:
        self.state, effects = step
        self.new = effects
        self.effects += effects

    def post(self, event: decisions.Event) -> None:
        self._keep(decisions.step(self.state, event))

    def look(self, found: Report | None, *, enough: bool = False) -> None:
        self.post(decisions.Looked(self.now_s, found, own_host="here", enough=enough))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.post(decisions.Ticked(self.now_s))

    def ends(self, name: str, code: int) -> None:
        self.post(
            decisions.Ended(self.now_s, name, code, "its last line", ("one", "its last line"))
        )

    def signal(self) -> None:
        self.post(decisions.Signalled(self.now_s))

    def leaves(self, name: str, *codes: int) -> None:
        """End a daemon; where it has not left by itself, its `--leave` too."""
        for one, code in zip((name, LEAVE), codes, strict=False):
            self.ends(one, code)

    @property
    def done(self) -> list[decisions.Effect]:
        """What was done, without what was said."""
        return [one for one in self.effects if not isinstance(one, SCRIPT_SAYS)]

    @property
    def lines(self) -> list[str]:
        """All that was said."""
        return [one.text for one in self.effects if isinstance(one, SCRIPT_SAYS)]

    @property
    def said(self) -> str:
        """What was said last."""
        return self.lines[-1]


def beating(instance_a: str = "a1", instance_b: str = "b1", **changes: object) -> Report:
    """A report in which both sides beat, as these processes."""
    found = told(**changes)
    beats = {}
    for name, instance in (("a", instance_a), ("b", instance_b)):
        view = getattr(found, name)
        assert view.beat is not None
        beats[name] = replace(view, beat=replace(view.beat, instance=instance))
    return replace(found, **beats)


def running(plan: Plan = PLAN) -> Script:
    """A pair that is started and works."""
    script = Script(plan)
    script.look(beating("a0"))  # of an A before it
    assert script.done == [Start(B), Start(A), decisions.Started()]
    script.look(beating())
    return script


# --- starting


def test_b_starts_first_and_a_once_b_can_hedge() -> None:
    """Until B is ready nothing else is started."""
    script = Script()
    script.look(None)
    script.look(told(ready_b=None))
    assert script.done == [Start(B)]
    script.look(told())
    assert script.done == [Start(B), Start(A), decisions.Started()]
    assert script.state.phase is Phase.WATCHING


def test_a_b_that_never_beats_is_stopped_and_named_in_a_play() -> None:
    """Every ten seconds the reason is said; at ninety B is asked to leave, exit code 1."""
    script = Script(PLAY)
    script.look(told(ready_b=None))
    for _ in range(9):
        script.wait(10.1)
    assert sum("B is not ready after" in line for line in script.lines) == 9
    assert "did not become ready within 90 s: B has no heartbeat" in script.said
    assert script.new[-1] == Ask(B)
    script.ends(B, -15)
    assert script.state.code == 1


@pytest.mark.parametrize("beats", [True, False])
def test_a_b_that_runs_is_never_given_up(beats: bool) -> None:
    """It may owe something: it goes on, and the terminal that waits is told with 5."""
    script = Script(replace(PLAN, detach=True))
    beat = replace(told().b.beat, ready=False, reasons=("no margin",)) if beats else None
    script.look(told(ready_b=beat))
    for _ in range(20):
        script.wait(10.1)
    assert [one for one in script.done if isinstance(one, decisions.Running)] == [
        decisions.Running(5)
    ]
    assert Ask(B) not in script.done


@pytest.mark.parametrize("ready", [True, False])
def test_a_halted_pair_is_started(ready: bool) -> None:
    """Also a B that its own halt keeps from hedging: a person needs both to lead it out (29)."""
    beat = replace(told().b.beat, ready=ready)
    script = Script(replace(PLAN, detach=True))
    script.look(beating("a0", ready_b=beat, halt=HALT))
    assert script.done == [Start(B), Start(A), decisions.Started()]
    assert "not_enough_margin" in " ".join(script.lines)
    assert "`./hedgectl resume`" in " ".join(script.lines)
    script.look(beating(halt=HALT))
    assert script.done[-1] == decisions.Running(5)
    assert not script.state.is_over
    script = Script(replace(PLAY, ends_on_halt=True))
    script.look(beating(halt=HALT))
    assert script.new[-1] == Ask(B)


def test_another_b_that_leads_is_named() -> None:
    """A lease of another host is said once ours is known to stand by."""
    script = Script()
    script.look(told(lease_b=Lease(instance="x", host="there")))
    assert "another main_B.py (host id there) leads" in str(script.new[0])


@pytest.mark.parametrize("code", [2, 3, 4, 6])
def test_a_start_ends_with_what_a_restart_cannot_cure(code: int) -> None:
    """The daemon's code and words, said at once; 3 only before it ever reached both."""
    script = Script()
    script.ends(B, code)
    assert script.state.code == code
    assert script.lines[1:] == [f"main_B ended with exit code {code}: its last line", "    one"]


def test_an_a_that_cannot_run_says_so_once_and_ends_the_start() -> None:
    """Its sentence at once; then `--leave`, so that B may go."""
    script = Script()
    script.look(beating())
    script.ends(A, 2)
    assert [type(one) for one in script.new] == [Complain, Complain, Start]
    assert script.new[-1] == Start(LEAVE)
    script.ends(LEAVE, 0)
    script.look(beating())
    script.ends(B, 0)
    assert script.state.code == 2
    assert sum("main_A ended" in line for line in script.lines) == 1


def test_a_detached_start_is_done_once_a_beats() -> None:
    """The launcher stays; what to ask and how to stop is said."""
    script = Script(replace(PLAN, detach=True, commands=Commands(" --config x.yaml")))
    script.look(told(ready_a=None))
    script.look(told(ready_a=None))
    assert script.state.phase is Phase.WAITING_FOR_A
    script.look(told())
    assert script.new[-1] == decisions.Running(0)
    assert script.said.endswith("Stop: `./stop_hedge.sh --config x.yaml`")
    assert script.state.phase is Phase.WATCHING


def test_a_halt_that_only_a_knows_is_said_before_the_start_is_done() -> None:
    """It is in A's file alone, and in Redis once A beats: 5, and the way out."""
    script = Script(replace(PLAN, detach=True))
    script.look(told(ready_a=None))
    script.look(beating(halt=HALT))
    assert script.done[-1] == decisions.Running(5)
    assert "`./hedgectl resume`" in " ".join(script.lines)


def test_the_way_out_of_a_halt_is_from_where_the_start_leads() -> None:
    """A has no heartbeat yet, since it is started next: `resume` alone leads out."""
    script = Script(replace(PLAN, detach=True))
    script.look(told(ready_a=None, halt=HALT))
    assert Start(A) in script.done
    assert [commands_in(one) for one in script.lines if one.startswith("HALTED")] == [
        ["./hedgectl resume"]
    ]
    script = running()
    script.ends(A, 1)  # and is started again
    script.look(told(ready_a=None, halt=HALT))
    assert commands_in(script.said) == ["./hedgectl resume"]


@pytest.mark.parametrize("shown", [beating(halt=HALT), told(ready_a=None, halt=HALT)])
def test_the_way_out_of_a_halt_is_from_where_the_stop_has_led(shown: Report) -> None:
    """Heartbeats outlive their daemons by seconds: what has just been stopped is not stopped."""
    script = running()
    script.look(beating(halt=HALT))
    script.signal()
    script.ends(A, 0)
    script.ends(B, 5)
    script.look(shown)
    assert script.state.code == 5
    assert commands_in(script.said)[1:] == ["./hedgectl resume"]
    assert "start_hedge.sh" in commands_in(script.said)[0]


@pytest.mark.parametrize(
    ("living", "words"),
    [
        ({A: 1, B: 2}, "until then both daemons go on."),
        ({B: 2}, "main_B goes on, and main_A does not run."),
        ({A: 1}, "main_A goes on, and main_B, which would hedge it, does not run."),
        ({}, "neither daemon runs, and nothing hedges what an order of A may have filled."),
    ],
)
def test_what_a_launcher_that_stands_still_leaves_running(
    living: dict[str, int], words: str
) -> None:
    """Both may have been killed meanwhile: the locks tell, and the way out is the same."""
    text = decisions.launcher_stands_still(7, living)
    assert text.endswith(words)
    assert "`kill -CONT 7`" in text


def commands_in(line: str) -> list[str]:
    """Return the commands that a line names."""
    return [one for one in line.split("`")[1::2] if one.startswith("./")]


def test_the_last_word_of_an_earlier_a_is_no_heartbeat_of_ours() -> None:
    """It is still in Redis for some seconds after a stop: the start waits for its own A."""
    script = Script(replace(PLAN, detach=True))
    script.look(beating(ready_a=replace(READY_A, left=True)))
    script.look(beating(ready_a=replace(READY_A, left=True)))
    script.look(told(ready_a=None))
    assert [one for one in script.done if isinstance(one, decisions.Running)] == []
    script.look(beating("a2"))
    assert script.done[-1] == decisions.Running(0)


def test_a_detached_start_waits_for_its_own_a() -> None:
    """The heartbeat of one that was killed a moment ago, before it halted, says nothing of it."""
    script = Script(replace(PLAN, detach=True))
    script.look(beating("dead"))
    script.look(beating("dead"))
    assert script.state.phase is Phase.WAITING_FOR_A
    script.look(beating("a1", halt=HALT))
    assert script.done[-1] == decisions.Running(5)


ETH_BEATS = {
    "ready_a": replace(READY_A, market="ETH"),
    "ready_b": replace(told().b.beat or READY_A, market="ETH"),
}


@pytest.mark.parametrize("market", ["BTC", "1"])
def test_daemons_that_end_what_another_market_left_do_not_run(market: str) -> None:
    """They beat there, and are about to end: their code and words end the start, not "Both run".

    A has signed nothing in the new market, so nothing of it is looked for there; B leaves last.
    """
    script = Script(replace(PLAN, detach=True, market=market))
    left = beating(**ETH_BEATS)
    script.look(beating("dead", **ETH_BEATS))
    assert "B first ends what an earlier run left in ETH. Starting A" in script.said
    script.look(left)
    script.look(told(ready_a=None, ready_b=ETH_BEATS["ready_b"]))  # its end is not seen yet
    assert [one for one in script.done if isinstance(one, decisions.Running)] == []
    script.ends(A, 2)
    assert script.new[-1] == Ask(B)
    assert "its last line" in " ".join(script.lines)
    before = len(script.lines)
    script.ends(B, 2)
    assert script.state.code == 2
    assert script.lines[before:] == [f"{B} ended with exit code 2: its last line", "    one"]
    assert decisions.has_a_left(script.state)


def test_a_b_that_ends_another_market_with_something_open_is_judged() -> None:
    """Its 5 is no way out: how it stands is said too."""
    script = Script(replace(PLAN, market="BTC"))
    script.look(beating("dead", **ETH_BEATS))
    script.look(beating(**ETH_BEATS))
    script.ends(A, 2)
    script.ends(B, 5)
    assert script.state.code == 2
    assert "is not known" in script.said or "UNKNOWN" in script.said


def test_an_a_that_left_nothing_elsewhere_is_asked_once_b_has_left_there() -> None:
    """B ends with 2 while A holds in the new market: A leaves, and the sentence of B stands."""
    script = Script(replace(PLAN, market="BTC"))
    script.look(told(ready_a=None, ready_b=ETH_BEATS["ready_b"]))
    script.ends(B, 2)
    assert script.new[-1] == Ask(A)
    script.ends(A, 0)
    script.look(told(ready_a=None, ready_b=None))
    assert script.state.code == 2
    assert "UNKNOWN" not in " ".join(script.lines)


# --- what died


@pytest.mark.parametrize("name", [A, B])
@pytest.mark.parametrize("code", [-9, 1, 3, 130])
def test_what_died_is_started_again_aloud(name: str, code: int) -> None:
    """After 1, 2, 4 s; nothing is asked to stop (28)."""
    script = running()
    for number, pause_s in enumerate((1.0, 2.0, 4.0)):
        script.ends(name, code)
        assert f"Starting it again in {pause_s:g} s" in script.said
        script.wait(pause_s - 0.1)
        assert script.new == ()
        script.wait(0.2)
        assert script.new == (Start(name),)
        script.look(beating(f"a{number + 2}", f"b{number + 2}"))
    assert not [one for one in script.done if isinstance(one, Ask)]


def test_a_daemon_that_lived_for_long_begins_its_back_off_anew() -> None:
    """And the pauses never exceed 30 s."""
    script = running()
    for _ in range(2):
        script.ends(B, -9)
        script.wait(2.1)
    script.wait(decisions.STEADY_S)
    script.ends(B, -9)
    assert "in 1 s" in script.said


def test_five_deaths_halt_the_pair() -> None:
    """B goes on being started, every 30 s."""
    script = running()
    for _ in range(decisions.LOOP_DEATHS - 1):
        script.ends(B, -9)
        script.wait(31.0)
    script.ends(B, -9)
    assert [one.reason for one in script.new if isinstance(one, Halt)] == ["restart_loop"]
    assert "died 5 times within ten minutes" in script.said
    script.wait(29.0)
    assert script.new == ()
    script.wait(1.1)
    assert script.new == (Start(B),)
    script.ends(B, -9)
    assert not [one for one in script.new if isinstance(one, Halt)]


def test_an_a_that_loops_only_cancels_and_states_its_book() -> None:
    """`--leave` until it has ended in order; B is never stopped for it."""
    script = running()
    for _ in range(decisions.LOOP_DEATHS):
        script.ends(A, 1)
        script.wait(31.0)
    assert script.done[-2:] == [
        Halt(A, "restart_loop", script.done[-2].detail),  # type: ignore[union-attr]
        Start(LEAVE),
    ]
    script.ends(LEAVE, 3)
    script.wait(30.1)
    assert script.new == (Start(LEAVE),)
    script.ends(LEAVE, 0)
    script.wait(100.0)
    assert script.new == ()
    script.signal()
    script.look(beating())
    assert script.new == (Ask(B),)


def test_deaths_that_are_far_apart_are_no_loop() -> None:
    """Five in more than ten minutes."""
    script = running()
    for _ in range(8):
        script.ends(B, -9)
        script.wait(151.0)
    assert not [one for one in script.done if isinstance(one, Halt)]


def test_a_key_that_is_refused_at_the_start_ends_it_with_one_sentence() -> None:
    """`--leave` signs with the same key: B is asked, and stays itself while an order could fill."""
    script = Script()
    script.look(beating())
    words = "main_A: Lighter does not take the key."
    line = 'exit code=4 reason="Lighter does not take the key."'
    script.post(decisions.Ended(script.now_s, A, 4, words, ("another line", line, words)))
    assert script.new[-1] == Ask(B)
    assert Start(LEAVE) not in script.done
    assert len([one for one in script.lines if "does not take the key" in one]) == 1
    assert "    another line" in script.lines
    script.wait(8.1)
    assert "no order of A can fill any more, which may take 353 s" in script.said
    script.look(told(ready_a=None))
    script.ends(B, 0)
    assert script.state.code == 4
    assert "no order of A can fill any more" in script.said


def test_a_leave_whose_key_is_refused_leaves_it_to_b() -> None:
    """B is asked, and knows by itself when nothing of A can fill any more."""
    script = running()
    script.signal()
    script.ends(A, -9)
    script.ends(LEAVE, 4)
    assert script.new[-1] == Ask(B)
    script.ends(B, 5)
    assert script.state.code == 5


def test_an_a_that_worked_and_cannot_go_on_leaves_b_hedging() -> None:
    """Its key was taken away: B stays, `--leave` is tried once, and the way to stop is said."""
    script = running()
    script.ends(A, 4)
    assert "B goes on hedging" in script.said
    script.wait(0.1)
    assert script.new == (Start(LEAVE),)
    script.ends(LEAVE, 4)
    script.wait(1000.0)
    assert script.state.phase is Phase.WATCHING
    assert Ask(B) not in script.done


@pytest.mark.parametrize("code", [0, 5])
def test_what_was_stopped_from_outside_ends_the_pair(code: int) -> None:
    """A signal to A alone: B leaves in order too."""
    script = running()
    script.leaves(A, code, 0)
    script.look(beating())
    script.ends(B, 0)
    assert "stopped from outside" in " ".join(script.lines)
    assert script.state.code == 0


# --- stopping


def test_a_signal_stops_a_then_waits_then_stops_b() -> None:
    """B is asked only once it has covered everything; one line is said."""
    script = running()
    before = len(script.lines)
    script.signal()
    assert script.new == (Ask(A),)
    script.ends(A, 0)
    script.look(OWES)
    assert Ask(B) not in script.done
    script.look(beating())
    assert script.new == (Ask(B),)
    script.ends(B, 0)
    assert script.state.code == 0
    assert [line[:8] for line in script.lines[before:]] == ["Neutral:"]


def test_an_a_that_left_well_is_taken_at_its_word() -> None:
    """It ended with 0, so B covered it; its last heartbeat dies before the script looks again."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.look(told(ready_a=None))
    assert script.new == (Ask(B),)


def test_what_was_published_by_hand_is_waited_for_by_nobody() -> None:
    """B holds what a person told it to; asked to stop it names that, and ends with 5."""
    script = running()
    script.signal()
    script.ends(A, 5)
    script.ends(LEAVE, 5)
    by_hand = replace(LEDGER, manual_lots=-5000, owed_lots=None, a_seq=None, a_instance=None)
    script.look(told(ready_a=None, ledger=by_hand))
    assert script.new == (Ask(B),)


@pytest.mark.parametrize("code", [-9, -15, 1, 3, 5, 130])
def test_an_a_that_has_not_left_is_seen_to_by_leave(code: int) -> None:
    """Killed while it leaves, or before it listened: `--leave`, then B."""
    script = running()
    script.signal()
    script.ends(A, code)
    assert script.new == (Start(LEAVE),)
    script.ends(LEAVE, 0)
    script.look(beating())
    script.ends(B, 0)
    assert script.state.code == 0
    assert script.said.startswith("Neutral:")


def test_b_stays_where_leave_cannot_until_no_order_can_fill() -> None:
    """It is said at once, `--leave` is tried again, and at the order's end B is asked."""
    script = running()
    script.signal()
    script.ends(A, -9)
    script.ends(LEAVE, 3)
    assert "an order of A may rest, so B stays" in script.said
    assert "353 s" in script.said
    for _ in range(30):
        script.wait(decisions.RETRY_S + 0.1)
        assert script.new[-1] == Start(LEAVE)
        script.ends(LEAVE, 3)
        assert Ask(B) not in script.done
    script.wait(55.0)
    script.wait(0.0)
    script.look(beating())
    assert script.new[-1] == Ask(B)
    script.ends(B, 0)
    assert script.state.code == 0  # B leaves with 0 only once it has seen that A is gone
    assert script.said.startswith("Neutral: ")


def test_a_leave_that_no_retry_can_cure_is_not_tried_again() -> None:
    """A configuration that does not fit: B stays until the order's end alone."""
    script = running()
    script.signal()
    script.ends(A, -9)
    script.ends(LEAVE, 2)
    script.wait(300.0)
    assert Start(LEAVE) not in script.new
    script.wait(60.0)
    assert script.state.phase is Phase.COVERING


def test_a_signal_before_the_pair_runs_stops_b() -> None:
    """An early stop is no failure, and is one line."""
    script = Script()
    script.signal()
    assert script.done == [Start(B), Ask(B)]
    script.ends(B, -15)
    assert script.state.code == 0
    assert script.lines[1:] == ["Stopped before the pair was running."]


def test_a_b_that_leads_is_not_stopped_before_an_earlier_a_is_seen_to() -> None:
    """A was never started in this run; what an earlier one left may rest."""
    script = Script()
    script.look(beating(ready_b=replace(told().b.beat, ready=False)))
    script.signal()
    assert script.new == (Start(LEAVE),)
    script.ends(LEAVE, 0)
    script.look(beating())
    assert script.new == (Ask(B),)
    script.ends(B, 0)
    assert script.state.code == 0


def test_a_b_killed_while_leaving_is_started_and_asked_again() -> None:
    """It may have owed something; what the ledger of the dead one says does not count (84)."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.look(beating())
    script.ends(B, -9)
    assert "It may owe something" in script.said
    script.wait(1.1)
    assert script.new == (Start(B),)
    script.look(beating())
    assert script.new == ()
    script.look(beating(instance_b="b2"))
    assert script.new == (Ask(B),)
    script.ends(B, 0)
    assert script.state.code == 0


def test_a_b_that_waits_for_its_restart_is_started_at_once_by_a_stop() -> None:
    """What it owes is not known before it runs."""
    script = running()
    script.ends(B, -9)
    script.signal()
    assert script.new == (Start(B), Ask(A))


@pytest.mark.parametrize(
    ("first_s", "now_s", "told_open", "answer"),
    [
        (None, 1000.0, False, Answer.STOP),
        (1000.0, 1000.05, False, Answer.SAME),
        (1000.0, 1000.05, True, Answer.SAME),
        (1000.0, 1001.99, True, Answer.SAME),
        (1000.0, 1002.0, False, Answer.SAME),
        (1000.0, 1002.0, True, Answer.LEAVE),
    ],
)
def test_a_second_signal_counts_after_two_seconds_and_the_line(
    first_s: float | None, now_s: float, told_open: bool, answer: Answer
) -> None:
    """A signal that is passed on is the same request once more (27)."""
    assert decisions.answer_to_signal(first_s, now_s, told=told_open) is answer


def test_a_stop_that_lasts_says_what_it_waits_for_within_two_seconds() -> None:
    """Then a second signal counts."""
    script = running()
    script.signal()
    assert not script.state.is_told
    script.wait(1.6)
    assert script.said.startswith("Waiting: A cancels what rests")
    assert script.state.is_told


def silent(*processes: tuple[str, int]) -> Report:
    """A report in which these processes run on this host without a heartbeat."""
    gone = {f"ready_{side}": None for side, _ in processes}
    return replace(told(**gone), processes=processes)


@pytest.mark.parametrize(
    ("side", "phase"), [("a", Phase.STOPPING_A), ("b", Phase.COVERING), ("b", Phase.STOPPING_B)]
)
@pytest.mark.parametrize("by_script", [True, False])
def test_a_stop_names_a_process_that_is_silent(side: str, phase: Phase, by_script: bool) -> None:
    """In the words of `status`, at the second look, then after 10, 20, 40 s, up to 300."""
    if by_script:
        script = Script(living={A: 11, B: 12})
    else:
        script = running()
        script.signal()
    if phase is not Phase.STOPPING_A:
        script.leaves(A, 5, 0)
    if phase is Phase.STOPPING_B:
        script.look(told())
    assert script.state.phase is phase
    found = silent((side, 77))
    script.post(decisions.Listened(script.now_s, found))
    assert script.new == ()
    said_s = []
    for _ in range(1000):
        script.now_s += 2.0
        script.post(decisions.Listened(script.now_s, found))
        said_s += [script.now_s for _ in script.new]
    first_s = 1002.0
    assert [at - first_s for at in said_s] == [0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510, 1810]
    assert script.said == found.way_out
    assert "(process 77) runs on this host and is silent: frozen" in script.said
    assert "`kill -9 77`" in script.said
    script.post(decisions.Listened(script.now_s, told()))
    script.post(decisions.Listened(script.now_s, found))
    assert script.new == ()


def test_a_stop_names_no_process_that_is_not_waited_for() -> None:
    """A B that has not beaten yet only starts; a `--leave` holds A's lock, and is no A."""
    script = Script()
    script.look(told(ready_b=None))
    script.signal()
    for _ in range(3):
        script.post(decisions.Listened(script.now_s, silent(("b", 77))))
    assert not any("silent" in line for line in script.lines)
    script = running()
    script.signal()
    script.ends(A, -9)
    assert script.state.phase is Phase.LEAVING
    for _ in range(3):
        script.post(decisions.Listened(script.now_s, silent(("a", 77))))
    assert not any("silent" in line for line in script.lines)


def test_the_second_signal_kills_no_daemon() -> None:
    """What runs is asked and left, and what is open is named; exit code 5."""
    script = running()
    script.signal()
    script.wait(2.1)
    script.post(decisions.SignalledAgain(script.now_s))
    assert [one for one in script.new if not isinstance(one, Complain)] == [Ask(B), Release()]
    assert "A cancels what rests" in script.lines[-2]
    assert "main_A and main_B were asked to leave" in script.said
    assert script.state.code == 5


def test_the_second_signal_ends_a_play_at_once() -> None:
    """Its exchange ends too, so nothing that is open outlives it."""
    script = running(PLAY)
    script.signal()
    script.post(decisions.SignalledAgain(script.now_s))
    assert script.new[0] == KillAll()
    assert script.state.code == 5


@pytest.mark.parametrize("plan", [PLAN, PLAY])
def test_a_daemon_that_does_not_stop_is_killed_in_a_play_alone(plan: Plan) -> None:
    """Elsewhere the start goes on waiting, and says so."""
    script = running(plan)
    script.signal()
    script.wait(15.1)
    assert (KillAll() in script.new) is plan.is_play
    assert script.state.is_over is plan.is_play
    script.wait(1000.0)
    assert Start(LEAVE) not in script.done


@pytest.mark.parametrize("heard_of_a", [True, False])
def test_a_b_that_owes_is_left_running_by_a_stop_in_the_background(heard_of_a: bool) -> None:
    """The launcher has stopped A itself: whether that still beats says nothing of B's debt."""
    script = running(replace(PLAN, detach=True))
    script.state = decisions.spawned(script.state, B, 4711)
    script.signal()
    script.ends(A, 0)
    script.look(OWES if heard_of_a else told(ready_a=None, ledger=OWES.ledger))
    script.wait(60.1)
    told_open = next(one for one in script.lines if one.startswith("Not covered after 60 s: "))
    assert "B owes -0.0100 ETH" in told_open
    assert "no heartbeat" not in told_open
    assert script.said.startswith("B keeps running, since it owes that. See ")
    assert "4711" in script.said
    assert decisions.Release() in script.new
    assert Ask(B) not in script.done
    assert script.state.code == 5


def test_not_covered_in_time_names_what_keeps_b() -> None:
    """Not that A, which was stopped, has no heartbeat."""
    script = running()
    script.signal()
    script.ends(A, 0)
    beat = replace(told().b.beat or READY_A, ready=False, reasons=("no price",))
    script.look(told(ready_a=None, ready_b=beat, ledger=OWES.ledger))
    script.wait(60.1)
    told_open = next(one for one in script.lines if one.startswith("Not covered after 60 s: "))
    assert told_open.endswith("B owes -0.0100 ETH, B is not ready: no price.")


def test_a_b_that_is_not_seen_to_owe_is_asked() -> None:
    """It judges itself whether it may leave, for as long as an order of A could fill."""
    script = running()
    script.signal()
    script.ends(A, 0)
    unknown = told(ready_a=None, ledger=replace(LEDGER, owed_lots=None))
    script.look(unknown)
    assert script.new[-1] == Ask(B)
    script.ends(B, 5)
    assert script.state.code == 5


@pytest.mark.parametrize("plan", [PLAN, PLAY])
def test_a_b_that_ends_with_the_start_is_asked_in_any_case(plan: Plan) -> None:
    """That of a terminal goes on trying for as long as it has; a play's exchange ends with it."""
    script = running(plan)
    script.signal()
    script.ends(A, 0)
    script.look(OWES)
    script.wait(60.1)
    open_ = "A +0.0100 ETH, B 0.0000 ETH, B owes -0.0100 ETH"
    assert f"Not covered after 60 s: {open_}." in script.lines
    assert script.new[-1] == Ask(B)


DRY = "no price inside the bounds: of bids it has none"
FAILS = told(
    ready_b=replace(
        NEUTRAL.ready_b or READY_A,
        position_lots=0,
        ready=False,
        reasons=("hedging fails: max_retries_exceeded",),
        notices=(("no_price", DRY), ("a_away", "A is away")),
    ),
    ledger=replace(LEDGER, owed_lots=-100),
)
OPEN = "open: A +0.0100 ETH, B 0.0000 ETH; B is not ready: hedging fails: max_retries_exceeded"
STOPS_A = replace(READY_A, leaving=True)


def of(instance: str, found: Report) -> SideView:
    """A's side, as this process of it states it."""
    assert found.a.beat is not None
    return replace(found.a, beat=replace(found.a.beat, instance=instance))


def silenced(found: Report) -> Report:
    """The same where A's heartbeat is gone: B cannot answer it, and its ledger is empty."""
    unknown = replace(LEDGER, a_instance=None, a_seq=None, a_position_lots=None, owed_lots=None)
    return replace(found, a=replace(found.a, beat=None), ledger=unknown)


def test_a_stop_names_what_is_open_and_why_b_does_not_hedge_it_within_eight_seconds() -> None:
    """Not the procedure alone: the amount is what a person must know."""
    script = running()
    script.signal()
    for _ in range(4):
        script.wait(1.9)
        script.post(decisions.Listened(script.now_s, FAILS))
    assert OPEN in script.said
    assert DRY in script.said
    assert "A is away" not in script.said
    assert sum(OPEN in line for line in script.lines) == 1
    script.wait(30.1)
    assert sum(OPEN in line for line in script.lines) == 2


def test_what_is_open_for_a_moment_alone_is_not_told() -> None:
    """A fill and its hedge are seconds apart in the heartbeats; the next look shows both."""
    script = running()
    script.signal()
    script.wait(1.6)
    for found in (FAILS, told(), FAILS, told()):
        script.wait(1.9)
        script.post(decisions.Listened(script.now_s, found))
    assert not any("open: " in line for line in script.lines)


def test_a_stop_says_that_a_cancels_only_where_something_may_rest() -> None:
    """The order was filled, and A has shown that none is left."""
    nothing = replace(FAILS, a=replace(FAILS.a, beat=STOPS_A))
    script = running()
    script.signal()
    script.post(decisions.Listened(script.now_s, nothing))
    script.wait(1.6)
    assert script.said.startswith("Waiting: nothing of A rests, and A waits until what it did")
    script.ends(A, 5)
    script.post(decisions.Listened(script.now_s, replace(nothing, a=of("a1", nothing))))
    script.wait(1.6)
    assert script.said.startswith("Waiting: main_A.py --leave makes sure that no order of A rests")
    script.post(decisions.Listened(script.now_s, replace(nothing, a=of("a2", nothing))))
    script.wait(30.1)
    assert script.said.startswith("Waiting: main_A.py --leave has shown that no order of A rests")
    assert OPEN in script.said
    script.post(decisions.Listened(script.now_s, silenced(FAILS)))
    script.wait(30.1)
    assert script.said.startswith("Waiting: main_A.py --leave makes sure that no order of A rests")


def test_what_is_not_covered_has_b_s_own_reason() -> None:
    """That A is silent is the stop's own doing."""
    script = Script(living={A: 11, B: 12})
    script.leaves(A, 5, 5)
    gone = silenced(FAILS)
    script.look(gone)
    script.wait(60.1)
    told_ = next(line for line in script.lines if line.startswith("Not covered after 60 s: "))
    assert "0.0100 ETH" in told_
    assert "B is not ready: hedging fails: max_retries_exceeded" in told_
    assert DRY in told_
    assert "A: no heartbeat" not in told_


def test_that_a_is_silent_is_said_where_nothing_else_is_known() -> None:
    """Both positions cancelled out when A was heard last."""
    script = Script(living={A: 11, B: 12})
    script.leaves(A, 5, 5)
    script.look(silenced(told()))
    script.wait(60.1)
    assert "Not covered after 60 s: A: no heartbeat." in script.lines


@pytest.mark.parametrize("found", [OWES, FAILS, silenced(FAILS)])
def test_a_launcher_in_the_background_leaves_a_b_with_a_debt_running(found: Report) -> None:
    """Nobody would use the liquidity that comes back; whether A is heard makes no difference."""
    script = running(replace(PLAN, detach=True))
    script.signal()
    script.leaves(A, 5, 5)
    script.look(found)
    script.wait(60.1)
    assert Ask(B) not in script.done
    assert script.new[0] == Release()
    assert script.said.startswith("B keeps running, since it owes that")
    assert script.state.code == 5


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, detach=True)])
def test_a_b_without_a_known_debt_is_asked(plan: Plan) -> None:
    """It stays by itself for as long as anything of A can fill."""
    script = running(plan)
    script.signal()
    script.leaves(A, 5, 5)
    script.look(silenced(told()))
    script.wait(60.1)
    assert script.new[-1] == Ask(B)


def test_two_clean_endings_are_neutral_whatever_redis_shows_of_them() -> None:
    """Exit code 0 of both is the better witness than the keys of a B that is gone."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(told(ready_b=None))
    assert script.state.code == 0
    assert script.said.startswith("Both ended neutral")


@pytest.mark.parametrize("a_beat", [NEUTRAL.ready_a, None], ids=["A's too", "B's alone"])
def test_heartbeats_of_before_the_end_name_no_position(a_beat: Ready | None) -> None:
    """A Redis that failed over shows living daemons that have ended, and where they stood then."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(told(ready_a=a_beat))
    assert script.state.code == 0
    assert script.said == (
        "Both ended neutral, as the exit code says; what Redis shows of B is older, so no position"
        " is named."
    )


@pytest.mark.parametrize(
    ("owed_lots", "code", "said"),
    [(0, 0, "Neutral: A +0.0100 ETH, B -0.0100 ETH"), (-100, 5, "NOT COVERED")],
)
def test_the_end_of_a_standby_is_no_evidence(owed_lots: int, code: int, said: str) -> None:
    """Another host's B leads, and may owe: only its own word counts, beside an A that has left."""
    b_lots = -100 - owed_lots
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(
        told(
            lease_b=Lease(instance="x", host="there"),
            ready_b=replace(NEUTRAL.ready_b or READY_A, position_lots=b_lots),
            ledger=replace(LEDGER, owed_lots=owed_lots),
        )
    )
    assert script.state.code == code
    assert said in " ".join(script.lines)


LED = {"lease_b": Lease(instance="x", host="there")}
STOOD_BY = (
    "The B of this host ended as a standby: another main_B.py (host id there) leads account B, and"
    " goes on."
)


@pytest.mark.parametrize(
    ("changes", "ended", "code", "said"),
    [
        ({}, 0, 0, "Neutral: A +0.0100 ETH"),
        ({}, 5, 5, "Neutral: A +0.0100 ETH"),
        ({"ready_a": None}, 0, 5, "UNKNOWN: A last known"),
        ({"ledger": replace(LEDGER, manual_lots=-5000)}, 0, 5, "NOT COVERED: A"),
    ],
)
def test_b_alone_that_was_a_standby_says_who_leads(
    changes: dict[str, Any], ended: int, code: int, said: str
) -> None:
    """What it ended with says nothing of the pair: 0 only where that is shown to be neutral."""
    script = Script(replace(PLAY, only_b=True))
    script.look(told(**LED))
    script.signal()
    script.look(told(**LED, **changes))
    script.ends(B, ended)
    assert script.state.code == code
    assert script.said.startswith(said)
    assert script.said.endswith(STOOD_BY)


@pytest.mark.parametrize("owed_lots", [0, -100])
def test_the_stop_script_says_that_its_b_was_a_standby(owed_lots: int) -> None:
    """It has no last word, and none is missed: what the other B shows decides."""
    found = told(
        **LED,
        ready_b=replace(NEUTRAL.ready_b or READY_A, position_lots=-100 - owed_lots),
        ledger=replace(LEDGER, owed_lots=owed_lots),
    )
    script = Script(living={A: 11, B: 22})
    script.ends(A, 0)
    script.ends(LEAVE, 0)
    script.look(told(**LED))
    script.ends(B, 0)
    script.look(found)
    assert script.state.code == (5 if owed_lots else 0)
    assert STOOD_BY in script.said
    assert "without its last word" not in script.said


def test_the_end_of_a_standby_beside_an_a_that_did_not_leave_is_named() -> None:
    """The pair may be neutral; that A has left was not seen."""
    script = running()
    script.signal()
    script.ends(A, 5)
    script.ends(LEAVE, 3)
    script.wait(1000.0)
    script.look(told(**LED))
    script.ends(B, 0)
    assert script.state.code == 5
    assert STOOD_BY.rstrip(".") in script.said


def test_a_last_word_of_a_b_of_ours_names_the_positions() -> None:
    """It is read after the end of both, and is no older."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(B_LEFT)
    assert script.state.code == 0
    assert script.said.startswith("Neutral: A +0.0100 ETH, B -0.0100 ETH")


def test_without_redis_nothing_is_known_at_the_end() -> None:
    """Exit code 5, and that is said."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(None)
    assert script.state.code == 5
    assert script.said.startswith("Redis does not answer")


def test_a_halt_is_told_once_and_ends_a_run_of_cycles() -> None:
    """A run without an aim goes on and says the resumption; one with an aim ends with 5."""
    script = running()
    script.look(told(halt=HALT))
    script.look(told(halt=HALT))
    script.look(told(halts=Halts(halts=(HALT,), released=(HALT.id,))))
    assert [type(one) for one in script.effects[-2:]] == [Say, Say]
    assert script.said == "Resumed."
    script = running()
    script.look(told(halt=HALT))
    script.look(told(halts=Halts(halts=(HALT,), released=(HALT.id,)), ready_a=None))
    assert script.said.startswith("The halt is released. UNKNOWN: A ")
    assert "start_hedge.sh" in script.said
    script = running(replace(PLAY, ends_on_halt=True))
    script.look(told(halt=HALT))
    assert script.new[-1] == Ask(A)


def test_enough_ends_a_run_of_cycles() -> None:
    """What the run is for is reached."""
    script = running(replace(PLAY, ends_on_halt=True))
    script.look(told(), enough=True)
    assert script.new[-1] == Ask(A)
    assert decisions.code_of_cycles(0, net_lots=0, reached=True) == 0
    assert decisions.code_of_cycles(0, net_lots=1, reached=True) == 5
    assert decisions.code_of_cycles(0, net_lots=0, reached=False) == 5
    assert decisions.code_of_cycles(3, net_lots=1, reached=False) == 3


def test_b_alone_is_stopped_without_a_judgement() -> None:
    """Without A there is nothing to be covered."""
    script = Script(replace(PLAY, only_b=True))
    script.look(told())
    assert script.done == [Start(B), decisions.Started()]
    script.signal()
    assert script.new == (Ask(B),)
    script.ends(B, 0)
    assert script.state.code == 0


def test_b_alone_that_leaves_something_open_is_not_done() -> None:
    """It holds what a person published: the exit code says so, and the line names it."""
    script = Script(replace(PLAY, only_b=True))
    by_hand = replace(LEDGER, manual_lots=-5000)
    script.look(told(ready_a=None, ledger=by_hand))
    script.signal()
    script.ends(B, 5)
    assert script.state.code == 5
    assert "B left something open" in script.said


def test_an_error_of_the_script_stops_what_was_started() -> None:
    """The error itself is said by the one who met it."""
    script = running()
    script.post(decisions.Broke(script.now_s, frozenset({B})))
    assert script.new == (Start(LEAVE),)
    script.ends(LEAVE, 0)
    script.look(beating())
    assert script.new == (Ask(B),)
    script.ends(B, 0)
    assert script.state.goal is Goal.FAILURE
    assert script.new == ()
    script = Script()
    script.post(decisions.Broke(script.now_s, frozenset()))
    assert script.state.is_over


def test_another_child_that_dies_ends_the_run() -> None:
    """An exchange of a play: the pair is stopped, and the code is not 0."""
    script = running(PLAY)
    script.ends("paper", -9)
    assert script.new[-1] == Ask(A)
    script.ends(A, 5)
    script.ends(B, 5)
    script.look(None)
    assert script.state.code == 1


# --- the stop script


def test_the_stop_script_stops_a_then_b() -> None:
    """Both ran: A first; its code is not known, so `--leave` sees to it; then B."""
    script = Script(living={A: 11, B: 22})
    assert script.done == [Ask(A)]
    script.ends(A, 0)
    script.ends(LEAVE, 0)
    script.look(told())
    script.look(told())
    script.ends(B, 0)
    script.look(B_LEFT)
    assert script.done == [Ask(A), Start(LEAVE), Ask(B)]
    assert script.lines == [script.said]
    assert script.said.startswith("Stopped. Neutral:")
    assert script.state.code == 0


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        (B_LEFT, 0, "Stopped. Neutral:"),
        (replace(B_LEFT, a=replace(B_LEFT.a, beat=None)), 0, "Stopped. Both ended neutral:"),
        (told(), 5, "Stopped. Not known to be neutral: B ended without its last word"),
        (told(ready_b=None), 5, "Stopped. UNKNOWN:"),
        (OWES, 5, "Stopped. NOT COVERED:"),
        (
            told(ready_a=None, ready_b=None, position_b=replace(POSITION, position_lots=-90)),
            5,
            "Stopped. Not known to be neutral: B ended without its last word; A last known",
        ),
        (None, 5, "Stopped. Not known to be neutral: B ended without its last word"),
    ],
)
def test_the_last_word_of_a_b_that_is_no_child_is_its_evidence(
    last: Report | None, code: int, said: str
) -> None:
    """Its exit code is not ours to know; what was read before its end says nothing of that."""
    script = Script(living={A: 11, B: 22})
    script.ends(A, 0)
    script.ends(LEAVE, 0)
    script.look(told())
    script.look(told())
    script.ends(B, 0)
    assert not script.state.is_over
    script.look(last)
    assert script.said.startswith(said)
    assert script.state.code == code


def test_a_last_word_is_remembered_until_the_end() -> None:
    """A heartbeat lives some seconds: A's has gone when B ends."""
    script = Script(living={A: 11, B: 22})
    script.ends(A, 0)
    script.ends(LEAVE, 0)
    script.look(told())
    script.look(B_LEFT)
    script.look(told(ready_a=None, ready_b=None))
    script.ends(B, 0)
    script.look(told(ready_a=None, ready_b=None))
    assert script.said.startswith("Stopped. Neutral:")
    assert script.state.code == 0


def test_a_dead_b_has_not_ended_neutral() -> None:
    """Killed long ago: nothing shows its position, whatever was last known of both."""
    script = Script(living={A: 11})
    script.ends(A, 0)
    script.ends(LEAVE, 0)
    script.look(told(ready_b=None))
    assert script.said.startswith("Stopped. UNKNOWN:")
    assert script.state.code == 5
    script = Script(living={A: 11})  # whose own exit code is not known
    script.ends(A, 0)
    script.ends(LEAVE, 5)
    script.look(told(ready_b=None))
    assert script.state.code == 5


def test_the_stop_script_with_a_dead_never_says_neutral_of_what_may_rest() -> None:
    """`--leave` could not: B stays, and after all the word is that it is not known."""
    script = Script(living={B: 22})
    assert script.done == [Start(LEAVE)]
    script.ends(LEAVE, 4)
    script.wait(353.1)
    script.look(told())
    script.ends(B, 0)
    script.look(B_LEFT)
    assert script.state.code == 5
    assert script.said.startswith("Stopped. Not known to be neutral: that A has left was not seen")


@pytest.mark.parametrize(("leave", "code"), [(0, 0), (5, 5), (3, 5), (2, 5)])
def test_the_stop_script_with_all_dead_sees_to_what_a_left(leave: int, code: int) -> None:
    """Nothing runs and A did not leave: `--leave` is run, and only its 0 ends with 0."""
    script = Script(living={})
    assert script.done == [Start(LEAVE)]
    assert script.said == decisions.CUT_OFF
    script.ends(LEAVE, leave)
    script.look(told() if leave == 0 else OWES)
    assert script.state.code == code
    assert decisions.has_a_left(script.state) is (leave in decisions.LEFT)


def test_the_stop_script_leaves_b_to_an_a_elsewhere() -> None:
    """Another A holds the lease: it may place orders as long as it runs."""
    script = Script(living={B: 22})
    script.ends(LEAVE, 6)
    assert script.done == [Start(LEAVE)]
    assert script.state.code == 5
    assert "A runs elsewhere" in script.said


def test_the_stop_script_leaves_b_to_an_a_that_beats() -> None:
    """Its key is on another host, so `--leave` cannot run here."""
    script = Script(living={B: 22})
    script.ends(LEAVE, 2)
    script.look(told(ready_a=None))
    assert not script.state.is_over
    script.look(told())
    assert script.state.code == 5
    assert Ask(B) not in script.done
    assert "A runs elsewhere" in script.said


def test_the_stop_script_leaves_a_b_that_owes() -> None:
    """It goes on, and the sentence names what to do."""
    script = Script(living={B: 22})
    script.ends(LEAVE, 5)
    script.look(OWES)
    script.wait(60.1)
    assert Ask(B) not in script.done
    assert script.state.code == 5
    assert "B owes -0.0100 ETH" in script.lines[-2]
    assert "then again `./stop_hedge.sh`" in script.said
    assert "`kill 22` stops B all the same" in script.said


def test_the_stop_script_leaves_alone_what_does_not_end() -> None:
    """What is open is said; nothing is killed, exit code 5."""
    script = Script(living={A: 11, B: 22})
    script.wait(15.1)
    assert script.state.code == 5
    assert "main_A has not ended yet and goes on" in script.said


def test_a_stop_that_finds_no_lock_says_who_beats() -> None:
    """Where nothing of the pair has run from this directory; who has left does not beat."""
    gone = told(ready_a=None, ready_b=None)
    for found in (None, gone, told(ready_a=None, ready_b=B_LEFT.b.beat)):
        assert decisions.stop_of_nothing(found, "state") == ""
    both = decisions.stop_of_nothing(told(), "state")
    assert both.startswith("A and B beat in Redis, but nothing of this pair has ever run")
    assert both.endswith("undo the change, then `./stop_hedge.sh`.")
    assert decisions.stop_of_nothing(told(ready_b=None), "state").startswith("A beats in Redis")


def test_a_second_start_is_refused_with_the_process_ids() -> None:
    """What runs on this host is named."""
    assert decisions.refusal_to_start({}) is None
    refusal = decisions.refusal_to_start({A: 11, B: 22})
    assert refusal is not None
    assert refusal.startswith("main_A (process 11) and main_B (process 22) already run")
    assert decisions.refusal_to_start({B: None}) == (
        "main_B already runs on this host; stop first: `./stop_hedge.sh`."
    )


def test_something_is_due_in_every_phase_that_lasts() -> None:
    """A start or stop never waits for nothing."""
    script = running()
    script.signal()
    assert script.state.due_s < math.inf
    script.ends(A, -9)
    assert script.state.due_s < math.inf
    script.ends(LEAVE, 3)
    assert script.state.due_s < math.inf
