/* Sessions that go on with their input only when they may: two sides that ask each other over a
 * line that holds little, and payloads that become much when they are unpacked. Time is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/session_talk.h"

/* Two sides that ask each other ------------------------------------------------------------- */

#define CALLS 248u

/* A side's application: it asks as often as it can until it has asked CALLS times, answers what it
 * is asked as soon as there is room, and asks again within its handlers. Before each call it may
 * send a message or a Ping, of which its peer returns what there is room for. */
typedef struct side {
    wire_end *end;
    uint32_t calls, asked, ended, refused, served;
    np_call_key open[CALLS];
    size_t open_count;
    size_t replies; /* as the pump counts them */
    uint32_t answer_len;
    uint32_t said, heard;
    bool throttles, says, pings;
} side;

/* The kernel's buffers hold so much each way; what is longer waits with its sender. */
typedef struct line {
    wire w;
    side sides[2];
    size_t kernel;
    uint32_t serve_max; /* 0: the default */
    uint32_t seed;
} line;

static uint32_t draw(line *l, uint32_t below)
{
    l->seed = l->seed * 1664525u + 1013904223u;
    return (l->seed >> 8) % below;
}

/* What goes before call number `asked`, once. */
static np_err say(side *me)
{
    np_err err = NP_OK;

    if (me->pings && me->asked % 4 == 0 && me->said <= me->asked) {
        err = np_session_ping(&me->end->s, me->asked);
    }
    if (err == NP_OK && me->says && me->said <= me->asked) {
        err = talk_say(&me->end->s, "say", 3);
    }
    me->said += err == NP_OK && me->said <= me->asked;
    return err;
}

static void ask(side *me)
{
    demo_find find = {7};

    while (me->asked < me->calls) {
        np_err err = say(me);
        if (err != NP_OK) {
            assert_int_equal(err, NP_ERR_FULL);
            return;
        }
        err = np_session_request(&me->end->s, demo_message_find, &find, NP_TIME_NEVER, me, NULL,
                                 NULL);
        if (err != NP_OK) {
            assert_int_equal(err, NP_ERR_FULL);
            return;
        }
        me->asked++;
    }
}

static void answer(side *me)
{
    static const uint8_t bytes[3000];
    demo_say found = {{bytes, me->answer_len}};

    while (me->open_count > 0) {
        np_err err = np_session_reply(&me->end->s, me->open[me->open_count - 1], &found, NULL);
        if (err != NP_OK) {
            assert_int_equal(err, NP_ERR_FULL);
            return;
        }
        me->open_count--;
        me->served++;
    }
}

static void on_event(wire_end *end, const np_session_event *event)
{
    side *me = end->app;
    size_t before = np_session_queued(&end->s);

    switch (event->kind) {
    case NP_SESSION_EVENT_MESSAGE:
        if (event->id == DEMO_SAY_ID && event->len > 4 + 8 + 1) {
            np_err err = talk_say(&end->s, "r", 1); /* an answer that is dropped for want of room */
            assert_true(err == NP_OK || err == NP_ERR_FULL);
            me->heard++;
        }
        break;
    case NP_SESSION_EVENT_REQUEST:
        me->open[me->open_count++] = np_session_event_call(event);
        answer(me);
        ask(me);
        break;
    case NP_SESSION_EVENT_FAILURE:
        assert_int_equal(event->err, NP_ERR_BUSY);
        me->refused++;
        me->ended++;
        ask(me);
        break;
    case NP_SESSION_EVENT_RESPONSE:
        me->ended++;
        ask(me);
        break;
    case NP_SESSION_EVENT_WRITABLE:
        answer(me);
        ask(me);
        break;
    default:
        break;
    }
    if (np_session_queued(&end->s) > before) {
        me->replies += np_session_queued(&end->s) - before;
    }
}

/* What the pump does with that. */
static void weigh(line *l, side *me)
{
    size_t queued = np_session_queued(&me->end->s);

    me->replies = me->replies < queued ? me->replies : queued;
    if (me->throttles) {
        np_session_throttle(&me->end->s, me->replies > me->end->options.queue_max / 4, l->w.now);
    }
}

static void turn(line *l, side *me)
{
    wire_end *other = me->end == &l->w.client ? &l->w.server : &l->w.client;

    (void)wire_read(&l->w, me->end);
    if (np_session_pending(&me->end->s)) {
        wire_drain(&l->w, me->end);
        np_session_park(&me->end->s);
    }
    weigh(l, me);
    if (other->byte_count < l->kernel) {
        l->w.write_max = l->kernel - other->byte_count;
        wire_write(&l->w, me->end);
    }
    weigh(l, me);
    wire_drain(&l->w, me->end); /* WRITABLE, or that there is room to go on */
    np_session_park(&me->end->s);
}

