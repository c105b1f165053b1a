/* emu.c - see emu.h. Test code: what cannot go on ends the test with a message. */
#include "emu.h"

#include "boot.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QEMU        "qemu-system-x86_64"
#define ROM         "build/tests/emu/boot.bin"
#define PAGE        UINT64_C(4096)
#define MEMORY_SIZE (UINT64_C(768) << 20)
#define WINDOW_SIZE (UINT64_C(4) << 20) /* QEMU's memory comes in pieces of 2 MiB */
#define XCR0        UINT64_C(0x7)       /* x87, SSE, AVX: all that QEMU emulates */
#define TIMER_HZ    1193182u
#define TICK_HZ     1000u
#define TSC_KHZ     1000000u /* the counter of a machine whose instructions are its time: ns */
#define MEMORY_MAX  (UINT64_C(256) << 20)
#define SYSCALL_VA  (SHIM_BASE + SHIM_SYSCALL_GPA)
#define FRAME_SIZE  40u  /* of iretq: rip, cs, rflags, rsp, ss */
#define TSS_BUSY    0x2u /* in byte 5 of a TSS descriptor */

/* Descriptors in QEMU. */
enum { RAM_FD = 3, WINDOW_FD, BELL_FD, READY_FD, LOG_FD, END_FD };

static void die(const char *what, const char *detail)
{
    (void)printf("emu: %s: %s\n0 passed, 1 failed\n", what, detail);
    exit(1);
}

const char *emu_missing(void)
{
    const char *path = getenv("PATH");
    char file[4096];
    while (path != NULL && *path != '\0') {
        const size_t size = strcspn(path, ":");
        (void)snprintf(file, sizeof(file), "%.*s/" QEMU, (int)size, path);
        if (access(file, X_OK) == 0) {
            return NULL;
        }
        path += size + (path[size] == ':');
    }
    return "no " QEMU;
}

/* --- memory --- */

static const uint8_t *map_file(const char *path, size_t *size)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size <= 0) {
        die(path, "cannot be read");
    }
    *size = (size_t)info.st_size;
    const void *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        die(path, strerror(errno));
    }
    close(fd);
    return bytes;
}

static void *make_memory(const char *name, uint64_t size, int *fd)
{
    *fd = memfd_create(name, MFD_CLOEXEC);
    void *at = *fd >= 0 && ftruncate(*fd, (off_t)size) == 0
                   ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0)
                   : MAP_FAILED;
    if (at == MAP_FAILED) {
        die("no memory for the machine", strerror(errno));
    }
    return at;
}

static uint64_t table_at(unsigned table)
{
    return BOOT_GPA + table * PAGE;
}

static void put_entry(struct emu *emu, unsigned table, uint64_t index, uint64_t value)
{
    value |= SHIM_PTE_PRESENT | SHIM_PTE_WRITE;
    memcpy(emu->machine.memory + table_at(table) + index % 512 * 8, &value, sizeof(value));
}

/* The shim's one way out of ring 0: `add $16, %rsp; iretq`. */
static uint64_t find_iretq(const struct emu *emu)
{
    static const uint8_t leave[] = {0x48, 0x83, 0xc4, 0x10, 0x48, 0xcf};
    const uint8_t *text = emu->machine.memory + SHIM_IMAGE_GPA;
    const uint8_t *found = memmem(text, SHIM_IMAGE_END - SHIM_IMAGE_GPA, leave, sizeof(leave));
    if (found == NULL) {
        die("the shim", "no iretq where entry.S has it");
    }
    const uint64_t gpa = (uint64_t)(found - emu->machine.memory) + 4;
    if (gpa % PAGE < 3) {
        die("the shim", "its iretq is at the start of a page");
    }
    return gpa;
}

/* Page tables under which the ROM runs, and under which one page of the shim is another one, with
 * `mov %rax, %cr3` ahead of where the shim has its iretq. */
