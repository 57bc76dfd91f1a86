"""The operator's tool, against a real Redis and hand-written state."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

import hedgectl
from hedge.core.amounts import MarketSpec
from hedge.core.freshness import BeatId
from hedge.daemon.host_os import commands_for
from hedge.daemon.host_store import HostState
from hedge.launcher.embedded_redis import EmbeddedRedis
from hedge.wire.codec import WireLimits
from hedge.wire.control import PING, Command, Halt, Halts, Lease, parse_halts
from hedge.wire.envelope import Envelope
from hedge.wire.names import Names
from hedge.wire.state import Ledger, PositionState, Ready
from tests.waiting import eventually_sync

pytestmark = pytest.mark.integration

CHAIN, ACCOUNT_A, ACCOUNT_B = 304, 11, 22
SPEC = MarketSpec(0, "ETH", 4, 2, 50, 10_000_000)
NAMES = Names()
LIMITS = WireLimits(chain_id=CHAIN, account_index=ACCOUNT_A, other_account_index=ACCOUNT_B)

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
    beat=3,
    envelope=Envelope("", "a" * 16, 3),
    position_lots=100,
    seq=7,
    proven=True,
    shown=True,
)
READY_B = replace(
    READY_A,
    side="b",
    state="idle",
    instance="bbbb",
    can_hedge_lots=5000,
    envelope=Envelope("", "b" * 16, 3),
    position_lots=-100,
)
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
        self.commands = commands_for(str(self.config))
        self.config.write_text(
            "accounts:\n"
            f"  account_a: {{account_index: {ACCOUNT_A}, api_key_index: 4}}\n"
            f"  account_b: {{account_index: {ACCOUNT_B}, api_key_index: 5}}\n"
            f"redis: {{host: 127.0.0.1, port: {port}}}\n"
            f"state: {{dir: {directory / 'state'}}}\n",
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
        self.client.set(NAMES.halt, Halts(halts=(halt,)).to_json())
        self.put(replace(READY_A, ready=False, state="halted", reasons=("halted",)))

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """Run the tool."""
        command = [*arguments, "--config", str(self.config)]
        return CliRunner().invoke(hedgectl.app, command, input=answer)

    @property
    def in_force(self) -> list[str]:
        """Ids of the halts in force in Redis."""
        return [halt.id for halt in parse_halts(str(self.client.get(NAMES.halt))).in_force]

    @property
    def newest(self) -> Command | None:
        """The command in Redis, a ping included."""
        text = self.client.get(NAMES.command)
        return None if text is None else Command.from_json(str(text), limits=LIMITS)

    @property
    def ping(self) -> Command | None:
        """The ping in Redis."""
        newest = self.newest
        return newest if newest is not None and newest.command == PING else None

    @property
    def sent(self) -> Command | None:
        """The command in Redis that asks for something to be done."""
        newest = self.newest  # one look: a ping may come between two
        return newest if newest is not None and newest.command != PING else None

    def obey(self, outcome: str, *values: Any) -> threading.Thread:
        """Play both daemons: acknowledge the command that comes, and write these values."""

        def play() -> None:
            command = eventually_sync(lambda: self.sent, what="the command")
            acks = ((command.id, outcome),)
            released = Halts(released=command.halts)
            known = parse_halts(str(self.client.get(NAMES.halt) or Halts().to_json()))
            self.client.set(NAMES.halt, known.union(released).to_json())
            beats = {value.side: value for value in (READY_A, READY_B)}
            beats |= {value.side: value for value in values if isinstance(value, Ready)}
            self.put(*(value for value in values if isinstance(value, PositionState | Ledger)))
            self.put(*(replace(beats[side], acks=acks) for side, _ in command.to))

        thread = threading.Thread(target=play)
        thread.start()
        return thread

    def ask(self, *arguments: str, deaf: str = "", answer: str | None = None) -> Result:
        """Run the tool; the daemons whose heartbeats are there answer its ping, but for `deaf`."""

        def play() -> None:
            ping = eventually_sync(lambda: self.ping, what="the ping")
            for key in (NAMES.ready(side) for side in "ab" if side not in deaf):
                text = self.client.get(key)
                if text is not None:
                    beat = {**json.loads(str(text)), "acks": {ping.id: "pong"}}
                    self.client.set(key, json.dumps(beat))

        self.client.delete(NAMES.command)
        thread = threading.Thread(target=play)
        thread.start()
        result = self.run(*arguments, answer=answer)
        thread.join()
        return result

    def status(self, *options: str, deaf: str = "") -> Result:
        """Run `status`."""
        return self.ask("status", *options, deaf=deaf)

    def resume(self, *options: str, answer: str | None = None) -> Result:
        """Run `resume`."""
        return self.ask("resume", *options, answer=answer)


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
        patch.setattr(hedgectl, "PROOF_WAIT_S", 1.0)
        patch.setattr(hedgectl, "FLATTEN_WAIT_S", 1.0)
        patch.setattr(hedgectl, "HALT_WAIT_S", 1.0)
        patch.setattr(hedgectl, "PING_WAIT_S", 1.0)
        patch.setattr(hedgectl, "POLL_S", 0.02)
        yield made
    made.client.close()


# --- status


def test_status_of_a_neutral_pair_is_one_sentence(stage: Stage) -> None:
    """A pair whose daemons both answer is called neutral, with both positions."""
    stage.neutral()
    result = stage.status()
    assert result.exit_code == 0, result.output
    first = result.output.splitlines()[0]
    assert first == "Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed."
    assert "could hedge" in result.output


def test_status_json_has_everything(stage: Stage) -> None:
    """`--json` prints one object with positions, debts, readiness, leases and the halt."""
    stage.neutral()
    stage.client.set(f"hedge:lease:{CHAIN}:{ACCOUNT_B}:5", Lease(instance="bb", host="h").to_json())
    told = json.loads(stage.status("--json").output)
    assert told["neutral"] is True
    assert [one["source"] for one in told["evidence"]] == ["heartbeat", "heartbeat"]
    assert told["covered"] is True
    assert told["halt"] is None
    assert told["owed_base_amount"] == "0.0000"
    assert told["a"]["position_base_amount"] == "0.0100"
    assert told["b"]["position_base_amount"] == "-0.0100"
    assert told["b"]["can_hedge_base_amount"] == "0.5000"
    assert told["b"]["lease"] == {"instance": "bb", "host": "h"}
    assert told["a"]["lease"] is None


def test_status_calls_the_accounts_by_their_names(stage: Stage) -> None:
    """As the configuration names them, beside the index; without a name by their place in it."""
    text = stage.config.read_text()
    stage.config.write_text(text.replace("account_a: {", "account_a: {account_name: alice, "))
    stage.neutral()
    [shown] = [line for line in stage.status().output.splitlines() if "account " in line]
    assert shown.split()[1:] == ["alice", f"({ACCOUNT_A})", "account_b", f"({ACCOUNT_B})"]
    told = json.loads(stage.status("--json").output)
    assert [told[side]["account_name"] for side in "ab"] == ["alice", "account_b"]


def test_status_learns_the_step_from_the_values(stage: Stage) -> None:
    """Another market's decimals show without asking the exchange."""
    coarse = MarketSpec(3, "ETH", 1, 4, 1, 1)
    for value in (READY_A, READY_B, POSITION_A, POSITION_B, LEDGER):
        changed = replace(value, market_index=3)
        stage.client.set(stage._key(changed), changed.to_json(coarse))
    assert "A +10.0 ETH, B -10.0 ETH" in stage.status().output


