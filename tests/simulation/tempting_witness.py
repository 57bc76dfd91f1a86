"""Tempting rules about an order that no list shows: what is taken for proof that it did nothing."""

from typing import Any

from hedge.core.refusal import Refusal
from hedge.daemon.context import Parts
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fence, _RoundFailedError
from hedge.exchange.outcome import Outcome, Unknown
from hedge.exchange.port import SignedTx
from tests.simulation.daemon import World
from tests.simulation.tempting_proofs import UnwitnessedFence

HASTY_MS = 5_000

__all__ = ["SecondCopyFence", "UnwitnessedFence", "hasty_look"]


class SecondCopyFence(Fence):
    """Takes a refused nonce for "not done", whatever copy it answers; the socket is trusted on."""

    async def _cancel_all(self, nonce: int) -> SignedTx:
        venue: Any = self._venue
        venue.distrusts = False
        transmit, heard = self._transmit, list[Outcome]()

        async def hear(tx: SignedTx) -> Outcome:
            heard.append(await transmit(tx))
            return heard[-1]

        self._transmit = hear
        try:
            tx = await super()._cancel_all(nonce)
        finally:
            self._transmit = transmit
        outcome = heard[-1]
        if isinstance(outcome, Unknown) and refusal_of(outcome.code) is Refusal.NONCE:
            raise _RoundFailedError("cancel-all: invalid nonce")
        return tx


def hasty_look(parts: Parts, world: World) -> Parts:
    """Two looks five seconds apart do not find the transaction, so it did not run."""
    witness: Any = parts.sender._witness
    witness._lag_ms = HASTY_MS
    return parts
