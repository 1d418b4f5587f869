/* Bodies in pieces and a peer that does not keep to the rules: the verdict on every byte and cut is
 * that of the contiguous decoder; wrong frames, wrong order, too many, too slow; no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base.h>

#include "core/framing.h"
#include "parcel.h"
#include "support/session_wire.h"
#include "talk.h"

#define DATA_MESSAGE (&base_protocol.messages[BASE_DATA_ID])
#define BOX_MESSAGE (&parcel_protocol.messages[0])
#define HEAVY_MESSAGE (&parcel_protocol.messages[2])
#define NOTE_MESSAGE (&parcel_protocol.messages[3])

static void start(wire *w, const np_protocol *protocol, uint32_t version)
{
    wire_init(w);
    w->client.options.protocol = protocol;
    w->server.options.protocol = protocol;
    w->server.options.version_max = version;
    wire_open(w);
}

/* Sends a frame to an end by hand. */
static void frame(wire_end *to, uint8_t kind, uint32_t stream, bool more, const void *body,
                  size_t len)
{
    np_framing_head head = np_framing_make(kind, stream, len, more);
    uint8_t bytes[NP_FRAMING_HEAD_MAX];

    np_framing_put(bytes, &head);
    wire_inject(to, bytes, head.head_len);
    wire_inject(to, body, len);
}

/* Takes all that is on its way to the server, and brings it to its end if it has failed. */
static const wire_event *finish(wire *w)
{
    while (wire_read(w, &w->server)) {
    }
    if (!np_session_is_open(&w->server.s)) {
        np_session_lost(&w->server.s, NP_ERR_RESET, w->now);
        wire_drain(w, &w->server);
    }
    return &w->server.events[w->server.event_count - 1];
}

static void expect_end(wire *w, np_err err, np_session_stage stage, const char *where)
{
    const wire_event *last = finish(w);

    assert_int_equal(last->event.kind, NP_SESSION_EVENT_CLOSED);
    assert_int_equal(last->event.err, err);
    assert_int_equal(last->event.stage, stage);
    assert_false(last->event.by_peer);
    if (where != NULL) {
        assert_non_null(last->event.fault);
        assert_string_equal(last->fault.where, where);
    }
    wire_fini(w);
}

/* Verdicts ---------------------------------------------------------------------------------- */

static size_t one_byte(void *user, size_t n)
{
    (void)user;
    (void)n;
    return 1;
}

/* The session's verdict on a message in pieces, of which the first has `first` bytes (0: all). */
static np_err judge(uint32_t version, const uint8_t *payload, size_t len, size_t first, bool slow,
                    np_fault *fault)
{
    const wire_event *last;
    np_err err = NP_OK;
    wire w;

    start(&w, &parcel_protocol, version);
    w.cut = slow ? one_byte : NULL;
    if (first > 0) {
        frame(&w.server, NP_FRAMING_DATA, 1, true, payload, first);
    }
    frame(&w.server, NP_FRAMING_DATA, 1, false, payload + first, len - first);
    last = finish(&w);
    if (last->event.kind == NP_SESSION_EVENT_CLOSED) {
        assert_int_equal(last->event.stage, NP_SESSION_STAGE_DECODE);
        assert_non_null(last->event.fault);
        *fault = last->fault;
        err = last->event.err;
    } else {
        assert_int_equal(last->event.kind, NP_SESSION_EVENT_BODY_END);
        assert_int_equal(last->event.err, NP_OK);
        assert_int_equal(w.server.pool.live, 0);
    }
    wire_fini(&w);
    return err;
}

/* Both decoders must say the same. */
static void compare(uint32_t version, np_err expected, const np_fault *said, const uint8_t *payload,
                    size_t len, size_t first)
{
    for (int slow = 0; slow < (first > 0 ? 1 : 2); slow++) {
        np_fault fault = {.err = NP_OK};
        np_err err = judge(version, payload, len, first, slow != 0, &fault);
        if (err != expected) {
            fail_msg("%s, not %s, with %zu bytes", np_err_name(err), np_err_name(expected), len);
        }
        if (err != NP_OK) {
            assert_int_equal(fault.err, said->err);
            assert_string_equal(fault.where, said->where);
            assert_string_equal(fault.rule != NULL ? fault.rule : "",
                                said->rule != NULL ? said->rule : "");
            assert_int_equal(fault.offset, said->offset);
            assert_int_equal(fault.got_kind, said->got_kind);
            assert_int_equal(fault.got, said->got);
        }
    }
}

