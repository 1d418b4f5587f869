/* Two sessions over memory, in the clear and secure: what may come behind a last word, and what
 * becomes of who finds it there. The client says its last word; the server listens, and has said
 * its own before or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "protocol/session_private.h"
#include "support/secure_wire.h"
#include "support/session_talk.h"

/* How the two part, as bits. */
enum { SECURE = 1, SERVER_FIRST = 2, WAYS = 4 };

static void meet(wire *w, unsigned way)
{
    wire_init(w);
    if ((way & SECURE) != 0) {
        wire_secure(w);
    }
    wire_open(w);
}

static void leave(wire *w, wire_end *end, const char *text)
{
    np_session_close(&end->s, BASE_REASON_BUSY, np_str_from(text), w->now);
}

/* The client's last message and its last word are on their way. */
static void part(wire *w, unsigned way)
{
    meet(w, way);
    if ((way & SERVER_FIRST) != 0) {
        leave(w, &w->server, "server");
    }
    assert_int_equal(talk_say(&w->client.s, "last", 4), NP_OK);
    leave(w, &w->client, "client");
    wire_write(w, &w->client);
}

/* Everything arrives, and then the end of the bytes in both directions; the server's end is
 * returned. Whatever it found, it has heard the last message, if it had not closed before, and the
 * client has parted in order. */
