"""One connection for commands: pipelined, in order, with one deadline per call."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from hedge.bus.connection import async_pool, close_sentinels, new_connection
from hedge.bus.diagnosis import REDIS_PROBLEMS, unreachable
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
from hedge.config.schema import RedisConfig

SCAN_COUNT = 1000


class CommandLink:
    """Sends commands as they come, without waiting for earlier answers, and keeps their order.

    The order matters: an older state must not overwrite a newer one. It connects when needed; a
    call that fails drops the connection, so the calls in flight fail with it and the next one
    connects anew. Nothing is queued and nothing is repeated by itself.
    """

    def __init__(
        self, settings: RedisConfig, timeout_s: float, *, scripts: tuple[Script, ...] = SCRIPTS
    ) -> None:
        """Prepare; nothing is connected before the first call, which makes `scripts` known."""
        self._scripts = scripts
        self._settings = settings
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._connecting = asyncio.Lock()
        self._last_turn: asyncio.Event | None = None

    @cached_property
    def _pool(self) -> redis.asyncio.ConnectionPool:
        return async_pool(self._settings, self._timeout_s)

    async def call(self, *command: str | int, fits: Fits = is_anything) -> Any:
        """Run one command and return its answer.

        Raises:
            RedisUnreachableError: no answer in time, no connection, an error as the answer, or
                one that does not fit.

        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._call(command, fits)
        except REDIS_PROBLEMS as error:
            raise unreachable(self._settings, error) from error

    async def run(
        self, script: Script, keys: list[str], arguments: list[str | int], fits: Fits = is_anything
    ) -> Any:
        """Run a script; a server that forgot it gets its text again. Raises as `call`."""
        tail = (len(keys), *keys, *arguments)
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._call(("EVALSHA", script.digest, *tail), fits)
                except redis.exceptions.NoScriptError:
                    return await self._call(("EVAL", script.text, *tail), fits)
        except REDIS_PROBLEMS as error:
            raise unreachable(self._settings, error) from error

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
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)
        await close_sentinels(self._pool)

    async def _call(self, command: tuple[str | int, ...], fits: Fits) -> Any:
        connection = await self._connected()
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
            if isinstance(error, redis.ReadOnlyError):
                await self._drop(connection)  # a demoted master: look for the new one
            raise
        except BaseException:
            await self._drop(connection)
            raise
        finally:
            turn.set()

    async def _connected(self) -> AbstractConnection:
        if self._connection is not None and not _is_dead(self._connection):
            return self._connection
        async with self._connecting:
            if self._connection is not None and not _is_dead(self._connection):
                return self._connection
            if self._connection is not None:
                await self._drop(self._connection)
            connection = new_connection(self._pool)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
                await _load(connection, self._scripts)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._connection, self._last_turn = connection, None
            return connection

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


def _is_dead(connection: AbstractConnection) -> bool:
    """Whether the connection is closed or was reset; known without sending anything."""
    reader: asyncio.StreamReader | None = connection._reader  # noqa: SLF001 (no public question)
    return reader is None or reader.at_eof() or reader.exception() is not None
