/* liar.c - see liar.h. */
#include "support/liar.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base.h>

#include "protocol/session_private.h"
#include "support/demo_protocol.h"
#include "support/liar_choice.h"

#define WIRE_MAX (1u << 18)
#define SAID_MAX 4096
#define QUEUE_MAX ((size_t)128 * 1024)

/* Bytes of a side's pool beyond its output's: a record that is not complete, a message and a body
 * of which each is put together and unpacked, every block up to twice as large as what is in it. */
#define INPUT_MAX ((size_t)384 * 1024)

/* Bytes of output: what the queue takes, and what the session itself says and seals besides. */
#define OUTPUT_MAX (QUEUE_MAX + (size_t)64 * 1024)

/* With every turn something moves, or time passes. */
#define TURNS_MAX 100000u

#define REQUIRE(condition) require((condition), #condition, __LINE__)

/* A body in pieces. Its name has its number and kind. */
typedef struct body {
    bool open;
    uint32_t stream; /* of one that comes in */
    uint64_t serial; /* of ours */
    uint32_t number;
    liar_kind kind;
    size_t at; /* bytes that have been written, or that have come */
    size_t total;
} body;

/* A message: its number, its kind, and a content of them. */
#define SAY_HEAD 5

/* One side, and the bytes on their way to it. */
typedef struct side {
    np_session s;
    np_session_options options;
    np_session_security security;
    np_keypair identity;
    np_pool pool;
    liar_choice choice;
    uint64_t seed;
    uint8_t *wire;
    size_t wire_len;
    uint64_t honest; /* bytes of the wire, from its start, that are the other side's own */
    bool lied;
    bool deceived; /* it has read a byte that is not */
    bool closed;
    np_err err; /* of its end */
    bool opened;
    bool left;         /* it has closed by itself, or was about to */
    uint64_t delay_ms; /* of what is on its way to it */
    uint64_t ready_ms; /* before that nothing of it arrives */
    uint32_t said;     /* messages; each holds its number */
    uint32_t told;     /* of the other side's */
    body out;          /* its own, under way */
    body in;           /* of the other side's */
    uint32_t begun;    /* bodies */
    uint32_t ended;    /* of these, with all of their bytes */
    uint32_t bodies;   /* of the other side's, that have come to their end */
    uint32_t updates;  /* of its keys, that the script has asked for */
    uint64_t heard;    /* bytes of the other side's, messages and bodies */
} side;

typedef struct play {
    side sides[2];
    np_time now;
    const uint8_t *script;
    size_t left;
    bool delays;
    bool common; /* they have a cipher in common: */
    uint8_t cipher;
    liar_story story;
} play;

static void require(bool condition, const char *what, int line)
{
    if (!condition) {
        fprintf(stderr, "liar.c:%d: %s\n", line, what);
        abort();
    }
}

static uint8_t next(play *p)
{
    if (p->left == 0) {
        return 0;
    }
    p->left--;
    return *p->script++;
}

static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static void side_start(play *p, int i)
{
    side *me = &p->sides[i];

    np_pool_init(&me->pool, NULL);
    me->wire = malloc(WIRE_MAX);
    me->seed = (uint64_t)i + 1;
    me->security.rng = (np_rng){fill_seeded, &me->seed};
    me->security.identity = &me->identity;
    me->security.skew_ms = 5000;
    me->options = np_session_options_default(&demo_protocol);
    me->security.cipher_count = me->choice.cipher_count;
    memcpy(me->security.ciphers, me->choice.ciphers, sizeof me->security.ciphers);
    me->options.security = &me->security;
    me->options.queue_max = QUEUE_MAX;
    me->options.compression = me->choice.compresses ? &me->choice.compression : NULL;
    REQUIRE(me->wire != NULL && np_keypair_make(&me->identity, &me->security.rng) == NP_OK);
    REQUIRE(np_session_init(&me->s, &me->options, &me->pool,
                            i == 0 ? NP_SESSION_CLIENT : NP_SESSION_SERVER, p->now) == NP_OK);
}

/* Events ------------------------------------------------------------------------------------ */

