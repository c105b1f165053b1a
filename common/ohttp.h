/*
 * ohttp.h - Oblivious HTTP (RFC 9458): key configurations, encapsulated requests and responses, for
 * client and server. Only X25519 with HKDF-SHA256 and the AEADs of aead.h. No allocation; callers
 * own every buffer. Reasons (*why) are constant texts for logs; they hold nothing of the message.
 */
#ifndef TFAAS_COMMON_OHTTP_H
#define TFAAS_COMMON_OHTTP_H

#include "hpke.h"

#define OHTTP_KEYS_MEDIA_TYPE     "application/ohttp-keys"
#define OHTTP_REQUEST_MEDIA_TYPE  "message/ohttp-req"
#define OHTTP_RESPONSE_MEDIA_TYPE "message/ohttp-res"

#define OHTTP_SUITES_MAX        16u   /* symmetric suites of one key configuration that are kept */
#define OHTTP_KEY_LIST_MAX      4096u /* bytes of a key list */
#define OHTTP_HEADER_SIZE       7u    /* key id, KEM, KDF, AEAD */
#define OHTTP_REQUEST_OVERHEAD  (OHTTP_HEADER_SIZE + HPKE_ENC_SIZE + AEAD_TAG_SIZE)
#define OHTTP_NONCE_MAX         32u /* max(Nn, Nk) of every supported AEAD */
#define OHTTP_RESPONSE_OVERHEAD (OHTTP_NONCE_MAX + AEAD_TAG_SIZE)

/* --- key configurations, section 3 --- */

struct ohttp_key_config {
    uint8_t id;
    uint8_t public_key[HPKE_PUBLIC_SIZE];
    uint16_t aeads[OHTTP_SUITES_MAX]; /* of the suites with HKDF-SHA256; others are left out */
    size_t aead_count;
};

/* Appends one configuration (section 3.1). */
void ohttp_put_key_config(struct writer *w, const struct ohttp_key_config *config);
/* Appends one configuration with its two-byte length: a list is a row of these (section 3.2). */
void ohttp_put_key_list_entry(struct writer *w, const struct ohttp_key_config *config);
/* Reads exactly one configuration. BAD_REQUEST: malformed. UNSUPPORTED: well-formed but for another
 * KEM, or without any suite with HKDF-SHA256. */
tfaas_status_t ohttp_read_key_config(struct span data, struct ohttp_key_config *config,
                                     const char **why) TFAAS_MUST_USE;
/* Reads a list; configurations that are UNSUPPORTED are passed over, of the others up to `capacity`
 * are kept in order. BAD_REQUEST: the list or one entry is malformed. UNSUPPORTED: none is left. */
tfaas_status_t ohttp_read_key_list(struct span data, struct ohttp_key_config *configs,
                                   size_t capacity, size_t *count, const char **why) TFAAS_MUST_USE;
/* The first AEAD of the configuration, in its order, that works on this machine. */
tfaas_status_t ohttp_choose_aead(const struct ohttp_key_config *config,
                                 uint16_t *aead) TFAAS_MUST_USE;

/* --- what an exchange is bound to --- */

#define OHTTP_INFO_MAX 256u /* bytes: label, zero, header, extra; TOO_LARGE above */
/* info = request || 0x00 || header || extra (section 4.3; `extra` is empty but for TFaaS's own
 * labels, where both sides give the same bytes); the response is exported under `response`. The
 * texts and the bytes must live as long as the exchange. */
struct ohttp_labels {
    const char *request, *response;
    struct span extra;
};
extern const struct ohttp_labels ohttp_labels_standard; /* message/bhttp request, response */
extern const struct ohttp_labels ohttp_labels_chunked;  /* ... chunked request, response */
#define OHTTP_TFAAS_REQUEST_LABEL  "message/tfaas request"
#define OHTTP_TFAAS_RESPONSE_LABEL "message/tfaas response"

/* One request and its response, on either side. Holds secrets: ohttp_wipe() it. */
struct ohttp_exchange {
    struct hpke_context hpke;
    uint8_t enc[HPKE_ENC_SIZE];
    uint8_t key_id;
    const struct ohttp_labels *labels;
};
void ohttp_wipe(struct ohttp_exchange *x);

/* --- client --- */

/* Writes header and enc and sets the exchange up: the part that ohttp_chunked.h shares. `aead`
 * comes from ohttp_choose_aead(). UNSUPPORTED: it does not work here. BAD_REQUEST: the
 * configuration holds a key of low order. */
