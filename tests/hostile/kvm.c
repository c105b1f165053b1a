/*
 * kvm.c - assume escape from the core into its virtual machine, ring 3 and ring 0: ports, memory,
 * registers, faults, loops. The process around the machine ends in words or goes on; the tender
 * and the machines beside it notice nothing. Ends with "N passed, N failed".
 */
/* clang-format off */
/* needs: host/tender/kvm/kvm.c host/tender/kvm/machine.c host/tender/process/process.c host/tender/process/cage.c host/tender/process/cage_child.c host/tender/process/cgroup.c host/error.c common/ring.c common/sha384.c common/status.c libs: sodium flags: nosan -Ihost -D_GNU_SOURCE */
/* clang-format on */
#include "kvm_guest.h"

#include "plat/shim/shim.h"
#include "tender/tender.h"
#include "tfaas/abi.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 60000
#define MSRS_EACH 128u

static unsigned passed, failed;

static void check(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void check(bool right, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    passed += right;
    failed += !right;
    (void)printf("%s  %s\n", right ? "ok    " : "FAILED", text);
    (void)fflush(stdout);
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct tender *start(const char *folder)
{
    char path[1024], layers[512];
    const ssize_t size = readlink("/proc/self/exe", path, 900);
    path[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(path, '/');
    (void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s/tfaas-core", folder);
    const struct tender_options options = {.core_path = path, .worker_memory_max = 256u << 20};
    struct tfaas_error error = {0};
    struct tender *tender = NULL;
    const tfaas_status_t status =
        tender_kvm.start(&options, &tender, layers, sizeof(layers), &error);
    check(status == TFAAS_OK, "%s: the tender starts (%s)", folder,
          status == TFAAS_OK ? layers : error.text);
    return status == TFAAS_OK ? tender : NULL;
}

static bool launch(struct tender *tender, struct tender_worker *worker)
{
    struct tfaas_error error = {0};
    if (tender_kvm.launch(tender, TENDER_WORKER, "test", worker, &error) == TFAAS_OK) {
        return true;
    }
    check(false, "a machine starts: %s", error.text);
    return false;
}

/* 'a': answered, 'e': ended, 'l': lives without an answer. */
static char ask(struct tender_worker *worker, struct kvm_attack attack, int timeout_ms,
                uint64_t *result)
{
    volatile struct kvm_attack *to = (void *)((uint8_t *)worker->window + 4096);
    const uint64_t asked = to->asked + 1, one = 1;
    to->kind = attack.kind;
    to->a = attack.a;
    to->b = attack.b;
    to->c = attack.c;
    to->d = attack.d;
    __atomic_store_n(&to->asked, asked, __ATOMIC_SEQ_CST);
    if (write(worker->ring_fd, &one, sizeof(one)) != sizeof(one)) {
        return 'l';
    }
    const double end = now_ms() + timeout_ms;
    for (double left = timeout_ms; left > 0; left = end - now_ms()) {
        struct pollfd fds[2] = {{worker->bell_fd, POLLIN, 0}, {worker->exit_fd, POLLIN, 0}};
        (void)poll(fds, 2, (int)left + 1);
        uint64_t count;
        (void)!read(worker->bell_fd, &count, sizeof(count));
        if (to->answered == asked) {
            *result = to->result;
            return 'a';
        }
        if (fds[1].revents != 0) {
            return 'e';
        }
    }
    return 'l';
}

/* One attack in a machine of its own. `expect`: the ways it may go ("ae": answered or ended); if it
 * ends, `words` (or NULL) must be in what the tender says. */
static void try(struct tender *tender, const char *name, struct kvm_attack attack,
                const char *expect, const char *words)
{
    struct tender_worker worker;
    uint64_t result = 0;
    char how[256] = "";
    if (!launch(tender, &worker)) {
        return;
    }
    const char went = ask(&worker, attack, strchr(expect, 'l') ? 300 : ANSWER_MS, &result);
    if (went == 'e') {
        tender_kvm.ended(tender, &worker, how, sizeof(how));
    }
    const double before = now_ms();
    tender_kvm.destroy(tender, &worker);
    check(strchr(expect, went) != NULL && (went != 'e' || words == NULL || strstr(how, words)) &&
              now_ms() - before < ANSWER_MS,
          "%s: %s", name,
          went == 'e'   ? how
          : went == 'a' ? "it answered"
                        : "it lives, and dies when told to");
}

static struct kvm_attack a2(enum kvm_attack_kind kind, uint64_t a, uint64_t b)
{
    return (struct kvm_attack){.kind = kind, .a = a, .b = b};
}

static struct kvm_attack ring0(uint64_t number, uint64_t b, uint64_t c)
{
    return (struct kvm_attack){.kind = KVM_ATTACK_RING0, .a = number, .b = b, .c = c};
}

static void from_ring3(struct tender *tender)
{
    static const char broken[] = "a fault in ring 0", port[] = "a port it may not use";
    char name[64];
    try(tender, "nothing", a2(KVM_ATTACK_NOTHING, 0, 0), "a", NULL);
    try(tender, "READY once more", a2(KVM_ATTACK_PORT, SHIM_PORT_READY, 0), "e", port);
    try(tender, "exit 3", a2(KVM_ATTACK_PORT, SHIM_PORT_EXIT, 3), "e", "exit 3");
    try(tender, "a serial port", a2(KVM_ATTACK_PORT, 0x3f8, 65), "e", broken);
    try(tender, "the port behind the last", a2(KVM_ATTACK_PORT, SHIM_PORT_END, 0), "e", broken);
    try(tender, "a port across two", a2(KVM_ATTACK_PORT, SHIM_PORT_BELL + 2, 0), "e", NULL);
    try(tender, "ten thousand bells", a2(KVM_ATTACK_PORT_FLOOD, SHIM_PORT_BELL, 10000), "a", NULL);
    try(tender, "a thousand ticks", a2(KVM_ATTACK_PORT_FLOOD, SHIM_PORT_TICK, 1000), "ale", NULL);
    try(tender, "a tick in 500 years", a2(KVM_ATTACK_ARGUMENT, SHIM_PORT_TICK, UINT64_MAX), "a",
        NULL);
    try(tender, "a sleep of 292 years", a2(KVM_ATTACK_ARGUMENT, SHIM_PORT_WAIT, INT64_MAX), "l",
        NULL);
    try(tender, "read 0", a2(KVM_ATTACK_READ, 0, 0), "e", broken);
    try(tender, "read ring 0's memory", a2(KVM_ATTACK_READ, SHIM_BASE + SHIM_IMAGE_GPA, 0), "e",
        broken);
    try(tender, "write a page table", a2(KVM_ATTACK_WRITE, SHIM_BASE + SHIM_PAGE_TABLE_GPA, 7), "e",
        broken);
    try(tender, "write its own code", a2(KVM_ATTACK_WRITE, SHIM_ELF_VA + 0x1000, 0), "e", broken);
    try(tender, "jump into data", a2(KVM_ATTACK_JUMP, SHIM_HEAP_VA, 0), "e", broken);
    try(tender, "jump to a ring 0 vector", a2(KVM_ATTACK_JUMP, SHIM_BASE + SHIM_ENTRY_GPA(3), 0),
        "e", broken);
    try(tender, "write before the window", a2(KVM_ATTACK_WRITE, SHIM_WINDOW_VA - 8, 1), "e",
        broken);
    try(tender, "loop", a2(KVM_ATTACK_LOOP, 0, 0), "l", NULL);
    try(tender, "system call 59 is refused", a2(KVM_ATTACK_CALL, 59, 0), "a", NULL);
    for (uint64_t i = 0; i < KVM_PRIVILEGED; i++) {
        (void)snprintf(name, sizeof(name), "instruction %u of ring 0", (unsigned)i);
        try(tender, name, a2(KVM_ATTACK_PRIVILEGED, i, 0), "ae", NULL);
    }
    for (uint64_t i = 0; i < 256; i += i < 40 || i == 128 ? 1 : 17) {
        (void)snprintf(name, sizeof(name), "int %u", (unsigned)i);
        /* Some software KVM passes over one of them. */
        try(tender, name, a2(KVM_ATTACK_INTERRUPT, i, 0), "ae", NULL);
    }
    try(tender, "rubbish all over the window", a2(KVM_ATTACK_WINDOW, 1, 20000), "a", NULL);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        try(tender, "200 random calls into the shim", a2(KVM_ATTACK_FUZZ_CALLS, seed, 200), "al",
            NULL);
    }
}

static void from_ring0(struct tender *tender)
{
    try(tender, "halt", ring0(RING0_HALT, 0, 0), "e", "halted");
    static const uint16_t ports[] = {0x20, 0x3f8, 0x60, 0x64, 0xcf8, 0xcfc, 0x501, 0x5658, 0xffff};
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "out to port %#x", ports[i]);
        try(tender, name, ring0(RING0_OUT, ports[i], 1), "e", "port");
        (void)snprintf(name, sizeof(name), "in from port %#x", ports[i]);
        try(tender, name, ring0(RING0_IN, ports[i], 0), "e", "port");
    }
    try(tender, "in from the doorbell", ring0(RING0_IN, SHIM_PORT_BELL, 0), "e", "port");
    try(tender, "string to the doorbell", ring0(RING0_STRING_OUT, SHIM_PORT_WAIT, 64), "e", NULL);
    static const uint32_t msrs[] = {
        0x10,  0x1b,       0x3a,       0x174,      0x277,      0x345,      0x480,      0x6e0,
        0x830, 0x40000000, 0x4b564d01, 0xc0000080, 0xc0000082, 0xc0000100, 0xc0010015, 0xffffffff};
    for (size_t i = 0; i < sizeof(msrs) / sizeof(*msrs); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "read MSR %#x", msrs[i]);
        try(tender, name, ring0(RING0_RDMSR, msrs[i], 0), "ael", NULL);
        (void)snprintf(name, sizeof(name), "write MSR %#x", msrs[i]);
        try(tender, name, ring0(RING0_WRMSR, msrs[i], UINT64_MAX), "ael", NULL);
    }
    static const struct {
        uint32_t first, count;
    } ranges[] = {{0, 0x2000},         {0x40000000, 0x200}, {0x4b564d00, 0x20},
                  {0xc0000000, 0x200}, {0xc0010000, 0x200}, {0xc0011000, 0x80}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        for (uint32_t at = 0; at < ranges[i].count; at += MSRS_EACH) {
            char name[64];
            (void)snprintf(name, sizeof(name), "read %u MSRs from %#x", MSRS_EACH,
                           ranges[i].first + at);
            try(tender, name, ring0(RING0_RDMSRS, ranges[i].first + at, MSRS_EACH), "ae", NULL);
            (void)snprintf(name, sizeof(name), "write %u MSRs from %#x", MSRS_EACH,
                           ranges[i].first + at);
            try(tender, name, ring0(RING0_WRMSRS, ranges[i].first + at, MSRS_EACH), "ae", NULL);
        }
    }
    for (uint64_t first = 0; first < 4096; first += 512) {
        try(tender, "512 hypercalls", ring0(RING0_HYPERCALLS, first, 512), "ae", NULL);
    }
    for (uint64_t i = 0, port = 1; i < 48; i++, port = port * 40503 % 65536) {
        if (port < SHIM_PORT_BELL || port >= SHIM_PORT_END) {
            try(tender, "a port, 1, 2 and 4 bytes wide", ring0(RING0_OUT_WIDE, port, 1u << i % 3),
                "e", "port");
        }
    }
    for (uint64_t i = 0; i < RING0_INSTRUCTIONS; i++) {
        try(tender, "an instruction", ring0(RING0_INSTRUCTION, i, 0), "ael", NULL);
    }
    for (uint64_t seed = 1; seed <= 24; seed++) {
        try(tender, "page tables that rewrite themselves",
            ring0(RING0_TABLES, seed * UINT64_C(0x9e3779b97f4a7c15), seed < 12 ? 1u << seed : 64),
            "ael", NULL);
    }
    try(tender, "loop, interrupts off", ring0(RING0_LOOP, 0, 0), "l", NULL);
    try(tender, "triple fault", ring0(RING0_TRIPLE_FAULT, 0, 0), "e", "triple fault");
    try(tender, "page table root outside memory", ring0(RING0_CR3, UINT64_C(1) << 40, 0), "ale",
        NULL);
    try(tender, "page table root 0", ring0(RING0_CR3, 0, 0), "ale", NULL);
    static const uint64_t places[] = {0xfee00000,
                                      0xfec00000,
                                      0xe0000000,
                                      UINT64_C(1) << 36,
                                      UINT64_C(0xffffffffff000),
                                      SHIM_WINDOW_GPA + TFAAS_WINDOW_SIZE,
                                      SHIM_WINDOW_GPA - 4096,
                                      SHIM_MEMORY_MAX - 4096};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        try(tender, "read where no memory is", ring0(RING0_READ, places[i], 0), "e", NULL);
        try(tender, "write where no memory is", ring0(RING0_WRITE, places[i], 0), "e", NULL);
        try(tender, "run where no memory is", ring0(RING0_RUN, places[i], 0), "e", NULL);
    }
    try(tender, "xgetbv", ring0(RING0_XGETBV, 0, 0), "ae", NULL);
    try(tender, "vmcall", ring0(RING0_VMCALL, 11, 0), "ael", NULL);
    try(tender, "CR0 = 0", ring0(RING0_CR0, 0, 0), "ael", NULL);
    try(tender, "CR0 = all", ring0(RING0_CR0, UINT64_MAX, 0), "ael", NULL);
    try(tender, "CR4 = 0", ring0(RING0_CR4, 0, 0), "ael", NULL);
    try(tender, "CR4 = all", ring0(RING0_CR4, UINT64_MAX, 0), "ael", NULL);
    try(tender, "no stack", ring0(RING0_BAD_STACK, 0, 0), "el", NULL);
}

int main(void)
{
    char why[1000] = "";
    if (!tender_kvm.probe(why, sizeof(why))) {
        (void)printf("skipped: %s\n0 passed, 0 failed, 1 skipped\n", why);
        return 0;
    }
    struct tender *tender = start("kvm3"), *taken = start("kvm0");
    struct tender_worker witness;
    uint64_t result;
    if (tender != NULL && taken != NULL && launch(tender, &witness)) {
        from_ring3(tender);
        from_ring0(taken);
        check(ask(&witness, a2(KVM_ATTACK_NOTHING, 0, 0), ANSWER_MS, &result) == 'a',
              "a machine that was there all the time answers");
        tender_kvm.destroy(tender, &witness);
        try(taken, "a machine after all that", a2(KVM_ATTACK_NOTHING, 0, 0), "a", NULL);
    }
    if (tender != NULL) {
        tender_kvm.stop(tender);
    }
    if (taken != NULL) {
        tender_kvm.stop(taken);
    }
    (void)printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
