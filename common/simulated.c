/* simulated.c - see simulated.h. */
#include "simulated.h"

#include "fields.h"

#include <sodium.h>

#define SIGNATURE_SIZE 64u
#define SIGNATURE_HEAD 3u /* key 6, head of a byte string of 64 */
#define SIGNED_PAIRS   5u
#define PAIRS          6u

struct simulated_read {
    struct span measurement, report_data, root_key, signature;
    uint64_t issued_at;
};

#define AT(member)                                                                                 \
    .offset = offsetof(struct simulated_read, member),                                             \
    .name = "simulated evidence: " #member " is missing, malformed or of another size"
static const struct field fields[] = {
    {.key = 1, .type = FIELD_LABEL, .label = SIMULATED_LABEL, .name = "simulated evidence: label"},
    {.key = 2, .type = FIELD_BYTES, .least = 48, .most = 48, AT(measurement)},
    {.key = 3, .type = FIELD_BYTES, .least = 64, .most = 64, AT(report_data)},
    {.key = 4, .type = FIELD_UINT, AT(issued_at)},
    {.key = 5, .type = FIELD_BYTES, .least = 32, .most = 32, AT(root_key)},
    {.key = 6, .type = FIELD_BYTES, .least = 64, .most = 64, AT(signature)},
};
#undef AT

static void put_signed(struct writer *w, const struct simulated_read *from)
{
    cbor_put_map(w, SIGNED_PAIRS);
    cbor_put_uint(w, 1);
    cbor_put_text(w, SIMULATED_LABEL, strlen(SIMULATED_LABEL));
    cbor_put_uint(w, 2);
    cbor_put_bytes(w, from->measurement.data, from->measurement.size);
    cbor_put_uint(w, 3);
    cbor_put_bytes(w, from->report_data.data, from->report_data.size);
    cbor_put_uint(w, 4);
    cbor_put_uint(w, from->issued_at);
    cbor_put_uint(w, 5);
    cbor_put_bytes(w, from->root_key.data, from->root_key.size);
}

tfaas_status_t simulated_read(struct span bytes, struct simulated *to, const char **why)
{
    struct simulated_read got = {.issued_at = 0};
    *to = (struct simulated){.issued_at = 0};
    tfaas_status_t status =
        fields_read(bytes, fields, sizeof(fields) / sizeof(fields[0]),
                    "simulated evidence: not a deterministic CBOR map of its keys", &got, why);
    if (status != TFAAS_OK)
        return status;
    /* One form only, so what was read up to the signature is what was signed, but for the count. */
    uint8_t message[SIMULATED_SIZE_MAX];
    struct writer w = writer_of(message, sizeof(message));
    put_signed(&w, &got);
    if (w.failed ||
        crypto_sign_verify_detached(got.signature.data, message, w.at, got.root_key.data) != 0) {
        *why = "simulated evidence: the signature is not of its key";
        return TFAAS_NOT_OPENED;
    }
    to->measurement = got.measurement;
    to->report_data = got.report_data;
    to->root_key = got.root_key;
    to->issued_at = got.issued_at;
    return TFAAS_OK;
}

size_t simulated_write(const uint8_t measurement[48], const uint8_t report_data[64],
                       uint64_t issued_at, const uint8_t secret[64], uint8_t *to)
{
    const struct simulated_read from = {
        .measurement = {measurement, 48},
        .report_data = {report_data, 64},
        .root_key = {secret + 32, 32}, /* libsodium's secret ends with the public key */
        .issued_at = issued_at,
    };
    struct writer w = writer_of(to, SIMULATED_SIZE_MAX);
    put_signed(&w, &from);
    uint8_t signature[SIGNATURE_SIZE];
    if (w.failed || SIGNATURE_HEAD + SIGNATURE_SIZE > SIMULATED_SIZE_MAX - w.at ||
        crypto_sign_detached(signature, NULL, to, w.at, secret) != 0)
        return 0;
    cbor_put_uint(&w, 6);
    cbor_put_bytes(&w, signature, sizeof(signature));
    to[0] = (uint8_t)(CBOR_MAP << 5 | PAIRS);
    return w.at;
}
