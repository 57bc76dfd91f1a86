"""The public REST calls and sendTx (apidocs.lighter.xyz, "API reference")."""

from __future__ import annotations

import time
from typing import Any, Final

from aiohttp import web

from paper import wire, wire_market
from paper.answers import answer, failure, read_form
from paper.apierror import (
    API_KEY_NOT_FOUND,
    INVALID_MARKET,
    INVALID_TX_INFO,
    NONCE_NOT_FOUND,
    TX_NOT_FOUND,
    ApiError,
    invalid_param,
    not_found,
)
from paper.exchange import Exchange
from paper.params import MAX_INT64, Params
from paper.records import Account, ApiKey, MarketConfig

CHAIN_ID: Final = 304
ALL_KEYS: Final = 255
MAX_BOOK_ORDERS: Final = 250
MAX_TRADES: Final = 100
NO_MARKET: Final = 255
MAX_TX_TYPE: Final = 255

_CONTRACT: Final = "0x0000000000000000000000000000000000000000"
_QUOTA_MESSAGE: Final = '{"ratelimit": "didn\'t use volume quota"}'

Json = dict[str, Any]


class PublicApi:
    """Handlers of the calls that need no token."""

    def __init__(self, exchange: Exchange) -> None:
        """Read and drive `exchange`."""
        self._exchange = exchange
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
            web.get(f"{api}/account", self.account),
            web.get(f"{api}/nextNonce", self.next_nonce),
            web.get(f"{api}/apikeys", self.api_keys),
            web.get(f"{api}/tx", self.tx),
            web.post(f"{api}/sendTx", self.send_tx),
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

    # Accounts

    async def account(self, request: web.Request) -> web.Response:
        """Answer one account by index, or all accounts of an L1 address."""
        params = Params(request.query)
        by = params.choice("by", ("index", "l1_address"))
        if by == "index":
            found = self._engine.account(params.integer("value"))
            accounts = [] if found is None else [found]
        else:
            master = params.text("value").lower()
            accounts = [a for a in self._engine.accounts() if a.master.lower() == master]
        if not accounts:
            detail = "account not found"
            raise not_found(detail)
        rows = [self._account_row(account) for account in accounts]
        return answer({"code": 200, "total": len(rows), "accounts": rows})

    def _account_row(self, account: Account) -> Json:
        markets = self._engine.markets
        active = self._engine.active_orders(account.index)
        market_ids = sorted({*account.positions, *(order.market_id for order in active)})
        positions = [
            wire.position(markets[market_id], self._engine.position(account.index, market_id))
            for market_id in market_ids
        ]
        summary = self._engine.summary(account.index)
        return wire.detailed_account(account, summary, positions, len(active))

    async def next_nonce(self, request: web.Request) -> web.Response:
        """Answer the nonce that the next transaction of a key must carry."""
        params = Params(request.query)
        account_index = params.integer("account_index")
        key_index = params.integer("api_key_index", high=ALL_KEYS - 1)
        nonce = self._engine.next_nonce(account_index, key_index)
        if nonce is None:
            raise ApiError(NONCE_NOT_FOUND, "nonce not found")
        return answer({"code": 200, "nonce": nonce})

    async def api_keys(self, request: web.Request) -> web.Response:
        """Answer one key of an account, or all of them (api_key_index 255 or absent)."""
        params = Params(request.query)
        account = self._engine.account(params.integer("account_index"))
        key_index = params.integer("api_key_index", ALL_KEYS, high=ALL_KEYS)
        keys = {} if account is None else account.api_keys
        rows = [
            _key_row(account.index, index, key)
            for index, key in sorted(keys.items())
            if account is not None and key_index in (ALL_KEYS, index)
        ]
        if not rows:
            raise ApiError(API_KEY_NOT_FOUND, "api key not found")
        return answer({"code": 200, "api_keys": rows})

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
        try:
            response = self._admit(tx_type, tx_info, received_ns)
            await response.prepare(request)
            await response.write_eof()
        finally:
            self._exchange.pump_soon()
        return response

    def _admit(self, tx_type: int, tx_info: str, received_ns: int) -> web.Response:
        if not tx_info.startswith("{"):
            return failure(ApiError(INVALID_TX_INFO, "invalid tx info"))
        try:
            accepted = self._exchange.submit(tx_type, tx_info, received_ns)
        except ApiError as error:
            return failure(error)
        return answer(
            {
                "code": 200,
                "message": _QUOTA_MESSAGE,
                "tx_hash": accepted.tx_hash,
                "predicted_execution_time_ms": accepted.predicted_execution_time_ms,
                "volume_quota_remaining": None,
            }
        )


def known_market(exchange: Exchange, market_id: int) -> MarketConfig:
    """Return the market, or raise ApiError 21602."""
    market = exchange.engine.markets.get(market_id)
    if market is None:
        raise ApiError(INVALID_MARKET, "invalid market index")
    return market


def known_account(exchange: Exchange, account_index: int) -> Account:
    """Return the account, or raise ApiError 20001."""
    account = exchange.engine.account(account_index)
    if account is None or not 0 <= account_index <= MAX_INT64:
        detail = "account_index"
        raise invalid_param(detail)
    return account


def _key_row(account_index: int, key_index: int, key: ApiKey) -> Json:
    return {
        "account_index": account_index,
        "api_key_index": key_index,
        "nonce": key.next_nonce,
        "public_key": key.public_key,
        "transaction_time": key.updated_ms * 1000,
    }
