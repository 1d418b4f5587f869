/* A server that broadcasts, whatever there is room for, to a client that reads all the time. What
 * the client says is taken, and what it asks is answered, though the queue is always full. */
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

enum { CALLS = 25, ANSWER_LEN = 1000 };

static uint8_t bytes[ANSWER_LEN];

typedef struct world {
    np_loop *loop;
    np_conn *served;
    np_call calls[CALLS + 1];
    size_t asked, told;
    bool said, late;
    bool on;
    size_t least, sum, times;
} world;

static void broadcast(world *w);

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
    (void)conn;
    (void)msg;
    ((world *)user)->said = true;
    return NP_OK;
}

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault)
{
    (void)conn, (void)payload, (void)len, (void)version, (void)fault, (void)err;
    broadcast(user);
}

static void on_server_open(np_conn *conn, void *user)
{
    ((world *)user)->served = conn;
}

/* As much as fits, whenever the client has taken some: in the client's turn, as if others had
 * something to say all the time. */
static void broadcast(world *w)
{
    const demo_say say = {{bytes, 1000}};
    size_t queued = np_session_queued(&w->served->link.session);

    if (w->told > 1000) {
        w->least = queued < w->least ? queued : w->least;
        w->sum += queued;
        w->times++;
    }
    if (w->late && w->told > 2000) { /* 25 KB of answers, more than a quarter, once */
        w->late = false;
        for (int i = 0; i < CALLS; i++) {
            demo_must(np_call_reply(w->calls[i], &say, NULL), NULL);
        }
    }
    while (w->on && np_conn_send(w->served, demo_message_say, &say, NULL) == NP_OK) {
        w->told++;
    }
}

static np_err on_client_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn, (void)msg;
    broadcast(user);
    return NP_OK;
}

static void run(bool late, bool asks)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static world w;
    demo_handlers server = {.on_say = on_say, .on_find = on_find, .user = &w};
    demo_handlers none = {.on_say = on_client_say, .user = &w};
    np_daemon_options options = demo_daemon_options(&server, addresses, 1);
    np_client_options client_options;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    np_stream near_end, far_end;
    np_client *client = NULL;
    np_daemon *daemon = NULL;
    const char *limit = NULL;
    const demo_find find = {7};
    size_t told = 0;

    memset(&w, 0, sizeof w);
    w.least = SIZE_MAX;
    options.conn.queue_max = 64 * 1024;
    options.handlers.on_open = on_server_open;
    options.handlers.user = &w;
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(&none, np_daemon_address(daemon, 0));
    demo_must(np_client_new(&client, w.loop, &client_options, NULL), NULL);
    demo_must(np_pair_open(w.loop, 4096, &near_end, &far_end), NULL);
    sa.sin_addr.s_addr = htonl(0x0A000001);
    demo_must(np__daemon_adopt(daemon, &near_end, (struct sockaddr *)&sa, &limit), NULL);
    demo_must(np__client_adopt(client, &far_end), NULL);
    demo_rest(w.loop, 20);
    for (int i = 0; i < CALLS; i++) {
        demo_must(np_conn_call(np_client_conn(client), demo_message_find, &find, on_done, &w, NULL),
                  NULL);
    }
    demo_rest(w.loop, 20);
    assert_int_equal(w.asked, CALLS);
    w.late = late;
    w.on = true;
    broadcast(&w);
    demo_rest(w.loop, 100);
    if (asks) {
        demo_must(np_conn_call(np_client_conn(client), demo_message_find, &find, on_done, &w, NULL),
                  NULL);
    } else {
        demo_must(
            np_conn_send(np_client_conn(client), demo_message_say, &(demo_say){{bytes, 3}}, NULL),
            NULL);
    }
    told = w.told;
    demo_rest(w.loop, 4000);
    assert_true(w.told - told > 1000);
    assert_true(asks ? w.asked == CALLS + 1 : w.said);
    w.on = false;
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(w.loop);
}

static void test_message(void **state)
{
    (void)state;
    run(false, false);
}

static void test_message_after_late_answers(void **state)
{
    (void)state;
    run(true, false);
}

static void test_request(void **state)
{
    (void)state;
    run(false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_after_late_answers),
        cmocka_unit_test(test_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
