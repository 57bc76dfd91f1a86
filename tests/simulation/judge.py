"""The promises, judged from the exchange's own log and from what the pair was told and said."""

from decimal import Decimal
from typing import Any

from paper.records import Order, OrderType, TimeInForce
from tests.pair_audit import Audit, Leg, OrderLife, audit_of
from tests.simulation.daemon import TIMING, Daemon, World
from tests.simulation.exchange import A, B, Logged

STALE_S = TIMING.redis_down_s + 2 * TIMING.redis_timeout_s + TIMING.beat_s + TIMING.tick_s
"""A decides on nothing older; longer silence means that B is unknown."""


class Judge:
    """Collects what contradicts a promise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.violations: list[str] = []
        self.placed = 0
        self.dust_lots = 0
        """What may stay unhedged while A goes on."""

    def on_place(self, daemon: Daemon) -> None:
        """Check what A knew when it decided on a resting order (I3)."""
        self.placed += 1
        now = self._world.loop.time()
        messenger = daemon.messenger
        assert messenger is not None
        if messenger.seen is None:
            self._say("A placed an order without having seen B")
            return
        seen_at, snapshot = messenger.seen
        if snapshot.halt is not None and snapshot.halt.is_active:
            self._say(f"A placed an order while halted ({snapshot.halt.reason})")
        if snapshot.ready_b is None or not snapshot.ready_b.ready:
            self._say("A placed an order while B was not ready")
        if now - seen_at > STALE_S and now - daemon.thawed_at > STALE_S:
            self._say(f"A placed an order on a state of B {now - seen_at:.1f} s old")

    def _say(self, what: str) -> None:
        self.violations.append(f"I3: {what} (at {self._world.loop.time():.3f} s)")

    def audit(self) -> Audit:
        """Check I2 and I3 at every prefix of the exchange's log."""
        log = self._world.exchange.log
        audit = audit_of(_legs(log), _lives(log), A, B, self.dust_lots)
        self.violations += [f"I2: {text}" for text in audit.never_twice[:3]]
        self.violations += [f"I3: {text}" for text in (*audit.hold, *audit.beside)[:3]]
        self.violations += [f"bug: {text}" for text in self._world.bugs]
        return audit


def _legs(log: Logged) -> list[Leg]:
    legs = []
    for seq, mono, trade in log.trades:
        a, b = (
            trade.lots * ((trade.bid_account_index == who) - (trade.ask_account_index == who))
            for who in (A, B)
        )
        if a or b:
            legs.append(Leg(seq, mono, a, b))
    return legs


def _lives(log: Logged) -> list[OrderLife]:
    lives = []
    for rows in log.orders.values():
        (_, first), (last_mono, last) = rows[0], rows[-1]
        received = log.arrived[first.order_index]
        lives.append(_life(first, last, received, None if last.status.is_active else last_mono))
    return sorted(lives, key=lambda life: life.received_ns)


def _life(first: Order, last: Order, received: int, ended: int | None) -> OrderLife:
    kwargs: dict[str, Any] = {
        "account": first.account_index,
        "client_order_index": first.client_order_index,
        "is_ask": first.is_ask,
        "size_lots": first.initial_lots,
        "filled_lots": last.filled_lots,
        "price": Decimal(first.price),
        "kind": "market" if first.type is OrderType.MARKET else "limit",
        "time_in_force": TimeInForce(first.time_in_force).wire,
        "reduce_only": first.reduce_only,
        "received_ns": received,
        "ended_ns": ended,
        "status": str(last.status),
    }
    return OrderLife(**kwargs)
