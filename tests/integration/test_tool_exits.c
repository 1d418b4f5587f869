/* Every exit code of the command `netproto`, and that --timeout bounds a run whatever the peer does
 * or leaves undone. */
#include "support/bad_peer.h"
#include "support/key_folder.h"
#include "support/tool_runner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <base_service.h>
#include <netproto/daemon.h>

#include "talk_service.h"

#define ECHO "Echo", "{\"text\":\"hello\"}"
#define ECHO_LINE "{\"Echo\":{\"text\":\"hello\"}}\n"

/* Runs end within their --timeout and this, on a busy machine too. More would be a deadline of the
 * library's, or a close that was waited for. */
#define SLACK_MS 2000

/* What a run is given that waits for all of it, and one that meets an end of its own. */
#define SHORT_MS "200"
#define ENOUGH_MS "2000"

static char server_key[NP_KEY_TEXT_LEN], address[128];

static int make_things(void **state)
{
    if (key_folder_make(state) != 0 || tool_runner_setup(state) != 0 ||
        mkdir(key_folder_path("home"), 0755) != 0 ||
        setenv("HOME", key_folder_path("home"), 1) != 0 || unsetenv("XDG_CONFIG_HOME") != 0) {
        return -1;
    }
    expect(RUN("keygen"), 0, NULL);
    expect(RUN("keygen", "--server"), 0, NULL);
    snprintf(server_key, sizeof server_key, "%.*s", NP_KEY_TEXT_LEN - 1,
             RUN("key", "--server")->out);
    return 0;
}

static int remove_things(void **state)
{
    int failed = tool_runner_teardown(state);

    return key_folder_remove(state) != 0 || failed ? -1 : 0;
}

static uint64_t now_ms(void)
{
    struct timespec now = {0, 0};

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t started_ms;

/* The run since started_ms took no longer than it was given. */
static void expect_soon(const tool_result *r, const char *ms, int code, const char *words)
{
    uint64_t took_ms = now_ms() - started_ms;

    expect_words(r, code, words);
    if (took_ms > strtoull(ms, NULL, 10) + SLACK_MS) {
        fail_msg("it took %d ms: %s", (int)took_ms, r->err);
    }
    started_ms = now_ms();
}

/* The commands that talk meet the same peer. mode: an option and its value, or an option twice. */
static void expect_all(np_loop *loop, const char *ms, int code, const char *words, const char *mode,
                       const char *value)
{
    started_ms = now_ms();
    expect_soon(RUN_LOOP(loop, "", "call", "-t", ms, mode, value, address, ECHO), ms, code, words);
    expect_soon(RUN_LOOP(loop, "", "ping", "-t", ms, mode, value, address), ms, code, words);
    expect_soon(RUN_LOOP(loop, "", "bench", "-t", ms, mode, value, address), ms, code, words);
}

static void expect_of_peer(bad_peer_kind kind, const char *ms, int code, const char *words)
{
    pid_t pid = bad_peer_start(kind, NULL, address, sizeof address);

    for (int secure = 0; secure <= 1; secure++) {
        const char *mode = secure ? "--peer" : "--plaintext";
        const char *value = secure ? server_key : "--plaintext";
        expect_all(NULL, ms, code, words, mode, value);
        expect_soon(RUN("handshake", "-t", ms, mode, value, address), ms, code, words);
    }
    bad_peer_stop(pid);
}

/* Without a peer --------------------------------------------------------------------------------
 */

static void test_this_side(void **state)
{
    char key[160];
    (void)state;

    expect(RUN("encode", ECHO), 0, NULL);
    snprintf(key, sizeof key, "%s", key_folder_path("home/.config/netproto/client.key"));
    expect_words(RUN("keygen", "--out", key), 1, "is not overwritten");
    expect_words(RUN("encode"), 2, "usage:");
    expect_words(RUN("ping", "nix"), 2, "address nix");
    expect_words(RUN("decode", "ffffffff"), 6, "unknown message");
    expect_words(RUN("serve", "--anyone", "unix:///nonexistent/x.sock"), 11, "listen");
    expect_words(RUN("serve", "--anyone", "tcp://example.com:7000"), 2, "must be numeric, or *");
    expect_words(RUN("encode", "Echo", "{"), 12, "JSON");
    expect_words(RUN("encode", "-p", "/nonexistent.so", "X", "{}"), 13, "cannot load");
    expect_words(RUN("ping", "--key", "/nonexistent.key", "tcp://127.0.0.1:1"), 14, "keys: ");
}

/* A name that nobody has (RFC 6761), whether a name server says so or there is none to ask. */
static void test_resolve(void **state)
{
    (void)state;
    started_ms = now_ms();
    expect_soon(RUN("ping", "-t", SHORT_MS, "--plaintext", "tcp://no-such-host.invalid:7000"),
                SHORT_MS, 3, "resolve");
    expect_soon(RUN("ping", "-t", SHORT_MS, "--plaintext", "tcp://no-such-host.invalid:7000"),
                SHORT_MS, 3, "; is the name right?");
    expect_soon(
        RUN("handshake", "-t", SHORT_MS, "--peer", server_key, "tcp://no-such-host.invalid:7000"),
        SHORT_MS, 3, "resolve");
}

/* A unix socket whose queue of connections is full makes everybody wait. */
static void test_connect(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fds[16];
    size_t count = 0;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)state;

    snprintf(name.sun_path, sizeof name.sun_path, "%s", key_folder_path("full"));
    snprintf(address, sizeof address, "unix://%s", name.sun_path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 0), 0);
    do {
        fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(fds[count], (const struct sockaddr *)&name, sizeof name) == 0 &&
             ++count < sizeof fds / sizeof fds[0] - 1);
    expect_all(NULL, SHORT_MS, 4, "connect", "--plaintext", "--plaintext");
    for (size_t i = 0; i <= count; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
    assert_int_equal(close(listener), 0);
    expect_all(NULL, ENOUGH_MS, 4, "nobody listens there", "--plaintext", "--plaintext");
}

