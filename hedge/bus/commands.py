"""One connection for commands: pipelined, in order, with one deadline per call."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from hedge.bus.connection import async_pool, close_sentinels, new_connection
from hedge.bus.diagnosis import (
    REDIS_PROBLEMS,
    is_read_only,
    not_connected_yet,
    unreachable,
)
from hedge.bus.masters import MasterWatch
from hedge.bus.replies import (
    Fits,
    are_values,
    fitting,
    is_anything,
    is_number,
    is_ok,
    is_page,
    is_text,
)
from hedge.bus.scripts import SCRIPTS, Script
from hedge.config.schema import RedisConfig, TimingConfig
from hedge.errors import RedisUnreachableError

SCAN_COUNT = 1000
DOUBTED_EVERY_S = 1.0
"""So often are the Sentinels asked about a master that is in doubt."""
_log = logging.getLogger("hedge")


class CommandLink:
    """Sends commands as they come, without waiting for earlier answers, and keeps their order.

    The order matters: an older state must not overwrite a newer one. It connects when needed; a
    call that fails drops the connection, so the calls in flight fail with it and the next one
    connects anew. Nothing is queued and nothing is repeated by itself.

    Opening a connection takes more round trips than a call and has a deadline of its own. A call
    waits for it no longer than for an answer; the opening goes on, and the next call finds it done.

    Where Sentinels say which server is the master they are asked again, beside the calls: a
    connection to one that was deposed is dropped.
    """

    def __init__(
        self, settings: RedisConfig, timing: TimingConfig, *, scripts: tuple[Script, ...] = SCRIPTS
    ) -> None:
        """Prepare; nothing is connected before the first call, which makes `scripts` known."""
        self._scripts = scripts
        self._settings = settings
        self._timing = timing
        self._timeout_s = timing.redis_timeout_s
        self._connection: AbstractConnection | None = None
        self._opening: asyncio.Task[AbstractConnection] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._asked_s = self._ask_s = 0.0
        self._last_turn: asyncio.Event | None = None
        self._refusal: tuple[AbstractConnection, str] | None = None
        """The connection that was given up since its server takes no writes, and its words."""

    @cached_property
    def _pool(self) -> redis.asyncio.ConnectionPool:
        return async_pool(self._settings, self._timeout_s, self._timing.redis_connect_s)

    @cached_property
    def _masters(self) -> MasterWatch:
        return MasterWatch(self._pool, self._timing.redis_connect_s)

    async def open(self) -> None:
        """Connect now, within the deadline of opening. Raises RedisUnreachableError."""
        try:
            await self._connected()
        except REDIS_PROBLEMS as error:
            raise unreachable(self._settings, error) from error

    def doubt_master(self) -> None:
        """Ask the Sentinels soon whether this is the master still; once a second is enough."""
        self._ask_s = min(self._ask_s, self._asked_s + DOUBTED_EVERY_S)

    async def call(self, *command: str | int, fits: Fits = is_anything) -> Any:
        """Run one command and return its answer.

        Raises:
            RedisUnreachableError: no answer in time, no connection, an error as the answer, or
                one that does not fit.

        """
        try:
            return await self._answer(command, fits)
        except REDIS_PROBLEMS as error:
            raise self._trouble(error) from error

    async def run(
        self, script: Script, keys: list[str], arguments: list[str | int], fits: Fits = is_anything
    ) -> Any:
        """Run a script; a server that forgot it gets its text again. Raises as `call`."""
        tail = (len(keys), *keys, *arguments)
        try:
            try:
                return await self._answer(("EVALSHA", script.digest, *tail), fits)
            except redis.exceptions.NoScriptError:
                return await self._answer(("EVAL", script.text, *tail), fits)
        except REDIS_PROBLEMS as error:
            raise self._trouble(error) from error

    # --- the commands that we use; each raises as `call`

    async def publish(self, channel: str, text: str) -> None:
        """Publish a message, whoever hears it."""
        await self.call("PUBLISH", channel, text, fits=is_number)

    async def put(self, key: str, text: str, ttl_s: float) -> None:
        """Write a text that dies by itself."""
        await self.call("SET", key, text, "PX", round(ttl_s * 1000), fits=is_ok)

    async def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        await self.call("DEL", key, fits=is_number)

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        """Return the texts of keys, None for those that are absent or no text."""
        found: list[str | None] = await self.call("MGET", *keys, fits=are_values(len(keys)))
        return found

    async def kind(self, key: str) -> str:
        """Return the type of a key, "none" where it is absent."""
        return str(await self.call("TYPE", key, fits=is_text))

    async def scan(self, cursor: str, pattern: str) -> tuple[str, list[str]]:
        """Return the next cursor, "0" at the end, and keys that match a pattern."""
        page = await self.call("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT, fits=is_page)
        return page[0], page[1]

    async def aclose(self) -> None:
        """Close the connection; a later call would open another."""
        for task in (self._opening, self._asking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)
        await close_sentinels(self._pool)

    def _trouble(self, error: BaseException) -> RedisUnreachableError:
        """Return the sentence for a call that failed: its own reason, not an earlier one."""
        is_opening = self._opening is not None and not self._opening.done()
        if is_opening and isinstance(error, TimeoutError):
            return not_connected_yet(self._settings, self._timeout_s)
        return unreachable(self._settings, error)

    async def _answer(self, command: tuple[str | int, ...], fits: Fits) -> Any:
        """Wait for the connection, then for the answer, each as long as a call may wait at most.

        With one deadline for both a call that has waited for a far Redis would have too little left
        for its own round trip, and end the connection that was just opened.
        """
        async with asyncio.timeout(self._timeout_s):
            connection = await self._connected()
        async with asyncio.timeout(self._timeout_s):
            return await self._call(connection, command, fits)

    async def _call(
        self, connection: AbstractConnection, command: tuple[str | int, ...], fits: Fits
    ) -> Any:
        before, turn = self._last_turn, asyncio.Event()
        self._last_turn = turn
        try:
            # No await between taking a turn and writing the bytes: turns are the order of answers.
            await connection.send_packed_command(
                connection.pack_command(*command), check_health=False
            )
            if before is not None:
                await before.wait()
            self._check_current(connection)
            # One that does not fit ends the connection before the next call reads from it.
            return fitting(await connection.read_response(), fits)
        except redis.ResponseError as error:
            if is_read_only(error):
                self._refusal = connection, str(error)
                await self._drop(connection)  # a demoted master: look for the new one
            raise
        except BaseException as error:
            await self._drop(connection)
            given_up, words = self._refusal or (None, "")
            if given_up is connection and isinstance(error, Exception):
                raise redis.ReadOnlyError(words) from error
            raise
        finally:
            turn.set()

    async def _connected(self) -> AbstractConnection:
        connection = self._connection
        if connection is not None and not _is_dead(connection):
            self._mind_master(connection)
            return connection
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name="redis-connect")
            self._opening.add_done_callback(_note_end)
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if opening.cancelled() and task is not None and not task.cancelling():
                raise redis.ConnectionError("the link was closed while it was opened") from None
            raise

    async def _open(self) -> AbstractConnection:
        """Open a connection that knows the scripts. Raises what goes wrong."""
        if self._connection is not None:
            await self._drop(self._connection)
        connection = new_connection(self._pool)
        try:
            async with asyncio.timeout(self._timing.redis_connect_s):
                await connection.connect()  # type: ignore[no-untyped-call]
                await _load(connection, self._scripts)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._masters.opened(connection)
        self._put_off_asking()
        self._connection, self._last_turn = connection, None
        return connection

    def _put_off_asking(self) -> None:
        self._asked_s = asyncio.get_running_loop().time()
        self._ask_s = self._asked_s + self._timing.link_check_s

    def _mind_master(self, connection: AbstractConnection) -> None:
        """Ask the Sentinels where that is due, beside the calls."""
        if not self._masters.is_needed or asyncio.get_running_loop().time() < self._ask_s:
            return
        if self._asking is None or self._asking.done():
            self._put_off_asking()
            work = self._leave_deposed(connection)
            self._asking = asyncio.create_task(work, name="redis-master")
            self._asking.add_done_callback(_note_end)

    async def _leave_deposed(self, connection: AbstractConnection) -> None:
        if why := await self._masters.deposed(connection):
            _log.warning("leaving Redis: %s", why)
            await self._drop(connection)

    def _check_current(self, connection: AbstractConnection) -> None:
        if connection is not self._connection:
            raise redis.ConnectionError("the connection was lost while an answer was due")

    async def _drop(self, connection: AbstractConnection) -> None:
        if self._connection is connection:
            self._connection = None
        await connection.disconnect(nowait=True)


async def _load(connection: AbstractConnection, scripts: tuple[Script, ...]) -> None:
    """Make the scripts known, in one round trip, so that no call has to send its text.

    A server that refuses to keep them gets the text with each call.
    """
    for script in scripts:
        await connection.send_command("SCRIPT", "LOAD", script.text, check_health=False)
    for _ in scripts:
        with contextlib.suppress(redis.ResponseError):
            await connection.read_response()


def _note_end(task: "asyncio.Task[Any]") -> None:
    """Take note of how a task of ours ended, also where no call waits for it any more."""
    if not task.cancelled():
        task.exception()


def _is_dead(connection: AbstractConnection) -> bool:
    """Whether the connection is closed or was reset; known without sending anything."""
    reader: asyncio.StreamReader | None = connection._reader  # noqa: SLF001 (no public question)
    return reader is None or reader.at_eof() or reader.exception() is not None
