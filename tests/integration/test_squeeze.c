/* Little memory, few places, short deadlines, and handlers that do what they like, within each
 * other: send, answer, call, hold, close, abort, begin bodies, stop the daemon and the loop. What
 * must hold: each on_open has its on_close, each call its end, nothing leaks, and nothing is
 * touched after its end (for which the sanitizers look). NETPROTO_SEED=n replays a run. */
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"
#include "transport/stream.h"

#include <base.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLIENTS = 40, CALLS = 64, BODIES = 8, CONNS = 64, STEPS = 800 };

static uint8_t bytes[200000];

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *clients[CLIENTS];
    uint64_t ids[CONNS]; /* of server connections */
    np_call calls[CALLS];
    np_body bodies[BODIES];
    size_t left[BODIES];
    uint64_t seed;
    size_t opened, closed, limit, refused, done, called, deep;
    bool stopped;
} world;

static world w;

static uint32_t draw(uint32_t below)
{
    w.seed = w.seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w.seed >> 33) % below;
}

static np_conn *some_conn(void)
{
    if (draw(2) == 0) {
        np_client *client = w.clients[draw(CLIENTS)];
        return client != NULL ? np_client_conn(client) : NULL;
    }
    return np_conn_find(w.loop, w.ids[draw(CONNS)]);
}

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault);

static void anything(np_conn *conn)
{
    const demo_say say = {{bytes, draw(4) == 0 ? draw(120000) : draw(2000)}};
    const demo_find find = {draw(1000)};
    const base_data data = {.name = {"f", 1}};
    size_t taken = 0;
    uint32_t at = draw(BODIES);

    switch (draw(14)) {
    case 0:
    case 1:
    case 2:
        (void)!np_conn_send(conn, demo_message_say, &say, NULL);
        break;
    case 3:
    case 4:
        w.called += np_conn_call(conn, demo_message_find, &find, on_done, NULL, NULL) == NP_OK;
        break;
    case 5:
        np_conn_hold(conn, draw(3) == 0);
        break;
    case 6:
        if (draw(10) == 0) {
            np_conn_close(conn, NP_CONN_NO_REASON, "bye");
        }
        break;
    case 7:
        if (draw(20) == 0) {
            np_conn_abort(conn);
        }
        break;
    case 8:
        w.left[at] = draw(300000);
        (void)!np_conn_body_begin(conn, &base_protocol.messages[BASE_DATA_ID], &data, w.left[at],
                                  &w.bodies[at], NULL);
        break;
    case 9:
        if (np_conn_body_write(w.bodies[at], bytes,
                               w.left[at] < sizeof bytes ? w.left[at] : sizeof bytes,
                               &taken) == NP_OK) {
            w.left[at] -= taken;
        }
        if (w.left[at] == 0) {
            (void)!np_conn_body_end(w.bodies[at]);
        }
        break;
    case 10:
        if (draw(4) == 0) {
            np_conn_body_abort(w.bodies[at]);
        }
        break;
    case 11:
        (void)!np_conn_ping(conn);
        break;
    case 12: {
        np_call call = w.calls[draw(CALLS)];
        if (call.conn != 0) {
            const demo_say found = {{bytes, draw(1000)}};
            switch (draw(4)) {
            case 0:
                np_call_drop(call);
                break;
            case 1:
                (void)!np_call_fail(call, BASE_REASON_REFUSED, 1, np_str_from("no"));
                break;
            default:
                (void)!np_call_reply(call, &found, NULL);
                break;
            }
        }
        break;
    }
    default:
        break;
    }
}

static void some_things(void)
{
    if (w.deep < 3) {
        w.deep++;
        for (uint32_t i = draw(4); i > 0; i--) {
            anything(some_conn());
        }
        w.deep--;
    }
}

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault)
{
    (void)conn, (void)err, (void)payload, (void)len, (void)version, (void)user, (void)fault;
    w.done++;
    some_things();
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)user;
    if (draw(2) == 0) {
        (void)!np_conn_send(conn, demo_message_say,
                            &(demo_say){{msg->data.data, msg->data.len / 2}}, NULL);
    }
    anything(conn);
    some_things();
    for (size_t i = 0, sum = 0; i < msg->data.len; i++) {
        sum += msg->data.data[i]; /* it is still there */
        bytes[0] = (uint8_t)sum;
    }
    return draw(100) == 0 ? NP_ERR_FAILED : NP_OK;
}

static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    const demo_say found = {{bytes, msg->key}};

    (void)user;
    w.calls[draw(CALLS)] = call;
    anything(conn);
    some_things();
    if (draw(2) == 0) {
        (void)!np_call_reply(call, &found, NULL);
    }
    return NP_OK;
}

