/* Daemon and client over TCP on the loopback interface: messages, calls, ends and limits. */
#include "support/demo_service.h"

#include <setjmp.h>
#include <stdio.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/framing.h"

#include <base.h>

/* What a test's client sees. */
typedef struct seen {
    bool opened, closed, failed, done;
    size_t says;
    size_t bytes;
    size_t want;
    np_failure failure;
    np_err err;
    np_call_failure call_failure;
    uint8_t first;
    size_t len;
    int answers;
    np_call kept;
    np_conn *conn;
} seen;

static void on_open(np_conn *conn, void *user)
{
    seen *s = user;
    s->opened = true;
    s->conn = conn;
}

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    seen *s = user;
    (void)conn;
    s->closed = true;
    s->failure = *failure;
}

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    seen *s = user;
    (void)client;
    s->failed = true;
    s->failure = *failure;
}

static np_err on_say(np_conn *conn, const demo_say *msg, void *user)
{
    seen *s = user;
    (void)conn;
    s->says++;
    s->bytes += msg->data.len;
    s->done = s->bytes >= s->want;
    return NP_OK;
}

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    seen server, user;
    demo_handlers client_handlers;
} world;

static void start_daemon(world *w, const char *address, const np_daemon_options *given)
{
    const char *addresses[] = {address};
    np_daemon_options options = *given;
    np_failure failure;

    options.addresses = addresses;
    options.address_count = 1;
    options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    demo_must(np_daemon_start(&w->daemon, w->loop, &options, &failure), &failure);
}

static void start_client(world *w, const char *address)
{
    np_client_options options;
    np_failure failure;

    w->client_handlers = (demo_handlers){on_say, NULL, &w->user};
    options = demo_client_options(&w->client_handlers, address);
    options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->user};
    options.on_failed = on_failed;
    options.user = &w->user;
    demo_must(np_client_new(&w->client, w->loop, &options, &failure), &failure);
}

static void start(world *w, const char *address)
{
    np_daemon_options options = demo_daemon_options(&demo_echo, NULL, 0);
    np_failure failure;

    memset(w, 0, sizeof *w);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    start_daemon(w, address, &options);
    start_client(w, np_daemon_address(w->daemon, 0));
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static void echo_over(const char *address)
{
    world w;
    uint8_t bytes[300];
    demo_say say = {{bytes, sizeof bytes}};
    np_peer peer;

    start(&w, address);
    memset(bytes, 7, sizeof bytes);
    w.user.want = 1000 * sizeof bytes;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    }
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.says, 1000);
    np_conn_peer(np_client_conn(w.client), &peer);
    assert_string_equal(peer.text, np_daemon_address(w.daemon, 0));
    assert_int_equal(np_client_close_wait(w.client), NP_OK);
    assert_true(w.user.closed);
    assert_int_equal(w.user.failure.stage, NP_STAGE_NONE);
    end(&w);
}

static void test_echo_ipv4(void **state)
{
    (void)state;
    echo_over("tcp://127.0.0.1:0");
}

static void test_echo_ipv6(void **state)
{
    (void)state;
    echo_over("tcp://[::1]:0");
}

static void test_wildcard_takes_both_families(void **state)
{
    const char *format[] = {"tcp://127.0.0.1:%s", "tcp://[::1]:%s"};
    world w;

    (void)state;
    for (int i = 0; i < 2; i++) {
        np_daemon_options options = demo_daemon_options(&demo_echo, NULL, 0);
        char address[64];
        np_failure failure;
        np_peer peer;

        memset(&w, 0, sizeof w);
        demo_must(np_loop_new(&w.loop, NULL), NULL);
        start_daemon(&w, "tcp://*:0", &options);
        const char *port = strrchr(np_daemon_address(w.daemon, 0), ':') + 1;
        (void)snprintf(address, sizeof address, i == 0 ? format[0] : format[1], port);
        start_client(&w, address);
        demo_must(np_client_connect_wait(w.client, &failure), &failure);
        while (!w.server.opened) {
            demo_rest(w.loop, 1);
        }
        np_conn_peer(w.server.conn, &peer);
        assert_int_equal(strncmp(peer.text, address, i == 0 ? 16 : 12), 0);
        end(&w);
    }
}

