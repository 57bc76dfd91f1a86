"""Account B: hedges every fill of A on Lighter. See README.md."""

import gc
import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while it loads is no traceback
gc.disable()  # nothing of what is loaded now is garbage: looking costs a fifth of the start

from account_b_manager import AccountBManager
from hedge.core.hedger.state import HedgerConfig
from hedge.daemon.context import Parts
from hedge.daemon.startup import lots_of, main, usd_to_micros

gc.freeze()
gc.enable()


def build(parts: Parts) -> AccountBManager:
    """Build B's manager from the configuration."""
    strategy, timing = parts.config.strategy, parts.config.timing
    return AccountBManager(
        parts,
        HedgerConfig(
            spec=parts.spec,
            instance=parts.instance,
            offset_lots=lots_of(parts.spec, parts.config, "strategy", "offset_base_amount") or 0,
            retry_times=strategy.retry_times,
            retry_delay_ms=round(strategy.retry_delay_s * 1000),
            backoff_min_ms=round(timing.retry_min_s * 1000),
            backoff_max_ms=round(timing.retry_max_s * 1000),
            max_slippage_bps=strategy.max_slippage_bps,
            max_mark_gap_bps=parts.config.safety.max_mark_gap_bps,
            settle_timeout_ms=round(timing.settle_timeout_s * 1000),
            stop_deadline_ms=round(timing.stop_timeout_s * 1000),
            view_lag_ms=round(timing.view_lag_s * 1000),
            force_close_ms=round(strategy.force_close_timeout * 1000),
            max_drift_micros=usd_to_micros(parts.config.safety.max_drift_usd),
            max_position_lots=parts.scope.max_position_lots,
            peer_watch=parts.peer is not None,
        ),
    )


if __name__ == "__main__":
    main("b", sys.argv[1:], build)
