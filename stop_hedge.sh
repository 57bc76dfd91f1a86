#!/usr/bin/env bash
# Stop the pair of this host: A first, then, once everything is hedged, B. Any console will do: it
# asks the launcher, in whatever terminal that runs, and does its work where there is none any more.
set -euo pipefail
export HEDGE_CALLED_IN="$PWD" # a relative --config FILE is the caller's
here="${BASH_SOURCE[0]}"
while [ -L "$here" ]; do # a link to this script is this script
    link="$(readlink "$here")"
    case "$link" in /*) here="$link" ;; *) here="$(dirname "$here")/$link" ;; esac
done
CDPATH='' cd -- "$(dirname -- "$here")"

if [ ! -x .venv/bin/python ]; then
    echo "There is no .venv here, so nothing was started from here; see ./start_hedge.sh." >&2
    exit 2
fi
exec .venv/bin/python -m hedge.launcher --stop "$@"
