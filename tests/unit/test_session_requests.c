/* Two sessions over memory: requests, their answers, deadlines and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/session_talk.h"

static void test_request_and_reply(void **state)
{
    demo_say answer = talk_value("found", 5);
    const wire_event *event;
    uint32_t first, second, reverse;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    first = talk_ask(&w.client.s, NP_TIME_NEVER, &first);
    second = talk_ask(&w.client.s, NP_TIME_NEVER, &second);
    reverse = talk_ask(&w.server.s, NP_TIME_NEVER, &reverse);
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
    assert_true(np_session_serving(&w.server.s, talk_call(&w.server.s, second)));
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, second), &answer, NULL),
                     NP_OK);
    assert_false(np_session_serving(&w.server.s, talk_call(&w.server.s, second)));
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, second), &answer, NULL),
                     NP_ERR_CLOSED);
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, 77), &answer, NULL),
                     NP_ERR_CLOSED);
    assert_int_equal(np_session_reply(&w.client.s, talk_call(&w.client.s, first), &answer, NULL),
                     NP_ERR_CLOSED);
    assert_int_equal(np_session_refuse(&w.server.s, talk_call(&w.server.s, first),
                                       BASE_REASON_REFUSED, 17, np_str_from("not you")),
                     NP_OK);
    assert_int_equal(np_session_refuse(&w.client.s, talk_call(&w.client.s, reverse),
                                       BASE_REASON_INTERNAL, 18, np_str_from("")),
                     NP_OK);
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
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
    wire_fini(&w);
}

static void test_large_reply(void **state)
{
    uint8_t *bytes = wire_pattern(3000000, 5);
    demo_say answer = talk_value(bytes, 3000000);
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
    wire_run(&w);
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, stream), &answer, NULL),
                     NP_OK);
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
    demo_say answer = talk_value("late", 4);
    const wire_event *event;
    uint32_t first, second, third;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    first = talk_ask(&w.client.s, w.now.mono_ms + 2000, &first);
    second = talk_ask(&w.client.s, w.now.mono_ms + 1000, &second);
    third = talk_ask(&w.client.s, NP_TIME_NEVER, &third);
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
    event = wire_expect(&w.server, NP_SESSION_EVENT_CANCEL);
    assert_int_equal(event->event.stream, second);
    assert_int_equal(
        np_session_reply(&w.server.s, np_session_event_call(&event->event), &answer, NULL),
        NP_ERR_CLOSED);

    /* An answer that crosses the cancel is dropped. */
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, first), &answer, NULL),
                     NP_OK);
    np_session_cancel(&w.client.s, first);
    np_session_cancel(&w.client.s, 99);
    wire_run(&w);
    assert_null(wire_next(&w.client));
    assert_null(wire_next(&w.server));
    assert_int_equal(np_session_reply(&w.server.s, talk_call(&w.server.s, third), &answer, NULL),
                     NP_OK);
    wire_run(&w);
    assert_ptr_equal(wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE)->event.user, &third);
    assert_int_equal(np_session_deadline(&w.client.s), NP_TIME_NEVER);
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
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
        talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
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
        assert_int_equal(np_session_refuse(&w.server.s, talk_call(&w.server.s, 1 + 2 * i),
                                           BASE_REASON_INTERNAL, i, np_str_from("")),
                         NP_OK);
    }
    wire_run(&w);
    for (int i = 0; i < 200; i++) {
        wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    }
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
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
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
    wire_run(&w);
    assert_int_equal(
        np_session_refuse(&w.server.s, talk_call(&w.server.s, stream), 999, 0, np_str_from("")),
        NP_ERR_VARIANT);
    assert_int_equal(
        np_session_refuse(&w.server.s, talk_call(&w.server.s, stream), 9, 0, np_str_from("\xff")),
        NP_ERR_UTF8);
    /* Cut at a character: 255 bytes and the first of a two-byte one. */
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[255] = '\xc3';
    text[256] = '\xa4';
    assert_int_equal(
        np_session_refuse(&w.server.s, talk_call(&w.server.s, stream), 9, 0, np_str_from(text)),
        NP_OK);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.text.len, 255);
    wire_fini(&w);
}

/* A refusal for a reason that would end a connection is no more than a failed request. */
static void test_failure_about_the_version(void **state)
{
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
    wire_run(&w);
    assert_int_equal(np_session_refuse(&w.server.s, talk_call(&w.server.s, stream),
                                       BASE_REASON_VERSION, 0, np_str_from("")),
                     NP_OK);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.err, NP_ERR_FAILED);
    assert_int_equal(event->event.reason, BASE_REASON_VERSION);
    assert_true(np_session_is_open(&w.client.s));
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
    kept = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
    assert_int_equal(kept, 1);
    w.client.s.opened = 0x7fffffff;
    assert_int_equal(talk_ask(&w.client.s, NP_TIME_NEVER, NULL), UINT32_MAX);
    assert_int_equal(talk_ask(&w.client.s, NP_TIME_NEVER, NULL), 3);
    w.server.s.opened = 0x7ffffffe;
    assert_int_equal(talk_ask(&w.server.s, NP_TIME_NEVER, NULL), UINT32_MAX - 1);
    assert_int_equal(talk_ask(&w.server.s, NP_TIME_NEVER, NULL), 2);
    wire_run(&w);
    for (int i = 0; i < 3; i++) {
        wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    }
    assert_int_equal(
        np_session_refuse(&w.server.s, talk_call(&w.server.s, UINT32_MAX), 9, 0, np_str_from("")),
        NP_OK);
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
    demo_say answer = talk_value(bytes, 300000);
    uint8_t *place;
    size_t room;
    uint32_t streams[5];
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 5; i++) {
        streams[i] = talk_ask(&w.client.s, NP_TIME_NEVER, NULL);
        assert_int_equal(np_session_ping(&w.client.s, (uint64_t)i), NP_OK);
    }
    wire_write(&w, &w.client);
    w.server.stop = true;
    wire_read(&w, &w.server);
    for (int i = 0; i < 2; i++) {
        np_session_event event;
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_REQUEST);
        assert_int_equal(
            np_session_reply(&w.server.s, talk_call(&w.server.s, streams[i]), &answer, NULL),
            NP_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_reply), cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_call_deadlines),    cmocka_unit_test(test_call_limits),
        cmocka_unit_test(test_refuse_checks),     cmocka_unit_test(test_failure_about_the_version),
        cmocka_unit_test(test_streams_go_round),  cmocka_unit_test(test_congestion_pauses_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
