/*
 * trace.c - runs tfaasd, or a test's own core, and sees every system call of the cores below it: by
 * phase (start: before the zygote's filter; zygote; launch: a worker before its own filter; worker)
 * and by row of syscalls.def. After every call that can change a page's rights it reads the maps of
 * the process. The daemon itself runs untraced but for its forks.
 *
 *   trace FOLDER COMMAND ARGUMENTS...     writes FOLDER/PID.trace, a line per finding:
 *   trace -w FOLDER COMMAND...            of a test that is its own zygote: who closes a filter is
 * a worker seen PHASE NUMBER COUNT             row INDEX COUNT outside PHASE NUMBER ARGUMENTS wx
 * PHASE LINE-OF-MAPS maps COUNT                          cores COUNT workers COUNT
 */
#include "plat/linux/filter.c" /* for the pins, which nobody else needs to know */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define PROCESSES_MAX 4096u
#define CALLS_MAX     600u
#define FINDINGS_MAX  50u
#define MAPS_EVERY    32u /* calls that map without PROT_EXEC, per look at the maps */

enum phase { HOST, START, IN_ZYGOTE, LAUNCH, IN_WORKER, PHASES };
static const char *const phase_names[PHASES] = {"host", "start", "zygote", "launch", "worker"};

struct process {
    pid_t pid; /* 0: free */
    enum phase phase;
    uint64_t number, args[6]; /* of the call it is in */
};

static struct process processes[PROCESSES_MAX];
static unsigned long seen[PHASES][CALLS_MAX], row_counts[RULES];
static unsigned long maps_read, cores, workers, mapping_calls;
static char findings[FINDINGS_MAX][300];
static unsigned finding_count;
static char output[512];
static pid_t daemon_pid;
static bool without_zygote; /* -w */

void plat_abort(const char *reason)
{
    (void)fprintf(stderr, "trace: %s\n", reason);
    exit(99);
}

static void find(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void find(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (finding_count < FINDINGS_MAX)
        (void)vsnprintf(findings[finding_count++], sizeof findings[0], format, arguments);
    va_end(arguments);
}

static void save(void)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s.new", output);
    FILE *to = fopen(path, "w");
    if (!to)
        plat_abort("its folder cannot be written to");
    for (unsigned phase = START; phase < PHASES; phase++)
        for (unsigned number = 0; number < CALLS_MAX; number++)
            if (seen[phase][number])
                (void)fprintf(to, "seen %s %u %lu\n", phase_names[phase], number,
                              seen[phase][number]);
    for (unsigned i = 0; i < RULES; i++)
        (void)fprintf(to, "row %u %lu\n", i, row_counts[i]);
    for (unsigned i = 0; i < finding_count; i++)
        (void)fprintf(to, "%s\n", findings[i]);
    (void)fprintf(to, "maps %lu\ncores %lu\nworkers %lu\n", maps_read, cores, workers);
    (void)fclose(to);
    (void)rename(path, output);
}

/* --- which process is what --- */

static struct process *process_of(pid_t pid)
{
    for (unsigned i = 0; i < PROCESSES_MAX; i++)
        if (processes[i].pid == pid)
            return &processes[i];
    return NULL;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], line[128];
    int parent = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status) && sscanf(line, "PPid: %d", &parent) != 1) {
    }
    if (status)
        (void)fclose(status);
    return parent;
}

static struct process *process_new(pid_t pid)
{
    struct process *parent = process_of(parent_of(pid)), *process = process_of(0);
    if (!process)
        plat_abort("too many processes");
    *process = (struct process){.pid = pid};
    if (parent && parent->phase != HOST) {
        process->phase = LAUNCH;
        workers++;
    }
    return process;
}

/* Was a core executed? By its arguments: the file may be a copy. */
static bool is_core(pid_t pid)
{
    char path[64], words[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(words, 1, sizeof words - 1, file) : 0;
    if (file)
        (void)fclose(file);
    size_t first = strnlen(words, size);
    return first + 1 < size && strcmp(words + first + 1, "zygote") == 0;
}

/* --- what it does --- */

static void read_maps(const struct process *process)
{
    char path[64], line[400];
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)process->pid);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char rights[8];
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%*s %7s", rights) == 1 && rights[1] == 'w' && rights[2] == 'x')
            find("wx %s %s", phase_names[process->phase], line);
    }
    if (maps) {
        (void)fclose(maps);
        maps_read++;
    }
}

