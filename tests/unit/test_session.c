/* Two sessions over memory: opening, messages, requests, closing, cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/demo_protocol.h"
#include "support/session_wire.h"

static demo_say say_of(const void *data, size_t len)
{
    demo_say say = {{data, len}};
    return say;
}

static np_err say(np_session *s, const void *data, size_t len)
{
    demo_say value = say_of(data, len);
    return np_session_send(s, demo_message_say, &value, NULL);
}

static void assert_said(const wire_event *event, const void *data, size_t len)
{
    assert_int_equal(event->event.id, DEMO_SAY_ID);
    assert_int_equal(event->event.len, len + 12);
    assert_int_equal(np_get_u32(event->payload), DEMO_SAY_ID);
    assert_int_equal(np_get_u64(event->payload + 4), len);
    assert_memory_equal(event->payload + 12, data, len);
}

/* An idle session holds nothing but its struct. */
static void assert_idle(const wire_end *end)
{
    assert_int_equal(end->pool.live, 0);
}

static void test_opens(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_start(&w);
    assert_int_equal(say(&w.client.s, "x", 1), NP_ERR_STATE);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_OPEN)->event.version, 2);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_OPEN)->event.version, 2);
    assert_true(np_session_is_open(&w.client.s) && np_session_is_open(&w.server.s));
    assert_int_equal(np_session_deadline(&w.client.s), NP_TIME_NEVER);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    assert_idle(&w.client);
    assert_idle(&w.server);
    wire_fini(&w);
}

static void test_meets_in_an_older_version(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    w.server.options.version_max = 1;
    wire_start(&w);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_OPEN)->event.version, 1);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_OPEN)->event.version, 1);
    assert_int_equal(np_session_send(&w.client.s, demo_message_later, "", NULL), NP_ERR_NEWER);
    wire_fini(&w);
}

static void test_no_version_in_common(void **state)
{
    wire w;
    const wire_event *event;
    (void)state;

    wire_init(&w);
    w.client.options.version_min = 2;
    w.server.options.version_max = 1;
    wire_start(&w);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
    assert_true(event->event.by_peer);
    assert_string_equal(event->text, "the peer speaks demo 1 to 1");
    /* The server lingers until the client's end, so that its Error is not lost to a reset. */
    np_session_recv_end(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
    assert_string_equal(event->fault.where, "base.Hello.offer.version_max");
    wire_fini(&w);
}

static void test_another_schema(void **state)
{
    np_protocol other = demo_protocol;
    const wire_event *event;
    wire w;
    (void)state;

    /* The same name and version, another digest: the client notices. */
    other.digest[0] ^= 1;
    wire_init(&w);
    w.server.options.protocol = &other;
    wire_start(&w);
    wire_run(&w);
    np_session_recv_end(&w.client.s, w.now);
    wire_drain(&w, &w.client);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_string_equal(event->fault.where, "base.Welcome.choice.digest");
    wire_expect(&w.server, NP_SESSION_EVENT_OPEN);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_ERR_VERSION);
    wire_fini(&w);

    /* Another name: the server does. */
    other.name = "other";
    wire_init(&w);
    w.server.options.protocol = &other;
    wire_start(&w);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_string_equal(event->text, "the peer speaks other 1 to 2");
    wire_fini(&w);
}

static void test_refuses_bad_options(void **state)
{
    np_session_options options = np_session_options_default(NULL);
    np_protocol low = demo_protocol;
    np_message first = *demo_message_say;
    np_pool pool;
    np_session s;
    np_time now = {0, 0};
    (void)state;

    np_pool_init(&pool, NULL);
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    first.id = 255;
    low.messages = &first;
    low.message_count = 1;
    options.protocol = &low;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    options.protocol = &demo_protocol;
    options.version_min = 3;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_ARG);
    pool.options.live_max = 1;
    options.version_min = 0;
    assert_int_equal(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NP_ERR_LIMIT);
    np_pool_fini(&pool);
}

