/* A session and a peer that does not keep to the protocol: wrong bytes, wrong order, wrong time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/demo_protocol.h"
#include "support/session_wire.h"

/* Sends a frame to an end by hand. */
static void frame(wire_end *to, uint8_t kind, uint32_t stream, bool more, const void *body,
                  size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, more);
    uint8_t bytes[NP_FRAMING_HEAD_MAX];

    np_framing_put(bytes, &head);
    wire_inject(to, bytes, head.head_len);
    wire_inject(to, body, len);
}

static void frame_id(wire_end *to, uint8_t kind, uint32_t stream, uint32_t id, const void *rest,
                     size_t len)
{
    uint8_t body[300];

    assert_true(len <= sizeof body - 4);
    np_put_raw(np_put_u32(body, id), rest, len);
    frame(to, kind, stream, false, body, len + 4);
}

/* The server ends with this cause, having told the peer; the wire is finished. */
static void expect_end(wire *w, np_err err, np_session_stage stage, const char *where)
{
    const wire_event *event;

    wire_run(w);
    assert_false(np_session_is_open(&w->server.s));
    /* It told the peer, and lingers until the peer has read it. */
    event = wire_expect(&w->client, NP_SESSION_EVENT_CLOSED);
    assert_true(event->event.by_peer);
    np_session_recv_end(&w->server.s, w->now);
    wire_drain(w, &w->server);
    event = &w->server.events[w->server.event_count - 1];
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, err);
    assert_int_equal(event->event.stage, stage);
    assert_false(event->event.by_peer);
    if (where != NULL) {
        assert_non_null(event->event.fault);
        assert_string_equal(event->fault.where, where);
    }
    wire_fini(w);
}

static void start(wire *w)
{
    wire_init(w);
    wire_open(w);
}

/* Before the opening ------------------------------------------------------------------------ */

static void test_other_protocols(void **state)
{
    static const char *const greetings[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "\xde",
                                            "\xde\xad\xbe\xee"};
    wire w;
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        bool wrong = i != 2;
        wire_init(&w);
        wire_start(&w);
        wire_inject(&w.server, greetings[i], strlen(greetings[i]));
        wire_read(&w, &w.server);
        assert_int_equal(w.server.s.end_err, wrong ? NP_ERR_CONST : NP_OK);
        wire_fini(&w);
    }
}

static void test_wrong_first_messages(void **state)
{
    static const uint32_t ids[] = {
        BASE_PING_ID, BASE_SECURE_HANDSHAKE_INIT_ID, BASE_WELCOME_ID, BASE_ECHO_ID, DEMO_SAY_ID, 77,
        100000};
    wire w;
    (void)state;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        wire_init(&w);
        wire_start(&w);
        frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, ids[i], "12345678", 8);
        wire_read(&w, &w.server);
        expect_end(&w, NP_ERR_UNEXPECTED, NP_SESSION_STAGE_CONVERSATION, NULL);
    }
    wire_init(&w);
    wire_start(&w);
    frame_id(&w.server, NP_FRAMING_REQUEST, 1, DEMO_FIND_ID, "1234", 4);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_FRAME, NP_SESSION_STAGE_FRAME, "base.frame.flags.multiplexed");
}

static void test_hello_that_is_none(void **state)
{
    uint8_t big[3000] = {BASE_HELLO_ID};
    wire w;
    (void)state;

    wire_init(&w);
    wire_start(&w);
    frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, BASE_HELLO_ID, "12345678", 8);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_NEGOTIATE, "base.Offer.protocol");

    /* The length alone is enough, before any of it has come. */
    wire_init(&w);
    wire_start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, big, sizeof big);
    w.server.byte_count = 10;
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.length");

    /* So is the id. */
    wire_init(&w);
    wire_start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, big, BASE_HELLO_MAX_LEN + 1);
    w.server.byte_count = 14;
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.length");
}

static void test_hello_twice(void **state)
{
    uint8_t hello[BASE_HELLO_MAX_LEN];
    size_t len = 0;
    base_hello value;
    wire w;
    (void)state;

    memset(&value, 0, sizeof value);
    value.offer.protocol = np_str_from("demo");
    value.offer.version_min = 1;
    value.offer.version_max = 2;
    assert_int_equal(base_hello_encode(&value, hello, sizeof hello, &len, NULL), NP_OK);
    start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, hello, len);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_UNEXPECTED, NP_SESSION_STAGE_CONVERSATION, "base.Hello");
}

