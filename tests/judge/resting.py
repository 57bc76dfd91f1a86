"""I3's other half: what nothing may rest beside is followed by a cancel, however old the order is.

A starts no order beside a halt, or beside a B that is not ready or not there, and none once it is
asked to leave; one that rests is cancelled then (README, what A does when B is killed). By facts of
the world: when A ran alone and reached the exchange, when a B ran, what B's heartbeat said, which
halts stood.
"""

from collections.abc import Iterator

from tests.judge.debts import FOREVER_S, Stretch, end_of, joined, within, without
from tests.judge.facts import Hindrance, Record, Violation
from tests.judge.positions import Positions
from tests.judge.promises import resting_of_a


def left(positions: Positions) -> Iterator[Violation]:
    """Find each order of A that rested on beside what forbids it, for longer than the bound."""
    record = positions.record
    bound_s, told = record.bounds.off_s, set[tuple[int, str]]()
    if bound_s == FOREVER_S:
        return
    able = reaching(record)
    for life in resting_of_a(record):
        ended_s = min(end_of(life.ended_s), record.end_s)
        for kind, text, (start_s, end_s) in _forbidden(record):
            for since_s, until_s in within(
                able, max(start_s, life.received_s), min(end_s, ended_s)
            ):
                key = (life.client_order_index, kind)
                if until_s - since_s <= bound_s or key in told:
                    continue
                told.add(key)
                words = (
                    f"A's order {life.client_order_index} rested on for {until_s - since_s:.1f} s"
                    f" from {since_s:.3f} s on {text}"
                )
                facts = {"order": life.client_order_index, "since_s": since_s}
                yield Violation("I3", f"left: {kind}", since_s + bound_s, words, facts)


def reaching(record: Record) -> list[Stretch]:
    """Return when one A alone ran, and nothing of the world kept it from cancelling an order.

    Neither Redis nor a thin market does, nor that it is asked to leave.
    """
    kept = [
        (one.start_s, end_of(one.end_s))
        for one in record.hindered
        if one.side == "a" and one.what in (Hindrance.LINK, Hindrance.VENUE)
    ]
    return [stretch for alone in _alone(record, "a") for stretch in _without_all([alone], kept)]


def _forbidden(record: Record) -> Iterator[tuple[str, str, Stretch]]:
    """Yield what nothing of A may rest beside: its kind, in words, and when."""
    hedgers = [(one.start_s, end_of(one.end_s)) for one in record.lives if one.side == "b"]
    for stretch in _without_all([(float("-inf"), FOREVER_S)], hedgers) if hedgers else ():
        yield "no B", "while no B ran", stretch
    for stretch in joined((one.start_s, end_of(one.end_s)) for one in record.halted):
        yield "halted", "while a halt stood", stretch
    for leaves in record.hindered:
        if leaves.side == "a" and leaves.what is Hindrance.LEAVES:
            yield "leaving", "though it was asked to leave", (leaves.start_s, end_of(leaves.end_s))
    unready = joined(  # its words change, and what they say of its readiness does not
        (shown.start_s, end_of(shown.end_s))
        for shown in record.shown
        if shown.side == "b" and shown.where == "heartbeat" and shown.reason
    )
    for alone in _alone(record, "b"):
        for stretch in within(unready, *alone):
            yield "B not ready", "while B said that it is not ready", stretch


def _alone(record: Record, side: str) -> Iterator[Stretch]:
    """Yield when one process of a side ran, and no other one of it."""
    lives = [one for one in record.lives if one.side == side]
    for life in lives:
        others = [(one.start_s, end_of(one.end_s)) for one in lives if one is not life]
        yield from _without_all([(life.start_s, end_of(life.end_s))], others)


def _without_all(spans: list[Stretch], taken: list[Stretch]) -> list[Stretch]:
    for start_s, end_s in taken:
        spans = list(without(spans, start_s, end_s))
    return spans
