"""Deliberate changes of the public surface since 54aaf31, each with its reason.

The record itself, `tests/payloads/public_54aaf31.json`, is never edited. An entry that is again
as it was must leave this list.
"""

from tests.public.compare import GONE, Change

_BESIDE_THE_FILE = "Relative directories lie beside the configuration, not where it was started."
_FRESH = (
    "Freshness decides who lives; one lost round trip of 2 s must neither cancel nor stop a hedge."
)
_STAYS = "A side that was asked to stop stays while something of the pair could still fill."

_SETS = "Halts and releases are sets: an old copy of Redis brings no released halt back."

_EVIDENCE = "Neutral is a statement about evidence, and the only success of `status`."

_TIERS = "The account's tier sets the budget of requests, and the exchange is asked for it."

_OWN_HELP = "The help of the stop script names what a stop knows; the rest is taken as before."
_OF_A_START = (
    *("cycles", "depth", "detach", "keep", "only-b", "paper", "quantity", "run-dir", "seed"),
    *("stop", "tier", "timeout-s"),
)

CHANGES: tuple[Change, ...] = (
    Change(
        "help | start_hedge.sh | --run-dir | text",
        "another place than run/paper",
        "A paper run does not write into the logs of a real pair.",
    ),
    *(Change(f"help | stop_hedge.sh | --{name} | *", GONE, _OWN_HELP) for name in _OF_A_START),
    Change("help | stop_hedge.sh | example | ./start_hedge.sh *", GONE, _OWN_HELP),
    Change("help | stop_hedge.sh | must be given", "stop_hedge.sh", _OWN_HELP),
    Change(
        "help | stop_hedge.sh | about",
        "Stop the pair of this host: A, then B once it has covered everything.",
        _OWN_HELP,
    ),
    Change(
        "help | stop_hedge.sh | Exit codes",
        "0 stopped, or nothing ran; 1 bug, 2 usage or configuration, 5 something is left open: B"
        " goes on, and the last lines say what to do.",
        _OWN_HELP,
    ),
    Change("* | v", "= 2", "Every value of a daemon bears an envelope: origin and freshness."),
    Change("config.yaml | lighter.tier", "auto", _TIERS),
    Change("config | lighter.tier | default", "auto", _TIERS),
    Change("config | lighter.tier | loaded for *", "auto", _TIERS),
    Change("config | lighter.tier | type", "auto / standard / plus / premium", _TIERS),
    Change(
        "config | lighter.requests_per_minute | default", "by tier; standard: A 28, B 32", _TIERS
    ),
    Change("config | lighter.requests_per_minute | loaded for *", "0", _TIERS),
    Change("config | timing.ready_ttl_s | default", "4", _FRESH),
    Change("config | timing.ready_ttl_s | loaded for *", "4.0", _FRESH),
    Change("config | timing.redis_down_s | default", "4", _FRESH),
    Change("config | timing.redis_down_s | loaded for *", "4.0", _FRESH),
    Change("config | timing.stop_timeout_s | default", "60", _STAYS),
    Change("config | timing.stop_timeout_s | loaded for *", "60.0", _STAYS),
    *(
        Change(f"key | hedge:*halt (*) | {field}", GONE, _SETS)
        for field in ("detail", "id", "reason", "side", "timestamp", "forced", "note", "resumed")
    ),
    Change("status --json | halt | resumed", GONE, _SETS),
    Change(
        "key | hedge:command | side",
        GONE,
        "A command names the processes that shall obey it, by their newest heartbeats.",
    ),
    Change(
        "help | hedgectl.py | about",
        "Look at the pair, halt it, resume it, or flatten it. Talks through Redis only.",
        "There is a command that halts the pair.",
    ),
    Change(
        "help | hedgectl.py flatten | about",
        "Refused unless both can act. A halt after which B trades nothing (README) refuses it too:"
        " then `resume --force` and at once `flatten`, once you have looked at both positions.",
        "It says what refuses it, and what closes both then.",
    ),
    Change("exit code | hedgectl.py status | of a halted pair", 5, _EVIDENCE),
    *(
        Change(
            f"help | {entry}",
            "Ask both daemons how the pair is; exit code 0 only if it runs and is neutral.",
            _EVIDENCE,
        )
        for entry in ("hedgectl.py status | about", "hedgectl.py | status")
    ),
    Change("key | *:ready:? | life in s", 4, _FRESH),
    Change("key | *:standby:* | life in s", 4, _FRESH),
    Change("config | logging.dir | loaded for *", "(the file's folder)/logs", _BESIDE_THE_FILE),
    Change("config | state.dir | loaded for *", "(the file's folder)/run", _BESIDE_THE_FILE),
)
