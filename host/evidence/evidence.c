/*
 * evidence.c - the table of sources, and fetching from one beside the caller's loop: a kernel may
 * take longer for a report than a call may wait.
 */
#include "evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int real_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC);
}

static int real_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

void evidence_env_init(struct evidence_env *env)
{
    *env = (struct evidence_env){.tsm_path = EVIDENCE_TSM_PATH,
                                 .sev_path = EVIDENCE_SEV_PATH,
                                 .tdx_path = EVIDENCE_TDX_PATH,
                                 .make_folder = mkdir,
                                 .remove_folder = rmdir,
                                 .open_file = real_open,
                                 .read_file = read,
                                 .write_file = write,
                                 .control = real_ioctl};
}

void evidence_free(struct evidence *evidence)
{
    free(evidence->bytes);
    free(evidence->endorsements);
    *evidence = (struct evidence){.type = NULL};
}

/* Hardware first: what is simulated proves nothing. */
static const struct evidence_source *const sources[] = {&evidence_tsm, &evidence_sev, &evidence_tdx,
                                                        &evidence_simulated};
#define SOURCE_COUNT (sizeof sources / sizeof *sources)

bool evidence_name_ok(const char *name)
{
    if (strcmp(name, "auto") == 0 || strcmp(name, "none") == 0)
        return true;
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        if (strcmp(sources[i]->name, name) == 0)
            return true;
    return false;
}

tfaas_status_t evidence_choose(const char *name, const struct evidence_env *env,
                               const struct evidence_source **source, struct tfaas_error *error)
{
    char why[300] = "";
    bool any = strcmp(name, "auto") == 0;
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        if (!any && strcmp(sources[i]->name, name) != 0)
            continue;
        if (sources[i]->probe(env, why, sizeof why)) {
            *source = sources[i];
            return TFAAS_OK;
        }
        if (!any)
            return error_set(error, TFAAS_UNAVAILABLE, "evidence %s is not available: %s", name,
                             why);
    }
    return error_set(error, TFAAS_NOT_FOUND, "there is no source of evidence named %.40s", name);
}

/* --- jobs --- */

struct evidence_job {
    const struct evidence_source *source;
    const struct evidence_env *env;
    enum evidence_want want;
    uint8_t data[EVIDENCE_DATA_SIZE], key[32];
    int fd;
    atomic_uint holders; /* the thread, and whoever waits */
    struct evidence evidence;
    tfaas_status_t status;
    struct tfaas_error error;
};

static void job_release(struct evidence_job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) != 1)
        return;
    close(job->fd);
    evidence_free(&job->evidence);
    sodium_memzero(job->key, sizeof job->key);
    free(job);
}

static void *job_main(void *argument)
{
    struct evidence_job *job = argument;
    uint64_t one = 1;
    job->status = job->want == EVIDENCE_REPORT
                      ? job->source->get(job->env, job->data, &job->evidence, &job->error)
                      : job->source->seal_key(job->env, job->key, &job->error);
    /* Cannot fail: the counter is zero. What is written above is seen by whoever reads it. */
    ssize_t written = write(job->fd, &one, sizeof one);
    (void)written;
    job_release(job);
    return NULL;
}

tfaas_status_t evidence_start(const struct evidence_source *source, const struct evidence_env *env,
                              enum evidence_want want, const uint8_t *data,
                              struct evidence_job **out, struct tfaas_error *error)
{
    pthread_attr_t attributes;
    pthread_t thread;
    struct evidence_job *job = calloc(1, sizeof *job);
    if (!job)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    *job = (struct evidence_job){.source = source, .env = env, .want = want};
    atomic_init(&job->holders, 2);
    if (data)
        memcpy(job->data, data, sizeof job->data);
    job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = job->fd < 0 ? errno : pthread_attr_init(&attributes);
    if (failed == 0) {
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        (void)pthread_attr_setstacksize(&attributes, 256u * 1024);
        failed = pthread_create(&thread, &attributes, job_main, job);
        (void)pthread_attr_destroy(&attributes);
    }
    if (failed) {
        if (job->fd >= 0)
            close(job->fd);
        free(job);
        return error_errno(error, TFAAS_UNAVAILABLE, failed, "cannot start fetching evidence");
    }
    *out = job;
    return TFAAS_OK;
}

int evidence_fd(const struct evidence_job *job)
{
    return job->fd;
}

tfaas_status_t evidence_take(struct evidence_job *job, struct evidence *evidence, uint8_t key[32],
                             struct tfaas_error *error)
{
    uint64_t count;
    if (read(job->fd, &count, sizeof count) != (ssize_t)sizeof count)
        return error_set(error, TFAAS_BUSY, "the evidence is still being fetched");
    tfaas_status_t status = job->status;
    if (status == TFAAS_OK && evidence) {
        *evidence = job->evidence;
        job->evidence = (struct evidence){.type = NULL};
    }
    if (status == TFAAS_OK && key)
        memcpy(key, job->key, sizeof job->key);
    *error = job->error;
    job_release(job);
    return status;
}

void evidence_abandon(struct evidence_job *job)
{
    job_release(job);
}
