"""What today's rules are known to break: which counterexample a violation shows, and what ends it.

Expected to be found (a test sees to it), never ignored; a row goes when its rule stands.
"""

from dataclasses import dataclass

from tests.judge.facts import Violation


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the counterexamples: the rule of design.md that ends it, and how it shows.

    `kinds` are kinds of violations; `side`: of which side's words, "" for any.
    """

    rule: str
    kinds: frozenset[str]
    side: str = ""


_END_OPEN = frozenset({"daemon_stopped: open", "daemon_code_0: open"})
_END_RESTS = frozenset(
    {
        "daemon_stopped: resting",
        "daemon_code_0: resting",
        "daemon_stopped: in flight",
        "daemon_code_0: in flight",
    }
)

_OWED_NOTHING = frozenset({"ledger: open", "neutral_record: open", "neutral_record: positions"})

KNOWN: dict[int, Known] = {
    25: Known("13.1", _OWED_NOTHING, "B"),
    26: Known("13.3", _END_RESTS, "B"),
    56: Known("13.1", _END_OPEN, "B"),
}
"""By the number of the counterexample."""


def counterexample_of(violation: Violation) -> int | None:
    """Return the counterexample that a violation is an instance of, None for a new one."""
    who = str(violation.facts.get("who", ""))
    for number, known in KNOWN.items():
        if violation.kind in known.kinds and who.upper().startswith(known.side):
            return number
    return None
