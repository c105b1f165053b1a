#!/bin/sh
# run.sh - the metering differential test: run.sh INSTRUMENT WORKDIR. Ends with "N passed, N failed".
# A missing tool skips the test and says which; it must never pass without having compared.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
instrument=${1:?usage: run.sh INSTRUMENT WORKDIR}
work=${2:?usage: run.sh INSTRUMENT WORKDIR}
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}

skip() {
    echo "0 passed, 0 failed; metering test skipped: $1"
    exit 0
}

for tool in clang-14 wasm-ld-14 wat2wasm node python3; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
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
