"""How fresh the other side's values are: beats, and who has heard which.

Two clocks on two hosts cannot be compared, and whatever stands in Redis may be yesterday's. So
each side numbers its heartbeats within an epoch, and everything that it writes echoes the newest
beat of the other side that it has read. A value is fresh while it echoes a beat that this process
sent within the last `FRESH_MS`: then it was written after that beat, by a process that hears us.
"""

import enum
from dataclasses import dataclass
from typing import Protocol

FRESH_MS = 8000
"""How long after one of our beats a value that echoes it counts."""

HEARD_MS = 10_000
"""Our own book is evidence while our private stream was heard within this time."""

ANSWERING_MS = 8000
"""So long after the newest frame of our private stream the exchange counts as answering.

After 5 silent seconds a ping goes out; one that is unanswered for 3 more tells of a dead link.
"""

MISHEARD_MS = 5000
"""After so long of fresh beats that count another epoch of ours, a new one is taken."""

CLOCKS_APART_MS = 2000
"""So far two hosts may be apart in what they know of the exchange's clock."""

_KEPT_BEATS = 64
_KEPT_EPOCHS = 256


class Stale(enum.Enum):
    """Why a value is not fresh; the value is the word by which it is counted."""

    EPOCH = "other_epoch"
    """Its writer's epoch is not the one of the other side that counts."""
    COUNTER = "counter_back"
    """A later value of this epoch was read under its name before."""
    AGE = "not_fresh"
    """It echoes no heartbeat that we sent within the last `FRESH_MS`."""

    @property
    def text(self) -> str:
        """Say it in a few words."""
        return _STALE[self]


_STALE = {
    Stale.EPOCH: "its epoch is not the one of the other side that counts",
    Stale.COUNTER: "a later one of its epoch was read before",
    Stale.AGE: "it answers none of our newest heartbeats",
}


@dataclass(frozen=True, slots=True)
class BeatId:
    """One heartbeat of one side: its epoch, and its number within that."""

    epoch: str
    number: int


