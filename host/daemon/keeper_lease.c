/*
 * keeper_lease.c - leases: HELLO of a worker, CERTIFY by the keeper, LEASE to the worker; renewed
 * at half a lease, with a new request key per key life. And grants of sealed items to a worker that
 * loads them. A worker that the keeper refuses gets no lease; its plain calls go on.
 */
#include "keeper_internal.h"

#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static void grants_next(struct keeper_worker *w);

static struct keeper_worker *of_question(struct core_question *question)
{
    return (struct keeper_worker *)(void *)((char *)question -
                                            offsetof(struct keeper_worker, question));
}

static void worker_fail(struct keeper_worker *w, const char *what, const uint8_t *text, size_t size)
{
    struct keeper *k = w->keeper;
    w->step = STEP_IDLE;
    retry_later(&w->retry, k->options.hub->now_ns);
    k->options.log("core of %s got no lease: %s: %.*s", core_link_domain(w->link), what,
                   (int)(size < 300 ? size : 300), (const char *)text);
}

static void worker_hello(struct keeper_worker *w);

/* --- LEASE --- */

static void on_lease(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                     size_t size)
{
    struct keeper_worker *w = of_question(question);
    struct keeper *k = w->keeper;
    if (status != TFAAS_OK) {
        worker_fail(w, "it did not take the lease", bytes, size);
        return;
    }
    uint64_t now = k->options.hub->now_ns, now_s = keeper_now_s();
    uint64_t left_s = w->lease_until_s > now_s ? w->lease_until_s - now_s : 0;
    w->step = STEP_IDLE;
    w->leased = w->was_leased = true;
    w->renew_ns = now + (left_s > 1 ? left_s : 2) * NS_PER_S / 2;
    if (w->new_key)
        w->calls = 0;
    if (w->new_key)
        w->key_until_ns = now + (k->key_life_s ? k->key_life_s : STATEMENT_KEY_LIFE_S) * NS_PER_S;
    retry_reset(&w->retry);
    k->leases++;
    domain_stale(k, core_link_domain(w->link));
}

/* --- CERTIFY --- */

/* The chain of an instance ends with the keeper that began it (CONFLICT): only another core, with
 * keys of its own, gets leases from the next one. What runs may finish. */
static void worker_refused(struct keeper_worker *w, tfaas_status_t status, const uint8_t *text,
                           size_t size)
{
    uint64_t age = w->keeper->options.hub->now_ns - w->began_ns;
    worker_fail(w, "the keeper refused", text, size);
    if (status == TFAAS_CONFLICT && (w->was_leased || age > KEEPER_WORKER_MIN_NS))
        core_link_restart(w->link, "is replaced: it gets no lease any more");
}

static void on_certified(struct core_question *question, tfaas_status_t status,
                         const uint8_t *bytes, size_t size)
{
    struct keeper_worker *w = of_question(question);
    struct keeper *k = w->keeper;
    struct keeper_certified certified;
    struct core_link *active = keeper_active(k);
    if (status == TFAAS_CORE_LOST || !active) {
        worker_fail(w, "the keeper is gone", NULL, 0);
        return;
    }
    if (status != TFAAS_OK) {
        worker_refused(w, status, bytes, size);
        return;
    }
    if (!keeper_read_certified((struct span){bytes, size}, &certified) ||
        !span_is(certified.lease.domain, core_link_domain(w->link))) {
        core_link_kill(active, "answered CERTIFY with something else");
        worker_fail(w, "the keeper answered wrongly", NULL, 0);
        return;
    }
    w->lease_until_s = certified.lease.not_after;
    uint8_t *request = malloc(size);
    if (request)
        memcpy(request, bytes, size);
    w->step = STEP_LEASE;
    w->question.answered = on_lease;
    if (core_ask(w->link, &w->question, TFAAS_OP_LEASE, request, size) != TFAAS_OK)
        worker_fail(w, "it cannot be asked", NULL, 0);
}

