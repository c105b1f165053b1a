/*
 * filter.c - turns syscalls.def into seccomp programs. Must never let through a call that has no
 * row, nor a call of another architecture; the default is to kill the process.
 */
#include "linux.h"

#include "control.h"
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* (argument & mask) == value, or != when `differs`. Only the low half of an argument is compared:
 * every pinned argument is an int to the kernel. */
struct check {
    unsigned argument;
    uint32_t mask, value;
    bool differs;
};

#define CHECKS_MAX 3
struct filter_pin {
    bool refuse;
    unsigned count;
    struct check checks[CHECKS_MAX];
};

#define ALL UINT32_MAX
#define IS(argument, value)                                                                        \
    {                                                                                              \
        argument, ALL, (uint32_t)(value), false                                                    \
    }
#define MASKED(argument, mask, value)                                                              \
    {                                                                                              \
        argument, (uint32_t)(mask), (uint32_t)(value), false                                       \
    }
#define NOT(argument, mask, value)                                                                 \
    {                                                                                              \
        argument, (uint32_t)(mask), (uint32_t)(value), true                                        \
    }

static const struct filter_pin pin_ANY = {0};
static const struct filter_pin pin_REFUSE = {.refuse = true};
static const struct filter_pin pin_FD_IS_BELL = {.count = 1, .checks = {IS(0, WORKER_BELL_FD)}};
static const struct filter_pin pin_FD_IS_RING = {.count = 1, .checks = {IS(0, WORKER_RING_FD)}};
static const struct filter_pin pin_FD_IS_CONTROL = {.count = 1, .checks = {IS(0, CONTROL_FD)}};
static const struct filter_pin pin_TIMER_REAL = {.count = 1, .checks = {IS(0, ITIMER_REAL)}};
static const struct filter_pin pin_NOT_WRITE_EXEC = {
    .count = 1, .checks = {NOT(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC)}};
static const struct filter_pin pin_PRIVATE_NO_EXEC = {
    .count = 2, .checks = {MASKED(2, PROT_EXEC, 0), MASKED(3, MAP_TYPE, MAP_PRIVATE)}};
static const struct filter_pin pin_SHARED_NO_EXEC = {
    .count = 2, .checks = {MASKED(2, PROT_EXEC, 0), IS(3, MAP_SHARED)}};
static const struct filter_pin pin_MAY_MOVE = {.count = 1, .checks = {IS(3, MREMAP_MAYMOVE)}};
static const struct filter_pin pin_SEALABLE = {.count = 1,
                                               .checks = {IS(1, MFD_CLOEXEC | MFD_ALLOW_SEALING)}};
static const struct filter_pin pin_ADD_SEALS = {.count = 1, .checks = {IS(1, F_ADD_SEALS)}};
static const struct filter_pin pin_DUPLICATE = {.count = 1, .checks = {IS(1, F_DUPFD_CLOEXEC)}};
static const struct filter_pin pin_FLAGS_ZERO = {.count = 1, .checks = {IS(2, 0)}};
static const struct filter_pin pin_DIE_WITH_PARENT = {
    .count = 2, .checks = {IS(0, PR_SET_PDEATHSIG), IS(1, SIGKILL)}};
static const struct filter_pin pin_SET_FS = {.count = 1, .checks = {IS(0, 0x1002)}};
/* One bit more or less in the flags is another call. CLONE_VM, threads and new user namespaces are
 * out. The weak form is for hosts without namespaces (the tender has said so). */
#define FORK_DIFFERS (WORKER_CLONE_FLAGS_FULL & ~WORKER_CLONE_FLAGS_WEAK)
static const struct filter_pin pin_FORK_WORKER = {
    .count = 1, .checks = {MASKED(0, ~(uint32_t)FORK_DIFFERS, WORKER_CLONE_FLAGS_WEAK)}};

#define SYSCALL(name, who, pin, reason) {SYS_##name, who, &pin_##pin, #name, reason},
static const struct filter_rule rules[] = {
#include "syscalls.def"
};
#undef SYSCALL
#define RULES (sizeof(rules) / sizeof(rules[0]))

const struct filter_rule *filter_rules(size_t *count)
{
    *count = RULES;
    return rules;
}

bool filter_refuses(const struct filter_rule *rule)
{
    return rule->pin->refuse;
}

struct builder {
    struct sock_filter *program;
    size_t size;
};

static void emit(struct builder *to, uint16_t code, uint32_t k, size_t jump_true, size_t jump_false)
{
    if (to->size >= FILTER_MAX || jump_true > UINT8_MAX || jump_false > UINT8_MAX) {
        plat_abort("syscalls.def makes a filter that is too long");
    }
    to->program[to->size++] =
        (struct sock_filter){code, (uint8_t)jump_true, (uint8_t)jump_false, k};
}

static void emit_load(struct builder *to, size_t offset)
{
    emit(to, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static size_t check_size(const struct check *check)
{
    return check->mask == ALL ? 2 : 3;
}

/* nr differs: skip the rule. A check fails: the same. All fit: return. */
static void emit_rule(struct builder *to, const struct filter_rule *rule)
{
    const struct filter_pin *pin = rule->pin;
    size_t left = 1 + (pin->count > 0); /* RET, and the reload of nr behind it */
    for (unsigned i = 0; i < pin->count; i++) {
        left += check_size(&pin->checks[i]);
    }
    emit(to, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, left);
    for (unsigned i = 0; i < pin->count; i++) {
        const struct check *check = &pin->checks[i];
        left -= check_size(check);
        emit_load(to, offsetof(struct seccomp_data, args) + 8 * check->argument);
        if (check->mask != ALL) {
            emit(to, BPF_ALU | BPF_AND | BPF_K, check->mask, 0, 0);
        }
        const size_t fail = left - 1; /* to the reload of nr */
        emit(to, BPF_JMP | BPF_JEQ | BPF_K, check->value, check->differs ? fail : 0,
             check->differs ? 0 : fail);
    }
    emit(to, BPF_RET | BPF_K, pin->refuse ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_ALLOW, 0, 0);
    if (pin->count > 0) {
        emit_load(to, offsetof(struct seccomp_data, nr));
    }
}

size_t filter_build(enum filter_who who, struct sock_filter program[FILTER_MAX])
{
    struct builder to = {program, 0};
    emit_load(&to, offsetof(struct seccomp_data, arch));
    emit(&to, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit(&to, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    emit_load(&to, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < RULES; i++) {
        if (who == ZYGOTE || rules[i].who == who) {
            emit_rule(&to, &rules[i]);
        }
    }
    emit(&to, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    return to.size;
}

bool filter_install(enum filter_who who)
{
    struct sock_filter program[FILTER_MAX];
    const struct sock_fprog compiled = {(unsigned short)filter_build(who, program), program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &compiled) == 0;
}
