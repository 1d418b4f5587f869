/* Two sides that ask each other over sockets whose buffers hold little: both fill their queues with
 * requests, or with messages and requests in turn, ask again within their handlers, and none of
 * them waits for ever. */
#include "service/conn_private.h"
#include "support/demo_service.h"

#include <base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS 600u
#define QUEUE_MAX 8192u

typedef struct side {
    np_conn *conn;
    uint32_t asked, answered, busy, served, said, heard;
    bool closed;
} side;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    side sides[2];
    demo_handlers handlers[2];
    bool says; /* a message before each request */
    bool done;
} world;

static world *the_world; /* of the test that runs */

static void ask(side *me);

static void on_answer(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                      void *user, np_fault *fault)
{
    side *me = user;
    world *w = the_world;

    (void)conn, (void)payload, (void)len, (void)version, (void)fault;
    assert_true(err == NP_OK || err == NP_ERR_BUSY);
    me->answered += err == NP_OK;
    me->busy += err == NP_ERR_BUSY;
    ask(me);
    w->done = true;
    for (int i = 0; i < 2; i++) {
        w->done = w->done && w->sides[i].answered + w->sides[i].busy == CALLS;
    }
}

static void ask(side *me)
{
    const demo_find find = {20};
    const demo_say say = {{(const uint8_t *)"say", 3}};
    np_err err = NP_OK;

    while (me->conn != NULL && me->asked < CALLS && err == NP_OK) {
        if (the_world->says && me->said <= me->asked) {
            err = np_conn_send(me->conn, demo_message_say, &say, NULL);
            me->said += err == NP_OK;
        }
        if (err != NP_OK) {
            assert_int_equal(err, NP_ERR_FULL);
            return;
        }
        err = np_conn_call(me->conn, demo_message_find, &find, on_answer, me, NULL);
        assert_true(err == NP_OK || err == NP_ERR_FULL);
        me->asked += err == NP_OK;
    }
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    side *me = user;

    (void)conn, (void)msg;
    me->heard++;
    ask(me);
    return NP_OK;
}

static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    static const uint8_t bytes[1000];
    const demo_say found = {{bytes, msg->key}};
    side *me = user;
    np_err err = np_call_reply(call, &found, NULL);

    (void)conn;
    me->served++;
    ask(me);
    return err;
}

static void on_open(np_conn *conn, void *user)
{
    const int little = 1;
    side *me = user;

    me->conn = conn;
    (void)setsockopt(conn->link.stream.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    (void)setsockopt(conn->link.stream.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    ask(me);
}

static void on_writable(np_conn *conn, void *user)
{
    (void)conn;
    ask(user);
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    side *me = user;

    (void)conn;
    if (!the_world->done) {
        print_message("closed: %s\n", failure->text);
    }
    me->conn = NULL;
    me->closed = true;
}

/* Where and how the two meet. */
typedef struct meeting {
    const char *address; /* NULL: a unix socket */
    bool says;
} meeting;

static void test_both_ask(void **state)
{
    const meeting *m = *state;
    const char *addresses[] = {m->address};
    char name[60];
    np_daemon_options daemon;
    np_client_options client;
    np_failure failure;
    world w;

    memset(&w, 0, sizeof w);
    the_world = &w;
    w.says = m->says;
    if (addresses[0] == NULL) {
        (void)snprintf(name, sizeof name, "unix://@netproto-two-sides-%d", (int)getpid());
        addresses[0] = name;
    }
    for (int i = 0; i < 2; i++) {
        w.handlers[i] = (demo_handlers){.on_say = on_say, .on_find = on_find, .user = &w.sides[i]};
    }
    daemon = demo_daemon_options(&w.handlers[0], addresses, 1);
    daemon.conn.queue_max = QUEUE_MAX;
    daemon.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w.sides[0]};
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    demo_must(np_daemon_start(&w.daemon, w.loop, &daemon, &failure), &failure);
    client = demo_client_options(&w.handlers[1], np_daemon_address(w.daemon, 0));
    client.conn.queue_max = QUEUE_MAX;
    client.handlers = daemon.handlers;
    client.handlers.user = &w.sides[1];
    demo_must(np_client_new(&w.client, w.loop, &client, &failure), &failure);
    demo_must(np_client_connect(w.client), NULL);
    assert_int_equal(np_loop_run_until(w.loop, &w.done, 25000), NP_OK);
    for (int i = 0; i < 2; i++) {
        assert_false(w.sides[i].closed);
        assert_int_equal(w.sides[i].asked, CALLS);
        assert_int_equal(w.sides[i].answered, w.sides[1 - i].served);
        assert_int_equal(w.sides[i].heard, m->says ? CALLS : 0);
    }
    np_client_free(w.client);
    np_daemon_free(w.daemon);
    np_loop_free(w.loop);
}

int main(void)
{
    static meeting meetings[] = {
        {"tcp://127.0.0.1:0", false}, {NULL, false}, {"tcp://127.0.0.1:0", true}, {NULL, true}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_both_ask, &meetings[0]),
        cmocka_unit_test_prestate(test_both_ask, &meetings[1]),
        cmocka_unit_test_prestate(test_both_ask, &meetings[2]),
        cmocka_unit_test_prestate(test_both_ask, &meetings[3]),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
