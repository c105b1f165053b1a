/*
 * core.h - entry points of the core that plat/ calls.
 */
#ifndef TFAAS_CORE_H
#define TFAAS_CORE_H

/* Zygote: makes the engine and the runtimes ready (no tenant data, no entropy kept). Returns false
 * with *why when it cannot. Called once, before any fork. */
int core_prepare(const char **why);
/* Worker: serves plat_window() until STOP or a fault. Never returns. */
void core_serve(void) __attribute__((noreturn));

#endif
