"""Which server the Sentinels call the master, and whether a connection still leads there.

All Sentinels are asked at once, each with a deadline of its own: those that are silent or far away
cost the others nothing. Of different answers the one of the newest fail-over counts.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
from redis.asyncio.connection import AbstractConnection

from hedge.bus.diagnosis import REDIS_PROBLEMS

_LATER_S = 0.25
"""So long after the first usable answer the other Sentinels are still waited for."""


@dataclass(frozen=True, slots=True)
class Named:
    """The master as one Sentinel names it; `epoch` counts the fail-overs."""

    address: tuple[str, int]
    epoch: int


class ParallelSentinel(redis.asyncio.sentinel.Sentinel):
    """Redis-py's manager of Sentinels, which asks all of them at once."""

    named: Named | None = None
    """What was answered last."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's address. Raises MasterNotFoundError where none is named."""
        answers, failures = await self.answers(service_name)
        if not answers:
            text = f"No master found for {service_name!r}"
            if failures:
                text += f" : {', '.join(failures)}"
            raise redis.asyncio.sentinel.MasterNotFoundError(text)
        self.named = max(answers, key=lambda answer: answer.epoch)
        return self.named.address

    async def answers(self, service_name: str) -> tuple[list[Named], list[str]]:
        """Return what the Sentinels answer, and in words what is amiss with the others."""
        tasks = [
            asyncio.create_task(self._ask(one, service_name), name="redis-sentinel")
            for one in self.sentinels
        ]
        try:
            waiting = set(tasks)
            patience_s: float | None = None
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                if any(isinstance(task.result(), Named) for task in done):
                    patience_s = _LATER_S
        finally:
            for task in tasks:
                task.cancel()
            await _ended(tasks)
        said = [task.result() for task in tasks if not task.cancelled()]
        return (
            [answer for answer in said if isinstance(answer, Named)],
            [answer for answer in said if isinstance(answer, str)],
        )

    async def _ask(self, one: Any, service_name: str) -> Named | str | None:
        """Return what one Sentinel says, None where it knows no living master of this name."""
        try:
            masters = await one.sentinel_masters()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return f"{one} - {error!r}"
        state = masters.get(service_name)
        if not state or not self.check_master_state(state, service_name):
            return None
        epoch = state.get("config-epoch", 0)
        return Named((state["ip"], state["port"]), epoch if type(epoch) is int else 0)


async def _ended(tasks: list[asyncio.Task[Any]]) -> None:
    """Return once all have ended, however often this is called off meanwhile."""
    called_off: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait([task for task in tasks if not task.done()])
        except asyncio.CancelledError as error:
            called_off = error
    if called_off is not None:
        raise called_off


class MasterWatch:
    """Whether a connection leads to the server that the Sentinels call the master now."""

    def __init__(self, pool: redis.asyncio.ConnectionPool, deadline_s: float) -> None:
        """Watch for the connections of a pool; without Sentinels there is nothing to watch."""
        manager = getattr(pool, "sentinel_manager", None)
        self._sentinel = manager if isinstance(manager, ParallelSentinel) else None
        self._name: str = getattr(pool, "service_name", "")
        self._deadline_s = deadline_s
        self._epochs: dict[AbstractConnection, int] = {}

    @property
    def is_needed(self) -> bool:
        """Whether Sentinels decide where the master is."""
        return self._sentinel is not None

    def opened(self, connection: AbstractConnection) -> None:
        """Note by which fail-over a connection was opened."""
        if self._sentinel is not None and self._sentinel.named is not None:
            self._epochs = {connection: self._sentinel.named.epoch}

    async def deposed(self, connection: AbstractConnection) -> str:
        """Return in words which other master the Sentinels name; "" while it is this one.

        Where none answers nothing is known, and the connection stays. Different spellings of one
        address are no fail-over: its number has risen then, or every Sentinel names another one.
        """
        if self._sentinel is None:
            return ""
        try:
            async with asyncio.timeout(self._deadline_s):
                answers, _ = await self._sentinel.answers(self._name)
        except REDIS_PROBLEMS:
            return ""
        here = (getattr(connection, "host", ""), getattr(connection, "port", 0))
        other = _other_master(here, self._epochs.get(connection, 0), answers)
        if other is None:
            return ""
        there, was = ("{}:{}".format(*address) for address in (other.address, here))
        return f"the Sentinels name {there} the master of {self._name}, and no longer {was}"


def _other_master(here: tuple[str, int], epoch: int, answers: list[Named]) -> Named | None:
    """Return which master replaced `here`, that was one at fail-over `epoch`; None: it still is."""
    others = [answer for answer in answers if answer.address != here]
    if not others:
        return None
    newest = max(others, key=lambda answer: answer.epoch)
    ours = [answer.epoch for answer in answers if answer.address == here]
    if ours and newest.epoch <= max(epoch, *ours):
        return None
    return newest
