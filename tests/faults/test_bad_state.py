"""What the daemons remember is spoilt: in Redis, in their own files, by a disk without room."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

FILES = ("host", "book-0", "neutral-0", "manual-0")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair."""
    async with Pair(tmp_path_factory.mktemp("pair")) as made:
        await made.start()
        yield made


def state_of(pair: Pair, side: str) -> Path:
    """Return the directory in which a side keeps its files."""
    account = ACCOUNT_A if side == "a" else ACCOUNT_B
    (found,) = (pair.folder / f"state-{side}").glob(f"*-{account}-*")
    return found


def no_traceback(pair: Pair) -> None:
    """No daemon printed anything, and none logged a bug."""
    for file in (*pair.folder.glob("*.out"), *pair.folder.glob("logs*/*.log")):
        assert "Traceback" not in file.read_text(encoding="utf-8", errors="replace"), file


async def goes_on(pair: Pair) -> None:
    """The pair trades on by itself and kept every promise."""
    await pair.until_neutral(30.0)
    await pair.until_resting()
    await pair.fill_a()
    await pair.check()
    no_traceback(pair)


async def test_every_key_becomes_a_list(pair: Pair) -> None:
    """Keys of the wrong type are written over; both sides reclaim their leases by a fence."""
    await pair.until_resting()
    leases = await pair.client.keys("hedge:lease:*")
    leases += await pair.client.keys("hedge:instances:*")
    assert len(leases) == 6
    for name in (
        NAMES.position_a,
        NAMES.position_b,
        NAMES.ledger,
        NAMES.neutral,
        NAMES.ready_a,
        NAMES.ready_b,
        NAMES.command,
        *leases,
    ):
        async with pair.client.pipeline() as both:  # nothing is written between the two
            await both.delete(name).rpush(name, "x").execute()
    await pair.fill_a()
    await goes_on(pair)
    assert await pair.halt() is None


@pytest.mark.parametrize("text", [b"\xff\xfe\x00\x01", b'{"v": 0}', b'{"instance": 7}'])
async def test_values_of_another_time(pair: Pair, text: bytes) -> None:
    """Binary garbage and other versions, also in the leases: named, ignored, written anew."""
    await pair.until_resting()
    for name in (
        *(await pair.client.keys("hedge:lease:*")),
        *(await pair.client.keys("hedge:instances:*")),
        NAMES.position_a,
        NAMES.ledger,
        NAMES.neutral,
        NAMES.ready_b,
        NAMES.command,
    ):
        await pair.client.set(name, text)
    await pair.fill_a()
    await goes_on(pair)
    assert await pair.halt() is None


async def test_a_halt_key_that_is_no_text_halts(pair: Pair) -> None:
    """Nobody knows what it said: the pair is halted, says so, and is resumed by a person."""
    await pair.client.rpush(NAMES.halt, "x")
    await pair.until_state_a("halted")
    code, text = await pair.command("status")
    assert code == 5
    assert "HALTED" in text
    await pair.until_ready_b(ready=False)
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "I put it there")
    assert code == 0, text
    await goes_on(pair)


async def test_host_files_are_broken(pair: Pair) -> None:
    """Truncated, emptied, or a directory in their place: the venue rebuilds what they held."""
    await pair.until_neutral()
    pair.kill_a()
    pair.kill_b()
    for side in "ab":
        folder = state_of(pair, side)
        for name, text in zip(
            FILES, ('{"host_id"', "", "[1, 2]", '{"manual_lots": "x"}'), strict=True
        ):
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
    await pair.client.flushall()
    pair.start_b()
    pair.start_a()
    await goes_on(pair)
    assert "cannot be read" in pair.logs(2000)


