#!/bin/bash
# Builds every fuzz target (tests/fuzz/*.c with a `needs:` comment) with libFuzzer, ASan and UBSan and runs it:
# `short`: a fixed number of runs, for CI; otherwise FUZZ_SECONDS each (default 600). A crash is kept in build/fuzz.
# A target with the word `core` (the whole core under a hostile host) also says how much of core/ its inputs reached, and
# goes on in the long form until its host did FUZZ_CASES things. FUZZ_ONLY=NAME: that target alone.
set -u
mode=${1:-long}
clang=${CLANG:-clang-14}
common_flags="-std=gnu11 -O1 -g -D_GNU_SOURCE -Iinclude -Icommon -Icore -Ihost -I. -Itests/support"
flags="$common_flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
cases_wanted=${FUZZ_CASES:-1000000}
passed=0 failed=0
mkdir -p build/fuzz

stat_of() { # log, name: what the target printed at its end
    sed -n "s/^stat::$2: *//p" "$1" | tail -n 1
}

# Lines of core/ that the corpus reaches, by the compiler's own counters.
coverage() { # name, source, needs, libs, extra, folders
    local binary=build/fuzz/$1-coverage
    # shellcheck disable=SC2086
    $clang $common_flags -fsanitize=fuzzer,address -fprofile-instr-generate -fcoverage-mapping $5 "$2" $3 $4 -o "$binary" &&
        LLVM_PROFILE_FILE=$binary.raw "$binary" -runs=0 -timeout=60 -rss_limit_mb=3000 $6 >"$binary.log" 2>&1 &&
        llvm-profdata-14 merge "$binary.raw" -o "$binary.profile" &&
        llvm-cov-14 report "$binary" -instr-profile="$binary.profile" core/*.c >"$binary.txt" 2>/dev/null &&
        awk -v name="$1" '$1 == "TOTAL" { printf "%s: reaches %d of %d lines of core/ (%s), %d of %d functions (each file: %s)\n",
            name, $8 - $9, $8, $10, $5 - $6, $5, "'"$binary"'.txt" }' "$binary.txt"
}

for source in tests/fuzz/*.c; do
    [ -z "${FUZZ_ONLY:-}" ] || [ "$(basename "$source" .c)" = "$FUZZ_ONLY" ] || continue
    line=$(sed -n '1,8{s/.*needs:\(.*\)\*\/.*/\1/p}' "$source" | head -n 1)
    [ -n "$line" ] || continue
    needs=${line%%libs:*} libs="" extra=""
    needs=${needs%%flags:*}
    case $line in *flags:*) extra=${line##*flags:} line=${line%%flags:*} ;; esac
    case "$needs " in *" common/sha256.c "*) ;; *" common/hkdf.c "* | *" common/receipt.c "*) needs="$needs common/sha256.c" ;; esac
    case $line in *libs:*) for l in ${line##*libs:}; do libs="$libs -l$l"; done ;; esac
    # The word `core`: every file of the core but its platform, its engine and the warm-up of that.
    whole=""
    case " $needs " in *" core "*) whole=yes needs="$(ls core/*.c common/*.c | grep -vx core/warm.c) ${needs/core/}" ;; esac
    name=$(basename "$source" .c)
    binary=build/fuzz/$name corpus=build/fuzz/corpus-$name
    mkdir -p "$corpus"
    # shellcheck disable=SC2086
    if ! $clang $flags $extra "$source" $needs $libs -o "$binary"; then
        echo "$name: does not build"
        failed=$((failed + 1))
        continue
    fi
    seeds=""
    [ -d "tests/fuzz/seeds/$name" ] && seeds=tests/fuzz/seeds/$name
    [ -f "tests/fuzz/$name.dict" ] && seeds="$seeds -dict=tests/fuzz/$name.dict"
    if [ "$mode" = short ]; then limit="-runs=${FUZZ_RUNS:-20000} -max_total_time=30"; else limit="-max_total_time=${FUZZ_SECONDS:-600}"; fi
    ok=yes runs=0 cases=0 seed=0
    while [ -n "$ok" ]; do
        seed=$((seed + 1))
        # shellcheck disable=SC2086
        "$binary" $limit -seed=$seed -timeout=120 -rss_limit_mb=3000 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/$name-" "$corpus" $seeds >"$binary.log" 2>&1 || ok=""
        did=$(stat_of "$binary.log" number_of_executed_units)
        runs=$((runs + ${did:-0}))
        [ -n "$whole" ] || break
        did=$(stat_of "$binary.log" "acts of hosts")
        cases=$((cases + ${did:-0}))
        if [ "$mode" = short ] || [ "$cases" -ge "$cases_wanted" ]; then break; fi
    done
    if [ -n "$ok" ]; then
        echo "$name: $runs runs${whole:+, $cases acts of hosts}"
        [ -z "$whole" ] || coverage "$name" "$source" "$needs" "$libs" "$extra" "$corpus $seeds" || ok=""
    fi
    if [ -n "$ok" ]; then
        passed=$((passed + 1))
    else
        echo "$name: FAILED"
        tail -n 30 "$binary.log"
        failed=$((failed + 1))
    fi
done
# The same host against the real core in real machines, beyond what `make test` runs.
if [ "$mode" != short ] && [ -z "${FUZZ_ONLY:-}" ]; then
    if make --no-print-directory build/tests/hostile/vm_host >build/fuzz/vm_host.log 2>&1 &&
        VM_CASES=${VM_CASES:-5000} build/tests/hostile/vm_host >>build/fuzz/vm_host.log 2>&1; then
        echo "vm_host: $(grep -aE 'acts of hosts|skipped' build/fuzz/vm_host.log | head -n 1)"
        passed=$((passed + 1))
    else
        echo "vm_host: FAILED"
        tail -n 30 build/fuzz/vm_host.log
        failed=$((failed + 1))
    fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
