"""One paper exchange for all tests of this folder, and traders with accounts of their own."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import lighter
import pytest

from tests.integration.paper.support import KEY, Trader, TraderFactory
from tests.world.paper import PaperProcess, new_account_number, new_key
from tests.world.processes import keep_process


@pytest.fixture(scope="session")
def paper() -> Iterator[PaperProcess]:
    """Give a paper exchange without delays and with a fixed book."""
    with PaperProcess() as process:
        keep_process(process.pid)
        yield process


@pytest.fixture
async def new_trader(paper: PaperProcess) -> AsyncIterator[TraderFactory]:
    """Give a function that makes a trader with a new account."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            collateral: str = "100000", exchange: PaperProcess = paper, account: int | None = None
        ) -> Trader:
            number = account or new_account_number()
            if account is None:
                await exchange.add_account(number, f"0x{number:040x}", collateral)
            private, public = new_key()
            await exchange.register_key(number, KEY, public)
            client = lighter.SignerClient(
                url=exchange.base_url, account_index=number, api_private_keys={KEY: private}
            )
            stack.push_async_callback(client.close)
            return Trader(exchange, number, client)

        yield make


@pytest.fixture
async def trader(new_trader: TraderFactory) -> Trader:
    """Give a trader with 100,000 USDC."""
    return await new_trader()