static void worker_certify(struct keeper_worker *w)
{
    struct core_link *active = keeper_active(w->keeper);
    const struct keeper_item items[] = {{1, 'b', kept_span(&w->report), false},
                                        {2, 'b', kept_span(&w->request), false}};
    size_t size;
    if (!active) {
        worker_fail(w, "there is no keeper", NULL, 0);
        return;
    }
    uint8_t *request = keeper_write(items, 2, &size);
    w->step = STEP_CERTIFY;
    w->question.answered = on_certified;
    if (core_ask(active, &w->question, TFAAS_OP_CERTIFY, request, size) != TFAAS_OK)
        worker_fail(w, "the keeper cannot be asked", NULL, 0);
}

/* --- DOMAIN --- */

static void on_known(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                     size_t size)
{
    struct keeper_worker *w = of_question(question);
    struct span envelope;
    uint64_t until_s;
    if (status != TFAAS_OK) {
        worker_fail(w, "the keeper does not take its domain", bytes, size);
        return;
    }
    if (!keeper_read_domain((struct span){bytes, size}, core_link_domain(w->link), &envelope,
                            &until_s)) {
        core_link_kill(keeper_active(w->keeper), "answered DOMAIN with something else");
        worker_fail(w, "the keeper answered wrongly", NULL, 0);
        return;
    }
    w->step = STEP_IDLE;
    w->knows_domain = true;
    grants_next(w);
    if (w->serves)
        worker_certify(w);
}

static void worker_domain(struct keeper_worker *w)
{
    struct core_link *active = keeper_active(w->keeper);
    const char *domain = core_link_domain(w->link);
    const struct keeper_item item = {1, 't', {(const uint8_t *)domain, strlen(domain)}, false};
    size_t size;
    if (!active) {
        worker_fail(w, "there is no keeper", NULL, 0);
        return;
    }
    uint8_t *request = keeper_write(&item, 1, &size);
    w->step = STEP_DOMAIN;
    w->question.answered = on_known;
    if (core_ask(active, &w->question, TFAAS_OP_DOMAIN, request, size) != TFAAS_OK)
        worker_fail(w, "the keeper cannot be asked", NULL, 0);
}

/* --- HELLO --- */

static void on_hello(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                     size_t size)
{
    struct keeper_worker *w = of_question(question);
    struct keeper_hello hello;
    if (status == TFAAS_CONFLICT && !w->new_key) { /* the key's life is over there already */
        w->step = STEP_IDLE;
        w->force_new = true;
        worker_hello(w);
        return;
    }
    if (status != TFAAS_OK) {
        worker_fail(w, "it did not say who it is", bytes, size);
        return;
    }
    if (!keeper_read_hello((struct span){bytes, size}, &hello)) {
        core_link_kill(w->link, "answered HELLO with something else");
        worker_fail(w, "it answered wrongly", NULL, 0);
        return;
    }
    if (!kept_set(&w->report, hello.report) || !kept_set(&w->request, hello.request)) {
        worker_fail(w, "out of memory", NULL, 0);
        return;
    }
    memcpy(w->instance, hello.instance.data, sizeof w->instance);
    w->has_hello = true;
    w->force_new = false;
    w->step = STEP_IDLE;
    if (!w->knows_domain)
        worker_domain(w);
    else if (w->serves)
        worker_certify(w);
}

static void worker_hello(struct keeper_worker *w)
{
    size_t size;
    uint64_t now = w->asked_ns = w->keeper->options.hub->now_ns;
    w->new_key = !w->leased || now >= w->key_until_ns || w->force_new;
    const struct keeper_item item = {1, '?', {NULL, 0}, w->new_key};
    uint8_t *request = keeper_write(&item, 1, &size);
    w->step = STEP_HELLO;
    w->question.answered = on_hello;
    if (core_ask(w->link, &w->question, TFAAS_OP_HELLO, request, size) != TFAAS_OK)
        worker_fail(w, "it cannot be asked", NULL, 0);
}

/* --- begin, end, time --- */

void keeper_call_counted(struct keeper *k, struct core_link *link)
{
    struct keeper_worker *w = core_link_user(link);
    if (!w || !w->leased || ++w->calls < KEEPER_CALLS_PER_KEY)
        return;
    w->calls = KEEPER_CALLS_PER_KEY / 2; /* if that fails, it is asked for once more in time */
    w->force_new = true;
    w->renew_ns = k->options.hub->now_ns;
}

