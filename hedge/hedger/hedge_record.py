"""What one hedge went through: its trades, and when each stage was passed."""

from dataclasses import dataclass, field

from hedge.core import pricing
from hedge.core.book import Book
from hedge.core.hedger.state import HedgerState, InFlight
from hedge.core.records import Trade
from hedge.core.transitions import Outcome
from hedge.daemon.context import Parts
from hedge.exchange import outcome as sent
from hedge.hedger.hedge_cost import OpenFills
from hedge.wire.codec import average_price_micros, bps_text
from hedge.wire.messages import AFilled, BFilled

_SPANS = (
    ("heard_to_signed_ms", "heard", "signed"),
    ("heard_to_sent_ms", "heard", "sent"),
    ("heard_to_accepted_ms", "heard", "accepted"),
    ("heard_to_executed_ms", "heard", "executed"),
    ("heard_to_covered_ms", "heard", "covered"),
)


@dataclass
class Course:
    """One order's trades, and monotonic ns of each stage it passed.

    Stages: `frame` (A's stream told of the fill) and `published` by A's clock; `heard`, `decided`,
    `signed`, `sent`, `accepted`, `executed`, `covered` by B's. Spans never mix the two clocks.
    """

    order: InFlight
    trades: list[Trade] = field(default_factory=list)
    stamps: dict[str, int] = field(default_factory=dict)

    def is_of(self, client_order_index: int) -> bool:
        """Whether this is the course of that order."""
        return self.order.client_order_index == client_order_index

    def span_ms(self, since: str, until: str) -> float | None:
        """Return the time between two stages in ms, None unless both were passed."""
        if since not in self.stamps or until not in self.stamps:
            return None
        return (self.stamps[until] - self.stamps[since]) / 1e6

    def spans(self) -> dict[str, str]:
        """Return the spans for the log line."""
        found = ((word, self.span_ms(since, until)) for word, since, until in _SPANS)
        return {word: f"{span:.2f}" for word, span in found if span is not None}

    @property
    def quote_micros(self) -> int:
        """Quote value of all trades."""
        return sum(trade.quote_micros for trade in self.trades)


class Courses:
    """Follows the order in flight from what was heard to what is published."""

    def __init__(self, parts: Parts) -> None:
        """Follow nothing yet."""
        self._parts = parts
        self._now: Course | None = None
        self._heard: dict[str, int] = {}
        self._results: list[BFilled] = []
        self._fills = OpenFills()

    def saw(self, trades: tuple[Trade, ...]) -> None:
        """Note trades of A that its public stream tells, with their prices."""
        for trade in trades:
            self._fills.filled(trade.trade_id, trade.signed_lots, trade.quote_micros)

    def forget_fills(self) -> None:
        """Forget A's fills that are open: until now another process has hedged them."""
        self._fills.forget()

    def heard(self, at_ns: int, fill: AFilled | None = None) -> None:
        """Note when a fill of A was heard, by its message or otherwise; the next order answers."""
        told = (fill.frame_ns, fill.published_ns) if fill else (None, None)
        stamps = dict(zip(("frame", "published", "heard"), (*told, at_ns), strict=True))
        self._heard = {stage: ns for stage, ns in stamps.items() if ns is not None}
        if fill is not None and fill.trade_id is not None:
            self._fills.filled(fill.trade_id, fill.signed_lots, fill.quote_micros)

    def begin(self, order: InFlight) -> Course:
        """Follow a new order."""
        heard, self._heard = self._heard, {}
        self._now = Course(order, stamps=heard | {"decided": self._parts.clock.mono_ns()})
        return self._now

    def signed(self) -> None:
        """Note that the order is signed."""
        if self._now is not None:
            self._now.stamps["signed"] = self._parts.clock.mono_ns()

    def answered(self, result: sent.Outcome) -> None:
        """Note the venue's answer, and when the order had left."""
        if self._now is not None and isinstance(result, sent.Accepted):
            if result.sent_ns:
                self._now.stamps["sent"] = result.sent_ns
            self._now.stamps["accepted"] = self._parts.clock.mono_ns()

    def traded(self, new: tuple[Trade, ...], received_ns: int) -> None:
        """Note the trades of the order that is followed."""
        for trade in new:
            if self._now is not None and self._now.is_of(trade.client_order_index):
                self._now.trades.append(trade)
                self._now.stamps["executed"] = received_ns

    def report(
        self, state: HedgerState, order: InFlight, book: Book | None, owed: int | None
    ) -> None:
        """Log a settled order, and keep its result for `take`."""
        course = self._now
        if course is None or not course.is_of(order.client_order_index):
            known = book.trades if book else ()
            ours = [t for t in known if t.client_order_index == order.client_order_index]
            course = Course(order, ours)
        course.stamps["covered"] = self._parts.clock.mono_ns()
        traded = sum(trade.size_lots for trade in course.trades)
        value = course.quote_micros if traded == order.filled_lots else 0
        cost = self._fills.hedged(order.side.sign * order.filled_lots, value)
        if owed == 0:
            self._fills.forget()
        result = result_of(self._parts, state, course, order.filled_lots, owed, cost)
        self._results.append(result)
        log_hedged(self._parts, state, course, order.filled_lots, owed, cost)

    def take(self) -> tuple[BFilled, ...]:
        """Return the results that nobody has published yet."""
        results, self._results = tuple(self._results), []
        return results

    @property
    def has_results(self) -> bool:
        """Whether there is a result to publish."""
        return bool(self._results)


