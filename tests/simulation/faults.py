"""What may go wrong, by name: weather that stays for a while, and blows that fall at once.

A schedule enables some of them, so that combinations differ and each has its quiet days. Kinds are
drawn by family: a family is there or not, and where it is there some of its kinds are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.simulation import bus_kinds, change_kinds, end_kinds, venue_kinds
from tests.simulation.attacker import ATTACKS

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

ABSENCES: dict[str, Blow] = {"A away": _away("A away", "a"), "B away": _away("B away", "b")}

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

AIMED: dict[str, Blow] = {"B left behind": _left_behind, **venue_kinds.AIMED}
"""Sequences too rare to meet by chance; only schedules that name them have them."""

BLOWS = PROCESSES | ABSENCES | OUTSIDE | end_kinds.BLOWS | bus_kinds.BLOWS | venue_kinds.BLOWS
BLOWS |= change_kinds.BLOWS
KNOWN_BLOWS = BLOWS | AIMED

MISFORTUNES = tuple(VENUE_WEATHER)
CALM = (*MISFORTUNES, *REDIS_WEATHER, *PROCESSES, *OUTSIDE)
"""The kinds of a quiet exchange, an honest Redis and processes that come back: all is kept here."""

VENUE_WEATHER |= venue_kinds.WEATHER
REDIS_WEATHER |= bus_kinds.WEATHER
WEATHER = frozenset((*VENUE_WEATHER, *REDIS_WEATHER))

LATE = (
    "rows listed late",
    "trades listed late",
    "transactions listed late",
    "position listed late",
    "position lags",
    "replica stuck",
)
LIES = (
    *[kind for kind in venue_kinds.WEATHER if kind.endswith("lies")],
    *[kind for kind in venue_kinds.BLOWS if " lie" in kind],
    "trade under another id",
    "public id far ahead",
)
HANDS = (
    *[kind for kind in venue_kinds.BLOWS if "traded" in kind],
    "foreign nonce",
    "fill by hand",
)
MEANS = ("A out of margin", "B out of margin", "A liquidated", "B liquidated", "margin fraction")
RULES = (
    "standard limits",
    "quota spent",
    "reduce-only",
    "market inactive",
    "minimums raised",
    "decimals changed",
    "price halves",
    "price falls",
    "price runs",
)
ACCOUNTS = ("key may only post", "SDK outdated", "leverage", "isolated margin")
PRICES = ("bait", "others fall away", "book frames stop")
FORGERIES = frozenset(
    {
        "value forged",
        "answer forged",
        "value under another name",
        "value of another pair",
        "position under a forged lease",
        "beat of the dead kept",
    }
)
"""Attacks against which nothing is promised without a secret: who writes to Redis is believed."""
SERVERS = (
    "channel stops",
    "handshake refused",
    *[
        kind
        for kind in bus_kinds.BLOWS
        if kind not in (*ATTACKS, "fill by hand", *bus_kinds.HALF_REDIS)
    ],
)

APART = ("public socket cut", "private mute", "link in a black hole")

# --- the mix --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Kinds that belong together: in how many schedules some are there, and how many then."""

    kinds: tuple[str, ...]
    share: float
    about: float = 2.5
    """About so many of its kinds are in a schedule that has the family."""

    def draw(self, dice: Random) -> list[str]:
        """Return the kinds of one schedule."""
        there, chance = dice.random() < self.share, min(1.0, self.about / len(self.kinds))
        drawn = [(kind, dice.random()) for kind in self.kinds]
        return [kind for kind, roll in drawn if there and roll < chance]


FAMILIES: dict[str, Family] = {
    "exchange": Family(MISFORTUNES, 0.4, 2.5),
    "redis": Family(tuple(REDIS_WEATHER), 0.25, 2.0),
    "processes": Family(tuple(PROCESSES), 0.4, 2.5),
    "absences": Family(tuple(ABSENCES), 0.2, 1.2),
    "orders of ending": Family(tuple(end_kinds.ENDS), 0.4, 2.0),
    "commands": Family(tuple(end_kinds.COMMANDS), 0.25, 1.5),
    "outside": Family(tuple(OUTSIDE), 0.35, 2.0),
    "busy": Family(("busy market",), 0.35, 1.0),
    "late": Family(LATE, 0.25, 1.5),
    "lies": Family(LIES, 0.3, 1.5),
    "hands": Family(HANDS, 0.2, 1.5),
    "means": Family(MEANS, 0.25, 2.0),
    "rules": Family(RULES, 0.25, 1.5),
    "limits": Family(("quote limit",), 0.12, 1.0),  # seldom met: B learns it soon
    "attacker": Family(tuple(ATTACKS), 0.25, 2.0),
    "servers": Family(SERVERS, 0.25, 1.5),
    "market": Family(("market changed",), 0.08, 1.0),
    "half a Redis": Family(bus_kinds.HALF_REDIS, 0.08, 1.2),
    "sockets apart": Family(APART, 0.15, 1.2),
    "prices": Family(PRICES, 0.15, 1.2),
    "changes of a price": Family(change_kinds.KINDS, 0.4, 5.0),
    "accounts": Family(ACCOUNTS, 0.15, 1.2),
}
ALL = tuple(kind for family in FAMILIES.values() for kind in family.kinds)
