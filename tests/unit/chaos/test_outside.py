"""What comes from outside in a run: links that several faults hold, lies, words that are kept."""

import pytest

from tests.chaos.hands import claims_of
from tests.chaos.lies import PLACES, lie_of
from tests.chaos.links import FAR_S, JITTER_S, Link
from tests.world.lying import Lie
from tests.world.proxy import TcpProxy


def test_a_switch_goes_off_with_the_last_fault_that_holds_it() -> None:
    """Two faults on one link overlap; neither undoes the other's work."""
    link = Link(TcpProxy("127.0.0.1", 1), TcpProxy("127.0.0.1", 2))
    for name, on in (("lose-replies", "dropping"), ("hold", "holds")):
        for by, expected in ((1, True), (1, True), (-1, True), (-1, False)):
            link.turn(name, by)
            assert {getattr(proxy.down, on) for proxy in link.proxies} == {expected}


def test_delays_add_up_and_go() -> None:
    """A far host may be on a slow link for a while."""
    link = Link(TcpProxy("127.0.0.1", 1))
    link.lag(FAR_S, JITTER_S)
    link.lag(0.2)
    assert link.ways[0].delay_s == pytest.approx(0.2 + FAR_S)
    link.lag(-FAR_S, -JITTER_S)
    link.lag(-0.2)
    assert [(way.delay_s, way.jitter_s) for way in link.ways] == [(0.0, 0.0), (0.0, 0.0)]


def test_a_seed_gives_one_lie_and_seeds_give_all() -> None:
    """A run can be replayed, and every place and way of lying is drawn."""
    lies = [lie_of(seed) for seed in range(500)]
    assert lies == [lie_of(seed) for seed in range(500)]
    assert {lie.where for lie in lies} == {where for where, _ in PLACES}
    assert {lie.how for lie in lies} == {"field", "repeat", "drop"}
    assert {lie.lasting for lie in lies} == {True, False}


@pytest.mark.parametrize(
    ("text", "lied"),
    [
        ('{"trades": [{"size": "0.0100"}]}', "size"),
        ('{"trades": [{"trade_id": 12}]}', "trade_id"),
        ('{"a": [{"position": "-0.5000"}]}', "position"),
        ('{"a": [{"is_maker_ask": true}]}', "is_maker_ask"),
        ('{"orders": [{"status": "open"}]}', "status"),
    ],
)
def test_one_field_is_changed_and_the_record_says_which(text: str, lied: str) -> None:
    """The text still parses, differs, and names the field with both values."""
    for seed in range(20):
        lie = Lie("", seed=seed)
        (told,) = lie.tell(text, None)
        assert told != text
        assert lied in lie.texts[0]


def test_a_text_without_such_a_field_stays_true() -> None:
    """A lie waits for a frame that it can be told about."""
    lie = Lie("", name="size")
    assert lie.tell('{"type": "pong"}', None) == ['{"type": "pong"}']
    assert lie.tell("no json", None) == ["no json"]
    assert lie.told == 0


@pytest.mark.parametrize(
    ("code", "text", "claims"),
    [
        (0, "Stopping B ...\nNeutral: A +0 ETH, B +0 ETH, nothing owed.\n", 2),
        (0, "Stopped before the pair was running.\n", 1),
        (5, "NOT COVERED: A +1 ETH, B +0 ETH; B owes +1 ETH.\n", 0),
        (-9, "Neutral: A +0 ETH, B +0 ETH, nothing owed.\nA| state\n", 0),
    ],
)
def test_the_end_of_a_launcher_is_kept_as_what_it_claims(code: int, text: str, claims: int) -> None:
    """Its exit code 0 and its last word are claims; what it printed earlier is none."""
    assert len(claims_of(code, text)) == claims
