/* make.h - payloads made up from descriptors: valid ones, and ones that are nearly so.
 *
 * Everything follows from a seed, so a failing case is its seed. What is made knows where its parts
 * lie, so that it can be broken at the places where decoders decide something: a length that is one
 * above its bound, a key moved before its predecessor, a tree grafted into itself.
 *
 * Memory: a make_payload grows as needed; free it with make_free. All of it aborts when memory is
 * out, since only tests and fuzz targets use it.
 */
#ifndef NP_TESTS_MAKE_H
#define NP_TESTS_MAKE_H

#include <netproto/schema.h>

/* splitmix64 (Steele, Lea, Flood 2014): good enough for tests, and the same everywhere. */
typedef struct make_rng {
    uint64_t state;
} make_rng;

uint64_t make_random(make_rng *rng);

/* 0 to n - 1; n must not be 0. */
size_t make_below(make_rng *rng, size_t n);

/* One value within a payload. */
typedef struct make_mark {
    size_t at, end;      /* the bytes it takes, its length or tag included */
    const np_type *type; /* a map's entries are marked with the map's type */
    bool entry;          /* it is an entry of a map */
} make_mark;

typedef struct make_payload {
    uint8_t *data;
    size_t len, cap;
    make_mark *marks;
    size_t mark_count, mark_cap;
} make_payload;

void make_free(make_payload *payload);

/* A message (or, with `reply`, its answer) as a valid payload of that version: id and
 * fields. `budget` is a length to aim at; what must be there may exceed it. */
void make_valid(make_payload *out, make_rng *rng, const np_message *message, uint32_t version,
                bool reply, size_t budget);

/* Breaks a valid payload in one to three places. The result is most likely refused, but may be
 * valid too. `out` is replaced; `other`, a second valid payload, lends bytes to be spliced in. */
void make_mutant(make_payload *out, make_rng *rng, const make_payload *valid,
                 const make_payload *other);

#endif
