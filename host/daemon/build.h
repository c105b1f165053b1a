/*
 * build.h - how content becomes a package: the OpenFaaS remote-builder protocol (POST /build) and
 * PUT /packages/{image}. Reads a tar (libarchive, tar format only), refuses links, traversal,
 * bombs; finds the runtime; compiles C when that is what the function is and a compiler is there.
 */
#ifndef TFAAS_HOST_BUILD_H
#define TFAAS_HOST_BUILD_H

#include "../error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_TAR_MAX (64u << 20)

/* `signature` is the X-Build-Signature header ("sha256=<hex>") or NULL. Constant time. */
tfaas_status_t build_check_signature(const char *payload_secret, const char *signature,
                                     const uint8_t *body, size_t size,
                                     struct tfaas_error *error) TFAAS_MUST_USE;

struct build_result {
    char *image;      /* from com.openfaas.docker.config; NULL for a plain tar */
    uint8_t *package; /* malloc'ed */
    size_t package_size;
    char *log; /* human-readable lines, '\n' separated */
};
void build_result_free(struct build_result *result);

/* builder: the tar holds context/... and com.openfaas.docker.config (remote builder), else the
 * function's files at its top (PUT /packages). A lone Wasm module instead of a tar is taken too.
 * When C must be compiled a child process runs: build_start then returns OK with a job, and `done`
 * is called from a later build_step; otherwise `done` is called at once. What can be refused at
 * once is refused by the returned status, and `done` is not called. `body` is not needed after the
 * call. In `done`: status is OK or error tells; result->log is there in both cases; take a field by
 * setting it to NULL, what is left is freed after `done`. `work_dir`: STATE/build. */
struct build_job;
typedef void (*build_done_fn)(void *env, tfaas_status_t status, struct build_result *result,
                              const struct tfaas_error *error);
tfaas_status_t build_start(const uint8_t *body, size_t size, bool builder, const char *work_dir,
                           build_done_fn done, void *env, struct build_job **job,
                           struct tfaas_error *error) TFAAS_MUST_USE;
/* Makes the work folder (0700) and removes what a crash left in it: call once at start. */
tfaas_status_t build_prepare(const char *work_dir, struct tfaas_error *error) TFAAS_MUST_USE;
/* After build_start: *job is NULL when `done` was called already. Else poll build_fd for reading
 * (an epoll descriptor over the child's output, its end and the time limit) and call build_step;
 * when that calls `done`, the job is gone. build_cancel ends the child; `done` is not called. */
int build_fd(const struct build_job *job);
void build_step(struct build_job *job);
void build_cancel(struct build_job *job);

/* Why an image name that is not in the store cannot run here, for the error of a deployment. */
void build_explain_unknown_image(const char *image, char *text, size_t size);

#endif
