"""What may become of a change of A's price: kinds of the schedules, by name.

Each lets the market go a little away from A's order, to and fro, so that the level leaves it; a
kind beside the first is what becomes of the next change that A sends, of both copies of it:
- "level leaves": the change is taken and executed;
- "change lost": no copy arrives, or the second one alone;
- "change unanswered": copies arrive, and no answer comes back;
- "change late": copies are kept on their way, and arrive when nobody waits for them any more;
- "change refused": the exchange refuses it, for something that is not the order's end;
- "change dropped": it is taken, and executed never;
- "change crosses": the market comes back under way, so that a post-only order would trade;
- "change overtaken": the order fills under way, in part or whole, before the change or after it;
- "A killed at a change": A dies while its change is open, or soon after it.

A kind counts as reached when a change of a living A met it: "overtaken" where something was filled.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.exchange import ETH, HALF_SPREAD, A, SimExchange

if TYPE_CHECKING:
    from tests.simulation.schedule import Stage

LEAVES, LOST, UNANSWERED = "level leaves", "change lost", "change unanswered"
LATE, REFUSED, DROPPED = "change late", "change refused", "change dropped"
CROSSES, OVERTAKEN, KILLED = "change crosses", "change overtaken", "A killed at a change"
KINDS = (LEAVES, LOST, UNANSWERED, LATE, REFUSED, DROPPED, CROSSES, OVERTAKEN, KILLED)

REFUSALS = ((21739, "not enough margin to create the order"), (21743, "invalid order info"))
STAYS_S = (1.6, 4.0)
"""So long a level stands still: A follows one that has been elsewhere for a second."""
STEPS = (2, 6)
ON_ITS_WAY_S = 0.4
"""About as long as a change takes from A to its execution."""


def _level_leaves(kind: str) -> Callable[["Stage", Random], None]:
    def blow(stage: "Stage", dice: Random) -> None:
        exchange = stage.world.exchange
        exchange.changes.arm(kind, dice)
        exchange.changes.kill = lambda: _kill(stage, dice)
        steps = dice.randrange(*STEPS)
        stage.last(steps * STAYS_S[1])
        is_walking, exchange.changes.steps = exchange.changes.steps > 0, steps

        def step() -> None:
            _leave(exchange, dice)
            exchange.changes.steps -= 1
            if exchange.changes.steps > 0:
                stage.later(dice.uniform(*STAYS_S), step)

        if not is_walking:  # else it goes on: two walks would leave no level time to stand still
            step()

    return blow


def _leave(exchange: SimExchange, dice: Random) -> None:
    """Go up from a resting buy, and down from a sell: by less than a hedge may cost."""
    resting = exchange.engine.active_orders(A, ETH.market_id)
    goes_up = not resting[0].is_ask if resting else dice.random() < 0.5
    mark = exchange.engine.mark_price(ETH.market_id)
    by = max(1, mark * dice.randrange(2, 60) // 10_000)
    exchange.move(mark + by if goes_up else max(1000, mark - by))


def is_left(exchange: SimExchange) -> bool:
    """Whether the level walks and A's order is behind it: nobody takes such an order."""
    resting = exchange.engine.active_orders(A, ETH.market_id) if exchange.changes.steps else ()
    if not resting:
        return False
    market, order = exchange.markets[ETH.market_id], resting[0]
    return order.price > market.ask if order.is_ask else order.price < market.bid


def _kill(stage: "Stage", dice: Random) -> None:
    if stage.a.is_running:
        stage.a.kill(KILLED)
        stage.later(dice.uniform(0.1, 4), stage.a.start)


def come_back(exchange: SimExchange, price_ticks: int, *, is_ask: bool) -> None:
    """Let the others' best price be at, or beyond, the price that a change asks for."""
    if is_ask:
        exchange.part(price_ticks, price_ticks + 2 * HALF_SPREAD)
    else:
        exchange.part(price_ticks - 2 * HALF_SPREAD, price_ticks)


BLOWS: dict[str, Callable[["Stage", Random], None]] = {kind: _level_leaves(kind) for kind in KINDS}
