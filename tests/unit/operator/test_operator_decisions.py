"""What `status`, `halt`, `resume` and `flatten` decide, event by event, without a Redis."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.core.freshness import BeatId
from hedge.operator import decisions
from hedge.operator.decisions import (
    Answer,
    Answered,
    Ask,
    End,
    HostLooked,
    Look,
    LookAtHost,
    Print,
    ReleaseOnHost,
    Send,
    Work,
    WriteHalt,
    Written,
)
from hedge.operator.status import Report, report
from hedge.wire.control import Halt, Halts
from hedge.wire.state import Ledger, Ready
from tests.report_kit import HALT, LEDGER, NEUTRAL, POSITION, READY_A, SPEC, told

READY_B = NEUTRAL.ready_b or READY_A
HALTED_A = replace(READY_A, ready=False, state="halted")
HALTED = told(halt=HALT, ready_a=HALTED_A)
FLAT_BEAT_B = replace(READY_B, position_lots=0)
OWING = told(
    halt=HALT, ready_a=HALTED_A, ready_b=FLAT_BEAT_B, ledger=replace(LEDGER, owed_lots=-100)
)
FLAT_B = replace(NEUTRAL.position_b or POSITION, position_lots=0)
TO_A, TO_B = ("a", BeatId("a" * 16, 1)), ("b", BeatId("b" * 16, 1))
STRANGER = replace(HALT, id="s", reason="foreign_trade_on_b")


def acked(beat: Ready, word: str = decisions.RELEASED) -> Ready:
    return replace(beat, acks=(("c1", word),))


def answered(ping_id: str = "c1", **changes: Any) -> Report:
    """What is read after a ping."""
    return report(replace(NEUTRAL, **changes), SPEC, 11, 22, ping_id=ping_id)


RESUMED = told(ready_a=acked(READY_A), ready_b=acked(READY_B))


class Command:
    """One command that is fed with events; `new` are the effects of the last one."""

    def __init__(self, work: Work, effects: tuple[decisions.Effect, ...]) -> None:
        self.work, self.new = work, effects

    def post(self, event: decisions.Event) -> None:
        self.work, self.new = self.work.step(event)

    def look(self, report: Report, now_s: float = 100.0) -> None:
        self.post(decisions.Looked(now_s, report))

    def text(self) -> str:
        return " ".join(one.text for one in self.new if isinstance(one, Print))

    @property
    def end(self) -> End:
        (*_, last) = self.new
        assert isinstance(last, End), self.new
        return last


# --- resume


def resume(*, force: bool = False, reason: str = "looked", yes: bool = True) -> Command:
    """A `resume` whose ping is written at 97 s."""
    command = Command(
        *decisions.begin_resume(command_id="c1", ping_id="p1", force=force, reason=reason, yes=yes)
    )
    if command.new == (Send("p1", "ping", ()),):
        command.post(Written(97.0))
        assert command.new == (Look(ping_id="p1"),)
    return command


def sent(report: Report = HALTED, *, force: bool = False) -> Command:
    """A resumption whose command is written at 100 s."""
    command = resume(force=force)
    command.look(report)
    assert isinstance(command.new[-1], Send)
    command.post(Written(100.0))
    assert command.new == (Look(),)
    return command


def test_a_covered_pair_is_resumed_by_a_command_to_both() -> None:
    """It answers the heartbeats that were read, and releases the ids that were shown."""
    command = resume()
    command.look(HALTED)
    assert command.new == (Send("c1", "resume", (TO_A, TO_B), ("h",)),)
    command.post(Written(100.0))
    command.look(told(ready_a=HALTED_A, ready_b=READY_B), 101.0)
    assert command.new == (Look(decisions.POLL_S),)
    command.look(RESUMED, 102.0)
    assert command.end.code == 0
    assert command.end.text.startswith("Resumed: A is working. Neutral:")


@pytest.mark.parametrize(("a", "b", "names"), [(True, False, "B"), (False, True, "A")])
def test_a_daemon_that_does_not_acknowledge_is_named(*, a: bool, b: bool, names: str) -> None:
    """Exit code 5, for it may hold on."""
    command = sent()
    beats = (acked(READY_A) if a else HALTED_A, acked(READY_B) if b else READY_B)
    command.look(told(ready_a=beats[0], ready_b=beats[1]), 110.1)
    assert command.end.code == 5
    assert command.end.text.startswith(f"Released, but {names} did not acknowledge")


def test_a_refusal_of_a_daemon_is_said() -> None:
    """Its disk is full, or the command came too late."""
    command = sent()
    refused = replace(HALTED_A, acks=(("c1", "not released: disk"),))
    command.look(told(halt=HALT, ready_a=refused))
    assert command.end == End(5, "Not resumed. A: not released: disk.")


def test_an_a_that_stays_halted_is_said() -> None:
    """It has released the halt, and does not go on."""
    command = sent()
    command.look(told(ready_a=acked(HALTED_A), ready_b=acked(READY_B)), 110.1)
    assert command.end.code == 5
    assert "A is still halted" in command.end.text


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
    command.look(report, 97.5)
    if report is OWING:  # perhaps only the time between two heartbeats
        assert command.new == (Look(decisions.POLL_S, "p1"),)
        command.look(report, 100.0)
    assert command.end.code == 5
    assert command.end.text.startswith("Not resumed: B ")


def starting(side: str, **changes: Any) -> Report:
    """A halted pair one of whose books is not proven yet, as after a restart; both answer."""
    beats = {"ready_a": HALTED_A, "ready_b": READY_B}
    for name, beat in beats.items():
        beats[name] = replace(beat, acks=(("p1", "pong"),))
    unproven = replace(beats[f"ready_{side}"], proven=False, shown=False, beat=3)
    beats[f"ready_{side}"] = replace(unproven, ready=False, reasons=("reconciling",))
    return answered("p1", **{"halts": Halts(halts=(HALT,)), **beats, **changes})


def is_proven(**changes: Any) -> Report:
    both = {"ready_a": HALTED_A, "ready_b": READY_B}
    told = {name: replace(beat, acks=(("p1", "pong"),)) for name, beat in both.items()}
    return answered("p1", **{"halts": Halts(halts=(HALT,)), **told, **changes})


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_proof_that_is_under_way_is_waited_for(side: str) -> None:
    """It says for what and at most how long, and every 5 s that it waits; then it resumes."""
    command = resume()
    said = list[str]()
    for now_s in range(100, 115):
        command.look(starting(side), float(now_s))
        assert command.new[-1] == Look(decisions.PING_EVERY_S, "p1")
        said += [command.text()] if command.text() else []
    missing = f"{side.upper()}: its book is not proven yet"
    assert said == [
        f"{missing}. Waiting for that proof, at most 60 s.",
        f"Still waiting (5 s of 60 s): {missing}.",
        f"Still waiting (10 s of 60 s): {missing}.",
    ]
    command.look(is_proven(), 115.0)
    assert command.new == (Send("c1", "resume", (TO_A, TO_B), ("h",)),)


def test_a_book_that_is_proven_anew_is_waited_for_too() -> None:
    """A fence runs; nothing else is in the way."""
    anew = replace(HALTED_A, shown=False, state="reconciling", acks=(("p1", "pong"),))
    command = resume()
    command.look(is_proven(ready_a=anew))
    assert (
        command.text() == "A: its book is being proven anew. Waiting for that proof, at most 60 s."
    )


def test_a_proof_that_does_not_come_refuses_after_a_minute() -> None:
    """And says that it was waited for."""
    command = resume()
    for now_s in (100.0, 159.9, 160.0):
        command.look(starting("a"), now_s)
    assert command.end.code == 5
    assert command.end.text.startswith(
        "The proof that was waited for has not come. Not resumed: A: its book is not proven yet."
    )


def test_a_halt_that_arises_while_a_proof_is_waited_for_is_not_released() -> None:
    """Nobody has seen it: its own `resume` shows it."""
    command = resume()
    command.look(starting("a"), 100.0)
    other = replace(HALT, id="later", reason="force_close_timeout")
    command.look(is_proven(halts=Halts(halts=(HALT, other))), 101.0)
    assert command.new == (Send("c1", "resume", (TO_A, TO_B), ("h",)),)


def test_while_a_proof_is_waited_for_the_ping_is_repeated() -> None:
    """Its acknowledgement is shown for a minute only; a side that falls silent refuses."""
    command = resume()
    command.look(starting("a"), 100.0)
    silent = starting("a", ready_b=READY_B)
    command.look(silent, 101.0)
    assert command.new == (Send("p1", "ping", ()),)
    command.post(decisions.Written(101.0))
    command.look(silent, 106.0)
    assert command.end.code == 5
    assert "B: did not answer within 4.5 s" in command.end.text


@pytest.mark.parametrize(
    "changes",
    [
        {"ready_b": replace(READY_B, ready=False, reasons=("no margin",), acks=(("p1", "pong"),))},
        {"ready_b": None},
        {"halts": Halts(halts=(STRANGER,))},
    ],
    ids=["B is not ready", "B is gone", "a halt of B"],
)
def test_a_resumption_waits_for_nothing_where_something_else_is_in_its_way(
    changes: dict[str, Any],
) -> None:
    """It would refuse all the same: now, not in a minute."""
    command = resume()
    command.look(starting("a", **changes), 110.0)
    assert command.end.code == 5
    assert command.end.text.startswith("Not resumed: ")


def test_by_force_nothing_is_waited_for() -> None:
    """The person has looked."""
    command = resume(force=True)
    command.look(starting("a"))
    assert isinstance(command.new[-1], Send)


@pytest.mark.parametrize("side", ["a", "b"])
def test_missing_trades_are_released_by_force_alone(side: str) -> None:
    """A plain resumption would halt again at once, on either side; the command is named."""
    halt = replace(HALT, side=side, reason="trades_missing")
    halted, beat_b = (replace(beat, halts=(halt,)) for beat in (HALTED_A, READY_B))
    command = resume()
    command.look(told(ready_a=halted, ready_b=beat_b, halt=halt))
    assert command.end.code == 5
    assert "Lighter does not list trades" in command.end.text
    assert 'resume --force --reason "…"' in command.end.text
    command = resume(force=True)
    command.look(told(ready_a=halted, ready_b=beat_b, halt=halt))
    assert isinstance(command.new[-1], Send)


def test_a_resumption_rests_on_what_both_say_after_the_question() -> None:
    """A heartbeat may be older than the newest fill, or its daemon dead; none answers for both."""
    pong_a, pong_b = (replace(beat, acks=(("p1", "pong"),)) for beat in (HALTED_A, READY_B))
    halts = Halts(halts=(HALT,))
    silent_b = answered("p1", halts=halts, ready_a=pong_a)
    command = resume()
    command.look(silent_b, 97.5)
    assert command.new == (Look(decisions.POLL_S, "p1"),)
    command.look(answered("p1", halts=halts, ready_a=pong_a, ready_b=pong_b), 98.0)
    assert command.new == (Send("c1", "resume", (TO_A, TO_B), ("h",)),)
    command = resume()
    command.look(silent_b, 101.5)
    assert command.end.code == 5
    assert "B: did not answer within 4.5 s" in command.end.text


def test_a_resumption_rests_on_what_b_says_after_its_halt() -> None:
    """It answered while it was ready; then a person traded on it. Now it is neither."""
    pong_a, pong_b = (replace(beat, acks=(("p1", "pong"),)) for beat in (HALTED_A, READY_B))
    told_now = {"halts": Halts(halts=(STRANGER,)), "ready_a": pong_a}
    older = answered("p1", **told_now, ready_b=pong_b)
    command = resume()
    command.look(older, 97.5)
    assert command.new == (Look(decisions.POLL_S, "p1"),)
    since = replace(pong_b, ready=False, reasons=("halted",), halts=(STRANGER,))
    command.look(answered("p1", **told_now, ready_b=since), 98.0)
    assert command.end.code == 5
    assert "B is not ready: halted" in command.end.text
    command = resume()
    command.look(older, 101.5)
    assert command.end.text.startswith("Not resumed: B has said nothing yet since it halted")
    command = resume()
    has_looked = replace(pong_b, halts=(STRANGER,))
    command.look(answered("p1", **told_now, ready_b=has_looked), 98.0)
    assert isinstance(command.new[-1], Send)


def test_a_halt_of_the_meantime_is_not_released() -> None:
    """What arose after the person looked is another halt, and in force."""
    command = resume(force=True, yes=False)
    command.look(HALTED)
    assert isinstance(command.new[-1], Ask)
    command.post(Answered(Answer.YES))
    both = Halts(halts=(HALT, STRANGER))
    command.look(told(halts=both, ready_a=HALTED_A))
    assert isinstance(command.new[-1], Send)
    assert command.new[-1].halts == ("h",)
    command.post(Written(100.0))
    left = told(halt=STRANGER, ready_a=acked(HALTED_A), ready_b=acked(READY_B))
    command.look(left)
    assert command.end.code == 5
    assert "another halt is in force" in command.end.text


def test_the_heartbeats_are_those_read_after_the_yes() -> None:
    """A question may stand for an hour, and a command lives five seconds."""
    command = resume(force=True, yes=False)
    command.look(HALTED)
    command.post(Answered(Answer.YES))
    assert command.new == (Look(),)
    command.look(told(halt=HALT, ready_a=replace(HALTED_A, beat=9)))
    assert isinstance(command.new[-1], Send)
    assert command.new[-1].to == (("a", BeatId("a" * 16, 9)), TO_B)


def test_a_missing_side_is_left_out_and_named() -> None:
    """By force, with B away: A releases, and the exit code says that B has not heard it."""
    command = sent(told(halt=HALT, ready_a=HALTED_A, ready_b=None), force=True)
    command.look(told(ready_a=acked(READY_A), ready_b=None))
    assert command.end.code == 5
    assert "B has no heartbeat and has not heard it" in command.end.text


def test_force_shows_what_it_does_and_asks() -> None:
    """The person sees what is open and what B will trade; only a yes writes."""
    command = resume(force=True, yes=False)
    command.look(OWING)
    command.look(OWING, 102.5)
    *shown, question = command.new
    assert question == Ask("Resume?")
    lines = [one.text for one in shown if isinstance(one, Print)]
    assert "Open: B owes -0.0100 ETH." in lines
    assert "To bring the pair together B will sell 0.0100 ETH at market." in lines
    command.post(Answered(Answer.NO))
    assert command.new == (End(5, "Not resumed."),)
    command = resume(force=True, yes=False)
    command.look(told(halt=HALT, ready_b=None, position_b=None))
    assert "cannot be told" in str(command.new)
    command.post(Answered(Answer.NONE))
    assert "add --yes" in command.end.text


def test_force_says_what_b_will_trade() -> None:
    """By what the daemons state now, or else by what they stated last; with `--yes` no question."""
    command = resume(force=True)
    command.look(told(halt=HALT))
    assert Print("The positions cancel out: B has nothing to trade.") in command.new
    command = resume(force=True)
    position_a = replace(POSITION, position_lots=150)
    command.look(told(halt=HALT, ready_a=None, position_a=position_a))
    assert Print("To bring the pair together B will sell 0.0050 ETH at market.") in command.new
    send = command.new[-1]
    assert isinstance(send, Send)
    assert (send.forced, send.note) == (True, "looked")


def test_force_needs_a_reason() -> None:
    """A usage error, before anything is read."""
    assert resume(force=True, reason=" ").end.code == 2


# --- resume with both daemons down

DOWN = told(halt=HALT, ready_a=None, ready_b=None)


def down(report: Report = DOWN, *, force: bool = False) -> Command:
    command = resume(force=force)
    command.look(report)
    assert command.new == (LookAtHost(),)
    return command


def test_with_both_down_the_files_of_this_host_are_released() -> None:
    """What Redis and the files show together; both sides' files here: nothing is left to hear."""
    command = down()
    kept = replace(HALT, id="k")
    command.post(HostLooked((kept,), ("a", "b")))
    assert command.new[-1] == ReleaseOnHost(("h", "k"))
    assert "No daemon runs (A last known +0.0100 ETH" in command.text()
    assert "at its start B trades until it is the other side of A" in command.text()
    command.post(HostLooked((), ("a", "b")))
    assert command.end.code == 0
    assert "files of A and B on this host" in command.end.text


