"""The verdict on imagined runs: what is good passes, and each kind of wrong is found."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hedge.core import ids
from tests.chaos.court import Case, entries_of
from tests.chaos.diary import Entry
from tests.chaos.kinds import PROCESSES
from tests.chaos.logscan import Told
from tests.chaos.options import Options
from tests.chaos.report import report
from tests.chaos.schedule import Needed
from tests.chaos.verdict import Records, Verdict, judge

A, B, STRANGER = 1, 2, 9
SECOND = 1_000_000_000
NEEDED = Needed(faults=7, kills=1)
Json = dict[str, Any]


@dataclass
class Tape:
    """Writes an imagined exchange's logs; each entry is one second later."""

    trades: list[Json] = field(default_factory=list)
    orders: list[Json] = field(default_factory=list)
    seq: int = 0

    def _stamp(self) -> Json:
        self.seq += 1
        return {"seq": self.seq, "mono_ns": self.seq * SECOND}

    held: dict[int, Decimal] = field(default_factory=dict)

    def trade(self, buyer: int, seller: int, size: str) -> None:
        before = {one: self.held.get(one, Decimal(0)) for one in (buyer, seller)}
        self.held[buyer], self.held[seller] = (
            before[buyer] + Decimal(size),
            before[seller] - Decimal(size),
        )
        self.trades.append(
            {
                **self._stamp(),
                "size": size,
                "bid_account_id": buyer,
                "ask_account_id": seller,
                "bid_client_id": ids.order_id("ab12", 1),
                "ask_client_id": ids.order_id("ab12", 1),
                "is_maker_ask": True,
                "taker_position_size_before": str(before[buyer]),
                "maker_position_size_before": str(before[seller]),
            }
        )

    def order(self, account: int, nonce: int, size: str, *, is_ask: bool, **changes: Any) -> None:
        stamp = self._stamp()
        row = {
            "order_index": account * 1000 + nonce,
            "received_mono_ns": stamp["mono_ns"],
            "owner_account_index": account,
            "client_order_index": ids.order_id("ab12", nonce),
            "is_ask": is_ask,
            "initial_base_amount": size,
            "filled_base_amount": size,
            "price": "3000.00",
            "type": "limit" if account == A else "market",
            "time_in_force": "post-only" if account == A else "immediate-or-cancel",
            "reduce_only": False,
            "status": "open",
        }
        self.orders.append({**stamp, **row, **changes})
        self.orders.append({**row, **changes, **self._stamp(), "status": "filled"})

    def cycle(self, nonce: int) -> None:
        """A buys, B hedges, A sells, B hedges."""
        self.order(A, nonce, "0.0500", is_ask=False)
        self.trade(A, STRANGER, "0.0500")
        self.order(B, nonce, "0.0500", is_ask=True)
        self.trade(STRANGER, B, "0.0500")
        self.order(A, nonce + 1, "0.0500", is_ask=True)
        self.trade(STRANGER, A, "0.0500")
        self.order(B, nonce + 1, "0.0500", is_ask=False)
        self.trade(B, STRANGER, "0.0500")


def kills() -> list[Entry]:
    """All that a good run needs: one kill of each process and two more faults."""
    faults = [("kill", process) for process in PROCESSES]
    faults += [("cut", "a-redis"), ("lag", "b1-exchange")]
    return [
        Entry(float(at_s), "fault", {"kind": kind, "target": target, "lasts_s": 1.0})
        for at_s, (kind, target) in enumerate(faults)
    ]


def judged(tape: Tape, *entries: Entry, told: Told | None = None) -> Verdict:
    return judge(
        Records(
            trades=tape.trades,
            orders=tape.orders,
            entries=[*kills(), *entries],
            told=told or Told(),
            needed=NEEDED,
            account_a=A,
            account_b=B,
        )
    )


def rules(verdict: Verdict) -> set[str]:
    return {finding.rule for finding in verdict.findings}


def good() -> Tape:
    tape = Tape()
    tape.cycle(1)
    tape.cycle(3)
    return tape


def test_a_good_run_passes() -> None:
    """Every fill hedged, enough faults, nothing to find."""
    verdict = judged(good())
    assert verdict.findings == ()
    assert (verdict.fills, verdict.audit.prefixes) == (4, 8)


def test_unhedged_time_is_measured_from_the_trades() -> None:
    """The longest spell, the largest amount, and amount times seconds."""
    measured = judged(good()).exposure
    assert (measured.longest_s, measured.largest_lots, measured.times) == (3.0, 500, 4)
    assert measured.lot_seconds == pytest.approx(4 * 3.0 * 500)


def test_an_unhedged_fill_at_the_end_breaks_i1() -> None:
    """The positions must cancel out once all is quiet."""
    tape = good()
    tape.order(A, 9, "0.0500", is_ask=False)
    tape.trade(A, STRANGER, "0.0500")
    assert rules(judged(tape)) == {"I1"}


