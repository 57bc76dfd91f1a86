"""An API key that Lighter's own apps sign with: no pair begins on one.

The apps use the indexes 0 to 3 (apidocs.lighter.xyz, api-keys), and take nonces from under us. A
pair that has state or a position under such a key goes on: what is open must be covered.
"""

from hedge.config.load import RESERVED_API_KEYS
from hedge.config.schema import Config
from hedge.daemon.host_store import HostState
from hedge.errors import ConfigError

_BOOK = "book-"


def refusal_of(config: Config, host: HostState, *, has_position: bool) -> str:
    """Return why a side does not begin under its key, "" where it may, or must go on."""
    own = config.own
    if own.api_key_index > RESERVED_API_KEYS or has_position:
        return ""
    if any(name.startswith(_BOOK) for name in host.names()) or host.read_halts().in_force:
        return ""
    return (
        f"{_key_of(config)}: {own.api_key_index} is used by Lighter's own apps (0 to 3), which"
        " would take the nonces of our orders; make a key with an index from 4 to 254 in Lighter's"
        " app, and write its index and its private key."
    )


def _key_of(config: Config) -> str:
    return f"accounts.account_{config.side}.api_key_index"


def refuse_at_first_start(config: Config, host: HostState, *, has_position: bool) -> None:
    """Raise ConfigError where a side may not begin under its key."""
    why = refusal_of(config, host, has_position=has_position)
    if why:
        raise ConfigError(why, _key_of(config))