/* A server that takes its client for one. */
static void test_hello_to_a_client(void **state)
{
    static const uint8_t zeros[64];
    wire w;
    (void)state;

    wire_init(&w);
    wire_start(&w);
    frame_id(&w.client, NP_FRAMING_NO_STREAM, 0, BASE_HELLO_ID, zeros, sizeof zeros);
    wire_read(&w, &w.client);
    assert_int_equal(w.client.s.end_err, NP_ERR_UNEXPECTED);
    wire_fini(&w);
}

static void test_silence(void **state)
{
    wire w;
    const wire_event *event;
    (void)state;

    wire_init(&w);
    assert_int_equal(
        np_session_init(&w.server.s, &w.server.options, &w.server.pool, NP_SESSION_SERVER, w.now),
        NP_OK);
    assert_int_equal(w.server.pool.live, 0);
    w.now.mono_ms += 4999;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    assert_int_equal(w.server.event_count, 0);
    /* A byte now and then does not help. */
    wire_inject(&w.server, "\xde", 1);
    wire_read(&w, &w.server);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 1);
    w.now.mono_ms += 1;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_DEADLINE);
    /* It has been told, has a second to take that, and is gone then. */
    assert_true(np_session_queued(&w.server.s) > 0);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 1000);
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_DEADLINE);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_DEADLINE);
    assert_string_equal(event->fault.where, "hello_timeout_ms");
    wire_fini(&w);
}

/* Frames ------------------------------------------------------------------------------------ */

static void test_broken_frames(void **state)
{
    uint8_t bytes[2000] = {0};
    wire w;
    (void)state;

    start(&w);
    wire_inject(&w.server, "\xde\xad\xbe\xef\x01\x04\0\0\0\x08", 10);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_FRAME, NP_SESSION_STAGE_FRAME, "base.frame.flags.encrypted");

    start(&w);
    wire_inject(&w.server, "\xde\xad\xbe\xef\x02", 5);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_CONST, NP_SESSION_STAGE_FRAME, "base.frame.version");

    for (size_t len = 0; len < 4; len++) {
        start(&w);
        frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, bytes, len);
        wire_read(&w, &w.server);
        expect_end(&w, NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "message id");
    }
}

static void test_wrong_fragments(void **state)
{
    uint8_t *bytes = calloc(1, 70000);
    wire w;
    (void)state;

    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);

    /* Another message in between. */
    start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 2000);
    frame(&w.server, NP_FRAMING_CANCEL, 1, false, bytes, 0);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame");

    /* A message that is small by its schema, blown up by fragments. */
    start(&w);
    np_put_u32(bytes, DEMO_LATER_ID);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 2000);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.length");

    /* An unknown one is not put together at all. */
    start(&w);
    np_put_u32(bytes, 5000);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 65536);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_UNKNOWN_MESSAGE, NP_SESSION_STAGE_CONVERSATION, "demo");
    free(bytes);
}

/* An answer in fragments that goes on as the answer to another request, or as something else on the
 * same stream. */
static void test_fragments_of_another_message(void **state)
{
    uint8_t *bytes = calloc(1, 2000);
    demo_find find = {1};
    wire w;
    (void)state;

    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_FIND_ID);
    for (int i = 0; i < 3; i++) {
        start(&w);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(np_session_request(&w.server.s, demo_message_find, &find,
                                                NP_TIME_NEVER, NULL, NULL, NULL),
                             NP_OK);
        }
        wire_run(&w);
        wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
        wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
        frame(&w.server, NP_FRAMING_RESPONSE, 2, true, bytes, 2000);
        frame(&w.server, i == 1 ? NP_FRAMING_ERROR : NP_FRAMING_RESPONSE, i == 2 ? 4 : 2, true,
              bytes, 2000);
        wire_read(&w, &w.server);
        if (i == 0) {
            assert_true(np_session_is_open(&w.server.s));
            wire_fini(&w);
        } else {
            expect_end(&w, NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame");
        }
    }
    free(bytes);
}

/* Fragment after fragment up to the message's bound, and not a byte more. */
static void test_fragments_beyond_the_bound(void **state)
{
    uint8_t *bytes = calloc(1, 65536);
    wire w;
    (void)state;

    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);
    start(&w);
    w.server.options.message_max = 200000;
    for (int i = 0; i < 3; i++) {
        frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 65536);
        while (wire_read(&w, &w.server)) {
        }
        assert_true(np_session_is_open(&w.server.s));
    }
    assert_true(w.server.pool.live <= 200000 + 2 * NP_POOL_TOP);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 3393);
    wire_read(&w, &w.server);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.length");
    free(bytes);
}

