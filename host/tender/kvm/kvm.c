/*
 * kvm.c - the kvm tender: one caged process (tfaas-vm) that boots a core's virtual machine once and
 * forks a process with a copy of it per core. Everything around is the process tender's: the cage,
 * windows, doorbells, ends.
 */
#include "../process/process.h"

#include "machine.h"
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KVM_PATH     "/dev/kvm"
#define KVM_VERSION  12
#define PROCESS_SIZE (UINT64_C(64) << 20) /* of tfaas-vm itself, beside the guest's memory */

/* Why there is no KVM here, in words; NULL: there is one, open at *fd. */
static const char *open_kvm(int *fd, char *text, size_t text_size)
{
    static const int needed[] = {KVM_CAP_USER_MEMORY, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_IOEVENTFD,
                                 KVM_CAP_XSAVE,       KVM_CAP_XCRS,           KVM_CAP_GET_TSC_KHZ};
    *fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
    if (*fd < 0) {
        (void)snprintf(text, text_size, "%s: %s",
                       errno == ENOENT   ? "no " KVM_PATH
                       : errno == EACCES ? KVM_PATH
                           " may not be used (is the user in the group kvm?)"
                                         : KVM_PATH,
                       strerror(errno));
        return text;
    }
    const char *why = NULL;
    if (ioctl(*fd, KVM_GET_API_VERSION, 0) != KVM_VERSION) {
        why = KVM_PATH " is not the KVM this program knows";
    }
    for (size_t i = 0; why == NULL && i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (ioctl(*fd, KVM_CHECK_EXTENSION, needed[i]) <= 0) {
            (void)snprintf(text, text_size, KVM_PATH " lacks extension %d", needed[i]);
            why = text;
        }
    }
    if (why != NULL) {
        close(*fd);
        *fd = -1;
    }
    return why;
}

static bool kvm_probe(char *why, size_t why_size)
{
    char text[160];
    int fd;
    const char *missing = open_kvm(&fd, text, sizeof(text));
    const bool cage = process_probe(why, why_size);
    if (missing == NULL) {
        close(fd);
        return cage;
    }
    const size_t used = strnlen(why, why_size);
    (void)snprintf(why + used, why_size - used, "%s%s", used > 0 ? "\n" : "", missing);
    return false;
}

/* A file beside the core's. */
static int open_beside(const char *core_path, const char *name, struct tfaas_error *error)
{
    char path[4096];
    const char *slash = strrchr(core_path, '/');
    const int folder = slash != NULL ? (int)(slash - core_path) + 1 : 0;
    const int size = snprintf(path, sizeof(path), "%.*s%s", folder, core_path, name);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        error_set(error, TFAAS_UNAVAILABLE, "the path of the core is too long");
        return -1;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_errno(error, TFAAS_UNAVAILABLE, errno, "%s", path);
    }
    return fd;
}

static tfaas_status_t open_files(const char *core_path, int core_fd, struct cage *cage, int *run_fd,
                                 struct tfaas_error *error)
{
    static char memory[24];
    char text[160];
    int kvm;
    const char *missing = open_kvm(&kvm, text, sizeof(text));
    if (missing != NULL) {
        return error_set(error, TFAAS_UNAVAILABLE, "%s", missing);
    }
    cage->given_fds[0] = kvm;
    cage->given_fds[1] = core_fd;
    cage->given_fds[2] = open_beside(core_path, "tfaas-shim", error);
    if (cage->given_fds[2] < 0) {
        return error->status;
    }
    const int run = open_beside(core_path, "tfaas-vm", error);
    if (run < 0) {
        return error->status;
    }
    *run_fd = run;
    (void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)cage->memory_max);
    cage->arguments[0] = "tfaas-vm";
    cage->arguments[1] = cage->measurement;
    cage->arguments[2] = memory;
    cage->memory_max += MACHINE_BASE_SIZE + SHIM_HEAP_SIZE + 2 * SHIM_MAPS_READY + PROCESS_SIZE;
    return TFAAS_OK;
}

static const uint8_t *map_file(int fd, size_t *size)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size <= 0) {
        return NULL;
    }
    *size = (size_t)info.st_size;
    const void *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static tfaas_status_t measure_machine(const struct cage *cage, int core_fd, uint8_t measurement[48],
                                      struct tfaas_error *error)
{
    size_t core_size = 0, shim_size = 0;
    const uint8_t *core = map_file(core_fd, &core_size);
    const uint8_t *shim = map_file(cage->given_fds[2], &shim_size);
    const char *why = "the files cannot be read";
    const bool ok = core != NULL && shim != NULL &&
                    machine_measure_files(core, core_size, shim, shim_size, measurement, &why);
    if (core != NULL) {
        (void)munmap((void *)(uintptr_t)core, core_size);
    }
    if (shim != NULL) {
        (void)munmap((void *)(uintptr_t)shim, shim_size);
    }
    return ok ? TFAAS_OK : error_set(error, TFAAS_UNAVAILABLE, "measure the core: %s", why);
}

static const char *describe(int code)
{
    switch (code) {
    case SHIM_EXIT_BROKEN:
        return "a fault in ring 0 of the core's machine, or in a handler of faults";
    case VM_EXIT_NO_MACHINE:
        return "KVM made no virtual machine for it";
    case VM_EXIT_PORT:
        return "the guest used a port it may not use";
    case VM_EXIT_MEMORY:
        return "the guest used an address without memory";
    case VM_EXIT_SHUTDOWN:
        return "triple fault of the guest";
    case VM_EXIT_HALT:
        return "the guest halted";
    case VM_EXIT_OTHER:
        return "KVM could not go on with the guest";
    default:
        return NULL;
    }
}

static const struct process_kind machine_kind = {.open = open_files,
                                                 .measure = measure_machine,
                                                 .describe = describe,
                                                 .layers = "virtual machine, "};

static tfaas_status_t kvm_start(const struct tender_options *options, struct tender **tender,
                                char *layers, size_t layers_size, struct tfaas_error *error)
{
    return process_start_kind(&machine_kind, options, tender, layers, layers_size, error);
}

const struct tender_ops tender_kvm = {
    .name = "kvm",
    .probe = kvm_probe,
    .start = kvm_start,
    .launch = process_launch,
    .identity = process_identity,
    .ended = process_ended,
    .destroy = process_destroy,
    .stop = process_stop,
};
