#!/bin/sh
# Lines of code (without blank lines and comment lines) by who must trust them, and per tender, each against its
# budget. --json: the figures alone. Every source file under core/, common/, include/, host/ and client/ is in
# exactly one row, or is named as left out; else this fails.
set -eu
cd "$(dirname "$0")/.."

json=false
case ${1:-} in
'') ;;
--json) json=true ;;
*) echo "usage: scripts/tcb.sh [--json]" >&2; exit 64 ;;
esac

counted=''
lines() { # files...
    cat "$@" | sed -e 's://.*$::' | awk '
        inside { if (!sub(/^.*\*\//, "")) next; inside = 0 }
        { while (match($0, /^[ \t]*\/\*/)) {
              if (!sub(/^[ \t]*\/\*([^*]|\*+[^*\/])*\*+\//, "")) { inside = 1; next }
          } }
        /^[ \t]*$/ { next }
        { n++ } END { print n + 0 }'
}
say() { $json || printf "$@"; }
count() { # variable, label, files...
    variable=$1 label=$2
    shift 2
    counted="$counted $*"
    found=$(lines "$@")
    eval "$variable=$found"
    say '%-62s %6d\n' "$label" "$found"
}
budget() { # label, lines, most
    verdict="within $3"
    [ "$2" -le "$3" ] || verdict="over $3 by $(($2 - $3))"
    say '%-62s %6d  %s\n' "$1" "$2" "$verdict"
}

count portable "core, portable (core/*.c, core/engine)" core/*.[chS] core/engine/*
count boundary "the boundary (include/tfaas/abi.h)" include/tfaas/abi.h
count shared "what core, host and client share (common, include)" common/* include/tfaas/status.h include/tfaas/version.h
count js "runtime js, ours (runtime/js)" runtime/js/*.[ch] runtime/js/bootstrap/*
count plat "core below libc, every tender (core/plat/linux)" core/plat/*.h core/plat/linux/*
count ring3 "core in a machine, ring 3 (core/plat/shim/guest*)" core/plat/shim/guest*
count shim "shim, ring 0 (core/plat/shim)" core/plat/shim/shim.* core/plat/shim/entry.S
count cage "host: process tender; the kvm tender's cage too" host/tender/*.h host/tender/process/*
count machine "host: kvm tender, beside that (host/tender/kvm)" host/tender/kvm/*
count daemon "host: tfaasd (host/daemon)" host/*.[ch] host/daemon/*
count sources "host: sources of evidence (host/evidence)" host/evidence/*
count verifiers "client: evidence verifiers (client/evidence*)" client/evidence*
count library "client: library (client, without verifiers and cli)" client/libtfaas.map include/tfaas/client.h \
    include/tfaas/evidence.h $(ls client/*.[ch] | grep -v -e client/evidence -e 'client/cli[._]')
count cli "client: command line (client/cli*)" client/cli*
count sdk_js "client: JavaScript (sdk/js/src)" $(git ls-files 'sdk/js/src/*')
count sdk_python "client: Python (sdk/python/tfaas; # comments count)" $(git ls-files 'sdk/python/tfaas/*.py')

# Not in any binary that runs: the skeleton, the tool that compiles the runtime at build time. Not code: certificates.
expected=$(git ls-files core common include host client |
    grep -v -e '^host/tender/skeleton/' -e '^core/tools/' -e '^client/roots/')
wrong=$( (echo "$expected"; echo "$expected"; printf '%s\n' $counted) | grep -v -e '^runtime/' -e '^sdk/' |
    LC_ALL=C sort | uniq -c | awk '$1 != 3 { print $2 (($1 < 3) ? " (in no row, or not in git)" : " (in two rows)") }')
if [ -n "$wrong" ]; then
    echo "scripts/tcb.sh: these files are not counted once:" >&2
    echo "$wrong" >&2
    exit 65
fi

core=$((portable + boundary + shared))
process=$((plat + cage))
kvm=$((ring3 + shim + machine))
say '\nin every measured core: the first three, and the runtime\n'
budget "  the boundary" $boundary 350
budget "  core, portable" $portable 5000
say '%-62s %6d\n' "  the first three" $core
say '%-62s %6d\n' "  with the runtime" $((core + js))
say 'per tender, beside that\n'
budget "  process: core/plat/linux and host/tender/process" $process 1500
budget "  kvm: shim with its ring 3, and host/tender/kvm" $kvm 2500
say '%-62s %6d\n' "  kvm, with the files of process that it runs in" $((kvm + process))
budget "tfaasd" $daemon 7000
if $json; then
    printf '{"tcb_lines_core": %d, "tcb_lines_process": %d, "tcb_lines_kvm": %d, ' $core $process $kvm
    printf '"tcb_lines_kvm_with_process": %d, "tcb_lines_shim": %d, "tcb_lines_boundary": %d, "tcb_lines_js": %d}\n' \
        $((kvm + process)) $shim $boundary $js
fi
