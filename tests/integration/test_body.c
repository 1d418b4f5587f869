/* Bodies in pieces over real sockets: slow readers, relays, giving up, whole or in pieces. */
#include "support/demo_service.h"

#include <base_service.h>

#include "transport/loop_private.h"
#include "util/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_LEN ((size_t)15 * 1024 * 1024)
#define HOLD_EVERY ((size_t)1024 * 1024)

/* One body that comes in, kept with it. */
typedef struct incoming {
    uint64_t total, got;
    bool wrong; /* a byte was not what it should be */
} incoming;

/* One body that goes out. */
typedef struct outgoing {
    np_body body;
    uint64_t total, sent;
    size_t refused; /* times that there was no room */
    bool busy;
} outgoing;

typedef struct side {
    np_conn *conn;
    bool opened, closed, done, slow, held, echoed;
    size_t begun, ended, live; /* bodies; live: incoming ones that were not freed */
    incoming last;
    np_err end_err, begin_err;
    size_t ended_at_close;
    np_failure failure;
    outgoing out;
} side;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    side server, user;
} world;

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 11));
}

/* Sending ---------------------------------------------------------------------------------- */

static void send_more(side *s)
{
    uint8_t piece[20011];
    size_t taken = 0;
    np_err err = NP_OK;

    while (err == NP_OK && s->out.sent < s->out.total) {
        size_t len =
            s->out.total - s->out.sent < sizeof piece ? s->out.total - s->out.sent : sizeof piece;
        for (size_t i = 0; i < len; i++) {
            piece[i] = byte_at(s->out.sent + i);
        }
        err = np_conn_body_write(s->out.body, piece, len, &taken);
        s->out.sent += taken;
        s->out.refused += err == NP_ERR_FULL;
    }
    err = err == NP_OK ? np_conn_body_end(s->out.body) : err;
    assert_true(err == NP_OK || err == NP_ERR_FULL);
    s->out.busy = err != NP_OK;
}

static void send_body(side *s, np_conn *conn, uint64_t total)
{
    base_data data = {.name = np_str_from("pattern")};

    s->out = (outgoing){.total = total, .busy = true};
    demo_must(base_data_begin(conn, &data, total, &s->out.body, NULL), NULL);
    send_more(s);
}

/* Receiving -------------------------------------------------------------------------------- */

static np_err on_begin(np_conn *conn, np_body body, const base_data *msg, uint64_t total,
                       void *user)
{
    side *s = user;
    incoming *in = NULL;

    (void)conn;
    assert_true(np_str_equal(msg->name, np_str_from("pattern")));
    assert_int_equal(msg->body.len, 0);
    assert_null(np_body_user(body));
    if (s->begin_err != NP_OK) {
        return s->begin_err;
    }
    in = calloc(1, sizeof *in);
    assert_non_null(in);
    in->total = total;
    np_body_set_user(body, in);
    s->begun++;
    s->live++;
    return NP_OK;
}

static np_err on_data(np_conn *conn, np_body body, np_bytes piece, void *user)
{
    side *s = user;
    incoming *in = np_body_user(body);

    for (size_t i = 0; i < piece.len; i++) {
        in->wrong = in->wrong || piece.data[i] != byte_at(in->got + i);
    }
    if (s->slow && (in->got + piece.len) / HOLD_EVERY > in->got / HOLD_EVERY) {
        s->held = true;
        np_conn_hold(conn, true);
    }
    in->got += piece.len;
    return NP_OK;
}

static np_err on_end(np_conn *conn, np_body body, np_err err, void *user)
{
    side *s = user;
    incoming *in = np_body_user(body);

    (void)conn;
    assert_false(s->closed);
    s->last = *in;
    s->end_err = err;
    s->ended++;
    s->live--;
    s->done = true;
    free(in);
    return NP_OK;
}

static np_err on_whole(np_conn *conn, const base_data *msg, void *user)
{
    side *s = user;

    (void)conn;
    s->last = (incoming){.total = msg->body.len, .got = msg->body.len};
    for (size_t i = 0; i < msg->body.len; i++) {
        s->last.wrong = s->last.wrong || msg->body.data[i] != byte_at(i);
    }
    s->done = true;
    return NP_OK;
}

static np_err on_echo(np_conn *conn, const base_echo *msg, void *user)
{
    side *s = user;

    s->echoed = true;
    return s->slow ? base_echo_send(conn, msg, NULL) : NP_OK;
}

/* The connection --------------------------------------------------------------------------- */

static void on_open(np_conn *conn, void *user)
{
    side *s = user;

    s->conn = conn;
    s->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    side *s = user;

    (void)conn;
    s->closed = true;
    s->ended_at_close = s->ended;
    s->failure = *failure;
}

static void on_writable(np_conn *conn, void *user)
{
    side *s = user;

    (void)conn;
    if (s->out.busy) {
        send_more(s);
    }
}

static base_handlers pieces_for(side *s)
{
    base_handlers handlers = {
        .on_data_begin = on_begin,
        .on_data_data = on_data,
        .on_data_end = on_end,
        .on_echo = on_echo,
        .user = s,
    };
    return handlers;
}

