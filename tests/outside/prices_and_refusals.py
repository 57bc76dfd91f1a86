"""Prices, refusals, quota, leverage, rules and clock: what a round may cost, and what is said.

Promises are those of README.md (Risks, Reliability) and docs/states.md. The others' orders are the
levels of the fixed book; a version before it knew them needs `--exchange-commit`.
"""

import json
import re
import signal
import time
import urllib.request
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from tests.outside import exposure
from tests.outside.ends import (
    by_hand,
    fill,
    hedged_position,
    start_b,
    status,
    trades_again,
    wait_resting,
)
from tests.outside.kit import CannotRunError, Trial, case
from tests.outside.pair import KEY_INDEX, Pair
from tests.outside.services import PYTHON, Exchange

MOST = Decimal("0.0100")  # what a hedge of A's order may cost (strategy.max_slippage_bps), a share
REQUOTE = Decimal("0.10")  # ten ticks of ETH, USD
TICK = Decimal("0.15")  # between two levels of our books, USD
AT_ONCE_S = 3.0  # "within seconds" of a hedge, on a loaded machine
SET_LEVERAGE = """
import asyncio, sys
import lighter
url, account, index, key, leverage = sys.argv[1:]
async def main():
    keys = {int(index): key}
    client = lighter.SignerClient(url=url, account_index=int(account), api_private_keys=keys)
    print((await client.update_leverage(0, client.CROSS_MARGIN_MODE, int(leverage)))[-1])
    await client.close()
asyncio.run(main())
"""


# --- what several cases do -----------------------------------------------------------------------


def ladder(best: str | Decimal, step: str | Decimal, levels: int = 5, size: str = "5") -> list[Any]:
    """Levels of a book: [price, size], the best one first; a negative step for bids."""
    prices = [Decimal(best) + Decimal(step) * level for level in range(levels)]
    return [[f"{price:f}", size] for price in prices]


def others(
    pair: Pair, bids: Sequence[Any], asks: Sequence[Any], mark: str | Decimal = "", market: int = 0
) -> None:
    """What everybody else bids and asks from now on, and the mark price (empty: as it was).

    Both sides are always given: with one of them only, the call answers 200 and moves nothing.
    """
    best = [
        f"{name} {rows[0][0] if rows else 'none'}"
        for name, rows in (("bids", bids), ("asks", asks))
    ]
    body: dict[str, Any] = {"bids": bids, "asks": asks}
    if mark:
        body["mark_price"] = f"{Decimal(mark):f}"
    pair.trial.note_event(f"others: {', '.join(best)}, mark {mark or 'as before'}")
    pair.exchange.admin(f"markets/{market}", body)
    lowest = Decimal(bids[-1][0]) if bids else None
    if lowest not in (shown := shown_bids(pair, market)) and bids:
        raise CannotRunError(f"the fixed book has {shown} and not {lowest}")


def shown_bids(pair: Pair, market: int = 0) -> list[Decimal]:
    """Prices of all bids, as everybody can read them."""
    url = f"{pair.exchange.url}/api/v1/orderBookOrders?market_id={market}&limit=100"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return [Decimal(row["price"]) for row in json.load(answer)["bids"]]


def usual_book(pair: Pair) -> None:
    """Bids from 2999.85 down, asks from 3000.15 up, mark 3000."""
    others(pair, ladder("2999.85", -TICK), ladder("3000.15", TICK), "3000.00")


def placed(pair: Pair, since_ns: int = 0, side: int = 0) -> list[dict[str, Any]]:
    """The first event of each order of A (side 0) or B (1) since a moment, oldest first."""
    first: dict[Any, dict[str, Any]] = {}
    for row in pair.exchange.orders(pair.accounts[side]):
        first.setdefault(row["order_index"], row)
    return [row for row in first.values() if row["mono_ns"] > since_ns]


def rests(pair: Pair) -> list[Decimal]:
    """Prices at which orders of A rest now."""
    last: dict[Any, dict[str, Any]] = {}
    for row in pair.exchange.orders(pair.accounts[0]):
        last[row["order_index"]] = row
    return [Decimal(row["price"]) for row in last.values() if row["status"] == "open"]


def limits(rows: Iterable[dict[str, Any]], *, ask: bool) -> list[Decimal]:
    """Prices of the orders of one side that came to rest."""
    mine = [row for row in rows if bool(row["is_ask"]) is ask and row["status"] == "open"]
    return [Decimal(row["price"]) for row in mine]


