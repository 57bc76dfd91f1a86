"""Redis behind TLS: real handshakes, and one sentence for each that fails."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hedge.config.schema import RedisConfig, Secret, TlsConfig
from hedge.daemon.host_os import loop_factory
from hedge.errors import ConfigError, RedisUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK, EmbeddedRedis
from redis_messenger import RedisMessenger
from tests.bus_helpers import LEASE_A, Make, a_filled, listening, position
from tests.waiting import eventually
from tests.world.proxy import TcpProxy
from tests.world.redis import FAST, client_of, private_redis, settings_of
from tests.world.sentinels import MASTER, Authority, EitherPort, Sentinel
from tests.world.trust import trusting_threads

pytestmark = pytest.mark.integration

CHANNEL = RedisMessenger.CHANNEL_A_FILLED
Loop = Callable[[], asyncio.AbstractEventLoop] | None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that signs for this module."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def tls_to(port: int, authority: Authority, **changes: object) -> RedisConfig:
    """Return the settings that reach a TLS port and trust the authority."""
    tls = replace(TlsConfig(enabled=True, ca_file=authority.file), **changes)  # type: ignore[arg-type]
    return RedisConfig(host=LOOPBACK, port=port, tls=tls)


async def connect(settings: RedisConfig) -> list[str]:
    """Connect as a daemon does at its start; the proxy lives in this loop, so beside it."""
    messenger = RedisMessenger(settings=settings, timing=FAST)
    try:
        return await asyncio.to_thread(messenger.connect)
    finally:
        await messenger.aclose()


async def refused(settings: RedisConfig) -> str:
    """Return the one sentence with which a start ends; its exit code is 3."""
    with pytest.raises(RedisUnreachableError) as failure:
        await connect(settings)
    assert failure.value.exit_code == 3
    assert "\n" not in str(failure.value)
    return str(failure.value)


@contextlib.asynccontextmanager
async def fronted(
    server: EmbeddedRedis, authority: Authority, name: str = LOOPBACK, *, clients: bool = False
) -> AsyncIterator[int]:
    """Give a TLS port before a plain server."""
    context = authority.serving(name, clients=clients)
    async with TcpProxy(LOOPBACK, server.port, tls=context) as proxy:
        yield proxy.port


async def test_everything_works_over_tls(
    make: Make, server: EmbeddedRedis, authority: Authority
) -> None:
    """Start, commands and subscriptions run over a trusted certificate."""
    async with fronted(server, authority) as port:
        settings = tls_to(port, authority)
        assert await connect(settings) == []
        sender, hearer = make(settings=settings), make("bbbbbbbbbbb2", "bb", settings=settings)
        async with listening(hearer, CHANNEL) as ear:
            await eventually(lambda: ear.is_up)
            assert (await sender.publish_fill(position(1), a_filled(1))).held
            await eventually(lambda: ear.heard)


async def test_what_is_trusted_is_read_beside_the_loop(
    make: Make, server: EmbeddedRedis, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs holds up the connection that needs the certificates, and no hedge."""
    threads = trusting_threads(monkeypatch)
    async with (
        fronted(server, authority) as port,
        listening(make(settings=tls_to(port, authority)), CHANNEL) as ear,
    ):
        await eventually(lambda: ear.is_up)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_certificate_of_another_authority(
    server: EmbeddedRedis, authority: Authority, tmp_path: Path
) -> None:
    """A server whose authority we do not trust is named as that."""
    stranger = Authority(tmp_path)
    async with fronted(server, stranger) as port:
        text = await refused(tls_to(port, authority))
    assert "is not trusted" in text
    assert "redis.tls.ca_file" in text


async def test_a_certificate_for_another_host(server: EmbeddedRedis, authority: Authority) -> None:
    """The wrong name is told, and accepted only where the configuration says so."""
    async with fronted(server, authority, "redis.example.org") as port:
        text = await refused(tls_to(port, authority))
        assert "is for another name" in text
        assert "redis.tls.check_hostname" in text
        assert await connect(tls_to(port, authority, check_hostname=False)) == []


async def test_a_server_that_asks_for_a_client_certificate(
    make: Make, server: EmbeddedRedis, authority: Authority, tmp_path: Path
) -> None:
    """Without one the sentence names both keys; with the right one all is well."""
    cert, key = authority.client_files()
    wrong_cert, wrong_key = Authority(tmp_path).client_files()
    async with fronted(server, authority, clients=True) as port:
        text = await refused(tls_to(port, authority))
        assert "asks for a client certificate" in text
        assert "redis.tls.cert_file and redis.tls.key_file" in text
        wrong = tls_to(port, authority, cert_file=wrong_cert, key_file=wrong_key)
        assert "does not accept our client certificate" in await refused(wrong)
        settings = tls_to(port, authority, cert_file=cert, key_file=key)
        assert await connect(settings) == []
        assert (await make(settings=settings).acquire_lease(LEASE_A)).held


async def test_tls_against_a_plain_port(server: EmbeddedRedis, authority: Authority) -> None:
    """A server without TLS is told from one that is away."""
    text = await refused(tls_to(server.port, authority))
    assert "does not speak TLS" in text
    assert "redis.tls" in text


