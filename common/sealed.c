/*
 * sealed.c - see sealed.h. What is bound is always encoded again from what was read: there is one
 * encoding only, so it is the same bytes.
 */
#include "sealed.h"

#include "base64url.h"
#include "fields.h"
#include "hpke.h"
#include "statement.h"

#include <sodium.h>
#include <stdlib.h>

#define KEY_ID_SIZE   8u
#define WRAPPED_SIZE  48u
#define KIND_SECRET   "secret"
#define KIND_PACKAGE  "package"
#define LOG_PREFIX    "tfaas-log-v1:"
#define DIGEST_STRIDE (2u + PACKAGE_DIGEST_SIZE) /* head of a byte string of 32, then the bytes */
#define POLICY_MAX    2560u
#define GRANT_INFO    (sizeof(SEALED_GRANT_LABEL) - 1 + 32u)

static const struct span nothing = {NULL, 0};

/* --- form --- */

#define AT(member)                                                                                 \
    .offset = offsetof(struct sealed, member),                                                     \
    .name = "sealed object: " #member " is missing, malformed or of another size"
static const struct field object_fields[] = {
    {.key = 1, .type = FIELD_LABEL, .label = SEALED_LABEL, .name = "sealed object: label"},
    {.key = 2, .type = FIELD_TEXT, .least = 1, .most = 16, AT(kind)},
    {.key = 3, .type = FIELD_TEXT, .least = 1, .most = STATEMENT_DOMAIN_MAX, AT(domain)},
    {.key = 4, .type = FIELD_TEXT, .least = 1, .most = SEALED_NAME_MAX, AT(name)},
    {.key = 5, .type = FIELD_BYTES, .least = KEY_ID_SIZE, .most = KEY_ID_SIZE, AT(key_id)},
    {.key = 6, .type = FIELD_BYTES, .least = 1, .most = POLICY_MAX, AT(policy)},
    {.key = 7, .type = FIELD_BYTES, .least = HPKE_ENC_SIZE, .most = HPKE_ENC_SIZE, AT(enc)},
    {.key = 8, .type = FIELD_BYTES, .least = WRAPPED_SIZE, .most = WRAPPED_SIZE, AT(wrapped)},
    {.key = 9,
     .type = FIELD_BYTES,
     .least = AEAD_TAG_SIZE,
     .most = PACKAGE_SIZE_MAX + AEAD_TAG_SIZE,
     AT(ciphertext)},
};
#undef AT
#define HEADER_FIELDS 8u
#define OBJECT_FIELDS 9u

struct policy {
    struct field_list packages;
    struct span log_key;
};

static const struct field policy_fields[] = {
    {.key = 1,
     .type = FIELD_LIST,
     .optional = true,
     .least = PACKAGE_DIGEST_SIZE,
     .most = PACKAGE_DIGEST_SIZE,
     .items = SEALED_PACKAGES_MAX,
     .offset = offsetof(struct policy, packages),
     .name = "sealed object: policy: key 1 (packages) is malformed"},
    {.key = 2,
     .type = FIELD_BYTES,
     .optional = true,
     .least = 32,
     .most = 32,
     .offset = offsetof(struct policy, log_key),
     .name = "sealed object: policy: key 2 (log key) is malformed or of another size"},
};

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_PACKAGE;
}

static tfaas_status_t read_policy(struct sealed *to, const char **why)
{
    struct policy policy = {.log_key = {NULL, 0}};
    if (fields_read(to->policy, policy_fields, 2, "sealed object: policy: not a map of its keys",
                    &policy, why) != TFAAS_OK)
        return TFAAS_BAD_PACKAGE;
    bool lists = policy.packages.items.data != NULL, secret = span_is(to->kind, KIND_SECRET);
    if (!secret && !span_is(to->kind, KIND_PACKAGE))
        return refuse(why, "sealed object: kind is neither secret nor package");
    if (lists && !secret)
        return refuse(why, "sealed object: policy: key 1 (packages) is for secrets");
    if (lists && policy.packages.count == 0)
        return refuse(why, "sealed object: policy: key 1 (packages) is empty");
    if (policy.log_key.size > 0 && secret)
        return refuse(why, "sealed object: policy: key 2 (log key) is for packages");
    to->any_package = secret && !lists;
    to->package_count = policy.packages.count;
    if (lists)
        to->packages = policy.packages.items.data + policy.packages.items.at;
    to->log_key = policy.log_key;
    return TFAAS_OK;
}

