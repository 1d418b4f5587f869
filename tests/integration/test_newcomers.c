/* 64 sources do what they can to keep newcomers out of a daemon with its default limits per source,
 * and one more, who is none of them, gets in each time: connections that come and go, handshakes
 * without end, handshakes that are never ended, and open connections that stay.
 *
 * The 64 live in a process of their own. All of 127.0.0.0/8 is this machine. */
#include "service/conn_private.h"
#include "support/blocking_peer.h"
#include "support/demo_service.h"
#include "support/sanitized.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOURCES = 64, FIRST_SOURCE = 0x7F000401, GOOD_SOURCE = 0x7F000501, GOOD = 30, PLACES = 384 };

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_keypair daemon_keys, good_keys;
    uint16_t port;
    pid_t child;
    int ready[2]; /* a byte comes when all of the 64 have done what they do once */
    size_t closed_for_others, lost;
    bool secure;
} world;

typedef void attack_fn(const world *w);

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;
    np_peer peer;

    np_conn_peer(conn, &peer);
    if (failure->err == NP_ERR_BUSY) {
        w->closed_for_others++;
        w->lost += peer.has_key && memcmp(peer.key, w->good_keys.public_key, NP_KEY_LEN) == 0;
        assert_string_equal(failure->fault.where, "connections_max");
        assert_non_null(strstr(failure->text, "local: connections_max: who has most gives way"));
    }
}

static void start(world *w, attack_fn *attack, bool secure, void (*change)(np_daemon_options *))
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);

    memset(w, 0, sizeof *w);
    w->secure = secure;
    assert_int_equal(np_keypair_generate(&w->daemon_keys), NP_OK);
    assert_int_equal(np_keypair_generate(&w->good_keys), NP_OK);
    if (secure) {
        options.security = np_security_default();
        options.security.identity = &w->daemon_keys;
        options.security.keys = w->good_keys.public_key;
        options.security.key_count = 1;
        options.security.anyone = true;
    }
    options.handlers.on_close = on_close;
    options.handlers.user = w;
    if (change != NULL) {
        change(&options);
    }
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
    w->port = blocking_port(np_daemon_address(w->daemon, 0));
    assert_int_equal(pipe(w->ready), 0);
    w->child = fork();
    if (w->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        attack(w);
        _exit(0);
    }
    assert_true(w->child > 0);
    (void)close(w->ready[1]);
}

