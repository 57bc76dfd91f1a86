"""What may go wrong with Redis, with the hosts' clocks and files, and who else writes to Redis.

Blows: all of `attacker.ATTACKS`, and
- "fail-over split": a replica that lacks the last 0 to 10 s is promoted; connections stay on the
  old master until they are lost, hosts that are left behind come back to it; later all are joined
- "old dump restored": Redis starts again from a dump of this schedule or of a day ago
- "redis refuses writes": it reads, and answers OOM, READONLY or MISCONF to writes
- "redis refuses writes for long": the same for longer than A waits for B to cover a fill
- "subscription lost": the link of the channels is reset or falls silent, commands work
- "subscription denied": an ACL forbids one side to subscribe, for a while; commands work
- "resumed halt returns": an old dump shows a halt in force that a person released since, and after
  it none or very many more
- "host cut off": a host does not reach the exchange for 10 to 50 s, its sockets seem to live;
  mostly not Redis either, and that comes back at its own time
- "clock jumped", "clock drifts", "clocks apart": the wall clock of a host, or of all, by up to 20
  minutes; monotonic clocks go on
- "files restored": a daemon starts with former versions of its host's files
- "fill by hand": a person or a script publishes a fill, with A away or not, twice or not, and the
  opposite afterwards or not

Weather: "redis slow", a latency of 50 to 400 ms.
"""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from hedge.wire.codec import Seal
from hedge.wire.control import Halt, Halts
from redis_messenger import RedisMessenger
from tests.simulation.attacker import ATTACKS, LEASE_A, Attacker, earlier_life
from tests.simulation.bus import NAMES, HandFill
from tests.simulation.exchange import ETH, SPEC, A

if TYPE_CHECKING:
    from tests.simulation.schedule import Stage

Blow = Callable[["Stage", Random], None]

MOST_SKEW_MS = 20 * 60_000
CUT_OFF_S = (10.0, 50.0)


def _attack(kind: str, attack: Callable[[Attacker], None]) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        if not stage.world.redis.down:
            attack(Attacker(stage, dice, kind))

    return blow


def _split(stage: "Stage", dice: Random) -> None:
    redis = stage.world.redis
    hosts = sorted({host.name for host in stage.hosts})
    behind = frozenset(name for name in hosts if dice.random() < 0.4)
    redis.split(dice.choice((0.0, dice.uniform(0, 2), dice.uniform(0, 10))), behind, FAIL_OVER)
    for client in redis.clients:
        fate = dice.randrange(4)
        if fate & 1:
            client.lose_commands()
        if fate & 2:
            client.lose_subscription()
    stage.later(dice.choice((dice.uniform(0.3, 3), dice.uniform(3, 14))), redis.join)


FAIL_OVER = "fail-over split"
REFUSES = "redis refuses writes"
REFUSES_LONG = "redis refuses writes for long"
RETURNS = "resumed halt returns"


def _old_dump(stage: "Stage", dice: Random) -> None:
    redis = stage.world.redis
    if dice.random() < 0.5:
        stage.redis_down(dice.uniform(0.1, 2))
    dumps = redis.master.dumps()
    if dice.random() < 0.4 or not dumps:
        old = dice.choice(earlier_life(stage.world.settings.secret).dumps)
        saved = {key: value for key, value in old.items() if value.until is None}
    else:
        saved = dice.choice(dumps)
    redis.master.restore(saved, "old dump restored")


def _refuse_writes(stage: "Stage", dice: Random) -> None:
    server = stage.world.redis.master
    server.refuses, server.unmet = dice.choice(("OOM", "READONLY", "MISCONF")), REFUSES

    def mend() -> None:
        server.refuses = server.unmet = ""

    stage.later(dice.choice((dice.uniform(0.5, 4), dice.uniform(4, 25))), mend)


