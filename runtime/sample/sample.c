/*
 * sample.c - the built-in package behind the image name functions/alpine:latest, as a WASI
 * command: env, cat, sha512sum and echo, as OpenFaaS users and its conformance suite call them
 * through envProcess. Shows what the classic watchdog around those commands shows, nothing more.
 */
#include "sha512.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static uint64_t written; /* to stdout, for the watchdog's log line */

static bool put(int fd, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t done = write(fd, from, size);
        if (done <= 0)
            return false;
        from += done;
        size -= (size_t)done;
        if (fd == STDOUT_FILENO)
            written += (uint64_t)done;
    }
    return true;
}

static bool put_text(int fd, const char *text)
{
    return put(fd, text, strlen(text));
}

static int complain(const char *command, const char *what, const char *why)
{
    char line[512];
    int size = snprintf(line, sizeof(line), "%s: %.300s: %s\n", command, what, why);
    put(STDERR_FILENO, line, size < (int)sizeof(line) ? (size_t)size : sizeof(line) - 1);
    return 1;
}

/* Calls `take` with every piece of the file, or of stdin for "-". 0, or 1 after a complaint. */
static int each_piece(const char *command, const char *path,
                      bool (*take)(void *to, const void *data, size_t size), void *to)
{
    static char piece[16384];
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY);
    if (fd < 0)
        return complain(command, path, strerror(errno));
    int result = 0;
    for (;;) {
        ssize_t size = read(fd, piece, sizeof(piece));
        if (size < 0)
            result = complain(command, path, strerror(errno));
        if (size <= 0)
            break;
        if (!take(to, piece, (size_t)size)) {
            result = complain(command, "write error", strerror(errno));
            break;
        }
    }
    if (!is_stdin)
        close(fd);
    return result;
}

static int run_env(void)
{
    for (char **variable = environ; *variable; variable++)
        if (!put_text(STDOUT_FILENO, *variable) || !put(STDOUT_FILENO, "\n", 1))
            return complain("env", "write error", strerror(errno));
    return 0;
}

static bool take_cat(void *to, const void *data, size_t size)
{
    (void)to;
    return put(STDOUT_FILENO, data, size);
}

static int cat_one(const char *path)
{
    return each_piece("cat", path, take_cat, NULL);
}

static bool take_hash(void *to, const void *data, size_t size)
{
    sha512_add(to, data, size);
    return true;
}

static int sha512sum_one(const char *path)
{
    static const char digits[] = "0123456789abcdef";
    struct sha512 hash;
    uint8_t digest[SHA512_SIZE];
    char hex[2 * SHA512_SIZE];
    sha512_begin(&hash);
    if (each_piece("sha512sum", path, take_hash, &hash) != 0)
        return 1;
    sha512_end(&hash, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    bool ok = put(STDOUT_FILENO, hex, sizeof(hex)) && put(STDOUT_FILENO, "  ", 2) &&
              put_text(STDOUT_FILENO, path) && put(STDOUT_FILENO, "\n", 1);
    return ok ? 0 : complain("sha512sum", "write error", strerror(errno));
}

static int each_file(int count, char **paths, int (*one)(const char *path))
{
    int result = count == 0 ? one("-") : 0;
    for (int i = 0; i < count; i++)
        result |= one(paths[i]);
    return result;
}

static int run_echo(int count, char **words)
{
    for (int i = 0; i < count; i++)
        if ((i > 0 && !put(STDOUT_FILENO, " ", 1)) || !put_text(STDOUT_FILENO, words[i]))
            return complain("echo", "write error", strerror(errno));
    return put(STDOUT_FILENO, "\n", 1) ? 0 : complain("echo", "write error", strerror(errno));
}

static int run(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *command = slash ? slash + 1 : argv[0];
    if (strcmp(command, "env") == 0 && argc == 1)
        return run_env();
    if (strcmp(command, "cat") == 0)
        return each_file(argc - 1, argv + 1, cat_one);
    if (strcmp(command, "sha512sum") == 0)
        return each_file(argc - 1, argv + 1, sha512sum_one);
    if (strcmp(command, "echo") == 0)
        return run_echo(argc - 1, argv + 1);
    complain("tfaas sample", command,
             "no such command; set envProcess to env, cat [FILE], sha512sum [FILE] or echo [TEXT]");
    return 127;
}

/* The two log lines are the classic watchdog's; people (and the conformance suite) look for them.
 */
int main(int argc, char **argv)
{
    char line[64];
    put_text(STDERR_FILENO, "Forking fprocess.\n");
    int code = argc > 0 ? run(argc, argv) : 127;
    int size = snprintf(line, sizeof(line), "Wrote %llu Bytes\n", (unsigned long long)written);
    put(STDERR_FILENO, line, (size_t)size);
    return code;
}
