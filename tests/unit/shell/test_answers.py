"""What B says of itself: answers only where A is known, reasons, margin, neutral moments."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hedge.core.amounts import Side
from hedge.core.book import Book, BookBase
from hedge.core.hedger.state import (
    ATarget,
    Debt,
    Failure,
    HedgerConfig,
    HedgerState,
    InFlight,
    Phase,
    PublishFailure,
)
from hedge.core.transitions import Facts
from hedge.daemon.context import Parts
from hedge.exchange.port import AccountView
from hedge.hedger import statements as answers
from hedge.wire.codec import Seal
from hedge.wire.state import Neutral
from tests.unit.shell.fakes import A_INSTANCE, ACCOUNT_A, ACCOUNT_B, CHAIN, Bench, trade
from tests.unit.venue.fakes import ETH

MARK = 300_000
OVERDUE = InFlight(5, 5, Side.SELL, 100, 1, overdue=True)
TARGET = ATarget(A_INSTANCE, 7, 100, 44, stamp_s=1000)


@pytest.fixture
def parts(bench: Bench) -> Parts:
    return bench.parts


def state_of(**changes: Any) -> HedgerState:
    """Return a hedger that has answered A's +100 by -100, with fields changed."""
    values: dict[str, Any] = {
        "phase": Phase.IDLE,
        "net_lots": -100,
        "last_trade_id": 12,
        "streams_up": True,
        "a": TARGET,
        "a_fresh": True,
    }
    return HedgerState(HedgerConfig(ETH, "b" * 12), **{**values, **changes})


UNKNOWN_A: list[dict[str, Any]] = [
    {"a": None, "a_fresh": False},
    {"a_fresh": False},
    {"a_shown": False},
    {"own_shown": False},
    {"consistent": False},
    {"phase": Phase.RECONCILING},
    {"phase": Phase.STANDBY},
    {"phase": Phase.HALTED},
]


# --- the ledger ------------------------------------------------------------------------------


def test_the_ledger_answers_exactly_the_state_it_knows(parts: Parts) -> None:
    """Instance, seq and position of A stand beside what is owed for them."""
    ledger = answers.ledger_of(parts, state_of(net_lots=-40), ())
    assert (ledger.a_instance, ledger.a_seq, ledger.a_position_lots) == (A_INSTANCE, 7, 100)
    assert (ledger.owed_lots, ledger.inflight, ledger.failed) == (-60, False, None)
    assert (ledger.account_index, ledger.instance) == (ACCOUNT_B, parts.instance)


@pytest.mark.parametrize("changes", UNKNOWN_A)
def test_the_ledger_answers_nothing_while_a_or_the_book_is_unknown(
    parts: Parts, changes: dict[str, Any]
) -> None:
    """Not known is None for all four fields together, never zero."""
    ledger = answers.ledger_of(parts, state_of(**changes), ())
    answer = (ledger.a_instance, ledger.a_seq, ledger.a_position_lots, ledger.owed_lots)
    assert answer == (None, None, None, None)


def test_a_debt_of_hand_published_fills_is_no_answer_to_a(parts: Parts) -> None:
    """Without a state of A there is a debt to the hand, and still no answer."""
    ledger = answers.ledger_of(parts, state_of(a=None, manual_lots=-5, hand_base_lots=-95), ())
    assert (ledger.owed_lots, ledger.manual_lots) == (None, -5)


@pytest.mark.parametrize("phase", Phase)
def test_in_flight_is_said_while_a_fate_is_open(parts: Parts, phase: Phase) -> None:
    """Sent, accepted and doubtful orders are in flight, nothing else."""
    ledger = answers.ledger_of(parts, state_of(phase=phase), ())
    assert ledger.inflight is (phase in {Phase.SENDING, Phase.SETTLING, Phase.UNKNOWN})


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.FAILED, Phase.SENDING, Phase.UNKNOWN])
@pytest.mark.parametrize("yields", [True, False])
def test_b_yields_once_nothing_is_in_flight(parts: Parts, phase: Phase, *, yields: bool) -> None:
    """It leaves the debt to A in one word; what is in doubt is first settled."""
    debt = Debt(0, -60, yields=yields)
    ledger = answers.ledger_of(parts, state_of(net_lots=-40, phase=phase, debt=debt), ())
    assert ledger.yields is (yields and phase in (Phase.IDLE, Phase.FAILED))
    unknown = answers.ledger_of(parts, state_of(debt=debt, a_fresh=False), ())
    assert not unknown.yields


