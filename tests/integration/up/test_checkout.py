"""A checkout under a path with a blank and no active environment: scripts, and what they print."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from hedge.launcher.embedded_redis import LOOPBACK
from tests.integration.up.scripts import ROOT
from tests.waiting import eventually_sync

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.name == "nt", reason="these are the scripts of a Unix shell"),
]

BARE = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
"""Neither an environment of Python nor its interpreter is found by name."""
STAMP = """import hashlib, pathlib
text = b"".join(pathlib.Path(name).read_bytes() for name in ("requirements.txt", "constraints.txt"))
pathlib.Path(".venv/.requirements.sha256").write_text(hashlib.sha256(text).hexdigest() + "\\n")
"""
COMMANDS = """import sys
from hedge.daemon.host_os import commands_for
one = commands_for(sys.argv[1])
for text in (one.status, one.resume, one.resume_by_force, one.flatten, one.flatten_by_force,
             one.start, one.start_in("BTC"), one.stop):
    print(text.strip("`"))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as a clone has it, and a finished .venv that borrows what is installed here."""
    folder = tmp_path_factory.mktemp("a folder") / "hedge it"
    folder.mkdir()
    for name in ("hedge", "paper"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in ("*.py", "*.sh", "hedgectl", "*.txt", "config.yaml"):
        for file in ROOT.glob(pattern):
            shutil.copy(file, folder)
    venv.EnvBuilder(symlinks=True).create(folder / ".venv")
    python = folder / ".venv" / "bin" / "python"
    there = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    Path(there, "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    subprocess.run([python, "-c", STAMP], cwd=folder, check=True)
    return folder


def config_in(folder: Path, name: str, port: int) -> Path:
    """A configuration whose Redis is away, told from others by its port."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    file.chmod(0o600)
    accounts = ", ".join(
        f"account_{side}: {{account_index: {index}, api_key_index: 5,"
        f" api_key_private_key: {'ab' * 40}}}"
        for side, index in (("a", 11), ("b", 12))
    )
    redis = f"{{host: {LOOPBACK}, port: {port}}}"
    file.write_text(f"accounts: {{{accounts}}}\nredis: {redis}\n")
    return file


@pytest.mark.parametrize(("name", "port"), [("../it's $HOME & co.yaml", 3), ("config.yaml", 4)])
def test_every_printed_command_runs_exactly_as_printed(
    checkout: Path, name: str, port: int
) -> None:
    """Typed in the program's folder: each one reads the configuration that it names."""
    config = config_in(checkout, name, port)
    python = checkout / ".venv" / "bin" / "python"
    printed = subprocess.run(
        [python, "-c", COMMANDS, config], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(printed) == 8
    for command in printed:
        assert ("--config" in command) == (name != "config.yaml")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=BARE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if "stop_hedge" in command:  # it asks Redis, and goes on without
            assert (done.returncode, said) == (0, "Nothing of this pair runs on this host.\n")
        else:
            assert (done.returncode, said.count(f"{LOOPBACK}:{port}/0")) == (3, 1), said
            assert len(said.splitlines()) == 1


def test_the_callers_files_a_link_and_a_proxy(checkout: Path, tmp_path: Path) -> None:
    """By a link from another folder, behind a proxy: a run in the caller's directory, no log here.

    What it prints for another terminal runs there.
    """
    link = tmp_path / "hedge"
    link.symlink_to(checkout / "start_hedge.sh")
    proxies = dict.fromkeys(("http_proxy", "all_proxy"), f"http://me:hunter2@{LOOPBACK}:1")
    out = tmp_path / "out"
    command = ["bash", "-c", "exec ./hedge --paper --run-dir 'play ground'"]
    with out.open("w") as sink:
        run = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**BARE, **proxies},
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        asked = re.compile(r"Ask in another terminal: `(.+)`")
        eventually_sync(
            lambda: asked.search(out.read_text()) or run.poll() is not None, 60, "both run"
        )
        found = asked.search(out.read_text())
        assert found is not None, out.read_text()
        eventually_sync(
            lambda: (
                subprocess.run(
                    ["bash", "-c", found[1]],
                    cwd=checkout,
                    env=BARE,
                    capture_output=True,
                    check=False,
                ).returncode
                == 0
            ),
            30,
            "status is neutral",
        )
    finally:
        run.send_signal(signal.SIGINT)
        code = run.wait(60)
    assert code == 0, out.read_text()
    assert "hunter2" not in out.read_text()
    assert (tmp_path / "play ground" / "logs" / "main_A.log").exists()
    assert not list((checkout / "logs").glob("main_*"))


