"""The distribution of latencies as an SVG picture: share of fills hedged within so many ms."""

import math
from collections.abc import Sequence
from html import escape

from bench.stats import Spread

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b")
_TICKS = (1, 2, 5)


def cumulative(title: str, spreads: Sequence[Spread]) -> str:
    """Return an SVG of the cumulative distributions, the time on a logarithmic axis."""
    drawn = [spread for spread in spreads if spread.samples]
    low = min((spread.samples[0] for spread in drawn), default=1.0)
    high = max((spread.samples[-1] for spread in drawn), default=10.0)
    first, last = math.log10(max(low, 0.01) * 0.9), math.log10(max(high, low * 2, 0.02) * 1.1)

    def x(value_ms: float) -> float:
        share = (math.log10(max(value_ms, 0.01)) - first) / (last - first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 20, title, "middle"),
        _text(WIDTH / 2, HEIGHT - 10, "ms", "middle"),
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 0.99):
        parts.append(_line(LEFT, y(share), WIDTH - RIGHT, y(share)))
        parts.append(_text(LEFT - 6, y(share) + 4, f"{share * 100:.0f} %", "end"))
    for value in _round_values(10**first, 10**last):
        parts.append(_line(x(value), TOP, x(value), HEIGHT - BOTTOM))
        parts.append(_text(x(value), HEIGHT - BOTTOM + 16, f"{value:g}", "middle"))
    for number, spread in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        count = len(spread.samples)
        points = " ".join(
            f"{x(sample):.1f},{y((index + 1) / count):.1f}"
            for index, sample in enumerate(spread.samples)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(_text(LEFT + 10, TOP + 16 + 16 * number, spread.name, "start", colour))
    return "\n".join([*parts, "</svg>", ""])


def _round_values(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, … between the two."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [tick * 10.0**power for power in powers for tick in _TICKS]
    return [value for value in values if low <= value <= high]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    words = escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
