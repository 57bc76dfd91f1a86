"""A command is obeyed once, by the process whose heartbeat it answers, within five seconds."""

from dataclasses import replace

import pytest

from hedge.core.freshness import BeatId, Stale
from hedge.daemon.command_inbox import PONG, VOID, CommandInbox
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.refusals import Refusals
from hedge.wire.control import FLATTEN, PING, Command
from tests.report_kit import READY_A
from tests.unit.shell.fakes import Bench, Calls


class Inbox:
    """An inbox with the heartbeats that it sent; what it obeyed is in `obeyed`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.origin = OriginKeeper(bench.parts, bench.side)
        self.obeyed: list[str] = []
        self.refusals = Refusals(bench.parts, Calls())
        self.inbox = CommandInbox(bench.parts, bench.side, self.origin, self._obey, self.refusals)
        self.beat()

    def _obey(self, command: Command) -> str:
        self.obeyed.append(command.command)
        return f"did {len(self.obeyed)}"

    def beat(self) -> None:
        self.beat_number = self.origin.stamped_beat(READY_A).beat

    def command(self, **changes: object) -> Command:
        to = ((self.bench.side, BeatId(self.origin.epoch, self.beat_number)),)
        plain = Command(id="c1", command=FLATTEN, timestamp=1, to=to)
        return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def inbox(bench: Bench) -> Inbox:
    return Inbox(bench)


def test_a_command_is_done_once_and_acknowledged(inbox: Inbox) -> None:
    """However often it is read, its outcome is that of the one time."""
    assert inbox.inbox.take(inbox.command())
    assert not inbox.inbox.take(inbox.command())
    assert inbox.obeyed == [FLATTEN]
    assert inbox.inbox.acks == (("c1", "did 1"),)
    assert not inbox.inbox.take(None)


def test_a_command_is_void_five_seconds_after_the_heartbeat(inbox: Inbox) -> None:
    """Yesterday's order to close, or one that lay in a frozen Redis, closes nothing."""
    late = inbox.command(id="late")
    inbox.bench.clock.advance_ms(5000)
    assert inbox.inbox.take(inbox.command())
    inbox.bench.clock.advance_ms(1)
    assert inbox.inbox.take(late)
    assert dict(inbox.inbox.acks)["late"] == VOID
    inbox.beat()
    assert not inbox.inbox.take(late)
    assert inbox.obeyed == [FLATTEN]
    assert dict(inbox.refusals.counts) == {Stale.AGE.value: 1}


@pytest.mark.parametrize("to", [(), (("a", BeatId("0" * 16, 1)),), (("b", BeatId("0" * 16, 1)),)])
def test_a_command_for_another_process_is_left_alone(
    inbox: Inbox, to: tuple[tuple[str, BeatId], ...]
) -> None:
    """The other side's, an earlier process's, or nobody's: neither obeyed nor acknowledged."""
    assert not inbox.inbox.take(inbox.command(to=to))
    assert (inbox.obeyed, inbox.inbox.acks) == ([], ())


def test_a_new_epoch_obeys_no_command_of_the_former_one(inbox: Inbox) -> None:
    """Also of the same process: it has taken its lease again since."""
    command = inbox.command()
    inbox.origin.renew()
    inbox.beat()
    for _ in range(3):  # it is read every second
        assert not inbox.inbox.take(command)
    assert dict(inbox.refusals.counts) == {Stale.EPOCH.value: 1}


def test_a_ping_is_answered_without_an_address(inbox: Inbox) -> None:
    """It asks nothing but that the process speaks; nothing is obeyed."""
    assert inbox.inbox.take(Command(id="p", command=PING, timestamp=1))
    assert (inbox.obeyed, inbox.inbox.acks) == ([], (("p", PONG),))


def test_acknowledgements_end_after_a_minute_and_are_few(inbox: Inbox) -> None:
    """The newest eight, for as long as someone may look for them."""
    for number in range(9):
        inbox.inbox.take(Command(id=f"p{number}", command=PING, timestamp=1))
    assert [name for name, _ in inbox.inbox.acks] == [f"p{number}" for number in range(1, 9)]
    inbox.bench.clock.advance_ms(60_001)
    assert inbox.inbox.acks == ()
