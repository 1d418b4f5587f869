/* What a daemon grants to strangers, what it logs, and loops that are not its own. */
#include "service/conn_private.h"
#include "service/daemon_private.h"
#include "support/demo_service.h"
#include "transport/stream.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include <cmocka.h>

typedef struct seen {
    np_conn *conn;
    bool opened, closed, done;
    np_failure failure;
    size_t says;
    char log[4096];
} seen;

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

static void on_log(void *user, const np_log_event *event)
{
    seen *s = user;
    char line[NP_LOG_LINE_MAX];
    size_t used = strlen(s->log);

    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)snprintf(s->log + used, sizeof s->log - used, "%s\n", line);
}

static np_daemon *start_daemon(np_loop *loop, seen *server, void (*change)(np_daemon_options *))
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_daemon *daemon = NULL;
    np_failure failure;

    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = server};
    if (change != NULL) {
        change(&options);
    }
    demo_must(np_daemon_start(&daemon, loop, &options, &failure), &failure);
    return daemon;
}

static np_client *start_client(np_loop *loop, const char *address, seen *user)
{
    np_client_options options = demo_client_options(NULL, address);
    np_client *client = NULL;

    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = user};
    demo_must(np_client_new(&client, loop, &options, NULL), NULL);
    return client;
}

static void two_places(np_daemon_options *options)
{
    options->connections_max = 2;
}

/* Strangers that hold places without a word make room for who comes. */
static void test_silent_ones_are_evicted(void **state)
{
    np_loop *loop = NULL;
    seen server = {.opened = false};
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    int silent[2];

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    daemon = start_daemon(loop, &server, two_places);
    client = start_client(loop, np_daemon_address(daemon, 0), &server);
    for (int i = 0; i < 2; i++) {
        silent[i] = demo_raw_connect(np_daemon_address(daemon, 0));
    }
    demo_rest(loop, 20);
    assert_int_equal(np_daemon_connections(daemon), 2);
    assert_int_equal(np_client_connect_wait(client, NULL), NP_ERR_BUSY); /* too young to go */
    demo_rest(loop, 1100);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    assert_int_equal(np_daemon_connections(daemon), 2);
    for (int i = 0; i < 2; i++) {
        (void)close(silent[i]);
    }
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* A place is made for a newcomer, and the one who had it stops the daemon in its on_close: the
 * newcomer does not come in, and the daemon tells once that it has stopped. */
typedef struct stopping {
    np_daemon *daemon;
    int opened, closed, told;
    bool stopped;
} stopping;

static void count_open(np_conn *conn, void *user)
{
    (void)conn;
    ((stopping *)user)->opened++;
}

static void stop_on_close(np_conn *conn, const np_failure *failure, void *user)
{
    stopping *s = user;

    (void)conn, (void)failure;
    s->closed++;
    np_daemon_stop(s->daemon);
}

static void count_stopped(np_daemon *daemon, void *user)
{
    stopping *s = user;

    assert_int_equal(np_daemon_connections(daemon), 0);
    s->told++;
    s->stopped = true;
}

static void test_evicted_one_stops_the_daemon(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    stopping s = {.stopped = false};
    np_client *clients[2];
    np_loop *loop = NULL;
    seen user = {.opened = false};
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    const char *address = NULL;
    int newcomer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    options.connections_max = 2;
    options.handlers =
        (np_conn_handlers){.on_open = count_open, .on_close = stop_on_close, .user = &s};
    options.conn.hello_timeout_ms = 60000; /* who came in would stay */
    options.on_stopped = count_stopped;
    options.user = &s;
    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_daemon_start(&s.daemon, loop, &options, NULL), NULL);
    address = np_daemon_address(s.daemon, 0);
    for (int i = 0; i < 2; i++) {
        clients[i] = start_client(loop, address, &user);
        demo_must(np_client_connect_wait(clients[i], NULL), NULL);
    }
    assert_int_equal(s.opened, 2);
    from.sin_addr.s_addr = htonl(0x7F000002); /* another source, which has less than they */
    to.sin_addr.s_addr = htonl(0x7F000001);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(bind(newcomer, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(newcomer, (struct sockaddr *)&to, sizeof to), 0);
    demo_run(loop, &s.stopped);
    demo_rest(loop, 50);
    assert_int_equal(s.opened, 2);
    assert_int_equal(s.closed, 2);
    assert_int_equal(s.told, 1);
    (void)close(newcomer);
    for (int i = 0; i < 2; i++) {
        np_client_free(clients[i]);
    }
    np_daemon_free(s.daemon);
    np_loop_free(loop);
}

/* Two connections of one source are open, and one of them is for somebody of another source: it is
 * the one that nothing has come on for longer, whatever has been sent on it. */
typedef struct quiet_scene {
    np_conn *conns[2];
    int opened;
    bool gone[2];
    np_stream far[3]; /* the peers' ends */
    np_stream near[3];
} quiet_scene;

static void note_open(np_conn *conn, void *user)
{
    quiet_scene *q = user;

    if (q->opened < 2) {
        q->conns[q->opened++] = conn;
    }
}

static void note_busy(np_conn *conn, const np_failure *failure, void *user)
{
    quiet_scene *q = user;

    for (int i = 0; i < 2; i++) {
        q->gone[i] = q->gone[i] || (q->conns[i] == conn && failure->err == NP_ERR_BUSY);
    }
}

static void write_far(np_loop *loop, np_stream *far, const uint8_t *data, size_t len)
{
    const struct iovec iov = {(void *)(uintptr_t)data, len};
    size_t n = 0;
    int os_error = 0;

    assert_int_equal(far->ops->writev(far, &iov, 1, &n, &os_error), NP_IO_OK);
    assert_int_equal(n, len);
    demo_rest(loop, 5);
}

static void come(np_loop *loop, np_daemon *daemon, quiet_scene *q, int i, const uint8_t *hello,
                 size_t len)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_port = 1,
                                     .sin_addr.s_addr = htonl(i < 2 ? 0x0A000001 : 0x0B000001)};
    const char *limit = NULL;

    assert_int_equal(np_pair_open(loop, 4096, &q->near[i], &q->far[i]), NP_OK);
    assert_int_equal(np__daemon_adopt(daemon, &q->near[i], (const struct sockaddr *)&from, &limit),
                     NP_OK);
    write_far(loop, &q->far[i], hello, len);
}

