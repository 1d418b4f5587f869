/* straight_order.c - see straight.h. A unit of its own, as a codec is for who calls it. */
#include "straight.h"

#include <string.h>

#include "common/straight_utf8.h"

#define ID 256u
/* From the id to the length of the first string. */
#define FIXED 55
#define QUANTITY_MAX 1000000u
#define SYMBOL_MAX 16
#define NOTE_MAX 64

size_t straight_order_encode(const straight_order *v, uint8_t *buf, size_t cap)
{
    uint32_t id = ID;
    uint64_t symbol_len = v->symbol_len;
    uint64_t note_len = v->note_len;

    if (v->quantity < 1 || v->quantity > QUANTITY_MAX || symbol_len > SYMBOL_MAX ||
        note_len > NOTE_MAX || !straight_is_utf8(v->symbol, v->symbol_len) ||
        !straight_is_utf8(v->note, v->note_len) || FIXED + symbol_len + 8 + note_len > cap) {
        return 0;
    }
    memcpy(buf, &id, 4);
    memcpy(buf + 4, &v->id, 8);
    memcpy(buf + 12, &v->account, 8);
    memcpy(buf + 20, &v->placed_ms, 8);
    memcpy(buf + 28, &v->price, 8);
    memcpy(buf + 36, &v->venue, 4);
    memcpy(buf + 40, &v->flags, 2);
    memcpy(buf + 42, &v->quantity, 4);
    buf[46] = v->buy;
    memcpy(buf + 47, &symbol_len, 8);
    memcpy(buf + FIXED, v->symbol, v->symbol_len);
    uint8_t *p = buf + FIXED + v->symbol_len;
    memcpy(p, &note_len, 8);
    memcpy(p + 8, v->note, v->note_len);
    return FIXED + v->symbol_len + 8 + v->note_len;
}

bool straight_order_decode(straight_order *out, const uint8_t *data, size_t len)
{
    uint32_t id;
    uint64_t symbol_len;
    uint64_t note_len;

    if (len < FIXED + 8) {
        return false;
    }
    memcpy(&id, data, 4);
    memcpy(&out->id, data + 4, 8);
    memcpy(&out->account, data + 12, 8);
    memcpy(&out->placed_ms, data + 20, 8);
    memcpy(&out->price, data + 28, 8);
    memcpy(&out->venue, data + 36, 4);
    memcpy(&out->flags, data + 40, 2);
    memcpy(&out->quantity, data + 42, 4);
    memcpy(&symbol_len, data + 47, 8);
    if (id != ID || out->quantity < 1 || out->quantity > QUANTITY_MAX || data[46] > 1 ||
        symbol_len > SYMBOL_MAX || len - FIXED - 8 < symbol_len) {
        return false;
    }
    out->buy = data[46] != 0;
    out->symbol = (const char *)data + FIXED;
    out->symbol_len = (size_t)symbol_len;
    const uint8_t *p = data + FIXED + symbol_len;
    memcpy(&note_len, p, 8);
    p += 8;
    if (note_len > NOTE_MAX || (size_t)(data + len - p) != note_len) {
        return false;
    }
    out->note = (const char *)p;
    out->note_len = (size_t)note_len;
    return straight_is_utf8(out->symbol, out->symbol_len) &&
           straight_is_utf8(out->note, out->note_len);
}
