"""The first frame of every WebSocket channel, and the order book deltas."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from paper import wire, wire_account, wire_events, wire_market
from paper.channels import ALL_MARKETS, Channel
from paper.exchange import Exchange
from paper.records import MarketConfig, Position

TRADE_REPLAY: Final = 50
TX_REPLAY: Final = 10
FUNDING_REPLAY: Final = 100

Json = dict[str, Any]


class Outlet(Protocol):
    """Where frames go."""

    def wanted(self, channel: str) -> bool:
        """Return True when somebody is subscribed to `channel`."""
        ...

    def publish(self, channel: str, value: dict[str, Any]) -> None:
        """Send one frame to the subscribers of `channel`."""
        ...


class BookDelta:
    """Price levels changed since the last frame, and the nonce of that frame."""

    def __init__(self) -> None:
        """Start without changes."""
        self.nonce = 0
        self.offset = 0
        self._changed: dict[tuple[bool, int], int] = {}

    def change(self, is_ask: bool, price: int, lots: int) -> None:  # noqa: FBT001  a side
        """Note the new size (lots) of a level; the last change of a level wins."""
        self._changed[is_ask, price] = lots

    def take(self) -> dict[tuple[bool, int], int]:
        """Return the changes and forget them."""
        changed, self._changed = self._changed, {}
        return changed


class SnapshotBuilder:
    """Builds frames from the engine's present state."""

    def __init__(self, exchange: Exchange) -> None:
        """Read `exchange`; nothing is kept but the order book nonces."""
        self._exchange = exchange
        self._engine = exchange.engine
        self._markets = exchange.engine.markets
        self._outlet: Outlet | None = None
        self.books = {market_id: BookDelta() for market_id in self._markets}
        self.best: dict[int, Json] = {}
        """Best levels as the ticker last told them."""
        self._builders: dict[str, Callable[[Channel], Json]] = {
            "order_book": self._order_book,
            "ticker": lambda channel: self.ticker(channel, "subscribed/ticker"),
            "market_stats": self._market_stats,
            "trade": self._trades,
            "height": self._height,
            "account_all": self._account_all,
            "user_stats": lambda channel: self.user_stats(channel, "subscribed"),
            "account_market": self._account_market,
            "account_orders": self._account_orders,
            "account_all_orders": self._account_all_orders,
            "account_all_trades": self._account_all_trades,
            "account_all_positions": self._account_all_positions,
            "account_all_assets": lambda channel: self.assets(channel, "subscribed"),
            "account_tx": self._account_tx,
            "notification": self._notifications,
        }

    def use(self, outlet: Outlet) -> None:
        """Send book changes that precede a snapshot to the present subscribers of `outlet`."""
        self._outlet = outlet

    def frame(self, channel: Channel) -> Json:
        """Return the `subscribed/...` frame of `channel` as of now."""
        body = self._builders[channel.family](channel)
        return {"channel": channel.name, **body, "type": f"subscribed/{channel.family}"}

    # Market data

    def flush_book(self, market_id: int, book: BookDelta, outlet: Outlet) -> None:
        """Send the changed levels of a market as one update that chains from the last frame."""
        changed = book.take()
        if not changed:
            return
        begin, book.nonce = book.nonce, max(self._engine.last_seq, book.nonce + 1)
        book.offset += 1
        name = f"order_book:{market_id}"
        if outlet.wanted(name):
            sides = [
                sorted((price, lots) for (is_ask, price), lots in changed.items() if is_ask is side)
                for side in (True, False)
            ]
            body = self._book_body(market_id, sides[0], sides[1][::-1], begin)
            outlet.publish(name, {"channel": name, **body, "type": "update/order_book"})

    def _order_book(self, channel: Channel) -> Json:
        market_id = _known(channel.market)
        if self._outlet is not None:
            self.flush_book(market_id, self.books[market_id], self._outlet)
        asks = self._engine.levels(market_id, is_ask=True)
        bids = self._engine.levels(market_id, is_ask=False)
        return self._book_body(market_id, asks, bids, 0)

    def _book_body(
        self, market_id: int, asks: list[tuple[int, int]], bids: list[tuple[int, int]], begin: int
    ) -> Json:
        market, book = self._markets[market_id], self.books[market_id]
        now_us = time.time_ns() // 1000
        return {
            "last_updated_at": now_us,
            "offset": book.offset,
            "order_book": {
                "code": 0,
                "asks": wire_market.levels(market, asks),
                "bids": wire_market.levels(market, bids),
                "offset": book.offset,
                "nonce": book.nonce,
                "last_updated_at": now_us,
                "begin_nonce": begin,
            },
            "timestamp": now_us // 1000,
        }

    def ticker(self, channel: Channel, kind: str) -> Json:
        """Return the best bid and offer as a frame of type `kind`."""
        market = self._market(channel)
        now_us = time.time_ns() // 1000
        best = {
            side: wire_market.best_level(self._engine, market, is_ask=side == "a") for side in "ab"
        }
        self.best[market.market_id] = best
        return {
            "channel": channel.name,
            "last_updated_at": now_us,
            "nonce": self._engine.last_seq,
            "ticker": {"s": market.symbol, **best, "last_updated_at": now_us},
            "timestamp": now_us // 1000,
            "type": kind,
        }

    def _market_stats(self, channel: Channel) -> Json:
        now_ms = self._exchange.now_ms()
        stats: Json
        if channel.market == ALL_MARKETS:
            stats = {
                str(market_id): wire_market.market_stats(self._engine, market, now_ms)
                for market_id, market in self._markets.items()
            }
        else:
            stats = wire_market.market_stats(self._engine, self._market(channel), now_ms)
        return {"market_stats": stats, "timestamp": now_ms}

    def _trades(self, channel: Channel) -> Json:
        market = self._market(channel)
        trades = self._engine.market_trades(market.market_id, TRADE_REPLAY)
        return {
            "liquidation_trades": [],
            "nonce": self._engine.last_seq,
            "trades": [wire.trade(market, trade) for trade in trades],
        }

    def _height(self, _: Channel) -> Json:
        return {"height": self._engine.block_height, "timestamp": self._exchange.now_ms()}

    def _market(self, channel: Channel) -> MarketConfig:
        return self._markets[_known(channel.market)]

    # Accounts

    def position(self, account: int, market_id: int, exact: Position | None = None) -> Json:
        """Return the AccountPosition object; of `exact`, the position at an earlier moment."""
        return wire_account.position(self._engine, account, market_id, exact=exact)

    def positions(self, account: int) -> Json:
        """Return the AccountPosition objects of every market that the account has traded."""
        record = self._engine.account(account)
        known = () if record is None else tuple(record.positions)
        return {str(market_id): self.position(account, market_id) for market_id in known}

    def _account_all(self, channel: Channel) -> Json:
        account = _known(channel.account)
        return {
            "account": account,
            "assets": self._assets(account),
            **wire_account.volumes(self._engine, account, self._exchange.now_ms()),
            "funding_histories": self._fundings(account),
            "positions": self.positions(account),
            "shares": [],
            "trades": {},
        }

    def _account_all_positions(self, channel: Channel) -> Json:
        return {"positions": self.positions(_known(channel.account)), "shares": []}

    def _account_all_trades(self, channel: Channel) -> Json:
        account = _known(channel.account)
        volumes = wire_account.volumes(self._engine, account, self._exchange.now_ms())
        sums = {name: value for name, value in volumes.items() if name.endswith("_volume")}
        return {"trades": [], **sums}

    def _fundings(self, account: int) -> dict[str, list[Json]]:
        """Return the newest funding payments of an account by market, newest first."""
        rows: dict[str, list[Json]] = {}
        for payment in self._engine.funding_payments(account, limit=FUNDING_REPLAY):
            row = wire_events.position_funding(self._markets[payment.market_id], payment)
            rows.setdefault(str(payment.market_id), []).append(row)
        return rows

    def _notifications(self, channel: Channel) -> Json:
        acked = self._exchange.acknowledged
        rows = [
            wire_events.notification(
                self._markets[each.liquidation.market_id], each, acked.get(each.notification_id)
            )
            for each in self._engine.notifications(_known(channel.account))
        ]
        return {"notifs": rows}

    def _account_market(self, channel: Channel) -> Json:
        account, market_id = _known(channel.account), _known(channel.market)
        orders = self._orders(account, market_id).get(str(market_id), [])
        body = account_market(
            account,
            market_id,
            orders=orders,
            position=[self.position(account, market_id)],
            funding=self._fundings(account).get(str(market_id)),
        )
        return {**body, "assets": self._assets(account)}

    def _account_orders(self, channel: Channel) -> Json:
        account = _known(channel.account)
        orders = self._orders(account, channel.market)
        return {"account": account, "nonce": self._engine.last_seq, "orders": orders}

    def _account_all_orders(self, channel: Channel) -> Json:
        return {"orders": self._orders(_known(channel.account), None)}

    def _orders(self, account: int, market_id: int | None) -> Json:
        rows: dict[str, list[Json]] = {}
        for order in self._engine.active_orders(account, market_id):
            row = wire.order(self._markets[order.market_id], order)
            rows.setdefault(str(order.market_id), []).append(row)
        return rows

    def _account_tx(self, channel: Channel) -> Json:
        account = _known(channel.account)
        record = self._engine.account(account)
        master = "" if record is None else record.master
        txs = self._engine.account_txs(account, limit=TX_REPLAY)
        return {"txs": [wire.transaction(tx, master) for tx in txs]}

    def user_stats(self, channel: Channel, kind: str) -> Json:
        """Return the account's balances as a `kind`/user_stats frame."""
        account = _known(channel.account)
        record = self._engine.account(account)
        markets = () if record is None else tuple(record.positions)
        exposure = sum(self._engine.position(account, market).value for market in markets)
        imf = min(market.default_imf for market in self._markets.values())
        return {
            "channel": channel.name,
            "stats": wire.user_stats(self._engine.summary(account), exposure, imf),
            "timestamp": self._exchange.now_ms(),
            "type": f"{kind}/user_stats",
        }

    def assets(self, channel: Channel, kind: str) -> Json:
        """Return the account's collateral as a `kind`/account_all_assets frame."""
        return {
            "assets": self._assets(_known(channel.account)),
            "channel": channel.name,
            "timestamp": self._exchange.now_ms(),
            "type": f"{kind}/account_all_assets",
        }

    def _assets(self, account: int) -> Json:
        """Return the AccountAsset objects of an account by asset id."""
        record = self._engine.account(account)
        asset = wire.asset(0 if record is None else record.collateral)
        return {str(asset["asset_id"]): asset}


def account_market(
    account: int,
    market_id: int,
    *,
    orders: list[Json] | None = None,
    position: list[Json] | None = None,
    trades: list[Json] | None = None,
    funding: list[Json] | None = None,
) -> Json:
    """Return the body of an account_market frame with what is given in it."""
    return {
        "account": account,
        "channel": f"account_market/{market_id}/{account}",
        "funding_history": funding or [],
        "orders": orders or [],
        "position": position or [],
        "trades": trades or [],
        "type": "update/account_market",
    }


def _known(index: int | None) -> int:
    """Return the index that a channel of this family always has."""
    return -1 if index is None else index
