/* Two sessions over memory: how they part, in order and otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "support/session_talk.h"

static void test_orderly_close(void **state)
{
    const wire_event *event;
    uint32_t stream;
    wire w;
    (void)state;

    wire_init(&w);
    wire_open(&w);
    stream = talk_ask(&w.server.s, NP_TIME_NEVER, &stream);
    assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
    np_session_close(&w.client.s, BASE_REASON_BUSY, np_str_from("enough"), w.now);
    np_session_close(&w.client.s, BASE_REASON_REFUSED, np_str_from("again"), w.now);
    assert_int_equal(talk_say(&w.client.s, "x", 1), NP_ERR_CLOSED);
    assert_false(np_session_is_open(&w.client.s));
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "last", 4);
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
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, &stream);
    (void)stream;
    assert_int_equal(talk_say(&w.server.s, "bye", 3), NP_OK);
    wire_write(&w, &w.server);
    w.client.bytes_end = true;
    wire_run(&w);
    talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), "bye", 3);
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
    stream = talk_ask(&w.client.s, NP_TIME_NEVER, &stream);
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
/* After an error the peer has fail_ms to take what was said about it; an end in order has close_ms,
 * however short the other is. */
static void test_deadline_of_a_failure(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    w.client.options.fail_ms = 200;
    wire_open(&w);
    np_session_fail(&w.client.s, NP_ERR_UTF8, NP_SESSION_STAGE_DECODE, NULL, w.now);
    wire_write(&w, &w.client);
    assert_int_equal(np_session_deadline(&w.client.s), w.now.mono_ms + 200);
    w.now.mono_ms += 200;
    np_session_tick(&w.client.s, w.now);
    wire_drain(&w, &w.client);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_UTF8); /* the cause stays what it was */
    wire_fini(&w);

    wire_init(&w);
    w.client.options.close_ms = 100; /* which bounds every end */
    wire_open(&w);
    np_session_fail(&w.client.s, NP_ERR_UTF8, NP_SESSION_STAGE_DECODE, NULL, w.now);
    wire_write(&w, &w.client);
    assert_int_equal(np_session_deadline(&w.client.s), w.now.mono_ms + 100);
    wire_fini(&w);

    wire_init(&w);
    w.client.options.fail_ms = 200;
    wire_open(&w);
    np_session_close(&w.client.s, NP_SESSION_NO_REASON, np_str_from(NULL), w.now);
    wire_write(&w, &w.client);
    assert_int_equal(np_session_deadline(&w.client.s), w.now.mono_ms + 5000);
    wire_fini(&w);
}

static void test_close_while_handling(void **state)
{
    uint8_t *bytes = wire_pattern(200000, 7);
    np_session_event event;
    wire w;
    (void)state;

    for (size_t len = 10; len <= 200000; len = len == 10 ? 200000 : len + 1) {
        wire_init(&w);
        wire_open(&w);
        assert_int_equal(talk_say(&w.client.s, bytes, len), NP_OK);
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
        cmocka_unit_test(test_orderly_close),
        cmocka_unit_test(test_both_close),
        cmocka_unit_test(test_close_before_open),
        cmocka_unit_test(test_end_without_disconnect),
        cmocka_unit_test(test_end_in_a_frame),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_decode_failure_is_told),
        cmocka_unit_test(test_deadline_of_a_failure),
        cmocka_unit_test(test_close_while_handling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
