"""B's ear: which messages of the fill channel count, and as what."""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.bus.port import StateSnapshot
from hedge.core.freshness import Stale
from hedge.core.hedger.state import ATarget, BaselineRead, HedgerState
from hedge.daemon.clock import CLOCK_SLACK_MS
from hedge.daemon.context import Parts
from hedge.daemon.refusals import BY_HAND
from hedge.errors import RedisUnreachableError
from hedge.hedger.manual_fills import ByHand
from hedge.wire.codec import MessageRefusedError, RefusalCause
from hedge.wire.messages import AFilled
from hedge.wire.state import PositionState


@dataclass(frozen=True)
class EarHandlers:
    """What the manager does.

    `why_stale` says why a message is not fresh, None where it is; `target` gets such a
    state of A, `stale` hears of any other. `hand` gets signed lots of a fill published by hand and
    answers with the state after it, None if it was not taken. `refused` counts what is not acted
    on (cause, channel, detail), `too_large` halts.
    """

    why_stale: Callable[[AFilled], Stale | None]
    target: Callable[[AFilled, ATarget], None]
    stale: Callable[[], None]
    hand: Callable[[int], HedgerState | None]
    refused: Callable[[str, str, str], None]
    too_large: Callable[[str], None]


class Ear:
    """Judges messages; what is refused is counted by its cause, and never traded on."""

    def __init__(self, parts: Parts, hand: ByHand, handlers: EarHandlers) -> None:
        """Have heard nothing yet."""
        self._parts = parts
        self._hand = hand
        self._handlers = handlers
        self._limits = parts.scope.limits_a(parts.names.account_a_filled)
        self._channel = parts.names.account_a_filled

    def hear(self, text: str) -> AFilled | None:
        """Take one message; return a fill published by hand, which `take_by_hand` judges."""
        try:
            fill = AFilled.from_json(text, self._parts.spec, self._limits)
        except MessageRefusedError as error:
            self._refuse(error)
            return None
        if fill.by_hand:
            return fill
        why = self._handlers.why_stale(fill)
        if why is None:
            self._handlers.target(fill, target_of_fill(fill))
        else:
            detail = f"seq {fill.seq} of {fill.instance}: {why.text}"
            self._handlers.refused(why.value, self._channel, detail)
            self._handlers.stale()
        return None

    def _refuse(self, error: MessageRefusedError) -> None:
        self._handlers.refused(error.cause.value, self._channel, str(error))
        if error.cause is RefusalCause.POSITION_LIMIT:
            self._handlers.too_large(str(error))

    async def take_by_hand(self, text: str, fill: AFilled) -> None:
        """Take a fill published by hand: only while no A runs, and the same text only once."""
        why = await self._why_not(text)
        if why:
            self._handlers.refused(BY_HAND, self._channel, why)
            return
        state = self._handlers.hand(fill.signed_lots)
        if state is None:
            why = "own book not proven yet; try again"
            self._handlers.refused(BY_HAND, self._channel, why)
            return
        self._hand.remember(text)
        size = self._parts.base(fill.filled_lots)
        self._parts.log.info("by_hand", side=fill.side, size=size)

    async def _why_not(self, text: str) -> str:
        if self._parts.scope.secret is not None:
            return "a shared secret is set"
        try:
            snapshot = await self._parts.messenger.read_state()
        except RedisUnreachableError as error:
            return str(error)
        if snapshot.lease_a is not None:
            return "an A is running; stop it to test B alone"
        return "this text was counted already" if self._hand.is_known(text) else ""


def target_of_fill(fill: AFilled) -> ATarget:
    """Return the state of A that a fill message carries.

    Its own time is the trade's, not that of the writing: only its `seq` says how new it is.
    """
    return ATarget(
        instance=fill.instance or "",
        seq=fill.seq or 0,
        position_lots=fill.position_lots or 0,
        last_trade_id=fill.last_trade_id or fill.trade_id or 0,
        stamp_s=0,
    )


def target_of_key(position: PositionState) -> ATarget:
    """Return the state of A that its key carries."""
    return ATarget(
        instance=position.instance,
        seq=position.seq,
        position_lots=position.position_lots,
        last_trade_id=position.last_trade_id,
        stamp_s=position.timestamp,
    )


def baseline_of(
    snapshot: StateSnapshot, known: ATarget | None, newest_ms: int, *, is_fresh: bool
) -> BaselineRead:
    """Return what Redis holds of A right after B's book was proven.

    `newest_ms` is when B's newest trade happened (epoch ms): a state that A wrote later is news.
    What stands there counts only where it answers one of our newest heartbeats (`is_fresh`).
    """
    seen, lease = snapshot.position_a, snapshot.lease_a
    if seen is None:
        return BaselineRead(None)
    same = known is None or known.instance == seen.instance
    named = is_fresh and (same if lease is None else lease.instance == seen.instance)
    fresh = seen.timestamp * 1000 > newest_ms + CLOCK_SLACK_MS
    return BaselineRead(target_of_key(seen), named=named, fresh=fresh)
