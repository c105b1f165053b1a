/*
 * cli_develop.c - `tfaas new` writes a function's folder out of the templates in this program,
 * `tfaas build` makes function.wasm with the language's own tools. It fetches nothing and installs
 * nothing.
 */
#define _GNU_SOURCE
#include "cli.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_SIZE_MAX 63u  /* of a function, as in a DNS label */
#define SOURCES_MAX   256u /* as the daemon's */
#define DEPTH_MAX     16u
#define ARGUMENTS_MAX (SOURCES_MAX + 32u)

struct cli_template_file { /* cli_templates.S */
    const char *path;      /* in template/ */
    const uint8_t *data, *end;
};
extern const struct cli_template_file cli_template_files[];

static int failed(const char *path)
{
    fprintf(stderr, "tfaas: %s: %s\n", path, strerror(errno));
    return 1;
}

/* --- new --- */

static bool name_good(const char *name)
{
    size_t size = strlen(name);
    if (size > 0 && size <= NAME_SIZE_MAX && name[0] != '-' && name[size - 1] != '-' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size)
        return true;
    fprintf(stderr,
            "tfaas: not a function's name (a-z, 0-9 and - inside, at most %u characters): %.80s\n",
            NAME_SIZE_MAX, name);
    return false;
}

static bool language_known(const char *language)
{
    for (const struct cli_template_file *file = cli_template_files; file->path; file++) {
        size_t size = strcspn(file->path, "/");
        if (strncmp(file->path, "tfaas-", 6) == 0 && strlen(language) + 6 == size &&
            strncmp(file->path + 6, language, size - 6) == 0)
            return true;
    }
    fprintf(stderr, "tfaas: unknown language: %.80s (js, python, c, rust or go)\n", language);
    return false;
}

/* The folders that `path` goes through. */
static int make_folders(const char *path)
{
    char part[512];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        int size = snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (size < 0 || (size_t)size >= sizeof(part) || (mkdir(part, 0777) != 0 && errno != EEXIST))
            return failed(path);
    }
    return 0;
}

/* A new file; what is there already stays as it is when `keep`. */
static int put_file(const char *path, const void *data, size_t size, bool keep)
{
    if (make_folders(path) != 0)
        return 1;
    const char *dot = strrchr(path, '.');
    bool script = dot && strcmp(dot, ".sh") == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, script ? 0777 : 0666);
    if (fd < 0)
        return keep && errno == EEXIST ? 0 : failed(path);
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        close(fd);
        return failed(path);
    }
    bool good = fwrite(data, 1, size, file) == size;
    return fclose(file) == 0 && good ? 0 : failed(path);
}

static int put_template(const char *language, const char *name)
{
    int code = 0;
    char prefix[96], path[512];
    size_t size = (size_t)snprintf(prefix, sizeof(prefix), "tfaas-%s/", language);
    for (const struct cli_template_file *file = cli_template_files; file->path && !code; file++) {
        static const char function[] = "function/";
        size_t bytes = (size_t)(file->end - file->data);
        if (strncmp(file->path, prefix, size) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "template/%s", file->path);
        code = put_file(path, file->data, bytes, true);
        if (code || strncmp(file->path + size, function, sizeof(function) - 1) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", name, file->path + size + sizeof(function) - 1);
        code = put_file(path, file->data, bytes, false);
    }
    return code;
}

/* stack.yaml, which faas-cli looks for; one that is there is the user's. */
static int put_stack(const char *language, const char *name)
{
    char entry[512], text[768];
    (void)snprintf(entry, sizeof(entry),
                   "  %s:\n    lang: tfaas-%s\n    handler: ./%s\n    image: %s:latest\n", name,
                   language, name, name);
    if (access("stack.yaml", F_OK) == 0 || access("stack.yml", F_OK) == 0) {
        printf("There is a stack file already. Add to its functions:\n%s", entry);
        return 0;
    }
    int size = snprintf(text, sizeof(text),
                        "version: 1.0\nprovider:\n  name: openfaas\n"
                        "  gateway: http://127.0.0.1:8080\nfunctions:\n%s",
                        entry);
    return put_file("stack.yaml", text, (size_t)size, false);
}

static int new_function(int argc, char **argv)
{
    const char *words[2];
    size_t count;
    if (!cli_words(argc, argv, NULL, 0, NULL, words, 2, &count))
        return CLI_USAGE;
    if (count != 2) {
        fprintf(stderr, "tfaas: new takes a LANGUAGE and a NAME\n");
        return CLI_USAGE;
    }
    if (!language_known(words[0]) || !name_good(words[1]))
        return CLI_USAGE;
    if (mkdir(words[1], 0777) != 0)
        return failed(words[1]);
    int code = put_template(words[0], words[1]);
    if (code == 0)
        code = put_stack(words[0], words[1]);
    if (code == 0)
        printf("%s: a function in %s\n", words[1], words[0]);
    return code;
}

/* --- build --- */

struct command {
    char *arguments[ARGUMENTS_MAX + 1];
    size_t count, sources;
    bool reactor;
};

static bool add(struct command *c, const char *text)
{
    char *copy = c->count < ARGUMENTS_MAX ? strdup(text) : NULL;
    if (!copy)
        fprintf(stderr, "tfaas: too many arguments for the compiler, or no memory\n");
    else
        c->arguments[c->count++] = copy;
    return copy != NULL;
}

static bool add_all(struct command *c, const char *const *words)
{
    bool good = true;
    for (; good && *words; words++)
        good = add(c, *words);
    return good;
}

static void command_free(struct command *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->arguments[i]);
    free(c);
}

