/* clang-format off */
/* needs: core libs: sodium bearssl flags: -include tests/fuzz/core_state.h -Wl,--wrap=random_fresh */
/* clang-format on */
/*
 * hostile_host.c (fuzz) - the whole core but its engine and platform, served by a host whose every
 * act is a byte of the input: honest messages, honest ones with some bytes wrong, slots and indices
 * that make no sense, old ones again, no answer for long, a clock that jumps, memory that runs out.
 * The core goes on or ends with a FAULT that blames the host, and no key, no sealed request's
 * content and nothing of a function's memory is ever in the window.
 */
#include "hostile_plat.h"
#include "hostile_engine.h"
#include "hostile_acts.h"

#include "identity.h"
#include "sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static bool seal_session(struct span request, struct writer *w)
{
    bool any;
    uint8_t head[SESSION_REQUEST_HEAD] = {0}, key[32];
    struct ohttp_chunks chunks;
    const struct request_key *of = identity_key(host.config.id, &any);
    if (!of)
        return false;
    struct core_session *session = sessions_new(of, AEAD_CHACHA20_POLY1305);
    plat_entropy(session->secret, 32);
    memcpy(head, session->id, SESSION_ID_SIZE);
    head[SESSION_ID_SIZE + 7] = 1;
    session_request_key(session->secret, head, key);
    session_begin(&chunks, AEAD_CHACHA20_POLY1305, key);
    writer_put(w, head, sizeof head);
    return ohttp_chunks_seal(&chunks, request, true, w) == TFAAS_OK;
}

/* --- one input, one core --- */

static void at_exit(void)
{
    (void)fprintf(stderr, "stat::acts of hosts:              %lu\n", cases);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const struct span module = {module_bytes, sizeof module_bytes};
    if (sodium_init() < 0)
        abort();
    make_keys();
    make_bundle("wasm", "function.wasm", module, &bundle_plain, &bundle_plain_size);
    make_bundle("js", "handler.js", module, &bundle_js, &bundle_js_size);
    hp.window = aligned_alloc(4096, TFAAS_WINDOW_SIZE);
    memset(hp.window, 0, TFAAS_WINDOW_SIZE);
    hp.role = PLAT_WORKER;
    keep_core();
    (void)atexit(at_exit);
    return 0;
}

static void start_core(void)
{
    const char *why = "";
    window_format(hp.window);
    memset(hp.window + TFAAS_H2C_SLOTS_OFFSET, 0, TFAAS_H2C_DATA_OFFSET - TFAAS_H2C_SLOTS_OFFSET);
    ring_tx_init(&host.tx, hp.window, true);
    ring_rx_init(&host.rx, hp.window, true);
    if (setjmp(hp.over) == 0) {
        if (!core_prepare(&why))
            plat_abort(why);
        core_serve();
    }
}

/* Up to the last byte that is not zero: nothing of one input is left for the next. */
static size_t payload_bytes_used(void)
{
    static const uint8_t zeros[4096];
    const uint8_t *payloads = hp.window + TFAAS_C2H_DATA_OFFSET;
    size_t used = TFAAS_DATA_SIZE;
    while (used > 0 && memcmp(payloads + used - sizeof zeros, zeros, sizeof zeros) == 0)
        used -= sizeof zeros;
    return used;
}

/* Keys of this input alone (FNV-1a over all of it; never zero). */
static uint64_t seed_of(const uint8_t *data, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    return hash | 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4000)
        return 0;
    uint8_t *window = hp.window;
    restore_core();
    hp = (struct hostile_plat){.window = window,
                               .role = data[0] & 3 ? PLAT_WORKER : PLAT_KEEPER,
                               .now_ns = 1000000000,
                               .entropy = seed_of(data, size),
                               .whims = 0x9e3779b97f4a7c15u + data[0] + 256u * data[1],
                               .can_report = true,
                               .code = -2};
    memset(&host, 0, sizeof host);
    host.in = cursor_of(data + 2, size - 2);
    host.realtime_s = 1800000000;
    start_core();
    if (hp.code != 0 && hp.code != -1 && hp.code != FAULT_CODE) {
        (void)fprintf(stderr, "the core ended with %d\n", hp.code);
        abort();
    }
    drain(512);
    look_for_secrets(hp.window + TFAAS_C2H_SLOTS_OFFSET, TFAAS_SLOTS * 64, "core's slots");
    const size_t used = payload_bytes_used();
    look_for_secrets(hp.window + TFAAS_C2H_DATA_OFFSET, used, "core's payloads");
    memset(hp.window + TFAAS_C2H_DATA_OFFSET, 0, used);
    return 0;
}