static void expect_the_silent_one(uint32_t idle_ms)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    const demo_say word = {{(const uint8_t *)"x", 1}};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    quiet_scene q = {.opened = 0};
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    uint8_t hello[512];
    uint8_t say[64];
    const size_t hello_len = demo_raw_hello(hello, sizeof hello);
    const size_t say_len = demo_raw_say(say, sizeof say, "x", 1);

    options.connections_max = 2;
    options.conn.idle_timeout_ms = idle_ms;
    options.handlers = (np_conn_handlers){.on_open = note_open, .on_close = note_busy, .user = &q};
    demo_must(np_loop_new(&loop, NULL), NULL);
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    come(loop, daemon, &q, 0, hello, hello_len);
    come(loop, daemon, &q, 1, hello, hello_len);
    assert_int_equal(q.opened, 2);
    demo_rest(loop, idle_ms / 10 * 9 + 10);
    write_far(loop, &q.far[1], say, say_len);
    demo_rest(loop, idle_ms / 10 * 3 + 10); /* the other one has been asked for a sign of life */
    assert_int_equal(np_conn_send(q.conns[0], demo_message_say, &word, NULL), NP_OK);
    demo_rest(loop, 5);
    come(loop, daemon, &q, 2, hello, hello_len);
    assert_true(q.gone[0]);
    assert_false(q.gone[1]);
    np_daemon_free(daemon);
    for (int i = 0; i < 3; i++) {
        q.far[i].ops->close(&q.far[i], false);
    }
    np_loop_free(loop);
}

static void test_who_was_silent_longest_goes(void **state)
{
    (void)state;
    expect_the_silent_one(1000);
    expect_the_silent_one(0);
}

static void test_ends_are_logged_with_their_cause(void **state)
{
    np_loop_options options = np_loop_options_default();
    seen server = {.opened = false};
    np_log_sink sink = {on_log, &server};
    np_log log;
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    int fd = -1;

    (void)state;
    np_log_init(&log, &sink, NULL);
    options.log = &log;
    demo_must(np_loop_new(&loop, &options), NULL);
    daemon = start_daemon(loop, &server, NULL);
    fd = demo_raw_connect(np_daemon_address(daemon, 0));
    assert_int_equal(send(fd, "\x1b[31mGET /", 10, MSG_NOSIGNAL), 10);
    demo_rest(loop, 30);
    (void)close(fd);
    demo_rest(loop, 30);
    assert_non_null(strstr(server.log, "event=conn.failed"));
    assert_non_null(strstr(server.log, "peer=tcp://127.0.0.1:"));
    assert_non_null(strstr(server.log, "stage=hello"));
    assert_non_null(strstr(server.log, "err=NP_ERR_CONST"));
    assert_null(strchr(server.log, '\x1b'));
    np_daemon_free(daemon);
    np_loop_free(loop);
}

