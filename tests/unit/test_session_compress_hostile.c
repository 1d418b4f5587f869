/* A session whose peer compresses what it should not, or sends what is no compressed payload: in
 * frames and in records. What is wrong with the bytes themselves is test_compress.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "parcel.h"
#include "protocol/session_private.h"
#include "support/hex.h"
#include "support/session_talk.h"

enum { NONE, LZ4, ZSTD, THREE };

/* What a message of a cause names, by whether there are records. */
typedef struct expected {
    np_err err;
    np_session_stage stage;
    const char *where, *where_secure;
    uint64_t offset, offset_secure;
} expected;

static void start(wire *w, bool secure, np_compression agreed)
{
    wire_init(w);
    if (secure) {
        wire_secure(w);
    }
    if (agreed != NP_COMPRESSION_NONE) {
        wire_compress(&w->client, agreed, NP_COMPRESSION_NONE, 512);
        wire_compress(&w->server, agreed, NP_COMPRESSION_NONE, 512);
    }
}

/* Has the client send a frame, or an entry, that it would not make by itself. */
static void forge(wire *w, uint8_t kind, uint32_t stream, uint8_t compression, bool more,
                  const uint8_t *payload, size_t len)
{
    const np__session_outgoing out = {
        .kind = kind,
        .stream = stream,
        .compression = compression,
        .more = more,
        .encoded = payload,
        .encoded_len = len,
    };

    assert_int_equal(np__session_emit_frame(&w->client.s, &out, len), NP_OK);
}

/* The same of bytes that are made to an LZ4 block of literals. */
static void forge_lz4(wire *w, uint8_t kind, uint32_t stream, bool more, const uint8_t *raw,
                      size_t len)
{
    uint8_t *payload = malloc(len + len / 255 + 16);
    uint8_t *p = payload;

    assert_non_null(payload);
    p = np_put_u32(p, (uint32_t)len);
    *p++ = (uint8_t)((len < 15 ? len : 15) << 4);
    for (size_t left = len; left >= 15; left -= 255) {
        *p++ = left - 15 < 255 ? (uint8_t)(left - 15) : 255;
        if (left - 15 < 255) {
            break;
        }
    }
    p = np_put_raw(p, raw, len);
    forge(w, kind, stream, LZ4, more, payload, (size_t)(p - payload));
    free(payload);
}

/* A Say of `len` bytes of 'x', encoded. */
static uint8_t *say_of(size_t len)
{
    uint8_t *payload = malloc(len + 12);

    assert_non_null(payload);
    np_put_u64(np_put_u32(payload, DEMO_SAY_ID), len);
    memset(payload + 12, 'x', len);
    return payload;
}

/* The server has ended with that cause and holds nothing; the wire is finished. */
static void expect_end(wire *w, const expected *e)
{
    bool secure = w->server.s.secure != NULL;
    const wire_event *event = NULL;

    wire_run(w);
    assert_false(np_session_is_open(&w->server.s));
    np_session_recv_end(&w->server.s, w->now);
    wire_drain(w, &w->server);
    event = &w->server.events[w->server.event_count - 1];
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, e->err);
    assert_int_equal(event->event.stage, e->stage);
    assert_non_null(event->event.fault);
    assert_string_equal(event->fault.where,
                        secure && e->where_secure != NULL ? e->where_secure : e->where);
    assert_int_equal(event->fault.offset, secure ? e->offset_secure : e->offset);
    wire_fini(w);
}

/* Flags ------------------------------------------------------------------------------------- */

static void test_not_agreed_on(void **state)
{
    static const expected e = {NP_ERR_FRAME,
                               NP_SESSION_STAGE_FRAME,
                               "base.frame.flags.compression",
                               "base.entry_header.flags.compression",
                               5,
                               5};
    static const uint8_t cases[][2] = {/* agreed on, sent */ {NONE, LZ4},
                                       {NONE, ZSTD},
                                       {NONE, THREE},
                                       {LZ4, ZSTD},
                                       {LZ4, THREE},
                                       {ZSTD, LZ4},
                                       {ZSTD, THREE}};
    (void)state;

    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        wire w;
        start(&w, i % 2 == 1, (np_compression)cases[i / 2][0]);
        wire_open(&w);
        forge(&w, NP_FRAMING_NO_STREAM, 0, cases[i / 2][1], false, (const uint8_t *)"xyz", 3);
        expect_end(&w, &e);
    }
}

