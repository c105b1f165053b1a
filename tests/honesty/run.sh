#!/bin/bash
# Is the core what the documents say (docs/honesty.md)? `short` (CI): its ELF file, its system calls under part of the
# end-to-end tests, a few of its files built twice. `long` (make honesty): all end-to-end tests, all of its build twice.
set -u
mode=${1:-short}
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
run() { # command...
    local out line
    out=$("$@" 2>&1) || true
    echo "$out"
    line=$(echo "$out" | grep -E '^[0-9]+ passed, [0-9]+ failed' | tail -n 1)
    [ -n "$line" ] || line="0 passed, 1 failed"
    passed=$((passed + ${line%% *}))
    line=${line#*, }
    failed=$((failed + ${line%% *}))
}
run python3 -B tests/honesty/check_elf.py
run python3 -B tests/honesty/check_calls.py "$mode"
run tests/honesty/reproduce.sh "$mode"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
