/*
 * sealed_tool.c - the cryptography of a client, for tests that speak HTTP themselves. It checks no
 * evidence: test code only.
 *
 *   call FORM KEYS METHOD PATH [NAME=VALUE ...]   FORM: ohttp or chunked; KEYS:
 * application/ohttp-keys in hex. Reads the body, writes the sealed request, reads the sealed
 * response, writes "STATUS\nname: value\n...\n\ncontent" (nothing: it does not open). Every piece
 * on a pipe has 4 bytes of length, big-endian, before it. Field date=... replaces the date of now.
 *   open FORM SECRET                              who holds a request key: the sealed request on
 * stdin; its plain bytes on stdout, exit 1 when it does not open. SECRET in hex.
 *   sign SEED, public SEED                        Ed25519: stdin's signature, the public key
 *   seal KIND DOMAIN NAME KEY [DIGEST ...]        content on stdin, sealed object on stdout; KEY
 * and package digests in hex domain                                        a domain statement's
 * envelope on stdin: sealing key, serial, number of leases on three lines
 */
#include "bhttp_stream.h"
#include "http_date.h"
#include "ohttp.h"
#include "ohttp_chunked.h"
#include "sealed.h"
#include "statement.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MESSAGE_MAX (80u << 20)

static void die(const char *what)
{
    (void)fprintf(stderr, "sealed_tool: %s\n", what);
    exit(1);
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static uint8_t *take(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        die("out of memory");
    return bytes;
}

static size_t read_piece(uint8_t **bytes)
{
    uint8_t length[4];
    if (fread(length, 1, 4, stdin) != 4)
        die("no piece on stdin");
    size_t size =
        (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    *bytes = take(size);
    if (fread(*bytes, 1, size, stdin) != size)
        die("a cut piece on stdin");
    return size;
}

static void write_piece(const void *bytes, size_t size)
{
    const uint8_t length[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                               (uint8_t)size};
    if (fwrite(length, 1, 4, stdout) != 4 || fwrite(bytes, 1, size, stdout) != size ||
        fflush(stdout) != 0)
        die("stdout");
}

static size_t from_hex(const char *hex, uint8_t *to, size_t capacity)
{
    size_t size = 0;
    if (sodium_hex2bin(to, capacity, hex, strlen(hex), NULL, &size, NULL) != 0)
        die("hexadecimal digits are expected");
    return size;
}

static size_t read_all(uint8_t **bytes)
{
    *bytes = take(MESSAGE_MAX);
    return fread(*bytes, 1, MESSAGE_MAX, stdin);
}

/* --- call --- */

struct exchange {
    bool chunked;
    struct ohttp_key_config config;
    uint16_t aead;
    struct ohttp_exchange x;
};

static void put_field(struct writer *w, char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals)
        die("NAME=VALUE is expected");
    bhttp_put_field(w, (struct span){(uint8_t *)pair, (size_t)(equals - pair)}, text(equals + 1));
}

static void make_plain(struct writer *w, char **argv, struct span body)
{
    char date[HTTP_DATE_SIZE];
    bool dated = false;
    bhttp_put_framing(w, BHTTP_STREAM_REQUEST);
    bhttp_put_request(w, text(argv[0]), text("https"), text("tfaas.invalid"), text(argv[1]));
    for (char **pair = argv + 2; *pair; pair++) {
        dated |= strncmp(*pair, "date=", 5) == 0;
        put_field(w, *pair);
    }
    if (!dated) {
        http_date_write((uint64_t)time(NULL), date);
        bhttp_put_field(w, text("date"), (struct span){(const uint8_t *)date, sizeof date});
    }
    bhttp_put_end(w);
    if (body.size)
        bhttp_put_chunk(w, body);
    bhttp_put_end(w);
    bhttp_put_end(w);
}

static void seal(struct exchange *e, const struct writer *plain)
{
    size_t capacity = plain->at + plain->at / 100 + 8192;
    struct writer out = writer_of(take(capacity), capacity);
    tfaas_status_t status;
    if (e->chunked) {
        struct ohttp_chunks c;
        size_t at = 0, piece = 8000;
        status =
            ohttp_chunks_begin_request(&c, &e->x, &e->config, e->aead, &ohttp_labels_chunked, &out);
        for (; status == TFAAS_OK && plain->at - at > piece; at += piece)
            status = ohttp_chunks_seal(&c, (struct span){plain->data + at, piece}, false, &out);
        if (status == TFAAS_OK)
            status =
                ohttp_chunks_seal(&c, (struct span){plain->data + at, plain->at - at}, true, &out);
    } else {
        status = ohttp_encapsulate_request(&e->x, &e->config, e->aead, &ohttp_labels_standard,
                                           (struct span){plain->data, plain->at}, out.data,
                                           out.capacity, &out.at);
    }
    if (status != TFAAS_OK || out.failed)
        die("cannot seal");
    write_piece(out.data, out.at);
    free(out.data);
}

static bool open_answer(struct exchange *e, struct span sealed, uint8_t *plain, size_t *size)
{
    static uint8_t buffer[OHTTP_CHUNK_BUFFER_SIZE];
    const char *why = "";
    struct ohttp_chunks c;
    struct cursor in = cursor_of(sealed.data, sealed.size);
    if (!e->chunked)
        return ohttp_decapsulate_response(&e->x, sealed, plain, sealed.size, size, &why) ==
               TFAAS_OK;
    ohttp_chunks_await_response(&c, &e->x, buffer);
    for (*size = 0;;) {
        enum ohttp_chunk_event event;
        struct span part;
        if (ohttp_chunks_open(&c, &in, true, &event, &part, &why) != TFAAS_OK)
            return false;
        memcpy(plain + *size, part.data, part.size);
        *size += part.size;
        if (event == OHTTP_CHUNK_FINAL)
            return true;
    }
}

static void put_fields(FILE *out, struct span fields)
{
    struct span name, value;
    for (size_t at = 0; bhttp_next_field(fields, &at, &name, &value);)
        (void)fprintf(out, "%.*s: %.*s\n", (int)name.size, (const char *)name.data, (int)value.size,
                      (const char *)value.data);
}

/* Content follows the head, so trailers are told after it is known: two passes. */
static void show(struct span plain)
{
    static uint8_t buffer[BHTTP_HEAD_MAX];
    char *shown = NULL;
    size_t shown_size = 0, content_size = 0;
    uint8_t *content = take(plain.size);
    FILE *out = open_memstream(&shown, &shown_size);
    struct bhttp_reader reader;
    struct bhttp_event event = {.kind = BHTTP_MORE};
    struct cursor in = cursor_of(plain.data, plain.size);
    const char *why = "";
    bhttp_reader_begin(&reader, buffer, sizeof buffer);
    while (event.kind != BHTTP_END) {
        if (!out || bhttp_reader_next(&reader, &in, true, &event, &why) != TFAAS_OK)
            die(why);
        if (event.kind == BHTTP_HEAD)
            (void)fprintf(out, "%u\n", event.head.status);
        if (event.kind == BHTTP_HEAD || event.kind == BHTTP_END)
            put_fields(out, event.head.fields);
        if (event.kind == BHTTP_CONTENT) {
            memcpy(content + content_size, event.content.data, event.content.size);
            content_size += event.content.size;
        }
    }
    (void)fputc('\n', out);
    (void)fwrite(content, 1, content_size, out);
    (void)fclose(out);
    write_piece(shown, shown_size);
    free(shown);
    free(content);
}

static void call(char **argv)
{
    struct exchange e = {.chunked = strcmp(argv[0], "chunked") == 0};
    uint8_t keys[OHTTP_KEY_LIST_MAX], *body, *sealed;
    const char *why = "";
    size_t count = 0, size = from_hex(argv[1], keys, sizeof keys);
    if (ohttp_read_key_list((struct span){keys, size}, &e.config, 1, &count, &why) != TFAAS_OK ||
        count == 0)
        die("no key configuration");
    if (ohttp_choose_aead(&e.config, &e.aead) != TFAAS_OK)
        die("no AEAD");
    size = read_piece(&body);
    struct writer plain = writer_of(take(size + 65536), size + 65536);
    make_plain(&plain, argv + 2, (struct span){body, size});
    if (plain.failed)
        die("the request does not fit");
    seal(&e, &plain);
    size = read_piece(&sealed);
    uint8_t *opened = take(size);
    size_t opened_size = 0;
    if (open_answer(&e, (struct span){sealed, size}, opened, &opened_size))
        show((struct span){opened, opened_size});
    else
        write_piece("", 0);
    ohttp_wipe(&e.x);
    free(opened);
    free(sealed);
    free(body);
    free(plain.data);
}

/* --- what somebody with a leaked key does --- */

static const struct hpke_key_pair *the_key(void *user, uint8_t key_id, uint16_t aead)
{
    (void)key_id;
    (void)aead;
    return user;
}

static void open_request(bool chunked, const char *hex)
{
    static uint8_t buffer[OHTTP_CHUNK_BUFFER_SIZE];
    struct hpke_key_pair key;
    struct ohttp_exchange x;
    struct ohttp_chunks c;
    uint8_t secret[HPKE_SECRET_SIZE], *sealed;
    const char *why = "";
    if (from_hex(hex, secret, sizeof secret) != sizeof secret)
        die("SECRET: 32 bytes");
    hpke_key_pair_of(&key, secret);
    size_t size = read_all(&sealed), opened = 0;
    uint8_t *plain = take(size);
    if (!chunked &&
        ohttp_decapsulate_request(&x, (struct span){sealed, size}, &ohttp_labels_standard, the_key,
                                  &key, plain, size, &opened, &why) != TFAAS_OK)
        die("it does not open");
    struct cursor in = cursor_of(sealed, size);
    ohttp_chunks_await_request(&c, &x, &ohttp_labels_chunked, the_key, &key, buffer);
    for (enum ohttp_chunk_event event = OHTTP_CHUNK_DATA; chunked && event != OHTTP_CHUNK_FINAL;) {
        struct span part;
        if (ohttp_chunks_open(&c, &in, true, &event, &part, &why) != TFAAS_OK)
            die("it does not open");
        memcpy(plain + opened, part.data, part.size);
        opened += part.size;
    }
    if (fwrite(plain, 1, opened, stdout) != opened)
        die("stdout");
    free(plain);
    free(sealed);
}

static void sign(const char *hex, bool only_public)
{
    uint8_t seed[32], public[32], secret[64], signature[64], *bytes;
    if (from_hex(hex, seed, sizeof seed) != sizeof seed)
        die("SEED: 32 bytes");
    size_t size = read_all(&bytes);
    (void)crypto_sign_seed_keypair(public, secret, seed);
    (void)crypto_sign_detached(signature, NULL, bytes, size, secret);
    if (only_public ? fwrite(public, sizeof public, 1, stdout) != 1
                    : fwrite(signature, sizeof signature, 1, stdout) != 1)
        die("stdout");
    free(bytes);
}

/* --- seal, domain --- */

static void seal_object(int argc, char **argv)
{
    uint8_t key[32], digests[SEALED_PACKAGES_MAX][PACKAGE_DIGEST_SIZE], *content, *out;
    size_t count = 0, out_size;
    if (from_hex(argv[3], key, sizeof key) != sizeof key)
        die("KEY: 32 bytes");
    for (int i = 4; i < argc && count < SEALED_PACKAGES_MAX; i++)
        if (from_hex(argv[i], digests[count++], PACKAGE_DIGEST_SIZE) != PACKAGE_DIGEST_SIZE)
            die("DIGEST: 32 bytes");
    size_t size = read_all(&content);
    const struct sealed_options options = {.kind = argv[0],
                                           .domain = argv[1],
                                           .name = argv[2],
                                           .packages = digests,
                                           .package_count = count};
    if (sealed_make(&options, key, (struct span){content, size}, &out, &out_size) != TFAAS_OK)
        die("cannot seal");
    if (fwrite(out, 1, out_size, stdout) != out_size)
        die("stdout");
    free(out);
    free(content);
}

static void show_domain(void)
{
    uint8_t *envelope;
    struct span statement, signature;
    struct domain_statement d;
    const char *why = "";
    char hex[65];
    size_t size = read_all(&envelope);
    if (envelope_split((struct span){envelope, size}, &statement, &signature, &why) != TFAAS_OK ||
        domain_statement_read(statement, &d, &why) != TFAAS_OK)
        die(why);
    (void)sodium_bin2hex(hex, sizeof hex, d.sealing_key.data, 32);
    (void)printf("%s\n%llu\n%zu\n", hex, (unsigned long long)d.serial, d.lease_count);
    free(envelope);
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        die("libsodium");
    if (argc >= 6 && strcmp(argv[1], "call") == 0)
        call(argv + 2);
    else if (argc >= 6 && strcmp(argv[1], "seal") == 0)
        seal_object(argc - 2, argv + 2);
    else if (argc == 4 && strcmp(argv[1], "open") == 0)
        open_request(strcmp(argv[2], "chunked") == 0, argv[3]);
    else if (argc == 3 && (strcmp(argv[1], "sign") == 0 || strcmp(argv[1], "public") == 0))
        sign(argv[2], argv[1][0] == 'p');
    else if (argc == 2 && strcmp(argv[1], "domain") == 0)
        show_domain();
    else
        die("call FORM KEYS METHOD PATH | open FORM SECRET | sign SEED | "
            "seal KIND DOMAIN NAME KEY | domain");
    return 0;
}
