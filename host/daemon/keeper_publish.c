/*
 * keeper_publish.c - what clients get: the key statement with evidence over it, fetched once per
 * statement and kept, and the domains' statements. Many may ask; the keeper is asked once.
 */
#include "keeper_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* --- those who wait --- */

static void wait_add(struct keeper *k, struct keeper_wait_list *list, struct keeper_wait *wait)
{
    wait->waits = true;
    wait->list = list;
    wait->give_up_ns = k->options.hub->now_ns + KEEPER_WAIT_NS;
    TAILQ_INSERT_TAIL(list, wait, entry);
}

static void wait_end(struct keeper_wait *wait, tfaas_status_t status, struct span bytes,
                     uint64_t seconds, const char *text)
{
    TAILQ_REMOVE(wait->list, wait, entry);
    wait->waits = false;
    wait->done(wait, status, bytes, seconds, text);
}

void keeper_wait_cancel(struct keeper_wait *wait)
{
    if (!wait->waits)
        return;
    TAILQ_REMOVE(wait->list, wait, entry);
    wait->waits = false;
}

static void waits_end(struct keeper_wait_list *list, tfaas_status_t status, struct span bytes,
                      uint64_t seconds, const char *text)
{
    struct keeper_wait *wait;
    while ((wait = TAILQ_FIRST(list)))
        wait_end(wait, status, bytes, seconds, text);
}

static void waits_tick(struct keeper *k, struct keeper_wait_list *list, const char *text)
{
    struct keeper_wait *wait, *next;
    for (wait = TAILQ_FIRST(list); wait; wait = next) {
        next = TAILQ_NEXT(wait, entry);
        if (k->options.hub->now_ns > wait->give_up_ns)
            wait_end(wait, TFAAS_UNAVAILABLE, (struct span){NULL, 0}, 0, text);
    }
}

/* --- the statement --- */

static void attest_go(struct keeper *k);

static void attest_failed(struct keeper *k, const char *text)
{
    k->attest = ATTEST_IDLE;
    kept_free(&k->key_statement);
    if (k->attest_for_nonce) {
        waits_end(&k->nonce_now, TFAAS_UNAVAILABLE, (struct span){NULL, 0}, 0, text);
    } else {
        retry_later(&k->attest_retry, k->options.hub->now_ns);
        k->options.log("no evidence: %s", text);
        if (keeper_now_s() >= k->collection_until_s)
            waits_end(&k->waits, TFAAS_UNAVAILABLE, (struct span){NULL, 0}, 0, text);
    }
}

static void collection_keep(struct keeper *k, char *text, size_t size)
{
    uint64_t now_s = keeper_now_s();
    k->collection = (struct kept){(uint8_t *)text, size};
    /* The next statement is due after a key life; this one is good for a lease longer. */
    k->collection_fresh_s = k->attest_begin_s + k->attest_life_s;
    k->collection_until_s = k->attest_until_s;
    retry_reset(&k->attest_retry);
    waits_end(&k->waits, TFAAS_OK, kept_span(&k->collection),
              k->collection_fresh_s > now_s ? k->collection_fresh_s - now_s : 0, "");
}

void attest_job_done(struct keeper *k)
{
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error = {.text = ""};
    struct evidence_job *job = k->job;
    loop_remove(k->options.hub->loop, &k->job_watch);
    k->job = NULL;
    tfaas_status_t status = evidence_take(job, &evidence, NULL, &error);
    if (k->attest != ATTEST_EVIDENCE) { /* of a keeper that is gone */
        evidence_free(&evidence);
        attest_go(k);
        return;
    }
    char *text = NULL;
    size_t size = 0;
    if (status == TFAAS_OK) {
        k->fetched++;
        text = keeper_collection(kept_span(&k->key_statement), &evidence, &size);
        (void)snprintf(error.text, sizeof error.text, "out of memory");
    }
    evidence_free(&evidence);
    if (!text) {
        attest_failed(k, error.text);
    } else if (k->attest_for_nonce) {
        k->attest = ATTEST_IDLE;
        waits_end(&k->nonce_now, TFAAS_OK, (struct span){(uint8_t *)text, size}, 0, "");
        free(text);
    } else {
        k->attest = ATTEST_IDLE;
        kept_free(&k->collection);
        collection_keep(k, text, size);
    }
    attest_go(k);
}

