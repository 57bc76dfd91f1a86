"""When B may leave: only after A, by evidence that nothing of A can fill any more.

B is asked to stop, hedges on, and leaves once it covers A and A has shown that it heard of that and
has no order; or A's last word says that it left; or the exchange's public count of A's open orders
was 0 twice after A fell silent; or the longest life of an order of A is over.
"""

from dataclasses import dataclass

from hedge.core.amounts import Side
from hedge.core.freshness import FRESH_MS

LEADER_BEATS = 2
"""So many heartbeats of the leader, after it was asked to stop, let a standby go."""
SAY_OPEN_MS = 8000
"""After this long a side that was asked to stop says what is open."""


@dataclass(frozen=True, slots=True)
class Resting:
    """An order of A as A's heartbeat shows it: what of it could still fill."""

    client_order_index: int
    side: Side
    remaining_lots: int
    price_ticks: int = 0


@dataclass(frozen=True, slots=True)
class MakerBeat:
    """A as its heartbeat shows it, while that is fresh (until `fresh_until_ms`, monotonic).

    `answers_leaving`: it echoes a beat of ours that said that we leave. `orders` counts what rests
    or may rest, `unanswered` of it those whose fate is open. `resting` are those in the book, and
    `quantity_lots` is the size of its opening orders. `shown`: its book is evidence now.
    `is_open`: a trade contradicts it, so the position may be another than is stated up to `seq`.
    `confirmed_ms` (monotonic): up to when it holds all trades of A by an answer of the exchange.
    `raised_ms` (monotonic): when the newest fill raised what B owes; `acting`: A reduces itself by
    that, `nored`: it does not. `leaving`: it was asked to stop, and begins nothing new.
    """

    epoch: str
    fresh_until_ms: int
    answers_leaving: bool = False
    leaving: bool = False
    proven: bool = False
    shown: bool = False
    left: bool = False
    seq: int | None = None
    position_lots: int | None = None
    orders: int = 0
    unanswered: int = 0
    order_life_ms: int | None = None
    resting: tuple[Resting, ...] = ()
    quantity_lots: int | None = None
    is_open: bool = False
    confirmed_ms: int | None = None
    raised_ms: int | None = None
    acting: bool = False
    nored: bool = False
    force_close_ms: int | None = None

    @property
    def is_past_reducing(self) -> bool:
        """Whether it says that it never reduces itself again, and has no order out that does.

        Who was asked to stop begins nothing new until its end, so that word outlives it.
        """
        return self.leaving and self.nored and not self.acting


@dataclass(frozen=True, slots=True)
class MakerSeen:
    """Event: A's heartbeat was read and is fresh; `epoch` is that of the newest one read."""

    beat: MakerBeat | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class MakerStated:
    """Event: the exchange states A's position, and its open orders where it does (else None).

    `asked_ms` (monotonic) is when it was asked; `newest_trade_id` what the market's newest public
    trade was before that.
    """

    position_lots: int
    open_orders: int | None
    asked_ms: int
    newest_trade_id: int = 0


@dataclass(frozen=True, slots=True)
class LeaderSeen:
    """Event for a standby: the heartbeat of the B that leads, by its epoch and number."""

    epoch: str
    number: int


@dataclass(frozen=True, slots=True)
class Maker:
    """What B knows of A's end; times are monotonic ms.

    `silent_ms`: when A was heard last, or when B took the lease; `spoke_ms`: when a heartbeat said
    last that its book is evidence. `left_lots`: the position that A stated as its last word in this
    run. `read_epoch`: that of the newest heartbeat read, fresh or not; `past_epoch`: the same of an
    A that never reduces itself again, once B knew all that it had reduced. `stated`: the exchange's
    newest statement of A; `empty_ms`: when the first of the statements without an open order was
    asked for, since A fell silent.
    """

    silent_ms: int = 0
    spoke_ms: int = 0
    beat: MakerBeat | None = None
    order_life_ms: int = 330_000
    had_unanswered: bool = False
    left_epoch: str = ""
    left_lots: int | None = None
    read_epoch: str = ""
    past_epoch: str = ""
    force_close_ms: int | None = None
    stated: MakerStated | None = None
    empty_ms: int | None = None
    is_empty_twice: bool = False


@dataclass(frozen=True, slots=True)
class Differs:
    """How long (from `since_ms`, monotonic) and how often the exchange stated another position."""

    position_lots: int
    since_ms: int
    answers: int = 1


def is_heard(maker: Maker, now_ms: int) -> bool:
    """Whether A's newest heartbeat is fresh."""
    return maker.beat is not None and now_ms <= maker.beat.fresh_until_ms


def shown_gone(maker: Maker, view_lag_ms: int, now_ms: int) -> int | None:
    """Return A's position where A is silent and nothing of it can fill; None while it may."""
    stated = maker.stated
    if stated is None or is_heard(maker, now_ms):
        return None
    is_recent = now_ms <= stated.asked_ms + view_lag_ms + 10_000
    over_ms = maker.silent_ms + FRESH_MS + maker.order_life_ms + view_lag_ms
    if is_recent and maker.is_empty_twice and not maker.had_unanswered:
        return stated.position_lots
    return stated.position_lots if stated.asked_ms >= over_ms + view_lag_ms else None
