/* A limit that is reached is told by the name of its option: in the log, or in the failure. */
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_log log;
    bool opened, closed;
    np_failure failure;
    char lines[4096];
} world;

static void on_log(void *user, const np_log_event *event)
{
    world *w = user;
    char line[NP_LOG_LINE_MAX];
    size_t used = strlen(w->lines);

    (void)np_log_format(event, NP_LOG_LOGFMT, line, sizeof line);
    (void)snprintf(w->lines + used, sizeof w->lines - used, "%s\n", line);
}

static void on_open(np_conn *conn, void *user)
{
    world *w = user;

    (void)conn;
    w->opened = true;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    world *w = user;

    (void)conn;
    w->closed = true;
    w->failure = *failure;
}

static np_daemon_options begin(world *w, size_t memory_max)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    np_log_sink sink = {on_log, w};

    memset(w, 0, sizeof *w);
    np_log_init(&w->log, &sink, NULL);
    loop_options.log = &w->log;
    if (memory_max > 0) {
        loop_options.memory_max = memory_max;
    }
    demo_must(np_loop_new(&w->loop, &loop_options), NULL);
    options.handlers = (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = w};
    return options;
}

static void end(world *w)
{
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* Whether the log has a line with both. */
static bool is_logged(const world *w, const char *event, const char *limit)
{
    const char *line = strstr(w->lines, event);
    const char *found = line != NULL ? strstr(line, limit) : NULL;

    return found != NULL && found < line + strcspn(line, "\n");
}

static void fill_places(uint32_t hello_timeout_ms)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    const char *address = NULL;
    int fds[3];

    options.conn.hello_timeout_ms = hello_timeout_ms;
    options.connections_max = 2;
    options.connections_per_source_max = 0;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    address = np_daemon_address(w.daemon, 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = demo_raw_connect(address);
    }
    demo_rest(w.loop, 30);
    assert_true(is_logged(&w, "event=daemon.refused", "err=NP_ERR_BUSY limit=connections_max"));
    assert_null(strstr(w.lines, "daemon.evicted"));
    (void)close(fds[2]);
    demo_rest(w.loop, 1100);
    fds[2] = demo_raw_connect(address);
    demo_rest(w.loop, 30);
    assert_true(is_logged(&w, "event=daemon.evicted", "limit=connections_max"));
    for (int i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    end(&w);
}

/* Who gives way is found by age, however long the greeting may take: also for ever. */
static void test_connections(void **state)
{
    (void)state;
    fill_places(5000);
    fill_places(0);
}

static void test_connections_per_source(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    int fds[2];

    (void)state;
    options.connections_per_source_max = 1;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    for (int i = 0; i < 2; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    }
    demo_rest(w.loop, 30);
    assert_true(
        is_logged(&w, "event=daemon.refused", "err=NP_ERR_LIMIT limit=connections_per_source_max"));
    (void)close(fds[0]);
    (void)close(fds[1]);
    end(&w);
}

/* Three come of which two may. */
static void expect_refusal(world *w, const np_daemon_options *options, const char *limit)
{
    char expected[128];
    int fds[3];

    demo_must(np_daemon_start(&w->daemon, w->loop, options, NULL), NULL);
    for (int i = 0; i < 3; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(w->daemon, 0));
    }
    demo_rest(w->loop, 30);
    assert_int_equal(np_daemon_connections(w->daemon), 2);
    (void)snprintf(expected, sizeof expected, " limit=%s\n", limit);
    assert_non_null(strstr(w->lines, expected));
    for (int i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    end(w);
}

static void test_strangers(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);

    (void)state;
    options.half_open_max = 2;
    expect_refusal(&w, &options, "half_open_max");
    options = begin(&w, 0);
    options.half_open_per_source_max = 2;
    expect_refusal(&w, &options, "half_open_per_source_max");
}

