"""Fills of A published by hand: which texts were counted, and what is left of them at an end.

They live in memory: a restored file or an old Redis publishes nothing anew. The host's file says
only that something was open, so that what it left is judged as drift by the next process.
"""

import hashlib

from hedge.daemon.context import Parts
from hedge.wire.state import Ledger

_KEPT_TEXTS = 10_000


class ByHand:
    """Remembers what was published by hand; the same text counts once."""

    def __init__(self, parts: Parts) -> None:
        """Know of no text; what an earlier process left open is named, and trades nothing."""
        self._parts = parts
        self._name = f"manual-{parts.spec.market_index}"
        self._seen: dict[str, None] = {}
        self._is_kept = parts.host.exists(self._name)
        self.was_open = (
            self._is_kept and (parts.host.read(self._name) or {}).get("manual_lots") != 0
        )
        if self.was_open:
            self._forgotten("an earlier process of this host")

    def taken_over(self, ledger: Ledger | None) -> None:
        """Note what the B that led before us had counted: it is forgotten."""
        is_other = ledger is not None and ledger.instance != self._parts.instance
        if ledger is not None and is_other and ledger.manual_lots:
            self.was_open = True
            self._forgotten("the B that led before", self._parts.base(ledger.manual_lots))

    def lost(self, manual_lots: int) -> None:
        """Forget what is open, with the lease: another B may lead, and does not know it."""
        if manual_lots:
            self.was_open = True
            self._forgotten("this process", self._parts.base(manual_lots))

    def is_known(self, text: str) -> bool:
        """Whether exactly this text was counted before."""
        return _digest(text) in self._seen

    def remember(self, text: str) -> None:
        """Remember a text that is taken."""
        self._seen[_digest(text)] = None
        while len(self._seen) > _KEPT_TEXTS:
            del self._seen[next(iter(self._seen))]

    def keep(self, manual_lots: int) -> None:
        """Note whether anything is open."""
        if manual_lots:
            self._parts.host.write(self._name, {"manual_lots": manual_lots})
            self._is_kept = True
        elif not self.was_open:
            self._drop()

    def settled(self) -> None:
        """Nothing of it is left: B's position is what A's calls for, or was adopted."""
        self.was_open = False
        self._drop()

    def _drop(self) -> None:
        if self._is_kept:
            self._parts.host.delete(self._name)
            self._is_kept = False

    def _forgotten(self, whose: str, amount: str = "") -> None:
        self._parts.log.warning(
            "hand_forgotten",
            by=whose,
            amount=amount or "unknown",
            detail="what fills published by hand left is drift: hedged or halted on, not followed",
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
