"""The whole pair as real processes: both daemons, a private Redis, a paper exchange, proxies.

`async with Pair(folder) as pair:` starts Redis and the exchange; `pair.start_b()` and
`pair.start_a()` start the daemons. Nothing survives the block, whatever was killed or stopped in
it; what the daemons logged is added to every failure.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import psutil
import redis.asyncio

from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from hedge.launcher.world import (
    API_KEY_INDEX,
    Account,
    open_account,
    pair_values,
    put,
    write_config,
)
from hedge.wire.names import Names
from tests.pair_audit import Audit, OrderLife, audit, lives_of, lots
from tests.waiting import eventually
from tests.world import forked
from tests.world.paper import ACCOUNT_A, ACCOUNT_B, ROOT, PaperProcess
from tests.world.proxy import TcpProxy

Json = dict[str, Any]
T = TypeVar("T")

ETH = 0
KEY_INDEX = API_KEY_INDEX
NAMES = Names()
START_S = 25.0
STOP_S = 20.0
COMMAND_S = 30.0
LOG_LINES = 60
LONGEST_TEXT = 10_000
MARKS = "tests:marks"

FAST = {
    "tick_s": 0.05,
    "beat_s": 0.25,
    "ready_ttl_s": 1.5,
    "lease_ttl_s": 3.0,
    "lease_renew_s": 0.5,
    "redis_timeout_s": 1.0,
    "redis_down_s": 0.8,
    "redis_retry_min_s": 0.02,
    "redis_retry_max_s": 0.1,
    "link_check_s": 0.25,
    "answer_timeout_s": 0.6,
    "settle_timeout_s": 1.0,
    "place_deadline_s": 2.0,
    "marker_deadline_s": 2.0,
    "prove_deadline_s": 20.0,
    "retry_min_s": 0.4,
    "retry_max_s": 1.0,
    "ws_retry_min_s": 0.05,
    "ws_retry_max_s": 0.4,
    "stop_timeout_s": 8.0,
    "view_lag_s": 1.2,
    "start_timeout_s": 15.0,
}
"""Timers short enough for tests and long enough for a busy machine."""


@dataclass
class Checked:
    """How many prefixes of the exchange's trade log this process has checked."""

    prefixes: int = 0


checked = Checked()


@dataclass(frozen=True)
class Heard:
    """One message of the pair's channels."""

    channel: str
    body: Json


class Daemon:
    """One main_X.py process; its output goes to a file."""

    def __init__(self, side: str, config: Path, output: Path, extra: Iterable[str] = ()) -> None:
        self.side = side
        self.child = forked.daemon(side, config, output, extra)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self.child.poll()

    def output(self) -> str:
        """Return what it printed."""
        return self.child.output.read_text(encoding="utf-8", errors="replace")

    def send(self, number: int) -> None:
        """Send a signal."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once (SIGKILL), also where it is stopped."""
        self.child.kill()

    async def ended(self, timeout_s: float = STOP_S) -> int:
        """Return the exit code once it has ended."""
        await eventually(lambda: self.code is not None, timeout_s, f"the end of {self.side}")
        assert self.code is not None
        return self.code


