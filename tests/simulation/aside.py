"""Strangers' trades that are none of the pair's business: in a market that it has left (13.5).

The owner of an account may trade beside the pair wherever the pair is not: its start names such a
position, which shares the margin, and touches it not. So it counts where, and only where, the pair
held nothing of its own in that market, no process of it was at work there, and none starts there
later, when that position would be found and answered for.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping

from paper.records import Trade
from tests.simulation.daemon import Turn
from tests.simulation.exchange import SPECS, A, B, Logged

SYMBOLS = {one.market_index: symbol for symbol, one in SPECS.items()}
_OVER = ("killed", "ended")


def trades_aside(
    log: Logged,
    strangers: Container[int],
    turns: Iterable[Turn],
    goes_to: str,
    first_b_lots: int,
    moment_s: Callable[[int], float],
) -> frozenset[int]:
    """Return the places (seq) of such trades in the exchange's log.

    `strangers` are the orders that the pair did not send, `goes_to` the market of its next start,
    `first_b_lots` what B held from before in the first market. `moment_s` turns the exchange's
    milliseconds into the moments of `turns`.
    """
    at_work = _at_work(turns)
    held = Counter({(min(SYMBOLS), B): first_b_lots})
    found = set[int]()
    for seq, _, trade in log.trades:
        market, at_s = trade.market_id, moment_s(trade.timestamp_ms)
        symbol, legs = SYMBOLS[market], _legs_of(trade)
        is_held = held[market, A] or held[market, B] not in (0, first_b_lots)
        is_strange = all(order in strangers for order, _ in legs.values())
        is_away = symbol != goes_to and not any(
            end_s > at_s for start_s, end_s in at_work.get(symbol, ())
        )
        if legs and is_strange and is_away and not is_held:
            found.add(seq)
            continue
        for account, (_, lots) in legs.items():
            held[market, account] += lots
    return frozenset(found)


def lots_aside(log: Logged, aside: Container[int], market: int) -> int:
    """Return what such trades sum up to in a market, on A and B together."""
    sums = (
        sum(lots for _, lots in _legs_of(trade).values())
        for seq, _, trade in log.trades
        if seq in aside and trade.market_id == market
    )
    return sum(sums)


def _legs_of(trade: Trade) -> Mapping[int, tuple[int, int]]:
    """Return order and signed lots of A and B in a trade."""
    sides = (
        (trade.bid_account_index, trade.bid_order_index, trade.lots),
        (trade.ask_account_index, trade.ask_order_index, -trade.lots),
    )
    return {who: (order, lots) for who, order, lots in sides if who in (A, B)}


def _at_work(turns: Iterable[Turn]) -> dict[str, list[tuple[float, float]]]:
    """Return from when to when processes of the pair were at work, by market."""
    spans, running = dict[str, list[tuple[float, float]]](), dict[str, Turn]()
    for turn in turns:
        begun = running.get(turn.name)
        if turn.what == "started":
            running[turn.name] = turn
        elif begun is not None and turn.what.startswith(_OVER):
            spans.setdefault(begun.market, []).append((begun.at_s, turn.at_s))
            del running[turn.name]
    for begun in running.values():
        spans.setdefault(begun.market, []).append((begun.at_s, float("inf")))
    return spans
