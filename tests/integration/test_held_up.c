/* The loop stands still for longer than a deadline: a handler takes long, the process is stopped,
 * or the machine sleeps. What a peer did in time lies in the kernel meanwhile, so it is not too
 * late; and a peer that did nothing is found out all the same. */
#include "service/conn_private.h"
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 300, HELD_UP_MS = 450 };

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_conn *conn;
    size_t heard; /* bytes of messages */
    bool opened, closed;
    np_failure failure;
    demo_handlers handlers;
} world;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn;
    ((world *)user)->heard += msg->data.len;
    return NP_OK;
}

static void on_open(np_conn *conn, void *user)
{
    world *w = user;

    w->conn = conn;
    w->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    w->closed = true;
    w->failure = *failure;
}

static void start(world *w, uint32_t idle_ms)
{
    char name[60];
    const char *addresses[] = {name};
    np_daemon_options options;

    (void)snprintf(name, sizeof name, "unix://@netproto-held-up-%d", (int)getpid());
    memset(w, 0, sizeof *w);
    w->handlers = (demo_handlers){.on_say = on_say, .user = w};
    options = demo_daemon_options(&w->handlers, addresses, 1);
    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = w};
    options.conn.hello_timeout_ms = DEADLINE_MS;
    options.conn.frame_timeout_ms = DEADLINE_MS;
    options.conn.stall_timeout_ms = DEADLINE_MS;
    options.conn.idle_timeout_ms = idle_ms;
    options.conn.fail_timeout_ms = 50;
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, NULL), NULL);
}

static void end(world *w, int fd)
{
    (void)close(fd);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static void put(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes += n;
        len -= (size_t)n;
    }
}

static int greet(world *w)
{
    uint8_t hello[512];
    int fd = demo_raw_connect(np_daemon_address(w->daemon, 0));

    put(fd, hello, demo_raw_hello(hello, sizeof hello));
    demo_run(w->loop, &w->opened);
    return fd;
}

static void hold_up(world *w)
{
    assert_int_equal(usleep(HELD_UP_MS * 1000), 0);
    demo_rest(w->loop, 30);
}

static void test_hello(void **state)
{
    uint8_t hello[512];
    size_t len = demo_raw_hello(hello, sizeof hello);
    world w;
    int fd;

    (void)state;
    for (int sent = 1; sent >= 0; sent--) {
        start(&w, 0);
        fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
        demo_rest(w.loop, 10);
        assert_int_equal(np_daemon_connections(w.daemon), 1);
        if (sent == 1) {
            put(fd, hello, len);
        }
        hold_up(&w);
        assert_int_equal(w.opened, sent);
        demo_rest(w.loop, 2000); /* what it is given to look, and then the end */
        assert_int_equal(np_daemon_connections(w.daemon), sent);
        end(&w, fd);
    }
}

/* One that takes several reads. */
static void test_message(void **state)
{
    enum { LEN = 150000 };
    static uint8_t data[LEN], frames[LEN + 100];
    size_t len = demo_raw_say(frames, sizeof frames, data, LEN);
    world w;
    int fd;

    (void)state;
    for (size_t missing = 0; missing < 2; missing++) {
        start(&w, 0);
        fd = greet(&w);
        put(fd, frames, 100);
        demo_rest(w.loop, 10);
        put(fd, frames + 100, len - 100 - missing);
        hold_up(&w);
        assert_int_equal(w.heard, missing == 0 ? LEN : 0);
        if (missing == 0) {
            assert_false(w.closed);
        } else {
            demo_run(w.loop, &w.closed);
            assert_int_equal(w.failure.err, NP_ERR_DEADLINE);
            assert_non_null(strstr(w.failure.text, "frame_timeout_ms"));
        }
        end(&w, fd);
    }
}

/* The answer to a Ping, or anything else, has come. */
static void test_sign_of_life(void **state)
{
    uint8_t say[64];
    size_t len = demo_raw_say(say, sizeof say, "x", 1);
    world w;
    int fd;

    (void)state;
    start(&w, DEADLINE_MS);
    fd = greet(&w);
    demo_rest(w.loop, DEADLINE_MS + 50); /* it has been asked */
    put(fd, say, len);
    hold_up(&w);
    assert_int_equal(w.heard, 1);
    assert_false(w.closed);
    demo_run(w.loop, &w.closed); /* it says no more */
    assert_non_null(strstr(w.failure.text, "idle_timeout_ms"));
    end(&w, fd);
}

/* The peer has taken what the kernel held for it. */
static void test_room(void **state)
{
    static uint8_t much[900000];
    const demo_say say = {{much, sizeof much}};
    size_t queued = 0;
    world w;
    int fd;

    (void)state;
    for (int takes = 1; takes >= 0; takes--) {
        start(&w, 0);
        fd = greet(&w);
        demo_must(np_conn_send(w.conn, demo_message_say, &say, NULL), NULL);
        demo_rest(w.loop, 10);
        queued = np_conn_queued(w.conn);
        assert_true(queued > 0);
        for (int i = 0; i < takes * 3; i++) {
            (void)recv(fd, much, sizeof much, MSG_DONTWAIT);
        }
        hold_up(&w);
        if (takes == 1) {
            assert_false(w.closed);
            assert_true(np_conn_queued(w.conn) < queued);
        } else {
            demo_run(w.loop, &w.closed);
            assert_non_null(strstr(w.failure.text, "stall_timeout_ms"));
        }
        end(&w, fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_sign_of_life),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
