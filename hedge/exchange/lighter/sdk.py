"""The only import of the exchange's SDK (lighter-sdk 1.1.8): its signer, and nothing else of it.

`import lighter` builds some 250 generated models and all calls of the API, which costs more time
and memory than all the rest of a daemon. So only `lighter.signer_client` is loaded, under a package
that never runs, and what it imports without signing with it is stood in for. Nothing of this shows
in `sys.modules` afterwards: another import of the SDK gets the whole one. Our requests are made in
`session`. Tests compare signatures and requests with the whole SDK's.
"""

import importlib
import importlib.util
import platform
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from hedge.errors import AccountKeyError, ConfigError

SIGNATURE = tuple[int | None, str | None, str | None, str | None]
"""(tx_type, tx_info, tx_hash, error) as every sign method returns it."""


class SdkClient(Protocol):
    """What is used of `lighter.SignerClient`."""

    chain_id: int

    def sign_create_order(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign an order."""

    def sign_cancel_order(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign a cancel."""

    def sign_modify_order(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign a change of an order."""

    def sign_cancel_all_orders(self, *args: Any, **kwargs: Any) -> SIGNATURE:
        """Sign a cancel-all."""

    def create_auth_token_with_expiry(
        self, deadline: int, *, timestamp: int, api_key_index: int
    ) -> tuple[str | None, str | None]:
        """Make a token that ends `deadline` seconds after `timestamp`: (token, error)."""

    def check_client(self) -> str | None:
        """Compare the key with the venue's by a blocking request: error or None."""


def _nothing(*_args: object, **_kwargs: object) -> None:
    """Stand for what the SDK's constructor makes beside its signer: sessions, calls, nonces."""


def _stand_ins() -> dict[str, Mapping[str, object]]:
    """Return, for every module that `signer_client` is not to load, what it takes from there."""
    found = importlib.util.find_spec("lighter")
    if found is None:
        raise ModuleNotFoundError("lighter-sdk is not installed", name="lighter")
    made = dict.fromkeys(("ApiClient", "TransactionApi", "OrderApi"), _nothing)
    kinds = types.SimpleNamespace(OPTIMISTIC=None)
    return {
        "lighter": {**made, "__path__": found.submodule_search_locations},
        "lighter.configuration": {"Configuration": _nothing},
        "lighter.models": {"__path__": [], "TxHash": object},
        "lighter.models.resp_send_tx": {"RespSendTx": object},
        "lighter.models.resp_send_tx_batch": {"RespSendTxBatch": object},
        "lighter.nonce_manager": {"NonceManagerType": kinds, "nonce_manager_factory": _nothing},
        "eth_account": {"Account": None},
        "eth_account.messages": {"encode_defunct": None},
        "pydantic": {"StrictInt": int},
    }


@contextmanager
def _hidden(names: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """Let imports find these modules, and leave `sys.modules` as it was."""

    def pop() -> dict[str, types.ModuleType]:
        concerned = [name for name in sys.modules if name in names or name[:8] == "lighter."]
        return {name: sys.modules.pop(name) for name in concerned}

    before = pop()
    for name, contents in names.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(contents)
    try:
        yield
    finally:
        pop()
        sys.modules.update(before)


with _hidden(_stand_ins()):
    _signing: Any = importlib.import_module("lighter.signer_client")


def load_signer() -> None:
    """Load the library that signs. Raises ConfigError where this host cannot."""
    try:
        _signing.get_signer()
    except Exception as error:  # the SDK raises nothing narrower
        raise ConfigError(
            f"the signer library of lighter-sdk does not load on {platform.system()}"
            f" {platform.machine()} with Python {platform.python_version()} ({error}). There is one"
            " for Linux (glibc) and macOS on x86_64 and arm64, and for Windows on x86_64: use one"
            " of these, with a 64-bit Python."
        ) from error


def signer_client(
    url: str, account_index: int, keys: dict[int, str], chain_id: int | None
) -> SdkClient:
    """Return a client that signs; raises a bare Exception for a key it cannot read.

    ConfigError where the library that signs cannot be loaded.
    """
    load_signer()
    client: SdkClient = _signing.SignerClient(
        url=url, account_index=account_index, api_private_keys=keys, chain_id=chain_id
    )
    return client


def new_api_key() -> tuple[str, str]:
    """Return a new API key as (private, public) hex without 0x.

    Raises AccountKeyError, and ConfigError where the library that signs cannot be loaded.
    """
    load_signer()
    private, public, error = _signing.create_api_key()
    if error is not None:
        raise AccountKeyError(f"the SDK could not make an API key: {error}")
    return str(private.removeprefix("0x")), str(public.removeprefix("0x"))
