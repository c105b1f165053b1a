/*
 * runtime_image.h - runtimes that are part of the core, placed in the ELF by runtime_image.S and
 * python_image.S: JavaScript's Wasm and, compiled at build time by the same engine, its native
 * code; Python's native code, and its memory after its start (runtime.c). Tests are linked without
 * Python.
 */
#ifndef TFAAS_CORE_RUNTIME_IMAGE_H
#define TFAAS_CORE_RUNTIME_IMAGE_H

#include <stdint.h>

extern const uint8_t runtime_js_wasm[], runtime_js_wasm_end[];
extern const uint8_t runtime_js_code[], runtime_js_code_end[]; /* may be empty: compile at start */

/* A byte per page of the runtime's memory: its heat (memory.h) as a warm-up at build time found it.
 * May be empty: found at start. */
extern const uint8_t runtime_js_heat[], runtime_js_heat_end[];

extern const uint8_t runtime_python_code[] __attribute__((weak));
extern const uint8_t runtime_python_code_end[] __attribute__((weak));
extern const uint8_t runtime_python_image[] __attribute__((weak));

#endif