static side *other_of(play *p, const side *me)
{
    return me == &p->sides[0] ? &p->sides[1] : &p->sides[0];
}

static void take_message(play *p, side *me, const np_session_event *event)
{
    const uint8_t *said = event->payload + 12;
    uint32_t number;

    REQUIRE(event->id == DEMO_SAY_ID && event->len >= 12 + SAY_HEAD);
    number = np_get_u32(said);
    REQUIRE(number == me->told); /* the next one, and no other */
    REQUIRE(me->told < other_of(p, me)->said);
    REQUIRE(said[4] < LIAR_KINDS);
    REQUIRE(memcmp(said + SAY_HEAD, liar_content((liar_kind)said[4], number),
                   event->len - 12 - SAY_HEAD) == 0);
    me->told++;
    me->heard += event->len;
}

static void take_body_begin(play *p, side *me, const np_session_event *event)
{
    const side *other = other_of(p, me);
    base_data data;
    unsigned number = 0;
    unsigned kind = 0;
    char name[32];

    REQUIRE(np_message_decode_head(event->message, &data, event->version, event->payload,
                                   event->len, NULL) == NP_OK);
    REQUIRE(data.name.len < sizeof name);
    memcpy(name, data.name.data, data.name.len);
    name[data.name.len] = '\0';
    REQUIRE(sscanf(name, "%u %u", &number, &kind) == 2 && kind < LIAR_KINDS);
    /* One that was given up before it was under way is not heard of. */
    REQUIRE(!me->in.open && number < other->begun && (me->in.total == 0 || number > me->in.number));
    REQUIRE(event->total > 0);
    me->in = (body){true, event->stream, 0, number, (liar_kind)kind, 0, (size_t)event->total};
}

static void take_body_data(side *me, const np_session_event *event)
{
    body *in = &me->in;

    REQUIRE(in->open && in->stream == event->stream && event->len <= in->total - in->at);
    REQUIRE(memcmp(event->payload, liar_content(in->kind, in->number) + in->at, event->len) == 0);
    in->at += event->len;
    me->heard += event->len;
}

static void take_body_end(side *me, const np_session_event *event)
{
    body *in = &me->in;

    REQUIRE(in->open && in->stream == event->stream);
    REQUIRE(event->err != NP_OK || in->at == in->total);
    in->open = false;
    me->bodies += event->err == NP_OK;
}

/* Whatever the wire did to the handshake: who is open knows who it is that it talks to, and how. */
static void take_open(play *p, side *me, const np_session_event *event)
{
    const side *other = other_of(p, me);
    const np_session_secure *secure = me->s.secure;
    const uint8_t *key = np_session_peer_key(&me->s);
    uint8_t agreed = liar_agreed_compression(&p->sides[0].choice, &p->sides[1].choice);

    REQUIRE(key != NULL && memcmp(key, other->identity.public_key, NP_CRYPTO_KEY_LEN) == 0);
    REQUIRE(event->version == demo_protocol.version);
    REQUIRE(me->s.compression == agreed);
    REQUIRE(p->common && np_session_cipher(&me->s) == p->cipher);
    REQUIRE(secure->sends.cipher == p->cipher && secure->receives.cipher == p->cipher);
    me->opened = true;
    p->story.compressing += agreed != NP_COMPRESSION_NONE;
    p->story.aes += p->cipher == NP_CIPHER_AES_256_GCM;
}

/* Of what the wire made up nobody gets to see more than that it is no record of the other side's:
 * what is found wrong is its frame or its seal, never what would be in it. */
static bool is_about_records(const np_session_event *event)
{
    const char *where = event->fault != NULL ? event->fault->where : "";

    return event->err == NP_ERR_SEAL || event->err == NP_ERR_EOF || event->err == NP_ERR_DEADLINE ||
           strncmp(where, "base.frame", strlen("base.frame")) == 0;
}