/* A whole frame of up to 16 MiB is legal where nobody cuts it. */
static void test_large_whole_frame(void **state)
{
    const size_t len = DEMO_DATA_MAX;
    uint8_t *bytes = wire_pattern(len + 12, 9);
    const wire_event *event;
    wire w;
    (void)state;

    np_put_u64(np_put_u32(bytes, DEMO_SAY_ID), len);
    start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, bytes, len + 12);
    frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, DEMO_LATER_ID, "", 0);
    while (wire_read(&w, &w.server)) {
    }
    event = wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE);
    assert_int_equal(event->event.len, len + 12);
    assert_memory_equal(event->payload, bytes, len + 12);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE)->event.id, DEMO_LATER_ID);
    assert_int_equal(w.server.pool.live, 0);

    /* Nobody pays for one that is only announced. */
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, bytes, len + 12);
    w.server.byte_count = 5000;
    wire_read(&w, &w.server);
    assert_true(w.server.pool.live < 40000);
    free(bytes);
    wire_fini(&w);
}

/* Streams ----------------------------------------------------------------------------------- */

static void test_wrong_streams(void **state)
{
    static const struct {
        uint8_t kind;
        uint32_t stream;
        uint32_t id;
        np_err err;
    } rows[] = {
        {NP_FRAMING_REQUEST, 2, DEMO_FIND_ID, NP_ERR_STREAM},   /* ours to give */
        {NP_FRAMING_RESPONSE, 1, DEMO_FIND_ID, NP_ERR_STREAM},  /* theirs */
        {NP_FRAMING_RESPONSE, 2, DEMO_FIND_ID, NP_ERR_STREAM},  /* never asked */
        {NP_FRAMING_ERROR, 4, DEMO_FIND_ID, NP_ERR_STREAM},     /* never asked */
        {NP_FRAMING_REQUEST, 1, DEMO_SAY_ID, NP_ERR_STREAM},    /* no request */
        {NP_FRAMING_REQUEST, 1, BASE_PING_ID, NP_ERR_STREAM},   /* no request */
        {NP_FRAMING_NO_STREAM, 0, DEMO_FIND_ID, NP_ERR_STREAM}, /* no stream */
        {NP_FRAMING_DATA, 1, DEMO_SAY_ID, NP_ERR_STREAM},       /* not agreed on */
        {NP_FRAMING_WINDOW, 1, DEMO_SAY_ID, NP_ERR_STREAM},     /* not agreed on */
        {NP_FRAMING_CANCEL, 1, DEMO_SAY_ID, NP_ERR_TOO_LONG},   /* says nothing */
        {NP_FRAMING_CANCEL, 2, DEMO_SAY_ID, NP_ERR_STREAM},     /* ours */
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire w;
        start(&w);
        frame_id(&w.server, rows[i].kind, rows[i].stream, rows[i].id, "1234", 4);
        wire_read(&w, &w.server);
        expect_end(&w, rows[i].err, NP_SESSION_STAGE_FRAME, NULL);
    }
}

static void test_stream_used_twice(void **state)
{
    wire w;
    (void)state;

    start(&w);
    frame_id(&w.server, NP_FRAMING_REQUEST, 1, DEMO_FIND_ID, "1234", 4);
    frame_id(&w.server, NP_FRAMING_REQUEST, 1, DEMO_FIND_ID, "1234", 4);
    wire_read(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    expect_end(&w, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.stream_header.stream");
}

static void test_answer_to_another_question(void **state)
{
    demo_find find = {1};
    wire w;
    (void)state;

    start(&w);
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, NULL, NULL, NULL),
        NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
    frame_id(&w.server, NP_FRAMING_RESPONSE, 2, DEMO_SAY_ID, "1234", 4);
    wire_read(&w, &w.server);
    wire_run(&w);
    expect_end(&w, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "demo.Say");
}

static void test_broken_failure(void **state)
{
    demo_find find = {1};
    wire w;
    (void)state;

    start(&w);
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, NULL, NULL, NULL),
        NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
    frame_id(&w.server, NP_FRAMING_ERROR, 2, 99, "1234", 4);
    wire_read(&w, &w.server);
    wire_run(&w);
    expect_end(&w, NP_ERR_VARIANT, NP_SESSION_STAGE_DECODE, NULL);
}

