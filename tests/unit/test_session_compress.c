/* Two sessions that compress what they say to each other, in frames and in records: messages,
 * requests, fragments, pieces of bodies; what stays as it is, and why. What a peer may not do
 * stands in test_session_compress_hostile.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/samples.h"
#include "support/session_talk.h"

static const np_compression kinds[] = {NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD};

/* How two ends are set up. */
typedef struct compress_way {
    np_compression kind;
    bool secure;
} compress_way;

/* Calls it for both kinds, in the clear and in records. */
static void each_way(void (*check)(const compress_way *way))
{
    for (size_t i = 0; i < 4; i++) {
        const compress_way one = {kinds[i % 2], i >= 2};
        check(&one);
    }
}

static void start(wire *w, const compress_way *way, uint32_t threshold)
{
    wire_init(w);
    if (way->secure) {
        wire_secure(w);
    }
    wire_compress(&w->client, way->kind, NP_COMPRESSION_NONE, threshold);
    wire_compress(&w->server, way->kind, NP_COMPRESSION_NONE, threshold);
    wire_open(w);
}

static void assert_idle(const wire *w)
{
    talk_assert_idle(&w->client);
    talk_assert_idle(&w->server);
}

static uint8_t *text_of(size_t len)
{
    uint8_t *text = malloc(len + 1);

    assert_non_null(text);
    samples_text(text, len, len);
    return text;
}

/* Agreeing ---------------------------------------------------------------------------------- */

/* The server's first that the client has too; none where there is none, and the session opens. */
static void test_who_chooses(void **state)
{
    enum { NONE, LZ4, ZSTD };
    static const struct {
        uint8_t client[2], server[2], chosen;
    } cases[] = {
        {{NONE, NONE}, {NONE, NONE}, NONE}, {{LZ4, NONE}, {NONE, NONE}, NONE},
        {{NONE, NONE}, {ZSTD, LZ4}, NONE},  {{LZ4, NONE}, {ZSTD, NONE}, NONE},
        {{LZ4, NONE}, {LZ4, NONE}, LZ4},    {{LZ4, ZSTD}, {ZSTD, LZ4}, ZSTD},
        {{ZSTD, LZ4}, {LZ4, ZSTD}, LZ4},    {{LZ4, NONE}, {ZSTD, LZ4}, LZ4},
    };
    (void)state;

    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        wire_end *ends[2];
        wire w;
        wire_init(&w);
        if (i % 2 == 1) {
            wire_secure(&w);
        }
        ends[0] = &w.client;
        ends[1] = &w.server;
        for (size_t e = 0; e < 2; e++) {
            const uint8_t *list = e == 0 ? cases[i / 2].client : cases[i / 2].server;
            if (list[0] != NONE) {
                wire_compress(ends[e], (np_compression)list[0], (np_compression)list[1], 512);
            }
        }
        wire_open(&w);
        assert_int_equal(w.client.s.compression, cases[i / 2].chosen);
        assert_int_equal(w.server.s.compression, cases[i / 2].chosen);
        assert_idle(&w);
        wire_fini(&w);
    }
}

/* Messages ---------------------------------------------------------------------------------- */

static void check_sizes(const compress_way *way)
{
    static const size_t sizes[] = {0,     1,     499,   500,    501,    4096,    65523,
                                   65524, 65525, 66000, 131060, 200000, 1000000, 8000000};
    uint8_t *text = text_of(8000000);
    wire w;

    start(&w, way, 512);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t queued = 0;
        assert_int_equal(talk_say(&w.client.s, text, sizes[i]), NP_OK);
        queued = np_session_queued(&w.client.s);
        assert_true(sizes[i] < 500 ? queued >= sizes[i] + 12 : queued < sizes[i] * 4 / 5 + 32);
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), text, sizes[i]);
        assert_null(wire_next(&w.server));
        assert_idle(&w);
    }
    wire_fini(&w);
    free(text);
}

static void test_sizes(void **state)
{
    (void)state;
    each_way(check_sizes);
}

