"""The public REST calls about markets, and sendTx (apidocs.lighter.xyz, "API reference")."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from paper import wire, wire_market
from paper.answers import NOT_WRITTEN, answer, failure, read_form
from paper.apierror import INVALID_TX_INFO, TX_NOT_FOUND, ApiError
from paper.batch import read_batch
from paper.exchange import Exchange
from paper.lookups import NO_MARKET, known_market
from paper.params import Params
from paper.records import Accepted, MarketConfig
from paper.throttle import Throttle

CHAIN_ID: Final = 304
MAX_BOOK_ORDERS: Final = 250
MAX_TRADES: Final = 100
MAX_TX_TYPE: Final = 255

_CONTRACT: Final = "0x0000000000000000000000000000000000000000"
_QUOTA_MESSAGE: Final = '{"ratelimit": "didn\'t use volume quota"}'

Json = dict[str, Any]


class PublicApi:
    """Handlers of the calls that need no token."""

    def __init__(self, exchange: Exchange, throttle: Throttle) -> None:
        """Read and drive `exchange`; `throttle` counts its transactions."""
        self._exchange = exchange
        self._throttle = throttle
        self._engine = exchange.engine

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        api = "/api/v1"
        return [
            web.get("/", self.status),
            web.get("/info", self.info),
            web.get(f"{api}/orderBooks", self.order_books),
            web.get(f"{api}/orderBookDetails", self.order_book_details),
            web.get(f"{api}/orderBookOrders", self.order_book_orders),
            web.get(f"{api}/recentTrades", self.recent_trades),
            web.get(f"{api}/tx", self.tx),
            web.post(f"{api}/sendTx", self.send_tx),
            web.post(f"{api}/sendTxBatch", self.send_tx_batch),
        ]

    async def status(self, _: web.Request) -> web.Response:
        """Answer GET /."""
        now_s = self._exchange.now_ms() // 1000
        return answer({"status": 200, "network_id": CHAIN_ID, "timestamp": now_s})

    async def info(self, _: web.Request) -> web.Response:
        """Answer GET /info."""
        return answer({"contract_address": _CONTRACT})

    # Markets

    async def order_books(self, request: web.Request) -> web.Response:
        """Answer the list of markets with their scales, minimums and fees."""
        markets = self._selected(Params(request.query))
        rows = [wire_market.order_book(market) for market in markets]
        return answer({"code": 200, "order_books": rows})

    async def order_book_details(self, request: web.Request) -> web.Response:
        """Answer the markets with margins, prices and statistics."""
        now_ms = self._exchange.now_ms()
        rows = [
            wire_market.order_book_detail(self._engine, market, now_ms)
            for market in self._selected(Params(request.query))
        ]
        return answer({"code": 200, "order_book_details": rows, "spot_order_book_details": []})

    def _selected(self, params: Params) -> list[MarketConfig]:
        if params.choice("filter", ("all", "perp", "spot"), "all") == "spot":
            return []
        market_id = params.optional("market_id")
        if market_id is None or market_id == NO_MARKET:
            return list(self._engine.markets.values())
        return [known_market(self._exchange, market_id)]

    async def order_book_orders(self, request: web.Request) -> web.Response:
        """Answer the best resting orders of both sides, one by one."""
        params = Params(request.query)
        market = known_market(self._exchange, params.integer("market_id"))
        limit = params.integer("limit", low=1, high=MAX_BOOK_ORDERS)
        sides = {
            side: [
                wire.simple_order(market, order)
                for order in self._engine.book_orders(
                    market.market_id, is_ask=side == "asks", limit=limit
                )
            ]
            for side in ("asks", "bids")
        }
        counts = {f"total_{side}": len(rows) for side, rows in sides.items()}
        return answer({"code": 200, **counts, **sides})

    async def recent_trades(self, request: web.Request) -> web.Response:
        """Answer the newest trades of a market, newest first."""
        params = Params(request.query)
        market = known_market(self._exchange, params.integer("market_id"))
        limit = params.integer("limit", low=1, high=MAX_TRADES)
        trades = self._engine.market_trades(market.market_id, limit)
        return answer({"code": 200, "trades": [wire.trade(market, trade) for trade in trades]})

    # Transactions

    async def tx(self, request: web.Request) -> web.Response:
        """Answer one transaction by hash or by sequence index."""
        params = Params(request.query)
        if params.choice("by", ("hash", "sequence_index")) == "hash":
            record = self._engine.tx_by_hash(params.text("value").lower().removeprefix("0x"))
        else:
            record = self._engine.tx_by_sequence(params.integer("value"))
        if record is None:
            raise ApiError(TX_NOT_FOUND, "transaction not found")
        account = self._engine.account(record.account_index)
        master = "" if account is None else account.master
        return answer(wire.enriched_transaction(record, master))

    async def send_tx(self, request: web.Request) -> web.StreamResponse:
        """Admit a transaction, answer, and only then execute what is due."""
        received_ns = time.monotonic_ns()
        params = Params(await read_form(request))
        params.flag("price_protection", default=True)
        tx_type = params.integer("tx_type", high=MAX_TX_TYPE)
        tx_info = params.text("tx_info")
        self._throttle.transactions(request.remote or "", [tx_type], tx_info)

        def admit() -> Json:
            if not tx_info.startswith("{"):
                raise ApiError(INVALID_TX_INFO, "invalid tx info")
            accepted = self._exchange.submit(tx_type, tx_info, received_ns)
            return _sent(accepted.tx_hash, accepted, self._throttle.quota_left(tx_info))

        return await self._answer_first(request, admit)

    async def send_tx_batch(self, request: web.Request) -> web.StreamResponse:
        """Admit a batch of transactions of one key, answer, and only then execute."""
        received_ns = time.monotonic_ns()
        params = Params(await read_form(request))
        types, infos = read_batch(params.text("tx_types"), params.text("tx_infos"))
        first = infos[0] if infos else None
        self._throttle.transactions(request.remote or "", types, first)

        def admit() -> Json:
            accepted = self._exchange.submit_batch(types, infos, received_ns)
            left = self._throttle.quota_left(infos[0])
            return _sent([one.tx_hash for one in accepted], accepted[-1], left)

        return await self._answer_first(request, admit)

    async def _answer_first(
        self, request: web.Request, admit: Callable[[], Json]
    ) -> web.StreamResponse:
        """Write what `admit` answers, and execute once it is on its way."""
        try:
            try:
                response = answer(admit())
            except ApiError as error:
                response = failure(error)
            if NOT_WRITTEN not in request:
                await response.prepare(request)
                await response.write_eof()
        finally:
            self._exchange.pump_soon()
        return response


def _sent(tx_hash: str | list[str], last: Accepted, quota_left: int | None) -> Json:
    """Return the RespSendTx or RespSendTxBatch object."""
    return {
        "code": 200,
        "message": _QUOTA_MESSAGE,
        "tx_hash": tx_hash,
        "predicted_execution_time_ms": last.predicted_execution_time_ms,
        "volume_quota_remaining": quota_left,
    }
