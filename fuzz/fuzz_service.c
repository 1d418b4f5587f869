/* A daemon and a client over in-process pairs, and two applications that do with the public
 * interface what the input says: requests of two types in both directions, answered at once, later,
 * twice, after a cancel, after the connection, or never; messages, bodies in pieces, held and ended
 * connections, time that moves, a loop that is short of memory, allocations that fail.
 *
 * Bytes 0 and 1 of the input choose the connection's options, the rest are steps of two bytes: what
 * to do, and with what. What must hold, whatever goes wrong:
 *
 *   - a request arrives once at most, as what it was, and what it is answered with is what its
 *     caller gets, as the answer's type; its done function runs exactly once, and in time
 *   - a handle that is let go of does nothing and says so; one that is not is known
 *   - on_cancel tells of calls that wait, with what was kept with them; no more than serve_max wait
 *   - a body arrives byte by byte as it was written, and ends exactly once
 *   - on_close runs exactly once for each on_open, behind it nothing; all memory goes back
 */
#include "faults.h"
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_protocol.h"

#include <base_service.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 600, KEYS = 1001, SERVE_MAX = 8, CALLS_MAX = 16 };
enum { SENDING_MAX = 4, RECEIVING_MAX = SENDING_MAX, BODY_MAX = 9000, CALL_TIMEOUT_MS = 2000 };

/* So long a canceled call counts that nobody lets go of. */
enum { CANCELED_KEPT_MS = 30000 };

/* Bits of the first byte. Of the second, bits 0 and 1 choose the pair's capacity, 2 to 4 the loop's
 * memory_max, 5 and 6 the queue. */
enum {
    SECURE = 1,
    POISON = 2,
    LZ4 = 4,
    ZSTD = 8,
    ALL_LATER = 16,
    KEEP_CANCELED = 32,
    NOT_MET = 64 /* there is no connection at the beginning */
};

typedef struct world world;
typedef struct side side;

typedef enum job_state {
    NOT_HERE, /* has not arrived */
    WAITING,
    CANCELED, /* and not let go of */
    LET_GO
} job_state;

/* A request, named by its key: each key is asked for once. */
typedef struct request {
    world *world;
    bool count; /* a Count, else a Find */
    bool by_client;
    bool issued, replied;
    unsigned dones;
    job_state state; /* at who serves it */
    uint64_t canceled_ms;
    np_call call;
} request;

typedef struct sending {
    np_body body;
    bool live;
    uint8_t tag;
    size_t total, sent;
} sending;

typedef struct receiving {
    uint8_t tag;
    uint64_t total, got;
    bool live;
} receiving;

struct side {
    world *world;
    bool client;
    np_conn *conn; /* while it is open */
    bool held;
    unsigned opened, closed;
    unsigned said, heard;
    sending out[SENDING_MAX];
    receiving in[RECEIVING_MAX];
};

struct world {
    uint8_t mode;
    size_t cap;
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    side sides[2]; /* the daemon's, the client's */
    request requests[KEYS];
    uint32_t next_key;
    uint8_t next_tag;
};

/* What a send, a call or an answer may come to, whatever went wrong before. */
static bool is_known(np_err err)
{
    switch (err) {
    case NP_OK:
    case NP_ERR_FULL:
    case NP_ERR_LIMIT:
    case NP_ERR_MEMORY:
    case NP_ERR_CLOSED:
    case NP_ERR_STATE:
        return true;
    default:
        return false;
    }
}

/* Asking ----------------------------------------------------------------------------------- */

static void check_answer(const request *r, uint32_t key, const void *payload, size_t len,
                         uint32_t version)
{
    np_fault fault;
    np_err err = NP_OK;

    if (r->count) {
        demo_find answer = {0};
        err = np_message_decode_reply(demo_message_count, &answer, version, payload, len, &fault);
        assert(err == NP_OK && answer.key == key);
    } else {
        demo_say answer = {{NULL, 0}};
        err = np_message_decode_reply(demo_message_find, &answer, version, payload, len, &fault);
        assert(err == NP_OK && answer.data.len == key);
        for (size_t i = 0; i < answer.data.len; i++) {
            assert(answer.data.data[i] == (uint8_t)key);
        }
    }
    assert(r->replied);
}

