"""Another hand on Redis: it replays, moves, deletes and forges what the pair keeps there.

It may write to every key and publish on every channel. Its stock is what was stored and published
in this schedule, and what an earlier life of the same pair left: yesterday's heartbeats, positions,
fills, commands, a halt and its resumption, signed with the same secret. It does not know the
secret: what it changes is refused where there is one, but for what nothing signs.
"""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

from hedge.wire.codec import Seal
from hedge.wire.control import FLATTEN, RESUME, Command, Halt, Halts, Lease, parse_halts
from hedge.wire.names import LeaseKey
from tests.simulation import loop as loops
from tests.simulation.bus import NAMES, SimRedis
from tests.simulation.exchange import CHAIN, KEY, A, B
from tests.simulation.redis_server import Value

if TYPE_CHECKING:
    from tests.simulation.schedule import Stage

EARLIER_SEED = 20_231_113
EARLIER_S = 86_400
"""How long before the schedule the earlier life began."""

LEASE_A, LEASE_B = LeaseKey(CHAIN, A, KEY).name, LeaseKey(CHAIN, B, KEY).name
STATE = (
    NAMES.position_a,
    NAMES.position_b,
    NAMES.ledger,
    NAMES.neutral,
    NAMES.ready_a,
    NAMES.ready_b,
    NAMES.halt,
    NAMES.command,
)
KEYS = (*STATE, LEASE_A, LEASE_B)
CHANNELS = (NAMES.account_a_filled, NAMES.account_b_filled, NAMES.account_b_hedge_failed)
TTL_S = {
    NAMES.ready_a: 3.0,
    NAMES.ready_b: 3.0,
    NAMES.command: 60.0,
    LEASE_A: 5.0,
    LEASE_B: 5.0,
}

Texts = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Earlier:
    """What an earlier life left: texts by key or channel in their order, dumps, host files."""

    texts: Texts
    dumps: tuple[dict[str, Value], ...]
    files: dict[str, dict[str, dict[str, Any]]]


@lru_cache(maxsize=8)
def earlier_life(secret: bytes | None) -> Earlier:
    """Return what a pair with this secret left yesterday; it is lived once per process."""
    found: list[Earlier] = []

    def live() -> None:
        found.append(loops.run(lambda loop: _live(loop, secret)))

    # A loop of its own cannot run inside the schedule's: a thread has none yet.
    numbers, loops._Task._numbers = loops._Task._numbers, itertools.count()
    thread = threading.Thread(target=live, name="earlier-life")
    thread.start()
    thread.join()
    loops._Task._numbers = numbers
    return found[0]


async def _live(loop: loops.VirtualLoop, secret: bytes | None) -> Earlier:
    """Trade a little, be halted and resumed, close, start again; all without a fault."""
    from tests.simulation.daemon import Tools  # noqa: PLC0415  it imports this module's users
    from tests.simulation.schedule import Profile, Stage  # noqa: PLC0415

    loop.set_time(-float(EARLIER_S))
    stage = Stage(loop, EARLIER_SEED, Profile(faults=()), Tools(), None)
    world = stage.world
    world.settings = replace(world.settings, secret=secret, offset_lots=0, keep=False)
    scope = world.settings.scope
    world.exchange.engine._store.last_trade_id = 0
    for host in stage.hosts:
        host.boot_ms += EARLIER_S * 1000
    texts: dict[str, dict[str, None]] = {}
    world.redis.heard.append(
        lambda name, text: texts.setdefault(name, {}).update({str(text): None})
    )
    dumps: list[dict[str, Value]] = []

    def stamp_s() -> int:
        return world.exchange.epoch_ms() // 1000

    async def rest(seconds: float) -> None:
        await asyncio.sleep(seconds)
        dumps.append(dict(world.redis.master.values))

    async def trade(lots: int) -> None:
        await stage._until(stage._is_working, 30)
        world.exchange.take(lots, A)
        await rest(2)

    def put(key: str, text: str, ttl_s: float | None = None) -> None:
        world.redis.set(key, text, ttl_s)
        texts.setdefault(key, {})[text] = None

    def order(word: str, **more: Any) -> None:
        number = f"yesterday-{len(texts.get(NAMES.command, ()))}"
        command = Command(
            id=number, command=word, timestamp=stamp_s(), to=stage.newest_beats(), **more
        )
        put(NAMES.command, command.to_json(seal=scope.seal(NAMES.command)), 60)

    stage.b.start()
    stage.a.start()
    await trade(100)
    known = Halts()
    for number, forced in enumerate((False, True)):
        halt = Halt(id=f"op-{number}", side="", reason="operator", detail="", timestamp=stamp_s())
        known = known.union(Halts(halts=(halt,)))
        put(NAMES.halt, known.to_json(seal=scope.seal(NAMES.halt)))
        await rest(2)
        order(RESUME, halts=(halt.id,), forced=forced)
        known = known.union(Halts(released=(halt.id,)))
        put(NAMES.halt, known.to_json(seal=scope.seal(NAMES.halt)))
        await rest(2)
    await trade(40)
    stage.a.kill()
    await asyncio.sleep(0.5)
    await trade(100)
    order(FLATTEN)
    await rest(4)
    stage.a.stop()
    await asyncio.sleep(2)
    stage.b.stop()
    await rest(2)
    return Earlier(
        {name: tuple(kept) for name, kept in texts.items()},
        tuple(dumps),
        {side: dict(files) for side, files in stage.host_b.files.items()},
    )


