/* cli_call.c - `tfaas invoke`: one attested call, as curl would make it. */
#define _GNU_SOURCE
#include "cli_client.h"
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HEADERS_MAX 64u

struct invoke {
    struct cli_client client;
    const char *data, *method, *receipt, *package, *path, *form;
    int no_session, stream, include, once, gateway;
    struct tfaas_header headers[HEADERS_MAX];
    char *header_text[HEADERS_MAX];
    size_t header_count;
    uint8_t *body; /* malloc'ed */
};

static int64_t read_stdin(void *user, void *to, size_t capacity)
{
    (void)user;
    return read(STDIN_FILENO, to, capacity);
}

static bool write_body(void *user, const struct tfaas_response *head, const void *data, size_t size)
{
    (void)user;
    (void)head;
    return cli_write(NULL, data, size, false) == 0;
}

/* "Name: value" */
static bool take_header(struct invoke *v, const char *text)
{
    char *copy = strdup(text), *colon = copy ? strchr(copy, ':') : NULL;
    v->header_text[v->header_count] = copy;
    v->headers[v->header_count++].name = copy;
    if (!colon) {
        fprintf(stderr, "tfaas: --header: not \"NAME: VALUE\": %s\n", text);
        return false;
    }
    *colon = 0;
    v->headers[v->header_count - 1].value = colon + 1 + strspn(colon + 1, " \t");
    return true;
}

static bool take_body(struct invoke *v, struct tfaas_request *request)
{
    size_t size = 0;
    if (v->stream) {
        if (v->data && strcmp(v->data, "-") == 0)
            request->read = read_stdin;
        request->on_body = write_body;
    }
    if (!v->data || request->read)
        return true;
    if (strcmp(v->data, "-") == 0)
        v->body = cli_read_stdin(CLI_FILE_MAX, &size);
    else if (v->data[0] == '@')
        v->body = cli_read_file(v->data + 1, CLI_FILE_MAX, &size);
    else if ((v->body = (uint8_t *)strdup(v->data)) != NULL)
        size = strlen(v->data);
    request->body = (struct tfaas_bytes){v->body, size};
    return v->body != NULL;
}

static bool take_form(const struct invoke *v, struct tfaas_request *request)
{
    static const char *const names[] = {"auto", "whole", "chunked", "session"};
    for (unsigned i = 0; v->form && i < 4; i++)
        if (strcmp(v->form, names[i]) == 0) {
            request->form = (enum tfaas_form)i;
            return true;
        }
    if (v->form)
        fprintf(stderr, "tfaas: --form is auto, whole, chunked or session\n");
    return !v->form;
}

static int show(const struct invoke *v, const struct tfaas_response *response)
{
    int code = response->status >= 400 ? 1 : 0;
    if (v->include) {
        printf("%u\n", response->status);
        for (size_t i = 0; i < response->header_count; i++)
            printf("%s: %s\n", response->headers[i].name, response->headers[i].value);
        printf("\n");
    }
    if (cli_write(NULL, response->body.data, response->body.size, false) != 0)
        code = 1;
    if (v->receipt && cli_write(v->receipt, response->receipt, strlen(response->receipt), false))
        code = 1;
    if (response->status >= 400)
        fprintf(stderr, "tfaas: the function answered %u\n", response->status);
    return code;
}

static int call(struct invoke *v, const char *url, struct tfaas_request *request)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_response *response = NULL;
    int code;
    struct tfaas_client *client = cli_open(&v->client, url, 0, &code);
    if (!client)
        return code;
    code = cli_failed(tfaas_client_verify(client, 0, &failure), &failure);
    if (code == 0) {
        cli_warn_simulated(tfaas_client_verification(client));
        code = cli_failed(tfaas_client_call(client, request, &response, &failure), &failure);
    }
    if (response)
        code = show(v, response);
    tfaas_response_free(response);
    tfaas_client_close(client);
    return code;
}

static int invoke(int argc, char **argv)
{
    struct invoke v = {.data = NULL};
    const char *words[2], *headers[HEADERS_MAX];
    char hex[65];
    uint8_t digest[32];
    size_t count;
    struct cli_repeated repeated = {"--header", headers, HEADERS_MAX, 0};
    const struct cli_option rows[] = {
        CLI_CLIENT_OPTIONS(&v.client),   {"--data", &v.data, NULL},
        {"--method", &v.method, NULL},   {"--path", &v.path, NULL},
        {"--receipt", &v.receipt, NULL}, {"--package", &v.package, NULL},
        {"--form", &v.form, NULL},       {"--no-session", NULL, &v.no_session},
        {"--stream", NULL, &v.stream},   {"--include", NULL, &v.include},
        {"--once", NULL, &v.once},       {"--gateway", NULL, &v.gateway}};
    bool good =
        cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), &repeated, words, 2, &count);
    if (good && (count != 2 || v.client.evidence || v.client.json)) {
        fprintf(stderr, "tfaas: invoke takes a URL and a NAME\n");
        good = false;
    }
    for (size_t i = 0; i < repeated.count && good; i++)
        good = take_header(&v, headers[i]);
    struct tfaas_request request = {.method = v.method ? v.method
                                              : v.data ? "POST"
                                                       : "GET",
                                    .function = good ? words[1] : NULL,
                                    .path = v.path,
                                    .headers = v.headers,
                                    .header_count = v.header_count,
                                    .flags = (v.receipt ? TFAAS_CALL_RECEIPT : 0u) |
                                             (v.no_session ? TFAAS_CALL_NO_SESSION : 0u) |
                                             (v.once ? TFAAS_CALL_ONCE : 0u) |
                                             (v.gateway ? TFAAS_CALL_GATEWAY : 0u)};
    if (good && v.package) {
        good = cli_digest(v.package, digest);
        hex_write(digest, sizeof(digest), hex);
        request.package = hex;
    }
    int code = good && take_form(&v, &request) && take_body(&v, &request)
                   ? call(&v, words[0], &request)
                   : CLI_USAGE;
    for (size_t i = 0; i < v.header_count; i++)
        free(v.header_text[i]);
    free(v.body);
    return code;
}

const struct cli_command cli_call[] = {
    {"invoke", invoke,
     "URL NAME " CLI_CLIENT_USAGE "\n"
     "      [--data TEXT|@FILE|-] [--method M] [--path /REST?QUERY] [--header 'N: V']...\n"
     "      [--package sha256:HEX] [--receipt FILE] [--form auto|whole|chunked|session]\n"
     "      [--no-session] [--stream] [--include] [--once] [--gateway]",
     "Verifies the core, calls one of its functions sealed, writes the answer to stdout. "
     "--receipt\n"
     "asks for a receipt, checks it and keeps it. --package: only this package may serve it.\n"
     "--stream: both bodies as they come. --once: never send a call twice, whatever the host "
     "says.\n"
     "--gateway: the function's name is not in the URL either. Content of --data TEXT can be seen\n"
     "by other users of this machine; - and @FILE cannot.\n"
     "Exit: 0, 1 the call failed (also: status 400 and above), 5 not authentic, 6 no answer, 64."},
    {NULL, NULL, NULL, NULL},
};