static tfaas_status_t read_form(struct span bytes, size_t fields, struct sealed *to,
                                const char **why)
{
    struct sealed got = {.bytes = bytes};
    *to = (struct sealed){.package_count = 0};
    struct cursor c = cursor_of(bytes.data, bytes.size);
    if (cbor_map(&c) != fields || c.failed)
        return refuse(why, "sealed object: not a deterministic CBOR map of its keys");
    if (fields_read(bytes, object_fields, fields,
                    "sealed object: not a deterministic CBOR map of its keys", &got,
                    why) != TFAAS_OK)
        return TFAAS_BAD_PACKAGE;
    tfaas_status_t status = read_policy(&got, why);
    if (status == TFAAS_OK)
        *to = got;
    return status;
}

bool sealed_is(struct span bytes)
{
    static const uint8_t begin[] = {0xa9, 0x01, 0x6f};
    size_t label = strlen(SEALED_LABEL);
    return bytes.size >= sizeof begin + label && memcmp(bytes.data, begin, sizeof begin) == 0 &&
           memcmp(bytes.data + sizeof begin, SEALED_LABEL, label) == 0;
}

tfaas_status_t sealed_read(struct span bytes, struct sealed *to, const char **why)
{
    *to = (struct sealed){.package_count = 0};
    if (bytes.size > PACKAGE_SIZE_MAX + SEALED_OVERHEAD_MAX) {
        *why = "sealed object: its content is larger than 48 MiB";
        return TFAAS_TOO_LARGE;
    }
    return read_form(bytes, OBJECT_FIELDS, to, why);
}

tfaas_status_t sealed_read_header(struct span header, struct sealed *to, const char **why)
{
    *to = (struct sealed){.package_count = 0};
    if (header.size > SEALED_HEADER_MAX) {
        *why = "sealed object: its header is too large";
        return TFAAS_TOO_LARGE;
    }
    return read_form(header, HEADER_FIELDS, to, why);
}

bool sealed_allows(const struct sealed *secret, const uint8_t package[PACKAGE_DIGEST_SIZE])
{
    if (secret->any_package)
        return true;
    bool allowed = false;
    for (size_t i = 0; i < secret->package_count; i++)
        allowed |= memcmp(secret->packages + i * DIGEST_STRIDE + 2, package, 32) == 0;
    return allowed;
}

/* The first `pairs` pairs as a map: 6 make the label, 8 the header, 9 the object. */
static void put_pairs(struct writer *w, const struct sealed *sealed, size_t pairs)
{
    const struct span texts[] = {span_of_text(SEALED_LABEL), sealed->kind, sealed->domain,
                                 sealed->name};
    const struct span bytes[] = {sealed->key_id, sealed->policy, sealed->enc, sealed->wrapped,
                                 sealed->ciphertext};
    cbor_put_map(w, pairs);
    for (size_t i = 0; i < pairs; i++) {
        cbor_put_uint(w, 1 + i);
        if (i < 4)
            cbor_put_text(w, texts[i].data, texts[i].size);
        else
            cbor_put_bytes(w, bytes[i - 4].data, bytes[i - 4].size);
    }
}

size_t sealed_header(const struct sealed *sealed, uint8_t *to)
{
    struct writer w = writer_of(to, SEALED_HEADER_MAX);
    put_pairs(&w, sealed, HEADER_FIELDS);
    return w.failed ? 0 : w.at;
}

/* --- keys --- */

/* "tfaas-sealed-v1" || label */
static size_t wrap_info(const struct sealed *sealed, uint8_t to[SEALED_HEADER_MAX])
{
    struct writer w = writer_of(to, SEALED_HEADER_MAX);
    writer_put(&w, SEALED_LABEL, strlen(SEALED_LABEL));
    put_pairs(&w, sealed, 6);
    return w.failed ? 0 : w.at;
}

