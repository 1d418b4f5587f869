/* Peers that are slow on purpose: how long a message may take, however it is cut - one frame, many
 * fragments, records, compressed payloads, a body that is collected whole - and that the time rests
 * while it is this side that does not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/demo_protocol.h"
#include "support/session_wire.h"

#define MIB ((size_t)1 << 20)

/* Of the defaults, for a message of so many bytes. */
#define ALLOWED_MS(len) (30000 + (uint64_t)(len)*1000 / 65536)

static size_t cut_at(void *user, size_t n)
{
    (void)n;
    return *(const size_t *)user;
}

/* The server reads so many bytes every `ms`, until it has had enough: returns when that was, or 0
 * where it took all. */
static uint64_t drip(wire *w, size_t bytes, uint64_t ms)
{
    uint64_t begin = w->now.mono_ms;

    w->cut = cut_at;
    w->user = &bytes;
    while (np_session_is_open(&w->server.s) && w->server.byte_count > 0) {
        assert_true(wire_read(w, &w->server));
        if (np_session_is_open(&w->server.s)) {
            assert_true(np_session_deadline(&w->server.s) > w->now.mono_ms);
        }
        w->now.mono_ms += ms;
        np_session_tick(&w->server.s, w->now);
    }
    if (np_session_is_open(&w->server.s)) {
        return 0;
    }
    assert_int_equal(w->server.s.end_err, NP_ERR_DEADLINE);
    np_session_park(&w->server.s);
    assert_int_equal(w->server.s.whole.cap, 0); /* what has come is not held any longer */
    np_session_lost(&w->server.s, NP_ERR_RESET, w->now);
    wire_drain(w, &w->server);
    assert_string_equal(w->server.events[w->server.event_count - 1].fault.where,
                        "frame_timeout_ms");
    return w->now.mono_ms - begin;
}

/* A message of 1 MiB is on its way to the server. */
static void send_large(wire *w)
{
    uint8_t *data = wire_pattern(MIB, 9);
    demo_say say = {{data, MIB}};

    w->client.options.queue_max = 4 * MIB;
    wire_open(w);
    assert_int_equal(np_session_send(&w->client.s, demo_message_say, &say, NULL), NP_OK);
    while (np_session_queued(&w->client.s) > 0) {
        wire_write(w, &w->client);
    }
    free(data);
}

static void expect_time(wire *w, size_t bytes, uint64_t ms, uint64_t least, uint64_t most)
{
    uint64_t took = drip(w, bytes, ms);

    assert_in_range(took, least, most + ms);
    wire_fini(w);
}

/* Our own sender cuts what is large. What is announced moves the deadline as it is, so who comes to
 * the half has half of the time that is added. */
static void test_large_message(void **state)
{
    wire w;

    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        for (size_t bytes = 100; bytes < 20000; bytes *= 10) {
            wire_init(&w);
            if (secure) {
                wire_secure(&w);
            }
            send_large(&w);
            expect_time(&w, bytes, 2000, 30000, ALLOWED_MS(MIB));
        }
        /* Who keeps to a second for each 64 KiB is in time. */
        wire_init(&w);
        if (secure) {
            wire_secure(&w);
        }
        send_large(&w);
        assert_int_equal(drip(&w, 8192, 125), 0);
        wire_fini(&w);
    }
}

static void test_compressed_message(void **state)
{
    wire w;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        np_compression first = kind == 0 ? NP_COMPRESSION_LZ4 : NP_COMPRESSION_ZSTD;
        wire_init(&w);
        wire_compress(&w.client, first, NP_COMPRESSION_NONE, 512);
        wire_compress(&w.server, first, NP_COMPRESSION_NONE, 512);
        send_large(&w);
        expect_time(&w, 2, 5000, 30000, ALLOWED_MS(MIB));
    }
}

static void frame(wire_end *to, uint8_t kind, uint32_t stream, bool more, const void *body,
                  size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, more);
    uint8_t bytes[NP_FRAMING_HEAD_MAX];

    np_framing_put(bytes, &head);
    wire_inject(to, bytes, head.head_len);
    wire_inject(to, body, len);
}

