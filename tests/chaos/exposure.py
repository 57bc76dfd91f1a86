"""How long and how much the pair was unhedged: the judge's spells in the report's figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.judge.positions import Naked


@dataclass(frozen=True, slots=True)
class Exposure:
    """Times in seconds, amounts in lots; `lot_seconds` is the sum of amount times duration."""

    longest_s: float
    longest_at_seq: int
    largest_lots: int
    lot_seconds: float
    times: int


def exposure(spells: Sequence[Naked]) -> Exposure:
    """Return what A + B ≠ 0 added up to; one that is open at the end is counted to the end."""
    longest = max(spells, key=lambda spell: spell.seconds, default=None)
    return Exposure(
        longest_s=longest.seconds if longest else 0.0,
        longest_at_seq=longest.seq if longest else 0,
        largest_lots=max((spell.lots for spell in spells), default=0),
        lot_seconds=sum(spell.lot_seconds for spell in spells),
        times=len(spells),
    )
