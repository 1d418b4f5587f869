/* The command `netproto`, as a user runs it: what it prints, and its exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include <base_service.h>
#include <netproto/daemon.h>

#include "support/tool_runner.h"
#include "talk_service.h"

/* Without a network ------------------------------------------------------------------------------
 */

#define HELLO_HEX "05000000050000000000000068656c6c6f"
#define HELLO_JSON "{\"Echo\":{\"text\":\"hello\"}}"

static void test_encode(void **state)
{
    (void)state;
    expect(RUN("encode", "Echo", "{\"text\":\"hello\"}"), 0, HELLO_HEX "\n");
    expect(RUN("encode", "base.Echo", "{\"text\":\"hello\"}"), 0, HELLO_HEX "\n");
    expect(RUN("encode", HELLO_JSON), 0, HELLO_HEX "\n");
    expect(RUN_IN(HELLO_JSON "\n\n{\"Ping\":{\"token\":1}}", "encode", "-"), 0,
           HELLO_HEX "\n000000000100000000000000\n");
    expect(RUN_IN("{\"text\":\"hello\"}\n", "encode", "Echo", "-"), 0, HELLO_HEX "\n");
    const tool_result *r = RUN("encode", "--binary", "Ping", "{\"token\":\"258\"}");
    expect(r, 0, NULL);
    assert_int_equal(r->out_len, 12);
    assert_memory_equal(r->out, "\0\0\0\0\2\1\0\0\0\0\0\0", 12);

    expect_words(RUN("encode", "Echo", "{\"txt\":1}"), 12,
                 "has no such member: txt; there are: text (JSON: Echo)");
    expect_words(RUN("encode", "Echo", "{\"text\":"), 12, "JSON line 1, column");
    expect_words(RUN("encode", "Nix", "{}"), 12, "there is no message \"Nix\"");
    expect_words(RUN("encode"), 2, "usage: netproto encode");
    expect_words(RUN("encode", "Echo"), 2, "the fields are missing: encode Echo '{...}'");
    expect_words(RUN_IN("[1]\n", "encode", "-p", tool_plugin, "-"), 12,
                 "a line is {\"Join\": {...}}");
    expect_words(RUN_IN("{\"text\":\"t\"}\n", "encode", "-"), 12, "a line is {\"Ping\": {...}}");
    expect_words(RUN("encode", "--at", "9", "Echo", "{}"), 2, "has versions 1 to 1");
    expect_words(RUN("encode", "--at", "x", "Echo", "{}"), 2, "--at takes a number");
}

static void test_decode(void **state)
{
    (void)state;
    expect(RUN("decode", HELLO_HEX), 0, HELLO_JSON "\n");
    expect(RUN("decode", "05 00:00:00", "0x05,00000000000000", "68 65 6C 6C 6F"), 0,
           HELLO_JSON "\n");
    expect(RUN_IN(HELLO_HEX "\n" HELLO_HEX "\n", "decode"), 0, HELLO_JSON "\n" HELLO_JSON "\n");
    expect(tool_run_with(NULL, "\5\0\0\0\1\0\0\0\0\0\0\0\x1b", 13,
                         (const char *const[]){"decode", "--binary", NULL}),
           0, "{\"Echo\":{\"text\":\"\\u001b\"}}\n");

    const tool_result *r = RUN("decode", "05000000 0500000000000000 6865ff6c6f");
    expect_words(r, 6, "base.Echo.text: invalid UTF-8");
    expect_words(r, 6, "at byte 14 (JSON: Echo.text)");
    expect_words(r, 6,
                 "  00000000  05 00 00 00 05 00 00 00  00 00 00 00 68 65 ff 6c  ............he.l\n"
                 "                                                       ^^\n");
    expect_words(RUN("decode", "050000"), 6, "the input ends too early");
    expect_words(RUN("decode", "ffffffff"), 6, "unknown message");
    expect_words(RUN("decode", "05g0"), 2, "not hexadecimal at character 3");
    /* A bad line does not stop the rest. */
    r = RUN_IN("00\n" HELLO_HEX "\n", "decode");
    expect(r, 6, HELLO_JSON "\n");
}

/* Ten bytes of header, and the payload. */
static size_t put_frame(uint8_t *p, uint8_t flags, const uint8_t *body, uint32_t len)
{
    const uint8_t head[10] = {0xDE,        0xAD, 0xBE, 0xEF, 1, flags, 0, 0, (uint8_t)(len >> 8),
                              (uint8_t)len};

    memcpy(p, head, sizeof head);
    memcpy(p + sizeof head, body, len);
    return sizeof head + len;
}

