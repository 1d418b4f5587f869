/* A secure session at each stage of its opening, and what is checked before a byte is opened: what
 * a stranger may send, how long it may take, and what memory that others have used does to it. */
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
#include "support/session_wire.h"

/* Who is waiting for what. */
typedef enum stage { FOR_INIT, FOR_RESPONSE, FOR_CONFIRM, FOR_WELCOME, OPEN, STAGES } stage;

/* Begins, up to a stage; returns who waits. */
static wire_end *start_to(wire *w, stage at)
{
    wire_init(w);
    wire_secure(w);
    wire_start(w);
    if (at == FOR_INIT) {
        return &w->server;
    }
    if (at == FOR_RESPONSE) {
        return &w->client;
    }
    wire_write(w, &w->client);
    wire_read(w, &w->server);
    if (at == FOR_CONFIRM) {
        return &w->server;
    }
    wire_write(w, &w->server);
    wire_read(w, &w->client);
    if (at == OPEN) {
        wire_run(w);
        return &w->server;
    }
    return &w->client;
}

/* Of all messages of the base protocol only the next one of the handshake may come, and an Error.
 */
static void test_messages_at_each_stage(void **state)
{
    static const uint32_t expected[] = {BASE_SECURE_HANDSHAKE_INIT_ID,
                                        BASE_SECURE_HANDSHAKE_RESPONSE_ID,
                                        BASE_SECURE_HANDSHAKE_CONFIRM_ID, UINT32_MAX};
    static const uint8_t zeros[64];
    wire w;
    (void)state;

    for (stage at = FOR_INIT; at <= FOR_WELCOME; at++) {
        for (uint32_t id = 0; id < 260; id++) {
            wire_end *end = start_to(&w, at);
            secure_wire_inject_plain(end, id, zeros, sizeof zeros);
            while (wire_read(&w, end)) {
            }
            assert_int_not_equal(end->s.end_err, NP_OK);
            if (id != expected[at] && id != BASE_ERROR_ID) {
                assert_int_equal(end->s.end_err, NP_ERR_UNEXPECTED);
            }
            assert_null(np_session_peer_nonce(&w.server.s));
            wire_fini(&w);
        }
    }
}

/* Whoever decides about keys is asked about those that have come whole. */
static void test_no_question_about_a_changed_key(void **state)
{
    wire w;
    (void)state;

    for (stage at = FOR_RESPONSE; at <= FOR_CONFIRM; at++) {
        for (size_t from_end = 1; from_end < 100; from_end++) {
            const wire_event *event;
            wire_end *end;
            bool client = at == FOR_RESPONSE;

            wire_init(&w);
            wire_secure(&w);
            w.client.show_key = client;
            w.server.show_key = !client;
            wire_start(&w);
            wire_write(&w, &w.client);
            wire_read(&w, &w.server);
            wire_write(&w, &w.server);
            if (!client) {
                wire_read(&w, &w.client);
                wire_write(&w, &w.client);
            }
            end = client ? &w.client : &w.server;
            end->bytes[end->byte_count - from_end] ^= 1;
            wire_read(&w, end);
            event = wire_next(end);
            if (!client && event != NULL && event->event.kind == NP_SESSION_EVENT_PEER_KEY) {
                /* Of Confirm's payload, which is opened when it is known by whose psk. */
                assert_true(from_end <= 16 + 32 + 8 + 16 + 8);
            } else {
                assert_null(event);
                assert_int_equal(end->s.end_err, NP_ERR_SEAL);
                assert_null(np_session_peer_key(&end->s));
            }
            wire_fini(&w);
        }
    }
}

/* A flag that has no place in a frame's header is refused as soon as it has come. */
static void test_flags_at_each_stage(void **state)
{
    wire w;
    (void)state;

    for (stage at = FOR_INIT; at < STAGES; at++) {
        for (unsigned flags = 0; flags < 256; flags++) {
            uint8_t header[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, (uint8_t)flags};
            wire_end *end = start_to(&w, at);
            bool allowed = (flags == 0 && at < OPEN) || (flags == 4 && at >= FOR_WELCOME);
            wire_inject(end, header, sizeof header);
            while (wire_read(&w, end)) {
            }
            assert_int_equal(end->s.end_err == NP_OK, allowed);
            wire_fini(&w);
        }
    }
}

