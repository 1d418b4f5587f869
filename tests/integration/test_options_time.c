/* Every time in np_conn_options and np_client_options takes effect: what it bounds happens when it
 * has passed, neither sooner nor at the default's; and 0 switches it off.
 *
 * Each row of the table names an option, sets it, and waits for what it brings about. */
#include "support/option_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* What is set, and when it must have come. The least default is later, so that it cannot pass for
 * it. */
#define SET_MS 150
#define LATE_MS 4000

/* How long is waited for what an option switched off must not bring about. */
#define OFF_MS 500

typedef struct option_row {
    const char *name;
    void (*set)(option_world *w, uint32_t ms);
    /* Waits for what it brings about; false if that has not come in limit_ms. */
    bool (*wait)(option_world *w, uint32_t limit_ms);
} option_row;

/* The greeting -------------------------------------------------------------------------------- */

static void set_hello(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.hello_timeout_ms = ms;
}

/* A stranger that says nothing is told so. */
static bool wait_hello(option_world *w, uint32_t limit_ms)
{
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = demo_raw_connect(np_daemon_address(w->daemon, 0));
    came = option_world_until_readable(w, fd, limit_ms);
    (void)close(fd);
    return came;
}

/* Frames -------------------------------------------------------------------------------------- */

static void set_frame(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.frame_timeout_ms = ms;
}

static bool wait_frame(option_world *w, uint32_t limit_ms)
{
    uint8_t bytes[128];
    size_t len = demo_raw_say(bytes, sizeof bytes, "half of it", 10);
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    assert_int_equal(send(fd, bytes, len / 2, MSG_NOSIGNAL), (ssize_t)(len / 2));
    came = option_world_until_readable(w, fd, limit_ms);
    (void)close(fd);
    return came;
}

/* Peers that take nothing --------------------------------------------------------------------- */

static void set_stall(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.stall_timeout_ms = ms;
    w->daemon_options.conn.close_timeout_ms = 1;
    w->daemon_options.conn.queue_max = 2 * DEMO_DATA_MAX;
}

/* More than the system takes on its own. */
static bool wait_stall(option_world *w, uint32_t limit_ms)
{
    uint8_t *data = calloc(1, DEMO_DATA_MAX);
    demo_say say = {{data, DEMO_DATA_MAX}};
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    demo_must(np_conn_send(w->server.conn, demo_message_say, &say, NULL), NULL);
    free(data);
    came = option_world_until(w, &w->server.closed, limit_ms);
    assert_int_equal(w->server.failure.err, w->server.closed ? NP_ERR_DEADLINE : NP_OK);
    (void)close(fd);
    return came;
}

/* Ends ---------------------------------------------------------------------------------------- */

static void set_close(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.close_timeout_ms = ms;
}

/* A peer that does not say goodbye. */
static bool wait_close(option_world *w, uint32_t limit_ms)
{
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    np_conn_close(w->server.conn, NP_CONN_NO_REASON, NULL);
    came = option_world_until(w, &w->server.closed, limit_ms);
    (void)close(fd);
    return came;
}

static void set_fail(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.fail_timeout_ms = ms;
}

/* A peer that made a mistake, and stays on. */
static bool wait_fail(option_world *w, uint32_t limit_ms)
{
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    assert_int_equal(send(fd, "GET / HTTP/1.1", 14, MSG_NOSIGNAL), 14);
    came = option_world_until(w, &w->server.closed, limit_ms);
    (void)close(fd);
    return came;
}

/* Silence ------------------------------------------------------------------------------------- */

static void set_idle(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.idle_timeout_ms = ms;
}

/* It is asked for a sign of life. */
static bool wait_ping(option_world *w, uint32_t limit_ms)
{
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    came = option_world_until_readable(w, fd, limit_ms);
    (void)close(fd);
    return came;
}

static void set_half_idle(option_world *w, uint32_t ms)
{
    w->daemon_options.conn.idle_timeout_ms = ms / 2;
    w->daemon_options.conn.close_timeout_ms = 1;
}

/* It gives none: the end comes after twice the time. */
static bool wait_silence(option_world *w, uint32_t limit_ms)
{
    bool came = false;
    int fd = -1;

    option_world_listen(w);
    fd = option_world_raw(w);
    came = option_world_until(w, &w->server.closed, limit_ms);
    assert_int_equal(w->server.failure.err, w->server.closed ? NP_ERR_DEADLINE : NP_OK);
    (void)close(fd);
    return came;
}

/* Calls --------------------------------------------------------------------------------------- */

static np_err never_answer(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    (void)conn;
    (void)call;
    (void)msg;
    (void)user;
    return NP_OK;
}

static const demo_handlers silent = {.on_find = never_answer};

static void set_call(option_world *w, uint32_t ms)
{
    w->daemon_options.service.handlers = &silent;
    w->client_options.conn.call_timeout_ms = ms;
}