def test_dust_and_failure_are_said(parts: Parts) -> None:
    """A learns what B cannot trade, and why B gave up."""
    failure = Failure("not_enough_margin", "21739")
    ledger = answers.ledger_of(
        parts, state_of(net_lots=-99, dust_lots=-1, failure=failure), ("a reason",)
    )
    assert (ledger.owed_lots, ledger.dust_lots, ledger.failed) == (-1, -1, "not_enough_margin")
    assert ledger.reasons == ("a reason",)


# --- readiness -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"a": None, "a_fresh": False},
        {"net_lots": 0},
        {"phase": Phase.SENDING},
        {"phase": Phase.SETTLING},
        {"phase": Phase.UNKNOWN},
        {"dust_lots": 3},
    ],
)
def test_ready_is_able_to_hedge(changes: dict[str, Any]) -> None:
    """Neither A's state, nor a debt, nor an order in flight makes B unready."""
    assert answers.why_unready(state_of(**changes), MARK) == ()


@pytest.mark.parametrize(
    ("changes", "mark", "word"),
    [
        ({"phase": Phase.HALTED, "halt_reason": "foreign_trade_on_b"}, MARK, "halted: foreign"),
        ({"phase": Phase.RECONCILING}, MARK, "not proven"),
        ({"phase": Phase.STANDBY}, MARK, "not proven"),
        ({"streams_up": False}, MARK, "streams are down"),
        ({"phase": Phase.UNKNOWN, "inflight": OVERDUE}, MARK, "open for too long"),
        ({"phase": Phase.STOPPING}, MARK, "stopping"),
        ({}, None, "no market data"),
        ({"failure": Failure("api_key_refused", "21109")}, MARK, "api_key_refused"),
        ({"manual_lots": 5}, MARK, "by hand"),
        ({"mismatch": "offset in lots: 0 and 10"}, MARK, "configured differently: offset"),
    ],
)
def test_each_obstacle_is_a_reason(changes: dict[str, Any], mark: int | None, word: str) -> None:
    """What keeps B from hedging is said, one reason each."""
    [reason] = answers.why_unready(state_of(**changes), mark)
    assert word in reason


def test_an_exchange_that_does_not_answer_is_a_reason() -> None:
    """A lost link is said by its own name; one that is only silent by this one."""
    [reason] = answers.why_unready(state_of(), MARK, is_answering=False)
    assert reason == "the exchange does not answer"
    [reason] = answers.why_unready(state_of(streams_up=False), MARK, is_answering=False)
    assert reason == "own streams are down"
    why = "Lighter refuses the WebSocket with HTTP 451"
    [reason] = answers.why_unready(
        state_of(streams_up=False), MARK, facts=Facts(0, mark_ticks=MARK, stream_why=why)
    )
    assert reason == f"own streams are down: {why}"


def test_a_market_that_takes_no_orders_is_a_reason_of_its_own() -> None:
    """B runs and says so; A then rests nothing, and both go on once the market opens."""
    [reason] = answers.why_unready(state_of(), MARK, "inactive")
    assert reason == "market ETH is inactive"
    assert answers.why_unready(state_of(), MARK, "active") == ()


def test_all_obstacles_are_said_together() -> None:
    """A person sees everything at once, not one thing after the other."""
    state = state_of(phase=Phase.RECONCILING, streams_up=False, manual_lots=5)
    assert len(answers.why_unready(state, None)) == 4