def test_with_both_down_the_host_that_has_not_heard_it_is_named() -> None:
    """Its state directory is elsewhere."""
    command = down()
    command.post(HostLooked((), ("b",)))
    command.post(HostLooked((), ("b",)))
    assert command.end.code == 5
    assert "The host of A has not heard it" in command.end.text


def test_with_both_down_a_disk_that_did_not_take_it_is_named() -> None:
    """It is here: nothing but room on it leads out, and the same command."""
    command = down()
    command.post(HostLooked((), ("a", "b")))
    command.post(HostLooked((), ("b",), (), (("a", FULL),)))
    assert command.end.code == 5
    assert "in the files of B on this host" in command.end.text
    assert f"The file of A on this host could not be written ({FULL})" in command.end.text
    assert "not on this host" not in command.end.text
    assert command.end.text.endswith("then `./hedgectl resume` once more.")


def test_with_both_down_a_running_process_is_not_passed_over() -> None:
    """It has its files locked, and is cut off from Redis."""
    command = down()
    command.post(HostLooked((), ("a",), ("b",)))
    assert command.end.code == 5
    assert "B runs on this host and has no heartbeat" in command.end.text
    command = down()
    command.post(HostLooked((), (), ("a", "b")))
    assert "A and B run on this host and have no heartbeat" in command.end.text


