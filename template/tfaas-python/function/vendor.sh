#!/bin/sh
# Puts what requirements.txt names into python/, which is part of the function. Wheels only, nothing of the packages runs
# here; packages with native code are refused: they cannot run in WebAssembly.
set -eu
cd "$(dirname "$0")"
rm -rf python
python3 -m pip install --quiet --disable-pip-version-check --no-compile --only-binary=:all: --platform any \
    --python-version 3.13 --implementation py --target python -r requirements.txt
if find python -name '*.so' | grep -q .; then
    echo "vendor.sh: packages with native code: $(find python -name '*.so' | tr '\n' ' ')" >&2
    exit 1
fi
rm -rf python/bin
