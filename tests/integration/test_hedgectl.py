"""The operator's tool, against a real Redis and hand-written state."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

import hedgectl
from hedge.core.amounts import MarketSpec
from hedge.launcher.embedded_redis import EmbeddedRedis
from hedge.wire.control import Halt, Lease
from hedge.wire.names import Names
from hedge.wire.state import Ledger, PositionState, Ready
from tests.waiting import eventually_sync

pytestmark = pytest.mark.integration

CHAIN, ACCOUNT_A, ACCOUNT_B = 304, 11, 22
SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10_000_000)
NAMES = Names()

READY_A = Ready(
    side="a",
    ready=True,
    reasons=(),
    state="ready",
    instance="aaaa",
    can_hedge_lots=None,
    version="0.1.0",
    chain_id=CHAIN,
    a_account_index=ACCOUNT_A,
    b_account_index=ACCOUNT_B,
    market_index=0,
    offset_lots=0,
    timestamp=1_795_000_000,
)
READY_B = replace(READY_A, side="b", state="idle", instance="bbbb", can_hedge_lots=5000)
POSITION_A = PositionState(
    chain_id=CHAIN,
    account_index=ACCOUNT_A,
    market_index=0,
    instance="aaaa",
    seq=7,
    position_lots=100,
    floor_trade_id=0,
    last_trade_id=41,
    timestamp=1_795_000_000,
)
POSITION_B = replace(POSITION_A, account_index=ACCOUNT_B, instance="bbbb", position_lots=-100)
LEDGER = Ledger(
    chain_id=CHAIN,
    account_index=ACCOUNT_B,
    market_index=0,
    instance="bbbb",
    a_instance="aaaa",
    a_seq=7,
    a_position_lots=100,
    owed_lots=0,
    dust_lots=0,
    manual_lots=0,
    inflight=False,
    failed=None,
    reasons=(),
    timestamp=1_795_000_000,
)
HALT = Halt(
    id="h1",
    side="b",
    reason="not_enough_margin",
    detail="B could not hedge 0.0100 ETH",
    timestamp=1_795_000_000,
)


class Stage:
    """A Redis with the state of a pair, and the tool pointed at it."""

    def __init__(self, port: int, directory: Path) -> None:
        self.client: redis.Redis = redis.Redis(port=port, decode_responses=True)
        self.config = directory / "config.yaml"
        self.config.write_text(
            "accounts:\n"
            f"  account_a: {{account_index: {ACCOUNT_A}, api_key_index: 4}}\n"
            f"  account_b: {{account_index: {ACCOUNT_B}, api_key_index: 5}}\n"
            f"redis: {{host: 127.0.0.1, port: {port}}}\n",
            encoding="utf-8",
        )

    def neutral(self) -> None:
        """Write a pair that is at rest, A long and B short."""
        self.put(READY_A, READY_B, POSITION_A, POSITION_B, LEDGER)

    def put(self, *values: Any) -> None:
        """Write values to their keys."""
        for value in values:
            self.client.set(self._key(value), value.to_json(SPEC))

    @staticmethod
    def _key(value: Any) -> str:
        match value:
            case Ready():
                return NAMES.ready(value.side)
            case PositionState():
                return NAMES.position("a" if value.account_index == ACCOUNT_A else "b")
            case Ledger():
                return NAMES.ledger
        raise AssertionError(value)

    def halt(self, halt: Halt = HALT) -> None:
        """Halt the pair, and A with it."""
        self.client.set(NAMES.halt, halt.to_json())
        self.put(replace(READY_A, ready=False, state="halted", reasons=("halted",)))

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """Run the tool."""
        command = [*arguments, "--config", str(self.config)]
        return CliRunner().invoke(hedgectl.app, command, input=answer)

    @property
    def stored_halt(self) -> dict[str, Any]:
        """The halt record in Redis."""
        record: dict[str, Any] = json.loads(str(self.client.get(NAMES.halt)))
        return record


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A real Redis for this module."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def stage(server: EmbeddedRedis, tmp_path: Path) -> Iterator[Stage]:
    """An empty stage; the timers that a test waits for are cut short."""
    made = Stage(server.port, tmp_path)
    made.client.flushall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hedgectl, "RESUME_WAIT_S", 1.0)
        patch.setattr(hedgectl, "FLATTEN_WAIT_S", 1.0)
        patch.setattr(hedgectl, "POLL_S", 0.02)
        yield made
    made.client.close()


# --- status


def test_status_of_a_neutral_pair_is_one_sentence(stage: Stage) -> None:
    """A covered pair is called neutral, with both positions."""
    stage.neutral()
    result = stage.run("status")
    assert result.exit_code == 0
    first = result.output.splitlines()[0]
    assert first == "Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed."
    assert "could hedge" in result.output


def test_status_json_has_everything(stage: Stage) -> None:
    """`--json` prints one object with positions, debts, readiness, leases and the halt."""
    stage.neutral()
    stage.client.set(f"hedge:lease:{CHAIN}:{ACCOUNT_B}:5", Lease(instance="bb", host="h").to_json())
    told = json.loads(stage.run("status", "--json").output)
    assert told["covered"] is True
    assert told["halt"] is None
    assert told["owed_base_amount"] == "0.0000"
    assert told["a"]["position_base_amount"] == "0.0100"
    assert told["b"]["position_base_amount"] == "-0.0100"
    assert told["b"]["can_hedge_base_amount"] == "0.5000"
    assert told["b"]["lease"] == {"instance": "bb", "host": "h"}
    assert told["a"]["lease"] is None


def test_status_learns_the_step_from_the_values(stage: Stage) -> None:
    """Another market's decimals show without asking the exchange."""
    coarse = MarketSpec(3, "ETH", 1, 4, 1, 1)
    for value in (READY_A, READY_B, POSITION_A, POSITION_B, LEDGER):
        changed = replace(value, market_index=3)
        stage.client.set(stage._key(changed), changed.to_json(coarse))
    assert "A +10.0 ETH, B -10.0 ETH" in stage.run("status").output


