/*
 * fetch.c - a client: what it was told, what it fetched, what of it was verified, and the file
 * that keeps it. Must never use what was fetched before verify_all() took it.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define URL_MAX      2048u
#define MAX_AGE_MOST 300 /* seconds a host may ask to keep its answers for */

static int64_t system_clock(void *user)
{
    (void)user;
    return (int64_t)time(NULL);
}

int64_t client_now(const struct tfaas_client *client)
{
    return client->clock(client->clock_user);
}

/* --- open and close --- */

static client_error_t take_url(struct tfaas_client *client, const char *url,
                               struct tfaas_failure *failure)
{
    const char *authority = NULL;
    if (url && strncmp(url, "http://", 7) == 0) {
        client->scheme = "http";
        authority = url + 7;
    } else if (url && strncmp(url, "https://", 8) == 0) {
        client->scheme = "https";
        authority = url + 8;
    }
    size_t size = authority ? strcspn(authority, "/?#") : 0;
    if (size == 0 || strlen(url) > URL_MAX || memchr(authority, '@', size) ||
        strpbrk(url, "?# \r\n\t"))
        return client_fail(failure, TFAAS_CLIENT_USAGE, "url: not http[s]://HOST[:PORT][/PREFIX]");
    client->authority = strndup(authority, size);
    client->url = strdup(url);
    if (!client->authority || !client->url)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "client");
    for (size_t at = strlen(client->url); at > 0 && client->url[at - 1] == '/'; at--)
        client->url[at - 1] = 0;
    return TFAAS_CLIENT_OK;
}

static client_error_t take_options(struct tfaas_client *client,
                                   const struct tfaas_client_options *options,
                                   struct tfaas_failure *failure)
{
    const char *domain = options->domain ? options->domain : CLIENT_DOMAIN_DEFAULT;
    client_error_t error = take_url(client, options->url, failure);
    if (!error && !domain_name_ok(domain))
        error = client_fail(failure, TFAAS_CLIENT_USAGE, "domain: not a namespace");
    if (!error)
        error = policy_read(options->policy ? options->policy : tfaas_policy_default(),
                            &client->policy, failure);
    if (error)
        return error;
    snprintf(client->domain, sizeof(client->domain), "%s", domain);
    client->collateral = options->collateral ? strdup(options->collateral) : NULL;
    client->clock = options->clock ? options->clock : system_clock;
    client->clock_user = options->clock_user;
    client->timeout_ms = options->timeout_ms ? options->timeout_ms : 60000;
    client->flags = options->flags;
    client->transport = options->transport;
    client->transport_user = options->transport_user;
    if (!client->transport) {
        client->curl = transport_curl_new();
        client->transport = transport_curl_run;
        client->transport_user = client->curl;
    }
    if ((options->collateral && !client->collateral) || !client->transport_user)
        return options->transport ? TFAAS_CLIENT_OK
                                  : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "client");
    return TFAAS_CLIENT_OK;
}

/* --- the file of a verified bundle --- */

static void name_cache(struct tfaas_client *client, const char *folder)
{
    uint8_t digest[32];
    char hex[65];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)client->url, strlen(client->url) + 1);
    crypto_hash_sha256_update(&state, (const uint8_t *)client->domain, strlen(client->domain));
    crypto_hash_sha256_final(&state, digest);
    hex_write(digest, sizeof(digest), hex);
    if (asprintf(&client->cache_path, "%s/%.32s.json", folder, hex) < 0)
        client->cache_path = NULL;
}

static char *read_text(const char *path, size_t max, size_t *size)
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? malloc(max + 1) : NULL;
    *size = text ? fread(text, 1, max + 1, file) : 0;
    if (file)
        fclose(file);
    if (text && *size <= max)
        return text;
    free(text);
    return NULL;
}

static client_error_t judge(struct tfaas_client *client, const struct bundle_file *file,
                            struct tfaas_failure *failure)
{
    const struct verify_input input = {.policy = &client->policy,
                                       .file = file,
                                       .domain = client->domain,
                                       .collateral = client->collateral,
                                       .now = client_now(client)};
    client->verified = false;
    client->has_verification = true;
    client_error_t error = verify_all(&input, &client->verification, &client->attested, failure);
    client->verified = !error;
    return error;
}

/* A file is believed no more than the host: it is verified like an answer. */
static void load_cache(struct tfaas_client *client)
{
    size_t size = 0;
    char *text = read_text(client->cache_path, 2 * CLIENT_EVIDENCE_MAX, &size);
    struct bundle_file file;
    if (text && !bundle_file_read(text, size, &file, NULL)) {
        if (!judge(client, &file, NULL)) {
            client->file = file;
            client->refetch_at = INT64_MAX;
        } else {
            bundle_file_free(&file);
            client->has_verification = false;
        }
    }
    free(text);
}

