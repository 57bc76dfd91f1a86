"""What A says of itself, and how it reads B."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedge.bus.port import StateSnapshot
from hedge.config.schema import StrategyConfig
from hedge.core.amounts import Side
from hedge.core.maker.state import (
    LedgerView,
    MakerConfig,
    MakerState,
    Order,
    Peer,
    Pending,
    Phase,
    PublishFill,
)
from hedge.daemon.context import Parts
from hedge.maker import statements
from hedge.wire.codec import RefusalCause
from hedge.wire.state import Ledger, Ready
from tests.unit.shell.fakes import (
    ACCOUNT_A,
    ACCOUNT_B,
    CHAIN,
    FOREVER_MS,
    NAMES,
    PRICE,
    Bench,
    always_fresh,
    trade,
)
from tests.unit.venue.fakes import ETH


@pytest.fixture
def parts(bench_a: Bench) -> Parts:
    return bench_a.parts


def state_of(parts: Parts, **changes: Any) -> MakerState:
    """Return a maker that may trade, with fields changed."""
    values: dict[str, Any] = {
        "phase": Phase.READY,
        "nonce": 5,
        "net_lots": 100,
        "last_trade_id": 44,
        "streams_up": True,
        "adopted": True,
        "peer": Peer(ready=True, alive=True),
    }
    return MakerState(MakerConfig(ETH, parts.instance, 100), **{**values, **changes})


def beat_of_b(parts: Parts, **changes: Any) -> Ready:
    """Return a heartbeat of a B that agrees with this A."""
    own = statements.beat_of(parts, state_of(parts))
    beat = replace(own, side="b", instance="b" * 12, can_hedge_lots=700, state="idle")
    return replace(beat, **changes)


def ledger_of_b(**changes: Any) -> Ledger:
    values: dict[str, Any] = {
        "chain_id": CHAIN,
        "account_index": ACCOUNT_B,
        "market_index": 0,
        "instance": "b" * 12,
        "a_instance": "a" * 12,
        "a_seq": 3,
        "a_position_lots": 100,
        "owed_lots": -40,
        "dust_lots": -2,
        "manual_lots": 0,
        "inflight": True,
        "failed": None,
        "reasons": (),
        "timestamp": 1,
    }
    return Ledger(**{**values, **changes})


def read(parts: Parts, beat: Ready | None, ledger: Ledger | None = None) -> Peer:
    own = statements.beat_of(parts, state_of(parts))
    return statements.peer_of(StateSnapshot(ready_b=beat, ledger=ledger), own, NAMES, always_fresh)


# --- what A says -----------------------------------------------------------------------------


def test_a_position_carries_who_says_it_and_how_new_it_is(parts: Parts) -> None:
    """Instance and seq make the state; floor and newest trade say what it contains."""
    said = statements.position_of(parts, state_of(parts), 40, seq=8, position_lots=90, as_of_s=77)
    assert (said.instance, said.seq, said.position_lots) == (parts.instance, 8, 90)
    assert (said.floor_trade_id, said.last_trade_id) == (40, 44)
    assert (said.account_index, said.chain_id, said.market_index) == (ACCOUNT_A, CHAIN, 0)
    assert said.timestamp == 77


@pytest.mark.parametrize(
    "changes", [{"streams_up": False}, {"consistent": False}, {"pending": Pending.FENCE}]
)
def test_an_a_that_may_have_missed_something_is_not_current(
    parts: Parts, changes: dict[str, Any]
) -> None:
    """What it writes again then is as old as its last sight of the account."""
    assert statements.is_current(state_of(parts))
    assert not statements.is_current(state_of(parts, **changes))


def test_a_position_that_no_order_can_have_brought_about_is_not_stated(parts: Parts) -> None:
    """B would trade on it: in the heartbeat it is unknown."""
    beat = statements.beat_of(parts, state_of(parts, implausible=True, net_lots=2000))
    assert beat.position_lots is None


def test_a_fill_carries_its_trade_and_the_position_after_it(parts: Parts) -> None:
    """Size, price and ids are the trade's own; the position is the state's."""
    done = trade(45, -10, 100, order=7, cid=9, time_ms=123_456)
    said = statements.fill_of(parts, PublishFill(done, 8, 90), 46, frame_ns=77)
    assert said.last_trade_id == 46
    assert (said.trade_id, said.order_index, said.client_order_index) == (45, 7, 9)
    assert (said.signed_lots, said.position_lots, said.seq) == (-10, 90, 8)
    assert (said.avg_price_micros, said.quote_micros) == (PRICE * 10_000, done.quote_micros)
    assert (said.timestamp, said.frame_ns, said.instance) == (123, 77, parts.instance)
    assert said.published_ns == parts.clock.mono_ns()


def test_a_maker_that_may_trade_is_ready(parts: Parts) -> None:
    """Nothing stands in its way, and nothing is said."""
    beat = statements.beat_of(parts, state_of(parts))
    assert (beat.side, beat.ready, beat.reasons, beat.state) == ("a", True, (), "ready")
    assert beat.can_hedge_lots is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"nonce": None}, "not proven"),
        ({"halt_reason": "flatten"}, "halted: flatten"),
        ({"streams_up": False}, "streams are down"),
        ({"answering": False}, "the exchange does not answer"),
        ({"streams_up": False, "answering": False}, "streams are down"),
        ({"peer": Peer(ready=False)}, "B is not ready"),
    ],
)
def test_each_obstacle_of_a_is_a_reason(parts: Parts, changes: dict[str, Any], word: str) -> None:
    """What keeps A from trading is said, one reason each."""
    beat = statements.beat_of(parts, state_of(parts, **changes))
    assert not beat.ready
    assert len(beat.reasons) == 1
    assert word in beat.reasons[0]


def test_the_offset_of_the_configuration_is_in_the_heartbeat(bench_a: Bench) -> None:
    """In lots, so that both sides compare the same thing."""
    bench_a.strategy = StrategyConfig(offset_base_amount=Decimal("-0.5"))
    beat = statements.beat_of(bench_a.parts, state_of(bench_a.parts))
    assert beat.offset_lots == -5000


# --- whose turn it is ------------------------------------------------------------------------


def unwinding(**changes: Any) -> Order:
    values: dict[str, Any] = {"closing": True, "unwinds": True, **changes}
    return Order(7, 7, Side.SELL, 40, 300_000, True, 0, **values)


def test_a_says_that_its_book_is_open_and_up_to_when_it_is_confirmed(bench_a: Bench) -> None:
    """By the exchange's clock, not by its host's; unknown before the first fence."""
    parts, now_ms = bench_a.parts, bench_a.clock.now_ms()
    state = state_of(parts)
    assert not statements.beat_of(parts, state).is_open
    assert statements.beat_of(parts, replace(state, consistent=False)).is_open
    assert statements.beat_of(parts, state, confirmed_ms=now_ms).confirmed_to is None
    parts.exchange_clock.bound(1_700_000_000_000, now_ms, now_ms)
    beat = statements.beat_of(parts, state, confirmed_ms=now_ms - 15_000)
    assert beat.confirmed_to == 1_700_000_000_000 - 15_000
    assert statements.beat_of(parts, state).confirmed_to is None


def test_a_states_when_the_debt_was_raised_by_the_exchange_s_clock(bench_a: Bench) -> None:
    """Not by its host's, which may be off; unknown before the first fence."""
    parts, now_ms = bench_a.parts, bench_a.clock.now_ms()
    state = state_of(parts, raised_ms=now_ms - 5000)
    assert statements.beat_of(parts, state).raised_at is None
    parts.exchange_clock.bound(1_700_000_000_000, now_ms, now_ms)
    assert statements.beat_of(parts, state).raised_at == 1_700_000_000_000 - 5000
    assert statements.beat_of(parts, state).force_close_ms == state.config.force_close_ms
    assert statements.beat_of(parts, state_of(parts)).raised_at is None


