"""What a manager is made of: everything that a main opened for it."""

import enum
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from hedge.bus.port import Messenger, PairScope
from hedge.config.schema import Config
from hedge.core.amounts import MarketSpec
from hedge.daemon.health import Health
from hedge.daemon.host_store import HostState
from hedge.daemon.logs import Log
from hedge.exchange.budget import RequestBudget
from hedge.exchange.peer import PeerVenue
from hedge.exchange.port import Clock, Venue
from hedge.exchange.sender import Sender
from hedge.wire.names import LeaseKey, Names


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
    peer: PeerVenue | None = None  # None: `lighter.peer_watch` is off
    health: Health = field(default_factory=Health)
    new_epoch: Callable[[], str] = lambda: secrets.token_hex(8)

    @property
    def spec(self) -> MarketSpec:
        """The market."""
        return self.scope.spec

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
