"""What excuses an honest pair excuses no loss: each history beside an excuse, and its honest twin.

In each a trader is naked, hedged twice or told what is not so, by as little as can be.
"""

import pytest

from tests.judge.claims import CLAIMS
from tests.judge.facts import Adopted, Claim, FalseRow, HandPublished
from tests.judge.promises import WARNING_OF_B
from tests.unit.judge.tape import IOC, A, B, Tape, cid

TWICE = ("I2", "twice")
BELIEF = ("I4", "belief")
UNSAID = ("hold", "unsaid")
STATUS = [claim for claim, rule in CLAIMS.items() if rule.by_heartbeats]
ENDS = [claim for claim, rule in CLAIMS.items() if rule.nothing_rests]
ALONE = [claim for claim, rule in CLAIMS.items() if rule.nothing_in_flight and rule.excuse]


def said(tape: Tape) -> list[str]:
    """Return what was said and was not so."""
    return [kind for promise, kind in tape.broken() if promise == "said"]


def closed_by_a(seconds: float) -> Tape:
    """A's fill of 500 was never hedged; A closed it itself, and halted; so much time passes."""
    tape = Tape()
    tape.fill(1, 500)
    tape.order(A, 2, -500, time_in_force=IOC, reduce_only=True)
    tape.trade(a_lots=-500)
    tape.end(2, 500)
    tape.pass_s(seconds)
    return tape


@pytest.mark.parametrize(
    ("seconds", "told_s", "good"),
    [
        (600.0, None, False),  # a B that woke up sells 500 for a debt that was gone long ago
        (600.0, 600.0, False),
        (600.0, 3.5, True),  # nothing could tell it of the closing
        (30.0, None, True),  # its live socket may have lost it
        (30.0, 30.0, False),
    ],
)
def test_a_debt_that_was_gone_long_ago_is_owed_no_more(
    seconds: float, told_s: float | None, good: bool
) -> None:
    """No order of A came since, so no neutral moment says so: B is naked until it is undone."""
    tape = closed_by_a(seconds)
    tape.order(B, 3, -500, told_s=told_s)
    tape.trade(b_lots=-500)
    tape.end(3, 500)
    tape.pass_s(600)
    tape.hedge(4, 500)
    assert (BELIEF not in tape.broken()) is good


@pytest.mark.parametrize(("lots", "good"), [(400, True), (401, False)])
def test_a_debt_that_lasts_may_be_hedged_however_old_it_is(lots: int, good: bool) -> None:
    """B was cut off for an hour; what it owes then is what it owed all the time."""
    tape = Tape()
    tape.fill(1, 400)
    tape.pass_s(3600)
    tape.hedge(2, -lots)
    assert (BELIEF not in tape.broken()) is good


@pytest.mark.parametrize("claim", ENDS)
@pytest.mark.parametrize(("account", "kind"), [(A, "resting"), (B, "in flight")])
def test_both_flat_by_order_is_no_end_while_an_order_can_trade(
    claim: Claim, account: int, kind: str
) -> None:
    """A person ordered both to be closed; what rests or is on its way opens them again."""
    tape = Tape(offset_lots=30)
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 30, "closes"))
    tape.hedge(1, -30)
    tape.order(account, 2, 100)
    tape.pass_s(60)
    tape.say(claim)
    assert said(tape) == [f"{claim.name.lower()}: {kind}"]


@pytest.mark.parametrize("claim", ENDS)
def test_both_flat_by_order_is_an_end_once_nothing_can_trade(claim: Claim) -> None:
    """The order has ended, and nothing was filled."""
    tape = Tape(offset_lots=30)
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 30, "closes"))
    tape.hedge(1, -30)
    tape.order(A, 2, 100)
    tape.end(2)
    tape.pass_s(60)
    tape.say(claim)
    assert said(tape) == []


@pytest.mark.parametrize("claim", ALONE)
@pytest.mark.parametrize("seconds", [6.0, 30.0])
def test_no_blindness_hides_an_order_of_ones_own(claim: Claim, seconds: float) -> None:
    """B signed it half a minute ago, and its answer is lost: it may execute."""
    tape = Tape()
    tape.cycle(1)
    known_s = tape.now_s
    tape.order(B, 11, 100, signed_s=tape.pass_s())
    tape.pass_s(seconds)
    tape.say(claim, known_s=known_s)
    assert said(tape) == [f"{claim.name.lower()}: in flight"]
    tape.end(11)
    tape.notes.said.clear()
    tape.say(claim, known_s=known_s)
    assert said(tape) == []


@pytest.mark.parametrize("is_neutral_since", [True, False])
def test_what_rest_never_shows_excuses_no_later_round(*, is_neutral_since: bool) -> None:
    """The exchange read one order of B as larger; a double hedge of a later round is ours."""
    tape = Tape()
    tape.fill(1, 100)
    tape.notes.false_rows.append(FalseRow(tape.now_s, 300))
    if is_neutral_since:
        tape.hedge(2, -100)
        tape.fill(3, 100)
    tape.pass_s(3600)
    tape.order(B, 4, -100)
    tape.trade(b_lots=-400)
    tape.end(4, 400)
    assert (TWICE in tape.broken()) is is_neutral_since


