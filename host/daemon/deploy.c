/*
 * deploy.c - POST and PUT /system/functions: check the deployment, try it in a core of its own, and
 * only then keep it. Code that does not load, or hurts its core while it loads, never comes near
 * the core that serves; nothing is acknowledged before the store has it.
 */
#include "daemon.h"

#include "build.h"
#include "bundle.h"
#include "sample.h"
#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct deploy {
    struct daemon *daemon;
    struct call *call; /* NULL: the client is gone */
    bool create, running;
    struct function *candidate; /* not in the registry */
    struct core_link *link;
    TAILQ_ENTRY(deploy) entry;
};

/* --- checks --- */

static tfaas_status_t bad(struct tfaas_error *error, const char *field, const char *want)
{
    return error_set(error, TFAAS_BAD_REQUEST, "%s: %s", field, want);
}

/* Keeps `name` of `body` in `spec` when it has the wanted form. */
static tfaas_status_t take_text(json_t *spec, const json_t *body, const char *name, bool needed,
                                struct tfaas_error *error)
{
    json_t *value = json_object_get(body, name);
    if (!value || json_is_null(value))
        return needed ? bad(error, name, "is missing") : TFAAS_OK;
    if (!json_is_string(value))
        return bad(error, name, "a string is expected");
    if (needed && json_string_length(value) == 0)
        return bad(error, name, "must not be empty");
    return json_object_set(spec, name, value) == 0 ? TFAAS_OK
                                                   : error_set(error, TFAAS_NO_SPACE, "no memory");
}

static tfaas_status_t take_map(json_t *spec, const json_t *body, const char *name,
                               struct tfaas_error *error)
{
    json_t *value = json_object_get(body, name);
    if (!value || json_is_null(value))
        return TFAAS_OK;
    if (!api_string_map(value))
        return bad(error, name, "an object of strings is expected");
    return json_object_set(spec, name, value) == 0 ? TFAAS_OK
                                                   : error_set(error, TFAAS_NO_SPACE, "no memory");
}

static tfaas_status_t take_list(json_t *spec, const json_t *body, const char *name,
                                struct tfaas_error *error)
{
    json_t *value = json_object_get(body, name), *each;
    size_t index;
    if (!value || json_is_null(value))
        return TFAAS_OK;
    if (!json_is_array(value))
        return bad(error, name, "an array of strings is expected");
    json_array_foreach(value, index, each)
    {
        if (!json_is_string(each))
            return bad(error, name, "an array of strings is expected");
    }
    return json_object_set(spec, name, value) == 0 ? TFAAS_OK
                                                   : error_set(error, TFAAS_NO_SPACE, "no memory");
}

static tfaas_status_t take_fields(json_t *spec, const json_t *body, struct tfaas_error *error)
{
    static const char *const maps[] = {"envVars", "labels", "annotations", "limits", "requests"};
    static const char *const lists[] = {"constraints", "secrets"};
    tfaas_status_t status = take_text(spec, body, "service", true, error);
    if (status == TFAAS_OK)
        status = take_text(spec, body, "image", true, error);
    if (status == TFAAS_OK)
        status = take_text(spec, body, "envProcess", false, error);
    for (size_t i = 0; i < 5 && status == TFAAS_OK; i++)
        status = take_map(spec, body, maps[i], error);
    for (size_t i = 0; i < 2 && status == TFAAS_OK; i++)
        status = take_list(spec, body, lists[i], error);
    json_t *read_only = json_object_get(body, "readOnlyRootFilesystem");
    if (status == TFAAS_OK && json_is_boolean(read_only))
        (void)json_object_set(spec, "readOnlyRootFilesystem", read_only);
    else if (status == TFAAS_OK && read_only && !json_is_null(read_only))
        status = bad(error, "readOnlyRootFilesystem", "true or false is expected");
    const char *name = json_string_value(json_object_get(spec, "service"));
    if (status == TFAAS_OK && !store_function_name_ok(name))
        status =
            error_set(error, TFAAS_BAD_REQUEST,
                      "service: \"%.80s\" is not a name of a-z, 0-9 and '-', 63 at most", name);
    return status;
}

