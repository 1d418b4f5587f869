/* Answers that are given in on_writable, where those that were FULL are to be tried again, are
 * backpressure as well. */
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"
#include "transport/stream.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS = 120, ANSWER_LEN = 1000 };

static uint8_t bytes[ANSWER_LEN];

typedef struct world {
    np_loop *loop;
    np_conn *served;
    np_call calls[CALLS];
    np_client *client;
    np_err last;
    size_t asked, answered;
    bool said;
} world;

static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    world *w = user;

    (void)msg;
    (void)conn;
    w->calls[w->asked++] = call;
    return NP_OK;
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    world *w = user;
    const demo_say answer = {{bytes, 1000}};

    (void)msg;
    w->said = true;
    return np_conn_send(conn, demo_message_say, &answer, NULL);
}

static void on_server_writable(np_conn *conn, void *user)
{
    world *w = user;
    const demo_say answer = {{bytes, ANSWER_LEN}};

    (void)conn;
    np_conn_hold(np_client_conn(w->client), true);
    while (w->answered < CALLS) {
        w->last = np_call_reply(w->calls[w->answered], &answer, NULL);
        if (w->last != NP_OK) {
            break;
        }
        w->answered++;
    }
}

static void on_server_open(np_conn *conn, void *user)
{
    ((world *)user)->served = conn;
}

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault)
{
    (void)conn, (void)payload, (void)len, (void)version, (void)user, (void)fault, (void)err;
}

static void test_answers_given_when_writable(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static world w;
    demo_handlers server = {.on_say = on_say, .on_find = on_find, .user = &w};
    demo_handlers none = {.on_say = NULL};
    np_daemon_options options = demo_daemon_options(&server, addresses, 1);
    np_client_options client_options;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    np_stream near_end, far_end;
    np_daemon *daemon = NULL;
    const char *limit = NULL;
    const demo_find find = {7};
    size_t pings = 0;

    (void)state;
    options.conn.queue_max = 64 * 1024;
    options.handlers.on_open = on_server_open;
    options.handlers.on_writable = on_server_writable;
    options.handlers.user = &w;
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(&none, np_daemon_address(daemon, 0));
    demo_must(np_client_new(&w.client, w.loop, &client_options, NULL), NULL);
    demo_must(np_pair_open(w.loop, 4096, &near_end, &far_end), NULL);
    sa.sin_addr.s_addr = htonl(0x0A000001);
    demo_must(np__daemon_adopt(daemon, &near_end, (struct sockaddr *)&sa, &limit), NULL);
    demo_must(np__client_adopt(w.client, &far_end), NULL);
    demo_rest(w.loop, 20);
    for (int i = 0; i < CALLS; i++) {
        demo_must(
            np_conn_call(np_client_conn(w.client), demo_message_find, &find, on_done, &w, NULL),
            NULL);
    }
    demo_rest(w.loop, 20);
    assert_int_equal(w.asked, CALLS);
    while (np_conn_ping(w.served) == NP_OK) { /* until WRITABLE is wanted */
        pings++;
    }
    demo_rest(w.loop, 100);
    assert_int_equal(w.last, NP_ERR_FULL);
    demo_must(
        np_conn_send(np_client_conn(w.client), demo_message_say, &(demo_say){{bytes, 3}}, NULL),
        NULL);
    demo_rest(w.loop, 300);
    assert_false(w.said);
    np_client_free(w.client);
    np_daemon_free(daemon);
    np_loop_free(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_given_when_writable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
