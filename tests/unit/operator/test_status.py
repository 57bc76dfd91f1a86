"""What is said of the pair, by what its two heartbeats show."""

from dataclasses import replace
from typing import Any

import pytest

import hedgectl
from hedge.core.evidence import Word
from hedge.operator.decisions import verdict
from hedge.operator.status import Report, age_text, report
from hedge.wire.state import Ready
from tests.report_kit import HALT, LEDGER, NEUTRAL, POSITION, READY_A, SPEC, told

READY_B = NEUTRAL.ready_b or READY_A
POSITION_B = NEUTRAL.position_b or POSITION
OLD_A = replace(POSITION, timestamp=97)


def asked(**changes: Any) -> Report:
    """What is read at 100 s, after a ping that both have answered but for what is named."""
    acks = (("p", "pong"),)
    beats = {"ready_a": replace(READY_A, acks=acks), "ready_b": replace(READY_B, acks=acks)}
    snapshot = replace(NEUTRAL, **{**beats, **changes})
    return report(snapshot, SPEC, 11, 22, now_s=100.0, ping_id="p")


def flat(of: Ready, **changes: Any) -> Ready:
    return replace(of, position_lots=0, acks=(("p", "pong"),), **changes)


@pytest.mark.parametrize(
    "ledger",
    [
        replace(LEDGER, owed_lots=-100),
        replace(LEDGER, a_seq=6),
        replace(LEDGER, a_instance="cccc"),
        replace(LEDGER, a_instance=None, a_seq=None, a_position_lots=None, owed_lots=None),
        None,
    ],
)
def test_shown_positions_that_cancel_out_are_neutral(ledger: Any) -> None:
    """An old ledger says nothing against what both sides show."""
    found = asked(ledger=ledger)
    assert found.headline == "Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed."
    assert verdict(found).code == 0


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        (
            {"ready_b": flat(READY_B), "ledger": replace(LEDGER, owed_lots=-100)},
            "NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; B owes -0.0100 ETH.",
        ),
        (
            {"ready_b": flat(READY_B), "ledger": None},
            "NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; A + B is +0.0100 ETH.",
        ),
        (
            {"ledger": replace(LEDGER, inflight=True)},
            "NOT COVERED: A +0.0100 ETH, B -0.0100 ETH; a hedge is in flight.",
        ),
        (
            {"ledger": replace(LEDGER, manual_lots=5)},
            "NOT COVERED: A +0.0100 ETH, B -0.0100 ETH; an amount published by hand is open.",
        ),
        (
            {"ready_b": flat(READY_B, offset_lots=40), "ledger": None},
            "NOT COVERED: A +0.0100 ETH, B 0.0000 ETH; A + B is +0.0100 ETH, not +0.0040 ETH.",
        ),
    ],
)
def test_what_is_open_is_named(changes: dict[str, Any], headline: str) -> None:
    """Two positions that are shown and do not cancel out, an order in flight, a fill by hand."""
    found = asked(**changes)
    assert found.balance == headline
    assert found.judgement.is_neutral is False
    assert verdict(found).code == 5


def test_dust_is_neutral_and_named() -> None:
    """An amount that the exchange refuses to trade is left over, with its size."""
    beat = replace(READY_B, position_lots=-99, acks=(("p", "pong"),))
    found = asked(ready_b=beat, ledger=replace(LEDGER, owed_lots=-1, dust_lots=-1))
    assert "Neutral:" in found.headline
    assert "dust of -0.0001 ETH left unhedged" in found.headline
    assert verdict(found).code == 0


def test_a_side_that_cannot_write_or_is_late_says_so() -> None:
    """It is neutral and ready all the same."""
    notices = (
        ("log_not_written", "its log cannot be written: main_B.log: no room"),
        ("loop_late", "its loop was 700 ms late"),
    )
    beat = replace(READY_B, acks=(("p", "pong"),), notices=notices, lag_ms=700)
    found = asked(ready_b=beat)
    assert found.headline == (
        "Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed. "
        "B: its log cannot be written: main_B.log: no room; its loop was 700 ms late."
    )
    assert verdict(found).code == 0


