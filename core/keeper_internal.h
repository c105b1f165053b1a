/*
 * keeper_internal.h - what the files of the keeper share: keeper.c (identity, statements, domains),
 * keeper_lease.c (workers), keeper_state.c (what outlives a keeper).
 */
#ifndef TFAAS_CORE_KEEPER_INTERNAL_H
#define TFAAS_CORE_KEEPER_INTERNAL_H

#include "hpke.h"
#include "keeper.h"
#include "plat/plat.h"
#include "statement.h"

struct keeper_domain {
    char name[STATEMENT_DOMAIN_MAX + 1];
    uint8_t digest[64]; /* as local reports name it */
    struct hpke_key_pair sealing;
    uint64_t serial; /* of the last statement */
    uint8_t next_key_id;
};

struct keeper {
    uint8_t identity_secret[64]; /* Ed25519, libsodium's form: the public key is its second half */
    struct keeper_domain *domains;
    size_t domain_count;
    uint64_t epoch, epoch_began_s;
};
extern struct keeper keeper;

struct span keeper_identity(void);
tfaas_status_t keeper_refuse(const char **why, tfaas_status_t status,
                             const char *text) TFAAS_MUST_USE;
/* The told clock. UNAVAILABLE: nothing was told yet. */
tfaas_status_t keeper_now(uint64_t *now_s, const char **why) TFAAS_MUST_USE;
struct keeper_domain *keeper_domain_find(struct span name);
struct keeper_domain *keeper_domain_of(const uint8_t digest[64]);
/* Adds one with this sealing key; NULL: the table is full. */
struct keeper_domain *keeper_domain_add(struct span name, const uint8_t sealing_secret[32]);
/* A report whose signer is a core like this one, in that role, that binds `data`. */
tfaas_status_t keeper_report_read(struct span bytes, enum plat_role role,
                                  struct plat_report *report, const char **why) TFAAS_MUST_USE;

/* keeper_lease.c */
tfaas_status_t keeper_certify(struct span request, struct writer *w,
                              const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_grant(struct span request, struct writer *w, const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_revoke(struct span request, struct writer *w,
                             const char **why) TFAAS_MUST_USE;
/* Envelopes of the leases of `domain` that live at `now_s`, newest keys of each instance; their
 * number, at most STATEMENT_LEASES_MAX. */
size_t keeper_leases(const struct keeper_domain *domain, uint64_t now_s,
                     struct span leases[STATEMENT_LEASES_MAX]);

/* keeper_state.c */
tfaas_status_t keeper_start(struct span request, struct writer *w, const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_save(struct span request, struct writer *w, const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_handover_ask(struct span request, struct writer *w,
                                   const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_handover_give(struct span request, struct writer *w,
                                    const char **why) TFAAS_MUST_USE;
tfaas_status_t keeper_handover_take(struct span request, struct writer *w,
                                    const char **why) TFAAS_MUST_USE;

#endif
