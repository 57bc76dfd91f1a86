"""The fault switches: what can be made to go wrong, where, how often; and how often it did.

A switch is set by `POST /paper/faults` and lives until it has fired `count` times or is deleted.
Which request, transaction or frame it hits is decided here; what then happens is done where the
hit is (`fault_answers`, `plans`, `fault_frames`, `fault_views`, `fault_actions`). Without a switch
no hook is set anywhere, so nothing costs anything. Switches do not survive a restart; what they
decided about an accepted transaction does, because it is recorded with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from paper.apierror import invalid_param
from paper.fault_catalogue import COMMON, SCOPES, SWITCHES, Option, Switch
from paper.params import MAX_INT64, Body

MAX_FAULTS: Final = 1_000
"""Switches kept, spent ones included; the oldest spent ones are forgotten first."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a switch can hit; None where a question does not apply to it."""

    account_index: int | None = None
    tx_type: int | None = None
    order_type: int | None = None
    time_in_force: int | None = None
    market_index: int | None = None
    via: str | None = None
    path: str | None = None
    family: str | None = None


@dataclass(slots=True, eq=False)
class Fault:
    """One switch that was set."""

    id: int
    name: str
    scope: dict[str, Any]
    options: dict[str, Any]
    left: int | None
    """How often it still fires; None for no limit."""
    skip: int
    """Hits that it lets pass first."""
    probability: float
    seed: int
    matched: int = 0
    fired: int = 0
    rng: random.Random = field(default_factory=random.Random)

    @property
    def is_spent(self) -> bool:
        """Whether it will not fire again."""
        return self.left == 0

    @property
    def kind(self) -> str:
        """What it concerns: answer, execution, view, frame, socket or action."""
        return SWITCHES[self.name].kind

    def hits(self, event: Event) -> bool:
        """Whether its scope covers `event`; a scope that the event has no word on does not."""
        for name, wanted in self.scope.items():
            found = getattr(event, name)
            if wanted not in (found, "any"):
                return False
        return not self.is_spent

    def draws(self) -> bool:
        """Count a hit, and return whether the switch acts on it."""
        self.matched += 1
        if self.skip:
            self.skip -= 1
            return False
        return self.probability >= 1 or self.rng.random() < self.probability

    def fire(self) -> None:
        """Count one effect."""
        self.fired += 1
        if self.left is not None:
            self.left -= 1

    def as_json(self) -> Json:
        """Return what `GET /paper/faults` tells."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            **self.scope,
            **self.options,
            "probability": f"{self.probability:g}",
            "seed": self.seed,
            "skip": self.skip,
            "left": self.left,
            "matched": self.matched,
            "fired": self.fired,
        }


class Faults:
    """All switches of one exchange."""

    def __init__(self) -> None:
        """Start with none."""
        self._faults: dict[int, Fault] = {}
        self._last_id = 0
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever switches were set or deleted, to set or clear hooks."""
        self._listeners.append(listener)

    def live(self, *kinds: str) -> list[Fault]:
        """Return the switches of these kinds that may still fire, oldest first."""
        return [f for f in self._faults.values() if f.kind in kinds and not f.is_spent]

    def all(self) -> list[Fault]:
        """Return every switch, spent ones included, oldest first."""
        return list(self._faults.values())

    def get(self, fault_id: int) -> Fault | None:
        """Return a switch."""
        return self._faults.get(fault_id)

    def choose(self, kind: str, event: Event) -> Fault | None:
        """Return the first switch of this kind that acts on `event`; it is not counted yet."""
        return next((f for f in self.live(kind) if f.hits(event) and f.draws()), None)

    def choose_all(self, kind: str, event: Event) -> list[Fault]:
        """Return every switch of this kind that acts on `event`; none is counted yet."""
        return [fault for fault in self.live(kind) if fault.hits(event) and fault.draws()]

    def set(self, body: Body) -> Fault:
        """Set the switch that `body` describes, or raise ApiError with one sentence."""
        name = body.text("name")
        if name not in SWITCHES:
            raise invalid_param(f"name {name!r} is none of {', '.join(SWITCHES)}")
        switch = SWITCHES[name]
        _refuse_unknown(body, name, switch)
        seed = body.integer("seed", 1)
        count = body.integer("count", switch.count)
        self._last_id += 1
        fault = Fault(
            id=self._last_id,
            name=name,
            scope=_scope_of(body, switch),
            options={key: _read(body, key, option) for key, option in switch.options.items()},
            left=count or None,
            skip=body.integer("skip", 0),
            probability=_probability(body),
            seed=seed,
            rng=random.Random(seed),
        )
        self._faults[fault.id] = fault
        self._forget_oldest()
        self._changed()
        return fault

    def delete(self, fault_ids: Iterable[int]) -> list[Fault]:
        """Delete switches and return them."""
        gone = [self._faults.pop(fault_id) for fault_id in list(fault_ids)]
        for fault in gone:
            fault.left = 0
        self._changed()
        return gone

    def _forget_oldest(self) -> None:
        spent = [fault.id for fault in self._faults.values() if fault.is_spent]
        for fault_id in spent[: max(0, len(self._faults) - MAX_FAULTS)]:
            del self._faults[fault_id]
        if len(self._faults) > MAX_FAULTS:
            del self._faults[self._last_id]
            detail = f"there are {MAX_FAULTS} switches already, delete some first"
            raise invalid_param(detail)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _refuse_unknown(body: Body, name: str, switch: Switch) -> None:
    allowed = [*COMMON, *switch.scope, *switch.options]
    for key in body.names():
        if key not in allowed:
            raise invalid_param(f"{name} has no {key!r}; it takes {', '.join(allowed)}")


def _scope_of(body: Body, switch: Switch) -> Json:
    """Return the questions that narrow the switch: those of the body, else its defaults."""
    scope = {}
    for key, default in switch.scope.items():
        value = default if body.get(key) is None else _read(body, key, SCOPES[key])
        if value is not None:
            scope[key] = value
    return scope


def _read(body: Body, name: str, option: Option) -> Any:
    """Return one parameter, checked."""
    if body.get(name) is None:
        if option.required:
            raise invalid_param(f"{name} is required")
        return option.default
    if isinstance(option.default, bool):
        value = body.get(name)
        if not isinstance(value, bool):
            raise invalid_param(f"{name} must be true or false")
        return value
    if option.amount:
        return f"{body.decimal(name):f}"
    if option.integer:
        return body.integer(name, low=option.low, high=option.high or MAX_INT64)
    text = body.text(name)
    if option.choices and text not in option.choices:
        raise invalid_param(f"{name} must be one of {', '.join(option.choices)}")
    return text


def _probability(body: Body) -> float:
    probability = float(body.decimal("probability", "1"))
    if not 0 < probability <= 1:
        detail = "probability must be above 0 and at most 1"
        raise invalid_param(detail)
    return probability
