/* Memory is short in the middle of a handler: the connection whose handler it is holds most, and
 * gives its queue back at once, so that what the handler sends to another one gets through. */
#include "service/conn_private.h"
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMORY = 1 << 20, HOG_LEN = 850 << 10, OTHER_LEN = 300 << 10 };

static uint8_t bytes[HOG_LEN];

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_conn *served[2]; /* the daemon's sides, in the order in which they came */
    np_client *clients[2];
    size_t opened;
    np_err sent, sent_after;
    size_t received[2];
    np_failure why[2];
    bool both_open, done;
} world;

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    const demo_say much = {{bytes, HOG_LEN}};
    const demo_say other = {{bytes, OTHER_LEN}};
    world *w = user;

    (void)msg;
    assert_ptr_equal(conn, w->served[0]);
    demo_must(np_conn_send(conn, demo_message_say, &much, NULL), NULL);
    w->sent = np_conn_send(w->served[1], demo_message_say, &other, NULL);
    /* Its queue is gone, and what it is sent behind the gap never leaves. */
    w->sent_after = np_conn_send(conn, demo_message_say, &(demo_say){{bytes, 10}}, NULL);
    return NP_OK;
}

static void on_server_open(np_conn *conn, void *user)
{
    world *w = user;

    w->served[w->opened++] = conn;
    w->both_open = w->opened == 2;
}

static void end_of(world *w, int which, const np_failure *failure)
{
    w->why[which] = *failure;
    w->done = w->why[0].err != NP_OK && w->received[1] > 0;
}

static void on_server_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    end_of(w, conn == w->served[1], failure);
}

static np_err on_client_say(np_conn *conn, const demo_say *msg, void *user)
{
    world *w = user;
    int which = conn == np_client_conn(w->clients[1]);

    w->received[which] += msg->data.len;
    w->done = w->why[0].err != NP_OK && w->received[1] > 0;
    return NP_OK;
}

static void test_hog_in_its_own_turn(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    world w = {.opened = 0};
    demo_handlers server = {.on_say = on_say, .user = &w};
    demo_handlers client = {.on_say = on_client_say, .user = &w};
    np_daemon_options options = demo_daemon_options(&server, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    np_client_options client_options;

    (void)state;
    options.handlers =
        (np_conn_handlers){.on_open = on_server_open, .on_close = on_server_close, .user = &w};
    loop_options.memory_max = MEMORY;
    demo_must(np_loop_new(&w.loop, &loop_options), NULL);
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(&client, np_daemon_address(w.daemon, 0));
    for (int i = 0; i < 2; i++) {
        size_t opened = w.opened;
        demo_must(np_client_new(&w.clients[i], w.loop, &client_options, NULL), NULL);
        demo_must(np_client_connect_wait(w.clients[i], NULL), NULL);
        assert_int_equal(w.opened, opened + 1);
    }
    demo_must(np_conn_send(np_client_conn(w.clients[0]), demo_message_say, &(demo_say){{bytes, 10}},
                           NULL),
              NULL);
    demo_run(w.loop, &w.done);
    assert_int_equal(w.sent, NP_OK);
    assert_int_equal(w.sent_after, NP_OK);
    assert_int_equal(w.received[0], 0);
    assert_int_equal(w.received[1], OTHER_LEN);
    assert_int_equal(w.why[0].err, NP_ERR_LIMIT);
    assert_int_equal(w.why[0].stage, NP_STAGE_LOCAL);
    assert_int_equal(w.why[1].err, NP_OK);
    assert_true(np__loop_pool(w.loop)->live_peak <= MEMORY);
    for (int i = 0; i < 2; i++) {
        np_client_free(w.clients[i]);
    }
    np_daemon_free(w.daemon);
    assert_int_equal(np__loop_pool(w.loop)->live, 0);
    np_loop_free(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hog_in_its_own_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
