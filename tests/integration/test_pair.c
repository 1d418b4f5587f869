/* Daemon and client over the in-process pair; the base protocol's own messages; bodies in pieces;
 * and what an idle connection costs. */
#include "service/client_private.h"
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/sanitized.h"
#include "support/demo_service.h"

#include <base.h>

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The tests link the libraries statically, so this counts what the library takes. */
static size_t heap_used(void)
{
    return mallinfo2().uordblks;
}

/* Tests may run twice at the same time, so names that all see carry the process's number. */
static const char *private_address(char *text, const char *what)
{
    (void)snprintf(text, 64, "unix://@netproto-test-%s-%d", what, (int)getpid());
    return text;
}

typedef struct seen {
    np_conn *conn;
    bool opened, closed, done, writable;
    np_failure failure;
    size_t len;
    uint8_t *body;
} seen;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    seen server, user;
} world;

static void on_open(np_conn *conn, void *user)
{
    seen *s = user;

    s->conn = conn;
    s->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    seen *s = user;

    (void)conn;
    s->closed = true;
    s->failure = *failure;
}

static void on_writable(np_conn *conn, void *user)
{
    seen *s = user;

    (void)conn;
    s->writable = true;
}

static void start(world *w, const np_service *service, const np_service *base, size_t cap)
{
    np_daemon_options daemon_options = np_daemon_options_default();
    np_client_options client_options = np_client_options_default();
    np_stream a;
    np_stream b;
    const char *limit = NULL;

    daemon_options.security.plaintext = true;
    client_options.security.plaintext = true;
    memset(w, 0, sizeof *w);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    daemon_options.service = *service;
    daemon_options.base = *base;
    daemon_options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    demo_must(np__daemon_start(&w->daemon, w->loop, &daemon_options, NULL), NULL);
    client_options.address = "tcp://127.0.0.1:1";
    client_options.service = *service;
    client_options.service.dispatch = NULL;
    client_options.base = *base;
    client_options.base.handlers = &w->user;
    client_options.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &client_options, NULL), NULL);
    demo_must(np_pair_open(w->loop, cap, &a, &b), NULL);
    demo_must(np__daemon_adopt(w->daemon, &a, NULL, &limit), NULL);
    demo_must(np__client_adopt(w->client, &b), NULL);
    assert_int_equal(np_client_connect(w->client), NP_ERR_STATE);
    demo_run(w->loop, &w->user.opened);
    demo_run(w->loop, &w->server.opened);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static const np_service demo_service = {&demo_protocol, demo_dispatch, &demo_echo};
static const np_service no_service = {NULL, NULL, NULL};

static np_err take(const void *payload, size_t len, uint32_t version, void *user, np_fault *fault)
{
    seen *s = user;
    demo_say found;
    np_err err = demo_read_found(payload, len, version, &found, fault);

    s->len = found.data.len;
    return err;
}

static void test_calls_through_any_capacity(void **state)
{
    static const size_t caps[] = {1, 7, 100, 4096};
    demo_find find = {777};
    world w;

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        np_peer peer;
        start(&w, &demo_service, &no_service, caps[i]);
        assert_int_equal(
            np_client_call_wait(w.client, demo_message_find, &find, take, &w.user, NULL), NP_OK);
        assert_int_equal(w.user.len, 777);
        np_conn_peer(w.server.conn, &peer);
        assert_int_equal(peer.kind, NP_PEER_PAIR);
        assert_int_equal(np_client_close_wait(w.client), NP_OK);
        demo_run(w.loop, &w.server.closed);
        assert_int_equal(w.server.failure.err, NP_OK);
        assert_true(w.server.failure.by_peer);
        end(&w);
    }
}

static void test_end_of_one_side(void **state)
{
    world w;

    (void)state;
    start(&w, &demo_service, &no_service, 4096);
    np_client_free(w.client);
    w.client = NULL;
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_RESET);
    end(&w);
}

/* The base protocol ------------------------------------------------------------------------ */

static np_err on_base(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    const seen *s = handlers;

    (void)conn;
    if (in->kind == NP_INCOMING_BODY_BEGIN) {
        *in->whole = true;
        return NP_OK;
    }
    if (in->id == BASE_DATA_ID) {
        base_data data;
        np_err err = base_data_decode(&data, in->payload, in->len, fault);
        if (err == NP_OK && s != NULL) {
            seen *out = np_conn_user(conn);
            out->len = data.body.len;
            out->body = malloc(data.body.len + 1);
            memcpy(out->body, data.body.data, data.body.len);
            out->done = true;
        }
        return err;
    }
    return NP_ERR_NO_HANDLER;
}

static const np_message *base_message(uint32_t id)
{
    return np_protocol_message(&base_protocol, id);
}

