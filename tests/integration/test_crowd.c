/* A daemon under 1,000 clients at once, half of them hostile: the good ones are answered without
 * an error, and the daemon's live heap returns to where it was, to the byte.
 *
 * The clients live in another process, so that only the daemon's own memory counts: live bytes of
 * malloc, not pages.
 */
#include "support/demo_service.h"
#include "support/live_heap.h"
#include "support/sanitized.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if TEST_SANITIZED
enum { GOOD = 150, BAD = 150 };
#else
enum { GOOD = 500, BAD = 500 };
#endif

enum { ROUNDS = 20, PAYLOAD = 100, CROWDS = 3 };

/* The good ones ---------------------------------------------------------------------------------
 */

typedef struct crowd crowd;

typedef struct good {
    crowd *all;
    np_client *client;
    int rounds;
} good;

struct crowd {
    good members[GOOD];
    size_t closed;
    bool done;
    const char *trouble; /* the first thing that went wrong */
    char text[600];
};

static void trouble(crowd *c, const char *what, const np_failure *failure)
{
    if (c->trouble == NULL) {
        (void)snprintf(c->text, sizeof c->text, "%s: %s", what,
                       failure != NULL ? failure->text : "");
        c->trouble = c->text;
    }
    c->done = true;
}

static void say(good *g)
{
    uint8_t data[PAYLOAD];
    demo_say msg = {.data = {data, sizeof data}};

    memset(data, g->rounds, sizeof data);
    if (np_client_send(g->client, demo_message_say, &msg, NULL) != NP_OK) {
        trouble(g->all, "send", NULL);
    }
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    good *g = user;

    (void)conn;
    if (msg->data.len != PAYLOAD || msg->data.data[0] != (uint8_t)g->rounds) {
        trouble(g->all, "a wrong answer", NULL);
    } else if (++g->rounds < ROUNDS) {
        say(g);
    } else {
        np_client_close(g->client);
    }
    return NP_OK;
}

static void on_open(np_conn *conn, void *user)
{
    (void)conn;
    say(user);
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    good *g = user;

    (void)conn;
    if (failure->err != NP_OK) {
        trouble(g->all, "closed", failure);
    }
    if (++g->all->closed == GOOD) {
        g->all->done = true;
    }
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    (void)client;
    trouble(((good *)user)->all, "could not connect", failure);
}

/* The others ------------------------------------------------------------------------------------
 */

/* What hostile clients do by turns; each leaves its connection open until the end. */
static void misbehave(int fd, int kind)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    uint8_t bytes[512];
    size_t hello = demo_raw_hello(bytes, sizeof bytes);
    uint8_t data[64] = {0};

    switch (kind % 7) {
    case 0: /* silence */
        return;
    case 1: /* another protocol */
        (void)send(fd, http, sizeof http - 1, MSG_NOSIGNAL);
        return;
    case 2: /* a hello that stops in its middle */
        (void)send(fd, bytes, hello / 2, MSG_NOSIGNAL);
        return;
    case 3: /* a frame that is cut, then the end */
        hello += demo_raw_say(bytes + hello, sizeof bytes - hello, data, sizeof data);
        (void)send(fd, bytes, hello - 20, MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        return;
    case 4: /* garbage behind a good hello */
        memset(bytes + hello, 0xA5, 100);
        (void)send(fd, bytes, hello + 100, MSG_NOSIGNAL);
        return;
    case 5: /* a length that is far too large */
        memcpy(bytes + hello, "\xDE\xAD\xBE\xEF\x01\x00\xFF\xFF\xFF\xFF", 10);
        (void)send(fd, bytes, hello + 10, MSG_NOSIGNAL);
        return;
    default: /* messages whose answers nobody takes */
        (void)send(fd, bytes, hello, MSG_NOSIGNAL);
        for (int i = 0; i < 50; i++) {
            size_t len = demo_raw_say(bytes, sizeof bytes, data, sizeof data);
            (void)send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        return;
    }
}

/* The clients' process: returns 0 if every good client got all its answers. */
static int be_the_crowd(const char *address)
{
    static crowd c;
    static int hostile[BAD];
    static demo_handlers handlers[GOOD];
    np_loop_options options = np_loop_options_default();
    np_loop *loop = NULL;

    if (np_loop_new(&loop, &options) != NP_OK) {
        return 2;
    }
    for (int i = 0; i < BAD; i++) {
        hostile[i] = demo_raw_connect(address);
        misbehave(hostile[i], i);
    }
    for (int i = 0; i < GOOD; i++) {
        good *g = &c.members[i];
        handlers[i] = (demo_handlers){.on_say = on_say, .user = g};
        np_client_options client = demo_client_options(&handlers[i], address);
        client.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = g};
        client.on_failed = on_failed;
        client.user = g;
        g->all = &c;
        if (np_client_new(&g->client, loop, &client, NULL) != NP_OK ||
            np_client_connect(g->client) != NP_OK) {
            return 2;
        }
    }
    np_err err = np_loop_run_until(loop, &c.done, 60000);
    if (err != NP_OK || c.trouble != NULL) {
        fprintf(stderr, "%s; %s; %zu of %d done\n", np_err_name(err),
                c.trouble != NULL ? c.trouble : "", c.closed, (int)GOOD);
        return 1;
    }
    for (int i = 0; i < GOOD; i++) {
        np_client_free(c.members[i].client);
    }
    np_loop_free(loop);
    for (int i = 0; i < BAD; i++) {
        close(hostile[i]);
    }
    return 0;
}