/* What cannot be kept is fetched again next time. */
static void save_cache(const struct tfaas_client *client)
{
    char *text = client->cache_path ? bundle_file_write(&client->file) : NULL, *path = NULL;
    if (text && asprintf(&path, "%s.%ld", client->cache_path, (long)getpid()) >= 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        size_t size = strlen(text);
        bool good = fd >= 0 && write(fd, text, size) == (ssize_t)size;
        if (fd >= 0)
            good = close(fd) == 0 && good;
        if (fd >= 0 && (!good || rename(path, client->cache_path) != 0))
            unlink(path);
    }
    free(path);
    free(text);
}

enum tfaas_client_error tfaas_client_open(const struct tfaas_client_options *options,
                                          struct tfaas_client **out, struct tfaas_failure *failure)
{
    struct tfaas_client *client = calloc(1, sizeof(*client));
    *out = NULL;
    if (!client || sodium_init() < 0) {
        free(client);
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "client");
    }
    client_error_t error = take_options(client, options, failure);
    if (error) {
        tfaas_client_close(client);
        return error;
    }
    if (options->cache_folder && !(client->flags & TFAAS_CLIENT_FRESH)) {
        name_cache(client, options->cache_folder);
        if (client->cache_path)
            load_cache(client);
    }
    *out = client;
    return TFAAS_CLIENT_OK;
}

void tfaas_client_close(struct tfaas_client *client)
{
    if (!client)
        return;
    transport_curl_free(client->curl);
    bundle_file_free(&client->file);
    free(client->url);
    free(client->authority);
    free(client->cache_path);
    free(client->collateral);
    sodium_memzero(client, sizeof(*client));
    free(client);
}

/* --- transfers --- */

client_error_t client_transfer(struct tfaas_client *client, struct tfaas_transfer *transfer,
                               struct tfaas_failure *failure)
{
    transfer->timeout_ms = client->timeout_ms;
    if (client->transport(client->transport_user, transfer))
        return TFAAS_CLIENT_OK;
    return client_fail(failure, TFAAS_CLIENT_TRANSPORT, "%s: %s", client->authority,
                       transfer->failure[0] ? transfer->failure : "no answer");
}

struct fetched {
    uint8_t *data;
    size_t size, max;
    unsigned status;
    int64_t max_age_s;
    bool too_large;
};

static bool fetch_head(struct tfaas_transfer *transfer, unsigned status, const char *content_type,
                       int64_t max_age_s)
{
    struct fetched *f = transfer->user;
    (void)content_type;
    f->status = status;
    f->max_age_s = max_age_s;
    return true;
}

static bool fetch_body(struct tfaas_transfer *transfer, const void *data, size_t size)
{
    struct fetched *f = transfer->user;
    f->too_large = size > f->max || f->size > f->max - size;
    uint8_t *bigger = f->too_large ? NULL : realloc(f->data, f->size + size + 1);
    if (!bigger)
        return false;
    f->data = bigger;
    memcpy(f->data + f->size, data, size);
    f->size += size;
    f->data[f->size] = 0;
    return true;
}

static client_error_t fetch(struct tfaas_client *client, const char *what, const char *query,
                            struct fetched *f, struct tfaas_failure *failure)
{
    char *url = NULL;
    if (asprintf(&url, "%s/.well-known/tfaas/%s%s", client->url, what, query) < 0)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "client");
    struct tfaas_transfer transfer = {
        .method = "GET", .url = url, .on_head = fetch_head, .on_body = fetch_body, .user = f};
    client_error_t error = client_transfer(client, &transfer, failure);
    free(url);
    if (error && f->too_large)
        error = client_fail(failure,
                            strcmp(what, "domain") == 0 ? TFAAS_CLIENT_DOMAIN_FORM
                                                        : TFAAS_CLIENT_EVIDENCE_FORM,
                            "%s: too large", what);
    else if (!error && (f->status == 429 || f->status == 503))
        error = client_fail(failure, TFAAS_CLIENT_UNAVAILABLE, "%s: HTTP %u", what, f->status);
    else if (!error && (f->status != 200 || f->size == 0))
        error = client_fail(failure, TFAAS_CLIENT_HOST_REFUSED, "%s: HTTP %u%s", what, f->status,
                            f->status == 200 ? ", empty" : "");
    if (error) {
        free(f->data);
        f->data = NULL;
    }
    return error;
}

