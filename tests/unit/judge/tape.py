"""An imagined run, written entry by entry; each entry is one second later."""

from decimal import Decimal
from typing import Any

from tests.judge.audit import Audit, judge
from tests.judge.facts import ORDER_TAG, TAG_SHIFT, Bounds, Claim, Decision, Leg, OrderLife, Said
from tests.judge.notes import Notes

A, B = 1, 2
POST_ONLY, IOC = "post-only", "immediate-or-cancel"


def cid(number: int, tag: int = ORDER_TAG) -> int:
    """Return a client order index of the pair."""
    return (tag << TAG_SHIFT) | number


class Tape:
    """Writes the log of an imagined exchange and the notes beside it."""

    def __init__(self, offset_lots: int = 0, **bounds: Any) -> None:
        self.offset_lots = offset_lots
        self.bounds = Bounds(**{"news_s": 0.5, "answer_s": 0.0, "stranger_s": 0.0, **bounds})
        self.notes = Notes()
        self.legs: list[Leg] = []
        self.lives: dict[int, OrderLife] = {}
        self.now_s = 0.0

    def pass_s(self, seconds: float = 1.0) -> float:
        """Let time pass; return the moment."""
        self.now_s += seconds
        return self.now_s

    @property
    def mono(self) -> int:
        """The place in the exchange's order."""
        return round(self.now_s * 1000)

    # --- the exchange

    def trade(self, a_lots: int = 0, b_lots: int = 0, **changes: Any) -> None:
        """A and B trade so much; a buy is positive."""
        self.pass_s()
        leg = Leg(len(self.legs) + 1, self.mono, self.now_s, a_lots, b_lots, **changes)
        self.legs.append(leg)

    def order(self, account: int, number: int, lots: int, **changes: Any) -> None:
        """An order of the pair comes in and rests; a buy is positive."""
        self.pass_s()
        self.lives[number] = OrderLife(
            **{
                "account": account,
                "client_order_index": cid(number),
                "is_ask": lots < 0,
                "size_lots": abs(lots),
                "filled_lots": 0,
                "price": Decimal(3000),
                "kind": "limit" if account == A else "market",
                "time_in_force": POST_ONLY if account == A else IOC,
                "reduce_only": False,
                "received_ns": self.mono,
                "received_s": self.now_s,
                "ended_ns": None,
                "ended_s": None,
                "status": "open",
                **changes,
            }
        )

    def end(self, number: int, filled_lots: int = 0) -> None:
        """An order ends."""
        self.pass_s()
        self.change(
            number,
            ended_ns=self.mono,
            ended_s=self.now_s,
            filled_lots=filled_lots,
            status="filled" if filled_lots else "canceled",
        )

    def change(self, number: int, **changes: Any) -> None:
        """Change a life that was written."""
        life = self.lives[number]
        values = {name: getattr(life, name) for name in life.__slots__}
        self.lives[number] = OrderLife(**{**values, **changes})

    def fill(self, number: int, lots: int) -> None:
        """A's order comes in, is filled whole and ends."""
        self.order(A, number, lots)
        self.trade(a_lots=lots)
        self.end(number, abs(lots))

    def hedge(self, number: int, lots: int) -> None:
        """B's order comes in, executes whole and ends."""
        self.order(B, number, lots)
        self.trade(b_lots=lots)
        self.end(number, abs(lots))

    def cycle(self, number: int, lots: int = 400) -> None:
        """A buys, B hedges, A sells, B hedges."""
        self.fill(number, lots)
        self.hedge(number + 1, -lots)
        self.fill(number + 2, -lots)
        self.hedge(number + 3, lots)

    # --- the pair

    def say(self, claim: Claim, who: str = "B", **fields: Any) -> None:
        """A word is said."""
        self.pass_s()
        self.notes.said.append(Said(self.now_s, who, claim, **fields))

    def decide(self, **changes: Any) -> None:
        """A decides on an order, told a moment ago that B is ready."""
        self.pass_s()
        values = {
            "client_order_index": cid(99),
            "who": "A",
            "b_ready": True,
            "halted": None,
            "told_s": self.now_s - 0.1,
            **changes,
        }
        self.notes.decisions.append(Decision(self.now_s, **values))

    def audit(self) -> Audit:
        """Judge all of it."""
        record = self.notes.record(
            accounts=(A, B),
            legs=self.legs,
            orders=sorted(self.lives.values(), key=lambda life: life.received_ns),
            end_s=self.now_s,
            bounds=self.bounds,
            offset_lots=self.offset_lots,
            first_lots=(0, self.offset_lots),
        )
        return judge(record)

    def broken(self) -> list[tuple[str, str]]:
        """Return (promise, kind) of each violation, each once, sorted."""
        return sorted({(one.promise, one.kind) for one in self.audit().violations})