static void start(world *w, bool over_unix, const base_handlers *server, const base_handlers *user)
{
    char path[64];
    const char *addresses[] = {over_unix ? path : "tcp://127.0.0.1:0"};
    np_daemon_options daemon = np_daemon_options_default();
    np_client_options client = np_client_options_default();
    np_failure failure;

    daemon.security.plaintext = true;
    client.security.plaintext = true;
    (void)snprintf(path, sizeof path, "unix://@netproto-test-body-%d", (int)getpid());
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    daemon.addresses = addresses;
    daemon.address_count = 1;
    daemon.service = base_service(server);
    daemon.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w->server};
    demo_must(np_daemon_start(&w->daemon, w->loop, &daemon, &failure), &failure);
    client.address = np_daemon_address(w->daemon, 0);
    client.service = base_service(user);
    client.handlers = (np_conn_handlers){
        .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &client, &failure), &failure);
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
    demo_run(w->loop, &w->server.opened);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    assert_int_equal(np__loop_pool(w->loop)->live, 0);
    np_loop_free(w->loop);
    assert_int_equal(w->server.live, 0);
    assert_int_equal(w->user.live, 0);
}

/* Lets held connections go after a while, until the flag is set. */
static void run_slowly(world *w, const bool *done)
{
    for (int i = 0; !*done; i++) {
        assert_true(i < 20000);
        demo_rest(w->loop, 1);
        for (int j = 0; j < 2; j++) {
            side *s = j == 0 ? &w->server : &w->user;
            if (s->held && !s->closed) {
                s->held = false;
                np_conn_hold(s->conn, false);
            }
        }
    }
}

static void assert_got(const side *s, uint64_t total)
{
    assert_int_equal(s->end_err, NP_OK);
    assert_int_equal(s->last.total, total);
    assert_int_equal(s->last.got, total);
    assert_false(s->last.wrong);
}

/* Tests ------------------------------------------------------------------------------------ */

/* 15 MiB to a reader that takes a break at every MiB: the sender is slowed down, and both sides
 * together hold no more than three pieces each. Other messages get through meanwhile. */
static void test_slow_reader(void **state)
{
    (void)state;
    for (int over_unix = 0; over_unix < 2; over_unix++) {
        world w = {.server.slow = true};
        base_handlers server = pieces_for(&w.server);
        base_handlers user = pieces_for(&w.user);
        base_echo echo = {np_str_from("are you there?")};
        np_pool *pool = NULL;
        start(&w, over_unix != 0, &server, &user);
        pool = np__loop_pool(w.loop);
        pool->live_peak = 0;
        send_body(&w.user, np_client_conn(w.client), BODY_LEN);
        assert_true(w.user.out.busy);
        demo_must(base_echo_send(np_client_conn(w.client), &echo, NULL), NULL);
        run_slowly(&w, &w.server.done);
        assert_got(&w.server, BODY_LEN);
        assert_false(w.user.out.busy);
        assert_true(w.user.out.refused > 50); /* it fits in no socket's buffers */
        assert_true(pool->live_peak <= 6 * NP_POOL_TOP);
        run_slowly(&w, &w.user.echoed);
        end(&w);
    }
}

/* Both directions at the same time. */
static void test_both_ways(void **state)
{
    world w = {.server.slow = true, .user.slow = true};
    base_handlers server = pieces_for(&w.server);
    base_handlers user = pieces_for(&w.user);

    (void)state;
    start(&w, false, &server, &user);
    send_body(&w.user, np_client_conn(w.client), BODY_LEN);
    send_body(&w.server, w.server.conn, BODY_LEN - 1);
    run_slowly(&w, &w.server.done);
    run_slowly(&w, &w.user.done);
    assert_got(&w.server, BODY_LEN);
    assert_got(&w.user, BODY_LEN - 1);
    end(&w);
}

/* However it was sent and however it is taken, it is the same. */
static void test_whole_and_pieces(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 70000, 3000000};
    uint8_t *bytes = malloc(3000000);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 3000000; i++) {
        bytes[i] = byte_at(i);
    }
    for (int taken_whole = 0; taken_whole < 2; taken_whole++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            world w = {.loop = NULL};
            base_handlers server = pieces_for(&w.server);
            base_data data = {np_str_from("pattern"), {bytes, sizes[i]}};
            server.on_data = taken_whole ? on_whole : NULL;
            start(&w, true, &server, NULL);
            demo_must(base_data_send(np_client_conn(w.client), &data, NULL), NULL);
            demo_run(w.loop, &w.server.done);
            assert_got(&w.server, sizes[i]);
            w.server.done = false;
            w.server.last = (incoming){0, 0, true};
            send_body(&w.user, np_client_conn(w.client), sizes[i]);
            demo_run(w.loop, &w.server.done);
            assert_got(&w.server, sizes[i]);
            assert_int_equal(w.server.ended, taken_whole ? 0 : 2);
            end(&w);
        }
    }
    free(bytes);
}

