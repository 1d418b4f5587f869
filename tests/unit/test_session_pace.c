/* Sessions that go on with their input only when they may, while their output waits. Time is
 * virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/session_talk.h"

/* What stands first, while nothing leaves --------------------------------------------------- */

static void inject(wire_end *to, uint8_t kind, uint32_t stream, const void *body, size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, false);
    uint8_t frame[200];

    wire_inject(to, frame, (size_t)(np_put_raw(np_framing_put(frame, &head), body, len) - frame));
}

/* A server that has asked something (own: NULL, nothing), whose queue is more than half full, and
 * whose client reads nothing. */
static void fill(wire *w, uint32_t *own)
{
    uint8_t *bytes = wire_pattern(3000, 3);

    wire_init(w);
    w->server.options.serve_max = 3;
    wire_open(w);
    assert_int_equal(talk_say(&w->server.s, bytes, 3000), NP_OK);
    if (own != NULL) {
        *own = talk_ask(&w->server.s, NP_TIME_NEVER, w);
    }
    w->server.options.queue_max = 4000;
    w->write_max = 10;
    wire_write(w, &w->server);
    free(bytes);
}

/* Requests wait a second, then they are refused, as many as may be served; nothing else waits. */
static void test_requests_wait_and_are_refused(void **state)
{
    demo_find find = {1};
    uint8_t ping[12];
    uint8_t *place = NULL;
    size_t room = 0;
    uint32_t own = 0;
    size_t queued = 0;
    wire w;

    (void)state;
    fill(&w, &own);
    np_put_u64(np_put_u32(ping, BASE_PING_ID), 5);
    for (int i = 0; i < 20; i++) {
        inject(&w.server, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping);
    }
    inject(&w.server, NP_FRAMING_RESPONSE, own, "\x01\x01\0\0\0\0\0\0\0\0\0\0", 12);
    for (uint32_t i = 0; i < 5; i++) {
        (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
        if (i == 2) {
            np_session_cancel(&w.client.s, 3); /* it waits to be refused: nothing will be said */
        }
    }
    w.write_max = 0;
    wire_write(&w, &w.client);
    (void)wire_read(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_RESPONSE);
    assert_null(wire_next(&w.server));
    assert_false(np_session_pending(&w.server.s));
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 1000);
    /* Nor does this side ask meanwhile, so that its own requests do not keep the queue full. */
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, &w, NULL, NULL),
        NP_ERR_FULL);
    assert_int_equal(talk_say(&w.server.s, "more", 4), NP_OK);
    w.now.mono_ms += 999;
    np_session_tick(&w.server.s, w.now);
    assert_false(np_session_pending(&w.server.s));
    w.now.mono_ms += 1;
    np_session_tick(&w.server.s, w.now);
    assert_true(np_session_pending(&w.server.s));
    wire_drain(&w, &w.server);
    np_session_park(&w.server.s);

    /* They are refused, once there is room to say so, and do not count among those served. */
    assert_null(wire_next(&w.server));
    assert_int_equal(np_calls_refused(w.server.s.calls), 4);
    assert_int_equal(np_calls_served(w.server.s.calls, 1), 0);
    /* So is one that nobody knows, instead of an answer beyond the queue's bound. */
    queued = np_session_queued(&w.server.s);
    w.client.s.opened++;
    inject(&w.server, NP_FRAMING_REQUEST, 11, "\xff\xff\xff\x7f\0\0\0\0", 8);
    assert_true(wire_read(&w, &w.server));
    wire_expect(&w.server, NP_SESSION_EVENT_UNKNOWN);
    assert_int_equal(np_calls_refused(w.server.s.calls), 5);
    assert_int_equal(np_session_queued(&w.server.s), queued);
    /* Nobody has been given a handle of theirs. */
    assert_false(np_session_serving(&w.server.s, talk_call(&w.server.s, 5)));
    np_session_drop(&w.server.s, talk_call(&w.server.s, 5));
    assert_int_equal(np_calls_refused(w.server.s.calls), 5);
    assert_false(np_session_pending(&w.server.s));
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms - 1000 + 30000);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.server));
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE)->event.id, DEMO_SAY_ID);
    wire_expect(&w.client, NP_SESSION_EVENT_REQUEST);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE)->event.id, BASE_PONG_ID);
    }
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE)->event.id, DEMO_SAY_ID);
    for (size_t i = 0; i < 4; i++) {
        static const uint32_t refused[] = {1, 5, 7, 9};
        const wire_event *event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
        assert_int_equal(event->event.err, NP_ERR_BUSY);
        assert_int_equal(event->event.stream, refused[i]);
    }
    assert_null(wire_next(&w.client));
    wire_fini(&w);
}