static void put_tables(struct emu *emu, uint64_t iretq)
{
    enum { ROOT, LOW, LOW_2M, ROM_2M, HIGH, HIGH_2M, HIGH_4K, TABLES };
    _Static_assert(TABLES == BOOT_TABLES && BOOT_STEP_GPA == BOOT_GPA + TABLES * 4096, "boot.h");
    const uint64_t va = SHIM_BASE + iretq;
    put_entry(emu, ROOT, 0, table_at(LOW));
    put_entry(emu, LOW, 0, table_at(LOW_2M));
    put_entry(emu, LOW_2M, 0, SHIM_PTE_LARGE);
    put_entry(emu, LOW, BOOT_ROM_GPA >> 30, table_at(ROM_2M));
    put_entry(emu, ROM_2M, BOOT_ROM_GPA >> 21, (BOOT_ROM_GPA & ~0x1fffffu) | SHIM_PTE_LARGE);
    put_entry(emu, ROOT, va >> 39, table_at(HIGH));
    put_entry(emu, HIGH, va >> 30, table_at(HIGH_2M));
    put_entry(emu, HIGH_2M, va >> 21, table_at(HIGH_4K));
    put_entry(emu, HIGH_4K, va >> 12, BOOT_STEP_GPA);
    static const uint8_t step[] = {0x0f, 0x22, 0xd8};
    memcpy(emu->machine.memory + BOOT_STEP_GPA + iretq % PAGE - sizeof(step), step, sizeof(step));
}

/* The first instruction of vm.c:vm_boot, for the ROM. */
static void put_boot(struct emu *emu, const struct emu_options *options)
{
    uint8_t *memory = emu->machine.memory;
    const uint64_t iretq = find_iretq(emu), stack = SHIM_STACK_GPA_END - FRAME_SIZE;
    const uint64_t frame[5] = {emu->machine.rip, SHIM_CS3, 0x202, emu->machine.rsp, SHIM_SS3};
    memcpy(memory + stack, frame, sizeof(frame));
    put_tables(emu, iretq);
    memcpy(memory + BOOT_GDT_GPA, memory + SHIM_TABLES_GPA, PAGE);
    memory[BOOT_GDT_GPA + SHIM_TSS + 5] &= (uint8_t)~TSS_BUSY;
    const struct boot_words words = {
        .cr0 = MACHINE_CR0 & ~options->cr0_off,
        .cr3 = SHIM_PAGE_TABLE_GPA,
        .cr4 = (MACHINE_CR4 | MACHINE_UMIP) & ~options->cr4_off,
        .efer = MACHINE_EFER,
        .star = MACHINE_STAR,
        .lstar = SYSCALL_VA,
        .sfmask = MACHINE_SFMASK & ~options->sfmask_off,
        .xcr0 = XCR0,
        .step = SHIM_BASE + iretq - 3,
        .stack = SHIM_BASE + stack,
        .timer = TIMER_HZ / TICK_HZ,
        .first_gdt = {PAGE - 1, BOOT_GDT_GPA},
        .gdt = {PAGE - 1, SHIM_BASE + SHIM_TABLES_GPA},
        .idt = {SHIM_VECTORS * 16 - 1, SHIM_BASE + SHIM_TABLES_GPA + PAGE},
    };
    memcpy(memory + BOOT_WORD_GPA, &words, sizeof(words));
}

/* As host/tender/kvm/vm_main.c does it; there is no copy to be made at READY, so all at once. */
static void put_launch(struct emu *emu)
{
    struct shim_launch *launch = (struct shim_launch *)(emu->machine.memory + SHIM_LAUNCH_GPA);
    *launch = (struct shim_launch){.magic = SHIM_LAUNCH_MAGIC,
                                   .memory_end = emu->memory_size,
                                   .tsc_khz = TSC_KHZ,
                                   .memory_max = MEMORY_MAX,
                                   .role = 1, /* PLAT_WORKER */
                                   .launched = 1,
                                   .domain = "emulated"};
    memcpy(launch->measurement, emu->measurement, sizeof(launch->measurement));
    if (getrandom(launch->entropy, sizeof(launch->entropy), 0) != sizeof(launch->entropy) ||
        getrandom(launch->report_seed, sizeof(launch->report_seed), 0) !=
            sizeof(launch->report_seed) ||
        getrandom(launch->cache_seed, sizeof(launch->cache_seed), 0) !=
            sizeof(launch->cache_seed)) {
        die("getrandom", strerror(errno));
    }
}

