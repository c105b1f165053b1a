/*
 * config.c - see config.h. Must never start an open address without credentials.
 */
#include "config.h"
#include "../evidence/evidence.h"
#include "limits.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_FILE_MAX 4096u

void config_init(struct config *config)
{
    *config = (struct config){.listen_host = "127.0.0.1",
                              .listen_port = "8080",
                              .secret_dir = "/run/secrets",
                              .evidence = "auto",
                              .keepers = 1,
                              .read_timeout_ns = HTTP_READ_TIMEOUT_NS,
                              .write_timeout_ns = HTTP_WRITE_TIMEOUT_NS,
                              .exec_timeout_ns = FUNCTION_TIMEOUT_DEFAULT_NS,
                              .idle_timeout_ns = CORE_FUNCTION_IDLE_NS,
                              .max_body = HTTP_BODY_MAX,
                              .queue_max = CORE_QUEUE_MAX,
                              .max_connections = HTTP_CONNECTIONS_MAX,
                              .max_connections_per_ip = HTTP_CONNECTIONS_PER_IP};
}

static void forget(char **secret)
{
    if (*secret)
        sodium_memzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void config_free(struct config *config)
{
    forget(&config->user);
    forget(&config->password);
}

/* --- values --- */

static bool unit_ns(const char **at, double *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6},
                 {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t size = strlen(units[i].name);
        if (strncmp(*at, units[i].name, size) == 0 && !islower((unsigned char)(*at)[size])) {
            *at += size;
            *ns = units[i].ns;
            return true;
        }
    }
    return false;
}

bool config_duration(const char *text, uint64_t *ns)
{
    double total = 0;
    const char *at = text;
    bool first = true;
    if (!isdigit((unsigned char)*at) || strlen(text) > 32)
        return false;
    while (*at) {
        /* By hand: strtod would take "1e3", "0x10" and "inf". */
        double value = 0, scale = 1, unit;
        if (!isdigit((unsigned char)*at))
            return false;
        for (; isdigit((unsigned char)*at); at++)
            value = value * 10 + (*at - '0');
        if (*at == '.')
            for (at++; isdigit((unsigned char)*at); at++)
                value += (*at - '0') * (scale /= 10);
        if (*at == 0 && first)
            unit = 1e9;
        else if (!unit_ns(&at, &unit))
            return false;
        total += value * unit;
        first = false;
    }
    if (total > 1e18)
        return false;
    *ns = (uint64_t)total;
    return true;
}

static bool number(const char *text, uint64_t *value, const char **rest)
{
    uint64_t sum = 0;
    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            return false;
    *value = sum;
    *rest = text;
    return true;
}

bool config_quantity(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},          {"k", 1000},      {"M", 1000000},  {"G", 1000000000},
                 {"Ki", 1u << 10}, {"Mi", 1u << 20}, {"Gi", 1u << 30}};
    uint64_t value;
    const char *rest;
    if (!number(text, &value, &rest))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(value, units[i].factor, bytes);
    return false;
}

static bool set_bool(const char *text, bool *value)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return false;
    *value = yes;
    return true;
}

static bool set_text(const char *text, char *to, size_t capacity)
{
    int size = snprintf(to, capacity, "%s", text);
    return size > 0 && (size_t)size < capacity;
}

static bool set_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    const char *rest;
    uint64_t n;
    if (!number(text, &n, &rest) || *rest || n < low || n > high)
        return false;
    *value = n;
    return true;
}

static bool set_time(const char *text, uint64_t high, uint64_t *ns)
{
    uint64_t value;
    if (!config_duration(text, &value) || value < FUNCTION_TIMEOUT_MIN_NS || value > high)
        return false;
    *ns = value;
    return true;
}

