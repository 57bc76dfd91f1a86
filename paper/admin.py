"""Admin calls under /paper/: what tests and demonstrations need and the real exchange lacks."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

from aiohttp import web

from paper import wire, wire_events
from paper.answers import answer, read_json
from paper.apierror import invalid_param
from paper.exchange import Exchange
from paper.funding import MAX_RATE
from paper.lookups import ALL_KEYS, known_market
from paper.params import Body, Params
from paper.records import Account, MarketConfig, Quote, Tier
from paper.settings import Settings
from paper.stream import Hub
from paper.wire_events import RATE_DECIMALS

MAX_ACCOUNT_INDEX: Final = 2**47 - 1
MAX_ROWS: Final = 1_000_000
MAX_USDC: Final = Decimal(10) ** 12
MAX_SCALED: Final = 1 << 48
MAX_QUOTA: Final = 5_000_000
MAX_LEVELS: Final = 1_000
PAIR: Final = 2
MAX_LIT: Final = 10**9
MAX_AHEAD_MS: Final = 40 * 86_400_000
TIERS: Final = [tier.value for tier in Tier]
EXACT: Final = Context(prec=60)

_HEX: Final = frozenset("0123456789abcdefABCDEF")
_KEY_DIGITS: Final = 80

Json = dict[str, Any]


class AdminApi:
    """Handlers of the admin calls; every answer carries `code` 200 or an error body."""

    def __init__(self, exchange: Exchange, hub: Hub, settings: Settings) -> None:
        """Read and change `exchange`."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._hub = hub
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/paper/keys", self.add_key),
            web.post("/paper/keys/{account}/{key}", self.set_key),
            web.delete("/paper/keys/{account}/{key}", self.delete_key),
            web.post("/paper/accounts", self.add_account),
            web.post("/paper/accounts/{account}/collateral", self.add_collateral),
            web.post("/paper/accounts/{account}/tier", self.set_tier),
            web.post("/paper/accounts/{account}/quota", self.set_quota),
            web.post("/paper/markets/{market}", self.set_market),
            web.post("/paper/clock", self.move_clock),
            web.post("/paper/take", self.take),
            web.get("/paper/trades", self.trades),
            web.get("/paper/orders", self.orders),
            web.get("/paper/state", self.state),
        ]

    # Accounts and keys

    async def add_key(self, request: web.Request) -> web.Response:
        """Register or replace the public key of an API key."""
        body = Body(await read_json(request))
        account = self._known_account(body.integer("account_index"))
        key_index = body.integer("api_key_index", high=ALL_KEYS - 1)
        public_key = body.text("public_key").removeprefix("0x")
        if len(public_key) != _KEY_DIGITS or not set(public_key) <= _HEX:
            detail = f"public_key must be {_KEY_DIGITS} hex digits"
            raise invalid_param(detail)
        self._engine.add_key(account, key_index, public_key)
        self._exchange.pump()
        nonce = self._engine.next_nonce(account, key_index)
        return answer({"code": 200, "account_index": account, "nonce": nonce})

    def _known_key(self, request: web.Request) -> tuple[int, int]:
        """Return account and key index of the path."""
        path = Params(request.match_info)
        account = self._known_account(path.integer("account"))
        key_index = path.integer("key", high=ALL_KEYS - 1)
        if not self._exchange.has_key(account, key_index):
            raise invalid_param(f"account {account} has no API key {key_index}")
        return account, key_index

    async def set_key(self, request: web.Request) -> web.Response:
        """Let an API key only post (`maker_only`), or send everything again."""
        account, key_index = self._known_key(request)
        maker_only = Body(await read_json(request)).flag("maker_only")
        if maker_only is None:
            detail = "maker_only must be true or false"
            raise invalid_param(detail)
        indexes = {*self._engine.maker_only_keys(account)} - {key_index}
        self._engine.set_maker_only(
            account, sorted(indexes | {key_index} if maker_only else indexes)
        )
        self._exchange.pump()
        found = self._engine.maker_only_keys(account)
        return answer({"code": 200, "account_index": account, "maker_only_api_key_indexes": found})

    async def delete_key(self, request: web.Request) -> web.Response:
        """Delete an API key."""
        account, key_index = self._known_key(request)
        self._engine.delete_key(account, key_index)
        self._exchange.pump()
        return answer({"code": 200, "account_index": account, "api_key_index": key_index})

    async def add_account(self, request: web.Request) -> web.Response:
        """Create an account under the L1 address `master` with `collateral` USDC."""
        body = Body(await read_json(request))
        index = body.integer("account_index", low=1, high=MAX_ACCOUNT_INDEX)
        collateral = _micros(body, "collateral", "0")
        master = body.text("master")
        if not master:
            detail = "master must be an L1 address"
            raise invalid_param(detail)
        if collateral < 0:
            detail = "collateral must not be negative"
            raise invalid_param(detail)
        self._engine.add_account(index, master, collateral)
        self._exchange.pump()
        return answer({"code": 200, "account_index": index, "collateral": wire.money(collateral)})

    async def add_collateral(self, request: web.Request) -> web.Response:
        """Add USDC to an account, or take it away (a negative amount)."""
        account = self._known_account(Params(request.match_info).integer("account"))
        amount = _micros(Body(await read_json(request)), "amount")
        self._engine.add_collateral(account, amount)
        self._exchange.pump()
        record = self._engine.account(account)
        collateral = 0 if record is None else record.collateral
        return answer({"code": 200, "account_index": account, "collateral": wire.money(collateral)})

    def _known_account(self, index: int) -> int:
        if not self._exchange.has_account(index):
            raise invalid_param(f"account {index} does not exist")
        return index

    # Trading

    async def take(self, request: web.Request) -> web.Response:
        """Let a stranger take liquidity at any price; answer the trades."""
        body = Body(await read_json(request))
        market = known_market(self._exchange, body.integer("market_index"))
        side = body.text("side")
        if side not in ("buy", "sell"):
            detail = 'side must be "buy" or "sell"'
            raise invalid_param(detail)
        lots = _scaled(body, "base_amount", market.size_decimals)
        until = body.optional("until_account")
        if until is not None:
            self._known_account(until)
        first_seq = self._engine.last_seq
        trades = self._engine.take(
            market.market_id, is_ask=side == "sell", lots=lots, until_account=until
        )
        self._exchange.pump()
        ids = {trade.trade_id for trade in trades}
        rows = [
            row.as_json(self._engine.markets)
            for row in self._exchange.log.trades(first_seq, None, MAX_ROWS)
            if row.trade.trade_id in ids
        ]
        return answer({"code": 200, "trades": rows})

    async def set_market(self, request: web.Request) -> web.Response:
        """Set mark price, hourly funding rate, rules, or whether positions may only shrink.

        With `price` the whole market goes there: quotes and mark. With `bids` and `asks`, lists of
        [price, size], the fixed book is these levels, and none other; one without the other is an
        error, an empty list an empty side.
        """
        market = known_market(self._exchange, Params(request.match_info).integer("market"))
        body = Body(await read_json(request))
        goes_to, ticks = (
            None if body.get(name) is None else _scaled(body, name, market.price_decimals)
            for name in ("price", "mark_price")
        )
        rate = None
        if body.get("funding_rate") is not None:
            rate = _whole(body.decimal("funding_rate"), RATE_DECIMALS, "funding_rate")
            if abs(rate) > MAX_RATE:
                most = wire_events.rate_text(MAX_RATE)
                raise invalid_param(f"funding_rate must be within {most} percent per hour")
        reduce_only = body.flag("force_reduce_only")
        rules = _rules(body, market.size_decimals)
        has_book = body.get("bids") is not None
        if has_book != (body.get("asks") is not None):
            raise invalid_param(
                "bids and asks go together: the fixed book is both; [] is an empty side"
            )
        levels = [
            *_levels(body, "bids", market, is_ask=False),
            *_levels(body, "asks", market, is_ask=True),
        ]
        if goes_to is not None:
            self._exchange.move_market(market.market_id, goes_to)
        if ticks is not None:
            self._engine.set_mark_price(market.market_id, ticks)
        if rate is not None:
            self._engine.set_funding(market.market_id, rate)
        if rules:
            self._engine.set_rules(market.market_id, rules)
        if has_book:
            self._engine.set_ladder(market.market_id, levels)
        if reduce_only is not None:
            self._engine.set_force_reduce_only(market.market_id, on=reduce_only)
        self._exchange.pump()
        return answer(
            {
                "code": 200,
                "market_index": market.market_id,
                "mark_price": wire.price_text(market, self._engine.mark_price(market.market_id)),
                "funding_rate": wire_events.rate_text(self._engine.funding_rate(market.market_id)),
                "force_reduce_only": self._engine.is_reduce_only(market.market_id),
            }
        )

    async def set_tier(self, request: web.Request) -> web.Response:
        """Give the L1 address of an account a tier and staked LIT, whatever it holds."""
        account = self._known_account(Params(request.match_info).integer("account"))
        body = Body(await read_json(request))
        name = body.text("tier")
        if name not in TIERS:
            raise invalid_param(f"tier must be one of {', '.join(TIERS)}")
        staked = body.integer("staked_lit", 0, high=MAX_LIT)
        self._engine.set_tier(account, Tier(name), staked)
        self._exchange.pump()
        return answer({"code": 200, "account_index": account, "tier": name, "staked_lit": staked})

    async def set_quota(self, request: web.Request) -> web.Response:
        """Let the owner of an account have so much of its volume quota left, on any tier."""
        index = self._known_account(Params(request.match_info).integer("account"))
        left = Body(await read_json(request)).integer("remaining", high=MAX_QUOTA)
        account = self._engine.account(index)
        if account is not None:
            self._exchange.quota.set(account.master, left)
        return answer({"code": 200, "account_index": index, "volume_quota_remaining": left})

    async def move_clock(self, request: web.Request) -> web.Response:
        """Let time pass at once: expiries, scheduled cancels, tokens, signatures."""
        body = Body(await read_json(request))
        self._exchange.move_ahead(body.integer("ahead_ms", low=1, high=MAX_AHEAD_MS))
        return answer({"code": 200, "now_ms": self._exchange.now_ms()})

    # Reading

    async def trades(self, request: web.Request) -> web.Response:
        """Answer every trade with a seq above `after_seq`, oldest first."""
        rows = self._exchange.log.trades(*_range(Params(request.query)))
        markets = self._engine.markets
        return answer({"code": 200, "trades": [row.as_json(markets) for row in rows]})

    async def orders(self, request: web.Request) -> web.Response:
        """Answer every order event of user accounts above `after_seq`, oldest first."""
        rows = self._exchange.log.orders(*_range(Params(request.query)))
        markets = self._engine.markets
        return answer({"code": 200, "orders": [row.as_json(markets) for row in rows]})

    async def state(self, _: web.Request) -> web.Response:
        """Answer accounts, net positions, and counters."""
        accounts = self._engine.accounts()
        markets = self._engine.markets
        net = {
            str(market_id): wire.size_text(market, _net_lots(accounts, market_id))
            for market_id, market in markets.items()
        }
        trades, orders = self._exchange.log.counts
        counters = {
            "accepted": self._exchange.counters["accepted"],
            "rejected": self._exchange.counters["rejected"],
            "trades": trades,
            "order_events": orders,
            "frames": self._hub.counters["frames"],
            "sockets": self._hub.session_count,
        }
        return answer(
            {
                "code": 200,
                "tier": self._settings.tier,
                "seed": self._settings.seed,
                "market": self._settings.market,
                "last_seq": self._engine.last_seq,
                "accounts": [self._account_row(account) for account in accounts],
                "net_position": net,
                "counters": counters,
            }
        )

    def _account_row(self, account: Account) -> Json:
        summary = self._engine.summary(account.index)
        positions = {
            str(market_id): {
                "position": wire.size_text(self._engine.markets[market_id], position.lots),
                "entry_quote": wire.money(position.entry_quote),
                "realized_pnl": wire.money(position.realized_pnl),
            }
            for market_id, position in sorted(account.positions.items())
        }
        return {
            "account_index": account.index,
            "l1_address": account.master,
            "collateral": wire.money(account.collateral),
            "equity": wire.money(summary.total_value),
            "available_balance": wire.money(summary.available_balance),
            "active_orders": len(self._engine.active_orders(account.index)),
            "api_keys": sorted(account.api_keys),
            "positions": positions,
        }