static void test_messages_both_ways(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(say(&w.client.s, "hello", 5), NP_OK);
        assert_int_equal(say(&w.server.s, "you too", 7), NP_OK);
    }
    wire_run(&w);
    for (int i = 0; i < 100; i++) {
        assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "hello", 5);
        assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), "you too", 7);
    }
    assert_null(wire_next(&w.server));
    assert_idle(&w.client);
    assert_idle(&w.server);
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
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "", 0);
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
    assert_idle(&w.client);
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
        assert_int_equal(say(&w.client.s, bytes, sizes[i]), NP_OK);
        assert_int_equal(say(&w.client.s, "next", 4), sizes[i] <= 1000000 ? NP_OK : NP_ERR_FULL);
        wire_run(&w);
        assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, sizes[i]);
        if (sizes[i] <= 1000000) {
            assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "next", 4);
        } else {
            wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
        }
        assert_null(wire_next(&w.server));
        assert_idle(&w.client);
        assert_idle(&w.server);
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
    assert_int_equal(say(&w.client.s, bytes, 8000000), NP_OK);
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
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 8000000);
    assert_idle(&w.server);
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
    assert_int_equal(say(&w.client.s, "one", 3), NP_OK);
    assert_int_equal(
        np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER, &w, &stream, NULL),
        NP_OK);
    assert_int_equal(say(&w.client.s, "", 0), NP_OK);
    assert_int_equal(np_session_queued(&w.client.s), total);
    w.cut = cut_at;
    w.user = c;
    wire_write(&w, &w.client);
    while (wire_read(&w, &w.server)) {
    }
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "one", 3);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event.stream, stream);
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "", 0);
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
            assert_int_equal(say(&w.client.s, bytes, lens[i]), NP_OK);
            assert_int_equal(say(&w.server.s, bytes + 1, lens[i] / 2), NP_OK);
        }
        wire_run(&w);
        for (size_t i = 0; i < 40; i++) {
            assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, lens[i]);
            assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), bytes + 1, lens[i] / 2);
        }
        assert_idle(&w.client);
        assert_idle(&w.server);
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
        assert_int_equal(say(&w.client.s, "abc", 3), NP_OK);
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
    assert_int_equal(say(&w.client.s, "abc", 3), NP_OK);
    assert_int_equal(say(&w.client.s, "def", 3), NP_OK);
    wire_write(&w, &w.client);
    w.server.byte_count -= 3;
    wire_read(&w, &w.server);
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "abc", 3);
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
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "def", 3);
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
    while (say(&w.client.s, bytes, 100000) == NP_OK) {
        sent++;
        assert_true(np_session_queued(&w.client.s) <= w.client.options.queue_max);
    }
    assert_int_equal(sent, 10);
    assert_int_equal(say(&w.client.s, bytes, 100000), NP_ERR_FULL);
    w.write_max = 100000;
    wire_write(&w, &w.client);
    wire_drain(&w, &w.client);
    assert_null(wire_next(&w.client)); /* not half empty yet */
    w.write_max = 0;
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.client));
    for (int i = 0; i < sent; i++) {
        assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 100000);
    }
    free(bytes);
    wire_fini(&w);
}

/* Requests ---------------------------------------------------------------------------------- */

static uint32_t ask(np_session *s, uint64_t deadline_ms, void *user)
{
    demo_find find = {42};
    uint32_t stream = 0;

    assert_int_equal(
        np_session_request(s, demo_message_find, &find, deadline_ms, user, &stream, NULL), NP_OK);
    assert_int_not_equal(stream, 0);
    return stream;
}

static void test_request_and_reply(void **state)
{
    demo_say answer = say_of("found", 5);
    const wire_event *event;
    uint32_t first, second, reverse;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    first = ask(&w.client.s, NP_TIME_NEVER, &first);
    second = ask(&w.client.s, NP_TIME_NEVER, &second);
    reverse = ask(&w.server.s, NP_TIME_NEVER, &reverse);
    assert_int_equal(first, 1);
    assert_int_equal(second, 3);
    assert_int_equal(reverse, 2);
    wire_run(&w);
    event = wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    assert_int_equal(event->event.stream, first);
    assert_int_equal(event->event.len, 8);
    assert_int_equal(np_get_u32(event->payload + 4), 42);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event.stream, second);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_REQUEST)->event.stream, reverse);

    /* Answers in another order, each once. */
    assert_true(np_session_serving(&w.server.s, second));
    assert_int_equal(np_session_reply(&w.server.s, second, &answer, NULL), NP_OK);
    assert_false(np_session_serving(&w.server.s, second));
    assert_int_equal(np_session_reply(&w.server.s, second, &answer, NULL), NP_ERR_CLOSED);
    assert_int_equal(np_session_reply(&w.server.s, 77, &answer, NULL), NP_ERR_CLOSED);
    assert_int_equal(np_session_reply(&w.client.s, first, &answer, NULL), NP_ERR_CLOSED);
    assert_int_equal(
        np_session_refuse(&w.server.s, first, BASE_REASON_REFUSED, 17, np_str_from("not you")),
        NP_OK);
    assert_int_equal(
        np_session_refuse(&w.client.s, reverse, BASE_REASON_INTERNAL, 18, np_str_from("")), NP_OK);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    assert_int_equal(event->event.stream, second);
    assert_ptr_equal(event->event.user, &second);
    assert_ptr_equal(event->event.message, demo_message_find);
    assert_int_equal(np_get_u32(event->payload), DEMO_FIND_ID);
    assert_memory_equal(event->payload + 12, "found", 5);
    event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    assert_ptr_equal(event->event.user, &first);
    assert_int_equal(event->event.err, NP_ERR_REFUSED);
    assert_int_equal(event->event.code, 17);
    assert_string_equal(event->text, "not you");
    event = wire_expect(&w.server, NP_SESSION_EVENT_FAILURE);
    assert_ptr_equal(event->event.user, &reverse);
    assert_int_equal(event->event.err, NP_ERR_FAILED);
    assert_int_equal(event->event.code, 18);
    assert_int_equal(event->event.reason, BASE_REASON_INTERNAL);
    assert_idle(&w.client);
    assert_idle(&w.server);
    wire_fini(&w);
}

