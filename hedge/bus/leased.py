"""Running the scripts, under the name of this process, and reading their answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from hedge.bus.commands import CommandLink
from hedge.bus.port import LeaseAnswer
from hedge.bus.replies import is_halt, is_lease, is_number
from hedge.bus.scripts import HALT, LEASE, RELEASE, WRITE, LeaseMode, LeaseStatus
from hedge.errors import InternalBugError
from hedge.wire.codec import MessageRefusedError, Seal
from hedge.wire.control import Lease
from hedge.wire.names import STREAM_LENGTH, LeaseKey, Names, PairLeaseKey

Told = tuple[str, str, str, str]
"""One message: its history stream, kind, channel and text."""


class LeasedScripts:
    """Writes under leases; `me` is what this process leaves in a lease, `ttl_s` how long."""

    def __init__(self, commands: CommandLink, names: Names, me: Lease, ttl_s: float) -> None:
        """Prepare; nothing is sent."""
        self._commands = commands
        self._names = names
        self._ttl_ms = round(ttl_s * 1000)
        self._notes: dict[str, str] = {}
        self._fresh: list[str] = []
        self.me = me
        self.seal: Callable[[str], Seal | None] = lambda _: None
        """What signs the value of a lease; nothing before the pair is known."""

    async def lease(self, key: LeaseKey | PairLeaseKey, mode: LeaseMode) -> LeaseAnswer:
        """Take or prolong a lease."""
        return _answer(await self._commands.run(LEASE, [key.name], self._who(key, mode), is_lease))

    async def release(self, key: LeaseKey | PairLeaseKey) -> None:
        """Give the lease back if it is ours."""
        await self._commands.run(RELEASE, [key.name], [self.me.instance], is_number)

    async def write(
        self,
        lease: LeaseKey | None,
        values: dict[str, str],
        told: Sequence[Told],
        *,
        take_free: bool = True,
    ) -> LeaseAnswer:
        """Set keys and publish messages in one step, if the lease allows."""
        if lease is None:
            raise InternalBugError("the messenger was bound without this side's lease")
        keys = [lease.name, *values, *(stream for stream, *_ in told)]
        arguments = self._who(lease, LeaseMode.FREE if take_free else LeaseMode.HELD)
        arguments += [STREAM_LENGTH, len(values), len(told), *values.values()]
        for _, kind, channel, text in told:
            arguments += [kind, channel, text]
        reply = await self._commands.run(WRITE, keys, arguments, is_lease)
        if told:
            self._note(told[0][0], reply[2])
        return _answer(reply)

    async def halt(self, known: str, halts: str, failure: str) -> tuple[bool, str, str]:
        """Store the halts over those of the digest `known`, and publish a failure ("" for none).

        Returns whether that was done, and otherwise what stands there and its digest.
        """
        keys, arguments = [self._names.halt], [known, halts]
        if failure:
            keys.append(self._names.results)
            channel = self._names.account_b_hedge_failed
            arguments += [str(STREAM_LENGTH), "failed", channel, failure]
        done, raw, digest, note = await self._commands.run(HALT, keys, [*arguments], is_halt)
        if failure and done:
            self._note(self._names.results, note)
        return bool(done), raw, digest

    def take_notes(self) -> list[str]:
        """Return what the history streams complained of since the last call, once per cause."""
        notes, self._fresh = self._fresh, []
        return notes

    def _note(self, stream: str, note: str) -> None:
        if note and self._notes.get(stream) != note:
            self._fresh.append(f"the history stream {stream} refuses messages: {note}")
        self._notes[stream] = note

    def _who(self, key: LeaseKey | PairLeaseKey, mode: LeaseMode) -> list[str | int]:
        me = self.me
        if isinstance(key, PairLeaseKey):
            me = replace(me, api_key_index=key.api_key_index)
        text = me.to_json(seal=self.seal(key.name))
        return [me.instance, me.host, self._ttl_ms, mode.value, text]


def _answer(reply: list[str]) -> LeaseAnswer:
    word, raw, _ = reply
    status = LeaseStatus(word)
    if status is LeaseStatus.OTHER:
        return LeaseAnswer(held=False, holder=_lease(raw))
    return LeaseAnswer(
        held=status is not LeaseStatus.LAPSED,
        holder=_lease(raw) if status is LeaseStatus.HOST else None,
        was_free=status in (LeaseStatus.FREE, LeaseStatus.LAPSED),
        took_over=status is LeaseStatus.HOST,
    )


def _lease(raw: str) -> Lease | None:
    try:
        return Lease.from_json(raw)
    except MessageRefusedError:
        return None


class OddTypes:
    """Which of the absent keys are there after all, as something that is no text.

    MGET gives nothing for a list or a hash; looking costs a question per absent key, so it is
    asked once every `every_s`.
    """

    def __init__(self, reads: CommandLink, every_s: float) -> None:
        """Know of none yet."""
        self._reads = reads
        self._every_s = every_s
        self._due = 0.0
        self._known: dict[str, str] = {}
        self._absent: list[str] | None = None

    @property
    def may_go_along(self) -> bool:
        """Whether it is time, and the keys to ask for are known before they are read again."""
        return self._absent is not None and asyncio.get_running_loop().time() >= self._due

    async def look(self) -> None:
        """Ask for the types of the keys that were absent at last, beside the next reading."""
        await self._ask(self._absent or [])

    async def among(self, values: dict[str, str | None]) -> dict[str, str]:
        """Return the types of those keys, by key."""
        absent = [key for key, value in values.items() if value is None]
        if asyncio.get_running_loop().time() >= self._due:
            await self._ask(absent)
        self._absent = absent
        return {key: kind for key, kind in self._known.items() if key in absent}

    async def _ask(self, absent: list[str]) -> None:
        self._due = asyncio.get_running_loop().time() + self._every_s
        found = await asyncio.gather(*(self._reads.kind(key) for key in absent))
        self._known = {
            key: kind
            for key, kind in zip(absent, found, strict=True)
            if kind not in ("none", "string")
        }
