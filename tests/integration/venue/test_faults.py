"""The venue through a proxy that cuts, withholds and refuses."""

from dataclasses import replace

import pytest

from hedge.core.amounts import Side
from hedge.core.records import Depth
from hedge.exchange.lighter.signer import Credentials
from hedge.exchange.port import (
    MarketDown,
    MarketUp,
    Path,
    StreamDown,
    StreamUp,
    VenueUnavailableError,
)
from hedge.exchange.sender import Accepted, Unknown
from tests.integration.venue.rig import (
    FAST,
    market_order,
    new_account,
    running,
    settings_of,
)
from tests.integration.venue.scripted import scripted
from tests.waiting import eventually
from tests.world.paper import PaperProcess, new_account_number, new_key
from tests.world.proxy import TcpProxy

pytestmark = pytest.mark.integration

CAP = 400_000
MARK = 300_000


async def test_a_cut_socket_goes_down_and_up_and_missed_trades_are_read(
    paper: PaperProcess,
) -> None:
    """After a cut the streams say down, then up, and what happened meanwhile comes by REST only."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        async with running(settings_of(paper, ws_port=proxy.port), credentials) as rig:
            await rig.up()
            assert rig.venue.depth().bids
            proxy.refuse(True)
            proxy.cut()
            await rig.down()
            assert rig.venue.depth() == Depth(mark_ticks=MARK)
            assert isinstance(
                await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0), Accepted
            )
            proxy.refuse(False)
            await rig.up(2)
            assert rig.trades == []
            (missed,) = (await rig.venue.trades(0)).trades
            assert missed.size_lots == 100
            kinds = [type(event) for event in rig.events]
            assert [kind for kind in kinds if kind in (StreamUp, StreamDown)] == [
                StreamUp,
                StreamDown,
                StreamUp,
            ]
            await rig.sender.order(market_order(1, Side.SELL, 100, 1), 1)
            await eventually(lambda: len(rig.trades) == 1)


async def test_a_lost_stream_answer_is_repeated_over_http(paper: PaperProcess) -> None:
    """The reply over the stream is swallowed: the same bytes go over HTTP and nothing doubles."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        times = replace(FAST, silence_s=30.0)
        async with running(settings_of(paper, ws_port=proxy.port, times=times), credentials) as rig:
            await rig.up()
            proxy.drop_replies(True)
            outcome = await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0)
            assert isinstance(outcome, Unknown)
            assert (outcome.copies, outcome.code) == (2, 21104)
            fenced = await rig.sender.fence()
            filled = [row for row in fenced.rows if row.filled_lots]
            assert [row.filled_lots for row in filled] == [100]
            assert (await rig.venue.account()).position_lots == 100


async def test_a_request_that_never_arrived_executes_once_by_its_second_copy(
    paper: PaperProcess,
) -> None:
    """The stream swallows the request: the HTTP copy is the one that executes."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        times = replace(FAST, silence_s=30.0)
        async with running(settings_of(paper, ws_port=proxy.port, times=times), credentials) as rig:
            await rig.up()
            proxy.drop_requests(True)
            outcome = await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0)
            assert isinstance(outcome, Accepted)
            assert outcome.copies == 2
            await eventually(lambda: rig.trades or rig.of(StreamDown))
            assert (await rig.venue.account()).position_lots == 100


async def test_a_socket_that_leaves_a_transaction_unanswered_is_opened_anew(
    paper: PaperProcess,
) -> None:
    """Its pongs come, so it seems to live; the next copies go by HTTP, for a while all of them."""
    async with scripted() as exchange:
        exchange.replies["sendTx"] = (200, '{"code":200,"tx_hash":"00"}', "application/json")
        credentials = Credentials(new_account_number(), 5, new_key()[0])
        async with running(exchange.settings, credentials) as rig:
            await rig.up()
            outcome = await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0)
            assert isinstance(outcome, Accepted)
            assert outcome.copies == 2
            await rig.up(2)
            assert "without an answer" in rig.of(StreamDown)[0].reason
            outcome = await rig.sender.order(market_order(1, Side.BUY, 100, CAP), 1)
            assert isinstance(outcome, Accepted)
            assert outcome.copies == 1
            assert len(exchange.heard_of("jsonapi/sendtx")) == 1


async def test_a_public_socket_that_is_cut_says_nothing_of_our_account(paper: PaperProcess) -> None:
    """The market's streams stand alone: our own go on, and a cap is made from the last book."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        async with running(settings_of(paper, ws_port=proxy.port), credentials) as rig:
            await rig.up()
            assert rig.venue.recent_depth().bids
            rig.venue._feed._public.drop("cut")
            proxy.refuse(True)
            await eventually(lambda: rig.of(MarketDown))
            assert rig.venue.depth() == Depth(mark_ticks=MARK)
            assert rig.venue.recent_depth().bids
            await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0)
            await eventually(lambda: rig.trades)
            proxy.refuse(False)
            await eventually(lambda: len(rig.of(MarketUp)) == 2)
            assert rig.venue.depth().bids
            assert rig.of(StreamDown) == []


