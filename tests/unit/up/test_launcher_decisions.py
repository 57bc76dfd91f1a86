"""What the start and stop scripts decide, event by event, without a process."""

from dataclasses import replace

import pytest

from hedge.launcher import decisions
from hedge.launcher.decisions import A, Ask, B, Complain, Goal, Kill, Phase, Plan, Say, Start
from hedge.operator.status import Report
from hedge.wire.control import Lease
from tests.report_kit import HALT, LEDGER, told

PLAN = Plan(patience_s=15.0)


class Script:
    """A start or stop that is fed with events; remembers every effect."""

    def __init__(self, plan: Plan = PLAN, living: dict[str, int] | None = None) -> None:
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

    @property
    def done(self) -> list[decisions.Effect]:
        """What was done, without what was said."""
        return [one for one in self.effects if not isinstance(one, Say)]

    @property
    def said(self) -> str:
        """What was said last."""
        lines = [one.text for one in self.effects if isinstance(one, Say)]
        return lines[-1]


def running(plan: Plan = PLAN) -> Script:
    """A pair that is started."""
    script = Script(plan)
    script.look(told())
    assert script.done == [Start(B), Start(A), decisions.Started()]
    return script


def test_b_starts_first_and_a_once_b_can_hedge() -> None:
    """Until B is ready nothing else is started."""
    script = Script()
    script.look(None)
    script.look(told(ready_b=None))
    assert script.done == [Start(B)]
    script.look(told())
    assert script.done == [Start(B), Start(A), decisions.Started()]
    assert script.state.phase is Phase.WATCHING


def test_a_b_that_is_not_ready_in_time_is_stopped_and_named() -> None:
    """Every ten seconds the reason is said; at ninety B is asked to leave, exit code 1."""
    script = Script()
    script.look(told(ready_b=None))
    for _ in range(9):
        script.wait(10.1)
    assert (
        sum("B is not ready after" in one.text for one in script.effects if type(one) is Say) == 9
    )
    assert script.new[-1] == Ask(B)
    script.ends(B, 0)
    assert script.state.code == 1
    assert isinstance(script.new[0], Complain)
    assert "did not become ready within 90 s: B has no heartbeat" in script.new[0].text


def test_a_halted_pair_is_not_started() -> None:
    """With a B that beats under a halt the start stops B and says the halt, exit code 5."""
    script = Script()
    script.look(told(halt=HALT))
    assert script.done == [Start(B), Ask(B)]
    script.ends(B, 0)
    assert script.state.code == 5
    assert "not_enough_margin" in str(script.new[0])


def test_another_b_that_leads_is_named() -> None:
    """A lease of another host is said once ours is known to stand by."""
    script = Script()
    script.look(told(lease_b=Lease(instance="x", host="there")))
    assert "another main_B.py (host id there) leads" in str(script.new[0])


@pytest.mark.parametrize(("code", "exit_code"), [(3, 3), (0, 1), (-9, 1), (130, 1)])
def test_a_child_that_dies_in_a_start_gives_its_code(code: int, exit_code: int) -> None:
    """Its own code where that has a meaning for a person, else 1; its words go to the errors."""
    script = Script()
    script.ends(B, code)
    assert script.state.code == exit_code
    assert script.new == (
        Complain(f"main_B ended with exit code {code}: its last line"),
        Complain("    one"),
    )


def test_a_signal_stops_a_then_waits_then_stops_b() -> None:
    """B is asked only once it has covered everything."""
    script = running()
    script.signal()
    assert script.new[-1] == Ask(A)
    script.ends(A, 0)
    script.look(told(ledger=replace(LEDGER, owed_lots=-100)))
    assert Ask(B) not in script.done
    script.look(told())
    assert script.new[-1] == Ask(B)
    script.ends(B, 0)
    assert script.state.code == 0
    assert script.said.startswith("Neutral:")


def test_a_signal_before_the_pair_runs_stops_b() -> None:
    """An early stop is no failure."""
    script = Script()
    script.signal()
    assert script.done == [Start(B), Ask(B)]
    script.ends(B, 0)
    assert script.state.code == 0
    assert script.new == (Complain("Stopped before the pair was running."),)


def test_the_second_signal_kills_everything_at_once() -> None:
    """Also the daemon that is just leaving."""
    script = running()
    script.signal()
    script.post(decisions.SignalledAgain(script.now_s))
    assert script.new == (Kill(A), decisions.KillAll())
    assert script.state.code == 5
    assert decisions.answer_to_signal(None) is decisions.Answer.STOP
    assert decisions.answer_to_signal(1000.0) is decisions.Answer.LEAVE


