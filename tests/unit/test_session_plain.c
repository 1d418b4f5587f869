/* The session's short way, which whole plain frames take, against its long one, which the same
 * bytes take when they come one by one: same events, same end, same fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "support/demo_protocol.h"
#include "support/session_wire.h"

/* A frame as its peer wrote it, and what is to come of it. */
typedef struct frame_case {
    const char *name;
    uint8_t kind;
    uint32_t stream;
    uint32_t id;
    size_t len;         /* of the payload, the id included where there is room for one */
    size_t message_max; /* of the receiver; 0: the default */
    np_err err;         /* of the end; NP_OK: it stays open */
    const char *where;  /* of the fault, or NULL */
} frame_case;

static const frame_case cases[] = {
    {"a message", NP_FRAMING_NO_STREAM, 0, DEMO_SAY_ID, 20, 0, NP_OK, NULL},
    {"one as long as the receiver takes", NP_FRAMING_NO_STREAM, 0, DEMO_SAY_ID, 100, 100, NP_OK,
     NULL},
    {"one longer than that", NP_FRAMING_NO_STREAM, 0, DEMO_SAY_ID, 101, 100, NP_ERR_TOO_LONG,
     "base.frame.length"},
    {"one as long as it can be", NP_FRAMING_NO_STREAM, 0, BASE_CUSTOM_ID, 30000, 0, NP_OK, NULL},
    {"one longer than that", NP_FRAMING_NO_STREAM, 0, DEMO_LATER_ID, 5, 0, NP_ERR_TOO_LONG,
     "base.frame.length"},
    {"no room for an id", NP_FRAMING_NO_STREAM, 0, 0, 3, 0, NP_ERR_TRUNCATED, "message id"},
    {"nothing at all", NP_FRAMING_NO_STREAM, 0, 0, 0, 0, NP_ERR_TRUNCATED, "message id"},
    {"an id that nobody knows", NP_FRAMING_NO_STREAM, 0, 4000, 20, 0, NP_OK, NULL},
    {"an id below ours that nobody knows", NP_FRAMING_NO_STREAM, 0, 200, 20, 0, NP_OK, NULL},
    {"a request without a stream", NP_FRAMING_NO_STREAM, 0, DEMO_FIND_ID, 8, 0, NP_ERR_STREAM,
     "demo.Find"},
    {"a message on a stream", NP_FRAMING_REQUEST, 1, DEMO_SAY_ID, 20, 0, NP_ERR_STREAM, "demo.Say"},
    {"a request", NP_FRAMING_REQUEST, 1, DEMO_FIND_ID, 8, 0, NP_OK, NULL},
    {"an echo", NP_FRAMING_NO_STREAM, 0, BASE_ECHO_ID, 20, 0, NP_OK, NULL},
    {"an answered ping", NP_FRAMING_NO_STREAM, 0, BASE_PING_ID, 12, 0, NP_OK, NULL},
    {"a short ping", NP_FRAMING_NO_STREAM, 0, BASE_PING_ID, 11, 0, NP_ERR_TRUNCATED,
     "base.Ping.token"},
    {"a pong", NP_FRAMING_NO_STREAM, 0, BASE_PONG_ID, 12, 0, NP_OK, NULL},
    {"a second hello", NP_FRAMING_NO_STREAM, 0, BASE_HELLO_ID, 20, 0, NP_ERR_UNEXPECTED,
     "base.Hello"},
    {"a welcome to a server", NP_FRAMING_NO_STREAM, 0, BASE_WELCOME_ID, 20, 0, NP_ERR_UNEXPECTED,
     "base.Welcome"},
    {"a handshake's message", NP_FRAMING_NO_STREAM, 0, BASE_SECURE_HANDSHAKE_CONFIRM_ID, 20, 0,
     NP_ERR_UNEXPECTED, "base.SecureHandshakeConfirm"},
};

static size_t one_by_one(void *user, size_t n)
{
    (void)user;
    (void)n;
    return 1;
}

/* A server that is open gets the frame of the case, twice. */
static void play(wire *w, const frame_case *c, bool cut)
{
    uint8_t bytes[NP_FRAMING_HEAD_MAX];
    uint8_t *body = calloc(1, c->len + 1);
    np_framing_head head = np_framing_make(c->kind, c->stream, c->len, false);

    assert_non_null(body);
    if (c->len >= 4) {
        np_put_u32(body, c->id);
    }
    wire_init(w);
    w->server.options.message_max =
        c->message_max > 0 ? c->message_max : w->server.options.message_max;
    wire_open(w);
    w->cut = cut ? one_by_one : NULL;
    for (size_t i = 0; i < 2; i++) {
        np_framing_put(bytes, &head);
        wire_inject(&w->server, bytes, head.head_len);
        wire_inject(&w->server, body, c->len);
        head.stream = c->stream > 0 ? c->stream + 2 : 0;
    }
    while (wire_read(w, &w->server)) {
    }
    free(body);
}

static void expect_same_event(const wire_event *a, const wire_event *b)
{
    assert_int_equal(a->event.kind, b->event.kind);
    assert_int_equal(a->event.id, b->event.id);
    assert_int_equal(a->event.version, b->event.version);
    assert_int_equal(a->event.stream, b->event.stream);
    assert_ptr_equal(a->event.message, b->event.message);
    assert_int_equal(a->event.len, b->event.len);
    assert_int_equal(a->event.err, b->event.err);
    assert_int_equal(a->event.reason, b->event.reason);
}

static void test_both_ways_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frame_case *c = &cases[i];
        wire whole;
        wire cut;

        print_message("%s\n", c->name);
        play(&whole, c, false);
        play(&cut, c, true);
        assert_int_equal(whole.server.s.end_err, c->err);
        assert_int_equal(cut.server.s.end_err, c->err);
        assert_int_equal(whole.server.event_count, cut.server.event_count);
        for (size_t e = 0; e < whole.server.event_count; e++) {
            expect_same_event(&whole.server.events[e], &cut.server.events[e]);
        }
        wire_run(&whole); /* the other end hears of it */
        wire_run(&cut);
        assert_int_equal(np_session_is_open(&whole.server.s), c->err == NP_OK);
        wire_fini(&whole);
        wire_fini(&cut);
    }
}

/* What the fault tells, which is the peer's to read: the same for both ways. */
static void test_both_ways_tell_the_same_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frame_case *c = &cases[i];

        for (int cut = 0; c->where != NULL && cut < 2; cut++) {
            wire w;
            const wire_event *last;

            play(&w, c, cut != 0);
            wire_run(&w);
            np_session_recv_end(&w.server.s, w.now);
            wire_drain(&w, &w.server);
            last = &w.server.events[w.server.event_count - 1];
            assert_int_equal(last->event.kind, NP_SESSION_EVENT_CLOSED);
            assert_non_null(last->event.fault);
            assert_string_equal(last->fault.where, c->where);
            wire_fini(&w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_agree),
        cmocka_unit_test(test_both_ways_tell_the_same_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
