"""Which nonces of our key this process has used, and whether another program uses some as well.

After a fence every nonce below the next one is used. One that no transaction of ours bore was
another program's: a second pair on another Redis, or whatever else has this API key.
"""

from collections import deque

_KEPT = 4096
_WITHIN_MS = 60_000
_TIMES = 3
"""So many fences within a minute that find such nonces show a program that goes on signing."""
_LONGEST_PAUSE_S = 8.0

KEY_SHARED = "key_shared"
KEY_SHARED_WORDS = (
    "another program signs with this API key: it used nonces that are not ours three times within "
    "a minute. Give each program an API key of its own, or stop the other one"
)


class NonceWatch:
    """What the sender of one key has signed; times are monotonic ms."""

    def __init__(self) -> None:
        """Know of no nonce yet."""
        self._sent: dict[int, None] = {}
        self._next: int | None = None
        self._foreign_ms: deque[int] = deque(maxlen=64)
        self.newest: int | None = None
        """The highest nonce that is known to be given out, or the next one."""

    def sent(self, nonce: int) -> None:
        """Take note of a transaction of ours that leaves."""
        self._sent[nonce] = None
        if len(self._sent) > _KEPT:
            del self._sent[next(iter(self._sent))]
        self.newest = max(nonce, self.newest or 0)

    def refused(self, nonce: int) -> None:
        """Take note that the sole copy of one was refused: that nonce is used, and not by it."""
        self._sent.pop(nonce, None)

    def fenced(self, next_nonce: int, now_ms: int) -> None:
        """Take the next nonce of a passed fence: everything since the last fence is used."""
        if self._next is not None and not self.are_ours(next_nonce):
            self._foreign_ms.append(now_ms)
        self._next = next_nonce
        self.newest = max(next_nonce, self.newest or 0)

    def learn(self, next_nonce: int) -> None:
        """Take the next nonce that an earlier run of this host left, all before it being known."""
        self._next = next_nonce
        self.newest = max(next_nonce, self.newest or 0)

    @property
    def next_nonce(self) -> int | None:
        """Return the first nonce that is not known to be used, None before the first fence."""
        following = self._next
        while following is not None and following in self._sent:
            following += 1
        return following

    def are_ours(self, next_nonce: int) -> bool:
        """Whether all nonces below one are known: of before the last fence, or ours since then."""
        since = max(self._next or 0, next_nonce - _KEPT)
        return all(nonce in self._sent for nonce in range(since, next_nonce))

    def forget(self) -> None:
        """Forget where we were: without the lease another process of the pair may sign."""
        self._next = None
        self._foreign_ms.clear()

    def is_shared(self, now_ms: int) -> bool:
        """Whether another program has gone on signing with our key within the last minute."""
        return self._times(now_ms) >= _TIMES

    def pause_s(self, now_ms: int) -> float:
        """Return how long to wait before the next fence beside such a program, 0 without one."""
        more = self._times(now_ms) - _TIMES
        return 0.0 if more < 0 else min(2.0**more, _LONGEST_PAUSE_S)

    def _times(self, now_ms: int) -> int:
        if not self._foreign_ms:
            return 0
        return sum(1 for at_ms in self._foreign_ms if now_ms - at_ms <= _WITHIN_MS)