static bool add_source(struct command *c, const char *path)
{
    size_t size = 0;
    uint8_t *data = cli_read_file(path, 64u << 20, &size);
    if (data && memmem(data, size, "tfaas_handle", strlen("tfaas_handle")))
        c->reactor = true;
    free(data);
    if (data && ++c->sources > SOURCES_MAX)
        fprintf(stderr, "tfaas: more than %u C files\n", SOURCES_MAX);
    return data && c->sources <= SOURCES_MAX && add(c, path);
}

/* Every C file, as the daemon takes them; links are not followed. */
static bool add_sources(struct command *c, const char *folder, unsigned depth)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    bool good = count >= 0 || failed(folder) == 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t size = strlen(name);
        char path[4096];
        struct stat st;
        int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (good && name[0] != '.') {
            if (length < 0 || (size_t)length >= sizeof(path) || lstat(path, &st) != 0)
                good = failed(name) == 0;
            else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
                good = add_sources(c, path, depth + 1);
            else if (S_ISREG(st.st_mode) && size > 2 && strcmp(name + size - 2, ".c") == 0)
                good = add_source(c, path);
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}

static int not_started(const char *program, const char *install)
{
    fprintf(stderr, "tfaas: %s cannot be started (%s): %s\n", program, strerror(errno), install);
    return 1;
}

/* Runs it with our stdout and stderr: its exit code is told. */
static int run_tool(struct command *c, const char *install)
{
    int how = 0, problem[2];
    c->arguments[c->count] = NULL;
    if (pipe2(problem, O_CLOEXEC) != 0)
        return failed("pipe");
    pid_t child = fork();
    if (child == 0) {
        execvp(c->arguments[0], c->arguments);
        int why = errno;
        if (write(problem[1], &why, sizeof(why)) < 0)
            _exit(126);
        _exit(127);
    }
    close(problem[1]);
    int why = 0;
    bool missing = child > 0 && read(problem[0], &why, sizeof(why)) == sizeof(why);
    close(problem[0]);
    if (child < 0)
        return failed("fork");
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR)
            return failed("waitpid");
    errno = why;
    if (missing)
        return not_started(c->arguments[0], install);
    if (WIFSIGNALED(how))
        fprintf(stderr, "tfaas: %s ended by signal %d\n", c->arguments[0], WTERMSIG(how));
    else if (WEXITSTATUS(how) != 0)
        fprintf(stderr, "tfaas: %s failed, exit code %d\n", c->arguments[0], WEXITSTATUS(how));
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? 0 : 1;
}

/* The flags of host/daemon/build_c.c. */
static int build_c(struct command *c)
{
    static const char *const common[] = {
        "clang", "--target=wasm32-wasi",    "-std=gnu11",        "-O2", "-Wall",
        "-I.",   "-Wl,-z,stack-size=65536", "-Wl,--strip-debug", "-o",  "function.wasm",
        NULL};
    static const char *const reactor[] = {"-mexec-model=reactor", "-Wl,--export=tfaas_handle",
                                          "-Wl,--export-if-defined=tfaas_load", NULL};
    if (!add_all(c, common) || !add_sources(c, ".", 0) || (c->reactor && !add_all(c, reactor)))
        return 1;
    return run_tool(c, "apt install clang lld wasi-libc libclang-rt-14-dev-wasm32");
}

