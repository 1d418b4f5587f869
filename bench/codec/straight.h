/* straight.h - one message, encoded and decoded as one would by hand: a run of stores or loads and
 * a check where one is due. It tells that something is wrong, not what. */
#ifndef BENCH_STRAIGHT_H
#define BENCH_STRAIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct straight_order {
    uint64_t id;
    uint64_t account;
    int64_t placed_ms;
    double price;
    uint32_t venue;
    uint16_t flags;
    uint32_t quantity;
    bool buy;
    const char *symbol;
    size_t symbol_len;
    const char *note;
    size_t note_len;
} straight_order;

/* Bytes written; 0 if a value is not allowed or does not fit. */
size_t straight_order_encode(const straight_order *v, uint8_t *buf, size_t cap);

bool straight_order_decode(straight_order *out, const uint8_t *data, size_t len);

#endif
