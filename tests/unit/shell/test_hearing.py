"""What B hears: states of A, fills published by hand, and what is refused and why."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hedge.bus.port import StateSnapshot
from hedge.core.hedger.state import ATarget, HedgerConfig, HedgerState
from hedge.daemon.refusals import Refusals
from hedge.hedger.fill_inbox import Ear, EarHandlers, baseline_of, target_of_fill, target_of_key
from hedge.hedger.manual_fills import ByHand
from hedge.wire.codec import RefusalCause, Seal, WireLimits
from hedge.wire.control import Lease
from hedge.wire.messages import AFilled
from hedge.wire.names import Names
from hedge.wire.state import PositionState
from tests.unit.shell.fakes import (
    A_INSTANCE,
    ACCOUNT_A,
    ACCOUNT_B,
    CHAIN,
    Bench,
    Calls,
    fill_message,
    hand_message,
)
from tests.unit.venue.fakes import ETH

SECRET = b"between the two of us"
CHANNEL = Names().account_a_filled
LEASE_OF_A = Lease(instance=A_INSTANCE, host="ahost")


class Hearing:
    """An Ear over a core that takes fills by hand while `is_ready`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.targets, self.said, self.too_large = Calls(), Calls(), Calls()
        self.why_stale, self.stale = None, Calls()
        self.is_ready = True
        self.refusals = Refusals(bench.parts, self.said)
        self.hand = ByHand(bench.parts)
        self.state = HedgerState(HedgerConfig(ETH, bench.parts.instance))
        self.ear = Ear(
            bench.parts,
            self.hand,
            EarHandlers(
                why_stale=lambda _: self.why_stale,
                target=self.targets,
                stale=self.stale,
                hand=self._take,
                refused=self.refusals.add,
                too_large=self.too_large,
            ),
        )

    @property
    def seal(self) -> Seal | None:
        """What signs A's messages."""
        return self.bench.parts.scope.seal(CHANNEL)

    @property
    def refused(self) -> dict[str, int]:
        return dict(self.refusals.counts)

    def _take(self, signed_lots: int) -> HedgerState | None:
        if not self.is_ready:
            return None
        manual = self.state.manual_lots - signed_lots
        self.state = replace(self.state, manual_lots=manual, hand_base_lots=0)
        return self.state

    async def publish(self, text: str) -> None:
        """Hear a message, as the manager does."""
        fill = self.ear.hear(text)
        if fill is not None:
            await self.ear.take_by_hand(text, fill)

    @property
    def manual(self) -> int:
        return self.state.manual_lots


@pytest.fixture
def heard(bench: Bench) -> Hearing:
    bench.max_fill_lots, bench.max_position_lots = 1000, 5000
    return Hearing(bench)


def text_of(fill: AFilled, seal: Seal | None = None, **changes: Any) -> str:
    """Return the message's text with fields changed; `...` takes one out."""
    values = {**json.loads(fill.to_json(ETH, seal)), **changes}
    return json.dumps({key: value for key, value in values.items() if value is not ...})


GOOD = fill_message(10, 1, 10)


# --- states of A -----------------------------------------------------------------------------


def test_a_fill_of_a_is_a_state_of_a(heard: Hearing) -> None:
    """The message carries A's position after the fill, and how new that is: nothing is added up."""
    assert heard.ear.hear(text_of(fill_message(-10, 4, 30, trade_id=77))) is None
    [(fill, target)] = heard.targets
    assert fill.signed_lots == -10
    assert target == ATarget(A_INSTANCE, 4, 30, 77, stamp_s=0)


def test_repeated_and_late_messages_are_passed_on(heard: Hearing) -> None:
    """Which state is newest is the core's to decide: the ear drops nothing that can be read."""
    for seq in (2, 1, 2):
        heard.ear.hear(text_of(fill_message(10, seq, 10 * seq)))
    assert [target.seq for _, target in heard.targets] == [2, 1, 2]


def test_a_signed_fill_is_taken_with_the_secret(bench: Bench) -> None:
    """With a shared secret set, A's own messages still count."""
    bench.secret = SECRET
    heard = Hearing(bench)
    heard.ear.hear(text_of(GOOD, heard.seal))
    assert len(heard.targets) == 1


@pytest.mark.parametrize(
    "changes", [{"account_index": ACCOUNT_B}, {"account_index": 5}, {"market_index": 1}]
)
def test_another_pairs_fill_is_nobodys_error(heard: Hearing, changes: dict[str, Any]) -> None:
    """Pairs may share channels: another account's or market's is counted, and no event."""
    assert heard.ear.hear(text_of(GOOD, **changes)) is None
    assert (heard.targets, heard.said) == ([], [])
    [word] = heard.refused
    assert word in ("other_account", "other_market")