static const wire_event *arrive(wire *w, unsigned way)
{
    const wire_event *event;

    wire_run(w);
    if ((way & SERVER_FIRST) == 0) {
        talk_assert_said(wire_expect(&w->server, NP_SESSION_EVENT_MESSAGE), "last", 4);
    }
    assert_int_equal(wire_expect(&w->client, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
    event = wire_expect(&w->server, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.by_peer, (way & SERVER_FIRST) == 0);
    assert_int_equal(event->event.reason, BASE_REASON_BUSY);
    assert_string_equal(event->text, (way & SERVER_FIRST) == 0 ? "client" : "server");
    assert_null(wire_next(&w->server));
    return event;
}

static void assert_spoiled(const wire_event *event, np_err err, const char *where, const char *rule,
                           uint64_t offset)
{
    assert_int_equal(event->event.err, err);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_FRAME);
    assert_non_null(event->event.fault);
    assert_string_equal(event->fault.where, where);
    assert_string_equal(event->fault.rule, rule);
    assert_int_equal(event->fault.offset, offset);
}

static const char *rule_of(unsigned way)
{
    return (way & SECURE) != 0 ? "nothing behind a Close" : "nothing behind a Disconnect";
}

static size_t one_byte(void *user, size_t n)
{
    (void)user;
    (void)n;
    return 1;
}

/* What is put behind the last word. */
static void add_message(wire *w, unsigned way)
{
    uint8_t body[4 + 8 + 2] = {0, 1, 0, 0, 2};

    if ((way & SECURE) != 0) {
        secure_wire_inject_entry(w, &w->server, NP_ENTRY_MESSAGE, body, sizeof body);
    } else {
        secure_wire_inject_plain(&w->server, DEMO_SAY_ID, body + 4, sizeof body - 4);
    }
}

static void add_garbage(wire *w, unsigned way)
{
    (void)way;
    wire_inject(&w->server, "GET / HTTP/1.1\r\n\r\n", 18);
}

static void add_byte(wire *w, unsigned way)
{
    (void)way;
    wire_inject(&w->server, "\xDE", 1);
}

/* A second goodbye is one too many. */
static void add_bye(wire *w, unsigned way)
{
    static const uint8_t bye[9];

    if ((way & SECURE) != 0) {
        secure_wire_inject_entry(w, &w->server, NP_ENTRY_CLOSE, "\x02\x00", 2);
    } else {
        secure_wire_inject_plain(&w->server, BASE_DISCONNECT_ID, bye, sizeof bye);
    }
}

static void (*const additions[])(wire *w, unsigned way) = {add_message, add_garbage, add_byte,
                                                           add_bye};
#define ADDITIONS (sizeof additions / sizeof additions[0])

/* Behind it ---------------------------------------------------------------------------------- */

static void test_behind_in_the_same_read(void **state)
{
    wire w;
    (void)state;

    for (unsigned i = 0; i < WAYS * ADDITIONS; i++) {
        unsigned way = i % WAYS;
        part(&w, way);
        additions[i / WAYS](&w, way);
        assert_spoiled(arrive(&w, way), NP_ERR_TRAILING, "base.frame", rule_of(way), 0);
        wire_fini(&w);
    }
}

static void test_behind_in_a_later_read(void **state)
{
    wire w;
    (void)state;

    for (unsigned i = 0; i < WAYS * ADDITIONS; i++) {
        unsigned way = i % WAYS;
        part(&w, way);
        assert_true(wire_read(&w, &w.server));
        wire_write(&w, &w.server); /* its own last word is out; it waits for the client's end */
        additions[i / WAYS](&w, way);
        assert_spoiled(arrive(&w, way), NP_ERR_TRAILING, "base.frame", rule_of(way), 0);
        wire_fini(&w);
    }
}

static void test_behind_byte_by_byte(void **state)
{
    wire w;
    (void)state;

    for (unsigned i = 0; i < WAYS * ADDITIONS; i++) {
        unsigned way = i % WAYS;
        part(&w, way);
        w.cut = one_byte;
        additions[i / WAYS](&w, way);
        assert_spoiled(arrive(&w, way), NP_ERR_TRAILING, "base.frame", rule_of(way), 0);
        wire_fini(&w);
    }
}

/* Entries of one record: a Disconnect, a Close, and what should not be there. */
static size_t put_bye(uint8_t *plain, bool disconnect)
{
    static const uint8_t bye[] = {6, 0, 0, 0, 1, 2,   0,   0,   0,   6,   0,  0,
                                  0, 0, 0, 0, 0, 'c', 'l', 'i', 'e', 'n', 't'};
    np_entry entry = np_entry_make(NP_ENTRY_MESSAGE, NP_FRAMING_NO_STREAM, 0, sizeof bye, false);
    uint8_t *p = plain;

    if (disconnect) {
        p = np_put_raw(np_entry_put(p, &entry), bye, sizeof bye);
    }
    entry = np_entry_make(NP_ENTRY_CLOSE, NP_FRAMING_NO_STREAM, 0, NP_ENTRY_CLOSE_LEN, false);
    return (size_t)(np_put_u16(np_entry_put(p, &entry), BASE_REASON_BUSY) - plain);
}

static void test_entries_behind_in_the_record(void **state)
{
    uint8_t plain[128];
    size_t len;
    wire w;
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        unsigned way = i / 2 == 0 ? SECURE : SECURE | SERVER_FIRST;
        bool entry = i % 2 == 0;
        meet(&w, way);
        if ((way & SERVER_FIRST) != 0) {
            leave(&w, &w.server, "server");
        }
        assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
        wire_write(&w, &w.client);
        len = put_bye(plain, true);
        plain[len] = 4; /* a message of 4 bytes, or one byte of nothing */
        memcpy(plain + len + 1, "\0\0\0\0\0abcd", 9);
        secure_wire_inject_record(&w, &w.server, plain, len + (entry ? 10 : 1));
        leave(&w, &w.client, "client");
        np_session_output_done(&w.client.s, np_session_queued(&w.client.s), w.now); /* said so */
        assert_spoiled(arrive(&w, way), NP_ERR_TRAILING, "base.entry_header",
                       "the last of its record", 8);
        wire_fini(&w);
    }
    /* Without a Disconnect: the session was open, so the peer is told. */
    meet(&w, SECURE);
    len = put_bye(plain, false);
    secure_wire_inject_record(&w, &w.server, plain, len + 1);
    wire_read(&w, &w.server);
    assert_spoiled(secure_wire_expect_closed(&w, &w.server, NP_ERR_TRAILING), NP_ERR_TRAILING,
                   "base.entry_header", "the last of its record", 8);
    wire_run(&w);
    assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.reason,
                     BASE_REASON_MALFORMED);
    wire_fini(&w);
}

