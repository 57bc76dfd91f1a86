"""What an earlier run left elsewhere: found by host, exchange and Redis; forgotten by none."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from hedge.bus.remnants import Elsewhere
from hedge.config.schema import Config, StrategyConfig
from hedge.core.amounts import Side
from hedge.core.ids import marker_id, order_id
from hedge.daemon import left_markets
from hedge.daemon.commands import DEFAULT_COMMANDS
from hedge.daemon.context import Parts
from hedge.daemon.host_store import HostState
from hedge.daemon.left_markets import Remains
from hedge.errors import ConfigError
from hedge.exchange.port import (
    OrderElsewhere,
    OrderKind,
    OrderRequest,
    PositionElsewhere,
    TimeInForce,
)
from tests.unit.shell.fakes import ACCOUNT_A, API_KEY, CHAIN, Bench
from tests.unit.venue.fakes import BTC, ETH
from tests.waiting import eventually

OURS = order_id("abc123", 7)
ETH_LONG = PositionElsewhere(ETH.market_index, "ETH", Decimal("0.0100"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, "a")
    yield made
    made.close()


def in_btc(parts: Parts) -> Parts:
    """Return the same host, started for another market."""
    return replace(parts, scope=replace(parts.scope, spec=BTC))


def resting(life_s: int = 0) -> OrderRequest:
    good = TimeInForce.POST_ONLY
    return OrderRequest(OURS, Side.BUY, 100, 299_990, OrderKind.LIMIT, good, life_s=life_s)


def found(
    parts: Parts,
    orders: tuple[OrderElsewhere, ...] = (),
    positions: tuple[PositionElsewhere, ...] = (),
    stated: dict[int, str] | None = None,
    named: frozenset[int] = frozenset(),
) -> tuple[Remains, ...]:
    told = Elsewhere(stated or {}, named)
    return left_markets.remains_of(in_btc(parts), orders, positions, told)


def test_an_order_that_no_process_of_the_pair_signed_is_not_left(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A person's order with an id like ours; without a list the tag counts."""
    order = (OrderElsewhere(BTC.market_index, OURS),)

    def remains(*signers: str) -> tuple[Remains, ...]:
        return left_markets.remains_of(bench.parts, order, (), Elsewhere(), signers)

    assert len(remains()) == len(remains("abc123")) == 1
    assert remains("abc124") == ()
    assert "other_order" in caplog.text


async def test_a_market_that_was_left_neutral_and_flat_leaves_nothing(bench: Bench) -> None:
    """A stop, or a run in the same market, is no reason to wait."""
    left_markets.begin(bench.parts)
    assert await left_markets.keep_order(bench.parts, resting())
    bench.host.write("book-0", {"position_lots": 0})
    assert left_markets.left_by(bench.host) == ""
    left_markets.end(bench.parts)
    assert left_markets.left_by(bench.host) == bench.parts.instance
    assert found(bench.parts) == ()
    assert left_markets.remains_of(bench.parts, (), (), Elsewhere()) == ()


def test_what_is_settled_is_known_to_the_next_start(bench: Bench) -> None:
    """Its fence waits for nothing that was signed before it, whoever was killed since."""
    left_markets.begin(bench.parts)
    left_markets.keep_settled(bench.parts)  # it has not passed a fence
    left_markets.begin(bench.restart())
    assert bench.parts.sender.nonces.next_nonce is None
    bench.parts.sender.nonces.fenced(7, 0)
    left_markets.keep_settled(bench.parts)
    bench.parts.sender.nonces.sent(7)
    for _ in range(2):
        left_markets.begin(bench.restart())
        assert bench.parts.sender.nonces.next_nonce == 7
        assert not bench.parts.sender.nonces.are_ours(8)


def test_a_position_in_the_host_s_book_is_left(bench: Bench) -> None:
    """Also after a stop: it is hedged there, and forgotten by a run elsewhere. Unknown is left."""
    for book in ({"position_lots": 100}, {}):
        bench.host.write("book-0", book)
        left_markets.end(bench.parts)
        assert [one.market_index for one in found(bench.parts)] == [0]
    bench.host.write("book-1", {"position_lots": 5})
    assert [one.market_index for one in found(bench.parts)] == [0]


