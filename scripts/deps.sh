#!/bin/sh
# Installs what is missing for building and testing on Debian 12, after saying what. Names what cannot be installed
# this way and what to do about it. Exit 69: something is still missing.
set -eu

# clang and lld: the daemon compiles C with /usr/bin/clang. libclang-rt-14-dev: libFuzzer and the sanitizers.
# libcurl4-openssl-dev: the client's transport. libssl-dev: the client's evidence verifiers (libcrypto of OpenSSL 3), and AES-128-GCM in tests.
# valgrind: the constant-time check.
# qemu-system-x86: a second machine for the virtual machine's image, by the manual (tests/emu/qemu); without it they are skipped.
# python3-venv, nodejs, wabt: the metering test's interpreters and modules; nodejs: the JavaScript runtime's suite.
packages="gcc make git python3 python3-venv curl ca-certificates
libmicrohttpd-dev libjansson-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev libsodium-dev libbearssl-dev libarchive-dev libcmocka-dev
clang lld clang-14 lld-14 wasi-libc libclang-rt-14-dev libclang-rt-14-dev-wasm32 clang-format-14
wabt strace valgrind qemu-system-x86"
# Node may be there from elsewhere, then with its own npm: Debian's would not go along with it.
node=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
[ "$node" -ge 18 ] || packages="$packages nodejs"
if [ "${1:-}" = bench ]; then
    packages="$packages wrk crun"
    command -v npm >/dev/null 2>&1 || packages="$packages npm"
fi

# CPython's archives and source (runtime/python/cpython.sh), which apt fetches as Debian's source package.
if [ "${1:-}" = python ] || [ "${1:-}" = bench ]; then
    packages="$packages llvm-14 xz-utils debian-archive-keyring"
fi

# Tests of sdk/js in a browser; without it they are skipped.
if [ "${1:-}" = browser ]; then
    packages="$packages chromium-headless-shell"
fi

missing=""
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
    echo "These Debian packages are missing and will be installed with apt-get:"
    echo "  $missing"
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "Not root and no sudo: run as root: apt-get install --no-install-recommends$missing" >&2
            exit 69
        }
        sudo=sudo
    fi
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

fail=0
if ! command -v cargo >/dev/null 2>&1; then
    echo "Rust is missing: the engine (Wasmtime 48) needs Rust >= 1.95; Debian 12 has 1.63." >&2
    echo "  Install rustup, then: rustup toolchain install 1.95 && rustup default 1.95" >&2
    fail=1
else
    minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    if [ -z "$minor" ] || [ "$minor" -lt 95 ]; then
        echo "$(rustc --version) is too old: the engine needs Rust >= 1.95. Run: rustup update" >&2
        fail=1
    fi
fi
case $(gcc -dumpversion 2>/dev/null) in
"") echo "gcc is missing: apt-get install gcc" >&2; fail=1 ;;
[0-9]) echo "gcc $(gcc -dumpversion) is too old: TFaaS is built with gcc >= 12" >&2; fail=1 ;;
esac
for flag in avx2 bmi2 fma; do
    grep -qw "$flag" /proc/cpuinfo || {
        echo "this processor lacks $flag: runtimes are compiled for x86-64-v3 and will be" \
             "compiled again at every start" >&2
    }
done
[ -e /dev/kvm ] || echo "note: no /dev/kvm here; the process tender does not need it"
[ "$fail" -eq 0 ] || exit 69
