/*
 * cage_attack.h - what tests/hostile/cage.c asks the attacker core to try, and what it answers.
 * Both lie in the window's data areas.
 */
#ifndef TFAAS_TESTS_HOSTILE_CAGE_ATTACK_H
#define TFAAS_TESTS_HOSTILE_CAGE_ATTACK_H

#include "tfaas/abi.h"

enum attack {
    ATTACK_NONE,          /* answer only */
    ATTACK_SYSCALL,       /* args[0] is the number, then six arguments */
    ATTACK_SYSCALL_X32,   /* the same through the x32 numbers */
    ATTACK_SYSCALL_INT80, /* the same through the 32-bit entry */
    ATTACK_FAULT,         /* write to address 0 */
    ATTACK_ABORT,
    ATTACK_IMAGE,      /* make an image, map it, write to its copy: must work */
    ATTACK_FILE,       /* without a filter: open text */
    ATTACK_LIST_ROOT,  /* without a filter: entries of "/" */
    ATTACK_CONNECT,    /* without a filter: to 127.0.0.1, port args[0] */
    ATTACK_KILL_ALL,   /* without a filter: kill(-1, SIGKILL) */
    ATTACK_READ_OTHER, /* without a filter: memory of process args[0] at args[1] */
    ATTACK_MOUNT,      /* without a filter: a writable file system over "/" */
    ATTACK_ALLOCATE,   /* args[0] MiB of touched memory */
};

struct attack_command {
    uint32_t attack;
    uint64_t args[7];
    char text[128];
};

struct attack_answer {
    _Atomic uint32_t count; /* answers given */
    int64_t result;         /* >= 0, or -errno */
};

static inline struct attack_command *attack_command(void *window)
{
    return (struct attack_command *)(void *)((uint8_t *)window + TFAAS_H2C_DATA_OFFSET);
}

static inline struct attack_answer *attack_answer(void *window)
{
    return (struct attack_answer *)(void *)((uint8_t *)window + TFAAS_C2H_DATA_OFFSET);
}

#endif