/* Both ask at once; returns how long it took until each has heard of all its calls. */
static uint64_t run_line(line *l, size_t queue_max)
{
    uint64_t begun;

    wire_init(&l->w);
    for (int i = 0; i < 2; i++) {
        l->sides[i].end = i == 0 ? &l->w.client : &l->w.server;
        l->sides[i].end->options.queue_max = queue_max;
        l->sides[i].end->options.stall_ms = 30000;
        l->sides[i].end->options.serve_max = l->serve_max > 0 ? l->serve_max : 1024;
    }
    wire_open(&l->w);
    begun = l->w.now.mono_ms;
    for (int i = 0; i < 2; i++) {
        l->sides[i].end->app = &l->sides[i];
        l->sides[i].end->on_event = on_event;
        ask(&l->sides[i]);
    }
    while (l->sides[0].ended < l->sides[0].calls || l->sides[1].ended < l->sides[1].calls) {
        size_t first = draw(l, 2);
        turn(l, &l->sides[first]);
        if (draw(l, 3) != 0) {
            turn(l, &l->sides[1 - first]);
        }
        l->w.now.mono_ms += draw(l, 10);
        for (int i = 0; i < 2; i++) {
            np_session_tick(&l->sides[i].end->s, l->w.now);
            assert_true(np_session_is_open(&l->sides[i].end->s));
        }
        assert_in_range(l->w.now.mono_ms - begun, 0, 600000);
    }
    for (int i = 0; i < 2; i++) {
        side *me = &l->sides[i];
        assert_int_equal(me->ended, me->calls);
        assert_int_equal(me->ended, me->refused + l->sides[1 - i].served);
        assert_true(!me->says || l->sides[1 - i].heard >= me->calls - 1);
    }
    begun = l->w.now.mono_ms - begun;
    l->w.write_max = 0;
    wire_run(&l->w);
    wire_fini(&l->w);
    return begun;
}

/* As it was measured: 248 requests each fill the queues of 8 KiB and 1 KiB of kernel each way. */
static void test_two_sides_that_ask(void **state)
{
    (void)state;
    for (int throttles = 0; throttles < 2; throttles++) {
        line l = {.kernel = 1024, .seed = 1, .sides = {{.calls = CALLS}, {.calls = CALLS}}};
        l.sides[0].throttles = l.sides[1].throttles = throttles != 0;
        (void)run_line(&l, 8192);
    }
}

/* With a message before each call, which stands first where both have more to say than there is
 * room for; and with a Ping there. */
static void test_two_sides_that_say_and_ask(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        line l = {.kernel = 1024, .seed = 1, .sides = {{.calls = CALLS}, {.calls = CALLS}}};
        for (int k = 0; k < 2; k++) {
            l.sides[k].throttles = true;
            l.sides[k].says = (i & 1) == 0;
            l.sides[k].pings = (i & 2) == 0;
            l.sides[k].answer_len = (i & 4) == 0 ? 20 : 1000;
        }
        (void)run_line(&l, 8192);
    }
}

/* Small and large queues, buffers, answers, at random. */
static void test_there_is_always_progress(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        line l = {.seed = seed, .sides = {{.calls = CALLS}, {.calls = CALLS}}};
        size_t queue_max = 300 + draw(&l, 8000);
        l.serve_max = draw(&l, 3) == 0 ? 1 + draw(&l, 4) : 0;
        l.kernel = 1 + draw(&l, draw(&l, 2) == 0 ? 100 : 3000);
        for (int i = 0; i < 2; i++) {
            l.sides[i].throttles = draw(&l, 2) == 0;
            l.sides[i].says = draw(&l, 2) == 0;
            l.sides[i].pings = draw(&l, 3) == 0;
            l.sides[i].answer_len = draw(&l, draw(&l, 2) == 0 ? 20 : (uint32_t)queue_max / 3);
        }
        (void)run_line(&l, queue_max);
    }
}

/* One side alone is never refused, however slow the other is to read. */
static void test_one_side_alone(void **state)
{
    line l = {.kernel = 100, .seed = 5, .sides = {{.calls = CALLS}}};

    (void)state;
    (void)run_line(&l, 8192);
    assert_int_equal(l.sides[0].refused, 0);
    assert_int_equal(l.sides[1].served, CALLS);
}

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

/* Each side's Ping stands before a message that is longer than the queue's bound: the Pong finds
 * room all the same. */
static void test_ping_before_a_long_message(void **state)
{
    uint8_t *bytes = wire_pattern(90000, 3);
    line l = {.kernel = 1024, .seed = 1};
    wire_end *ends[2] = {&l.w.client, &l.w.server};

    (void)state;
    wire_init(&l.w);
    for (int i = 0; i < 2; i++) {
        l.sides[i].end = ends[i];
        ends[i]->options.queue_max = 8000;
    }
    wire_open(&l.w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(np_session_ping(&ends[i]->s, 7), NP_OK);
        wire_write(&l.w, ends[i]);
        assert_int_equal(talk_say(&ends[i]->s, bytes, 90000), NP_OK);
    }
    for (int i = 0; i < 1000; i++) {
        turn(&l, &l.sides[i % 2]);
    }
    for (int i = 0; i < 2; i++) {
        talk_assert_said(wire_expect(ends[i], NP_SESSION_EVENT_MESSAGE), bytes, 90000);
        assert_int_equal(wire_expect(ends[i], NP_SESSION_EVENT_MESSAGE)->event.id, BASE_PONG_ID);
    }
    l.w.write_max = 0;
    free(bytes);
    wire_fini(&l.w);
}

