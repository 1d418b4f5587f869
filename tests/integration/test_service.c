/* Generated services without handlers, and the words about what went wrong. */
#include "core/framing.h"
#include "support/demo_service.h"

#include <base.h>
#include <netproto/key.h>

#include <talk_service.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct seen {
    np_conn *conn;
    bool opened, closed, joined, answered;
    np_err answer;
    np_failure failure;
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

static void on_failed(np_client *client, const np_failure *failure, void *user)
{
    (void)client;
    on_close(NULL, failure, user);
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

    (void)conn;
    (void)answer;
    (void)fault;
    s->answered = true;
    s->answer = err;
}

/* A daemon with these handlers, and a client that has none. */
static void start(world *w, const talk_handlers *handlers)
{
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options daemon = np_daemon_options_default();
    np_client_options client = np_client_options_default();
    np_failure failure;

    daemon.security.plaintext = true;
    client.security.plaintext = true;
    demo_must(np_loop_new(&w->loop, NULL), NULL);
    daemon.addresses = addresses;
    daemon.address_count = 1;
    daemon.service = talk_service(handlers);
    daemon.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->server};
    demo_must(np_daemon_start(&w->daemon, w->loop, &daemon, &failure), &failure);
    client.address = np_daemon_address(w->daemon, 0);
    client.service = talk_service(NULL);
    client.handlers =
        (np_conn_handlers){.on_open = on_open, .on_close = on_close, .user = &w->user};
    demo_must(np_client_new(&w->client, w->loop, &client, &failure), &failure);
    demo_must(np_client_connect_wait(w->client, &failure), &failure);
    demo_run(w->loop, &w->server.opened);
}

static void join(world *w)
{
    talk_join join = {.name = np_str_from("ann")};

    demo_must(talk_join_send(np_client_conn(w->client), &join, NULL), NULL);
}

static void end(world *w)
{
    np_client_free(w->client);
    np_daemon_free(w->daemon);
    np_loop_free(w->loop);
}

/* A client that only calls: what it did not ask for is refused, requests and messages alike. */
static void test_client_without_handlers(void **state)
{
    world w = {.loop = NULL};
    const talk_handlers handlers = {.on_join = on_join, .user = &w.server};
    talk_find find = {.name = np_str_from("ann")};
    talk_say say = {.text = np_str_from("nobody asked")};

    (void)state;
    start(&w, &handlers);
    join(&w);
    demo_run(w.loop, &w.server.joined);
    demo_must(talk_find_call(w.server.conn, &find, on_found, &w.server, NULL), NULL);
    demo_run(w.loop, &w.server.answered);
    assert_int_equal(w.server.answer, NP_ERR_FAILED);
    assert_non_null(np_client_conn(w.client)); /* a request costs the connection nothing */
    demo_must(talk_say_send(w.server.conn, &say, NULL), NULL);
    demo_run(w.loop, &w.user.closed);
    demo_run(w.loop, &w.server.closed);
    assert_int_equal(w.user.failure.err, NP_ERR_NO_HANDLER);
    assert_false(w.user.failure.by_peer);
    assert_string_equal(w.user.failure.text,
                        "handler: no handler for talk.Say: the service was made without handlers");
    assert_int_equal(w.server.failure.err, NP_ERR_FAILED);
    assert_true(w.server.failure.by_peer);
    end(&w);
}

/* A daemon that takes nothing, whoever says it. */
static void test_daemon_without_handlers(void **state)
{
    static const talk_handlers none = {.on_join = NULL};
    const talk_handlers *tables[] = {NULL, &none};

    (void)state;
    for (int i = 0; i < 2; i++) {
        world w = {.loop = NULL};
        start(&w, tables[i]);
        join(&w);
        demo_run(w.loop, &w.server.closed);
        demo_run(w.loop, &w.user.closed);
        assert_int_equal(w.server.failure.err, NP_ERR_NO_HANDLER);
        assert_int_equal(w.user.failure.err, NP_ERR_FAILED);
        end(&w);
    }
}

