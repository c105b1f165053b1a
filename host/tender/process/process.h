/*
 * process.h - what the process tender lends to tenders whose cores also hang on a caged process
 * that forks: the same control socket, windows, doorbells and ends.
 */
#ifndef TFAAS_HOST_TENDER_PROCESS_H
#define TFAAS_HOST_TENDER_PROCESS_H

#include "cage.h"

#include "../tender.h"

/* What is executed inside the cage. */
struct process_kind {
    /* Opens what is needed beside the core's file and fills the cage: arguments, given_fds (the
     * tender closes them), memory_max (from that of one worker to what the process needs).
     * *run_fd: the file to execute, core_fd if that stays as it was. */
    tfaas_status_t (*open)(const char *core_path, int core_fd, struct cage *cage, int *run_fd,
                           struct tfaas_error *error);
    /* What the cores are measured as; they check it themselves when they start. NULL: SHA-384 of
     * the core's file, which the kernel keeps from changes while it runs. */
    tfaas_status_t (*measure)(const struct cage *cage, int core_fd, uint8_t measurement[48],
                              struct tfaas_error *error);
    /* Words for an exit code of its own; NULL: none. */
    const char *(*describe)(int exit_code);
    const char *layers; /* ahead of those of the cage; "" */
};

tfaas_status_t process_start_kind(const struct process_kind *kind,
                                  const struct tender_options *options, struct tender **tender,
                                  char *layers, size_t layers_size, struct tfaas_error *error);
tfaas_status_t process_launch(struct tender *tender, enum tender_role role,
                              const char *trust_domain, struct tender_worker *worker,
                              struct tfaas_error *error);
void process_identity(struct tender *tender, uint8_t measurement[48], uint8_t report_root[32]);
void process_ended(struct tender *tender, struct tender_worker *worker, char *how, size_t how_size);
void process_destroy(struct tender *tender, struct tender_worker *worker);
void process_stop(struct tender *tender);
bool process_probe(char *why, size_t why_size);

#endif