static void start_bodies(world *w)
{
    static const int anything = 0;
    const np_service base = {&base_protocol, on_base, &anything};

    start(w, &demo_service, &base, 65536);
    np_conn_set_user(w->server.conn, &w->server);
}

static void test_body_in_pieces(void **state)
{
    enum { TOTAL = 1234567 };
    base_data data = {.name = np_str_from("x")};
    uint8_t piece[10007];
    np_body body;
    np_body other;
    world w;
    size_t sent = 0;
    size_t taken = 0;

    (void)state;
    start_bodies(&w);
    demo_must(np_conn_body_begin(np_client_conn(w.client), base_message(BASE_DATA_ID), &data, TOTAL,
                                 &body, NULL),
              NULL);
    demo_must(np_conn_body_begin(np_client_conn(w.client), base_message(BASE_DATA_ID), &data, 1,
                                 &other, NULL),
              NULL);
    while (sent < TOTAL) {
        size_t len = TOTAL - sent < sizeof piece ? TOTAL - sent : sizeof piece;
        for (size_t i = 0; i < len; i++) {
            piece[i] = (uint8_t)((sent + i) * 31);
        }
        assert_int_equal(np_conn_body_end(body), NP_ERR_TOO_SHORT);
        np_err err = np_conn_body_write(body, piece, len, &taken);
        assert_true(err == NP_OK || err == NP_ERR_FULL);
        assert_true(np_conn_queued(np_client_conn(w.client)) <= (size_t)128 * 1024 + 36);
        sent += taken;
        if (taken < len) {
            w.user.writable = false;
            demo_run(w.loop, &w.user.writable);
        }
    }
    assert_int_equal(np_conn_body_write(body, piece, 1, &taken), NP_ERR_TOO_LONG);
    assert_int_equal(np_conn_body_end(body), NP_OK);
    assert_int_equal(np_conn_body_end(body), NP_ERR_CLOSED);
    np_conn_body_abort(other);
    np_conn_body_abort(other);
    assert_int_equal(np_conn_body_write(other, piece, 1, &taken), NP_ERR_CLOSED);
    demo_run(w.loop, &w.server.done);
    assert_int_equal(w.server.len, TOTAL);
    for (size_t i = 0; i < TOTAL; i++) {
        if (w.server.body[i] != (uint8_t)(i * 31)) {
            fail_msg("byte %zu differs", i);
        }
    }
    free(w.server.body);
    /* One more is left to the end of the connection. */
    demo_must(np_conn_body_begin(np_client_conn(w.client), base_message(BASE_DATA_ID), &data, 9,
                                 &body, NULL),
              NULL);
    demo_must(np_conn_body_write(body, piece, 3, &taken), NULL);
    end(&w);
}

static void test_body_refusals(void **state)
{
    base_data data = {.name = np_str_from("x")};
    demo_say say = {{NULL, 0}};
    np_fault fault = {.err = NP_OK};
    np_body body;
    np_body bodies[16];
    world w;

    (void)state;
    start_bodies(&w);
    np_conn *conn = np_client_conn(w.client);
    assert_int_equal(np_conn_body_begin(conn, demo_message_say, &say, 1, &body, NULL), NP_ERR_ARG);
    assert_int_equal(np_conn_body_begin(conn, base_message(BASE_DATA_ID), &data, (uint64_t)16 << 20,
                                        &body, &fault),
                     NP_ERR_TOO_LONG);
    assert_string_equal(fault.where, "base.Data.body");
    data.body = (np_bytes){(const uint8_t *)"abc", 3};
    assert_int_equal(np_conn_body_begin(conn, base_message(BASE_DATA_ID), &data, 3, &body, NULL),
                     NP_ERR_ARG);
    data.body.len = 0;
    for (int i = 0; i < 16; i++) {
        demo_must(np_conn_body_begin(conn, base_message(BASE_DATA_ID), &data, 3, &bodies[i], NULL),
                  NULL);
    }
    assert_int_equal(np_conn_body_begin(conn, base_message(BASE_DATA_ID), &data, 3, &body, NULL),
                     NP_ERR_LIMIT);
    end(&w);
}

static void test_base_messages_without_handlers(void **state)
{
    base_echo echo = {np_str_from("hello")};
    world w;

    (void)state;
    start(&w, &demo_service, &no_service, 4096);
    /* A Ping is answered by the session, and its Pong needs no handler. */
    assert_int_equal(np_conn_ping(np_client_conn(w.client)), NP_OK);
    demo_rest(w.loop, 10);
    assert_false(w.user.closed);
    assert_int_equal(np_client_send(w.client, base_message(BASE_ECHO_ID), &echo, NULL), NP_OK);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_NO_HANDLER);
    end(&w);
}

