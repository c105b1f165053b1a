/* status.c - the outcome list of include/tfaas/status.h as tables. */
#include "tfaas/status.h"

static const struct {
    const char *name, *text;
    int http, exit_code;
} rows[] = {
#define X(name, http, exit_code, text) {#name, text, http, exit_code},
    TFAAS_STATUS_LIST(X)
#undef X
};

static unsigned known(unsigned status)
{
    return status < TFAAS_STATUS_COUNT ? status : TFAAS_INTERNAL;
}

const char *tfaas_status_name(unsigned status)
{
    return rows[known(status)].name;
}

const char *tfaas_status_text(unsigned status)
{
    return rows[known(status)].text;
}

int tfaas_status_http(unsigned status)
{
    return rows[known(status)].http;
}

int tfaas_status_exit(unsigned status)
{
    return rows[known(status)].exit_code;
}
