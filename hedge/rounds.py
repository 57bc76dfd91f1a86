"""What one round of A took: from a fill's frame over B's coverage to the next order."""

import itertools
from dataclasses import dataclass, field


@dataclass
class Rounds:
    """Monotonic ns of the stages of the round that is on its way.

    Stages: `frame` of the first fill that was not covered, `published` of the newest one,
    `covered` as A sees it, and the next order's `ordered`. All by A's own clock.
    """

    seq: int = 0
    stamps: dict[str, int] = field(default_factory=dict)

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