static bool say_to(np_conn *conn, void *user)
{
    size_t *count = user;
    demo_say say = {{NULL, 0}};

    assert_int_equal(np_conn_send(conn, demo_message_say, &say, NULL), NP_OK);
    if (++*count == 2) {
        np_conn_close(conn, NP_CONN_NO_REASON, NULL);
    }
    return *count < 3;
}

static void test_each(void **state)
{
    np_loop *loop = NULL;
    seen server = {.opened = false};
    seen users[4];
    np_daemon *daemon = NULL;
    np_client *clients[4];
    size_t count = 0;

    (void)state;
    memset(users, 0, sizeof users);
    demo_must(np_loop_new(&loop, NULL), NULL);
    daemon = start_daemon(loop, &server, NULL);
    for (int i = 0; i < 4; i++) {
        clients[i] = start_client(loop, np_daemon_address(daemon, 0), &users[i]);
        demo_must(np_client_connect_wait(clients[i], NULL), NULL);
    }
    demo_rest(loop, 20);
    np_daemon_each(daemon, say_to, &count);
    assert_int_equal(count, 3);
    /* The clients have no handler for a Say, so those that got one end with an error. */
    for (int i = 0; i < 3; i++) {
        demo_run(loop, &users[i].closed);
        assert_int_equal(users[i].failure.err, NP_ERR_NO_HANDLER);
    }
    assert_false(users[3].closed);
    for (int i = 0; i < 4; i++) {
        np_client_free(clients[i]);
    }
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* A user's own ev_loop ---------------------------------------------------------------------- */

static void on_client_open(np_conn *conn, void *user)
{
    seen *s = user;
    bool done = true;

    s->opened = true;
    /* A handler must not wait, also where the run is not ours. */
    assert_int_equal(np_loop_run_until(np_conn_loop(conn), &done, 1), NP_ERR_STATE);
    np_conn_close(conn, NP_CONN_NO_REASON, NULL);
}

static void on_client_close(np_conn *conn, const np_failure *failure, void *user)
{
    seen *s = user;

    s->closed = true;
    s->failure = *failure;
    np_loop_stop(np_conn_loop(conn));
}

static void test_loop_of_the_users(void **state)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    np_loop_options options = np_loop_options_default();
    np_client_options client_options;
    np_loop *loop = NULL;
    seen server = {.opened = false};
    seen user = {.opened = false};
    np_daemon *daemon = NULL;
    np_client *client = NULL;

    (void)state;
    options.ev = ev;
    demo_must(np_loop_new(&loop, &options), NULL);
    /* An idle loop of ours keeps no run of the user's alive. */
    (void)ev_run(ev, 0);
    daemon = start_daemon(loop, &server, NULL);
    client_options = demo_client_options(NULL, np_daemon_address(daemon, 0));
    client_options.handlers =
        (np_conn_handlers){.on_open = on_client_open, .on_close = on_client_close, .user = &user};
    demo_must(np_client_new(&client, loop, &client_options, NULL), NULL);
    demo_must(np_client_connect(client), NULL);
    (void)ev_run(ev, 0); /* until np_loop_stop */
    assert_true(user.opened);
    assert_true(user.closed);
    assert_int_equal(user.failure.err, NP_OK);
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
    ev_loop_destroy(ev);
}

/* Another thread --------------------------------------------------------------------------- */

typedef struct errand {
    np_loop *loop;
    uint64_t conn;
    bool sent;
} errand;

static void send_by_name(np_loop *loop, void *user)
{
    errand *e = user;
    np_conn *conn = np_conn_find(loop, e->conn);
    demo_say say = {{NULL, 0}};

    if (conn != NULL) {
        assert_int_equal(np_conn_send(conn, demo_message_say, &say, NULL), NP_OK);
    }
    e->sent = conn != NULL;
    np_loop_stop(loop);
}

static void *run_errand(void *user)
{
    errand *e = user;

    while (np_loop_post(e->loop, send_by_name, e) != NP_OK) {
        (void)usleep(100);
    }
    return NULL;
}

