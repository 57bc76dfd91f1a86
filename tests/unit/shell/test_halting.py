"""A halt outlives whatever dies, and ends by a person's word about exactly that halt."""

from dataclasses import replace

import pytest

from hedge.daemon.halt import HaltKeeper
from hedge.daemon.host_store import UNREADABLE_HALT
from hedge.daemon.outbox import Outbox
from hedge.wire.control import Halt
from tests.unit.shell.fakes import Bench, Calls, running
from tests.waiting import eventually

STOPPING = "foreign_trade_on_b"
OTHER = Halt(id="a-1", side="a", reason="flatten", detail="asked for", timestamp=5)


class Keeper:
    """A HaltKeeper with its outbox; what it told the manager is in `halts` and `resumed`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.begin()

    def begin(self) -> None:
        self.halts, self.resumed = Calls(), Calls()
        parts = self.bench.parts
        self.outbox = Outbox(parts)
        self.keeper = HaltKeeper(parts, self.bench.side, self.outbox, self.halts, self.resumed)
        self.keeper.load()

    def restart(self) -> None:
        self.bench.restart()
        self.begin()

    async def written(self) -> None:
        """Let the outbox write what waits."""
        async with running(self.outbox.run()):
            await eventually(lambda: self.outbox.is_empty, what="an empty outbox")

    async def look(self) -> None:
        """Read Redis as the manager does, and write what comes of it."""
        self.keeper.follow(self.bench.bus.halt)
        await self.written()

    async def halt(self, reason: str, *, stops: bool = False) -> Halt:
        """Halt as the manager does."""
        in_force = self.keeper.raise_halt(reason, "why", stops=stops)
        self.keeper.publish(in_force)
        await self.written()
        return in_force

    @property
    def reasons(self) -> list[str]:
        return [halt.reason for halt in self.halts]

    @property
    def in_file(self) -> str | None:
        kept = self.bench.host.read_halt()
        return kept.reason if kept else None

    @property
    def in_redis(self) -> str | None:
        halt = self.bench.bus.halt
        return halt.reason if halt and halt.is_active else None


@pytest.fixture
def kept(bench: Bench) -> Keeper:
    return Keeper(bench)


async def test_without_a_halt_nothing_is_said(kept: Keeper) -> None:
    """A fresh host has no halt, and an absent key makes none."""
    await kept.look()
    assert (kept.halts, kept.resumed, kept.in_file, kept.in_redis) == ([], [], None, None)


async def test_the_file_comes_first(kept: Keeper) -> None:
    """The halt is on the disk before anybody is told, so that no crash can lose it."""
    halt = kept.keeper.raise_halt("position_limit", "too large")
    assert kept.in_file == "position_limit"
    assert kept.in_redis is None
    kept.keeper.publish(halt)
    await kept.written()
    assert kept.bench.bus.halt == halt
    assert (halt.side, halt.detail, halt.is_active) == ("b", "too large", True)


async def test_a_halt_is_written_once_redis_is_back(kept: Keeper) -> None:
    """An unreachable Redis delays the word and loses nothing."""
    kept.bench.bus.reachable = False
    kept.keeper.publish(kept.keeper.raise_halt("book_not_proven", "why"))
    async with running(kept.outbox.run()):
        await eventually(lambda: kept.bench.clock.slept_s, what="a pause before the next try")
        assert kept.in_redis is None
        kept.bench.bus.reachable = True
        await eventually(lambda: kept.in_redis == "book_not_proven")


async def test_a_full_disk_does_not_keep_a_halt_from_redis(
    kept: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written here is said, ends nothing, and stands in Redis at least."""

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.bench.host, "_replace", full)
    await kept.halt("foreign_trade_on_b", stops=True)
    assert (kept.in_file, kept.in_redis) == (None, "foreign_trade_on_b")
    monkeypatch.undo()
    kept.restart()
    await kept.look()
    assert kept.in_file == "foreign_trade_on_b"


async def test_it_comes_up_halted_from_its_file(kept: Keeper) -> None:
    """A killed and restarted side is halted before it hears anything of Redis."""
    kept.keeper.raise_halt("unexplained_position", "why")
    kept.restart()
    assert kept.reasons == ["unexplained_position"]


