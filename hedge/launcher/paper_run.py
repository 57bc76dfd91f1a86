"""The pair against the paper exchange, everything on this machine: from nothing to a summary."""

import secrets
import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from hedge.config.load import load_config
from hedge.config.schema import Config
from hedge.daemon import host_os
from hedge.daemon.host_os import PAPER_MARK, commands_for
from hedge.errors import (
    AlreadyRunningError,
    ConfigError,
    ExchangeUnreachableError,
    NotNeutralError,
)
from hedge.launcher import decisions
from hedge.launcher.desk import Desk, Journal
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis, redis_cli
from hedge.launcher.options import DEFAULT_QUANTITY, Options
from hedge.launcher.pair import Hooks, Pair, StoppedEarlyError
from hedge.launcher.paper_admin import PaperAdmin, PaperMarket
from hedge.launcher.processes import ROOT, Child, ChildDiedError, StopNow, Supervisor
from hedge.launcher.run_lock import RunLock
from hedge.launcher.summary import Summary, cycles_of, legs_of, receipts_of, summarise
from hedge.launcher.world import (
    ACCOUNT_A,
    ACCOUNT_B,
    MARKET,
    PaperExchange,
    open_account,
    pair_values,
    write_config,
)

REDIS_PORT = 6388
PAPER_PORT = 8790
_WRITTEN = (
    *("config.yaml", "exchange", "logs", "redis", "state"),
    *("main_A.out", "main_A-leave.out", "main_B.out", "paper.out"),
)
"""What a run leaves in its directory."""

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_PATIENCE_S = 10.0  # the real thing waits longer for a hedge that fails
_VIEW_LAG_S = 1.0  # the paper exchange's answers do not lag

Json = dict[str, Any]


def run_paper(options: Options, supervisor: Supervisor) -> int:
    """Run the pair until Ctrl-C or the wanted cycles; return the exit code."""
    run_dir = options.run_dir.resolve() if options.run_dir else ROOT / "run" / "paper"
    _claim(run_dir)
    with RunLock(run_dir / "up.lock"):
        if not options.keep:
            _clear(run_dir)
        with EmbeddedRedis(run_dir / "redis", REDIS_PORT) as redis:
            if redis.warning:
                supervisor.say(redis.warning)
            run = PaperRun(options, supervisor, run_dir, redis.port)
            try:
                return run.run()
            except StopNow:
                supervisor.kill_all()
                raise
            finally:
                run.close()


def _claim(run_dir: Path) -> None:
    """Make the directory ours. Raises ConfigError for one that holds something else."""
    run_dir.mkdir(parents=True, exist_ok=True)
    mark = run_dir / PAPER_MARK
    is_new = not any(entry.name != "up.lock" for entry in run_dir.iterdir())
    if not (is_new or mark.exists() or run_dir == ROOT / "run" / "paper"):
        raise ConfigError(
            f"--run-dir {run_dir} holds files of something else, and a run begins by clearing its "
            "directory; name a new or an empty one."
        )
    mark.write_text("A directory of ./start_hedge.sh --paper; its files are replaced.\n")


def _clear(run_dir: Path) -> None:
    """Forget the last run: its exchange, its keys, and what the daemons kept of it."""
    for name in _WRITTEN:
        entry = run_dir / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


