"""What a run did, told from the paper exchange's own log: cycles, fills, hedges, latency, cost.

Pure: rows in, numbers out. Amounts are `Decimal` from the exchange's strings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
ZERO = Decimal(0)
_BPS = 10_000
_FEE_DECIMALS = 6
"""Fees are whole millionths of a trade's value (lighter-api.md, Trade)."""
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Leg:
    """One account's side of one trade. `frame_ns` is when the exchange told the account of it.

    `fee` is what the account paid for it, in the quote asset; `other` is whom it traded with.
    """

    seq: int
    account: int
    market_id: int
    order_index: int
    signed: Decimal
    quote: Decimal
    before: Decimal
    frame_ns: int | None
    fee: Decimal = ZERO
    other: int = -1

    @property
    def after(self) -> Decimal:
        """The account's position after the trade."""
        return self.before + self.signed


def legs_of(rows: Iterable[Json], account: int, market_id: int) -> list[Leg]:
    """Return the account's legs of the exchange's trade rows, oldest first."""
    legs: list[Leg] = []
    for row in rows:
        if row["market_id"] != market_id:
            continue
        if row["ask_account_id"] == account:
            legs.append(_leg(row, account, is_ask=True))
        if row["bid_account_id"] == account:
            legs.append(_leg(row, account, is_ask=False))
    return sorted(legs, key=lambda leg: leg.seq)


def _leg(row: Json, account: int, *, is_ask: bool) -> Leg:
    role = "maker" if bool(row["is_maker_ask"]) == is_ask else "taker"
    size = Decimal(row["size"])
    quote = Decimal(row["usd_amount"])
    return Leg(
        seq=row["seq"],
        account=account,
        market_id=row["market_id"],
        order_index=row["ask_id"] if is_ask else row["bid_id"],
        signed=-size if is_ask else size,
        quote=quote,
        before=Decimal(row[f"{role}_position_size_before"]),
        frame_ns=row["frames_sent"].get(str(account)),
        fee=(quote * row.get(f"{role}_fee", 0)).scaleb(-_FEE_DECIMALS),
        other=row["bid_account_id"] if is_ask else row["ask_account_id"],
    )


def receipts_of(rows: Iterable[Json]) -> dict[int, int]:
    """Return when each order came in (monotonic ns), by order index."""
    return {
        row["order_index"]: row["received_mono_ns"]
        for row in rows
        if row["received_mono_ns"] is not None
    }


def cycles_of(legs: Sequence[Leg]) -> int:
    """Count how often the account went from a position back to flat."""
    return sum(1 for leg in legs if leg.before != ZERO and leg.after == ZERO)


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of the SUMMARY line."""

    cycles: int
    fills: int
    volume_usd: Decimal
    hedges: int
    p50_ms: float | None
    p99_ms: float | None
    net_lots: int
    cost_bps: Decimal | None
    b_volume_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    self_trades: int = 0

    @property
    def line(self) -> str:
        """Return the line that scripts look for; what is new stands at its end."""
        return (
            f"SUMMARY cycles={self.cycles} fills={self.fills} volume_usd={self.volume_usd:.2f}"
            f" hedges={self.hedges} p50_ms={_text(self.p50_ms)} p99_ms={_text(self.p99_ms)}"
            f" net_lots={self.net_lots} cost_bps={_text(self.cost_bps)}"
            f" b_volume_usd={self.b_volume_usd:.2f} fees_usd={self.fees_usd:.4f}"
            f" self_trades={self.self_trades}"
        )


def _text(value: float | Decimal | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def summarise(
    a: Sequence[Leg],
    b: Sequence[Leg],
    received_ns: Mapping[int, int],
    size_decimals: int,
    offset: Decimal = ZERO,
    held: tuple[Decimal, Decimal] | None = None,
) -> Summary:
    """Tell a run from the legs of both accounts.

    `held` is what A and B hold at its end by the exchange, also where they held it before; without
    it that is what the newest trades of the run leave.

    Volume is the value of A's fills, B's stands beside it; trades of the two with each other count
    for neither, and apart. The cost is what both accounts lost to the rest of the market and to
    fees, per volume: with a net of zero before the run and after it that is the cash of all their
    trades, whether or not each of them is flat; else there is none, for what is open, or was closed
    only now, has no price in this run. A fill's
    latency ends with the first executed order of B on the other side that came in after the fill's
    frame went out.
    """
    pair = {leg.account for leg in (*a, *b)}
    outside_a, outside_b = (
        [leg for leg in legs if leg.other not in pair - {leg.account}] for legs in (a, b)
    )
    volume = sum((leg.quote for leg in outside_a), ZERO)
    fees = sum((leg.fee for leg in (*a, *b)), ZERO)
    cash = sum((leg.quote if leg.signed < ZERO else -leg.quote for leg in (*a, *b)), ZERO) - fees
    ends = held or (position_of(a), position_of(b))
    net = sum(ends, ZERO) - offset
    net_before = net - sum((leg.signed for leg in (*a, *b)), ZERO)
    latencies = sorted(latencies_ms(a, b, received_ns))
    return Summary(
        cycles=cycles_of(a),
        fills=len(a),
        volume_usd=volume,
        hedges=len({leg.order_index for leg in b}),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        net_lots=int(net.scaleb(size_decimals)),
        cost_bps=-cash / volume * _BPS if volume and net == net_before == ZERO else None,
        b_volume_usd=sum((leg.quote for leg in outside_b), ZERO),
        fees_usd=fees,
        self_trades=len(a) - len(outside_a),
    )


def position_of(legs: Sequence[Leg]) -> Decimal:
    """Return the position after the newest trade; zero for an account that never traded."""
    return legs[-1].after if legs else ZERO


def latencies_ms(
    a: Sequence[Leg], b: Sequence[Leg], received_ns: Mapping[int, int]
) -> Iterable[float]:
    """Yield the milliseconds from each fill's frame to its hedge; both are in order of time."""
    hedges = sorted(
        {
            (received_ns[leg.order_index], leg.signed > ZERO)
            for leg in b
            if leg.order_index in received_ns
        }
    )
    for leg in a:
        if leg.frame_ns is None:
            continue
        buys = leg.signed < ZERO
        after = (ns for ns, is_buy in hedges if is_buy == buys and ns >= leg.frame_ns)
        found = next(after, None)
        if found is not None:
            yield (found - leg.frame_ns) / _NS_PER_MS


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that at least `percent` of all do not exceed; None without any."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]