async def test_a_missing_key_is_published_again(kept: Keeper) -> None:
    """A wiped Redis has forgotten the halt; the host has not."""
    await kept.halt("unexplained_position")
    kept.bench.bus.halt = None
    kept.restart()
    await kept.look()
    assert kept.in_redis == "unexplained_position"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"v":1,"id":"x"}', b"\xff\xfe"])
async def test_an_unreadable_file_halts(kept: Keeper, content: bytes) -> None:
    """A file that nobody can read may be any halt; it is left for a person to look at."""
    path = kept.bench.host.path / "halt.json"
    path.write_bytes(content)
    kept.restart()
    assert [halt.id for halt in kept.halts] == [UNREADABLE_HALT]
    await kept.look()
    assert kept.in_redis == "unreadable_halt"
    assert path.read_bytes() == content


async def test_an_unreadable_record_in_redis_does_not_overwrite_the_file(kept: Keeper) -> None:
    """The record halts, and the reason that this host knows stays readable."""
    await kept.halt("position_limit")
    kept.bench.bus.halt = replace(OTHER, id=UNREADABLE_HALT, side="", reason="unreadable_halt")
    await kept.look()
    assert kept.halts[-1].id == UNREADABLE_HALT
    assert kept.in_file == "position_limit"
    kept.restart()
    assert kept.reasons == ["position_limit"]


async def test_an_unreadable_file_is_deleted_by_its_resumption(kept: Keeper) -> None:
    """A person who resumes the unreadable halt gets rid of the file."""
    (kept.bench.host.path / "halt.json").write_bytes(b"{")
    kept.restart()
    await kept.look()
    kept.bench.bus.resume()
    await kept.look()
    assert kept.in_file is None
    assert len(kept.resumed) == 1


async def test_the_other_sides_halt_is_kept_here_too(kept: Keeper) -> None:
    """Each host keeps what halts the pair, so that either may be the one that remembers."""
    kept.bench.bus.halt = OTHER
    await kept.look()
    assert kept.reasons == ["flatten"]
    kept.bench.bus.halt = None
    kept.restart()
    await kept.look()
    assert kept.bench.bus.halt == OTHER


async def test_a_resumption_deletes_the_file_and_is_passed_on(kept: Keeper) -> None:
    """The record of the same halt, with a person's word, ends it everywhere."""
    await kept.halt("flatten")
    kept.bench.bus.resume(forced=True, note="checked both")
    await kept.look()
    assert kept.in_file is None
    assert [(halt.forced, halt.note) for halt in kept.resumed] == [(True, "checked both")]
    await kept.look()
    assert len(kept.resumed) == 1
    kept.restart()
    assert kept.halts == []


async def test_a_resumption_while_this_host_was_down_counts(kept: Keeper) -> None:
    """A host that comes back finds the record, deletes its file and goes on."""
    await kept.halt("flatten")
    kept.bench.bus.resume()
    kept.restart()
    assert kept.reasons == ["flatten"]
    await kept.look()
    assert len(kept.resumed) == 1
    assert kept.in_file is None


async def test_the_record_of_another_halt_resumes_nothing(kept: Keeper) -> None:
    """An old record left in Redis is no word about the halt of now: that one is published."""
    kept.bench.bus.halt = replace(OTHER, resumed=9)
    await kept.halt("position_limit")
    assert kept.in_redis == "position_limit"
    kept.bench.bus.halt = replace(OTHER, resumed=9)
    await kept.look()
    assert kept.resumed == []
    assert kept.in_redis == "position_limit"


async def test_a_second_halt_does_not_replace_the_first(kept: Keeper) -> None:
    """The first reason is what a person has to see; the second is in the log."""
    first = await kept.halt("max_retries_exceeded")
    assert await kept.halt("not_enough_margin") == first
    assert (kept.in_file, kept.in_redis) == ("max_retries_exceeded", "max_retries_exceeded")


async def test_a_stopping_halt_behind_another_survives_a_restart(kept: Keeper) -> None:
    """The reason that stops this side is told to it again, though another halt is in force."""
    await kept.halt("not_enough_margin")
    await kept.halt(STOPPING, stops=True)
    assert kept.in_redis == "not_enough_margin"
    kept.restart()
    assert sorted(kept.reasons) == sorted([STOPPING, "not_enough_margin"])


