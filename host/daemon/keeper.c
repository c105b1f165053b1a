/*
 * keeper.c - the life of keepers: start, restart, saving their domains' keys, handing them over to
 * a second one, taking over. See keeper.h.
 */
#include "keeper_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* --- small things --- */

bool kept_set(struct kept *kept, struct span from)
{
    uint8_t *bytes = malloc(from.size + 1);
    if (!bytes)
        return false;
    if (from.size)
        memcpy(bytes, from.data, from.size);
    free(kept->bytes);
    *kept = (struct kept){bytes, from.size};
    return true;
}

void kept_free(struct kept *kept)
{
    free(kept->bytes);
    *kept = (struct kept){NULL, 0};
}

void retry_later(struct retry *retry, uint64_t now_ns)
{
    retry->pause_ns = retry->pause_ns ? retry->pause_ns * 2 : KEEPER_RETRY_MIN_NS;
    if (retry->pause_ns > KEEPER_RETRY_MAX_NS)
        retry->pause_ns = KEEPER_RETRY_MAX_NS;
    retry->at_ns = now_ns + retry->pause_ns;
}

uint64_t keeper_now_s(void)
{
    return loop_realtime_ns() / NS_PER_S;
}

struct core_link *keeper_active(const struct keeper *k)
{
    return k->active < 0 || k->stopping ? NULL : k->cores[k->active].link;
}

static struct keeper_core *standby(struct keeper *k)
{
    struct keeper_core *other = k->active < 0 ? NULL : &k->cores[1 - k->active];
    return other && other->state == CORE_RUNNING ? other : NULL;
}

static void cores_tick(struct keeper *k);

static struct keeper *of_save(struct core_question *question)
{
    return (struct keeper *)(void *)((char *)question - offsetof(struct keeper, save));
}

static struct keeper *of_sync(struct core_question *question)
{
    return (struct keeper *)(void *)((char *)question - offsetof(struct keeper, sync));
}

/* --- evidence jobs: one at a time --- */

static void job_end(struct keeper *k)
{
    loop_remove(k->options.hub->loop, &k->job_watch);
    k->job = NULL;
}

static void on_job(struct watch *watch)
{
    struct keeper *k =
        (struct keeper *)(void *)((char *)watch - offsetof(struct keeper, job_watch));
    if (!k->job_is_seal) {
        attest_job_done(k);
        return;
    }
    struct evidence_job *job = k->job;
    struct tfaas_error error = {.text = ""};
    job_end(k);
    tfaas_status_t status = evidence_take(job, NULL, k->seal_key, &error);
    k->seal_known = true;
    k->has_seal_key = status == TFAAS_OK;
    if (status != TFAAS_OK)
        k->options.log("sealed secrets and packages will not outlive the keeper: %s", error.text);
    cores_tick(k);
}

tfaas_status_t keeper_job(struct keeper *k, enum evidence_want want, const uint8_t *data,
                          struct tfaas_error *error)
{
    struct evidence_job *job;
    tfaas_status_t status =
        evidence_start(k->options.source, k->options.env, want, data, &job, error);
    if (status != TFAAS_OK)
        return status;
    k->job_watch = (struct watch){.fd = -1, .ready = on_job};
    if (!loop_add(k->options.hub->loop, &k->job_watch, evidence_fd(job), false)) {
        evidence_abandon(job);
        return error_set(error, TFAAS_UNAVAILABLE, "cannot wait for evidence");
    }
    k->job = job;
    k->job_is_seal = want == EVIDENCE_SEAL_KEY;
    return TFAAS_OK;
}

/* --- saving --- */

