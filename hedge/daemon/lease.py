"""The lease of our account and API key: who may sign with it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from hedge.bus.port import LeaseAnswer
from hedge.core.records import Trade
from hedge.daemon.context import Parts
from hedge.daemon.signers import Signers
from hedge.errors import AlreadyRunningError, RedisUnreachableError
from hedge.wire.codec import MessageRefusedError
from hedge.wire.control import Lease


@dataclass(frozen=True)
class LeaseHandlers:
    """What a manager does: `taken`, `lost` (lapsed or another's), `refused` (another has it)."""

    taken: Callable[[LeaseAnswer], None]
    lost: Callable[[LeaseAnswer], None]
    refused: Callable[[LeaseAnswer], None]


class LeaseKeeper:
    """Takes the lease, prolongs it, and notices that it was ever missing.

    With Redis unreachable its holder goes on: the exchange's nonces are what protects the account.
    So too where Redis reads and takes no writes: then the lease lapses, and none can take it.
    Unless it has seen another process sign with its key: then Redis must say that it leads.
    """

    def __init__(self, parts: Parts, side: str, handlers: LeaseHandlers) -> None:
        """Hold nothing yet."""
        self._parts = parts
        self._side = side
        self._handlers = handlers
        self._doubted = False
        self._silent = False
        self._refusal: RedisUnreachableError | None = None
        self._confirmed_ms: int | None = None
        self._beside_ms: int | None = None
        self._has_led = False
        self.held = False
        self.signers = Signers(parts)
        self.refused: Callable[[MessageRefusedError, str], None] = lambda *_: None
        """Counts a value of Redis that is not the pair's (why, key)."""

    async def run(self) -> None:
        """Keep the lease until cancelled."""
        while True:
            try:
                await self._keep()
            except RedisUnreachableError as error:
                self._refusal = error
                if not self._silent:
                    self._parts.log.warning("lease_unknown", reason=error)
                self._silent = True
            else:
                self._silent = False
                await self._share()
            await self._parts.clock.sleep(self._pause_s())

    def _pause_s(self) -> float:
        """Return how long to wait: who stands by asks more often, to take over without delay."""
        timing = self._parts.config.timing
        return timing.lease_renew_s if self.held else min(timing.lease_renew_s, timing.beat_s)

    async def _keep(self) -> None:
        messenger, key = self._parts.messenger, self._parts.lease
        if self.held:
            answer = await messenger.renew_lease(key)
            if self._only_lapsed(answer):
                # Whether it can be taken shows whether it is lost, or Redis still takes no writes.
                answer = await messenger.acquire_lease(key)
                answer = replace(answer, held=answer.held and not answer.was_free)
            self._refusal = None
            self.judge(answer)
            self._doubted = False
        is_anothers = await self._keep_pair()
        if not self.held and not is_anothers:
            answer = await messenger.acquire_lease(key)
            self._refusal = None
            if answer.held:
                self._parts.sender.nonces.forget()
                self.held = self._has_led = True
                self._doubted = False
                self._parts.log.info("lease_taken", took_over=answer.took_over)
                self._handlers.taken(answer)
            else:
                self._handlers.refused(answer)

    async def _keep_pair(self) -> bool:
        """Hold the accounts and the market for this pair and key; whether another one has them.

        A process that has not led yet waits for a lease's life, in which the value of one that is
        gone lapses; then it raises AlreadyRunningError. One that leads goes on: what stands in
        Redis may be forged, and the exchange's nonces protect the account. Where Redis does not
        answer nothing is known.
        """
        parts = self._parts
        try:
            answer = await parts.messenger.acquire_lease(parts.pair_lease)
        except RedisUnreachableError:
            return False
        holder, now_ms = answer.holder, parts.clock.now_ms()
        # Of one that signs with our own key that key's lease judges, at once.
        own_key = parts.lease.api_key_index
        if answer.held or holder is None or holder.api_key_index in (None, own_key):
            self._beside_ms = None
            return False
        if self._beside_ms is None:
            self._beside_ms = now_ms
            parts.log.warning("beside_another_pair", detail=self._other_words(holder))
        if self._has_led:
            return False
        if now_ms - self._beside_ms > parts.config.timing.lease_ttl_s * 1000:
            raise AlreadyRunningError(self._other_words(holder))
        return True

    def _other_words(self, holder: Lease) -> str:
        parts, own = self._parts, self._parts.config
        accounts = f"accounts {parts.scope.account_a} and {parts.scope.account_b}"
        return (
            f"{accounts} are traded in {parts.spec.symbol} by {_named(holder.pair)} with API key "
            f"{holder.api_key_index}; this is {_named(own.pair)} with API key "
            f"{parts.lease.api_key_index}, and one pair trades them at a time. Stop that one, or "
            "give this one other accounts or another market."
        )

    async def _share(self) -> None:
        """Learn which processes may have signed with our key, and list ours where it is missing."""
        messenger, key = self._parts.messenger, self._parts.lease
        stored: tuple[str, ...] = ()
        with contextlib.suppress(RedisUnreachableError):
            try:
                stored = await messenger.read_instances(key)
            except MessageRefusedError as error:
                self.refused(error, key.instances)
            if (wanted := self.signers.learn(stored)) is not None:
                await messenger.write_instances(key, wanted)

    def has_signed(self, client_order_index: int, at_ms: int) -> bool:
        """Whether an order of this id, traded or ended at a moment (epoch ms), is the pair's."""
        return self.signers.is_ours(
            client_order_index, at_ms, leads=self.held, is_sure=self.is_sure
        )

    def foreign_of(self, trades: tuple[Trade, ...]) -> tuple[int, ...]:
        """Return the ids of trades that are not the pair's, and of those found out since."""
        return self.signers.foreign_of(trades, leads=self.held, is_sure=self.is_sure)

    def judge(self, answer: LeaseAnswer) -> None:
        """Take the lease's answer to any write: step down where it is not ours any more."""
        if answer.held:
            self._confirmed_ms = self._parts.clock.now_ms()
        if answer.held or not self.held:
            return
        if self._only_lapsed(answer):
            return
        self.held = False
        self._parts.log.error("lease_lost", lapsed=answer.was_free)
        self._handlers.lost(answer)

    @property
    def is_sure(self) -> bool:
        """Whether Redis said so shortly ago that the lease is ours that no other can have it."""
        confirmed_ms, life_s = self._confirmed_ms, self._parts.config.timing.lease_ttl_s
        if confirmed_ms is None or not self.held:
            return False
        return self._parts.clock.now_ms() - confirmed_ms < life_s * 500

    def require(self, answer: LeaseAnswer) -> None:
        """Judge the answer to a write. Raises RedisUnreachableError where it waits to be repeated.

        What was guarded by a lease that lapsed was not written, and we go on as its holder.
        """
        self.judge(answer)
        if not answer.held and self.held and self._refusal is not None:
            raise self._refusal

    def _only_lapsed(self, answer: LeaseAnswer) -> bool:
        """Whether the lease is nobody's because Redis has taken no writes of ours.

        `run` finds out whether it takes them now; who is in doubt does not go on until then.
        """
        is_nobodys = answer.was_free and not answer.held
        return is_nobodys and self._refusal is not None and not self._doubted

    async def check(self) -> bool:
        """Ask whether the lease is still ours.

        With Redis unreachable what was known stands, unless it is in doubt: then it is lost.
        """
        try:
            answer = await self._parts.messenger.renew_lease(self._parts.lease)
        except RedisUnreachableError:
            if self._doubted:
                self.judge(LeaseAnswer(held=False))
            return self.held
        self.judge(answer)
        self._doubted = False
        return self.held

    def doubt(self) -> None:
        """Take note that another process signs with our key; `check` settles who leads."""
        self._doubted = True

    async def release(self, *, has_left: bool = False) -> None:
        """Take back at a stop what Redis says of us: heartbeat and lease, or our waiting.

        The heartbeat that says that we left stays until it dies.
        """
        messenger = self._parts.messenger
        try:
            if self.held:
                if not has_left:
                    await messenger.clear_beat(self._side)
                await messenger.release_lease(self._parts.lease)
                await messenger.release_lease(self._parts.pair_lease)
            else:
                await messenger.clear_standby(self._side)
        except RedisUnreachableError as error:
            self._parts.log.warning("lease_not_released", reason=error)

    def is_other_pair(self, answer: LeaseAnswer) -> bool:
        """Whether the holder trades another pair or market with our key: no twin to stand by."""
        config, spec = self._parts.config, self._parts.spec
        return answer.holder is not None and not answer.holder.is_for(
            config.pair, spec.market_index
        )

    def already_running(self, answer: LeaseAnswer) -> AlreadyRunningError:
        """Return the error of a second process."""
        own = self._parts.config.own
        holder = f" (host id {answer.holder.host})" if answer.holder else ""
        if self.is_other_pair(answer):
            holder += " of another pair or market"
        return AlreadyRunningError(
            f"another main_{self._side.upper()}.py{holder} holds the lease of account "
            f"{own.account_index}, API key {own.api_key_index}. Stop it first; its lease ends "
            f"{self._parts.config.timing.lease_ttl_s:g} s after it."
        )


def _named(pair: str | None) -> str:
    return f'the pair "{pair}"' if pair else "a pair without a name"
