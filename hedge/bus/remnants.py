"""What Redis still shows of a pair, read before anything is known of its market.

A start that does not reach the exchange asks whether a side has business there. What cannot be
read counts as business: unknown is not zero.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from hedge.wire.codec import NO_MARKET, MessageRefusedError, WireLimits
from hedge.wire.control import Lease


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What Redis says of other markets than ours.

    `stated`: what a side must answer for there, by market, in words. `named`: every market that a
    record of the pair is of, whatever it states.
    """

    stated: dict[int, str] = field(default_factory=dict)
    named: frozenset[int] = frozenset()


def business_of(
    lease: str | None, positions: dict[str, str | None], ledger: str | None, host_id: str
) -> str:
    """Return in words what a side must answer for, "" for nothing.

    `positions` are the stored positions by the side's letter. While another host's lease of our key
    stands, its holder answers for everything.
    """
    if lease is not None and (found := _of_lease(lease, host_id)) is not None:
        return found
    for side, text in positions.items():
        amount = _amount(text, "position_base_amount")
        if amount != 0:
            return f"Redis shows a position of {side}: {_shown(amount)}"
    owed = _amount(ledger, "owed_base_amount")
    return "" if owed == 0 else f"Redis shows a debt of B: {_shown(owed)}"


def elsewhere_of(
    positions: dict[str, str | None], ledger: str | None, market_index: int, left_by: str = ""
) -> dict[int, str]:
    """Return what the stored values state of other markets than this one, by market, in words.

    Of a value without a market nothing can be said. A debt that the run `left_by` did not know is
    none: it has left its market since.
    """
    found = dict[int, str]()
    named = [
        (text, "position_base_amount", f"position of {side}") for side, text in positions.items()
    ]
    for text, key, what in (*named, (ledger, "owed_base_amount", "debt of B")):
        if text is None:
            continue
        market = _market(text)
        if market is None or market == market_index:
            continue
        amount = _amount(text, key)
        if amount is None and text is ledger and left_by and _instance(text) == left_by:
            continue
        if amount != 0:
            found[market] = f"Redis shows a {what}: {_shown(amount)}"
    return found


def named_by(records: Iterable[str | None], market_index: int) -> frozenset[int]:
    """Return the other markets than this one of which stored records of the pair are.

    There the pair ran last, for all that Redis tells: what the record states may be older than
    what came of an order, as where Redis was away when it filled.
    """
    markets = {_market(text) for text in records if text is not None}
    return frozenset(one for one in markets if one is not None and one != market_index)


def _market(text: str) -> int | None:
    """Return the market that a stored value names, None where it names none."""
    found = _amount(text, "market_index")
    return int(found) if found is not None and found.is_finite() else None


def _instance(text: str) -> str | None:
    try:
        found = json.loads(text)["instance"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else str(amount)


def _of_lease(text: str, host_id: str) -> str | None:
    """Return what the lease of our key says, None where it is this host's own and says nothing."""
    try:
        lease = Lease.from_json(text, NO_MARKET, WireLimits(chain_id=0))
    except MessageRefusedError:
        return "Redis holds a lease of this key that cannot be read"
    return "this host's lease of this key is still in force" if lease.host == host_id else ""


def _amount(text: str | None, field: str) -> Decimal | None:
    """Return an amount of a stored value, zero where none is stored, None where it is unknown."""
    if text is None:
        return Decimal(0)
    try:
        return Decimal(str(json.loads(text)[field]))
    except (ValueError, LookupError, TypeError, InvalidOperation, RecursionError):
        return None