async def test_an_order_that_may_rest_is_left_until_its_end(bench: Bench) -> None:
    """The host's file names it, with the time after which it cannot fill."""
    assert await left_markets.keep_order(bench.parts, resting(life_s=330))
    (one,) = found(bench.parts)
    assert one.market_index == 0
    assert f"order {OURS} (buy 0.0100 ETH at 2999.90) may rest until 20" in one.text
    bench.clock.advance_ms(334_000)
    assert found(bench.parts)
    bench.clock.advance_ms(2000)
    assert found(bench.parts) == ()
    assert await left_markets.keep_order(bench.parts, resting())
    left_markets.forget_order(bench.parts)
    assert found(bench.parts) == ()


async def test_an_order_is_placed_only_once_its_record_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk it is not, after a moment; the market's record is waited for as well."""
    monkeypatch.setattr(left_markets, "STORED_S", 0.05)
    for name in ("market", "resting"):
        temporary = bench.host.path / f".{name}.json.tmp"
        temporary.symlink_to("/dev/full")
        left_markets.begin(bench.parts)
        assert not await left_markets.keep_order(bench.parts, resting())
        temporary.unlink()
        assert await eventually(lambda: left_markets.keep_order(bench.parts, resting()))


def test_an_order_without_a_readable_end_is_left(bench: Bench) -> None:
    """Unknown is not over."""
    bench.host.write("resting", {"market_index": 0, "ends_at_ms": "soon"})
    (one,) = found(bench.parts)
    assert "unknown time" in one.text


def test_the_exchange_s_list_shows_the_pair_s_orders(bench: Bench) -> None:
    """Of any market that the host never knew; another program's order is none of ours."""
    marker = marker_id("abc123", 1)
    orders = tuple(map(OrderElsewhere, (7, 8, 9), (OURS, 4711, marker)))
    assert [one.market_index for one in found(bench.parts, orders)] == [7, 9]


