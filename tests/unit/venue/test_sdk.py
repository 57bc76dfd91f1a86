"""The SDK is loaded without the L1 wallet library, and nobody else notices."""

import subprocess
import sys

from tests.world.paper import ROOT

LOADED = """
import sys, gc
from hedge.exchange.lighter import sdk
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("eth_account", "py_ecc")))
print(sys.getrecursionlimit(), gc.isenabled())
import eth_account.messages
print(eth_account.Account.__module__)
from lighter import signer_client
try:
    signer_client.Account.from_key
except AttributeError as error:
    print(error)
"""


def test_the_wallet_library_is_left_out() -> None:
    """It is not imported, a use of it is refused in words, and an own import gets the real one."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "[]",
        "1000 True",
        "eth_account.account",
        "eth_account.from_key: this program has no L1 wallet",
    ], done.stderr
