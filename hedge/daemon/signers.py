"""Who has signed with our key: the instances of the pair, and whether an order is one of theirs.

An id that looks like ours proves nothing: one in eight random ids bears a tag of the pair. An order
is the pair's when its instance is listed and its nonce was given out. The list stands in Redis,
where each process of the key adds itself at its start, and in this host's file; neither forgets
what only the other one knows.
"""

from collections.abc import Collection, Iterable

from hedge.core import ids
from hedge.core.records import Trade
from hedge.daemon.context import Parts
from hedge.daemon.host_store import HostState
from hedge.wire.control import KEPT_INSTANCES, Instances

_FILE = "instances"
_SLACK = 1024
"""So many nonces may another process of the key have used since we last knew the newest one."""

_UNDECIDED_TRADES = 256
"""So many trades are judged again once it is known who led; older ones count as the pair's."""


def kept_instances(host: HostState) -> tuple[str, ...]:
    """Return the instances that this host's file lists, the newest last."""
    found = (host.read(_FILE) or {}).get(_FILE)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def is_listed(client_order_index: int, instances: Collection[str]) -> bool:
    """Whether an id bears a tag of the pair and the instance of one of these processes."""
    if not ids.is_ours(client_order_index):
        return False
    signer = ids.instance_of(client_order_index)
    return any(ids.instance_bits(one) == signer for one in instances)


class Signers:
    """The list as one process knows it; times are epoch ms of the exchange."""

    def __init__(self, parts: Parts) -> None:
        """Add this process to what the host's file lists.

        Version 1 kept no list: the first one names the process before, which may have traded. Else
        the next start would find a list without it, and take its trades for a stranger's.
        """
        self._host = parts.host
        self._own = parts.instance
        kept = kept_instances(parts.host)
        self._is_at_hand = bool(kept)
        if not kept and parts.host.former_instance:
            kept = (parts.host.former_instance,)
        self._began_ms = parts.clock.epoch_ms()
        self._nonces = parts.sender.nonces
        self._undecided: tuple[Trade, ...] = ()
        self.known: tuple[str, ...] = ()
        """All that are known, the newest last."""
        self._keep((*(one for one in kept if one != self._own), self._own))

    def learn(self, stored: Iterable[str]) -> Instances | None:
        """Take what stands in Redis; return what shall stand there instead, None where it may stay.

        Where a full list lacks only others of ours it stays: they are older.
        """
        there = tuple(stored)
        self._is_at_hand |= any(one != self._own for one in there)
        missing = [one for one in self.known if one not in there]
        others = [one for one in missing if one != self._own]
        self._keep((*others, *there, *((self._own,) if self._own in missing else ())))
        is_due = self._own in missing or (others and len(there) < KEPT_INSTANCES)
        return Instances(instances=self.known) if is_due else None

    def is_ours(self, client_order_index: int, at_ms: int, *, leads: bool, is_sure: bool) -> bool:
        """Whether an order of this id, traded or ended at a moment, is the pair's.

        `leads` and `is_sure`: whether we hold the lease, and whether Redis has just said so. Where
        another process may lead it need not be listed yet: then its nonce tells it from a person's
        order. One that does not lead trades on nothing that it hears.
        """
        if not ids.is_ours(client_order_index):
            return False
        if not leads:
            return True
        if not self._was_given_out(client_order_index):
            return False
        if is_listed(client_order_index, self.known) or not is_sure:
            return True
        return not self._is_at_hand and at_ms < self._began_ms

    def foreign_of(
        self, trades: tuple[Trade, ...], *, leads: bool, is_sure: bool
    ) -> tuple[int, ...]:
        """Return the ids of trades that are not the pair's.

        Those that pass only because another process may lead are judged again by the first call in
        which that is known, and returned by it: what we hold from then on contains them.
        """
        heard = (*self._undecided, *trades) if is_sure else trades
        judged = {
            trade: self.is_ours(
                trade.client_order_index, trade.time_ms, leads=leads, is_sure=is_sure
            )
            for trade in heard
        }
        if is_sure:
            self._undecided = ()
        else:
            ours = (trade for trade, is_ours in judged.items() if is_ours)
            self._undecided = (*self._undecided, *ours)[-_UNDECIDED_TRADES:]
        return tuple(trade.trade_id for trade, is_ours in judged.items() if not is_ours)

    def _was_given_out(self, client_order_index: int) -> bool:
        """Whether the nonce that an order's id bears can have been used; a marker bears none."""
        newest = self._nonces.newest
        if ids.is_marker(client_order_index) or newest is None:
            return True
        return ids.serial_of(client_order_index) <= newest + _SLACK

    def _keep(self, instances: tuple[str, ...]) -> None:
        newest = instances[-KEPT_INSTANCES:]
        if newest != self.known:
            self.known = newest
            self._host.write(_FILE, {_FILE: list(newest)})
