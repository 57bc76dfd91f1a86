"""The simulated venue: honest answers are the paper exchange's own; what is bent is as it says."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from hedge.core.amounts import Side
from hedge.core.records import OrderStatus, Trade
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.peer import LighterPeer
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.streams.connection import LinkTimes
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.port import (
    Answer,
    MarginSeen,
    Market,
    OrderKind,
    OrderRequest,
    OrdersSeen,
    Path,
    SignedTx,
    TimeInForce,
    TradesSeen,
    TxStatus,
    VenueRefusedError,
    VenueUnavailableError,
)
from paper.apierror import ApiError
from paper.limits import RequestLimits
from paper.records import Tier
from paper.rest import PublicApi
from paper.rest_account import AccountApi
from paper.rest_public import PublicAccountApi
from paper.rest_trades import TradesApi
from tests.simulation import lies
from tests.simulation.exchange import BTC, ETH, KEY, START_MS, USD, A, B, SimExchange
from tests.simulation.history import Listed, Tape
from tests.simulation.host import Host, SimClock
from tests.simulation.loop import Process, VirtualLoop, run
from tests.simulation.peer import SimPeer
from tests.simulation.venue import SimVenue
from tests.simulation.venue_kinds import MAKER_ONLY, OUTDATED

POST_ONLY, IOC = TimeInForce.POST_ONLY, TimeInForce.IMMEDIATE_OR_CANCEL


class Scene:
    """Both accounts of one exchange, each seen from a process of its own."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.exchange = SimExchange(loop, Tier.INSTANT)
        self.host = Host("host", Random(1), 0)
        self.clock = SimClock(loop, self.host)
        self.budget = RequestBudget(self.clock, 100_000)
        self.process = Process("A")
        self.heard: list[Any] = []
        self.a, self.b = self.venue(A), self.venue(B)
        self.peer = SimPeer(
            self.exchange, self.host, self.process, self.clock, self.budget, A, Random(3)
        )
        self._serial = 0

    def venue(self, account: int, **kwargs: Any) -> SimVenue:
        return SimVenue(
            self.exchange,
            self.host,
            self.process,
            self.clock,
            self.budget,
            account,
            Random(2),
            **kwargs,
        )

    async def signed(
        self, venue: SimVenue, lots: int, price_ticks: int, tif: TimeInForce = POST_ONLY
    ) -> SignedTx:
        """Sign an order: positive lots buy."""
        self._serial += 1
        order = OrderRequest(
            self._serial,
            Side.of(lots),
            abs(lots),
            price_ticks,
            OrderKind.MARKET if tif is IOC else OrderKind.LIMIT,
            tif,
        )
        nonce = self.exchange.engine.next_nonce(venue.account_index, KEY)
        assert nonce is not None
        return await venue.sign_order(order, nonce)

    async def order(
        self, venue: SimVenue, lots: int, price_ticks: int, tif: TimeInForce = POST_ONLY
    ) -> Answer:
        """Send an order by HTTP and let it execute."""
        tx = await self.signed(venue, lots, price_ticks, tif)
        answer = await venue.send(tx, Path.HTTP, 5.0)
        await asyncio.sleep(0.5)
        return answer

    async def trade(self, fills: int, lots: int = 60) -> None:
        """Let A be filled so often, and B hedge each fill."""
        for _ in range(fills):
            assert (await self.order(self.a, lots, self.exchange.markets[0].bid)).accepted
            assert self.exchange.take(lots, A) == lots
            assert (await self.order(self.b, -lots, 1, IOC)).accepted

    def listen(self, venue: SimVenue) -> None:
        """Open an account's streams."""
        work = venue.run_streams(self.heard.append)
        self.loop.create_task(work, context=self.process.context)

    def trades_heard(self) -> list[Trade]:
        return [t for seen in self.heard if isinstance(seen, TradesSeen) for t in seen.trades]


