/*
 * vm_main.c - tfaas-vm: boots one machine to the point where its core is ready, keeps it as the
 * template, and forks a process with a copy of it per command of the tender. Started by the kvm
 * tender inside the cage: tfaas-vm MEASUREMENT MEMORY. Must never run a copy outside the narrow
 * filter, and never let the template see a launch page's secrets.
 */
#include "vm.h"

#include "plat/linux/spawn.h"
#include "tfaas/abi.h"
#include "tfaas/version.h"
#include "vm_fds.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The ELF, the heap and the prepared mappings have their frames from the start; what the core may
 * use for functions (memory_max) comes on top. */
#define MEMORY_LEAST (MACHINE_BASE_SIZE + SHIM_HEAP_SIZE + 2 * SHIM_MAPS_READY)

static uint8_t *memory;
static uint64_t memory_size, memory_max;
static struct vm_state ready_state;
static uint8_t measurement[SHA384_SIZE];
static uint8_t report_seed[32], cache_seed[32];

/* What the core's own files need of the platform when they are linked here: nothing. */
void plat_abort(const char *reason)
{
    spawn_fail(reason);
}

static void fail_with(const char *what, const char *why) __attribute__((noreturn));
static void fail_with(const char *what, const char *why)
{
    char text[200];
    (void)snprintf(text, sizeof(text), "%s: %s (%s)", what, why, strerror(errno));
    spawn_fail(text);
}

static const uint8_t *map_file(int fd, size_t *size)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size <= 0) {
        spawn_fail("the core's files cannot be read");
    }
    *size = (size_t)info.st_size;
    const void *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        spawn_fail("the core's files cannot be mapped");
    }
    close(fd);
    return bytes;
}

/* Measures the machine as it is now, beside its start: a process of its own has a copy. */
static pid_t start_check(const struct machine *machine)
{
    const pid_t pid = fork();
    if (pid == 0) {
        uint8_t found[SHA384_SIZE];
        machine_measure(machine, found);
        _exit(memcmp(found, measurement, sizeof(found)) == 0 ? 0 : 1);
    }
    return pid;
}

static void end_check(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        spawn_fail("the files were changed after they were measured: start tfaasd anew");
    }
}

/* Builds the machine. The check says whether it is the one the tender measured: what is copied out
 * of the files is what is hashed. */
