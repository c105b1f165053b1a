/*
 * instrument.h - rewrites a Wasm module before it is compiled: metering, and what an exact restore
 * needs. Pure function over bytes; never executes anything, never trusts a length in the module.
 *
 * What the output differs in:
 *  - metering: each basic block adds its weight, at its head, to an extra i64 local of the function
 *    or, if it calls or leaves the function, together with the local to a new mutable i64 global
 *    (docs/metering.md). Bulk operations (memory.copy/fill/init, table.*), memory.grow and
 *    table.grow add an amount that depends on their run-time size operand. The guest cannot name
 *    the global; it is exported as "tfaas:work".
 *  - active data segments become passive and empty (same indices); their bytes are returned in
 *    `initial` so that the caller puts them into the image once.
 *  - the start section is removed; the start function is exported as "tfaas:start".
 *  - every mutable global defined by the module is exported as "tfaas:g<index>".
 */
#ifndef TFAAS_CORE_INSTRUMENT_H
#define TFAAS_CORE_INSTRUMENT_H

#include "tfaas/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTRUMENT_MODULE_MAX  (32u << 20) /* bytes of one input module */
#define INSTRUMENT_OUTPUT_MAX  (96u << 20) /* bytes of the instrumented module */
#define INSTRUMENT_INITIAL_MAX (64u << 20) /* span of the active data segments */
#define INSTRUMENT_FUNCS_MAX   200000u
#define INSTRUMENT_BODY_MAX    7654321u /* bytes of one function: what engines agree on */
#define INSTRUMENT_NESTING_MAX 10000u   /* control nesting inside one function */
#define INSTRUMENT_LOCALS_MAX  50000u
#define INSTRUMENT_GLOBALS_MAX 1000u /* mutable globals defined by the module */

/* SHA-256 (hex, NUL-terminated) of the weight table in its canonical text form. */
const char *instrument_weights_hash(void);

struct instrument_result {
    uint8_t *module; /* malloc'ed, owned by the caller */
    size_t module_size;
    uint8_t *initial; /* malloc'ed: what active segments put at [initial_offset, +initial_size) */
    uint32_t initial_offset;
    size_t initial_size;
    uint32_t memory_min_pages, memory_max_pages; /* of the one memory; max = 65536 if none given */
    uint32_t mutable_global_count;               /* exported as tfaas:g<module global index> */
    uint32_t *mutable_global_index;              /* malloc'ed */
    uint64_t table_elements;                     /* at the start, in all tables */
    uint32_t table_count;
    bool has_memory, has_start;
    bool mutates_tables; /* table.set/grow/fill/copy/init, elem.drop, memory.init, data.drop: state
                          * outside linear memory and globals, so no image after init */
    uint64_t compile_work; /* work units charged for validating and compiling this module */
};

/* On failure *result is zeroed and `why` (capacity why_size) names what is wrong and at which byte.
 * BAD_MODULE: malformed, over a bound, uses a feature that is off. NO_SPACE: out of memory. */
tfaas_status_t instrument(const uint8_t *module, size_t size, struct instrument_result *result,
                          char *why, size_t why_size) TFAAS_MUST_USE;
void instrument_free(struct instrument_result *result);

#endif