def play(main: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    """Run one scene on a virtual clock."""
    run(lambda loop: main(Scene(loop)))


class PaperRest:
    """The product's REST client, answered by the paper exchange's own handlers."""

    def __init__(self, scene: Scene, account: int) -> None:
        engine = scene.exchange.engine
        access = SimpleNamespace(account=lambda request, params, name="account_index": account)
        exchange: Any = SimpleNamespace(engine=engine, now_ms=scene.exchange.epoch_ms)
        self.budget = scene.budget
        self._account = account
        self._public = PublicApi(exchange, SimpleNamespace())  # type: ignore[arg-type]
        self._accounts = PublicAccountApi(exchange)
        self._own = AccountApi(exchange, access)  # type: ignore[arg-type]
        self._trades = TradesApi(exchange, access)  # type: ignore[arg-type]

    async def _get(self, handler: Any, **params: object) -> Any:
        query = "&".join(f"{name}={value}" for name, value in params.items() if value is not None)
        try:
            response = await handler(make_mocked_request("GET", f"/?{query}"))
        except ApiError as error:
            raise VenueRefusedError(error.code, str(error)) from error
        return json.loads(response.body)

    async def next_nonce(self) -> Any:
        return await self._get(
            self._accounts.next_nonce, account_index=self._account, api_key_index=KEY
        )

    async def account(self, account_index: int) -> Any:
        return await self._get(self._accounts.account, by="index", value=account_index)

    async def recent_trades(self, market_index: int, limit: int) -> Any:
        return await self._get(self._public.recent_trades, market_id=market_index, limit=limit)

    async def transaction(self, tx_hash: str) -> Any:
        return await self._get(self._public.tx, by="hash", value=tx_hash)

    async def active_orders(self, market_index: int) -> Any:
        return await self._get(
            self._own.active_orders, account_index=self._account, market_id=market_index
        )

    async def inactive_orders(self, market_index: int, limit: int) -> Any:
        return await self._get(
            self._own.inactive_orders,
            account_index=self._account,
            market_id=market_index,
            limit=limit,
        )

    async def trades(self, market_index: int, limit: int, cursor: str | None) -> Any:
        return await self._get(
            self._trades.trades,
            sort_by="trade_id",
            sort_dir="desc",
            limit=limit,
            account_index=self._account,
            market_id=market_index,
            cursor=cursor,
        )


def lighter_venue(scene: Scene, account: int, market_id: int = 0) -> LighterVenue:
    """Return the product's own client on the paper exchange's answers."""
    spec = scene.a.spec if market_id == 0 else scene.venue(account, market_id=market_id).spec
    nothing: Any = SimpleNamespace(depth=None, is_refuted=None)
    rest: Any = PaperRest(scene, account)
    return LighterVenue(
        Market(spec), Credentials(account, KEY, ""), nothing, rest, nothing, clock=nothing
    )


def lighter_peer(scene: Scene, account: int) -> LighterPeer:
    rest: Any = PaperRest(scene, account)
    return LighterPeer(
        "ws://localhost",
        scene.a.spec,
        account,
        rest,
        scene.clock,
        times=LinkTimes(),
        delays=lambda: iter(()),
    )


async def same_answers(scene: Scene, ours: SimVenue, theirs: LighterVenue) -> None:
    """Compare every look-up of an account."""
    assert await ours.next_nonce() == await theirs.next_nonce()
    assert await ours.account() == await theirs.account()
    assert await ours.active_orders() == await theirs.active_orders()
    for limit in (1, 100):
        assert await ours.inactive_orders(limit) == await theirs.inactive_orders(limit)
    newest = await ours.trades(None)
    assert newest == await theirs.trades(None)
    ids = [trade.trade_id for trade in newest.trades] or [0]
    for newer_than in (0, ids[0] - 1, ids[0], ids[-1]):
        for pages in (1, 2, 5):
            expected = await theirs.trades(newer_than, pages)
            assert await ours.trades(newer_than, pages) == expected


@pytest.mark.parametrize("fills", [0, 1, 100, 130])
def test_honest_answers_are_what_the_product_reads_from_the_paper_exchange(fills: int) -> None:
    """Page limits, orders, cursors, margin: the product's client finds the same in both."""

    async def main(scene: Scene) -> None:
        await scene.trade(fills)
        await scene.order(scene.a, 70, scene.exchange.markets[0].bid - 50)
        for venue in (scene.a, scene.b):
            await same_answers(scene, venue, lighter_venue(scene, venue.account_index))
        theirs = lighter_peer(scene, A)
        assert await scene.peer.recent() == await theirs.recent()
        assert await scene.peer.position_lots() == await theirs.position_lots()
        assert len((await scene.a.trades(None)).trades) == min(fills, 100)

    play(main)


def test_the_second_market_is_apart() -> None:
    """Orders, trades and positions of one market are not in the other's answers."""

    async def main(scene: Scene) -> None:
        exchange = scene.exchange
        exchange.ladder(market_id=BTC.market_id)
        other = scene.venue(A, market_id=BTC.market_id)
        assert (await scene.order(other, 40, exchange.markets[BTC.market_id].bid)).accepted
        assert (await scene.order(other, 30, 2 * BTC.start_price_ticks, IOC)).accepted
        assert exchange.lots(A, BTC.market_id) == 30
        assert exchange.lots(A) == 0
        await same_answers(scene, other, lighter_venue(scene, A, BTC.market_id))
        assert await scene.a.active_orders() == ()
        assert (await scene.a.account()).position_lots == 0
        assert other.spec.symbol == "BTC"

    play(main)


def test_a_transaction_is_looked_up_as_the_paper_exchange_answers() -> None:
    """Unknown, pending, executed: by hash, and with a stale copy as of its moment."""

    async def main(scene: Scene) -> None:
        theirs = lighter_venue(scene, A)
        tx = await scene.signed(scene.a, 60, scene.exchange.markets[0].bid)
        assert await scene.a.tx_status(tx.tx_hash) is TxStatus.UNKNOWN
        assert await theirs.tx_status(tx.tx_hash) is TxStatus.UNKNOWN
        assert (await scene.a.send(tx, Path.HTTP, 5.0)).accepted
        assert await scene.a.tx_status(tx.tx_hash) is TxStatus.EXECUTED
        assert await theirs.tx_status(tx.tx_hash) is TxStatus.EXECUTED
        scene.host.venue.stale_read, scene.host.venue.stale_s = 1.0, 1000.0
        found = {await scene.a.tx_status(tx.tx_hash) for _ in range(20)}
        assert TxStatus.UNKNOWN in found

    play(main)


def test_in_a_busy_market_a_page_does_not_reach_back() -> None:
    """More than 100 ids lie between any two of ours; an account's own list has no gap."""

    async def main(scene: Scene) -> None:
        scene.exchange.strangers_per_s = 50
        await scene.trade(3)
        answer = await scene.peer.recent()
        own = (await scene.a.trades(None)).trades
        assert answer.legs == ()
        assert answer.highest_id - answer.lowest_id == 99
        assert own[-1].trade_id < answer.lowest_id
        ids = [trade.trade_id for trade in own]
        assert all(later - former > 100 for former, later in pairwise(ids))
        assert scene.exchange.tally.reached["busy market"] == 1
        again = await scene.peer.recent()
        assert again.lowest_id > answer.highest_id

    play(main)


def test_a_page_of_the_tape_is_its_newest_hundred_trades() -> None:
    """Strangers' runs and single trades count alike; what is listed late is left out."""
    tape = Tape()
    assert tape.page(0, 100) == (0, 0)
    tape.add(1, 1, 10)
    tape.add(2, 61, 20)
    assert tape.page(15, 100) == (1, 1)
    assert tape.page(20, 100) == (1, 61)
    tape.add(62, 62, 30, lag_ms=50)
    tape.add(63, 140, 40)
    assert tape.page(40, 100) == (40, 140)
    assert tape.page(80, 100) == (41, 140)


def test_facts_are_listed_late_and_out_of_order() -> None:
    """Each with a lag of its own; what is true and not listed is counted."""
    listed: Listed[str] = Listed()
    listed.add("a", 10, 100)
    listed.add("b", 20)
    listed.add("c", 30, 40)
    assert listed.at(9) == []
    assert listed.at(30) == ["b"]
    assert list(listed.newest(75)) == ["c", "b"]
    assert listed.at(200) == ["a", "b", "c"]
    assert listed.unlisted(30) == 2
    assert listed.unlisted(110) == 0


def test_rows_and_trades_of_one_account_are_listed_apart() -> None:
    """A row may be listed before its trade, and the other way round; both come in the end."""

    async def main(scene: Scene) -> None:
        lag = scene.exchange.lags["trade"]
        lag.chance, lag.most_s = 1.0, 10.0
        await scene.trade(1)
        assert [row.filled_lots for row in await scene.a.inactive_orders()] == [60]
        assert (await scene.a.trades(None)).trades == ()
        assert scene.exchange.tally.reached["trades listed late"] == 1
        await asyncio.sleep(11)
        assert len((await scene.a.trades(None)).trades) == 1

    play(main)


def test_a_stated_position_may_lag_and_is_never_a_mixture() -> None:
    """The account query shows positions that were held, in their order."""

    async def main(scene: Scene) -> None:
        lag = scene.exchange.lags["position"]
        lag.chance, lag.most_s = 0.7, 8.0
        shown = []
        for _ in range(12):
            await scene.trade(1)
            shown.append((await scene.a.account()).position_lots)
        await asyncio.sleep(9)
        shown.append((await scene.a.account()).position_lots)
        assert shown == sorted(shown)
        assert all(lots % 60 == 0 for lots in shown)
        assert shown[-1] == 720
        assert shown[:-1] != [60 * (number + 1) for number in range(12)]

    play(main)


def test_reads_meet_the_same_stuck_replica() -> None:
    """Two equal reads prove nothing: both are of one moment."""

    async def main(scene: Scene) -> None:
        await scene.trade(1)
        scene.host.venue.stick_read, scene.host.venue.stick_s = 1.0, 60.0
        before = (await scene.a.account()).position_lots
        await scene.trade(1)
        weather = scene.host.venue
        at_ms, until_ms = weather._stuck
        if START_MS + scene.loop.now_ms < until_ms:
            assert (await scene.a.account()).position_lots == before
            assert weather._stuck == (at_ms, until_ms)
        assert scene.exchange.tally.reached["replica stuck"] > 0

    play(main)


@pytest.mark.parametrize("field", sorted(lies.TRADE))
def test_a_frame_lies_in_one_field_of_one_trade_once(field: str) -> None:
    """The next frame is bent, the one after is not; the exchange's answers stay true."""

    async def main(scene: Scene) -> None:
        scene.listen(scene.a)
        await asyncio.sleep(1)
        scene.a.lies.append(lies.Lie("lie", ("trades",), 5, field))
        await scene.trade(2)
        true = list((await scene.a.trades(None)).trades)
        heard = scene.trades_heard()
        assert heard[-1] == true[-1]
        assert heard[:-1] != true[:1]
        assert scene.exchange.tally.reached["lie"] == 1
        assert all(trade.size_lots > 0 for trade in heard)

    play(main)


def test_a_lasting_lie_ends_with_its_socket() -> None:
    """Every frame is bent the same way until the socket is opened anew."""

    async def main(scene: Scene) -> None:
        scene.listen(scene.a)
        await asyncio.sleep(1)
        scene.a.lies.append(lies.Lie("lie", ("trades",), 5, "size", until_reconnect=True))
        await scene.trade(2)
        assert len({t.size_lots for t in scene.trades_heard()} - {60}) == 1
        assert scene.exchange.tally.reached["lie"] == 2
        scene.a.lose_stream("reset")
        await asyncio.sleep(1)
        await scene.trade(1)
        assert scene.trades_heard()[-1].size_lots == 60

    play(main)


def test_rows_lie_and_one_channel_stops_while_the_others_go_on() -> None:
    """Rows are bent or missing; trades of the same moment come."""

    async def main(scene: Scene) -> None:
        scene.listen(scene.a)
        await asyncio.sleep(1)
        scene.host.venue.lie_own_row = 1.0
        await scene.trade(1)
        told = [row for seen in scene.heard if isinstance(seen, OrdersSeen) for row in seen.rows]
        assert set(told) & set(await scene.a.inactive_orders()) == set()
        scene.host.venue.lie_own_row = 0.0
        scene.heard.clear()
        scene.a.stop_channel("rows", 30)
        await scene.trade(1)
        assert len(scene.trades_heard()) == 1
        assert not any(isinstance(seen, OrdersSeen) for seen in scene.heard)
        assert scene.exchange.tally.reached["channel stops"] > 0

    play(main)


def test_margin_is_the_engines_own() -> None:
    """An account that runs short is told so, refused, and closed by the venue below maintenance."""

    async def main(scene: Scene) -> None:
        exchange = scene.exchange
        scene.listen(scene.b)
        await asyncio.sleep(1)
        await scene.trade(1)
        exchange.leave_available(B, USD)
        await asyncio.sleep(1)
        told = [seen.available_micros for seen in scene.heard if isinstance(seen, MarginSeen)]
        assert told[-1] == USD == (await scene.b.account()).available_micros
        assert (await scene.order(scene.b, -100, 1, IOC)).accepted
        rows = await scene.b.inactive_orders()
        assert rows[0].status is OrderStatus.CANCELED_MARGIN
        assert exchange.liquidate(B)
        await asyncio.sleep(1)
        assert exchange.lots(B) == 0
        assert scene.trades_heard()[-1].is_forced

    play(main)


def test_requests_are_counted_as_the_paper_exchange_counts_them() -> None:
    """The 61st request of a minute is refused, a transaction as the product's client sees it."""

    async def main(scene: Scene) -> None:
        scene.exchange.front.limits = RequestLimits()
        for _ in range(60):
            await scene.a.next_nonce()
        with pytest.raises(VenueUnavailableError, match="HTTP 429"):
            await scene.a.next_nonce()
        assert scene.budget.is_silenced
        assert await scene.b.next_nonce() == 0
        tx = await scene.signed(scene.a, 60, scene.exchange.markets[0].bid)
        with pytest.raises(VenueUnavailableError, match="23000"):
            await scene.a.send(tx, Path.HTTP, 5.0)

    play(main)


def test_a_spent_quota_leaves_one_transaction_in_15_seconds() -> None:
    """An order spends, a single cancel does not, traded volume earns; a refusal uses no nonce.

    It is a definite word, as `LighterVenue.send` takes it, and what is left is told.
    """

    async def main(scene: Scene) -> None:
        front, bid = scene.exchange.front, scene.exchange.markets[0].bid
        front.quota[A] = 1
        assert (await scene.order(scene.a, 60, bid - 10)).accepted
        assert (await scene.order(scene.a, 60, bid)).accepted
        for _ in range(2):
            refused = await scene.order(scene.a, 60, bid)
            assert (refused.code, "quota" in refused.message) == (23000, True)
            assert scene.a.quota_left == 0
        index = scene.exchange.engine.active_orders(A)[0].order_index
        nonce = await scene.a.next_nonce()
        assert nonce == 2
        cancel = await scene.a.sign_cancel(index, nonce)
        assert (await scene.a.send(cancel, Path.HTTP, 5.0)).accepted
        await asyncio.sleep(1)
        assert scene.exchange.take(60, A) == 60
        assert front.quota[A] == 2  # 17.99 USD
        assert (await scene.order(scene.a, 60, bid)).accepted

    play(main)


def test_a_key_that_may_only_post_and_an_account_at_1x() -> None:
    """62007 for all but post-only orders and cancels, 21136 for everything; heal ends both."""

    async def main(scene: Scene) -> None:
        exchange, bid = scene.exchange, scene.exchange.markets[0].bid
        exchange.front.key_rules[A, KEY] = MAKER_ONLY
        assert (await scene.order(scene.a, 60, bid - 10)).accepted
        assert (await scene.order(scene.a, 60, bid, IOC)).code == 62007
        exchange.front.key_rules[A, KEY] = OUTDATED
        assert (await scene.order(scene.a, 60, bid)).code == 21136
        assert A in exchange.front.key_told_s
        before = exchange.room_lots(A)
        exchange.lever(A, 10_000)
        assert exchange.room_lots(A) < before // 10
        assert (await scene.a.account()).margin_fraction == 10_000
        exchange.isolated.add(A)
        assert (await scene.a.account()).is_isolated
        exchange.heal()
        assert exchange.room_lots(A) == before
        assert not (await scene.a.account()).is_isolated
        assert (await scene.order(scene.a, 60, bid - 10)).accepted

    play(main)


def test_rules_of_the_market_bind_at_once_and_at_the_next_start() -> None:
    """Minimums, limit of an order, reduce-only, inactive, decimals; all heal but the limit."""

    async def main(scene: Scene) -> None:
        exchange, bid = scene.exchange, scene.exchange.markets[0].bid
        await scene.trade(1)
        small = list[tuple[int, int]]()
        exchange.on_small = lambda *told: small.append(told)
        exchange.change_rules(min_base_lots=200, order_quote_limit_micros=90 * USD)
        assert (await scene.order(scene.a, 100, bid)).code == 21706
        assert (await scene.order(scene.a, 400, bid)).code == 21706
        assert small == [(A, 100)]  # the other one is worth too much
        assert (scene.a.spec.min_base_lots, scene.venue(A).spec.min_base_lots) == (50, 200)
        exchange.heal()
        assert exchange.config(ETH.market_id) == replace(ETH, order_quote_limit_micros=90 * USD)
        exchange.engine.set_force_reduce_only(ETH.market_id, on=True)
        await scene.order(scene.b, -60, 1, IOC)
        assert (await scene.b.inactive_orders())[0].status is OrderStatus.CANCELED_POSITION
        exchange.front.is_inactive = True
        assert (await scene.order(scene.b, 60, 10**6, IOC)).code == 21605
        assert scene.venue(A).market_now.status == "inactive"
        exchange.heal()
        assert scene.b.market_now.status == "active"
        exchange.front.size_factor, exchange.front.size_changed_s = 10, scene.loop.time()
        await scene.order(scene.b, 7, 10**6, IOC)
        assert exchange.lots(B) == 10

    play(main)


def test_a_price_that_moves_goes_through_what_rests() -> None:
    """An order is filled at its own price before the market is seen elsewhere."""

    async def main(scene: Scene) -> None:
        exchange = scene.exchange
        bid = exchange.markets[0].bid
        scene.listen(scene.a)
        await asyncio.sleep(1)
        await scene.order(scene.a, 80, bid)
        exchange.move(ETH.start_price_ticks // 2)
        await asyncio.sleep(1)
        assert exchange.lots(A) == 80
        assert scene.trades_heard()[-1].price_ticks == bid
        assert scene.a.depth().bids[0].price_ticks == ETH.start_price_ticks // 2 - 100
        assert scene.a.depth().mark_ticks == ETH.start_price_ticks // 2

    play(main)


def test_another_client_uses_the_account_and_the_key() -> None:
    """With a key of its own it trades; with the pair's key it spends the next nonce."""

    async def main(scene: Scene) -> None:
        exchange = scene.exchange
        exchange.foreign[77] = "by hand"
        scene.listen(scene.b)
        await asyncio.sleep(1)
        exchange.meddle(B, -40, client_id=77)
        await asyncio.sleep(1)
        assert exchange.lots(B) == -40
        assert exchange.tally.reached["by hand"] == 1
        exchange.spend_nonce(B, client_id=78)
        await asyncio.sleep(1)
        assert await scene.b.next_nonce() == 1
        assert exchange.lots(B) == -40

    play(main)