void worker_begin(struct keeper *k, struct core_link *link, bool serves)
{
    struct keeper_worker *w = calloc(1, sizeof *w);
    if (!w)
        return; /* no lease: sealed calls say so */
    w->keeper = k;
    w->link = link;
    w->serves = serves;
    w->began_ns = k->options.hub->now_ns;
    core_link_set_user(link, w);
    TAILQ_INSERT_TAIL(&k->workers, w, entry);
    if (keeper_active(k) && serves) /* others when they want a grant */
        worker_hello(w);
}

struct revocation {
    struct core_question question;
};

static void on_revoked(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                       size_t size)
{
    (void)status; /* a keeper that is gone knows no instance */
    (void)bytes;
    (void)size;
    free((struct revocation *)(void *)question);
}

static void revoke(struct keeper *k, const uint8_t instance[16])
{
    struct core_link *active = keeper_active(k);
    struct revocation *r = active ? calloc(1, sizeof *r) : NULL;
    const struct keeper_item item = {1, 'b', {instance, 16}, false};
    size_t size;
    if (!r)
        return;
    uint8_t *request = keeper_write(&item, 1, &size);
    r->question.answered = on_revoked;
    if (core_ask(active, &r->question, TFAAS_OP_REVOKE, request, size) != TFAAS_OK)
        free(r);
}

static void worker_free(struct keeper_worker *w)
{
    core_ask_cancel(&w->question);
    core_link_set_user(w->link, NULL);
    TAILQ_REMOVE(&w->keeper->workers, w, entry);
    kept_free(&w->report);
    kept_free(&w->request);
    free(w);
}

static void grants_end(struct keeper_grants *g, tfaas_status_t status, size_t which,
                       const char *text);

void worker_end(struct keeper *k, struct core_link *link)
{
    struct keeper_worker *w = core_link_user(link);
    struct keeper_grants *g, *next;
    if (!w)
        return;
    for (g = TAILQ_FIRST(&k->grants); g; g = next) {
        next = TAILQ_NEXT(g, entry);
        if (g->link == link) /* its load went before: bundle_cancel has told */
            grants_end(g, TFAAS_CORE_LOST, g->count, "core ended");
    }
    if (w->serves && w->has_hello) {
        revoke(k, w->instance);
        domain_stale(k, core_link_domain(link));
    }
    worker_free(w);
}

void workers_stop(struct keeper *k)
{
    struct keeper_worker *w;
    struct keeper_grants *g;
    while ((g = TAILQ_FIRST(&k->grants)))
        keeper_grant_cancel(g);
    while ((w = TAILQ_FIRST(&k->workers)))
        worker_free(w);
}

void workers_changed_keeper(struct keeper *k)
{
    struct keeper_worker *w;
    TAILQ_FOREACH(w, &k->workers, entry)
    {
        core_ask_cancel(&w->question);
        w->step = STEP_IDLE;
        w->leased = w->knows_domain = false;
        retry_reset(&w->retry);
        if (w->serves && core_link_ready(w->link))
            worker_hello(w);
    }
}

void workers_tick(struct keeper *k)
{
    struct keeper_worker *w;
    uint64_t now = k->options.hub->now_ns;
    TAILQ_FOREACH(w, &k->workers, entry)
    {
        if (w->leased && keeper_now_s() >= w->lease_until_s) {
            w->leased = false;
            domain_stale(k, core_link_domain(w->link));
        }
        if (w->step != STEP_IDLE || now < w->retry.at_ns || !keeper_active(k))
            continue;
        if (w->serves && (!w->leased || now >= w->renew_ns))
            worker_hello(w);
    }
}

struct keeper_worker *worker_of_domain(struct keeper *k, const char *domain)
{
    struct keeper_worker *w;
    TAILQ_FOREACH(w, &k->workers, entry)
    {
        if (w->serves && strcmp(core_link_domain(w->link), domain) == 0)
            return w;
    }
    return NULL;
}

