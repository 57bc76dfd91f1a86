"""The start and stop scripts: whole processes, a real Redis and the paper exchange."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis
import yaml

from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.paper_admin import PaperAdmin
from hedge.launcher.world import ACCOUNT_A, ACCOUNT_B, open_account, pair_values, write_config
from tests.integration.up.scripts import all_gone, pid_of, script
from tests.waiting import eventually_sync

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
]

ROOT = Path(__file__).resolve().parents[3]
SUMMARY = re.compile(
    r"SUMMARY cycles=(\d+) fills=(\d+) volume_usd=[\d.]+ hedges=(\d+)"
    r" p50_ms=[\d.]+ p99_ms=[\d.]+ net_lots=(-?\d+) cost_bps=-?[\d.]+"
    r" b_volume_usd=[\d.]+ fees_usd=[\d.]+ self_trades=\d+"
)


# --- paper


def test_two_cycles_end_neutral_with_a_summary(tmp_path: Path) -> None:
    """`--paper --cycles 2` ends with exit code 0, net zero, and nothing left running."""
    with script("--paper", "--cycles", "2", "--run-dir", str(tmp_path)) as run:
        run.says("Both run.")
        family = run.children()
        assert len(family) == 4  # Redis, exchange, B, A
        assert run.ends() == 0, run.text
    assert all_gone(family)
    match = SUMMARY.fullmatch(run.lines[-1])
    assert match is not None, run.text
    cycles, fills, hedges, net = (int(number) for number in match.groups())
    assert cycles >= 2
    assert fills >= 4
    assert hedges >= 4
    assert net == 0
    config = tmp_path / "config.yaml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    keys = [
        side["api_key_private_key"]
        for side in yaml.safe_load(config.read_text())["accounts"].values()
    ]
    assert not any(key in run.text for key in keys)


def test_the_pair_runs_where_the_system_offers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain ways of other systems, all forced: a cycle, a clean stop, nothing left running."""
    monkeypatch.setenv("HEDGE_PLAIN", "1")
    monkeypatch.setenv("HEDGE_REDIS", "fake")
    with script("--paper", "--cycles", "1", "--run-dir", str(tmp_path)) as run:
        run.says("Both run.")
        family = run.children()
        served = [child for child in family if "hedge.launcher.embedded_redis" in child.cmdline()]
        loops = {_maps_uvloop(child) for child in family}
        assert run.ends() == 0, run.text
    assert all_gone(family)
    assert len(served) == 1
    assert loops == {False}
    assert SUMMARY.fullmatch(run.lines[-1]) is not None, run.text
    assert "net_lots=0" in run.lines[-1]


def _maps_uvloop(process: psutil.Process) -> bool:
    """Whether a process has loaded uvloop."""
    return "uvloop" in Path(f"/proc/{process.pid}/maps").read_text()


def test_ctrl_c_stops_a_before_b(tmp_path: Path) -> None:
    """One Ctrl-C stops A, then B, then the rest; exit code 0."""
    with script("--paper", "--run-dir", str(tmp_path)) as run:
        run.says("place ")
        family = run.children()
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0, run.text
    assert all_gone(family)
    ended = [line[0] for line in run.lines if "stopped neutral=true" in line]
    assert ended == ["A", "B"]
    assert [line for line in run.lines if line.startswith("Neutral: ")] == [run.lines[-2]]
    assert "net_lots=0" in run.lines[-1]


def test_a_second_ctrl_c_exits_at_once(tmp_path: Path) -> None:
    """A second signal ends everything without waiting, and says that it did."""
    with script("--paper", "--run-dir", str(tmp_path)) as run:
        run.says("Starting A")
        family = run.children()
        daemon = run.pid_of("main_B.py")
        os.kill(daemon, signal.SIGSTOP)  # so that the orderly way would take long
        run.process.send_signal(signal.SIGINT)
        run.says("Waiting: ")

        def is_over() -> bool:
            """Ask again; too soon after the first time it is the same request."""
            run.process.send_signal(signal.SIGINT)
            return run.process.poll() is not None

        eventually_sync(is_over, 10, "it leaves at once")
        assert run.ends(10) == 5, run.text
    assert all_gone(family)
    assert "Stopped at once" in run.text


def test_a_killed_script_leaves_nothing_behind(tmp_path: Path) -> None:
    """After kill -9 of the script the kernel ends daemons, exchange and Redis."""
    with script("--paper", "--run-dir", str(tmp_path)) as run:
        run.says("Both run.")
        family = run.children()
        run.process.kill()
        run.ends()
    assert all_gone(family)


def test_a_daemon_that_dies_is_started_again(tmp_path: Path) -> None:
    """When B dies in a run of cycles the script says so, and the run reaches its aim."""
    with script("--paper", "--cycles", "1", "--run-dir", str(tmp_path)) as run:
        run.says("place ")
        os.kill(run.pid_of("main_B.py"), signal.SIGKILL)
        assert run.ends() == 0, run.text
    assert "main_B ended with exit code -9" in run.text
    assert "net_lots=0" in run.lines[-1]


