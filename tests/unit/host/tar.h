/*
 * tar.h - makes tars for tests by hand, so that they can be wrong in every way a tar can be.
 */
#ifndef TFAAS_TEST_TAR_H
#define TFAAS_TEST_TAR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tar {
    uint8_t *data;
    size_t size, capacity;
};

static inline void tar_raw(struct tar *tar, const void *data, size_t size)
{
    size_t padded = (size + 511) / 512 * 512;
    if (tar->size + padded + 1 > tar->capacity) {
        tar->capacity = 2 * tar->capacity + padded + 4096;
        tar->data = realloc(tar->data, tar->capacity);
        if (!tar->data)
            abort();
    }
    memset(tar->data + tar->size, 0, padded);
    if (size)
        memcpy(tar->data + tar->size, data, size);
    tar->size += padded;
}

static inline void tar_checksum(uint8_t block[512])
{
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += block[i];
    (void)snprintf((char *)block + 148, 8, "%06o", sum);
    block[155] = ' ';
}

/* One ustar header with the size it claims; the content is up to the caller. */
static inline void tar_header(struct tar *tar, const char *name, char type, uint64_t claimed,
                              const char *link)
{
    uint8_t block[512] = {0};
    size_t length = strlen(name);
    memcpy(block, name, length < 100 ? length : 100);
    memcpy(block + 100, "0000644", 7);
    memcpy(block + 108, "0000000", 7);
    memcpy(block + 116, "0000000", 7);
    (void)snprintf((char *)block + 124, 12, "%011llo", (unsigned long long)claimed & 077777777777);
    memcpy(block + 136, "00000000000", 11);
    block[156] = (uint8_t)type;
    length = strlen(link);
    memcpy(block + 157, link, length < 100 ? length : 100);
    memcpy(block + 257,
           "ustar\0"
           "00",
           8);
    tar_checksum(block);
    tar_raw(tar, block, 512);
}

static inline void tar_data(struct tar *tar, const char *name, const void *data, size_t size)
{
    if (strlen(name) > 100) { /* GNU long name */
        tar_header(tar, "././@LongLink", 'L', strlen(name) + 1, "");
        memcpy(tar->data + tar->size - 512 + 257, "ustar  ", 8);
        tar_checksum(tar->data + tar->size - 512);
        tar_raw(tar, name, strlen(name) + 1);
    }
    tar_header(tar, name, '0', size, "");
    tar_raw(tar, data, size);
}

static inline void tar_text(struct tar *tar, const char *name, const char *text)
{
    tar_data(tar, name, text, strlen(text));
}

/* A pax record in front of the next entry. */
static inline void tar_pax(struct tar *tar, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, total = rest + 1;
    for (int i = 0; i < 8; i++) { /* the length counts its own digits */
        char digits[24];
        total = rest + (size_t)snprintf(digits, sizeof digits, "%zu", total);
    }
    char *record = malloc(total + 32);
    if (!record)
        abort();
    (void)snprintf(record, total + 32, "%zu %s=%s\n", total, key, value);
    tar_header(tar, "PaxHeaders/x", 'x', total, "");
    tar_raw(tar, record, total);
    free(record);
}

static inline void tar_folder(struct tar *tar, const char *name)
{
    tar_header(tar, name, '5', 0, "");
}

static inline void tar_end(struct tar *tar)
{
    static const uint8_t zeros[1024];
    tar_raw(tar, zeros, sizeof zeros);
}

static inline void tar_free(struct tar *tar)
{
    free(tar->data);
    *tar = (struct tar){NULL, 0, 0};
}

#endif
