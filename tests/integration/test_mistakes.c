/* What a developer is told who makes a mistake: forgets a handler, lets one fail, waits where one
 * must not, sends too early, too late or in the wrong state, keeps what was only lent. */
#include "support/demo_service.h"

#include <base.h>
#include <talk_service.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct seen {
    np_conn *conn;
    bool opened, closed, joined, said, answered;
    np_err answer;
    np_failure failure;
    uint32_t reason;
    char text[256];
    const uint8_t *kept; /* a view that should not have been */
    size_t kept_len;
} seen;

typedef struct world {
    np_loop *loop;
    np_daemon *daemon;
    np_client *client;
    np_log log;
    char lines[8192];
    seen server, user;
} world;

/* Every line of the log: "level event text". */
static void keep_line(void *user, const np_log_event *event)
{
    world *w = user;
    const np_log_field *last = &event->fields[event->field_count - 1];
    size_t used = strlen(w->lines);

    (void)snprintf(w->lines + used, sizeof w->lines - used, "%s %s %.*s\n",
                   np_log_level_name(event->level), event->name, (int)last->text.len,
                   last->text.data);
}

static int count(const char *lines, const char *line)
{
    int n = 0;

    for (const char *at = strstr(lines, line); at != NULL; at = strstr(at + 1, line)) {
        n++;
    }
    return n;
}

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

static np_err on_join(np_conn *conn, const talk_join *msg, void *user)
{
    seen *s = user;

    (void)conn;
    (void)msg;
    s->joined = true;
    return NP_OK;
}

static void on_found(np_conn *conn, np_err err, const talk_person *answer, void *user,
                     const np_fault *fault)
{
    seen *s = user;
    const np_call_failure *failure = np_conn_call_failure(conn);

    (void)fault;
    s->answered = true;
    s->answer = err;
    if (failure != NULL) {
        s->reason = failure->reason;
        (void)snprintf(s->text, sizeof s->text, "%.*s", (int)failure->text.len, failure->text.data);
    }
    if (answer != NULL) {
        s->kept = (const uint8_t *)answer->name.data;
        s->kept_len = answer->name.len;
    }
}

static void start_loop(world *w)
{
    np_loop_options options = np_loop_options_default();

    memset(w, 0, sizeof *w);
    np_log_init(&w->log, &(np_log_sink){keep_line, w}, NULL);
    options.log = &w->log;
    demo_must(np_loop_new(&w->loop, &options), NULL);
}

static void start_both(world *w, const talk_handlers *server, const talk_handlers *user,
                       const np_conn_options *conn)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options daemon = np_daemon_options_default();
    np_client_options client = np_client_options_default();
    np_failure failure;

    daemon.security.plaintext = true;
    client.security.plaintext = true;
    daemon.addresses = addresses;
    daemon.address_count = 1;
    daemon.service = talk_service(server);
    daemon.conn = *conn;
    daemon.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    demo_must(np_daemon_start(&w->daemon, w->loop, &daemon, &failure), &failure);
    client.address = np_daemon_address(w->daemon, 0);
    client.service = talk_service(user);
    client.conn = *conn;
    client.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &client, &failure), &failure);
}

