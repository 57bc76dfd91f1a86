"""What this process cannot do at the moment: keep its log, keep its files, run in time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

LOG_NOT_WRITTEN = "log_not_written"
STATE_NOT_WRITTEN = "state_not_written"
LOG_NOT_ROTATED = "log_not_rotated"
LOOP_LATE = "loop_late"
_OVER = {
    LOG_NOT_WRITTEN: "log_written_again",
    STATE_NOT_WRITTEN: "state_written_again",
    LOG_NOT_ROTATED: "log_rotated_again",
}


@dataclass(frozen=True)
class Health:
    """Where a daemon asks; each answer is "", or None, where all is well.

    `measured` is the block in which the lag of the loop (ms, the worst of the last minute) is
    measured.
    """

    log: Callable[[], str] = lambda: ""
    files: Callable[[], str] = lambda: ""
    rotation: Callable[[], str] = lambda: ""
    lag_ms: Callable[[], int | None] = lambda: None
    measured: AbstractContextManager[object] = field(default_factory=nullcontext)


class HealthReport:
    """Says each thing that cannot be written once when it begins, and once when it is over."""

    def __init__(self, health: Health, say: Callable[[str, str], None]) -> None:
        """Know of none yet; `say` tells an event and its detail, aloud."""
        self._health = health
        self._say = say
        self._told: dict[str, str] = {}

    def look(self) -> None:
        """Say what has changed since the last look."""
        found = {
            LOG_NOT_WRITTEN: self._health.log(),
            STATE_NOT_WRITTEN: self._health.files(),
            LOG_NOT_ROTATED: self._health.rotation(),
        }
        problems = {word: why for word, why in found.items() if why}
        before, self._told = self._told, problems
        for word, why in problems.items():
            if word not in before:
                self._say(word, why)
        for word, why in before.items():
            if word not in problems:
                self._say(_OVER[word], f"no more: {why}")

    @property
    def lag_ms(self) -> int | None:
        """The worst lag of the last minute that was worth naming, ms; None without one."""
        return self._health.lag_ms()

    @property
    def notices(self) -> tuple[tuple[str, str], ...]:
        """What a heartbeat shows of it: a sentence by its word."""
        lag_ms = self.lag_ms
        late = f"its loop was {lag_ms} ms late within the last minute; its log names the cause"
        return (
            *((word, f"{_WORDS[word]}: {why}") for word, why in self._told.items()),
            *([] if lag_ms is None else [(LOOP_LATE, late)]),
        )


_WORDS = {
    LOG_NOT_WRITTEN: "its log cannot be written",
    STATE_NOT_WRITTEN: "its state directory cannot be written",
    LOG_NOT_ROTATED: "its full log cannot be renamed and grows on",
}