static void compare_box(uint32_t version, const uint8_t *payload, size_t len)
{
    parcel_box box;
    np_fault fault = {.err = NP_OK};
    np_err err = parcel_box_decode_at(&box, version, payload, len, &fault);

    compare(version, err, &fault, payload, len, 0);
}

static size_t encode_box(uint32_t version, uint8_t *out, size_t cap)
{
    static const parcel_stamp stamps[] = {{7, 'a'}, {900, 0x20AC}};
    static const parcel_box_notes_entry notes[] = {{.key = {"k", 1}, .value = {true, -2}},
                                                   {.key = {"z\xC3\xBC", 3}}};
    parcel_box box;
    size_t len = 0;

    memset(&box, 0, sizeof box);
    box.to = np_str_from("Z\xC3\xBCrich");
    box.stamps.items = stamps;
    box.stamps.count = 2;
    box.notes.items = notes;
    box.notes.count = 2;
    box.weight = 2.5F;
    box.fragile = version >= 2;
    box.body = (np_bytes){(const uint8_t *)"0123456789", 10};
    assert_int_equal(parcel_box_encode_at(&box, version, out, cap, &len, NULL), NP_OK);
    return len;
}

/* Every message that differs from a good one in one byte, or in its length. */
static void test_verdicts_on_every_byte(void **state)
{
    static const uint8_t others[] = {0x00, 0x01, 0x02, 0x7F, 0x80, 0xC3, 0xFF};
    uint8_t good[256];
    uint8_t bytes[256] = {0};

    (void)state;
    for (uint32_t version = 1; version <= 2; version++) {
        size_t len = encode_box(version, good, sizeof good);
        memcpy(bytes, good, len);
        for (size_t n = 4; n <= len + 20; n++) {
            compare_box(version, bytes, n);
        }
        for (size_t at = 4; at < len; at++) {
            for (size_t i = 0; i < sizeof others; i++) {
                bytes[at] = others[i];
                compare_box(version, bytes, len);
            }
            bytes[at] = good[at];
        }
    }
}

/* Every place where two pieces may meet, with a message that is right, too short and too long. */
static void test_verdicts_on_every_piece(void **state)
{
    uint8_t *bytes = wire_pattern(4000, 1);
    parcel_heavy heavy = {.label = {bytes, 1100}, .body = {bytes + 1100, 300}};
    uint8_t payload[2000] = {0};
    size_t len = 0;

    (void)state;
    assert_int_equal(parcel_heavy_encode(&heavy, payload, sizeof payload, &len, NULL), NP_OK);
    for (size_t n = len - 1; n <= len + 1; n++) {
        np_fault fault = {.err = NP_OK};
        np_err err = parcel_heavy_decode(&heavy, payload, n, &fault);
        assert_int_equal(err, n < len ? NP_ERR_TRUNCATED : n > len ? NP_ERR_TRAILING : NP_OK);
        for (size_t first = 1024; first <= n; first++) {
            compare(2, err, &fault, payload, n, first);
        }
    }
    free(bytes);
}

/* Frames ------------------------------------------------------------------------------------ */

