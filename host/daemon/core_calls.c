/*
 * core_calls.c - what goes to a core: bundles, invocations, content, credits. Must never wait for
 * room in a ring: what finds none stays in a bounded queue until the core has read.
 */
#include "core_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- loads --- */

static void load_wipe(struct core_load *load)
{
    if (load->bundle) {
        sodium_memzero(load->bundle, load->bundle_size); /* it holds secrets */
        free(load->bundle);
    }
    load->bundle = NULL;
}

void load_free(struct core_load *load)
{
    struct core_link *link = load->link;
    link->load_id_used[load->id] = false;
    TAILQ_REMOVE(&link->loads, load, entry);
    link->load_count--;
    load_wipe(load);
    load_drop_cache(load);
    free(load);
}

void load_forget(struct core_load *load)
{
    struct core_link *link = load->link;
    struct core_function *function = load->function;
    if (function)
        function->load = NULL;
    load->function = NULL;
    TAILQ_CONCAT(&link->queue, &load->waiting, entry);
    if (!load->in_core) { /* the core has not heard of it */
        if (load->state == LOAD_ASKING && function)
            link->hub->owner->bundle_cancel(function);
        load_free(load);
        link_awake(link);
        return;
    }
    load->unload_due = link->due = true;
    link_awake(link);
}

static void evict(struct core_link *link)
{
    struct core_load *load, *next;
    uint32_t kept = link->load_count;
    for (load = TAILQ_FIRST(&link->loads); load && kept >= CORE_FUNCTIONS_MAX; load = next) {
        next = TAILQ_NEXT(load, entry);
        kept--;
        if (load->function && load->running == 0 && load->state == LOAD_READY)
            load_forget(load);
    }
}

/* CORE_FUNCTIONS_MAX and what is being unloaded stay far below TFAAS_FUNCTIONS_MAX. */
static uint32_t load_id(struct core_link *link)
{
    do
        link->last_load_id = link->last_load_id % (TFAAS_FUNCTIONS_MAX - 1) + 1;
    while (link->load_id_used[link->last_load_id]);
    link->load_id_used[link->last_load_id] = true;
    return link->last_load_id;
}

static void load_begin(struct core_load *load)
{
    struct core_link *link = load->link;
    load->state = LOAD_SENDING;
    load->in_core = true;
    if (link->loading++ == 0)
        link->progress_ns = link->hub->now_ns;
    link->hub->work++;
}

static tfaas_status_t bundle_bounds(const struct core_load *load, struct tfaas_error *error)
{
    if (load->bundle_size != 0 && load->bundle_size <= TFAAS_LOAD_MAX)
        return TFAAS_OK;
    return error_set(error, TFAAS_TOO_LARGE,
                     "function with its secrets and environment is %zu bytes, the limit is %u",
                     load->bundle_size, TFAAS_LOAD_MAX);
}

static tfaas_status_t load_make(struct core_link *link, struct core_function *function,
                                struct tfaas_error *error)
{
    evict(link);
    if (link->load_count >= TFAAS_FUNCTIONS_MAX / 2)
        return error_set(error, TFAAS_BUSY, "%u functions are loaded or being unloaded",
                         link->load_count);
    struct core_load *load = calloc(1, sizeof *load);
    if (!load)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    tfaas_status_t status =
        link->hub->owner->bundle(function, &load->bundle, &load->bundle_size, error);
    if (status == TFAAS_OK && load->bundle)
        status = bundle_bounds(load, error);
    if (status != TFAAS_OK) {
        load_wipe(load);
        free(load);
        return status;
    }
    load->link = link;
    load->function = function;
    load->wants_cache = function->wants_cache;
    load->id = load_id(link);
    TAILQ_INIT(&load->waiting);
    TAILQ_INSERT_TAIL(&link->loads, load, entry);
    link->load_count++;
    function->load = load;
    if (load->bundle)
        load_begin(load);
    return TFAAS_OK;
}