def equity(pair: Pair) -> Decimal:
    """Equity of both accounts, USD."""
    return sum((Decimal(pair.exchange.account(i)["equity"]) for i in pair.accounts), Decimal(0))


def counted(pair: Pair) -> int:
    """Transactions so far: what the exchange took or refused, or a log calls refused, if more."""
    counters = pair.exchange.admin("state")["counters"]
    refused = len(pair.logs("_refused detail"))
    return int(counters["accepted"]) + max(int(counters["rejected"]), refused)


def naked_s(pair: Pair) -> float:
    """The longest time, s, in which the pair was naked until now."""
    trades = pair.exchange.trades(*pair.accounts)
    found = exposure.naked(trades, pair.accounts, time.monotonic_ns(), pair.offset)
    return max((interval.length_s for interval in found), default=0.0)


def worst_cost(pair: Pair) -> Decimal:
    """The largest loss between a fill of A and the next trade of B, as a share of the price."""
    a, b = pair.accounts
    worst, open_fill = Decimal(0), None
    for row in pair.exchange.trades(a, b):
        price = Decimal(row["price"])
        if a in (row["bid_account_id"], row["ask_account_id"]):
            open_fill = (price, row["bid_account_id"] == a)
        elif open_fill is not None:
            paid, bought = open_fill
            worst = max(worst, (paid - price if bought else price - paid) / paid)
    return worst


def says(pair: Pair, pattern: str, within_s: float = 30) -> str:
    """The line of `status` that matches, as soon as there is one; empty where none comes."""
    deadline = time.monotonic() + within_s
    while True:
        argv = [PYTHON, "hedgectl.py", "status", "--config", pair.config]
        text = printed(pair, argv)
        found = [
            line.strip() for line in text.splitlines() if re.search(pattern, line, re.IGNORECASE)
        ]
        if found or time.monotonic() > deadline:
            return found[0] if found else ""


def printed(pair: Pair, argv: Sequence[str]) -> str:
    """What a command prints that the report does not list."""
    trial = pair.trial
    return trial.finish(trial.run(argv, pair.folder, quiet=True)).text


def said(trial: Trial, pair: Pair, pattern: str, promised: str, within_s: float = 30) -> None:
    """That `status` names this within a time."""
    line = says(pair, pattern, within_s)
    trial.expect(bool(line), promised)
    trial.remark(f"status: {line[:200]}" if line else f"status says: {status(pair)[1][:300]!r}")


def not_halted(trial: Trial, pair: Pair) -> None:
    """That no halt was written to a log."""
    halts = pair.logs(r"\] halt(ed)? ")
    trial.expect(not halts, f"no halt: {halts[:1]}")


def hedged(trial: Trial, pair: Pair, within_s: float, what: str = "the fill") -> None:
    """That A and B cancel out within a time."""
    began_s = time.monotonic()
    trial.expect(trial.becomes(pair.flat_sum, within_s), f"{what} is hedged within {within_s:g} s")
    trial.remark(f"A + B was 0 after {time.monotonic() - began_s:.1f} s")


def at_most(trial: Trial, pair: Pair, most: int, seconds: float, what: str) -> None:
    """That so few transactions arrive in this time."""
    before = counted(pair)
    trial.pause(seconds)
    found = counted(pair) - before
    trial.remark(f"{found} transactions in {seconds:g} s: {what}")
    trial.expect(found <= most, f"at most {most} transactions in {seconds:g} s, not {found}")


def other_clock(trial: Trial, ahead_s: int) -> Pair:
    """A pair on an exchange whose clock is so far ahead of this host's."""
    folder = trial.exchange_folder(trial.checkout("clock"))
    exchange = Exchange(trial, folder, extra=("--clock-ahead-s", str(ahead_s)))
    return Pair(trial, exchange=exchange)


# --- 0. prices -----------------------------------------------------------------------------------


