"""Who may sign: taking, prolonging and losing the lease of one API key."""

from dataclasses import replace

import pytest

from hedge.bus.port import LeaseAnswer
from hedge.daemon.lease import LeaseHandlers, LeaseKeeper
from hedge.errors import AlreadyRunningError, RedisUnreachableError
from hedge.wire.control import Lease
from hedge.wire.names import LeaseKey, PairLeaseKey
from tests.unit.shell.fakes import API_KEY, Bench, Calls, running
from tests.waiting import eventually

OTHER = Lease(instance="c" * 12, host="otherhost")


class Keeper:
    """A LeaseKeeper; what it told the manager is in `taken`, `lost` and `refused`."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.bus = bench, bench.bus
        self.taken, self.lost, self.refused = Calls(), Calls(), Calls()
        handlers = LeaseHandlers(self.taken, self.lost, self.refused)
        self.lease = LeaseKeeper(bench.parts, "b", handlers)

    async def until(self, calls: Calls, count: int = 1) -> None:
        """Keep the lease until a handler was called that often."""
        async with running(self.lease.run()):
            await eventually(lambda: len(calls) >= count)

    async def rounds(self, count: int = 3) -> None:
        """Keep the lease for some rounds."""
        slept = len(self.bench.clock.slept_s)
        async with running(self.lease.run()):
            await eventually(lambda: len(self.bench.clock.slept_s) >= slept + count)


@pytest.fixture
def kept(bench: Bench) -> Keeper:
    return Keeper(bench)


async def test_a_free_lease_is_taken_once(kept: Keeper) -> None:
    """The manager hears of it once, however often it is prolonged after that."""
    await kept.rounds(5)
    assert kept.lease.held
    assert (len(kept.taken), kept.lost, kept.refused) == (1, [], [])
    assert set(kept.bench.clock.slept_s) == {kept.bench.timing.lease_renew_s}


async def test_an_older_process_of_this_host_is_followed_at_once(kept: Keeper) -> None:
    """The lock of the directory proves that process dead: its lease need not lapse first."""
    kept.bus.holder = Lease(instance="d" * 12, host=kept.bus.host)
    await kept.until(kept.taken)
    assert kept.taken[0].took_over
    assert kept.bus.holder == kept.bus.me


async def test_anothers_lease_is_refused_and_asked_for_again(kept: Keeper) -> None:
    """A standby hears every refusal, and leads once the lease is free."""
    kept.bus.holder = OTHER
    await kept.until(kept.refused, 3)
    assert not kept.lease.held
    assert kept.refused[0].holder == OTHER
    kept.bus.holder = None
    await kept.until(kept.taken)


async def test_a_lapsed_lease_is_lost_before_it_is_taken_again(kept: Keeper) -> None:
    """A holder whose lease was ever missing steps down first: another may have led in between."""
    await kept.until(kept.taken)
    kept.bus.holder = None
    await kept.until(kept.taken, 2)
    assert [answer.was_free for answer in kept.lost] == [True]
    assert kept.lease.held


async def test_a_lease_taken_by_another_is_lost(kept: Keeper) -> None:
    """The holder steps down, and then stands by."""
    await kept.until(kept.taken)
    kept.bus.holder = OTHER
    await kept.until(kept.refused)
    assert [answer.holder for answer in kept.lost] == [OTHER]
    assert not kept.lease.held


async def test_with_redis_away_the_holder_goes_on(kept: Keeper) -> None:
    """No answer proves nothing: the exchange's nonces protect the account meanwhile."""
    await kept.until(kept.taken)
    kept.bus.reachable = False
    await kept.rounds(4)
    assert kept.lease.held
    assert await kept.lease.check()
    assert kept.lost == []


async def test_with_redis_away_nobody_becomes_holder(kept: Keeper) -> None:
    """A process that never had the lease does not get it by silence."""
    kept.bus.reachable = False
    await kept.rounds(4)
    assert not kept.lease.held
    assert not await kept.lease.check()
    assert kept.taken == []


async def test_the_answer_to_a_write_deposes(kept: Keeper) -> None:
    """Any refused write says what a renewal would: it need not be waited for."""
    await kept.until(kept.taken)
    kept.lease.judge(LeaseAnswer(held=True))
    assert kept.lost == []
    kept.lease.judge(LeaseAnswer(held=False, holder=OTHER))
    kept.lease.judge(LeaseAnswer(held=False, holder=OTHER))
    assert [answer.holder for answer in kept.lost] == [OTHER]
    assert not kept.lease.held


async def test_a_standby_does_not_lose_what_it_never_had(kept: Keeper) -> None:
    """A refused write of a process without the lease is no news."""
    kept.lease.judge(LeaseAnswer(held=False, holder=OTHER))
    assert kept.lost == []


async def test_asking_finds_the_loss_before_the_next_renewal(kept: Keeper) -> None:
    """Before a fence the lease is asked for; one that is another's is lost there and then."""
    await kept.until(kept.taken)
    assert await kept.lease.check()
    kept.bus.holder = OTHER
    assert not await kept.lease.check()
    assert len(kept.lost) == 1


async def test_asking_takes_nothing(kept: Keeper) -> None:
    """A lapsed lease is not renewed by the question: lease, fence and book come in this order."""
    await kept.until(kept.taken)
    kept.bus.holder = None
    assert not await kept.lease.check()
    assert kept.bus.holder is None
    assert not kept.lease.held


async def test_a_clean_stop_gives_the_lease_back(kept: Keeper) -> None:
    """The next process need not wait for it to lapse."""
    await kept.until(kept.taken)
    await kept.lease.release()
    assert kept.bus.holder is None


