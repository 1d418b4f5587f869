/* straight.c - frames and messages by hand: a look at the ten bytes, a switch, a table. */
#include <string.h>

#include "codec/straight.h"

#include "receiver.h"

#define HEADER 10
#define PAYLOAD_MAX (16u << 20)
#define MAGIC 0xDEADBEEFu
#define VERSION 1
#define FLAG_COMPRESSION 0x03
#define FLAG_ENCRYPTED 0x04
#define FLAG_STREAM 0x08
#define FLAG_MORE 0x10
#define FLAG_RESERVED 0xE0
#define ID_ORDER 256u
#define ID_TICK 257u

uint64_t bench_straight_handled;

typedef struct handlers {
    bool (*on_order)(const straight_order *order, void *user);
    bool (*on_tick)(void *user);
    void *user;
} handlers;

static bool on_order(const straight_order *order, void *user)
{
    bench_consume(order);
    ++*(uint64_t *)user;
    return true;
}

static bool on_tick(void *user)
{
    ++*(uint64_t *)user;
    return true;
}

/* A table that the compiler cannot look into, as that of a user. */
static handlers table = {on_order, on_tick, &bench_straight_handled};

static inline uint32_t be32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, 4);
    return __builtin_bswap32(value);
}

static inline bool handle(const handlers *h, const uint8_t *payload, size_t len)
{
    straight_order order;
    uint32_t id;

    if (len < 4) {
        return false;
    }
    memcpy(&id, payload, 4);
    switch (id) {
    case ID_ORDER:
        return straight_order_decode(&order, payload, len) && h->on_order(&order, h->user);
    case ID_TICK:
        return len == 4 && h->on_tick(h->user);
    default:
        return false;
    }
}

size_t bench_receive_straight(const uint8_t *data, size_t len)
{
    const handlers *h = &table;
    size_t at = 0;

    bench_consume(&table);
    while (len - at >= HEADER) {
        const uint8_t *p = data + at;
        uint8_t flags = p[5];
        size_t payload = be32(p + 6);
        if (be32(p) != MAGIC || p[4] != VERSION || payload > PAYLOAD_MAX ||
            (flags & (FLAG_RESERVED | FLAG_COMPRESSION | FLAG_ENCRYPTED)) != 0) {
            return BENCH_REFUSED;
        }
        if ((flags & (FLAG_STREAM | FLAG_MORE)) != 0) {
            return BENCH_REFUSED; /* not in this stream; a real one would branch off here */
        }
        if (len - at - HEADER < payload) {
            break;
        }
        if (!handle(h, p + HEADER, payload)) {
            return BENCH_REFUSED;
        }
        at += HEADER + payload;
    }
    return at;
}
