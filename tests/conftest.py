"""What holds for every test: no Hypothesis deadlines, and no process left behind."""

import gc
import os
import sys
from collections.abc import Generator, Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.world.forked import start_forking, stop_forking
from tests.world.processes import kept_processes

# Shared machines are slow at random moments: a deadline per example says nothing about our code.
settings.register_profile("pair", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "thorough",
    parent=settings.get_profile("pair"),
    max_examples=2000,
)
settings.register_profile(
    "brief",
    parent=settings.get_profile("pair"),
    max_examples=10,
    derandomize=True,  # what it reaches is measured, and shall not be another thing each time
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "pair"))

# No test speaks to anything but this machine, and no process that a test starts: reading the
# system's certificates, which clients do at import and once more each, costs more than most tests.
os.environ["SSL_CERT_FILE"] = os.devnull

GRACE_S = 3.0
RECURSION_LIMIT = sys.getrecursionlimit()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --backwards."""
    parser.addoption(
        "--backwards",
        action="store_true",
        help="run the tests in the opposite order: none may depend on it",
    )


def pytest_configure() -> None:
    """Let worlds be made of copies of one process that has imported the program."""
    start_forking()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without looking for garbage, which costs a fifth: there is none among them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """End that process."""
    stop_forking()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Turn the order around where that is asked for."""
    if config.getoption("--backwards"):
        items.reverse()


def pytest_runtest_setup() -> None:
    """Undo what `import lighter` in an earlier test did to the recursion limit.

    The program loads the SDK's signer alone, which keeps the limit; a test that imports the whole
    SDK would let hostile JSON of a later test end the whole worker.
    """
    if sys.getrecursionlimit() > RECURSION_LIMIT:
        sys.setrecursionlimit(RECURSION_LIMIT)


def _children() -> list[psutil.Process]:
    """Return the live processes under this one; a zombie is not alive, only not yet waited for."""
    alive = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                alive.append(child)
        except psutil.NoSuchProcess:
            continue
    return alive


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return str(process.pid)


@pytest.fixture(scope="module", autouse=True)
def no_process_left_behind() -> Iterator[None]:
    """Fail a module whose tests leave a child process running, and end that process.

    What a session fixture starts (a Redis that several modules share) may stay: it says so by
    `tests.world.processes.keep_process`.
    """
    before = {child.pid for child in _children()}
    yield
    left = [child for child in _children() if child.pid not in before | kept_processes()]
    _, left = psutil.wait_procs(left, timeout=GRACE_S) if left else ([], [])
    told = [_describe(child) for child in left]
    for child in left:
        child.kill()
    assert not told, f"left running by this module's tests: {told}"
