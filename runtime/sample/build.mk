# build.mk - the built-in sample package, compiled to a WASI command with Debian's clang and
# wasi-libc. Included by the Makefile.
WASM_CC ?= clang-14
SAMPLE_CFLAGS = --target=wasm32-wasi -std=gnu11 -O2 -Wall -Wextra -Wconversion -Werror
SAMPLE_LDFLAGS = -Wl,--strip-all -Wl,-z,stack-size=65536 -Wl,--stack-first
SAMPLE_SOURCES = runtime/sample/sample.c runtime/sample/sha512.c

build/sample.wasm: $(SAMPLE_SOURCES) runtime/sample/sha512.h runtime/sample/build.mk
	@mkdir -p $(@D)
	$(WASM_CC) $(SAMPLE_CFLAGS) $(SAMPLE_LDFLAGS) -o $@ $(SAMPLE_SOURCES)