/* Calls ------------------------------------------------------------------------------------ */

static np_err take_found(const void *payload, size_t len, uint32_t version, void *user,
                         np_fault *fault)
{
    seen *s = user;
    demo_say found;
    np_err err = demo_read_found(payload, len, version, &found, fault);

    if (err == NP_OK) {
        s->len = found.data.len;
        s->first = found.data.len > 0 ? found.data.data[0] : 0;
    }
    return err;
}

static void test_call_wait(void **state)
{
    world w;
    demo_find find = {99};
    np_fault fault = {.err = NP_OK};

    (void)state;
    start(&w, "tcp://127.0.0.1:0");
    assert_int_equal(
        np_client_call_wait(w.client, demo_message_find, &find, take_found, &w.user, &fault),
        NP_OK);
    assert_int_equal(w.user.len, 99);
    assert_int_equal(w.user.first, 99);
    /* A value that the schema forbids is refused here, by name, and nothing is sent. */
    find.key = 1001;
    assert_int_equal(
        np_client_call_wait(w.client, demo_message_find, &find, take_found, &w.user, &fault),
        NP_ERR_RANGE);
    assert_string_equal(fault.where, "demo.Find.key");
    end(&w);
}

static void on_done(np_client *client, np_err err, const void *payload, size_t len,
                    uint32_t version, void *user, np_fault *fault)
{
    seen *s = user;
    const np_call_failure *failure = np_client_call_failure(client);

    s->answers++;
    s->err = err;
    s->done = true;
    assert_int_equal(fault->err, err);
    if (failure != NULL) {
        s->call_failure = *failure;
        assert_true(np_str_equal(failure->text, np_str_from("not today")));
    }
    if (err == NP_OK) {
        assert_int_equal(take_found(payload, len, version, s, fault), NP_OK);
    } else {
        assert_null(payload);
    }
}

static np_err keep_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    seen *s = user;

    (void)conn;
    (void)msg;
    s->kept = call;
    s->done = true;
    return NP_OK;
}

static void start_keeping(world *w, demo_handlers *keep)
{
    np_daemon_options options;
    np_failure failure;

    memset(w, 0, sizeof *w);
    *keep = (demo_handlers){NULL, keep_find, &w->server};
    options = demo_daemon_options(keep, NULL, 0);
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    start_daemon(w, "tcp://127.0.0.1:0", &options);
    start_client(w, np_daemon_address(w->daemon, 0));
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
}

static void test_answer_comes_later(void **state)
{
    world w;
    demo_handlers keep;
    demo_find find = {5};
    uint8_t byte = 42;
    demo_say answer = {{&byte, 1}};

    (void)state;
    start_keeping(&w, &keep);
    assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_done, &w.user), NP_OK);
    demo_run(w.loop, &w.server.done);
    assert_true(np_call_alive(w.server.kept));
    assert_int_equal(np_call_reply(w.server.kept, &answer, NULL), NP_OK);
    /* Answered once is answered. */
    assert_false(np_call_alive(w.server.kept));
    assert_int_equal(np_call_reply(w.server.kept, &answer, NULL), NP_ERR_CLOSED);
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.err, NP_OK);
    assert_int_equal(w.user.first, 42);
    end(&w);
}

static void test_call_fails_in_words(void **state)
{
    world w;
    demo_handlers keep;
    demo_find find = {5};

    (void)state;
    start_keeping(&w, &keep);
    assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_done, &w.user), NP_OK);
    demo_run(w.loop, &w.server.done);
    assert_int_equal(np_call_fail(w.server.kept, 999, 1, np_str_from("x")), NP_ERR_VARIANT);
    assert_int_equal(
        np_call_fail(w.server.kept, BASE_REASON_INTERNAL, 77, np_str_from("not today")), NP_OK);
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.err, NP_ERR_FAILED);
    assert_int_equal(w.user.call_failure.code, 77);
    assert_int_equal(w.user.call_failure.reason, BASE_REASON_INTERNAL);
    end(&w);
}

static np_err refuse_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return np_call_fail(call, BASE_REASON_REFUSED, 401, np_str_from("not you"));
}

/* Who waits has no done function, so the words stay. They are of the last call that waited, and
 * nothing to the done function of another. */
