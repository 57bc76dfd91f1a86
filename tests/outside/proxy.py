"""A TCP proxy between a process and Redis or the exchange: it delays, holds or cuts."""

import contextlib
import socket
import threading
import time
from collections import deque

CHUNK = 65536


class Proxy:
    """Listens on a free port of this host and passes bytes on to another one.

    Args:
        target_port: Where the bytes go.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.delay_s = 0.0
        self._passing = threading.Event()
        self._passing.set()
        self._refusing = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def delay(self, seconds: float) -> None:
        """Each byte from now on arrives this much later, in each direction."""
        self.delay_s = seconds

    def hold(self) -> None:
        """A black hole: connections stay open, new ones are taken, no byte passes."""
        self._passing.clear()

    def cut(self) -> None:
        """Close every connection, and every new one at once, until `heal`."""
        self._refusing = True
        for end in list(self._open):
            self._drop(end)

    def heal(self) -> None:
        """Pass everything on again, also what was held."""
        self._refusing = False
        self.delay_s = 0.0
        self._passing.set()

    def close(self) -> None:
        """End for good."""
        self.cut()
        self._passing.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                self._drop(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._passing.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self._drop(client)
            return
        self._open |= {client, server}
        _Direction(self, client, server)
        _Direction(self, server, client)

    def _drop(self, end: socket.socket) -> None:
        self._open.discard(end)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def wait_until(self, at_s: float) -> None:
        """Return at this monotonic time, later where the proxy is held."""
        time.sleep(max(0.0, at_s - time.monotonic()))
        self._passing.wait()

    def ended(self, source: socket.socket, sink: socket.socket) -> None:
        """One direction of a connection is over: so is the other."""
        for end in (source, sink):
            self._open.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class _Direction:
    """Bytes of one connection, one way: one thread reads, one writes when it is time."""

    def __init__(self, proxy: Proxy, source: socket.socket, sink: socket.socket) -> None:
        self._proxy, self._source, self._sink = proxy, source, sink
        self._queue: deque[tuple[float, bytes]] = deque()
        self._more = threading.Semaphore(0)
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        chunk = b"begin"
        while chunk:
            try:
                chunk = self._source.recv(CHUNK)
            except OSError:
                chunk = b""
            self._queue.append((time.monotonic() + self._proxy.delay_s, chunk))
            self._more.release()

    def _write(self) -> None:
        chunk = b"begin"
        while chunk:
            self._more.acquire()
            at_s, chunk = self._queue.popleft()
            self._proxy.wait_until(at_s)
            try:
                self._sink.sendall(chunk)
            except OSError:
                break
        self._proxy.ended(self._source, self._sink)
