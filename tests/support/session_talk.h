/* session_talk.h - what tests of two sessions say to each other: the demo protocol, over a
 * session_wire. */
#ifndef TEST_SESSION_TALK_H
#define TEST_SESSION_TALK_H

#include "support/demo_protocol.h"
#include "support/session_wire.h"

/* A Say with these bytes, which it borrows. */
demo_say talk_value(const void *data, size_t len);

/* Sends it. */
np_err talk_say(np_session *s, const void *data, size_t len);

/* Sends a Find, which must work, and returns its stream. */
uint32_t talk_ask(np_session *s, uint64_t deadline_ms, void *user);

/* What names the request that waits on a stream to who answers it; one that nothing has where none
 * does. */
np_call_key talk_call(const np_session *s, uint32_t stream);

/* The event brings a Say with these bytes. */
void talk_assert_said(const wire_event *event, const void *data, size_t len);

/* An idle session holds nothing but its struct. */
void talk_assert_idle(const wire_end *end);

#endif
