/*
 * confidential.c - sealed packages and secrets in a core: a keeper and workers, all real, with this
 * test as their host. What is sealed opens for the worker that was granted it and nowhere else;
 * nothing of a confidential function leaves its core in clear.
 */
/* clang-format off */
/* needs: core tests/support/core_child.c tests/support/core_test.c tests/support/sealed_client.c flags: -D_GNU_SOURCE */
/* clang-format on */
#include "core_test.h"

#include "cbor.h"
#include "ohttp.h"
#include "plat/linux/linux.h"
#include "sealed.h"
#include "sealed_client.h"
#include "statement.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#define CANARY "canary-7d1f0c5e"
#define SECOND 1000000000ull

struct said {
    unsigned status;
    size_t size;
    uint8_t bytes[TFAAS_PAYLOAD_MAX + 1];
};

static struct core_child keeper, worker, other;
static struct said hello, other_hello, said;
static uint8_t sealing_key[32];
static uint8_t log_secret[32], log_key[32], report_root[32];

/* --- the host's side --- */

static enum plat_role next_role;

static void become(void *window)
{
    (void)window;
    plat_linux_domain(next_role, next_role == PLAT_KEEPER ? "" : "shop");
}

static void start(struct core_child *core, enum plat_role role)
{
    next_role = role;
    core_child_start(core);
    core_send(core, (struct tfaas_slot){.kind = TFAAS_CLOCK, .arg = {client_now_s() * SECOND}},
              NULL, 0);
}

static void ask(struct core_child *core, enum tfaas_op op, const void *request, size_t size,
                struct said *to)
{
    struct tfaas_slot slot = {.kind = TFAAS_CALL, .id = 7, .arg = {op}};
    core_send(core, slot, request, size);
    to->status = TFAAS_PEER_DEAD;
    while (core_receive(core, &slot, to->bytes, CORE_PATIENCE_MS)) {
        if (slot.kind != TFAAS_ANSWER)
            continue;
        to->status = (unsigned)slot.arg[0];
        to->size = slot.size;
        to->bytes[slot.size] = '\0';
        return;
    }
}

static struct span field_of(const struct said *from, unsigned n)
{
    struct cursor c = cursor_of(from->bytes, from->size);
    struct span value = {NULL, 0};
    (void)cbor_map(&c);
    for (unsigned i = 0; i < n; i++) {
        (void)cbor_uint(&c);
        value = cbor_bytes(&c);
    }
    CHECK(!c.failed, "%s", (const char *)from->bytes);
    return value;
}

static void learn_sealing_key(void)
{
    static const uint8_t request[] = "\xa1\x01\x64shop";
    ask(&keeper, TFAAS_OP_DOMAIN, request, sizeof request - 1, &said);
    CHECK(said.status == TFAAS_OK, "%s", (const char *)said.bytes);
    struct span statement, signature;
    struct domain_statement domain;
    const char *why = "";
    CHECK(envelope_split(field_of(&said, 1), &statement, &signature, &why) == TFAAS_OK &&
              domain_statement_read(statement, &domain, &why) == TFAAS_OK,
          "%s", why);
    memcpy(sealing_key, domain.sealing_key.data, sizeof sealing_key);
}

/* GRANT for the worker that said `hello`. */
static unsigned grant(const struct said *from, const struct span *objects, size_t count,
                      uint8_t grants[][SEALED_GRANT_SIZE])
{
    static uint8_t request[TFAAS_PAYLOAD_MAX], header[SEALED_HEADER_MAX];
    struct writer w = writer_of(request, sizeof request);
    struct sealed sealed;
    const char *why = "";
    cbor_put_map(&w, 3);
    for (unsigned i = 1; i <= 2; i++) {
        cbor_put_uint(&w, i);
        cbor_put_bytes(&w, field_of(from, i).data, field_of(from, i).size);
    }
    cbor_put_uint(&w, 3);
    cbor_put_array(&w, count);
    for (size_t i = 0; i < count; i++) {
        CHECK(sealed_read(objects[i], &sealed, &why) == TFAAS_OK, "%s", why);
        cbor_put_bytes(&w, header, sealed_header(&sealed, header));
    }
    ask(&keeper, TFAAS_OP_GRANT, request, w.at, &said);
    if (said.status != TFAAS_OK)
        return said.status;
    struct cursor c = cursor_of(said.bytes, said.size);
    (void)cbor_map(&c);
    (void)cbor_uint(&c);
    CHECK(cbor_array(&c) == count, "as many grants as headers");
    for (size_t i = 0; i < count; i++) {
        struct span one = cbor_bytes(&c);
        CHECK(one.size == SEALED_GRANT_SIZE, "a grant of %zu bytes", one.size);
        memcpy(grants[i], one.data, SEALED_GRANT_SIZE);
    }
    return TFAAS_OK;
}

