"""What is refused is counted by its cause, said once a minute, and shown by the heartbeat."""

from dataclasses import replace

import pytest

from hedge.bus.port import StateSnapshot
from hedge.bus.snapshot import SnapshotReader
from hedge.core.freshness import Stale
from hedge.daemon.other_version import OtherVersion
from hedge.daemon.refusals import BY_HAND, Refusals
from hedge.wire.codec import RefusalCause
from hedge.wire.control import FLATTEN, NO_HALTS, Command, Halt
from hedge.wire.envelope import Envelope
from tests.report_kit import READY_A
from tests.unit.shell.fakes import ACCOUNT_A, ACCOUNT_B, CHAIN, NAMES, Bench, Calls

MINUTE_MS = 60_000


class Counting:
    def __init__(self, bench: Bench) -> None:
        self.clock, self.said = bench.clock, Calls()
        self.refusals = Refusals(bench.parts, self.said)

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.refusals.counts)


@pytest.fixture
def counting(bench: Bench) -> Counting:
    return Counting(bench)


def test_a_flood_is_one_line_a_minute_and_a_count(counting: Counting) -> None:
    """The line of the next minute names them all."""
    for number in range(500):
        counting.refusals.add("not_json", "a_channel", f"number {number}")
        counting.refusals.settle()
    assert counting.counts == {"not_json": 500}
    assert [(event, reason) for event, reason, _ in counting.said] == [
        ("message_refused", "not_json")
    ]
    counting.clock.advance_ms(MINUTE_MS - 1)
    counting.refusals.settle()
    assert len(counting.said) == 1
    counting.clock.advance_ms(1)
    counting.refusals.settle()
    counting.refusals.settle()
    assert [detail for _, _, detail in counting.said][1:] == ["a_channel: number 499 (500 so far)"]


def test_each_cause_has_a_minute_of_its_own(counting: Counting) -> None:
    """A flood of one hides no other."""
    for cause in RefusalCause:
        counting.refusals.add(cause.value, "a_key", "x")
    said = {reason for _, reason, _ in counting.said}
    assert said == {cause.value for cause in RefusalCause if cause.is_fault}
    assert counting.counts == {cause.value: 1 for cause in RefusalCause}


def test_what_is_routine_is_counted_without_an_event(counting: Counting) -> None:
    """After a restart of either side the other's older words are not fresh: no alarm."""
    for why in Stale:
        counting.refusals.add(why.value, "a_key", "x")
    counting.refusals.add(BY_HAND, "a_channel", "an A is running")
    assert [reason for _, reason, _ in counting.said] == [BY_HAND]
    assert counting.counts == {**{why.value: 1 for why in Stale}, BY_HAND: 1}


def test_a_stored_value_that_is_not_fresh_is_counted_once_per_writing(counting: Counting) -> None:
    """It is read every second; one that turns stale while it stands there counts then."""
    said = Envelope("", "1" * 16, 1)
    for why in (None, Stale.AGE, Stale.AGE, Stale.EPOCH, None):
        counting.refusals.stored("a_key", said, why)
    counting.refusals.stored("a_key", replace(said, n=2), Stale.AGE)
    assert counting.counts == {Stale.AGE.value: 2, Stale.EPOCH.value: 1}


def test_a_value_is_counted_once_per_text_and_named_once_per_complaint(bench: Bench) -> None:
    """It is read every second; only what somebody wrote anew is another refusal."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)

    def read(text: str | None) -> tuple[int, int]:
        values = [text if key == NAMES.ready_b else None for key in reader.keys]
        found = reader.read(values)
        return len(found.newly_refused), len(found.problems)

    assert read("{") == (1, 1)
    assert read("{") == (0, 0)
    assert read("[1]") == (1, 1)
    assert read("[2]") == (1, 0)  # the same complaint about another text
    assert read(None) == (0, 0)
    assert read("{") == (1, 1)


def test_a_text_that_was_read_stands_for_itself_alone(bench: Bench) -> None:
    """What it said is kept by its whole text: never beside another one, a refused or a lost one."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)
    beats = [
        replace(
            READY_A, chain_id=CHAIN, a_account_index=ACCOUNT_A, b_account_index=ACCOUNT_B, beat=n
        )
        for n in (7, 8)
    ]
    texts = [
        one.to_json(bench.parts.spec, envelope=Envelope("", "a" * 16, one.beat)) for one in beats
    ]

    def read(text: str | None) -> int | None:
        values = [text if key == NAMES.ready_a else None for key in reader.keys]
        found = reader.read(values).ready_a
        return None if found is None else found.beat

    told = [texts[0], texts[0], texts[1], "{", "", None, texts[1], texts[0]]
    assert [read(text) for text in told] == [7, 7, 8, None, None, None, 8, 7]


