"""Exit codes, each reached by a command that really ends with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.public.programs import Programs, name_of
from tests.public.shapes import Entries
from tests.public.world import Json, Place, closed_port, own_files, write_config

MAINS = ("main_A.py", "main_B.py")
LOGIN = {"username": "solo", "password": "secret-word"}


@dataclass(frozen=True)
class Case:
    """One command line that ends by itself, and why it does."""

    program: str
    why: str
    arguments: tuple[str | Path, ...]


def codes(programs: Programs, cases: Iterable[Case]) -> Entries:
    """Return the exit code of each case."""
    return {
        name_of(case.program, case.why): programs.result(case.program, *case.arguments).code
        for case in cases
    }


# --- without a world


def without_world(folder: Path) -> Iterator[Case]:
    """Yield what ends before any server is asked, or because none is there."""
    folder.mkdir()
    good = write_config(folder / "good.yaml", _values(folder))
    unknown = write_config(folder / "unknown.yaml", _values(folder) | {"colour": 1})
    missing = folder / "missing.yaml"
    for main in MAINS:
        yield Case(main, "an unknown option", ("--colour",))
        yield Case(main, "no such configuration file", ("--config", missing))
        yield Case(main, "an unknown key in the configuration", ("--config", unknown))
        yield Case(main, "Redis not reachable", ("--config", good))
    hedgectl = "hedgectl.py"
    yield Case(hedgectl, "no command", ())
    yield Case(hedgectl, "an unknown command", ("colour",))
    for command in ("status", "resume", "flatten"):
        yield Case(f"{hedgectl} {command}", "Redis not reachable", ("--config", good))
    yield Case(f"{hedgectl} status", "an unknown option", ("--colour",))
    yield Case(f"{hedgectl} status", "no such configuration file", ("--config", missing))
    yield Case(f"{hedgectl} resume", "--force without a reason", ("--force", "--config", good))
    yield Case(f"{hedgectl} acl", "of side a", ("--side", "a", "--config", good))
    yield Case(f"{hedgectl} acl", "of no side", ("--side", "c", "--config", good))
    for script in ("start_hedge.sh", "stop_hedge.sh"):
        yield Case(script, "an unknown option", ("--colour",))
        yield Case(script, "no such configuration file", ("--config", missing))
    yield Case("start_hedge.sh", "--cycles without --paper", ("--cycles", "1"))
    yield Case("start_hedge.sh", "Redis not reachable", ("--config", good))
    yield Case("python -m paper", "an unknown option", ("--colour",))
    yield Case("python -m paper", "an unknown tier", ("--tier", "colour"))
    yield Case("python -m paper", "an address that is not loopback", ("--host", "192.0.2.1"))


def _values(folder: Path) -> Json:
    """Return a configuration of the right form whose servers do not exist."""
    account = {"api_key_index": 4, "api_key_private_key": "ab" * 40}
    return {
        "accounts": {
            "account_a": {**account, "account_index": 1},
            "account_b": {**account, "account_index": 2},
        },
        "redis": {"host": "127.0.0.1", "port": closed_port(), **LOGIN},
        "lighter": {"base_url": f"http://127.0.0.1:{closed_port()}"},
        **own_files(folder),
    }


# --- beside a running pair


def beside(place: Place, folder: Path, unknown_key: str) -> Iterator[Case]:
    """Yield what ends by itself beside a running pair; `unknown_key` is registered nowhere."""
    folder.mkdir()
    values = {**place.values, **own_files(folder)}
    elsewhere = write_config(folder / "elsewhere.yaml", values)
    strange = write_config(folder / "strange.yaml", _with_accounts(values, key=unknown_key))
    absent = write_config(folder / "absent.yaml", _with_accounts(values, apart=5000))
    lighter = {**values["lighter"], "base_url": f"http://127.0.0.1:{closed_port()}"}
    alone = write_config(folder / "alone.yaml", {**values, "lighter": lighter})
    for main in MAINS:
        yield Case(f"{main} --check", "all is well", ("--config", elsewhere))
        yield Case(main, "the exchange not reachable", ("--config", alone))
        yield Case(main, "a key that the exchange does not know", ("--config", strange))
        yield Case(main, "an account that does not exist", ("--config", absent))
        yield Case(main, "already runs on this host", ("--config", place.config))
    yield Case("main_A.py", "already runs on another host", ("--config", elsewhere))
    yield Case("hedgectl.py status", "of a running pair", ("--config", place.config))
    again = ("--run-dir", place.folder)
    yield Case("start_hedge.sh --paper", "already runs in this directory", again)
    taken = place.exchange.base_url.rpartition(":")[2]
    yield Case("python -m paper", "a port in use", ("--port", taken))


def _with_accounts(values: Json, *, key: str | None = None, apart: int = 0) -> Json:
    accounts: Mapping[str, Json] = values["accounts"]
    return {
        **values,
        "accounts": {
            name: {
                **account,
                "account_index": account["account_index"] + apart,
                "api_key_private_key": key or account["api_key_private_key"],
            }
            for name, account in accounts.items()
        },
    }