/* --- grants, one header at a time: a refusal then names what it is about --- */

static void grants_free(struct keeper_grants *g)
{
    core_ask_cancel(&g->question);
    TAILQ_REMOVE(&g->keeper->grants, g, entry);
    free(g->bytes);
    g->bytes = NULL;
    g->keeper = NULL;
}

static void grants_end(struct keeper_grants *g, tfaas_status_t status, size_t which,
                       const char *text)
{
    uint8_t *bytes = g->bytes;
    g->bytes = NULL;
    grants_free(g);
    g->done(g, status, bytes, which, text);
    free(bytes);
}

static void grants_ask(struct keeper_grants *g);

static void on_granted(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                       size_t size)
{
    struct keeper_grants *g =
        (struct keeper_grants *)(void *)((char *)question -
                                         offsetof(struct keeper_grants, question));
    struct span grant;
    char text[200] = "";
    if (status == TFAAS_CORE_LOST)
        return; /* the next keeper is asked, while there is time */
    if (status != TFAAS_OK) {
        (void)snprintf(text, sizeof text, "%.*s", (int)size, (const char *)bytes);
        grants_end(g, status, g->at, text);
        return;
    }
    if (!keeper_read_grant((struct span){bytes, size}, &grant)) {
        core_link_kill(keeper_active(g->keeper), "answered GRANT with something else");
        return;
    }
    memcpy(g->bytes + g->at * SEALED_GRANT_SIZE, grant.data, SEALED_GRANT_SIZE);
    if (++g->at == g->count)
        grants_end(g, TFAAS_OK, g->count, "");
    else
        grants_ask(g);
}

static void grants_ask(struct keeper_grants *g)
{
    struct core_link *active = keeper_active(g->keeper);
    struct keeper_worker *w = core_link_user(g->link);
    if (!active || !w || g->question.link)
        return;                              /* grants_tick tries again */
    if (!w->has_hello || !w->knows_domain) { /* grants_next follows */
        if (w->step == STEP_IDLE && core_link_ready(w->link) &&
            w->keeper->options.hub->now_ns >= w->retry.at_ns) {
            if (w->has_hello)
                worker_domain(w);
            else
                worker_hello(w);
        }
        return;
    }
    const struct keeper_item items[] = {{1, 'b', kept_span(&w->report), false},
                                        {2, 'b', kept_span(&w->request), false},
                                        {3, 'a', g->headers[g->at], false}};
    size_t size;
    uint8_t *request = keeper_write(items, 3, &size);
    g->question.answered = on_granted;
    (void)!core_ask(active, &g->question, TFAAS_OP_GRANT, request, size); /* or the next tick */
}

static void grants_next(struct keeper_worker *w)
{
    struct keeper_grants *g;
    TAILQ_FOREACH(g, &w->keeper->grants, entry)
    {
        if (g->link == w->link)
            grants_ask(g);
    }
}

tfaas_status_t keeper_grant(struct keeper *k, struct core_link *worker, struct span *headers,
                            size_t count, struct keeper_grants *g)
{
    g->bytes = calloc(count, SEALED_GRANT_SIZE);
    if (!g->bytes)
        return TFAAS_NO_SPACE;
    g->keeper = k;
    g->link = worker;
    g->headers = headers;
    g->count = count;
    g->at = 0;
    g->question = (struct core_question){.link = NULL};
    g->give_up_ns = k->options.hub->now_ns + KEEPER_GRANT_NS;
    TAILQ_INSERT_TAIL(&k->grants, g, entry);
    grants_ask(g);
    return TFAAS_OK;
}

void keeper_grant_cancel(struct keeper_grants *g)
{
    if (g->keeper)
        grants_free(g);
}

void grants_tick(struct keeper *k)
{
    struct keeper_grants *g, *next;
    for (g = TAILQ_FIRST(&k->grants); g; g = next) {
        next = TAILQ_NEXT(g, entry);
        if (k->options.hub->now_ns > g->give_up_ns)
            grants_end(g, TFAAS_UNAVAILABLE, g->count, "there is no keeper that grants it now");
        else
            grants_ask(g);
    }
}