static void start(world *w, const talk_handlers *server, const talk_handlers *user)
{
    talk_join join = {.name = np_str_from("ann")};
    np_conn_options conn = np_conn_options_default();

    start_both(w, server, user, &conn);
    demo_must(np_client_connect_wait(w->client, NULL), NULL);
    demo_must(talk_join_send(np_client_conn(w->client), &join, NULL), NULL);
    demo_run(w->loop, &w->server.joined);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

static void expect_fault(const np_fault *fault, np_err err, const char *text)
{
    char line[256];

    assert_int_equal(fault->err, err);
    assert_string_equal(np_fault_format(fault, line, sizeof line), text);
}

/* A handler fails -------------------------------------------------------------------------- */

static np_err fail_say(np_conn *conn, const talk_say *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_ERR_UTF8; /* of class PROTO: yet the peer did nothing wrong */
}

static void test_handler_fails(void **state)
{
    world w;
    const talk_handlers handlers = {.on_join = on_join, .on_say = fail_say, .user = &w.server};
    talk_say say = {.text = np_str_from("hello"), .mood = 3};

    (void)state;
    start_loop(&w);
    start(&w, &handlers, NULL);
    demo_must(talk_say_send(np_client_conn(w.client), &say, NULL), NULL);
    demo_run(w.loop, &w.user.closed);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.server.failure.stage, NP_STAGE_HANDLER);
    assert_string_equal(np_stage_name(w.server.failure.stage), "handler");
    assert_int_equal(w.server.failure.err, NP_ERR_UTF8);
    assert_false(w.server.failure.by_peer);
    assert_string_equal(w.server.failure.fault.where, "talk.Say");
    assert_string_equal(w.server.failure.text,
                        "handler of talk.Say returned NP_ERR_UTF8: invalid UTF-8");
    assert_int_equal(
        count(w.lines, "error conn.handler_failed handler of talk.Say returned NP_ERR_UTF8\n"), 1);
    /* The peer learns that it was not its fault, and no more. */
    assert_true(w.user.failure.by_peer);
    assert_int_equal(w.user.failure.err, NP_ERR_FAILED);
    assert_int_equal(w.user.failure.reason, BASE_REASON_INTERNAL);
    assert_string_equal(w.user.failure.text, "peer: the other side failed while serving it");
    end(&w);
}

/* A handler is missing --------------------------------------------------------------------- */

static void test_no_handler_for_a_request(void **state)
{
    world w;
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    talk_find find = {.name = np_str_from("bob")};

    (void)state;
    start_loop(&w);
    start(&w, &handlers, NULL);
    for (int i = 0; i < 3; i++) {
        w.user.answered = false;
        demo_must(talk_find_call(np_client_conn(w.client), &find, on_found, &w.user, NULL), NULL);
        demo_run(w.loop, &w.user.answered);
        assert_int_equal(w.user.answer, NP_ERR_FAILED);
        assert_int_equal(w.user.reason, BASE_REASON_UNKNOWN_MESSAGE);
        assert_string_equal(w.user.text, "no handler for talk.Find");
    }
    assert_int_equal(count(w.lines,
                           "warn conn.no_handler no handler for talk.Find: set .on_find in "
                           "talk_handlers\n"),
                     1);
    assert_non_null(np_client_conn(w.client));
    end(&w);
}

static void test_no_handler_for_a_message(void **state)
{
    world w;
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    talk_say say = {.text = np_str_from("hello"), .mood = 3};
    talk_upload upload = {.name = np_str_from("u"), .body = {(const uint8_t *)"b", 1}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        start_loop(&w);
        start(&w, &handlers, NULL);
        if (i == 0) {
            demo_must(talk_say_send(np_client_conn(w.client), &say, NULL), NULL);
        } else {
            demo_must(talk_upload_send(np_client_conn(w.client), &upload, NULL), NULL);
        }
        demo_run(w.loop, &w.user.closed);
        demo_run(w.loop, &w.server.closed);
        assert_int_equal(w.server.failure.stage, NP_STAGE_HANDLER);
        assert_int_equal(w.server.failure.err, NP_ERR_NO_HANDLER);
        assert_string_equal(
            w.server.failure.text,
            i == 0 ? "handler: no handler for talk.Say: set .on_say in talk_handlers"
                   : "handler: no handler for talk.Upload: set .on_upload or .on_upload_begin in "
                     "talk_handlers");
        /* How this side is written is none of the peer's business; which message it was, is. */
        assert_int_equal(w.user.failure.reason, BASE_REASON_UNKNOWN_MESSAGE);
        assert_non_null(strstr(w.user.failure.text, i == 0 ? "\"no handler for talk.Say\""
                                                           : "\"no handler for talk.Upload\""));
        end(&w);
    }
}

