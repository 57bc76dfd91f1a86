"""B's answers on their way to Redis: heartbeat, ledger, position and results."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hedge.core.book import Book
from hedge.core.hedger.state import HedgerState
from hedge.core.transitions import Facts
from hedge.daemon.beat_turn import BeatTurn
from hedge.daemon.context import Parts
from hedge.daemon.lease import LeaseKeeper
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import MOST_MESSAGES, Outbox
from hedge.hedger import statements as answers
from hedge.hedger.hedge_record import Courses
from hedge.wire.messages import BFilled
from hedge.wire.state import Ledger, PositionState

_MOST_AT_ONCE = 64
"""So many results go out with one ledger."""


@dataclass(frozen=True)
class AnswerSource:
    """What the answers are made of, as of now."""

    state: Callable[[], HedgerState]
    book: Callable[[], Book | None]
    facts: Callable[[], Facts]
    available_micros: Callable[[], int | None]
    is_answering: Callable[[], bool]
    has_left: Callable[[], bool] = lambda: False
    redis_why: Callable[[], str] = lambda: ""


def room_of(parts: Parts, available_micros: int | None, mark_ticks: int | None) -> int | None:
    """Return how much exposure our free margin could take on, by the account's own leverage.

    None while that is not known, as with isolated margin: then free balance is no measure.
    """
    account, spec = parts.venue.last_account, parts.venue.market_now.spec
    if account is not None and account.is_isolated:
        return None
    fraction = account.margin_fraction if account is not None else 0
    return answers.margin_lots(spec, available_micros, mark_ticks, fraction)


class Answering:
    """Writes while the lease is ours; a standby writes nothing."""

    def __init__(
        self,
        parts: Parts,
        lease: LeaseKeeper,
        outbox: Outbox,
        origin: OriginKeeper,
        courses: Courses,
        now: AnswerSource,
    ) -> None:
        """Have said nothing yet."""
        self._parts = parts
        self._origin = origin
        self._lease = lease
        self._outbox = outbox
        self._courses = courses
        self._now = now
        self._said: Ledger | None = None
        self._said_of: HedgerState | None = None
        self._shown: tuple[str, ...] | None = None
        self._seq = 0
        self._unsent: list[BFilled] = []
        self._turn = BeatTurn(parts.clock, lease)
        self.neutral = answers.NeutralKeeper(parts)

    def traded(self) -> None:
        """Number the next position: B has traded."""
        self._seq += 1

    def forget(self) -> None:
        """Say all again: the lease is new."""
        self._said = None

    def say_what_changed(self, facts: Facts) -> None:
        """Write the ledger when what it says has changed, with the results that came.

        `facts` are those of the step that was made.
        """
        if not self._lease.held:
            return
        state, said, has_results = self._now.state(), self._said, self._courses.has_results
        reasons = self._reasons(facts)
        same = said is not None and state is self._said_of and said.reasons == reasons
        if same and not has_results:
            return
        ledger = answers.ledger_of(self._parts, state, reasons)
        self._said, self._said_of = replace(ledger, timestamp=0), state
        if self._said == said and not has_results:
            return
        self._keep(self._courses.take())
        self._outbox.put_state("ledger", self._write_newest)

    def _keep(self, results: tuple[BFilled, ...]) -> None:
        """Keep results until Redis takes them; of very many the newest."""
        self._unsent += results
        excess = len(self._unsent) - MOST_MESSAGES
        if excess > 0:
            self._parts.log.error("messages_lost", count=excess, kind="results")
            del self._unsent[:excess]

    async def _write_newest(self) -> None:
        """Write the ledger as it is now with the results that wait, some at a time."""
        batch = tuple(self._unsent[:_MOST_AT_ONCE])
        await self._write(self._ledger(), batch, self._position())
        sent = {id(result) for result in batch}
        self._unsent = [result for result in self._unsent if id(result) not in sent]
        if self._unsent:
            self._outbox.put_state("ledger", self._write_newest)

    async def beat(self) -> bool:
        """Write heartbeat, ledger and position; whether we lead, and so did.

        Raises RedisUnreachableError.
        """
        self.neutral.save()
        if not self._lease.held:
            return False
        reasons = self._reasons(self._now.facts())
        if reasons != self._shown:
            self._shown = reasons
            word = "not_ready" if reasons else "ready"
            self._parts.log.info(word, reasons=", ".join(reasons))
        return await self._turn.write(self._write_guarded, self._write_beat)

    async def _write_beat(self) -> None:
        state, facts = self._now.state(), self._now.facts()
        beat = answers.beat_of(
            self._parts,
            state,
            self._reasons(facts),
            facts.room_lots,
            has_left=self._now.has_left(),
            notices=answers.notices_of(state, facts),
        )
        await self._parts.messenger.beat(self._origin.stamped_beat(beat))

    async def _write_guarded(self) -> bool:
        """Write ledger and position; return whether the lease is still ours."""
        if not self._outbox.is_empty:
            return await self._lease.check()
        await self._write(self._ledger(), (), self._position())
        return self._lease.held

    async def _write(
        self, ledger: Ledger, results: tuple[BFilled, ...], position: PositionState | None
    ) -> None:
        neutral = answers.neutral_of(self._parts, self._now.state())
        self.neutral.note(neutral)
        stamped, names = self._origin.stamped, self._parts.names
        answer = await self._parts.messenger.write_ledger(
            stamped(names.ledger, ledger),
            [stamped(names.account_b_filled, result) for result in results],
            neutral=neutral and stamped(names.neutral, neutral),
            position_b=position and stamped(names.position_b, position),
            take_free=False,
        )
        self._lease.require(answer)

    def _ledger(self) -> Ledger:
        reasons = self._reasons(self._now.facts())
        return answers.ledger_of(self._parts, self._now.state(), reasons)

    def _position(self) -> PositionState | None:
        return answers.position_of(self._parts, self._now.state(), self._now.book(), self._seq)

    def _margin_why(self) -> str:
        venue, available = self._parts.venue, self._now.available_micros()
        return answers.margin_why(venue.last_account, available, self._parts.spec.symbol)

    def _reasons(self, facts: Facts) -> tuple[str, ...]:
        """Return what keeps B from hedging, by the facts of now."""
        reasons = answers.why_unready(
            self._now.state(),
            facts.mark_ticks,
            facts.market_status,
            facts.now_ms,
            is_answering=self._now.is_answering(),
            margin_why=self._margin_why(),
            facts=facts,
        )
        why = self._now.redis_why()
        return (*reasons, why) if why else reasons
