#!/bin/sh
# Installs the packages that packages/package.json pins (into $TFAAS_CACHE, by npm, without their scripts) and smoke-tests each in
# build/js.wasm, as a function with its node_modules: a table on stdout, then "N passed, N failed". Skipped without a registry.
set -u
cd "$(dirname "$0")/../../.."
list=tests/runtime/js/packages/package.json
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}/js-packages-$(sha256sum "$list" | cut -c1-16)
skip() { echo "skipped: $1"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
[ "$major" -ge 20 ] || skip "node >= 20 is not here (apt-get install nodejs)"
command -v npm >/dev/null 2>&1 || skip "npm is not here (apt-get install npm)"
if [ ! -f "$cache/.complete" ]; then
    rm -rf "$cache"
    mkdir -p "$cache"
    cp "$list" "$cache/package.json"
    (cd "$cache" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error) || skip "the package registry cannot be reached"
    touch "$cache/.complete"
fi
exec node tests/runtime/js/packages/run.mjs build/js.wasm "$cache"