static int build_go(struct command *c)
{
    static const char *const words[] = {"go", "build",         "-trimpath", "-ldflags=-s -w",
                                        "-o", "function.wasm", ".",         NULL};
    if (setenv("GOOS", "wasip1", 1) != 0 || setenv("GOARCH", "wasm", 1) != 0 || !add_all(c, words))
        return 1;
    return run_tool(c, "install Go 1.21 or newer from go.dev");
}

static int copy_module(const char *from)
{
    size_t size = 0;
    uint8_t *data = cli_read_file(from, 256u << 20, &size);
    if (!data)
        return 1;
    (void)unlink("function.wasm.new"); /* of a build that was killed */
    int code = put_file("function.wasm.new", data, size, false);
    free(data);
    if (code == 0 && rename("function.wasm.new", "function.wasm") != 0)
        code = failed("function.wasm");
    return code;
}

static void remove_tree(const char *folder)
{
    struct command *c = calloc(1, sizeof(*c));
    const char *const words[] = {"rm", "-rf", "--", folder, NULL};
    if (c && add_all(c, words))
        (void)run_tool(c, "is there no coreutils?");
    if (c)
        command_free(c);
}

/* cargo's folder stands elsewhere: faas-cli sends all that lies in the function's. */
static int build_rust(struct command *c)
{
    static const char *const words[] = {"cargo",         "rustc",        "--release",
                                        "--bin",         "function",     "--target",
                                        "wasm32-wasip1", "--target-dir", NULL};
    const char *base = getenv("TMPDIR");
    char folder[1024], path[1200];
    int size = snprintf(folder, sizeof(folder), "%s/tfaas-cargo-XXXXXX", base ? base : "/tmp");
    if (size < 0 || (size_t)size >= sizeof(folder) || !mkdtemp(folder))
        return failed(folder);
    (void)snprintf(path, sizeof(path), "%s/wasm32-wasip1/release/function.wasm", folder);
    int code = add_all(c, words) && add(c, folder) ? run_tool(c, "install Rust with rustup") : 1;
    if (code != 0)
        fprintf(stderr, "tfaas: if the target is missing: rustup target add wasm32-wasip1\n");
    else
        code = copy_module(path);
    remove_tree(folder);
    return code;
}

static int build_language(struct command *c)
{
    if (access("Cargo.toml", F_OK) == 0)
        return build_rust(c);
    if (access("go.mod", F_OK) == 0)
        return build_go(c);
    if (access("handler.js", F_OK) == 0 || access("package.json", F_OK) == 0) {
        printf("JavaScript needs no build\n");
        return 0;
    }
    if (access("handler.py", F_OK) == 0) {
        printf("Python needs no build (packages of requirements.txt: ./vendor.sh)\n");
        return 0;
    }
    return build_c(c);
}

static bool has_sources(void)
{
    static const char *const marks[] = {"Cargo.toml", "go.mod", "handler.js", "package.json",
                                        "handler.py"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (access(marks[i], F_OK) == 0)
            return true;
    struct command *c = calloc(1, sizeof(*c));
    bool good = c && add_sources(c, ".", 0) && c->sources > 0;
    if (c)
        command_free(c);
    return good;
}

static int build(int argc, char **argv)
{
    const char *words[1] = {"."};
    size_t count;
    if (!cli_words(argc, argv, NULL, 0, NULL, words, 1, &count))
        return CLI_USAGE;
    if (chdir(words[0]) != 0) {
        fprintf(stderr, "tfaas: %s: %s\n", words[0], strerror(errno));
        return CLI_USAGE;
    }
    if (!has_sources()) {
        fprintf(stderr,
                "tfaas: %s: no function here: neither Cargo.toml, go.mod, handler.js, "
                "package.json, handler.py nor a C file\n",
                words[0]);
        return CLI_USAGE;
    }
    struct command *c = calloc(1, sizeof(*c));
    int code = c ? build_language(c) : failed("memory");
    if (c)
        command_free(c);
    return code;
}

const struct cli_command cli_develop[] = {
    {"new", new_function, "js|python|c|rust|go NAME",
     "Makes the folder NAME with a function in that language, and what faas-cli needs beside it:\n"
     "template/ and stack.yaml. Exit: 0, 1 (the folder is there, the disk), 64."},
    {"build", build, "[FOLDER]",
     "Makes function.wasm in the folder with clang, cargo or go, whichever its files ask for.\n"
     "JavaScript and Python need none. faas-cli up takes function.wasm as it is: build after every "
     "change.\n"
     "Exit: 0, 1 (the compiler's messages stand above), 64."},
    {NULL, NULL, NULL, NULL},
};
