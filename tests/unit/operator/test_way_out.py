"""Each state that `status` can show names the command that leads out of it."""

from dataclasses import replace
from typing import Any

import pytest

from hedge.daemon.commands import Commands
from hedge.operator.status import Astray, Report, report
from hedge.wire.control import Halt, Halts
from tests.report_kit import HALT, LEDGER, NEUTRAL, READY_A, SPEC

READY_B = NEUTRAL.ready_b or READY_A
PONG = (("p", "pong"),)
COMMANDS = Commands(" --config x.yaml", "TOOL")
START, STOP = "`./start_hedge.sh --config x.yaml`", "`./stop_hedge.sh --config x.yaml`"
STATUS, RESUME = (f"`TOOL {one} --config x.yaml`" for one in ("status", "resume"))
FORCE = '`TOOL resume --force --reason "…" --config x.yaml`'
FLATTEN = "`TOOL flatten --config x.yaml`"


def beat(of: Any = READY_A, **changes: Any) -> Any:
    """A heartbeat that answers, but for what is named."""
    return replace(of, **{"acks": PONG, **changes})


def shown(*halts: Halt, **changes: Any) -> Report:
    """The pair at rest as `status` sees it, but for what is named."""
    beats = {"ready_a": beat(), "ready_b": beat(READY_B)}
    snapshot = replace(NEUTRAL, **{"halts": Halts(halts=halts), **beats, **changes})
    return report(snapshot, SPEC, 11, 22, now_s=100.0, ping_id="p", commands=COMMANDS)


def typed(text: str) -> list[str]:
    """Return the commands of a sentence; what else is quoted is no command."""
    return [one for one in text.split("`")[1::2] if "_hedge.sh" in one or "TOOL" in one]


def halted(reason: str, side: str) -> Halt:
    return replace(HALT, reason=reason, side=side)


@pytest.mark.parametrize(
    ("changes", "words", "commands"),
    [
        ({}, "Neutral", ()),
        ({"ready_a": None, "ready_b": None}, "Not running", (START,)),
        ({"ready_a": None}, "A: no heartbeat", (STOP, START)),
        ({"ready_b": beat(READY_B, acks=())}, "B: did not answer", (STOP, START)),
        (
            {"ready_a": beat(acks=()), "ready_b": beat(READY_B, acks=())},
            "If A and B do not come back: ",
            (STOP, START),
        ),
        ({"ready_b": beat(READY_B, leaving=True)}, "Neutral", (STOP,)),
        ({"ready_a": beat(left=True)}, "A has left, B runs on", (STOP, START)),
        (
            {"ready_a": beat(left=True), "ready_b": beat(READY_B, left=True)},
            "Both have stopped",
            (START,),
        ),
        (
            {"ready_a": None, "ready_b": beat(READY_B, left=True)},
            "B has stopped, and A has no heartbeat",
            (STOP, START),
        ),
        ({"ready_a": beat(proven=False, beat=9)}, "Starting", (STATUS,)),
        ({"ready_a": beat(shown=False)}, "UNKNOWN", (STATUS,)),
        ({"ready_b": beat(READY_B, position_lots=0)}, "NOT COVERED", (STATUS,)),
        ({"ready_a": beat(ready=False, reasons=("no market data",))}, "Neutral", (STOP, START)),
        (
            {"ready_a": None, "ledger": replace(LEDGER, manual_lots=-100)},
            "published by hand",
            (FLATTEN,),
        ),
    ],
)
def test_what_is_not_well_names_its_command(
    changes: dict[str, Any], words: str, commands: tuple[str, ...]
) -> None:
    """In the order in which they are to be typed; a pair that is well needs none."""
    text = shown(**changes).headline
    assert words in text
    assert typed(text) == [one.strip("`") for one in commands]


def test_each_halt_in_force_says_what_to_check() -> None:
    """One sentence for each reason, and the command that releases them all."""
    text = shown(
        halted("foreign_trade_on_a", "a"),
        replace(halted("position_limit", "b"), id="h2"),
        replace(halted("position_limit", "a"), id="h3"),
    ).headline
    assert "Find out who else trades account A" in text
    assert text.count("Wait until A has reduced itself") == 1
    assert typed(text) == [FORCE.strip("`")]


