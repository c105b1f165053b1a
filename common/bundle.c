/*
 * bundle.c - reads and writes load bundles (common/bundle.h). The reader believes nothing: every
 * count is bounded before memory is taken, every name is checked.
 */
#include "bundle.h"
#include "cbor.h"
#include "package.h"
#include "tfaas/abi.h"
#include <stdlib.h>

static tfaas_status_t refuse(const char **why, const char *text)
{
    *why = text;
    return TFAAS_BAD_REQUEST;
}

static tfaas_status_t too_large(const char **why, const char *text)
{
    *why = text;
    return TFAAS_TOO_LARGE;
}

/* What differs between the two lists of pairs. */
struct pair_kind {
    uint64_t key, max;
    bool is_secret;
    const char *missing, *not_array, *too_many, *not_pair, *bad_name, *bad_value, *twice;
};

static const struct pair_kind env_kind = {
    .key = 3,
    .max = BUNDLE_ENV_MAX,
    .is_secret = false,
    .missing = "load bundle: key 3 (environment) is missing or out of order",
    .not_array = "load bundle: environment is not a deterministic CBOR array",
    .too_many = "load bundle: too many environment variables",
    .not_pair = "load bundle: an environment variable is not an array of name and value",
    .bad_name = "load bundle: an environment variable has a bad name",
    .bad_value = "load bundle: an environment variable's value is not deterministic CBOR text",
    .twice = "load bundle: an environment variable is there twice",
};

static const struct pair_kind secret_kind = {
    .key = 4,
    .max = BUNDLE_SECRETS_MAX,
    .is_secret = true,
    .missing = "load bundle: key 4 (secrets) is missing or out of order",
    .not_array = "load bundle: secrets is not a deterministic CBOR array",
    .too_many = "load bundle: too many secrets",
    .not_pair = "load bundle: a secret is not an array of name and content",
    .bad_name = "load bundle: a secret has a bad name",
    .bad_value = "load bundle: a secret's content is not a deterministic CBOR byte string",
    .twice = "load bundle: a secret is there twice",
};

/* A secret's name is one path component; a variable's has no '='. */
static bool pair_name_ok(struct span name, bool is_secret)
{
    if (name.size == 0 || name.size > BUNDLE_NAME_MAX)
        return false;
    if (memchr(name.data, is_secret ? '/' : '=', name.size))
        return false;
    return is_secret ? package_path_ok(name) : cbor_text_ok(name);
}

/* Checks pairs[at] against the bounds and the pairs before it. */
static tfaas_status_t check_pair(const struct bundle_pair *pairs, size_t at,
                                 const struct pair_kind *kind, const char **why)
{
    if (!pair_name_ok(pairs[at].name, kind->is_secret))
        return refuse(why, kind->bad_name);
    for (size_t i = 0; i < at; i++)
        if (span_equal(pairs[i].name, pairs[at].name))
            return refuse(why, kind->twice);
    return TFAAS_OK;
}

static tfaas_status_t check_name(struct span name, const char **why)
{
    if (name.size == 0 || name.size > BUNDLE_NAME_MAX || !cbor_text_ok(name))
        return refuse(why, "load bundle: name is empty, too long or not text");
    return TFAAS_OK;
}

/* --- reading --- */

static tfaas_status_t read_pairs(struct cursor *c, const struct pair_kind *kind,
                                 struct bundle_pair **pairs, size_t *pair_count, const char **why)
{
    if (cbor_uint(c) != kind->key || c->failed)
        return refuse(why, kind->missing);
    uint64_t count = cbor_array(c);
    if (c->failed)
        return refuse(why, kind->not_array);
    if (count > kind->max)
        return too_large(why, kind->too_many);
    if (count == 0)
        return TFAAS_OK;
    *pairs = calloc((size_t)count, sizeof(**pairs));
    if (!*pairs) {
        *why = "load bundle: no memory";
        return TFAAS_NO_SPACE;
    }
    for (size_t i = 0; i < count; i++) {
        if (cbor_array(c) != 2 || c->failed)
            return refuse(why, kind->not_pair);
        (*pairs)[i].name = cbor_text(c);
        if (c->failed)
            return refuse(why, kind->bad_name);
        (*pairs)[i].value = kind->is_secret ? cbor_bytes(c) : cbor_text(c);
        if (c->failed)
            return refuse(why, kind->bad_value);
        tfaas_status_t status = check_pair(*pairs, i, kind, why);
        if (status != TFAAS_OK)
            return status;
        *pair_count = i + 1;
    }
    return TFAAS_OK;
}

