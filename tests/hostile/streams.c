/*
 * streams.c - bodies larger than any buffer in both directions, many at once, slow and late
 * readers: every byte arrives, in order, within the credit that was given.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/core_tender.c host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include "bhttp.h"
#include <unistd.h>

#define STREAMS_MAX 128
#define SECOND      1000000000ull

/* One call: what was sent and received of a body whose byte n is known. */
struct stream {
    uint64_t sent, allowed, size; /* of the request stream after its head */
    uint64_t received, granted;   /* of the response stream, head included */
    size_t head_size;
    unsigned status, responses;
    bool ended, last_seen;
};

static struct core_child core;
static struct stream streams[STREAMS_MAX];
static uint32_t first;

static uint8_t byte_at(uint32_t stream, uint64_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7 + (n >> 16) + stream * 13);
}

static void begin(uint32_t i, uint64_t size)
{
    streams[i] = (struct stream){.allowed = TFAAS_STREAM_WINDOW - 1000, /* the head counts too */
                                 .size = size,
                                 .granted = TFAAS_STREAM_WINDOW};
    uint32_t id = core_begin(&core, 1, "POST", "/", NULL, NULL, 0, size == 0, 60 * SECOND);
    if (i == 0)
        first = id;
    CHECK(id == first + i, "id %u", id);
}

/* Sends what the credit allows, one piece. True: something went. */
static bool send_some(uint32_t i)
{
    static uint8_t piece[TFAAS_PAYLOAD_MAX];
    struct stream *s = &streams[i];
    uint64_t size = s->size - s->sent;
    if (size > s->allowed - s->sent)
        size = s->allowed - s->sent;
    if (size > sizeof piece - i) /* sizes that are no powers of two */
        size = sizeof piece - i;
    if (size == 0 || s->ended)
        return false;
    for (uint64_t k = 0; k < size; k++)
        piece[k] = byte_at(i, s->sent + k);
    bool last = s->sent + size == s->size;
    struct tfaas_slot slot = {.kind = TFAAS_BODY, .flags = last, .id = first + i};
    tfaas_status_t status = ring_send(&core.tx, &slot, piece, size);
    if (status == TFAAS_BUSY)
        return false;
    CHECK(status == TFAAS_OK, "the ring says %s", tfaas_status_name(status));
    s->sent += size;
    uint64_t one = 1;
    if (ring_flush(&core.tx))
        CHECK(write(core.ring_fd, &one, sizeof one) == sizeof one, "doorbell");
    return true;
}

static void check_content(uint32_t i, const uint8_t *bytes, size_t size)
{
    struct stream *s = &streams[i];
    size_t at = 0;
    if (s->received == 0) {
        struct bhttp_head head;
        const char *why;
        CHECK(bhttp_read_head(bytes, size, &head, &why) == TFAAS_OK && head.status == 200,
              "stream %u: bad head", i);
        s->head_size = at = head.size;
    }
    for (; at < size; at++) {
        uint64_t n = s->received + at - s->head_size;
        if (bytes[at] != byte_at(i, n)) {
            CHECK(false, "stream %u: byte %lu is wrong", i, n);
            break;
        }
    }
    s->received += size;
    CHECK(s->received <= s->granted, "stream %u: %lu bytes, %lu granted", i, s->received,
          s->granted);
}

/* Takes one message; false: there is none. `grant`: give the response new credit. */
static bool take_one(bool grant)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot;
    if (!core_receive(&core, &slot, payload, 1))
        return false;
    uint32_t i = slot.id - first;
    CHECK(i < STREAMS_MAX && slot.kind != TFAAS_FAULT && slot.kind != TFAAS_LOG,
          "kind %u id %u: %.*s", slot.kind, slot.id, (int)slot.size, payload);
    if (i >= STREAMS_MAX)
        return true;
    struct stream *s = &streams[i];
    CHECK(!s->ended, "stream %u: a message after its end", i);
    if (slot.flags & TFAAS_CREDIT) {
        CHECK(slot.arg[0] > s->allowed, "stream %u: credit went back", i);
        s->allowed = slot.arg[0] - 1000;
    } else if (slot.kind == TFAAS_RESPONSE || slot.kind == TFAAS_BODY) {
        CHECK((slot.kind == TFAAS_RESPONSE) == (s->responses == 0), "stream %u: kind %u", i,
              slot.kind);
        s->responses++;
        s->last_seen |= (slot.flags & TFAAS_LAST) != 0;
        if (slot.size)
            check_content(i, payload, slot.size);
        if (grant && s->granted - s->received < TFAAS_STREAM_WINDOW / 2) {
            s->granted = s->received + TFAAS_STREAM_WINDOW;
            core_send(
                &core,
                (struct tfaas_slot){
                    .kind = TFAAS_BODY, .flags = TFAAS_CREDIT, .id = slot.id, .arg = {s->granted}},
                NULL, 0);
        }
    }
    if (slot.flags & TFAAS_END) {
        s->ended = true;
        s->status = (unsigned)slot.arg[0];
    }
    return true;
}