/* Where one was refused, the next is refused soon after something has left that makes no room: both
 * sides wait in turn. Once there is room, it is a second again. */
static void test_refusals_that_follow_are_quick(void **state)
{
    wire w;

    (void)state;
    fill(&w, NULL);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t patience_ms = i == 0 ? 1000 : 20;
        (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
        w.write_max = 0;
        wire_write(&w, &w.client);
        w.write_max = 10;
        wire_write(&w, &w.server);
        assert_true(wire_read(&w, &w.server));
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + patience_ms);
        w.now.mono_ms += patience_ms - 1;
        np_session_tick(&w.server.s, w.now);
        assert_false(np_session_pending(&w.server.s));
        w.now.mono_ms += 1;
        np_session_tick(&w.server.s, w.now);
        wire_drain(&w, &w.server);
        np_session_park(&w.server.s);
        assert_int_equal(np_calls_refused(w.server.s.calls), i + 1);
    }
    assert_true(w.server.s.stuck);
    w.write_max = 0;
    wire_run(&w);
    assert_false(w.server.s.stuck);
    wire_fini(&w);
}

/* One that nobody knows hears so, also where it hears it later. */
static void test_unknown_request_is_refused_later(void **state)
{
    const wire_event *event;
    wire w;

    (void)state;
    fill(&w, NULL);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    w.write_max = 0;
    wire_write(&w, &w.client);
    np_put_u32(w.server.bytes + w.server.byte_count - 8, 0x7fffffff); /* its id */
    assert_true(wire_read(&w, &w.server));
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_UNKNOWN)->event.id, 0x7fffffff);
    wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
    event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.reason, BASE_REASON_UNKNOWN_MESSAGE);
    wire_fini(&w);
}

/* No more than so many wait to be refused, or serve_max where that is more. The next one waits, and
 * no time changes that. */
static void test_refusals_are_bounded(void **state)
{
    static const uint32_t rows[][2] = {{3, 1024}, {1025, 1025}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire w;
        fill(&w, NULL);
        w.server.options.serve_max = rows[i][0];
        for (uint32_t k = 0; k < 1030; k++) {
            inject(&w.server, NP_FRAMING_REQUEST, 2 * k + 1, "\x01\x01\0\0\x07\0\0\0", 8);
        }
        assert_true(wire_read(&w, &w.server));
        w.now.mono_ms += 1000;
        np_session_tick(&w.server.s, w.now);
        wire_drain(&w, &w.server);
        np_session_park(&w.server.s);
        assert_null(wire_next(&w.server));
        assert_int_equal(np_calls_refused(w.server.s.calls), rows[i][1]);
        assert_false(np_session_pending(&w.server.s));
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms - 1000 + 30000);
        wire_fini(&w);
    }
}

/* Behind our goodbye nobody is refused any more. */
static void test_no_refusals_behind_the_goodbye(void **state)
{
    wire w;

    (void)state;
    fill(&w, NULL);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    w.write_max = 0;
    wire_write(&w, &w.client);
    assert_true(wire_read(&w, &w.server));
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    np_session_park(&w.server.s);
    assert_int_equal(np_calls_refused(w.server.s.calls), 1);
    np_session_close(&w.server.s, NP_SESSION_NO_REASON, np_str_from(""), w.now);
    np_session_output_done(&w.server.s, np_session_queued(&w.server.s) - 1, w.now);
    wire_drain(&w, &w.server);
    np_session_park(&w.server.s);
    assert_int_equal(np_session_queued(&w.server.s), 1);
    wire_fini(&w);
}

