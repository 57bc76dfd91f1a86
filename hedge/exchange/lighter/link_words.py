"""Why a connection to the exchange could not be made, in words that a person can act on.

Nothing of a user name or a password that stands in an address, such as a proxy's, is shown.
"""

import re
import ssl

import aiohttp
from websockets.exceptions import ProxyError

_LOGIN = re.compile(r"[^\s'\"]*@")


def why(error: BaseException) -> str:
    """Return what a failed connection ended with."""
    broken = _tls_of(error)
    if broken is not None:
        return _tls_words(broken)
    by_proxy = isinstance(
        error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError | ProxyError
    )
    text = _LOGIN.sub("…@", str(error))
    if by_proxy:
        return f"the proxy that the environment names (https_proxy) does not let us through: {text}"
    return text


def named(error: BaseException) -> str:
    """Return the same, behind the error's own name where that says more."""
    text = why(error)
    return text if text != _LOGIN.sub("…@", str(error)) else f"{type(error).__name__}: {text}"


def _tls_of(error: BaseException) -> ssl.SSLError | None:
    """Return the error of the encryption that is behind another one, None where none is."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, aiohttp.ClientConnectorCertificateError):
            inner = inner.certificate_error
        elif isinstance(inner, aiohttp.ClientConnectorError):
            inner = inner.os_error
        elif isinstance(inner, ssl.SSLError):
            return inner
        else:
            inner = inner.__cause__
    return None


def _tls_words(error: ssl.SSLError) -> str:
    """Name what is wrong with the encryption, and where to look."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its TLS certificate is not accepted ({error.verify_message}); look at this host's"
            " clock and certificates, at a proxy in between, and at lighter.base_url"
        )
    return f"TLS fails there ({error.reason}); it may be no https port: look at lighter.base_url"
