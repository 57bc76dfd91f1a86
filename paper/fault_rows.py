"""Row faults: facts that are true and told late, in part, or in other words.

A real exchange of many servers lists rows, trades and transactions when each of them gets there,
in no promised order, writes times in other units, and leaves out lists and fields. Answers are
changed after they were made, frames as they go to each socket: what the engine knows stays whole.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from paper.answers import answer, failure
from paper.apierror import TX_NOT_FOUND, ApiError
from paper.fault_answers import http_event
from paper.faults import Event, Fault, Faults
from paper.session import Session
from paper.stream import Hub

Json = dict[str, Any]
Change = Callable[[Fault, Json, "Place"], Json]
"""Returns the row as it is told."""

OK: Final = 200
MS_PER_S: Final = 1000
US_PER_MS: Final = 1000
US_PER_S: Final = 1_000_000

LISTS: Final = {
    "accountActiveOrders": "orders",
    "accountInactiveOrders": "orders",
    "accountOrders": "orders",
    "accountTxs": "txs",
    "recentTrades": "trades",
    "trades": "trades",
    "tx": "",
}
"""The reads that list facts, and the name of their list."""

_FRAME_LISTS: Final = ("orders", "trades", "liquidation_trades")
_ORDER_TIMES: Final = ("timestamp", "created_at", "updated_at")
_KINDS: Final = {"orders": "rows", "trades": "trades", "txs": "transactions", "": "transactions"}
_PENDING: Final = (1, 3)


class Place:
    """Where a row is told: in which list of which answer or channel, when, to whom."""

    def __init__(self, field: str, now_ms: int, owners: frozenset[int], path: str = "") -> None:
        """`owners` are the accounts that the reader has shown a token for; `path` a REST read."""
        self.field = field
        self.now_ms = now_ms
        self.owners = owners
        self.path = path


class RowFaults:
    """Acts on the switches of kind "row"."""

    def __init__(self, faults: Faults, hub: Hub, now_ms: Callable[[], int]) -> None:
        """Stand between answers or frames and their readers while a switch asks for it."""
        self._faults = faults
        self._hub = hub
        self._now_ms = now_ms
        self._late: dict[int, _Late] = {}
        self.is_on = False
        faults.on_change(self._refresh)

    def _refresh(self) -> None:
        live = self._faults.live("row")
        self.is_on = bool(live)
        kept = {fault.id: self._late.get(fault.id, _Late(self._now_ms())) for fault in live}
        self._late = kept
        self._hub.dress = self._dressed if self.is_on else None

    # Answers

    async def http(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a read as the switches say."""
        response = await handler(request)
        path = request.path.rsplit("/", 1)[-1]
        if path not in LISTS or not isinstance(response, web.Response):
            return response
        if response.status != OK or not response.text:
            return response
        event = await http_event(request)
        owners = frozenset() if event.account_index is None else frozenset({event.account_index})
        place = Place(LISTS[path], self._now_ms(), owners, path)
        body: Json | None = json.loads(response.text)
        for fault in self._faults.live("row"):
            if body is None or fault.name == "balance_missing":
                continue
            if not _concerns(fault, event) or not fault.draws():
                continue
            changed = self._told(fault, body, place, event)
            if changed != body:
                fault.fire()
            body = changed
        self._refresh()
        if body is None:
            return failure(ApiError(TX_NOT_FOUND, "transaction not found"))
        return answer(body)

    def _told(self, fault: Fault, body: Json, place: Place, event: Event) -> Json | None:
        if fault.name == "list_missing":
            return _without_list(fault, body, place.field, event.account_index)
        if fault.name == "listed_late":
            return self._listed(fault, body, place)
        if place.field:
            return {**body, place.field: _rows(fault, body[place.field], place)}
        return body

    def _listed(self, fault: Fault, body: Json, place: Place) -> Json | None:
        """Return what of an answer is listed by now; None for a transaction that is not."""
        if fault.options["what"] != _KINDS[place.field]:
            return body
        rows = body[place.field] or [] if place.field else [body]
        late = self._late[fault.id]
        facts = {id(row): _fact(row, place) for row in rows if _is_of(fault, row)}
        late.note(facts.values(), fault.options["facts"])
        listed = [
            row
            for row in rows
            if id(row) not in facts or late.is_listed(fault, facts[id(row)], place.now_ms)
        ]
        if place.field:
            return {**body, place.field: listed}
        return body if listed else None

    # Frames

    def _dressed(self, session: Session, value: Json) -> Json:
        """Return a frame as one socket is told it."""
        kind = str(value.get("type", ""))
        event = Event(family=kind.partition("/")[2])
        if event.family == "user_stats":
            return self._balances(value)
        fields = [field for field in _FRAME_LISTS if value.get(field)]
        for fault in self._faults.live("row") if fields else ():
            if fault.name not in CHANGES or not _concerns(fault, event):
                continue
            if not fault.draws():
                continue
            told = dict(value)
            for field in fields:
                list_of = "orders" if field == "orders" else "trades"
                place = Place(list_of, self._now_ms(), frozenset(session.accounts))
                told[field] = _rows(fault, told[field], place)
            if told != value:
                fault.fire()
            value = told
        if fields:
            self._refresh()
        return value

    def _balances(self, value: Json) -> Json:
        """Return a frame of an account's money, which may lack what is available."""
        account = int(str(value["channel"]).partition(":")[2])
        for fault in self._faults.live("row"):
            if fault.name != "balance_missing":
                continue
            if fault.scope.get("account_index") not in (None, account) or not fault.draws():
                continue
            fault.fire()
            value = {**value, "stats": _without_balance(value["stats"], fault.options["how"])}
        self._refresh()
        return value