def test_a_value_of_another_type_is_one_refusal(bench: Bench) -> None:
    """A list under the key of a heartbeat."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)
    values: list[str | None] = [None] * len(reader.keys)
    found = [reader.read(values, odd={NAMES.ready_a: "list"}) for _ in range(2)]
    assert [len(one.newly_refused) for one in found] == [1, 0]
    [refused] = found[0].newly_refused
    assert refused.cause is RefusalCause.WRONG_TYPE
    assert replace(found[0]).problems == (refused.text,)


def values_of(reader: SnapshotReader, **texts: str) -> list[str | None]:
    """What Redis holds: nothing but these, by the attribute of their name."""
    found = {getattr(NAMES, name): text for name, text in texts.items()}
    return [found.get(key) for key in reader.keys]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"a_account_index": 300}, RefusalCause.OTHER_ACCOUNT),
        ({"b_account_index": 301}, RefusalCause.OTHER_ACCOUNT),
        ({"a_account_index": ACCOUNT_B, "b_account_index": ACCOUNT_A}, RefusalCause.OTHER_ACCOUNT),
        ({"chain_id": CHAIN + 1}, RefusalCause.WRONG_CHAIN),
    ],
)
def test_what_other_accounts_state_or_are_asked_is_not_ours(
    bench: Bench, changes: dict[str, int], cause: RefusalCause
) -> None:
    """Heartbeats, with their halts and releases, and commands; a heartbeat is kept apart."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)
    halt = Halt(id="theirs", side="a", reason="x", detail="", timestamp=1)
    ours = {"chain_id": CHAIN, "a_account_index": ACCOUNT_A, "b_account_index": ACCOUNT_B}
    beats = {
        side: replace(READY_A, side=side, halts=(halt,), released=("r",), **{**ours, **changes})
        for side in "ab"
    }
    command = Command(id="c", command=FLATTEN, timestamp=1, **{**ours, **changes})
    values = values_of(
        reader,
        ready_a=beats["a"].to_json(bench.parts.spec),
        ready_b=beats["b"].to_json(bench.parts.spec),
        command=command.to_json(),
    )
    first, second = reader.read(values), reader.read(values)
    for found in (first, second):
        assert (found.ready_a, found.ready_b, found.command) == (None, None, None)
        assert (found.other_a, found.other_b) == (beats["a"], beats["b"])
        assert found.known_halts == NO_HALTS
        assert set(found.refused.values()) == {cause}
    assert [len(one.newly_refused) for one in (first, second)] == [3, 0]
    gone = reader.read(values_of(reader))
    assert (gone.other_a, gone.other_b) == (None, None)


@pytest.mark.parametrize(("v", "version"), [("1", 1), ("3", 3), ('"1"', None), ("true", None)])
def test_a_heartbeat_of_another_version_is_kept_apart_by_its_version(
    bench: Bench, v: str, version: int | None
) -> None:
    """It counts for nothing, but that the other program is of another version is told."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)
    ours = {"chain_id": CHAIN, "a_account_index": ACCOUNT_A, "b_account_index": ACCOUNT_B}
    beat = replace(READY_A, **ours).to_json(bench.parts.spec)
    other = beat.replace('"v":2', f'"v":{v}')
    found = reader.read(values_of(reader, ready_a=other, ready_b=beat))
    assert found.ready_b is not None
    assert (found.ready_a, found.version_a, found.version_b) == (None, version, None)
    found = reader.read(values_of(reader, ready_b=other))
    assert (found.ready_b, found.version_a, found.version_b) == (None, None, version)


def test_a_side_of_another_version_is_told_at_once_and_once_a_minute(bench: Bench) -> None:
    """In an event, and in the heartbeat as long as it lasts; to each side about the other."""
    for side, name, field in (("a", "B", "version_b"), ("b", "A", "version_a")):
        said = Calls()
        told = OtherVersion(bench.parts, side, said)
        seen = StateSnapshot(**{field: 1})
        told.look(StateSnapshot())
        assert (said, told.notices) == ([], ())
        told.look(seen)
        told.look(seen)
        assert len(said) == 1
        assert tuple(said) == told.notices
        [(word, text)] = said
        assert word == "other_version"
        assert text.startswith(f"{name} runs another version")
        assert "version 1, this one reads version 2" in text
        bench.clock.advance_ms(MINUTE_MS)
        told.look(seen)
        assert len(said) == 2
        told.look(StateSnapshot())
        assert told.notices == ()


def test_a_command_of_the_version_before_names_no_accounts(bench: Bench) -> None:
    """It is read as ever: the heartbeat that it answers is one of ours."""
    reader = SnapshotReader(NAMES, bench.parts.scope, None, None)
    command = Command(id="c", command=FLATTEN, timestamp=1)
    assert "account" not in command.to_json()
    assert reader.read(values_of(reader, command=command.to_json())).command == command
