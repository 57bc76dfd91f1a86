"""What shall become of A's next change of a price, until one is sent."""

from collections.abc import Callable
from random import Random


class ChangeFates:
    """Every copy of one change has the same fate: the one that was armed when the first went out.

    `sent` counts the changes of the account that is told of.
    """

    def __init__(self) -> None:
        """Arm nothing."""
        self.kill: Callable[[], None] = lambda: None
        """Ends A's process."""
        self.sent = 0
        self.steps = 0
        """So many times more the level goes somewhere else."""
        self._armed: tuple[str, Random] | None = None
        self._fates: dict[str, tuple[str, Random]] = {}

    def arm(self, kind: str, dice: Random) -> None:
        """Let the next change have this fate, in place of another one that waits."""
        self._armed = kind, dice

    def disarm(self) -> None:
        """Let the next change have its way, and the level stand."""
        self._armed, self.steps = None, 0

    def of(self, tx_hash: str) -> tuple[str, Random] | None:
        """Return the fate of a change, and the dice that say how; None for no fate."""
        if tx_hash not in self._fates:
            self.sent += 1
            if self._armed is None:
                return None
            self._fates[tx_hash], self._armed = self._armed, None
        return self._fates[tx_hash]
