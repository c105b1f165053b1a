/*
 * function_bundle.c - the load bundle of a function: its package, environment, secrets, limits. A
 * sealed package or secret goes along with a grant, which the keeper gives for the core that is to
 * load it; the bundle then comes later. What is sealed stays sealed here.
 */
#include "daemon.h"

#include "bundle.h"
#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(BUNDLE_GRANT_SIZE == SEALED_GRANT_SIZE, "one form of grants");

static size_t fill_env(const json_t *spec, struct bundle_pair *env)
{
    size_t count = 0;
    const char *process = json_string_value(json_object_get(spec, "envProcess"));
    if (process && *process)
        env[count++] = (struct bundle_pair){span_of_text("fprocess"), span_of_text(process)};
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(spec, "envVars"), key, value)
    {
        if (count >= BUNDLE_ENV_MAX || !json_is_string(value))
            continue; /* refused at deploy */
        if (count && strcmp(key, "fprocess") == 0)
            continue;
        env[count++] = (struct bundle_pair){
            span_of_text(key),
            {(const uint8_t *)json_string_value(value), json_string_length(value)}};
    }
    return count;
}

static tfaas_status_t fill_secrets(struct daemon *d, const struct store_function *stored,
                                   struct bundle *bundle, struct tfaas_error *error)
{
    size_t index;
    json_t *each;
    json_array_foreach(json_object_get(stored->spec, "secrets"), index, each)
    {
        const char *name = json_string_value(each);
        uint8_t *value;
        size_t size;
        if (!name || bundle->secret_count >= BUNDLE_SECRETS_MAX)
            continue; /* refused at deploy */
        tfaas_status_t status = store_get_secret(d->store, name, stored->ns, &value, &size, error);
        if (status == TFAAS_NOT_FOUND)
            return error_set(error, TFAAS_BAD_REQUEST, "unable to find secret: %s", name);
        if (status != TFAAS_OK)
            return status;
        bundle->secrets[bundle->secret_count++] =
            (struct bundle_pair){span_of_text(name), {value, size}};
    }
    return TFAAS_OK;
}

static void bundle_error(const struct bundle *bundle, tfaas_status_t status,
                         struct tfaas_error *error)
{
    size_t size = bundle->package.size;
    for (size_t i = 0; i < bundle->env_count; i++)
        size += bundle->env[i].name.size + bundle->env[i].value.size;
    for (size_t i = 0; i < bundle->secret_count; i++)
        size += bundle->secrets[i].name.size + bundle->secrets[i].value.size;
    if (status == TFAAS_TOO_LARGE)
        (void)error_set(error, status,
                        "package, environment and secrets together are %zu bytes, the bound is %u",
                        size, TFAAS_LOAD_MAX);
    else
        (void)error_set(error, status, "cannot make the load bundle: %s",
                        tfaas_status_text(status));
}

/* What a bundle is made of, and owns; its spans point into it. */
struct parts {
    struct bundle bundle;
    uint8_t *package, *cache;
};

static void parts_free(struct parts *p)
{
    struct bundle *bundle = &p->bundle;
    for (size_t i = 0; i < bundle->secret_count; i++) {
        union {
            const uint8_t *read;
            uint8_t *own;
        } value = {.read = bundle->secrets[i].value.data};
        sodium_memzero(value.own, bundle->secrets[i].value.size);
        free(value.own);
    }
    free(bundle->env);
    free(bundle->secrets);
    free(bundle->grants);
    free(p->package);
    free(p->cache);
}

static tfaas_status_t parts_read(const struct function *f, struct parts *p,
                                 struct tfaas_error *error)
{
    const struct store_function *stored = &f->stored;
    struct store *store = f->daemon->store;
    size_t size = 0;
    *p = (struct parts){.bundle = {.name = span_of_text(stored->name),
                                   .memory_limit = f->memory_limit,
                                   .deadline_ns = f->deadline_ns,
                                   .response_limit = FUNCTION_RESPONSE_MAX,
                                   .log_limit = FUNCTION_LOG_MAX,
                                   .hostcall_limit = FUNCTION_HOSTCALL_MAX,
                                   .encapsulated = f->encapsulated}};
    struct bundle *bundle = &p->bundle;
    bundle->env = calloc(BUNDLE_ENV_MAX + 1, sizeof *bundle->env);
    bundle->secrets = calloc(BUNDLE_SECRETS_MAX, sizeof *bundle->secrets);
    tfaas_status_t status = bundle->env && bundle->secrets
                                ? TFAAS_OK
                                : error_set(error, TFAAS_NO_SPACE, "out of memory");
    if (status == TFAAS_OK)
        status = store_get_package(store, stored->digest, &p->package, &size, error);
    bundle->package = (struct span){p->package, size};
    if (status == TFAAS_OK)
        status = fill_secrets(f->daemon, stored, bundle, error);
    if (status != TFAAS_OK)
        return status;
    bundle->env_count = fill_env(stored->spec, bundle->env);
    if (store_get_cache(store, stored->ns, stored->digest, &p->cache, &size))
        bundle->cache = (struct span){p->cache, size};
    return TFAAS_OK;
}

static tfaas_status_t parts_write(struct parts *p, uint8_t **bytes, size_t *size,
                                  struct tfaas_error *error)
{
    tfaas_status_t status = bundle_write(&p->bundle, bytes, size);
    if (status == TFAAS_TOO_LARGE && p->cache) { /* the core compiles instead */
        p->bundle.cache = (struct span){NULL, 0};
        status = bundle_write(&p->bundle, bytes, size);
    }
    if (status != TFAAS_OK)
        bundle_error(&p->bundle, status, error);
    return status;
}

