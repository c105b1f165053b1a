#!/bin/sh
# Installs the locked npm packages into a cache outside the clone, keyed by the lock file, and links
# sdk/js/node_modules to it. Exit 69 with a reason where that cannot be done.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}

if ! command -v npm >/dev/null 2>&1; then
    echo "npm is missing" >&2
    exit 69
fi
key=$(cat "$here/package.json" "$here/package-lock.json" "$here/install.sh" | sha256sum | cut -c1-16)
out=$cache/npm-sdk-$key
if [ ! -f "$out/complete" ]; then
    mkdir -p "$out"
    cp "$here/package.json" "$here/package-lock.json" "$out/"
    # --ignore-scripts: nothing that was downloaded runs at installation.
    if ! (cd "$out" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >"$out/log" 2>&1); then
        echo "npm ci failed (is the registry reachable?): $(tail -n 1 "$out/log")" >&2
        exit 69
    fi
    touch "$out/complete"
fi
ln -sfn "$out/node_modules" "$here/node_modules"
