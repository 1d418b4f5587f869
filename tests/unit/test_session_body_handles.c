/* Handles of bodies, of either side: what they are worth to the wrong function, at the wrong time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "parcel.h"
#include "support/session_wire.h"

#define DATA_MESSAGE (&base_protocol.messages[BASE_DATA_ID])

static void start(wire *w)
{
    wire_init(w);
    w->client.options.protocol = &parcel_protocol;
    w->server.options.protocol = &parcel_protocol;
    wire_open(w);
}

/* A piece of a body on its way to the server, written by hand. */
static void piece(wire *w, uint32_t stream, bool more, const void *body, size_t len)
{
    np_framing_head head = np_framing_make(NP_FRAMING_DATA, stream, len, more);
    uint8_t bytes[NP_FRAMING_HEAD_MAX];

    np_framing_put(bytes, &head);
    wire_inject(&w->server, bytes, head.head_len);
    wire_inject(&w->server, body, len);
}

/* The server takes all that is on its way; returns the last event. */
static const wire_event *take_all(wire *w)
{
    while (wire_read(w, &w->server)) {
    }
    assert_true(np_session_is_open(&w->server.s));
    return &w->server.events[w->server.event_count - 1];
}

/* A whole Data with an empty name, and 10 bytes of body. */
static void small_body(wire *w, uint32_t stream)
{
    uint8_t bytes[30] = {0};

    np_put_u64(np_put_u64(np_put_u32(bytes, BASE_DATA_ID), 0), 10);
    piece(w, stream, false, bytes, sizeof bytes);
}

/* Once it is to come whole, the application has no name for it any more. */
static void whole_twice(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_ERR_CLOSED);
        np_session_body_ignore(&end->s, event->serial);
    }
}

/* Serial numbers name the bodies of both sides: what is for ours does nothing to the peer's, and
 * the other way round. */
static void test_bodies_of_the_other_side(void **state)
{
    uint8_t *bytes = wire_pattern(3000, 4);
    base_data data = {.name = {NULL, 0}};
    uint64_t ours = 0;
    uint64_t theirs = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    start(&w);
    assert_int_equal(np_session_body_begin(&w.client.s, DATA_MESSAGE, &data, 3000, &ours, NULL),
                     NP_OK);
    assert_int_equal(np_session_body_write(&w.client.s, ours, bytes, 2000, &taken), NP_OK);
    wire_run(&w);
    theirs = wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN)->event.serial;
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_DATA);
    assert_int_equal(np_session_body_write(&w.server.s, theirs, "x", 1, &taken), NP_ERR_CLOSED);
    assert_int_equal(np_session_body_end(&w.server.s, theirs), NP_ERR_CLOSED);
    np_session_body_abort(&w.server.s, theirs);
    assert_int_equal(np_session_queued(&w.server.s), 0);
    assert_int_equal(np_session_body_whole(&w.client.s, ours), NP_ERR_CLOSED);
    np_session_body_ignore(&w.client.s, ours);
    assert_int_equal(np_session_body_write(&w.client.s, ours, bytes + 2000, 1000, &taken), NP_OK);
    assert_int_equal(np_session_body_end(&w.client.s, ours), NP_OK);
    wire_run(&w);
    assert_int_equal(w.server.events[w.server.event_count - 1].event.kind,
                     NP_SESSION_EVENT_BODY_END);
    assert_int_equal(w.server.events[w.server.event_count - 1].event.err, NP_OK);

    w.server.on_event = whole_twice;
    small_body(&w, 3);
    assert_int_equal(take_all(&w)->event.kind, NP_SESSION_EVENT_MESSAGE);
    free(bytes);
    wire_fini(&w);
}

static uint64_t begun_first; /* the serial number of the first body; 0: none has begun */

static void whole_of_the_first(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN && begun_first == 0) {
        begun_first = event->serial;
    } else if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        assert_int_equal(np_session_body_whole(&end->s, begun_first), NP_ERR_STATE);
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
    }
}

/* A body whose head is all that has come: its bytes may be wanted whole in its BODY_BEGIN only, and
 * not afterwards, nor in that of another, for then the head is gone. */
static void test_whole_without_a_head(void **state)
{
    uint8_t *bytes = calloc(1, 3000);
    const size_t head_len = 4 + 8 + 1100 + 8;
    wire w;

    (void)state;
    assert_non_null(bytes);
    begun_first = 0;
    start(&w);
    w.server.on_event = whole_of_the_first;
    np_put_u64(np_put_u32(bytes, PARCEL_HEAVY_ID), 1100);
    np_put_u64(bytes + head_len - 8, 10);
    piece(&w, 1, true, bytes, head_len);
    take_all(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
    assert_int_equal(np_session_body_whole(&w.server.s, begun_first), NP_ERR_STATE);
    piece(&w, 3, false, bytes, head_len + 10);
    take_all(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE)->event.len, head_len + 10);
    piece(&w, 1, false, "0123456789", 10);
    take_all(&w);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_DATA);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_END);
    free(bytes);
    wire_fini(&w);
}

static void ignore_the_end(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_END) {
        np_session_body_ignore(&end->s, event->serial);
    }
}

/* Whoever throws away what is over already has nothing thrown away: it is gone, and nobody waits
 * for the rest of it. */
static void test_ignore_at_the_end(void **state)
{
    wire w;

    (void)state;
    start(&w);
    w.server.on_event = ignore_the_end;
    small_body(&w, 1);
    assert_int_equal(take_all(&w)->event.kind, NP_SESSION_EVENT_BODY_END);
    assert_null(w.server.s.bodies);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    wire_fini(&w);
}

/* What was to come whole comes or does not: the session's end is all that is heard of it then. */
static void test_whole_and_cut_off(void **state)
{
    uint8_t bytes[1024] = {0};
    wire w;

    (void)state;
    start(&w);
    w.server.on_event = whole_twice;
    np_put_u64(np_put_u64(np_put_u32(bytes, BASE_DATA_ID), 0), 5000);
    piece(&w, 1, true, bytes, sizeof bytes);
    assert_int_equal(take_all(&w)->event.kind, NP_SESSION_EVENT_BODY_BEGIN);
    wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
    np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
    wire_drain(&w, &w.server);
    wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_of_the_other_side),
        cmocka_unit_test(test_whole_without_a_head),
        cmocka_unit_test(test_ignore_at_the_end),
        cmocka_unit_test(test_whole_and_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