/* It takes effect with the Welcome, and not before. */
static void test_before_the_opening(void **state)
{
    static const uint8_t frame[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 1};
    static const expected e = {
        NP_ERR_FRAME, NP_SESSION_STAGE_FRAME, "base.frame.flags.compression", NULL, 5, 5};
    (void)state;

    wire w;
    start(&w, false, NP_COMPRESSION_LZ4);
    wire_start(&w);
    wire_inject(&w.server, frame, sizeof frame);
    wire_read(&w, &w.server);
    expect_end(&w, &e);
}

/* The Welcome in the first record must choose what the handshake has chosen. */
static void choose_another(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_PEER_KEY) {
        end->s.secure->handshake->compression = ZSTD;
        np_session_trust(&end->s, true, NULL);
    }
}

static void test_welcome_that_differs(void **state)
{
    const wire_event *event = NULL;
    wire w;
    (void)state;

    wire_init(&w);
    wire_secure(&w);
    wire_compress(&w.client, NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD, 512);
    wire_compress(&w.server, NP_COMPRESSION_LZ4, NP_COMPRESSION_NONE, 512);
    w.server.show_key = true;
    w.server.on_event = choose_another;
    wire_start(&w);
    wire_run(&w);
    event = &w.client.events[w.client.event_count - 1];
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(event->event.err, NP_ERR_VERSION);
    assert_string_equal(event->fault.where, "base.Welcome.choice.compression");
    assert_string_equal(event->fault.rule, "that of the handshake");
    wire_fini(&w);
}

/* Payloads ---------------------------------------------------------------------------------- */

static void test_bombs(void **state)
{
    static const struct {
        uint8_t compression;
        const char *hex;
        np_err err;
        const char *where;
        uint64_t offset; /* in the payload */
    } cases[] = {
        {LZ4, "ffffffff1f000100ff", NP_ERR_TOO_LONG, "lz4.size", 0},
        {LZ4, "010001001f000100ffff", NP_ERR_TOO_LONG, "lz4.size", 0},
        {LZ4, "190000001f00000000500000000000", NP_ERR_RANGE, "lz4.offset", 6},
        {LZ4, "0000000000", NP_ERR_TOO_SHORT, "lz4.size", 0},
        {LZ4, "", NP_ERR_TRUNCATED, "lz4.size", 0},
        {ZSTD, "28b52ffd003802001000", NP_ERR_COMPRESSION, "zstd.content_size", 4},
        {ZSTD, "28b52ffda00100010009000078", NP_ERR_TOO_LONG, "zstd.content_size", 5},
        {ZSTD, "28b52ffde000000000000100000900 0078", NP_ERR_TOO_LONG, "zstd.content_size", 5},
        {ZSTD, "28b52ffd4088000003080078", NP_ERR_TOO_LONG, "zstd.window", 5},
        {ZSTD, "28b52ffda00000010009000078", NP_ERR_COMPRESSION, "zstd.frame", 0},
        {ZSTD, "28b52ffd20010900007828b52ffd200109000078", NP_ERR_TRAILING, "zstd.frame", 10},
        {ZSTD, "502a4d1800000000", NP_ERR_CONST, "zstd.magic", 0},
        {ZSTD, "", NP_ERR_TRUNCATED, "zstd.magic", 0},
    };
    (void)state;

    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        char hex[80];
        size_t n = 0;
        size_t len = 0;
        uint8_t *payload = NULL;
        expected e = {.err = cases[i / 2].err,
                      .stage = NP_SESSION_STAGE_FRAME,
                      .where = cases[i / 2].where,
                      .offset = 10 + cases[i / 2].offset,
                      .offset_secure = 6 + cases[i / 2].offset};
        wire w;
        for (const char *c = cases[i / 2].hex; *c != '\0'; c++) {
            if (*c != ' ') {
                hex[n++] = *c;
            }
        }
        hex[n] = '\0';
        payload = hex_decode(hex, &len);
        start(&w, i % 2 == 1, (np_compression)cases[i / 2].compression);
        wire_open(&w);
        w.server.pool.live_peak = w.server.pool.live;
        forge(&w, NP_FRAMING_NO_STREAM, 0, cases[i / 2].compression, false, payload, len);
        wire_write(&w, &w.client);
        wire_read(&w, &w.server);
        assert_true(w.server.pool.live_peak <= 4 * NP_POOL_TOP);
        expect_end(&w, &e);
        free(payload);
    }
}