def test_what_a_person_adopts_ends_what_rest_never_shows() -> None:
    """A resumption by force takes what stands there for right: no debt and no excuse is left."""
    tape = Tape()
    tape.notes.false_rows.append(FalseRow(tape.now_s, 300))
    tape.hedge(1, -300)
    assert TWICE not in tape.broken()
    tape.notes.adopted.append(Adopted(tape.pass_s()))
    tape.hedge(2, 300)
    assert TWICE not in tape.broken()
    tape.hedge(3, -300)
    assert TWICE in tape.broken()


@pytest.mark.parametrize(
    ("where", "until_s", "good"),
    [
        (WARNING_OF_B, None, False),  # one line, and then an hour of silence
        ("heartbeat", 90.0, False),
        ("heartbeat", 3600.0, True),
    ],
)
def test_one_line_is_no_word_for_an_hour(where: str, until_s: float | None, good: bool) -> None:
    """B runs beside an open fill; what it showed at its beginning can be seen no more."""
    tape = Tape(unsaid_s=20.0, quiet_s=60.0, acts_s=float("inf"))
    tape.notes.runs(0.0, "B", "b")
    tape.fill(1, 100)
    if until_s is None:
        tape.notes.showed(tape.now_s, "b", where, "watch_down")
    else:
        tape.notes.shows(tape.now_s, "B", "b", where, "no market data")
        tape.pass_s(until_s)
        tape.notes.shows(tape.now_s, "B", "b", where, "")
        tape.now_s -= until_s
    tape.pass_s(3600)
    tape.hedge(2, -100)
    assert tape.broken() == ([] if good else [UNSAID])


@pytest.mark.parametrize(
    ("hedged", "closes_s", "good"),
    [
        (100, None, True),
        (100, 3600.0, True),
        (100, 1800.0, False),  # what it left is drift from then on
        (130, None, False),  # a fill of A's is open beside it
        (0, None, False),  # B has not followed
    ],
)
def test_what_a_person_published_is_no_open_fill(
    hedged: int, closes_s: float | None, *, good: bool
) -> None:
    """B follows it and says so once; a Redis that takes nothing shows nothing of it after that."""
    tape = Tape(unsaid_s=20.0, quiet_s=60.0)
    tape.notes.runs(0.0, "B", "b")
    tape.cycle(1)
    tape.notes.by_hand.append(HandPublished(tape.pass_s(), 100, "by hand"))
    if hedged:
        tape.hedge(5, -hedged)
    else:
        tape.fill(5, -50)
    if closes_s is not None:
        closed = HandPublished(tape.now_s + closes_s, -100, "forgotten", forgets=True)
        tape.notes.by_hand.append(closed)
    tape.pass_s(3600)
    assert (UNSAID not in tape.broken()) is good


@pytest.mark.parametrize(("seconds", "good"), [(0.5, True), (3.0, False)])
def test_a_freeze_excuses_the_turn_that_it_fell_into(seconds: float, good: bool) -> None:
    """What A was told an hour ago is checked again before the next order."""
    tape = Tape(told_s=4.0)
    tape.pass_s(3600)
    tape.decide(told_s=1.0, thawed_s=tape.now_s + 1.0 - seconds)
    assert tape.broken() == ([] if good else [("I3", "stale")])


@pytest.mark.parametrize("claim", STATUS)
@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(
    ("seconds", "is_alive", "good"),
    [(9.0, True, True), (16.0, True, False), (16.0, False, True), (26.0, False, False)],
)
def test_a_living_process_shows_what_a_person_trades_on_its_account(
    claim: Claim, side: str, seconds: float, is_alive: bool, good: bool
) -> None:
    """Its heartbeat tells the position; only an ended one leaves it to the exchange to tell."""
    tape = Tape(stranger_s=25.0, answer_s=4.5)
    tape.notes.runs(0.0, "A", "a")
    tape.notes.runs(0.0, "B", "b")
    tape.cycle(1)
    tape.pass_s(60)
    if not is_alive:
        tape.notes.rests(tape.now_s, side.upper())
    tape.trade(**{f"{side}_lots": 50, f"foreign_{side}": True})
    tape.pass_s(seconds - 1)
    tape.say(claim, "hedgectl", a_lots=0, b_lots=0)
    name = claim.name.lower()
    assert said(tape) == ([] if good else [f"{name}: open", f"{name}: positions"])


@pytest.mark.parametrize(("lots", "good"), [(100, True), (101, False), (1000, False)])
def test_many_false_rows_make_no_large_belief(lots: int, good: bool) -> None:
    """Ten rows within a minute, each false by 100: what is more than one of them is ours."""
    tape = Tape()
    for number in range(10):
        tape.notes.false_rows.append(FalseRow(tape.now_s + number / 10, 100, tape.now_s))
    tape.pass_s()
    tape.hedge(1, -lots)
    tape.hedge(2, lots)
    assert (BELIEF not in tape.broken()) is good


