/*
 * simulated.h - evidence of the software root: for development, refused by every verifier that was
 * not told otherwise. It proves nothing: whoever runs the host holds the key.
 *
 *   the CBOR map { 1: "tfaas-simulated-v1", 2: measurement (48), 3: report_data (64), 4: Unix
 *   seconds, 5: root key (Ed25519, 32), 6: signature (64) over the map of keys 1 to 5 }
 *   platform id = SHA-256(root key)
 */
#ifndef TFAAS_COMMON_SIMULATED_H
#define TFAAS_COMMON_SIMULATED_H

#include "cursor.h"
#include "tfaas/status.h"

#define SIMULATED_LABEL    "tfaas-simulated-v1"
#define SIMULATED_SIZE_MAX 320u

struct simulated {
    struct span measurement, report_data, root_key;
    uint64_t issued_at;
};

/* Checks the signature too. BAD_REQUEST: malformed; NOT_OPENED: not signed by its key. */
tfaas_status_t simulated_read(struct span bytes, struct simulated *to,
                              const char **why) TFAAS_MUST_USE;
/* Into `to` (SIMULATED_SIZE_MAX); its size. `secret` is libsodium's 64-byte secret key. */
size_t simulated_write(const uint8_t measurement[48], const uint8_t report_data[64],
                       uint64_t issued_at, const uint8_t secret[64], uint8_t *to);

#endif
