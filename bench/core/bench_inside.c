/*
 * bench_inside.c - host and core in one process: an INVOKE is put into the ring, then the core's
 * loop runs until it has answered. Everything the core does for a call is in the time; the host's
 * part and the wake-up of another process are not.
 */
#include "bench.h"

#include "core.h"
#include "message.h"
#include "plat/linux/linux.h"
#include "random.h"
#include "scheduler.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static struct core_child self; /* its host half only: nothing is forked */
static uint8_t payload[TFAAS_PAYLOAD_MAX];

void inside_start(void)
{
    self.window =
        mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    self.ring_fd = eventfd(0, EFD_NONBLOCK);
    int bell = eventfd(0, EFD_NONBLOCK);
    if (self.window == MAP_FAILED || dup2(self.ring_fd, WORKER_RING_FD) < 0 ||
        dup2(bell, WORKER_BELL_FD) < 0)
        bench_die("window", "no memory or descriptors");
    window_format(self.window);
    plat_linux_attach(self.window);
    random_reseed();
    message_setup(self.window);
    sched_setup();
    ring_tx_init(&self.tx, self.window, true);
    ring_rx_init(&self.rx, self.window, true);
}

/* As core_serve does in one turn. */
static void turn(void)
{
    (void)message_handle(64);
    (void)sched_timers(plat_now_ns());
    (void)sched_run();
}

static bool receive(struct tfaas_slot *slot)
{
    if (ring_receive(&self.rx, slot, payload) != TFAAS_OK)
        return false;
    (void)ring_release(&self.rx);
    return true;
}

void inside_load(uint32_t id, struct core_config config)
{
    uint8_t *bytes;
    size_t size;
    core_bundle(&config, &bytes, &size);
    for (size_t at = 0; at < size; at += TFAAS_PAYLOAD_MAX) {
        size_t piece = size - at < TFAAS_PAYLOAD_MAX ? size - at : TFAAS_PAYLOAD_MAX;
        core_send(&self, (struct tfaas_slot){.kind = TFAAS_LOAD, .id = id, .arg = {size, at}},
                  bytes + at, piece);
        turn();
    }
    free(bytes);
    struct tfaas_slot slot;
    while (!receive(&slot))
        turn();
    if (slot.kind != TFAAS_LOADED || slot.arg[0] != TFAAS_OK)
        bench_die("a function was refused", (const char *)payload);
}

/* One call, checked; returns microseconds. */
static double call(uint32_t id, double *pages)
{
    static const char *const headers[] = {"content-type", "application/json", NULL};
    static const char body[] = "{\"name\":\"world\"}", expected[] = "{\"hello\":\"world\"}";
    uint32_t call =
        core_begin(&self, id, "POST", "/", headers, body, sizeof body - 1, true, 10000000000u);
    struct atomic_head {
        _Atomic uint32_t *head;
    } window = {&((struct tfaas_window *)self.window)->c2h.head};
    uint32_t before = atomic_load(window.head);
    uint64_t began = plat_now_ns();
    do
        turn();
    while (atomic_load(window.head) == before);
    uint64_t ended = plat_now_ns();
    struct tfaas_slot slot = {0};
    bool right = false;
    while (!(slot.flags & TFAAS_END)) {
        while (!receive(&slot))
            turn();
        if (slot.kind == TFAAS_RESPONSE)
            right = memmem(payload, slot.size, expected, sizeof expected - 1) != NULL;
    }
    if (!right || slot.id != call || slot.arg[0] != TFAAS_OK)
        bench_die("a call went wrong:", tfaas_status_name((unsigned)slot.arg[0]));
    *pages = (double)slot.arg[4];
    return (double)(ended - began) / 1000;
}

struct inside_result inside_measure(uint32_t id, unsigned runs, bool reuse)
{
    struct samples times = {0}, pages = {0};
    double restored;
    wraps_reuse = false;
    for (unsigned i = 0; i < 1000; i++)
        (void)call(id, &restored);
    wraps_reuse = reuse;
    for (unsigned i = 0; i < 200; i++)
        (void)call(id, &restored);
    for (unsigned i = 0; i < runs; i++) {
        samples_add(&times, call(id, &restored));
        samples_add(&pages, restored);
    }
    if (reuse)
        wraps_forget_instance();
    struct inside_result result = {samples_median(&times), samples_median(&pages)};
    samples_free(&times);
    samples_free(&pages);
    return result;
}

double inside_preempt_us(uint32_t id, unsigned ticks)
{
    struct samples times = {0};
    uint32_t call = core_begin(&self, id, "POST", "/", NULL, NULL, 0, true, 600000000000u);
    turn();
    wraps_preempt = &times;
    while (times.count < ticks)
        turn();
    wraps_preempt = NULL;
    core_send(&self, (struct tfaas_slot){.kind = TFAAS_CANCEL, .id = call}, NULL, 0);
    struct tfaas_slot slot;
    while (!receive(&slot))
        turn();
    double median = samples_median(&times);
    samples_free(&times);
    return median;
}
