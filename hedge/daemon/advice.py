"""What a person should check after a halt or a failure, by its reason."""

from collections.abc import Mapping

from hedge.daemon.host_os import commands_for
from hedge.errors import HedgeError, RedisUnreachableError

_ADVICE: Mapping[str, str] = {
    "api_key_refused": "Check that the API key of this side is still registered on Lighter",
    "implausible_fill": "Check the market's decimals, the order that is named, and both positions",
    "book_not_proven": "Check that Lighter answers, and the account's trades there",
    "drift": "Compare both positions on Lighter with what `status` shows",
    "fill_limit": "Check the fill of A that is named, and that B has hedged it; or raise"
    " `safety.max_fill_base_amount` and start again",
    "flatten": "Decide that the pair shall trade again",
    "flatten_alone": "Close A by hand on Lighter, or decide that B shall hedge it again",
    "force_close_timeout": "Find in both logs what was not hedged and why, and check both"
    " positions",
    "foreign_trade_on_a": "Find out who else trades account A, and stop that",
    "foreign_trade_on_b": "Find out who else trades account B, and check both positions",
    "key_not_allowed": "Use an API key that may send market orders: on Lighter this one is"
    " maker-only, or its tier or integrator is not allowed",
    "liquidation_on_a": "Check account A's margin and position: Lighter liquidated it",
    "liquidation_on_b": "Check account B's margin and position: Lighter liquidated it",
    "market_reduce_only": "Wait until the market takes opening orders again: Lighter lets it only"
    " reduce positions",
    "max_retries_exceeded": "Check the market and account B's positions on Lighter",
    "not_enough_margin": "Add collateral to account B, or lower `strategy.quantity`",
    "operator": "Ask the person who halted the pair",
    "outcome_unknown": "Check account B's orders and positions on Lighter",
    "position_limit": "Wait until A has reduced itself (after `strategy.force_close_timeout`), or"
    " raise `safety.max_position_base_amount` and start again",
    "restart_loop": "Find in the log why the daemon ends, and cure that",
    "sdk_outdated": "Update this program: Lighter asks for a newer SDK than its own",
    "state_not_writable": "Make room on the disk of `state.dir`, or correct the directory's owner",
    "trades_missing": "Lighter does not list trades that are known: compare both positions there"
    " with `status`",
    "unexpected_short": "Check on Lighter why account A is short",
    "unexplained_position": "Compare both positions on Lighter with what the pair should hold",
    "views_differ": "Compare account A's position on Lighter with both numbers",
    "unreadable_halt": "Look at the halt record in Redis and in the state directory",
}
_DEFAULT_ADVICE = "Check both accounts' positions and orders on Lighter"


def advice_for(reason: str) -> str:
    """Return what a person should check, as the beginning of a sentence."""
    return _ADVICE.get(reason, _DEFAULT_ADVICE)


def about_this_redis(error: HedgeError, config_file: str) -> HedgeError:
    """Return what to tell of an error: the Redis of a run on the paper exchange ends with the run.

    `config_file` is the configuration, "" for the default one.
    """
    commands = commands_for(config_file)
    if not (commands.play and isinstance(error, RedisUnreachableError)):
        return error
    if not str(error).startswith("cannot reach"):  # it is there, and hangs
        return error
    return RedisUnreachableError(
        f"cannot reach Redis at {error.where}: it belongs to a run on the paper exchange, and ends "
        f"with it. {commands.start} goes on with that run.",
        error.where,
    )