static void test_another_thread_posts(void **state)
{
    np_loop *loop = NULL;
    seen server = {.opened = false};
    seen user = {.opened = false};
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    pthread_t thread;
    errand e;

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    daemon = start_daemon(loop, &server, NULL);
    client = start_client(loop, np_daemon_address(daemon, 0), &user);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    for (int round = 0; round < 2; round++) {
        e = (errand){loop, np_conn_id(np_client_conn(client)), false};
        assert_int_equal(pthread_create(&thread, NULL, run_errand, &e), 0);
        if (round == 1) {
            np_conn_abort(np_client_conn(client)); /* stale soon, or when the post arrives */
        }
        assert_int_equal(np_loop_run(loop), NP_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (round == 0) {
            assert_true(e.sent);
        }
    }
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* A connection that is held when it is closed still hears the peer's goodbye. */
static void test_close_of_a_held_connection(void **state)
{
    np_loop *loop = NULL;
    seen server = {.opened = false};
    seen user = {.opened = false};
    np_daemon *daemon = NULL;
    np_client *client = NULL;

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    daemon = start_daemon(loop, &server, NULL);
    client = start_client(loop, np_daemon_address(daemon, 0), &user);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    demo_run(loop, &server.opened);
    np_conn_hold(server.conn, true);
    demo_rest(loop, 5);
    np_conn_close(server.conn, NP_CONN_NO_REASON, NULL);
    uint64_t before = np_loop_now(loop).mono_ms;
    demo_run(loop, &server.closed);
    demo_run(loop, &user.closed);
    assert_true(np_loop_now(loop).mono_ms - before < 1000);
    assert_int_equal(server.failure.err, NP_OK);
    assert_int_equal(user.failure.err, NP_OK);
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* Ends while ending ------------------------------------------------------------------------ */

static void slow_close(np_daemon_options *options)
{
    options->conn.close_timeout_ms = 60000;
}

static void test_free_while_closing_and_held(void **state)
{
    np_loop *loop = NULL;
    seen server = {.opened = false};
    seen user = {.opened = false};
    np_daemon *daemon = NULL;
    np_client *client = NULL;
    uint8_t *data = calloc(1, 400000);
    demo_say say = {{data, 400000}};
    int fd = -1;
    uint8_t hello[512];
    size_t len = demo_raw_hello(hello, sizeof hello);

    (void)state;
    demo_must(np_loop_new(&loop, NULL), NULL);
    for (int round = 0; round < 3; round++) {
        memset(&server, 0, sizeof server);
        daemon = start_daemon(loop, &server, slow_close);
        fd = demo_raw_connect(np_daemon_address(daemon, 0));
        assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), (ssize_t)len);
        demo_run(loop, &server.opened);
        assert_int_equal(np_conn_send(server.conn, demo_message_say, &say, NULL), NP_OK);
        if (round != 0) {
            np_conn_hold(server.conn, true);
        }
        if (round != 1) {
            np_conn_close(server.conn, NP_CONN_NO_REASON, "bye");
        }
        demo_rest(loop, 10);
        assert_false(server.closed);
        np_daemon_free(daemon);
        assert_true(server.closed);
        (void)close(fd);
    }
    /* A client that is closed before its hello is done. */
    daemon = start_daemon(loop, &server, NULL);
    client = start_client(loop, np_daemon_address(daemon, 0), &user);
    demo_must(np_client_connect(client), NULL);
    np_client_close(client);
    assert_int_equal(np_client_failure(client)->err, NP_ERR_CANCELED);
    assert_int_equal(np_client_close_wait(client), NP_OK);
    /* And one that reconnects while it is still closing. */
    demo_must(np_client_connect_wait(client, NULL), NULL);
    np_client_close(client);
    assert_null(np_client_conn(client));
    demo_must(np_client_connect_wait(client, NULL), NULL);
    assert_non_null(np_client_conn(client));
    np_client_free(client);
    np_daemon_free(daemon);
    np_loop_free(loop);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_ones_are_evicted),
        cmocka_unit_test(test_evicted_one_stops_the_daemon),
        cmocka_unit_test(test_who_was_silent_longest_goes),
        cmocka_unit_test(test_ends_are_logged_with_their_cause),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_loop_of_the_users),
        cmocka_unit_test(test_another_thread_posts),
        cmocka_unit_test(test_close_of_a_held_connection),
        cmocka_unit_test(test_free_while_closing_and_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
