"""Whether Redis does what is needed of it: each need has a clock of its own.

That Redis answers says little: it may serve reads and refuse writes (full, read-only, a disk that
cannot be written), take some keys and not others, or leave the subscription dead.
"""

import enum

from hedge.errors import RedisUnreachableError
from hedge.exchange.port import Clock


class Need(enum.Enum):
    """What is asked of Redis all the time; the value says in words that it fails."""

    READS = "the state in Redis cannot be read"
    STATE = "our own state is not written to Redis"
    MESSAGES = "our messages are not taken by Redis"


class RedisHealth:
    """Knows of each need when it was last met, and why it has not been since.

    A need is unmet for good once it has failed without a success for `down_s`; before that it
    counts as met, so that one lost round trip stops nothing.
    """

    def __init__(self, clock: Clock, down_s: float) -> None:
        """Take every need for met now."""
        self._clock = clock
        self._down_ms = round(down_s * 1000)
        self._met_ms = dict.fromkeys(Need, clock.now_ms())
        self._errors: dict[Need, RedisUnreachableError] = {}

    def met(self, need: Need) -> None:
        """Note that a turn of this need is done."""
        self._met_ms[need] = self._clock.now_ms()
        self._errors.pop(need, None)

    def failed(self, need: Need, error: RedisUnreachableError) -> None:
        """Note that a turn of this need has failed; of several the newest reason counts."""
        self._errors[need] = error

    def is_unmet(self, need: Need) -> bool:
        """Whether a need has failed for too long."""
        if need not in self._errors:
            return False
        return self._clock.now_ms() - self._met_ms[need] >= self._down_ms

    @property
    def why(self) -> str:
        """Why Redis counts as down, "" while it does not: the need, and the newest reason."""
        found = [need for need in Need if self.is_unmet(need)] if self._errors else []
        if not found:
            return ""
        need = found[0]
        return f"{need.value}: {self._errors[need]}"
