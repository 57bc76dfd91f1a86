"""What the pair of 54aaf31 has left in Redis and on its hosts is read, or named; never misread."""

import json
from pathlib import Path

import pytest

from hedge.bus.port import PairScope
from hedge.bus.snapshot import SnapshotReader
from hedge.daemon.host_store import HostState
from hedge.wire.codec import MessageRefusedError, RefusalCause
from hedge.wire.control import parse_halts
from hedge.wire.names import LeaseKey, Names
from hedge.wire.record import NO_LIMITS
from hedge.wire.state import Neutral
from tests.unit.venue.fakes import ETH
from tests.world.paper import ROOT

LEFT = json.loads((ROOT / "tests" / "payloads" / "state_54aaf31.json").read_text())
NAMES = Names()
CHAIN, A, B, KEY = 304, 280459, 280458, 4
HALT_ID = "b-006b970f2d99-1796129247417-foreign_trade_on_b"
LEASES = (LeaseKey(CHAIN, A, KEY), LeaseKey(CHAIN, B, KEY))


def scope(secret: str = "") -> PairScope:
    """The pair that left it."""
    return PairScope(
        chain_id=CHAIN,
        account_a=A,
        account_b=B,
        spec=ETH,
        secret=secret.encode() or None,
        pair="",
    )


def test_every_key_in_redis_is_read_or_refused_by_its_version() -> None:
    """The halt and the lease count; of the rest nothing does, and the other version is known."""
    reader = SnapshotReader(NAMES, scope(), *LEASES)
    found = reader.read([LEFT["redis"].get(key) for key in reader.keys])
    assert [halt.id for halt in found.halts.in_force] == [HALT_ID]
    assert found.lease_b is not None
    values = (found.position_a, found.position_b, found.ledger, found.neutral, found.ready_b)
    assert values == (None,) * len(values)
    assert (found.version_a, found.version_b) == (None, 1)
    assert set(found.refused.values()) == {RefusalCause.UNKNOWN_VERSION}
    read = {NAMES.halt, *(lease.name for lease in LEASES)}
    assert {*found.refused} | read >= {*LEFT["redis"]}


def test_a_signed_halt_counts_with_the_secret_only() -> None:
    """It was signed without its place."""
    limits = scope(LEFT["secret"]).limits_a(NAMES.halt)
    assert parse_halts(LEFT["signed_halt"], limits).in_force
    with pytest.raises(MessageRefusedError):
        parse_halts(LEFT["signed_halt"].replace("foreign_trade", "x"), limits)


def left_on_host(folder: Path, side: str, account: int) -> HostState:
    """Lay down what that version kept, and open it."""
    directory = folder / f"{CHAIN}-{account}-{KEY}"
    directory.mkdir()
    for name, text in LEFT[f"host_{side}"].items():
        (directory / f"{name}.json").write_text(text)
    (directory / "lock").write_text("pid 1\n")
    host = HostState(folder, CHAIN, account, KEY)
    host.open()
    return host


def test_everything_on_a_host_is_read(tmp_path: Path) -> None:
    """Book, halt and neutral moment; the process takes another number than the one before."""
    host = left_on_host(tmp_path, "b", B)
    try:
        assert [halt.id for halt in host.read_halts().in_force] == [HALT_ID]
        book = host.read("book-0")
        assert book is not None
        assert book["position_lots"] == -100
        neutral = host.read("neutral-0")
        assert neutral is not None
        limits = scope().limits_a(NAMES.neutral)
        kept = Neutral.from_host_file(neutral["neutral"], ETH, limits)
        assert (kept.a_position_lots, kept.b_position_lots) == (100, -100)
        with pytest.raises(MessageRefusedError):  # from Redis it is no word of today
            Neutral.from_json(neutral["neutral"], ETH, NO_LIMITS)
    finally:
        host.close()


def test_a_host_without_a_halt_has_none(tmp_path: Path) -> None:
    """Nothing of an earlier version is read as a halt that is none."""
    host = left_on_host(tmp_path, "a", A)
    try:
        assert host.read_halts().in_force == ()
    finally:
        host.close()
