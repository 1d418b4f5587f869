/* cover_netproto.c - a client's secure sessions; see cover.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <trade.h>

#include "core/framing.h"
#include "protocol/session.h"

#include "cover.h"

/* All that sessions of a process share. */
typedef struct common {
    np_pool pool;
    np_keypair keys;
    np_session_security security;
    np_session_options options;
    bool made;
} common;

typedef struct client {
    np_session session;
    bool open;
} client;

static void fill_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    randombytes_buf(out, len);
}

static common *get_common(void)
{
    static common c;

    if (!c.made) {
        bench_require(sodium_init() >= 0, "libsodium");
        np_pool_init(&c.pool, NULL);
        c.security.rng = (np_rng){fill_random, NULL};
        c.security.identity = &c.keys;
        c.security.ciphers[c.security.cipher_count++] = NP_CIPHER_XCHACHA20_POLY1305;
        if (np_crypto_has_aes()) {
            c.security.ciphers[c.security.cipher_count++] = NP_CIPHER_AES_256_GCM;
        }
        bench_require(np_keypair_make(&c.keys, &c.security.rng) == NP_OK, "a key is made");
        c.options = np_session_options_default(&trade_protocol);
        c.options.security = &c.security;
        c.made = true;
    }
    return &c;
}

/* The server wants to see a clock that is right; nothing here waits for a deadline. */
static np_time now(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    uint64_t ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
    return (np_time){ms, ms};
}

static void *open_session(void)
{
    common *all = get_common();
    client *c = calloc(1, sizeof *c);

    bench_require(c != NULL && np_session_init(&c->session, &all->options, &all->pool,
                                               NP_SESSION_CLIENT, now()) == NP_OK,
                  "a session starts");
    return c;
}

static void close_session(void *session)
{
    client *c = session;

    np_session_fini(&c->session);
    free(c);
}

static bool is_ready(const void *session)
{
    const client *c = session;

    return c->open;
}

static size_t wrap(void *session, const uint8_t *plain, size_t len, uint8_t *wire)
{
    np_session *s = &((client *)session)->session;
    struct iovec iov[16];
    uint32_t payload_len = 0;
    size_t sent = 0;

    for (size_t at = 0; at < len; at += NP_FRAMING_HEADER_LEN + payload_len) {
        const uint8_t *payload = plain + at + NP_FRAMING_HEADER_LEN;
        bench_require(
            np_framing_is_plain(plain + at, len - at, LOAD_BYTES_MAX, &payload_len) &&
                np_session_send_encoded(s, np_protocol_message(&base_protocol, np_get_u32(payload)),
                                        payload, payload_len, NULL) == NP_OK,
            "a message is sent");
    }
    size_t count = np_session_output(s, iov, 16, now());
    for (size_t i = 0; i < count; i++) {
        bench_require(iov[i].iov_len <= LOAD_WIRE_MAX - sent, "room for what is sent");
        memcpy(wire + sent, iov[i].iov_base, iov[i].iov_len);
        sent += iov[i].iov_len;
    }
    np_session_output_done(s, sent, now());
    return sent;
}

/* What the events say, as frames in the clear, of at most `room` bytes. */
static size_t take_events(client *c, uint8_t *plain, size_t room)
{
    np_session_event event;
    uint8_t *p = plain;

    while (np_session_next_event(&c->session, &event)) {
        switch (event.kind) {
        case NP_SESSION_EVENT_PEER_KEY:
            np_session_trust(&c->session, true, NULL);
            break;
        case NP_SESSION_EVENT_OPEN:
            c->open = true;
            break;
        case NP_SESSION_EVENT_MESSAGE:
            bench_require(NP_FRAMING_HEADER_LEN + event.len <= room - (size_t)(p - plain),
                          "room for what came");
            p = np_framing_put_plain(p, (uint32_t)event.len);
            memcpy(p, event.payload, event.len);
            p += event.len;
            break;
        default:
            bench_require(false, "the session lives, and only echoes come");
        }
    }
    return (size_t)(p - plain);
}

static size_t unwrap(void *session, uint8_t *wire, size_t len, uint8_t *plain)
{
    client *c = session;
    size_t got = 0;

    for (size_t at = 0; at < len;) {
        uint8_t *place = NULL;
        size_t n = 0;
        np_want want = np_session_want(&c->session, &place, &n);

        bench_require(want != NP_WANT_NOTHING, "the session reads on");
        if (want == NP_WANT_PLACE) {
            n = n < len - at ? n : len - at;
            memcpy(place, wire + at, n);
        } else {
            n = len - at;
            place = wire + at;
        }
        np_session_recv(&c->session, place, n, now());
        got += take_events(c, plain + got, LOAD_WIRE_MAX - got);
        np_session_park(&c->session);
        at += n;
    }
    return got;
}

const load_cover cover_netproto = {open_session, close_session, is_ready, wrap, unwrap};