/* What does not get smaller goes as it is; of a large message each fragment is judged for itself.
 */
static void check_random(const compress_way *way)
{
    const size_t part = 65536;
    size_t heads = way->secure ? 10 + 6 : 10;
    uint8_t *bytes = malloc(4 * part);
    size_t queued = 0;
    wire w;

    assert_non_null(bytes);
    samples_random(bytes, 4 * part, 1);
    start(&w, way, 512);
    assert_int_equal(talk_say(&w.client.s, bytes, 5000), NP_OK);
    assert_int_equal(np_session_queued(&w.client.s), heads + 12 + 5000);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 5000);
    /* The second of four fragments is text. */
    samples_text(bytes + part - 12, part, 1);
    assert_int_equal(talk_say(&w.client.s, bytes, 4 * part - 12), NP_OK);
    queued = np_session_queued(&w.client.s);
    assert_in_range(queued, 3 * part + part / 10, 3 * part + part * 3 / 4);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, 4 * part - 12);
    assert_idle(&w);
    wire_fini(&w);
    free(bytes);
}

static void test_random(void **state)
{
    (void)state;
    each_way(check_random);
}

typedef struct cutter {
    size_t first, then;
} cutter;

static size_t cut_at(void *user, size_t n)
{
    const cutter *c = user;

    return n == 0 ? c->first : c->then;
}

/* A compressed message between two small ones, read in two parts cut anywhere, and in crumbs. */
static void check_cuts(const compress_way *way)
{
    uint8_t *text = text_of(1500);
    cutter c = {1, 0};
    size_t total = 2;

    for (; c.first < total; c.first++) {
        wire w;
        start(&w, way, 512);
        assert_int_equal(talk_say(&w.client.s, "a", 1), NP_OK);
        assert_int_equal(talk_say(&w.client.s, text, 1500), NP_OK);
        assert_int_equal(talk_say(&w.client.s, "b", 1), NP_OK);
        total = np_session_queued(&w.client.s);
        c.then = c.first % 7 == 0 ? 1 + c.first % 3 : 0;
        w.cut = cut_at;
        w.user = &c;
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "a", 1);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), text, 1500);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "b", 1);
        assert_idle(&w);
        wire_fini(&w);
    }
    assert_true(total > 300);
    free(text);
}

static void test_every_cut(void **state)
{
    (void)state;
    each_way(check_cuts);
}

/* Requests: answers are compressed too, and one that has to wait is unpacked once. */
static void check_requests(const compress_way *way)
{
    uint8_t *text = text_of(300000);
    demo_say answer = talk_value(text, 300000);
    uint32_t stream = 0;
    wire w;

    start(&w, way, 1);
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    wire_run(&w);
    const wire_event *asked = wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    assert_int_equal(asked->event.stream, stream);
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, stream), &answer, NULL),
                     NP_OK);
    assert_true(np_session_queued(&w.server.s) < 250000);
    wire_run(&w);
    const wire_event *answered = wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    assert_ptr_equal(answered->event.user, &w);
    assert_int_equal(answered->event.len, 300012);
    assert_memory_equal(answered->payload + 12, text, 300000);
    assert_idle(&w);
    wire_fini(&w);
    free(text);
}

static void test_requests(void **state)
{
    (void)state;
    each_way(check_requests);
}

/* Bodies ------------------------------------------------------------------------------------ */

enum { PIECES, WHOLE, IGNORED };

static int how; /* the body is taken; a handler has no other way to know */

static void on_begin(wire_end *end, const np_session_event *event)
{
    if (event->kind != NP_SESSION_EVENT_BODY_BEGIN) {
        return;
    }
    if (how == WHOLE) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
    } else if (how == IGNORED) {
        np_session_body_ignore(&end->s, event->serial);
    }
}

