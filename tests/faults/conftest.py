"""The fault tests say at the end how many prefixes of the trade log they have checked."""

from collections.abc import Iterator

import pytest

from tests.world import pair as world

PREFIXES = "prefixes_checked"


@pytest.fixture(autouse=True)
def count_prefixes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Note with each test how many prefixes its audits looked at."""
    before = world.checked.prefixes
    yield
    looked_at = world.checked.prefixes - before
    request.node.user_properties.append((PREFIXES, looked_at))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sum over all tests, also of other workers."""
    found = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == PREFIXES
    ]
    if found:
        terminalreporter.write_line(f"never twice, checked at {sum(found)} prefixes of the log")
