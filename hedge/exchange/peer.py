"""The other side's account as everybody sees it: public streams and queries, no key needed.

B watches A this way when A or Redis is dead; A looks at B's position before it reduces alone.
`hedge/exchange/lighter/peer.py` is the only real implementation; a simulator implements the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hedge.core.hedger.watch import Recent
from hedge.core.records import Trade


@dataclass(frozen=True, slots=True)
class PeerUp:
    """The public stream is there; what happened before is not in it."""


ENDED = "ended"
"""The reason of a stream that we end ourselves."""


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The public stream is lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerShown:
    """Trades of the peer's account in our market, or its position in lots (None: not shown)."""

    trades: tuple[Trade, ...]
    position_lots: int | None
    received_ns: int


PeerEvent = PeerUp | PeerDown | PeerShown
PeerHandler = Callable[[PeerEvent], None]


@dataclass(frozen=True, slots=True)
class PeerStated:
    """One public answer of the account query: the position in our market (lots), open orders.

    `open_orders` is None where the answer does not tell.
    """

    position_lots: int
    open_orders: int | None


class PeerVenue(Protocol):
    """The peer's account in our market. Queries raise VenueError where they give no answer."""

    async def run(self, handler: PeerHandler) -> None:
        """Watch until cancelled; call `handler` for every event, in order."""

    async def recent(self) -> Recent:
        """Return one public answer of the market's newest trades, with the peer's legs."""

    async def stated(self) -> PeerStated:
        """Return what one public answer of the account query states of the peer."""

    async def position_lots(self) -> int:
        """Return the peer's position as one public answer of the account query states it."""
