#include "support/secure_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netproto/codec.h>

#include "protocol/session_private.h"

void secure_wire_open(wire *w)
{
    wire_init(w);
    wire_secure(w);
    wire_open(w);
}

void secure_wire_start_keyed(wire *w)
{
    wire_init(w);
    wire_secure(w);
    wire_start(w);
    wire_write(w, &w->client);
    wire_read(w, &w->server);
    wire_write(w, &w->server);
    wire_read(w, &w->client);
    wire_write(w, &w->client);
    wire_read(w, &w->server);
    assert_true(np__session_is_keyed(&w->client.s) && !np_session_is_open(&w->client.s));
    assert_true(np__session_is_keyed(&w->server.s));
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

void secure_wire_inject_plain(wire_end *to, uint32_t id, const void *rest, size_t len)
{
    uint8_t bytes[NP_FRAMING_HEADER_LEN + 4 + 600];
    np_framing_head head = np_framing_make(NP_FRAMING_NO_STREAM, 0, len + 4, false);
    uint8_t *p = np_put_u32(np_framing_put(bytes, &head), id);

    assert_true(len <= 600);
    p = np_put_raw(p, rest, len);
    wire_inject(to, bytes, (size_t)(p - bytes));
}

void secure_wire_inject_record(wire *w, wire_end *to, const uint8_t *plain, size_t len)
{
    wire_end *from = to == &w->client ? &w->server : &w->client;
    uint8_t *frame = malloc(len + NP_RECORD_OVERHEAD);

    assert_non_null(frame);
    memcpy(frame + NP_FRAMING_HEADER_LEN, plain, len);
    wire_inject(to, frame, np_record_seal(&from->s.secure->sends, frame, len));
    free(frame);
}

void secure_wire_inject_entry(wire *w, wire_end *to, np_entry_type type, const void *body,
                              size_t len)
{
    np_entry entry = np_entry_make(type, NP_FRAMING_NO_STREAM, 0, len, false);
    uint8_t plain[512];
    uint8_t *p = np_put_raw(np_entry_put(plain, &entry), body, len);

    secure_wire_inject_record(w, to, plain, (size_t)(p - plain));
}