def test_with_both_down_and_no_halt_there_is_nothing_to_resume() -> None:
    """Neither Redis nor this host knows of one."""
    command = down(told(ready_a=None, ready_b=None))
    command.post(HostLooked((), ("a", "b")))
    assert command.end.code == 0


def test_with_both_down_a_position_changed_from_outside_needs_force() -> None:
    """No daemon shows the positions: the person must have looked."""
    command = down(told(halt=STRANGER, ready_a=None, ready_b=None))
    command.post(HostLooked((), ("a", "b")))
    assert command.end.code == 5
    assert "resume --force" in command.end.text
    command = down(told(halt=STRANGER, ready_a=None, ready_b=None), force=True)
    command.post(HostLooked((), ("a", "b")))
    assert command.new[-1] == ReleaseOnHost(("s",), forced=True)


def test_with_both_down_positions_that_do_not_cancel_out_need_force() -> None:
    """The last that was known of them: a person looks, and hears what a start does."""
    naked = told(halt=HALT, ready_a=None, ready_b=None, position_b=FLAT_B)
    command = down(naked)
    command.post(HostLooked((), ("a", "b")))
    assert command.end.code == 5
    assert "A last known +0.0100 ETH" in command.end.text
    assert 'Look at both positions on Lighter, then `./hedgectl resume --force --reason "…"`' in (
        command.end.text
    )
    command = down(naked, force=True)
    command.post(HostLooked((), ("a", "b")))
    assert command.new[-1] == ReleaseOnHost(("h",), forced=True)
    assert "at its start B trades until it is the other side of A" in command.text()


