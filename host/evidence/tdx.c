/*
 * tdx.c - /dev/tdx_guest. The device gives a TDREPORT, authenticated by a key that only this
 * machine has: no client can check it. The quote over it comes through the hypervisor's quote
 * service, which Linux offers as configfs-tsm alone. So this source says what is missing, after it
 * has seen that the device works.
 */
#include "evidence.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char missing[] =
    "gives a TDREPORT, which only this machine can check; a quote for clients comes from "
    "configfs-tsm (Linux 6.7 or later, CONFIG_TSM_REPORTS, configfs mounted)";

static bool probe(const struct evidence_env *env, char *why, size_t why_size)
{
    int fd = env->open_file(env->tdx_path, O_RDWR);
    if (fd < 0) {
        (void)snprintf(why, why_size, "%s: %s", env->tdx_path, strerror(errno));
        return false;
    }
    close(fd);
    (void)snprintf(why, why_size, "%s %s", env->tdx_path, missing);
    return false;
}

static tfaas_status_t get(const struct evidence_env *env, const uint8_t data[EVIDENCE_DATA_SIZE],
                          struct evidence *evidence, struct tfaas_error *error)
{
    struct tdx_report_request request = {.report = {0}};
    (void)evidence;
    memcpy(request.data, data, sizeof request.data);
    int fd = env->open_file(env->tdx_path, O_RDWR);
    if (fd < 0)
        return error_errno(error, TFAAS_UNAVAILABLE, errno, "cannot open %s", env->tdx_path);
    int result = env->control(fd, TDX_IOCTL_REPORT0, &request);
    int saved = errno;
    close(fd);
    if (result != 0)
        return error_errno(error, TFAAS_UNAVAILABLE, saved, "%s: TDX_CMD_GET_REPORT0 was refused",
                           env->tdx_path);
    if (request.report[0] != TDX_REPORT_TYPE ||
        memcmp(request.report + TDX_REPORT_DATA_AT, data, EVIDENCE_DATA_SIZE) != 0)
        return error_set(error, TFAAS_BAD_RESPONSE, "%s: the TDREPORT is not over our data",
                         env->tdx_path);
    return error_set(error, TFAAS_UNSUPPORTED, "%s %s", env->tdx_path, missing);
}

static tfaas_status_t seal_key(const struct evidence_env *env, uint8_t key[32],
                               struct tfaas_error *error)
{
    (void)env;
    (void)key;
    return error_set(error, TFAAS_UNAVAILABLE, "TDX gives a guest no key to seal with");
}

const struct evidence_source evidence_tdx = {
    .name = "tdx-guest", .probe = probe, .get = get, .seal_key = seal_key};
