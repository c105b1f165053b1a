/* keeper_support.c - see keeper_support.h. Test code: any surprise ends the test with a message. */
#include "keeper_support.h"

#include "cbor.h"
#include "sha384.h"
#include "tender/kvm/machine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void give_up(const char *what, const char *why)
{
    (void)printf("cannot go on: %s: %s\n0 passed, 1 failed\n", what, why);
    exit(1);
}

const struct tender_ops *tender_ops(void)
{
    const char *name = getenv("TENDER");
    if (name == NULL || name[0] == '\0' || strcmp(name, "process") == 0)
        return &tender_process;
    if (strcmp(name, "kvm") != 0)
        give_up("TENDER is neither process nor kvm", name);
    if (access("/dev/kvm", F_OK) != 0) {
        (void)printf("skipped: no /dev/kvm\n0 passed, 0 failed, 1 skipped\n");
        exit(0);
    }
    return &tender_kvm;
}

static size_t read_whole(const char *path, uint8_t *to, size_t most)
{
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(to, 1, most, file) : 0;
    if (size == 0 || size == most)
        give_up(path, "is not there, empty or larger than expected");
    (void)fclose(file);
    return size;
}

void measure_core(const char *core_path, uint8_t measurement[48])
{
    static uint8_t core[64u << 20], shim[1u << 20];
    const size_t core_size = read_whole(core_path, core, sizeof core);
    const char *why = "";
    if (tender_ops() == &tender_kvm) {
        const size_t shim_size = read_whole("build/tfaas-shim", shim, sizeof shim);
        if (!machine_measure_files(core, core_size, shim, shim_size, measurement, &why))
            give_up("the machine cannot be measured", why);
        return;
    }
    crypto_hash_sha512_state state;
    sha384_init(&state);
    crypto_hash_sha512_update(&state, core, core_size);
    sha384_final(&state, measurement);
}

