/*
 * autoscale.c - the replicas that OpenFaaS' own alert would ask for: more while calls come faster
 * than SCALE_CALLS_PER_S, the minimum once they do not. Replicas are numbers that clients look at:
 * this must never load, stop or delay a function, nor touch what the store holds.
 */
#include "daemon.h"

uint64_t autoscale_replicas(const struct function *f)
{
    uint64_t stored = f->stored.replicas;
    return stored && f->scale.raised > stored ? f->scale.raised : stored;
}

uint64_t autoscale_more(const struct function *f)
{
    uint64_t now = autoscale_replicas(f);
    uint64_t more = now + (f->max_replicas * f->factor + 99) / 100;
    return more < f->max_replicas ? more : now < f->max_replicas ? f->max_replicas : now;
}

/* Counts from the second look on that finds it so, as the alert waits for one period. */
static void look(struct function *f, uint64_t passed_ns)
{
    bool busy = f->metrics.total - f->scale.seen > SCALE_CALLS_PER_S * passed_ns / NS_PER_S;
    f->scale.seen = f->metrics.total;
    if (busy && f->scale.busy)
        f->scale.raised = autoscale_more(f);
    else if (!busy && !f->scale.busy)
        f->scale.raised = 0;
    f->scale.busy = busy;
    f->daemon->scale_due |= busy || f->scale.raised;
}

void autoscale_look(struct daemon *d)
{
    uint64_t passed = d->now_ns - d->scaled_ns;
    struct function *f;
    d->scaled_ns = d->now_ns;
    d->scale_due = false;
    TAILQ_FOREACH(f, &d->registry.functions, entry)
    look(f, passed);
}