static tfaas_status_t read_limits(struct cursor *c, struct bundle *bundle, const char **why)
{
    const struct {
        uint64_t *to;
        const char *why;
    } limits[] = {
        {&bundle->memory_limit, "load bundle: key 5 (memory limit) is missing or malformed"},
        {&bundle->deadline_ns, "load bundle: key 6 (default deadline) is missing or malformed"},
        {&bundle->response_limit, "load bundle: key 7 (response limit) is missing or malformed"},
        {&bundle->log_limit, "load bundle: key 8 (log limit) is missing or malformed"},
        {&bundle->hostcall_limit, "load bundle: key 9 (host calls) is missing or malformed"},
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (cbor_uint(c) != 5 + i || c->failed)
            return refuse(why, limits[i].why);
        *limits[i].to = cbor_uint(c);
        if (c->failed)
            return refuse(why, limits[i].why);
    }
    return TFAAS_OK;
}

static tfaas_status_t read_cache(struct cursor *c, struct bundle *bundle, const char **why)
{
    bundle->cache = cbor_bytes(c);
    if (c->failed || bundle->cache.size == 0)
        return refuse(why, "load bundle: compile cache is not a CBOR byte string, or empty");
    return TFAAS_OK;
}

static tfaas_status_t read_grants(struct cursor *c, struct bundle *bundle, const char **why)
{
    uint64_t count = cbor_array(c);
    if (c->failed || count == 0)
        return refuse(why, "load bundle: grants are not a CBOR array, or empty");
    if (count > BUNDLE_GRANTS_MAX)
        return too_large(why, "load bundle: too many grants");
    bundle->grants = calloc((size_t)count, sizeof(*bundle->grants));
    if (!bundle->grants) {
        *why = "load bundle: no memory";
        return TFAAS_NO_SPACE;
    }
    for (size_t i = 0; i < count; i++) {
        bundle->grants[i] = cbor_bytes(c);
        if (c->failed || bundle->grants[i].size != BUNDLE_GRANT_SIZE)
            return refuse(why, "load bundle: a grant is not a CBOR byte string of 80 bytes");
        bundle->grant_count = (size_t)i + 1;
    }
    return TFAAS_OK;
}

/* Keys 10 to 12, each or none, in order. */
static tfaas_status_t read_optional(struct cursor *c, struct bundle *bundle, uint64_t pairs,
                                    const char **why)
{
    uint64_t last = 9;
    tfaas_status_t status = TFAAS_OK;
    for (uint64_t i = 0; i < pairs && status == TFAAS_OK; i++) {
        uint64_t key = cbor_uint(c);
        if (c->failed || key <= last || key > 12)
            return refuse(why, "load bundle: a key after 9 is unknown or out of order");
        last = key;
        if (key == 10) {
            status = read_cache(c, bundle, why);
        } else if (key == 11) {
            bundle->encapsulated = cbor_bool(c);
            if (c->failed || !bundle->encapsulated)
                status = refuse(why, "load bundle: key 11 (encapsulated) is not true");
        } else {
            status = read_grants(c, bundle, why);
        }
    }
    return status;
}

static tfaas_status_t read_map(struct cursor *c, struct bundle *bundle, const char **why)
{
    uint64_t pairs = cbor_map(c);
    if (c->failed || pairs < 9 || pairs > 12)
        return refuse(why, "load bundle: not a deterministic CBOR map of 9 to 12 pairs");
    if (cbor_uint(c) != 1 || c->failed)
        return refuse(why, "load bundle: key 1 (package) is missing or out of order");
    bundle->package = cbor_bytes(c);
    if (c->failed)
        return refuse(why, "load bundle: package is not a deterministic CBOR byte string");
    if (bundle->package.size > PACKAGE_SIZE_MAX)
        return too_large(why, "load bundle: package is larger than 48 MiB");
    if (cbor_uint(c) != 2 || c->failed)
        return refuse(why, "load bundle: key 2 (name) is missing or out of order");
    bundle->name = cbor_text(c);
    if (c->failed)
        return refuse(why, "load bundle: name is not deterministic CBOR text");
    tfaas_status_t status = check_name(bundle->name, why);
    if (status == TFAAS_OK)
        status = read_pairs(c, &env_kind, &bundle->env, &bundle->env_count, why);
    if (status == TFAAS_OK)
        status = read_pairs(c, &secret_kind, &bundle->secrets, &bundle->secret_count, why);
    if (status == TFAAS_OK)
        status = read_limits(c, bundle, why);
    if (status == TFAAS_OK)
        status = read_optional(c, bundle, pairs - 9, why);
    if (status == TFAAS_OK && cursor_left(c) != 0)
        return refuse(why, "load bundle: bytes after the end");
    return status;
}

tfaas_status_t bundle_read(const uint8_t *data, size_t size, struct bundle *bundle,
                           const char **why)
{
    *bundle = (struct bundle){.env_count = 0};
    if (size > TFAAS_LOAD_MAX)
        return too_large(why, "load bundle: larger than 64 MiB");
    struct cursor c = cursor_of(data, size);
    tfaas_status_t status = read_map(&c, bundle, why);
    if (status != TFAAS_OK)
        bundle_free(bundle);
    return status;
}

