/*
 * core_link.c - the life of a link: starting and ending its core, deadlines, idle times. What goes
 * through a link is core_calls.c and core_messages.c. Must never wait for a core.
 */
#include "core_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void link_down(struct core_link *link);

void link_awake(struct core_link *link)
{
    if (link->is_awake)
        return;
    link->is_awake = true;
    if (link->state == LINK_UP)
        ring_awake(&link->rx);
    TAILQ_INSERT_TAIL(&link->hub->awake, link, awake_entry);
}

/* The core is ended by the next core_hub_run, so that no callback runs inside a caller's call. */
void link_doom(struct core_link *link, const char *format, ...)
{
    if (link->doomed)
        return;
    link->doomed = true;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(link->doom, sizeof link->doom, format, args);
    va_end(args);
    link_awake(link);
}

void link_ring(struct core_link *link)
{
    uint64_t one = 1;
    /* EAGAIN: the counter is full, so the core has been rung. */
    ssize_t written = write(link->worker.ring_fd, &one, sizeof one);
    (void)written;
}

void link_flush(struct core_link *link)
{
    if (ring_flush(&link->tx))
        link_ring(link);
}

/* --- core up, core down --- */

static void on_bell(struct watch *watch)
{
    struct core_link *link =
        (struct core_link *)(void *)((char *)watch - offsetof(struct core_link, bell));
    link->due = true; /* the bell may mean room */
    link_awake(link);
}

static void on_exit_fd(struct watch *watch)
{
    struct core_link *link =
        (struct core_link *)(void *)((char *)watch - offsetof(struct core_link, exit));
    char how[160] = "";
    (void)link_drain(link); /* its last words */
    link->hub->ops->ended(link->hub->tender, &link->worker, how, sizeof how);
    link_doom(link, "ended: %s", how);
}

/* The first failure costs nothing: the next call starts a core at once. */
static void back_off(struct core_link *link, bool stable)
{
    link->not_before_ns = link->hub->now_ns + (stable ? 0 : link->backoff_ns);
    if (stable)
        link->backoff_ns = 0;
    else if (link->backoff_ns == 0)
        link->backoff_ns = CORE_BACKOFF_MIN_NS;
    else if (link->backoff_ns < CORE_BACKOFF_MAX_NS)
        link->backoff_ns *= 2;
}

tfaas_status_t link_up(struct core_link *link, struct tfaas_error *error)
{
    struct core_hub *hub = link->hub;
    if (hub->unavailable)
        return error_set(error, TFAAS_UNAVAILABLE, "%s", hub->unavailable);
    if (link->state == LINK_UP)
        return link->doomed ? error_set(error, TFAAS_UNAVAILABLE, "core is being restarted")
                            : TFAAS_OK;
    if (hub->now_ns < link->not_before_ns)
        return error_set(error, TFAAS_UNAVAILABLE, "core failed repeatedly, next start in %llu ms",
                         (unsigned long long)((link->not_before_ns - hub->now_ns) / NS_PER_MS + 1));
    if (hub->ops->launch(hub->tender, link->role, link->domain, &link->worker, error) != TFAAS_OK) {
        back_off(link, false);
        hub->owner->event(link->domain, error->text);
        return error_set(error, TFAAS_UNAVAILABLE, "cannot start a core for %s",
                         link->role == TENDER_KEEPER ? "a keeper" : link->domain);
    }
    ring_tx_init(&link->tx, link->worker.window, true);
    ring_rx_init(&link->rx, link->worker.window, true);
    link->state = LINK_UP;
    link->ready = link->doomed = link->due = link->draining = false;
    link->launched_ns = link->idle_since_ns = hub->now_ns;
    hub->launches++;
    hub->links_up++;
    hub->keepers_up += link->role == TENDER_KEEPER;
    struct tfaas_slot configure = {.kind = TFAAS_CONFIGURE};
    if (!loop_add(hub->loop, &link->bell, link->worker.bell_fd, true) ||
        !loop_add(hub->loop, &link->exit, link->worker.exit_fd, false) ||
        ring_send(&link->tx, &configure, NULL, 0) != TFAAS_OK) {
        link_down(link);
        return error_set(error, TFAAS_UNAVAILABLE, "cannot watch the core for %s", link->domain);
    }
    link_awake(link);
    return TFAAS_OK;
}

