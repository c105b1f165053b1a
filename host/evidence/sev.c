/*
 * sev.c - SEV-SNP reports and derived keys from /dev/sev-guest, for kernels without configfs-tsm.
 */
#include "evidence.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t address_of(const void *at)
{
    return (uint64_t)(uintptr_t)at;
}

static bool probe(const struct evidence_env *env, char *why, size_t why_size)
{
    int fd = env->open_file(env->sev_path, O_RDWR);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    (void)snprintf(why, why_size, "%s: %s", env->sev_path, strerror(errno));
    return false;
}

static tfaas_status_t device_open(const struct evidence_env *env, int *fd,
                                  struct tfaas_error *error)
{
    *fd = env->open_file(env->sev_path, O_RDWR);
    return *fd >= 0 ? TFAAS_OK
                    : error_errno(error, TFAAS_UNAVAILABLE, errno, "cannot open %s", env->sev_path);
}

static tfaas_status_t refused(const struct evidence_env *env, const char *what, int errno_value,
                              const struct snp_request *request, struct tfaas_error *error)
{
    return error_errno(error, TFAAS_UNAVAILABLE, errno_value,
                       "%s: %s was refused (firmware 0x%x, hypervisor 0x%x)", env->sev_path, what,
                       request->firmware_error, request->vmm_error);
}

static tfaas_status_t check_report(const struct evidence_env *env,
                                   const struct snp_report_response *response, const uint8_t *data,
                                   struct tfaas_error *error)
{
    uint32_t version;
    if (response->status != 0)
        return error_set(error, TFAAS_BAD_RESPONSE, "%s: the firmware made no report (status 0x%x)",
                         env->sev_path, response->status);
    if (response->size != SNP_REPORT_SIZE)
        return error_set(error, TFAAS_BAD_RESPONSE, "%s: a report of %u bytes, not %u",
                         env->sev_path, response->size, SNP_REPORT_SIZE);
    memcpy(&version, response->report, sizeof version);
    if (version < SNP_REPORT_VERSION_MIN)
        return error_set(error, TFAAS_BAD_RESPONSE, "%s: a report of version %u", env->sev_path,
                         version);
    if (memcmp(response->report + SNP_REPORT_DATA_AT, data, EVIDENCE_DATA_SIZE) != 0)
        return error_set(error, TFAAS_BAD_RESPONSE, "%s: the report is not over our data",
                         env->sev_path);
    return TFAAS_OK;
}

/* With the hypervisor's certificates. It tells first how much room they need. */
static tfaas_status_t ext_report(const struct evidence_env *env, int fd, const uint8_t *data,
                                 struct snp_report_response *response, struct evidence *evidence,
                                 struct tfaas_error *error)
{
    struct snp_ext_report_request ask = {.certs = 0};
    memcpy(ask.report.data, data, sizeof ask.report.data);
    for (unsigned i = 0; i < EVIDENCE_TRIES; i++) {
        struct snp_request request = {
            .version = 1, .request = address_of(&ask), .response = address_of(response)};
        if (env->control(fd, SNP_IOCTL_EXT_REPORT, &request) == 0) {
            evidence->endorsements_size = evidence->endorsements ? ask.certs_size : 0;
            return TFAAS_OK;
        }
        int saved = errno;
        if (saved == EINTR || saved == EAGAIN || request.vmm_error == SNP_VMM_BUSY) {
            (void)usleep(EVIDENCE_PAUSE_MS * 1000u << i);
            continue;
        }
        if (request.vmm_error != SNP_VMM_INVALID_LEN)
            return refused(env, "an extended report", saved, &request, error);
        if (ask.certs_size == 0 || ask.certs_size > SNP_CERTS_SIZE_MAX)
            return error_set(error, TFAAS_TOO_LARGE,
                             "%s: certificates of %u bytes, the bound is %u", env->sev_path,
                             ask.certs_size, SNP_CERTS_SIZE_MAX);
        free(evidence->endorsements);
        evidence->endorsements =
            aligned_alloc(4096, ((size_t)ask.certs_size + 4095) & ~(size_t)4095);
        if (!evidence->endorsements)
            return error_set(error, TFAAS_NO_SPACE, "out of memory");
        memset(evidence->endorsements, 0, ask.certs_size);
        ask.certs = address_of(evidence->endorsements);
    }
    return error_set(error, TFAAS_BUSY, "%s: the hypervisor stays busy", env->sev_path);
}