def test_a_position_counts_where_the_pair_is_known_to_have_been(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it is named, since it shares the margin, and left alone."""
    assert found(bench.parts, positions=(ETH_LONG,)) == ()
    assert "other_position" in caplog.text
    left_markets.begin(bench.parts)
    (one,) = found(bench.parts, positions=(ETH_LONG,))
    assert "+0.0100 ETH" in one.text
    left_markets.end(bench.parts)
    assert found(bench.parts, positions=(ETH_LONG,)) == ()
    assert found(bench.parts, positions=(ETH_LONG,), stated={0: "Redis shows a debt of B: 1"})


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_position_counts_where_redis_has_the_pair_s_last_records(
    tmp_path: Path, side: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A host that lost its disk knows of no market; the record may be older than a fill.

    One that has left the market knows better: what is held there since then is a person's.
    """
    bench, redis = Bench(tmp_path, side), frozenset({ETH.market_index})
    try:
        (one,) = found(bench.parts, positions=(ETH_LONG,), named=redis)
        assert "+0.0100 ETH, where Redis has the pair's last records" in one.text
        assert found(bench.parts, named=redis) == ()
        assert found(bench.parts, positions=(ETH_LONG,), named=frozenset({7})) == ()
        left_markets.end(bench.parts)
        assert found(bench.parts, positions=(ETH_LONG,), named=redis) == ()
        assert "other_position" in caplog.text
        # A run elsewhere changes nothing of that, however it ends; one there does.
        for step in (left_markets.begin, left_markets.end):
            step(in_btc(bench.parts))
            assert found(bench.parts, positions=(ETH_LONG,), named=redis) == ()
        left_markets.begin(bench.parts)
        left_markets.begin(in_btc(bench.parts))
        assert found(bench.parts, positions=(ETH_LONG,), named=redis)
        bench.host.write("market", {"market_index": ETH.market_index, "left": True})  # of before
        assert found(bench.parts, positions=(ETH_LONG,), named=redis) == ()
        bench.host.write("market", {"market_index": BTC.market_index, "left_neutral": "garbled"})
        assert found(bench.parts, positions=(ETH_LONG,), named=redis)
    finally:
        bench.close()


def test_b_looks_again_at_a_market_that_it_did_not_leave(tmp_path: Path) -> None:
    """What A filled after B died shows in nothing of B's."""
    bench = Bench(tmp_path, "b")
    try:
        left_markets.begin(bench.parts)
        assert [one.market_index for one in found(bench.parts)] == [0]
        left_markets.end(bench.parts)
        assert found(bench.parts) == ()
    finally:
        bench.close()


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_market_that_is_left_keeps_the_offset_it_was_run_with(tmp_path: Path, side: str) -> None:
    """What A + B shall be in the new market says nothing of the old one, where B holds something.

    A host that does not know, and a record of before, leave it to what is written now.
    """
    bench, new = Bench(tmp_path, side), Decimal("0.0005")
    try:
        written = replace(bench.parts.config, market="BTC", strategy=StrategyConfig())
        written = replace(written, strategy=replace(written.strategy, offset_base_amount=new))

        def there(market_index: int) -> Config:
            return left_markets.config_there(written, bench.host, market_index)

        assert there(0).strategy.offset_base_amount == new
        old = replace(bench.parts.config.strategy, offset_base_amount=Decimal("-0.0040"))
        ran = replace(bench.parts, config=replace(bench.parts.config, strategy=old))
        left_markets.begin(ran)
        assert there(0).strategy.offset_base_amount == Decimal("-0.0040")
        assert there(7).strategy.offset_base_amount == new
        assert there(0).market == "0"
        assert there(0).safety.max_position_base_amount is None
        for garbled in ({}, {"offset_base_amount": "much"}, {"offset_base_amount": "NaN"}):
            bench.host.write("market", {"market_index": 0, **garbled})
            assert there(0).strategy.offset_base_amount == new
    finally:
        bench.close()


# --- other keys


@pytest.fixture
def other(bench: Bench, tmp_path: Path) -> Iterator[Parts]:
    """The parts of a run under another API key of the same host, whose order may rest."""
    with HostState(tmp_path, CHAIN, ACCOUNT_A, API_KEY + 1) as host:
        parts = replace(bench.parts, host=host)
        left_markets.begin(parts)
        asyncio.run(left_markets.keep_order(parts, resting()))
        assert host.flush()
        yield parts


def test_an_order_under_another_key_refuses_the_start(bench: Bench, other: Parts) -> None:
    """The sentence names order, its end and the old values; the key cannot cancel it."""
    other.host.close()
    with pytest.raises(ConfigError) as failure:
        left_markets.refuse_other_keys(bench.parts)
    text = str(failure.value)
    for words in (
        f"account_index {ACCOUNT_A}",
        f"api_key_index {API_KEY + 1}",
        f"chain {CHAIN}",
        str(OURS),
    ):
        assert words in text
    assert re.search(r"until 20\d\d-|until 19\d\d-", text)
    bench.clock.advance_ms(606_000)
    left_markets.refuse_other_keys(bench.parts)


def test_what_another_process_runs_is_its_own(bench: Bench, other: Parts) -> None:
    """Its lock is held: it is alive and knows its order."""
    left_markets.refuse_other_keys(bench.parts)
    assert other.host.read("resting") is not None


@pytest.mark.parametrize("change", [{"side": "b"}, {"pair": "another"}])
def test_another_side_or_pair_is_not_meant(
    bench: Bench, other: Parts, change: dict[str, str]
) -> None:
    """Two pairs of one host may keep their states beside each other."""
    other.host.write("market", {**(other.host.read("market") or {}), **change})
    other.host.close()
    left_markets.refuse_other_keys(bench.parts)


# --- the way out


def test_the_way_out_names_market_amount_and_command() -> None:
    """Flat: start again. With a position: the old market, and how it is closed."""
    remains = Remains(0, ("order 5 rests",))
    text = left_markets.way_out("a", ETH, "BTC", remains, 100, DEFAULT_COMMANDS)
    for words in ("for BTC", "in ETH", "order 5 rests", "A cancelled", "+0.0100 ETH", "flatten"):
        assert words in text
    assert "--market ETH" in text
    assert "offset_base_amount" not in text
    offset = Decimal("-0.0040")
    text = left_markets.way_out("b", ETH, "BTC", remains, -40, DEFAULT_COMMANDS, offset)
    assert "start both there, with `strategy.offset_base_amount: -0.0040` as before: " in text
    assert "flat in ETH now: start BTC again" in left_markets.way_out(
        "b", ETH, "BTC", remains, 0, DEFAULT_COMMANDS
    )
    assert "unknown position" in left_markets.way_out(
        "b", ETH, "BTC", remains, None, DEFAULT_COMMANDS
    )
