/*
 * function.h - a loaded function: its package, configuration, module, and the image every
 * invocation starts from.
 */
#ifndef TFAAS_CORE_FUNCTION_H
#define TFAAS_CORE_FUNCTION_H

#include "bundle.h"
#include "package.h"
#include "vfs.h"

enum function_kind { FUNCTION_COMMAND, FUNCTION_REACTOR };

struct engine_function; /* engine/engine.h */

struct function {
    uint32_t id;
    uint8_t *bundle_bytes; /* malloc'ed; everything below points into it */
    size_t bundle_size;
    struct bundle bundle;
    struct package package;
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    struct vfs vfs;
    enum function_kind kind;
    char entry[PACKAGE_PATH_MAX + 16]; /* "/function/<entry>", what argv[1] holds */
    struct engine_function *engine;
    uint32_t running; /* invocations in flight */
    bool unloading;
    bool is_compartment;    /* hidden, of another function (inner.h) */
    bool encapsulated_only; /* plain calls are refused */
    bool has_log_key;
    uint8_t log_key[32]; /* what a confidential function says is sealed to it; without: dropped */
    bool
        confidential; /* its package came sealed: sealed calls only, and no word about it outside */
};

#endif
