"""The promises, one function each: what of a run's record contradicts them, in one sentence each.

I1 and I2 in the wording of design.md section 1; I3, I4; every word that something is neutral or
covered; every hold without a reason. All are linear in the record but for look-ups by bisection.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from tests.judge.claims import CLAIMS, Rule
from tests.judge.facts import (
    Adopted,
    Bounds,
    Decision,
    FalseRow,
    HandPublished,
    Leg,
    OrderLife,
    Record,
    Said,
    Violation,
)
from tests.judge.positions import Positions


def resting_of_a(record: Record) -> list[OrderLife]:
    """Return the pair's own orders of A that were meant to rest, by arrival."""
    return [
        life
        for life in record.orders
        if life.account == record.account_a and life.rests and not life.foreign
    ]


def hedges_of_b(record: Record) -> list[OrderLife]:
    """Return the pair's own orders of B, markers aside, by arrival."""
    return [
        life
        for life in record.orders
        if life.account == record.account_b and not life.is_marker and not life.foreign
    ]


# --- I1 ---------------------------------------------------------------------------------------


def complete(positions: Positions) -> Iterator[Violation]:
    """I1: at the end, once things are quiet, B is the other side of A up to dust."""
    last = len(positions.owed) - 1
    open_by_hand = sum(hand.lots for hand in once_each(positions.record))
    if not positions.is_even(last) and positions.owed[last] != open_by_hand:
        yield Violation(
            "I1",
            "open at the end",
            positions.record.end_s,
            f"at the end {positions.words(last)}",
            {"a": positions.a[last], "b": positions.b[last]},
        )


# --- I2 ---------------------------------------------------------------------------------------


def once_each(record: Record) -> list[HandPublished]:
    """Return the fills that were published by hand; the same text twice counts once."""
    seen: set[str] = set()
    kept: list[HandPublished] = []
    for hand in record.by_hand:
        if hand.text and hand.text in seen:
            continue
        seen.add(hand.text)
        kept.append(hand)
    return kept


class InFlight:
    """How many of some orders are at the exchange at a place of its log."""

    def __init__(self, lives: Sequence[OrderLife]) -> None:
        self._came = sorted(life.received_ns for life in lives)
        self._went = sorted(life.ended_ns for life in lives if life.ended_ns is not None)

    def at(self, mono: int) -> int:
        """Return how many have come in and not ended; both moments count as reached."""
        return bisect_right(self._came, mono) - bisect_right(self._went, mono)


class _Account:
    """What A and B have bought and sold since the last neutral moment."""

    def __init__(self, positions: Positions) -> None:
        self.since_s = float("-inf")
        """When the last neutral moment was."""
        self.sell_room = max(0, -positions.owed[0])
        self.buy_room = max(0, positions.owed[0])
        self.a_bought = self.a_sold = self.b_bought = self.b_sold = 0
        self.worst = 0
        """The largest excess that has been told since."""

    def restart(self, at_s: float, least_owed: int, most_owed: int) -> None:
        """Begin at a neutral moment with the debt of then (between two bounds)."""
        self.since_s = at_s
        self.sell_room, self.buy_room = max(0, -least_owed), max(0, most_owed)
        self.a_bought = self.a_sold = self.b_bought = self.b_sold = self.worst = 0

    def trade_a(self, lots: int) -> None:
        """Count a trade of A."""
        self.a_bought += max(lots, 0)
        self.a_sold += max(-lots, 0)

    def trade_b(self, lots: int) -> None:
        """Count a trade of an own order of B."""
        self.b_bought += max(lots, 0)
        self.b_sold += max(-lots, 0)

    @property
    def excess(self) -> int:
        """What B sold or bought beyond what A gave cause for."""
        sold = self.b_sold - self.a_bought - self.sell_room
        bought = self.b_bought - self.a_sold - self.buy_room
        return max(sold, bought, 0)


def never_twice(positions: Positions) -> tuple[list[Violation], int]:
    """I2, and how many neutral moments the log had.

    Neutral moments are those at which B is known to know all: an order of A arrives (its hold has
    waited for B's answer) while the log owes no more than dust and nothing of B is in flight; and
    the moments at which the pair may adopt the exchange's positions. What is owed there is d.
    """
    record = positions.record
    account, found, moments = _Account(positions), [], 0
    marks = _neutral_marks(positions)
    hands = [(bisect_left_time(positions, hand.at_s), hand.lots) for hand in once_each(record)]
    hands.reverse()
    for number, leg in enumerate(record.legs):
        while marks and marks[-1][0] <= number:
            _, at_s, least, most = marks.pop()
            account.restart(at_s, least, most)
            moments += 1
        while hands and hands[-1][0] <= number:
            account.trade_a(hands.pop()[1])
        account.trade_a(leg.a_lots)
        if not leg.foreign_b:
            account.trade_b(leg.b_lots)
        excess = account.excess - _excused(positions, number + 1, leg, account)
        if excess > account.worst:
            account.worst = excess
            found.append(_twice(positions, number, leg, account, excess))
    return found, moments + len(marks)


