/* Requests that move the conversation: it waits for the answer, whoever makes it and however late
 * it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/framing.h"
#include "protocol/converse.h"
#include "support/session_door.h"

static void assert_held(wire_end *end, const char *name, const char *words)
{
    np_fault fault = {0};
    char text[200];

    assert_int_equal(door_tell(end, name, &fault), NP_ERR_UNEXPECTED);
    assert_string_equal(np_fault_format(&fault, text, sizeof text), words);
}

static bool waits_for_client(const wire_end *end)
{
    return np_conversation_place_at(end->options.conversation, end->s.conversation_place)
               ->waiting[0] != 0;
}

/* The fault that this is about: a server that refuses the request lets nobody in. */
static void test_a_refusal_moves_nothing(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", false);
    door_assert_state(&w, "outside");
    assert_held(&w.client, "Say",
                "gate.Say is not allowed from the client in state outside; allowed: Enter, Find, "
                "Hint, Quit");

    /* A client that keeps to nothing does not come in by it. */
    w.client.options.conversation = NULL;
    assert_int_equal(door_tell(&w.client, "Say", NULL), NP_OK);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_ERR_UNEXPECTED);
    wire_fini(&w);
}

static void test_an_answer_moves(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_string_equal(door_state(&w.client), "outside");
    assert_string_equal(door_state(&w.server), "outside");
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    assert_string_equal(door_state(&w.server), "inside"); /* said; not heard yet */
    assert_string_equal(door_state(&w.client), "outside");
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    door_assert_state(&w, "inside");
    assert_int_equal(door_tell(&w.client, "Say", NULL), NP_OK);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE);
    wire_fini(&w);
}

/* `else`: where a refusal leads. */
static void test_a_refusal_leads_where_the_schema_says(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    door_settle(&w, &w.server, "Prove", true);
    door_assert_state(&w, "both");
    door_settle(&w, &w.client, "Enter", false);
    door_assert_state(&w, "proved");
    door_settle(&w, &w.server, "Prove", false);
    door_assert_state(&w, "outside");

    /* One that moves nowhere never does. */
    door_settle(&w, &w.client, "Find", true);
    door_settle(&w, &w.server, "Find", false);
    door_assert_state(&w, "outside");
    wire_fini(&w);
}

/* What the asking side may say meanwhile, and what the other one. */
static void test_what_waits(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_held(&w.client, "Say",
                "gate.Say is not allowed from the client in state inside until Enter is answered; "
                "allowed: Find, Hint, Quit");
    assert_int_equal(door_ask(&w.client, "Enter", NP_TIME_NEVER, NULL, NULL), NP_ERR_UNEXPECTED);
    assert_int_equal(door_tell(&w.client, "Hint", NULL), NP_OK);
    assert_int_equal(door_ask(&w.client, "Find", NP_TIME_NEVER, NULL, NULL), NP_OK);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE);
    wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
    assert_int_equal(door_tell(&w.server, "Hint", NULL), NP_OK);
    assert_null(wire_next(&w.client));

    /* Told that it may go on when the answer is there, and only then. */
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.client));
    assert_int_equal(door_tell(&w.client, "Say", NULL), NP_OK);
    wire_run(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE);

    /* Whom nothing was refused is told nothing. */
    door_settle(&w, &w.client, "Enter", true);
    assert_null(wire_next(&w.client));

    /* A refusal that no answer would lift is none to wait for. */
    assert_held(&w.client, "Tell",
                "gate.Tell is not allowed from the client in state inside; allowed: Enter, Say, "
                "Upload, Find, Hint, Quit");
    door_settle(&w, &w.client, "Enter", true);
    assert_null(wire_next(&w.client));
    wire_fini(&w);
}

/* Told that the answer is there, a side still hears when there is room again, if it waits for that
 * as well. */
static void test_an_answer_is_no_room(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_int_equal(door_tell(&w.client, "Say", NULL), NP_ERR_UNEXPECTED);
    w.client.options.queue_max = 200;
    while (door_tell(&w.client, "Hint", NULL) == NP_OK) {
    }
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    wire_write(&w, &w.server);
    assert_true(wire_read(&w, &w.client));
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.client));
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_null(wire_next(&w.client));
    wire_fini(&w);
}