struct tender *tender_of(const char *core_path)
{
    const struct tender_options options = {.core_path = core_path, .allow_weaker_sandbox = true};
    struct tfaas_error error = {0};
    char layers[256];
    struct tender *tender = NULL;
    if (tender_ops()->start(&options, &tender, layers, sizeof layers, &error) != TFAAS_OK)
        give_up("the tender", error.text);
    return tender;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void ring_core(struct core *core)
{
    const uint64_t one = 1;
    if (write(core->worker.ring_fd, &one, sizeof one) != sizeof one)
        give_up("the doorbell", "cannot be rung");
}

void core_put(struct core *core, struct tfaas_slot slot, const void *payload, size_t size)
{
    tfaas_status_t status;
    while ((status = ring_send(&core->tx, &slot, payload, size)) == TFAAS_BUSY) {
        (void)ring_flush(&core->tx);
        ring_core(core);
        (void)usleep(100);
    }
    if (status != TFAAS_OK)
        give_up("the ring", "is dead");
    if (ring_flush(&core->tx))
        ring_core(core);
}

bool core_next(struct core *core, struct tfaas_slot *slot, uint8_t *payload, int timeout_ms)
{
    const int64_t end = now_ms() + timeout_ms;
    for (bool gone = false;;) {
        tfaas_status_t status = ring_receive(&core->rx, slot, payload);
        if (status == TFAAS_OK) {
            if (ring_release(&core->rx))
                ring_core(core);
            return true;
        }
        if (gone || status != TFAAS_NOT_FOUND || now_ms() >= end)
            return false;
        if (!ring_sleep(&core->rx))
            continue;
        struct pollfd fds[] = {{.fd = core->worker.bell_fd, .events = POLLIN},
                               {.fd = core->worker.exit_fd, .events = POLLIN}};
        (void)poll(fds, 2, 20);
        uint64_t count;
        if (read(core->worker.bell_fd, &count, sizeof count) < 0 && fds[0].revents != 0)
            give_up("the doorbell", "cannot be read");
        ring_awake(&core->rx);
        gone = fds[1].revents != 0; /* its last words may still be there */
    }
}

bool core_gone(struct core *core, int timeout_ms)
{
    struct pollfd exited = {.fd = core->worker.exit_fd, .events = POLLIN};
    return poll(&exited, 1, timeout_ms) == 1;
}

void core_launch(struct core *core, struct tender *tender, enum tender_role role,
                 const char *domain_name)
{
    struct tfaas_error error = {0};
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    *core = (struct core){.tender = tender, .clock_s = NOW_S};
    if (tender_ops()->launch(tender, role, domain_name, &core->worker, &error) != TFAAS_OK)
        give_up("a core", error.text);
    ring_tx_init(&core->tx, core->worker.window, true);
    ring_rx_init(&core->rx, core->worker.window, true);
    core_put(core, (struct tfaas_slot){.kind = TFAAS_CONFIGURE}, NULL, 0);
    if (!core_next(core, &slot, payload, ANSWER_MS) || slot.kind != TFAAS_READY)
        give_up("a core", "it does not say READY");
}

void core_end(struct core *core)
{
    tender_ops()->destroy(core->tender, &core->worker);
}

struct answer *call(struct core *core, enum tfaas_op op, const void *request, size_t size)
{
    static struct answer answer;
    static uint32_t id;
    struct tfaas_slot slot;
    if (core->clock_s)
        core_put(
            core,
            (struct tfaas_slot){.kind = TFAAS_CLOCK, .arg = {core->clock_s * UINT64_C(1000000000)}},
            NULL, 0);
    core_put(core, (struct tfaas_slot){.kind = TFAAS_CALL, .id = ++id, .arg = {op}}, request, size);
    while (core_next(core, &slot, answer.bytes, ANSWER_MS)) {
        answer.size = slot.size;
        answer.bytes[slot.size] = '\0';
        answer.status = (unsigned)slot.arg[0];
        if (slot.kind == TFAAS_ANSWER && slot.id == id)
            return &answer;
        if (slot.kind == TFAAS_FAULT)
            break;
    }
    answer.status = TFAAS_PEER_DEAD;
    return &answer;
}

struct span answer_field(const struct answer *answer, unsigned n)
{
    struct cursor c = cursor_of(answer->bytes, answer->size);
    struct span value = {NULL, 0};
    uint64_t pairs = cbor_map(&c);
    for (unsigned i = 0; i < n && i < pairs; i++) {
        (void)cbor_uint(&c);
        value = cbor_bytes(&c);
    }
    if (c.failed || n > pairs)
        give_up("an answer",
                answer->status == TFAAS_OK ? "misses a field" : (const char *)answer->bytes);
    return value;
}

unsigned hello(struct core *worker, bool fresh, struct answer *to)
{
    const uint8_t request[] = {0xa1, 0x01, fresh ? 0xf5 : 0xf4};
    *to = *call(worker, TFAAS_OP_HELLO, request, sizeof request);
    return to->status;
}

unsigned certify(struct core *keeper, const struct answer *said, struct answer *to)
{
    *to = *call(keeper, TFAAS_OP_CERTIFY, said->bytes, said->size);
    return to->status;
}

unsigned lease(struct core *keeper, struct core *worker, bool fresh)
{
    static struct answer first, second;
    unsigned status = hello(worker, fresh, &first);
    if (status == TFAAS_OK)
        status = certify(keeper, &first, &second);
    if (status == TFAAS_OK)
        status = call(worker, TFAAS_OP_LEASE, second.bytes, second.size)->status;
    return status;
}

unsigned domain_of(struct core *keeper, const char *name, struct answer *to)
{
    uint8_t request[128];
    struct writer w = writer_of(request, sizeof request);
    cbor_put_map(&w, 1);
    cbor_put_uint(&w, 1);
    cbor_put_text(&w, name, strlen(name));
    *to = *call(keeper, TFAAS_OP_DOMAIN, request, w.at);
    return to->status;
}

unsigned revoke_instance(struct core *keeper, const uint8_t instance[16])
{
    uint8_t request[32];
    struct writer w = writer_of(request, sizeof request);
    cbor_put_map(&w, 1);
    cbor_put_uint(&w, 1);
    cbor_put_bytes(&w, instance, 16);
    return call(keeper, TFAAS_OP_REVOKE, request, w.at)->status;
}