static client_error_t fetch_domain(struct tfaas_client *client, struct bundle_file *to,
                                   int64_t *max_age_s, struct tfaas_failure *failure)
{
    char query[160];
    struct fetched f = {.max = CLIENT_DOMAIN_MAX};
    snprintf(query, sizeof(query), "?namespace=%s", client->domain);
    client_error_t error = fetch(client, "domain", query, &f, failure);
    to->domain_statement = f.data;
    to->domain_statement_size = error ? 0 : f.size;
    *max_age_s = f.max_age_s;
    return error;
}

static client_error_t fetch_evidence(struct tfaas_client *client, struct bundle_file *to,
                                     struct tfaas_failure *failure)
{
    char query[160 + 2 * CLIENT_NONCE_SIZE];
    struct fetched f = {.max = CLIENT_EVIDENCE_MAX};
    /* Of the keeper that certifies this domain's workers: there is one for each tender. */
    int used = snprintf(query, sizeof(query), "?namespace=%s", client->domain);
    if (client->flags & TFAAS_CLIENT_FRESH) {
        to->nonce_size = CLIENT_NONCE_SIZE;
        randombytes_buf(to->nonce, to->nonce_size);
        used += snprintf(query + used, sizeof(query) - (size_t)used, "&nonce=");
        sodium_bin2base64(query + used, sizeof(query) - (size_t)used, to->nonce, to->nonce_size,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    client_error_t error = fetch(client, "evidence", query, &f, failure);
    to->evidence = (char *)f.data;
    return error;
}

/* --- verification --- */

static void keep(struct tfaas_client *client, struct bundle_file *file, int64_t max_age_s)
{
    int64_t now = client_now(client);
    bundle_file_free(&client->file);
    client->file = *file;
    client->refetch_at = max_age_s < 0              ? INT64_MAX
                         : max_age_s > MAX_AGE_MOST ? now + MAX_AGE_MOST
                                                    : now + max_age_s;
    save_cache(client);
}

/* Only the leases ran out: the same evidence, a new domain statement. */
static client_error_t verify_leases(struct tfaas_client *client, struct tfaas_failure *failure)
{
    struct bundle_file file = client->file;
    int64_t max_age_s = -1;
    file.evidence = strdup(client->file.evidence);
    file.domain_statement = NULL;
    file.fetched_at = client_now(client);
    client_error_t error = file.evidence ? fetch_domain(client, &file, &max_age_s, failure)
                                         : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "client");
    if (!error)
        error = judge(client, &file, failure);
    if (error)
        bundle_file_free(&file);
    else
        keep(client, &file, max_age_s);
    return error;
}

static client_error_t verify_everything(struct tfaas_client *client, struct tfaas_failure *failure)
{
    struct bundle_file file = {.fetched_at = client_now(client)};
    int64_t max_age_s = -1;
    client->verified = false;
    client_error_t error = fetch_evidence(client, &file, failure);
    if (!error)
        error = fetch_domain(client, &file, &max_age_s, failure);
    if (!error)
        error = judge(client, &file, failure);
    if (error)
        bundle_file_free(&file);
    else
        keep(client, &file, max_age_s);
    return error;
}

enum tfaas_client_error tfaas_client_verify(struct tfaas_client *client, unsigned flags,
                                            struct tfaas_failure *failure)
{
    int64_t now = client_now(client);
    bool anew = flags & TFAAS_VERIFY_ANEW;
    bool good = client->verified && now <= client->verification.not_after &&
                now - client->verification.not_before <= client->policy.maximum_age_s;
    if (!anew && good && now < client->refetch_at && client_lease(client))
        return TFAAS_CLIENT_OK;
    if (!anew && good) {
        client_error_t error = verify_leases(client, failure);
        /* Another keeper may be there by now: then its evidence is needed. */
        if (error != TFAAS_CLIENT_DOMAIN_SIGNATURE)
            return error;
    }
    return verify_everything(client, failure);
}

const struct tfaas_verification *tfaas_client_verification(const struct tfaas_client *client)
{
    return client->has_verification ? &client->verification : NULL;
}

enum tfaas_client_error tfaas_client_bundle(const struct tfaas_client *client, char **out,
                                            struct tfaas_failure *failure)
{
    *out = client->verified ? bundle_file_write(&client->file) : NULL;
    if (*out)
        return TFAAS_CLIENT_OK;
    return client->verified
               ? client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "bundle")
               : client_fail(failure, TFAAS_CLIENT_USAGE, "bundle: nothing is verified");
}

const struct attested_lease *client_lease(const struct tfaas_client *client)
{
    const struct attested_lease *found[STATEMENT_LEASES_MAX];
    int64_t now = client_now(client);
    uint32_t count = 0;
    for (size_t i = 0; i < client->attested.lease_count; i++)
        if (client->attested.leases[i].not_after - now > CLIENT_LEASE_MARGIN_S)
            found[count++] = &client->attested.leases[i];
    return count ? found[randombytes_uniform(count)] : NULL;
}
