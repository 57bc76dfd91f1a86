"""The simulated world in the judge's words: legs, lives, and since when the pair was blind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from hedge.core.hedger import state as b_state
from hedge.core.maker import closing, rules
from tests.judge.facts import Claim, Hindrance
from tests.judge.promises import WARNING_OF_B
from tests.simulation import bus_kinds
from tests.simulation import judge as judging
from tests.simulation.bus import NAMES
from tests.simulation.daemon import Daemon, Tools
from tests.simulation.exchange import BTC, ETH, SPECS, A, B
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.schedule import Profile, Stage

CALM = Profile(faults=(), peer_watch=1.0, same_host=0.0)


def played(work: Callable[[Stage], Awaitable[None]], profile: Profile = CALM) -> Stage:
    """Start a pair, wait for A's first order, do something, and return the scene."""

    async def main(loop: VirtualLoop) -> Stage:
        stage = Stage(loop, 7, profile, Tools(), None)
        stage.b.start()
        stage.a.start()
        assert await stage._until(stage._is_working, 30)
        await work(stage)
        return stage

    stage: Stage = run(main)
    return stage


def test_a_round_in_the_judges_words() -> None:
    """Legs and lives have the loop's moments; every order knows when it was signed."""

    async def work(stage: Stage) -> None:
        stage.world.exchange.take(100, A)
        await asyncio.sleep(5)

    stage = played(work)
    log, notes = stage.world.exchange.log, stage.world.notes
    strangers = judging._strangers(log)
    legs = judging._legs(log, strangers)
    lives = judging._lives(log, notes.signed, strangers)
    assert [(leg.a_lots, leg.b_lots) for leg in legs] == [(100, 0), (0, -100)]
    hedge = next(life for life in lives if life.account == B and not life.is_marker)
    assert hedge.signed_s is not None
    assert legs[0].at_s < hedge.signed_s < hedge.received_s <= legs[1].at_s
    assert not any(life.foreign for life in lives)
    assert notes.decisions[0].b_ready
    assert {one.claim for one in notes.said} >= {Claim.LEDGER, Claim.NEUTRAL_RECORD}
    assert stage.judge.audit().violations == ()


def test_a_persons_trade_is_foreign() -> None:
    """It is known by its key, not by what it names itself."""

    async def work(stage: Stage) -> None:
        stage.world.exchange.meddle(B, 5)
        await asyncio.sleep(5)

    stage = played(work)
    log = stage.world.exchange.log
    strangers = judging._strangers(log)
    (leg,) = judging._legs(log, strangers)
    assert (leg.b_lots, leg.foreign_b, leg.foreign_a) == (5, True, False)
    assert any(life.foreign for life in judging._lives(log, {}, strangers))


def test_what_b_s_heartbeat_notices_is_shown_as_long_as_it_lasts() -> None:
    """The log says it at growing distances: what `status` shows all the time is no silence of B."""

    async def work(stage: Stage) -> None:
        stage.world.exchange.take(100, A)
        await asyncio.sleep(2)
        for daemon in (stage.a, stage.b):
            daemon.kill()
        stage.b.start()
        await asyncio.sleep(300)

    stage = played(work, replace(CALM, peer_watch=0.0))
    assert stage.judge.audit().violations == ()
    assert stage.judge.record is not None
    away = [one for one in stage.judge.record.shown if one.reason == judging.BLIND_TO_A]
    at_s = stage.loop.time() - 200
    assert [one.where for one in away if one.covers(at_s) and one.side == "b"] == [WARNING_OF_B]