void bundle_free(struct bundle *bundle)
{
    free(bundle->env);
    free(bundle->secrets);
    free(bundle->grants);
    *bundle = (struct bundle){.env_count = 0};
}

/* --- writing --- */

static tfaas_status_t check_pairs(const struct bundle_pair *pairs, size_t count,
                                  const struct pair_kind *kind, const char **why)
{
    if (count > kind->max)
        return too_large(why, kind->too_many);
    for (size_t i = 0; i < count; i++) {
        tfaas_status_t status = check_pair(pairs, i, kind, why);
        if (status != TFAAS_OK)
            return status;
        if (pairs[i].value.size > TFAAS_LOAD_MAX)
            return too_large(why, "load bundle: larger than 64 MiB");
        if (!kind->is_secret && !cbor_text_ok(pairs[i].value))
            return refuse(why, kind->bad_value);
    }
    return TFAAS_OK;
}

static void put_pairs(struct writer *w, const struct pair_kind *kind,
                      const struct bundle_pair *pairs, size_t count)
{
    cbor_put_uint(w, kind->key);
    cbor_put_array(w, count);
    for (size_t i = 0; i < count; i++) {
        cbor_put_array(w, 2);
        cbor_put_text(w, pairs[i].name.data, pairs[i].name.size);
        if (kind->is_secret)
            cbor_put_bytes(w, pairs[i].value.data, pairs[i].value.size);
        else
            cbor_put_text(w, pairs[i].value.data, pairs[i].value.size);
    }
}

static void put_bundle(struct writer *w, const struct bundle *bundle)
{
    cbor_put_map(w,
                 9u + (bundle->cache.size > 0) + bundle->encapsulated + (bundle->grant_count > 0));
    cbor_put_uint(w, 1);
    cbor_put_bytes(w, bundle->package.data, bundle->package.size);
    cbor_put_uint(w, 2);
    cbor_put_text(w, bundle->name.data, bundle->name.size);
    put_pairs(w, &env_kind, bundle->env, bundle->env_count);
    put_pairs(w, &secret_kind, bundle->secrets, bundle->secret_count);
    const uint64_t limits[] = {bundle->memory_limit, bundle->deadline_ns, bundle->response_limit,
                               bundle->log_limit, bundle->hostcall_limit};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        cbor_put_uint(w, 5 + i);
        cbor_put_uint(w, limits[i]);
    }
    if (bundle->cache.size > 0) {
        cbor_put_uint(w, 10);
        cbor_put_bytes(w, bundle->cache.data, bundle->cache.size);
    }
    if (bundle->encapsulated) {
        cbor_put_uint(w, 11);
        cbor_put_bool(w, true);
    }
    if (bundle->grant_count > 0) {
        cbor_put_uint(w, 12);
        cbor_put_array(w, bundle->grant_count);
        for (size_t i = 0; i < bundle->grant_count; i++)
            cbor_put_bytes(w, bundle->grants[i].data, bundle->grants[i].size);
    }
}

tfaas_status_t bundle_write(const struct bundle *bundle, uint8_t **out, size_t *out_size)
{
    *out = NULL;
    *out_size = 0;
    const char *why;
    if (bundle->package.size > PACKAGE_SIZE_MAX || bundle->cache.size > TFAAS_LOAD_MAX)
        return TFAAS_TOO_LARGE;
    tfaas_status_t status = check_name(bundle->name, &why);
    if (status == TFAAS_OK)
        status = check_pairs(bundle->env, bundle->env_count, &env_kind, &why);
    if (status == TFAAS_OK)
        status = check_pairs(bundle->secrets, bundle->secret_count, &secret_kind, &why);
    if (status == TFAAS_OK && bundle->grant_count > BUNDLE_GRANTS_MAX)
        status = TFAAS_TOO_LARGE;
    for (size_t i = 0; i < bundle->grant_count && status == TFAAS_OK; i++)
        if (bundle->grants[i].size != BUNDLE_GRANT_SIZE)
            status = TFAAS_BAD_REQUEST;
    if (status != TFAAS_OK)
        return status;
    struct writer measure = writer_of(NULL, 0);
    put_bundle(&measure, bundle);
    if (measure.at > TFAAS_LOAD_MAX)
        return TFAAS_TOO_LARGE;
    uint8_t *bytes = malloc(measure.at);
    if (!bytes)
        return TFAAS_NO_SPACE;
    struct writer w = writer_of(bytes, measure.at);
    put_bundle(&w, bundle);
    *out = bytes;
    *out_size = w.at;
    return TFAAS_OK;
}
