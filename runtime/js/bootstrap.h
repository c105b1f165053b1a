/*
 * bootstrap.h - the scripts of bootstrap/, as build.mk embeds them. Each evaluates to a function
 * (native, internals) that tfaas_init calls in order.
 */
#ifndef TFAAS_JS_BOOTSTRAP_H
#define TFAAS_JS_BOOTSTRAP_H

#include <stddef.h>

struct bootstrap_script {
    const char *name; /* begins with "tfaas:": such frames are left out of error reports */
    char *text;       /* NUL-terminated; tfaas_init clears it once it is compiled */
    size_t size;
};

extern const struct bootstrap_script bootstrap_scripts[];
extern const size_t bootstrap_count;

#endif