def test_status_of_an_empty_redis_is_unknown_not_flat(stage: Stage) -> None:
    """Nothing known is said to be unknown, never shown as zero."""
    result = stage.run("status")
    assert result.exit_code == 0
    first = result.output.splitlines()[0]
    assert first == "Not running: no heartbeat of either side; last known A unknown, B unknown."
    assert json.loads(stage.run("status", "--json").output)["covered"] is False


@pytest.mark.parametrize(
    ("ledger", "words"),
    [
        (replace(LEDGER, owed_lots=-100), "B owes -0.0100 ETH"),
        (replace(LEDGER, a_seq=6), "B has not answered A's newest state yet"),
        (replace(LEDGER, a_instance="cccc"), "B has not answered A's newest state yet"),
        (replace(LEDGER, inflight=True), "a hedge is in flight"),
        (
            replace(LEDGER, a_instance=None, a_seq=None, a_position_lots=None, owed_lots=None),
            "B has not answered any state of A",
        ),
    ],
)
def test_status_says_what_is_open(stage: Stage, ledger: Ledger, words: str) -> None:
    """A pair that is not covered says why."""
    stage.neutral()
    stage.put(ledger)
    assert words in stage.run("status").output.splitlines()[0]


def test_dust_is_neutral_and_named(stage: Stage) -> None:
    """An amount that the exchange refuses to trade is covered, and shown."""
    stage.neutral()
    stage.put(replace(LEDGER, owed_lots=-1, dust_lots=-1))
    assert "dust of -0.0001 ETH left unhedged" in stage.run("status").output


def test_status_of_a_halt_says_why_and_what_to_do(stage: Stage) -> None:
    """A halt is told with its time, side, reason, positions, and the cure."""
    stage.neutral()
    stage.halt()
    text = stage.run("status").output.replace("\n", " ")
    assert text.startswith("HALTED since 2026-11-")
    assert "by B: not_enough_margin: B could not hedge 0.0100 ETH" in text
    assert "Add collateral to account B" in text
    assert "`python hedgectl.py resume`" in text


def test_a_halt_that_cannot_be_read_is_a_halt(stage: Stage) -> None:
    """Garbage in the halt key counts as halted."""
    stage.neutral()
    stage.client.set(NAMES.halt, "garbage")
    assert stage.run("status").output.startswith("HALTED: unreadable_halt")