/* The schema has no such message: other words, once per id, and the connection goes on. */
static void test_unknown_message(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    uint8_t bytes[512];
    world w;

    (void)state;
    start_loop(&w);
    options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w.server};
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    int fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    size_t len = demo_raw_hello(bytes, sizeof bytes);
    for (int i = 0; i < 6; i++) {
        size_t at = len;
        len += demo_raw_say(bytes + len, sizeof bytes - len, "x", 1);
        bytes[at + 10] = (uint8_t)(0xF0 + i % 2); /* the id's first byte */
        bytes[at + 11] = 0x7F;
    }
    assert_int_equal(write(fd, bytes, len), len);
    demo_rest(w.loop, 50);
    assert_true(w.server.opened);
    assert_false(w.server.closed);
    assert_int_equal(count(w.lines, "warn conn.unknown_message "), 2);
    assert_int_equal(count(w.lines, "demo version 2 has no message 32752: the schemas differ\n"),
                     1);
    (void)close(fd);
    end(&w);
}

/* A peer that makes ids up does not fill the log, nor memory. */
static void test_unknown_messages_without_end(void **state)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    uint8_t bytes[8192];
    world w;

    (void)state;
    start_loop(&w);
    options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w.server};
    demo_must(np_daemon_start(&w.daemon, w.loop, &options, NULL), NULL);
    int fd = demo_raw_connect(np_daemon_address(w.daemon, 0));
    size_t len = demo_raw_hello(bytes, sizeof bytes);
    for (int i = 0; i < 90; i++) {
        size_t at = len;
        len += demo_raw_say(bytes + len, sizeof bytes - len, "x", 1);
        bytes[at + 10] = (uint8_t)i;
        bytes[at + 11] = 0x7F;
    }
    assert_int_equal(write(fd, bytes, len), len);
    demo_rest(w.loop, 50);
    assert_int_equal(count(w.lines, "warn conn.unknown_message "), 31);
    (void)close(fd);
    end(&w);
}

/* Waiting in a handler --------------------------------------------------------------------- */

typedef struct waits {
    world *w;
    np_err call, connect, close, run;
    np_fault fault;
    np_failure failure;
    char call_text[512], close_text[512];
    bool done;
} waits;

static np_err wait_in_say(np_conn *conn, const talk_say *msg, void *user)
{
    waits *all = user;
    np_client *client = np_conn_client(conn);
    talk_find find = {.name = msg->text};
    talk_person person;
    np_arena arena = np_arena_make(1024);

    all->call = talk_find_call_wait(client, &find, &arena, &person, &all->fault);
    (void)snprintf(all->call_text, sizeof all->call_text, "%s", np_client_failure(client)->text);
    all->connect = np_client_connect_wait(client, &all->failure);
    all->close = np_client_close_wait(client);
    (void)snprintf(all->close_text, sizeof all->close_text, "%s", np_client_failure(client)->text);
    all->run = np_loop_run(np_conn_loop(conn));
    np_arena_fini(&arena);
    all->done = true;
    return NP_OK;
}

static void test_waiting_in_a_handler(void **state)
{
    world w;
    waits all = {.w = &w};
    const talk_handlers server = {.on_join = on_join, .user = &w.server};
    const talk_handlers user = {.on_say = wait_in_say, .user = &all};
    talk_say say = {.text = np_str_from("hello"), .mood = 3};

    (void)state;
    start_loop(&w);
    start(&w, &server, &user);
    demo_must(talk_say_send(w.server.conn, &say, NULL), NULL);
    demo_run(w.loop, &all.done);
    assert_int_equal(all.call, NP_ERR_STATE);
    expect_fault(&all.fault, NP_ERR_STATE,
                 "talk.Find: not possible in this state: a handler must not wait; use the _call "
                 "without _wait");
    assert_non_null(strstr(all.call_text, "a handler must not wait; use the _call without _wait"));
    assert_int_equal(all.connect, NP_ERR_STATE);
    assert_non_null(strstr(all.failure.text, "use np_client_connect and on_open"));
    assert_int_equal(all.close, NP_ERR_STATE);
    assert_non_null(strstr(all.close_text, "use np_client_close and on_close"));
    assert_int_equal(all.run, NP_ERR_STATE);
    assert_int_equal(count(w.lines, "error client.wait_in_handler "), 3);
    /* It did no harm. */
    demo_must(talk_say_send(np_client_conn(w.client), &say, NULL), NULL);
    assert_int_equal(np_client_failure(w.client)->stage, NP_STAGE_CLOSE);
    end(&w);
}

