"""A standby B on another host leads when the holder dies, freezes or loses Redis."""

import json
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hedge.core import ids
from tests.fault_helpers import flat
from tests.pair_audit import OrderLife, lives_of
from tests.world.pair import NAMES, Daemon, Json, Pair
from tests.world.paper import ACCOUNT_B
from tests.world.proxy import TcpProxy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.fault,
    pytest.mark.asyncio(loop_scope="module"),
]

TAKE_OVER_S = 12.0


class Hosts:
    """A pair with two B's, each on a host (state directory and Redis link) of its own.

    `leads` and `waits` are the two processes; the pair's own B is always the one that leads.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.waits: Daemon | None = None
        self._links: dict[int, TcpProxy] = {}
        self._free = ["one", "two"]
        self._host_of: dict[int, str] = {}

    @property
    def leads(self) -> Daemon:
        assert self.pair.b is not None
        return self.pair.b

    def link(self, daemon: Daemon) -> TcpProxy:
        """The Redis link of a B."""
        return self._links[daemon.pid]

    def start_b(self) -> Daemon:
        """Start a B on the host that has none."""
        host = self._free.pop(0)
        link = self.pair.proxies["b-redis" if host == "one" else "a-redis"]
        config = self.pair.config_of(
            "b",
            redis__port=link.port,
            state__dir=str(self.pair.folder / f"host-{host}"),
            logging__dir=str(self.pair.folder / f"logs-{host}"),
        )
        daemon = self.pair.spawn("b", config)
        self._links[daemon.pid], self._host_of[daemon.pid] = link, host
        return daemon

    async def standing_by(self) -> Json:
        """Wait until exactly one B waits with its streams up; return what it says of itself."""

        async def seen() -> Json | None:
            found = await self.pair.client.keys(NAMES.standby("b", "*"))
            beat = await self.pair.key(found[0]) if len(found) == 1 else None
            return beat if beat is not None and beat["warm"] else None

        found = await self.pair.until(seen, "one warm standby")
        assert found is not None
        return found

    async def leader(self, *, other_than: str = "") -> str:
        """Wait until a B (other than that instance) leads and is ready; return its instance."""

        async def leads() -> str:
            beat = await self.pair.key(NAMES.ready_b)
            ready = beat is not None and beat["ready"] and beat["instance"] != other_than
            return beat["instance"] if beat is not None and ready else ""

        return await self.pair.until(leads, f"a leader other than {other_than}", TAKE_OVER_S)

    def swap(self) -> None:
        """The one that waited leads now."""
        old, self.pair.b = self.leads, self.waits
        self.waits = old

    def bury(self) -> None:
        """The one that waits is dead; its host is free."""
        assert self.waits is not None
        self._free.append(self._host_of[self.waits.pid])
        self.waits = None

    async def orders_of(self, instance: str) -> list[OrderLife]:
        """Return the hedges and markers that one process got executed."""
        lives = lives_of(await self.pair.paper.orders(account=ACCOUNT_B))
        bits = ids.instance_bits(instance)
        return [life for life in lives if ids.instance_of(life.client_order_index) == bits]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosts]:
    """A running pair with a standby; each B has a Redis link that can be cut."""
    folder = tmp_path_factory.mktemp("pair")
    async with Pair(folder, proxied=("a-redis", "b-redis")) as pair:
        made = Hosts(pair)
        pair.b = made.start_b()
        pair.start_a(redis__port=pair.redis.port)
        await pair.until_ready_b()
        made.waits = made.start_b()
        await made.standing_by()
        await pair.until_state_a("working")
        yield made


async def test_a_standby_shows_itself(hosts: Hosts) -> None:
    """`hedgectl status` names the B that waits, and says that it could lead at once."""
    code, text = await hosts.pair.command("status", "--json")
    assert code == 0, text
    (standby,) = json.loads(text)["standbys"]
    assert standby["warm"]
    assert standby["instance"] != json.loads(text)["b"]["lease"]["instance"]
    code, text = await hosts.pair.command("status")
    assert f"standby of B: {standby['instance']}" in text
    assert "ready to take over" in text


async def test_a_frozen_holder_is_replaced_and_deposed(hosts: Hosts) -> None:
    """SIGSTOP: the standby hedges what is owed; the old one wakes, trades nothing, stands by."""
    old = await hosts.leader()
    frozen = hosts.leads
    await hosts.pair.until_resting()
    frozen.send(signal.SIGSTOP)
    await hosts.pair.fill_a()
    new = await hosts.leader(other_than=old)
    hosts.swap()
    await hosts.pair.until_neutral()
    before = await hosts.orders_of(old)
    frozen.send(signal.SIGCONT)
    assert (await hosts.standing_by())["instance"] == old
    await hosts.pair.fill_a()
    await hosts.pair.check()
    assert await hosts.orders_of(old) == before
    assert await hosts.leader() == new


async def test_a_killed_holder_is_replaced(hosts: Hosts) -> None:
    """Kill -9 with a fill unhedged: the standby of the other host covers it; a new one waits."""
    old = await hosts.leader()
    await hosts.pair.until_resting()
    hosts.leads.send(signal.SIGSTOP)
    await hosts.pair.fill_a()
    hosts.leads.kill()
    await hosts.leader(other_than=old)
    hosts.swap()
    hosts.bury()
    await hosts.pair.until_neutral()
    hosts.waits = hosts.start_b()
    await hosts.standing_by()
    await hosts.pair.fill_a()
    await hosts.pair.check()


async def test_a_holder_without_redis_is_replaced(hosts: Hosts) -> None:
    """Cut off from Redis alone, the old holder sees the new one's orders and steps down.

    Until then it may hedge by its watch, and the new one by A's word: together once.
    """
    old = await hosts.leader()
    cut_off = hosts.link(hosts.leads)
    await hosts.pair.until_resting()
    cut_off.refuse(True)
    cut_off.cut()
    await hosts.pair.fill_a()
    new = await hosts.leader(other_than=old)
    hosts.swap()
    await hosts.pair.until_neutral()
    before = await hosts.orders_of(old)
    for _ in range(3):
        await hosts.pair.fill_a()
        await hosts.pair.until_neutral()
    cut_off.refuse(False)
    assert (await hosts.standing_by())["instance"] == old
    assert await hosts.orders_of(old) == before
    assert await hosts.leader() == new
    await hosts.pair.check()


async def test_two_that_believe_they_lead_hedge_once(hosts: Hosts) -> None:
    """A holder wakes without Redis and with a fill in its ear: its nonce is spent already."""
    old = await hosts.leader()
    frozen = hosts.leads
    link = hosts.link(frozen)
    await hosts.pair.until_resting()
    frozen.send(signal.SIGSTOP)
    await hosts.pair.fill_a()
    new = await hosts.leader(other_than=old)
    hosts.swap()
    await hosts.pair.until_neutral()
    before = await hosts.orders_of(old)
    link.drop_replies(True)  # what it has been sent so far lies in its socket
    link.drop_requests(True)
    frozen.send(signal.SIGCONT)
    for _ in range(3):
        await hosts.pair.fill_a()
        await hosts.pair.until_neutral()
    link.cut()
    link.drop_replies(False)
    link.drop_requests(False)
    assert (await hosts.standing_by())["instance"] == old
    traded = [life for life in await hosts.orders_of(old) if life.filled_lots]
    assert traded == [life for life in before if life.filled_lots]
    assert await hosts.leader() == new
    await hosts.pair.check()


async def test_a_frozen_a_is_not_joined_by_a_second(hosts: Hosts) -> None:
    """Once A's lease has lapsed a second A may lead; the first one wakes and ends with code 6."""
    pair = hosts.pair
    first = pair.a
    assert first is not None
    await pair.until_resting()
    first.send(signal.SIGSTOP)

    async def lapsed() -> bool:
        return len(await pair.client.keys("hedge:lease:[0-9]*")) == 1

    await pair.until(lapsed, "A's lease lapsed")
    pair.a = pair.spawn(
        "a",
        pair.config_of("a", state__dir=str(pair.folder / "a-two"), redis__port=pair.redis.port),
    )
    await pair.until_resting()
    await pair.until_state_a("working")
    first.send(signal.SIGCONT)
    assert await first.ended() == 6
    assert len([line for line in first.output().splitlines() if line.strip()]) == 1
    await pair.fill_a()
    await pair.check()


@pytest.mark.parametrize("change", [{"pair": "night"}, {"market": "BTC"}])
async def test_another_pair_on_the_same_key_is_refused(
    hosts: Hosts, change: dict[str, str]
) -> None:
    """A B of another pair or market does not wait for this key: code 6, one sentence.

    While both are flat: beside a position it would first stand by in the market that has it.
    """
    await flat(hosts.pair)
    await hosts.pair.until_neutral()
    state = str(hosts.pair.folder / f"other-{next(iter(change))}")
    other = hosts.pair.spawn(
        "b",
        hosts.pair.config_of("b", state__dir=state, redis__port=hosts.pair.redis.port, **change),
    )
    assert await other.ended() == 6
    (line,) = [line for line in other.output().splitlines() if line.strip()]
    assert "another pair or market" in line
    await hosts.pair.fill_a()
    await hosts.pair.check()