static tfaas_status_t check_env(const json_t *spec, struct tfaas_error *error)
{
    json_t *env = json_object_get(spec, "envVars"), *value;
    const char *name;
    size_t process = json_object_get(spec, "envProcess") ? 1 : 0;
    if (json_object_size(env) + process > BUNDLE_ENV_MAX)
        return error_set(error, TFAAS_BAD_REQUEST, "envVars: more than %u variables",
                         BUNDLE_ENV_MAX);
    json_object_foreach(env, name, value)
    {
        size_t size = strlen(name);
        bool good = size > 0 && size <= BUNDLE_NAME_MAX;
        for (size_t i = 0; i < size && good; i++)
            good = (unsigned char)name[i] > 0x20 && name[i] != 0x7f && name[i] != '=';
        if (!good)
            return error_set(error, TFAAS_BAD_REQUEST, "envVars: \"%.80s\" is not a name", name);
    }
    return TFAAS_OK;
}

static tfaas_status_t check_secrets(struct daemon *d, const json_t *spec, const char *ns,
                                    struct tfaas_error *error)
{
    json_t *list = json_object_get(spec, "secrets"), *each;
    size_t index;
    if (json_array_size(list) > BUNDLE_SECRETS_MAX)
        return error_set(error, TFAAS_BAD_REQUEST, "secrets: more than %u", BUNDLE_SECRETS_MAX);
    json_array_foreach(list, index, each)
    {
        const char *name = json_string_value(each);
        for (size_t i = 0; i < index; i++)
            if (strcmp(name, json_string_value(json_array_get(list, i))) == 0)
                return error_set(error, TFAAS_BAD_REQUEST, "secrets: \"%.80s\" is named twice",
                                 name);
        uint8_t *value = NULL;
        size_t size = 0;
        tfaas_status_t status = store_secret_name_ok(name)
                                    ? store_get_secret(d->store, name, ns, &value, &size, error)
                                    : TFAAS_NOT_FOUND;
        if (value)
            sodium_memzero(value, size);
        free(value);
        if (status == TFAAS_NOT_FOUND)
            return error_set(error, TFAAS_BAD_REQUEST, "unable to find secret: %.80s", name);
        if (status != TFAAS_OK)
            return status;
    }
    return TFAAS_OK;
}

static tfaas_status_t resolve(struct daemon *d, const char *image, uint8_t *digest,
                              struct tfaas_error *error)
{
    tfaas_status_t status = store_resolve_image(d->store, image, digest, error);
    if (status == TFAAS_NOT_FOUND && sample_image(image)) /* under some registry's name */
        status = store_resolve_image(d->store, SAMPLE_IMAGE, digest, error);
    if (status == TFAAS_NOT_FOUND) {
        char text[400] = "";
        build_explain_unknown_image(image, text, sizeof text);
        return error_set(error, TFAAS_BAD_REQUEST, "%s", text);
    }
    return status;
}

/* A sealed package is for one function of one domain; the core refuses it elsewhere, too late for a
 * clear answer. */
static tfaas_status_t check_sealed(struct daemon *d, const uint8_t *digest, const char *name,
                                   const char *ns, struct tfaas_error *error)
{
    struct sealed sealed;
    const char *why = "";
    uint8_t *bytes = NULL;
    size_t size = 0;
    tfaas_status_t status = store_get_package(d->store, digest, &bytes, &size, error);
    if (status == TFAAS_OK && sealed_is((struct span){bytes, size})) {
        status = sealed_read((struct span){bytes, size}, &sealed, &why);
        if (status != TFAAS_OK)
            (void)error_set(error, status, "%s", why);
        else if (!span_is(sealed.kind, "package") || !span_is(sealed.domain, ns) ||
                 !span_is(sealed.name, name))
            status = error_set(error, TFAAS_BAD_REQUEST,
                               "image: it is sealed as %.*s %.*s of namespace %.*s",
                               (int)sealed.kind.size, (const char *)sealed.kind.data,
                               (int)sealed.name.size, (const char *)sealed.name.data,
                               (int)sealed.domain.size, (const char *)sealed.domain.data);
    }
    free(bytes);
    return status;
}

/* --- the attempt --- */

struct core_link *deploy_link(const struct deploy *deploy)
{
    return deploy->link;
}

