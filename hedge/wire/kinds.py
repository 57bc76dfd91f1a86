"""What stands where in Redis: every channel, stream and key with the kind of its values."""

from dataclasses import dataclass

from hedge.wire.control import Command, Halts, Instances, Lease
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.names import Names
from hedge.wire.record import Record
from hedge.wire.state import Ledger, Neutral, PositionState, Ready, Standby

_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Place:
    """Where values of one kind stand. `names` without a pair's name, capitals stand for a value."""

    kind: type[Record]
    names: tuple[str, ...]


PLACES = (
    Place(AFilled, (_NAMES.account_a_filled, _NAMES.fills)),
    Place(BFilled, (_NAMES.account_b_filled, _NAMES.results)),
    Place(BHedgeFailed, (_NAMES.account_b_hedge_failed, _NAMES.results)),
    Place(EventMessage, (_NAMES.events,)),
    Place(PositionState, (_NAMES.position_a, _NAMES.position_b)),
    Place(Ledger, (_NAMES.ledger,)),
    Place(Neutral, (_NAMES.neutral,)),
    Place(Ready, (_NAMES.ready_a, _NAMES.ready_b)),
    Place(Standby, (_NAMES.standby("SIDE", "INSTANCE"),)),
    Place(Halts, (_NAMES.halt,)),
    Place(Lease, ("hedge:lease:CHAIN:ACCOUNT:KEY", "hedge:lease:pair:CHAIN:A:B:MARKET:SIDE")),
    Place(Instances, ("hedge:instances:CHAIN:ACCOUNT:KEY",)),
    Place(Command, (_NAMES.command,)),
)
"""Each kind once, in the order of the documentation."""
