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
KERNEL_CFLAGS := --target=wasm32 -O2 -nostdlib -Wl,--no-entry

$(BENCH_KERNELS:%=$(BENCH_WASM)/%.wasm): $(BENCH_WASM)/%.wasm: bench/kernels/%.c bench/core/kernel.c bench/core/build.mk
	@mkdir -p $(@D)
	$(CLANG) $(KERNEL_CFLAGS) -DKERNEL='"../kernels/$*.c"' -DROUNDS=$(ROUNDS_$*) bench/core/kernel.c -o $@
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
		$(B)/runtime_image.o | $(BENCH_FUNCTIONS)
	$(CC) $(CORE_CFLAGS) -D_GNU_SOURCE $(INC) -Itests/support $(CORE_LD) \
		$(BENCH_WRAPS:%=-Wl$(comma)--wrap=%) $(BENCH_CORE_SRC) $(CORE_LIB_OBJ) $(B)/runtime_image.o \
		$(CORE_LIBS) -o $@
BENCH_WORKER_OBJ := $(filter $(B)/host-obj/host/tender/% $(B)/host-obj/host/error.o \
	$(B)/host-obj/common/ring.o $(B)/host-obj/common/sha384.o $(B)/host-obj/common/status.o,$(HOST_OBJ))
$(B)/bench-worker: bench/core/worker_start.c $(BENCH_WORKER_OBJ) | $(B)/tfaas-core
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE $(INC) $^ -lsodium -o $@
# Cold boot, first answer and memory under either tender; of core_child.c only what speaks the window is linked.
$(B)/bench-first: bench/core/worker_first.c tests/support/core_child.c $(BENCH_WORKER_OBJ) \
		$(addprefix $(B)/host-obj/common/,bhttp.o bundle.o cbor.o fields.o package.o) \
		| $(B)/tfaas-core $(B)/tfaas-vm $(B)/tfaas-shim
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE -ffunction-sections -Wl,--gc-sections $(INC) -Itests/support $^ -lsodium -o $@
# A worker with its lease: the real keeper and worker, and the host's side of the tests of hostile hosts.
$(B)/bench-lease: bench/core/worker_lease.c tests/hostile/keeper_support.c $(BENCH_WORKER_OBJ) \
		$(addprefix $(B)/host-obj/common/,statement.o fields.o cbor.o) | $(B)/tfaas-core
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE $(INC) -Itests/hostile $^ -lsodium -o $@
$(B)/bench-evidence: bench/core/evidence_verify.c $(B)/libtfaas.a
	$(CC) $(HOST_CFLAGS) -D_GNU_SOURCE $(INC) $^ $(CLIENT_LIBS) -o $@
BENCH_PROGRAMS := $(addprefix $(B)/bench-,core worker first lease evidence)
bench-core: $(BENCH_PROGRAMS)
	@python3 bench/run.py --only core $(BENCH_ARGS)