void core_bundle_ready(struct core_function *function, tfaas_status_t status, uint8_t *bytes,
                       size_t size, const char *text)
{
    struct core_load *load = function->load;
    struct core_link *link = load->link;
    struct tfaas_error error = {.text = ""};
    char why[sizeof load->why];
    load->bundle = bytes;
    load->bundle_size = size;
    if (status == TFAAS_OK) {
        status = bundle_bounds(load, &error);
        text = error.text;
    }
    link_awake(link);
    if (status == TFAAS_OK) {
        load_begin(load);
        return;
    }
    load_wipe(load);
    load->state = LOAD_FAILED;
    load->status = status;
    load->failed_ns = link->hub->now_ns;
    (void)snprintf(load->why, sizeof load->why, "%.150s", text);
    TAILQ_CONCAT(&link->queue, &load->waiting, entry);
    memcpy(why, load->why, sizeof why); /* the owner may forget the load */
    link->hub->owner->loaded(function, status, why);
}

/* The function's load in `link`, made when there is none. */
static tfaas_status_t load_get(struct core_link *link, struct core_function *function,
                               struct core_load **out, struct tfaas_error *error)
{
    struct core_load *load = function->load;
    if (load && load->state == LOAD_FAILED) {
        if (link->hub->now_ns - load->failed_ns < CORE_RELOAD_NS)
            return error_set(error, load->status == TFAAS_OK ? TFAAS_INTERNAL : load->status, "%s",
                             load->why[0] ? load->why : "the function failed to load");
        load_forget(load);
        load = NULL;
    }
    if (!load) {
        tfaas_status_t status = load_make(link, function, error);
        if (status != TFAAS_OK)
            return status;
    }
    *out = function->load;
    (*out)->last_used_ns = link->hub->now_ns;
    if (TAILQ_NEXT(*out, entry)) {
        TAILQ_REMOVE(&link->loads, *out, entry);
        TAILQ_INSERT_TAIL(&link->loads, *out, entry);
    }
    return TFAAS_OK;
}

/* Sends pieces of the bundle. False: no room now. */
static bool load_send(struct core_link *link, struct core_load *load)
{
    if (load->bundle_at == 0) { /* what the function sees as the time while it is loaded */
        struct tfaas_slot clock = {.kind = TFAAS_CLOCK, .arg = {loop_realtime_ns()}};
        tfaas_status_t status = ring_send(&link->tx, &clock, NULL, 0);
        if (status == TFAAS_PEER_DEAD)
            link_doom(link, "broke the window protocol: ring");
        if (status != TFAAS_OK)
            return false;
    }
    while (load->bundle_at < load->bundle_size) {
        size_t left = load->bundle_size - load->bundle_at;
        size_t size = left < TFAAS_PAYLOAD_MAX ? left : TFAAS_PAYLOAD_MAX;
        struct tfaas_slot m = {
            .kind = TFAAS_LOAD, .flags = load->wants_cache ? TFAAS_WANT_CACHE : 0, .id = load->id};
        m.arg[0] = load->bundle_size;
        m.arg[1] = load->bundle_at;
        tfaas_status_t status = ring_send(&link->tx, &m, load->bundle + load->bundle_at, size);
        if (status == TFAAS_PEER_DEAD)
            link_doom(link, "broke the window protocol: ring");
        if (status != TFAAS_OK)
            return false;
        load->bundle_at += size;
        link->progress_ns = link->hub->now_ns;
    }
    load_wipe(load);
    load->state = LOAD_SENT;
    TAILQ_CONCAT(&link->queue, &load->waiting, entry);
    return true;
}

/* --- slots --- */

static struct core_slot *slot_take(struct core_link *link)
{
    if (link->free_count == 0)
        return NULL;
    uint32_t index = link->free_slots[--link->free_count];
    struct core_slot *slot = &link->slots[index];
    link->generation = (link->generation + 1) & ((1u << (32 - CALL_INDEX_BITS)) - 1);
    *slot = (struct core_slot){.used = true,
                               .id = link->generation << CALL_INDEX_BITS | index,
                               .allowed = TFAAS_STREAM_WINDOW,
                               .granted = TFAAS_STREAM_WINDOW};
    return slot;
}

