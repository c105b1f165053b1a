/*
 * cgroup.c - one control group for all cores of a daemon, version 2 or 1, where this process may
 * make one. Must never fail the start: without it the rlimits hold.
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

/* Makes `root`/`own path`/tfaas-PID and sets its bound of processes. */
static bool make_folder(char to[256], const char *root, const char *own)
{
    const int size =
        snprintf(to, 256, "%s%s/tfaas-%d", root, strcmp(own, "/") == 0 ? "" : own, (int)getpid());
    if (size >= 256 || (mkdir(to, 0755) != 0 && errno != EEXIST)) {
        to[0] = '\0';
        return false;
    }
    char value[32];
    (void)snprintf(value, sizeof(value), "%d", PROCESSES_MAX);
    if (!write_value(to, "pids.max", value)) {
        (void)rmdir(to);
        to[0] = '\0';
        return false;
    }
    return true;
}

void cgroup_make(struct cage *cage)
{
    FILE *list = fopen("/proc/self/cgroup", "re");
    char line[512];
    while (list != NULL && cage->cgroup[0] == '\0' && fgets(line, sizeof(line), list) != NULL) {
        /* hierarchy:controllers:path */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        if (controllers[0] == '\0') { /* version 2 */
            (void)make_folder(cage->cgroup, "/sys/fs/cgroup", path);
        } else if (has_word(controllers, "pids")) {
            (void)make_folder(cage->cgroup, "/sys/fs/cgroup/pids", path);
        }
    }
    if (list != NULL) {
        (void)fclose(list);
    }
}

bool cgroup_enter(const struct cage *cage, pid_t pid)
{
    char value[32];
    (void)snprintf(value, sizeof(value), "%d", (int)pid);
    return cage->cgroup[0] == '\0' || write_value(cage->cgroup, "cgroup.procs", value);
}

void cgroup_remove(const struct cage *cage)
{
    if (cage->cgroup[0] != '\0') {
        (void)rmdir(cage->cgroup); /* EBUSY: a dying process is still in it; harmless */
    }
}
