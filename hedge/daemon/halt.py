"""The halt: a file on each host, a key in Redis, and what a manager makes of both.

Whatever dies, a halt stays until a person resumes it: the file outlives Redis, and is published
again where the key is missing; the record of a resumption makes each host delete its own file.
"""

from collections.abc import Callable

from hedge.daemon.context import Parts
from hedge.daemon.host_store import UNREADABLE_HALT
from hedge.daemon.outbox import Outbox
from hedge.wire.codec import NO_MARKET, MessageRefusedError, WireLimits
from hedge.wire.control import Halt

STOPS_B = frozenset(
    {
        "foreign_trade_on_b",
        "liquidation_on_b",
        "drift",
        "unexplained_position",
        "position_limit",
        "book_not_proven",
        "views_differ",
    }
)
"""Halts of B's own after which it trades nothing; after any other it follows its target."""

_BEHIND = "halt-behind"


class HaltKeeper:
    """Keeps file, key and core in agreement."""

    def __init__(
        self,
        parts: Parts,
        side: str,
        outbox: Outbox,
        on_halt: Callable[[Halt], None],
        on_resumed: Callable[[Halt], None],
    ) -> None:
        """Know of no halt yet."""
        self._parts = parts
        self._side = side
        self._outbox = outbox
        self._on_halt = on_halt
        self._on_resumed = on_resumed
        self._halt: Halt | None = None
        self._behind: Halt | None = None
        self._obeyed: tuple[str, int | None] | None = None

    def load(self) -> None:
        """Come up halted if this host's file says so, or cannot be read."""
        kept = self._parts.host.read_halt()
        self._behind = self._read_behind()
        if self._behind is not None:
            self._on_halt(self._behind)
            if kept is None:
                behind, self._behind = self._behind, None
                self._promote(behind)
        if kept is None:
            return
        self._halt = kept
        self._parts.log.error("halted_since_before", reason=kept.reason, detail=kept.detail)
        self._on_halt(kept)

    def follow(self, seen: Halt | None) -> None:
        """Take what Redis holds now."""
        mine = self._halt
        told = (seen.id, seen.resumed) if seen is not None and not seen.is_active else None
        is_news = told is not None and told != self._obeyed
        self._obeyed = told or self._obeyed
        if seen is not None and seen.is_active:
            if mine is None or mine.id != seen.id:
                if mine is not None and self._stops_us(mine) and not self._stops_us(seen):
                    self._keep_behind(mine)  # both sides halted at once, and theirs was faster
                self._keep(seen)
                log = self._parts.log
                log.error("halted", side=seen.side, reason=seen.reason, detail=seen.detail)
            self._on_halt(seen)
        elif mine is not None and seen is not None and _lets_go(seen, mine, is_news=is_news):
            self._parts.log.warning("resumed", forced=seen.forced, note=seen.note)
            self._resume(seen)
        elif mine is not None:
            self._outbox.put(lambda: self._publish(mine))

    def _resume(self, resumed: Halt) -> None:
        """Let go of the halt, unless another one waited behind it: that one needs its own word.

        A forced resumption is a word on everything: a person has seen both positions.
        """
        behind, self._behind = self._behind, None
        if behind is None or resumed.forced:
            self._halt = None
            self._parts.host.delete(_BEHIND)
            self._parts.host.delete("halt")
            self._on_resumed(resumed)
            return
        self._parts.log.error("still_halted", reason=behind.reason, detail=behind.detail)
        self._promote(behind)

    def _promote(self, behind: Halt) -> None:
        """Put the halt that waited into force; its own file goes last.

        One that cannot be read is in no other file: it stays until a person resumes it.
        """
        self._keep(behind)
        if behind.id != UNREADABLE_HALT:
            self._parts.host.delete(_BEHIND)
        self.publish(behind)

    def raise_halt(self, reason: str, detail: str, *, stops: bool = False) -> Halt:
        """Halt from this side, in the file before anything else; return the halt in force.

        One that `stops` this side's own trading is not lost behind another halt: it is kept, and
        takes that one's place when a person resumes it.
        """
        self._parts.log.error("HALT", reason=reason, detail=detail)
        now_ms = self._parts.clock.epoch_ms()
        halt = Halt(
            id=f"{self._side}-{self._parts.instance}-{now_ms}-{reason}",
            side=self._side,
            reason=reason,
            detail=detail,
            timestamp=now_ms // 1000,
        )
        if self._halt is None:
            self._keep(halt)
            return halt
        if stops and not self._stops_us(self._halt):
            self._keep_behind(halt)
        return self._halt

    def _stops_us(self, halt: Halt) -> bool:
        """Whether this halt stops B's own trading; of A every halt does, none has to wait."""
        own = self._side == "b" and halt.side == "b" and halt.reason in STOPS_B
        return halt.id == UNREADABLE_HALT or own

    def publish(self, halt: Halt) -> None:
        """Put the halt into Redis."""
        self._outbox.put(lambda: self._publish(halt))

    def _read_behind(self) -> Halt | None:
        if not self._parts.host.exists(_BEHIND):
            return None
        kept = self._parts.host.read(_BEHIND) or {}
        try:
            return Halt.from_json(str(kept["halt"]), NO_MARKET, WireLimits(chain_id=0))
        except (KeyError, MessageRefusedError) as error:
            detail = f"a second halt is kept on this host and cannot be read ({error})"
            return Halt(
                id=UNREADABLE_HALT,
                side=self._side,
                reason="unreadable_halt",
                detail=detail,
                timestamp=self._parts.epoch_s,
            )

    def _keep(self, halt: Halt) -> None:
        self._halt = halt
        if halt.id != UNREADABLE_HALT:
            self._parts.host.write_halt(halt)

    def _keep_behind(self, halt: Halt) -> None:
        self._behind = halt
        self._parts.host.write(_BEHIND, {"halt": halt.to_json()}, durable=True)

    async def _publish(self, halt: Halt) -> None:
        await self._parts.messenger.set_halt(halt)


def _lets_go(seen: Halt, mine: Halt, *, is_news: bool) -> bool:
    """Whether the record of a resumption speaks of our halt, or of all there were.

    A forced one that was seen before says nothing of a halt that came later, whatever the clocks.
    """
    if seen.resumed is None:
        return False
    of_all = is_news and seen.forced and seen.resumed >= mine.timestamp
    return seen.id == mine.id or of_all