/* Between a Disconnect and its Close there may be a key update, and nothing else. */
static void test_between_disconnect_and_close(void **state)
{
    uint8_t plain[128];
    wire w;
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        unsigned way = i / 2 == 0 ? SECURE : SECURE | SERVER_FIRST;
        np_entry update = np_entry_make(NP_ENTRY_KEY_UPDATE, NP_FRAMING_NO_STREAM, 0, 0, false);
        size_t len = put_bye(plain, true) - NP_ENTRY_HEADER_LEN - NP_ENTRY_CLOSE_LEN;

        meet(&w, way);
        if ((way & SERVER_FIRST) != 0) {
            leave(&w, &w.server, "server");
        }
        assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
        wire_write(&w, &w.client);
        if (i % 2 == 0) {
            np_entry_put(plain + len, &update);
            secure_wire_inject_record(&w, &w.server, plain, len + NP_ENTRY_HEADER_LEN);
            np_record_next_epoch(&w.client.s.secure->sends, w.now.mono_ms);
        } else {
            secure_wire_inject_record(&w, &w.server, plain, len);
            add_message(&w, way);
        }
        secure_wire_inject_record(&w, &w.server, plain, put_bye(plain, false));
        leave(&w, &w.client, "client");
        np_session_output_done(&w.client.s, np_session_queued(&w.client.s), w.now);
        if (i % 2 == 0) {
            assert_int_equal(arrive(&w, way)->event.err, NP_OK);
        } else {
            assert_spoiled(arrive(&w, way), NP_ERR_TRAILING, "base.entry_header",
                           "nothing but a Close behind a Disconnect", 0);
        }
        wire_fini(&w);
    }
}

/* The end of the bytes is not the peer's own word, and a Disconnect is half of it. Nor is it for
 * who has closed before: without the peer's goodbye it does not know that its own words arrived. */
static void test_disconnect_without_close(void **state)
{
    uint8_t plain[128];
    const wire_event *event;
    wire w;
    (void)state;

    for (unsigned way = SECURE; way < WAYS; way += 2) {
        size_t len = put_bye(plain, true) - NP_ENTRY_HEADER_LEN - NP_ENTRY_CLOSE_LEN;

        meet(&w, way);
        if ((way & SERVER_FIRST) != 0) {
            leave(&w, &w.server, "server");
        }
        assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
        wire_write(&w, &w.client);
        secure_wire_inject_record(&w, &w.server, plain, len);
        leave(&w, &w.client, "client");
        np_session_output_done(&w.client.s, np_session_queued(&w.client.s), w.now);
        event = arrive(&w, way);
        assert_spoiled(event, NP_ERR_EOF, "base.entry_header", "a Close behind a Disconnect", 0);
        wire_fini(&w);

        meet(&w, way); /* the same without a Disconnect */
        leave(&w, &w.server, "server");
        w.server.bytes_end = true;
        wire_run(&w);
        assert_spoiled(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED), NP_ERR_EOF, "base.frame",
                       "a Disconnect before the end", 0);
        wire_fini(&w);
    }
}

/* Closed by us, and then the transport breaks, or the connection is given up: what is queued is
 * lost, and if nothing is, the peer has not said goodbye. */
static void test_lost_while_parting(void **state)
{
    static const np_err errs[] = {NP_ERR_RESET, NP_ERR_CANCELED};
    uint8_t *data = wire_pattern(900000, 4);
    (void)state;

    for (unsigned way = 0; way < SERVER_FIRST; way++) {
        for (int i = 0; i < 6; i++) {
            const wire_event *event;
            wire w;

            meet(&w, way);
            if (i % 3 < 2) {
                assert_int_equal(talk_say(&w.server.s, data, i % 3 == 0 ? 900000 : 10), NP_OK);
            }
            leave(&w, &w.server, "server");
            if (i % 3 > 0) { /* all has left, and the peer is silent */
                np_session_output_done(&w.server.s, np_session_queued(&w.server.s), w.now);
            }
            np_session_lost(&w.server.s, errs[i / 3], w.now);
            wire_drain(&w, &w.server);
            event = wire_expect(&w.server, NP_SESSION_EVENT_CLOSED);
            assert_int_equal(event->event.err, errs[i / 3]);
            assert_int_equal(event->event.stage, NP_SESSION_STAGE_IO);
            assert_false(event->event.by_peer);
            wire_fini(&w);
        }
    }
    free(data);
}

/* But not once the peer has said its last word and has all of ours. */
static void test_lost_behind_the_last_word(void **state)
{
    (void)state;
    for (unsigned way = 0; way < SERVER_FIRST; way++) {
        wire w;

        meet(&w, way);
        leave(&w, &w.server, "server");
        wire_write(&w, &w.server);
        while (wire_read(&w, &w.client)) {
        }
        wire_drain(&w, &w.client);
        wire_write(&w, &w.client);
        while (wire_read(&w, &w.server)) {
        }
        wire_drain(&w, &w.server);
        np_session_lost(&w.server.s, NP_ERR_RESET, w.now);
        wire_drain(&w, &w.server);
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
        wire_fini(&w);
    }
}

