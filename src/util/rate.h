/* rate.h - how often something may happen: a bucket of tokens in one number.
 *
 * The generic cell rate algorithm (ITU-T I.371, as a virtual schedule): instead of a level that
 * must be filled up again, it keeps the time at which the bucket will be full. A bucket that nobody
 * used for long is 0, so one can be forgotten once that time has passed.
 */
#ifndef NP_UTIL_RATE_H
#define NP_UTIL_RATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct np_rate {
    uint32_t per_second; /* 0: no limit */
    uint64_t burst;      /* so many at once, at least 1 */
} np_rate;

/* The time is exact for every rate: what one token takes need not be whole microseconds. */
typedef struct np_rate_bucket {
    uint64_t full_us; /* when it is full again; in the past: it is */
    uint32_t part;    /* of a microsecond beyond that, per_second of which are one */
} np_rate_bucket;

/* Whether there is a token. */
static inline bool np_rate_has(const np_rate_bucket *bucket, const np_rate *rate, uint64_t now_us)
{
    uint64_t missing_us = bucket->full_us > now_us ? bucket->full_us - now_us : 0;
    uint64_t part = bucket->full_us >= now_us ? bucket->part : 0;

    return rate->per_second == 0 ||
           missing_us * rate->per_second + part <= (rate->burst - 1) * 1000000u;
}

/* Takes one that is there. */
static inline void np_rate_take(np_rate_bucket *bucket, const np_rate *rate, uint64_t now_us)
{
    uint64_t parts = 1000000u;

    if (rate->per_second > 0) {
        if (bucket->full_us < now_us) {
            bucket->full_us = now_us;
            bucket->part = 0;
        }
        parts += bucket->part;
        bucket->full_us += parts / rate->per_second;
        bucket->part = (uint32_t)(parts % rate->per_second);
    }
}

static inline bool np_rate_is_full(const np_rate_bucket *bucket, uint64_t now_us)
{
    return bucket->full_us < now_us || (bucket->full_us == now_us && bucket->part == 0);
}

#endif