async def test_the_disk_is_full(pair: Pair) -> None:
    """Nothing can be written: said once per file; the pair trades and halts, and is not resumed."""
    await pair.until_neutral()
    full = [
        state_of(pair, side) / f".{name}.json.tmp" for side in "ab" for name in (*FILES, "halt")
    ]
    for file in full:
        file.symlink_to("/dev/full")
    await restart(pair)
    await goes_on(pair)
    text = pair.logs(2000)
    assert "No space left on device" in text
    code, text = await pair.command("halt")
    assert code == 5, "a halt that is on no disk is not on record"
    for side in "AB":
        assert f"{side} ({state_of(pair, side.lower())}/halt.json: No space left on device)" in text
    code, text = await pair.command("flatten", "--yes")
    assert (code, text.count("could not store the halt")) == (5, 1), text
    assert "Flat: A 0.0000" in text
    assert await pair.until_halted("flatten")
    _, text = await pair.command("status")
    assert "could not store the halt: restarted beside an empty Redis" in text
    code, text = await pair.command("resume")
    assert code == 5, "a release that is on no disk must not count"
    assert "the state directory cannot be written" in text
    for file in full:
        file.unlink(missing_ok=True)
    code, text = await pair.command("resume")
    assert code == 0, text
    await goes_on(pair)
    await restart(pair)
    await goes_on(pair)


async def restart(pair: Pair) -> None:
    """Kill both sides and start them once their leases have lapsed."""
    pair.kill_a()
    pair.kill_b()
    await pair.until(lambda: leases_are(pair, 0), "both leases lapsed")
    pair.start_b()
    pair.start_a()


async def leases_are(pair: Pair, count: int) -> bool:
    return len(await pair.client.keys("hedge:lease:[0-9]*")) == count


async def test_a_halt_file_that_cannot_be_read_is_a_halt(pair: Pair) -> None:
    """The host comes up halted, and Redis learns of it; only a person lifts it."""
    await pair.until_neutral()
    assert pair.a is not None
    pair.a.send(signal.SIGTERM)
    await pair.a.ended()
    (state_of(pair, "a") / "halt.json").write_text('{"v": 1, "id"', encoding="utf-8")
    pair.start_a()
    await pair.until_state_a("halted")
    halt = await pair.until_halted("unreadable_halt")
    assert await pair.resting() == []
    assert sum(await pair.positions()) == 0
    code, text = await pair.command("resume", "--force", "--yes", "--reason", "file was cut")
    assert code == 0, text
    await goes_on(pair)
    kept = json.loads((state_of(pair, "a") / "halt.json").read_text(encoding="utf-8"))
    assert (kept["halts"], halt["id"] in kept["released"]) == ([], True)


NIGHT_A, NIGHT_B = 770_001, 770_002


async def test_two_pairs_in_one_redis_do_not_disturb_each_other(pair: Pair) -> None:
    """Another pair with its own name, accounts and keys trades beside the first one."""
    for account, side in ((NIGHT_A, "a"), (NIGHT_B, "b")):
        await pair.paper.add_account(account, f"0x{account:040x}")
        await pair.paper.register_key(account, 4, pair.public_key(side))
    accounts = {
        "accounts__account_a__account_index": NIGHT_A,
        "accounts__account_b__account_index": NIGHT_B,
    }
    night = [
        pair.spawn(side, pair.config_of(side, pair="night", strategy__depth=2, **accounts))
        for side in "ba"
    ]

    async def stands() -> bool:
        found = await pair.key("hedge:night:ready:a")
        return found is not None and found["state"] == "working"

    await pair.until(stands, "the night pair trading", 25.0)
    before = await pair.positions()
    await pair.paper.take(0, "sell", "0.0100", until_account=NIGHT_A)

    async def hedged() -> bool:
        ledger = await pair.key("hedge:night:ledger")
        held = [float(await pair.paper.position(account, 0)) for account in (NIGHT_A, NIGHT_B)]
        covered = ledger is not None and ledger["owed_base_amount"] == "0.0000"
        return covered and held[0] == -held[1] == 0.01

    await pair.until(hedged, "the night pair's fill hedged")
    assert abs((await pair.positions())[0] - before[0]) <= 100
    await goes_on(pair)
    names = {key for key in await pair.client.keys("*") if ":night:" in key}
    assert "hedge:night:position:a" in names
    fills = await pair.client.xrange("hedge:night:fills")
    assert {json.loads(entry["message"])["account_index"] for _, entry in fills} == {NIGHT_A}
    assert {ACCOUNT_A, ACCOUNT_B}.isdisjoint({NIGHT_A, NIGHT_B})
    for daemon in reversed(night):
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0
