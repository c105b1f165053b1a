/*
 * cli_verify.c - `tfaas verify`, `tfaas policy default|explain`, `tfaas core measure`. The verdict
 * comes first, then every check with what was expected and found, then what no check covers.
 */
#define _GNU_SOURCE
#include "cli_client.h"
#include "internal.h"
#include "tender/kvm/machine.h"
#include "sha384.h"
#include <stdio.h>
#include <stdlib.h>

static const char *result_word(enum tfaas_check_result result)
{
    return result == TFAAS_CHECK_PASSED   ? "ok"
           : result == TFAAS_CHECK_FAILED ? "FAILED"
                                          : "not made";
}

static void print_text(const char *what, const struct tfaas_verification *v)
{
    char hex[129];
    hex_write(v->measurement, sizeof(v->measurement), hex);
    if (v->error)
        printf("FAILED%s: %s: %s: %s\n", v->simulated ? " (SIMULATED)" : "", what,
               tfaas_client_error_name(v->error), tfaas_client_error_text(v->error));
    else if (v->simulated)
        printf("SIMULATED: %s: every check passed, and they prove NOTHING: whoever runs the host "
               "holds the root key\n",
               what);
    else
        printf("VERIFIED: %s: core %.16s... on %s, domain %s\n", what, hex, v->tee, v->domain);
    for (size_t i = 0; i < v->check_count; i++) {
        const struct tfaas_check *c = &v->checks[i];
        printf("%2zu. %-8s %-17s", i + 1, result_word(c->result), c->name);
        if (c->result != TFAAS_CHECK_NOT_MADE)
            printf(" expected: %s; got: %s", c->expected, c->got);
        printf("\n");
    }
    if (!v->error)
        printf("core %s version %s, %zu live leases\n", hex, v->core_version, v->lease_count);
    for (size_t i = 0; i < v->not_covered_count; i++)
        printf("not covered: %s\n", v->not_covered[i]);
}

static json_t *hex_json(const uint8_t *data, size_t size)
{
    char hex[129];
    hex_write(data, size, hex);
    return json_string(hex);
}

static void print_json(const char *what, const struct tfaas_verification *v)
{
    json_t *checks = json_array(), *rest = json_array();
    for (size_t i = 0; i < v->check_count; i++)
        json_array_append_new(checks,
                              json_pack("{s:s,s:s,s:s,s:s}", "name", v->checks[i].name, "result",
                                        result_word(v->checks[i].result), "expected",
                                        v->checks[i].expected, "got", v->checks[i].got));
    for (size_t i = 0; i < v->not_covered_count; i++)
        json_array_append_new(rest, json_string(v->not_covered[i]));
    json_t *root =
        json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:o}", "target", what,
                  "verdict", tfaas_client_error_name(v->error), "simulated", v->simulated, "tee",
                  v->tee, "domain", v->domain, "core_version", v->core_version, "measurement",
                  hex_json(v->measurement, sizeof(v->measurement)), "identity",
                  hex_json(v->identity, sizeof(v->identity)), "platform",
                  hex_json(v->platform_id, v->platform_id_size), "not_before",
                  (json_int_t)v->not_before, "not_after", (json_int_t)v->not_after, "leases",
                  (json_int_t)v->lease_count, "checks", checks, "not_covered", rest);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text)
        puts(text);
    free(text);
    json_decref(root);
}

static int show(const struct cli_client *options, const char *what,
                const struct tfaas_verification *v, enum tfaas_client_error error,
                const struct tfaas_failure *failure)
{
    /* Nothing came that could be judged. */
    if (!v || (error && v->check_count == 0)) {
        if (options->json)
            printf("{\"target\":\"%s\",\"verdict\":\"%s\"}\n", what,
                   tfaas_client_error_name(error));
        return cli_failed(error, failure);
    }
    if (options->json)
        print_json(what, v);
    else
        print_text(what, v);
    return cli_failed(error, failure);
}

static int verify_bundle(const struct cli_client *options, const char *path, int64_t at)
{
    struct tfaas_verification v;
    struct tfaas_failure failure = {.text = ""};
    size_t size = 0, collateral_size = 0;
    uint8_t *bundle = cli_read_file(path, 4u << 20, &size), *collateral = NULL;
    char *policy = bundle ? cli_policy(options) : NULL, *text = NULL;
    int code = CLI_USAGE;
    if (options->collateral) {
        collateral = cli_read_file(options->collateral, 4u << 20, &collateral_size);
        text = collateral ? strndup((const char *)collateral, collateral_size) : NULL;
    }
    if (policy && (text || !options->collateral)) {
        enum tfaas_client_error error = tfaas_bundle_verify(
            (const char *)bundle, size, policy, options->domain, text, at, &v, &failure);
        code = show(options, path, &v, error, &failure);
    }
    free(bundle);
    free(collateral);
    free(text);
    free(policy);
    return code;
}

static int verify_url(const struct cli_client *options, const char *url, bool nonce,
                      const char *save)
{
    struct tfaas_failure failure = {.text = ""};
    int code;
    struct tfaas_client *client = cli_open(options, url, nonce ? TFAAS_CLIENT_FRESH : 0, &code);
    if (!client)
        return code;
    enum tfaas_client_error error = tfaas_client_verify(client, TFAAS_VERIFY_ANEW, &failure);
    code = show(options, url, tfaas_client_verification(client), error, &failure);
    char *bundle = NULL;
    if (code == 0 && save) {
        code = cli_failed(tfaas_client_bundle(client, &bundle, &failure), &failure);
        if (code == 0)
            code = cli_write(save, bundle, strlen(bundle), false);
    }
    free(bundle);
    tfaas_client_close(client);
    return code;
}

