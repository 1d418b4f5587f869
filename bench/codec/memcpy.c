/* memcpy.c - the bytes that netproto writes, moved as they are: no format can do less. */
#include <string.h>

#include "contestant.h"

static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void prepare(const bench_values *orders)
{
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        lens[i] = bench_netproto.encoded_len(i);
        memset(wire[i], orders[i].symbol[0], lens[i]);
    }
}

static void copy(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            memcpy(buf, wire[i], lens[i]);
            bench_consume(buf);
        }
    }
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_memcpy = {
    "memcpy", prepare, copy, copy, NULL, NULL, NULL, encoded_len,
};
