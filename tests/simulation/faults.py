"""What may go wrong, by name: weather that stays for a while, and blows that fall at once.

A schedule enables a random part of them, so that combinations differ and each has its quiet days.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.schedule import Stage

Low, High = float, float

VENUE_WEATHER: dict[str, tuple[str, Low, High]] = {
    "request lost": ("lose_request", 0.05, 0.3),
    "answer lost": ("lose_answer", 0.05, 0.4),
    "copy held": ("hold_copy", 0.05, 0.4),
    "rate limited": ("refuse_load", 0.02, 0.1),
    "small refused": ("refuse_small", 1.0, 1.0),
    "margin refused": ("refuse_margin", 0.02, 0.2),
    "markers refused": ("refuse_markers", 1.0, 1.0),
    "accepted, cancelled": ("cancel_accepted", 0.05, 0.3),
    "accepted, dropped": ("drop_accepted", 0.05, 0.3),
    "nonce handed back": ("hand_back", 0.05, 0.3),
    "read failed": ("fail_read", 0.05, 0.4),
    "read stale": ("stale_read", 0.1, 0.7),
    "frame dropped": ("drop_frame", 0.02, 0.2),
    "frame repeated": ("repeat_frame", 0.1, 0.5),
    "frame late": ("delay_frame", 0.05, 0.4),
    "stream lost": ("lose_stream", 0.02, 0.2),
    "public frame dropped": ("mute_peer", 0.1, 1.0),
}

REDIS_WEATHER: dict[str, tuple[str, Low, High]] = {
    "redis request lost": ("lose_request", 0.02, 0.15),
    "redis answer lost": ("lose_answer", 0.02, 0.15),
    "message lost": ("lose_message", 0.1, 0.9),
    "message repeated": ("repeat_message", 0.1, 0.6),
    "message late": ("delay_message", 0.1, 0.7),
}


def _kill(side: str) -> Callable[["Stage", Random], None]:
    def blow(stage: "Stage", dice: Random) -> None:
        daemon = stage.pick(side)
        daemon.kill_within(dice.choice((0, dice.randrange(8), dice.randrange(40))))
        stage.later(dice.uniform(0.1, 4), daemon.start)

    return blow


def _stop(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    daemon.stop()
    stage.later(dice.uniform(0.5, 6), daemon.start)


def _freeze(side: str) -> Callable[["Stage", Random], None]:
    def blow(stage: "Stage", dice: Random) -> None:
        daemon = stage.pick(side)
        if daemon.is_running:
            daemon.freeze()
            stage.later(dice.choice((dice.uniform(0.1, 3), dice.uniform(3, 14))), daemon.thaw)

    return blow


def _redis_down(stage: "Stage", dice: Random) -> None:
    stage.redis_down(dice.uniform(0.2, 6))


def _redis_wiped(stage: "Stage", dice: Random) -> None:
    if dice.random() < 0.5:
        stage.redis_down(dice.uniform(0.1, 2))
    stage.world.redis.wipe()


def _redis_rolled_back(stage: "Stage", dice: Random) -> None:
    if dice.random() < 0.5:
        stage.redis_down(dice.uniform(0.1, 2))
    stage.world.redis.roll_back(dice.uniform(0.2, 8))


def _cut_redis(stage: "Stage", dice: Random) -> None:
    stage.cut_redis(stage.pick(dice.choice("ab")).host, dice.uniform(0.5, 8))


def _cut_venue(stage: "Stage", dice: Random) -> None:
    stage.cut_venue(stage.pick(dice.choice("ab")).host, dice.uniform(0.3, 6))


def _thin(stage: "Stage", dice: Random) -> None:
    bids, asks = dice.choice(((0, 1000), (1000, 0), (0, 0), (30, 30), (10, 60)))
    stage.thin_book(bids, asks, dice.uniform(0.5, 5))


def _lose_stream(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    for socket in dice.choice((daemon.sockets, daemon.sockets[:1], daemon.sockets[1:])):
        socket.lose_stream("reset")


def _fall_silent(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    for socket in dice.choice((daemon.sockets, daemon.sockets[:1], daemon.sockets[1:])):
        socket.fall_silent(dice.uniform(2, 12))


def _left_behind(stage: "Stage", dice: Random) -> None:
    """B's machine sleeps with its links; the standby that led meanwhile is gone when it wakes."""
    if not stage.b.is_running or stage.b.is_frozen:
        return
    stage.add_standby()
    asleep_s = dice.uniform(10, 20)
    stage.b.freeze()
    stage.b.miss(asleep_s + dice.uniform(1, 8))
    stage.later(asleep_s - dice.uniform(4, 7), stage.standby.kill)
    stage.later(asleep_s, stage.b.thaw)


def _standby(stage: "Stage", dice: Random) -> None:
    stage.add_standby()


def _second_a(stage: "Stage", dice: Random) -> None:
    stage.add_second_a()


def _lose_disk(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    daemon.kill()
    daemon.host.forget()
    stage.later(dice.uniform(0.1, 3), daemon.start)


BLOWS: dict[str, Callable[["Stage", Random], None]] = {
    "A killed": _kill("a"),
    "B killed": _kill("b"),
    "stopped": _stop,
    "A frozen": _freeze("a"),
    "B frozen": _freeze("b"),
    "redis down": _redis_down,
    "redis wiped": _redis_wiped,
    "redis rolled back": _redis_rolled_back,
    "cut from redis": _cut_redis,
    "cut from exchange": _cut_venue,
    "thin book": _thin,
    "socket lost": _lose_stream,
    "socket silent": _fall_silent,
    "standby": _standby,
    "second A": _second_a,
    "disk lost": _lose_disk,
}

AIMED: dict[str, Callable[["Stage", Random], None]] = {"B left behind": _left_behind}
"""Sequences too rare to meet by chance; only schedules that name them have them."""

ALL = (*VENUE_WEATHER, *REDIS_WEATHER, *BLOWS)
