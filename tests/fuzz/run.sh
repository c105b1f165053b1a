#!/bin/bash
# Builds every fuzz target (tests/fuzz/*.c with a `needs:` comment) with libFuzzer, ASan and UBSan and runs it:
# `short`: a fixed number of runs, for CI; otherwise FUZZ_SECONDS each (default 600). A crash is kept in build/fuzz.
set -u
mode=${1:-long}
clang=${CLANG:-clang-14}
flags="-std=gnu11 -O1 -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iinclude -Icommon -Icore -Ihost -I. -Itests/support"
passed=0 failed=0
mkdir -p build/fuzz
for source in tests/fuzz/*.c; do
    line=$(sed -n '1,8{s/.*needs:\(.*\)\*\/.*/\1/p}' "$source" | head -n 1)
    [ -n "$line" ] || continue
    needs=${line%%libs:*} libs="" extra=""
    needs=${needs%%flags:*}
    case $line in *flags:*) extra=${line##*flags:} line=${line%%flags:*} ;; esac
    case "$needs " in *" common/sha256.c "*) ;; *" common/hkdf.c "* | *" common/receipt.c "*) needs="$needs common/sha256.c" ;; esac
    case $line in *libs:*) for l in ${line##*libs:}; do libs="$libs -l$l"; done ;; esac
    # The word `core`: every file of the core but its platform, its engine and the warm-up of that.
    case " $needs " in *" core "*) needs="$(ls core/*.c common/*.c | grep -vx core/warm.c) ${needs/core/}" ;; esac
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
    # shellcheck disable=SC2086
    if "$binary" $limit -seed=1 -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$corpus" $seeds >"$binary.log" 2>&1; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$binary.log") runs"
        passed=$((passed + 1))
    else
        echo "$name: FAILED"
        tail -n 30 "$binary.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
