#include "support/session_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

demo_say talk_value(const void *data, size_t len)
{
    demo_say say = {{data, len}};
    return say;
}

np_err talk_say(np_session *s, const void *data, size_t len)
{
    demo_say value = talk_value(data, len);
    return np_session_send(s, demo_message_say, &value, NULL);
}

uint32_t talk_ask(np_session *s, uint64_t deadline_ms, void *user)
{
    demo_find find = {42};
    uint32_t stream = 0;

    assert_int_equal(
        np_session_request(s, demo_message_find, &find, deadline_ms, user, &stream, NULL), NP_OK);
    assert_int_not_equal(stream, 0);
    return stream;
}

np_call_key talk_call(const np_session *s, uint32_t stream)
{
    const np_call_entry *entry = np_calls_find(s->calls, stream);

    return entry != NULL ? (np_call_key){entry->message, stream, entry->serial}
                         : (np_call_key){demo_message_find, stream, 0};
}

void talk_assert_said(const wire_event *event, const void *data, size_t len)
{
    assert_int_equal(event->event.id, DEMO_SAY_ID);
    assert_int_equal(event->event.len, len + 12);
    assert_int_equal(np_get_u32(event->payload), DEMO_SAY_ID);
    assert_int_equal(np_get_u64(event->payload + 4), len);
    assert_memory_equal(event->payload + 12, data, len);
}

void talk_assert_idle(const wire_end *end)
{
    assert_int_equal(end->pool.live, wire_idle_len(end));
}