static void test_wrong_pieces(void **state)
{
    static const struct {
        uint32_t stream;
        uint32_t id;
        size_t len;
        bool more;
        np_err err;
        np_session_stage stage;
        const char *where;
    } rows[] = {
        {2, PARCEL_BARE_ID, 12, false, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME,
         "base.stream_header.stream"},
        {1, PARCEL_BARE_ID, 65537, false, NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME,
         "base.frame.length"},
        {1, PARCEL_BARE_ID, 1023, true, NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME,
         "base.frame.length"},
        {1, PARCEL_NOTE_ID, 12, false, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "parcel.Note"},
        {1, BASE_PING_ID, 12, false, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.Ping"},
        {1, BASE_HELLO_ID, 12, false, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.Hello"},
        {1, 77, 12, false, NP_ERR_UNKNOWN_MESSAGE, NP_SESSION_STAGE_CONVERSATION, "base"},
        {1, 7000, 12, false, NP_ERR_UNKNOWN_MESSAGE, NP_SESSION_STAGE_CONVERSATION, "parcel"},
        {1, 0, 3, false, NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "message id"},
        {1, 0, 0, false, NP_ERR_TRUNCATED, NP_SESSION_STAGE_DECODE, "message id"},
    };
    uint8_t *bytes = calloc(1, 70000);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int slow = 0; slow < 2; slow++) {
            wire w;
            start(&w, &parcel_protocol, 2);
            w.cut = slow ? one_byte : NULL;
            np_put_u32(bytes, rows[i].id);
            frame(&w.server, NP_FRAMING_DATA, rows[i].stream, rows[i].more, bytes, rows[i].len);
            expect_end(&w, rows[i].err, rows[i].stage, rows[i].where);
        }
    }
    free(bytes);
}

/* A head of Data with an empty name, for a body of `total` bytes, and so many zeros. */
static size_t put_data(uint8_t *p, uint64_t total)
{
    memset(p, 0, 2000);
    np_put_u64(np_put_u64(np_put_u32(p, BASE_DATA_ID), 0), total);
    return 20;
}

static void test_wrong_order(void **state)
{
    uint8_t bytes[2000];
    wire w;

    (void)state;
    /* A piece after the last one begins something new, which it is not. */
    start(&w, &parcel_protocol, 2);
    put_data(bytes, 4);
    frame(&w.server, NP_FRAMING_DATA, 1, false, bytes, 24);
    frame(&w.server, NP_FRAMING_DATA, 1, false, "again and again", 15);
    expect_end(&w, NP_ERR_UNKNOWN_MESSAGE, NP_SESSION_STAGE_CONVERSATION, "parcel");

    /* Nothing but an empty last piece follows the end of the body. */
    for (int wrong = 0; wrong < 2; wrong++) {
        start(&w, &parcel_protocol, 2);
        put_data(bytes, 1004);
        frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
        frame(&w.server, NP_FRAMING_DATA, 1, wrong, bytes, wrong ? 1024 : 0);
        if (wrong) {
            expect_end(&w, NP_ERR_TRAILING, NP_SESSION_STAGE_DECODE, "base.Data");
        } else {
            assert_int_equal(finish(&w)->event.kind, NP_SESSION_EVENT_BODY_END);
            wire_fini(&w);
        }
    }

    /* A cancel says nothing, and goes in one direction only. */
    start(&w, &parcel_protocol, 2);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    frame(&w.server, NP_FRAMING_CANCEL, 1, false, "x", 1);
    expect_end(&w, NP_ERR_TOO_LONG, NP_SESSION_STAGE_FRAME, "base.frame.length");
    start(&w, &parcel_protocol, 2);
    frame(&w.server, NP_FRAMING_CANCEL, 2, false, "", 0);
    expect_end(&w, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.stream_header.stream");

    /* One that nobody knows any more is none. */
    start(&w, &parcel_protocol, 2);
    frame(&w.server, NP_FRAMING_CANCEL, 1, false, "", 0);
    finish(&w);
    assert_true(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* An id belongs to one thing at a time. */
static void test_streams_in_use(void **state)
{
    const uint8_t find[] = {2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    uint8_t bytes[2000];
    wire w;

    (void)state;
    put_data(bytes, 1500);
    for (int request_first = 0; request_first < 2; request_first++) {
        start(&w, &talk_protocol, 2);
        for (int i = 0; i < 2; i++) {
            if (i == request_first) {
                frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1100);
            } else {
                frame(&w.server, NP_FRAMING_REQUEST, 1, false, find, sizeof find);
            }
        }
        expect_end(&w, NP_ERR_STREAM, NP_SESSION_STAGE_FRAME, "base.stream_header.stream");
    }
}

/* Fragments of a message without stream and pieces of a body, one in the other. */
static void test_between_fragments(void **state)
{
    uint8_t bytes[2000];
    uint8_t whole[3000] = {BASE_DATA_ID};
    const wire_event *event;
    wire w;

    (void)state;
    np_put_u64(whole + 12, 2980);
    put_data(bytes, 1500);
    start(&w, &parcel_protocol, 2);
    w.cut = one_byte;
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, whole, 1200);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1100);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, whole + 1200, 1200);
    frame(&w.server, NP_FRAMING_DATA, 1, false, bytes + 1100, 420);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, false, whole + 2400, 600);
    event = finish(&w);
    assert_int_equal(event->event.kind, NP_SESSION_EVENT_MESSAGE);
    assert_int_equal(event->event.len, 3000);
    assert_memory_equal(event->payload, whole, 3000);
    assert_int_equal(w.server.events[w.server.event_count - 2].event.kind,
                     NP_SESSION_EVENT_BODY_END);
    assert_int_equal(w.server.pool.live, 0);
    wire_fini(&w);

    start(&w, &parcel_protocol, 2);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1100);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, whole, 1200);
    frame(&w.server, NP_FRAMING_CANCEL, 1, false, "", 0);
    expect_end(&w, NP_ERR_FRAGMENT, NP_SESSION_STAGE_FRAME, "base.frame");
}