def bisect_left_time(positions: Positions, at_s: float) -> int:
    """Return the first leg that is not older than a moment."""
    return positions.during(at_s, at_s)[0]


def _neutral_marks(positions: Positions) -> list[tuple[int, float, int, int]]:
    """Return (state, when, least owed, most owed) of each neutral moment, the last one first."""
    record = positions.record
    hedges, hands = hedges_of_b(record), once_each(record)
    in_flight, marks = InFlight(hedges), []
    for life in resting_of_a(record):
        number = positions.before_mono(life.received_ns)
        if positions.is_even(number) and not in_flight.at(life.received_ns):
            owed_lots = positions.owed[number]
            marks.append((number, life.received_s, owed_lots, owed_lots))
    for adopted in record.adopted:
        first, last = positions.during(adopted.at_s - record.bounds.news_s, adopted.at_s)
        if adopted.side and _beyond(positions, adopted) is not None:
            continue  # nobody allowed it
        if not any(life.received_s <= adopted.at_s < _end(life.ended_s) for life in hedges):
            # What is open by hand stays so: B may go on owing it, or have forgotten it.
            open_lots = sum(hand.lots for hand in hands if hand.at_s <= adopted.at_s)
            owed = positions.owed[first : last + 1]
            least, most = min(owed), max(owed)
            marks.append(
                (last, adopted.at_s, min(least, least - open_lots), max(most, most - open_lots))
            )
    return sorted(marks, key=lambda mark: mark[0], reverse=True)


def adoptions(positions: Positions) -> Iterator[Violation]:
    """Find drift that was taken over unasked and was too much, or was not there (section 3.6).

    By the exchange's own positions, whatever was named: beyond the bound the pair halts.
    """
    for adopted in positions.record.adopted:
        if not adopted.side:
            continue
        number = positions.at(adopted.at_s)
        facts = {"side": adopted.side, "lots": adopted.lots, "limit": adopted.limit_lots}
        if (lots := _beyond(positions, adopted)) is not None:
            text = (
                f"{adopted.side} took over {lots:+d} lots unasked ({adopted.why}), its bound is"
                f" {adopted.limit_lots}: {positions.words(number)}"
            )
            yield Violation("I2", "drift beyond its bound", adopted.at_s, text, facts)
        slack_lots = _false_lots(positions.record, adopted.at_s)
        named, held = adopted.lots, _drifts(positions, adopted)
        if named is not None and all(abs(lots - named) > slack_lots for lots in held):
            text = (
                f"{adopted.side} took over {named:+d} lots ({adopted.why}) that were not there:"
                f" {positions.words(number)}"
            )
            yield Violation("I4", "drift that is not there", adopted.at_s, text, facts)


def _beyond(positions: Positions, adopted: Adopted) -> int | None:
    """Return the drift that was taken over beyond its bound, None where it is within it."""
    if adopted.limit_lots is None:
        return None
    least = min(_drifts(positions, adopted), key=abs)
    slack_lots = _false_lots(positions.record, adopted.at_s)
    return least if abs(least) > adopted.limit_lots + slack_lots else None


def _drifts(positions: Positions, adopted: Adopted) -> set[int]:
    """Return what drift may be at a moment, for a side that knows of all up to some moment.

    Of A its position; of B what is owed, where news of the two accounts travels apart, and without
    what is open by hand.
    """
    record = positions.record
    base_s = adopted.at_s - record.bounds.news_s - record.bounds.own_s - record.bounds.hears_s
    known_s = base_s if adopted.known_s is None else min(base_s, adopted.known_s)
    first, last = positions.during(known_s, adopted.at_s)
    of_a = set(positions.a[first : last + 1])
    if adopted.side == "a":
        return of_a
    of_b = set(positions.b[first : last + 1])
    open_lots = sum(hand.lots for hand in once_each(record) if hand.at_s <= adopted.at_s)
    owed = {record.offset_lots - a_lots - b_lots for a_lots in of_a for b_lots in of_b}
    return owed | {lots - open_lots for lots in owed}


def _excused(positions: Positions, number: int, leg: Leg, account: _Account) -> int:
    """Return how much of an excess false rows of the exchange account for.

    One that REST never shows has no end of its own: a neutral moment after it ends it.
    """
    if account.excess <= 0 or not positions.record.false_rows:
        return 0
    even = positions.next_even(number)
    undone_s = positions.since_s(even) if even is not None else None
    return sum(
        row.lots
        for row in positions.record.false_rows
        if row.at_s <= leg.at_s
        and (row.shown_s is not None or row.at_s >= account.since_s)
        and _is_undone(positions.record, row, undone_s)
    )


