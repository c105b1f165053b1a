/*
 * core_messages.c - what a core says, checked. Nothing of a message is used before it was found to
 * be allowed now; a message that is not allowed ends the core, never the daemon.
 */
#include "core_internal.h"

#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 sequence at `s`, 0 when it is not well-formed (RFC 3629). */
static size_t utf8_length(const uint8_t *s, size_t size)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (length == 0 || s[0] > 0xf4 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

size_t text_clean(char *to, size_t capacity, const uint8_t *from, size_t size)
{
    size_t out = 0, at = 0;
    while (at < size) {
        size_t length = utf8_length(from + at, size - at);
        bool good = length > 1 ||
                    (length == 1 && (from[at] >= 0x20 || from[at] == '\t') && from[at] != 0x7f);
        size_t step = length ? length : 1, need = good ? length : 1;
        if (out + need >= capacity)
            break;
        if (good)
            memcpy(to + out, from + at, length);
        else
            to[out] = '?';
        out += need;
        at += step;
    }
    to[out] = 0;
    return out;
}

/* The same for several lines: line ends stay. */
static void lines_clean(char *to, size_t capacity, const uint8_t *from, size_t size)
{
    size_t out = 0;
    while (size > 0 && out + 1 < capacity) {
        const uint8_t *stop = memchr(from, '\n', size);
        size_t line = stop ? (size_t)(stop - from) : size;
        out += text_clean(to + out, capacity - out, from, line);
        if (stop && line + 1 < size && out + 1 < capacity)
            to[out++] = '\n';
        from += line + (stop ? 1 : 0);
        size -= line + (stop ? 1 : 0);
    }
    to[out] = 0;
}

static struct core_load *load_by_id(struct core_link *link, uint32_t id)
{
    struct core_load *load;
    TAILQ_FOREACH(load, &link->loads, entry)
    {
        if (load->id == id)
            return load;
    }
    return NULL;
}

static struct core_slot *slot_by_id(struct core_link *link, uint32_t id)
{
    struct core_slot *slot = &link->slots[id % TFAAS_INFLIGHT_MAX];
    return slot->used && slot->id == id ? slot : NULL;
}

bool link_refuse(struct core_link *link, const char *what, const struct tfaas_slot *m)
{
    link_doom(link, "broke the window protocol: %s (kind %u, id %u)", what, m->kind, m->id);
    return false;
}

static bool on_ready(struct core_link *link, const struct tfaas_slot *m)
{
    if (link->ready)
        return link_refuse(link, "a second READY", m);
    if (m->arg[0] != TFAAS_ABI_VERSION) {
        link_doom(link, "speaks window ABI version %llu, this daemon speaks %u",
                  (unsigned long long)m->arg[0], TFAAS_ABI_VERSION);
        return false;
    }
    link->ready = true;
    if (link->hub->owner->up)
        link->hub->owner->up(link);
    return true;
}

void load_drop_cache(struct core_load *load)
{
    free(load->cache);
    load->cache = NULL;
    load->cache_size = load->cache_at = 0;
}

/* Only a core that was asked, only while it loads, in order and within the bound it named first. */
static bool on_cache(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    struct core_load *load = load_by_id(link, m->id);
    uint64_t total = m->arg[0];
    if (!load || !load->wants_cache || load->state != LOAD_SENT)
        return link_refuse(link, "CACHE that was not asked for", m);
    if (m->flags != 0 || m->size == 0 || total == 0 || total > TFAAS_CACHE_MAX ||
        m->arg[1] != load->cache_at || m->size > total - load->cache_at ||
        (load->cache_at > 0 && total != load->cache_size))
        return link_refuse(link, "malformed CACHE", m);
    if (load->cache_at == 0) {
        load->cache = malloc((size_t)total);
        load->cache_size = (size_t)total;
    }
    if (load->cache) /* without memory for it the function works as well */
        memcpy(load->cache + load->cache_at, payload, m->size);
    load->cache_at += m->size;
    return true;
}

static bool on_loaded(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    struct core_load *load = load_by_id(link, m->id);
    if (load && load->unload_sent && load->state >= LOAD_READY) {
        if (m->arg[0] != TFAAS_CANCELLED || load->running)
            return link_refuse(link, "UNLOAD answered wrongly", m);
        load_free(load);
        return true;
    }
    if (!load || (load->state != LOAD_SENDING && load->state != LOAD_SENT))
        return link_refuse(link, "LOADED for nothing that is being loaded", m);
    if (m->arg[0] >= TFAAS_STATUS_COUNT)
        return link_refuse(link, "unknown status", m);
    tfaas_status_t status = (tfaas_status_t)m->arg[0];
    if (status == TFAAS_OK && load->state == LOAD_SENDING)
        return link_refuse(link, "LOADED before the bundle was complete", m);
    if (m->arg[4] >= TFAAS_CODE_COUNT || (status == TFAAS_OK && load->cache_at != load->cache_size))
        return link_refuse(link, "LOADED with an unknown code or before CACHE was complete", m);
    char text[CORE_TEXT_MAX];
    lines_clean(text, sizeof text, payload, m->size);
    uint64_t now = link->hub->now_ns, spent = now - link->progress_ns;
    link->progress_ns = link->asked_ns = now;
    link->loading--;
    link->hub->work--;
    /* A core that compiles runs nothing else: that time is not the calls' fault. */
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        if (link->slots[i].used)
            link->slots[i].backstop_ns += spent;
    load->state = status == TFAAS_OK ? LOAD_READY : LOAD_FAILED;
    load->status = status;
    load->failed_ns = now;
    /* What was waiting for the rest of the bundle finds the outcome when the queue is served. */
    TAILQ_CONCAT(&link->queue, &load->waiting, entry);
    link->hub->loads[m->arg[4]]++;
    if (load->function) {
        load->function->code = (enum tfaas_code)m->arg[4];
        if (status == TFAAS_OK && load->cache)
            link->hub->owner->cache(load->function, load->cache, load->cache_size);
    }
    load_drop_cache(load);
    if (load->function)
        link->hub->owner->loaded(load->function, status, text);
    return true;
}

static bool on_log(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    struct core_load *load;
    if (m->flags & TFAAS_ON_LOAD) {
        load = load_by_id(link, m->id);
    } else {
        struct core_slot *slot = slot_by_id(link, m->id);
        load = slot ? slot->load : NULL;
        if (slot && slot->any) { /* the core alone knows whose it is; it may tell */
            load = load_by_id(link, m->arg[0] < TFAAS_FUNCTIONS_MAX ? (uint32_t)m->arg[0] : 0);
            if (!load)
                return true;
        }
    }
    if (!load)
        return link_refuse(link, "LOG for an unknown id", m);
    if (!load->function)
        return true;
    const uint8_t *at = payload, *end = payload + m->size;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        char line[CORE_TEXT_MAX];
        size_t clean = text_clean(line, sizeof line, at, size);
        link->hub->owner->log(load->function, line, clean);
        at += size + 1;
    }
    return true;
}

