/* rate.h - how often something may happen: a bucket of tokens in one number, and how often it has
 * happened lately.
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

/* How many there are; of a rate with a limit. */
static inline uint64_t np_rate_left(const np_rate_bucket *bucket, const np_rate *rate,
                                    uint64_t now_us)
{
    uint64_t missing_us = bucket->full_us > now_us ? bucket->full_us - now_us : 0;
    uint64_t part = bucket->full_us >= now_us ? bucket->part : 0;
    uint64_t missing = (missing_us * rate->per_second + part + 999999u) / 1000000u;

    return missing < rate->burst ? rate->burst - missing : 0;
}

static inline bool np_rate_is_full(const np_rate_bucket *bucket, uint64_t now_us)
{
    return bucket->full_us < now_us || (bucket->full_us == now_us && bucket->part == 0);
}

/* How much somebody has had lately: a count that halves every second. It falls ever more slowly, so
 * of two who take what they can get it tells who takes more, which a bucket does not that both keep
 * empty. */
typedef struct np_pace {
    uint64_t at_ms; /* when `had` was so much */
    uint32_t had;   /* in parts of NP_PACE_ONE */
} np_pace;

#define NP_PACE_ONE 1024u

/* What is left of it now, as parts. Between two halvings the fall is taken to be even. */
static inline uint32_t np_pace_had(const np_pace *pace, uint64_t now_ms)
{
    uint64_t past_ms = now_ms > pace->at_ms ? now_ms - pace->at_ms : 0;
    uint64_t had = past_ms >= 32000 ? 0 : pace->had >> (past_ms / 1000);

    return (uint32_t)(had - had * (past_ms % 1000) / 2000);
}

/* One more. */
static inline void np_pace_take(np_pace *pace, uint64_t now_ms)
{
    uint32_t had = np_pace_had(pace, now_ms);

    pace->had = had < UINT32_MAX - NP_PACE_ONE ? had + NP_PACE_ONE : UINT32_MAX;
    pace->at_ms = now_ms;
}

#endif
