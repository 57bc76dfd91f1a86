"""What the exchange's own logs say about the pair: its promises, checked trade by trade.

Works on the rows of `GET /paper/trades` and `GET /paper/orders` alone; amounts are lots.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedge.core import ids

Json = dict[str, Any]
LOTS = 10_000
_LIVE = frozenset({"in-progress", "pending", "open"})


def lots(text: str) -> int:
    """Return an amount of ETH as lots; an amount that is no whole number of lots is a bug."""
    scaled = Decimal(text) * LOTS
    assert scaled == scaled.to_integral_value(), text
    return int(scaled)


@dataclass(frozen=True)
class Leg:
    """What one trade changed on A and on B; one trade can concern both."""

    seq: int
    mono_ns: int
    a_lots: int
    b_lots: int


@dataclass(frozen=True)
class OrderLife:
    """One order from its arrival to its end; `ended_ns` is None while it is open."""

    account: int
    client_order_index: int
    is_ask: bool
    size_lots: int
    filled_lots: int
    price: Decimal
    kind: str
    time_in_force: str
    reduce_only: bool
    received_ns: int
    ended_ns: int | None
    status: str

    @property
    def rests(self) -> bool:
        """Whether it was meant to rest: neither a marker nor a closing order."""
        return self.time_in_force != "immediate-or-cancel"

    @property
    def is_marker(self) -> bool:
        """Whether it is a fence marker."""
        return ids.is_marker(self.client_order_index)


@dataclass(frozen=True)
class Audit:
    """The result: how much was looked at, and everything that contradicts a promise."""

    a_lots: int
    b_lots: int
    prefixes: int
    neutral_moments: int
    a_orders: int
    hedges: int
    never_twice: tuple[str, ...]
    hold: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def net_lots(self) -> int:
        """A + B at the end."""
        return self.a_lots + self.b_lots

    def check(self, offset_lots: int = 0) -> "Audit":
        """Raise AssertionError unless every promise was kept and the pair is neutral."""
        assert self.never_twice == (), self.never_twice[:5]
        assert self.hold == (), self.hold[:5]
        assert self.beside == (), self.beside[:5]
        assert self.net_lots == offset_lots, self
        return self


def audit(trades: Sequence[Json], orders: Sequence[Json], account_a: int, account_b: int) -> Audit:
    """Check the promises at every prefix of the trade log."""
    legs = legs_of(trades, account_a, account_b)
    return audit_of(legs, lives_of(orders), account_a, account_b)


def audit_of(
    legs: Sequence[Leg],
    lives: Sequence[OrderLife],
    account_a: int,
    account_b: int,
    dust_lots: int = 0,
) -> Audit:
    """Check the promises at every prefix of `legs`; `lives` are by arrival.

    Up to `dust_lots` may stay uncovered while A goes on, for the venue refuses to trade so little.
    """
    of_a = [life for life in lives if life.account == account_a and life.rests]
    of_b = [life for life in lives if life.account == account_b and not life.is_marker]
    twice, neutral_moments = _never_twice(legs, of_a, of_b)
    return Audit(
        a_lots=sum(leg.a_lots for leg in legs),
        b_lots=sum(leg.b_lots for leg in legs),
        prefixes=len(legs),
        neutral_moments=neutral_moments,
        a_orders=len(of_a),
        hedges=len([life for life in of_b if life.filled_lots]),
        never_twice=twice,
        hold=_hold(legs, of_a, dust_lots),
        beside=_beside(of_a),
    )


def legs_of(trades: Iterable[Json], account_a: int, account_b: int) -> list[Leg]:
    """Return the trades of A or B in the exchange's order."""
    found = []
    for row in sorted(trades, key=lambda row: int(row["seq"])):
        size = lots(row["size"])
        sold, bought = row["ask_account_id"], row["bid_account_id"]
        a_lots = size * (bought == account_a) - size * (sold == account_a)
        b_lots = size * (bought == account_b) - size * (sold == account_b)
        if account_a in (sold, bought) or account_b in (sold, bought):
            found.append(Leg(int(row["seq"]), int(row["mono_ns"]), a_lots, b_lots))
    return found


def lives_of(orders: Iterable[Json]) -> list[OrderLife]:
    """Return one life per order, by arrival."""
    events: dict[int, list[Json]] = {}
    for row in sorted(orders, key=lambda row: int(row["seq"])):
        events.setdefault(int(row["order_index"]), []).append(row)
    lives = []
    for rows in events.values():
        first, last = rows[0], rows[-1]
        over = last["status"] not in _LIVE
        lives.append(
            OrderLife(
                account=int(first["owner_account_index"]),
                client_order_index=int(first["client_order_index"]),
                is_ask=bool(first["is_ask"]),
                size_lots=lots(first["initial_base_amount"]),
                filled_lots=lots(last["filled_base_amount"]),
                price=Decimal(first["price"]),
                kind=str(first["type"]),
                time_in_force=str(first["time_in_force"]),
                reduce_only=bool(first["reduce_only"]),
                received_ns=int(first["received_mono_ns"] or first["mono_ns"]),
                ended_ns=int(last["mono_ns"]) if over else None,
                status=str(last["status"]),
            )
        )
    return sorted(lives, key=lambda life: life.received_ns)


def _never_twice(
    legs: Sequence[Leg], of_a: Sequence[OrderLife], of_b: Sequence[OrderLife]
) -> tuple[tuple[str, ...], int]:
    """Check I2: since the last neutral moment B never sold more than A bought, nor bought more.

    A neutral moment is the arrival of a new order of A at which the log is neutral and nothing of
    B is in flight: A's hold makes B decide nothing then.
    """
    starts = [
        life.received_ns
        for life in of_a
        if not any(
            hedge.received_ns <= life.received_ns
            and (hedge.ended_ns is None or hedge.ended_ns > life.received_ns)
            for hedge in of_b
        )
    ]
    wrong, moments, net = [], 0, 0
    a_bought = a_sold = b_bought = b_sold = 0
    for leg in legs:
        while starts and starts[0] < leg.mono_ns:
            starts.pop(0)
            if net == 0:
                moments += 1
                a_bought = a_sold = b_bought = b_sold = 0
        a_bought += max(leg.a_lots, 0)
        a_sold += max(-leg.a_lots, 0)
        b_bought += max(leg.b_lots, 0)
        b_sold += max(-leg.b_lots, 0)
        net += leg.a_lots + leg.b_lots
        if b_sold > a_bought or b_bought > a_sold:
            wrong.append(
                f"trade {leg.seq}: B sold {b_sold} for {a_bought} that A bought,"
                f" bought {b_bought} for {a_sold} that A sold"
            )
    return tuple(wrong), moments


def _hold(legs: Sequence[Leg], of_a: Sequence[OrderLife], dust_lots: int) -> tuple[str, ...]:
    """Check I3: no resting order of A arrives while an earlier trade of A is not covered."""
    times = [leg.mono_ns for leg in legs]
    sums = [0]
    for leg in legs:
        sums.append(sums[-1] + leg.a_lots + leg.b_lots)
    return tuple(
        f"A's order {life.client_order_index} came while {sums[before]} lots were not covered"
        for life in of_a
        if abs(sums[before := bisect_left(times, life.received_ns)]) > dust_lots
    )


def _beside(of_a: Sequence[OrderLife]) -> tuple[str, ...]:
    """Check that no order of A arrives while another one of A still rests."""
    return tuple(
        f"A's order {later.client_order_index} came beside {earlier.client_order_index}"
        for number, later in enumerate(of_a)
        for earlier in of_a[:number]
        if earlier.ended_ns is None or earlier.ended_ns > later.received_ns
    )
