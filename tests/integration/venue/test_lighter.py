"""The venue against the paper exchange: opening, orders, fence, look-ups, book."""

import asyncio
from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.ids import is_marker, order_id
from hedge.core.records import OrderStatus
from hedge.core.refusal import Refusal
from hedge.daemon.clock import SystemClock
from hedge.errors import AccountKeyError, ConfigError, ExchangeUnreachableError
from hedge.exchange.budget import RequestBudget
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.lighter.venue import LighterVenue
from hedge.exchange.port import (
    KeyRefusedError,
    MarginSeen,
    NotSentError,
    Path,
    PriceChange,
    TxSeen,
    TxStatus,
    VenueRefusedError,
    VenueUnavailableError,
)
from hedge.exchange.sender import Accepted, Rejected, Unknown
from tests.integration.venue.rig import (
    KEY_INDEX,
    market_order,
    new_account,
    post_only,
    running,
    settings_of,
)
from tests.waiting import eventually
from tests.world.paper import PaperProcess, new_key

pytestmark = pytest.mark.integration

NOBODY = Credentials(4242, KEY_INDEX, "ab" * 40)


def _budget() -> RequestBudget:
    return RequestBudget(SystemClock(), 1000)


@pytest.mark.parametrize("market", ["ETH", "eth", "0"])
async def test_a_market_is_found_by_symbol_in_any_case_or_by_index(
    paper: PaperProcess, market: str
) -> None:
    """The market's limits come from the exchange."""
    settings = settings_of(paper, market=market)
    async with LighterVenue.open(settings, NOBODY, clock=SystemClock(), budget=_budget()) as venue:
        assert (venue.spec.symbol, venue.spec.market_index) == ("ETH", 0)
        assert (venue.spec.size_decimals, venue.spec.price_decimals) == (4, 2)
        assert venue.spec.min_base_lots > 0
        assert venue.chain_id == 304


async def test_an_unknown_market_is_a_config_error_that_lists_the_others(
    paper: PaperProcess,
) -> None:
    """A symbol that the exchange does not have ends the start with the known ones."""
    settings = settings_of(paper, market="DOGGO")
    with pytest.raises(ConfigError, match=r"DOGGO.*ETH") as caught:
        async with LighterVenue.open(settings, NOBODY, clock=SystemClock(), budget=_budget()):
            pass
    assert caught.value.key == "market"


async def test_an_unreachable_exchange_is_told_apart(paper: PaperProcess) -> None:
    """Nothing listens there: the exchange is unreachable, the configuration may be right."""
    settings = settings_of(paper, http_port=1)
    with pytest.raises(ExchangeUnreachableError):
        async with LighterVenue.open(settings, NOBODY, clock=SystemClock(), budget=_budget()):
            pass


async def test_a_private_key_that_is_none_is_a_key_error(paper: PaperProcess) -> None:
    """Text that is not a key does not get as far as the network, and is not shown."""
    with pytest.raises(AccountKeyError) as caught:
        async with LighterVenue.open(
            settings_of(paper),
            Credentials(4242, KEY_INDEX, "secret"),
            clock=SystemClock(),
            budget=_budget(),
        ):
            pass
    assert "secret" not in str(caught.value)


async def test_check_key(paper: PaperProcess) -> None:
    """The registered key passes, another one and an unregistered index are refused."""
    mine = await new_account(paper)
    other = Credentials(mine.account_index, KEY_INDEX, new_key()[0])
    missing = Credentials(mine.account_index, KEY_INDEX + 1, mine.private_key)
    settings = settings_of(paper)
    async with LighterVenue.open(settings, mine, clock=SystemClock(), budget=_budget()) as venue:
        await venue.check_key()
    for wrong in (other, missing):
        async with LighterVenue.open(
            settings, wrong, clock=SystemClock(), budget=_budget()
        ) as venue:
            with pytest.raises(KeyRefusedError):
                await venue.check_key()


