"""Which halts design.md section 8 allows, and after which faults.

A halt is a human's work, so it is allowed only where something happened that no machine may judge.
Kills, stops, cuts, a dead or forgetful Redis and an exchange that is away for less than the
deadlines end in recovery by itself; a halt after those alone is a failure of the run.
"""

from collections.abc import Mapping, Sequence

from tests.chaos.diary import Entry

ALLOWED: Mapping[str, frozenset[str]] = {
    "foreign_trade_on_a": frozenset({"x-foreign_trade"}),
    "operator": frozenset({"halt"}),
    "flatten": frozenset({"flatten"}),
    "max_retries_exceeded": frozenset(
        {"x-no_liquidity", "x-order_cancelled", "x-nonce_given_back"}
    ),
}
"""Reason of a halt → kinds of faults that may cause it."""

OF_ANY_REASON = frozenset({"lie", "clock"})
"""Kinds after which a halt for any reason is allowed: nothing that the exchange says need be so."""

WINDOW_S = 20.0
"""A fault may cause a halt while it lasts and this long after."""


def allows(halt: Entry, faults: Sequence[Entry]) -> bool:
    """Whether one of the faults before the halt is a cause that section 8 names."""
    kinds = ALLOWED.get(str(halt.fields.get("reason")), frozenset()) | OF_ANY_REASON
    return any(fault.fields["kind"] in kinds and _near(halt.at_s, fault) for fault in faults)


def _near(at_s: float, fault: Entry) -> bool:
    """Whether the fault (noted at its end) had begun, and ended not long before `at_s`."""
    return fault.at_s - float(fault.fields["lasts_s"]) <= at_s <= fault.at_s + WINDOW_S
