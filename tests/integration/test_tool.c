/* The command `netproto`, as a user runs it: what it prints, and its exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <netproto/daemon.h>

#include "talk_service.h"

/* Running the command ----------------------------------------------------------------------------
 */

/* Where things lie: this test is build/tests/integration/test_tool, the command build/netproto. */
static char tool[PATH_MAX + 32], plugin[PATH_MAX + 32], scratch[] = "/tmp/np-tool-XXXXXX";
static char in_path[64], out_path[64], err_path[64];

static int find_things(void **state)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    (void)state;
    if (len <= 0 || mkdtemp(scratch) == NULL) {
        return -1;
    }
    self[len] = '\0';
    char *folder = dirname(self);
    snprintf(tool, sizeof tool, "%s/../../netproto", folder);
    snprintf(plugin, sizeof plugin, "%s/talk.so", folder);
    snprintf(in_path, sizeof in_path, "%s/in", scratch);
    snprintf(out_path, sizeof out_path, "%s/out", scratch);
    snprintf(err_path, sizeof err_path, "%s/err", scratch);
    return access(tool, X_OK);
}

static int remove_things(void **state)
{
    (void)state;
    (void)unlink(in_path);
    (void)unlink(out_path);
    (void)unlink(err_path);
    return rmdir(scratch);
}

/* What one run left behind. */
typedef struct result {
    int code;
    char out[65536], err[65536];
    size_t out_len;
} result;

static size_t read_file(const char *path, char *text, size_t cap)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t len = fread(text, 1, cap - 1, file);
    assert_int_equal(fclose(file), 0);
    text[len] = '\0';
    return len;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags, 0600);

    if (fd < 0 || dup2(fd, to) < 0) {
        _exit(126);
    }
}

