/* cli.c - the command line `tfaas`: finds the command in the families' tables and runs it. */
#define _GNU_SOURCE
#include "cli.h"
#include "tfaas/version.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command *const families[] = {
    cli_verify, cli_call, cli_receipt, cli_seal, cli_bench, cli_evidence, cli_develop,
};

#define FAMILY_COUNT (sizeof families / sizeof families[0])

/* One option with its value; how many words it took, 0: message on stderr. */
static int take_option(int argc, char **argv, const struct cli_option *options, size_t count,
                       struct cli_repeated *repeated)
{
    size_t k = 0;
    while (k < count && strcmp(argv[0], options[k].name) != 0)
        k++;
    bool again = k == count && repeated && strcmp(argv[0], repeated->name) == 0;
    if (k == count && !again) {
        fprintf(stderr, "tfaas: unknown argument: %s\n", argv[0]);
        return 0;
    }
    if (!again && !options[k].value) {
        *options[k].flag = 1;
        return 1;
    }
    if (argc < 2 || (again ? repeated->count == repeated->max : *options[k].value != NULL)) {
        fprintf(stderr, "tfaas: %s %s\n", argv[0], argc < 2 ? "needs a value" : "given too often");
        return 0;
    }
    *(again ? &repeated->values[repeated->count++] : options[k].value) = argv[1];
    return 2;
}

int cli_words(int argc, char **argv, const struct cli_option *options, size_t count,
              struct cli_repeated *repeated, const char **words, size_t max, size_t *word_count)
{
    bool only_words = false;
    *word_count = 0;
    for (int i = 0; i < argc;) {
        bool option = !only_words && argv[i][0] == '-' && argv[i][1] != 0;
        if (option && strcmp(argv[i], "--") == 0) {
            only_words = true;
            i++;
        } else if (option) {
            int taken = take_option(argc - i, argv + i, options, count, repeated);
            if (!taken)
                return 0;
            i += taken;
        } else if (*word_count == max) {
            fprintf(stderr, "tfaas: unknown argument: %s\n", argv[i]);
            return 0;
        } else {
            words[(*word_count)++] = argv[i++];
        }
    }
    return 1;
}

int cli_options(int argc, char **argv, const struct cli_option *options, size_t count)
{
    size_t words;
    return cli_words(argc, argv, options, count, NULL, NULL, 0, &words);
}

static uint8_t *read_all(FILE *file, const char *name, size_t max, size_t *size)
{
    uint8_t *data = NULL;
    size_t capacity = 0;
    const char *problem = file ? NULL : strerror(errno);
    *size = 0;
    while (file && !problem && !feof(file)) {
        if (*size == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            uint8_t *bigger = realloc(data, capacity);
            if (!bigger) {
                problem = "out of memory";
                break;
            }
            data = bigger;
        }
        *size += fread(data + *size, 1, capacity - *size, file);
        if (ferror(file))
            problem = strerror(errno);
        else if (*size > max)
            problem = "too large";
    }
    if (!problem)
        return data;
    fprintf(stderr, "tfaas: %s: %s\n", name, problem);
    free(data);
    return NULL;
}

uint8_t *cli_read_file(const char *path, size_t max, size_t *size)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = read_all(file, path, max, size);
    if (file)
        fclose(file);
    return data;
}

uint8_t *cli_read_stdin(size_t max, size_t *size)
{
    return read_all(stdin, "stdin", max, size);
}

int cli_unix_time(const char *text, int64_t *unix_time)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || text[0] < '0' || text[0] > '9') {
        fprintf(stderr, "tfaas: not a time in seconds: %s\n", text);
        return 0;
    }
    *unix_time = value;
    return 1;
}

static void usage(FILE *to)
{
    fprintf(to, "usage:\n");
    for (size_t f = 0; f < FAMILY_COUNT; f++)
        for (const struct cli_command *c = families[f]; c->name; c++)
            fprintf(to, "  tfaas %s %s\n", c->name, c->usage);
    fprintf(to, "  tfaas --version\n");
}

/* How many words of argv name this command; 0: it is another. */
static int named(const struct cli_command *command, int argc, char **argv)
{
    const char *name = command->name;
    for (int words = 0; words < argc; words++) {
        size_t size = strlen(argv[words]);
        if (strncmp(name, argv[words], size) != 0 || (name[size] != ' ' && name[size] != 0))
            return 0;
        if (name[size] == 0)
            return words + 1;
        name += size + 1;
    }
    return 0;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static int show_help(const struct cli_command *command)
{
    printf("usage: tfaas %s %s\n", command->name, command->usage);
    if (command->help)
        printf("\n%s\n", command->help);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("tfaas %s\n", TFAAS_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        usage(stdout);
        return 0;
    }
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        for (const struct cli_command *c = families[f]; c->name; c++) {
            int words = named(c, argc - 1, argv + 1);
            if (words > 0 && asks_help(argc - 1 - words, argv + 1 + words))
                return show_help(c);
            if (words > 0)
                return c->run(argc - 1 - words, argv + 1 + words);
        }
    }
    usage(stderr);
    return CLI_USAGE;
}
