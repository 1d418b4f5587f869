/* What the options of daemons, clients and loops grant beyond one connection: addresses, handlers
 * of the base protocol, who may wait to be accepted, memory. */
#include "support/option_world.h"

#include <base_service.h>

#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Tests may run twice at the same time, so names that all see carry the process's number. */
static const char *private_address(void)
{
    static char text[64];

    (void)snprintf(text, sizeof text, "unix://@netproto-test-options-%d", (int)getpid());
    return text;
}

/* Addresses ----------------------------------------------------------------------------------- */

static void test_every_address_is_listened_on(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:0", private_address()};

    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        option_world w;

        option_world_init(&w);
        w.daemon_options.addresses = addresses;
        w.daemon_options.address_count = count;
        option_world_listen(&w);
        assert_non_null(np_daemon_address(w.daemon, count - 1));
        assert_null(np_daemon_address(w.daemon, count));
        for (size_t i = 0; i < 2; i++) {
            if (i == 1 && i < count) {
                assert_string_equal(np_daemon_address(w.daemon, i), addresses[i]);
            }
            w.client_options.address = i < count ? np_daemon_address(w.daemon, i) : addresses[i];
            assert_int_equal(option_world_connect(&w), i < count ? NP_OK : NP_ERR_CONNECT);
            np_client_free(w.client);
            w.client = NULL;
        }
        option_world_fini(&w);
    }
}

/* Handlers of the base protocol --------------------------------------------------------------- */

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    (void)conn;
    (void)msg;
    *(bool *)user = true;
    return NP_OK;
}

/* Sent by either side; the other one has the handlers, or has not. */
static void test_base_handlers(void **state)
{
    const base_echo echo = {.text = {"hello", 5}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool by_daemon = (i & 1) != 0;
        bool handled = (i & 2) != 0;
        bool heard = false;
        const base_handlers handlers = {.on_echo = on_echo, .user = &heard};
        option_world w;
        option_side *listener = by_daemon ? &w.user : &w.server;

        option_world_init(&w);
        if (handled && by_daemon) {
            w.client_options.base = base_service(&handlers);
        } else if (handled) {
            w.daemon_options.base = base_service(&handlers);
        }
        demo_must(option_world_connect(&w), &w.failure);
        demo_must(base_echo_send(by_daemon ? w.server.conn : np_client_conn(w.client), &echo, NULL),
                  NULL);
        demo_run(w.loop, handled ? &heard : &listener->closed);
        assert_int_equal(listener->failure.err, handled ? NP_OK : NP_ERR_NO_HANDLER);
        option_world_fini(&w);
    }
}

/* Who may wait -------------------------------------------------------------------------------- */

#define TRIES 16

/* How many of TRIES strangers the system connects while the daemon does not look. */
static int strangers_that_may_wait(const char *at)
{
    struct pollfd strangers[TRIES];
    struct sockaddr_storage sa;
    np_address address;
    socklen_t len = 0;
    int connected = 0;

    demo_must(np_address_parse(at, &address, NULL), NULL);
    len = np_address_numeric(&address, &sa);
    for (int i = 0; i < TRIES; i++) {
        int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        strangers[i] = (struct pollfd){.fd = fd, .events = POLLOUT};
        if (connect(fd, (const struct sockaddr *)&sa, len) == 0) {
            connected++;
        } else if (errno == EINPROGRESS) {
            connected += poll(&strangers[i], 1, 20) == 1;
        } else {
            assert_int_equal(errno, EAGAIN); /* a unix socket's way of saying that it is full */
        }
    }
    for (int i = 0; i < TRIES; i++) {
        (void)close(strangers[i].fd);
    }
    return connected;
}

static void test_backlog(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:0", private_address()};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        option_world w;

        option_world_init(&w);
        w.daemon_options.addresses = &addresses[i];
        w.daemon_options.backlog = 3;
        option_world_listen(&w);
        /* Linux lets one more wait than it was told. */
        assert_in_range(strangers_that_may_wait(np_daemon_address(w.daemon, 0)), 3, 4);
        option_world_fini(&w);

        option_world_init(&w);
        w.daemon_options.addresses = &addresses[i];
        option_world_listen(&w);
        assert_int_equal(strangers_that_may_wait(np_daemon_address(w.daemon, 0)), TRIES);
        option_world_fini(&w);
    }
}

/* Memory -------------------------------------------------------------------------------------- */

#define MANY_BYTES ((size_t)4 << 20)

static void start_with_memory(option_world *w, size_t memory_max)
{
    np_loop_options options = np_loop_options_default();

    option_world_init(w);
    np_loop_free(w->loop);
    options.memory_max = memory_max;
    demo_must(np_loop_new(&w->loop, &options), NULL);
    w->daemon_options.conn.queue_max = 4 * MANY_BYTES;
    w->daemon_options.conn.close_timeout_ms = 10; /* nobody hangs up */
    option_world_listen(w);
}

/* What waits for peers that take nothing: a send that has no room says so. */
static np_err send_to_the_deaf(size_t memory_max)
{
    uint8_t *data = calloc(1, MANY_BYTES);
    demo_say say = {{data, MANY_BYTES}};
    option_world w;
    np_err err = NP_OK;
    int fd = -1;

    assert_non_null(data);
    start_with_memory(&w, memory_max);
    fd = option_world_raw(&w);
    err = np_conn_send(w.server.conn, demo_message_say, &say, NULL);
    (void)close(fd);
    option_world_fini(&w);
    free(data);
    return err;
}

/* What comes in pieces that must be kept: who sends more than there is room for is turned out. */
static np_err hear_much(size_t memory_max, uint32_t wait_ms)
{
    uint8_t *frame = calloc(1, MANY_BYTES + 64);
    uint8_t *data = calloc(1, MANY_BYTES);
    size_t len = demo_raw_say(frame, MANY_BYTES + 64, data, MANY_BYTES);
    option_world w;
    np_err err = NP_OK;
    int fd = -1;

    start_with_memory(&w, memory_max);
    fd = option_world_raw(&w);
    for (size_t at = 0; at + 1 < len && !w.server.closed;) { /* all but the last byte */
        ssize_t put = send(fd, frame + at, len - 1 - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        at += put > 0 ? (size_t)put : 0;
        demo_rest(w.loop, 1);
    }
    (void)option_world_until(&w, &w.server.closed, wait_ms);
    err = w.server.closed ? w.server.failure.err : NP_OK;
    (void)close(fd);
    option_world_fini(&w);
    free(data);
    free(frame);
    return err;
}

static void test_memory_max(void **state)
{
    (void)state;
    assert_int_equal(send_to_the_deaf(MANY_BYTES / 4), NP_ERR_LIMIT);
    assert_int_equal(send_to_the_deaf(4 * MANY_BYTES), NP_OK);
    assert_int_equal(send_to_the_deaf(0), NP_OK); /* no bound */
    assert_int_equal(hear_much(MANY_BYTES / 4, 10000), NP_ERR_LIMIT);
    assert_int_equal(hear_much(4 * MANY_BYTES, 50), NP_OK);
    assert_int_equal(hear_much(0, 50), NP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_address_is_listened_on),
        cmocka_unit_test(test_base_handlers),
        cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_memory_max),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