/* A message waits a second for room; where the queue is nearly full, for half of the time that a
 * peer may stall, which is never less than that, and has a length where there is no such time. */
static void test_how_long_a_message_waits(void **state)
{
    static const struct {
        size_t queue_max;
        uint32_t stall_ms;
        uint32_t wait_ms;
    } rows[] = {
        {8000, 10000, 1000}, {4000, 10000, 5000}, {4000, 1500, 1000},
        {4000, 0, 15000},    {8000, 0, 1000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire w;
        fill(&w, NULL);
        w.server.options.queue_max = rows[i].queue_max;
        w.server.options.stall_ms = rows[i].stall_ms;
        np_session_throttle(&w.server.s, true, w.now);
        assert_int_equal(talk_say(&w.client.s, "hello", 5), NP_OK);
        w.write_max = 0;
        wire_write(&w, &w.client);
        assert_true(wire_read(&w, &w.server));
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + rows[i].wait_ms);
        w.now.mono_ms += rows[i].wait_ms - 1;
        np_session_tick(&w.server.s, w.now);
        assert_false(np_session_pending(&w.server.s));
        w.now.mono_ms += 1;
        np_session_tick(&w.server.s, w.now);
        wire_drain(&w, &w.server);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "hello", 5);
        np_session_park(&w.server.s);
        wire_fini(&w);
    }
}

/* Held by the application while it waits: time does not make it try again and again, and what it
 * has to say about its queue still comes. */
static void test_held_while_it_waits(void **state)
{
    uint8_t *bytes = wire_pattern(3000, 4);
    wire w;

    (void)state;
    fill(&w, NULL);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    w.write_max = 0;
    wire_write(&w, &w.client);
    assert_true(wire_read(&w, &w.server));
    assert_int_equal(talk_say(&w.server.s, bytes, 3000), NP_ERR_FULL);
    np_session_hold(&w.server.s, true, w.now);
    for (int i = 0; i < 5; i++) {
        w.now.mono_ms += 1000;
        np_session_tick(&w.server.s, w.now);
        assert_false(np_session_pending(&w.server.s));
        assert_true(np_session_deadline(&w.server.s) > w.now.mono_ms);
    }
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.server));
    np_session_hold(&w.server.s, false, w.now);
    wire_drain(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    free(bytes);
    wire_fini(&w);
}

/* Beyond the queue's bound there is room for some Pongs only; the others stay unsaid, and what is
 * behind them is heard. */
static void test_pongs_are_bounded(void **state)
{
    uint8_t *bytes = wire_pattern(90000, 3);
    uint8_t ping[12];
    size_t queued = 0;
    wire w;

    (void)state;
    wire_init(&w);
    w.server.options.queue_max = 8000;
    wire_open(&w);
    assert_int_equal(talk_say(&w.server.s, bytes, 90000), NP_OK);
    queued = np_session_queued(&w.server.s);
    np_put_u64(np_put_u32(ping, BASE_PING_ID), 5);
    for (int i = 0; i < 1000; i++) {
        inject(&w.server, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping);
    }
    assert_int_equal(talk_say(&w.client.s, "behind", 6), NP_OK);
    wire_write(&w, &w.client);
    while (wire_read(&w, &w.server)) {
    }
    assert_int_equal(np_session_queued(&w.server.s) - queued,
                     128 * (NP_FRAMING_HEADER_LEN + sizeof ping));
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "behind", 6);
    np_session_output_done(&w.server.s, queued, w.now); /* there is room again */
    queued = np_session_queued(&w.server.s);
    inject(&w.server, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping);
    (void)wire_read(&w, &w.server);
    assert_true(np_session_queued(&w.server.s) > queued);
    /* And next time there are as many, and one for which the queue still has room. */
    np_session_output_done(&w.server.s, np_session_queued(&w.server.s), w.now);
    assert_int_equal(talk_say(&w.server.s, bytes, 90000), NP_OK);
    queued = np_session_queued(&w.server.s);
    w.server.options.queue_max = (uint32_t)queued;
    for (int i = 0; i < 1000; i++) {
        inject(&w.server, NP_FRAMING_NO_STREAM, 0, ping, sizeof ping);
    }
    while (wire_read(&w, &w.server)) {
    }
    assert_int_equal(np_session_queued(&w.server.s) - queued,
                     129 * (NP_FRAMING_HEADER_LEN + sizeof ping));
    free(bytes);
    wire_fini(&w);
}

