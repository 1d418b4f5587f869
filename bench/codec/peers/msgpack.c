/* msgpack.c - msgpack-c: an array of ten, packed into a buffer that is used again. It does not
 * check text; types and bounds are checked by hand, as whoever uses it has to. */
#include <string.h>

#include <msgpack.h>

#include "codec/contestant.h"

#define FIELDS 10

typedef struct order {
    uint64_t id;
    uint64_t account;
    int64_t placed_ms;
    double price;
    uint32_t venue;
    uint32_t quantity;
    uint16_t flags;
    bool buy;
    const char *symbol;
    size_t symbol_len;
    const char *note;
    size_t note_len;
} order;

static order values[BENCH_ORDERS];
static uint8_t wire[BENCH_ORDERS][BENCH_ROOM];
static size_t lens[BENCH_ORDERS];

static void pack(msgpack_packer *packer, const order *o)
{
    msgpack_pack_array(packer, FIELDS);
    msgpack_pack_uint64(packer, o->id);
    msgpack_pack_uint64(packer, o->account);
    msgpack_pack_int64(packer, o->placed_ms);
    msgpack_pack_double(packer, o->price);
    msgpack_pack_uint32(packer, o->venue);
    msgpack_pack_uint16(packer, o->flags);
    msgpack_pack_uint32(packer, o->quantity);
    if (o->buy) {
        msgpack_pack_true(packer);
    } else {
        msgpack_pack_false(packer);
    }
    msgpack_pack_str(packer, o->symbol_len);
    msgpack_pack_str_body(packer, o->symbol, o->symbol_len);
    msgpack_pack_str(packer, o->note_len);
    msgpack_pack_str_body(packer, o->note, o->note_len);
}

static void prepare(const bench_values *orders)
{
    msgpack_sbuffer buf;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&packer, &buf, msgpack_sbuffer_write);
    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        values[i] = (order){o->id,     o->account,        o->placed_ms, o->price,
                            o->venue,  o->quantity,       o->flags,     o->buy,
                            o->symbol, strlen(o->symbol), o->note,      strlen(o->note)};
        msgpack_sbuffer_clear(&buf);
        pack(&packer, &values[i]);
        bench_require(buf.size <= BENCH_ROOM, "msgpack-c encodes");
        memcpy(wire[i], buf.data, buf.size);
        lens[i] = buf.size;
    }
    msgpack_sbuffer_destroy(&buf);
}

static void encode(void *context, size_t passes)
{
    msgpack_sbuffer buf;
    msgpack_packer packer;

    (void)context;
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&packer, &buf, msgpack_sbuffer_write);
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            msgpack_sbuffer_clear(&buf);
            pack(&packer, &values[i]);
            bench_consume(buf.data);
        }
    }
    msgpack_sbuffer_destroy(&buf);
}

static bool is_uint(const msgpack_object *o, uint64_t max)
{
    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= max;
}

static bool is_str(const msgpack_object *o, uint32_t max)
{
    return o->type == MSGPACK_OBJECT_STR && o->via.str.size <= max;
}

static bool from_object(order *out, const msgpack_object *object)
{
    const msgpack_object *f = object->via.array.ptr;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != FIELDS ||
        !is_uint(&f[0], UINT64_MAX) || !is_uint(&f[1], UINT64_MAX) ||
        !(is_uint(&f[2], INT64_MAX) || f[2].type == MSGPACK_OBJECT_NEGATIVE_INTEGER) ||
        f[3].type != MSGPACK_OBJECT_FLOAT64 || !is_uint(&f[4], UINT32_MAX) ||
        !is_uint(&f[5], UINT16_MAX) || !is_uint(&f[6], BENCH_QUANTITY_MAX) || f[6].via.u64 < 1 ||
        f[7].type != MSGPACK_OBJECT_BOOLEAN || !is_str(&f[8], BENCH_SYMBOL_MAX) ||
        !is_str(&f[9], BENCH_NOTE_MAX)) {
        return false;
    }
    *out = (order){f[0].via.u64,           f[1].via.u64,           f[2].via.i64,
                   f[3].via.f64,           (uint32_t)f[4].via.u64, (uint32_t)f[6].via.u64,
                   (uint16_t)f[5].via.u64, f[7].via.boolean,       f[8].via.str.ptr,
                   f[8].via.str.size,      f[9].via.str.ptr,       f[9].via.str.size};
    return true;
}

static void decode(void *context, size_t passes)
{
    msgpack_unpacked result;
    order out;

    (void)context;
    msgpack_unpacked_init(&result);
    for (size_t n = 0; n < passes; n++) {
        for (size_t i = 0; i < BENCH_ORDERS; i++) {
            size_t at = 0;
            if (msgpack_unpack_next(&result, (const char *)wire[i], lens[i], &at) !=
                    MSGPACK_UNPACK_SUCCESS ||
                at != lens[i] || !from_object(&out, &result.data)) {
                bench_require(false, "msgpack-c decodes");
            }
            bench_consume(&out);
        }
    }
    msgpack_unpacked_destroy(&result);
}

static bool check(size_t i, bench_values *out)
{
    msgpack_unpacked result;
    order o;
    size_t at = 0;

    msgpack_unpacked_init(&result);
    bool good = msgpack_unpack_next(&result, (const char *)wire[i], lens[i], &at) ==
                    MSGPACK_UNPACK_SUCCESS &&
                from_object(&o, &result.data);
    if (good) {
        out->id = o.id;
        out->account = o.account;
        out->placed_ms = o.placed_ms;
        out->price = o.price;
        out->venue = o.venue;
        out->flags = o.flags;
        out->quantity = o.quantity;
        out->buy = o.buy;
        good = bench_copy_text(out->symbol, BENCH_SYMBOL_MAX, o.symbol, o.symbol_len) &&
               bench_copy_text(out->note, BENCH_NOTE_MAX, o.note, o.note_len);
    }
    msgpack_unpacked_destroy(&result);
    return good;
}

static size_t encoded_len(size_t i)
{
    return lens[i];
}

const bench_contestant bench_msgpack = {
    "msgpack-c", prepare, encode, decode, NULL, NULL, check, encoded_len,
};