def _is_undone(record: Record, row: FalseRow, undone_s: float | None) -> bool:
    """Whether what the row did is undone in time, or may still be when the record ends."""
    if row.shown_s is None:
        return True
    until_s = row.shown_s + record.bounds.undone_s
    return record.end_s <= until_s if undone_s is None else undone_s <= until_s


def _twice(
    positions: Positions, number: int, leg: Leg, account: _Account, excess: int
) -> Violation:
    since = {
        "A bought": account.a_bought,
        "A sold": account.a_sold,
        "B sold": account.b_sold,
        "B bought": account.b_bought,
        "owed": account.buy_room - account.sell_room,
    }
    owed = f", {since['owed']:+d} was owed" if since["owed"] else ""
    text = (
        f"trade {leg.seq}: since the last neutral moment B sold {account.b_sold} for "
        f"{account.a_bought} that A bought and bought {account.b_bought} for {account.a_sold} "
        f"that A sold{owed}: {excess} too much; {positions.words(number + 1)}"
    )
    return Violation("I2", "twice", leg.at_s, text, {"excess": excess, **since})


# --- I3 ---------------------------------------------------------------------------------------


def hold(positions: Positions) -> Iterator[Violation]:
    """I3 from the log: no resting order of A arrives while an earlier trade is not covered.

    A stranger's trade that A could not have heard of when it signed does not count against it: of
    one on B's account by B's heartbeat, which B may have written deaf for so long as `decided` lets
    it be.
    """
    deaf_s: dict[int, float] = {}
    for one in positions.record.decisions:
        known_s = deaf_s.get(one.client_order_index, 0.0)
        deaf_s[one.client_order_index] = max(known_s, one.deaf_s)
    for life in resting_of_a(positions.record):
        number = positions.before_mono(life.received_ns)
        if positions.is_even(number):
            continue
        signed_s = life.received_s if life.signed_s is None else life.signed_s
        bounds = positions.record.bounds
        since_s = signed_s - bounds.news_s - bounds.own_s
        heard_s = signed_s - deaf_s.get(life.client_order_index, 0.0)
        since_b_s = min(since_s, heard_s) - bounds.beat_s
        strangers = _of_strangers(positions, number, since_s, since_b_s)
        owed = positions.owed[number] + strangers
        if abs(owed) > bounds.dust_lots:
            text = (
                f"A's order {life.client_order_index} came while {positions.owed[number]:+d} lots "
                f"were not covered: {positions.words(number)}"
            )
            facts = {"order": life.client_order_index, "owed": positions.owed[number]}
            yield Violation("I3", "not covered", life.received_s, text, facts)


def _of_strangers(
    positions: Positions, number: int, since_s: float, since_b_s: float | None = None
) -> int:
    """Return what the strangers' trades since a moment had added to A + B in a state.

    `since_b_s`: those on B's account count since then.
    """
    first_b_s = since_s if since_b_s is None else since_b_s
    lots = 0
    for place in range(number - 1, -1, -1):
        leg = positions.record.legs[place]
        if leg.at_s <= min(since_s, first_b_s):
            break
        lots += leg.a_lots * (leg.foreign_a and leg.at_s > since_s)
        lots += leg.b_lots * (leg.foreign_b and leg.at_s > first_b_s)
    return lots


def _of_strangers_on_a(positions: Positions, number: int, since_s: float) -> int:
    """Return what strangers have traded on A since a moment, in a state."""
    lots = 0
    for leg in reversed(positions.record.legs[:number]):
        if leg.at_s <= since_s:
            break
        lots += leg.a_lots * leg.foreign_a
    return lots


def beside(positions: Positions) -> Iterator[Violation]:
    """I3: no order of A arrives while another one of A still rests."""
    resting: list[OrderLife] = []
    for life in resting_of_a(positions.record):
        resting = [
            one for one in resting if one.ended_ns is None or one.ended_ns > life.received_ns
        ]
        if resting:
            earlier = resting[0].client_order_index
            text = f"A's order {life.client_order_index} came beside {earlier}"
            facts = {"order": life.client_order_index, "beside": earlier}
            yield Violation("I3", "beside", life.received_s, text, facts)
        resting.append(life)


def decided(positions: Positions) -> Iterator[Violation]:
    """I3 from A's side: it decides on an order only when told, freshly, that B is ready."""
    record = positions.record
    lives = _lives_of_b(record)
    for decision in record.decisions:
        if decision.closes:
            continue
        for kind, text in _wrong_with(decision, record):
            yield _decision(decision, kind, text)
        if decision.deaf_s > record.bounds.deaf_b_s:
            text = (
                f"A placed an order against a B that said ready after {decision.deaf_s:.1f} s"
                " without a word of the exchange"
            )
            yield _decision(decision, "B is deaf", text)
        if decision.hopeless:
            text = f"A placed an order that B could not hedge: {decision.hopeless}"
            yield _decision(decision, "hopeless", text)
        dead_s = lives.uncovered_s(decision.at_s) if lives is not None else 0.0
        if dead_s > record.bounds.dead_b_s:
            text = f"A placed an order when no B had run for {dead_s:.1f} s"
            yield _decision(decision, "B is dead", text)