async def test_a_stopping_halt_takes_the_place_of_the_resumed_one(kept: Keeper) -> None:
    """Resuming the halt in front brings up the one behind it, which needs its own word."""
    await kept.halt("not_enough_margin")
    await kept.halt(STOPPING, stops=True)
    kept.bench.bus.resume()
    await kept.look()
    assert (kept.in_file, kept.in_redis, kept.resumed) == (STOPPING, STOPPING, [])
    kept.bench.bus.resume(forced=True)
    await kept.look()
    assert [halt.reason for halt in kept.resumed] == [STOPPING]
    assert kept.in_file is None
    kept.restart()
    assert kept.halts == []


async def test_a_stopping_halt_raised_after_a_resumption_not_yet_seen_stands(
    kept: Keeper,
) -> None:
    """A person's word about the first halt is no word about what was found a moment later."""
    await kept.halt("not_enough_margin")
    kept.bench.bus.resume()
    await kept.halt(STOPPING, stops=True)
    await kept.look()
    assert (kept.in_file, kept.in_redis, kept.resumed) == (STOPPING, STOPPING, [])


async def test_the_same_stopping_reason_is_not_kept_twice(kept: Keeper) -> None:
    """One word of a person ends one reason, however often it was raised."""
    await kept.halt(STOPPING, stops=True)
    await kept.halt(STOPPING, stops=True)
    kept.bench.bus.resume()
    await kept.look()
    assert len(kept.resumed) == 1


async def test_an_own_halt_that_lost_the_race_waits_behind_the_winner(kept: Keeper) -> None:
    """Both sides halt in the same second: Redis takes the other's, and ours is not forgotten."""
    kept.bench.bus.halt = OTHER
    await kept.halt(STOPPING, stops=True)
    await kept.look()
    assert kept.in_redis == "flatten"
    kept.restart()
    assert STOPPING in kept.reasons
    kept.bench.bus.resume()
    await kept.look()
    assert (kept.in_redis, kept.resumed) == (STOPPING, [])


async def test_a_crash_while_the_halt_behind_moves_up_loses_nothing(
    kept: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every instant of the move one of the two files holds the stopping halt."""
    await kept.halt("not_enough_margin")
    await kept.halt(STOPPING, stops=True)
    kept.bench.bus.resume()

    def killed(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept.bench.host, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        kept.keeper.follow(kept.bench.bus.halt)
    kept.restart()
    assert kept.in_file == STOPPING
    await kept.look()
    assert kept.in_redis == STOPPING
    kept.bench.bus.resume()
    await kept.look()
    await kept.look()
    assert len(kept.resumed) == 1


async def test_an_unreadable_halt_behind_stops_too(kept: Keeper) -> None:
    """What waited behind the halt in force cannot be read: that stops, as any unreadable halt."""
    await kept.halt("not_enough_margin")
    await kept.halt(STOPPING, stops=True)
    (kept.bench.host.path / "halt-behind.json").write_text('{"halt": "nonsense"}')
    kept.restart()
    assert UNREADABLE_HALT in [halt.id for halt in kept.halts]
    kept.bench.bus.resume()
    await kept.look()
    assert kept.in_redis == "unreadable_halt"


async def test_a_halt_behind_that_is_no_json_halts_until_a_person_resumes(bench: Bench) -> None:
    """A truncated file is a halt, at this start and at the next one, until it is resumed."""
    (bench.host.path / "halt-behind.json").write_text('{"halt": "')
    for _ in range(2):
        kept = Keeper(bench)
        assert kept.reasons == ["unreadable_halt"] * len(kept.reasons) != []
        bench.restart()
    kept = Keeper(bench)
    await kept.written()
    bench.bus.resume()
    await kept.look()
    assert len(kept.resumed) == 1
    assert not bench.host.exists("halt-behind")


async def test_a_halt_behind_stands_alone_when_the_one_in_front_is_gone(kept: Keeper) -> None:
    """Someone deleted the halt file by hand: the other reason is the halt now."""
    await kept.halt("not_enough_margin")
    await kept.halt(STOPPING, stops=True)
    kept.bench.host.delete("halt")
    kept.bench.bus.halt = None
    kept.restart()
    await kept.look()
    assert kept.in_redis == STOPPING
    kept.bench.bus.resume()
    await kept.look()
    assert len(kept.resumed) == 1