static void test_large_reply(void **state)
{
    uint8_t *bytes = wire_pattern(3000000, 5);
    demo_say answer = say_of(bytes, 3000000);
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = ask(&w.client.s, NP_TIME_NEVER, NULL);
    wire_run(&w);
    assert_int_equal(np_session_reply(&w.server.s, stream, &answer, NULL), NP_OK);
    w.write_max = 5000;
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    assert_int_equal(event->event.len, 12 + 3000000);
    assert_memory_equal(event->payload + 12, bytes, 3000000);
    free(bytes);
    wire_fini(&w);
}

static void test_call_deadlines(void **state)
{
    demo_say answer = say_of("late", 4);
    uint32_t first, second, third;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    first = ask(&w.client.s, w.now.mono_ms + 2000, &first);
    second = ask(&w.client.s, w.now.mono_ms + 1000, &second);
    third = ask(&w.client.s, NP_TIME_NEVER, &third);
    wire_run(&w);
    assert_int_equal(np_session_deadline(&w.client.s), w.now.mono_ms + 1000);
    wire_tick(&w, 999);
    assert_null(wire_next(&w.client));
    wire_tick(&w, 1);
    assert_ptr_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.user, &second);
    assert_null(wire_next(&w.client));
    assert_int_equal(np_session_deadline(&w.client.s), w.now.mono_ms + 1000);
    /* The server hears of it. */
    for (int i = 0; i < 3; i++) {
        wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    }
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CANCEL)->event.stream, second);
    assert_int_equal(np_session_reply(&w.server.s, second, &answer, NULL), NP_ERR_CLOSED);

    /* An answer that crosses the cancel is dropped. */
    assert_int_equal(np_session_reply(&w.server.s, first, &answer, NULL), NP_OK);
    np_session_cancel(&w.client.s, first);
    np_session_cancel(&w.client.s, 99);
    wire_run(&w);
    assert_null(wire_next(&w.client));
    assert_null(wire_next(&w.server));
    assert_int_equal(np_session_reply(&w.server.s, third, &answer, NULL), NP_OK);
    wire_run(&w);
    assert_ptr_equal(wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE)->event.user, &third);
    assert_int_equal(np_session_deadline(&w.client.s), NP_TIME_NEVER);
    assert_idle(&w.client);
    assert_idle(&w.server);
    wire_fini(&w);
}

static void test_call_limits(void **state)
{
    demo_find find = {1};
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    w.client.options.calls_max = 300;
    w.server.options.serve_max = 200;
    wire_open(&w);
    for (int i = 0; i < 300; i++) {
        ask(&w.client.s, NP_TIME_NEVER, NULL);
    }
    assert_int_equal(
        np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER, NULL, NULL, NULL),
        NP_ERR_LIMIT);
    wire_run(&w);
    for (int i = 0; i < 100; i++) {
        event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
        assert_int_equal(event->event.err, NP_ERR_BUSY);
        assert_int_equal(event->event.stream, 401 + 2 * i);
    }
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event.stream, 1 + 2 * i);
        assert_int_equal(
            np_session_refuse(&w.server.s, 1 + 2 * i, BASE_REASON_INTERNAL, i, np_str_from("")),
            NP_OK);
    }
    wire_run(&w);
    for (int i = 0; i < 200; i++) {
        wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    }
    assert_idle(&w.client);
    assert_idle(&w.server);
    wire_fini(&w);
}