/* Peers that are no servers ----------------------------------------------------------------------
 */

static void test_silent(void **state)
{
    (void)state;
    expect_of_peer(BAD_PEER_SILENT, SHORT_MS, 8, "within 200 ms");
}

static void test_dripping(void **state)
{
    (void)state;
    expect_of_peer(BAD_PEER_DRIPPING, SHORT_MS, 8, "within 200 ms");
}

static void test_garbage(void **state)
{
    (void)state;
    expect_of_peer(BAD_PEER_GARBAGE, ENOUGH_MS, 6, "base.frame.magic");
    /* Without a short deadline, too, nobody waits for who talks nonsense to say goodbye. */
    pid_t pid = bad_peer_start(BAD_PEER_GARBAGE, NULL, address, sizeof address);
    started_ms = now_ms();
    expect_soon(RUN("ping", "--plaintext", address), SHORT_MS, 6, "base.frame.magic");
    expect_soon(RUN("ping", "--peer", server_key, address), SHORT_MS, 6, "base.frame.magic");
    bad_peer_stop(pid);
}

static void test_closing(void **state)
{
    (void)state;
    expect_of_peer(BAD_PEER_CLOSING, ENOUGH_MS, 10, "the connection");
}

static void test_flipping(void **state)
{
    char server[64];
    pid_t pid =
        tool_start_server(server, sizeof server,
                          (const char *const[]){"serve", "--anyone", "tcp://127.0.0.1:0", NULL});
    pid_t peer = bad_peer_start(BAD_PEER_FLIPPING, server, address, sizeof address);
    (void)state;

    expect_words(RUN("ping", "--peer", server_key, server, "-c", "1"), 0, "");
    started_ms = now_ms();
    expect_soon(RUN("call", "--peer", server_key, address, ECHO), SHORT_MS, 16,
                "authentication failed");
    expect_soon(RUN("handshake", "--peer", server_key, address), SHORT_MS, 16,
                "authentication failed");
    bad_peer_stop(peer);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

/* Its goodbye was read with the answer before, and its end has not come. */
static void test_goodbye_between_lines(void **state)
{
    char server[64];
    pid_t pid =
        tool_start_server(server, sizeof server,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    pid_t peer = bad_peer_start(BAD_PEER_ANSWERING, server, address, sizeof address);
    (void)state;

    expect_words(RUN_IN("{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "call", "--plaintext", "-t",
                        "20000", address, "Echo", "-"),
                 10, "closed by the peer");
    expect_words(RUN_IN(ECHO_LINE ECHO_LINE, "call", "--plaintext", "-t", "20000", address, "-"),
                 10, "closed by the peer");
    bad_peer_stop(peer);
    assert_int_equal(kill(pid, SIGTERM), 0);
    (void)tool_wait(pid, NULL); /* it has lost two clients */
}

/* Servers that behave, and answer what is not wanted ----------------------------------------------
 */

static np_err on_find(np_conn *conn, np_call call, const talk_find *msg, void *user)
{
    static char odd[256];

    (void)conn;
    (void)user;
    if (np_str_equal(msg->name, np_str_from("odd"))) {
        memset(odd, 1, sizeof odd);
        return np_call_fail(call, BASE_REASON_REFUSED, 0, (np_str){odd, sizeof odd});
    }
    return np_call_fail(call, BASE_REASON_REFUSED, 0, np_str_from("no"));
}

static np_err on_join(np_conn *conn, const talk_join *msg, void *user)
{
    (void)user;
    if (np_str_equal(msg->name, np_str_from("leave"))) {
        np_conn_abort(conn);
    }
    return NP_OK;
}

static np_daemon *start_daemon(np_loop *loop, np_service service,
                               void (*on_open)(np_conn *, void *))
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    np_daemon_options options = np_daemon_options_default();
    np_daemon *daemon = NULL;

    options.security.plaintext = true;
    options.addresses = addresses;
    options.address_count = 1;
    options.service = service;
    options.handlers.on_open = on_open;
    assert_int_equal(np_daemon_start(&daemon, loop, &options, NULL), NP_OK);
    snprintf(address, sizeof address, "%s", np_daemon_address(daemon, 0));
    return daemon;
}

#define TALK(text)                                                                                 \
    RUN_LOOP(loop, (text), "-p", tool_plugin, "call", "--plaintext", "-t", "2000", address, "-")

static void test_answers(void **state)
{
    static const talk_handlers handlers = {.on_join = on_join, .on_find = on_find};
    np_loop *loop = NULL;
    (void)state;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    np_daemon *daemon = start_daemon(loop, talk_service(&handlers), NULL);
    expect_words(RUN_LOOP(loop, "", "ping", "--plaintext", address), 5, "give --protocol");
    expect_words(TALK("{\"Find\":{\"name\":\"bob\"}}"), 7, "is not allowed");
    expect_words(TALK("{\"Join\":{\"name\":\"ann\"}}\n{\"Find\":{\"name\":\"bob\"}}"), 9, "\"no\"");
    /* The longest text is told to its end, however much of it has to be escaped. */
    const tool_result *r = TALK("{\"Join\":{\"name\":\"ann\"}}\n{\"Find\":{\"name\":\"odd\"}}");
    const char *text = strstr(r->err, ": \"");
    assert_non_null(text);
    assert_int_equal(strlen(text), 3 + 256 * strlen("\\u0001") + 2);
    expect_words(TALK("{\"Join\":{\"name\":\"leave\"}}\n{\"Find\":{\"name\":\"bob\"}}"), 10,
                 "lost");
    expect_words(TALK("{\"Join\":{\"nam\":\"bob\"}}"), 12, "nam");
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* A server may speak first: that ends no session of who only wants to see one. */
static void greet(np_conn *conn, void *user)
{
    const base_echo hello = {.text = np_str_from("welcome")};

    (void)user;
    assert_int_equal(base_echo_send(conn, &hello, NULL), NP_OK);
}

static void test_server_speaks_first(void **state)
{
    static const base_handlers handlers = {.on_echo = NULL};
    np_loop *loop = NULL;
    (void)state;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    np_daemon *daemon = start_daemon(loop, base_service(&handlers), greet);
    expect(RUN_LOOP(loop, "", "handshake", "--plaintext", address), 0, NULL);
    const tool_result *r = RUN_LOOP(loop, "", "handshake", "--json", "--plaintext", address);
    expect(r, 0, NULL);
    assert_null(strstr(r->out, "error"));
    expect(RUN_LOOP(loop, "", "ping", "--plaintext", "-c", "1", address), 0, NULL);
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* The opening is in order, and from then on nothing is read any more. */
static void hold(np_conn *conn, void *user)
{
    (void)user;
    np_conn_hold(conn, true);
}

static void test_deaf(void **state)
{
    static const base_handlers handlers = {.on_echo = NULL};
    np_loop *loop = NULL;
    (void)state;

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    np_daemon *daemon = start_daemon(loop, base_service(&handlers), hold);
    expect_all(loop, SHORT_MS, 8, "no answer within 200 ms", "--plaintext", "--plaintext");
    /* What it asks for it gets, but for the goodbye. */
    expect_soon(RUN_LOOP(loop, "", "handshake", "-t", "1000", "--plaintext", address), "1000", 8,
                "close: ");
    const tool_result *r =
        RUN_LOOP(loop, "", "handshake", "--json", "-t", "300", "--plaintext", address);
    expect(r, 8, NULL);
    assert_non_null(strstr(r->out, "\"protocol\":\"base\",\"version\":1,"));
    assert_non_null(
        strstr(r->out, ",\"error\":{\"stage\":\"close\",\"name\":\"NP_ERR_DEADLINE\","));
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* Each message has the deadline to itself, and what the run takes for itself does not count. */
static void test_deadline_starts_anew(void **state)
{
    pid_t pid =
        tool_start_server(address, sizeof address,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    (void)state;

    expect(RUN("ping", "--plaintext", "-t", "1000", "-c", "3", "-i", "600", address), 0, NULL);
    expect(RUN("call", "--plaintext", "-t", "1000", "-l", "1200", address, ECHO), 0, NULL);
    expect(RUN("bench", "--plaintext", "-t", "1000", "-n", "1", address), 0, NULL);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_side),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_flipping),
        cmocka_unit_test(test_goodbye_between_lines),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_server_speaks_first),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_deadline_starts_anew),
    };

    return cmocka_run_group_tests(tests, make_things, remove_things);
}
