"""A hundred thousand values of one who may write anything to Redis and does not know the secret.

    python -m tests.simulation.fuzz --values 100000
    python -m tests.simulation.fuzz --values 100000 --without counter
    python -m tests.simulation.fuzz --values 5000 --without epoch --aimed epoch

A pair is recorded over 20 epochs: heartbeats, positions, fills, answers, commands, halts. From this
pool, and from what is written while it goes on, values are thrown at the living pair in tactics:
replayed, put under another name, with one bit flipped or one field of another type, signed by pairs
of another account, market or chain that have the same secret, and those of the last seconds while a
side is dead, restarted or cut off. While it is recorded a script that has the secret publishes
fills by hand, which a pair with a secret never takes. One pair beside ours lives: what is stored
for ours is shown to it, and it signs what it makes of it. None of them may cause an order, while
the fills of the market are hedged as ever.

`--without` leaves out one check of the product: then orders come of it. `--aimed` throws only by
the tactics that miss a check soonest: without some of them a pair stops so early that a whole mix
never ends.
"""

import argparse
import itertools
import json
import math
import sys
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median
from typing import Any
from unittest import mock

from hedge.bus.port import PairScope
from hedge.core.freshness import FRESH_MS, BeatId, Freshness
from hedge.daemon.context import Parts
from hedge.wire.codec import Fields, MessageRefusedError, Seal
from hedge.wire.control import FLATTEN, Command, Lease
from hedge.wire.envelope import Envelope
from hedge.wire.state import PositionState, Ready
from tests.judge.facts import Violation
from tests.simulation import loop as loops
from tests.simulation.attacker import CHANNELS, KEYS, LEASE_A, LEASE_B, STATE, TTL_S
from tests.simulation.bus import NAMES
from tests.simulation.bus_kinds import hand_text
from tests.simulation.daemon import TIMING, Daemon, Tools
from tests.simulation.exchange import CHAIN, A
from tests.simulation.redis_server import Unwritten
from tests.simulation.schedule import Profile, Stage

C = 103
"""The third account: with the same secret, A's partner or B's in another pair."""
EPOCHS = 20
SHARE = 5_000
"""As many values are thrown at one pair; then another one begins, by another seed."""
RECENT_S = FRESH_MS / 1000
SLACK_S = TIMING.beat_s + TIMING.tick_s
TACTICS = (
    *("flood",) * 3,
    *("keys",) * 3,
    *("flips", "last_seconds", "restarted", "dead", "unready") * 2,
    "commands",
    "halts",
    "beside",
)
"""How often each is used in a round of them."""
AIMED = {
    "signature": ("beside",),
    "name": ("beside",),
    "counter": ("unready",),
    "epoch": ("unready",),
    "age": ("dead",),
}
"""What each check is missed at soonest."""
WHOSE = ("account_index", "a_account_index", "b_account_index", "market_index", "chain_id")
"""The fields that say whose a value is."""
ORDERS = ("I1", "I2", "I3", "I4")
"""The promises that an order breaks."""


# --- the checks, and how each is left out ---------------------------------------------------------


def _unsigned(_fields: Fields, _seal: Seal | None) -> None:
    """Let every signature pass."""


_sign = Seal.sign


def _sign_anywhere(seal: Seal, values: Any) -> str:
    """Sign the fields, not the place that they are written for."""
    return _sign(Seal(seal.secret, {}), values)


def _whole_epoch(freshness: Freshness, beat: BeatId, _life_ms: int, _now_ms: int) -> bool:
    return beat.epoch == freshness.epoch


def _whole_echo(freshness: Freshness, origin: Any, now_ms: int) -> int | None:
    return None if freshness._echoed_ms(origin) is None else now_ms + FRESH_MS


_ANY_ACCOUNTS: tuple[type, str, Callable[..., Any]] = (PairScope, "refusal_of", lambda *_: None)
"""Takes a heartbeat of other accounts, which is refused without a secret too."""

CHECKS: dict[str, tuple[tuple[type, str, Callable[..., Any]], ...]] = {
    "signature": ((Fields, "check_signature", _unsigned), _ANY_ACCOUNTS),
    "name": ((Seal, "sign", _sign_anywhere), _ANY_ACCOUNTS),
    "counter": ((Freshness, "_is_back", lambda *_: False),),
    "epoch": ((Freshness, "_counts", lambda *_: True),),
    "age": (
        (Freshness, "_fresh_until", _whole_echo),
        (Freshness, "was_sent_within", _whole_epoch),
    ),
}
"""What each check is in the product, and what stands there without it."""


