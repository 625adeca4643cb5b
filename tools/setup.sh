#!/bin/sh
# Makes .venv hold exactly what requirements.txt locks. Does nothing when it does already.
# PYTHON names the interpreter (python3 if unset). A uv on the PATH is used; else pip puts one into .venv.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $1" >&2
    exit 1
}

# A virtual environment holds absolute paths: one that was moved counts as another one.
wanted() {
    pwd
    cat requirements.txt
}
stamp=.venv/installed
if [ -x .venv/bin/python ] && wanted | cmp -s - "$stamp"; then
    exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null ||
    fail "$python is not installed: install Python 3.11 or newer, or name another interpreter: make PYTHON=python3.12 setup"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version 2>&1) is too old: 3.11 or newer is needed; name another interpreter: make PYTHON=python3.12 setup"

log=$(pwd)/.venv-setup.log
uv=$(command -v uv || true)
case $uv in "$(pwd)/.venv/"*) uv= ;; esac
rm -f "$stamp"
if ! { .venv/bin/python -c '' && pwd | cmp -s - .venv/place; } 2>/dev/null; then
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --clear --python "$python" .venv >"$log" 2>&1 || fail "uv could not make .venv (log: $log)"
    else
        "$python" -m venv --clear .venv >"$log" 2>&1 ||
            fail "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv), or uv"
    fi
    pwd >.venv/place
fi
if [ -z "$uv" ]; then
    uv=.venv/bin/uv
    # The lock's own lines for uv, so that it too is checked against its hash.
    awk '/^uv==/ {on = 1; print; next} on && /^ +--hash/ {print; next} {on = 0}' requirements.txt >.venv/uv.txt
    "$uv" --version 2>/dev/null | grep -q "^uv $(sed -n 's/^uv==\([^ ]*\).*/\1/p' .venv/uv.txt)" ||
        .venv/bin/python -m pip install --quiet --require-hashes --retries 1 -r .venv/uv.txt >"$log" 2>&1 ||
        fail "pip could not install uv: is there a network? (log: $log)"
fi

# Compiled now, in parallel, rather than by the first run, or by every run where Python may not write bytecode.
sync="$uv pip sync --python .venv/bin/python --require-hashes --compile-bytecode requirements.txt"
# First from uv's cache, which needs no network; then ask quietly whether the index answers, so that
# a missing network is one line; only then download, with uv's own progress bars.
if ! $sync --quiet --offline >"$log" 2>&1; then
    echo "setup: downloading the packages that requirements.txt locks (about 3 GB on Linux, once)"
    UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-30} $sync --quiet --dry-run >"$log" 2>&1 ||
        fail "the package index did not give what requirements.txt locks: is there a network? (log: $log)"
    UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300} $sync || fail "the download was interrupted: type the same command again to continue"
fi
rm -f "$log"
wanted >"$stamp"
echo "setup: .venv is ready"
