#!/usr/bin/env bash
# Stop the pair of this host: A first, then, once everything is hedged, B. Any console will do: it
# asks the launcher, in whatever terminal that runs, and does its work where there is none any more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ ! -x .venv/bin/python ]; then
    echo "There is no .venv here, so nothing was started from here; see ./start_hedge.sh." >&2
    exit 2
fi
exec .venv/bin/python -m hedge.launcher --stop "$@"