static pid_t build(struct machine *machine)
{
    size_t core_size, shim_size;
    const uint8_t *core = map_file(VM_CORE_FILE_FD, &core_size);
    const uint8_t *shim = map_file(VM_SHIM_FILE_FD, &shim_size);
    uint8_t *around = mmap(NULL, memory_size + SHIM_LARGE_PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (around == MAP_FAILED) {
        spawn_fail("no address space for the machine's memory");
    }
    /* Large pages of the guest are large ones of the host where it has them. */
    memory = around + (-(uintptr_t)around & (SHIM_LARGE_PAGE - 1));
    (void)madvise(memory, memory_size, MADV_HUGEPAGE);
    machine->memory = memory;
    if (!machine_build(machine, core, core_size, shim, shim_size)) {
        spawn_fail(machine->why);
    }
    if (machine->frames_used > memory_size) {
        spawn_fail("the machine's memory is too small for the core");
    }
    (void)munmap((void *)(uintptr_t)core, core_size);
    (void)munmap((void *)(uintptr_t)shim, shim_size);
    return start_check(machine);
}

/* Pages that a copy writes until its first answer: it gets its own of them at once, which costs a
 * fraction of as many faults of the guest. */
struct stretch {
    uint64_t at, size;
};
static struct stretch first_writes[512];
static size_t first_write_count;

static void find_first_writes(const uint64_t *noted)
{
    const uint64_t pages = noted != NULL ? memory_size / 4096 : 0;
    for (uint64_t page = 0; page < pages; page++) {
        if ((noted[page / 64] >> page % 64 & 1) == 0) {
            continue;
        }
        struct stretch *last = first_write_count > 0 ? &first_writes[first_write_count - 1] : NULL;
        if (last != NULL && last->at + last->size == page * 4096) {
            last->size += 4096;
        } else if (first_write_count < sizeof(first_writes) / sizeof(first_writes[0])) {
            first_writes[first_write_count++] = (struct stretch){page * 4096, 4096};
        }
    }
}

static void take_first_writes(void)
{
    for (size_t i = 0; i < first_write_count; i++) {
        (void)madvise(memory + first_writes[i].at, first_writes[i].size, MADV_POPULATE_WRITE);
    }
}

static void boot_template(void)
{
    struct machine machine = {0};
    struct vm vm;
    const pid_t check = build(&machine);
    if (!vm_open(&vm, VM_KVM_FD, memory, memory_size)) {
        fail_with("the virtual machine", vm.why);
    }
    struct shim_launch *launch = (struct shim_launch *)(memory + SHIM_LAUNCH_GPA);
    *launch = (struct shim_launch){
        .magic = SHIM_LAUNCH_MAGIC, .memory_end = memory_size, .tsc_khz = vm.tsc_khz};
    if (!vm_boot(&vm, &machine) || !vm_take_timer(&vm) || !vm_run_to_ready(&vm)) {
        const volatile struct shim_shared *at = (void *)(memory + SHIM_SHARED_GPA);
        char text[400], words[sizeof(at->words)] = "";
        for (size_t i = 0; i < sizeof(words) - 1; i++) {
            words[i] = at->words[i];
        }
        (void)snprintf(text, sizeof(text),
                       "the core's machine: %s%s%s (fault %lld at %#llx, address %#llx)", vm.why,
                       words[0] != '\0' ? ": " : "", words, (long long)at->vector,
                       (unsigned long long)at->rip, (unsigned long long)at->address);
        spawn_fail(text);
    }
    if (!vm_save(&vm, &ready_state)) {
        fail_with("the template", vm.why);
    }
    end_check(check);
    (void)madvise(memory, memory_size,
                  MADV_NOHUGEPAGE); /* a copy's new memory comes in small ones */
    find_first_writes(vm.noted);
    free(vm.noted);
    vm_close(&vm);
}

static void fill_launch_page(enum plat_role role, const char *domain, uint32_t tsc_khz)
{
    struct shim_launch *launch = (struct shim_launch *)(memory + SHIM_LAUNCH_GPA);
    *launch = (struct shim_launch){.magic = SHIM_LAUNCH_MAGIC,
                                   .memory_end = memory_size,
                                   .tsc_khz = tsc_khz,
                                   .memory_max = memory_max,
                                   .role = (uint32_t)role,
                                   .launched = 1};
    memcpy(launch->measurement, measurement, sizeof(launch->measurement));
    memcpy(launch->report_seed, report_seed, sizeof(launch->report_seed));
    memcpy(launch->cache_seed, cache_seed, sizeof(launch->cache_seed));
    memcpy(launch->domain, domain, strlen(domain) + 1); /* spawn.c has checked its length */
    sodium_memzero(report_seed, sizeof(report_seed));
    sodium_memzero(cache_seed, sizeof(cache_seed));
    if (getrandom(launch->entropy, sizeof(launch->entropy), 0) != sizeof(launch->entropy)) {
        _exit(VM_EXIT_NO_MACHINE);
    }
}

/* Everything between clone and the guest. */
static void run_copy(enum plat_role role, const char *domain, const int fds[CONTROL_FDS_MAX],
                     bool own_pids) __attribute__((noreturn));
static void run_copy(enum plat_role role, const char *domain, const int fds[CONTROL_FDS_MAX],
                     bool own_pids)
{
    (void)own_pids;
    struct vm vm;
    take_first_writes();
    void *window = mmap(NULL, TFAAS_WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (window == MAP_FAILED || !vm_open(&vm, VM_KVM_FD, memory, memory_size) ||
        !vm_attach(&vm, window, fds[2]) || !vm_restore(&vm, &ready_state) || !vm_take_timer(&vm)) {
        _exit(VM_EXIT_NO_MACHINE);
    }
    fill_launch_page(role, domain, vm.tsc_khz);
    const int kept[2] = {fds[1], vm.cpu_fd};
    _Static_assert(VM_CPU_FD == VM_RING_FD + 1, "spawn_close_child");
    if (!spawn_close_child(kept, VM_RING_FD) || !spawn_lower_rights(8)) {
        _exit(WORKER_EXIT_NO_CAGE);
    }
    vm.cpu_fd = VM_CPU_FD;
    if (!vm_filter_install(true)) {
        _exit(WORKER_EXIT_NO_CAGE);
    }
    _exit(vm_run(&vm));
}

static void nothing(void) {}

int main(int argc, char **argv)
{
    struct timespec before, after;
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    if (argc != 3) {
        (void)fputs("tfaas-vm is started by tfaasd.\n", stderr);
        return 64;
    }
    memory_max = strtoull(argv[2], NULL, 10);
    memory_size = memory_max + MEMORY_LEAST;
    if (memory_size > SHIM_MEMORY_MAX) {
        memory_size = SHIM_MEMORY_MAX;
    }
    if (sodium_init() < 0 || !spawn_read_measurement(argv[1], measurement)) {
        spawn_fail("the tender gave no measurement");
    }
    spawn_prepare();
    spawn_no_new_rights();
    randombytes_buf(report_seed, sizeof(report_seed));
    randombytes_buf(cache_seed, sizeof(cache_seed));
    uint8_t root[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    if (crypto_sign_seed_keypair(root, secret, report_seed) != 0) {
        spawn_fail("the report key cannot be made");
    }
    sodium_memzero(secret, sizeof(secret));
    boot_template();
    if (!vm_filter_install(false)) {
        spawn_fail("the kernel refuses the system call filter");
    }
    const struct spawn_hooks hooks = {nothing, run_copy};
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    spawn_serve(
        &hooks, root, TFAAS_VERSION,
        (uint64_t)((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec));
}
