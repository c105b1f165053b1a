/*
 * cgroup.c - one control group for all cores of a daemon, version 2 or 1, where this process may
 * make one. Must never fail the start: without it the rlimits hold. Not one group per worker:
 * moving a process between groups waits for the kernel for 7-16 ms.
 */
#include "cage.h"

#include "plat/linux/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESSES_MAX (CONTROL_WORKERS_MAX + 8)

static bool write_value(const char *folder, const char *file, const char *value)
{
    char path[512];
    if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path)) {
        return false;
    }
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool written = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    const int failure = errno;
    close(fd);
    errno = failure;
    return written;
}

static bool has_word(const char *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += size) {
        const bool starts = at == list || at[-1] == ',' || at[-1] == ' ' || at[-1] == ':';
        const char end = at[size];
        if (starts && (end == '\0' || end == ',' || end == ' ' || end == '\n' || end == ':')) {
            return true;
        }
    }
    return false;
}

/* Makes ROOT/OWN/tfaas-PID with the bounds this hierarchy knows; leaves "" when none could be set.
 */
static void make_folder(char to[256], const char *root, const char *own, const char *memory_file,
                        uint64_t memory_max)
{
    const int size =
        snprintf(to, 256, "%s%s/tfaas-%d", root, strcmp(own, "/") == 0 ? "" : own, (int)getpid());
    if (size >= 256 || (mkdir(to, 0755) != 0 && errno != EEXIST)) {
        to[0] = '\0';
        return;
    }
    char processes[32], memory[32];
    (void)snprintf(processes, sizeof(processes), "%d", PROCESSES_MAX);
    (void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)memory_max);
    const bool bounded = write_value(to, "pids.max", processes);
    if (!write_value(to, memory_file, memory) && !bounded) {
        (void)rmdir(to);
        to[0] = '\0';
    }
}

void cgroup_make(struct cage *cage)
{
    FILE *list = fopen("/proc/self/cgroup", "re");
    char line[512];
    unsigned made = 0;
    while (list != NULL && made < CAGE_CGROUPS && fgets(line, sizeof(line), list) != NULL) {
        /* hierarchy:controllers:path */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        const bool version2 = controllers[0] == '\0';
        if (!version2 && !has_word(controllers, "pids") && !has_word(controllers, "memory")) {
            continue;
        }
        char root[128];
        (void)snprintf(root, sizeof(root), "/sys/fs/cgroup%s%s", version2 ? "" : "/", controllers);
        make_folder(cage->cgroup[made], root, path,
                    version2 ? "memory.max" : "memory.limit_in_bytes", cage->cores_memory_max);
        made += cage->cgroup[made][0] != '\0';
    }
    if (list != NULL) {
        (void)fclose(list);
    }
}

bool cgroup_enter(const struct cage *cage, pid_t pid)
{
    char value[32];
    (void)snprintf(value, sizeof(value), "%d", (int)pid);
    for (unsigned i = 0; i < CAGE_CGROUPS && cage->cgroup[i][0] != '\0'; i++) {
        if (!write_value(cage->cgroup[i], "cgroup.procs", value)) {
            return false;
        }
    }
    return true;
}

void cgroup_remove(const struct cage *cage)
{
    for (unsigned i = 0; i < CAGE_CGROUPS && cage->cgroup[i][0] != '\0'; i++) {
        (void)rmdir(cage->cgroup[i]); /* EBUSY: a dying process is still in it; harmless */
    }
}