/* What both had under way when the other's request came. */
static void test_crossing(void **state)
{
    wire w;

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool enter = (i & 1) != 0;
        bool prove = (i & 2) != 0;
        door_init(&w);
        wire_open(&w);
        assert_int_equal(door_ask(&w.client, "Enter", NP_TIME_NEVER, NULL, NULL), NP_OK);
        assert_int_equal(door_ask(&w.server, "Prove", NP_TIME_NEVER, NULL, NULL), NP_OK);
        assert_int_equal(door_tell(&w.server, "Hint", NULL), NP_OK);
        wire_run(&w);
        np_call_key theirs =
            np_session_event_call(&wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event);
        np_call_key ours =
            np_session_event_call(&wire_expect(&w.client, NP_SESSION_EVENT_REQUEST)->event);
        wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
        door_assert_state(&w, "outside");
        assert_int_equal(door_answer(&w.server, theirs, enter), NP_OK);
        assert_int_equal(door_answer(&w.client, ours, prove), NP_OK);
        wire_run(&w);
        door_assert_state(&w, enter ? (prove ? "both" : "inside") : (prove ? "proved" : "outside"));
        wire_fini(&w);
    }
}

/* The answer comes in a state without a rule for it: it moves nothing, and the waiting ends. */
static void test_the_rule_is_that_of_the_answers_state(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_int_equal(door_tell(&w.client, "Quit", NULL), NP_OK);
    wire_run(&w);
    door_assert_state(&w, "leaving");
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    assert_int_equal(door_tell(&w.server, "Bye", NULL), NP_OK);
    wire_run(&w);
    door_assert_state(&w, "left");
    wire_fini(&w);
}

/* A caller whose patience ends is told at once. The answer counts when it comes, and is told to
 * nobody. */
static void test_a_late_answer_moves(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        bool yes = (i & 1) != 0;
        bool cancels = (i & 2) != 0;
        bool held = (i & 4) != 0;
        uint32_t stream = 0;
        wire w;

        door_init(&w);
        wire_open(&w);
        assert_int_equal(door_ask(&w.client, "Enter", w.now.mono_ms + 1000, &stream, NULL), NP_OK);
        wire_run(&w);
        np_call_key call =
            np_session_event_call(&wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event);
        if (cancels) {
            np_session_cancel(&w.client.s, stream);
        }
        wire_tick(&w, 1000);
        if (!cancels) {
            const wire_event *late = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
            assert_int_equal(late->event.err, NP_ERR_DEADLINE);
            assert_ptr_equal(late->event.user, &w.client);
        }
        wire_tick(&w, 1000); /* said once */
        assert_null(wire_next(&w.client));
        assert_null(wire_next(&w.server)); /* and nothing of it on the wire */
        assert_true(np_session_serving(&w.server.s, call));
        np_session_cancel(&w.client.s, stream); /* once more: nothing */
        if (held) {
            assert_held(&w.client, "Say",
                        "gate.Say is not allowed from the client in state outside until Enter is "
                        "answered; allowed: Find, Hint, Quit");
        }
        assert_int_equal(door_answer(&w.server, call, yes), NP_OK);
        wire_run(&w);
        door_assert_state(&w, yes ? "inside" : "outside");
        if (held) {
            wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
        }
        assert_null(wire_next(&w.client));
        door_settle(&w, &w.client, "Enter", true); /* and the next one goes its way */
        wire_fini(&w);
    }
}

/* The end tells each caller once, and not who was told before. */
static void test_the_end_with_one_given_up(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    assert_int_equal(door_ask(&w.client, "Enter", w.now.mono_ms + 1, NULL, NULL), NP_OK);
    wire_tick(&w, 1);
    wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    np_session_lost(&w.client.s, NP_ERR_RESET, w.now);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    wire_fini(&w);

    door_init(&w);
    wire_open(&w);
    (void)door_arrive(&w, &w.client, "Enter");
    np_session_lost(&w.client.s, NP_ERR_RESET, w.now);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    wire_fini(&w);
}

/* Whoever lets go of one refuses it: the other side waits. */
static void test_a_drop_is_a_refusal(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    np_session_drop(&w.server.s, call);
    assert_false(np_session_serving(&w.server.s, call));
    np_session_drop(&w.server.s, call);
    wire_run(&w);
    const wire_event *failure = wire_expect(&w.client, NP_SESSION_EVENT_FAILURE);
    assert_int_equal(failure->event.err, NP_ERR_FAILED);
    assert_int_equal(failure->event.reason, BASE_REASON_INTERNAL);
    door_assert_state(&w, "outside");

    call = door_arrive(&w, &w.client, "Find"); /* one that moves nowhere gets no answer at all */
    np_session_drop(&w.server.s, call);
    wire_run(&w);
    assert_null(wire_next(&w.client));
    wire_fini(&w);
}

