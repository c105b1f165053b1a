#!/bin/sh
# Builds CPython for wasm32-wasi as static libraries, and natively as the tool that compiles its standard library, into a
# cache outside the clone, keyed by everything that decides the result: this file and the compilers. Prints the folder.
# The source is Debian's source package python3.13 (as released, none of Debian's patches), fetched by apt-get with an
# index of its own, from the mirror that apt is set up with, and checked against the SHA-256 below.
set -eu
version=3.13.5
sha256=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640
suite=trixie
tarball=python3.13_$version.orig.tar.xz
cache=${TFAAS_CACHE:-$HOME/.cache/tfaas}
clang=clang-14
jobs=$(nproc)

for tool in $clang llvm-ar-14 llvm-ranlib-14 gcc make xz; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "python: $tool is missing: apt-get install clang-14 llvm-14 gcc make xz-utils" >&2
        exit 69
    }
done
key=$( (cat "$0"; $clang --version | head -n 1; dpkg-query -W -f '${Version}\n' wasi-libc) | sha256sum | cut -c1-16)
out=$cache/python-$key
[ ! -f "$out/complete" ] || { echo "$out"; exit 0; }
work=$cache/python-work-$key
rm -rf "$work" "$out"
mkdir -p "$work/native" "$work/wasi" "$out"

fetch() {
    apt=$work/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian //p' | head -n 1)
    [ -n "$mirror" ] || { echo "python: apt knows no Debian mirror: apt-get update" >&2; exit 69; }
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$apt/sources"
    set -- -o Dir::Etc::sourcelist="$apt/sources" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root -qq
    apt-get "$@" update >&2
    (cd "$apt" && apt-get "$@" --download-only source "python3.13/$suite" >&2)
    cp "$apt/$tarball" "$cache/$tarball.new"
    mv "$cache/$tarball.new" "$cache/$tarball"
}
checked() { echo "$sha256  $cache/$tarball" | sha256sum --check --status 2>/dev/null; }
checked || fetch
checked || { echo "python: $cache/$tarball is not the source that is expected (SHA-256)" >&2; exit 70; }
tar -C "$work" -xf "$cache/$tarball"
mv "$work/Python-$version" "$work/src"

# How deep C may recurse is decided by the glue, next to the stack's size: a variable instead of a number.
header=$work/src/Include/cpython/pystate.h
sed -i 's/^#  define Py_C_RECURSION_LIMIT 5000$/extern const int tfaas_c_recursion_limit;\n#  define Py_C_RECURSION_LIMIT tfaas_c_recursion_limit/' "$header"
parser=$work/src/Parser/parser.c
sed -i 's/^#    define MAXSTACK 4000$/extern const int tfaas_parser_depth;\n#    define MAXSTACK tfaas_parser_depth/' "$parser"
marshal=$work/src/Python/marshal.c
sed -i 's/^#  define MAX_MARSHAL_STACK_DEPTH 1500$/#  define MAX_MARSHAL_STACK_DEPTH 200/' "$marshal"
grep -q tfaas_c_recursion_limit "$header" && grep -q tfaas_parser_depth "$parser" &&
    grep -q 'DEPTH 200' "$marshal" || {
    echo "python: the places to change in the source were not found" >&2
    exit 70
}

unset PYTHONPATH PYTHONHOME PYTHONSTARTUP CFLAGS CPPFLAGS LDFLAGS CC AR RANLIB
export LC_ALL=C TZ=UTC
absent="py_cv_module_zlib=n/a py_cv_module__bz2=n/a py_cv_module__lzma=n/a py_cv_module__ctypes=n/a
py_cv_module_readline=n/a py_cv_module__uuid=n/a py_cv_module__socket=n/a py_cv_module__sqlite3=n/a"
log=$work/log
say_failed() { echo "python: $1 failed:" >&2; tail -n 20 "$log" >&2; exit 70; }
# shellcheck disable=SC2086
(cd "$work/native" && ../src/configure -q --disable-test-modules --without-ensurepip PKG_CONFIG=/bin/false $absent &&
    make -j"$jobs" OPT="-O1 -w" python) >"$log" 2>&1 || say_failed "the native build"
# clang-14 lowers no thread-local variables beside bulk memory, and there is one thread; its pthread stubs lack a size.
# Dates and folders would be in the result.
# shellcheck disable=SC2086
(cd "$work/wasi" && CONFIG_SITE="$work/src/Tools/wasm/config.site-wasm32-wasi" ../src/configure -q \
    --host=wasm32-unknown-wasi --build=x86_64-pc-linux-gnu --with-build-python="$work/native/python" \
    --disable-test-modules --without-ensurepip --disable-ipv6 --prefix=/python \
    CC="$clang --target=wasm32-wasi" AR=llvm-ar-14 RANLIB=llvm-ranlib-14 PKG_CONFIG=/bin/false \
    CFLAGS="-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS -mbulk-memory -msign-ext -mnontrapping-fptoint" \
    LDFLAGS="-lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks" $absent &&
    make -j"$jobs" OPT="-O2 -DNDEBUG" EXTRA_CFLAGS="-D_Thread_local= -DSIZEOF_PTHREAD_T=4 -w -ffile-prefix-map=$work=. \
        -D__DATE__=\\\"Jan\\ \\ 1\\ 2000\\\" -D__TIME__=\\\"00:00:00\\\"" \
        libpython3.13.a Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a \
        Modules/_hacl/libHacl_Hash_SHA2.a) >>"$log" 2>&1 || say_failed "the build for Wasm"

cp "$work/native/python" "$out/python"
strip "$out/python"
cp "$work/wasi/libpython3.13.a" "$work/wasi/Modules/_decimal/libmpdec/libmpdec.a" \
    "$work/wasi/Modules/expat/libexpat.a" "$work/wasi/Modules/_hacl/libHacl_Hash_SHA2.a" "$out/"
cp -R "$work/src/Include" "$out/include"
cp "$work/wasi/pyconfig.h" "$out/include/"
mkdir "$out/Lib"
(cd "$work/src/Lib" && tar -c --exclude=./test --exclude=./idlelib --exclude=./tkinter --exclude=./turtledemo \
    --exclude=./ensurepip --exclude=./lib2to3 --exclude=__pycache__ .) | tar -C "$out/Lib" -x
rm -rf "$work"
touch "$out/complete"
echo "$out"
