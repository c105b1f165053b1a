# The core's machine under QEMU: the ROM that starts it, and an attacker's ring 0. tests/rules.sh has the tests' own rules.
$(B)/tests/emu/qemu/core $(B)/tests/emu/qemu/rings: $(B)/tests/emu/boot.bin $(B)/tfaas-core $(B)/tfaas-shim
$(B)/tests/emu/qemu/core: $(B)/tfaas $(B)/tests/hostile/cage_core
$(B)/tests/emu/boot.bin: tests/emu/qemu/boot.S tests/emu/qemu/boot.h core/plat/shim/shim.h
	@mkdir -p $(@D)
	$(CC) -Icore -c $< -o $@.o && objcopy -O binary -j .text $@.o $@