static void test_frames(void **state)
{
    const char *const args[] = {"decode", "--frames", "--binary", NULL};
    uint8_t echo[12 + 2000] = {5, 0, 0, 0, 2000 & 0xFF, 2000 >> 8}, ping[12] = {0, 0, 0, 0, 7};
    uint8_t bytes[8192];
    (void)state;

    memset(echo + 12, 'x', 2000);
    size_t len = put_frame(bytes, 0, ping, sizeof ping);
    len += put_frame(bytes + len, 0x10, echo, 1024);
    len += put_frame(bytes + len, 0, echo + 1024, sizeof echo - 1024);
    const tool_result *r = tool_run_with(NULL, bytes, len, args);
    expect(r, 0, NULL);
    assert_memory_equal(r->out,
                        "{\"offset\":0,\"message\":{\"Ping\":{\"token\":\"7\"}}}\n"
                        "{\"offset\":22,\"message\":{\"Echo\":{\"text\":\"xxx",
                        81);
    expect_words(tool_run_with(NULL, bytes, len - 1, args), 6, "the input ends too early");
    expect_words(tool_run_with(NULL, bytes, 22 + 10 + 1024, args), 6,
                 "ends within the message that began at byte 22");
    bytes[22 + 4] = 2;
    expect_words(tool_run_with(NULL, bytes, len, args), 6, "base.frame.version");
    expect_words(tool_run_with(NULL, bytes, len, args), 6, "at byte 26");
    bytes[22 + 4] = 1;
    bytes[10] = 0xEE; /* the Ping's id */
    expect_words(tool_run_with(NULL, bytes, len, args), 6, "unknown message");
    /* What would be ignored is refused. */
    expect_words(RUN("decode", "--frames", "--reply"), 2, "--frames does not go with --reply");
    expect_words(RUN("decode", "-", HELLO_HEX), 2, "nothing stands behind it");
}

static void test_help(void **state)
{
    static const char *const names[] = {"encode", "decode", "serve",    "call",
                                        "ping",   "bench",  "handshake"};
    (void)state;

    expect_words(RUN("nix"), 2, "there is no command \"nix\"");
    expect_words(RUN("-p", tool_plugin, "--at", "2", "encode"), 2, "stand behind the command");
    expect_words(RUN("-p", tool_plugin), 2, "a command is missing");
    const tool_result *r = RUN("nix");
    expect(r, 2, NULL);
    assert_null(strstr(r->err, "usage:"));
    r = RUN("--help");
    expect(r, 0, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char usage[64];
        r = RUN("--help");
        assert_non_null(strstr(r->out, names[i]));
        snprintf(usage, sizeof usage, "usage: netproto %s ", names[i]);
        r = RUN(names[i], "--help");
        expect(r, 0, NULL);
        assert_non_null(strstr(r->out, usage));
        assert_non_null(strstr(r->out, "Examples:"));
        expect_words(RUN(names[i], "--nix"), 2, usage);
    }
    r = RUN("--version");
    expect(r, 0, NULL);
    assert_non_null(strstr(r->out, "netproto 0."));
}

/* An option at the start of a text, as troff wants it: with a backslash before each hyphen. */
static void manual_spelling(const char *text, char *option, size_t cap)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz-"), used = 0;

    for (size_t i = 0; i < len && used + 3 < cap; i++) {
        if (text[i] == '-') {
            option[used++] = '\\';
        }
        option[used++] = text[i];
    }
    option[used] = '\0';
}

