"""Fills of A published by hand: which texts were counted, and what they add up to.

Kept in the host's state directory, so that a restart of B neither forgets nor repeats one.
"""

import hashlib
from dataclasses import replace

from hedge.core.hedger.state import HedgerState
from hedge.daemon.clock import CLOCK_SLACK_MS
from hedge.daemon.context import Parts
from hedge.wire.state import Ledger

_KEPT_TEXTS = 10_000


class ByHand:
    """Remembers what was published by hand; the same text counts once."""

    def __init__(self, parts: Parts) -> None:
        """Know nothing before `restored`."""
        self._parts = parts
        self._name = f"manual-{parts.spec.market_index}"
        self._seen: dict[str, None] = {}
        self._stamp_s = 0

    def restored(self, state: HedgerState) -> HedgerState:
        """Return the state with what an earlier process of this host had counted."""
        kept = self._parts.host.read(self._name)
        if kept is None:
            return state
        try:
            manual, base = int(kept["manual_lots"]), kept["hand_base_lots"]
            base_lots = None if base is None else int(base)
            self._seen = dict.fromkeys(str(digest) for digest in kept["seen"])
            self._stamp_s = int(kept.get("stamp", 0))
        except (KeyError, TypeError, ValueError):
            self._parts.log.warning("hand_file_ignored", reason="not readable")
            return state
        return replace(
            state, manual_lots=manual, hand_base_lots=base_lots, hand_restored=base_lots is not None
        )

    def taken_over(self, state: HedgerState, ledger: Ledger | None) -> HedgerState:
        """Return the state with what the B that led before us had counted, where that is newer.

        Its base is not in Redis: without a state of A nothing is traded then, and B is not ready.
        """
        if ledger is None or ledger.manual_lots == state.manual_lots:
            return state
        if ledger.timestamp * 1000 <= self._stamp_s * 1000 + CLOCK_SLACK_MS:
            return state
        self._parts.log.warning(
            "hand_taken_over",
            was=self._parts.base(state.manual_lots),
            now=self._parts.base(ledger.manual_lots),
        )
        state = replace(
            state, manual_lots=ledger.manual_lots, hand_base_lots=None, hand_restored=False
        )
        self.keep(state)
        return state

    def is_known(self, text: str) -> bool:
        """Whether exactly this text was counted before."""
        return _digest(text) in self._seen

    def remember(self, text: str) -> None:
        """Remember a text that is taken; `keep` writes it down."""
        self._seen[_digest(text)] = None
        while len(self._seen) > _KEPT_TEXTS:
            del self._seen[next(iter(self._seen))]

    def keep(self, state: HedgerState) -> None:
        """Store what the texts add up to."""
        self._stamp_s = self._parts.epoch_s
        self._parts.host.write(
            self._name,
            {
                "manual_lots": state.manual_lots,
                "hand_base_lots": state.hand_base_lots,
                "seen": list(self._seen),
                "stamp": self._stamp_s,
            },
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