/* Sending without a connection ------------------------------------------------------------- */

static void test_not_connected(void **state)
{
    world w;
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    np_conn_options conn = np_conn_options_default();
    talk_find find = {.name = np_str_from("bob")};
    talk_join join = {.name = np_str_from("ann")};
    np_fault fault;
    np_body body;
    talk_upload upload = {.name = np_str_from("u")};

    (void)state;
    start_loop(&w);
    start_both(&w, &handlers, NULL, &conn);
    /* np_client_conn is NULL here, and what it gives goes straight into a send. */
    assert_int_equal(talk_join_send(np_client_conn(w.client), &join, &fault), NP_ERR_STATE);
    expect_fault(&fault, NP_ERR_STATE,
                 "talk.Join: not possible in this state: there is no open connection; connect, and "
                 "wait for on_open");
    assert_int_equal(talk_find_call(NULL, &find, on_found, &w.user, &fault), NP_ERR_STATE);
    assert_string_equal(fault.where, "talk.Find");
    assert_int_equal(talk_upload_begin(NULL, &upload, 5, &body, &fault), NP_ERR_STATE);
    assert_string_equal(fault.where, "talk.Upload");
    assert_int_equal(np_conn_ping(NULL), NP_ERR_STATE);
    assert_false(w.user.answered); /* a call that was refused has no end */

    assert_int_equal(np_client_send(w.client, TALK_JOIN_MESSAGE, &join, &fault), NP_ERR_STATE);
    expect_fault(&fault, NP_ERR_STATE,
                 "talk.Join: not possible in this state: not connected; np_client_connect comes "
                 "first");
    demo_must(np_client_connect(w.client), NULL);
    assert_int_equal(np_client_send(w.client, TALK_JOIN_MESSAGE, &join, &fault), NP_ERR_STATE);
    expect_fault(&fault, NP_ERR_STATE,
                 "talk.Join: not possible in this state: not connected yet; wait for on_open");
    demo_run(w.loop, &w.user.opened);
    demo_must(np_client_send(w.client, TALK_JOIN_MESSAGE, &join, &fault), NULL);

    np_daemon_free(w.daemon);
    w.daemon = NULL;
    demo_run(w.loop, &w.user.closed);
    demo_rest(w.loop, 10);
    assert_int_equal(np_client_call(w.client, TALK_FIND_MESSAGE, &find, NULL, NULL), NP_ERR_CLOSED);
    assert_int_equal(np_client_send(w.client, TALK_JOIN_MESSAGE, &join, &fault), NP_ERR_CLOSED);
    expect_fault(&fault, NP_ERR_CLOSED,
                 "talk.Join: closed: not connected any more; np_client_failure tells why, then "
                 "connect again");
    end(&w);
}

static void test_closing(void **state)
{
    world w;
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    talk_say say = {.text = np_str_from("hello"), .mood = 3};
    np_fault fault;

    (void)state;
    start_loop(&w);
    start(&w, &handlers, NULL);
    np_conn_close(w.server.conn, NP_CONN_NO_REASON, NULL);
    assert_int_equal(talk_say_send(w.server.conn, &say, &fault), NP_ERR_CLOSED);
    expect_fault(&fault, NP_ERR_CLOSED,
                 "talk.Say: closed: the connection is closing or has ended; on_close tells why");
    end(&w);
}

