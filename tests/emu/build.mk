# The core's machine under QEMU: the ROM that starts it, and a ring 0 that obeys ring 3. tests/rules.sh has the tests' own rules.
$(B)/tests/emu/qemu/core: $(B)/tests/emu/boot.bin $(B)/tfaas-core $(B)/tfaas-shim $(B)/tfaas
$(B)/tests/emu/qemu/rings: $(B)/tests/emu/boot.bin $(B)/tests/emu/ring0 $(B)/tests/hostile/kvm3/tfaas-core $(B)/tfaas-shim
$(B)/tests/emu/boot.bin: tests/emu/qemu/boot.S tests/emu/qemu/boot.h core/plat/shim/shim.h
	@mkdir -p $(@D)
	$(CC) -Icore -c $< -o $@.o && objcopy -O binary -j .text $@.o $@
$(B)/tests/emu/ring0: tests/emu/qemu/ring0.S tests/emu/qemu/ring0.h core/plat/shim/shim.h core/plat/shim/shim.lds
	@mkdir -p $(@D)
	$(CC) $(SHIM_CFLAGS) -Icore -nostdlib -static \
	    -Wl,-T,core/plat/shim/shim.lds,--build-id=none,-z,noexecstack,-z,max-page-size=4096 $< -o $@
$(B)/tests/emu/qemu/core $(B)/tests/emu/qemu/rings: $(wildcard tests/emu/qemu/*.h) tests/hostile/kvm_guest.h \
    host/tender/kvm/machine.h core/plat/shim/shim.h