@contextmanager
def leaving_out(check: str) -> Iterator[None]:
    """Run the pair without one check ("" for none)."""
    patches = [mock.patch.object(*one) for one in CHECKS.get(check, ())]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


# --- a pair beside ours ---------------------------------------------------------------------------


class Neighbour:
    """A pair of A's account and a third one that lives, and has the same secret.

    Its daemons and its operator read what is shown to them with the product's readers, hear it, and
    sign their own values and commands for their own place.
    """

    def __init__(self, scope: PairScope, dice: Random) -> None:
        self.scope, self.dice = replace(scope, account_b=C), dice
        self.fresh = Freshness("a", f"{dice.getrandbits(64):016x}")
        self.instance = f"{dice.getrandbits(48):012x}"
        self.seq, self.lots = 0, 0

    def read(self, side: str, text: str | None) -> Ready | None:
        """Judge a heartbeat that stands under this name, None where it is refused."""
        name = NAMES.ready(side)
        try:
            return Ready.from_json(text or "", self.scope.spec, self.scope.limits_a(name))
        except MessageRefusedError:
            return None

    def texts(self, ready_b: str | None, now_ms: int, trade_id: int) -> dict[str, str]:
        """Return what its A writes after a look at the heartbeat of B."""
        beat = self.read("b", ready_b)
        if beat is not None and beat.envelope is not None:
            seen = BeatId(beat.envelope.epoch, beat.beat)
            self.fresh.hear("b", seen, beat.envelope, now_ms)
        if self.dice.random() < 0.5:
            self.seq, self.lots = self.seq + 1, self.dice.choice((0, 100, 300, 500))
        number, spec, scope = self.fresh.beats(now_ms), self.scope.spec, self.scope
        at_s = now_ms // 1000
        position = PositionState(
            chain_id=scope.chain_id,
            account_index=scope.account_a,
            market_index=spec.market_index,
            instance=self.instance,
            seq=self.seq,
            position_lots=self.lots,
            floor_trade_id=0,
            last_trade_id=trade_id,
            timestamp=at_s,
            envelope=self._envelope(self.seq),
        )
        ready = Ready(
            side="a",
            ready=True,
            reasons=(),
            state="working",
            instance=self.instance,
            can_hedge_lots=None,
            version="simulated",
            chain_id=scope.chain_id,
            a_account_index=scope.account_a,
            b_account_index=scope.account_b,
            market_index=spec.market_index,
            offset_lots=0,
            timestamp=at_s,
            beat=number,
            heard=self.fresh.heard,
            position_lots=self.lots,
            seq=self.seq,
            proven=True,
            shown=True,
            envelope=self._envelope(number),
        )
        return {
            NAMES.ready_a: ready.to_json(spec, scope.seal(NAMES.ready_a)),
            NAMES.position_a: position.to_json(spec, scope.seal(NAMES.position_a)),
            LEASE_A: Lease(instance=self.instance, host=self.instance, pair="").to_json(
                seal=scope.seal(LEASE_A)
            ),
        }

    def flatten(self, ready_a: str | None, ready_b: str | None, number: int) -> str | None:
        """Return the command of its operator, to the daemons that are shown there."""
        found = {side: self.read(side, text) for side, text in (("a", ready_a), ("b", ready_b))}
        to = tuple(
            (side, BeatId(beat.envelope.epoch, beat.beat))
            for side, beat in found.items()
            if beat is not None and beat.envelope is not None
        )
        if not to:
            return None
        command = Command(id=f"neighbour-{number}", command=FLATTEN, timestamp=0, to=to)
        return command.to_json(seal=self.scope.seal(NAMES.command))

    def _envelope(self, n: int) -> Envelope:
        return Envelope("", self.fresh.epoch, n, self.fresh.echo("a"), self.fresh.echo("b"))