/* The manual page has the same table of exit codes as --help, and every long option. */
static void test_manual(void **state)
{
    static const char *const names[] = {"encode", "decode", "serve",    "call",
                                        "ping",   "bench",  "handshake"};
    static char manual[65536];
    (void)state;

    (void)tool_read_file("docs/man/netproto.1", manual, sizeof manual);
    const tool_result *r = RUN("--help");
    char *line = strstr((char *)(uintptr_t)r->out, "Exit codes:\n");
    assert_non_null(line);
    for (line = strtok(line + 12, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strstr(manual, strstr(line, "  ") + strspn(strstr(line, "  "), " 0123456789")) ==
            NULL) {
            fail_msg("the manual lacks: %s", line);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        r = RUN(names[i], "--help");
        for (const char *at = strstr(r->out, " --"); at != NULL; at = strstr(at + 1, " --")) {
            char option[64];
            manual_spelling(at + 1, option, sizeof option);
            if (strstr(manual, option) == NULL) {
                fail_msg("the manual lacks %s", option);
            }
        }
    }
}

/* With the command's own daemon ------------------------------------------------------------------
 */

static void test_serve_call_ping(void **state)
{
    char address[64], json[128];
    pid_t pid =
        tool_start_server(address, sizeof address,
                          (const char *const[]){"serve", "--plaintext", "tcp://127.0.0.1:0", NULL});
    (void)state;

    expect(RUN("call", "--plaintext", address, "Echo", "{\"text\":\"hello\"}"), 0, HELLO_JSON "\n");
    expect(RUN("call", "--plaintext", address, "{\"Data\":{\"name\":\"n\",\"body\":\"AAEC\"}}"), 0,
           "{\"Data\":{\"name\":\"n\",\"body\":\"AAEC\"}}\n");
    expect(RUN_IN("{\"Ping\":{\"token\":5}}\n" HELLO_JSON "\n"
                  "{\"Custom\":{\"command\":\"c\",\"payload\":\"\"}}\n" HELLO_JSON,
                  "call", "--plaintext", address, "-"),
           0, "{\"Pong\":{\"token\":\"5\"}}\n" HELLO_JSON "\n" HELLO_JSON "\n");
    expect_words(RUN("call", "--plaintext", address, "Echo", "{}"), 12,
                 "base.Echo.text: is missing");
    expect_words(RUN("call", "--plaintext", address, "Welcome", "{}"), 12, "base.Welcome.choice");
    expect_words(RUN("--protocol", tool_plugin, "call", "--plaintext", address, "Join",
                     "{\"name\":\"bob\"}"),
                 5, "hello");

    const tool_result *r = RUN("ping", "--plaintext", "-c", "3", "-i", "1", address);
    expect(r, 0, NULL);
    snprintf(json, sizeof json, "pong from %s: seq=3 time=", address);
    assert_non_null(strstr(r->out, json));
    r = RUN("bench", "--plaintext", "-n", "1", "-c", "2", "-d", "8", "--json", address);
    expect(r, 0, NULL);
    assert_memory_equal(r->out, "{\"connections\":2,\"depth\":8,\"size\":64,\"seconds\":1.", 48);

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(tool_wait(pid, NULL), 0);
    expect_words(RUN("ping", "--plaintext", "-c", "1", address), 4, "connect");
}

static void test_stages(void **state)
{
    (void)state;
    expect_words(RUN("call", "--plaintext", "nix", "Echo", "{}"), 2, "address nix");
    expect_words(RUN("ping", "--plaintext", "tcp://127.0.0.1:1"), 4, "Connection refused");
    expect_words(RUN("ping", "--plaintext", "unix:///nonexistent/x.sock"), 4, "connect");
    expect_words(RUN("serve", "--plaintext", "unix:///nonexistent/x.sock"), 11, "listen");
    expect_words(RUN("serve"), 2, "at least one address");
    expect_words(RUN("call", "--plaintext", "x", "Echo"), 2,
                 "the fields are missing: call x Echo '{...}'");
    expect_words(RUN("encode", "-p", "/nonexistent.so", "X", "{}"), 13, "cannot load");
    expect_words(RUN("encode", "-p", "libm.so.6", "X", "{}"), 13, "cannot load");
    char other[512];
    snprintf(other, sizeof other, "%.*s_short.so", (int)strlen(tool_plugin) - 3, tool_plugin);
    expect_words(RUN("encode", "-p", other, "Join", "{\"name\":\"ann\"}"), 13, "-fshort-enums");
    expect_words(RUN("encode", "-p", "schema/base.np", "X", "{}"), 13, "(... PLUGIN) builds");
    expect_words(RUN("bench", "--plaintext", "-d", "0", "tcp://127.0.0.1:1"), 2,
                 "--depth takes a number");
}

/* Every command takes --protocol, before its name or behind it, or says why it does not. */
static void test_protocol_option(void **state)
{
    static const struct {
        const char *command, *why;
    } all[] = {
        {"encode", NULL},
        {"decode", NULL},
        {"serve", NULL},
        {"call", NULL},
        {"ping", NULL},
        {"handshake", NULL},
        {"bench", "takes no --protocol: it speaks the base protocol only"},
        {"key", "takes no --protocol: keys are the same for all protocols"},
        {"keygen", "takes no --protocol: keys are the same for all protocols"},
    };
    char joined[PATH_MAX + 64];
    (void)state;

    snprintf(joined, sizeof joined, "--protocol=%s", tool_plugin);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *name = all[i].command;
        const char *const ways[][5] = {
            {"--protocol", tool_plugin, name, "--nix"},
            {name, "--protocol", tool_plugin, "--nix"},
            {joined, name, "--nix"},
            {name, joined, "--nix"},
        };
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
            const tool_result *r = tool_run_with(NULL, "", 0, ways[way]);
            expect_words(r, 2, all[i].why != NULL ? all[i].why : "'--nix'");
            assert_null(strstr(r->err, "'--protocol")); /* getopt's way to refuse it */
        }
    }
    expect_words(RUN("-p", tool_plugin, "bench", "tcp://127.0.0.1:1"), 2, "it takes no -p: ");
    expect_words(RUN("bench", "-px.so", "tcp://127.0.0.1:1"), 2, "it takes no -p: ");
    expect_words(RUN("key", "--", "-p"), 14, "-p: it cannot be opened");
}

/* With a daemon of a plugin's protocol ------------------------------------------------------------
 */

