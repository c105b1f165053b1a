#!/bin/bash
# Thousands of almost right statements, receipts and policies, signed: what one of the three clients accepts, all accept.
# differential.sh [SEED [COUNT]]. Needs what sdk/js and sdk/python need, and build/libtfaas.so.
set -u
cd "$(dirname "$0")/../.." || exit 70
seed=${1:-1} count=${2:-3000}
python=$(ls -d "${TFAAS_CACHE:-$HOME/.cache/tfaas}"/sdk-python-*/bin/python 2>/dev/null | tail -n 1)
if [ ! -e build/libtfaas.so ] || [ -z "$python" ] || ! sh sdk/js/install.sh >/dev/null 2>&1; then
    echo "skipped: one of the three clients is not here (build/libtfaas.so, tests/sdk/js.sh, tests/sdk/python.sh)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
folder=build/tests/differential
mkdir -p "$folder"
export PYTHONPATH=sdk/python PYTHONDONTWRITEBYTECODE=1
"$python" tests/sdk/differential/mutants.py "$seed" "$count" >"$folder/cases.json" &&
    node --no-warnings tests/sdk/differential/verdicts.mjs <"$folder/cases.json" >"$folder/javascript.json" &&
    "$python" tests/sdk/differential/compare.py "$folder/cases.json" "$folder/javascript.json" && exit 0
tail -n 1 "$folder/javascript.json" | grep -q . || echo "0 passed, 1 failed"
exit 1