def _rules(body: Body, size_decimals: int) -> dict[str, int | str]:
    """Return what a body changes of a market's minimums, quote limit and status."""
    rules: dict[str, int | str] = {}
    if body.get("min_base_amount") is not None:
        rules["min_base_lots"] = _scaled(body, "min_base_amount", size_decimals)
    if body.get("min_quote_amount") is not None:
        rules["min_quote_micros"] = _micros(body, "min_quote_amount")
    if body.get("order_quote_limit") is not None:
        rules["order_quote_limit_micros"] = _micros(body, "order_quote_limit")
    if body.get("status") is not None:
        rules["status"] = body.text("status")
    return rules


def _levels(body: Body, name: str, market: MarketConfig, *, is_ask: bool) -> list[Quote]:
    """Return one side of a fixed book."""
    rows = body.get(name)
    if rows is None:
        return []
    if not isinstance(rows, list) or len(rows) > MAX_LEVELS:
        raise invalid_param(f"{name} must be a list of at most {MAX_LEVELS} [price, size]")
    found = []
    for row in rows:
        if not isinstance(row, list) or len(row) != PAIR:
            raise invalid_param(f"{name} must be a list of [price, size]")
        level = Body({"price": row[0], "size": row[1]})
        price = _scaled(level, "price", market.price_decimals)
        found.append(Quote(is_ask, price, _scaled(level, "size", market.size_decimals)))
    return found