@pytest.mark.parametrize("path", list(Path))
async def test_a_market_order_on_either_path(paper: PaperProcess, path: Path) -> None:
    """An order sent on this path is accepted, and stream and REST tell the same trade."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        nonce = await rig.venue.next_nonce()
        cap = rig.venue.depth().asks[0].price_ticks + 1000
        tx = await rig.venue.sign_order(market_order(nonce, Side.BUY, 100, cap), nonce)
        answer = await rig.venue.send(tx, path, 2.0)
        assert answer.accepted
        assert answer.tx_hash == tx.tx_hash
        await eventually(lambda: rig.trades)
        (trade,) = rig.trades
        assert (trade.side, trade.size_lots, trade.position_before_lots) == (Side.BUY, 100, 0)
        assert trade.client_order_index == order_id("abc123", nonce)
        await eventually(lambda: any(row.is_terminal for row in rig.rows))
        assert rig.rows[-1].filled_lots == 100
        pages = await rig.venue.trades(0)
        assert pages.complete
        assert pages.trades == (trade,)
        assert (await rig.venue.account()).position_lots == 100
        assert rig.rows[-1] in await rig.venue.inactive_orders()
        await eventually(
            lambda: TxSeen(tx.tx_hash, TxStatus.EXECUTED, "") in rig.of(TxSeen), what="TxSeen"
        )
        assert await rig.venue.tx_status(tx.tx_hash) is TxStatus.EXECUTED
        assert rig.of(MarginSeen)


async def test_a_resting_order_is_listed_and_cancelled(paper: PaperProcess) -> None:
    """A post-only order rests until its cancel, and a cancel-all clears what else rests."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        price = rig.venue.depth().bids[0].price_ticks - 100
        assert isinstance(await rig.sender.order(post_only(0, Side.BUY, 100, price), 0), Accepted)
        assert isinstance(await rig.sender.order(post_only(1, Side.BUY, 100, price), 1), Accepted)
        await eventually(lambda: len(rig.rows) == 2)
        resting = await rig.venue.active_orders()
        assert {row.status for row in resting} == {OrderStatus.OPEN}
        cancelled = await rig.sender.cancel(rig.rows[0].order_index, 2)
        assert isinstance(cancelled, Accepted)
        await eventually(lambda: any(row.is_terminal for row in rig.rows))
        assert len(await rig.venue.active_orders()) == 1
        assert isinstance(await rig.sender.cancel_all(3), Accepted)
        await eventually(lambda: sum(row.is_terminal for row in rig.rows) == 2)
        assert await rig.venue.active_orders() == ()


async def test_refusals_keep_the_venues_code(paper: PaperProcess) -> None:
    """Invalid nonce is unknown, an unsignable order and a refused one are rejected."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        price = rig.venue.depth().bids[0].price_ticks
        spent = await rig.sender.order(market_order(9, Side.SELL, 10, price), 9)
        assert isinstance(spent, Unknown)
        assert spent.code == 21104
        unsigned = await rig.sender.order(market_order(0, Side.SELL, 0, price), 0)
        assert isinstance(unsigned, Rejected)
        small = await rig.sender.order(post_only(0, Side.BUY, 1, price - 1000), 0)
        assert isinstance(small, Rejected)
        assert small.code == 21706
        assert await rig.venue.next_nonce() == 0


async def test_the_stream_must_be_open_to_send_over_it(paper: PaperProcess) -> None:
    """Without a socket nothing is sent, and the HTTP copy is the sole one."""
    credentials = await new_account(paper)
    async with LighterVenue.open(
        settings_of(paper), credentials, clock=SystemClock(), budget=_budget()
    ) as venue:
        tx = await venue.sign_order(market_order(0, Side.BUY, 10, 400_000), 0)
        with pytest.raises(NotSentError):
            await venue.send(tx, Path.STREAM, 1.0)
        assert (await venue.send(tx, Path.HTTP, 1.0)).accepted


@pytest.mark.parametrize("cancel_all_first", [False, True])
async def test_a_fence(paper: PaperProcess, cancel_all_first: bool) -> None:
    """A fence lists its marker, and a maker's fence leaves nothing resting."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials, cancel_all_first=cancel_all_first) as rig:
        await rig.up()
        first = await rig.sender.fence()
        assert first.marker is not None
        assert is_marker(first.marker.client_order_index)
        assert first.marker.filled_lots == 0
        price = rig.venue.depth().bids[0].price_ticks - 100
        nonce = first.next_nonce
        await rig.sender.order(post_only(nonce, Side.BUY, 100, price), nonce)
        second = await rig.sender.fence()
        assert second.next_nonce == nonce + (3 if cancel_all_first else 2)
        assert first.marker in second.rows
        assert len(await rig.venue.active_orders()) == (0 if cancel_all_first else 1)
        assert await rig.venue.next_nonce() == second.next_nonce


