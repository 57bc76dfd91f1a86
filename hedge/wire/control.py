"""The values by which people and leases steer the pair: halts, lease, command.

The same rules as for messages: frozen, `to_json` writes, `from_json` judges and reads or raises
`MessageRefusedError`.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from hedge.core.freshness import BeatId
from hedge.wire import record
from hedge.wire.codec import NO_MARKET, Fields, WireLimits
from hedge.wire.record import NO_LIMITS, Absent, Record, wire

UNREADABLE = "unreadable"
"""Begins the id of a halt that exists but cannot be read."""

UNREADABLE_HALT = "unreadable_halt"
"""The reason of such a halt."""

_NEWEST_RELEASED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt(Record):
    """Why the pair is halted; `timestamp` is epoch seconds. It ends where its id is released."""

    VERSIONED: ClassVar[bool] = False
    SIGNED: ClassVar[bool] = False

    id: str = wire(record.TEXT, "id of the halt")
    side: str = wire(record.TEXT, '"a" or "b", or empty')
    reason: str = wire(record.TEXT, "why, as one word")
    detail: str = wire(record.TEXT, "why, in words")
    timestamp: int = wire(record.EPOCH_S, "since when")


@dataclass(frozen=True, slots=True, kw_only=True)
class Halts(Record):
    """Two sets that only grow: the halts, and the ids that a person has released.

    In force is what is halted and not released. Copies may be read in any order and from any age:
    their union is right, because an id that was released once never returns.
    """

    IN_ANY_MARKET: ClassVar[bool] = True

    halts: tuple[Halt, ...] = wire(
        record.records_of(Halt), "the halts that are known", since=2, default=()
    )
    released: tuple[str, ...] = wire(
        record.TEXTS, "ids that a person has released", since=2, default=()
    )

    @property
    def in_force(self) -> tuple[Halt, ...]:
        """Return the halts that nobody has released; with any of them nothing new is started."""
        if not self.halts:
            return ()
        released = set(self.released)
        return tuple(halt for halt in self.halts if halt.id not in released)

    def union(self, *others: "Halts") -> "Halts":
        """Return what this and the others know together; the details of a released halt go."""
        known = [self, *(other for other in others if other.halts or other.released)]
        if len(known) == 1:
            return self
        released = dict.fromkeys(one for sets in known for one in sets.released)
        halts: dict[str, Halt] = {}
        for halt in (halt for sets in known for halt in sets.halts):
            if halt.id not in released:
                halts.setdefault(halt.id, halt)
        return replace(self, halts=tuple(halts.values()), released=tuple(released))

    def adds_to(self, other: "Halts") -> bool:
        """Whether this knows of a halt or a release that the other does not."""
        if not set(self.released) <= set(other.released):
            return True
        known = {halt.id for halt in other.halts}.union(other.released)
        return any(halt.id not in known for halt in self.in_force)

    def told(self, asked: Collection[str]) -> tuple[str, ...]:
        """Return the released ids that a heartbeat bears: the newest, and of `asked` all."""
        newest = self.released[-_NEWEST_RELEASED:]
        older = [one for one in self.released[:-_NEWEST_RELEASED] if one in asked]
        return (*older, *newest)


NO_HALTS = Halts()


def parse_halts(text: str, limits: WireLimits = NO_LIMITS) -> Halts:
    """Judge and read halts; the one record of version 1 too, resumed or not.

    Raises MessageRefusedError.
    """
    fields = Fields.parse(text, NO_MARKET)
    if not fields.is_version_1:
        return Halts.from_fields(fields, limits)
    fields.check_signature(limits.seal and limits.seal.as_version_1)
    halt = Halt.from_fields(fields, limits)
    if fields.has("resumed"):
        return Halts(released=(halt.id,))
    return Halts(halts=(halt,))


def unreadable(text: str, where: str, why: object, *, side: str = "") -> Halts:
    """Return the halt that stands for what cannot be read: not knowing is halted.

    Its id is that of the text, so that its release speaks of this text only. `side`: which one
    had written it, where that is known.
    """
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    halt = Halt(
        id=f"{UNREADABLE}-{digest}",
        side=side,
        reason=UNREADABLE_HALT,
        detail=f"{where} cannot be read ({why})",
        timestamp=0,
    )
    return Halts(halts=(halt,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Record):
    """Who may sign with a key: a process `instance` on a `host`, for a pair and its market.

    Or, under a pair's lease: which pair and API key trade two accounts in a market. `pair`,
    `market_index` and `api_key_index` are None where the value does not say. The scripts in Redis
    compare its `instance` alone, signed or not: a forged one keeps a process from leading, no more.
    """

    VERSIONED: ClassVar[bool] = False
    IN_ANY_MARKET: ClassVar[bool] = True

    instance: str = wire(record.TEXT, "process that holds it")
    host: str = wire(record.TEXT, "host of that process")
    pair: str | None = wire(
        record.HINT_TEXT, "name of the pair that it trades", absent=Absent.LEFT_OUT, default=None
    )
    market_index: int | None = wire(
        record.HINT_INDEX, "market that it trades", absent=Absent.LEFT_OUT, default=None
    )
    api_key_index: int | None = wire(
        record.HINT_INDEX,
        "API key that it signs with; of a pair's lease",
        absent=Absent.LEFT_OUT,
        since=2,
        default=None,
    )

    def is_for(self, pair: str, market_index: int) -> bool:
        """Whether its holder trades this pair and market, as far as the value says."""
        return self.pair in (None, pair) and self.market_index in (None, market_index)


KEPT_INSTANCES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances(Record):
    """The newest processes that may have signed with a key, each added at its start."""

    IN_ANY_MARKET: ClassVar[bool] = True

    instances: tuple[str, ...] = wire(
        record.TEXTS, "processes of the key, the newest last, at most 64", since=2
    )


PING = "ping"
RESUME = "resume"
FLATTEN = "flatten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Record):
    """What the operator asks for, once per `id`.

    `to` names for each daemon addressed the heartbeat that the operator had read last; without
    it only a `ping` is answered. `halts` are the ids that were shown to the person, `forced` says
    to go on although something is open, `note` is the person's reason. Chain and accounts are
    those of the operator's configuration: a daemon of others refuses it. None: it does not say.
    """

    id: str = wire(record.TEXT, "id of the command, obeyed once")
    command: str = wire(record.TEXT, "what is asked for: ping, resume or flatten")
    timestamp: int = wire(record.EPOCH_S, "when it was asked for")
    chain_id: int | None = wire(
        record.CHAIN, "chain of the pair addressed", absent=Absent.LEFT_OUT, since=2, default=None
    )
    a_account_index: int | None = wire(
        record.ACCOUNT,
        "account A of the pair addressed",
        absent=Absent.LEFT_OUT,
        since=2,
        default=None,
    )
    b_account_index: int | None = wire(
        record.OTHER_ACCOUNT,
        "account B of the pair addressed",
        absent=Absent.LEFT_OUT,
        since=2,
        default=None,
    )
    to: tuple[tuple[str, BeatId], ...] = wire(
        record.BEATS,
        "epoch and number of the newest heartbeat read of each daemon addressed",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    halts: tuple[str, ...] = wire(
        record.TEXTS,
        "ids of the halts that a `resume` releases",
        absent=Absent.LEFT_OUT,
        since=2,
        default=(),
    )
    forced: bool = wire(
        record.FLAG,
        "whether to do it although something is open",
        lenient=True,
        since=2,
        default=False,
    )
    note: str = wire(record.TEXT, "the operator's reason", lenient=True, since=2, default="")

    def beat_for(self, side: str) -> BeatId | None:
        """Return the heartbeat of side "a" or "b" that it answers, None where it asks not it."""
        return dict(self.to).get(side)