/* Who may not come in for another reason makes nobody give way. */
static void test_nobody_gives_way_for_nothing(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    int fds[3];

    (void)state;
    options.half_open_max = 2;
    options.half_open_per_source_max = 2;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    fds[0] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    fds[1] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    demo_rest(w.loop, 1100); /* so old that they could */
    fds[2] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    demo_rest(w.loop, 30);
    assert_true(is_logged(&w, "event=daemon.refused", "limit=half_open_per_source_max"));
    assert_null(strstr(w.lines, "daemon.evicted"));
    assert_int_equal(np_daemon_connections(w.daemon), 2);
    for (int i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    end(&w);
}

/* Who has said hello takes no stranger's place. */
static void test_friends_are_no_strangers(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    np_client_options client_options;
    np_client *clients[3];

    (void)state;
    options.half_open_max = 1;
    options.half_open_per_source_max = 1;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    for (int i = 0; i < 3; i++) {
        demo_must(np_client_new(&clients[i], w.loop, &client_options, NULL), NULL);
        demo_must(np_client_connect_wait(clients[i], NULL), NULL);
    }
    assert_int_equal(np_daemon_connections(w.daemon), 3);
    for (int i = 0; i < 3; i++) {
        np_client_free(clients[i]);
    }
    end(&w);
}

/* One handshake a second, two at once. Who comes and goes without one takes none of them. */
static void expect_rate(const char *limit, bool of_source)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    np_client_options client_options;
    np_client *client = NULL;
    np_keypair keys[2];
    np_err err = NP_OK;
    char expected[128];

    for (int i = 0; i < 2; i++) {
        demo_must(np_keypair_generate(&keys[i]), NULL);
    }
    options.security = np_security_default();
    options.security.identity = &keys[0];
    options.security.anyone = true;
    *(of_source ? &options.handshake_rate_per_source_max : &options.handshake_rate_max) = 1;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    for (int i = 0; i < 10; i++) {
        int fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
        demo_rest(w.loop, 5);
        (void)close(fd);
    }
    client_options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    client_options.security = np_security_default();
    client_options.security.identity = &keys[1];
    client_options.security.keys = keys[0].public_key;
    client_options.security.key_count = 1;
    demo_must(np_client_new(&client, w.loop, &client_options, NULL), NULL);
    for (int i = 0; i < 100 && err == NP_OK; i++) {
        err = np_client_connect_wait(client, NULL);
        assert_true(i > 1 || err == NP_OK);
        np_client_close(client);
        assert_int_equal(np_client_close_wait(client), NP_OK);
    }
    assert_int_equal(err, NP_ERR_BUSY);
    (void)snprintf(expected, sizeof expected, "err=NP_ERR_BUSY limit=%s\n", limit);
    assert_non_null(strstr(w.lines, expected));
    np_client_free(client);
    end(&w);
}

static void test_handshake_rates(void **state)
{
    world w;
    np_daemon_options options;

    (void)state;
    expect_rate("handshake_rate_max", false);
    expect_rate("handshake_rate_per_source_max", true);
    /* What is plain does not count. */
    options = begin(&w, 0);
    options.handshake_rate_max = 1;
    options.handshake_rate_per_source_max = 1;
    options.half_open_max = 2;
    expect_refusal(&w, &options, "half_open_max");
}

/* Users of this machine are sources, as addresses are. */
static void test_users(void **state)
{
    static char address[64];
    const char *const addresses[] = {address};

    (void)state;
    (void)snprintf(address, sizeof address, "unix://@netproto-test-users-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        world w;
        np_daemon_options options = begin(&w, 0);
        options.addresses = addresses;
        *(i == 0 ? &options.connections_per_source_max : &options.half_open_per_source_max) = 2;
        expect_refusal(&w, &options,
                       i == 0 ? "connections_per_source_max" : "half_open_per_source_max");
    }
}

