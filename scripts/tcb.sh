#!/bin/sh
# Lines of code (without blank lines and comment lines) by who must trust them.
set -eu
cd "$(dirname "$0")/.."
count() { # label, files...
    label=$1
    shift
    lines=$(cat "$@" | sed -e 's://.*$::' | awk '
        /^[ \t]*\/\*/ { if ($0 !~ /\*\//) inside = 1; next }
        inside { if ($0 ~ /\*\//) inside = 0; next }
        /^[ \t]*$/ { next }
        { n++ } END { print n + 0 }')
    printf '%-58s %6d\n' "$label" "$lines"
}
count "core, portable (core/*.c, core/engine)" core/*.c core/*.h core/engine/*
count "core, host and client share (common, include)" common/* include/tfaas/*
count "  of it the boundary (include/tfaas/abi.h)" include/tfaas/abi.h
count "core, process tender (core/plat/linux)" core/plat/*.h core/plat/linux/*
count "core, kvm tender: ring 3 (core/plat/shim/guest*)" core/plat/shim/guest*
count "shim, ring 0 (core/plat/shim)" core/plat/shim/shim.* core/plat/shim/entry.S
count "runtime js, ours (runtime/js)" runtime/js/*.c runtime/js/*.h runtime/js/bootstrap/*
count "host: process tender (host/tender)" host/tender/*.h host/tender/process/*
count "host: kvm tender, beside that (host/tender/kvm)" host/tender/kvm/*
count "host: tfaasd (host/daemon)" host/*.c host/*.h host/daemon/*
count "host: sources of evidence (host/evidence)" host/evidence/*
count "client: evidence verifiers (client/evidence*)" client/evidence*.c client/evidence*.h client/evidence*.S
count "client: library (client, without verifiers and cli)" $(ls client/*.[ch] | grep -v -e client/evidence -e 'client/cli[._]')
count "client: command line (client/cli*)" client/cli*.c client/cli*.h
count "client: JavaScript (sdk/js/src)" $(git ls-files 'sdk/js/src/*')
count "client: Python (sdk/python/tfaas; # comments count)" $(git ls-files 'sdk/python/tfaas/*.py')
