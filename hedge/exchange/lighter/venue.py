"""The Lighter exchange as a Venue: one account, one API key, one market."""

import asyncio
import contextlib
import difflib
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hedge.core.amounts import MarketSpec
from hedge.core.records import Depth, OrderRow, Trade
from hedge.core.refusal import Refusal
from hedge.core.transitions import ACTIVE, CLOCK_APART_MS
from hedge.errors import ConfigError, ExchangeUnreachableError
from hedge.exchange.budget import RequestBudget
from hedge.exchange.error_codes import refusal_of
from hedge.exchange.lighter import parse
from hedge.exchange.lighter.parse import VenueParseError
from hedge.exchange.lighter.peer import LighterPeer
from hedge.exchange.lighter.recent_book import RecentBook
from hedge.exchange.lighter.rest import RestClient
from hedge.exchange.lighter.session import open_session
from hedge.exchange.lighter.signer import TOKEN_LIFE_S, Credentials, Signer, open_signer
from hedge.exchange.lighter.streams.connection import Delays, LinkTimes, backoff
from hedge.exchange.lighter.streams.feed import Feed
from hedge.exchange.lighter.streams.order_book import MAX_MARK_GAP_BPS
from hedge.exchange.port import (
    AccountView,
    Answer,
    Clock,
    Market,
    NotSentError,
    OrderElsewhere,
    OrderRequest,
    Path,
    PositionElsewhere,
    PriceChange,
    Priority,
    SignedTx,
    TradePages,
    TxStatus,
    VenueHandler,
    VenueRefusedError,
    VenueUnavailableError,
)

MARKET_EVERY_S = 3600.0
CLOSED_MARKET_EVERY_S = 20.0
"""How often the market's state is read: while it is active, and while it takes no orders."""

TIER_EVERY_S = 3600.0
TIER_AGAIN_S = 300.0
"""How often the account's tier is asked for: where it was told, and where it was not."""

QUOTA_TOLD_MS = 600_000
"""So long a word on the volume quota counts."""
TOO_EARLY_MS = 60_000
"""So long a refusal counts that says that our clock is too far ahead."""
SET_RIGHT_MS = 30_000
"""A clock that is nearer by so much has been set."""

