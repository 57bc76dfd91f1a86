"""What the exchange's own trades say: the net of a pair, and when it was naked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Interval:
    """A time in which A + B was not the offset.

    Args:
        market: Index of the market.
        began_ns: Monotonic clock, at the trade that opened it.
        ended_ns: The same of the trade that closed it; of the look where nothing did.
        size: A + B - offset at its largest, signed, base asset.
        closed: Whether a trade ended it.
    """

    market: int
    began_ns: int
    ended_ns: int
    size: Decimal
    closed: bool

    @property
    def length_s(self) -> float:
        """Seconds from its first to its last moment."""
        return (self.ended_ns - self.began_ns) / SECOND_NS


def legs(row: Mapping[str, Any], accounts: Iterable[int]) -> Decimal:
    """By how much one trade moved the sum of these accounts' positions, base asset."""
    size = Decimal(row["size"])
    bought = sum(row["bid_account_id"] == account for account in accounts)
    sold = sum(row["ask_account_id"] == account for account in accounts)
    return size * (bought - sold)


def positions(rows: Iterable[Mapping[str, Any]], account: int) -> dict[int, Decimal]:
    """Position of one account in each market, summed up from trades since the exchange began."""
    held: dict[int, Decimal] = {}
    for row in rows:
        market = row["market_id"]
        held[market] = held.get(market, Decimal(0)) + legs(row, (account,))
    return {market: lots for market, lots in held.items() if lots}


def naked(
    rows: Iterable[Mapping[str, Any]],
    accounts: tuple[int, int],
    until_ns: int,
    offset: Decimal = Decimal(0),
) -> list[Interval]:
    """Each time in which the pair was naked, in the order in which they began.

    Args:
        rows: Trades of `/paper/trades`, all since both accounts were flat.
        accounts: The pair's two accounts.
        until_ns: Moment of the look; what is open then ends there.
        offset: What A + B shall be, base asset; before a market's first trade nothing is asked.
    """
    found: list[Interval] = []
    net: dict[int, Decimal] = {}
    opened: dict[int, tuple[int, Decimal]] = {}
    for row in sorted(rows, key=lambda row: row["seq"]):
        market, at_ns = row["market_id"], row["mono_ns"]
        net[market] = net.get(market, -offset) + legs(row, accounts)
        if net[market]:
            began_ns, worst = opened.get(market, (at_ns, Decimal(0)))
            opened[market] = (began_ns, max(worst, net[market], key=abs))
        elif market in opened:
            began_ns, worst = opened.pop(market)
            found.append(Interval(market, began_ns, at_ns, worst, closed=True))
    found += [
        Interval(market, began_ns, until_ns, worst, closed=False)
        for market, (began_ns, worst) in opened.items()
    ]
    return sorted(found, key=lambda interval: interval.began_ns)


def naked_throughout(intervals: Iterable[Interval], from_ns: int, to_ns: int) -> Interval | None:
    """The interval, if any, that covers this whole time."""
    for interval in intervals:
        if interval.began_ns <= from_ns and interval.ended_ns >= to_ns:
            return interval
    return None
