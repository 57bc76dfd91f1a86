"""Halts and releases are sets: what any copy shows is taken, kept on disk and shown in turn."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedge.bus.port import StateSnapshot
from hedge.daemon.halt import RELEASE_MS, HaltKeeper, Release
from hedge.daemon.origin import OriginKeeper
from hedge.daemon.outbox import Outbox
from hedge.wire.control import UNREADABLE_HALT, Halt, Halts
from hedge.wire.messages import BHedgeFailed
from tests.report_kit import READY_A
from tests.unit.shell.fakes import Bench, Calls, running
from tests.waiting import eventually

STOPPING = "foreign_trade_on_b"
OTHER = Halt(id="a-1", side="a", reason="flatten", detail="asked for", timestamp=5)
FAILURE = BHedgeFailed(
    account_index=102,
    market_index=0,
    reason="not_enough_margin",
    detail="why",
    attempts=1,
    owed_lots=5,
    a_seq=1,
    timestamp=1,
    chain_id=304,
)


class Keeper:
    """A HaltKeeper with its outbox; what it told the manager is in `halts` and `releases`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.begin()

    def begin(self) -> None:
        self.halts, self.releases = Calls(), Calls()
        parts, side = self.bench.parts, self.bench.side
        self.outbox = Outbox(parts)
        origin = OriginKeeper(parts, side)
        self.changes = Calls()
        self.keeper = HaltKeeper(
            parts, side, self.outbox, origin, self.halts, self.releases, self.changes
        )
        self.keeper.load()

    def restart(self) -> None:
        self.bench.restart()
        self.begin()

    async def written(self) -> None:
        """Let the outbox write what waits."""
        async with running(self.outbox.run()):
            await eventually(lambda: self.outbox.is_empty, what="an empty outbox")

    async def look(self, **shown: object) -> None:
        """Read Redis as the manager does, and write what comes of it."""
        snapshot = StateSnapshot(halts=self.bench.bus.halts)
        self.keeper.hear(replace(snapshot, **shown))  # type: ignore[arg-type]
        await self.stored()
        self.keeper.settle()
        await self.written()

    async def stored(self) -> None:
        """Let the disk be written, and hear of it."""
        self.bench.host.flush()
        await asyncio.sleep(0)

    async def release(self, ids: tuple[str, ...], note: str = "", *, forced: bool = False) -> str:
        """Release halts as a person's command does; return why they are not released, or ""."""
        answers: list[str] = []
        self.keeper.release(ids, forced=forced, note=note, answer=answers.append)
        await eventually(lambda: answers, what="an answer")
        return answers[0]

    async def halt(self, reason: str) -> None:
        """Halt as the manager does."""
        self.keeper.halt(reason, "why")
        await self.written()

    @property
    def reasons(self) -> list[str]:
        return [halt.reason for halt in self.halts]

    @property
    def in_file(self) -> list[str]:
        return [halt.reason for halt in self.bench.on_disk().read_halts().in_force]

    @property
    def in_redis(self) -> list[str]:
        return [halt.reason for halt in self.bench.bus.halts.in_force]


@pytest.fixture
def kept(bench: Bench) -> Keeper:
    return Keeper(bench)


async def test_without_a_halt_nothing_is_said(kept: Keeper) -> None:
    """A fresh host has no halt, and an absent key makes none."""
    await kept.look()
    assert (kept.halts, kept.releases, kept.in_file, kept.in_redis) == ([], [], [], [])


async def test_a_halt_is_kept_on_the_disk_and_in_redis(kept: Keeper) -> None:
    """It holds at once, and neither waits for the other."""
    kept.keeper.halt("position_limit", "too large")
    assert [halt.reason for halt in kept.keeper.in_force] == ["position_limit"]
    assert kept.in_file == ["position_limit"]
    assert kept.in_redis == []
    await kept.written()
    (halt,) = kept.bench.bus.halts.in_force
    assert (halt.side, halt.reason, halt.detail) == ("b", "position_limit", "too large")
    assert kept.bench.bus.halts.envelope is not None


async def test_a_halt_is_new_once(kept: Keeper) -> None:
    """The same reason and detail again are the same halt: one event, however often it is raised."""
    assert kept.keeper.halt("drift", "why")
    assert not kept.keeper.halt("drift", "why")
    assert kept.keeper.halt("drift", "another why")
    assert kept.keeper.publish_failure(FAILURE, "why")
    assert not kept.keeper.publish_failure(FAILURE, "why")


