"""What a side says: one line in the log, and an event for what others should see."""

import enum

import pytest

from hedge.daemon.event_log import Voice
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from tests.unit.shell.fakes import Bench, running
from tests.waiting import eventually


class Phase(enum.Enum):
    """Two phases of something."""

    IDLE = "idle"
    HALTED = "halted"


class Happened:
    """An event whose class names what happened."""


class Speaker:
    """A Voice with its outbox."""

    def __init__(self, bench: Bench) -> None:
        self.bus = bench.bus
        self.outbox = Outbox(bench.parts)
        self.voice = Voice(
            bench.parts, "b", self.outbox, OriginKeeper(bench.parts, "b"), lambda: "idle"
        )

    async def events(self, count: int) -> list[tuple[str, str, str]]:
        """Return what was published, once that is so many events."""
        async with running(self.outbox.run()):
            await eventually(lambda: len(self.bus.events) >= count)
        return [(event.event, event.reason, event.detail) for event in self.bus.events]


@pytest.fixture
def speaker(bench: Bench) -> Speaker:
    return Speaker(bench)


async def test_an_event_says_who_and_in_which_state(speaker: Speaker, bench: Bench) -> None:
    """Side, state and time stand beside event, reason and detail."""
    speaker.voice.say("halted", "flatten", "asked for")
    assert await speaker.events(1) == [("halted", "flatten", "asked for")]
    [event] = speaker.bus.events
    assert (event.side, event.state) == ("b", "idle")
    assert event.timestamp == bench.clock.epoch_ms() // 1000


async def test_only_a_loud_note_becomes_an_event(
    speaker: Speaker, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are in the log; the loud one is a warning there."""
    caplog.set_level("INFO")
    speaker.voice.note("quiet", "nothing much", loud=False)
    speaker.voice.note("loud", "look at this", loud=True)
    assert await speaker.events(1) == [("loud", "loud", "look at this")]
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


async def test_moves_are_published_when_their_effects_are_done(speaker: Speaker) -> None:
    """A change of phase never goes out before what it set off, and goes out once."""
    speaker.voice.moved(Phase.IDLE, Phase.HALTED, Happened())
    speaker.voice.say("halted", "why", "detail")
    speaker.voice.say_moves()
    speaker.voice.say_moves()
    assert await speaker.events(2) == [
        ("halted", "why", "detail"),
        ("state", "Happened", "idle -> halted"),
    ]
