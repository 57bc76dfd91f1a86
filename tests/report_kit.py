"""Reports of a pair at rest, changed in what a test is about."""

from dataclasses import replace
from typing import Any

from hedge.bus.port import StateSnapshot
from hedge.core.amounts import MarketSpec
from hedge.operator.status import Report, report
from hedge.wire.control import Halt, Halts, Lease
from hedge.wire.envelope import Envelope
from hedge.wire.state import Ledger, PositionState, Ready

SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10_000_000)
POSITION = PositionState(
    chain_id=304,
    account_index=11,
    market_index=0,
    instance="aaaa",
    seq=7,
    position_lots=100,
    floor_trade_id=0,
    last_trade_id=41,
    timestamp=1,
)
READY_A = Ready(
    envelope=Envelope("", "a" * 16, 1),
    beat=1,
    side="a",
    ready=True,
    reasons=(),
    state="working",
    instance="aaaa",
    can_hedge_lots=None,
    version="1",
    chain_id=304,
    a_account_index=11,
    b_account_index=22,
    market_index=0,
    offset_lots=0,
    timestamp=1,
    position_lots=100,
    seq=7,
    proven=True,
    shown=True,
)
LEDGER = Ledger(
    chain_id=304,
    account_index=22,
    market_index=0,
    instance="bbbb",
    a_instance="aaaa",
    a_seq=7,
    a_position_lots=100,
    owed_lots=0,
    dust_lots=0,
    manual_lots=0,
    inflight=False,
    failed=None,
    reasons=(),
    timestamp=1,
)
HALT = Halt(id="h", side="b", reason="not_enough_margin", detail="", timestamp=1)
NEUTRAL = StateSnapshot(
    position_a=POSITION,
    position_b=replace(POSITION, account_index=22, instance="bbbb", position_lots=-100),
    ledger=LEDGER,
    ready_a=READY_A,
    ready_b=replace(
        READY_A, side="b", instance="bbbb", envelope=Envelope("", "b" * 16, 1), position_lots=-100
    ),
    lease_b=Lease(instance="bbbb", host="here"),
)


def told(halt: Halt | None = None, **changes: Any) -> Report:
    """A report of a pair at rest, but for what is named; `halt` is the one in force."""
    halts = Halts() if halt is None else Halts(halts=(halt,))
    return report(replace(NEUTRAL, **{"halts": halts, **changes}), SPEC, 11, 22)