# --- the first start, with an interpreter that only writes down what it was asked

RECORDER = f"""#!/bin/bash
case "$1 ${{2:-}} ${{3:-}}" in
"-m venv --clear")
    rm -rf .venv; mkdir -p .venv/bin
    echo venv >>calls
    if [ -e die-in-venv ]; then
        rm die-in-venv; printf '#!/bin/bash\\n[ "$2" != pip ]' >.venv/bin/python
        chmod +x .venv/bin/python; kill -9 $PPID; exit 1
    fi
    cp "$0" .venv/bin/python ;;
"-m pip --version") ;;
"-m pip install")
    echo pip >>calls
    if [ -e die-in-pip ]; then rm die-in-pip; kill -9 $PPID; exit 1; fi
    if [ -e fail-in-pip ]; then rm fail-in-pip; exit 1; fi ;;
"-m hedge.launcher "*) echo "called in $HEDGE_CALLED_IN with ${{*:3}}" ;;
"--version  ") echo "Python 3" ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkout that was never started."""
    folder = tmp_path / "a b"
    folder.mkdir()
    for name in ("start_hedge.sh", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    recorder = folder / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    return folder


def start(folder: Path, *arguments: str, script: str = "./start_hedge.sh") -> tuple[int, str]:
    environment = {**BARE, "PYTHON": str(folder / "recorder")}
    cwd = folder if script.startswith("./") else folder.parent
    done = subprocess.run(
        [script, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("moment", ["die-in-venv", "die-in-pip", "fail-in-pip"])
def test_a_first_start_that_was_interrupted_can_be_started_again(fresh: Path, moment: str) -> None:
    """Killed while it makes .venv or installs: made again; where pip has failed only pip runs."""
    (fresh / moment).touch()
    assert start(fresh)[0] in (-signal.SIGKILL, 2)
    before = (fresh / "calls").read_text().split()
    code, said = start(fresh, "--paper")
    assert (code, said) == (0, f"called in {fresh} with --paper\n")
    calls = (fresh / "calls").read_text().split()[len(before) :]
    assert calls == (["pip"] if moment == "fail-in-pip" else ["venv", "pip"])
    assert start(fresh)[0] == 0
    assert (fresh / "calls").read_text().split()[len(before) :] == calls


def test_a_folder_that_takes_no_venv_is_no_bug(fresh: Path) -> None:
    """That is the user's to cure; the operator's tool says what makes one."""
    (fresh / ".venv").write_text("a file is in the way")
    recorder = RECORDER.replace("rm -rf .venv; mkdir -p .venv/bin", "exit 1")
    (fresh / "recorder").write_text(recorder)
    assert start(fresh)[0] == 2
    shutil.copy(ROOT / "hedgectl", fresh)
    tool = subprocess.run(
        [fresh / "hedgectl", "status"], cwd="/", capture_output=True, text=True, check=False
    )
    assert tool.returncode == 2
    assert tool.stderr == f"There is no .venv in {fresh} yet: ./start_hedge.sh makes it.\n"


def test_a_link_to_the_script_is_the_script(fresh: Path) -> None:
    """Links upon links, absolute and relative; it works in its own folder, for the caller's."""
    links = fresh.parent / "links"
    links.mkdir()
    (links / "one").symlink_to("../a b/start_hedge.sh")
    (links / "two").symlink_to(links / "one")
    code, said = start(fresh, "--config", "my.yaml", script=str(links / "two"))
    assert (code, said) == (0, f"called in {fresh.parent} with --config my.yaml\n")
    assert not (links / ".venv").exists()
