"""What `resume` and `flatten` decide, event by event, without a Redis."""

from dataclasses import replace

import pytest

from hedge.operator import decisions
from hedge.operator.decisions import Answer, Ask, End, Look, Print, Resume, Send, Work
from hedge.operator.status import Report
from tests.report_kit import HALT, LEDGER, NEUTRAL, POSITION, READY_A, told

HALTED_A = replace(READY_A, ready=False, state="halted")
HALTED = told(halt=HALT, ready_a=HALTED_A)
OWING = told(halt=HALT, ready_a=HALTED_A, ledger=replace(LEDGER, owed_lots=-100))


class Command:
    """One command that is fed with events; `new` are the effects of the last one."""

    def __init__(self, work: Work, effects: tuple[decisions.Effect, ...]) -> None:
        self.work, self.new = work, effects

    def post(self, event: decisions.Event) -> None:
        self.work, self.new = self.work.step(event)

    def look(self, report: Report, now_s: float = 100.0) -> None:
        self.post(decisions.Looked(now_s, report))

    @property
    def end(self) -> End:
        (last,) = self.new
        assert isinstance(last, End)
        return last


def resume(*, force: bool = False, reason: str = "looked", yes: bool = True) -> Command:
    return Command(*decisions.begin_resume(force=force, reason=reason, yes=yes))


def test_a_covered_pair_is_resumed_without_a_question() -> None:
    """The halt becomes a record, and A is waited for."""
    command = resume()
    assert command.new == (Look(),)
    command.look(HALTED)
    assert command.new == (Resume("h", forced=False, note=""),)
    command.post(decisions.Written(100.0))
    command.look(told(ready_a=HALTED_A), 101.0)
    assert command.new == (Look(decisions.POLL_S),)
    command.look(told(ready_a=replace(READY_A, timestamp=9)), 102.0)
    assert command.end.code == 0
    assert command.end.text.startswith("Resumed: A is working. Neutral:")


def test_an_a_that_does_not_go_on_is_said() -> None:
    """After the wait: exit code 5, or 0 where A does not run at all."""
    for beat, code in ((HALTED_A, 5), (None, 0)):
        command = resume()
        command.look(HALTED)
        command.post(decisions.Written(100.0))
        command.look(told(ready_a=beat), 110.1)
        assert command.end.code == code


def test_a_pair_that_is_not_halted_has_nothing_to_resume() -> None:
    """No error, and nothing is written."""
    command = resume()
    command.look(told())
    assert command.end.code == 0
    assert "nothing to resume" in command.end.text


@pytest.mark.parametrize("report", [OWING, told(halt=HALT, ready_b=None)])
def test_what_is_open_refuses_a_resumption(report: Report) -> None:
    """Owed amounts, or a B that is not ready."""
    command = resume()
    command.look(report)
    assert command.end.code == 5
    assert command.end.text.startswith("Not resumed: B ")


def test_a_halt_of_the_meantime_is_not_resumed() -> None:
    """Neither one that stood there at the writing, nor one that came after it."""
    command = resume()
    command.look(HALTED)
    command.post(decisions.Written(100.0, is_refused=True))
    assert "Another halt came in" in command.end.text
    command = resume()
    command.look(HALTED)
    command.post(decisions.Written(100.0))
    command.look(told(halt=replace(HALT, id="h2")))
    assert "halted again at once" in command.end.text


def test_force_shows_what_it_does_and_asks() -> None:
    """The person sees what is open and what B will trade; only a yes writes."""
    for answer, effect in (
        (Answer.YES, Resume("h", forced=True, note="looked")),
        (Answer.NO, End(5, "Not resumed.")),
    ):
        command = resume(force=True, yes=False)
        command.look(OWING)
        *shown, question = command.new
        assert question == Ask("Resume?")
        lines = [one.text for one in shown if isinstance(one, Print)]
        assert "Open: B owes -0.0100 ETH." in lines
        assert "The positions cancel out: B has nothing to trade." in lines
        command.post(decisions.Answered(answer))
        assert command.new == (effect,)
    command = resume(force=True, yes=False)
    command.look(told(halt=HALT, position_b=None))
    assert "cannot be told" in str(command.new)
    command.post(decisions.Answered(Answer.NONE))
    assert "nobody answered" in command.end.text


def test_force_says_what_b_will_trade() -> None:
    """The amount that brings the pair together, with `--yes` no question."""
    command = resume(force=True)
    position_b = replace(NEUTRAL.position_b or POSITION, position_lots=0)
    command.look(told(halt=HALT, position_b=position_b))
    assert Print("To bring the pair together B will sell 0.0100 ETH at market.") in command.new
    assert isinstance(command.new[-1], Resume)


def test_force_needs_a_reason() -> None:
    """A usage error, before anything is read."""
    assert resume(force=True, reason=" ").end.code == 2


def test_flatten_waits_until_a_is_flat_covered_and_halted() -> None:
    """The command is sent once; then the pair is looked at until it is flat."""
    command = Command(*decisions.begin_flatten())
    assert command.new == (Print(decisions.FLATTEN_ANNOUNCEMENT), Look())
    command.look(told())
    assert command.new == (Send("flatten"),)
    command.post(decisions.Written(100.0))
    command.look(told(), 101.0)
    assert command.new == (Look(decisions.POLL_S),)
    flat = replace(POSITION, position_lots=0)
    command.look(told(position_a=flat), 102.0)
    assert command.new == (Look(decisions.POLL_S),)
    command.look(told(position_a=flat, halt=HALT), 103.0)
    assert command.end.code == 0
    assert command.end.text.startswith("Flat. Neutral:")


def test_flatten_that_does_not_end_says_what_is_left() -> None:
    """After a minute: exit code 5 and the positions."""
    command = Command(*decisions.begin_flatten())
    command.look(told())
    command.post(decisions.Written(100.0))
    command.look(told(), 160.0)
    assert command.end == End(5, f"Not flat after 60 s: {told().headline}")


def test_flatten_without_a_is_refused_unless_something_was_published_by_hand() -> None:
    """Then B undoes that, and it is over once B is ready again."""
    command = Command(*decisions.begin_flatten())
    command.look(told(ready_a=None))
    assert command.end.code == 5
    assert command.end.text.startswith("Not sent: A has no heartbeat")
    command = Command(*decisions.begin_flatten())
    command.look(told(ready_a=None, ledger=replace(LEDGER, manual_lots=-100)))
    assert command.new == (Send("flatten"),)
    command.post(decisions.Written(100.0))
    command.look(told(ready_a=None), 101.0)
    assert command.end.code == 0
    assert "published by hand is undone: B -0.0100 ETH" in command.end.text


def test_status_is_one_sentence() -> None:
    """The headline, exit code 0 whatever it says."""
    assert decisions.verdict(OWING) == End(0, OWING.headline)
