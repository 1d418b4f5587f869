/* The conversation: its generated machine, and the session that keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "protocol/converse.h"
#include "support/secure_wire.h"
#include "talk.h"

static const np_message *message_named(const char *name)
{
    const np_message *message = np_protocol_message_named(&talk_protocol, name);

    assert_non_null(message);
    return message;
}

static int token(const char *name, bool by_server)
{
    return np_conversation_token((size_t)(message_named(name) - talk_protocol.messages),
                                 NP_CONVERSATION_SAID, by_server);
}

static const char *state_of(const np_conversation *conversation, int place)
{
    return np_conversation_state_at(conversation, place)->name;
}

static void test_machine(void **state)
{
    const np_conversation *c = &talk_protocol.conversations[0];
    int place = c->start;

    (void)state;
    assert_string_equal(c->name, "talk.session");
    assert_string_equal(state_of(c, place), "greet");
    assert_int_equal(np_conversation_state_at(c, place)->within_ms, 5000);

    /* Refused tokens leave the place alone, also when the machine has only just started. */
    int before = place;
    assert_false(c->step(&place, token("Say", false)));
    assert_false(c->step(&place, token("Join", true)));
    assert_false(c->step(&place, 1 << 20));
    assert_int_equal(place, before);

    assert_true(c->step(&place, token("Join", false)));
    assert_string_equal(state_of(c, place), "open");
    for (int i = 0; i < 3; i++) {
        assert_true(c->step(&place, token("Say", i % 2 == 0)));
        assert_true(c->step(&place, token("Find", i % 2 == 1)));
        assert_string_equal(state_of(c, place), "open");
    }
    assert_false(c->step(&place, token("Upload", true)));
    assert_true(c->step(&place, token("Upload", false)));
    assert_string_equal(state_of(c, place), "busy");
    assert_false(c->step(&place, token("Say", false)));
    assert_true(c->step(&place, token("Say", true)));
    assert_string_equal(state_of(c, place), "open");
    assert_true(c->step(&place, token("Kick", true)));
    assert_string_equal(state_of(c, place), "kicked");
    assert_false(np_conversation_state_at(c, place)->final);

    /* Messages of the base protocol are counted on behind the protocol's own. */
    size_t disconnect =
        talk_protocol.message_count +
        (size_t)(np_protocol_message(&base_protocol, BASE_DISCONNECT_ID) - base_protocol.messages);
    assert_true(c->step(&place, np_conversation_token(disconnect, NP_CONVERSATION_SAID, false)));
    assert_string_equal(state_of(c, place), "done");
    assert_true(np_conversation_state_at(c, place)->final);
    assert_false(c->step(&place, token("Say", false)));
}

/* Two sessions that keep the conversation of talk.np. */
static void start_talk(wire *w)
{
    w->client.options.protocol = &talk_protocol;
    w->server.options.protocol = &talk_protocol;
    w->client.options.conversation = &talk_protocol.conversations[0];
    w->server.options.conversation = &talk_protocol.conversations[0];
    wire_open(w);
}

static void open_talk(wire *w)
{
    wire_init(w);
    start_talk(w);
}

static const talk_say hello = {.text = {"hello", 5}, .mood = 3};
static const talk_join anna = {.name = {"Anna", 4}};

static void join(wire *w)
{
    assert_int_equal(np_session_send(&w->client.s, message_named("Join"), &anna, NULL), NP_OK);
    wire_run(w);
    assert_int_equal(wire_expect(&w->server, NP_SESSION_EVENT_MESSAGE)->event.id, TALK_JOIN_ID);
}

static void test_sender_is_told(void **state)
{
    wire w;
    np_fault fault = {0};
    char text[160];

    (void)state;
    open_talk(&w);
    assert_int_equal(np_session_send(&w.client.s, message_named("Say"), &hello, &fault),
                     NP_ERR_UNEXPECTED);
    assert_string_equal(fault.where, "talk.Say");
    assert_string_equal(np_fault_format(&fault, text, sizeof text),
                        "talk.Say is not allowed from the client in state greet; allowed: Join");
    assert_int_equal(np_session_send(&w.server.s, message_named("Join"), &anna, &fault),
                     NP_ERR_UNEXPECTED);
    assert_string_equal(
        np_fault_format(&fault, text, sizeof text),
        "talk.Join is not allowed from the server in state greet; allowed: nothing");

    /* It costs nothing: the connection goes on. */
    join(&w);
    assert_int_equal(np_session_send(&w.server.s, message_named("Say"), &hello, NULL), NP_OK);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE)->event.id, TALK_SAY_ID);
    assert_string_equal(np__session_converse_state(&w.client.s)->name, "open");
    assert_string_equal(np__session_converse_state(&w.server.s)->name, "open");
    wire_fini(&w);
}

