/* `netproto serve --protocol`: a stand-in for a server of one's own protocol, talked to by
 * `netproto call` over real sockets. */
#include "support/tool_runner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "talk_service.h"

#define JOIN "{\"Join\":{\"name\":\"ann\"}}\n"
#define FIND_BOB "Find={\"name\":\"bob\",\"age\":7}"

static char at[128];

static pid_t serve(const char *answer)
{
    const char *args[] = {"--protocol",        tool_plugin, "serve", "--plaintext",
                          "tcp://127.0.0.1:0", "--answer",  answer,  NULL};

    if (answer == NULL) {
        args[5] = NULL;
    }
    return tool_start_server(at, sizeof at, args);
}

static void stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

#define CALL(text, ...) RUN_IN(text, "-p", tool_plugin, "call", "--plaintext", __VA_ARGS__, at, "-")

static void test_shows_what_comes(void **state)
{
    static const char body[] = "{\"Upload\":{\"name\":\"f\",\"body\":\"AAECAw==\"}}";
    pid_t pid = serve(NULL);
    char first[64] = "", second[64] = "";
    (void)state;

    expect(CALL(JOIN "{\"Say\":{\"text\":\"h\\u00e9 \\u001b\",\"mood\":1}}\n", "-t", "5000"), 0,
           "");
    tool_server_expect("\"message\":{\"Say\":{\"text\":\"h\303\251 \\u001b\",\"mood\":1}}}\n");
    expect(CALL(JOIN "{\"Upload\":{\"name\":\"f\",\"body\":\"AAECAw==\"}}\n", "-t", "5000"), 0, "");
    tool_server_expect(body);
    /* Every line is JSON, and the two connections have two names. */
    const char *out = tool_server_out();
    assert_memory_equal(out, "{\"listening\":\"tcp://127.0.0.1:", 30);
    int lines = 0;
    for (const char *line = out; *line != '\0'; line = strchr(line, '\n') + 1) {
        char name[64];
        if (sscanf(line, "{\"connection\":\"%63[0-9]\",\"message\":", name) == 1) {
            snprintf(lines < 2 ? first : second, sizeof first, "%s", name);
            lines++;
        }
        assert_int_equal(*line, '{');
    }
    assert_int_equal(lines, 4);
    assert_string_not_equal(first, second);
    stop(pid);
}

static void test_answers(void **state)
{
    pid_t pid = serve(FIND_BOB);
    (void)state;

    expect(CALL(JOIN "{\"Find\":{\"name\":\"x\"}}\n{\"Find\":{\"name\":\"y\"}}\n", "-t", "5000"), 0,
           "{\"Find\":{\"name\":\"bob\",\"age\":7,\"note\":null}}\n"
           "{\"Find\":{\"name\":\"bob\",\"age\":7,\"note\":null}}\n");
    tool_server_expect("\"message\":{\"Find\":{\"name\":\"y\"}}}\n");
    /* The base protocol is spoken beside it. */
    expect(RUN("-p", tool_plugin, "call", "--plaintext", at, "Echo", "{\"text\":\"hello\"}"), 0,
           "{\"Echo\":{\"text\":\"hello\"}}\n");
    expect(RUN("-p", tool_plugin, "call", "--plaintext", at, "Ping", "{\"token\":\"5\"}"), 0,
           "{\"Pong\":{\"token\":\"5\"}}\n");
    stop(pid);
}

static void test_no_answer(void **state)
{
    pid_t pid = serve(NULL);
    (void)state;

    expect_words(CALL(JOIN "{\"Find\":{\"name\":\"x\"}}\n", "-t", "5000"), 9,
                 "the peer answered with an error: unknown_message, code 0: \"this server has no "
                 "answer: start it with --answer Find=JSON\"");
    tool_server_expect("\"message\":{\"Find\":{\"name\":\"x\"}}}\n");
    stop(pid);
}

