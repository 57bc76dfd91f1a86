"""The lease of our account and API key: who may sign with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hedge.bus.port import LeaseAnswer
from hedge.daemon.context import Parts
from hedge.errors import AlreadyRunningError, RedisUnreachableError


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
        self.held = False

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
        if not self.held:
            answer = await messenger.acquire_lease(key)
            self._refusal = None
            if answer.held:
                self.held, self._doubted = True, False
                self._parts.log.info("lease_taken", took_over=answer.took_over)
                self._handlers.taken(answer)
            else:
                self._handlers.refused(answer)

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
