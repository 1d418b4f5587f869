/* replay.c - see replay.h.
 *
 * A ring of hashes in the order they came, and a table of the same hashes with open addressing and
 * linear probing, at most half full. A hash that is forgotten leaves the table by moving back those
 * behind it that belong further to the front (Knuth, volume 3, 6.4, algorithm R), so there are no
 * tombstones.
 */
#include "util/replay.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct np_replay {
    uint8_t key[crypto_shorthash_KEYBYTES];
    uint64_t *ring;
    uint64_t *table; /* 0: free */
    uint32_t max;
    uint32_t count;
    uint32_t oldest; /* place in the ring */
    uint32_t mask;   /* places of the table - 1 */
};

np_err np_replay_new(np_replay **out, uint32_t max, const np_rng *rng)
{
    np_replay *replay;
    uint32_t places = 4;

    *out = NULL;
    if (max == 0 || max > NP_REPLAY_MAX_MAX) {
        return NP_ERR_ARG;
    }
    while (places < 2 * max) {
        places *= 2;
    }
    replay = calloc(1, sizeof *replay);
    if (replay == NULL) {
        return NP_ERR_MEMORY;
    }
    replay->ring = calloc(max, sizeof *replay->ring);
    replay->table = calloc(places, sizeof *replay->table);
    if (replay->ring == NULL || replay->table == NULL) {
        np_replay_free(replay);
        return NP_ERR_MEMORY;
    }
    replay->max = max;
    replay->mask = places - 1;
    np_rng_fill(rng, replay->key, sizeof replay->key);
    *out = replay;
    return NP_OK;
}

void np_replay_free(np_replay *replay)
{
    if (replay != NULL) {
        free(replay->ring);
        free(replay->table);
        sodium_memzero(replay->key, sizeof replay->key);
        free(replay);
    }
}

/* Never 0, which marks a free place. */
static uint64_t hash_of(const np_replay *replay, const uint8_t key[32],
                        const uint8_t nonce[NP_REPLAY_NONCE_LEN])
{
    uint8_t entry[32 + NP_REPLAY_NONCE_LEN];
    uint64_t hash;

    memcpy(entry, key, 32);
    memcpy(entry + 32, nonce, NP_REPLAY_NONCE_LEN);
    crypto_shorthash((uint8_t *)&hash, entry, sizeof entry, replay->key);
    return hash != 0 ? hash : 1;
}

/* Where the hash is, or the free place where it would be. */
static uint32_t find(const np_replay *replay, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & replay->mask;

    while (replay->table[at] != 0 && replay->table[at] != hash) {
        at = (at + 1) & replay->mask;
    }
    return at;
}

static void forget_oldest(np_replay *replay)
{
    uint32_t hole = find(replay, replay->ring[replay->oldest]);
    uint32_t at = hole;

    replay->table[hole] = 0;
    for (;;) {
        at = (at + 1) & replay->mask;
        if (replay->table[at] == 0) {
            break;
        }
        /* It may move into the hole unless its own place lies behind the hole, in a circle. */
        uint32_t home = (uint32_t)replay->table[at] & replay->mask;
        if (((at - home) & replay->mask) >= ((at - hole) & replay->mask)) {
            replay->table[hole] = replay->table[at];
            replay->table[at] = 0;
            hole = at;
        }
    }
    replay->oldest = (replay->oldest + 1) % replay->max;
    replay->count--;
}

bool np_replay_add(np_replay *replay, const uint8_t key[32],
                   const uint8_t nonce[NP_REPLAY_NONCE_LEN])
{
    uint64_t hash = hash_of(replay, key, nonce);

    if (replay->table[find(replay, hash)] == hash) {
        return false;
    }
    if (replay->count == replay->max) {
        forget_oldest(replay);
    }
    replay->table[find(replay, hash)] = hash;
    replay->ring[(replay->oldest + replay->count) % replay->max] = hash;
    replay->count++;
    return true;
}
