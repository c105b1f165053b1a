/*
 * registry.c - functions and namespaces in memory, as the store has them. The store is written
 * first, always: what is here is what was acknowledged.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024u

/* FNV-1a. Only names that the operator deployed are ever inserted. */
static uint32_t hash_of(const char *key, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)key[i]) * 16777619u;
    return hash;
}

struct function *registry_find(struct daemon *d, const char *key, size_t size)
{
    uint32_t hash = hash_of(key, size);
    struct function *f = d->registry.buckets[hash % d->registry.bucket_count];
    for (; f; f = f->next_in_bucket)
        if (f->key_hash == hash && strlen(f->key) == size && memcmp(f->key, key, size) == 0)
            return f;
    return NULL;
}

struct function *registry_find2(struct daemon *d, const char *name, const char *ns)
{
    char key[256];
    int size = snprintf(key, sizeof key, "%s.%s", name, ns);
    return size > 0 && (size_t)size < sizeof key ? registry_find(d, key, (size_t)size) : NULL;
}

struct namespace *registry_namespace(struct daemon *d, const char *name)
{
    struct namespace *ns;
    TAILQ_FOREACH(ns, &d->registry.namespaces, entry)
    {
        if (strcmp(ns->name, name) == 0)
            return ns;
    }
    return NULL;
}

struct namespace *registry_add_namespace(struct daemon *d, const char *name, struct tended *tended)
{
    struct namespace *ns = calloc(1, sizeof *ns);
    if (!ns)
        return NULL;
    (void)snprintf(ns->name, sizeof ns->name, "%s", name);
    ns->tended = tended;
    ns->link = core_link_open(&tended->hub, name);
    if (!ns->link) {
        free(ns);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&d->registry.namespaces, ns, entry);
    return ns;
}

void registry_drop_namespace(struct daemon *d, struct namespace *ns)
{
    TAILQ_REMOVE(&d->registry.namespaces, ns, entry);
    core_link_close(ns->link);
    free(ns);
}

tfaas_status_t registry_tend(struct daemon *d, struct namespace *ns, struct tended *tended,
                             struct tfaas_error *error)
{
    struct core_link *old = ns->link;
    if (ns->tended == tended)
        return TFAAS_OK;
    struct core_link *link = core_link_open(&tended->hub, ns->name);
    if (!link)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    struct function *f;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    {
        if (f->ns == ns)
            core_function_forget(old, &f->core, false);
    }
    core_link_retire(old, link);
    if (ns->tended->keeper) /* no new call finds its lease */
        keeper_link_down(ns->tended->keeper, old);
    daemon_log("namespace %s: its tender was %s and is %s now", ns->name, ns->tended->ops->name,
               tended->ops->name);
    ns->tended = tended;
    ns->link = link;
    struct tfaas_error ignored; /* one that does not start now is started, or named, by a call */
    if (ns->function_count)
        (void)!core_function_load(link, NULL, &ignored);
    return TFAAS_OK;
}

/* --- functions --- */

static bool grow(struct registry *r)
{
    uint32_t count = r->bucket_count ? r->bucket_count * 2 : BUCKETS_MIN;
    struct function **buckets = calloc(count, sizeof *buckets);
    if (!buckets)
        return r->bucket_count != 0; /* a full table is slow, not wrong */
    struct function *f;
    TAILQ_FOREACH(f, &r->functions, entry)
    {
        f->next_in_bucket = buckets[f->key_hash % count];
        buckets[f->key_hash % count] = f;
    }
    free(r->buckets);
    r->buckets = buckets;
    r->bucket_count = count;
    return true;
}

static struct function *function_make(struct daemon *d, const struct store_function *stored)
{
    struct namespace *ns = registry_namespace(d, stored->ns);
    struct function *f = ns ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return NULL;
    f->daemon = d;
    f->ns = ns;
    f->refs = 1;
    f->deployed = true;
    int size = snprintf(f->key, sizeof f->key, "%s.%s", stored->name, stored->ns);
    f->key_hash = hash_of(f->key, (size_t)size);
    function_log_init(&f->log);
    struct registry *r = &d->registry;
    if (r->function_count >= r->bucket_count)
        (void)grow(r);
    f->next_in_bucket = r->buckets[f->key_hash % r->bucket_count];
    r->buckets[f->key_hash % r->bucket_count] = f;
    TAILQ_INSERT_TAIL(&r->functions, f, entry);
    r->function_count++;
    ns->function_count++;
    return f;
}