@pytest.mark.parametrize(
    ("changes", "acting", "nored", "word"),
    [
        ({}, False, False, None),
        ({"order": unwinding()}, True, False, "acting"),
        ({"order": unwinding(unwinds=False)}, False, False, None),
        ({"nored": True}, False, True, "nored"),
        ({"phase": Phase.STOPPING}, False, True, None),
    ],
    ids=str,
)
def test_a_says_that_it_acts_and_that_it_does_not(
    parts: Parts, changes: dict[str, Any], *, acting: bool, nored: bool, word: str | None
) -> None:
    """For B in two words, for a person in a sentence; an A that stops reduces nothing."""
    beat = statements.beat_of(parts, state_of(parts, **changes))
    assert (beat.acting, beat.nored) == (acting, nored)
    assert {"acting", "nored"} & dict(beat.notices).keys() == ({word} if word else set())


def test_what_runs_to_leave_alone_says_from_its_first_beat_that_it_reduces_nothing(
    parts: Parts,
) -> None:
    """B goes on with what it owes, and does not wait for it."""
    state = state_of(parts)
    state = replace(state, config=replace(state.config, reduces=False))
    assert statements.beat_of(parts, state).nored


def test_a_reads_that_b_yields_and_that_it_is_halted(parts: Parts) -> None:
    """A B that does not say so yields nothing: one of the version before."""
    said = read(parts, beat_of_b(parts, state="halted"), ledger_of_b(yields=True))
    assert said.halted
    assert said.ledger is not None
    assert said.ledger.yields
    plain = read(parts, beat_of_b(parts), ledger_of_b())
    assert not plain.halted
    assert plain.ledger is not None
    assert not plain.ledger.yields