static np_err echo_base(const void *handlers, np_conn *conn, const np_incoming *in, np_fault *fault)
{
    base_echo echo;
    np_err err = NP_ERR_NO_HANDLER;

    (void)handlers;
    if (in->id == BASE_ECHO_ID) {
        err = base_echo_decode(&echo, in->payload, in->len, fault);
        if (err == NP_OK && np_conn_client(conn) == NULL) {
            err = np_conn_send(conn, base_message(BASE_ECHO_ID), &echo, NULL);
        } else if (err == NP_OK) {
            np_conn_close(conn, NP_CONN_NO_REASON, NULL);
        }
    }
    return err;
}

/* The service speaks the base protocol itself. */
static void test_base_as_a_service(void **state)
{
    const np_service base = {&base_protocol, echo_base, NULL};
    np_daemon_options options = np_daemon_options_default();
    np_client_options client_options = np_client_options_default();
    char address[64];
    const char *addresses[] = {private_address(address, "base")};
    base_echo echo = {np_str_from("hello")};
    world w;

    options.security.plaintext = true;
    client_options.security.plaintext = true;
    (void)state;
    memset(&w, 0, sizeof w);
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    options.addresses = addresses;
    options.address_count = 1;
    options.service = base;
    demo_must(np__daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    client_options.address = addresses[0];
    client_options.service = base;
    client_options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w.user};
    demo_must(np_client_new(&w.client, w.loop, &client_options, NULL), NULL);
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    assert_int_equal(np_client_send(w.client, base_message(BASE_ECHO_ID), &echo, NULL), NP_OK);
    demo_run(w.loop, &w.user.closed);
    assert_int_equal(w.user.failure.err, NP_OK);
    end(&w);
}

/* Memory ----------------------------------------------------------------------------------- */

static void open_one(np_client *client, np_loop **loops)
{
    demo_must(np_client_connect(client), NULL);
    for (int turns = 0; np_client_conn(client) == NULL; turns++) {
        assert_true(turns < 2000);
        demo_rest(loops[1], 0);
        demo_rest(loops[0], 0);
    }
    demo_rest(loops[0], 0);
}

static void test_idle_connection_is_small(void **state)
{
    /* Two descriptors a client: within the 1,024 that a process has where nobody raised it. */
    enum { COUNT = 256 };
    char address[64];
    const char *addresses[] = {private_address(address, "memory")};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_client *clients[COUNT];
    np_client_options client_options = demo_client_options(NULL, addresses[0]);
    np_loop *loops[2];
    np_daemon *daemon = NULL;
    size_t used[2] = {0, 0};
    size_t each = 0;

    (void)state;
#if TEST_SANITIZED
    skip();
#endif
    demo_must(np_loop_new(&loops[0], NULL), NULL);
    demo_must(np_loop_new(&loops[1], NULL), NULL);
    demo_must(np__daemon_start(&daemon, loops[0], &options, NULL), NULL);
    /* Each client gives two connections, its own and the daemon's. The first round warms up what
     * is kept whatever comes and goes: the pool's blocks and the arrays of libev (16 bytes a
     * descriptor) and of the registry (16 bytes a connection, which are added below). */
    for (int i = 0; i < COUNT; i++) {
        demo_must(np_client_new(&clients[i], loops[1], &client_options, NULL), NULL);
    }
    for (int round = 0; round < 2; round++) {
        used[0] = heap_used();
        for (int i = 0; i < COUNT; i++) {
            open_one(clients[i], loops);
        }
        used[1] = heap_used();
        for (int i = 0; i < COUNT && round == 0; i++) {
            np_client_close(clients[i]);
        }
        for (int turns = 0; round == 0 && np_daemon_connections(daemon) > 0; turns++) {
            assert_true(turns < 2000);
            demo_rest(loops[1], 0);
            demo_rest(loops[0], 0);
        }
        demo_rest(loops[1], 0);
    }
    each = (used[1] - used[0]) / (2 * COUNT) + 16;
    print_message("an idle connection takes %zu bytes\n", each);
    assert_true(each <= 512);
    for (int i = 0; i < COUNT; i++) {
        np_client_free(clients[i]);
    }
    np_daemon_free(daemon);
    np_loop_free(loops[0]);
    np_loop_free(loops[1]);
}

static void test_struct_sizes(void **state)
{
    (void)state;
    assert_true(sizeof(np_session) <= 256);
    assert_true(sizeof(np_conn) <= 480);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_through_any_capacity),
        cmocka_unit_test(test_end_of_one_side),
        cmocka_unit_test(test_body_in_pieces),
        cmocka_unit_test(test_body_refusals),
        cmocka_unit_test(test_base_messages_without_handlers),
        cmocka_unit_test(test_base_as_a_service),
        cmocka_unit_test(test_idle_connection_is_small),
        cmocka_unit_test(test_struct_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
