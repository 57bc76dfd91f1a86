"""What the command line of a run says."""

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.kinds import CALM


@dataclass(frozen=True, slots=True)
class Options:
    """A storm of `minutes`; `faults` names what may happen in it, `folder` gets the records."""

    minutes: float
    seed: int
    folder: Path
    faults: str = CALM
