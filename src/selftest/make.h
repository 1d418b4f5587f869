/* make.h - payloads made up from descriptors: valid ones, and ones that are nearly so.
 *
 * Everything follows from a seed, so a failing case is its seed. What is made knows where its parts
 * lie, so that it can be broken at the places where decoders decide something: a length that is one
 * above its bound, a key moved before its predecessor, a tree grafted into itself.
 *
 * Memory: a np__make_payload grows as needed; free it with np__make_free. All of it aborts when
 * memory is out, since only tests and fuzz targets use it.
 */
#ifndef NP_SELFTEST_MAKE_H
#define NP_SELFTEST_MAKE_H

#include <netproto/schema.h>

/* splitmix64 (Steele, Lea, Flood 2014): good enough for tests, and the same everywhere. */
typedef struct np__make_rng {
    uint64_t state;
} np__make_rng;

uint64_t np__make_random(np__make_rng *rng);

/* 0 to n - 1; n must not be 0. */
size_t np__make_below(np__make_rng *rng, size_t n);

/* One value within a payload. */
typedef struct np__make_mark {
    size_t at, end;      /* the bytes it takes, its length or tag included */
    const np_type *type; /* a map's entries are marked with the map's type */
    bool entry;          /* it is an entry of a map */
} np__make_mark;

typedef struct np__make_payload {
    uint8_t *data;
    size_t len, cap;
    np__make_mark *marks;
    size_t mark_count, mark_cap;
} np__make_payload;

void np__make_free(np__make_payload *payload);

/* A message (or, with `reply`, its answer) as a valid payload of that version: id and
 * fields. `budget` is a length to aim at; what must be there may exceed it. False if chance brings
 * no valid value in a thousand tries, as where a map must hold nearly all keys that there are. */
bool np__make_valid(np__make_payload *out, np__make_rng *rng, const np_message *message,
                    uint32_t version, bool reply, size_t budget);

/* Breaks a valid payload in one to three places. The result is most likely refused, but may be
 * valid too. `out` is replaced; `other`, a second valid payload, lends bytes to be spliced in. */
void np__make_mutant(np__make_payload *out, np__make_rng *rng, const np__make_payload *valid,
                     const np__make_payload *other);

#endif