PAGE = 100
KEPT_TRADES = 3000
"""The venue keeps the newest 3,000 trades of an account."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LighterSettings:
    """Where the exchange is and which market: a symbol in any case, or a market index.

    `chain_id` None lets the SDK tell it by the address; `peer_index` is the account of the other
    side, None where it is not to be looked at. Times are seconds.
    """

    base_url: str
    ws_url: str
    market: str
    chain_id: int | None = None
    peer_index: int | None = None
    request_timeout_s: float = 5.0
    token_life_s: int = TOKEN_LIFE_S
    closed_market_every_s: float = CLOSED_MARKET_EVERY_S
    times: LinkTimes = field(default_factory=LinkTimes)
    max_mark_gap_bps: int = MAX_MARK_GAP_BPS


class LighterVenue:
    """Implements `hedge.exchange.port.Venue`; made by `LighterVenue.open`."""

    def __init__(
        self,
        market: Market,
        credentials: Credentials,
        signer: Signer,
        rest: RestClient,
        feed: Feed,
        peer: LighterPeer | None = None,
        *,
        clock: Clock,
        closed_market_every_s: float = CLOSED_MARKET_EVERY_S,
    ) -> None:
        """Join the parts; `open` makes them."""
        self.peer = peer
        self.market_now = market
        self._clock = clock
        self._closed_market_every_s = closed_market_every_s
        self._market_doubted = asyncio.Event()
        self._spec = market.spec
        self._account_index = credentials.account_index
        self._api_key_index = credentials.api_key_index
        self._signer = signer
        self._rest = rest
        self._feed = feed
        self._budget: RequestBudget = rest.budget
        self._quota: tuple[int, int] | None = None
        self._too_early: tuple[int, int] | None = None
        self._tier: tuple[Callable[[str], None], Callable[[Exception], None]] | None = None
        self._is_tier_known = False
        self.last_account: AccountView | None = None
        self._recent = RecentBook(
            clock, feed.depth, self._read_book, feed.is_refuted, self._read_mark
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: LighterSettings,
        credentials: Credentials,
        *,
        clock: Clock,
        budget: RequestBudget,
        delays: Delays | None = None,
    ) -> AsyncIterator["LighterVenue"]:
        """Give a venue whose market is known; its streams run in `run_streams`.

        `delays` makes the back-off of reconnects. Raises ExchangeUnreachableError, ConfigError
        (no such market), AccountKeyError (a key that cannot be read).
        """
        async with (
            open_signer(
                settings.base_url,
                credentials,
                clock,
                chain_id=settings.chain_id,
                token_life_s=settings.token_life_s,
            ) as signer,
            open_session(settings.base_url) as session,
        ):
            rest = RestClient(
                session,
                signer,
                budget,
                account_index=credentials.account_index,
                api_key_index=credentials.api_key_index,
                timeout_s=settings.request_timeout_s,
            )
            market = await _find_market(rest, settings)
            spec = market.spec
            back_off = delays or partial(backoff, random.Random())  # noqa: S311  jitter
            feed = Feed(
                settings.ws_url,
                spec,
                credentials.account_index,
                clock,
                token=signer.fresh_token,
                token_life_s=settings.token_life_s,
                times=settings.times,
                delays=back_off,
            )
            feed.bound_by_mark(settings.max_mark_gap_bps)
            feed.on_limited(budget.refused)
            peer = _peer_of(settings, spec, rest, clock, back_off)
            yield cls(
                market,
                credentials,
                signer,
                rest,
                feed,
                peer,
                clock=clock,
                closed_market_every_s=settings.closed_market_every_s,
            )

    @property
    def spec(self) -> MarketSpec:
        """The market, as read at start."""
        return self._spec

    @property
    def chain_id(self) -> int:
        """The chain that our signatures are made for."""
        return self._signer.client.chain_id

    def follow_tier(self, hear: Callable[[str], None], miss: Callable[[Exception], None]) -> None:
        """Let the account's tier be asked for: by `ask_tier`, and hourly while the streams run.

        An answer goes to `hear`; why there is none goes to `miss`, and then it is sooner.
        """
        self._tier = hear, miss

    async def ask_tier(self) -> None:
        """Ask once, if `follow_tier` was called."""
        if self._tier is None:
            return
        hear, miss = self._tier
        try:
            hear(await self.tier_name())
        except (VenueUnavailableError, VenueRefusedError) as error:
            self._is_tier_known = False
            miss(error)
        else:
            self._is_tier_known = True

    async def _watch_tier(self) -> None:
        while True:
            await self._clock.sleep(TIER_EVERY_S if self._is_tier_known else TIER_AGAIN_S)
            await self.ask_tier()

    async def run_streams(self, handler: VenueHandler) -> None:
        """Keep the streams up until cancelled; call `handler` for every event, in order."""
        async with asyncio.TaskGroup() as group:
            if self._tier is not None:
                group.create_task(self._watch_tier(), name="tier-watch")
            group.create_task(self._watch_market(), name="market-watch")
            group.create_task(self._recent.keep(), name="recent-book")
            group.create_task(self._feed.run(handler), name="feed")

    async def _watch_market(self) -> None:
        """Read the market's state again and again: it opens and closes while we run.

        A refusal that speaks of it is answered by reading at once, if the last time is long past:
        the next attempt is to know the new rules.
        """
        pause_s = 0.0
        while True:
            if self.market_now.status != ACTIVE:
                await self._clock.sleep(self._closed_market_every_s)
            else:
                await self._clock.sleep(pause_s)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(MARKET_EVERY_S):
                        await self._market_doubted.wait()
            pause_s = self._closed_market_every_s
            self._market_doubted.clear()
            try:
                market = await self._read_market()
            except (VenueUnavailableError, VenueRefusedError) as error:
                _log.info("market not readable reason=%s", error)
                self._market_doubted.set()
                continue
            if market != self.market_now:
                _log.warning("market changed was=%s now=%s", self.market_now, market)
                self.market_now = market

    async def _read_market(self) -> Market:
        """Return the market as the exchange states it now. Raises VenueError."""
        body = await self._rest.markets(self._spec.market_index)
        with parse.readable():
            market = _market_of(self._row_of(body))
            if _scales(market.spec) != _scales(self._spec):
                raise VenueParseError("supported_size_decimals", _scales(market.spec))
            return market

    def _row_of(self, body: parse.Json) -> parse.Json:
        """Return our market's row of `orderBookDetails`. Raises VenueParseError."""
        for row in parse.rows_of(body, "order_book_details"):
            if parse.integer_of(row, "market_id") == self._spec.market_index:
                return row
        raise VenueParseError("order_book_details", "our market is not in the answer")

    @property
    def heard_ms(self) -> int | None:
        """When the private stream carried its newest frame, a pong too (monotonic ms), or None."""
        return self._feed.heard_ms

    @property
    def is_owing(self) -> bool:
        """Whether something that the private stream had to show is missing."""
        return self._feed.is_owing

    @property
    def proved_ms(self) -> int | None:
        """When the private stream last showed our orders (monotonic ms), None before it did."""
        return self._feed.proved_ms

    @property
    def refused_because(self) -> str:
        """What the exchange refuses our private stream for, in words; "" where it does not."""
        return self._feed.refused_because

    def depth(self) -> Depth:
        """Return the public book as its stream shows it now; empty while unknown or stale."""
        return self._feed.depth()

    def recent_depth(self) -> Depth:
        """Return the newest book of the last 10 s, from stream or REST; empty without one."""
        return self._recent.depth()

    def price_needed_by(self, is_needed: Callable[[], bool]) -> None:
        """Let the public socket and the read of the book be urgent while `is_needed`."""
        self._feed.needs_price = is_needed

    def doubt_depth(self) -> None:
        """Believe the stream's book no more until a frame changes it, and read one soon."""
        self._recent.doubt()

    async def _read_book(self) -> Depth:
        """Return the book as one answer lists it. Raises VenueError."""
        body = await self._rest.order_book(self._spec.market_index, PAGE, self._price_priority)
        with parse.readable():
            return parse.depth_of(body, self._spec)

    async def _read_mark(self) -> int | None:
        """Return the mark price as the market's details state it. Raises VenueError."""
        body = await self._rest.markets(self._spec.market_index, self._price_priority)
        with parse.readable():
            return parse.mark_of(self._row_of(body), self._spec)

    @property
    def _price_priority(self) -> Priority:
        return Priority.NEEDED if self._feed.needs_price() else Priority.NORMAL

    # --- signing and sending -------------------------------------------------------------------

    async def sign_order(self, order: OrderRequest, nonce: int) -> SignedTx:
        """Sign on the worker thread. Raises VenueRefusedError for fields the signer refuses."""
        return await self._signer.order(self._spec.market_index, order, nonce)

    async def sign_cancel(self, order_index: int, nonce: int) -> SignedTx:
        """Sign the cancel of one order."""
        return await self._signer.cancel(self._spec.market_index, order_index, nonce)

    async def sign_change(self, change: PriceChange, nonce: int) -> SignedTx:
        """Sign another price for one order."""
        return await self._signer.change(self._spec.market_index, change, nonce)

    async def sign_cancel_all(self, nonce: int) -> SignedTx:
        """Sign an immediate cancel of all our orders of this market."""
        return await self._signer.cancel_all(self._spec.market_index, nonce)

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        """Send one copy and return the venue's answer. Raises VenueUnavailableError without one.

        A word on load or on the server's own trouble is no answer about the transaction.
        """
        if path is Path.HTTP:
            answer = await self._rest.send(tx, timeout_s)
        else:
            taken = await self._budget.take(Priority.URGENT, tx_type=tx.tx_type)
            try:
                answer = await self._feed.send(tx, timeout_s)
            except NotSentError:
                self._budget.give_back(taken)
                raise
        refusal = refusal_of(answer.code, answer.message)
        self._note_quota(0 if refusal is Refusal.QUOTA else answer.quota_left)
        ahead_ms = self.clock_ahead_ms or 0
        if refusal is Refusal.CLOCK and ahead_ms < -CLOCK_APART_MS:
            self._too_early = (ahead_ms, self._clock.now_ms())
        if refusal in (Refusal.MARKET, Refusal.TOO_SMALL, Refusal.CLOCK):
            self._market_doubted.set()
        if refusal.says_nothing:
            if refusal is Refusal.BUSY:
                self._budget.refused()
            raise VenueUnavailableError(f"{answer.code} {answer.message}")
        if answer.tx_hash is not None and answer.tx_hash != tx.tx_hash:
            _log.error("the venue names another hash ours=%s its=%s", tx.tx_hash, answer.tx_hash)
        if answer.accepted:
            self._feed.accepted(tx)
        return answer

    def _note_quota(self, left: int | None) -> None:
        if left is not None:
            self._quota = (left, self._clock.now_ms())

    @property
    def clock_ahead_ms(self) -> int | None:
        """How far the exchange's clock is ahead of this host's; None while that is not known."""
        return self._signer.ahead_ms

    @property
    def signs_too_early(self) -> bool:
        """Whether, by this host's clock, what we sign was lately refused as too far ahead.

        A minute later it is tried again; at once where the clock has been set nearer.
        """
        if self._too_early is None:
            return False
        ahead_ms, refused_ms = self._too_early
        is_as_far = (self.clock_ahead_ms or 0) <= ahead_ms + SET_RIGHT_MS
        return is_as_far and self._clock.now_ms() < refused_ms + TOO_EARLY_MS

    @property
    def quota_left(self) -> int | None:
        """What was last told to be left of the volume quota; None where nothing is known.

        What is traded adds to it, so an old word says nothing.
        """
        if self._quota is None or self._clock.now_ms() > self._quota[1] + QUOTA_TOLD_MS:
            return None
        return self._quota[0]

    # --- look-ups ------------------------------------------------------------------------------

    async def next_nonce(self) -> int:
        """Return the venue's next nonce of our key; may lag behind what was just accepted."""
        body = await self._rest.next_nonce()
        with parse.readable():
            return parse.integer_of(body, "nonce")

    async def inactive_orders(self, limit: int = PAGE) -> tuple[OrderRow, ...]:
        """Return one answer of our finished orders of this market, newest first."""
        return self._orders(await self._rest.inactive_orders(self._spec.market_index, limit))

    async def active_orders(self) -> tuple[OrderRow, ...]:
        """Return one answer of our resting orders of this market."""
        body = await self._rest.active_orders(self._spec.market_index)
        if body.get("orders") is None and await self._resting() == 0:
            return ()
        return self._orders(body)

    async def _resting(self) -> int | None:
        """Return how many orders rest in our market by the account's own count, None without one.

        The second source where a list of resting orders is null or not there. Raises VenueError.
        """
        body = await self._rest.account(self._account_index)
        with parse.readable():
            return parse.open_orders_of(body, self._spec, self._account_index)

    def _orders(self, body: dict[str, Any]) -> tuple[OrderRow, ...]:
        with parse.readable():
            rows = parse.orders_of(parse.rows_of(body, "orders"), self._spec, self._account_index)
        return tuple(sorted(rows, key=lambda row: row.updated_ms, reverse=True))

    async def trades(self, newer_than: int | None, pages: int = 5) -> TradePages:
        """Return our trades of this market with id > `newer_than`, oldest first.

        `newer_than` None reads one page, which is complete in itself. Otherwise the answer is
        complete where it reaches `newer_than` or the beginning of the account's history.

        A first page that is null or not there counts as empty only where the account's position
        and its order rows agree that it has never traded (the exchange writes empty lists so too).
        """
        found: dict[tuple[int, str], Trade] = {}
        cursor: str | None = None
        read = 0
        for _ in range(1 if newer_than is None else pages):
            body = await self._rest.trades(self._spec.market_index, PAGE, cursor)
            if cursor is None and body.get("trades") is None:
                await self._agree_without_trades(newer_than)
                return TradePages((), complete=True)
            with parse.readable():
                rows = parse.rows_of(body, "trades")
                legs = parse.trades_of(rows, self._spec, self._account_index)
            read += len(rows)
            found.update(((leg.trade_id, leg.side.value), leg) for leg in legs)
            if newer_than is None or any(leg.trade_id <= newer_than for leg in legs):
                return _pages(found.values(), newer_than, complete=True)
            cursor = body.get("next_cursor") or None
            if not isinstance(cursor, str | None):
                raise VenueUnavailableError(f"unreadable answer: next_cursor {cursor!r:.80}")
            if cursor is None or not rows:
                return _pages(found.values(), newer_than, complete=read < KEPT_TRADES)
        return _pages(found.values(), newer_than, complete=False)

    async def _agree_without_trades(self, newer_than: int | None) -> None:
        """Return where other answers agree with a missing list of trades that there are none.

        Raises VenueUnavailableError with what contradicts it, VenueError.
        """
        if newer_than:
            raise _no_list(f"trade {newer_than} is known")
        if (await self.account()).position_lots:
            raise _no_list("the account has a position")
        if any(row.filled_lots for row in await self.inactive_orders()):
            raise _no_list("an order that has ended is filled")
        if any(row.filled_lots for row in await self.active_orders()):
            raise _no_list("an order that rests is filled")

    async def tx_status(self, tx_hash: str) -> TxStatus:
        """Look a transaction up by hash; UNKNOWN when the venue does not list it."""
        try:
            body = await self._rest.transaction(tx_hash)
        except VenueRefusedError as error:
            if refusal_of(error.code) is Refusal.NOT_FOUND:
                return TxStatus.UNKNOWN
            raise
        with parse.readable():
            return parse.tx_seen(body).status

    async def account(self) -> AccountView:
        """Return one answer of the account query."""
        body = await self._rest.account(self._account_index)
        with parse.readable():
            self.last_account = parse.account_view(body, self._spec, self._account_index)
        return self.last_account

    async def orders_elsewhere(self) -> tuple[OrderElsewhere, ...]:
        """Return our resting orders of every market but ours. Raises VenueError."""
        body = await self._rest.active_orders(None)
        if "orders" in body and body["orders"] is None:
            return ()  # a null list is known to mean an empty one; the host's file names ours too
        if "orders" not in body and await self._rests_nothing():
            return ()
        with parse.readable():
            rows = parse.rows_of(body, "orders")
            return parse.orders_elsewhere(rows, self._spec, self._account_index)

    async def _rests_nothing(self) -> bool:
        """Whether the account itself counts no resting order in any market. Raises VenueError."""
        body = await self._rest.account(self._account_index)
        with parse.readable():
            return parse.rests_nothing(body, self._account_index)

    async def positions_elsewhere(self) -> tuple[PositionElsewhere, ...]:
        """Return our positions of every market but ours. Raises VenueError."""
        body = await self._rest.account(self._account_index)
        with parse.readable():
            return parse.positions_elsewhere(body, self._spec, self._account_index)

    async def is_maker_only(self) -> bool:
        """Whether our key may send post-only orders alone. Raises VenueError."""
        body = await self._rest.maker_only_keys()
        indexes = body.get("api_key_indexes")
        if not isinstance(indexes, list) or not all(type(index) is int for index in indexes):
            raise VenueUnavailableError(f"unreadable answer: api_key_indexes {indexes!r:.80}")
        return self._api_key_index in indexes

    async def tier_name(self) -> str:
        """Return the exchange's word for the tier of our account. Raises VenueError."""
        body = await self._rest.limits()
        for key in ("user_tier_name", "user_tier"):
            word = body.get(key)
            if isinstance(word, str) and word.strip():
                return word.strip()
        raise VenueUnavailableError("unreadable answer: accountLimits names no tier")

    def missing_streams(self) -> dict[str, str]:
        """Return the sockets that are not up, "private" or "public", and why."""
        return self._feed.missing()

    async def check_key(self) -> None:
        """Compare our key with the venue's. Raises KeyRefusedError when it does not match."""
        await self._budget.take(Priority.NORMAL, "apikeys")
        await self._signer.check_key()


