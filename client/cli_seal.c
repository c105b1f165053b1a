/*
 * cli_seal.c - the owner's side of confidential functions: `tfaas secret seal`, `tfaas package
 * seal|push|make|digest`, `tfaas keygen`, `tfaas logs open`. Values of secrets come by stdin only.
 */
#define _GNU_SOURCE
#include "cli_client.h"
#include "cli_package.h"
#include "internal.h"
#include "sealed.h"
#include <stdio.h>
#include <stdlib.h>

#define SECRET_MAX (1u << 20)
#define PUSH_MAX   (64u << 20)

/* --- keys of owners: 64 hex digits in a file --- */

static bool read_key(const char *path, uint8_t to[32])
{
    size_t size = 0;
    uint8_t *data = cli_read_file(path, 128, &size);
    while (data && size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
        size--;
    char text[65] = "";
    bool good = data && size == 64;
    if (good)
        memcpy(text, data, 64);
    good = good && hex_read(text, to, 32);
    if (data && !good)
        fprintf(stderr, "tfaas: %s: not a key of 64 hex digits\n", path);
    if (data)
        sodium_memzero(data, size);
    sodium_memzero(text, sizeof(text));
    free(data);
    return good;
}

static int keygen(int argc, char **argv)
{
    const char *words[1];
    size_t count;
    struct hpke_key_pair pair;
    char text[66];
    if (!cli_words(argc, argv, NULL, 0, NULL, words, 1, &count))
        return CLI_USAGE;
    if (count != 1 || sodium_init() < 0) {
        fprintf(stderr, "tfaas: keygen takes a FILE\n");
        return CLI_USAGE;
    }
    FILE *there = fopen(words[0], "rbe");
    if (there) {
        fclose(there);
        fprintf(stderr, "tfaas: %s: is there already\n", words[0]);
        return 1;
    }
    hpke_generate_key_pair(&pair);
    hex_write(pair.secret, 32, text);
    memcpy(text + 64, "\n", 2);
    int code = cli_write(words[0], text, 65, true);
    hex_write(pair.public_key, 32, text);
    if (code == 0)
        printf("%s\n", text);
    sodium_memzero(&pair, sizeof(pair));
    return code;
}

/* --- sealing --- */

struct sealing_options {
    struct cli_client client;
    const char *name, *log_key, *out;
};

static int seal_to(const struct sealing_options *o, const char *url,
                   const struct tfaas_seal_options *what, struct tfaas_bytes content)
{
    struct tfaas_verification *to = calloc(1, sizeof(*to));
    struct tfaas_failure failure;
    uint8_t *out = NULL;
    size_t size = 0;
    int code = to ? cli_verification(&o->client, url, 0, to) : 1;
    if (code == 0)
        code = cli_failed(tfaas_seal(to, what, content, &out, &size, &failure), &failure);
    if (code == 0 && o->client.json) {
        /* What POST /system/secrets takes. */
        char *text = malloc(sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL));
        if (text)
            sodium_bin2base64(text, sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL),
                              out, size, sodium_base64_VARIANT_ORIGINAL);
        code = text ? 0 : 1;
        if (text)
            printf("{\"name\":\"%s\",\"namespace\":\"%s\",\"rawValue\":\"%s\"}\n", what->name,
                   to->domain, text);
        free(text);
    } else if (code == 0) {
        code = cli_write(o->out, out, size, false);
    }
    free(out);
    free(to);
    return code;
}

static bool one_source(const struct sealing_options *o, size_t urls)
{
    if (o->name && (o->client.evidence != NULL) != (urls == 1))
        return true;
    fprintf(stderr, "tfaas: needs --name, and a URL or --evidence BUNDLE\n");
    return false;
}

static int secret_seal(int argc, char **argv)
{
    struct sealing_options o = {.name = NULL};
    const char *words[1], *names[SEALED_PACKAGES_MAX];
    uint8_t packages[SEALED_PACKAGES_MAX][32];
    struct cli_repeated repeated = {"--package", names, SEALED_PACKAGES_MAX, 0};
    int any = 0;
    size_t count, size = 0;
    const struct cli_option rows[] = {CLI_CLIENT_OPTIONS(&o.client),
                                      {"--name", &o.name, NULL},
                                      {"--out", &o.out, NULL},
                                      {"--any-package", NULL, &any}};
    if (!cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), &repeated, words, 1, &count) ||
        !one_source(&o, count))
        return CLI_USAGE;
    if ((repeated.count == 0) != (any != 0)) {
        fprintf(stderr, "tfaas: say who may read it: --package sha256:HEX..., or --any-package "
                        "(then the host chooses)\n");
        return CLI_USAGE;
    }
    for (size_t i = 0; i < repeated.count; i++)
        if (!cli_digest(names[i], packages[i]))
            return CLI_USAGE;
    uint8_t *value = cli_read_stdin(SECRET_MAX, &size);
    if (!value)
        return CLI_USAGE;
    const struct tfaas_seal_options what = {.kind = "secret",
                                            .name = o.name,
                                            .packages = (const uint8_t(*)[32])packages,
                                            .package_count = repeated.count};
    int code = seal_to(&o, count ? words[0] : NULL, &what, (struct tfaas_bytes){value, size});
    sodium_memzero(value, size);
    free(value);
    return code;
}