/* All of a body, with a message in between, in calls of `step` bytes. */
static void send_body(wire *w, const uint8_t *bytes, size_t len, size_t step)
{
    base_data data = {.name = np_str_from("file")};
    uint64_t serial = 0;
    size_t at = 0;

    assert_int_equal(np_session_body_begin(&w->client.s, &base_protocol.messages[BASE_DATA_ID],
                                           &data, len, &serial, NULL),
                     NP_OK);
    while (at < len) {
        size_t taken = 0;
        size_t n = len - at < step ? len - at : step;
        np_err err = np_session_body_write(&w->client.s, serial, bytes + at, n, &taken);
        assert_true(err == (taken > 0 ? NP_OK : NP_ERR_FULL));
        at += taken;
        if (taken < n) {
            wire_run(w);
        }
    }
    while (np_session_body_end(&w->client.s, serial) == NP_ERR_FULL) {
        wire_run(w);
    }
    assert_int_equal(talk_say(&w->client.s, "behind", 6), NP_OK);
    wire_run(w);
}

/* What has come of it, by the way it was taken; and then the message. */
static void expect_body(wire *w, const uint8_t *bytes, size_t len)
{
    const wire_event *event = wire_next(&w->server);
    size_t got = 0;

    while (event->event.kind == NP_SESSION_EVENT_WRITABLE) {
        event = wire_next(&w->server);
    }
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_BODY_BEGIN);
    assert_int_equal(event->event.total, len);
    for (event = wire_next(&w->server); event->event.kind == NP_SESSION_EVENT_BODY_DATA;
         event = wire_next(&w->server)) {
        assert_int_equal(how, PIECES);
        assert_memory_equal(event->payload, bytes + got, event->event.len);
        got += event->event.len;
    }
    if (how == PIECES) {
        assert_int_equal(got, len);
        assert_int_equal(event->event.kind, NP_SESSION_EVENT_BODY_END);
        assert_int_equal(event->event.err, NP_OK);
        event = wire_next(&w->server);
    } else if (how == WHOLE) {
        assert_int_equal(event->event.kind, NP_SESSION_EVENT_MESSAGE);
        assert_int_equal(event->event.len, 4 + 8 + 4 + 8 + len);
        assert_memory_equal(event->payload + 24, bytes, len);
        event = wire_next(&w->server);
    }
    talk_assert_said(event, "behind", 6);
}

static void check_bodies(const compress_way *way)
{
    static const size_t steps[] = {100, 3000, 65536, 2000000};
    uint8_t *text = text_of(2000000);

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        for (how = PIECES; how <= IGNORED; how++) {
            size_t len = steps[i] * 50 < 2000000 ? steps[i] * 50 : 2000000;
            wire w;
            start(&w, way, 512);
            w.server.on_event = on_begin;
            send_body(&w, text, len, steps[i]);
            expect_body(&w, text, len);
            assert_idle(&w);
            wire_fini(&w);
        }
    }
    free(text);
}

static void test_bodies(void **state)
{
    (void)state;
    each_way(check_bodies);
}

/* Neither side holds more than some pieces of a body, before or behind the compression. */
static void check_memory(const compress_way *way)
{
    const size_t len = (size_t)8 * 1024 * 1024;
    uint8_t *text = text_of(len);
    wire w;

    how = PIECES;
    start(&w, way, 512);
    w.client.pool.live_peak = 0;
    w.server.pool.live_peak = 0;
    send_body(&w, text, len, 100000);
    assert_in_range(w.client.pool.live_peak, 60000, 5 * NP_POOL_TOP);
    assert_in_range(w.server.pool.live_peak, 60000, 4 * NP_POOL_TOP);
    expect_body(&w, text, len);
    wire_fini(&w);
    free(text);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    each_way(check_memory);
}

