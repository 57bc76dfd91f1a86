"""A paper engine with two users, a virtual clock, and short ways to write transactions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paper.engine import DEFAULT_MARKETS, Engine, Entry, TxRejected
from paper.journal import Journal, header_of
from paper.records import Accepted, EngineEvent, Order, OrderChanged, Quote, Tier, Trade, Tx

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
USD = 1_000_000
KEY = 5
ALICE, BOB, TWIN = 42, 43, 44
"""TWIN has the same master as ALICE."""


class Bench:
    """One engine with a clock in the test's hands."""

    def __init__(self, tier: Tier = Tier.INSTANT, collateral: int = 100_000 * USD) -> None:
        self.now = START_MS
        self.ticks = 0
        self.entries: list[Entry] = []
        self.events: list[EngineEvent] = []
        self.engine = Engine(
            DEFAULT_MARKETS, tier, lambda: self.now, self.mono, recorder=self.entries.append
        )
        for index, master in ((ALICE, "0xaa"), (BOB, "0xbb"), (TWIN, "0xaa")):
            self.engine.add_account(index, master, collateral)
            self.engine.add_key(index, KEY, "0xabcd")

    def mono(self) -> int:
        self.ticks += 1
        return self.ticks

    def nonce(self, account: int, key: int = KEY) -> int:
        return self.engine.next_nonce(account, key) or 0

    def create_info(self, account: int, **changes: Any) -> dict[str, Any]:
        """A resting buy of 0.0100 ETH at 2,999.00, changed as asked."""
        tif = changes.get("TimeInForce", 1)
        info: dict[str, Any] = {
            "AccountIndex": account,
            "ApiKeyIndex": KEY,
            "MarketIndex": 0,
            "ClientOrderIndex": 0,
            "BaseAmount": 100,
            "Price": 299_900,
            "IsAsk": 0,
            "Type": 0,
            "TimeInForce": 1,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": 0 if tif == 0 else self.now + DAY_MS,
            "ExpiredAt": self.now + 599_000,
            "Nonce": self.nonce(account, changes.get("ApiKeyIndex", KEY)),
            "Sig": "",
            "L2TxAttributes": None,
        }
        return info | changes

    def plain_info(self, account: int, **fields: Any) -> dict[str, Any]:
        """A transaction with the common head and these fields."""
        return {
            "AccountIndex": account,
            "ApiKeyIndex": KEY,
            "ExpiredAt": self.now + 599_000,
            "Nonce": self.nonce(account, fields.get("ApiKeyIndex", KEY)),
            "Sig": "",
            "L2TxAttributes": None,
        } | fields

    def submit(self, tx_type: int, info: dict[str, Any]) -> Accepted:
        """Submit without executing."""
        return self.engine.submit(tx_type, json.dumps(info))

    def run(self, ms: int = 0) -> None:
        """Let time pass and execute what is due."""
        self.now += ms
        self.engine.advance(self.now)
        self.events += self.engine.drain_events()

    def create(self, account: int, **changes: Any) -> Order:
        """Submit an order, execute it, return its row."""
        accepted = self.submit(14, self.create_info(account, **changes))
        self.run(300 if accepted.predicted_execution_time_ms > self.now else 0)
        return self.order_of(accepted.tx_hash)

    def market(self, account: int, lots: int, *, is_ask: bool, **changes: Any) -> Order:
        """Execute a market order with a generous cap."""
        price = 200_000 if is_ask else 400_000
        fields = {"BaseAmount": lots, "IsAsk": int(is_ask), "Type": 1, "TimeInForce": 0}
        return self.create(account, **({"Price": price} | fields | changes))

    def cancel(self, account: int, index: int, **changes: Any) -> Tx:
        accepted = self.submit(15, self.plain_info(account, MarketIndex=0, Index=index, **changes))
        self.run()
        return self.tx(accepted)

    def cancel_all(self, account: int, mode: int = 0, time_ms: int = 0, **changes: Any) -> Tx:
        info = self.plain_info(account, TimeInForce=mode, Time=time_ms, **changes)
        accepted = self.submit(16, info)
        self.run()
        return self.tx(accepted)

    def tx(self, accepted: Accepted) -> Tx:
        found = self.engine.tx_by_hash(accepted.tx_hash)
        assert found is not None
        return found

    def order_of(self, tx_hash: str) -> Order:
        """The newest row of the order that a transaction made."""
        self.events += self.engine.drain_events()
        rows = [e.order for e in self.events if isinstance(e, OrderChanged)]
        return next(row for row in reversed(rows) if row.tx_hash == tx_hash)

    def now_row(self, order: Order) -> Order:
        """The order as it is now."""
        found = self.engine.order(order.order_index)
        assert found is not None
        return found

    def lots(self, account: int, market_id: int = 0) -> int:
        return self.engine.position(account, market_id).position.lots

    def ladder(self, *rows: tuple[bool, int, int]) -> None:
        """Static quotes in ETH: (is_ask, price, lots)."""
        self.engine.set_ladder(0, [Quote(*row) for row in rows])

    def take(self, lots: int, *, is_ask: bool, until: int | None = None) -> list[Trade]:
        trades = self.engine.take(0, is_ask=is_ask, lots=lots, until_account=until)
        self.run()
        return trades

    def refused(self, tx_type: int, info: dict[str, Any] | str) -> int:
        """The code of a refusal, after checking that nothing changed."""
        before = (self.engine.last_seq, len(self.entries), self.engine.next_due_ms())
        nonces = {index: self.nonce(index) for index in (ALICE, BOB, TWIN)}
        text = info if isinstance(info, str) else json.dumps(info)
        with pytest.raises(TxRejected) as caught:
            self.engine.submit(tx_type, text)
        assert before == (self.engine.last_seq, len(self.entries), self.engine.next_due_ms())
        assert nonces == {index: self.nonce(index) for index in (ALICE, BOB, TWIN)}
        return caught.value.code


def new_engine(tier: Tier = Tier.STANDARD) -> Engine:
    """An engine as a journal is restored into: without a clock of its own."""
    return Engine(DEFAULT_MARKETS, tier, lambda: START_MS, lambda: 1)


def journaled(directory: Path) -> tuple[Bench, Journal]:
    """A bench whose inputs go to a journal as well."""
    bench = Bench(Tier.STANDARD)
    journal = Journal(directory, header_of(bench.engine))
    for entry in bench.entries:
        journal.append(entry)
    bench.engine.recorder = journal.append
    return bench, journal