static void link_down(struct core_link *link)
{
    struct core_hub *hub = link->hub;
    loop_remove(hub->loop, &link->bell);
    loop_remove(hub->loop, &link->exit);
    hub->ops->destroy(hub->tender, &link->worker);
    link->state = LINK_DOWN;
    link->doomed = link->ready = link->draining = false;
    hub->links_up--;
    hub->keepers_up -= link->role == TENDER_KEEPER;
    questions_lose(link);
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++) {
        struct core_slot *slot = &link->slots[i];
        struct core_call *call = slot->call;
        if (!slot->used)
            continue;
        slot_release(link, slot);
        if (!call)
            continue;
        call->state = CORE_CALL_ENDED;
        call->status = TFAAS_CORE_LOST;
        (void)snprintf(call->reason, sizeof call->reason, "%.150s", link->doom);
        TAILQ_INSERT_TAIL(&link->ended, call, entry);
    }
    hub->work -= link->loading;
    link->loading = 0;
    struct core_load *load;
    while ((load = TAILQ_FIRST(&link->loads))) {
        TAILQ_CONCAT(&link->queue, &load->waiting, entry);
        if (load->function) {
            if (load->state == LOAD_ASKING)
                hub->owner->bundle_cancel(load->function);
            load->function->load = NULL;
        }
        load_free(load);
    }
    if (hub->owner->down)
        hub->owner->down(link);
}

static void deliver_ended(struct core_link *link)
{
    struct core_call *call;
    while ((call = TAILQ_FIRST(&link->ended))) {
        TAILQ_REMOVE(&link->ended, call, entry);
        link->hub->owner->end(call);
    }
    questions_deliver(link);
}

static void link_fail(struct core_link *link)
{
    struct core_hub *hub = link->hub;
    hub->lost++;
    hub->owner->event(link->domain, link->doom);
    back_off(link, hub->now_ns - link->launched_ns >= CORE_STABLE_NS);
    /* A deploy that is being tried must hear of it: the function never became ready. */
    struct core_load *load, *next;
    for (load = TAILQ_FIRST(&link->loads); load; load = next) {
        next = TAILQ_NEXT(load, entry); /* one that waits for its bundle may go */
        if (load->function && load->state <= LOAD_SENT)
            hub->owner->loaded(load->function, TFAAS_CORE_LOST, link->doom);
    }
    link_down(link);
}

static struct core_link *open_as(struct core_hub *hub, enum tender_role role, const char *domain)
{
    struct core_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->hub = hub;
    link->role = role;
    (void)snprintf(link->domain, sizeof link->domain, "%s", domain);
    TAILQ_INIT(&link->queue);
    TAILQ_INIT(&link->ended);
    TAILQ_INIT(&link->loads);
    TAILQ_INIT(&link->questions);
    TAILQ_INIT(&link->lost);
    link->bell = (struct watch){.fd = -1, .ready = on_bell};
    link->exit = (struct watch){.fd = -1, .ready = on_exit_fd};
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        link->free_slots[link->free_count++] = (uint8_t)(TFAAS_INFLIGHT_MAX - 1 - i);
    TAILQ_INSERT_TAIL(&hub->links, link, entry);
    return link;
}

struct core_link *core_link_open(struct core_hub *hub, const char *domain)
{
    return open_as(hub, TENDER_WORKER, domain);
}

struct core_link *core_link_open_keeper(struct core_hub *hub)
{
    return open_as(hub, TENDER_KEEPER, "");
}

void core_link_kill(struct core_link *link, const char *reason)
{
    if (link->state == LINK_UP)
        link_doom(link, "%s", reason);
}

void core_link_restart(struct core_link *link, const char *reason)
{
    if (link->state != LINK_UP || link->draining)
        return;
    link->draining = true;
    link->drain_until_ns = link->hub->now_ns + CORE_DRAIN_NS;
    link->hub->owner->event(link->domain, reason);
    link_awake(link);
}

void core_link_retire(struct core_link *link, struct core_link *successor)
{
    struct core_call *call;
    TAILQ_FOREACH(call, &link->queue, entry)
    {
        call->link = successor;
    }
    TAILQ_CONCAT(&successor->queue, &link->queue, entry);
    successor->queued += link->queued;
    successor->hub->work += link->queued;
    link->hub->work -= link->queued;
    link->queued = 0;
    link->retiring = true;
    link_awake(link);
    link_awake(successor);
}

