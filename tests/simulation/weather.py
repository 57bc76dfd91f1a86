"""How bad the ways of one host are: to the exchange, and to Redis.

Chances are per transaction, read, frame, call or message.
"""

from dataclasses import dataclass
from random import Random

VIEW_LAG_S = 15.0
"""The most that an answer is believed to lag."""


@dataclass
class VenueWeather:
    """All zero is a good day."""

    cut: bool = False
    latency_s: float = 0.02
    # transactions
    lose_request: float = 0.0
    lose_answer: float = 0.0
    hold_copy: float = 0.0
    hold_s: float = 20.0
    refuse_load: float = 0.0
    refuse_small: float = 0.0
    """Whether the venue refuses immediate orders below its minimums (which leaves dust)."""
    refuse_margin: float = 0.0
    """Chance that it finds the margin of an order too small."""
    refuse_markers: float = 0.0
    """Whether it refuses a fence's marker."""
    cancel_accepted: float = 0.0
    drop_accepted: float = 0.0
    hand_back: float = 0.0
    fail_cancel_all: bool = False
    """Whether the sequencer's failures reach a cancel-all too."""
    # reads
    fail_read: float = 0.0
    stale_read: float = 0.0
    stale_s: float = 5.0
    stick_read: float = 0.0
    """Chance that a read meets a replica that stands still: all reads of a while meet it too."""
    stick_s: float = 12.0
    # frames
    drop_frame: float = 0.0
    repeat_frame: float = 0.0
    delay_frame: float = 0.0
    delay_s: float = 3.0
    lose_stream: float = 0.0
    mute_peer: float = 0.0
    """Chance that a public frame of the other account is lost on a live socket."""

    # frames that are not true: chance per frame
    lie_own_trade: float = 0.0
    lie_own_row: float = 0.0
    lie_peer_trade: float = 0.0
    lie_peer_position: float = 0.0

    def __post_init__(self) -> None:
        """Start with every replica alive."""
        self._stuck = (0, 0)

    def clear(self) -> None:
        """End all faults; the latency stays."""
        latency_s = self.latency_s
        self.__init__(latency_s=latency_s)  # type: ignore[misc]

    @property
    def lies(self) -> float:
        """More than 0 where any frame may be bent."""
        return self.lie_own_trade + self.lie_own_row + self.lie_peer_trade + self.lie_peer_position

    def lie_about(self, channel: str, *, is_public: bool) -> tuple[str, float]:
        """Return the kind of lie that frames of a channel may be, and its chance."""
        if channel == "trades":
            if is_public:
                return "public trade lies", self.lie_peer_trade
            return "own trade lies", self.lie_own_trade
        return {
            "rows": ("own row lies", self.lie_own_row),
            "position": ("public position lies", self.lie_peer_position),
        }.get(channel, ("", 0.0))

    def stuck_ms(self, now_ms: int, dice: Random) -> int | None:
        """Return the moment at which the replica that a read meets stands still, if it does."""
        at_ms, until_ms = self._stuck
        if now_ms < until_ms:
            return at_ms
        if not self.stick_read or dice.random() >= self.stick_read:
            return None
        at_ms = now_ms - round(dice.uniform(0, 1000))
        self._stuck = at_ms, now_ms + round(dice.uniform(0.5, self.stick_s) * 1000)
        return at_ms


@dataclass
class RedisWeather:
    """How bad the way to Redis is for one host; chances are per call or per message."""

    cut: bool = False
    lose_request: float = 0.0
    lose_answer: float = 0.0
    late_write: float = 0.0
    lose_message: float = 0.0
    repeat_message: float = 0.0
    delay_message: float = 0.0
    latency_s: float = 0.002
