/* Who gives way. Memory is short in the middle of a handler: the connection whose handler it is
 * holds most, and gives its queue back at once, so that what the handler sends to another one gets
 * through. Memory is full of peers who hold the same: one of them gives all that it has, and not
 * each of them a little. */
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

/* One gives all ------------------------------------------------------------------------------ */

enum { CROWD = 30, QUEUE_LEN = 60000, INPUT_LEN = 1800 };

typedef struct crowd {
    np_conn *conns[CROWD + 1]; /* the daemon's sides; the last one is who asks */
    size_t opened;
    size_t closed;
    np_failure why;
} crowd;

static void on_crowd_open(np_conn *conn, void *user)
{
    const demo_say much = {{bytes, QUEUE_LEN}};
    crowd *c = user;

    if (c->opened < CROWD) {
        demo_must(np_conn_send(conn, demo_message_say, &much, NULL), NULL);
    }
    c->conns[c->opened++] = conn;
}

static void on_crowd_close(np_conn *conn, const np_failure *failure, void *user)
{
    crowd *c = user;

    (void)conn;
    if (failure->err == NP_ERR_LIMIT) {
        c->closed++;
        c->why = *failure;
    }
}

static void put(np_loop *loop, np_stream *stream, const uint8_t *data, size_t len)
{
    while (len > 0) {
        struct iovec iov = {(void *)(uintptr_t)data, len};
        size_t count = 0;
        int os_error = 0;
        np_io io = stream->ops->writev(stream, &iov, 1, &count, &os_error);
        assert_int_not_equal(io, NP_IO_ERROR);
        data += io == NP_IO_OK ? count : 0;
        len -= io == NP_IO_OK ? count : 0;
        demo_rest(loop, 1);
    }
}

/* A peer with an address of its own, which says hello and begins a message of `input` bytes, and
 * reads nothing. */
static void join(np_daemon *daemon, np_loop *loop, np_stream *far_end, uint32_t number,
                 size_t input)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
    uint8_t hello[512];
    static uint8_t data[INPUT_LEN];
    static uint8_t frame[INPUT_LEN + 256];
    size_t len = demo_raw_hello(hello, sizeof hello);
    np_stream near_end;
    const char *limit = NULL;

    sa.sin_addr.s_addr = htonl(0x0A000001 + number);
    assert_int_equal(np_pair_open(loop, 4096, &near_end, far_end), NP_OK);
    demo_must(np__daemon_adopt(daemon, &near_end, (struct sockaddr *)&sa, &limit), NULL);
    put(loop, far_end, hello, len);
    if (input > 0) {
        len = demo_raw_say(frame, sizeof frame, data, input);
        put(loop, far_end, frame, len - 1);
    }
    demo_rest(loop, 2);
}

/* Thirty peers have a queue of 60 KB that they do not read, and 2 KB of a message each: when the
 * memory is full, and somebody else asks for as much as one of them has, one of them goes. */
static void test_one_gives_all(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    const demo_say much = {{bytes, QUEUE_LEN}};
    crowd c = {.opened = 0};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_stream far_ends[CROWD + 1];
    np_daemon *daemon = NULL;
    np_loop *loop = NULL;
    np_pool *pool = NULL;
    int open = 0;

    (void)state;
    options.handlers =
        (np_conn_handlers){.on_open = on_crowd_open, .on_close = on_crowd_close, .user = &c};
    demo_must(np_loop_new(&loop, NULL), NULL);
    pool = np__loop_pool(loop);
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    for (uint32_t i = 0; i <= CROWD; i++) {
        join(daemon, loop, &far_ends[i], i, i < CROWD ? INPUT_LEN : 0);
    }
    assert_int_equal(c.opened, CROWD + 1);
    assert_int_equal(c.closed, 0);
    assert_true(pool->live >= (size_t)CROWD * (QUEUE_LEN + INPUT_LEN));
    pool->options.live_max = pool->live + 1000; /* that is all there is */
    pool->live_peak = 0;
    assert_int_equal(np_conn_send(c.conns[CROWD], demo_message_say, &much, NULL), NP_OK);
    for (int i = 0; i < CROWD; i++) {
        open += np_session_is_open(&c.conns[i]->link.session);
    }
    assert_int_equal(open, CROWD - 1);
    demo_rest(loop, 20);
    assert_int_equal(c.closed, 1);
    assert_string_equal(c.why.fault.where, "loop.memory_max");
    assert_in_range(pool->live_peak, 1, pool->options.live_max);
    np_daemon_free(daemon);
    for (size_t i = 0; i <= CROWD; i++) {
        far_ends[i].ops->close(&far_ends[i], false);
    }
    assert_int_equal(pool->live, 0);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hog_in_its_own_turn),
        cmocka_unit_test(test_one_gives_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
