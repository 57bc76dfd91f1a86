"""A chaos run becomes the judge's facts: diary and logs on one clock, words by who said them."""

from tests.chaos.diary import Entry
from tests.chaos.logscan import parse
from tests.chaos.record import Kept, record_of
from tests.judge.facts import Claim, Life

A, B = 101, 102
WALL_S = 1_795_000_000.0
"""2026-11-18 11:06:40 UTC."""


def entry(mono_s: float, what: str, **fields: object) -> Entry:
    return Entry(0.0, what, dict(fields), mono_s)


def kept(entries: list[Entry], **logs: str) -> Kept:
    lines = [line for daemon, text in logs.items() for line in parse(daemon, text)]
    return Kept([], [], entries, lines, WALL_S, {"b2": 60.0})


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
