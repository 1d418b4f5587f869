/* A thousand strangers at once (fewer under a sanitizer): who says nothing, who asks and never
 * reads, who comes and goes. The daemon's memory stays bounded, they are given up in time, and
 * others are served.
 *
 * The strangers live in a process of their own, so that only the daemon's memory counts.
 *
 * Nothing here is measured in seconds, since a machine may have other things to do. A scene that
 * needs all strangers at once is played again with twice the patience where the first of them were
 * given up before the last had come. */
#include "support/sanitized.h"
#include "support/demo_service.h"
#include "service/conn_private.h"
#include "transport/listener.h"

#include <errno.h>
#include <malloc.h>
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
enum { STRANGERS = 250 };
#else
enum { STRANGERS = 1000 };
#endif

enum { SAY_LEN = 2000, MEMORY_MAX = 16 * STRANGERS << 10 };

/* How long a daemon bears strangers, at first and at most. */
enum { PATIENCE_MS = 1000, PATIENCE_MAX_MS = 16 * PATIENCE_MS };

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    pid_t child;
    int to_child, from_child;
    np_log log;
    size_t gone; /* connections that have ended */
} world;

typedef void stranger_fn(const char *address, int to_parent, int from_parent);

/* What the kernel buffers is not what is tested here, and takes long to fill. */
static void make_small(int fd, int option)
{
    const int len = 4096;

    (void)setsockopt(fd, SOL_SOCKET, option, &len, sizeof len);
}

static void on_open(np_conn *conn, void *user)
{
    (void)user;
    make_small(conn->link.stream.fd, SO_SNDBUF);
}

static void on_log(void *user, const np_log_event *event)
{
    world *w = user;

    w->gone += strcmp(event->name, "conn.closed") == 0 || strcmp(event->name, "conn.failed") == 0;
}

