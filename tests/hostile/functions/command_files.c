/* command_files.c - a WASI command: does what the first word of standard input says. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cat(const char *path)
{
    char buffer[8192];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        printf("errno %s", errno == ENOENT        ? "ENOENT"
                           : errno == ENOTCAPABLE ? "ENOTCAPABLE"
                                                  : "other");
        return 0;
    }
    ssize_t size;
    while ((size = read(fd, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)size, stdout);
    close(fd);
    return size < 0;
}

int main(int argc, char **argv)
{
    char line[4096];
    ssize_t size = read(0, line, sizeof line - 1);
    line[size > 0 ? size : 0] = '\0';
    char *word = strchr(line, ' ');
    if (word)
        *word++ = '\0';
    if (strcmp(line, "cat") == 0 && word)
        return cat(word);
    if (strcmp(line, "env") == 0 && word) {
        const char *value = getenv(word);
        printf("%s", value ? value : "unset");
    } else if (strcmp(line, "write") == 0 && word) {
        int fd = open(word, O_WRONLY | O_CREAT, 0600);
        printf(fd < 0 ? "refused" : "opened");
    } else if (strcmp(line, "args") == 0) {
        printf("%s %s", argv[0], argc > 1 ? argv[1] : "");
    } else if (strcmp(line, "exit") == 0 && word) {
        exit(atoi(word));
    }
    return 0;
}