static void test_too_many(void **state)
{
    base_data data = {.name = {NULL, 0}};
    uint8_t bytes[2000];
    uint64_t serial = 0;
    wire w;

    (void)state;
    put_data(bytes, 1500);
    start(&w, &parcel_protocol, 2);
    for (uint32_t i = 0; i < 16; i++) {
        frame(&w.server, NP_FRAMING_DATA, 2 * i + 1, true, bytes, 1100);
        assert_int_equal(np_session_body_begin(&w.server.s, DATA_MESSAGE, &data, 9, &serial, NULL),
                         NP_OK);
    }
    finish(&w);
    assert_true(np_session_is_open(&w.server.s));
    assert_true(w.server.pool.live <= 32 * 640); /* 32 entries, and 16 heads of ours */
    assert_int_equal(np_session_body_begin(&w.server.s, DATA_MESSAGE, &data, 9, &serial, NULL),
                     NP_ERR_LIMIT);
    frame(&w.server, NP_FRAMING_DATA, 33, true, bytes, 1100);
    expect_end(&w, NP_ERR_LIMIT, NP_SESSION_STAGE_FRAME, "session.bodies_max");

    start(&w, &parcel_protocol, 2);
    w.server.options.bodies_max = 0;
    assert_int_equal(np_session_body_begin(&w.server.s, DATA_MESSAGE, &data, 9, &serial, NULL),
                     NP_ERR_LIMIT);
    frame(&w.server, NP_FRAMING_DATA, 1, false, bytes, 24);
    expect_end(&w, NP_ERR_LIMIT, NP_SESSION_STAGE_FRAME, "session.bodies_max");
}