static void end(world *w)
{
    int status = 0;

    (void)kill(w->child, SIGKILL);
    assert_int_equal(waitpid(w->child, &status, 0), w->child);
    assert_true(WIFSIGNALED(status)); /* else it has given up by itself */
    (void)close(w->ready[0]);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static void await_attack(world *w)
{
    for (int ms = 0;; ms++) {
        struct timeval none = {0, 0};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(w->ready[0], &set);
        if (select(w->ready[0] + 1, &set, NULL, NULL, &none) == 1) {
            return;
        }
        assert_true(ms < 60000);
        demo_rest(w->loop, 1);
    }
}

/* Newcomers, each from an address of its own, one after the other, who all stay for a while.
 * Returns how many were refused, or turned out again. */
static int be_good(const world *w)
{
    static blocking_peer peers[GOOD];
    int refused = 0;

    for (uint32_t i = 0; i < GOOD; i++) {
        if (!blocking_open(&peers[i], w->port, GOOD_SOURCE + i, w->secure ? &w->good_keys : NULL,
                           NP_COMPRESSION_NONE)) {
            refused++;
        }
        (void)usleep(10000);
    }
    for (int i = 0; i < GOOD; i++) {
        refused += peers[i].open && !blocking_poll(&peers[i]);
    }
    return refused;
}

static void expect_let_in(world *w)
{
    int status = 0;
    pid_t ended = 0;
    pid_t good = fork();

    if (good == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(be_good(w));
    }
    assert_true(good > 0);
    for (int ms = 0; ended == 0; ms++) {
        assert_true(ms < 60000);
        demo_rest(w->loop, 1);
        ended = waitpid(good, &status, WNOHANG);
    }
    assert_int_equal(ended, good);
    assert_true(WIFEXITED(status));
    print_message("%d of %d newcomers lost, %zu open connections gave way\n", WEXITSTATUS(status),
                  GOOD, w->closed_for_others);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(w->lost, 0);
}

static int come(const world *w, uint32_t source)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    const struct linger reset = {1, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        abort();
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(w->port);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* no TIME_WAIT */
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Coming and going -------------------------------------------------------------------------- */

static void come_and_go(const world *w)
{
    for (uint32_t i = 0;; i++) {
        int fd = come(w, FIRST_SOURCE + i % SOURCES);
        if (fd >= 0) {
            (void)close(fd);
        }
        if (i == 5000) {
            (void)!write(w->ready[1], "", 1);
        }
    }
}

static void test_connections_without_a_word(void **state)
{
    world w;

    (void)state;
    start(&w, come_and_go, true, NULL);
    await_attack(&w);
    expect_let_in(&w);
    end(&w);
}

/* Handshakes -------------------------------------------------------------------------------- */

/* A first message, as good as any. */
static size_t first_words(uint8_t *out, size_t cap)
{
    np_keypair keys;
    np_session_security security = {.identity = &keys, .rng = np_loop_rng()};
    np_session_options options = np_session_options_default(&demo_protocol);
    struct timespec ts;
    np_session session;
    np_pool pool;
    np_time now = {1, 0};
    struct iovec iov[8];
    size_t count = 0;
    size_t len = 0;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    now.wall_ms = (uint64_t)ts.tv_sec * 1000;
    options.security = &security;
    np_pool_init(&pool, NULL);
    if (np_keypair_generate(&keys) != NP_OK ||
        np_session_init(&session, &options, &pool, NP_SESSION_CLIENT, now) != NP_OK) {
        abort();
    }
    count = np_session_output(&session, iov, 8, now);
    for (size_t i = 0; i < count && len + iov[i].iov_len <= cap; i++) {
        memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    np_session_fini(&session);
    np_pool_fini(&pool);
    return len;
}

/* As many as can be, each of which is given up as soon as it is answered. */
static void ask_and_go(const world *w)
{
    uint8_t words[1024];
    uint8_t answer[16];
    size_t len = 0;

    for (uint32_t i = 0;; i++) {
        int fd = -1;
        if (i % 1000 == 0) { /* the clock in it must be about right */
            len = first_words(words, sizeof words);
        }
        fd = come(w, FIRST_SOURCE + i % SOURCES);
        if (fd >= 0) {
            (void)send(fd, words, len, MSG_NOSIGNAL);
            if (i % 16 == 0) {
                (void)!recv(fd, answer, sizeof answer, 0); /* no faster than they are taken in */
            }
            (void)close(fd);
        }
        if (i == 10000) {
            (void)!write(w->ready[1], "", 1);
        }
    }
}

/* So that the 64 could have all there are. */
static void few_handshakes(np_daemon_options *options)
{
    options->handshake_rate_max = 400;
    options->handshake_rate_per_source_max = 40;
}

static void test_handshakes_without_end(void **state)
{
    world w;

    (void)state;
    start(&w, ask_and_go, true, few_handshakes);
    await_attack(&w);
    expect_let_in(&w);
    end(&w);
}

/* Staying ----------------------------------------------------------------------------------- */

/* Twice as many as there are places, and again wherever one was closed. */
static void stay_half_open(const world *w)
{
    static int fds[2 * PLACES];
    uint8_t words[1024];
    uint8_t answer[1024];
    size_t len = 0;

    memset(fds, 0xFF, sizeof fds);
    for (uint32_t round = 0;; round++) {
        len = first_words(words, sizeof words);
        for (uint32_t i = 0; i < 2 * PLACES; i++) {
            if (fds[i] >= 0) {
                ssize_t got = recv(fds[i], answer, sizeof answer, MSG_DONTWAIT);
                if (got > 0 || (got < 0 && errno == EAGAIN)) {
                    continue;
                }
                (void)close(fds[i]);
            }
            fds[i] = come(w, FIRST_SOURCE + i % SOURCES);
            if (fds[i] >= 0 && i % 2 == 0) { /* some say not even a word */
                (void)send(fds[i], words, len, MSG_NOSIGNAL);
            }
        }
        if (round == 3) {
            (void)!write(w->ready[1], "", 1);
        }
        (void)usleep(1000);
    }
}

static void few_strangers(np_daemon_options *options)
{
    options->half_open_max = PLACES;
    options->handshake_rate_max = 0;
    options->handshake_rate_per_source_max = 0;
}

static void test_handshakes_that_never_end(void **state)
{
    world w;

    (void)state;
    start(&w, stay_half_open, true, few_strangers);
    await_attack(&w);
    expect_let_in(&w);
    end(&w);
}

/* Open connections of keys that were made for it, or in the clear: they answer each Ping. */
static void stay_open(const world *w)
{
    static blocking_peer peers[PLACES + PLACES / 2];
    np_keypair keys;

    for (uint32_t round = 0;; round++) {
        for (uint32_t i = 0; i < PLACES + PLACES / 2; i++) {
            if (round > 0 && peers[i].fd >= 0 && blocking_poll(&peers[i])) {
                continue;
            }
            if (round > 0) {
                blocking_fini(&peers[i]);
            }
            if (np_keypair_generate(&keys) != NP_OK) {
                abort();
            }
            (void)blocking_open(&peers[i], w->port, FIRST_SOURCE + i % SOURCES,
                                w->secure ? &keys : NULL, NP_COMPRESSION_NONE);
        }
        if (round == 1) {
            (void)!write(w->ready[1], "", 1);
        }
        (void)usleep(1000);
    }
}

static void few_places(np_daemon_options *options)
{
    options->connections_max = PLACES;
    options->handshake_rate_max = 0;
    options->handshake_rate_per_source_max = 0;
}

static void test_connections_that_stay(void **state)
{
    world w;

    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        start(&w, stay_open, secure != 0, few_places);
        await_attack(&w);
        expect_let_in(&w);
        assert_true(w.closed_for_others > 0);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_without_a_word),
        cmocka_unit_test(test_handshakes_without_end),
        cmocka_unit_test(test_handshakes_that_never_end),
        cmocka_unit_test(test_connections_that_stay),
    };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 3 * PLACES) {
        (void)fprintf(stderr, "too few files may be open here (ulimit -n)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
