"""RedisMessenger: the one way between the two daemons, and for scripts of the users.

A script of a user:

    messenger = RedisMessenger(port=6388)
    messenger.connect()
    messenger.publish_a_filled(messenger.create_filled_message(
        280459, 0, 1, "0.0100", "30.12", "3012.00", "buy"))

The daemons use the asynchronous part, which is `hedge.bus.port.Messenger`.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import redis

from hedge.bus.commands import CommandLink
from hedge.bus.connection import inspect, sync_client
from hedge.bus.diagnosis import REDIS_PROBLEMS, check_tls_files, trouble_at_start, unreachable
from hedge.bus.leased import LeasedScripts, OddTypes
from hedge.bus.port import (
    LeaseAnswer,
    LinkHandler,
    PairScope,
    StateSnapshot,
    TextHandler,
)
from hedge.bus.remnants import Elsewhere, business_of, elsewhere_of, named_by
from hedge.bus.replies import fitting, is_number, is_ok, parsed
from hedge.bus.rights import check_rights
from hedge.bus.scripts import LeaseMode
from hedge.bus.snapshot import SnapshotReader
from hedge.bus.subscription import Listener
from hedge.config.schema import Config, RedisConfig, Secret, TimingConfig
from hedge.errors import ConfigError, InternalBugError, RedisUnreachableError
from hedge.wire.codec import MessageRefusedError, Seal
from hedge.wire.control import Command, Halts, Instances, Lease, parse_halts, unreadable
from hedge.wire.messages import AFilled, BFilled, BHedgeFailed, EventMessage
from hedge.wire.names import LeaseKey, Names, PairLeaseKey
from hedge.wire.record import Record
from hedge.wire.state import Ledger, Neutral, PositionState, Ready, Standby

COMMAND_TTL_S = 60
_MOST_SWAPS = 20
"""So often the halts may change under a writer before it gives up."""


class RedisMessenger:
    """Names, scripts, channels and leases of one pair in one Redis.

    `instance` and `host_id` say who holds a lease; both are hexadecimal text. Every call raises
    `RedisUnreachableError` when Redis gives no usable answer within `timing.redis_timeout_s`;
    opening a connection goes on for `timing.redis_connect_s`, and later calls find it open.
    """

    CHANNEL_A_FILLED = Names().account_a_filled
    CHANNEL_B_FILLED = Names().account_b_filled
    CHANNEL_B_HEDGE_FAILED = Names().account_b_hedge_failed

    def __init__(  # noqa: PLR0913 (the names that scripts use, and two for the daemons)
        self,
        host: str = "localhost",
        port: int = 6388,
        db: int = 0,
        *,
        username: str = "",
        password: str | None = None,
        pair: str = "",
        settings: RedisConfig | None = None,
        timing: TimingConfig | None = None,
        instance: str = "",
        host_id: str = "",
    ) -> None:
        """Prepare; nothing is connected yet. `settings` replaces the five before `pair`."""
        self._settings = settings or RedisConfig(
            host=host,
            port=port,
            db=db,
            username=username,
            password=Secret(password) if password is not None else None,
        )
        self._timing = timing or TimingConfig()
        self.names = Names(pair)
        self.instance = instance or secrets.token_hex(6)
        self.host_id = host_id or secrets.token_hex(6)
        self._client: redis.Redis | None = None
        self._scope: PairScope | None = None
        self._lease_a: LeaseKey | None = None
        self._lease_b: LeaseKey | None = None
        self._reader: SnapshotReader | None = None
        reading = self._settings.for_reading
        self._commands = CommandLink(self._settings, self._timing)
        self._reads = self._commands
        if reading is not self._settings:  # another login: another connection
            self._reads = CommandLink(reading, self._timing, scripts=())
        self._odd = OddTypes(self._reads, self._timing.link_check_s)
        me = Lease(instance=self.instance, host=self.host_id, pair=pair)
        self._scripts = LeasedScripts(self._commands, self.names, me, self._timing.lease_ttl_s)
        self._listener = Listener(
            reading, self._timing, self._commands, self.names.probe(self.instance)
        )

    @classmethod
    def from_config(cls, config: Config, *, instance: str, host_id: str) -> "RedisMessenger":
        """Return the messenger of a daemon."""
        return cls(
            settings=config.redis,
            timing=config.timing,
            pair=config.pair,
            instance=instance,
            host_id=host_id,
        )

    # --- blocking, for the start of a daemon and for scripts

    def connect(self) -> list[str]:
        """Reach Redis, blocking; return warnings about how it is set up.

        Raises:
            RedisUnreachableError: it is down, refuses the login, a replica, or older than 6.2.
            ConfigError: a certificate file cannot be used, or it is a node of a cluster.

        """
        check_tls_files(self._settings)
        timing = self._timing
        client = sync_client(self._settings, timing.redis_timeout_s, timing.redis_connect_s)
        try:
            with parsed():
                client.ping()
                warnings = inspect(client, self._settings)
        except REDIS_PROBLEMS as error:
            client.close()
            raise trouble_at_start(self._settings, error, timing.redis_timeout_s) from error
        except (RedisUnreachableError, ConfigError):
            client.close()
            raise
        self._client = client
        return warnings

    def check_rights(self) -> None:
        """Ask, blocking, whether our logins may do what a daemon does.

        Raises RedisUnreachableError with all that they lack.
        """
        check_rights(self._settings, self._timing, self.names, self.instance)

    def publish_a_filled(self, message: Mapping[str, Any]) -> int:
        """Publish a fill of A, blocking; return how many subscribers heard it."""
        return self._publish(self.names.account_a_filled, message)

    def publish_b_filled(self, message: Mapping[str, Any]) -> int:
        """Publish a hedge of B, blocking; return how many subscribers heard it."""
        return self._publish(self.names.account_b_filled, message)

    def _publish(self, channel: str, message: Mapping[str, Any]) -> int:
        if self._client is None:
            self.connect()
        assert self._client is not None  # noqa: S101 (connect set it or raised)
        values = dict(message)
        secret = self._settings.shared_secret
        if secret is not None:
            seal = Seal.by_hand(secret.reveal().encode(), self.names.pair, channel)
            values["sig"] = seal.sign(values)
        text = json.dumps(values)
        try:
            with parsed():
                return int(fitting(self._client.publish(channel, text), is_number))
        except REDIS_PROBLEMS as error:
            self._client.close()  # the next one connects anew
            raise unreachable(self._settings, error) from error

    @staticmethod
    def create_filled_message(
        account_index: int,
        market_index: int,
        order_index: int,
        filled_base_amount: str,
        filled_quote_amount: str,
        avg_price: str,
        side: str,
    ) -> dict[str, Any]:
        """Return a fill message with the eight fields; amounts are decimal strings."""
        return {
            "account_index": account_index,
            "market_index": market_index,
            "order_index": order_index,
            "filled_base_amount": filled_base_amount,
            "filled_quote_amount": filled_quote_amount,
            "avg_price": avg_price,
            "timestamp": int(time.time()),
            "side": side,
        }

    # --- listening

    def subscribe(self, channel: str, handler: TextHandler) -> None:
        """Call `handler` with the text of every message of `channel`, once listening."""
        self._listener.add(channel, handler)

    def on_link(self, handler: LinkHandler) -> None:
        """Call `handler` at every change of the subscription link; it starts as down."""
        self._listener.watch(handler)

    def on_complaint(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with one sentence whenever the subscription link is lost."""
        self._listener.complain_to(handler)

    async def start_listening(self) -> None:
        """Listen until cancelled: reconnects, subscribes again and proves that it hears."""
        await self._listener.run()

    # --- links

    async def open(self) -> None:
        """Open the links for calls, which then have no other deadline than that of an answer.

        The blocking connection is closed: nothing watches where it leads. Raises
        RedisUnreachableError after `timing.redis_connect_s`.
        """
        await self._commands.open()
        await self._reads.open()
        if self._client is not None:
            self._client.close()
            self._client = None

    def doubt_master(self) -> None:
        """Ask the Sentinels, if there are any, whether all links still lead to the master."""
        self._commands.doubt_master()
        self._reads.doubt_master()
        self._listener.doubt_master()

    # --- leases

    def bind(self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None) -> None:
        """Say whose state this is; before that only leases and the blocking part work."""
        self._scope, self._lease_a, self._lease_b = scope, lease_a, lease_b
        self._scripts.me = replace(self._scripts.me, market_index=scope.spec.market_index)
        self._scripts.seal = scope.seal
        self._reader = self._reader_of(scope, lease_a, lease_b)

    def _reader_of(
        self, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None
    ) -> SnapshotReader:
        """Return what judges the texts that are read."""
        return SnapshotReader(self.names, scope, lease_a, lease_b)

    async def acquire_lease(self, key: LeaseKey | PairLeaseKey) -> LeaseAnswer:
        """Take the lease if it is free, ours, or left by an older process of this host."""
        return await self._scripts.lease(key, LeaseMode.HOST)

    async def renew_lease(self, key: LeaseKey) -> LeaseAnswer:
        """Prolong the lease if it is ours; a lapsed one is not taken."""
        return await self._scripts.lease(key, LeaseMode.HELD)

    async def release_lease(self, key: LeaseKey | PairLeaseKey) -> None:
        """Give the lease back if it is ours."""
        await self._scripts.release(key)

    async def read_instances(self, key: LeaseKey) -> tuple[str, ...]:
        """Return which processes Redis lists as signers of a key; () where there is no list.

        Raises MessageRefusedError for a list that is not the pair's.
        """
        scope, name = self._bound(), key.instances
        [text] = await self._reads.values([name])
        if text is None:
            return ()
        return Instances.from_json(text, scope.spec, scope.limits_a(name)).instances

    async def write_instances(self, key: LeaseKey, instances: Instances) -> None:
        """Write that list; it stays."""
        name = key.instances
        text = instances.to_json(seal=self._bound().seal(name))
        await self._commands.call("SET", name, text, fits=is_ok)

    # --- writing

    async def publish_fill(self, position: PositionState, fill: AFilled) -> LeaseAnswer:
        """Write A's position, keep the fill in history and publish it, if A's lease allows."""
        scope = self._bound()
        key, channel = self.names.position_a, self.names.account_a_filled
        text = fill.to_json(scope.spec, scope.seal(channel))
        return await self._scripts.write(
            self._lease_a,
            {key: position.to_json(scope.spec, scope.seal(key))},
            [(self.names.fills, "filled", channel, text)],
        )

    async def write_position(self, position: PositionState) -> LeaseAnswer:
        """Write A's position without a fill, if A's lease allows."""
        scope, key = self._bound(), self.names.position_a
        text = position.to_json(scope.spec, scope.seal(key))
        return await self._scripts.write(self._lease_a, {key: text}, [])

    async def write_ledger(
        self,
        ledger: Ledger,
        results: Sequence[BFilled] = (),
        *,
        neutral: Neutral | None = None,
        position_b: PositionState | None = None,
        take_free: bool = True,
    ) -> LeaseAnswer:
        """Write B's ledger, publish its results and what else is given, if B's lease allows.

        With `take_free` False a lease that has lapsed is left alone and nothing is written.
        """
        scope, names = self._bound(), self.names
        records: dict[str, Record | None] = {
            names.ledger: ledger,
            names.neutral: neutral,
            names.position_b: position_b,
        }
        values = {
            name: record.to_json(scope.spec, scope.seal(name))
            for name, record in records.items()
            if record is not None
        }
        channel = names.account_b_filled
        seal = scope.seal(channel)
        told = [
            (names.results, "filled", channel, item.to_json(scope.spec, seal)) for item in results
        ]
        return await self._scripts.write(self._lease_b, values, told, take_free=take_free)

    async def publish_failure(self, failure: BHedgeFailed, halts: Halts | None) -> None:
        """Publish a failure and, in the same step, add these halts and releases."""
        scope = self._bound()
        text = failure.to_json(scope.spec, scope.seal(self.names.account_b_hedge_failed))
        if halts is None:
            await self._scripts.halt("", "", text)
        else:
            await self._add_halts(halts, text)

    async def publish_event(self, event: EventMessage) -> None:
        """Publish a change of state."""
        name = self.names.events
        await self._commands.publish(name, event.to_json(seal=self._bound().seal(name)))

    async def beat(self, ready: Ready) -> None:
        """Write a heartbeat that dies by itself after `timing.ready_ttl_s`."""
        scope, name = self._bound(), self.names.ready(ready.side)
        text = ready.to_json(scope.spec, scope.seal(name))
        await self._commands.put(name, text, self._timing.ready_ttl_s)

    async def stand_by(self, standby: Standby) -> None:
        """Write the heartbeat of a process that waits to lead; it dies as the others do."""
        scope = self._bound()
        name = self.names.standby(standby.side, standby.instance)
        ttl_s = self._timing.ready_ttl_s
        await self._commands.put(name, standby.to_json(seal=scope.seal(name)), ttl_s)

    async def clear_standby(self, side: str) -> None:
        """Delete our heartbeat of waiting at a clean stop."""
        await self._commands.delete(self.names.standby(side, self.instance))

    async def clear_beat(self, side: str) -> None:
        """Delete the heartbeat of side "a" or "b" at a clean stop."""
        await self._commands.delete(self.names.ready(side))

    # --- reading

    async def read_state(self) -> StateSnapshot:
        """Read all state keys in one round trip."""
        self._bound()
        assert self._reader is not None  # noqa: S101 (bound together)
        keys = self._reader.keys
        if self._odd.may_go_along:  # in the same round trip
            values, _ = await asyncio.gather(self._reads.values(keys), self._odd.look())
        else:
            values = await self._reads.values(keys)
        odd = await self._odd.among(dict(zip(keys, values, strict=True)))
        return self._reader.read(values, self._scripts.take_notes(), odd)

    async def texts(self, *keys: str) -> list[str | None]:
        """Return the texts of keys, None for what is absent or no text. Works before `bind`."""
        return await self._reads.values(keys)

    async def read_standbys(self) -> tuple[Standby, ...]:
        """Return who waits to lead a side, by looking through all keys: for tools only."""
        scope, cursor, found = self._bound(), "0", set[str]()
        pattern = self.names.standby("?", "*")
        while True:
            cursor, keys = await self._reads.scan(cursor, pattern)
            found.update(keys)
            if cursor == "0":
                break
        names = sorted(found)
        texts = await self._reads.values(names) if names else []
        standbys = []
        for name, text in zip(names, texts, strict=True):
            with contextlib.suppress(MessageRefusedError):
                standbys.append(Standby.from_json(text or "", scope.spec, scope.limits_b(name)))
        return tuple(standbys)

    async def business(self, lease: LeaseKey) -> str:
        """Return in words what Redis shows that this side must answer for; "" for nothing.

        `lease` is that of our own key. Works before `bind`.
        """
        names = self.names
        keys = [lease.name, names.position_a, names.position_b, names.ledger]
        held, a, b, ledger = await self._reads.values(keys)
        return business_of(held, {"A": a, "B": b}, ledger, self.host_id)

    async def business_elsewhere(self, side: str, market_index: int, left_by: str) -> Elsewhere:
        """Return what Redis shows of other markets that a side must answer for, by market.

        `left_by` is the instance of this side's last run where that has left its market, else "".
        """
        names = self.names
        keys = [names.position_a, names.position_b, names.ledger]
        a, b, ledger = await self._reads.values(keys)
        named = named_by((a, b, ledger), market_index)
        if side == "a":
            return Elsewhere(elsewhere_of({"A": a}, None, market_index), named)
        return Elsewhere(elsewhere_of({"A": a, "B": b}, ledger, market_index, left_by), named)

    # --- people

    async def write_halts(self, halts: Halts) -> Halts:
        """Add these halts and releases to those in Redis; return what stands there then."""
        return await self._add_halts(halts, "")

    async def send_command(self, command: Command) -> None:
        """Leave a command for the daemons; it dies by itself after a minute."""
        name = self.names.command
        text = command.to_json(seal=self._bound().seal(name))
        await self._commands.put(name, text, COMMAND_TTL_S)

    async def aclose(self) -> None:
        """Close all connections but the listening one, which ends with its task."""
        if self._client is not None:
            self._client.close()
            self._client = None
        await self._commands.aclose()
        await self._reads.aclose()

    # --- inside

    def _bound(self) -> PairScope:
        if self._scope is None:
            raise InternalBugError("the messenger was used before bind()")
        return self._scope

    async def _add_halts(self, halts: Halts, failure: str) -> Halts:
        """Write the union with what stands there, in one step with a failure ("" for none).

        Nothing is lost to a writer of the same moment: what has changed is read and joined again.
        """
        scope, known, union = self._bound(), "", halts
        for _ in range(_MOST_SWAPS):
            text = union.to_json(seal=scope.seal(self.names.halt))
            done, raw, known = await self._scripts.halt(known, text, failure)
            if done:
                return union
            there = self._halts_in(raw) if raw else Halts()
            if raw and not failure and not halts.adds_to(there):
                return there
            union = halts.union(there)
        raise RedisUnreachableError(f"{self.names.halt} changes at each try to write it")

    def _halts_in(self, raw: str) -> Halts:
        try:
            return parse_halts(raw, self._bound().limits_a(self.names.halt))
        except MessageRefusedError as error:
            return unreadable(raw, f"{self.names.halt} in Redis", error)


__all__ = ["RedisMessenger"]