def _without_balance(stats: Json, how: str) -> Json:
    """Return the numbers of an account without what is available, which is null or not there."""
    told = {**stats, "available_balance": None}
    if how == "absent":
        del told["available_balance"]
    return told


def _concerns(fault: Fault, event: Event) -> bool:
    """Whether a switch looks at this answer or frame; of whom its rows are is told by each."""
    return all(
        wanted in (getattr(event, name), "any")
        for name, wanted in fault.scope.items()
        if name != "account_index"
    )


def _rows(fault: Fault, rows: Any, place: Place) -> Any:
    """Return a list, or a map of lists, with each row as it is told."""
    if isinstance(rows, dict):
        return {market: _rows(fault, part, place) for market, part in rows.items()}
    if not isinstance(rows, list):
        return rows
    change = CHANGES[fault.name]
    return [change(fault, row, place) if _is_of(fault, row) else row for row in rows]


def _is_of(fault: Fault, row: Json) -> bool:
    """Whether a row is of the account that the switch is for."""
    wanted = fault.scope.get("account_index")
    names = ("owner_account_index", "account_index", "ask_account_id", "bid_account_id")
    return wanted is None or wanted in [row.get(name) for name in names]


def _drawn(fault: Fault, key: object, most: int, least: int = 0) -> int:
    """Return the number that belongs to one fact: the same at every look."""
    return random.Random(f"{fault.seed}:{key}").randint(least, max(least, most))


class _Late:
    """Which facts a switch lists late: those that came true since it was set."""

    def __init__(self, since_ms: int) -> None:
        """`since_ms` (epoch) is when the switch was set."""
        self._since_ms = since_ms
        self._chosen: list[object] = []

    def note(self, facts: Iterable[tuple[object, int | None]], most: int) -> None:
        """Choose the oldest facts up to `most` (0: all of them)."""
        if not most:
            return
        known = [(true_ms, key) for key, true_ms in facts if true_ms is not None]
        for true_ms, key in sorted(known, key=lambda one: (one[0], str(one[1]))):
            if true_ms >= self._since_ms and key not in self._chosen and len(self._chosen) < most:
                self._chosen.append(key)

    def is_listed(self, fault: Fault, fact: tuple[object, int | None], now_ms: int) -> bool:
        """Whether the delay of one fact is over."""
        key, true_ms = fact
        options = fault.options
        if options["facts"] and key not in self._chosen:
            return True
        if true_ms is None:
            return False
        if true_ms < self._since_ms:
            return True
        return now_ms >= true_ms + _drawn(fault, key, options["most_ms"], options["least_ms"])


def _fact(row: Json, place: Place) -> tuple[object, int | None]:
    """Return what a row is known by, and since when it is true (epoch ms), None for not yet."""
    if _KINDS[place.field] == "transactions":
        return row["hash"], None if row["status"] in _PENDING else int(row["executed_at"])
    if place.field == "trades":
        return row["trade_id"], row["transaction_time"] // US_PER_MS
    if place.path == "accountActiveOrders":
        return row["order_index"], row["created_at"]
    return row["order_index"], row["transaction_time"] // US_PER_MS


def _early(fault: Fault, row: Json, place: Place) -> Json:
    """Return a trade whose `timestamp` precedes its `transaction_time`."""
    if place.field != "trades":
        return row
    early_ms = _drawn(fault, row["trade_id"], fault.options["most_ms"])
    return {**row, "timestamp": row["transaction_time"] // US_PER_MS - early_ms}


def _in_seconds(_: Fault, row: Json, place: Place) -> Json:
    """Return an order row whose times are whole seconds."""
    if place.field != "orders":
        return row
    times = {name: row[name] // MS_PER_S for name in _ORDER_TIMES}
    whole_us = row["transaction_time"] // US_PER_S * US_PER_S
    return {**row, **times, "transaction_time": whole_us}


def _without_position(fault: Fault, row: Json, place: Place) -> Json:
    """Return a trade that does not state the positions of strangers."""
    if place.field != "trades":
        return row
    told = dict(row)
    is_maker_ask = row["is_maker_ask"]
    for side in ("ask", "bid"):
        account = row[f"{side}_account_id"]
        if account in place.owners or fault.scope.get("account_index") not in (None, account):
            continue
        part = "maker" if is_maker_ask == (side == "ask") else "taker"
        field = f"{part}_position_size_before"
        if fault.options["how"] == "absent":
            told.pop(field, None)
        else:
            told[field] = "0"
    return told


def _without_list(fault: Fault, body: Json, field: str, account: int | None) -> Json:
    """Return an answer of code 200 whose list is null, or is not there at all."""
    wanted = fault.scope.get("account_index")
    if not field or wanted not in (None, account) or (body[field] and not fault.options["full"]):
        return body
    told = {**body, field: None}
    if fault.options["how"] == "absent":
        del told[field]
    return told


CHANGES: Final[dict[str, Change]] = {
    "trade_time_early": _early,
    "order_times_in_seconds": _in_seconds,
    "position_before_lost": _without_position,
}
