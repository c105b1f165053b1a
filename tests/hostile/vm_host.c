/*
 * vm_host.c - a hostile host of the real core in a real virtual machine: it does to the window what
 * tests/fuzz/hostile_host.c does (wrong lengths, old answers, any order, rubbish, a clock that
 * jumps), rings or not, and injects ticks, interrupts of every vector, exceptions and NMIs at any
 * moment. The core goes on or ends with a known code; no key of it and no sealed request is ever
 * in the window, and nothing is written where only the host may. VM_CASES=N: so many (default 100).
 */
/* clang-format off */
/* needs: tests/hostile/vm_host_run.c host/tender/kvm/vm.c host/tender/kvm/machine.c common/aead.c common/bhttp.c common/bhttp_stream.c common/bundle.c common/cbor.c common/fields.c common/hkdf.c common/hpke.c common/http_date.c common/ohttp.c common/ohttp_chunked.c common/package.c common/ring.c common/session.c common/sha384.c common/statement.c libs: sodium flags: nosan -Ihost -D_GNU_SOURCE */
/* clang-format on */
#include "vm_host.h"

#include "identity.h"
#include "keeper_internal.h"
#include "plat/plat.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASES       100u
#define MEMORY_SIZE (UINT64_C(640) << 20)
#define CORE_MAX    (UINT64_C(200) << 20) /* told to the core */
#define EXITS_MAX   4000u
#define CASE_S      120 /* a case that takes longer hangs */
#define CANARY      "canary-3c9e51d07"
#define SECRETS_MAX 512u
#define SECRET_PART 16u
#define SEEDS       "tests/fuzz/seeds/hostile_host"
#define SEEDS_MAX   2000u
#define INPUT_MAX   4000u
#define HONEST_ACTS 90u

static struct hostile_plat {
    uint8_t *window;
    enum plat_role role;
    uint64_t now_ns;
    unsigned fail_in;
    bool forges;
    uint8_t secrets[SECRETS_MAX][SECRET_PART];
    unsigned secret_count, secrets_seen;
    jmp_buf over;
    int code;
} hp;

static uint8_t root_secret[64];
static const uint8_t report_seed[32] = "the simulated root is the host's";

static void core_is_over(void) __attribute__((noreturn));
static void core_is_over(void)
{
    longjmp(hp.over, 1);
}

static void core_free(void *at)
{
    free(at);
}

/* The host is the simulated root: it signs whom it likes. */
static void make_report(struct plat_report *report, enum plat_role role, const char *domain,
                        const uint8_t data[64])
{
    *report = (struct plat_report){.version = 1, .tee = PLAT_SIMULATED, .role = (uint8_t)role};
    memcpy(report->magic, "TFLR", 4);
    memset(report->measurement, 0x6d, sizeof(report->measurement));
    memcpy(report->instance, "instance-of-test", 16);
    crypto_hash_sha512(report->domain, (const uint8_t *)domain, strlen(domain));
    memcpy(report->data, data, 64);
    (void)crypto_sign_detached(report->signature, NULL, (const uint8_t *)report,
                               offsetof(struct plat_report, signature), root_secret);
}

#include "../fuzz/hostile_acts.h"

/* The host has none: what it would need is in the core. */
static bool seal_session(struct span request, struct writer *w)
{
    (void)request, (void)w;
    return false;
}

/* --- files --- */

