/* A session that has to give its memory back because others need it: it does at once, the peer
 * hears why if that costs nothing, and every body and call has its end. */
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

static void frame(wire_end *to, uint8_t kind, uint32_t stream, bool more, const void *body,
                  size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, more);
    uint8_t bytes[NP_FRAMING_HEAD_MAX];

    np_framing_put(bytes, &head);
    wire_inject(to, bytes, head.head_len);
    wire_inject(to, body, len);
}

static const wire_event *expect_end(wire *w, uint64_t held)
{
    const wire_event *last;

    wire_drain(w, &w->server);
    last = &w->server.events[w->server.event_count - 1];
    assert_int_equal(last->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(last->event.err, NP_ERR_LIMIT);
    assert_int_equal(last->event.stage, NP_SESSION_STAGE_LOCAL);
    assert_non_null(last->event.fault);
    assert_string_equal(last->fault.where, "loop.memory_max");
    assert_int_equal(last->fault.got, held);
    return last;
}

/* In the middle of a message. */
static void test_message(void **state)
{
    uint8_t *bytes = calloc(1, 65536);
    const wire_event *event = NULL;
    uint64_t held = 0;
    wire w;

    (void)state;
    assert_non_null(bytes);
    np_put_u32(bytes, DEMO_SAY_ID);
    wire_init(&w);
    wire_open(&w);
    for (int i = 0; i < 16; i++) {
        frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 65536);
    }
    while (wire_read(&w, &w.server)) {
    }
    held = w.server.s.account.live;
    assert_true(held >= MIB);
    np_session_shed(&w.server.s, 0, w.now);
    assert_true(w.server.pool.live <= 8192); /* what it says, and why */
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.reason, BASE_REASON_LIMIT);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    (void)expect_end(&w, held);
    np_session_shed(&w.server.s, 0, w.now); /* it is over */
    free(bytes);
    wire_fini(&w);
}

/* With answers that the peer does not take. */
static void test_queue(void **state)
{
    uint8_t *data = wire_pattern(900000, 4);
    demo_say say = {{data, 900000}};
    uint64_t held = 0;
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_send(&w.server.s, demo_message_say, &say, NULL), NP_OK);
    held = w.server.s.account.live;
    assert_true(held >= 900000);
    np_session_shed(&w.server.s, 0, w.now);
    assert_true(w.server.pool.live <= 2048);
    assert_int_equal(np_session_queued(&w.server.s), 0);
    (void)expect_end(&w, held);
    free(data);
    wire_fini(&w);
}

/* With a short queue, and a message that has begun: the queue stays where the message is well more
 * than what is needed, and goes at once where it is not, so that nobody else has to. */
static void test_queue_and_input(void **state)
{
    static const size_t needs[][2] = {{100000, 0}, {200000, 0}, {100000, 1}, {1000, 1}, {0, 1}};
    uint8_t *data = wire_pattern(65536, 4);
    demo_say say = {{data, 30000}};
    uint8_t bytes[65536] = {0};
    uint64_t held = 0;
    wire w;

    (void)state;
    np_put_u32(bytes, DEMO_SAY_ID);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        bool stays = needs[i][1] != 0;
        wire_init(&w);
        wire_open(&w);
        assert_int_equal(np_session_send(&w.server.s, demo_message_say, &say, NULL), NP_OK);
        for (int k = 0; k < (stays ? 4 : 1); k++) {
            frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, sizeof bytes);
        }
        while (wire_read(&w, &w.server)) {
        }
        held = w.server.s.account.live;
        np_session_shed(&w.server.s, needs[i][0], w.now);
        assert_int_equal(np_session_queued(&w.server.s) > 30000, stays);
        assert_true(stays ? held - w.server.s.account.live >= needs[i][0]
                          : w.server.s.account.live <= 2048);
        wire_run(&w);
        if (stays) { /* what was queued comes, and then why there is no more */
            assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE)->event.len,
                             4 + 8 + say.data.len);
            assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.reason,
                             BASE_REASON_LIMIT);
            np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
        }
        (void)expect_end(&w, held);
        wire_fini(&w);
    }
    free(data);
}