/* --- what the owner makes --- */

static struct span package_of(const char *source, uint8_t digest[32])
{
    struct package_file file = {{(const uint8_t *)"handler.js", 10},
                                {(const uint8_t *)source, strlen(source)}};
    uint8_t *bytes = NULL;
    size_t size = 0;
    const char *why = "";
    CHECK(package_write("js", "handler.js", &file, 1, &bytes, &size, &why) == TFAAS_OK, "%s", why);
    crypto_hash_sha256(digest, bytes, size);
    return (struct span){bytes, size};
}

static struct span seal(const char *kind, const char *name, const char *domain,
                        const uint8_t *package, const uint8_t *log, struct span content)
{
    struct sealed_options options = {.kind = kind,
                                     .domain = domain,
                                     .name = name,
                                     .packages = (const uint8_t(*)[32])package,
                                     .package_count = package != NULL,
                                     .log_key = log};
    struct span out;
    uint8_t *bytes = NULL;
    CHECK(sealed_make(&options, sealing_key, content, &bytes, &out.size) == TFAAS_OK, "sealed");
    out.data = bytes;
    return out;
}

/* LOAD of this package, with one secret or none; what LOADED says in `answer`. */
static void load(struct core_child *core, uint32_t id, struct span package, struct span secret,
                 uint8_t (*grants)[SEALED_GRANT_SIZE], size_t grant_count, bool want_cache,
                 struct core_answer *answer)
{
    struct bundle_pair pair = {{(const uint8_t *)"token", 5}, secret};
    struct span spans[2];
    for (size_t i = 0; i < grant_count; i++)
        spans[i] = (struct span){grants[i], SEALED_GRANT_SIZE};
    struct bundle bundle = {.package = package,
                            .name = {(const uint8_t *)"test", 4},
                            .secrets = &pair,
                            .secret_count = secret.size > 0,
                            .memory_limit = 64u << 20,
                            .deadline_ns = 5 * SECOND,
                            .response_limit = 1u << 20,
                            .log_limit = 1u << 16,
                            .hostcall_limit = 1000000,
                            .grants = spans,
                            .grant_count = grant_count};
    uint8_t *bytes = NULL;
    size_t size = 0;
    CHECK(bundle_write(&bundle, &bytes, &size) == TFAAS_OK, "a bundle");
    core_load_bundle(core, id, bytes, size, want_cache, answer);
    free(bytes);
}

static void unload(struct core_child *core, uint32_t id)
{
    static uint8_t payload[TFAAS_PAYLOAD_MAX];
    struct tfaas_slot slot = {.kind = TFAAS_UNLOAD, .id = id};
    core_send(core, slot, NULL, 0);
    while (core_receive(core, &slot, payload, CORE_PATIENCE_MS)) {
        if (slot.kind == TFAAS_LOADED && slot.id == id)
            return;
    }
    CHECK(false, "not unloaded");
}

static const char plain_source[] =
    "const fs = require('fs');\n"
    "module.exports = async (event, context) =>\n"
    "    context.succeed(fs.readFileSync('/var/openfaas/secrets/token', 'utf8'));\n";
static const struct span no_secret;

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* --- secrets --- */

