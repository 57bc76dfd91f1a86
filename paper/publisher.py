"""From engine events to WebSocket frames.

Account frames go out at once and first: per fill the position, then the trade, then the order.
Public frames follow. Order book changes are collected and sent every 50 ms, and their nonces
chain: each update begins at the nonce of the frame before it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from paper import wire, wire_events
from paper.channels import ALL_MARKETS, Channel
from paper.exchange import Exchange
from paper.records import (
    BookLevelChanged,
    CollateralChanged,
    EngineEvent,
    FundingPaid,
    Liquidated,
    Notified,
    OrderChanged,
    OrderStatus,
    PositionChanged,
    TradeHappened,
    TradeKind,
    TxChanged,
)
from paper.session import dumps
from paper.snapshots import SnapshotBuilder, account_market
from paper.stream import Hub

BOOK_INTERVAL_S: Final = 0.05
STATS_INTERVAL_S: Final = 0.5

Json = dict[str, Any]


class _Wanted(NamedTuple):
    """Channels that somebody listens to; empty where nobody does."""

    all_name: str
    own_name: str
    market_name: str

    def __bool__(self) -> bool:
        return any(self)


class Publisher:
    """Turns the exchange's events into frames of the hub's channels."""

    def __init__(self, exchange: Exchange, hub: Hub, snapshots: SnapshotBuilder) -> None:
        """Listen to `exchange` from `start` on."""
        self._exchange = exchange
        self._hub = hub
        self._snapshots = snapshots
        self._markets = exchange.engine.markets
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stats_sent: dict[str, str] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            PositionChanged: self._on_position,
            TradeHappened: self._on_trade,
            OrderChanged: self._on_order,
            TxChanged: self._on_tx,
            CollateralChanged: self._ignore,
            BookLevelChanged: self._on_level,
            FundingPaid: self._on_funding,
            Liquidated: self._ignore,
            Notified: self._on_notification,
        }

    def start(self) -> None:
        """Begin to listen and start the timers."""
        self._exchange.listen(self._on_events)
        self._every(BOOK_INTERVAL_S, "book", self._flush_books)
        self._every(STATS_INTERVAL_S, "stats", self._publish_stats)

    def stop(self) -> None:
        """Stop the timers."""
        for timer in self._timers.values():
            timer.cancel()

    def _every(self, interval_s: float, name: str, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers[name] = asyncio.get_running_loop().call_later(interval_s, run)
            action()

        run()

    # Events

    def _on_events(self, events: list[EngineEvent]) -> None:
        handlers = self._handlers
        for event in events:
            handlers[type(event)](event)
        self._publish_trades([event for event in events if isinstance(event, TradeHappened)])
        self._publish_best({e.market_id for e in events if isinstance(e, BookLevelChanged)})
        self._publish_accounts(events)

    def _ignore(self, event: EngineEvent) -> None:
        """Leave an event to the summary frames at the end of a batch."""

    def _on_position(self, event: PositionChanged) -> None:
        account, market = event.account_index, event.position.market_id
        wanted = self._wanted(account, market, "account_all_positions")
        if not wanted:
            return
        row = self._snapshots.position(account, market, event.position)
        positions = {str(market): row}
        if wanted.all_name:
            self._hub.publish(wanted.all_name, self._account_all(account, positions, {}))
        if wanted.own_name:
            frame = {
                "channel": wanted.own_name,
                "positions": positions,
                "shares": [],
                "type": "update/account_all_positions",
            }
            self._hub.publish(wanted.own_name, frame)
        if wanted.market_name:
            frame = account_market(account, market, position=[row])
            self._hub.publish(wanted.market_name, frame)

    def _on_trade(self, event: TradeHappened) -> None:
        log_row = self._exchange.log.add_trade(event)
        trade = event.trade
        row: Json | None = None
        for account in dict.fromkeys((trade.maker_account_index, trade.taker_account_index)):
            wanted = self._wanted(account, trade.market_id, "account_all_trades")
            if not wanted:
                continue
            if row is None:
                row = wire.trade(self._markets[trade.market_id], trade)
            trades = {str(trade.market_id): [row]}
            log_row.frames_sent[account] = time.monotonic_ns()
            if wanted.own_name:
                frame = {
                    "channel": wanted.own_name,
                    "trades": trades,
                    "type": "update/account_all_trades",
                }
                self._hub.publish(wanted.own_name, frame)
            if wanted.all_name:
                self._hub.publish(wanted.all_name, self._account_all(account, {}, trades))
            if wanted.market_name:
                frame = account_market(account, trade.market_id, trades=[row])
                self._hub.publish(wanted.market_name, frame)

    def _on_order(self, event: OrderChanged) -> None:
        self._exchange.log.add_order(event)
        order = event.order
        account, market = order.account_index, order.market_id
        wanted = self._wanted(account, market, "account_all_orders")
        one_name = f"account_orders:{market}:{account}"
        one_wanted = self._hub.wanted(one_name)
        if not (wanted.own_name or wanted.market_name or one_wanted):
            return
        row = wire.order(self._markets[market], order)
        orders = {str(market): [row]}
        frame: Json
        if wanted.own_name:
            name = wanted.own_name
            frame = {"channel": name, "orders": orders, "type": "update/account_all_orders"}
            self._hub.publish(name, frame)
        if one_wanted:
            frame = {
                "account": account,
                "channel": one_name,
                "nonce": event.seq,
                "orders": orders,
                "type": "update/account_orders",
            }
            self._hub.publish(one_name, frame)
        if wanted.market_name:
            self._hub.publish(wanted.market_name, account_market(account, market, orders=[row]))

    def _wanted(self, account: int, market: int, own: str) -> _Wanted:
        """Return the names of those channels of an account that somebody listens to."""
        names = (f"account_all:{account}", f"{own}:{account}", f"account_market/{market}/{account}")
        return _Wanted(*(name if self._hub.wanted(name) else "" for name in names))

    def _on_tx(self, event: TxChanged) -> None:
        name = f"account_tx:{event.tx.account_index}"
        if self._hub.wanted(name):
            account = self._exchange.engine.account(event.tx.account_index)
            row = wire.transaction(event.tx, "" if account is None else account.master)
            self._hub.publish(name, {"channel": name, "txs": [row], "type": "update/account_tx"})

    def _on_funding(self, event: FundingPaid) -> None:
        payment = event.payment
        account, market = payment.account_index, payment.market_id
        wanted = self._wanted(account, market, "account_all_positions")
        if not wanted:
            return
        row = wire_events.position_funding(self._markets[market], payment)
        if wanted.all_name:
            frame = self._account_all(account, {}, {}, {str(market): [row]})
            self._hub.publish(wanted.all_name, frame)
        if wanted.market_name:
            self._hub.publish(wanted.market_name, account_market(account, market, funding=[row]))

    def _on_notification(self, event: Notified) -> None:
        notice = event.notification
        name = f"notification:{notice.account_index}"
        if self._hub.wanted(name):
            market = self._markets[notice.liquidation.market_id]
            row = wire_events.notification(market, notice, None)
            self._hub.publish(
                name, {"channel": name, "notifs": [row], "type": "update/notification"}
            )

    def _on_level(self, event: BookLevelChanged) -> None:
        self._snapshots.books[event.market_id].change(event.is_ask, event.price, event.lots)

    def _account_all(
        self, account: int, positions: Json, trades: Json, fundings: Json | None = None
    ) -> Json:
        return {
            "account": account,
            "channel": f"account_all:{account}",
            "funding_histories": fundings or {},
            "positions": positions,
            "shares": [],
            "trades": trades,
            "type": "update/account_all",
        }

    # Batches

    def _publish_trades(self, events: list[TradeHappened]) -> None:
        for market_id in {event.trade.market_id for event in events}:
            name = f"trade:{market_id}"
            if not self._hub.wanted(name):
                continue
            own = [event for event in events if event.trade.market_id == market_id]
            rows: dict[bool, list[Json]] = {True: [], False: []}
            for event in own:
                row = wire.trade(self._markets[market_id], event.trade)
                rows[event.trade.kind is TradeKind.TRADE].append(row)
            frame = {
                "channel": name,
                "liquidation_trades": rows[False],
                "nonce": own[-1].seq,
                "trades": rows[True],
                "type": "update/trade",
            }
            self._hub.publish(name, frame)

    def _publish_best(self, market_ids: set[int]) -> None:
        for market_id in market_ids:
            channel = Channel("ticker", market=market_id)
            if not self._hub.wanted(channel.name):
                continue
            known = self._snapshots.best.get(market_id)
            frame = self._snapshots.ticker(channel, "update/ticker")
            if self._snapshots.best[market_id] != known:
                self._hub.publish(channel.name, frame)

    def _publish_accounts(self, events: list[EngineEvent]) -> None:
        """Send what changes once per batch: balances, and order counts of `account_all`."""
        for account in _accounts_with_money(events):
            stats = Channel("user_stats", account=account)
            if self._hub.wanted(stats.name):
                self._hub.publish(stats.name, self._snapshots.user_stats(stats, "update"))
            assets = Channel("account_all_assets", account=account)
            if self._hub.wanted(assets.name):
                self._hub.publish(assets.name, self._snapshots.assets(assets, "update"))
        for account, market_id in _order_counts(events):
            name = f"account_all:{account}"
            if self._hub.wanted(name):
                row = self._snapshots.position(account, market_id)
                self._hub.publish(name, self._account_all(account, {str(market_id): row}, {}))

    # Timers

    def _flush_books(self) -> None:
        for market_id, book in self._snapshots.books.items():
            self._snapshots.flush_book(market_id, book, self._hub)

    def _publish_stats(self) -> None:
        """Send market statistics and the block height where they changed."""
        wanted = [Channel("market_stats", market=m) for m in (*self._markets, ALL_MARKETS)]
        for channel in [*wanted, Channel("height")]:
            if not self._hub.wanted(channel.name):
                continue
            frame = self._snapshots.frame(channel)
            frame["type"] = f"update/{channel.family}"
            text = dumps({key: frame[key] for key in frame if key != "timestamp"})
            if self._stats_sent.get(channel.name) != text:
                self._stats_sent[channel.name] = text
                self._hub.publish(channel.name, frame)


def _accounts_with_money(events: list[EngineEvent]) -> set[int]:
    """Return the accounts whose balances changed."""
    return {
        event.account_index
        for event in events
        if isinstance(event, CollateralChanged | PositionChanged)
    }


def _order_counts(events: list[EngineEvent]) -> set[tuple[int, int]]:
    """Return (account, market) of orders that came or went without a fill."""
    return {
        (event.order.account_index, event.order.market_id)
        for event in events
        if isinstance(event, OrderChanged)
        and event.order.filled_lots == 0
        and event.order.status is not OrderStatus.IN_PROGRESS
    }
