"""The pair's state for tools: read from Redis alone, so that it works with the exchange down.

Stored amounts are decimal text with exactly the market's places, so the market's size step is
learned from the values themselves.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hedge.bus.diagnosis import works_as
from hedge.bus.port import PairScope, StateSnapshot
from hedge.config.schema import Config
from hedge.core.amounts import InexactAmountError, MarketSpec
from hedge.daemon.commands import Commands
from hedge.daemon.file_lock import holder_of, note_of
from hedge.daemon.host_os import commands_for
from hedge.daemon.host_store import LOCK_FILE, HostState
from hedge.errors import AlreadyRunningError, ReadOnlyReplicaError, RedisUnreachableError
from hedge.operator import decisions
from hedge.operator.status import Astray, Report, report
from hedge.wire.codec import MessageRefusedError, RefusalCause, parse_object
from hedge.wire.control import PING, Command, Halt, Halts
from hedge.wire.names import LeaseKey, Names
from hedge.wire.state import Ready
from redis_messenger import RedisMessenger

_AMOUNTS = ("position_base_amount", "offset_base_amount", "dust_base_amount")
_UNHEARD_S = 3.0
_POLL_S = 0.1
_UNKNOWN_DECIMALS = 4  # shows nothing: without any value there is no amount to show


class PairState:
    """A connection to the pair's Redis for one tool; use it as `async with`."""

    def __init__(self, config: Config, commands: Commands | None = None) -> None:
        """Prepare; nothing is connected before the block is entered.

        `commands` are how a person types what leads out; without them they are for the market that
        the stored values name.
        """
        self.config = config
        self.names = Names(config.pair)
        self._commands = commands
        self.messenger = RedisMessenger.from_config(
            config, instance=secrets.token_hex(4), host_id=f"tool-{os.getpid()}"
        )

    async def __aenter__(self) -> Self:
        """Connect; a replica can be read all the same. Raises RedisUnreachableError."""
        with contextlib.suppress(ReadOnlyReplicaError):
            self.messenger.connect()
        await self.messenger.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.messenger.aclose()

    async def report(self, ping_id: str = "") -> Report:
        """Read the pair's state of this moment. Raises RedisUnreachableError.

        With a `ping_id` only heartbeats that acknowledge that ping are evidence. Who waits to
        lead is not looked for: that takes a search through all keys of Redis.
        """
        scope = await self._bind()
        snapshot = await self._snapshot(scope)
        found = report(
            snapshot,
            scope.spec,
            scope.account_a,
            scope.account_b,
            None,
            now_s=time.time(),
            ping_id=ping_id,
            commands=self._commands or commands_for(self.config.file, self._other_market(scope)),
        )
        deaf = {view.side for view in (found.a, found.b) if view.is_silent}
        processes, astray = self._processes(deaf) if deaf else ((), ())
        accounts = self.config.accounts
        return replace(
            found,
            a=replace(found.a, account_name=accounts.account_a.account_name),
            b=replace(found.b, account_name=accounts.account_b.account_name),
            chain_id=scope.chain_id,
            offset_lots=self._offset_lots(scope.spec),
            processes=processes,
            astray=astray,
            works_as=self._works_as,
        )

    @property
    def _works_as(self) -> str:
        return works_as(self.config.pair, self.config.redis)

    def _other_market(self, scope: PairScope) -> str:
        """Return the symbol of the market in force where that is not the configuration's."""
        written, symbol = self.config.market, scope.spec.symbol
        is_written = written.isdigit() or written.casefold() == symbol.casefold()
        return "" if is_written else symbol

    def _offset_lots(self, spec: MarketSpec) -> int | None:
        """Return the configured offset, None where the lots of the market are not known."""
        try:
            return spec.lots(self.config.strategy.offset_base_amount)
        except InexactAmountError:
            return None

    def _processes(self, sides: set[str]) -> tuple[tuple[tuple[str, int], ...], tuple[Astray, ...]]:
        """Return the number of each daemon of these sides that runs on this host.

        Those whose lock says that they work for another pair, or on another Redis, stand apart.
        """
        found, astray = [], []
        for side, host in self._hosts():
            with contextlib.suppress(OSError):
                lock = host.path / LOCK_FILE
                pid = holder_of(lock) if side in sides else None
                if pid is None:
                    continue
                if (said := note_of(lock)) in ("", self._works_as):
                    found.append((side, pid))
                else:
                    astray.append(Astray(side, pid, said))
        return tuple(found), tuple(astray)

    async def _bind(self) -> PairScope:
        accounts = self.config.accounts
        spec, stated_chain_id = await self._learn()
        chain_id = self.config.lighter.chain_id or stated_chain_id
        scope = PairScope(
            chain_id=chain_id,
            account_a=accounts.account_a.account_index,
            account_b=accounts.account_b.account_index,
            spec=spec,
            secret=self.config.secret,
            pair=self.config.pair,
        )
        leases = [
            LeaseKey(chain_id, account.account_index, account.api_key_index)
            for account in (accounts.account_a, accounts.account_b)
        ]
        self.messenger.bind(scope, *leases)
        return scope

    async def send(self, what: decisions.Send) -> None:
        """Leave a command for the daemons. Raises RedisUnreachableError.

        A ping waits until no command of another tool would be lost by it; none is sent where the
        heartbeats are another pair's.
        """
        scope = await self._bind()
        if what.command == PING and not await self._give_way(scope):
            return
        command = Command(
            id=what.command_id,
            command=what.command,
            timestamp=int(time.time()),
            chain_id=scope.chain_id,
            a_account_index=scope.account_a,
            b_account_index=scope.account_b,
            to=what.to,
            halts=what.halts,
            forced=what.forced,
            note=what.note,
        )
        await self.messenger.send_command(command)

    async def _snapshot(self, scope: PairScope) -> StateSnapshot:
        """Read the state; where a heartbeat fails our signature, whose it says to be.

        What it says is not believed, only that it is not this pair's. Raises RedisUnreachableError.
        """
        found = await self.messenger.read_state()
        names = (self.names.ready_a, self.names.ready_b)
        if RefusalCause.BAD_SIGNATURE not in map(found.refused.get, names):
            return found
        texts = await self.messenger.texts(*names)
        a, b = (_other_beat(text, scope) for text in texts)
        return replace(found, other_a=found.other_a or a, other_b=found.other_b or b)

    async def _give_way(self, scope: PairScope) -> bool:
        """Wait until a command that was left a moment ago has been heard.

        Return False where a heartbeat is another pair's, whose place for commands it is then.
        """
        while True:
            found = await self._snapshot(scope)
            if found.other_a is not None or found.other_b is not None:
                return False
            if not is_unheard(found, time.time()):
                return True
            await asyncio.sleep(_POLL_S)

    async def write_halts(self, halts: Halts) -> None:
        """Add halts and releases to those in Redis. Raises RedisUnreachableError."""
        await self._bind()
        await self.messenger.write_halts(halts)

    # --- this host's state directories

    def look_at_host(self) -> decisions.HostLooked:
        """Return the halts in force in the state directories of this host."""
        return self._on_host(lambda halts: halts)

    async def release_on_host(self, ids: tuple[str, ...]) -> decisions.HostLooked:
        """Release halts in those directories, each under its lock, and in Redis."""
        released = Halts(released=ids)
        known = [released]

        def release(halts: Halts) -> Halts:
            known.append(halts)
            return halts.union(released)

        found = self._on_host(release)
        if not found.running:
            await self.write_halts(released.union(*known))
        return found

    def _on_host(self, change: Callable[[Halts], Halts]) -> decisions.HostLooked:
        """Change the halts of each side whose directory is here and not locked by a daemon."""
        halts, sides, running, unwritten = Halts(), [], [], []
        for side, host in self._hosts():
            try:
                with host:
                    before = host.read_halts()
                    after = change(before)
                    if after != before and not host.write_halts(after):
                        unwritten.append((side, host.halts_problem or "its disk does not answer"))
                        continue
            except AlreadyRunningError:
                running.append(side)
                continue
            sides.append(side)
            halts = halts.union(after)
        return decisions.HostLooked(halts.in_force, tuple(sides), tuple(running), tuple(unwritten))

    def _hosts(self) -> Iterator[tuple[str, HostState]]:
        """Find the state directories of both sides on this host, of whatever chain."""
        accounts, root = self.config.accounts, Path(self.config.state.dir)
        for side, account in (("a", accounts.account_a), ("b", accounts.account_b)):
            key = f"{account.account_index}-{account.api_key_index}"
            for path in sorted(root.glob(f"*-{key}")):
                with contextlib.suppress(ValueError):
                    chain_id = int(path.name.removesuffix(f"-{key}"))
                    yield (
                        side,
                        HostState(root, chain_id, account.account_index, account.api_key_index),
                    )

    async def with_standbys(self, found: Report) -> Report:
        """Add to a report who waits to lead; None where this login may not look for them."""
        lease = found.b.lease
        try:
            standbys = await self.messenger.read_standbys()
        except RedisUnreachableError:
            return found
        others = tuple(one for one in standbys if lease is None or one.instance != lease.instance)
        return replace(found, standbys=others)

    async def _learn(self) -> tuple[MarketSpec, int]:
        """Return the market and the chain as the stored values show them."""
        names = self.names
        texts = await self.messenger.texts(
            names.ready_b, names.ready_a, names.ledger, names.position_b, names.position_a
        )
        values = [value for text in texts if (value := _object(text))]
        return _market(values, self.config.market), _first(values, "chain_id", 0)