static void test_refuse_checks(void **state)
{
    char text[400];
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = ask(&w.client.s, NP_TIME_NEVER, NULL);
    wire_run(&w);
    assert_int_equal(np_session_refuse(&w.server.s, stream, 999, 0, np_str_from("")),
                     NP_ERR_VARIANT);
    assert_int_equal(np_session_refuse(&w.server.s, stream, 9, 0, np_str_from("\xff")),
                     NP_ERR_UTF8);
    /* Cut at a character: 255 bytes and the first of a two-byte one. */
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[255] = '\xc3';
    text[256] = '\xa4';
    assert_int_equal(np_session_refuse(&w.server.s, stream, 9, 0, np_str_from(text)), NP_OK);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.text.len, 255);
    wire_fini(&w);
}

/* Ids of streams go round; the ones in use are left out. */
static void test_streams_go_round(void **state)
{
    uint32_t kept;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    kept = ask(&w.client.s, NP_TIME_NEVER, NULL);
    assert_int_equal(kept, 1);
    w.client.s.next_stream = UINT32_MAX;
    assert_int_equal(ask(&w.client.s, NP_TIME_NEVER, NULL), UINT32_MAX);
    assert_int_equal(ask(&w.client.s, NP_TIME_NEVER, NULL), 3);
    w.server.s.next_stream = UINT32_MAX - 1;
    assert_int_equal(ask(&w.server.s, NP_TIME_NEVER, NULL), UINT32_MAX - 1);
    assert_int_equal(ask(&w.server.s, NP_TIME_NEVER, NULL), 2);
    wire_run(&w);
    for (int i = 0; i < 3; i++) {
        wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    }
    assert_int_equal(np_session_refuse(&w.server.s, UINT32_MAX, 9, 0, np_str_from("")), NP_OK);
    wire_run(&w);
    for (int i = 0; i < 2; i++) {
        wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
    }
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.stream, UINT32_MAX);
    wire_fini(&w);
}

/* A peer that asks but does not read is not served beyond half the queue. */
static void test_congestion_pauses_requests(void **state)
{
    uint8_t *bytes = wire_pattern(300000, 6);
    demo_say answer = say_of(bytes, 300000);
    uint8_t *place;
    size_t room;
    uint32_t streams[5];
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 5; i++) {
        streams[i] = ask(&w.client.s, NP_TIME_NEVER, NULL);
        assert_int_equal(np_session_ping(&w.client.s, (uint64_t)i), NP_OK);
    }
    wire_write(&w, &w.client);
    w.server.stop = true;
    wire_read(&w, &w.server);
    for (int i = 0; i < 2; i++) {
        np_session_event event;
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_REQUEST);
        assert_int_equal(np_session_reply(&w.server.s, streams[i], &answer, NULL), NP_OK);
    }
    w.server.stop = false;
    wire_drain(&w, &w.server);
    assert_null(wire_next(&w.server));
    assert_false(np_session_pending(&w.server.s));
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
    wire_run(&w);
    for (int i = 2; i < 5; i++) {
        const wire_event *event = wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
        assert_int_equal(event->event.stream, streams[i]);
    }
    free(bytes);
    wire_fini(&w);
}

/* The end ----------------------------------------------------------------------------------- */

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

static void test_orderly_close(void **state)
{
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = ask(&w.server.s, NP_TIME_NEVER, &stream);
    assert_int_equal(say(&w.client.s, "last", 4), NP_OK);
    np_session_close(&w.client.s, BASE_REASON_BUSY, np_str_from("enough"), w.now);
    np_session_close(&w.client.s, BASE_REASON_REFUSED, np_str_from("again"), w.now);
    assert_int_equal(say(&w.client.s, "x", 1), NP_ERR_CLOSED);
    assert_false(np_session_is_open(&w.client.s));
    wire_run(&w);
    assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "last", 4);
    event = wire_expect(&w.server, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.err, NP_ERR_CLOSED);
    assert_ptr_equal(event->event.user, &stream);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_OK);
    assert_true(event->event.by_peer);
    assert_int_equal(event->event.reason, BASE_REASON_BUSY);
    assert_string_equal(event->text, "enough");
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_OK);
    assert_false(event->event.by_peer);
    assert_int_equal(np_session_deadline(&w.client.s), NP_TIME_NEVER);
    wire_fini(&w);
}

static void test_both_close(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    np_session_close(&w.client.s, NP_SESSION_NO_REASON, np_str_from(NULL), w.now);
    np_session_close(&w.server.s, NP_SESSION_NO_REASON, np_str_from("\xff"), w.now);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
    wire_fini(&w);
}

