"""What B says of itself in Redis: heartbeat, ledger, position, the last neutral moment."""

from hedge.bus.port import StateSnapshot
from hedge.core.amounts import MICROS, MarketSpec
from hedge.core.book import Book
from hedge.core.hedger import step as hedger
from hedge.core.hedger.alarms import away_text, unseen_text
from hedge.core.hedger.rules import gives_lots, hold_of, obstacles
from hedge.core.hedger.state import (
    IN_FLIGHT,
    PROVEN_PHASES,
    Closing,
    HedgerState,
    Phase,
    PublishFailure,
)
from hedge.core.hedger.watch import Stand
from hedge.core.transitions import ACTIVE, Facts
from hedge.daemon.advice import advice_for
from hedge.daemon.context import Parts
from hedge.daemon.host_os import commands_for
from hedge.exchange.nonce_watch import KEY_SHARED
from hedge.exchange.port import AccountView
from hedge.wire.codec import MessageRefusedError
from hedge.wire.messages import BHedgeFailed
from hedge.wire.state import Ledger, Neutral, PositionState, Ready, Standby

FRACTION = 10_000


def why_unready(
    state: HedgerState,
    mark_ticks: int | None,
    market_status: str = ACTIVE,
    now_ms: int = 0,
    *,
    is_answering: bool = True,
    margin_why: str = "",
    facts: Facts | None = None,
) -> tuple[str, ...]:
    """Return what keeps B from hedging; never A's state, a debt or an order in flight.

    Nor the margin: reducing needs none, and `can_hedge` tells A how much more it may open. An A
    that is silent while the exchange does not show its position either (at `now_ms`, monotonic) is
    one that B cannot hedge. `is_answering`: no ping to the exchange is open for seconds.
    With less than the reserve of the volume quota B hedges on, but A is not to open; nor where
    `margin_why` says that our room is not known. `facts` are those of now, made of the other
    arguments where they are left out.
    """
    reasons = []
    if state.halt_reason:
        reasons.append(f"halted: {state.halt_reason}")
    elif state.phase is Phase.STOPPING or state.stop_by_ms is not None:
        reasons.append("stopping")
    elif state.phase not in PROVEN_PHASES:
        reasons.append("own book not proven yet")
    if facts is None:
        facts = Facts(now_ms=0, mark_ticks=mark_ticks, market_status=market_status)
    reasons += [hold.detail for hold in obstacles(state, facts)]
    reasons += [why for why in (facts.low_quota, margin_why) if why]
    reasons += _by_the_link(state, is_answering=is_answering)
    if state.failure is not None:
        reasons.append(f"hedging fails: {state.failure.reason}")
    if state.unseen is not None and (unseen := unseen_text(state, now_ms)):
        reasons.append(unseen)
    return (*reasons, *_by_a_person(state))