def is_unheard(snapshot: StateSnapshot, now_s: float) -> bool:
    """Whether a command was left so shortly before `now_s` that a daemon may not have read it."""
    command = snapshot.command
    if command is None or command.command == PING or now_s - command.timestamp > _UNHEARD_S:
        return False
    beats = {"a": snapshot.ready_a, "b": snapshot.ready_b}
    heard_by = (beats.get(side) for side, _ in command.to)
    return any(beat is not None and command.id not in dict(beat.acks) for beat in heard_by)


def _object(text: str | None) -> dict[str, Any]:
    try:
        return dict(parse_object(text or ""))
    except MessageRefusedError:
        return {}


def _other_beat(text: str | None, scope: PairScope) -> Ready | None:
    """Read a heartbeat of other accounts without its signature, None where it is none."""
    try:
        beat = Ready.from_json(text or "", scope.spec)
    except MessageRefusedError:
        return None
    return beat if scope.refusal_of(beat) is not None else None


def _first(values: list[dict[str, Any]], field: str, default: int) -> int:
    found = (value[field] for value in values if isinstance(value.get(field), int))
    return next(found, default)


def _market(values: list[dict[str, Any]], symbol: str) -> MarketSpec:
    amounts = (
        value[field] for value in values for field in _AMOUNTS if isinstance(value.get(field), str)
    )
    decimals = next((len(text.partition(".")[2]) for text in amounts), _UNKNOWN_DECIMALS)
    symbols = (value["market"] for value in values if isinstance(value.get("market"), str))
    return MarketSpec(
        market_index=_first(values, "market_index", 0),
        symbol=next(filter(None, symbols), symbol),
        size_decimals=decimals,
        price_decimals=0,
        min_base_lots=0,
        min_quote_micros=0,
    )


class PairReader:
    """The same for a program without an event loop; close it at the end."""

    def __init__(self, config: Config, commands: Commands | None = None) -> None:
        """Connect; `commands` as for `PairState`. Raises RedisUnreachableError."""
        self._runner = asyncio.Runner()
        try:
            self._state = self._runner.run(_enter(config, commands))
        except BaseException:
            self._runner.close()
            raise

    def report(self) -> Report:
        """Read the pair's state of this moment. Raises RedisUnreachableError."""
        return self._runner.run(self._state.report())

    def add_halt(self, halt: Halt) -> None:
        """Add a halt to those in Redis. Raises RedisUnreachableError."""
        self._runner.run(self._state.write_halts(Halts(halts=(halt,))))

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self._state.messenger.aclose())
        self._runner.close()


async def _enter(config: Config, commands: Commands | None) -> PairState:
    return await PairState(config, commands).__aenter__()