struct function *registry_put(struct daemon *d, struct store_function *stored)
{
    struct function *f = registry_find2(d, stored->name, stored->ns);
    struct function_settings s;
    struct tfaas_error error;
    if (!f)
        f = function_make(d, stored);
    else
        core_function_forget(f->ns->link, &f->core, false);
    if (!f)
        return NULL;
    store_function_free(&f->stored);
    f->stored = *stored;
    memset(stored, 0, sizeof *stored);
    /* Checked at deploy; a state folder of another version may hold what is refused today. */
    if (function_settings_of(&d->config, f->stored.spec, &s, &error) != TFAAS_OK) {
        daemon_log("function %s: %s; defaults are used", f->key, error.text);
        json_t *none = json_object();
        if (function_settings_of(&d->config, none, &s, &error) != TFAAS_OK)
            abort(); /* the defaults are within their own bounds */
        json_decref(none);
    }
    f->deadline_ns = s.deadline_ns;
    f->memory_limit = s.memory_limit;
    f->min_replicas = s.min_replicas;
    f->max_replicas = s.max_replicas;
    f->factor = s.factor;
    f->encapsulated = s.encapsulated;
    f->scale.raised = 0;
    return f;
}

void function_ref(struct function *f)
{
    f->refs++;
}

void function_unref(struct function *f)
{
    if (--f->refs)
        return;
    function_bundle_cancel(f);
    function_log_clear(&f->daemon->logs, &f->log);
    function_metrics_free(&f->metrics);
    store_function_free(&f->stored);
    free(f);
}

void registry_delete(struct function *f)
{
    struct registry *r = &f->daemon->registry;
    struct function **at = &r->buckets[f->key_hash % r->bucket_count];
    while (*at != f)
        at = &(*at)->next_in_bucket;
    *at = f->next_in_bucket;
    TAILQ_REMOVE(&r->functions, f, entry);
    r->function_count--;
    f->ns->function_count--;
    f->deployed = false;
    core_function_forget(f->ns->link, &f->core, true);
    function_log_clear(&f->daemon->logs, &f->log);
    f->ns = NULL;
    function_unref(f);
}

/* A function scaled to zero is served like any other; the call makes it count as running again. */
void function_wake(struct function *f)
{
    struct tfaas_error error;
    if (f->stored.replicas != 0)
        return;
    if (store_scale_function(f->daemon->store, f->stored.name, f->stored.ns, f->min_replicas,
                             &error) != TFAAS_OK)
        daemon_log("function %s: %s", f->key, error.text);
    f->stored.replicas = f->min_replicas;
}

