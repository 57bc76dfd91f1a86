"""What A says of itself in Redis, and how it reads B's answers."""

from collections.abc import Callable
from dataclasses import replace

from hedge.bus.port import StateSnapshot
from hedge.core import pricing
from hedge.core.holds import Hold
from hedge.core.maker.alarms import away_text
from hedge.core.maker.quoting import PASSING, hold_of, obstacles
from hedge.core.maker.state import LedgerView, MakerState, Peer, Pending, Phase, PublishFill
from hedge.core.maker.unwinding import turn_text
from hedge.core.transitions import Facts
from hedge.daemon.context import Parts
from hedge.daemon.market_facts import facts_of
from hedge.daemon.order_requests import order_life_s
from hedge.wire.codec import VERSION, RefusalCause
from hedge.wire.messages import AFilled
from hedge.wire.names import Names
from hedge.wire.record import Record
from hedge.wire.state import PositionState, Ready, RestingOrder

HALTED = "halted"
"""The state of a B that trades nothing until a person resumes, as its heartbeat names it."""


def is_current(state: MakerState) -> bool:
    """Whether A knows of everything that its account has done by now."""
    is_whole = state.streams_up and state.consistent and state.pending is not Pending.FENCE
    return is_whole and state.own_shown


def position_of(
    parts: Parts,
    state: MakerState,
    floor_trade_id: int,
    *,
    seq: int,
    position_lots: int,
    as_of_s: int,
) -> PositionState:
    """Return A's position as its newest trade left it.

    `as_of_s` (epoch seconds) is when A last knew that nothing else had happened: a state that is
    only written again, by an A that is cut off, must not look newer than a hedge of B.
    """
    return PositionState(
        chain_id=parts.scope.chain_id,
        account_index=parts.scope.account_a,
        market_index=parts.spec.market_index,
        instance=parts.instance,
        seq=seq,
        position_lots=position_lots,
        floor_trade_id=floor_trade_id,
        last_trade_id=state.last_trade_id,
        timestamp=as_of_s,
    )


def fill_of(parts: Parts, effect: PublishFill, last_trade_id: int, frame_ns: int) -> AFilled:
    """Return the message of one trade; `last_trade_id` is the newest one in A's position."""
    trade = effect.trade
    return AFilled(
        account_index=parts.scope.account_a,
        market_index=parts.spec.market_index,
        order_index=trade.order_index,
        filled_lots=trade.size_lots,
        quote_micros=trade.quote_micros,
        avg_price_micros=pricing.ticks_to_micros(trade.price_ticks, parts.spec),
        timestamp=trade.time_ms // 1000,
        side=trade.side,
        instance=parts.instance,
        seq=effect.seq,
        position_lots=effect.position_lots,
        chain_id=parts.scope.chain_id,
        trade_id=trade.trade_id,
        client_order_index=trade.client_order_index,
        last_trade_id=max(last_trade_id, trade.trade_id),
        frame_ns=frame_ns,
        published_ns=parts.clock.mono_ns(),
    )


def with_position(fill: AFilled, position: PositionState) -> AFilled:
    """Return a fill that comes late, with A's position of now in place of the one after it."""
    return replace(
        fill,
        seq=position.seq,
        position_lots=position.position_lots,
        last_trade_id=max(position.last_trade_id, fill.trade_id or 0),
    )


