"""Which threads read the certificates that an encrypted connection trusts."""

import ssl
import threading

import pytest


def trusting_threads(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return a set that gets the thread of each reading from now on."""
    threads = set[int]()
    create = ssl.create_default_context

    def noted(*arguments: object, **options: object) -> ssl.SSLContext:
        threads.add(threading.get_ident())
        return create(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl, "create_default_context", noted)
    return threads
