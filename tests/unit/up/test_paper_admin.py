"""Answers that are none, from an exchange that dies while it speaks."""

import socket
import threading

import pytest

from hedge.errors import ExchangeUnreachableError
from hedge.launcher.embedded_redis import LOOPBACK
from hedge.launcher.paper_admin import PaperAdmin


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]",
    ],
)
def test_half_an_answer_is_one_sentence(answer: bytes) -> None:
    """Whatever comes, the start script gets an error that it can print."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        admin = PaperAdmin(f"http://{LOOPBACK}:{server.getsockname()[1]}")
        with pytest.raises(ExchangeUnreachableError, match="no usable answer to /paper/state"):
            admin.last_seq()
        thread.join()