/* "tfaas-grant-v1" || SHA-256(header) */
static bool grant_info(const struct sealed *sealed, uint8_t to[GRANT_INFO])
{
    uint8_t header[SEALED_HEADER_MAX];
    size_t size = sealed_header(sealed, header);
    memcpy(to, SEALED_GRANT_LABEL, strlen(SEALED_GRANT_LABEL));
    crypto_hash_sha256(to + strlen(SEALED_GRANT_LABEL), header, size);
    return size > 0;
}

/* One HPKE message: enc || ciphertext into `to`, plain.size + 48 bytes. */
static tfaas_status_t seal_to(const uint8_t key[32], struct span info, struct span plain,
                              uint8_t *to)
{
    struct hpke_context context;
    size_t size;
    tfaas_status_t status =
        hpke_setup_sender(&context, AEAD_CHACHA20_POLY1305, key, info, NULL, to);
    if (status == TFAAS_OK)
        status = hpke_seal(&context, nothing, plain, to + HPKE_ENC_SIZE, plain.size + AEAD_TAG_SIZE,
                           &size);
    hpke_wipe(&context);
    return status;
}

static tfaas_status_t open_with(const uint8_t secret[32], const uint8_t key[32], struct span info,
                                const uint8_t *enc, struct span sealed, uint8_t *to,
                                size_t capacity)
{
    struct hpke_context context;
    struct hpke_key_pair pair;
    size_t size;
    memcpy(pair.secret, secret, sizeof pair.secret);
    memcpy(pair.public_key, key, sizeof pair.public_key);
    tfaas_status_t status =
        hpke_setup_receiver(&context, AEAD_CHACHA20_POLY1305, &pair, enc, info, NULL);
    if (status == TFAAS_OK)
        status = hpke_open(&context, nothing, sealed, to, capacity, &size);
    hpke_wipe(&context);
    sodium_memzero(&pair, sizeof pair);
    return status;
}

tfaas_status_t sealed_unwrap(const struct sealed *sealed, const uint8_t sealing_secret[32],
                             const uint8_t sealing_key[32], uint8_t content_key[32])
{
    uint8_t info[SEALED_HEADER_MAX];
    size_t size = wrap_info(sealed, info);
    if (size == 0 || open_with(sealing_secret, sealing_key, (struct span){info, size},
                               sealed->enc.data, sealed->wrapped, content_key, 32) != TFAAS_OK)
        return TFAAS_NOT_GRANTED;
    return TFAAS_OK;
}

tfaas_status_t sealed_grant(const struct sealed *sealed, const uint8_t content_key[32],
                            const uint8_t worker_key[32], uint8_t grant[SEALED_GRANT_SIZE])
{
    uint8_t info[GRANT_INFO];
    if (!grant_info(sealed, info))
        return TFAAS_TOO_LARGE;
    return seal_to(worker_key, (struct span){info, sizeof info}, (struct span){content_key, 32},
                   grant);
}

static tfaas_status_t open_content(const struct sealed *sealed, const uint8_t content_key[32],
                                   uint8_t *to)
{
    static const uint8_t nonce[AEAD_NONCE_SIZE];
    uint8_t header[SEALED_HEADER_MAX];
    size_t size = sealed_header(sealed, header), opened;
    return aead_open(AEAD_CHACHA20_POLY1305, content_key, nonce, (struct span){header, size},
                     sealed->ciphertext, to, sealed->ciphertext.size - AEAD_TAG_SIZE, &opened);
}

tfaas_status_t sealed_open(const struct sealed *sealed, struct span grant,
                           const uint8_t worker_secret[32], const uint8_t worker_key[32],
                           uint8_t *to)
{
    uint8_t info[GRANT_INFO], content_key[32];
    if (grant.size != SEALED_GRANT_SIZE || sealed->ciphertext.size < AEAD_TAG_SIZE ||
        !grant_info(sealed, info))
        return TFAAS_NOT_GRANTED;
    struct span wrapped = {grant.data + HPKE_ENC_SIZE, grant.size - HPKE_ENC_SIZE};
    tfaas_status_t status = open_with(worker_secret, worker_key, (struct span){info, sizeof info},
                                      grant.data, wrapped, content_key, sizeof content_key);
    if (status == TFAAS_OK)
        status = open_content(sealed, content_key, to);
    sodium_memzero(content_key, sizeof content_key);
    return status == TFAAS_OK ? TFAAS_OK : TFAAS_NOT_GRANTED;
}