/* What comes out of it is judged as if it had come so. */
static void test_what_it_unpacks_to(void **state)
{
    static const uint8_t find[8 + 92] = {1, 1, 0, 0, 7};
    static const uint8_t unknown[] = {0x88, 0x13, 0, 0};
    static const expected too_long = {
        NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.payload", NULL, 18, 14};
    static const expected no_id = {
        NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "message id", NULL, 3, 3};
    static const expected no_cancel = {
        NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "lz4.size", NULL, 18, 14};
    static const expected even = {
        NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.stream_header.stream", NULL, 10, 10};
    (void)state;

    for (int secure = 0; secure < 2; secure++) {
        wire w;
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_REQUEST, 1, false, find, sizeof find);
        expect_end(&w, &too_long);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, find, 3);
        expect_end(&w, &no_id);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_CANCEL, 1, false, find, 1);
        expect_end(&w, &no_cancel);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_REQUEST, 2, false, find, 8);
        expect_end(&w, &even);
        /* Well-formed ones, as small as can be, are taken. */
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, unknown, sizeof unknown);
        forge_lz4(&w, NP_FRAMING_REQUEST, 1, false, find, 8);
        wire_run(&w);
        wire_expect(&w.server, NP_SESSION_EVENT_UNKNOWN);
        wire_expect(&w.server, NP_SESSION_EVENT_REQUEST);
        wire_fini(&w);
    }
}

static void test_fragments(void **state)
{
    static const expected small = {
        NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame.payload", NULL, 10, 6};
    static const expected too_long = {
        NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "lz4.size", NULL, 10, 6};
    static const expected other = {
        NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame", NULL, 0, 0};
    uint8_t *say = say_of(70000);
    (void)state;

    for (int secure = 0; secure < 2; secure++) {
        wire w;
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, say, 1023);
        expect_end(&w, &small);
        /* The second would bring the message above its bound. */
        start(&w, secure, NP_COMPRESSION_LZ4);
        w.server.options.message_max = 70011;
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, say, 35000);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, say + 35000, 35012);
        expect_end(&w, &too_long);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, say, 35000);
        forge_lz4(&w, NP_FRAMING_REQUEST, 1, false, say, 8);
        expect_end(&w, &other);
        /* As it should be, compressed and not by turns. */
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, say, 1024);
        forge(&w, NP_FRAMING_NO_STREAM, 0, NONE, true, say + 1024, 30000);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, say + 31024, 2000);
        forge(&w, NP_FRAMING_NO_STREAM, 0, NONE, false, say + 33024, 70012 - 33024);
        wire_run(&w);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), say + 12, 70000);
        wire_fini(&w);
    }
    free(say);
}

/* More bytes than a fragment may have, compressed: refused by the header, before they come. */
static void test_longer_than_a_fragment(void **state)
{
    static const uint8_t frame[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 1, 0, 1, 0, 1};
    static const expected e = {
        NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame.length", NULL, 6, 6};
    wire w;
    (void)state;

    start(&w, false, NP_COMPRESSION_LZ4);
    wire_open(&w);
    wire_inject(&w.server, frame, sizeof frame);
    wire_read(&w, &w.server);
    expect_end(&w, &e);
}

/* A header that announces 64 KiB and sends little gets little memory. */
static void test_memory_follows_bytes(void **state)
{
    static const uint8_t frame[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 1, 0, 1, 0, 0};
    uint8_t crumb[100] = {0};
    wire w;
    (void)state;

    start(&w, false, NP_COMPRESSION_LZ4);
    wire_open(&w);
    wire_inject(&w.server, frame, sizeof frame);
    wire_read(&w, &w.server);
    for (size_t came = sizeof frame; came < 60000; came += sizeof crumb) {
        wire_inject(&w.server, crumb, sizeof crumb);
        wire_read(&w, &w.server);
        assert_true(w.server.pool.live <= 4 * came + 2 * 4096);
    }
    wire_fini(&w);
}

/* Secrets ----------------------------------------------------------------------------------- */

/* A peer that compresses a message that is marked, or one of its fragments, or its answer. */
static void test_secrets(void **state)
{
    static const expected e = {NP_ERR_FRAME, NP_SESSION_STAGE_FRAME, "demo.Say", NULL, 5, 5};
    np_message marked[3];
    np_protocol protocol = demo_protocol;
    uint8_t *say = say_of(3000);
    (void)state;

    memcpy(marked, demo_protocol.messages, sizeof marked);
    marked[0].secret = true;
    protocol.messages = marked;
    for (int i = 0; i < 4; i++) {
        wire w;
        start(&w, i % 2 == 1, NP_COMPRESSION_LZ4);
        w.server.options.protocol = &protocol;
        wire_open(&w);
        if (i / 2 == 0) {
            forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, say, 3012);
        } else {
            forge(&w, NP_FRAMING_NO_STREAM, 0, NONE, true, say, 2000);
            forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, say + 2000, 1012);
        }
        expect_end(&w, &e);
    }
    free(say);
}

