"""Where the time goes: every stage of every fill, joined from both daemons and the exchange.

The exchange's log has when A's frame went out and when B's order came in; B's results in Redis
carry the stamps of A and B; A's log tells of its next order. All by one clock.
"""

import json
import re
from typing import Any

from bench.stats import Json, Spread
from bench.world import PairRun, World

_ROUND = re.compile(r" round seq=(\d+) .*ordered_ns=(\d+)")
STAGES = (
    "frame out",
    "frame",
    "published",
    "heard",
    "decided",
    "signed",
    "sent",
    "order in",
    "accepted",
    "executed",
    "covered",
    "ordered",
)


async def stages_of(world: World, pair: PairRun, after_seq: int) -> list[Spread]:
    """Return how long each stage took after the one before it, for fills after `after_seq`."""
    frames = {
        row["trade_id"]: row["frames_sent"].get(str(pair.account_a))
        for row in await world.rows("trades", pair.account_a, after_seq)
    }
    orders = {
        row["client_order_index"]: row["received_mono_ns"]
        for row in await world.rows("orders", pair.account_b, after_seq)
    }
    trades = {fill["seq"]: fill["trade_id"] for fill in await _messages(world, pair.names.fills)}
    text = pair.log("a").read_text(encoding="utf-8", errors="replace")
    ordered = {int(seq): int(moment) for seq, moment in _ROUND.findall(text)}
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES[1:]}
    for result in await _messages(world, pair.names.results):
        frame_out = frames.get(trades.get(result.get("a_seq"), -1))
        if frame_out is None:
            continue
        stamps = {
            **result.get("stamps", {}),
            "frame out": frame_out,
            "order in": orders.get(result["client_order_index"]),
            "ordered": ordered.get(result["a_seq"]),
        }
        _add(samples, stamps)
    return [Spread.of(f"→ {stage}", found) for stage, found in samples.items()]


def _add(samples: dict[str, list[float]], stamps: dict[str, Any]) -> None:
    """Add one fill's stages; one that was not stamped gives no sample, nor does the next."""
    before: int | None = None
    for stage in STAGES:
        now: int | None = stamps.get(stage)
        if stage in samples and before is not None and now is not None:
            samples[stage].append((now - before) / 1e6)
        before = now


async def _messages(world: World, stream: str) -> list[Json]:
    entries: Any = await world.client.xrange(stream)
    return [json.loads(fields["message"]) for _, fields in entries]
