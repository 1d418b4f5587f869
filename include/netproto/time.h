/* netproto/time.h - time as the pure machines see it: handed in, never read.
 *
 * Two clocks, because they answer different questions. `mono_ms` never runs backwards and decides
 * deadlines; `wall_ms` is what people call the time, may jump, and is only ever shown or compared
 * with a tolerance.
 *
 * Threads: pure values.
 */
#ifndef NETPROTO_TIME_H
#define NETPROTO_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_time {
    uint64_t mono_ms; /* since some moment in the past */
    uint64_t wall_ms; /* since 1970-01-01T00:00:00Z, without leap seconds */
} np_time;

/* A deadline that never comes. */
#define NP_TIME_NEVER UINT64_MAX

/* The deadline `delay_ms` after `mono_ms`; NP_TIME_NEVER where the sum would not fit. */
static inline uint64_t np_time_after(uint64_t mono_ms, uint64_t delay_ms)
{
    return delay_ms < NP_TIME_NEVER - mono_ms ? mono_ms + delay_ms : NP_TIME_NEVER;
}

/* The earlier of two deadlines. */
static inline uint64_t np_time_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How long it is until a deadline; 0 where it has passed. */
static inline uint64_t np_time_left(uint64_t deadline_ms, uint64_t mono_ms)
{
    return deadline_ms > mono_ms ? deadline_ms - mono_ms : 0;
}

#ifdef __cplusplus
}
#endif

#endif
