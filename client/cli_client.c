/* cli_client.c - makes clients and policies out of options (cli_client.h). */
#define _GNU_SOURCE
#include "cli_client.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int cli_failed(enum tfaas_client_error error, const struct tfaas_failure *failure)
{
    if (error)
        fprintf(stderr, "tfaas: %s: %s\n", tfaas_client_error_name(error), failure->text);
    return tfaas_client_error_exit(error);
}

void cli_warn_simulated(const struct tfaas_verification *verification)
{
    if (verification && verification->simulated)
        fprintf(stderr, "tfaas: SIMULATED evidence: it proves nothing, for development only\n");
}

static char *policy_text(const char *path)
{
    size_t size = 0;
    if (!path)
        return strdup(tfaas_policy_default());
    uint8_t *data = cli_read_file(path, POLICY_SIZE_MAX, &size);
    char *text = data ? strndup((const char *)data, size) : NULL;
    free(data);
    return text;
}

char *cli_policy(const struct cli_client *options)
{
    struct tfaas_failure failure;
    struct policy *check = malloc(sizeof(*check));
    char *text = policy_text(options->policy);
    /* Errors are told with the places of the file, before anything is added. */
    client_error_t error = TFAAS_CLIENT_NO_MEMORY;
    if (text && check)
        error = policy_read(text, check, &failure);
    free(check);
    if (error) {
        if (text)
            fprintf(stderr, "tfaas: %s:%s\n", options->policy ? options->policy : "policy",
                    failure.text);
        free(text);
        return NULL;
    }
    json_t *root = json_loads(text, 0, NULL);
    free(text);
    if (options->allow_simulated)
        json_object_set_new(root, "allow_simulated", json_true());
    if (options->core && !json_is_array(json_object_get(root, "cores")))
        json_object_set_new(root, "cores", json_array());
    uint8_t measurement[48];
    if (options->core && !hex_read(options->core, measurement, sizeof(measurement))) {
        fprintf(stderr, "tfaas: --core: not 96 lower-case hex digits (tfaas core measure FILE)\n");
        json_decref(root);
        return NULL;
    }
    if (options->core)
        json_array_append_new(json_object_get(root, "cores"), json_string(options->core));
    text = json_dumps(root, 0);
    json_decref(root);
    return text;
}

static char *file_text(const char *path)
{
    size_t size = 0;
    uint8_t *data = path ? cli_read_file(path, 4u << 20, &size) : NULL;
    char *text = data ? strndup((const char *)data, size) : NULL;
    free(data);
    return text;
}

/* Seconds of one transfer; 0: what the library takes. */
static bool timeout_ms(const struct cli_client *options, unsigned *to)
{
    char *rest = "";
    long seconds = options->timeout ? strtol(options->timeout, &rest, 10) : 0;
    *to = (unsigned)seconds * 1000u;
    if (!options->timeout || (options->timeout[0] && !*rest && seconds >= 1 && seconds <= 86400))
        return true;
    fprintf(stderr, "tfaas: --timeout: not a number of seconds, 1 to 86400\n");
    return false;
}

struct tfaas_client *cli_open(const struct cli_client *options, const char *url, unsigned flags,
                              int *exit_code)
{
    struct tfaas_failure failure;
    struct tfaas_client *client = NULL;
    char *policy = cli_policy(options), *collateral = file_text(options->collateral);
    unsigned timeout = 0;
    *exit_code = CLI_USAGE;
    if (policy && (!options->collateral || collateral) && timeout_ms(options, &timeout)) {
        const struct tfaas_client_options client_options = {.url = url,
                                                            .domain = options->domain,
                                                            .policy = policy,
                                                            .collateral = collateral,
                                                            .cache_folder = options->cache,
                                                            .timeout_ms = timeout,
                                                            .flags = flags};
        enum tfaas_client_error error = tfaas_client_open(&client_options, &client, &failure);
        *exit_code = cli_failed(error, &failure);
    }
    free(policy);
    free(collateral);
    return client;
}

static int from_bundle(const struct cli_client *options, int64_t at, struct tfaas_verification *to)
{
    struct tfaas_failure failure = {.text = ""};
    size_t size = 0;
    uint8_t *bundle = cli_read_file(options->evidence, 4u << 20, &size);
    char *policy = bundle ? cli_policy(options) : NULL,
         *collateral = file_text(options->collateral);
    int code = CLI_USAGE;
    if (policy && (!options->collateral || collateral)) {
        enum tfaas_client_error error = tfaas_bundle_verify(
            (const char *)bundle, size, policy, options->domain, collateral, at, to, &failure);
        code = cli_failed(error, &failure);
    }
    free(bundle);
    free(policy);
    free(collateral);
    return code;
}

/* A bundle says itself when it was made: what was revoked or leaked since is not looked at. */
static void cli_warn_old(const struct tfaas_verification *to)
{
    char text[32] = "?";
    time_t when = (time_t)to->verified_at, now = time(NULL);
    struct tm tm;
    if (when <= now && now - when <= CLIENT_SKEW_S)
        return;
    if (gmtime_r(&when, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    fprintf(stderr, "tfaas: the evidence is judged as of %s, which the bundle says itself\n", text);
}

int cli_verification(const struct cli_client *options, const char *url, int64_t at,
                     struct tfaas_verification *to)
{
    struct tfaas_failure failure;
    int code;
    if (options->evidence) {
        code = from_bundle(options, at, to);
    } else {
        struct tfaas_client *client = cli_open(options, url, 0, &code);
        if (client)
            code = cli_failed(tfaas_client_verify(client, 0, &failure), &failure);
        if (client && code == 0)
            *to = *tfaas_client_verification(client);
        tfaas_client_close(client);
    }
    if (code == 0)
        cli_warn_simulated(to);
    if (code == 0 && options->evidence && at == 0)
        cli_warn_old(to);
    return code;
}

int cli_write(const char *path, const void *data, size_t size, bool secret)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0644)
                  : STDOUT_FILENO;
    const char *at = data;
    ssize_t written = 0;
    fflush(stdout);
    while (fd >= 0 && size > 0 && written >= 0) {
        written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            written = 0;
        at += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    bool bad = fd < 0 || written < 0;
    if (bad)
        fprintf(stderr, "tfaas: %s: %s\n", path ? path : "stdout", strerror(errno));
    if (path && fd >= 0 && close(fd) != 0)
        bad = true;
    return bad ? 1 : 0;
}

bool cli_digest(const char *text, uint8_t to[32])
{
    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    if (hex_read(text, to, 32))
        return true;
    fprintf(stderr, "tfaas: not a digest (sha256:HEX): %.80s\n", text);
    return false;
}