/* A daemon, and the strangers. */
static void start(world *w, stranger_fn *strangers, uint32_t patience_ms)
{
    const np_log_options log_options = {.level = NP_LOG_INFO}; /* all of them */
    const np_log_sink sink = {on_log, w};
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    int down[2];
    int up[2];

    w->gone = 0;
    np_log_init(&w->log, &sink, &log_options);
    loop_options.log = &w->log;
    loop_options.memory_max = MEMORY_MAX;
    options.handlers.on_open = on_open;
    options.connections_per_source_max = 0;
    options.half_open_per_source_max = 0;
    options.handshake_rate_per_source_max = 0;
    options.conn.hello_timeout_ms = patience_ms;
    options.conn.stall_timeout_ms = patience_ms / 10;
    options.conn.close_timeout_ms = 100;
    demo_must(np_loop_new(&w->loop, &loop_options), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    w->child = fork();
    if (w->child == 0) {
        (void)close(down[1]);
        (void)close(up[0]);
        strangers(np_daemon_address(w->daemon, 0), up[1], down[0]);
        _exit(0);
    }
    (void)close(down[0]);
    (void)close(up[1]);
    w->to_child = down[1];
    w->from_child = up[0];
}

static void end(world *w)
{
    int status = 0;

    (void)close(w->to_child);
    (void)close(w->from_child);
    (void)kill(w->child, SIGKILL);
    assert_int_equal(waitpid(w->child, &status, 0), w->child);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static np_err take(const void *payload, size_t len, uint32_t version, void *user, np_fault *fault)
{
    demo_say found;

    (void)user;
    return demo_read_found(payload, len, version, &found, fault);
}

/* A polite client comes, asks, and is answered. */
static np_err ask_once(world *w)
{
    np_client_options options = demo_client_options(NULL, np_daemon_address(w->daemon, 0));
    np_client *client = NULL;
    demo_find find = {9};
    np_err err = NP_OK;

    demo_must(np_client_new(&client, w->loop, &options, NULL), NULL);
    err = np_client_call_wait(client, demo_message_find, &find, take, NULL, NULL);
    np_client_free(client);
    return err;
}

/* Whether the strangers have said that they have all come, or are no more. */
static bool have_come(const world *w)
{
    struct pollfd said = {.fd = w->from_child, .events = POLLIN};

    return poll(&said, 1, 0) == 1;
}

static void run_until_gone(world *w)
{
    for (int i = 0; i < 10000 && np_daemon_connections(w->daemon) > 0; i++) {
        demo_rest(w->loop, 10);
    }
    assert_int_equal(np_daemon_connections(w->daemon), 0);
}

/* Silence ---------------------------------------------------------------------------------- */

static void wait_for_end(int from_parent)
{
    uint8_t byte = 0;

    (void)!read(from_parent, &byte, 1);
}

static void be_silent(const char *address, int to_parent, int from_parent)
{
    for (int i = 0; i < STRANGERS; i++) {
        (void)demo_raw_connect(address);
    }
    (void)!write(to_parent, "", 1);
    wait_for_end(from_parent);
}

static size_t live_heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Until all are there; false if one is gone before. */
static bool are_all_there(world *w)
{
    while (w->gone == 0 && np_daemon_connections(w->daemon) < STRANGERS) {
        demo_rest(w->loop, 1);
    }
    return w->gone == 0;
}

static void test_silent_strangers(void **state)
{
    world w;
    size_t before = 0;
    size_t each = 0;
    bool there = false;

    (void)state;
    for (uint32_t ms = PATIENCE_MS; !there && ms <= PATIENCE_MAX_MS; ms *= 2) {
        start(&w, be_silent, ms);
        before = live_heap();
        there = are_all_there(&w);
        if (!there) {
            end(&w);
        }
    }
    assert_true(there);
    each = (live_heap() - before) / STRANGERS;
    assert_int_equal(np__loop_pool(w.loop)->live, 0); /* no buffer for who says nothing */
#if !TEST_SANITIZED
    assert_in_range(each, 100, 1024);
#endif
    (void)each;
    assert_int_equal(ask_once(&w), NP_OK);
    run_until_gone(&w);
    assert_int_equal(ask_once(&w), NP_OK);
    end(&w);
}

/* Asking without reading -------------------------------------------------------------------- */

static void ask_and_never_read(const char *address, int to_parent, int from_parent)
{
    static const uint8_t data[SAY_LEN];
    uint8_t hello[512];
    uint8_t frame[SAY_LEN + 64];
    size_t hello_len = demo_raw_hello(hello, sizeof hello);
    size_t len = demo_raw_say(frame, sizeof frame, data, SAY_LEN);
    int fds[STRANGERS];
    size_t at[STRANGERS];

    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = demo_raw_connect(address);
        at[i] = 0;
        make_small(fds[i], SO_RCVBUF);
        (void)!send(fds[i], hello, hello_len, MSG_NOSIGNAL);
    }
    (void)!write(to_parent, "", 1);
    for (int open = STRANGERS; open > 0;) {
        for (int i = 0; i < STRANGERS; i++) {
            ssize_t put = 0;
            while (fds[i] >= 0 && put >= 0) {
                put = send(fds[i], frame + at[i], len - at[i], MSG_NOSIGNAL | MSG_DONTWAIT);
                at[i] = put > 0 ? (at[i] + (size_t)put) % len : at[i];
                if (put < 0 && errno != EAGAIN) {
                    (void)close(fds[i]);
                    fds[i] = -1;
                    open--;
                }
            }
        }
    }
    (void)!write(to_parent, "", 1);
    wait_for_end(from_parent);
}

/* Until they take much memory; false if they are gone before that. */
static bool is_an_attack(world *w)
{
    const np_pool *pool = np__loop_pool(w->loop);

    while (pool->live < MEMORY_MAX / 2 &&
           !(have_come(w) && np_daemon_connections(w->daemon) == 0)) {
        demo_rest(w->loop, 1);
    }
    return pool->live_peak >= MEMORY_MAX / 2;
}

static void test_a_thousand_that_never_read(void **state)
{
    world w;
    const np_pool *pool = NULL;
    bool attack = false;

    (void)state;
    for (uint32_t ms = PATIENCE_MS; !attack && ms <= PATIENCE_MAX_MS; ms *= 2) {
        start(&w, ask_and_never_read, ms);
        attack = is_an_attack(&w);
        if (!attack) {
            end(&w);
        }
    }
    assert_true(attack);
    pool = np__loop_pool(w.loop);
    run_until_gone(&w);
    assert_true(pool->live_peak <= MEMORY_MAX);
    assert_int_equal(pool->live, 0);
    assert_int_equal(ask_once(&w), NP_OK);
    end(&w);
}

/* Coming and going -------------------------------------------------------------------------- */

static void come_and_go(const char *address, int to_parent, int from_parent)
{
    struct linger reset = {1, 0};

    (void)to_parent;
    (void)from_parent;
    for (;;) {
        int fd = demo_raw_connect(address);
        /* No TIME_WAIT, or the ports would run out. */
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        (void)close(fd);
    }
}

/* Newcomers without end do not keep those who are there from being served: while one is answered,
 * which takes a few turns of the loop, only as many come and go as those turns take in. */
static void test_a_flood_of_newcomers(void **state)
{
    np_client *client = NULL;
    np_client_options options;
    demo_find find = {9};
    world w;
    size_t worst = 0;

    (void)state;
    start(&w, come_and_go, PATIENCE_MAX_MS);
    options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    demo_must(np_client_new(&client, w.loop, &options, NULL), NULL);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    for (int i = 0; i < 10000 && w.gone < 100; i++) {
        demo_rest(w.loop, 1);
    }
    assert_true(w.gone >= 100);
    for (int i = 0; i < 200; i++) {
        size_t before = w.gone;
        demo_must(np_client_call_wait(client, demo_message_find, &find, take, NULL, NULL),
                  np_client_failure(client));
        worst = w.gone - before > worst ? w.gone - before : worst;
    }
    assert_in_range(worst, 0, 8 * NP_LISTENER_BUDGET);
    np_client_free(client);
    end(&w);
}

static void stop(np_loop *loop, void *user)
{
    (void)user;
    np_loop_stop(loop);
}

/* Of many who wait, each turn of the loop takes a few, so that the others have theirs. */
static void test_newcomers_are_taken_in_turns(void **state)
{
    enum { WAITING = 5 * NP_LISTENER_BUDGET };
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    int fds[WAITING];

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    for (int i = 0; i < WAITING; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(daemon, 0));
    }
    for (size_t turn = 1; turn <= 5; turn++) {
        demo_must(np_loop_post(loop, stop, NULL), NULL);
        demo_must(np_loop_run(loop), NULL); /* one turn */
        assert_int_equal(np_daemon_connections(daemon), turn * NP_LISTENER_BUDGET);
    }
    for (int i = 0; i < WAITING; i++) {
        (void)close(fds[i]);
    }
    np_daemon_free(daemon);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_strangers),
        cmocka_unit_test(test_a_thousand_that_never_read),
        cmocka_unit_test(test_a_flood_of_newcomers),
        cmocka_unit_test(test_newcomers_are_taken_in_turns),
    };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < STRANGERS + 100) {
        printf("SKIPPED: only %zu descriptors allowed\n", (size_t)files.rlim_cur);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