def test_the_heartbeat_carries_reasons_and_configuration(parts: Parts) -> None:
    """Ready is nothing but the absence of reasons; what must agree with A's stands beside it."""
    state = replace(state_of(), config=HedgerConfig(ETH, "b" * 12, offset_lots=9))
    beat = answers.beat_of(parts, state, (), 500)
    assert (beat.side, beat.ready, beat.state, beat.can_hedge_lots) == ("b", True, "idle", 500)
    assert (beat.a_account_index, beat.b_account_index) == (ACCOUNT_A, ACCOUNT_B)
    assert (beat.chain_id, beat.offset_lots) == (CHAIN, 9)
    assert (beat.shown, beat.unheard_s) == (True, None)
    unready = answers.beat_of(parts, state, ("own streams are down",), None)
    assert (unready.ready, unready.reasons) == (False, ("own streams are down",))


# --- margin ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available_micros", "mark", "lots"),
    [
        (None, MARK, None),
        (1_000_000, None, None),
        (0, MARK, 0),
        (-5_000_000, MARK, 0),
        # 5 % of 3000.00 is 150 USDC a whole ETH, 10,000 lots.
        (150_000_000, MARK, 10_000),
        (149_999_999, MARK, 9_999),
        (15_000, MARK, 1),
        (14_999, MARK, 0),
    ],
)
def test_margin_becomes_lots(
    available_micros: int | None, mark: int | None, lots: int | None
) -> None:
    """What the margin could take on is rounded down; not known stays not known, debt is zero."""
    assert answers.margin_lots(ETH, available_micros, mark) == lots


# --- position and neutral --------------------------------------------------------------------


def test_the_position_is_said_once_the_book_is_proven(parts: Parts) -> None:
    """Before that nothing is written: an absent key is unknown."""
    book = Book(BookBase(-90, 10))
    book.add([trade(12, -10, -90)])
    said = answers.position_of(parts, state_of(), book, 3)
    assert said is not None
    assert (said.position_lots, said.floor_trade_id, said.last_trade_id, said.seq) == (
        -100,
        10,
        12,
        3,
    )
    assert answers.position_of(parts, state_of(), None, 3) is None
    assert answers.position_of(parts, state_of(net_lots=None), book, 3) is None


def test_a_covered_moment_is_neutral(parts: Parts) -> None:
    """Both positions and the trades they end with are the record of that moment."""
    neutral = answers.neutral_of(parts, state_of())
    assert neutral is not None
    assert (neutral.a_position_lots, neutral.b_position_lots) == (100, -100)
    assert (neutral.a_trade_id, neutral.b_trade_id) == (44, 12)


@pytest.mark.parametrize(
    "changes",
    [
        *UNKNOWN_A,
        {"net_lots": -99},
        {"net_lots": -99, "dust_lots": -1},
        {"phase": Phase.SENDING},
        {"phase": Phase.SETTLING},
        {"phase": Phase.UNKNOWN},
        {"manual_lots": 5, "net_lots": -95},
        {"a_elsewhere": "Redis shows a position of A: 0.0100, in market 1"},
    ],
)
def test_anything_open_is_not_neutral(parts: Parts, changes: dict[str, Any]) -> None:
    """Nothing in flight, nothing owed, no hand, A known: less is no neutral moment."""
    assert answers.neutral_of(parts, state_of(**changes)) is None


# --- what a neutral moment explains ----------------------------------------------------------


def neutral_at(a_lots: int, b_lots: int, b_trade_id: int = 12) -> Neutral:
    return Neutral(
        chain_id=CHAIN,
        a_account_index=ACCOUNT_A,
        b_account_index=ACCOUNT_B,
        market_index=0,
        a_position_lots=a_lots,
        b_position_lots=b_lots,
        a_trade_id=44,
        b_trade_id=b_trade_id,
        timestamp=1,
    )


def test_a_pair_that_was_never_neutral_explains_nothing(parts: Parts) -> None:
    """At a first run no debt comes from trades of ours."""
    assert not answers.NeutralKeeper(parts).explains(None, 0)


