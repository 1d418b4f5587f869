/* loop_system.c - the system's clocks, its randomness, and what libsodium wants to know of it. */
#define _GNU_SOURCE
#include "transport/loop_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <sodium.h>

static uint64_t read_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t np__loop_clock_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

np_time np__loop_clock(void)
{
    return (np_time){read_ms(CLOCK_MONOTONIC), read_ms(CLOCK_REALTIME_COARSE)};
}

np_err np_loop_random(void *out, size_t len)
{
    uint8_t *p = out;

    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno != EINTR) {
            return NP_ERR_SYSTEM;
        }
        if (got > 0) {
            p += got;
            len -= (size_t)got;
        }
    }
    return NP_OK;
}

static void fill_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    if (np_loop_random(out, len) != NP_OK) {
        abort();
    }
}

/* libsodium looks at the processor here. Without that it computes right, but with its portable
 * code, which is three times as slow and leaves copies of keys on the stack. */
np_err np__loop_crypto_init(void)
{
    return sodium_init() >= 0 ? NP_OK : NP_ERR_SYSTEM;
}

np_rng np_loop_rng(void)
{
    np_rng rng = {fill_random, NULL};

    return rng;
}
