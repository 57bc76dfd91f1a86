"""What a hedge cost: its price against that of the fills of A that it answers.

Each fill is answered by the oldest hedges after it. What A trades back itself (a reduction, a close
before B acted) answers fills too, and no hedge reports them. Fees are not in it.
"""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

CENTIBPS = 1_000_000
"""Hundredths of a basis point in the whole."""
MOST = 512
"""As many fills are remembered; more at once have no price that is reported."""


@dataclass(slots=True)
class _Fill:
    """What is left of one fill of A: signed lots, and its price in micros per lot."""

    lots: int
    price: Fraction


class OpenFills:
    """A's fills that nothing has answered yet, oldest first; all of them in one direction."""

    def __init__(self) -> None:
        """Know of no fill yet."""
        self._fills: deque[_Fill] = deque(maxlen=MOST)
        self._known: deque[int] = deque(maxlen=MOST)

    def filled(self, trade_id: int, signed_lots: int, quote_micros: int) -> None:
        """Take a fill of A, once, whoever tells of it; `quote_micros` is its value."""
        if trade_id in self._known or not signed_lots:
            return
        self._known.append(trade_id)
        left, _ = self._take(signed_lots)
        if left:
            price = Fraction(quote_micros, abs(signed_lots))
            self._fills.append(_Fill(left, price))

    def hedged(self, signed_lots: int, quote_micros: int) -> int | None:
        """Take what B traded for it; return the cost in hundredths of a bp, positive is a loss.

        None where it answers more than is known of A's fills, or `quote_micros` is not known.
        """
        left, value = self._take(signed_lots)
        if left or not value or not quote_micros:
            return None
        loss = (quote_micros - value) * (1 if signed_lots > 0 else -1)
        return round(loss / value * CENTIBPS)

    def forget(self) -> None:
        """Forget what is open: nothing is owed, or another process has answered it."""
        self._fills.clear()

    def _take(self, signed_lots: int) -> tuple[int, Fraction]:
        """Take lots off the oldest fills of the other direction.

        Return what of them is left over, signed, and what those fills were worth in micros.
        """
        left, value = signed_lots, Fraction(0)
        while left and self._fills and (self._fills[0].lots > 0) != (left > 0):
            fill = self._fills[0]
            taken = min(abs(left), abs(fill.lots))
            value += taken * fill.price
            left -= taken if left > 0 else -taken
            fill.lots -= taken if fill.lots > 0 else -taken
            if not fill.lots:
                self._fills.popleft()
        return left, value