REFUSED: dict[RefusalCause, Callable[[], str]] = {
    RefusalCause.NOT_JSON: lambda: text_of(GOOD)[:-1],
    RefusalCause.NOT_OBJECT: lambda: "[1, 2]",
    RefusalCause.UNKNOWN_VERSION: lambda: text_of(GOOD, v=1),
    RefusalCause.MISSING_FIELD: lambda: text_of(GOOD, order_index=...),
    RefusalCause.WRONG_TYPE: lambda: text_of(GOOD, side="up"),
    RefusalCause.NON_FINITE: lambda: text_of(GOOD, filled_base_amount="NaN"),
    RefusalCause.NEGATIVE_AMOUNT: lambda: text_of(GOOD, filled_base_amount="-0.0010"),
    RefusalCause.NOT_WHOLE_LOTS: lambda: text_of(GOOD, filled_base_amount="0.00015"),
    RefusalCause.TOO_LARGE: lambda: text_of(fill_message(1001, 1, 10)),
    RefusalCause.POSITION_LIMIT: lambda: text_of(fill_message(10, 1, -5001)),
    RefusalCause.WRONG_CHAIN: lambda: text_of(GOOD, chain_id=CHAIN + 1),
}


@pytest.mark.parametrize("cause", REFUSED, ids=lambda cause: cause.value)
def test_each_cause_is_counted_always_and_said_once(heard: Hearing, cause: RefusalCause) -> None:
    """A flood of garbage is one event per cause, a count, and no target."""
    text = REFUSED[cause]()
    for _ in range(3):
        assert heard.ear.hear(text) is None
    assert heard.refused == {cause.value: 3}
    assert [(event, reason) for event, reason, _ in heard.said] == [
        ("message_refused", cause.value)
    ]
    assert heard.targets == []


def test_causes_are_said_one_by_one(heard: Hearing) -> None:
    """The first of every cause is said, whatever came between."""
    for _ in range(2):
        for make in REFUSED.values():
            heard.ear.hear(make())
    assert [reason for _, reason, _ in heard.said] == [cause.value for cause in REFUSED]


def test_a_wrong_signature_is_refused(bench: Bench) -> None:
    """With a secret set, what is unsigned or changed after signing never moves the target."""
    bench.secret = SECRET
    heard = Hearing(bench)
    heard.ear.hear(text_of(GOOD))
    heard.ear.hear(text_of(GOOD, heard.seal, position_base_amount="9.0000"))
    assert heard.refused == {RefusalCause.BAD_SIGNATURE.value: 2}
    assert heard.targets == []


def test_only_a_position_beyond_the_limit_halts(heard: Hearing) -> None:
    """A message that claims such a position halts, in words that name it; no other cause does."""
    for cause, make in REFUSED.items():
        if cause is not RefusalCause.POSITION_LIMIT:
            heard.ear.hear(make())
    assert heard.too_large == []
    heard.ear.hear(REFUSED[RefusalCause.POSITION_LIMIT]())
    [detail] = heard.too_large
    assert "0.5001" in detail


def test_a_position_at_the_limit_is_taken(heard: Hearing) -> None:
    """The limit itself is allowed, on both sides."""
    heard.ear.hear(text_of(fill_message(10, 1, 5000)))
    heard.ear.hear(text_of(fill_message(-10, 2, -5000)))
    assert len(heard.targets) == 2
    assert heard.too_large == []


# --- fills published by hand -----------------------------------------------------------------


async def test_a_fill_by_hand_moves_what_is_owed(heard: Hearing) -> None:
    """With no A around, a person's message counts as a fill of A."""
    await heard.publish(text_of(hand_message(30)))
    assert (heard.manual, heard.targets) == (-30, [])
    await heard.publish(text_of(hand_message(-30)))
    assert heard.manual == 0


async def test_while_an_a_holds_its_lease_no_hand_is_taken(
    heard: Hearing, caplog: pytest.LogCaptureFixture
) -> None:
    """A running A says itself what it holds; the refusal names the reason."""
    heard.bench.bus.snapshot = StateSnapshot(lease_a=LEASE_OF_A)
    await heard.publish(text_of(hand_message(30)))
    assert heard.manual == 0
    assert "an A is running" in caplog.text


async def test_with_a_secret_no_hand_is_taken(bench: Bench) -> None:
    """Neither unsigned nor signed: with a secret only A's daemon speaks for A."""
    bench.secret = SECRET
    heard = Hearing(bench)
    await heard.publish(text_of(hand_message(30)))
    await heard.publish(text_of(hand_message(30), Seal.by_hand(SECRET, "", CHANNEL)))
    assert heard.manual == 0
    assert heard.bench.bus.reads == 0


async def test_with_redis_away_no_hand_is_taken(heard: Hearing) -> None:
    """Nobody knows whether an A runs: that is not a no."""
    heard.bench.bus.reachable = False
    await heard.publish(text_of(hand_message(30)))
    assert heard.manual == 0