tfaas_status_t config_set_listen(struct config *config, const char *text, struct tfaas_error *error)
{
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
    size_t size = colon ? (size_t)(colon - text) : 0;
    uint64_t n;
    const char *host = text;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(text, ':', size)) {
        return error_set(error, TFAAS_BAD_REQUEST, "listen: put an IPv6 address into brackets: %s",
                         text);
    }
    if (!set_number(port, 0, 65535, &n) || size >= sizeof config->listen_host || strlen(port) > 5)
        return error_set(error, TFAAS_BAD_REQUEST, "listen: \"%s\" is not HOST:PORT", text);
    (void)snprintf(config->listen_port, sizeof config->listen_port, "%s", port);
    if (colon)
        (void)snprintf(config->listen_host, sizeof config->listen_host, "%.*s",
                       size ? (int)size : 7, size ? host : "0.0.0.0");
    return TFAAS_OK;
}

/* --- keys --- */

enum key_result { KEY_UNKNOWN, KEY_BAD, KEY_SET };

static enum key_result set_key(struct config *c, const char *key, const char *value)
{
    struct tfaas_error error;
#define IS(name)           (strcmp(key, name) == 0)
#define RESULT(expression) ((expression) ? KEY_SET : KEY_BAD)
    if (IS("listen") || IS("port"))
        return RESULT(config_set_listen(c, value, &error) == TFAAS_OK);
    if (IS("state"))
        return RESULT(set_text(value, c->state_dir, sizeof c->state_dir));
    if (IS("core"))
        return RESULT(set_text(value, c->core_path, sizeof c->core_path));
    if (IS("secret_mount_path"))
        return RESULT(set_text(value, c->secret_dir, sizeof c->secret_dir));
    if (IS("basic_auth"))
        return RESULT(set_bool(value, &c->basic_auth));
    if (IS("allow_weaker_sandbox"))
        return RESULT(set_bool(value, &c->allow_weaker_sandbox));
    if (IS("behind_gateway"))
        return RESULT(set_bool(value, &c->behind_gateway));
    if (IS("read_timeout"))
        return RESULT(set_time(value, 24 * FUNCTION_TIMEOUT_MAX_NS, &c->read_timeout_ns));
    if (IS("write_timeout"))
        return RESULT(set_time(value, 24 * FUNCTION_TIMEOUT_MAX_NS, &c->write_timeout_ns));
    if (IS("exec_timeout") || IS("upstream_timeout"))
        return RESULT(set_time(value, FUNCTION_TIMEOUT_MAX_NS, &c->exec_timeout_ns));
    if (IS("idle_timeout"))
        return RESULT(set_time(value, 24 * FUNCTION_TIMEOUT_MAX_NS, &c->idle_timeout_ns));
    if (IS("max_body"))
        return RESULT(config_quantity(value, &c->max_body) && c->max_body <= 16 * HTTP_BODY_MAX);
    if (IS("queue_max"))
        return RESULT(set_number(value, 0, 1000000, &c->queue_max));
    if (IS("max_connections"))
        return RESULT(set_number(value, 1, 1000000, &c->max_connections));
    if (IS("max_connections_per_ip"))
        return RESULT(set_number(value, 0, 1000000, &c->max_connections_per_ip));
    if (IS("worker_memory_max"))
        return RESULT(config_quantity(value, &c->worker_memory_max));
    if (IS("tender"))
        return RESULT(set_text(value, c->tender, sizeof c->tender));
    if (IS("evidence"))
        return RESULT(evidence_name_ok(value) && set_text(value, c->evidence, sizeof c->evidence));
    if (IS("keepers"))
        return RESULT(set_number(value, 1, KEEPERS_MAX, &c->keepers));
    if (IS("function_namespace")) /* faas-cli has this name built in: nothing else can work */
        return RESULT(strcmp(value, "openfaas-fn") == 0);
    if (IS("scale_from_zero")) { /* always so; a file that turns it off asks for what we are not */
        bool on;
        return RESULT(set_bool(value, &on) && on);
    }
#undef IS
#undef RESULT
    return KEY_UNKNOWN;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t size = strlen(text);
    while (size && isspace((unsigned char)text[size - 1]))
        text[--size] = 0;
    return text;
}

