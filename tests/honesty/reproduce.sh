#!/bin/bash
# Two builds of the core, in folders of different names and depths, with another locale, time zone, umask and number of
# jobs: the same bytes, and so the same measurement. `short`: a few files of each kind, against each other and against
# build/core-obj; and shows that a compile that lets its folder in is noticed. `long`: everything but the engine, which
# comes from the cache (engine/build.sh). Ends with "N passed, N failed".
set -u
mode=${1:-short}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tfaas-reproduce-XXXXXX")
trap 'rm -rf "$work"' EXIT
one=$work/a
two="$work/another/place-with-a-longer-name/b"
passed=0 failed=0
check() { # what, command...
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $what"
        head -n 5 "$work/said"
    fi
}
differ() { ! cmp -s "$1" "$2" && [ -s "$1" ] && [ -s "$2" ]; }

for folder in "$one" "$two"; do
    mkdir -p "$folder/build"
    (cd "$root" && git ls-files -z core common include engine runtime scripts Makefile tests/rules.sh \
        tests/unit tests/hostile tests/emu tests/support bench/core | xargs -0 cp --parents -t "$folder" 2>/dev/null)
    cp "$root/build/engine.dir" "$folder/build/"
    [ "$mode" != long ] || cp "$root/build/python.dir" "$folder/build/"
    touch "$folder/build/"*.dir "$folder/build/tests.mk"
done
build() { # folder, targets...
    local folder=$1
    shift
    if [ "$folder" = "$one" ]; then
        (cd "$folder" && umask 022 && TZ=UTC LC_ALL=C make -j2 "$@")
    else
        (cd "$folder" && umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 make -j1 "$@")
    fi >>"$work/log" 2>&1
}

if [ "$mode" = long ]; then
    for folder in "$one" "$two"; do
        build "$folder" build/tfaas-core build/tfaas-core-python || tail -n 5 "$work/log"
    done
    for file in js.wasm js.code python.wasm python.code python.image tfaas-core-python tfaas-core tfaas-core.symbols; do
        check "$file is the same, byte for byte" cmp "$one/build/$file" "$two/build/$file"
    done
    check "and what stands in build/" cmp "$one/build/tfaas-core" "$root/build/tfaas-core"
    first=$("$root/build/tfaas" core measure "$one/build/tfaas-core")
    second=$("$root/build/tfaas" core measure "$two/build/tfaas-core")
    check "the measurement is the same: ${first:0:16}..." [ -n "$first" -a "$first" = "$second" ]
fi
# A file of each kind: plain C, system calls, the engine's header, cryptography, assembly.
objects="core/core core/invoke core/engine/wasmtime core/plat/linux/zygote core/plat/linux/switch common/sha256"
targets=""
for object in $objects; do
    targets="$targets build/core-obj/$object.o"
done
for folder in "$one" "$two"; do
    # shellcheck disable=SC2086
    build "$folder" $targets || tail -n 5 "$work/log"
done
for object in $objects; do
    check "$object.o is the same in both folders" cmp "$one/build/core-obj/$object.o" "$two/build/core-obj/$object.o"
    check "$object.o is the same as in build/" cmp "$one/build/core-obj/$object.o" "$root/build/core-obj/$object.o"
done
for folder in "$one" "$two"; do
    rm -f "$folder/build/core-obj/core/core.o"
    build "$folder" PREFIX_MAP= build/core-obj/core/core.o
done
check "noticed: a compile that lets its folder in" \
    differ "$one/build/core-obj/core/core.o" "$two/build/core-obj/core/core.o"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
