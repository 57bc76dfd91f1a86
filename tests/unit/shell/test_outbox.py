"""Writes that must arrive: in order, repeated while Redis is away; and one sender at a time."""

import asyncio
import contextlib
from functools import partial

import pytest

from hedge.daemon import outbox as module
from hedge.daemon.outbox import Outbox
from hedge.daemon.redis_health import RedisHealth
from hedge.daemon.send_turn import Sending
from hedge.errors import RedisUnreachableError
from tests.unit.shell.fakes import Bench, running
from tests.waiting import eventually


class Redis:
    """Takes writes; unreachable for the next `failures` of them."""

    def __init__(self) -> None:
        self.written: list[object] = []
        self.tries = 0
        self.failures = 0

    def job(self, what: object) -> module.Job:
        async def write() -> None:
            self.tries += 1
            await asyncio.sleep(0)
            if self.failures > 0:
                self.failures -= 1
                raise RedisUnreachableError("away")
            self.written.append(what)

        return write


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def outbox(bench: Bench) -> Outbox:
    return Outbox(bench.parts)


async def test_writes_keep_their_order(outbox: Outbox, redis: Redis) -> None:
    """What is queued first is written first, also what comes while others are under way."""
    for number in range(200):
        outbox.put(redis.job(number))
    assert not outbox.is_empty
    async with running(outbox.run()):
        await eventually(lambda: len(redis.written) >= 100)
        for number in range(200, 300):
            outbox.put(redis.job(number))
        await eventually(lambda: outbox.is_empty)
    assert redis.written == list(range(300))


async def test_a_write_is_repeated_until_redis_takes_it(
    outbox: Outbox, redis: Redis, bench: Bench
) -> None:
    """No write is dropped and none overtakes the one that waits."""
    redis.failures = 5
    outbox.put(redis.job("first"))
    async with running(outbox.run()):
        await eventually(lambda: bench.clock.slept_s)
        outbox.put(redis.job("second"))
        await eventually(lambda: outbox.is_empty)
    in_order = list(dict.fromkeys(redis.written))
    assert in_order == ["first", "second"]


async def test_a_batch_that_half_arrived_ends_in_order(outbox: Outbox, redis: Redis) -> None:
    """Where Redis goes away in the middle, what follows is repeated: the last write is the last."""
    for number in range(10):
        outbox.put(redis.job(number))
    redis.failures = 3
    async with running(outbox.run()):
        await eventually(lambda: outbox.is_empty)
    assert set(redis.written) == set(range(10))
    last = {number: index for index, number in enumerate(redis.written)}
    assert sorted(last, key=lambda number: last[number]) == list(range(10))