/* In order ----------------------------------------------------------------------------------- */

/* A last word in two reads, cut anywhere, and byte by byte. */
typedef struct cutter {
    size_t first;
} cutter;

static size_t cut_once(void *user, size_t n)
{
    const cutter *c = user;

    return n == 0 ? c->first : SIZE_MAX;
}

static void test_last_word_in_two_reads(void **state)
{
    cutter c = {0};
    size_t all = 1;
    wire w;
    (void)state;

    for (unsigned way = 0; way < WAYS; way++) {
        for (c.first = 0; c.first < all; c.first++) {
            part(&w, way);
            all = w.server.byte_count;
            w.reads = 0;
            w.user = &c;
            w.cut = c.first == 0 ? one_byte : cut_once;
            assert_int_equal(arrive(&w, way)->event.err, NP_OK);
            wire_fini(&w);
        }
        assert_true(all > 40);
    }
}

/* Both say it at once, with messages on the way in either direction. */
static void test_both_at_once(void **state)
{
    uint8_t *bytes = wire_pattern(150000, 3);
    wire w;
    (void)state;

    for (unsigned i = 0; i < 6; i++) {
        unsigned way = i % 2;
        meet(&w, way);
        w.cut = i / 2 == 1 ? one_byte : NULL;
        w.write_max = i / 2 == 2 ? 7 : 0;
        assert_int_equal(talk_say(&w.client.s, bytes, 150000), NP_OK);
        assert_int_equal(talk_say(&w.server.s, bytes, 100), NP_OK);
        assert_int_equal(talk_say(&w.server.s, bytes, 3000), NP_OK);
        leave(&w, &w.client, "client");
        leave(&w, &w.server, "server");
        wire_run(&w);
        for (int side = 0; side < 2; side++) {
            wire_end *end = side == 0 ? &w.client : &w.server;
            const wire_event *event = wire_expect(end, NP_SESSION_EVENT_CLOSED);
            assert_int_equal(event->event.err, NP_OK);
            assert_false(event->event.by_peer);
            assert_null(event->event.fault);
        }
        wire_fini(&w);
    }
    free(bytes);
}

/* The server closes in the middle of whatever the client is saying: after any number of its bytes,
 * a message of several frames, a body in pieces, small ones, some of them compressed. */
static void test_closed_in_the_middle(void **state)
{
    static uint8_t zeros[9000];
    const np_message *data = np_protocol_message(&base_protocol, BASE_DATA_ID);
    base_data head = {.name = {NULL, 0}};
    uint8_t *bytes = wire_pattern(70000, 4);
    cutter c = {1};
    size_t all = SIZE_MAX;
    wire w;
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        unsigned way = i % 2;
        for (c.first = 1, all = SIZE_MAX; c.first < all; c.first += c.first < 1200 ? 1 : 997) {
            uint64_t serial = 0;
            size_t taken = 0;

            wire_init(&w);
            if (way == SECURE) {
                wire_secure(&w);
            }
            if (i / 2 == 1) {
                wire_compress(&w.client, NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE, 16);
                wire_compress(&w.server, NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE, 16);
            }
            wire_open(&w);
            assert_int_equal(np_session_body_begin(&w.client.s, data, &head, 5000, &serial, NULL),
                             NP_OK);
            assert_int_equal(np_session_body_write(&w.client.s, serial, zeros, 5000, &taken),
                             NP_OK);
            assert_int_equal(talk_say(&w.client.s, zeros, sizeof zeros), NP_OK);
            assert_int_equal(talk_say(&w.client.s, bytes, 70000), NP_OK);
            assert_int_equal(np_session_body_end(&w.client.s, serial), NP_OK);
            assert_int_equal(talk_say(&w.client.s, "x", 1), NP_OK);
            while (np_session_queued(&w.client.s) > 0) {
                wire_write(&w, &w.client);
            }
            all = w.server.byte_count;
            w.reads = 0;
            w.user = &c;
            w.cut = cut_once;
            while (w.reads == 0) {
                assert_true(wire_read(&w, &w.server));
            }
            leave(&w, &w.server, "server");
            wire_run(&w);
            assert_int_equal(w.server.events[w.server.event_count - 1].event.err, NP_OK);
            assert_int_equal(w.client.events[w.client.event_count - 1].event.err, NP_OK);
            assert_true(w.server.closed && w.client.closed);
            wire_fini(&w);
        }
    }
    free(bytes);
}

