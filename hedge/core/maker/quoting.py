"""A's next order, or why it places none: the one place that decides it and the one that says it."""

from collections.abc import Iterator
from dataclasses import dataclass

from hedge.core import pricing
from hedge.core.amounts import MarketSpec, Side, quote_text
from hedge.core.holds import Hold
from hedge.core.maker import pacing
from hedge.core.maker.moves import answer_of_b
from hedge.core.maker.repeats import SAID_AT, ended_words
from hedge.core.maker.state import MakerConfig, MakerState, Pending, Phase, Repeats
from hedge.core.transitions import Facts

BROUGHT_BY_THE_MARKET = frozenset({"market_closed", "below_minimum", "above_quote_limit", "clock"})
"""Holds that may last for days and that nothing of the pair ends: said at once."""

ASKED_FOR = frozenset({"halted", "stopping", "leaving", "position_limit"})
"""Holds that a person or a written limit asked for: they are no alarm."""

PASSING = frozenset({"not_covered", "no_room", "refused_lately"})
"""Holds of an A that is ready: each round has them, for moments."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The order that A's position calls for; a `closing` one ends at once and never rests."""

    side: Side
    lots: int
    price_ticks: int
    closing: bool = False


def is_covered(state: MakerState) -> bool:
    """Whether B's ledger answers exactly our newest state with nothing owed, dust aside."""
    ledger = answer_of_b(state)
    return ledger is not None and not ledger.inflight and ledger.owed_lots in (0, ledger.dust_lots)


def hold_of(state: MakerState, facts: Facts) -> Hold | None:
    """Return why A has no order in the book; None where it has one, or would place one now."""
    if state.order is not None and state.phase not in _RESTS_NOTHING:
        return None
    held = why_not_now(state, facts)
    found = called_for(state, facts) if held is None else held
    return found if isinstance(found, Hold) else None


_RESTS_NOTHING = frozenset({Phase.RECONCILING, Phase.HALTED, Phase.STOPPING})


def why_not_now(state: MakerState, facts: Facts) -> Hold | None:
    """Return what keeps A from placing whatever its position calls for; the gravest reason."""
    return next(obstacles(state, facts), None)


def obstacles(state: MakerState, facts: Facts) -> Iterator[Hold]:
    """Yield everything that keeps A from placing whatever its position calls for."""
    yield from _by_order(state)
    if facts.cannot_sign:
        yield Hold("clock", facts.cannot_sign)
    yield from _by_own_side(state, facts)
    yield from _by_b(state)
    if state.retry_at_ms is not None and facts.now_ms < state.retry_at_ms:
        yield _pause(state, state.retry_at_ms - facts.now_ms)
    if facts.shared_key:
        yield Hold("key_shared", facts.shared_key)
    if not facts.room:
        yield Hold("no_room", "the request budget of this minute is used up")


def _by_order(state: MakerState) -> Iterator[Hold]:
    """Yield what a person, or a halt, holds A back by."""
    if state.phase is Phase.HALTED or state.halt_reason:
        yield Hold("halted", f"halted: {state.halt_reason}")
    if state.phase is Phase.STOPPING or state.stop_by_ms is not None:
        yield Hold("stopping", "stopping")
    if not state.config.places:
        symbol = state.config.spec.symbol
        yield Hold("leaving", f"A only ends what an earlier run left in {symbol}")


def _by_own_side(state: MakerState, facts: Facts) -> Iterator[Hold]:
    """Yield what A does not know, or cannot reach, of its own."""
    if not state.leading:
        yield Hold("no_lease", "another process has A's lease")
    if state.nonce is None:
        yield Hold("book_not_proven", "book not proven yet")
    elif state.pending is Pending.FENCE:
        yield Hold("book_not_proven", "book is being proven anew")
    if not state.streams_up:
        yield Hold("streams_down", facts.streams_down)
    elif not state.answering:
        yield Hold("exchange_silent", "the exchange does not answer")
    if not state.redis_up:
        yield Hold("redis_down", state.redis_why)
    if not state.consistent or state.unsaid:
        yield Hold("book_contradicts", "a trade of A is missing or not published yet")
    if state.nonce is not None and not state.adopted:
        size = state.config.spec.base(state.net_lots or 0)
        detail = f"nothing on record explains A's {size}, and there is no price to judge it by"
        yield Hold("position_unjudged", detail)