async def test_a_halt_that_no_daemon_raised_is_said_by_one(kept: Keeper) -> None:
    """A person's, the launcher's, an unreadable one; once. A daemon's own was said by itself."""
    said = Calls()
    kept.keeper.on_unsaid = said
    ids = ("op-1", "launcher-7-8-restart_loop", "unreadable-abcdef00", "a-c0ffee-1-drift")
    halts = Halts(halts=tuple(replace(OTHER, id=one) for one in ids))
    for _ in range(2):
        await kept.look(ready_a=replace(READY_A, halts=halts.halts))
    assert [one.id for one in said] == list(ids[:3])


async def test_a_halt_is_written_once_redis_is_back(kept: Keeper) -> None:
    """An unreachable Redis delays the word and loses nothing."""
    kept.bench.bus.reachable = False
    kept.keeper.halt("book_not_proven", "why")
    async with running(kept.outbox.run()):
        await eventually(lambda: kept.bench.clock.slept_s, what="a pause before the next try")
        assert kept.in_redis == []
        kept.bench.bus.reachable = True
        await eventually(lambda: kept.in_redis == ["book_not_proven"])


class Disk:
    """Lets the disk be full, or hang, by what a file is moved with."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self.answers = threading.Event()
        self.answers.set()
        real = Path.replace

        def replaced(path: Path, target: Path) -> Path:
            self.answers.wait(30)
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(path, target)

        patch.setattr(Path, "replace", replaced)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk of both directories; nothing waits for it after the test."""
    made = Disk(monkeypatch)
    yield made
    made.answers.set()


async def test_a_full_disk_does_not_keep_a_halt_from_redis(kept: Keeper, disk: Disk) -> None:
    """It holds before it is written, and is written once there is room, without another look."""
    disk.is_full = True
    await kept.halt(STOPPING)
    assert (kept.in_file, kept.in_redis) == ([], [STOPPING])
    assert [halt.reason for halt in kept.keeper.in_force] == [STOPPING]
    disk.is_full = False
    await eventually(lambda: kept.in_file == [STOPPING])


async def test_a_heartbeat_says_so_while_a_halt_is_not_stored(kept: Keeper, disk: Disk) -> None:
    """On its way, then refused by the disk; once it is stored, that is shown without a look."""
    disk.answers.clear()
    kept.keeper.halt(STOPPING, "why")
    assert dict(kept.keeper.notices) == {"halt_being_stored": "its host is storing the halt"}
    disk.is_full = True
    disk.answers.set()
    await eventually(lambda: "halt_not_stored" in dict(kept.keeper.notices))
    text = dict(kept.keeper.notices)["halt_not_stored"]
    assert text.startswith("the halt is not stored on its host: /")
    assert text.endswith("halt.json: No space left on device")
    assert kept.changes == []
    disk.is_full = False
    await eventually(lambda: kept.changes == [()])
    assert kept.keeper.notices == ()


async def test_another_file_that_cannot_be_kept_is_no_lost_halt(kept: Keeper, disk: Disk) -> None:
    """The halt is in its file; of the others `state_not_written` speaks."""
    await kept.halt(STOPPING)
    await kept.stored()
    disk.is_full = True
    kept.bench.host.write("settled", {})
    assert not kept.bench.host.flush()
    assert (bool(kept.bench.host.problem), kept.keeper.notices) == (True, ())
    disk.is_full = False