@pytest.mark.parametrize("kept", ["proven", "lease"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_word_that_nothing_is_proven_excuses_no_longer_than_the_world_does(
    monkeypatch: pytest.MonkeyPatch, kept: str, *, is_cut: bool
) -> None:
    """A says for minutes that its book is not proven, or that it does not lead, on good links."""
    late: list[float] = []

    async def work(stage: Stage) -> None:
        await asyncio.sleep(10)
        if kept == "proven":
            monkeypatch.setattr(judging, "_is_proven", lambda maker: False)
        else:
            monkeypatch.setattr(Daemon, "leads", property(lambda one: one.side == "b"))
        stage.a.host.venue.cut = is_cut
        for _ in range(100):
            await asyncio.sleep(1)
            told_s = stage.judge._sight.told_s([stage.a, stage.b])
        late.append(stage.loop.time() - told_s)

    played(work, replace(CALM, peer_watch=0.0))
    assert (late[0] <= judging.KEY_S) is not is_cut


@pytest.mark.parametrize("whatever", [False, True])
def test_drift_of_any_size_is_not_believed(*, whatever: bool) -> None:
    """A holds 30 USD that nothing explains, 10 may be taken over; else the pair halts."""

    async def main(loop: VirtualLoop) -> Stage:
        stage = Stage(loop, 7, replace(CALM, drift_usd=(10,)), Tools(), None)
        await stage.world.exchange.give(A, 100)
        stage.b.start()
        stage.a.start()
        for daemon in (stage.a, stage.b) if whatever else ():
            state = daemon.manager.state
            config = replace(state.config, max_drift_micros=10**12)
            daemon.manager.state = replace(state, config=config)
        await asyncio.sleep(5)
        return stage

    stage: Stage = run(main)
    found = {(one.kind, one.facts["side"]) for one in stage.judge.audit().of("I2")}
    assert found == ({("drift beyond its bound", side) for side in "ab"} if whatever else set())
    assert (stage.halt() is None) is whatever


def test_what_nothing_shows_excuses_no_longer_than_evidence_counts() -> None:
    """Both streams of B and A's are dead: from then on B cannot know, for a while."""
    found: list[float] = []

    async def work(stage: Stage) -> None:
        await asyncio.sleep(judging.SETTLE_S + 2)
        sight, daemons = stage.judge._sight, [stage.a, stage.b]
        found.append(stage.loop.time() - sight.known_s(daemons))
        for daemon in daemons:
            daemon.host.venue.cut = True
        await asyncio.sleep(5)
        found.append(stage.loop.time() - sight.known_s(daemons))
        await asyncio.sleep(100)
        stage.a.kill()
        found.append(stage.loop.time() - sight.known_s(daemons))

    played(work)
    now, soon, late = found
    assert now == 0.0
    assert 4.0 <= soon <= 5.0 + judging.LOOKS_S
    assert late == judging.FRESH_S + judging.SETTLE_S


def test_a_person_closes_a_s_short_before_it_is_resumed() -> None:
    """`resume` alone halts it again: what leads out of this halt is `flatten`, then `resume`."""

    async def work(stage: Stage) -> None:
        stage.world.exchange.meddle(A, -150)
        await asyncio.sleep(2)
        stage.world.exchange.by_hand.clear()  # who has traded does not trade it back
        stage.heal()
        await stage._recover()

    stage = played(work)
    assert [str(one) for one in stage.broken] == []
    assert stage.result.halts["unexpected_short"] == 1
    assert stage.judge.audit().violations == ()


@pytest.mark.parametrize("secret", [0.0, 1.0])
def test_a_person_s_command_is_for_the_market_in_which_the_pair_is(secret: float) -> None:
    """Not for that of the next start: a pair that only ends what was left in one would not hear."""
    done = list[str]()

    async def work(stage: Stage) -> None:
        stage.desk.person.halt()
        await asyncio.sleep(3)
        halt = stage.halt()
        assert halt is not None
        stage.world.settings = replace(stage.world.settings, market=BTC.symbol)
        await stage.resume(halt)
        for daemon in (stage.a, stage.b):
            done.extend(outcome for _, outcome in daemon.manager.commands.acks)

    played(work, replace(CALM, secret=secret))
    assert done == ["released", "released"]


def test_each_process_may_be_surprised_once_by_how_its_order_is_read() -> None:
    """One that starts after a change knows it, and not the next one; and small orders are dust."""

    async def work(stage: Stage) -> None:
        exchange = stage.world.exchange
        for account, began_s, lots in ((B, 0.0, 900), (B, 0.0, 9000), (B, 5.0, 900), (A, 0.0, 90)):
            assert exchange.on_enlarged is not None
            exchange.on_enlarged(account, began_s, lots)
        assert exchange.on_small is not None
        exchange.on_small(A, 49)
        assert stage.judge.dust_lots == 0  # what A cannot close B covers
        exchange.on_small(B, 26)
        exchange.on_small(B, 9)
        assert stage.judge.dust_lots == 26

    stage = played(work)
    assert [one.lots for one in stage.world.notes.false_rows] == [900, 900, 90]


def test_b_closes_by_its_own_word_alone_and_is_no_excuse() -> None:
    """Nobody ordered B to close: what it trades is naked, and said to be nobody's order."""

    async def work(stage: Stage) -> None:
        stage.world.exchange.take(100, A)
        await asyncio.sleep(5)
        stage.b.manager.post(b_state.CloseRequested(alone=True))
        await asyncio.sleep(5)

    stage = played(work)
    assert not stage.judge.closes(stage.b)
    found = {(one.promise, one.kind) for one in stage.judge.audit().violations}
    assert found >= {("I1", "open at the end"), ("I2", "twice"), ("I4", "nobody ordered")}


def test_b_closes_by_a_persons_order() -> None:
    """The same by `flatten --force`: what stands open then is what the person ordered."""

    async def work(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await asyncio.sleep(5)
        stage.a.kill()
        await asyncio.sleep(5)
        person.flatten(force=True)
        await asyncio.sleep(10)
        assert (exchange.lots(A), exchange.lots(B)) == (100, 0)

    assert played(work).judge.audit().violations == ()


def test_a_b_that_starts_during_a_flatten_opens_no_offset() -> None:
    """Beside a standby that has heard of it too: the halt is the order, for whoever leads."""

    async def work(stage: Stage) -> None:
        exchange, person = stage.world.exchange, stage.desk.person
        exchange.take(100, A)
        await asyncio.sleep(5)
        person.flatten()
        await asyncio.sleep(15)
        assert (exchange.lots(A), exchange.lots(B)) == (0, 0)
        for _ in range(2):
            stage.b.kill()
            await asyncio.sleep(80)  # by now nobody is asked any more
            stage.b.start()
            await asyncio.sleep(30)
            assert (exchange.lots(A), exchange.lots(B)) == (0, 0)
        assert stage.judge.closes(stage.b)

    stage = played(work, replace(CALM, offset=1.0))
    assert stage.world.settings.offset_lots
    assert stage.judge.audit().violations == ()


@pytest.mark.parametrize("lots", [0, 40])
def test_b_takes_a_fill_by_hand_that_nobody_published(lots: int) -> None:
    """It trades for a fill of 30 that nobody made up, also beside another one that was."""

    async def work(stage: Stage) -> None:
        stage.a.kill()
        await asyncio.sleep(8)
        if lots:
            bus_kinds._publish_by_hand(stage, lots, by_script=False, twice=False)
            await asyncio.sleep(1)
        stage.b.manager.post(b_state.HandPublished(30))
        await asyncio.sleep(5)

    stage = played(work, replace(CALM, secret=0.0))
    assert stage.world.exchange.lots(B) <= -30 - lots
    found = {(one.promise, one.kind) for one in stage.judge.audit().violations}
    assert found >= {("I4", "nobody published"), ("I4", "by hand"), ("I2", "twice")}


def test_a_fill_by_hand_that_was_published_is_followed() -> None:
    """And its opposite clears it."""

    async def work(stage: Stage) -> None:
        stage.a.kill()
        await asyncio.sleep(8)
        for lots, seconds in ((40, 1), (-40, 150)):
            bus_kinds._publish_by_hand(stage, lots, by_script=False, twice=True)
            await asyncio.sleep(seconds)
            assert stage.world.exchange.lots(B) == (-40 if lots > 0 else 0)

    assert played(work, replace(CALM, secret=0.0)).judge.audit().violations == ()


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_debt_beside_a_b_that_hedges_nothing_has_no_reason_to_last(*, is_cut: bool) -> None:
    """B signs, and sends nothing: it shows a doubt for minutes. A B that is cut off is excused."""

    async def work(stage: Stage) -> None:
        real = stage.b.manager.perform
        stage.b.manager.perform = lambda effect: (
            None if isinstance(effect, b_state.SendHedge) else real(effect)
        )
        stage.world.exchange.take(100, A)
        await asyncio.sleep(1)
        stage.b.host.venue.cut = is_cut
        await asyncio.sleep(2 * judging.ACTS_S)

    audit = played(work, replace(CALM, peer_watch=0.0)).judge.audit()
    assert ("nobody acted" in {one.kind for one in audit.violations}) is not is_cut


@pytest.mark.parametrize("watches", [0.0, 1.0])
@pytest.mark.parametrize("is_apart", [False, True])
def test_a_b_that_may_not_watch_knows_nothing_of_an_a_in_another_market(
    monkeypatch: pytest.MonkeyPatch, watches: float, *, is_apart: bool
) -> None:
    """Only a B without `peer_watch` is kept from acting by that, for as long as it lasts."""
    found: list[set[Hindrance]] = []

    async def work(stage: Stage) -> None:
        if is_apart:
            spec = SPECS["BTC"]
            parts = SimpleNamespace(spec=spec)
            monkeypatch.setattr(stage.a, "manager", SimpleNamespace(parts=parts), raising=False)
        found.append(stage.judge._hindrances("b", [stage.b]))
        found.append(stage.judge._hindrances("a", [stage.a]))
        monkeypatch.undo()

    played(work, replace(CALM, peer_watch=watches))
    assert found == [{Hindrance.APART} if is_apart and not watches else set(), set()]


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("is_dead", [True, False])
def test_an_a_beside_a_b_that_cannot_act_reduces_itself(*, is_dead: bool, acts: bool) -> None:
    """B is dead, or cut off from the exchange; an A that does not act has no reason for it."""

    async def work(stage: Stage) -> None:
        if not acts:
            real = stage.a.manager.perform
            stage.a.manager.perform = lambda effect: (
                None if isinstance(effect, closing.LookAtB) else real(effect)
            )
        if is_dead:
            stage.b.kill()
        else:
            stage.cut_venue(stage.b.host, 2 * judging.A_ACTS_S)
        await asyncio.sleep(1)
        stage.world.exchange.take(100, A)
        await asyncio.sleep(2 * judging.A_ACTS_S)

    stage = played(work)
    assert (stage.world.exchange.lots(A) == 0) is acts
    kinds = {one.kind for one in stage.judge.audit().violations}
    assert ("A did not act" in kinds) is not acts


def test_a_way_that_was_broken_between_two_looks_was_broken() -> None:
    """A call that met nothing shows it; without one the way counts as open all along."""
    path = judging._Path()
    path.known_s(0.0, 0.0, lossy=False)
    path.known_s(9.0, 0.0, lossy=False, broke_s=0.0)  # looked at too seldom: it begins anew
    for now in (10.0, 11.0, 12.0, 13.0, 14.0):
        path.known_s(now, 0.0, lossy=False)
    assert path.known_s(16.0, 0.0, lossy=False, broke_s=13.9) == 16.0
    assert path.known_s(18.0, 0.0, lossy=False, broke_s=16.5) == 15.0
    assert path.known_s(20.0, 0.0, lossy=False, broke_s=16.5) == 15.0
    for now in (21.0, 22.0):
        path.known_s(now, 0.0, lossy=False, broke_s=16.5)
    assert path.known_s(23.0, 0.0, lossy=False, broke_s=16.5) == 23.0


def test_what_was_on_its_way_when_a_way_broke_is_not_known() -> None:
    """A key is read some time after it was written, also the last time."""
    path = judging._Path()
    for now in range(1, 9):
        path.known_s(float(now), 1.5, lossy=False)
    assert path.known_s(9.0, 1.5, lossy=False) == 7.5
    assert path.known_s(10.0, None, lossy=False) == 7.5
    assert path.known_s(11.0, None, lossy=False) == 7.5


def test_what_a_states_in_another_redis_than_b_reads_tells_nothing() -> None:
    """A fail-over left two masters: B goes on by what it read last, while that counts."""
    found: list[float] = []
    profile = Profile(faults=(), peer_watch=0.0, same_host=0.0)

    async def work(stage: Stage) -> None:
        await asyncio.sleep(judging.SETTLE_S + 2)
        sight, daemons = stage.judge._sight, [stage.a, stage.b]
        found.append(stage.loop.time() - sight.known_s(daemons))
        stage.world.redis.split(0.0, frozenset({stage.b.host.name}), "")
        for client in stage.world.redis.clients:
            client.lose_commands()
        for _ in range(2):
            await asyncio.sleep(4)
            found.append(stage.loop.time() - sight.known_s(daemons))
        await asyncio.sleep(judging.FRESH_S + judging.SETTLE_S)
        found.append(stage.loop.time() - sight.known_s(daemons))

    played(work, profile)
    now, soon, later, late = found
    assert now == judging.KEY_S
    assert soon >= 4.0
    assert later == pytest.approx(soon + 4.0)
    assert late == judging.FRESH_S + judging.SETTLE_S


def test_a_call_that_met_no_redis_breaks_the_way() -> None:
    """B was cut off for a moment, and nobody looked meanwhile."""
    found: list[float] = []
    profile = Profile(faults=(), peer_watch=0.0, same_host=0.0)

    async def work(stage: Stage) -> None:
        await asyncio.sleep(judging.SETTLE_S + 2)
        sight, daemons = stage.judge._sight, [stage.a, stage.b]
        looks, sight.known_s = sight.known_s, lambda _: 0.0  # type: ignore[method-assign]
        found.append(stage.loop.time() - looks(daemons))
        stage.b.host.redis.cut = True
        await asyncio.sleep(1.5)
        stage.b.host.redis.cut = False
        await asyncio.sleep(0.4)
        found.append(stage.loop.time() - looks(daemons))

    played(work, profile)
    now, then = found
    assert now == judging.KEY_S
    assert then >= 1.9


def test_what_a_command_reads_is_no_older_than_what_a_deaf_side_may_show() -> None:
    """13.1: 10 s after the exchange was heard last no heartbeat shows a position."""
    found: list[float] = []

    async def work(stage: Stage) -> None:
        await asyncio.sleep(judging.SETTLE_S + 2)
        for seconds in (0, 6, 10):
            for daemon in (stage.a, stage.b):
                daemon.host.venue.cut = seconds > 0
            await asyncio.sleep(seconds)
            known_s = stage.world.known_s()
            assert known_s is not None
            found.append(stage.loop.time() - known_s)

    played(work)
    bounds = judging.Bounds()
    now, soon, late = found
    assert now == 0.0
    assert soon >= 6.0
    assert late == pytest.approx(judging.NEWS_S + bounds.answer_s + bounds.shown_s)


def test_a_person_who_goes_back_ends_also_what_is_started_meanwhile() -> None:
    """A script starts a daemon again while both are ending."""

    async def work(stage: Stage) -> None:
        stage.world.way_back = stage.world.settings.market
        stage.b.kill()
        stage.restart()
        assert stage.b.start()
        assert await stage._until(lambda: not stage.world.way_back, 60)
        assert await stage._until(stage._is_working, 30)

    played(work)


def test_a_word_is_of_its_own_market_where_redis_shows_nothing_of_another() -> None:
    """A person's trade is open in ETH: who works in BTC is told by the position in Redis alone."""
    found: list[bool] = []

    async def work(stage: Stage) -> None:
        judge = stage.judge
        eth, btc = (
            cast("Daemon", SimpleNamespace(side="a", manager=SimpleNamespace(parts=parts)))
            for parts in (SimpleNamespace(spec=SPECS[name]) for name in ("ETH", "BTC"))
        )
        stage.world.exchange.meddle(B, 5)
        await asyncio.sleep(5)
        found.append(judge._is_open_elsewhere(btc))  # nobody has changed the market
        stage.world.tally.injected["market changed"] += 1
        found.append(judge._is_open_elsewhere(btc))
        stage.world.redis.wipe()
        found.extend(judge._is_open_elsewhere(one) for one in (btc, eth))

    played(work)
    assert found == [False, False, True, False]


def test_what_is_published_by_hand_has_the_decimals_of_its_market() -> None:
    """A person has gone to another market meanwhile; B still works in the old one."""

    async def work(stage: Stage) -> None:
        stage.a.kill()
        await asyncio.sleep(8)
        market = stage.world.settings.market
        text = bus_kinds.hand_text(stage, 100, 1, by_script=False)
        stage.world.settings = replace(stage.world.settings, market="BTC")
        stage.world.redis.publish(NAMES.account_a_filled, text, "fill by hand")
        await asyncio.sleep(5)
        stage.world.settings = replace(stage.world.settings, market=market)
        assert stage.world.exchange.lots(B) == -100

    stage = played(work, replace(CALM, secret=0.0))
    assert [one.lots for one in stage.world.notes.by_hand] == [100]


@pytest.mark.parametrize(
    ("happens", "kind"),
    [("B dies", "no B"), ("a halt", "halted"), ("B is deaf", "B not ready"), ("leaves", "leaving")],
)
@pytest.mark.parametrize("stays", [False, True])
def test_an_order_that_rests_on_beside_what_forbids_it_is_found(
    monkeypatch: pytest.MonkeyPatch, happens: str, kind: str, *, stays: bool
) -> None:
    """A takes it off in time; one without that rule leaves it until it is old."""
    if stays:
        monkeypatch.setattr(rules, "_why_unsafe", lambda *_: "")
        monkeypatch.setattr(rules, "_why_too_dear", lambda *_: "")

    async def work(stage: Stage) -> None:
        await asyncio.sleep(3)
        if happens == "B dies":
            stage.b.kill("B dies")
        elif happens == "a halt":
            stage.b.manager.publish_halt("operator", "a person halts")
        elif happens == "B is deaf":
            stage.b.host.venue.cut = True
            for socket in stage.b.sockets:
                socket.lose_stream("cut off")
        else:
            stage.a.stop()
        await asyncio.sleep(25)

    stage = played(work, replace(CALM, order_s=(60.0,)))
    found = {one.kind for one in stage.judge.audit().violations if one.kind.startswith("left")}
    assert found == ({f"left: {kind}"} if stays else set())


@pytest.mark.parametrize("stays", [False, True])
def test_an_order_that_is_left_where_its_hedge_costs_too_much_is_found(
    monkeypatch: pytest.MonkeyPatch, *, stays: bool
) -> None:
    """The others' bids go away and A's stays alone: nobody takes it, and its price is wrong."""
    if stays:
        monkeypatch.setattr(rules, "_why_too_dear", lambda *_: "")
        monkeypatch.setattr(rules, "_has_left_level", lambda *_: False)

    async def work(stage: Stage) -> None:
        await asyncio.sleep(3)
        exchange = stage.world.exchange
        market = exchange.markets[ETH.market_id]
        exchange.part(market.bid * 95 // 100, market.ask)
        await asyncio.sleep(20)

    stage = played(work, replace(CALM, order_s=(60.0,)))
    found = {one.kind for one in stage.judge.audit().of("price")}
    assert found == ({"left"} if stays else set())


@pytest.mark.parametrize(
    ("bids", "asks", "lots", "good"),
    [
        (0, 100, 100, True),  # B has to sell, and nobody bids
        (99, 100, 100, True),
        (100, 0, 100, False),  # that nobody asks keeps it from nothing
        (40, 0, 100, True),
        (40, 0, 20, False),  # there is enough for what is open
        (0, 0, 0, False),  # nothing is open
    ],
)
def test_a_market_is_dry_for_what_is_open_on_the_side_that_it_takes(
    bids: int, asks: int, lots: int, *, good: bool
) -> None:
    """A has bought, and no B runs; the others rest so much on each of two levels together."""

    async def work(stage: Stage) -> None:
        stage.b.kill("B dies")
        if lots:
            assert stage.world.exchange.take(lots, A) == lots
        await asyncio.sleep(12)
        exchange = stage.world.exchange
        assert exchange.lots(A, ETH.market_id) == lots
        assert not exchange.engine.active_orders(A, ETH.market_id)
        exchange.ladder(bids // 2, asks // 2)
        assert stage.judge._is_dry() is good

    played(work)
