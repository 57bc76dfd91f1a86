"""The Redis side of the simulator: texts, attacks that are met, splits, clocks, fills by hand."""

import asyncio
from dataclasses import replace

import pytest

from hedge.bus.port import PairScope
from hedge.core.amounts import Side
from hedge.wire.control import parse_halts
from hedge.wire.messages import AFilled
from tests.simulation import bus, bus_kinds, faults
from tests.simulation.__main__ import SPREAD
from tests.simulation.attacker import EARLIER_S, KEYS, earlier_life
from tests.simulation.bus import NAMES, SimRedis
from tests.simulation.exchange import CHAIN, SPEC, START_MS, A, B
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import VirtualLoop
from tests.simulation.loop import run as run_simulated
from tests.simulation.redis_server import Server, Value
from tests.simulation.schedule import GENERAL, SECRETS, Profile, Result, Stage, Tools, play

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WIDE = replace(GENERAL, faults=(*bus_kinds.BLOWS, *bus_kinds.WEATHER, *faults.ALL))


def account_of(result: Result) -> tuple[object, ...]:
    return (
        result.violations,
        result.steps,
        result.virtual_s,
        dict(result.tally.injected),
        dict(result.tally.reached),
    )


def test_what_is_remembered_of_a_text_is_what_the_readers_make_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every text judged by the product's readers the schedules are the same."""
    seeds = range(SPREAD, SPREAD + 6)
    remembered = [account_of(play(seed, WIDE)) for seed in seeds]
    monkeypatch.setattr(bus, "REMEMBERS", False)
    assert [account_of(play(seed, WIDE)) for seed in seeds] == remembered


@pytest.mark.parametrize("kind", [*bus_kinds.BLOWS, *bus_kinds.WEATHER])
def test_a_kind_is_met_by_a_living_process(kind: str) -> None:
    """No kind is dead: within a few schedules of its own a process reads its effect."""
    for number in range(5):
        tally = play(SPREAD + number, Profile(faults=(), always=(kind,), secret=1.0)).tally
        assert tally.injected[kind]
        if tally.reached[kind]:
            return
    pytest.fail(f"{kind} was never met")


@pytest.mark.parametrize("secret", [None, *SECRETS])
def test_the_earlier_life_left_everything_that_can_be_replayed(secret: bytes | None) -> None:
    """A day old, signed with this secret: every state, fills, halts with resumptions, a command."""
    earlier = earlier_life(secret)
    assert set(KEYS) <= set(earlier.texts)
    scope = PairScope(CHAIN, A, B, SPEC, secret=secret)
    halts = [parse_halts(text, scope.limits_a(NAMES.halt)) for text in earlier.texts[NAMES.halt]]
    assert {bool(known.in_force) for known in halts} == {True, False}
    assert any(known.released for known in halts)
    fills = [
        AFilled.from_json(text, SPEC, scope.limits_a(NAMES.account_a_filled))
        for text in earlier.texts[NAMES.account_a_filled]
    ]
    assert len(fills) >= 3
    newest = max(fill.timestamp for fill in fills)
    assert newest < START_MS // 1000 - EARLIER_S + 600
    assert any(NAMES.neutral in dump for dump in earlier.dumps)


def test_a_split_has_two_masters_until_it_is_joined() -> None:
    """Writes to the deposed master are lost; the promoted one lacks the last seconds."""

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(loop, SPREAD, Profile(), Tools(), None)
        redis = stage.world.redis
        redis.set("early", "1")
        loop._now += 5
        redis.set("late", "1")
        redis.split(3.0, frozenset({"host-a"}), "split")
        old, new = redis.route("host-a"), redis.route("host-b")
        assert (old.get("late"), new.get("late"), new.get("early")) == ("1", None, "1")
        old.execute(("SET", "lost", "1"))
        new.execute(("SET", "kept", "1"))
        redis.join()
        assert redis.route("host-a") is new
        assert (new.get("lost"), new.get("kept")) == (None, "1")

    run_simulated(main)