static void test_abort(void **state)
{
    world w = {.loop = NULL};
    base_handlers server = pieces_for(&w.server);

    (void)state;
    start(&w, false, &server, NULL);
    send_body(&w.user, np_client_conn(w.client), BODY_LEN);
    w.user.out.busy = false;
    demo_rest(w.loop, 20);
    np_conn_body_abort(w.user.out.body);
    assert_int_equal(np_conn_body_end(w.user.out.body), NP_ERR_CLOSED);
    demo_run(w.loop, &w.server.done);
    assert_int_equal(w.server.end_err, NP_ERR_CANCELED);
    assert_true(w.server.last.got < BODY_LEN && !w.server.last.wrong);
    w.server.done = false;
    send_body(&w.user, np_client_conn(w.client), 5);
    demo_run(w.loop, &w.server.done);
    assert_got(&w.server, 5);
    end(&w);
}

/* The end of the connection is the end of its bodies, and they hear of it first. */
static void test_end_of_the_connection(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        static const np_err errs[] = {NP_ERR_CLOSED, NP_ERR_RESET, NP_ERR_CANCELED};
        world w = {.loop = NULL};
        base_handlers server = pieces_for(&w.server);
        size_t taken = 0;
        np_body body;
        base_data data = {.name = np_str_from("pattern")};
        uint8_t bytes[5000];
        start(&w, false, &server, NULL);
        demo_must(base_data_begin(np_client_conn(w.client), &data, 10000, &body, NULL), NULL);
        demo_must(np_conn_body_write(body, bytes, sizeof bytes, &taken), NULL);
        while (w.server.begun == 0) {
            demo_rest(w.loop, 1);
        }
        if (how == 0) {
            np_client_close(w.client);
        } else if (how == 1) {
            np_conn_abort(np_client_conn(w.client));
        } else {
            np_conn_abort(w.server.conn);
        }
        demo_run(w.loop, &w.server.closed);
        assert_int_equal(w.server.ended_at_close, 1);
        assert_int_equal(w.server.end_err, errs[how]);
        demo_run(w.loop, &w.user.closed);
        assert_int_equal(np_conn_body_write(body, bytes, 1, &taken), NP_ERR_CLOSED);
        assert_null(np_body_user(body));
        np_conn_body_abort(body);
        end(&w);
    }
}

/* A handler that refuses the beginning hears no end. */
static void test_refused_at_the_beginning(void **state)
{
    world w = {.server.begin_err = NP_ERR_LIMIT};
    base_handlers server = pieces_for(&w.server);

    (void)state;
    start(&w, false, &server, NULL);
    send_body(&w.user, np_client_conn(w.client), 5000);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_LIMIT);
    assert_int_equal(w.server.ended, 0);
    end(&w);
}

static void test_without_handlers(void **state)
{
    world w = {.loop = NULL};
    base_handlers none = {.user = NULL};

    (void)state;
    start(&w, false, &none, NULL);
    send_body(&w.user, np_client_conn(w.client), 5000);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_NO_HANDLER);
    end(&w);
}

/* What is collected obeys the connection's own bound; what comes in pieces needs none. */
static void test_message_max(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        const char *addresses[] = {"tcp://127.0.0.1:0"};
        world w = {.loop = NULL};
        base_handlers server = pieces_for(&w.server);
        np_daemon_options daemon = np_daemon_options_default();
        np_client_options client = np_client_options_default();

        daemon.security.plaintext = true;
        client.security.plaintext = true;
        server.on_data = whole ? on_whole : NULL;
        demo_must(np_loop_new(&w.loop, NULL), NULL);
        daemon.addresses = addresses;
        daemon.address_count = 1;
        daemon.service = base_service(&server);
        daemon.conn.message_max = 100000;
        daemon.handlers = (np_conn_handlers){.on_open = on_open,
                                             .on_close = on_close,
                                             .on_writable = on_writable,
                                             .user = &w.server};
        demo_must(np_daemon_start(&w.daemon, w.loop, &daemon, NULL), NULL);
        client.address = np_daemon_address(w.daemon, 0);
        client.service = base_service(NULL);
        client.handlers = (np_conn_handlers){
            .on_open = on_open, .on_close = on_close, .on_writable = on_writable, .user = &w.user};
        demo_must(np_client_new(&w.client, w.loop, &client, NULL), NULL);
        demo_must(np_client_connect_wait(w.client, NULL), NULL);
        send_body(&w.user, np_client_conn(w.client), 100001);
        if (whole) {
            demo_run(w.loop, &w.server.closed);
            assert_int_equal(w.server.failure.err, NP_ERR_TOO_LONG);
            assert_string_equal(w.server.failure.fault.where, "base.Data");
        } else {
            demo_run(w.loop, &w.server.done);
            assert_got(&w.server, 100001);
        }
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_whole_and_pieces),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_end_of_the_connection),
        cmocka_unit_test(test_refused_at_the_beginning),
        cmocka_unit_test(test_without_handlers),
        cmocka_unit_test(test_message_max),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