def _by_b(state: MakerState) -> Iterator[Hold]:
    if not state.peer.ready and state.redis_up:
        why = ", ".join(state.peer.reasons)
        yield Hold("b_not_ready", f"B is not ready: {why}" if why else "B is not ready")
    if state.phase is not Phase.READY or not is_covered(state):
        yield Hold("not_covered", "B has not covered everything yet")


def _pause(state: MakerState, left_ms: int) -> Hold:
    """Return the pause after an order that the exchange refused, or ended unfilled."""
    repeats = state.repeats or Repeats("", "without a fill", 1)
    detail = ended_words(repeats.word)
    if repeats.times < SAID_AT:
        return Hold("refused_lately", detail)
    again_s = (left_ms + 999) // 1000
    return Hold("refused_again", f"{detail}, {repeats.times} times; the next try in {again_s} s")


def called_for(state: MakerState, facts: Facts) -> Wanted | Hold:
    """Return A's next order, or what the market and the limits have against every one.

    The minimums bind resting orders only (apidocs.lighter.xyz, trading): a position that is too
    small to rest, where the quantity is too, is closed by a reduce-only order that ends at once.
    """
    spec, net = facts.spec or state.config.spec, state.net_lots or 0
    bid, ask = facts.bid_ticks, facts.ask_ticks
    if not facts.is_market_open:
        return Hold("market_closed", f"market {spec.symbol} is {facts.market_status}")
    if facts.book.doubt:
        return Hold("book_stale", facts.book.doubt)
    if bid is None or ask is None:
        return Hold("no_market_data", "no market data")
    quantity = state.config.quantity_lots
    most = pricing.most_lots(spec, ask)
    if net > 0 and spec.can_rest(net, ask):
        ask = pacing.behind(state, facts, Side.SELL, ask)
        # More than the quote limit allows is sold in parts, as long as each of them may rest.
        lots = min(net, pricing.most_lots(spec, ask))
        lots = lots if spec.can_rest(lots, ask) else net
        held = why_not_at(state.config, facts, Side.SELL, lots, ask, is_new=True)
        return held or Wanted(Side.SELL, lots, ask)
    opens = spec.can_rest(quantity, bid)
    # A fall of the price, or a minimum raised since the start, makes no small rest of a position.
    is_whole = not opens or net >= state.config.spec.min_base_lots
    if net > 0 and net != state.dust_lots and is_whole:
        return Wanted(Side.SELL, net, bid, closing=True)
    if not opens or quantity > most:
        return _above_limit(state, spec, bid, most) if opens else _below_minimum(state, spec, bid)
    return _opening(state, facts, quantity, bid)


def _opening(state: MakerState, facts: Facts, lots: int, bid: int) -> Wanted | Hold:
    """Return the order that adds to the position, or what speaks against that alone."""
    if facts.unkept:  # an order without a record could rest unknown to the next start
        return Hold("state_not_written", f"A's records cannot be stored: {facts.unkept}")
    held = _why_not_open(state, (state.net_lots or 0) + lots, facts)
    behind = pacing.behind(state, facts, Side.BUY, bid)
    if (facts.spec or state.config.spec).can_rest(lots, behind):  # else it would be too small there
        bid = behind
    held = held or why_not_at(state.config, facts, Side.BUY, lots, bid, is_new=True)
    return held or Wanted(Side.BUY, lots, bid)


