"""What can be done to the pairs: every kind of fault, its targets, how long it lasts, how often.

Two pairs stand on one Redis and one exchange. The first has three hosts of one daemon each: A, and
two main_B.py of which one leads. The second has one host, on which a launcher runs both daemons.
"""

from dataclasses import dataclass

PROCESSES = ("redis", "exchange", "a", "b1", "b2")
"""The processes that are kept running one by one, in every run."""
DAEMONS = ("a", "b1", "b2")
LAUNCHER = "two"
"""The second pair, its host, and the launcher that runs there."""
MEMBERS = ("two-a", "two-b")
"""The daemons under the launcher: started and restarted by it alone."""
REPLICA, SENTINEL = "replica", "sentinel"
HOSTS = (*DAEMONS, LAUNCHER)
PAIRS = ("one", LAUNCHER)
"""The first pair, and the second one, whose name is that of its host."""
SERVERS = ("redis", "exchange")
LINKS = tuple(f"{host}-{server}" for host in HOSTS for server in SERVERS)
"""One TCP proxy or more each; the exchange's carries HTTP and WebSocket."""
LINKS_OF_ONE = tuple(link for link in LINKS if not link.startswith(LAUNCHER))

CALM, WIDE = "calm", "all"
FAULTS = (CALM, WIDE)


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


KILL = Kind("kill", PROCESSES, 0.0, 4.5, weight=6)
KINDS: tuple[Kind, ...] = (
    KILL,
    Kind("stop", PROCESSES, 0.2, 5.0, weight=6),
    Kind("restart", PROCESSES, 0.0, 2.0, weight=3),
    Kind("cut", LINKS_OF_ONE, weight=4),
    Kind("refuse", LINKS_OF_ONE, 0.3, 4.0, weight=3),
    Kind("hole", LINKS_OF_ONE, 0.3, 4.0, weight=3),
    Kind("lose-replies", LINKS_OF_ONE, 0.2, 3.0, weight=4),
    Kind("lose-requests", LINKS_OF_ONE, 0.2, 3.0, weight=3),
    Kind("lag", LINKS_OF_ONE, 0.5, 4.0, weight=3),
    Kind("half-close", LINKS_OF_ONE, weight=2),
    Kind("redis-wipe", ("redis",), weight=3),
    Kind("redis-rollback", ("redis",), 0.5, 3.0, weight=3),
    Kind("drop-subscribers", ("redis",), weight=2),
    Kind("garbage", ("redis",), weight=2),
    Kind("replay", ("redis",), weight=2),
)
"""What machines and networks do to the first pair for a few seconds."""

GENTLE_KINDS: tuple[Kind, ...] = (
    Kind("hold", LINKS_OF_ONE, 0.3, 4.0, weight=2),
    Kind("far", LINKS_OF_ONE, 1.0, 6.0, weight=2),
    Kind("status", ("one",), weight=2),
)
"""What the pairs outlive beside them."""

WIDE_KINDS: tuple[Kind, ...] = (
    Kind("kill", (*PROCESSES, LAUNCHER, *MEMBERS), 0.0, 4.5, weight=4),
    Kind("redis-rollback", ("redis",), 5.0, 60.0, weight=2),
    Kind("stop", (LAUNCHER, *MEMBERS), 0.2, 5.0, weight=3),
    Kind("restart", (LAUNCHER,), 0.0, 2.0, weight=3),
    Kind("cut", (f"{LAUNCHER}-redis", f"{LAUNCHER}-exchange"), weight=2),
    Kind("hold", LINKS, 0.5, 30.0, weight=4),
    Kind("far", LINKS, 3.0, 20.0, weight=4),
    Kind("lie", HOSTS, 1.0, 8.0, weight=12),
    Kind("kill-resting", ("a", "b1", LAUNCHER, *MEMBERS, *PAIRS), 0.0, 20.0, weight=14),
    Kind("term-all", PAIRS, 0.0, 2.0, weight=8),
    Kind("stop-script", (LAUNCHER,), 0.0, 2.0, weight=2),
    Kind("host-lost", HOSTS, 1.0, 12.0, weight=6),
    Kind("failover", ("redis",), weight=2),
    Kind("failover-lossy", ("redis",), 0.5, 10.0, weight=2),
    Kind("deposed", ("redis",), 2.0, 8.0, weight=2),
    Kind("busy", ("market",), weight=10),
    Kind("clock", ("exchange",), weight=1),
    Kind("status", PAIRS, weight=8),
    Kind("resume", PAIRS, weight=1),
    Kind("flatten", PAIRS, weight=1),
    Kind("halt", PAIRS, weight=1),
)
"""What people, supervisors, strangers and liars do, and what lasts."""
