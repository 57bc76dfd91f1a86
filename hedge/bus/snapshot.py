"""Reading all state keys at once, and refusing what is not this pair's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from hedge.bus.port import PairScope, RefusedValue, StateSnapshot
from hedge.bus.remnants import elsewhere_of
from hedge.wire.codec import MessageRefusedError, RefusalCause, WireLimits, version_of
from hedge.wire.control import NO_HALTS, Command, Lease, parse_halts, unreadable
from hedge.wire.names import LeaseKey, Names
from hedge.wire.record import Record
from hedge.wire.state import Ledger, Neutral, PositionState, Ready

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class SnapshotReader:
    """Turns the raw values into a snapshot, and names each refused value once."""

    def __init__(
        self, names: Names, scope: PairScope, lease_a: LeaseKey | None, lease_b: LeaseKey | None
    ) -> None:
        """Read the keys of `names` as of `scope`; a lease that is None is not read."""
        self._scope = scope
        self._leases = lease_a, lease_b
        of_b = (names.position_b, names.ledger)
        self.keys = [
            names.position_a,
            names.position_b,
            names.ledger,
            names.neutral,
            names.ready_a,
            names.ready_b,
            names.halt,
            names.command,
            *(lease.name for lease in self._leases if lease is not None),
        ]
        self._limits = {
            name: scope.limits_b(name) if name in of_b else scope.limits_a(name)
            for name in self.keys
        }
        self._named: dict[str, str] = {}
        self._refused: dict[str, RefusalCause] = {}
        self._texts: dict[str, str] = {}
        self._others: dict[str, tuple[str, Ready]] = {}
        self._new: list[RefusedValue] = []
        self._spec = scope.spec
        self._taken: dict[str, tuple[str, Any]] = {}
        """The text that was read last under a key, and what it said: most say nothing new."""

    def read(
        self,
        values: Sequence[str | None],
        notes: Sequence[str] = (),
        odd: Mapping[str, str] | None = None,
    ) -> StateSnapshot:
        """Judge the values of `keys`, in that order; `notes` are added to the problems.

        `odd` are the keys that hold no text, with their types.
        """
        spec = self._scope.spec
        if spec != self._spec:
            self._spec, self._taken = spec, {}
        by_key = dict(zip(self.keys, values, strict=True))
        problems = list(notes)
        self._refused, self._new = {}, []
        for key, kind in (odd or {}).items():
            complaint = f"it is a {kind}, not a text"
            self._refuse(key, RefusalCause.WRONG_TYPE, complaint, complaint, problems)

        def take(key: str, judge: Callable[[str, WireLimits], T]) -> T | None:
            limits = self._limits[key]
            return self._take(key, by_key[key], lambda text: judge(text, limits), problems)

        def read(key: str, kind: type[R]) -> R | None:
            return take(key, lambda text, limits: kind.from_json(text, spec, limits))

        position_a, position_b, ledger, neutral, ready_a, ready_b, halt, command = self.keys[:8]

        def read_beat(key: str) -> Ready | None:
            return take(key, lambda text, limits: self._judge_beat(key, text, limits))

        lease_a, lease_b = (
            None if lease is None else read(lease.name, Lease) for lease in self._leases
        )
        halts = take(halt, parse_halts)
        if halts is None and halt in self._refused:
            text = by_key[halt] or str((odd or {}).get(halt, ""))
            halts = unreadable(text, f"{halt} in Redis", self._named.get(halt, ""))
        return StateSnapshot(
            position_a=read(position_a, PositionState),
            position_b=read(position_b, PositionState),
            ledger=read(ledger, Ledger),
            neutral=read(neutral, Neutral),
            ready_a=read_beat(ready_a),
            ready_b=read_beat(ready_b),
            halts=halts or NO_HALTS,
            command=read(command, Command),
            lease_a=lease_a,
            lease_b=lease_b,
            problems=tuple(problems),
            refused=self._refused,
            newly_refused=tuple(self._new),
            other_a=self._other(ready_a, by_key[ready_a]),
            other_b=self._other(ready_b, by_key[ready_b]),
            version_a=self._version(ready_a),
            version_b=self._version(ready_b),
            a_elsewhere=self._elsewhere("A", position_a),
            b_elsewhere=self._elsewhere("B", position_b),
        )

    def _other(self, key: str, text: str | None) -> Ready | None:
        known, beat = self._others.get(key, ("", None))
        return beat if known == text else None

    def _version(self, key: str) -> int | None:
        """Return of which other version of the program the value is, None where of none."""
        if self._refused.get(key) is not RefusalCause.UNKNOWN_VERSION:
            return None
        return version_of(self._texts[key])

    def _elsewhere(self, side: str, key: str) -> str:
        if self._refused.get(key) is not RefusalCause.OTHER_MARKET:
            return ""
        found = elsewhere_of({side: self._texts[key]}, None, self._scope.spec.market_index)
        return "".join(f"{what}, in market {market}" for market, what in found.items())

    def _judge_beat(self, key: str, text: str, limits: WireLimits) -> Ready:
        """Read a heartbeat; one of other accounts is kept apart. Raises MessageRefusedError."""
        beat = Ready.from_json(text, self._scope.spec, limits)
        refusal = self._scope.refusal_of(beat)
        if refusal is not None:
            self._others[key] = text, beat
            raise refusal
        return beat

    def _take(
        self, key: str, text: str | None, judge: Callable[[str], T], problems: list[str]
    ) -> T | None:
        if text is None:
            if key not in self._refused:
                self._forget(key)
            return None
        taken = self._taken.get(key)
        if taken is None or taken[0] != text:
            try:
                taken = text, judge(text)
            except MessageRefusedError as error:
                self._refuse(key, error.cause, str(error), text, problems)
                return None
            self._taken[key] = taken
        self._forget(key)
        value: T = taken[1]
        return value

    def _forget(self, key: str) -> None:
        self._named.pop(key, None)
        self._texts.pop(key, None)

    def _refuse(
        self, key: str, cause: RefusalCause, complaint: str, text: str, problems: list[str]
    ) -> None:
        """Name a refusal once per complaint, and count it once per text."""
        self._refused[key] = cause
        value = RefusedValue(key, cause, complaint)
        if self._texts.get(key) != text:
            self._texts[key] = text
            self._new.append(value)
        if self._named.get(key) != complaint:
            self._named[key] = complaint
            problems.append(value.text)
