/*
 * transport.c - carries one transfer over HTTP with libcurl. It trusts nobody: what it brings is
 * sealed, or is checked by whoever asked. No redirections, http and https only.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct transport_curl {
    CURL *easy;
};

struct running {
    struct tfaas_transfer *transfer;
    CURL *easy;
    int64_t max_age_s;
    bool head_given, stopped;
};

struct transport_curl *transport_curl_new(void)
{
    struct transport_curl *curl = calloc(1, sizeof(*curl));
    if (!curl || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(curl);
        return NULL;
    }
    curl->easy = curl_easy_init();
    if (!curl->easy) {
        free(curl);
        return NULL;
    }
    return curl;
}

void transport_curl_free(struct transport_curl *curl)
{
    if (curl)
        curl_easy_cleanup(curl->easy);
    free(curl);
}

static size_t on_header(char *data, size_t one, size_t size, void *user)
{
    struct running *r = user;
    static const char name[] = "cache-control:", key[] = "max-age=";
    char line[256];
    (void)one;
    if (size < sizeof(line) && size > sizeof(name) - 1 &&
        strncasecmp(data, name, sizeof(name) - 1) == 0) {
        memcpy(line, data, size);
        line[size] = 0;
        const char *at = strcasestr(line, key);
        long long seconds = at ? strtoll(at + sizeof(key) - 1, NULL, 10) : -1;
        r->max_age_s = seconds >= 0 && seconds < 366 * 86400 ? seconds : -1;
    }
    return size;
}

/* At the first byte of the body, or at the end when there is none. */
static bool give_head(struct running *r)
{
    long status = 0;
    char type[128] = "";
    const char *full = NULL;
    if (r->head_given)
        return true;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &full);
    for (size_t i = 0; full && full[i] && full[i] != ';' && full[i] != ' ' && i < 127; i++)
        type[i] = (char)(full[i] >= 'A' && full[i] <= 'Z' ? full[i] | 0x20 : full[i]);
    r->head_given = true;
    r->stopped = !r->transfer->on_head(r->transfer, (unsigned)status, type, r->max_age_s);
    return !r->stopped;
}

static size_t on_body(char *data, size_t one, size_t size, void *user)
{
    struct running *r = user;
    (void)one;
    if (!give_head(r))
        return 0;
    r->stopped = !r->transfer->on_body(r->transfer, data, size);
    return r->stopped ? 0 : size;
}

static size_t on_read(char *to, size_t one, size_t size, void *user)
{
    struct running *r = user;
    int64_t got = r->transfer->read(r->transfer->read_user, to, one * size);
    r->stopped |= got < 0;
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static struct curl_slist *set_body(CURL *easy, struct running *r)
{
    struct tfaas_transfer *t = r->transfer;
    char line[160];
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (!t->content_type) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return headers;
    }
    snprintf(line, sizeof(line), "Content-Type: %.120s", t->content_type);
    headers = curl_slist_append(headers, line);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (t->read) {
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, r);
    } else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body.size ? (const char *)t->body.data : "");
    }
    return headers;
}

bool transport_curl_run(void *user, struct tfaas_transfer *transfer)
{
    CURL *easy = ((struct transport_curl *)user)->easy;
    struct running r = {.transfer = transfer, .easy = easy, .max_age_s = -1};
    char words[CURL_ERROR_SIZE] = "";
    curl_easy_reset(easy); /* connections stay */
    curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)transfer->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &r);
    struct curl_slist *headers = set_body(easy, &r);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (transfer->content_type)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
    CURLcode code = curl_easy_perform(easy);
    curl_slist_free_all(headers);
    if (code == CURLE_OK)
        return give_head(&r);
    snprintf(transfer->failure, sizeof(transfer->failure), "%s",
             r.stopped  ? "stopped"
             : words[0] ? words
                        : curl_easy_strerror(code));
    return false;
}
