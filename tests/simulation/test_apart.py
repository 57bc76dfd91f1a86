"""Sockets that stand alone, and links that die, on the virtual clock."""

from typing import Any

import pytest

from hedge.maker import statements
from tests.simulation.exchange import A, B
from tests.simulation.schedule import Stage
from tests.simulation.tempting_witness import SecondCopyFence
from tests.simulation.test_ends import on_stage, until

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def resting(stage: Stage) -> list[int]:
    """The orders of A that rest."""
    return [order.client_order_index for order in stage.world.exchange.engine.active_orders(A)]


def placed(stage: Stage) -> list[float]:
    """When each order of A that shall rest was decided."""
    return [one.at_s for one in stage.world.notes.decisions]


@pytest.mark.parametrize("side", ["a", "b"])
def test_without_market_data_the_order_stays_and_no_other_follows(side: str) -> None:
    """No fence, and for five seconds no cancel; of B's book nothing depends for 10 s more."""

    async def scene(stage: Stage) -> None:
        one: Any = stage.a if side == "a" else stage.b
        await until(lambda: stage.a.manager.state.phase.value == "working")
        before, epoch = resting(stage), stage.a.manager.state.nonce
        one.venue.cut_market(5.0, "public socket cut")
        await until(lambda: one.venue.depth().bids == ())
        assert one.venue.recent_depth().bids
        ends_s = stage.loop.time() + 4.5
        await until(lambda: stage.loop.time() >= ends_s)
        assert resting(stage) == before
        assert (stage.a.manager.state.nonce, one.manager.streams_up) == (epoch, True)
        assert stage.b.manager._answers._reasons(stage.b.manager.facts()) == ()
        stage.world.exchange.take(100, A)
        await until(lambda: stage.world.exchange.lots(B) == -stage.world.exchange.lots(A) != 0)
        await until(lambda: bool(resting(stage)))

    on_stage(scene, by_hand=True, two_hosts=True)


def test_b_hedges_while_it_can_open_no_public_socket() -> None:
    """For a minute: it reads a book by REST every five seconds, and stays ready."""

    async def scene(stage: Stage) -> None:
        venue: Any = stage.b.venue
        venue.cut_market(60.0, "public socket cut")
        start_s = stage.loop.time()
        await until(lambda: stage.loop.time() >= start_s + 45.0)
        assert venue.depth().bids == ()
        assert stage.b.manager._answers._reasons(stage.b.manager.facts()) == ()
        await until(lambda: bool(resting(stage)))
        stage.world.exchange.take(100, A)
        await until(lambda: stage.world.exchange.lots(B) == -stage.world.exchange.lots(A) != 0)
        assert venue.depth().bids == ()

    on_stage(scene, by_hand=True, two_hosts=True)


@pytest.mark.parametrize("answers", [False, True])
def test_a_mute_private_stream_is_found_while_an_order_rests(*, answers: bool) -> None:
    """Its pongs come. A fill in that time is hedged by B's watch, and A learns of it in 10 s."""

    async def scene(stage: Stage) -> None:
        venue: Any = stage.a.venue
        await until(lambda: stage.a.manager.state.phase.value == "working")
        venue.mute_account(80.0, "private mute", answers=answers)
        start_s = stage.loop.time()
        stage.world.exchange.take(100, A)
        await until(lambda: stage.world.exchange.lots(B) == -100)
        assert stage.a.manager.state.net_lots == 0
        await until(lambda: stage.a.manager.state.net_lots == 100)
        assert stage.loop.time() <= start_s + 10.0

    on_stage(scene, by_hand=True, two_hosts=True)


def test_in_a_black_hole_of_b_s_link_a_starts_no_new_order() -> None:
    """B says within 9 s that the exchange does not answer, though its socket seems to live."""

    async def scene(stage: Stage) -> None:
        venue: Any = stage.b.venue
        start_s = stage.loop.time()
        stage.faulty = True
        stage.cut_venue(stage.b.host, 60.0, is_reset=False)
        b = stage.b.manager
        await until(lambda: b._answers._reasons(b.facts()) != ())
        assert venue.is_up
        assert b._answers._reasons(b.facts()) == ("the exchange does not answer",)
        assert stage.loop.time() <= start_s + 9.0
        await until(lambda: stage.loop.time() >= start_s + 50.0)
        assert [at_s - start_s for at_s in placed(stage) if at_s > start_s + 10.0] == []
        assert resting(stage) == []
        await until(lambda: stage.loop.time() >= start_s + 62.0)
        await until(lambda: bool(resting(stage)))

    on_stage(scene, by_hand=True, two_hosts=True)


