"""The paper exchange's own rows (`GET /paper/trades`, `GET /paper/orders`) as facts for the judge.

Only a translation: what is promised stands in `tests/judge`. Amounts are lots; moments are those of
the machine's monotonic clock.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

from tests.judge.audit import Audit, judge
from tests.judge.facts import (
    MARKER_TAG,
    ORDER_TAG,
    TAG_SHIFT,
    Bounds,
    HandPublished,
    Leg,
    OrderLife,
    Record,
)

Json = dict[str, Any]
LOTS = 10_000
_LIVE = frozenset({"in-progress", "pending", "open"})
_SECOND_NS = 1_000_000_000

__all__ = ["Audit", "Leg", "OrderLife", "audit", "legs_of", "lives_of", "lots"]


def lots(text: str) -> int:
    """Return an amount of ETH as lots; an amount that is no whole number of lots is a bug."""
    scaled = Decimal(text) * LOTS
    assert scaled == scaled.to_integral_value(), text
    return int(scaled)


def audit(
    trades: Sequence[Json],
    orders: Sequence[Json],
    account_a: int,
    account_b: int,
    *,
    offset_lots: int = 0,
    by_hand: Sequence[HandPublished] = (),
) -> Audit:
    """Judge the exchange's rows alone, from a neutral moment on."""
    legs = legs_of(trades, account_a, account_b)
    lives = lives_of(orders)
    first_a = _first_lots(trades, account_a)
    first_b = _first_lots(trades, account_b)
    if first_a is None and first_b is not None:
        first_a = offset_lots - first_b
    record = Record(
        account_a=account_a,
        account_b=account_b,
        offset_lots=offset_lots,
        first_a_lots=first_a or 0,
        first_b_lots=offset_lots - (first_a or 0),
        knows_first=first_a is not None,
        legs=tuple(legs),
        orders=tuple(lives),
        by_hand=tuple(by_hand),
        end_s=max([leg.at_s for leg in legs] + [life.received_s for life in lives], default=0.0),
        bounds=Bounds(),
    )
    return judge(record)


def legs_of(
    trades: Iterable[Json], account_a: int, account_b: int, keys: Collection[int] = ()
) -> list[Leg]:
    """Return the trades of A or B in the exchange's order."""
    found = []
    for row in sorted(trades, key=lambda row: int(row["seq"])):
        size = lots(row["size"])
        sold, bought = row["ask_account_id"], row["bid_account_id"]
        if not {account_a, account_b} & {sold, bought}:
            continue
        found.append(
            Leg(
                seq=int(row["seq"]),
                mono=int(row["mono_ns"]),
                at_s=int(row["mono_ns"]) / _SECOND_NS,
                a_lots=size * (bought == account_a) - size * (sold == account_a),
                b_lots=size * (bought == account_b) - size * (sold == account_b),
                foreign_a=_is_foreign(row, account_a),
                foreign_b=_is_foreign(row, account_b),
            )
        )
    return found


def _first_lots(trades: Iterable[Json], account: int) -> int | None:
    """Return what an account held before its first trade, as that states; None for none."""
    for row in sorted(trades, key=lambda row: int(row["seq"])):
        for side, is_ask in (("ask", True), ("bid", False)):
            role = "maker" if row.get("is_maker_ask", True) == is_ask else "taker"
            before = row.get(f"{role}_position_size_before")
            if row[f"{side}_account_id"] == account and before is not None:
                return lots(before)
    return None


def _is_foreign(row: Json, account: int) -> bool:
    """Whether the account traded by an order that carries no tag of the pair."""
    sides = [side for side in ("ask", "bid") if row[f"{side}_account_id"] == account]
    return any(not _has_tag(int(row[f"{side}_client_id"])) for side in sides)


def _has_tag(client_order_index: int) -> bool:
    return client_order_index >> TAG_SHIFT in (ORDER_TAG, MARKER_TAG)


def lives_of(orders: Iterable[Json]) -> list[OrderLife]:
    """Return one life per order, by arrival."""
    events: dict[int, list[Json]] = {}
    for row in sorted(orders, key=lambda row: int(row["seq"])):
        events.setdefault(int(row["order_index"]), []).append(row)
    lives = [_life(rows[0], rows[-1]) for rows in events.values()]
    return sorted(lives, key=lambda life: life.received_ns)


def _life(first: Json, last: Json) -> OrderLife:
    ended_ns = None if last["status"] in _LIVE else int(last["mono_ns"])
    received_ns = int(first["received_mono_ns"] or first["mono_ns"])
    client_order_index = int(first["client_order_index"])
    return OrderLife(
        account=int(first["owner_account_index"]),
        client_order_index=client_order_index,
        is_ask=bool(first["is_ask"]),
        size_lots=lots(first["initial_base_amount"]),
        filled_lots=lots(last["filled_base_amount"]),
        price=Decimal(last["price"]),  # that of A's order is changed while it rests
        kind=str(first["type"]),
        time_in_force=str(first["time_in_force"]),
        reduce_only=bool(first["reduce_only"]),
        received_ns=received_ns,
        received_s=received_ns / _SECOND_NS,
        ended_ns=ended_ns,
        ended_s=None if ended_ns is None else ended_ns / _SECOND_NS,
        status=str(last["status"]),
        foreign=not _has_tag(client_order_index),
    )
