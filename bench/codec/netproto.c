/* netproto.c - ours, through the generated functions that a user calls. */
#include <string.h>

#include <trade.h>

#include "contestant.h"

static trade_order values[BENCH_ORDERS];
static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void prepare(const bench_values *orders)
{
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        values[i] = (trade_order){
            .id = o->id,
            .account = o->account,
            .placed_ms = o->placed_ms,
            .price = o->price,
            .venue = o->venue,
            .flags = o->flags,
            .quantity = o->quantity,
            .buy = o->buy,
            .symbol = np_str_from(o->symbol),
            .note = np_str_from(o->note),
        };
        bench_require(trade_order_encode(&values[i], wire[i], sizeof wire[i], &lens[i], NULL) ==
                          NP_OK,
                      "netproto encodes");
    }
}

static void encode(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];
    size_t len = 0;

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (trade_order_encode(&values[i], buf, sizeof buf, &len, NULL) != NP_OK) {
                bench_require(false, "netproto encodes");
            }
            bench_consume(buf);
        }
    }
}

static void decode(void *context, size_t passes)
{
    trade_order order;

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (trade_order_decode(&order, wire[i], lens[i], NULL) != NP_OK) {
                bench_require(false, "netproto decodes");
            }
            bench_consume(&order);
        }
    }
}

static void encode_chained(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];
    size_t len = 0;
    size_t i = 0;

    (void)context;
    for (size_t n = 0; n < passes * BENCH_ORDERS; n++) {
        if (trade_order_encode(&values[i], buf, sizeof buf, &len, NULL) != NP_OK) {
            bench_require(false, "netproto encodes");
        }
        bench_consume(buf);
        i = bench_chain(i, buf[len - 1]);
    }
}

static void decode_chained(void *context, size_t passes)
{
    trade_order order;
    size_t i = 0;

    (void)context;
    for (size_t n = 0; n < passes * BENCH_ORDERS; n++) {
        if (trade_order_decode(&order, wire[i], lens[i], NULL) != NP_OK) {
            bench_require(false, "netproto decodes");
        }
        bench_consume(&order);
        i = bench_chain(i, (uint8_t)order.note.data[order.note.len - 1]);
    }
}

static bool check(size_t i, bench_values *out)
{
    trade_order order;

    if (trade_order_decode(&order, wire[i], lens[i], NULL) != NP_OK) {
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
    return bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, order.symbol.data, order.symbol.len) &&
           bench_copy_text(out->note, BENCH_NOTE_MAX, order.note.data, order.note.len);
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_netproto = {
    "netproto", prepare, encode, decode, encode_chained, decode_chained, check, encoded_len,
};
