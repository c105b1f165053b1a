/* cli.c - the command line `tfaas`: finds the command in the families' tables and runs it. */
#include "cli.h"
#include "tfaas/version.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command *const families[] = {
    cli_evidence,
};

#define FAMILY_COUNT (sizeof families / sizeof families[0])

int cli_options(int argc, char **argv, const struct cli_option *options, size_t count)
{
    for (int i = 0; i < argc; i++) {
        size_t k = 0;
        while (k < count && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == count) {
            fprintf(stderr, "tfaas: unknown argument: %s\n", argv[i]);
            return 0;
        }
        if (!options[k].value) {
            *options[k].flag = 1;
        } else if (i + 1 == argc || *options[k].value) {
            fprintf(stderr, "tfaas: %s %s\n", argv[i],
                    *options[k].value ? "given twice" : "needs a value");
            return 0;
        } else {
            *options[k].value = argv[++i];
        }
    }
    return 1;
}

uint8_t *cli_read_file(const char *path, size_t max, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = file ? malloc(max + 1) : NULL;
    *size = data ? fread(data, 1, max + 1, file) : 0;
    const char *problem = NULL;
    if (!data || ferror(file))
        problem = strerror(errno);
    else if (*size > max)
        problem = "too large";
    if (file)
        fclose(file);
    if (!problem)
        return data;
    fprintf(stderr, "tfaas: %s: %s\n", path, problem);
    free(data);
    return NULL;
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
            if (words > 0)
                return c->run(argc - 1 - words, argv + 1 + words);
        }
    }
    usage(stderr);
    return CLI_USAGE;
}
