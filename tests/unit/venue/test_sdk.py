"""Only the SDK's signer is loaded, and it signs exactly as in the whole SDK."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import lighter
import pytest

from hedge.exchange.lighter import sdk
from tests.world.paper import ROOT

ACCOUNT = 281474976710654
KEY_INDEX = 5
CHAIN = 304
URL = "https://venue.invalid"

LOADED = """
import sys
import main_A, main_B
from hedge.exchange.lighter import sdk
heavy = ("lighter", "pydantic", "requests", "urllib3", "dateutil", "eth_account", "py_ecc")
print(sorted(name for name in sys.modules if name.partition(".")[0] in heavy))
print(sys.getrecursionlimit())
import eth_account, lighter, pydantic
print(eth_account.Account.__module__, pydantic.StrictInt is int)
print(lighter.SignerClient is sdk._signing.SignerClient, lighter.Account.__module__)
print(lighter.OrderApi(1).api_client, "lighter.models.resp_send_tx" in sys.modules)
"""


def test_the_daemons_load_the_signer_alone() -> None:
    """Models, calls and the wallet library stay out; another import gets all of them, whole."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[]",
        "1000",
        "eth_account.account False",
        "False lighter.models.account",
        "1 True",
    ]


def test_the_signer_leaves_a_whole_sdk_alone() -> None:
    """Where the whole SDK is imported already, every module stays what it was."""
    before = dict(sys.modules)
    found = importlib.util.spec_from_file_location("second_sdk", sdk.__file__)
    assert found is not None
    assert found.loader is not None
    second = importlib.util.module_from_spec(found)
    found.loader.exec_module(second)
    assert sys.modules == before
    assert second._signing not in (sdk._signing, lighter.signer_client)
    assert second._signing.lighter is not lighter


def clients() -> tuple[Any, Any]:
    """Return our client and the whole SDK's with the same key."""
    key = sdk.new_api_key()[0]
    ours = sdk.signer_client(URL, ACCOUNT, {KEY_INDEX: key}, CHAIN)
    theirs = lighter.SignerClient.__new__(lighter.SignerClient)
    theirs.url, theirs.chain_id, theirs.account_index = URL, CHAIN, ACCOUNT
    theirs.api_key_dict, theirs.signer = {KEY_INDEX: key}, lighter.signer_client.get_signer()
    theirs.create_client(KEY_INDEX)
    return ours, theirs


Sign = Callable[[Any], Any]

