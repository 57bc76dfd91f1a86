"""Whether a start goes on trying to reach Redis and the exchange, and until when.

A daemon ends where a server does not answer only if it has never reached it with this
configuration and nothing is on record: else a fill may be open that it alone can hedge.
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from hedge.bus.diagnosis import where
from hedge.bus.port import Messenger
from hedge.config.schema import Config
from hedge.daemon.advice import about_this_redis
from hedge.daemon.host_os import commands_for, on_stop_signals
from hedge.daemon.host_store import HostState
from hedge.daemon.logs import Log
from hedge.errors import NotNeutralError, RedisUnreachableError, UnreachableError
from hedge.exchange.lighter.streams.connection import backoff
from hedge.wire.names import LeaseKey

_REACHED = "reached"
T = TypeVar("T")


class Patience:
    """Repeats what does not reach a server, aloud, while something is on record."""

    def __init__(self, config: Config, host: HostState, messenger: Messenger) -> None:
        """Look at nothing yet; `host` is open."""
        self._config = config
        self._host = host
        self._messenger = messenger
        self._log = Log()
        self._told = ""

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, trying again while it must be reached.

        Raises:
            UnreachableError: nothing is on record, and this configuration has never reached both.
            NotNeutralError: a signal asked to stop meanwhile; nothing is known then.

        """
        try:
            return await attempt()
        except UnreachableError as error:
            await self._tell_or_raise(error)
        asked = asyncio.Event()
        timing = self._config.timing
        rng = random.Random()  # noqa: S311  jitter
        with on_stop_signals(asyncio.get_running_loop(), asked.set):
            for pause_s in backoff(rng, timing.ws_retry_min_s, timing.ws_retry_max_s):
                await _pause(asked, pause_s)
                if asked.is_set():
                    break
                try:
                    return await attempt()
                except UnreachableError as error:
                    await self._tell_or_raise(error)
        raise NotNeutralError(
            f"stopped before the start was done, and what is open is not known: {self._told}; see "
            f"{commands_for(self._config.file).status}, and start this side again."
        )

    def keep_reached(self) -> None:
        """Remember that this configuration has reached Redis and the exchange."""
        if self._host.read(_REACHED) != self._addresses:
            self._host.write(_REACHED, self._addresses)

    async def _tell_or_raise(self, error: UnreachableError) -> None:
        """Say that the start goes on trying, and why; raise `error` where nothing calls for it."""
        why = self._of_host() or await self._of_redis()
        if not why:
            raise error
        self._log.warning("start_waits", reason=error, because=why)
        if why != self._told:
            self._told = why
            name = f"main_{self._config.side.upper()}"
            told = about_this_redis(error, self._config.file)
            print(f"{name}: {told} Trying again: {why}.", file=sys.stderr)  # noqa: T201

    def _of_host(self) -> str:
        for name in self._host.names():
            if name.startswith("book-") and (self._host.read(name) or {}).get("position_lots") != 0:
                return f"{self._host.path / name}.json shows a position"
        if self._host.read(_REACHED) == self._addresses:
            return "this configuration has reached both Redis and the exchange before"
        return ""

    async def _of_redis(self) -> str:
        own, config = self._config.own, self._config
        lease = LeaseKey(config.lighter.chain_id, own.account_index, own.api_key_index)
        try:
            return await self._messenger.business(lease)
        except RedisUnreachableError:
            return ""  # then Redis itself is what is waited for, or the host's file decides

    @property
    def _addresses(self) -> Mapping[str, str]:
        return {"redis": where(self._config.redis), "exchange": self._config.lighter.base_url}


async def _pause(asked: asyncio.Event, seconds: float) -> None:
    """Return after `seconds`, or once asked to stop."""
    try:
        async with asyncio.timeout(seconds):
            await asked.wait()
    except TimeoutError:
        return