def _wrong_with(decision: Decision, record: Record) -> Iterator[tuple[str, str]]:
    if decision.told_s is None:
        yield "B never seen", "A placed an order without having seen B"
        return
    if decision.halted is not None:
        yield "halted", f"A placed an order while halted ({decision.halted})"
    elif decision.unreleased:
        names = ", ".join(decision.unreleased)
        yield "halt unreleased", f"A placed an order though no person has released the halt {names}"
    if not decision.b_ready:
        yield "B not ready", "A placed an order while B was not ready"
    age_s = decision.at_s - decision.told_s
    bound_s = record.bounds.told_s
    if age_s > bound_s and decision.at_s - decision.thawed_s > record.bounds.turn_s:
        yield "stale", f"A placed an order on a state of B {age_s:.1f} s old"


def _decision(decision: Decision, kind: str, text: str) -> Violation:
    facts = {"order": decision.client_order_index, "who": decision.who}
    return Violation("I3", kind, decision.at_s, text, facts)


def _lives_of_b(record: Record) -> "_Cover | None":
    spans = [(life.start_s, _end(life.end_s)) for life in record.lives if life.side == "b"]
    return _Cover(spans) if spans else None


# --- I4 ---------------------------------------------------------------------------------------


def made_naked(positions: Positions) -> Iterator[Violation]:
    """I1: A closes nothing that is covered while it is told that no B can follow (13.15).

    Nor beside one that says it can, and has not followed so far: that would go on to all of it.
    What it may reduce then is what stands open in that direction (13.26), dust as well: the judge's
    bound for dust says what may stay open, not that A closes something covered by closing it. An
    order that the exchange itself made larger than it was signed is a false row of it.
    """
    record = positions.record
    lives = {life.client_order_index: life for life in record.orders}
    for decision in record.decisions:
        life = lives.get(decision.client_order_index)
        if not decision.closes or life is None or not life.filled_lots:
            continue
        number = positions.before_mono(life.received_ns)
        owed, kind = positions.owed[number], "made naked"
        told = {True: "had not followed", False: "was not ready", None: "was unknown"}
        if decision.b_ready:
            kind, owed = "closed on", owed + _unheard_strangers(positions, number, life)
            if positions.is_even(number) or abs(owed) <= record.bounds.dust_lots:
                continue
        covered = life.filled_lots - max(0, -owed if life.is_ask else owed)
        if covered > _false_lots(record, life.received_s):
            words = told[decision.b_ready]
            text = f"{decision.who} closed {covered} of what was covered while B {words}"
            facts = {"order": life.client_order_index, "who": decision.who}
            yield Violation("I1", kind, life.received_s, text, facts)


def _unheard_strangers(positions: Positions, number: int, life: OrderLife) -> int:
    """Return what strangers added to A + B of which A need not have heard when it signed."""
    bounds = positions.record.bounds
    since_s = _began_s(life) - bounds.news_s - bounds.own_s
    return _of_strangers(positions, number, since_s, since_s - bounds.beat_s)


def beliefs(positions: Positions) -> Iterator[Violation]:
    """I4: no order takes an unknown for zero, flat or done; it says what its sender believed.

    A opens only where the exchange has it flat and closes no more than it holds; B sends no more
    than is owed, and in the right direction. News takes time: what B owed at any moment since its
    own newest trade counts as owed, for a person may trade A's account while an order is on its way
    (A's own too), but no debt that was gone before the last moment of which B could not but know;
    and what it owed without A's trades of the last `Bounds.hears_s`, or those of
    which nothing had told: B goes on by what it knows of A where a person publishes fills. A row
    that the exchange itself sent falsely may be believed, within its false part, as in I2.
    """
    record = positions.record
    if not record.knows_first:
        return
    last_b = _newest_trades_of_b(record)
    hands = once_each(record)
    for life in record.orders:
        if life.is_marker or life.foreign or not life.has_tag:
            continue
        number = positions.before_mono(life.received_ns)
        why = ""
        if life.account == record.account_a:
            signed_s = life.received_s if life.signed_s is None else life.signed_s
            since_s = signed_s - record.bounds.news_s - record.bounds.own_s
            known_lots = positions.a[number] - _of_strangers_on_a(positions, number, since_s)
            least_lots = record.bounds.smallest_resting_lots
            slack_lots = _false_lots(record, life.received_s)
            whys = [
                _belief_of_a(life, lots + way * slack_lots, least_lots)
                for lots in (positions.a[number], known_lots)
                for way in (-1, 0, 1)
            ]
            why = whys[0] if all(whys) else ""
        elif life.account == record.account_b:
            times = (life.received_s, life.received_s if life.signed_s is None else life.signed_s)
            by_hand = [
                sum(
                    hand.lots for hand in hands if hand.at_s <= at_s and not (kept and hand.forgets)
                )
                for at_s in times
                for kept in (False, True)
            ]
            first, _ = positions.during(_believes_s(life, record.bounds), life.received_s)
            states = range(min(number, max(last_b[number], first)), number + 1)
            why = _belief_of_b(life, positions, states, by_hand)
        if why:
            seq = record.legs[number - 1].seq if number else 0
            facts = {"order": life.client_order_index, "seq": seq}
            yield Violation("I4", "belief", life.received_s, f"after trade {seq}: {why}", facts)


