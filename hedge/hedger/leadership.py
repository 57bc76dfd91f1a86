"""Who leads B: waiting for the lease, and noticing another process that signs with our key.

After our own fence no earlier transaction of the key can execute. So an order or a marker of the
pair that carries another instance and is newer than our fence's marker was signed by a process
that believes it leads as well: at a nonce that we count as ours.
"""

from collections.abc import Callable, Iterable

from hedge.bus.port import LeaseAnswer, StateSnapshot
from hedge.core import ids
from hedge.core.records import OrderRow, Trade
from hedge.daemon.context import Parts
from hedge.daemon.lease import LeaseKeeper
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from hedge.exchange.fence import Fenced
from hedge.hedger import statements as answers


class TwinWatch:
    """Compares order rows with our newest fence; both times are the venue's."""

    def __init__(self, instance: str, is_ours: Callable[[int, int], bool]) -> None:
        """Know of no fence yet: before the first one nothing can be told.

        `is_ours` says whether an order of this id that ended then (epoch ms) is the pair's.
        """
        self._own = ids.instance_bits(instance)
        self._is_ours = is_ours
        self._since_ms: int | None = None

    def forget(self) -> None:
        """Start anew, as after losing the lease: others were free to sign since our last fence."""
        self._since_ms = None

    def fenced(self, fenced: Fenced) -> bool:
        """Take a passed fence; whether another process signed between the last one and it."""
        twin = self.sees(fenced.rows)
        ends = [row.updated_ms for row in fenced.rows]
        self._since_ms = fenced.marker.updated_ms if fenced.marker else max(ends, default=None)
        return twin

    def sees(self, rows: Iterable[OrderRow]) -> bool:
        """Whether one of these rows is another process's and newer than our fence."""
        since_ms = self._since_ms
        if since_ms is None:
            return False
        return any(
            row.updated_ms > since_ms
            and self._is_ours(row.client_order_index, row.updated_ms)
            and ids.instance_of(row.client_order_index) != self._own
            for row in rows
        )


class Standing:
    """One B among several: says that it waits, and puts its lease in doubt where a twin signs."""

    def __init__(
        self, parts: Parts, lease: LeaseKeeper, outbox: Outbox, origin: OriginKeeper
    ) -> None:
        """Wait for nothing yet."""
        self._parts = parts
        self._origin = origin
        self._outbox = outbox
        self._lease = lease
        self._twins = TwinWatch(parts.instance, lease.has_signed)
        self._waits = False

    def taken(self) -> None:
        """Lead; nothing shall say any more that we wait."""
        self._waits = False
        self._outbox.put_event(lambda: self._parts.messenger.clear_standby("b"))

    def lost(self) -> None:
        """Stand by: others are free to sign from now on."""
        self._twins.forget()

    def refused(self, answer: LeaseAnswer) -> None:
        """Say once that another B leads. Raises AlreadyRunningError where it is another pair's."""
        if self._lease.is_other_pair(answer):
            raise self._lease.already_running(answer)
        if self._waits:
            return
        self._waits = True
        holder = answer.holder.host if answer.holder else "unknown"
        self._parts.log.warning("standby", reason="another main_B.py leads", its_host_id=holder)

    async def announce(self, *, warm: bool) -> None:
        """Say in Redis that we wait; `warm`: with our streams up."""
        name = self._parts.names.standby("b", self._parts.instance)
        waits = self._origin.stamped(name, answers.standby_of(self._parts, warm=warm))
        await self._parts.messenger.stand_by(waits)

    def is_led(self, snapshot: StateSnapshot) -> bool:
        """Whether another B leads and has proven its book: its heartbeat says that it is ready."""
        beat, lease = snapshot.ready_b, snapshot.lease_b
        if beat is None or lease is None or self._lease.held:
            return False
        return beat.ready and beat.instance == lease.instance != self._parts.instance

    def is_twin(self, trades: Iterable[Trade]) -> bool:
        """Whether one of these trades is another process's of the pair; then our lease is in doubt.

        For trades that are new to a book that our own fence has proven.
        """
        own, signed = ids.instance_bits(self._parts.instance), self._lease.has_signed
        ours = [t.client_order_index for t in trades if signed(t.client_order_index, t.time_ms)]
        return self._doubt(any(ids.instance_of(index) != own for index in ours))

    def sees_twin(self, rows: Iterable[OrderRow]) -> bool:
        """Whether live rows show another process at work; then our lease is in doubt."""
        return self._doubt(self._twins.sees(rows))

    def fenced_with_twin(self, fenced: Fenced) -> bool:
        """Whether another process signed between our last two fences; then so too."""
        found = self._doubt(self._twins.fenced(fenced))
        if found:
            self._parts.log.warning("twin_order", detail="another process signs with B's key")
        return found

    def _doubt(self, found: bool) -> bool:  # noqa: FBT001  the answer, handed through
        if found:
            self._lease.doubt()
        return found