static tfaas_status_t read_line(struct config *config, const char *path, unsigned number_of,
                                char *line, struct tfaas_error *error)
{
    char *key = trim(line);
    if (*key == 0 || *key == '#')
        return TFAAS_OK;
    char *equals = strchr(key, '=');
    if (!equals)
        return error_set(error, TFAAS_BAD_REQUEST, "%s:%u: no \"key = value\"", path, number_of);
    *equals = 0;
    char *value = trim(equals + 1);
    key = trim(key);
    enum key_result result = set_key(config, key, value);
    if (result == KEY_UNKNOWN)
        return error_set(error, TFAAS_BAD_REQUEST, "%s:%u: unknown key \"%s\"", path, number_of,
                         key);
    if (result == KEY_BAD)
        return error_set(error, TFAAS_BAD_REQUEST, "%s:%u: bad value \"%s\" for %s", path,
                         number_of, value, key);
    return TFAAS_OK;
}

tfaas_status_t config_read_file(struct config *config, const char *path, struct tfaas_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_errno(error, TFAAS_NOT_FOUND, errno, "cannot open %s", path);
    char line[2048];
    unsigned number_of = 0;
    tfaas_status_t status = TFAAS_OK;
    while (status == TFAAS_OK && fgets(line, sizeof line, file)) {
        number_of++;
        if (!strchr(line, '\n') && !feof(file))
            status = error_set(error, TFAAS_BAD_REQUEST, "%s:%u: line too long", path, number_of);
        else
            status = read_line(config, path, number_of, line, error);
    }
    if (status == TFAAS_OK && ferror(file))
        status = error_errno(error, TFAAS_INTERNAL, errno, "cannot read %s", path);
    (void)fclose(file);
    return status;
}

tfaas_status_t config_read_environment(struct config *config, struct tfaas_error *error)
{
    static const char *const names[] = {
        "port",       "read_timeout", "write_timeout",     "exec_timeout",       "upstream_timeout",
        "basic_auth", "idle_timeout", "secret_mount_path", "function_namespace", "scale_from_zero"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value && set_key(config, names[i], value) != KEY_SET)
            return error_set(error, TFAAS_BAD_REQUEST, "environment: bad value \"%s\" for %s",
                             value, names[i]);
    }
    return TFAAS_OK;
}

/* --- credentials --- */

static tfaas_status_t read_secret(const struct config *config, const char *name, char **out,
                                  struct tfaas_error *error)
{
    char path[640], buffer[SECRET_FILE_MAX + 1];
    (void)snprintf(path, sizeof path, "%s/%s", config->secret_dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(error, TFAAS_NOT_FOUND, errno, "basic_auth is on: cannot open %s", path);
    size_t size = 0;
    ssize_t got;
    while (size < sizeof buffer && (got = read(fd, buffer + size, sizeof buffer - size)) > 0)
        size += (size_t)got;
    close(fd);
    tfaas_status_t status = TFAAS_OK;
    if (size > SECRET_FILE_MAX) {
        status =
            error_set(error, TFAAS_TOO_LARGE, "%s is larger than %u bytes", path, SECRET_FILE_MAX);
    } else {
        buffer[size] = 0;
        char *text = trim(buffer);
        *out = *text ? strdup(text) : NULL;
        if (!*out)
            status = error_set(error, TFAAS_BAD_REQUEST, "%s is empty", path);
    }
    sodium_memzero(buffer, sizeof buffer);
    return status;
}

bool config_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0;
}

tfaas_status_t config_finish(struct config *config, struct tfaas_error *error)
{
    if (config->state_dir[0] == 0)
        return error_set(error, TFAAS_BAD_REQUEST,
                         "no state folder given: --state DIR or state = DIR");
    if (config->basic_auth) {
        tfaas_status_t status = read_secret(config, "basic-auth-user", &config->user, error);
        if (status == TFAAS_OK)
            status = read_secret(config, "basic-auth-password", &config->password, error);
        return status;
    }
    if (!config_is_loopback(config->listen_host))
        return error_set(error, TFAAS_UNAUTHORIZED,
                         "%s can be reached from outside and basic_auth is off: set basic_auth = "
                         "true and put basic-auth-user and basic-auth-password into %s, or listen "
                         "on 127.0.0.1",
                         config->listen_host, config->secret_dir);
    return TFAAS_OK;
}
