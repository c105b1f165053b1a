#!/bin/bash
# Tests of sdk/js: with Node alone, against a real tfaasd where one is built, and in a headless
# Chromium where one is installed. Prints one line of counts.
set -u
cd "$(dirname "$0")/../.." || exit 70
passed=0 failed=0 skipped=0
skip() { echo "skipped: $1"; skipped=$((skipped + 1)); }
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }

version=$(node -p 'process.versions.node' 2>/dev/null || echo 0)
if [ "$(printf '20.19.0\n%s\n' "$version" | sort -V | head -n 1)" != 20.19.0 ]; then
    skip "sdk/js needs Node >= 20.19, here is $version"
    finish
fi
if ! reason=$(sh sdk/js/install.sh 2>&1); then
    skip "the npm packages of sdk/js are not here: $reason"
    finish
fi

log=build/tests/log
mkdir -p "$log"
add() { # log of node --test (TAP)
    local p f s
    p=$(sed -n 's/^# pass //p' "$1") f=$(sed -n 's/^# fail //p' "$1") s=$(sed -n 's/^# skipped //p' "$1")
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1})) skipped=$((skipped + ${s:-0}))
    grep -E '# SKIP' "$1" | sed 's/^ok [0-9]* - \(.*\) # SKIP \(.*\)/skipped: \1: \2/'
    [ "${f:-1}" -eq 0 ] || grep -A14 '^not ok' "$1"
}

node --no-warnings --test --test-reporter=tap sdk/js/test/*.test.js >"$log/sdk_js_node.log" 2>&1
add "$log/sdk_js_node.log"
finish
