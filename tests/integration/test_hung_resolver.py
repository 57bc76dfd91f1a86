"""A name server that does not answer: a start says so in time, and its end waits for no look-up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from hedge.launcher.world import Account, pair_values, put, write_config
from tests.world.pair import ROOT

pytestmark = [pytest.mark.integration]

HUNG = """
import runpy, socket, sys, time
real = socket.getaddrinfo
def hang(host, *more, **named):
    if host == "name.invalid":
        time.sleep(600)
    return real(host, *more, **named)
socket.getaddrinfo = hang
from hedge.daemon import startup
startup.CONNECT_S = startup.CLOSE_S = 1.0
runpy.run_path(sys.argv[0], run_name="__main__")
"""
END_S = 25.0


@pytest.mark.parametrize("hangs", ["redis.host", "lighter.base_url"])
def test_an_end_waits_for_no_look_up(tmp_path: Path, hangs: str) -> None:
    """On the plain event loop too, whose look-ups are threads that the interpreter would join."""
    accounts = (Account(101, "12" * 40, ""), Account(102, "12" * 40, ""))
    with EmbeddedRedis(tmp_path / "redis") as server:
        values = pair_values(
            *accounts,
            redis={"host": LOOPBACK, "port": server.port},
            base_url=f"http://{LOOPBACK}:9",
            ws_url=f"ws://{LOOPBACK}:9/stream",
            folder=tmp_path,
        )
        put(values, hangs, "name.invalid" if hangs == "redis.host" else "https://name.invalid")
        put(values, "timing.request_timeout_s", 1.0)
        config = write_config(tmp_path / "config.yaml", values)
        code = f"import sys; sys.argv = ['main_B.py', '--config', {str(config)!r}]\n{HUNG}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "HEDGE_PLAIN": "1"},
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert "name.invalid" in done.stderr
