/* Secure sessions: what strangers say before there are keys, what peers say that they must not, and
 * what a wire can do that lies. */
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

/* A stranger's words ------------------------------------------------------------------------ */

/* Before there are keys, an Error in the clear ends it, but what it says is not passed on. */
static void test_error_of_a_stranger(void **state)
{
    base_error error = {.reason = BASE_REASON_REFUSED, .text = np_str_from("lies")};
    uint8_t lie[64];
    size_t len = 0;
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    wire_start(&w);
    assert_int_equal(base_error_encode(&error, lie, sizeof lie, &len, NULL), NP_OK);
    secure_wire_inject_plain(&w.client, BASE_ERROR_ID, lie + 4,
                             len - 4); /* which puts the id itself */
    wire_read(&w, &w.client);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_REFUSED);
    assert_string_equal(event->text, ""); /* nor anything of ours that looks like its words */
    wire_fini(&w);
}

/* Anything but the next message of the handshake. */
static void test_others_before_the_keys(void **state)
{
    static const uint32_t ids[] = {BASE_PING_ID,
                                   BASE_ECHO_ID,
                                   BASE_HELLO_ID,
                                   BASE_WELCOME_ID,
                                   BASE_DISCONNECT_ID,
                                   BASE_SECURE_HANDSHAKE_CONFIRM_ID,
                                   BASE_SECURE_HANDSHAKE_RESPONSE_ID,
                                   DEMO_SAY_ID};
    static const uint8_t zeros[64];
    static const uint8_t record[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 4, 0, 0, 0, 17};
    wire w;
    (void)state;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        wire_init(&w);
        wire_secure(&w);
        wire_start(&w);
        secure_wire_inject_plain(&w.server, ids[i], zeros, sizeof zeros);
        wire_read(&w, &w.server);
        assert_int_equal(w.server.s.end_err, NP_ERR_UNEXPECTED);
        wire_fini(&w);
    }
    wire_init(&w);
    wire_secure(&w);
    wire_start(&w);
    wire_inject(&w.server, record, sizeof record);
    wire_read(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_FRAME);
    wire_fini(&w);
}

/* Between its Confirm and the server's first record a client takes an Error in the clear, since a
 * server that came to no keys has no other way, and nothing else. */
static void test_clear_words_before_the_first_record(void **state)
{
    static const uint32_t ids[] = {BASE_ERROR_ID, BASE_WELCOME_ID,
                                   BASE_PING_ID,  BASE_DISCONNECT_ID,
                                   BASE_ECHO_ID,  BASE_SECURE_HANDSHAKE_RESPONSE_ID,
                                   DEMO_SAY_ID,   77};
    static const uint8_t busy[] = {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    wire w;
    (void)state;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        wire_init(&w);
        wire_secure(&w);
        wire_start(&w);
        wire_write(&w, &w.client);
        wire_read(&w, &w.server);
        wire_write(&w, &w.server);
        wire_read(&w, &w.client);
        assert_true(np__session_is_keyed(&w.client.s) && !np_session_is_open(&w.client.s));
        secure_wire_inject_plain(&w.client, ids[i], busy, sizeof busy);
        while (wire_read(&w, &w.client)) {
        }
        assert_int_equal(w.client.s.end_err, i == 0 ? NP_ERR_BUSY : NP_ERR_UNEXPECTED);
        wire_fini(&w);
    }
}

/* The server's first record says Welcome, or why not. A server that we trust, but that says
 * something else, is not heard: nobody has been told yet that there is a connection. */
static void test_other_records_before_welcome(void **state)
{
    static const struct {
        uint8_t kind;
        uint32_t stream;
        uint32_t id;
        np_err err;
    } cases[] = {
        {NP_FRAMING_NO_STREAM, 0, BASE_PING_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_NO_STREAM, 0, BASE_ECHO_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_NO_STREAM, 0, BASE_HELLO_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_NO_STREAM, 0, BASE_SECURE_HANDSHAKE_RESPONSE_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_NO_STREAM, 0, DEMO_SAY_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_DATA, 2, BASE_DATA_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_REQUEST, 2, DEMO_FIND_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_RESPONSE, 1, DEMO_FIND_ID, NP_ERR_UNEXPECTED},
        {NP_FRAMING_ERROR, 1, 0, NP_ERR_UNEXPECTED},
        {NP_FRAMING_CANCEL, 2, 0, NP_ERR_UNEXPECTED},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t body[64] = {0};
        uint8_t plain[128];
        size_t len = cases[i].kind == NP_FRAMING_CANCEL ? 0 : sizeof body;
        np_entry entry =
            np_entry_make(NP_ENTRY_MESSAGE, cases[i].kind, cases[i].stream, len, false);
        wire w;

        secure_wire_start_keyed(&w);
        np_put_u32(body, cases[i].id);
        secure_wire_inject_record(
            &w, &w.client, plain,
            (size_t)(np_put_raw(np_entry_put(plain, &entry), body, len) - plain));
        wire_read(&w, &w.client);
        assert_int_equal(w.client.s.end_err, cases[i].err);
        assert_int_equal(w.client.event_count, 0);
        wire_fini(&w);
    }
}

