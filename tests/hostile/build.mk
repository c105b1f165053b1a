# The functions of the hostile tests, as Wasm: build/tests/functions/NAME.wasm.
FUNCTIONS_C := $(wildcard tests/hostile/functions/*.c)
FUNCTIONS_WAT := $(wildcard tests/hostile/functions/*.wat)
FUNCTIONS := $(FUNCTIONS_C:tests/hostile/functions/%.c=$(B)/tests/functions/%.wasm) \
             $(FUNCTIONS_WAT:tests/hostile/functions/%.wat=$(B)/tests/functions/%.wasm)
FUNCTION_CFLAGS := -ftls-model=local-exec --target=wasm32-wasi -O2 -msimd128 -mbulk-memory -Wall -Wextra -Werror

# Reactors: no start-up code, no C library unless they use it.
$(B)/tests/functions/%.wasm: tests/hostile/functions/%.c tests/hostile/functions/guest.h
	@mkdir -p $(@D)
	$(CLANG) $(FUNCTION_CFLAGS) -mexec-model=reactor -Wl,--strip-all $< -o $@
$(B)/tests/functions/command_%.wasm: tests/hostile/functions/command_%.c
	@mkdir -p $(@D)
	$(CLANG) $(FUNCTION_CFLAGS) -Wl,--strip-all $< -o $@
$(B)/tests/functions/%.wasm: tests/hostile/functions/%.wat
	@mkdir -p $(@D)
	wat2wasm --enable-multi-memory $< -o $@

# The attacker inside a machine that tests/hostile/kvm.c starts: over the real shim, and over one that was taken over.
$(B)/tests/hostile/kvm: $(foreach ring,0 3,$(foreach file,core shim vm,$(B)/tests/hostile/kvm$(ring)/tfaas-$(file)))
$(B)/tests/hostile/kvm%/tfaas-core: tests/hostile/kvm_guest.c tests/hostile/kvm_guest.h core/plat/shim/shim.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -fPIE -static-pie -nostdlib -ffreestanding -fno-stack-protector -Iinclude -Icore -Itests/hostile $(WARN) \
	    -Wl,--build-id=none,-z,noexecstack,-z,separate-code,-z,max-page-size=4096 $< -o $@
$(B)/tests/hostile/kvm%/tfaas-vm: $(B)/tfaas-vm
	@mkdir -p $(@D) && ln -f $< $@
$(B)/tests/hostile/kvm3/tfaas-shim: $(B)/tfaas-shim
	@mkdir -p $(@D) && ln -f $< $@
$(B)/tests/hostile/kvm0/tfaas-shim: tests/hostile/kvm_shim.S tests/hostile/kvm_guest.h core/plat/shim/shim.h core/plat/shim/shim.lds
	@mkdir -p $(@D)
	$(CC) $(SHIM_CFLAGS) -Icore -Itests/hostile -nostdlib -static \
	    -Wl,-T,core/plat/shim/shim.lds,--build-id=none,-z,noexecstack,-z,max-page-size=4096 $< -o $@

# What tests/hostile/vm_host.c boots.
$(B)/tests/hostile/vm_host: $(B)/tfaas-core $(B)/tfaas-shim

# The real core and shim, but a traitor in one namespace: what tests/e2e/test_hostile_guest.py starts tfaasd with.
TRAITOR := $(foreach file,core shim vm,$(B)/tests/hostile/traitor/tfaas-$(file))
$(B)/tests/hostile/traitor/tfaas-core: tests/hostile/traitor/traitor.c tests/hostile/traitor/traitor.h $(CORE_OBJ) $(B)/runtime_image.o
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(INC) $(CORE_LD) -Wl,--wrap=engine_call $(filter-out %.h,$^) $(CORE_LIBS) -o $@
	strip $@
$(B)/tests/hostile/traitor/tfaas-shim: tests/hostile/traitor/traitor_shim.c core/plat/shim/entry.S core/plat/shim/shim.c \
        tests/hostile/traitor/traitor.h core/plat/shim/shim.h core/plat/shim/shim.lds
	@mkdir -p $(@D)
	$(CC) $(SHIM_CFLAGS) -Icore -nostdlib -static -Wl,--wrap=shim_enter \
	    -Wl,-T,core/plat/shim/shim.lds,--build-id=none,-z,noexecstack,-z,max-page-size=4096 $(filter %.c %.S,$^) -o $@
$(B)/tests/hostile/traitor/tfaas-vm: $(B)/tfaas-vm
	@mkdir -p $(@D) && ln -f $< $@
test-build: $(TRAITOR)