/* The session ends, or is cut off, while a piece is being given out. */
static void check_end_within(const compress_way *way)
{
    uint8_t *text = text_of(30000);
    np_session_event event;
    base_data data = {.name = np_str_from("file")};
    uint64_t serial = 0;
    size_t taken = 0;
    wire w;

    for (int fini = 0; fini < 2; fini++) {
        start(&w, way, 512);
        assert_int_equal(np_session_body_begin(&w.client.s, &base_protocol.messages[BASE_DATA_ID],
                                               &data, 30000, &serial, NULL),
                         NP_OK);
        assert_int_equal(np_session_body_write(&w.client.s, serial, text, 20000, &taken), NP_OK);
        wire_write(&w, &w.client);
        w.server.stop = true;
        assert_true(wire_read(&w, &w.server));
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_BODY_BEGIN);
        np_session_park(&w.server.s);
        if (fini == 0) {
            np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
            w.server.stop = false;
            wire_drain(&w, &w.server);
            assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_BODY_END)->event.err,
                             NP_ERR_RESET);
            wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
        }
        wire_fini(&w); /* checks that the pool has everything back */
    }
    free(text);
}

static void test_end_within_a_piece(void **state)
{
    (void)state;
    each_way(check_end_within);
}

/* What stays as it is ----------------------------------------------------------------------- */

/* The demo protocol, with its Say and Find marked. */
static np_message secret_messages[3];

static np_protocol secret_protocol(void)
{
    np_protocol protocol = demo_protocol;

    memcpy(secret_messages, demo_protocol.messages, sizeof secret_messages);
    secret_messages[0].secret = true;
    secret_messages[1].secret = true;
    protocol.messages = secret_messages;
    return protocol;
}

/* A message that is marked goes as it is, whole or in fragments, and so does an answer. */
static void check_secrets(const compress_way *way)
{
    const np_protocol protocol = secret_protocol();
    uint8_t *text = text_of(100000);
    demo_say say = talk_value(text, 100000);
    demo_find find = {1};
    uint32_t stream = 0;
    wire w;

    wire_init(&w);
    if (way->secure) {
        wire_secure(&w);
    }
    w.client.options.protocol = &protocol;
    w.server.options.protocol = &protocol;
    wire_compress(&w.client, way->kind, NP_COMPRESSION_NONE, 1);
    wire_compress(&w.server, way->kind, NP_COMPRESSION_NONE, 1);
    wire_open(&w);
    assert_int_equal(np_session_send(&w.client.s, &secret_messages[0], &say, NULL), NP_OK);
    assert_true(np_session_queued(&w.client.s) > 100000);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), text, 100000);
    assert_int_equal(np_session_request(&w.client.s, &secret_messages[1], &find, NP_TIME_NEVER,
                                        NULL, &stream, NULL),
                     NP_OK);
    wire_run(&w);
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, stream), &say, NULL),
                     NP_OK);
    assert_true(np_session_queued(&w.server.s) > 100000);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    assert_idle(&w);
    wire_fini(&w);
    free(text);
}

static void test_secrets(void **state)
{
    (void)state;
    each_way(check_secrets);
}

/* Memory that runs out --------------------------------------------------------------------------
 */

/* However little memory there is: all of a message is queued, or nothing and the queue is as it
 * was. Without room for the compressor's output alone, it goes uncompressed. */
static void check_out_of_memory(const compress_way *way)
{
    uint8_t *text = text_of(300000);
    size_t tries = 0;
    np_err err = NP_ERR_LIMIT;
    wire w;

    start(&w, way, 512);
    assert_int_equal(talk_say(&w.client.s, "first", 5), NP_OK);
    size_t queued = np_session_queued(&w.client.s);
    for (size_t room = 0; err != NP_OK; room += 5000) {
        size_t live = w.client.pool.live;
        w.client.pool.options.live_max = live + room;
        err = talk_say(&w.client.s, text, 300000);
        assert_true(err == NP_OK || err == NP_ERR_LIMIT);
        if (err != NP_OK) {
            assert_int_equal(np_session_queued(&w.client.s), queued);
            assert_int_equal(w.client.pool.live, live);
        }
        tries++;
    }
    assert_true(tries > 60);
    w.client.pool.options.live_max = 0;
    assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "first", 5);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), text, 300000);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "last", 4);
    assert_idle(&w);
    wire_fini(&w);
    free(text);
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    each_way(check_out_of_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_chooses),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_end_within_a_piece),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
