/* netproto/rng.h - randomness, handed in.
 *
 * The pure machines draw no randomness by themselves: who makes one gives it an np_rng. The
 * transport's is the kernel's generator; a test's is seeded, so that a failure replays.
 *
 * Ownership: a value; `user` belongs to who made it and outlives every machine that holds it.
 * Threads: as the function behind it.
 */
#ifndef NETPROTO_RNG_H
#define NETPROTO_RNG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct np_rng {
    /* Fills in len bytes. It cannot report failure, since nothing sound could be done then: an
     * implementation without randomness has to end the program. */
    void (*fill)(void *user, uint8_t *out, size_t len);
    void *user;
} np_rng;

static inline void np_rng_fill(const np_rng *rng, void *out, size_t len)
{
    rng->fill(rng->user, (uint8_t *)out, len);
}

#ifdef __cplusplus
}
#endif

#endif