static void take_closed(play *p, side *me, const np_session_event *event)
{
    const side *other = other_of(p, me);
    /* The other one was in no time for its goodbye, or had none to say yet. */
    bool unsaid = event->err == NP_ERR_EOF && me->left && other->closed;

    me->closed = true;
    me->err = event->err;
    p->story.refused += event->err != NP_OK;
    if (!p->common && p->story.lies == 0 && !me->left && !other->left) {
        REQUIRE(event->err == NP_ERR_VERSION || event->err == NP_ERR_DEADLINE ||
                event->err == NP_ERR_CLOCK);
    }
    /* On an honest wire nobody finds fault with what came, but for its coming late. */
    REQUIRE(p->story.lies > 0 || !p->common || (event->by_peer && event->fault == NULL) ||
            event->err == NP_OK || event->err == NP_ERR_DEADLINE || event->err == NP_ERR_CLOCK ||
            unsaid);
    REQUIRE(!me->opened || event->err == NP_OK || (event->by_peer && event->fault == NULL) ||
            unsaid || is_about_records(event));
    if (event->err == NP_OK && event->by_peer) {
        REQUIRE(me->opened && other->left);
        REQUIRE(me->told == other->said && me->bodies == other->ended);
        REQUIRE(!me->deceived); /* not even behind its last word */
        p->story.byes++;
    }
    p->story.trailing += event->err == NP_ERR_TRAILING;
}

static void drain(play *p, side *me)
{
    np_session_event event;

    while (np_session_next_event(&me->s, &event)) {
        REQUIRE(!me->closed);
        switch (event.kind) {
        case NP_SESSION_EVENT_PEER_KEY:
            np_session_trust(&me->s, true, NULL);
            break;
        case NP_SESSION_EVENT_OPEN:
            take_open(p, me, &event);
            break;
        case NP_SESSION_EVENT_MESSAGE:
            take_message(p, me, &event);
            break;
        case NP_SESSION_EVENT_BODY_BEGIN:
            take_body_begin(p, me, &event);
            break;
        case NP_SESSION_EVENT_BODY_DATA:
            take_body_data(me, &event);
            break;
        case NP_SESSION_EVENT_BODY_END:
            take_body_end(me, &event);
            break;
        case NP_SESSION_EVENT_CLOSED:
            take_closed(p, me, &event);
            break;
        default:
            break;
        }
    }
}

static void judge_memory(const side *me)
{
    size_t output = 0;

    for (const np_outq_block *block = me->s.out.head; block != NULL; block = block->next) {
        output += block->cap;
    }
    REQUIRE(me->pool.live <= INPUT_MAX + output);
    REQUIRE(np_session_queued(&me->s) <= OUTPUT_MAX);
}

/* Reads up to `most` bytes of what is on the wire; returns whether any were taken. */
static bool deliver(play *p, side *me, size_t most)
{
    uint8_t *place = NULL;
    uint8_t *shared = NULL;
    size_t room = 0;
    size_t len = most < me->wire_len ? most : me->wire_len;
    np_want want = np_session_want(&me->s, &place, &room);
    bool only_lies = me->lied && me->honest == 0;
    uint64_t heard = me->heard;

    if (me->closed || len == 0 || want == NP_WANT_NOTHING) {
        return false;
    }
    if (p->now.mono_ms < me->ready_ms) {
        p->story.late++;
        return false;
    }
    if (want == NP_WANT_SHARED) {
        shared = malloc(len); /* exactly, for the sanitizer */
        place = shared;
        REQUIRE(shared != NULL);
    } else if (len > room) {
        len = room;
    }
    memcpy(place, me->wire, len);
    memmove(me->wire, me->wire + len, me->wire_len - len);
    me->wire_len -= len;
    me->deceived = me->deceived || (me->lied && len > me->honest);
    me->honest -= len < me->honest ? len : me->honest;
    np_session_recv(&me->s, place, len, p->now);
    drain(p, me);
    np_session_park(&me->s);
    free(shared);
    REQUIRE(!only_lies || me->heard == heard);
    judge_memory(me);
    return true;
}

