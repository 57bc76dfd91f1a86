"""A server that keeps the bytes it was sent and answers every request with the same ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n" + b'{"code":200,"orders":[]}'


class Server:
    """Answers every request with the same bytes and keeps what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, word: bytes) -> list[bytes]:
        """Return the header lines of all requests whose name contains `word`."""
        lines = [line for request in self.requests for line in request.split(b"\r\n")]
        return [line for line in lines if word in line.partition(b":")[0].lower()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await reader.read(65536):
                self.requests.append(request)
                writer.write(self.answer)
                await writer.drain()
        except ConnectionError:
            pass  # the client has had enough
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: bytes = FINE) -> AsyncIterator[Server]:
    served = Server(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