def _newest_trades_of_b(record: Record) -> list[int]:
    """Return for each state the one right after the newest trade of B's own orders."""
    found, newest = [0], 0
    for number, leg in enumerate(record.legs, start=1):
        newest = number if leg.b_lots and not leg.foreign_b else newest
        found.append(newest)
    return found


def _belief_of_a(life: OrderLife, a_lots: int, smallest_lots: int) -> str:
    if not life.is_ask and a_lots >= smallest_lots and not life.reduce_only:
        return f"A opened {life.size_lots} while it held {a_lots}"
    if life.is_ask and life.size_lots > max(0, a_lots):
        return f"A's sell of {life.size_lots} is more than the {a_lots} that it held"
    return ""


def _belief_of_b(life: OrderLife, positions: Positions, states: range, by_hand: list[int]) -> str:
    """Judge by what was owed from B's newest trade on; the last one is what is owed now.

    What was published by hand is owed as well, where B has heard of it: when the order came in, or
    when it was signed, for what a person orders may end while it is on its way. What an earlier B
    has forgotten is drift, which the next one need not have found yet.
    """
    signed = -life.size_lots if life.is_ask else life.size_lots
    all_owed = {positions.owed[state] for state in states} | _unheard_of_a(life, positions, states)
    bounds = positions.record.bounds
    since_s = _began_s(life) - bounds.news_s - bounds.own_s
    own_lots = _of_strangers(positions, states[-1], float("inf"), since_s)
    all_owed |= {owed + own_lots for owed in all_owed}
    slack_lots = _false_lots(positions.record, life.received_s)
    all_owed |= {owed + way * slack_lots for owed in all_owed for way in (-1, 1)}
    for owed in all_owed | {owed - lots for owed in all_owed for lots in by_hand}:
        if signed * owed > 0 and abs(signed) <= abs(owed):
            return ""
    return f"B sent {signed:+d} while {positions.owed[states[-1]] - by_hand[0]:+d} was owed"


def _false_lots(record: Record, at_s: float) -> int:
    """Return what false rows of the exchange may have made a process believe at a moment.

    Each was bent within the bounds of 13.7, which hold for all that is believed at a time: many
    small ones make no large belief.
    """
    until_s = record.bounds.undone_s
    young = (row.lots for row in record.false_rows if row.at_s <= at_s <= row.at_s + until_s)
    return max(young, default=0)


def _believes_s(life: OrderLife, bounds: Bounds) -> float:
    """Return the last moment of whose trades of A a B that signed this order must have known."""
    signed_s = _began_s(life)
    told_s = signed_s - bounds.blind_s if life.told_s is None else life.told_s
    return min(signed_s - bounds.hears_s, told_s)


def _unheard_of_a(life: OrderLife, positions: Positions, states: range) -> set[int]:
    """Return what was owed without A's newest trades, of which B need not have heard."""
    signed_s = life.received_s if life.signed_s is None else life.signed_s
    since_s = signed_s - positions.record.bounds.hears_s
    since_s = since_s if life.told_s is None else min(since_s, life.told_s)
    owed, found = positions.owed[states[-1]], set()
    for number in range(states[-1] - 1, -1, -1):
        leg = positions.record.legs[number]
        if leg.at_s <= since_s:
            break
        owed += leg.a_lots
        found.add(owed)
    return found


# --- what was said ----------------------------------------------------------------------------


