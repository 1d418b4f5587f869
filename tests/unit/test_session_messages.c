/* Two sessions over memory: messages of all sizes, cut at every place, and backpressure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/session_talk.h"

static void test_messages_both_ways(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(talk_say(&w.client.s, "hello", 5), NP_OK);
        assert_int_equal(talk_say(&w.server.s, "you too", 7), NP_OK);
    }
    wire_run(&w);
    for (int i = 0; i < 100; i++) {
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "hello", 5);
        talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), "you too", 7);
    }
    assert_null(wire_next(&w.server));
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
    wire_fini(&w);
}

static void test_encoded_messages(void **state)
{
    uint8_t payload[12] = {0};
    wire w;
    (void)state;

    np_put_u32(payload, DEMO_SAY_ID);
    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_send_encoded(&w.client.s, demo_message_say, payload, 12, NULL),
                     NP_OK);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "", 0);
    wire_fini(&w);
}

static void test_refuses_to_send(void **state)
{
    np_message stranger = *demo_message_say;
    demo_find find = {1001};
    demo_say value = {{NULL, 0}};
    np_fault fault;
    uint32_t stream = 0;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_send(&w.client.s, demo_message_find, &find, NULL), NP_ERR_ARG);
    assert_int_equal(np_session_send(&w.client.s, &stranger, &value, NULL), NP_ERR_ARG);
    assert_int_equal(np_session_request(&w.client.s, demo_message_say, &value, NP_TIME_NEVER, NULL,
                                        &stream, NULL),
                     NP_ERR_ARG);
    assert_int_equal(np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER, NULL,
                                        &stream, &fault),
                     NP_ERR_RANGE);
    assert_string_equal(fault.where, "demo.Find.key");
    assert_int_equal(fault.offset, 4);
    assert_int_equal(np_session_ping(&w.client.s, UINT64_MAX), NP_ERR_ARG);
    talk_assert_idle(&w.client);
    wire_fini(&w);
}

/* Sizes at the edges of blocks, fragments and the direct way into the body. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {0,     1,     500,   4083,   4084,   4085,    65523,  65524,
                                   65525, 65536, 65537, 131060, 131072, 1000000, 8000000};
    uint8_t *bytes = wire_pattern(8000000, 1);
    (void)state;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        wire w;
        wire_init(&w);
        wire_open(&w);
        assert_int_equal(talk_say(&w.client.s, bytes, sizes[i]), NP_OK);
        assert_int_equal(talk_say(&w.client.s, "next", 4),
                         sizes[i] <= 1000000 ? NP_OK : NP_ERR_FULL);
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, sizes[i]);
        if (sizes[i] <= 1000000) {
            talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "next", 4);
        } else {
            wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
        }
        assert_null(wire_next(&w.server));
        talk_assert_idle(&w.client);
        talk_assert_idle(&w.server);
        wire_fini(&w);
    }
    free(bytes);
}

/* The memory that a large message takes follows the bytes that came. */
static void test_memory_follows_bytes(void **state)
{
    uint8_t *bytes = wire_pattern(8000000, 2);
    size_t came = 0;
    uint8_t *sent;
    size_t sent_len;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, bytes, 8000000), NP_OK);
    wire_write(&w, &w.client);
    while (np_session_queued(&w.client.s) > 0) {
        wire_write(&w, &w.client);
    }
    sent = w.server.bytes;
    sent_len = w.server.byte_count;
    w.server.bytes = NULL;
    w.server.byte_count = 0;
    while (came < sent_len) {
        size_t piece = sent_len - came < 10000 ? sent_len - came : 10000;
        wire_inject(&w.server, sent + came, piece);
        while (wire_read(&w, &w.server)) {
        }
        came += piece;
        assert_true(w.server.pool.live <= 2 * came + 2 * NP_POOL_TOP);
    }
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 8000000);
    talk_assert_idle(&w.server);
    free(sent);
    free(bytes);
    wire_fini(&w);
}

/* The same conversation, cut at every place; with `cut` bytes in the first read after opening and
 * one in every later one where `slow`. */
typedef struct cutter {
    size_t first, second;
    bool slow;
} cutter;

static size_t cut_at(void *user, size_t n)
{
    const cutter *c = user;
    return n == 0 ? c->first : n == 1 ? c->second : c->slow ? 1 : 0;
}

static void converse_cut(cutter *c, size_t total)
{
    demo_find find = {7};
    uint32_t stream = 0;
    wire w;

    wire_init(&w);
    wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, "one", 3), NP_OK);
    assert_int_equal(
        np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER, &w, &stream, NULL),
        NP_OK);
    assert_int_equal(talk_say(&w.client.s, "", 0), NP_OK);
    assert_int_equal(np_session_queued(&w.client.s), total);
    w.cut = cut_at;
    w.user = c;
    wire_write(&w, &w.client);
    while (wire_read(&w, &w.server)) {
    }
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "one", 3);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event.stream, stream);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "", 0);
    assert_null(wire_next(&w.server));
    wire_fini(&w);
}

