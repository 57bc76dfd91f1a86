"""Evidence before words, ends and starts in every order, commands that cannot hurt."""

import signal

from tests.outside.kit import Trial, case
from tests.outside.pair import Pair
from tests.outside.processes import Process

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
A_SIZE = "0.0100"  # of A's order in lots of ETH


def by_hand(trial: Trial, pair: Pair, *, a: str = "", b: str = "") -> tuple[Process, Process]:
    """Start B, then A, each as README does by hand, and wait until A's order rests.

    Args:
        trial: The trial.
        pair: The pair.
        a: A's configuration, where it has one of its own.
        b: B's.
    """
    hedger = pair.b(config=b)
    trial.until(lambda: hedger.said(r"\] ready "), "B to be ready")
    maker = pair.a(config=a)
    trial.until(lambda: pair.resting() > 0, "A's order to rest")
    return maker, hedger


@case(
    "2a",
    "tier standard, A's order rests, one kill -TERM A B, a fill while A cancels: both end neutral",
)
def one_term_to_both(trial: Trial) -> None:
    pair = Pair(trial, tier="standard")
    maker, hedger = by_hand(trial, pair)
    trial.signal(TERM, maker, hedger)
    trial.pause(0.1)
    pair.exchange.take("sell", A_SIZE, until=pair.accounts[0])
    trial.until(lambda: maker.code is not None and hedger.code is not None, "both ends", 480)
    trial.settle()
    trial.expect(maker.code == 0, "A ends with 0")
    trial.expect(hedger.code == 0, "B ends with 0")