def test_a_process_that_is_silent_is_ended_before_the_rest() -> None:
    """A frozen one holds its lock, and no start is let past it."""
    frozen = replace(shown(ready_a=None), processes=(("a", 11),))
    assert "A (process 11) runs on this host and is silent" in frozen.headline
    assert frozen.headline.split("`")[1::2] == ["kill -9 11", STOP.strip("`"), START.strip("`")]
    both = replace(shown(ready_a=None, ready_b=None), processes=(("a", 11), ("b", 12)))
    assert "A (process 11) and B (process 12) run on this host and are silent" in both.headline
    assert both.headline.split("`")[1::2][:3] == ["kill -9 11", "kill -9 12", STOP.strip("`")]
    stuck = replace(shown(halted("operator", ""), ready_b=None), processes=(("b", 12),))
    assert typed(stuck.headline) == [one.strip("`") for one in (RESUME, STOP, START)]
    assert "If B (process 12) stays silent, first: `kill -9 12`, then" in stuck.headline


def test_what_has_stopped_is_not_called_unready() -> None:
    """Its last word says that it is not ready, for it was stopping."""
    stopped = {"left": True, "ready": False, "reasons": ("stopping",)}
    text = shown(ready_a=beat(**stopped), ready_b=beat(READY_B, **stopped)).headline
    assert "ready" not in text
    assert "Both have stopped" in text


def test_an_a_that_waits_for_b_is_not_said_twice() -> None:
    """B's own reason says why; alone, A's says what it waits for."""
    a = beat(ready=False, reasons=("B is not ready",))
    b = beat(READY_B, ready=False, reasons=("stopping",))
    text = shown(ready_a=a, ready_b=b).headline
    assert "A waits for B; B is not ready: stopping." in text
    assert "A is not ready: B is not ready." in shown(ready_a=a).headline


def test_a_process_that_works_under_another_name_is_not_to_be_killed() -> None:
    """Its heartbeat is not looked for where it is: the way out is to undo the change."""
    gone = {"ready_a": None, "ready_b": None}
    astray = tuple(
        Astray(side, pid, 'pair "" on Redis at h:1/0') for side, pid in (("a", 11), ("b", 12))
    )
    for found in (shown(**gone), shown(halted("operator", ""), **gone)):
        text = replace(found, astray=astray, works_as='pair "x" on Redis at h:1/0').headline
        assert "kill" not in text
        assert (
            'On this host A (process 11) and B (process 12) run as pair "" on Redis at h:1/0; this'
            ' configuration says pair "x" on Redis at h:1/0. Undo that change'
        ) in text
        assert typed(text)[-1] == STATUS.strip("`")
        assert START.strip("`") not in typed(text)


@pytest.mark.parametrize(
    ("halt", "changes", "commands"),
    [
        (halted("operator", ""), {}, (RESUME,)),
        (halted("not_enough_margin", "b"), {}, (RESUME,)),
        (halted("foreign_trade_on_b", "b"), {}, (FORCE,)),
        (halted("unexplained_position", "a"), {}, (RESUME,)),
        (halted("unexpected_short", "a"), {}, (FLATTEN, RESUME)),
        (halted("unexplained_position", "b"), {}, (FORCE,)),
        (halted("unreadable_halt", ""), {}, (FORCE,)),
        (halted("flatten_alone", "b"), {"ready_a": None}, (FORCE, STOP, START)),
        (halted("restart_loop", "a"), {"ready_a": None}, (STOP, START, RESUME)),
        (halted("operator", ""), {"ready_b": beat(READY_B, leaving=True)}, (STOP, START, RESUME)),
        (halted("operator", ""), {"ready_a": None, "ready_b": None}, (START, RESUME)),
        (
            halted("foreign_trade_on_b", "b"),
            {"ready_a": beat(left=True), "ready_b": beat(READY_B, left=True)},
            (START, FORCE),
        ),
    ],
)
def test_a_halt_names_what_releases_it(
    halt: Halt, changes: dict[str, Any], commands: tuple[str, ...]
) -> None:
    """Force only where B stands in a halt of its own; first what is gone is started."""
    text = shown(halt, **changes).headline
    assert typed(text) == [one.strip("`") for one in commands]


