/* Secure sessions: who meets, who is kept out, and what becomes of their keys. What peers and wires
 * do that are hostile is in test_session_secure_hostile.c; what is said over them is tested by the
 * tests of plain sessions, which run over records as well. */
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

/* Meeting ----------------------------------------------------------------------------------- */

static void test_each_knows_the_other(void **state)
{
    wire w;
    (void)state;

    secure_wire_open(&w);
    assert_memory_equal(np_session_peer_key(&w.client.s), w.server.identity.public_key, 32);
    assert_memory_equal(np_session_peer_key(&w.server.s), w.client.identity.public_key, 32);
    assert_memory_equal(np_session_peer_nonce(&w.server.s), w.client.s.secure->outcome.peer_nonce,
                        16);
    assert_int_equal(w.client.s.version, 2);
    assert_int_equal(w.server.s.version, 2);
    wire_fini(&w);
}

static void test_a_turn_is_a_record(void **state)
{
    wire w;
    (void)state;

    secure_wire_open(&w);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(talk_say(&w.client.s, "sixty-four bytes, or nearly so", 30), NP_OK);
    }
    wire_write(&w, &w.client);
    assert_int_equal(w.client.s.secure->sends.n, 1);
    assert_int_equal(w.server.byte_count, 16 * (6 + 4 + 8 + 30) + NP_RECORD_OVERHEAD);
    wire_run(&w);
    for (int i = 0; i < 16; i++) {
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE),
                         "sixty-four bytes, or nearly so", 30);
    }
    wire_fini(&w);
}

typedef struct cutter {
    size_t first, second;
} cutter;

static size_t cut_at(void *user, size_t n)
{
    const cutter *c = user;

    return n == 0 ? c->first : n == 1 ? c->second : 0;
}

static void converse_cut(cutter *c, bool whole)
{
    demo_find find = {7};
    uint32_t stream = 0;
    wire w;

    wire_init(&w);
    wire_secure(&w);
    if (whole) { /* the handshake, too */
        w.cut = cut_at;
        w.user = c;
    }
    wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, "one", 3), NP_OK);
    assert_int_equal(
        np_session_request(&w.client.s, demo_message_find, &find, NP_TIME_NEVER, &w, &stream, NULL),
        NP_OK);
    wire_write(&w, &w.client);
    assert_int_equal(talk_say(&w.client.s, "", 0), NP_OK);
    wire_write(&w, &w.client);
    w.reads = 0;
    w.cut = cut_at;
    w.user = c;
    while (wire_read(&w, &w.server)) {
    }
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "one", 3);
    assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_REQUEST)->event.stream, stream);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "", 0);
    assert_null(wire_next(&w.server));
    wire_fini(&w);
}

static void test_every_cut(void **state)
{
    cutter c;
    (void)state;

    for (c.first = 1; c.first < 150; c.first++) {
        for (c.second = 1; c.second < 150 - c.first; c.second += 7) {
            converse_cut(&c, false);
        }
    }
    for (c.first = 1; c.first < 250; c.first += 3) {
        for (c.second = 1; c.second < 250; c.second += 49) {
            converse_cut(&c, true);
        }
    }
}

/* A pump that stops in the middle of a record, and goes on from what it has parked. */
static void test_parked_in_a_record(void **state)
{
    np_session_event event;
    uint8_t *place;
    size_t room;
    wire w;
    (void)state;

    secure_wire_open(&w);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    }
    wire_write(&w, &w.client);
    assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    wire_write(&w, &w.client);
    w.server.byte_count -= 5; /* the second record is split */
    w.server.stop = true;
    assert_true(wire_read(&w, &w.server));
    for (int i = 0; i < 10; i++) {
        assert_true(np_session_pending(&w.server.s));
        assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_NOTHING);
        assert_true(np_session_next_event(&w.server.s, &event));
        assert_int_equal(event.kind, NP_SESSION_EVENT_MESSAGE);
        assert_memory_equal(event.payload + 12, "abc", 3);
        np_session_park(&w.server.s);
    }
    assert_false(np_session_next_event(&w.server.s, &event));
    np_session_park(&w.server.s);
    assert_int_equal(np_session_want(&w.server.s, &place, &room), NP_WANT_PLACE);
    wire_fini(&w);
}

static void test_large_bodies_in_small_writes(void **state)
{
    size_t len = (size_t)3 * 1024 * 1024 + 17;
    uint8_t *bytes = wire_pattern(len, 9);
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.client.options.queue_max = (size_t)8 << 20;
    wire_open(&w);
    w.write_max = 5000;
    assert_int_equal(talk_say(&w.client.s, bytes, len), NP_OK);
    assert_int_equal(talk_say(&w.client.s, "and after", 9), NP_OK);
    wire_run(&w);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes, len);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "and after", 9);
    assert_int_equal(w.server.s.secure->receives.n, (len + 12 + 65535) / 65536 + 1);
    talk_assert_idle(&w.client);
    talk_assert_idle(&w.server);
    free(bytes);
    wire_fini(&w);
}