static void on_saved(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                     size_t size)
{
    struct keeper *k = of_save(question);
    struct tfaas_error error = {.text = ""};
    struct span state;
    uint64_t now = k->options.hub->now_ns;
    (void)snprintf(error.text, sizeof error.text, "%.*s", status == TFAAS_OK ? 0 : (int)size,
                   (const char *)bytes);
    if (status == TFAAS_OK && !keeper_read((struct span){bytes, size}, &state, 1)) {
        core_link_kill(keeper_active(k), "answered SAVE with something else");
        status = TFAAS_CORE_LOST; /* who waits, waits for the next one */
    } else if (status == TFAAS_OK) {
        status = k->options.save(k->options.owner, state.data, state.size, &error);
        if (status != TFAAS_OK)
            k->options.log("cannot save the keeper's state: %s", error.text);
    }
    if (status == TFAAS_OK || status == TFAAS_UNAVAILABLE) {
        retry_reset(&k->save_retry);
        status = TFAAS_OK; /* without a seal key nothing can be saved */
    } else {
        retry_later(&k->save_retry, now);
        k->save_due = true;
    }
    domains_saved(k, status, error.text);
}

void keeper_save(struct keeper *k)
{
    struct core_link *active = keeper_active(k);
    struct keeper_domain *domain;
    k->save_due = true;
    if (!active || k->save.link || k->options.hub->now_ns < k->save_retry.at_ns)
        return;
    size_t size;
    uint8_t *request = keeper_write(NULL, 0, &size);
    k->save.answered = on_saved;
    if (core_ask(active, &k->save, TFAAS_OP_SAVE, request, size) != TFAAS_OK) {
        retry_later(&k->save_retry, k->options.hub->now_ns);
        return;
    }
    k->save_due = false;
    TAILQ_FOREACH(domain, &k->domains, entry)
    {
        domain->saving |= !domain->kept && domain->envelope.bytes;
    }
}

/* --- handing over: ASK the standby, GIVE by the active, TAKE by the standby --- */

static void sync_next(struct keeper *k, struct span message);

static void sync_fail(struct keeper *k, const char *text)
{
    k->sync_step = 0;
    k->sync_due = true;
    retry_later(&k->sync_retry, k->options.hub->now_ns);
    k->options.log("the second keeper did not get the domains' keys: %s", text);
}

static void on_sync(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                    size_t size)
{
    struct keeper *k = of_sync(question);
    char text[200];
    if (status == TFAAS_OK && k->sync_step == 3) {
        k->sync_step = 0;
        k->handovers++;
        retry_reset(&k->sync_retry);
        return;
    }
    if (status == TFAAS_OK && standby(k)) {
        sync_next(k, (struct span){bytes, size});
        return;
    }
    (void)snprintf(text, sizeof text, "%.*s", status == TFAAS_OK ? 0 : (int)size,
                   (const char *)bytes);
    sync_fail(k, status == TFAAS_OK ? "it is gone" : text);
}

/* Each step's message is the answer of the step before, as it is: the cores check it. */
static void sync_next(struct keeper *k, struct span message)
{
    static const enum tfaas_op ops[] = {TFAAS_OP_HANDOVER_ASK, TFAAS_OP_HANDOVER_GIVE,
                                        TFAAS_OP_HANDOVER_TAKE};
    struct keeper_core *other = standby(k);
    struct core_link *to = k->sync_step == 1 ? keeper_active(k) : other->link;
    uint8_t *request = malloc(message.size + 1);
    if (request)
        memcpy(request, message.data, message.size);
    k->sync.answered = on_sync;
    if (core_ask(to, &k->sync, ops[k->sync_step], request, message.size) == TFAAS_OK)
        k->sync_step++;
    else
        sync_fail(k, "cannot ask");
}

void keeper_sync(struct keeper *k)
{
    static const uint8_t empty_map[] = {0xa0};
    k->sync_due = true;
    if (!standby(k) || k->sync.link || k->sync_step || k->stopping ||
        k->options.hub->now_ns < k->sync_retry.at_ns)
        return;
    k->sync_due = false;
    sync_next(k, (struct span){empty_map, sizeof empty_map});
}

/* --- start and end --- */