/* As an attacker would cut it: the least fragments, each in time by itself. */
static void test_least_fragments(void **state)
{
    uint8_t bytes[1024] = {0};
    wire w;

    (void)state;
    np_put_u32(bytes, DEMO_SAY_ID);
    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 1000; i++) {
        frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, sizeof bytes);
    }
    expect_time(&w, 1034, 20000, 30000, ALLOWED_MS(4 * 1034));
}

/* In one frame, whose head announces all of it. */
static void test_one_frame(void **state)
{
    uint8_t *bytes = calloc(1, MIB);
    wire w;

    (void)state;
    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);
    np_put_u64(bytes + 4, MIB - 12);
    wire_init(&w);
    wire_open(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, bytes, MIB);
    expect_time(&w, 2000, 1000, ALLOWED_MS(MIB), ALLOWED_MS(MIB));
    free(bytes);
}

/* Bodies ------------------------------------------------------------------------------------ */

static void take_whole(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
    }
}

/* Pieces of a body of base.Data, by hand: whoever collects it is owed the end in time. */
static void send_body(wire *w, size_t piece)
{
    uint8_t *bytes = calloc(1, MIB + 21);
    size_t len = MIB + 21;

    assert_non_null(bytes);
    np_put_u32(bytes, BASE_DATA_ID);
    np_put_u64(bytes + 4, 1);
    bytes[12] = 'x';
    np_put_u64(bytes + 13, MIB);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        frame(&w->server, NP_FRAMING_DATA, 1, at + n < len, bytes + at, n);
    }
    free(bytes);
}

static void test_body_collected_whole(void **state)
{
    wire w;

    (void)state;
    for (size_t piece = 1024; piece <= 65536; piece *= 8) {
        wire_init(&w);
        w.server.on_event = take_whole;
        wire_open(&w);
        send_body(&w, piece);
        /* A piece is a frame, which has a deadline as well. */
        expect_time(&w, 1034, 2000, piece < 65536 ? ALLOWED_MS(MIB) : 30000,
                    ALLOWED_MS(MIB + 65536));
    }
}

/* Who gives the pieces on as they come has no reason to hurry, as long as some come. */
static void test_body_in_pieces(void **state)
{
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    send_body(&w, 65536);
    assert_int_equal(drip(&w, 8192, 3000), 0);
    wire_fini(&w);
}

/* The fields before a body are bounded by the schema, and come in time or not at all. */
static void test_head_of_a_body(void **state)
{
    uint8_t bytes[1024] = {0};
    wire w;

    (void)state;
    np_put_u32(bytes, BASE_DATA_ID);
    np_put_u64(bytes + 4, 200);
    wire_init(&w);
    wire_open(&w);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, sizeof bytes);
    expect_time(&w, 5, 1500, 30000, ALLOWED_MS(1024));
}

/* Resting ----------------------------------------------------------------------------------- */

/* A message that has begun, of which 10 s have gone. */
static uint64_t begin_message(wire *w)
{
    static uint8_t bytes[1024];

    np_put_u32(bytes, DEMO_SAY_ID);
    wire_open(w);
    frame(&w->server, NP_FRAMING_NO_STREAM, 0, true, bytes, sizeof bytes);
    while (wire_read(w, &w->server)) {
    }
    w->now.mono_ms += 10000;
    np_session_tick(&w->server.s, w->now);
    return ALLOWED_MS(1024) - 10000;
}

static void expect_left(wire *w, uint64_t left)
{
    assert_int_equal(np_session_deadline(&w->server.s), w->now.mono_ms + left);
    w->now.mono_ms += left - 1;
    np_session_tick(&w->server.s, w->now);
    assert_true(np_session_is_open(&w->server.s));
    w->now.mono_ms += 1;
    np_session_tick(&w->server.s, w->now);
    assert_false(np_session_is_open(&w->server.s));
    assert_int_equal(w->server.s.end_err, NP_ERR_DEADLINE);
    wire_fini(w);
}

