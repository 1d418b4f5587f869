/* Everything at once, from a seed: clients that connect, send, call, hold, close, abort and are
 * freed at random, over pairs, TCP and unix sockets. What must hold: each call is answered exactly
 * once, each on_open has its on_close, nothing leaks and nothing is touched after its end (for
 * which the sanitizers look). NETPROTO_SEED=n replays a run. */
#include "service/client_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 12
#define STEPS 3000
#define KEPT_MAX 64

typedef struct chaos {
    uint64_t random;
    np_loop *loop;
    np_daemon *daemon;
    np_client *clients[CLIENTS];
    char addresses[2][96];
    np_call kept[KEPT_MAX];
    size_t kept_count;
    long opened, closed, calls, answers;
} chaos;

static uint32_t draw(chaos *c, uint32_t below)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(c->random >> 33) % below;
}

static void on_open(np_conn *conn, void *user)
{
    chaos *c = user;

    c->opened++;
    np_conn_set_user(conn, c);
    if (draw(c, 20) == 0) {
        np_conn_close(conn, NP_CONN_NO_REASON, "early");
    }
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    chaos *c = user;
    demo_say say = {{NULL, 0}};

    c->closed++;
    assert_true(failure->text[0] != '\0');
    assert_ptr_equal(np_conn_user(conn), c);
    /* Whatever a user tries now must do no harm. */
    assert_int_equal(np_conn_send(conn, demo_message_say, &say, NULL), NP_ERR_CLOSED);
    assert_null(np_conn_find(c->loop, np_conn_id(conn)));
    np_conn_close(conn, 0, NULL);
    np_conn_abort(conn);
    np_conn_hold(conn, true);
}

static void poke(chaos *c, np_conn *conn)
{
    static uint8_t bytes[20000];
    demo_say say = {{bytes, draw(c, draw(c, 8) == 0 ? sizeof bytes : 200)}};

    switch (draw(c, 16)) {
    case 0:
        np_conn_close(conn, draw(c, 10), "bye");
        break;
    case 1:
        np_conn_abort(conn);
        break;
    case 2:
        np_conn_hold(conn, draw(c, 2) == 0);
        break;
    default: {
        np_err err = np_conn_send(conn, demo_message_say, &say, NULL);
        assert_true(err == NP_OK || err == NP_ERR_FULL || err == NP_ERR_CLOSED);
        break;
    }
    }
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    chaos *c = user;

    (void)msg;
    if (draw(c, 3) == 0) {
        poke(c, conn);
    }
    return draw(c, 300) == 0 ? NP_ERR_LIMIT : NP_OK;
}

static void answer(chaos *c, np_call call)
{
    uint8_t bytes[300];
    demo_say found = {{bytes, draw(c, sizeof bytes)}};
    np_err err = NP_OK;

    memset(bytes, 1, sizeof bytes);
    if (draw(c, 4) == 0) {
        err = np_call_fail(call, draw(c, 10), draw(c, 100), np_str_from("no"));
    } else {
        err = np_call_reply(call, &found, NULL);
    }
    assert_true(err == NP_OK || err == NP_ERR_CLOSED || err == NP_ERR_FULL);
    assert_false(err == NP_OK && np_call_alive(call));
}

static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    chaos *c = user;

    (void)conn;
    (void)msg;
    if (draw(c, 2) == 0) {
        answer(c, call);
    } else {
        if (c->kept_count == KEPT_MAX) {
            answer(c, c->kept[--c->kept_count]);
        }
        c->kept[c->kept_count++] = call;
    }
    return NP_OK;
}

static void on_done(np_client *client, np_err err, const void *payload, size_t len,
                    uint32_t version, void *user, np_fault *fault)
{
    chaos *c = user;
    demo_say found;

    c->answers++;
    if (err == NP_OK) {
        assert_int_equal(demo_read_found(payload, len, version, &found, fault), NP_OK);
    }
    if (draw(c, 10) == 0) {
        np_client_close(client);
    }
}

