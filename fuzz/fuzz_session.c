/* One session and a peer that sends anything. The first byte of the input picks the role, whether
 * the connection is open already, what was agreed on to compress with, and whether this side
 * closes, before the peer's bytes or at some message of them; the rest are the peer's bytes. The
 * same bytes in one piece, byte by byte, and in pieces of growing sizes must give the same events,
 * and no buffer may be left behind. Only the bytes of a stream's body come in events of any length,
 * so these are compared as bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <base.h>

#include "protocol/session_private.h"
#include "support/demo_protocol.h"

/* Bits of the first byte; bits 3 and 4 are the compression. */
enum { CLIENT = 1, OPEN = 2, END = 4, CLOSE_FIRST = 32, CLOSE_AT_MESSAGE = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct run {
    np_session s;
    np_pool pool;
    np_session_options options;
    np_time now;
    uint64_t hash; /* of all events */
    uint32_t body; /* a stream of ours, or 0 */
    uint8_t mode;
    bool closed;
} run;

static void mix(run *r, uint64_t value)
{
    r->hash = (r->hash ^ value) * 1099511628211u;
}

static void mix_bytes(run *r, const np_session_event *event)
{
    for (size_t i = 0; event->payload != NULL && i < event->len; i++) {
        mix(r, event->payload[i]);
    }
}

/* Of the peer's bodies some are taken in pieces, some whole, some thrown away. */
static void begin_body(run *r, const np_session_event *event)
{
    base_data data;
    np_fault fault;
    np_err err = np_message_decode_head(event->message, &data, event->version, event->payload,
                                        event->len, &fault);

    assert(err == NP_OK); /* the session has checked it */
    mix(r, event->total);
    np_session_body_set_user(&r->s, event->stream, r);
    if (event->stream / 2 % 3 == 1) {
        err = np_session_body_whole(&r->s, event->stream);
        assert(err == NP_OK);
    } else if (event->stream / 2 % 3 == 2) {
        np_session_body_ignore(&r->s, event->stream);
    }
}

/* One of ours: begun, written to, ended or given up as the peer's messages come. */
static void go_on_with_body(run *r, size_t step)
{
    static const uint8_t zeros[1500];
    const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
    base_data data = {.name = {NULL, 0}};
    size_t taken = 0;
    np_err err = NP_OK;

    if (r->body == 0) {
        err = np_session_body_begin(&r->s, message, &data, 3000, &r->body, NULL);
    } else if (step % 5 == 4) {
        np_session_body_abort(&r->s, r->body);
        r->body = 0;
    } else {
        err = np_session_body_write(&r->s, r->body, zeros, sizeof zeros, &taken);
        if (err == NP_ERR_TOO_LONG) {
            err = np_session_body_end(&r->s, r->body);
            r->body = err == NP_OK ? 0 : r->body;
        }
    }
    assert(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
}

static void leave(run *r)
{
    np_session_close(&r->s, BASE_REASON_BUSY, np_str_from("bye"), r->now);
}

static void handle(run *r, const np_session_event *event)
{
    demo_say answer = {{event->payload, event->len < 100 ? event->len : 100}};
    np_str none = {NULL, 0};
    np_err err = NP_OK;

    assert(!r->closed);
    if (event->kind == NP_SESSION_EVENT_BODY_DATA) {
        assert(event->len > 0 && event->user == r);
        mix_bytes(r, event);
        return;
    }
    mix(r, (uint64_t)event->kind);
    mix(r, event->id);
    mix(r, event->stream);
    mix(r, (uint64_t)event->err);
    mix(r, event->len);
    mix(r, event->fault != NULL ? event->fault->offset : 0);
    mix_bytes(r, event);
    switch (event->kind) {
    case NP_SESSION_EVENT_REQUEST:
        /* Some are answered, some refused, some left open. */
        if (event->stream % 3 == 0) {
            err = np_session_refuse(&r->s, event->stream, 9, 1, none);
        } else if (event->stream % 3 == 1) {
            err = np_session_reply(&r->s, event->stream, &answer, NULL);
        }
        break;
    case NP_SESSION_EVENT_MESSAGE:
        if (event->id == DEMO_SAY_ID && event->len % 7 == 0) {
            err = np_session_send(&r->s, event->message, &answer, NULL);
        }
        go_on_with_body(r, event->len);
        if ((r->mode & CLOSE_AT_MESSAGE) != 0 && event->len % 5 == 0) {
            leave(r);
        }
        break;
    case NP_SESSION_EVENT_BODY_BEGIN:
        begin_body(r, event);
        break;
    case NP_SESSION_EVENT_BODY_END:
        assert(event->user == r && np_session_body_user(&r->s, event->stream) == r);
        break;
    case NP_SESSION_EVENT_CLOSED:
        r->closed = true;
        break;
    default:
        break;
    }
    assert(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
}

static void turn(run *r)
{
    np_session_event event;
    size_t before;

    do {
        struct iovec iov[16];
        size_t count;
        size_t len = 0;

        while (np_session_next_event(&r->s, &event)) {
            handle(r, &event);
        }
        np_session_park(&r->s);
        before = np_session_queued(&r->s);
        count = np_session_output(&r->s, iov, 16, r->now);
        for (size_t i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        assert(len <= before);
        np_session_output_done(&r->s, len, r->now);
    } while (before > 0 || np_session_pending(&r->s));
}

/* Gives the bytes to the session; reads are of `piece` bytes, or of 1, 2, 3, ... where it is 0. */
static void feed(run *r, const uint8_t *data, size_t size, size_t piece)
{
    size_t next = 1;

    while (size > 0) {
        size_t len = piece > 0 ? piece : next++;
        uint8_t *place = NULL;
        uint8_t *own = NULL;
        size_t room = 0;
        np_want want = np_session_want(&r->s, &place, &room);

        if (want == NP_WANT_NOTHING) {
            return;
        }
        len = len < size ? len : size;
        if (want == NP_WANT_PLACE) {
            assert(room > 0);
            len = len < room ? len : room;
        } else {
            own = malloc(len);
            assert(own != NULL);
            place = own;
        }
        memcpy(place, data, len);
        np_session_recv(&r->s, place, len, r->now);
        turn(r);
        free(own);
        data += len;
        size -= len;
    }
}

/* The opening that the other side would send. */
static const uint8_t hello[] = {
    0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0,   64,            /* frame */
    9,    0,    0,    0,                                    /* Hello */
    4,    0,    0,    0,    0, 0, 0, 0, 'd', 'e', 'm', 'o', /* protocol */
    1,    0,    0,    0,    2, 0, 0, 0,                     /* versions */
};

static void open_session(run *r, np_session_role role)
{
    uint8_t bytes[10 + 64] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0, 0};
    size_t len;

    if (role == NP_SESSION_SERVER) {
        len = 10 + 4 + 12 + 8 + 32; /* the rest of a Hello is empty lists and no features */
        memcpy(bytes, hello, sizeof hello);
    } else {
        len = 10 + 4 + 4 + 32 + 2 + 16; /* Welcome: version 2 and its digest */
        bytes[10] = 10;
        bytes[14] = 2;
        memcpy(bytes + 18, demo_protocol.digests[1], 32);
    }
    bytes[9] = (uint8_t)(len - 10);
    feed(r, bytes, len, len);
    assert(np_session_is_open(&r->s));
}

/* None, LZ4, zstd. */
static void choose_compression(run *r, uint8_t mode)
{
    static np_compress contexts; /* all zero is one that is not used yet */
    static const np_session_compression compression = {
        .kinds = {NP_COMPRESSION_LZ4, NP_COMPRESSION_ZSTD},
        .kind_count = 2,
        .threshold = 16,
        .zstd_level = 1,
        .contexts = &contexts,
    };

    r->options.compression = &compression;
    np__session_set_compression(&r->s, (np_compression)((mode >> 3 & 3) % 3));
}

static uint64_t play(const uint8_t *data, size_t size, size_t piece, uint8_t mode)
{
    np_session_role role = (mode & CLIENT) != 0 ? NP_SESSION_CLIENT : NP_SESSION_SERVER;
    demo_find find = {1};
    run *r = calloc(1, sizeof *r);
    uint64_t hash;
    np_err err;

    assert(r != NULL);
    r->mode = mode;
    np_pool_init(&r->pool, NULL);
    r->options = np_session_options_default(&demo_protocol);
    r->options.serve_max = 4;
    r->options.idle_ms = 1000;
    err = np_session_init(&r->s, &r->options, &r->pool, role, r->now);
    assert(err == NP_OK);
    turn(r);
    if ((mode & OPEN) != 0) {
        open_session(r, role);
        choose_compression(r, mode);
        for (int i = 0; i < 3; i++) {
            err = np_session_request(&r->s, demo_message_find, &find, 50000, NULL, NULL, NULL);
            assert(err == NP_OK);
        }
        turn(r);
    }
    if ((mode & CLOSE_FIRST) != 0) {
        leave(r);
        turn(r);
    }
    feed(r, data, size, piece);
    if ((mode & END) != 0) {
        np_session_recv_end(&r->s, r->now);
        turn(r);
    }
    while (!r->closed && np_session_deadline(&r->s) != NP_TIME_NEVER) {
        r->now.mono_ms = np_session_deadline(&r->s);
        np_session_tick(&r->s, r->now);
        turn(r);
    }
    np_session_fini(&r->s);
    assert(r->pool.live == 0);
    np_pool_fini(&r->pool);
    hash = r->hash;
    free(r);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole;

    if (size < 1) {
        return 0;
    }
    whole = play(data + 1, size - 1, 65536, data[0]);
    if (size < 5000) {
        uint64_t bytes = play(data + 1, size - 1, 1, data[0]);
        assert(bytes == whole);
    }
    uint64_t grown = play(data + 1, size - 1, 0, data[0]);
    assert(grown == whole);
    return 0;
}