/* The server closes before or between the frames of one message whose bytes look like a Disconnect
 * wherever a frame begins: only where a message begins is there an id. */
static void test_closed_before_what_looks_like_a_bye(void **state)
{
    const size_t len = 3 * (size_t)NP_FRAMING_FRAGMENT_MAX;
    uint8_t *bytes = calloc(1, len);
    cutter c = {1};
    size_t all = SIZE_MAX;
    wire w;
    (void)state;

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i += 4) {
        bytes[i] = BASE_DISCONNECT_ID;
    }
    for (unsigned way = 0; way < 2; way++) {
        for (c.first = 1, all = SIZE_MAX; c.first < all; c.first += 9973) {
            meet(&w, way);
            assert_int_equal(talk_say(&w.client.s, bytes, len), NP_OK);
            while (np_session_queued(&w.client.s) > 0) {
                wire_write(&w, &w.client);
            }
            all = w.server.byte_count;
            w.reads = 0;
            w.user = &c;
            w.cut = cut_once;
            assert_true(wire_read(&w, &w.server));
            leave(&w, &w.server, "server");
            wire_run(&w);
            assert_int_equal(w.server.events[w.server.event_count - 1].event.err, NP_OK);
            assert_int_equal(w.client.events[w.client.event_count - 1].event.err, NP_OK);
            wire_fini(&w);
        }
    }
    free(bytes);
}

static void close_at_begin(wire_end *end, const np_session_event *event)
{
    np_time now = {.mono_ms = end->s.now_ms};

    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN) {
        np_session_close(&end->s, BASE_REASON_BUSY, np_str_from("server"), now);
    }
}

/* A handler closes at the beginning of a body, the first piece of which lies there: as it came, or
 * unpacked, so that nothing of it is in the window any more. */
static void test_closed_at_the_beginning_of_a_body(void **state)
{
    static uint8_t zeros[5000];
    const np_message *data = np_protocol_message(&base_protocol, BASE_DATA_ID);
    base_data head = {.name = {NULL, 0}};
    wire w;
    (void)state;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t serial = 0;
        size_t taken = 0;

        wire_init(&w);
        if ((i & SECURE) != 0) {
            wire_secure(&w);
        }
        if ((i & 2) != 0) {
            wire_compress(&w.client, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 16);
            wire_compress(&w.server, NP_COMPRESSION_ZSTD, NP_COMPRESSION_NONE, 16);
        }
        wire_open(&w);
        w.server.on_event = close_at_begin;
        w.cut = (i & 4) != 0 ? one_byte : NULL;
        assert_int_equal(np_session_body_begin(&w.client.s, data, &head, 5000, &serial, NULL),
                         NP_OK);
        assert_int_equal(np_session_body_write(&w.client.s, serial, zeros, 5000, &taken), NP_OK);
        assert_int_equal(np_session_body_end(&w.client.s, serial), NP_OK);
        assert_int_equal(talk_say(&w.client.s, zeros, sizeof zeros), NP_OK);
        leave(&w, &w.client, "client");
        while (np_session_queued(&w.client.s) > 0) {
            wire_write(&w, &w.client);
        }
        add_byte(&w, i); /* found, since all that is before it has been passed over, and no more */
        wire_run(&w);
        wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_BODY_END)->event.err,
                         NP_ERR_TRAILING);
        assert_spoiled(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED), NP_ERR_TRAILING,
                       "base.frame", rule_of(i), 0);
        assert_true(w.client.closed);
        wire_fini(&w);
    }
}

/* As after any error, the end of the peer's bytes is waited for, but no longer than fail_ms. */
static void test_patience_with_a_spoiler(void **state)
{
    wire w;
    (void)state;

    for (unsigned way = 0; way < WAYS; way++) {
        part(&w, way);
        w.server.options.fail_ms = 200;
        add_garbage(&w, way);
        assert_true(wire_read(&w, &w.server));
        wire_write(&w, &w.server);
        wire_drain(&w, &w.server);
        assert_false(w.server.closed);
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 200);
        w.now.mono_ms += 200;
        np_session_tick(&w.server.s, w.now);
        assert_int_equal(arrive(&w, way)->event.err, NP_ERR_TRAILING);
        wire_fini(&w);
    }
}