static void is_done(request *r, np_err err, const void *payload, size_t len, uint32_t version)
{
    assert(r->issued && r->dones == 0);
    r->dones++;
    assert((err == NP_OK) == (payload != NULL));
    if (err == NP_OK) {
        check_answer(r, (uint32_t)(r - r->world->requests), payload, len, version);
    }
}

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault)
{
    (void)conn;
    (void)fault;
    is_done(user, err, payload, len, version);
}

static void on_client_done(np_client *client, np_err err, const void *payload, size_t len,
                           uint32_t version, void *user, np_fault *fault)
{
    (void)client;
    (void)fault;
    is_done(user, err, payload, len, version);
}

/* within_ms: 0 for the connection's own deadline. */
static void ask(side *s, bool count, uint32_t within_ms)
{
    world *w = s->world;
    const np_message *message = count ? demo_message_count : demo_message_find;
    demo_find value = {w->next_key};
    request *r = NULL;
    np_err err = NP_OK;

    if (w->next_key == KEYS) {
        return;
    }
    r = &w->requests[w->next_key++];
    /* Before the call: whatever it does is done to a request that was made. */
    *r = (request){.world = w, .count = count, .by_client = s->client, .issued = true};
    err = s->client && within_ms > 0 ? np_client_call_within(w->client, message, &value, within_ms,
                                                             on_client_done, r, NULL)
                                     : np_conn_call(s->conn, message, &value, on_done, r, NULL);
    assert(is_known(err));
    if (err != NP_OK) {
        assert(r->dones == 0 && r->state == NOT_HERE);
        r->issued = false;
    }
}

/* Serving ---------------------------------------------------------------------------------- */

/* Whether the connection that the request came by may still send. */
static bool is_open(const request *r)
{
    const side *s = &r->world->sides[!r->by_client];

    return s->conn != NULL && np_conn_is_open(s->conn) && np_conn_id(s->conn) == r->call.conn;
}

static void note_let_go(request *r)
{
    r->state = LET_GO;
    assert(!np_call_alive(r->call));
    assert(np_call_user(r->call) == NULL);
}

static void reply(request *r)
{
    uint32_t key = (uint32_t)(r - r->world->requests);
    uint8_t bytes[KEYS];
    demo_find number = {key};
    demo_say data = {{bytes, key}};
    job_state before = r->state;
    bool alive = np_call_alive(r->call);
    np_err err = NP_OK;

    memset(bytes, (int)(uint8_t)key, sizeof bytes);
    assert(!alive || before == WAITING);
    assert(alive || before != WAITING || !is_open(r));
    if (alive) {
        r->replied = true; /* it may be read before the call returns */
    }
    err = np_call_reply(r->call, r->count ? (const void *)&number : (const void *)&data, NULL);
    assert(is_known(err));
    assert(alive || err == NP_ERR_CLOSED);
    if (err == NP_OK || before == CANCELED) {
        note_let_go(r);
    } else if (alive) {
        r->replied = false;
    }
}

static void refuse(request *r)
{
    job_state before = r->state;
    bool alive = np_call_alive(r->call);
    np_err err = np_call_fail(r->call, BASE_REASON_REFUSED, 7, np_str_from("no"));

    assert(is_known(err));
    assert(alive || err == NP_ERR_CLOSED);
    assert(!alive || before == WAITING);
    if (err == NP_OK || before == CANCELED) {
        note_let_go(r);
    }
}

static void drop(request *r)
{
    np_call_drop(r->call);
    note_let_go(r);
}

/* No more wait than may: those that were canceled long ago do not count. */
static void check_waiting(const side *s)
{
    const world *w = s->world;
    unsigned waiting = 0;

    for (uint32_t i = 0; i < w->next_key; i++) {
        const request *r = &w->requests[i];
        if (r->by_client == s->client || !is_open(r)) {
            continue;
        }
        waiting += r->state == WAITING ||
                   (r->state == CANCELED && faults_time() - r->canceled_ms < CANCELED_KEPT_MS);
    }
    assert(waiting <= SERVE_MAX);
}

