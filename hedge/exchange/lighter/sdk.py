"""The only import of the venue's SDK (lighter-sdk 1.1.8).

The package is typed in name only: its modules re-export nothing and its models validate nothing,
so it is loaded as an untyped module and wrapped here and in its two users. Importing it pulls in
the old client of websockets, which says that it is deprecated; we do not use that client.
"""

import gc
import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

SIGNATURE = tuple[int | None, str | None, str | None, str | None]
"""(tx_type, tx_info, tx_hash, error) as every sign method returns it."""


class SdkClient(Protocol):
    """What is used of `lighter.SignerClient`. Construct it inside the running loop."""

    chain_id: int
    api_client: Any
    tx_api: Any
    order_api: Any

    def sign_create_order(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign an order."""

    def sign_cancel_order(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign a cancel."""

    def sign_cancel_all_orders(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign a cancel-all."""

    def create_auth_token_with_expiry(
        self, deadline: int, *, timestamp: int, api_key_index: int
    ) -> tuple[str | None, str | None]:
        """Make a token that ends `deadline` seconds after `timestamp`: (token, error)."""

    def check_client(self) -> str | None:
        """Compare the key with the venue's by a blocking request: error or None."""


class _NoWallet:
    """Stands where the SDK expects the L1 wallet library, which signs nothing of ours.

    The SDK needs `eth_account` only to register API keys and to transfer; importing it costs a
    third of a daemon's start, and 11 MB for as long as it runs.
    """

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse any use."""
        raise AttributeError(f"eth_account.{name}: this program has no L1 wallet")


@contextmanager
def _without_wallet() -> Iterator[None]:
    """Let the SDK import a stand-in for `eth_account`, and nobody else."""
    names = ("eth_account", "eth_account.messages")
    if any(name in sys.modules for name in names):
        yield
        return
    package, messages = (types.ModuleType(name) for name in names)
    package.__dict__.update(Account=_NoWallet(), messages=messages)
    messages.__dict__.update(encode_defunct=_NoWallet())
    sys.modules.update(zip(names, (package, messages), strict=True))
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def _load() -> Any:
    """Import the SDK and undo what one of its dependencies does to the recursion limit.

    With a limit of 100,000 deeply nested JSON would end the process instead of raising. The
    collector rests meanwhile: it would look through all these classes again and again.
    """
    limit, collects = sys.getrecursionlimit(), gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings(), _without_wallet():
            warnings.filterwarnings(
                "ignore", message=r"websockets\.(client\.connect|legacy) is deprecated"
            )
            return importlib.import_module("lighter")
    finally:
        sys.setrecursionlimit(limit)
        if collects:
            gc.enable()


_lighter: Any = _load()


class _Session:
    """The SDK's HTTP session, where a POST stays with whom it was addressed to.

    A second address that cannot be reached would look like a transaction that was never sent.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Take over `session`."""
        self._session = session

    async def request(self, method: str, url: str, **options: Any) -> aiohttp.ClientResponse:
        """Do what the SDK asks for; a redirect is followed by reads only."""
        follow = method != "POST"
        return await self._session.request(method, url, allow_redirects=follow, **options)

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._session.close()


def _own_session(api_client: Any, url: str) -> None:
    """Give the SDK a session that knows the proxies of the environment, but not ~/.netrc.

    The SDK lets aiohttp read both or neither, and a `default` entry of that file would both go to
    the exchange and forbid our own token.
    """
    rest_client = api_client.rest_client
    theirs: aiohttp.ClientSession = rest_client.pool_manager
    ours = aiohttp.ClientSession(connector=theirs.connector, proxy=_proxy_of(url))
    theirs.detach()
    rest_client.pool_manager = _Session(ours)


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for `url`, None where it names none."""
    try:
        address = urlsplit(url)
        if proxy_bypass(address.hostname or ""):
            return None
    except ValueError:
        return None  # every request will say what is wrong with the address
    return getproxies().get(address.scheme)


async def signer_client(
    url: str, account_index: int, keys: dict[int, str], chain_id: int | None
) -> Any:
    """Return a `lighter.SignerClient`; raises a bare Exception for a key it cannot read.

    Its constructor opens an HTTP session before it looks at the key; a failed one is closed here.
    """
    kind = _lighter.SignerClient
    client = kind.__new__(kind)
    try:
        client.__init__(
            url=url, account_index=account_index, api_private_keys=keys, chain_id=chain_id
        )
    except Exception:
        api_client = getattr(client, "api_client", None)
        if api_client is not None:
            await api_client.close()
        raise
    _own_session(client.api_client, url)
    return client


def account_api(api_client: Any) -> Any:
    """Return a `lighter.AccountApi` on the session of `api_client`."""
    return _lighter.AccountApi(api_client)
