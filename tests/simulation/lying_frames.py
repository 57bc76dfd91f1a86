"""Every leaf of captured frames, false once or until reconnect, on own streams and on B's watch.

python -m tests.simulation.lying_frames                 the whole table
python -m tests.simulation.lying_frames --drawn 60      so many drawn ones, by --seed

A frame is the captured one with what has truly happened filled in; one leaf is changed, and the
product's own readers read it. What the exchange answers stays true. Four fills follow each other
over 24 s; afterwards the pair must be right within a minute of the last false frame by itself, or
halted with its true positions shown: else the line ends in WRONG, and the exit code is 1. "healed
in n s" is from when on all stayed right; the fills themselves count in it.
"""

import argparse
import asyncio
import copy
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hedge.core.hedger import step as hedger
from hedge.exchange.lighter.streams.channels import PrivateTalk
from hedge.exchange.lighter.streams.connection import LinkLostError, LinkTimes
from hedge.exchange.lighter.streams.peer_channel import PeerTalk
from hedge.exchange.peer import PeerShown
from hedge.exchange.port import MarginSeen, OrdersSeen, TradesSeen
from paper import wire
from paper.wire import size_text
from tests.simulation.daemon import Tools
from tests.simulation.exchange import ETH, SPECS, A, B, Margin, SimExchange
from tests.simulation.host import SimClock
from tests.simulation.lies import Lie
from tests.simulation.loop import VirtualLoop
from tests.simulation.loop import run as run_loop
from tests.simulation.schedule import Profile, Stage