static np_err take_request(side *s, bool count, const demo_find *msg, np_call call)
{
    world *w = s->world;
    request *r = &w->requests[msg->key];

    assert(msg->key < w->next_key && r->issued);
    assert(r->count == count && r->by_client != s->client && r->state == NOT_HERE);
    assert(call.message == (count ? demo_message_count : demo_message_find));
    r->call = call;
    r->state = WAITING;
    assert(np_call_user(call) == NULL);
    np_call_set_user(call, r);
    check_waiting(s);
    if ((w->mode & ALL_LATER) == 0) {
        switch (msg->key % 4) {
        case 0:
            reply(r);
            break;
        case 1:
            refuse(r);
            break;
        default:
            break;
        }
    }
    return NP_OK;
}

static void on_cancel(np_conn *conn, np_call call, void *user)
{
    side *s = user;
    request *r = np_call_user(call);

    (void)conn;
    assert(r != NULL && r->by_client != s->client && r->state == WAITING);
    assert(r->call.serial == call.serial && r->call.stream == call.stream);
    assert(!np_call_alive(r->call));
    r->state = CANCELED;
    r->canceled_ms = faults_time();
    if ((s->world->mode & KEEP_CANCELED) == 0) {
        drop(r);
    }
}

static np_err take_say(side *s, const demo_say *msg)
{
    for (size_t i = 0; i < msg->data.len; i++) {
        assert(msg->data.data[i] == (uint8_t)msg->data.len);
    }
    s->heard++;
    assert(s->heard <= s->world->sides[!s->client].said);
    return NP_OK;
}

static np_err dispatch(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    side *s = *(side *const *)handlers;
    const np_message *message = np_protocol_message(&demo_protocol, in->id);
    np_reader r = {.p = in->payload, .version = in->version, .fault = fault};
    demo_find find;
    demo_say say;
    np_err err = NP_OK;

    assert(message != NULL && conn == s->conn);
    r.start = r.p;
    r.end = r.p + in->len;
    r.p += 4;
    err = message->codec->read(&r, in->id == DEMO_SAY_ID ? (void *)&say : (void *)&find);
    err = err == NP_OK ? np_read_end(&r, message->name) : err;
    assert(err == NP_OK); /* only we write them */
    return in->id == DEMO_SAY_ID ? take_say(s, &say)
                                 : take_request(s, in->id == DEMO_COUNT_ID, &find, in->call);
}

/* Bodies ----------------------------------------------------------------------------------- */

static uint8_t byte_of(uint8_t tag, uint64_t at)
{
    return (uint8_t)(tag * 31 + at * 7 + at / 256);
}

static np_err on_data_begin(np_conn *conn, np_body body, const base_data *msg, uint64_t total,
                            void *user)
{
    side *s = user;
    receiving *in = s->in;

    assert(conn == s->conn && msg->name.len == 1 && total <= BODY_MAX);
    assert(np_body_user(body) == NULL);
    while (in->live) {
        in++;
        assert(in < s->in + RECEIVING_MAX);
    }
    *in = (receiving){.tag = (uint8_t)msg->name.data[0], .total = total, .live = true};
    np_body_set_user(body, in);
    return NP_OK;
}

static np_err on_data_data(np_conn *conn, np_body body, np_bytes piece, void *user)
{
    side *s = user;
    receiving *in = np_body_user(body);

    assert(conn == s->conn && in != NULL && in->live && piece.len > 0);
    for (size_t i = 0; i < piece.len; i++) {
        assert(piece.data[i] == byte_of(in->tag, in->got + i));
    }
    in->got += piece.len;
    assert(in->got <= in->total);
    return NP_OK;
}

static np_err on_data_end(np_conn *conn, np_body body, np_err err, void *user)
{
    side *s = user;
    receiving *in = np_body_user(body);

    assert(conn == s->conn && in != NULL && in->live);
    assert(err != NP_OK || in->got == in->total);
    in->live = false;
    return NP_OK;
}