def signed_for_another(text: str, name: str, scope: PairScope, dice: Random) -> str | None:
    """Return a value as a pair of another account, market, chain or name has signed it."""
    seal = scope.seal(name)
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if seal is None or not isinstance(values, dict):
        return None
    word, other = dice.choice(
        (("@a", C), ("@b", C), ("@chain", CHAIN + 1), ("@market", 1), ("@pair", "other"))
    )
    fields = {"@chain": ("chain_id",), "@market": ("market_index",), "@pair": ("pair",)}.get(
        word, ("account_index", f"{word[1]}_account_index")
    )
    mine = seal.place[word]
    for one in fields:
        if values.get(one) == mine:
            values[one] = other
    # One that bears another pair's name and is signed for ours is refused by that name alone.
    is_for_us = word == "@pair" and "epoch" in values and dice.random() < 0.5
    place = seal.place if is_for_us else {**seal.place, word: other}
    values["sig"] = Seal(seal.secret, place).sign(values)
    return json.dumps(values)


def retyped(text: str, dice: Random) -> str | None:
    """Return a value with one field of another JSON type, or in a list; None where it has none.

    Most often one of those that say whose it is: these are judged before the signature.
    """
    values = json.loads(text)
    if dice.random() < 0.1:
        return json.dumps([values])
    told = [name for name in WHOSE if type(values.get(name)) is int]
    if not values:
        return None
    name = dice.choice(told if told and dice.random() < 0.7 else list(values))
    others = ("7", 7, 1.5, True, [7], {"a": 7}, -1, 2**70, math.nan)
    values[name] = dice.choice([one for one in others if type(one) is not type(values[name])])
    return json.dumps(values)


# --- what it came to ------------------------------------------------------------------------------


@dataclass
class Count:
    """What a fuzz came to."""

    values: int = 0
    thrown: Counter[str] = field(default_factory=Counter)
    """By what was done to the value."""
    refused: Counter[str] = field(default_factory=Counter)
    """By cause, as the daemons count; what fails the signature by what was done to it."""
    orders: list[str] = field(default_factory=list)
    """What no fill had called for."""
    fills: int = 0
    in_time: int = 0
    usual_s: float = 0.0
    """How long a hedge took while no one else wrote to Redis: the median; the slowest pair's."""
    stuck: list[str] = field(default_factory=list)
    halts: Counter[str] = field(default_factory=Counter)
    epochs: int = 0

    def add(self, other: "Count") -> None:
        """Add what came of another pair."""
        self.values += other.values
        self.thrown.update(other.thrown)
        self.refused.update(other.refused)
        self.orders += other.orders
        self.fills += other.fills
        self.in_time += other.in_time
        self.usual_s = max(self.usual_s, other.usual_s)
        self.stuck += other.stuck
        self.halts.update(other.halts)
        self.epochs += other.epochs

    def lines(self) -> Iterator[str]:
        """Say it."""
        yield f"values thrown            {self.values:>8}"
        for word, count in self.thrown.most_common():
            yield f"  {word:<22} {count:>8}"
        yield "refused, by cause"
        for word, count in self.refused.most_common():
            yield f"  {word:<22} {count:>8}"
        yield f"orders by it             {len(self.orders):>8}"
        yield from (f"  {text}" for text in self.orders[:5])
        yield f"fills of the market      {self.fills:>8}"
        yield f"  hedged in usual time   {self.in_time:>8} (within {self.usual_s * 1000:.0f} ms)"
        yield f"epochs                   {self.epochs:>8}"
        if self.halts:
            yield f"halts released: {dict(self.halts)}"
        yield from (f"STUCK {text}" for text in self.stuck[:5])


# --- the fuzz -------------------------------------------------------------------------------------


