#!/bin/bash
# Runs test programs and scripts one after the other and adds up what they say. Each prints either
# "N passed, N failed[, N skipped]" as its last count line or cmocka's own summary. A program that dies or counts
# nothing is a failure. Closes with what failed and why, then one line in the first form, so that the end of a
# shortened log is enough.
set -u
passed=0 failed=0 skipped=0 culprits='' names=''
log=build/tests/log
mkdir -p "$log"
# Thousands of syncs: where nothing depends on a disk that outlives a power cut, memory is quicker.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 {print $4}')" -gt 2000 ]; then
    export TMPDIR=/dev/shm
fi

# What a log says of its failures, `most` lines of it: each failure with the lines after it (a failed e2e test's
# reason may be a trace), cmocka's reasons, reports of sanitizers; else the log's end.
why() { # log, most
    local found
    found=$(grep -aE -A 6 "^FAILED|^not ok|^\[ +FAILED|^\[ +ERROR +\]|Sanitizer:|runtime error:|^Traceback" "$1" |
        grep -avE '^(ok|skipped) |^\[ +(OK|RUN) +\]?|^--$')
    [ -n "$found" ] || found=$(tail -n 12 "$1")
    echo "$found" | cut -c 1-400 | head -n "$2" | sed 's/^/    /'
}

run() { # name, command...
    local name=$1 out status p=0 f=0 s=0 start=$SECONDS
    shift
    out=$log/$(echo "$name" | tr '/ ' '__').log
    timeout -k 5 "${TEST_TIMEOUT:-3600}" "$@" >"$out" 2>&1 </dev/null
    status=$?
    local line
    line=$(grep -E '^([A-Za-z0-9_-]+: )?[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
    if [ -n "$line" ]; then
        p=$(echo "$line" | sed -n 's/^\(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) passed.*/\2/p')
        f=$(echo "$line" | sed -n 's/^\(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) failed.*/\2/p')
        s=$(echo "$line" | sed -n 's/^\(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) skipped.*/\2/p')
    else
        p=$(grep -c '^\[       OK \]' "$out")
        # cmocka names these twice
        f=$(grep '^\[  FAILED  \] [a-zA-Z_]' "$out" | sort -u | wc -l)
        s=$(grep '^\[  SKIPPED \] [a-zA-Z_]' "$out" | sort -u | wc -l)
    fi
    s=${s:-0}
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ $((p + f + s)) -eq 0 ]; then f=1; echo "  it counted no test" >>"$out"; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%-44s %5d passed %3d failed' "$name" "$p" "$f"
    [ "$s" -gt 0 ] && printf ' %3d skipped' "$s"
    printf '  %ds\n' $((SECONDS - start))
    [ "$s" -gt 0 ] && grep -iE 'skipped:? ' "$out" | head -n 5 | sed 's/^/    /'
    if [ "$f" -gt 0 ]; then
        echo "---- exit $status, end of $out:"
        tail -n 40 "$out"
        echo "----"
        names="$names $name"
        culprits=$culprits$'\n'"FAILED in $name ($f failed, exit $status), see $out:"$'\n'$(why "$out" 20)
    fi
}

# Tests whose cores come from the tender that $TENDER names; the others have none, or both, or are of one alone.
of_a_tender() { # build/tests/hostile/NAME
    grep -qE '^/\* needs:.*(core_tender|keeper_support)\.c' "${1#build/}.c"
}

case ${TENDER:=process} in
process | kvm) export TENDER ;;
*) echo "TENDER is process or kvm, not $TENDER" >&2; exit 64 ;;
esac
echo "tender under test: $TENDER"

for binary in ${TEST_BINARIES:-}; do
    run "${binary#build/}" "$binary"
done
[ -x tests/runtime/js/run.sh ] && run runtime/js tests/runtime/js/run.sh
[ -x build/tfaas ] && run evidence python3 -B tests/evidence/run.py
[ -x tests/metering/run.sh ] && run metering tests/metering/run.sh
[ -x tests/interop/run.sh ] && run interop tests/interop/run.sh
[ -x tests/ct/run.sh ] && run ct tests/ct/run.sh
[ -x tests/fuzz/run.sh ] && run fuzz tests/fuzz/run.sh short
[ -x build/tests/honesty/trace ] && run honesty tests/honesty/run.sh short
run model python3 tests/model/run.py --install
[ -x tests/sdk/js.sh ] && run sdk/js tests/sdk/js.sh
[ -x tests/sdk/python.sh ] && run sdk/python tests/sdk/python.sh
[ -x tests/sdk/differential.sh ] && run sdk/differential tests/sdk/differential.sh
run e2e python3 tests/e2e/run.py
# The same tests where foreign bytes come in, against the daemon under the sanitizers.
[ -x build/asan/tfaasd ] && run e2e-asan env TFAASD=build/asan/tfaasd python3 tests/e2e/run.py rest. bad_input. attested. \
    invoke. build. secrets. logs. config. clients. limits.queue faults.kill_of_every durable.full \
    -endless -memory_at_load -ten_thousand

# In a run of the process tender a part of the list runs under the other one too, so that it never rots. All of it:
# make test TENDER=kvm.
if [ "$TENDER" = process ]; then
    export TENDER=kvm
    for binary in ${TEST_BINARIES:-}; do
        case $binary in
        */leak | */isolation) ;; # minutes, where ring 0 is interpreted
        *) of_a_tender "$binary" && run "kvm/${binary#build/tests/}" "$binary" ;;
        esac
    done
    run kvm/e2e python3 tests/e2e/run.py attested. invoke. js. security. faults.kill_of demo.demo cache. \
        -one_quote -endless -memory_at_load -ten_thousand
fi

echo
# Each failing program again, at most 60 lines of all; nothing but their names and the count comes after.
if [ "$failed" -gt 0 ]; then
    echo "${culprits#?}" | head -n 60
    echo "failed:$names"
fi
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
