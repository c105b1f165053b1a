/*
 * build.c - see build.h: the signature, what runs the files (JavaScript, Python, Wasm, C), and the
 * package. Must never run or fetch anything of a Dockerfile, nor compare a signature in
 * data-dependent time.
 */
#define _GNU_SOURCE
#include "build_internal.h"
#include "package.h"
#include "sealed.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MAX (64u << 10)

struct build_job {
    struct build_tar tar;
    struct build_result result;
    struct build_child *child;
    build_done_fn done;
    void *env;
};

enum kind { KIND_NONE, KIND_JS, KIND_PYTHON, KIND_WASM, KIND_C, KIND_SEALED };

struct choice {
    enum kind kind;
    const struct build_file *entry; /* JS, PYTHON, WASM */
};

/* --- signature --- */

tfaas_status_t build_check_signature(const char *payload_secret, const char *signature,
                                     const uint8_t *body, size_t size, struct tfaas_error *error)
{
    static const char prefix[] = "sha256=";
    uint8_t given[crypto_auth_hmacsha256_BYTES], expected[crypto_auth_hmacsha256_BYTES];
    size_t length = 0;
    const char *end = NULL;
    if (!signature || !*signature)
        return error_set(error, TFAAS_UNAUTHORIZED, "X-Build-Signature is missing");
    if (strncmp(signature, prefix, sizeof prefix - 1) != 0 ||
        strlen(signature + sizeof prefix - 1) != 2 * sizeof given ||
        sodium_hex2bin(given, sizeof given, signature + sizeof prefix - 1, 2 * sizeof given, NULL,
                       &length, &end) != 0 ||
        length != sizeof given)
        return error_set(error, TFAAS_UNAUTHORIZED,
                         "X-Build-Signature is not sha256= and 64 hex digits");
    const char *secret = payload_secret ? payload_secret : "";
    while (*secret && (unsigned char)*secret <= ' ')
        secret++;
    size_t secret_size = strlen(secret);
    while (secret_size > 0 && (unsigned char)secret[secret_size - 1] <= ' ')
        secret_size--;
    if (secret_size == 0)
        return error_set(error, TFAAS_UNAUTHORIZED, "there is no payload secret to check with");
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, secret_size);
    crypto_auth_hmacsha256_update(&state, body, size);
    crypto_auth_hmacsha256_final(&state, expected);
    int differs = sodium_memcmp(given, expected, sizeof expected);
    sodium_memzero(&state, sizeof state);
    sodium_memzero(expected, sizeof expected);
    if (differs)
        return error_set(error, TFAAS_UNAUTHORIZED,
                         "X-Build-Signature does not match: is the payload secret the one in "
                         "STATE/payload-secret?");
    return TFAAS_OK;
}

/* --- log --- */

static void log_line(struct build_job *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line more; when memory or the bound is out the log stays as it is. */
static void log_line(struct build_job *job, const char *format, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&line, format, args);
    va_end(args);
    if (size < 0)
        return;
    size_t used = job->result.log ? strlen(job->result.log) : 0;
    char *more =
        used + (size_t)size < LOG_MAX ? realloc(job->result.log, used + (size_t)size + 2) : NULL;
    if (more) {
        (void)snprintf(more + used, (size_t)size + 2, "%s\n", line);
        job->result.log = more;
    }
    free(line);
}

/* --- what the files are --- */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), length = strlen(end);
    return size > length && strcmp(text + size - length, end) == 0;
}

