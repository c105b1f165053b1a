#!/bin/bash
# Our HPKE, OHTTP, chunked OHTTP and Binary HTTP against other people's, in both roles: pyhpke (PyPI), @hpke/core and
# bhttp-js (npm), ohttp and bhttp (crates). They are installed once, at the locked versions, into the cache outside the
# tree. What cannot be had is skipped and named. Ends with "N passed, N failed[, N skipped]".
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}
work=$root/build/tests/interop
passed=0 failed=0 skipped=0
mkdir -p "$work" "$cache"

tool=$work/ohttp_tool
sources="common/ohttp.c common/ohttp_chunked.c common/hpke.c common/hkdf.c common/sha256.c common/aead.c common/bhttp.c common/bhttp_stream.c common/status.c"
# shellcheck disable=SC2086
(cd "$root" && "${CC:-gcc}" -std=gnu11 -O1 -g -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Iinclude -Icommon tests/interop/ohttp_tool.c $sources -lsodium -o "$tool") || {
    echo "the tool does not build"
    echo "0 passed, 1 failed"
    exit 1
}

key() { cat "$@" | sha256sum | cut -c1-16; }
skip() {
    echo "interop skipped: $1"
    skipped=$((skipped + 1))
}
count() { # runs a command that ends with "NAME: N passed, N failed[, N skipped]"
    local log=$work/$1.log p f s line
    shift
    timeout 600 "$@" "$tool" >"$log" 2>&1
    local status=$?
    cat "$log"
    line=$(grep -E '[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    p=$(echo "$line" | sed -n 's/^[a-z]*: \([0-9]*\) passed.*/\1/p')
    f=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    s=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    if [ -z "$p" ] || [ -z "$f" ]; then p=0 f=1; fi
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
}

python_tests() {
    local venv
    command -v python3 >/dev/null || { skip "python3 is missing: pyhpke was not compared"; return; }
    venv=$cache/interop-python-$(key "$here/python/requirements.txt" <(python3 --version))
    if [ ! -e "$venv/ready" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
            --require-hashes --requirement "$here/python/requirements.txt" >"$work/pip.log" 2>&1 ||
            { skip "pyhpke from PyPI could not be installed (no network?)"; return; }
        touch "$venv/ready"
    fi
    count python "$venv/bin/python" -B "$here/python/interop.py"
}

js_tests() {
    local folder
    command -v npm >/dev/null || { skip "npm is missing: @hpke/core and bhttp-js were not compared"; return; }
    folder=$cache/interop-js-$(key "$here/js/package-lock.json")
    if [ ! -e "$folder/ready" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "$here/js/package.json" "$here/js/package-lock.json" "$folder/"
        npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund >"$work/npm.log" 2>&1 ||
            { skip "@hpke/core and bhttp-js from npm could not be installed (no network?)"; return; }
        touch "$folder/ready"
    fi
    # Modules are looked for beside the file that imports them.
    cp "$here/js/interop.mjs" "$folder/interop.mjs"
    count js node "$folder/interop.mjs"
}

rust_tests() {
    local folder binary
    command -v cargo >/dev/null || { skip "cargo is missing: the ohttp and bhttp crates were not compared"; return; }
    folder=$cache/interop-rust-$(key "$here/rust/Cargo.lock" "$here/rust/Cargo.toml" "$here/rust/src/main.rs" <(rustc --version))
    binary=$folder/tfaas-interop
    if [ ! -x "$binary" ]; then
        mkdir -p "$folder"
        cargo build --locked --release --manifest-path "$here/rust/Cargo.toml" \
            --target-dir "$cache/interop-rust-target" >"$work/cargo.log" 2>&1 ||
            { skip "the ohttp and bhttp crates could not be built (no network? see $work/cargo.log)"; return; }
        cp "$cache/interop-rust-target/release/tfaas-interop" "$binary"
    fi
    count rust "$binary"
}

python_tests
js_tests
rust_tests
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
