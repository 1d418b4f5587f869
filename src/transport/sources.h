/* sources.h - how many connections each source address holds, for limits per source.
 *
 * IPv4 addresses count by themselves, IPv6 ones by their /64, since that is what one subscriber
 * gets. An open-addressing table keyed by a random number, so that no one can choose colliding
 * addresses.
 *
 * Threads: one.
 */
#ifndef NP_TRANSPORT_SOURCES_H
#define NP_TRANSPORT_SOURCES_H

#include <netproto/error.h>

typedef struct np_source {
    uint64_t key[2];
    uint32_t count; /* 0: the slot is free */
} np_source;

typedef struct np_sources {
    np_source *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t used;
    uint64_t seed;
} np_sources;

void np_sources_init(np_sources *sources, uint64_t seed);
void np_sources_fini(np_sources *sources);

/* Counts one more from an IPv6 address (IPv4 in its mapped form). Errors: NP_ERR_LIMIT if there
 * are max already (0: no limit), NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_sources_add(np_sources *sources, const uint8_t address[16], uint32_t max);

/* Takes back what np_sources_add counted. */
void np_sources_remove(np_sources *sources, const uint8_t address[16]);

#endif