static void test_rests_while_held(void **state)
{
    uint64_t left = 0;
    wire w;

    (void)state;
    wire_init(&w);
    left = begin_message(&w);
    for (int i = 0; i < 3; i++) {
        np_session_hold(&w.server.s, true, w.now);
        np_session_hold(&w.server.s, true, w.now);
        w.now.mono_ms += 1000000;
        np_session_tick(&w.server.s, w.now);
        assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
        assert_true(np_session_is_open(&w.server.s));
        np_session_hold(&w.server.s, false, w.now);
        w.now.mono_ms += 1000;
        left -= 1000;
        np_session_tick(&w.server.s, w.now);
    }
    expect_left(&w, left);
}

/* Bodies under way rest, too: one that is collected whole, and one in pieces. */
static void test_bodies_rest_while_held(void **state)
{
    uint8_t bytes[2048] = {0};
    uint64_t begin = 0;
    wire w;

    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        wire_init(&w);
        w.server.on_event = whole ? take_whole : NULL;
        wire_open(&w);
        np_put_u32(bytes, BASE_DATA_ID);
        np_put_u64(bytes + 4, 1);
        np_put_u64(bytes + 13, MIB);
        begin = w.now.mono_ms;
        frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, sizeof bytes);
        while (wire_read(&w, &w.server)) {
        }
        w.now.mono_ms += 5000;
        np_session_hold(&w.server.s, true, w.now);
        w.now.mono_ms += 1000000;
        np_session_tick(&w.server.s, w.now);
        assert_true(np_session_is_open(&w.server.s));
        np_session_hold(&w.server.s, false, w.now);
        expect_left(&w, (whole ? ALLOWED_MS(MIB) + ALLOWED_MS(2048) - 30000 : 30000) -
                            (w.now.mono_ms - 1000000 - begin));
    }
}

/* A peer that takes no answers gains no time by it: what it is in the middle of has what is left.
 */
static void test_rests_while_paused(void **state)
{
    uint8_t request[8] = {0};
    uint8_t bytes[2048] = {0};
    uint64_t begin = 0;
    wire w;

    (void)state;
    np_put_u32(request, DEMO_FIND_ID);
    wire_init(&w);
    w.server.on_event = take_whole;
    w.server.options.queue_max = 100;
    wire_open(&w);
    np_put_u32(bytes, BASE_DATA_ID);
    np_put_u64(bytes + 4, 1);
    np_put_u64(bytes + 13, MIB);
    begin = w.now.mono_ms;
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, sizeof bytes);
    while (wire_read(&w, &w.server)) {
    }
    for (int i = 0; i < 3; i++) {
        w.now.mono_ms += 5000;
        np_session_tick(&w.server.s, w.now);
        while (w.server.s.out.queued <= w.server.options.queue_max / 2) {
            assert_int_equal(np_session_ping(&w.server.s, 1), NP_OK);
        }
        frame(&w.server, NP_FRAMING_REQUEST, 3 + 2 * (uint32_t)i, false, request, sizeof request);
        while (wire_read(&w, &w.server)) {
        }
        assert_true(w.server.s.paused);
        w.now.mono_ms += 1000000;
        begin += 1000000;
        np_session_tick(&w.server.s, w.now);
        assert_true(np_session_is_open(&w.server.s));
        wire_run(&w);
        assert_false(w.server.s.paused);
    }
    expect_left(&w, ALLOWED_MS(MIB) + ALLOWED_MS(2048) - 30000 - (w.now.mono_ms - begin));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_message),          cmocka_unit_test(test_compressed_message),
        cmocka_unit_test(test_least_fragments),        cmocka_unit_test(test_one_frame),
        cmocka_unit_test(test_body_collected_whole),   cmocka_unit_test(test_body_in_pieces),
        cmocka_unit_test(test_head_of_a_body),         cmocka_unit_test(test_rests_while_held),
        cmocka_unit_test(test_bodies_rest_while_held), cmocka_unit_test(test_rests_while_paused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
