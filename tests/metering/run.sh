#!/bin/sh
# run.sh - the metering differential test. Ends with "N passed, N failed".
# Arguments: [INSTRUMENT [WORKDIR]]; without them it builds tests/tools/instrument_main.c itself.
# A missing tool skips the test and says which; it must never pass without having compared.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
instrument=${1:-$root/build/tests/instrument}
work=${2:-$root/build/tests/metering}
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}

skip() {
    echo "metering test skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

for tool in clang-14 wasm-ld-14 wat2wasm node python3; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
if [ $# -eq 0 ]; then
    mkdir -p "$root/build/tests"
    "${CC:-gcc}" -std=gnu11 -O1 -g -Wall -Wextra -I"$root/include" -I"$root/core" \
        "$root/tests/tools/instrument_main.c" "$root"/core/instrument*.c \
        "$root/common/status.c" -lsodium -o "$instrument"
fi
key=$(sha256sum <"$here/requirements.txt" | cut -c1-16)
venv=$cache/metering-$key
if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$cache"
    python3 -m venv "$venv" || skip "python3 has no venv module"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
        --requirement "$here/requirements.txt" || skip "pywasm could not be installed"
    touch "$venv/ready"
fi
exec "$venv/bin/python" -B "$here/metering.py" "$instrument" "$work"