static void test_receiver_refuses(void **state)
{
    wire w;

    (void)state;
    open_talk(&w);
    w.client.options.conversation = NULL; /* a peer that keeps to nothing */
    assert_int_equal(np_session_send(&w.client.s, message_named("Say"), &hello, NULL), NP_OK);
    wire_run(&w);
    const wire_event *closed = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(closed->event.err, NP_ERR_UNEXPECTED);
    assert_int_equal(closed->event.stage, NP_SESSION_STAGE_CONVERSATION);
    assert_string_equal(closed->fault.where, "talk.Say");
    assert_string_equal(closed->fault.rule, "from the client in state greet; allowed: Join");
    closed = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_true(closed->event.by_peer);
    assert_string_equal(closed->text,
                        "talk.Say is not allowed from the client in state greet; allowed: Join");
    assert_int_equal(closed->event.reason, BASE_REASON_UNEXPECTED);
    wire_fini(&w);
}

static void test_requests_keep_to_it(void **state)
{
    wire w;
    talk_find find = {.name = {"Anna", 4}};
    talk_person person = {.name = {"Anna", 4}, .age = 30};

    (void)state;
    open_talk(&w);
    assert_int_equal(np_session_request(&w.client.s, message_named("Find"), &find, NP_TIME_NEVER,
                                        NULL, NULL, NULL),
                     NP_ERR_UNEXPECTED);
    join(&w);
    assert_int_equal(np_session_request(&w.client.s, message_named("Find"), &find, NP_TIME_NEVER,
                                        NULL, NULL, NULL),
                     NP_OK);
    wire_run(&w);
    const wire_event *asked = wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);

    /* An answer is legal whatever state the conversation has come to. */
    assert_int_equal(np_session_send(&w.server.s, message_named("Kick"),
                                     &(talk_kick){.why = BASE_REASON_BUSY}, NULL),
                     NP_OK);
    assert_int_equal(
        np_session_reply(&w.server.s, np_session_event_call(&asked->event), &person, NULL), NP_OK);
    wire_run(&w);
    wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE);
    wire_expect(&w.client, NP_SESSION_EVENT_RESPONSE);
    wire_fini(&w);
}

static void test_a_state_ends_in_time(void **state)
{
    wire w;

    (void)state;
    open_talk(&w);
    wire_tick(&w, 4999);
    assert_null(wire_next(&w.server));
    wire_tick(&w, 1);
    const wire_event *closed = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(closed->event.err, NP_ERR_DEADLINE);
    assert_int_equal(closed->event.stage, NP_SESSION_STAGE_CONVERSATION);
    assert_string_equal(closed->fault.where, "talk.session");
    assert_string_equal(closed->fault.rule, "greet");
    wire_fini(&w);

    /* The deadline belongs to the state: leaving it in time lifts it. */
    open_talk(&w);
    wire_tick(&w, 4000);
    join(&w);
    wire_tick(&w, 60000);
    assert_null(wire_next(&w.server));
    wire_fini(&w);
}

/* A send that fails for another reason must not have moved the conversation. */
static void test_failed_send_changes_nothing(void **state)
{
    static const char long_name[65];
    wire w;
    talk_join bad = {.name = {long_name, sizeof long_name}};

    (void)state;
    open_talk(&w);
    assert_int_equal(np_session_send(&w.client.s, message_named("Join"), &bad, NULL),
                     NP_ERR_TOO_LONG);
    assert_string_equal(np__session_converse_state(&w.client.s)->name, "greet");
    join(&w);
    wire_fini(&w);
}

/* Messages in one record: an Echo, since the first of a record takes the session's long way, then
 * what may come, each because of the one before, and then what may not. Both ways judge the same.
 */
static void test_in_records(void **state)
{
    static const uint32_t ids[] = {BASE_ECHO_ID, TALK_JOIN_ID, TALK_SAY_ID, TALK_SAY_ID,
                                   TALK_JOIN_ID};
    (void)state;

    for (int way = 0; way < 2; way++) {
        uint8_t plain[sizeof ids / sizeof ids[0] * (NP_ENTRY_HEADER_LEN + 4)];
        uint8_t *p = plain;
        const wire_event *last;
        char text[160];
        wire w;

        wire_init(&w);
        wire_secure(&w);
        start_talk(&w);
        w.server.long_way = way == 1;
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            p = np_put_u32(np_entry_put_plain(p, 4), ids[i]);
        }
        secure_wire_inject_record(&w, &w.server, plain, sizeof plain);
        assert_true(wire_read(&w, &w.server));
        for (size_t i = 0; i + 1 < sizeof ids / sizeof ids[0]; i++) {
            assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE)->event.id, ids[i]);
        }
        last = secure_wire_expect_closed(&w, &w.server, NP_ERR_UNEXPECTED);
        assert_string_equal(np_fault_format(&last->fault, text, sizeof text),
                            "talk.Join is not allowed from the client in state open; allowed: "
                            "Say, Find, Upload");
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_sender_is_told),
        cmocka_unit_test(test_receiver_refuses),
        cmocka_unit_test(test_requests_keep_to_it),
        cmocka_unit_test(test_a_state_ends_in_time),
        cmocka_unit_test(test_failed_send_changes_nothing),
        cmocka_unit_test(test_in_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
