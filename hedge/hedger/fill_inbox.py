"""B's ear: which messages of the fill channel count, and as what."""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.bus.port import StateSnapshot
from hedge.core.hedger.state import ATarget, BaselineRead, HedgerState
from hedge.daemon.clock import CLOCK_SLACK_MS
from hedge.daemon.context import Parts
from hedge.errors import RedisUnreachableError
from hedge.hedger.manual_fills import ByHand
from hedge.wire.codec import MessageRefusedError, RefusalCause
from hedge.wire.messages import AFilled
from hedge.wire.state import PositionState

_NOT_OURS = frozenset({RefusalCause.OTHER_ACCOUNT, RefusalCause.OTHER_MARKET})


@dataclass(frozen=True)
class EarHandlers:
    """What the manager does.

    `is_fresh` says whether a message answers one of our newest heartbeats; `target` gets such a
    state of A, `stale` hears of any other. `hand` gets signed lots of a fill published by hand and
    answers with the state after it, None if it was not taken. `say` publishes an event (event,
    reason, detail), `too_large` halts.
    """

    is_fresh: Callable[[AFilled], bool]
    target: Callable[[AFilled, ATarget], None]
    stale: Callable[[], None]
    hand: Callable[[int], HedgerState | None]
    say: Callable[[str, str, str], None]
    too_large: Callable[[str], None]


class Ear:
    """Judges messages; what is refused is counted, said once per cause, and never traded on."""

    def __init__(self, parts: Parts, hand: ByHand, handlers: EarHandlers) -> None:
        """Have heard nothing yet."""
        self._parts = parts
        self._hand = hand
        self._handlers = handlers
        self._limits = parts.scope.limits_a(parts.names.account_a_filled)
        self.refused: dict[RefusalCause, int] = {}

    def hear(self, text: str) -> AFilled | None:
        """Take one message; return a fill published by hand, which `take_by_hand` judges."""
        try:
            fill = AFilled.from_json(text, self._parts.spec, self._limits)
        except MessageRefusedError as error:
            self._refuse(error)
            return None
        if fill.by_hand:
            return fill
        if self._handlers.is_fresh(fill):
            self._handlers.target(fill, target_of_fill(fill))
        else:
            self._parts.log.debug("stale_message", instance=fill.instance, seq=fill.seq)
            self._handlers.stale()
        return None

    def _refuse(self, error: MessageRefusedError) -> None:
        cause = error.cause
        if cause in _NOT_OURS:
            return
        self.refused[cause] = self.refused.get(cause, 0) + 1
        if self.refused[cause] == 1:
            self._parts.log.warning("message_refused", cause=cause, detail=str(error))
            self._handlers.say("message_refused", cause.value, str(error))
        if cause is RefusalCause.POSITION_LIMIT:
            self._handlers.too_large(str(error))

    async def take_by_hand(self, text: str, fill: AFilled) -> None:
        """Take a fill published by hand: only while no A runs, and the same text only once."""
        why = await self._why_not(text)
        if why:
            self._parts.log.warning("hand_refused", reason=why)
            return
        state = self._handlers.hand(fill.signed_lots)
        if state is None:
            self._parts.log.warning("hand_refused", reason="own book not proven yet; try again")
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