static void begin_body(side *s, sending *out, uint8_t with)
{
    base_data data;
    char name;
    np_err err = NP_OK;

    *out = (sending){.total = (size_t)with * with % BODY_MAX};
    out->tag = s->world->next_tag;
    s->world->next_tag = (uint8_t)((s->world->next_tag + 1) % 96);
    name = (char)out->tag;
    memset(&data, 0, sizeof data);
    data.name = (np_str){&name, 1};
    err = np_conn_body_begin(s->conn, np_protocol_message(&base_protocol, BASE_DATA_ID), &data,
                             out->total, &out->body, NULL);
    assert(is_known(err));
    out->live = err == NP_OK;
}

/* One step of one body of ours. */
static void go_on_with_body(side *s, uint8_t with)
{
    sending *out = &s->out[with % SENDING_MAX];
    uint8_t bytes[1500];
    size_t left = out->total - out->sent;
    size_t len = left < sizeof bytes ? left : sizeof bytes;
    size_t taken = 0;
    np_err err = NP_OK;

    if (!out->live) {
        begin_body(s, out, with);
    } else if (with >= 0xF0) {
        np_conn_body_abort(out->body);
        out->live = false;
    } else if (left > 0) {
        for (size_t i = 0; i < len; i++) {
            bytes[i] = byte_of(out->tag, out->sent + i);
        }
        err = np_conn_body_write(out->body, bytes, len, &taken);
        assert(is_known(err) && taken <= len && (err != NP_ERR_FULL || taken == 0));
        out->sent += taken;
    } else {
        err = np_conn_body_end(out->body);
        assert(is_known(err));
        out->live = err != NP_OK;
    }
    out->live = out->live && err != NP_ERR_CLOSED;
}

/* Connections ------------------------------------------------------------------------------ */

static void on_open(np_conn *conn, void *user)
{
    side *s = user;

    assert(s->conn == NULL && s->opened == s->closed);
    s->conn = conn;
    s->held = false;
    s->opened++;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    side *s = user;
    world *w = s->world;

    assert(conn == s->conn && memchr(failure->text, '\0', sizeof failure->text) != NULL);
    s->closed++;
    s->conn = NULL;
    /* What was under way has been told of before. */
    for (size_t i = 0; i < RECEIVING_MAX; i++) {
        assert(!s->in[i].live);
    }
    for (uint32_t i = 0; i < w->next_key; i++) {
        const request *r = &w->requests[i];
        assert(r->by_client != s->client || !r->issued || r->dones == 1);
    }
}

static void on_writable(np_conn *conn, void *user)
{
    assert(conn == ((side *)user)->conn);
}

static bool is_idle(const world *w)
{
    return np_daemon_connections(w->daemon) == 0 && w->sides[0].conn == NULL &&
           w->sides[1].conn == NULL;
}

/* A new pair, if there is none. */
static void join(world *w)
{
    const char *limit = NULL;
    np_stream a;
    np_stream b;

    if (!is_idle(w) || np_pair_open(w->loop, w->cap, &a, &b) != NP_OK) {
        return;
    }
    w->sides[0].said = w->sides[0].heard = w->sides[1].said = w->sides[1].heard = 0;
    if (np__daemon_adopt(w->daemon, &a, NULL, &limit) != NP_OK) {
        a.ops->close(&a, true);
    }
    if (np__client_adopt(w->client, &b) != NP_OK) {
        b.ops->close(&b, true);
    }
}

/* The world -------------------------------------------------------------------------------- */

static np_security security_of(const world *w, bool daemon)
{
    static np_keypair pairs[2];
    static bool made;
    np_security security = np_security_default();

    if ((w->mode & SECURE) == 0) {
        security.plaintext = true;
        return security;
    }
    for (uint8_t i = 0; !made && i < 2; i++) {
        uint8_t secret[NP_KEY_LEN] = {(uint8_t)(8 + 8 * i)};
        np_err err = np_keypair_from(&pairs[i], secret);
        assert(err == NP_OK);
    }
    made = true;
    security.identity = &pairs[daemon];
    security.keys = pairs[!daemon].public_key;
    security.key_count = 1;
    return security;
}

