/* main.c - an order of about 100 bytes through every codec. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contestant.h"

#define ROUNDS 151
#define TURN_US 300

typedef struct entry {
    const bench_contestant *contestant; /* NULL: not installed */
    const char *name;
    const char *package;
    double encode_limit; /* of netproto's time divided by this one's; 0: none */
    double decode_limit;
    bool peer; /* another library */
} entry;

static const entry entries[] = {
    {&bench_netproto, "netproto", "", 0, 0, false},
    {&bench_memcpy, "memcpy", "", 1.3, 1.8, false},
    {&bench_straight, "straight C", "", 0, 0, false},
#ifdef BENCH_PROTOBUF_C
    {&bench_protobuf_c, "protobuf-c", "", 0, 1, true},
#else
    {NULL, "protobuf-c", "libprotobuf-c-dev protobuf-c-compiler", 0, 1, true},
#endif
#ifdef BENCH_NANOPB
    {&bench_nanopb, "nanopb", "", 0, 1, true},
#else
    {NULL, "nanopb", "libnanopb-dev nanopb", 0, 1, true},
#endif
#ifdef BENCH_MSGPACK
    {&bench_msgpack, "msgpack-c", "", 0, 1, true},
#else
    {NULL, "msgpack-c", "libmsgpack-dev", 0, 1, true},
#endif
#ifdef BENCH_FLATBUFFERS
    {&bench_flatbuffers, "flatbuffers", "", 0, 1, true},
#else
    {NULL, "flatbuffers", "libflatbuffers-dev flatbuffers-compiler", 0, 1, true},
#endif
#ifdef BENCH_CAPNP
    {&bench_capnp, "Cap'n Proto", "", 0, 1, true},
#else
    {NULL, "Cap'n Proto", "libcapnp-dev capnproto", 0, 1, true},
#endif
};

#define ENTRIES (sizeof entries / sizeof entries[0])
/* Netproto shall take at most a third of the fastest peer's time to encode. */
#define FASTEST_LIMIT (1.0 / 3)

static void make_text(char *out, size_t len, uint64_t *seed)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(' ' + bench_random(seed) % ('~' - ' ' + 1));
    }
    out[len] = '\0';
}

static void make_orders(bench_values *orders)
{
    uint64_t seed = 1;

    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        bench_values *o = &orders[i];
        memset(o, 0, sizeof *o);
        o->id = bench_random(&seed);
        o->account = bench_random(&seed) >> 16;
        o->placed_ms = (int64_t)(1700000000000 + bench_random(&seed) % 100000000000);
        o->price = (double)(bench_random(&seed) % 10000000) / 100;
        o->venue = (uint32_t)bench_random(&seed);
        o->flags = (uint16_t)bench_random(&seed);
        o->quantity = 1 + (uint32_t)(bench_random(&seed) % BENCH_QUANTITY_MAX);
        o->buy = bench_random(&seed) % 2 == 1;
        make_text(o->symbol, 4 + bench_random(&seed) % 9, &seed);
        make_text(o->note, 20 + bench_random(&seed) % 19, &seed);
    }
}

/* That each contestant encodes and decodes what it should. */
static void check(const bench_contestant *c, const bench_values *orders)
{
    for (size_t i = 0; c->check != NULL && i < BENCH_ORDERS; i++) {
        const bench_values *o = &orders[i];
        bench_values got;
        memset(&got, 0, sizeof got);
        bool same = c->check(i, &got) && got.id == o->id && got.account == o->account &&
                    got.placed_ms == o->placed_ms && memcmp(&got.price, &o->price, 8) == 0 &&
                    got.venue == o->venue && got.flags == o->flags && got.quantity == o->quantity &&
                    got.buy == o->buy && strcmp(got.symbol, o->symbol) == 0 &&
                    strcmp(got.note, o->note) == 0;
        bench_require(same, c->name);
    }
}

static double average_len(const bench_contestant *c)
{
    size_t total = 0;

    for (size_t i = 0; i < BENCH_ORDERS; i++) {
        total += c->encoded_len(i);
    }
    return (double)total / BENCH_ORDERS;
}

/* What is measured: one direction, in one way. */
typedef struct race {
    const char *what;
    bool encoding;
    bool chained;
} race;

static void (*runner(const bench_contestant *c, const race *r))(void *, size_t)
{
    if (r->chained) {
        return r->encoding ? c->encode_chained : c->decode_chained;
    }
    return r->encoding ? c->encode : c->decode;
}

static void print(const race *r, const entry *e, const bench_task *ours, const bench_task *task)
{
    char note[160];

    snprintf(note, sizeof note, "%.1f ns against %.1f ns; %.0f bytes against %.0f",
             bench_time(ours, ROUNDS) / BENCH_ORDERS, bench_time(task, ROUNDS) / BENCH_ORDERS,
             average_len(&bench_netproto), average_len(e->contestant));
    bench_row(r->what, e->name, bench_ratio(ours, task, ROUNDS),
              r->encoding ? e->encode_limit : e->decode_limit, note);
}

static void measure(const race *r)
{
    bench_task tasks[ENTRIES];
    const bench_task *fastest = NULL;
    size_t count = 0;

    memset(tasks, 0, sizeof tasks);
    for (size_t i = 0; i < ENTRIES; i++) {
        const bench_contestant *c = entries[i].contestant;
        if (c != NULL && runner(c, r) != NULL) {
            tasks[count].name = c->name;
            tasks[count++].run = runner(c, r);
        }
    }
    bench_rounds(tasks, count, ROUNDS, TURN_US);
    for (size_t i = 1, n = 1; i < ENTRIES; i++) {
        const entry *e = &entries[i];
        if (e->contestant == NULL && !r->chained) {
            bench_row_missing(r->what, e->name, e->package);
        }
        if (e->contestant == NULL || runner(e->contestant, r) == NULL) {
            continue;
        }
        print(r, e, &tasks[0], &tasks[n]);
        if (e->peer &&
            (fastest == NULL || bench_time(&tasks[n], ROUNDS) < bench_time(fastest, ROUNDS))) {
            fastest = &tasks[n];
        }
        n++;
    }
    if (r->encoding && fastest != NULL) {
        char name[64];
        snprintf(name, sizeof name, "the fastest peer (%s)", fastest->name);
        bench_row(r->what, name, bench_ratio(&tasks[0], fastest, ROUNDS), FASTEST_LIMIT, "");
    }
    for (size_t i = 0; i < count; i++) {
        free(tasks[i].times);
    }
}

int main(void)
{
    static const race races[] = {
        {"encode, in bulk", true, false},
        {"encode, one after another", true, true},
        {"decode, in bulk", false, false},
        {"decode, one after another", false, true},
    };
    static bench_values orders[BENCH_ORDERS];

    make_orders(orders);
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].contestant != NULL) {
            entries[i].contestant->prepare(orders);
            check(entries[i].contestant, orders);
        }
    }
    for (size_t i = 0; i < sizeof races / sizeof races[0]; i++) {
        measure(&races[i]);
    }
    return 0;
}
