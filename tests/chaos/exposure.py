"""How long and how much the pair was unhedged, from the exchange's trade log alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.pair_audit import Leg


@dataclass(frozen=True, slots=True)
class Exposure:
    """Times in seconds, amounts in lots; `lot_seconds` is the sum of amount times duration."""

    longest_s: float
    longest_at_seq: int
    largest_lots: int
    lot_seconds: float
    times: int


def exposure(legs: Sequence[Leg]) -> Exposure:
    """Return what A + B ≠ 0 added up to; one that is open at the end is counted to the last leg."""
    longest_s, longest_seq, largest, total, times = 0.0, 0, 0, 0.0, 0
    net, since_ns, since_seq = 0, 0, 0
    for leg, following in pairwise([*legs, *legs[-1:]]):
        was, net = net, net + leg.a_lots + leg.b_lots
        if net and not was:
            since_ns, since_seq, times = leg.mono_ns, leg.seq, times + 1
        if net:
            largest = max(largest, abs(net))
            total += abs(net) * (following.mono_ns - leg.mono_ns) / 1e9
            spell_s = (following.mono_ns - since_ns) / 1e9
            if spell_s > longest_s:
                longest_s, longest_seq = spell_s, since_seq
    return Exposure(longest_s, longest_seq, largest, total, times)