def test_status_names_the_asset_that_is_traded(stage: Stage) -> None:
    """The daemons were started with another market than the configuration says."""
    stage.neutral()
    stage.put(replace(READY_A, market="BTC"), replace(READY_B, market="BTC"))
    assert stage.status().output.startswith("Neutral: A +0.0100 BTC, B -0.0100 BTC")
    assert json.loads(stage.status("--json").output)["market"] == "BTC"


def test_status_of_an_empty_redis_is_unknown_not_flat(stage: Stage) -> None:
    """Nothing known is said to be unknown, never shown as zero; it is no success either."""
    result = stage.status()
    assert result.exit_code == 5
    first = result.output.splitlines()[0]
    assert first == (
        "Not running: no heartbeat of either side; A unknown, B unknown."
        f" Start both: {stage.commands.start}."
    )
    told = json.loads(stage.status("--json").output)
    assert (told["covered"], told["neutral"]) == (False, None)


def test_status_of_a_fill_published_by_hand_is_not_covered(stage: Stage) -> None:
    """B alone has hedged it and owes nothing for it; no position of A is its other side."""
    stage.put(
        replace(READY_B, position_lots=-5000),
        replace(POSITION_B, position_lots=-5000),
        replace(LEDGER, a_instance=None, a_seq=None, a_position_lots=None, manual_lots=-5000),
    )
    result = stage.status()
    assert result.exit_code == 5
    assert result.output.startswith("NOT COVERED: A unknown, B -0.5000 ETH;")
    assert "by hand" in result.output.splitlines()[0]
    assert json.loads(stage.status("--json").output)["neutral"] is False


