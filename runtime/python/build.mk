# Builds build/python.wasm, the Python runtime: CPython compiled to wasm32-wasi as a reactor, with our glue and the
# standard library as marshalled code. Every flag is part of the measurement. CPython itself is built once into a cache
# outside the clone (cpython.sh, some minutes).
PY_DIR := runtime/python
PY_BUILD := build/python
PY_CC ?= clang-14
PY_HOME = $(shell cat $(B)/python.dir 2>/dev/null)
PY_LIBS = $(addprefix $(PY_HOME)/,libpython3.13.a libmpdec.a libexpat.a libHacl_Hash_SHA2.a)
PY_TARGET := --target=wasm32-wasi -mbulk-memory -msign-ext -mnontrapping-fptoint
PY_CFLAGS = $(PY_TARGET) -std=gnu11 -O2 -DNDEBUG -Wall -Wextra -Wconversion -Werror -I$(PY_DIR) -Iruntime/js \
	-isystem $(PY_HOME)/include -ffile-prefix-map=$(CURDIR)=.
# Linear stack; see tfaas_c_recursion_limit in main.c.
PY_STACK := 1048576
PY_LDFLAGS := $(PY_TARGET) -mexec-model=reactor -Wl,--stack-first -Wl,-z,stack-size=$(PY_STACK) \
	-Wl,--strip-all -Wl,--gc-sections -Wl,-O2 -Wl,--wrap=getentropy
PY_EMULATED := -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks
# What each call writes lies together: the allocator's state first, the request's buffer last.
PY_SOURCES := alloc image main host_module response
PY_SHARED := host request
PY_OBJECTS := $(PY_SOURCES:%=$(PY_BUILD)/%.o) $(PY_SHARED:%=$(PY_BUILD)/js_%.o) $(PY_BUILD)/stdlib.o \
	$(PY_BUILD)/stdlib_code.o

$(B)/python.dir: $(PY_DIR)/cpython.sh
	@mkdir -p $(B)
	TFAAS_CACHE=$(TFAAS_CACHE) $(PY_DIR)/cpython.sh > $@.new && mv $@.new $@

$(PY_BUILD):
	mkdir -p $@

$(PY_SOURCES:%=$(PY_BUILD)/%.o): $(PY_BUILD)/%.o: $(PY_DIR)/%.c $(wildcard $(PY_DIR)/*.h) $(wildcard runtime/js/*.h) \
		$(B)/python.dir $(PY_DIR)/build.mk | $(PY_BUILD)
	$(PY_CC) $(PY_CFLAGS) -c $< -o $@
$(PY_SHARED:%=$(PY_BUILD)/js_%.o): $(PY_BUILD)/js_%.o: runtime/js/%.c $(wildcard runtime/js/*.h) $(B)/python.dir \
		$(PY_DIR)/build.mk | $(PY_BUILD)
	$(PY_CC) $(PY_CFLAGS) -c $< -o $@

# The order of hashes and the folder decide nothing.
$(PY_BUILD)/stdlib.c: $(PY_DIR)/freeze.py $(wildcard $(PY_DIR)/lib/*.py) $(B)/python.dir | $(PY_BUILD)
	PYTHONHASHSEED=0 PYTHONPATH=$(PY_HOME)/Lib PYTHONHOME=$(PY_HOME) PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 \
	    $(PY_HOME)/python -S $(PY_DIR)/freeze.py $(PY_HOME)/Lib $(PY_DIR)/lib $(PY_BUILD)
$(PY_BUILD)/stdlib.o: $(PY_BUILD)/stdlib.c
	$(PY_CC) $(PY_CFLAGS) -c $< -o $@
$(PY_BUILD)/stdlib_code.o: $(PY_DIR)/stdlib.S $(PY_BUILD)/stdlib.c
	$(PY_CC) $(PY_TARGET) -I$(PY_BUILD) -c $< -o $@

build/python.wasm: $(PY_OBJECTS)
	$(PY_CC) $(PY_LDFLAGS) $(PY_OBJECTS) $(PY_LIBS) $(PY_EMULATED) -lm -o $@.tmp
	mv $@.tmp $@
