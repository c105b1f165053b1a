/*
 * core_state.h - included in front of every file of the core in hostile_host.c's build: the core's
 * variables go into sections of their own and its memory through counted calls, so that a whole
 * core can be put back to how it was before the input.
 */
#ifndef TFAAS_TESTS_FUZZ_CORE_STATE_H
#define TFAAS_TESTS_FUZZ_CORE_STATE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *core_malloc(size_t size);
void *core_calloc(size_t count, size_t size);
void *core_realloc(void *at, size_t size);
void core_free(void *at);
char *core_strdup(const char *text);

#define malloc  core_malloc
#define calloc  core_calloc
#define realloc core_realloc
#define free    core_free
#undef strdup
#define strdup core_strdup

#pragma clang section bss = "core_bss" data = "core_data"

#endif