static int package_seal(int argc, char **argv)
{
    struct sealing_options o = {.name = NULL};
    const char *words[2], *entry = NULL;
    uint8_t log_key[32], *content = NULL;
    size_t count, size = 0;
    const struct cli_option rows[] = {CLI_CLIENT_OPTIONS(&o.client),
                                      {"--name", &o.name, NULL},
                                      {"--out", &o.out, NULL},
                                      {"--entry", &entry, NULL},
                                      {"--log-key", &o.log_key, NULL}};
    if (!cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), NULL, words, 2, &count))
        return CLI_USAGE;
    if (count == 0) {
        fprintf(stderr, "tfaas: package seal takes a package FILE or a FOLDER\n");
        return CLI_USAGE;
    }
    if (!one_source(&o, count - 1))
        return CLI_USAGE;
    if (o.log_key && !hex_read(o.log_key, log_key, sizeof(log_key))) {
        fprintf(stderr, "tfaas: --log-key: not 64 hex digits (what keygen printed)\n");
        return CLI_USAGE;
    }
    if (!cli_package(words[0], entry, &content, &size))
        return CLI_USAGE;
    const struct tfaas_seal_options what = {
        .kind = "package", .name = o.name, .log_key = o.log_key ? log_key : NULL};
    int code =
        seal_to(&o, count == 2 ? words[1] : NULL, &what, (struct tfaas_bytes){content, size});
    free(content);
    return code;
}

static int package_make(int argc, char **argv)
{
    const char *words[1], *entry = NULL, *out = NULL;
    uint8_t *content = NULL;
    size_t count, size = 0;
    const struct cli_option rows[] = {{"--entry", &entry, NULL}, {"--out", &out, NULL}};
    if (!cli_words(argc, argv, rows, 2, NULL, words, 1, &count))
        return CLI_USAGE;
    if (count != 1) {
        fprintf(stderr, "tfaas: package make takes a FOLDER\n");
        return CLI_USAGE;
    }
    if (!cli_package(words[0], entry, &content, &size))
        return CLI_USAGE;
    int code = cli_write(out, content, size, false);
    free(content);
    return code;
}

static int package_digest(int argc, char **argv)
{
    const char *words[1], *entry = NULL;
    uint8_t *content = NULL, digest[32];
    char hex[65];
    size_t count, size = 0;
    const struct cli_option rows[] = {{"--entry", &entry, NULL}};
    if (!cli_words(argc, argv, rows, 1, NULL, words, 1, &count))
        return CLI_USAGE;
    if (count != 1) {
        fprintf(stderr, "tfaas: package digest takes a package FILE or a FOLDER\n");
        return CLI_USAGE;
    }
    if (!cli_package(words[0], entry, &content, &size))
        return CLI_USAGE;
    crypto_hash_sha256(digest, content, size);
    hex_write(digest, sizeof(digest), hex);
    printf("sha256:%s\n", hex);
    free(content);
    return 0;
}

/* --- to the host --- */

struct pushed {
    unsigned status;
    char text[512];
    size_t size;
};

static bool push_head(struct tfaas_transfer *transfer, unsigned status, const char *type,
                      int64_t max_age_s)
{
    (void)type;
    (void)max_age_s;
    ((struct pushed *)transfer->user)->status = status;
    return true;
}

static bool push_body(struct tfaas_transfer *transfer, const void *data, size_t size)
{
    struct pushed *p = transfer->user;
    size_t room = sizeof(p->text) - 1 - p->size;
    memcpy(p->text + p->size, data, size < room ? size : room);
    p->size += size < room ? size : room;
    return true;
}