async def test_a_fence_with_a_key_that_was_deleted(paper: PaperProcess) -> None:
    """A key that the exchange no longer knows ends the fence."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials) as rig:
        await rig.up()
        await paper.delete_key(credentials.account_index, KEY_INDEX)
        with pytest.raises(KeyRefusedError):
            await rig.sender.fence()


async def test_trades_are_read_back_to_the_floor(paper: PaperProcess) -> None:
    """Catch-up returns what is newer than the floor, oldest first, over several pages."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        price = rig.venue.depth().asks[0].price_ticks + 2000
        for nonce in range(5):
            side = Side.SELL if nonce % 2 else Side.BUY
            cap = price if side is Side.BUY else 1
            assert isinstance(
                await rig.sender.order(market_order(nonce, side, 10, cap), nonce), Accepted
            )
        await eventually(lambda: len(rig.trades) == 5)
        ids = [trade.trade_id for trade in rig.trades]
        assert [trade.trade_id for trade in (await rig.venue.trades(0)).trades] == ids
        newer = await rig.venue.trades(ids[2])
        assert newer.complete
        assert [trade.trade_id for trade in newer.trades] == ids[3:]
        assert (await rig.venue.trades(None)).trades == tuple(rig.trades)
        assert (await rig.venue.trades(ids[-1])).trades == ()


async def test_the_mirror_equals_the_rest_book(paper: PaperProcess) -> None:
    """The mirrored book is the book, before and after it changes."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()

        async def rest_levels() -> list[tuple[int, int]]:
            body = await paper.call("GET", "/api/v1/orderBookOrders", market_id=0, limit=100)
            spec = rig.venue.spec
            sums: dict[int, int] = {}
            for row in body["bids"]:
                price = spec.ticks(row["price"])
                sums[price] = sums.get(price, 0) + spec.lots(row["remaining_base_amount"])
            return sorted(sums.items(), reverse=True)[:20]

        async def same() -> bool:
            bids = [(level.price_ticks, level.size_lots) for level in rig.venue.depth().bids]
            return bool(bids) and bids == await rest_levels()

        await eventually(same, what="mirror equals book")
        price = rig.venue.depth().bids[0].price_ticks + 3
        await rig.sender.order(post_only(0, Side.BUY, 100, price), 0)
        await eventually(lambda: rig.venue.depth().bids[0].price_ticks == price)
        assert await same()
        await paper.take(0, "sell", "0.0150")
        await eventually(lambda: rig.venue.depth().bids[0].price_ticks < price)
        await eventually(same, what="mirror equals book")
        assert rig.trades[0].is_maker


async def test_an_account_that_does_not_exist(paper: PaperProcess) -> None:
    """Look-ups of an unknown account are refused or unreadable, never empty or flat."""
    async with LighterVenue.open(
        settings_of(paper), NOBODY, clock=SystemClock(), budget=_budget()
    ) as venue:
        with pytest.raises((VenueRefusedError, VenueUnavailableError)):
            await venue.account()
        with pytest.raises((VenueRefusedError, VenueUnavailableError)):
            await venue.active_orders()


@pytest.mark.parametrize("path", Path)
async def test_a_used_up_quota_is_a_definite_refusal(paper: PaperProcess, path: Path) -> None:
    """One copy goes, nothing is silenced, the nonce is free, and what is left is known."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials) as rig:
        await rig.up()
        await paper.quota(credentials.account_index, 0)
        nonce = await rig.venue.next_nonce()
        free = post_only(nonce, Side.BUY, 100, 290_000)
        assert isinstance(await rig.sender.order(free, nonce), Accepted)
        assert rig.venue.quota_left == 0
        if path is Path.HTTP:
            rig.venue._feed._distrusted_until_ms = rig.venue._clock.now_ms() + 60_000
        refused = await rig.sender.order(post_only(nonce + 1, Side.BUY, 100, 290_000), nonce + 1)
        assert isinstance(refused, Rejected)
        assert "volume quota" in refused.message
        assert not rig.budget.is_silenced
        assert await rig.venue.next_nonce() == nonce + 1