static uint8_t *read_file(const char *path, size_t *size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    uint8_t *bytes = NULL;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0) {
        *size = (size_t)info.st_size;
        bytes = malloc(*size);
        if (bytes != NULL && read(fd, bytes, *size) != info.st_size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return bytes;
}

/* Where the core keeps what nobody may see, by the symbols of what was linked. */
static struct place {
    const char *file, *name;
    size_t offset, size, step, count; /* of the secret in the variable; of an array of these */
    uint64_t at;                      /* guest-physical; 0: not found */
} places[] = {
    {"identity.c", "signing_secret", 0, 32, 0, 1, 0},
    {"identity.c", "kem", offsetof(struct hpke_key_pair, secret), 32, 0, 1, 0},
    {"identity.c", "keys", offsetof(struct request_key, secret), 32, sizeof(struct request_key), 3,
     0},
    {"random.c", "key", 0, 32, 0, 1, 0},
    {"cache.c", "key", 0, 32, 0, 1, 0},
    {"report.c", "root_secret", 0, 32, 0, 1, 0},
    {"guest_ports.c", "launch_entropy", 0, 32, 0, 1, 0},
    {"", "keeper", offsetof(struct keeper, identity_secret), 32, 0, 1, 0},
};
#define PLACES (sizeof(places) / sizeof(*places))

static bool find_places(void)
{
    size_t size;
    const uint8_t *elf = read_file("build/tfaas-core.symbols", &size);
    if (elf == NULL) {
        return false;
    }
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)elf;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(elf + header->e_shoff);
    const char *file = "";
    unsigned found = 0;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB) {
            continue;
        }
        const char *texts = (const char *)elf + sections[sections[i].sh_link].sh_offset;
        const Elf64_Sym *symbol = (const Elf64_Sym *)(const void *)(elf + sections[i].sh_offset);
        for (size_t n = sections[i].sh_size / sizeof(*symbol); n > 0; n--, symbol++) {
            const bool local = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL;
            if (ELF64_ST_TYPE(symbol->st_info) == STT_FILE) {
                file = texts + symbol->st_name;
            }
            for (size_t p = 0; p < PLACES; p++) {
                if (ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT && places[p].at == 0 &&
                    strcmp(places[p].name, texts + symbol->st_name) == 0 &&
                    strcmp(places[p].file, local ? file : "") == 0) {
                    places[p].at = SHIM_FRAMES_GPA + symbol->st_value;
                    found++;
                }
            }
        }
    }
    free((void *)(uintptr_t)elf);
    return found == PLACES;
}

/* --- one case: a copy of the machine, in a process of its own --- */

static uint8_t *memory;
static struct vm_state ready_state;
static struct run run;
static int kvm_fd;

static void keep_secret(const uint8_t *secret)
{
    bool zero = true;
    for (unsigned i = 0; i < SECRET_PART; i++) {
        zero &= secret[i] == 0;
    }
    for (unsigned i = 0; i < hp.secret_count && !zero; i++) {
        zero = memcmp(hp.secrets[i], secret, SECRET_PART) == 0; /* known */
    }
    if (!zero) {
        memcpy(hp.secrets[hp.secrets_seen++ % SECRETS_MAX], secret, SECRET_PART);
        hp.secret_count = hp.secrets_seen < SECRETS_MAX ? hp.secrets_seen : SECRETS_MAX;
    }
}

static void collect_secrets(void)
{
    for (size_t p = 0; p < PLACES; p++) {
        for (size_t i = 0; i < places[p].count; i++) {
            keep_secret(memory + places[p].at + places[p].offset + i * places[p].step);
        }
    }
}

static bool turn(void)
{
    collect_secrets();
    if (setjmp(hp.over) != 0) {
        return false;
    }
    host_turn();
    return true;
}

static void fill_launch_page(uint32_t tsc_khz)
{
    struct shim_launch *launch = (struct shim_launch *)(void *)(memory + SHIM_LAUNCH_GPA);
    *launch = (struct shim_launch){.magic = SHIM_LAUNCH_MAGIC,
                                   .memory_end = MEMORY_SIZE,
                                   .tsc_khz = tsc_khz,
                                   .memory_max = CORE_MAX,
                                   .role = hp.role,
                                   .launched = 1};
    memset(launch->measurement, 0x6d, sizeof(launch->measurement));
    memcpy(launch->report_seed, report_seed, sizeof(launch->report_seed));
    randombytes_buf(launch->cache_seed, sizeof(launch->cache_seed));
    randombytes_buf(launch->entropy, sizeof(launch->entropy));
    (void)strcpy(launch->domain, hp.role == PLAT_WORKER ? "shop" : "");
}

/* Turns of the host: both functions and HELLO; LEASE when the answer is there; a sealed call and
 * one in clear: so that there is something to lose. */
static const uint8_t beginning[] = {2, 0,  0x09, 0,  0,    0x4a, 0, 8, 0x03, 0, 0, 18,
                                    0, 18, 0,    18, 0,    18,   0, 8, 0x20, 0, 0, 18,
                                    0, 18, 1,    11, 0x41, 0,    0, 3, 0xe7, 0, 0, 18};

static void stray(const char *what, uint64_t at) __attribute__((noreturn));
static void stray(const char *what, uint64_t at)
{
    (void)fprintf(stderr, "%s %#llx\n", what, (unsigned long long)at);
    abort();
}

/* What is shared with the parent. */
struct tally {
    unsigned long acts, forged;
    unsigned ends[1100], keys, leases;
};
static struct tally *tally;