/* Bodies ------------------------------------------------------------------------------------ */

/* A Data with a body of 3,000 bytes, encoded. */
static uint8_t *data_of(size_t *len)
{
    uint8_t *payload = malloc(4 + 8 + 1 + 8 + 3000);
    uint8_t *p = payload;

    assert_non_null(payload);
    p = np_put_u64(np_put_u32(p, BASE_DATA_ID), 1);
    *p++ = 'f';
    p = np_put_u64(p, 3000);
    memset(p, 'x', 3000);
    *len = (size_t)(p - payload) + 3000;
    return payload;
}

static void test_pieces(void **state)
{
    static const expected no_id = {
        NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "message id", NULL, 3, 3};
    static const expected no_stream = {
        NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "demo.Say", NULL, 0, 0};
    static const expected small = {
        NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame.payload", NULL, 18, 14};
    static const expected trailing = {
        NP_ERR_TRAILING, NP_SESSION_STAGE_DECODE, "base.Data", NULL, 3021, 3021};
    static const expected cut = {
        NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "base.Data.body", NULL, 2000, 2000};
    uint8_t *say = say_of(10);
    size_t len = 0;
    uint8_t *data = data_of(&len);
    (void)state;

    for (int secure = 0; secure < 2; secure++) {
        wire w;
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, data, 3);
        expect_end(&w, &no_id);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, say, 22);
        expect_end(&w, &no_stream);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, true, data, 1000);
        expect_end(&w, &small);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, true, data, 2000);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, data, 1500);
        expect_end(&w, &trailing);
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, data, 2000);
        expect_end(&w, &cut);
        /* As it should be, between the fragments of a message. */
        start(&w, secure, NP_COMPRESSION_LZ4);
        wire_open(&w);
        uint8_t *long_say = say_of(3000);
        forge_lz4(&w, NP_FRAMING_DATA, 1, true, data, 2000);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, true, long_say, 2000);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, data + 2000, len - 2000);
        forge_lz4(&w, NP_FRAMING_NO_STREAM, 0, false, long_say + 2000, 1012);
        wire_run(&w);
        wire_expect(&w.server, NP_SESSION_EVENT_BODY_BEGIN);
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_BODY_DATA)->event.len, 1979);
        assert_int_equal(wire_expect(&w.server, NP_SESSION_EVENT_BODY_DATA)->event.len, 1021);
        wire_expect(&w.server, NP_SESSION_EVENT_BODY_END);
        talk_assert_said(wire_expect(&w.server, NP_SESSION_EVENT_MESSAGE), long_say + 12, 3000);
        free(long_say);
        wire_fini(&w);
    }
    free(data);
    free(say);
}

/* A body of a message that is marked. */
static void test_secret_body(void **state)
{
    static const expected e = {NP_ERR_FRAME, NP_SESSION_STAGE_FRAME, "parcel.Bare", NULL, 5, 5};
    np_message *marked = malloc(parcel_protocol.message_count * sizeof *marked);
    np_protocol protocol = parcel_protocol;
    uint8_t payload[12] = {0};
    (void)state;

    assert_non_null(marked);
    memcpy(marked, parcel_protocol.messages, parcel_protocol.message_count * sizeof *marked);
    marked[1].secret = true;
    protocol.messages = marked;
    assert_string_equal(marked[1].name, "parcel.Bare");
    np_put_u32(payload, marked[1].id);
    for (int secure = 0; secure < 2; secure++) {
        wire w;
        start(&w, secure, NP_COMPRESSION_LZ4);
        w.client.options.protocol = &protocol;
        w.server.options.protocol = &protocol;
        wire_open(&w);
        forge_lz4(&w, NP_FRAMING_DATA, 1, false, payload, sizeof payload);
        expect_end(&w, &e);
    }
    free(marked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_agreed_on),
        cmocka_unit_test(test_before_the_opening),
        cmocka_unit_test(test_welcome_that_differs),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_what_it_unpacks_to),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_longer_than_a_fragment),
        cmocka_unit_test(test_memory_follows_bytes),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_secret_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