/* The runtime's own refusal is one like others. */
static void test_busy(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    w.server.options.serve_max = 1;
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    np_call_key find = door_arrive(&w, &w.client, "Find");
    assert_int_equal(door_ask(&w.client, "Enter", NP_TIME_NEVER, NULL, NULL), NP_OK);
    wire_run(&w);
    assert_null(wire_next(&w.server));
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.err, NP_ERR_BUSY);
    door_assert_state(&w, "outside");
    assert_int_equal(door_answer(&w.server, find, true), NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    door_settle(&w, &w.client, "Enter", true);
    door_assert_state(&w, "inside");
    wire_fini(&w);
}

/* Nothing leaves for a second: the request is refused, but that is said once there is room. */
static void test_busy_later(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    w.server.options.queue_max = 2048;
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    while (np_session_queued(&w.server.s) <= 1024) {
        assert_int_equal(door_tell(&w.server, "Hint", NULL), NP_OK);
    }
    w.write_max = 1;
    wire_write(&w, &w.server); /* so much the kernel takes */
    w.write_max = 0;
    assert_int_equal(door_ask(&w.client, "Enter", NP_TIME_NEVER, NULL, NULL), NP_OK);
    wire_write(&w, &w.client);
    assert_true(wire_read(&w, &w.server));
    assert_null(wire_next(&w.server));
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    wire_drain(&w, &w.server);
    np_session_park(&w.server.s);
    assert_null(wire_next(&w.server));
    assert_true(waits_for_client(&w.server)); /* heard, and not answered yet */
    assert_string_equal(door_state(&w.server), "inside");
    wire_run(&w);
    while (w.client.taken + 1 < w.client.event_count) {
        wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
    }
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_FAILURE)->event.err, NP_ERR_BUSY);
    assert_false(waits_for_client(&w.server));
    door_assert_state(&w, "outside");
    wire_fini(&w);
}

/* An answer that finds no room was not said. */
static void test_an_answer_that_is_not_sent(void **state)
{
    static const char long_name[33];
    const gate_pass bad = {.name = {long_name, sizeof long_name}};
    wire w;

    (void)state;
    door_init(&w);
    w.server.options.queue_max = 64;
    wire_open(&w);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_int_equal(np_session_reply(&w.server.s, call, &bad, NULL), NP_ERR_TOO_LONG);
    assert_int_equal(door_tell(&w.server, "Hint", NULL), NP_OK);
    assert_int_equal(door_tell(&w.server, "Hint", NULL), NP_OK);
    assert_int_equal(door_answer(&w.server, call, true), NP_ERR_FULL);
    assert_int_equal(door_answer(&w.server, call, false), NP_ERR_FULL);
    assert_string_equal(door_state(&w.server), "outside");
    assert_true(np_session_serving(&w.server.s, call));
    wire_run(&w);
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    wire_run(&w);
    door_assert_state(&w, "inside");
    wire_fini(&w);
}

/* A peer that cancels one breaks the protocol; afterwards the stream is one as any other. */
static void test_a_cancel_is_a_fault(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        np_framing_head head = np_framing_make(NP_FRAMING_CANCEL, 1, 0, false);
        uint8_t bytes[NP_FRAMING_HEAD_MAX];
        wire w;

        door_init(&w);
        w.client.options.security = NULL; /* frames in the clear are easier to make up */
        w.server.options.security = NULL;
        wire_open(&w);
        np_call_key call = door_arrive(&w, &w.client, "Enter");
        if (i == 1) {
            assert_int_equal(door_answer(&w.server, call, true), NP_OK);
        }
        np_framing_put(bytes, &head);
        wire_inject(&w.server, bytes, head.head_len);
        wire_run(&w);
        if (i == 1) { /* it crossed the answer, for all the server knows */
            assert_null(wire_next(&w.server));
            wire_fini(&w);
            continue;
        }
        const wire_event *closed = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
        assert_int_equal(closed->event.err, NP_ERR_STREAM);
        assert_int_equal(closed->event.stage, NP_SESSION_STAGE_FRAME);
        assert_string_equal(closed->fault.where, "base.stream_header.kind");
        wire_fini(&w);
    }
}