static int package_push(int argc, char **argv)
{
    const char *words[3];
    size_t count, size = 0;
    char url[1024];
    if (!cli_words(argc, argv, NULL, 0, NULL, words, 3, &count))
        return CLI_USAGE;
    if (count != 3 || strlen(words[1]) + strlen(words[2]) > sizeof(url) - 16) {
        fprintf(stderr, "tfaas: package push takes FILE URL IMAGE\n");
        return CLI_USAGE;
    }
    uint8_t *data = cli_read_file(words[0], PUSH_MAX, &size);
    struct transport_curl *curl = data ? transport_curl_new() : NULL;
    if (!curl) {
        free(data);
        return CLI_USAGE;
    }
    snprintf(url, sizeof(url), "%s/packages/%s", words[1], words[2]);
    struct pushed pushed = {.status = 0};
    struct tfaas_transfer transfer = {.method = "PUT",
                                      .url = url,
                                      .content_type = "application/octet-stream",
                                      .body = {data, size},
                                      .timeout_ms = 60000,
                                      .on_head = push_head,
                                      .on_body = push_body,
                                      .user = &pushed};
    int code = 0;
    if (!transport_curl_run(curl, &transfer)) {
        fprintf(stderr, "tfaas: transport: %s\n", transfer.failure);
        code = tfaas_client_error_exit(TFAAS_CLIENT_TRANSPORT);
    } else if (pushed.status != 201 && pushed.status != 200) {
        fprintf(stderr, "tfaas: the host answered %u: %s\n", pushed.status, pushed.text);
        code = 1;
    } else {
        printf("%s\n", pushed.text);
    }
    transport_curl_free(curl);
    free(data);
    return code;
}

/* --- logs --- */

/* A line is shown as it is, but for what follows "tfaas-log-v1:" in it. */
static bool show_line(const char *line, const uint8_t secret[32], const uint8_t key[32],
                      const uint8_t package[32])
{
    const char *at = strstr(line, SEALED_LOG_LABEL ":");
    uint8_t *text = NULL;
    size_t text_size = 0, size = 0;
    if (!at) {
        fputs(line, stdout);
        return true;
    }
    size = strlen(SEALED_LOG_LABEL ":");
    size += strspn(at + size, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (sealed_log_open(secret, key, package, (struct span){(const uint8_t *)at, size}, &text,
                        &text_size) != TFAAS_OK) {
        fprintf(stderr, "tfaas: a line does not open with this key and package\n");
        return false;
    }
    fwrite(line, 1, (size_t)(at - line), stdout);
    fwrite(text, 1, text_size, stdout);
    const char *rest = at + size;
    if (text_size && text[text_size - 1] == '\n' && *rest == '\n')
        rest++;
    fputs(rest, stdout);
    free(text);
    return true;
}

static int logs_open(int argc, char **argv)
{
    const char *key_path = NULL, *package_text = NULL;
    uint8_t package[32];
    struct hpke_key_pair pair;
    char *line = NULL;
    size_t room = 0;
    int code = 0;
    const struct cli_option rows[] = {{"--key", &key_path, NULL},
                                      {"--package", &package_text, NULL}};
    if (!cli_options(argc, argv, rows, 2))
        return CLI_USAGE;
    if (!key_path || !package_text || sodium_init() < 0) {
        fprintf(stderr, "tfaas: logs open needs --key FILE and --package sha256:HEX\n");
        return CLI_USAGE;
    }
    if (!read_key(key_path, pair.secret) || !cli_digest(package_text, package))
        return CLI_USAGE;
    hpke_key_pair_of(&pair, pair.secret);
    while (getline(&line, &room, stdin) > 0)
        if (!show_line(line, pair.secret, pair.public_key, package))
            code = tfaas_client_error_exit(TFAAS_CLIENT_RESPONSE_NOT_AUTHENTIC);
    sodium_memzero(&pair, sizeof(pair));
    free(line);
    return code;
}

const struct cli_command cli_seal[] = {
    {"secret seal", secret_seal,
     "--name NAME (--package sha256:HEX... | --any-package)\n"
     "      (URL | --evidence BUNDLE) " CLI_CLIENT_USAGE "\n"
     "      [--out FILE | --json] < VALUE",
     "Seals the value on stdin to the verified domain: only a core of it can open it, and gives "
     "it\n"
     "to the packages named. --json prints what POST /system/secrets takes."},
    {"package make", package_make, "FOLDER [--entry PATH] [--out FILE]",
     "Packs a folder: its entry is handler.js, index.js, function.wasm or --entry."},
    {"package digest", package_digest, "FILE|FOLDER [--entry PATH]",
     "The identity of a package: what --package, receipts and secrets name."},
    {"package seal", package_seal,
     "FILE|FOLDER (URL | --evidence BUNDLE) --name FUNCTION\n"
     "      [--entry PATH] [--log-key KEY] " CLI_CLIENT_USAGE "\n      [--out FILE]",
     "Seals a package to the verified domain: the host stores it and cannot read it. What the\n"
     "function logs is sealed to --log-key (from keygen); without one it logs nothing."},
    {"package push", package_push, "FILE URL IMAGE",
     "Gives a sealed package, or a tar, to the host as an image (PUT /packages/IMAGE)."},
    {"keygen", keygen, "FILE",
     "Makes a key for logs: the secret half into FILE (0600), the public half on stdout."},
    {"logs open", logs_open, "--key FILE --package sha256:HEX < LINES",
     "Opens sealed log lines of a confidential function; other lines pass as they are."},
    {NULL, NULL, NULL, NULL},
};