/* A message that the conversation does not allow now is refused when its head is there. */
static void test_unexpected(void **state)
{
    uint8_t bytes[] = {3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    wire w;

    (void)state;
    wire_init(&w);
    w.client.options.protocol = &talk_protocol;
    w.server.options.protocol = &talk_protocol;
    w.server.options.conversation = &talk_protocol.conversations[0];
    wire_open(&w);
    frame(&w.server, NP_FRAMING_DATA, 1, false, bytes, sizeof bytes);
    expect_end(&w, NP_ERR_UNEXPECTED, NP_SESSION_STAGE_CONVERSATION, "talk.Upload");
}

/* In the middle of a head nobody has heard of it. */
static void test_abort_in_the_head(void **state)
{
    uint8_t *bytes = wire_pattern(65500, 7);
    parcel_heavy heavy = {.label = {bytes, 65500}};
    uint64_t serial = 0;
    size_t taken = 0;
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    assert_int_equal(np_session_body_begin(&w.client.s, HEAVY_MESSAGE, &heavy, 10, &serial, NULL),
                     NP_OK);
    w.client.options.queue_max = 20000; /* the first piece has 5,000 bytes */
    assert_int_equal(np_session_body_write(&w.client.s, serial, "0123456789", 10, &taken),
                     NP_ERR_FULL);
    wire_run(&w);
    assert_int_equal(w.server.event_count, 1);
    assert_true(w.server.pool.live > 4000);
    np_session_body_abort(&w.client.s, serial);
    wire_run(&w);
    assert_int_equal(w.server.event_count, 1);
    assert_int_equal(w.client.pool.live, 0);
    assert_int_equal(w.server.pool.live, 0);
    wire_fini(&w);
    free(bytes);
}

/* Time -------------------------------------------------------------------------------------- */

static void test_stalled(void **state)
{
    uint8_t bytes[2000];
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    put_data(bytes, 10000);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    finish(&w);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    wire_tick(&w, 20000);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes + 30, 1024);
    finish(&w);
    wire_tick(&w, 29999);
    assert_true(np_session_is_open(&w.server.s));
    /* Others do not keep it alive. */
    frame(&w.server, NP_FRAMING_DATA, 3, true, bytes, 1024);
    finish(&w);
    wire_tick(&w, 1);
    assert_false(np_session_is_open(&w.server.s));
    expect_end(&w, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, "frame_timeout_ms");
}

/* Pieces of a body give no time to a message that stops between its fragments. */
static void test_stalled_between_fragments(void **state)
{
    uint8_t bytes[2000];
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    put_data(bytes, 10000);
    frame(&w.server, NP_FRAMING_NO_STREAM, 0, true, bytes, 1024);
    finish(&w);
    wire_tick(&w, 20000);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    finish(&w);
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 10015); /* for 1 KiB */
    wire_tick(&w, 10015);
    expect_end(&w, NP_ERR_DEADLINE, NP_SESSION_STAGE_DEADLINE, "frame_timeout_ms");
}

/* Byte by byte within a piece: the frame's deadline is absolute. */
static void test_slow_piece(void **state)
{
    uint8_t bytes[2000];
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    w.cut = one_byte;
    put_data(bytes, 10000);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    for (int i = 0; i < 40; i++) {
        assert_true(wire_read(&w, &w.server));
    }
    for (int i = 0; i < 29; i++) {
        w.now.mono_ms += 1000;
        np_session_tick(&w.server.s, w.now);
        assert_true(wire_read(&w, &w.server));
    }
    assert_true(np_session_is_open(&w.server.s));
    w.now.mono_ms += 1000;
    np_session_tick(&w.server.s, w.now);
    assert_false(np_session_is_open(&w.server.s));
    wire_fini(&w);
}

/* Who does not read because its own output waits gives the peer its time back. */
static void test_paused(void **state)
{
    uint8_t bytes[2000];
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    put_data(bytes, 10000);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    finish(&w);
    np_session_throttle(&w.server.s, true, w.now);
    frame(&w.server, NP_FRAMING_DATA, 1, true, bytes, 1024);
    finish(&w);
    assert_int_equal(np_session_deadline(&w.server.s), NP_TIME_NEVER);
    w.now.mono_ms += 1000000;
    np_session_tick(&w.server.s, w.now);
    np_session_throttle(&w.server.s, false, w.now);
    wire_run(&w);
    assert_true(np_session_is_open(&w.server.s));
    assert_int_equal(np_session_deadline(&w.server.s), w.now.mono_ms + 30000);
    wire_fini(&w);
}