def test_a_split_sends_messages_to_its_own_side_only() -> None:
    """What is published on one master is not heard by who listens to the other."""

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(loop, SPREAD, Profile(same_host=0.0), Tools(), None)
        stage.b.start()
        stage.a.start()
        assert await stage._until(stage._is_working, 30)
        redis = stage.world.redis
        redis.split(0.0, frozenset({"host-a", "host-b"}), "split")
        heard: list[str] = []
        messenger = stage.b.messenger
        assert messenger is not None
        messenger.handlers[NAMES.account_a_filled].insert(0, heard.append)
        text = bus_kinds.hand_text(stage, 10, 1, by_script=True)
        redis.master.execute(("PUBLISH", NAMES.account_a_filled, text))
        await asyncio.sleep(0.1)
        assert heard == []
        old = redis.deposed
        assert old is not None
        old.execute(("PUBLISH", NAMES.account_a_filled, text))
        await asyncio.sleep(0.1)
        assert heard == [text]

    run_simulated(main)


def test_an_old_dump_brings_back_what_lives_and_not_what_has_expired() -> None:
    """A restart from a dump: old texts return, a lease that ran out meanwhile does not."""
    now = [0.0]
    server = Server(lambda: now[0], lambda *_: None)
    server.put("kept", Value("old"))
    server.put("lease", Value("old", 10.0))
    now[0] = 5.0
    server.put("tick", Value("1"))
    saved = server.dumps()[-1]
    now[0] = 20.0
    server.put("kept", Value("new"))
    server.restore(saved, "dump")
    assert (server.get("kept"), server.get("lease")) == ("old", None)
    assert server.marks["kept"] == "dump"


def test_memory_of_a_server_is_bounded() -> None:
    """A day of writes leaves neither a growing undo log nor more dumps than there are places."""
    now = [0.0]
    server = Server(lambda: now[0], lambda *_: None)
    for second in range(86_400):
        now[0] = float(second)
        server.put("key", Value(str(second)))
    assert len(server._undo) < 100
    assert len(server.dumps()) <= 40


def test_the_wall_clock_jumps_and_drifts_and_the_other_one_does_not() -> None:
    """Monotonic milliseconds go on evenly; epoch milliseconds follow the host's clock."""

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(loop, SPREAD, Profile(skew_ms=0), Tools(), None)
        host: Host = stage.host_a
        clock = SimClock(loop, host)
        wall, monotonic = clock.epoch_ms(), clock.now_ms()
        host.jump(-600_000, "clock jumped")
        loop.set_time(10.0)
        assert clock.epoch_ms() - wall == -590_000
        host.let_drift(0.01, loop.time(), "clock drifts")
        loop.set_time(110.0)
        assert clock.epoch_ms() - wall == -489_000
        assert clock.now_ms() - monotonic == 110_000
        host.set_right()
        assert clock.epoch_ms() - wall == 110_000
        assert stage.world.tally.reached == {"clock jumped": 1, "clock drifts": 1}

    run_simulated(main)


def test_a_fill_by_hand_counts_once_and_its_opposite_clears_it() -> None:
    """The real text on the real channel: B trades it, the same text again changes nothing."""

    async def main(loop: VirtualLoop) -> None:
        stage = Stage(loop, SPREAD, Profile(secret=0.0, offset=0.0), Tools(), None)
        stage.faulty = True  # so that A is not started
        stage.b.start()
        assert await stage._until(lambda: stage.b.manager.state.net_lots == 0, 30)
        bus_kinds._publish_by_hand(stage, 40, by_script=False, twice=True)
        assert await stage._until(lambda: stage.world.exchange.lots(B) == -40, 10)
        assert stage.world.redis.by_hand[0].counts
        limits = stage.world.settings.scope.limits_a(NAMES.account_a_filled)
        fill = AFilled.from_json(stage.world.redis.by_hand[0].text, SPEC, limits)
        assert (fill.by_hand, fill.side, fill.filled_lots) == (True, Side.BUY, 40)
        await bus_kinds.clear_hand(stage)
        assert stage.world.exchange.lots(B) == 0

    run_simulated(main)


def test_kept_texts_are_bounded() -> None:
    """A name that is written all day keeps a sample of its texts, the newest among them."""

    async def main(loop: VirtualLoop) -> None:
        redis = SimRedis(loop, Stage(loop, SPREAD, Profile(), Tools(), None).dice)
        for number in range(5000):
            redis.master.execute(("SET", "key", str(number)))
        assert str(redis.kept["key"][-1]) == "4999"
        assert len(redis.kept["key"]) <= bus.MOST_KEPT

    run_simulated(main)
