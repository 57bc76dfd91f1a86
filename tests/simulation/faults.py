"""What may go wrong, by name: weather that stays for a while, and blows that fall at once.

A schedule enables some of them, so that combinations differ and each has its quiet days. Kinds are
drawn by family: a family is there or not, and where it is there some of its kinds are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.simulation import bus_kinds, end_kinds

if TYPE_CHECKING:
    from tests.simulation.schedule import Stage

Low, High = float, float
Blow = Callable[["Stage", Random], None]

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

# --- processes ------------------------------------------------------------------------------------


def _kill(side: str) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        daemon = stage.pick(side)
        daemon.kill_within(
            dice.choice((0, dice.randrange(8), dice.randrange(40))), f"{side.upper()} killed"
        )
        stage.later(dice.uniform(0.1, 4), daemon.start)

    return blow


def _stop(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    if daemon.stop():
        stage.world.tally.reach("stopped")
    stage.later(dice.uniform(0.5, 6), daemon.start)


def _stop_both(kind: str, first: str, low_s: float, high_s: float) -> Blow:
    """Tell both to stop, `first` first, the other one that much later; then start both again."""

    def blow(stage: "Stage", dice: Random) -> None:
        one, other = (stage.a, stage.b) if first == "a" else (stage.b, stage.a)
        gap_s, away_s = dice.uniform(low_s, high_s), dice.uniform(2, 12)

        def go_on() -> None:
            if other.stop() and heard:
                stage.world.tally.reach(kind)

        heard = one.stop()
        if gap_s:
            stage.later(gap_s, go_on)
        else:
            go_on()
        stage.last(gap_s + away_s)
        for daemon in dice.sample((stage.a, stage.b), 2):
            stage.later(gap_s + away_s, daemon.start)

    return blow


def _away(kind: str, side: str) -> Blow:
    """End one side, by a kill or by being told to, and start it again long after."""

    def blow(stage: "Stage", dice: Random) -> None:
        daemon = stage.a if side == "a" else stage.b
        told, away_s = dice.random() < 0.3, dice.uniform(8, 30)
        if told and daemon.stop():
            stage.world.tally.reach(kind)
        elif not told:
            daemon.kill(kind)
        stage.last(away_s)
        stage.later(away_s, daemon.start)

    return blow


def _freeze(side: str) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        daemon = stage.pick(side)
        if daemon.is_running:
            daemon.freeze()
            stage.later(dice.choice((dice.uniform(0.1, 3), dice.uniform(3, 14))), daemon.thaw)

    return blow


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
    if stage.add_standby():
        stage.world.tally.reach("standby")


def _second_a(stage: "Stage", dice: Random) -> None:
    if stage.add_second_a():
        stage.world.tally.reach("second A")


def _lose_disk(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    daemon.kill()
    daemon.host.forget()
    stage.world.bare.add(daemon.host.name)
    stage.later(dice.uniform(0.1, 3), daemon.start)


# --- Redis and the exchange -----------------------------------------------------------------------


def _redis_down(stage: "Stage", dice: Random) -> None:
    stage.redis_down(dice.uniform(0.2, 6))


def _redis_wiped(stage: "Stage", dice: Random) -> None:
    if dice.random() < 0.5:
        stage.redis_down(dice.uniform(0.1, 2))
    stage.world.redis.wipe("redis wiped")


def _redis_rolled_back(stage: "Stage", dice: Random) -> None:
    if dice.random() < 0.5:
        stage.redis_down(dice.uniform(0.1, 2))
    stage.world.redis.roll_back(dice.uniform(0.2, 10), "redis rolled back")


def _cut_redis(stage: "Stage", dice: Random) -> None:
    stage.cut_redis(stage.pick(dice.choice("ab")).host, dice.uniform(0.5, 8))


def _cut_venue(stage: "Stage", dice: Random) -> None:
    stage.cut_venue(stage.pick(dice.choice("ab")).host, dice.uniform(0.3, 6))


def _thin(stage: "Stage", dice: Random) -> None:
    bids, asks = dice.choice(((0, 1000), (1000, 0), (0, 0), (30, 30), (10, 60)))
    stage.thin_book(bids, asks, dice.uniform(0.5, 5))


def _lose_stream(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    chosen = dice.choice((daemon.sockets, daemon.sockets[:1], daemon.sockets[1:]))
    if daemon.is_running and any(socket.is_up for socket in chosen):
        stage.world.tally.reach("socket lost")
    for socket in chosen:
        socket.lose_stream("reset")


def _fall_silent(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    for socket in dice.choice((daemon.sockets, daemon.sockets[:1], daemon.sockets[1:])):
        socket.fall_silent(dice.uniform(2, 12))


PROCESSES: dict[str, Blow] = {
    "A killed": _kill("a"),
    "B killed": _kill("b"),
    "stopped": _stop,
    "A frozen": _freeze("a"),
    "B frozen": _freeze("b"),
    "standby": _standby,
    "second A": _second_a,
    "disk lost": _lose_disk,
}

ENDS: dict[str, Blow] = {
    "both stopped at once": _stop_both("both stopped at once", "a", 0, 0),
    "both stopped, A first": _stop_both("both stopped, A first", "a", 0.05, 3),
    "both stopped, B first": _stop_both("both stopped, B first", "b", 0.05, 3),
    "A away": _away("A away", "a"),
    "B away": _away("B away", "b"),
}
"""Orders of stopping, and long absences."""

OUTSIDE: dict[str, Blow] = {
    "redis down": _redis_down,
    "redis wiped": _redis_wiped,
    "redis rolled back": _redis_rolled_back,
    "cut from redis": _cut_redis,
    "cut from exchange": _cut_venue,
    "thin book": _thin,
    "socket lost": _lose_stream,
    "socket silent": _fall_silent,
}

AIMED: dict[str, Blow] = {"B left behind": _left_behind}
"""Sequences too rare to meet by chance; only schedules that name them have them."""

BLOWS = PROCESSES | ENDS | OUTSIDE | end_kinds.BLOWS | bus_kinds.BLOWS
KNOWN_BLOWS = BLOWS | AIMED

# --- the mix --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Kinds that belong together: in how many schedules some are there, and how many then."""

    kinds: tuple[str, ...]
    share: float
    about: float = 2.5
    """About so many of its kinds are in a schedule that has the family."""

    def draw(self, dice: Random) -> list[str]:
        """Return the kinds of one schedule; uses as much chance whatever it returns."""
        there, chance = dice.random() < self.share, min(1.0, self.about / len(self.kinds))
        drawn = [(kind, dice.random()) for kind in self.kinds]
        return [kind for kind, roll in drawn if there and roll < chance]


FAMILIES: dict[str, Family] = {
    "exchange": Family(tuple(VENUE_WEATHER), 0.5, 3.0),
    "redis": Family(tuple(REDIS_WEATHER), 0.35, 2.0),
    "processes": Family(tuple(PROCESSES), 0.6, 3.0),
    "ends": Family(tuple(ENDS), 0.5, 2.0),
    "outside": Family(tuple(OUTSIDE), 0.5, 2.5),
    "orders of ending": Family(tuple(end_kinds.ENDS), 0.45, 3.0),
    "commands": Family(tuple(end_kinds.COMMANDS), 0.35, 2.0),
}

CALM = (*VENUE_WEATHER, *REDIS_WEATHER, *PROCESSES, *OUTSIDE)
"""The kinds of a quiet exchange, an honest Redis and processes that come back: all is kept here."""

WEATHER = frozenset((*VENUE_WEATHER, *REDIS_WEATHER))
ALL = tuple(kind for family in FAMILIES.values() for kind in family.kinds)