/* --- the owner's side --- */

static size_t make_policy(const struct sealed_options *options, uint8_t to[POLICY_MAX])
{
    struct writer w = writer_of(to, POLICY_MAX);
    cbor_put_map(&w, (options->package_count > 0 ? 1u : 0u) + (options->log_key ? 1u : 0u));
    if (options->package_count > 0) {
        cbor_put_uint(&w, 1);
        cbor_put_array(&w, options->package_count);
        for (size_t i = 0; i < options->package_count; i++)
            cbor_put_bytes(&w, options->packages[i], PACKAGE_DIGEST_SIZE);
    }
    if (options->log_key) {
        cbor_put_uint(&w, 2);
        cbor_put_bytes(&w, options->log_key, 32);
    }
    return w.failed ? 0 : w.at;
}

static bool text_ok(const char *text, size_t most)
{
    struct span span = span_of_text(text);
    return span.size > 0 && span.size <= most && cbor_text_ok(span);
}

static bool options_ok(const struct sealed_options *options)
{
    bool secret = strcmp(options->kind, KIND_SECRET) == 0;
    return (secret || strcmp(options->kind, KIND_PACKAGE) == 0) &&
           text_ok(options->domain, STATEMENT_DOMAIN_MAX) &&
           text_ok(options->name, SEALED_NAME_MAX) &&
           options->package_count <= (secret ? SEALED_PACKAGES_MAX : 0) &&
           (!secret || !options->log_key);
}

/* Wraps a fresh content key and seals the content with it, into buffers of the caller. */
static tfaas_status_t seal_content(struct sealed *sealed, const uint8_t sealing_key[32],
                                   struct span content, uint8_t *wrapped, uint8_t *ciphertext)
{
    static const uint8_t nonce[AEAD_NONCE_SIZE];
    uint8_t bytes[SEALED_HEADER_MAX], content_key[32];
    size_t size = wrap_info(sealed, bytes);
    randombytes_buf(content_key, sizeof content_key);
    tfaas_status_t status = seal_to(sealing_key, (struct span){bytes, size},
                                    (struct span){content_key, sizeof content_key}, wrapped);
    sealed->enc = (struct span){wrapped, HPKE_ENC_SIZE};
    sealed->wrapped = (struct span){wrapped + HPKE_ENC_SIZE, WRAPPED_SIZE};
    if (status == TFAAS_OK) {
        size = sealed_header(sealed, bytes);
        status =
            aead_seal(AEAD_CHACHA20_POLY1305, content_key, nonce, (struct span){bytes, size},
                      content, ciphertext, content.size + AEAD_TAG_SIZE, &sealed->ciphertext.size);
        sealed->ciphertext.data = ciphertext;
    }
    sodium_memzero(content_key, sizeof content_key);
    return status;
}

tfaas_status_t sealed_make(const struct sealed_options *options, const uint8_t sealing_key[32],
                           struct span content, uint8_t **out, size_t *out_size)
{
    uint8_t policy[POLICY_MAX], key_id[32], wrapped[HPKE_ENC_SIZE + WRAPPED_SIZE];
    *out = NULL;
    *out_size = 0;
    if (!options_ok(options))
        return TFAAS_BAD_REQUEST;
    if (content.size > PACKAGE_SIZE_MAX)
        return TFAAS_TOO_LARGE;
    crypto_hash_sha256(key_id, sealing_key, 32);
    struct sealed sealed = {
        .kind = span_of_text(options->kind),
        .domain = span_of_text(options->domain),
        .name = span_of_text(options->name),
        .key_id = {key_id, KEY_ID_SIZE},
        .policy = {policy, make_policy(options, policy)},
    };
    size_t capacity = content.size + AEAD_TAG_SIZE + SEALED_HEADER_MAX;
    uint8_t *ciphertext = malloc(content.size + AEAD_TAG_SIZE), *bytes = malloc(capacity);
    tfaas_status_t status = TFAAS_NO_SPACE;
    if (ciphertext && bytes)
        status = seal_content(&sealed, sealing_key, content, wrapped, ciphertext);
    struct writer w = writer_of(bytes, capacity);
    if (status == TFAAS_OK)
        put_pairs(&w, &sealed, OBJECT_FIELDS);
    if (status == TFAAS_OK && !w.failed) {
        *out = bytes;
        *out_size = w.at;
        bytes = NULL;
    } else if (status == TFAAS_OK) {
        status = TFAAS_INTERNAL;
    }
    free(ciphertext);
    free(bytes);
    return status;
}

