/* contestant.h - what each codec in the comparison provides.
 *
 * Every contestant encodes the same orders from its own structs into a buffer, as its manual says
 * to, and decodes them with all checks that it has. Decoding ends when every field can be used: the
 * scalars are in a struct, the strings are views or copies as the library gives them. The loops
 * over the orders lie with the contestant, so that nothing but its own calls is measured.
 */
#ifndef BENCH_CONTESTANT_H
#define BENCH_CONTESTANT_H

#include <stddef.h>
#include <stdint.h>

#include "common/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ORDERS 64
#define BENCH_SYMBOL_MAX 16
#define BENCH_NOTE_MAX 64
#define BENCH_QUANTITY_MAX 1000000
/* Room for one encoded order, whatever the format. */
#define BENCH_ROOM 512

/* The values, in no format. Strings end in NUL. */
typedef struct bench_values {
    uint64_t id;
    uint64_t account;
    int64_t placed_ms;
    double price;
    uint32_t venue;
    uint32_t quantity;
    uint16_t flags;
    bool buy;
    char symbol[BENCH_SYMBOL_MAX + 1];
    char note[BENCH_NOTE_MAX + 1];
} bench_values;

typedef struct bench_contestant {
    const char *name;
    /* Takes the orders over into its own structs, and encodes each for `decode` to read. */
    void (*prepare)(const bench_values *orders);
    void (*encode)(void *context, size_t passes); /* all orders, `passes` times */
    void (*decode)(void *context, size_t passes);
    /* The same one after another: each order is chosen with the last result, so that the processor
     * cannot work on several at a time. Most of that time is the way from one result to the next
     * order, the same for all; so it is for codecs of one format only. NULL for the others. */
    void (*encode_chained)(void *context, size_t passes);
    void (*decode_chained)(void *context, size_t passes);
    /* Decodes what it encoded, to show that it did its work. NULL: it only moves bytes. */
    bool (*check)(size_t i, bench_values *out);
    size_t (*encoded_len)(size_t i);
} bench_contestant;

/* The order after number i, which depends on `result` though its value makes no difference. */
static inline size_t bench_chain(size_t i, size_t result)
{
    size_t none = 0;

    __asm__("" : "+r"(none));
    return (i + 1 + (result & none)) % BENCH_ORDERS;
}

/* Copies a view into a string of ours; false if it is too long. */
static inline bool bench_copy_text(char *out, size_t max, const void *data, size_t len)
{
    const char *from = (const char *)data;

    if (len > max) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = from[i];
    }
    out[len] = '\0';
    return true;
}

extern const bench_contestant bench_netproto;
extern const bench_contestant bench_memcpy;
extern const bench_contestant bench_straight;
extern const bench_contestant bench_protobuf_c;
extern const bench_contestant bench_nanopb;
extern const bench_contestant bench_msgpack;
extern const bench_contestant bench_flatbuffers;
extern const bench_contestant bench_capnp;

#ifdef __cplusplus
}
#endif

#endif
