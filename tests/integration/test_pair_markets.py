"""A start in another market than the last one ends what was left there, and trades nothing new."""

from pathlib import Path

import pytest

from tests.world.pair import Daemon, Pair

pytestmark = [pytest.mark.integration]

BTC = 1


async def ended(daemon: Daemon) -> str:
    """Return the sentence of a daemon that ended for what a person wrote."""
    code = await daemon.ended()
    text = daemon.output()
    assert code == 2, text
    assert "Traceback" not in text
    return text.splitlines()[-1]


async def test_what_was_left_in_another_market_is_ended_first(tmp_path: Path) -> None:
    """Both sides die with a fill open, later with an order resting; each time BTC is started.

    A cancels in ETH and states its book, B covers what ETH owes, both end with 2 and the way out;
    `main_A.py --leave`, which was asked for nothing else, with 0. No order is ever placed in BTC.
    """
    async with Pair(tmp_path) as pair:
        await pair.start()
        pair.kill_b()
        await pair.fill_a()
        pair.kill_a()
        assert await pair.positions() == (100, 0)
        b, a = pair.start_b(market="BTC"), pair.start_a(market="BTC")
        told_a, told_b = await ended(a), await ended(b)
        assert await pair.positions() == (100, -100)
        assert "A holds +0.0100 ETH" in told_a
        assert "B holds -0.0100 ETH" in told_b
        for told in (told_a, told_b):
            assert "this start is for BTC" in told
            assert "--market ETH" in told

        pair.start_b()
        pair.start_a()
        order = await pair.until_resting()
        assert order.is_ask
        pair.kill_a()
        pair.kill_b()
        b, a = pair.start_b(market="BTC"), pair.start_a("--leave", market="BTC")
        assert await a.ended() == 0, a.output()
        left = (tmp_path / "logs" / "main_A.log").read_text().partition("left_elsewhere")[2]
        assert "A cancelled its orders there" in left
        await ended(b)
        assert await pair.resting() == []
        assert await pair.positions() == (100, -100)
        assert {row["market_index"] for row in await pair.paper.orders()} == {0}
        assert await pair.halt() is None
        await pair.audit()


async def test_a_market_that_b_alone_did_not_leave_is_no_dead_end(tmp_path: Path) -> None:
    """B dies after A has left; the start for BTC ends that, and the printed one trades there.

    B's last word of its debt is that it knows none: A beats elsewhere. It has left all the same.
    """
    async with Pair(tmp_path, settings={"timing.stop_timeout_s": 3.0}) as pair:
        await pair.start()
        await pair.until_resting()
        pair.kill_b()
        pair.kill_a()
        b, a = pair.start_b(market="BTC"), pair.start_a(market="BTC")
        assert "start BTC again" in await ended(a)
        pair.kill_b()
        a = pair.start_a(market="BTC")
        b = pair.start_b(market="BTC")
        assert "B is flat in ETH now: start BTC again" in await ended(b)
        assert a.code is None
        pair.kill_a()

        pair.start_b(market="BTC")
        pair.start_a(market="BTC")

        async def in_btc() -> set[int]:
            """Return whose orders came in there."""
            orders = await pair.paper.orders()
            return {row["owner_account_index"] for row in orders if row["market_index"] == BTC}

        assert await pair.until(in_btc, "an order in BTC", 20) == {pair.account_a}