class Pair:
    """One pair and its world.

    `proxied` names the links that go through a TcpProxy: "a-exchange", "b-exchange", "a-redis",
    "b-redis"; `settings` are dotted configuration keys for both sides. `keep_exchange` keeps a
    journal, so that the exchange may be killed and started again. With `beside` it stands on
    another pair's Redis and exchange, which must be open, under its own `name` and `indexes`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tier: str = "instant",
        market: bool = False,
        proxied: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
        keep_exchange: bool = False,
        name: str = "",
        indexes: tuple[int, int] = (ACCOUNT_A, ACCOUNT_B),
        beside: "Pair | None" = None,
        exchange: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.name = name
        self.names = Names(name)
        self.account_a, self.account_b = indexes
        self._beside = beside
        self.paper = PaperProcess(
            tier=tier,
            market=market,
            state_dir=folder / "exchange" if keep_exchange else None,
            extra=exchange,
        )
        self.redis = EmbeddedRedis(folder / "redis")
        if beside is not None:
            self.paper, self.redis = beside.paper, beside.redis
        self.proxies: dict[str, TcpProxy] = {}
        self.a: Daemon | None = None
        self.b: Daemon | None = None
        self.heard: list[Heard] = []
        self._proxied = frozenset(proxied)
        self._settings = dict(settings or {})
        self._extra: list[Daemon] = []
        self._redis_port = 0
        self.accounts: dict[str, Account] = {}
        self._stack = contextlib.AsyncExitStack()
        self._client: redis.asyncio.Redis | None = None
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._audited_seq = 0

    # --- life

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def _open(self) -> None:
        if self._beside is None:
            await asyncio.to_thread(self.redis.start)
            self._stack.push_async_callback(asyncio.to_thread, self.redis.stop)
            await self._stack.enter_async_context(self.paper)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30.0))
        )
        for name in sorted(self._proxied):
            port = self.paper.port if name.endswith("exchange") else self.redis.port
            proxy = TcpProxy(LOOPBACK, port)
            self.proxies[name] = await self._stack.enter_async_context(proxy)
        for side, index in (("a", self.account_a), ("b", self.account_b)):
            self.accounts[side] = await asyncio.to_thread(
                open_account, self.paper.admin, index, is_new=self._beside is not None
            )
        self._redis_port = self.redis.port
        self._client = _client_of(self._redis_port)
        self._listener = asyncio.create_task(self._listen(), name="pair-listener")
        await asyncio.wait_for(self._listening.wait(), START_S)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(self.logs())
        await self._close()

    async def _close(self) -> None:
        for daemon in (*self._extra, self.a, self.b):
            if daemon is not None:
                daemon.kill()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
        if self._client is not None:
            await self._client.aclose()
        await self._stack.aclose()

    # --- configuration

    def config_of(self, side: str, **changes: Any) -> Path:
        """Write the configuration of one side and return its path.

        `changes` are dotted keys with "__" for the dots; a value of None takes the key away.
        """
        values = self._values(side)
        for key, value in (*self._settings.items(), *changes.items()):
            put(values, key.replace("__", "."), value)
        number = len(list(self.folder.glob(f"config-{side}-*.yaml")))
        return write_config(self.folder / f"config-{side}-{number}.yaml", values)

    def _values(self, side: str) -> Json:
        exchange = f"{LOOPBACK}:{self._port_of(f'{side}-exchange', self.paper.port)}"
        values = pair_values(
            self.accounts["a"],
            self.accounts["b"],
            redis={"host": LOOPBACK, "port": self._port_of(f"{side}-redis", self.redis.port)},
            base_url=f"http://{exchange}",
            ws_url=f"ws://{exchange}/stream",
            folder=self.folder,
            sides=side,
        )
        if self.name:
            values["pair"] = self.name
        values["lighter"]["requests_per_minute"] = 6000
        values["strategy"] = {"quantity": "0.01", "retry_delay_s": 0.2}
        values["timing"] = dict(FAST)
        values["state"]["dir"] = str(self.folder / f"state-{side}")
        values["logging"]["level"] = "DEBUG"
        return values

    def _port_of(self, name: str, direct: int) -> int:
        return self.proxies[name].port if name in self.proxies else direct

    def public_key(self, side: str) -> str:
        """Return the public key of a side, to register it again."""
        return self.accounts[side].public_key

    # --- daemons

    def spawn(self, side: str, config: Path, *extra: str) -> Daemon:
        """Start one more daemon than the pair's own two; it is ended with the pair."""
        output = self.folder / f"extra-{len(self._extra)}-{side}.out"
        daemon = Daemon(side, config, output, extra)
        self._extra.append(daemon)
        return daemon

    def start_a(self, *extra: str, **changes: Any) -> Daemon:
        """Start main_A.py; `changes` as in `config_of`."""
        self.a = Daemon("a", self.config_of("a", **changes), self.folder / "a.out", extra)
        return self.a

    def start_b(self, *extra: str, **changes: Any) -> Daemon:
        """Start main_B.py; `changes` as in `config_of`."""
        self.b = Daemon("b", self.config_of("b", **changes), self.folder / "b.out", extra)
        return self.b

    async def start(self, **changes: Any) -> None:
        """Start both sides and return once A's first order rests."""
        self.start_b(**changes)
        self.start_a(**changes)
        await self.until_ready_b()
        await self.until_state_a("working")

    async def revive(self) -> None:
        """Start what is not running, and return once an order of A rests."""
        if self.b is None or self.b.code is not None:
            self.start_b()
        if self.a is None or self.a.code is not None:
            self.start_a()
        await self.until_neutral(40.0)
        await self.until_resting()

    def kill_a(self) -> None:
        """End A at once (SIGKILL)."""
        assert self.a is not None
        self.a.kill()

    def kill_b(self) -> None:
        """End B at once (SIGKILL)."""
        assert self.b is not None
        self.b.kill()

    async def stop_a(self) -> int:
        """Stop A cleanly (SIGTERM) and return its exit code."""
        return await self._stop(self.a)

    async def stop_b(self) -> int:
        """Stop B cleanly (SIGTERM) and return its exit code."""
        return await self._stop(self.b)

    async def _stop(self, daemon: Daemon | None) -> int:
        assert daemon is not None
        daemon.send(signal.SIGTERM)
        return await self.told(daemon.ended())

    async def command(self, *arguments: str, config: Path | None = None) -> tuple[int, str]:
        """Run hedgectl.py (with A's configuration); return its exit code and all it printed."""
        file = config or self.config_of("a")
        return await run_command("hedgectl.py", *arguments, "--config", str(file))

    def memory_mb(self) -> float:
        """Return how much memory the larger of the two daemons holds."""
        daemons = [daemon for daemon in (self.a, self.b) if daemon is not None]
        return max(psutil.Process(daemon.pid).memory_info().rss for daemon in daemons) / 1e6

    # --- Redis

    @property
    def client(self) -> redis.asyncio.Redis:
        """A client of our own, beside every proxy."""
        assert self._client is not None
        return self._client

    async def use_redis(self, port: int) -> None:
        """Look into another Redis from now on: the pair's state has moved there."""
        old, self._redis_port = self.client, port
        self._client = _client_of(port)
        await old.aclose()

    async def key(self, name: str) -> Json | None:
        """Return the JSON object of a key, None where there is none or Redis is down."""
        try:
            text = await self.client.get(name)
        except (redis.asyncio.RedisError, OSError):
            return None
        return None if text is None else _object(text)

    async def ledger(self) -> Json | None:
        """Return B's ledger."""
        return await self.key(self.names.ledger)

    async def halt(self) -> Json | None:
        """Return the first halt in force, None where there is none."""
        halts = await self.halts()
        return halts[0] if halts else None

    async def halts(self) -> list[Json]:
        """Return the halts in force; a text that cannot be read is none."""
        found = await self.key(self.names.halt) or {}
        released = found.get("released", [])
        return [halt for halt in found.get("halts", []) if halt["id"] not in released]

    async def publish(self, channel: str, text: str | Json) -> int:
        """Publish a text, or an object as JSON; return how many heard it."""
        body = text if isinstance(text, str) else json.dumps(text)
        return int(await self.client.publish(channel, body))

    def told_on(self, channel: str) -> list[Json]:
        """Return the messages heard on one channel so far; for what is waited for."""
        return [heard.body for heard in self.heard if heard.channel == channel]

    def has_told(self, event: str) -> bool:
        """Return whether an event of this kind was heard so far."""
        return any(body.get("event") == event for body in self.told_on(self.names.events))

    async def all_told_on(self, channel: str) -> list[Json]:
        """Return every message that was published on one channel before this call."""
        mark = secrets.token_hex(8)

        async def passed() -> bool:
            # again: the listener may just be connecting anew
            await self.publish(MARKS, {"mark": mark})
            return any(heard.body.get("mark") == mark for heard in self.heard)

        await self.until(passed, "a mark behind what was published")
        return self.told_on(channel)

    async def _listen(self) -> None:
        names = self.names
        results = (names.account_b_filled, names.account_b_hedge_failed)
        channels = (names.account_a_filled, *results, names.events, MARKS)
        while True:
            client = _client_of(self._redis_port)
            try:
                async with client.pubsub() as listener:
                    await listener.subscribe(*channels)
                    async for item in listener.listen():
                        if item["type"] == "subscribe":
                            self._listening.set()
                        elif item["type"] == "message":
                            self.heard.append(Heard(item["channel"], _object(item["data"])))
            except (redis.asyncio.RedisError, OSError):
                await asyncio.sleep(0.05)
            finally:
                await client.aclose()

    # --- waiting

    async def until(
        self, condition: Callable[[], T | Awaitable[T]], what: str, timeout_s: float = 15.0
    ) -> T:
        """Wait for a condition; a failure carries what the daemons logged."""
        return await self.told(eventually(condition, timeout_s, what))

    async def told(self, work: Awaitable[T]) -> T:
        """Await, and add the logs to an assertion that fails."""
        try:
            return await work
        except AssertionError as error:
            error.add_note(self.logs())
            raise

    async def until_ready_b(self, *, ready: bool = True) -> Json:
        """Wait until B's heartbeat says that it is ready (or alive and not ready)."""

        async def seen() -> Json | None:
            self._alive(self.b)
            beat = await self.key(self.names.ready_b)
            return beat if beat is not None and beat.get("ready") is ready else None

        found = await self.until(seen, f"B with ready={ready}", START_S)
        assert found is not None
        return found

    async def until_state_a(self, *states: str) -> Json:
        """Wait until A's heartbeat says one of these states."""

        async def seen() -> Json | None:
            self._alive(self.a)
            beat = await self.key(self.names.ready_a)
            return beat if beat is not None and beat.get("state") in states else None

        found = await self.until(seen, f"A in {'/'.join(states)}", START_S)
        assert found is not None
        return found

    @staticmethod
    def _alive(daemon: Daemon | None) -> None:
        assert daemon is not None
        if daemon.code is not None:
            message = f"{daemon.side} ended with {daemon.code}: {daemon.output()[-2000:]}"
            raise AssertionError(message)

    async def until_nothing_rests(self) -> None:
        """Wait until A has taken off what rested: it says "halted" before its cancel ends."""

        async def seen() -> bool:
            return await self.resting() == []

        await self.until(seen, "nothing rests")

    async def until_halted(self, reason: str = "") -> Json:
        """Wait until the pair is halted (for `reason`)."""

        async def seen() -> Json | None:
            found = (halt for halt in await self.halts() if reason in halt["reason"])
            return next(found, None)

        found = await self.until(seen, f"a halt for {reason or 'any reason'}")
        assert found is not None
        return found

    async def until_neutral(self, timeout_s: float = 20.0) -> None:
        """Wait until both positions cancel out and B's ledger says the same of A's newest state."""

        async def neutral() -> bool:
            a_lots, b_lots = await self.positions()
            state, ledger = await self.key(self.names.position_a), await self.ledger()
            if a_lots + b_lots != 0 or state is None or ledger is None:
                return False
            return (
                ledger.get("owed_base_amount") is not None
                and lots(ledger["owed_base_amount"]) == 0
                and not ledger["inflight"]
                and (ledger["a_instance"], ledger["a_seq"])
                == (state.get("instance"), state.get("seq"))
                and lots(state["position_base_amount"]) == a_lots
            )

        await self.until(neutral, "a covered, neutral pair", timeout_s)

    async def until_shown(self, timeout_s: float = 20.0) -> None:
        """Wait until the heartbeats of both show what they hold, as an operator's tool judges it.

        A heartbeat is up to one beat older than the positions and the ledger.
        """

        async def shown() -> bool:
            beats = [await self.key(name) for name in (self.names.ready_a, self.names.ready_b)]
            return [
                None
                if beat is None or not beat["shown"] or beat["position_base_amount"] is None
                else lots(beat["position_base_amount"])
                for beat in beats
            ] == [*await self.positions()]

        await self.until(shown, "both positions in heartbeats", timeout_s)

    async def until_position_b(self, amount: str, timeout_s: float = 15.0) -> None:
        """Wait until B's position on the exchange is exactly this."""
        wanted = lots(amount)

        async def reached() -> bool:
            return (await self.positions())[1] == wanted

        await self.until(reached, f"B at {amount}", timeout_s)

    # --- the exchange's truth

    async def positions(self) -> tuple[int, int]:
        """Return A's and B's position in lots."""
        found = {self.account_a: 0, self.account_b: 0}
        for row in (await self.paper.state())["accounts"]:
            if row["account_index"] in found:
                row_eth = row["positions"].get(str(ETH), {"position": "0"})
                found[row["account_index"]] = lots(row_eth["position"])
        return found[self.account_a], found[self.account_b]

    async def resting(self, account: int | None = None) -> list[OrderLife]:
        """Return the open orders of an account, A's by default."""
        account = self.account_a if account is None else account
        lives = lives_of(await self.paper.orders(account=account))
        return [life for life in lives if life.status == "open"]

    async def take(self, side: str, amount: str) -> list[Json]:
        """Let a stranger take until `amount` of A's resting orders is filled."""
        return await self.paper.take(ETH, side, amount, until_account=self.account_a)

    async def until_resting(self) -> OrderLife:
        """Wait until an order of A rests, and return it."""
        return (await self.until(self.resting, "a resting order of A", START_S))[0]

    async def fill_a(self, amount: str | None = None) -> int:
        """Fill `amount` of A's resting order, all of it by default; return A's change in lots."""
        order = await self.until_resting()
        wanted = order.size_lots - order.filled_lots if amount is None else lots(amount)
        side = "buy" if order.is_ask else "sell"
        trades = await self.take(side, f"{wanted / 10_000:.4f}")
        done = sum(
            lots(row["size"])
            for row in trades
            if self.account_a in (row["ask_account_id"], row["bid_account_id"])
        )
        return -done if order.is_ask else done

    async def burst(self, count: int, side: str, amount: str, lanes: int = 16) -> int:
        """Take `count` times from A's orders over `lanes` connections; return how many traded."""
        assert self._session is not None
        url = f"{self.paper.base_url}/paper/take"
        body = {
            "market_index": ETH,
            "side": side,
            "base_amount": amount,
            "until_account": self.account_a,
        }
        left, traded = count, 0

        async def lane() -> None:
            nonlocal left, traded
            assert self._session is not None
            while left > 0:
                left -= 1
                async with self._session.post(url, json=body) as response:
                    traded += bool((await response.json())["trades"])

        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane())
        return traded

    async def last_seq(self) -> int:
        """Return the number of the exchange's newest event."""
        return int((await self.paper.state())["last_seq"])

    async def sockets(self) -> int:
        """Return how many streams are open at the exchange."""
        return int((await self.paper.state())["counters"]["sockets"])

    async def accepted(self) -> int:
        """Return how many transactions the exchange has accepted."""
        return int((await self.paper.state())["counters"]["accepted"])

    async def forgive(self) -> None:
        """Wait until the pair is neutral, and audit from here on: strangers have traded before."""
        await self.until_neutral()
        self._audited_seq = await self.last_seq()

    async def audit(self, after_seq: int = 0) -> Audit:
        """Check the promises against the exchange's logs, from a neutral moment on."""
        after_seq = max(after_seq, self._audited_seq)
        trades, orders = await self.paper.trades(after_seq), await self.paper.orders(after_seq)
        return audit(
            [row for row in trades if row["market_id"] == ETH],
            orders,
            self.account_a,
            self.account_b,
        )

    async def check(self, after_seq: int = 0) -> Audit:
        """Wait until the pair is neutral and assert every promise."""
        await self.until_neutral()
        result = await self.audit(after_seq)
        checked.prefixes += result.prefixes
        try:
            return result.check()
        except AssertionError as error:
            error.add_note(self.logs())
            raise

    # --- logs

    def logs(self, lines: int = LOG_LINES) -> str:
        """Return how the daemons are, and the end of what they logged and printed."""
        daemons = [daemon for daemon in (self.a, self.b, *self._extra) if daemon is not None]
        codes = [f"{one.side} {'runs' if one.code is None else one.code}" for one in daemons]
        parts = [f"----- {', '.join(codes)}"]
        files = sorted(self.folder.glob("logs*/*.log")) + sorted(self.folder.glob("*.out"))
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace").splitlines()
            parts.append(f"----- {file}\n" + "\n".join(text[-lines:]))
        return "\n".join(parts)