static void test_words_of_a_call_that_waited(void **state)
{
    world w;
    demo_handlers refuse;
    demo_find find = {5};
    const np_call_failure *words = NULL;

    (void)state;
    start_keeping(&w, &refuse);
    refuse.on_find = refuse_find;
    assert_null(np_client_call_failure(w.client));
    assert_int_equal(
        np_client_call_wait(w.client, demo_message_find, &find, take_found, &w.user, NULL),
        NP_ERR_REFUSED);
    words = np_client_call_failure(w.client);
    assert_non_null(words);
    assert_int_equal(words->reason, BASE_REASON_REFUSED);
    assert_int_equal(words->code, 401);
    assert_true(np_str_equal(words->text, np_str_from("not you")));
    assert_int_equal(np_client_failure(w.client)->err, NP_OK); /* the connection lives */

    refuse.on_find = demo_echo.on_find;
    assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_done, &w.user), NP_OK);
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.err, NP_OK);
    assert_int_equal(w.user.call_failure.code, 0);
    assert_int_equal(
        np_client_call_wait(w.client, demo_message_find, &find, take_found, &w.user, NULL), NP_OK);
    assert_null(np_client_call_failure(w.client));
    end(&w);
    assert_null(np_client_call_failure(NULL));
}

static void test_call_deadline(void **state)
{
    world w;
    demo_handlers keep;
    demo_find find = {5};
    uint8_t byte = 1;
    demo_say answer = {{&byte, 1}};

    (void)state;
    start_keeping(&w, &keep);
    assert_int_equal(
        np_client_call_within(w.client, demo_message_find, &find, 50, on_done, &w.user, NULL),
        NP_OK);
    demo_run(w.loop, &w.user.done);
    assert_int_equal(w.user.err, NP_ERR_DEADLINE);
    assert_int_equal(w.user.answers, 1);
    /* The daemon learns that nobody waits; a late answer does not meet the next call. */
    demo_rest(w.loop, 30);
    assert_int_equal(np_call_reply(w.server.kept, &answer, NULL), NP_ERR_CLOSED);
    assert_false(w.user.closed);
    end(&w);
}

static void test_stale_call_after_close(void **state)
{
    world w;
    demo_handlers keep;
    demo_find find = {5};
    uint8_t byte = 1;
    demo_say answer = {{&byte, 1}};

    (void)state;
    start_keeping(&w, &keep);
    assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_done, &w.user), NP_OK);
    demo_run(w.loop, &w.server.done);
    np_conn_abort(np_client_conn(w.client));
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.user.answers, 1);
    assert_int_equal(w.user.err, NP_ERR_CANCELED);
    assert_true(w.user.closed);
    assert_int_equal(np_call_reply(w.server.kept, &answer, NULL), NP_ERR_CLOSED);
    assert_null(np_conn_find(w.loop, w.server.kept.conn));
    /* The reset that the abort made is told as such, with its stage. */
    assert_int_equal(w.server.failure.err, NP_ERR_RESET);
    assert_int_equal(w.server.failure.stage, NP_STAGE_READ);
    /* The slot's next user has another name. */
    w.user = (seen){.opened = false};
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    assert_int_equal(np_call_reply(w.server.kept, &answer, NULL), NP_ERR_CLOSED);
    end(&w);
}

/* Ends ------------------------------------------------------------------------------------- */

static void test_nobody_listens(void **state)
{
    world w;
    np_daemon_options options = demo_daemon_options(&demo_echo, NULL, 0);
    char address[64];
    np_failure failure;

    (void)state;
    memset(&w, 0, sizeof w);
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start_daemon(&w, "tcp://127.0.0.1:0", &options);
    (void)snprintf(address, sizeof address, "%s", np_daemon_address(w.daemon, 0));
    np_daemon_free(w.daemon);
    w.daemon = NULL;
    start_client(&w, address);
    assert_int_equal(np_client_connect_wait(w.client, &failure), NP_ERR_CONNECT);
    assert_true(w.user.failed);
    assert_int_equal(failure.stage, NP_STAGE_CONNECT);
    assert_int_equal(failure.os_error, ECONNREFUSED);
    assert_non_null(strstr(failure.text, address));
    assert_int_equal(np_client_send(w.client, demo_message_say, NULL, NULL), NP_ERR_CLOSED);
    end(&w);
}

