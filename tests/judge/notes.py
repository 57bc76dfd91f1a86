"""Where a run writes down, as it goes, what the exchange's log cannot know."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tests.judge.facts import (
    Adopted,
    Bounds,
    Decision,
    FalseRow,
    Halted,
    HandPublished,
    Hindered,
    Hindrance,
    Leg,
    Life,
    OrderLife,
    Record,
    Said,
    Shown,
)


@dataclass
class Notes:
    """Grows with the run; `record` closes it. Moments are seconds on the run's own clock."""

    said: list[Said] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    by_hand: list[HandPublished] = field(default_factory=list)
    adopted: list[Adopted] = field(default_factory=list)
    false_rows: list[FalseRow] = field(default_factory=list)
    released: set[str] = field(default_factory=set)
    """Ids of the halts that a person has released."""
    b_signed_s: list[float] | None = None
    """When a B signed an order, where that is known."""
    forgot_s: list[float] = field(default_factory=list)
    """When a memory was lost."""
    signed: dict[int, float] = field(default_factory=dict)
    """Client order index to the moment at which its process decided on the order."""
    hindered: list[Hindered] = field(default_factory=list)
    halted: list[Halted] = field(default_factory=list)
    _hindering: dict[tuple[str, Hindrance], float] = field(default_factory=dict)
    _halting: dict[str, float] = field(default_factory=dict)
    _lives: list[Life] = field(default_factory=list)
    _running: dict[str, tuple[float, str]] = field(default_factory=dict)
    _shown: list[Shown] = field(default_factory=list)
    _showing: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)

    def runs(self, at_s: float, who: str, side: str) -> None:
        """A process runs from now on (also: goes on after a freeze)."""
        self._running.setdefault(who, (at_s, side))

    def rests(self, at_s: float, who: str) -> None:
        """A process has ended or is frozen; what it showed can be seen no more."""
        if who in self._running:
            start_s, side = self._running.pop(who)
            self._lives.append(Life(start_s, at_s, who, side))
        for key in [key for key in self._showing if key[0] == who]:
            self._close(key, at_s)

    def shows(self, at_s: float, who: str, side: str, where: str, reason: str) -> None:
        """A process shows a reason until it shows another one at this place; "" for none."""
        key = (who, side, where)
        if self._showing.get(key, (0.0, ""))[1] == reason:
            return
        self._close(key, at_s)
        if reason:
            self._showing[key] = (at_s, reason)

    def showed(self, at_s: float, side: str, where: str, reason: str) -> None:
        """A reason was shown at one moment, by a log line or an event."""
        self._shown.append(Shown(at_s, at_s, side, where, reason))

    def hinders(self, at_s: float, side: str, found: Collection[Hindrance]) -> None:
        """Note what keeps a side from acting from now on, until other things do."""
        if not (found or self._hindering):
            return  # as nearly always
        for what in Hindrance:
            key = (side, what)
            if what in found:
                self._hindering.setdefault(key, at_s)
            elif key in self._hindering:
                self.hindered.append(Hindered(self._hindering.pop(key), at_s, side, what))

    def halts(self, at_s: float, reasons: Collection[str]) -> None:
        """Note which halts stand from now on."""
        for reason in {*reasons, *self._halting}:
            if reason in reasons:
                self._halting.setdefault(reason, at_s)
            else:
                self.halted.append(Halted(self._halting.pop(reason), at_s, reason))

    def releases(self, at_s: float, halt_id: str, *, forced: bool = False) -> None:
        """A person releases a halt; by force: the exchange's positions are adopted."""
        self.released.add(halt_id)
        if forced:
            self.adopted.append(Adopted(at_s, f"resume --force of {halt_id}"))

    def _close(self, key: tuple[str, str, str], at_s: float) -> None:
        start_s, reason = self._showing.pop(key, (0.0, ""))
        if reason:
            self._shown.append(Shown(start_s, at_s, key[1], key[2], reason))

    def record(
        self,
        *,
        accounts: tuple[int, int],
        legs: list[Leg],
        orders: list[OrderLife],
        end_s: float,
        bounds: Bounds,
        offset_lots: int = 0,
        first_lots: tuple[int, int] = (0, 0),
    ) -> Record:
        """Return everything up to `end_s`; the notes may go on afterwards."""
        running = [Life(start, None, who, side) for who, (start, side) in self._running.items()]
        showing = [
            Shown(start_s, None, side, where, reason)
            for (_, side, where), (start_s, reason) in self._showing.items()
        ]
        return Record(
            account_a=accounts[0],
            account_b=accounts[1],
            offset_lots=offset_lots,
            first_a_lots=first_lots[0],
            first_b_lots=first_lots[1],
            legs=tuple(legs),
            orders=tuple(orders),
            said=tuple(sorted(self.said, key=lambda one: one.at_s)),
            shown=(*self._shown, *showing),
            decisions=tuple(self.decisions),
            lives=(*self._lives, *running),
            by_hand=tuple(self.by_hand),
            adopted=tuple(self.adopted),
            false_rows=tuple(self.false_rows),
            hindered=(
                *self.hindered,
                *(Hindered(at_s, None, *key) for key, at_s in self._hindering.items()),
            ),
            halted=(
                *self.halted,
                *(Halted(at_s, None, reason) for reason, at_s in self._halting.items()),
            ),
            b_signed_s=None if self.b_signed_s is None else tuple(self.b_signed_s),
            forgot_s=tuple(self.forgot_s),
            end_s=end_s,
            bounds=bounds,
        )