def test_a_side_whose_proof_fails_says_why() -> None:
    """The headline has the reason while it is proved, not first the halt a minute later."""
    why = "the proof of its book has failed so far: HTTP 502"
    young = flat(READY_A, proven=False, shown=False, ready=False, beat=9)
    found = asked(ready_a=replace(young, notices=(("proving", why),)), position_a=None)
    assert found.headline.endswith(
        f"A: its book is not proven yet. A: {why}. It goes on by itself. Look again: "
        "`./hedgectl status`."
    )


@pytest.mark.parametrize("ledger", [None, LEDGER])
def test_flat_and_proven_on_both_sides_is_neutral_right_after_a_start(ledger: Any) -> None:
    """B has answered no state of A yet, and nothing is open all the same."""
    found = asked(ready_a=flat(READY_A), ready_b=flat(READY_B), ledger=ledger, position_a=None)
    assert found.headline == "Neutral: A 0.0000 ETH, B 0.0000 ETH, nothing owed."
    assert verdict(found).code == 0


def test_a_side_that_has_not_proven_its_book_is_starting_for_a_minute() -> None:
    """Afterwards it is unknown: no book of a minute needs that long."""
    young = flat(READY_A, proven=False, shown=False, ready=False, beat=60)
    found = asked(ready_a=young, position_a=OLD_A)
    assert found.balance == (
        "Starting: A last known +0.0100 ETH (3 s ago), B -0.0100 ETH;"
        " A: its book is not proven yet."
    )
    assert (found.judgement.is_neutral, verdict(found).code) == (None, 5)
    found = asked(ready_a=replace(young, beat=61))
    assert found.judgement.word is Word.UNKNOWN
    assert asked(ready_a=young, ready_b=None).judgement.word is Word.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ready_a": replace(READY_A, timestamp=90)}, "A: did not answer within 4.5 s"),
        ({"ready_a": replace(READY_A, beat=1, proven=False)}, "A: did not answer within 4.5 s"),
        ({"ready_a": None}, "A: no heartbeat"),
        ({"ready_a": flat(READY_A, shown=False, timestamp=1)}, "A: it does not hear the exchange"),
        (
            {"ready_a": flat(READY_A, shown=False, unheard_s=12)},
            "A: it does not hear the exchange: what its orders did in the last 12 s is unknown",
        ),
        (
            {"ready_a": flat(READY_A, shown=False, state="reconciling", ready=False)},
            "A: its book is being proven anew",
        ),
        ({"ready_a": replace(flat(READY_A), position_lots=None)}, "A: its position is unknown"),
        ({"ready_a": flat(READY_A, proven=False, beat=99)}, "A: its book is not proven"),
    ],
)
def test_what_is_not_shown_is_unknown_with_its_age(changes: dict[str, Any], why: str) -> None:
    """The newest that was known is named, and is no evidence."""
    found = asked(position_a=OLD_A, **changes)
    assert found.headline.startswith("UNKNOWN: A last known +0.0100 ETH (3 s ago), B -0.0100 ETH;")
    assert found.balance.endswith(f"{why}.")
    assert found.judgement.is_neutral is None
    assert verdict(found).code == 5
    data = found.as_json()
    assert data["evidence"][0] == {"side": "a", "source": None, "age_s": 3.0}
    assert data["a"]["position_base_amount"] == "0.0100"


def test_the_newest_that_was_known_counts() -> None:
    """A heartbeat that answers no ping is newer than the key of the position, or older."""
    silent = replace(READY_A, position_lots=50, timestamp=98)
    assert "A last known +0.0050 ETH (2 s ago)" in asked(ready_a=silent).headline
    assert "A unknown" in asked(ready_a=None, position_a=None).headline