def _refuse_long(stage: "Stage", dice: Random) -> None:
    server = stage.world.redis.master
    server.refuses, server.unmet = dice.choice(("OOM", "READONLY", "MISCONF")), REFUSES_LONG

    def mend() -> None:
        server.refuses = server.unmet = ""

    lasts_s = dice.uniform(22, 40)
    stage.last(lasts_s + 2)
    stage.later(lasts_s, mend)


def _deny_subscription(stage: "Stage", dice: Random) -> None:
    messenger = stage.pick(dice.choice("ab")).messenger
    if messenger is None:
        return
    messenger.unheard = "subscription denied"
    messenger.denied_until = stage.loop.time() + dice.uniform(3, 30)
    messenger.lose_subscription()


MANY_RELEASES = 70
"""More than a heartbeat bears."""


def _bring_back(stage: "Stage", dice: Random) -> None:
    redis, scope = stage.world.redis, stage.world.settings.scope
    seal = scope.seal(NAMES.halt)
    mark, count = f"{dice.getrandbits(32):08x}", dice.choice((1, MANY_RELEASES))
    ids = tuple(f"op-{mark}-{number}" for number in range(count))
    halt = Halt(id=ids[0], side="", reason="operator", detail="of last week", timestamp=1)
    dump = Halts(halts=(halt,)).to_json(seal=seal)
    released = redis.halts_of(scope).union(Halts(released=ids))
    stage.world.notes.released.update(ids)
    redis.set(NAMES.halt, released.to_json(seal=seal))
    stage.later(dice.uniform(2.5, 6), lambda: redis.set(NAMES.halt, dump, None, RETURNS))


def _lose_subscription(stage: "Stage", dice: Random) -> None:
    messenger = stage.pick(dice.choice("ab")).messenger
    if messenger is None:
        return
    messenger.unheard = "subscription lost"
    if dice.random() < 0.5:
        messenger.lose_subscription()
    else:
        messenger.deaf_until = stage.loop.time() + dice.uniform(1, 15)


