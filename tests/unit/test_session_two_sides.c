/* Two sessions that ask each other over a line that holds little: they always make progress. Time
 * is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/session_talk.h"

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

/* More requests each way than are refused by default, and then messages: what waits to be refused
 * is as much as may be asked. */
static void open_both(wire *w, uint32_t calls_max, uint32_t stall_ms)
{
    wire_init(w);
    for (int i = 0; i < 2; i++) {
        wire_end *end = i == 0 ? &w->client : &w->server;
        end->options.calls_max = calls_max;
        end->options.stall_ms = stall_ms;
    }
    wire_open(w);
}

static void test_more_calls_than_are_refused(void **state)
{
    static const uint8_t bytes[1000];
    demo_find find = {7};
    wire w;

    (void)state;
    open_both(&w, 2000, 0);
    for (int i = 0; i < 2; i++) {
        wire_end *end = i == 0 ? &w.client : &w.server;
        for (int k = 0; k < 1200; k++) {
            assert_int_equal(np_session_request(&end->s, demo_message_find, &find, NP_TIME_NEVER,
                                                NULL, NULL, NULL),
                             NP_OK);
        }
        while (talk_say(&end->s, bytes, sizeof bytes) == NP_OK) {
        }
    }
    for (int i = 0; i < 36000; i++) { /* an hour */
        for (int k = 0; k < 2; k++) {
            wire_end *end = k == 0 ? &w.client : &w.server;
            wire_end *other = k == 0 ? &w.server : &w.client;
            (void)wire_read(&w, end);
            wire_drain(&w, end);
            np_session_park(&end->s);
            if (other->byte_count < 4096) {
                w.write_max = 4096 - other->byte_count;
                wire_write(&w, end);
            }
        }
        w.now.mono_ms += 100;
        np_session_tick(&w.client.s, w.now);
        np_session_tick(&w.server.s, w.now);
    }
    print_message("queued %zu and %zu after an hour; paused %d %d\n",
                  np_session_queued(&w.client.s), np_session_queued(&w.server.s), w.client.s.paused,
                  w.server.s.paused);
    assert_int_equal(np_session_queued(&w.client.s), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sides_that_ask),
        cmocka_unit_test(test_two_sides_that_say_and_ask),
        cmocka_unit_test(test_there_is_always_progress),
        cmocka_unit_test(test_one_side_alone),
        cmocka_unit_test(test_more_calls_than_are_refused),
        cmocka_unit_test(test_ping_before_a_long_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