/* A connection's own share of the memory: the one who needs more is let go, and no other. */
static void test_memory_of_one(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    uint8_t *said = calloc(1, 300000);
    uint8_t *frames = calloc(1, 400000);
    size_t hello = 0;
    size_t len = 0;
    int fds[2];

    (void)state;
    options.conn.memory_max = 200000;
    options.conn.close_timeout_ms = 50; /* the peer here never hangs up */
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    hello = demo_raw_hello(frames, 400000);
    len = hello + demo_raw_say(frames + hello, 400000 - hello, said, 300000);
    for (int i = 0; i < 2; i++) {
        fds[i] = demo_raw_connect(np_daemon_address(w.daemon, 0));
    }
    assert_true(send(fds[0], frames, hello, MSG_NOSIGNAL) > 0);
    for (size_t at = 0; at < len - 1 && !w.closed;) {
        ssize_t put = send(fds[1], frames + at, len - 1 - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += put > 0 ? (size_t)put : 0;
        demo_rest(w.loop, 1);
    }
    demo_run(w.loop, &w.closed);
    assert_int_equal(w.failure.err, NP_ERR_LIMIT);
    assert_int_equal(w.failure.stage, NP_STAGE_LOCAL);
    assert_string_equal(w.failure.fault.where, "conn.memory_max");
    assert_int_equal(w.failure.fault.got, 200000);
    demo_rest(w.loop, 100);
    assert_int_equal(np_daemon_connections(w.daemon), 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    free(frames);
    free(said);
    end(&w);
}

/* A message larger than all memory that the loop may take: the one who sends it is let go. */
static void test_memory(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 65536);
    size_t len = 0;
    uint8_t *said = calloc(1, 300000);
    uint8_t *frames = calloc(1, 400000);
    int fd = -1;

    (void)state;
    options.conn.close_timeout_ms = 50; /* the peer here never hangs up */
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    len = demo_raw_hello(frames, 400000);
    len += demo_raw_say(frames + len, 400000 - len, said, 300000);
    assert_true(send(fd, frames, len - 100000, MSG_NOSIGNAL | MSG_DONTWAIT) > 512);
    demo_run(w.loop, &w.closed);
    assert_true(w.opened);
    assert_int_equal(w.failure.err, NP_ERR_LIMIT);
    assert_int_equal(w.failure.stage, NP_STAGE_LOCAL);
    assert_string_equal(w.failure.fault.where, "loop.memory_max");
    assert_int_equal(w.failure.fault.got, 65536);
    assert_non_null(strstr(w.failure.text, "loop.memory_max"));
    assert_true(is_logged(&w, "event=conn.closed", "stage=local err=NP_ERR_LIMIT"));
    assert_true(is_logged(&w, "event=conn.closed", "loop.memory_max"));
    (void)close(fd);
    free(frames);
    free(said);
    end(&w);
}

typedef struct sender {
    world w;
    np_conn *speaks, *deaf;
    np_err err;
} sender;

static void on_first(np_conn *conn, void *user)
{
    sender *s = user;

    *(s->deaf == NULL ? &s->deaf : &s->speaks) = conn;
    s->w.opened = true;
}

static void on_end(np_conn *conn, const np_failure *failure, void *user)
{
    sender *s = user;

    assert_ptr_equal(conn, s->speaks);
    s->w.closed = true;
    s->w.failure = *failure;
}

static np_err pass_on(np_conn *conn, const demo_say *msg, void *user)
{
    const demo_say part = {{msg->data.data, 400000}};
    sender *s = user;

    (void)conn;
    s->err = np_conn_send(s->deaf, demo_message_say, &part, NULL);
    return NP_OK;
}

/* A handler looks at a message that fills the memory, and sends to somebody else, for whom nothing
 * is left: the send says so. Whose message it is gives way as soon as the handler is done, and the
 * other one has lost nothing. */
static void test_memory_of_a_handlers_message(void **state)
{
    enum { LEN = 700000 };
    static sender s;
    const demo_handlers handlers = {pass_on, NULL, &s};
    np_daemon_options options;
    uint8_t *said = calloc(1, LEN);
    uint8_t *frames = calloc(1, LEN + 1000);
    size_t hello = 0;
    size_t len = 0;
    int fds[2];

    (void)state;
    options = begin(&s.w, 1 << 20);
    options.service.handlers = &handlers;
    options.handlers = (np_conn_handlers){.on_open = on_first, .on_close = on_end, .user = &s};
    options.conn.close_timeout_ms = 50; /* the peers here never hang up */
    demo_must(np_daemon_start(&s.w.daemon, s.w.loop, &options, NULL), NULL);
    hello = demo_raw_hello(frames, LEN);
    len = hello + demo_raw_say(frames + hello, LEN + 1000 - hello, said, LEN);
    for (int i = 0; i < 2; i++) {
        s.w.opened = false;
        fds[i] = demo_raw_connect(np_daemon_address(s.w.daemon, 0));
        assert_true(send(fds[i], frames, hello, MSG_NOSIGNAL) > 0);
        demo_run(s.w.loop, &s.w.opened);
    }
    for (size_t at = hello; at < len && !s.w.closed;) {
        ssize_t put = send(fds[1], frames + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += put > 0 ? (size_t)put : 0;
        demo_rest(s.w.loop, 1);
    }
    demo_run(s.w.loop, &s.w.closed);
    assert_int_equal(s.err, NP_ERR_LIMIT);
    assert_int_equal(s.w.failure.err, NP_ERR_LIMIT);
    assert_string_equal(s.w.failure.fault.where, "loop.memory_max");
    assert_int_equal(np_daemon_connections(s.w.daemon), 1);
    assert_true(np_conn_is_open(s.deaf));
    s.speaks = s.deaf; /* for on_end */
    (void)close(fds[0]);
    (void)close(fds[1]);
    free(frames);
    free(said);
    end(&s.w);
}

static void ignore(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                   void *user, np_fault *fault)
{
    (void)conn;
    (void)err;
    (void)payload;
    (void)len;
    (void)version;
    (void)user;
    (void)fault;
}

/* Calls of ours: the caller is told which bound it was. */
static void test_calls(void **state)
{
    world w;
    np_daemon_options options = begin(&w, 0);
    np_client_options client_options = np_client_options_default();
    demo_find find = {1};
    np_client *client = NULL;
    np_fault fault;
    uint32_t i = 0;
    np_err err = NP_OK;

    (void)state;
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    client_options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    client_options.conn.calls_max = 3;
    demo_must(np_client_new(&client, w.loop, &client_options, NULL), NULL);
    demo_must(np_client_connect_wait(client, NULL), NULL);
    for (i = 0; i < 10 && err == NP_OK; i++) {
        err = np_conn_call(np_client_conn(client), demo_message_find, &find, ignore, NULL, &fault);
    }
    assert_int_equal(i, 4);
    assert_int_equal(err, NP_ERR_LIMIT);
    assert_string_equal(fault.where, "session.calls_max");
    assert_int_equal(fault.got, 3);
    np_client_free(client);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_connections_per_source),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_friends_are_no_strangers),
        cmocka_unit_test(test_handshake_rates),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_memory_of_one),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_of_a_handlers_message),
        cmocka_unit_test(test_nobody_gives_way_for_nothing),
        cmocka_unit_test(test_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