class Fuzz:
    """One pair, its pool, and the hand that throws."""

    def __init__(self, stage: Stage, dice: Random, values: int, epochs: int) -> None:
        self.stage, self.dice, self.share, self.epochs = stage, dice, values, epochs
        self.world, self.redis, self.loop = stage.world, stage.world.redis, stage.loop
        self.scope = self.world.settings.scope
        self.aimed: tuple[str, ...] = ()
        """Which tactics are used, where not all are."""
        self.count = Count()
        self.pool: dict[str, list[str]] = {}
        self.recent: deque[tuple[float, str, str]] = deque()
        self.signed: dict[str, dict[str, object]] = {}
        """What bears each true signature."""
        self.managers: list[Any] = []
        self._thrown: set[str] = set()
        self.beats: dict[tuple[str, int], tuple[int, bool, float]] = {}
        """B's heartbeats as it wrote them: number, whether ready, when (s)."""
        self.newest_read: dict[str, tuple[int, bool]] = {}
        """By process of A: the latest heartbeat of B that it has ever read."""
        self.seen_epochs: set[str] = set()
        self.is_throwing = False
        self.taken_s: list[float] = []
        """When the market filled an order of A."""
        self.calm_until_s = math.inf
        """Until when nobody else writes; a person flattens in that time only."""
        self.neighbour = Neighbour(self.scope, dice)
        self.redis.heard.append(self._hear)
        on_place = self.world.on_place
        self.world.on_place = lambda daemon, order: (
            self._on_place(daemon, order),
            on_place(daemon, order),
        )[1]

    # --- what is recorded

    def _hear(self, name: str, text: str | Unwritten) -> None:
        """Keep what the pair writes, until it is too old to be of use."""
        if name not in KEYS and name not in CHANNELS:
            return
        written = str(text)
        if self.is_throwing and name in CHANNELS and written in self._thrown:
            return
        kept = self.pool.setdefault(name, [])
        kept.append(written)
        self.recent.append((self.loop.time(), name, written))
        while self.recent[0][0] < self.loop.time() - RECENT_S:
            self.recent.popleft()
        values = json.loads(written)
        if isinstance(values.get("sig"), str):
            self.signed[values["sig"]] = values
        if isinstance(values.get("epoch"), str):
            self.seen_epochs.add(values["epoch"])
        if name == NAMES.ready_b and "beat" in values:
            place = (values["epoch"], values["n"])
            self.beats[place] = (len(self.beats), values["ready"], self.loop.time())

    def watch(self, parts: Parts) -> None:
        """Note which heartbeats of B a process of A has read."""
        if parts.config.side != "a":
            return
        messenger: Any = parts.messenger
        real = messenger.read_state

        async def read_state() -> Any:
            snapshot = await real()
            ready = snapshot.ready_b
            origin = None if ready is None else ready.envelope
            known = None if origin is None else self.beats.get((origin.epoch, origin.n))
            newest = self.newest_read.get(parts.instance, (-1, False))
            if known is not None and known[0] > newest[0]:
                self.newest_read[parts.instance] = known[:2]
            return snapshot

        messenger.read_state = read_state

    def _on_place(self, daemon: Daemon, order: Any) -> None:
        """Find an order of A that no heartbeat of B and no person has called for."""
        now_s = self.loop.time()
        if order.reduce_only:
            reasons = {halt.reason for halt in daemon.manager.halts.in_force}
            if FLATTEN in reasons and now_s > self.calm_until_s:
                self._blame(f"{now_s:.1f} s: A closes by a command that no person of it gave")
            return
        read = self.newest_read.get(daemon.manager.parts.instance)
        if read is not None and not read[1]:
            self._blame(f"{now_s:.1f} s: A places though the newest it read of B is not ready")
        last_s = max((at for _, ready, at in self._newest_beats() if ready), default=0.0)
        if now_s > last_s + RECENT_S + SLACK_S:
            self._blame(f"{now_s:.1f} s: A places {now_s - last_s:.1f} s after B was last ready")

    def _newest_beats(self) -> Iterator[tuple[int, bool, float]]:
        return itertools.islice(reversed(self.beats.values()), 200)

    def _blame(self, text: str) -> None:
        self.count.orders.append(text)

    def judges(self, fields: Fields, why: Any) -> None:
        """Take note of a signature that does not fit: a true one of another place, or a false."""
        values = fields._values
        found = self.signed.get(str(values.get("sig")))
        is_whole = found is not None and _plain(found) == _plain(values)
        self.count.refused[f"{why}: {'name' if is_whole else 'signature'}"] += 1

    # --- the hand

    def throw(self, kind: str, name: str, text: str) -> None:
        """Store a text, or publish it."""
        self.count.values += 1
        self.count.thrown[kind] += 1
        self._thrown.add(text)
        if name in CHANNELS:
            self.redis.publish(name, text)
        else:
            self.redis.set(name, text, TTL_S.get(name))

    def any_of(self, *names: str) -> tuple[str, str] | None:
        """Return a name and a text that was under it, of any epoch."""
        known = [name for name in names if self.pool.get(name)]
        if not known:
            return None
        name = self.dice.choice(known)
        return name, self.dice.choice(self.pool[name])

    def any_recent(self, *names: str) -> tuple[str, str] | None:
        """Return one of the last seconds."""
        known = [(name, text) for _, name, text in self.recent if name in names]
        return self.dice.choice(known) if known else None

    def throw_any(self, targets: tuple[str, ...]) -> None:
        """Throw one value of the pool at one of these: as it is, moved, flipped, another pair's."""
        dice = self.dice
        pick = self.any_recent if dice.random() < 0.4 else self.any_of
        found = pick(*targets)
        if found is None:
            return
        name, text = found
        roll = dice.random()
        if roll < 0.3:
            self.throw("replayed", name, text)
        elif roll < 0.5:
            other = dice.choice([one for one in targets if one != name])
            self.throw("under another name", other, text)
        elif roll < 0.7:
            self.throw("one bit flipped", name, flipped(text, dice))
        elif roll < 0.76:
            if (changed := retyped(text, dice)) is not None:
                self.throw("another type", name, changed)
        elif (signed := signed_for_another(text, name, self.scope, dice)) is not None:
            self.throw("of another pair", name, signed)

    # --- tactics: each throws for some seconds

    async def flood(self) -> None:
        """Messages, in a flood, while the market fills."""
        for _ in range(3):
            await self.fill()
            for _ in range(90):
                self.throw_any(CHANNELS)
                await self.rest(0.01)

    async def keys(self) -> None:
        """Values under all keys of the pair, while the market fills."""
        names = tuple(name for name in STATE if name != NAMES.halt)
        await self.fill()
        for _ in range(120):
            self.throw_any(names)
            await self.rest(0.05)

    async def halts(self) -> None:
        """Halts and leases: what is not read stops the pair, what is old may not release it."""
        for _ in range(20):
            self.throw_any((NAMES.halt, LEASE_A, LEASE_B))
            await self.rest(0.1)

    async def commands(self) -> None:
        """What the person of the pair has ordered before, again; another's too."""
        for _ in range(30):
            found = self.any_of(NAMES.command)
            if found is not None:
                self.throw("replayed", *found)
            await self.rest(0.2)

    async def last_seconds(self) -> None:
        """What a side wrote within the last seconds, over what it writes now."""
        names = self.dice.choice((STATE[:1], STATE[2:3], STATE[5:6], STATE[:6]))
        await self.fill()
        for _ in range(60):
            if found := self.any_recent(*names):
                self.throw("replayed", *found)
            await self.rest(0.1)

    async def flips(self) -> None:
        """The newest values, each with one bit flipped."""
        await self.fill()
        for _ in range(60):
            if found := self.any_recent(*STATE[:6], NAMES.account_a_filled):
                self.throw("one bit flipped", found[0], flipped(found[1], self.dice))
            await self.rest(0.1)

    async def dead(self) -> None:
        """A side is killed; its last words live on."""
        daemon = self.dice.choice((self.stage.a, self.stage.b, self.stage.b))
        names = {
            "a": (NAMES.ready_a, NAMES.position_a, LEASE_A),
            "b": (NAMES.ready_b, NAMES.ledger, NAMES.neutral, LEASE_B),
        }[daemon.side]
        last = {name: self.pool[name][-1] for name in names if self.pool.get(name)}
        daemon.kill()
        fills = self.dice.random() < 0.5
        for number in range(20 if fills else 40):
            for name, text in last.items():
                self.throw("kept alive", name, text)
            if fills and number == 4:
                self.take()
            await self.rest(0.5)
        daemon.start()

    async def unready(self) -> None:
        """B loses the exchange, restarted or not; its heartbeats of before are put back."""
        if self.dice.random() < 0.5:
            self.stage.b.kill()
            self.stage.cut_venue(self.stage.host_b, 60)
            await self.rest(0.5)
            self.stage.b.start()
        else:
            self.stage.cut_venue(self.stage.host_b, 60)
        known = {
            name: [text for _, one, text in self.recent if one == name][-4:]
            for name in (NAMES.ready_b, NAMES.ledger)
        }
        await self.rest(2)
        for _ in range(60):
            for name, texts in known.items():
                if texts:
                    self.throw("replayed", name, self.dice.choice(texts))
            await self.rest(0.1)
        self.stage.host_b.venue.cut = False

    async def restarted(self) -> None:
        """A, B or both are restarted; what was stated before is stated again, under its lease."""
        dice, stage = self.dice, self.stage
        await self.fill()
        for daemon in dice.choice(((stage.a,), (stage.b,), (stage.a, stage.b))):
            daemon.kill()
        old = dice.random() < 0.5
        await self.rest(dice.uniform(0.2, 1))
        stage.b.start()
        if dice.random() < 0.7:
            stage.a.start()
        pick = self.any_of if old else self.any_recent
        for number in range(50):
            if found := pick(NAMES.position_a, NAMES.account_a_filled, NAMES.ready_a):
                instance = json.loads(found[1]).get("instance") or "0123456789ab"
                forged = Lease(instance=instance, host=f"{dice.getrandbits(48):012x}", pair="")
                if number % 5 == 0:
                    self.throw("forged", LEASE_A, forged.to_json())
                self.throw("replayed", *found)
            await self.rest(0.12)
        stage.a.start()

    async def beside(self) -> None:
        """What stands here is shown to a pair beside ours, and what that signs is stored here."""
        for number in range(20):
            shown = [self.redis.get(NAMES.ready(side)) for side in "ab"]
            trade_id = self.world.exchange.engine._store.last_trade_id + 1
            texts = self.neighbour.texts(shown[1], self.loop.now_ms, trade_id)
            for name, text in texts.items():
                if number % 4 or name != NAMES.ready_a:
                    self.throw("of another pair", name, text)
            command = self.neighbour.flatten(*shown, self.count.values)
            if command is not None and number % 5 == 4:
                self.throw("of another pair", NAMES.command, command)
            await self.rest(0.3)

    # --- the run

    async def rest(self, seconds: float) -> None:
        """Let time pass, a little irregularly."""
        await loops.asyncio.sleep(seconds * self.dice.uniform(0.5, 1.5))

    async def fill(self) -> None:
        """Let the market fill a resting order, as soon as one rests."""
        if await self.stage._until(self.stage._is_working, 4):
            self.take()

    def take(self) -> None:
        if self.world.exchange.take(100, A):
            self.taken_s.append(self.loop.time())

    def publish_by_hand(self) -> None:
        """Let a script that has the secret publish a fill, which a pair with a secret refuses."""
        lots, number = self.dice.choice((-100, 100)), self.count.values + len(self.seen_epochs)
        self.redis.publish(
            NAMES.account_a_filled, hand_text(self.stage, lots, number, by_script=True)
        )

    async def record(self) -> None:
        """Live alone: 20 epochs, opened and closed, halted, resumed, flattened, filled by hand."""
        stage, person = self.stage, self.stage.desk.person
        stage.desk.start()
        number = 0
        while len(self.seen_epochs) < self.epochs:
            await self.fill()
            await self.settle()
            await self.fill()
            await self.settle()
            self.publish_by_hand()
            if number % 5 == 1:
                person.halt()
                await self.rest(2)
                person.resume()
            if number % 5 == 2:
                person.flatten()
                await self.rest(8)
            await self.settle()
            daemon = (stage.a, stage.b)[number % 2]
            daemon.kill()
            await self.rest(0.5)
            daemon.start()
            number += 1
        await self.settle()
        self.calm_until_s = self.loop.time()

    async def settle(self) -> bool:
        """Wait until the pair is whole and trades; a person releases what halted it."""
        stage = self.stage
        for _ in range(6):
            whole = await stage.until_whole(90)
            halt = stage.halt()
            if halt is None:
                if not whole:
                    self.count.stuck.append(f"{self.loop.time():.1f} s: {stage._states()}")
                return whole
            self.count.halts[halt.reason] += self.is_throwing
            await stage.resume(halt)
        self.count.stuck.append(f"{self.loop.time():.1f} s: halted again and again")
        return False

    async def run(self) -> None:
        """Record, then throw."""
        tactics = [getattr(self, name) for name in self.aimed or TACTICS]
        await self.record()
        queue: list[Callable[[], Any]] = []
        while self.count.values < self.share:
            if not queue:
                queue = self.dice.sample(tactics, len(tactics))
            self.is_throwing = True
            await queue.pop()()
            self._thrown.clear()
            if not await self.settle():
                break
            self.is_throwing = False

    def sum_up(self) -> None:
        audit = self.stage.judge.audit()
        spells = {round(one.start_s, 3): one.seconds for one in audit.naked}
        lasted = [(at_s, spells.get(round(at_s, 3), 0.0)) for at_s in self.taken_s]
        before = [seconds for at_s, seconds in lasted if at_s < self.calm_until_s]
        after = [seconds for at_s, seconds in lasted if at_s >= self.calm_until_s]
        self.count.usual_s = median(before)
        self.count.fills = len(after)
        self.count.in_time = sum(1 for one in after if one <= self.count.usual_s + 0.001)
        self.count.epochs = len(self.seen_epochs)
        bugs = [Violation("I4", "bug", 0.0, text, {}) for text in self.world.bugs]
        violations = [one for one in (*audit.violations, *bugs) if one.promise in ORDERS]
        self.count.orders += [str(one) for one in violations]
        for manager in self.managers:
            for word, count in manager.refusals.counts:
                self.count.refused[word] += count