tfaas_status_t ohttp_begin_request(struct ohttp_exchange *x, const struct ohttp_key_config *config,
                                   uint16_t aead, const struct ohttp_labels *labels,
                                   struct writer *out) TFAAS_MUST_USE;
/* The same with a given ephemeral pair: for test vectors only. */
tfaas_status_t ohttp_begin_request_with(struct ohttp_exchange *x,
                                        const struct ohttp_key_config *config, uint16_t aead,
                                        const struct ohttp_labels *labels,
                                        const struct hpke_key_pair *ephemeral,
                                        struct writer *out) TFAAS_MUST_USE;
/* After either: the rest of an encapsulated request, request.size + AEAD_TAG_SIZE bytes. */
tfaas_status_t ohttp_seal_request(struct ohttp_exchange *x, struct span request,
                                  struct writer *out) TFAAS_MUST_USE;
/* begin and seal: request.size + OHTTP_REQUEST_OVERHEAD bytes. TOO_LARGE when they do not fit. */
tfaas_status_t ohttp_encapsulate_request(struct ohttp_exchange *x,
                                         const struct ohttp_key_config *config, uint16_t aead,
                                         const struct ohttp_labels *labels, struct span request,
                                         uint8_t *out, size_t capacity,
                                         size_t *out_size) TFAAS_MUST_USE;
/* `out` takes response.size bytes at most. BAD_REQUEST: too short, or it does not authenticate. */
tfaas_status_t ohttp_decapsulate_response(const struct ohttp_exchange *x, struct span response,
                                          uint8_t *out, size_t capacity, size_t *out_size,
                                          const char **why) TFAAS_MUST_USE;

/* --- server --- */

/* The pair that stands behind a key id, or NULL. Asked once for each request. */
typedef const struct hpke_key_pair *ohttp_find_key(void *user, uint8_t key_id, uint16_t aead);

struct ohttp_request {
    uint8_t key_id;
    uint16_t kem, kdf, aead;
    struct span header, enc, sealed; /* in place */
};
/* Framing only. BAD_REQUEST: shorter than an empty request. */
tfaas_status_t ohttp_read_request(struct span message, struct ohttp_request *request,
                                  const char **why) TFAAS_MUST_USE;
/* Sets the exchange up from a header of OHTTP_HEADER_SIZE bytes and an enc. NOT_FOUND: no such key
 * (the problem type ohttp-key, section 5.3). UNSUPPORTED: another KEM, KDF or AEAD. */
tfaas_status_t ohttp_accept_request(struct ohttp_exchange *x, struct span header, struct span enc,
                                    const struct ohttp_labels *labels, ohttp_find_key *find,
                                    void *user, const char **why) TFAAS_MUST_USE;
/* read, accept and open. `out` takes message.size - OHTTP_REQUEST_OVERHEAD bytes. BAD_REQUEST also
 * when it does not authenticate. */
tfaas_status_t ohttp_decapsulate_request(struct ohttp_exchange *x, struct span message,
                                         const struct ohttp_labels *labels, ohttp_find_key *find,
                                         void *user, uint8_t *out, size_t capacity,
                                         size_t *out_size, const char **why) TFAAS_MUST_USE;
/* response.size + OHTTP_RESPONSE_OVERHEAD bytes at most. May be called more than once. */
tfaas_status_t ohttp_encapsulate_response(const struct ohttp_exchange *x, struct span response,
                                          uint8_t *out, size_t capacity,
                                          size_t *out_size) TFAAS_MUST_USE;
/* The same with a given nonce of ohttp_nonce_size() bytes: for test vectors only. */
tfaas_status_t ohttp_encapsulate_response_with(const struct ohttp_exchange *x, const uint8_t *nonce,
                                               struct span response, uint8_t *out, size_t capacity,
                                               size_t *out_size) TFAAS_MUST_USE;

/* --- the response's keys, section 4.4 (shared with ohttp_chunked.h) --- */

struct ohttp_response_key {
    uint16_t aead;
    uint8_t key[AEAD_KEY_MAX], nonce[AEAD_NONCE_SIZE];
};
/* max(Nn, Nk). */
size_t ohttp_nonce_size(uint16_t aead);
tfaas_status_t ohttp_derive_response_key(const struct ohttp_exchange *x, const uint8_t *nonce,
                                         struct ohttp_response_key *key) TFAAS_MUST_USE;

#endif
