"""The shape of what Redis answers; an answer of another shape was not meant for the question.

Something between us and Redis, or one answer too many, must cost a connection, not the daemon.
"""

import contextlib
import reprlib
from collections.abc import Callable, Iterator
from typing import Any

import redis

from hedge.bus.scripts import LeaseStatus

Fits = Callable[[Any], bool]
"""Whether an answer has the shape of one to the question."""

_STUMBLES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What redis-py raises over an answer that it did not expect."""

_LEASE_WORDS = frozenset(status.value for status in LeaseStatus)


@contextlib.contextmanager
def parsed() -> Iterator[None]:
    """Let redis-py read an answer. Raises redis.InvalidResponse where it stumbles over it."""
    try:
        yield
    except UnicodeError:  # a host name, not an answer: those are decoded with replacement
        raise
    except _STUMBLES as error:
        raise redis.InvalidResponse(f"{type(error).__name__}: {error}") from error


def fitting(answer: Any, fits: Fits) -> Any:
    """Return the answer. Raises redis.InvalidResponse where it does not fit."""
    if not fits(answer):
        raise redis.InvalidResponse(f"found {reprlib.repr(answer)}")
    return answer


def is_anything(_: Any) -> bool:
    """Any answer will do."""
    return True


def is_ok(answer: Any) -> bool:
    """SET: it is done."""
    return bool(answer == "OK")


def is_number(answer: Any) -> bool:
    """PUBLISH, DEL, and scripts that count or say yes or no: a whole number."""
    return type(answer) is int


def is_text(answer: Any) -> bool:
    """TYPE: a word."""
    return type(answer) is str


def are_values(count: int) -> Fits:
    """MGET: a text or nothing for each of so many keys."""

    def fits(answer: Any) -> bool:
        return (
            isinstance(answer, list)
            and len(answer) == count
            and all(value is None or type(value) is str for value in answer)
        )

    return fits


def is_page(answer: Any) -> bool:
    """SCAN: where to go on, and keys."""
    match answer:
        case [str(), list(keys)]:
            return all(type(key) is str for key in keys)
    return False


def is_lease(answer: Any) -> bool:
    """LEASE and WRITE: a status that we know, the lease, and a note."""
    match answer:
        case [str(word), str(), str()]:
            return word in _LEASE_WORDS
    return False


def is_halt(answer: Any) -> bool:
    """HALT: whether it was stored, what stands there, its digest, and a note."""
    match answer:
        case [0 | 1, str(), str(), str()]:
            return True
    return False


def is_notice(answer: Any) -> bool:
    """Anything on a subscription link: a message, or how many subscriptions there are now."""
    match answer:
        case ["message", str(), str()] | ["subscribe" | "unsubscribe", str(), int()]:
            return True
    return False