def test_in_a_black_hole_of_its_own_a_says_so() -> None:
    """Its order can be filled and not be cancelled: B hedges, A is not ready and says why."""

    async def scene(stage: Stage) -> None:
        await until(lambda: stage.a.manager.state.phase.value == "working")
        start_s = stage.loop.time()
        stage.faulty = True
        stage.cut_venue(stage.a.host, 40.0, is_reset=False)
        await until(lambda: not stage.a.manager.state.answering)
        assert stage.loop.time() <= start_s + 9.0
        stage.world.exchange.take(100, A)
        await until(lambda: stage.world.exchange.lots(B) == -stage.world.exchange.lots(A) != 0)
        assert stage.loop.time() <= start_s + 15.0
        await until(lambda: stage.loop.time() >= start_s + 41.0)
        await until(lambda: stage.a.manager.state.net_lots == stage.world.exchange.lots(A))
        await until(lambda: bool(resting(stage)))

    on_stage(scene, by_hand=True, two_hosts=True)


async def covered_after_s(stage: Stage) -> float:
    """Let A's order be filled while sockets carry only pings, for a minute; return the seconds.

    A's own cancel meets it first: the order stream is not asked for a snapshot before that.
    """
    exchange = stage.world.exchange
    venue: Any = stage.a.venue
    venue._own._ask_ms = 60_000
    await until(lambda: stage.a.manager.state.phase.value == "working")
    stage.faulty = True
    start_s = stage.loop.time()
    exchange.only_pings_until_s = start_s + 60.0
    stage.last(60.0)
    exchange.take(100, A)
    await until(lambda: exchange.lots(B) == -exchange.lots(A) != 0)
    return stage.loop.time() - start_s


async def works_again(stage: Stage) -> None:
    """Return once A quotes: a socket that answers nothing was left, and B said that meanwhile."""
    exchange = stage.world.exchange
    await until(lambda: stage.b.manager._answers._reasons(stage.b.manager.facts()) != ())
    await until(lambda: stage.a.manager.state.net_lots == exchange.lots(A))
    await until(lambda: bool(resting(stage)))


def test_beside_a_fill_on_mute_sockets_a_is_unknown_in_seconds() -> None:
    """Sockets of both sides carry only pings: 7 s later A claims nothing, 10 s later B hedges.

    A asks for its orders after 5 s, doubts its book a second later, and reads by REST after 8 s.
    """

    async def scene(stage: Stage) -> None:
        exchange, a = stage.world.exchange, stage.a.manager
        await until(lambda: a.state.phase.value == "working")
        stage.faulty = True
        start_s = stage.loop.time()
        exchange.only_pings_until_s = start_s + 60.0
        stage.last(60.0)
        exchange.take(100, A)
        await until(lambda: not statements.is_current(a.state))
        assert stage.loop.time() <= start_s + 7.0
        beat = statements.beat_of(a.parts, a.state, a.facts(), is_proven=True)
        assert (beat.shown, beat.position_lots, beat.unheard_s) == (False, 0, 6)
        await until(lambda: exchange.lots(B) == -exchange.lots(A) != 0)
        assert stage.loop.time() <= start_s + 10.0
        await works_again(stage)

    on_stage(scene, by_hand=True, two_hosts=True)


def test_a_socket_that_carries_only_pings_costs_seconds() -> None:
    """Counterexample 50: A's fence and B's hedge pass by HTTP; by the tempting rule they do not."""
    found: dict[str, float] = {}
    for name in ("kept", "tempting"):

        async def scene(stage: Stage, name: str = name) -> None:
            await until(lambda: stage.a.manager is not None)
            if name == "tempting":
                for one in (stage.a, stage.b):
                    one.manager.parts.sender._fence.__class__ = SecondCopyFence
                    one.venue.distrusts = False
            found[name] = await covered_after_s(stage)
            if name == "kept":
                await works_again(stage)

        on_stage(scene, by_hand=True, two_hosts=True)
    assert found["kept"] < 15.0
    assert found["tempting"] > 2 * found["kept"]
