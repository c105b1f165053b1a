/* cli_package.h - packages from files and folders, for `tfaas package`. */
#ifndef TFAAS_CLIENT_CLI_PACKAGE_H
#define TFAAS_CLIENT_CLI_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The package at `path`: a file is taken as one and checked, a folder is packed with `entry` (NULL:
 * handler.js, index.js and so on, or function.wasm). *out is malloc'ed. False: told on stderr. */
bool cli_package(const char *path, const char *entry, uint8_t **out, size_t *out_size);

#endif