static void test_every_cut(void **state)
{
    const size_t total = (10 + 15) + (18 + 8) + (10 + 12);
    (void)state;

    for (size_t i = 1; i < total; i++) {
        cutter slow = {i, 1, true};
        converse_cut(&slow, total);
        for (size_t j = 1; j < total - i; j++) {
            cutter pair = {i, j, false};
            converse_cut(&pair, total);
        }
    }
}

static size_t cut_random(void *user, size_t n)
{
    uint32_t *seed = user;
    (void)n;
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % ((*seed >> 28) < 8 ? 40 : 70000) + 1;
}

/* Traffic of all sizes in both directions, reads and writes cut at random. */
static void test_random_cuts(void **state)
{
    uint8_t *bytes = wire_pattern(300000, 3);
    (void)state;

    for (uint32_t round = 0; round < 60; round++) {
        uint32_t seed = round * 7919 + 1;
        size_t lens[40];
        uint32_t draw = seed;
        wire w;

        wire_init(&w);
        wire_open(&w);
        w.client.options.queue_max = 64u << 20;
        w.server.options.queue_max = 64u << 20;
        w.cut = cut_random;
        w.user = &seed;
        w.write_max = round % 3 == 0 ? 0 : 1 + round * 977;
        for (size_t i = 0; i < 40; i++) {
            draw = draw * 1664525u + 1013904223u;
            lens[i] = (draw >> 4) % (i % 8 == 0 ? 300000 : i % 4 == 0 ? 9000 : 100);
            assert_int_equal(talk_say(&w.client.s, bytes, lens[i]), NP_OK);
            assert_int_equal(talk_say(&w.server.s, bytes + 1, lens[i] / 2), NP_OK);
        }
        wire_run(&w);
        for (size_t i = 0; i < 40; i++) {
            talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, lens[i]);
            talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), bytes + 1,
                             lens[i] / 2);
        }
        talk_assert_idle(&w.client);
        talk_assert_idle(&w.server);
        wire_fini(&w);
    }
    free(bytes);
}

/* A pump that stops draining: park keeps whole frames, and nothing is read until they are taken. */
static void test_backpressure(void **state)
{
    np_session_event event;
    uint8_t *place;
    size_t room;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    }
    wire_write(&w, &w.client);
    w.server.byte_count -= 5; /* the last one is split */
    w.server.stop = true;
    assert_true(wire_read(&w, &w.server));
    assert_true(np_session_pending(&w.server.s));
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
    for (int i = 0; i < 9; i++) {
        assert_true(np_session_pending(&w.server.s));
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_MESSAGE);
        np_session_park(&w.server.s);
    }
    assert_false(np_session_next_event(&w.server.s, &event));
    assert_false(np_session_pending(&w.server.s));
    np_session_park(&w.server.s);
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_PLACE);
    wire_fini(&w);
}

static void test_hold(void **state)
{
    uint8_t *place;
    size_t room;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    assert_int_equal(talk_say(&w.client.s, "def", 3), NP_OK);
    wire_write(&w, &w.client);
    w.server.byte_count -= 3;
    wire_read(&w, &w.server);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "abc", 3);
    assert_int_not_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    np_session_hold(&w.server.s, true, w.now);
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    w.now.mono_ms += 1000000;
    np_session_hold(&w.server.s, false, w.now);
    wire_drain(&w, &w.server);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    wire_inject(&w.server, "def", 3);
    np_session_park(&w.server.s);
    wire_read(&w, &w.server);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "def", 3);
    wire_fini(&w);
}

static void test_full_and_writable(void **state)
{
    uint8_t *bytes = wire_pattern(100000, 4);
    int sent = 0;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    while (talk_say(&w.client.s, bytes, 100000) == NP_OK) {
        sent++;
        assert_true(np_session_queued(&w.client.s) <= w.client.options.queue_max);
    }
    assert_int_equal(sent, 10);
    assert_int_equal(talk_say(&w.client.s, bytes, 100000), NP_ERR_FULL);
    w.write_max = 100000;
    wire_write(&w, &w.client);
    wire_drain(&w, &w.client);
    assert_null(wire_next(&w.client)); /* not half empty yet */
    w.write_max = 0;
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.client));
    for (int i = 0; i < sent; i++) {
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 100000);
    }
    free(bytes);
    wire_fini(&w);
}

static void test_ping(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_ping(&w.client.s, 12345), NP_OK);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
    assert_int_equal(event->event.id, BASE_PONG_ID);
    assert_int_equal(event->event.version, BASE_VERSION);
    assert_int_equal(np_get_u64(event->payload + 4), 12345);
    assert_null(wire_next(&w.server));
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_both_ways),   cmocka_unit_test(test_encoded_messages),
        cmocka_unit_test(test_refuses_to_send),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_memory_follows_bytes), cmocka_unit_test(test_random_cuts),
        cmocka_unit_test(test_full_and_writable),    cmocka_unit_test(test_ping),
    };
    /* What lies in frames; records have tests of their own. */
    const struct CMUnitTest frames[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_hold),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return wire_is_secure() ? failed : failed + cmocka_run_group_tests(frames, NULL, NULL);
}
