/* What a failure says of its cause: deadlines by the names of their options, the peer's reason in
 * words, who would not let whom in and what to do about it. */
#include "support/bad_peer.h"
#include "support/option_world.h"

#include <base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SHORT_MS 150

static void expect_words(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, text);
    }
}

/* Deadlines ----------------------------------------------------------------------------------- */

typedef struct deadline {
    const char *option;
    np_stage stage;
    /* Brings it about; the failure is then in *failure. */
    void (*pass)(option_world *w, np_failure *failure);
} deadline;

static void wait_for_server(option_world *w, np_failure *failure)
{
    assert_true(option_world_until(w, &w->server.closed, 10000));
    *failure = w->server.failure;
}

static void pass_hello(option_world *w, np_failure *failure)
{
    char address[64];
    pid_t peer = bad_peer_start(BAD_PEER_SILENT, NULL, address, sizeof address);

    w->client_options.address = address;
    w->client_options.conn.hello_timeout_ms = SHORT_MS;
    demo_must(np_client_new(&w->client, w->loop, &w->client_options, failure), failure);
    assert_int_equal(np_client_connect_wait(w->client, failure), NP_ERR_DEADLINE);
    bad_peer_stop(peer);
    expect_words(failure->text, address);
    expect_words(failure->text, "is it a netproto server");
}

static void pass_frame(option_world *w, np_failure *failure)
{
    const uint8_t head[] = {0xDE, 0xAD, 0xBE};
    int fd = -1;

    w->daemon_options.conn.frame_timeout_ms = SHORT_MS;
    option_world_listen(w);
    fd = option_world_raw(w);
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    wait_for_server(w, failure);
    (void)close(fd);
}

static void pass_idle(option_world *w, np_failure *failure)
{
    int fd = -1;

    w->daemon_options.conn.idle_timeout_ms = SHORT_MS;
    option_world_listen(w);
    fd = option_world_raw(w);
    wait_for_server(w, failure);
    (void)close(fd);
}

static void pass_stall(option_world *w, np_failure *failure)
{
    static uint8_t much[DEMO_DATA_MAX];
    const demo_say say = {{much, sizeof much}};
    int fd = -1;

    w->daemon_options.conn.stall_timeout_ms = SHORT_MS;
    w->daemon_options.conn.queue_max = 2 * DEMO_DATA_MAX;
    option_world_listen(w);
    fd = option_world_raw(w);
    demo_must(np_conn_send(w->server.conn, demo_message_say, &say, NULL), NULL);
    wait_for_server(w, failure);
    (void)close(fd);
}

static void pass_close(option_world *w, np_failure *failure)
{
    int fd = -1;

    w->daemon_options.conn.close_timeout_ms = SHORT_MS;
    option_world_listen(w);
    fd = option_world_raw(w);
    np_conn_close(w->server.conn, NP_CONN_NO_REASON, NULL);
    wait_for_server(w, failure);
    (void)close(fd);
}

static const deadline deadlines[] = {
    {"hello_timeout_ms", NP_STAGE_HELLO, pass_hello},
    {"frame_timeout_ms", NP_STAGE_READ, pass_frame},
    {"idle_timeout_ms", NP_STAGE_READ, pass_idle},
    {"stall_timeout_ms", NP_STAGE_WRITE, pass_stall},
    {"close_timeout_ms", NP_STAGE_CLOSE, pass_close},
};

/* Of each the failure's words and its fault have the name that is in np_conn_options. */
static void test_deadlines_by_their_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        const deadline *row = &deadlines[i];
        np_failure failure = {.err = NP_OK};
        char words[96];
        option_world w;

        option_world_init(&w);
        row->pass(&w, &failure);
        assert_int_equal(failure.err, NP_ERR_DEADLINE);
        assert_int_equal(failure.stage, row->stage);
        assert_string_equal(failure.fault.where, row->option);
        (void)snprintf(words, sizeof words, "%s: the deadline has passed after %d ms", row->option,
                       SHORT_MS);
        expect_words(failure.text, words);
        assert_null(strstr(failure.text, "session."));
        option_world_fini(&w);
    }
}

/* A daemon's stranger is told of in the log only. */
static void keep_text(void *user, const np_log_event *event)
{
    char *text = user;

    for (size_t i = 0; i < event->field_count; i++) {
        if (strcmp(event->fields[i].name, "text") == 0) {
            (void)snprintf(text, 512, "%.*s", (int)event->fields[i].text.len,
                           event->fields[i].text.data);
        }
    }
}