def beat_of(
    parts: Parts,
    state: MakerState,
    facts: Facts | None = None,
    *,
    is_proven: bool = False,
    has_left: bool = False,
    confirmed_ms: int | None = None,
) -> Ready:
    """Return A's heartbeat, by the facts of the moment.

    `is_proven`: the book was proven after this epoch's fence; `has_left`: this is its last word;
    `confirmed_ms` (monotonic): up to when an answer of the exchange has listed all its trades.
    """
    facts = facts_of(parts) if facts is None else facts
    hold = hold_of(state, facts)
    reasons = why_unready(state, facts, hold)
    is_shown = is_proven and is_current(state)
    return Ready(
        side="a",
        ready=not reasons,
        reasons=reasons,
        state=state.phase.value,
        instance=parts.instance,
        can_hedge_lots=None,
        version=parts.version,
        chain_id=parts.scope.chain_id,
        a_account_index=parts.scope.account_a,
        b_account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        market=parts.spec.symbol,
        offset_lots=parts.spec.lots(parts.config.strategy.offset_base_amount),
        timestamp=parts.epoch_s,
        position_lots=None if state.implausible else state.net_lots,
        seq=state.seq if state.net_lots is not None else None,
        proven=is_proven,
        shown=is_shown,
        unheard_s=None if is_shown else parts.unheard_s,
        leaving=state.stop_by_ms is not None,
        left=has_left,
        resting=resting_of(parts, state),
        unanswered=unanswered_of(state),
        quantity_lots=state.config.quantity_lots,
        order_life_s=order_life_s(parts.config),
        is_open=not state.consistent,
        confirmed_to=None if confirmed_ms is None else facts.dated(confirmed_ms),
        raised_at=None if state.raised_ms is None else facts.dated(state.raised_ms),
        acting=state.order is not None and state.order.unwinds,
        nored=state.nored or state.phase is Phase.STOPPING or not state.config.reduces,
        force_close_ms=state.config.force_close_ms,
        notices=notices_of(state, facts, hold),
    )


def why_unready(state: MakerState, facts: Facts, hold: Hold | None) -> tuple[str, ...]:
    """Return what keeps A from its work, in words; what each round has for a moment aside.

    `hold` is why A has no order in the book.
    """
    found = [
        "B is not ready" if hold.reason == "b_not_ready" else hold.detail
        for hold in obstacles(state, facts)
        if hold.reason not in PASSING
    ]
    if not found and hold is not None and hold.reason not in PASSING:
        found.append(hold.detail)
    return tuple(found)


def notices_of(state: MakerState, facts: Facts, hold: Hold | None) -> tuple[tuple[str, str], ...]:
    """Return why no order rests, a clock that is off, and that B is away while anything is open."""
    away = away_text(state, facts.now_ms)
    found = [] if hold is None else [(hold.reason, hold.detail)]
    if turn := turn_text(state):
        found.append(("nored" if state.nored else "acting", turn))
    away_notice = [("b_away", away)] if away else []
    return tuple(dict([*facts.clock_notice, *found, *away_notice]).items())


def resting_of(parts: Parts, state: MakerState) -> tuple[RestingOrder, ...]:
    """Return the order that rests, or that ended while its trades are not all known.

    While its price is being changed it stands there twice: at either price.
    """
    order = state.order
    if order is None:
        return ()
    age_ms = parts.clock.now_ms() - order.sent_ms
    return tuple(
        RestingOrder(
            client_order_index=order.client_order_index,
            side=order.side,
            price_micros=pricing.ticks_to_micros(price_ticks, parts.spec),
            remaining_lots=max(0, order.lots - order.filled_lots),
            ends_at=max(0, parts.clock.epoch_ms() - age_ms + order_life_s(parts.config) * 1000),
        )
        for price_ticks in order.prices
    )


def unanswered_of(state: MakerState) -> tuple[int, ...]:
    """Return the order of which the exchange has shown nothing yet."""
    order = state.order
    return (order.client_order_index,) if order is not None and order.row is None else ()


_REFUSED = {
    RefusalCause.OTHER_MARKET: "B is at work in another market than A",
    RefusalCause.OTHER_ACCOUNT: "B is at work for another account A",
    RefusalCause.BAD_SIGNATURE: "B's heartbeat is not signed with A's shared_secret",
}


def _why_unheard(snapshot: StateSnapshot, names: Names) -> str:
    """Return why there is no heartbeat of B to go by; one that is refused is there all the same."""
    if snapshot.version_b is not None:
        return f"B writes messages of version {snapshot.version_b}, not {VERSION}"
    cause = snapshot.refused.get(names.ready_b)
    if cause is None:
        return "no heartbeat of B"
    return _REFUSED.get(cause, f"B's heartbeat cannot be used: {cause.value}")


