/* cancels.h - how many cancels one side may send: 100 a second, and one for each answer that it
 * gets.
 *
 * A request and its cancel cost the peer nothing and this side the beginning of some work, so pairs
 * of them are an attack (CVE-2023-44487, "rapid reset"). Whoever gives up what really takes too
 * long stays far below the budget; and requests alone are not limited by it.
 *
 * A bucket of tokens kept as the time at which it is full again, as in util/rate.h; but a token is
 * ten whole milliseconds, so one number is enough, and tokens can be given back. The number is the
 * lower half of the time: one that is too far ahead to be true is long past.
 *
 * Threads: one.
 */
#ifndef NP_PROTOCOL_CANCELS_H
#define NP_PROTOCOL_CANCELS_H

#include <stdbool.h>
#include <stdint.h>

/* One token. */
#define NP_CANCELS_TOKEN_MS 10u

/* So many at once our own side sends, and so many it takes. The bucket of who takes them is larger
 * by what the way between them can hold up for 30 s: who keeps to the first seldom meets the
 * second. Who meets it waits, and nothing worse: who takes reads on when there is a token again. */
#define NP_CANCELS_SENT_MAX 1024u
#define NP_CANCELS_TAKEN_MAX 4096u

typedef struct np_cancels {
    uint32_t full_ms; /* when the bucket is full again; in the past: it is */
} np_cancels;

/* So many milliseconds it takes to fill it. */
static inline uint32_t np_cancels_missing_ms(const np_cancels *cancels, uint64_t now_ms)
{
    uint32_t ahead_ms = cancels->full_ms - (uint32_t)now_ms;

    return ahead_ms <= NP_CANCELS_TAKEN_MAX * NP_CANCELS_TOKEN_MS ? ahead_ms : 0;
}

/* How long it takes until a bucket of so many has a token. */
static inline uint32_t np_cancels_wait_ms(const np_cancels *cancels, uint32_t bucket,
                                          uint64_t now_ms)
{
    uint32_t missing_ms = np_cancels_missing_ms(cancels, now_ms);
    uint32_t most_ms = (bucket - 1) * NP_CANCELS_TOKEN_MS;

    return missing_ms > most_ms ? missing_ms - most_ms : 0;
}

/* Takes a token out of a bucket of so many; false if there is none. */
static inline bool np_cancels_take(np_cancels *cancels, uint32_t bucket, uint64_t now_ms)
{
    if (np_cancels_wait_ms(cancels, bucket, now_ms) > 0) {
        return false;
    }
    cancels->full_ms =
        (uint32_t)now_ms + np_cancels_missing_ms(cancels, now_ms) + NP_CANCELS_TOKEN_MS;
    return true;
}

/* Gives one back, for an answer. */
static inline void np_cancels_give(np_cancels *cancels, uint64_t now_ms)
{
    uint32_t missing_ms = np_cancels_missing_ms(cancels, now_ms);

    if (missing_ms > 0) {
        missing_ms -= missing_ms < NP_CANCELS_TOKEN_MS ? missing_ms : NP_CANCELS_TOKEN_MS;
        cancels->full_ms = (uint32_t)now_ms + missing_ms;
    }
}

#endif
