"""Where the time goes: every stage of every fill, joined from both daemons and the exchange.

The exchange's log has when A's frame went out and when B's order came in; A's messages in Redis
carry A's stamps, B's results carry B's; A's log tells of its next order. All by one clock. B hears
of a fill by A's message or by its own watch of A's public stream, whichever is first.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from bench.stats import Json, Spread, next_after
from bench.world import PairRun, World

_ROUND = re.compile(r" round seq=\d+ .*ordered_ns=(\d+)")
STAGES = (
    "A's frame read",
    "published",
    "heard by message",
    "heard by watch (since frame out)",
    "decided",
    "signed",
    "sent",
    "order in",
    "accepted",
    "executed",
    "covered",
    "A's next order out",
)


async def stages_of(world: World, pair: PairRun, after_seq: int) -> list[Spread]:
    """Return how long each stage took after the one before it, for fills after `after_seq`."""
    trades = {
        row["trade_id"]: row["frames_sent"].get(str(pair.account_a))
        for row in await world.rows("trades", pair.account_a, after_seq)
    }
    orders = {
        row["client_order_index"]: row["received_mono_ns"]
        for row in await world.rows("orders", pair.account_b, after_seq)
    }
    fills = [
        (trades[fill["trade_id"]], fill)
        for fill in await _messages(world, pair.names.fills)
        if trades.get(fill["trade_id"]) is not None
    ]
    text = pair.log("a").read_text(encoding="utf-8", errors="replace")
    ordered = sorted(int(moment) for moment in _ROUND.findall(text))
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for result in await _messages(world, pair.names.results):
        order_in, stamps = orders.get(result["client_order_index"]), result.get("stamps", {})
        heard_by = [item for item in fills if item[0] <= stamps.get("decided", 0)]
        if order_in is None or "covered" not in stamps or not heard_by:
            continue
        stamps |= {"order_in": order_in, "ordered": next_after(ordered, stamps["covered"])}
        for stage, span_ms in _spans(*heard_by[-1], stamps):
            samples[stage].append(span_ms)
    return [Spread.of(stage, found) for stage, found in samples.items()]


def _spans(frame_out: int, fill: Json, stamps: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield (stage, ms); one that was not stamped gives no sample, nor does the next."""
    by_message = "published" in stamps
    way: list[tuple[str, int | None]] = [
        ("decided", stamps.get("decided")),
        ("signed", stamps.get("signed")),
        ("sent", stamps.get("sent")),
        ("order in", stamps["order_in"]),
        ("accepted", stamps.get("accepted")),
        ("executed", stamps.get("executed")),
        ("covered", stamps["covered"]),
        ("A's next order out", stamps["ordered"]),
    ]
    yield "A's frame read", (fill["frame_ns"] - frame_out) / 1e6
    yield "published", (fill["published_ns"] - fill["frame_ns"]) / 1e6
    before: int | None = stamps.get("heard")
    if before is not None and by_message:
        yield "heard by message", (before - fill["published_ns"]) / 1e6
    elif before is not None:
        yield "heard by watch (since frame out)", (before - frame_out) / 1e6
    for stage, now in way:
        if before is not None and now is not None:
            yield stage, (now - before) / 1e6
        before = now


async def _messages(world: World, stream: str) -> list[Json]:
    entries: Any = await world.client.xrange(stream)
    return [json.loads(fields["message"]) for _, fields in entries]