/* A length that is too great, before a byte of what it announces. */
static void test_lengths_at_each_stage(void **state)
{
    static const struct {
        stage at;
        uint8_t flags;
        uint32_t most;
    } cases[] = {
        {FOR_INIT, 0, 502},    {FOR_RESPONSE, 0, 502},  {FOR_CONFIRM, 0, 502},
        {FOR_WELCOME, 0, 502}, {FOR_WELCOME, 4, 66576}, {OPEN, 4, 66576},
    };
    wire w;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t more = 0; more < 2; more++) {
            uint32_t len = cases[i].most + more;
            uint8_t header[] = {0xDE,
                                0xAD,
                                0xBE,
                                0xEF,
                                1,
                                cases[i].flags,
                                0,
                                (uint8_t)(len >> 16),
                                (uint8_t)(len >> 8),
                                (uint8_t)len};
            wire_end *end = start_to(&w, cases[i].at);
            wire_inject(end, header, sizeof header);
            while (wire_read(&w, end)) {
            }
            assert_int_equal(end->s.end_err, more ? NP_ERR_TOO_LONG : NP_OK);
            wire_fini(&w);
        }
    }
}

/* The time until it is open counts from its beginning, whatever dribbles in. */
static void test_time_at_each_stage(void **state)
{
    static const uint8_t header[] = {0xDE, 0xAD, 0xBE, 0xEF, 1};
    wire w;
    (void)state;

    for (stage at = FOR_INIT; at < STAGES; at++) {
        wire_end *end = start_to(&w, at);
        w.client.byte_count = w.server.byte_count = 0;
        for (size_t i = 0; i < sizeof header && at < OPEN; i++) {
            wire_inject(end, header + i, 1);
            wire_read(&w, end);
            w.now.mono_ms += 999;
            np_session_tick(&end->s, w.now);
            assert_int_equal(end->s.end_err, NP_OK);
        }
        w.now.mono_ms += 5;
        np_session_tick(&end->s, w.now);
        assert_int_equal(end->s.end_err, at < OPEN ? NP_ERR_DEADLINE : NP_OK);
        assert_int_equal(end->s.phase >= NP_PHASE_CLOSING, at < OPEN);
        wire_fini(&w);
    }
}

/* Who fails before it is open has a second to take what is said about it, and no more memory than
 * before. */
static void test_cost_of_the_refused(void **state)
{
    static const uint8_t zeros[16];
    wire w;
    (void)state;

    for (stage at = FOR_INIT; at < OPEN; at++) {
        wire_end *end = start_to(&w, at);
        wire_write(&w, end);
        assert_in_range(end->pool.live, 1, 1008);
        wire_inject(end, zeros, sizeof zeros);
        wire_read(&w, end);
        assert_int_equal(end->s.end_err, NP_ERR_CONST);
        while (np_session_queued(&end->s) > 0) {
            wire_write(&w, end);
        }
        assert_int_equal(end->s.phase, NP_PHASE_CLOSING);
        assert_in_range(end->pool.live, 1, at == FOR_WELCOME ? 1512 : 1008);
        assert_int_equal(np_session_deadline(&end->s), w.now.mono_ms + 1000);
        w.now.mono_ms += 1000;
        np_session_tick(&end->s, w.now);
        assert_int_equal(end->s.phase, NP_PHASE_CLOSED);
        wire_fini(&w);
    }
}

/* An end is none in order before there was a beginning; and a client that leaves because there is
 * nothing in common is told apart from one that just leaves. */
static void test_end_at_each_stage(void **state)
{
    wire w;
    (void)state;

    for (stage at = FOR_INIT; at < STAGES; at++) {
        wire_end *end = start_to(&w, at);
        w.client.byte_count = w.server.byte_count = 0;
        np_session_recv_end(&end->s, w.now);
        wire_drain(&w, end);
        assert_int_equal(end->s.end_err, NP_ERR_EOF);
        wire_fini(&w);
    }
    wire_init(&w);
    wire_secure(&w);
    w.client.options.version_max = 1;
    w.server.options.version_min = 2;
    wire_start(&w);
    wire_run(&w);
    assert_int_equal(w.client.s.end_err, NP_ERR_VERSION);
    assert_int_equal(w.server.s.end_err, NP_ERR_VERSION);
    assert_true(w.server.s.end->has_fault);
    wire_fini(&w);
}

/* A record that came in two halves has come: nobody waits for the rest of it any more. */
static void test_split_record_is_no_debt(void **state)
{
    uint8_t rest[5];
    wire w;
    (void)state;

    for (int update = 0; update < 2; update++) {
        (void)start_to(&w, OPEN);
        w.server.taken = w.server.event_count;
        if (update) {
            secure_wire_inject_entry(&w, &w.server, NP_ENTRY_KEY_UPDATE, NULL, 0);
        } else {
            assert_int_equal(talk_say(&w.client.s, "abc", 3), NP_OK);
            wire_write(&w, &w.client);
        }
        w.server.byte_count -= sizeof rest; /* on their way yet */
        memcpy(rest, w.server.bytes + w.server.byte_count, sizeof rest);
        wire_read(&w, &w.server);
        wire_inject(&w.server, rest, sizeof rest);
        wire_read(&w, &w.server);
        assert_int_equal(w.server.event_count - w.server.taken, !update);
        w.now.mono_ms += w.server.options.frame_ms + 1;
        np_session_tick(&w.server.s, w.now);
        assert_true(np_session_is_open(&w.server.s));
        wire_fini(&w);
    }
}