static bool on_credit(struct core_link *link, const struct tfaas_slot *m)
{
    struct core_slot *slot = slot_by_id(link, m->id);
    if (!slot)
        return link_refuse(link, "CREDIT for an unknown id", m);
    if (m->size != 0 || m->flags != TFAAS_CREDIT || m->arg[0] < slot->allowed ||
        m->arg[0] > UINT64_MAX / 2)
        return link_refuse(link, "malformed CREDIT", m);
    slot->allowed = m->arg[0];
    if (slot->call && slot->call->wants_room) {
        slot->call->wants_room = false;
        link->hub->owner->room(slot->call);
    }
    return true;
}

static void end_call(struct core_link *link, struct core_slot *slot, const struct tfaas_slot *m)
{
    struct core_call *call = slot->call;
    slot_release(link, slot);
    if (!call)
        return;
    call->state = CORE_CALL_ENDED;
    call->status = (tfaas_status_t)m->arg[0];
    call->work = m->arg[1];
    call->peak_memory = m->arg[2];
    call->cpu_ns = m->arg[3];
    call->restored_pages = m->arg[4];
    call->inner = call->status == TFAAS_OK ? (tfaas_status_t)m->arg[5] : call->status;
    link->hub->owner->end(call);
}

/* The one METER with a payload: the function that a sealed request named and that is not loaded. */
static bool on_misdirected(struct core_link *link, struct core_slot *slot,
                           const struct tfaas_slot *m, const uint8_t *payload)
{
    if (!(m->flags & TFAAS_END) || !slot->any || m->arg[0] != TFAAS_MISDIRECTED || m->size > 63)
        return link_refuse(link, "METER with a payload", m);
    if (slot->call)
        (void)text_clean(slot->call->reason, sizeof slot->call->reason, payload, m->size);
    return true;
}

