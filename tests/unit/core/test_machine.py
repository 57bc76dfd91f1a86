"""The look-up that both state machines share, and the names of refusals."""

import enum

import pytest

from hedge.core.refusal import reason_of
from hedge.core.transitions import IllegalTransitionError, look_up
from hedge.exchange.error_codes import refusal_of


class _Door(enum.Enum):
    OPEN = 1
    SHUT = 2


class _Act(enum.Enum):
    PUSH = 1
    LOCK = 2


TABLE = {_Door.OPEN: {_Act.PUSH: _Door.SHUT}}


def test_a_row_gives_the_next_state() -> None:
    """What the table names is what comes next."""
    assert look_up(TABLE, _Door.OPEN, _Act.PUSH) is _Door.SHUT


@pytest.mark.parametrize(("state", "act"), [(_Door.OPEN, _Act.LOCK), (_Door.SHUT, _Act.PUSH)])
def test_a_missing_row_names_state_and_trigger(state: _Door, act: _Act) -> None:
    """What the table does not name raises, with both names in the message."""
    with pytest.raises(IllegalTransitionError, match=f"from {state.name} on {act.name}"):
        look_up(TABLE, state, act)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (21739, "whatever", "not_enough_margin"),
        (21109, "api key not found", "api_key_refused"),
        (21702, " invalid price ", "invalid_price"),
        (21702, "", "code_21702"),
    ],
)
def test_a_refusal_is_named(code: int, message: str, reason: str) -> None:
    """Margin and key codes have names of their own; others take the venue's words, or the code."""
    assert reason_of(refusal_of(code), code, message) == reason