static void run_case(const uint8_t *input, size_t size)
{
    run.window = hp.window;
    run.turn = turn;
    run.exits_left = EXITS_MAX;
    hp.forges = run.forgery > FORGE_TICKS;
    host.in = cursor_of(input, size);
    host.realtime_s = 1800000000;
    if (!run_open(&run, kvm_fd, memory, MEMORY_SIZE, &ready_state)) {
        stray(run.vm.why != NULL ? run.vm.why : "KVM refuses the window", 0);
    }
    fill_launch_page(run_draw(&run, 8) == 0 ? (uint32_t)run_draw(&run, UINT32_MAX)
                                            : run.vm.tsc_khz);
    const int code = run_hostile(&run);
    collect_secrets();
    drain(512);
    look_for_secrets(hp.window, TFAAS_H2C_SLOTS_OFFSET, "window's head");
    look_for_secrets(hp.window + TFAAS_C2H_SLOTS_OFFSET, TFAAS_SLOTS * 64, "core's slots");
    look_for_secrets(hp.window + TFAAS_C2H_DATA_OFFSET, TFAAS_DATA_SIZE, "core's payloads");
    tally->acts += cases;
    tally->forged += run.forged;
    tally->ends[code]++;
    tally->keys += hp.secret_count >= 4;
    tally->leases += host.leased;
    if (code == RUN_STRAY) {
        stray("the core wrote to", run.bad_address);
    }
    const bool expected = code == RUN_STOPPED || code == 0 || code == 70;
    const bool forced = code == SHIM_EXIT_BROKEN || code == VM_EXIT_SHUTDOWN ||
                        code == VM_EXIT_OTHER || code == VM_EXIT_MEMORY;
    if (!expected && !(hp.forges && forced)) {
        stray("the core ended with", (uint64_t)code);
    }
}

/* --- all of them --- */

static char *seeds[SEEDS_MAX];
static size_t seed_count;

