#!/bin/bash
# What a compiler does not check: file sizes, forbidden calls, who may include the engine, secrets of the machine in the tree,
# unfinished work, shell syntax, promises without a test. Prints each finding; exit 1 if there is one.
set -u
cd "$(dirname "$0")/.."
found=0
say() { # title, lines
    [ -z "$2" ] && return
    echo "lint: $1:"
    echo "$2" | head -n 20 | sed 's/^/    /'
    found=1
}
code() { git ls-files -- '*.c' '*.h' '*.S'; }
say "files over 800 lines" "$(git ls-files -- '*.c' '*.h' '*.S' '*.js' '*.mjs' '*.py' '*.sh' '*.md' Makefile | xargs wc -l | awk '$1 > 800 && $2 != "total"')"
say "calls that TFaaS does not make" "$(git grep -nE '\b(system|popen|strcpy|strcat|sprintf|vsprintf|gets|alloca|atoi)[[:space:]]*\(' -- core common host client include ':!*.md')"
say "the engine's header outside core/engine/wasmtime.c" "$(git grep -ln 'wasmtime\.h' -- '*.c' '*.h' | grep -v '^core/engine/wasmtime.c$')"
say "tabs in C" "$(code | xargs grep -nP '^\t' | head)"
say "lines over 100 columns in C" "$(code | xargs awk 'length($0) > 100 && !/needs:/ {print FILENAME ":" FNR}' | head)"
say "machine paths" "$(git grep -nE '(^|[^A-Za-z0-9._$-])/(work|root|home/[a-z]+|farm)/' -- . ':!scripts/lint.sh' ':!*.json' ':!*.lock')"
say "unfinished work" "$(git grep -nwE 'TODO|FIXME|XXX' -- '*.c' '*.h' '*.S' '*.js' '*.mjs' '*.py' '*.sh' '*.md' Makefile ':!scripts/lint.sh')"
say "C files that do not say what they are for" "$(code | while read -r f; do head -n 2 "$f" | grep -q '/\*\|//' || echo "$f"; done)"
say "promises that name a test that is not there" "$(grep -ohE 'tests/[A-Za-z0-9_/.-]+[A-Za-z0-9_]' ./*.md docs/*.md | sort -u | while read -r t; do [ -e "$t" ] || [ -e "$t.c" ] || [ -e "$t.py" ] || echo "$t"; done)"
# `FILE:CASE` in a document: the file must hold that case.
say "promises that name a case that is not there" "$(git grep -ohE '`tests/[A-Za-z0-9_/.-]+:[^`]+`' -- '*.md' | tr -d '`' | sort -u | while IFS= read -r t; do grep -qF -- "${t#*:}" "${t%%:*}" 2>/dev/null || echo "$t"; done)"
say "documents that name a file that is not there" "$(git grep -ohE '`(core|common|include|client|host|runtime|engine|bench|scripts|docs|template|examples|packaging)/[A-Za-z0-9_/.*-]+`' -- '*.md' | tr -d '`' | sort -u | while read -r t; do compgen -G "$t" >/dev/null || echo "$t"; done)"
for f in $(git ls-files -- '*.sh' .ci/run); do
    bash -n "$f" || found=1
done
[ "$found" -eq 0 ] && echo "lint: nothing found"
exit "$found"