static np_err refuse_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_ERR_LIMIT;
}

static void test_handler_error_closes(void **state)
{
    const demo_handlers handlers = {refuse_say, NULL, NULL};
    np_daemon_options options = demo_daemon_options(&handlers, NULL, 0);
    demo_say say = {{NULL, 0}};
    world w;

    (void)state;
    memset(&w, 0, sizeof w);
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start_daemon(&w, "tcp://127.0.0.1:0", &options);
    start_client(&w, np_daemon_address(w.daemon, 0));
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    demo_run(w.loop, &w.user.closed);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_LIMIT);
    assert_int_equal(w.server.failure.stage, NP_STAGE_HANDLER);
    assert_true(w.user.failure.by_peer);
    assert_int_equal(w.user.failure.stage, NP_STAGE_PEER);
    end(&w);
}

static void test_no_handler_refuses(void **state)
{
    const demo_handlers none = {NULL, NULL, NULL};
    np_daemon_options options = demo_daemon_options(&none, NULL, 0);
    demo_find find = {1};
    demo_say say = {{NULL, 0}};
    world w;

    (void)state;
    memset(&w, 0, sizeof w);
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start_daemon(&w, "tcp://127.0.0.1:0", &options);
    start_client(&w, np_daemon_address(w.daemon, 0));
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    /* A request is refused by itself; */
    assert_int_equal(
        np_client_call_wait(w.client, demo_message_find, &find, take_found, &w.user, NULL),
        NP_ERR_FAILED);
    assert_false(w.user.closed);
    /* a message cannot be, so it ends the connection. */
    assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_NO_HANDLER);
    end(&w);
}

static void test_garbage_is_refused_in_words(void **state)
{
    world w;
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    uint8_t answer[512];
    ssize_t got = 0;
    int fd = -1;

    (void)state;
    start(&w, "tcp://127.0.0.1:0");
    fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    assert_int_equal(send(fd, http, sizeof http - 1, MSG_NOSIGNAL), sizeof http - 1);
    demo_rest(w.loop, 30);
    got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    assert_true(got > 14);
    assert_int_equal(np_get_u32(answer + 10), BASE_ERROR_ID);
    (void)close(fd);
    demo_rest(w.loop, 30);
    assert_int_equal(np_daemon_connections(w.daemon), 1);
    end(&w);
}

/* Somebody says goodbye, and more: the daemon tells so, and what it had to say is not lost. */
static void test_more_behind_a_goodbye(void **state)
{
    static const uint8_t bye[] = {0xDE, 0xAD, 0xBE, 0xEF, 1, 0, 0, 0, 0, 13, BASE_DISCONNECT_ID,
                                  0,    0,    0,    0,    0, 0, 0, 0, 0, 0,  0,
                                  0};
    uint8_t bytes[512];
    size_t len;
    size_t got = 0;
    ssize_t n = 0;
    world w;
    int fd = -1;

    (void)state;
    if (getenv(DEMO_SECURE) != NULL) {
        skip(); /* over records: unit.session_parting */
    }
    start(&w, "tcp://127.0.0.1:0");
    fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    len = demo_raw_hello(bytes, sizeof bytes);
    len += demo_raw_say(bytes + len, sizeof bytes - len, "echo", 4);
    memcpy(bytes + len, bye, sizeof bye);
    memcpy(bytes + len + sizeof bye, "more", 4);
    len += sizeof bye + 4;
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.err, NP_ERR_TRAILING);
    assert_int_equal(w.server.failure.stage, NP_STAGE_FRAME);
    assert_true(w.server.failure.by_peer);
    assert_string_equal(w.server.failure.text,
                        "frame: base.frame: bytes follow the end of the "
                        "value, rule: nothing behind a Disconnect at byte 0");
    do {
        n = recv(fd, bytes + got, sizeof bytes - got, 0);
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    assert_int_equal(n, 0); /* no reset */
    assert_true(got > 40);
    assert_memory_equal(bytes + got - sizeof bye - 4, "echo", 4);
    assert_memory_equal(bytes + got - sizeof bye, bye, sizeof bye);
    (void)close(fd);
    end(&w);
}

