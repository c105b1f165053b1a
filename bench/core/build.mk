# Builds build/bench-core and the Wasm it measures with.
BENCH_WASM := $(B)/bench-core-wasm
BENCH_KERNELS := sha256 matmul nbody fib calls sort
BENCH_FUNCTIONS := $(BENCH_KERNELS:%=$(BENCH_WASM)/%.wasm) $(BENCH_WASM)/spin.wasm $(BENCH_WASM)/hello.wasm
# Rounds that make some milliseconds of each kernel: short pairs, many of them.
ROUNDS_sha256 := 4
ROUNDS_matmul := 2
ROUNDS_nbody := 4
ROUNDS_fib := 24
ROUNDS_calls := 6
ROUNDS_sort := 5
COMMAND_ROUNDS_sha256 := 32
COMMAND_ROUNDS_matmul := 16
COMMAND_ROUNDS_nbody := 32
COMMAND_ROUNDS_fib := 35
COMMAND_ROUNDS_calls := 48
COMMAND_ROUNDS_sort := 40
KERNEL_CFLAGS := --target=wasm32 -O2 -nostdlib -Wl,--no-entry

$(BENCH_KERNELS:%=$(BENCH_WASM)/%.wasm): $(BENCH_WASM)/%.wasm: bench/kernels/%.c bench/core/kernel.c bench/core/build.mk
	@mkdir -p $(@D)
	$(CLANG) $(KERNEL_CFLAGS) -DKERNEL='"../kernels/$*.c"' -DROUNDS=$(ROUNDS_$*) bench/core/kernel.c -o $@
# The same as a command that a machine takes some tens of milliseconds for: what wakes it weighs little.
$(BENCH_KERNELS:%=$(BENCH_WASM)/command-%.wasm): $(BENCH_WASM)/command-%.wasm: bench/kernels/%.c bench/core/command.c bench/core/build.mk
	@mkdir -p $(@D)
	$(CLANG) --target=wasm32-wasi -O2 -Wl,-s -DKERNEL='"../kernels/$*.c"' -DROUNDS=$(COMMAND_ROUNDS_$*) bench/core/command.c -o $@
$(BENCH_WASM)/spin.wasm: bench/core/spin.c
	@mkdir -p $(@D)
	$(CLANG) $(KERNEL_CFLAGS) $< -o $@
$(BENCH_WASM)/hello.wasm: bench/functions/hello-wasm/hello.c
	@mkdir -p $(@D)
	$(CLANG) --target=wasm32-wasi -O2 -Wl,-s $< -o $@

# The bench sees the core's sections through link wraps: the core itself is the product's, unchanged.
BENCH_WRAPS := engine_instantiate engine_instance_free engine_globals_set engine_call engine_work \
	loaded_take_slot loaded_give_slot message_handle message_end plat_handlers plat_switch_to plat_tick_arm \
	identity_key identity_signing_secret identity_lease identity_instance
BENCH_CORE_SRC := $(wildcard bench/core/bench_*.c) tests/support/core_child.c tests/support/core_test.c \
	tests/support/trace.c tests/support/sealed_client.c tests/support/identity_double.c
comma := ,
$(B)/bench-core: $(BENCH_CORE_SRC) $(wildcard bench/core/*.h tests/support/*.h) $(CORE_LIB_OBJ) \
		$(B)/runtime_image.o $(B)/python_image.o | $(BENCH_FUNCTIONS)
	$(CC) $(CORE_CFLAGS) -D_GNU_SOURCE $(INC) -Itests/support $(CORE_LD) \
		$(BENCH_WRAPS:%=-Wl$(comma)--wrap=%) $(BENCH_CORE_SRC) $(CORE_LIB_OBJ) $(B)/runtime_image.o $(B)/python_image.o \
		$(CORE_LIBS) -o $@
BENCH_WORKER_OBJ := $(filter $(B)/host-obj/host/tender/% $(B)/host-obj/host/error.o \
	$(B)/host-obj/common/ring.o $(B)/host-obj/common/sha384.o $(B)/host-obj/common/status.o,$(HOST_OBJ))
# Programs that play tfaasd, under either tender; of tests/support only what speaks the window is linked.
BENCH_HOST := bench/core/worker.c tests/support/core_child.c tests/support/core_test.c $(BENCH_WORKER_OBJ) \
	$(addprefix $(B)/host-obj/common/,bhttp.o bundle.o cbor.o fields.o package.o)
BENCH_HEADERS := $(wildcard bench/core/*.h tests/support/*.h)
$(B)/bench-first: bench/core/worker_first.c
$(B)/bench-tenders: bench/core/tenders.c $(BENCH_KERNELS:%=$(BENCH_WASM)/command-%.wasm) $(B)/bench-doorbell/tfaas-core
$(B)/bench-first $(B)/bench-tenders: $(BENCH_HOST) $(BENCH_HEADERS) | $(B)/tfaas-core $(B)/tfaas-vm $(B)/tfaas-shim
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE -ffunction-sections -Wl,--gc-sections $(INC) -Itests/support \
		$(filter bench/core/%.c,$^) $(filter-out bench/core/%,$(BENCH_HOST)) -lsodium -o $@
# The core that is nothing but a doorbell, with what the kvm tender looks for beside it.
BENCH_PLAT_OBJ := $(filter $(B)/core-obj/core/plat/%,$(CORE_OBJ))
$(B)/bench-doorbell/tfaas-core: bench/core/doorbell_core.c bench/core/doorbell.h $(BENCH_PLAT_OBJ) $(B)/tfaas-vm $(B)/tfaas-shim
	@mkdir -p $(@D)
	ln -f $(B)/tfaas-vm $(B)/tfaas-shim $(@D)/
	$(CC) $(CORE_CFLAGS) $(INC) $(CORE_LD) $< $(BENCH_PLAT_OBJ) -lsodium -o $@
# A worker with its lease: the real keeper and worker, and the host's side of the tests of hostile hosts.
$(B)/bench-lease: bench/core/worker_lease.c tests/hostile/keeper_support.c $(BENCH_WORKER_OBJ) \
		$(addprefix $(B)/host-obj/common/,statement.o fields.o cbor.o) | $(B)/tfaas-core
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE $(INC) -Itests/hostile $^ -lsodium -o $@
$(B)/bench-evidence: bench/core/evidence_verify.c $(B)/libtfaas.a
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE $(INC) $^ $(CLIENT_LIBS) -o $@
BENCH_PROGRAMS := $(addprefix $(B)/bench-,core first tenders lease evidence)
bench-core: $(BENCH_PROGRAMS)
	@python3 bench/run.py --only core $(BENCH_ARGS)
