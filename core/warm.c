/* warm.c - see warm.h. Must leave no function, no message and no timer behind. */
#include "warm.h"

#include "bhttp.h"
#include "bundle.h"
#include "loaded.h"
#include "message.h"
#include "package.h"
#include "plat/plat.h"
#include "random.h"
#include "ring.h"
#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

#define LOADS 3u /* until the last of them writes only pages that are known */
#define CALLS MEMORY_PROMOTE
#define LIMIT (64u << 20)

static const char handler[] = "module.exports = async (event, context) =>"
                              " context.status(200).headers({'content-type': 'application/json'})"
                              ".succeed(JSON.stringify({body: event.body}))";

static struct span text(const char *from)
{
    return (struct span){(const uint8_t *)from, strlen(from)};
}

static bool make_bundle(uint8_t **out, size_t *size, const char **why)
{
    struct package_file file = {text("handler.js"), text(handler)};
    struct bundle bundle = {.name = text("warm"),
                            .memory_limit = LIMIT,
                            .deadline_ns = UINT64_C(10000000000),
                            .response_limit = 4096,
                            .log_limit = 4096,
                            .hostcall_limit = 4096};
    uint8_t *package;
    tfaas_status_t status =
        package_write("js", "handler.js", &file, 1, &package, &bundle.package.size, why);
    if (status != TFAAS_OK)
        return false;
    bundle.package.data = package;
    status = bundle_write(&bundle, out, size);
    free(package);
    *why = "the warm-up's bundle cannot be written";
    return status == TFAAS_OK;
}

static size_t make_request(uint8_t *to, size_t size)
{
    static uint8_t scratch[BHTTP_HEAD_MAX];
    static const char body[] = "{\"a\":1}";
    struct bhttp_writer writer;
    bhttp_begin_request(&writer, to, size, scratch, sizeof scratch, text("POST"), text("http"),
                        text("warm"), text("/"));
    bhttp_field(&writer, text("content-type"), text("application/json"));
    size_t head = bhttp_end(&writer);
    if (head == 0 || head + sizeof body - 1 > size)
        return 0;
    memcpy(to + head, body, sizeof body - 1);
    return head + sizeof body - 1;
}

/* The host's side. */
struct host {
    struct ring_tx tx;
    struct ring_rx rx;
    uint8_t *payload; /* TFAAS_PAYLOAD_MAX bytes */
};

/* Sends a message and lets the core work until it has said `kind` or the end of a call with OK. */
static bool ask(struct host *host, struct tfaas_slot slot, const void *bytes, size_t size,
                unsigned kind)
{
    if (ring_send(&host->tx, &slot, bytes, size) != TFAAS_OK)
        return false;
    (void)ring_flush(&host->tx);
    const uint64_t end = plat_now_ns() + UINT64_C(60000000000);
    while (plat_now_ns() < end) {
        (void)message_handle(1);
        (void)sched_timers(plat_now_ns());
        (void)sched_run();
        message_flush();
        struct tfaas_slot said;
        while (ring_receive(&host->rx, &said, host->payload) == TFAAS_OK) {
            (void)ring_release(&host->rx);
            if (said.kind == kind || (said.flags & TFAAS_END) != 0)
                return said.arg[0] == TFAAS_OK || slot.kind == TFAAS_UNLOAD;
        }
    }
    return false;
}

static bool serve(struct host *host, const uint8_t *bundle, size_t bundle_size)
{
    uint8_t request[512];
    size_t request_size = make_request(request, sizeof request);
    const struct tfaas_slot load = {.kind = TFAAS_LOAD, .arg = {bundle_size, 0}};
    const struct tfaas_slot call = {
        .kind = TFAAS_INVOKE, .flags = TFAAS_LAST, .id = 1, .arg = {0, UINT64_C(10000000000)}};
    if (!runtime_prepare_spare())
        return false;
    for (unsigned i = runtime_is_learnt() ? LOADS - 2 : 0; i < LOADS; i++) {
        const bool last = i == LOADS - 1; /* what a copy does first: a rehearsal */
        if (last)
            plat_note_writes(true);
        if (!ask(host, load, bundle, bundle_size, TFAAS_LOADED))
            return false;
        for (unsigned k = 0; k < (last ? 1 : CALLS); k++) {
            if (!ask(host, call, request, request_size, TFAAS_METER))
                return false;
        }
        if (last)
            plat_note_writes(false);
        loaded_learn(0);
        if (!loaded_return_spare(0))
            return false;
        if (!ask(host, (struct tfaas_slot){.kind = TFAAS_UNLOAD}, NULL, 0, TFAAS_LOADED))
            return false;
    }
    return true;
}

bool core_warm(const char **why)
{
    bool ok = false;
    uint8_t *bundle = NULL;
    size_t bundle_size = 0;
    struct host host = {.payload = malloc(TFAAS_PAYLOAD_MAX)};
    void *window = plat_reserve(TFAAS_WINDOW_SIZE);
    if (!host.payload || !window || !plat_commit(window, TFAAS_WINDOW_SIZE)) {
        *why = "no memory for the warm-up";
        goto out;
    }
    if (!make_bundle(&bundle, &bundle_size, why))
        goto out;
    window_format(window);
    message_setup(window);
    ring_tx_init(&host.tx, window, true);
    ring_rx_init(&host.rx, window, true);
    *why = "the warm-up call failed";
    ok = serve(&host, bundle, bundle_size);
out:
    /* The last tick comes now, not into what follows. */
    for (uint64_t end = plat_now_ns() + 2 * QUANTUM_NS; plat_now_ns() < end;)
        __builtin_ia32_pause();
    random_forget();
    free(bundle);
    free(host.payload);
    /* The window stays: given back, its pages would be used again before those that the rehearsal
     * gave back, and those are the ones that are made ready in a copy. */
    return ok;
}