def peer_of(
    snapshot: StateSnapshot,
    own: Ready,
    names: Names,
    fresh_until: Callable[[str, Record | None], int | None],
) -> Peer:
    """Return B as Redis shows it: a mismatch of the two configurations is not ready.

    Nor is a heartbeat that does not answer one of ours of the last seconds. `fresh_until` says
    until when (monotonic ms) a value under a name is fresh, None where it is not.
    """
    beat, ledger = snapshot.ready_b, snapshot.ledger
    stated = beat or snapshot.other_b
    differs: tuple[str, ...] = () if stated is None else own.disagreements(stated)
    beat_until_ms = fresh_until(names.ready_b, beat)
    ledger_until_ms = fresh_until(names.ledger, ledger)
    if beat is None:
        reasons: tuple[str, ...] = differs or (_why_unheard(snapshot, names),)
    else:
        reasons = differs or (() if beat.ready else beat.reasons)
        if not reasons and beat_until_ms is None:
            reasons = ("B does not answer our heartbeats yet",)
    answers = (
        ledger is not None
        and ledger_until_ms is not None
        and not differs  # it counts to another sum
        and ledger.a_instance is not None
        and ledger.a_seq is not None
        and ledger.a_position_lots is not None
        and ledger.owed_lots is not None
    )
    view = None
    if answers and ledger is not None:
        view = LedgerView(
            a_instance=ledger.a_instance or "",
            a_seq=ledger.a_seq or 0,
            a_position_lots=ledger.a_position_lots or 0,
            owed_lots=ledger.owed_lots or 0,
            dust_lots=ledger.dust_lots,
            inflight=ledger.inflight,
            fresh_until_ms=ledger_until_ms,
            manual_lots=ledger.manual_lots,
            yields=ledger.yields,
            gives=ledger.rest_lots is not None,
        )
    return Peer(
        ready=not reasons,
        reasons=reasons,
        can_hedge_lots=beat.can_hedge_lots if beat else None,
        alive=beat_until_ms is not None,
        ledger=view,
        fresh_until_ms=beat_until_ms,
        leaving=beat is not None and beat.leaving,
        left_covering_lots=beat.a_position_lots if beat_until_ms and beat and beat.left else None,
        halted=beat is not None and beat.state == HALTED,
    )


def open_points(parts: Parts, state: MakerState) -> tuple[str, ...]:
    """Return what a stopping A waits for, in words."""
    found = []
    order = state.order
    if order is not None:
        size, price = (
            parts.base(order.lots - order.filled_lots),
            parts.spec.price(order.price_ticks),
        )
        found.append(
            f"the end of A's order to {order.side.value} {size} at {price} is not confirmed"
            f" (id {order.client_order_index}): it may still fill"
        )
    if state.pending is Pending.FENCE or state.nonce is None:
        found.append("A's cancel-all and marker are not listed yet: an order of it may rest")
    if state.unsaid:
        found.append("a fill of A is not published yet")
    if state.uncovered_ms is not None:
        why = "" if state.redis_up else f", as far as A knows: {state.redis_why}"
        found.append(f"B has not covered A's position of {parts.base(state.net_lots)}{why}")
    return tuple(found) or ("B has not answered A's newest state yet",)


def why_not_closing(state: MakerState, facts: Facts, *, alone: bool) -> str:
    """Return what keeps A from closing its position now, "" where nothing does.

    `alone`: whether B need not follow. A halt is no reason.
    """
    if state.phase is Phase.STOPPING:
        return "A is stopping"
    if state.nonce is None or not state.streams_up:
        return "A's book is not proven"
    if facts.mark_ticks is None:
        return "A has no market data"
    if not alone and not state.peer.ready:
        return f"B cannot follow: {', '.join(state.peer.reasons) or 'not ready'}"
    return ""
