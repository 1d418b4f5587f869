/* Bodies beside messages at random: how much of the queue bodies fill, whether they go on, and
 * whether WRITABLE spins. The peer's side is thrown away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "protocol/session_private.h"
#include "support/session_talk.h"

#define SEGMENTS 100000

typedef struct segment {
    uint64_t from, to; /* of all bytes that were ever queued */
} segment;

typedef struct world {
    wire w;
    uint64_t body;
    bool have_body;
    uint64_t left;
    segment s[SEGMENTS];
    size_t count;
    size_t first; /* that is not gone */
    uint64_t in, out;
    uint64_t body_bytes;
    unsigned writables;
    uint32_t rnd;
    size_t worst;
    unsigned most_writables;
} world;

static uint32_t rnd(world *x, uint32_t n)
{
    x->rnd = x->rnd * 1664525u + 1013904223u;
    return (x->rnd >> 8) % n;
}

static const uint8_t *bytes;

/* Sealing adds bytes; they count for what stands at the end. */
static void track(world *x, bool body)
{
    uint64_t in = x->out + np_session_queued(&x->w.server.s);

    if (in > x->in && body) {
        x->s[x->count++] = (segment){x->in, in};
        assert_true(x->count < SEGMENTS);
    }
    x->in = in;
}

static size_t bodies_queued(world *x)
{
    size_t sum = 0;

    while (x->first < x->count && x->s[x->first].to <= x->out) {
        x->first++;
    }
    for (size_t i = x->first; i < x->count; i++) {
        uint64_t from = x->s[i].from > x->out ? x->s[i].from : x->out;
        sum += (size_t)(x->s[i].to - from);
    }
    return sum;
}

static void write_body(world *x)
{
    const base_data data = {.name = np_str_from("file")};
    np_session *s = &x->w.server.s;
    size_t taken = 0;
    np_err err = NP_OK;

    track(x, false);
    while (err == NP_OK) {
        if (!x->have_body) {
            x->left = 1 + rnd(x, 600000);
            err = np_session_body_begin(s, &base_protocol.messages[BASE_DATA_ID], &data, x->left,
                                        &x->body, NULL);
            assert_int_equal(err, NP_OK);
            x->have_body = true;
        }
        size_t n = x->left < 100000 ? (size_t)x->left : 100000;
        if (n > 0) {
            err = np_session_body_write(s, x->body, bytes, n, &taken);
            x->left -= taken;
            x->body_bytes += taken;
            if (err == NP_OK && taken < n) {
                break;
            }
        }
        if (err == NP_OK && x->left == 0) {
            err = np_session_body_end(s, x->body);
            x->have_body = err != NP_OK;
        }
    }
    assert_true(err == NP_OK || err == NP_ERR_FULL);
    track(x, true);
}

static void say(world *x)
{
    track(x, false);
    (void)!talk_say(&x->w.server.s, bytes, 1 + rnd(x, 3000));
    track(x, false);
}

static void on_event(wire_end *end, const np_session_event *event)
{
    world *x = end->app;

    if (event->kind == NP_SESSION_EVENT_WRITABLE) {
        x->writables++;
        assert_true(x->writables < 1000);
        write_body(x);
        while (np_session_queued(&x->w.server.s) < end->options.queue_max / 3) {
            say(x);
        }
    }
}

static void run(uint32_t seed, size_t queue_max, bool secure, bool compress)
{
    world *x = calloc(1, sizeof *x);
    np_session *s = &x->w.server.s;
    struct iovec iov[8];
    size_t bound;
    unsigned idle = 0;
    unsigned most_idle = 0;

    x->rnd = seed;
    wire_init(&x->w);
    if (secure) {
        wire_secure(&x->w);
    }
    if (compress) {
        wire_compress(&x->w.server, NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE, 64);
        wire_compress(&x->w.client, NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE, 64);
    }
    wire_open(&x->w);
    x->w.server.options.queue_max = queue_max;
    bound = np__session_body_bound(s);
    x->w.server.app = x;
    x->w.server.on_event = on_event;
    x->in = x->out = 0;
    for (int i = 0; i < 20000 && x->count < SEGMENTS - 200; i++) {
        uint64_t before = x->body_bytes;
        size_t n = 0;
        if (i == 0 || rnd(x, 10) == 0) {
            write_body(x);
        }
        for (uint32_t k = rnd(x, 4); k > 0 && np_session_queued(s) < queue_max * 2 / 5; k--) {
            say(x);
        }
        if (bodies_queued(x) > x->worst) {
            x->worst = bodies_queued(x);
        }
        x->writables = 0;
        track(x, false);
        (void)np_session_output(s, iov, 8, x->w.now);
        track(x, false); /* what was sealed */
        for (size_t k = 0; k < 8; k++) {
            n += 0;
        }
        {
            size_t gathered = 0;
            size_t count = np_session_output(s, iov, 8, x->w.now);
            for (size_t k = 0; k < count; k++) {
                gathered += iov[k].iov_len;
            }
            n = gathered > 0 ? 1 + rnd(x, (uint32_t)(gathered < 9000 ? gathered : 9000)) : 0;
        }
        np_session_output_done(s, n, x->w.now);
        x->out += n;
        wire_drain(&x->w, &x->w.server);
        if (x->writables > x->most_writables) {
            x->most_writables = x->writables;
        }
        np_session_park(s);
        idle = x->body_bytes > before ? 0 : idle + (unsigned)n;
        most_idle = idle > most_idle ? idle : most_idle;
        x->w.now.mono_ms++;
    }
    assert_true(x->worst <= bound + 1024 + 2048);
    assert_true(most_idle < queue_max * 2);
    assert_true(x->most_writables <= 2);
    wire_fini(&x->w);
    free(x);
}

static void test_bodies(void **state)
{
    static const size_t maxes[] = {4096, 20000, 100000, 1 << 20};

    (void)state;
    bytes = wire_pattern(200000, 5);
    for (uint32_t seed = 1; seed < 3; seed++) {
        for (size_t i = 0; i < 4; i++) {
            run(seed, maxes[i], false, false);
            run(seed, maxes[i], true, false);
            run(seed, maxes[i], false, true);
        }
    }
    free((void *)(uintptr_t)bytes);
}

static void test_bodies_that_pack(void **state)
{
    uint8_t *zeros = calloc(1, 200000);

    (void)state;
    bytes = zeros;
    run(1, 1 << 20, false, true);
    run(1, 20000, false, true);
    run(1, 1 << 20, true, true);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bodies_that_pack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