def test_a_neutral_moment_at_this_offset_explains(parts: Parts) -> None:
    """Trades since then are all that a debt can come from."""
    keeper = answers.NeutralKeeper(parts)
    assert keeper.explains(neutral_at(100, -100), 0)
    assert keeper.explains(neutral_at(100, -90), 10)
    keeper.note(neutral_at(100, -100))
    assert keeper.explains(None, 0)


def test_a_changed_offset_is_explained_by_no_trade(parts: Parts) -> None:
    """A mistyped offset is a debt out of nothing: it must not be traded on as if it were known."""
    keeper = answers.NeutralKeeper(parts)
    assert not keeper.explains(neutral_at(100, -100), 10)
    keeper.note(neutral_at(100, -100))
    assert not keeper.explains(None, 10)


def test_a_neutral_moment_survives_a_restart(bench: Bench) -> None:
    """The host's file speaks where Redis was wiped."""
    keeper = answers.NeutralKeeper(bench.parts)
    keeper.save()
    keeper.note(neutral_at(100, -100))
    keeper.note(None)
    keeper.save()
    again = answers.NeutralKeeper(bench.restart())
    assert again.explains(None, 0)
    assert not again.explains(None, 10)


def test_a_neutral_file_with_a_secret_is_read_back(bench: Bench) -> None:
    """It is signed like everything else, and read by the same rule."""
    bench.secret = b"a secret"
    keeper = answers.NeutralKeeper(bench.parts)
    keeper.note(neutral_at(100, -100))
    keeper.save()
    assert answers.NeutralKeeper(bench.restart()).explains(None, 0)


OF_VERSION_1 = {
    "v": 1,
    "chain_id": CHAIN,
    "a_account_index": ACCOUNT_A,
    "b_account_index": ACCOUNT_B,
    "market_index": 0,
    "a_position_base_amount": "0.0100",
    "b_position_base_amount": "-0.0100",
    "a_trade_id": 44,
    "b_trade_id": 45,
    "timestamp": 1,
}


@pytest.mark.parametrize("secret", [None, b"a secret"])
def test_a_neutral_file_of_version_1_is_read(bench: Bench, secret: bytes | None) -> None:
    """After an upgrade too a debt comes from trades since then, however large it is."""
    bench.secret = secret
    kept = dict(OF_VERSION_1)
    if secret:
        kept["sig"] = Seal(secret, {}).sign(kept)  # as version 1 signed it
    (bench.host.path / "neutral-0.json").write_text(json.dumps({"neutral": json.dumps(kept)}))
    keeper = answers.NeutralKeeper(bench.restart())
    assert keeper.explains(None, 0)
    assert [(one.position_lots, one.last_trade_id) for one in keeper.stands(None)] == [(100, 44)]


@pytest.mark.parametrize(
    "changes", [{"v": 3}, {"a_account_index": 7}, {"chain_id": CHAIN + 1}, {"market_index": 1}]
)
def test_a_neutral_file_of_version_1_that_is_not_ours_is_none(
    bench: Bench, changes: dict[str, int]
) -> None:
    """Another version, accounts, chain or market."""
    text = json.dumps({**OF_VERSION_1, **changes})
    (bench.host.path / "neutral-0.json").write_text(json.dumps({"neutral": text}))
    assert not answers.NeutralKeeper(bench.restart()).explains(None, 0)


def test_an_unsigned_neutral_file_of_version_1_is_none_with_a_secret(bench: Bench) -> None:
    """Anybody could have written it."""
    bench.secret = b"a secret"
    text = json.dumps(OF_VERSION_1)
    (bench.host.path / "neutral-0.json").write_text(json.dumps({"neutral": text}))
    assert not answers.NeutralKeeper(bench.restart()).explains(None, 0)


@pytest.mark.parametrize("content", ["{}", '{"neutral":"x"}', '{"neutral":5}', "["])
def test_an_unreadable_neutral_file_explains_nothing(bench: Bench, content: str) -> None:
    """It counts as none."""
    (bench.host.path / "neutral-0.json").write_text(content)
    assert not answers.NeutralKeeper(bench.parts).explains(None, 0)


