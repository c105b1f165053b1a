/*
 * sessions.c - see sessions.h. A table whose places are handed out in order, so that it takes no
 * more memory than sessions were used; chains by hash of the id, which the core draws itself.
 */
#include "sessions.h"

#include "random.h"

#include <sodium.h>
#include <string.h>

#define NONE    0u /* places count from 1 */
#define BUCKETS 8192u

static struct core_session table[SESSIONS_MAX + 1];
static uint32_t buckets[BUCKETS];
static uint32_t handed_out; /* places ever used */
static uint32_t free_first; /* wiped ones, by `chain` */
static uint32_t newest, oldest;

/* Bytes 1 to 3 are random; byte 0 is the key's id. */
static uint32_t *bucket_of(const uint8_t id[SESSION_ID_SIZE])
{
    return &buckets[((uint32_t)id[1] | (uint32_t)id[2] << 8) % BUCKETS];
}

static void unlink_use(uint32_t place)
{
    struct core_session *s = &table[place];
    *(s->newer ? &table[s->newer].older : &newest) = s->older;
    *(s->older ? &table[s->older].newer : &oldest) = s->newer;
}

static void link_newest(uint32_t place)
{
    table[place].newer = NONE;
    table[place].older = newest;
    *(newest ? &table[newest].newer : &oldest) = place;
    newest = place;
}

static void wipe(uint32_t place)
{
    uint32_t *at = bucket_of(table[place].id);
    while (*at != place)
        at = &table[*at].chain;
    *at = table[place].chain;
    unlink_use(place);
    sodium_memzero(&table[place], sizeof table[place]);
    table[place].chain = free_first;
    free_first = place;
}

static uint32_t take_place(void)
{
    if (!free_first && handed_out < SESSIONS_MAX)
        return ++handed_out;
    if (!free_first)
        wipe(oldest);
    uint32_t place = free_first;
    free_first = table[place].chain;
    return place;
}

static uint32_t place_of(const uint8_t id[SESSION_ID_SIZE])
{
    uint32_t place = *bucket_of(id);
    while (place && sodium_memcmp(table[place].id, id, SESSION_ID_SIZE) != 0)
        place = table[place].chain;
    return place;
}

struct core_session *sessions_new(const struct request_key *key, uint16_t aead)
{
    uint32_t place = take_place();
    struct core_session *s = &table[place];
    *s = (struct core_session){.aead = aead};
    memcpy(s->key, key->public_key, sizeof s->key);
    s->id[0] = key->id;
    do
        random_bytes(s->id + 1, sizeof s->id - 1);
    while (place_of(s->id));
    uint32_t *bucket = bucket_of(s->id);
    s->chain = *bucket;
    *bucket = place;
    link_newest(place);
    return s;
}

struct core_session *sessions_find(const uint8_t id[SESSION_ID_SIZE])
{
    bool any;
    uint32_t place = place_of(id);
    if (!place)
        return NULL;
    const struct request_key *key = identity_key(id[0], &any);
    if (!key || memcmp(key->public_key, table[place].key, sizeof key->public_key) != 0) {
        /* The look above may have ended the key, and wiped this place with it. */
        if ((place = place_of(id)) != NONE)
            wipe(place);
        return NULL;
    }
    if (place != newest) {
        unlink_use(place);
        link_newest(place);
    }
    return &table[place];
}

void sessions_end_key(const uint8_t public_key[32])
{
    for (uint32_t place = oldest; place;) {
        uint32_t next = table[place].newer;
        if (memcmp(table[place].key, public_key, sizeof table[place].key) == 0)
            wipe(place);
        place = next;
    }
}
