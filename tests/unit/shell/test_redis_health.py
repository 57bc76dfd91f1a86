"""What is needed of Redis, each with a clock of its own, and what is said of it."""

from dataclasses import dataclass, field

import pytest

from hedge.bus.port import LinkHandler
from hedge.daemon.redis_health import Need, RedisHealth
from hedge.daemon.redis_watch import RedisHandlers, RedisWatch
from hedge.errors import RedisUnreachableError
from tests.unit.shell.fakes import Bench, Calls

FULL = RedisUnreachableError("Redis refuses: OOM")
GONE = RedisUnreachableError("cannot reach Redis")
DOWN_MS = 4000


@pytest.fixture
def health(bench: Bench) -> RedisHealth:
    return RedisHealth(bench.clock, DOWN_MS / 1000)


@pytest.mark.parametrize("need", Need)
def test_a_need_that_fails_for_long_is_named(bench: Bench, health: RedisHealth, need: Need) -> None:
    """Whatever else works: reads that are served say nothing of writes, nor the other way round."""
    for _ in range(3):
        bench.clock.advance_ms(1000)
        health.failed(need, FULL)
        for other in set(Need) - {need}:
            health.met(other)
        assert health.why == ""
    bench.clock.advance_ms(1000)
    assert health.why == f"{need.value}: Redis refuses: OOM"
    health.met(need)
    assert health.why == ""


@pytest.mark.parametrize("need", Need)
def test_one_lost_round_trip_is_nothing(bench: Bench, health: RedisHealth, need: Need) -> None:
    """The clock runs from the last success, and ends with the next."""
    health.met(need)
    bench.clock.advance_ms(2000)
    health.failed(need, GONE)
    bench.clock.advance_ms(1900)
    health.met(need)
    bench.clock.advance_ms(60_000)
    assert health.why == ""


def test_a_need_that_nobody_has_is_no_trouble(bench: Bench, health: RedisHealth) -> None:
    """A side that writes nothing for a minute is not cut off."""
    bench.clock.advance_ms(60_000)
    assert health.why == ""
    health.failed(Need.STATE, GONE)
    assert health.why == f"{Need.STATE.value}: cannot reach Redis"


def test_the_newest_reason_is_the_reason(bench: Bench, health: RedisHealth) -> None:
    """A link that is lost for another reason than before says the new one."""
    bench.clock.advance_ms(DOWN_MS)
    health.failed(Need.STATE, FULL)
    health.failed(Need.STATE, GONE)
    assert health.why.endswith("cannot reach Redis")


# --- what is said ---------------------------------------------------------------------------------


@dataclass
class Heard:
    """A watch over a bench's health, and all that it said."""

    bench: Bench
    health: RedisHealth
    said: Calls = field(default_factory=Calls)
    unread: Calls = field(default_factory=Calls)
    changes: Calls = field(default_factory=Calls)

    def __post_init__(self) -> None:
        handlers = RedisHandlers(lambda: self.unread.append("unread"), self.changes)
        self.watch = RedisWatch(self.bench.parts, self.health, self.said, handlers)
        self.link: LinkHandler = self.bench.bus.links[0]
        self.complain = self.bench.bus.complaints[0]

    @property
    def events(self) -> list[str]:
        return [event for event, _, _ in self.said]


@pytest.fixture
def heard(bench: Bench, health: RedisHealth) -> Heard:
    return Heard(bench, health)


def test_a_redis_that_refuses_writes_is_said_once(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """In log, event and heartbeat, with the server's own reason; and when it is over."""
    for _ in range(100):
        heard.bench.clock.advance_ms(200)
        heard.health.met(Need.READS)
        heard.health.failed(Need.STATE, FULL)
        heard.watch.look()
    why = "our own state is not written to Redis: Redis refuses: OOM"
    assert heard.said == [("redis_down", "redis_down", why)]
    assert heard.watch.notices == (("redis_down", why),)
    assert heard.changes == [why]
    assert heard.unread == []
    heard.health.met(Need.STATE)
    heard.watch.look()
    assert heard.events == ["redis_down", "redis_back"]
    assert heard.changes == [why, ""]
    assert heard.watch.notices == ()
    assert caplog.messages == [f'redis_down reason="{why}"']


def test_a_redis_that_cannot_be_read_is_told_apart(heard: Heard) -> None:
    """What was read is void then, also where the writes had failed before."""
    heard.bench.clock.advance_ms(DOWN_MS)
    heard.health.failed(Need.STATE, FULL)
    heard.watch.look()
    heard.health.failed(Need.READS, GONE)
    heard.watch.look()
    assert heard.unread == ["unread"]
    assert heard.changes[-1] == "the state in Redis cannot be read: cannot reach Redis"
    assert heard.events == ["redis_down"]


def test_a_lost_subscription_is_said(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    """Each reason once, one that stays once a minute, and its end."""
    for _ in range(90):
        heard.complain("NOPERM")
        heard.bench.clock.advance_ms(1000)
    heard.complain("the server ended the subscription")
    reasons = [reason for _, _, reason in heard.said]
    assert reasons == ["NOPERM", "NOPERM", "the server ended the subscription"]
    assert set(heard.events) == {"subscription_lost"}
    (notice,) = heard.watch.notices
    assert notice[1] == "the subscription is lost: the server ended the subscription"
    heard.link(True)
    heard.link(True)
    assert heard.events[3:] == ["subscription_back"]
    assert heard.said[-1][2] == "it was lost: the server ended the subscription"
    assert heard.watch.notices == ()
    warned = [one for one in caplog.records if one.levelname == "WARNING"]
    assert len(warned) == 3


def test_a_subscription_that_comes_and_goes_fills_no_log(heard: Heard) -> None:
    """Lost and back every second for a minute: said once, shown in the heartbeat each time."""
    for _ in range(59):
        heard.complain("closed by server")
        assert heard.watch.notices
        heard.link(True)
        assert not heard.watch.notices
        heard.bench.clock.advance_ms(1000)
    assert heard.events == ["subscription_lost", "subscription_back"]
