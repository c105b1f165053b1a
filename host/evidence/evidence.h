/*
 * evidence.h - where evidence about this machine comes from: what a platform signs over 64 bytes of
 * ours (SPECIFICATION.md section 14.2). One table of sources; the host only carries what they say,
 * clients check it.
 */
#ifndef TFAAS_HOST_EVIDENCE_H
#define TFAAS_HOST_EVIDENCE_H

#include "../error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EVIDENCE_DATA_SIZE  64u          /* report_data */
#define EVIDENCE_BYTES_MAX  (64u * 1024) /* evidence, and endorsements, each */
#define EVIDENCE_TRIES      5u           /* of a report that somebody else's changed meanwhile */
#define EVIDENCE_PAUSE_MS   20u          /* between them */
#define EVIDENCE_TSM_PATH   "/sys/kernel/config/tsm/report"
#define EVIDENCE_SEV_PATH   "/dev/sev-guest"
#define EVIDENCE_TDX_PATH   "/dev/tdx_guest"
#define EVIDENCE_SIMULATED  "application/vnd.tfaas.simulated+cbor"
#define EVIDENCE_TDX_QUOTE  "application/vnd.intel.tdx-quote"
#define EVIDENCE_SNP_REPORT "application/vnd.amd.snp-report"
#define EVIDENCE_SNP_CERTS  "application/vnd.amd.snp-certificates"

/* What a source reads. Tests give other paths, and calls that replay what a kernel said. */
struct evidence_env {
    const char *tsm_path, *sev_path, *tdx_path;
    int (*make_folder)(const char *path, mode_t mode);
    int (*remove_folder)(const char *path);
    int (*open_file)(const char *path, int flags);
    ssize_t (*read_file)(int fd, void *to, size_t size);
    ssize_t (*write_file)(int fd, const void *from, size_t size);
    int (*control)(int fd, unsigned long request, void *argument); /* ioctl */
    uint8_t root_seed[32];   /* simulated: of the Ed25519 root key */
    uint8_t measurement[48]; /* simulated: of the core */
};
/* The real calls and paths; root_seed and measurement are zeros. */
void evidence_env_init(struct evidence_env *env);

struct evidence {
    const char *type; /* media type */
    uint8_t *bytes;   /* malloc'ed */
    size_t size;
    const char *endorsements_type; /* NULL: none */
    uint8_t *endorsements;         /* malloc'ed */
    size_t endorsements_size;
};
void evidence_free(struct evidence *evidence);

/* Both calls may take long; they touch nothing but `env`, which they do not change. */
struct evidence_source {
    const char *name;
    /* Is it here? False: `why` in words. */
    bool (*probe)(const struct evidence_env *env, char *why, size_t why_size);
    tfaas_status_t (*get)(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA_SIZE],
                          struct evidence *evidence, struct tfaas_error *error);
    /* A key that this platform gives to this measurement only. UNAVAILABLE: it has none. */
    tfaas_status_t (*seal_key)(const struct evidence_env *env, uint8_t key[32],
                               struct tfaas_error *error);
};
/* "auto": the first that is here, of the hardware's ones, then "simulated". UNAVAILABLE with why
 * for one that is not here; NOT_FOUND for a name that no source has. */
tfaas_status_t evidence_choose(const char *name, const struct evidence_env *env,
                               const struct evidence_source **source,
                               struct tfaas_error *error) TFAAS_MUST_USE;
bool evidence_name_ok(const char *name); /* a source's, "auto" or "none" */

/* --- beside the caller's loop, in a thread of its own --- */
enum evidence_want { EVIDENCE_REPORT, EVIDENCE_SEAL_KEY };
struct evidence_job;
/* `data` is of a report. */
tfaas_status_t evidence_start(const struct evidence_source *source, const struct evidence_env *env,
                              enum evidence_want want, const uint8_t *data,
                              struct evidence_job **job, struct tfaas_error *error) TFAAS_MUST_USE;
int evidence_fd(const struct evidence_job *job); /* readable: the outcome is there */
/* The outcome; the job is gone. What was not wanted may be NULL. */
tfaas_status_t evidence_take(struct evidence_job *job, struct evidence *evidence, uint8_t key[32],
                             struct tfaas_error *error) TFAAS_MUST_USE;
void evidence_abandon(struct evidence_job *job); /* nobody waits for it any more */

extern const struct evidence_source evidence_simulated, evidence_tsm, evidence_sev, evidence_tdx;

#endif
