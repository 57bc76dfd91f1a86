#!/usr/bin/env bash
# Start the pair. Finds Python, makes .venv and installs the requirements once; the rest is Python.
#   ./start_hedge.sh --paper                          watch the pair run, no account needed
#   ./start_hedge.sh --market ETH --quantity 0.01 --depth 1 --config config.yaml
#   ./start_hedge.sh --help
set -euo pipefail
export HEDGE_BEGAN_S="${EPOCHREALTIME:-}" # a stop that is asked for later than this counts
export HEDGE_CALLED_IN="$PWD"             # a relative --config FILE is the caller's
here="${BASH_SOURCE[0]}"
while [ -L "$here" ]; do # a link to this script is this script
    link="$(readlink "$here")"
    case "$link" in /*) here="$link" ;; *) here="$(dirname "$here")/$link" ;; esac
done
CDPATH='' cd -- "$(dirname -- "$here")"
trap 'echo "Stopped before anything was started." >&2; exit 0' INT TERM

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local name
    for name in "${PYTHON:-python3.11}" python3.11 python3.12 python3.13 python3 python; do
        if usable "$name"; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv); set PYTHON=/path/to/python if it is not on the PATH." >&2
    exit 2
}

wanted() {
    .venv/bin/python -c 'import hashlib, pathlib
text = b"".join(pathlib.Path(name).read_bytes() for name in ("requirements.txt", "constraints.txt"))
print(hashlib.sha256(text).hexdigest())' 2>/dev/null
}

not_made() {
    echo "No .venv can be made in $PWD; the line above says why. Put the program where you may write." >&2
    exit 2
}

prepare() {
    local python stamp=.venv/.requirements.sha256 begun=.venv/.begun want
    if want="$(wanted)" && [ -n "$want" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
        return
    fi
    # Moved, or not finished by an earlier start: made again.
    if [ -e "$begun" ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python="$(find_python)"
        echo "Making .venv with $("$python" --version) ..." >&2
        "$python" -m venv --clear .venv || not_made
    fi
    echo "Installing requirements.txt into .venv (once, about a minute) ..." >&2
    : >"$begun" || not_made
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt >&2; then
        rm -f "$begun" # pip has ended by itself: what it has installed is whole
        echo "The requirements could not be installed; the lines above say why." >&2
        exit 2
    fi
    wanted >"$stamp"
    rm -f "$begun"
}

prepare
# A Ctrl-C while the interpreter loads is held back, where that can be, until the program hears it.
# Asked of the help text: bash forgets a Ctrl-C that comes while a child runs which does not die of it.
if env --help 2>/dev/null | grep -q -- --block-signal; then
    exec env --block-signal=INT,TERM .venv/bin/python -m hedge.launcher "$@"
fi
exec .venv/bin/python -m hedge.launcher "$@"
