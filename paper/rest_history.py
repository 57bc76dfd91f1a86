"""The REST calls about what happened to an account: funding, liquidations, profit and loss."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from aiohttp import web

from paper import wire, wire_events
from paper.access import Access
from paper.answers import answer, read_form
from paper.apierror import invalid_param, not_found
from paper.exchange import Exchange
from paper.lookups import as_ms, known_account, market_of
from paper.params import Params
from paper.records import Trade
from paper.store import KEPT_ACCOUNT_TRADES

MAX_LIMIT: Final = 100
MAX_POINTS: Final = 1_000
KEPT: Final = 1_000
MAX_TIME: Final = 5_000_000_000_000
RESOLUTIONS: Final = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}
"""Lengths of a point of the profit and loss, in milliseconds."""
UNUSED: Final = (
    *("inflow", "outflow", "pool_pnl", "pool_inflow", "pool_outflow", "pool_total_shares"),
    *("spot_inflow", "spot_outflow", "staked_lit", "staking_inflow", "staking_outflow"),
    *("staking_pnl", "trade_spot_pnl"),
)
"""Fields of a profit and loss entry about what this exchange does not have."""

Json = dict[str, Any]


class HistoryApi:
    """Handlers of the calls that read the past of an account."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        """Read `exchange` for those that `access` lets."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get(f"{api}/liquidations", self.liquidations),
            web.get(f"{api}/positionFunding", self.position_funding),
            web.get(f"{api}/pnl", self.pnl),
            web.post(f"{api}/notification/ack", self.acknowledge),
        ]

    async def liquidations(self, request: web.Request) -> web.Response:
        """Answer a page of liquidations, newest first; the cursor is the id of the last row."""
        params = Params(request.query)
        account = self._access.account(request, params)
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        before = params.optional("cursor")
        found = [
            row
            for row in self._engine.liquidations(account, market_of(self._exchange, params), KEPT)
            if before is None or row.liquidation_id < before
        ]
        markets = self._engine.markets
        rows = [wire_events.liquidation(markets[row.market_id], row) for row in found[:limit]]
        body: Json = {"code": 200, "liquidations": rows}
        if len(found) > limit:
            body["next_cursor"] = str(found[limit - 1].liquidation_id)
        return answer(body)

    async def position_funding(self, request: web.Request) -> web.Response:
        """Answer a page of funding payments, newest first; the cursor is a place in the list."""
        params = Params(request.query)
        account = self._access.account(request, params)
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        before = params.optional("cursor")
        side = params.choice("side", ("all", "long", "short"), "all")
        start, end = _span(params, 0, MAX_TIME)
        markets = set(params.integers("market_ids", MAX_LIMIT))
        one = market_of(self._exchange, params)
        payments = self._engine.funding_payments(account, limit=KEPT)
        numbered = [
            (payment.timestamp_ms * len(self._engine.markets) + payment.market_id, payment)
            for payment in payments
            if start <= payment.timestamp_ms <= end
            and side in ("all", "long" if payment.position_lots > 0 else "short")
            and one in (None, payment.market_id)
            and (not markets or payment.market_id in markets)
        ]
        found = [(key, row) for key, row in numbered if before is None or key < before]
        configs = self._engine.markets
        page = [
            wire_events.position_funding(configs[row.market_id], row) for _, row in found[:limit]
        ]
        body: Json = {"code": 200, "position_fundings": page}
        if len(found) > limit:
            body["next_cursor"] = str(found[limit - 1][0])
        return answer(body)

    async def pnl(self, request: web.Request) -> web.Response:
        """Answer what the kept trades realized, summed up to the end of each point of time."""
        params = Params(request.query)
        params.choice("by", ("index",))
        account = self._access.account(request, params, "value")
        resolution = params.choice("resolution", tuple(RESOLUTIONS))
        start, end = _span(params)
        points = params.integer("count_back", high=MAX_POINTS)
        params.flag("ignore_transfers")
        step = RESOLUTIONS[resolution]
        now_ms = self._exchange.now_ms()
        first = max(start // step, min(end, now_ms) // step + 1 - max(points, 1))
        trades = self._engine.account_trades(account, limit=KEPT_ACCOUNT_TRADES)
        rows = _profits(trades, account, step, range(first, min(end, now_ms) // step + 1))
        return answer({"code": 200, "resolution": resolution, "pnl": rows[:MAX_POINTS]})

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Note that the owner has seen a notification."""
        form = await read_form(request)
        params = Params(form)
        account = params.integer("account_index")
        self._access.authorize(request, account, form)
        wanted = params.text("notif_id")
        known = known_account(self._exchange, account).index
        for each in self._engine.notifications(known):
            if str(each.notification_id) == wanted:
                self._exchange.acknowledged.setdefault(
                    each.notification_id, self._exchange.now_ms()
                )
                return answer({"code": 200})
        detail = "notification not found"
        raise not_found(detail)


def _span(params: Params, start: int | None = None, end: int | None = None) -> tuple[int, int]:
    """Return start_timestamp and end_timestamp in milliseconds, whichever unit they came in."""
    first = as_ms(params.integer("start_timestamp", start, high=MAX_TIME))
    last = as_ms(params.integer("end_timestamp", end, high=MAX_TIME))
    if first > last:
        detail = "start_timestamp is after end_timestamp"
        raise invalid_param(detail)
    return first, last


def _profits(trades: list[Trade], account: int, step: int, points: range) -> list[Json]:
    """Return a PnLEntry per point: realized so far, and the volume of the point itself."""
    realized: dict[int, int] = defaultdict(int)
    volume: dict[int, int] = defaultdict(int)
    for trade in trades:
        point = trade.timestamp_ms // step
        volume[point] += trade.quote
        for owner, pnl in (
            (trade.ask_account_index, trade.ask_pnl),
            (trade.bid_account_index, trade.bid_pnl),
        ):
            if owner == account:
                realized[point] += pnl
    rows: list[Json] = []
    total = sum(pnl for point, pnl in realized.items() if point < points.start)
    for point in points:
        total += realized.get(point, 0)
        rows.append(
            {
                "timestamp": point * step // 1000,
                "trade_pnl": wire.number(wire.money(total)),
                "volume": wire.number(wire.money(volume.get(point, 0))),
                **dict.fromkeys(UNUSED, 0),
            }
        )
    return rows
