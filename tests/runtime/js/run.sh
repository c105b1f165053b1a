#!/bin/sh
# Runs the JavaScript runtime's suite (build/js.wasm under a host of the guest ABI in node). The same runtime is tested in the
# real core by tests/e2e and tests/hostile; without node this suite is skipped and says so.
set -u
cd "$(dirname "$0")/../../.."
major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$major" -lt 18 ]; then
    echo "skipped: node >= 18 is not here (apt-get install nodejs)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec node tests/runtime/js/run.mjs build/js.wasm
