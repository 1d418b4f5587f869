/* The session's short way, which whole frames and entries of records take where they have no flags,
 * against its long one: same events, same end, same fault. Frames take the long one when their
 * bytes come one by one; entries, which are always whole, when the session is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "protocol/session_private.h"
#include "support/demo_protocol.h"
#include "support/secure_wire.h"
#include "support/session_talk.h"

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

static void expect_same_events(const wire_end *a, const wire_end *b)
{
    assert_int_equal(a->event_count, b->event_count);
    for (size_t i = 0; i < a->event_count; i++) {
        const wire_event *ours = &a->events[i];
        const wire_event *theirs = &b->events[i];
        expect_same_event(ours, theirs);
        if (ours->payload != NULL) {
            assert_memory_equal(ours->payload, theirs->payload, ours->event.len);
        }
        assert_int_equal(ours->event.fault != NULL, theirs->event.fault != NULL);
        if (ours->event.fault != NULL) {
            char texts[2][256];
            assert_string_equal(np_fault_format(&ours->fault, texts[0], sizeof texts[0]),
                                np_fault_format(&theirs->fault, texts[1], sizeof texts[1]));
        }
    }
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
        expect_same_events(&whole.server, &cut.server);
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

/* Records ----------------------------------------------------------------------------------- */

/* A secure server that is open gets the case as an entry, twice in a record, or three times where
 * there is room. Before them goes an Echo, because the first of a record takes the long way. */
static void play_record(wire *w, const frame_case *c, bool long_way)
{
    uint8_t *plain = calloc(4, c->len + NP_ENTRY_HEAD_MAX + 12);
    uint8_t *p;

    assert_non_null(plain);
    p = np_put_u32(np_entry_put_plain(plain, 12), BASE_ECHO_ID) + 8;
    wire_init(w);
    wire_secure(w);
    wire_open(w); /* which takes longer messages than some cases allow */
    w->server.options.message_max =
        c->message_max > 0 ? c->message_max : w->server.options.message_max;
    w->server.long_way = long_way;
    for (uint32_t i = 0; i < 2 || (i == 2 && 3 * c->len < NP_FRAMING_FRAGMENT_MAX); i++) {
        np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, c->kind,
                                       c->stream > 0 ? c->stream + 2 * i : 0, c->len, false);
        p = np_entry_put(p, &entry);
        if (c->len >= 4) {
            np_put_u32(p, c->id);
        }
        p += c->len;
    }
    secure_wire_inject_record(w, &w->server, plain, (size_t)(p - plain));
    while (wire_read(w, &w->server)) {
    }
    free(plain);
}

static void test_both_ways_agree_in_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frame_case *c = &cases[i];
        wire ends[2];

        print_message("%s\n", c->name);
        for (int way = 0; way < 2; way++) {
            wire *w = &ends[way];
            play_record(w, c, way == 1);
            assert_int_equal(w->server.s.end_err, c->err);
            wire_run(w);
            assert_int_equal(np_session_is_open(&w->server.s), c->err == NP_OK);
            if (c->err != NP_OK) {
                np_session_recv_end(&w->server.s, w->now);
                wire_drain(w, &w->server);
                assert_true(w->server.closed);
            }
            if (c->where != NULL) {
                const wire_event *last = &w->server.events[w->server.event_count - 1];
                assert_non_null(last->event.fault);
                assert_string_equal(last->fault.where, c->where);
            }
        }
        expect_same_events(&ends[0].server, &ends[1].server);
        assert_int_equal(ends[0].server.byte_count, ends[1].server.byte_count);
        wire_fini(&ends[0]);
        wire_fini(&ends[1]);
    }
}

/* An entry too short for an id, with bytes behind it, which are the next one's, that would make it
 * one. */
static void test_an_id_is_not_borrowed(void **state)
{
    static const uint32_t ids[] = {BASE_ECHO_ID, BASE_HELLO_ID}; /* the second may not come now */
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        uint8_t plain[3 * NP_ENTRY_HEADER_LEN + 4 + 3 + 256] = {0};
        uint8_t *p = np_put_u32(np_entry_put_plain(plain, 4), BASE_ECHO_ID);
        wire w;
        np_put_u32(np_entry_put_plain(p, 3), ids[i]);
        np_put_u32(np_entry_put_plain(p + NP_ENTRY_HEADER_LEN + 3, 256), BASE_ECHO_ID);
        assert_int_equal(np_get_u32(p + NP_ENTRY_HEADER_LEN), ids[i]);
        secure_wire_open(&w);
        secure_wire_inject_record(&w, &w.server, plain, sizeof plain);
        assert_true(wire_read(&w, &w.server));
        assert_int_equal(w.server.s.end_err, NP_ERR_TRUNCATED);
        assert_int_equal(w.server.event_count, 1 + 1); /* OPEN, and the first */
        wire_fini(&w);
    }
}

/* Bytes of a read, the first one. */
static size_t cut_once(void *user, size_t n)
{
    return n == 0 ? *(const size_t *)user : 0;
}

/* Records of what peers do say, of which the first read brings `cut` bytes; returns how many there
 * are. */
static size_t talk_cut(wire *w, size_t cut, bool long_way)
{
    size_t len;

    wire_init(w);
    wire_secure(w);
    wire_open(w);
    for (int i = 0; i < 2; i++) {
        base_ping ping = {(uint64_t)i};
        assert_int_equal(talk_say(&w->client.s, "one", 3), NP_OK);
        assert_int_equal(talk_say(&w->client.s, "", 0), NP_OK);
        (void)talk_ask(&w->client.s, NP_TIME_NEVER, NULL);
        assert_int_equal(talk_say(&w->client.s, "three", 5), NP_OK);
        assert_int_equal(np_session_send(&w->client.s,
                                         np_protocol_message(&base_protocol, BASE_PING_ID), &ping,
                                         NULL),
                         NP_OK);
        assert_int_equal(talk_say(&w->client.s, "four", 4), NP_OK);
        wire_write(w, &w->client);
    }
    len = w->server.byte_count;
    w->server.long_way = long_way;
    w->reads = 0;
    w->cut = cut_once;
    w->user = &cut;
    while (wire_read(w, &w->server)) {
    }
    assert_int_equal(w->server.s.end_err, NP_OK);
    return len;
}

static void test_both_ways_agree_at_every_cut(void **state)
{
    size_t len = 2;
    (void)state;

    for (size_t cut = 1; cut < len; cut++) {
        wire ends[2];
        len = talk_cut(&ends[0], cut, false);
        assert_int_equal(talk_cut(&ends[1], cut, true), len);
        assert_int_equal(ends[0].server.event_count, 1 + 2 * 5); /* OPEN; a Ping is none */
        expect_same_events(&ends[0].server, &ends[1].server);
        wire_fini(&ends[0]);
        wire_fini(&ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_agree),
        cmocka_unit_test(test_both_ways_tell_the_same_fault),
        cmocka_unit_test(test_both_ways_agree_in_records),
        cmocka_unit_test(test_an_id_is_not_borrowed),
        cmocka_unit_test(test_both_ways_agree_at_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
