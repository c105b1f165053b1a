/*
 * tended.c - the tenders of this daemon. Each that is in use has a zygote, cores and keepers of its
 * own: a keeper gives keys and leases to cores of its own measurement and report root only, so one
 * wall's keys never come to a core behind another. A namespace whose tender cannot be used is not
 * served; it must never be served by another one.
 */
#include "daemon.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct tended *tended_of(struct core_hub *hub)
{
    return (struct tended *)(void *)((char *)hub - offsetof(struct tended, hub));
}

/* NULL: there is none. */
static struct tended *find(struct daemon *d, const char *name)
{
    for (size_t i = 0; i < d->tended_count; i++)
        if (strcmp(d->tended[i].ops->name, name) == 0)
            return &d->tended[i];
    return NULL;
}

struct tended *tended_wanted(struct daemon *d, const json_t *annotations, struct tfaas_error *error)
{
    const char *name = json_string_value(json_object_get(annotations, TENDER_ANNOTATION));
    if (!name || !*name)
        return d->standard;
    struct tended *t = find(d, name);
    if (!t)
        (void)error_set(error, TFAAS_BAD_REQUEST,
                        "annotations " TENDER_ANNOTATION ": \"%.64s\" is no tender of this tfaasd",
                        name);
    return t;
}

static void set_why(struct tended *t, const char *text)
{
    (void)snprintf(t->why, sizeof t->why, "%s", text);
    t->hub.unavailable = t->why;
}

/* By name; "": the first; "auto": from the end of the list the first that works here. */
static struct tended *choose(struct daemon *d, const char *name)
{
    char why[1000];
    if (name[0] == 0)
        return &d->tended[0];
    if (strcmp(name, "auto") != 0)
        return find(d, name);
    size_t i = d->tended_count - 1;
    while (i > 0 && !d->tended[i].ops->probe(why, sizeof why))
        i--;
    return &d->tended[i];
}

static struct tended *add(struct daemon *d, const struct tender_ops *ops,
                          const struct core_owner *owner)
{
    struct tended *t = &d->tended[d->tended_count++];
    *t = (struct tended){.daemon = d, .ops = ops};
    core_hub_init(&t->hub, ops, NULL, &d->loop, owner);
    t->hub.function_idle_ns = d->config.idle_timeout_ns;
    t->hub.queue_max = (uint32_t)d->config.queue_max;
    set_why(t, "");
    return t;
}

tfaas_status_t tended_init(struct daemon *d, const struct tender_ops *const *tenders,
                           const struct core_owner *owner, struct tfaas_error *error)
{
    static const struct tender_ops none = {.name = ""};
    for (d->tended_count = 0; tenders[d->tended_count] && d->tended_count < TENDERS_MAX - 1;)
        add(d, tenders[d->tended_count], owner);
    d->standard = choose(d, d->config.tender);
    d->unknown = add(d, &none, owner);
    set_why(d->unknown,
            "the namespace's annotation " TENDER_ANNOTATION " names no tender of this tfaasd");
    return d->standard ? TFAAS_OK
                       : error_set(error, TFAAS_BAD_REQUEST, "--tender: unknown tender \"%s\"",
                                   d->config.tender);
}

/* --- start --- */

static tfaas_status_t start_tender(struct tended *t, struct tfaas_error *error)
{
    const struct config *c = &t->daemon->config;
    const struct tender_options options = {.core_path = c->core_path,
                                           .allow_weaker_sandbox = c->allow_weaker_sandbox,
                                           .worker_memory_max = c->worker_memory_max};
    char why[1000] = "";
    if (!t->ops->probe(why, sizeof why)) {
        if (!c->allow_weaker_sandbox)
            return error_set(error, TFAAS_UNAVAILABLE,
                             "the cage cannot be built here:\n%.380s\n(start anyway with "
                             "--allow-weaker-sandbox)",
                             why);
        daemon_log("the cage is weaker than it should be: %s", why);
    }
    return t->ops->start(&options, &t->tender, t->layers, sizeof t->layers, error);
}

static tfaas_status_t load_keeper(void *owner, uint8_t **state, size_t *size,
                                  struct tfaas_error *error)
{
    struct tended *t = owner;
    return store_get_keeper_state(t->daemon->store, t->ops->name, state, size, error);
}