static void deploy_free(struct deploy *deploy)
{
    struct daemon *d = deploy->daemon;
    TAILQ_REMOVE(&d->deploys, deploy, entry);
    if (deploy->running)
        d->probing--;
    else
        d->probes_waiting--;
    if (deploy->link) {
        core_function_forget(deploy->link, &deploy->candidate->core, true);
        core_link_close(deploy->link);
    }
    if (deploy->call)
        deploy->call->job = NULL;
    if (deploy->candidate)
        function_unref(deploy->candidate);
    free(deploy);
}

static void on_client_gone(struct call *call)
{
    deploy_free(call->job);
}

static void keep(struct deploy *deploy)
{
    struct daemon *d = deploy->daemon;
    struct store_function *stored = &deploy->candidate->stored;
    struct tfaas_error error;
    struct function *old = registry_find2(d, stored->name, stored->ns);
    stored->replicas = deploy->candidate->min_replicas;
    stored->created_at = old ? old->stored.created_at : (int64_t)time(NULL);
    if (store_put_function(d->store, stored, deploy->create, &error) != TFAAS_OK) {
        call_fail(deploy->call, &error);
        return;
    }
    struct function *f = registry_put(d, stored);
    if (!f) {
        call_error(deploy->call, 507, "out of memory: the function is served after a restart");
        return;
    }
    /* Ahead of the first call; one that fails now is started, or named, by that call. */
    if (core_function_load(f->ns->link, NULL, &error) != TFAAS_OK)
        daemon_log("function %s: %s", f->key, error.text);
    daemon_log("function %s deployed, revision %llu", f->key,
               (unsigned long long)f->stored.revision);
    call_reply_empty(deploy->call, 202);
}

static void start_next(struct daemon *d);

/* The outcome of the core of its own. The text of a script's own error goes to its owner only. */
void deploy_loaded(struct deploy *deploy, tfaas_status_t status, const char *text)
{
    struct daemon *d = deploy->daemon;
    struct call *call = deploy->call;
    const char *name = deploy->candidate->stored.name;
    if (status == TFAAS_OK)
        keep(deploy);
    else if (status == TFAAS_CORE_LOST)
        call_error(call, 422, "function %s cannot be loaded: its core %.800s", name, text);
    else if (status == TFAAS_NOT_GRANTED)
        call_error(call, 403, "function %s cannot be loaded: %.800s", name, text);
    else if (status == TFAAS_UNAVAILABLE || status == TFAAS_NO_SPACE || status == TFAAS_BUSY)
        call_error(call, 503, "function %s cannot be tried now: %.800s", name, text);
    else
        call_error(call, 422, "function %s cannot be loaded: %s%s%.800s", name,
                   tfaas_status_text(status), *text ? ": " : "", text);
    deploy_free(deploy);
    start_next(d);
}

static void start_next(struct daemon *d)
{
    struct deploy *deploy, *next;
    for (deploy = TAILQ_FIRST(&d->deploys); deploy && d->probing < PROBES_MAX; deploy = next) {
        struct tfaas_error error;
        next = TAILQ_NEXT(deploy, entry);
        if (deploy->running)
            continue;
        deploy->running = true;
        d->probing++;
        d->probes_waiting--;
        const struct namespace *ns = registry_namespace(d, deploy->candidate->stored.ns);
        deploy->link = ns ? core_link_open(&ns->tended->hub, ns->name) : NULL;
        tfaas_status_t status =
            deploy->link ? core_function_load(deploy->link, &deploy->candidate->core, &error)
                         : error_set(&error, TFAAS_NO_SPACE, "%s",
                                     ns ? "out of memory" : "its namespace was deleted");
        if (status == TFAAS_BAD_REQUEST || status == TFAAS_TOO_LARGE) {
            /* The deployment itself: trying again changes nothing. */
            call_fail(deploy->call, &error);
            deploy_free(deploy);
            start_next(d);
            return;
        }
        if (status != TFAAS_OK) {
            deploy_loaded(deploy, TFAAS_UNAVAILABLE, error.text);
            return;
        }
    }
}

