#!/bin/sh
# tests/runtime/js/test262.sh PATH [FILTER]: runs ECMA's conformance suite (a checkout of github.com/tc39/test262 at PATH, kept outside
# this tree) in build/js.wasm, a fresh instance per test, and prints pass rates per directory. STRIDE=n: every nth test only.
set -u
suite=${1:-}
cd "$(dirname "$0")/../../.."
[ -f "$suite/harness/assert.js" ] || { echo "usage: test262.sh PATH [FILTER]; $suite is no checkout of test262" >&2; exit 64; }
exec node --stack-size=4000 tests/runtime/js/test262/run.mjs build/js.wasm "$suite" "${2:-}"