# --- errors


def test_no_redis_is_one_sentence_and_exit_code_3(stage: Stage) -> None:
    """An unreachable Redis is named with its address."""
    text = stage.config.read_text(encoding="utf-8")
    port = stage.client.connection_pool.connection_kwargs["port"]
    stage.config.write_text(text.replace(str(port), "1"), encoding="utf-8")
    result = stage.run("status")
    assert result.exit_code == 3
    assert "127.0.0.1:1/0" in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_configuration_is_one_sentence_and_exit_code_2(stage: Stage) -> None:
    """An unknown key is named."""
    with stage.config.open("a", encoding="utf-8") as file:
        file.write("colour: blue\n")
    result = stage.run("status")
    assert result.exit_code == 2
    assert "colour" in result.stderr


# --- resume


def a_follows(stage: Stage) -> threading.Thread:
    """Play A: leave HALTED as soon as the record says so."""

    def play() -> None:
        eventually_sync(lambda: "resumed" in stage.stored_halt, what="the resumed record")
        stage.put(replace(READY_A, timestamp=READY_A.timestamp + 1))

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def test_resume_of_a_covered_pair_waits_for_a(stage: Stage) -> None:
    """The record is turned into one of resumption, and A is seen to go on."""
    stage.neutral()
    stage.halt()
    follower = a_follows(stage)
    result = stage.run("resume")
    follower.join()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Resumed: A is ready.")
    record = stage.stored_halt
    assert record["id"] == "h1"
    assert isinstance(record["resumed"], int)
    assert record["forced"] is False


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (replace(LEDGER, owed_lots=-100), "B owes -0.0100 ETH"),
        (replace(READY_B, ready=False, reasons=("no margin",)), "B is not ready: no margin"),
    ],
)
def test_resume_refuses_while_something_is_open(stage: Stage, value: Any, words: str) -> None:
    """Owed amounts or a B that is not ready refuse with exit code 5; the halt stays."""
    stage.neutral()
    stage.halt()
    stage.put(value)
    result = stage.run("resume")
    assert result.exit_code == 5
    assert words in result.stderr
    assert "resumed" not in stage.stored_halt


def test_resume_without_a_heartbeat_of_b_refuses(stage: Stage) -> None:
    """A silent B is unknown, so nothing is resumed."""
    stage.neutral()
    stage.halt()
    stage.client.delete(NAMES.ready_b)
    result = stage.run("resume")
    assert result.exit_code == 5
    assert "no heartbeat" in result.stderr


def test_force_needs_a_reason(stage: Stage) -> None:
    """`--force` without a reason is a usage error."""
    stage.halt()
    result = stage.run("resume", "--force")
    assert result.exit_code == 2
    assert "--reason" in result.stderr


def test_force_shows_what_b_will_trade_and_asks(stage: Stage) -> None:
    """The positions and B's trade are shown; anything but yes leaves the halt."""
    stage.neutral()
    stage.halt()
    stage.put(replace(POSITION_B, position_lots=0), replace(LEDGER, owed_lots=-100))
    result = stage.run("resume", "--force", "--reason", "checked", answer="n\n")
    assert result.exit_code == 5
    assert "B will sell 0.0100 ETH at market" in result.output
    assert "A +0.0100 ETH, B 0.0000 ETH" in result.output
    assert "resumed" not in stage.stored_halt


def test_force_with_yes_resumes_and_keeps_the_reason(stage: Stage) -> None:
    """The operator's reason stands in the record."""
    stage.neutral()
    stage.halt()
    stage.put(replace(LEDGER, owed_lots=-100))
    follower = a_follows(stage)
    result = stage.run("resume", "--force", "--reason", "checked both", "--yes")
    follower.join()
    assert result.exit_code == 0, result.output
    assert stage.stored_halt["forced"] is True
    assert stage.stored_halt["note"] == "checked both"


def test_resume_says_when_a_stays_halted(stage: Stage) -> None:
    """An A that does not go on is reported with exit code 5."""
    stage.neutral()
    stage.halt()
    result = stage.run("resume")
    assert result.exit_code == 5
    assert "A is still halted" in result.stderr


