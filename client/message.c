/* message.c - the inner request: Binary HTTP heads in both framings (SPECIFICATION.md 14.3). */
#define _GNU_SOURCE
#include "http_date.h"
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

client_error_t message_check(const struct tfaas_request *request, struct tfaas_failure *failure)
{
    uint8_t digest[32];
    if (!request->function || !function_name_ok(request->function))
        return client_fail(failure, TFAAS_CLIENT_USAGE, "function: not a name of a function");
    if (request->path && request->path[0] != '/')
        return client_fail(failure, TFAAS_CLIENT_USAGE, "path: does not start with '/'");
    if (request->package && !hex_read(request->package, digest, sizeof(digest)))
        return client_fail(failure, TFAAS_CLIENT_USAGE, "package: not 64 lower-case hex digits");
    if (request->read && request->body.size)
        return client_fail(failure, TFAAS_CLIENT_USAGE, "body: both bytes and a stream");
    if (request->header_count > BHTTP_FIELDS_MAX - 8)
        return client_fail(failure, TFAAS_CLIENT_USAGE, "headers: too many");
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        if (!name || !request->headers[i].value || strcasecmp(name, "date") == 0 ||
            strncasecmp(name, "tfaas-", 6) == 0)
            return client_fail(failure, TFAAS_CLIENT_USAGE, "header \"%.64s\": not the caller's",
                               name ? name : "");
    }
    return TFAAS_CLIENT_OK;
}

/* The fields of the head go through this, so that both framings hold the same. */
static void put_fields(struct writer *w, const struct tfaas_request *request,
                       const struct message_options *options)
{
    char date[HTTP_DATE_SIZE], package[80];
    http_date_write((uint64_t)options->date, date);
    bhttp_put_field(w, span_of_text("date"), (struct span){(const uint8_t *)date, sizeof(date)});
    if (request->package) {
        snprintf(package, sizeof(package), "sha256:%s", request->package);
        bhttp_put_field(w, span_of_text("tfaas-package"), span_of_text(package));
    }
    if (request->flags & TFAAS_CALL_RECEIPT)
        bhttp_put_field(w, span_of_text("tfaas-receipt"), span_of_text("1"));
    if (options->ask_session)
        bhttp_put_field(w, span_of_text("tfaas-session"), span_of_text("1"));
    for (size_t i = 0; i < request->header_count; i++)
        bhttp_put_field(w, span_of_text(request->headers[i].name),
                        span_of_text(request->headers[i].value));
}

static bool make_path(const struct tfaas_request *request, const char *domain, char **to)
{
    const char *rest = request->path && strcmp(request->path, "/") != 0 ? request->path : "";
    return asprintf(to, "/function/%s.%s%s", request->function, domain, rest) >= 0;
}

client_error_t message_make(const struct tfaas_request *request,
                            const struct message_options *options, struct message *to,
                            struct tfaas_failure *failure)
{
    const size_t room = BHTTP_HEAD_MAX + 64;
    const char *method = request->method ? request->method : "POST", *why = "";
    char *path = NULL;
    *to = (struct message){.storage = malloc(3 * room)};
    if (!to->storage || !make_path(request, options->domain, &path)) {
        free(to->storage);
        to->storage = NULL;
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "request");
    }
    struct writer fields = writer_of(to->storage, room);
    struct writer known = writer_of(to->storage + room, room);
    struct writer stream = writer_of(to->storage + 2 * room, room);
    put_fields(&fields, request, options);
    bhttp_put_framing(&known, BHTTP_KNOWN_REQUEST);
    bhttp_put_request(&known, span_of_text(method), span_of_text(options->scheme),
                      span_of_text(options->authority), span_of_text(path));
    bhttp_put_framing(&stream, BHTTP_STREAM_REQUEST);
    bhttp_put_request(&stream, span_of_text(method), span_of_text(options->scheme),
                      span_of_text(options->authority), span_of_text(path));
    bhttp_put_part(&known, (struct span){fields.data, fields.failed ? 0 : fields.at});
    put_fields(&stream, request, options);
    bhttp_put_end(&stream);
    free(path);
    if (fields.failed || known.failed || stream.failed) {
        message_free(to);
        return client_fail(failure, TFAAS_CLIENT_REQUEST_TOO_LARGE, "head: larger than 48 KiB");
    }
    to->known = (struct span){known.data, known.at};
    to->stream = (struct span){stream.data, stream.at};
    if (bhttp_read_head(known.data, known.at, &to->head, &why) != TFAAS_OK) {
        message_free(to);
        return client_fail(failure, TFAAS_CLIENT_USAGE, "request: %s", why);
    }
    return TFAAS_CLIENT_OK;
}

void message_free(struct message *message)
{
    free(message->storage);
    *message = (struct message){.storage = NULL};
}