class Words:
    """Judges what was said against the positions and orders of those moments."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        record = positions.record
        self._record = record
        own = [life for life in record.orders if not life.foreign and not life.is_marker]
        self._resting = _OnTheWay([life for life in own if life.rests])
        others = [life for life in own if not life.rests]
        self._of_a = _OnTheWay([life for life in others if life.account == record.account_a])
        self._of_b = _OnTheWay([life for life in others if life.account != record.account_a])
        hands = once_each(record)
        self._hand_times = [hand.at_s for hand in hands]
        self._hand_sums = [0]
        for hand in hands:
            self._hand_sums.append(self._hand_sums[-1] + hand.lots)

    def violations(self) -> Iterator[Violation]:
        """Yield what was said and was not so; of one word in one spell the first time only."""
        told = set()
        for said in self._record.said:
            for kind, why in self._wrong_with(said):
                spell = self._positions.last_even_before(self._positions.at(said.at_s))
                key = (said.claim, said.who, kind, spell)
                if key not in told:
                    told.add(key)
                    yield self._violation(said, kind, why)

    def _violation(self, said: Said, kind: str, why: str) -> Violation:
        number = self._positions.at(said.at_s)
        quoted = f' ("{said.text}")' if said.text else ""
        text = f"{said.who} said {said.claim.value}{quoted}, but {why}"
        facts = {
            "claim": said.claim,
            "who": said.who,
            "a": self._positions.a[number],
            "b": self._positions.b[number],
            "since_s": self._positions.since_s(number),
        }
        return Violation("said", f"{said.claim.name.lower()}: {kind}", said.at_s, text, facts)

    def _wrong_with(self, said: Said) -> Iterator[tuple[str, str]]:
        rule, positions = CLAIMS[said.claim], self._positions
        known_s = rule.known_s(said.at_s, said.known_s, self._record.bounds)
        first, last = positions.during(known_s, said.at_s)
        # What false rows told counts until answers show the truth (13.7): unasked words rest on it.
        slack_lots = _false_lots(self._record, said.at_s) if rule.is_unasked else 0
        strangers = self._strangers_since_s(rule, said.at_s)
        yield from self._misnamed(said, first, last, slack_lots, strangers)
        is_by_order = self._is_flat_by_order(known_s, said.at_s, last)
        is_even = is_by_order or self._was_even(first, last) or self._unheard(last, strangers)
        if not is_even and abs(positions.owed[last]) > self._record.bounds.dust_lots + slack_lots:
            since_s = positions.since_s(positions.last_even_before(last) + 1)
            yield "open", f"{positions.words(last)}, not neutral since {since_s:.3f} s"
        lots = 0 if is_by_order else self._by_hand(known_s, said.at_s)
        if rule.nothing_by_hand and lots:
            yield "by hand", f"{lots:+d} lots that were published by hand are open"
        if rule.nothing_rests and (life := self._resting.during(known_s, said.at_s)):
            yield "resting", f"order {life.client_order_index} of A rests; {positions.words(last)}"
        if rule.is_closed:
            yield from self._not_closed(first, last, strangers)
        if rule.is_closed and not self._is_halted(said.at_s):
            yield "not halted", f"no halt stands, and A may go on; {positions.words(last)}"
        if rule.nothing_in_flight and (life := self._in_flight(rule, known_s, said.at_s)):
            what = f"order {life.client_order_index} is in flight"
            yield "in flight", f"{what}; {positions.words(last)}"

    def _in_flight(self, rule: Rule, known_s: float, at_s: float) -> OrderLife | None:
        """Return an order that is in flight; B says unasked words, and hears of A's by its beat.

        What a side has signed itself it knows, however blind it is.
        """
        bounds = self._record.bounds
        own_s = rule.known_s(at_s, None, bounds)
        of_a_s = known_s - bounds.beat_s if rule.is_unasked else own_s
        return self._of_b.during(own_s, at_s) or self._of_a.during(of_a_s, at_s)

    def _is_halted(self, at_s: float) -> bool:
        """Whether a halt stood at a moment, or may have."""
        late_s = self._record.bounds.noted_s
        return late_s == float("inf") or any(
            one.start_s - late_s <= at_s <= _end(one.end_s) + late_s for one in self._record.halted
        )

    def _is_flat_by_order(self, known_s: float, at_s: float, last: int) -> bool:
        """Whether a person ordered both to be closed, the offset included, and both are."""
        positions = self._positions
        is_flat = positions.a[last] == positions.b[last] == 0
        owed = positions.owed[last]
        return is_flat and owed != 0 and owed in self._hand_sums_of(known_s, at_s)

    def _was_even(self, first: int, last: int) -> bool:
        """Whether A's position of one moment and B's of another cancel out.

        News of the two accounts travels apart, so one may be known while the other is on its way.
        """
        positions, record = self._positions, self._record
        even = positions.next_even(first)
        if even is not None and even <= last:
            return True
        of_a = sorted(set(positions.a[first : last + 1]))
        for b_lots in set(positions.b[first : last + 1]):
            wanted = record.offset_lots - b_lots - record.bounds.dust_lots
            place = bisect_left(of_a, wanted)
            if place < len(of_a) and of_a[place] <= wanted + 2 * record.bounds.dust_lots:
                return True
        return False

    def _strangers_since_s(self, rule: Rule, at_s: float) -> dict[str, float]:
        """Return since when strangers' trades on each account need not be known.

        A process that runs shows its own account's by its private streams, and says otherwise that
        it hears nothing; of one that has ended the exchange's statement alone tells.
        """
        bounds = self._record.bounds
        longest_s = bounds.news_s + bounds.stranger_s
        own_s = bounds.news_s + bounds.own_s + bounds.shown_s + bounds.answer_s
        since_s = {}
        for side in "ab":
            near = [
                life
                for life in self._record.lives
                if life.side == side
                and life.start_s <= at_s
                and _end(life.end_s) >= at_s - longest_s
            ]
            is_alone = len(near) == 1 and near[0].start_s <= at_s - longest_s
            lives_on = is_alone and _end(near[0].end_s) > at_s
            late_s = min(own_s, longest_s) if rule.by_heartbeats and lives_on else longest_s
            since_s[side] = at_s - late_s
        return since_s

    def _unheard(self, last: int, since_s: dict[str, float]) -> bool:
        """Whether only strangers' newest trades, which nothing need have shown yet, are open."""
        bounds, owed = self._record.bounds, self._positions.owed[last]
        for leg in reversed(self._record.legs[:last]):
            if leg.at_s <= min(since_s.values()) or abs(owed) <= bounds.dust_lots:
                break
            owed += leg.a_lots * (leg.foreign_a and leg.at_s > since_s["a"])
            owed += leg.b_lots * (leg.foreign_b and leg.at_s > since_s["b"])
        return abs(owed) <= bounds.dust_lots

    def _misnamed(
        self, said: Said, first: int, last: int, slack_lots: int, since_s: dict[str, float]
    ) -> Iterator[tuple[str, str]]:
        """Find positions that were named and did not hold at any moment that counts."""
        for name, named in (("A", said.a_lots), ("B", said.b_lots)):
            moments = self._held(name, first, last, since_s)
            if named is not None and all(abs(lots - named) > slack_lots for lots in moments):
                words = self._positions.words(last)
                yield "positions", f"{name} was named as {named:+d}; {words}"

    def _not_closed(
        self, first: int, last: int, since_s: dict[str, float]
    ) -> Iterator[tuple[str, str]]:
        """Find a side that held something at every moment that counts."""
        for name in "AB":
            if 0 not in self._held(name, first, last, since_s):
                yield "not flat", f"{name} is not; {self._positions.words(last)}"

    def _held(self, name: str, first: int, last: int, since_s: dict[str, float]) -> set[int]:
        """Return what one side held at the moments that count."""
        held = self._positions.a if name == "A" else self._positions.b
        return {*held[first : last + 1], *self._without_strangers(name, last, since_s)}

    def _without_strangers(self, name: str, last: int, since_s: dict[str, float]) -> Iterator[int]:
        """Yield what one side held without strangers' newest trades that need not be known."""
        positions = self._positions
        lots = (positions.a if name == "A" else positions.b)[last]
        for leg in reversed(self._record.legs[:last]):
            if leg.at_s <= since_s[name.lower()]:
                return
            own = leg.a_lots if name == "A" else leg.b_lots
            if own and not (leg.foreign_a if name == "A" else leg.foreign_b):
                return
            lots -= own
            yield lots

    def _by_hand(self, known_s: float, at_s: float) -> int:
        """Return what was open by hand all through a span, 0 where it was closed in it."""
        sums = self._hand_sums_of(known_s, at_s)
        return 0 if 0 in sums else sums[-1]

    def _hand_sums_of(self, known_s: float, at_s: float) -> list[int]:
        """Return what was open by hand at the moments of a span."""
        first = bisect_right(self._hand_times, known_s)
        return self._hand_sums[first : bisect_right(self._hand_times, at_s) + 1]