async def test_a_fence_with_one_free_transaction_in_15_s(paper: PaperProcess) -> None:
    """A's fence passes though its quota is used up (a cancel-all and a marker never would)."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials, cancel_all_first=True) as rig:
        await rig.up()
        await paper.quota(credentials.account_index, 0)
        rig.sender._fence._times = replace(rig.sender._fence._times, view_lag_s=0.1)
        async with asyncio.timeout(10.0):
            fenced = await rig.sender.fence()
        assert fenced.marker is None
        assert fenced.next_nonce == await rig.venue.next_nonce()


async def test_the_leverage_that_a_person_has_set(paper: PaperProcess) -> None:
    """Our own row states it, also while it is flat."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials) as rig:
        async with paper.signer(credentials.account_index, 9) as client:
            await client.update_leverage(0, client.CROSS_MARGIN_MODE, 1)
        view = await rig.venue.account()
    assert (view.margin_fraction, view.is_isolated) == (10_000, False)
    assert rig.venue.last_account == view


async def test_what_is_refused_as_too_far_ahead_is_known_for_a_minute() -> None:
    """Our host is 15 minutes ahead: the exchange dates its answers, and says so of what we sign."""
    with PaperProcess(extra=("--clock-ahead-s", "-900")) as own:
        async with running(settings_of(own), await new_account(own)) as rig:
            assert abs((rig.venue.clock_ahead_ms or 0) + 900_000) < 2_000
            await rig.up()
            nonce = await rig.venue.next_nonce()
            order = post_only(nonce, Side.BUY, 100, 290_000)
            assert isinstance(await rig.sender.order(order, nonce), Accepted)
            assert not rig.venue.signs_too_early
            far = "invalid tx info: expired at is too far in the future"
            await own.fault("tx_refused", code=21501, message=far)
            late = await rig.sender.order(post_only(nonce + 1, Side.BUY, 100, 290_000), nonce + 1)
            assert isinstance(late, Rejected)
            assert rig.venue.signs_too_early


async def test_the_exchange_s_clock_is_known_and_followed() -> None:
    """Its answers are dated: before the first signature we know how far our clock is behind."""
    with PaperProcess() as own:
        await own.move_clock(480_000)
        async with running(settings_of(own), await new_account(own)) as rig:
            ahead_ms = rig.venue.clock_ahead_ms
            assert ahead_ms is not None
            assert abs(ahead_ms - 480_000) < 2_000
            await rig.up()
            nonce = await rig.venue.next_nonce()
            order = post_only(nonce, Side.BUY, 100, 290_000)
            assert isinstance(await rig.sender.order(order, nonce), Accepted)
            await own.move_clock(420_000)
            late = await rig.sender.order(post_only(nonce + 1, Side.BUY, 100, 290_000), nonce + 1)
            assert isinstance(late, Rejected)

            def known() -> bool:
                found = rig.venue.clock_ahead_ms
                return found is not None and abs(found - 900_000) < 2_000

            await eventually(known, 10.0, "the jump")


