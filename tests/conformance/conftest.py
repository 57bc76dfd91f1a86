"""One paper exchange per module of the conformance kit, and clients with accounts of their own."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.conformance.kit import KEY, Client
from tests.world.paper import PaperProcess, new_account_number

ClientFactory = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperProcess]:
    """Give an exchange without delays and with a fixed book."""
    with PaperProcess() as process:
        yield process


@pytest.fixture(scope="module")
def slow_paper() -> Iterator[PaperProcess]:
    """Give an exchange with the delays of the standard tier and without its request limits."""
    with PaperProcess(tier="standard", extra=("--limits", "off")) as process:
        yield process


@pytest.fixture
async def new_client(paper: PaperProcess) -> AsyncIterator[ClientFactory]:
    """Give a function that makes a client with a new account; `master` is its L1 address."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            collateral: str = "100000",
            exchange: PaperProcess = paper,
            master: str | None = None,
        ) -> Client:
            number = new_account_number()
            await exchange.add_account(number, master or f"0x{number:040x}", collateral)
            signer = await stack.enter_async_context(exchange.signer(number, KEY))
            return Client(exchange, number, signer)

        yield make


@pytest.fixture
async def client(new_client: ClientFactory) -> AsyncIterator[Client]:
    """Give a client with 100,000 USDC; what it leaves in the book is cancelled afterwards."""
    one = await new_client()
    yield one
    await one.clear()