async def test_plain_text_against_a_tls_port(server: EmbeddedRedis, authority: Authority) -> None:
    """A server that wants TLS says so by an alert, or just hangs up; both are recognised."""
    async with fronted(server, authority) as port:
        text = await refused(RedisConfig(host=LOOPBACK, port=port))
    assert "TLS" in text
    assert "redis.tls" in text


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("redis.tls.ca_file", {"ca_file": "/nowhere/ca.pem"}),
        ("redis.tls.cert_file", {"cert_file": "/nowhere/cert.pem"}),
        ("redis.tls.cert_file", {"key_file": "/nowhere/key.pem"}),
        ("redis.tls.ca_file", {"ca_file": __file__}),
        ("redis.tls.cert_file", {"cert_file": __file__}),
    ],
)
async def test_files_that_cannot_be_used(
    authority: Authority, key: str, changes: dict[str, str]
) -> None:
    """A missing or broken file is the configuration's fault: code 2, and the key is named."""
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")) as failure:
        await connect(tls_to(1, authority, **changes))
    assert failure.value.exit_code == 2
    assert failure.value.key == key


async def test_sentinel_with_tls_user_and_password(
    make: Make, authority: Authority, tmp_path: Path
) -> None:
    """Everything at once: the Sentinel's word over TLS, the master over TLS, a login at both."""
    with private_redis() as server, contextlib.closing(client_of(server)) as look:
        look.acl_setuser(
            "pair",
            enabled=True,
            passwords=["+pw"],
            categories=["+@all"],
            keys=["*"],
            channels=["*"],
        )
        async with EitherPort(server.port, authority.serving()) as master:
            sentinel = Sentinel(tmp_path / "sentinel", master.port, "requirepass guarded")
            await asyncio.to_thread(sentinel.start)
            try:
                context = authority.serving()
                async with TcpProxy(LOOPBACK, sentinel.port, tls=context) as front:
                    settings = replace(
                        tls_to(0, authority),
                        sentinels=((LOOPBACK, front.port),),
                        master_name=MASTER,
                        username="pair",
                        password=Secret("pw"),
                        sentinel_password=Secret("guarded"),
                    )
                    assert await connect(settings) == []
                    messenger = make(settings=settings)
                    async with listening(messenger, CHANNEL) as ear:
                        await eventually(lambda: ear.is_up)
                        assert (await messenger.publish_fill(position(1), a_filled(1))).held
                        await eventually(lambda: ear.heard)
                    assert master.encrypted >= 3
                    lost = replace(settings, sentinel_password=Secret("wrong"))
                    assert "redis.sentinel_password" in await refused(lost)
                    poor = replace(settings, password=Secret("wrong"))
                    assert "redis.password" in await refused(poor)
            finally:
                sentinel.kill()


async def test_a_sentinel_that_does_not_know_the_name(tmp_path: Path) -> None:
    """An unknown master is told from Sentinels that do not answer."""
    with private_redis() as server:
        sentinel = Sentinel(tmp_path / "sentinel", server.port)
        await asyncio.to_thread(sentinel.start)
        try:
            known = RedisConfig(sentinels=((LOOPBACK, sentinel.port),), master_name=MASTER)
            assert await connect(known) == []
            text = await refused(replace(known, master_name="yours"))
            assert "know no living master named yours" in text
            silent = replace(known, sentinels=((LOOPBACK, settings_of(server).port),))
            assert "redis.sentinels" in await refused(silent)
        finally:
            sentinel.kill()
        text = await refused(known)
        assert "no Sentinel answers" in text


async def test_a_silent_sentinel_does_not_keep_us_from_the_others(
    make: Make, tmp_path: Path
) -> None:
    """The first Sentinel's host swallows everything: the second one is asked in time."""
    with private_redis() as server:
        sentinel = Sentinel(tmp_path / "sentinel", server.port)
        await asyncio.to_thread(sentinel.start)
        try:
            async with TcpProxy(LOOPBACK, sentinel.port) as hole:
                hole.drop_requests(True)
                sentinels = ((LOOPBACK, hole.port), (LOOPBACK, sentinel.port))
                settings = RedisConfig(sentinels=sentinels, master_name=MASTER)
                assert (await make(settings=settings).acquire_lease(LEASE_A)).held
                assert await connect(settings) == []
        finally:
            sentinel.kill()


@contextlib.asynccontextmanager
async def over_a_network(port: int, tls: ssl.SSLContext) -> AsyncIterator[TcpProxy]:
    """Give a network, which can die, before a TLS port."""
    async with TcpProxy(LOOPBACK, port, tls=tls) as inner, TcpProxy(LOOPBACK, inner.port) as outer:
        yield outer


@pytest.mark.parametrize("factory", [None, loop_factory()])
def test_closing_waits_for_no_dead_network(
    server: EmbeddedRedis, authority: Authority, factory: Loop
) -> None:
    """TLS says farewell and hears none: a stop ends all the same, and at once."""

    async def scenario() -> None:
        async with over_a_network(server.port, authority.serving()) as network:
            messenger = RedisMessenger(settings=tls_to(network.port, authority), timing=FAST)
            async with listening(messenger, CHANNEL) as ear:
                await eventually(lambda: ear.is_up)
                network.black_hole(True)
            await messenger.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("factory", [None, loop_factory()])
def test_closing_waits_for_no_dead_sentinel(
    authority: Authority, tmp_path: Path, factory: Loop
) -> None:
    """The same where the link to the Sentinel is the one that died."""

    async def scenario(server: EmbeddedRedis) -> None:
        context = authority.serving()
        async with EitherPort(server.port, context) as master:
            sentinel = Sentinel(tmp_path / "sentinel", master.port)
            await asyncio.to_thread(sentinel.start)
            try:
                async with over_a_network(sentinel.port, context) as network:
                    settings = replace(
                        tls_to(0, authority),
                        sentinels=((LOOPBACK, network.port),),
                        master_name=MASTER,
                    )
                    messenger = RedisMessenger(settings=settings, timing=FAST)
                    async with listening(messenger, CHANNEL) as ear:
                        await eventually(lambda: ear.is_up)
                        network.black_hole(True)
                    await messenger.aclose()
            finally:
                sentinel.kill()

    with private_redis() as server, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scenario(server))