void slot_release(struct core_link *link, struct core_slot *slot)
{
    slot->used = false;
    slot->call = NULL;
    link->free_slots[link->free_count++] = (uint8_t)(slot - link->slots);
    link->hub->work--;
    link->idle_since_ns = link->hub->now_ns;
    struct core_load *load = slot->load;
    slot->load = NULL;
    if (load)
        load->running--;
}

/* OK, or BUSY: no place or no room. */
static tfaas_status_t call_invoke(struct core_link *link, struct core_call *call,
                                  struct core_load *load, const uint8_t *head, size_t head_size,
                                  const uint8_t *body, size_t body_size, bool last)
{
    struct core_slot *slot = slot_take(link);
    if (!slot)
        return TFAAS_BUSY;
    struct tfaas_slot m = {
        .kind = TFAAS_INVOKE,
        .id = slot->id,
        .flags = (uint16_t)((last ? TFAAS_LAST : 0u) | (call->sealing ? TFAAS_SEALED : 0u)),
        .arg = {load ? load->id : TFAAS_FUNCTION_ANY, call->deadline_ns, loop_realtime_ns(),
                call->sealing}};
    tfaas_status_t status = ring_send2(&link->tx, &m, head, head_size, body, body_size);
    if (status != TFAAS_OK) {
        slot->used = false;
        link->free_slots[link->free_count++] = (uint8_t)(slot - link->slots);
        if (status == TFAAS_PEER_DEAD)
            link_doom(link, "broke the window protocol: ring");
        return TFAAS_BUSY;
    }
    slot->call = call;
    slot->load = load;
    slot->sealed = call->sealing != 0;
    slot->any = load == NULL;
    slot->sent = head_size + body_size;
    slot->backstop_ns = link->hub->now_ns + call->deadline_ns + CORE_GRACE_NS;
    if (load)
        load->running++;
    link->hub->work++;
    call->slot = (uint32_t)(slot - link->slots);
    call->state = CORE_CALL_RUNNING;
    return TFAAS_OK;
}

/* --- queue --- */

static void call_unwait(struct core_link *link, struct core_call *call)
{
    free(call->first);
    call->first = NULL;
    link->queued--;
    link->hub->work--;
}

/* From a list: the call is over; `end` is called by the next core_hub_run. */
void queue_fail(struct core_link *link, struct core_call_list *list, struct core_call *call,
                tfaas_status_t status, const char *reason)
{
    TAILQ_REMOVE(list, call, entry);
    call_unwait(link, call);
    call->state = CORE_CALL_ENDED;
    call->status = status;
    (void)snprintf(call->reason, sizeof call->reason, "%s", reason);
    TAILQ_INSERT_TAIL(&link->ended, call, entry);
    link_awake(link);
}

static void queue_pump(struct core_link *link)
{
    struct core_call *call;
    while (link->free_count && !link->draining && (call = TAILQ_FIRST(&link->queue))) {
        struct tfaas_error error;
        struct core_load *load = NULL;
        tfaas_status_t status = TFAAS_OK;
        if (call->function)
            status = load_get(link, call->function, &load, &error);
        if (status != TFAAS_OK) {
            call->load_failed = true;
            queue_fail(link, &link->queue, call, status, error.text);
            continue;
        }
        if (load && (load->state == LOAD_ASKING ||
                     (load->state == LOAD_SENDING && !load_send(link, load)))) {
            TAILQ_REMOVE(&link->queue, call, entry);
            TAILQ_INSERT_TAIL(&load->waiting, call, entry);
            continue;
        }
        status =
            call_invoke(link, call, load, call->first, call->first_size, NULL, 0, call->first_last);
        if (status != TFAAS_OK)
            return;
        TAILQ_REMOVE(&link->queue, call, entry);
        call_unwait(link, call);
        if (call->wants_room) {
            call->wants_room = false;
            link->hub->owner->room(call);
        }
    }
}