class _OnTheWay:
    """Orders by when they were signed (else: came in), and the longest life up to each."""

    def __init__(self, lives: Sequence[OrderLife]) -> None:
        self._lives = sorted(lives, key=_began_s)
        self._began = [_began_s(life) for life in self._lives]
        self._longest: list[tuple[float, int]] = []
        longest = (float("-inf"), -1)
        for number, life in enumerate(self._lives):
            longest = max(longest, (_end(life.ended_s), number))
            self._longest.append(longest)

    def during(self, known_s: float, at_s: float) -> OrderLife | None:
        """Return an order that was on its way or at the exchange all through a span.

        One that was signed before it and came in only after it is in flight as well.
        """
        number = bisect_left(self._began, known_s)
        if not number:
            return None
        end_s, place = self._longest[number - 1]
        return self._lives[place] if end_s > at_s else None


def _began_s(life: OrderLife) -> float:
    return life.received_s if life.signed_s is None else life.signed_s


# --- holds ------------------------------------------------------------------------------------

WARNING_OF_B = "warning"
"""Where a line of B's log stood: it says that something is wrong, not why A places nothing."""


def holds(positions: Positions) -> Iterator[Violation]:
    """Find each time that A ran, placed nothing for longer than the bound, and showed no reason.

    A reason is a word of its own (heartbeat, event, log, status), or of B about its readiness; the
    exchange's log explains it where more than dust is uncovered, and the life of B where none runs.
    """
    record = positions.record
    spans = [(one.received_s, _end(one.ended_s)) for one in resting_of_a(record)]
    spans += [
        (shown.start_s, _end(shown.end_s))
        for shown in record.shown
        if shown.reason and shown.where != WARNING_OF_B
    ]
    spans += [(naked.start_s, naked.start_s + naked.seconds) for naked in positions.naked()]
    spans += _without_b(record)
    explained = _Cover(spans)
    for life in record.lives:
        if life.side != "a":
            continue
        end_s = min(_end(life.end_s), record.end_s)
        for start_s, until_s in explained.gaps(life.start_s, end_s):
            if until_s - start_s > record.bounds.quiet_s:
                number = positions.at(until_s)
                text = (
                    f"{life.who} ran and placed nothing for {until_s - start_s:.1f} s from "
                    f"{start_s:.3f} s on, and no reason was shown: {positions.words(number)}"
                )
                facts = {"who": life.who, "start_s": start_s, "seconds": until_s - start_s}
                yield Violation("hold", "no reason", until_s, text, facts)


