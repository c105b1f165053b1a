#!/bin/sh
# Builds libtfaas_engine.a and its headers into a cache outside the clone, keyed by everything that
# decides the result: lock file, manifest, compiler. Prints the folder. Never fetches anything but
# the locked crates.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}

if ! command -v cargo >/dev/null 2>&1; then
    echo "engine: cargo is missing: install Rust >= 1.95 (rustup toolchain install 1.95)" >&2
    exit 69
fi
rust=$(rustc --version)
minor=$(echo "$rust" | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
if [ -z "$minor" ] || [ "$minor" -lt 95 ]; then
    echo "engine: $rust is too old: Wasmtime 48 needs Rust >= 1.95 (rustup update)" >&2
    exit 69
fi
key=$( (cat "$here/Cargo.lock" "$here/Cargo.toml" "$here/lib.rs" "$here/build.sh"; echo "$rust") |
    sha256sum | cut -c1-16)
out=$cache/engine-$key
if [ ! -f "$out/complete" ]; then
    work=$cache/engine-work-$key
    mkdir -p "$work/src" "$out/include/wasmtime"
    cp "$here/Cargo.toml" "$here/Cargo.lock" "$here/lib.rs" "$work/src/"
    # The paths inside panic messages must not depend on the machine.
    home=${CARGO_HOME:-$HOME/.cargo}
    RUSTFLAGS="--remap-path-prefix=$home=/cargo --remap-path-prefix=$work=/engine" \
        cargo build --locked --release --manifest-path "$work/src/Cargo.toml" \
        --target-dir "$work/target" >&2
    crate=$(cargo metadata --locked --format-version 1 --manifest-path "$work/src/Cargo.toml" |
        sed 's/"manifest_path":/\n&/g' |
        sed -n 's/^"manifest_path":"\([^"]*wasmtime-c-api-impl-[^"]*\)\/Cargo.toml".*/\1/p' | head -n 1)
    [ -n "$crate" ] || { echo "engine: the headers of wasmtime-c-api-impl were not found" >&2; exit 70; }
    cp -R "$crate/include/." "$out/include/"
    sed -e 's/#cmakedefine WASMTIME_FEATURE_\(CRANELIFT\|DISABLE_LOGGING\)$/#define WASMTIME_FEATURE_\1/' \
        -e 's/^#cmakedefine .*//' "$crate/include/wasmtime/conf.h.in" > "$out/include/wasmtime/conf.h"
    cp "$work/target/release/libtfaas_engine.a" "$out/"
    touch "$out/complete"
    rm -rf "$work"
fi
echo "$out"