/* An echo whose peer stands still for longer than a second, and then reads on, slowly: what it is
 * sent back may wait, but none of it is lost for want of room. */
typedef struct echo {
    wire w;
    unsigned heard, full;
    size_t replies;
} echo;

/* As the pump does, after each event and each write. */
static void weigh_echo(echo *e)
{
    size_t queued = np_session_queued(&e->w.server.s);

    e->replies = e->replies < queued ? e->replies : queued;
    np_session_throttle(&e->w.server.s, e->replies > e->w.server.options.queue_max / 4, e->w.now);
}

static void on_echo(wire_end *end, const np_session_event *event)
{
    static const uint8_t bytes[500];
    echo *e = end->app;
    size_t before = np_session_queued(&end->s);

    if (event->kind == NP_SESSION_EVENT_MESSAGE && event->id == DEMO_SAY_ID) {
        e->heard++;
        e->full += talk_say(&end->s, bytes, sizeof bytes) == NP_ERR_FULL;
        e->replies += np_session_queued(&end->s) - before;
        weigh_echo(e);
    }
}

static void test_peer_that_stands_still(void **state)
{
    static echo e;
    size_t said = 0;

    (void)state;
    wire_init(&e.w);
    e.w.server.options.queue_max = 20000;
    e.w.server.options.stall_ms = 30000;
    e.w.server.app = &e;
    e.w.server.on_event = on_echo;
    wire_open(&e.w);
    for (int ms = 0; ms < 9000; ms += 10) {
        struct iovec iov[4];
        bool takes = (ms < 500 || ms > 1900) && ms % 30 == 0;

        while (e.w.server.byte_count < 4000 && said < 2000) {
            assert_int_equal(talk_say(&e.w.client.s, "echo", 4), NP_OK);
            said++;
            wire_write(&e.w, &e.w.client);
        }
        (void)wire_read(&e.w, &e.w.server);
        wire_drain(&e.w, &e.w.server);
        np_session_park(&e.w.server.s);
        (void)np_session_output(&e.w.server.s, iov, 4, e.w.now);
        np_session_output_done(&e.w.server.s, takes ? 2000 : 0, e.w.now);
        weigh_echo(&e);
        e.w.now.mono_ms += 10;
        np_session_tick(&e.w.server.s, e.w.now);
    }
    assert_true(e.heard > 500);
    assert_int_equal(e.full, 0);
    wire_fini(&e.w);
}

/* WRITABLE ---------------------------------------------------------------------------------- */

/* An application that tries again whenever it may, what does not fit yet. */
typedef struct trying {
    uint64_t body; /* or, where it is 0, a message */
    const uint8_t *bytes;
    size_t len;
    unsigned tries;
} trying;

static np_err try(wire_end *end, trying *t)
{
    size_t taken = 0;
    np_err err = NP_OK;

    t->tries++;
    err = t->body == 0 ? talk_say(&end->s, t->bytes, t->len)
                       : np_session_body_write(&end->s, t->body, t->bytes, t->len, &taken);
    assert_true(t->tries < 1000);
    return err;
}

static void on_trying(wire_end *end, const np_session_event *event)
{
    trying *t = end->app;

    if (event->kind == NP_SESSION_EVENT_WRITABLE) {
        (void)try(end, t);
    }
}

static void start_trying(wire *w, trying *t, size_t queue_max)
{
    wire_init(w);
    w->server.options.queue_max = queue_max;
    w->server.app = t;
    w->server.on_event = on_trying;
    wire_open(w);
}

/* Less than half of the queue is taken, and a message does not fit: WRITABLE comes once for what
 * has left, so that it neither spins nor keeps the peer's messages waiting. */
