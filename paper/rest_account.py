"""The REST calls about one account, which need a token for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from aiohttp import web

from paper import wire
from paper.access import Access, account_of, token_of
from paper.answers import answer
from paper.apierror import invalid_param
from paper.exchange import Exchange
from paper.lookups import as_ms, known_account, market_of
from paper.params import MAX_INT64, Params, parse_integer, parse_integers
from paper.records import Order
from paper.store import KEPT_ORDERS, KEPT_TXS

MAX_LIMIT: Final = 100
MAX_CLIENT_IDS: Final = 20
LIT_DECIMALS: Final = 8
LIT: Final = 10**LIT_DECIMALS

Json = dict[str, Any]


class AccountApi:
    """Handlers of the calls that read one account."""

    def __init__(self, exchange: Exchange, access: Access) -> None:
        """Read `exchange` for those that `access` lets."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get(f"{api}/accountActiveOrders", self.active_orders),
            web.get(f"{api}/accountInactiveOrders", self.inactive_orders),
            web.get(f"{api}/accountOrders", self.orders),
            web.get(f"{api}/accountTxs", self.txs),
            web.get(f"{api}/accountLimits", self.limits),
        ]

    def _order_row(self, order: Order) -> Json:
        return wire.order(self._engine.markets[order.market_id], order)

    # Orders

    async def active_orders(self, request: web.Request) -> web.Response:
        """Answer the resting orders of an account."""
        params = Params(request.query)
        account = self._access.account(request, params)
        orders = self._engine.active_orders(account, market_of(self._exchange, params))
        return answer({"code": 200, "orders": [self._order_row(order) for order in orders]})

    async def inactive_orders(self, request: web.Request) -> web.Response:
        """Answer a page of finished orders, newest first; `next_cursor` leads to older ones.

        The cursor is the time of the last row, so orders that finish meanwhile shift nothing.
        """
        params = Params(request.query)
        account = self._access.account(request, params)
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        before = params.integer("cursor", MAX_INT64, low=1)
        wanted = _order_filter(params)
        finished = self._engine.inactive_orders(
            account, market_of(self._exchange, params), KEPT_ORDERS
        )
        found = (order for order in finished if order.transaction_us < before and wanted(order))
        page = list(islice(found, limit + 1))
        body: Json = {"code": 200, "orders": [self._order_row(order) for order in page[:limit]]}
        if len(page) > limit:
            body["next_cursor"] = str(page[limit - 1].transaction_us)
        return answer(body)

    async def orders(self, request: web.Request) -> web.Response:
        """Answer the newest order of each client order index asked for, finished or not."""
        params = Params(request.query)
        client_ids = parse_integers(params.text("client_order_indexes"), MAX_CLIENT_IDS)
        if params.optional("account_index") is None:
            account = account_of(token_of(request) or "") or 0
            self._access.authorize(request, account)
        else:
            account = self._access.account(request, params)
        found = self._engine.orders_by_client(account, client_ids)
        return answer({"code": 200, "orders": [self._order_row(order) for order in found]})

    # Transactions and limits

    async def txs(self, request: web.Request) -> web.Response:
        """Answer transactions of an account, newest first; `index` = only older sequences."""
        params = Params(request.query)
        params.choice("by", ("account_index",))
        account = self._access.account(request, params, "value")
        limit = params.integer("limit", low=1, high=MAX_LIMIT)
        before = params.optional("index")
        kinds = params.integers("types", MAX_LIMIT)
        master = known_account(self._exchange, account).master
        txs = self._engine.account_txs(account, limit=KEPT_TXS, before_sequence=before)
        found = islice((tx for tx in txs if not kinds or tx.type in kinds), limit)
        return answer({"code": 200, "txs": [wire.transaction(tx, master) for tx in found]})

    async def limits(self, request: web.Request) -> web.Response:
        """Answer the tier of an account and what it pays."""
        account = self._access.account(request, Params(request.query))
        tier, terms = self._engine.account_tier(account), self._engine.terms(account)
        staked = wire.decimal_text(tier.staked_lit * LIT, LIT_DECIMALS)
        return answer(
            {
                "code": 200,
                "max_llp_percentage": 100,
                "max_llp_amount": wire.money(0),
                "user_tier": tier.tier.value,
                "can_create_public_pool": False,
                "user_tier_name": tier.tier.value,
                "current_maker_fee_tick": terms.maker_fee,
                "current_taker_fee_tick": terms.taker_fee,
                "leased_lit": wire.decimal_text(0, LIT_DECIMALS),
                "effective_lit_stakes": staked,
                "user_tier_last_update": tier.changed_ms,
            }
        )


def _order_filter(params: Params) -> Callable[[Order], bool]:
    """Return the test that `ask_filter` and `between_timestamps` ("start-end") ask for."""
    ask_filter = params.integer("ask_filter", -1, low=-1, high=1)
    start_ms, end_ms = 0, 2**63
    between = params.text("between_timestamps", "")
    if between:
        bounds = [parse_integer(part) for part in between.split("-")]
        known = [as_ms(bound) for bound in bounds if bound is not None]
        if len(known) != len(bounds) or len(known) != len(("start", "end")):
            detail = "between_timestamps"
            raise invalid_param(detail)
        start_ms, end_ms = known

    def wanted(order: Order) -> bool:
        if ask_filter >= 0 and order.is_ask != bool(ask_filter):
            return False
        return start_ms <= order.updated_ms <= end_ms

    return wanted
