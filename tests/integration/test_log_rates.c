/* The log of a daemon bounds how many lines strangers make, and what it tells of those who are in
 * does not come under that bound. */
#include "support/demo_service.h"

#include <netproto/log.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { RATE = 8, STRANGERS = 3 * RATE };

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_log log;
    size_t closed, failed, refused, evicted;
} world;

static void on_log(void *user, const np_log_event *event)
{
    static const char *const names[] = {"conn.closed", "conn.failed", "daemon.refused",
                                        "daemon.evicted"};
    world *w = user;
    size_t *const counts[] = {&w->closed, &w->failed, &w->refused, &w->evicted};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *counts[i] += strcmp(event->name, names[i]) == 0;
    }
}

static void begin(world *w, uint32_t half_open_max)
{
    /* A window that no test outlives. */
    const np_log_options log_options = {NP_LOG_INFO, RATE, 3600000};
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();

    memset(w, 0, sizeof *w);
    np_log_init(&w->log, &(np_log_sink){on_log, w}, &log_options);
    loop_options.log = &w->log;
    options.half_open_max = half_open_max;
    demo_must(np_loop_new(&w->loop, &loop_options), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
}

static void end(world *w)
{
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* A client that comes in and leaves: its line has to be there. */
static void expect_client_is_logged(world *w)
{
    np_client_options options = demo_client_options(NULL, np_daemon_address(w->daemon, 0));
    np_client *client = NULL;
    np_failure failure;
    size_t before = w->closed;

    demo_must(np_client_new(&client, w->loop, &options, &failure), &failure);
    demo_must(np_client_connect_wait(client, &failure), &failure);
    demo_must(np_client_close_wait(client), NULL);
    np_client_free(client);
    for (int i = 0; i < 500 && np_daemon_connections(w->daemon) > 0; i++) {
        demo_rest(w->loop, 10);
    }
    assert_int_equal(w->closed, before + 1);
}

/* Who speaks nonsense, and who says nothing. */
static void test_who_never_comes_in(void **state)
{
    world w;

    (void)state;
    begin(&w, 0);
    for (int i = 0; i < 2 * STRANGERS; i++) {
        int fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
        if (i % 2 == 0) {
            assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
            demo_rest(w.loop, 5);
        }
        (void)close(fd);
        demo_rest(w.loop, 5);
    }
    for (int i = 0; i < 500 && np_daemon_connections(w.daemon) > 0; i++) {
        demo_rest(w.loop, 10);
    }
    assert_int_equal(w.failed, RATE); /* bounded, and the bound was reached */
    assert_int_equal(w.closed, 0);
    expect_client_is_logged(&w);
    assert_int_equal(w.failed, RATE);
    end(&w);
}

/* Those who are turned away, and those who have to make room. */
static void test_who_finds_no_place(void **state)
{
    world w;
    int fds[2 + STRANGERS];

    (void)state;
    begin(&w, 2);
    for (int i = 0; i < 2 + STRANGERS; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    }
    demo_rest(w.loop, 50);
    assert_int_equal(w.refused, RATE);
    for (int i = 0; i < 2 + STRANGERS; i++) {
        (void)close(fds[i]);
    }
    for (int i = 0; i < 500 && np_daemon_connections(w.daemon) > 0; i++) {
        demo_rest(w.loop, 10);
    }
    expect_client_is_logged(&w);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_never_comes_in),
        cmocka_unit_test(test_who_finds_no_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