async def test_an_outage_is_said_once_a_minute(
    outbox: Outbox, redis: Redis, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is tried at growing distances, up to five seconds, and a line a minute is said."""
    redis.failures = 60
    began_ms = bench.clock.now_ms()
    outbox.put(redis.job("only"))
    async with running(outbox.run()):
        await eventually(lambda: outbox.is_empty)
    lasted_s = (bench.clock.now_ms() - began_ms) / 1000
    assert lasted_s > 54 * bench.timing.redis_retry_max_s
    lines = [line for line in caplog.messages if line.startswith("redis_write_waits")]
    assert 1 < len(lines) <= lasted_s / 60 + 1


async def test_a_redis_that_is_back_is_not_waited_for(
    outbox: Outbox, redis: Redis, bench: Bench
) -> None:
    """Whoever learns that Redis takes writes again lets the outbox try at once."""
    redis.failures = 10**9
    outbox.put(redis.job("late"))
    async with running(outbox.run()):
        await eventually(lambda: redis.tries >= 8)  # from now on it is tried every five seconds
        redis.failures = 0
        back_ms = bench.clock.now_ms()
        outbox.hasten()
        await eventually(lambda: outbox.is_empty)
    assert bench.clock.now_ms() - back_ms <= 3000 * bench.timing.redis_retry_min_s


async def test_an_hour_without_redis(
    outbox: Outbox, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory is bounded; of each state the newest goes out, of the messages the newest too."""
    redis.failures = 10**9
    async with running(outbox.run()):
        for number in range(3600):
            outbox.put_state("position", redis.job(f"position {number}"))
            outbox.put_state("halts", redis.job(f"halts {number}"))
            outbox.put(redis.job(f"fill {number}"))
            await asyncio.sleep(0)
        assert len(outbox._entries) <= module.MOST_MESSAGES + 2
        assert outbox.dropped == 3600 - module.MOST_MESSAGES
        assert outbox.is_late
        redis.failures = 0
        outbox.hasten()
        await eventually(lambda: outbox.is_empty)
    fills = [what for what in redis.written if "fill" in str(what)]
    assert fills == [f"fill {number}" for number in range(2600, 3600)]
    others = [what for what in redis.written if "fill" not in str(what)]
    assert set(others) == {"position 3599", "halts 3599"}
    assert not outbox.is_late
    assert outbox.dropped == 0
    lost = [line for line in caplog.messages if line.startswith("messages_lost")]
    assert lost == ["messages_lost count=2600"]


async def test_a_state_that_changes_while_it_is_written_is_written_again(
    outbox: Outbox, redis: Redis
) -> None:
    """What is under way is not changed; the newer one follows, and after a failure stands alone."""
    gate = asyncio.Event()

    async def fails() -> None:
        await gate.wait()
        raise RedisUnreachableError("away")

    outbox.put_state("position", fails)
    async with running(outbox.run()):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        outbox.put_state("position", redis.job(2))
        outbox.put_state("position", redis.job(3))
        gate.set()
        await eventually(lambda: outbox.is_empty)
    assert redis.written == [3]


async def test_the_health_hears_of_every_write(bench: Bench, redis: Redis) -> None:
    """What Redis does not take for long is named; one write that it takes ends that."""
    health = RedisHealth(bench.clock, 4.0)
    outbox = Outbox(bench.parts, health)
    redis.failures = 20
    outbox.put(redis.job("fill"))
    async with running(outbox.run()):
        await eventually(lambda: health.why)
        assert health.why == "our messages are not taken by Redis: away"
        redis.failures = 0
        outbox.hasten()
        await eventually(lambda: outbox.is_empty)
    assert health.why == ""


async def test_any_other_error_ends_the_writer(outbox: Outbox) -> None:
    """A bug in a write is not repeated for ever in silence."""

    async def broken() -> None:
        raise ZeroDivisionError

    outbox.put(broken)
    with pytest.raises(ZeroDivisionError):
        await outbox.run()


async def test_a_bug_among_many_writes_ends_the_writer(outbox: Outbox, redis: Redis) -> None:
    """The same where several are under way at once."""

    async def broken() -> None:
        raise ZeroDivisionError

    outbox.put(redis.job(1))
    outbox.put(broken)
    outbox.put(redis.job(2))
    with pytest.raises(ZeroDivisionError):
        await outbox.run()


async def test_events_wait_behind_writes_and_may_be_lost(outbox: Outbox, redis: Redis) -> None:
    """Words never delay a fill; those that Redis does not take are dropped."""
    outbox.put_event(redis.job("lost"))
    outbox.put_event(redis.job("word"))
    outbox.put(redis.job("fill"))
    assert not outbox.is_empty
    async with running(outbox.run()):
        await eventually(lambda: redis.written == ["fill", "lost", "word"])
        redis.failures = 1
        outbox.put_event(redis.job("dropped"))
        outbox.put_event(redis.job("said"))
        await eventually(lambda: "said" in redis.written)
    assert "dropped" not in redis.written


async def test_events_do_not_count_as_unwritten(outbox: Outbox, redis: Redis) -> None:
    """Only what must arrive keeps the outbox from being empty."""
    outbox.put_event(redis.job("word"))
    assert outbox.is_empty


async def test_draining_waits_for_what_must_be_written(outbox: Outbox, redis: Redis) -> None:
    """At a stop everything queued is written before the process goes."""
    async with running(outbox.run()):
        for number in range(70):
            outbox.put(redis.job(number))
        outbox.put_event(redis.job("stopped"))
        await outbox.drain()
    assert redis.written == [*range(70), "stopped"]


async def test_draining_an_empty_outbox_takes_no_time(outbox: Outbox) -> None:
    """Nothing queued, nothing waited for, whether or not the writer runs."""
    async with asyncio.timeout(1):
        await outbox.drain()


async def test_draining_is_bounded(
    outbox: Outbox,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With Redis away a stop is not held up for ever; what was lost is said."""
    monkeypatch.setattr(module, "_DRAIN_S", 0.05)
    redis.failures = 10**9
    outbox.put(redis.job(1))
    outbox.put(redis.job(2))
    async with running(outbox.run()), asyncio.timeout(5):
        await outbox.drain()
    assert any(line.startswith("redis_writes_lost count=2") for line in caplog.messages)


# --- one sender at a time --------------------------------------------------------------------


async def test_calls_of_the_sender_follow_each_other() -> None:
    """The next transaction is begun when the one before it has its answer, in order of asking."""
    sending, log = Sending(), list[str]()
    gates = {name: asyncio.Event() for name in ("fence", "order", "cancel")}

    def call(name: str) -> asyncio.Task[str]:
        async def transmit() -> str:
            log.append(f"{name} sent")
            await gates[name].wait()
            log.append(f"{name} answered")
            return name

        return asyncio.create_task(sending.alone(transmit))

    tasks = [call(name) for name in gates]
    for name, task in zip(gates, tasks, strict=True):
        await eventually(partial(lambda wanted: log[-1:] == [wanted], f"{name} sent"))
        gates[name].set()
        assert await task == name
    assert log == [f"{name} {what}" for name in gates for what in ("sent", "answered")]


async def test_a_call_that_fails_or_is_cancelled_lets_the_next_one_through() -> None:
    """Neither an error nor a cancelled fence leaves the sender locked."""
    sending = Sending()

    async def broken() -> None:
        raise ZeroDivisionError

    async def endless() -> None:
        await asyncio.Event().wait()

    async def fine() -> str:
        return "sent"

    with pytest.raises(ZeroDivisionError):
        await sending.alone(broken)
    stuck = asyncio.create_task(sending.alone(endless))
    waiting = asyncio.create_task(sending.alone(fine))
    await asyncio.sleep(0)
    assert not waiting.done()
    stuck.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stuck
    assert await waiting == "sent"