def test_a_daemon_that_does_not_answer_is_unknown(stage: Stage) -> None:
    """What Redis still shows of it is named with its age, and proves nothing."""
    stage.neutral()
    now_s = int(time.time())
    stage.put(replace(READY_A, timestamp=now_s - 2), replace(POSITION_A, timestamp=now_s - 2))
    result = stage.status("--json", deaf="a")
    assert result.exit_code == 5
    told = json.loads(result.output)
    assert told["headline"].startswith("UNKNOWN: A last known +0.0100 ETH (")
    assert "B -0.0100 ETH; A: did not answer within 4.5 s." in told["headline"]
    assert told["neutral"] is None
    a, b = told["evidence"]
    assert (a["source"], b["source"]) == (None, "heartbeat")
    assert a["age_s"] >= 2


def test_a_ping_replaces_no_command_that_is_on_its_way(stage: Stage) -> None:
    """It waits until the daemons that a `resume` was sent to have heard that."""
    stage.neutral()
    to = (("a", BeatId("a" * 16, 3)),)
    resume = Command(id="r", command="resume", timestamp=int(time.time()), to=to)
    stage.client.set(NAMES.command, resume.to_json())
    beats = {"a": READY_A, "b": READY_B}
    seen = list[str]()

    def play() -> None:
        looks = [str(stage.client.get(NAMES.command)) for _ in range(50)]
        seen.extend(Command.from_json(text, limits=LIMITS).command for text in looks)
        stage.put(replace(READY_A, acks=(("r", "released"),)))
        ping = eventually_sync(lambda: stage.ping, what="the ping")
        acks = (("r", "released"), (ping.id, "pong"))
        stage.put(*(replace(beat, acks=acks) for beat in beats.values()))

    thread = threading.Thread(target=play)
    thread.start()
    result = stage.run("status")
    thread.join()
    assert result.exit_code == 0, result.output
    assert set(seen) == {"resume"}


def test_status_of_a_halt_says_why_and_what_to_do(stage: Stage) -> None:
    """A halt is told with its time, side, reason, positions, and the cure; it is no success."""
    stage.neutral()
    stage.halt()
    result = stage.status()
    assert result.exit_code == 5
    text = result.output.replace("\n", " ")
    assert text.startswith("HALTED since 2026-11-")
    assert "by B: not_enough_margin: B could not hedge 0.0100 ETH" in text
    assert "A +0.0100 ETH, B -0.0100 ETH" in text
    assert "Add collateral to account B" in text
    assert stage.commands.resume in text


def test_a_halt_that_cannot_be_read_is_a_halt(stage: Stage) -> None:
    """Garbage in the halt key counts as halted."""
    stage.neutral()
    stage.client.set(NAMES.halt, "garbage")
    assert stage.status().output.startswith("HALTED: unreadable_halt")


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


