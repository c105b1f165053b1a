/*
 * cage_core.c - the attacker: the real zygote and worker (all of core/plat/linux), but core_serve
 * does what an escaped function might. Linked a second time without the filters
 * (CAGE_WITHOUT_FILTER), to see that the other walls hold alone.
 */
#include "plat/linux/linux.h"

#include "cage_attack.h"
#include "core.h"
#include "plat/linux/filter.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void random_bytes(uint8_t *to, size_t size)
{
    plat_entropy(to, size);
}

/* What a core in a machine does before it may be copied: this one is none. */
void random_forget(void) {}
void cache_wipe(void) {}
void cache_take(const uint8_t seed[32])
{
    (void)seed;
}

#ifdef CAGE_WITHOUT_FILTER
bool filter_install(enum filter_who who)
{
    (void)who;
    return true;
}

const struct filter_rule *filter_rules(size_t *count)
{
    *count = 0;
    return NULL;
}

bool filter_refuses(const struct filter_rule *rule)
{
    (void)rule;
    return false;
}
#endif

int core_prepare(const char **why)
{
    (void)why;
    return 1;
}

static int64_t result_of(long value)
{
    return value < 0 ? -errno : value;
}

static int64_t through_int80(const uint64_t *args)
{
    int64_t result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "0"(args[0]), "b"(args[1]), "c"(args[2]), "d"(args[3])
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static int64_t try_image(void)
{
    static uint8_t content[3 * PLAT_PAGE];
    memset(content, 0x5a, sizeof(content));
    struct plat_image image;
    uint8_t *at = plat_reserve(sizeof(content));
    if (at == NULL || !plat_image_create(&image, content, sizeof(content), sizeof(content)) ||
        !plat_image_map(&image, at, PLAT_READ)) {
        return -ENOMEM;
    }
    plat_protect(at, sizeof(content), PLAT_READ_WRITE);
    at[0] = 1;
    const bool right = at[1] == 0x5a && image.bytes[0] == 0x5a && image.fd >= 0;
    plat_image_destroy(&image);
    plat_release(at, sizeof(content));
    return right ? 0 : -EIO;
}

static int64_t list_root(void)
{
    DIR *root = opendir("/");
    if (root == NULL) {
        return -errno;
    }
    int64_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(root)) != NULL) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(root);
    return count;
}

static int64_t connect_to(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        return -errno;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int64_t result = result_of(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
    close(fd);
    return result;
}

static int64_t allocate(size_t mib)
{
    for (size_t i = 0; i < mib; i++) {
        uint8_t *piece = malloc(1u << 20);
        if (piece == NULL) {
            return (int64_t)i;
        }
        memset(piece, 1, 1u << 20);
    }
    return (int64_t)mib;
}

static int64_t attack(const struct attack_command *command)
{
    const uint64_t *a = command->args;
    switch (command->attack) {
    case ATTACK_SYSCALL:
    case ATTACK_SYSCALL_X32:
        return result_of(syscall(
            (long)(a[0] | (command->attack == ATTACK_SYSCALL_X32 ? UINT64_C(0x40000000) : 0)), a[1],
            a[2], a[3], a[4], a[5], a[6]));
    case ATTACK_SYSCALL_INT80:
        return through_int80(a);
    case ATTACK_FAULT: {
        volatile int *nowhere = (volatile int *)(uintptr_t)a[1];
        *nowhere = 1;
        return 0;
    }
    case ATTACK_ABORT:
        abort();
    case ATTACK_IMAGE:
        return try_image();
    case ATTACK_FILE:
        return result_of(open(command->text, O_RDONLY | O_CLOEXEC));
    case ATTACK_LIST_ROOT:
        return list_root();
    case ATTACK_CONNECT:
        return connect_to((uint16_t)a[0]);
    case ATTACK_KILL_ALL:
        return result_of(kill(-1, SIGKILL));
    case ATTACK_READ_OTHER: {
        char byte;
        const struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)a[1], 1};
        return result_of(process_vm_readv((pid_t)a[0], &here, 1, &there, 1, 0));
    }
    case ATTACK_MOUNT:
        return result_of(mount("tmpfs", "/", "tmpfs", 0, NULL));
    case ATTACK_ALLOCATE:
        return allocate((size_t)a[0]);
    default:
        return 0;
    }
}

void core_serve(void)
{
    plat_handlers(NULL, NULL);
    struct attack_answer *answer = attack_answer(plat_window());
    for (;;) {
        plat_doorbell_wait(-1);
        answer->result = attack(attack_command(plat_window()));
        atomic_fetch_add(&answer->count, 1);
        plat_doorbell_ring();
    }
}