/* A record that does not open gives one number, and no more. */
static void test_no_detail_of_a_record(void **state)
{
    uint8_t record[60] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 4, 0, 0, 0, 50};
    wire w;
    (void)state;

    (void)start_to(&w, OPEN);
    wire_inject(&w.server, record, sizeof record);
    wire_read(&w, &w.server);
    assert_int_equal(w.server.s.end_err, NP_ERR_SEAL);
    assert_false(w.server.s.end->has_fault);
    assert_int_equal(w.server.s.end->text_len, 0);
    wire_fini(&w);
}

/* All that goes wrong before there are keys looks the same from outside: refused. */
static void test_refusals_look_alike(void **state)
{
    static const uint8_t psk[32] = {1};
    uint8_t said[3][64];
    size_t said_len[3] = {0};
    wire w;
    (void)state;

    for (int i = 0; i < 3; i++) {
        wire_init(&w);
        wire_secure(&w);
        w.client.security.psk = i == 1 ? psk : NULL; /* of which the server knows nothing */
        wire_start(&w);
        wire_write(&w, &w.client);
        wire_read(&w, &w.server);
        wire_write(&w, &w.server);
        wire_read(&w, &w.client);
        wire_write(&w, &w.client);
        w.server.bytes[w.server.byte_count - 1] ^= i != 1; /* of its proof */
        if (i == 2) {
            w.server.bytes[20] ^= 1; /* of its key */
        }
        wire_read(&w, &w.server);
        assert_int_not_equal(w.server.s.end_err, NP_OK);
        w.client.byte_count = 0;
        wire_write(&w, &w.server);
        assert_true(w.client.byte_count <= sizeof said[i]);
        memcpy(said[i], w.client.bytes, w.client.byte_count);
        said_len[i] = w.client.byte_count;
        assert_int_equal(np_get_u32(said[i] + 10), BASE_ERROR_ID);
        assert_int_equal(np_get_u32(said[i] + 14), BASE_REASON_REFUSED);
        assert_int_equal(said_len[i], said_len[0]);
        assert_memory_equal(said[i], said[0], said_len[0]);
        wire_fini(&w);
    }
}

/* What is open speaks what was agreed on, and not the newest that it knows. */
static void test_an_older_client(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.client.options.version_max = 1;
    wire_open(&w);
    assert_int_equal(w.client.s.version, 1);
    assert_int_equal(w.server.s.version, 1);
    wire_fini(&w);
}

/* A compression that was not agreed on, in a record of the peer's. */
static void test_compression_unasked(void **state)
{
    uint8_t plain[6 + 8] = {8, 0, 0, 0, 0};
    wire w;
    (void)state;

    for (uint8_t kind = 1; kind < 4; kind++) {
        (void)start_to(&w, OPEN);
        plain[5] = kind;
        secure_wire_inject_record(&w, &w.server, plain, sizeof plain);
        wire_read(&w, &w.server);
        assert_int_not_equal(w.server.s.end_err, NP_OK);
        assert_string_equal(w.server.s.end->fault.where, "base.entry_header.flags.compression");
        wire_fini(&w);
    }
}

static void trust_without_memory(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_PEER_KEY) {
        end->pool.options.live_max = end->pool.live;
        np_session_trust(&end->s, true, NULL);
    }
}

/* A Confirm that cannot be sent leads to no keys. */
static void test_no_memory_for_confirm(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.client.show_key = true;
    w.client.on_event = trust_without_memory;
    wire_start(&w);
    wire_write(&w, &w.client);
    wire_read(&w, &w.server);
    wire_write(&w, &w.server);
    wire_read(&w, &w.client);
    assert_int_equal(w.client.s.end_err, NP_ERR_LIMIT);
    assert_false(np__session_is_keyed(&w.client.s));
    wire_fini(&w);
}

/* Who is told that its clock is wrong is told what ours says, and nothing else. */
static void test_clock_is_told(void **state)
{
    base_error error;
    size_t len;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    wire_start(&w);
    wire_write(&w, &w.client);
    w.now.wall_ms += 3600000;
    wire_read(&w, &w.server);
    wire_write(&w, &w.server);
    assert_true(w.client.byte_count > NP_FRAMING_HEADER_LEN);
    len = w.client.byte_count - NP_FRAMING_HEADER_LEN;
    assert_int_equal(base_error_decode(&error, w.client.bytes + NP_FRAMING_HEADER_LEN, len, NULL),
                     NP_OK);
    assert_int_equal(error.reason, BASE_REASON_CLOCK);
    assert_true(error.clock_ms.has);
    assert_int_equal(error.clock_ms.value, w.now.wall_ms);
    assert_int_equal(error.text.len + error.where.len + error.offset, 0);
    assert_false(error.offer.has);
    wire_fini(&w);
}