/* CANCEL, CREDIT and UNLOAD that found no room when they were due. */
static void due_pump(struct core_link *link)
{
    link->due = false;
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX && !link->due; i++) {
        struct core_slot *slot = &link->slots[i];
        if (!slot->used)
            continue;
        struct tfaas_slot m = {.id = slot->id};
        if (slot->cancel_due) {
            m.kind = TFAAS_CANCEL;
            link->due = ring_send(&link->tx, &m, NULL, 0) != TFAAS_OK;
            slot->cancel_due = link->due;
        } else if (slot->credit_due) {
            m.kind = TFAAS_BODY;
            m.flags = TFAAS_CREDIT;
            m.arg[0] = slot->granted;
            link->due = ring_send(&link->tx, &m, NULL, 0) != TFAAS_OK;
            slot->credit_due = link->due;
        }
        if (slot->call && slot->call->wants_room && slot->allowed > slot->sent) {
            slot->call->wants_room = false;
            link->hub->owner->room(slot->call);
        }
    }
    struct core_load *load;
    for (load = TAILQ_FIRST(&link->loads); load && !link->due; load = TAILQ_NEXT(load, entry)) {
        if (!load->unload_due || load->state <= LOAD_SENDING)
            continue;
        struct tfaas_slot m = {.kind = TFAAS_UNLOAD, .id = load->id};
        link->due = ring_send(&link->tx, &m, NULL, 0) != TFAAS_OK;
        load->unload_due = link->due;
        load->unload_sent = !link->due;
    }
    if (link->tx.dead)
        link_doom(link, "broke the window protocol: ring");
}

void link_pump(struct core_link *link)
{
    if (link->state != LINK_UP || link->doomed)
        return;
    if (link->due)
        due_pump(link);
    if (link->loading) {
        struct core_load *load;
        TAILQ_FOREACH(load, &link->loads, entry)
        {
            if (load->state == LOAD_SENDING && !load_send(link, load))
                break;
            /* Forgotten while it was sent: UNLOAD may follow now. */
            link->due |= load->unload_due;
        }
    }
    queue_pump(link);
    questions_pump(link);
    link_flush(link);
}

/* --- functions and calls --- */

tfaas_status_t core_function_load(struct core_link *link, struct core_function *function,
                                  struct tfaas_error *error)
{
    struct core_load *load;
    tfaas_status_t status = link_up(link, error);
    if (status == TFAAS_OK && function)
        status = load_get(link, function, &load, error);
    if (status == TFAAS_OK)
        link_pump(link);
    return status;
}

void core_function_forget(struct core_link *link, struct core_function *function, bool gone)
{
    if (function->load)
        load_forget(function->load);
    if (!gone)
        return;
    struct core_call *call, *next;
    for (call = TAILQ_FIRST(&link->queue); call; call = next) {
        next = TAILQ_NEXT(call, entry);
        if (call->function == function)
            queue_fail(link, &link->queue, call, TFAAS_NOT_FOUND, "the function was deleted");
    }
}

tfaas_status_t core_call_start(struct core_link *link, struct core_call *call,
                               struct core_function *function, const uint8_t *head,
                               size_t head_size, const uint8_t *body, size_t body_size, bool last,
                               struct tfaas_error *error)
{
    struct core_load *load = NULL;
    call->link = link;
    call->function = function;
    call->state = CORE_CALL_NEW;
    tfaas_status_t status = link_up(link, error);
    if (status != TFAAS_OK &&
        (status != TFAAS_UNAVAILABLE || link->backoff_ns > NS_PER_S || link->hub->unavailable))
        return status;
    if (status == TFAAS_OK) {
        if (function && !link->draining)
            status = load_get(link, function, &load, error);
        call->load_failed = status != TFAAS_OK;
        if (status != TFAAS_OK)
            return status;
        if (load && load->state == LOAD_SENDING)
            link_pump(link);
        if ((!load || load->state > LOAD_SENDING) && TAILQ_EMPTY(&link->queue) && !link->draining &&
            call_invoke(link, call, load, head, head_size, body, body_size, last) == TFAAS_OK) {
            link_awake(link); /* the next turn rings once for all calls of this one */
            return TFAAS_OK;
        }
    }
    if (link->queued >= link->hub->queue_max)
        return error_set(error, TFAAS_BUSY, "%u calls are waiting already", link->queued);
    call->first = malloc(head_size + body_size + 1);
    if (!call->first)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    if (head_size)
        memcpy(call->first, head, head_size);
    if (body_size)
        memcpy(call->first + head_size, body, body_size);
    call->first_size = head_size + body_size;
    call->first_last = last;
    call->give_up_ns = link->hub->now_ns + call->deadline_ns;
    call->state = CORE_CALL_WAITING;
    TAILQ_INSERT_TAIL(&link->queue, call, entry);
    link->queued++;
    link->hub->work++;
    link_awake(link);
    return TFAAS_OK;
}

