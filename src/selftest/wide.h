/* wide.h - arithmetic on 128 bits, modulo 2^128, for compilers that have no such integers (those of
 * 32-bit machines). Made for tests: it need not be fast. */
#ifndef NP_SELFTEST_WIDE_H
#define NP_SELFTEST_WIDE_H

#include <netproto/types.h>

static const np_u128 np__wide_most = {UINT64_MAX, UINT64_MAX};

static inline np_u128 np__wide_add(np_u128 a, np_u128 b)
{
    uint64_t lo = a.lo + b.lo;

    return (np_u128){lo, a.hi + b.hi + (lo < a.lo ? 1 : 0)};
}

static inline np_u128 np__wide_subtract(np_u128 a, np_u128 b)
{
    return (np_u128){a.lo - b.lo, a.hi - b.hi - (a.lo < b.lo ? 1 : 0)};
}

/* a / 2^bits; bits is at most 127. */
static inline np_u128 np__wide_shift_right(np_u128 a, size_t bits)
{
    if (bits >= 64) {
        return (np_u128){a.hi >> (bits - 64), 0};
    }
    return bits == 0 ? a : (np_u128){a.lo >> bits | a.hi << (64 - bits), a.hi >> bits};
}

/* The remainder of a / b; b must not be 0. */
np_u128 np__wide_modulo(np_u128 a, np_u128 b);

#endif
