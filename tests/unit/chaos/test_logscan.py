"""What is counted in the daemons' logs."""

from tests.chaos.logscan import parse, tell

A = """\
2026-11-20 12:00:00.100+0800 [INFO] start version=0.1.0 instance=aa
2026-11-20 12:00:00.200+0800 [INFO] lease_taken took_over=false
2026-11-20 12:00:01.000+0800 [INFO] fence passed next_nonce=3 rows=2
"""
B1 = """\
2026-11-20 12:00:00.300+0800 [INFO] lease_taken took_over=false
2026-11-20 12:00:02.000+0800 [WARNING] no answer nonce=7 hash=ab reason=too late
2026-11-20 12:00:09.000+0800 [INFO] lease_taken took_over=false
"""
B2 = """\
2026-11-20 12:00:05.000+0800 [INFO] lease_taken took_over=false
2026-11-20 12:00:05.500+0800 [WARNING] drift_hedged detail="0.5 ETH is owed"
2026-11-20 12:00:06.000+0800 [ERROR] bug
Traceback (most recent call last):
ValueError: x
"""


def test_resends_fences_and_take_overs_are_counted() -> None:
    """A take-over is a lease in the hands of the other B; A's own lease is none."""
    told = tell([*parse("a", A), *parse("b1", B1), *parse("b2", B2)])
    assert (told.resends, told.fences, told.take_overs) == (1, 1, 2)


def test_bugs_and_drifts_are_kept_with_their_daemon() -> None:
    """What must not happen is shown with where it happened."""
    told = tell(parse("b2", B2))
    assert len(told.bugs) == 1
    assert told.bugs[0].startswith("b2 bug")
    assert len(told.drifts) == 1


def test_fields_of_a_line_are_read() -> None:
    """Quoted values stay whole."""
    line = parse("b2", B2)[1]
    assert line.event == "drift_hedged"
    assert line.fields == {"detail": '"0.5 ETH is owed"'}