static np_err close_on_say(np_conn *conn, const demo_say *msg, void *user)
{
    (void)user;
    assert_int_equal(np_conn_send(conn, demo_message_say, msg, NULL), NP_OK);
    np_conn_close(conn, BASE_REASON_REFUSED, "enough");
    np_conn_close(conn, BASE_REASON_REFUSED, "twice");
    assert_int_equal(np_conn_send(conn, demo_message_say, msg, NULL), NP_ERR_CLOSED);
    return NP_OK;
}

static void test_close_in_handler_sends_what_is_queued(void **state)
{
    const demo_handlers handlers = {close_on_say, NULL, NULL};
    np_daemon_options options = demo_daemon_options(&handlers, NULL, 0);
    uint8_t byte = 9;
    demo_say say = {{&byte, 1}};
    world w;

    (void)state;
    memset(&w, 0, sizeof w);
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start_daemon(&w, "tcp://127.0.0.1:0", &options);
    start_client(&w, np_daemon_address(w.daemon, 0));
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    assert_int_equal(np_client_send(w.client, demo_message_say, &say, NULL), NP_OK);
    demo_run(w.loop, &w.user.closed);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.user.says, 1);
    assert_true(w.user.failure.by_peer);
    assert_int_equal(w.user.failure.reason, BASE_REASON_REFUSED);
    assert_non_null(strstr(w.user.failure.text, "enough"));
    assert_int_equal(w.server.failure.err, NP_OK);
    end(&w);
}

static void on_stopped(np_daemon *daemon, void *user)
{
    (void)daemon;
    *(bool *)user = true;
}

static void test_stop_drains(void **state)
{
    np_daemon_options options = demo_daemon_options(&demo_echo, NULL, 0);
    uint8_t *big = calloc(1, 300000);
    demo_say say = {{big, 300000}};
    bool stopped = false;
    world w;

    (void)state;
    memset(&w, 0, sizeof w);
    options.on_stopped = on_stopped;
    options.user = &stopped;
    demo_must(np_loop_new(&w.loop, NULL), NULL);
    start_daemon(&w, "tcp://127.0.0.1:0", &options);
    start_client(&w, np_daemon_address(w.daemon, 0));
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    while (!w.server.opened) {
        demo_rest(w.loop, 1);
    }
    w.user.want = 300000;
    assert_int_equal(np_conn_send(w.server.conn, demo_message_say, &say, NULL), NP_OK);
    np_daemon_stop(w.daemon);
    np_daemon_stop(w.daemon);
    demo_run(w.loop, &stopped);
    assert_true(w.user.done);
    assert_true(w.user.closed);
    assert_int_equal(w.user.failure.err, NP_OK);
    assert_true(w.user.failure.by_peer);
    assert_int_equal(np_client_connect_wait(w.client, NULL), NP_ERR_CONNECT);
    free(big);
    end(&w);
}

static void test_free_in_the_middle(void **state)
{
    world w;
    demo_handlers keep;
    demo_find find = {1};

    (void)state;
    start_keeping(&w, &keep);
    assert_int_equal(np_client_call(w.client, demo_message_find, &find, on_done, &w.user), NP_OK);
    demo_run(w.loop, &w.server.done);
    np_client_free(w.client); /* tells the call and on_close */
    assert_int_equal(w.user.answers, 1);
    assert_true(w.user.closed);
    np_daemon_free(w.daemon);
    assert_true(w.server.closed);
    np_loop_free(w.loop);
}

/* Limits ----------------------------------------------------------------------------------- */

static void test_too_many_are_told_busy(void **state)
{
    np_daemon_options options = demo_daemon_options(&demo_echo, NULL, 0);
    np_failure failure;
    np_client *second = NULL;
    np_client_options second_options;
    world w;

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(&w, 0, sizeof w);
        options.connections_max = i == 0 ? 1 : 100;
        options.connections_per_source_max = i == 0 ? 0 : 1;
        demo_must(np_loop_new(&w.loop, NULL), NULL);
        start_daemon(&w, "tcp://127.0.0.1:0", &options);
        start_client(&w, np_daemon_address(w.daemon, 0));
        demo_must(np_client_connect_wait(w.client, NULL), NULL);
        second_options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
        demo_must(np_client_new(&second, w.loop, &second_options, NULL), NULL);
        assert_int_equal(np_client_connect_wait(second, &failure), NP_ERR_BUSY);
        assert_int_equal(failure.stage, NP_STAGE_HELLO);
        assert_true(failure.by_peer);
        /* The place becomes free. */
        assert_int_equal(np_client_close_wait(w.client), NP_OK);
        demo_rest(w.loop, 20);
        demo_must(np_client_connect_wait(second, &failure), &failure);
        np_client_free(second);
        end(&w);
    }
}