static void test_a_stranger_that_says_nothing(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = demo_daemon_options(&demo_echo, addresses, 1);
    np_loop_options loop_options = np_loop_options_default();
    char text[512] = "";
    np_daemon *daemon = NULL;
    np_loop *loop = NULL;
    np_log log;
    int fd = -1;
    (void)state;

    np_log_init(&log, &(np_log_sink){keep_text, text}, NULL);
    loop_options.log = &log;
    demo_must(np_loop_new(&loop, &loop_options), NULL);
    options.conn.hello_timeout_ms = SHORT_MS;
    demo_must(np_daemon_start(&daemon, loop, &options, NULL), NULL);
    fd = demo_raw_connect(np_daemon_address(daemon, 0));
    for (int i = 0; i < 100 && text[0] == '\0'; i++) {
        demo_rest(loop, 100);
    }
    expect_words(text, "hello_timeout_ms: the deadline has passed after 150 ms");
    (void)close(fd);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* Reasons ------------------------------------------------------------------------------------- */

/* The peer's deadline for us has passed: it says so, and which. */
static void test_the_peers_deadline(void **state)
{
    option_world w;
    (void)state;

    option_world_init(&w);
    w.daemon_options.conn.idle_timeout_ms = SHORT_MS;
    demo_must(option_world_connect(&w), &w.failure);
    np_conn_hold(np_client_conn(w.client), true);
    assert_true(option_world_until(&w, &w.server.closed, 10000));
    np_conn_hold(np_client_conn(w.client), false);
    assert_true(option_world_until(&w, &w.user.closed, 10000));
    assert_true(w.user.failure.by_peer);
    assert_int_equal(w.user.failure.err, NP_ERR_FAILED);
    assert_int_equal(w.user.failure.reason, BASE_REASON_TIMEOUT);
    expect_words(w.user.failure.text, "it took too long");
    expect_words(w.user.failure.text, "idle_timeout_ms");
    assert_null(strstr(w.user.failure.text, "answered with an error"));
    option_world_fini(&w);
}

static const struct {
    uint32_t reason;
    const char *words;
} reasons[] = {
    {BASE_REASON_VERSION, "no protocol, version or feature in common"},
    {BASE_REASON_CLOCK, "the clocks of the two sides differ too much"},
    {BASE_REASON_BUSY, "too many connections, or too much to do"},
    {BASE_REASON_REFUSED, "not allowed"},
    {BASE_REASON_MALFORMED, "the bytes break the protocol"},
    {BASE_REASON_UNEXPECTED, "the message is not allowed at this point"},
    {BASE_REASON_UNKNOWN_MESSAGE, "no such message in this version, or no handler for it"},
    {BASE_REASON_LIMIT, "a limit was exceeded"},
    {BASE_REASON_TIMEOUT, "it took too long"},
    {BASE_REASON_INTERNAL, "the other side failed"},
};

/* Whatever reason a peer says goodbye with, both sides' failures have it in words. */
static void test_goodbyes_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        option_world w;

        option_world_init(&w);
        demo_must(option_world_connect(&w), &w.failure);
        np_conn_close(w.server.conn, reasons[i].reason, NULL);
        assert_true(option_world_until(&w, &w.user.closed, 10000));
        assert_true(option_world_until(&w, &w.server.closed, 10000));
        assert_int_equal(w.user.failure.reason, reasons[i].reason);
        expect_words(w.user.failure.text, "closed by the peer: ");
        expect_words(w.user.failure.text, reasons[i].words);
        expect_words(w.server.failure.text, "closed by us: ");
        expect_words(w.server.failure.text, reasons[i].words);
        option_world_fini(&w);
    }
}

static void turn_away(np_conn *conn, void *user)
{
    (void)user;
    np_conn_close(conn, BASE_REASON_REFUSED, "not today");
}

/* Opened and closed in one turn, by one write of the server's: there is no connection, and why. */
static void test_turned_away_at_once(void **state)
{
    option_world w;
    np_failure failure;

    (void)state;
    option_world_init(&w);
    w.daemon_options.handlers.on_open = turn_away;
    option_world_listen(&w);
    demo_must(np_client_new(&w.client, w.loop, &w.client_options, &failure), &failure);
    memset(&failure, 0, sizeof failure);
    assert_int_equal(np_client_connect_wait(w.client, &failure), NP_ERR_CLOSED);
    assert_int_equal(failure.err, NP_ERR_CLOSED);
    expect_words(failure.text, "closed by the peer: ");
    expect_words(failure.text, "not today");
    option_world_fini(&w);
}