/* With a body under way, of which the application has been told, and a call that waits. */
static void test_bodies_and_calls(void **state)
{
    uint8_t bytes[2048] = {0};
    const wire_event *event = NULL;
    demo_find find = {1};
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    np_put_u32(bytes, BASE_DATA_ID);
    np_put_u64(bytes + 4, 1);
    np_put_u64(bytes + 13, MIB);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, sizeof bytes);
    while (wire_read(&w, &w.server)) {
    }
    assert_int_equal(
        np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER, &w, NULL, NULL),
        NP_OK);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_DATA);
    np_session_shed(&w.server.s, 0, w.now);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    wire_drain(&w, &w.server);
    event = wire_expect(&w.server, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(event->event.err, NP_ERR_LIMIT);
    assert_ptr_equal(event->event.user, &w);
    event = wire_expect(&w.server, NP_SESSION_EVENT_BODY_END);
    assert_int_equal(event->event.err, NP_ERR_LIMIT);
    wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    wire_fini(&w);
}

/* A peer with hundreds of requests that wait for their answers: the table goes with it, and the
 * application's handles are stale. A call of ours stays, without all the others, and has its end.
 */
static void expect_requests_given(bool ours)
{
    enum { ASKED = 500 };
    demo_find find = {1};
    np_session_event first;
    wire w;

    wire_init(&w);
    wire_open(&w);
    if (ours) {
        assert_int_equal(np_session_request(&w.server.s, demo_message_find, &find, NP_TIME_NEVER,
                                            &find, NULL, NULL),
                         NP_OK);
    }
    for (int i = 0; i < ASKED; i++) {
        assert_int_equal(np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER,
                                            &w, NULL, NULL),
                         NP_OK);
        wire_run(&w);
    }
    first = wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event;
    assert_true(np_session_serving(&w.server.s, np_session_event_call(&first)));
    assert_true(w.server.pool.live > 8 * 1024);
    np_session_shed(&w.server.s, 0, w.now);
    assert_true(w.server.pool.live <= (ours ? 3072 : 2048));
    assert_false(np_session_serving(&w.server.s, np_session_event_call(&first)));
    assert_int_equal(
        np_session_reply(&w.server.s, np_session_event_call(&first), &(demo_say){{NULL, 0}}, NULL),
        NP_ERR_CLOSED);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    wire_drain(&w, &w.server);
    first = w.server.events[w.server.event_count - (ours ? 2 : 1)].event;
    assert_int_equal(first.kind, ours ? NP_SESSION_EVENT_FAILURE : NP_SESSION_EVENT_CLOSED);
    assert_int_equal(first.err, NP_ERR_LIMIT);
    assert_true(!ours || first.user == &find);
    wire_fini(&w);
}

static void test_requests_of_the_peers(void **state)
{
    (void)state;
    expect_requests_given(false);
    expect_requests_given(true);
}

/* After its own close, with a queue: what was to be an end in order loses what is queued. */
static void test_while_parting(void **state)
{
    uint8_t *data = wire_pattern(900000, 4);
    demo_say say = {{data, 900000}};
    uint64_t held = 0;
    wire w;

    (void)state;
    wire_init(&w);
    wire_open(&w);
    assert_int_equal(np_session_send(&w.server.s, demo_message_say, &say, NULL), NP_OK);
    np_session_close(&w.server.s, NP_SESSION_NO_REASON, (np_str){NULL, 0}, w.now);
    held = w.server.s.account.live;
    np_session_shed(&w.server.s, 0, w.now);
    assert_int_equal(np_session_queued(&w.server.s), 0);
    (void)expect_end(&w, held);
    free(data);
    wire_fini(&w);
}

/* At every stage of a secure session. */
static void test_any_stage(void **state)
{
    wire w;

    (void)state;
    for (int reads = 0; reads < 4; reads++) {
        wire_init(&w);
        wire_secure(&w);
        wire_start(&w);
        for (int i = 0; i < reads; i++) {
            wire_write(&w, &w.client);
            (void)wire_read(&w, &w.server);
            wire_write(&w, &w.server);
            (void)wire_read(&w, &w.client);
        }
        np_session_shed(&w.server.s, 0, w.now);
        wire_run(&w);
        np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
        wire_drain(&w, &w.server);
        assert_int_equal(w.server.events[w.server.event_count - 1].event.err, NP_ERR_LIMIT);
        assert_true(w.client.closed || reads == 0);
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_queue_and_input),
        cmocka_unit_test(test_bodies_and_calls),
        cmocka_unit_test(test_requests_of_the_peers),
        cmocka_unit_test(test_while_parting),
        cmocka_unit_test(test_any_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
