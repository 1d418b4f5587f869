/* keyring.h - the memory that each listed key's connections hold, together.
 *
 * A key that the application has named is somebody, wherever it connects from, so its connections
 * share one part of the loop's memory. Keys that anybody can make are nobody: their connections
 * count for where they come from (sources.h).
 *
 * Threads: one. Memory: an entry for each key that is connected, of about 150 bytes.
 */
#ifndef NP_SERVICE_KEYRING_H
#define NP_SERVICE_KEYRING_H

#include <netproto/key.h>

#include "util/pool.h"

typedef struct np_key_share np_key_share;

typedef struct np_keyring {
    np_key_share **places;
    size_t place_count; /* a power of two, or 0 */
    size_t count;
    np_pool *pool;
    size_t memory_each;
    uint64_t seed;
} np_keyring;

/* pool and memory_each: of the holders. seed: a random number, so that no one can make keys that
 * collide. */
void np__keyring_init(np_keyring *ring, np_pool *pool, size_t memory_each, uint64_t seed);

/* When every holder was put back. */
void np__keyring_fini(np_keyring *ring);

/* The holder of a key, for one more of its connections; NULL: out of memory. */
np_holder *np__keyring_get(np_keyring *ring, const uint8_t key[NP_KEY_LEN]);

/* That connection is gone. */
void np__keyring_put(np_keyring *ring, np_holder *holder);

#endif
