"""Processes that session fixtures start, and that may outlive the module that asked first."""

_kept: set[int] = set()


def keep_process(pid: int) -> None:
    """Allow this process to outlive the module whose test started it."""
    _kept.add(pid)


def kept_processes() -> frozenset[int]:
    """Return the processes that may stay until the end of the run."""
    return frozenset(_kept)