static void secret_opens_for_its_package(void)
{
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct core_answer answer;
    struct span package = package_of(plain_source, digest);
    struct span secret = seal("secret", "token", "shop", digest, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    load(&worker, 1, package, secret, grants, 1, false, &answer);
    CHECK(answer.status == TFAAS_OK, "%s", answer.fault);
    core_test_expect(&worker, 1, "x", CANARY);
    unload(&worker, 1);
}

static void refused(struct span package, struct span secret, uint8_t (*grants)[SEALED_GRANT_SIZE],
                    size_t count, const char *says)
{
    struct core_answer answer;
    load(&worker, 1, package, secret, grants, count, false, &answer);
    CHECK(answer.status == TFAAS_NOT_GRANTED, "%s instead of \"%s\"",
          tfaas_status_name(answer.status), says);
    CHECK(strstr(answer.fault, says), "\"%s\" does not say \"%s\"", answer.fault, says);
    CHECK(!strstr(answer.fault, CANARY), "it says the secret");
    unload(&worker, 1);
}

static void secret_stays_closed(void)
{
    uint8_t digest[32], foreign[32] = {1}, grants[2][SEALED_GRANT_SIZE];
    struct span package = package_of(plain_source, digest);
    struct span secret = seal("secret", "token", "shop", foreign, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    refused(package, secret, grants, 1, "secret \"token\": its policy does not name this package");

    secret = seal("secret", "token", "shop", digest, NULL, text(CANARY));
    refused(package, secret, grants, 0, "secret \"token\": there is no grant for it");
    CHECK(grant(&other_hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    refused(package, secret, grants, 1, "secret \"token\": the grant is not for this core");

    secret = seal("secret", "else", "shop", digest, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    refused(package, secret, grants, 1, "secret \"token\": what is there is sealed as something");

    secret = seal("package", "token", "shop", NULL, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    refused(package, secret, grants, 1, "secret \"token\": what is there is sealed as something");

    secret = seal("secret", "token", "shed", digest, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_NOT_GRANTED, "granted to another namespace");
    CHECK(strstr((const char *)said.bytes, "secret \"token\": it is sealed to another namespace"),
          "%s", (const char *)said.bytes);
    refused(package, secret, grants, 1, "secret \"token\": it is sealed to another namespace");
}

/* Every byte of the object is bound: the grant was given for the true header. */
static void every_byte_of_a_secret_counts(void)
{
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct span package = package_of(plain_source, digest);
    struct span secret = seal("secret", "token", "shop", digest, NULL, text(CANARY));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    uint8_t *copy = malloc(secret.size);
    for (size_t at = 20; at < secret.size; at++) {
        struct core_answer answer;
        memcpy(copy, secret.data, secret.size);
        copy[at] ^= 1;
        load(&worker, 1, package, (struct span){copy, secret.size}, grants, 1, false, &answer);
        CHECK(answer.status == TFAAS_NOT_GRANTED || answer.status == TFAAS_BAD_PACKAGE,
              "byte %zu: %s", at, tfaas_status_name(answer.status));
        unload(&worker, 1);
    }
    free(copy);
}

/* --- packages --- */

static uint8_t heard[1u << 20];
static size_t heard_size;

static void hear(const struct tfaas_slot *slot, const uint8_t *payload)
{
    if (slot->size <= sizeof heard - heard_size) {
        memcpy(heard + heard_size, payload, slot->size);
        heard_size += slot->size;
    }
}

static bool heard_canary(void)
{
    return memmem(heard, heard_size, CANARY, strlen(CANARY)) != NULL;
}

/* A lease, so that the worker takes sealed calls. */
static struct ohttp_key_config lease(void)
{
    static struct said certified;
    struct ohttp_key_config config = {.id = 0};
    struct span statement, signature;
    struct lease got;
    const char *why = "";
    ask(&keeper, TFAAS_OP_CERTIFY, hello.bytes, hello.size, &certified);
    CHECK(certified.status == TFAAS_OK, "%s", (const char *)certified.bytes);
    ask(&worker, TFAAS_OP_LEASE, certified.bytes, certified.size, &said);
    CHECK(said.status == TFAAS_OK, "%s", (const char *)said.bytes);
    CHECK(envelope_split(field_of(&certified, 1), &statement, &signature, &why) == TFAAS_OK &&
              lease_read(statement, &got, &why) == TFAAS_OK &&
              ohttp_read_key_config(got.key_configuration, &config, &why) == TFAAS_OK,
          "%s", why);
    return config;
}

static const char confidential_source[] =
    "console.log('" CANARY " while loading');\n"
    "module.exports = async (event, context) => {\n"
    "    console.log('" CANARY " while running');\n"
    "    if (event.body === 'throw') throw new Error('" CANARY " thrown');\n"
    "    return context.succeed('answer ' + event.body);\n"
    "};\n";

static void owner_reads(const uint8_t digest[32], const char *line, size_t size, const char *says)
{
    uint8_t *clear = NULL;
    size_t clear_size = 0;
    CHECK(sealed_log_open(log_secret, log_key, digest, (struct span){(const uint8_t *)line, size},
                          &clear, &clear_size) == TFAAS_OK,
          "the owner cannot open \"%.*s\"", (int)size, line);
    CHECK(clear && memmem(clear, clear_size, says, strlen(says)), "it does not say \"%s\"", says);
    free(clear);
}

static void sealed_package_says_nothing(void)
{
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct core_answer answer;
    struct span package = package_of(confidential_source, digest);
    struct span sealed = seal("package", "test", "shop", NULL, log_key, package);
    CHECK(!memmem(sealed.data, sealed.size, CANARY, strlen(CANARY)), "sealed is not sealed");
    CHECK(grant(&hello, &sealed, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    load(&worker, 2, sealed, no_secret, grants, 1, true, &answer);
    CHECK(answer.status == TFAAS_OK && answer.cache_size == 0, "%s", answer.fault);
    owner_reads(digest, answer.log, answer.log_size, CANARY " while loading");

    core_test_ends(&worker, 2, "x", 5 * SECOND, TFAAS_ENCAPSULATION_REQUIRED);

    struct ohttp_key_config config = lease();
    const char *bodies[] = {"hello", "throw"};
    for (size_t i = 0; i < 2; i++) {
        struct client_call request = {.form = TFAAS_SEALING_OHTTP,
                                      .body = bodies[i],
                                      .body_size = 5,
                                      .path = "/function/test"};
        struct client_answer got;
        struct client_reply reply;
        heard_size = 0;
        client_tap = hear;
        client_seal(&request, &config);
        CHECK(client_run(&worker, 2, &request, 5 * SECOND, &got), "the core is gone");
        client_tap = NULL;
        client_open(&request, got.core.bytes, got.core.size, &reply);
        CHECK(reply.opened, "%s", reply.why);
        CHECK(reply.http_status == (i == 0 ? 200u : 500u), "%u", reply.http_status);
        CHECK(heard_size > 0 && !heard_canary(), "plaintext in what the core said");
        owner_reads(digest, got.core.log, strcspn(got.core.log, "\n"), CANARY " while running");
        if (i == 0)
            CHECK(reply.content_size == 12 && memcmp(reply.content, "answer hello", 12) == 0, "%s",
                  (const char *)reply.content);
    }
    unload(&worker, 2);
}

static void without_a_log_key_it_is_silent(void)
{
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct core_answer answer;
    struct span package = package_of(confidential_source, digest);
    struct span sealed = seal("package", "test", "shop", NULL, NULL, package);
    CHECK(grant(&hello, &sealed, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    load(&worker, 2, sealed, no_secret, grants, 1, false, &answer);
    CHECK(answer.status == TFAAS_OK && answer.log_size == 0, "\"%s\"", answer.log);
    unload(&worker, 2);
}

static void error_of_a_sealed_package_is_sealed(void)
{
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct core_answer answer;
    struct span package = package_of("throw new Error('" CANARY "');\n", digest);
    const uint8_t *keys[] = {log_key, NULL};
    for (size_t i = 0; i < 2; i++) {
        struct span sealed = seal("package", "test", "shop", NULL, keys[i], package);
        CHECK(grant(&hello, &sealed, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
        load(&worker, 2, sealed, no_secret, grants, 1, false, &answer);
        CHECK(answer.status == TFAAS_BAD_SCRIPT, "%s", tfaas_status_name(answer.status));
        CHECK(!strstr(answer.fault, CANARY) && answer.log_size == 0, "\"%s\"", answer.fault);
        if (keys[i])
            owner_reads(digest, answer.fault, strlen(answer.fault), CANARY);
        else
            CHECK(answer.fault[0] == '\0', "\"%s\"", answer.fault);
        unload(&worker, 2);
    }
    /* The same in clear, so that the check above can fail. */
    load(&worker, 2, package, no_secret, NULL, 0, false, &answer);
    CHECK(strstr(answer.fault, CANARY), "a plain package says \"%s\"", answer.fault);
    unload(&worker, 2);
}

/* How often that is in the core's private memory. The window is the host's. */
static unsigned found_in(const struct core_child *core, const void *what, size_t what_size)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof path, "/proc/%d/maps", core->pid);
    FILE *maps = fopen(path, "r");
    (void)snprintf(path, sizeof path, "/proc/%d/mem", core->pid);
    int memory = open(path, O_RDONLY);
    unsigned found = 0;
    CHECK(maps && memory >= 0, "the core's memory cannot be read");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx rw-p", &from, &to) != 2 || !strstr(line, " rw-p "))
            continue;
        uint8_t *bytes = malloc(to - from);
        ssize_t size = bytes ? pread(memory, bytes, to - from, (off_t)from) : 0;
        for (uint8_t *at = bytes; size > 0;) {
            at = memmem(at, (size_t)(bytes + size - at), what, what_size);
            if (!at)
                break;
            found++;
            at++;
        }
        free(bytes);
    }
    if (maps)
        (void)fclose(maps);
    (void)close(memory);
    return found;
}

static void unloading_wipes(void)
{
    char value[64];
    uint8_t digest[32], grants[1][SEALED_GRANT_SIZE];
    struct core_answer answer;
    /* Of a binary that holds CANARY "!" nowhere but in this buffer of the parent. */
    (void)snprintf(value, sizeof value, "%s%c", CANARY, '!');
    struct span package = package_of(plain_source, digest);
    struct span secret = seal("secret", "token", "shop", digest, NULL, text(value));
    CHECK(grant(&hello, &secret, 1, grants) == TFAAS_OK, "%s", (const char *)said.bytes);
    unsigned before = found_in(&worker, value, strlen(value));
    load(&worker, 1, package, secret, grants, 1, false, &answer);
    CHECK(answer.status == TFAAS_OK, "%s", answer.fault);
    unsigned during = found_in(&worker, value, strlen(value));
    CHECK(during > before, "the secret is not found while it is loaded");
    unload(&worker, 1);
    /* It is answered first and freed then. */
    unsigned after = during;
    for (unsigned i = 0; i < 2000 && after != before; i++) {
        (void)usleep(10000);
        after = found_in(&worker, value, strlen(value));
    }
    CHECK(after == before, "%u places hold the secret after the unload, %u before, %u meanwhile",
          after, before, during);
}

/* libsodium's secret key ends with the public one, which every core has once. This program keeps
 * that turned over, so that its cores do not have it a third time. */
static void workers_cannot_make_reports(void)
{
    uint8_t root[32];
    for (size_t i = 0; i < sizeof root; i++)
        root[i] = (uint8_t)~report_root[i];
    CHECK(found_in(&keeper, root, sizeof root) == 2, "a keeper without a report key");
    CHECK(found_in(&worker, root, sizeof root) == 1, "a worker with a report key");
}

int main(int argc, char **argv)
{
    static const uint8_t fresh[] = {0xa1, 0x01, 0xf5};
    core_test_prepare();
    const uint8_t *root = plat_linux_report_prepare((const uint8_t[PLAT_MEASUREMENT_SIZE]){1});
    for (size_t i = 0; i < sizeof report_root; i++)
        report_root[i] = (uint8_t)~root[i];
    plat_set_realtime(client_now_s() * SECOND); /* what clock_gettime tells in this program */
    core_child_hook = become;
    start(&keeper, PLAT_KEEPER);
    start(&worker, PLAT_WORKER);
    start(&other, PLAT_WORKER);
    crypto_box_keypair(log_key, log_secret);
    learn_sealing_key();
    ask(&worker, TFAAS_OP_HELLO, fresh, sizeof fresh, &hello);
    ask(&other, TFAAS_OP_HELLO, fresh, sizeof fresh, &other_hello);
    static const struct check_case cases[] = {
        {"secret opens for its package", secret_opens_for_its_package},
        {"secret stays closed", secret_stays_closed},
        {"every byte of a secret counts", every_byte_of_a_secret_counts},
        {"sealed package says nothing", sealed_package_says_nothing},
        {"without a log key it is silent", without_a_log_key_it_is_silent},
        {"error of a sealed package is sealed", error_of_a_sealed_package_is_sealed},
        {"unloading wipes", unloading_wipes},
        {"workers cannot make reports", workers_cannot_make_reports},
    };
    int failed = CHECK_MAIN(cases, argc, argv);
    core_child_stop(&keeper);
    core_child_stop(&worker);
    core_child_stop(&other);
    return failed;
}