class PaperRun:
    """One run: paper exchange, keys, configuration, both daemons, summary."""

    def __init__(self, options: Options, supervisor: Supervisor, run_dir: Path, port: int) -> None:
        """Prepare; `port` is Redis's."""
        self.options = options
        self.supervisor = supervisor
        self.run_dir = run_dir
        self.log_dir = run_dir / "logs"  # never those of a real pair
        self.redis_port = port
        self._exchange: Child | None = None
        self._pair: Pair | None = None
        self._desk = ExitStack()

    def close(self) -> None:
        """Stop what still runs, in order: A, B, the exchange; only then nothing is asked to."""
        if self._pair is not None:
            self._pair.close()
        if self._exchange is not None:
            self.supervisor.stop(self._exchange, _STOP_TIMEOUT_S)
        self._desk.close()

    def run(self) -> int:
        """Start everything, watch it, stop the pair, tell what it did."""
        exchange = self._start_exchange()
        config_path, admin = self._write_config(exchange), exchange.admin
        config = load_config(config_path, "", self.options.settings)
        market = self._market(admin, config.market)
        _refuse_quantity(config, market)
        after_seq = admin.last_seq()
        desk = self._desk.enter_context(Desk(config, host_os.began_s()))
        self.supervisor.terminal.keep(desk.log)
        journal = Journal(desk, secrets.token_hex(4))
        enough = self._enough(admin, market.index, after_seq)
        hooks = Hooks(
            asked=desk.taken_request,
            on_started=self._invite,
            enough=enough,
        )
        self._pair = Pair(
            self.supervisor,
            config,
            config_path,
            self.run_dir,
            hooks=hooks,
            play_cover_s=_PATIENCE_S,
        )
        code = decisions.LEFT_AT_ONCE_CODE
        try:
            code = self._pair.run(self.options)
            summary = _summary(admin, market, after_seq)
            code = self._judge(code, summary)
            if enough is not None and enough.is_late and code == NotNeutralError.exit_code:
                self.supervisor.terminal.complain(self._late(summary))
            self.supervisor.say(summary.line)
        except StoppedEarlyError:
            code = 0
            raise
        finally:
            journal.end(code, has_a_left=True)  # what rests ends with the exchange
        return code

    # --- start

    def _start_exchange(self) -> PaperExchange:
        self.supervisor.say("Starting the paper exchange ...")
        try:
            return self._try_exchange(_free_port(PAPER_PORT))
        except ChildDiedError as death:
            if death.code != AlreadyRunningError.exit_code:
                raise
            self.supervisor.children.remove(death.child)  # another process took the port meanwhile
            return self._try_exchange(0)

    def _try_exchange(self, port: int) -> PaperExchange:
        exchange = PaperExchange(
            self.run_dir / "paper.out",
            port=port,
            tier=self.options.tier,
            seed=self.options.seed,
            state_dir=self.run_dir / "exchange",
        )
        self._exchange = self.supervisor.add(exchange.spawn())
        if not self.supervisor.wait(exchange.is_ready, _START_TIMEOUT_S):
            if self.supervisor.signals.requested:
                raise StoppedEarlyError
            msg = f"The paper exchange did not start; see {exchange.output}."
            raise ExchangeUnreachableError(msg)
        return exchange

    def _late(self, summary: Summary) -> str:
        options, log = self.options, self.log_dir / "main_A.log"
        return (
            f"Ended after {options.timeout_s:g} s (--timeout-s) with {summary.cycles} of "
            f"{options.cycles} cycles: exit code 5. What A waited for stands in {log} (`waiting`, "
            "`holding`)."
        )

    @staticmethod
    def _market(admin: PaperAdmin, symbol: str) -> PaperMarket:
        try:
            return admin.market(symbol)
        except KeyError as error:
            msg = f"--market {symbol}: {error.args[0]}."
            raise ConfigError(msg) from error

    def _write_config(self, exchange: PaperExchange) -> Path:
        path = self.run_dir / "config.yaml"
        urls = {"base_url": exchange.base_url, "ws_url": exchange.ws_url}
        if not (self.options.keep and path.exists()):
            values = self._config(exchange)
        else:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            values["redis"]["port"] = self.redis_port
            values["lighter"] |= urls
            values.setdefault("logging", {})["dir"] = str(self.log_dir)
        head = "# Written by ./start_hedge.sh --paper. The keys are worth nothing.\n"
        return write_config(path, values, head)

    def _config(self, exchange: PaperExchange) -> Json:
        options, admin = self.options, exchange.admin
        values = pair_values(
            open_account(admin, ACCOUNT_A),
            open_account(admin, ACCOUNT_B),
            redis={"host": LOOPBACK, "port": self.redis_port},
            base_url=exchange.base_url,
            ws_url=exchange.ws_url,
            folder=self.run_dir,
        )
        fast = options.tier == "instant"
        market = self._market(admin, options.market or MARKET)
        values["market"] = market.symbol
        for name, account in values["accounts"].items():
            account["account_name"] = f"paper {name[-1].upper()}"
        values["lighter"] |= {
            "tier": "premium" if fast else "standard",
            **({"requests_per_minute": 24_000} if fast else {}),
        }
        values["strategy"] = {
            "quantity": str(options.quantity or market.default_quantity(DEFAULT_QUANTITY)),
            "depth": options.depth or 1,
        }
        values["timing"] = {"stop_timeout_s": _PATIENCE_S, "view_lag_s": _VIEW_LAG_S}
        values["logging"]["dir"] = str(self.log_dir)
        return values

    def _invite(self) -> None:
        say = self.supervisor.say
        status = commands_for(str(self.run_dir / "config.yaml")).status
        who = "B runs" if self.options.only_b else "Both run"
        say(f"{who}. Ask in another terminal: {status}")
        say(f"Listen: {redis_cli()} -p {self.redis_port} PSUBSCRIBE 'hedge:*'    Stop: Ctrl-C")

    # --- run and judge

    def _enough(self, admin: PaperAdmin, market: int, after_seq: int) -> "_Enough | None":
        if self.options.cycles is None:
            return None
        return _Enough(admin, market, after_seq, self.options.cycles, self.options.timeout_s)

    def _judge(self, code: int, summary: Summary) -> int:
        if self.options.only_b:
            return code
        wanted = self.options.cycles
        reached = wanted is None or self.supervisor.signals.requested or summary.cycles >= wanted
        return decisions.code_of_cycles(code, net_lots=summary.net_lots, reached=reached)


