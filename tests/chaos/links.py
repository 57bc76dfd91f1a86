"""A host's way to a server: one proxy, or one for each server that may have to be asked there."""

from collections import Counter
from collections.abc import Callable

from tests.world.proxy import TcpProxy, Way

FAR_S = 0.08
JITTER_S = 0.04
"""What a far host has each way."""


class Link:
    """All of its proxies at once; switches count the faults that hold them on."""

    def __init__(self, *proxies: TcpProxy) -> None:
        self.proxies = proxies
        self._on: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port of the first proxy."""
        return self.proxies[0].port

    @property
    def ways(self) -> tuple[Way, ...]:
        """Both directions of every proxy."""
        return tuple(way for proxy in self.proxies for way in (proxy.up, proxy.down))

    def cut(self) -> None:
        """Reset every open connection."""
        for proxy in self.proxies:
            proxy.cut()

    def turn(self, name: str, by: int) -> None:
        """Count one more (or one less) fault that holds a switch on: it goes off with the last."""
        self._on[name] += by
        on = self._on[name] > 0
        switches: dict[str, Callable[[TcpProxy], None]] = {
            "lose-replies": lambda proxy: proxy.drop_replies(on),
            "lose-requests": lambda proxy: proxy.drop_requests(on),
            "refuse": lambda proxy: proxy.refuse(on),
            "hold": lambda proxy: proxy.hold(on),
        }
        for proxy in self.proxies:
            switches[name](proxy)

    def lag(self, by_s: float, jitter_s: float = 0.0) -> None:
        """Add to the delay of each way; a negative amount takes it back."""
        for way in self.ways:
            way.delay_s = max(0.0, way.delay_s + by_s)
            way.jitter_s = max(0.0, way.jitter_s + jitter_s)

    def half_close(self, *, up: bool) -> None:
        """End one direction of what is open."""
        for proxy in self.proxies:
            (proxy.up if up else proxy.down).half_close()