/* A record's memory follows the bytes that came, not its header's word. */
static void test_memory_follows_bytes(void **state)
{
    static const uint8_t header[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 4, 0, 1, 0x04, 0x10};
    wire w;
    (void)state;

    secure_wire_open(&w);
    wire_inject(&w.server, header, sizeof header);
    wire_run(&w);
    assert_true(w.server.pool.live <= 504 + 8192);
    wire_fini(&w);
}

/* Trust ------------------------------------------------------------------------------------- */

/* Who is not trusted by the client does not learn who it was. */
static void test_client_does_not_trust(void **state)
{
    const wire_event *event;
    size_t sent = 0;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.client.distrusting = true;
    wire_start(&w);
    wire_write(&w, &w.client);
    sent = w.server.byte_count;
    wire_read(&w, &w.server);
    wire_write(&w, &w.server);
    wire_read(&w, &w.client);
    event = secure_wire_expect_closed(&w, &w.client, NP_ERR_REFUSED);
    assert_false(event->event.by_peer);
    assert_int_equal(event->event.stage, NP_SESSION_STAGE_NEGOTIATE);
    /* Init and an Error were all that it sent; a Confirm would be longer. */
    assert_true(sent > 100);
    assert_int_equal(w.server.s.secure->step, NP_SECURE_CONFIRM);
    assert_null(np_session_peer_key(&w.server.s));
    wire_fini(&w);
}

/* Who is not trusted by the server is told so by the server, and nobody else. */
static void test_server_does_not_trust(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.server.distrusting = true;
    wire_start(&w);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_REFUSED);
    assert_true(event->event.by_peer);
    assert_true(np__session_is_keyed(&w.client.s)); /* so it came in a record */
    secure_wire_expect_closed(&w, &w.server, NP_ERR_REFUSED);
    assert_memory_equal(np_session_peer_key(&w.server.s), w.client.identity.public_key, 32);
    wire_fini(&w);
}

static void test_silence_is_no(void **state)
{
    wire w;
    (void)state;

    for (int i = 0; i < 2; i++) {
        wire_init(&w);
        wire_secure(&w);
        (i == 0 ? &w.client : &w.server)->show_key = true; /* and nobody looks at it */
        wire_start(&w);
        wire_run(&w);
        wire_expect(i == 0 ? &w.client : &w.server, NP_SESSION_EVENT_PEER_KEY);
        secure_wire_expect_closed(&w, i == 0 ? &w.client : &w.server, NP_ERR_REFUSED);
        wire_fini(&w);
    }
}

static const uint8_t psks[2][32] = {{1}, {2}};

static void give_psk(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_PEER_KEY) {
        assert_int_equal(event->len, 32);
        np_session_trust(&end->s, true, psks[0]);
    }
}

static void test_pre_shared_keys(void **state)
{
    static const struct {
        const uint8_t *client;
        bool server;
        np_err err; /* of the server */
    } cases[] = {
        {psks[0], true, NP_OK},
        {psks[1], true, NP_ERR_SEAL},
        {psks[0], false, NP_ERR_REFUSED},
        {NULL, true, NP_ERR_REFUSED},
    };
    wire w;
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        wire_init(&w);
        wire_secure(&w);
        w.client.security.psk = cases[i].client;
        w.server.show_key = cases[i].server;
        w.server.on_event = cases[i].server ? give_psk : NULL;
        wire_start(&w);
        wire_run(&w);
        assert_int_equal(w.server.s.end_err, cases[i].err);
        if (cases[i].err == NP_ERR_REFUSED) {
            assert_true(w.server.s.end->has_fault); /* not the key: it tells what is missing */
            assert_non_null(strstr(w.server.s.end->fault.rule, "pre-shared key"));
        }
        assert_int_equal(np_session_is_open(&w.client.s), cases[i].err == NP_OK);
        assert_int_equal(np_session_is_open(&w.server.s), cases[i].err == NP_OK);
        wire_fini(&w);
    }
}

static void test_clocks_apart(void **state)
{
    const wire_event *event;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    wire_start(&w);
    wire_write(&w, &w.client);
    w.now.wall_ms += 3600000;
    wire_read(&w, &w.server);
    wire_run(&w);
    event = wire_expect(&w.client, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_CLOCK);
    assert_true(event->event.by_peer);
    assert_string_equal(event->fault.where, "base.Error.clock_ms");
    assert_int_equal(event->fault.got, w.now.wall_ms); /* the server's */
    event = secure_wire_expect_closed(&w, &w.server, NP_ERR_CLOCK);
    assert_string_equal(event->fault.where, "base.InitPayload.timestamp_ms");
    assert_int_equal(event->fault.got, w.now.wall_ms - 3600000); /* the client's */
    wire_fini(&w);
}

/* Never the twain: a listener is secure or plain, and no client gives in. */
static void test_plain_and_secure_do_not_meet(void **state)
{
    wire w;
    (void)state;

    for (int i = 0; i < 2; i++) {
        wire_init(&w);
        wire_secure(&w);
        (i == 0 ? &w.client : &w.server)->options.security = NULL;
        wire_start(&w);
        wire_run(&w);
        assert_false(np_session_is_open(&w.client.s));
        assert_false(np_session_is_open(&w.server.s));
        assert_int_equal(w.server.s.end_err, NP_ERR_UNEXPECTED);
        wire_fini(&w);
    }
}

