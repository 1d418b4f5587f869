/* session.c - the library's whole way of a plain connection's bytes, but for the socket. */
#include <string.h>

#include <trade_service.h>

#include "protocol/session.h"

#include "receiver.h"

uint64_t bench_session_handled;

static np_pool pool;
static np_session_options options;
static np_session client;
static np_session server;
static uint8_t shared[65536]; /* what a loop reads into */
static const np_time now = {1, 1};

static np_err on_order(np_conn *conn, const trade_order *msg, void *user)
{
    (void)conn;
    bench_consume(msg);
    ++*(uint64_t *)user;
    return NP_OK;
}

static np_err on_tick(np_conn *conn, const trade_tick *msg, void *user)
{
    (void)conn;
    bench_consume(msg);
    ++*(uint64_t *)user;
    return NP_OK;
}

static const trade_handlers handlers = {
    .on_order = on_order,
    .on_tick = on_tick,
    .user = &bench_session_handled,
};

/* One read of up to len bytes; returns how many were taken. */
static size_t read_piece(np_session *s, const uint8_t *data, size_t len)
{
    uint8_t *place = NULL;
    size_t room = 0;
    np_session_event event;

    switch (np_session_want(s, &place, &room)) {
    case NP_WANT_NOTHING:
        bench_require(false, "the session takes input");
        break;
    case NP_WANT_SHARED:
        place = shared;
        room = sizeof shared;
        break;
    case NP_WANT_PLACE:
        break;
    }
    len = len < room ? len : room;
    memcpy(place, data, len);
    np_session_recv(s, place, len, now);
    while (np_session_next_event(s, &event)) {
        np_incoming in = {
            .id = event.id,
            .payload = event.payload,
            .len = event.len,
            .version = event.version,
        };
        bench_require(event.kind != NP_SESSION_EVENT_CLOSED, "the session stays open");
        if (event.kind == NP_SESSION_EVENT_MESSAGE) {
            bench_require(trade_dispatch(&handlers, NULL, &in, NULL) == NP_OK, "it dispatches");
        }
    }
    np_session_park(s);
    return len;
}

/* What one has to say goes to the other. */
static void shuttle(np_session *from, np_session *to)
{
    struct iovec iov[8];
    size_t count = np_session_output(from, iov, 8, now);
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < iov[i].iov_len;) {
            at += read_piece(to, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at);
        }
        total += iov[i].iov_len;
    }
    np_session_output_done(from, total, now);
}

void bench_session_start(void)
{
    np_pool_init(&pool, NULL);
    options = np_session_options_default(&trade_protocol);
    bench_require(np_session_init(&client, &options, &pool, NP_SESSION_CLIENT, now) == NP_OK &&
                      np_session_init(&server, &options, &pool, NP_SESSION_SERVER, now) == NP_OK,
                  "sessions start");
    shuttle(&client, &server);
    shuttle(&server, &client);
    bench_require(np_session_is_open(&server), "the session opens");
}

void bench_session_receive(const uint8_t *data, const uint16_t *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t left = pieces[i]; left > 0;) {
            size_t taken = read_piece(&server, data, left);
            data += taken;
            left -= taken;
        }
    }
}
