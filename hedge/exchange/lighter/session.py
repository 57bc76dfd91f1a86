"""HTTP to the exchange: one pool of connections, and requests byte for byte as the SDK makes them.

Of its 250 calls eight are used; `sdk` says why the SDK's own are not loaded. Addresses and fields
are those of apidocs.lighter.xyz; what an answer means is read in `rest`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from hedge.config.schema import is_loopback

_API = "/api/v1/"
_ACCEPT = {"Accept": "application/json"}
_AGENT = {"User-Agent": "OpenAPI-Generator/1.0.0/python"}
_GET_HEADERS = {**_ACCEPT, **_AGENT, "Content-Type": "application/json"}
_POST_HEADERS = {**_ACCEPT, "Content-Type": "application/x-www-form-urlencoded", **_AGENT}


class Session:
    """Requests to one exchange; use `open_session`. Raises what aiohttp raises, and ValueError.

    ValueError: an address, a proxy or the target of a redirect that cannot be used.
    """

    def __init__(self, url: str, pool: aiohttp.ClientSession) -> None:
        """Send to `url` (no slash at the end) over `pool`."""
        self._url = url + _API
        self._pool = pool

    async def get(
        self, call: str, query: Mapping[str, object], token: str | None, timeout_s: float
    ) -> aiohttp.ClientResponse:
        """Read; values of None are left out, a redirect is followed. Close the answer."""
        given = "&".join(f"{name}={quote(str(it))}" for name, it in query.items() if it is not None)
        own = {} if token is None else {"authorization": token}
        return await self._pool.get(
            self._url + call + ("?" + given if given else ""),
            headers={**own, **_GET_HEADERS},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )

    async def post(
        self, call: str, form: Mapping[str, object], timeout_s: float
    ) -> aiohttp.ClientResponse:
        """Send a form to exactly this address. Close the answer.

        A redirect is an answer: a second address that cannot be reached would look like a
        transaction that was never sent.
        """
        return await self._pool.post(
            self._url + call,
            data=aiohttp.FormData([(name, str(value)) for name, value in form.items()]),
            headers=_POST_HEADERS,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        )


@asynccontextmanager
async def open_session(url: str) -> AsyncIterator[Session]:
    """Give a session that knows the proxies of the environment, but not ~/.netrc.

    aiohttp reads both or neither by itself, and a `default` entry of that file would both go to
    the exchange and forbid our own token.
    """
    async with aiohttp.ClientSession(proxy=_proxy_of(url)) as pool:
        yield Session(url, pool)


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for `url`, None where it names none.

    What goes to this machine itself goes to no proxy.
    """
    try:
        address = urlsplit(url)
        host = address.hostname or ""
        if is_loopback(host) or proxy_bypass(host):
            return None
    except ValueError:
        return None  # every request will say what is wrong with the address
    return getproxies().get(address.scheme)
