"""The values by which people and leases steer the pair: halt, lease, command.

The same rules as for messages: frozen, `to_json` writes, `from_json` judges and reads or raises
`MessageRefusedError`.
"""

from dataclasses import dataclass
from typing import ClassVar

from hedge.wire import record
from hedge.wire.record import Absent, Record, wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt(Record):
    """Why the pair is halted; with `resumed` (epoch seconds) the record that a human resumed it.

    `forced` says that the venue's positions were adopted as they are, `note` is the human's
    reason. Each host deletes its own halt file when it sees the record of its `id`.
    """

    id: str = wire(record.TEXT, "id of the halt")
    side: str = wire(record.TEXT, '"a" or "b", or empty')
    reason: str = wire(record.TEXT, "why, as one word")
    detail: str = wire(record.TEXT, "why, in words")
    timestamp: int = wire(record.EPOCH_S, "since when")
    resumed: int | None = wire(
        record.EPOCH_S, "when it was resumed", absent=Absent.LEFT_OUT, default=None
    )
    forced: bool = wire(
        record.FLAG,
        "whether the exchange's positions were adopted",
        beside="resumed",
        lenient=True,
        default=False,
    )
    note: str = wire(
        record.TEXT, "the operator's reason", beside="resumed", lenient=True, default=""
    )

    @property
    def is_active(self) -> bool:
        """Whether the pair must not start anything new."""
        return self.resumed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Record):
    """Who may sign with a key: a process `instance` on a `host`, for a pair and its market.

    `pair` and `market_index` are None where the value does not say.
    """

    PLAIN: ClassVar[bool] = True

    instance: str = wire(record.TEXT, "process that holds it")
    host: str = wire(record.TEXT, "host of that process")
    pair: str | None = wire(
        record.HINT_TEXT, "name of the pair that it trades", absent=Absent.LEFT_OUT, default=None
    )
    market_index: int | None = wire(
        record.HINT_INDEX, "market that it trades", absent=Absent.LEFT_OUT, default=None
    )

    def is_for(self, pair: str, market_index: int) -> bool:
        """Whether its holder trades this pair and market, as far as the value says."""
        return self.pair in (None, pair) and self.market_index in (None, market_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Record):
    """What the operator asks for, once per `id`; `side` "a" or "b", None for both."""

    id: str = wire(record.TEXT, "id of the command, obeyed once")
    command: str = wire(record.TEXT, "what is asked for")
    side: str | None = wire(record.TEXT, '"a" or "b", null for both', absent=Absent.NULL)
    timestamp: int = wire(record.EPOCH_S, "when it was asked for")
