"""Commands of a person: which of them this daemon obeys, and what it says became of them."""

from collections.abc import Callable

from hedge.core.freshness import Stale
from hedge.daemon.context import Parts
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.refusals import Refusals
from hedge.wire.control import PING, Command

LIFE_MS = 5000
"""So long after the heartbeat that it answers a command is obeyed."""

_KEPT_MS = 60_000
_SHOWN = 8
VOID = "void: it came later than 5 s after the heartbeat that it answers"
PONG = "pong"


class CommandInbox:
    """Obeys each command once, and only one that answers a heartbeat of this very epoch.

    What Redis shows may be of another day or another process: such a command moves nothing.
    """

    def __init__(
        self,
        parts: Parts,
        side: str,
        origin: OriginKeeper,
        obey: Callable[[Command], str],
        refusals: Refusals,
    ) -> None:
        """Know of none yet; `obey` performs one and returns its outcome, in words.

        Where it returns "" the outcome comes later, by `answer`. `refusals` counts each command
        that answers no heartbeat of ours.
        """
        self._parts = parts
        self._side = side
        self._origin = origin
        self._obey = obey
        self._refusals = refusals
        self._counted = ""
        self._done = dict(parts.anew.done) if parts.anew is not None else {}
        self._begun: set[str] = set()

    @property
    def done(self) -> dict[str, tuple[int, str]]:
        """When (ms) each command was done, and its outcome, by id."""
        return dict(self._done)

    @property
    def acks(self) -> tuple[tuple[str, str], ...]:
        """The outcome of each of the newest commands of the last minute, by id."""
        since_ms = self._parts.clock.now_ms() - _KEPT_MS
        shown = [(id_, word) for id_, (at_ms, word) in self._done.items() if at_ms >= since_ms]
        return tuple(shown[-_SHOWN:])

    def take(self, command: Command | None) -> bool:
        """Take what stands in Redis; whether there is a new outcome to be shown."""
        if command is None or command.id in self._done or command.id in self._begun:
            return False
        word = self._judge(command)
        if word:
            self.answer(command.id, word)
        return command.id in self._done

    def answer(self, command_id: str, word: str) -> None:
        """Note the outcome of a command."""
        self._begun.discard(command_id)
        now_ms = self._parts.clock.now_ms()
        for old in [id_ for id_, (at, _) in self._done.items() if at < now_ms - _KEPT_MS]:
            del self._done[old]
        self._done[command_id] = (now_ms, word)

    def _judge(self, command: Command) -> str:
        """Obey it if it is for this daemon; "" where it is not."""
        if command.command == PING:
            return PONG
        beat = command.beat_for(self._side)
        if beat is None:
            return ""
        if beat.epoch != self._origin.epoch:
            self._count(command, Stale.EPOCH, "it answers a heartbeat of another epoch")
            return ""
        if not self._origin.was_sent_within(beat, LIFE_MS):
            self._count(command, Stale.AGE, VOID)
            return VOID
        self._parts.log.warning("command", command=command.command, id=command.id)
        self._begun.add(command.id)
        return self._obey(command)

    def _count(self, command: Command, why: Stale, detail: str) -> None:
        """Count a command that is not obeyed, once however often it is read."""
        if command.id != self._counted:
            self._counted = command.id
            where = self._parts.names.command
            self._refusals.add(why.value, where, f"{command.command} {command.id}: {detail}")