async def test_a_halt_of_a_disk_that_hangs_is_not_called_stored(
    kept: Keeper, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named as any other problem, once it counts as one that cannot be written to."""
    monkeypatch.setattr("hedge.daemon.file_slots.HANGS_S", 0.0)
    disk.answers.clear()
    kept.keeper.halt(STOPPING, "why")
    await eventually(lambda: "halt_not_stored" in dict(kept.keeper.notices))
    assert "it has not answered for" in dict(kept.keeper.notices)["halt_not_stored"]
    disk.answers.set()
    await eventually(lambda: kept.keeper.notices == ())


async def test_a_halt_of_the_file_and_one_that_is_released_are_stored(kept: Keeper) -> None:
    """At the start nothing else is known, and of a release nothing is to be kept."""
    await kept.halt(STOPPING)
    kept.restart()
    assert (kept.reasons, kept.keeper.notices) == ([STOPPING], ())
    assert await kept.release(tuple(halt.id for halt in kept.keeper.in_force)) == ""
    assert kept.keeper.notices == ()


async def test_a_release_counts_only_once_it_is_on_the_disk(kept: Keeper, disk: Disk) -> None:
    """What could be forgotten by the next restart is no release, also not hours later."""
    await kept.halt(STOPPING)
    ids = tuple(halt.id for halt in kept.keeper.in_force)
    await kept.stored()
    disk.is_full = True
    assert "No space left" in await kept.release(ids)
    await kept.look()
    assert (kept.releases, kept.in_redis) == ([], [STOPPING])
    disk.is_full = False
    await eventually(lambda: not kept.bench.host.problem)
    await kept.look()
    assert (kept.releases, kept.in_file) == ([], [STOPPING])
    assert await kept.release(ids, "looked", forced=True) == ""
    await kept.look()
    assert (kept.in_file, kept.in_redis) == ([], [])
    (release,) = kept.releases
    assert isinstance(release, Release)
    assert (release.halt.reason, release.forced, release.note) == (STOPPING, True, "looked")
    assert release.left == ()


async def test_a_release_waits_for_a_disk_that_hangs_for_a_while(kept: Keeper, disk: Disk) -> None:
    """Nothing else does; then the person reads that nothing is released."""
    await kept.halt(STOPPING)
    ids = tuple(halt.id for halt in kept.keeper.in_force)
    await kept.stored()
    disk.answers.clear()
    answers: list[str] = []
    kept.keeper.release(ids, forced=False, note="", answer=answers.append)
    kept.keeper.hear(StateSnapshot(halts=kept.bench.bus.halts))
    assert answers == []
    kept.bench.clock.advance_ms(RELEASE_MS)
    kept.keeper.hear(StateSnapshot(halts=kept.bench.bus.halts))
    assert ["has not answered" in answer for answer in answers] == [True]
    disk.answers.set()
    await kept.look()
    assert (kept.releases, kept.in_file, kept.in_redis) == ([], [STOPPING], [STOPPING])


async def test_a_release_that_was_refused_counts_no_more(kept: Keeper) -> None:
    """Also where the disk took it at the very moment of the refusal."""
    await kept.halt(STOPPING)
    ids = tuple(halt.id for halt in kept.keeper.in_force)
    await kept.stored()
    answers: list[str] = []
    kept.keeper.release(ids, forced=False, note="", answer=answers.append)
    assert kept.in_file == []  # it is stored, and the loop has not heard of that
    kept.bench.clock.advance_ms(RELEASE_MS)
    kept.keeper.hear(StateSnapshot(halts=kept.bench.bus.halts))
    assert ["has not answered" in answer for answer in answers] == [True]
    await kept.look()
    assert (kept.releases, kept.in_file, kept.in_redis) == ([], [STOPPING], [STOPPING])


async def test_a_release_that_others_show_waits_for_the_disk_too(kept: Keeper, disk: Disk) -> None:
    """It counts as soon as it is on the disk, without another look."""
    await kept.halt(STOPPING)
    await kept.stored()
    kept.changes.clear()  # of the halt, which is stored
    disk.is_full = True
    kept.bench.bus.resume()
    await kept.look()
    assert (kept.releases, kept.in_file) == ([], [STOPPING])
    disk.is_full = False
    await eventually(lambda: kept.releases)
    assert kept.in_file == []
    assert kept.changes == [()]


async def test_a_directory_that_cannot_be_written_halts_this_side(kept: Keeper) -> None:
    """At the start: what it must remember would be lost. It is released once it can be kept."""
    kept.bench.host.unwritable = "no room"
    kept.begin()
    assert kept.reasons == ["state_not_writable"]
    await kept.written()
    assert kept.in_redis == ["state_not_writable"]
    assert await kept.release(tuple(halt.id for halt in kept.keeper.in_force)) == ""
    await kept.look()
    assert (len(kept.releases), kept.in_redis) == (1, [])


async def test_it_comes_up_halted_from_its_file(kept: Keeper) -> None:
    """A killed and restarted side is halted before it hears anything of Redis."""
    kept.keeper.halt("unexplained_position", "why")
    kept.restart()
    assert kept.reasons == ["unexplained_position"]


async def test_a_missing_key_is_published_again(kept: Keeper) -> None:
    """A wiped Redis has forgotten the halt; the host has not."""
    await kept.halt("unexplained_position")
    kept.bench.bus.halts = Halts()
    kept.restart()
    await kept.look()
    assert kept.in_redis == ["unexplained_position"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"v":1,"id":"x"}', b"\xff\xfe"])
async def test_an_unreadable_file_halts_until_it_is_released(kept: Keeper, content: bytes) -> None:
    """A file that cannot be read may be any halt; another such file is another halt."""
    path = kept.bench.host.path / "halt.json"
    kept.bench.host.flush()
    path.write_bytes(content)
    kept.restart()
    assert kept.reasons == [UNREADABLE_HALT]
    await kept.look()
    assert kept.in_redis == [UNREADABLE_HALT]
    kept.bench.bus.resume()
    await kept.look()
    assert (kept.in_file, len(kept.releases)) == ([], 1)
    kept.bench.host.flush()
    path.write_bytes(content + b"?")
    kept.restart()
    assert kept.reasons == [UNREADABLE_HALT]


@pytest.mark.parametrize("behind", [True, False])
async def test_the_files_of_version_1_are_read(kept: Keeper, *, behind: bool) -> None:
    """One halt per file, also the one that waited behind another; one file remains."""
    one = '{"v":1,"id":"%s","side":"b","reason":"%s","detail":"","timestamp":7}'
    path = kept.bench.host.path
    (path / "halt.json").write_text(one % ("b-1", "not_enough_margin"))
    if behind:
        kept.bench.host.write("halt-behind", {"halt": one % ("b-2", STOPPING)})
    kept.restart()
    assert kept.reasons == ["not_enough_margin", *([STOPPING] if behind else [])]
    await kept.look()
    assert kept.in_redis == kept.reasons
    kept.bench.bus.resume()
    await kept.look()
    kept.restart()
    assert kept.halts == []
    assert not kept.bench.host.exists("halt-behind")


async def test_a_halt_of_version_1_that_cannot_be_read_halts(bench: Bench) -> None:
    """Nothing says which halt waited there: it stops this side at each start, until released."""
    (bench.host.path / "halt-behind.json").write_text('{"halt": "')
    bench.restart()
    for _ in range(2):
        kept = Keeper(bench)
        assert kept.reasons == [UNREADABLE_HALT]
        bench.restart()
    await kept.look()
    bench.bus.resume()
    kept = Keeper(bench)
    await kept.look()
    assert len(kept.releases) == 1
    assert not bench.host.exists("halt-behind")


async def test_the_other_sides_halt_is_kept_here_too(kept: Keeper) -> None:
    """Each host keeps what halts the pair, so that either may be the one that remembers."""
    kept.bench.bus.halts = Halts(halts=(OTHER,))
    await kept.look()
    assert kept.reasons == ["flatten"]
    kept.bench.bus.halts = Halts()
    kept.restart()
    await kept.look()
    assert kept.bench.bus.halts.in_force == (OTHER,)


async def test_a_halt_that_only_a_heartbeat_shows_is_in_force(kept: Keeper) -> None:
    """Redis was wiped the moment after: the heartbeat of the other side still says it."""
    await kept.look(ready_a=replace(READY_A, halts=(OTHER,)))
    assert (kept.reasons, kept.in_file, kept.in_redis) == (["flatten"], ["flatten"], ["flatten"])


async def test_both_sides_halts_stand_beside_each_other(kept: Keeper) -> None:
    """Both halt in the same second: none hides the other, and each needs its own release."""
    kept.bench.bus.halts = Halts(halts=(OTHER,))
    await kept.halt(STOPPING)
    await kept.look()
    assert sorted(kept.in_redis) == sorted(["flatten", STOPPING])
    kept.bench.bus.halts = kept.bench.bus.halts.union(Halts(released=("a-1",)))
    await kept.look()
    (release,) = kept.releases
    assert (release.halt, [halt.reason for halt in release.left]) == (OTHER, [STOPPING])
    kept.restart()
    assert kept.reasons == [STOPPING]


async def test_an_old_copy_of_redis_brings_no_halt_back(kept: Keeper) -> None:
    """What was released once is answered by its release, however old the copy is."""
    await kept.halt("flatten")
    old = kept.bench.bus.halts
    kept.bench.bus.resume()
    await kept.look()
    kept.bench.bus.halts = old
    kept.restart()
    await kept.look()
    assert kept.halts == []
    assert kept.in_redis == []


async def test_a_release_in_a_heartbeat_counts(kept: Keeper) -> None:
    """A host that was away reads in the other side's heartbeat what it has missed."""
    await kept.halt("flatten")
    (halt,) = kept.keeper.in_force
    await kept.look(ready_a=replace(READY_A, released=(halt.id,)))
    assert (len(kept.releases), kept.in_file, kept.in_redis) == (1, [], [])


async def test_a_halt_raised_after_the_person_looked_stays(kept: Keeper) -> None:
    """A word about one halt is no word about what was found a moment later."""
    await kept.halt("not_enough_margin")
    ids = tuple(halt.id for halt in kept.keeper.in_force)
    await kept.halt(STOPPING)
    assert await kept.release(ids) == ""
    await kept.look()
    assert (kept.in_file, kept.in_redis) == ([STOPPING], [STOPPING])


async def test_the_same_halt_is_not_kept_twice(kept: Keeper) -> None:
    """However often it was raised; what happened anew is another one, and needs its own release."""
    await kept.halt(STOPPING)
    await kept.halt(STOPPING)
    assert kept.in_redis == [STOPPING]
    kept.keeper.halt(STOPPING, "another trade")
    await kept.written()
    assert kept.in_redis == [STOPPING, STOPPING]


async def test_a_failure_goes_out_with_its_halt(kept: Keeper) -> None:
    """One step in Redis, and the halt on the disk."""
    kept.bench.bus.halts = Halts(halts=(OTHER,))
    kept.keeper.publish_failure(FAILURE, "what failed")
    assert kept.in_file == ["not_enough_margin"]
    await kept.written()
    assert kept.bench.bus.failures[0].reason == "not_enough_margin"
    assert sorted(kept.in_redis) == ["flatten", "not_enough_margin"]


async def test_a_heartbeat_shows_the_newest_releases_and_those_that_are_asked_for(
    kept: Keeper,
) -> None:
    """The sixty-fifth is shown again while the other side holds it for a halt."""
    ids = tuple(f"h{number}" for number in range(70))
    assert await kept.release(ids) == ""
    await kept.look()
    assert kept.keeper.told == ids[-64:]
    await kept.look(ready_a=replace(READY_A, halts=(replace(OTHER, id="h2"),)))
    assert kept.keeper.told == ("h2", *ids[-64:])
    assert kept.halts == []


# --- an old copy of Redis, after very many releases ---------------------------------------------

MANY = tuple(f"h{number}" for number in range(70))
OLD_COPY = Halts(halts=tuple(replace(OTHER, id=one) for one in MANY[:3]))
"""What an old dump shows in force: the oldest of the releases, beyond the newest 64."""


@pytest.mark.parametrize("is_new_process", [False, True])
async def test_the_oldest_release_never_returns(kept: Keeper, *, is_new_process: bool) -> None:
    """The whole set is kept, in memory and on the disk; the copy is answered by its releases."""
    assert await kept.release(MANY) == ""
    await kept.look()
    if is_new_process:
        kept.restart()
    kept.bench.bus.halts = OLD_COPY
    await kept.look()
    assert (kept.halts, kept.in_file, kept.in_redis) == ([], [], [])
    assert set(kept.bench.bus.halts.released) == set(MANY)
    assert kept.keeper.told[:3] == MANY[:3]


async def test_a_host_without_its_disk_is_released_by_the_other_ones_beat(kept: Keeper) -> None:
    """It takes up what the old copy shows, and goes on by what the other side tells of it."""
    other = Halts(released=MANY)
    kept.bench.bus.halts = OLD_COPY
    await kept.look()
    assert len(kept.halts) == len(OLD_COPY.halts)
    told = other.told({halt.id for halt in kept.keeper.in_force})
    await kept.look(ready_a=replace(READY_A, released=told))
    assert len(kept.releases) == len(OLD_COPY.halts)
    assert (kept.in_file, kept.in_redis) == ([], [])


async def test_a_halt_of_now_stays_beside_one_that_returns(kept: Keeper) -> None:
    """The release of what comes back says nothing of what is in force."""
    assert await kept.release(MANY) == ""
    await kept.halt("not_enough_margin")
    kept.bench.bus.halts = OLD_COPY
    await kept.look()
    assert (kept.in_file, kept.in_redis) == (["not_enough_margin"], ["not_enough_margin"])


async def test_a_full_disk_forgets_no_release_that_counted(kept: Keeper, disk: Disk) -> None:
    """What is on the disk stands, also where what is read now cannot be added to it."""
    assert await kept.release(MANY) == ""
    await kept.look()
    disk.is_full = True
    kept.bench.bus.halts = OLD_COPY
    await kept.look()
    assert kept.halts == []
