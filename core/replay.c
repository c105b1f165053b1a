/*
 * replay.c - see replay.h. One open-addressed set per slice of dates; a slice is dropped as a whole
 * when none of its dates can pass any more. Hashing is keyed: clients choose `enc`.
 * Must never drop a slice early, and never answer OK without having stored.
 */
#include "replay.h"

#include "random.h"

#include <sodium.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>

#define SLICE_S    32u
#define SLICES     16u /* 2 windows are 240 s: 9 slices at most are alive */
#define TAG_SIZE   16u /* bytes of enc that are kept */
#define FIRST_SIZE 64u /* places of a slice's first table, a power of two */

_Static_assert(SLICES *SLICE_S > 2 * REPLAY_WINDOW_S + 2 * SLICE_S, "live slices never collide");

struct slice {
    uint64_t number;           /* date / SLICE_S */
    uint8_t (*tags)[TAG_SIZE]; /* malloc'ed; zeros: free */
    uint32_t size, used;
};

struct replay {
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct slice slices[SLICES];
    uint32_t used;
};

struct replay *replay_new(void)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay)
        random_bytes(replay->key, sizeof replay->key);
    return replay;
}

static void drop(struct replay *replay, struct slice *slice)
{
    replay->used -= slice->used;
    free(slice->tags);
    *slice = (struct slice){0};
}

void replay_free(struct replay *replay)
{
    for (unsigned i = 0; replay && i < SLICES; i++)
        drop(replay, &replay->slices[i]);
    free(replay);
}

tfaas_status_t replay_date(uint64_t date_s, uint64_t now_s)
{
    uint64_t distance = date_s > now_s ? date_s - now_s : now_s - date_s;
    return distance <= REPLAY_WINDOW_S ? TFAAS_OK : TFAAS_DATE_REFUSED;
}

/* The last date of a slice must be out of the window before it goes. */
static void drop_old(struct replay *replay, uint64_t now_s)
{
    for (unsigned i = 0; i < SLICES; i++) {
        struct slice *slice = &replay->slices[i];
        uint64_t last = slice->number * SLICE_S + (SLICE_S - 1);
        if (slice->tags && now_s > REPLAY_WINDOW_S && last < now_s - REPLAY_WINDOW_S)
            drop(replay, slice);
    }
}

/* The place of `tag`, or a free one. A table is never full. */
static uint8_t *place_of(const struct replay *replay, const struct slice *slice,
                         const uint8_t tag[TAG_SIZE])
{
    static const uint8_t none[TAG_SIZE];
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t at;
    crypto_shorthash(hash, tag, TAG_SIZE, replay->key);
    memcpy(&at, hash, sizeof at);
    for (;; at++) {
        uint8_t *place = slice->tags[at & (slice->size - 1)];
        if (memcmp(place, tag, TAG_SIZE) == 0 || memcmp(place, none, TAG_SIZE) == 0)
            return place;
    }
}

static bool is_free(const uint8_t *place)
{
    return sodium_is_zero(place, TAG_SIZE);
}

static bool known(const struct replay *replay, const uint8_t tag[TAG_SIZE])
{
    for (unsigned i = 0; i < SLICES; i++)
        if (replay->slices[i].tags && !is_free(place_of(replay, &replay->slices[i], tag)))
            return true;
    return false;
}

/* Room for one more: a table is at most three quarters full. */
static bool grow(const struct replay *replay, struct slice *slice)
{
    if (slice->tags && slice->used + 1 <= slice->size / 4 * 3)
        return true;
    struct slice larger = {.number = slice->number,
                           .size = slice->tags ? slice->size * 2 : FIRST_SIZE,
                           .used = slice->used};
    larger.tags = calloc(larger.size, TAG_SIZE);
    if (!larger.tags)
        return false;
    for (uint32_t i = 0; i < slice->size; i++)
        if (!is_free(slice->tags[i]))
            memcpy(place_of(replay, &larger, slice->tags[i]), slice->tags[i], TAG_SIZE);
    free(slice->tags);
    *slice = larger;
    return true;
}

tfaas_status_t replay_accept(struct replay *replay, const uint8_t enc[REPLAY_ENC_SIZE],
                             uint64_t date_s, uint64_t now_s)
{
    uint8_t tag[TAG_SIZE];
    memcpy(tag, enc, sizeof tag);
    if (is_free(tag)) /* zeros mean a free place: this one shares the place of another value */
        tag[0] = 1;
    if (replay_date(date_s, now_s) != TFAAS_OK)
        return TFAAS_DATE_REFUSED;
    drop_old(replay, now_s);
    if (known(replay, tag))
        return TFAAS_REPLAYED;
    struct slice *slice = &replay->slices[date_s / SLICE_S % SLICES];
    if (!slice->tags)
        slice->number = date_s / SLICE_S;
    if (slice->number != date_s / SLICE_S || replay->used == REPLAY_ENTRIES_MAX ||
        !grow(replay, slice))
        return TFAAS_BUSY;
    memcpy(place_of(replay, slice, tag), tag, TAG_SIZE);
    slice->used++;
    replay->used++;
    return TFAAS_OK;
}
