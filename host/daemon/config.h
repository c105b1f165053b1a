/*
 * config.h - the daemon's settings: defaults, then one file of `key = value`, then the environment
 * names OpenFaaS uses, then the command line. docs/tfaasd.md lists them.
 */
#ifndef TFAAS_HOST_CONFIG_H
#define TFAAS_HOST_CONFIG_H

#include "../error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config {
    char listen_host[64], listen_port[8];
    char state_dir[512], core_path[512], secret_dir[512];
    bool basic_auth, allow_weaker_sandbox;
    bool behind_gateway;   /* /system/info answers as an OpenFaaS provider does */
    char *user, *password; /* with basic_auth; wiped by config_free */
    uint64_t read_timeout_ns, write_timeout_ns, exec_timeout_ns, idle_timeout_ns;
    uint64_t max_body, queue_max, max_connections, max_connections_per_ip;
    uint64_t worker_memory_max;
    char tender[16];   /* its name, "auto", or "": the first there is */
    char evidence[32]; /* a source (host/evidence), "auto" or "none" */
    uint64_t keepers;
};

void config_init(struct config *config);
void config_free(struct config *config);
/* An unknown key or a bad value is an error that names file and line. */
tfaas_status_t config_read_file(struct config *config, const char *path,
                                struct tfaas_error *error) TFAAS_MUST_USE;
tfaas_status_t config_read_environment(struct config *config,
                                       struct tfaas_error *error) TFAAS_MUST_USE;
/* "HOST:PORT", "[v6]:PORT", ":PORT" or "PORT". */
tfaas_status_t config_set_listen(struct config *config, const char *text,
                                 struct tfaas_error *error) TFAAS_MUST_USE;
/* Reads the credentials when basic_auth is on; refuses an open address without it. */
tfaas_status_t config_finish(struct config *config, struct tfaas_error *error) TFAAS_MUST_USE;

/* "30" (seconds) or a Go duration ("1m30s", "500ms", "1.5s"). False: malformed or out of range. */
bool config_duration(const char *text, uint64_t *ns);
/* "128Mi", "128M", "1Gi", "1073741824", Kubernetes quantities without fractions. */
bool config_quantity(const char *text, uint64_t *bytes);

/* A loopback address, or "localhost". */
bool config_is_loopback(const char *host);

#endif
