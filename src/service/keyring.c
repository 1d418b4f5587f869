/* keyring.c - see keyring.h. */
#include "service/keyring.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct np_key_share {
    np_holder holder;
    np_key_share *next; /* in its place of the table */
    size_t uses;
    uint8_t key[NP_KEY_LEN];
};

void np__keyring_init(np_keyring *ring, np_pool *pool, size_t memory_each, uint64_t seed)
{
    *ring = (np_keyring){.pool = pool, .memory_each = memory_each, .seed = seed};
}

void np__keyring_fini(np_keyring *ring)
{
    assert(ring->count == 0);
    free(ring->places);
    ring->places = NULL;
    ring->place_count = 0;
}

/* Two rounds of multiplying and folding (as in wyhash), keyed by the seed. */
static np_key_share **place_of(const np_keyring *ring, const uint8_t *key)
{
    uint64_t parts[2];
    uint64_t h = 0;

    memcpy(parts, key, sizeof parts);
    h = (parts[0] ^ ring->seed) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 32 ^ parts[1]) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ ring->seed) * 0x9E3779B97F4A7C15u;
    return &ring->places[(h ^ h >> 29) & (ring->place_count - 1)];
}

/* Without memory for a larger table the old one does, if there is one. */
static bool grow(np_keyring *ring)
{
    size_t old_count = ring->place_count;
    np_key_share **old = ring->places;
    size_t count = old_count > 0 ? 2 * old_count : 16;
    np_key_share **places = calloc(count, sizeof *places);

    if (places == NULL) {
        return old != NULL;
    }
    ring->places = places;
    ring->place_count = count;
    for (size_t i = 0; i < old_count; i++) {
        np_key_share *next = NULL;
        for (np_key_share *share = old[i]; share != NULL; share = next) {
            np_key_share **place = place_of(ring, share->key);
            next = share->next;
            share->next = *place;
            *place = share;
        }
    }
    free(old);
    return true;
}

static np_key_share *make(np_keyring *ring, const uint8_t *key)
{
    np_key_share *share = NULL;
    np_key_share **place = NULL;

    if (ring->count >= ring->place_count && !grow(ring)) {
        return NULL;
    }
    share = calloc(1, sizeof *share);
    if (share != NULL) {
        np_holder_init(&share->holder, ring->pool, ring->memory_each);
        memcpy(share->key, key, NP_KEY_LEN);
        place = place_of(ring, key);
        share->next = *place;
        *place = share;
        ring->count++;
    }
    return share;
}

np_holder *np__keyring_get(np_keyring *ring, const uint8_t key[NP_KEY_LEN])
{
    np_key_share *share = ring->place_count > 0 ? *place_of(ring, key) : NULL;

    while (share != NULL && memcmp(share->key, key, NP_KEY_LEN) != 0) {
        share = share->next;
    }
    if (share == NULL) {
        share = make(ring, key);
    }
    if (share == NULL) {
        return NULL;
    }
    share->uses++;
    return &share->holder;
}

void np__keyring_put(np_keyring *ring, np_holder *holder)
{
    np_key_share *share = (np_key_share *)(void *)((char *)holder - offsetof(np_key_share, holder));
    np_key_share **place = place_of(ring, share->key);

    if (--share->uses > 0) {
        return;
    }
    while (*place != share) {
        place = &(*place)->next;
    }
    *place = share->next;
    ring->count--;
    np_holder_fini(&share->holder);
    free(share);
}