def _range(params: Params) -> tuple[int, int | None, int]:
    """Return after_seq, account and limit of a reading call."""
    limit = params.integer("limit", MAX_ROWS, low=1, high=MAX_ROWS)
    return params.integer("after_seq", 0), params.optional("account_index"), limit


def _net_lots(accounts: list[Account], market_id: int) -> int:
    """Return the sum of the user accounts' positions in lots."""
    return sum(
        account.positions[market_id].lots for account in accounts if market_id in account.positions
    )


def _micros(body: Body, name: str, default: str | None = None) -> int:
    """Return a USDC amount in micros; more than six decimals are refused."""
    amount = body.decimal(name, default)
    if abs(amount) > MAX_USDC:
        raise invalid_param(f"{name} must be at most {MAX_USDC:f}")
    return _whole(amount, wire.QUOTE_DECIMALS, name)


def _scaled(body: Body, name: str, decimals: int) -> int:
    """Return a positive size or price in lots or ticks."""
    number = _whole(body.decimal(name), decimals, name)
    if not 0 < number < MAX_SCALED:
        raise invalid_param(f"{name} is out of range")
    return number


def _whole(amount: Decimal, decimals: int, name: str) -> int:
    """Return amount x 10^decimals; refuse an amount with more decimals than that."""
    number = amount.scaleb(decimals, EXACT)
    if number != number.to_integral_value():
        raise invalid_param(f"{name} has more than {decimals} decimals")
    return int(number)