static void list_seeds(void)
{
    DIR *folder = opendir(SEEDS);
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char path[600];
        (void)snprintf(path, sizeof(path), "%s/%s", SEEDS, entry->d_name);
        if (entry->d_name[0] != '.' && seed_count < SEEDS_MAX) {
            seeds[seed_count++] = strdup(path);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

/* What an honest host would do, in any order: the core lives, and what is forged meets it at work.
 */
static size_t honest_input(uint8_t *input, size_t at)
{
    static const struct {
        uint8_t size, bytes[5];
    } acts[] = {
        {4, {0, 3, 0xe7, 0}},     /* a call in clear */
        {4, {0, 3, 0xeb, 0}},     /* of the other function */
        {5, {0, 11, 0x41, 0, 0}}, /* sealed, whole */
        {5, {0, 11, 0x45, 0, 0}}, /* in chunks, to a function that is not there */
        {4, {0, 8, 0x23, 0}},     /* HELLO again */
        {4, {0, 8, 0x20, 0}},     /* LEASE */
        {5, {0, 17, 0x04, 0, 5}}, /* time goes on */
        {2, {0, 18}},             /* reads what came */
        {2, {0, 18}},
    };
    for (size_t i = 0; i < HONEST_ACTS; i++) {
        const size_t which = run_draw(&run, sizeof(acts) / sizeof(*acts));
        memcpy(input + at, acts[which].bytes, acts[which].size);
        at += acts[which].size;
    }
    return at;
}

/* Half of them what the fuzzer found, half at random, both after an honest beginning or not. */
static size_t make_input(uint8_t *input)
{
    size_t at = 0, size = 0;
    if (run_draw(&run, 4) != 0) {
        memcpy(input, beginning, at = sizeof(beginning));
        if (run_draw(&run, 2) == 0) {
            return honest_input(input, at);
        }
    }
    uint8_t *seed = run_draw(&run, 2) == 0 && seed_count
                        ? read_file(seeds[run_draw(&run, seed_count)], &size)
                        : NULL;
    if (seed != NULL && size > 2 && size < INPUT_MAX - at) {
        memcpy(input + at, seed + 2, size - 2);
        at += size - 2;
        for (size_t flips = run_draw(&run, 4); flips > 0; flips--) {
            input[run_draw(&run, at)] = (uint8_t)run_draw(&run, 256);
        }
    } else {
        for (size_t end = at + 100 + run_draw(&run, 600); at < end; at++) {
            input[at] = (uint8_t)run_draw(&run, 256);
        }
    }
    free(seed);
    return at;
}

static const char *boot(void)
{
    struct machine machine = {0};
    struct vm vm;
    size_t core_size, shim_size;
    uint8_t *core = read_file("build/tfaas-core", &core_size);
    uint8_t *shim = read_file("build/tfaas-shim", &shim_size);
    if (core == NULL || shim == NULL || !find_places()) {
        return "the core, its symbols or the shim are not built";
    }
    memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    machine.memory = memory;
    if (memory == MAP_FAILED || !machine_build(&machine, core, core_size, shim, shim_size)) {
        return machine.why;
    }
    if (!vm_open(&vm, kvm_fd, memory, MEMORY_SIZE)) {
        return vm.why;
    }
    *(struct shim_launch *)(void *)(memory + SHIM_LAUNCH_GPA) = (struct shim_launch){
        .magic = SHIM_LAUNCH_MAGIC, .memory_end = MEMORY_SIZE, .tsc_khz = vm.tsc_khz};
    if (!vm_boot(&vm, &machine) || !vm_take_timer(&vm) || !vm_run_to_ready(&vm) ||
        !vm_save(&vm, &ready_state)) {
        return vm.why;
    }
    vm_close(&vm);
    free(core);
    free(shim);
    return NULL;
}

static void make_bundles(void)
{
    static const char source[] = "module.exports = async (event, context) =>\n"
                                 "  context.status(200).succeed(event.body);\n";
    size_t size;
    uint8_t *echo = read_file("build/tests/functions/command_echo.wasm", &size);
    if (echo == NULL) {
        stray("build/tests/functions/command_echo.wasm is not built", 0);
    }
    make_bundle("wasm", "function.wasm", (struct span){echo, size}, &bundle_plain,
                &bundle_plain_size);
    make_bundle("js", "handler.js", (struct span){(const uint8_t *)source, sizeof(source) - 1},
                &bundle_js, &bundle_js_size);
    free(echo);
}

/* False: it failed, and what it was has been told. */
static bool one_case(uint64_t seed)
{
    static uint8_t input[INPUT_MAX + 800];
    run.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    run.forgery = (enum forgery)(seed % FORGE_KINDS);
    hp.role = run_draw(&run, 5) == 0 ? PLAT_KEEPER : PLAT_WORKER;
    hp.window =
        mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (hp.window == MAP_FAILED) {
        return false;
    }
    window_format(hp.window);
    ring_tx_init(&host.tx, hp.window, true);
    ring_rx_init(&host.rx, hp.window, true);
    const size_t size = make_input(input);
    const pid_t pid = fork();
    if (pid == 0) {
        run_case(input, size);
        _exit(0);
    }
    int status = -1;
    for (unsigned waited = 0; pid > 0 && waitpid(pid, &status, WNOHANG) == 0; waited++) {
        if (waited == CASE_S * 1000u) {
            (void)kill(pid, SIGKILL);
        }
        (void)usleep(1000);
    }
    (void)munmap(hp.window, TFAAS_WINDOW_SIZE);
    if (status != 0) {
        (void)printf("FAILED  case %llu, forgery %d, role %d: status %#x\n",
                     (unsigned long long)seed, (int)run.forgery, (int)hp.role, (unsigned)status);
    }
    return status == 0;
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("VM_CASES"), *why;
    const unsigned long count = wanted != NULL ? strtoul(wanted, NULL, 10) : CASES;
    const unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long failed = 0;
    kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm_fd < 0) {
        (void)printf("skipped: no /dev/kvm\n0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sodium_init() < 0 || tally == MAP_FAILED) {
        return 1;
    }
    uint8_t root_key[32];
    (void)crypto_sign_seed_keypair(root_key, root_secret, report_seed);
    make_keys();
    make_bundles();
    list_seeds();
    if ((why = boot()) != NULL) {
        (void)printf("FAILED  the machine: %s\n0 passed, 1 failed\n", why);
        return 1;
    }
    for (unsigned long i = 0; i < count; i++) {
        failed += !one_case(first + i);
    }
    (void)printf("%lu acts of hosts, %lu forged events; a worker with a lease in %u cases\n",
                 tally->acts, tally->forged, tally->leases);
    for (size_t i = 0; i < sizeof(tally->ends) / sizeof(*tally->ends); i++) {
        if (tally->ends[i] > 0) {
            (void)printf("  %u ended with %zu%s\n", tally->ends[i], i,
                         i == RUN_STOPPED ? " (the core lived)" : "");
        }
    }
    if (tally->leases == 0 || tally->keys == 0 || tally->forged == 0) {
        (void)printf("FAILED  there was nothing to lose: the test is blind\n");
        failed++;
    }
    (void)printf("%lu passed, %lu failed\n", count - (failed < count ? failed : count), failed);
    return failed == 0 ? 0 : 1;
}
