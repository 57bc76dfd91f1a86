"""The value by which a process that waits to lead shows itself."""

import json
from dataclasses import replace

import pytest

from hedge.wire.codec import MessageRefusedError, WireLimits
from hedge.wire.state import Standby
from tests.unit.core.kit import SPEC

SECRET = b"a secret of both hosts"
WAITS = Standby(
    side="b", instance="b" * 12, host="c" * 12, warm=True, version="0.1.0", timestamp=1_795_000_000
)


@pytest.mark.parametrize("secret", [None, SECRET])
def test_what_is_written_is_read(secret: bytes | None) -> None:
    """A standby comes back as it was, signed or not."""
    limits = WireLimits(chain_id=304, account_index=102, secret=secret)
    for said in (WAITS, replace(WAITS, warm=False)):
        assert Standby.from_json(said.to_json(secret), SPEC, limits) == said


@pytest.mark.parametrize(
    "changes", [{"v": 99}, {"warm": "yes"}, {"instance": 7}, {"timestamp": None}], ids=str
)
def test_what_cannot_be_read_is_refused(changes: dict[str, object]) -> None:
    """Another version or a wrong type is no standby."""
    text = json.dumps({**json.loads(WAITS.to_json()), **changes})
    with pytest.raises(MessageRefusedError):
        Standby.from_json(text, SPEC, WireLimits(chain_id=304, account_index=102))


def test_a_forged_one_is_refused() -> None:
    """With a secret an unsigned value does not count."""
    limits = WireLimits(chain_id=304, account_index=102, secret=SECRET)
    with pytest.raises(MessageRefusedError):
        Standby.from_json(WAITS.to_json(), SPEC, limits)