/* Who has never heard of a field that came later need not give it: its default goes. */
static void test_defaults(void **state)
{
    pid_t pid = serve(NULL);
    (void)state;

    expect(CALL(JOIN "{\"Say\":{\"text\":\"short\"}}\n", "-t", "5000"), 0, "");
    tool_server_expect("\"message\":{\"Say\":{\"text\":\"short\",\"mood\":3}}}\n");
    expect_words(CALL(JOIN "{\"Say\":{\"mood\":1}}\n", "-t", "5000"), 12,
                 "talk.Say.text: is missing");
    stop(pid);
}

typedef struct ended {
    bool done;
    np_failure failure;
} ended;

static void on_close(np_conn *conn, const np_failure *failure, void *user)
{
    ended *e = user;

    (void)conn;
    e->failure = *failure;
    e->done = true;
}

/* `call` keeps to the conversation itself, so this is a client that does not. */
static void test_conversation_is_kept(void **state)
{
    pid_t pid = serve(FIND_BOB);
    np_client_options options = np_client_options_default();
    ended e = {.done = false};
    talk_say say = {.text = np_str_from("hello"), .mood = 3};
    np_loop *loop = NULL;
    np_client *client = NULL;
    (void)state;

    options.security.plaintext = true;
    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    options.address = at;
    options.service = talk_service(NULL);
    options.conn.any_order = true;
    options.handlers = (np_conn_handlers){.on_close = on_close, .user = &e};
    assert_int_equal(np_client_new(&client, loop, &options, NULL), NP_OK);
    assert_int_equal(np_client_connect_wait(client, NULL), NP_OK);
    assert_int_equal(talk_say_send(np_client_conn(client), &say, NULL), NP_OK);
    assert_int_equal(np_loop_run_until(loop, &e.done, 10000), NP_OK);
    assert_true(e.failure.by_peer);
    assert_non_null(strstr(e.failure.text, "the peer says: \"talk.Say is not allowed from the "
                                           "client in state greet; allowed: Join\""));
    assert_null(strstr(tool_server_out(), "Say"));
    expect_words(RUN("ping", "--plaintext", "-c", "1", at), 5, "hello");
    np_client_free(client);
    np_loop_free(loop);
    stop(pid);
}

static void expect_usage(int code, const char *words, const char *answer, const char *second)
{
    expect_words(RUN("-p", tool_plugin, "serve", "--plaintext", "tcp://127.0.0.1:0", "--answer",
                     answer, "-a", second),
                 code, words);
}

static void test_answers_are_checked_at_the_start(void **state)
{
    (void)state;
    expect_usage(2, "--answer takes REQUEST=JSON", FIND_BOB, "Find");
    expect_usage(2, "--answer takes REQUEST=JSON", "={}", FIND_BOB);
    expect_usage(2, "--answer talk.Find stands there twice", FIND_BOB, "talk.Find={}");
    expect_usage(12, "there is no message \"Nix\"; there are:", "Nix={}", FIND_BOB);
    expect_usage(12, "--answer talk.Say: that is a message, not a request", "Say={}", FIND_BOB);
    expect_usage(12, "--answer talk.Find: talk.Person.age: 200 is not in range 0..150",
                 "Find={\"name\":\"bob\",\"age\":200}", FIND_BOB);
    expect_usage(12, "--answer talk.Find: JSON line 1", "Find={\"name\":", FIND_BOB);
    expect_usage(12, "talk.Person.name: is missing", "Find={\"age\":7}", FIND_BOB);
    expect_words(RUN("serve", "--plaintext", "-a", FIND_BOB, "tcp://127.0.0.1:0"), 2,
                 "--answer goes with --protocol");
    expect_words(RUN("-p", "/nonexistent.so", "serve", "--plaintext", "tcp://127.0.0.1:0"), 13,
                 "cannot load");
    expect_words(RUN("-p", tool_plugin, "serve"), 2, "at least one address");
    expect_words(RUN("-p", tool_plugin, "serve", "--plaintext", "x"), 2, "address x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shows_what_comes),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_conversation_is_kept),
        cmocka_unit_test(test_answers_are_checked_at_the_start),
    };

    return cmocka_run_group_tests(tests, tool_runner_setup, tool_runner_teardown);
}
