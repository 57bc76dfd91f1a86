"""The lease of our account and API key: who may sign with it."""

from collections.abc import Callable
from dataclasses import dataclass

from hedge.bus.port import LeaseAnswer
from hedge.errors import AlreadyRunningError, RedisUnreachableError
from hedge.parts import Parts


@dataclass(frozen=True)
class LeaseHandlers:
    """What a manager does: `taken`, `lost` (lapsed or another's), `refused` (another has it)."""

    taken: Callable[[LeaseAnswer], None]
    lost: Callable[[LeaseAnswer], None]
    refused: Callable[[LeaseAnswer], None]


class LeaseKeeper:
    """Takes the lease, prolongs it, and notices that it was ever missing.

    With Redis unreachable its holder goes on: the exchange's nonces are what protects the account.
    """

    def __init__(self, parts: Parts, side: str, handlers: LeaseHandlers) -> None:
        """Hold nothing yet."""
        self._parts = parts
        self._side = side
        self._handlers = handlers
        self.held = False

    async def run(self) -> None:
        """Keep the lease until cancelled."""
        while True:
            try:
                await self._keep()
            except RedisUnreachableError as error:
                self._parts.log.warning("lease_unknown", reason=error)
            await self._parts.clock.sleep(self._parts.config.timing.lease_renew_s)

    async def _keep(self) -> None:
        messenger, key = self._parts.messenger, self._parts.lease
        if self.held:
            self.judge(await messenger.renew_lease(key))
        if not self.held:
            answer = await messenger.acquire_lease(key)
            if answer.held:
                self.held = True
                self._parts.log.info("lease_taken", took_over=answer.took_over)
                self._handlers.taken(answer)
            else:
                self._handlers.refused(answer)

    def judge(self, answer: LeaseAnswer) -> None:
        """Take the lease's answer to any write: step down where it is not ours any more."""
        if answer.held or not self.held:
            return
        self.held = False
        self._parts.log.error("lease_lost", lapsed=answer.was_free)
        self._handlers.lost(answer)

    async def check(self) -> bool:
        """Ask whether the lease is still ours; with Redis unreachable what was known stands."""
        try:
            answer = await self._parts.messenger.renew_lease(self._parts.lease)
        except RedisUnreachableError:
            return self.held
        self.judge(answer)
        return answer.held

    async def release(self) -> None:
        """Give the lease back at a clean stop."""
        if not self.held:
            return
        try:
            await self._parts.messenger.release_lease(self._parts.lease)
        except RedisUnreachableError as error:
            self._parts.log.warning("lease_not_released", reason=error)

    def already_running(self, answer: LeaseAnswer) -> AlreadyRunningError:
        """Return the error of a second process."""
        own = self._parts.config.own
        holder = f" (host id {answer.holder.host})" if answer.holder else ""
        return AlreadyRunningError(
            f"another main_{self._side.upper()}.py{holder} holds the lease of account "
            f"{own.account_index}, API key {own.api_key_index}. Stop it first; its lease ends "
            f"{self._parts.config.timing.lease_ttl_s:g} s after it."
        )
