"""Least-privilege logins on the real server: a whole cycle under them, and what they refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis
import redis.asyncio

from hedge.launcher.embedded_redis import LOOPBACK
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

NO = r"permission|NOPERM|can't (run|access|publish)"
PASSWORDS = {"redis__password": "writes", "redis__reader_password": "reads"}


def login(side: str) -> dict[str, Any]:
    """Return the configuration of a side's two logins."""
    names = {"redis__username": f"hedge-{side}", "redis__reader_username": f"hedge-{side}-reader"}
    return {**names, **PASSWORDS}


async def allow(pair: Pair, side: str, config: Path) -> None:
    """Give a side the users that `hedgectl acl` writes for its configuration."""
    options = ("acl", "--side", side, "--commands")
    code, text = await pair.command(*options, config=config)
    assert code == 0, text
    lines = text.splitlines()
    assert len(lines) == 2, text
    assert not any(password in text for password in PASSWORDS.values())
    for line in lines:
        await pair.client.execute_command(*line.split())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair whose two sides have the logins of their ACL, and nothing more."""
    async with Pair(tmp_path_factory.mktemp("pair")) as pair:
        for side in ("a", "b", "operator"):
            file = pair.config_of("b" if side == "b" else "a", **login(side))
            await allow(pair, side, file)
        pair.start_b(**login("b"))
        pair.start_a(**login("a"))
        await pair.until_ready_b()
        await pair.until_state_a("working")
        yield pair


async def test_a_whole_cycle_needs_nothing_more(guarded: Pair) -> None:
    """Open, close, a halt and its resumption, a standby: nothing of it is refused anywhere."""
    await guarded.client.acl_log_reset()
    standby = guarded.spawn(
        "b", guarded.config_of("b", state__dir=str(guarded.folder / "two"), **login("b"))
    )
    await guarded.fill_a()
    await guarded.until_neutral()
    await guarded.fill_a()
    await guarded.check()

    async def waits() -> bool:
        return bool(await guarded.client.keys(NAMES.standby("b", "*")))

    await guarded.until(waits, "a standby")
    operator = guarded.config_of("a", **login("operator"))
    code, text = await guarded.command("status", config=operator)
    assert (code, "standby of B" in text) == (0, True), text
    code, text = await guarded.command("flatten", "--yes", config=operator)
    assert code == 0, text
    code, text = await guarded.command("resume", config=operator)
    assert code == 0, text
    await guarded.until_resting()
    standby.kill()
    assert await guarded.client.acl_log() == []


LEASE_A = f"hedge:lease:304:{ACCOUNT_A}:4"
LEASE_B = f"hedge:lease:304:{ACCOUNT_B}:4"
EVERYBODY = (
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("SHUTDOWN", "NOSAVE"),
    ("DEBUG", "SLEEP", "0"),
    ("SCRIPT", "FLUSH"),
    ("MONITOR",),
    ("SET", "somebody-elses-key", "x"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
)
REFUSED: dict[str, tuple[tuple[str, ...], ...]] = {
    "hedge-a": (
        ("SET", NAMES.ledger, "x"),
        ("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", NAMES.ledger),
        ("EVAL", "return redis.call('SET', 'hedge:ledger', 'x')", "0"),
        ("SET", NAMES.position_b, "x"),
        ("SET", NAMES.ready_b, "x"),
        ("SET", NAMES.neutral, "x"),
        ("SET", NAMES.command, "x"),
        ("SET", LEASE_B, "x"),
        ("XADD", NAMES.results, "*", "a", "b"),
        ("PUBLISH", NAMES.account_b_filled, "x"),
        ("PUBLISH", NAMES.account_b_hedge_failed, "x"),
    ),
    "hedge-b": (
        ("SET", NAMES.position_a, "x"),
        ("DEL", NAMES.position_a),
        ("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", NAMES.position_a),
        ("SET", NAMES.ready_a, "x"),
        ("SET", NAMES.command, "x"),
        ("SET", LEASE_A, "x"),
        ("XADD", NAMES.fills, "*", "a", "b"),
        ("PUBLISH", NAMES.account_a_filled, "x"),
        ("EVAL", "return redis.call('PUBLISH', ARGV[1], 'x')", "0", NAMES.account_a_filled),
    ),
    "hedge-a-reader": (
        ("SET", NAMES.ledger, "x"),
        ("DEL", NAMES.ledger),
        ("EVAL", "return 1", "0"),
        ("PUBLISH", NAMES.account_b_filled, "x"),
    ),
    "hedge-b-reader": (
        ("SET", NAMES.position_a, "x"),
        ("GETDEL", NAMES.position_a),
        ("PUBLISH", NAMES.account_a_filled, "x"),
    ),
    "hedge-operator": (
        ("SET", NAMES.ledger, "x"),
        ("SET", NAMES.position_a, "x"),
        ("DEL", NAMES.halt),
        ("PUBLISH", NAMES.account_a_filled, "x"),
    ),
    "hedge-operator-reader": (("SET", NAMES.command, "x"), ("SET", NAMES.halt, "x")),
}


@pytest.mark.parametrize("user", REFUSED)
async def test_everything_else_is_refused(guarded: Pair, user: str) -> None:
    """A cannot answer for B, B cannot speak for A, nobody rules the server."""
    password = "reads" if user.endswith("reader") else "writes"
    client = redis.asyncio.Redis(
        host=LOOPBACK,
        port=guarded.redis.port,
        username=user,
        password=password,
        decode_responses=True,
    )
    try:
        for command in (*EVERYBODY, *REFUSED[user]):
            with pytest.raises(
                redis.ResponseError, match=r"permission|NOPERM|can't (run|access|publish)"
            ):
                await client.execute_command(*command)
    finally:
        await client.aclose()
