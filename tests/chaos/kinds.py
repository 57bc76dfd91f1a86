"""What can be done to the pair: every kind of fault, its targets, how long it lasts, how often."""

from dataclasses import dataclass

PROCESSES = ("redis", "exchange", "a", "b1", "b2")
"""b1 and b2 are two main_B.py with their own state directories: two hosts; one leads."""
DAEMONS = ("a", "b1", "b2")
SERVERS = ("redis", "exchange")
LINKS = tuple(f"{daemon}-{server}" for daemon in DAEMONS for server in SERVERS)
"""One TCP proxy each; the exchange's carries HTTP and WebSocket."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    It lasts `shortest_s` to `longest_s` seconds; of a kill or restart that is how long the process
    stays away. `weight` is its share of the faults that are drawn at random.
    """

    name: str
    targets: tuple[str, ...]
    shortest_s: float = 0.0
    longest_s: float = 0.0
    weight: int = 1


KINDS: tuple[Kind, ...] = (
    Kind("kill", PROCESSES, 0.0, 4.5, weight=6),
    Kind("stop", PROCESSES, 0.2, 5.0, weight=6),
    Kind("restart", PROCESSES, 0.0, 2.0, weight=3),
    Kind("cut", LINKS, weight=4),
    Kind("refuse", LINKS, 0.3, 4.0, weight=3),
    Kind("hole", LINKS, 0.3, 4.0, weight=3),
    Kind("lose-replies", LINKS, 0.2, 3.0, weight=4),
    Kind("lose-requests", LINKS, 0.2, 3.0, weight=3),
    Kind("lag", LINKS, 0.5, 4.0, weight=3),
    Kind("half-close", LINKS, weight=2),
    Kind("redis-wipe", ("redis",), weight=3),
    Kind("redis-rollback", ("redis",), 0.5, 3.0, weight=3),
    Kind("drop-subscribers", ("redis",), weight=2),
    Kind("garbage", ("redis",), weight=2),
    Kind("replay", ("redis",), weight=2),
)
BY_NAME = {kind.name: kind for kind in KINDS}
KILL = BY_NAME["kill"]