static np_conn_options conn_options_of(const world *w, uint8_t limits)
{
    static const size_t queues[] = {4096, 16384, 65536, 1u << 20};
    np_conn_options options = np_conn_options_default();

    options.queue_max = queues[limits >> 5 & 3];
    options.serve_max = SERVE_MAX;
    options.calls_max = CALLS_MAX;
    options.bodies_max = SENDING_MAX;
    options.call_timeout_ms = CALL_TIMEOUT_MS;
    options.idle_timeout_ms = limits >> 7 != 0 ? 10000 : 0;
    options.poison = (w->mode & POISON) != 0;
    options.compression.threshold = 64;
    options.compression.preferred[0] = (w->mode & LZ4) != 0    ? NP_COMPRESSION_LZ4
                                       : (w->mode & ZSTD) != 0 ? NP_COMPRESSION_ZSTD
                                                               : NP_COMPRESSION_NONE;
    return options;
}

static void start(world *w, const base_handlers base[2], side *const handlers[2], uint8_t mode,
                  uint8_t limits)
{
    static const size_t caps[] = {65536, 4096, 300, 17};
    static const size_t memories[] = {0,         1u << 20,  256u << 10, 128u << 10,
                                      64u << 10, 32u << 10, 16u << 10,  8u << 10};
    np_loop_options loop_options = np_loop_options_default();
    np_daemon_options daemon_options = np_daemon_options_default();
    np_client_options client_options = np_client_options_default();
    np_err err = NP_OK;

    w->mode = mode;
    w->cap = caps[limits & 3];
    loop_options.memory_max = memories[limits >> 2 & 7];
    err = np_loop_new(&w->loop, &loop_options);
    assert(err == NP_OK);
    for (int i = 0; i < 2; i++) {
        w->sides[i].world = w;
        w->sides[i].client = i == 1;
    }
    daemon_options.service = (np_service){&demo_protocol, dispatch, &handlers[0]};
    daemon_options.base = base_service(&base[0]);
    daemon_options.security = security_of(w, true);
    daemon_options.conn = conn_options_of(w, limits);
    daemon_options.handlers =
        (np_conn_handlers){on_open, on_close, on_writable, on_cancel, &w->sides[0]};
    err = np__daemon_start(&w->daemon, w->loop, &daemon_options, NULL);
    assert(err == NP_OK);
    client_options.address = "tcp://127.0.0.1:1";
    client_options.service = (np_service){&demo_protocol, dispatch, &handlers[1]};
    client_options.base = base_service(&base[1]);
    client_options.security = security_of(w, false);
    client_options.conn = conn_options_of(w, limits);
    client_options.handlers =
        (np_conn_handlers){on_open, on_close, on_writable, on_cancel, &w->sides[1]};
    err = np_client_new(&w->client, w->loop, &client_options, NULL);
    assert(err == NP_OK);
}

static void stop(np_loop *loop, void *user)
{
    (void)user;
    np_loop_stop(loop);
}

/* The loop does not sleep: a post waits for it, and stops it. */
static void turns(world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        np_err err = np_loop_post(w->loop, stop, NULL);
        assert(err == NP_OK);
        err = np_loop_run(w->loop);
        assert(err == NP_OK);
    }
}

/* Whatever has happened, once time passes every request has come to its end. */
static void settle(world *w)
{
    faults_arm(0, 0);
    for (int i = 0; i < 2; i++) {
        np_conn_hold(w->sides[i].conn, false);
    }
    turns(w, 4);
    /* On a connection that is being closed they end with it, in 5 s at most. Such steps of the
     * clock are those of a loop that was held up, which looks at what has come before each
     * deadline. */
    for (int i = 0; i < 16; i++) {
        faults_move_time(CALL_TIMEOUT_MS / 2);
        turns(w, 4);
    }
    for (uint32_t i = 0; i < w->next_key; i++) {
        assert(!w->requests[i].issued || w->requests[i].dones == 1);
    }
}

