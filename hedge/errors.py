"""Everything that can end or delay the program, one class per reaction.

    HedgeError                      base; `exit_code` is what a main returns
    ├── InternalBugError        1   a broken assumption of our own: report it
    ├── ConfigError             2   fix the configuration or the command line
    ├── UnreachableError        3   retry, or start the missing server
    │   ├── RedisUnreachableError
    │   ├── ExchangeUnreachableError
    │   └── TooManyFilesError
    ├── AccountKeyError         4   fix the account index, the key index or the key
    ├── NotNeutralError         5   halted or not neutral: a human decides
    │   └── HaltedError
    └── AlreadyRunningError     6   stop the other process first

Beside it, `hedge.wire.codec.MessageRefusedError` is raised for a message that is not acted on; it
ends nothing. Every message is one sentence or two: what, where, what to do.
"""

import errno
from collections.abc import Iterator
from typing import ClassVar

_NO_MORE_FILES = "too many open files"


class HedgeError(Exception):
    """Base of all errors that a main turns into one line and an exit code."""

    exit_code: ClassVar[int] = 1


class InternalBugError(HedgeError):
    """A broken assumption of our own."""

    exit_code = 1


class ConfigError(HedgeError):
    """A configuration or command line that cannot be used; `key` is the dotted key or ""."""

    exit_code = 2

    def __init__(self, message: str, key: str = "") -> None:
        """Keep the dotted key that the message is about."""
        super().__init__(message)
        self.key = key

    @property
    def is_about_its_key(self) -> bool:
        """Whether its sentence begins with the key, and so says what to change in the file."""
        return bool(self.key) and str(self).startswith(self.key)

    def within(self, place: str) -> "ConfigError":
        """Return the same error with the file, or the option, that it is about before it."""
        text = str(self)
        return self if text.startswith(place) else ConfigError(f"{place}: {text}", self.key)


class UnreachableError(HedgeError):
    """A server that gave no usable answer; nothing is known of what was asked."""

    exit_code = 3


class RedisUnreachableError(UnreachableError):
    """Redis did not answer, or answered that it cannot serve; `where` is host:port/db."""

    def __init__(self, message: str, where: str = "") -> None:
        """Keep the address that the message is about."""
        super().__init__(message)
        self.where = where


class ReadOnlyReplicaError(RedisUnreachableError):
    """Redis answers, and is a replica: it can be read, and takes no writes."""


class ExchangeUnreachableError(UnreachableError):
    """The exchange gave no usable answer."""


class AccountKeyError(HedgeError):
    """The account does not exist, or the key is not the one that the exchange knows."""

    exit_code = 4


class NotNeutralError(HedgeError):
    """It is not shown that the pair's positions cancel out."""

    exit_code = 5


class HaltedError(NotNeutralError):
    """The pair is halted; only a human resumes it."""


class AlreadyRunningError(HedgeError):
    """Another process holds this host's state directory, or the lease of this account.

    `is_on_host`: it is one of this host, which the stop script reaches.
    """

    exit_code = 6

    def __init__(self, message: str, *, is_on_host: bool = False) -> None:
        """Keep whether the other process is one of this host."""
        super().__init__(message)
        self.is_on_host = is_on_host


class TooManyFilesError(UnreachableError):
    """This process, or the host, may open no more files: whatever it was opened for is well."""


def of_too_many_files(error: BaseException) -> TooManyFilesError | None:
    """Return what to tell of an error that only a limit of open files has brought; else None.

    What was opened stands first in such an error, or the words of a library for it.
    """
    if not any(map(_is_of_files, _causes(error))):
        return None
    return TooManyFilesError(
        "too many files and connections are open at once for this process, or for this host. Let"
        " it open more: `ulimit -n 1024` in the shell that starts it (a systemd service:"
        " `LimitNOFILE=1024`), then start it again."
    )


def _is_of_files(error: BaseException) -> bool:
    is_refused = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
    return is_refused or _NO_MORE_FILES in str(error).lower()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Return an error, what it holds, and what it comes from."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [found for found in (one.__cause__, one.__context__) if found is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