static bool uses_secret(const struct function *f, const char *name)
{
    size_t index;
    json_t *each;
    json_array_foreach(json_object_get(f->stored.spec, "secrets"), index, each)
    {
        const char *text = json_string_value(each);
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

void registry_secret_changed(struct daemon *d, const char *name, const char *ns)
{
    struct function *f;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    {
        if (strcmp(f->stored.ns, ns) == 0 && uses_secret(f, name))
            core_function_forget(f->ns->link, &f->core, false);
    }
}

static void take_function(void *env, struct store_function *stored)
{
    struct daemon *d = env;
    if (!registry_namespace(d, stored->ns) && !registry_add_namespace(d, stored->ns, d->standard)) {
        store_function_free(stored);
        return;
    }
    if (!registry_put(d, stored))
        daemon_log("out of memory: function %s is not served", stored->name);
}

/* One whose tender cannot be used here is there all the same: its calls say why they fail. */
static bool take_namespace(struct daemon *d, const json_t *item)
{
    struct tfaas_error error;
    const char *name = json_string_value(json_object_get(item, "name"));
    struct tended *t = tended_wanted(d, json_object_get(item, "annotations"), &error);
    if (name && t && tended_start(t, &error) != TFAAS_OK)
        daemon_log("namespace %s is not served: %s", name, error.text);
    if (name && !t) {
        daemon_log("namespace %s is not served: %s", name, error.text);
        t = d->unknown;
    }
    return name && registry_add_namespace(d, name, t);
}

bool registry_open(struct daemon *d, struct tfaas_error *error)
{
    struct registry *r = &d->registry;
    TAILQ_INIT(&r->functions);
    TAILQ_INIT(&r->namespaces);
    json_t *list = NULL;
    if (!grow(r)) {
        (void)error_set(error, TFAAS_NO_SPACE, "out of memory");
        return false;
    }
    if (store_list_namespaces(d->store, &list, error) != TFAAS_OK)
        return false;
    size_t index;
    json_t *each;
    bool good = true;
    json_array_foreach(list, index, each)
    {
        good &= take_namespace(d, each);
    }
    json_decref(list);
    if (!good) {
        (void)error_set(error, TFAAS_NO_SPACE, "cannot take over the namespaces");
        return false;
    }
    return store_each_function(d->store, take_function, d, error) == TFAAS_OK;
}

void registry_warm(struct daemon *d)
{
    struct namespace *ns;
    struct tfaas_error error;
    uint32_t started = 0;
    TAILQ_FOREACH(ns, &d->registry.namespaces, entry)
    {
        /* One that does not start now is started, or named, by the first call. */
        if (ns->function_count && started < CORES_AT_START)
            started += core_function_load(ns->link, NULL, &error) == TFAAS_OK;
    }
}

void registry_close(struct daemon *d)
{
    struct registry *r = &d->registry;
    struct function *f;
    while ((f = TAILQ_FIRST(&r->functions)))
        registry_delete(f);
    struct namespace *ns;
    while ((ns = TAILQ_FIRST(&r->namespaces)))
        registry_drop_namespace(d, ns);
    free(r->buckets);
    r->buckets = NULL;
}

/* --- settings --- */

static const char *text_of(const json_t *spec, const char *map, const char *key)
{
    return json_string_value(json_object_get(json_object_get(spec, map), key));
}

static tfaas_status_t count_label(const json_t *spec, const char *key, uint64_t low, uint64_t high,
                                  uint64_t *value, struct tfaas_error *error)
{
    const char *text = text_of(spec, "labels", key);
    char *end = NULL;
    if (!text || !*text)
        return TFAAS_OK;
    unsigned long long n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || n < low || n > high)
        return error_set(error, TFAAS_BAD_REQUEST,
                         "label %s: \"%.64s\" is not a number from %llu to %llu", key, text,
                         (unsigned long long)low, (unsigned long long)high);
    *value = n;
    return TFAAS_OK;
}

/* A label or an annotation: whichever the client's tool can set. */
static tfaas_status_t encapsulation(const json_t *spec, bool *required, struct tfaas_error *error)
{
    static const char *const maps[] = {"labels", "annotations"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = text_of(spec, maps[i], "com.tfaas.encapsulation");
        if (!text || !*text)
            continue;
        *required |= strcmp(text, "required") == 0;
        if (strcmp(text, "required") != 0 && strcmp(text, "optional") != 0)
            return error_set(error, TFAAS_BAD_REQUEST,
                             "%s com.tfaas.encapsulation: \"%.64s\" is not required or optional",
                             maps[i], text);
    }
    return TFAAS_OK;
}

static tfaas_status_t time_limit(const json_t *spec, uint64_t *ns, struct tfaas_error *error)
{
    static const struct {
        const char *map, *key;
    } places[] = {{"envVars", "exec_timeout"}, {"annotations", "com.tfaas.timeout"}};
    for (size_t i = 0; i < 2; i++) {
        const char *text = text_of(spec, places[i].map, places[i].key);
        if (!text || !*text)
            continue;
        if (!config_duration(text, ns) || *ns < FUNCTION_TIMEOUT_MIN_NS ||
            *ns > FUNCTION_TIMEOUT_MAX_NS)
            return error_set(error, TFAAS_BAD_REQUEST,
                             "%s %s: \"%.64s\" is not a duration from 1ms to 1h", places[i].map,
                             places[i].key, text);
    }
    return TFAAS_OK;
}

tfaas_status_t function_settings_of(const struct config *config, const json_t *spec,
                                    struct function_settings *s, struct tfaas_error *error)
{
    *s = (struct function_settings){.deadline_ns = config->exec_timeout_ns,
                                    .memory_limit = FUNCTION_MEMORY_DEFAULT,
                                    .min_replicas = 1,
                                    .max_replicas = 5,
                                    .factor = 10};
    const char *memory = text_of(spec, "limits", "memory");
    if (memory && *memory &&
        (!config_quantity(memory, &s->memory_limit) || s->memory_limit < FUNCTION_MEMORY_MIN ||
         s->memory_limit > FUNCTION_MEMORY_MAX))
        return error_set(error, TFAAS_BAD_REQUEST,
                         "limits.memory: \"%.64s\" is not a quantity from 1Mi to 1Gi", memory);
    tfaas_status_t status = time_limit(spec, &s->deadline_ns, error);
    if (status == TFAAS_OK)
        status = count_label(spec, "com.openfaas.scale.min", 1, 1000, &s->min_replicas, error);
    if (status == TFAAS_OK && s->max_replicas < s->min_replicas)
        s->max_replicas = s->min_replicas;
    if (status == TFAAS_OK)
        status = count_label(spec, "com.openfaas.scale.max", s->min_replicas, 1000,
                             &s->max_replicas, error);
    if (status == TFAAS_OK)
        status = count_label(spec, "com.openfaas.scale.factor", 0, 100, &s->factor, error);
    if (status == TFAAS_OK)
        status = encapsulation(spec, &s->encapsulated, error);
    return status;
}