static void end(world *w)
{
    settle(w);
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    for (int i = 0; i < 2; i++) {
        assert(w->sides[i].conn == NULL && w->sides[i].opened == w->sides[i].closed);
    }
    for (uint32_t i = 0; i < w->next_key; i++) {
        request *r = &w->requests[i];
        if (r->state != NOT_HERE) { /* the loop still knows that they are nobody's */
            assert(!np_call_alive(r->call));
            assert(np_call_fail(r->call, BASE_REASON_BUSY, 0, np_str_from("")) == NP_ERR_CLOSED);
        }
    }
    np_loop_free(w->loop); /* which sees to it that all buffers are back */
}

/* Steps ------------------------------------------------------------------------------------ */

static void say(side *s, uint8_t with)
{
    uint8_t bytes[255 * 8];
    demo_say value = {{bytes, (size_t)with * 8}};
    np_err err = NP_OK;

    memset(bytes, (int)(uint8_t)value.data.len, sizeof bytes);
    s->said++;
    err = np_conn_send(s->conn, demo_message_say, &value, NULL);
    assert(is_known(err));
    s->said -= err != NP_OK;
}

/* One of the requests that have come at some time, whatever has become of it. */
static request *some_request(world *w, uint8_t with)
{
    for (uint32_t i = 0; i < w->next_key; i++) {
        request *r = &w->requests[(i + with) % w->next_key];
        if (r->state != NOT_HERE) {
            return r;
        }
    }
    return NULL;
}

static void leave(side *s, uint8_t with)
{
    if (with % 8 == 7) {
        np_conn_abort(s->conn);
    } else {
        np_conn_close(s->conn, with % 8 == 6 ? BASE_REASON_BUSY : NP_CONN_NO_REASON, "bye");
    }
}

static void hold(side *s)
{
    s->held = !s->held;
    np_conn_hold(s->conn, s->held);
}

/* A step of what one side does; bit 7 of the byte tells which. */
static void act(world *w, uint8_t what, uint8_t with)
{
    side *s = &w->sides[what >> 7];
    request *r = some_request(w, with);

    switch (what % 16) {
    case 0:
    case 1:
        ask(s, what % 16 == 1, with % 4 == 3 ? 1u + with : 0);
        break;
    case 2:
        say(s, with);
        break;
    case 3:
    case 4:
        go_on_with_body(s, with);
        break;
    case 5:
    case 6:
    case 7:
        if (r != NULL) {
            (what % 16 == 5 ? reply : what % 16 == 6 ? refuse : drop)(r);
        }
        break;
    case 8:
        hold(s);
        break;
    case 9:
        leave(s, with);
        break;
    default:
        break;
    }
}

static void step(world *w, uint8_t what, uint8_t with)
{
    switch (what % 16) {
    case 10:
    case 11:
        turns(w, 1u + with % 16);
        break;
    case 12:
        faults_move_time(1u << with % 16);
        turns(w, 2);
        break;
    case 13:
        faults_arm(with % 64, 1u + with / 64);
        break;
    case 14:
        join(w);
        turns(w, with % 16);
        break;
    case 15: /* several of a kind at once, as a flood is */
        for (unsigned i = 0; i < with % 16u; i++) {
            act(w, (uint8_t)((what & 0x80) | with / 16), (uint8_t)(i * 37));
        }
        break;
    default:
        act(w, what, with);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world *w = calloc(1, sizeof *w);
    side *const handlers[2] = {&w->sides[0], &w->sides[1]};
    base_handlers base[2];

    if (size < 2 || w == NULL) {
        free(w);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        base[i] = (base_handlers){.on_data_begin = on_data_begin,
                                  .on_data_data = on_data_data,
                                  .on_data_end = on_data_end,
                                  .user = &w->sides[i]};
    }
    faults_begin();
    start(w, base, handlers, data[0], data[1]);
    if ((data[0] & NOT_MET) == 0) {
        join(w);
        turns(w, 8);
    }
    for (size_t i = 2; i + 1 < size && i < 2 * STEPS_MAX; i += 2) {
        step(w, data[i], data[i + 1]);
    }
    end(w);
    faults_end();
    free(w);
    return 0;
}