static void on_statement(struct core_question *question, tfaas_status_t status,
                         const uint8_t *bytes, size_t size)
{
    struct keeper *k =
        (struct keeper *)(void *)((char *)question - offsetof(struct keeper, statement));
    struct keeper_wait *first = k->attest_for_nonce ? TAILQ_FIRST(&k->nonce_now) : NULL;
    struct key_statement s;
    struct span statement, nonce = {NULL, 0};
    struct tfaas_error error = {.text = "the keeper answered wrongly"};
    uint8_t data[EVIDENCE_DATA_SIZE];
    if (k->attest_for_nonce && !first) { /* its client left */
        k->attest = ATTEST_IDLE;
        attest_go(k);
        return;
    }
    if (first)
        nonce = (struct span){first->nonce, first->nonce_size};
    if (status != TFAAS_OK) {
        char text[200];
        (void)snprintf(text, sizeof text, "%.*s", (int)size, (const char *)bytes);
        attest_failed(k, text);
        return;
    }
    if (!keeper_read_statement((struct span){bytes, size}, nonce, &statement, &s)) {
        core_link_kill(keeper_active(k), "answered STATEMENT with something else");
        attest_failed(k, error.text);
        return;
    }
    k->attest_begin_s = s.not_before;
    k->attest_life_s = s.key_life_s;
    k->attest_until_s = s.not_after;
    k->epoch = s.epoch;
    k->key_life_s = s.key_life_s;
    k->lease_life_s = s.lease_life_s;
    memcpy(k->measurement, s.measurement.data, sizeof k->measurement);
    k->has_statement = true;
    statement_digest(data, STATEMENT_KEY_LABEL, statement, (struct span){NULL, 0});
    k->attest = ATTEST_EVIDENCE;
    if (!kept_set(&k->key_statement, statement))
        attest_failed(k, "out of memory");
    else if (keeper_job(k, EVIDENCE_REPORT, data, &error) != TFAAS_OK)
        attest_failed(k, error.text);
}

static bool collection_due(const struct keeper *k)
{
    return !k->collection.bytes || keeper_now_s() >= k->collection_fresh_s;
}

/* Starts what is due, one at a time: first the statement everybody gets. */
static void attest_go(struct keeper *k)
{
    struct core_link *active = keeper_active(k);
    struct keeper_item item = {1, 'b', {NULL, 0}, false};
    if (!active || k->attest != ATTEST_IDLE || k->job)
        return;
    struct keeper_wait *wait = TAILQ_FIRST(&k->nonce_waits);
    k->attest_for_nonce = !(collection_due(k) && k->options.hub->now_ns >= k->attest_retry.at_ns);
    if (k->attest_for_nonce && !wait)
        return;
    if (k->attest_for_nonce) {
        TAILQ_REMOVE(&k->nonce_waits, wait, entry);
        TAILQ_INSERT_TAIL(&k->nonce_now, wait, entry);
        wait->list = &k->nonce_now;
        item.bytes = (struct span){wait->nonce, wait->nonce_size};
    }
    size_t size;
    uint8_t *request = keeper_write(&item, k->attest_for_nonce ? 1 : 0, &size);
    k->statement.answered = on_statement;
    k->attest = ATTEST_STATEMENT;
    if (core_ask(active, &k->statement, TFAAS_OP_STATEMENT, request, size) != TFAAS_OK)
        attest_failed(k, "the keeper cannot be asked");
}

void attest_reset(struct keeper *k)
{
    core_ask_cancel(&k->statement);
    k->attest = ATTEST_IDLE; /* a job under way ends, and its outcome is thrown away */
    k->collection_until_s = k->collection_fresh_s = 0;
    kept_free(&k->collection);
    kept_free(&k->key_statement);
    retry_reset(&k->attest_retry);
    waits_end(&k->nonce_now, TFAAS_UNAVAILABLE, (struct span){NULL, 0}, 0, "the keeper is gone");
    attest_go(k);
}

void attest_tick(struct keeper *k)
{
    static const char text[] = "there is no evidence now";
    waits_tick(k, &k->waits, text);
    waits_tick(k, &k->nonce_waits, text);
    waits_tick(k, &k->nonce_now, text);
    attest_go(k);
}