@pytest.mark.parametrize(("lots", "good"), [(100, True), (101, False)])
def test_many_false_rows_excuse_no_large_gap_in_a_ledger(lots: int, good: bool) -> None:
    """B says that nothing is owed, and A is naked by more than one row was false."""
    tape = Tape()
    tape.fill(1, lots)
    for number in range(10):
        tape.notes.false_rows.append(FalseRow(tape.now_s + number / 10, 100, tape.now_s))
    tape.pass_s(5)
    tape.say(Claim.LEDGER)
    assert said(tape) == ([] if good else ["ledger: open"])


@pytest.mark.parametrize(
    ("open_lots", "closed_lots", "good"),
    [
        (0, 1, False),  # hedged, and then naked by one
        (2, 2, True),  # within the judge's dust, and open all the same: A + B is 0 after it
        (2, 3, False),
        (-2, 2, False),  # B sold too much already: that makes it more
        (40, 40, True),
        (40, 41, False),  # what is open beside it is no leave to close what is covered
    ],
)
@pytest.mark.parametrize("way", [1, -1])
def test_a_closes_what_is_open_and_nothing_that_is_covered_beside_a_b_that_cannot_follow(
    open_lots: int, closed_lots: int, way: int, *, good: bool
) -> None:
    """A holds 100 (or is short of them), of which B has hedged all but so much."""
    tape = Tape(dust_lots=9)
    tape.fill(1, way * 100)
    tape.hedge(2, -way * (100 - open_lots))
    tape.decide(client_order_index=cid(3), b_ready=False, closes=True)
    tape.order(A, 3, -way * closed_lots, time_in_force=IOC, reduce_only=True)
    tape.trade(a_lots=-way * closed_lots)
    tape.end(3, closed_lots)
    assert (("I1", "made naked") not in tape.broken()) is good


@pytest.mark.parametrize(("lots", "good"), [(49, True), (48, False)])
def test_a_closes_what_the_exchange_made_of_its_order(lots: int, *, good: bool) -> None:
    """The market's decimals changed: an order over what is open is read as ten times as large."""
    tape = Tape(dust_lots=9)
    tape.fill(1, 100)
    tape.hedge(2, -49)
    tape.notes.false_rows.append(FalseRow(tape.pass_s(), lots))
    tape.decide(client_order_index=cid(3), b_ready=False, closes=True)
    tape.order(A, 3, -100, time_in_force=IOC, reduce_only=True)
    tape.trade(a_lots=-100)
    tape.end(3, 100)
    assert (("I1", "made naked") not in tape.broken()) is good


@pytest.mark.parametrize(
    ("deaf_s", "good"), [(0.0, False), (4.0, False), (7.5, True), (9.0, False)]
)
def test_a_deaf_b_does_not_know_of_a_strangers_trade(deaf_s: float, *, good: bool) -> None:
    """It may be deaf for so long and say ready; for longer that is another broken promise."""
    tape = Tape(deaf_b_s=8.0, beat_s=0.5)
    tape.cycle(1)
    tape.trade(b_lots=50, foreign_b=True)
    tape.pass_s(5)
    tape.decide(client_order_index=cid(9), deaf_s=deaf_s)
    tape.order(A, 9, 100)
    assert ([one for one, _ in tape.broken() if one == "I3"] == []) is good


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize(
    ("hedged", "stranger_s", "good"),
    [
        (50, None, True),
        (49, None, False),
        (0, None, False),
        (0, 0.0, False),  # a stranger's trade of just now is another matter
        (50, 0.0, True),  # B has followed, and the stranger's trade is not heard of yet
        (50, 60.0, False),
    ],
)
def test_a_closes_nothing_more_before_b_has_followed(
    hedged: int, stranger_s: float | None, *, way: int, good: bool
) -> None:
    """A person orders both to be closed; A has closed 50 of 100, and B says that it is ready."""
    tape = Tape(own_s=1.0)
    tape.fill(1, way * 100)
    tape.hedge(2, -way * 100)
    tape.decide(client_order_index=cid(3), closes=True)
    tape.order(A, 3, -way * 50, time_in_force=IOC, reduce_only=True)
    tape.trade(a_lots=-way * 50)
    tape.end(3, 50)
    if hedged:
        tape.hedge(4, way * hedged)
    if stranger_s is not None:
        tape.trade(b_lots=-way * 7, foreign_b=True)
        tape.pass_s(stranger_s)
    tape.decide(client_order_index=cid(5), closes=True)
    tape.order(A, 5, -way * 50, time_in_force=IOC, reduce_only=True)
    tape.trade(a_lots=-way * 50)
    tape.end(5, 50)
    assert (("I1", "closed on") not in tape.broken()) is good
