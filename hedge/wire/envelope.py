"""What every value of a daemon bears beside its own fields: whose it is, and how fresh.

`pair`, `epoch`, `n` and `echo`. An epoch names one leadership of one side: 16 hexadecimal digits,
random at each start and at each taking of the lease. `n` rises by one per name and epoch. `echo`
holds the beat of each side that the writer read last, so that its reader can tell that the value
was written after a beat of its own. A value without an epoch was published by hand.
"""

from dataclasses import dataclass

from hedge.core.freshness import BeatId
from hedge.wire.codec import Fields


@dataclass(frozen=True, slots=True)
class Envelope:
    """Origin of a value; an echo is None where no beat of that side was ever read."""

    pair: str
    epoch: str
    n: int
    echo_a: BeatId | None = None
    echo_b: BeatId | None = None

    def values(self) -> dict[str, object]:
        """Return the fields as they stand on the wire."""
        echo = {
            side: [beat.epoch, beat.number]
            for side, beat in (("a", self.echo_a), ("b", self.echo_b))
            if beat is not None
        }
        return {"pair": self.pair, "epoch": self.epoch, "n": self.n, "echo": echo}

    def echo(self, side: str) -> BeatId | None:
        """Return the beat of side "a" or "b" that the writer had read last."""
        return self.echo_a if side == "a" else self.echo_b

    @classmethod
    def read(cls, fields: Fields, pair: str | None) -> "Envelope | None":
        """Judge and read the envelope; None where there is no epoch.

        `pair`: the name that it must bear, None for any. Raises MessageRefusedError.
        """
        if not fields.has("epoch"):
            return None
        echo = fields.echo("echo")
        return cls(
            pair=fields.pair("pair", pair),
            epoch=fields.epoch("epoch"),
            n=fields.integer("n"),
            echo_a=_beat(echo.get("a")),
            echo_b=_beat(echo.get("b")),
        )


def _beat(found: tuple[str, int] | None) -> BeatId | None:
    return None if found is None else BeatId(*found)
