"""How bad the ways of one host are: to the exchange, and to Redis.

Chances are per transaction, read, frame, call or message.
"""

from dataclasses import dataclass


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
    # frames
    drop_frame: float = 0.0
    repeat_frame: float = 0.0
    delay_frame: float = 0.0
    delay_s: float = 3.0
    lose_stream: float = 0.0
    mute_peer: float = 0.0
    """Chance that a public frame of the other account is lost on a live socket."""

    def clear(self) -> None:
        """End all faults; the latency stays."""
        latency_s = self.latency_s
        self.__init__(latency_s=latency_s)  # type: ignore[misc]


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