def test_resume_of_a_covered_pair_waits_for_both(stage: Stage) -> None:
    """The command answers both heartbeats and releases what was shown; A is seen to go on."""
    stage.neutral()
    stage.halt()
    follower = stage.obey("released")
    result = stage.resume()
    follower.join()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Resumed: A is ready.")
    command = stage.sent
    assert command is not None
    assert (command.halts, command.forced) == (("h1",), False)
    assert command.to == (("a", BeatId("a" * 16, 3)), ("b", BeatId("b" * 16, 3)))
    assert stage.in_force == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (replace(READY_B, position_lots=0), "B owes -0.0100 ETH"),
        (replace(READY_B, ready=False, reasons=("no margin",)), "B is not ready: no margin"),
    ],
)
def test_resume_refuses_while_something_is_open(stage: Stage, value: Any, words: str) -> None:
    """Owed amounts or a B that is not ready refuse with exit code 5; the halt stays."""
    stage.neutral()
    stage.halt()
    stage.put(value, replace(LEDGER, owed_lots=-100))
    result = stage.resume()
    assert result.exit_code == 5
    assert words in result.stderr
    assert stage.in_force == ["h1"]
    assert stage.sent is None


def test_resume_without_a_heartbeat_of_b_refuses(stage: Stage) -> None:
    """A silent B is unknown, so nothing is resumed."""
    stage.neutral()
    stage.halt()
    stage.client.delete(NAMES.ready_b)
    result = stage.resume()
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
    stage.put(replace(READY_B, position_lots=0), replace(LEDGER, owed_lots=-100))
    result = stage.resume("--force", "--reason", "checked", answer="n\n")
    assert result.exit_code == 5
    assert "B will sell 0.0100 ETH at market" in result.output
    assert "A +0.0100 ETH, B 0.0000 ETH" in result.output
    assert stage.in_force == ["h1"]
    assert stage.sent is None


def test_force_with_yes_resumes_and_keeps_the_reason(stage: Stage) -> None:
    """The operator's reason goes with the command."""
    stage.neutral()
    stage.halt()
    stage.put(replace(LEDGER, owed_lots=-100))
    follower = stage.obey("released")
    result = stage.resume("--force", "--reason", "checked both", "--yes")
    follower.join()
    assert result.exit_code == 0, result.output
    command = stage.sent
    assert command is not None
    assert (command.forced, command.note) == (True, "checked both")


def test_resume_names_who_does_not_acknowledge(stage: Stage) -> None:
    """Two daemons that do not act on it are reported with exit code 5."""
    stage.neutral()
    stage.halt()
    result = stage.resume()
    assert result.exit_code == 5
    assert "A and B did not acknowledge" in result.stderr


def test_resume_with_both_down_releases_in_the_files_of_this_host(stage: Stage) -> None:
    """Under their lock, and in Redis; the host that is elsewhere is named."""
    stage.neutral()
    stage.halt()
    stage.client.delete(NAMES.ready_a, NAMES.ready_b)
    root = stage.config.parent / "state"
    kept = replace(HALT, id="h2")
    with HostState(root, CHAIN, ACCOUNT_B, 5) as host:
        host.write_halts(Halts(halts=(kept,)))
        busy = stage.resume()
    assert busy.exit_code == 5
    assert "B runs on this host" in busy.stderr
    result = stage.resume()
    assert result.exit_code == 5
    assert "The host of A has not heard it" in result.stderr
    assert stage.in_force == []
    with HostState(root, CHAIN, ACCOUNT_A, 4), HostState(root, CHAIN, ACCOUNT_B, 5) as host:
        assert host.read_halts().in_force == ()
        assert sorted(host.read_halts().released) == ["h1", "h2"]
    stage.halt(replace(HALT, id="h3"))
    stage.client.delete(NAMES.ready_a)
    full = root / f"{CHAIN}-{ACCOUNT_B}-5" / ".halt.json.tmp"
    full.symlink_to("/dev/full")
    result = stage.resume()
    assert (result.exit_code, "halt.json: No space left on device" in result.stderr) == (5, True)
    full.unlink()
    stage.halt(replace(HALT, id="h4"))
    stage.client.delete(NAMES.ready_a, NAMES.ready_b)
    assert stage.resume().exit_code == 0