def unsaid(positions: Positions) -> Iterator[Violation]:
    """Find each time that B ran beside an open fill for longer than the bound, and showed nothing.

    It need not know what is open: only that it cannot see it. A line of its log, its heartbeat's
    reason or what `status` says is something; a line is no older than `quiet_s`, as for A's holds.
    What is open by a person's own word, and no more than that, is no open fill: B has followed it.
    """
    record, bound_s = positions.record, positions.record.bounds.unsaid_s
    quiet_s = record.bounds.quiet_s
    ordered = list(_only_by_hand(positions))
    said = [(one.start_s, _end(one.end_s)) for one in record.shown if one.side == "b"]
    for naked in positions.naked():
        for life in (one for one in record.lives if one.side == "b"):
            start_s = max(naked.start_s, life.start_s)
            end_s = min(naked.start_s + naked.seconds, _end(life.end_s))
            if end_s - start_s < bound_s:
                continue
            words = [(began, max(end, began + quiet_s)) for began, end in said if end >= start_s]
            shown = _Cover([*words, *ordered])
            for from_s, until_s in shown.gaps(start_s, end_s):
                if until_s - from_s < bound_s:
                    continue
                number = positions.at(from_s + bound_s)
                text = (
                    f"{life.who} ran beside an open fill for {bound_s:g} s from {from_s:.3f} s on,"
                    f" and showed nothing: {positions.words(number)}"
                )
                facts = {"who": life.who, "start_s": from_s, "seconds": bound_s}
                yield Violation("hold", "unsaid", from_s + bound_s, text, facts)
                break


def _only_by_hand(positions: Positions) -> Iterator[tuple[float, float]]:
    """Yield the spans in which what is owed is what a person has published, to the lot."""
    hands = once_each(positions.record)
    moments = sorted({*positions.times, *(hand.at_s for hand in hands)}) if hands else []
    for start_s, end_s in pairwise((*moments, _end(None))):
        lots = sum(hand.lots for hand in hands if hand.at_s <= start_s)
        if lots and positions.owed[positions.at(start_s)] == lots:
            yield start_s, end_s


def _end(end_s: float | None) -> float:
    return float("inf") if end_s is None else end_s


def _without_b(record: Record) -> list[tuple[float, float]]:
    """Return when no B ran."""
    lives = _lives_of_b(record)
    return list(lives.gaps(float("-inf"), float("inf"))) if lives is not None else []


class _Cover:
    """Spans of time, and what none of them covers."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]
        self._reach = list(accumulate((end for _, end in self._spans), max))

    def gaps(self, start_s: float, end_s: float) -> Iterator[tuple[float, float]]:
        """Yield what of a stretch no span covers."""
        number = bisect_right(self._starts, start_s)
        reach = max(start_s, self._reach[number - 1]) if number else start_s
        while number < len(self._spans) and self._starts[number] < end_s:
            if self._starts[number] > reach:
                yield reach, self._starts[number]
            reach = max(reach, self._reach[number])
            number += 1
        if reach < end_s:
            yield reach, end_s

    def uncovered_s(self, at_s: float) -> float:
        """Return for how long no span had covered a moment; 0 while one does."""
        number = bisect_right(self._starts, at_s)
        return max(0.0, at_s - (self._reach[number - 1] if number else float("-inf")))


__all__ = [
    "Words",
    "adoptions",
    "beliefs",
    "beside",
    "complete",
    "decided",
    "hedges_of_b",
    "hold",
    "holds",
    "made_naked",
    "never_twice",
    "resting_of_a",
    "unsaid",
]
