#!/bin/sh
# Writes Make rules for every C test on stdout. A test says what it links in its first comment:
#   /* needs: common/ring.c core libs: sodium flags: nosan static */
# A path is compiled with the test; the word `core` stands for the whole core (real engine). Without
# nosan or core a test is built with AddressSanitizer and UBSan. `static`: as the core is linked.
# common/status.c, and common/sha256.c behind those that hash, come by themselves.
# With core a test uses tests/support/check.h: there is no static cmocka.
set -eu
rule() { # file binary
    src=$1 bin=$2
    line=$(sed -n '1,12{s/.*needs:\(.*\)\*\/.*/\1/p}' "$src" | head -n 1)
    needs='' libs='' san='$(SAN)' extra='' core='' cmocka=-lcmocka mode=needs
    for word in $line; do
        case $word in
        libs:) mode=libs ;;
        flags:) mode=flags ;;
        nosan) san='' ;;
        static) extra='$(CORE_LD)' san='' ;;
        core) core='$(CORE_LIB_OBJ) $(B)/runtime_image.o' extra="$extra "'$(CORE_LD)' san='' cmocka='' ;;
        *) if [ "$mode" = libs ]; then libs="$libs -l$word"
           elif [ "$mode" = flags ]; then extra="$extra $word"
           else needs="$needs $word"; fi ;;
        esac
    done
    case " $needs $core " in *" common/status.c "*|*CORE_LIB_OBJ*) ;; *) needs="$needs common/status.c" ;; esac
    case "$needs " in *" common/sha256.c "*) ;; *" common/hkdf.c "* | *" common/receipt.c "*) needs="$needs common/sha256.c" ;; esac
    [ -n "$core" ] && libs="$libs"' $(CORE_LIBS)'
    echo "$bin: $src $needs $core \$(wildcard tests/support/*.h) | \$(B)/engine.dir \$(FUNCTIONS)"
    echo "	@mkdir -p \$(@D)"
    echo "	@echo '  TEST $bin'"
    echo "	@\$(CC) \$(TEST_CFLAGS) $san $extra $src $needs $core $cmocka $libs -o \$@"
    echo "TEST_BINARIES += $bin"
}
for f in $(find tests/unit tests/hostile tests/emu -name '*.c' 2>/dev/null | LC_ALL=C sort); do
    if grep -q 'needs:' "$f"; then
        rule "$f" "build/${f%.c}"
    fi
done