def test_a_process_that_works_for_another_pair_is_not_called_frozen(stage: Stage) -> None:
    """Its lock says for which pair it works, and on which Redis; one that says the same is."""
    root, place = stage.config.parent / "state", stage.client.connection_pool.connection_kwargs
    ours = f'pair "" on Redis at 127.0.0.1:{place["port"]}/0'
    with HostState(root, CHAIN, ACCOUNT_A, 4, works_as=ours):
        assert f"`kill -9 {os.getpid()}`" in stage.run("status").stdout
    with HostState(root, CHAIN, ACCOUNT_A, 4, works_as='pair "x" on Redis at h:1/0'):
        text = stage.run("status").stdout
    assert "kill" not in text
    assert f'A (process {os.getpid()}) runs as pair "x" on Redis at h:1/0' in text
    assert f"this configuration says {ours}." in text


# --- halt


def test_halt_is_written_until_both_show_it(stage: Stage) -> None:
    """Beside what is in force, and again where it is lost."""
    stage.neutral()
    stage.halt()
    stage.put(READY_A)

    def play() -> None:
        eventually_sync(lambda: len(stage.in_force) == 2, what="the halt")
        stage.client.delete(NAMES.halt)
        again = eventually_sync(lambda: stage.client.get(NAMES.halt), what="the halt again")
        halts = parse_halts(str(again)).in_force
        stage.put(replace(READY_A, halts=halts), replace(READY_B, halts=halts))

    thread = threading.Thread(target=play)
    thread.start()
    result = stage.run("halt", "--reason", "lunch")
    thread.join()
    assert result.exit_code == 0, result.output
    (halt,) = parse_halts(str(stage.client.get(NAMES.halt))).in_force
    assert (halt.reason, halt.detail) == ("operator", "lunch")


def test_halt_names_the_side_that_has_not_heard_it(stage: Stage) -> None:
    """The halt stands in Redis all the same."""
    stage.neutral()
    result = stage.run("halt")
    assert result.exit_code == 5
    assert "A and B have not shown it" in result.stderr
    assert len(stage.in_force) == 1


def test_resume_without_a_halt_is_no_error(stage: Stage) -> None:
    """There is nothing to resume, and that is said."""
    stage.neutral()
    result = stage.resume()
    assert result.exit_code == 0
    assert "nothing to resume" in result.output


# --- beside the daemons of another pair


