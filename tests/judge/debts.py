"""I1 while it lasts: no spell in which the pair is naked goes on where somebody could end it."""

from collections.abc import Iterable, Iterator

from tests.judge.facts import Hindered, Hindrance, Record, Violation
from tests.judge.lasting import excuses
from tests.judge.positions import Positions
from tests.judge.promises import once_each

FOREVER_S = float("inf")
Stretch = tuple[float, float]


def acted(positions: Positions) -> Iterator[Violation]:
    """I1: find each debt on which nobody acted within its bound, though somebody could (13.26).

    The clock of a debt begins anew at each trade that raises it, and where what hindered B is over.
    Whatever B shows meanwhile is no reason: the table of `lasting` says which are, and the world
    shows them. A debt that no B can act on, and has not signed for, is A's, which reduces itself.
    """
    record = positions.record
    b_able, a_able = _able(record, "b"), _able(record, "a")
    for start_s, end_s, number in _debts(positions):
        stretch = next(
            (one for one in within(b_able, start_s, end_s) if _lasts(one, record.bounds.acts_s)),
            None,
        )
        if stretch is not None:
            at_s = stretch[0] + record.bounds.acts_s
            yield _violation(positions, "nobody acted", at_s, start_s, "B", stretch[0])
            continue
        until_s = start_s + record.bounds.a_acts_s
        alone = not list(within(b_able, start_s, until_s))
        if alone and end_s >= until_s and _reducible(positions, number):
            whole = any(one[0] <= start_s and until_s <= one[1] for one in a_able)
            if whole and not _is_in_doubt(record, start_s, until_s):
                yield _violation(positions, "A did not act", until_s, start_s, "A", start_s)


def _violation(
    positions: Positions, kind: str, at_s: float, since_s: float, who: str, able_s: float
) -> Violation:
    number = positions.at(at_s)
    text = (
        f"the pair is naked since {since_s:.3f} s, and {who} could have ended it from"
        f" {able_s:.3f} s on: {positions.words(number)}"
    )
    return Violation("I1", kind, at_s, text, {"since_s": since_s, "able_s": able_s})


def _lasts(stretch: Stretch, bound_s: float) -> bool:
    return stretch[1] - stretch[0] >= bound_s


def _debts(positions: Positions) -> Iterator[tuple[float, float, int]]:
    """Yield each debt from the trade that raised it last to its end, and its first state."""
    record, owed = positions.record, positions.owed
    hands, end_s = once_each(record), record.end_s
    began = -1
    for number in range(len(owed)):
        lots, before = owed[number], owed[number - 1] if number else 0
        is_open = not positions.is_even(number)
        by_hand = sum(hand.lots for hand in hands if hand.at_s <= positions.since_s(number))
        is_open &= abs(lots - by_hand) > record.bounds.dust_lots
        raised = is_open and (began < 0 or abs(lots) > abs(before) or lots * before < 0)
        if began >= 0 and (raised or not is_open):
            yield positions.since_s(began), positions.since_s(number), began
        began = number if raised else (began if is_open else -1)
    if began >= 0:
        yield positions.since_s(began), end_s, began


def _reducible(positions: Positions, number: int) -> bool:
    """Whether A holds what would make a debt smaller, and more than dust of it."""
    a_lots, owed = positions.a[number], positions.owed[number]
    dust_lots = positions.record.bounds.dust_lots
    return a_lots * owed < 0 and min(abs(a_lots), abs(owed)) > dust_lots


def _able(record: Record, side: str) -> list[Stretch]:
    """Return when a process of a side ran, and nothing kept it from acting."""
    found = joined((life.start_s, end_of(life.end_s)) for life in record.lives if life.side == side)
    kept = [(one.start_s, _until_s(record, one)) for one in record.hindered if one.side == side]
    if side == "b":
        kept += _halted(record)
    for start_s, end_s in kept:
        found = list(without(found, start_s, end_s))
    return found


def _until_s(record: Record, kept: Hindered) -> float:
    """Return until when something kept a side from acting: it leaves in its time, or does not."""
    leaves_s = record.bounds.leaves_s if kept.what is Hindrance.LEAVES else FOREVER_S
    return min(end_of(kept.end_s), kept.start_s + leaves_s)


def _halted(record: Record) -> list[Stretch]:
    return [
        (halted.start_s, end_of(halted.end_s))
        for halted in record.halted
        if excuses(record, halted.reason, halted.start_s)
    ]


def _is_in_doubt(record: Record, start_s: float, end_s: float) -> bool:
    """Whether a B that runs may have an order whose fate it does not know: A waits for that.

    Of one that signed nothing since long before the debt nothing is in doubt.
    """
    lives = [(one.start_s, end_of(one.end_s)) for one in record.lives if one.side == "b"]
    for stretch in _halted(record):
        lives = list(without(lives, *stretch))
    if not list(within(lives, start_s, end_s)):
        return False
    since_s = start_s - record.bounds.a_acts_s
    return record.b_signed_s is None or any(since_s <= one <= end_s for one in record.b_signed_s)


def joined(spans: Iterable[Stretch]) -> list[Stretch]:
    """Return spans without overlaps: two processes of a side are one side."""
    found: list[Stretch] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end_s)
        else:
            found.append((start_s, end_s))
    return found


def without(spans: Iterable[Stretch], start_s: float, end_s: float) -> Iterator[Stretch]:
    """Yield what is left of spans of time without another one."""
    for began_s, ended_s in spans:
        if began_s < min(ended_s, start_s):
            yield began_s, min(ended_s, start_s)
        if max(began_s, end_s) < ended_s:
            yield max(began_s, end_s), ended_s


def within(spans: Iterable[Stretch], start_s: float, end_s: float) -> Iterator[Stretch]:
    """Yield the parts of spans that lie in another one."""
    for began_s, ended_s in spans:
        if max(began_s, start_s) < min(ended_s, end_s):
            yield max(began_s, start_s), min(ended_s, end_s)


def end_of(end_s: float | None) -> float:
    """Return an end; what has none lasts."""
    return FOREVER_S if end_s is None else end_s