/* This side's mistakes ---------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    static const uint8_t zeros[8] = {0};
    base_data data = {.name = {"x", 1}};
    parcel_box box;
    np_message stranger = *DATA_MESSAGE;
    np_fault fault = {.err = NP_OK};
    uint64_t serial = 0;
    size_t taken = 7;
    wire w;

    (void)state;
    memset(&box, 0, sizeof box);
    wire_init(&w);
    w.client.options.protocol = &parcel_protocol;
    w.server.options.protocol = &parcel_protocol;
    wire_start(&w);
    np_session *s = &w.client.s;
    assert_int_equal(np_session_body_begin(s, DATA_MESSAGE, &data, 1, &serial, NULL), NP_ERR_STATE);
    assert_int_equal(np_session_body_write(s, 1, "x", 1, &taken), NP_ERR_STATE);
    assert_int_equal(taken, 0);
    wire_run(&w);
    assert_int_equal(np_session_body_begin(s, NOTE_MESSAGE, &data, 1, &serial, NULL), NP_ERR_ARG);
    assert_int_equal(np_session_body_begin(s, &stranger, &data, 1, &serial, NULL), NP_ERR_ARG);
    assert_int_equal(np_session_body_begin(s, DATA_MESSAGE, &data, (15 << 20) + 1, &serial, &fault),
                     NP_ERR_TOO_LONG);
    assert_string_equal(fault.where, "base.Data.body");
    assert_int_equal(fault.offset, 13);
    /* A body in the value, also one that looks like none. */
    for (size_t len = 1; len <= 8; len++) {
        data.body = (np_bytes){len < 8 ? (const uint8_t *)"abcdefg" : zeros, len};
        assert_int_equal(np_session_body_begin(s, DATA_MESSAGE, &data, 5, &serial, NULL),
                         NP_ERR_ARG);
    }
    data.body.len = 0;
    /* A head that breaks the schema, and a body below its least size. */
    assert_int_equal(np_session_body_begin(s, BOX_MESSAGE, &box, 5, &serial, &fault),
                     NP_ERR_TOO_SHORT);
    assert_string_equal(fault.where, "parcel.Box.to");
    box.to = np_str_from("x");
    assert_int_equal(np_session_body_begin(s, BOX_MESSAGE, &box, 1, &serial, &fault),
                     NP_ERR_TOO_SHORT);
    assert_string_equal(fault.where, "parcel.Box.body");
    assert_int_equal(w.client.pool.live, 0);

    assert_int_equal(np_session_body_begin(s, DATA_MESSAGE, &data, 5, &serial, NULL), NP_OK);
    assert_int_equal(np_session_body_write(s, serial + 2, "x", 1, &taken), NP_ERR_CLOSED);
    assert_int_equal(np_session_body_write(s, serial, "123456", 6, &taken), NP_ERR_TOO_LONG);
    assert_int_equal(np_session_body_write(s, serial, "123", 3, &taken), NP_OK);
    assert_int_equal(taken, 3);
    assert_int_equal(np_session_body_end(s, serial), NP_ERR_TOO_SHORT);
    assert_int_equal(np_session_body_write(s, serial, "456", 3, &taken), NP_ERR_TOO_LONG);
    assert_int_equal(taken, 0);
    assert_int_equal(np_session_body_write(s, serial, "", 0, &taken), NP_OK);
    assert_int_equal(np_session_body_write(s, serial, "4", 1, &taken), NP_OK);
    assert_int_equal(np_session_body_end(s, serial), NP_ERR_TOO_SHORT);
    assert_int_equal(np_session_body_write(s, serial, "5", 1, &taken), NP_OK);
    assert_int_equal(np_session_body_end(s, serial), NP_OK);
    wire_run(&w);
    wire_fini(&w);
}

/* Writes so much that the first piece goes out; returns the id that it has. */
static uint32_t open_body(np_session *s)
{
    uint8_t bytes[1500] = {0};
    base_data data = {.name = {NULL, 0}};
    uint64_t serial = 0;
    size_t taken = 0;

    assert_int_equal(np_session_body_begin(s, DATA_MESSAGE, &data, 5000, &serial, NULL), NP_OK);
    assert_int_equal(np_bodies_find_serial(s->bodies, serial)->stream, 0);
    assert_int_equal(np_session_body_write(s, serial, bytes, sizeof bytes, &taken), NP_OK);
    return np_bodies_find_serial(s->bodies, serial)->stream;
}

/* Ids go round; the ones in use are left out, whatever uses them. */
static void test_ids_go_round(void **state)
{
    wire w;

    (void)state;
    start(&w, &parcel_protocol, 2);
    assert_int_equal(open_body(&w.client.s), 1);
    w.client.s.opened = 0x7fffffff;
    assert_int_equal(open_body(&w.client.s), UINT32_MAX);
    assert_int_equal(open_body(&w.client.s), 3);
    wire_fini(&w);
}

