/*
 * sample.h - the sample function that is built in: it answers to functions/alpine:latest, the image
 * that OpenFaaS conformance tests deploy (env, cat, sha512sum, cat of a secret), as a Wasm command.
 */
#ifndef TFAAS_HOST_SAMPLE_H
#define TFAAS_HOST_SAMPLE_H

#include "../error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_IMAGE "functions/alpine:latest"

/* functions/alpine or functions/alpine:latest, under any registry prefix. */
bool sample_image(const char *image);
/* *package is malloc'ed: deterministic, the same bytes every time. */
tfaas_status_t sample_package(uint8_t **package, size_t *size,
                              struct tfaas_error *error) TFAAS_MUST_USE;

#endif