static void run_all(uint32_t count)
{
    uint64_t end = core_test_now_ns() + 60 * SECOND;
    for (uint32_t ended = 0; ended < count && core_test_now_ns() < end;) {
        for (uint32_t i = 0; i < count; i++)
            (void)send_some(i);
        for (unsigned k = 0; k < 64 && take_one(true); k++)
            continue;
        ended = 0;
        for (uint32_t i = 0; i < count; i++)
            ended += streams[i].ended;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct stream *s = &streams[i];
        CHECK(s->ended && s->status == TFAAS_OK && s->last_seen, "stream %u: %s", i,
              s->ended ? tfaas_status_name(s->status) : "no end");
        CHECK(s->received - s->head_size == s->size, "stream %u: %lu of %lu bytes", i,
              s->received - s->head_size, s->size);
    }
}

static void one_large_body(void)
{
    begin(0, 7000001);
    run_all(1);
}

static void many_at_once(void)
{
    for (uint32_t i = 0; i < 40; i++)
        begin(i, i % 5 == 0 ? 0 : i * 30011);
    run_all(40);
}

/* Every size around the borders of pieces, pages and the command's own buffer. */
static void sizes_at_borders(void)
{
    static const uint64_t borders[] = {1,     4095,  4096,  4097,  16383,  16384,  16385,  32767,
                                       32768, 32769, 65535, 65536, 131072, 262143, 262144, 262145};
    uint32_t count = sizeof borders / sizeof *borders;
    for (uint32_t i = 0; i < count; i++)
        begin(i, borders[i]);
    run_all(count);
}

/* The host reads nothing until the ring is full and all calls wait for room; then everything comes.
 */
static void late_reader(void)
{
    for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
        begin(i, 150000);
    for (unsigned quiet = 0; quiet < 50;) {
        bool sent = false;
        for (uint32_t i = 0; i < TFAAS_INFLIGHT_MAX; i++)
            sent |= send_some(i);
        quiet = sent ? 0 : quiet + 1;
        (void)usleep(1000);
    }
    run_all(TFAAS_INFLIGHT_MAX);
}

/* A reader that stops gets no more than its credit; CANCEL ends the call all the same. */
static void reader_that_stops(void)
{
    begin(0, 3000000);
    for (unsigned quiet = 0; quiet < 50;)
        quiet = send_some(0) | take_one(false) ? 0 : quiet + 1;
    CHECK(!streams[0].ended && streams[0].received > TFAAS_STREAM_WINDOW - TFAAS_PAYLOAD_MAX,
          "%lu bytes received", streams[0].received);
    core_send(&core, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = first}, NULL, 0);
    for (unsigned i = 0; i < 5000 && !streams[0].ended; i++)
        (void)take_one(false);
    CHECK(streams[0].ended && streams[0].status == TFAAS_CANCELLED, "%s",
          tfaas_status_name(streams[0].status));
    begin(0, 100);
    run_all(1);
}

int main(int argc, char **argv)
{
    core_test_prepare();
    core_child_start(&core);
    core_test_load(&core, 1, core_test_wasm("command_echo"));
    static const struct check_case cases[] = {
        {"one large body", one_large_body},       {"many at once", many_at_once},
        {"sizes at borders", sizes_at_borders},   {"late reader", late_reader},
        {"reader that stops", reader_that_stops},
    };
    int status = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&core);
    return status;
}