OTHERS = {
    "both accounts": {"a_account_index": 33, "b_account_index": 44},
    "account A": {"a_account_index": 33},
    "account B": {"b_account_index": 44},
    "the chain": {"chain_id": 300},
}
COMMANDS = {
    "status": ("status",),
    "status --json": ("status", "--json"),
    "halt": ("halt",),
    "resume": ("resume",),
    "resume --force": ("resume", "--force", "--yes", "--reason", "looked"),
    "flatten": ("flatten", "--yes"),
    "flatten --force": ("flatten", "--force", "--yes"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_nothing_is_said_or_written_of_the_daemons_of_other_accounts(
    stage: Stage, other: dict[str, int], command: tuple[str, ...]
) -> None:
    """Without `pair:` two pairs share their names: UNKNOWN, both named, and no key changes."""
    stage.neutral()
    stage.client.set(NAMES.halt, Halts(halts=(HALT,)).to_json())
    stage.put(replace(READY_A, **other), replace(READY_B, **other))
    before = {key: stage.client.get(key) for key in stage.client.keys("*")}
    result = stage.run(*command)
    assert result.exit_code == 5, result.output
    said = result.output + result.stderr
    found = {"a_account_index": ACCOUNT_A, "b_account_index": ACCOUNT_B, "chain_id": CHAIN} | other
    assert "UNKNOWN: the heartbeat of A and B in Redis is of" in said
    assert f"{found['a_account_index']} (A) and {found['b_account_index']} (B)" in said
    assert f"of chain {found['chain_id']}" in said
    assert f"the configuration names accounts {ACCOUNT_A} (A) and {ACCOUNT_B} (B)" in said
    assert "`pair:`" in said
    assert "Neutral" not in said
    assert {key: stage.client.get(key) for key in stage.client.keys("*")} == before


@pytest.mark.parametrize("side", ["a", "b"])
def test_one_heartbeat_of_other_accounts_is_enough(stage: Stage, side: str) -> None:
    """Where one side only is mistaken, nothing is sent to the other alone."""
    stage.neutral()
    beat = READY_A if side == "a" else READY_B
    stage.put(replace(beat, a_account_index=33))
    result = stage.run("flatten", "--force", "--yes")
    assert result.exit_code == 5
    assert f"the heartbeat of {side.upper()} in Redis" in result.stderr
    assert stage.newest is None


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_with_a_secret_other_accounts_are_named_too(stage: Stage, command: tuple[str, ...]) -> None:
    """Their signature is none of ours; a halt signed by us would be unreadable there, and halt."""
    text = stage.config.read_text().replace("redis: {", "redis: {shared_secret: only of one host, ")
    stage.config.write_text(text)
    stage.config.chmod(0o600)
    stage.put(*(replace(one, **OTHERS["account B"]) for one in (READY_A, READY_B)))
    before = {key: stage.client.get(key) for key in stage.client.keys("*")}
    result = stage.run(*command)
    said = result.output + result.stderr
    assert result.exit_code == 5, said
    assert "UNKNOWN: the heartbeat of A and B in Redis is of accounts 11 (A) and 44 (B)" in said
    assert {key: stage.client.get(key) for key in stage.client.keys("*")} == before


def test_a_command_names_chain_and_accounts(stage: Stage) -> None:
    """What it is for does not rest on the heartbeats alone."""
    stage.neutral()
    thread = stage.obey("closing")
    stage.run("flatten", "--yes")
    thread.join()
    sent = stage.sent
    assert sent is not None
    found = (sent.chain_id, sent.a_account_index, sent.b_account_index)
    assert found == (CHAIN, ACCOUNT_A, ACCOUNT_B)


# --- flatten


def test_flatten_sends_the_command_and_waits_until_flat(stage: Stage) -> None:
    """Both find the command, A closes its position, and the tool reports."""
    stage.neutral()
    stage.client.set(NAMES.halt, Halts(halts=(HALT,)).to_json())
    flat = (replace(beat, position_lots=0, seq=8) for beat in (READY_A, READY_B))
    thread = stage.obey("closing", *flat, replace(LEDGER, a_seq=8, a_position_lots=0))
    result = stage.run("flatten", answer="y\n")
    thread.join()
    assert result.exit_code == 0, result.output
    assert "As the daemons state it: A +0.0100 ETH (" in result.output
    assert " ago), B -0.0100 ETH (" in result.output
    assert "Flat: A 0.0000 ETH, B 0.0000 ETH" in result.output


def test_flatten_reports_what_is_left(stage: Stage) -> None:
    """A pair that does not become flat in time ends with exit code 5 and the positions."""
    stage.neutral()
    thread = stage.obey("closing")
    result = stage.run("flatten", "--yes")
    thread.join()
    assert result.exit_code == 5
    assert "Not flat after 1 s: Neutral: A +0.0100 ETH" in result.stderr


@pytest.mark.parametrize("key", [NAMES.ready_a, NAMES.ready_b])
def test_flatten_with_one_side_away_is_refused(stage: Stage, key: str) -> None:
    """The other one alone would make the pair naked, so nothing is sent."""
    stage.neutral()
    stage.client.delete(key)
    result = stage.run("flatten", "--yes")
    assert result.exit_code == 5
    assert "--force" in result.stderr
    assert stage.sent is None


def test_flatten_without_a_undoes_what_was_published_by_hand(stage: Stage) -> None:
    """With B alone, the command takes back the fills published by hand."""
    open_ = replace(
        LEDGER, a_instance=None, a_seq=None, a_position_lots=None, owed_lots=None, manual_lots=-100
    )
    unready = replace(READY_B, ready=False, reasons=("by hand",))
    stage.put(unready, replace(POSITION_B, position_lots=-100), open_)
    flat = replace(READY_B, position_lots=0)
    thread = stage.obey("following", flat, replace(LEDGER, manual_lots=0))
    result = stage.run("flatten", "--yes")
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