static void test_writable_comes_when_something_has_left(void **state)
{
    uint8_t *bytes = wire_pattern(9000, 3);
    trying t = {.bytes = bytes, .len = 7000};
    wire w;

    (void)state;
    start_trying(&w, &t, 10000);
    assert_int_equal(talk_say(&w.server.s, bytes, 4000), NP_OK);
    assert_int_equal(try(&w.server, &t), NP_ERR_FULL);
    assert_false(np_session_pending(&w.server.s));
    assert_int_equal(talk_say(&w.client.s, "hello", 5), NP_OK);
    wire_write(&w, &w.client);
    (void)wire_read(&w, &w.server);
    wire_drain(&w, &w.server);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "hello", 5);
    assert_int_equal(t.tries, 1);
    w.write_max = 500;
    for (unsigned i = 0; i < 3; i++) {
        wire_write(&w, &w.server);
        wire_drain(&w, &w.server);
        assert_int_equal(t.tries, 2 + i);
    }
    w.write_max = 0;
    wire_run(&w);
    talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), bytes, 4000);
    talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), bytes, 7000);
    free(bytes);
    wire_fini(&w);
}

/* The same for a body. Its least piece may be all that a small queue has for it: it is taken beside
 * a message, and the next when that has left. */
static void test_body_is_writable_when_something_has_left(void **state)
{
    const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
    uint8_t *bytes = wire_pattern(3000, 3);
    trying t = {.bytes = bytes, .len = 3000};
    base_data data = {.name = {NULL, 0}};
    wire w;

    (void)state;
    start_trying(&w, &t, 4096);
    assert_int_equal(np_session_body_begin(&w.server.s, message, &data, 100000, &t.body, NULL),
                     NP_OK);
    assert_int_equal(talk_say(&w.server.s, bytes, 300), NP_OK);
    assert_int_equal(try(&w.server, &t), NP_OK);
    assert_in_range(np_session_queued(&w.server.s), 1024 + 300, 4096 / 2);
    wire_drain(&w, &w.server);
    assert_int_equal(t.tries, 1);
    w.write_max = 100;
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    assert_int_equal(t.tries, 1);
    w.write_max = 0;
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    assert_int_equal(t.tries, 2);
    assert_true(np_session_queued(&w.server.s) > 0); /* a piece of it is on its way */
    free(bytes);
    wire_fini(&w);
}

/* There is room for a message, and not yet for a body: who is told of the one still hears of the
 * other. */
static void test_writable_for_each(void **state)
{
    const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
    uint8_t *bytes = wire_pattern(4000, 3);
    base_data data = {.name = {NULL, 0}};
    uint64_t body = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    wire_init(&w);
    w.server.options.queue_max = 4096;
    wire_open(&w);
    assert_int_equal(np_session_body_begin(&w.server.s, message, &data, 100000, &body, NULL),
                     NP_OK);
    assert_int_equal(np_session_body_write(&w.server.s, body, bytes, 1024, &taken), NP_OK);
    assert_int_equal(talk_say(&w.server.s, bytes, 1500), NP_OK);
    assert_int_equal(np_session_body_write(&w.server.s, body, bytes, 2000, &taken), NP_ERR_FULL);
    assert_int_equal(talk_say(&w.server.s, bytes, 4000), NP_ERR_FULL);
    w.write_max = 600;
    for (int left = 1; left >= 0; left--) {
        wire_write(&w, &w.server);
        wire_drain(&w, &w.server);
        wire_expect(&w.server, NP_SESSION_EVENT_WRITABLE);
        assert_null(wire_next(&w.server));
        assert_int_equal(w.server.s.bodies->queued_left > 0, left); /* of the piece before */
    }
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    assert_null(wire_next(&w.server));
    free(bytes);
    wire_fini(&w);
}

/* Requests leave half of the queue to what answers the peer; and where the peer's input waits, all
 * of it, but for the one that finds it empty. */
