/* main.c - a stream of frames: found, checked, decoded, handed to a handler behind a pointer.
 *
 * Once in whole buffers, once cut at random places, where the rest of a split frame stays and the
 * next piece lands behind it. The short frame has 14 bytes, the long one 107.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trade.h>

#include "receiver.h"

#define ROUNDS 151
#define TURN_US 300
#define FRAMES 512
#define LONG_STRINGS 34 /* bytes of text that make a frame of 107 bytes */
#define LONG_FRAME 107
#define SHORT_FRAME 14
#define HEADER 10
#define PIECE_MAX 1500
#define WHOLE_PIECE 32768
#define LIMIT_WHOLE 1.1
#define LIMIT_CUT 1.2

typedef struct stream {
    uint8_t data[FRAMES * LONG_FRAME];
    size_t len;
    uint16_t pieces[FRAMES * LONG_FRAME];
    size_t piece_count;
} stream;

/* A contestant and its stream. */
typedef struct feed {
    const stream *in;
    bench_receive *receive;
} feed;

static size_t put_header(uint8_t *p, size_t len)
{
    const uint8_t header[HEADER] = {
        0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, (uint8_t)(len >> 8), (uint8_t)len,
    };

    memcpy(p, header, sizeof header);
    return sizeof header;
}

static size_t put_order(uint8_t *p, uint64_t *seed)
{
    char text[LONG_STRINGS];
    size_t symbol = 4 + bench_random(seed) % 9;
    trade_order order = {
        .id = bench_random(seed),
        .account = bench_random(seed),
        .placed_ms = (int64_t)(bench_random(seed) >> 20),
        .price = (double)(bench_random(seed) % 10000000) / 100,
        .venue = (uint32_t)bench_random(seed),
        .flags = (uint16_t)bench_random(seed),
        .quantity = 1 + (uint32_t)(bench_random(seed) % 1000000),
        .buy = bench_random(seed) % 2 == 1,
        .symbol = {text, symbol},
        .note = {text + symbol, LONG_STRINGS - symbol},
    };
    size_t len = 0;

    for (size_t i = 0; i < LONG_STRINGS; i++) {
        text[i] = (char)('a' + bench_random(seed) % 26);
    }
    bench_require(trade_order_encode(&order, p + HEADER, LONG_FRAME, &len, NULL) == NP_OK &&
                      len + HEADER == LONG_FRAME,
                  "an order makes a frame of 107 bytes");
    return len + put_header(p, len);
}

static size_t put_tick(uint8_t *p)
{
    trade_tick tick = {0};
    size_t len = 0;

    bench_require(trade_tick_encode(&tick, p + HEADER, 4, &len, NULL) == NP_OK, "a tick encodes");
    return len + put_header(p, len);
}

static void make_stream(stream *out, bool orders, bool cut)
{
    uint8_t frame[HEADER + LONG_FRAME];
    uint64_t seed = 2;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < FRAMES; i++) {
        size_t len = orders ? put_order(frame, &seed) : put_tick(frame);
        memcpy(out->data + out->len, frame, len);
        out->len += len;
    }
    for (size_t at = 0; at < out->len;) {
        size_t len = cut ? 1 + bench_random(&seed) % PIECE_MAX : WHOLE_PIECE;
        len = len < out->len - at ? len : out->len - at;
        if (!cut) { /* at the end of a frame */
            len -= len % (orders ? LONG_FRAME : SHORT_FRAME);
        }
        out->pieces[out->piece_count++] = (uint16_t)len;
        at += len;
    }
}

/* The same buffer for whoever takes the frames. */
static void run_feed(void *context, size_t passes)
{
    static uint8_t buffer[WHOLE_PIECE + PIECE_MAX + LONG_FRAME];
    const feed *f = context;

    for (size_t n = 0; n < passes; n++) {
        const uint8_t *from = f->in->data;
        size_t kept = 0;
        for (size_t i = 0; i < f->in->piece_count; i++) {
            size_t len = f->in->pieces[i];
            memcpy(buffer + kept, from, len); /* the read */
            from += len;
            len += kept;
            size_t used = f->receive(buffer, len);
            bench_require(used != BENCH_REFUSED, "good frames are taken");
            kept = len - used;
            memmove(buffer, buffer + used, kept);
        }
        bench_require(kept == 0, "all frames are taken");
    }
}

static void run_session(void *context, size_t passes)
{
    const feed *f = context;

    for (size_t n = 0; n < passes; n++) {
        bench_session_receive(f->in->data, f->in->pieces, f->in->piece_count);
    }
}

static void measure(const char *what, bool orders, bool cut)
{
    static stream in;
    feed netproto = {&in, bench_receive_netproto};
    feed straight = {&in, bench_receive_straight};
    bench_task tasks[] = {
        {"netproto", run_feed, &netproto, 0, NULL},
        {"straight C", run_feed, &straight, 0, NULL},
        {"session", run_session, &netproto, 0, NULL},
    };
    char note[96];
    char row[96];

    make_stream(&in, orders, cut);
    bench_netproto_handled = 0;
    bench_straight_handled = 0;
    bench_session_handled = 0;
    run_feed(&netproto, 1);
    run_feed(&straight, 1);
    run_session(&netproto, 1);
    bench_require(bench_netproto_handled == FRAMES && bench_straight_handled == FRAMES &&
                      bench_session_handled == FRAMES,
                  "each frame reaches a handler");
    bench_rounds(tasks, 3, ROUNDS, TURN_US);
    for (size_t i = 0; i < 3; i += 2) {
        snprintf(note, sizeof note, "%.1f ns a frame against %.1f ns",
                 bench_time(&tasks[i], ROUNDS) / FRAMES, bench_time(&tasks[1], ROUNDS) / FRAMES);
        snprintf(row, sizeof row, "%s, %s", i == 0 ? "framing" : "session, input side", what);
        bench_row(row, "straight C", bench_ratio(&tasks[i], &tasks[1], ROUNDS),
                  i > 0 ? 0
                  : cut ? LIMIT_CUT
                        : LIMIT_WHOLE,
                  note);
    }
    for (size_t i = 0; i < 3; i++) {
        free(tasks[i].times);
    }
}

int main(void)
{
    bench_session_start();
    measure("14 bytes, whole", false, false);
    measure("107 bytes, whole", true, false);
    measure("14 bytes, cut", false, true);
    measure("107 bytes, cut", true, true);
    return 0;
}