static void on_answer(np_client *client, np_err err, const void *payload, size_t len,
                      uint32_t version, void *user, np_fault *fault)
{
    bool *done = user;

    (void)client;
    (void)payload;
    (void)len;
    (void)version;
    (void)fault;
    *done = err == NP_ERR_DEADLINE;
}

static bool wait_call(option_world *w, uint32_t limit_ms)
{
    demo_find find = {1};
    bool late = false;
    bool came = false;

    demo_must(option_world_connect(w), &w->failure);
    demo_must(np_client_call(w->client, demo_message_find, &find, on_answer, &late), NULL);
    came = option_world_until(w, &late, limit_ms);
    np_client_free(w->client); /* which tells the call; `late` must still be there */
    w->client = NULL;
    return came;
}

/* Connecting ---------------------------------------------------------------------------------- */

static void set_connect(option_world *w, uint32_t ms)
{
    w->client_options.connect_timeout_ms = ms;
    w->daemon_options.backlog = 0;
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    bool *failed = user;

    (void)client;
    *failed = failure->err == NP_ERR_DEADLINE;
}

/* To a listener whose queue is full, and whose owner does not look. */
static bool wait_connect(option_world *w, uint32_t limit_ms)
{
    np_loop *other = NULL;
    bool came = false;
    bool failed = false;
    int fd = -1;

    option_world_listen(w);
    fd = demo_raw_connect(np_daemon_address(w->daemon, 0));
    w->client_options.on_failed = on_failed;
    w->client_options.user = &failed;
    demo_must(np_loop_new(&other, NULL), NULL);
    demo_must(np_client_new(&w->client, other, &w->client_options, NULL), NULL);
    demo_must(np_client_connect(w->client), NULL);
    came = np_loop_run_until(other, &failed, limit_ms) == NP_OK;
    np_client_free(w->client);
    w->client = NULL;
    np_loop_free(other);
    (void)close(fd);
    return came;
}

/* The table ----------------------------------------------------------------------------------- */

static const option_row rows[] = {
    {"hello_timeout_ms", set_hello, wait_hello},
    {"frame_timeout_ms", set_frame, wait_frame},
    {"stall_timeout_ms", set_stall, wait_stall},
    {"close_timeout_ms", set_close, wait_close},
    {"fail_timeout_ms", set_fail, wait_fail},
    {"idle_timeout_ms: the question", set_idle, wait_ping},
    {"idle_timeout_ms: the end", set_half_idle, wait_silence},
    {"call_timeout_ms", set_call, wait_call},
    {"connect_timeout_ms", set_connect, wait_connect},
};

static uint64_t clock_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The clock is looked at before anything begins: on a busy machine that only adds. */
static void test_times_take_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        option_world w;
        uint64_t since = 0;
        uint64_t took = 0;
        bool came = false;

        option_world_init(&w);
        rows[i].set(&w, SET_MS);
        since = clock_ms();
        came = rows[i].wait(&w, LATE_MS);
        took = clock_ms() - since;
        if (!came || took + 1 < SET_MS) {
            fail_msg("%s = %d: %s after %u ms", rows[i].name, SET_MS, came ? "it came" : "nothing",
                     (unsigned)took);
        }
        option_world_fini(&w);
    }
}

static void test_zero_switches_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        option_world w;

        option_world_init(&w);
        rows[i].set(&w, 0);
        if (rows[i].wait(&w, OFF_MS)) {
            fail_msg("%s = 0: something came", rows[i].name);
        }
        option_world_fini(&w);
    }
}

/* Waiting ---------------------------------------------------------------------------------------
 */

/* Longer than a _wait function adds to deadlines that there are. */
#define LONG_MS 2300

typedef struct release {
    np_timer timer; /* the first, so that its address is the struct's */
    np_conn *conn;
} release;

static void let_go(np_loop *loop, np_timer *timer)
{
    (void)loop;
    np_conn_hold(((release *)(void *)timer)->conn, false);
}

/* Without a deadline the function that waits does not make up one of its own. */
static void test_wait_without_a_deadline(void **state)
{
    option_world w;
    release later;

    (void)state;
    option_world_init(&w);
    w.client_options.conn.close_timeout_ms = 0;
    demo_must(option_world_connect(&w), &w.failure);
    np_conn_hold(w.server.conn, true);
    later.conn = w.server.conn;
    np_timer_init(&later.timer, let_go);
    np_timer_start(w.loop, &later.timer, LONG_MS);
    assert_int_equal(np_client_close_wait(w.client), NP_OK);
    assert_false(np_timer_active(&later.timer));
    option_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_take_effect),
        cmocka_unit_test(test_zero_switches_off),
        cmocka_unit_test(test_wait_without_a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