static tfaas_status_t save_keeper(void *owner, const uint8_t *state, size_t size,
                                  struct tfaas_error *error)
{
    struct tended *t = owner;
    return store_put_keeper_state(t->daemon->store, t->ops->name, state, size, error);
}

static tfaas_status_t start_keeper(struct tended *t, struct tfaas_error *error)
{
    struct daemon *d = t->daemon;
    uint8_t report_root[32];
    const char *wanted = d->config.evidence;
    struct keeper_options options = {.hub = &t->hub,
                                     .env = &t->evidence,
                                     .keepers = (unsigned)d->config.keepers,
                                     .owner = t,
                                     .load = load_keeper,
                                     .save = save_keeper,
                                     .log = daemon_log};
    if (strcmp(wanted, "none") == 0)
        return TFAAS_OK;
    evidence_env_init(&t->evidence);
    tfaas_status_t status = store_root_seed(d->store, t->evidence.root_seed, error);
    if (t->ops->identity)
        t->ops->identity(t->tender, t->evidence.measurement, report_root);
    if (status == TFAAS_OK)
        status = evidence_choose(wanted, &t->evidence, &options.source, error);
    if (status != TFAAS_OK)
        return status;
    t->keeper = keeper_open(&options);
    if (!t->keeper)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    daemon_log("evidence: %s%s", options.source->name,
               options.source == &evidence_simulated
                   ? ": it proves nothing, clients refuse it that do not ask for it"
                   : "");
    return TFAAS_OK;
}

tfaas_status_t tended_start(struct tended *t, struct tfaas_error *error)
{
    if (!t->hub.unavailable)
        return TFAAS_OK;
    tfaas_status_t status = start_tender(t, error);
    t->hub.tender = t->tender;
    if (status == TFAAS_OK)
        status = start_keeper(t, error);
    if (status == TFAAS_OK) {
        t->hub.unavailable = NULL;
        if (t != t->daemon->standard)
            daemon_log("tender %s is in use too (%s)", t->ops->name, t->layers);
        return TFAAS_OK;
    }
    if (t->tender)
        t->ops->stop(t->tender);
    t->tender = t->hub.tender = NULL;
    t->layers[0] = 0;
    char text[sizeof t->why];
    (void)snprintf(text, sizeof text, "tender %s is not available here: %.400s", t->ops->name,
                   error->text);
    set_why(t, text);
    return error_set(error, status, "%s", text);
}

/* --- all of them, as the loop needs it --- */

void tended_now(struct daemon *d, uint64_t now_ns)
{
    d->now_ns = now_ns;
    for (size_t i = 0; i < d->tended_count; i++)
        d->tended[i].hub.now_ns = now_ns;
}

bool tended_run(struct daemon *d)
{
    bool more = false;
    for (size_t i = 0; i < d->tended_count; i++)
        more |= core_hub_run(&d->tended[i].hub);
    return more;
}

bool tended_sleep(struct daemon *d)
{
    bool asleep = true;
    for (size_t i = 0; i < d->tended_count; i++)
        asleep &= core_hub_sleep(&d->tended[i].hub);
    return asleep;
}

void tended_tick(struct daemon *d)
{
    for (size_t i = 0; i < d->tended_count; i++) {
        struct tended *t = &d->tended[i];
        core_hub_tick(&t->hub);
        if (t->keeper)
            keeper_tick(t->keeper);
    }
}

int tended_timeout_ms(const struct daemon *d)
{
    int wait = -1;
    for (size_t i = 0; i < d->tended_count; i++) {
        const struct tended *t = &d->tended[i];
        wait = loop_earlier(wait, core_hub_timeout_ms(&t->hub));
        if (t->keeper)
            wait = loop_earlier(wait, keeper_timeout_ms(t->keeper));
    }
    return wait;
}

void tended_quiet(struct daemon *d)
{
    for (size_t i = 0; i < d->tended_count; i++)
        if (d->tended[i].keeper)
            keeper_stop(d->tended[i].keeper);
}

void tended_stop(struct daemon *d)
{
    for (size_t i = 0; i < d->tended_count; i++) {
        struct tended *t = &d->tended[i];
        core_hub_close(&t->hub);
        if (t->keeper)
            keeper_free(t->keeper);
        t->keeper = NULL;
        sodium_memzero(t->evidence.root_seed, sizeof t->evidence.root_seed);
        if (t->tender)
            t->ops->stop(t->tender);
        t->tender = NULL;
    }
    d->tended_count = 0;
}
