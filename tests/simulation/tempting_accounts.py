"""Tempting rules of what an account may do: keys, quota, leverage."""

from dataclasses import replace
from typing import Any

from hedge.core.hedger import state as b_state
from hedge.core.refusal import Refusal
from hedge.daemon.context import Parts
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.port import AccountView, Answer, Path, SignedTx, VenueUnavailableError
from hedge.exchange.sender import Sender
from tests.simulation.daemon import Tools, World
from tests.simulation.tempting_views import wrap_step

OF_THE_KEY = frozenset({Refusal.SOFTWARE, Refusal.ROLE})


def may_pass_with_time(manager: Any) -> None:
    """Any code that is not one of a wrong key may pass with time: it is tried, and forgotten."""

    def before(_: Any, event: Any) -> Any:
        if isinstance(event, b_state.Sent) and event.outcome.refusal in OF_THE_KEY:
            return replace(event, outcome=replace(event.outcome, refusal=Refusal.OTHER))
        return event

    wrap_step(manager, before)


class _NoAnswer:
    """A venue whose word on a quota that is used up is no answer, and what is left not read."""

    quota_left = None

    def __init__(self, venue: Any) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        answer: Answer = await self._venue.send(tx, path, timeout_s)
        if refusal_of(answer.code, answer.message) is Refusal.QUOTA:
            raise VenueUnavailableError(f"{answer.code} {answer.message}")
        return answer


def no_answer_so_fence() -> Tools:
    """What the quota refuses may have been taken: a fence finds out."""

    def parts(parts: Parts, world: World) -> Parts:
        venue: Any = _NoAnswer(parts.venue)
        sender: Sender = parts.sender
        sender._venue = venue
        sender._fence._venue = venue
        return replace(parts, venue=venue)

    return Tools(parts=parts)


class _AtDefault:
    """A venue whose account is taken to be at the market's default margin."""

    def __init__(self, venue: Any) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    @property
    def last_account(self) -> AccountView | None:
        found: AccountView | None = self._venue.last_account
        return found and replace(found, margin_fraction=0, is_isolated=False)


def default_is_the_account_s(parts: Parts, world: World) -> Parts:
    """The market's default margin is the account's."""
    venue: Any = _AtDefault(parts.venue)
    return replace(parts, venue=venue) if parts.config.side == "b" else parts
