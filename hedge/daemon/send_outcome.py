"""The sender's words in the core's."""

from hedge.core.transitions import Outcome, Verdict
from hedge.exchange import outcome as sent
from hedge.exchange.error_codes import refusal_of

LONGEST_MS = 3000
"""A prediction further off comes from two clocks that disagree, not from a slow venue."""


def outcome_of(result: sent.Outcome, epoch_ms: int) -> Outcome:
    """Translate; the predicted moment of execution becomes milliseconds from now."""
    match result:
        case sent.Accepted(_, copies, predicted_ms, _):
            wait_ms = min(max(0, predicted_ms - epoch_ms), LONGEST_MS) if predicted_ms else 0
            return Outcome(Verdict.ACCEPTED, copies, predicted_ms=wait_ms)
        case sent.Rejected(code, message):
            refusal = refusal_of(code, message)
            return Outcome(Verdict.REJECTED, code=code, reason=message, refusal=refusal)
        case sent.Unknown(reason, _, copies, code):
            return Outcome(Verdict.UNKNOWN, copies, code or 0, reason)


def not_sent(reason: str) -> Outcome:
    """Return the outcome of what was never sent."""
    return Outcome(Verdict.REJECTED, code=0, reason=reason)
