"""Which messages, keys and stream entries of a run are recorded, and the entries they make."""

import json
from dataclasses import dataclass
from typing import Any

from tests.public.shapes import Entries, fields_of, joined, type_of
from tests.public.world import Wanted, Watch

FILLS, HEDGES = "hedge:account_a_filled", "hedge:account_b_filled"
EVENTS, PROBE = "hedge:events", "hedge:probe:{instance}"
READY_A, READY_B = "hedge:ready:a", "hedge:ready:b"
LEDGER, HALT, NEUTRAL = "hedge:ledger", "hedge:halt", "hedge:neutral"
LEASE = "hedge:lease:{chain}:{account}:{key}"

OTHER_READY_A, OTHER_READY_B = "hedge:{pair}:ready:a", "hedge:{pair}:ready:b"
OTHER_FILLS, OTHER_RESULTS = "hedge:{pair}:account_a_filled", "hedge:{pair}:results"
OTHER_LEDGER, OTHER_HALT = "hedge:{pair}:ledger", "hedge:{pair}:halt"
FAILURES = "hedge:{pair}:account_b_hedge_failed"
STANDBY = "hedge:{pair}:standby:b:{instance}"

STAMPS = 9
"""Stages of a hedge for which a confirmation has stamps, where A's message came first."""


def anything(_value: Any) -> bool:
    """Want whatever there is."""
    return True


def stamped(result: Any) -> bool:
    """Want the confirmation of a hedge that answered a message."""
    return len(result["stamps"]) >= STAMPS


def traded(neutral: Any) -> bool:
    """Want a neutral moment after a trade."""
    return bool(neutral["b_trade_id"])


def working(beat: Any) -> bool:
    """Want the heartbeat of an A whose order rests."""
    return bool(beat["state"] == "working")


def ready(beat: Any) -> bool:
    """Want the heartbeat of a B that can hedge."""
    return bool(beat["ready"] and beat["can_hedge_base_amount"])


def failed(ledger: Any) -> bool:
    """Want the ledger of a B that has given up."""
    return bool(ledger["failed"])


def in_force(halt: Any) -> bool:
    """Want a halt that is not released."""
    return bool(halt["halts"])


def resumed(halt: Any) -> bool:
    """Want the record that a halt was released."""
    return bool(halt["released"]) and not halt["halts"]


def again(halt: Any) -> bool:
    """Want the record that a second halt was released, by force."""
    return resumed(halt) and len(halt["released"]) > 1


def named(event: str) -> Wanted:
    """Want an event of this name."""
    return lambda it: bool(it["event"] == event)


def of_kind(kind: str) -> Wanted:
    """Want an entry of a stream of this kind."""
    return lambda it: bool(it["kind"] == kind)


@dataclass(frozen=True)
class Row:
    """One value that is recorded: where it is, which of those there, and how it is known.

    The fields named in `kept` keep their values in the record. Of a stream entry `channel` is
    where the same message is published.
    """

    section: str
    place: str
    which: str = ""
    is_wanted: Wanted = anything
    kept: str = ""
    channel: str = ""

    @property
    def name(self) -> str:
        """The beginning of its entries' names."""
        return joined(self.section, f"{self.place} ({self.which})" if self.which else self.place)

    def found(self, watch: Watch) -> Any | None:
        """Return the first value that is wanted, None while there is none."""
        look = watch.message if self.section == "channel" else watch.value
        return look(self.place, self.is_wanted)

    def entries(self, watch: Watch) -> Entries:
        """Return its entries, none where it was not seen."""
        value = self.found(watch)
        if value is None:
            return {}
        if self.section == "channel":
            return fields_of(self.name, value, self.kept.split())
        seen = watch.keys[self.place]
        life = {
            joined(self.section, self.place, "type on Redis"): seen.kind,
            joined(self.section, self.place, "life in s"): seen.ttl_s,
        }
        if not self.channel:
            return life | fields_of(self.name, value, self.kept.split())
        message = json.loads(value["message"])
        published = watch.message(self.channel, lambda it: bool(it == message)) is not None
        fields = {joined(self.name, field): type_of(text) for field, text in value.items()}
        told = {joined(self.name, "message is one of"): self.channel if published else None}
        return life | fields | told


ROWS = (
    Row("channel", FILLS, "a buy", lambda it: bool(it["side"] == "buy"), "v side"),
    Row("channel", HEDGES, "", stamped, "v"),
    Row("channel", FAILURES, "", anything, "v reason"),
    Row("channel", EVENTS, "state", named("state"), "v event"),
    Row("channel", EVENTS, "halted", named("halted"), "v event"),
    Row("channel", EVENTS, "resumed", named("resumed"), "v event"),
    Row("channel", PROBE),
    Row("channel", OTHER_FILLS, "by hand", lambda it: "instance" not in it, "side"),
    Row("key", "hedge:position:a", "", anything, "v"),
    Row("key", "hedge:position:b", "", anything, "v"),
    Row("key", LEDGER, "before A", lambda it: it["a_seq"] is None, "v"),
    Row("key", LEDGER, "covered", lambda it: bool(it["owed_base_amount"] == "0.0000"), "v"),
    Row("key", OTHER_LEDGER, "failed", failed, "v failed"),
    Row("key", NEUTRAL, "", traded, "v"),
    Row("key", READY_A, "working", working, "v side"),
    Row("key", READY_B, "ready", ready, "v side"),
    Row("key", STANDBY, "", anything, "v side"),
    Row("key", LEASE),
    Row("key", HALT, "in force", in_force, "v side reason"),
    Row("key", HALT, "resumed", resumed, "v side reason"),
    Row("key", HALT, "resumed by force", again, "v side reason"),
    Row("key", OTHER_HALT, "of B", in_force, "v side reason"),
    Row("key", "hedge:command", "", anything, "v command"),
    Row("stream", "hedge:fills", "filled", of_kind("filled"), channel=FILLS),
    Row("stream", "hedge:results", "filled", of_kind("filled"), channel=HEDGES),
    Row("stream", OTHER_RESULTS, "failed", of_kind("failed"), channel=FAILURES),
)


def missing(watch: Watch) -> list[str]:
    """Return what is recorded and was not seen yet."""
    return [row.name for row in ROWS if row.found(watch) is None]


def missing_in(entries: Entries) -> list[str]:
    """Return what is recorded and made no entry."""
    return [row.name for row in ROWS if not any(it.startswith(row.name) for it in entries)]


def entries_of(watch: Watch) -> Entries:
    """Return the entries of everything that is recorded."""
    return {name: value for row in ROWS for name, value in row.entries(watch).items()}