static void new_client(chaos *c, int i, const demo_handlers *handlers)
{
    np_client_options options = demo_client_options(handlers, c->addresses[draw(c, 2)]);

    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = c};
    options.conn.close_timeout_ms = 50;
    options.conn.call_timeout_ms = 30;
    options.conn.queue_max = 20000;
    demo_must(np_client_new(&c->clients[i], c->loop, &options, NULL), NULL);
}

static void connect_somehow(chaos *c, np_client *client)
{
    np_stream a;
    np_stream b;
    const char *limit = NULL;

    if (draw(c, 2) == 0) {
        np_err err = np_client_connect(client);
        assert_true(err == NP_OK || err == NP_ERR_STATE);
        return;
    }
    demo_must(np_pair_open(c->loop, 1 + draw(c, 3000), &a, &b), NULL);
    if (np__client_adopt(client, &a) != NP_OK) {
        a.ops->close(&a, false);
        b.ops->close(&b, false);
    } else if (np__daemon_adopt(c->daemon, &b, NULL, &limit) != NP_OK) {
        b.ops->close(&b, draw(c, 2) == 0);
    }
}

static void step(chaos *c, const demo_handlers *handlers)
{
    int i = (int)draw(c, CLIENTS);
    np_client *client = c->clients[i];
    np_conn *conn = np_client_conn(client);
    demo_find find = {draw(c, 1001)};

    if (draw(c, 60) == 0) {
        np_client_free(client);
        new_client(c, i, handlers);
    } else if (conn == NULL) {
        connect_somehow(c, client);
    } else if (draw(c, 3) == 0) {
        np_err err = np_client_call(client, demo_message_find, &find, on_done, c);
        c->calls += err == NP_OK;
        assert_true(err == NP_OK || err == NP_ERR_FULL);
    } else {
        poke(c, conn);
    }
    if (c->kept_count > 0 && draw(c, 4) == 0) {
        answer(c, c->kept[--c->kept_count]);
    }
    if (draw(c, 3) == 0) {
        demo_rest(c->loop, draw(c, 10) == 0 ? 2 : 0);
    }
}

static void run(uint64_t seed)
{
    chaos c = {.random = seed};
    demo_handlers handlers = {on_say, on_find, &c};
    const char *addresses[2] = {"tcp://127.0.0.1:0", c.addresses[1]};
    np_daemon_options options = demo_daemon_options(&handlers, addresses, 2);

    (void)snprintf(c.addresses[1], sizeof c.addresses[1], "unix://@netproto-chaos-%d",
                   (int)getpid());
    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &c};
    options.conn.close_timeout_ms = 50;
    options.conn.queue_max = 20000;
    options.connections_max = CLIENTS - 2;
    demo_must(np_loop_new(&c.loop, NULL), NULL);
    demo_must(np__daemon_start(&c.daemon, c.loop, &options, NULL), NULL);
    (void)snprintf(c.addresses[0], sizeof c.addresses[0], "%s", np_daemon_address(c.daemon, 0));
    for (int i = 0; i < CLIENTS; i++) {
        new_client(&c, i, &handlers);
    }
    for (int i = 0; i < STEPS; i++) {
        step(&c, &handlers);
    }
    for (int i = 0; i < CLIENTS; i++) {
        np_client_free(c.clients[i]);
    }
    np_daemon_stop(c.daemon);
    demo_rest(c.loop, 5);
    np_daemon_free(c.daemon);
    while (c.kept_count > 0) {
        answer(&c, c.kept[--c.kept_count]); /* stale, every one */
    }
    np_loop_free(c.loop);
    assert_int_equal(c.opened, c.closed);
    assert_int_equal(c.calls, c.answers);
    assert_true(c.opened > 20);
    assert_true(c.answers > 20);
}

static void test_chaos(void **state)
{
    const char *given = getenv("NETPROTO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    int runs = given != NULL ? 1 : 3;

    (void)state;
    for (int i = 0; i < runs; i++) {
        print_message("NETPROTO_SEED=%llu\n", (unsigned long long)seed + (unsigned)i);
        run(seed + (unsigned)i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chaos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