def left_by_an_earlier_run(run_dir: Path, **sections: object) -> None:
    """Make a directory that `--keep` goes on with: exchange, keys, and a changed configuration."""
    from tests.world.paper import PaperProcess  # noqa: PLC0415  imports the SDK

    with PaperProcess(market=True, state_dir=run_dir / "exchange") as paper:
        a, b = (open_account(paper.admin, index) for index in (ACCOUNT_A, ACCOUNT_B))
    nowhere = {"redis": {"host": LOOPBACK, "port": 1}, "base_url": "", "ws_url": ""}
    values = pair_values(a, b, folder=run_dir, **nowhere)
    values["lighter"] |= {"tier": "premium", "requests_per_minute": 24_000}
    write_config(run_dir / "config.yaml", {**values, **sections})
    (run_dir / ".paper-run").touch()


def test_a_halt_ends_a_run_of_cycles(tmp_path: Path) -> None:
    """With B's API key gone the pair halts; the run says why and exits with 5."""
    left_by_an_earlier_run(tmp_path, timing={"stop_timeout_s": 1.0})
    with script("--paper", "--keep", "--cycles", "1000", "--run-dir", str(tmp_path)) as run:
        run.says("place ")
        config = yaml.safe_load((tmp_path / "config.yaml").read_text())
        assert config["timing"] == {"stop_timeout_s": 1.0}
        PaperAdmin(config["lighter"]["base_url"]).delete_key(ACCOUNT_B, 4)
        assert run.ends() == 5, run.text
    assert "HALTED since" in run.text
    assert "SUMMARY" in run.lines[-1]


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    """Two runs in one directory: the second one says so and exits with 6."""
    with script("--paper", "--run-dir", str(tmp_path)) as run:
        run.says("Starting the paper exchange")
        with script("--paper", "--run-dir", str(tmp_path)) as second:
            assert second.ends() == 6
        assert len(second.lines) == 1
        assert f"stop_hedge.sh --config {tmp_path / 'config.yaml'}`" in second.text
        run.process.send_signal(signal.SIGTERM)
        run.ends()


def test_b_alone_hedges_what_is_published_by_hand(tmp_path: Path) -> None:
    """`--only-b` runs B without A; a published fill moves B once, the same text not again.

    The stop script asks the start script, and says no other word than that.
    """
    with script("--paper", "--only-b", "--run-dir", str(tmp_path)) as run:
        run.says("B runs.")
        config = yaml.safe_load((tmp_path / "config.yaml").read_text())
        fill = {
            "account_index": ACCOUNT_A,
            "market_index": 0,
            "order_index": 1,
            "filled_base_amount": "0.0100",
            "filled_quote_amount": "30",
            "avg_price": "3000",
            "timestamp": 1_795_000_000,
            "side": "buy",
        }
        with redis.Redis(port=config["redis"]["port"]) as client:
            client.publish("hedge:account_a_filled", json.dumps(fill))
            run.says("hedged side=sell size=0.0100")
            client.publish("hedge:account_a_filled", json.dumps(fill))
            run.says("counted already")
        with script("--config", str(tmp_path / "config.yaml"), "--stop") as stop:
            assert stop.ends() == 5, stop.text  # what a person published is open
        assert run.ends() == 5, run.text
    assert "B left something open" in stop.text
    assert "net_lots=-100" in run.lines[-1]


