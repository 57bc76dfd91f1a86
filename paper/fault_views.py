"""View faults: reads of accounts that are answered from an older state.

A switch copies the engine at the moment it is set; the copy then follows the recorded inputs at
its distance, or never (a stale replica). So every read (orders, trades, nonces, accounts,
transactions) answers exactly what the exchange would have answered then.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from paper.engine import Engine, Entry
from paper.exchange import Exchange
from paper.fault_answers import http_event
from paper.faults import Fault, Faults

ACCOUNT_READS: Final = frozenset(
    {
        "account",
        "accountActiveOrders",
        "accountInactiveOrders",
        "accountOrders",
        "accountTxs",
        "liquidations",
        "nextNonce",
        "trades",
        "tx",
    }
)
BATCH: Final = 1_000
"""Inputs that wait at most before the copy looks whether it may take them."""

_NOT_COPIED: Final = frozenset({"_clock", "_mono", "recorder"})

Routes = Callable[[Exchange], list[web.RouteDef]]


@dataclass(slots=True, eq=False)
class Replica:
    """A copy of the exchange that is behind."""

    engine: Engine
    handlers: dict[str, Handler]
    lag_ms: int | None
    """None: it stays where it is."""
    waiting: deque[Entry] = field(default_factory=deque)

    def note(self, entry: Entry, now_ms: int) -> None:
        """Hear of one input of the real exchange."""
        if self.lag_ms is not None:
            self.waiting.append(entry)
            if len(self.waiting) > BATCH:
                self.catch_up(now_ms)

    def catch_up(self, now_ms: int) -> None:
        """Do what is old enough by now."""
        if self.lag_ms is None:
            return
        while self.waiting and self.waiting[0][1] <= now_ms - self.lag_ms:
            self.engine.apply(self.waiting.popleft())
        self.engine.drain_events()


class ViewFaults:
    """Acts on the switches of kind "view"."""

    def __init__(self, faults: Faults, exchange: Exchange, routes: Routes) -> None:
        """Answer from copies of `exchange`; `routes` gives the handlers of an exchange."""
        self._faults = faults
        self._exchange = exchange
        self._routes = routes
        self._replicas: dict[int, Replica] = {}
        self._journal: Callable[[Entry], None] | None = None
        faults.on_change(self._refresh)

    @property
    def is_on(self) -> bool:
        """Whether a switch is set."""
        return bool(self._replicas)

    async def handler_for(self, request: web.Request, handler: Handler) -> Handler:
        """Return who answers: the handler of the exchange itself, or of a copy."""
        path = request.path.rsplit("/", 1)[-1]
        if path not in ACCOUNT_READS:
            return handler
        fault = self._faults.choose("view", await http_event(request))
        if fault is None:
            return handler
        replica = self._replicas[fault.id]
        fault.fire()
        if fault.is_spent:
            self._refresh()
        replica.catch_up(self._exchange.now_ms())
        return replica.handlers.get(request.path, handler)

    def _refresh(self) -> None:
        live = {fault.id: fault for fault in self._faults.live("view")}
        engine = self._exchange.engine
        if live and not self._replicas:
            self._journal, engine.recorder = engine.recorder, self._record
        for gone in self._replicas.keys() - live.keys():
            del self._replicas[gone]
        for new in live.keys() - self._replicas.keys():
            self._replicas[new] = self._replica(live[new])
        if not live and engine.recorder == self._record:
            engine.recorder, self._journal = self._journal, None

    def _record(self, entry: Entry) -> None:
        if self._journal is not None:
            self._journal(entry)
        for replica in self._replicas.values():
            replica.note(entry, entry[1])

    def _replica(self, fault: Fault) -> Replica:
        exchange = Exchange(copy_of(self._exchange.engine), self._exchange.clock, None)
        handlers = {route.path: route.handler for route in self._routes(exchange)}
        return Replica(exchange.engine, handlers, fault.options.get("lag_ms"))


def copy_of(engine: Engine) -> Engine:
    """Return an engine in the same state that goes its own way."""
    twin = Engine((), engine.tier, lambda: 0, lambda: 0, engine.chain_id)
    state = {name: value for name, value in vars(engine).items() if name not in _NOT_COPIED}
    vars(twin).update(pickle.loads(pickle.dumps(state)))  # noqa: S301  our own bytes
    return twin