/* The block of a secure session comes from a pool, which does not clear what it gives. */
static void test_memory_that_was_used(void **state)
{
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    for (int i = 0; i < 2; i++) {
        np_pool *pool = i == 0 ? &w.client.pool : &w.server.pool;
        np_account account;
        void *blocks[8];
        size_t caps[8];
        np_account_init(&account, &pool->own);
        for (int b = 0; b < 8; b++) {
            assert_int_equal(
                np_pool_take(&account, sizeof(np_session_secure), &blocks[b], &caps[b]), NP_OK);
            memset(blocks[b], 0xFF, caps[b]);
        }
        for (int b = 0; b < 8; b++) {
            np_pool_give(&account, blocks[b], caps[b]);
        }
    }
    wire_start(&w);
    assert_null(np_session_peer_key(&w.client.s));
    assert_null(np_session_peer_key(&w.server.s));
    assert_null(np_session_peer_nonce(&w.server.s));
    wire_run(&w);
    assert_true(np_session_is_open(&w.client.s) && np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* A close, where a key update would be due as well, is the last of its record. We look for
 * ourselves, for a peer of ours has heard the Disconnect before it and does not. */
static void test_close_when_an_update_is_due(void **state)
{
    np_record_side *receives;
    np_entry entry = {.type = NP_ENTRY_MESSAGE};
    size_t at = NP_FRAMING_HEADER_LEN;
    size_t len = 0;
    wire w;
    (void)state;

    (void)start_to(&w, OPEN);
    w.client.s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES;
    np_session_close(&w.client.s, BASE_REASON_BUSY, np_str_from("bye"), w.now);
    wire_write(&w, &w.client);
    receives = &w.server.s.secure->receives;
    assert_int_equal(np_record_open(receives, w.server.bytes, w.server.byte_count, &len), NP_OK);
    for (size_t end = at + len; at < end; at += entry.head.head_len + entry.head.body_len) {
        assert_int_equal(np_entry_read(&entry, w.server.bytes + at, end - at, 1, NULL), NP_OK);
    }
    assert_int_equal(entry.type, NP_ENTRY_CLOSE);
    w.server.byte_count = 0;
    wire_fini(&w);
}

/* The code of a close: what it says, or that it says nothing. */
static void test_codes_of_a_close(void **state)
{
    static const struct {
        uint8_t code[2];
        uint32_t reason;
    } cases[] = {{{2, 0}, 2}, {{0xFE, 0xFF}, 65534}, {{0xFF, 0xFF}, NP_SESSION_NO_REASON}};
    wire w;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        const wire_event *last;
        (void)start_to(&w, OPEN);
        secure_wire_inject_entry(&w, &w.server, NP_ENTRY_CLOSE, cases[i].code, 2);
        wire_read(&w, &w.server);
        last = secure_wire_expect_closed(&w, &w.server, NP_OK);
        assert_int_equal(last->event.reason, cases[i].reason);
        wire_fini(&w);
    }
}

/* One turn seals about what a socket takes, so that one large message does not hold the loop up. */
static void test_sealing_is_bounded(void **state)
{
    size_t len = (size_t)2 * 1024 * 1024;
    uint8_t *bytes = wire_pattern(len, 3);
    struct iovec iov[4];
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    w.client.options.queue_max = 2 * len;
    wire_open(&w);
    assert_int_equal(talk_say(&w.client.s, bytes, len), NP_OK);
    (void)np_session_output(&w.client.s, iov, 4, w.now);
    assert_true(w.client.s.secure->sends.n >= 2 && w.client.s.secure->sends.n <= 5);
    np_session_output_done(&w.client.s, 0, w.now);
    wire_fini(&w);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_at_each_stage),
        cmocka_unit_test(test_no_question_about_a_changed_key),
        cmocka_unit_test(test_flags_at_each_stage),
        cmocka_unit_test(test_lengths_at_each_stage),
        cmocka_unit_test(test_time_at_each_stage),
        cmocka_unit_test(test_cost_of_the_refused),
        cmocka_unit_test(test_end_at_each_stage),
        cmocka_unit_test(test_split_record_is_no_debt),
        cmocka_unit_test(test_no_detail_of_a_record),
        cmocka_unit_test(test_refusals_look_alike),
        cmocka_unit_test(test_an_older_client),
        cmocka_unit_test(test_compression_unasked),
        cmocka_unit_test(test_no_memory_for_confirm),
        cmocka_unit_test(test_clock_is_told),
        cmocka_unit_test(test_memory_that_was_used),
        cmocka_unit_test(test_close_when_an_update_is_due),
        cmocka_unit_test(test_codes_of_a_close),
        cmocka_unit_test(test_sealing_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