/* In the wrong state ----------------------------------------------------------------------- */

static void test_wrong_state(void **state)
{
    static const char words[] =
        "talk.Say is not allowed from the client in state greet; allowed: Join";
    world w;
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    np_conn_options conn = np_conn_options_default();
    talk_say say = {.text = np_str_from("hello"), .mood = 3};
    np_fault fault;
    char text[512];

    (void)state;
    start_loop(&w);
    start_both(&w, &handlers, NULL, &conn);
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    assert_int_equal(talk_say_send(np_client_conn(w.client), &say, &fault), NP_ERR_UNEXPECTED);
    expect_fault(&fault, NP_ERR_UNEXPECTED, words);
    end(&w);

    /* A client that keeps to nothing: both failures say the same. */
    np_client_options options = np_client_options_default();
    options.security.plaintext = true;
    start_loop(&w);
    start_both(&w, &handlers, NULL, &conn);
    np_client_free(w.client);
    options.address = np_daemon_address(w.daemon, 0);
    options.service = talk_service(NULL);
    options.conn.any_order = true;
    options.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w.user};
    demo_must(np_client_new(&w.client, w.loop, &options, NULL), NULL);
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    demo_must(talk_say_send(np_client_conn(w.client), &say, &fault), NULL);
    demo_run(w.loop, &w.user.closed);
    demo_run(w.loop, &w.server.closed);
    (void)snprintf(text, sizeof text, "conversation: %s", words);
    assert_string_equal(w.server.failure.text, text);
    (void)snprintf(text, sizeof text,
                   "peer: the message is not allowed at this point of the conversation; the peer "
                   "says: \"%s\"",
                   words);
    assert_string_equal(w.user.failure.text, text);
    end(&w);
}

/* The same version of another schema ------------------------------------------------------- */

static void test_other_schema(void **state)
{
    static const uint8_t digests[TALK_VERSION][32] = {{1}};
    world w;
    np_protocol other = talk_protocol;
    np_daemon_options daemon = np_daemon_options_default();
    np_client_options client = np_client_options_default();
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_failure failure;
    char text[256];

    daemon.security.plaintext = true;
    client.security.plaintext = true;
    (void)state;
    other.digests = digests;
    start_loop(&w);
    daemon.addresses = addresses;
    daemon.address_count = 1;
    daemon.service = talk_service(NULL);
    demo_must(np_daemon_start(&w.daemon, w.loop, &daemon, NULL), NULL);
    client.address = np_daemon_address(w.daemon, 0);
    client.service.protocol = &other;
    demo_must(np_client_new(&w.client, w.loop, &client, NULL), NULL);
    assert_int_equal(np_client_connect_wait(w.client, &failure), NP_ERR_VERSION);
    assert_int_equal(failure.stage, NP_STAGE_HELLO);
    assert_int_equal(failure.disagreement, NP_DISAGREE_SCHEMA);
    snprintf(text, sizeof text,
             "hello %s: the schemas differ at the same version: talk version 2 has digest "
             "0000000000000000 here, %02x%02x",
             np_daemon_address(w.daemon, 0), talk_protocol.digests[1][0],
             talk_protocol.digests[1][1]);
    assert_memory_equal(failure.text, text, strlen(text));
    assert_non_null(strstr(failure.text, " there; build both sides from the same schema, or raise "
                                         "the version of the changed one (see npgen breaking)"));
    demo_rest(w.loop, 20);
    assert_non_null(strstr(w.lines, "the schemas differ at the same version: talk version 2 has "
                                    "digest "));
    assert_non_null(strstr(w.lines, " here, another one there; build both sides"));
    assert_null(strstr(w.lines, "the peer says"));
    end(&w);
}

/* Keeping what was lent -------------------------------------------------------------------- */

extern int __asan_address_is_poisoned(const volatile void *address) __attribute__((weak));