/* What the handshake has agreed on is not to be had again, and not to be changed by the Welcome. */
static void test_welcome_of_another_choice(void **state)
{
    base_welcome welcome;
    wire w;
    (void)state;

    for (int i = 0; i < 7; i++) {
        uint8_t body[BASE_WELCOME_MAX_LEN];
        size_t len = 0;

        secure_wire_start_keyed(&w);
        np_negotiate_choice(&welcome.choice, &w.server.s.secure->side.speaks, i == 1 ? 1 : 2, 0, 0);
        welcome.choice.digest[31] ^= i == 2;
        welcome.choice.cipher = i == 3;
        welcome.choice.compression = i == 4;
        welcome.choice.features = i == 5;
        welcome.choice.version += i == 6;
        assert_int_equal(base_welcome_encode(&welcome, body, sizeof body, &len, NULL), NP_OK);
        secure_wire_inject_entry(&w, &w.client, NP_ENTRY_MESSAGE, body, len);
        wire_read(&w, &w.client);
        assert_int_equal(w.client.s.end_err, i == 0 ? NP_OK : NP_ERR_VERSION);
        assert_int_equal(np_session_is_open(&w.client.s), i == 0);
        wire_fini(&w);
    }
}

/* Afterwards nothing in the clear is listened to, however true it may look. */
static void test_plain_frames_after_the_keys(void **state)
{
    static const uint32_t ids[] = {BASE_PING_ID,
                                   BASE_ERROR_ID,
                                   BASE_DISCONNECT_ID,
                                   BASE_HELLO_ID,
                                   BASE_SECURE_HANDSHAKE_INIT_ID,
                                   DEMO_SAY_ID};
    static const uint8_t zeros[64];
    wire w;
    (void)state;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        for (int side = 0; side < 2; side++) {
            wire_end *end;
            secure_wire_open(&w);
            end = side == 0 ? &w.client : &w.server;
            secure_wire_inject_plain(end, ids[i], zeros, sizeof zeros);
            wire_read(&w, end);
            assert_int_equal(end->s.end_err, NP_ERR_FRAME);
            wire_fini(&w);
        }
    }
}

/* The peer itself says what has no place in a record, or in this session. */
static void test_wrong_words_in_records(void **state)
{
    static const uint32_t ids[] = {BASE_SECURE_HANDSHAKE_INIT_ID, BASE_HELLO_ID, BASE_WELCOME_ID,
                                   BASE_SECURE_HANDSHAKE_RESPONSE_ID,
                                   BASE_SECURE_HANDSHAKE_CONFIRM_ID};
    uint8_t body[64] = {0};
    wire w;
    (void)state;

    for (size_t i = 0; i < 2 * (sizeof ids / sizeof ids[0]); i++) {
        wire_end *end = i % 2 == 0 ? &w.server : &w.client;
        secure_wire_open(&w);
        np_put_u32(body, ids[i / 2]);
        secure_wire_inject_entry(&w, end, NP_ENTRY_MESSAGE, body, sizeof body);
        wire_read(&w, end);
        assert_int_equal(end->s.end_err, NP_ERR_UNEXPECTED);
        wire_fini(&w);
    }
    secure_wire_open(&w); /* an entry that is none */
    body[4] = 3;
    secure_wire_inject_record(&w, &w.server, body, 6);
    wire_read(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_RANGE);
    wire_fini(&w);

    /* Plain text that looks like a plain frame is an entry like any other. */
    secure_wire_open(&w);
    memcpy(body, "\xDE\xAD\xBE\xEF\x01\x00\x00\x00\x00\x08\x00\x01\x00\x00", 14);
    secure_wire_inject_record(&w, &w.server, body, 18);
    wire_read(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_RANGE);
    wire_fini(&w);
}

/* A wire that lies --------------------------------------------------------------------------- */

static void test_changed_records(void **state)
{
    wire w;
    size_t len = 1;
    (void)state;

    for (size_t bit = 0; bit < len * 8; bit++) {
        secure_wire_open(&w);
        assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
        wire_write(&w, &w.client);
        len = w.server.byte_count;
        w.server.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        while (wire_read(&w, &w.server)) {
        }
        if (np_session_is_open(&w.server.s)) { /* a greater length: it waits for the rest */
            assert_true(bit / 8 >= 6 && bit / 8 < 10);
            np_session_recv_end(&w.server.s, w.now);
            wire_drain(&w, &w.server);
        }
        assert_int_not_equal(w.server.s.end_err, NP_OK);
        for (size_t i = 0; i < w.server.event_count; i++) {
            assert_int_not_equal(w.server.events[i].event.kind, NP_SESSION_EVENT_MESSAGE);
        }
        wire_fini(&w);
    }
    assert_true(len > 40);
}