def alone_on_top(trial: Trial, *, closing: bool) -> None:
    """The others walk away in ten steps from A's order, which is then filled."""
    pair = Pair(trial, settings={"lighter.maker_order_time_out": 3})
    usual_book(pair)
    by_hand(trial, pair)
    if closing:
        hedged_position(trial, pair)
    trial.until(lambda: bool(rests(pair)), "A's order")
    for step in range(1, 11):
        if closing:
            best, mark = Decimal("3000.15") + 5 * step, Decimal(3000) + 5 * step
            others(pair, ladder("2999.85", -TICK), ladder(best, TICK), mark)
        else:
            best, mark = Decimal("2999.85") - 5 * step, Decimal(3000) - 5 * step
            others(pair, ladder(best, -TICK), ladder("3000.15", TICK), mark)
        trial.pause(1)
    since_ns = time.monotonic_ns()

    def beside_the_others() -> bool:
        prices = rests(pair)
        return bool(prices) and all(abs(price - best) <= REQUOTE for price in prices)

    trial.expect(trial.becomes(beside_the_others, 10), "A's order is where the others are now")
    trial.pause(12)  # four lives of an order
    again = limits(placed(pair, since_ns), ask=closing)
    ghosts = [price for price in again if abs(price - best) > best * MOST]
    trial.remark(f"placed after the last step: {[str(price) for price in again]}, others at {best}")
    trial.expect(not ghosts, f"A is never placed again 1 % beyond the others: {ghosts[:3]}")
    wait_resting(trial, pair)
    fill(pair, "buy" if closing else "sell")
    hedged(trial, pair, AT_ONCE_S)
    trial.remark(f"a hedge cost at most {worst_cost(pair) * 10000:.1f} bps")
    trial.expect(worst_cost(pair) <= MOST, "no hedge costs more than 100 bps")
    trial.settle()
    not_halted(trial, pair)


@case("0a", "others' best bid falls 3000 to 2950 in ten steps: A's bid goes with them, cheap hedge")
def alone_on_the_bid(trial: Trial) -> None:
    alone_on_top(trial, closing=False)


@case("0a-close", "the same when closing: the others' asks rise to 3050, A's ask goes with them")
def alone_on_the_ask(trial: Trial) -> None:
    alone_on_top(trial, closing=True)


@case("0b", "bids 2700, asks 3300, a stranger lures with one lot at 3140, then 2860: no bait taken")
def bait(trial: Trial) -> None:
    pair = Pair(trial)
    others(pair, ladder("2700", "-1"), ladder("3300", "1"), "3000.00")
    start_b(trial, pair)
    pair.a()
    trial.pause(10)
    before = equity(pair)
    for side, lure in (("sell", "3140.00"), ("buy", "2860.00")):
        closing = side == "buy"
        mine = [[lure, "0.0001"]]
        bids, asks = ladder("2700", "-1"), ladder("3300", "1")
        others(pair, bids if closing else mine + bids, mine + asks if closing else asks)
        took = trial.becomes(lambda lure=lure: Decimal(lure) in rests(pair), 12)  # type: ignore[misc]
        trial.expect(not took, f"A does not follow a stranger's lot to {lure}")
        others(pair, ladder("2700", "-1"), ladder("3300", "1"))
        if took:
            fill(pair, side)
            trial.becomes(pair.flat_sum, 20)
            trial.pause(5)
    lost = before - equity(pair)
    trial.remark(f"lost by the exchange: {lost} USD; A's orders: {[str(p) for p in rests(pair)]}")
    trial.expect(lost < Decimal("0.6"), f"a round of 30 USD loses less than 0.6, not {lost}")
    rows = placed(pair)
    far = [price for price in limits(rows, ask=False) if price > Decimal(3000) * (1 + MOST)]
    far += [price for price in limits(rows, ask=True) if price < Decimal(3000) * (1 - MOST)]
    trial.expect(not far, f"no order of A further than 1 % on the wrong side of mark: {far[:3]}")
    said(trial, pair, "thin|dear|mark|hedge", "status says why A rests nothing")
    usual_book(pair)
    wait_resting(trial, pair, 60)
    trial.settle()