/* What was queued before still goes out, whatever comes behind the peer's last word. */
static void test_nothing_of_ours_is_lost(void **state)
{
    uint8_t *bytes = wire_pattern(5000, 5);
    wire w;
    (void)state;

    for (unsigned way = 0; way < 2; way++) {
        meet(&w, way);
        w.write_max = 100;
        assert_int_equal(talk_say(&w.server.s, bytes, 5000), NP_OK);
        if (way == SECURE) {
            uint8_t plain[64];
            secure_wire_inject_record(&w, &w.server, plain, put_bye(plain, true));
        } else {
            static const uint8_t bye[9];
            secure_wire_inject_plain(&w.server, BASE_DISCONNECT_ID, bye, sizeof bye);
        }
        add_garbage(&w, way);
        assert_true(wire_read(&w, &w.server));
        w.server.bytes_end = true;
        wire_run(&w);
        talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), bytes, 5000);
        assert_int_equal(wire_expect(&w.client, NP_SESSION_EVENT_CLOSED)->event.err, NP_OK);
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_CLOSED)->event.err,
                         NP_ERR_TRAILING);
        wire_fini(&w);
    }
    free(bytes);
}

/* A peer that has said its last word, and keeps the connection: it is waited for as long as for
 * any close, and that is in order. */
static void test_last_word_without_an_end(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    for (unsigned way = 0; way < WAYS; way++) {
        part(&w, way);
        wire_read(&w, &w.server);
        wire_write(&w, &w.server);
        assert_false(w.server.closed);
        assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 5000);
        assert_false(np_session_pending(&w.server.s));
        w.now.mono_ms += 5000;
        np_session_tick(&w.server.s, w.now);
        wire_drain(&w, &w.server);
        event = &w.server.events[w.server.event_count - 1];
        assert_int_equal(event->event.kind, NP_SESSION_EVENT_CLOSED);
        assert_int_equal(event->event.err, NP_OK);
        wire_fini(&w);
    }
}

/* Without memory for what still comes it is not looked at, which is no error. */
static void test_without_memory(void **state)
{
    wire w;
    (void)state;

    for (unsigned way = 0; way < WAYS; way++) {
        part(&w, way);
        w.cut = one_byte;
        if ((way & SERVER_FIRST) == 0) {
            while (w.server.s.phase == NP_PHASE_OPEN) {
                assert_true(wire_read(&w, &w.server));
            }
        }
        wire_write(&w, &w.server);
        w.server.pool.options.live_max = w.server.pool.live;
        add_garbage(&w, way);
        if ((way & SERVER_FIRST) != 0) {
            assert_int_equal(arrive(&w, way)->event.err, NP_OK);
        } else { /* what tells it needs none */
            assert_int_equal(arrive(&w, way)->event.err, NP_ERR_TRAILING);
        }
        wire_fini(&w);
    }
}

/* A session that was held back does not hold what comes behind its close. */
static void test_held(void **state)
{
    wire w;
    (void)state;

    for (unsigned way = 0; way < 2; way++) {
        meet(&w, way);
        np_session_hold(&w.server.s, true, w.now);
        assert_int_equal(talk_say(&w.client.s, "last", 4), NP_OK);
        leave(&w, &w.server, "server");
        leave(&w, &w.client, "client");
        wire_write(&w, &w.client);
        add_byte(&w, way);
        assert_spoiled(arrive(&w, way | SERVER_FIRST), NP_ERR_TRAILING, "base.frame", rule_of(way),
                       0);
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behind_in_the_same_read),
        cmocka_unit_test(test_behind_in_a_later_read),
        cmocka_unit_test(test_behind_byte_by_byte),
        cmocka_unit_test(test_entries_behind_in_the_record),
        cmocka_unit_test(test_between_disconnect_and_close),
        cmocka_unit_test(test_disconnect_without_close),
        cmocka_unit_test(test_lost_while_parting),
        cmocka_unit_test(test_lost_behind_the_last_word),
        cmocka_unit_test(test_last_word_in_two_reads),
        cmocka_unit_test(test_both_at_once),
        cmocka_unit_test(test_closed_in_the_middle),
        cmocka_unit_test(test_closed_before_what_looks_like_a_bye),
        cmocka_unit_test(test_closed_at_the_beginning_of_a_body),
        cmocka_unit_test(test_patience_with_a_spoiler),
        cmocka_unit_test(test_nothing_of_ours_is_lost),
        cmocka_unit_test(test_last_word_without_an_end),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
