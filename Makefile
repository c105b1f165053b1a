# TFaaS: one Makefile. `make help` lists what it does. Exact flags are visible here: they decide the
# bytes of the core, and so its measurement.
.DEFAULT_GOAL := all
SHELL := /bin/bash
CC := gcc
CLANG := clang-14
TFAAS_CACHE ?= $(HOME)/.cache/tfaas
B := build

WARN := -Wall -Wextra -Wconversion -Werror
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-plt
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=.
INC := -Iinclude -Icommon -Icore
CFLAGS := -std=gnu11 -O2 -g $(WARN) $(HARDEN) $(PREFIX_MAP)
CORE_CFLAGS := $(CFLAGS) -fPIE -fno-omit-frame-pointer
HOST_CFLAGS := $(CFLAGS) -fPIE -Ihost
# Told by /system/info. Only ever given to tfaasd: in the core it would change the measurement.
COMMIT := $(or $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null),unknown)

# --- the engine: built once into a cache outside the tree, keyed by its lock file ---
ENGINE_DIR = $(shell cat $(B)/engine.dir 2>/dev/null)
$(B)/engine.dir: engine/Cargo.lock engine/Cargo.toml engine/lib.rs engine/build.sh
	@mkdir -p $(B)
	TFAAS_CACHE=$(TFAAS_CACHE) engine/build.sh > $@.new && mv $@.new $@

-include runtime/js/build.mk
include runtime/python/build.mk
-include runtime/sample/build.mk

