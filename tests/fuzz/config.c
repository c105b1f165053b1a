/* needs: host/daemon/config.c host/evidence/evidence.c host/evidence/tsm.c host/evidence/sev.c host/evidence/tdx.c host/evidence/simulated.c host/error.c common/simulated.c common/fields.c common/cbor.c common/status.c libs: sodium pthread */
/*
 * config.c (fuzz) - the configuration file, listen addresses, Go durations and quantities.
 * Durations and quantities are compared with a second, plain reading of the same rules.
 */
#include "daemon/config.h"
#include "daemon/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Go's ParseDuration without a sign: (DIGITS[.DIGITS] UNIT)+, or DIGITS[.DIGITS] alone, in seconds.
 */
static bool plain_duration(const char *text, long double *ns)
{
    static const char *const names[] = {"ns", "us", "\xc2\xb5s", "ms", "s", "m", "h"};
    static const long double units[] = {1, 1e3L, 1e3L, 1e6L, 1e9L, 6e10L, 3.6e12L};
    *ns = 0;
    for (unsigned parts = 0; *text || parts == 0; parts++) {
        size_t whole = strspn(text, "0123456789"), fraction = 0;
        if (whole == 0)
            return false;
        if (text[whole] == '.')
            fraction = 1 + strspn(text + whole + 1, "0123456789");
        char number[64];
        if (whole + fraction >= sizeof number)
            return false;
        memcpy(number, text, whole + fraction);
        number[whole + fraction] = 0;
        long double value = strtold(number, NULL);
        text += whole + fraction;
        if (*text == 0 && parts == 0) {
            *ns = value * 1e9L;
            return true;
        }
        size_t unit = strcspn(text, ".0123456789"), i = 0;
        while (i < 7 && !(strlen(names[i]) == unit && memcmp(names[i], text, unit) == 0))
            i++;
        if (i == 7)
            return false;
        *ns += value * units[i];
        text += unit;
    }
    return true;
}

static void check_duration(const char *text)
{
    uint64_t ns = 0;
    long double plain = 0;
    bool want = strlen(text) <= 32 && plain_duration(text, &plain);
    bool got = config_duration(text, &ns);
    if (want && plain > 0.999e18L && plain < 1.001e18L)
        return; /* at the bound: the rounding decides */
    check(got == (want && plain <= 1e18L));
    if (got) {
        long double off = (long double)ns - plain;
        check(off < 2 + plain * 1e-12L && off > -2 - plain * 1e-12L);
    }
}

static void check_quantity(const char *text)
{
    uint64_t bytes = 0;
    static const char *const names[] = {"", "k", "M", "G", "Ki", "Mi", "Gi"};
    static const uint64_t factors[] = {1, 1000, 1000000, 1000000000, 1 << 10, 1 << 20, 1 << 30};
    size_t digits = strspn(text, "0123456789"), i = 0;
    while (i < 7 && strcmp(names[i], text + digits) != 0)
        i++;
    unsigned __int128 plain = 0;
    for (size_t at = 0; at < digits && plain < (unsigned __int128)1 << 100; at++)
        plain = plain * 10 + (unsigned)(text[at] - '0');
    plain = i < 7 ? plain * factors[i] : 0;
    bool want = digits > 0 && i < 7 && plain <= UINT64_MAX;
    check(config_quantity(text, &bytes) == want && (!want || bytes == (uint64_t)plain));
}

static void check_text(const char *text, size_t capacity)
{
    check(memchr(text, 0, capacity) != NULL);
}

static void check_file(const uint8_t *data, size_t size)
{
    struct config config;
    struct tfaas_error error = {.status = TFAAS_OK};
    char path[40];
    int fd = memfd_create("config", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    config_init(&config);
    tfaas_status_t status = config_read_file(&config, path, &error);
    check(status == TFAAS_OK || (error.status == status && error.text[0]));
    check_text(config.listen_host, sizeof config.listen_host);
    check_text(config.listen_port, sizeof config.listen_port);
    check_text(config.state_dir, sizeof config.state_dir);
    check_text(config.core_path, sizeof config.core_path);
    check_text(config.secret_dir, sizeof config.secret_dir);
    if (status == TFAAS_OK) {
        check(config.exec_timeout_ns >= FUNCTION_TIMEOUT_MIN_NS &&
              config.exec_timeout_ns <= FUNCTION_TIMEOUT_MAX_NS);
        check(config.max_body <= 16 * HTTP_BODY_MAX && config.max_connections >= 1);
    }
    config.basic_auth = false; /* no credentials are read here */
    (void)!config_finish(&config, &error);
    config_free(&config);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct tfaas_error error = {.status = TFAAS_OK};
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    check_duration(text);
    check_quantity(text);
    config_init(&config);
    check(config_set_listen(&config, text, &error) == TFAAS_OK || error.text[0]);
    check_text(config.listen_host, sizeof config.listen_host);
    check_text(config.listen_port, sizeof config.listen_port);
    free(text);
    check_file(data, size);
    return 0;
}