def _cut_off(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    redis_s, venue_s = dice.uniform(*CUT_OFF_S), dice.uniform(*CUT_OFF_S)
    whole = dice.choice((True, True, False))
    if daemon.is_running:
        stage.world.tally.reach("host cut off")
    stage.last(max(redis_s, venue_s) + dice.uniform(1, 8))
    if whole:
        stage.cut_redis(daemon.host, redis_s)
    stage.cut_venue(daemon.host, venue_s, is_reset=False)


def _far(dice: Random) -> float:
    """Return how far a clock is set off: as often seconds as minutes, in ms."""
    return dice.choice((-1, 1)) * 10 ** dice.uniform(2.7, 6.079)


def _jump_clock(stage: "Stage", dice: Random) -> None:
    host = stage.pick(dice.choice("ab")).host
    by_ms = _far(dice)
    host.jump(by_ms, "clock jumped")
    if dice.random() < 0.5:
        stage.later(dice.uniform(0.5, 8), lambda: host.jump(-by_ms, "clock jumped"))


def _drift_clock(stage: "Stage", dice: Random) -> None:
    host = stage.pick(dice.choice("ab")).host
    drift = dice.choice((-1, 1)) * 10 ** dice.uniform(-4, -1)
    host.let_drift(drift, stage.loop.time(), "clock drifts")


def _set_clocks_apart(stage: "Stage", dice: Random) -> None:
    for host in dict.fromkeys(stage.hosts):
        host.jump(dice.uniform(-MOST_SKEW_MS, MOST_SKEW_MS), "clocks apart")


def _restore_files(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    host, side = daemon.host, daemon.side
    daemon.kill()
    for name, versions in list(host.kept[side].items()):
        if dice.random() < 0.7:
            host.restore(side, name, dice.randrange(len(versions)))
    if host.kept_halts[side] and dice.random() < 0.7:
        host.halts[side] = dice.choice(host.kept_halts[side])

    def start() -> None:
        stage.world.tally.reach("files restored")
        daemon.start()

    stage.later(dice.uniform(0.1, 3), start)


# --- fills by hand ------------------------------------------------------------------------------


def hand_text(stage: "Stage", signed_lots: int, number: int, *, by_script: bool) -> str:
    """Return a fill as a script of the users publishes it (signed) or a person (never signed)."""
    amount = SPEC.base(abs(signed_lots))
    message = RedisMessenger.create_filled_message(
        A,
        SPEC.market_index,
        number,
        amount,
        "30.00",
        SPEC.price(ETH.start_price_ticks),
        "buy" if signed_lots > 0 else "sell",
    )
    message["timestamp"] = stage.world.exchange.epoch_ms() // 1000
    secret = stage.world.settings.secret
    if by_script and secret is not None:
        seal = Seal.by_hand(secret, "", NAMES.account_a_filled)
        message["sig"] = seal.sign(message)
    return json.dumps(message)


def _publish_by_hand(stage: "Stage", signed_lots: int, *, by_script: bool, twice: bool) -> None:
    redis, secret = stage.world.redis, stage.world.settings.secret
    number = len(redis.by_hand) + 1
    text = hand_text(stage, signed_lots, number, by_script=by_script)
    counts = secret is None and redis.get(LEASE_A) is None
    redis.by_hand.append(HandFill(stage.loop.time(), signed_lots, text, counts))
    for _ in range(2 if twice else 1):
        stage.say(f"by hand: {signed_lots}")
        redis.publish(NAMES.account_a_filled, text, "fill by hand")


def _by_hand(stage: "Stage", dice: Random) -> None:
    lots = dice.choice((-1, 1)) * dice.choice((10, 40, 100))
    by_script, twice = dice.random() < 0.5, dice.random() < 0.3
    wait_s = 0.0
    if dice.random() < 0.7:
        wait_s = dice.choice((0.5, dice.uniform(4.5, 9)))
        stage.a.kill() if dice.random() < 0.5 else stage.a.stop()
        stage.later(wait_s + dice.uniform(1, 8), stage.a.start)

    def publish(signed_lots: int) -> Callable[[], None]:
        return lambda: _publish_by_hand(stage, signed_lots, by_script=by_script, twice=twice)

    stage.later(wait_s, publish(lots))
    if dice.random() < 0.6:
        stage.later(wait_s + dice.uniform(0.2, 4), publish(-lots))


async def clear_hand(stage: "Stage") -> None:
    """Do what a person does about open fills by hand: A is stopped, the opposite published."""
    for _ in range(5):
        leaders = (daemon for daemon in stage.daemons if daemon.side == "b" and daemon.leads)
        # What B was moved by: the opposite of a fill of A, so as a fill of A its own opposite.
        manual = sum(daemon.manager.state.manual_lots for daemon in leaders)
        if not manual:
            return
        stage.a.kill()
        await asyncio.sleep(6)  # A's lease has lapsed
        _publish_by_hand(stage, manual, by_script=True, twice=False)
        await asyncio.sleep(3)


BLOWS: dict[str, Blow] = {
    **{kind: _attack(kind, attack) for kind, attack in ATTACKS.items()},
    FAIL_OVER: _split,
    "old dump restored": _old_dump,
    REFUSES: _refuse_writes,
    "subscription lost": _lose_subscription,
    "host cut off": _cut_off,
    "clock jumped": _jump_clock,
    "clock drifts": _drift_clock,
    "clocks apart": _set_clocks_apart,
    "files restored": _restore_files,
    "fill by hand": _by_hand,
    REFUSES_LONG: _refuse_long,
    "subscription denied": _deny_subscription,
    RETURNS: _bring_back,
}
HALF_REDIS = (REFUSES_LONG, "subscription denied", RETURNS)
"""A family of their own: a Redis that does a part of what is needed, or forgets a part."""

WEATHER: dict[str, tuple[str, float, float]] = {"redis slow": ("latency_s", 0.05, 0.4)}