# --- halt


def halting() -> tuple[Command, Halt]:
    command = Command(*decisions.begin_halt("op-1", 7, " lunch "))
    assert command.new == (Look(),), "whose heartbeats there are comes first"
    command.look(told(), 99.0)
    (write,) = command.new
    assert isinstance(write, WriteHalt)
    return command, write.halt


def test_a_halt_is_written_until_both_show_it() -> None:
    """Another writer may have run over it, or Redis may have been wiped."""
    command, halt = halting()
    assert (halt.reason, halt.detail, halt.side, halt.timestamp) == ("operator", "lunch", "", 7)
    command.post(Written(100.0))
    assert command.new == (Look(decisions.HALT_EVERY_S),)
    shown = replace(READY_A, halts=(halt,))
    command.look(told(ready_a=shown), 101.0)
    assert command.new == (WriteHalt(halt),)
    command.post(Written(101.0))
    command.look(told(ready_a=shown, ready_b=replace(READY_B, halts=(halt,))), 102.0)
    assert command.end.code == 0


@pytest.mark.parametrize(("ready_b", "names"), [(READY_B, "B has"), (None, "B has")])
def test_a_side_that_does_not_show_the_halt_is_named(ready_b: Ready | None, names: str) -> None:
    """Silent or deaf: exit code 5 after ten seconds."""
    command, halt = halting()
    command.post(Written(100.0))
    report = told(ready_a=replace(READY_A, halts=(halt,)), ready_b=ready_b)
    command.look(report, 109.9)
    assert command.new == (WriteHalt(halt),)
    command.look(report, 110.0)
    assert command.end.code == 5
    assert names in command.end.text