static np_err on_find(np_conn *conn, np_call call, const talk_find *msg, void *user)
{
    talk_person person = {.name = msg->name, .age = 7};
    (void)conn;
    (void)user;

    if (msg->name.len == 0) {
        return np_call_fail(call, 3, 42, np_str_from("no \x1b name"));
    }
    return np_str_equal(msg->name, np_str_from("late")) ? NP_OK
                                                        : talk_find_reply(call, &person, NULL);
}

static np_err on_say(np_conn *conn, const talk_say *msg, void *user)
{
    (void)user;
    return talk_say_send(conn, msg, NULL);
}

static np_err on_join(np_conn *conn, const talk_join *msg, void *user)
{
    (void)conn;
    (void)msg;
    (void)user;
    return NP_OK;
}

static void test_plugin(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static const talk_handlers handlers = {
        .on_join = on_join, .on_find = on_find, .on_say = on_say};
    np_daemon_options options = np_daemon_options_default();
    np_loop *loop = NULL;
    np_daemon *daemon = NULL;
    char at[64];
    (void)state;

    options.security.plaintext = true;
    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    options.addresses = addresses;
    options.address_count = 1;
    options.service = talk_service(&handlers);
    options.conn.conversation = &talk_protocol.conversations[0];
    assert_int_equal(np_daemon_start(&daemon, loop, &options, NULL), NP_OK);
    snprintf(at, sizeof at, "%s", np_daemon_address(daemon, 0));

    expect(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"bob\"}}\n", "-p",
                    tool_plugin, "call", "--plaintext", at, "-"),
           0, "{\"Find\":{\"name\":\"bob\",\"age\":7,\"note\":null}}\n");
    expect(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Say\":{\"text\":\"t\",\"mood\":1}}\n",
                    "-p", tool_plugin, "call", "--plaintext", "--linger", "300", at, "-"),
           0, "{\"Say\":{\"text\":\"t\",\"mood\":1}}\n");
    expect_words(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"\"}}\n", "-p",
                          tool_plugin, "call", "--plaintext", at, "-"),
                 9, "refused, code 42: \"no \\u001b name\"");
    expect_words(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"late\"}}\n",
                          "-p", tool_plugin, "call", "--plaintext", "-t", "200", at, "-"),
                 8, "talk.Find: the deadline has passed");
    expect_words(RUN_LOOP(loop, "", "-p", tool_plugin, "call", "--plaintext", at, "Find",
                          "{\"name\":\"bob\"}"),
                 7, "talk.Find is not allowed from the client in state greet; allowed: Join");
    expect_words(RUN_LOOP(loop, "", "ping", "--plaintext", at), 5, "give --protocol");
    expect(RUN("encode", "--protocol", tool_plugin, "--at", "1", "Say", "{\"text\":\"t\"}"), 0,
           "01010000010000000000000074\n");
    expect(RUN("decode", "--protocol", tool_plugin, "--at", "1", "01010000010000000000000074"), 0,
           "{\"Say\":{\"text\":\"t\"}}\n");
    expect(RUN("decode", "--protocol", tool_plugin, HELLO_HEX), 0, HELLO_JSON "\n");
    np_daemon_free(daemon);
    np_loop_free(loop);
}

/* It offers all that there is; the server's choice is shown, and none where the server wants none.
 */
static void test_handshake_shows_compression(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0"};
    static const char *const words[] = {"compression     none\n", "compression     LZ4\n",
                                        "compression     zstd\n"};
    static const base_handlers handlers = {.on_echo = NULL};
    (void)state;

    for (int kind = NP_COMPRESSION_NONE; kind <= NP_COMPRESSION_ZSTD; kind++) {
        np_daemon_options options = np_daemon_options_default();
        np_loop *loop = NULL;
        np_daemon *daemon = NULL;
        options.security.plaintext = true;
        options.addresses = addresses;
        options.address_count = 1;
        options.service = base_service(&handlers);
        options.conn.compression.preferred[0] = (np_compression)kind;
        assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
        assert_int_equal(np_daemon_start(&daemon, loop, &options, NULL), NP_OK);
        const tool_result *r =
            RUN_LOOP(loop, "", "handshake", "--plaintext", np_daemon_address(daemon, 0));
        expect(r, 0, NULL);
        assert_non_null(strstr(r->out, words[kind]));
        np_daemon_free(daemon);
        np_loop_free(loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_frames), cmocka_unit_test(test_help),
        cmocka_unit_test(test_manual), cmocka_unit_test(test_serve_call_ping),
        cmocka_unit_test(test_stages), cmocka_unit_test(test_protocol_option),
        cmocka_unit_test(test_plugin), cmocka_unit_test(test_handshake_shows_compression),
    };
    return cmocka_run_group_tests(tests, tool_runner_setup, tool_runner_teardown);
}