/* Memory ------------------------------------------------------------------------------------ */

static void whole_where_odd(wire_end *end, const np_session_event *event)
{
    if (event->kind == NP_SESSION_EVENT_BODY_BEGIN && event->stream % 4 == 1) {
        assert_int_equal(np_session_body_whole(&end->s, event->serial), NP_OK);
    }
}

static void test_no_memory(void **state)
{
    uint8_t *bytes = wire_pattern(100000, 2);
    parcel_heavy heavy = {.label = {bytes, 3000}};

    (void)state;
    for (size_t limit = 1; limit < 400000; limit += limit < 30000 ? 257 : 9001) {
        for (int side = 0; side < 2; side++) {
            uint64_t serials[2] = {0, 0};
            size_t at[2] = {0, 0};
            bool stuck = false;
            wire w;
            start(&w, &parcel_protocol, 2);
            np_pool *pool = side == 0 ? &w.client.pool : &w.server.pool;
            w.server.on_event = whole_where_odd;
            pool->options.live_max = limit;
            for (int i = 0; i < 2; i++) {
                stuck = np_session_body_begin(&w.client.s, HEAVY_MESSAGE, &heavy, 100000,
                                              &serials[i], NULL) != NP_OK ||
                        stuck;
            }
            while (!stuck && at[0] + at[1] < 200000) {
                for (int i = 0; i < 2 && !stuck; i++) {
                    size_t taken = 0;
                    size_t len = 100000 - at[i] < 7000 ? 100000 - at[i] : 7000;
                    np_err err = np_session_body_write(&w.client.s, serials[i], bytes, len, &taken);
                    stuck = err != NP_OK && err != NP_ERR_FULL;
                    at[i] += taken;
                }
                wire_run(&w);
            }
            assert_true(limit > 300000 ? !stuck : true);
            assert_true(pool->live <= limit);
            wire_fini(&w); /* checks that all is given back */
        }
    }
    free(bytes);
}

/* Whatever comes, nothing breaks: mutations of a good exchange. */
static void test_mutations(void **state)
{
    uint8_t *bytes = wire_pattern(3000, 3);
    uint32_t seed = 4711;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        base_data data = {.name = {"ab", 2}};
        uint64_t serials[2] = {0, 0};
        size_t taken = 0;
        wire w;

        start(&w, &parcel_protocol, 2);
        w.server.on_event = round % 2 == 0 ? whole_where_odd : NULL;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                np_session_body_begin(&w.client.s, DATA_MESSAGE, &data, 3000, &serials[i], NULL),
                NP_OK);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(
                np_session_body_write(&w.client.s, serials[i % 2], bytes, 1500, &taken), NP_OK);
        }
        if (round % 3 == 0) {
            np_session_body_abort(&w.client.s, serials[0]);
        }
        assert_int_equal(np_session_body_end(&w.client.s, serials[1]), NP_OK);
        wire_write(&w, &w.client);
        for (int i = 0; i < 1 + round % 3; i++) {
            seed = seed * 1664525u + 1013904223u;
            /* Mostly what is not body. */
            size_t within = (seed >> 16) % 4 == 0 ? w.server.byte_count : 60;
            size_t from = (seed >> 8) % 5 * 1518;
            size_t at = (from + (seed >> 8) % within) % w.server.byte_count;
            w.server.bytes[at] ^= (uint8_t)(1u << (seed >> 29));
        }
        wire_run(&w);
        wire_tick(&w, 31000);
        wire_tick(&w, 31000);
        wire_fini(&w);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_on_every_byte),
        cmocka_unit_test(test_verdicts_on_every_piece),
        cmocka_unit_test(test_wrong_pieces),
        cmocka_unit_test(test_wrong_order),
        cmocka_unit_test(test_streams_in_use),
        cmocka_unit_test(test_between_fragments),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_unexpected),
        cmocka_unit_test(test_abort_in_the_head),
        cmocka_unit_test(test_stalled),
        cmocka_unit_test(test_stalled_between_fragments),
        cmocka_unit_test(test_slow_piece),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ids_go_round),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
