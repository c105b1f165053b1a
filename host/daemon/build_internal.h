/*
 * build_internal.h - what the build_*.c files share: the files of a tar, and the compiler child.
 */
#ifndef TFAAS_HOST_BUILD_INTERNAL_H
#define TFAAS_HOST_BUILD_INTERNAL_H

#include "build.h"
#include <stddef.h>
#include <stdint.h>

#define BUILD_CONFIG_NAME "com.openfaas.docker.config"

/* --- build_tar.c --- */
struct build_file {
    char *path; /* in the package: clean and relative */
    uint8_t *data;
    size_t size;
};

struct build_tar {
    struct build_file *files; /* the function's */
    size_t file_count;
    struct build_file config;        /* builder only; path NULL when it was not there */
    struct build_file template_file; /* context/template.yml, or path NULL */
    bool has_dockerfile;
};

/* Unpacks into memory. On failure nothing is kept. */
tfaas_status_t build_tar_read(const uint8_t *body, size_t size, bool builder, struct build_tar *tar,
                              struct tfaas_error *error) TFAAS_MUST_USE;
void build_tar_free(struct build_tar *tar);
const struct build_file *build_tar_find(const struct build_tar *tar, const char *path);

/* --- build_c.c --- */
#define BUILD_CHILDREN_MAX 4u /* compilers at a time; more is BUSY */
struct build_child;
/* Is there a compiler? */
bool build_c_available(void);
/* Writes the files into a fresh folder of work_dir and starts the compiler there, confined. */
tfaas_status_t build_c_start(const struct build_tar *tar, const char *work_dir,
                             struct build_child **child, struct tfaas_error *error) TFAAS_MUST_USE;
int build_c_fd(const struct build_child *child);
/* False while it runs. True: *module is malloc'ed when status is OK; *output is the compiler's text
 * (malloc'ed, may be NULL). */
bool build_c_step(struct build_child *child, tfaas_status_t *status, uint8_t **module, size_t *size,
                  char **output, struct tfaas_error *error);
/* Kills what runs, removes the folder. */
void build_c_free(struct build_child *child);
/* Removes everything in a folder, not the folder. 0 or -errno. */
int build_empty_folder(int fd);

#endif