/* A function that is in no registry: it only carries what a link needs to load it. */
static struct function *make_candidate(struct daemon *d, const char *ns, json_t *spec,
                                       const uint8_t *digest, struct tfaas_error *error)
{
    struct function_settings s;
    if (function_settings_of(&d->config, spec, &s, error) != TFAAS_OK)
        return NULL;
    struct function *f = calloc(1, sizeof *f);
    char *name = strdup(json_string_value(json_object_get(spec, "service")));
    char *own_ns = strdup(ns);
    if (!f || !name || !own_ns) {
        free(f);
        free(name);
        free(own_ns);
        (void)error_set(error, TFAAS_NO_SPACE, "out of memory");
        return NULL;
    }
    f->daemon = d;
    f->refs = 1;
    f->stored = (struct store_function){.name = name, .ns = own_ns, .spec = json_incref(spec)};
    memcpy(f->stored.digest, digest, sizeof f->stored.digest);
    (void)snprintf(f->key, sizeof f->key, "%s.%s", name, ns);
    function_log_init(&f->log);
    f->deadline_ns = s.deadline_ns;
    f->memory_limit = s.memory_limit;
    f->min_replicas = s.min_replicas;
    f->encapsulated = s.encapsulated;
    f->core.wants_cache = true;
    return f;
}

static tfaas_status_t begin(struct call *call, json_t *spec, const char *ns, bool create,
                            struct tfaas_error *error)
{
    struct daemon *d = call->daemon;
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    const char *name = json_string_value(json_object_get(spec, "service"));
    tfaas_status_t status = check_env(spec, error);
    if (status != TFAAS_OK)
        return status;
    bool exists = registry_find2(d, name, ns) != NULL;
    if (create && exists)
        return error_set(error, TFAAS_CONFLICT, "function %s exists already in namespace %s", name,
                         ns);
    if (!create && !exists)
        return error_set(error, TFAAS_NOT_FOUND, "function not found: %s in namespace %s", name,
                         ns);
    status = resolve(d, json_string_value(json_object_get(spec, "image")), digest, error);
    if (status == TFAAS_OK)
        status = check_secrets(d, spec, ns, error);
    if (status == TFAAS_OK)
        status = check_sealed(d, digest, name, ns, error);
    if (status != TFAAS_OK)
        return status;
    if (d->probes_waiting >= PROBES_WAITING)
        return error_set(error, TFAAS_BUSY, "%u deployments are waiting already",
                         d->probes_waiting);
    struct deploy *deploy = calloc(1, sizeof *deploy);
    struct function *candidate = make_candidate(d, ns, spec, digest, error);
    if (!deploy || !candidate) {
        free(deploy);
        if (candidate)
            function_unref(candidate);
        return candidate ? error_set(error, TFAAS_NO_SPACE, "out of memory") : error->status;
    }
    candidate->deploy = deploy;
    *deploy = (struct deploy){.daemon = d, .call = call, .create = create, .candidate = candidate};
    call->job = deploy;
    call->job_cancel = on_client_gone;
    TAILQ_INSERT_TAIL(&d->deploys, deploy, entry);
    d->probes_waiting++;
    start_next(d);
    return TFAAS_OK;
}

static void api_deploy(struct call *call, bool create)
{
    struct tfaas_error error;
    char ns[64];
    json_t *body = api_json(call);
    if (!body)
        return;
    json_t *spec = json_object();
    tfaas_status_t status = take_fields(spec, body, &error);
    if (status == TFAAS_OK && !api_namespace(call, body, ns)) {
        json_decref(spec);
        json_decref(body);
        return;
    }
    if (status == TFAAS_OK && !registry_namespace(call->daemon, ns))
        status = error_set(&error, TFAAS_BAD_REQUEST, "namespace not found: %s", ns);
    if (status == TFAAS_OK)
        (void)json_object_set_new(spec, "namespace", json_string(ns));
    if (status == TFAAS_OK)
        status = begin(call, spec, ns, create, &error);
    if (status != TFAAS_OK)
        call_fail(call, &error);
    json_decref(spec);
    json_decref(body);
}

void api_deploy_create(struct call *call)
{
    api_deploy(call, true);
}

void api_deploy_update(struct call *call)
{
    api_deploy(call, false);
}
