"""What became of a sent transaction, as far as answers can tell."""

from dataclasses import dataclass, field

from hedge.exchange.port import SignedTx


@dataclass(frozen=True, slots=True)
class Accepted:
    """Queued. Executed or not is told by the streams; `predicted_ms` is the venue's epoch ms.

    `sent_ns` is when the bytes left (monotonic ns), 0 where that was not noted.
    """

    tx: SignedTx
    copies: int
    predicted_ms: int | None
    sent_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Proven not executed and its nonce not used: the answer to the sole copy ever sent."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """May have executed, may still execute; only a fence tells.

    `copies` is how many copies were handed over, `code` the venue's code where there was one.
    """

    reason: str
    tx: SignedTx | None
    copies: int = 0
    code: int | None = None


Outcome = Accepted | Rejected | Unknown