def test_a_doubled_hedge_breaks_i2_and_i4() -> None:
    """B sold what it had sold already; the second order was not owed."""
    tape = good()
    tape.order(A, 9, "0.0500", is_ask=False)
    tape.trade(A, STRANGER, "0.0500")
    for nonce in (9, 10):
        tape.order(B, nonce, "0.0500", is_ask=True)
        tape.trade(STRANGER, B, "0.0500")
    assert rules(judged(tape)) == {"I1", "I2", "I4"}


def test_an_order_of_a_before_the_hedge_breaks_i3() -> None:
    """A rested its next order while a fill was uncovered."""
    tape = good()
    tape.order(A, 9, "0.0500", is_ask=False)
    tape.trade(A, STRANGER, "0.0500")
    tape.order(A, 10, "0.0500", is_ask=True)
    tape.order(B, 9, "0.0500", is_ask=True)
    tape.trade(STRANGER, B, "0.0500")
    assert rules(judged(tape)) == {"I3"}


def test_a_that_takes_a_position_for_flat_breaks_i4() -> None:
    """A holds and is covered, and opens once more as if it held nothing."""
    tape = good()
    tape.order(A, 9, "0.0500", is_ask=False)
    tape.trade(A, STRANGER, "0.0500")
    tape.order(B, 9, "0.0500", is_ask=True)
    tape.trade(STRANGER, B, "0.0500")
    tape.order(A, 11, "0.0500", is_ask=False, filled_base_amount="0.0000")
    verdict = judged(tape)
    assert rules(verdict) == {"I4"}
    assert "A opened 500 while it held 500" in str(verdict.audit.of("I4")[0])


def test_an_unfilled_order_of_b_that_was_not_owed_breaks_i4() -> None:
    """What B believed counts, not only what executed."""
    tape = good()
    tape.order(B, 9, "0.0500", is_ask=True, filled_base_amount="0.0000")
    assert rules(judged(tape)) == {"I4"}


def test_b_may_send_what_was_owed_when_it_decided() -> None:
    """A person trades A's account while B's order is on its way; B answers that next."""
    tape = good()
    tape.trade(A, STRANGER, "0.0500")
    tape.trade(STRANGER, A, "0.0341")
    tape.order(B, 9, "0.0500", is_ask=True)
    tape.trade(STRANGER, B, "0.0500")
    tape.order(B, 10, "0.0341", is_ask=False)
    tape.trade(B, STRANGER, "0.0341")
    assert judged(tape).audit.of("I4") == ()


def test_what_was_owed_before_its_own_trade_is_no_excuse_for_b() -> None:
    """The same order once more, with nothing new of A, is a second hedge."""
    tape = good()
    tape.trade(A, STRANGER, "0.0500")
    tape.trade(STRANGER, B, "0.0500")
    tape.order(B, 9, "0.0500", is_ask=True, filled_base_amount="0.0000")
    verdict = judged(tape)
    assert "B sent -500 while +0 was owed" in str(verdict.audit.of("I4")[0])


@pytest.mark.parametrize(
    ("reason", "cause", "allowed"),
    [
        ("max_retries_exceeded", "x-no_liquidity", True),
        ("max_retries_exceeded", "kill", False),
        ("foreign_trade_on_a", "x-foreign_trade", True),
        ("book_not_proven", "x-no_liquidity", False),
        ("force_close_timeout", "kill", False),
    ],
)
def test_a_halt_is_allowed_by_its_cause(reason: str, cause: str, allowed: bool) -> None:
    """A halt that section 8 does not name after these faults is a failure to recover."""
    fault = Entry(20.0, "fault", {"kind": cause, "target": "b", "lasts_s": 3.0})
    halt = Entry(25.0, "halt", {"id": "b-1", "side": "b", "reason": reason, "detail": ""})
    verdict = judged(good(), fault, halt)
    assert rules(verdict) == (set() if allowed else {"halt"})
    assert verdict.halts == ((reason, allowed, 1),)


def test_resumptions_are_counted_when_they_worked() -> None:
    """A refused `resume` is none; one by force is told apart."""
    entries = [
        Entry(30.0, "resume", {"id": "b-1", "forced": forced, "code": code})
        for forced, code in ((False, 5), (False, 0), (True, 5), (True, 0), (True, 0))
    ]
    assert judged(good(), *entries).resumed == {"plainly": 1, "by force": 2}


def test_a_halt_long_after_its_cause_is_not_allowed() -> None:
    """A fault explains only what follows it closely."""
    fault = Entry(20.0, "fault", {"kind": "x-no_liquidity", "target": "b", "lasts_s": 3.0})
    halt = Entry(90.0, "halt", {"id": "b-1", "reason": "max_retries_exceeded"})
    assert rules(judged(good(), fault, halt)) == {"halt"}


