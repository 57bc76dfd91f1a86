"""What each word of the pair claims: the one table, each row with the rule that says so.

A claim is true at a moment when A + B is what it shall be up to dust, no order is in flight (signed
and not settled) where the row says so, and, for the words about an end, nothing of A rests and
nothing that was published by hand is open.

What a claim need not know: trades that are younger than honest news (`Bounds.news_s`), and than
the evidence that it may rest on. Words about an end rest on a hand-shake after which the pair's own
orders cannot trade, so only strangers' trades may be younger. Only words that a running process
says unasked are excused while it could not know better, and not without end.
"""

from dataclasses import dataclass, replace

from tests.judge.facts import Bounds, Claim


@dataclass(frozen=True, slots=True)
class Rule:
    """What one word claims, and by what it may be excused: names of `Bounds`."""

    source: str
    nothing_in_flight: bool = True
    nothing_rests: bool = False
    nothing_by_hand: bool = False
    evidence: str = ""
    excuse: str = ""
    by_heartbeats: bool = False
    """Whether each position is taken from the heartbeat of its own process."""
    is_closed: bool = False
    """Whether it says as well that neither side holds anything, and that the pair stays halted."""
    is_unasked: bool = False
    """Whether a running process says it by itself, at each change; it rests on frames then."""

    def known_s(self, at_s: float, could_know_s: float | None, bounds: Bounds) -> float:
        """Return the newest moment of which such a word, said at `at_s`, must know."""
        age_s = float(getattr(bounds, self.evidence)) if self.evidence else 0.0
        base_s = at_s - bounds.news_s - age_s
        if could_know_s is None or not self.excuse:
            return base_s
        return min(base_s, max(could_know_s, base_s - float(getattr(bounds, self.excuse))))


_END = Rule(
    "design.md 13.1: no exit code of an end is 0 unless both positions are shown, A + B = offset "
    "up to dust, nothing by hand is open and no order is in flight, a resting one included",
    nothing_rests=True,
    nothing_by_hand=True,
)
_STATUS = Rule(
    "design.md 13.1: nobody says neutral unless both positions are shown and A + B = offset; each "
    "is taken from a heartbeat that acknowledged the question within 4.5 s",
    nothing_by_hand=True,
    evidence="answer_s",
    excuse="lost_s",
    by_heartbeats=True,
)
_RUNNING = Rule(
    "design.md 13.1 for what B answers and A says while both run; the ledger counts where it "
    "answers the newest state that A has published (section 4)",
    nothing_in_flight=False,
    excuse="blind_s",
    is_unasked=True,
)

CLAIMS: dict[Claim, Rule] = {
    Claim.DAEMON_CODE_0: _END,
    Claim.DAEMON_STOPPED: _END,
    Claim.LAUNCHER_CODE_0: _END,
    Claim.LAUNCHER_NEUTRAL: _END,
    Claim.SUMMARY_FLAT: _END,
    Claim.FLATTEN_DONE: replace(_END, is_closed=True),
    Claim.STATUS_NEUTRAL: _STATUS,
    Claim.STATUS_CODE_0: _STATUS,
    Claim.LEDGER: _RUNNING,
    Claim.NEUTRAL_RECORD: Rule(
        "design.md section 4: the last moment with nothing in flight and owed 0",
        excuse="blind_s",
        is_unasked=True,
    ),
    Claim.A_COVERED: _RUNNING,
}