/* Writes up to `most` bytes. */
static bool transmit(play *p, side *me, size_t most)
{
    side *other = other_of(p, me);
    struct iovec iov[5];
    size_t count = np_session_output(&me->s, iov, 5, p->now);
    size_t written = 0;

    if (other->wire_len == 0) { /* what follows it comes along with it */
        other->ready_ms = p->now.mono_ms + other->delay_ms;
    }
    for (size_t i = 0; i < count && written < most; i++) {
        size_t len = iov[i].iov_len < most - written ? iov[i].iov_len : most - written;
        if (len > WIRE_MAX - other->wire_len) {
            len = WIRE_MAX - other->wire_len;
        }
        memcpy(other->wire + other->wire_len, iov[i].iov_base, len);
        other->wire_len += len;
        other->honest += other->lied ? 0 : len;
        written += len;
    }
    np_session_output_done(&me->s, written, p->now);
    return written > 0;
}

/* The script -------------------------------------------------------------------------------- */

/* What a payload of `len` bytes has made the queue grow by tells whether it was compressed. */
static void judge_growth(play *p, const side *me, liar_kind kind, size_t len, size_t grown)
{
    bool compresses = me->s.compression != 0;

    if (!compresses || len < me->choice.compression.threshold || kind == LIAR_NOISE) {
        REQUIRE(grown >= len);
    } else if (len >= 4096) { /* some of each part of a mixed one lies in it */
        REQUIRE(grown < len);
    }
    p->story.saved += grown < len ? len - grown : 0;
}

static void say(play *p, side *me, liar_kind kind, size_t len)
{
    static uint8_t bytes[SAY_HEAD + LIAR_CONTENT_MAX];
    demo_say value = {{bytes, SAY_HEAD + len}};
    size_t before = np_session_queued(&me->s);

    if (me->said >= SAID_MAX) {
        return;
    }
    np_put_u32(bytes, me->said);
    bytes[4] = (uint8_t)kind;
    memcpy(bytes + SAY_HEAD, liar_content(kind, me->said), len);
    if (np_session_send(&me->s, demo_message_say, &value, NULL) == NP_OK) {
        judge_growth(p, me, kind, 12 + SAY_HEAD + len, np_session_queued(&me->s) - before);
        me->said++;
        p->story.said++;
    }
}

static void begin_body(play *p, side *me, liar_kind kind, size_t total)
{
    const np_message *message = np_protocol_message(&base_protocol, BASE_DATA_ID);
    body *out = &me->out;
    char name[32];
    base_data data = {.name = {name, 0}};

    if (me->begun >= SAID_MAX) {
        return;
    }
    data.name.len = (size_t)snprintf(name, sizeof name, "%u %u", me->begun, (unsigned)kind);
    *out = (body){.number = me->begun, .kind = kind, .total = total};
    out->open = np_session_body_begin(&me->s, message, &data, total, &out->serial, NULL) == NP_OK;
    me->begun += out->open;
    p->story.bodies += out->open;
}

