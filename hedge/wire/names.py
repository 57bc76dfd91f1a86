"""Every Redis name in one place.

Without a pair name all names begin with `hedge:`, with one with `hedge:NAME:`, so that
`PSUBSCRIBE 'hedge:*'` sees every pair. Leases stand outside the pair's namespace: two pairs that
sign with one key would fight over its nonces.
"""

import re
from dataclasses import dataclass
from functools import cached_property

ROOT = "hedge"
STREAM_LENGTH = 100_000
"""About how many messages each history stream keeps."""

_PAIR = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class LeaseKey:
    """Whose nonces a lease protects: one API key of one account of one chain."""

    chain_id: int
    account_index: int
    api_key_index: int

    @cached_property
    def name(self) -> str:
        """Return the Redis key."""
        return f"{ROOT}:lease:{self.chain_id}:{self.account_index}:{self.api_key_index}"

    @cached_property
    def instances(self) -> str:
        """Return the Redis key of the processes that may have signed with it."""
        return f"{ROOT}:instances:{self.chain_id}:{self.account_index}:{self.api_key_index}"


@dataclass(frozen=True)
class PairLeaseKey:
    """The lease of one side of two accounts in a market: one pair trades them, under one key.

    `api_key_index` is that of the process; it is no part of the name.
    """

    chain_id: int
    account_a: int
    account_b: int
    market_index: int
    side: str
    api_key_index: int

    @cached_property
    def name(self) -> str:
        """Return the Redis key."""
        where = f"{self.chain_id}:{self.account_a}:{self.account_b}:{self.market_index}"
        return f"{ROOT}:lease:pair:{where}:{self.side}"


@dataclass(frozen=True)
class Names:
    """The names of one pair; `pair` empty is the pair without a name."""

    pair: str = ""

    def __post_init__(self) -> None:
        """Refuse a pair name that would change the shape of the names."""
        if self.pair and not _PAIR.fullmatch(self.pair):
            msg = f"pair name {self.pair!r}: letters, digits, '_', '-' and '.' only"
            raise ValueError(msg)

    def _name(self, tail: str) -> str:
        return f"{ROOT}:{self.pair}:{tail}" if self.pair else f"{ROOT}:{tail}"

    # --- channels

    @cached_property
    def account_a_filled(self) -> str:
        """Channel of A's fills."""
        return self._name("account_a_filled")

    @cached_property
    def account_b_filled(self) -> str:
        """Channel of B's executed hedges."""
        return self._name("account_b_filled")

    @cached_property
    def account_b_hedge_failed(self) -> str:
        """Channel of hedges that cannot be made."""
        return self._name("account_b_hedge_failed")

    @cached_property
    def events(self) -> str:
        """Channel of state changes of both sides."""
        return self._name("events")

    def probe(self, instance: str) -> str:
        """Return the private channel on which a process proves that its subscription lives."""
        return self._name(f"probe:{instance}")

    # --- streams

    @cached_property
    def fills(self) -> str:
        """Stream: history of A's fills."""
        return self._name("fills")

    @cached_property
    def results(self) -> str:
        """Stream: history of B's hedges and failures."""
        return self._name("results")

    # --- keys

    @cached_property
    def position_a(self) -> str:
        """A's newest position."""
        return self._name("position:a")

    @cached_property
    def position_b(self) -> str:
        """B's newest position."""
        return self._name("position:b")

    @cached_property
    def ledger(self) -> str:
        """B's answer to A's newest state."""
        return self._name("ledger")

    @cached_property
    def neutral(self) -> str:
        """Last moment with nothing in flight and nothing owed."""
        return self._name("neutral")

    @cached_property
    def ready_a(self) -> str:
        """Heartbeat of A, with a TTL."""
        return self._name("ready:a")

    @cached_property
    def ready_b(self) -> str:
        """Heartbeat of B, with a TTL."""
        return self._name("ready:b")

    @cached_property
    def halt(self) -> str:
        """Why the pair is halted, and what was released: two sets."""
        return self._name("halt")

    @cached_property
    def command(self) -> str:
        """The operator's newest command, with a TTL."""
        return self._name("command")

    def standby(self, side: str, instance: str) -> str:
        """Return the heartbeat key of a process that waits to lead side "a" or "b", with a TTL."""
        return self._name(f"standby:{side}:{instance}")

    def ready(self, side: str) -> str:
        """Return the heartbeat key of side "a" or "b"."""
        return self.ready_a if side == "a" else self.ready_b

    def position(self, side: str) -> str:
        """Return the position key of side "a" or "b"."""
        return self.position_a if side == "a" else self.position_b