class Attacker:
    """What one attack needs: its stock, and the ways to bring it about.

    What a kind stores or publishes is marked with its name, so that the tally knows who read it.
    """

    def __init__(self, stage: "Stage", dice: Random, kind: str) -> None:
        self.stage, self.dice, self.kind = stage, dice, kind
        self.redis: SimRedis = stage.world.redis
        self.secret = stage.world.settings.secret

    # --- the stock ----------------------------------------------------------------------------

    def today(self, name: str) -> list[str]:
        """Return what was stored or published under a name in this schedule, but for the newest."""
        return [str(text) for text in self.redis.kept.get(name, ())[:-1]]

    def yesterday(self, name: str) -> tuple[str, ...]:
        return earlier_life(self.secret).texts.get(name, ())

    def any_of(self, names: tuple[str, ...]) -> tuple[str, str] | None:
        """Return a name and a text that was under it, of today or of yesterday."""
        known = []
        for name in names:
            old = self.yesterday if self.dice.random() < 0.5 else self.today
            known += [(name, texts) for texts in (old(name),) if texts]
        if not known:
            return None
        name, texts = self.dice.choice(known)
        return name, self.dice.choice(texts)

    # --- the hand -----------------------------------------------------------------------------

    def put(self, key: str, text: str) -> None:
        """Store a text; a heartbeat, a lease and a command die as they would."""
        self.redis.set(key, text, TTL_S.get(key), self.kind)

    def publish(self, channel: str, text: str) -> None:
        self.redis.publish(channel, text, self.kind)

    def keep(self, key: str, text: str, seconds: float, every_s: float = 0.5) -> None:
        """Store a text again and again."""
        self.put(key, text)
        end = self.stage.loop.time() + seconds

        def again() -> None:
            if self.stage.loop.time() < end:
                mark = self.redis.master.marks.get(key, "")  # read already, or not yet
                self.redis.set(key, text, TTL_S.get(key), mark)
                self.stage.later(every_s, again)

        self.stage.later(every_s, again)

    def forged_lease(self, key: str, text: str, seconds: float) -> None:
        """Have a lease name the instance of a recorded value; scripts ask no signature of it."""
        instance = str(json.loads(text).get("instance", "0123456789ab"))
        host = f"{self.dice.getrandbits(48):012x}"
        self.keep(key, Lease(instance=instance, host=host, pair="").to_json(), seconds)


def replay_value(attacker: Attacker) -> None:
    """Put back what a key held before."""
    if found := attacker.any_of(STATE):
        attacker.put(*found)


def replay_message(attacker: Attacker) -> None:
    """Publish a message again."""
    if found := attacker.any_of(CHANNELS):
        attacker.publish(*found)


def replay_command(attacker: Attacker) -> None:
    """Store one of yesterday's commands: to resume, or to close."""
    attacker.put(NAMES.command, attacker.dice.choice(attacker.yesterday(NAMES.command)))


def _halts_in(text: str) -> Halts:
    return parse_halts(text)


