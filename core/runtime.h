/*
 * runtime.h - the languages' runtimes that are part of the core, and what functions take from them:
 * a compiled module and a base image that all functions of a language share. All are ready before
 * the fork. Python is in tfaas-core-python only; its image was made with the core.
 */
#ifndef TFAAS_CORE_RUNTIME_H
#define TFAAS_CORE_RUNTIME_H

#include "cursor.h"
#include "engine/engine.h"

#define GLOBALS_KEPT_MAX 64u

struct instrument_result;

struct runtime {
    const char *name, *title;
    struct engine_module *module; /* NULL: this core has none */
    struct memory_image image;
    bool learnt;               /* the image's heat came with the core */
    struct memory_slot *spare; /* a pristine memory, made before the fork; NULL: it is taken */
    struct engine_global globals[GLOBALS_KEPT_MAX];
    uint32_t global_count;
    uint32_t *mutable_globals, mutable_global_count;
};

/* Before any function arrives. OK or *why. */
tfaas_status_t runtime_prepare(char *why, size_t why_size) TFAAS_MUST_USE;
/* NULL: no runtime of that name. */
struct runtime *runtime_find(struct span name);
/* UNSUPPORTED and *why where this core does not have it. */
tfaas_status_t runtime_check(const struct runtime *runtime, char *why,
                             size_t why_size) TFAAS_MUST_USE;

/* Before the fork, of JavaScript: the heat of its pages, one byte each; whether it came with the
 * core, so that less is left to learn; a memory that is ready for the first function. */
const uint8_t *runtime_heat(size_t *size);
bool runtime_is_learnt(void);
bool runtime_prepare_spare(void) TFAAS_MUST_USE;

/* Initial memory as the module's data segments make it. */
tfaas_status_t runtime_first_image(struct memory_image *image,
                                   const struct instrument_result *result, size_t limit, char *why,
                                   size_t why_size) TFAAS_MUST_USE;

/* For the build: compiles `wasm`; with `image` also runs its initialisation, which must not depend
 * on when and where, and saves the memory after it. Both malloc'ed. */
tfaas_status_t runtime_build(struct span wasm, uint8_t **code, size_t *code_size, uint8_t **image,
                             size_t *image_size, char *why, size_t why_size) TFAAS_MUST_USE;

#endif