/* --- logs --- */

/* "tfaas-log-v1" || package digest */
static struct span log_info(const uint8_t package[32], uint8_t to[64])
{
    struct writer w = writer_of(to, 64);
    writer_put(&w, SEALED_LOG_LABEL, strlen(SEALED_LOG_LABEL));
    writer_put(&w, package, 32);
    return (struct span){to, w.at};
}

tfaas_status_t sealed_log_make(const uint8_t log_key[32], const uint8_t package[32],
                               struct span text, char **out, size_t *out_size)
{
    uint8_t info[64];
    size_t prefix = strlen(LOG_PREFIX), size = text.size + HPKE_ENC_SIZE + AEAD_TAG_SIZE;
    *out = NULL;
    *out_size = 0;
    if (text.size > PACKAGE_SIZE_MAX)
        return TFAAS_TOO_LARGE;
    size_t line_size = prefix + BASE64URL_SIZE(size);
    uint8_t *sealed = malloc(size);
    char *line = malloc(line_size + 2); /* the line's end, and base64url_encode's NUL */
    tfaas_status_t status = TFAAS_NO_SPACE;
    if (sealed && line)
        status = seal_to(log_key, log_info(package, info), text, sealed);
    if (status == TFAAS_OK) {
        memcpy(line, LOG_PREFIX, prefix);
        status =
            base64url_encode((struct span){sealed, size}, line + prefix, line_size + 1 - prefix);
    }
    if (status == TFAAS_OK) {
        line[line_size] = '\n';
        *out = line;
        *out_size = line_size + 1;
        line = NULL;
    }
    free(sealed);
    free(line);
    return status;
}

tfaas_status_t sealed_log_open(const uint8_t log_secret[32], const uint8_t log_key[32],
                               const uint8_t package[32], struct span line, uint8_t **out,
                               size_t *out_size)
{
    uint8_t info[64];
    size_t prefix = strlen(LOG_PREFIX), size = 0;
    *out = NULL;
    *out_size = 0;
    if (line.size > 0 && line.data[line.size - 1] == '\n')
        line.size--;
    if (line.size < prefix || memcmp(line.data, LOG_PREFIX, prefix) != 0)
        return TFAAS_BAD_REQUEST;
    uint8_t *sealed = malloc(line.size), *text = malloc(line.size);
    tfaas_status_t status = TFAAS_NO_SPACE;
    if (sealed && text)
        status = base64url_decode((struct span){line.data + prefix, line.size - prefix}, sealed,
                                  line.size, &size);
    if (status == TFAAS_OK && size < HPKE_ENC_SIZE + AEAD_TAG_SIZE)
        status = TFAAS_BAD_REQUEST;
    if (status == TFAAS_OK) {
        struct span inner = {sealed + HPKE_ENC_SIZE, size - HPKE_ENC_SIZE};
        status =
            open_with(log_secret, log_key, log_info(package, info), sealed, inner, text, line.size);
        status = status == TFAAS_OK ? TFAAS_OK : TFAAS_NOT_OPENED;
    }
    if (status == TFAAS_OK) {
        *out = text;
        *out_size = size - HPKE_ENC_SIZE - AEAD_TAG_SIZE;
        text = NULL;
    }
    free(sealed);
    free(text);
    return status;
}
