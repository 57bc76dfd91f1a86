"""Tempting rules about an order that no list shows: what is taken for proof that it did nothing."""

from typing import Any

from hedge.core.refusal import Refusal
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.fence import Fence, _RoundFailedError
from hedge.exchange.outcome import Outcome, Unknown
from hedge.exchange.port import SignedTx
from tests.simulation.tempting_proofs import UnwitnessedFence

__all__ = ["SecondCopyFence", "UnwitnessedFence"]


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