async def run_command(*arguments: str, timeout_s: float = COMMAND_S) -> tuple[int, str]:
    """Run Python with these arguments; return the exit code and all it printed.

    Raises:
        TimeoutError, AssertionError: it did not end in time, and was killed.

    """
    source = forked.warm()
    if source is not None:
        return await _run_copy(source, arguments, timeout_s)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


async def _run_copy(
    source: forked.Warm, arguments: tuple[str, ...], timeout_s: float
) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        child = forked.Copy(arguments[0], source, arguments, Path(folder) / "output")
        try:
            await eventually(lambda: child.poll() is not None, timeout_s, " ".join(arguments))
        finally:
            child.kill()
        return child.poll() or 0, child.output.read_text(encoding="utf-8", errors="replace")


def _client_of(port: int) -> redis.asyncio.Redis:
    """Return a client without a time-out of its own.

    With one redis-py sends through `asyncio.wait_for`, which can swallow a cancellation before
    Python 3.12: the task that was to end goes on for ever.
    """
    return redis.asyncio.Redis(
        host=LOOPBACK,
        port=port,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=None,
    )


def _object(text: str) -> Json:
    """Return a message as an object; one that is none, or is made to hurt, stands under "text"."""
    if len(text) > LONGEST_TEXT:
        return {"text": text}
    try:
        value = json.loads(text)
    except ValueError:
        return {"text": text}
    return value if isinstance(value, dict) else {"text": text}


@contextlib.asynccontextmanager
async def running_pair(folder: Path, **options: Any) -> AsyncIterator[Pair]:
    """Give a pair whose two daemons run and whose first order rests."""
    async with Pair(folder, **options) as pair:
        await pair.start()
        yield pair