/* The value of "language:" in template.yml; "" when there is none. */
static void template_language(const struct build_file *file, char language[64])
{
    static const char key[] = "language:";
    language[0] = 0;
    struct cursor c = cursor_of(file->data, file->path ? file->size : 0);
    while (cursor_left(&c) > 0) {
        const uint8_t *line = c.data + c.at;
        size_t left = cursor_left(&c);
        const uint8_t *end = memchr(line, '\n', left);
        size_t size = end ? (size_t)(end - line) : left;
        (void)cursor_take(&c, end ? size + 1 : size);
        if (size < sizeof key - 1 || memcmp(line, key, sizeof key - 1) != 0)
            continue;
        size_t used = 0;
        for (size_t i = sizeof key - 1; i < size && line[i] != '#' && used < 63; i++)
            if (line[i] > ' ' && line[i] < 0x7f && line[i] != '"' && line[i] != '\'')
                language[used++] = (char)line[i];
        language[used] = 0;
        return;
    }
}

/* "main" of package.json: the file it names, by Node's rules (as is, .js, /index.js). */
static const struct build_file *package_main(struct build_job *job)
{
    static const char *const endings[] = {"", ".js", "/index.js"};
    const struct build_file *file = build_tar_find(&job->tar, "package.json"), *found = NULL;
    if (!file)
        return NULL;
    json_error_t where;
    json_t *root = json_loadb((const char *)file->data, file->size, 0, &where);
    if (!root) {
        log_line(job, "package.json is not JSON (line %d: %s), its \"main\" is ignored", where.line,
                 where.text);
        return NULL;
    }
    const char *name = json_string_value(json_object_get(root, "main"));
    while (name && strncmp(name, "./", 2) == 0)
        name += 2;
    for (size_t i = 0; name && *name && !found && i < 3; i++) {
        char path[PACKAGE_PATH_MAX + 16];
        int size = snprintf(path, sizeof path, "%s%s", name, endings[i]);
        if (size > 0 && (size_t)size < sizeof path)
            found = build_tar_find(&job->tar, path);
    }
    if (name && *name && !found)
        log_line(job, "package.json names \"main\": \"%.100s\", which is not there", name);
    json_decref(root);
    return found;
}

static const struct build_file *find_js(struct build_job *job, bool node_template)
{
    static const char *const names[] = {"handler.js", "handler.mjs", "handler.cjs",
                                        "index.js",   "index.mjs",   "index.cjs"};
    const struct build_file *found = NULL;
    if (node_template) /* its index.js asks for ./function/handler, whatever "main" says */
        found = build_tar_find(&job->tar, "handler.js");
    if (!found)
        found = package_main(job);
    for (size_t i = 0; !found && i < sizeof names / sizeof *names; i++)
        found = build_tar_find(&job->tar, names[i]);
    return found;
}

/* function.SUFFIX, else the only file at the top that ends so. */
static const struct build_file *find_only(const struct build_tar *tar, const char *suffix)
{
    char name[32];
    (void)snprintf(name, sizeof name, "function%s", suffix);
    const struct build_file *found = build_tar_find(tar, name);
    for (size_t i = 0; !found && i < tar->file_count; i++) {
        const struct build_file *file = &tar->files[i];
        if (strchr(file->path, '/') || !ends_with(file->path, suffix))
            continue;
        for (size_t j = i + 1; j < tar->file_count; j++)
            if (!strchr(tar->files[j].path, '/') && ends_with(tar->files[j].path, suffix))
                return NULL;
        found = file;
    }
    return found;
}

static bool has_c(const struct build_tar *tar)
{
    for (size_t i = 0; i < tar->file_count; i++)
        if (!strchr(tar->files[i].path, '/') && ends_with(tar->files[i].path, ".c"))
            return true;
    return false;
}

/* A ready module goes first: with faas-cli the template's handler.c lies beside it every time. */
static struct choice choose_c(struct build_job *job, const struct build_file *wasm)
{
    if (!wasm)
        return (struct choice){KIND_C, NULL};
    log_line(job, "taking the ready %s; the C files beside it are not compiled", wasm->path);
    return (struct choice){KIND_WASM, wasm};
}

/* The names of OpenFaaS's templates, too: what is in them is the same. */
static bool is_python(const char *language)
{
    return strcmp(language, "tfaas-python") == 0 || strncmp(language, "python", 6) == 0;
}

