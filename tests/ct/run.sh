#!/bin/bash
# Runs every case of secrets.c under valgrind. A case passes when nothing is reported, a leak_ case when something is.
# Without valgrind this is skipped. Ends with "N passed, N failed".
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/build/tests/ct
passed=0 failed=0
mkdir -p "$work"
if ! command -v valgrind >/dev/null || ! echo '#include <valgrind/memcheck.h>' | "${CC:-gcc}" -E - >/dev/null 2>&1; then
    echo "constant-time check skipped: valgrind is not installed (apt-get install valgrind)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
sources="common/hkdf.c common/sha256.c common/hpke.c common/aead.c common/ohttp.c common/ohttp_chunked.c common/base64url.c common/status.c"
# Optimised as the core is: a compiler may turn straight code into branches.
# shellcheck disable=SC2086
(cd "$root" && "${CC:-gcc}" -std=gnu11 -O2 -g -Wall -Wextra -Iinclude -Icommon \
    -Wl,--wrap=crypto_scalarmult_curve25519 tests/ct/secrets.c $sources -lsodium -o "$work/secrets") || {
    echo "0 passed, 1 failed"
    exit 1
}
for name in $("$work/secrets"); do
    valgrind -q --error-exitcode=9 "$work/secrets" "$name" >"$work/$name.log" 2>&1
    status=$?
    want=0
    case $name in leak_*) want=9 ;; esac
    if [ "$status" -eq "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$name: exit $status, not $want:"
        head -n 30 "$work/$name.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