/* But beyond the bound there is room for some only; the others stay unsaid, and what is behind them
 * is heard. */
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

/* The same for a body, whose least piece may be more than half of what a small queue has for it. */
static void test_body_is_writable_when_something_has_left(void **state)
{
    const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
    uint8_t *bytes = wire_pattern(3000, 3);
    trying t = {.bytes = bytes, .len = 2000};
    base_data data = {.name = {NULL, 0}};
    wire w;

    (void)state;
    start_trying(&w, &t, 4096);
    assert_int_equal(np_session_body_begin(&w.server.s, message, &data, 100000, &t.body, NULL),
                     NP_OK);
    assert_int_equal(talk_say(&w.server.s, bytes, 300), NP_OK);
    assert_int_equal(try(&w.server, &t), NP_ERR_FULL);
    wire_drain(&w, &w.server);
    assert_int_equal(t.tries, 1);
    w.write_max = 100;
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    assert_int_equal(t.tries, 2);
    w.write_max = 0;
    wire_write(&w, &w.server);
    wire_drain(&w, &w.server);
    assert_true(np_session_queued(&w.server.s) > 0); /* a piece of it is on its way */
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

/* Unpacking --------------------------------------------------------------------------------- */

/* Bytes on the wire that become a thousand times as much. */
static void start_packed(wire *w, uint32_t unpack_rate)
{
    wire_init(w);
    wire_compress(&w->client, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 512);
    wire_compress(&w->server, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 512);
    w->server.compression.unpack_rate = unpack_rate;
    wire_open(w);
}

/* A large message in fragments that lie in one read: a turn takes its share and yields, and goes on
 * in the next, without more input. */
static void test_a_turn_has_its_share(void **state)
{
    enum { LEN = 4 << 20 };
    uint8_t *zeros = calloc(1, LEN);
    size_t turns = 0;
    np_session_event event;
    wire w;

    (void)state;
    assert_non_null(zeros);
    start_packed(&w, 0);
    assert_int_equal(talk_say(&w.client.s, zeros, LEN), NP_OK);
    wire_write(&w, &w.client);
    while (np_session_queued(&w.client.s) > 0) {
        wire_write(&w, &w.client);
    }
    assert_in_range(w.server.byte_count, 64, 20000);
    w.server.stop = true; /* turn by turn */
    assert_true(wire_read(&w, &w.server));
    while (!np_session_next_event(&w.server.s, &event)) {
        assert_true(np_session_pending(&w.server.s));
        np_session_park(&w.server.s);
        turns++;
    }
    assert_int_equal(event.kind, NP_SESSION_EVENT_MESSAGE);
    assert_int_equal(event.len, 12 + LEN);
    assert_in_range(turns, LEN / 0x40000 - 1, LEN / 0x40000 + 1);
    np_session_park(&w.server.s);
    w.server.stop = false;
    wire_fini(&w);
    free(zeros);
}

/* Beyond the rate the session does not read on, and goes on in the next window. */
static void test_a_second_has_its_share(void **state)
{
    enum { LEN = 2 << 20, RATE = 5 << 20 };
    uint8_t *zeros = calloc(1, LEN);
    uint64_t begun;
    uint8_t *place = NULL;
    size_t room = 0;
    size_t seen = 0;
    wire w;

    (void)state;
    assert_non_null(zeros);
    start_packed(&w, RATE);
    begun = w.now.mono_ms;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(talk_say(&w.client.s, zeros, LEN), NP_OK);
        wire_write(&w, &w.client);
    }
    while (seen < 10) {
        wire_run(&w);
        while (wire_next(&w.server) != NULL) {
            seen++;
        }
        if (seen < 10) {
            uint64_t deadline = np_session_deadline(&w.server.s);
            assert_false(np_session_pending(&w.server.s));
            assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
            assert_in_range(deadline, w.now.mono_ms + 1, w.now.mono_ms + 100);
            w.now.mono_ms = deadline;
            np_session_tick(&w.server.s, w.now);
            assert_true(np_session_pending(&w.server.s));
        }
    }
    /* 20 MiB at 5 MiB a second, but for what the first window and the last fragment grant. */
    assert_in_range(w.now.mono_ms - begun, 3600, 4100);
    assert_true(np_session_is_open(&w.server.s));
    wire_fini(&w);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sides_that_ask),
        cmocka_unit_test(test_two_sides_that_say_and_ask),
        cmocka_unit_test(test_there_is_always_progress),
        cmocka_unit_test(test_one_side_alone),
        cmocka_unit_test(test_requests_wait_and_are_refused),
        cmocka_unit_test(test_held_while_it_waits),
        cmocka_unit_test(test_ping_before_a_long_message),
        cmocka_unit_test(test_pongs_are_bounded),
        cmocka_unit_test(test_peer_that_stands_still),
        cmocka_unit_test(test_writable_comes_when_something_has_left),
        cmocka_unit_test(test_body_is_writable_when_something_has_left),
        cmocka_unit_test(test_refusing_without_memory),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_a_turn_has_its_share),
        cmocka_unit_test(test_a_second_has_its_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
