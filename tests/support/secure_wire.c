#include "support/secure_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/session_private.h"

void secure_wire_open(wire *w)
{
    wire_init(w);
    wire_secure(w);
    wire_open(w);
}

const wire_event *secure_wire_expect_closed(wire *w, wire_end *end, np_err err)
{
    const wire_event *last;

    wire_write(w, end);
    np_session_recv_end(&end->s, w->now);
    wire_drain(w, end);
    assert_true(end->event_count > 0);
    last = &end->events[end->event_count - 1];
    assert_int_equal(last->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(last->event.err, err);
    return last;
}

void secure_wire_inject_record(wire *w, wire_end *to, const uint8_t *plain, size_t len)
{
    wire_end *from = to == &w->client ? &w->server : &w->client;
    uint8_t frame[1024];

    assert_true(len + NP_RECORD_OVERHEAD <= sizeof frame);
    memcpy(frame + NP_FRAMING_HEADER_LEN, plain, len);
    wire_inject(to, frame, np_record_seal(&from->s.secure->sends, frame, len));
}

void secure_wire_inject_entry(wire *w, wire_end *to, np_entry_type type, const void *body,
                              size_t len)
{
    np_entry entry = np_entry_make(type, NP_FRAMING_NO_STREAM, 0, len, false);
    uint8_t plain[512];
    uint8_t *p = np_put_raw(np_entry_put(plain, &entry), body, len);

    secure_wire_inject_record(w, to, plain, (size_t)(p - plain));
}