def test_the_neutral_file_of_another_pair_explains_nothing(bench: Bench) -> None:
    """A record of another A is not about this pair's positions."""
    keeper = answers.NeutralKeeper(bench.parts)
    keeper.note(replace(neutral_at(100, -100), a_account_index=7))
    keeper.save()
    assert not answers.NeutralKeeper(bench.restart()).explains(None, 0)


# --- failures --------------------------------------------------------------------------------


def test_a_failure_says_what_how_much_and_what_to_do(parts: Parts) -> None:
    """A person reads the amount, the venue's words, and what helps."""
    effect = PublishFailure(Failure("not_enough_margin", "21739 margin"), 3, -60)
    message = answers.failure_of(parts, state_of(), effect)
    assert (message.reason, message.attempts, message.owed_lots) == ("not_enough_margin", 3, -60)
    assert message.a_seq == 7
    for part in ("0.0060 ETH", "21739 margin", "Add collateral to account B", "hedgectl resume"):
        assert part in message.detail
    unknown = answers.failure_of(parts, state_of(a_fresh=False), effect)
    assert unknown.a_seq is None


def test_a_failure_names_the_order_whose_fate_is_open(parts: Parts) -> None:
    """What is owed says nothing while an order may or may not have executed it."""
    order = InFlight(client_order_index=9, nonce=5, side=Side.SELL, lots=60, attempt=1)
    state = state_of(phase=Phase.UNKNOWN, inflight=order, net_lots=0)
    failure = Failure("outcome_unknown", "no fence for 60 s")
    effect = PublishFailure(failure, 0, -60, doubted=order)
    detail = answers.failure_of(parts, state, effect).detail
    assert "what became of its order to sell 0.0060 ETH" in detail
    assert "could not hedge" not in detail


def test_a_failure_does_not_speak_of_the_order_that_follows_it(parts: Parts) -> None:
    """The part that margin allows is being sent as the words are made: nothing of it is in doubt.

    What executed nothing is known to have done so.
    """
    order = InFlight(client_order_index=9, nonce=5, side=Side.SELL, lots=5226, attempt=2)
    state = state_of(phase=Phase.SENDING, inflight=order, net_lots=0)
    effect = PublishFailure(
        Failure("not_enough_margin", "attempt 1 executed nothing"), 1, -10000, -4774
    )
    words = (
        "B could not hedge 1.0000 ETH: not_enough_margin (attempt 1 executed nothing); B hedges"
        " 0.5226 of it; 0.4774 ETH stay naked, and A reduces itself by it"
    )
    assert answers.failure_text(parts, effect) == words
    assert answers.failure_of(parts, state, effect).detail.startswith(f"{words}. Add collateral")


def test_an_unknown_debt_is_not_written_as_zero(parts: Parts) -> None:
    """Neither in the field nor in the words."""
    effect = PublishFailure(Failure("api_key_refused", "21109 api key not found"), 0, None)
    message = answers.failure_of(parts, state_of(a_fresh=False), effect)
    assert message.owed_lots is None
    assert "0.0000" not in message.detail
    assert "unknown" in message.detail


def test_room_is_by_the_leverage_of_the_account() -> None:
    """At 1x 60 USDC hedge 0.02, not the 0.4 that the market's own fraction would let pass."""
    assert answers.margin_lots(ETH, 60_000_000, 300_000, 10_000) == 200
    assert answers.margin_lots(ETH, 60_000_000, 300_000) == 4_000
    assert answers.margin_lots(ETH, 60_000_000, 300_000, 200) == 4_000, (
        "never more than the market's"
    )


def test_room_that_is_not_known_is_no_room() -> None:
    """Without a word on our margin, or with isolated margin, A is to open nothing."""
    view = AccountView(1, 1, 0)
    assert answers.margin_why(view, 1, "ETH") == ""
    assert "not known" in answers.margin_why(None, None, "ETH")
    why = answers.margin_why(replace(view, is_isolated=True), 1, "ETH")
    assert "isolated margin in ETH" in why
    assert answers.why_unready(state_of(), MARK, margin_why=why) == (why,)