/* Every reason of the base protocol has its name and words, and what is none says so. */
static void test_reasons_in_words(void **state)
{
    (void)state;
    assert_int_equal(base_reason_type.variant_count, sizeof reasons / sizeof reasons[0]);
    for (size_t i = 0; i < base_reason_type.variant_count; i++) {
        const np_variant *variant = &base_reason_type.variants[i];

        assert_int_equal(variant->index, reasons[i].reason);
        assert_string_equal(np_reason_name(variant->index), variant->name);
        expect_words(np_reason_text(variant->index), reasons[i].words);
    }
    assert_string_equal(np_reason_name(NP_CONN_NO_REASON), "none");
    assert_string_equal(np_reason_text(NP_CONN_NO_REASON), "no reason was given");
    assert_string_equal(np_reason_name(10), "?");
    assert_string_equal(np_reason_text(10), "a reason that this version does not know");
}

/* Calls --------------------------------------------------------------------------------------- */

typedef struct asked {
    bool done, has_words;
    np_err err;
} asked;

static void on_done(np_conn *conn, np_err err, const void *payload, size_t len, uint32_t version,
                    void *user, np_fault *fault)
{
    asked *a = user;

    (void)payload;
    (void)len;
    (void)version;
    (void)fault;
    a->done = true;
    a->err = err;
    a->has_words = np_conn_call_failure(conn) != NULL;
}

/* Keeps it. */
static np_err on_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    (void)msg;
    (void)user;
    (void)call;
    np_conn_close(conn, BASE_REASON_INTERNAL, NULL);
    return NP_OK;
}

/* The end of a connection takes its calls with it, with an error as a failure would have: the
 * words about a call are those of a failure and nothing else. */
static void end_with(np_err (*on)(np_conn *, np_call, const demo_find *, void *), uint32_t idle_ms)
{
    const demo_handlers handlers = {NULL, on, NULL};
    const demo_find find = {7};
    asked a = {.done = false};
    option_world w;

    option_world_init(&w);
    w.daemon_options.service.handlers = &handlers;
    w.daemon_options.conn.idle_timeout_ms = idle_ms;
    demo_must(option_world_connect(&w), &w.failure);
    demo_must(np_conn_call(np_client_conn(w.client), demo_message_find, &find, on_done, &a, NULL),
              NULL);
    if (idle_ms > 0) {
        np_conn_hold(np_client_conn(w.client), true);
        assert_true(option_world_until(&w, &w.server.closed, 10000));
        np_conn_hold(np_client_conn(w.client), false);
    }
    assert_true(option_world_until(&w, &a.done, 10000));
    assert_int_not_equal(a.err, NP_OK);
    assert_false(a.has_words);
    option_world_fini(&w);
}

static np_err keep_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    (void)conn;
    (void)call;
    (void)msg;
    (void)user;
    return NP_OK;
}

static np_err fail_find(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    (void)conn;
    (void)call;
    (void)msg;
    (void)user;
    return NP_ERR_IO;
}

static void test_no_words_where_the_peer_said_none(void **state)
{
    (void)state;
    end_with(on_find, 0);          /* a goodbye */
    end_with(fail_find, 0);        /* an Error: the handler failed */
    end_with(keep_find, SHORT_MS); /* an Error: a deadline */
}

/* A call can be answered once, whichever way. */
typedef enum way { REPLIES, FAILS } way;

typedef struct twice {
    way first, second;
    np_err err;
    np_fault fault;
} twice;

static np_err answer(np_call call, way how, np_fault *fault)
{
    uint8_t byte = 1;
    const demo_say found = {{&byte, 1}};

    return how == REPLIES ? np_call_reply(call, &found, fault)
                          : np_call_fail(call, BASE_REASON_REFUSED, 3, np_str_from("no"));
}

static np_err answer_twice(np_conn *conn, np_call call, const demo_find *msg, void *user)
{
    twice *t = user;

    (void)conn;
    (void)msg;
    demo_must(answer(call, t->first, NULL), NULL);
    t->err = answer(call, t->second, &t->fault);
    return NP_OK;
}

