"""The same refusal of A's order, or the same unfilled end of one, again and again.

A market that takes no opening order ends each of them at once: one a second would use up the
request budget several times over, and show nothing.
"""

from dataclasses import dataclass, replace

from hedge.core.maker.state import MakerEffect, MakerState, Note, Phase, Repeats

FIRST_MS = 1000
"""The first pause where none is configured."""
LONGEST_MS = 60_000
URGENT_MS = 15_000
"""What reduces an open position is never held back for longer."""
NOT_SENT = "0"
"""The code of what never reached the exchange."""
SAID_AT = 3
"""The third time in a row is said."""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait before the next order, and what there is to say of it."""

    ms: int
    effects: tuple[MakerEffect, ...] = ()


def ended_words(word: str) -> str:
    """Return what became of an order, in a sentence; `word` as `Repeats` has it."""
    code, _, reason = word.partition(" ")
    if code == NOT_SENT:
        return f"A's order was not sent: {reason}"
    return f"Lighter ended A's order: {word}"


def again(state: MakerState, cause: str, word: str) -> tuple[MakerState, Pause]:
    """Count an end by its cause (a status or a code); another one begins anew.

    `word` is what there is to say of it. The first pause is the configured one, each further one
    is twice as long, up to a minute.
    """
    before = state.repeats
    times = before.times + 1 if before is not None and before.cause == cause else 1
    longest_ms = URGENT_MS if state.phase is Phase.HALTED else LONGEST_MS
    first_ms = state.config.retry_delay_ms or FIRST_MS
    pause_ms = min(first_ms * 2 ** min(times - 1, 16), longest_ms)
    state = replace(state, repeats=Repeats(cause, word, times))
    effects: tuple[MakerEffect, ...] = ()
    if times == SAID_AT:
        detail = f"{times} times in a row: {ended_words(word)}"
        effects = (Note("refused_again", detail, loud=True),)
    return state, Pause(pause_ms, effects)