def log_sent(parts: Parts, order: InFlight, cap_ticks: int, outcome: Outcome) -> None:
    """Write the line that says what was sent and how the venue answered."""
    why = {"code": outcome.code, "reason": outcome.reason} if outcome.reason else {}
    parts.log.info(
        "hedge_sent",
        side=order.side,
        size=parts.base(order.lots),
        cap=parts.spec.price(cap_ticks),
        attempt=order.attempt,
        nonce=order.nonce,
        outcome=outcome.verdict,
        **why,
    )


def result_of(
    parts: Parts,
    state: HedgerState,
    course: Course,
    filled_lots: int,
    owed: int | None,
    cost_centibps: int | None = None,
) -> BFilled:
    """Return the message that says what the order executed."""
    order, trades = course.order, sorted(course.trades, key=lambda trade: trade.trade_id)
    latency = course.span_ms("heard", "accepted")
    return BFilled(
        account_index=parts.scope.account_b,
        market_index=parts.spec.market_index,
        order_index=trades[0].order_index if trades else 0,
        filled_lots=filled_lots,
        quote_micros=course.quote_micros,
        avg_price_micros=average_price_micros(filled_lots, course.quote_micros, parts.spec),
        timestamp=parts.epoch_s,
        side=order.side,
        client_order_index=order.client_order_index,
        trade_ids=tuple(trade.trade_id for trade in trades),
        a_seq=state.a.seq if state.a and state.a_fresh else None,
        owed_lots=owed,
        attempt=order.attempt,
        latency_ms=None if latency is None else round(latency),
        cost_centibps=cost_centibps,
        chain_id=parts.scope.chain_id,
        stamps=tuple(course.stamps.items()),
    )


def log_hedged(
    parts: Parts,
    state: HedgerState,
    course: Course,
    filled_lots: int,
    owed: int | None,
    cost_centibps: int | None = None,
) -> None:
    """Write the line that says what the order executed, and how fast."""
    average = pricing.average_ticks(course.quote_micros, filled_lots, parts.spec)
    parts.log.info(
        "hedged",
        side=course.order.side.value,
        size=parts.base(filled_lots),
        price=parts.spec.price(average),
        position=parts.base(state.net_lots),
        owed=parts.base(owed),
        attempt=course.order.attempt,
        cost_bps="unknown" if cost_centibps is None else bps_text(cost_centibps),
        **course.spans(),
    )
