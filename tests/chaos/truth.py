"""I4 from outside: no order ever took an unknown for zero, flat or done.

An order says what its sender believed. A opens only where the exchange has it flat and closes no
more than it holds; B sends no more than is owed, and in the right direction. News takes time: what
B owed at any moment since its own newest trade counts as owed, for a person may trade A's account
while B's order is on its way. A daemon that reads a missing key, a failed query or a stale row as
zero sends an order that the exchange's own record of those moments contradicts.
"""

from bisect import bisect_left
from collections.abc import Sequence

from hedge.core import ids
from tests.pair_audit import Leg, OrderLife

SMALLEST_RESTING_LOTS = 50
"""0.0050 ETH; A may open beside a smaller position, which cannot be closed by a resting order."""


def beliefs(
    legs: Sequence[Leg],
    lives: Sequence[OrderLife],
    account_a: int,
    account_b: int,
    offset_lots: int = 0,
) -> tuple[str, ...]:
    """Return every order that the exchange's state at its arrival contradicts."""
    times = [leg.mono_ns for leg in legs]
    a_sums, owed_sums = [0], [offset_lots]
    for leg in legs:
        a_sums.append(a_sums[-1] + leg.a_lots)
        owed_sums.append(owed_sums[-1] - leg.a_lots - leg.b_lots)
    wrong = []
    for life in lives:
        if life.is_marker or not ids.is_ours(life.client_order_index):
            continue
        before = bisect_left(times, life.received_ns)
        if life.account == account_a:
            why = _of_a(life, a_sums[before])
        elif life.account == account_b:
            since = before
            while since and legs[since - 1].b_lots == 0:
                since -= 1
            why = _of_b(life, owed_sums[since : before + 1])
        else:
            why = ""
        if why:
            seq = legs[before - 1].seq if before else 0
            wrong.append(f"after trade {seq}: {why}")
    return tuple(wrong)


def _of_a(life: OrderLife, a_lots: int) -> str:
    if not life.is_ask and a_lots >= SMALLEST_RESTING_LOTS and not life.reduce_only:
        return f"A opened {life.size_lots} while it held {a_lots}"
    if life.is_ask and life.size_lots > max(0, a_lots):
        return f"A's sell of {life.size_lots} is more than the {a_lots} that it held"
    return ""


def _of_b(life: OrderLife, owed_lots: Sequence[int]) -> str:
    """Judge by what was owed from B's newest trade on; the last one is what is owed now."""
    signed = -life.size_lots if life.is_ask else life.size_lots
    if any(signed * owed > 0 and abs(signed) <= abs(owed) for owed in owed_lots):
        return ""
    return f"B sent {signed:+d} while {owed_lots[-1]:+d} was owed"
