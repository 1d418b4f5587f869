/* nanopb.c - nanopb with strings of bounded length inside the struct, its usual way. Debian builds
 * it without the check of UTF-8. */
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "order.pb.h"

#include "codec/contestant.h"

static peer_Order values[BENCH_ORDERS];
static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void prepare(const bench_values *orders)
{
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        values[i] = (peer_Order)peer_Order_init_zero;
        values[i].id = o->id;
        values[i].account = o->account;
        values[i].placed_ms = o->placed_ms;
        values[i].price = o->price;
        values[i].venue = o->venue;
        values[i].flags = o->flags;
        values[i].quantity = o->quantity;
        values[i].buy = o->buy;
        memcpy(values[i].symbol, o->symbol, sizeof values[i].symbol);
        memcpy(values[i].note, o->note, sizeof values[i].note);
        pb_ostream_t out = pb_ostream_from_buffer(wire[i], sizeof wire[i]);
        bench_require(pb_encode(&out, peer_Order_fields, &values[i]), "nanopb encodes");
        lens[i] = out.bytes_written;
    }
}

static void encode(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            pb_ostream_t out = pb_ostream_from_buffer(buf, sizeof buf);
            if (!pb_encode(&out, peer_Order_fields, &values[i])) {
                bench_require(false, "nanopb encodes");
            }
            bench_consume(buf);
        }
    }
}

static bool read_order(peer_Order *order, size_t i)
{
    pb_istream_t in = pb_istream_from_buffer(wire[i], lens[i]);

    return pb_decode(&in, peer_Order_fields, order) && order->quantity >= 1 &&
           order->quantity <= BENCH_QUANTITY_MAX;
}

static void decode(void *context, size_t passes)
{
    peer_Order order;

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            if (!read_order(&order, i)) {
                bench_require(false, "nanopb decodes");
            }
            bench_consume(&order);
        }
    }
}

static bool check(size_t i, bench_values *out)
{
    peer_Order order;

    if (!read_order(&order, i)) {
        return false;
    }
    out->id = order.id;
    out->account = order.account;
    out->placed_ms = order.placed_ms;
    out->price = order.price;
    out->venue = order.venue;
    out->flags = (uint16_t)order.flags;
    out->quantity = order.quantity;
    out->buy = order.buy;
    return bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, order.symbol, strlen(order.symbol)) &&
           bench_copy_text(out->note, BENCH_NOTE_MAX, order.note, strlen(order.note));
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_nanopb = {
    "nanopb", prepare, encode, decode, NULL, NULL, check, encoded_len,
};
