/* cli_receipt.c - `tfaas receipt verify`: receipts against saved evidence, offline. */
#define _GNU_SOURCE
#include "cli_client.h"
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECEIPTS_MAX 4096u

static char *read_receipt(const char *path)
{
    size_t size = 0;
    uint8_t *data = cli_read_file(path, 65536, &size);
    while (data && size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
        size--;
    char *text = data ? strndup((const char *)data, size) : NULL;
    free(data);
    return text;
}

static void print_claims(const char *path, const struct tfaas_receipt_claims *c, bool json)
{
    if (json) {
        json_t *root = json_pack(
            "{s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:I,s:s,s:I,s:b,s:I,s:I}", "file", path, "verdict", "ok",
            "iss", c->instance, "seq", (json_int_t)c->sequence, "iat", (json_int_t)c->issued_at,
            "fn", c->function, "pkg", c->package, "status", (json_int_t)c->status, "outcome",
            c->outcome, "work", (json_int_t)c->work, "exact", c->exact, "mem",
            (json_int_t)c->memory, "cpu_ns", (json_int_t)c->cpu_ns);
        char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
        if (text)
            puts(text);
        free(text);
        json_decref(root);
        return;
    }
    printf("ok: %s: %s, package %.16s..., status %llu, outcome %s\n", path, c->function, c->package,
           (unsigned long long)c->status, c->outcome);
    printf("    instance %s number %llu, work %llu%s, memory %llu bytes, CPU %llu ns\n",
           c->instance, (unsigned long long)c->sequence, (unsigned long long)c->work,
           c->exact ? "" : " (at least)", (unsigned long long)c->memory,
           (unsigned long long)c->cpu_ns);
}

static int verify_all_of(const struct cli_client *options, const char **paths, size_t count,
                         const struct tfaas_verification *of)
{
    struct tfaas_failure failure = {.text = ""};
    struct tfaas_receipt_claims *claims = calloc(count, sizeof(*claims));
    int code = claims ? 0 : 1;
    for (size_t i = 0; i < count && claims; i++) {
        char *text = read_receipt(paths[i]);
        enum tfaas_client_error error =
            text ? tfaas_receipt_verify(text, of, &claims[i], &failure) : TFAAS_CLIENT_OK;
        if (!text)
            code = CLI_USAGE;
        else if (error && options->json)
            printf("{\"file\":\"%s\",\"verdict\":\"%s\"}\n", paths[i],
                   tfaas_client_error_name(error));
        else if (!error)
            print_claims(paths[i], &claims[i], options->json);
        if (error) {
            fprintf(stderr, "tfaas: %s:\n", paths[i]);
            code = cli_failed(error, &failure);
        }
        free(text);
    }
    if (code == 0)
        code = cli_failed(tfaas_receipt_sequences(claims, count, &failure), &failure);
    free(claims);
    return code;
}

static int receipt_verify(int argc, char **argv)
{
    struct cli_client options = {0};
    static const char *words[RECEIPTS_MAX];
    struct tfaas_verification *of = calloc(1, sizeof(*of));
    size_t count;
    const struct cli_option rows[] = {CLI_CLIENT_OPTIONS(&options)};
    int code = CLI_USAGE;
    if (of && cli_words(argc, argv, rows, sizeof(rows) / sizeof(rows[0]), NULL, words, RECEIPTS_MAX,
                        &count)) {
        if (count == 0 || !options.evidence)
            fprintf(stderr, "tfaas: receipt verify takes FILE... and --evidence BUNDLE\n");
        else
            code = cli_verification(&options, NULL, 0, of);
        if (code == 0)
            code = verify_all_of(&options, words, count, of);
    }
    free(of);
    return code;
}

const struct cli_command cli_receipt[] = {
    {"receipt verify", receipt_verify,
     "FILE... --evidence BUNDLE [--policy FILE] [--core MEASUREMENT]\n"
     "      [--allow-simulated] [--namespace NS] [--collateral FILE] [--json]",
     "Verifies receipts without a network, against what `tfaas verify --save` kept. Of several, "
     "two\n"
     "with one number show a copied core, and a gap one that was dropped or is not among them."},
    {NULL, NULL, NULL, NULL},
};