/* Unknown messages are told, and the connection goes on. */
static void test_unknown_messages(void **state)
{
    static const uint32_t ids[] = {77, 255, 260, UINT32_MAX};
    wire w;
    (void)state;

    start(&w);
    for (size_t i = 0; i < 4; i++) {
        frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, ids[i], "1234", 4);
        frame_id(&w.server, NP_FRAMING_REQUEST, (uint32_t)(2 * i + 1), ids[i], "1234", 4);
    }
    w.client.s.opened = 49; /* as if it had asked */
    wire_run(&w);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_UNKNOWN)->event.id, ids[i / 2]);
    }
    assert_true(np_session_is_open(&w.server.s));
    assert_true(np_session_is_open(&w.client.s));
    wire_fini(&w);
}

static void test_newer_than_agreed(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    w.server.options.version_max = 1;
    wire_open(&w);
    frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, DEMO_LATER_ID, "", 0);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_UNKNOWN)->event.id, DEMO_LATER_ID);
    wire_fini(&w);
}

/* Time -------------------------------------------------------------------------------------- */

static void test_slow_frame(void **state)
{
    const wire_event *event;
    uint64_t begin;
    wire w;
    (void)state;

    start(&w);
    frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, DEMO_SAY_ID, "12345678", 8);
    begin = w.now.mono_ms;
    w.cut = NULL;
    for (size_t i = 0; i < 20; i++) {
        uint8_t byte = w.server.bytes[0];
        uint8_t *place;
        size_t room;
        np_want want = np_session_want(&w.server.s, &place, &room);
        memmove(w.server.bytes, w.server.bytes + 1, --w.server.byte_count);
        if (want == NP_WANT_PLACE) {
            *place = byte;
            np_session_recv(&w.server.s, place, 1, w.now);
        } else {
            np_session_recv(&w.server.s, &byte, 1, w.now);
        }
        wire_drain(&w, &w.server);
        np_session_park(&w.server.s);
        assert_int_equal(np_session_deadline(&w.server.s), begin + 30000);
        assert_true(w.server.pool.live <= 504);
        w.now.mono_ms += 1400;
        np_session_tick(&w.server.s, w.now);
    }
    w.server.byte_count = 0;
    w.now.mono_ms = begin + 30000;
    np_session_tick(&w.server.s, w.now);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.reason, BASE_REASON_TIMEOUT);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_DEADLINE);
    assert_string_equal(event->fault.where, "frame_timeout_ms");
    wire_fini(&w);
}

static void test_fragments_that_stop(void **state)
{
    uint8_t *bytes = calloc(1, 65536);
    wire w;
    (void)state;

    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);
    start(&w);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 65536);
    while (wire_read(&w, &w.server)) {
    }
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 31000);
    wire_tick(&w, 31000);
    assert_int_equal(w.server.s.end_err, NP_ERR_DEADLINE);
    /* What had come is forgotten, not held through the close. */
    assert_true(w.server.pool.live <= 4096);
    free(bytes);
    wire_fini(&w);
}

static void test_peer_that_does_not_read(void **state)
{
    const wire_event *event;
    demo_say say = {{(const uint8_t *)"abc", 3}};
    struct iovec iov[4];
    wire w;
    (void)state;

    start(&w);
    w.now.mono_ms += 1000000; /* idle for long: the deadline counts from the write */
    assert_int_equal(np_session_send(&w.server.s, demo_message_say, &say, NULL), NP_OK);
    assert_int_equal(np_session_output(&w.server.s, iov, 4, w.now), 1);
    np_session_output_done(&w.server.s, 0, w.now);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    w.now.mono_ms += 20000;
    assert_int_equal(np_session_output(&w.server.s, iov, 4, w.now), 1);
    np_session_output_done(&w.server.s, 5, w.now);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    w.now.mono_ms += 30000;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_DEADLINE);
    assert_string_equal(event->fault.where, "stall_timeout_ms");
    assert_int_equal(np_session_output(&w.server.s, iov, 4, w.now), 0);
    wire_fini(&w);
}

static void test_keepalive(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    w.server.options.idle_ms = 10000;
    wire_open(&w);
    /* The peer answers: nobody hears of it. */
    for (int i = 0; i < 5; i++) {
        wire_tick(&w, 10000);
        assert_null(wire_next(&w.server));
        assert_null(wire_next(&w.client));
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 10000);
    }
    /* The peer is gone. */
    w.now.mono_ms += 10000;
    np_session_tick(&w.server.s, w.now);
    wire_write(&w, &w.server);
    w.client.byte_count = 0;
    wire_drain(&w, &w.server);
    assert_true(np_session_is_open(&w.server.s));
    w.now.mono_ms += 10000;
    np_session_tick(&w.server.s, w.now);
    assert_int_equal(w.server.s.end_err, NP_ERR_DEADLINE);
    wire_fini(&w);
}

