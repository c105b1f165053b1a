/*
 * tsm.c - reports of the guest's platform through configfs (Linux 6.7 and later): one folder per
 * report, removed after it. Source: Documentation/ABI/testing/configfs-tsm-report.
 */
#define _GNU_SOURCE
#include "evidence.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct report {
    const struct evidence_env *env;
    char path[300];
};

static void pause_ms(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static int attribute_open(const struct report *r, const char *name, int flags)
{
    char path[360];
    (void)snprintf(path, sizeof path, "%s/%s", r->path, name);
    return r->env->open_file(path, flags);
}

/* All of an attribute into `to`; what it says may come in pieces. Its size, or -errno; -EFBIG:
 * there is more. */
static ssize_t attribute_read(const struct report *r, const char *name, void *to, size_t capacity)
{
    int fd = attribute_open(r, name, O_RDONLY);
    if (fd < 0)
        return -errno;
    size_t size = 0;
    ssize_t result = 0;
    while (true) {
        uint8_t more;
        bool full = size == capacity;
        ssize_t got =
            r->env->read_file(fd, full ? &more : (uint8_t *)to + size, full ? 1 : capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        result = got < 0 ? -errno : full && got > 0 ? -EFBIG : 0;
        if (got <= 0 || full)
            break;
        size += (size_t)got;
    }
    close(fd);
    return result < 0 ? result : (ssize_t)size;
}

static tfaas_status_t read_failed(const struct report *r, const char *name, ssize_t result,
                                  struct tfaas_error *error)
{
    if (result == -EFBIG)
        return error_set(error, TFAAS_TOO_LARGE, "%s/%s is larger than %u bytes", r->env->tsm_path,
                         name, EVIDENCE_BYTES_MAX);
    return error_errno(error, TFAAS_UNAVAILABLE, (int)-result, "cannot read %s of a report in %s",
                       name, r->env->tsm_path);
}

static tfaas_status_t read_text(const struct report *r, const char *name, char *to, size_t capacity,
                                struct tfaas_error *error)
{
    ssize_t size = attribute_read(r, name, to, capacity - 1);
    if (size < 0)
        return read_failed(r, name, size, error);
    to[size] = 0;
    to[strcspn(to, "\n")] = 0;
    return TFAAS_OK;
}

static tfaas_status_t read_generation(const struct report *r, uint64_t *generation,
                                      struct tfaas_error *error)
{
    char text[32], *end = text;
    tfaas_status_t status = read_text(r, "generation", text, sizeof text, error);
    if (status != TFAAS_OK)
        return status;
    errno = 0;
    *generation = strtoull(text, &end, 10);
    if (end == text || *end || errno || text[0] == '-')
        return error_set(error, TFAAS_BAD_RESPONSE, "generation of a report in %s is no number",
                         r->env->tsm_path);
    return TFAAS_OK;
}

static tfaas_status_t write_data(const struct report *r, const uint8_t *data,
                                 struct tfaas_error *error)
{
    int fd = attribute_open(r, "inblob", O_WRONLY);
    ssize_t written = fd < 0 ? -1 : r->env->write_file(fd, data, EVIDENCE_DATA_SIZE);
    int saved = errno;
    /* Binary attributes take what was written when they are closed. */
    if (fd >= 0 && close(fd) != 0 && written >= 0) {
        saved = errno;
        written = -1;
    }
    if (written < 0)
        return error_errno(error, TFAAS_UNAVAILABLE, saved, "cannot write inblob of a report in %s",
                           r->env->tsm_path);
    if (written != EVIDENCE_DATA_SIZE)
        return error_set(error, TFAAS_UNAVAILABLE, "%s took %zd of %u bytes of inblob",
                         r->env->tsm_path, written, EVIDENCE_DATA_SIZE);
    return TFAAS_OK;
}

static tfaas_status_t read_blob(const struct report *r, const char *name, uint8_t **bytes,
                                size_t *size, bool *again, struct tfaas_error *error)
{
    *bytes = malloc(EVIDENCE_BYTES_MAX);
    if (!*bytes)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    ssize_t got = attribute_read(r, name, *bytes, EVIDENCE_BYTES_MAX);
    if (got > 0) {
        *size = (size_t)got;
        return TFAAS_OK;
    }
    free(*bytes);
    *bytes = NULL;
    *size = 0;
    *again = got == -EWOULDBLOCK || got == -EBUSY;
    if (got < 0)
        return read_failed(r, name, got, error);
    return error_set(error, TFAAS_BAD_RESPONSE, "%s of a report in %s is empty", name,
                     r->env->tsm_path);
}

/* Where a TD quote of version 4 or 5 has REPORTDATA; 0: it is none, or too short. */
static size_t quote_data_at(const uint8_t *quote, size_t size)
{
    size_t at = size < 2 || quote[1] != 0 ? 0
                : quote[0] == 4           ? TDX_QUOTE4_DATA_AT
                : quote[0] == 5           ? TDX_QUOTE5_DATA_AT
                                          : 0;
    return at && size >= at + EVIDENCE_DATA_SIZE ? at : 0;
}

/* Does what was read answer what was asked? A report of somebody else's data proves nothing. */
static tfaas_status_t check(const struct report *r, const char *provider, const uint8_t *data,
                            struct evidence *evidence, struct tfaas_error *error)
{
    size_t at = 0;
    if (strcmp(provider, TSM_PROVIDER_TDX) == 0) {
        evidence->type = EVIDENCE_TDX_QUOTE;
        at = quote_data_at(evidence->bytes, evidence->size);
    } else if (strcmp(provider, TSM_PROVIDER_SEV) == 0) {
        evidence->type = EVIDENCE_SNP_REPORT;
        at = evidence->size == SNP_REPORT_SIZE ? SNP_REPORT_DATA_AT : 0;
    } else {
        return error_set(error, TFAAS_UNSUPPORTED,
                         "%s has provider \"%.60s\": only %s and %s are known", r->env->tsm_path,
                         provider, TSM_PROVIDER_TDX, TSM_PROVIDER_SEV);
    }
    if (at == 0 || memcmp(evidence->bytes + at, data, EVIDENCE_DATA_SIZE) != 0)
        return error_set(error, TFAAS_BAD_RESPONSE,
                         "%s gave %zu bytes that are no %s over our data", r->env->tsm_path,
                         evidence->size,
                         strcmp(provider, TSM_PROVIDER_TDX) == 0 ? "TD quote" : "SNP report");
    return TFAAS_OK;
}

/* One attempt. *again: somebody wrote to the report, or the platform was busy. */
static tfaas_status_t attempt(const struct report *r, const uint8_t *data,
                              struct evidence *evidence, bool *again, struct tfaas_error *error)
{
    uint64_t before = 0, after = 0;
    char provider[64];
    *again = false;
    tfaas_status_t status = read_generation(r, &before, error);
    if (status == TFAAS_OK)
        status = write_data(r, data, error);
    if (status == TFAAS_OK)
        status = read_blob(r, "outblob", &evidence->bytes, &evidence->size, again, error);
    if (status == TFAAS_OK)
        status = read_text(r, "provider", provider, sizeof provider, error);
    if (status == TFAAS_OK)
        status = check(r, provider, data, evidence, error);
    if (status == TFAAS_OK && strcmp(provider, TSM_PROVIDER_SEV) == 0) {
        struct tfaas_error none; /* a host need not give certificates */
        bool ignored;
        if (read_blob(r, "auxblob", &evidence->endorsements, &evidence->endorsements_size, &ignored,
                      &none) == TFAAS_OK)
            evidence->endorsements_type = EVIDENCE_SNP_CERTS;
        else if (none.status == TFAAS_TOO_LARGE)
            status = error_set(error, none.status, "%s", none.text);
    }
    if (status == TFAAS_OK)
        status = read_generation(r, &after, error);
    if (status == TFAAS_OK && after != before + 1) {
        *again = true;
        status = error_set(error, TFAAS_BUSY, "a report in %s was changed while it was made",
                           r->env->tsm_path);
    }
    return status;
}

static tfaas_status_t get(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA_SIZE],
                          struct evidence *evidence, struct tfaas_error *error)
{
    static atomic_uint next;
    struct report r = {.env = env};
    tfaas_status_t status = TFAAS_BUSY;
    bool again = true;
    (void)snprintf(r.path, sizeof r.path, "%s/tfaas-%d-%u", env->tsm_path, (int)getpid(),
                   atomic_fetch_add(&next, 1));
    if (env->make_folder(r.path, 0700) != 0)
        return error_errno(error, TFAAS_UNAVAILABLE, errno, "cannot make a report in %s",
                           env->tsm_path);
    for (unsigned i = 0; i < EVIDENCE_TRIES && again; i++) {
        if (i)
            pause_ms(EVIDENCE_PAUSE_MS << i);
        evidence_free(evidence);
        status = attempt(&r, data, evidence, &again, error);
    }
    if (status != TFAAS_OK)
        evidence_free(evidence);
    (void)env->remove_folder(r.path);
    return status;
}

static bool probe(const struct evidence_env *env, char *why, size_t why_size)
{
    int fd = env->open_file(env->tsm_path, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    (void)snprintf(why, why_size,
                   "%s: %s (a confidential guest with configfs and Linux 6.7 has it)",
                   env->tsm_path, strerror(errno));
    return false;
}

/* The device gives it, when there is one. */
static tfaas_status_t seal_key(const struct evidence_env *env, uint8_t key[32],
                               struct tfaas_error *error)
{
    char why[200];
    if (evidence_sev.probe(env, why, sizeof why))
        return evidence_sev.seal_key(env, key, error);
    return error_set(error, TFAAS_UNAVAILABLE, "this platform gives no key to seal with (%s)", why);
}

const struct evidence_source evidence_tsm = {
    .name = "configfs-tsm", .probe = probe, .get = get, .seal_key = seal_key};