# --- how A reads B ---------------------------------------------------------------------------


def test_a_ready_b_is_read_as_it_is(parts: Parts) -> None:
    """Alive, ready, and with the room that its margin gives."""
    peer = read(parts, beat_of_b(parts))
    assert peer == Peer(ready=True, can_hedge_lots=700, alive=True, fresh_until_ms=FOREVER_MS)


def test_without_a_heartbeat_b_is_unknown(parts: Parts) -> None:
    """Neither alive nor ready, whatever an old ledger says."""
    peer = read(parts, None, ledger_of_b())
    assert (peer.ready, peer.alive, peer.can_hedge_lots) == (False, False, None)
    assert peer.reasons == ("no heartbeat of B",)


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (RefusalCause.OTHER_MARKET, "B is at work in another market than A"),
        (RefusalCause.OTHER_ACCOUNT, "B is at work for another account A"),
        (RefusalCause.BAD_SIGNATURE, "B's heartbeat is not signed with A's shared_secret"),
        (RefusalCause.NOT_JSON, "B's heartbeat cannot be used: not_json"),
    ],
)
def test_a_heartbeat_of_b_that_is_refused_is_there(
    parts: Parts, cause: RefusalCause, why: str
) -> None:
    """A person who reads "no heartbeat" starts a B that runs already."""
    snapshot = StateSnapshot(refused={NAMES.ready_b: cause})
    own = statements.beat_of(parts, state_of(parts))
    peer = statements.peer_of(snapshot, own, NAMES, always_fresh)
    assert (peer.ready, peer.alive, peer.reasons) == (False, False, (why,))


def test_an_unready_b_says_why(parts: Parts) -> None:
    """B's own reasons are A's."""
    peer = read(parts, beat_of_b(parts, ready=False, reasons=("own streams are down",)))
    assert (peer.ready, peer.alive) == (False, True)
    assert peer.reasons == ("own streams are down",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", CHAIN + 1),
        ("a_account_index", 7),
        ("b_account_index", 7),
        ("market_index", 1),
        ("offset_lots", 10),
    ],
)
def test_a_b_of_another_configuration_is_not_ready(parts: Parts, field: str, value: int) -> None:
    """Chain, accounts, market and offset must agree; a B that says ready is not believed else."""
    peer = read(parts, beat_of_b(parts, **{field: value}))
    assert not peer.ready
    assert peer.alive
    assert len(peer.reasons) == 1
    assert str(value) in peer.reasons[0]


def test_an_answer_is_read_field_by_field(parts: Parts) -> None:
    """Which state of A it answers, what is owed, and whether an order is under way."""
    peer = read(parts, beat_of_b(parts), ledger_of_b())
    assert peer.ledger == LedgerView(
        "a" * 12, 3, 100, owed_lots=-40, dust_lots=-2, inflight=True, fresh_until_ms=FOREVER_MS
    )


def test_zeros_in_an_answer_are_answers(parts: Parts) -> None:
    """A flat A, a first state and no debt are known values."""
    peer = read(parts, beat_of_b(parts), ledger_of_b(a_seq=0, a_position_lots=0, owed_lots=0))
    assert peer.ledger is not None
    assert (peer.ledger.a_seq, peer.ledger.a_position_lots, peer.ledger.owed_lots) == (0, 0, 0)


def test_without_a_ledger_there_is_no_answer(parts: Parts) -> None:
    """A missing key releases nobody."""
    assert read(parts, beat_of_b(parts), None).ledger is None


@pytest.mark.parametrize("field", ["a_instance", "a_seq", "a_position_lots", "owed_lots"])
def test_a_ledger_without_any_of_the_four_answers_nothing(parts: Parts, field: str) -> None:
    """Not known is never read as zero owed."""
    peer = read(parts, beat_of_b(parts), ledger_of_b(**{field: None}))
    assert peer.ready
    assert peer.ledger is None