/* How a client fails whose server is a stranger that says these words. */
static np_failure meet(const np_security *security, const void *words, size_t words_len)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    np_client_options options = np_client_options_default();
    np_loop *loop = NULL;
    np_client *client = NULL;
    seen user = {.opened = false};
    char address[64];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = -1;

    options.security = *security;
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    demo_must(np_loop_new(&loop, NULL), NULL);
    options.address = address;
    options.service = talk_service(NULL);
    options.conn.close_timeout_ms = 50; /* the stranger will not hang up */
    options.on_failed = on_failed;
    options.user = &user;
    demo_must(np_client_new(&client, loop, &options, NULL), NULL);
    assert_string_equal(np_client_failure(client)->text, "");
    demo_must(np_client_connect(client), NULL);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, words, words_len, MSG_NOSIGNAL), words_len);
    if (words_len == 0) {
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    }
    demo_run(loop, &user.closed);
    assert_string_equal(np_client_failure(client)->text, user.failure.text);
    (void)close(fd);
    (void)close(listener);
    np_client_free(client);
    np_loop_free(loop);
    return user.failure;
}

/* What is no netproto at all answers: the failure names the field, and says nothing twice. */
static void test_words_about_a_stranger(void **state)
{
    const np_security plain = {.plaintext = true};
    np_failure failure = meet(&plain, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);

    (void)state;
    assert_int_equal(failure.err, NP_ERR_CONST);
    assert_memory_equal(failure.text, "hello tcp://127.0.0.1:", 22);
    assert_string_equal(strchr(failure.text + 22, ':'),
                        ": base.frame.magic: a constant has the wrong value, rule: = "
                        "0xDEADBEEF at byte 0; the peer does not speak netproto; is the address "
                        "right, and nothing in between that speaks HTTP or TLS?");
    failure = meet(&plain, "", 0);
    assert_int_equal(failure.err, NP_ERR_EOF);
    assert_non_null(strstr(failure.text, "it gave no reason"));
}

/* How a secure client fails that is answered by this, in the clear. */
static np_failure refuse(const base_error *error)
{
    np_security security = np_security_default();
    uint8_t frame[256];
    np_framing_head head;
    np_keypair keys;
    np_failure failure;
    size_t len = 0;

    demo_must(np_keypair_generate(&keys), NULL);
    security.identity = &keys;
    security.keys = keys.public_key;
    security.key_count = 1;
    assert_int_equal(base_error_encode(error, frame + NP_FRAMING_HEADER_LEN,
                                       sizeof frame - NP_FRAMING_HEADER_LEN, &len, NULL),
                     NP_OK);
    head = np_framing_make(NP_FRAMING_NO_STREAM, 0, len, false);
    (void)np_framing_put(frame, &head);
    failure = meet(&security, frame, NP_FRAMING_HEADER_LEN + len);
    np_keypair_wipe(&keys);
    return failure;
}

/* Clocks that differ are both told, so that a person sees which is wrong. */
static void test_words_about_clocks(void **state)
{
    const base_error error = {.reason = BASE_REASON_CLOCK,
                              .clock_ms = {.has = true, .value = 1000000000000}};
    np_failure failure = refuse(&error);

    (void)state;
    assert_int_equal(failure.err, NP_ERR_CLOCK);
    assert_int_equal(failure.fault.got, 1000000000000);
    assert_non_null(strstr(failure.text, "the peer's says 2001-09-09T01:46:40.000Z, ours 20"));
    assert_non_null(strstr(failure.text, "try again"));
}

/* A refusal by who has shown no key is told as what it is. */
static void test_words_about_a_refusal(void **state)
{
    const base_error error = {.reason = BASE_REASON_REFUSED};
    np_failure failure = refuse(&error);

    (void)state;
    assert_int_equal(failure.err, NP_ERR_REFUSED);
    assert_true(failure.by_peer);
    assert_true(failure.unverified);
    assert_non_null(strstr(failure.text, "before any key, so anybody may have sent it"));
    assert_null(strstr(failure.text, "trust"));
}

/* Where np_client_new has failed there is something to print all the same. */
static void test_words_about_no_client(void **state)
{
    const np_failure *failure = np_client_failure(NULL);

    (void)state;
    assert_int_equal(failure->stage, NP_STAGE_NONE);
    assert_int_equal(failure->err, NP_ERR_ARG);
    assert_int_equal(failure->reason, NP_CONN_NO_REASON);
    assert_string_equal(failure->text, "no client");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_without_handlers),
        cmocka_unit_test(test_daemon_without_handlers),
        cmocka_unit_test(test_words_about_a_stranger),
        cmocka_unit_test(test_words_about_clocks),
        cmocka_unit_test(test_words_about_a_refusal),
        cmocka_unit_test(test_words_about_no_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