size_t core_call_send(struct core_call *call, const uint8_t *bytes, size_t size, bool last)
{
    if (call->state != CORE_CALL_RUNNING) {
        call->wants_room = true;
        return 0;
    }
    struct core_link *link = call->link;
    struct core_slot *slot = &link->slots[call->slot];
    size_t taken = 0;
    bool empty = size == 0 && last;
    while (taken < size || empty) {
        uint64_t credit = slot->allowed - slot->sent;
        size_t piece = size - taken < TFAAS_PAYLOAD_MAX ? size - taken : TFAAS_PAYLOAD_MAX;
        if (piece > credit)
            piece = (size_t)credit;
        bool is_last = last && taken + piece == size;
        struct tfaas_slot m = {
            .kind = TFAAS_BODY, .id = slot->id, .flags = is_last ? TFAAS_LAST : 0};
        if ((piece == 0 && !empty) ||
            ring_send(&link->tx, &m, bytes ? bytes + taken : NULL, piece) != TFAAS_OK) {
            call->wants_room = true;
            break;
        }
        slot->sent += piece;
        taken += piece;
        if (empty) {
            taken = 1;
            break;
        }
    }
    link_flush(link);
    return taken;
}

void core_call_consumed(struct core_call *call, size_t size)
{
    if (call->state != CORE_CALL_RUNNING)
        return;
    struct core_link *link = call->link;
    struct core_slot *slot = &link->slots[call->slot];
    slot->consumed += size;
    uint64_t granted = slot->consumed + TFAAS_STREAM_WINDOW;
    if (granted - slot->granted < TFAAS_STREAM_WINDOW / 2)
        return;
    slot->granted = granted;
    slot->credit_due = link->due = true;
    link_awake(link); /* sent by the next core_hub_run */
}

void core_call_cancel(struct core_call *call)
{
    struct core_link *link = call->link;
    if (call->state == CORE_CALL_RUNNING) {
        struct core_slot *slot = &link->slots[call->slot];
        slot->call = NULL;
        slot->cancelled = slot->cancel_due = link->due = true;
        uint64_t limit = link->hub->now_ns + CORE_CANCEL_NS;
        if (slot->backstop_ns > limit)
            slot->backstop_ns = limit;
        link_awake(link);
    } else if (call->state == CORE_CALL_WAITING) {
        /* In the link's queue or its load's; removal needs the right head for the tail pointer. */
        struct core_load *load = call->function ? call->function->load : NULL;
        struct core_call *each;
        struct core_call_list *list = &link->queue;
        if (load)
            TAILQ_FOREACH(each, &load->waiting, entry) if (each == call) list = &load->waiting;
        TAILQ_REMOVE(list, call, entry);
        call_unwait(link, call);
    } else if (call->state == CORE_CALL_ENDED) {
        struct core_call *each;
        TAILQ_FOREACH(each, &link->ended, entry)
        {
            if (each == call) {
                TAILQ_REMOVE(&link->ended, call, entry);
                break;
            }
        }
    }
    call->state = CORE_CALL_NEW;
}
