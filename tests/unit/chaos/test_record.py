"""A chaos run becomes the judge's facts: diary and logs on one clock, words by who said them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.diary import Entry
from tests.chaos.logscan import parse
from tests.chaos.record import Kept, record_of
from tests.judge.audit import judge
from tests.judge.facts import ORDER_TAG, TAG_SHIFT, Claim, Leg, Life
from tests.pair_audit import Json

A, B = 101, 102
WALL_S = 1_795_000_000.0
"""2026-11-18 11:06:40 UTC."""


def entry(mono_s: float, what: str, **fields: object) -> Entry:
    return Entry(0.0, what, dict(fields), mono_s)


def kept(
    entries: list[Entry], *, trades: Sequence[Json] = (), orders: Sequence[Json] = (), **logs: str
) -> Kept:
    lines = [line for daemon, text in logs.items() for line in parse(daemon, text)]
    return Kept(trades, orders, entries, lines, WALL_S, {"b2": 60.0})


def logged(*lines: tuple[float, str], level: str = "INFO") -> str:
    """Return a log of lines at so many seconds of the run."""
    return "".join(
        f"2026-11-18 11:06:{40 + at_s:06.3f}+0000 [{level}] {text}\n" for at_s, text in lines
    )


def test_lives_and_exit_codes_come_from_the_diary() -> None:
    """A killed process says nothing; one that is up at the end has no end."""
    entries = [
        entry(1.0, "started", process="a", pid=1),
        entry(1.0, "started", process="redis", pid=2),
        entry(5.0, "ended", process="a", code=-9),
        entry(6.0, "started", process="a", pid=3),
        entry(7.0, "ended", process="a", code=0),
        entry(8.0, "started", process="b1", pid=4),
    ]
    record = record_of(kept(entries), A, B)
    assert set(record.lives) == {
        Life(1.0, 5.0, "a", "a"),
        Life(6.0, 7.0, "a", "a"),
        Life(8.0, None, "b1", "b"),
    }
    assert [(one.at_s, one.claim, one.code) for one in record.said] == [
        (7.0, Claim.DAEMON_CODE_0, 0)
    ]
    assert record.end_s == 8.0


def test_words_come_from_the_logs_on_the_runs_clock() -> None:
    """Whatever the zone of a log, and however far its host's clock is ahead."""
    record = record_of(
        kept(
            [],
            a='2026-11-18 19:06:50.500+0800 [INFO] covered detail="B covers 0.0400"\n',
            b1="2026-11-18 11:06:51.000+0000 [INFO] state was=idle now=stopping on=StopRequested\n"
            "2026-11-18 11:06:51.250+0000 [INFO] stopped neutral=true\n",
            b2="2026-11-18 11:07:52.000+0000 [INFO] stopped neutral=false\n"
            "2026-11-18 11:07:53.000+0000 [WARNING] drift_hedged detail=x\n",
        ),
        A,
        B,
    )
    assert [(one.at_s, one.who, one.claim, one.a_lots) for one in record.said] == [
        (10.5, "a", Claim.A_COVERED, 400),
        (11.25, "b1", Claim.DAEMON_STOPPED, None),
    ]
    assert [one.at_s for one in record.adopted] == [13.0]


def test_the_end_of_a_standby_says_nothing() -> None:
    """Another one leads; a later life of the same process may lead itself."""
    log = (
        "2026-11-18 11:06:51.000+0000 [INFO] state was=standby now=stopping on=StopRequested\n"
        "2026-11-18 11:06:51.250+0000 [INFO] stopped neutral=true\n"
        "2026-11-18 11:06:59.000+0000 [INFO] state was=idle now=stopping on=StopRequested\n"
    )
    entries = [
        entry(11.5, "ended", process="b1", code=0),
        entry(20.0, "ended", process="b1", code=0),
    ]
    record = record_of(kept(entries, b1=log), A, B)
    assert [(one.at_s, one.claim) for one in record.said] == [(20.0, Claim.DAEMON_CODE_0)]


def test_faults_that_overlap_excuse_what_is_said_in_them() -> None:
    """From the first one's beginning, and a moment after the last one."""
    entries = [
        entry(8.0, "fault", kind="stop", target="a", lasts_s=3.0),
        entry(12.0, "fault", kind="hole", target="b1-redis", lasts_s=1.0),
    ]
    log = "".join(
        f'2026-11-18 11:06:{40 + second}.000+0000 [INFO] covered detail="B covers 0.0"\n'
        for second in (2, 13, 19)
    )
    record = record_of(kept(entries, a=log), A, B)
    assert [one.known_s for one in record.said] == [2.0, 5.0, 19.0]


def test_reasons_last_until_the_next_order() -> None:
    """`waiting` says why; a warning is one moment."""
    record = record_of(
        kept(
            [],
            a="2026-11-18 11:06:41.000+0000 [INFO] waiting reason=x\n"
            "2026-11-18 11:06:43.000+0000 [INFO] place side=buy\n"
            "2026-11-18 11:06:44.000+0000 [WARNING] redis_down reason=y\n",
        ),
        A,
        B,
    )
    assert [(one.start_s, one.end_s, one.reason) for one in record.shown] == [
        (1.0, 3.0, "x"),
        (4.0, 4.0, "redis_down"),
    ]