@case("0c", "book frames stop, everything falls to 2700, nobody trades: A quotes nothing 11 % off")
def stale_book(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    silent = pair.exchange.fault("frames_dropped", family="order_book", count=0)
    pair.exchange.admin("markets/0", {"price": "2700.00"})
    trial.note_event("price 2700")
    trial.pause(10)
    since_ns = time.monotonic_ns()
    at_most(trial, pair, 15, 20, "quotes beside a silent book")
    far = [p for p in limits(placed(pair, since_ns), ask=False) if p > Decimal(2727)]
    far += [price for price in rests(pair) if price > Decimal(2727)]
    trial.expect(not far, f"no bid 1 % above mark: {far[:3]}")
    trial.remark(f"A's orders: {[str(price) for price in rests(pair)]}")
    if not rests(pair):
        said(trial, pair, "stale|book", "status names the book")
    pair.exchange.heal(silent)
    trial.note_event("healed")
    trades_again(trial, pair)
    trial.settle()


@case("0c-fill", "the same, and A's bid is filled in that moment: B hedges by mark, no halt")
def stale_book_and_a_fill(trial: Trial) -> None:
    stale_and_filled(trial, "frames_dropped")


@case("0c-mute", "the same where the public socket carries nothing but pongs: B reads by REST")
def mute_market_and_a_fill(trial: Trial) -> None:
    stale_and_filled(trial, "channels_silent")


def stale_and_filled(trial: Trial, fault: str) -> None:
    """The book's frames stop, everything falls by a tenth, and A's bid is filled in that moment."""
    pair = Pair(trial)
    usual_book(pair)
    by_hand(trial, pair)
    silent = pair.exchange.fault(fault, family="order_book", count=0)
    trial.pause(1)
    fill_into(pair, ladder("2699.85", -TICK), mark="2700.00")
    others(pair, ladder("2699.85", -TICK), ladder("2700.15", TICK))
    hedged(trial, pair, 15)
    not_halted(trial, pair)
    pair.exchange.heal(silent)
    trial.note_event("healed")
    trial.remark(f"B's caps: {[row['price'] for row in placed(pair, side=1)]}")
    trades_again(trial, pair)
    trial.settle()


def fill_into(pair: Pair, bids: Sequence[Any], mark: str | Decimal = "") -> None:
    """The others' bids change and A's bid is filled, both before A can look."""
    others(pair, bids, ladder("3000.15", TICK), mark)
    fill(pair)


@case("0d", "strategy.depth 30 means the thirtieth level")
def deep(trial: Trial) -> None:
    pair = Pair(trial, settings={"strategy.depth": 30})
    bids = ladder("2999.85", -TICK, 45)
    others(pair, bids, ladder("3000.15", TICK, 45), "3000.00")
    by_hand(trial, pair)
    wanted = Decimal(bids[29][0])
    trial.becomes(lambda: rests(pair) == [wanted], 10)
    found = rests(pair)
    trial.remark(f"A's bid {found}, the twentieth level is {bids[19][0]}, the thirtieth {wanted}")
    trial.expect(bool(found) and abs(found[0] - wanted) <= REQUOTE, f"A bids {wanted}, not {found}")
    trial.settle()


@case("0d-ticks", "price 0.5, tick 0.001, the others fall by 7 ticks (1.4 %): A's bid goes along")
def few_ticks(trial: Trial) -> None:
    pair = Pair(trial, settings={"market": "SOL", "strategy.quantity": "100"})
    asks = ladder("0.501", "0.001", size="5000")
    others(pair, ladder("0.500", "-0.001", size="5000"), asks, "0.500", market=2)
    by_hand(trial, pair)
    others(pair, ladder("0.493", "-0.001", size="5000"), asks, "0.497", market=2)
    near = trial.becomes(lambda: all(p <= Decimal("0.498") for p in rests(pair)), 10)
    trial.remark(f"A's bid {[str(price) for price in rests(pair)]}, the others' 0.493")
    trial.expect(near, "A's bid is at most max_slippage_bps (1 %) off its level")
    trial.settle()


@case("0e", "no bid for 2.6 s, A filled: B hedges as soon as the book is back, no halt")
def thin_for_two_seconds(trial: Trial) -> None:
    pair = Pair(trial)
    usual_book(pair)
    by_hand(trial, pair)
    fill_into(pair, [])
    trial.pause(2.6)  # three attempts, one second apart
    usual_book(pair)
    hedged(trial, pair, 2, "the fill, with bids there again,")
    not_halted(trial, pair)
    trial.pause(10)
    not_halted(trial, pair)
    trades_again(trial, pair)
    trial.settle()


# --- 1. refusals, quota, leverage, rules, clock --------------------------------------------------


@case("1-leverage", "B at 1x with 60 USDC: it says that it can hedge 0.02, not 0.4")
def leverage(trial: Trial) -> None:
    pair = Pair(trial)
    b = pair.accounts[1]
    words = [pair.exchange.url, str(b), str(KEY_INDEX), pair.keys[1], "1"]
    asked = trial.finish(pair.run([PYTHON, "-c", SET_LEVERAGE, *words]))
    trial.remark(f"update_leverage: {asked.text.strip()[-80:]}")
    pair.exchange.admin(f"accounts/{b}/collateral", {"amount": "-99940"})
    start_b(trial, pair)
    trial.pause(3)
    text = pair.redis.cli("GET", "hedge:ready:b")
    room = Decimal(str(json.loads(text)["can_hedge_base_amount"]))
    trial.remark(f"can_hedge_base_amount {room}")
    trial.expect(Decimal("0.01") <= room <= Decimal("0.0200"), f"0.01 to 0.02, not {room}")
    trial.settle()


@case("1-no-balance", "user_stats without available_balance: nothing unknown is opened, it heals")
def no_balance(trial: Trial) -> None:
    pair = Pair(trial)
    missing = pair.exchange.fault(
        "balance_missing", how="absent", count=0, account_index=pair.accounts[1]
    )
    pair.b()
    pair.a()
    trial.pause(20)
    trial.remark(f"orders of A: {pair.resting()}; status: {status(pair)[1][:200]!r}")
    pair.exchange.heal(missing)
    trial.note_event("healed")
    trades_again(trial, pair)
    trial.settle()


@case("1-null", "a fresh account whose empty REST lists are null: the pair starts and trades")
def null_lists(trial: Trial) -> None:
    lists_missing(trial, "")


@case("1-null-trades", "the same of /trades alone")
def null_trades(trial: Trial) -> None:
    lists_missing(trial, "trades")


@case("1-null-later", "the same once both accounts have traded, and a restart of both")
def null_later(trial: Trial) -> None:
    pair = Pair(trial)
    daemons = by_hand(trial, pair)
    hedged_position(trial, pair)
    pair.exchange.fault("list_missing", how="null", count=0)
    trial.signal(signal.SIGTERM, *daemons)
    trial.until(lambda: all(process.code is not None for process in daemons), "both ends", 120)
    by_hand(trial, pair)
    fill(pair, "buy")
    hedged(trial, pair, AT_ONCE_S)
    trial.settle()


def lists_missing(trial: Trial, path: str) -> None:
    """Empty lists are null from before the first start."""
    pair = Pair(trial)
    narrowed = {"path": path} if path else {}
    missing = pair.exchange.fault("list_missing", how="null", count=0, **narrowed)
    hedger = pair.b()
    pair.a()
    ready = trial.becomes(lambda: pair.resting() > 0, 45)
    trial.expect(ready, "A rests an order within 45 s")
    if not ready:
        trial.remark(f"status: {status(pair)[1][:300]!r}")
        trial.pause(30)
        trial.remark(f"75 s after the start: {status(pair)[1][:500]!r}")
        trial.remark(f"B says: {[line[:200] for _, line in hedger.lines][-3:]}")
        pair.exchange.heal(missing)
        trial.note_event("healed")
        wait_resting(trial, pair, 120)
    fill(pair)
    hedged(trial, pair, AT_ONCE_S)
    trial.settle()


@case("1-clock-start", "exchange 15 min ahead at the start: clock named in 10 s, nothing loops")
def clock_at_start(trial: Trial) -> None:
    pair = other_clock(trial, 900)
    begun_s = time.monotonic()
    hedger, maker = pair.b(), pair.a()
    named = trial.becomes(lambda: hedger.said("clock") and maker.said("clock"), 30)
    trial.expect(named, "both logs name the clock")
    trial.remark(f"named {time.monotonic() - begun_s:.0f} s after both starts")
    said(trial, pair, "clock", "status names the clock")
    at_most(trial, pair, 6, 30, "by a clock 15 min behind")
    trial.expect(not pair.resting(), "nothing rests")
    trial.settle()


@case("1-clock-jump", "it jumps by 15 min while the pair runs: named in 10 s, no loop of retries")
def clock_jumps(trial: Trial) -> None:
    pair = Pair(trial)
    maker, hedger = by_hand(trial, pair)
    trial.note_event("clock + 900 s")
    pair.exchange.admin("clock", {"ahead_ms": 900_000})
    named = trial.becomes(lambda: maker.said("clock") or hedger.said("clock"), 15)
    trial.expect(named, "a log names the clock within 15 s")
    said(trial, pair, "clock", "status names the clock")
    at_most(trial, pair, 12, 50, "after the jump")
    trial.settle()


@case("1-clock-8", "exchange 8 min ahead: it is said, B hedges a fill published by hand")
def clock_8(trial: Trial) -> None:
    pair = other_clock(trial, 480)
    pair.b()
    trial.pause(15)
    pair.publish_fill("buy", "0.0100", 1)
    trial.expect(trial.becomes(lambda: pair.positions()[1] < 0, 10), "B sells 0.01")
    trial.expect(bool(pair.logs("clock")), "the log names the clock")
    trial.remark(f"status names the clock: {'clock' in status(pair)[1]}")
    pair.publish_fill("sell", "0.0100", 2)
    trial.becomes(pair.flat_sum, 20)
    trial.settle()


@case("1-clock-behind", "exchange 15 min behind: clock named, nothing loops")
def clock_behind(trial: Trial) -> None:
    pair = other_clock(trial, -900)
    hedger, maker = pair.b(), pair.a()
    named = trial.becomes(lambda: hedger.said("clock") or maker.said("clock"), 30)
    trial.expect(named, "a log names the clock")
    said(trial, pair, "clock", "status names the clock")
    at_most(trial, pair, 8, 30, "by a clock 15 min ahead")
    trial.settle()


@case(
    "1-reduce-only",
    "force_reduce_only: a try after 1, 2, 4 ... 60 s, the reason in status",
)
def reduce_only(trial: Trial) -> None:
    pair = Pair(trial, settings={"lighter.maker_order_time_out": 3})
    trial.note_event("force_reduce_only")
    pair.exchange.admin("markets/0", {"force_reduce_only": True})
    start_b(trial, pair)
    pair.a()
    trial.pause(15)
    at_most(trial, pair, 8, 30, "in a market that only reduces")
    said(trial, pair, "position-not-allowed|reduce|refused", "status has the reason")
    trial.note_event("opening is allowed again")
    pair.exchange.admin("markets/0", {"force_reduce_only": False})
    trades_again(trial, pair)
    trial.settle()


@case("1-21136", "21136 (update the SDK) to all of A: named, no loop of orders")
def outdated_a(trial: Trial) -> None:
    refused_for_good(trial, side=0)


@case("1-21136-b", "21136 to all of B from its start: B is not ready, named; A rests nothing")
def outdated_b(trial: Trial) -> None:
    refused_for_good(trial, side=1)


def refused_for_good(trial: Trial, side: int) -> None:
    """One account's transactions are refused with 21136 from before the start."""
    pair = Pair(trial)
    sdk = pair.exchange.fault(
        "tx_refused", code=21136, message="not valid", account_index=pair.accounts[side], count=0
    )
    daemons = [pair.a(), pair.b()]
    trial.pause(20)
    at_most(trial, pair, 8, 30, "refused with 21136")
    trial.expect(not pair.resting(), "nothing rests")
    text = daemons[side].text + status(pair)[1]
    named = re.search("update|newer version|SDK", text)
    trial.expect(bool(named), "21136 is called what it is: this version is outdated")
    trial.expect(not re.search("and the key", text), "no key is blamed")
    trial.remark(f"{'AB'[side]}: exit {daemons[side].code}, {daemons[side].text[-250:]!r}")
    pair.exchange.heal(sdk)
    trial.note_event("healed")
    trial.settle()


@case("1-maker-only", "B's key may only post, from the start: said before A trades, no naked trade")
def maker_only_b(trial: Trial) -> None:
    pair = Pair(trial)
    trial.note_event("maker_only for B's key")
    pair.exchange.admin(f"keys/{pair.accounts[1]}/{KEY_INDEX}", {"maker_only": True})
    hedger, _ = pair.b(), pair.a()
    rested = trial.becomes(lambda: pair.resting() > 0, 40)
    trial.expect(not rested, "A rests nothing while B cannot hedge")
    if rested:
        fill(pair)
        trial.becomes(pair.flat_sum, 30)
    text = hedger.text + status(pair)[1]
    trial.expect(bool(re.search("maker|62007|key", text)), "B names its key")
    at_most(trial, pair, 8, 20, "of a key that may only post")
    trial.remark(f"B: {hedger.code}, last line {hedger.text.strip().splitlines()[-1][:200]!r}")
    trial.settle()


@case("1-maker-only-later", "the same while A's order rests, then filled: A takes it back at once")
def maker_only_later(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    trial.note_event("maker_only for B's key")
    pair.exchange.admin(f"keys/{pair.accounts[1]}/{KEY_INDEX}", {"maker_only": True})
    fill(pair)
    hedged(trial, pair, 15)
    said(trial, pair, "key_not_allowed|maker|62007|key", "status names the key")
    trial.settle()


def quota(pair: Pair, side: int, remaining: int) -> None:
    """What is left of the volume quota of A (0) or B (1)."""
    pair.trial.note_event(f"quota of {'AB'[side]}: {remaining}")
    pair.exchange.admin(f"accounts/{pair.accounts[side]}/quota", {"remaining": remaining})


@case("1-quota-start", "A started with quota 0, one free transaction in 15 s: its book gets proven")
def quota_at_start(trial: Trial) -> None:
    pair = Pair(trial)
    start_b(trial, pair)
    quota(pair, 0, 0)
    maker = pair.a()
    proven = trial.becomes(lambda: maker.said("book_proven"), 120)
    trial.expect(proven, "A's fence passes within 120 s")
    trial.expect(not pair.resting(), "A opens nothing")
    said(trial, pair, "quota", "status names the quota")
    quota(pair, 0, 1000)
    trial.settle()


@case("1-quota-fence", "quota 0, then kill -9 of A with an order: the next A's fence passes")
def quota_and_a_fence(trial: Trial) -> None:
    pair = Pair(trial)
    maker, _ = by_hand(trial, pair)
    quota(pair, 0, 0)
    trial.note_event("kill -9 A")
    pair.kill("main_A.py")
    trial.until(lambda: maker.code is not None, "A's end")
    again = pair.a()
    trial.expect(trial.becomes(lambda: again.said("book_proven"), 150), "A's fence passes in 150 s")
    trial.expect(trial.becomes(lambda: pair.resting() == 0, 60), "the old order is cancelled")
    trial.settle()


@case("1-quota-hedge", "B's quota is 0, a round: the free slot of 15 s goes to each hedge")
def quota_of_b(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    quota(pair, 1, 0)
    fill(pair)
    hedged(trial, pair, 20, "the first fill")
    if trial.becomes(lambda: pair.resting() > 0, 30):
        fill(pair, "buy")
        hedged(trial, pair, 20, "the second fill")
    else:
        trial.remark(f"A rests nothing more: {status(pair)[1][:200]!r}")
    not_halted(trial, pair)
    trial.settle()


@case(
    "1-bait-cap",
    "A filled, the only bid is 1800, mark 3000: B sells nothing there",
)
def bait_cap(trial: Trial) -> None:
    pair = Pair(trial)
    usual_book(pair)
    by_hand(trial, pair)
    fill_into(pair, [["1800.00", "5"]])
    trial.pause(6)
    caps = [Decimal(row["price"]) for row in placed(pair, side=1)]
    caps = [price for price in caps if price > 1]  # a fence bids the least price
    low = [price for price in caps if price < Decimal(2909)]
    trial.remark(f"B's orders were capped at {[str(price) for price in caps]}")
    trial.expect(not low, f"no cap of B more than 3 % below mark: {low[:3]}")
    sold = [row["price"] for row in pair.exchange.trades(pair.accounts[1])]
    trial.expect(not [p for p in sold if Decimal(p) < 2909], f"B sells nothing at 1800: {sold}")
    usual_book(pair)
    hedged(trial, pair, 3, "the fill, with bids there again,")
    trial.settle()


def refused_upgrade(trial: Trial, status_code: int) -> None:
    """Every socket is cut, and connects are answered with this status; then it heals."""
    pair = Pair(trial)
    by_hand(trial, pair)
    refused = pair.exchange.fault("upgrade_refused", status=status_code, count=0)
    pair.exchange.fault("socket_cut", count=0)
    trial.pause(3)
    said(trial, pair, f"{status_code}", f"status names HTTP {status_code} at the WebSocket")
    trial.expect(trial.becomes(lambda: not pair.resting(), 20), "A rests nothing meanwhile")
    pair.exchange.heal()
    trial.note_event(f"healed (fault {refused})")
    trades_again(trial, pair)
    trial.settle()


@case("1-403", "each WebSocket upgrade is refused with 403: status says so, it heals")
def upgrade_403(trial: Trial) -> None:
    refused_upgrade(trial, 403)


@case("1-400", "the same with 400")
def upgrade_400(trial: Trial) -> None:
    refused_upgrade(trial, 400)


@case("1-451", "the same with 451")
def upgrade_451(trial: Trial) -> None:
    refused_upgrade(trial, 451)


@case("1-429", "a 429 to A and to B, then a fill: B hedges at once, nothing waits a minute for it")
def hedge_beside_a_429(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    for account in pair.accounts:
        pair.exchange.fault("answer_429", account_index=account, count=1, via="any", path="any")
    fill(pair)
    hedged(trial, pair, 20)
    not_halted(trial, pair)
    trial.settle()


@case("1-429-upgrade", "10 s of 429 at the handshake beside a cut and a fill: naked far below 60 s")
def handshake_429(trial: Trial) -> None:
    pair = Pair(trial)
    by_hand(trial, pair)
    pair.exchange.fault("upgrade_refused", status=429, count=0)
    pair.exchange.fault("socket_cut", count=0)
    fill(pair)
    trial.pause(10)
    pair.exchange.heal()
    trial.note_event("healed")
    healed_s = time.monotonic()
    hedged(trial, pair, 25)
    not_halted(trial, pair)
    rests_again = trial.becomes(lambda: pair.resting() > 0, 90)
    trial.remark(f"A rested again {time.monotonic() - healed_s:.0f} s after healing: {rests_again}")
    trial.expect(rests_again, "A rests again once its pause of 60 s is over")
    trial.settle()


@case("1-quote-limit", "order_quote_limit 30.02, A sells 0.01 at 3000.15: hedged in parts, no halt")
def quote_limit(trial: Trial) -> None:
    pair = Pair(trial)
    usual_book(pair)
    by_hand(trial, pair)
    hedged_position(trial, pair)
    trial.note_event("order_quote_limit 30.02")
    pair.exchange.admin("markets/0", {"order_quote_limit": "30.02"})
    fill(pair, "buy")
    hedged(trial, pair, 15)
    not_halted(trial, pair)
    trial.settle()


def too_large(trial: Trial, quantity: str) -> None:
    """A starts with a quantity that nobody could trade."""
    pair = Pair(trial, settings={"strategy.quantity": quantity})
    start_b(trial, pair)
    maker = pair.a()
    trial.pause(15)
    if maker.code is None:
        said(trial, pair, "margin|quote limit|quote_limit|thin|dear", "status says why A waits")
    else:
        trial.expect(maker.code == 2, f"A is refused with 2, not {maker.code}")
        trial.expect("quantity" in maker.text, "the sentence names the quantity")
    trial.settle()


@case("1-1000", "a quantity of 1000 ETH: the reason is in status")
def thousand(trial: Trial) -> None:
    too_large(trial, "1000")


@case("1-1e8", "a quantity of 100000000 ETH: refused, or the reason is in status")
def hundred_million(trial: Trial) -> None:
    too_large(trial, "100000000")


@case("1-2e48", "a quantity above 2^48 steps: refused")
def beyond_48_bits(trial: Trial) -> None:
    too_large(trial, "28147497672")


@case(
    "1-drained",
    "B drained, A filled with 1 ETH: B hedges the half, A takes back the rest",
)
def drained(trial: Trial) -> None:
    pair = Pair(trial, settings={"strategy.quantity": "1"})
    others(pair, ladder("2999.85", -TICK, size="20"), ladder("3000.15", TICK, size="20"), "3000.00")
    by_hand(trial, pair)
    trial.note_event("B drained to 80 USDC")
    pair.exchange.admin(f"accounts/{pair.accounts[1]}/collateral", {"amount": "-99920"})
    fill(pair, amount="1.0000")
    hedged(trial, pair, 15)
    trial.remark(f"positions then: {pair.positions()}")
    trial.expect(pair.positions()[1] < 0, "B hedges what its margin allows")
    said(trial, pair, "margin", "status names the margin")
    trial.settle()