static struct choice choose(struct build_job *job, const char *language)
{
    const struct build_file *wasm = find_only(&job->tar, ".wasm");
    const struct build_file *sealed = find_only(&job->tar, ".sealed");
    if (sealed) /* what an owner sealed is all there is; a template's files lie beside it */
        return (struct choice){KIND_SEALED, sealed};
    bool c = has_c(&job->tar);
    if (c && strcmp(language, "tfaas-c") == 0)
        return choose_c(job, wasm);
    const struct build_file *python = build_tar_find(&job->tar, "handler.py");
    if (python && is_python(language))
        return (struct choice){KIND_PYTHON, python};
    if (wasm && strncmp(language, "tfaas-", 6) == 0 && strcmp(language, "tfaas-js") != 0)
        return (struct choice){KIND_WASM, wasm};
    const struct build_file *js = find_js(job, strncmp(language, "node", 4) == 0);
    if (js)
        return (struct choice){KIND_JS, js};
    if (python)
        return (struct choice){KIND_PYTHON, python};
    if (c)
        return choose_c(job, wasm);
    if (wasm)
        return (struct choice){KIND_WASM, wasm};
    return (struct choice){KIND_NONE, NULL};
}

static tfaas_status_t refuse_language(const struct build_job *job, const char *language,
                                      bool builder, struct tfaas_error *error)
{
    const char *docker = job->tar.has_dockerfile ? " (its Dockerfile is not run)" : "";
    const char *where = builder ? "context/function" : "the tar";
    return error_set(
        error, TFAAS_UNSUPPORTED,
        "nothing in %s that TFaaS can run%s%s%s%s. TFaaS runs JavaScript "
        "(handler.js, index.js or \"main\" of package.json), Python (handler.py), WebAssembly "
        "(function.wasm) and C (*.c, template tfaas-c), not containers",
        where, *language ? ", template language " : "", language, docker,
        job->tar.file_count == 0 ? ", it holds no file" : "");
}

/* --- packages --- */

/* Packs all files but those that `skip` ends with; adds one when module is not NULL. */
static tfaas_status_t pack(struct build_job *job, const char *runtime, const char *entry,
                           const uint8_t *module, size_t module_size, struct tfaas_error *error)
{
    struct package_file *files = calloc(job->tar.file_count + 1, sizeof *files);
    size_t count = 0;
    const char *why = "";
    if (!files)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    for (size_t i = 0; i < job->tar.file_count; i++) {
        const struct build_file *file = &job->tar.files[i];
        bool source = ends_with(file->path, ".c") || ends_with(file->path, ".h");
        if (module && (source || strcmp(file->path, entry) == 0))
            continue; /* compiled: the sources stay behind */
        files[count++] =
            (struct package_file){.path = {(const uint8_t *)file->path, strlen(file->path)},
                                  .content = {file->data, file->size}};
    }
    if (module)
        files[count++] = (struct package_file){.path = {(const uint8_t *)entry, strlen(entry)},
                                               .content = {module, module_size}};
    tfaas_status_t status = package_write(runtime, entry, files, count, &job->result.package,
                                          &job->result.package_size, &why);
    free(files);
    if (status != TFAAS_OK)
        return error_set(error, status, "%s", why);
    log_line(job, "package: %zu %s, %zu bytes, runtime %s, entry %s", count,
             count == 1 ? "file" : "files", job->result.package_size, runtime, entry);
    return TFAAS_OK;
}

static bool is_module(const uint8_t *data, size_t size)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    return size >= sizeof head && memcmp(data, head, sizeof head) == 0;
}

static tfaas_status_t pack_wasm(struct build_job *job, const struct build_file *file,
                                struct tfaas_error *error)
{
    if (!is_module(file->data, file->size))
        return error_set(error, TFAAS_BAD_MODULE, "%.200s is not a WebAssembly module of version 1",
                         file->path);
    return pack(job, "wasm", file->path, NULL, 0, error);
}