def unstored(beat: Ready, why: str | None) -> Ready:
    """A heartbeat whose host has not stored its halt: it is at it (""), or it could not."""
    if why is None:
        return beat
    word = "halt_not_stored" if why else "halt_being_stored"
    text = f"the halt is not stored on its host: {why}" if why else "its host is storing the halt"
    return replace(beat, notices=((word, text),))


FULL = "/x/halt.json: No space left on device"


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (None, FULL, f"the host of B ({FULL}) could not store the halt: restarted"),
        (FULL, FULL, f"the hosts of A ({FULL}) and B ({FULL}) could not"),
        (FULL, None, f"the host of A ({FULL}) could not"),
        ("", None, "the host of A (its disk has not answered yet) could not"),
    ],
)
def test_a_halt_that_a_host_did_not_store_is_not_called_kept(
    a: str | None, b: str | None, says: str
) -> None:
    """It holds, in memory and in Redis; a restart beside an empty Redis would forget it."""
    command, halt = halting()
    command.post(Written(100.0))
    beats = {
        "ready_a": replace(unstored(READY_A, a), halts=(halt,)),
        "ready_b": replace(unstored(READY_B, b), halts=(halt,)),
    }
    if "" in (a, b):  # it is at it
        command.look(told(**beats), 100.5)
        assert command.new == (Look(decisions.HALT_EVERY_S),)
    command.look(told(**beats), 110.0)
    assert command.end.code == 5
    assert command.end.text.startswith("Halted, but ")
    assert says in command.end.text
    assert "tried again every second" in command.end.text


def test_a_halt_that_is_being_stored_is_waited_for() -> None:
    """The heartbeat shows it before the disk has it."""
    command, halt = halting()
    command.post(Written(100.0))
    at_it, kept = (unstored(replace(READY_B, halts=(halt,)), why) for why in ("", None))
    command.look(told(ready_a=replace(READY_A, halts=(halt,)), ready_b=at_it), 100.5)
    assert command.new == (Look(decisions.HALT_EVERY_S),)
    command.look(told(ready_a=replace(READY_A, halts=(halt,)), ready_b=kept), 101.0)
    assert command.end.code == 0


# --- the heartbeats of another pair


def beside(**changes: Any) -> Report:
    """The heartbeats of both sides are those of other accounts, but for what is named."""
    other = {"a_account_index": 33, "b_account_index": 44}
    found = {
        "ready_a": None,
        "ready_b": None,
        "other_a": replace(READY_A, **other),
        "other_b": replace(READY_B, **other),
    }
    return told(**{**found, **changes})


def of_version_1(**changes: Any) -> Report:
    """Either side of the version before, but for what is named."""
    return told(**{"ready_a": None, "ready_b": None, "version_a": 1, "version_b": 1, **changes})


OLDER = {
    "both": of_version_1(),
    "A": of_version_1(ready_b=READY_B, version_b=None),
    "B": of_version_1(ready_a=READY_A, version_a=None),
    "halted": of_version_1(halt=HALT),
}


@pytest.mark.parametrize("report", OLDER.values(), ids=OLDER)
@pytest.mark.parametrize("name", ["resume", "resume --force", "flatten", "--force"])
def test_a_side_of_another_version_ends_a_command_unsent(name: str, report: Report) -> None:
    """It would not obey it, and the other one alone is not the pair."""
    command = resume(force="force" in name) if "resume" in name else flatten(force="force" in name)
    command.look(report)
    assert command.new == (End(5, f"Nothing was sent. {report.headline}"),)


