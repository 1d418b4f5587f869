#include "support/session_door.h"

#include "protocol/converse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void door_init(wire *w)
{
    wire_init(w);
    w->client.options.protocol = &gate_protocol;
    w->server.options.protocol = &gate_protocol;
    w->client.options.conversation = &gate_protocol.conversations[0];
    w->server.options.conversation = &gate_protocol.conversations[0];
}

const np_message *door_message(const char *name)
{
    const np_message *message = np_protocol_message_named(&gate_protocol, name);

    assert_non_null(message);
    return message;
}

np_err door_tell(wire_end *end, const char *name, np_fault *fault)
{
    const gate_say say = {.text = {"here I am", 9}, .mood = 1};
    const gate_tell tell = {.text = {"welcome", 7}};
    const gate_hint hint = {.text = {"hm", 2}};
    const void *value = &hint; /* Quit and Bye have no fields */

    if (strcmp(name, "Say") == 0) {
        value = &say;
    } else if (strcmp(name, "Tell") == 0) {
        value = &tell;
    }
    return np_session_send(&end->s, door_message(name), value, fault);
}

np_err door_ask(wire_end *end, const char *name, uint64_t deadline_ms, uint32_t *stream,
                np_fault *fault)
{
    const gate_find find = {.name = {"Anna", 4}}; /* all three have the same fields */

    return np_session_request(&end->s, door_message(name), &find, deadline_ms, end, stream, fault);
}

np_err door_answer(wire_end *end, np_call_key call, bool yes)
{
    const gate_pass pass = {.name = {"Anna", 4}};

    return yes ? np_session_reply(&end->s, call, &pass, NULL)
               : np_session_refuse(&end->s, call, BASE_REASON_REFUSED, 0, np_str_from("no"));
}

np_call_key door_arrive(wire *w, wire_end *from, const char *name)
{
    wire_end *to = from == &w->client ? &w->server : &w->client;

    assert_int_equal(door_ask(from, name, NP_TIME_NEVER, NULL, NULL), NP_OK);
    wire_run(w);
    return np_session_event_call(&wire_expect(to, NP_SESSION_EVENT_REQUEST)->event);
}

void door_settle(wire *w, wire_end *from, const char *name, bool yes)
{
    wire_end *to = from == &w->client ? &w->server : &w->client;

    assert_int_equal(door_answer(to, door_arrive(w, from, name), yes), NP_OK);
    wire_run(w);
    wire_expect(from, yes ? NP_SESSION_EVENT_RESPONSE : NP_SESSION_EVENT_FAILURE);
}

const char *door_state(const wire_end *end)
{
    return np__session_converse_state(&end->s)->name;
}

void door_assert_state(const wire *w, const char *name)
{
    assert_string_equal(door_state(&w->client), name);
    assert_string_equal(door_state(&w->server), name);
    assert_int_equal(w->client.s.conversation_place, w->server.s.conversation_place);
}