static tfaas_status_t plain_report(const struct evidence_env *env, int fd, const uint8_t *data,
                                   struct snp_report_response *response, struct tfaas_error *error)
{
    struct snp_report_request ask = {.vmpl = 0};
    memcpy(ask.data, data, sizeof ask.data);
    struct snp_request request = {
        .version = 1, .request = address_of(&ask), .response = address_of(response)};
    if (env->control(fd, SNP_IOCTL_REPORT, &request) == 0)
        return TFAAS_OK;
    return refused(env, "a report", errno, &request, error);
}

static tfaas_status_t get(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA_SIZE],
                          struct evidence *evidence, struct tfaas_error *error)
{
    struct snp_report_response *response = calloc(1, sizeof *response);
    int fd = -1;
    tfaas_status_t status =
        response ? device_open(env, &fd, error) : error_set(error, TFAAS_NO_SPACE, "out of memory");
    if (status == TFAAS_OK)
        status = ext_report(env, fd, data, response, evidence, error);
    if (status == TFAAS_UNAVAILABLE && fd >= 0) { /* a hypervisor without certificates */
        memset(response, 0, sizeof *response);
        status = plain_report(env, fd, data, response, error);
    }
    if (status == TFAAS_OK)
        status = check_report(env, response, data, error);
    if (status == TFAAS_OK) {
        evidence->type = EVIDENCE_SNP_REPORT;
        evidence->size = SNP_REPORT_SIZE;
        evidence->bytes = malloc(SNP_REPORT_SIZE);
        if (evidence->bytes)
            memcpy(evidence->bytes, response->report, SNP_REPORT_SIZE);
        else
            status = error_set(error, TFAAS_NO_SPACE, "out of memory");
    }
    if (status == TFAAS_OK && evidence->endorsements_size) {
        evidence->endorsements_type = EVIDENCE_SNP_CERTS;
    } else {
        free(evidence->endorsements);
        evidence->endorsements = NULL;
        evidence->endorsements_size = 0;
    }
    if (status != TFAAS_OK)
        evidence_free(evidence);
    if (fd >= 0)
        close(fd);
    free(response);
    return status;
}

/* Of this chip, this guest's policy and this measurement. */
static tfaas_status_t seal_key(const struct evidence_env *env, uint8_t key[32],
                               struct tfaas_error *error)
{
    struct snp_key_request ask = {.root_key_select = SNP_KEY_SELECT_VCEK,
                                  .guest_field_select = SNP_KEY_MIX_POLICY | SNP_KEY_MIX_MEASURED};
    struct snp_key_response response = {.status = 0};
    int fd;
    tfaas_status_t status = device_open(env, &fd, error);
    if (status != TFAAS_OK)
        return status;
    struct snp_request request = {
        .version = 1, .request = address_of(&ask), .response = address_of(&response)};
    if (env->control(fd, SNP_IOCTL_DERIVED_KEY, &request) != 0)
        status = refused(env, "a derived key", errno, &request, error);
    else if (response.status != 0 || sodium_is_zero(response.key, sizeof response.key))
        status = error_set(error, TFAAS_BAD_RESPONSE, "%s: no derived key (status 0x%x)",
                           env->sev_path, response.status);
    else
        memcpy(key, response.key, sizeof response.key);
    sodium_memzero(&response, sizeof response);
    close(fd);
    return status;
}

const struct evidence_source evidence_sev = {
    .name = "sev-guest", .probe = probe, .get = get, .seal_key = seal_key};
