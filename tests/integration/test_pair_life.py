"""The pair's ordinary life: it trades in cycles, says so in full, and stops cleanly."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fault_helpers import flat
from tests.world.pair import NAMES, Pair
from tests.world.paper import ACCOUNT_A, ACCOUNT_B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
]

USERS_FIELDS = {
    "account_index",
    "market_index",
    "order_index",
    "filled_base_amount",
    "filled_quote_amount",
    "avg_price",
    "timestamp",
    "side",
}
OUR_FIELDS_A = {
    "pair",
    "epoch",
    "n",
    "echo",
    "v",
    "trade_id",
    "client_order_index",
    "instance",
    "seq",
    "position_base_amount",
    "last_trade_id",
    "chain_id",
}
OUR_FIELDS_B = {
    "pair",
    "epoch",
    "n",
    "echo",
    "v",
    "client_order_index",
    "trade_ids",
    "a_seq",
    "owed_base_amount",
    "attempt",
    "latency_ms",
    "cost_bps",
    "chain_id",
}
STAMPS_A = {"frame_ns", "published_ns"}
STAMPS_B = {"stamps"}
EVENT_FIELDS = {
    "pair",
    "epoch",
    "n",
    "echo",
    "v",
    "side",
    "event",
    "state",
    "reason",
    "detail",
    "timestamp",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A running pair for this module; its tests leave it neutral."""
    async with Pair(tmp_path_factory.mktemp("pair")) as made:
        await made.start()
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def flat_again(pair: Pair) -> None:
    """Every test finds both daemons running, and the pair flat."""
    await pair.revive()
    await flat(pair)


async def cycle(pair: Pair) -> None:
    """Fill A's buy and then its sell, each covered."""
    for state in ("0.0100", "0.0000"):
        await pair.fill_a()
        await pair.until_position_b(f"-{state}")
        await pair.until_neutral()


async def test_a_fresh_pair_trades_in_cycles(pair: Pair) -> None:
    """Flat, long, flat again, twice; B mirrors every step to the lot."""
    since = await pair.last_seq()
    for _ in range(2):
        await cycle(pair)
    result = await pair.check(since)
    assert (result.a_lots, result.b_lots) == (0, 0)
    assert result.prefixes >= 8
    assert result.neutral_moments >= 3


async def test_every_fill_is_published_with_its_documented_fields(pair: Pair) -> None:
    """A message of A has the users' eight fields and ours, all of the documented types."""
    since, told = await pair.last_seq(), len(await pair.all_told_on(NAMES.account_a_filled))
    await cycle(pair)
    messages = (await pair.all_told_on(NAMES.account_a_filled))[told:]
    trades = await pair.paper.trades(since, account=ACCOUNT_A)
    assert [message["trade_id"] for message in messages] == [row["trade_id"] for row in trades]
    for message, trade in zip(messages, trades, strict=True):
        assert set(message) - STAMPS_A == USERS_FIELDS | OUR_FIELDS_A
        assert message["account_index"] == ACCOUNT_A
        assert message["market_index"] == 0
        assert message["filled_base_amount"] == trade["size"]
        assert message["filled_quote_amount"] == trade["usd_amount"]
        assert message["avg_price"] == trade["price"]
        bought = trade["bid_account_id"] == ACCOUNT_A
        assert message["side"] == ("buy" if bought else "sell")
        assert isinstance(message["timestamp"], int)
        assert message["timestamp"] * 1000 <= trade["timestamp"] + 1000
    assert [message["seq"] for message in messages] == sorted(
        {message["seq"] for message in messages}
    )


async def test_every_hedge_is_published_with_its_documented_fields(pair: Pair) -> None:
    """A message of B names its trades, and they add up to what it says."""
    await cycle(pair)
    messages = await pair.all_told_on(NAMES.account_b_filled)
    trades = {row["trade_id"]: row for row in await pair.paper.trades(account=ACCOUNT_B)}
    assert messages
    told = []
    for message in messages:
        assert set(message) - STAMPS_B == USERS_FIELDS | OUR_FIELDS_B
        assert message["account_index"] == ACCOUNT_B
        assert message["attempt"] == 1
        rows = [trades[trade_id] for trade_id in message["trade_ids"]]
        total = sum(round(float(row["size"]) * 10_000) for row in rows)
        assert round(float(message["filled_base_amount"]) * 10_000) == total
        told += message["trade_ids"]
    assert sorted(told) == sorted(trades)