PAYLOADS = Path(__file__).parents[1] / "payloads"
HIGH_BIT = 1 << 31
CALM = Profile(faults=(), skew_ms=0, peer_watch=1.0, same_host=0.0, secret=1.0)
SEED = 1
FILLS = ((60, 6.0), (100, 6.0), (100, 6.0), (100, 6.0))
"""Lots that the market takes, and the seconds until the next time."""
HEALED_S = 60.0
LOOK_S = 0.5
HOWS = ("other", "null", "absent")
Leaf = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One lie: whose stream ("A", "B": its own; "watch": B's of A), which frame, leaf and how."""

    stream: str
    frame: str
    leaf: Leaf
    how: str
    lasting: bool

    def __str__(self) -> str:
        mode = "until reconnect" if self.lasting else "once"
        path = ".".join(map(str, self.leaf))
        return f"{self.stream:5} {self.frame:9} {path:58} {self.how:6} {mode:15}"


# --- captured frames ------------------------------------------------------------------------------


@cache
def captured(name: str) -> Any:
    """Return a captured payload."""
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def template(frame: str) -> dict[str, Any]:
    """Return the captured frame of a kind; `account_all` is put together from captured rows."""
    if frame in ("trades", "orders", "stats"):
        name = {"trades": "ws_trades_update", "orders": "ws_orders_update"}.get(frame)
        found: dict[str, Any] = copy.deepcopy(captured(name or "ws_user_stats"))
        return found
    found = {"type": "update/account_all", "channel": "account_all:0"}
    if frame == "all trades":
        return found | {"trades": copy.deepcopy(captured("ws_trades_update")["trades"])}
    row = copy.deepcopy(captured("rest_account")["accounts"][0]["positions"][0])
    return found | {"positions": {"0": row}}


FRAMES = {
    "A": ("trades", "orders", "stats"),
    "B": ("trades", "orders", "stats"),
    "watch": ("all trades", "all positions"),
}


def leaves(value: Any, path: Leaf = ()) -> Iterator[Leaf]:
    """Yield the path of every leaf; what is empty is one too."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))
    else:
        yield path


def filled(frame: str, content: Any, exchange: SimExchange, account: int) -> dict[str, Any]:
    """Return the captured frame with what has happened; one frame for each trade or row."""
    found = template(frame)
    _, _, family = str(found["type"]).partition("/")
    found["channel"] = f"{family}:{account}"
    if frame in ("trades", "all trades"):
        trade = next(one for _, _, one in exchange.log.trades if one.trade_id == content.trade_id)
        found["trades"]["0"][0] |= wire.trade(ETH, trade)
    elif frame == "orders":
        rows = exchange.log.orders[content.order_index]
        order = next(
            one
            for _, one in rows
            if (one.filled_lots, one.status.value, one.transaction_us // 1000)
            == (content.filled_lots, content.status.value, content.updated_ms)
        )
        for row in found["orders"].values():
            row[0] |= wire.order(ETH, order)
    elif frame == "stats":
        found["stats"]["available_balance"] = wire.money(content.available_micros)
    else:
        lots = {"position": size_text(ETH, abs(content)), "sign": -1 if content < 0 else 1}
        found["positions"]["0"] |= lots | {"market_id": 0, "symbol": "ETH"}
    return found


def falsified(frame: dict[str, Any], leaf: Leaf, how: str) -> dict[str, Any]:
    """Return the frame with one leaf that is not true, null, or absent."""
    found = copy.deepcopy(frame)
    holder: Any = found
    for key in leaf[:-1]:
        holder = holder[key]
    if how == "absent":
        del holder[leaf[-1]]
    else:
        holder[leaf[-1]] = None if how == "null" else _other(holder[leaf[-1]])
    return found


def _other(value: Any) -> Any:
    """Return something of the same type that is not true."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ HIGH_BIT if abs(value) > 1 else -value or 1
    if isinstance(value, str):
        digits = value.replace(".", "", 1).lstrip("-")
        if not digits.isdigit():
            return _WORDS.get(value, "?")
        _, dot, decimals = value.partition(".")
        if not dot:
            return str(int(value) ^ HIGH_BIT)
        lots = int(value.replace(".", "")) * 10 or 1
        return f"{Decimal(lots).scaleb(-len(decimals)):f}"
    return "?"


_WORDS = {"filled": "canceled", "open": "filled", "canceled": "filled", "trade": "liquidation"}


class Reader:
    """The product's own readers of one stream."""

    def __init__(self, stream: str, clock: SimClock) -> None:
        self._account = B if stream == "B" else A
        self._spec = SPECS[ETH.symbol]
        self.events: list[Any] = []
        times, emit = LinkTimes(), self.events.append
        self._talk: Any
        if stream == "watch":
            self._talk = PeerTalk(self._account, self._spec, clock, times, emit)
            self._talk.ready_since_ms = 0
        else:
            self._talk = PrivateTalk(
                self._account,
                clock,
                times,
                emit,
                lambda _: None,
                spec=self._spec,
                token=_no_token,
                token_life_s=1000,
            )
            self._talk.ready_since_ms = 0

    def read(self, frame: dict[str, Any]) -> list[Any]:
        """Return what the process is told: contents as sockets carry them. Raises LinkLostError."""
        self.events.clear()
        self._talk.heard(frame, 0)
        return [content for event in self.events for content in _contents(event)]


async def _no_token() -> str:
    return ""


def _contents(event: Any) -> list[Any]:
    match event:
        case TradesSeen(trades, _):
            return [trades]
        case OrdersSeen(rows):
            return [rows]
        case MarginSeen(available_micros):
            return [Margin(available_micros)]
        case PeerShown(trades, position_lots, _):
            shown = [] if position_lots is None else [position_lots]
            return [*shown, *([trades] if trades else [])]
        case _:
            return []


# --- one case -------------------------------------------------------------------------------------

_FRAME_OF = {
    "trades": ("trades", "all trades"),
    "rows": ("orders",),
    "margin": ("stats",),
    "position": ("all positions",),
}


@dataclass
class LeafLie(Lie):
    """Bends one leaf of the frames of one kind, as the product reads it."""

    case: Case | None = None
    exchange: SimExchange | None = None
    reader: Reader | None = None
    told_s: float | None = None
    """When it was last told, and made a difference."""
    met: int = 0

    def bent(self, content: Any) -> Any:
        """Return what the process reads; None: nothing. Raises LinkLostError."""
        assert self.case is not None
        assert self.exchange is not None
        assert self.reader is not None
        account = B if self.case.stream == "B" else A
        parts = content if isinstance(content, tuple) else (content,)
        told: list[Any] = []
        self.met += 1
        before_s, self.told_s = self.told_s, self.exchange.loop.time()
        for part in parts:
            frame = filled(self.case.frame, part, self.exchange, account)
            told += self.reader.read(falsified(frame, self.case.leaf, self.case.how))
        if isinstance(content, tuple):
            read: Any = tuple(one for some in told for one in some) or None
        else:
            read = told[0] if told else None
        if read == content:
            self.told_s = before_s
        return read


class Play:
    """One pair on a calm day, and one lie."""

    def __init__(self, loop: VirtualLoop, case: Case) -> None:
        self._loop, self._case = loop, case
        self._stage = Stage(loop, SEED, CALM, Tools(), None)
        self._stage.world.exchange.tells_margin = True
        self.outcome = ""

    async def play(self) -> str:
        """Return what came of it."""
        stage, case = self._stage, self._case
        stage.desk.start()
        if not await stage._until(stage._is_working, 30):
            return "WRONG: the pair does not start"
        await asyncio.sleep(3)
        daemon = stage.a if case.stream == "A" else stage.b
        socket = next(one for one in daemon.sockets if one.is_public == (case.stream == "watch"))
        reader = Reader(case.stream, SimClock(self._loop, daemon.host))
        channels = tuple(name for name, frames in _FRAME_OF.items() if case.frame in frames)
        lie = LeafLie(
            "a leaf lies",
            channels,
            0,
            until_reconnect=case.lasting,
            case=case,
            exchange=stage.world.exchange,
            reader=reader,
        )
        socket.lies.append(lie)
        for lots, pause_s in FILLS:
            stage.world.exchange.take(lots, A)
            await asyncio.sleep(pause_s)
        if lie.told_s is None:
            return "no effect: read as the truth" if lie.met else "no effect: no such frame came"
        return await self._judged(lie)

    async def _judged(self, lie: LeafLie) -> str:
        """Wait until the pair is right, from when a fill was last told falsely; name how it ended.

        What lies until reconnect goes on lying meanwhile.
        """
        stage, right_s, told_s = self._stage, None, lie.told_s
        assert told_s is not None
        trades = False
        while self._loop.time() < told_s + HEALED_S + 30:
            stage.restart()
            if not self._is_right():
                right_s = None
            elif right_s is None:
                right_s = self._loop.time()
            trades |= self._loop.time() > told_s + HEALED_S and stage._is_working()
            await asyncio.sleep(LOOK_S)
        if stage.world.bugs:
            return f"WRONG: {stage.world.bugs[0]}"
        broken = [one for one in stage.judged() if one.number is None]
        if right_s is None or right_s > told_s + HEALED_S:
            return f"WRONG: not right within a minute; {stage._states()}"
        if broken:
            return f"WRONG: {broken[0].text}"
        if (halt := stage.halt()) is None and not trades:
            return f"WRONG: it does not trade; {stage._states()}"
        if halt is not None:
            return f"halted ({halt.reason}), true positions shown"
        return f"healed in {max(0.0, right_s - told_s):.0f} s"

    def _is_right(self) -> bool:
        """Whether both books and B's view are the exchange's, or both books beside a halt."""
        stage = self._stage
        if not (stage.a.is_running and stage.b.is_running):
            return False
        exchange, a, b = stage.world.exchange, stage.a.manager.state, stage.b.manager.state
        lots_a, lots_b = exchange.lots(A), exchange.lots(B)
        if (a.net_lots, b.net_lots) != (lots_a, lots_b):
            return False
        if stage.halt() is not None:
            return True
        view = hedger.a_view(b)
        is_seen = view is not None and view.position_lots == lots_a and hedger.is_covered(b)
        newest = max((one.trade_id for _, _, one in exchange.log.trades), default=0)
        ids = (a.last_trade_id, b.last_trade_id, view.last_trade_id if view else 0)
        return is_seen and lots_a + lots_b == 0 and max(ids) <= newest


def play(case: Case) -> str:
    """Play one case on a virtual clock; return its outcome."""
    if not is_read(case):
        return "no effect: not read"

    async def main(loop: VirtualLoop) -> str:
        return await Play(loop, case).play()

    outcome: str = run_loop(main)
    return outcome


def is_read(case: Case) -> bool:
    """Whether this leaf makes a difference to the product's readers, in a frame as captured."""
    stream = "watch" if case.frame.startswith("all ") else case.stream
    frame = template(case.frame)
    _, _, family = str(frame["type"]).partition("/")
    account = B if stream == "B" else A
    frame["channel"] = f"{family}:{account}"
    for rows in (frame.get("trades") or {}).values():
        for row in rows:
            row |= {"ask_account_id": account, "market_id": 0}
    for rows in (frame.get("orders") or {}).values():
        for row in rows:
            row |= {
                "owner_account_index": account,
                "market_index": 0,
                "price": "100.00",
                "initial_base_amount": "0.0020",
                "filled_base_amount": "0.0015",
            }
    if "positions" in frame:
        frame["positions"]["0"] |= {"market_id": 0, "position": "0.0020"}
    clock: Any = _StillClock()
    truth = Reader(stream, clock).read(frame)
    assert truth, f"the captured {case.frame} frame is not read"
    try:
        return Reader(stream, clock).read(falsified(frame, case.leaf, case.how)) != truth
    except LinkLostError:
        return True


class _StillClock:
    """A clock for frames that no process hears."""

    def now_ms(self) -> int:
        return 0


def cases() -> list[Case]:
    """Return the whole matrix."""
    return [
        Case(stream, frame, leaf, how, lasting)
        for stream, frames in FRAMES.items()
        for frame in frames
        for leaf in leaves(template(frame))
        for how in HOWS
        for lasting in (False, True)
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the table; return 1 where a line of it is wrong."""
    from tests.simulation.__main__ import quiet  # noqa: PLC0415  it reads what it does not need

    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.lying_frames",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--drawn", type=int, help="play so many drawn cases (all that are read)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the drawing")
    parser.add_argument("--only", default="", help="cases whose line contains this")
    parser.add_argument("--brief", action="store_true", help="no line for what has no effect")
    options = parser.parse_args(argv)
    quiet()
    chosen = [case for case in cases() if options.only in str(case)]
    if options.drawn is not None:
        read = [case for case in chosen if is_read(case)]
        chosen = Random(options.seed).sample(read, min(options.drawn, len(read)))
    totals: Counter[str] = Counter()
    for case in chosen:
        outcome = play(case)
        kind = outcome.partition(":")[0].partition(" in ")[0].partition(",")[0]
        totals[kind] += 1
        if not (options.brief and kind == "no effect"):
            print(f"{case} {outcome}", flush=True)
    print(f"cases={len(chosen)} " + ", ".join(f"{word} {n}" for word, n in totals.most_common()))
    return 1 if totals["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
