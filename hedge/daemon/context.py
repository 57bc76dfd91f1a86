"""What a manager is made of: everything that a main opened for it."""

import enum
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hedge.bus.port import Messenger, PairScope
from hedge.config.schema import Config
from hedge.core.amounts import MarketSpec
from hedge.daemon.exchange_clock import ExchangeClock
from hedge.daemon.health import Health
from hedge.daemon.host_store import HostState
from hedge.daemon.logs import Log
from hedge.exchange.budget import RequestBudget
from hedge.exchange.peer import PeerVenue
from hedge.exchange.port import Clock, Venue
from hedge.exchange.sender import Sender
from hedge.wire.names import LeaseKey, Names, PairLeaseKey


@dataclass(frozen=True, slots=True)
class Anew:
    """What a run that starts anew in its process leaves to the next one, and no more.

    `adopts`: a person adopted the exchange's own position, whatever is stored of it. `done`: when
    (ms) commands were done, and their outcomes, by id.
    """

    adopts: bool = False
    done: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """Everything a manager works with, made by the main."""

    config: Config
    scope: PairScope
    names: Names
    lease: LeaseKey
    venue: Venue
    budget: RequestBudget
    sender: Sender
    messenger: Messenger
    clock: Clock
    host: HostState
    log: Log
    instance: str
    version: str
    leaves: bool = False  # this run only ends what an earlier one left in this market
    anew: "Anew | None" = None  # what a start within this process knows of the run before
    peer: PeerVenue | None = None  # None: `lighter.peer_watch` is off
    health: Health = field(default_factory=Health)
    exchange_clock: ExchangeClock = field(default_factory=ExchangeClock)
    new_epoch: Callable[[], str] = lambda: secrets.token_hex(8)

    @property
    def adopts(self) -> bool:
        """Whether this run takes the exchange's own position, whatever is stored of it."""
        return self.anew is not None and self.anew.adopts

    @property
    def spec(self) -> MarketSpec:
        """The market."""
        return self.scope.spec

    @property
    def pair_lease(self) -> PairLeaseKey:
        """The lease of this side of the two accounts in this market."""
        scope, side = self.scope, self.config.side
        return PairLeaseKey(
            scope.chain_id,
            scope.account_a,
            scope.account_b,
            scope.spec.market_index,
            side,
            self.lease.api_key_index,
        )

    @property
    def unheard_s(self) -> int | None:
        """For how many seconds our private stream has shown nothing of our orders; None: never."""
        proved_ms = self.venue.proved_ms
        return None if proved_ms is None else max(0, self.clock.now_ms() - proved_ms) // 1000

    @property
    def epoch_s(self) -> int:
        """Wall-clock seconds, for messages."""
        return self.clock.epoch_ms() // 1000

    def base(self, lots: int | None) -> str:
        """Write lots for a log line; None is unknown."""
        return "unknown" if lots is None else self.spec.base(lots)


class Ending(enum.Enum):
    """How a manager's run ended."""

    NEUTRAL = "neutral"
    NOT_NEUTRAL = "not neutral"
    ANEW = "anew"
    """It is to start again in this process, with nothing in memory."""
