/*
 * cli_client.h - what the commands of `tfaas` that talk to a host share: options that make a client
 * and its policy, and how failures are told.
 */
#ifndef TFAAS_CLIENT_CLI_CLIENT_H
#define TFAAS_CLIENT_CLI_CLIENT_H

#include "cli.h"
#include "tfaas/client.h"
#include <stdbool.h>

#define CLI_FILE_MAX (64u << 20)

struct cli_client {
    const char *policy, *core, *domain, *collateral, *cache, *evidence, *timeout;
    int allow_simulated, json;
};

/* Rows for cli_words: `to` is a struct cli_client. */
#define CLI_CLIENT_OPTIONS(to)                                                                     \
    {"--policy", &(to)->policy, NULL}, {"--core", &(to)->core, NULL},                              \
        {"--namespace", &(to)->domain, NULL}, {"--collateral", &(to)->collateral, NULL},           \
        {"--cache", &(to)->cache, NULL}, {"--evidence", &(to)->evidence, NULL},                    \
        {"--timeout", &(to)->timeout, NULL}, {"--allow-simulated", NULL, &(to)->allow_simulated},  \
    {                                                                                              \
        "--json", NULL, &(to)->json                                                                \
    }
#define CLI_CLIENT_USAGE                                                                           \
    "[--policy FILE] [--core MEASUREMENT] [--allow-simulated]\n"                                   \
    "      [--namespace NS] [--collateral FILE] [--cache FOLDER] [--timeout SECONDS]"

/* The policy's text with --core and --allow-simulated in it: malloc'ed; NULL: told on stderr. */
char *cli_policy(const struct cli_client *options);
/* A client for `url`; NULL: told, *exit_code set. */
struct tfaas_client *cli_open(const struct cli_client *options, const char *url, unsigned flags,
                              int *exit_code);
/* What is verified at `url`, or in the bundle of --evidence (url NULL then): into *to. The exit
 * code; a failure is told. `at` 0: when the bundle was made. */
int cli_verification(const struct cli_client *options, const char *url, int64_t at,
                     struct tfaas_verification *to);
/* "tfaas: NAME: TEXT" on stderr; the exit code. Says SIMULATED on stderr where it is so. */
int cli_failed(enum tfaas_client_error error, const struct tfaas_failure *failure);
void cli_warn_simulated(const struct tfaas_verification *verification);
/* Writes all of it to stdout, or to `path` (0600 when secret): exit code. */
int cli_write(const char *path, const void *data, size_t size, bool secret);
/* "sha256:HEX" or HEX: 32 bytes; false: told. */
bool cli_digest(const char *text, uint8_t to[32]);

#endif
