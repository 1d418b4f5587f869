/* What one turn of the loop queues leaves in one system call, and what has arrived comes in by one.
 *
 * The linker hands every call of send, recv and their like to this file (--wrap, see
 * tests/CMakeLists.txt), which counts and passes on. So it is the system calls of the library that
 * are counted, whichever of them it uses. */
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

/* Counting ------------------------------------------------------------------------------------ */

#define FDS_MAX 256

/* Of one socket: calls that moved bytes, and the bytes. */
typedef struct tally {
    size_t writes, reads;
    size_t written, read;
} tally;

static tally tallies[FDS_MAX];

static bool is_socket(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

static ssize_t count_write(int fd, ssize_t put)
{
    if (put > 0 && fd < FDS_MAX && is_socket(fd)) {
        tallies[fd].writes++;
        tallies[fd].written += (size_t)put;
    }
    return put;
}

static ssize_t count_read(int fd, ssize_t got)
{
    if (got > 0 && fd < FDS_MAX && is_socket(fd)) {
        tallies[fd].reads++;
        tallies[fd].read += (size_t)got;
    }
    return got;
}

/* The names are the linker's. */
#define WRAPPED(kind, name, parameters, arguments)                                                 \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        return count_##kind(fd, __real_##name arguments);                                          \
    }

WRAPPED(write, write, (int fd, const void *data, size_t len), (fd, data, len))
WRAPPED(write, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAPPED(write, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags))
WRAPPED(write, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAPPED(read, read, (int fd, void *data, size_t len), (fd, data, len))
WRAPPED(read, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAPPED(read, recv, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))
WRAPPED(read, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))

/* A daemon and a client, both on one loop ------------------------------------------------------ */

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    np_conn *served;
    size_t answers, expected;
    bool done;
    demo_handlers handlers;
} world;

static void on_open(np_conn *conn, void *user)
{
    ((world *)user)->served = conn;
}

static void count_answer(world *w)
{
    w->done = ++w->answers == w->expected;
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    count_answer(user);
    return NP_OK;
}

static void on_found(np_client *client, np_err err, const void *payload, size_t len,
                     uint32_t version, void *user, np_fault *fault)
{
    (void)client;
    (void)payload;
    (void)len;
    (void)version;
    (void)fault;
    assert_int_equal(err, NP_OK);
    count_answer(user);
}

static void start(world *w)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options daemon = demo_daemon_options(&demo_echo, addresses, 1);
    np_client_options client;
    np_failure failure;

    memset(w, 0, sizeof *w);
    w->handlers = (demo_handlers){.on_say = on_say, .user = w};
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    daemon.handlers = (np_conn_handlers){.on_open = on_open, .user = w};
    demo_must(np_daemon_start(&w->daemon, w->loop, &daemon, &failure), &failure);
    client = demo_client_options(&w->handlers, np_daemon_address(w->daemon, 0));
    demo_must(np_client_new(&w->client, w->loop, &client, &failure), &failure);
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
    demo_rest(w->loop, 10);
    assert_non_null(w->served);
    memset(tallies, 0, sizeof tallies);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* Runs until all answers are there. Then both ends have written once, and read once. */
static void expect_one_call_each(world *w, size_t expected, size_t bytes_at_least)
{
    size_t sockets = 0;

    w->expected = expected;
    demo_run(w->loop, &w->done);
    demo_rest(w->loop, 5);
    assert_int_equal(w->answers, expected);
    for (size_t i = 0; i < FDS_MAX; i++) {
        if (tallies[i].writes + tallies[i].reads > 0) {
            sockets++;
            assert_int_equal(tallies[i].writes, 1);
            assert_int_equal(tallies[i].reads, 1);
            assert_true(tallies[i].written >= bytes_at_least);
        }
    }
    assert_int_equal(sockets, 2);
}

#define MANY 100
#define LEN 200

static void test_messages(void **state)
{
    uint8_t data[LEN] = {0};
    demo_say say = {{data, LEN}};
    world w;

    (void)state;
    start(&w);
    for (int i = 0; i < MANY; i++) {
        demo_must(np_client_send(w.client, demo_message_say, &say, NULL), NULL);
    }
    expect_one_call_each(&w, MANY, (size_t)MANY * LEN);
    end(&w);
}

static void test_requests(void **state)
{
    demo_find find = {LEN};
    world w;

    (void)state;
    start(&w);
    for (int i = 0; i < MANY; i++) {
        demo_must(np_client_call(w.client, demo_message_find, &find, on_found, &w), NULL);
    }
    expect_one_call_each(&w, MANY, (size_t)MANY * 8);
    end(&w);
}

/* What is sent from outside of any handler, and a close behind it. */
static void say_much(np_loop *loop, void *user)
{
    uint8_t data[LEN] = {0};
    demo_say say = {{data, LEN}};
    world *w = user;

    (void)loop;
    for (int i = 0; i < MANY; i++) {
        demo_must(np_conn_send(w->served, demo_message_say, &say, NULL), NULL);
    }
}

static void test_messages_of_a_post(void **state)
{
    size_t writes = 0;
    size_t reads = 0;
    world w;

    (void)state;
    start(&w);
    w.expected = MANY;
    demo_must(np_loop_post(w.loop, say_much, &w), NULL);
    demo_run(w.loop, &w.done);
    for (size_t i = 0; i < FDS_MAX; i++) {
        writes += tallies[i].writes;
        reads += tallies[i].reads;
    }
    assert_int_equal(w.answers, MANY);
    assert_int_equal(writes, 1);
    assert_int_equal(reads, 1);
    end(&w);
}

/* More than one block of the queue holds still is one call. */
static void test_many_blocks(void **state)
{
    static uint8_t data[700];
    demo_say say = {{data, sizeof data}};
    world w;
    size_t writes = 0;

    (void)state;
    start(&w);
    for (int i = 0; i < MANY; i++) {
        demo_must(np_conn_send(w.served, demo_message_say, &say, NULL), NULL);
    }
    demo_rest(w.loop, 0);
    for (size_t i = 0; i < FDS_MAX; i++) {
        writes += tallies[i].writes;
        assert_true(tallies[i].writes == 0 || tallies[i].written >= MANY * sizeof data);
    }
    assert_int_equal(writes, 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_messages_of_a_post),
        cmocka_unit_test(test_many_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
