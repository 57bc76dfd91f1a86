"""What is available is known, or not: a frame without the number leaves no old one standing."""

from hedge.daemon.free_margin import ASK_AGAIN_MS, ASK_EVERY_MS, COUNTS_MS, FreeMargin

LAG_MS = 15_000


def test_a_frame_without_the_number_leaves_no_old_one_standing() -> None:
    """It is unknown, REST is asked at once, and an answer asked for before is none."""
    margin = FreeMargin(LAG_MS)
    margin.told(500, 1000)
    assert (margin.micros(1000), margin.asks(1000)) == (500, False)
    margin.told(None, 2000)
    assert margin.micros(2000) is None
    assert margin.asks(2000)
    margin.answered(500, 1999)
    assert margin.micros(2100) is None
    margin.answered(300, 2000)
    assert margin.micros(2100) == 300
    assert not margin.asks(60_000), "nothing has changed since"


def test_a_frame_with_the_number_ends_it() -> None:
    """A late answer does not replace what a frame has said since."""
    margin = FreeMargin(LAG_MS)
    margin.told(None, 1000)
    assert margin.is_open
    margin.told(700, 2000)
    margin.answered(300, 2000 + LAG_MS)
    assert (margin.micros(90_000), margin.is_open) == (700, False)
    margin.answered(300, 2001 + LAG_MS)
    assert margin.micros(90_000) == 300, "a frame may have been lost"


def test_questions_are_far_apart() -> None:
    """Frames come at each change of a price: no question for each of them."""
    margin = FreeMargin(LAG_MS)
    margin.told(None, 1000)
    assert margin.asks(1000)
    assert not margin.asks(999 + ASK_AGAIN_MS)
    assert margin.asks(1000 + ASK_AGAIN_MS), "no answer came"
    margin.answered(300, 1000 + ASK_AGAIN_MS)
    margin.told(None, 2500)
    assert margin.micros(2500) == 300, "the newest answer counts for a while"
    assert not margin.asks(2500)
    assert margin.asks(1000 + ASK_AGAIN_MS + ASK_EVERY_MS)
    assert margin.micros(999 + ASK_AGAIN_MS + COUNTS_MS) == 300
    assert margin.micros(1000 + ASK_AGAIN_MS + COUNTS_MS) is None


def test_an_own_trade_ends_what_an_answer_said() -> None:
    """What B hedges takes margin; with frames that say the number nothing is forgotten."""
    margin = FreeMargin(LAG_MS)
    margin.told(500, 1000)
    margin.traded()
    assert margin.micros(1000) == 500
    margin.told(None, 2000)
    margin.answered(300, 2000)
    margin.traded()
    assert margin.micros(2100) is None
    assert margin.asks(2100)
    margin.answered(200, 2100)
    assert margin.micros(2200) == 200