async def test_before_the_book_is_proven_no_hand_is_taken(heard: Hearing) -> None:
    """It is not remembered either, so that the same text may be published again."""
    heard.is_ready = False
    await heard.publish(text_of(hand_message(30)))
    assert heard.manual == 0
    heard.is_ready = True
    await heard.publish(text_of(hand_message(30)))
    assert heard.manual == -30


async def test_the_same_text_counts_once(heard: Hearing, caplog: pytest.LogCaptureFixture) -> None:
    """A repeated message is no second fill, and that is said; white space makes no difference."""
    text = text_of(hand_message(30))
    await heard.publish(text)
    await heard.publish(f" {text}\n")
    assert heard.manual == -30
    assert "counted already" in caplog.text
    await heard.publish(text_of(hand_message(30, timestamp=2)))
    assert heard.manual == -60


async def test_the_same_text_twice_at_once_counts_once(heard: Hearing) -> None:
    """Both wait for the answer of Redis; only one of them is taken."""
    text = text_of(hand_message(30))
    await asyncio.gather(*(heard.publish(text) for _ in range(5)))
    assert heard.manual == -30


@pytest.mark.parametrize("lots", [1001, 5000])
async def test_a_hand_obeys_the_limit_of_a_fill(heard: Hearing, lots: int) -> None:
    """A slipped decimal point is refused as any fill that is too large."""
    await heard.publish(text_of(hand_message(lots)))
    assert heard.refused == {RefusalCause.TOO_LARGE.value: 1}
    assert heard.manual == 0


# --- what is kept of them --------------------------------------------------------------------


def test_the_newest_texts_are_remembered(heard: Hearing) -> None:
    """The memory is bounded, and it is the oldest texts that leave it."""
    for number in range(10_001):
        heard.hand.remember(f"text {number}")
    assert not heard.hand.is_known("text 0")
    assert heard.hand.is_known("text 1")
    assert heard.hand.is_known("text 10000")


# --- A's key ---------------------------------------------------------------------------------


def key_of_a(stamp_s: int, instance: str = A_INSTANCE) -> PositionState:
    return PositionState(
        chain_id=CHAIN,
        account_index=ACCOUNT_A,
        market_index=0,
        instance=instance,
        seq=9,
        position_lots=100,
        floor_trade_id=1,
        last_trade_id=44,
        timestamp=stamp_s,
    )


def test_a_key_and_a_fill_name_the_same_state() -> None:
    """Both are A's position as of a seq; only the key tells when A wrote it."""
    by_key = target_of_key(key_of_a(1234))
    assert by_key == ATarget(A_INSTANCE, 9, 100, 44, stamp_s=1234)
    by_fill = target_of_fill(fill_message(10, 9, 100, trade_id=44, timestamp=1234))
    assert by_fill == replace(by_key, stamp_s=0)


def test_a_trade_that_is_said_late_does_not_make_the_position_old() -> None:
    """A found trade 7 after 9: its message carries the position after both."""
    late = fill_message(90, 8, 190, trade_id=7, last_trade_id=9)
    read = AFilled.from_json(late.to_json(ETH), ETH, WireLimits(CHAIN))
    assert target_of_fill(read).last_trade_id == 9


def test_a_missing_key_is_unknown() -> None:
    """After a wipe B knows nothing of A; that is never read as flat."""
    read = baseline_of(StateSnapshot(lease_a=LEASE_OF_A), None, 0, is_fresh=True)
    assert (read.target, read.named, read.fresh) == (None, False, False)


@pytest.mark.parametrize(
    ("stamp_s", "fresh"), [(90, False), (100, False), (102, False), (103, True), (200, True)]
)
def test_only_a_state_later_than_our_newest_trade_is_fresh(stamp_s: int, fresh: bool) -> None:
    """A rolled back Redis shows a state that our own hedge has answered already."""
    snapshot = StateSnapshot(position_a=key_of_a(stamp_s), lease_a=LEASE_OF_A)
    assert baseline_of(snapshot, None, newest_ms=100_000, is_fresh=True).fresh is fresh


@pytest.mark.parametrize(
    ("lease", "known", "named"),
    [
        (A_INSTANCE, None, True),
        ("e" * 12, None, False),
        (None, None, True),
        (None, A_INSTANCE, True),
        (None, "e" * 12, False),
    ],
)
def test_whose_state_it_is_decides_the_lease_and_without_one_what_was_known(
    lease: str | None, known: str | None, named: bool
) -> None:
    """The holder of A's lease is named; where nobody holds it, A's last process is."""
    snapshot = StateSnapshot(
        position_a=key_of_a(200),
        lease_a=Lease(instance=lease, host="ahost") if lease else None,
    )
    target = replace(target_of_key(key_of_a(1)), instance=known) if known else None
    assert baseline_of(snapshot, target, 0, is_fresh=True).named is named