def notices_of(state: HedgerState, facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return why B trades nothing though it may owe, a clock that is off, and that A is away."""
    hold, away = hold_of(state, facts), away_text(state, facts.now_ms)
    found = [] if hold is None else [(hold.reason, hold.detail)]
    shared = [(KEY_SHARED, facts.shared_key)] if facts.shared_key else []
    away_notice = [("a_away", away)] if away else []
    return tuple(dict([*facts.clock_notice, *found, *shared, *away_notice]).items())


def _by_the_link(state: HedgerState, *, is_answering: bool) -> list[str]:
    """Return what our way to the exchange keeps us from, beside streams that are down."""
    reasons = []
    if state.streams_up and not is_answering:
        reasons.append("the exchange does not answer")
    if state.inflight is not None and state.inflight.overdue:
        reasons.append("the fate of an order of B is open for too long")
    return reasons


def _by_a_person(state: HedgerState) -> list[str]:
    reasons = []
    if state.manual_lots:
        reasons.append("fills published by hand are open (publish the opposite, or flatten)")
    if state.closing is Closing.ALONE and not state.halt_reason:
        reasons.append("closing alone, by a person's order")
    return reasons


def why_not_closing(state: HedgerState, mark_ticks: int | None) -> str:
    """Return what keeps B from following A and closing its own rest, "" where nothing does."""
    if state.halt_reason:
        return f"B is halted ({state.halt_reason}) and trades nothing"
    if state.phase not in PROVEN_PHASES or not state.streams_up:
        return "B's book is not proven"
    if mark_ticks is None:
        return "B has no market data"
    return ""


def margin_lots(
    spec: MarketSpec,
    available_micros: int | None,
    mark_ticks: int | None,
    own_fraction: int = 0,
) -> int | None:
    """Return how much exposure the available margin could still take on, None while unknown.

    `own_fraction` (1e-4) is what the account's own leverage asks: at 1x all of a position's value.
    """
    if available_micros is None or mark_ticks is None:
        return None
    scale: int = 10 ** (spec.size_decimals + spec.price_decimals) * FRACTION
    cost = mark_ticks * max(spec.initial_margin_fraction, own_fraction) * MICROS
    return max(0, available_micros) * scale // cost


def margin_why(account: AccountView | None, available_micros: int | None, symbol: str) -> str:
    """Return why our room for opening orders is not known; "" where it is."""
    if account is not None and account.is_isolated:
        return f"account B has isolated margin in {symbol}: set it to cross margin on Lighter"
    return "" if available_micros is not None else "own free margin is not known yet"


def ledger_of(parts: Parts, state: HedgerState, reasons: tuple[str, ...]) -> Ledger:
    """Return B's answer; while A is unknown, or has traded since, it answers nothing."""
    known = hedger.answerable(state)
    return Ledger(
        chain_id=parts.scope.chain_id,
        account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        instance=parts.instance,
        a_instance=known.instance if known else None,
        a_seq=known.seq if known else None,
        a_position_lots=known.position_lots if known else None,
        owed_lots=hedger.owed_lots(state) if known else None,
        dust_lots=state.dust_lots,
        manual_lots=state.manual_lots,
        inflight=state.phase in IN_FLIGHT,
        yields=_yields(state) if known else False,
        rest_lots=gives_lots(state) if known else None,
        failed=state.failure.reason if state.failure else None,
        reasons=reasons,
        timestamp=parts.epoch_s,
    )


def _yields(state: HedgerState) -> bool:
    """Whether B leaves what it owes to A: nothing of it is in flight, or in doubt."""
    return state.debt is not None and state.debt.yields and state.phase not in IN_FLIGHT


def beat_of(
    parts: Parts,
    state: HedgerState,
    reasons: tuple[str, ...],
    can_hedge_lots: int | None,
    *,
    has_left: bool = False,
    notices: tuple[tuple[str, str], ...] = (),
) -> Ready:
    """Return B's heartbeat; `has_left`: this is its last word."""
    known = hedger.a_view(state) if hedger.target_known(state) else None
    is_proven = state.phase in PROVEN_PHASES or has_left
    is_shown = is_proven and state.streams_up and state.own_shown and state.consistent
    return Ready(
        side="b",
        ready=not reasons,
        reasons=reasons,
        state=state.phase.value,
        instance=parts.instance,
        can_hedge_lots=can_hedge_lots,
        version=parts.version,
        chain_id=parts.scope.chain_id,
        a_account_index=parts.scope.account_a,
        b_account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        market=parts.spec.symbol,
        offset_lots=state.config.offset_lots,
        timestamp=parts.epoch_s,
        position_lots=state.net_lots,
        a_position_lots=known.position_lots if known else covered_by_stop(state, has_left),
        seq=known.seq if known and known.instance else None,
        proven=is_proven,
        shown=is_shown,
        unheard_s=None if is_shown else parts.unheard_s,
        leaving=state.stop_by_ms is not None,
        left=has_left,
        notices=notices,
    )


def covered_by_stop(state: HedgerState, has_left: bool) -> int | None:  # noqa: FBT001
    """Return A's position that a B which has left covers, None before that, or where unknown.

    A B that has left answers A's last position by its own.
    """
    if not has_left or state.net_lots is None:
        return None
    if hedger.is_flat_by_order(state):
        return 0
    return state.config.offset_lots - state.net_lots - state.dust_lots


def mismatch_of(parts: Parts, state: HedgerState, ready_a: Ready | None) -> str:
    """Return how A's heartbeat contradicts our configuration, "" where it does not.

    While A says nothing its last word stands.
    """
    if ready_a is None:
        return state.mismatch
    return "; ".join(beat_of(parts, state, (), None).disagreements(ready_a))


def standby_of(parts: Parts, *, warm: bool) -> Standby:
    """Return the heartbeat of a B that waits for the lease."""
    return Standby(
        side="b",
        instance=parts.instance,
        host=parts.host.host_id,
        warm=warm,
        version=parts.version,
        timestamp=parts.epoch_s,
    )


def position_of(
    parts: Parts, state: HedgerState, book: Book | None, seq: int
) -> PositionState | None:
    """Return B's position, None before the book is proven."""
    if book is None or state.net_lots is None:
        return None
    return PositionState(
        chain_id=parts.scope.chain_id,
        account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        instance=parts.instance,
        seq=seq,
        position_lots=state.net_lots,
        floor_trade_id=book.floor_trade_id,
        last_trade_id=state.last_trade_id,
        timestamp=parts.epoch_s,
    )


def neutral_of(parts: Parts, state: HedgerState) -> Neutral | None:
    """Return the record of this moment if nothing is in flight and owed, else None."""
    known = hedger.a_view(state) if hedger.target_known(state) else None
    if known is None or state.phase in IN_FLIGHT or state.manual_lots or hedger.closes_own(state):
        return None
    if not (state.a_shown and state.own_shown) or state.a_elsewhere:
        return None
    if not hedger.is_view_confirmed(state):
        return None
    if hedger.owed_lots(state) != 0:
        return None
    return Neutral(
        chain_id=parts.scope.chain_id,
        a_account_index=parts.scope.account_a,
        b_account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        a_position_lots=known.position_lots,
        b_position_lots=state.net_lots or 0,
        a_trade_id=known.last_trade_id,
        b_trade_id=state.last_trade_id,
        timestamp=parts.epoch_s,
    )


def failure_of(parts: Parts, state: HedgerState, effect: PublishFailure) -> BHedgeFailed:
    """Return the failure message; its detail asks a person for what helps, in plain words."""
    failure = effect.failure
    detail = (
        f"{failure_text(parts, effect)}. {advice_for(failure.reason)}, then"
        f" {commands_for(parts.config.file).resume}."
    )
    return BHedgeFailed(
        account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        reason=failure.reason,
        detail=detail,
        attempts=effect.attempts,
        owed_lots=effect.owed_lots,
        rest_lots=effect.rest_lots,
        a_seq=state.a.seq if state.a and state.a_fresh else None,
        timestamp=parts.epoch_s,
        chain_id=parts.scope.chain_id,
    )


def failure_text(parts: Parts, effect: PublishFailure) -> str:
    """Return what failed and why, without what to do about it."""
    failure, spec = effect.failure, parts.spec
    what = _what_failed(spec, effect)
    text = f"{what}: {failure.reason} ({failure.detail})"
    if effect.rest_lots is None or effect.owed_lots is None:
        return text
    rest, part = abs(effect.rest_lots), abs(effect.owed_lots) - abs(effect.rest_lots)
    hedges = f"B hedges {spec.base(part)} of it; " if part else ""
    return f"{text}; {hedges}{spec.base(rest)} {spec.symbol} stay naked, and A reduces itself by it"


def _what_failed(spec: MarketSpec, effect: PublishFailure) -> str:
    order, owed_lots = effect.doubted, effect.owed_lots
    if order is not None:
        size = f"{spec.base(order.lots)} {spec.symbol}"
        return f"B does not know what became of its order to {order.side.value} {size}"
    if owed_lots is None:
        return "B cannot trade, and what it owes is unknown"
    return f"B could not hedge {spec.base(abs(owed_lots))} {spec.symbol}"


def bases_of(snapshot: StateSnapshot | None, neutral: "NeutralKeeper") -> tuple[Stand, ...]:
    """Return all that is on record of A's position: its own last word, and neutral moments."""
    seen = snapshot.position_a if snapshot else None
    own = (Stand(seen.position_lots, seen.last_trade_id),) if seen else ()
    return (*own, *neutral.stands(snapshot.neutral if snapshot else None))


class NeutralKeeper:
    """Keeps the last neutral moment in the host's file; Redis has a copy."""

    def __init__(self, parts: Parts) -> None:
        """Know of none yet."""
        self._parts = parts
        self._name = f"neutral-{parts.spec.market_index}"
        self._last: Neutral | None = None
        self._saved: Neutral | None = None

    def note(self, neutral: Neutral | None) -> None:
        """Take a neutral moment."""
        if neutral is not None:
            self._last = neutral

    def save(self) -> None:
        """Write the last one down, if its positions have changed since."""
        if self._last is None:
            return
        if self._saved is not None and self._last.b_trade_id == self._saved.b_trade_id:
            return
        self._saved = self._last
        seal = self._parts.scope.seal(self._parts.names.neutral)
        text = self._last.to_json(self._parts.spec, seal)
        self._parts.host.write(self._name, {"neutral": text})

    def explains(self, in_redis: Neutral | None, offset_lots: int) -> bool:
        """Whether the pair was neutral at this offset: then a debt comes from trades since."""
        known = self._last or in_redis or self._from_file()
        if known is None:
            return False
        return known.a_position_lots + known.b_position_lots == offset_lots

    def stands(self, in_redis: Neutral | None) -> tuple[Stand, ...]:
        """Return A's position in each neutral moment that is known."""
        known = (self._last or self._from_file(), in_redis)
        return tuple(Stand(one.a_position_lots, one.a_trade_id) for one in known if one)

    def _from_file(self) -> Neutral | None:
        kept = self._parts.host.read(self._name)
        if kept is None:
            return None
        scope = self._parts.scope
        limits = scope.limits_a(self._parts.names.neutral)
        try:
            return Neutral.from_host_file(str(kept["neutral"]), scope.spec, limits)
        except (KeyError, MessageRefusedError):
            self._parts.log.warning("neutral_file_ignored", reason="not readable")
            return None
