"""What the exchange may do beyond good and bad weather: kinds of the schedules, by name.

`WEATHER` stays for a day, as chances of each host's way to the exchange:
- "... lies": a frame says something else than what happened, in one field (`lies`), once;
- "replica stuck": every read of a while meets a replica that stands still at one moment.

`BLOWS` fall at once. Those that go on end when the schedule heals, but "busy market", "standard
limits" and "quote limit", which are no faults: the pair must live with them.
- "busy market": strangers trade more than a page of 100 between any two events of ours;
- "... listed late": facts of one kind are listed late from now on, each with a lag of its own;
- "all listed late": so are rows, trades and transactions, each one of them;
- "position lags": what states positions is behind by about the same time from now on;
- "margin lies", "book lies": what an account has available, or the book, is told wrongly, the book
  until its next frame;
- "... until reconnect": one field of a stream lies the same way until its socket is opened anew;
- "trade under another id": a trade is told a second time with another id;
- "answer lies": one answer of newest trades is false in a field of the newest one, once;
- "channel stops": one channel of a live socket carries nothing for a while;
- "public socket cut": the market's own socket is lost alone for a while;
- "private mute": a live socket carries nothing of our account, or nothing but asked snapshots;
- "link in a black hole": the way to the exchange swallows all, and no end of it is told;
- "only pings": sockets carry nothing but pings for a while, new ones too; what they take runs;
- "handshake refused": sockets are lost, and new ones are answered by 429 for a while;
- "A traded by hand", "... with our tag", "foreign nonce": another client uses the account, with a
  key of its own, with an id like ours, or with the pair's own key;
- "A out of margin", "A liquidated" (and B's): collateral goes, or so much that the venue closes;
- "standard limits": the front counts requests as for the Standard tier, the daemons' budgets too;
- "quota spent": nothing is left of the volume quota but one transaction every 15 s;
- "key may only post", "SDK outdated": B's key is refused most of what it sends, or all;
- "leverage", "isolated margin": an account asks for more margin than the market, or keeps it apart;
- "reduce-only", "market inactive", "minimums raised", "quote limit", "margin fraction",
  "decimals changed": the rules of the market change while positions are open;
- "price halves", "price falls", "price runs": the market moves, through resting orders too;
- "bait": a stranger rests one lot, or more than the pair's quantity, far inside of a wide spread;
- "others fall away": the others' best prices leave A's order alone, step by step;
- "book frames stop": live sockets carry nothing of the book while the market and its mark move;
- "market changed": the pair is killed and started again on another market.

Exchange-wide kinds count as reached where a process met them: `SimVenue` and `SimPeer` say so.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from hedge.exchange.allowance import Allowance
from paper.limits import RequestLimits
from paper.records import Quote
from tests.simulation import lies
from tests.simulation.exchange import BTC, ETH, KEY, USD, A, B
from tests.simulation.front import KeyRule
from tests.simulation.weather import VIEW_LAG_S

if TYPE_CHECKING:
    from tests.simulation.daemon import Daemon
    from tests.simulation.schedule import Stage
    from tests.simulation.venue import SimVenue

Blow = Callable[["Stage", Random], None]

ORDER_TAG_BITS = 44
MAKER_ONLY = KeyRule("key may only post", 62007, "maker-only api key", may_post=True)
OUTDATED = KeyRule("SDK outdated", 21136, "please update the SDK")
BOTH = {"A": A, "B": B}
ANSWER_LIES = "answer lies"

WEATHER: dict[str, tuple[str, float, float]] = {
    "own trade lies": ("lie_own_trade", 0.05, 0.4),
    "own row lies": ("lie_own_row", 0.05, 0.4),
    "public trade lies": ("lie_peer_trade", 0.05, 0.4),
    "public position lies": ("lie_peer_position", 0.05, 0.4),
    "replica stuck": ("stick_read", 0.05, 0.3),
}


def _busy(stage: "Stage", dice: Random) -> None:
    stage.world.exchange.strangers_per_s = dice.randrange(1, 2000)


def _late(kind: str) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        lag = stage.world.exchange.lags[kind]
        lag.chance, lag.least_s, lag.kind = dice.uniform(0.3, 1.0), 0.0, ""
        lag.most_s = dice.choice((dice.uniform(0.1, 3), dice.uniform(3, VIEW_LAG_S)))

    return blow


def _all_late(stage: "Stage", dice: Random) -> None:
    """Let each row, trade and transaction be listed by a lag of its own, so out of order."""
    for kind in ("row", "trade", "tx"):
        lag = stage.world.exchange.lags[kind]
        lag.chance, lag.least_s, lag.most_s, lag.kind = 1.0, 0.0, VIEW_LAG_S - 1, ""
    stage.world.tally.reach("all listed late")


def _position_lags(stage: "Stage", dice: Random) -> None:
    """Let a copy that is behind answer, as one does to which changes come slowly."""
    lag = stage.world.exchange.lags["position"]
    lag.kind = "position lags"
    lag.chance, lag.least_s = 1.0, dice.uniform(0.5, VIEW_LAG_S)
    lag.most_s = min(VIEW_LAG_S, lag.least_s + dice.uniform(0, 2))


def _sockets(stage: "Stage", *, public: bool | None = None) -> list[Any]:
    return [
        socket
        for daemon in stage.daemons
        if daemon.is_running
        for socket in daemon.sockets
        if public is None or socket.is_public == public
    ]


def _bend(kind: str, fields: tuple[str, ...], *, public: bool, lasting: bool) -> Blow:
    """Let one field of the trades of one stream lie: once, or until reconnect."""

    def blow(stage: "Stage", dice: Random) -> None:
        sockets = _sockets(stage, public=public)
        if not sockets:
            return
        channels = ("trades", "position") if public and len(fields) > 1 else ("trades",)
        lie = lies.Lie(kind, channels, dice.getrandbits(32), dice.choice(fields), lasting)
        dice.choice(sockets).lies.append(lie)

    return blow


def _answer_lies(stage: "Stage", dice: Random) -> None:
    """Let one answer of newest trades be false in one field of its newest trade."""
    sockets = _sockets(stage)
    if sockets:
        field, seed = dice.choice(_FIELDS), dice.getrandbits(32)
        dice.choice(sockets).answer_lies.append(lies.Lie(ANSWER_LIES, (), seed, field))


def _bend_rows(stage: "Stage", dice: Random) -> None:
    sockets = _sockets(stage, public=False)
    if sockets:
        field = dice.choice(tuple(lies.ROW))
        lie = lies.Lie("own rows lie until reconnect", ("rows",), dice.getrandbits(32), field, True)
        dice.choice(sockets).lies.append(lie)


def _bend_margin(stage: "Stage", dice: Random) -> None:
    stage.world.exchange.tells_margin = True
    for socket in _sockets(stage, public=False):
        socket.lies.append(lies.Lie("margin lies", ("margin",), dice.getrandbits(32)))


def _bend_book(stage: "Stage", dice: Random) -> None:
    """Tell one process another book, until the next frame of it."""
    sockets = [socket for socket in _sockets(stage, public=False) if socket.is_up]
    if sockets:
        socket = dice.choice(sockets)
        socket.lies.append(lies.Lie("book lies", ("book",), dice.getrandbits(32)))
        socket.carry_book()
        stage.later(dice.uniform(0.5, 8), socket.carry_book)


def _stop_channel(stage: "Stage", dice: Random) -> None:
    sockets = _sockets(stage)
    if not sockets:
        return
    socket = dice.choice(sockets)
    channels = ("trades", "position") if socket.is_public else ("trades", "rows", "book")
    socket.stop_channel(dice.choice(channels), dice.uniform(2, 20))


def _own_sockets(stage: "Stage") -> "list[SimVenue]":
    return [
        daemon.venue for daemon in stage.daemons if daemon.is_running and daemon.venue is not None
    ]


def _cut_market(stage: "Stage", dice: Random) -> None:
    if venues := _own_sockets(stage):
        dice.choice(venues).cut_market(dice.uniform(0.3, 20), "public socket cut")


def _mute_account(stage: "Stage", dice: Random) -> None:
    if venues := _own_sockets(stage):
        answers = dice.random() < 0.5
        dice.choice(venues).mute_account(dice.uniform(5, 40), "private mute", answers=answers)


def _black_hole(stage: "Stage", dice: Random) -> None:
    daemon = stage.pick(dice.choice("ab"))
    if daemon.is_running:
        stage.world.tally.reach("link in a black hole")
    away_s = dice.uniform(3, 30)
    stage.last(away_s)
    stage.cut_venue(daemon.host, away_s, is_reset=False)


def _only_pings(stage: "Stage", dice: Random) -> None:
    away_s = dice.uniform(10, 60)
    stage.world.exchange.only_pings_until_s = stage.loop.time() + away_s
    stage.last(away_s)


def _refuse_handshakes(stage: "Stage", dice: Random) -> None:
    until_s = stage.loop.time() + dice.uniform(1, 10)
    stage.world.exchange.front.sockets_closed_until_s = until_s
    for socket in _sockets(stage):
        socket.lose_stream("the server goes away")


def _by_hand(side: str, client_id: Callable[[Random], int], kind: str) -> Blow:
    """Let another client trade with an account, with a key of its own."""

    def blow(stage: "Stage", dice: Random) -> None:
        exchange, number = stage.world.exchange, client_id(dice)
        exchange.foreign[number] = kind
        lots = dice.choice((-1, 1)) * dice.choice((100, dice.randrange(1, 150)))
        exchange.meddle(BOTH[side], lots, client_id=number)

    return blow


def _tagged(dice: Random) -> int:
    """Return an id such as the pair gives, made by chance elsewhere."""
    return dice.choice((0xA, 0xB)) << ORDER_TAG_BITS | dice.getrandbits(ORDER_TAG_BITS)


def _untagged(dice: Random) -> int:
    return dice.randrange(1, 1 << 20)


def _foreign_nonce(stage: "Stage", dice: Random) -> None:
    """Let another program sign with the pair's own key: an order that fills, or cannot."""
    exchange, account = stage.world.exchange, dice.choice((A, B))
    number = _untagged(dice)
    exchange.foreign[number] = "foreign nonce"
    if dice.random() < 0.5:
        exchange.spend_nonce(account, client_id=number)
    else:
        exchange.meddle(account, dice.choice((-50, 50)), key=KEY, client_id=number)