@pytest.mark.parametrize("is_hedged_before", [True, False])
def test_an_end_that_is_called_neutral_beside_an_open_fill_fails_the_run(
    *, is_hedged_before: bool
) -> None:
    """Whoever says it, and whatever was known of such ends once; a later hedge heals no word."""
    tape = good()
    tape.order(A, 5, "0.0500", is_ask=False)
    tape.trade(A, STRANGER, "0.0500")
    if not is_hedged_before:
        tape.seq += 60
    ended_s = float(tape.seq - 10)
    tape.order(B, 5, "0.0500", is_ask=True)
    tape.trade(STRANGER, B, "0.0500")
    if is_hedged_before:
        ended_s = float(tape.seq + 10)
    ended = Entry(ended_s, "ended", {"process": "b1", "code": 0, "lived_s": 3.0}, ended_s)
    assert rules(judged(tape, ended)) == (set() if is_hedged_before else {"said"})


@pytest.mark.parametrize(
    ("process", "code", "wrong"),
    [("b1", 1, True), ("a", 4, True), ("a", 3, False), ("b2", -9, False), ("exchange", 1, True)],
)
def test_exit_codes_are_judged(process: str, code: int, wrong: bool) -> None:
    """Killed, cut off at its start, stopped: by design; a bug is not."""
    ended = Entry(20.0, "ended", {"process": process, "code": code, "lived_s": 3.0})
    assert rules(judged(good(), ended)) == ({"exit code"} if wrong else set())


def test_what_was_not_reached_fails_the_run() -> None:
    """A pair that does not come to rest, or does not trade again, has not recovered."""
    entry = Entry(60.0, "failed", {"why": "quiet: not within 60 s"})
    assert rules(judged(good(), entry)) == {"recovery"}


def test_too_few_faults_or_kills_fail_the_run() -> None:
    """A storm that did not happen proves nothing."""
    tape = good()
    verdict = judge(
        Records(tape.trades, tape.orders, kills()[1:], Told(), NEEDED, account_a=A, account_b=B)
    )
    assert [finding.text for finding in verdict.findings] == [
        "6 faults of 7",
        "0 kills of redis, 1 are needed",
    ]


def test_the_report_is_short_and_says_it_all() -> None:
    """A few lines a pair, with the verdict, the first offence, and how to replay."""
    tape = good()
    tape.order(B, 9, "0.0500", is_ask=True)
    tape.trade(STRANGER, B, "0.0500")
    ended = [
        Entry(20.0, "ended", {"process": name, "code": code, "lived_s": 3.0})
        for code, name in enumerate(PROCESSES, start=10)
    ]
    verdict = judged(tape, *ended)
    case = Case("one", verdict, Told(), NEEDED, Counter({26: 2}), verdict.findings)
    code, lines = report([case], [*kills(), *ended], Options(0.5, 7, Path("run/chaos/7")))
    text = "\n".join(lines)
    assert (code, len(lines) <= 30) == (1, True)
    assert lines[0] == "CHAOS seed=7 minutes=0.5 faults=calm: FAILED"
    assert lines[-1] == "replay      make chaos MINUTES=0.5 SEED=7 FAULTS=calm"
    assert "I2 never twice 9 prefixes: BROKEN 1 times, first: trade" in text
    assert "known to break counterexample 26: 2" in text


def test_a_run_whose_findings_are_all_known_passes() -> None:
    """The exit code is 0 when nothing new was found, and what was expected is counted."""
    case = Case("one", judged(good()), Told(), NEEDED, Counter({24: 1}), ())
    code, lines = report([case], kills(), Options(0.5, 7, Path("x"), "all"))
    assert code == 0
    assert lines[0].endswith("faults=all: PASSED")
    assert lines[-1].endswith("SEED=7")


def test_each_pair_is_judged_by_its_own_entries() -> None:
    """Faults concern both pairs; lives, commands and words only the one whose they are."""
    entries = [
        Entry(1.0, "fault", {"kind": "hold", "target": "a-redis", "lasts_s": 1.0}),
        Entry(2.0, "ended", {"process": "two-b", "code": None}),
        Entry(2.0, "ended", {"process": "b1", "code": 0}),
        Entry(3.0, "ended", {"process": "two", "code": 0}),
        Entry(4.0, "said", {"who": "launcher", "pair": "two", "claim": "LAUNCHER_CODE_0"}),
    ]
    one, two = entries_of("one", entries), entries_of("two", entries)
    assert [entry.fields.get("process") for entry in one] == [None, "b1"]
    assert [entry.fields.get("process") for entry in two] == [None, "b", "launcher", None]