def replay_halt(attacker: Attacker) -> None:
    """Store an old halt, and its resumption a moment later."""
    halts = attacker.yesterday(NAMES.halt)
    at = attacker.dice.choice([n for n, text in enumerate(halts) if _halts_in(text).in_force])
    halt, later = halts[at], halts[at + 1 :]
    resumption = next((text for text in later if not _halts_in(text).in_force), halts[-1])
    if attacker.dice.random() < 0.7:
        attacker.put(NAMES.halt, halt)
    again = lambda: attacker.put(NAMES.halt, resumption)  # noqa: E731
    attacker.stage.later(attacker.dice.uniform(0.2, 4), again)


def replay_position(attacker: Attacker) -> None:
    """Store A's position of another life under a lease that names that A; say its fills too."""
    dice = attacker.dice
    texts = attacker.yesterday(NAMES.position_a)
    if dice.random() < 0.3:
        texts = tuple(attacker.today(NAMES.position_a)) or texts
    seconds = dice.uniform(2, 14)
    chosen = dice.choice(texts)
    attacker.forged_lease(LEASE_A, chosen, seconds)
    instance = json.loads(chosen)["instance"]
    same = [text for text in texts if json.loads(text)["instance"] == instance]
    fills = [
        text
        for text in attacker.yesterday(NAMES.account_a_filled)
        if json.loads(text).get("instance") == instance
    ]
    steps = dice.randrange(1, 6)
    for number, text in enumerate(dice.choices(same, k=steps)):
        at = seconds * number / steps
        attacker.stage.later(at, lambda text=text: attacker.put(NAMES.position_a, text))  # type: ignore[misc]
        if fills and dice.random() < 0.5:
            fill = dice.choice(fills)
            attacker.stage.later(
                at,
                lambda fill=fill: attacker.publish(NAMES.account_a_filled, fill),  # type: ignore[misc]
            )


def keep_beat(attacker: Attacker) -> None:
    """Let the last heartbeat of a side live on after it was killed, its lease too or not."""
    dice, stage = attacker.dice, attacker.stage
    side = dice.choice("bba")
    daemon = stage.pick(side)
    beat = attacker.redis.get(NAMES.ready(side))
    lease_key = LEASE_A if side == "a" else LEASE_B
    lease = attacker.redis.get(lease_key)
    if beat is None or lease is None:
        return
    seconds = dice.uniform(4, 40)
    daemon.kill()
    stage.last(seconds)
    attacker.keep(NAMES.ready(side), beat, seconds)
    if dice.random() < 0.5:
        attacker.keep(lease_key, lease, seconds)
    stage.later(seconds + dice.uniform(0, 3), daemon.start)


def move_value(attacker: Attacker) -> None:
    """Store what one key held under another, or publish it."""
    if found := attacker.any_of((*KEYS, *CHANNELS)):
        name, text = found
        pairs = {NAMES.ready_a: NAMES.ready_b, NAMES.ready_b: NAMES.ready_a}
        pairs |= {NAMES.position_a: NAMES.position_b, NAMES.position_b: NAMES.position_a}
        pairs |= {LEASE_A: LEASE_B, LEASE_B: LEASE_A}
        other = attacker.dice.choice([one for one in (*KEYS, *CHANNELS) if one != name])
        if name in pairs and attacker.dice.random() < 0.7:
            other = pairs[name]
        (attacker.publish if other in CHANNELS else attacker.put)(other, text)


def _edit(values: dict[str, Any], dice: Random) -> None:
    """Change one field to something that fits its type."""
    name = dice.choice([name for name in values if name not in ("sig", "v")])
    value = values[name]
    if isinstance(value, bool):
        values[name] = not value
    elif isinstance(value, int):
        values[name] = max(0, dice.choice((value + 1, value + 1000, value - 1, 0, 2**31)))
    elif isinstance(value, str) and name.endswith("_amount"):
        values[name] = dice.choice(("0.0000", f"-{value}".replace("--", ""), f"1{value}"))
    elif isinstance(value, list):
        values[name] = []
    elif value is None:
        values[name] = dice.choice((0, "0.0000"))
    elif name in ("instance", "a_instance"):
        values[name] = f"{dice.getrandbits(48):012x}"


FORGEABLE = (NAMES.position_a, NAMES.ledger, NAMES.ready_a, NAMES.ready_b, NAMES.neutral)