static void become_active(struct keeper *k, struct keeper_core *core, bool takes_over)
{
    k->active = (int)(core - k->cores);
    k->options.log(takes_over ? "the second keeper takes over" : "keeper is ready");
    attest_reset(k);
    domains_reset(k);
    workers_changed_keeper(k);
}

/* A second keeper without all keys must not take over: it would make new ones and save them over
 * what is kept. With what is saved it starts again as the first. */
static void start_anew(struct keeper *k, struct keeper_core *core)
{
    k->options.log("the second keeper does not have all keys yet: it starts again");
    core_link_restart(core->link, "starts again with the saved keys");
}

static void on_started(struct core_question *question, tfaas_status_t status, const uint8_t *bytes,
                       size_t size)
{
    struct keeper_core *core =
        (struct keeper_core *)(void *)((char *)question - offsetof(struct keeper_core, start));
    struct keeper *k = core->keeper;
    if (status == TFAAS_NOT_GRANTED && core->was_given_state) {
        k->options.log("the keeper cannot open the saved state: what was sealed must be "
                       "provisioned again");
    } else if (status != TFAAS_OK) {
        if (status != TFAAS_CORE_LOST) {
            k->options.log("the keeper did not start: %.*s", (int)size, (const char *)bytes);
            core_link_kill(core->link, "did not start as a keeper");
        }
        return;
    }
    if (k->active < 0 && core->is_second && k->has_seal_key) {
        start_anew(k, core);
        return;
    }
    core->state = CORE_RUNNING;
    if (k->active < 0) {
        become_active(k, core, false);
        return;
    }
    retry_reset(&k->sync_retry);
    keeper_sync(k);
}

static void core_start(struct keeper_core *core)
{
    struct keeper *k = core->keeper;
    struct tfaas_error error = {.text = ""};
    struct keeper_item items[2];
    size_t count = 0, size, state_size = 0;
    uint8_t *state = NULL;
    if (k->has_seal_key)
        items[count++] = (struct keeper_item){1, 'b', {k->seal_key, sizeof k->seal_key}, false};
    core->was_given_state = false;
    core->is_second = k->active >= 0;
    if (k->active < 0 && k->has_seal_key) { /* a second one gets it from the first */
        tfaas_status_t status = k->options.load(k->options.owner, &state, &state_size, &error);
        if (status == TFAAS_OK)
            items[count++] = (struct keeper_item){2, 'b', {state, state_size}, false};
        else if (status != TFAAS_NOT_FOUND)
            k->options.log("cannot read the keeper's saved state: %s", error.text);
        core->was_given_state = status == TFAAS_OK;
    }
    uint8_t *request = keeper_write(items, count, &size);
    core->state = CORE_STARTING;
    core->start.answered = on_started;
    if (core_ask(core->link, &core->start, TFAAS_OP_KEEPER_START, request, size) != TFAAS_OK)
        core_link_kill(core->link, "cannot be asked to start as a keeper");
    free(state);
}

static void core_ended(struct keeper_core *core)
{
    struct keeper *k = core->keeper;
    bool was_active = k->active == (int)(core - k->cores);
    bool in_step = !k->sync_due && !k->sync_step;
    core_ask_cancel(&core->start);
    core->state = CORE_DOWN;
    k->lost++;
    if (k->sync.link || k->sync_step) {
        core_ask_cancel(&k->sync);
        k->sync_step = 0;
        k->sync_due = true;
    }
    if (!was_active)
        return;
    core_ask_cancel(&k->save);
    k->active = -1;
    attest_reset(k);
    domains_reset(k);
    struct keeper_core *other = &k->cores[1 - (core - k->cores)];
    if (other->state == CORE_RUNNING && (in_step || !k->has_seal_key))
        become_active(k, other, true);
    else if (other->state == CORE_RUNNING)
        start_anew(k, other);
}

static struct keeper_core *core_of(struct keeper *k, const struct core_link *link)
{
    return link == k->cores[0].link ? &k->cores[0] : &k->cores[1];
}

