/*
 * api_build.c - content comes in: POST /build (the remote-builder protocol, signed) and
 * PUT /packages/IMAGE. What is acknowledged is in the store.
 */
#include "daemon.h"

#include "build.h"
#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build_op {
    struct call *call;
    struct daemon *daemon;
    struct watch watch;
    struct build_job *job;
    bool builder;
};

static void op_free(struct build_op *op)
{
    loop_remove(&op->daemon->loop, &op->watch);
    op->call->job = NULL;
    free(op);
}

static void on_client_gone(struct call *call)
{
    struct build_op *op = call->job;
    if (op->job)
        build_cancel(op->job);
    op_free(op);
}

static void digest_text(const uint8_t digest[PACKAGE_DIGEST_SIZE], char text[80])
{
    char hex[2 * PACKAGE_DIGEST_SIZE + 1];
    (void)sodium_bin2hex(hex, sizeof hex, digest, PACKAGE_DIGEST_SIZE);
    (void)snprintf(text, 80, "sha256:%s", hex);
}

static json_t *log_array(const char *log)
{
    json_t *lines = json_array();
    char line[2048];
    for (const char *at = log ? log : ""; *at;) {
        size_t size = strcspn(at, "\n");
        (void)text_clean(line, sizeof line, (const uint8_t *)at, size);
        (void)json_array_append_new(lines, json_string(line));
        at += size + (at[size] == '\n');
    }
    return lines;
}

/* The reply of the builder: lines of JSON, the last one tells the outcome. */
static void reply_builder(struct call *call, const struct build_result *result,
                          tfaas_status_t status, const char *why)
{
    const char *image = result && result->image ? result->image : "";
    json_t *progress = json_pack("{s:o,s:s,s:s}", "log", log_array(result ? result->log : NULL),
                                 "image", image, "status", "in_progress");
    json_t *last = json_pack("{s:[],s:s,s:s,s:s}", "log", "image", image, "status",
                             status == TFAAS_OK ? "success" : "failed", "error",
                             status == TFAAS_OK ? "" : why);
    char *a = json_dumps(progress, JSON_COMPACT), *b = json_dumps(last, JSON_COMPACT), *both = NULL;
    json_decref(progress);
    json_decref(last);
    size_t size = a && b ? strlen(a) + strlen(b) + 2 : 0;
    if (size && (both = malloc(size + 1)))
        (void)snprintf(both, size + 1, "%s\n%s\n", a, b);
    free(a);
    free(b);
    if (both)
        call_reply(call, 200, "application/x-ndjson", both, size);
    else
        call_error(call, 507, "out of memory");
}

static json_t *package_json(const char *image, const char *digest,
                            const struct build_result *result)
{
    json_t *json = json_pack("{s:s,s:s,s:I}", "image", image, "digest", digest, "size",
                             (json_int_t)result->package_size);
    if (json && sealed_is((struct span){result->package, result->package_size}))
        (void)json_object_set_new(json, "sealed", json_true());
    return json;
}

static void on_built(void *env, tfaas_status_t status, struct build_result *result,
                     const struct tfaas_error *why)
{
    struct build_op *op = env;
    struct call *call = op->call;
    struct tfaas_error error = {.status = status};
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    char text[80];
    if (status != TFAAS_OK)
        error = *why;
    const char *image = op->builder ? result->image : call->name;
    if (status == TFAAS_OK)
        status = store_put_package(op->daemon->store, image, result->package, result->package_size,
                                   digest, &error);
    if (status == TFAAS_OK) {
        digest_text(digest, text);
        daemon_log("package %s is %s, %zu bytes", image, text, result->package_size);
    }
    if (op->builder)
        reply_builder(call, result, status, error.text);
    else if (status != TFAAS_OK)
        call_error(call, (unsigned)tfaas_status_http(status), "%s%s%.300s", error.text,
                   result && result->log && *result->log ? "\n" : "",
                   result && result->log ? result->log : "");
    else
        call_reply_json(call, 201, package_json(image, text, result));
    op->job = NULL;
    op_free(op);
}

static void on_job(struct watch *watch)
{
    struct build_op *op =
        (struct build_op *)(void *)((char *)watch - offsetof(struct build_op, watch));
    build_step(op->job);
}

static void start(struct call *call, bool builder)
{
    struct daemon *d = call->daemon;
    struct tfaas_error error;
    struct build_job *job = NULL;
    struct build_op *op = calloc(1, sizeof *op);
    if (!op) {
        call_error(call, 507, "out of memory");
        return;
    }
    *op = (struct build_op){
        .call = call, .daemon = d, .watch = {.fd = -1, .ready = on_job}, .builder = builder};
    call->job = op;
    call->job_cancel = on_client_gone;
    tfaas_status_t status =
        build_start(call->body, call->body_size, builder, d->build_dir, on_built, op, &job, &error);
    if (status != TFAAS_OK) {
        if (builder)
            reply_builder(call, NULL, status, error.text);
        else
            call_fail(call, &error);
        op_free(op);
        return;
    }
    if (!job)
        return; /* on_built has been called, op is gone */
    op->job = job;
    if (!loop_add(&d->loop, &op->watch, build_fd(job), false)) {
        build_cancel(job);
        op_free(op);
        call_error(call, 503, "cannot watch the compiler");
    }
}

void api_build(struct call *call)
{
    struct tfaas_error error;
    const char *signature =
        MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, "X-Build-Signature");
    const uint8_t *body = call->body ? call->body : (const uint8_t *)"";
    if (build_check_signature(store_payload_secret(call->daemon->store), signature, body,
                              call->body_size, &error) != TFAAS_OK)
        call_fail(call, &error);
    else
        start(call, true);
}

void api_package_put(struct call *call)
{
    if (!store_image_name_ok(call->name) || strchr(call->name, '@'))
        call_error(call, 400, "image: \"%.80s\" is not an image name", call->name);
    else
        start(call, false);
}

static bool package_is_sealed(struct daemon *d, const uint8_t digest[PACKAGE_DIGEST_SIZE])
{
    struct tfaas_error error;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool is_sealed = store_get_package(d->store, digest, &bytes, &size, &error) == TFAAS_OK &&
                     sealed_is((struct span){bytes, size});
    free(bytes);
    return is_sealed;
}

void api_package_get(struct call *call)
{
    struct tfaas_error error;
    uint8_t digest[PACKAGE_DIGEST_SIZE];
    char text[80];
    if (!store_image_name_ok(call->name)) {
        call_error(call, 400, "image: \"%.80s\" is not an image name", call->name);
    } else if (store_resolve_image(call->daemon->store, call->name, digest, &error) != TFAAS_OK) {
        call_fail(call, &error);
    } else {
        digest_text(digest, text);
        json_t *item = json_pack("{s:s,s:s}", "image", call->name, "digest", text);
        if (package_is_sealed(call->daemon, digest))
            (void)json_object_set_new(item, "sealed", json_true());
        call_reply_json(call, 200, item);
    }
}