#define MANY 200

static void test_two_hundred_connections(void **state)
{
    np_client *clients[MANY];
    np_client_options options;
    demo_find find = {100};
    seen users[MANY];
    world w;

    (void)state;
    memset(users, 0, sizeof users);
    start(&w, "tcp://127.0.0.1:0");
    options = demo_client_options(NULL, np_daemon_address(w.daemon, 0));
    for (int i = 0; i < MANY; i++) {
        options.handlers =
            (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &users[i]};
        demo_must(np_client_new(&clients[i], w.loop, &options, NULL), NULL);
        demo_must(np_client_connect(clients[i]), NULL);
    }
    for (int i = 0; i < MANY; i++) {
        demo_run(w.loop, &users[i].opened);
    }
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < MANY; i++) {
            users[i].done = false;
            assert_int_equal(
                np_client_call(clients[i], demo_message_find, &find, on_done, &users[i]), NP_OK);
        }
        for (int i = 0; i < MANY; i++) {
            demo_run(w.loop, &users[i].done);
            assert_int_equal(users[i].len, 100);
        }
    }
    assert_int_equal(np_daemon_connections(w.daemon), MANY + 1);
    for (int i = 0; i < MANY; i++) {
        np_client_close(clients[i]);
    }
    for (int i = 0; i < MANY; i++) {
        demo_run(w.loop, &users[i].closed);
        assert_int_equal(users[i].failure.err, NP_OK);
        np_client_free(clients[i]);
    }
    end(&w);
}

static void test_address_in_use_and_bad_ones(void **state)
{
    const char *addresses[2];
    char name[64];
    np_daemon *second = NULL;
    np_daemon_options options;
    np_failure failure;
    world w;

    (void)state;
    start(&w, "tcp://127.0.0.1:0");
    (void)snprintf(name, sizeof name, "unix://@netproto-test-in-use-%d", (int)getpid());
    addresses[0] = name;
    addresses[1] = np_daemon_address(w.daemon, 0);
    options = demo_daemon_options(&demo_echo, addresses, 2);
    assert_int_equal(np_daemon_start(&second, w.loop, &options, &failure), NP_ERR_IN_USE);
    assert_null(second);
    assert_int_equal(failure.stage, NP_STAGE_LISTEN);
    addresses[1] = "tcp:/127.0.0.1:1";
    assert_int_equal(np_daemon_start(&second, w.loop, &options, &failure), NP_ERR_ADDRESS);
    assert_int_equal(failure.stage, NP_STAGE_ADDRESS);
    addresses[1] = "tcp://example.org:1";
    assert_int_equal(np_daemon_start(&second, w.loop, &options, &failure), NP_ERR_ADDRESS);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_ipv4),
        cmocka_unit_test(test_echo_ipv6),
        cmocka_unit_test(test_wildcard_takes_both_families),
        cmocka_unit_test(test_call_wait),
        cmocka_unit_test(test_answer_comes_later),
        cmocka_unit_test(test_call_fails_in_words),
        cmocka_unit_test(test_words_of_a_call_that_waited),
        cmocka_unit_test(test_call_deadline),
        cmocka_unit_test(test_stale_call_after_close),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_handler_error_closes),
        cmocka_unit_test(test_no_handler_refuses),
        cmocka_unit_test(test_garbage_is_refused_in_words),
        cmocka_unit_test(test_more_behind_a_goodbye),
        cmocka_unit_test(test_close_in_handler_sends_what_is_queued),
        cmocka_unit_test(test_stop_drains),
        cmocka_unit_test(test_free_in_the_middle),
        cmocka_unit_test(test_too_many_are_told_busy),
        cmocka_unit_test(test_two_hundred_connections),
        cmocka_unit_test(test_address_in_use_and_bad_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
