/* One session and a peer that sends anything. The first byte of the input picks the role, whether
 * the connection is open already, what was agreed on to compress with or instead a protocol with a
 * conversation that requests of both sides move, whether this side closes, before the peer's bytes
 * or at some message of them, and whether the peer, who has keys then, says it all in records; the
 * rest are the peer's bytes, or the plain text of such records, each behind two bytes from which
 * its length comes. The same bytes in one piece, byte by byte, in pieces of
 * growing sizes, and with the session's short way closed must give the same events, and no buffer
 * may be left behind. Only the bytes of a stream's body come in events of any length, so these are
 * compared as bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <base.h>
#include <gate.h>

#include "protocol/session_private.h"
#include "support/demo_protocol.h"

/* Bits of the first byte; bits 3 and 4 are the compression, or both together GATE. Who talks in
 * RECORDS is OPEN, too. */
enum {
    CLIENT = 1,
    OPEN = 2,
    END = 4,
    GATE = 24,
    CLOSE_FIRST = 32,
    CLOSE_AT_MESSAGE = 64,
    RECORDS = 128
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct run {
    np_session s;
    np_pool pool;
    np_session_options options;
    np_time now;
    uint64_t hash;       /* of all events */
    uint64_t body;       /* ours, by its serial number, or 0 */
    np_call_key kept[4]; /* requests that are answered later, or long after they were canceled */
    size_t kept_count;   /* ever */
    uint8_t mode;
    bool closed;
    bool long_way; /* no event takes the session's short way */
} run;

/* How an input is played, besides its mode. */
typedef struct manner {
    size_t piece; /* bytes of a read, or 1, 2, 3, ... where it is 0 */
    bool long_way;
} manner;

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

static bool is_gate(const run *r)
{
    return (r->mode & GATE) == GATE;
}

/* Of the peer's bodies some are taken in pieces, some whole, some thrown away. */
static void begin_body(run *r, const np_session_event *event)
{
    union {
        base_data data;
        gate_upload upload;
    } head;
    np_fault fault;
    np_err err = np_message_decode_head(event->message, &head, event->version, event->payload,
                                        event->len, &fault);

    assert(err == NP_OK); /* the session has checked it */
    mix(r, event->total);
    np_session_body_set_user(&r->s, event->serial, r);
    if (event->stream / 2 % 3 == 1) {
        err = np_session_body_whole(&r->s, event->serial);
        assert(err == NP_OK);
    } else if (event->stream / 2 % 3 == 2) {
        np_session_body_ignore(&r->s, event->serial);
    }
}

/* One of ours: begun, written to, ended or given up as the peer's messages come. */
static void go_on_with_body(run *r, size_t step)
{
    static const uint8_t silence[1500];
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
        err = np_session_body_write(&r->s, r->body, silence, sizeof silence, &taken);
        if (err == NP_ERR_TOO_LONG) {
            err = np_session_body_end(&r->s, r->body);
            r->body = err == NP_OK ? 0 : r->body;
        }
    }
    assert(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
}

/* An answer of the type that the request wants. */
static np_err reply(run *r, np_call_key key, const np_session_event *event)
{
    demo_say say = {{event->payload, event->len < 100 ? event->len : 100}};
    demo_find number = {5};
    gate_pass pass = {np_str_from("you")};

    if (is_gate(r)) {
        return np_session_reply(&r->s, key, &pass, NULL);
    }
    return np_session_reply(
        &r->s, key, key.message == demo_message_find ? (void *)&say : (void *)&number, NULL);
}

static void keep(run *r, const np_session_event *event)
{
    np_session_call_set_user(&r->s, np_session_event_call(event), r);
    r->kept[r->kept_count++ % 4] = np_session_event_call(event);
}

/* Something is done with one that was kept, whatever has become of it. */
static np_err use_kept(run *r, const np_session_event *event)
{
    np_call_key key = r->kept[event->len % 4];
    np_str none = {NULL, 0};

    if (key.message == NULL) {
        return NP_OK;
    }
    switch (event->stream / 2 % 4) {
    case 0:
        return reply(r, key, event);
    case 1:
        return np_session_refuse(&r->s, key, 9, 1, none);
    case 2:
        np_session_drop(&r->s, key);
        assert(np_session_call_user(&r->s, key) == NULL);
        return NP_OK;
    default:
        assert(!np_session_serving(&r->s, key) || np_session_call_user(&r->s, key) == r);
        return NP_OK;
    }
}

/* Something that the conversation of the gate allows in some places. */
static np_err say_at_the_gate(run *r, size_t step)
{
    static const uint32_t ids[] = {GATE_ENTER_ID, GATE_PROVE_ID, GATE_FIND_ID, GATE_SAY_ID,
                                   GATE_TELL_ID,  GATE_HINT_ID,  GATE_BYE_ID,  GATE_QUIT_ID};
    static const union {
        gate_enter enter;
        gate_prove prove;
        gate_find find;
        gate_say say;
        gate_tell tell;
        gate_hint hint;
        gate_bye bye;
        gate_quit quit;
    } nothing; /* empty text is one that each of them may have */
    const np_message *message = np_protocol_message(&gate_protocol, ids[step % 8]);
    np_err err = message->reply != NULL
                     ? np_session_request(&r->s, message, &nothing, 50000, NULL, NULL, NULL)
                     : np_session_send(&r->s, message, &nothing, NULL);

    return err == NP_ERR_UNEXPECTED ? NP_OK : err;
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
    mix(r, (uint64_t)r->s.conversation_place);
    mix_bytes(r, event);
    switch (event->kind) {
    case NP_SESSION_EVENT_REQUEST:
        /* Some are answered, some refused, some kept. */
        if (event->stream % 3 == 0) {
            err = np_session_refuse(&r->s, np_session_event_call(event), 9, 1, none);
        } else if (event->stream % 3 == 1) {
            err = reply(r, np_session_event_call(event), event);
        } else {
            err = use_kept(r, event);
            keep(r, event);
        }
        break;
    case NP_SESSION_EVENT_CANCEL:
        assert(!np_session_serving(&r->s, np_session_event_call(event)));
        err = use_kept(r, event);
        break;
    case NP_SESSION_EVENT_MESSAGE:
        if (is_gate(r)) {
            err = say_at_the_gate(r, event->len);
        } else if (event->id == DEMO_SAY_ID && event->len % 7 == 0) {
            err = np_session_send(&r->s, event->message, &answer, NULL);
        }
        go_on_with_body(r, event->len);
        np_session_throttle(&r->s, event->len % 11 == 0, r->now); /* until the end of the turn */
        if ((r->mode & CLOSE_AT_MESSAGE) != 0 && event->len % 5 == 0) {
            leave(r);
        }
        break;
    case NP_SESSION_EVENT_BODY_BEGIN:
        begin_body(r, event);
        break;
    case NP_SESSION_EVENT_BODY_END:
        assert(event->user == r && np_session_body_user(&r->s, event->serial) == r);
        break;
    case NP_SESSION_EVENT_CLOSED:
        r->closed = true;
        break;
    default:
        break;
    }
    assert(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
}

static bool next_event(run *r, np_session_event *event)
{
    if (r->long_way) {
        r->s.calls_due = true; /* it looks, and finds that no call's deadline has passed */
    }
    return np_session_next_event(&r->s, event);
}

static void turn(run *r)
{
    np_session_event event;
    size_t before;

    do {
        struct iovec iov[16];
        size_t count;
        size_t len = 0;

        while (next_event(r, &event)) {
            handle(r, &event);
        }
        np_session_park(&r->s);
        count = np_session_output(&r->s, iov, 16, r->now);
        before = np_session_queued(&r->s); /* with what sealing has added */
        for (size_t i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        assert(len <= before);
        np_session_output_done(&r->s, len, r->now);
        np_session_throttle(&r->s, false, r->now);
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
        memcpy(bytes + 22, r->options.protocol->name, 4);
    } else {
        len = 10 + 4 + 4 + 32 + 2 + 16; /* Welcome: version 2 and its digest */
        bytes[10] = 10;
        bytes[14] = 2;
        memcpy(bytes + 18, r->options.protocol->digests[1], 32);
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

/* Records ----------------------------------------------------------------------------------- */

static const uint8_t zeros[32]; /* is what all secrets are */

static void make_keys(np_record_side *side)
{
    np_err err = np_record_init(side, NP_CIPHER_XCHACHA20_POLY1305, zeros, zeros, 0);

    assert(err == NP_OK);
}

/* Not with zeros: such a key is refused. */
static void fill_same(void *user, uint8_t *out, size_t len)
{
    (void)user;
    memset(out, 1, len);
}

/* A secure session that is at the point which a handshake leads to. */
static void open_keyed(run *r)
{
    np_session_event event;

    make_keys(&r->s.secure->receives);
    make_keys(&r->s.secure->sends);
    r->s.secure->step = NP_SECURE_KEYED;
    np__session_event_clear(&event, 0);
    np__session_opened(&r->s, 2, 0, &event);
    assert(np_session_is_open(&r->s));
}

/* The peer has to change its keys where what it says tells that it does. */
static void follow(np_record_side *side, const uint8_t *plain, size_t len)
{
    np_entry entry;

    for (size_t at = 0; at < len && np_entry_read(&entry, plain + at, len - at, 7, NULL) == NP_OK;
         at += (size_t)entry.head.head_len + entry.head.body_len) {
        if (entry.type == NP_ENTRY_KEY_UPDATE) {
            np_record_next_epoch(side, 0);
        }
    }
}

/* The input as records: new memory, *size bytes. */
static uint8_t *seal(const uint8_t *data, size_t *size)
{
    /* A record takes three bytes of the input, or more. */
    uint8_t *wire = malloc(*size / 3 * (1 + NP_RECORD_OVERHEAD) + *size + 1);
    np_record_side side;
    size_t at = 0;
    size_t out = 0;

    assert(wire != NULL);
    make_keys(&side);
    while (*size - at > 2) {
        size_t len = 1 + (size_t)np_get_u16(data + at);
        at += 2;
        len = len < *size - at ? len : *size - at;
        memcpy(wire + out + NP_FRAMING_HEADER_LEN, data + at, len);
        out += np_record_seal(&side, wire + out, len);
        follow(&side, data + at, len);
        at += len;
    }
    *size = out;
    return wire;
}

/* Playing ----------------------------------------------------------------------------------- */

static void begin(run *r, uint8_t mode)
{
    static const np_keypair identity; /* which nobody asks for */
    static const np_session_security security = {.identity = &identity, .rng = {fill_same, NULL}};
    np_session_role role = (mode & CLIENT) != 0 ? NP_SESSION_CLIENT : NP_SESSION_SERVER;
    demo_find find = {1};
    np_err err;

    np_pool_init(&r->pool, NULL);
    r->options = np_session_options_default(is_gate(r) ? &gate_protocol : &demo_protocol);
    r->options.conversation = is_gate(r) ? &gate_protocol.conversations[0] : NULL;
    r->options.serve_max = 4;
    r->options.idle_ms = 1000;
    r->options.security = (mode & RECORDS) != 0 ? &security : NULL;
    err = np_session_init(&r->s, &r->options, &r->pool, role, r->now);
    assert(err == NP_OK);
    turn(r);
    if ((mode & (OPEN | RECORDS)) == 0) {
        return;
    }
    if ((mode & RECORDS) != 0) {
        open_keyed(r);
    } else {
        open_session(r, role);
    }
    choose_compression(r, mode);
    for (size_t i = 0; is_gate(r) && i < 3; i++) {
        err = say_at_the_gate(r, i); /* Enter or Prove, which moves, and Find, which does not */
        assert(err == NP_OK);
    }
    for (int i = 0; !is_gate(r) && i < 3; i++) {
        err = np_session_request(&r->s, demo_message_find, &find, 50000, NULL, NULL, NULL);
        assert(err == NP_OK);
    }
    turn(r);
}

static uint64_t play(const uint8_t *data, size_t size, uint8_t mode, manner how)
{
    run *r = calloc(1, sizeof *r);
    uint64_t hash;

    assert(r != NULL);
    r->mode = mode;
    begin(r, mode);
    r->long_way = how.long_way;
    if ((mode & CLOSE_FIRST) != 0) {
        leave(r);
        turn(r);
    }
    feed(r, data, size, how.piece);
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
    static const manner manners[] = {{65536, false}, {0, false}, {65536, true}, {1, false}};
    uint8_t mode = size > 0 ? data[0] : 0;
    const uint8_t *bytes = data + 1;
    size_t count = size < 5000 ? 4 : 3; /* byte by byte, a long one would take too long */
    uint8_t *sealed = NULL;
    uint64_t first = 0;

    if (size < 1) {
        return 0;
    }
    size--;
    if ((mode & RECORDS) != 0) {
        sealed = seal(bytes, &size);
        bytes = sealed;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = play(bytes, size, mode, manners[i]);
        assert(i == 0 || hash == first);
        first = hash;
    }
    free(sealed);
    return 0;
}
