"""The running exchange: one engine, its clock, its timer, and who hears of its events.

Everything runs on one event loop. `submit` only admits a transaction; `pump` does what is due,
hands the events to the listener and sets the timer for the next due moment. Callers write their
answer between the two (`pump_soon`), so that an answer always precedes the frames it causes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, Protocol

from paper.apierror import INTERNAL, ApiError
from paper.engine import Engine, TxRejected
from paper.eventlog import EventLog
from paper.market import seed_ladder
from paper.plans import Plan
from paper.quota import VolumeQuota
from paper.records import Accepted, EngineEvent, OrderChanged, TradeHappened

logger = logging.getLogger(__name__)

MIN_TIMER_S: Final = 0.0005
RETRY_S: Final = 1.0

Listener = Callable[[list[EngineEvent]], None]


class Market(Protocol):
    """A synthetic market that moves the engine."""

    def step(self, engine: Engine, now_ms: int) -> None:
        """Do the steps that are due at `now_ms`."""
        ...

    def next_due_ms(self) -> int | None:
        """Return when the next step is due (epoch ms)."""
        ...

    def move(self, market_id: int, price_ticks: int) -> None:
        """Go to another price."""
        ...


class Decided(Protocol):
    """What is to become of one transaction, decided at acceptance."""

    @property
    def plan(self) -> Plan:
        """How it will execute."""
        ...

    def fire(self) -> None:
        """Hear that the transaction was accepted."""
        ...


Planner = Callable[[int, str | dict[str, Any], int], Decided | None]
"""Decides about a transaction (type, fields) at a time (epoch ms)."""


def plan_in(decided: Decided | None) -> Plan | None:
    """Return the plan of what was decided, if anything was."""
    return None if decided is None else decided.plan


class Clock:
    """The exchange's time: the wall clock, moved ahead by the admin."""

    def __init__(self, ahead_ms: int = 0) -> None:
        """Start so far ahead of the wall clock; negative: behind it."""
        self._ahead_ms = ahead_ms

    def now_ms(self) -> int:
        """Return the exchange's time (epoch ms)."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def move_ahead(self, ms: int) -> None:
        """Let `ms` milliseconds pass at once."""
        self._ahead_ms += ms


class Exchange:
    """Drives the engine in real time on the running event loop."""

    def __init__(self, engine: Engine, clock: Clock, market: Market | None) -> None:
        """Take over `engine`, which reads the same `clock`.

        `market` None means that only users and admin calls act.
        """
        self.engine = engine
        self.clock = clock
        self.quota = VolumeQuota()
        self.log = EventLog()
        self.counters: Counter[str] = Counter()
        self.acknowledged: dict[int, int] = {}
        """Notification ids and when their owners acknowledged them (epoch ms)."""
        self.planner: Planner | None = None
        self.market_ids: Collection[int] = frozenset(engine.markets)
        self._market = market
        self._listener: Listener = _ignore
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ms: int | None = None
        self._stopped = False

    def listen(self, listener: Listener) -> None:
        """Hand all further events to `listener`, in order, at the moment they happen."""
        self._listener = listener

    def now_ms(self) -> int:
        """Return the exchange's time (epoch ms)."""
        return self.clock.now_ms()

    def has_account(self, account_index: int) -> bool:
        """Return True when the user account exists."""
        return self.engine.account(account_index) is not None

    def has_key(self, account_index: int, api_key_index: int) -> bool:
        """Return True when the API key is registered."""
        account = self.engine.account(account_index)
        return account is not None and api_key_index in account.api_keys

    def submit(self, tx_type: int, tx_info: str | dict[str, Any], received_ns: int) -> Accepted:
        """Admit one transaction, or raise ApiError with nothing changed.

        `received_ns` is the monotonic time at which its bytes came in. Call `pump` afterwards.
        """
        with self._refusals():
            decided = self._decide(tx_type, tx_info)
            accepted = self.engine.submit(tx_type, tx_info, plan_in(decided))
        self._received([accepted], [decided], received_ns)
        return accepted

    def submit_batch(
        self,
        tx_types: Sequence[int],
        tx_infos: Sequence[str | dict[str, Any]],
        received_ns: int,
    ) -> list[Accepted]:
        """Admit a batch of transactions, or raise ApiError with nothing changed; as `submit`."""
        with self._refusals():
            decided = [self._decide(*pair) for pair in zip(tx_types, tx_infos, strict=False)]
            plans = [plan_in(each) for each in decided]
            accepted = self.engine.submit_batch(tx_types, tx_infos, plans if any(plans) else None)
        self._received(accepted, decided, received_ns)
        return accepted

    def change_tier(self, account_index: int, tier: str) -> None:
        """Change the tier of an account's owner, or raise ApiError with nothing changed."""
        with self._refusals():
            self.engine.change_tier(account_index, tier)
        self.pump()

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what the engine refuses into an ApiError."""
        try:
            yield
        except TxRejected as rejection:
            self.counters["rejected"] += 1
            raise ApiError(rejection.code, rejection.message) from rejection
        except OSError as error:
            message = f"the journal cannot be written: {error.strerror}"
            raise ApiError(INTERNAL, message, http_status=500) from error

    def _decide(self, tx_type: int, tx_info: str | dict[str, Any]) -> Decided | None:
        planner = self.planner
        return None if planner is None else planner(tx_type, tx_info, self.clock.now_ms())

    def _received(
        self, accepted: Sequence[Accepted], decided: Sequence[Decided | None], received_ns: int
    ) -> None:
        for plan in decided:
            if plan is not None:
                plan.fire()
        self.counters["accepted"] += len(accepted)
        for each in accepted:
            self.log.received(each.tx_hash, received_ns)

    def pump_soon(self) -> None:
        """Pump in the next turn of the loop, before any request that is not yet being handled.

        What was written before is on its way by then: an event loop may hold writes back until
        its turn ends, and an answer must not wait for the execution.
        """
        asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Do what is due now, publish the events, and set the timer."""
        if self._stopped:
            return
        earliest_s = MIN_TIMER_S
        try:
            self._advance(self.clock.now_ms())
        except OSError as error:  # the engine is as it was; nothing is lost, only late
            logger.error("the journal cannot be written (%s), trying again", error.strerror)  # noqa: TRY400
            earliest_s = RETRY_S
        events = self.engine.drain_events()
        if events:
            self._count_volume(events)
            self._listener(events)
        self._set_timer(earliest_s)

    def _count_volume(self, events: list[EngineEvent]) -> None:
        for event in events:
            if isinstance(event, TradeHappened):
                trade = event.trade
                for index in {trade.ask_account_index, trade.bid_account_index}:
                    account = self.engine.account(index)
                    if account is not None:
                        self.quota.traded(account.master, trade)

    def quota_left(self, account_index: int) -> int | None:
        """Return what is left of an owner's volume quota; None where it does not bind."""
        account = self.engine.account(account_index)
        if account is None:
            return None
        tier = self.engine.account_tier(account_index).tier.value
        return self.quota.left(account.master, tier)

    def _advance(self, now_ms: int) -> None:
        if self._market is not None:
            due = self._market.next_due_ms()
            if due is None or due <= now_ms:
                self._market.step(self.engine, now_ms)
        self.engine.advance(now_ms)

    def remember(self, events: list[EngineEvent]) -> None:
        """Enter orders and trades of an earlier life into the log, without publishing them."""
        for event in events:
            if isinstance(event, TradeHappened):
                self.log.add_trade(event)
            elif isinstance(event, OrderChanged):
                self.log.add_order(event)

    def move_market(self, market_id: int, price_ticks: int) -> None:
        """Let a whole market go to another price: mark, quotes, and what it runs through."""
        self.engine.set_mark_price(market_id, price_ticks)
        if self._market is not None:
            self._market.move(market_id, price_ticks)
        else:
            seed_ladder(self.engine, market_id)

    def move_ahead(self, ms: int) -> None:
        """Let `ms` milliseconds pass at once and do what has come due."""
        self.clock.move_ahead(ms)
        self._timer_due_ms = None  # its delay was counted on the old time
        self.pump()

    def stop(self) -> None:
        """Do nothing from now on."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, earliest_s: float) -> None:
        dues = [self.engine.next_due_ms()]
        if self._market is not None:
            dues.append(self._market.next_due_ms())
        due = min((due for due in dues if due is not None), default=None)
        if due == self._timer_due_ms and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due_ms = due
        if due is not None:
            delay_s = max((due - self.clock.now_ms()) / 1000, earliest_s)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_due_ms = None
        self.pump()


def _ignore(_: list[EngineEvent]) -> None:
    """Drop events until there is a listener."""