/* A bucket of EVIDENCE_NONCE_BURST tokens, one more each EVIDENCE_NONCE_NS. */
static bool take_token(struct keeper *k)
{
    uint64_t now = k->options.hub->now_ns;
    uint64_t burst = EVIDENCE_NONCE_NS * EVIDENCE_NONCE_BURST;
    uint64_t full = now > burst ? now - burst : 0; /* the machine may have begun just now */
    if (k->tokens_ns < full)
        k->tokens_ns = full;
    if (k->tokens_ns + EVIDENCE_NONCE_NS > now)
        return false;
    k->tokens_ns += EVIDENCE_NONCE_NS;
    return true;
}

void keeper_evidence(struct keeper *k, struct span nonce, struct keeper_wait *wait)
{
    uint64_t now_s = keeper_now_s();
    if (nonce.size == 0 && k->collection.bytes && now_s < k->collection_until_s) {
        uint64_t left =
            k->collection_fresh_s > now_s ? k->collection_fresh_s - now_s : KEEPER_STALE_S;
        wait->done(wait, TFAAS_OK, kept_span(&k->collection), left, "");
        return;
    }
    if (nonce.size == 0) {
        wait_add(k, &k->waits, wait);
    } else if (!take_token(k)) {
        wait->done(wait, TFAAS_BUSY, (struct span){NULL, 0}, 0,
                   "too many clients ask for evidence with a nonce of their own");
        return;
    } else {
        memcpy(wait->nonce, nonce.data, nonce.size);
        wait->nonce_size = nonce.size;
        wait_add(k, &k->nonce_waits, wait);
    }
    attest_go(k);
}

/* --- domains --- */

static void domain_deliver(struct keeper_domain *d)
{
    uint64_t now_s = keeper_now_s();
    struct keeper_worker *w = worker_of_domain(d->keeper, d->name);
    struct keeper_wait *wait, *next;
    uint64_t seconds = d->until_s > now_s ? d->until_s - now_s : 0;
    uint64_t now = d->keeper->options.hub->now_ns;
    bool leased = w && w->leased;
    /* Until leases change: the next renewal; without a lease one may come at any time. */
    if (leased && w->renew_ns > now && (w->renew_ns - now) / NS_PER_S < seconds)
        seconds = (w->renew_ns - now) / NS_PER_S;
    if (!leased && seconds > KEEPER_STALE_S)
        seconds = KEEPER_STALE_S;
    for (wait = TAILQ_FIRST(&d->waits); wait; wait = next) {
        next = TAILQ_NEXT(wait, entry);
        if (!wait->wants_lease || leased)
            wait_end(wait, TFAAS_OK, kept_span(&d->envelope), seconds, "");
    }
}

static bool domain_fresh(const struct keeper_domain *d)
{
    return d->envelope.bytes && !d->stale && keeper_now_s() < d->until_s;
}

static void domain_failed(struct keeper_domain *d, tfaas_status_t status, const char *text)
{
    retry_later(&d->retry, d->keeper->options.hub->now_ns);
    if (status != TFAAS_CORE_LOST) /* the next keeper is asked */
        waits_end(&d->waits, status == TFAAS_NO_SPACE ? status : TFAAS_UNAVAILABLE,
                  (struct span){NULL, 0}, 0, text);
}

static void on_domain(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                      size_t size)
{
    struct keeper_domain *d =
        (struct keeper_domain *)(void *)((char *)question -
                                         offsetof(struct keeper_domain, question));
    struct keeper *k = d->keeper;
    struct span envelope;
    uint64_t until_s;
    char text[200];
    if (status != TFAAS_OK) {
        (void)snprintf(text, sizeof text, "%.*s", (int)size, (const char *)bytes);
        domain_failed(d, status, text);
        return;
    }
    if (!keeper_read_domain((struct span){bytes, size}, d->name, &envelope, &until_s)) {
        core_link_kill(keeper_active(k), "answered DOMAIN with something else");
        domain_failed(d, TFAAS_CORE_LOST, "");
        return;
    }
    if (!kept_set(&d->envelope, envelope)) {
        domain_failed(d, TFAAS_NO_SPACE, "out of memory");
        return;
    }
    d->until_s = until_s;
    retry_reset(&d->retry);
    if (!d->kept) { /* nobody may seal to a key that a crash could still lose */
        keeper_save(k);
        keeper_sync(k);
    }
    domain_go(d);
}

