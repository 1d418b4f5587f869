/* sources.h - what each source address holds and has begun, for limits per source.
 *
 * IPv4 addresses count by themselves, IPv6 ones by their /64, since that is what one subscriber
 * gets. An open-addressing table keyed by a random number, so that no one can choose colliding
 * addresses. A source without connections is kept as long as its bucket is not full again, and is
 * forgotten when the table would have to grow: so many are kept at most as can begin in that time.
 *
 * Threads: one.
 */
#ifndef NP_TRANSPORT_SOURCES_H
#define NP_TRANSPORT_SOURCES_H

#include "util/rate.h"

#include <netproto/error.h>

/* Each 0: no limit. */
typedef struct np_source_limits {
    uint32_t connections;
    uint32_t half_open; /* of these, those that have not been opened */
    np_rate begins;     /* how often they may be begun */
} np_source_limits;

typedef enum np_source_limit {
    NP_SOURCE_NONE,
    NP_SOURCE_CONNECTIONS,
    NP_SOURCE_HALF_OPEN,
    NP_SOURCE_BEGINS
} np_source_limit;

/* All zero: the slot is free. */
typedef struct np_source {
    uint64_t key[2];
    np_rate_bucket begins;
    uint32_t count;
    uint32_t half_open;
} np_source;

typedef struct np_sources {
    np_source *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t used;       /* those that are only remembered included */
    uint64_t seed;
} np_sources;

void np_sources_init(np_sources *sources, uint64_t seed);
void np_sources_fini(np_sources *sources);

/* Counts one more from an IPv6 address (IPv4 in its mapped form), half open. Errors: NP_ERR_LIMIT,
 * with the one that is reached in *which; NP_ERR_MEMORY. */
NP_MUST_CHECK np_err np_sources_add(np_sources *sources, const uint8_t address[16],
                                    const np_source_limits *limits, uint64_t now_us,
                                    np_source_limit *which);

/* One of them is half open no longer. */
void np_sources_opened(np_sources *sources, const uint8_t address[16]);

/* Takes back what np_sources_add counted; half_open: it was so until now. */
void np_sources_remove(np_sources *sources, const uint8_t address[16], bool half_open,
                       uint64_t now_us);

#endif
