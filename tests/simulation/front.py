"""What stands before the engine: request limits, keys, the volume quota, the market's state.

The limits are the paper exchange's own; the quota is that of the Plus and Premium tiers
(apidocs.lighter.xyz, volume-quota-program): an order, a change and a cancel-all spend one each,
traded volume earns more, and with nothing left one transaction passes every 15 s.
"""

import math
from dataclasses import dataclass

from paper.errors import TxRejected
from paper.limits import Owner, RequestLimits, Verdict

CREATE, CANCEL_ALL, CHANGE = 14, 16, 17
SPENDERS = (CREATE, CANCEL_ALL, CHANGE)
EARNED_PER_MICROS = 7_000_000
FREE_EVERY_S = 15.0
TOO_MANY_REQUESTS = 23000
MARKET_STATUS = 21605


@dataclass(frozen=True)
class KeyRule:
    """What the exchange says to a key, by a kind of the schedules."""

    kind: str
    code: int
    text: str
    may_post: bool = False
    """It takes post-only orders and cancels."""


class Front:
    """Lets everything pass until told otherwise."""

    def __init__(self) -> None:
        self.limits: RequestLimits | None = None
        """Counts requests like the venue's own front, once it is set."""
        self.tier = "standard"
        self.is_shared = False
        """Whether both accounts have one owner, whose requests count together."""
        self.quota: dict[int, int] = {}
        """Account to what is left of its volume quota; without one it has plenty."""
        self.key_rules: dict[tuple[int, int], KeyRule] = {}
        """Account and key index to what the exchange does not take from it."""
        self.key_told_s: dict[int, float] = {}
        """Account to when a process of it was first told that its key may not send something."""
        self.is_inactive = False
        """Whether the market takes no orders."""
        self.size_factor = 1
        self.size_changed_s = 0.0
        """When that changed: who reads the market later knows it."""
        """By how much an order becomes larger than what its signer meant."""
        self.sockets_closed_until_s = -math.inf
        """Until when a new socket is answered by 429."""
        self._traded: dict[int, int] = {}
        self._free_s: dict[int, float] = {}

    def heal(self) -> None:
        """End what is out of the ordinary; request limits are not."""
        limits, is_shared = self.limits, self.is_shared
        self.__init__()  # type: ignore[misc]
        self.limits, self.is_shared = limits, is_shared

    def read(self, now_s: float, host: str, owner: str, call: str) -> Verdict:
        """Count one read of a host for an owner."""
        if self.limits is None:
            return Verdict.PASS
        return self.limits.read(now_s, host, Owner(owner, self.tier), call)

    def browse(self, now_s: float, owner: str, requests: int) -> None:
        """Let an owner's browser read, from another host."""
        for _ in range(requests):
            self.read(now_s, "browser", owner, "account")

    def send(self, now_s: float, host: str, owner: str, tx_type: int) -> Verdict:
        """Count one transaction of a host for an owner."""
        if self.limits is None:
            return Verdict.PASS
        return self.limits.send(now_s, host, Owner(owner, self.tier), [tx_type])

    def admit_key(self, account: int, key: int, tx_type: int, *, posts: bool) -> None:
        """Refuse what a key may not send: TxRejected. `posts`: it is a post-only order."""
        rule = self.key_rules.get((account, key))
        if rule is not None and not (rule.may_post and (posts or tx_type != CREATE)):
            raise TxRejected(rule.code, rule.text)

    def admit(self, now_s: float, account: int, tx_type: int) -> bool:
        """Refuse what the market's state or the volume quota does not let pass: TxRejected.

        Return whether it passes with nothing left of the quota, as the one in 15 s.
        """
        if self.is_inactive and tx_type in (CREATE, CHANGE):
            raise TxRejected(MARKET_STATUS, "invalid market status")
        if account not in self.quota or tx_type not in SPENDERS:
            return False
        if self.quota[account]:
            self.quota[account] -= 1
            return False
        if now_s - self._free_s.get(account, -FREE_EVERY_S) < FREE_EVERY_S:
            raise TxRejected(TOO_MANY_REQUESTS, "Too Many Requests: no volume quota remaining")
        self._free_s[account] = now_s
        return True

    def earn(self, account: int, quote_micros: int) -> None:
        """Count traded volume."""
        if account not in self.quota:
            return
        traded = self._traded.get(account, 0) + quote_micros
        self.quota[account] += traded // EARNED_PER_MICROS
        self._traded[account] = traded % EARNED_PER_MICROS
