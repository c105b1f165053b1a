/*
 * main.c - the ELF's entry: started by the process tender as a zygote, or asked for its version and
 * its system calls. Must never serve a window outside the cage.
 */
#include "linux.h"

#include "tfaas/version.h"
#include "filter.h"
#include "zygote.h"
#include "plat/shim/guest.h"

#include <stdio.h>
#include <string.h>

static int print_syscalls(void)
{
    size_t count;
    const struct filter_rule *rules = filter_rules(&count);
    for (size_t i = 0; i < count; i++) {
        printf("%-14s %-7s %s%s\n", rules[i].name, rules[i].who == WORKER ? "worker" : "zygote",
               filter_refuses(&rules[i]) ? "(refused) " : "", rules[i].reason);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "zygote") == 0) {
        zygote_main(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "vm") == 0) {
        guest_main();
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("tfaas-core " TFAAS_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--syscalls") == 0) {
        return print_syscalls();
    }
    fputs("tfaas-core is started by tfaasd.\n"
          "usage: tfaas-core --version    print the version\n"
          "       tfaas-core --syscalls   print the system calls it may make, with the reasons\n",
          stderr);
    return 64;
}