def _short_of_margin(side: str) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        exchange = stage.world.exchange
        price = exchange.engine.mark_price(ETH.market_id)
        of_one = ETH.quote(stage.world.settings.quantity_lots, price) * ETH.default_imf // 10_000
        exchange.leave_available(BOTH[side], round(of_one * dice.choice((0.0, 0.5, 1.0, 1.5))))

    return blow


def _liquidated(side: str) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        stage.world.exchange.liquidate(BOTH[side])

    return blow


def _standard_limits(stage: "Stage", dice: Random) -> None:
    """Count as for Standard: 60 a minute for an owner, who may own both accounts or one."""
    front = stage.world.exchange.front
    if front.limits is not None:
        return
    front.limits, front.is_shared = RequestLimits(), dice.random() < 0.5
    for account in (A, B):
        owner = "both" if front.is_shared else stage.world.exchange.engine.account(account).master
        front.browse(stage.loop.time(), owner, dice.choice((0, 25, 50, 58)))
    budget = dice.choice((15, 30, 60))
    stage.world.settings = replace(stage.world.settings, requests_per_minute=budget)
    for daemon in stage.daemons:
        if daemon.venue is not None:
            daemon.venue.budget.allow(Allowance(budget))


def _spend_quota(stage: "Stage", dice: Random) -> None:
    accounts = dice.choice(((A,), (B,), (A, B)))
    for account in accounts:
        stage.world.exchange.front.quota[account] = dice.choice((0, 0, 1, 3))