def test_a_side_that_has_left_is_evidence_without_an_answer() -> None:
    """Its last word stands; but what does not run is no success of `status`."""
    found = asked(ready_a=replace(READY_A, left=True, ready=False, reasons=("stopping",)))
    assert found.headline.startswith("Neutral: A +0.0100 ETH, B -0.0100 ETH, nothing owed.")
    assert found.as_json()["evidence"][0]["source"] == "left"
    assert verdict(found).code == 5


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"halts": replace(NEUTRAL.halts, halts=(HALT,))}, "HALTED"), ({}, "Neutral")],
)
def test_a_halted_pair_is_no_success(changes: dict[str, Any], word: str) -> None:
    """0 is running and neutral, and nothing else."""
    found = asked(**changes)
    assert found.headline.startswith(word)
    assert verdict(found).code == (5 if changes else 0)


def test_a_halt_that_is_not_stored_is_said_with_it() -> None:
    """Which host would forget it; one that is on its way to the disk is no news."""
    why = "/x/halt.json: No space left on device"
    halts, acks = replace(NEUTRAL.halts, halts=(HALT,)), (("p", "pong"),)
    text = f"the halt is not stored on its host: {why}"
    b = replace(READY_B, acks=acks, notices=(("halt_not_stored", text),))
    assert (
        f"The host of B ({why}) could not store the halt: restarted beside an empty Redis it would"
        " not know it."
    ) in asked(halts=halts, ready_b=b).headline
    on_its_way = replace(b, notices=(("halt_being_stored", "its host is storing the halt"),))
    assert asked(halts=halts, ready_b=on_its_way).headline == asked(halts=halts).headline


def test_a_fill_by_hand_is_open_whatever_a_is() -> None:
    """B's word alone is enough for that; where B is silent its old ledger is not."""
    by_hand = replace(LEDGER, manual_lots=-5000)
    beat = replace(READY_B, position_lots=-5000, acks=(("p", "pong"),))
    found = asked(ready_a=None, position_a=None, ready_b=beat, ledger=by_hand)
    assert found.balance == (
        "NOT COVERED: A unknown, B -0.5000 ETH; an amount published by hand is open,"
        " A: no heartbeat."
    )
    assert asked(ready_b=None, ledger=by_hand).judgement.word is Word.UNKNOWN