def test_a_daemon_that_does_not_stop_is_killed_and_that_is_said() -> None:
    """After the patience A is killed; the rest goes on, and nothing is called neutral for it."""
    script = running()
    script.signal()
    script.wait(15.1)
    assert script.new == (Kill(A), Say("main_A did not stop within 15 s and was killed."))
    script.look(told(ledger=replace(LEDGER, owed_lots=-100)))
    script.wait(60.1)
    assert script.new[0] == Say("Not covered after 60 s: B owes -0.0100 ETH.")
    script.ends(B, 5)
    assert script.state.code == 5


@pytest.mark.parametrize(("code", "exit_code"), [(-9, 1), (3, 3), (0, 0)])
def test_a_daemon_that_dies_ends_the_run(code: int, exit_code: int) -> None:
    """A died: B covers and leaves; the run's exit code is A's where it has one."""
    script = running()
    script.ends(A, code)
    script.look(told())
    script.ends(B, 0)
    assert script.done[-1] == Ask(B)
    assert script.state.code == exit_code


def test_two_clean_endings_are_neutral_whatever_the_last_ledger_answers() -> None:
    """Exit code 0 of both is the better witness than a ledger of a B that is gone."""
    script = running()
    script.signal()
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(told(ledger=replace(LEDGER, a_seq=6)))
    assert script.state.code == 0
    assert script.said.startswith("Both ended neutral")


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
    script.look(told(halt=replace(HALT, resumed=5)))
    assert [type(one) for one in script.effects[-2:]] == [Say, Say]
    assert script.said == "Resumed."
    script = running(replace(PLAN, ends_on_halt=True))
    script.look(told(halt=HALT))
    assert script.new[-1] == Ask(A)


def test_enough_ends_a_run_of_cycles() -> None:
    """What the run is for is reached."""
    script = running(replace(PLAN, ends_on_halt=True))
    script.look(told(), enough=True)
    assert script.new[-1] == Ask(A)
    assert decisions.code_of_cycles(0, net_lots=0, reached=True) == 0
    assert decisions.code_of_cycles(0, net_lots=1, reached=True) == 5
    assert decisions.code_of_cycles(0, net_lots=0, reached=False) == 5
    assert decisions.code_of_cycles(3, net_lots=1, reached=False) == 3


def test_a_detached_start_leaves_both_once_a_beats() -> None:
    """Nothing is stopped; what to ask and how to stop is said."""
    script = Script(replace(PLAN, detach=True, config_option=" --config x.yaml"))
    script.look(told(ready_a=None))
    script.look(told(ready_a=None))
    assert script.state.phase is Phase.WAITING_FOR_A
    script.look(told())
    assert script.new[0] == decisions.Release()
    assert script.state.code == 0
    assert script.said.endswith("Stop: ./stop_hedge.sh --config x.yaml")


def test_b_alone_is_stopped_without_a_judgement() -> None:
    """Without A there is nothing to be covered."""
    script = Script(replace(PLAN, only_b=True))
    script.look(told())
    assert script.done == [Start(B), decisions.Started()]
    script.signal()
    script.look(None)
    script.ends(B, 0)
    assert script.state.code == 0


def test_an_error_of_the_script_stops_what_was_started() -> None:
    """The error itself is said by the one who met it."""
    script = running()
    script.post(decisions.Broke(script.now_s, frozenset({B})))
    assert script.new[-1] == Ask(B)
    script.ends(B, 0)
    assert script.state.goal is Goal.FAILURE
    assert script.new == ()
    script = Script()
    script.post(decisions.Broke(script.now_s, frozenset()))
    assert script.state.is_over


# --- the stop script


def test_the_stop_script_stops_a_then_b() -> None:
    """Both ran: A first, B once all is covered, then the process ids are forgotten."""
    script = Script(living={A: 11, B: 22})
    script.ends(A, 0)
    script.look(told())
    script.ends(B, 0)
    assert script.done == [Ask(A), Ask(B), decisions.Stopped()]
    assert script.said.startswith("Stopped. Neutral:")
    assert script.state.code == 0


def test_the_stop_script_leaves_a_b_that_owes() -> None:
    """Only B runs and owes: it goes on, and the sentence names the way to stop it all the same."""
    script = Script(living={B: 22})
    script.look(told(ledger=replace(LEDGER, owed_lots=-100)))
    assert script.done == []
    assert script.state.code == 5
    assert "B owes -0.0100 ETH" in script.said
    assert "`kill 22`" in script.said


def test_the_stop_script_says_that_b_ended_too() -> None:
    """A B that left meanwhile is not asked; how it ended is said by the terminal that owns it."""
    script = Script(living={A: 11, B: 22})
    script.ends(A, 0)
    script.ends(B, 0)
    script.look(told())
    assert script.done == [Ask(A)]
    assert script.said.startswith("B has ended too")


def test_a_second_start_is_refused_with_the_process_ids() -> None:
    """What runs on this host is named."""
    assert decisions.refusal_to_start({}) is None
    refusal = decisions.refusal_to_start({A: 11, B: 22})
    assert refusal is not None
    assert refusal.startswith("main_A (process 11) and main_B (process 22) already run")