static void test_answering_twice(void **state)
{
    char line[256];
    (void)state;

    for (int i = 0; i < 4; i++) {
        twice t = {.first = i & 1 ? FAILS : REPLIES, .second = i & 2 ? FAILS : REPLIES};
        const demo_handlers handlers = {NULL, answer_twice, &t};
        const demo_find find = {7};
        asked a = {.done = false};
        option_world w;

        option_world_init(&w);
        w.daemon_options.service.handlers = &handlers;
        demo_must(option_world_connect(&w), &w.failure);
        demo_must(
            np_conn_call(np_client_conn(w.client), demo_message_find, &find, on_done, &a, NULL),
            NULL);
        assert_true(option_world_until(&w, &a.done, 10000));
        assert_int_equal(t.err, NP_ERR_CLOSED);
        assert_int_equal(a.has_words, t.first == FAILS);
        if (t.second == REPLIES) {
            expect_words(np_fault_format(&t.fault, line, sizeof line),
                         "demo.Find: closed: answered or dropped already");
        }
        option_world_fini(&w);
    }
}

/* Keys ---------------------------------------------------------------------------------------- */

static void secure(option_world *w, np_keypair *server, np_keypair *user)
{
    demo_must(np_keypair_generate(server), NULL);
    demo_must(np_keypair_generate(user), NULL);
    w->daemon_options.security = np_security_default();
    w->daemon_options.security.identity = server;
    w->daemon_options.security.keys = user->public_key;
    w->daemon_options.security.key_count = 1;
    w->client_options.security = np_security_default();
    w->client_options.security.identity = user;
    w->client_options.security.keys = server->public_key;
    w->client_options.security.key_count = 1;
}

/* The server's operator needs our key, and we which server it was. */
static void test_a_key_that_is_refused(void **state)
{
    char key[NP_KEY_TEXT_LEN];
    np_keypair server, user;
    option_world w;
    (void)state;

    option_world_init(&w);
    secure(&w, &server, &user);
    w.daemon_options.security.keys = server.public_key;
    assert_int_equal(option_world_connect(&w), NP_ERR_REFUSED);
    expect_words(w.failure.text, "the server does not know our key");
    expect_words(w.failure.text, np_key_format(user.public_key, key));
    expect_words(w.failure.text, np_daemon_address(w.daemon, 0));
    option_world_fini(&w);
}

/* What to do about a key that is not trusted, in the words of the side that does not: a daemon's
 * are in its log. */
static void test_a_client_that_is_not_trusted(void **state)
{
    np_loop_options loop_options = np_loop_options_default();
    char key[NP_KEY_TEXT_LEN];
    char text[512] = "";
    np_keypair server, user;
    option_world w;
    np_log log;
    (void)state;

    option_world_init(&w);
    np_loop_free(w.loop);
    np_log_init(&log, &(np_log_sink){keep_text, text}, NULL);
    loop_options.log = &log;
    demo_must(np_loop_new(&w.loop, &loop_options), NULL);
    secure(&w, &server, &user);
    w.daemon_options.security.keys = server.public_key;
    assert_int_equal(option_world_connect(&w), NP_ERR_REFUSED);
    for (int i = 0; i < 100 && text[0] == '\0'; i++) {
        demo_rest(w.loop, 100);
    }
    expect_words(text, "the peer's key is not trusted: np1:");
    expect_words(text, np_key_format(user.public_key, key));
    expect_words(text, "to let it in, add it to security.keys");
    option_world_fini(&w);
}

static void test_a_key_that_is_not_trusted(void **state)
{
    char key[NP_KEY_TEXT_LEN];
    np_keypair server, user;
    option_world w;
    (void)state;

    option_world_init(&w);
    secure(&w, &server, &user);
    w.client_options.security.keys = user.public_key;
    assert_int_equal(option_world_connect(&w), NP_ERR_REFUSED);
    expect_words(w.failure.text, "the peer's key is not trusted: np1:");
    expect_words(w.failure.text, np_key_format(server.public_key, key));
    expect_words(w.failure.text, np_daemon_address(w.daemon, 0));
    expect_words(w.failure.text, "if it is the server's, add it to security.keys");
    option_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines_by_their_options),
        cmocka_unit_test(test_a_stranger_that_says_nothing),
        cmocka_unit_test(test_the_peers_deadline),
        cmocka_unit_test(test_goodbyes_with_a_reason),
        cmocka_unit_test(test_turned_away_at_once),
        cmocka_unit_test(test_reasons_in_words),
        cmocka_unit_test(test_no_words_where_the_peer_said_none),
        cmocka_unit_test(test_answering_twice),
        cmocka_unit_test(test_a_key_that_is_refused),
        cmocka_unit_test(test_a_key_that_is_not_trusted),
        cmocka_unit_test(test_a_client_that_is_not_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
