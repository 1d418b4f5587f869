/* straight.c - the same format and the same checks, written by hand for this one message. */
#include "straight.h"

#include <string.h>

#include "contestant.h"

static straight_order values[BENCH_ORDERS];
static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void prepare(const bench_values *orders)
{
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        values[i] = (straight_order){
            .id = o->id,
            .account = o->account,
            .placed_ms = o->placed_ms,
            .price = o->price,
            .venue = o->venue,
            .flags = o->flags,
            .quantity = o->quantity,
            .buy = o->buy,
            .symbol = o->symbol,
            .symbol_len = strlen(o->symbol),
            .note = o->note,
            .note_len = strlen(o->note),
        };
        lens[i] = straight_order_encode(&values[i], wire[i], sizeof wire[i]);
        bench_require(lens[i] > 0, "straight C encodes");
    }
}

static void encode(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (straight_order_encode(&values[i], buf, sizeof buf) == 0) {
                bench_require(false, "straight C encodes");
            }
            bench_consume(buf);
        }
    }
}

static void decode(void *context, size_t passes)
{
    straight_order order;

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (!straight_order_decode(&order, wire[i], lens[i])) {
                bench_require(false, "straight C decodes");
            }
            bench_consume(&order);
        }
    }
}

static void encode_chained(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];
    size_t i = 0;

    (void)context;
    for (size_t n = 0; n < passes * BENCH_ORDERS; n++) {
        size_t len = straight_order_encode(&values[i], buf, sizeof buf);
        if (len == 0) {
            bench_require(false, "straight C encodes");
        }
        bench_consume(buf);
        i = bench_chain(i, buf[len - 1]);
    }
}

static void decode_chained(void *context, size_t passes)
{
    straight_order order;
    size_t i = 0;

    (void)context;
    for (size_t n = 0; n < passes * BENCH_ORDERS; n++) {
        if (!straight_order_decode(&order, wire[i], lens[i])) {
            bench_require(false, "straight C decodes");
        }
        bench_consume(&order);
        i = bench_chain(i, (uint8_t)order.note[order.note_len - 1]);
    }
}

static bool check(size_t i, bench_values *out)
{
    straight_order order;

    if (!straight_order_decode(&order, wire[i], lens[i])) {
        return false;
    }
    out->id = order.id;
    out->account = order.account;
    out->placed_ms = order.placed_ms;
    out->price = order.price;
    out->venue = order.venue;
    out->flags = order.flags;
    out->quantity = order.quantity;
    out->buy = order.buy;
    return bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, order.symbol, order.symbol_len) &&
           bench_copy_text(out->note, BENCH_NOTE_MAX, order.note, order.note_len);
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_straight = {
    "straight C", prepare, encode, decode, encode_chained, decode_chained, check, encoded_len,
};