static void build(struct emu *emu, const struct emu_options *options)
{
    size_t core_size, shim_size;
    const uint8_t *core = map_file(options->core, &core_size);
    const uint8_t *shim = map_file(options->shim, &shim_size);
    if (!machine_build(&emu->machine, core, core_size, shim, shim_size)) {
        die("the machine cannot be built", emu->machine.why);
    }
    if (emu->machine.frames_used > emu->memory_size) {
        die("the machine cannot be built", "it needs more memory");
    }
    machine_measure(&emu->machine, emu->measurement);
    (void)munmap((void *)(uintptr_t)core, core_size);
    (void)munmap((void *)(uintptr_t)shim, shim_size);
}

/* --- QEMU --- */

static void become_qemu(const int fds[END_FD]) __attribute__((noreturn));
static void become_qemu(const int fds[END_FD])
{
    static char filter[64];
    int high[END_FD];
    (void)snprintf(filter, sizeof(filter), "%#llx+1", (unsigned long long)SYSCALL_VA);
    for (int fd = RAM_FD; fd < END_FD; fd++) {
        high[fd] = fcntl(fds[fd], F_DUPFD_CLOEXEC, END_FD);
    }
    for (int fd = RAM_FD; fd < END_FD; fd++) {
        if (dup2(high[fd], fd) != fd) {
            _exit(126);
        }
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* clang-format off */
    (void)execlp(QEMU, QEMU, "-accel", "tcg", "-cpu", "max,-apic", "-smp", "1",
        "-machine", "pc,memory-backend=ram,usb=off", "-m", "768M,slots=1,maxmem=16G",
        "-object", "memory-backend-file,id=ram,mem-path=/proc/self/fd/3,size=768M,share=on",
        "-object", "memory-backend-file,id=window,mem-path=/proc/self/fd/4,size=4M,share=on",
        "-device", "pc-dimm,memdev=window,addr=0x200000000",
        "-chardev", "file,id=bell,path=/proc/self/fd/5",
        "-device", "isa-serial,index=0,iobase=0x500,irq=4,chardev=bell",
        "-chardev", "file,id=ready,path=/proc/self/fd/6",
        "-device", "isa-serial,index=1,iobase=0x50c,irq=3,chardev=ready",
        "-device", "isa-debug-exit,iobase=0x510,iosize=4",
        "-bios", ROM, "-icount", "shift=2", "-no-reboot", "-nodefaults", "-no-user-config",
        "-display", "none", "-serial", "none", "-monitor", "none",
        "-D", "/proc/self/fd/7", "-d", "int,exec", "-dfilter", filter, (char *)NULL);
    /* clang-format on */
    _exit(127);
}

_Static_assert(SHIM_PORT_BELL == 0x500 && SHIM_PORT_READY == 0x50c && SHIM_PORT_EXIT == 0x510 &&
                   SHIM_WINDOW_GPA == 0x200000000 && MEMORY_SIZE == 768u << 20 && RAM_FD == 3 &&
                   WINDOW_FD == 4 && BELL_FD == 5 && READY_FD == 6 && LOG_FD == 7,
               "QEMU's arguments");

static int make_pipe(int *to)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        die("pipe", strerror(errno));
    }
    *to = ends[1];
    return ends[0];
}

void emu_start(struct emu *emu, const struct emu_options *options)
{
    int fds[END_FD];
    *emu = (struct emu){.memory_size = MEMORY_SIZE};
    emu->machine.memory = make_memory("machine", MEMORY_SIZE, &fds[RAM_FD]);
    emu->window = make_memory("window", WINDOW_SIZE, &fds[WINDOW_FD]);
    window_format(emu->window);
    build(emu, options);
    put_launch(emu);
    put_boot(emu, options);
    emu->bell_fd = make_pipe(&fds[BELL_FD]);
    emu->ready_fd = make_pipe(&fds[READY_FD]);
    emu->log_fd = fds[LOG_FD] = memfd_create("log", MFD_CLOEXEC);
    emu->pid = fork();
    if (emu->log_fd < 0 || emu->pid < 0) {
        die("QEMU cannot be started", strerror(errno));
    }
    if (emu->pid == 0) {
        become_qemu(fds);
    }
    for (int fd = RAM_FD; fd < LOG_FD; fd++) {
        close(fds[fd]);
    }
}