def why_not_at(
    config: MakerConfig, facts: Facts, side: Side, lots: int, price_ticks: int, *, is_new: bool
) -> Hold | None:
    """Return why an order must not rest at a price: what B's hedge of all of it would cost.

    The price is held against what B would get for the whole order now, by the book without our own
    orders, and against mark: a stranger's single order is no market. Where mark is not known
    nothing is opened. A new order keeps a tenth of the allowance, so that it does not come and go.
    """
    spec, depth, hedge_side = facts.spec or config.spec, facts.book, side.opposite
    what = f"a {side.value} of {spec.base(lots)} {spec.symbol} at {spec.price(price_ticks)}"
    hedge = pricing.taken_ticks(depth, hedge_side, lots)
    if hedge is None:
        return Hold("thin_book", f"the order book does not hold enough to hedge {what}")
    allowed = config.max_slippage_bps
    if is_new:
        allowed = allowed * _OF_NEW // _OF_ALL
    at = f"B could hedge {what} at {spec.price(hedge)}"
    if pricing.beyond_bps(price_ticks, hedge, side, allowed):
        most = f"strategy.max_slippage_bps is {config.max_slippage_bps}"
        return Hold("hedge_too_dear", f"{at} only; {most}")
    mark = depth.mark_ticks
    if mark is None:
        return Hold("no_mark_price", "no mark price") if side is Side.BUY else None
    mark_text = f"mark is {spec.price(mark)}"
    # It is rounded down: what it is may be up to a tick more.
    if pricing.beyond_bps(price_ticks, mark + (side is Side.BUY), side, allowed):
        most = f"strategy.max_slippage_bps is {config.max_slippage_bps}"
        return Hold("off_mark", f"{what} is too far from mark: {mark_text}; {most}")
    bound = pricing.bound_ticks(mark, hedge_side, config.max_mark_gap_bps)
    if not pricing.is_inside(hedge, hedge_side, bound):
        most = f"safety.max_mark_gap_bps is {config.max_mark_gap_bps}"
        return Hold("off_mark", f"{at}, too far from mark: {mark_text}; {most}")
    return None


_OF_NEW, _OF_ALL = 9, 10

SHARES = 10**8
"""`requote_share` is in so many parts of the price."""


def tolerance_ticks(config: MakerConfig, price_ticks: int) -> int:
    """Return how far off its level an order may rest.

    Where ticks are large `requote_ticks` would be a large part of the price: never more than
    `max_slippage_bps` of it.
    """
    if config.requote_share is not None:
        return price_ticks * config.requote_share // SHARES
    return min(config.requote_ticks, price_ticks * config.max_slippage_bps // pricing.BPS)


def _below_minimum(state: MakerState, spec: MarketSpec, bid_ticks: int) -> Hold:
    quantity = state.config.quantity_lots
    worth, least = _usdc(spec.quote_micros(quantity, bid_ticks)), _usdc(spec.min_quote_micros)
    detail = (
        f"an order of {spec.base(quantity)} {spec.symbol} is worth {worth} at "
        f"{spec.price(bid_ticks)}; the exchange lets none rest below "
        f"{spec.base(spec.min_base_lots)} {spec.symbol} and {least}"
    )
    if state.net_lots:
        detail += f"; A holds {spec.base(state.net_lots)} {spec.symbol}"
    return Hold("below_minimum", detail)


def _above_limit(state: MakerState, spec: MarketSpec, bid_ticks: int, most: int) -> Hold:
    quantity = state.config.quantity_lots
    worth, limit = _usdc(spec.quote_micros(quantity, bid_ticks)), spec.order_quote_limit_micros
    detail = (
        f"an order of {spec.base(quantity)} {spec.symbol} is worth {worth} at "
        f"{spec.price(bid_ticks)}; the exchange takes none above {_usdc(limit)}"
        f" ({spec.base(most)} {spec.symbol})"
    )
    return Hold("above_quote_limit", detail)


def _usdc(micros: int) -> str:
    return f"{quote_text(micros).rstrip('0').rstrip('.')} USDC"


def _why_not_open(state: MakerState, position_lots: int, facts: Facts) -> Hold | None:
    """Return why A may not open up to this position, None where it may."""
    if facts.clock_off:
        return Hold("clock", facts.clock_off)
    if facts.low_quota:
        return Hold("quota_low", facts.low_quota)
    spec, quantity, room = state.config.spec, state.config.quantity_lots, state.peer.can_hedge_lots
    if room is not None and room < quantity:
        detail = f"B has margin for {spec.base(room)}, an order is {spec.base(quantity)}"
        return Hold("no_margin_of_b", detail)
    limit = state.config.max_position_lots
    if limit is not None and position_lots > limit:
        detail = (
            f"A would hold {spec.base(position_lots)} {spec.symbol}, "
            f"max_position_base_amount is {spec.base(limit)}"
        )
        return Hold("position_limit", detail)
    return None
