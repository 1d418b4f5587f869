/* main.c - two open sessions in memory that exchange messages, so many as are asked for, and
 * nothing else: bench/instructions counts what a message takes.
 *
 * usage: bench_instructions echo|request|body plain|secure COUNT
 *
 * Messages go 32 at a time, as from a peer that does not wait for answers; a body goes in pieces of
 * 16 KiB, each of which counts as a message. The random numbers are the same in each run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <dialogue.h>

#include "common/bench.h"
#include "protocol/session.h"

#define DEPTH 32
#define PIECE_LEN ((size_t)16 * 1024)
#define BODY_PIECES 500 /* of a body */

typedef struct end {
    np_session session;
    np_session_options options;
    np_session_security security;
    np_keypair keys;
    np_pool pool;
} end;

static end ends[2];
static end *const client = &ends[0];
static end *const server = &ends[1];
static uint64_t random_state;
static uint8_t shared[64 * 1024]; /* what a loop reads into */
static size_t came;               /* messages and answers, to the client */

static const np_time now = {1, UINT64_C(1700000000000)};

static void fill_random(void *user, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)bench_random(user);
    }
}

/* Events ----------------------------------------------------------------------------------- */

static void send_back(end *e, const np_session_event *event)
{
    dialogue_say say;

    bench_require(dialogue_say_decode(&say, event->payload, event->len, NULL) == NP_OK &&
                      np_session_send(&e->session, event->message, &say, NULL) == NP_OK,
                  "a message is sent back");
}

static void answer(end *e, const np_session_event *event)
{
    dialogue_ask ask;
    dialogue_price price = {0, 100};

    bench_require(dialogue_ask_decode(&ask, event->payload, event->len, NULL) == NP_OK,
                  "a request is decoded");
    price.item = ask.item;
    bench_require(np_session_reply(&e->session, np_session_event_call(event), &price, NULL) ==
                      NP_OK,
                  "a request is answered");
}

static void take(end *e, const np_session_event *event)
{
    switch (event->kind) {
    case NP_SESSION_EVENT_PEER_KEY:
        np_session_trust(&e->session, true, NULL);
        break;
    case NP_SESSION_EVENT_MESSAGE:
        if (e == server) {
            send_back(e, event);
        } else {
            came++;
        }
        break;
    case NP_SESSION_EVENT_REQUEST:
        answer(e, event);
        break;
    case NP_SESSION_EVENT_RESPONSE:
        came++;
        break;
    case NP_SESSION_EVENT_CLOSED:
        bench_require(false, "the session lives");
        break;
    default:
        break;
    }
}

/* The line between them -------------------------------------------------------------------- */

/* One read of up to len bytes, as a pump does it; returns how many were taken. */
static size_t read_piece(end *to, const uint8_t *data, size_t len)
{
    uint8_t *place = shared;
    size_t room = sizeof shared;
    np_session_event event;

    bench_require(np_session_want(&to->session, &place, &room) != NP_WANT_NOTHING,
                  "the session takes input");
    len = len < room ? len : room;
    memcpy(place, data, len);
    np_session_recv(&to->session, place, len, now);
    while (np_session_next_event(&to->session, &event)) {
        take(to, &event);
    }
    np_session_park(&to->session);
    return len;
}

/* What one end has to say, to the other; returns whether that was something. */
static bool move(end *from, end *to)
{
    struct iovec iov[16];
    size_t count = np_session_output(&from->session, iov, 16, now);
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < iov[i].iov_len;) {
            at += read_piece(to, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at);
        }
        total += iov[i].iov_len;
    }
    np_session_output_done(&from->session, total, now);
    return total > 0;
}

static void move_all(void)
{
    bool moved = true;

    while (moved) {
        moved = move(client, server);
        moved = move(server, client) || moved;
    }
}

static void open_end(end *e, np_session_role role, bool secure)
{
    np_pool_init(&e->pool, NULL);
    e->options = np_session_options_default(&dialogue_protocol);
    e->security.rng = (np_rng){fill_random, &random_state};
    e->security.identity = &e->keys;
    bench_require(np_keypair_make(&e->keys, &e->security.rng) == NP_OK, "a key is made");
    e->options.security = secure ? &e->security : NULL;
    bench_require(np_session_init(&e->session, &e->options, &e->pool, role, now) == NP_OK,
                  "a session starts");
}

/* What is said ----------------------------------------------------------------------------- */

static void echo(size_t count)
{
    dialogue_say say = {.at_ms = 7,
                        .text = np_str_from("fifty characters of text, as somebody may say it.")};
    const np_message *message = np_protocol_message(&dialogue_protocol, DIALOGUE_SAY_ID);

    for (size_t i = 0; i < count; i += DEPTH) {
        for (size_t j = 0; j < DEPTH; j++) {
            bench_require(np_session_send(&client->session, message, &say, NULL) == NP_OK, "sent");
        }
        move_all();
    }
    bench_require(came >= count, "all came back");
}

static void request(size_t count)
{
    const np_message *message = np_protocol_message(&dialogue_protocol, DIALOGUE_ASK_ID);

    for (size_t i = 0; i < count; i += DEPTH) {
        for (size_t j = 0; j < DEPTH; j++) {
            dialogue_ask ask = {.item = i + j};
            bench_require(np_session_request(&client->session, message, &ask, 30000, client, NULL,
                                             NULL) == NP_OK,
                          "asked");
        }
        move_all();
    }
    bench_require(came >= count, "all were answered");
}

static void one_body(size_t pieces)
{
    static const uint8_t piece[PIECE_LEN];
    const np_message *message = np_protocol_message(&dialogue_protocol, DIALOGUE_UPLOAD_ID);
    dialogue_upload head = {.name = np_str_from("zeros")};
    uint64_t serial = 0;
    size_t taken = 0;

    bench_require(np_session_body_begin(&client->session, message, &head, pieces * PIECE_LEN,
                                        &serial, NULL) == NP_OK,
                  "a body begins");
    for (size_t i = 0; i < pieces; i++) {
        bench_require(np_session_body_write(&client->session, serial, piece, PIECE_LEN, &taken) ==
                              NP_OK &&
                          taken == PIECE_LEN,
                      "a piece is taken");
        move_all();
    }
    bench_require(np_session_body_end(&client->session, serial) == NP_OK, "a body ends");
    move_all();
}

static void body(size_t count)
{
    for (size_t i = 0; i < count; i += BODY_PIECES) {
        one_body(BODY_PIECES);
    }
    bench_require(came == 0, "nothing comes back");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(size_t count);
    } ways[] = {{"echo", echo}, {"request", request}, {"body", body}};
    bool secure = argc == 4 && strcmp(argv[2], "secure") == 0;
    size_t count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

    bench_require(sodium_init() >= 0, "libsodium");
    for (size_t i = 0; i < sizeof ways / sizeof *ways && count > 0; i++) {
        if (strcmp(argv[1], ways[i].name) == 0) {
            open_end(client, NP_SESSION_CLIENT, secure);
            open_end(server, NP_SESSION_SERVER, secure);
            move_all();
            ways[i].run(count);
            return 0;
        }
    }
    fprintf(stderr, "usage: bench_instructions echo|request|body plain|secure COUNT\n");
    return 2;
}