static void test_own_requests_leave_room(void **state)
{
    uint8_t *bytes = wire_pattern(3000, 3);
    demo_find find = {1};
    wire w;

    (void)state;
    wire_init(&w);
    w.server.options.queue_max = 8000;
    wire_open(&w);
    assert_int_equal(talk_say(&w.server.s, bytes, 3000), NP_OK);
    (void)talk_ask(&w.server.s, NP_TIME_NEVER, &w);
    assert_int_equal(talk_say(&w.server.s, bytes, 3000), NP_OK);
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, &w, NULL, NULL),
        NP_ERR_FULL);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_WRITABLE);

    np_session_throttle(&w.server.s, true, w.now);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    wire_run(&w);
    (void)talk_ask(&w.server.s, NP_TIME_NEVER, &w);
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, &w, NULL, NULL),
        NP_ERR_FULL);
    assert_null(wire_next(&w.server));
    np_session_throttle(&w.server.s, false, w.now);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    wire_expect(&w.server, NP_SESSION_EVENT_WRITABLE);
    free(bytes);
    wire_fini(&w);
}

/* Limits ------------------------------------------------------------------------------------ */

/* There is no memory to keep a request that is to be refused: the end tells which bound it is. */
static void test_refusing_without_memory(void **state)
{
    const wire_event *event;
    wire w;

    (void)state;
    fill(&w, NULL);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    w.write_max = 0;
    wire_write(&w, &w.client);
    (void)wire_read(&w, &w.server);
    w.server.pool.options.live_max = w.server.pool.live;
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_LIMIT);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_LOCAL);
    wire_fini(&w);
}

/* While it is throttled a session takes no messages and no bodies, but what ends its calls. */
static void test_throttle(void **state)
{
    uint32_t own = 0;
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    own = talk_ask(&w.server.s, NP_TIME_NEVER, &w);
    assert_int_equal(np_session_ping(&w.server.s, 7), NP_OK);
    wire_write(&w, &w.server);
    np_session_throttle(&w.server.s, true, w.now);
    assert_true(wire_read(&w, &w.client));
    inject(&w.server, NP_FRAMING_RESPONSE, own, "\x01\x01\0\0\0\0\0\0\0\0\0\0", 12);
    assert_int_equal(talk_say(&w.client.s, "one", 3), NP_OK);
    wire_write(&w, &w.client);
    inject(&w.server, NP_FRAMING_REQUEST, 1, "\x01\x01\0\0\x07\0\0\0", 8);
    (void)wire_read(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_RESPONSE);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE)->event.id, BASE_PONG_ID);
    assert_null(wire_next(&w.server));
    assert_false(np_session_pending(&w.server.s));
    np_session_throttle(&w.server.s, false, w.now);
    assert_true(np_session_pending(&w.server.s));
    wire_drain(&w, &w.server);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "one", 3);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    wire_fini(&w);
}

/* A request waits for the pump as well, also where nothing stands before it. */
static void test_throttle_a_request(void **state)
{
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    np_session_throttle(&w.server.s, true, w.now);
    (void)talk_ask(&w.client.s, NP_TIME_NEVER, &w);
    wire_run(&w);
    assert_null(wire_next(&w.server));
    assert_false(np_session_pending(&w.server.s));
    np_session_throttle(&w.server.s, false, w.now);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_wait_and_are_refused),
        cmocka_unit_test(test_refusals_that_follow_are_quick),
        cmocka_unit_test(test_unknown_request_is_refused_later),
        cmocka_unit_test(test_refusals_are_bounded),
        cmocka_unit_test(test_no_refusals_behind_the_goodbye),
        cmocka_unit_test(test_how_long_a_message_waits),
        cmocka_unit_test(test_held_while_it_waits),
        cmocka_unit_test(test_pongs_are_bounded),
        cmocka_unit_test(test_peer_that_stands_still),
        cmocka_unit_test(test_writable_comes_when_something_has_left),
        cmocka_unit_test(test_body_is_writable_when_something_has_left),
        cmocka_unit_test(test_writable_for_each),
        cmocka_unit_test(test_own_requests_leave_room),
        cmocka_unit_test(test_refusing_without_memory),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_throttle_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
