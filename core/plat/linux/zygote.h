/*
 * zygote.h - the process that has everything ready and forks workers on command.
 */
#ifndef TFAAS_CORE_PLAT_LINUX_ZYGOTE_H
#define TFAAS_CORE_PLAT_LINUX_ZYGOTE_H

/* `measurement`: of the running file, in hex (control.h). Prepares the core, closes its own cage,
 * says READY on CONTROL_FD and serves commands until the other end is closed. Also returns (never)
 * in each worker, as core_serve. */
void zygote_main(const char *measurement) __attribute__((noreturn));

#endif