SIGNED: dict[str, Sign] = {
    "order": lambda client: client.sign_create_order(
        2,
        123456789,
        500,
        300_000,
        True,
        0,
        2,
        reduce_only=True,
        order_expiry=1_800_000_000_000,
        self_trade_equality_mode=1,
        nonce=41,
        api_key_index=KEY_INDEX,
    ),
    "market order": lambda client: client.sign_create_order(
        0, 7, 1, 1, False, 1, 0, order_expiry=0, nonce=0, api_key_index=KEY_INDEX
    ),
    "cancel": lambda client: client.sign_cancel_order(2, 9, nonce=42, api_key_index=KEY_INDEX),
    "change": lambda client: client.sign_modify_order(
        2, 9, 500, 300_000, self_trade_equality_mode=1, nonce=44, api_key_index=KEY_INDEX
    ),
    "cancel all": lambda client: client.sign_cancel_all_orders(
        0, 0, cancel_all_market_index=2, nonce=43, api_key_index=KEY_INDEX
    ),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_transaction_is_the_sdk_s(name: str) -> None:
    """Same type and same fields; time and signature are new in every one."""
    ours, theirs = (SIGNED[name](client) for client in clients())
    assert (ours[0], ours[3]) == (theirs[0], None)
    fields, expected = json.loads(ours[1]), json.loads(theirs[1])
    own = {"Sig", "ExpiredAt"}
    assert list(fields) == list(expected)
    assert {key: fields[key] for key in fields if key not in own} == {
        key: expected[key] for key in expected if key not in own
    }
    assert len(fields["Sig"]) == len(expected["Sig"])
    assert len(ours[2]) == len(theirs[2])


def recorded(client: Any, sign: Sign) -> list[Any]:
    """Return what the SDK's class hands to the library, and how it would be converted."""
    library, asked = client.signer, []

    class Library:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            function = getattr(library, name)

            def call(*arguments: object) -> object:
                kinds = [(kind.__module__, kind.__name__) for kind in function.argtypes]
                asked.append((name, arguments, kinds, function.restype.__name__))
                return SimpleNamespace(
                    txType=1, txInfo=None, txHash=None, messageToSign=None, err=None, str=None
                )

            return call

    client.signer = Library()
    try:
        sign(client)
    finally:
        client.signer = library
    return asked


def test_the_library_is_asked_the_same() -> None:
    """Arguments, their conversion and the kind of result are the whole SDK's."""
    ours, theirs = clients()

    def token(client: Any) -> Any:
        return client.create_auth_token_with_expiry(
            600, timestamp=1_790_000_000, api_key_index=KEY_INDEX
        )

    for sign in (*SIGNED.values(), token):
        asked = recorded(ours, sign)
        assert len(asked) == 1
        assert asked == recorded(theirs, sign)


def test_a_token_is_the_sdk_s() -> None:
    """Deadline, account and key are the same; the signature is new in every one."""
    tokens = [
        client.create_auth_token_with_expiry(600, timestamp=1_790_000_000, api_key_index=KEY_INDEX)
        for client in clients()
    ]
    (ours, error), (theirs, _) = tokens
    assert error is None
    assert ours.split(":")[:3] == theirs.split(":")[:3] == ["1790000600", str(ACCOUNT), "5"]


@pytest.mark.parametrize(
    "url",
    [
        "https://mainnet.zklighter.elliot.ai",
        "https://testnet.zklighter.elliot.ai",
        "https://api.rh.lighter.xyz",
        "https://api.rh-testnet.lighter.xyz",
        "http://127.0.0.1:8000",
    ],
)
async def test_the_chain_is_told_by_the_address(url: str) -> None:
    """Without a chain of its own the client signs for the one that the whole SDK would."""
    key = sdk.new_api_key()[0]
    theirs = lighter.SignerClient(url, ACCOUNT, {KEY_INDEX: key})
    try:
        assert sdk.signer_client(url, ACCOUNT, {KEY_INDEX: key}, None).chain_id == theirs.chain_id
    finally:
        await theirs.close()


def test_a_key_that_cannot_be_read_is_said() -> None:
    """The SDK's own sentence comes through."""
    with pytest.raises(Exception, match=r"\S"):
        sdk.signer_client(URL, ACCOUNT, {KEY_INDEX: "no key"}, CHAIN)


def test_what_is_not_loaded_is_not_there() -> None:
    """The wallet library signs nothing of ours, and nothing of it is loaded for the signer."""
    assert sdk._signing.Account is None


LOADS = """import ctypes, platform, sys
platform.system, platform.machine = (lambda: sys.argv[1]), (lambda: sys.argv[2])
if sys.argv[3]:
    def broken(path):
        raise OSError(path + ": " + sys.argv[3])
    ctypes.CDLL = broken
import asyncio
from hedge.daemon.clock import SystemClock
from hedge.errors import ConfigError
from hedge.exchange.lighter import sdk
from hedge.exchange.lighter.signer import Credentials, open_signer

async def sign():
    async with open_signer("http://x", Credentials(1, 4, "ab" * 40), SystemClock(), chain_id=304):
        pass

for attempt in (sdk.new_api_key, lambda: asyncio.run(sign())):
    try:
        attempt()
    except ConfigError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("system", "machine", "why"),
    [
        ("Linux", "riscv64", ""),
        ("FreeBSD", "amd64", ""),
        ("Windows", "ARM64", ""),
        ("Linux", "x86_64", "cannot open shared object file"),
    ],
)
def test_a_library_that_does_not_load_is_named_with_the_platform(
    system: str, machine: str, why: str
) -> None:
    """It is no wrong key; whatever needs a signature first says so."""
    done = subprocess.run(
        [sys.executable, "-c", LOADS, system, machine, why],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert len(said) == 2
    for line in said:
        assert f"signer library of lighter-sdk does not load on {system} {machine} with" in line
        assert why in line
