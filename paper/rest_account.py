"""The REST calls about one account, which need its auth token, and the trade history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from paper import wire
from paper.answers import answer
from paper.apierror import invalid_param
from paper.auth import check_token, parse_token
from paper.exchange import Exchange
from paper.params import Params, parse_integer, parse_integers
from paper.records import Order, Tier, Trade
from paper.rest import NO_MARKET, known_account, known_market

MAX_LIMIT: Final = 100
MAX_CLIENT_IDS: Final = 20
KEPT_TRADES: Final = 3000
SECONDS_BELOW: Final = 100_000_000_000
"""A time below this is taken for seconds, above it for milliseconds."""

Json = dict[str, Any]


class AccountApi:
    """Handlers of the calls that read one account."""

    def __init__(self, exchange: Exchange, tier: Tier) -> None:
        """Read `exchange`, whose accounts all have `tier`."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._tier = tier

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get(f"{api}/accountActiveOrders", self.active_orders),
            web.get(f"{api}/accountInactiveOrders", self.inactive_orders),
            web.get(f"{api}/accountOrders", self.orders),
            web.get(f"{api}/accountTxs", self.txs),
            web.get(f"{api}/accountLimits", self.limits),
            web.get(f"{api}/trades", self.trades),
        ]

    def _authorize(self, request: web.Request, account_index: int) -> None:
        """Raise ApiError unless the request carries a token of the account."""
        token = request.headers.get("Authorization") or request.query.get("auth")
        now_s = self._exchange.now_ms() / 1000
        check_token(token, account_index, now_s, self._exchange.has_key)

    def _account(self, request: web.Request, params: Params, name: str = "account_index") -> int:
        """Return the account that the request may read."""
        account_index = params.integer(name)
        self._authorize(request, account_index)
        return known_account(self._exchange, account_index).index

    def _market_id(self, params: Params) -> int | None:
        """Return the market asked for; None for all of them (absent or 255)."""
        market_id = params.optional("market_id")
        if market_id is None or market_id == NO_MARKET:
            return None
        return known_market(self._exchange, market_id).market_id

    def _order_row(self, order: Order) -> Json:
        return wire.order(self._engine.markets[order.market_id], order)

    # Orders

    async def active_orders(self, request: web.Request) -> web.Response:
        """Answer the resting orders of an account."""
        params = Params(request.query)
        account = self._account(request, params)
        orders = self._engine.active_orders(account, self._market_id(params))
        return answer({"code": 200, "orders": [self._order_row(order) for order in orders]})

    async def inactive_orders(self, request: web.Request) -> web.Response:
        """Answer a page of finished orders, newest first; `next_cursor` leads to older ones."""
        params = Params(request.query)
        account = self._account(request, params)
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        offset = params.integer("cursor", 0)
        wanted = _order_filter(params)
        market_id = self._market_id(params)
        rows: list[Json] = []
        while len(rows) < limit:
            page = self._engine.inactive_orders(account, market_id, MAX_LIMIT, offset)
            for order in page:
                offset += 1
                if wanted(order):
                    rows.append(self._order_row(order))
                if len(rows) == limit:
                    break
            if len(page) < MAX_LIMIT:
                break
        body: Json = {"code": 200, "orders": rows}
        if self._engine.inactive_orders(account, market_id, 1, offset):
            body["next_cursor"] = str(offset)
        return answer(body)

    async def orders(self, request: web.Request) -> web.Response:
        """Answer the newest order of each client order index asked for, finished or not."""
        params = Params(request.query)
        client_ids = parse_integers(params.text("client_order_indexes"), MAX_CLIENT_IDS)
        if params.optional("account_index") is None:
            token = request.headers.get("Authorization") or request.query.get("auth")
            account = parse_token(token).account_index if token else 0
            self._authorize(request, account)
        else:
            account = self._account(request, params)
        found = self._engine.orders_by_client(account, client_ids)
        return answer({"code": 200, "orders": [self._order_row(order) for order in found]})

    # Transactions and limits

    async def txs(self, request: web.Request) -> web.Response:
        """Answer transactions of an account, newest first; `index` = only older sequences."""
        params = Params(request.query)
        params.choice("by", ("account_index",))
        account = self._account(request, params, "value")
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        before = params.optional("index")
        kinds = parse_integers(params.text("types"), MAX_LIMIT) if "types" in request.query else []
        master = known_account(self._exchange, account).master
        txs = self._engine.account_txs(account, limit=limit, before_sequence=before)
        rows = [wire.transaction(tx, master) for tx in txs if not kinds or tx.type in kinds]
        return answer({"code": 200, "txs": rows})

    async def limits(self, request: web.Request) -> web.Response:
        """Answer the tier of an account; every account here pays no fees."""
        self._account(request, Params(request.query))
        tier = "standard" if self._tier is Tier.STANDARD else "instant"
        return answer(
            {
                "code": 200,
                "max_llp_percentage": 100,
                "max_llp_amount": "0.000000",
                "user_tier": tier,
                "can_create_public_pool": False,
                "user_tier_name": tier,
                "current_maker_fee_tick": 0,
                "current_taker_fee_tick": 0,
                "leased_lit": "0.00000000",
                "effective_lit_stakes": "0.00000000",
                "user_tier_last_update": 0,
            }
        )

    # Trades

    async def trades(self, request: web.Request) -> web.Response:
        """Answer trades of an account (with its token) or of a market, a page at a time."""
        params = Params(request.query)
        params.choice("sort_by", ("trade_id", "timestamp", "block_height"))
        descending = params.choice("sort_dir", ("asc", "desc"), "desc") == "desc"
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        account = params.optional("account_index")
        if account is not None:
            account = self._account(request, params)
        trades = self._candidates(params, account)
        wanted = _trade_filter(params, account)
        rows = [trade for trade in trades if wanted(trade)]
        if not descending:
            rows.reverse()
        cursor = params.optional("cursor")
        if cursor is not None:
            rows = [t for t in rows if (t.trade_id < cursor) == descending and t.trade_id != cursor]
        markets = self._engine.markets
        page = [wire.trade(markets[trade.market_id], trade) for trade in rows[:limit]]
        body: Json = {"code": 200, "trades": page}
        if len(rows) > limit:
            body["next_cursor"] = str(rows[limit - 1].trade_id)
        return answer(body)

    def _candidates(self, params: Params, account: int | None) -> list[Trade]:
        """Return all kept trades of the account or market, newest first."""
        market_id = self._market_id(params)
        order_index = params.optional("order_index_str")
        if order_index is None:
            order_index = params.optional("order_index")
        if account is not None:
            return self._engine.account_trades(
                account, market_id=market_id, order_index=order_index, limit=KEPT_TRADES
            )
        market_ids = list(self._engine.markets) if market_id is None else [market_id]
        trades = [
            trade
            for each in market_ids
            for trade in self._engine.market_trades(each, KEPT_TRADES)
            if order_index in (None, trade.ask_order_index, trade.bid_order_index)
        ]
        return sorted(trades, key=lambda trade: trade.trade_id, reverse=True)