def test_what_people_resume_and_hear_is_noted() -> None:
    """A forced resumption adopts; a refused one does nothing; a saying is judged like any other."""
    entries = [
        entry(1.0, "resume", id="h-1", forced=True, code=5),
        entry(2.0, "resume", id="h-1", forced=True, code=0),
        entry(3.0, "said", who="hedgectl", claim="STATUS_CODE_0", code=0, text="Neutral"),
    ]
    record = record_of(kept(entries), A, B)
    assert [one.at_s for one in record.adopted] == [2.0]
    assert [(one.who, one.claim, one.text) for one in record.said] == [
        ("hedgectl", Claim.STATUS_CODE_0, "Neutral")
    ]


READY, NOT_READY = 'b_ready reasons=""', "b_not_ready reasons=stopping"
HALT = "HALT reason=operator detail=x"
RELEASED = "released id=h-1 reason=operator forced=false"
NOBODY_RUNS: list[Entry] = []
B_RUNS = [entry(0.0, "started", process="b1", pid=1)]
B_DIED = [*B_RUNS, entry(2.0, "ended", process="b1", code=-9)]


@pytest.mark.parametrize(
    ("lines", "entries", "kind"),
    [
        ([(1.0, READY)], NOBODY_RUNS, None),
        ([], NOBODY_RUNS, "B never seen"),
        ([(1.0, READY), (2.0, NOT_READY)], NOBODY_RUNS, "B not ready"),
        ([(1.0, READY), (17.99, NOT_READY)], NOBODY_RUNS, None),  # in the very turn
        ([(1.0, NOT_READY), (17.99, READY)], NOBODY_RUNS, None),
        ([(1.0, READY), (2.0, HALT)], NOBODY_RUNS, "halted"),
        ([(1.0, READY), (2.0, HALT), (3.0, RELEASED)], NOBODY_RUNS, None),
        ([(1.0, READY), (17.99, HALT)], NOBODY_RUNS, None),
        ([(1.0, READY)], [entry(5.0, "started", process="a", pid=1)], "B never seen"),
        ([(1.0, READY)], B_RUNS, None),
        ([(1.0, READY)], B_DIED, "B is dead"),
    ],
)
def test_what_a_decides_on_is_what_its_log_had_told(
    lines: list[tuple[float, str]], entries: list[Entry], kind: str | None
) -> None:
    """B's readiness and the halts, since its process began; and whether a B lives at all."""
    place = (18.0, "place side=buy size=0.0100 price=2999.00 nonce=7 closing=false")
    record = record_of(kept(entries, a=logged(*lines, place)), A, B)
    found = [one.kind for one in judge(record).of("I3")]
    assert found == ([kind] if kind else [])


@pytest.mark.parametrize("is_ready", [True, False])
def test_an_order_that_closes_is_known_by_its_nonce(*, is_ready: bool) -> None:
    """A closes 100 that B covers: made naked, where B was said not to be ready."""
    cid = (ORDER_TAG << TAG_SHIFT) | 7
    order = {
        "order_index": 1,
        "owner_account_index": A,
        "client_order_index": cid,
        "is_ask": True,
        "initial_base_amount": "0.0100",
        "filled_base_amount": "0.0100",
        "price": "2999.00",
        "type": "market",
        "time_in_force": "immediate-or-cancel",
        "reduce_only": True,
        "status": "filled",
        "seq": 1,
        "mono_ns": 3_000_000_000,
        "received_mono_ns": 2_900_000_000,
    }
    lines = [(1.0, READY if is_ready else NOT_READY)]
    place = (2.5, "place side=sell size=0.0100 price=2819.00 nonce=7 closing=true")
    record = record_of(kept([], orders=[order], a=logged(*lines, place)), A, B)
    (decision,) = record.decisions
    assert (decision.client_order_index, decision.closes) == (cid, True)
    found = {one.kind for one in judge(record).of("I1")}
    assert ("made naked" in found) is not is_ready


@pytest.mark.parametrize(("text", "good"), [("", False), ("a_away detail=x", True)])
def test_a_b_that_says_nothing_beside_an_open_fill_is_found(text: str, *, good: bool) -> None:
    """By its log: a warning is something, an hour of INFO is nothing."""
    trade = {
        "seq": 1,
        "mono_ns": 1_000_000_000,
        "size": "0.0100",
        "bid_account_id": A,
        "ask_account_id": 9,
        "bid_client_id": (ORDER_TAG << TAG_SHIFT) | 7,
        "ask_client_id": 5,
        "is_maker_ask": True,
        "taker_position_size_before": "0.0000",
        "maker_position_size_before": "0.0000",
    }
    entries = [*B_RUNS, entry(40.0, "step", step="over")]
    log = logged((12.0, text), level="WARNING") if text else logged((2.0, "heard side=buy"))
    found = judge(record_of(kept(entries, trades=[trade], b1=log), A, B)).of("hold")
    assert [one.kind for one in found] == ([] if good else ["unsaid"])


@pytest.mark.parametrize("is_hindered", [True, False])
def test_a_debt_that_lasts_beside_no_fault_is_found(*, is_hindered: bool) -> None:
    """Faults excuse it while they last; a halt that stops nobody does not."""
    entries = [*B_RUNS, entry(2.0, "halt", id="h-1", reason="not_enough_margin")]
    entries += [
        entry(290.0, "fault", kind="hold", target="b1-exchange", lasts_s=285.0)
    ] * is_hindered
    entries.append(entry(300.0, "step", step="over"))
    record = record_of(kept(entries), A, B)
    leg = Leg(1, 1, 1.0, 100, 0)
    found = {one.kind for one in judge(replace(record, legs=(leg,))).of("I1")}
    assert ("nobody acted" in found) is not is_hindered
