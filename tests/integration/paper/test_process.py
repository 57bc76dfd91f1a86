"""The process: usage errors, the port, signals, and what a restart keeps."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.paper.support import ETH, TraderFactory
from tests.world.paper import ACCOUNT_A, ROOT, PaperProcess

pytestmark = pytest.mark.integration


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paper", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("--host", "0.0.0.0"), "loopback"), (("--tier", "gold"), "instant, standard")],
)
def test_usage_errors(arguments: tuple[str, str], word: str) -> None:
    """A usage error is one sentence on standard error and exit code 2."""
    result = run(*arguments)
    assert result.returncode == 2
    assert word in result.stderr
    assert result.stderr.count("\n") == 1


def test_port_in_use(paper: PaperProcess) -> None:
    """A port in use is one sentence and exit code 6."""
    result = run("--port", str(paper.port))
    assert result.returncode == 6
    assert result.stderr == f"paper: port {paper.port} is in use, choose another --port\n"


def test_state_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """A state directory that is a file is one sentence and exit code 2."""
    path = tmp_path / "file"
    path.write_text("x")
    result = run("--port", "0", "--state", str(path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


def test_state_of_another_tier(tmp_path: Path) -> None:
    """A journal of another tier is refused with one sentence."""
    with PaperProcess(state_dir=tmp_path):
        pass
    result = run("--port", "0", "--state", str(tmp_path), "--tier", "standard")
    assert result.returncode == 2
    assert "tier" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_cleanly(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the process with exit code 0 and a quiet standard error."""
    own = PaperProcess(market=True)
    own.start()
    process = psutil.Process(own.pid)
    process.send_signal(number)
    assert own.stop() == 0
    assert own.errors() == ""
    own.__exit__()


async def test_kill_and_restart_keeps_what_was_accepted(
    new_trader: TraderFactory, tmp_path: Path
) -> None:
    """After kill -9 and a restart orders, trades, positions, keys and nonces are as before."""
    own = PaperProcess(state_dir=tmp_path)
    await asyncio.to_thread(own.start)
    try:
        trader = await new_trader(exchange=own)
        await trader.place(price=299_900)
        await own.take(ETH, "sell", "0.0040", until_account=trader.account)
        await trader.market(is_ask=True, base_amount=10, price=299_000)
        state, orders, trades = await own.state(), await own.orders(), await own.trades()
        nonce = await trader.nonce()
        own.kill()
        await asyncio.to_thread(own.start)
        again = await own.state()
        for name in ("accounts", "last_seq", "net_position"):
            assert again[name] == state[name]
        strip = {"received_mono_ns", "frame_sent_mono_ns", "frames_sent"}

        def bare(rows: list[dict[str, object]]) -> list[dict[str, object]]:
            return [{k: v for k, v in row.items() if k not in strip} for row in rows]

        assert bare(await own.orders()) == bare(orders)
        assert bare(await own.trades()) == bare(trades)
        assert await trader.nonce() == nonce
        assert (await trader.row(1)).remaining_base_amount == "0.0060"
        await trader.cancel(1)
        assert (await trader.row(1)).status == "canceled"
    finally:
        await asyncio.to_thread(own.__exit__)


async def test_accepted_but_not_executed_survives(
    new_trader: TraderFactory, tmp_path: Path
) -> None:
    """An order accepted just before kill -9 executes after the restart, once."""
    own = PaperProcess(tier="standard", state_dir=tmp_path)
    await asyncio.to_thread(own.start)
    try:
        trader = await new_trader(exchange=own)
        answer = await trader.market(is_ask=False, base_amount=100, price=301_000)
        own.kill()
        await asyncio.to_thread(own.start)
        async with trader.socket() as socket:
            frame = await socket.subscribe(f"account_tx/{trader.account}", trader.token)
            if frame["txs"][0]["status"] == 1:
                await socket.until("update/account_tx")
        tx = await trader.txs.tx(by="hash", value=answer.tx_hash)
        assert tx.status == 2
        assert await trader.position() == "0.0100"
        assert len(await own.trades(account=trader.account)) == 1
    finally:
        await asyncio.to_thread(own.__exit__)


async def test_same_seed_same_market() -> None:
    """Two exchanges with one seed start with the same quotes; another seed differs."""

    async def first_book(seed: int) -> list[object]:
        async with PaperProcess(market=True, seed=seed) as own:
            answer = await own.call("GET", "/api/v1/orderBookOrders", market_id=0, limit=1)
            return [row["owner_account_index"] for row in answer["asks"]]

    assert await first_book(3) == await first_book(3)


def test_nothing_is_left_behind() -> None:
    """After the context manager no process remains."""
    with PaperProcess() as own:
        pid = own.pid
    assert not psutil.pid_exists(pid)


def test_two_accounts_exist(paper: PaperProcess) -> None:
    """The harness names the accounts that the exchange starts with."""
    assert paper.base_url.startswith("http://127.0.0.1:")
    assert ACCOUNT_A == 280459