def test_an_unknown_market_is_one_sentence(tmp_path: Path) -> None:
    """A market that the exchange does not have is named, with those that it has."""
    arguments = ("--paper", "--market", "GOLD", "--run-dir", str(tmp_path))
    with script(*arguments) as run:
        assert run.ends() == 2
    assert "--market GOLD" in run.lines[-1]
    assert "ETH" in run.lines[-1]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--quantity", "0.00001", "steps of 0.0001"), ("--depth", "200", "allowed is 1 to 50")],
)
def test_what_the_market_cannot_take_is_refused_before_a_daemon_starts(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    """The last line names what was typed: the file is written anew by each run."""
    with script("--paper", option, value, "--run-dir", str(tmp_path)) as run:
        assert run.ends() == 2
    assert run.lines[-1].startswith(f"{option}: strategy.")
    assert words in run.lines[-1]
    assert "Starting B" not in run.text


def test_a_run_that_is_out_of_time_says_so(tmp_path: Path) -> None:
    """Beside `Neutral` its exit code says that something is missing, and this says what."""
    arguments = ("--paper", "--cycles", "1000", "--timeout-s", "0.1", "--run-dir", str(tmp_path))
    with script(*arguments) as run:
        assert run.ends() == 5
    assert "Ended after 0.1 s (--timeout-s) with 0 of 1000 cycles" in run.lines[-2]
    assert str(tmp_path / "logs" / "main_A.log") in run.lines[-2]
    assert "SUMMARY" in run.lines[-1]


# --- the real thing, with the paper exchange in the place of the real one


def test_detached_daemons_run_until_the_stop_script(host: Path) -> None:
    """`--detach` leaves both running, a second start is refused, `--stop` stops A, then B."""
    with script("--config", str(host), "--detach") as start:
        assert start.ends() == 0, start.text
    pids = [pid_of(host, name) for name in ("main_A.py", "main_B.py", "hedge.launcher")]
    family = [psutil.Process(pid) for pid in pids]
    try:
        with script("--config", str(host)) as second:
            assert second.ends() == 6, second.text
        assert str(pids[0]) in second.text
        with script("--config", str(host), "--stop") as stop:
            assert stop.ends() == 0, stop.text
        assert all_gone(family)
        assert stop.lines[-1].startswith("Neutral: ")
        outputs = list((host.parent / "state").glob("launcher-*/*.out"))
        assert len(outputs) >= 3
        assert not [line for one in outputs for line in one.read_text().splitlines()]
        with script("--config", str(host), "--stop") as again:
            assert again.ends() == 0
        assert "Nothing of this pair runs" in again.text
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_market_size_and_level_come_from_the_configuration(host: Path) -> None:
    """A start without arguments trades what config.yaml says, and nothing larger."""
    values = yaml.safe_load(host.read_text())
    values |= {"market": "BTC", "strategy": {"quantity": "0.002", "depth": 3}}
    host.write_text(yaml.safe_dump(values))
    with script("--config", str(host)) as run:
        run.says("place ")
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0, run.text
    assert "market=BTC" in run.text
    assert "size=0.00200" in run.text


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    """A file in the place of a directory is the user's mistake, and no bug."""
    (tmp_path / "file").touch()
    with script("--paper", "--run-dir", str(tmp_path / "file")) as run:
        assert run.ends() == 2, run.text
    assert "cannot be used" in run.text
    assert "--run-dir" in run.text
    assert "Traceback" not in run.text


def test_a_b_of_another_host_that_leads_is_named(host: Path) -> None:
    """Ours stands by then; the start says so, and goes on with the one that hedges."""
    values = yaml.safe_load(host.read_text())
    elsewhere = host.parent / "elsewhere"
    elsewhere.mkdir()
    values["state"]["dir"] = str(elsewhere / "state")
    values["logging"]["dir"] = str(elsewhere / "logs")
    config = elsewhere / "config.yaml"
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump(values))
    other = subprocess.Popen([sys.executable, "main_B.py", "--config", str(config)], cwd=ROOT)
    try:
        log = elsewhere / "logs" / "main_B.log"
        eventually_sync(
            lambda: log.exists() and "] ready " in log.read_text(), 60, "the other B is ready"
        )
        with script("--config", str(host)) as run:
            run.says("place ")
            run.process.send_signal(signal.SIGINT)
            assert run.ends() == 0, run.text
        assert "another main_B.py (host id " in run.text
        assert "ours stands by" in run.text
    finally:
        other.kill()
        other.wait()


def test_the_stop_script_ends_a_foreground_start(host: Path) -> None:
    """The stop script stops a pair that another terminal shows; that one ends with 0 too."""
    with script("--config", str(host)) as run:
        run.says("place ")
        with script("--config", str(host), "--stop") as stop:
            assert stop.ends() == 0, stop.text
        assert run.ends() == 0, run.text


def test_no_redis_is_one_sentence_and_exit_code_3(host: Path) -> None:
    """An unreachable Redis ends the start before any daemon runs."""
    values = yaml.safe_load(host.read_text())
    values["redis"]["port"] = 1
    host.write_text(yaml.safe_dump(values))
    with script("--config", str(host)) as run:
        assert run.ends() == 3
    assert len(run.lines) == 1


def test_a_refused_key_is_the_daemons_sentence_and_exit_code_4(host: Path) -> None:
    """The exit code and the words of a daemon that cannot start are the script's."""
    values = yaml.safe_load(host.read_text())
    values["accounts"]["account_b"]["api_key_index"] = 9
    host.write_text(yaml.safe_dump(values))
    with script("--config", str(host)) as run:
        assert run.ends() == 4, run.text
    assert "Traceback" not in run.text


@pytest.mark.parametrize("side", ["a", "b"])
def test_what_a_daemon_would_refuse_is_refused_before_anything_starts(
    host: Path, side: str
) -> None:
    """One sentence with the file and the key, once, and neither B nor A was there."""
    values = yaml.safe_load(host.read_text())
    values["accounts"][f"account_{side}"]["api_key_private_key"] = "${NO_SUCH_KEY}"
    host.write_text(yaml.safe_dump(values))
    with script("--config", str(host)) as run:
        assert run.ends() == 2
    key = f"{host}: accounts.account_{side}.api_key_private_key"
    what = "the environment variable NO_SUCH_KEY is not set; set it, or write the value."
    assert run.lines == [f"{key}: {what}"]


def test_a_missing_configuration_is_one_sentence(tmp_path: Path) -> None:
    """Without a configuration the script says what to do."""
    with script("--config", str(tmp_path / "none.yaml")) as run:
        assert run.ends() == 2
    assert len(run.lines) == 1
    assert "--paper" in run.text
    with script("--stop", "--config", str(tmp_path / "none.yaml")) as stop:
        assert stop.ends() == 2
    what_to_do = "name by --config the file that the pair was started with."
    assert stop.text == f"There is no {tmp_path / 'none.yaml'}: {what_to_do}"