CLOCK = "this host's clock is 700 s behind Lighter's: set it right (NTP); nothing can be signed"
FULL = "/x/halt.json: No space left on device"
NO_DISK = f"its state directory cannot be written: {FULL}"
NOT_STORED = f"the halt is not stored on its host: {FULL}"
THEN = f"then {RESUME}."
OPEN_B = {"position_lots": 0}


def unready(*reasons: str, **changes: Any) -> dict[str, Any]:
    return {"ready_b": beat(READY_B, ready=False, reasons=reasons, **changes)}


@pytest.mark.parametrize(
    ("halt", "changes", "says", "then"),
    [
        (
            halted("foreign_trade_on_a", "a"),
            unready(CLOCK, **OPEN_B),
            f"NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; A + B is +0.0100 ETH; B: {CLOCK}. Find",
            f"stop that, then {RESUME} once B is ready and all is covered.",
        ),
        (
            halted("max_retries_exceeded", "b"),
            {"ready_b": beat(READY_B, notices=(("no_price", "no price within 50 bps"),), **OPEN_B)},
            "A + B is +0.0100 ETH; B: no price within 50 bps. Check the market",
            f"then {RESUME} once all is covered.",
        ),
        (
            halted("operator", ""),
            unready("no market data"),
            "A +0.0100 ETH, B -0.0100 ETH; B: no market data. Ask",
            f"halted the pair, then {RESUME} once B is ready.",
        ),
        (
            halted("operator", ""),
            {"ready_a": beat(proven=False, beat=99)},
            "UNKNOWN: A last known +0.0100 ETH (99 s ago), B -0.0100 ETH; A: its book is not",
            f"then {RESUME} once all is covered.",
        ),
        (
            halted("operator", ""),
            {"ready_a": beat(notices=(("state_not_written", NO_DISK),))},
            f"B -0.0100 ETH; A: {NO_DISK}. Ask",
            f"First make room on the disk of A's state directory, or correct its owner, {THEN}",
        ),
        (
            halted("operator", ""),
            {"ready_b": beat(READY_B, notices=(("halt_not_stored", NOT_STORED),))},
            f"B -0.0100 ETH. The host of B ({FULL}) could not store the halt",
            f"First make room on the disk of B's state directory, or correct its owner, {THEN}",
        ),
        (
            halted("foreign_trade_on_b", "b"),
            unready("halted: foreign_trade_on_b", **OPEN_B),
            "NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; A + B is +0.0100 ETH. Find",
            f"check both positions, then {FORCE}.",
        ),
        (
            halted("operator", ""),
            {
                "ready_a": beat(left=True),
                **unready("stopping", left=True, **OPEN_B),
            },
            "NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; A + B is +0.0100 ETH. Ask",
            f"then {START}, then {RESUME} once all is covered.",
        ),
        (
            halted("unexpected_short", "a"),
            unready(**OPEN_B),
            "NOT COVERED",
            f"then {FLATTEN}, then {RESUME} once all is covered.",
        ),
    ],
)
def test_what_lets_no_resumption_through_is_said_with_the_halt(
    halt: Halt, changes: dict[str, Any], says: str, then: str
) -> None:
    """What is open, what keeps B from it, a disk that stores no release: no command alone."""
    text = shown(halt, **changes).headline
    assert text.startswith("HALTED since ")
    assert says in text
    assert then in text


def test_an_a_that_is_just_being_started_is_no_news_beside_a_halt() -> None:
    """The start script knows of it: its position is the last one known, and that is all."""
    starting = replace(shown(halted("operator", ""), ready_a=None), runs={"a": True, "b": True})
    assert "UNKNOWN" not in starting.headline
    assert "no heartbeat" not in starting.headline
    assert starting.headline.endswith(f"then {RESUME} once all is covered.")


def test_a_halt_over_a_pair_that_is_well_says_no_more() -> None:
    """Only what keeps the command from working stands beside it; a disk is said once."""
    text = shown(halted("operator", "")).headline
    assert text.endswith(f"B -0.0100 ETH. Ask the person who halted the pair, then {RESUME}.")
    full = (("state_not_written", NO_DISK), ("halt_not_stored", NOT_STORED))
    both = {"ready_a": beat(notices=full), "ready_b": beat(READY_B, notices=full)}
    text = shown(halted("state_not_writable", "a"), **both).headline
    assert text.count(FULL) == 2
    assert "First" not in text, "the halt's own advice is that already"