/* Begins a body, or goes on with the one that is under way, or gives it up. */
static void go_on_with_body(play *p, side *me, liar_kind kind, uint8_t how)
{
    body *out = &me->out;
    size_t len = (size_t)how * 200;
    size_t taken = 0;
    np_err err;

    if (!out->open) {
        begin_body(p, me, kind, 1 + (size_t)how * 270);
        return;
    }
    if (how == 77) {
        np_session_body_abort(&me->s, out->serial);
        out->open = false;
        return;
    }
    len = len < out->total - out->at ? len : out->total - out->at;
    err = np_session_body_write(&me->s, out->serial, liar_content(out->kind, out->number) + out->at,
                                len, &taken);
    out->at += taken;
    if (err == NP_OK && out->at == out->total) {
        err = np_session_body_end(&me->s, out->serial);
        if (err == NP_OK) {
            out->open = false;
            me->ended++;
        }
    }
    REQUIRE(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
}

/* From here on, what comes to this side is not what the other has sent. */
static void lie(play *p, side *me, size_t at)
{
    me->honest = at < me->honest ? at : me->honest;
    me->lied = true;
    p->story.lies++;
}

/* The other side has said its last word, and the wire goes on. */
static void add_behind(play *p, side *me, size_t len)
{
    if (me->lied || me->closed || len > WIRE_MAX - me->wire_len) {
        return;
    }
    lie(p, me, me->wire_len);
    for (size_t i = 0; i < len; i++) {
        me->wire[me->wire_len++] = next(p);
    }
}

/* A lie shows at its first byte: one that happens to say the truth there, which one byte in 256
 * does, is none yet, and is left out. So is one about bytes that are not there yet. */
static void tamper(play *p, side *me, uint8_t how)
{
    size_t at = me->wire_len > 0 ? ((size_t)next(p) << 8 | next(p)) % me->wire_len : 0;
    size_t len = 1 + next(p);
    uint8_t *wire = me->wire;
    uint8_t made[32];

    if (how == 3) {
        len = 1 + len % sizeof made;
        if (np_session_output_ended(&other_of(p, me)->s)) {
            add_behind(p, me, len);
            return;
        }
    }
    if (me->lied || at + len >= me->wire_len || len > WIRE_MAX - me->wire_len) {
        return; /* a second lie could also take the first one back */
    }
    switch (how) {
    case 0: /* a bit is turned */
        lie(p, me, at);
        wire[at] ^= (uint8_t)(1u << next(p) % 8);
        break;
    case 1: /* some are lost */
        if (wire[at] != wire[at + len]) {
            lie(p, me, at);
            memmove(wire + at, wire + at + len, me->wire_len - at - len);
            me->wire_len -= len;
        }
        break;
    case 2: /* some come twice */
        if (wire[at] != wire[at + len]) {
            lie(p, me, at + len);
            memmove(wire + at + len, wire + at, me->wire_len - at);
            me->wire_len += len;
        }
        break;
    default: /* something of the wire's own */
        for (size_t i = 0; i < len; i++) {
            made[i] = next(p);
        }
        if (made[0] != wire[at]) {
            lie(p, me, at);
            memmove(wire + at + len, wire + at, me->wire_len - at);
            memcpy(wire + at, made, len);
            me->wire_len += len;
        }
        break;
    }
}

static void pass_time(play *p, uint64_t ms)
{
    p->now.mono_ms += ms;
    p->now.wall_ms += ms;
    for (int i = 0; i < 2; i++) {
        np_session_tick(&p->sides[i].s, p->now);
        drain(p, &p->sides[i]);
    }
}

static void step(play *p)
{
    uint8_t code = next(p);
    side *me = &p->sides[code & 1];
    liar_kind kind = (liar_kind)((code >> 5) % LIAR_KINDS);

    switch (code >> 1 & 15) {
    case 0:
    case 1:
        say(p, me, kind, next(p));
        break;
    case 2:
        say(p, me, kind, (size_t)next(p) * 270);
        break;
    case 3:
    case 4:
        transmit(p, me, SIZE_MAX);
        break;
    case 5:
        transmit(p, me, next(p));
        break;
    case 6:
    case 7:
        deliver(p, me, SIZE_MAX);
        break;
    case 8:
        deliver(p, me, 1 + (size_t)next(p));
        break;
    case 9: /* the bounds of an epoch are near, but not so often that it is a flood of updates */
        if (np__session_is_keyed(&me->s) && me->s.secure->sends.bytes < NP_RECORD_EPOCH_BYTES &&
            me->updates < NP_RECORD_UPDATES_MAX) {
            me->s.secure->sends.bytes = NP_RECORD_EPOCH_BYTES;
            me->updates++;
            p->story.updates++;
        }
        break;
    case 10:
        if (p->delays && code >> 5 < 4) {
            me->delay_ms = (uint64_t)next(p) * 8;
        } else {
            pass_time(p, next(p));
        }
        break;
    case 11:
    case 12:
    case 13:
    case 14:
        if (code >> 5 == 0) { /* seldom, so that long talks are among the scripts */
            tamper(p, me, (uint8_t)((code >> 1 & 15) - 11));
        } else if (code >> 5 < 5) {
            go_on_with_body(p, me, kind, next(p));
        }
        break;
    default:
        if (code >> 5 == 0) {
            np_session_close(&me->s, BASE_REASON_BUSY, np_str_from("bye"), p->now);
            me->left = true;
        }
        break;
    }
}

/* Moves time on to when the next bytes arrive, if there are any that have not. */
static bool wait_for_bytes(play *p)
{
    uint64_t ready_ms = UINT64_MAX;

    for (int i = 0; i < 2; i++) {
        const side *me = &p->sides[i];
        if (!me->closed && me->wire_len > 0 && me->ready_ms > p->now.mono_ms &&
            me->ready_ms < ready_ms) {
            ready_ms = me->ready_ms;
        }
    }
    if (ready_ms == UINT64_MAX) {
        return false;
    }
    pass_time(p, ready_ms - p->now.mono_ms);
    return true;
}

/* The next turn of a session whose share of the last one was used up; returns whether it had one.
 */
static bool take_turn(play *p, side *me)
{
    bool pending = np_session_pending(&me->s);

    drain(p, me);
    if (pending && !me->closed) {
        np_session_park(&me->s);
    }
    return pending;
}

/* Everything that is on its way arrives. */
static void settle(play *p)
{
    bool moved = true;
    unsigned turns = 0;

    while (moved || wait_for_bytes(p)) {
        moved = false;
        REQUIRE(++turns < TURNS_MAX);
        for (int i = 0; i < 2; i++) {
            moved = transmit(p, &p->sides[i], SIZE_MAX) || moved;
            moved = deliver(p, &p->sides[i], SIZE_MAX) || moved;
            moved = take_turn(p, &p->sides[i]) || moved;
        }
    }
}

/* A close is no lie, but what is said behind it does not arrive. */
static void expect_all(play *p)
{
    for (int i = 0; i < 2; i++) {
        const side *me = &p->sides[i];
        const side *other = &p->sides[1 - i];

        if (p->story.lies == 0 && np_session_is_open(&me->s) && np_session_is_open(&other->s)) {
            REQUIRE(me->told == other->said && me->opened);
            REQUIRE(me->bodies == other->ended);
        }
    }
}

static void end_bytes(play *p)
{
    for (int i = 0; i < 2; i++) {
        np_session_recv_end(&p->sides[i].s, p->now);
        drain(p, &p->sides[i]);
    }
}

/* On a wire that does not lie yet: both open, or both find out that they have nothing in common,
 * and then the script has nothing to say. */
static void meet(play *p)
{
    settle(p);
    if (p->common) {
        REQUIRE(np_session_is_open(&p->sides[0].s) && np_session_is_open(&p->sides[1].s));
        return;
    }
    end_bytes(p);
    for (int i = 0; i < 2; i++) {
        REQUIRE(p->sides[i].closed && p->sides[i].err == NP_ERR_VERSION);
    }
    p->left = 0;
}

liar_story liar_run(const uint8_t *script, size_t len, unsigned how)
{
    play *p = calloc(1, sizeof *p);
    liar_story story;

    if (p == NULL) {
        abort();
    }
    p->now = (np_time){.mono_ms = 1000, .wall_ms = 1700000000000u};
    p->script = script;
    p->left = len;
    for (int i = 0; i < 2 && (how & LIAR_CHOICES) != 0; i++) {
        uint8_t bytes[LIAR_CHOICE_LEN];
        for (size_t at = 0; at < sizeof bytes; at++) {
            bytes[at] = next(p);
        }
        liar_choose(&p->sides[i].choice, bytes);
    }
    p->common = liar_agreed_cipher(&p->cipher, &p->sides[0].choice, &p->sides[1].choice);
    p->story.strangers += !p->common;
    side_start(p, 0);
    side_start(p, 1);
    if ((how & LIAR_HANDSHAKE) == 0) {
        meet(p);
    }
    p->delays = (how & LIAR_DELAY) != 0;
    while (p->left > 0) {
        step(p);
    }
    settle(p);
    expect_all(p);
    /* Time passes, and nobody says any more: what is in the middle of something comes to its end.
     */
    end_bytes(p);
    for (int i = 0; i < 4; i++) {
        pass_time(p, 60000);
    }
    for (int i = 0; i < 2; i++) {
        side *me = &p->sides[i];
        REQUIRE(me->closed);
        p->story.told += me->told;
        np_session_fini(&me->s);
        REQUIRE(me->pool.live == 0);
        np_pool_fini(&me->pool);
        free(me->wire);
    }
    story = p->story;
    free(p);
    return story;
}
