/* What a daemon makes of clock_skew_ms and handshakes_kept: handshakes of a client whose clock and
 * whose randomness the test chooses, over a real socket. The other fields of np_security are in
 * test_secure.c.
 *
 * Whoever repeats recorded bytes gets nowhere before any cache is asked, since the daemon's
 * ephemeral key is a new one. So the client here is one that makes the same handshake again: it
 * draws the same nonce, and goes on in earnest. */
#include "support/option_world.h"

#include "protocol/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS 86400000

static np_keypair keys[2]; /* the client's, the daemon's */

static void start_daemon(option_world *w)
{
    option_world_init(w);
    w->daemon_options.security = np_security_default();
    w->daemon_options.security.identity = &keys[1];
    w->daemon_options.security.anyone = true;
}

/* The client's randomness: the same from the same seed. */
static void fill_seeded(void *user, uint8_t *out, size_t len)
{
    uint64_t *seed = user;

    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*seed >> 56);
    }
}

static void flush(np_session *s, int fd, np_time now)
{
    struct iovec iov[8];
    size_t count = np_session_output(s, iov, 8, now);
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (send(fd, iov[i].iov_base, iov[i].iov_len, MSG_NOSIGNAL) >= 0) {
            total += iov[i].iov_len;
        }
    }
    np_session_output_done(s, total, now);
}

/* Takes what has come; true once the session is open or at its end. */
static bool listen_to(np_session *s, int fd, np_time now, np_err *err)
{
    uint8_t bytes[4096];
    np_session_event event;
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    bool settled = false;

    if (got > 0) {
        np_session_recv(s, bytes, (size_t)got, now);
    } else if (got == 0) {
        np_session_recv_end(s, now);
    } else if (errno != EAGAIN) {
        np_session_lost(s, NP_ERR_RESET, now);
    }
    while (np_session_next_event(s, &event)) {
        if (event.kind == NP_SESSION_EVENT_PEER_KEY) {
            np_session_trust(s, true, NULL);
        } else if (event.kind == NP_SESSION_EVENT_OPEN) {
            *err = NP_OK;
            settled = true;
        } else if (event.kind == NP_SESSION_EVENT_CLOSED) {
            *err = event.err;
            settled = true;
        }
    }
    np_session_park(s);
    return settled;
}

/* One handshake by a client whose clock is off by clock_ms, with what randomness makes of seed.
 * Returns what came of it. */
static np_err shake_hands(option_world *w, int64_t clock_ms, uint64_t seed)
{
    const np_session_security security = {.identity = &keys[0], .rng = {fill_seeded, &seed}};
    np_session_options options = np_session_options_default(&demo_protocol);
    np_time now = np_loop_now(w->loop);
    np_err err = NP_ERR_DEADLINE;
    np_session s;
    np_pool pool;
    int fd = demo_raw_connect(np_daemon_address(w->daemon, 0));

    options.security = &security;
    np_pool_init(&pool, NULL);
    now.wall_ms = (uint64_t)((int64_t)now.wall_ms + clock_ms);
    demo_must(np_session_init(&s, &options, &pool, NP_SESSION_CLIENT, now), NULL);
    for (int i = 0; i < 2000; i++) {
        flush(&s, fd, now);
        demo_rest(w->loop, 1);
        if (listen_to(&s, fd, now, &err)) {
            break;
        }
    }
    np_session_fini(&s);
    np_pool_fini(&pool);
    (void)close(fd);
    demo_rest(w->loop, 2);
    return err;
}

static void test_clock_skew(void **state)
{
    /* Two seconds of what is left to either side are for a machine that is busy. */
    static const struct {
        bool set;
        uint32_t skew_ms;
        int32_t clock_ms;
        np_err err;
    } cases[] = {
        {false, 0, 0, NP_OK},
        {false, 0, 3000, NP_OK}, /* the default of 5 s */
        {false, 0, -3000, NP_OK},
        {false, 0, 9000, NP_ERR_CLOCK},
        {false, 0, -7000, NP_ERR_CLOCK},
        {true, 3000, 500, NP_OK}, /* less than that */
        {true, 2000, 4500, NP_ERR_CLOCK},
        {true, 2000, -4500, NP_ERR_CLOCK},
        {true, 60000, 50000, NP_OK}, /* more */
        {true, 60000, -50000, NP_OK},
        {true, 60000, 70000, NP_ERR_CLOCK},
        {true, 0, DAY_MS, NP_OK}, /* any */
        {true, 0, -DAY_MS, NP_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        option_world w;
        np_err err = NP_OK;

        start_daemon(&w);
        if (cases[i].set) {
            w.daemon_options.security.clock_skew_ms = cases[i].skew_ms;
        }
        option_world_listen(&w);
        err = shake_hands(&w, cases[i].clock_ms, i);
        if (err != cases[i].err) {
            fail_msg("case %zu: %s", i, np_err_name(err));
        }
        assert_int_equal(w.server.opened, err == NP_OK);
        option_world_fini(&w);
    }
}

static void expect(option_world *w, uint64_t seed, np_err want)
{
    w->server.opened = false;
    assert_int_equal(shake_hands(w, 0, seed), want);
    assert_int_equal(w->server.opened, want == NP_OK);
}

/* A handshake that was accepted is not accepted again, while it is remembered: the last N are. */
static void test_handshakes_kept(void **state)
{
    option_world w;

    (void)state;
    start_daemon(&w);
    w.daemon_options.security.handshakes_kept = 3;
    option_world_listen(&w);
    expect(&w, 1, NP_OK);
    expect(&w, 1, NP_ERR_REFUSED);
    expect(&w, 2, NP_OK);
    expect(&w, 3, NP_OK);
    expect(&w, 1, NP_ERR_REFUSED); /* the third of three */
    expect(&w, 2, NP_ERR_REFUSED);
    expect(&w, 4, NP_OK);
    expect(&w, 1, NP_OK); /* forgotten */
    expect(&w, 3, NP_ERR_REFUSED);
    option_world_fini(&w);

    start_daemon(&w); /* the default is more than a handful */
    option_world_listen(&w);
    for (uint64_t seed = 1; seed < 40; seed++) {
        expect(&w, seed, NP_OK);
    }
    expect(&w, 1, NP_ERR_REFUSED);
    option_world_fini(&w);

    start_daemon(&w);
    w.daemon_options.security.handshakes_kept = 0;
    option_world_listen(&w);
    expect(&w, 1, NP_OK);
    expect(&w, 1, NP_OK);
    option_world_fini(&w);
}

/* All connections of a daemon share what it remembers; what is remembered is the key and the nonce
 * together, so that nobody can use up another's. */
static void test_handshakes_of_two_clients(void **state)
{
    const np_keypair first = keys[0];
    const np_rng rng = np_loop_rng();
    option_world w;

    (void)state;
    start_daemon(&w);
    option_world_listen(&w);
    expect(&w, 1, NP_OK);
    demo_must(np_keypair_make(&keys[0], &rng), NULL);
    expect(&w, 1, NP_OK);
    expect(&w, 1, NP_ERR_REFUSED);
    keys[0] = first;
    expect(&w, 1, NP_ERR_REFUSED);
    option_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_skew),
        cmocka_unit_test(test_handshakes_kept),
        cmocka_unit_test(test_handshakes_of_two_clients),
    };
    const np_rng rng = np_loop_rng();

    if (np_keypair_make(&keys[0], &rng) != NP_OK || np_keypair_make(&keys[1], &rng) != NP_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