static bool retired(const struct core_link *link)
{
    return link->retiring && (link->state == LINK_DOWN ||
                              (link->free_count == TFAAS_INFLIGHT_MAX && link->loading == 0));
}

/* Nothing runs in it any more, or it may not run longer. The queue goes on in the next core. */
static bool drained(const struct core_link *link)
{
    return link->draining && !link->doomed && !link->retiring &&
           ((link->free_count == TFAAS_INFLIGHT_MAX && link->loading == 0) ||
            link->hub->now_ns > link->drain_until_ns);
}

static void link_replace(struct core_link *link)
{
    struct core_load *load, *next;
    (void)snprintf(link->doom, sizeof link->doom, "was replaced");
    for (load = TAILQ_FIRST(&link->loads); load; load = next) {
        next = TAILQ_NEXT(load, entry);
        if (load->function && load->state <= LOAD_SENT)
            link->hub->owner->loaded(load->function, TFAAS_CORE_LOST, link->doom);
    }
    link_down(link);
    link->not_before_ns = 0;
    struct tfaas_error error; /* what waits tries again, and names it */
    (void)!link_up(link, &error);
    link_pump(link);
}

void core_link_close(struct core_link *link)
{
    link->closing = true;
    link_awake(link);
}

static void link_free(struct core_link *link)
{
    if (link->doom[0] == 0)
        (void)snprintf(link->doom, sizeof link->doom, "core was stopped");
    if (link->state == LINK_UP)
        link_down(link);
    questions_lose(link);
    struct core_call *call;
    while ((call = TAILQ_FIRST(&link->queue)))
        queue_fail(link, &link->queue, call, TFAAS_UNAVAILABLE, link->doom);
    deliver_ended(link);
    if (link->is_awake)
        TAILQ_REMOVE(&link->hub->awake, link, awake_entry);
    TAILQ_REMOVE(&link->hub->links, link, entry);
    free(link);
}

bool core_link_up(const struct core_link *link)
{
    return link->state == LINK_UP;
}

bool core_link_ready(const struct core_link *link)
{
    return link->state == LINK_UP && link->ready && !link->doomed && !link->closing;
}

bool core_link_is_keeper(const struct core_link *link)
{
    return link->role == TENDER_KEEPER;
}

struct core_hub *core_link_hub(struct core_link *link)
{
    return link->hub;
}

const char *core_link_domain(const struct core_link *link)
{
    return link->domain;
}

void core_link_set_user(struct core_link *link, void *user)
{
    link->user = user;
}

void *core_link_user(const struct core_link *link)
{
    return link->user;
}

uint32_t core_link_calls(const struct core_link *link)
{
    return TFAAS_INFLIGHT_MAX - link->free_count + link->queued;
}

uint32_t core_link_functions(const struct core_link *link)
{
    return link->load_count;
}

/* --- hub --- */

void core_hub_init(struct core_hub *hub, const struct tender_ops *ops, struct tender *tender,
                   struct loop *loop, const struct core_owner *owner)
{
    *hub = (struct core_hub){.ops = ops,
                             .tender = tender,
                             .loop = loop,
                             .owner = owner,
                             .function_idle_ns = CORE_FUNCTION_IDLE_NS,
                             .queue_max = CORE_QUEUE_MAX,
                             .now_ns = loop_now_ns()};
    TAILQ_INIT(&hub->links);
    TAILQ_INIT(&hub->awake);
}

bool core_hub_run(struct core_hub *hub)
{
    bool more = false;
    struct core_link *link, *next;
    for (link = TAILQ_FIRST(&hub->awake); link; link = next) {
        next = TAILQ_NEXT(link, awake_entry);
        if (link->state == LINK_UP && !link->doomed && !link->closing) {
            more |= link_drain(link);
            link_pump(link);
        }
        if (link->doomed && link->state == LINK_UP)
            link_fail(link);
        else if (link->state == LINK_UP && !link->closing && drained(link))
            link_replace(link);
        deliver_ended(link);
        if (link->closing || retired(link))
            link_free(link);
    }
    return more;
}