async def test_the_history_streams_hold_what_was_published(pair: Pair) -> None:
    """The streams keep the same texts as the channels."""
    await cycle(pair)
    for stream, channel in (
        (NAMES.fills, NAMES.account_a_filled),
        (NAMES.results, NAMES.account_b_filled),
    ):
        assert await pair.client.xlen(stream) == len(await pair.all_told_on(channel))


async def test_the_keys_are_those_documented(pair: Pair) -> None:
    """A neutral pair leaves exactly its documented keys in Redis."""
    await cycle(pair)
    keys = set(await pair.client.keys("*"))
    leases = {key for key in keys if key.startswith("hedge:lease:")}
    assert len(leases) == 4
    pairs_leases = {f"hedge:lease:pair:304:{ACCOUNT_A}:{ACCOUNT_B}:0:{side}" for side in "ab"}
    assert pairs_leases < leases
    signers = {key for key in keys if key.startswith("hedge:instances:")}
    assert len(signers) == 2
    assert keys - leases - signers == {
        NAMES.position_a,
        NAMES.position_b,
        NAMES.ledger,
        NAMES.neutral,
        NAMES.ready_a,
        NAMES.ready_b,
        NAMES.fills,
        NAMES.results,
    }


async def test_check_beside_a_running_side_touches_nothing(pair: Pair) -> None:
    """Same configuration, same host: not refused, and log, state and lease stay as they are."""
    log = pair.folder / "logs" / "main_B.log"
    (host,) = (pair.folder / "state-b").rglob("host.json")

    async def seen() -> tuple[str, object, int]:
        lease = await pair.key(f"hedge:lease:304:{ACCOUNT_B}:4") or {}
        return host.read_text(), lease.get("instance"), log.read_text().count("start version")

    before = await seen()
    daemon = pair.spawn("b", pair.config_of("b"), "--check")
    assert await daemon.ended() == 0
    assert "a process of host id" in daemon.output()
    assert await seen() == before
    assert before[1] is not None


async def test_a_clean_stop_leaves_nothing_behind(pair: Pair) -> None:
    """SIGTERM ends A's order and both with 0; leases go, the last heartbeats say that they left."""
    await pair.until_resting()
    assert await pair.stop_a() == 0
    assert await pair.resting() == []
    assert await pair.stop_b() == 0
    result = await pair.audit()
    result.check()
    keys = set(await pair.client.keys("*"))
    assert not [key for key in keys if key.startswith("hedge:lease:")]
    for key in keys & {NAMES.ready_a, NAMES.ready_b}:
        text = await pair.client.get(key)
        assert text is None or json.loads(text)["left"] is True
    for event in await pair.all_told_on(NAMES.events):
        assert set(event) == EVENT_FIELDS


async def test_the_pair_goes_on_after_a_clean_stop_while_long(pair: Pair) -> None:
    """Stopped with a hedged position and started again, it closes that position."""
    await pair.fill_a()
    await pair.until_position_b("-0.0100")
    await pair.until_neutral()
    assert (await pair.stop_a(), await pair.stop_b()) == (0, 0)
    await pair.start()
    order = (await pair.resting())[0]
    assert order.is_ask
    assert order.reduce_only
    await pair.fill_a()
    await pair.until_position_b("0")
    await pair.check()


async def test_a_second_signal_counts_only_after_a_while(tmp_path: Path) -> None:
    """One that comes at once is the same request; later ones end a stop that cannot finish."""
    async with Pair(tmp_path, settings={"timing.stop_timeout_s": 60.0}) as pair:
        await pair.start()
        assert pair.a is not None
        assert pair.b is not None
        pair.b.send(signal.SIGSTOP)
        await pair.fill_a()
        pair.a.send(signal.SIGTERM)
        await pair.until_state_a("stopping")
        assert pair.a.code is None
        pair.a.send(signal.SIGTERM)
        assert pair.a.code is None

        def asked_again() -> bool:
            assert pair.a is not None
            if pair.a.code is None:
                pair.a.send(signal.SIGTERM)
            return pair.a.code is not None

        await pair.until(asked_again, "the end of A")
        assert pair.a.code == 5
        pair.b.send(signal.SIGCONT)
