/* session_door.h - two sessions that keep the conversation of tests/schema/gate.np, in which
 * requests of both sides move it. */
#ifndef TEST_SESSION_DOOR_H
#define TEST_SESSION_DOOR_H

#include "gate.h"
#include "support/session_wire.h"

/* wire_init with gate's protocol and conversation; change options, then wire_open. */
void door_init(wire *w);

const np_message *door_message(const char *name);

/* Any message of gate's but Upload and the requests. */
np_err door_tell(wire_end *end, const char *name, np_fault *fault);

/* A request: Enter, Prove or Find. */
np_err door_ask(wire_end *end, const char *name, uint64_t deadline_ms, uint32_t *stream,
                np_fault *fault);

/* Answers a request, or refuses it. */
np_err door_answer(wire_end *end, np_call_key call, bool yes);

/* Asks, lets it arrive, and takes the event; returns what names it to the other side. */
np_call_key door_arrive(wire *w, wire_end *from, const char *name);

/* Asks and gets an answer; both have taken their events. */
void door_settle(wire *w, wire_end *from, const char *name, bool yes);

/* The state of an end, and of both, which must be one. */
const char *door_state(const wire_end *end);
void door_assert_state(const wire *w, const char *name);

#endif
