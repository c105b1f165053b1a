#!/bin/bash
# Tests of sdk/python, with its dependencies at their locked versions in the cache outside the tree. A real tfaasd and the
# command line tfaas take part where they are built. Ends with "N passed, N failed[, N skipped]".
set -u
cd "$(dirname "$0")/../.." || exit 70
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}
lock=sdk/python/requirements.txt
log=build/tests/log
mkdir -p "$log" "$cache"

skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    skip "sdk/python needs Python >= 3.11, here is $("$python" --version 2>&1)"
venv=$cache/sdk-python-$(cat "$lock" <("$python" --version) | sha256sum | cut -c1-16)
if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement "$lock" >"$log/sdk_python_pip.log" 2>&1 ||
        skip "the packages of sdk/python could not be installed from PyPI (no network?)"
    touch "$venv/ready"
fi

PYTHONPATH=sdk/python timeout -k 5 1800 "$venv/bin/python" -B -W error::ResourceWarning -m unittest discover --verbose \
    --start-directory sdk/python/tests >"$log/sdk_python.log" 2>&1
status=$?
number() { sed -n "s/^\(OK\|FAILED\) (.*\b$1=\([0-9]*\).*/\2/p" "$log/sdk_python.log"; }
ran=$(sed -n 's/^Ran \([0-9]*\) tests.*/\1/p' "$log/sdk_python.log")
skipped=$(number skipped)
failed=$(($(number failures) + $(number errors) + 0))
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
passed=$((${ran:-0} - ${skipped:-0} - failed))
if [ "$passed" -lt 0 ]; then passed=0; fi
grep -oE "skipped '.*'" "$log/sdk_python.log" | sort -u | sed "s/^skipped '\(.*\)'/skipped: \1/"
if [ "$status" -ne 0 ]; then
    grep -E -A 40 '^(FAIL|ERROR): ' "$log/sdk_python.log" | sed 's/^\(FAIL\|ERROR\): /FAILED &/'
fi
echo "$passed passed, $failed failed$([ "${skipped:-0}" -gt 0 ] && echo ", $skipped skipped")"
[ "$failed" -eq 0 ]