/* The test --------------------------------------------------------------------------------------
 */

static np_loop *loop;
static np_daemon *daemon_;
static size_t most; /* connections at once */

static void start_daemon(void)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    np_failure failure;

    options.connections_per_source_max = 0;
    options.half_open_per_source_max = 0;
    options.handshake_rate_per_source_max = 0;
    options.handshake_rate_max = 0;
    demo_must(np_loop_new(&loop, &loop_options), NULL);
    demo_must(np_daemon_start(&daemon_, loop, &options, &failure), &failure);
}

/* Runs the daemon while a crowd is there; returns the crowd's exit code. */
static int serve_a_crowd(void)
{
    char address[128];
    int status = 0;

    (void)snprintf(address, sizeof address, "%s", np_daemon_address(daemon_, 0));
    fflush(NULL);
    pid_t crowd_pid = fork();
    assert_true(crowd_pid >= 0);
    if (crowd_pid == 0) {
        _exit(be_the_crowd(address));
    }
    for (int i = 0; i < 7000 && waitpid(crowd_pid, &status, WNOHANG) == 0; i++) {
        demo_rest(loop, 10);
        if (np_daemon_connections(daemon_) > most) {
            most = np_daemon_connections(daemon_);
        }
    }
    for (int i = 0; i < 1000 && np_daemon_connections(daemon_) > 0; i++) {
        demo_rest(loop, 10);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As many connections at once as a crowd can have, so that the tables that grow with that have
 * grown before anything is measured. */
static void fill_the_tables(void)
{
    static int fds[GOOD + BAD];

    for (size_t i = 0; i < GOOD + BAD; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(daemon_, 0));
        if (i % 100 == 0) {
            demo_rest(loop, 1);
        }
    }
    for (int i = 0; i < 1000 && np_daemon_connections(daemon_) < GOOD + BAD; i++) {
        demo_rest(loop, 10);
    }
    assert_int_equal(np_daemon_connections(daemon_), GOOD + BAD);
    for (size_t i = 0; i < GOOD + BAD; i++) {
        assert_int_equal(send(fds[i], "\xDE", 1, MSG_NOSIGNAL), 1);
    }
    demo_rest(loop, 10);
    for (size_t i = 0; i < GOOD + BAD; i++) {
        (void)close(fds[i]);
    }
}

static void test_crowd(void **state)
{
    size_t before = 0;

    (void)state;
    start_daemon();
    fill_the_tables();
    /* The first crowd is for what is allocated once. After that not a byte may be left of anybody:
     * neither of the good ones, nor of any kind of the others. */
    for (int i = 0; i <= CROWDS; i++) {
        size_t heap = 0;

        assert_int_equal(serve_a_crowd(), 0);
        assert_int_equal(np_daemon_connections(daemon_), 0);
        heap = live_heap(loop);
        if (i > 0 && heap != before) {
            fail_msg("the live heap went from %zu to %zu bytes", before, heap);
        }
        before = heap;
    }
    printf("%zu connections at once, live heap %zu bytes\n", most, before);
    assert_true(most > BAD);
    np_daemon_free(daemon_);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crowd)};
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 2 * (GOOD + BAD) + 64) {
        printf("SKIPPED: only %zu descriptors allowed\n", (size_t)files.rlim_cur);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