def forge_value(attacker: Attacker) -> None:
    """Change a field or two of what is stored now; nothing signs it anew."""
    dice = attacker.dice
    known = [key for key in FORGEABLE if attacker.redis.get(key) is not None]
    if not known:
        return
    key = dice.choice(known)
    try:
        values = json.loads(attacker.redis.get(key) or "")
    except ValueError:
        return  # another attack was here
    if not isinstance(values, dict):
        return
    for _ in range(dice.choice((1, 1, 2))):
        _edit(values, dice)
    if isinstance(values.get("seq"), int):
        values["seq"] += dice.choice((0, 1, 5))
    attacker.put(key, json.dumps(values))


def forge_answer(attacker: Attacker) -> None:
    """Say for B that it is ready and that nothing is owed, whatever A states."""
    dice, seconds = attacker.dice, attacker.dice.uniform(1, 8)
    end = attacker.stage.loop.time() + seconds

    def again() -> None:
        position, ledger = (attacker.redis.get(key) for key in (NAMES.position_a, NAMES.ledger))
        try:
            stated, answer = json.loads(position or ""), json.loads(ledger or "")
            answer |= {
                "a_instance": stated["instance"],
                "a_seq": stated["seq"],
                "a_position_base_amount": stated["position_base_amount"],
                "owed_base_amount": "0.0000",
                "inflight": False,
                "failed": None,
            }
        except (ValueError, KeyError, TypeError):
            return
        attacker.put(NAMES.ledger, json.dumps(answer))
        if attacker.stage.loop.time() < end:
            attacker.stage.later(dice.uniform(0.05, 0.5), again)

    again()


_PARTS = {"chain_id": "@chain", "market_index": "@market"}


def from_other_pair(attacker: Attacker) -> None:
    """Store a value of a pair of other accounts, market or chain that has the same secret."""
    dice = attacker.dice
    found = attacker.any_of((*STATE, NAMES.account_a_filled))
    if found is None:
        return
    name, text = found
    try:
        values = json.loads(text)
    except ValueError:
        return
    theirs = [
        field
        for field in values
        if field in ("chain_id", "market_index") or field.endswith("account_index")
    ]
    if not theirs:
        return
    field = dice.choice(theirs)
    part = _PARTS.get(field, "@a" if values[field] == A else "@b")
    values[field] += dice.choice((1, 2, 50))
    seal = attacker.stage.world.settings.scope.seal(name)
    if seal is not None:
        values["sig"] = Seal(seal.secret, {**seal.place, part: values[field]}).sign(values)
    text = json.dumps(values)
    (attacker.publish if name in CHANNELS else attacker.put)(name, text)


def corrupt_value(attacker: Attacker) -> None:
    """Change a character of what is stored, cut it, or put something that is no text there."""
    dice = attacker.dice
    known = [key for key in KEYS if attacker.redis.get(key)]
    if not known:
        return
    key = dice.choice(known)
    text = attacker.redis.get(key) or ""
    fate, at = dice.random(), dice.randrange(len(text))
    if fate < 0.15:
        attacker.redis.master.put(key, Value("", None, "list"), attacker.kind)
    elif fate < 0.35:
        attacker.put(key, text[:at])
    else:
        flipped = chr(ord(text[at]) ^ (1 << dice.randrange(7)))
        attacker.put(key, text[:at] + flipped + text[at + 1 :])


def delete_key(attacker: Attacker) -> None:
    """Delete a key, or two."""
    for _ in range(attacker.dice.choice((1, 1, 2))):
        attacker.redis.master.drop(attacker.dice.choice(KEYS), attacker.kind)


def take_lease(attacker: Attacker) -> None:
    """Hold a lease of the pair for another process, of another pair or not."""
    dice = attacker.dice
    lease = Lease(
        instance=f"{dice.getrandbits(48):012x}",
        host=f"{dice.getrandbits(48):012x}",
        pair=dice.choice(("", "other", None)),
        market_index=dice.choice((None, 0, 3)),
    )
    attacker.keep(dice.choice((LEASE_A, LEASE_B)), lease.to_json(), dice.uniform(0.5, 10))


ATTACKS: dict[str, Callable[[Attacker], None]] = {
    "value replayed": replay_value,
    "message replayed": replay_message,
    "command replayed": replay_command,
    "halt and resumption replayed": replay_halt,
    "position under a forged lease": replay_position,
    "beat of the dead kept": keep_beat,
    "value under another name": move_value,
    "value of another pair": from_other_pair,
    "value corrupted": corrupt_value,
    "key deleted": delete_key,
    "lease taken": take_lease,
    "value forged": forge_value,
    "answer forged": forge_answer,
}
