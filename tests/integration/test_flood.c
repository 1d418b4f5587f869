/* A thousand strangers at once (fewer under a sanitizer): who says nothing, who asks and never
 * reads, who comes and goes. The daemon's memory stays bounded, they are given up in time, and
 * others are served.
 *
 * The strangers live in a process of their own, so that only the daemon's memory counts. */
#include "support/demo_service.h"
#include "service/conn_private.h"
#include "transport/listener.h"

#include <errno.h>
#include <malloc.h>
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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

#ifdef UNDER_SANITIZER
enum { STRANGERS = 250 };
#else
enum { STRANGERS = 1000 };
#endif

enum { SAY_LEN = 2000, MEMORY_MAX = 16 * STRANGERS << 10 };

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    pid_t child;
    int to_child, from_child;
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

/* A daemon, and the strangers, who wait for the word to begin. */
static void start(world *w, stranger_fn *strangers)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    int down[2];
    int up[2];

    loop_options.memory_max = MEMORY_MAX;
    options.handlers.on_open = on_open;
    options.connections_per_source_max = 0;
    options.half_open_per_source_max = 0;
    options.handshake_rate_per_source_max = 0;
    options.conn.hello_timeout_ms = 1000;
    options.conn.stall_timeout_ms = 100;
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

static void run_until_gone(world *w)
{
    for (int i = 0; i < 2000 && np_daemon_connections(w->daemon) > 0; i++) {
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

static void test_silent_strangers(void **state)
{
    world w;
    size_t before = 0;
    size_t each = 0;

    (void)state;
    start(&w, be_silent);
    before = live_heap();
    for (int i = 0; i < 1000 && np_daemon_connections(w.daemon) < STRANGERS; i++) {
        demo_rest(w.loop, 1);
    }
    assert_int_equal(np_daemon_connections(w.daemon), STRANGERS);
    each = (live_heap() - before) / STRANGERS;
    assert_int_equal(np__loop_pool(w.loop)->live, 0); /* no buffer for who says nothing */
#ifndef UNDER_SANITIZER
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

static void test_a_thousand_that_never_read(void **state)
{
    world w;
    const np_pool *pool = NULL;

    (void)state;
    start(&w, ask_and_never_read);
    pool = np__loop_pool(w.loop);
    for (int i = 0; i < 5000 && pool->live < MEMORY_MAX / 2; i++) {
        demo_rest(w.loop, 1);
    }
    assert_true(pool->live_peak >= MEMORY_MAX / 2); /* it is an attack */
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

/* Newcomers without end do not keep those who are there from being served. */
static void test_a_flood_of_newcomers(void **state)
{
    np_client *client = NULL;
    np_client_options options;
    demo_find find = {9};
    world w;
    uint64_t worst = 0;

    (void)state;
    start(&w, come_and_go);
    options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    demo_must(np_client_new(&client, w.loop, &options, NULL), NULL);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    demo_rest(w.loop, 100);
    for (int i = 0; i < 200; i++) {
        uint64_t before = np_loop_now(w.loop).mono_ms;
        uint64_t took = 0;
        demo_must(np_client_call_wait(client, demo_message_find, &find, take, NULL, NULL),
                  np_client_failure(client));
        took = np_loop_now(w.loop).mono_ms - before;
        worst = took > worst ? took : worst;
    }
    assert_in_range(worst, 0, 1000);
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
