"""REST calls over real sockets: whose password goes where, odd addresses, enormous answers."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hedge.daemon.clock import SystemClock
from hedge.exchange.budget import RequestBudget
from hedge.exchange.lighter.rest import RestClient
from hedge.exchange.lighter.session import open_session
from hedge.exchange.lighter.signer import Credentials, open_signer
from hedge.exchange.lighter.streams.connection import Link, LinkTimes
from hedge.exchange.port import NotSentError, SignedTx, VenueUnavailableError
from tests.integration.venue.raw_server import FINE, serving
from tests.waiting import eventually
from tests.world.paper import new_key
from tests.world.sentinels import Authority

pytestmark = pytest.mark.integration

TX = SignedTx(14, '{"Nonce":7}', "aa", 7)
CLOSED_PORT = 1


@asynccontextmanager
async def client(url: str) -> AsyncIterator[RestClient]:
    clock = SystemClock()
    budget = RequestBudget(clock, 1000)
    credentials = Credentials(1, 5, new_key()[0])
    async with (
        open_session(url) as session,
        open_signer(url, credentials, clock, chain_id=304) as signer,
    ):
        yield RestClient(session, signer, budget, account_index=1, api_key_index=5, timeout_s=9.0)


class Reasons:
    """What is said on a link that never comes up: it keeps why."""

    ready_since_ms: int | None = None
    last_data_ms = 0

    def __init__(self, reasons: list[str]) -> None:
        self.lost = reasons.append

    async def opening(self) -> Sequence[str]:
        """Say nothing."""
        return ()

    def missed(self) -> None:
        """Nothing comes."""

    def heard(self, _frame: dict[str, Any], _received_ns: int) -> Sequence[str]:
        """Nothing comes."""
        return ()

    def tick(self, _now_ms: int) -> Sequence[str]:
        """Ask for nothing."""
        return ()


def pauses() -> Iterator[float]:
    return itertools.repeat(0.01)


@pytest.fixture
def _netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user have a password for every host that has none of its own."""
    file = tmp_path / "netrc"
    file.write_text("default login me password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


@pytest.fixture
def _no_proxy_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("_netrc")
async def test_the_passwords_of_the_user_s_netrc_go_nowhere() -> None:
    """A `default` entry neither goes to the exchange nor stands in the way of our own token."""
    async with serving() as server, client(server.url) as rest:
        await rest.markets()
        assert server.headers(b"authorization") == []
        await rest.active_orders(0)
        (line,) = server.headers(b"authorization")
        assert b"Basic" not in line
        assert server.connections == 1


@pytest.mark.usefixtures("_no_proxy_set", "_netrc")
async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go through it, with the password that stands in its address and no other."""
    async with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with client("http://venue.invalid") as rest:
            await rest.active_orders(0)
        assert proxy.requests[0].startswith(b"GET http://venue.invalid/api/v1/")
        assert proxy.headers(b"proxy-authorization") == []
        monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{proxy.port}")
        async with client("http://venue.invalid") as rest:
            await rest.active_orders(0)
        assert proxy.headers(b"proxy-authorization") == [b"Proxy-Authorization: Basic bWU6cGFzcw=="]
        monkeypatch.setenv("no_proxy", "venue.invalid")
        async with client("http://venue.invalid") as rest:
            with pytest.raises(NotSentError):
                await rest.active_orders(0)
        assert len(proxy.requests) == 2


@pytest.mark.usefixtures("_no_proxy_set")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_proxy_gets_what_goes_to_this_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would look for a paper exchange on its own loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{CLOSED_PORT}")
    async with serving() as venue, client(f"http://{host}:{venue.port}") as rest:
        await rest.active_orders(0)
        assert len(venue.requests) == 1


@pytest.mark.usefixtures("_no_proxy_set")
@pytest.mark.parametrize("end", [":1", ":x", "", ":78900"])
@pytest.mark.parametrize("scheme", ["http://", "ftp://", ""])
async def test_the_password_of_a_proxy_is_in_no_complaint(
    scheme: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with its address, and where it refuses us."""
    async with serving(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as server:
        place = f"127.0.0.1{end or f':{server.port}'}"
        proxy = f"{scheme}me:hunter2@{place}"
        monkeypatch.setenv("https_proxy", proxy)
        async with client("https://venue.invalid") as rest:
            with pytest.raises(VenueUnavailableError) as read:
                await rest.markets()
            with pytest.raises(VenueUnavailableError) as sent:
                await rest.send(TX, 9.0)
        reasons: list[str] = []
        link = Link(
            "x", "wss://venue.invalid", Reasons(reasons), SystemClock(), LinkTimes(), pauses
        )
        running = asyncio.create_task(link.run())
        await eventually(lambda: bool(reasons), 10, "the stream has been tried")
        running.cancel()
    for text in (str(read.value), str(sent.value), *reasons):
        assert "hunter2" not in text
        assert text.strip()


@pytest.mark.usefixtures("_no_proxy_set")
async def test_a_certificate_that_is_not_accepted_is_named(tmp_path: Path) -> None:
    """With what is wrong about it and where to look; so is a port that speaks no TLS."""
    authority = Authority(tmp_path)
    context = authority.serving()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"https://127.0.0.1:{port}") as rest:
        with pytest.raises(VenueUnavailableError, match=r"TLS certificate is not accepted \(.+\);"):
            await rest.markets()
    async with serving() as plain, client(f"https://127.0.0.1:{plain.port}") as rest:
        with pytest.raises(VenueUnavailableError, match=r"TLS fails there \(.+\); .*base_url"):
            await rest.markets()


@pytest.mark.usefixtures("_no_proxy_set")
@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://mainnet..elliot.ai", ""),
        (f"http://{'a' * 64}.invalid", ""),
        ("http://venue.invalid", "http://127.0.0.1:78900"),
        ("http://venue.invalid", "http://[::1"),
        ("http://venue.invalid", "http://a..b:80"),
        ("http://venue.invalid", "127.0.0.1"),
    ],
)
async def test_an_address_that_cannot_be_used_is_no_answer(
    url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An odd host or proxy is a venue that cannot be reached, in reads and in sends."""
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    async with client(url) as rest:
        with pytest.raises(VenueUnavailableError):
            await rest.markets()
        with pytest.raises(VenueUnavailableError):
            await rest.send(TX, 9.0)


def _redirect(status: int, location: str) -> bytes:
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return head.encode()


@pytest.mark.parametrize("host", ["login..captive", "a" * 64, "login.captive:99999"])
async def test_a_redirect_to_an_address_that_cannot_be_used_is_no_answer(host: str) -> None:
    """A login page in the way of a read costs the answer, not the process."""
    async with serving(_redirect(302, f"http://{host}/")) as server, client(server.url) as rest:
        with pytest.raises(VenueUnavailableError):
            await rest.markets()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_transaction_may_have_been_taken(status: int) -> None:
    """It arrived at the first address and is not repeated at another: nobody knows its outcome."""
    there = f"http://127.0.0.1:{CLOSED_PORT}/api/v1/sendTx"
    async with serving(_redirect(status, there)) as server, client(server.url) as rest:
        with pytest.raises(VenueUnavailableError, match="redirect") as caught:
            await rest.send(TX, 9.0)
        assert not isinstance(caught.value, NotSentError)
        assert len(server.requests) == 1


async def test_a_transaction_without_a_connection_was_not_sent() -> None:
    """A closed port is proof that no byte left."""
    async with client(f"http://127.0.0.1:{CLOSED_PORT}") as rest:
        with pytest.raises(NotSentError):
            await rest.send(TX, 9.0)


HUGE = b"[" * (40 * 1024 * 1024)
PACKED = gzip.compress(HUGE)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(HUGE) + HUGE,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
        + PACKED,
    ],
    ids=["plain", "packed"],
)
async def test_an_enormous_answer_is_not_read_to_its_end(answer: bytes) -> None:
    """Beyond 32 MB, unpacked, no answer of the venue is worth the memory."""
    async with serving(answer) as server, client(server.url) as rest:
        with pytest.raises(VenueUnavailableError, match="32 MB"):
            await rest.markets()
        server.answer = FINE
        assert await rest.markets() == {"code": 200, "orders": []}


async def test_a_request_that_never_left_costs_nothing() -> None:
    """A host that refuses connections would else use up the minute before it is back."""
    async with client(f"http://127.0.0.1:{CLOSED_PORT}") as rest:
        for _ in range(5):
            with pytest.raises(NotSentError):
                await rest.markets()
            with pytest.raises(NotSentError):
                await rest.send(TX, 1.0)
        assert rest.budget.used_fraction == 0
