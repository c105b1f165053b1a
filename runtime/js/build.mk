# Builds build/js.wasm, the JavaScript runtime: QuickJS-ng compiled to wasm32-wasi as a reactor,
# with our glue and bootstrap scripts. Every flag is part of the measurement.
#
# The engine's source is the crate rquickjs-sys; cargo fetches it and checks the SHA-256 in
# quickjs/Cargo.lock. It is kept outside the tree, keyed by that file's hash.

TFAAS_CACHE ?= $(HOME)/.cache/tfaas
JS_DIR := runtime/js
JS_BUILD := build/js
JS_LOCK := $(JS_DIR)/quickjs/Cargo.lock
JS_SOURCE := $(TFAAS_CACHE)/quickjs-$(shell sha256sum $(JS_LOCK) | cut -c1-16)
JS_ENGINE := $(JS_SOURCE)/rquickjs-sys/quickjs

JS_CC ?= clang-14
JS_TARGET := --target=wasm32-wasi -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals
JS_COMMON := $(JS_TARGET) -O2 -DNDEBUG -D_GNU_SOURCE -isystem $(JS_ENGINE) -I$(JS_BUILD) \
	-ffile-prefix-map=$(JS_ENGINE)=quickjs -ffile-prefix-map=$(CURDIR)=.
JS_CFLAGS := $(JS_COMMON) -std=gnu11 -Wall -Wextra -Wconversion -Werror
# the engine's own code is not ours to warn about
JS_ENGINE_CFLAGS := $(JS_COMMON) -std=gnu11 -w -funsigned-char -fno-strict-aliasing
# Linear stack. JS recursion gets its RangeError when this runs low, so the engine's native stack must
# outlast it: measured pairs are 64 KiB with 256 KiB of native stack (about 155 JS calls deep),
# 128 KiB with 512 KiB (340), 256 KiB with 1 MiB (710).
JS_STACK ?= 131072
JS_LDFLAGS := $(JS_TARGET) -mexec-model=reactor -Wl,--stack-first -Wl,-z,stack-size=$(JS_STACK) \
	-Wl,--strip-all -Wl,--gc-sections -Wl,-O2

# The order is the order in memory: what every call writes stands together, from alloc to the
# request's buffer, in one page.
JS_SOURCES := crypto encode form host module report text web wire clone isolation alloc main native openfaas response timer request
JS_ENGINE_SOURCES := dtoa libregexp libunicode
JS_OBJECTS := $(JS_BUILD)/bootstrap.o $(JS_BUILD)/engine.o $(JS_ENGINE_SOURCES:%=$(JS_BUILD)/%.o) \
	$(JS_SOURCES:%=$(JS_BUILD)/%.o)
JS_SCRIPTS := $(sort $(wildcard $(JS_DIR)/bootstrap/*.js))

build/js.wasm: $(JS_OBJECTS)
	$(JS_CC) $(JS_LDFLAGS) $(JS_OBJECTS) -o $@.tmp
	mv $@.tmp $@

$(JS_SOURCE)/.complete: $(JS_LOCK) $(JS_DIR)/quickjs/Cargo.toml
	rm -rf $(JS_SOURCE)
	mkdir -p $(JS_SOURCE)
	cargo vendor --quiet --locked --manifest-path $(JS_DIR)/quickjs/Cargo.toml $(JS_SOURCE) >/dev/null
	touch $@

$(JS_BUILD):
	mkdir -p $@

$(JS_BUILD)/bootstrap.c: $(JS_SCRIPTS) $(JS_DIR)/build.mk | $(JS_BUILD)
	{ echo '#include "bootstrap.h"'; n=0; table=; \
	for f in $(JS_SCRIPTS); do n=$$((n + 1)); \
	  echo "static char script_$$n[] = {"; od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '0};'; \
	  table="$$table {\"tfaas:$$(basename $$f .js)\", script_$$n, sizeof(script_$$n) - 1},"; \
	done; \
	echo "const struct bootstrap_script bootstrap_scripts[] = {$$table};"; \
	echo "const size_t bootstrap_count = $$n;"; } > $@.tmp
	mv $@.tmp $@

$(JS_BUILD)/bootstrap.o: $(JS_BUILD)/bootstrap.c
	$(JS_CC) $(JS_CFLAGS) -I$(JS_DIR) -c $< -o $@

$(JS_BUILD)/engine.o: $(JS_DIR)/engine.c $(JS_DIR)/engine_json.c $(JS_DIR)/engine.h $(JS_SOURCE)/.complete | $(JS_BUILD)
	$(JS_CC) $(JS_ENGINE_CFLAGS) -c $< -o $@

$(JS_ENGINE_SOURCES:%=$(JS_BUILD)/%.o): $(JS_BUILD)/%.o: $(JS_SOURCE)/.complete | $(JS_BUILD)
	$(JS_CC) $(JS_ENGINE_CFLAGS) -c $(JS_ENGINE)/$*.c -o $@

$(JS_SOURCES:%=$(JS_BUILD)/%.o): $(JS_BUILD)/%.o: $(JS_DIR)/%.c $(wildcard $(JS_DIR)/*.h) \
		$(JS_SOURCE)/.complete $(JS_DIR)/build.mk | $(JS_BUILD)
	$(JS_CC) $(JS_CFLAGS) -c $< -o $@