void keeper_link_up(struct keeper *k, struct core_link *link, bool serves)
{
    if (k->stopping)
        return;
    if (core_link_is_keeper(link))
        core_start(core_of(k, link));
    else
        worker_begin(k, link, serves);
}

void keeper_link_down(struct keeper *k, struct core_link *link)
{
    if (!core_link_is_keeper(link))
        worker_end(k, link);
    else if (!k->stopping)
        core_ended(core_of(k, link));
}

/* --- the whole --- */

struct keeper *keeper_open(const struct keeper_options *options)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->options = *options;
    k->active = -1;
    k->job_watch.fd = -1;
    TAILQ_INIT(&k->waits);
    TAILQ_INIT(&k->nonce_waits);
    TAILQ_INIT(&k->nonce_now);
    TAILQ_INIT(&k->domains);
    TAILQ_INIT(&k->workers);
    TAILQ_INIT(&k->grants);
    for (unsigned i = 0; i < options->keepers; i++) {
        k->cores[i].keeper = k;
        k->cores[i].link = core_link_open_keeper(options->hub);
        if (!k->cores[i].link) {
            keeper_stop(k);
            keeper_free(k);
            return NULL;
        }
    }
    struct tfaas_error error = {.text = ""};
    if (keeper_job(k, EVIDENCE_SEAL_KEY, NULL, &error) != TFAAS_OK) {
        options->log("no seal key: %s", error.text);
        k->seal_known = true;
    }
    return k;
}

void keeper_stop(struct keeper *k)
{
    k->stopping = true;
    if (k->job) {
        struct evidence_job *job = k->job;
        job_end(k);
        evidence_abandon(job);
    }
    core_ask_cancel(&k->save);
    core_ask_cancel(&k->sync);
    core_ask_cancel(&k->cores[0].start);
    core_ask_cancel(&k->cores[1].start);
    publish_stop(k);
    workers_stop(k);
}

void keeper_free(struct keeper *k)
{
    sodium_memzero(k->seal_key, sizeof k->seal_key);
    free(k);
}

/* The first that can be; the other one only beside it. */
static void cores_tick(struct keeper *k)
{
    for (unsigned i = 0; i < k->options.keepers; i++) {
        struct keeper_core *core = &k->cores[i], *other = &k->cores[1 - i];
        struct tfaas_error error;
        if (core_link_up(core->link))
            continue;
        if (k->active < 0 && other->link && core_link_up(other->link))
            continue;
        /* A failure was told, and the next try is farther away. */
        (void)!core_function_load(core->link, NULL, &error);
    }
}

void keeper_tick(struct keeper *k)
{
    if (k->stopping || !k->seal_known)
        return;
    cores_tick(k);
    if (k->save_due)
        keeper_save(k);
    if (k->sync_due)
        keeper_sync(k);
    workers_tick(k);
    grants_tick(k);
    attest_tick(k);
    domains_tick(k);
}

int keeper_timeout_ms(const struct keeper *k)
{
    return k->stopping ? -1
           : k->active < 0 || !TAILQ_EMPTY(&k->grants) || k->attest != ATTEST_IDLE
               ? (int)(TICK_NS / NS_PER_MS)
               : 1000;
}

void keeper_numbers(const struct keeper *k, struct keeper_numbers *n)
{
    *n = (struct keeper_numbers){.fetched = k->fetched,
                                 .leases = k->leases,
                                 .handovers = k->handovers,
                                 .lost = k->lost,
                                 .epoch = k->has_statement ? k->epoch : 0,
                                 .active = k->active >= 0,
                                 .standby = k->active >= 0 &&
                                            k->cores[1 - k->active].state == CORE_RUNNING};
    if (k->has_statement)
        memcpy(n->measurement, k->measurement, sizeof n->measurement);
}

const char *keeper_source(const struct keeper *k)
{
    return k->options.source->name;
}