async def test_only_the_holder_gives_back(kept: Keeper) -> None:
    """A standby that stops leaves the leader's lease alone; an unreachable Redis is no error."""
    kept.bus.holder = OTHER
    await kept.lease.release()
    assert (kept.bus.released, kept.bus.holder) == (0, OTHER)
    kept.bus.holder = None
    await kept.until(kept.taken)
    kept.bus.reachable = False
    await kept.lease.release()


async def test_the_error_of_a_second_process_says_who_and_how_long(kept: Keeper) -> None:
    """Account, key and the holder's host are in the sentence, and its exit code is 6."""
    error = kept.lease.already_running(LeaseAnswer(held=False, holder=OTHER))
    assert isinstance(error, AlreadyRunningError)
    assert error.exit_code == 6
    for part in ("main_B.py", "otherhost", "account 102", f"API key {API_KEY}", "10 s"):
        assert part in str(error)
    nobody = kept.lease.already_running(replace(LeaseAnswer(held=False), holder=None))
    assert "host id" not in str(nobody)


async def test_a_holder_in_doubt_needs_the_word_of_redis(kept: Keeper) -> None:
    """With another process signing and no answer from Redis the lease is lost, not kept."""
    await kept.until(kept.taken)
    kept.lease.doubt()
    kept.bus.reachable = False
    assert not await kept.lease.check()
    assert [answer.holder for answer in kept.lost] == [None]
    assert not kept.lease.held


async def test_an_answer_of_redis_ends_the_doubt(kept: Keeper) -> None:
    """Once Redis has said that the lease is ours, an outage is again no reason to step down."""
    await kept.until(kept.taken)
    kept.lease.doubt()
    assert await kept.lease.check()
    kept.bus.reachable = False
    assert await kept.lease.check()
    assert kept.lost == []


async def test_a_renewal_ends_the_doubt_too(kept: Keeper) -> None:
    """Any answer about the lease counts, also one that nobody asked for because of the doubt."""
    await kept.until(kept.taken)
    kept.lease.doubt()
    await kept.rounds(2)
    kept.bus.reachable = False
    assert await kept.lease.check()


async def test_a_standby_asks_more_often_than_a_holder_renews(kept: Keeper) -> None:
    """A lease that ends is taken within a beat."""
    kept.bus.holder = OTHER
    await kept.rounds(3)
    assert set(kept.bench.clock.slept_s) == {kept.bench.timing.beat_s}


@pytest.mark.parametrize(
    ("pair", "market", "is_other"),
    [(None, None, False), ("", 0, False), ("night", 0, True), ("", 1, True), ("", None, False)],
)
async def test_another_pairs_lease_is_told_from_a_twins(
    kept: Keeper, pair: str | None, market: int | None, is_other: bool
) -> None:
    """A holder of another pair or market is named as such; an old value says nothing."""
    holder = replace(OTHER, pair=pair, market_index=market)
    answer = LeaseAnswer(held=False, holder=holder)
    assert kept.lease.is_other_pair(answer) is is_other
    assert ("another pair" in str(kept.lease.already_running(answer))) is is_other
    assert not kept.lease.is_other_pair(LeaseAnswer(held=False))


BESIDE = Lease(instance="e" * 12, host="otherhost", pair="night", api_key_index=9)


async def test_another_pair_on_the_same_accounts_and_market_is_refused(kept: Keeper) -> None:
    """Under another key the leases do not meet: both names, once a dead one's value had lapsed."""
    kept.bus.pair_holder = BESIDE
    began_ms = kept.bench.clock.now_ms()
    with pytest.raises(AlreadyRunningError) as refused:
        await kept.lease.run()
    assert kept.bench.clock.now_ms() - began_ms > kept.bench.timing.lease_ttl_s * 1000
    assert not kept.lease.held
    text = str(refused.value)
    assert 'the pair "night" with API key 9' in text
    assert f"a pair without a name with API key {API_KEY}" in text


@pytest.mark.parametrize("after", [None, replace(BESIDE, pair="", api_key_index=API_KEY)])
async def test_a_pair_that_is_gone_is_waited_for(
    kept: Keeper, monkeypatch: pytest.MonkeyPatch, after: Lease | None
) -> None:
    """Its value lapses; that of our own pair and key is a twin's, which the key's lease judges."""
    acquire, asked = kept.bus.acquire_lease, []

    async def lapsing(key: LeaseKey | PairLeaseKey) -> LeaseAnswer:
        asked.append(isinstance(key, PairLeaseKey))
        kept.bus.pair_holder = BESIDE if len(asked) <= 3 else after
        return await acquire(key)

    monkeypatch.setattr(kept.bus, "acquire_lease", lapsing)
    await kept.until(kept.taken)
    assert asked[:5] == [True, True, True, True, False]


async def test_a_process_that_leads_is_not_ended_by_a_value(
    kept: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone who can write to Redis could write it: it is said, once, and it goes on."""
    await kept.until(kept.taken)
    kept.bus.pair_holder = BESIDE
    await kept.rounds(12)
    assert kept.lease.held
    assert len([line for line in caplog.messages if "beside_another_pair" in line]) == 1


async def test_where_the_pairs_lease_cannot_be_asked_for_the_keys_one_counts(
    kept: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ACL of before does not know it."""
    acquire = kept.bus.acquire_lease

    async def denied(key: LeaseKey | PairLeaseKey) -> LeaseAnswer:
        if isinstance(key, PairLeaseKey):
            raise RedisUnreachableError("Redis refuses: NOPERM", "fake:0/0")
        return await acquire(key)

    monkeypatch.setattr(kept.bus, "acquire_lease", denied)
    await kept.until(kept.taken)