static void on_open(np_conn *conn, void *user)
{
    (void)user;
    w.ids[draw(CONNS)] = np_conn_id(conn);
    w.opened++;
    some_things();
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    (void)user;
    w.closed++;
    w.limit += failure->err == NP_ERR_LIMIT;
    anything(conn);
    some_things();
    if (w.daemon != NULL && draw(400) == 0) {
        np_daemon_stop(w.daemon);
    }
    if (draw(50) == 0) {
        np_loop_stop(w.loop);
    }
}

static void on_some(np_conn *conn, void *user)
{
    (void)user;
    anything(conn);
    some_things();
}

static void on_cancel(np_conn *conn, np_call call, void *user)
{
    (void)user;
    anything(conn);
    if (draw(2) == 0) {
        np_call_drop(call);
    }
    some_things();
}

static void on_stopped(np_daemon *daemon, void *user)
{
    (void)daemon, (void)user;
    w.stopped = true;
}

static const demo_handlers handlers = {.on_say = on_say, .on_find = on_find};
static const np_conn_handlers conn_handlers = {on_open, on_close, on_some, on_cancel, NULL};

static np_err on_base(const void *user, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    (void)user, (void)fault;
    if (in->kind == NP_INCOMING_BODY_BEGIN) {
        *in->whole = draw(4) == 0;
        if (draw(10) == 0) {
            return NP_ERR_FAILED;
        }
    }
    np_body_set_user(in->body, &w);
    anything(conn);
    some_things();
    return NP_OK;
}

static const np_service base = {&base_protocol, on_base, NULL};

static void small(np_conn_options *conn)
{
    conn->queue_max = 1000 + draw(draw(2) == 0 ? 20000 : 300000);
    conn->call_timeout_ms = 1 + draw(30);
    conn->idle_timeout_ms = 5 + draw(50);
    conn->stall_timeout_ms = 5 + draw(100);
    conn->frame_timeout_ms = 5 + draw(100);
    conn->close_timeout_ms = 1 + draw(20);
    conn->hello_timeout_ms = 5 + draw(20);
    conn->serve_max = 1 + draw(20);
    conn->memory_max = draw(2) == 0 ? 0 : 300000;
}

static void start(void)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&handlers, addresses, 1);

    options.handlers = conn_handlers;
    options.base = base;
    options.connections_max = 4 + draw(20);
    options.half_open_max = draw(2) == 0 ? 0 : 3;
    options.on_stopped = on_stopped;
    small(&options.conn);
    w.stopped = false;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
}

static void join(uint32_t at)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    np_client_options options = demo_client_options(&handlers, "tcp://127.0.0.1:1");
    np_stream near_end, far_end;
    const char *limit = NULL;

    sa.sin_addr.s_addr = htonl(0x0A000001 + draw(draw(2) == 0 ? 2 : 30));
    options.handlers = conn_handlers;
    options.base = base;
    small(&options.conn);
    demo_must(np_client_new(&w.clients[at], w.loop, &options, NULL), NULL);
    demo_must(np_pair_open(w.loop, 100 + draw(20000), &near_end, &far_end), NULL);
    if (np__daemon_adopt(w.daemon, &near_end, (struct sockaddr *)&sa, &limit) != NP_OK) {
        near_end.ops->close(&near_end, false);
        w.refused++;
    }
    if (draw(10) == 0 || np__client_adopt(w.clients[at], &far_end) != NP_OK) {
        far_end.ops->close(&far_end, draw(2) == 0);
    }
}

static void run(uint64_t seed)
{
    memset(&w, 0, sizeof w);
    w.seed = seed;
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start();
    for (int i = 0; i < STEPS; i++) {
        uint32_t at = draw(CLIENTS);
        bool never = false;
        if (draw(20) == 0) {
            np__loop_pool(w.loop)->options.live_max = draw(4) == 0 ? 0 : 20000 + draw(1500000);
        }
        if (w.clients[at] == NULL) {
            join(at);
        } else if (draw(8) == 0) {
            np_client_free(w.clients[at]);
            w.clients[at] = NULL;
        }
        some_things();
        (void)!np_loop_run_until(w.loop, &never, draw(3));
        if (w.stopped) {
            np_daemon_free(w.daemon);
            start();
        }
    }
    np_daemon_free(w.daemon);
    w.daemon = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        np_client_free(w.clients[i]);
        w.clients[i] = NULL;
    }
    assert_int_equal(w.opened, w.closed);
    assert_int_equal(w.called, w.done);
    assert_int_equal(np__loop_pool(w.loop)->live, 0);
    np_loop_free(w.loop);
}

static void test_squeeze(void **state)
{
    const char *seed = getenv("NETPROTO_SEED");
    size_t limit = 0;

    (void)state;
    if (seed != NULL) {
        run(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= 3; i++) {
        run(i);
        print_message("seed %d: %zu opened, %zu refused, %zu ended for memory, %zu calls\n", (int)i,
                      w.opened, w.refused, w.limit, w.done);
        assert_in_range(w.opened, 20, 2 * STEPS);
        assert_in_range(w.done, 20, 100 * STEPS);
        limit += w.limit;
    }
    assert_true(limit > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_squeeze),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