bool core_hub_sleep(struct core_hub *hub)
{
    struct core_link *link, *next;
    for (link = TAILQ_FIRST(&hub->awake); link; link = next) {
        next = TAILQ_NEXT(link, awake_entry);
        if (link->state == LINK_UP && !link->closing)
            link_pump(link); /* calls and credit of this turn: some may end by it */
        if (link->closing || link->doomed || !TAILQ_EMPTY(&link->ended) ||
            !TAILQ_EMPTY(&link->lost))
            return false;
        if (link->state == LINK_UP && !ring_sleep(&link->rx))
            return false;
        link->is_awake = false;
        TAILQ_REMOVE(&hub->awake, link, awake_entry);
    }
    return true;
}

/* Time in which this process did not run is none that a core was slow in: what it said meanwhile
 * has not been read yet. */
static void forgive(struct core_link *link, uint64_t away_ns)
{
    uint64_t *const since[] = {&link->launched_ns, &link->progress_ns, &link->asked_ns};
    const uint64_t now = link->hub->now_ns;
    for (size_t i = 0; i < sizeof since / sizeof *since; i++)
        *since[i] = now - *since[i] > away_ns ? *since[i] + away_ns : now;
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        link->slots[i].backstop_ns += away_ns;
}

static void tick_up(struct core_link *link)
{
    struct core_hub *hub = link->hub;
    uint64_t now = hub->now_ns;
    if (!link->ready && now - link->launched_ns > CORE_READY_NS)
        link_doom(link, "did not become ready in %llu s", CORE_READY_NS / NS_PER_S);
    if (link->loading && now - link->progress_ns > CORE_LOAD_NS)
        link_doom(link, "did not load a function in %llu s", CORE_LOAD_NS / NS_PER_S);
    if (link->asking && !link->loading && now - link->asked_ns > CORE_ANSWER_NS)
        link_doom(link, "is stuck: it did not answer a call to its keys in %llu s",
                  CORE_ANSWER_NS / NS_PER_S);
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX && !link->loading; i++)
        if (link->slots[i].used && now > link->slots[i].backstop_ns)
            link_doom(link, "is stuck: a call passed its deadline and did not end");
    struct core_load *load, *next;
    for (load = TAILQ_FIRST(&link->loads); load; load = next) {
        next = TAILQ_NEXT(load, entry);
        if (now - load->last_used_ns < hub->function_idle_ns)
            break;
        if (load->function && load->running == 0 && load->state >= LOAD_READY)
            load_forget(load);
    }
    if (link->draining)
        link_awake(link);
    if (link->role == TENDER_WORKER && link->load_count == 0 && link->queued == 0 &&
        link->free_count == TFAAS_INFLIGHT_MAX && now - link->idle_since_ns > CORE_IDLE_NS &&
        !link->doomed)
        link_down(link);
}

static void tick_waiting(struct core_link *link)
{
    struct core_call *call, *next;
    for (call = TAILQ_FIRST(&link->queue); call; call = next) {
        next = TAILQ_NEXT(call, entry);
        if (link->hub->now_ns > call->give_up_ns)
            queue_fail(link, &link->queue, call, TFAAS_DEADLINE, "waited for a place in the core");
    }
}

void core_hub_tick(struct core_hub *hub)
{
    struct core_link *link;
    const int due_ms = core_hub_timeout_ms(hub);
    const uint64_t late = hub->ticked_ns + CORE_TICKS_MISSED * (uint64_t)due_ms * NS_PER_MS;
    const bool away = hub->ticked_ns && due_ms > 0 && hub->now_ns > late;
    hub->ticked_ns = hub->now_ns;
    TAILQ_FOREACH(link, &hub->links, entry)
    {
        if (link->state == LINK_UP && away)
            forgive(link, hub->now_ns - late);
        if (link->state == LINK_UP)
            tick_up(link);
        if (link->queued) {
            struct core_call *call;
            struct tfaas_error error;
            tick_waiting(link);
            if (link->state == LINK_DOWN && !TAILQ_EMPTY(&link->queue) &&
                link_up(link, &error) != TFAAS_OK && link->backoff_ns > NS_PER_S)
                while ((call = TAILQ_FIRST(&link->queue)))
                    queue_fail(link, &link->queue, call, TFAAS_UNAVAILABLE, error.text);
            link_awake(link);
        }
    }
}

int core_hub_timeout_ms(const struct core_hub *hub)
{
    return hub->work ? (int)(TICK_NS / NS_PER_MS) : hub->links_up ? 1000 : -1;
}

void core_hub_close(struct core_hub *hub)
{
    struct core_link *link;
    while ((link = TAILQ_FIRST(&hub->links)))
        link_free(link);
}