@pytest.mark.parametrize("report", OLDER.values(), ids=OLDER)
def test_a_side_of_another_version_is_named_with_the_way_out(report: Report) -> None:
    """Never as one that does not run, or that is frozen and could be killed."""
    assert "which writes messages of version 1; this one reads version 2." in report.headline
    assert report.headline.endswith("stop A, upgrade B, upgrade A (README, Upgrading).")
    assert "Not running" not in report.headline
    assert not any(view.is_silent for view in (report.a, report.b))
    assert report.judgement.is_neutral is None


BESIDE = {
    "both": beside(),
    "A": beside(ready_b=READY_B, other_b=None),
    "B": beside(ready_a=READY_A, other_a=None),
    "halted": beside(halt=HALT),
}


@pytest.mark.parametrize("report", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("name", ["resume", "resume --force", "halt", "flatten", "--force"])
def test_another_pairs_heartbeats_end_a_command_unsent(name: str, report: Report) -> None:
    """They would obey what is theirs, and a halt in Redis names no accounts."""
    match name:
        case "resume" | "resume --force":
            command = resume(force="force" in name)
        case "halt":
            command = Command(*decisions.begin_halt("op-1", 7, ""))
        case _:
            command = flatten(force="force" in name)
    command.look(report)
    assert command.new == (End(5, f"Nothing was sent. {report.headline}"),)
    assert report.headline.startswith("UNKNOWN: ")
    assert "accounts 33 (A) and 44 (B) of chain 304" in report.headline
    assert "names accounts 11 (A) and 22 (B)" in report.headline
    assert "`pair:`" in report.headline
    assert not report.halts


def test_another_pair_that_comes_before_the_answer_is_seen() -> None:
    """A yes to what was shown is none to what stands there by then."""
    command = flatten(yes=False)
    command.look(told())
    command.post(Answered(Answer.YES))
    command.look(beside())
    assert command.end.text.startswith("Nothing was sent. UNKNOWN")
    command = resume(force=True, yes=False)
    command.look(HALTED, 99.5)
    assert command.new[-1] == Ask(decisions.QUESTION)
    command.post(Answered(Answer.YES))
    command.look(beside())
    assert command.end.text.startswith("Nothing was sent. UNKNOWN")


def test_another_pair_that_comes_after_the_halt_is_named() -> None:
    """What is written is said to be; who shows it is not known."""
    command, _ = halting()
    command.post(Written(100.0))
    command.look(beside(), 101.0)
    assert command.end.code == 5
    assert command.end.text.startswith("The halt stands in Redis. UNKNOWN: ")


# --- flatten


def flatten(*, yes: bool = True, force: bool = False) -> Command:
    return Command(*decisions.begin_flatten(command_id="c1", yes=yes, force=force))


def closed(beat: Ready, word: str) -> Ready:
    return replace(acked(beat, word), position_lots=0)


def test_flatten_shows_both_positions_and_asks() -> None:
    """As the daemons state them; only a yes sends, and after looking again."""
    command = flatten(yes=False)
    command.look(told())
    assert "A +0.0100 ETH (0 s ago), B -0.0100 ETH (0 s ago)" in command.text()
    assert command.new[-1] == Ask(decisions.FLATTEN_QUESTION)
    command.post(Answered(Answer.NONE))
    assert command.end.code == 5
    command.post(Answered(Answer.YES))
    assert command.new == (Look(),)
    command.look(told(ready_b=None))
    assert command.end.code == 5
    assert "has changed meanwhile" in command.end.text


def test_flatten_waits_until_both_are_flat_and_the_pair_is_halted() -> None:
    """The command is sent once; then the pair is looked at until nothing is open."""
    command = flatten()
    command.look(told())
    assert command.new[-1] == Send("c1", "flatten", (TO_A, TO_B))
    command.post(Written(100.0))
    a, b = acked(READY_A, "closing"), acked(READY_B, "following")
    command.look(told(ready_a=a, ready_b=b), 101.0)
    assert command.new == (Look(decisions.POLL_S),)
    a = closed(READY_A, "closing")
    command.look(told(ready_a=a, ready_b=b, halt=HALT), 102.0)
    assert command.new == (Look(decisions.POLL_S),)
    b = closed(READY_B, "following")
    unproven = replace(b, proven=False)
    command.look(told(ready_a=a, ready_b=unproven, halt=HALT), 103.0)
    assert command.new == (Look(decisions.POLL_S),)
    may_fill = replace(a, unanswered=(77,))
    command.look(told(ready_a=may_fill, ready_b=b, halt=HALT), 103.5)
    assert command.new == (Look(decisions.POLL_S),)
    command.look(told(ready_a=a, ready_b=b, halt=HALT), 104.0)
    assert command.end.code == 0
    assert command.end.text.startswith("Flat: A 0.0000 ETH, B 0.0000 ETH.")


@pytest.mark.parametrize(
    ("b", "ledger", "is_done"),
    [
        ({}, LEDGER, False),
        ({}, replace(LEDGER, a_instance="of before", a_seq=8), False),
        ({}, replace(LEDGER, a_instance=None, a_seq=None, owed_lots=None), False),
        ({}, None, False),
        ({}, replace(LEDGER, a_seq=8), True),
        ({"left": True}, replace(LEDGER, a_instance=None, a_seq=None, owed_lots=None), True),
    ],
)
def test_a_heartbeat_of_b_of_before_a_s_last_trade_is_not_flat(
    b: dict[str, Any], ledger: Ledger | None, *, is_done: bool
) -> None:
    """B was flat, hedged A, and died; its heartbeat lives for seconds. A has closed meanwhile."""
    command = flatten()
    command.look(told())
    command.post(Written(100.0))
    a = replace(closed(READY_A, "closing"), seq=8)
    b_beat = replace(closed(READY_B, "following"), **b)
    command.look(told(ready_a=a, ready_b=b_beat, ledger=ledger, halt=HALT), 102.0)
    assert (command.new != (Look(decisions.POLL_S),)) is is_done
    if is_done:
        assert command.end.text.startswith("Flat: A 0.0000 ETH, B 0.0000 ETH.")


def test_a_flatten_whose_halt_is_not_stored_says_so() -> None:
    """Both are flat, and shall stay so: the halt must outlive a restart."""
    command = flatten()
    command.look(told())
    command.post(Written(100.0))
    a = replace(closed(READY_A, "closing"), seq=8)
    b, ledger = closed(READY_B, "following"), replace(LEDGER, a_seq=8)
    command.look(told(ready_a=a, ready_b=unstored(b, ""), ledger=ledger, halt=HALT), 102.0)
    assert command.new == (Look(decisions.POLL_S),)
    command.look(told(ready_a=a, ready_b=unstored(b, FULL), ledger=ledger, halt=HALT), 103.0)
    assert command.end.code == 5
    assert command.end.text.startswith(
        f"Flat: A 0.0000 ETH, B 0.0000 ETH. Halted, but the host of B ({FULL}) could not store"
    )


def test_flatten_that_does_not_end_says_what_is_left() -> None:
    """After a minute: exit code 5 and the positions."""
    command = flatten()
    command.look(told())
    command.post(Written(100.0))
    report = told(ready_a=acked(READY_A, "closing"), ready_b=acked(READY_B, "following"))
    command.look(report, 160.0)
    assert command.end == End(5, f"Not flat after 60 s: {report.headline}")


def test_flatten_names_a_daemon_that_is_silent_or_refuses() -> None:
    """Either way nothing more is to be expected of it."""
    command = flatten()
    command.look(told())
    command.post(Written(100.0))
    command.look(told(ready_a=acked(READY_A, "closing")), 110.0)
    assert command.end.text.startswith("B did not acknowledge")
    command.look(told(ready_a=acked(READY_A, "refused: B is not ready")), 101.0)
    assert command.end.code == 5
    assert "A refused: B is not ready" in command.end.text


@pytest.mark.parametrize("own", [None, "refused: B cannot follow: not ready"])
def test_a_flatten_whose_place_another_one_took_waits_for_the_same_end(own: str | None) -> None:
    """Two were typed at once: the daemons close by the later one, and both say when it is done."""

    def by_other(beat: Ready, word: str, lots: int | None = None) -> Ready:
        acks = (("old", "closing"), ("c2", word), *((("c1", own),) if own else ()))
        return replace(beat, acks=acks, position_lots=beat.position_lots if lots is None else lots)

    command = flatten()
    old = replace(READY_A, acks=(("old", "closing"),))
    command.look(told(ready_a=old))
    command.post(Written(100.0))
    a, b = by_other(READY_A, "closing once B has acknowledged it"), by_other(READY_B, "following")
    command.look(told(ready_a=a, ready_b=b), 101.0)
    assert command.new == (Print(decisions.ANOTHER_FLATTEN), Look(decisions.POLL_S))
    command.look(told(ready_a=a, ready_b=b), 130.0)
    assert command.new == (Look(decisions.POLL_S),)
    a, b = by_other(READY_A, "closing", 0), by_other(READY_B, "following", 0)
    command.look(told(ready_a=a, ready_b=b, halt=HALT), 131.0)
    assert command.end.code == 0


def test_a_flatten_of_before_is_no_other_one() -> None:
    """Its acknowledgements were shown when this one was sent: nothing is on its way."""
    old = (("old", "closing"),)
    command = flatten()
    command.look(told(ready_a=replace(READY_A, acks=old), ready_b=replace(READY_B, acks=old)))
    command.post(Written(100.0))
    command.look(
        told(ready_a=replace(READY_A, acks=old), ready_b=replace(READY_B, acks=old)), 110.0
    )
    assert command.end.code == 5
    assert command.end.text.startswith("A and B did not acknowledge")


B_STOPPED = replace(READY_B, ready=False, state="halted", reasons=("halted: drift",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ready_b": None}, "B has no heartbeat"),
        ({"ready_b": B_STOPPED}, "it trades nothing until a person has looked"),
        (
            {"ready_b": B_STOPPED},
            '--reason "…"`, by which B covers A first, and at once `./hedgectl f',
        ),
        ({"ready_a": None}, "only A closes"),
        ({"ready_a": None, "ready_b": None}, "Start what does not run"),
    ],
)
def test_flatten_is_refused_where_one_side_cannot_act(
    changes: dict[str, object], words: str
) -> None:
    """A hedged pair must not be made naked by the command that shall make it flat."""
    command = flatten()
    command.look(told(**changes))
    assert command.end.code == 5
    assert words in command.end.text


def test_a_halt_does_not_refuse_a_flatten() -> None:
    """The order itself is the leave to close."""
    command = flatten()
    command.look(HALTED)
    assert isinstance(command.new[-1], Send)


@pytest.mark.parametrize(
    ("changes", "to", "closes", "end"),
    [
        ({"ready_b": None}, TO_A, "A alone closes its position. B stays open", "A is flat."),
        ({"ready_b": B_STOPPED}, TO_A, "A alone closes its position. B stays open", "A is flat."),
        ({"ready_a": None}, TO_B, "B alone closes its position. A stays open", "B is flat."),
    ],
)
def test_force_closes_one_side_and_says_what_it_leaves_open(
    changes: dict[str, object], to: tuple[str, BeatId], closes: str, end: str
) -> None:
    """Exit code 5: the pair is not neutral then."""
    command = flatten(force=True)
    command.look(told(**changes))
    assert closes in command.text()
    assert command.new[-1] == Send("c1", "flatten", (to,), forced=True)
    command.post(Written(100.0))
    beats = {"a": closed(READY_A, "closing"), "b": closed(READY_B, "closing")}
    command.look(told(**{"ready_a": None, "ready_b": None, f"ready_{to[0]}": beats[to[0]]}))
    assert command.end.code == 5
    assert command.end.text.startswith(end)


def test_flatten_without_a_undoes_what_was_published_by_hand() -> None:
    """B closes that, and it is over once B is ready again."""
    command = flatten()
    command.look(told(ready_a=None, ledger=replace(LEDGER, manual_lots=-100)))
    assert command.new[-1] == Send("c1", "flatten", (TO_B,))
    command.post(Written(100.0))
    ready_b = replace(acked(READY_B, "following"), position_lots=-100)
    command.look(told(ready_a=None, ready_b=ready_b), 101.0)
    assert command.end.code == 0
    assert "published by hand is undone: B -0.0100 ETH" in command.end.text


# --- status


def asking() -> Command:
    """A `status` whose ping is written at 100 s."""
    command = Command(*decisions.begin_status("c1"))
    assert command.new == (Send("c1", "ping", ()),)
    command.post(Written(100.0))
    assert command.new == (Look(ping_id="c1"),)
    return command


PONG_A, PONG_B = acked(READY_A, "pong"), acked(READY_B, "pong")


def test_status_waits_for_the_answer_of_both() -> None:
    """A side without a heartbeat, or one that has left, is not waited for."""
    command = asking()
    command.look(answered(ready_b=PONG_B), 100.0)
    assert command.new == (Look(decisions.POLL_S, "c1"),)
    report = answered(ready_a=PONG_A, ready_b=PONG_B)
    command.look(report, 100.2)
    assert command.end == End(0, report.headline)
    assert isinstance(command.work, decisions.Asking)
    assert command.work.inquiry.report is report
    for away in (None, replace(READY_A, left=True)):
        command = asking()
        command.look(answered(ready_a=away, ready_b=PONG_B), 100.0)
        assert command.end.code == 5


def test_what_is_open_between_two_heartbeats_is_looked_at_again() -> None:
    """They are of different moments; what is still open after 2.5 s is said."""
    open_ = answered(ready_a=PONG_A, ready_b=replace(PONG_B, position_lots=0))
    command = asking()
    command.look(open_, 100.0)
    assert command.new == (Look(decisions.POLL_S, "c1"),)
    command.look(answered(ready_a=PONG_A, ready_b=PONG_B), 101.0)
    assert command.end.code == 0
    command = asking()
    command.look(open_, 100.0)
    command.look(open_, 102.5)
    assert command.end.text.startswith("NOT COVERED: ")
    command = asking()
    by_hand = replace(LEDGER, manual_lots=5)
    command.look(answered(ready_a=PONG_A, ready_b=PONG_B, ledger=by_hand), 100.0)
    assert command.end.code == 5


def test_status_pings_again_each_second_and_gives_up_after_four_and_a_half() -> None:
    """Another command may have taken the place of the ping; a deaf daemon stays unknown."""
    command = asking()
    deaf = answered(ready_b=PONG_B)
    command.look(deaf, 101.0)
    assert command.new == (Send("c1", "ping", ()),)
    command.post(Written(101.0))
    command.look(deaf, 101.9)
    assert command.new == (Look(decisions.POLL_S, "c1"),)
    command.look(deaf, 104.5)
    assert command.end.code == 5
    assert command.end.text.startswith("UNKNOWN: ")
