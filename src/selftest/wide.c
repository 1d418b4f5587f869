/* wide.c - see wide.h. */
#include "selftest/wide.h"

#include <netproto/codec.h>

/* Long division, bit by bit from the highest. */
np_u128 np__wide_modulo(np_u128 a, np_u128 b)
{
    np_u128 rest = {0, 0};

    for (size_t bit = 128; bit > 0; bit--) {
        bool carry = rest.hi >> 63 != 0; /* what doubling pushes out; rest was below b */
        rest = np__wide_add(rest, rest);
        rest.lo |= np__wide_shift_right(a, bit - 1).lo & 1;
        if (carry || np_u128_compare(rest, b) >= 0) {
            rest = np__wide_subtract(rest, b);
        }
    }
    return rest;
}