/* Waiting does not start the state's time again, nor does its end where the state stays. */
static void test_waiting_is_no_state(void **state)
{
    wire w;

    (void)state;
    door_init(&w);
    wire_open(&w);
    wire_tick(&w, 6000);
    door_settle(&w, &w.client, "Enter", false);
    (void)door_arrive(&w, &w.client, "Enter");
    wire_tick(&w, 3999);
    assert_null(wire_next(&w.server));
    wire_tick(&w, 1);
    const wire_event *closed = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(closed->event.err, NP_ERR_DEADLINE);
    assert_string_equal(closed->fault.rule, "outside");
    wire_fini(&w);
}

/* The head of a body counts when it is complete, a message in fragments with the last one: both are
 * held back where they would be judged differently. */
static void test_bodies_and_fragments(void **state)
{
    const gate_upload upload = {.name = {"holiday", 7}};
    uint8_t *bytes = wire_pattern(100000, 1);
    gate_say say = {.text = {(const char *)bytes, 100000}, .mood = 1};
    uint64_t body = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    memset(bytes, 'x', 100000);
    door_init(&w);
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    assert_int_equal(
        np_session_body_begin(&w.client.s, door_message("Upload"), &upload, 5000, &body, NULL),
        NP_OK);
    np_call_key call = door_arrive(&w, &w.client, "Enter");
    assert_int_equal(np_session_body_write(&w.client.s, body, bytes, 2000, &taken),
                     NP_ERR_UNEXPECTED);
    assert_int_equal(np_session_send(&w.client.s, door_message("Say"), &say, NULL),
                     NP_ERR_UNEXPECTED);
    assert_int_equal(door_answer(&w.server, call, true), NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    wire_expect(&w.client, NP_SESSION_EVENT_WRITABLE);
    assert_int_equal(np_session_body_write(&w.client.s, body, bytes, 2000, &taken), NP_OK);
    assert_int_equal(taken, 2000);
    assert_int_equal(np_session_send(&w.client.s, door_message("Say"), &say, NULL), NP_OK);

    wire_run(&w);
    w.server.taken = w.server.event_count;

    /* Once its head is there, its pieces and a request do not mind each other. */
    call = door_arrive(&w, &w.client, "Enter");
    assert_int_equal(np_session_body_write(&w.client.s, body, bytes, 3000, &taken), NP_OK);
    assert_int_equal(np_session_body_end(&w.client.s, body), NP_OK);
    assert_int_equal(door_answer(&w.server, call, false), NP_OK);
    wire_run(&w);
    door_assert_state(&w, "outside");
    assert_false(w.server.closed);
    free(bytes);
    wire_fini(&w);
}

/* A peer that answers twice, or on a stream whose answer was heard, moves nothing. */
static void test_one_answer_counts(void **state)
{
    base_failure failure = {.reason = BASE_REASON_REFUSED};
    uint8_t body[64];
    size_t len = 0;
    np_framing_head head;
    uint8_t bytes[NP_FRAMING_HEAD_MAX];
    wire w;

    (void)state;
    door_init(&w);
    w.client.options.security = NULL;
    w.server.options.security = NULL;
    wire_open(&w);
    door_settle(&w, &w.client, "Enter", true);
    assert_int_equal(base_failure_encode(&failure, body, sizeof body, &len, NULL), NP_OK);
    head = np_framing_make(NP_FRAMING_ERROR, 1, len, false);
    np_framing_put(bytes, &head);
    wire_inject(&w.client, bytes, head.head_len);
    wire_inject(&w.client, body, len);
    wire_run(&w);
    assert_null(wire_next(&w.client));
    door_assert_state(&w, "inside");
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_moves_nothing),
        cmocka_unit_test(test_an_answer_moves),
        cmocka_unit_test(test_a_refusal_leads_where_the_schema_says),
        cmocka_unit_test(test_what_waits),
        cmocka_unit_test(test_an_answer_is_no_room),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_the_rule_is_that_of_the_answers_state),
        cmocka_unit_test(test_a_late_answer_moves),
        cmocka_unit_test(test_the_end_with_one_given_up),
        cmocka_unit_test(test_a_drop_is_a_refusal),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_busy_later),
        cmocka_unit_test(test_an_answer_that_is_not_sent),
        cmocka_unit_test(test_a_cancel_is_a_fault),
        cmocka_unit_test(test_waiting_is_no_state),
        cmocka_unit_test(test_bodies_and_fragments),
        cmocka_unit_test(test_one_answer_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