static bool fits(const struct filter_rule *rule, uint64_t number, const uint64_t args[6])
{
    if ((uint64_t)rule->number != number)
        return false;
    for (unsigned i = 0; i < rule->pin->count; i++) {
        const struct check *check = &rule->pin->checks[i];
        const bool equal = ((uint32_t)args[check->argument] & check->mask) == check->value;
        if (equal == check->differs)
            return false;
    }
    return true;
}

static void on_entry(struct process *process, uint64_t number, const uint64_t args[6])
{
    process->number = number;
    memcpy(process->args, args, sizeof process->args);
    if (number < CALLS_MAX)
        seen[process->phase][number]++;
    if (process->phase == HOST || process->phase == START)
        return; /* the latter is compared with start.txt by number */
    for (size_t i = 0; i < RULES; i++) {
        const bool open = process->phase != IN_WORKER || rules[i].who == WORKER;
        if (open && fits(&rules[i], number, args)) {
            row_counts[i]++;
            return;
        }
    }
    find("outside %s %llu %#llx %#llx %#llx %#llx", phase_names[process->phase],
         (unsigned long long)number, (unsigned long long)args[0], (unsigned long long)args[1],
         (unsigned long long)args[2], (unsigned long long)args[3]);
}

static void on_exit_of_call(struct process *process, int64_t result)
{
    const uint64_t number = process->number;
    if (number == SYS_mmap || number == SYS_mprotect || number == SYS_mremap) {
        const bool executable = number != SYS_mremap && (process->args[2] & PROT_EXEC) != 0;
        if (executable && (process->args[2] & PROT_WRITE) != 0)
            find("wx %s call %llu", phase_names[process->phase], (unsigned long long)number);
        if (executable || mapping_calls++ % MAPS_EVERY == 0)
            read_maps(process);
    }
    if (number == SYS_seccomp && result == 0) {
        workers += process->phase == HOST;
        process->phase = process->phase == START ? IN_ZYGOTE : IN_WORKER;
        read_maps(process);
    }
}

static void on_call(struct process *process)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        uint64_t args[6];
        memcpy(args, info.entry.args, sizeof args);
        on_entry(process, info.entry.nr, args);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        on_exit_of_call(process, info.exit.rval);
    }
}

static void on_stop(struct process *process, int status)
{
    const int event = status >> 16;
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
        on_call(process);
        signal = 0;
    } else if (event == PTRACE_EVENT_EXEC) {
        process->phase = HOST;
        if (is_core(process->pid)) {
            process->phase = START;
            cores++;
            read_maps(process);
        }
        signal = 0;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        (void)ptrace(PTRACE_LISTEN, process->pid, NULL, NULL);
        return;
    } else if (event != 0) {
        signal = 0;
    }
    const bool calls = process->phase != HOST || without_zygote;
    (void)ptrace(calls ? PTRACE_SYSCALL : PTRACE_CONT, process->pid, NULL, (void *)(long)signal);
}

static void forward(int number)
{
    (void)kill(daemon_pid, number);
}

static void start_daemon(char **command)
{
    int go[2];
    char byte;
    if (pipe2(go, O_CLOEXEC) != 0 || (daemon_pid = fork()) < 0)
        plat_abort("no process");
    if (daemon_pid == 0) {
        if (read(go[0], &byte, 1) == 1)
            (void)execvp(command[0], command);
        _exit(127);
    }
    if (ptrace(PTRACE_SEIZE, daemon_pid, NULL,
               (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) != 0)
        plat_abort("the daemon cannot be traced");
    processes[0] = (struct process){.pid = daemon_pid};
    const struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGHUP, &action, NULL) != 0 || write(go[1], "", 1) != 1)
        plat_abort("the daemon cannot be started");
}

int main(int argc, char **argv)
{
    without_zygote = argc > 1 && strcmp(argv[1], "-w") == 0;
    argv += without_zygote;
    argc -= without_zygote;
    if (argc < 3)
        plat_abort("usage: trace [-w] FOLDER COMMAND ARGUMENTS...");
    (void)snprintf(output, sizeof output, "%s/%d.trace", argv[1], (int)getpid());
    start_daemon(argv + 2);
    int status, code = 99;
    pid_t pid;
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (pid < 0)
            continue;
        struct process *process = process_of(pid);
        if (!process)
            process = process_new(pid);
        if (WIFSTOPPED(status)) {
            on_stop(process, status);
            continue;
        }
        const bool core = process->phase != HOST;
        process->pid = 0;
        if (pid == daemon_pid)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (core || pid == daemon_pid)
            save();
        if (pid == daemon_pid)
            break;
    }
    return code;
}