def _peer_of(
    settings: LighterSettings, spec: MarketSpec, rest: RestClient, clock: Clock, delays: Delays
) -> LighterPeer | None:
    """Return the view of the other side's account, None where it is not to be looked at."""
    if settings.peer_index is None:
        return None
    return LighterPeer(
        settings.ws_url,
        spec,
        settings.peer_index,
        rest,
        clock,
        times=settings.times,
        delays=delays,
    )


def _no_list(but: str) -> VenueUnavailableError:
    return VenueUnavailableError(f"unreadable answer: the list of trades is null, but {but}")


def _pages(trades: Iterable[Trade], newer_than: int | None, *, complete: bool) -> TradePages:
    floor = -1 if newer_than is None else newer_than
    newer = sorted((trade for trade in trades if trade.trade_id > floor), key=_trade_order)
    return TradePages(tuple(newer), complete)


def _trade_order(trade: Trade) -> tuple[int, str]:
    return trade.trade_id, trade.side.value


async def _find_market(rest: RestClient, settings: LighterSettings) -> Market:
    """Return the market named by symbol or index."""
    wanted = settings.market.strip()
    try:
        rows = parse.rows_of(await rest.markets(), "order_book_details")
    except (VenueUnavailableError, VenueRefusedError, VenueParseError) as error:
        raise ExchangeUnreachableError(
            f"the exchange at {settings.base_url} does not list its markets: {error}; check "
            "lighter.base_url and the network between."
        ) from error
    for row in rows:
        if wanted.upper() == str(row.get("symbol")).upper() or wanted == str(row.get("market_id")):
            try:
                return _market_of(row)
            except VenueParseError as error:
                raise ExchangeUnreachableError(f"market {row.get('symbol')}: {error}") from error
    known = sorted(str(row.get("symbol")) for row in rows)
    meant = difflib.get_close_matches(wanted.upper(), known, 1)
    hint = f"did you mean {meant[0]}? It has" if meant else "it has"
    raise ConfigError(
        f"market = {wanted}: the exchange has no such perpetual market; "
        f"{hint}: {', '.join(known)}.",
        "market",
    )


def _market_of(row: parse.Json) -> Market:
    """Return the market of one row of `orderBookDetails`. Raises VenueParseError."""
    return Market(parse.market_spec(row), parse.text_of(row, "status"))


def _scales(spec: MarketSpec) -> tuple[int, int]:
    return spec.size_decimals, spec.price_decimals
