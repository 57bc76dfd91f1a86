"""What one round of A took: from a fill's frame over B's coverage to the next order."""

import itertools

from hedge.daemon.logs import Log
from hedge.exchange.outcome import Accepted, Outcome


class Rounds:
    """Monotonic ns of the stages of the round that is on its way.

    Stages: `frame` of the first fill that was not covered, `published` of the newest one,
    `covered` as A sees it, and the next order's `ordered`. All by A's own clock.
    """

    def __init__(self, log: Log) -> None:
        """Wait for the first fill."""
        self._log = log
        self.seq = 0
        self.stamps: dict[str, int] = {}

    def filled(self, seq: int, frame_ns: int, published_ns: int) -> None:
        """Note a fill and its publication."""
        self.seq = seq
        self.stamps.setdefault("frame", frame_ns)
        self.stamps["published"] = published_ns
        self.stamps.pop("covered", None)

    def covered(self, at_ns: int) -> None:
        """Note that B has covered everything."""
        if self.stamps:
            self.stamps["covered"] = at_ns

    def placed(self, result: Outcome) -> None:
        """End the round with the answer to the next order, and log what it took."""
        if isinstance(result, Accepted) and result.sent_ns:
            took = self.ordered(result.sent_ns)
            if took:
                self._log.info("round", **took)

    def ordered(self, sent_ns: int) -> dict[str, object]:
        """End the round with the next order; return the log line's fields, {} without a round."""
        stamps, self.stamps = self.stamps, {}
        if "covered" not in stamps:
            return {}
        stamps["ordered"] = sent_ns
        stages = ("frame", "published", "covered", "ordered")
        spans = itertools.pairwise(stages)
        return {
            "seq": self.seq,
            **{
                f"{was}_to_{now}_ms": f"{(stamps[now] - stamps[was]) / 1e6:.2f}"
                for was, now in spans
            },
            "ordered_ns": sent_ns,
        }