def test_resume_without_a_running_a_lifts_the_halt(stage: Stage) -> None:
    """With A down the record is written, and the user is told to start A."""
    stage.neutral()
    stage.halt()
    stage.client.delete(NAMES.ready_a)
    result = stage.run("resume")
    assert result.exit_code == 0
    assert "start it" in result.output


def test_resume_without_a_halt_is_no_error(stage: Stage) -> None:
    """There is nothing to resume, and that is said."""
    stage.neutral()
    result = stage.run("resume")
    assert result.exit_code == 0
    assert "nothing to resume" in result.output


def test_resume_leaves_no_key_behind(stage: Stage) -> None:
    """The tool writes the halt record and nothing else."""
    stage.neutral()
    stage.halt()
    before = set(stage.client.keys("*"))
    follower = a_follows(stage)
    stage.run("resume")
    follower.join()
    assert set(stage.client.keys("*")) == before


# --- flatten


def test_flatten_sends_the_command_and_waits_until_flat(stage: Stage) -> None:
    """A finds the command, closes its position, and the tool reports."""
    stage.neutral()

    def play() -> None:
        text = eventually_sync(lambda: stage.client.get(NAMES.command), what="the command")
        assert json.loads(str(text))["command"] == "flatten"
        stage.put(replace(POSITION_A, seq=8, position_lots=0))
        stage.put(replace(POSITION_B, seq=8, position_lots=0))
        stage.put(replace(LEDGER, a_seq=8, a_position_lots=0))
        stage.halt(replace(HALT, side="a", reason="flatten"))

    thread = threading.Thread(target=play)
    thread.start()
    result = stage.run("flatten")
    thread.join()
    assert result.exit_code == 0, result.output
    assert "Flat. Neutral: A 0.0000 ETH, B 0.0000 ETH" in result.output


def test_flatten_reports_what_is_left(stage: Stage) -> None:
    """A pair that does not become flat in time ends with exit code 5 and the positions."""
    stage.neutral()
    result = stage.run("flatten")
    assert result.exit_code == 5
    assert "Not flat after 1 s: Neutral: A +0.0100 ETH" in result.stderr


def test_flatten_without_a_is_refused(stage: Stage) -> None:
    """Only A closes A's position, so without A nothing is sent."""
    stage.neutral()
    stage.client.delete(NAMES.ready_a)
    result = stage.run("flatten")
    assert result.exit_code == 5
    assert stage.client.get(NAMES.command) is None


def test_flatten_without_a_undoes_what_was_published_by_hand(stage: Stage) -> None:
    """With B alone, the command takes back the fills published by hand."""
    stage.put(
        replace(READY_B, ready=False, reasons=("by hand",)),
        replace(POSITION_B, position_lots=-100),
        replace(
            LEDGER,
            a_instance=None,
            a_seq=None,
            a_position_lots=None,
            owed_lots=None,
            manual_lots=-100,
        ),
    )

    def play() -> None:
        eventually_sync(lambda: stage.client.get(NAMES.command), what="the command")
        stage.put(replace(POSITION_B, position_lots=0), replace(LEDGER, manual_lots=0))
        stage.put(READY_B)

    thread = threading.Thread(target=play)
    thread.start()
    result = stage.run("flatten")
    thread.join()
    assert result.exit_code == 0, result.output
    assert "is undone: B 0.0000 ETH" in result.output


def test_acl_writes_an_acl_file_or_commands(stage: Stage) -> None:
    """One line per login, and a word where there is only one; a wrong side is exit code 2."""
    text = stage.config.read_text(encoding="utf-8")
    login = "redis: {username: solo, password: secret-word, "
    stage.config.write_text(text.replace("redis: {", login), encoding="utf-8")
    result = stage.run("acl", "--side", "b")
    assert result.exit_code == 0
    assert result.stdout.startswith("user solo reset ")
    assert "secret-word" not in result.output
    assert "redis.reader_username" in result.stderr
    assert stage.run("acl", "--side", "a", "--commands").stdout.startswith("ACL SETUSER solo ")
    assert stage.run("acl", "--side", "c").exit_code == 2