static np_err keep_say(np_conn *conn, const talk_say *msg, void *user)
{
    seen *s = user;

    (void)conn;
    s->said = true;
    s->kept = (const uint8_t *)msg->text.data;
    s->kept_len = msg->text.len;
    assert_memory_equal(s->kept, "keep me", 7); /* good until we return */
    return NP_OK;
}

static np_err keep_find(np_conn *conn, np_call call, const talk_find *msg, void *user)
{
    talk_person person = {.name = msg->name, .age = 7};

    (void)conn;
    (void)user;
    return talk_find_reply(call, &person, NULL);
}

static void expect_spoilt(const seen *s, size_t len)
{
    assert_int_equal(s->kept_len, len);
    for (size_t i = 0; i < len; i++) {
        if (__asan_address_is_poisoned != NULL) {
            assert_int_equal(__asan_address_is_poisoned(s->kept + i), 1);
        } else {
            assert_int_equal(s->kept[i], 0xA5);
        }
    }
}

static np_err keep_piece(np_conn *conn, np_body body, np_bytes piece, void *user)
{
    seen *s = user;

    (void)conn;
    (void)body;
    s->kept = piece.data;
    s->kept_len = piece.len;
    return NP_OK;
}

static np_err begin_upload(np_conn *conn, np_body body, const talk_upload *msg, uint64_t total,
                           void *user)
{
    (void)conn;
    (void)body;
    (void)msg;
    (void)total;
    (void)user;
    return NP_OK;
}

static np_err end_upload(np_conn *conn, np_body body, np_err err, void *user)
{
    seen *s = user;

    (void)conn;
    (void)body;
    s->answered = err == NP_OK;
    return err;
}

static void test_poison(void **state)
{
    world w;
    talk_handlers handlers = {.on_join = on_join,
                              .on_say = keep_say,
                              .on_find = keep_find,
                              .on_upload_begin = begin_upload,
                              .on_upload_data = keep_piece,
                              .on_upload_end = end_upload,
                              .user = &w.server};
    np_conn_options conn = np_conn_options_default();
    talk_join join = {.name = np_str_from("ann")};
    talk_say say = {.text = np_str_from("keep me"), .mood = 3};
    talk_find find = {.name = np_str_from("somebody")};
    talk_upload upload = {.name = np_str_from("u"), .body = {(const uint8_t *)"bodybody", 8}};

    (void)state;
    start_loop(&w);
    conn.poison = true;
    start_both(&w, &handlers, NULL, &conn);
    demo_must(np_client_connect_wait(w.client, NULL), NULL);
    demo_must(talk_join_send(np_client_conn(w.client), &join, NULL), NULL);
    /* More than the poison keeps of old copies, and one behind the other in one read. */
    for (int i = 0; i < 200; i++) {
        demo_must(talk_say_send(np_client_conn(w.client), &say, NULL), NULL);
    }
    demo_run(w.loop, &w.server.said);
    demo_rest(w.loop, 10);
    expect_spoilt(&w.server, 7);

    /* Answers too, and pieces of bodies. */
    demo_must(talk_find_call(np_client_conn(w.client), &find, on_found, &w.user, NULL), NULL);
    demo_run(w.loop, &w.user.answered);
    assert_int_equal(w.user.answer, NP_OK);
    expect_spoilt(&w.user, 8);
    demo_must(talk_upload_send(np_client_conn(w.client), &upload, NULL), NULL);
    demo_run(w.loop, &w.server.answered);
    expect_spoilt(&w.server, 8);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handler_fails),
        cmocka_unit_test(test_no_handler_for_a_request),
        cmocka_unit_test(test_no_handler_for_a_message),
        cmocka_unit_test(test_unknown_message),
        cmocka_unit_test(test_unknown_messages_without_end),
        cmocka_unit_test(test_waiting_in_a_handler),
        cmocka_unit_test(test_not_connected),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_wrong_state),
        cmocka_unit_test(test_other_schema),
        cmocka_unit_test(test_poison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
