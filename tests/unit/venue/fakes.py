"""A clock that a test moves, and a venue that answers from a script."""

import asyncio
from collections import deque
from collections.abc import Callable

from hedge.core.amounts import MarketSpec, Side
from hedge.core.records import Depth, Level, OrderRow, OrderStatus
from hedge.exchange.port import (
    AccountView,
    Answer,
    Market,
    OrderRequest,
    Path,
    PriceChange,
    SignedTx,
    TradePages,
    TxStatus,
    VenueHandler,
    VenueRefusedError,
    VenueUnavailableError,
)

ETH = MarketSpec(0, "ETH", 4, 2, 50, 10_000_000)
BTC = MarketSpec(1, "BTC", 5, 1, 20, 10_000_000)


class FakeClock:
    """Time moves only where someone sleeps, by exactly that much, or by `advance_ms`."""

    def __init__(self, start_ms: int = 1_000_000) -> None:
        self._ms = start_ms
        self.slept_s: list[float] = []

    counts_sleep = True

    def now_ms(self) -> int:
        return self._ms

    def epoch_ms(self) -> int:
        return 1_795_000_000_000 + self._ms

    def mono_ns(self) -> int:
        return self._ms * 1_000_000

    async def sleep(self, seconds: float) -> None:
        # A few turns first: whoever can go on without time passing does.
        for _ in range(5):
            await asyncio.sleep(0)
        self.slept_s.append(seconds)
        self.advance_ms(round(seconds * 1000))

    def advance_ms(self, ms: int) -> None:
        self._ms += ms


def ok(predicted_ms: int | None = None) -> Answer:
    return Answer(200, "", None, predicted_ms)


def refusal(code: int, message: str = "no") -> Answer:
    return Answer(code, message, None, None)


SendResult = Answer | VenueUnavailableError
LOST = VenueUnavailableError("timed out")


def row(client_order_index: int, status: OrderStatus = OrderStatus.CANCELED_LIQUIDITY) -> OrderRow:
    return OrderRow(7, client_order_index, Side.BUY, 1, 0, 100, status, False, 1)


class ScriptVenue:
    """Answers each send from `sends`; look-ups come from attributes that a test sets."""

    refused_because = ""
    clock_ahead_ms: int | None = None
    signs_too_early: bool = False
    last_account: AccountView | None = None
    quota_left: int | None = None

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sends: deque[SendResult] = deque()
        self.sent: list[tuple[SignedTx, Path]] = []
        self.signed: list[tuple[str, int]] = []
        self.orders: list[OrderRequest] = []
        self.nonces: deque[int | Exception] = deque([5])
        self.book = Depth(bids=(Level(200_000, 10),), asks=(Level(200_100, 10),))
        self.inactive: Callable[[int], tuple[OrderRow, ...]] = lambda _: ()
        self.inactive_reads = 0
        self.status = TxStatus.EXECUTED
        self.look: Callable[[str], TxStatus] = lambda _: self.status
        self.info = ""
        self.sign_error: VenueRefusedError | None = None
        self.hook: Callable[[], None] | None = None
        self.market_now = Market(ETH)
        self.owes_rows = False
        self.shown_ms: int | None = None
        self.doubts = 0
        self.needs_price: Callable[[], bool] = lambda: False
        self.changes: list[PriceChange] = []

    @property
    def spec(self) -> MarketSpec:
        return ETH

    async def run_streams(self, handler: VenueHandler) -> None:
        await asyncio.Event().wait()

    @property
    def heard_ms(self) -> int | None:
        return self.silent_since_ms if self.silent_since_ms is not None else self.clock.now_ms()

    @property
    def is_owing(self) -> bool:
        return self.owes_rows

    @property
    def proved_ms(self) -> int | None:
        return self.shown_ms

    def depth(self) -> Depth:
        return self.book

    def price_needed_by(self, is_needed: Callable[[], bool]) -> None:
        self.needs_price = is_needed

    def doubt_depth(self) -> None:
        self.doubts += 1

    def recent_depth(self) -> Depth:
        return self.book

    async def sign_order(self, order: OrderRequest, nonce: int) -> SignedTx:
        if self.sign_error is not None:
            raise self.sign_error
        self.orders.append(order)
        return self._sign("order", nonce)

    async def sign_cancel(self, order_index: int, nonce: int) -> SignedTx:
        return self._sign("cancel", nonce)

    async def sign_change(self, change: PriceChange, nonce: int) -> SignedTx:
        if self.sign_error is not None:
            raise self.sign_error
        self.changes.append(change)
        return self._sign("change", nonce)

    async def sign_cancel_all(self, nonce: int) -> SignedTx:
        return self._sign("cancel_all", nonce)

    def _sign(self, kind: str, nonce: int) -> SignedTx:
        self.signed.append((kind, nonce))
        info = self.info or f'{{"n":{nonce}}}'
        return SignedTx(14, info, f"{kind}-{len(self.signed)}", nonce)

    async def send(self, tx: SignedTx, path: Path, timeout_s: float) -> Answer:
        self.sent.append((tx, path))
        if self.hook is not None:
            self.hook()
        await asyncio.sleep(0)
        result = self.sends.popleft() if self.sends else ok()
        if isinstance(result, Exception):
            raise result
        return result

    async def next_nonce(self) -> int:
        result = self.nonces[0] if len(self.nonces) == 1 else self.nonces.popleft()
        if isinstance(result, Exception):
            raise result
        return result

    async def inactive_orders(self, limit: int = 100) -> tuple[OrderRow, ...]:
        self.inactive_reads += 1
        return self.inactive(self.inactive_reads)

    async def active_orders(self) -> tuple[OrderRow, ...]:
        return ()

    async def trades(self, newer_than: int | None, pages: int = 5) -> TradePages:
        return TradePages((), complete=True)

    async def tx_status(self, tx_hash: str) -> TxStatus:
        return self.look(tx_hash)

    async def account(self) -> AccountView:
        return AccountView(0, 0, 0)

    async def check_key(self) -> None:
        return None