static void test_close_before_open(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_start(&w);
    np_session_close(&w.server.s, BASE_REASON_BUSY, np_str_from("later"), w.now);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.err, NP_ERR_BUSY);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
    wire_fini(&w);
}

static void test_end_without_disconnect(void **state)
{
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = ask(&w.client.s, NP_TIME_NEVER, &stream);
    (void)stream;
    assert_int_equal(say(&w.server.s, "bye", 3), NP_OK);
    wire_write(&w, &w.server);
    w.client.bytes_end = true;
    wire_run(&w);
    assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), "bye", 3);
    event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.err, NP_ERR_EOF);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_EOF);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_FRAME);
    assert_true(event->event.by_peer);
    wire_fini(&w);
}

static void test_end_in_a_frame(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    wire_inject(&w.server, "\xde\xad\xbe", 3);
    w.server.bytes_end = true;
    wire_run(&w);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_ERR_EOF);
    wire_fini(&w);
}

static void test_lost(void **state)
{
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = ask(&w.client.s, NP_TIME_NEVER, &stream);
    (void)stream;
    np_session_lost(&w.client.s, NP_ERR_RESET, w.now);
    np_session_lost(&w.client.s, NP_ERR_IO, w.now);
    wire_drain(&w, &w.client);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.err, NP_ERR_RESET);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_RESET);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_IO);
    assert_null(wire_next(&w.client));
    assert_false(np_session_pending(&w.client.s));
    wire_fini(&w);
}

/* A message that does not decode: the pump says so, and the peer learns which field. */
static void test_decode_failure_is_told(void **state)
{
    np_fault fault = {.err = NP_ERR_UTF8, .where = "demo.Say.data", .offset = 12};
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    np_session_fail(&w.server.s, NP_ERR_UTF8, NP_SESSION_STAGE_DECODE, &fault, w.now);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_FAILED);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_PEER);
    assert_int_equal(event->event.reason, BASE_REASON_MALFORMED);
    assert_string_equal(event->text, "demo.Say.data: invalid UTF-8 at byte 12");
    np_session_recv_end(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_UTF8);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_DECODE);
    assert_int_equal(event->fault.offset, 12);
    wire_fini(&w);

    /* What is wrong on this side is nobody else's business. */
    wire_init(&w);
    wire_open(&w);
    np_session_fail(&w.server.s, NP_ERR_SYSTEM, NP_SESSION_STAGE_LOCAL, &fault, w.now);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.reason, BASE_REASON_INTERNAL);
    assert_string_equal(event->text, "");
    wire_fini(&w);
}

/* A payload stays readable for the handler that closes its connection. */
static void test_close_while_handling(void **state)
{
    uint8_t *bytes = wire_pattern(200000, 7);
    np_session_event event;
    wire w;
    (void)state;

    for (size_t len = 10; len <= 200000; len = len == 10 ? 200000 : len + 1) {
        wire_init(&w);
        wire_open(&w);
        assert_int_equal(say(&w.client.s, bytes, len), NP_OK);
        while (np_session_queued(&w.client.s) > 0) {
            wire_write(&w, &w.client);
        }
        w.server.stop = true;
        while (!np_session_next_event(&w.server.s, &event)) {
            np_session_park(&w.server.s);
            assert_true(wire_read(&w, &w.server));
        }
        assert_int_equal(event.kind, NP_SESSION_EVENT_MESSAGE);
        np_session_close(&w.server.s, NP_SESSION_NO_REASON, np_str_from(""), w.now);
        assert_memory_equal(event.payload + 12, bytes, len);
        w.server.stop = false;
        wire_run(&w);
        wire_fini(&w);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_meets_in_an_older_version),
        cmocka_unit_test(test_no_version_in_common),
        cmocka_unit_test(test_another_schema),
        cmocka_unit_test(test_refuses_bad_options),
        cmocka_unit_test(test_messages_both_ways),
        cmocka_unit_test(test_encoded_messages),
        cmocka_unit_test(test_refuses_to_send),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_memory_follows_bytes),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_random_cuts),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_full_and_writable),
        cmocka_unit_test(test_request_and_reply),
        cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_call_deadlines),
        cmocka_unit_test(test_call_limits),
        cmocka_unit_test(test_refuse_checks),
        cmocka_unit_test(test_streams_go_round),
        cmocka_unit_test(test_congestion_pauses_requests),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_orderly_close),
        cmocka_unit_test(test_both_close),
        cmocka_unit_test(test_close_before_open),
        cmocka_unit_test(test_end_without_disconnect),
        cmocka_unit_test(test_end_in_a_frame),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_decode_failure_is_told),
        cmocka_unit_test(test_close_while_handling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