# --- sources ---
COMMON_SRC := $(wildcard common/*.c)
CORE_SRC := $(wildcard core/*.c) core/engine/wasmtime.c $(wildcard core/plat/linux/*.c core/plat/shim/guest*.c)
CORE_ASM := $(filter-out core/runtime_image.S,$(wildcard core/plat/linux/*.S) core/plat/shim/guest_entry.S)
HOST_SRC := $(wildcard host/*.c host/daemon/*.c host/evidence/*.c host/tender/process/*.c) host/tender/kvm/kvm.c host/tender/kvm/machine.c
HOST_ASM := $(wildcard host/daemon/*.S)
CLIENT_COMMON := $(addprefix common/,aead.c base64url.c bhttp.c bhttp_stream.c cbor.c fields.c hkdf.c hpke.c http_date.c \
    ohttp.c ohttp_chunked.c package.c receipt.c sealed.c session.c sha256.c sha384.c simulated.c statement.c)
# What tests of the client link (tests/rules.sh adds common/status.c).
CLIENT_TEST_SRC := $(filter-out client/cli%.c,$(wildcard client/*.c)) client/evidence_roots.S $(CLIENT_COMMON)
CLIENT_SRC := $(CLIENT_TEST_SRC) common/status.c
CLI_SRC := $(wildcard client/cli*.c client/cli*.S) host/tender/kvm/machine.c

CORE_OBJ := $(CORE_SRC:%.c=$(B)/core-obj/%.o) $(CORE_ASM:%.S=$(B)/core-obj/%.o) \
            $(COMMON_SRC:%.c=$(B)/core-obj/%.o)
# Everything of the core but its main(): what tools and tests link.
CORE_LIB_OBJ := $(filter-out $(B)/core-obj/core/plat/linux/main.o,$(CORE_OBJ))
HOST_OBJ := $(HOST_SRC:%.c=$(B)/host-obj/%.o) $(HOST_ASM:%.S=$(B)/host-obj/%.o) \
            $(COMMON_SRC:%.c=$(B)/host-obj/%.o)

CORE_LIBS = $(ENGINE_DIR)/libtfaas_engine.a -lsodium -lbearssl -lpthread -ldl -lm
HOST_LIBS := -lmicrohttpd -ljansson -lsqlite3 -lsodium -larchive
# write, writev and abort of the C library are wrapped: last words go to the window (core/plat/linux/libc.c)
CORE_LD := -static-pie -Wl,--wrap=write,--wrap=writev,--wrap=abort -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none

$(B)/core-obj/%.o: %.c | $(B)/engine.dir
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(INC) -I$(ENGINE_DIR)/include -MMD -MP -c $< -o $@
$(B)/core-obj/core/plat/%.o: core/plat/%.S
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(INC) -MMD -MP -c $< -o $@
$(B)/host-obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(INC) -MMD -MP -c $< -o $@

# The runtimes: JavaScript's engine as Wasm, and compiled by the very engine that will run it; Python compiled, and its
# memory as its start leaves it.
$(B)/empty:
	@mkdir -p $(B) && : > $@
$(B)/runtime_image_empty.o: core/runtime_image.S $(B)/js.wasm $(B)/empty
	$(CC) $(CORE_CFLAGS) -DJS_WASM='"$(B)/js.wasm"' -DJS_CODE='"$(B)/empty"' -DJS_HEAT='"$(B)/empty"' -c $< -o $@
$(B)/precompile: core/tools/precompile.c $(CORE_LIB_OBJ) $(B)/runtime_image_empty.o
	$(CC) $(CORE_CFLAGS) $(INC) $(CORE_LD) $^ $(CORE_LIBS) -o $@
$(B)/js.code: $(B)/precompile $(B)/js.wasm
	$(B)/precompile code $(B)/js.wasm $@.new && mv $@.new $@
$(B)/python.code: $(B)/precompile $(B)/python.wasm
	$(B)/precompile code $(B)/python.wasm $@.new $(B)/python.image && mv $@.new $@
$(B)/js.heat: $(B)/precompile
	$(B)/precompile heat $@.new && mv $@.new $@
$(B)/runtime_image.o: core/runtime_image.S $(B)/js.wasm $(B)/js.code $(B)/js.heat
	$(CC) $(CORE_CFLAGS) -DJS_WASM='"$(B)/js.wasm"' -DJS_CODE='"$(B)/js.code"' -DJS_HEAT='"$(B)/js.heat"' -c $< -o $@

$(B)/python_image.o: core/python_image.S $(B)/python.code
	$(CC) $(CORE_CFLAGS) -DPYTHON_CODE='"$(B)/python.code"' -DPYTHON_IMAGE='"$(B)/python.image"' -c $< -o $@

# Segments of their own large pages: in a machine each of those is one fault at a start, not 512 (docs/figures.md).
# The link with its symbols stays: tests/honesty reads in it what an instruction belongs to.
# The core that runs Python too; CPython is built for it once, outside the clone.
.PHONY: python
python:
	@scripts/deps.sh python
	@$(MAKE) --no-print-directory all $(B)/tfaas-core-python
# Python is in a core of its own: it trebles the file, which every start reads and measures.
$(B)/tfaas-core-python: $(B)/python_image.o
$(B)/tfaas-core $(B)/tfaas-core-python: $(CORE_OBJ) $(B)/runtime_image.o
	$(CC) $(CORE_CFLAGS) $(CORE_LD) -Wl,-z,max-page-size=0x200000 $^ $(CORE_LIBS) -o $@.symbols
	strip -o $@ $@.symbols

$(B)/host-obj/host/daemon/sample_blob.o: host/daemon/sample_blob.S $(B)/sample.wasm
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -DSAMPLE_WASM='"$(B)/sample.wasm"' -c $< -o $@
$(B)/tfaasd: $(HOST_OBJ)
	$(CC) $(HOST_CFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack $^ $(HOST_LIBS) -o $@

# The virtual machine: the shim (ring 0, an image of its own), and the process that runs machines.
SHIM_CFLAGS := -std=gnu11 -O2 $(WARN) $(PREFIX_MAP) -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fcf-protection=none
$(B)/tfaas-shim: core/plat/shim/entry.S core/plat/shim/shim.c core/plat/shim/shim.h core/plat/shim/shim.lds
	$(CC) $(SHIM_CFLAGS) -nostdlib -static -Wl,-T,core/plat/shim/shim.lds,--build-id=none,-z,noexecstack,-z,max-page-size=4096 \
	    core/plat/shim/entry.S core/plat/shim/shim.c -o $@
	strip $@
VM_OBJ := $(addprefix $(B)/host-obj/,$(addsuffix .o,host/tender/kvm/vm host/tender/kvm/vm_main host/tender/kvm/vm_filter \
    host/tender/kvm/machine core/plat/linux/spawn common/sha384))
$(B)/tfaas-vm: $(VM_OBJ)
	$(CC) $(HOST_CFLAGS) -static-pie -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack $^ -lsodium -lpthread -o $@

# The client: a library (static, and shared: only tfaas_*, the functions of include/tfaas/, leave it), and `tfaas`.
CLIENT_LIBS := -lcurl -lcrypto -ljansson -lsodium
CLIENT_CFLAGS := $(CFLAGS) -fPIC -Iinclude -Icommon -Iclient
CLIENT_OBJ := $(addprefix $(B)/client-obj/,$(addsuffix .o,$(CLIENT_SRC)))
CLI_OBJ := $(addprefix $(B)/client-obj/,$(addsuffix .o,$(CLI_SRC)))
$(B)/client-obj/client/evidence_roots.S.o: $(wildcard client/roots/*.der)
$(B)/client-obj/client/cli_templates.S.o: $(shell find template -type f 2>/dev/null)
$(B)/client-obj/client/cli_verify.c.o $(B)/client-obj/host/tender/kvm/machine.c.o: CLIENT_CFLAGS += -Icore -Ihost
$(B)/client-obj/%.o: %
	@mkdir -p $(@D)
	$(CC) $(CLIENT_CFLAGS) -MMD -MP -c $< -o $@
# One object in the archive, in which only tfaas_* is global: names of ours cannot meet names of the user's.
$(B)/libtfaas.a: $(CLIENT_OBJ)
	ld -r -o $(B)/libtfaas.o $^ && objcopy -w --keep-global-symbol='tfaas_*' $(B)/libtfaas.o
	rm -f $@ && ar rcs $@ $(B)/libtfaas.o
$(B)/libtfaas.so: client/libtfaas.map $(CLIENT_OBJ)
	$(CC) $(CLIENT_CFLAGS) -shared -Wl,--version-script=client/libtfaas.map -Wl,-soname,libtfaas.so.0 -Wl,-z,relro,-z,now,-z,noexecstack $(CLIENT_OBJ) $(CLIENT_LIBS) -o $@
$(B)/tfaas: $(CLI_OBJ) $(CLIENT_OBJ)
	$(CC) $(CLIENT_CFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack $^ $(CLIENT_LIBS) -o $@
-include $(CLIENT_OBJ:.o=.d) $(CLI_OBJ:.o=.d)

# Only what shows the commit is compiled anew when it changes.
$(B)/commit: FORCE
	@mkdir -p $(B)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
$(B)/host-obj/host/daemon/api_system.o $(B)/asan/host/daemon/api_system.o: $(B)/commit
$(B)/host-obj/host/daemon/api_system.o: HOST_CFLAGS += -DTFAASD_COMMIT='"$(COMMIT)"'
$(B)/asan/host/daemon/api_system.o: ASAN_CFLAGS += -DTFAASD_COMMIT='"$(COMMIT)"'
FORCE:

.PHONY: all FORCE
all: $(B)/tfaas-core $(B)/tfaas-shim $(B)/tfaas-vm $(B)/tfaasd $(B)/tfaas $(B)/libtfaas.a $(B)/libtfaas.so

-include $(CORE_OBJ:.o=.d) $(HOST_OBJ:.o=.d) $(VM_OBJ:.o=.d)

# --- run: TENDER=kvm does any of it with cores in virtual machines ---
export TENDER
.PHONY: deps demo run test bench bench-core fuzz honesty reproduce soak fmt fmt-check lint tcb install clean help
deps:
	@scripts/deps.sh
demo: deps
	@$(MAKE) --no-print-directory all
	@python3 scripts/demo.py
run: all
	$(B)/tfaasd --listen $(or $(LISTEN),127.0.0.1:8080) --state $(or $(STATE),$(B)/state) --tender $(or $(TENDER),process)

# --- tests: what each links stands in its first comment (tests/rules.sh) ---
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEST_CFLAGS = -std=gnu11 -O1 -g -Wall -Wextra $(INC) -I. -Ihost -Itests/support \
              -I$(ENGINE_DIR)/include
TEST_SOURCES := $(shell find tests/unit tests/hostile tests/emu tests/support -name '*.[ch]' 2>/dev/null)
$(B)/tests.mk: tests/rules.sh $(TEST_SOURCES)
	@mkdir -p $(B) && sh tests/rules.sh > $@
include tests/hostile/build.mk
include tests/emu/build.mk
include bench/core/build.mk
-include $(B)/tests.mk

# The attacker that tests/hostile/cage.c starts: the real zygote and workers around another core_serve.
PLAT_OBJ := $(filter $(B)/core-obj/core/plat/%,$(CORE_OBJ))
# What tests/unit/client/cli.c runs and looks at.
$(B)/tests/unit/client/cli: $(B)/tfaas $(B)/libtfaas.so $(B)/libtfaas.a
$(B)/tests/hostile/cage: $(B)/tests/hostile/cage_core $(B)/tests/hostile/cage_core_without_filter
$(B)/tests/hostile/cage_core: tests/hostile/cage_core.c tests/hostile/cage_attack.h $(PLAT_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(INC) $(CORE_LD) $(filter-out %.h,$^) -lsodium -o $@
$(B)/tests/hostile/cage_core_without_filter: tests/hostile/cage_core.c tests/hostile/cage_attack.h \
        $(filter-out %/filter.o,$(PLAT_OBJ))
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(INC) -DCAGE_WITHOUT_FILTER $(CORE_LD) $(filter-out %.h,$^) -lsodium -o $@

# What tests/honesty runs: every call of every core, seen from outside; and a core that lies.
HONESTY := $(B)/tests/honesty/trace $(B)/tests/honesty/dishonest
$(B)/tests/honesty/%: tests/honesty/%.c core/plat/linux/filter.c core/plat/linux/syscalls.def
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(INC) $< -o $@

# tfaasd with every host and common file under the sanitizers; the core beside it is the real one.
ASAN_CFLAGS := -std=gnu11 -O1 -g $(WARN) -fPIE -Ihost $(SAN) $(PREFIX_MAP)
ASAN_OBJ := $(HOST_OBJ:$(B)/host-obj/%=$(B)/asan/%)
$(B)/asan/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(ASAN_CFLAGS) $(INC) -MMD -MP -c $< -o $@
$(B)/asan/host/daemon/sample_blob.o: $(B)/host-obj/host/daemon/sample_blob.o
	@mkdir -p $(@D)
	@cp $< $@
$(B)/asan/tfaasd: $(ASAN_OBJ)
	$(CC) $(ASAN_CFLAGS) -pie $^ $(HOST_LIBS) -o $@
# A tfaasd looks for the rest beside itself.
BESIDE := tfaas-core tfaas-shim tfaas-vm
$(BESIDE:%=$(B)/asan/%): $(B)/asan/%: $(B)/%
	@mkdir -p $(@D)
	ln -f $< $@
$(BESIDE:%=$(B)/tests/few/%): $(B)/tests/few/%: $(B)/%
	@mkdir -p $(@D)
	ln -f $< $@
-include $(ASAN_OBJ:.o=.d)
.PHONY: asan
asan: $(B)/asan/tfaasd $(BESIDE:%=$(B)/asan/%)

# The cryptography of a client, for e2e tests that speak HTTP themselves.
COMMON_HOST_OBJ := $(COMMON_SRC:%.c=$(B)/host-obj/%.o)
$(B)/tests/sealed_tool: tests/tools/sealed_tool.c $(COMMON_HOST_OBJ)
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(INC) $^ -lsodium -o $@

# A tfaasd that gives a worker another request key after a few calls.
$(B)/tests/few/keeper_lease.o: host/daemon/keeper_lease.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(INC) -DKEEPER_CALLS_PER_KEY=8u -c $< -o $@
$(B)/tests/few/tfaasd: $(filter-out %/keeper_lease.o,$(HOST_OBJ)) $(B)/tests/few/keeper_lease.o \
        $(B)/tests/few/tfaas-core $(B)/tests/few/tfaas-shim $(B)/tests/few/tfaas-vm
	$(CC) $(HOST_CFLAGS) -pie $(filter %.o,$^) $(HOST_LIBS) -o $@

# A clock that lies, for tfaasd in e2e tests.
$(B)/tests/clock_shim.so: tests/tools/clock_shim.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared $< -o $@

.PHONY: test-build
test-build: all asan $(B)/tests/sealed_tool $(B)/tests/clock_shim.so $(B)/tests/few/tfaasd \
            $(HONESTY) $(TEST_BINARIES)
test: deps
	@$(MAKE) --no-print-directory test-build
	@TEST_BINARIES="$(TEST_BINARIES)" tests/run.sh
fuzz:
	@tests/fuzz/run.sh long
honesty: deps
	@$(MAKE) --no-print-directory test-build
	@tests/honesty/run.sh long
reproduce: all $(B)/tfaas-core-python
	@tests/honesty/reproduce.sh long

# --- figures, long runs, housekeeping ---
bench: all $(BENCH_PROGRAMS) $(B)/tests/sealed_tool
	@scripts/deps.sh bench
	@python3 bench/run.py $(BENCH_ARGS)
soak: all
	@python3 bench/run.py --only growth --output $(B)/soak.json
FORMATTED = $(shell git ls-files '*.c' '*.h')
fmt:
	@clang-format-14 -i $(FORMATTED)
fmt-check:
	@clang-format-14 --dry-run --Werror $(FORMATTED) && echo "fmt: nothing to change"
lint:
	@scripts/lint.sh
tcb:
	@scripts/tcb.sh
PREFIX ?= /usr/local
$(B)/tfaas.pc: packaging/tfaas.pc.in include/tfaas/version.h FORCE
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e "s|@VERSION@|$$(sed -n 's/.*TFAAS_VERSION "\(.*\)"/\1/p' include/tfaas/version.h)|" $< > $@
install: all $(B)/tfaas.pc
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include/tfaas $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/tfaasd $(B)/tfaas-core $(wildcard $(B)/tfaas-core-python) $(B)/tfaas-vm $(B)/tfaas $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/tfaas-shim $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/libtfaas.so $(DESTDIR)$(PREFIX)/lib/libtfaas.so.0
	ln -sf libtfaas.so.0 $(DESTDIR)$(PREFIX)/lib/libtfaas.so
	install -m 644 $(B)/libtfaas.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(addprefix include/tfaas/,client.h evidence.h status.h) sdk/c/tfaas_function.h $(DESTDIR)$(PREFIX)/include/tfaas/
	install -m 644 packaging/tfaasd.1 packaging/tfaas.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(B)/tfaas.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
clean:
	rm -rf $(B)
help:
	@echo "make demo        install what is missing, build, show the main job, in clear and attested"
	@echo "make test        install what is missing, build, pass the tests"
	@echo "TENDER=kvm       with demo, test, run: the same, with cores in virtual machines"
	@echo "make             build build/tfaasd, build/tfaas-core, build/tfaas and build/libtfaas.{a,so}"
	@echo "make run         serve on LISTEN (127.0.0.1:8080), state in STATE (build/state)"
	@echo "make bench       side by side with peers, kvm with process, and what attestation costs: build/bench.json"
	@echo "                 (BENCH_ARGS='--quick --only kvm'; TENDER=kvm: tfaasd on micro-VMs, names that begin with kvm_)"
	@echo "make bench-core  microseconds inside the core, starts, evidence: into build/bench.json"
	@echo "make fuzz        every fuzz target for FUZZ_SECONDS (600) each"
	@echo "make honesty     the core's file, instructions and system calls against the lists: every test, traced"
	@echo "make reproduce   the core built twice in different folders: the same bytes"
	@echo "make soak        growth over a million calls, into build/soak.json"
	@echo "make python      build/tfaas-core-python, the core that runs Python too (builds CPython once, some minutes)"
	@echo "make asan        build/asan/tfaasd: the daemon under AddressSanitizer and UBSan"
	@echo "make fmt, fmt-check, lint, tcb, install (PREFIX, DESTDIR), clean"