def slack_ms(view_lag_ms: int) -> int:
    """Return what is left for clocks that are apart, where REST is believed to lag so long."""
    return min(CLOCKS_APART_MS, view_lag_ms // 7)


class Origin(Protocol):
    """What a value says of its own origin."""

    @property
    def epoch(self) -> str:
        """Return the epoch of its writer."""

    @property
    def n(self) -> int:
        """Return its number within the epoch and its name."""

    def echo(self, side: str) -> BeatId | None:
        """Return the beat of side "a" or "b" that its writer had read last."""


class Freshness:
    """What one process has sent and heard; `side` "a" or "b" is its own. Times are ms.

    A new epoch of the other side counts only by a beat that echoes one that we sent after we last
    took a beat of the epoch before; one that was replaced never counts again. Once it was read no
    heartbeat of the epoch before counts that may be older. A number never goes back. What a value
    forbids needs no freshness; what it allows is asked at every use.
    """

    def __init__(self, side: str, epoch: str, beat_name: str = "") -> None:
        """Begin an epoch of 16 hexadecimal digits; nothing is sent, nothing heard.

        `beat_name` is the name under which the other side's heartbeats stand.
        """
        self.side = side
        self.other = "b" if side == "a" else "a"
        self.beat_name = beat_name
        self.epoch = epoch
        self.number = 0
        self.heard: str | None = None
        self._sent_ms: dict[int, int] = {}
        self._read: dict[str, BeatId] = {}
        self._replaced: dict[str, None] = {}
        self._accepted_ms: int | None = None
        self._accepted = 0
        self._doubted = 0
        """Our beat at which another epoch of the other side was read that does not count yet."""
        self._highest: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._misheard_ms: int | None = None

    # --- what we send

    def renew(self, epoch: str) -> None:
        """Begin another epoch: what was heard in the former one is fresh no more."""
        self.epoch, self.number, self._misheard_ms = epoch, 0, None
        self._doubted = 0
        self._sent_ms.clear()
        self._numbers.clear()

    def beats(self, now_ms: int) -> int:
        """Number the heartbeat that is about to be sent."""
        self.number += 1
        self._sent_ms[self.number] = now_ms
        self._sent_ms.pop(self.number - _KEPT_BEATS, None)
        return self.number

    def next_n(self, name: str) -> int:
        """Number a value that is about to be written under a name."""
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]

    def echo(self, side: str) -> BeatId | None:
        """Return the beat of a side that was read last, counted or not."""
        return self._read.get(side)

    def was_sent_within(self, beat: BeatId, life_ms: int, now_ms: int) -> bool:
        """Whether a beat is one of this epoch that we sent at most so long ago."""
        sent_ms = self._sent_ms.get(beat.number) if beat.epoch == self.epoch else None
        return sent_ms is not None and now_ms <= sent_ms + life_ms

    def forget_sent(self) -> None:
        """Let nothing be fresh until it echoes a later beat: the clock may have stood still."""
        self._sent_ms.clear()

    # --- what we hear

    def hear(self, side: str, beat: BeatId, origin: Origin, now_ms: int) -> bool:
        """Take the beat that stands under a side's key; whether a new epoch begins to count."""
        self._read[side] = beat
        if side != self.other or beat.epoch in self._replaced:
            return False
        echoed_ms = self._echoed_ms(origin)
        if beat.epoch == self.heard:
            if echoed_ms is not None and beat.number > self._accepted:
                self._accepted_ms, self._accepted = now_ms, beat.number
            return False
        self._doubted = self.number
        if echoed_ms is None or now_ms > echoed_ms + FRESH_MS:
            return False
        if self._accepted_ms is not None and echoed_ms < self._accepted_ms:
            return False
        if self.heard is not None:
            self._replaced[self.heard] = None
            for old in list(self._replaced)[:-_KEPT_EPOCHS]:
                del self._replaced[old]
        self.heard, self._accepted_ms, self._accepted = beat.epoch, now_ms, beat.number
        self._doubted = 0
        self._highest.clear()
        return True

    def is_misheard(self, heard: str | None, origin: Origin, now_ms: int) -> bool:
        """Whether the other side's fresh beats have counted another epoch of ours for too long."""
        if heard is None or heard == self.epoch or self._fresh_until(origin, now_ms) is None:
            self._misheard_ms = None
            return False
        if self._misheard_ms is None:
            self._misheard_ms = now_ms
        return now_ms >= self._misheard_ms + MISHEARD_MS

    def fresh_until(self, name: str, origin: Origin | None, now_ms: int) -> int | None:
        """Return until when (ms) a value under a name is fresh; None: it is not, or never was."""
        if origin is None or self.stale(name, origin, now_ms) is not None:
            return None
        self._highest[name] = origin.n
        return self._fresh_until(origin, now_ms)

    def stale(self, name: str, origin: Origin, now_ms: int) -> Stale | None:
        """Return why a value under a name is not fresh, None where it is."""
        if not self._counts(origin) or (name == self.beat_name and self._is_doubted(origin)):
            return Stale.EPOCH
        if self._is_back(name, origin):
            return Stale.COUNTER
        return Stale.AGE if self._fresh_until(origin, now_ms) is None else None

    def _counts(self, origin: Origin) -> bool:
        return origin.epoch == self.heard

    def _is_doubted(self, origin: Origin) -> bool:
        """Whether a heartbeat was perhaps written before that of an epoch that does not count yet.

        What that forbids binds at once: no older one may release it.
        """
        beat = origin.echo(self.side)
        return beat is not None and beat.number <= self._doubted

    def _is_back(self, name: str, origin: Origin) -> bool:
        return origin.n < self._highest.get(name, 0)

    def answers(self, origin: Origin | None, number: int) -> bool:
        """Whether a value was written after our beat of this number, or a later one, was read."""
        beat = None if origin is None else origin.echo(self.side)
        return beat is not None and beat.epoch == self.epoch and beat.number >= number

    def _fresh_until(self, origin: Origin, now_ms: int) -> int | None:
        sent_ms = self._echoed_ms(origin)
        return None if sent_ms is None or now_ms > sent_ms + FRESH_MS else sent_ms + FRESH_MS

    def _echoed_ms(self, origin: Origin) -> int | None:
        """Return when we sent the beat that a value echoes, None where it echoes none of ours."""
        beat = origin.echo(self.side)
        return None if beat is None or beat.epoch != self.epoch else self._sent_ms.get(beat.number)