/* Two records of one write each, of which the wire makes what it likes. */
static np_err tamper(void (*how)(wire_end *to, size_t first))
{
    size_t first;
    np_err err;
    wire w;

    secure_wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    wire_write(&w, &w.client);
    first = w.server.byte_count;
    assert_int_equal(talk_say(&w.client.s, "def", 3), NP_OK);
    wire_write(&w, &w.client);
    assert_int_equal(w.server.byte_count, 2 * first);
    how(&w.server, first);
    while (wire_read(&w, &w.server)) {
    }
    err = (np_err)w.server.s.end_err;
    wire_fini(&w);
    return err;
}

static void leave(wire_end *to, size_t first)
{
    (void)to;
    (void)first;
}

static void swap_two(wire_end *to, size_t first)
{
    uint8_t copy[256];

    memcpy(copy, to->bytes, first);
    memcpy(to->bytes, to->bytes + first, first);
    memcpy(to->bytes + first, copy, first);
}

static void drop_one(wire_end *to, size_t first)
{
    memmove(to->bytes, to->bytes + first, first);
    to->byte_count = first;
}

static void repeat_one(wire_end *to, size_t first)
{
    memcpy(to->bytes + first, to->bytes, first);
}

static void cut_inside(wire_end *to, size_t first)
{
    memmove(to->bytes + first - 1, to->bytes + first, first);
    to->byte_count--;
}

static void test_order_of_records(void **state)
{
    (void)state;
    assert_int_equal(tamper(leave), NP_OK);
    assert_int_equal(tamper(swap_two), NP_ERR_SEAL);
    assert_int_equal(tamper(drop_one), NP_ERR_SEAL);
    assert_int_equal(tamper(repeat_one), NP_ERR_SEAL);
    assert_int_equal(tamper(cut_inside), NP_ERR_SEAL);
}

/* A record of another session between the same two, and one of ours that comes back. */
static void test_foreign_records(void **state)
{
    uint8_t copy[256];
    size_t len;
    wire w;
    (void)state;

    secure_wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    wire_write(&w, &w.client);
    len = w.server.byte_count;
    memcpy(copy, w.server.bytes, len);
    wire_inject(&w.client, copy, len); /* reflected */
    wire_read(&w, &w.client);
    assert_int_equal(w.client.s.end_err, NP_ERR_SEAL);
    wire_fini(&w);

    wire_init(&w);
    wire_secure(&w);
    w.client.seed = 77; /* the same two, another time */
    wire_open(&w);
    wire_inject(&w.server, copy, len);
    wire_read(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_SEAL);
    wire_fini(&w);
}

/* The end of the bytes is no end of the session, unless its peer has said so. */
static void test_truncation(void **state)
{
    wire w;
    (void)state;

    secure_wire_open(&w);
    assert_true(secure_wire_expect_closed(&w, &w.server, NP_ERR_EOF)->event.by_peer);
    wire_fini(&w);

    secure_wire_open(&w); /* the peer's close, and nothing behind it */
    secure_wire_inject_entry(&w, &w.server, NP_ENTRY_CLOSE, "\x02\x00", 2);
    wire_read(&w, &w.server);
    assert_int_equal(secure_wire_expect_closed(&w, &w.server, NP_OK)->event.reason, 2);
    wire_fini(&w);

    secure_wire_open(&w); /* cut at every byte of what a close sends */
    np_session_close(&w.client.s, BASE_REASON_BUSY, np_str_from("bye"), w.now);
    wire_write(&w, &w.client);
    size_t all = w.server.byte_count;
    wire_fini(&w);
    for (size_t cut = 0; cut <= all; cut++) {
        secure_wire_open(&w);
        np_session_close(&w.client.s, BASE_REASON_BUSY, np_str_from("bye"), w.now);
        wire_write(&w, &w.client);
        w.server.byte_count = cut;
        while (wire_read(&w, &w.server)) {
        }
        secure_wire_expect_closed(&w, &w.server, cut < all ? NP_ERR_EOF : NP_OK);
        wire_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_of_a_stranger),
        cmocka_unit_test(test_others_before_the_keys),
        cmocka_unit_test(test_clear_words_before_the_first_record),
        cmocka_unit_test(test_other_records_before_welcome),
        cmocka_unit_test(test_welcome_of_another_choice),
        cmocka_unit_test(test_plain_frames_after_the_keys),
        cmocka_unit_test(test_wrong_words_in_records),
        cmocka_unit_test(test_changed_records),
        cmocka_unit_test(test_order_of_records),
        cmocka_unit_test(test_foreign_records),
        cmocka_unit_test(test_truncation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