bool emu_ready(struct emu *emu)
{
    struct pollfd poller = {.fd = emu->ready_fd, .events = POLLIN};
    char byte = 0;
    do { /* 1 and 2: what a copy would write, which is of no use here */
        if (poll(&poller, 1, EMU_PATIENCE_S * 1000) != 1 || read(emu->ready_fd, &byte, 1) != 1) {
            return false;
        }
    } while (byte != 0);
    memset(emu->machine.memory + BOOT_GPA, 0, BOOT_END_GPA - BOOT_GPA);
    return true;
}

uint64_t *emu_page(const struct emu *emu, uint64_t va)
{
    uint64_t *table = (uint64_t *)(emu->machine.memory + SHIM_PAGE_TABLE_GPA);
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t *entry = &table[va >> shift & 511];
        if ((*entry & SHIM_PTE_PRESENT) == 0) {
            die("the machine's page tables", "an address without a page");
        }
        if (shift == 12) {
            return entry;
        }
        if ((*entry & SHIM_PTE_LARGE) != 0) {
            die("the machine's page tables", "a large page where a small one was expected");
        }
        table = (uint64_t *)(emu->machine.memory + (*entry & SHIM_PTE_FRAME));
    }
}

void emu_stop(struct emu *emu)
{
    if (emu->pid > 0) {
        (void)kill(emu->pid, SIGKILL);
        (void)waitpid(emu->pid, NULL, 0);
    }
    (void)munmap(emu->machine.memory, emu->memory_size);
    (void)munmap(emu->window, WINDOW_SIZE);
    close(emu->bell_fd);
    close(emu->ready_fd);
    close(emu->log_fd);
    emu->pid = -1;
}

int emu_code(int status)
{
    /* isa-debug-exit ends QEMU with twice the code and one; a reset ends it with 0. */
    if (!WIFEXITED(status)) {
        return EMU_ODD;
    }
    const int code = WEXITSTATUS(status);
    return code == 0 ? EMU_RESET : code % 2 == 1 && code < 126 * 2 ? code / 2 : EMU_ODD;
}

int emu_end(struct emu *emu)
{
    int status;
    for (unsigned ms = 0; ms < EMU_PATIENCE_S * 1000; ms++) {
        if (waitpid(emu->pid, &status, WNOHANG) == emu->pid) {
            emu->pid = -1;
            return emu_code(status);
        }
        const struct timespec moment = {.tv_nsec = 1000000};
        (void)nanosleep(&moment, NULL);
    }
    return EMU_LIVES;
}

/* --- the log --- */

static void read_line(const char *line, struct emu_log *log)
{
    unsigned vector, error, soft, ring, cs, flags, compile;
    unsigned long long ip, base, at;
    void *code;
    if (sscanf(line, "Trace 0: %p [%llx/%llx/%x/%x]", &code, &base, &at, &flags, &compile) == 5) {
        log->calls++;
        log->calls_in_ring0 += (flags & 3) == 0; /* QEMU keeps the ring in these bits */
    } else if (sscanf(line, "%*d: v=%x e=%x i=%u cpl=%u IP=%x:%llx", &vector, &error, &soft, &ring,
                      &cs, &ip) == 6) {
        log->ticks += vector == SHIM_VECTOR_TICK;
        log->faults += vector == SHIM_VECTOR_FAULT;
        log->from_ring0 += ring != 3;
        log->fetches_at_call += vector != SHIM_VECTOR_TICK && ip == SYSCALL_VA;
    }
}

void emu_log_read(const struct emu *emu, struct emu_log *log)
{
    char line[512];
    char path[64];
    *log = (struct emu_log){0};
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", emu->log_fd);
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        die("QEMU's log", strerror(errno));
    }
    while (fgets(line, sizeof(line), in) != NULL) {
        read_line(line, log);
    }
    (void)fclose(in);
}