def _refuse_quantity(config: Config, market: PaperMarket) -> None:
    """Raise ConfigError for a quantity that no order of A could rest with."""
    key, quantity = "strategy.quantity", config.strategy.quantity
    why = "" if quantity is None else market.refusal(quantity)
    if why:
        raise ConfigError(f"{config.place_of(key)}: {key} = {quantity}: {why}", key)


class _Enough:
    """Whether the wanted cycles are done, by the exchange's own log, or the time is up."""

    def __init__(
        self, admin: PaperAdmin, market: int, after_seq: int, cycles: int, timeout_s: float
    ) -> None:
        self._admin = admin
        self._market = market
        self._seq = after_seq
        self._missing = cycles
        self._deadline = time.monotonic() + timeout_s
        self.is_late = False

    def __call__(self) -> bool:
        legs = legs_of(self._admin.trades(ACCOUNT_A, self._seq), ACCOUNT_A, self._market)
        self._missing -= cycles_of(legs)
        self._seq = legs[-1].seq if legs else self._seq
        self.is_late = self._missing > 0 and time.monotonic() > self._deadline
        return self._missing <= 0 or self.is_late


def _free_port(wanted: int) -> int:
    """Return the wanted port if it is free, else 0, which means any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            return 0
    return wanted


def _summary(admin: PaperAdmin, market: PaperMarket, after_seq: int) -> Summary:
    b_orders, index = admin.orders(ACCOUNT_B, after_seq), market.index
    return summarise(
        legs_of(admin.trades(ACCOUNT_A, after_seq), ACCOUNT_A, index),
        legs_of(admin.trades(ACCOUNT_B, after_seq), ACCOUNT_B, index),
        receipts_of(b_orders),
        market.size_decimals,
        held=(admin.position(ACCOUNT_A, index), admin.position(ACCOUNT_B, index)),
    )