/* Starts the command on the files of this test. */
static pid_t start(const char *const *args)
{
    char *argv[16] = {tool};
    pid_t pid;

    for (size_t i = 0; args[i] != NULL; i++) {
        assert_true(i < 14);
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* execv takes char *, and writes nothing */
    }
    pid = fork();
    if (pid == 0) {
        redirect(in_path, O_RDONLY, 0);
        redirect(out_path, O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect(err_path, O_WRONLY | O_CREAT | O_TRUNC, 2);
        execv(tool, argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

/* Waits for the end; runs a loop meanwhile where one is given. */
static int wait_for(pid_t pid, np_loop *loop)
{
    const bool never = false;
    int status = 0;
    int tries = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_true(tries++ < 6000);
        if (loop != NULL) {
            assert_int_equal(np_loop_run_until(loop, &never, 5), NP_ERR_DEADLINE);
        } else {
            usleep(5000);
        }
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const result *run_with(np_loop *loop, const void *input, size_t len, const char *const *args)
{
    static result r;

    write_file(in_path, input, len);
    r.code = wait_for(start(args), loop);
    r.out_len = read_file(out_path, r.out, sizeof r.out);
    (void)read_file(err_path, r.err, sizeof r.err);
    return &r;
}

#define RUN(...) run_with(NULL, "", 0, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_IN(text, ...)                                                                          \
    run_with(NULL, (text), strlen(text), (const char *const[]){__VA_ARGS__, NULL})
#define RUN_LOOP(loop, text, ...)                                                                  \
    run_with((loop), (text), strlen(text), (const char *const[]){__VA_ARGS__, NULL})

static void expect(const result *r, int code, const char *out)
{
    if (r->code != code || (out != NULL && strcmp(r->out, out) != 0)) {
        fail_msg("code %d, printed: %s\nand: %s", r->code, r->out, r->err);
    }
}

static void expect_words(const result *r, int code, const char *words)
{
    if (r->code != code || strstr(r->err, words) == NULL) {
        fail_msg("code %d, printed: %s\nand: %s", r->code, r->out, r->err);
    }
}

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
    const result *r = RUN("encode", "--binary", "Ping", "{\"token\":\"258\"}");
    expect(r, 0, NULL);
    assert_int_equal(r->out_len, 12);
    assert_memory_equal(r->out, "\0\0\0\0\2\1\0\0\0\0\0\0", 12);

    expect_words(RUN("encode", "Echo", "{\"txt\":1}"), 12, "has no such member: txt");
    expect_words(RUN("encode", "Echo", "{\"text\":"), 12, "JSON line 1, column");
    expect_words(RUN("encode", "Nix", "{}"), 12, "there is no message \"Nix\"");
    expect_words(RUN("encode"), 2, "usage: netproto encode");
    expect_words(RUN("encode", "Echo"), 2, "the fields are missing: encode Echo '{...}'");
    expect_words(RUN_IN("[1]\n", "encode", "-p", plugin, "-"), 12, "a line is {\"Join\": {...}}");
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
    expect(run_with(NULL, "\5\0\0\0\1\0\0\0\0\0\0\0\x1b", 13,
                    (const char *const[]){"decode", "--binary", NULL}),
           0, "{\"Echo\":{\"text\":\"\\u001b\"}}\n");

    const result *r = RUN("decode", "05000000 0500000000000000 6865ff6c6f");
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
    const result *r = run_with(NULL, bytes, len, args);
    expect(r, 0, NULL);
    assert_memory_equal(r->out,
                        "{\"offset\":0,\"message\":{\"Ping\":{\"token\":\"7\"}}}\n"
                        "{\"offset\":22,\"message\":{\"Echo\":{\"text\":\"xxx",
                        81);
    expect_words(run_with(NULL, bytes, len - 1, args), 6, "the input ends too early");
    expect_words(run_with(NULL, bytes, 22 + 10 + 1024, args), 6,
                 "ends within the message that began at byte 22");
    bytes[22 + 4] = 2;
    expect_words(run_with(NULL, bytes, len, args), 6, "base.frame.version");
    expect_words(run_with(NULL, bytes, len, args), 6, "at byte 26");
    bytes[22 + 4] = 1;
    bytes[10] = 0xEE; /* the Ping's id */
    expect_words(run_with(NULL, bytes, len, args), 6, "unknown message");
}

static void test_help(void **state)
{
    static const char *const names[] = {"encode", "decode", "serve", "call", "ping", "bench"};
    (void)state;

    expect_words(RUN("nix"), 2, "there is no command \"nix\"");
    expect_words(RUN("-p", plugin, "--at", "2", "encode"), 2, "stand behind the command");
    expect_words(RUN("-p", plugin), 2, "a command is missing");
    const result *r = RUN("nix");
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

/* The manual page has the same table of exit codes as --help, and every long option. */
static void test_manual(void **state)
{
    static const char *const names[] = {"encode", "decode", "serve", "call", "ping", "bench"};
    static char manual[65536];
    (void)state;

    (void)read_file("docs/man/netproto.1", manual, sizeof manual);
    const result *r = RUN("--help");
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
        for (const char *at = strstr(r->out, ", --"); at != NULL; at = strstr(at + 1, ", --")) {
            char option[32] = "\\-\\-";
            size_t len = strspn(at + 4, "abcdefghijklmnopqrstuvwxyz");
            snprintf(option + 4, sizeof option - 4, "%.*s", (int)len, at + 4);
            if (strstr(manual, option) == NULL) {
                fail_msg("the manual lacks %s", option);
            }
        }
    }
}

/* With the command's own daemon ------------------------------------------------------------------
 */

/* Starts `netproto serve` and reads where it listens. Its files are its own. */
static pid_t start_server(char *address, size_t cap)
{
    static const char *const args[] = {"serve", "tcp://127.0.0.1:0", NULL};
    char line[128] = "";

    write_file(in_path, "", 0);
    (void)unlink(out_path);
    pid_t pid = start(args);
    for (int i = 0; i < 1000 && strchr(line, '\n') == NULL; i++) {
        usleep(10000);
        if (access(out_path, R_OK) == 0) {
            (void)read_file(out_path, line, sizeof line);
        }
    }
    assert_memory_equal(line, "listening on tcp://127.0.0.1:", 29);
    *strchr(line, '\n') = '\0';
    assert_true(strlen(line + 13) < cap);
    strcpy(address, line + 13);
    /* The next runs write new files; the daemon keeps the old ones. */
    (void)unlink(out_path);
    (void)unlink(err_path);
    return pid;
}

static void test_serve_call_ping(void **state)
{
    char address[64], json[128];
    pid_t pid = start_server(address, sizeof address);
    (void)state;

    expect(RUN("call", address, "Echo", "{\"text\":\"hello\"}"), 0, HELLO_JSON "\n");
    expect(RUN("call", address, "{\"Data\":{\"name\":\"n\",\"body\":\"AAEC\"}}"), 0,
           "{\"Data\":{\"name\":\"n\",\"body\":\"AAEC\"}}\n");
    expect(RUN_IN("{\"Ping\":{\"token\":5}}\n" HELLO_JSON "\n"
                  "{\"Custom\":{\"command\":\"c\",\"payload\":\"\"}}\n" HELLO_JSON,
                  "call", address, "-"),
           0, "{\"Pong\":{\"token\":\"5\"}}\n" HELLO_JSON "\n" HELLO_JSON "\n");
    expect_words(RUN("call", address, "Echo", "{}"), 12, "base.Echo.text: is missing");
    expect_words(RUN("call", address, "Welcome", "{}"), 12, "base.Welcome.choice");
    expect_words(RUN("--protocol", plugin, "call", address, "Join", "{\"name\":\"bob\"}"), 5,
                 "hello");

    const result *r = RUN("ping", "-c", "3", "-i", "1", address);
    expect(r, 0, NULL);
    snprintf(json, sizeof json, "pong from %s: seq=3 time=", address);
    assert_non_null(strstr(r->out, json));
    r = RUN("bench", "-n", "1", "-c", "2", "-d", "8", "--json", address);
    expect(r, 0, NULL);
    assert_memory_equal(r->out, "{\"connections\":2,\"depth\":8,\"size\":64,\"seconds\":1.", 48);

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid, NULL), 0);
    expect_words(RUN("ping", "-c", "1", address), 4, "connect");
}

static void test_stages(void **state)
{
    (void)state;
    expect_words(RUN("call", "nix", "Echo", "{}"), 2, "address nix");
    expect_words(RUN("ping", "tcp://127.0.0.1:1"), 4, "Connection refused");
    expect_words(RUN("ping", "unix:///nonexistent/x.sock"), 4, "connect");
    expect_words(RUN("serve", "unix:///nonexistent/x.sock"), 11, "listen");
    expect_words(RUN("serve"), 2, "at least one address");
    expect_words(RUN("-p", plugin, "serve", "x"), 2, "serve speaks the base protocol only");
    expect_words(RUN("call", "x", "Echo"), 2, "the fields are missing: call x Echo '{...}'");
    expect_words(RUN("encode", "-p", "/nonexistent.so", "X", "{}"), 13, "cannot load");
    expect_words(RUN("encode", "-p", "libm.so.6", "X", "{}"), 13, "cannot load");
    expect_words(RUN("bench", "-d", "0", "tcp://127.0.0.1:1"), 2, "--depth takes a number");
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

    assert_int_equal(np_loop_new(&loop, NULL), NP_OK);
    options.addresses = addresses;
    options.address_count = 1;
    options.service = talk_service(&handlers);
    options.conn.conversation = &talk_protocol.conversations[0];
    assert_int_equal(np_daemon_start(&daemon, loop, &options, NULL), NP_OK);
    snprintf(at, sizeof at, "%s", np_daemon_address(daemon, 0));

    expect(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"bob\"}}\n", "-p",
                    plugin, "call", at, "-"),
           0, "{\"Find\":{\"name\":\"bob\",\"age\":7,\"note\":null}}\n");
    expect(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Say\":{\"text\":\"t\",\"mood\":1}}\n",
                    "-p", plugin, "call", "--linger", "300", at, "-"),
           0, "{\"Say\":{\"text\":\"t\",\"mood\":1}}\n");
    expect_words(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"\"}}\n", "-p",
                          plugin, "call", at, "-"),
                 9, "refused, code 42: \"no \\u001b name\"");
    expect_words(RUN_LOOP(loop, "{\"Join\":{\"name\":\"me\"}}\n{\"Find\":{\"name\":\"late\"}}\n",
                          "-p", plugin, "call", "-t", "200", at, "-"),
                 8, "talk.Find: the deadline has passed");
    expect_words(RUN_LOOP(loop, "", "-p", plugin, "call", at, "Find", "{\"name\":\"bob\"}"), 7,
                 "talk.Find is not allowed from the client in state greet; allowed: Join");
    expect_words(RUN_LOOP(loop, "", "ping", at), 5, "give --protocol");
    expect(RUN("encode", "--protocol", plugin, "--at", "1", "Say", "{\"text\":\"t\"}"), 0,
           "01010000010000000000000074\n");
    expect(RUN("decode", "--protocol", plugin, "--at", "1", "01010000010000000000000074"), 0,
           "{\"Say\":{\"text\":\"t\"}}\n");
    expect(RUN("decode", "--protocol", plugin, HELLO_HEX), 0, HELLO_JSON "\n");
    np_daemon_free(daemon);
    np_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_frames), cmocka_unit_test(test_help),
        cmocka_unit_test(test_manual), cmocka_unit_test(test_serve_call_ping),
        cmocka_unit_test(test_stages), cmocka_unit_test(test_plugin),
    };
    return cmocka_run_group_tests(tests, find_things, remove_things);
}