async def test_the_tier_is_asked_for_again_and_again(
    paper: PaperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange's word, whenever it changes; where there is none, why, and it goes on."""
    monkeypatch.setattr("hedge.exchange.lighter.venue.TIER_EVERY_S", 0.05)
    monkeypatch.setattr("hedge.exchange.lighter.venue.TIER_AGAIN_S", 0.05)
    credentials = await new_account(paper)
    heard, missed = list[str](), list[Exception]()
    async with running(settings_of(paper), credentials) as rig:
        await rig.venue.ask_tier()  # nobody follows it
        rig.venue.follow_tier(heard.append, missed.append)
        await rig.venue.ask_tier()
        assert heard.pop() == "instant"
    async with LighterVenue.open(
        settings_of(paper), credentials, clock=SystemClock(), budget=_budget()
    ) as venue:
        venue.follow_tier(heard.append, missed.append)
        streams = asyncio.create_task(venue.run_streams(lambda _event: None))
        await paper.set_tier(credentials.account_index, "plus")
        await eventually(lambda: "plus" in heard)
        await paper.delete_key(credentials.account_index, KEY_INDEX)
        await eventually(lambda: bool(missed))
        streams.cancel()
        await asyncio.wait({streams})


async def test_a_change_of_price_keeps_the_order(paper: PaperProcess) -> None:
    """Its id, size, end and what is filled stay: no more than the whole size can ever fill."""
    credentials = await new_account(paper)
    async with running(settings_of(paper), credentials) as rig:
        await rig.up()
        price = rig.venue.depth().bids[0].price_ticks
        await rig.sender.order(post_only(0, Side.BUY, 200, price + 1), 0)
        (before,) = await rig.venue.active_orders()
        await paper.take(0, "sell", "0.0080", rig.account)
        change = PriceChange(before.order_index, 200, price + 2)
        assert isinstance(await rig.sender.change(change, 1), Accepted)
        (after,) = await rig.venue.active_orders()
        assert (after.order_index, after.client_order_index, after.side) == (
            before.order_index,
            before.client_order_index,
            before.side,
        )
        assert (after.initial_lots, after.filled_lots, after.price_ticks) == (200, 80, price + 2)
        await paper.take(0, "sell", "0.0120", rig.account)
        assert await rig.venue.active_orders() == ()
        gone = await rig.sender.change(change, 2)
        assert isinstance(gone, Rejected)
        assert refusal_of(gone.code) is Refusal.GONE


@pytest.mark.parametrize("how", ["null", "absent"])
async def test_missing_lists_of_an_account_that_never_traded_are_empty(
    paper: PaperProcess, how: str
) -> None:
    """The account states no position and no resting order, and no row of it is filled."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        await rig.sender.fence()
        fault = await paper.fault("list_missing", how=how, account_index=rig.account)
        try:
            assert await rig.venue.active_orders() == ()
            assert await rig.venue.orders_elsewhere() == ()
            for newer_than in (None, 0):
                pages = await rig.venue.trades(newer_than)
                assert (pages.trades, pages.complete) == ((), True)
            with pytest.raises(VenueUnavailableError, match="trade 7 is known"):
                await rig.venue.trades(7)
        finally:
            await paper.clear(fault)


@pytest.mark.parametrize("how", ["null", "absent"])
async def test_missing_lists_of_an_account_that_trades_are_no_answer(
    paper: PaperProcess, how: str
) -> None:
    """A position, a filled row or a resting order contradicts the list that is not there."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        trading = {"how": how, "full": True, "account_index": rig.account}
        for side, why in (
            (Side.BUY, "the account has a position"),
            (Side.SELL, "an order that has ended is filled"),
        ):
            nonce = await rig.venue.next_nonce()
            cap = rig.venue.depth().asks[0].price_ticks + (1000 if side is Side.BUY else -2000)
            outcome = await rig.sender.order(market_order(nonce, side, 100, cap), nonce)
            assert isinstance(outcome, Accepted)
            await eventually(lambda count=1 + (side is Side.SELL): len(rig.trades) == count)
            fault = await paper.fault("list_missing", path="trades", **trading)
            with pytest.raises(VenueUnavailableError, match=why):
                await rig.venue.trades(None)
            await paper.clear(fault)