def _trade_filter(params: Params, account: int | None) -> Callable[[Trade], bool]:
    """Return the test that `from`, `role`, `ask_filter` and `type` ask for."""
    since = params.integer("from", -1, low=-1)
    role = params.choice("role", ("all", "maker", "taker"), "all")
    ask_filter = params.integer("ask_filter", -1, low=-1, high=1)
    kinds = ("all", "trade", "liquidation", "deleverage", "market-settlement")
    kind = params.choice("type", kinds, "all")
    by_time = params.text("sort_by") == "timestamp"

    def wanted(trade: Trade) -> bool:
        if kind not in ("all", "trade"):
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


def _order_filter(params: Params) -> Callable[[Order], bool]:
    """Return the test that `ask_filter` and `between_timestamps` ("start-end") ask for."""
    ask_filter = params.integer("ask_filter", -1, low=-1, high=1)
    start_ms, end_ms = 0, 2**63
    between = params.text("between_timestamps", "")
    if between:
        bounds = [parse_integer(part) for part in between.split("-")]
        known = [_as_ms(bound) for bound in bounds if bound is not None]
        if len(known) != len(bounds) or len(known) != len(("start", "end")):
            detail = "between_timestamps"
            raise invalid_param(detail)
        start_ms, end_ms = known

    def wanted(order: Order) -> bool:
        if ask_filter >= 0 and order.is_ask != bool(ask_filter):
            return False
        return start_ms <= order.updated_ms <= end_ms

    return wanted


def _as_ms(time: int) -> int:
    return time * 1000 if time < SECONDS_BELOW else time