void domain_go(struct keeper_domain *d)
{
    struct keeper *k = d->keeper;
    struct core_link *active = keeper_active(k);
    struct keeper_worker *w = worker_of_domain(k, d->name);
    struct keeper_wait *wait;
    bool wanted = false;
    if (!active || d->question.link)
        return;
    TAILQ_FOREACH(wait, &d->waits, entry)
    {
        wanted |= !wait->wants_lease || (w && w->leased);
    }
    if (!wanted)
        return;
    if (domain_fresh(d)) {
        if (d->kept)
            domain_deliver(d);
        else if (!d->saving)
            keeper_save(k);
        return;
    }
    if (k->options.hub->now_ns < d->retry.at_ns)
        return;
    const struct keeper_item item = {1, 't', {(const uint8_t *)d->name, strlen(d->name)}, false};
    size_t size;
    uint8_t *request = keeper_write(&item, 1, &size);
    d->stale = false; /* what changes from here on is not in the answer */
    d->question.answered = on_domain;
    if (core_ask(active, &d->question, TFAAS_OP_DOMAIN, request, size) != TFAAS_OK)
        domain_failed(d, TFAAS_UNAVAILABLE, "the keeper cannot be asked");
}

void domains_saved(struct keeper *k, tfaas_status_t status, const char *text)
{
    struct keeper_domain *d;
    TAILQ_FOREACH(d, &k->domains, entry)
    {
        if (!d->saving)
            continue;
        d->saving = false;
        d->kept = status == TFAAS_OK;
        if (d->kept)
            domain_go(d);
        else
            domain_failed(d, status, text);
    }
}

static struct keeper_domain *domain_get(struct keeper *k, const char *name)
{
    struct keeper_domain *d;
    TAILQ_FOREACH(d, &k->domains, entry)
    {
        if (strcmp(d->name, name) == 0)
            return d;
    }
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->keeper = k;
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    TAILQ_INIT(&d->waits);
    TAILQ_INSERT_TAIL(&k->domains, d, entry);
    return d;
}

void keeper_domain(struct keeper *k, const char *name, bool wants_lease, struct keeper_wait *wait)
{
    struct keeper_domain *d = domain_get(k, name);
    if (!d) {
        wait->done(wait, TFAAS_NO_SPACE, (struct span){NULL, 0}, 0, "out of memory");
        return;
    }
    wait->wants_lease = wants_lease;
    wait_add(k, &d->waits, wait);
    domain_go(d);
}

void domain_stale(struct keeper *k, const char *name)
{
    struct keeper_domain *d;
    TAILQ_FOREACH(d, &k->domains, entry)
    {
        if (strcmp(d->name, name) == 0) {
            d->stale = true;
            domain_go(d);
        }
    }
}

void domains_reset(struct keeper *k)
{
    struct keeper_domain *d;
    TAILQ_FOREACH(d, &k->domains, entry)
    {
        core_ask_cancel(&d->question);
        kept_free(&d->envelope);
        d->kept = d->saving = false;
        retry_reset(&d->retry);
        domain_go(d);
    }
}

/* Nothing of a namespace that is gone stays for ever. */
static void domain_free(struct keeper_domain *d)
{
    core_ask_cancel(&d->question);
    TAILQ_REMOVE(&d->keeper->domains, d, entry);
    kept_free(&d->envelope);
    free(d);
}

void domains_tick(struct keeper *k)
{
    struct keeper_domain *d, *next;
    uint64_t now_s = keeper_now_s();
    for (d = TAILQ_FIRST(&k->domains); d; d = next) {
        next = TAILQ_NEXT(d, entry);
        waits_tick(k, &d->waits, "there is no lease now");
        domain_go(d);
        if (TAILQ_EMPTY(&d->waits) && !d->question.link && !d->saving && d->envelope.bytes &&
            now_s >= d->until_s)
            domain_free(d);
    }
}

void publish_stop(struct keeper *k)
{
    struct keeper_domain *d;
    static const char text[] = "tfaasd is stopping";
    const struct span none = {NULL, 0};
    core_ask_cancel(&k->statement);
    kept_free(&k->collection);
    kept_free(&k->key_statement);
    waits_end(&k->waits, TFAAS_UNAVAILABLE, none, 0, text);
    waits_end(&k->nonce_waits, TFAAS_UNAVAILABLE, none, 0, text);
    waits_end(&k->nonce_now, TFAAS_UNAVAILABLE, none, 0, text);
    while ((d = TAILQ_FIRST(&k->domains))) {
        waits_end(&d->waits, TFAAS_UNAVAILABLE, none, 0, text);
        domain_free(d);
    }
}