def _plain(values: dict[str, object]) -> str:
    return json.dumps({key: value for key, value in values.items() if key != "sig"}, default=str)


def flipped(text: str, dice: Random) -> str:
    """Return a text with one bit of one character changed; half of the time of a digit."""
    places = range(len(text))
    digits = [at for at in places if text[at].isdigit()]
    is_digit = bool(digits) and dice.random() < 0.5
    at = dice.choice(digits if is_digit else places)
    changed = chr(ord(text[at]) ^ (1 << dice.randrange(3 if is_digit else 7)))
    return text[:at] + changed + text[at + 1 :]


def beside_a_pair(
    seed: int, work: Callable[[Fuzz], Coroutine[Any, Any, None]], values: int, epochs: int
) -> Count:
    """Do something to a pair of its own, and sum up what came of it."""

    async def main(loop: loops.VirtualLoop) -> Count:
        fuzzes: list[Fuzz] = []

        def watched(parts: Parts, _world: Any) -> Parts:
            fuzzes[0].watch(parts)
            return parts

        def kept(build: Callable[[Parts], Any]) -> Callable[[Parts], Any]:
            def built(parts: Parts) -> Any:
                manager = build(parts)
                fuzzes[0].managers.append(manager)
                return manager

            return built

        plain = Tools()
        tools = Tools(parts=watched, build_a=kept(plain.build_a), build_b=kept(plain.build_b))
        profile = Profile(faults=(), secret=1.0, same_host=0.0, skew_ms=0, peer_watch=seed % 2)
        stage = Stage(loop, seed, profile, tools, None)
        one = Fuzz(stage, Random(f"{seed} fuzz"), values, epochs)
        fuzzes.append(one)
        check = Fields.check_signature

        def check_signature(fields: Fields, seal: Seal | None) -> None:
            try:
                check(fields, seal)
            except MessageRefusedError as error:
                one.judges(fields, error.cause.value)
                raise

        with mock.patch.object(Fields, "check_signature", check_signature):
            await work(one)
        one.sum_up()
        return one.count

    count: Count = loops.run(main)
    return count


def fuzz(
    values: int,
    seed: int,
    without: str = "",
    epochs: int = EPOCHS,
    aimed: tuple[str, ...] = (),
) -> Count:
    """Throw values at one pair after the other; `aimed`: by these tactics only."""

    async def work(one: Fuzz) -> None:
        one.aimed = aimed
        await one.run()

    whole = Count()
    with leaving_out(without):
        while whole.values < values:
            share = min(SHARE, values - whole.values)
            whole.add(beside_a_pair(seed, work, share, epochs))
            seed += 1
    return whole


def main() -> int:
    """Run, and print what came of it."""
    from tests.simulation.__main__ import quiet  # noqa: PLC0415  it imports all kinds

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", choices=tuple(CHECKS), default="")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument(
        "--aimed", choices=tuple(AIMED), help="by the tactics that miss this check soonest"
    )
    options = parser.parse_args()
    quiet()
    aimed = AIMED.get(options.aimed, ())
    found = fuzz(options.values, options.seed, options.without, options.epochs, aimed)
    print("\n".join(found.lines()))
    return 1 if found.orders or found.stuck else 0


if __name__ == "__main__":
    sys.exit(main())