/* Neither is an end in order: what was queued is lost, or nobody knows what became of it. */
static void test_close_deadline(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    start(&w);
    np_session_close(&w.client.s, NP_SESSION_NO_REASON, np_str_from(""), w.now);
    w.now.mono_ms += 5000;
    np_session_tick(&w.client.s, w.now);
    wire_drain(&w, &w.client);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_DEADLINE);
    assert_string_equal(event->fault.where, "close_timeout_ms");
    wire_fini(&w);

    start(&w); /* all is written, and the peer says nothing */
    np_session_close(&w.client.s, NP_SESSION_NO_REASON, np_str_from(""), w.now);
    wire_write(&w, &w.client);
    w.now.mono_ms += 5000;
    np_session_tick(&w.client.s, w.now);
    wire_drain(&w, &w.client);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.err, NP_ERR_DEADLINE);
    wire_fini(&w);
}

/* Pings without end to a peer that does not read: they are not answered without bound. */
static void test_ping_flood(void **state)
{
    wire w;
    (void)state;

    start(&w);
    w.server.options.queue_max = 10000;
    for (int i = 0; i < 10000; i++) {
        frame_id(&w.server, NP_FRAMING_NO_STREAM, 0, BASE_PING_ID, "12345678", 8);
    }
    while (wire_read(&w, &w.server)) {
    }
    assert_int_equal(w.server.byte_count, 0);
    assert_in_range(np_session_queued(&w.server.s), 10000, 10000 + 129 * 22);
    assert_true(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* Memory ------------------------------------------------------------------------------------ */

static void test_no_memory(void **state)
{
    uint8_t *bytes = calloc(1, 65536);
    (void)state;

    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);
    for (size_t limit = 0; limit < 300000; limit += 7001) {
        wire w;
        start(&w);
        w.server.pool.options.live_max = limit > 0 ? limit : 1;
        for (int i = 0; i < 5; i++) {
            frame(&w.server, NP_FRAMING_NO_STREAM, 0, i < 4, bytes, 65536);
        }
        while (wire_read(&w, &w.server)) {
        }
        assert_true(w.server.pool.live <= w.server.pool.options.live_max);
        wire_run(&w);
        wire_fini(&w);
    }
    free(bytes);
}

/* Whatever comes, nothing breaks: mutations of a good conversation. */
static void test_mutations(void **state)
{
    uint32_t seed = 12345;
    (void)state;

    for (int round = 0; round < 3000; round++) {
        demo_say say = {{(const uint8_t *)"some text", 9}};
        demo_find find = {5};
        wire w;

        start(&w);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(np_session_send(&w.client.s, demo_message_say, &say, NULL), NP_OK);
            assert_int_equal(np_session_request(&w.client.s, demo_message_find, &find,
                                                NP_TIME_NEVER, NULL, NULL, NULL),
                             NP_OK);
        }
        wire_write(&w, &w.client);
        for (int i = 0; i < 1 + round % 3; i++) {
            seed = seed * 1664525u + 1013904223u;
            w.server.bytes[(seed >> 8) % w.server.byte_count] ^= (uint8_t)(1u << (seed >> 29));
        }
        wire_run(&w);
        wire_tick(&w, 31000);
        wire_tick(&w, 31000);
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_wrong_first_messages),
        cmocka_unit_test(test_hello_that_is_none),
        cmocka_unit_test(test_hello_twice),
        cmocka_unit_test(test_hello_to_a_client),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test(test_wrong_fragments),
        cmocka_unit_test(test_fragments_of_another_message),
        cmocka_unit_test(test_fragments_beyond_the_bound),
        cmocka_unit_test(test_large_whole_frame),
        cmocka_unit_test(test_wrong_streams),
        cmocka_unit_test(test_stream_used_twice),
        cmocka_unit_test(test_answer_to_another_question),
        cmocka_unit_test(test_broken_failure),
        cmocka_unit_test(test_unknown_messages),
        cmocka_unit_test(test_newer_than_agreed),
        cmocka_unit_test(test_slow_frame),
        cmocka_unit_test(test_fragments_that_stop),
        cmocka_unit_test(test_peer_that_does_not_read),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_close_deadline),
        cmocka_unit_test(test_ping_flood),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
