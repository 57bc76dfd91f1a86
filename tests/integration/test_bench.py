"""The bench runs end to end, and says in a sentence why it cannot."""

import json
import socket
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.world import forked

pytestmark = pytest.mark.integration

FIGURES = {"count", "p50_ms", "p90_ms", "p99_ms", "max_ms", "samples_us"}


def run(
    *arguments: str, module: str = "bench", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the bench and return what it printed."""
    return forked.run("-m", module, *arguments, timeout_s=110.0, **environment)


@pytest.mark.timeout(120)
def test_a_tiny_bench_measures_what_it_is_asked_for(tmp_path: Path) -> None:
    """Floor, latency, burst and the plain way: figures in the file, a table, a picture."""
    file = tmp_path / "bench.json"
    done = run(
        "--parts=floor,latency,burst,naive",
        "--fills=6",
        "--burst=20",
        f"--json={file}",
        f"--run-dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert set(found) == {"machine", "floor", "latency", "burst", "naive", "latency_to_floor"}
    assert {"processor", "cores", "python", "system"} <= set(found["machine"])
    for part in ("hop", "sign", "send"):
        assert set(found["floor"][part]) == FIGURES
        assert found["floor"][part]["count"] == 6
    for name in ("latency", "naive"):
        assert set(found[name]["fill_to_hedge"]) == FIGURES
        assert found[name]["fills"] == found[name]["fill_to_hedge"]["count"] == 6
        assert found[name]["hedge_to_next_order"]["count"] >= 6
    assert found["latency"]["stages"]["order in"]["count"] == 6
    assert found["burst"]["fills"] == 20
    assert 1 <= found["burst"]["hedge_orders"] <= 20
    assert "floor, sum of the medians" in done.stdout
    picture = ET.parse(tmp_path / "run" / "latency.svg")
    assert len(picture.findall(".//{*}polyline")) == 2


@pytest.mark.timeout(120)
def test_a_bench_counts_what_each_side_asks(tmp_path: Path) -> None:
    """Each side through a door of its own: nothing while calm, reads and sockets while cut."""
    file = tmp_path / "bench.json"
    done = run(
        "--parts=requests",
        "--tiers=premium",
        "--requests-s=2",
        f"--json={file}",
        f"--run-dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["requests"]
    found = {(row["when"], row["side"]): row for row in rows}
    assert len(found) == 8
    assert {row["limit_per_minute"] for row in rows} == {24_000}
    for side in "ab":
        assert found["calm", side]["connects_per_minute"] == 0
        cut = found["sockets cut", side]
        assert cut["connects_per_minute"] > 0
        assert cut["reads_per_minute"] > 0
    assert found["market storm", "a"]["transactions_per_minute"] > 0


def test_a_busy_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    """No traceback: the port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("redis-port", "paper-port"):
            done = run("--parts=floor", f"--{name}={port}", f"--run-dir={tmp_path}")
            assert done.returncode == 6
            assert done.stderr.splitlines()[-1] == (
                f"bench: --{name} {port} is in use: choose another, or 0 for any."
            )


def test_an_imitation_of_redis_measures_nothing(tmp_path: Path) -> None:
    """Without a real server the bench says what to install."""
    done = run("--parts=floor", f"--run-dir={tmp_path}", HEDGE_REDIS="fake")
    assert done.returncode == 3
    assert "install Redis 6.2 or newer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--parts=speed", "--parts speed: known are"),
        ("--fills=0", "--fills must be at least 1"),
        ("--crowds=x", "--crowds x"),
        ("--tiers=gold", "--tiers gold: known are"),
        ("--paper-port=70000", "--paper-port is not a port"),
    ],
)
def test_a_wrong_argument_is_named(argument: str, told: str) -> None:
    """Exit code 2 and one sentence."""
    done = run(argument)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr


@pytest.mark.timeout(120)
def test_a_short_soak_ends_neutral(tmp_path: Path) -> None:
    """Two short minutes: a line for each, and a last one that says that nothing is open."""
    done = run("--minutes=2", "--minute-s=2", f"--run-dir={tmp_path / 'soak'}", module="bench.soak")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["minute=1", "minute=2", "SOAK"]
    assert " p50_ms=" in lines[0]
    assert " a_mb=" in lines[0]
    assert " net_lots=0 grown=nothing" in lines[-1]


def test_a_soak_says_why_it_cannot_run(tmp_path: Path) -> None:
    """A wrong number, a busy port, no Redis: one sentence each, and its exit code."""
    where = f"--run-dir={tmp_path / 'soak'}"
    done = run("--minutes=0", where, module="bench.soak")
    assert (done.returncode, done.stderr) == (
        2,
        "soak: --minutes and --rate must be more than 0\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(f"--paper-port={port}", where, module="bench.soak")
    assert (done.returncode, "is in use" in done.stderr) == (6, True)
    done = run(where, module="bench.soak", HEDGE_REDIS="fake")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
