/*
 * package.h - what a function is made of, and its identity.
 *
 * A package is the deterministic CBOR map (integer keys, ascending)
 *   { 1: version (1), 2: runtime (text), 3: entry (text), 4: [ [path (text), content (bytes)], ...
 * ] } with files sorted by path bytewise, no path twice. Its identity is the SHA-256 of these
 * bytes. runtime  "js", "python"  entry = path of the main module in the package, e.g.
 * "handler.js", "handler.py"; "wasm"  entry = path of the module, e.g. "function.wasm" (WASI
 * command, or reactor that exports tfaas_handle). Paths are relative, '/'-separated, without "",
 * "." and ".." components, at most PACKAGE_PATH_MAX bytes, no byte below 0x20, no backslash. In the
 * core they appear under /function/.
 */
#ifndef TFAAS_COMMON_PACKAGE_H
#define TFAAS_COMMON_PACKAGE_H

#include "cursor.h"
#include "tfaas/status.h"

#define PACKAGE_SIZE_MAX    (48u << 20)
#define PACKAGE_FILES_MAX   20000u
#define PACKAGE_PATH_MAX    512u
#define PACKAGE_DIGEST_SIZE 32u

struct package_file {
    struct span path, content;
};

struct package {
    struct span runtime, entry;
    struct package_file *files; /* malloc'ed by package_read, sorted by path */
    size_t file_count;
};

/* Parses and checks; spans point into `data`. BAD_PACKAGE / TOO_LARGE / NO_SPACE with *why. */
tfaas_status_t package_read(const uint8_t *data, size_t size, struct package *package,
                            const char **why) TFAAS_MUST_USE;
void package_free(struct package *package);
/* The content of `path` (no leading slash), or {NULL, 0}. Binary search. */
struct span package_find(const struct package *package, struct span path);

/* Encodes; `files` are sorted in place; duplicates and bad paths are refused. *out is malloc'ed. */
tfaas_status_t package_write(const char *runtime, const char *entry, struct package_file *files,
                             size_t file_count, uint8_t **out, size_t *out_size,
                             const char **why) TFAAS_MUST_USE;
bool package_path_ok(struct span path);

#endif