def _reduce_only(stage: "Stage", dice: Random) -> None:
    engine = stage.world.exchange.engine
    engine.set_force_reduce_only(ETH.market_id, on=True)
    if dice.random() < 0.5:
        stage.later(
            dice.uniform(1, 8), lambda: engine.set_force_reduce_only(ETH.market_id, on=False)
        )


def _inactive(stage: "Stage", dice: Random) -> None:
    front = stage.world.exchange.front
    front.is_inactive = True

    def reopen() -> None:
        front.is_inactive = False

    if dice.random() < 0.7:
        stage.later(dice.uniform(1, 8), reopen)


def _rules(kind: str, changes: Callable[["Stage", Random], dict[str, int]]) -> Blow:
    def blow(stage: "Stage", dice: Random) -> None:
        exchange = stage.world.exchange
        exchange.rules_kind = kind
        exchange.change_rules(**changes(stage, dice))

    return blow


def _minimums(stage: "Stage", dice: Random) -> dict[str, int]:
    """Put the minimums around the pair's quantity."""
    quantity = stage.world.settings.quantity_lots
    return {
        "min_base_lots": dice.choice((50, quantity - 10, quantity + 10)),
        "min_quote_micros": dice.choice((10, 28, 35)) * USD,
    }


def _quote_limit(stage: "Stage", dice: Random) -> dict[str, int]:
    """Allow barely what one fill is worth, for good: a wider cap is above the limit."""
    worth = ETH.quote(stage.world.settings.quantity_lots, ETH.start_price_ticks)
    return {"order_quote_limit_micros": worth * dice.choice((1001, 1002, 1005, 1010)) // 1000}


def _fraction(stage: "Stage", dice: Random) -> dict[str, int]:
    return {"default_imf": dice.choice((1000, 5000, 10_000))}


def _margin_fraction(stage: "Stage", dice: Random) -> None:
    """Ask for more initial margin where what an account has is just enough."""
    exchange = stage.world.exchange
    exchange.change_rules(**_fraction(stage, dice))
    side = dice.choice("AB")
    exchange.margin_kind[BOTH[side]] = "margin fraction"
    price = exchange.engine.mark_price(ETH.market_id)
    one = ETH.quote(stage.world.settings.quantity_lots, price)
    exchange.leave_available(BOTH[side], one * dice.choice((5, 12, 60)) // 100)


def _decimals(stage: "Stage", dice: Random) -> None:
    """Read amounts otherwise; a process that starts after that knows."""
    front = stage.world.exchange.front
    front.size_factor, front.size_changed_s = 10, stage.loop.time()


def _halves(stage: "Stage", dice: Random) -> None:
    """Move at once, also so low that the pair's quantity is worth less than the minimum."""
    exchange = stage.world.exchange
    exchange.book_kinds = (*dict.fromkeys((*exchange.book_kinds, "price halves")),)
    exchange.move(ETH.start_price_ticks * dice.choice((30, 50, 60, 170)) // 100)


def _glide(kind: str, per_step: tuple[float, float]) -> Blow:
    """Move step by step; each book frame tells."""

    def blow(stage: "Stage", dice: Random) -> None:
        exchange, steps = stage.world.exchange, dice.randrange(5, 25)
        exchange.book_kinds = (*dict.fromkeys((*exchange.book_kinds, kind)),)

        def step(left: int) -> None:
            price = exchange.engine.mark_price(ETH.market_id)
            exchange.move(max(1000, round(price * (1 + dice.uniform(*per_step)))))
            if left:
                stage.later(dice.uniform(0.05, 1.0), lambda: step(left - 1))

        step(steps)

    return blow


def _bait(stage: "Stage", dice: Random) -> None:
    """Widen the spread, and rest something far inside of it; both go after a while."""
    exchange = stage.world.exchange
    mark = exchange.engine.mark_price(ETH.market_id)
    wide, inside = mark * dice.randrange(0, 12) // 100, mark * dice.randrange(1, 9) // 100
    lots = dice.choice((1, 50, 10_000))
    exchange.book_kinds = (*dict.fromkeys((*exchange.book_kinds, "bait")),)
    exchange.part(mark - 100 - wide, mark + 100 + wide)
    is_ask = dice.random() < 0.5
    price = mark - inside if is_ask else mark + inside
    exchange.bait((Quote(is_ask, price, lots),))
    stage.later(dice.uniform(0.5, 6), lambda: exchange.bait(()))
    stage.later(dice.uniform(2, 12), lambda: exchange.part(mark - 100, mark + 100))


def _fall_away(stage: "Stage", dice: Random) -> None:
    """Let bids or asks go away from A's order, so that it is alone on top; mark stays."""
    exchange = stage.world.exchange
    mark = exchange.engine.mark_price(ETH.market_id)
    step, is_up = mark * dice.randrange(1, 6) // 1000, dice.random() < 0.5
    exchange.book_kinds = (*dict.fromkeys((*exchange.book_kinds, "others fall away")),)

    def go(number: int) -> None:
        gone = step * number
        if is_up:
            exchange.part(mark - 100, mark + 100 + gone)
        else:
            exchange.part(mark - 100 - gone, mark + 100)
        if number < 10:
            stage.later(dice.uniform(0.1, 1.0), lambda: go(number + 1))
        else:
            stage.later(dice.uniform(2, 30), lambda: exchange.part(mark - 100, mark + 100))

    go(1)


def _frames_stop(stage: "Stage", dice: Random) -> None:
    """Stop the book on live sockets of one side or both; then the market goes somewhere else."""
    exchange = stage.world.exchange
    seconds, sockets = dice.uniform(6, 20), _sockets(stage, public=False)
    # One that is still already is left to its reader, who gives it up in time.
    sockets = [one for one in sockets if stage.loop.time() >= one._stopped.get("book", 0.0)]
    chosen = sockets if dice.random() < 0.6 else [dice.choice(sockets)] if sockets else []
    for socket in chosen:
        socket.stop_channel("book", seconds)
    price = exchange.engine.mark_price(ETH.market_id) * dice.choice((90, 94, 98, 102, 106)) // 100
    stage.later(dice.uniform(0.1, 2), lambda: exchange.move(price))


def _other_market(stage: "Stage", dice: Random) -> None:
    """Kill the pair, or end it, and start it again on the other market."""
    settings = stage.world.settings
    symbol = BTC.symbol if settings.market == ETH.symbol else ETH.symbol
    stage.world.exchange.ladder(market_id=BTC.market_id)
    stage.world.settings = replace(settings, market=symbol)
    pair: tuple[Daemon, ...] = (stage.a, stage.b)
    for daemon in pair:
        dice.choice((daemon.kill, daemon.kill, daemon.stop))()
        stage.later(dice.uniform(0.2, 4), daemon.start)


def _key_rule(rule: KeyRule) -> Blow:
    """Let the exchange take less of B's key, or nothing, for a while or until it is cured."""

    def blow(stage: "Stage", dice: Random) -> None:
        rules = stage.world.exchange.front.key_rules
        rules[B, KEY] = rule

        def cure() -> None:
            if rules.get((B, KEY)) is rule:
                del rules[B, KEY]
                stage.world.exchange.front.key_told_s.pop(B, None)

        if dice.random() < 0.4:
            stage.later(dice.uniform(2, 15), cure)

    return blow


def _leverage(stage: "Stage", dice: Random) -> None:
    """Let an account be at 1x to 4x, with collateral for less than a few orders at that."""
    exchange, side = stage.world.exchange, dice.choice("ABB")
    fraction = dice.choice((2500, 5000, 10_000))
    exchange.lever(BOTH[side], fraction)
    exchange.margin_kind[BOTH[side]] = "leverage"
    price = exchange.engine.mark_price(ETH.market_id)
    one = ETH.quote(stage.world.settings.quantity_lots, price) * fraction // 10_000
    exchange.leave_available(BOTH[side], one * dice.choice((5, 40, 150)) // 100)


def _isolated(stage: "Stage", dice: Random) -> None:
    """Let B have isolated margin in the market; most times a person sets it right again."""
    isolated = stage.world.exchange.isolated
    isolated.add(B)
    if dice.random() < 0.7:
        stage.later(dice.uniform(5, 40), lambda: isolated.discard(B))


_FIELDS = tuple(lies.TRADE)

AIMED: dict[str, Blow] = {
    "only pings": _only_pings,
    "all listed late": _all_late,
    ANSWER_LIES: _answer_lies,
}
"""Only schedules that name them have them."""

BLOWS: dict[str, Blow] = {
    "busy market": _busy,
    "rows listed late": _late("row"),
    "trades listed late": _late("trade"),
    "transactions listed late": _late("tx"),
    "position listed late": _late("position"),
    "position lags": _position_lags,
    "margin lies": _bend_margin,
    "book lies": _bend_book,
    "own stream lies until reconnect": _bend(
        "own stream lies until reconnect", _FIELDS, public=False, lasting=True
    ),
    "public stream lies until reconnect": _bend(
        "public stream lies until reconnect", _FIELDS, public=True, lasting=True
    ),
    "own rows lie until reconnect": _bend_rows,
    "trade under another id": _bend(
        "trade under another id", ("twice",), public=False, lasting=False
    ),
    "public id far ahead": _bend("public id far ahead", ("id",), public=True, lasting=False),
    "channel stops": _stop_channel,
    "public socket cut": _cut_market,
    "private mute": _mute_account,
    "link in a black hole": _black_hole,
    "handshake refused": _refuse_handshakes,
    "A traded by hand": _by_hand("A", _untagged, "A traded by hand"),
    "B traded by hand": _by_hand("B", _untagged, "B traded by hand"),
    "A traded with our tag": _by_hand("A", _tagged, "A traded with our tag"),
    "B traded with our tag": _by_hand("B", _tagged, "B traded with our tag"),
    "foreign nonce": _foreign_nonce,
    "A out of margin": _short_of_margin("A"),
    "B out of margin": _short_of_margin("B"),
    "A liquidated": _liquidated("A"),
    "B liquidated": _liquidated("B"),
    "standard limits": _standard_limits,
    "quota spent": _spend_quota,
    "reduce-only": _reduce_only,
    "market inactive": _inactive,
    "minimums raised": _rules("minimums raised", _minimums),
    "quote limit": _rules("quote limit", _quote_limit),
    "margin fraction": _margin_fraction,
    "decimals changed": _decimals,
    "price halves": _halves,
    "price falls": _glide("price falls", (-0.02, 0.002)),
    "price runs": _glide("price runs", (-0.02, 0.02)),
    "bait": _bait,
    "others fall away": _fall_away,
    "book frames stop": _frames_stop,
    "market changed": _other_market,
    "key may only post": _key_rule(MAKER_ONLY),
    "SDK outdated": _key_rule(OUTDATED),
    "leverage": _leverage,
    "isolated margin": _isolated,
}