async def test_without_its_stream_the_book_is_read(paper: PaperProcess) -> None:
    """REST gives the same levels: what a cap is made from while no public socket is open."""
    async with running(settings_of(paper), await new_account(paper)) as rig:
        await rig.up()
        book, live = await rig.venue._read_book(), rig.venue.depth()
        assert (book.bids[: len(live.bids)], book.asks[: len(live.asks)]) == (live.bids, live.asks)


async def test_a_cut_wakes_who_waits_for_an_answer(paper: PaperProcess) -> None:
    """A socket that dies with a transaction open does not wait for the deadline."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        async with running(settings_of(paper, ws_port=proxy.port), credentials) as rig:
            await rig.up()
            proxy.drop_replies(True)
            tx = await rig.venue.sign_order(market_order(0, Side.BUY, 100, CAP), 0)
            with pytest.raises(VenueUnavailableError, match=r"silent|Closed"):
                await rig.venue.send(tx, Path.STREAM, 60.0)
            await rig.down()


async def test_a_silent_server_is_left(paper: PaperProcess) -> None:
    """A socket without any frame for the silence bound is cut, also while pings go out."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        async with running(settings_of(paper, ws_port=proxy.port), credentials) as rig:
            await rig.up()
            before = proxy.connections
            proxy.drop_replies(True)
            await rig.down()
            assert "silent" in rig.of(StreamDown)[0].reason
            proxy.drop_replies(False)
            await rig.up(2)
            assert proxy.connections > before


async def test_a_dead_http_path_is_unavailable(paper: PaperProcess) -> None:
    """Time-outs and resets of REST calls are no answer, and the next call works again."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        settings = replace(settings_of(paper, http_port=proxy.port), request_timeout_s=0.3)
        async with running(settings, credentials) as rig:
            await rig.up()
            proxy.drop_replies(True)
            with pytest.raises(VenueUnavailableError, match="within"):
                await rig.venue.account()
            proxy.drop_replies(False)
            proxy.refuse(True)
            proxy.cut()
            with pytest.raises(VenueUnavailableError):
                await rig.venue.account()
            with pytest.raises(VenueUnavailableError):
                await rig.venue.inactive_orders()
            proxy.refuse(False)
            assert (await rig.venue.account()).position_lots == 0


async def test_tokens_rotate_by_a_new_socket(paper: PaperProcess) -> None:
    """Before its token ends the private socket's successor is open: nothing is missed between."""
    async with TcpProxy("127.0.0.1", paper.port) as proxy:
        credentials = await new_account(paper)
        settings = settings_of(paper, ws_port=proxy.port, token_life_s=4)
        async with running(settings, credentials) as rig:
            await rig.up()
            await eventually(lambda: proxy.connections >= 3, timeout_s=15)
            await rig.venue.active_orders()
            await rig.sender.order(market_order(0, Side.BUY, 100, CAP), 0)
            await eventually(lambda: rig.trades)
            assert rig.of(StreamDown) == []
            assert len(rig.of(StreamUp)) == 1


async def test_the_exchange_restarts(paper: PaperProcess) -> None:
    """The exchange goes away and comes back on the same port: streams go down and up."""
    with PaperProcess() as other:
        credentials = await new_account(other)
        async with running(settings_of(other), credentials) as rig:
            await rig.up()
            other.kill()
            await rig.down()
            with pytest.raises(VenueUnavailableError):
                await rig.venue.next_nonce()
            other.start()
            await eventually(lambda: rig.venue.depth().bids, what="the public book is back")


async def test_a_fence_waits_for_an_order_that_is_still_queued() -> None:
    """With the venue's real delays a fence right after a 200 lists the order as it ended."""
    with PaperProcess(tier="standard") as slow:
        credentials = await new_account(slow)
        async with running(settings_of(slow), credentials) as rig:
            await rig.up()
            order = market_order(0, Side.BUY, 100, CAP)
            assert isinstance(await rig.sender.order(order, 0), Accepted)
            fenced = await rig.sender.fence()
            assert fenced.next_nonce == 2
            ended = {row.client_order_index: row.filled_lots for row in fenced.rows}
            assert ended[order.client_order_index] == 100
            assert rig.trades[0].size_lots == 100