/* Keys -------------------------------------------------------------------------------------- */

static void test_key_updates(void **state)
{
    uint8_t before[32];
    wire w;
    (void)state;

    secure_wire_open(&w);
    memcpy(before, w.client.s.secure->sends.key, 32);
    for (int i = 0; i < 40; i++) {
        if (i % 4 == 0) { /* as if a million records had gone out */
            w.client.s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES;
        }
        if (i % 3 == 0) {
            w.server.s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES;
        }
        assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
        assert_int_equal(talk_say(&w.server.s, "def", 3), NP_OK);
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "abc", 3);
        talk_assert_said(wire_expect(&w.client, NP_SESSION_EVENT_MESSAGE), "def", 3);
    }
    assert_memory_not_equal(before, w.client.s.secure->sends.key, 32);
    assert_memory_equal(w.client.s.secure->sends.key, w.server.s.secure->receives.key, 32);
    assert_memory_equal(w.server.s.secure->sends.key, w.client.s.secure->receives.key, 32);
    wire_fini(&w);
}

/* A sender that says nothing but messages of several records gets to change its key, too, before
 * its peer loses patience: with the last record of the message that reaches the bound. */
static void test_key_updates_of_large_messages(void **state)
{
    size_t len = 200000;
    uint8_t *bytes = wire_pattern(len, 5);
    wire w;
    (void)state;

    secure_wire_open(&w);
    for (int i = 0; i < 6; i++) {
        if (i % 2 == 0) {
            w.client.s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES - 60000;
            w.server.s.secure->receives.bytes = NP_RECORD_EPOCH_BYTES - 60000;
        }
        assert_int_equal(talk_say(&w.client.s, bytes, len - (size_t)i * 30000), NP_OK);
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), bytes,
                         len - (size_t)i * 30000);
        assert_int_equal(w.client.s.secure->sends.n == 0, i % 2 == 0);
        assert_memory_equal(w.client.s.secure->sends.key, w.server.s.secure->receives.key, 32);
        talk_assert_idle(&w.client);
    }
    free(bytes);
    wire_fini(&w);
}

static void test_update_after_an_hour(void **state)
{
    wire w;
    (void)state;

    secure_wire_open(&w);
    wire_tick(&w, NP_RECORD_EPOCH_MS);
    assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
    wire_run(&w);
    assert_int_equal(w.client.s.secure->sends.n, 0); /* of the new epoch */
    assert_int_equal(w.server.s.secure->receives.n, 0);
    talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), "abc", 3);
    wire_fini(&w);
}

static void test_flood_of_updates(void **state)
{
    const wire_event *event;
    size_t i;
    wire w;
    (void)state;

    secure_wire_open(&w);
    for (i = 0; i < 1000 && np_session_is_open(&w.server.s); i++) {
        secure_wire_inject_entry(&w, &w.server, NP_ENTRY_KEY_UPDATE, NULL, 0);
        np_record_next_epoch(&w.client.s.secure->sends, w.now.mono_ms);
        wire_read(&w, &w.server);
    }
    assert_int_equal(i, NP_RECORD_UPDATES_MAX + 1);
    event = secure_wire_expect_closed(&w, &w.server, NP_ERR_LIMIT);
    assert_string_equal(event->fault.rule, "key updates in a flood");
    wire_fini(&w);
}

/* What was secret is gone from the memory that goes back. */
static void test_secrets_are_wiped(void **state)
{
    np_session_secure *secure;
    uint8_t secret[32];
    wire w;
    (void)state;

    secure_wire_open(&w);
    secure = w.client.s.secure;
    memcpy(secret, secure->sends.secret, 32);
    np_session_fini(&w.client.s);
    w.client.s.options = NULL; /* for wire_fini */
    /* The pool keeps the block, so its memory can be looked at: but for the link in its first
     * bytes, it is all zero. */
    for (size_t i = sizeof(void *); i < sizeof *secure; i++) {
        assert_int_equal(((const uint8_t *)secure)[i], 0);
    }
    wire_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_knows_the_other),
        cmocka_unit_test(test_a_turn_is_a_record),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_parked_in_a_record),
        cmocka_unit_test(test_large_bodies_in_small_writes),
        cmocka_unit_test(test_memory_follows_bytes),
        cmocka_unit_test(test_client_does_not_trust),
        cmocka_unit_test(test_server_does_not_trust),
        cmocka_unit_test(test_silence_is_no),
        cmocka_unit_test(test_pre_shared_keys),
        cmocka_unit_test(test_clocks_apart),
        cmocka_unit_test(test_plain_and_secure_do_not_meet),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_key_updates_of_large_messages),
        cmocka_unit_test(test_update_after_an_hour),
        cmocka_unit_test(test_flood_of_updates),
        cmocka_unit_test(test_secrets_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
