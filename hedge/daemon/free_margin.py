"""What our account has available, by whoever said it last: a frame of the stream, or REST.

A frame may come without the number (seen at hummingbot, pull request 8223): then it has changed,
and by how much nobody has said. It is unknown until an answer asked for after that says it. Where
frames go on like that the newest answer counts, but not past a trade of our own, nor for long.
"""

ASK_EVERY_MS = 5000
"""Between two questions while the newest answer counts."""
ASK_AGAIN_MS = 1000
"""Between two questions while nothing is known."""
COUNTS_MS = 20_000
"""So long an answer counts where frames since then lack the number."""


class FreeMargin:
    """The newest number in micros of the quote asset; times are monotonic ms."""

    def __init__(self, lag_ms: int) -> None:
        """Know nothing yet. `lag_ms` is by how much REST is believed to lag (`view_lag_s`)."""
        self._lag_ms = lag_ms
        self._micros: int | None = None
        self._framed_ms: int | None = None
        self._lacking_ms: int | None = None
        """When the newest frame without the number came, while none with it has followed."""
        self._asked_ms: int | None = None
        self._answer_ms: int | None = None
        """When the answer that counts was asked for; None: a frame said it."""

    def told(self, micros: int | None, now_ms: int) -> None:
        """Take what a frame says; None: it lacks the number, or has one that cannot be read."""
        if micros is not None:
            self._micros, self._framed_ms = micros, now_ms
            self._lacking_ms = self._answer_ms = None
            return
        self._lacking_ms = now_ms
        if self._answer_ms is None:
            self._micros = self._framed_ms = None

    def traded(self) -> None:
        """Forget an answer that cannot know of a trade of our own, where no frame will say it."""
        if self._lacking_ms is not None:
            self._micros = self._answer_ms = None

    def answered(self, micros: int, asked_ms: int) -> None:
        """Take what an answer says, unless a frame has spoken since it may be of.

        A frame that was lost would else leave us with a margin of long ago.
        """
        if self._framed_ms is not None and self._framed_ms >= asked_ms - self._lag_ms:
            return
        if self._micros is None and self._lacking_ms is not None and asked_ms < self._lacking_ms:
            return
        self._micros, self._answer_ms = micros, asked_ms

    def micros(self, now_ms: int) -> int | None:
        """Return what is available, None while that is not known."""
        if self._lacking_ms is None or self._answer_ms is None:
            return self._micros
        return self._micros if now_ms < self._answer_ms + COUNTS_MS else None

    @property
    def is_open(self) -> bool:
        """Whether the newest frame lacks the number: what was said before it decides nothing."""
        return self._lacking_ms is not None

    def asks(self, now_ms: int) -> bool:
        """Whether to ask REST now; it is taken as asked then."""
        if self._lacking_ms is None:
            return False
        if self._answer_ms is not None and self._answer_ms >= self._lacking_ms:
            return False
        is_known = self.micros(now_ms) is not None
        pause_ms = ASK_EVERY_MS if is_known else ASK_AGAIN_MS
        if self._asked_ms is not None and now_ms < self._asked_ms + pause_ms:
            return False
        self._asked_ms = now_ms
        return True