def test_what_speaks_against_a_resumption_is_said_once() -> None:
    """B that is not ready says why by itself."""
    found = told(ready_b=None, position_b=POSITION_B)
    assert found.obstacles == ("B has no heartbeat (not running, or cut off from Redis)",)
    unready = replace(READY_B, ready=False, reasons=("no margin",))
    assert told(ready_b=unready).obstacles == ("B is not ready: no margin",)
    assert told(ready_a=None).obstacles == ("A: no heartbeat",)


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(0.4, "0 s"), (119.4, "119 s"), (300, "5 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_an_age_is_said_in_one_unit(age_s: float, text: str) -> None:
    """As a person reads it."""
    assert age_text(age_s) == text


@pytest.mark.parametrize(
    ("b_lots", "offset", "contradicted"),
    [(-100, 0, False), (-90, 0, True), (-350, -250, False), (-100, -250, True)],
)
def test_what_was_last_known_is_held_against_the_offset_of_the_configuration(
    b_lots: int, offset: int, contradicted: bool
) -> None:
    """With both down no heartbeat tells the offset."""
    position_b = replace(NEUTRAL.position_b or POSITION, position_lots=b_lots)
    snapshot = replace(NEUTRAL, ready_a=None, ready_b=None, position_b=position_b)
    found = replace(report(snapshot, SPEC, 11, 22), offset_lots=offset)
    assert found.is_contradicted is contradicted


def test_both_flat_contradicts_nothing() -> None:
    """A person's `flatten` closed the offset too."""
    flat_a, flat_b = (
        replace(one or POSITION, position_lots=0)
        for one in (NEUTRAL.position_a, NEUTRAL.position_b)
    )
    snapshot = replace(NEUTRAL, ready_a=None, ready_b=None, position_a=flat_a, position_b=flat_b)
    found = replace(report(snapshot, SPEC, 11, 22), offset_lots=-250)
    assert not found.is_contradicted


def test_what_keeps_a_side_waiting_is_in_the_headline_and_the_data() -> None:
    """A ready side may wait, too; why it is not ready is said once."""
    notices = (("refused_lately", "Lighter ended A's order: canceled-post-only"),)
    beat = replace(READY_A, acks=(("p", "pong"),), notices=notices)
    found = asked(ready_a=beat)
    assert found.headline.startswith("Neutral: ")
    assert "A: Lighter ended A's order: canceled-post-only" in found.headline
    assert found.as_json()["a"]["notices"] == dict(notices)
    assert verdict(found).code == 0


def test_a_reason_that_is_a_sentence_ends_with_one_full_stop() -> None:
    """What a side quotes of a server, or of our own advice, may end with one already."""
    notices = (("b_away", "Redis refuses us; set redis.tls in the configuration."),)
    found = asked(ready_a=replace(READY_A, acks=(("p", "pong"),), notices=notices))
    assert ".." not in found.headline


def test_what_each_round_has_for_a_moment_is_in_the_data_alone() -> None:
    """The headline has a word of its own for a fill that is not covered."""
    beat = replace(READY_A, acks=(("p", "pong"),), notices=(("not_covered", "x"),))
    assert asked(ready_a=beat).headline == asked().headline


def test_what_was_refused_is_counted_by_cause() -> None:
    """Of each side, in the data and in the lines of `status`."""
    beat = replace(READY_A, refused=(("bad_signature", 3), ("not_json", 1)))
    found = asked(ready_a=beat)
    assert found.as_json()["a"]["refused"] == {"bad_signature": 3, "not_json": 1}
    assert found.as_json()["b"]["refused"] == {}
    assert hedgectl.problem_lines(found) == ["A has refused: bad_signature 3, not_json 1"]


def test_a_side_that_is_away_is_said_by_the_other() -> None:
    """Beside the word that its own silence has."""
    notices = (("b_away", "B has not been heard for 34 s; A holds 0.0100 ETH"),)
    found = asked(ready_a=replace(READY_A, acks=(("p", "pong"),), notices=notices), ready_b=None)
    assert found.headline.startswith("UNKNOWN: ")
    assert "B has not been heard for 34 s" in found.headline


def test_a_hold_that_lasts_is_exit_code_0_and_says_so() -> None:
    """Running and neutral; that it trades nothing is in the line."""
    why = "an order of 0.0100 ETH is worth 7.5 USDC at 750; the exchange lets none rest below"
    beat = replace(
        READY_A,
        acks=(("p", "pong"),),
        ready=False,
        reasons=(why,),
        notices=(("below_minimum", why),),
    )
    found = asked(ready_a=beat)
    assert verdict(found).code == 0
    assert found.headline.count(why) == 1


@pytest.mark.parametrize(
    "gone",
    [{"ready_a": READY_A, "ready_b": READY_B}, {"ready_a": None, "ready_b": None}],
)
def test_a_redis_that_takes_no_writes_is_the_reason_and_kills_no_process(
    gone: dict[str, Any],
) -> None:
    """Both are silent since Redis does not take their heartbeats: nothing is to be killed."""
    full = "Redis at db:1/2 is full and takes no writes (OOM); raise maxmemory there."
    found = replace(asked(**gone), redis_why=full, processes=(("a", 5), ("b", 6)))
    assert found.headline.startswith("UNKNOWN: A ")
    assert "takes no writes (OOM)" in found.headline
    assert "kill" not in found.headline
    assert verdict(found).code == 5