/* Kept as it is: only a core opens it. */
static tfaas_status_t pack_sealed(struct build_job *job, struct span object,
                                  struct tfaas_error *error)
{
    struct sealed sealed;
    const char *why = "";
    tfaas_status_t status = sealed_read(object, &sealed, &why);
    if (status != TFAAS_OK)
        return error_set(error, status, "%s", why);
    if (!span_is(sealed.kind, "package"))
        return error_set(error, TFAAS_BAD_REQUEST, "a sealed %.*s is no package",
                         (int)sealed.kind.size, (const char *)sealed.kind.data);
    if (object.size > PACKAGE_SIZE_MAX)
        return error_set(error, TFAAS_TOO_LARGE, "sealed package of %zu bytes exceeds %u",
                         object.size, PACKAGE_SIZE_MAX);
    job->result.package = malloc(object.size);
    if (!job->result.package)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    memcpy(job->result.package, object.data, object.size);
    job->result.package_size = object.size;
    log_line(job, "sealed package for %.*s of %.*s, %zu bytes", (int)sealed.name.size,
             (const char *)sealed.name.data, (int)sealed.domain.size,
             (const char *)sealed.domain.data, object.size);
    return TFAAS_OK;
}

static tfaas_status_t read_config(struct build_job *job, struct tfaas_error *error)
{
    const struct build_file *config = &job->tar.config;
    json_error_t where;
    if (!config->path)
        return error_set(error, TFAAS_BAD_REQUEST, "the tar has no %s entry", BUILD_CONFIG_NAME);
    json_t *root =
        json_loadb((const char *)config->data, config->size, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return error_set(error, TFAAS_BAD_REQUEST, "%s is not JSON: line %d: %s", BUILD_CONFIG_NAME,
                         where.line, where.text);
    tfaas_status_t status = TFAAS_OK;
    const char *image = json_string_value(json_object_get(root, "image"));
    if (!image)
        status = error_set(error, TFAAS_BAD_REQUEST, "%s has no \"image\" text", BUILD_CONFIG_NAME);
    else if (!store_image_name_ok(image))
        status = error_set(error, TFAAS_BAD_REQUEST, "malformed image reference \"%.120s\" in %s",
                           image, BUILD_CONFIG_NAME);
    else if (!(job->result.image = strdup(image)))
        status = error_set(error, TFAAS_NO_SPACE, "out of memory");
    json_decref(root);
    return status;
}

/* --- jobs --- */

void build_result_free(struct build_result *result)
{
    free(result->image);
    free(result->package);
    free(result->log);
    memset(result, 0, sizeof *result);
}

static void job_free(struct build_job *job)
{
    build_c_free(job->child);
    build_tar_free(&job->tar);
    build_result_free(&job->result);
    free(job);
}

static tfaas_status_t start_c(struct build_job *job, const char *work_dir,
                              struct tfaas_error *error)
{
    if (!build_c_available())
        return error_set(error, TFAAS_UNSUPPORTED,
                         "a C function needs a compiler here: apt install clang lld wasi-libc "
                         "libclang-rt-14-dev-wasm32, or send a ready function.wasm");
    tfaas_status_t status = build_c_start(&job->tar, work_dir, &job->child, error);
    if (status == TFAAS_OK)
        log_line(job, "compiling C to WebAssembly");
    return status;
}

static tfaas_status_t read_body(struct build_job *job, const uint8_t *body, size_t size,
                                bool builder, const char *work_dir, struct tfaas_error *error)
{
    char language[64] = "";
    if (!builder && is_module(body, size)) {
        if (size > PACKAGE_SIZE_MAX)
            return error_set(error, TFAAS_TOO_LARGE, "module of %zu bytes exceeds %u", size,
                             PACKAGE_SIZE_MAX);
        return pack(job, "wasm", "function.wasm", body, size, error);
    }
    if (!builder && sealed_is((struct span){body, size}))
        return pack_sealed(job, (struct span){body, size}, error);
    tfaas_status_t status = build_tar_read(body, size, builder, &job->tar, error);
    if (status == TFAAS_OK && builder)
        status = read_config(job, error);
    if (status != TFAAS_OK)
        return status;
    template_language(&job->tar.template_file, language);
    struct choice choice = choose(job, language);
    switch (choice.kind) {
    case KIND_JS:
        return pack(job, "js", choice.entry->path, NULL, 0, error);
    case KIND_PYTHON:
        return pack(job, "python", choice.entry->path, NULL, 0, error);
    case KIND_WASM:
        return pack_wasm(job, choice.entry, error);
    case KIND_C:
        return start_c(job, work_dir, error);
    case KIND_SEALED:
        return pack_sealed(job, (struct span){choice.entry->data, choice.entry->size}, error);
    case KIND_NONE:
        break;
    }
    return refuse_language(job, language, builder, error);
}

tfaas_status_t build_start(const uint8_t *body, size_t size, bool builder, const char *work_dir,
                           build_done_fn done, void *env, struct build_job **out,
                           struct tfaas_error *error)
{
    *out = NULL;
    struct build_job *job = calloc(1, sizeof *job);
    if (!job)
        return error_set(error, TFAAS_NO_SPACE, "out of memory");
    job->done = done;
    job->env = env;
    tfaas_status_t status = read_body(job, body, size, builder, work_dir, error);
    if (status == TFAAS_OK && job->child) {
        *out = job;
        return TFAAS_OK;
    }
    if (status == TFAAS_OK)
        done(env, TFAAS_OK, &job->result, NULL);
    job_free(job);
    return status;
}

int build_fd(const struct build_job *job)
{
    return job && job->child ? build_c_fd(job->child) : -1;
}

void build_step(struct build_job *job)
{
    struct tfaas_error error = {.status = TFAAS_OK};
    tfaas_status_t status = TFAAS_INTERNAL;
    uint8_t *module = NULL;
    size_t size = 0;
    char *output = NULL;
    if (!build_c_step(job->child, &status, &module, &size, &output, &error))
        return;
    if (output && *output)
        log_line(job, "%s", output);
    free(output);
    if (status == TFAAS_OK && !is_module(module, size))
        status = error_set(&error, TFAAS_INTERNAL, "the compiler made no WebAssembly module");
    if (status == TFAAS_OK)
        status = pack(job, "wasm", "function.wasm", module, size, &error);
    free(module);
    job->done(job->env, status, &job->result, status == TFAAS_OK ? NULL : &error);
    job_free(job);
}

void build_cancel(struct build_job *job)
{
    if (job)
        job_free(job);
}

tfaas_status_t build_prepare(const char *work_dir, struct tfaas_error *error)
{
    if (mkdir(work_dir, 0700) != 0 && errno != EEXIST)
        return error_errno(error, errno == ENOSPC ? TFAAS_NO_SPACE : TFAAS_INTERNAL, errno,
                           "cannot make %s", work_dir);
    int fd = open(work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int result = fd >= 0 ? build_empty_folder(fd) : -errno;
    if (fd >= 0)
        close(fd);
    return result == 0 ? TFAAS_OK
                       : error_errno(error, TFAAS_INTERNAL, -result, "cannot clear %s", work_dir);
}

void build_explain_unknown_image(const char *image, char *text, size_t size)
{
    (void)snprintf(
        text, size,
        "image %.200s is not in this store. TFaaS runs no containers: it runs JavaScript, "
        "Python, WebAssembly and C packages, made by faas-cli up with OPENFAAS_REMOTE_BUILDER "
        "(POST "
        "/build) or by PUT /packages/{image}; functions/alpine:latest is built in",
        image ? image : "");
}