/* --- grants --- */

struct function_grants {
    struct keeper_grants asked;
    struct function *function;
    size_t count;
    struct span headers[BUNDLE_GRANTS_MAX];
    uint8_t *bytes; /* what they point into */
};

static void grants_free(struct function_grants *g)
{
    free(g->bytes);
    free(g);
}

void function_bundle_cancel(struct function *f)
{
    struct function_grants *g = f->grants;
    f->grants = NULL;
    if (!g)
        return;
    keeper_grant_cancel(&g->asked);
    grants_free(g);
}

/* The header of `item` when it is sealed. */
static tfaas_status_t add_header(struct function_grants *g, struct span item, size_t *used,
                                 struct tfaas_error *error)
{
    struct sealed sealed;
    const char *why = "";
    if (!sealed_is(item))
        return TFAAS_OK;
    if (sealed_read(item, &sealed, &why) != TFAAS_OK)
        return error_set(error, TFAAS_BAD_PACKAGE, "%s", why);
    uint8_t *bytes = realloc(g->bytes, *used + SEALED_HEADER_MAX);
    if (!bytes)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    g->bytes = bytes;
    size_t size = sealed_header(&sealed, bytes + *used);
    g->headers[g->count++] = (struct span){NULL, size};
    *used += size;
    return TFAAS_OK;
}

static tfaas_status_t collect(struct function_grants *g, const struct parts *p,
                              struct tfaas_error *error)
{
    size_t used = 0;
    tfaas_status_t status = add_header(g, p->bundle.package, &used, error);
    for (size_t i = 0; i < p->bundle.secret_count && status == TFAAS_OK; i++)
        status = add_header(g, p->bundle.secrets[i].value, &used, error);
    const uint8_t *at = g->bytes; /* it stays now */
    for (size_t i = 0; i < g->count; i++) {
        g->headers[i].data = at;
        at += g->headers[i].size;
    }
    return status;
}

static void explain(const struct function_grants *g, tfaas_status_t status, size_t which,
                    const char *text, struct tfaas_error *error)
{
    struct sealed sealed;
    const char *why;
    if (which < g->count && sealed_read_header(g->headers[which], &sealed, &why) == TFAAS_OK &&
        status == TFAAS_NOT_GRANTED)
        (void)error_set(error, status,
                        "the sealed %.*s %.*s must be sealed and provisioned again: this keeper "
                        "does not have the key it is sealed to",
                        (int)sealed.kind.size, (const char *)sealed.kind.data,
                        (int)(sealed.name.size < 100 ? sealed.name.size : 100),
                        (const char *)sealed.name.data);
    else
        (void)error_set(error, status, "no grant for what is sealed: %s", text);
}

/* The package and secrets are read again: a change of either would have cancelled this. */
static void on_grants(struct keeper_grants *asked, tfaas_status_t status, const uint8_t *bytes,
                      size_t which, const char *text)
{
    struct function_grants *g = (struct function_grants *)(void *)asked;
    struct function *f = g->function;
    struct tfaas_error error = {.text = ""};
    struct parts parts;
    uint8_t *out = NULL;
    size_t size = 0;
    f->grants = NULL;
    if (status == TFAAS_OK) {
        status = parts_read(f, &parts, &error);
        parts.bundle.grants = calloc(g->count, sizeof *parts.bundle.grants);
        if (status == TFAAS_OK && !parts.bundle.grants)
            status = error_set(&error, TFAAS_NO_SPACE, "out of memory");
        for (size_t i = 0; i < g->count && status == TFAAS_OK; i++)
            parts.bundle.grants[parts.bundle.grant_count++] =
                (struct span){bytes + i * SEALED_GRANT_SIZE, SEALED_GRANT_SIZE};
        if (status == TFAAS_OK)
            status = parts_write(&parts, &out, &size, &error);
        parts_free(&parts);
    } else {
        explain(g, status, which, text, &error);
    }
    grants_free(g);
    if (status != TFAAS_OK)
        daemon_log("function %s: %s", f->key, error.text);
    core_bundle_ready(&f->core, status, out, size, error.text);
}

static tfaas_status_t ask_grants(struct function *f, struct function_grants *g,
                                 struct tfaas_error *error)
{
    struct core_link *link = f->deploy ? deploy_link(f->deploy) : f->ns->link;
    struct keeper *keeper = tended_of(core_link_hub(link))->keeper;
    if (!keeper)
        return error_set(error, TFAAS_UNAVAILABLE,
                         "what is sealed needs a keeper, and evidence = none");
    g->asked.done = on_grants;
    g->function = f;
    if (keeper_grant(keeper, link, g->headers, g->count, &g->asked) != TFAAS_OK)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    f->grants = g;
    return TFAAS_OK;
}

tfaas_status_t function_bundle(struct function *f, uint8_t **bytes, size_t *size,
                               struct tfaas_error *error)
{
    struct parts parts;
    struct function_grants *g = calloc(1, sizeof *g);
    *bytes = NULL;
    *size = 0;
    function_bundle_cancel(f);
    tfaas_status_t status = parts_read(f, &parts, error);
    if (status == TFAAS_OK && !g)
        status = error_set(error, TFAAS_NO_SPACE, "out of memory");
    if (status == TFAAS_OK)
        status = collect(g, &parts, error);
    if (status == TFAAS_OK)
        status = g->count ? ask_grants(f, g, error) : parts_write(&parts, bytes, size, error);
    parts_free(&parts);
    if (g && f->grants != g)
        grants_free(g);
    return status;
}
