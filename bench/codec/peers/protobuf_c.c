/* protobuf_c.c - protobuf-c as its manual shows it: pack into a buffer, unpack into an allocated
 * struct. It does not check text. */
#include <string.h>

#include "order.pb-c.h"

#include "codec/contestant.h"

static Peer__Order values[BENCH_ORDERS];
static char symbols[BENCH_ORDERS][BENCH_SYMBOL_MAX + 1];
static char notes[BENCH_ORDERS][BENCH_NOTE_MAX + 1];
static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void prepare(const bench_values *orders)
{
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        memcpy(symbols[i], o->symbol, sizeof symbols[i]);
        memcpy(notes[i], o->note, sizeof notes[i]);
        peer__order__init(&values[i]);
        values[i].id = o->id;
        values[i].account = o->account;
        values[i].placed_ms = o->placed_ms;
        values[i].price = o->price;
        values[i].venue = o->venue;
        values[i].flags = o->flags;
        values[i].quantity = o->quantity;
        values[i].buy = o->buy;
        values[i].symbol = symbols[i];
        values[i].note = notes[i];
        lens[i] = peer__order__pack(&values[i], wire[i]);
    }
}

static void encode(void *context, size_t passes)
{
    uint8_t buf[BENCH_ROOM];

    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            peer__order__pack(&values[i], buf);
            bench_consume(buf);
        }
    }
}

/* The bounds of the schema, which protobuf cannot express. */
static bool within_bounds(const Peer__Order *order)
{
    return order->quantity >= 1 && order->quantity <= BENCH_QUANTITY_MAX &&
           strlen(order->symbol) <= BENCH_SYMBOL_MAX && strlen(order->note) <= BENCH_NOTE_MAX;
}

static void decode(void *context, size_t passes)
{
    (void)context;
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            Peer__Order *order = peer__order__unpack(NULL, lens[i], wire[i]);
            if (order == NULL || !within_bounds(order)) {
                bench_require(false, "protobuf-c decodes");
            }
            bench_consume(order);
            peer__order__free_unpacked(order, NULL);
        }
    }
}

static bool check(size_t i, bench_values *out)
{
    Peer__Order *order = peer__order__unpack(NULL, lens[i], wire[i]);

    if (order == NULL) {
        return false;
    }
    out->id = order->id;
    out->account = order->account;
    out->placed_ms = order->placed_ms;
    out->price = order->price;
    out->venue = order->venue;
    out->flags = (uint16_t)order->flags;
    out->quantity = order->quantity;
    out->buy = order->buy != 0;
    bool fits =
        bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, order->symbol, strlen(order->symbol)) &&
        bench_copy_text(out->note, BENCH_NOTE_MAX, order->note, strlen(order->note));
    peer__order__free_unpacked(order, NULL);
    return fits;
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_protobuf_c = {
    "protobuf-c", prepare, encode, decode, NULL, NULL, check, encoded_len,
};
