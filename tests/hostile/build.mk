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
