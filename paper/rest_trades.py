"""Trade history: of a market for anybody, of an account for those with a token for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from paper import wire
from paper.access import Access
from paper.answers import answer
from paper.exchange import Exchange
from paper.lookups import market_of
from paper.params import Params
from paper.records import Trade
from paper.store import KEPT_ACCOUNT_TRADES

MAX_LIMIT: Final = 100
KINDS: Final = ("all", "trade", "liquidation", "deleverage", "market-settlement")

Json = dict[str, Any]


class TradesApi:
    """Handler of the trade history."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        """Read `exchange`; accounts for those that `access` lets."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/v1/trades", self.trades)]

    async def trades(self, request: web.Request) -> web.Response:
        """Answer trades of an account or of a market, a page at a time.

        The cursor is the trade id of the last row, so new trades shift nothing.
        """
        params = Params(request.query)
        params.choice("sort_by", ("trade_id", "timestamp", "block_height"))
        descending = params.choice("sort_dir", ("asc", "desc"), "desc") == "desc"
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        params.flag("aggregate")
        account = params.optional("account_index")
        if account is not None:
            account = self._access.account(request, params)
        trades = self._candidates(params, account)
        wanted = _trade_filter(params, account)
        rows = [trade for trade in trades if wanted(trade)]
        if not descending:
            rows.reverse()
        cursor = params.optional("cursor")
        if cursor is not None:
            rows = [t for t in rows if (t.trade_id < cursor) == descending and t.trade_id != cursor]
        body: Json = {"code": 200, "trades": [self._row(t, account) for t in rows[:limit]]}
        if len(rows) > limit:
            body["next_cursor"] = str(rows[limit - 1].trade_id)
        return answer(body)

    def _row(self, trade: Trade, account: int | None) -> Json:
        row = wire.trade(self._engine.markets[trade.market_id], trade)
        if account is not None:
            row |= wire.trade_pnl(trade, account)
        return row

    def _candidates(self, params: Params, account: int | None) -> list[Trade]:
        """Return all kept trades of the account or market, newest first."""
        market_id = market_of(self._exchange, params)
        order_index = params.optional("order_index_str")
        if order_index is None:
            order_index = params.optional("order_index")
        if account is not None:
            return self._engine.account_trades(
                account, market_id=market_id, order_index=order_index, limit=KEPT_ACCOUNT_TRADES
            )
        trades = [
            trade
            for each in self._engine.markets
            if market_id in (None, each)
            for trade in self._engine.market_trades(each, KEPT_ACCOUNT_TRADES)
            if order_index in (None, trade.ask_order_index, trade.bid_order_index)
        ]
        return sorted(trades, key=lambda trade: trade.trade_id, reverse=True)


def _trade_filter(params: Params, account: int | None) -> Callable[[Trade], bool]:
    """Return the test that `from`, `role`, `ask_filter` and `type` ask for."""
    since = params.integer("from", -1, low=-1)
    role = params.choice("role", ("all", "maker", "taker"), "all")
    ask_filter = params.integer("ask_filter", -1, low=-1, high=1)
    kind = params.choice("type", KINDS, "all")
    by_time = params.text("sort_by") == "timestamp"

    def wanted(trade: Trade) -> bool:
        if kind not in ("all", trade.kind):
            return False
        if since >= 0 and (trade.timestamp_ms if by_time else trade.trade_id) < since:
            return False
        if account is None:
            return True
        if role == "maker" and trade.maker_account_index != account:
            return False
        if role == "taker" and trade.taker_account_index != account:
            return False
        sides = (trade.bid_account_index, trade.ask_account_index)
        return ask_filter < 0 or sides[ask_filter] == account

    return wanted
