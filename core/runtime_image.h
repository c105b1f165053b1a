/*
 * runtime_image.h - runtimes that are part of the core: their instrumented Wasm and, compiled at
 * build time by the same engine, their native code. Placed in the ELF by runtime_image.S.
 */
#ifndef TFAAS_CORE_RUNTIME_IMAGE_H
#define TFAAS_CORE_RUNTIME_IMAGE_H

#include <stdint.h>

extern const uint8_t runtime_js_wasm[], runtime_js_wasm_end[];
extern const uint8_t runtime_js_code[], runtime_js_code_end[]; /* may be empty: compile at start */

/* A byte per page of the runtime's memory: its heat (memory.h) as a warm-up at build time found it.
 * May be empty: found at start. */
extern const uint8_t runtime_js_heat[], runtime_js_heat_end[];

#endif