static int verify(int argc, char **argv)
{
    struct cli_client options = {0};
    const char *save = NULL, *bundle = NULL, *at = NULL, *words[1];
    int no_nonce = 0;
    size_t count;
    int64_t when = 0;
    const struct cli_option rows[] = {CLI_CLIENT_OPTIONS(&options),
                                      {"--save", &save, NULL},
                                      {"--bundle", &bundle, NULL},
                                      {"--at", &at, NULL},
                                      {"--no-nonce", NULL, &no_nonce}};
    if (!cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), NULL, words, 1, &count) ||
        (at && !cli_unix_time(at, &when)))
        return CLI_USAGE;
    if ((bundle != NULL) == (count == 1) || (bundle && save) || (at && !bundle) ||
        options.evidence) {
        fprintf(stderr, "tfaas: verify takes a URL, or --bundle FILE [--at UNIX]\n");
        return CLI_USAGE;
    }
    return bundle ? verify_bundle(&options, bundle, when)
                  : verify_url(&options, words[0], !no_nonce, save);
}

static int policy_default(int argc, char **argv)
{
    if (!cli_options(argc, argv, NULL, 0))
        return CLI_USAGE;
    return fputs(tfaas_policy_default(), stdout) < 0;
}

static int policy_explain(int argc, char **argv)
{
    const char *words[1];
    size_t count;
    char *text = NULL;
    if (!cli_words(argc, argv, NULL, 0, NULL, words, 1, &count))
        return CLI_USAGE;
    if (count != 1) {
        fprintf(stderr, "tfaas: policy explain takes a FILE\n");
        return CLI_USAGE;
    }
    const struct cli_client options = {.policy = words[0]};
    struct tfaas_failure failure;
    char *policy = cli_policy(&options);
    if (!policy)
        return CLI_USAGE;
    int code = cli_failed(tfaas_policy_explain(policy, &text, &failure), &failure);
    if (text)
        fputs(text, stdout);
    free(text);
    free(policy);
    return code;
}

/* The pages and registers of the core's virtual machine, made of two files: the core's and the
 * shim's. */
static int measure_machine(const uint8_t *core, size_t core_size, const char *shim_path,
                           uint8_t digest[48])
{
    size_t shim_size = 0;
    const char *why = NULL;
    uint8_t *shim = cli_read_file(shim_path, 1u << 20, &shim_size);
    if (!shim)
        return CLI_USAGE;
    bool ok = machine_measure_files(core, core_size, shim, shim_size, digest, &why);
    free(shim);
    if (!ok)
        fprintf(stderr, "tfaas: core measure: %s\n", why);
    return ok ? 0 : CLI_USAGE;
}

static int core_measure(int argc, char **argv)
{
    const char *words[1], *tender = NULL, *shim = NULL;
    char beside[4096];
    size_t count, size = 0;
    const struct cli_option options[] = {{"--tender", &tender, NULL}, {"--shim", &shim, NULL}};
    if (!cli_words(argc, argv, options, 2, NULL, words, 1, &count))
        return CLI_USAGE;
    tender = tender ? tender : "process";
    bool kvm = strcmp(tender, "kvm") == 0;
    if (count != 1 || (!kvm && strcmp(tender, "process") != 0)) {
        fprintf(stderr, "tfaas: core measure takes a FILE, and --tender process or kvm\n");
        return CLI_USAGE;
    }
    uint8_t *data = cli_read_file(words[0], 256u << 20, &size), digest[48];
    char hex[97];
    int code = 0;
    if (!data)
        return CLI_USAGE;
    const char *slash = strrchr(words[0], '/');
    snprintf(beside, sizeof(beside), "%.*stfaas-shim", slash ? (int)(slash - words[0]) + 1 : 0,
             words[0]);
    if (kvm) {
        code = measure_machine(data, size, shim ? shim : beside, digest);
    } else {
        crypto_hash_sha512_state state;
        sha384_init(&state);
        crypto_hash_sha512_update(&state, data, size);
        sha384_final(&state, digest);
    }
    free(data);
    if (code != 0)
        return code;
    hex_write(digest, sizeof(digest), hex);
    printf("%s\n", hex);
    fprintf(stderr, "tfaas: %s: what the %s tender's cores are measured as\n",
            kvm ? "SHA-384 of the virtual machine at its first instruction" : "SHA-384 of the file",
            tender);
    return 0;
}

const struct cli_command cli_verify[] = {
    {"verify", verify,
     "URL " CLI_CLIENT_USAGE "\n      [--no-nonce] [--save FILE] [--json]\n"
     "  tfaas verify --bundle FILE [--at UNIX] [--policy FILE] ... [--json]",
     "Fetches evidence and checks all of it, in the order of SPECIFICATION.md 14.2, with a nonce "
     "of\n"
     "its own. --save keeps what was verified; --bundle verifies such a file without a network.\n"
     "Exit: 0 verified (SIMULATED only where the policy or --allow-simulated takes it), 5 "
     "refused,\n"
     "6 no answer, 64 usage."},
    {"policy default", policy_default, "",
     "Prints the policy that holds without --policy. It accepts no core: add one to \"cores\"."},
    {"policy explain", policy_explain, "FILE", "Says in sentences what a policy accepts."},
    {"core measure", core_measure, "FILE [--tender process|kvm] [--shim FILE]",
     "The measurement of a core's ELF file (build/tfaas-core): SHA-384 of its bytes, as the "
     "process\n"
     "tender measures it; for kvm SHA-384 of the virtual machine that is made of it and of the\n"
     "tfaas-shim beside it. It goes into a policy's \"cores\"."},
    {NULL, NULL, NULL, NULL},
};
