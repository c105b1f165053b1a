/*
 * cli.h - the tables that the command line `tfaas` is made of. One family of commands per file
 * (cli_NAME.c), which ends in a table; cli.c lists the families.
 */
#ifndef TFAAS_CLIENT_CLI_H
#define TFAAS_CLIENT_CLI_H

#include <stdint.h>
#include <stddef.h>

#define CLI_USAGE 64 /* EX_USAGE; also: a file that cannot be read */

struct cli_command {
    const char *name;                  /* one or two words: "evidence appraise" */
    int (*run)(int argc, char **argv); /* argv[0] is the first argument; returns the exit code */
    const char *usage;                 /* the arguments, one line per form */
    const char *help;                  /* what it does, in sentences: --help; or NULL */
};

/* Families; each table ends with a name of NULL. */
extern const struct cli_command cli_evidence[];
extern const struct cli_command cli_verify[];
extern const struct cli_command cli_call[];
extern const struct cli_command cli_seal[];
extern const struct cli_command cli_receipt[];
extern const struct cli_command cli_bench[];
extern const struct cli_command cli_develop[];

/* What `--name VALUE` and `--name` options a command takes. A missing or unknown one: message on
 * stderr and false. */
struct cli_option {
    const char *name;   /* "--at" */
    const char **value; /* gets the word behind it; NULL for a flag */
    int *flag;          /* set to 1 where value is NULL */
};
int cli_options(int argc, char **argv, const struct cli_option *options, size_t count);
/* The same, with words that are no options: up to `max` of them, in order, into `words`;
 * *word_count of them. `repeated`, or NULL: an option that may come again, its values go to
 * `values`. "--" ends the options. */
struct cli_repeated {
    const char *name;
    const char **values;
    size_t max, count;
};
int cli_words(int argc, char **argv, const struct cli_option *options, size_t count,
              struct cli_repeated *repeated, const char **words, size_t max, size_t *word_count);

/* The whole file, malloc'ed; NULL with a message on stderr when it cannot be read or is larger than
 * `max`. An empty file is a valid pointer with size 0. */
uint8_t *cli_read_file(const char *path, size_t max, size_t *size);
/* The same of stdin: for what must not stand on a command line. */
uint8_t *cli_read_stdin(size_t max, size_t *size);
/* Decimal seconds since 1970. */
int cli_unix_time(const char *text, int64_t *unix_time);

#endif