/* RESPONSE, BODY without CREDIT, METER */
static bool on_stream(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    struct core_slot *slot = slot_by_id(link, m->id);
    if (!slot)
        return link_refuse(link, "unknown invocation", m);
    bool end = (m->flags & TFAAS_END) != 0, last = (m->flags & TFAAS_LAST) != 0;
    if (m->flags & ~(uint32_t)(TFAAS_END | TFAAS_LAST))
        return link_refuse(link, "flags that do not belong here", m);
    if (end && m->arg[0] >= TFAAS_STATUS_COUNT)
        return link_refuse(link, "unknown status", m);
    if (end && slot->sealed && m->arg[0] == TFAAS_OK && m->arg[5] >= TFAAS_STATUS_COUNT)
        return link_refuse(link, "unknown status of a sealed response", m);
    if (m->kind == TFAAS_METER) {
        if (!end)
            return link_refuse(link, "METER that ends nothing", m);
        if (m->size && !on_misdirected(link, slot, m, payload))
            return false;
    } else if (m->kind == TFAAS_RESPONSE) {
        if (slot->response_started || m->size == 0)
            return link_refuse(link, "RESPONSE twice or empty", m);
        slot->response_started = true;
    } else if (!slot->response_started || slot->response_last || (!m->size && !last && !end)) {
        return link_refuse(link, "BODY out of place", m);
    }
    slot->response_last |= last;
    slot->received += m->kind == TFAAS_METER ? 0 : m->size;
    if (slot->received > slot->granted)
        return link_refuse(link, "more response than credit", m);
    if (end && m->arg[0] == TFAAS_OK && !slot->response_started && !slot->cancelled)
        return link_refuse(link, "OK without a response", m);
    if (m->size && slot->call && m->kind != TFAAS_METER)
        link->hub->owner->data(slot->call, payload, m->size);
    if (end)
        end_call(link, slot, m);
    return true;
}

static bool on_message(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    if (m->kind == TFAAS_FAULT) {
        char text[160];
        (void)text_clean(text, sizeof text, payload, m->size);
        link_doom(link, "gave up: %s", text);
        return false;
    }
    if (m->kind == TFAAS_READY)
        return on_ready(link, m);
    if (!link->ready)
        return link_refuse(link, "a message before READY", m);
    switch (m->kind) {
    case TFAAS_LOADED:
        return on_loaded(link, m, payload);
    case TFAAS_CACHE:
        return on_cache(link, m, payload);
    case TFAAS_LOG:
        return on_log(link, m, payload);
    case TFAAS_ANSWER:
        return questions_answer(link, m, payload);
    case TFAAS_BODY:
        return m->flags & TFAAS_CREDIT ? on_credit(link, m) : on_stream(link, m, payload);
    case TFAAS_RESPONSE:
    case TFAAS_METER:
        return on_stream(link, m, payload);
    default:
        return link_refuse(link, "unknown message", m);
    }
}

bool link_drain(struct core_link *link)
{
    /* One thread, and no callback comes back in here: one buffer serves all links. */
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    uint32_t count = 0;
    while (!link->doomed && count < CORE_DRAIN_MESSAGES) {
        struct tfaas_slot message;
        tfaas_status_t status = ring_receive(&link->rx, &message, payload);
        if (status == TFAAS_NOT_FOUND)
            break;
        if (status != TFAAS_OK)
            link_doom(link, "broke the window protocol: ring");
        else if (on_message(link, &message, payload) && ++count % 32 == 0 &&
                 ring_release(&link->rx))
            link_ring(link);
    }
    if (!link->doomed && ring_release(&link->rx))
        link_ring(link);
    return count == CORE_DRAIN_MESSAGES;
}
