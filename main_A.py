"""Account A: rests limit orders on Lighter and says every fill. See README.md."""

import gc
import signal
import sys
from dataclasses import replace
from decimal import Decimal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while it loads is no traceback
gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start

from account_a_manager import LEAVE_S, AccountAManager
from hedge.config.schema import PartialFill
from hedge.core.amounts import MAX_LOTS
from hedge.core.maker.quoting import SHARES
from hedge.core.maker.state import MakerConfig
from hedge.core.pricing import BPS
from hedge.daemon.context import Parts
from hedge.daemon.startup import lots_of, main, usd_to_micros
from hedge.errors import ConfigError

gc.freeze()
gc.enable()

REQUOTE_SHARE_MS = 240_000
"""A requote is at most two requests; this far apart they take half of a minute's budget at most."""


def _share(bps: Decimal | None) -> int | None:
    """Return basis points in the parts of a price that the core counts in, rounded down."""
    return None if bps is None else int(bps * SHARES // BPS)


def build(parts: Parts) -> AccountAManager:
    """Build A's manager from the configuration."""
    strategy = parts.config.strategy
    quantity = 0 if parts.leaves else lots_of(parts.spec, parts.config, "strategy", "quantity")
    if quantity is None:
        raise ConfigError("no quantity: give --quantity or set strategy.quantity.")
    if quantity > MAX_LOTS:
        raise ConfigError(
            f"strategy.quantity = {strategy.quantity}: the exchange has no number for an order "
            f"above {parts.spec.base(MAX_LOTS)} {parts.spec.symbol}; lower the quantity.",
            "strategy.quantity",
        )
    return AccountAManager(parts, _settings(parts, quantity))


def build_leaving(parts: Parts) -> AccountAManager:
    """Build what cancels everything of A, proves and states its book, and ends."""
    settings = _settings(parts, 0)
    return AccountAManager(
        parts,
        replace(settings, stop_deadline_ms=round(LEAVE_S * 1000), places=False, reduces=False),
        leaves=True,
    )


def _settings(parts: Parts, quantity_lots: int) -> MakerConfig:
    strategy, timing = parts.config.strategy, parts.config.timing
    requests = parts.budget.allowed.requests
    return MakerConfig(
        spec=parts.spec,
        instance=parts.instance,
        quantity_lots=quantity_lots,
        requote_ticks=strategy.requote_ticks,
        requote_share=_share(strategy.requote_bps),
        order_timeout_ms=round(parts.config.lighter.maker_order_time_out * 1000),
        keep_remainder=strategy.on_partial_fill is PartialFill.KEEP,
        confirm_timeout_ms=round(strategy.hedge_confirm_timeout_s * 1000),
        force_close_ms=round(strategy.force_close_timeout * 1000),
        deadline_ms=round(timing.place_deadline_s * 1000),
        retry_delay_ms=round(strategy.retry_delay_s * 1000),
        requote_pause_ms=max(1000, REQUOTE_SHARE_MS // requests),
        stop_deadline_ms=round(timing.stop_timeout_s * 1000),
        view_lag_ms=round(timing.view_lag_s * 1000),
        max_drift_micros=usd_to_micros(parts.config.safety.max_drift_usd),
        max_slippage_bps=strategy.max_slippage_bps,
        max_mark_gap_bps=parts.config.safety.max_mark_gap_bps,
        max_position_lots=parts.scope.max_position_lots,
        max_fill_lots=parts.scope.max_fill_lots,
        offset_lots=lots_of(parts.spec, parts.config, "strategy", "offset_base_amount") or 0,
        peer_watch=parts.peer is not None,
        places=not parts.leaves,
        changes=True,
    )


if __name__ == "__main__":
    main("a", sys.argv[1:], build, build_leaving)
